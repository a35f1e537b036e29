/* memory_table.c - implements memory_table.h. */
#include "query/memory_table.h"

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

/* ---------------------------------------------------------------- series and fields */

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
    uint32_t field = name_index_find(&table->fields, name);

    return field != NAME_NONE ? field : name_index_add(&table->fields, silt_arena_str(table->arena, name), table->arena);
}

void memory_table_constant(struct memory_table *table, uint32_t series_index, uint32_t field, struct silt_str value)
{
    struct memory_series *series = &table->series[series_index];

    for (size_t i = 0; i < series->constant_count; i++)
        if (series->constants[i].field == field)
            return;
    series->constants = silt_arena_grow(table->arena, series->constants, &series->constant_capacity,
                                        series->constant_count + 1, sizeof(*series->constants));
    series->constants[series->constant_count++] = (struct memory_constant){field, silt_arena_str(table->arena, value)};
}

/* ---------------------------------------------------------------- chunks */

static enum silt_type type_of(enum silt_cell_kind kind)
{
    switch (kind) {
    case SILT_CELL_FLOAT: return SILT_TYPE_FLOAT;
    case SILT_CELL_INTEGER: return SILT_TYPE_INTEGER;
    case SILT_CELL_UNSIGNED: return SILT_TYPE_UNSIGNED;
    case SILT_CELL_STRING: return SILT_TYPE_STRING;
    case SILT_CELL_BOOLEAN: return SILT_TYPE_BOOLEAN;
    default: return SILT_TYPE_NONE;
    }
}

static size_t item_bytes(enum silt_type type)
{
    return type == SILT_TYPE_STRING ? sizeof(struct silt_str) : type == SILT_TYPE_BOOLEAN ? 1 : 8;
}

static size_t valid_bytes(size_t rows)
{
    return (rows + 63) / 64 * 8;
}

/* What grows does so by copying, zeroed behind, and gives up at the budget instead of going past it. NULL then. */
static void *grown(struct memory_table *table, const void *old, size_t old_bytes, size_t bytes)
{
    char *copy = silt_arena_try_alloc(table->arena, bytes);

    if (!copy)
        return NULL;
    if (old_bytes)
        memcpy(copy, old, old_bytes);
    memset(copy + old_bytes, 0, bytes - old_bytes);
    return copy;
}

static struct memory_chunk *new_chunk(struct memory_table *table, struct memory_series *series, int64_t shard)
{
    if (series->chunk_count == series->chunk_capacity) {
        size_t capacity = series->chunk_capacity ? series->chunk_capacity * 2 : 1, bytes = sizeof(*series->chunks);
        struct memory_chunk *chunks = grown(table, series->chunks, series->chunk_count * bytes, capacity * bytes);
        if (!chunks)
            return NULL;
        series->chunks = chunks;
        series->chunk_capacity = capacity;
    }
    struct memory_chunk *chunk = &series->chunks[series->chunk_count++];
    *chunk = (struct memory_chunk){.shard = shard, .min = SILT_TIME_MAX, .max = SILT_TIME_MIN};
    return chunk;
}

static bool reserve_rows(struct memory_table *table, struct memory_chunk *chunk, size_t more)
{
    size_t count = chunk->count, capacity = chunk->capacity ? (size_t)chunk->capacity * 4 : 4;

    if (count + more <= chunk->capacity)
        return true;
    capacity = capacity > MEMORY_CHUNK_ROWS ? MEMORY_CHUNK_ROWS : capacity;
    capacity = capacity < count + more ? count + more : capacity;
    silt_time *times = silt_arena_try_alloc(table->arena, capacity * sizeof(*times));
    if (!times)
        return false;
    if (count)
        memcpy(times, chunk->times, count * sizeof(*times));
    chunk->times = times;
    for (size_t i = 0; i < chunk->column_count; i++) {
        struct memory_column *column = &chunk->columns[i];
        size_t bytes = item_bytes(column->type);
        void *data = silt_arena_try_alloc(table->arena, capacity * bytes);
        if (!data)
            return false;
        memcpy(data, column->data, count * bytes);
        column->data = data;
        if (column->valid && !(column->valid = grown(table, column->valid, valid_bytes(count), valid_bytes(capacity))))
            return false;
    }
    chunk->capacity = (uint32_t)capacity;
    return true;
}

