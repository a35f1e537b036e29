/* memory_reader.c - implements memory_reader.h. */
#include "query/memory_reader.h"

#include <stdlib.h>

struct memory_reader {
    struct silt_reader base;
    struct memory_table *table;
    bool owned;
    int64_t first_shard, last_shard;
    uint32_t batch_rows;
    int64_t *shards; /* those with rows, rising: the ordinals */
    size_t shard_count;
};

struct picked_column { /* the rows of a batch that are not a whole chunk, or that are one text */
    uint64_t valid[MEMORY_CHUNK_ROWS / 64];
    union {
        uint64_t words[MEMORY_CHUNK_ROWS];
        uint8_t bytes[MEMORY_CHUNK_ROWS];
        struct silt_str strings[MEMORY_CHUNK_ROWS];
    };
};

struct silt_cursor {
    struct memory_reader *reader;
    const struct memory_series *series;
    uint32_t *fields; /* per column: field of the table, MEMORY_NO_FIELD: none */
    enum silt_type *types;
    size_t field_count, field_capacity;
    silt_time min, max;
    bool descending;
    size_t chunk, next; /* where it stands: chunks and rows of the chunk passed, from the end when descending */

    const struct memory_chunk *batch; /* where its rows are */
    uint32_t *places; /* per field of the table: its column there, plus 1 */
    uint32_t batch_count;
    bool as_it_lies; /* all of the chunk; else those that `picks` tells */
    bool whole;      /* nothing is missing between them */
    uint16_t *picks;
    silt_time *times;
    struct picked_column **columns;
};

/* ---------------------------------------------------------------- schema */

static struct memory_reader *reader_of(struct silt_reader *reader)
{
    return (struct memory_reader *)reader;
}

static bool chunk_in_view(const struct memory_reader *reader, const struct memory_chunk *chunk)
{
    return chunk->shard >= reader->first_shard && chunk->shard <= reader->last_shard;
}

static bool in_view(const struct memory_reader *reader, const struct memory_series *series)
{
    for (size_t i = 0; i < series->chunk_count; i++)
        if (chunk_in_view(reader, &series->chunks[i]))
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return silt_str_compare(*(const struct silt_str *)a, *(const struct silt_str *)b);
}

static size_t sort_unique(struct silt_str *items, size_t count)
{
    size_t kept = 0;

    if (count > 1)
        qsort(items, count, sizeof(*items), by_text);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !silt_str_equal(items[i], items[kept - 1]))
            items[kept++] = items[i];
    return kept;
}

static enum silt_status measurements(struct silt_reader *base, struct silt_arena *arena, struct silt_str **names,
                                     size_t *count, struct silt_error *err)
{
    struct memory_reader *reader = reader_of(base);
    size_t n = 0;

    *names = silt_arena_alloc(arena, (reader->table->series_count + 1) * sizeof(**names));
    for (size_t i = 0; i < reader->table->series_count; i++)
        if (in_view(reader, &reader->table->series[i]))
            (*names)[n++] = reader->table->series[i].measurement;
    *count = sort_unique(*names, n);
    return SILT_OK;
}

static int by_name_then_type(const void *a, const void *b)
{
    const struct silt_field *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order ? order : (int)x->type - (int)y->type;
}

static enum silt_status fields(struct silt_reader *base, struct silt_str measurement, struct silt_arena *arena,
                               struct silt_field **out, size_t *count, struct silt_error *err)
{
    struct memory_reader *reader = reader_of(base);
    const struct memory_table *table = reader->table;
    uint8_t *seen = silt_arena_zalloc(arena, table->fields.count + 1);
    size_t n = 0;

