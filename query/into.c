/*
 * into.c - SELECT ... INTO: the rows of an answer become points of a measurement.
 *
 *     series head  cpu {host=a}   columns time, mean, top, dc(an argument of top)
 *     row          20s  35.0  null  "x"
 *     point        target,dc=x,host=a  mean=35.0  20s
 *
 * Tags are what the answer is grouped by and the tags among the arguments of top() and bottom(), unless empty; every other
 * column that a row has a value for is a field. Points are written BATCH_POINTS at a time, as InfluxDB does: what was
 * written before an error stays.
 */
#include "query/statements.h"

#include <math.h>
#include <stdlib.h>

#define BATCH_POINTS 10000
#define FIELD_KEY_BYTES_MAX 65535 /* what a series key and a field name may take together */

struct into {
    struct silt_sink sink;
    const struct plan *plan;
    const struct source *target;
    struct silt_error *err;
    uint64_t written;

    /* of the series at hand; what it points to belongs to the plan */
    struct silt_str measurement;
    struct silt_tag *tags, *row_tags; /* of the series; with the arguments of the row */
    size_t tag_count;
    bool has_arguments;
    size_t time_column;

    /* the batch */
    struct silt_arena *arena;
    struct silt_layout *layouts;
    size_t layout_count, layout_capacity;
    struct silt_row *rows;
    size_t row_count;
    union silt_value *values;
    size_t value_count, value_capacity;
    bool layout_fits;         /* the last layout is of this series */
    enum silt_cell_kind *kinds; /* of the last layout: per column, NULL where it has no field */
    struct silt_str series;     /* text of the last row; empty: to be made */
    uint64_t series_hash;
    struct silt_buffer key;     /* where it is put together */
};

static struct into *into_of(struct silt_sink *sink)
{
    return (struct into *)sink;
}

static void start_batch(struct into *into)
{
    silt_arena_reset(into->arena);
    into->layouts = NULL;
    into->layout_count = into->layout_capacity = 0;
    into->values = NULL;
    into->value_count = into->value_capacity = 0;
    into->rows = silt_arena_alloc(into->arena, BATCH_POINTS * sizeof(*into->rows));
    into->row_count = 0;
    into->layout_fits = false;
    into->series.len = 0;
}

static enum silt_status write_batch(struct into *into)
{
    const struct silt_query_options *options = into->plan->exec->options;
    enum silt_status rc = SILT_OK;

    if (silt_arena_exceeded(into->arena))
        return silt_fail(into->err, SILT_LIMIT, "query memory limit exceeded");
    if (into->row_count) {
        struct silt_batch batch = {.layouts = into->layouts, .layout_count = (uint32_t)into->layout_count, .rows = into->rows,
                                   .row_count = into->row_count, .values = into->values};
        rc = options->admin->write(options->admin, into->target->database, into->target->rp, &batch, into->err);
        into->written += into->row_count;
    }
    start_batch(into);
    return rc;
}

/* ---------------------------------------------------------------- one series */

static bool is_argument_tag(const struct into *into, size_t column)
{
    return into->plan->field_is_argument[column - 1] && into->plan->output_types[column - 1] == DATA_TAG;
}

static bool is_field(const struct into *into, size_t column)
{
    return column > 0 && column != into->time_column && !into->plan->field_is_argument[column - 1];
}

static enum silt_status take_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    struct into *into = into_of(sink);
    const struct plan *plan = into->plan;

    into->measurement = into->target->is_backref ? head->name : into->target->name;
    into->tag_count = 0;
    for (size_t i = 0; i < head->tag_count; i++)
        if (head->tags[i].value.len)
            into->tags[into->tag_count++] = head->tags[i];
    into->layout_fits = false;
    into->series.len = 0;
    into->time_column = plan->column_count;
    for (size_t i = 0; i < plan->column_count; i++)
        if (silt_str_equal(plan->columns[i], SILT_STR("time")))
            into->time_column = i;
    if (into->time_column == plan->column_count)
        return silt_fail(into->err, SILT_INVALID, "error finding time index in result");
    if (into->time_column != 0)
        return silt_fail(into->err, SILT_INVALID, "a column of SELECT ... INTO cannot be named time");
    return SILT_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct silt_tag *x = a, *y = b;
    return silt_str_compare(x->key, y->key);
}