/* hint: where it probably is. */
static struct memory_column *find_column(const struct memory_chunk *chunk, uint32_t field, size_t hint)
{
    if (hint < chunk->column_count && chunk->columns[hint].field == field)
        return &chunk->columns[hint];
    for (size_t i = 0; i < chunk->column_count; i++)
        if (chunk->columns[i].field == field)
            return &chunk->columns[i];
    return NULL;
}

/* From now on bits tell which rows have a value; so far all that are filled. */
static bool make_valid(struct memory_table *table, const struct memory_chunk *chunk, struct memory_column *column)
{
    if (column->valid)
        return true;
    if (!(column->valid = grown(table, NULL, 0, valid_bytes(chunk->capacity))))
        return false;
    for (size_t i = 0; i < column->filled; i++)
        column->valid[i / 64] |= (uint64_t)1 << (i % 64);
    return true;
}

static struct memory_column *new_column(struct memory_table *table, struct memory_chunk *chunk, uint32_t field,
                                        enum silt_type type)
{
    if (chunk->column_count == chunk->column_capacity) {
        size_t capacity = chunk->column_capacity ? chunk->column_capacity * 2 : 1, bytes = sizeof(*chunk->columns);
        struct memory_column *columns = grown(table, chunk->columns, chunk->column_count * bytes, capacity * bytes);
        if (!columns)
            return NULL;
        chunk->columns = columns;
        chunk->column_capacity = capacity;
    }
    struct memory_column *column = &chunk->columns[chunk->column_count];
    *column = (struct memory_column){.field = field, .type = type};
    if (!(column->data = silt_arena_try_alloc(table->arena, chunk->capacity * item_bytes(type))))
        return NULL;
    if (chunk->count && !make_valid(table, chunk, column))
        return NULL;
    chunk->column_count++;
    return column;
}

/* ---------------------------------------------------------------- rows in */

/* How many of the cells, from the first on, are null or of the type of the first that is not. */
static size_t same_type(const struct silt_cell *cells, size_t count, size_t stride, enum silt_type *type)
{
    enum silt_cell_kind kind = SILT_CELL_NULL;
    size_t i = 0;

    for (; i < count; i++) {
        enum silt_cell_kind found = cells[i * stride].kind;
        if (found == kind || found == SILT_CELL_NULL)
            continue;
        if (kind != SILT_CELL_NULL)
            break;
        kind = found;
    }
    *type = type_of(kind);
    return i;
}

/* What of the rows fits into the chunk's columns; 0: not even the first. */
static size_t fitting_rows(const struct memory_chunk *chunk, const struct silt_cell *cells, size_t count, size_t width,
                           const uint32_t *fields)
{
    if (count > MEMORY_CHUNK_ROWS - chunk->count)
        count = MEMORY_CHUNK_ROWS - chunk->count;
    for (size_t c = 1; c < width && count; c++) {
        enum silt_type type;
        if (fields[c - 1] == MEMORY_NO_FIELD)
            continue;
        const struct memory_column *column = find_column(chunk, fields[c - 1], c - 1);
        count = same_type(cells + c, count, width, &type);
        if (column && type != SILT_TYPE_NONE && column->type != type)
            return 0;
    }
    return count;
}

/* Every stride-th cell, each null or of the column's type. There is room. */
static bool put_cells(struct memory_table *table, const struct memory_chunk *chunk, struct memory_column *column,
                      const struct silt_cell *cells, size_t count, size_t stride)
{
    size_t at = chunk->count;
    bool gaps = column->valid;

    for (size_t i = 0; i < count && !gaps; i++)
        gaps = cells[i * stride].kind == SILT_CELL_NULL;
    if (gaps && !make_valid(table, chunk, column))
        return false;
    for (size_t i = 0; gaps && i < count; i++)
        column->valid[(at + i) / 64] |= (uint64_t)(cells[i * stride].kind != SILT_CELL_NULL) << ((at + i) % 64);
    for (size_t i = 0; i < count; i++) {
        const struct silt_cell *cell = &cells[i * stride];
        bool null = cell->kind == SILT_CELL_NULL;
        if (column->type == SILT_TYPE_STRING)
            column->strings[at + i] = null ? (struct silt_str){0} : silt_arena_str(table->arena, cell->string);
        else if (column->type == SILT_TYPE_BOOLEAN)
            column->bytes[at + i] = !null && cell->boolean;
        else
            column->words[at + i] = null ? 0 : cell->u64;
    }
    column->filled = (uint32_t)(at + count);
    return true;
}

