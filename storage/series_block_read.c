/*
 * series_block_read.c - the reading half of series_block.h.
 *
 * A first pass looks at all of a block: how many series each shape has, the distinct strings of columns with codes, where the
 * others' begin. The second puts keys together, each column going on from where it was.
 */
#include "storage/encode.h"
#include "storage/series_block.h"

struct column {
    struct silt_str lead; /* what stands in front of each value: `,key=` */
    enum series_column_kind kind;
    /* SERIES_COLUMN_CODES: texts with their lead, and a number for each row */
    struct silt_str *texts;
    uint32_t text_count;
    const uint8_t *codes, *codes_end;
    unsigned width;
    uint64_t bit;
    /* SERIES_COLUMN_LIST: where the next row's string is; the last one, behind the lead */
    struct encode_cursor strings;
    char *text;
    size_t text_len;
};

struct block_shape {
    uint32_t tag_count, rows, row; /* row: the next one */
    struct silt_str *keys;
    struct column *columns;
};

struct decoder {
    struct encode_cursor in;
    struct silt_arena *scratch;
    size_t text_left; /* bytes that strings may still take, so that a few bytes cannot ask for gigabytes */
    uint32_t count, shape_count;
    struct encode_cursor id_runs, shape_runs;
    struct block_shape *shapes;
};

/* A number from 0 to `most`. */
static bool get_number(struct encode_cursor *in, uint64_t most, uint32_t *out)
{
    uint64_t value = encode_get_varint(in);
    *out = (uint32_t)value;
    return in->at && value <= most;
}

static bool get_bytes(struct encode_cursor *in, size_t len, struct silt_str *out)
{
    if (!in->at || (size_t)(in->end - in->at) < len)
        return false;
    *out = (struct silt_str){(const char *)in->at, len};
    in->at += len;
    return true;
}

/* What a string shares with the one before, of before_len bytes, and the rest of it. */
static inline bool get_string(struct encode_cursor *in, size_t before_len, size_t *shared, struct silt_str *rest)
{
    if (!in->at || in->at == in->end)
        return false;
    uint64_t front = *in->at >> 4, len = *in->at & SERIES_BLOCK_NIBBLE;
    in->at++;
    if (front == SERIES_BLOCK_NIBBLE)
        front += encode_get_varint(in);
    if (len == SERIES_BLOCK_NIBBLE)
        len += encode_get_varint(in);
    *shared = front;
    return front <= before_len && len <= SERIES_BLOCK_TEXT_MAX && get_bytes(in, len, rest);
}

static bool take_text(struct decoder *d, size_t len)
{
    if (len > d->text_left)
        return false;
    d->text_left -= len;
    return true;
}

static bool open_codes(struct decoder *d, struct column *column, uint32_t rows)
{
    struct silt_str before = {NULL, 0}, rest, codes;
    size_t shared, lead = column->lead.len;
    column->texts = silt_arena_alloc(d->scratch, column->text_count * sizeof(*column->texts));
    for (uint32_t i = 0; i < column->text_count; i++) {
        if (!get_string(&d->in, before.len, &shared, &rest) || !take_text(d, lead + shared + rest.len))
            return false;
        char *text = silt_arena_alloc(d->scratch, lead + shared + rest.len + 1);
        memcpy(text, column->lead.p, lead);
        if (shared)
            memcpy(text + lead, before.p, shared);
        memcpy(text + lead + shared, rest.p, rest.len);
        column->texts[i] = (struct silt_str){text, lead + shared + rest.len};
        before = (struct silt_str){text + lead, shared + rest.len};
    }
    column->width = encode_width(column->text_count - 1);
    if (!get_bytes(&d->in, encode_packed_bytes(rows, column->width), &codes))
        return false;
    column->codes = (const uint8_t *)codes.p;
    column->codes_end = column->codes + codes.len;
    return true;
}

