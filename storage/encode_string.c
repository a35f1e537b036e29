/*
 * encode_string.c - strings.
 *
 *     CONSTANT    | the bytes, to the end |
 *     RAW         | table of all values |
 *     DICTIONARY  | distinct varint | codes packed, just enough bits each | table of the distinct values |
 *     TEMPLATE    | see encode_template.c |
 *
 *     table       | lengths, integers nested | 0 plain or 1 snappy, 1 | the bytes one after the other, to the end |
 *
 * What a snappy stream claims to hold must be what the lengths add up to, and no more than its bytes can hold: nothing is
 * allocated on its word.
 */
#include "storage/encode_template.h"

#include <snappy-c.h>

#define TABLE_SLOTS 2048u
#define STRING_BYTES_MAX ((int64_t)1 << 31)
#define SNAPPY_TRY_BYTES_MIN 64u
#define TEMPLATE_DISTINCT_MIN 8u /* with fewer distinct strings a dictionary is as small */
#define TEMPLATE_GAIN_SURE 4u    /* so many times smaller than the text: what snappy makes of that is not looked at */
#define SNAPPY_GROWTH_MAX 22u /* a 3-byte copy gives at most 64 bytes */

void encode_put_table(const struct silt_str *values, unsigned count, struct silt_buffer *out)
{
    int64_t lengths[ENCODE_ROWS_MAX];
    size_t total = 0;
    lengths[0] = 0;
    for (unsigned i = 0; i < count; i++) {
        lengths[i] = (int64_t)values[i].len;
        total += values[i].len;
    }
    encode_nested_ints(lengths, count, out);
    silt_buffer_char(out, 0);
    size_t start = out->len;
    for (unsigned i = 0; i < count; i++)
        silt_buffer_append(out, values[i].p, values[i].len);
    if (total < SNAPPY_TRY_BYTES_MIN)
        return;
    size_t packed = snappy_max_compressed_length(total);
    silt_buffer_reserve(out, packed);
    if (snappy_compress(out->p + start, total, out->p + out->len, &packed) != SNAPPY_OK || packed > total - total / 8)
        return;
    memmove(out->p + start, out->p + out->len, packed);
    out->p[start - 1] = 1;
    out->len = start + packed;
}

enum silt_status decode_table(const uint8_t *bytes, size_t len, unsigned count, struct silt_arena *arena,
                              struct silt_str *out)
{
    int64_t lengths[ENCODE_ROWS_MAX];
    size_t consumed, total = 0;
    if (decode_nested_counts(bytes, len, count, STRING_BYTES_MAX, lengths, &consumed) != SILT_OK || consumed >= len)
        return SILT_CORRUPT;
    for (unsigned i = 0; i < count; i++)
        total += (size_t)lengths[i];
    unsigned method = bytes[consumed++];
    bytes += consumed;
    len -= consumed;
    if (method == 0 ? total != len : method != 1 || total > len * SNAPPY_GROWTH_MAX)
        return SILT_CORRUPT;
    size_t claimed;
    if (method == 1 && (snappy_uncompressed_length((const char *)bytes, len, &claimed) != SNAPPY_OK || claimed != total))
        return SILT_CORRUPT;
    char *text = silt_arena_try_alloc(arena, total + 1);
    if (!text)
        return SILT_LIMIT;
    if (method == 0 && total)
        memcpy(text, bytes, total);
    if (method == 1 && snappy_uncompress((const char *)bytes, len, text, &claimed) != SNAPPY_OK)
        return SILT_CORRUPT;
    for (unsigned i = 0; i < count; i++) {
        out[i] = (struct silt_str){text, (size_t)lengths[i]};
        text += lengths[i];
    }
    return SILT_OK;
}

/* codes[i]: which of distinct[] value i is. Returns how many are distinct. */
static unsigned find_distinct(const struct silt_str *values, unsigned count, struct silt_str *distinct, uint64_t *codes)
{
    uint16_t slots[TABLE_SLOTS] = {0}; /* code + 1 */
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned slot = (unsigned)silt_hash(values[i].p, values[i].len) % TABLE_SLOTS;
        while (slots[slot] && !silt_str_equal(distinct[slots[slot] - 1], values[i]))
            slot = (slot + 1) % TABLE_SLOTS;
        if (!slots[slot]) {
            distinct[found] = values[i];
            slots[slot] = (uint16_t)++found;
        }
        codes[i] = slots[slot] - 1u;
    }
    return found;
}

