/* memory_reader.c - implements memory_reader.h. */
#include "query/memory_reader.h"

#include <stdlib.h>

struct memory_row {
    silt_time time;
    int64_t shard;
    size_t first; /* its values */
    uint32_t count;
};

struct memory_series {
    struct silt_str measurement, key;
    struct silt_tag *tags;
    size_t tag_count;
    struct memory_row *rows;
    size_t row_count, row_capacity;
};

struct memory_table {
    struct silt_arena *arena;
    struct memory_series *series;
    size_t series_count, series_capacity;
    struct silt_str *fields;
    size_t field_count, field_capacity;
    struct memory_value *values;
    size_t value_count, value_capacity;
    uint32_t *index; /* by hash of the key: series + 1 */
    size_t index_capacity;
};

struct memory_reader {
    struct silt_reader base;
    struct memory_table *table;
    bool owned;
    int64_t first_shard, last_shard;
    uint32_t batch_rows;
    int64_t *shards; /* those with rows, rising: the ordinals */
    size_t shard_count;
};

#define BATCH_MAX 4096

struct memory_column {
    uint64_t valid[BATCH_MAX / 64];
    union {
        uint64_t words[BATCH_MAX];
        uint8_t bytes[BATCH_MAX];
        struct silt_str strings[BATCH_MAX];
    };
};

struct silt_cursor {
    struct memory_reader *reader;
    const struct memory_series *series;
    uint32_t *fields; /* per column: field of the table, UINT32_MAX: none */
    enum silt_type *types;
    size_t field_count, field_capacity;
    silt_time min, max;
    bool descending;
    size_t next;                  /* rows looked at so far, from the end when descending */
    const struct memory_row **batch; /* batch_rows of them */
    uint32_t batch_count;
    bool whole;
    silt_time *times;
    struct memory_column **columns;
};

/* ---------------------------------------------------------------- table */

struct memory_table *memory_table_create(struct silt_budget *budget)
{
    struct silt_arena *arena = silt_arena_create(budget);
    struct memory_table *table = silt_arena_zalloc(arena, sizeof(*table));

    table->arena = arena;
    return table;
}

void memory_table_destroy(struct memory_table *table)
{
    if (table)
        silt_arena_destroy(table->arena);
}

static struct silt_str escaped(struct silt_arena *arena, struct silt_str text, bool is_measurement)
{
    struct silt_buffer out = {0};

    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == ',' || text.p[i] == ' ' || (text.p[i] == '=' && !is_measurement))
            silt_buffer_char(&out, '\\');
        silt_buffer_char(&out, text.p[i]);
    }
    struct silt_str copy = silt_arena_str(arena, (struct silt_str){out.p, out.len});
    silt_buffer_free(&out);
    return copy;
}

static void index_grow(struct memory_table *table)
{
    size_t capacity = table->index_capacity ? table->index_capacity * 2 : 64;
    uint32_t *index = silt_arena_zalloc(table->arena, capacity * sizeof(*index));

    for (size_t i = 0; i < table->series_count; i++) {
        size_t at = silt_hash(table->series[i].key.p, table->series[i].key.len) & (capacity - 1);
        while (index[at])
            at = (at + 1) & (capacity - 1);
        index[at] = (uint32_t)i + 1;
    }
    table->index = index;
    table->index_capacity = capacity;
}