    for (size_t i = 0; i < table->series_count; i++) {
        const struct memory_series *series = &table->series[i];
        if (!silt_str_equal(series->measurement, measurement))
            continue;
        for (size_t k = 0; k < series->chunk_count; k++) {
            const struct memory_chunk *chunk = &series->chunks[k];
            if (!chunk_in_view(reader, chunk))
                continue;
            for (size_t c = 0; c < chunk->column_count; c++)
                seen[chunk->columns[c].field] |= (uint8_t)(1u << chunk->columns[c].type);
            for (size_t c = 0; c < series->constant_count; c++)
                seen[series->constants[c].field] |= (uint8_t)(1u << SILT_TYPE_STRING);
        }
    }
    *out = silt_arena_alloc(arena, (table->fields.count * 5 + 1) * sizeof(**out));
    for (size_t i = 0; i < table->fields.count; i++)
        for (unsigned type = SILT_TYPE_FLOAT; type <= SILT_TYPE_BOOLEAN; type++)
            if (seen[i] & (1u << type))
                (*out)[n++] = (struct silt_field){table->fields.names[i], (enum silt_type)type};
    if (n > 1)
        qsort(*out, n, sizeof(**out), by_name_then_type);
    *count = n;
    return SILT_OK;
}

static enum silt_status tag_keys(struct silt_reader *base, struct silt_str measurement, struct silt_arena *arena,
                                 struct silt_str **keys, size_t *count, struct silt_error *err)
{
    struct memory_reader *reader = reader_of(base);
    size_t n = 0, capacity = 0;

    *keys = NULL;
    for (size_t i = 0; i < reader->table->series_count; i++) {
        const struct memory_series *series = &reader->table->series[i];
        if (!silt_str_equal(series->measurement, measurement) || !in_view(reader, series))
            continue;
        *keys = silt_arena_grow(arena, *keys, &capacity, n + series->tag_count + 1, sizeof(**keys));
        for (size_t k = 0; k < series->tag_count; k++)
            (*keys)[n++] = series->tags[k].key;
        n = sort_unique(*keys, n);
    }
    *count = n;
    return SILT_OK;
}

static struct silt_str tag_of(const struct memory_series *series, struct silt_str key)
{
    for (size_t i = 0; i < series->tag_count; i++)
        if (silt_str_equal(series->tags[i].key, key))
            return series->tags[i].value;
    return SILT_STR("");
}

static bool passes(const struct silt_tag_filter *filter, const struct memory_series *series)
{
    if (!filter)
        return true;
    switch (filter->op) {
    case SILT_TAG_AND: return passes(filter->left, series) && passes(filter->right, series);
    case SILT_TAG_OR: return passes(filter->left, series) || passes(filter->right, series);
    case SILT_TAG_EQ: return silt_str_equal(tag_of(series, filter->key), filter->value);
    case SILT_TAG_NE: return !silt_str_equal(tag_of(series, filter->key), filter->value);
    case SILT_TAG_MATCH: return filter->match(filter->match_arg, tag_of(series, filter->key));
    case SILT_TAG_NOT_MATCH: return !filter->match(filter->match_arg, tag_of(series, filter->key));
    case SILT_TAG_TRUE: return true;
    case SILT_TAG_FALSE: return false;
    }
    return false;
}

static enum silt_status tag_values(struct silt_reader *base, struct silt_str measurement, struct silt_str key,
                                   const struct silt_tag_filter *filter, struct silt_arena *arena,
                                   struct silt_str **values, size_t *count, struct silt_error *err)
{
    struct memory_reader *reader = reader_of(base);
    size_t n = 0;

    *values = silt_arena_alloc(arena, (reader->table->series_count + 1) * sizeof(**values));
    for (size_t i = 0; i < reader->table->series_count; i++) {
        const struct memory_series *series = &reader->table->series[i];
        if (!silt_str_equal(series->measurement, measurement) || !in_view(reader, series) || !passes(filter, series))
            continue;
        struct silt_str value = tag_of(series, key);
        if (value.len)
            (*values)[n++] = value;
    }
    *count = sort_unique(*values, n);
    return SILT_OK;
}

struct sorted_series {
    struct silt_str key;
    silt_series_id id;
};

static int by_series_key(const void *a, const void *b)
{
    return silt_str_compare(((const struct sorted_series *)a)->key, ((const struct sorted_series *)b)->key);
}

static enum silt_status series_of(struct silt_reader *base, struct silt_str measurement,
                                  const struct silt_tag_filter *filter, struct silt_arena *arena,
                                  struct silt_series_set *out, struct silt_error *err)
{
    struct memory_reader *reader = reader_of(base);
    struct sorted_series *found = silt_arena_try_alloc(arena, (reader->table->series_count + 1) * sizeof(*found));
    size_t n = 0;

