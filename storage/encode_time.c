/*
 * encode_time.c - rising times.
 *
 *     STEP    | first signed | step varint |                           one step between all (also: a lone time, step 0)
 *     SCALED  | first signed | divisor varint | (time - first) / divisor as nested integers |
 *     TREND   | first signed | divisor varint | step varint | (time - first) / divisor - row * step as nested integers |
 *
 * The divisor is the greatest common one: clocks that tick in seconds are stored as seconds. TREND is for times that
 * a clock set off and something delayed: a delay is counted once there, and twice between neighbours.
 */
#include "silt/kernels.h"
#include "storage/encode.h"

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* SCALED's payload, from `start` on, made TREND's if that is smaller: only times close to a line can be. */
static bool put_trend(int64_t *quotients, unsigned count, const char *head, size_t head_bytes, size_t start,
                      struct silt_buffer *out)
{
    uint64_t step = ((uint64_t)quotients[count - 1] + (count - 1) / 2) / (count - 1);
    int64_t min, max;
    for (unsigned i = 0; i < count; i++)
        quotients[i] = (int64_t)((uint64_t)quotients[i] - i * step);
    silt_minmax_i64(quotients, count, &min, &max);
    size_t end = out->len;
    if (encode_packed_bytes(count, encode_width((uint64_t)max - (uint64_t)min)) >= end - start)
        return false;
    silt_buffer_append(out, head, head_bytes);
    encode_put_varint(out, step);
    encode_nested_ints(quotients, count, out);
    size_t bytes = out->len - end;
    bool smaller = bytes < end - start;
    if (smaller)
        memmove(out->p + start, out->p + end, bytes);
    out->len = smaller ? start + bytes : end;
    return smaller;
}

enum encode_codec encode_times(const silt_time *times, unsigned count, struct silt_buffer *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    uint64_t first = (uint64_t)times[0], step = count > 1 ? (uint64_t)times[1] - first : 0, divisor = step;
    bool even = true;
    for (unsigned i = 1; i < count; i++) {
        silt_assert(times[i] > times[i - 1]);
        even &= (uint64_t)times[i] - (uint64_t)times[i - 1] == step;
    }
    size_t start = out->len;
    encode_put_signed(out, times[0]);
    if (even) {
        encode_put_varint(out, step);
        return ENCODE_STEP;
    }
    for (unsigned i = 2; i < count && divisor > 1; i++)
        divisor = greatest_divisor((uint64_t)times[i] - (uint64_t)times[i - 1], divisor);
    int64_t quotients[ENCODE_ROWS_MAX];
    for (unsigned i = 0; i < count; i++)
        quotients[i] = (int64_t)(((uint64_t)times[i] - first) / divisor);
    encode_put_varint(out, divisor);
    char head[20];
    size_t head_bytes = out->len - start;
    memcpy(head, out->p + start, head_bytes);
    encode_nested_ints(quotients, count, out);
    return put_trend(quotients, count, head, head_bytes, start, out) ? ENCODE_TREND : ENCODE_SCALED;
}

enum silt_status decode_times(unsigned codec, const void *bytes, size_t len, unsigned count, silt_time *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    struct encode_cursor cursor = {bytes, (const uint8_t *)bytes + len};
    if (len == 0)
        return SILT_CORRUPT;
    uint64_t first = (uint64_t)encode_get_signed(&cursor), unit = encode_get_varint(&cursor);
    if (!cursor.at)
        return SILT_CORRUPT;
    if (codec == ENCODE_STEP) {
        if (cursor.at != cursor.end)
            return SILT_CORRUPT;
        for (unsigned i = 0; i < count; i++)
            out[i] = (int64_t)(first + i * unit);
    } else if (codec == ENCODE_SCALED || codec == ENCODE_TREND) {
        uint64_t step = codec == ENCODE_TREND ? encode_get_varint(&cursor) : 0;
        if (!cursor.at)
            return SILT_CORRUPT;
        size_t consumed, left = (size_t)(cursor.end - cursor.at);
        if (decode_nested_ints(cursor.at, left, count, out, &consumed) != SILT_OK || consumed != left)
            return SILT_CORRUPT;
        for (unsigned i = 0; i < count; i++)
            out[i] = (int64_t)(first + ((uint64_t)out[i] + i * step) * unit);
    } else {
        return SILT_CORRUPT;
    }
    unsigned falls = 0;
    for (unsigned i = 1; i < count; i++)
        falls |= out[i] <= out[i - 1];
    return falls ? SILT_CORRUPT : SILT_OK;
}
