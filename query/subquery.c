/*
 * subquery.c - FROM (SELECT ...) (subquery_open of plan.h).
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
    size_t column_count;
    uint32_t series;
    struct silt_error *err;
    enum silt_status status;
};

static struct capture *capture_of(struct silt_sink *sink)
{
    return (struct capture *)sink;
}

static enum silt_status capture_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    struct capture *capture = capture_of(sink);

    capture->series = memory_table_series(capture->table, head->name, head->tags, head->tag_count);
    for (size_t i = 1; i < head->column_count; i++)
        capture->fields[i - 1] = memory_table_field(capture->table, head->columns[i]);
    capture->column_count = head->column_count;
    return SILT_OK;
}

static enum silt_status capture_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    struct capture *capture = capture_of(sink);

    for (size_t r = 0; r < row_count; r++, cells += capture->column_count) {
        size_t count = 0;
        for (size_t i = 1; i < capture->column_count; i++)
            if (cells[i].kind != SILT_CELL_NULL)
                capture->values[count++] = (struct memory_value){capture->fields[i - 1], cells[i]};
        if (count == 0)
            continue;
        capture->status = memory_table_row(capture->table, capture->series, cells[0].i64, 0, capture->values, count,
                                           capture->err);
        if (capture->status != SILT_OK)
            return capture->status;
    }
    return SILT_OK;
}

enum silt_status subquery_open(struct exec *exec, const struct compiled *compiled, const struct silt_str *dimensions,
                               size_t dimension_count, struct silt_reader **out, struct silt_error *err)
{
    struct exec inner = *exec;
    struct capture capture = {.sink = {.series = capture_series, .rows = capture_rows}, .exec = exec, .err = err};
    struct plan *plan = NULL;
    enum silt_status rc = plan_make(&inner, compiled, dimensions, dimension_count, &plan, err);

    capture.table = memory_table_create(&exec->budget);
    if (rc == SILT_OK)
        rc = exec_alloc(exec, plan->column_count + 1, sizeof(*capture.values), &capture.values, err);
    if (rc == SILT_OK)
        rc = exec_alloc(exec, plan->column_count + 1, sizeof(*capture.fields), &capture.fields, err);
    inner.sink = &capture.sink;
    if (rc == SILT_OK)
        rc = plan_run(plan, err);
    exec->regexes = inner.regexes; /* compiled by either, freed with the statement */
    plan_destroy(plan);
    if (rc != SILT_OK) {
        memory_table_destroy(capture.table);
        return rc;
    }
    if (compiled->descending) /* the outer cursor runs backwards too */
        memory_table_reverse(capture.table);
    *out = memory_reader_open(capture.table, true, INT64_MIN, INT64_MAX, 4096);
    return SILT_OK;
}