static void put_escaped(struct silt_buffer *out, struct silt_str text, const char *specials)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] && strchr(specials, text.p[i]))
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, text.p[i]);
    }
}

/* The row's series in line protocol. It changes within a series of the answer only with arguments of top() and bottom(). */
static void name_series(struct into *into, const struct silt_cell *cells)
{
    struct silt_tag *tags = into->row_tags;
    size_t count = into->tag_count, kept = 0;

    if (into->series.len && !into->has_arguments)
        return;
    for (size_t i = 0; i < into->tag_count; i++)
        tags[i] = into->tags[i];
    for (size_t i = 1; into->has_arguments && i < into->plan->column_count; i++)
        if (is_argument_tag(into, i) && cells[i].kind == SILT_CELL_STRING && cells[i].string.len)
            tags[count++] = (struct silt_tag){into->plan->names[i - 1], cells[i].string};
    qsort(tags, count, sizeof(*tags), by_key);
    for (size_t i = 0; i < count; i++) /* a tag that is grouped by may be an argument too */
        if (kept == 0 || !silt_str_equal(tags[i].key, tags[kept - 1].key))
            tags[kept++] = tags[i];
    into->key.len = 0;
    put_escaped(&into->key, into->measurement, ", ");
    for (size_t i = 0; i < kept; i++) {
        silt_buffer_char(&into->key, ',');
        put_escaped(&into->key, tags[i].key, ",= ");
        silt_buffer_char(&into->key, '=');
        put_escaped(&into->key, tags[i].value, ",= ");
    }
    into->series = silt_arena_str(into->arena, (struct silt_str){into->key.p ? into->key.p : "", into->key.len});
    into->series_hash = silt_hash(into->series.p, into->series.len);
}

/* ---------------------------------------------------------------- one row */

/* InfluxDB makes no point of a row without a value, or with one that it cannot store. */
static bool can_be_stored(const struct into *into, const struct silt_cell *cells)
{
    bool any = false;

    if (cells[0].i64 < SILT_TIME_MIN || cells[0].i64 > SILT_TIME_MAX)
        return false;
    for (size_t i = 1; i < into->plan->column_count; i++) {
        if (!is_field(into, i) || cells[i].kind == SILT_CELL_NULL)
            continue;
        any = true;
        if (into->plan->columns[i].len == 0 || (cells[i].kind == SILT_CELL_FLOAT && !isfinite(cells[i].f64)))
            return false;
        if (into->series.len + 4 + into->plan->columns[i].len > FIELD_KEY_BYTES_MAX)
            return false;
    }
    return any;
}

static enum silt_type stored_type(enum silt_cell_kind kind)
{
    switch (kind) {
    case SILT_CELL_FLOAT: return SILT_TYPE_FLOAT;
    case SILT_CELL_INTEGER:
    case SILT_CELL_TIME: return SILT_TYPE_INTEGER;
    case SILT_CELL_UNSIGNED: return SILT_TYPE_UNSIGNED;
    case SILT_CELL_BOOLEAN: return SILT_TYPE_BOOLEAN;
    default: return SILT_TYPE_STRING;
    }
}

/* A layout per run of rows with the same columns: which, and of what kinds. */
static void fit_layout(struct into *into, const struct silt_cell *cells)
{
    const struct plan *plan = into->plan;
    bool fits = into->layout_fits;
    uint32_t count = 0;

    for (size_t i = 1; fits && i < plan->column_count; i++)
        fits = !is_field(into, i) || into->kinds[i] == cells[i].kind;
    if (fits)
        return;
    struct silt_field *fields = silt_arena_alloc(into->arena, plan->column_count * sizeof(*fields));
    for (size_t i = 1; i < plan->column_count; i++) {
        into->kinds[i] = cells[i].kind;
        if (is_field(into, i) && cells[i].kind != SILT_CELL_NULL)
            fields[count++] = (struct silt_field){.name = plan->columns[i], .type = stored_type(cells[i].kind)};
    }
    into->layouts = silt_arena_grow(into->arena, into->layouts, &into->layout_capacity, into->layout_count + 1,
                                    sizeof(*into->layouts));
    into->layouts[into->layout_count++] =
        (struct silt_layout){.measurement = into->measurement, .fields = fields, .field_count = count};
    into->layout_fits = true;
}

