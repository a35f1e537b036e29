/* fake_reader.c - implements fake_reader.h on query/memory_reader.h. */
#include "tests/fake_reader.h"

#include "query/memory_reader.h"
#include "silt/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct fake_row {
    struct silt_str measurement;
    struct silt_tag *tags;
    size_t tag_count;
    struct silt_str series;
    silt_time time;
    struct silt_str fields[64];
    struct silt_cell cells[64];
    size_t field_count;
    size_t order;
};

struct fake_source {
    struct silt_source source;
    struct silt_arena *arena;
    struct silt_str database;
    uint32_t batch_rows;
    struct fake_row *rows;
    size_t row_count, row_capacity;
    struct memory_table *table;
};

static int by_text(const void *a, const void *b)
{
    return silt_str_compare(((const struct silt_tag *)a)->key, ((const struct silt_tag *)b)->key);
}

static struct silt_str cut(struct silt_str *text, char at)
{
    const char *end = memchr(text->p, at, text->len);
    size_t len = end ? (size_t)(end - text->p) : text->len;
    struct silt_str head = {text->p, len};

    text->p += len + (end != NULL);
    text->len -= len + (end != NULL);
    return head;
}

static struct silt_cell parse_value(struct silt_str text)
{
    struct silt_cell cell = {0};
    char last = text.p[text.len - 1];

    if (text.p[0] == '"') {
        cell.kind = SILT_CELL_STRING;
        cell.string = (struct silt_str){text.p + 1, text.len - 2};
    } else if (last == 'i') {
        cell.kind = SILT_CELL_INTEGER;
        silt_assert(silt_parse_int(text.p, text.len - 1, &cell.i64, NULL));
    } else if (last == 't' || last == 'f' || last == 'e') {
        cell.kind = SILT_CELL_BOOLEAN;
        cell.boolean = text.p[0] == 't';
    } else {
        cell.kind = SILT_CELL_FLOAT;
        silt_assert(silt_parse_double(text.p, text.len, &cell.f64));
    }
    return cell;
}

static void parse_line(struct fake_source *fake, struct silt_str line)
{
    fake->rows = silt_arena_grow(fake->arena, fake->rows, &fake->row_capacity, fake->row_count + 1, sizeof(*fake->rows));
    struct fake_row *row = &fake->rows[fake->row_count];
    struct silt_str series = cut(&line, ' '), fields = cut(&line, ' ');
    int64_t seconds;
    size_t capacity = 0;

    memset(row, 0, sizeof(*row));
    row->order = fake->row_count++;
    row->measurement = cut(&series, ',');
    while (series.len) {
        struct silt_str tag = cut(&series, ',');
        row->tags = silt_arena_grow(fake->arena, row->tags, &capacity, row->tag_count + 1, sizeof(*row->tags));
        row->tags[row->tag_count].key = cut(&tag, '=');
        row->tags[row->tag_count++].value = tag;
    }
    if (row->tag_count > 1)
        qsort(row->tags, row->tag_count, sizeof(*row->tags), by_text);
    while (fields.len) {
        struct silt_str field = cut(&fields, ',');
        row->fields[row->field_count] = cut(&field, '=');
        row->cells[row->field_count++] = parse_value(field);
    }
    silt_assert(silt_parse_int(line.p, line.len, &seconds, NULL));
    row->time = seconds * 1000000000;
}

static int64_t shard_of(silt_time time)
{
    const int64_t week = 604800LL * 1000000000, monday = -3LL * 86400 * 1000000000;
    if (time > INT64_MAX - week)
        time = INT64_MAX - week;
    int64_t shifted = time - monday;
    return shifted >= 0 ? shifted / week : -((-shifted + week - 1) / week);
}