/* Passes over the strings; they are put together row by row. */
static bool open_list(struct decoder *d, struct column *column, uint32_t rows)
{
    size_t shared, len = 0, longest = 0;
    struct silt_str rest;
    column->strings = d->in;
    for (uint32_t i = 0; i < rows; i++) {
        if (!get_string(&d->in, len, &shared, &rest) || shared + rest.len > SERIES_BLOCK_TEXT_MAX)
            return false;
        len = shared + rest.len;
        longest = len > longest ? len : longest;
    }
    column->strings.end = d->in.at;
    if (!take_text(d, column->lead.len + longest))
        return false;
    column->text = silt_arena_alloc(d->scratch, column->lead.len + longest + 1);
    memcpy(column->text, column->lead.p, column->lead.len);
    return true;
}

static bool open_column(struct decoder *d, struct column *column, struct silt_str key, bool is_tag, uint32_t rows)
{
    struct silt_str kind;
    char *lead = silt_arena_alloc(d->scratch, key.len + 2);
    column->lead = (struct silt_str){lead, is_tag ? key.len + 2 : 0};
    if (is_tag) {
        lead[0] = ',';
        memcpy(lead + 1, key.p, key.len);
        lead[key.len + 1] = '=';
    }
    if (!get_bytes(&d->in, 1, &kind) || !get_number(&d->in, rows, &column->text_count) || column->text_count == 0)
        return false;
    column->kind = (enum series_column_kind)(unsigned char)kind.p[0];
    if (column->kind == SERIES_COLUMN_CODES)
        return open_codes(d, column, rows);
    return column->kind == SERIES_COLUMN_LIST && column->text_count == rows && open_list(d, column, rows);
}

static bool open_shapes(struct decoder *d)
{
    if (!get_number(&d->in, SERIES_BLOCK_SHAPES, &d->shape_count))
        return false;
    d->shapes = silt_arena_zalloc(d->scratch, (d->shape_count + 1) * sizeof(*d->shapes));
    for (uint32_t s = 0; s < d->shape_count; s++) {
        struct block_shape *shape = &d->shapes[s];
        if (!get_number(&d->in, SERIES_BLOCK_TAGS, &shape->tag_count))
            return false;
        shape->keys = silt_arena_zalloc(d->scratch, (shape->tag_count + 1) * sizeof(*shape->keys));
        for (uint32_t t = 0; t < shape->tag_count; t++) {
            uint32_t len;
            if (!get_number(&d->in, SERIES_BLOCK_TEXT_MAX, &len) || !get_bytes(&d->in, len, &shape->keys[t]))
                return false;
        }
    }
    return true;
}

/* (what, length) pairs; together they cover all series. Leaves *runs at the first. */
static bool pass_runs(struct decoder *d, uint64_t most, struct encode_cursor *runs, bool shapes)
{
    uint32_t run_count, what, length, covered = 0;
    if (!get_number(&d->in, d->count, &run_count))
        return false;
    *runs = d->in;
    for (uint32_t r = 0; r < run_count; r++) {
        if (!get_number(&d->in, most, &what) || !get_number(&d->in, d->count - covered, &length) || length == 0)
            return false;
        covered += length;
        if (shapes)
            d->shapes[what].rows += length;
    }
    return covered == d->count;
}

static bool open_head(struct decoder *d, struct silt_str block)
{
    struct silt_str version;
    d->in = (struct encode_cursor){(const uint8_t *)block.p, (const uint8_t *)block.p + block.len};
    return block.len && get_bytes(&d->in, 1, &version) && version.p[0] == SERIES_BLOCK_VERSION &&
           get_number(&d->in, SERIES_BLOCK_MAX, &d->count) && d->count > 0 && pass_runs(d, UINT32_MAX, &d->id_runs, false);
}

static bool open_block(struct decoder *d, struct silt_str block)
{
    if (!open_head(d, block) || !open_shapes(d) || d->shape_count == 0 ||
        !pass_runs(d, d->shape_count - 1, &d->shape_runs, true))
        return false;
    for (uint32_t s = 0; s < d->shape_count; s++) {
        struct block_shape *shape = &d->shapes[s];
        if (shape->rows == 0)
            continue;
        shape->columns = silt_arena_zalloc(d->scratch, (1 + shape->tag_count) * sizeof(*shape->columns));
        for (uint32_t c = 0; c <= shape->tag_count; c++)
            if (!open_column(d, &shape->columns[c], c ? shape->keys[c - 1] : SILT_STR(""), c > 0, shape->rows))
                return false;
    }
    return d->in.at == d->in.end;
}

