/*
 * series_block.c - the writing half of series_block.h: keys to columns, columns to strings and numbers.
 */
#include "storage/series_block.h"

#include "storage/encode.h"

#include <stdlib.h>

#define TABLE_SLOTS (2 * SERIES_BLOCK_MAX) /* of the table of distinct strings: at most half of a block's series */

size_t series_block_fit(const struct series_block_item *items, size_t count)
{
    size_t n = 0, bytes = 0;
    while (n < count && n < SERIES_BLOCK_MAX && (n == 0 || bytes + items[n].key.len <= SERIES_BLOCK_TEXT_MAX))
        bytes += items[n++].key.len;
    return n;
}

/* ---------------------------------------------------------------- keys to columns */

struct shape {
    uint32_t tag_count, rows;
    struct silt_str keys[SERIES_BLOCK_TAGS];
};

struct encoder {
    const struct series_block_item *items;
    size_t count;
    struct shape *shapes[SERIES_BLOCK_SHAPES];
    uint32_t shape_count;
    uint8_t *shape_of;        /* each item's */
    uint32_t *first;          /* each item's first value */
    struct silt_str *values;  /* measurement and tag values, item after item */
    size_t value_count, value_room;
    struct silt_arena *scratch;
};

struct parts {
    uint32_t tag_count;
    struct silt_str keys[SERIES_BLOCK_TAGS], values[1 + SERIES_BLOCK_TAGS];
};

/* Up to the next of two characters that has no backslash in front. */
static const char *until(const char *p, const char *end, char stop, char other)
{
    while (p < end && *p != stop && *p != other)
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return p;
}

/* false: not of the form measurement,key=value,... */
static bool split_key(struct silt_str key, struct parts *parts)
{
    const char *p = key.p, *end = key.p + key.len;
    const char *stop = until(p, end, ',', ',');
    parts->values[0] = (struct silt_str){p, (size_t)(stop - p)};
    parts->tag_count = 0;
    while (stop < end) {
        p = stop + 1;
        stop = until(p, end, '=', ',');
        if (stop == end || *stop != '=' || parts->tag_count == SERIES_BLOCK_TAGS)
            return false;
        parts->keys[parts->tag_count++] = (struct silt_str){p, (size_t)(stop - p)};
        p = stop + 1;
        stop = until(p, end, ',', ',');
        parts->values[parts->tag_count] = (struct silt_str){p, (size_t)(stop - p)};
    }
    return true;
}

static bool has_shape(const struct shape *shape, const struct parts *parts)
{
    bool same = shape->tag_count == parts->tag_count;
    for (uint32_t t = 0; same && t < parts->tag_count; t++)
        same = silt_str_equal(shape->keys[t], parts->keys[t]);
    return same;
}

static uint32_t add_shape(struct encoder *e, const struct parts *parts)
{
    struct shape *shape = silt_arena_alloc(e->scratch, sizeof(*shape));
    shape->tag_count = parts->tag_count;
    shape->rows = 0;
    memcpy(shape->keys, parts->keys, parts->tag_count * sizeof(parts->keys[0]));
    e->shapes[e->shape_count] = shape;
    return e->shape_count++;
}

/* Looks at the last one's first. 0, which has no tags: there is no room for another. */
static uint32_t find_shape(struct encoder *e, const struct parts *parts, uint32_t last)
{
    if (has_shape(e->shapes[last], parts))
        return last;
    for (uint32_t s = 0; s < e->shape_count; s++)
        if (has_shape(e->shapes[s], parts))
            return s;
    return e->shape_count < SERIES_BLOCK_SHAPES ? add_shape(e, parts) : 0;
}

static void take_apart(struct encoder *e)
{
    struct parts *parts = silt_arena_alloc(e->scratch, sizeof(*parts));
    size_t room = 0, used = 0;
    parts->tag_count = 0;
    uint32_t shape = add_shape(e, parts);
    for (size_t i = 0; i < e->count; i++) {
        struct silt_str key = e->items[i].key;
        shape = split_key(key, parts) ? find_shape(e, parts, shape) : 0;
        if (shape == 0) {
            parts->tag_count = 0;
            parts->values[0] = key;
        }
        size_t values = 1 + parts->tag_count;
        e->values = silt_arena_grow(e->scratch, e->values, &room, used + values, sizeof(*e->values));
        memcpy(e->values + used, parts->values, values * sizeof(*e->values));
        e->shape_of[i] = (uint8_t)shape;
        e->first[i] = (uint32_t)used;
        e->shapes[shape]->rows++;
        used += values;
    }
}

/* ---------------------------------------------------------------- columns to bytes */

static size_t shared_bytes(struct silt_str a, struct silt_str b)
{
    size_t n = 0, most = a.len < b.len ? a.len : b.len;
    while (n < most && a.p[n] == b.p[n])
        n++;
    return n;
}

static void put_string(struct silt_buffer *out, struct silt_str before, struct silt_str string)
{
    size_t shared = shared_bytes(before, string), rest = string.len - shared;
    silt_buffer_char(out, (char)((shared < SERIES_BLOCK_NIBBLE ? shared : SERIES_BLOCK_NIBBLE) << 4 | (rest < SERIES_BLOCK_NIBBLE ? rest : SERIES_BLOCK_NIBBLE)));
    if (shared >= SERIES_BLOCK_NIBBLE)
        encode_put_varint(out, shared - SERIES_BLOCK_NIBBLE);
    if (rest >= SERIES_BLOCK_NIBBLE)
        encode_put_varint(out, rest - SERIES_BLOCK_NIBBLE);
    silt_buffer_append(out, string.p + shared, rest);
}