static int by_time(const void *a, const void *b)
{
    const struct fake_row *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static bool same_point(const struct fake_row *a, const struct fake_row *b)
{
    if (a->time != b->time || !silt_str_equal(a->measurement, b->measurement) || a->tag_count != b->tag_count)
        return false;
    for (size_t i = 0; i < a->tag_count; i++)
        if (!silt_str_equal(a->tags[i].key, b->tags[i].key) || !silt_str_equal(a->tags[i].value, b->tags[i].value))
            return false;
    return true;
}

static void rebuild(struct fake_source *fake)
{
    struct silt_error err;

    memory_table_destroy(fake->table);
    fake->table = memory_table_create(NULL);
    qsort(fake->rows, fake->row_count, sizeof(*fake->rows), by_time);
    for (size_t i = 0; i < fake->row_count; i++) {
        struct fake_row row = fake->rows[i];
        struct silt_cell cells[65] = {{.kind = SILT_CELL_TIME, .i64 = row.time}};
        uint32_t fields[64];
        bool first = true;
        for (size_t k = i; k-- > 0 && fake->rows[k].time == row.time;)
            first = first && !same_point(&fake->rows[k], &row);
        if (!first)
            continue; /* merged into the first writing of the point */
        for (size_t k = i + 1; k < fake->row_count && fake->rows[k].time == row.time; k++)
            for (size_t f = 0; same_point(&fake->rows[k], &row) && f < fake->rows[k].field_count; f++) {
                size_t at = 0;
                while (at < row.field_count && !silt_str_equal(row.fields[at], fake->rows[k].fields[f]))
                    at++;
                row.fields[at] = fake->rows[k].fields[f];
                row.cells[at] = fake->rows[k].cells[f];
                row.field_count += at == row.field_count;
            }
        for (size_t f = 0; f < row.field_count; f++) {
            fields[f] = memory_table_field(fake->table, row.fields[f]);
            cells[f + 1] = row.cells[f];
        }
        uint32_t series = memory_table_series(fake->table, row.measurement, row.tags, row.tag_count);
        silt_assert(memory_table_rows(fake->table, series, shard_of(row.time), cells, 1, row.field_count + 1, fields, &err) ==
                    SILT_OK);
    }
}

void fake_source_write(struct fake_source *fake, const char *lines)
{
    struct silt_str text = silt_arena_str(fake->arena, silt_str_from(lines));

    while (text.len) {
        struct silt_str line = cut(&text, '\n');
        if (line.len)
            parse_line(fake, line);
    }
    rebuild(fake);
}

/* ---------------------------------------------------------------- source */

static enum silt_status databases(struct silt_source *source, struct silt_arena *arena, struct silt_str **names,
                                  size_t *count)
{
    *names = &((struct fake_source *)source)->database;
    *count = 1;
    return SILT_OK;
}

static enum silt_status policies(struct silt_source *source, struct silt_str database, struct silt_arena *arena,
                                 struct silt_policy **out, size_t *count, struct silt_error *err)
{
    struct fake_source *fake = (struct fake_source *)source;

    if (!silt_str_equal(database, fake->database))
        return silt_fail(err, SILT_NOT_FOUND, "database not found: %.*s", SILT_FMT(database));
    *out = silt_arena_zalloc(arena, sizeof(**out));
    **out = (struct silt_policy){
        .name = SILT_STR("autogen"), .shard_duration_ns = 604800LL * 1000000000, .replication = 1, .is_default = true};
    *count = 1;
    return SILT_OK;
}

static enum silt_status default_policy(struct silt_source *source, struct silt_str database, struct silt_arena *arena,
                                       struct silt_str *name, struct silt_error *err)
{
    if (!silt_str_equal(database, ((struct fake_source *)source)->database))
        return silt_fail(err, SILT_NOT_FOUND, "database not found: %.*s", SILT_FMT(database));
    *name = SILT_STR("autogen");
    return SILT_OK;
}

static enum silt_status shards(struct silt_source *source, struct silt_arena *arena, struct silt_shard_info **out,
                               size_t *count)
{
    *out = NULL;
    *count = 0;
    return SILT_OK;
}

static enum silt_status open_reader(struct silt_source *source, struct silt_str database, struct silt_str rp,
                                    silt_time min, silt_time max, struct silt_reader **out, struct silt_error *err)
{
    struct fake_source *fake = (struct fake_source *)source;

    if (!silt_str_equal(database, fake->database))
        return silt_fail(err, SILT_NOT_FOUND, "database not found: %.*s", SILT_FMT(database));
    if (rp.len && !silt_str_equal(rp, SILT_STR("autogen")))
        return silt_fail(err, SILT_NOT_FOUND, "retention policy not found: %.*s", SILT_FMT(rp));
    *out = memory_reader_open(fake->table, false, min < -8000000000000000000 ? INT64_MIN : shard_of(min), shard_of(max),
                              fake->batch_rows);
    return SILT_OK;
}

struct fake_source *fake_source_create(struct silt_str database, uint32_t batch_rows)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct fake_source *fake = silt_arena_zalloc(arena, sizeof(*fake));

    fake->source = (struct silt_source){databases, policies, default_policy, shards, open_reader, NULL};
    fake->arena = arena;
    fake->database = database;
    fake->batch_rows = batch_rows;
    fake->table = memory_table_create(NULL);
    return fake;
}

void fake_source_destroy(struct fake_source *fake)
{
    memory_table_destroy(fake->table);
    silt_arena_destroy(fake->arena);
}

struct silt_source *fake_source_of(struct fake_source *fake)
{
    return &fake->source;
}

/* ---------------------------------------------------------------- answers as text */

struct text_sink {
    struct silt_sink sink;
    struct silt_buffer out;
    size_t columns, series, rows;
    bool any_statement, any_error, open;
};

static void put(struct silt_buffer *out, const char *text)
{
    silt_buffer_str(out, silt_str_from(text));
}

static enum silt_status sink_begin(struct silt_sink *base, uint32_t id)
{
    struct text_sink *sink = (struct text_sink *)base;

