/*
 * subquery.c - FROM (SELECT ...) (subquery_run of plan.h).
 *
 * The inner statement runs to its end and its rows are kept in memory; the outer one then reads them like any other
 * source. Columns become fields, the tags it was grouped by become tags.
 */
#include "query/memory_reader.h"
#include "query/statements.h"

struct capture {
    struct silt_sink sink;
    struct exec *exec;
    struct memory_table *table;
    struct memory_value *values;
    uint32_t *fields; /* per column after time */
    const struct plan *plan;
    size_t tag_count;  /* tags it is grouped by itself and that no column hides, read as fields too */
    uint32_t *tag_fields;
    struct silt_cell *tag_values;
    size_t column_count;
    uint32_t series;
    struct silt_error *err;
    enum silt_status status;
};

static struct capture *capture_of(struct silt_sink *sink)
{
    return (struct capture *)sink;
}

/* Of columns of one name the first is meant. */
static bool hidden(const struct plan *plan, size_t field)
{
    for (size_t i = 0; i < field; i++)
        if (silt_str_equal(plan->names[i], plan->names[field]))
            return true;
    return false;
}

static bool shows_as_field(const struct plan *plan, struct silt_str tag)
{
    for (size_t i = 0; i < plan->field_count; i++)
        if (silt_str_equal(plan->names[i], tag))
            return false;
    for (size_t i = 0; i < plan->own_dimension_count; i++)
        if (silt_str_equal(plan->own_dimensions[i], tag))
            return true;
    return false;
}

static enum silt_status capture_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    struct capture *capture = capture_of(sink);

    capture->series = memory_table_series(capture->table, head->name, head->tags, head->tag_count);
    for (size_t i = 1; i < head->column_count; i++)
        capture->fields[i - 1] = memory_table_field(capture->table, capture->plan->names[i - 1]);
    capture->column_count = head->column_count;
    capture->tag_count = 0;
    for (size_t i = 0; i < head->tag_count; i++) {
        if (!shows_as_field(capture->plan, head->tags[i].key))
            continue;
        capture->tag_fields[capture->tag_count] = memory_table_field(capture->table, head->tags[i].key);
        capture->tag_values[capture->tag_count++] =
            cell_string(silt_arena_str(capture->exec->arena, head->tags[i].value));
    }
    return SILT_OK;
}

static enum silt_status capture_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    struct capture *capture = capture_of(sink);

    for (size_t r = 0; r < row_count; r++, cells += capture->column_count) {
        size_t count = 0;
        for (size_t i = 1; i < capture->column_count; i++)
            if (cells[i].kind != SILT_CELL_NULL && !hidden(capture->plan, i - 1))
                capture->values[count++] = (struct memory_value){capture->fields[i - 1], cells[i]};
        for (size_t i = 0; i < capture->tag_count; i++)
            capture->values[count++] = (struct memory_value){capture->tag_fields[i], capture->tag_values[i]};
        capture->status = memory_table_row(capture->table, capture->series, cells[0].i64, 0, capture->values, count,
                                           capture->err);
        if (capture->status != SILT_OK)
            return capture->status;
    }
    return SILT_OK;
}

enum silt_status subquery_run(struct plan *plan, struct silt_reader **out, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    struct capture capture = {
        .sink = {.series = capture_series, .rows = capture_rows}, .exec = exec, .plan = plan, .err = err};
    size_t width = plan->column_count + plan->own_dimension_count + 1;
    struct silt_sink *sink = exec->sink;
    enum silt_status rc;

    capture.table = memory_table_create(&exec->budget);
    if ((rc = exec_alloc(exec, width, sizeof(*capture.values), &capture.values, err)) == SILT_OK &&
        (rc = exec_alloc(exec, width, sizeof(*capture.tag_fields), &capture.tag_fields, err)) == SILT_OK &&
        (rc = exec_alloc(exec, width, sizeof(*capture.tag_values), &capture.tag_values, err)) == SILT_OK)
        rc = exec_alloc(exec, plan->column_count + 1, sizeof(*capture.fields), &capture.fields, err);
    exec->sink = &capture.sink;
    if (rc == SILT_OK)
        rc = plan_run(plan, err);
    exec->sink = sink;
    if (exec->sink_failed && capture.status != SILT_OK) /* that was no client who left */
        exec->sink_failed = false;
    if (rc != SILT_OK) {
        memory_table_destroy(capture.table);
        return rc;
    }
    if (plan->compiled->descending) /* the outer cursor runs backwards too */
        memory_table_reverse(capture.table);
    *out = memory_reader_open(capture.table, true, INT64_MIN, INT64_MAX, 4096);
    return SILT_OK;
}