    out->ids = silt_arena_try_alloc(arena, (reader->table->series_count + 1) * sizeof(*out->ids));
    if (!found || !out->ids)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; i < reader->table->series_count; i++) {
        const struct memory_series *series = &reader->table->series[i];
        if (silt_str_equal(series->measurement, measurement) && in_view(reader, series) && passes(filter, series))
            found[n++] = (struct sorted_series){series->key, (silt_series_id)i + 1};
    }
    if (n > 1 && !reader->owned) /* a subquery's series stand in the order in which it gave them */
        qsort(found, n, sizeof(*found), by_series_key);
    for (size_t i = 0; i < n; i++)
        out->ids[i] = found[i].id;
    out->count = n;
    return SILT_OK;
}

static void series_tags(struct silt_reader *base, silt_series_id id, struct silt_arena *arena, struct silt_str *key,
                        struct silt_tag **tags, size_t *count)
{
    const struct memory_series *series = &reader_of(base)->table->series[id - 1];

    *key = series->key;
    if (tags) {
        *tags = series->tags;
        *count = series->tag_count;
    }
}

static void series_values(struct silt_reader *base, const silt_series_id *ids, size_t count, const struct silt_str *keys,
                          size_t key_count, struct silt_arena *arena, struct silt_tag *tags, uint32_t *tag_counts)
{
    for (size_t i = 0; i < count; i++, tags += key_count) {
        const struct memory_series *series = &reader_of(base)->table->series[ids[i] - 1];
        tag_counts[i] = 0;
        for (size_t t = 0; t < series->tag_count; t++)
            for (size_t k = 0; k < key_count; k++)
                if (silt_str_equal(series->tags[t].key, keys[k]))
                    tags[tag_counts[i]++] = series->tags[t];
    }
}

static uint32_t shard_count(struct silt_reader *base)
{
    return (uint32_t)reader_of(base)->shard_count;
}

static bool shard_has_series(struct silt_reader *base, uint32_t shard, silt_series_id id)
{
    const struct memory_reader *reader = reader_of(base);
    const struct memory_series *series = &reader->table->series[id - 1];

    for (size_t i = 0; i < series->chunk_count; i++)
        if (series->chunks[i].shard == reader->shards[shard])
            return true;
    return false;
}

bool memory_reader_has_before(const struct silt_reader *base, silt_series_id id, silt_time t)
{
    const struct memory_reader *reader = (const struct memory_reader *)base;
    const struct memory_series *series = &reader->table->series[id - 1];

    for (size_t i = 0; i < series->chunk_count; i++)
        if (series->chunks[i].min < t)
            return true;
    return false;
}

/* ---------------------------------------------------------------- cursor */

static enum silt_status cursor_create(struct silt_reader *base, struct silt_budget *budget, struct silt_cursor **out,
                                      struct silt_error *err)
{
    struct silt_cursor *cursor = silt_calloc(1, sizeof(*cursor));

    cursor->reader = reader_of(base);
    cursor->picks = silt_calloc(cursor->reader->batch_rows, sizeof(*cursor->picks));
    cursor->times = silt_calloc(cursor->reader->batch_rows, sizeof(*cursor->times));
    cursor->places = silt_calloc(cursor->reader->table->fields.count + 1, sizeof(*cursor->places));
    *out = cursor;
    return SILT_OK;
}

static enum silt_status cursor_seek(struct silt_cursor *cursor, struct silt_str measurement, silt_series_id id,
                                    const struct silt_field *wanted, size_t field_count, silt_time min, silt_time max,
                                    bool descending, struct silt_error *err)
{
    const struct memory_table *table = cursor->reader->table;

    cursor->series = &table->series[id - 1];
    if (field_count > cursor->field_capacity) {
        cursor->fields = silt_realloc(cursor->fields, field_count * sizeof(*cursor->fields));
        cursor->types = silt_realloc(cursor->types, field_count * sizeof(*cursor->types));
        cursor->columns = silt_realloc(cursor->columns, field_count * sizeof(*cursor->columns));
        for (size_t i = cursor->field_capacity; i < field_count; i++)
            cursor->columns[i] = NULL;
        cursor->field_capacity = field_count;
    }
    cursor->field_count = field_count;
    for (size_t i = 0; i < field_count; i++) {
        cursor->fields[i] = name_index_find(&table->fields, wanted[i].name);
        cursor->types[i] = wanted[i].type;
    }
    cursor->min = min;
    cursor->max = max;
    cursor->descending = descending;
    cursor->chunk = cursor->next = 0;
    cursor->batch_count = 0;
    return SILT_OK;
}