    silt_buffer_printf(&sink->out, "%s{\"statement_id\":%u", sink->any_statement ? "," : "", id);
    sink->any_statement = true;
    sink->series = 0;
    return SILT_OK;
}

static void close_series(struct text_sink *sink)
{
    if (sink->open)
        put(&sink->out, sink->rows ? "]}" : "}");
    sink->open = false;
}

static enum silt_status sink_series(struct silt_sink *base, const struct silt_series_head *head)
{
    struct text_sink *sink = (struct text_sink *)base;

    close_series(sink);
    put(&sink->out, sink->series++ ? ",{" : ",\"series\":[{");
    if (head->name.len) {
        put(&sink->out, "\"name\":");
        silt_buffer_json_string(&sink->out, head->name);
        put(&sink->out, ",");
    }
    if (head->tag_count) {
        put(&sink->out, "\"tags\":{");
        for (size_t i = 0; i < head->tag_count; i++) {
            put(&sink->out, i ? "," : "");
            silt_buffer_json_string(&sink->out, head->tags[i].key);
            put(&sink->out, ":");
            silt_buffer_json_string(&sink->out, head->tags[i].value);
        }
        put(&sink->out, "},");
    }
    put(&sink->out, "\"columns\":[");
    for (size_t i = 0; i < head->column_count; i++) {
        put(&sink->out, i ? "," : "");
        silt_buffer_json_string(&sink->out, head->columns[i]);
    }
    put(&sink->out, "]");
    sink->columns = head->column_count;
    sink->rows = 0;
    sink->open = true;
    return SILT_OK;
}

static void put_cell(struct silt_buffer *out, const struct silt_cell *cell)
{
    char text[SILT_NUMBER_TEXT_MAX];

    switch (cell->kind) {
    case SILT_CELL_FLOAT:
        if (isnan(cell->f64) || isinf(cell->f64))
            put(out, "null");
        else
            silt_buffer_append(out, text, silt_write_double_json(text, cell->f64));
        break;
    case SILT_CELL_INTEGER: silt_buffer_append(out, text, silt_write_int(text, cell->i64)); break;
    case SILT_CELL_UNSIGNED: silt_buffer_append(out, text, silt_write_uint(text, cell->u64)); break;
    case SILT_CELL_BOOLEAN: put(out, cell->boolean ? "true" : "false"); break;
    case SILT_CELL_STRING: silt_buffer_json_string(out, cell->string); break;
    case SILT_CELL_TIME: silt_buffer_append(out, text, silt_write_int(text, cell->i64 / 1000000000)); break;
    default: put(out, "null"); break;
    }
}

static enum silt_status sink_rows(struct silt_sink *base, const struct silt_cell *cells, size_t row_count)
{
    struct text_sink *sink = (struct text_sink *)base;

    for (size_t r = 0; r < row_count; r++) {
        put(&sink->out, sink->rows++ ? ",[" : ",\"values\":[[");
        for (size_t c = 0; c < sink->columns; c++) {
            put(&sink->out, c ? "," : "");
            put_cell(&sink->out, &cells[r * sink->columns + c]);
        }
        put(&sink->out, "]");
    }
    return SILT_OK;
}

static void sink_message(struct silt_sink *base, struct silt_str level, struct silt_str text)
{
}

static void end_all_series(struct text_sink *sink)
{
    close_series(sink);
    if (sink->series)
        put(&sink->out, "]");
    sink->series = 0;
}

static void sink_error(struct silt_sink *base, struct silt_str text)
{
    struct text_sink *sink = (struct text_sink *)base;

    end_all_series(sink);
    put(&sink->out, ",\"error\":");
    silt_buffer_json_string(&sink->out, text);
}

static enum silt_status sink_end(struct silt_sink *base)
{
    struct text_sink *sink = (struct text_sink *)base;

    end_all_series(sink);
    put(&sink->out, "}");
    return SILT_OK;
}

struct silt_buffer fake_query(struct fake_source *fake, const char *text, struct silt_pool *pool)
{
    struct text_sink sink = {
        .sink = {sink_begin, sink_series, sink_rows, sink_message, sink_error, sink_end, NULL}};
    struct silt_query_options options = {
        .source = &fake->source, .pool = pool, .database = fake->database, .now = silt_clock_now()};
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_query *query;
    struct silt_error err = {0};

    if (silt_query_parse(silt_str_from(text), NULL, 0, arena, &query, &err) != SILT_OK) {
        put(&sink.out, "{\"error\":");
        silt_buffer_json_string(&sink.out, silt_arena_printf(arena, "error parsing query: %s", err.text));
        put(&sink.out, "}");
    } else {
        put(&sink.out, "{\"results\":[");
        silt_query_run(query, &options, &sink.sink);
        put(&sink.out, "]}");
    }
    silt_buffer_char(&sink.out, 0);
    sink.out.len--;
    silt_arena_destroy(arena);
    return sink.out;
}