uint32_t memory_table_series(struct memory_table *table, struct silt_str measurement, const struct silt_tag *tags,
                             size_t tag_count)
{
    struct silt_arena *arena = table->arena;
    struct silt_buffer text = {0};

    silt_buffer_str(&text, escaped(arena, measurement, true));
    for (size_t i = 0; i < tag_count; i++) {
        if (tags[i].value.len == 0)
            continue;
        silt_buffer_char(&text, ',');
        silt_buffer_str(&text, escaped(arena, tags[i].key, false));
        silt_buffer_char(&text, '=');
        silt_buffer_str(&text, escaped(arena, tags[i].value, false));
    }
    struct silt_str key = {text.p, text.len};
    if ((table->series_count + 1) * 2 > table->index_capacity)
        index_grow(table);
    size_t at = silt_hash(key.p, key.len) & (table->index_capacity - 1);
    while (table->index[at]) {
        if (silt_str_equal(table->series[table->index[at] - 1].key, key)) {
            silt_buffer_free(&text);
            return table->index[at] - 1;
        }
        at = (at + 1) & (table->index_capacity - 1);
    }
    table->series = silt_arena_grow(arena, table->series, &table->series_capacity, table->series_count + 1,
                                    sizeof(*table->series));
    struct memory_series *series = &table->series[table->series_count];
    *series = (struct memory_series){.measurement = silt_arena_str(arena, measurement), .key = silt_arena_str(arena, key)};
    series->tags = silt_arena_zalloc(arena, (tag_count + 1) * sizeof(*series->tags));
    for (size_t i = 0; i < tag_count; i++)
        if (tags[i].value.len)
            series->tags[series->tag_count++] =
                (struct silt_tag){silt_arena_str(arena, tags[i].key), silt_arena_str(arena, tags[i].value)};
    silt_buffer_free(&text);
    table->index[at] = (uint32_t)table->series_count + 1;
    return (uint32_t)table->series_count++;
}

uint32_t memory_table_field(struct memory_table *table, struct silt_str name)
{
    for (size_t i = 0; i < table->field_count; i++)
        if (silt_str_equal(table->fields[i], name))
            return (uint32_t)i;
    table->fields = silt_arena_grow(table->arena, table->fields, &table->field_capacity, table->field_count + 1,
                                    sizeof(*table->fields));
    table->fields[table->field_count] = silt_arena_str(table->arena, name);
    return (uint32_t)table->field_count++;
}

/* Growth that gives up at the budget instead of going past it. */
static bool grow(struct silt_arena *arena, void **items, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count <= *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    if (wanted < count)
        wanted = count;
    void *grown = silt_arena_try_alloc(arena, wanted * item_bytes);
    if (!grown)
        return false;
    if (*capacity)
        memcpy(grown, *items, *capacity * item_bytes);
    *items = grown;
    *capacity = wanted;
    return true;
}