static void put_strings(struct silt_buffer *out, enum series_column_kind kind, const struct silt_str *strings, size_t count)
{
    struct silt_str before = {"", 0};
    silt_buffer_char(out, (char)kind);
    encode_put_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        put_string(out, before, strings[i]);
        before = strings[i];
    }
}

struct dictionary {
    uint16_t slots[TABLE_SLOTS]; /* 0: free, else a place among the strings, from 1 */
    struct silt_str strings[SERIES_BLOCK_MAX / 2 + 1];
    uint64_t codes[SERIES_BLOCK_MAX];
};

/* The distinct strings, and each row's place among them. 0: they are more than half of the rows. */
static uint32_t find_distinct(struct dictionary *dictionary, const struct silt_str *rows, uint32_t count)
{
    uint32_t distinct = 0;
    memset(dictionary->slots, 0, sizeof(dictionary->slots));
    for (uint32_t row = 0; row < count; row++) {
        uint32_t slot = (uint32_t)silt_hash(rows[row].p, rows[row].len) % TABLE_SLOTS;
        while (dictionary->slots[slot] && !silt_str_equal(dictionary->strings[dictionary->slots[slot] - 1], rows[row]))
            slot = (slot + 1) % TABLE_SLOTS;
        if (!dictionary->slots[slot]) {
            if (distinct + 1 > count / 2)
                return 0;
            dictionary->strings[distinct++] = rows[row];
            dictionary->slots[slot] = (uint16_t)distinct;
        }
        dictionary->codes[row] = dictionary->slots[slot] - 1u;
    }
    return distinct;
}

static void put_shape_columns(const struct encoder *e, uint32_t which, struct dictionary *dictionary, struct silt_str *rows,
                              struct silt_buffer *out)
{
    for (uint32_t column = 0; column <= e->shapes[which]->tag_count; column++) {
        uint32_t count = 0;
        for (size_t i = 0; i < e->count; i++)
            if (e->shape_of[i] == which)
                rows[count++] = e->values[e->first[i] + column];
        uint32_t distinct = find_distinct(dictionary, rows, count);
        if (distinct == 0) {
            put_strings(out, SERIES_COLUMN_LIST, rows, count);
        } else {
            put_strings(out, SERIES_COLUMN_CODES, dictionary->strings, distinct);
            encode_put_packed(out, dictionary->codes, count, encode_width(distinct - 1));
        }
    }
}

static void put_id_runs(const struct encoder *e, silt_series_id base, struct silt_buffer *out)
{
    uint32_t runs = 0;
    for (size_t i = 0; i < e->count; i++)
        runs += i == 0 || e->items[i].id != e->items[i - 1].id + 1;
    encode_put_varint(out, runs);
    silt_series_id next = base;
    for (size_t i = 0, length; i < e->count; i += length) {
        length = 1;
        while (i + length < e->count && e->items[i + length].id == e->items[i].id + length)
            length++;
        encode_put_varint(out, e->items[i].id - next);
        encode_put_varint(out, length);
        next = e->items[i].id + (silt_series_id)length;
    }
}

static void put_shape_runs(const struct encoder *e, struct silt_buffer *out)
{
    uint32_t runs = 0;
    for (size_t i = 0; i < e->count; i++)
        runs += i == 0 || e->shape_of[i] != e->shape_of[i - 1];
    encode_put_varint(out, runs);
    for (size_t i = 0, length; i < e->count; i += length) {
        length = 1;
        while (i + length < e->count && e->shape_of[i + length] == e->shape_of[i])
            length++;
        encode_put_varint(out, e->shape_of[i]);
        encode_put_varint(out, length);
    }
}

void series_block_encode(silt_series_id base, const struct series_block_item *items, size_t count, struct silt_arena *scratch,
                         struct silt_buffer *out)
{
    silt_assert(count > 0 && count <= SERIES_BLOCK_MAX && items[0].id >= base);
    struct encoder e = {.items = items,
                        .count = count,
                        .shape_of = silt_arena_alloc(scratch, count * sizeof(*e.shape_of)),
                        .first = silt_arena_alloc(scratch, count * sizeof(*e.first)),
                        .scratch = scratch};
    take_apart(&e);
    silt_buffer_char(out, SERIES_BLOCK_VERSION);
    encode_put_varint(out, count);
    put_id_runs(&e, base, out);
    encode_put_varint(out, e.shape_count);
    for (uint32_t s = 0; s < e.shape_count; s++) {
        encode_put_varint(out, e.shapes[s]->tag_count);
        for (uint32_t t = 0; t < e.shapes[s]->tag_count; t++) {
            encode_put_varint(out, e.shapes[s]->keys[t].len);
            silt_buffer_str(out, e.shapes[s]->keys[t]);
        }
    }
    put_shape_runs(&e, out);
    struct dictionary *dictionary = silt_arena_alloc(scratch, sizeof(*dictionary));
    struct silt_str *rows = silt_arena_alloc(scratch, count * sizeof(*rows));
    for (uint32_t s = 0; s < e.shape_count; s++)
        if (e.shapes[s]->rows)
            put_shape_columns(&e, s, dictionary, rows, out);
}