static bool put_rows(struct memory_table *table, struct memory_chunk *chunk, const struct silt_cell *cells, size_t count,
                     size_t width, const uint32_t *fields)
{
    if (!reserve_rows(table, chunk, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        silt_time time = cells[i * width].i64;
        chunk->times[chunk->count + i] = time;
        chunk->min = time < chunk->min ? time : chunk->min;
        chunk->max = time > chunk->max ? time : chunk->max;
    }
    for (size_t c = 1; c < width; c++) {
        enum silt_type type;
        if (fields[c - 1] == MEMORY_NO_FIELD)
            continue;
        struct memory_column *column = find_column(chunk, fields[c - 1], c - 1);
        if (!column) {
            same_type(cells + c, count, width, &type);
            if (type == SILT_TYPE_NONE)
                continue;
            if (!(column = new_column(table, chunk, fields[c - 1], type)))
                return false;
        }
        if (!put_cells(table, chunk, column, cells + c, count, width))
            return false;
    }
    chunk->count += (uint32_t)count;
    for (size_t i = 0; i < chunk->column_count; i++) { /* those that none of the cells was for */
        struct memory_column *column = &chunk->columns[i];
        if (column->filled < chunk->count && !make_valid(table, chunk, column))
            return false;
        column->filled = chunk->count;
    }
    return true;
}

enum silt_status memory_table_rows(struct memory_table *table, uint32_t series_index, int64_t shard,
                                   const struct silt_cell *cells, size_t row_count, size_t width, const uint32_t *fields,
                                   struct silt_error *err)
{
    struct memory_series *series = &table->series[series_index];

    while (row_count) {
        struct memory_chunk *chunk = series->chunk_count ? &series->chunks[series->chunk_count - 1] : NULL;
        size_t count = chunk && chunk->shard == shard ? fitting_rows(chunk, cells, row_count, width, fields) : 0;
        if (count == 0) {
            if (!(chunk = new_chunk(table, series, shard)))
                return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
            count = fitting_rows(chunk, cells, row_count, width, fields);
        }
        if (!put_rows(table, chunk, cells, count, width, fields) || silt_arena_exceeded(table->arena))
            return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
        cells += count * width;
        row_count -= count;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- backwards */

#define REVERSE(items, count)                                                                                          \
    for (size_t a = 0, b = (count); a + 1 < b; a++) {                                                                  \
        __typeof__(*(items)) held = (items)[a];                                                                        \
        (items)[a] = (items)[--b];                                                                                     \
        (items)[b] = held;                                                                                             \
    }

static void reverse_valid(uint64_t *valid, size_t count)
{
    for (size_t a = 0, b = count; a + 1 < b; a++) {
        b--;
        uint64_t first = valid[a / 64] >> (a % 64) & 1, last = valid[b / 64] >> (b % 64) & 1;
        valid[a / 64] ^= (first ^ last) << (a % 64);
        valid[b / 64] ^= (first ^ last) << (b % 64);
    }
}

void memory_table_reverse(struct memory_table *table)
{
    for (size_t i = 0; i < table->series_count; i++) {
        struct memory_series *series = &table->series[i];
        REVERSE(series->chunks, series->chunk_count)
        for (size_t k = 0; k < series->chunk_count; k++) {
            struct memory_chunk *chunk = &series->chunks[k];
            REVERSE(chunk->times, chunk->count)
            for (size_t c = 0; c < chunk->column_count; c++) {
                struct memory_column *column = &chunk->columns[c];
                if (column->type == SILT_TYPE_STRING)
                    REVERSE(column->strings, chunk->count)
                else if (column->type == SILT_TYPE_BOOLEAN)
                    REVERSE(column->bytes, chunk->count)
                else
                    REVERSE(column->words, chunk->count)
                if (column->valid)
                    reverse_valid(column->valid, chunk->count);
            }
        }
    }
}