/* The next number of so many bits. */
static inline uint32_t next_code(struct column *column)
{
    const uint8_t *at = column->codes + column->bit / 8;
    uint64_t bits = 0;
    size_t left = (size_t)(column->codes_end - at);
    memcpy(&bits, at, left < 4 ? left : 4);
    bits = bits >> column->bit % 8 & (((uint64_t)1 << column->width) - 1);
    column->bit += column->width;
    return (uint32_t)bits;
}

static inline bool next_text(struct column *column, struct silt_str *text)
{
    if (column->kind == SERIES_COLUMN_CODES) {
        uint32_t code = next_code(column);
        if (code >= column->text_count)
            return false;
        *text = column->texts[code];
        return true;
    }
    size_t shared = 0, lead = column->lead.len;
    struct silt_str rest = {"", 0};
    get_string(&column->strings, column->text_len, &shared, &rest); /* open_list has looked at it */
    memcpy(column->text + lead + shared, rest.p, rest.len);
    column->text_len = shared + rest.len;
    *text = (struct silt_str){column->text, lead + column->text_len};
    return true;
}

/* A series of that shape, put together in `key`. */
static bool next_key(struct block_shape *shape, struct silt_buffer *key)
{
    key->len = 0;
    for (uint32_t c = 0; c <= shape->tag_count; c++) {
        struct silt_str text;
        if (!next_text(&shape->columns[c], &text) || key->len + text.len > SERIES_BLOCK_TEXT_MAX)
            return false;
        silt_buffer_reserve(key, text.len + 1); /* never NULL */
        memcpy(key->p + key->len, text.p, text.len);
        key->len += text.len;
    }
    return true;
}

static enum silt_status damaged(silt_series_id base, struct silt_error *err)
{
    return silt_fail(err, SILT_CORRUPT, "catalog: the block of series %u is damaged", base);
}

enum silt_status series_block_span(struct silt_str block, silt_series_id base, struct series_block_span *out,
                                   struct silt_error *err)
{
    struct decoder d = {0};
    if (!open_head(&d, block))
        return damaged(base, err);
    uint64_t next = base;
    for (uint32_t covered = 0, gap, length; covered < d.count; covered += length) {
        get_number(&d.id_runs, UINT32_MAX, &gap); /* open_head has looked at them */
        get_number(&d.id_runs, UINT32_MAX, &length);
        next += (uint64_t)gap + length;
    }
    *out = (struct series_block_span){d.count, (silt_series_id)(next - 1)};
    return next - 1 <= UINT32_MAX ? SILT_OK : damaged(base, err);
}

enum silt_status series_block_decode(struct silt_str block, silt_series_id base, struct silt_arena *scratch,
                                     series_block_fn each, void *arg, struct silt_error *err)
{
    struct decoder d = {.scratch = scratch, .text_left = 2 * SERIES_BLOCK_TEXT_MAX};
    struct silt_buffer key = {0};
    enum silt_status rc = open_block(&d, block) ? SILT_OK : damaged(base, err);
    uint64_t id = base;
    uint32_t id_left = 0, shape_left = 0, shape = 0, gap;
    for (uint32_t i = 0; rc == SILT_OK && i < d.count; i++) {
        if (id_left == 0) {
            get_number(&d.id_runs, UINT32_MAX, &gap); /* open_head and open_block have looked at all runs */
            get_number(&d.id_runs, UINT32_MAX, &id_left);
            id += gap;
        }
        if (shape_left == 0) {
            get_number(&d.shape_runs, UINT32_MAX, &shape);
            get_number(&d.shape_runs, UINT32_MAX, &shape_left);
        }
        if (id > UINT32_MAX || !next_key(&d.shapes[shape], &key))
            rc = damaged(base, err);
        else
            rc = each(arg, (silt_series_id)id, (struct silt_str){key.p, key.len}, err);
        id++;
        id_left--;
        shape_left--;
    }
    silt_buffer_free(&key);
    return rc;
}
