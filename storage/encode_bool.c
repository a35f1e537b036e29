/*
 * encode_bool.c - booleans.
 *
 *     CONSTANT  | 0 or 1 |
 *     BITMAP    | a bit each, lowest first, the rest 0 |
 *     RUNS      | 0 or 1, the first run's | length of every run but the last, varints |
 */
#include "storage/encode.h"

enum encode_codec encode_bools(const uint8_t *values, unsigned count, struct silt_buffer *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    size_t start = out->len, bitmap_bytes = encode_packed_bytes(count, 1);
    silt_buffer_char(out, (char)values[0]);
    if (!memchr(values, !values[0], count))
        return ENCODE_CONSTANT;
    unsigned run = 0;
    for (unsigned i = 1; i < count && out->len - start < bitmap_bytes; i++) {
        if (values[i] == values[i - 1])
            continue;
        encode_put_varint(out, i - run);
        run = i;
    }
    if (out->len - start < bitmap_bytes)
        return ENCODE_RUNS;
    out->len = start;
    uint64_t bits[ENCODE_ROWS_MAX];
    for (unsigned i = 0; i < count; i++)
        bits[i] = values[i];
    encode_put_packed(out, bits, count, 1);
    return ENCODE_BITMAP;
}

enum silt_status decode_bools(unsigned codec, const void *bytes, size_t len, unsigned count, uint8_t *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    const uint8_t *in = bytes;
    if (codec == ENCODE_CONSTANT) {
        if (len != 1 || in[0] > 1)
            return SILT_CORRUPT;
        memset(out, in[0], count);
        return SILT_OK;
    }
    if (codec == ENCODE_BITMAP) {
        if (len != encode_packed_bytes(count, 1))
            return SILT_CORRUPT;
        for (unsigned i = 0; i < count; i++)
            out[i] = in[i / 8] >> i % 8 & 1;
        return SILT_OK;
    }
    if (codec != ENCODE_RUNS || len < 1 || in[0] > 1)
        return SILT_CORRUPT;
    struct encode_cursor cursor = {in + 1, in + len};
    uint8_t value = in[0];
    unsigned at = 0;
    while (cursor.at < cursor.end) {
        uint64_t run = encode_get_varint(&cursor);
        if (!cursor.at || run == 0 || run >= count - at)
            return SILT_CORRUPT;
        memset(out + at, value, run);
        at += (unsigned)run;
        value ^= 1;
    }
    memset(out + at, value, count - at);
    return SILT_OK;
}