static const struct memory_chunk *chunk_at(const struct silt_cursor *cursor)
{
    const struct memory_series *series = cursor->series;

    return &series->chunks[cursor->descending ? series->chunk_count - 1 - cursor->chunk : cursor->chunk];
}

static void enter_chunk(struct silt_cursor *cursor, const struct memory_chunk *chunk)
{
    if (cursor->batch == chunk)
        return;
    for (size_t i = 0; cursor->batch && i < cursor->batch->column_count; i++)
        cursor->places[cursor->batch->columns[i].field] = 0;
    for (size_t i = 0; i < chunk->column_count; i++)
        cursor->places[chunk->columns[i].field] = (uint32_t)i + 1;
    cursor->batch = chunk;
}

/* The column that the field has in the chunk of the batch; NULL: none of this type. */
static const struct memory_column *column_of(const struct silt_cursor *cursor, size_t index)
{
    uint32_t place = cursor->fields[index] == MEMORY_NO_FIELD ? 0 : cursor->places[cursor->fields[index]];
    const struct memory_column *column = place ? &cursor->batch->columns[place - 1] : NULL;

    return column && (cursor->types[index] == SILT_TYPE_NONE || cursor->types[index] == column->type) ? column : NULL;
}

static const struct silt_str *constant_of(const struct silt_cursor *cursor, size_t index)
{
    for (size_t i = 0; i < cursor->series->constant_count; i++)
        if (cursor->series->constants[i].field == cursor->fields[index])
            return &cursor->series->constants[i].value;
    return NULL;
}

static bool row_shows(const struct silt_cursor *cursor, size_t row)
{
    const struct memory_chunk *chunk = cursor->batch;

    if (chunk->times[row] < cursor->min || chunk->times[row] > cursor->max)
        return false;
    if (cursor->reader->owned) /* a subquery's row is there for its tags as well */
        return true;
    for (size_t i = 0; i < cursor->field_count; i++) {
        const struct memory_column *column = column_of(cursor, i);
        if (column && memory_has(column, row))
            return true;
    }
    return false;
}

/* Rows of the chunk under way, from `next` on. */
static void pick_rows(struct silt_cursor *cursor, const struct memory_chunk *chunk)
{
    size_t room = cursor->reader->batch_rows;

    enter_chunk(cursor, chunk);
    cursor->batch_count = 0;
    cursor->whole = true;
    cursor->as_it_lies = cursor->reader->owned && !cursor->descending && cursor->next == 0 && chunk->count <= room &&
                         chunk->min >= cursor->min && chunk->max <= cursor->max;
    if (cursor->as_it_lies) {
        cursor->next = cursor->batch_count = chunk->count;
        return;
    }
    for (; cursor->next < chunk->count && cursor->batch_count < room; cursor->next++) {
        size_t row = cursor->descending ? chunk->count - 1 - cursor->next : cursor->next;
        if (row_shows(cursor, row)) {
            cursor->times[cursor->batch_count] = chunk->times[row];
            cursor->picks[cursor->batch_count++] = (uint16_t)row;
        } else if (cursor->batch_count) {
            cursor->whole = false; /* a piece is missing: as a block that is cut by the range */
        }
    }
}

static enum silt_status cursor_next(struct silt_cursor *cursor, struct silt_rows *rows, struct silt_error *err)
{
    const struct memory_reader *reader = cursor->reader;