static void add_point(struct into *into, const struct silt_cell *cells)
{
    const struct plan *plan = into->plan;

    fit_layout(into, cells);
    into->values = silt_arena_grow(into->arena, into->values, &into->value_capacity, into->value_count + plan->column_count,
                                   sizeof(*into->values));
    into->rows[into->row_count] =
        (struct silt_row){.series = into->series, .series_hash = into->series_hash, .time = cells[0].i64,
                          .layout = (uint32_t)into->layout_count - 1, .line = (uint32_t)into->row_count,
                          .value_offset = into->value_count};
    into->row_count++;
    for (size_t i = 1; i < plan->column_count; i++) {
        union silt_value *value = &into->values[into->value_count];
        if (!is_field(into, i) || cells[i].kind == SILT_CELL_NULL)
            continue;
        into->value_count++;
        value->u64 = 0;
        if (cells[i].kind == SILT_CELL_STRING)
            value->string = silt_arena_bytes_copy(into->arena, cells[i].string);
        else if (cells[i].kind == SILT_CELL_BOOLEAN)
            value->boolean = cells[i].boolean;
        else
            value->u64 = cells[i].u64;
    }
}

static enum silt_status take_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    struct into *into = into_of(sink);
    enum silt_status rc = SILT_OK;

    for (size_t r = 0; rc == SILT_OK && r < row_count; r++, cells += into->plan->column_count) {
        name_series(into, cells);
        if (!can_be_stored(into, cells))
            continue;
        add_point(into, cells);
        if (into->row_count == BATCH_POINTS || silt_arena_exceeded(into->arena))
            rc = write_batch(into);
    }
    return rc;
}

/* ---------------------------------------------------------------- the statement */

static enum silt_status tell_written(struct exec *exec, uint64_t written)
{
    const struct silt_str columns[] = {SILT_STR("time"), SILT_STR("written")};
    const struct silt_series_head head = {.name = SILT_STR("result"), .columns = columns, .column_count = 2};
    const struct silt_cell cells[] = {{.kind = SILT_CELL_TIME, .i64 = 0}, cell_integer((int64_t)written)};
    enum silt_status rc = exec_series(exec, &head);

    return rc == SILT_OK ? exec_rows(exec, cells, 1) : rc;
}

enum silt_status into_run(struct plan *plan, const struct select *select, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    struct silt_sink *sink = exec->sink;
    struct into into = {
        .sink = {.series = take_series, .rows = take_rows}, .plan = plan, .target = select->into, .err = err};
    enum silt_status rc;

    if (!exec->options->admin || !exec->options->admin->write)
        return silt_fail(err, SILT_UNSUPPORTED, "SELECT ... INTO is not supported");
    if ((rc = exec_alloc(exec, plan->dimension_count + plan->column_count, sizeof(*into.tags), &into.tags, err)) != SILT_OK ||
        (rc = exec_alloc(exec, plan->dimension_count + plan->column_count, sizeof(*into.row_tags), &into.row_tags, err)) !=
            SILT_OK ||
        (rc = exec_alloc(exec, plan->column_count, sizeof(*into.kinds), &into.kinds, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < plan->field_count; i++)
        into.has_arguments = into.has_arguments || plan->field_is_argument[i];
    into.arena = silt_arena_create(&exec->budget);
    start_batch(&into);
    exec->sink = &into.sink;
    rc = plan_run(plan, err);
    if (rc == SILT_OK)
        rc = write_batch(&into);
    exec->sink = sink;
    exec->sink_failed = false; /* what was refused was a row, the client is still there */
    silt_arena_destroy(into.arena);
    silt_buffer_free(&into.key);
    return rc == SILT_OK ? tell_written(exec, into.written) : rc;
}