enum encode_codec encode_strings(const struct silt_str *values, unsigned count, struct silt_buffer *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    struct silt_str distinct[ENCODE_ROWS_MAX];
    uint64_t codes[ENCODE_ROWS_MAX];
    unsigned found = find_distinct(values, count, distinct, codes);
    if (found == 1) {
        silt_buffer_append(out, values[0].p, values[0].len);
        return ENCODE_CONSTANT;
    }
    size_t plain_bytes = 0, dictionary_bytes = encode_packed_bytes(count, encode_width(found - 1));
    for (unsigned i = 0; i < count; i++)
        plain_bytes += values[i].len + 1;
    for (unsigned i = 0; i < found; i++)
        dictionary_bytes += distinct[i].len + 1;
    enum encode_codec codec = dictionary_bytes < plain_bytes ? ENCODE_DICTIONARY : ENCODE_RAW;
    size_t least = codec == ENCODE_DICTIONARY ? dictionary_bytes : plain_bytes;

    size_t start = out->len, template_bytes = 0;
    if (found > TEMPLATE_DISTINCT_MIN && encode_put_templates(values, count, out))
        template_bytes = out->len - start;
    if (template_bytes && template_bytes <= least / TEMPLATE_GAIN_SURE)
        return ENCODE_TEMPLATE;
    size_t at = out->len;
    if (codec == ENCODE_DICTIONARY) {
        encode_put_varint(out, found);
        encode_put_packed(out, codes, count, encode_width(found - 1));
        encode_put_table(distinct, found, out);
    } else {
        encode_put_table(values, count, out);
    }
    least = out->len - at;
    if (template_bytes && template_bytes <= least - least / 8) { /* they are slower to read: only for a gain */
        out->len = at;
        return ENCODE_TEMPLATE;
    }
    memmove(out->p + start, out->p + at, least);
    out->len = start + least;
    return codec;
}

enum silt_status decode_strings(unsigned codec, const void *bytes, size_t len, unsigned count, struct silt_arena *arena,
                                struct silt_str *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    if (codec == ENCODE_CONSTANT) {
        char *text = silt_arena_try_alloc(arena, len + 1);
        if (!text)
            return SILT_LIMIT;
        if (len)
            memcpy(text, bytes, len);
        for (unsigned i = 0; i < count; i++)
            out[i] = (struct silt_str){text, len};
        return SILT_OK;
    }
    if (len == 0)
        return SILT_CORRUPT;
    if (codec == ENCODE_RAW)
        return decode_table(bytes, len, count, arena, out);
    if (codec == ENCODE_TEMPLATE)
        return decode_templates(bytes, len, count, arena, out);
    if (codec != ENCODE_DICTIONARY)
        return SILT_CORRUPT;
    struct encode_cursor cursor = {bytes, (const uint8_t *)bytes + len};
    uint64_t found = encode_get_varint(&cursor), codes[ENCODE_ROWS_MAX];
    if (!cursor.at || found < 1 || found > count)
        return SILT_CORRUPT;
    unsigned width = encode_width(found - 1);
    size_t codes_bytes = encode_packed_bytes(count, width), left = (size_t)(cursor.end - cursor.at);
    if (left < codes_bytes)
        return SILT_CORRUPT;
    decode_packed(cursor.at, count, width, codes);
    struct silt_str distinct[ENCODE_ROWS_MAX];
    enum silt_status rc = decode_table(cursor.at + codes_bytes, left - codes_bytes, (unsigned)found, arena, distinct);
    if (rc != SILT_OK)
        return rc;
    for (unsigned i = 0; i < count; i++) {
        if (codes[i] >= found)
            return SILT_CORRUPT;
        out[i] = distinct[codes[i]];
    }
    return SILT_OK;
}