    memset(rows, 0, sizeof(*rows));
    cursor->batch_count = 0;
    while (cursor->chunk < cursor->series->chunk_count && cursor->batch_count == 0) {
        const struct memory_chunk *chunk = chunk_at(cursor);
        if (cursor->next == chunk->count || !chunk_in_view(reader, chunk) || chunk->max < cursor->min ||
            chunk->min > cursor->max) {
            cursor->chunk++;
            cursor->next = 0;
            continue;
        }
        pick_rows(cursor, chunk);
    }
    if (cursor->batch_count == 0)
        return SILT_OK;
    const silt_time *times = cursor->as_it_lies ? cursor->batch->times : cursor->times;
    rows->count = cursor->batch_count;
    for (size_t i = 0; i < reader->shard_count; i++)
        if (reader->shards[i] == cursor->batch->shard)
            rows->shard = (uint32_t)i;
    rows->first = times[0];
    rows->last = times[rows->count - 1];
    rows->has_stats = cursor->whole && rows->count > 1;
    return SILT_OK;
}

static enum silt_status cursor_times(struct silt_cursor *cursor, const silt_time **times, struct silt_error *err)
{
    *times = cursor->as_it_lies ? cursor->batch->times : cursor->times;
    return SILT_OK;
}

static struct picked_column *picked_column(struct silt_cursor *cursor, size_t index)
{
    if (!cursor->columns[index])
        cursor->columns[index] = silt_malloc(sizeof(*cursor->columns[index]));
    return cursor->columns[index];
}

static void pick_column(const struct silt_cursor *cursor, const struct memory_column *column, struct picked_column *to)
{
    if (column->valid)
        memset(to->valid, 0, sizeof(to->valid));
    for (size_t i = 0; i < cursor->batch_count; i++) {
        size_t row = cursor->picks[i];
        if (column->valid)
            to->valid[i / 64] |= (uint64_t)memory_has(column, row) << (i % 64);
        if (column->type == SILT_TYPE_STRING)
            to->strings[i] = column->strings[row];
        else if (column->type == SILT_TYPE_BOOLEAN)
            to->bytes[i] = column->bytes[row];
        else
            to->words[i] = column->words[row];
    }
}

static enum silt_status cursor_column(struct silt_cursor *cursor, size_t index, struct silt_column *out,
                                      struct silt_error *err)
{
    const struct memory_column *column = column_of(cursor, index);
    const struct silt_str *constant = column ? NULL : constant_of(cursor, index);

    *out = (struct silt_column){.type = SILT_TYPE_NONE};
    if (constant && (cursor->types[index] == SILT_TYPE_NONE || cursor->types[index] == SILT_TYPE_STRING)) {
        struct picked_column *to = picked_column(cursor, index);
        for (size_t i = 0; i < cursor->batch_count; i++)
            to->strings[i] = *constant;
        *out = (struct silt_column){.type = SILT_TYPE_STRING, .string = to->strings};
    } else if (column && cursor->as_it_lies) {
        *out = (struct silt_column){.type = column->type, .valid = column->valid, .u64 = column->words};
    } else if (column) {
        struct picked_column *to = picked_column(cursor, index);
        pick_column(cursor, column, to);
        *out = (struct silt_column){.type = column->type, .valid = column->valid ? to->valid : NULL, .u64 = to->words};
    }
    return SILT_OK;
}

static bool cursor_stats(struct silt_cursor *cursor, size_t index, struct silt_block_stats *out)
{
    struct silt_column column;

    memset(out, 0, sizeof(*out));
    if (!cursor->whole || cursor->batch_count < 2)
        return false;
    cursor_column(cursor, index, &column, NULL);
    for (uint32_t n = 0; n < cursor->batch_count; n++) { /* in rising time, as a block was written */
        uint32_t i = cursor->descending ? cursor->batch_count - 1 - n : n;
        if (column.type == SILT_TYPE_NONE || (column.valid && !(column.valid[i / 64] >> (i % 64) & 1)))
            continue;
        union silt_value v = {.u64 = 0};
        if (column.type == SILT_TYPE_BOOLEAN)
            v.boolean = column.boolean[i];
        else if (column.type != SILT_TYPE_STRING)
            v.u64 = column.u64[i];
        if (out->count++ == 0)
            out->first = out->min = out->max = v;
        out->last = v;
        switch (column.type) {
        case SILT_TYPE_FLOAT:
            out->min.f64 = v.f64 < out->min.f64 ? v.f64 : out->min.f64;
            out->max.f64 = v.f64 > out->max.f64 ? v.f64 : out->max.f64;
            out->sum.f64 += v.f64;
            break;
        case SILT_TYPE_INTEGER:
            out->min.i64 = v.i64 < out->min.i64 ? v.i64 : out->min.i64;
            out->max.i64 = v.i64 > out->max.i64 ? v.i64 : out->max.i64;
            out->sum.u64 += v.u64;
            break;
        case SILT_TYPE_UNSIGNED:
            out->min.u64 = v.u64 < out->min.u64 ? v.u64 : out->min.u64;
            out->max.u64 = v.u64 > out->max.u64 ? v.u64 : out->max.u64;
            out->sum.u64 += v.u64;
            break;
        case SILT_TYPE_BOOLEAN:
            out->min.boolean = out->min.boolean && v.boolean;
            out->max.boolean = out->max.boolean || v.boolean;
            break;
        default: break;
        }
    }
    return true;
}