enum silt_status memory_table_row(struct memory_table *table, uint32_t series_index, silt_time time, int64_t shard,
                                  const struct memory_value *values, size_t count, struct silt_error *err)
{
    struct memory_series *series = &table->series[series_index];
    void *items = series->rows;

    if (!grow(table->arena, &items, &series->row_capacity, series->row_count + 1, sizeof(*series->rows)))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    series->rows = items;
    items = table->values;
    if (!grow(table->arena, &items, &table->value_capacity, table->value_count + count, sizeof(*table->values)))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    table->values = items;
    series->rows[series->row_count++] = (struct memory_row){time, shard, table->value_count, (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        struct memory_value value = values[i];
        if (value.cell.kind == SILT_CELL_STRING)
            value.cell.string = silt_arena_str(table->arena, value.cell.string);
        table->values[table->value_count++] = value;
    }
    return silt_arena_exceeded(table->arena) ? silt_fail(err, SILT_LIMIT, "query memory limit exceeded") : SILT_OK;
}

void memory_table_reverse(struct memory_table *table)
{
    for (size_t i = 0; i < table->series_count; i++) {
        struct memory_series *series = &table->series[i];
        for (size_t k = 0; k < series->row_count / 2; k++) {
            struct memory_row row = series->rows[k];
            series->rows[k] = series->rows[series->row_count - 1 - k];
            series->rows[series->row_count - 1 - k] = row;
        }
    }
}

/* ---------------------------------------------------------------- schema */

static struct memory_reader *reader_of(struct silt_reader *reader)
{
    return (struct memory_reader *)reader;
}

static bool in_view(const struct memory_reader *reader, const struct memory_series *series)
{
    for (size_t i = 0; i < series->row_count; i++)
        if (series->rows[i].shard >= reader->first_shard && series->rows[i].shard <= reader->last_shard)
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

static enum silt_type type_of_cell(const struct silt_cell *cell)
{
    switch (cell->kind) {
    case SILT_CELL_FLOAT: return SILT_TYPE_FLOAT;
    case SILT_CELL_INTEGER: return SILT_TYPE_INTEGER;
    case SILT_CELL_UNSIGNED: return SILT_TYPE_UNSIGNED;
    case SILT_CELL_STRING: return SILT_TYPE_STRING;
    case SILT_CELL_BOOLEAN: return SILT_TYPE_BOOLEAN;
    default: return SILT_TYPE_NONE;
    }
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
    uint8_t *seen = silt_arena_zalloc(arena, table->field_count + 1);
    size_t n = 0;

    for (size_t i = 0; i < table->series_count; i++) {
        const struct memory_series *series = &table->series[i];
        if (!silt_str_equal(series->measurement, measurement))
            continue;
        for (size_t r = 0; r < series->row_count; r++) {
            const struct memory_row *row = &series->rows[r];
            if (row->shard < reader->first_shard || row->shard > reader->last_shard)
                continue;
            for (uint32_t k = 0; k < row->count; k++) {
                const struct memory_value *value = &table->values[row->first + k];
                seen[value->field] |= (uint8_t)(1u << type_of_cell(&value->cell));
            }
        }
    }
    *out = silt_arena_alloc(arena, (table->field_count * 5 + 1) * sizeof(**out));
    for (size_t i = 0; i < table->field_count; i++)
        for (unsigned type = SILT_TYPE_FLOAT; type <= SILT_TYPE_BOOLEAN; type++)
            if (seen[i] & (1u << type))
                (*out)[n++] = (struct silt_field){table->fields[i], (enum silt_type)type};
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

static uint32_t shard_count(struct silt_reader *base)
{
    return (uint32_t)reader_of(base)->shard_count;
}

static bool shard_has_series(struct silt_reader *base, uint32_t shard, silt_series_id id)
{
    const struct memory_reader *reader = reader_of(base);
    const struct memory_series *series = &reader->table->series[id - 1];

    for (size_t i = 0; i < series->row_count; i++)
        if (series->rows[i].shard == reader->shards[shard])
            return true;
    return false;
}

bool memory_reader_has_before(const struct silt_reader *base, silt_series_id id, silt_time t)
{
    const struct memory_reader *reader = (const struct memory_reader *)base;
    const struct memory_series *series = &reader->table->series[id - 1];

    for (size_t i = 0; i < series->row_count; i++)
        if (series->rows[i].time < t)
            return true;
    return false;
}

/* ---------------------------------------------------------------- cursor */

static enum silt_status cursor_create(struct silt_reader *base, struct silt_budget *budget, struct silt_cursor **out,
                                      struct silt_error *err)
{
    struct silt_cursor *cursor = silt_calloc(1, sizeof(*cursor));

    cursor->reader = reader_of(base);
    cursor->batch = silt_calloc(cursor->reader->batch_rows, sizeof(const struct memory_row *));
    cursor->times = silt_calloc(cursor->reader->batch_rows, sizeof(*cursor->times));
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
        cursor->fields[i] = UINT32_MAX;
        cursor->types[i] = wanted[i].type;
        for (size_t k = 0; k < table->field_count; k++)
            if (silt_str_equal(table->fields[k], wanted[i].name))
                cursor->fields[i] = (uint32_t)k;
    }
    cursor->min = min;
    cursor->max = max;
    cursor->descending = descending;
    cursor->next = 0;
    cursor->batch_count = 0;
    return SILT_OK;
}

static const struct silt_cell *cell_of(const struct silt_cursor *cursor, const struct memory_row *row, size_t column)
{
    for (uint32_t i = 0; i < row->count; i++) {
        const struct memory_value *value = &cursor->reader->table->values[row->first + i];
        if (value->field == cursor->fields[column] && value->cell.kind != SILT_CELL_NULL &&
            (cursor->types[column] == SILT_TYPE_NONE || cursor->types[column] == type_of_cell(&value->cell)))
            return &value->cell;
    }
    return NULL;
}

static bool row_shows(const struct silt_cursor *cursor, const struct memory_row *row)
{
    if (row->time < cursor->min || row->time > cursor->max || row->shard < cursor->reader->first_shard ||
        row->shard > cursor->reader->last_shard)
        return false;
    if (cursor->reader->owned) /* a subquery's row is there for its tags as well */
        return true;
    for (size_t i = 0; i < cursor->field_count; i++)
        if (cell_of(cursor, row, i))
            return true;
    return false;
}

static const struct memory_row *row_number(const struct silt_cursor *cursor, size_t n)
{
    return &cursor->series->rows[cursor->descending ? cursor->series->row_count - 1 - n : n];
}

static enum silt_status cursor_next(struct silt_cursor *cursor, struct silt_rows *rows, struct silt_error *err)
{
    const struct memory_reader *reader = cursor->reader;

    memset(rows, 0, sizeof(*rows));
    cursor->batch_count = 0;
    cursor->whole = true;
    while (cursor->next < cursor->series->row_count && cursor->batch_count < reader->batch_rows) {
        const struct memory_row *row = row_number(cursor, cursor->next);
        if (!row_shows(cursor, row)) {
            if (cursor->batch_count)
                cursor->whole = false; /* a piece is missing: as a block that is cut by the range */
            cursor->next++;
            continue;
        }
        if (cursor->batch_count && row->shard != cursor->batch[0]->shard)
            break;
        cursor->batch[cursor->batch_count++] = row;
        cursor->next++;
    }
    if (cursor->batch_count == 0)
        return SILT_OK;
    for (uint32_t i = 0; i < cursor->batch_count; i++)
        cursor->times[i] = cursor->batch[i]->time;
    rows->count = cursor->batch_count;
    for (size_t i = 0; i < reader->shard_count; i++)
        if (reader->shards[i] == cursor->batch[0]->shard)
            rows->shard = (uint32_t)i;
    rows->first = cursor->times[0];
    rows->last = cursor->times[rows->count - 1];
    rows->has_stats = cursor->whole && rows->count > 1;
    return SILT_OK;
}

static enum silt_status cursor_times(struct silt_cursor *cursor, const silt_time **times, struct silt_error *err)
{
    *times = cursor->times;
    return SILT_OK;
}

static enum silt_status cursor_column(struct silt_cursor *cursor, size_t index, struct silt_column *out,
                                      struct silt_error *err)
{
    if (!cursor->columns[index])
        cursor->columns[index] = silt_malloc(sizeof(*cursor->columns[index]));
    struct memory_column *column = cursor->columns[index];
    bool all = true;

    *out = (struct silt_column){.type = SILT_TYPE_NONE};
    memset(column->valid, 0, sizeof(column->valid));
    for (uint32_t i = 0; i < cursor->batch_count; i++) {
        const struct silt_cell *cell = cell_of(cursor, cursor->batch[i], index);
        if (cell && out->type == SILT_TYPE_NONE)
            out->type = type_of_cell(cell);
        if (!cell || type_of_cell(cell) != out->type) {
            all = false;
            if (out->type == SILT_TYPE_STRING)
                column->strings[i] = (struct silt_str){0};
            continue;
        }
        column->valid[i / 64] |= (uint64_t)1 << (i % 64);
        if (out->type == SILT_TYPE_STRING)
            column->strings[i] = cell->string;
        else if (out->type == SILT_TYPE_BOOLEAN)
            column->bytes[i] = cell->boolean;
        else
            column->words[i] = cell->u64;
    }
    if (!all)
        out->valid = column->valid;
    out->u64 = column->words;
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
    while (cursor->next < cursor->series->row_count &&
           (cursor->descending ? row_number(cursor, cursor->next)->time > time
                               : row_number(cursor, cursor->next)->time < time))
        cursor->next++;
    return SILT_OK;
}

static void cursor_destroy(struct silt_cursor *cursor)
{
    for (size_t i = 0; i < cursor->field_capacity; i++)
        free(cursor->columns[i]);
    free(cursor->columns);
    free(cursor->fields);
    free(cursor->types);
    free(cursor->batch);
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
    .series_tags = series_tags,
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
    reader->batch_rows = batch_rows < BATCH_MAX ? batch_rows : BATCH_MAX;
    for (size_t i = 0; i < table->series_count; i++)
        for (size_t k = 0; k < table->series[i].row_count; k++) {
            int64_t shard = table->series[i].rows[k].shard;
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
