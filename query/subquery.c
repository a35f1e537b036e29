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
    struct memory_table *table;
    uint32_t *fields; /* per column after time: the table's */
    struct name_index names; /* of columns */
    const struct plan *plan;
    size_t column_count;
    uint32_t series;
    struct silt_error *err;
    enum silt_status status;
};

static struct capture *capture_of(struct silt_sink *sink)
{
    return (struct capture *)sink;
}

/* A tag that it is grouped by itself, and that no column hides. */
static bool shows_as_field(const struct capture *capture, struct silt_str tag)
{
    const struct plan *plan = capture->plan;

    if (name_index_find(&capture->names, tag) != NAME_NONE)
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
    capture->column_count = head->column_count;
    for (size_t i = 0; i < head->tag_count; i++)
        if (shows_as_field(capture, head->tags[i].key))
            memory_table_constant(capture->table, capture->series,
                                  memory_table_field(capture->table, head->tags[i].key), head->tags[i].value);
    return SILT_OK;
}

static enum silt_status capture_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    struct capture *capture = capture_of(sink);

    capture->status = memory_table_rows(capture->table, capture->series, 0, cells, row_count, capture->column_count,
                                        capture->fields, capture->err);
    return capture->status;
}

enum silt_status subquery_run(struct plan *plan, struct silt_reader **out, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    struct capture capture = {.sink = {.series = capture_series, .rows = capture_rows}, .plan = plan, .err = err};
    struct silt_sink *sink = exec->sink;
    enum silt_status rc = exec_alloc(exec, plan->column_count + 1, sizeof(*capture.fields), &capture.fields, err);

    if (rc != SILT_OK)
        return rc;
    capture.table = memory_table_create(&exec->budget);
    for (size_t i = 0; i < plan->field_count; i++) { /* of columns of one name the first is meant */
        size_t known = capture.names.count;
        bool shown = name_index_add(&capture.names, plan->names[i], exec->arena) == known;
        capture.fields[i] = shown ? memory_table_field(capture.table, plan->names[i]) : MEMORY_NO_FIELD;
    }
    exec->sink = &capture.sink;
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