static enum silt_status cursor_skip(struct silt_cursor *cursor, silt_time time, struct silt_error *err)
{
    for (; cursor->chunk < cursor->series->chunk_count; cursor->chunk++, cursor->next = 0) {
        const struct memory_chunk *chunk = chunk_at(cursor);
        for (; cursor->next < chunk->count; cursor->next++)
            if (cursor->descending ? chunk->times[chunk->count - 1 - cursor->next] <= time
                                   : chunk->times[cursor->next] >= time)
                return SILT_OK;
    }
    return SILT_OK;
}

static void cursor_destroy(struct silt_cursor *cursor)
{
    for (size_t i = 0; i < cursor->field_capacity; i++)
        free(cursor->columns[i]);
    free(cursor->columns);
    free(cursor->fields);
    free(cursor->places);
    free(cursor->types);
    free(cursor->picks);
    free(cursor->times);
    free(cursor);
}

static void release(struct silt_reader *base)
{
    struct memory_reader *reader = reader_of(base);

    if (reader->owned)
        memory_table_destroy(reader->table);
    free(reader->shards);
    free(reader);
}

static const struct silt_reader_ops ops = {
    .measurements = measurements,
    .fields = fields,
    .tag_keys = tag_keys,
    .tag_values = tag_values,
    .series = series_of,
    .series_unsorted = series_of,
    .series_tags = series_tags,
    .series_values = series_values,
    .shard_count = shard_count,
    .shard_has_series = shard_has_series,
    .cursor_create = cursor_create,
    .cursor_seek = cursor_seek,
    .cursor_next = cursor_next,
    .cursor_times = cursor_times,
    .cursor_column = cursor_column,
    .cursor_stats = cursor_stats,
    .cursor_skip = cursor_skip,
    .cursor_counters = NULL,
    .cursor_destroy = cursor_destroy,
    .series_cost = NULL,
    .release = release,
};

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

struct silt_reader *memory_reader_open(struct memory_table *table, bool owned, int64_t first_shard, int64_t last_shard,
                                       uint32_t batch_rows)
{
    struct memory_reader *reader = silt_calloc(1, sizeof(*reader));
    size_t capacity = 0;

    reader->base.ops = &ops;
    reader->table = table;
    reader->owned = owned;
    reader->first_shard = first_shard;
    reader->last_shard = last_shard;
    reader->batch_rows = batch_rows < MEMORY_CHUNK_ROWS ? batch_rows : MEMORY_CHUNK_ROWS;
    for (size_t i = 0; i < table->series_count; i++)
        for (size_t k = 0; k < table->series[i].chunk_count; k++) {
            int64_t shard = table->series[i].chunks[k].shard;
            bool known = shard < first_shard || shard > last_shard;
            for (size_t n = 0; n < reader->shard_count && !known; n++)
                known = reader->shards[n] == shard;
            if (known)
                continue;
            if (reader->shard_count == capacity) {
                capacity = capacity ? capacity * 2 : 8;
                reader->shards = silt_realloc(reader->shards, capacity * sizeof(*reader->shards));
            }
            reader->shards[reader->shard_count++] = shard;
        }
    if (reader->shard_count > 1)
        qsort(reader->shards, reader->shard_count, sizeof(*reader->shards), by_number);
    return &reader->base;
}
