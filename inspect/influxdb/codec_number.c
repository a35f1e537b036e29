/*
 * codec_number.c - integers (signed and unsigned alike), floats and booleans of a block.
 *
 * Integers are differences to the value before (the first to 0), zigzag: 0 -1 1 -2 become 0 1 2 3.
 *
 *     | encoding, high 4 bits | rest |
 *
 *     raw  (0)    value 8 | value 8 ...
 *     packed (1)  first 8 | the others, simple8b words
 *     run  (2)    first 8 | difference, varint | how often it follows, varint
 *
 * Floats are what Facebook's Gorilla paper tells: each value's bits XOR those of the value before.
 *
 *     | 1 in the high 4 bits | first value, 64 bits | then, bit by bit, highest first:
 *         0                                             the same value again
 *         1 0  bits                                     as many meaningful bits, at the same place, as last time
 *         1 1  leading zeros 5, bits 6 (0: 64), bits    a new place
 *       a NaN of fixed bits ends the stream, then zeros up to the byte
 *
 * Booleans: | 1 in the high 4 bits | count, varint | bits, highest first |
 */
#include "inspect/influxdb/bytes.h"
#include "inspect/influxdb/codec.h"

enum { RAW = 0, PACKED = 1, RUN = 2 };
#define FLOATS_GORILLA 1
#define FLOATS_END 0x7FF8000000000001u /* Go's NaN */
#define BOOLEANS_PACKED 1

/* ---------------------------------------------------------------- integers */

static void add_up(union silt_value *values, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        values[i].u64 = sum += (uint64_t)influx_unzigzag(values[i].u64);
}

const char *influx_decode_integers(const uint8_t *bytes, size_t len, size_t count, union silt_value *out)
{
    struct influx_bytes in = influx_bytes_from(bytes, len);
    uint8_t head = influx_take8(&in);
    size_t words = influx_left(&in) / 8;

    switch (head >> 4) {
    case RAW:
        if (influx_left(&in) % 8 || words != count)
            return "raw integers, not as many as times";
        for (size_t i = 0; i < count; i++)
            out[i].u64 = influx_take64(&in);
        break;
    case PACKED:
        if (words == 0 || influx_left(&in) % 8 || influx_simple8b_count(in.p + 8, words - 1, count - 1) != count - 1)
            return "packed integers, not as many as times";
        out[0].u64 = influx_take64(&in);
        influx_simple8b_decode(in.p, words - 1, &out[1].u64);
        break;
    case RUN: {
        out[0].u64 = influx_take64(&in);
        uint64_t delta = influx_take_varint(&in), repeats = influx_take_varint(&in);
        if (in.short_of || repeats != count - 1)
            return "a run of integers, not as many as times";
        for (size_t i = 1; i < count; i++)
            out[i].u64 = delta;
        break;
    }
    default:
        return "integers in an unknown encoding";
    }
    add_up(out, count);
    return NULL;
}

/* ---------------------------------------------------------------- floats */

struct bit_reader {
    const uint8_t *p, *end;
    uint64_t window; /* the next bits, highest first */
    unsigned held;   /* how many of them; below are zeros */
    bool short_of;
};

static inline void refill(struct bit_reader *in)
{
    if (in->end - in->p >= 8) { /* as many whole bytes as there is room for */
        in->window |= influx_load64(in->p) >> in->held;
        unsigned whole = (63 - in->held) / 8;
        in->p += whole;
        in->held += whole * 8;
        in->window &= ~(uint64_t)0 << (64 - in->held);
        return;
    }
    for (; in->held <= 56 && in->p < in->end; in->held += 8)
        in->window |= (uint64_t)*in->p++ << (56 - in->held);
}

/* count: 1 to 32. */
static inline uint64_t take_bits(struct bit_reader *in, unsigned count)
{
    if (in->held < count) {
        refill(in);
        if (in->held < count) {
            in->short_of = true;
            in->held = 0;
            in->window = 0;
            return 0;
        }
    }
    uint64_t bits = in->window >> (64 - count);
    in->window <<= count;
    in->held -= count;
    return bits;
}

static inline uint64_t take_many_bits(struct bit_reader *in, unsigned count)
{
    if (count <= 32)
        return take_bits(in, count);
    uint64_t high = take_bits(in, count - 32);
    return high << 32 | take_bits(in, 32);
}

const char *influx_decode_floats(const uint8_t *bytes, size_t len, size_t count, union silt_value *out)
{
    if (len < 9 || bytes[0] >> 4 != FLOATS_GORILLA)
        return "floats in an unknown encoding, or cut short";
    struct bit_reader in = {.p = bytes + 9, .end = bytes + len};
    uint64_t value = influx_load64(bytes + 1);
    unsigned width = 64, shift = 0;

    for (size_t i = 0;; i++) {
        if (value == FLOATS_END)
            return i == count ? NULL : "floats, fewer than times";
        if (i == count)
            return "floats, more than times";
        out[i].u64 = value;
        if (!take_bits(&in, 1)) {
            if (in.short_of)
                return "floats cut short";
            continue;
        }
        if (take_bits(&in, 1)) {
            unsigned leading = (unsigned)take_bits(&in, 5);
            width = (unsigned)take_bits(&in, 6);
            width = width ? width : 64;
            if (leading + width > 64)
                return "floats with impossible bit counts";
            shift = 64 - leading - width;
        }
        value ^= take_many_bits(&in, width) << shift;
        if (in.short_of)
            return "floats cut short";
    }
}

/* ---------------------------------------------------------------- booleans */

const char *influx_decode_booleans(const uint8_t *bytes, size_t len, size_t count, union silt_value *out)
{
    struct influx_bytes in = influx_bytes_from(bytes, len);
    uint8_t head = influx_take8(&in);
    uint64_t claimed = influx_take_varint(&in);

    if (head >> 4 != BOOLEANS_PACKED)
        return "booleans in an unknown encoding";
    if (in.short_of || claimed != count || influx_left(&in) < (count + 7) / 8)
        return "booleans, not as many as times";
    for (size_t i = 0; i < count; i++)
        out[i].u64 = in.p[i / 8] >> (7 - i % 8) & 1;
    return NULL;
}
