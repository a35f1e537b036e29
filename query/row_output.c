/* row_output.c - implements row_output.h. */
#include "query/row_output.h"
#include "query/points.h"
#include "query/raw_columns.h"

#include <math.h>

#define BLOCK_ROWS 1000

enum silt_status row_output_init(struct row_output *output, const struct plan *plan, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    size_t env_count = plan->call_count + plan->aux_count + 1;
    enum silt_status rc;

    *output = (struct row_output){.plan = plan, .exec = exec};
    if ((rc = exec_alloc(exec, BLOCK_ROWS * plan->column_count, sizeof(*output->block), &output->block, err)) != SILT_OK)
        return rc;
    output->strings = silt_arena_create(&exec->budget);
    output->env = silt_arena_zalloc(exec->arena, env_count * sizeof(*output->env));
    output->kept = silt_arena_zalloc(exec->arena, env_count * sizeof(*output->kept));
    output->previous = plan->compiled->fill == FILL_PREVIOUS;
    output->fill = fill_value(plan);
    return SILT_OK;
}

void row_output_deinit(struct row_output *output)
{
    for (size_t i = 0; i < output->plan->call_count + output->plan->aux_count; i++)
        silt_buffer_free(&output->kept[i]);
    silt_arena_destroy(output->strings);
}

void row_output_clear(struct row_output *output)
{
    memset(output->env, 0, (output->plan->call_count + output->plan->aux_count) * sizeof(*output->env));
}

void row_output_set(struct row_output *output, size_t at, struct silt_cell value, enum data_type type)
{
    if (value.kind == SILT_CELL_NULL) {
        if (!output->previous)
            output->env[at] = fill_cast(output->fill, type);
        return;
    }
    if (value.kind == SILT_CELL_STRING && output->previous) {
        output->kept[at].len = 0;
        silt_buffer_str(&output->kept[at], value.string);
        value.string = (struct silt_str){output->kept[at].p ? output->kept[at].p : "", output->kept[at].len};
    }
    output->env[at] = value;
}

enum silt_status row_output_flush(struct row_output *output)
{
    enum silt_status rc = SILT_OK;

    if (output->row_count)
        rc = exec_rows(output->exec, output->block, output->row_count);
    output->row_count = 0;
    silt_arena_reset(output->strings);
    return rc;
}

static enum silt_status start_series(struct row_output *output, const struct scan_group *group)
{
    enum silt_status rc = row_output_flush(output);

    output->group = group;
    return rc == SILT_OK ? raw_columns_head(output->plan, group) : rc;
}

enum silt_status row_output_put(struct row_output *output, const struct scan_group *group, silt_time time,
                                const struct silt_cell *env, struct silt_error *err)
{
    const struct plan *plan = output->plan;
    enum silt_status rc;

    if (output->group != group && (rc = start_series(output, group)) != SILT_OK)
        return rc;
    struct silt_cell *row = output->block + output->row_count * plan->column_count;
    row[0] = (struct silt_cell){.kind = SILT_CELL_TIME, .i64 = time};
    for (size_t i = 0; i < plan->field_count; i++) {
        const struct eval *eval = plan->outputs[i];
        struct silt_cell cell = eval->kind == EVAL_SLOT ? env[eval->slot] : eval_run(eval, env, EVAL_PROJECTION);
        if (cell.kind == SILT_CELL_FLOAT && isnan(cell.f64) && !plan->compiled->parent)
            cell = cell_null(); /* what a subquery gives stays a number to the outer statement */
        else if (cell.kind == SILT_CELL_STRING)
            cell.string = silt_arena_str(output->strings, cell.string);
        row[i + 1] = cell;
    }
    if (silt_arena_exceeded(output->strings))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    if (++output->row_count == BLOCK_ROWS && (rc = row_output_flush(output)) != SILT_OK)
        return rc;
    return SILT_OK;
}

static bool any_nan(const uint64_t *values, size_t count)
{
    const uint64_t infinite = (uint64_t)0x7FF << 52;
    bool any = false;

    for (size_t i = 0; i < count; i++)
        any |= (values[i] & ~((uint64_t)1 << 63)) > infinite;
    return any;
}

enum silt_status row_output_numbers(struct row_output *output, const struct scan_group *group, const silt_time *times,
                                    const uint64_t *values, size_t count, enum data_type type, struct silt_error *err)
{
    const struct plan *plan = output->plan;
    enum silt_status rc = SILT_OK;

    if (count == 0)
        return SILT_OK;
    bool as_they_are = plan->field_count == 1 && plan->outputs[0]->kind == EVAL_SLOT;
    if (plan->exec->sink->batch && as_they_are && !(type == DATA_FLOAT && any_nan(values, count))) {
        struct silt_batch_column columns[] = {{.kind = SILT_CELL_TIME, .i64 = times},
                                              {.kind = number_cell(type, 0).kind, .u64 = values}};
        struct silt_row_batch batch = {.row_count = count, .column_count = 2, .columns = columns};
        rc = output->group != group ? start_series(output, group) : row_output_flush(output);
        return rc == SILT_OK ? exec_batch(plan->exec, &batch) : rc;
    }
    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        struct silt_cell cell = number_cell(type, values[i]);
        rc = row_output_put(output, group, times[i], &cell, err);
    }
    return rc;
}
