/*
 * codec_block.c - strings, and a block as a whole.
 *
 *     strings   | 1 in the high 4 bits | snappy of: length varint, bytes; length varint, bytes ... |
 */
#include "inspect/influxdb/bytes.h"
#include "inspect/influxdb/codec.h"

#include <stdlib.h>

#define STRINGS_SNAPPY 1

void influx_block_free(struct influx_block *block)
{
    free(block->times);
    free(block->values);
    silt_buffer_free(&block->plain);
    silt_buffer_free(&block->texts);
    *block = (struct influx_block){0};
}

const char *influx_decode_strings(const uint8_t *bytes, size_t len, struct influx_block *out)
{
    if (len < 1 || bytes[0] >> 4 != STRINGS_SNAPPY)
        return "strings in an unknown encoding";
    const char *wrong = influx_unsnappy((struct silt_str){(const char *)bytes + 1, len - 1}, &out->plain);
    if (wrong)
        return wrong;
    struct influx_bytes in = influx_bytes_from(out->plain.p, out->plain.len);
    /* Room for all at once: what is put there is pointed at. Each takes its bytes, a length of 4, and up to 3 to align. */
    out->texts.len = 0;
    silt_buffer_reserve(&out->texts, out->plain.len + out->count * (sizeof(struct silt_bytes) + 3) + 1);
    for (size_t i = 0; i < out->count; i++) {
        struct silt_str text = influx_take_str(&in, influx_take_varint(&in));
        if (in.short_of)
            return "strings, fewer than times";
        struct silt_bytes *copy = (struct silt_bytes *)(void *)(out->texts.p + out->texts.len);
        copy->len = (uint32_t)text.len;
        memcpy(copy->p, text.p, text.len);
        out->texts.len += (sizeof(*copy) + text.len + 3) & ~(size_t)3;
        out->values[i].string = copy;
    }
    return influx_left(&in) ? "strings, more than times" : NULL;
}

enum silt_type influx_block_type(uint8_t number)
{
    static const enum silt_type types[] = {SILT_TYPE_FLOAT, SILT_TYPE_INTEGER, SILT_TYPE_BOOLEAN, SILT_TYPE_STRING,
                                           SILT_TYPE_UNSIGNED};
    return number < sizeof(types) / sizeof(types[0]) ? types[number] : SILT_TYPE_NONE;
}

const char *influx_block_decode(const uint8_t *bytes, size_t len, struct influx_block *out)
{
    struct influx_bytes in = influx_bytes_from(bytes, len);
    out->type = influx_block_type(influx_take8(&in));
    uint64_t times_bytes = influx_take_varint(&in);
    if (in.short_of || times_bytes > influx_left(&in))
        return "a block cut short";
    if (out->type == SILT_TYPE_NONE)
        return "a block of an unknown type";
    const char *wrong = influx_decode_times(in.p, (size_t)times_bytes, out);
    if (wrong)
        return wrong;
    const uint8_t *values = in.p + times_bytes;
    size_t values_bytes = (size_t)(in.end - values);
    switch (out->type) {
    case SILT_TYPE_FLOAT:
        return influx_decode_floats(values, values_bytes, out->count, out->values);
    case SILT_TYPE_BOOLEAN:
        return influx_decode_booleans(values, values_bytes, out->count, out->values);
    case SILT_TYPE_STRING:
        return influx_decode_strings(values, values_bytes, out);
    default:
        return influx_decode_integers(values, values_bytes, out->count, out->values);
    }
}
