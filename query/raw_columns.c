/* raw_columns.c - implements raw_columns.h. */
#include "query/raw_columns.h"

struct raw_batch {
    struct silt_row_batch base;
    const struct rows *rows;
    const struct plan *plan;
};

static struct silt_str tag_of(const struct silt_row_batch *base, uint32_t series, size_t column)
{
    const struct raw_batch *batch = (const struct raw_batch *)base;

    return rows_tag(batch->rows, series, batch->plan->outputs[column - 1]->slot);
}

enum silt_status raw_columns_head(const struct plan *plan, const struct scan_group *group)
{
    struct silt_series_head head = {.name = group->name, .tags = group->tags, .tag_count = plan->dimension_count,
                                    .columns = plan->columns, .column_count = plan->column_count};

    return exec_series(plan->exec, &head);
}

bool raw_columns_fit(const struct plan *plan, const struct rows *rows)
{
    if (!plan->exec->sink->batch || !rows_have_blocks(rows))
        return false;
    for (size_t i = 0; i < plan->field_count; i++)
        if (plan->outputs[i]->kind != EVAL_SLOT)
            return false;
    return true;
}

enum silt_status raw_columns_run(const struct plan *plan, const struct scan_group *group, struct rows *rows,
                                 struct silt_error *err)
{
    const struct select *select = plan->compiled->select;
    uint64_t skip = (uint64_t)select->offset, left = select->limit ? (uint64_t)select->limit : UINT64_MAX;
    struct raw_batch batch = {.base = {.column_count = plan->column_count, .tag = tag_of}, .rows = rows, .plan = plan};
    struct silt_batch_column *columns;
    struct rows_block block;
    bool started = false;
    enum silt_status rc = exec_alloc(plan->exec, plan->column_count, sizeof(*columns), &columns, err);

    while (rc == SILT_OK && left > 0) {
        uint64_t room = skip ? skip : left;
        rc = rows_next_block(rows, room < ROWS_BLOCK_MAX ? (size_t)room : ROWS_BLOCK_MAX, &block, err);
        if (rc != SILT_OK || block.count == 0)
            break;
        if (skip) {
            skip -= block.count;
            continue;
        }
        left -= block.count;
        if (!started && (rc = raw_columns_head(plan, group)) != SILT_OK)
            break;
        started = true;
        columns[0] = (struct silt_batch_column){.kind = SILT_CELL_TIME, .i64 = block.times};
        for (size_t i = 0; i < plan->field_count; i++)
            columns[i + 1] = block.columns[plan->outputs[i]->slot];
        batch.base.row_count = block.count;
        batch.base.series = block.series;
        batch.base.columns = columns;
        rc = exec_batch(plan->exec, &batch.base);
    }
    return rc;
}
