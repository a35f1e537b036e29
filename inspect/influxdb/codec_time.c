/*
 * codec_time.c - the times of a block: deltas, divided by the largest power of ten that divides all of them.
 *
 *     | encoding, high 4 bits; log10 of the divisor, low 4 bits | rest |
 *
 *     raw  (0)    first 8 | delta 8 | delta 8 ...                  the divisor is not used
 *     packed (1)  first 8 | deltas after division, simple8b words
 *     run  (2)    first 8 | delta after division, varint | count of times, varint
 */
#include "inspect/influxdb/bytes.h"
#include "inspect/influxdb/codec.h"

enum { RAW = 0, PACKED = 1, RUN = 2 };

static const uint64_t powers[16] = {
    1,         10,         100,         1000,         10000,         100000,         1000000,         10000000,
    100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000};

static bool make_room(struct influx_block *block, uint64_t count)
{
    if (count == 0 || count > INFLUX_BLOCK_VALUES_MAX)
        return false;
    block->count = (size_t)count;
    if (block->count <= block->capacity)
        return true;
    block->capacity = block->count + block->count / 2;
    block->times = silt_realloc(block->times, block->capacity * sizeof(*block->times));
    block->values = silt_realloc(block->values, block->capacity * sizeof(*block->values));
    return true;
}

/* Deltas stand in times[1..]; what does not rise, or wraps around, is not InfluxDB's. */
static const char *add_up(struct influx_block *block, uint64_t first, uint64_t scale)
{
    int64_t time = (int64_t)first;
    block->times[0] = time;
    for (size_t i = 1; i < block->count; i++) {
        uint64_t delta = (uint64_t)block->times[i] * scale;
        int64_t next = (int64_t)((uint64_t)time + delta);
        if (next <= time)
            return "times that do not rise";
        block->times[i] = time = next;
    }
    return NULL;
}

const char *influx_decode_times(const uint8_t *bytes, size_t len, struct influx_block *out)
{
    struct influx_bytes in = influx_bytes_from(bytes, len);
    uint8_t head = influx_take8(&in);
    uint64_t first = influx_take64(&in), scale = powers[head & 15];

    if (in.short_of)
        return "times cut short";
    switch (head >> 4) {
    case RAW: {
        size_t deltas = influx_left(&in) / 8;
        if (influx_left(&in) % 8 || !make_room(out, deltas + 1))
            return "raw times of an impossible length";
        for (size_t i = 1; i <= deltas; i++)
            out->times[i] = (int64_t)influx_take64(&in);
        return add_up(out, first, 1);
    }
    case PACKED: {
        size_t words = influx_left(&in) / 8;
        size_t deltas = influx_simple8b_count(in.p, words, INFLUX_BLOCK_VALUES_MAX - 1);
        if (influx_left(&in) % 8 || deltas == SIZE_MAX || !make_room(out, deltas + 1))
            return "packed times of an impossible length";
        influx_simple8b_decode(in.p, words, (uint64_t *)out->times + 1);
        return add_up(out, first, scale);
    }
    case RUN: {
        uint64_t delta = influx_take_varint(&in), count = influx_take_varint(&in);
        if (in.short_of || !make_room(out, count))
            return "a run of times of an impossible length";
        for (size_t i = 1; i < out->count; i++)
            out->times[i] = (int64_t)delta;
        return add_up(out, first, scale);
    }
    default:
        return "times in an unknown encoding";
    }
}
