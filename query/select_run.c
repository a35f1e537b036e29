/*
 * select_run.c - carrying out a SELECT: groups one after the other, rows in blocks to the sink.
 *
 * Without calls, rows come straight from the merged series. With calls, every call gives points for the group, and a
 * row is made for every time that one of them has. Cells that a row has nothing for get what fill() says, which for
 * fill(previous) is what the row before it in the group had.
 */
#include "query/evaluation.h"
#include "query/first_windows.h"
#include "query/into.h"
#include "query/raw_columns.h"
#include "query/row_output.h"
#include "query/schema_view.h"
#include "query/short_query.h"
#include "query/statements.h"

#include <stdlib.h>

/*
 * Groups whose calls are reduced together, while rows are made of those before them: enough to keep the threads at work, and not
 * more values than fit a cache.
 */
#define GROUPS_AT_ONCE_MIN 64
#define GROUPS_AT_ONCE_MAX 512
#define VALUES_AT_ONCE ((uint64_t)1 << 17)

/* ---------------------------------------------------------------- raw rows */

static enum silt_status raw_group(struct row_output *output, const struct scan *scan, const struct scan_group *group,
                                  struct silt_error *err)
{
    const struct plan *plan = output->plan;
    const struct select *select = plan->compiled->select;
    uint64_t skip = (uint64_t)select->offset, left = select->limit ? (uint64_t)select->limit : UINT64_MAX;
    struct rows *rows = NULL;
    struct row row;
    bool more, filled = output->previous || output->fill.kind != SILT_CELL_NULL;

    row_output_clear(output);
    enum silt_status rc = rows_open(scan, group, plan->aux, plan->aux_count, 0, plan->aux_count,
                                    plan->compiled->descending, plan->scan_min, plan->scan_max, ROWS_BY_TIME, &rows,
                                    err);

    if (rc == SILT_OK)
        rows_limit(rows, rows_limit_of(select));
    if (rc == SILT_OK && !filled && raw_columns_fit(plan, rows)) {
        if ((rc = row_output_flush(output)) == SILT_OK) /* rows of a group before may be there as cells */
            rc = raw_columns_run(plan, group, rows, err);
        rows_close(rows);
        return rc;
    }
    while (rc == SILT_OK && left > 0 && (rc = rows_next(rows, &row, &more, err)) == SILT_OK && more) {
        if (skip > 0) {
            skip--;
            continue;
        }
        left--;
        for (size_t i = 0; filled && i < plan->aux_count; i++)
            row_output_set(output, i, row.cells[i], plan->slots[plan->aux[i]].type);
        rc = row_output_put(output, group, row.time, filled ? output->env : row.cells, err);
    }
    rows_close(rows);
    return rc;
}

/* ---------------------------------------------------------------- joining the calls of a group */

static void limit_points(const struct plan *plan, struct points *points)
{
    const struct select *select = plan->compiled->select;
    size_t skip = select->offset < (int64_t)points->count ? (size_t)select->offset : points->count;

    points->count -= skip;
    if (skip && points->count)
        memmove(points->items, points->items + skip, points->count * sizeof(*points->items));
    if (select->limit && (uint64_t)select->limit < points->count)
        points->count = (size_t)select->limit;
}

struct companion_reader {
    const struct plan *plan;
    const struct scan *scan;
    struct lane *lane;
    bool fields; /* some companion is a field: the point has to be read */
    struct silt_arena *strings;
};

static enum silt_status read_companions(struct companion_reader *reader, const struct point *point,
                                        struct silt_cell *cells, struct silt_error *err)
{
    const struct plan *plan = reader->plan;
    struct lane_batch batch = {0};
    enum silt_status rc;

    for (size_t i = 0; i < plan->aux_count; i++)
        cells[i] = cell_null();
    if (!point->selected || point->value.kind == SILT_CELL_NULL)
        return SILT_OK;
    if (!reader->lane && (rc = lane_create(reader->scan, &reader->lane, err)) != SILT_OK)
        return rc;
    if ((rc = lane_seek(reader->lane, point->series, NULL, point->origin, point->origin, false, err)) != SILT_OK)
        return rc;
    if (reader->fields && (rc = lane_next(reader->lane, &batch, err)) != SILT_OK)
        return rc;
    silt_arena_reset(reader->strings);
    for (size_t i = 0; i < plan->aux_count; i++) {
        uint32_t slot = plan->aux[i];
        struct lane_column column;
        if (plan->slots[slot].kind != SLOT_FIELD) {
            cells[i] = lane_tag_cell(reader->lane, slot);
            continue;
        }
        if (batch.count == 0)
            continue;
        if ((rc = lane_column(reader->lane, slot, &column, err)) != SILT_OK)
            return rc;
        cells[i] = column_cell(&column, 0);
        if (cells[i].kind == SILT_CELL_STRING)
            cells[i].string = silt_arena_str(reader->strings, cells[i].string);
    }
    return SILT_OK;
}

static enum silt_status join_group(struct row_output *output, struct companion_reader *reader, const struct evaluation *e,
                                   struct silt_cell *aux, struct silt_error *err)
{
    const struct plan *plan = output->plan;
    struct points *const *calls = e->shown;
    bool descending = plan->compiled->descending;
    size_t *at = e->joined;
    enum silt_status rc = SILT_OK;

    memset(at, 0, plan->call_count * sizeof(*at));
    while (rc == SILT_OK) {
        const struct point *next = NULL;
        for (size_t i = 0; i < plan->call_count; i++) {
            if (!calls[i] || at[i] == calls[i]->count)
                continue;
            const struct point *point = &calls[i]->items[at[i]];
            if (!next || (descending ? point->time > next->time : point->time < next->time))
                next = point;
        }
        if (!next)
            break;
        silt_time time = next->time;
        for (size_t i = 0; rc == SILT_OK && i < plan->call_count; i++) {
            if (!calls[i])
                continue; /* a call over a field that does not exist: null for good */
            bool has = at[i] < calls[i]->count && calls[i]->items[at[i]].time == time;
            const struct point *point = has ? &calls[i]->items[at[i]++] : NULL;
            row_output_set(output, i, has ? point->value : cell_null(), plan->calls[i]->shown);
            if (plan->aux_count == 0)
                continue;
            if (has)
                rc = read_companions(reader, point, aux, err);
            else
                for (size_t k = 0; k < plan->aux_count; k++)
                    aux[k] = cell_null();
            for (size_t k = 0; rc == SILT_OK && k < plan->aux_count; k++)
                row_output_set(output, plan->call_count + k, aux[k], plan->slots[plan->aux[k]].type);
        }
        if (rc == SILT_OK)
            rc = row_output_put(output, e->group, time, output->env, err);
    }
    return rc;
}

/* Rows of one call that gives a number as it sees one: as they come, without making points of them. */
static enum silt_status walk_group(struct row_output *output, const struct evaluation *e, struct silt_error *err)
{
    const struct plan_call *call = output->plan->calls[0];
    const struct select *select = output->plan->compiled->select;
    uint64_t skip = (uint64_t)select->offset, left = select->limit ? (uint64_t)select->limit : UINT64_MAX;
    struct merged_walk *walk;
    const silt_time *times;
    const uint64_t *values;
    size_t count;
    bool more = true;
    enum silt_status rc = merged_walk_open(e->scan, call, e->group, &walk, err);

    row_output_clear(output);
    while (rc == SILT_OK && left > 0 && (rc = merged_walk_next(walk, &times, &values, &count, &more, err)) == SILT_OK && more) {
        size_t first = skip < count ? (size_t)skip : count;
        size_t end = left < count - first ? first + (size_t)left : count;
        skip -= first;
        left -= end - first;
        rc = row_output_numbers(output, e->group, times + first, values + first, end - first, call->out, err);
    }
    merged_walk_close(walk);
    return rc;
}

static bool walks(const struct evaluation *e)
{
    const struct plan *plan = e->plan;

    return plan->call_count == 1 && plan->aux_count == 0 && plan->calls[0]->function->class == CLASS_TRANSFORM &&
           merged_call_fits(e->scan, plan->calls[0], e->group);
}

static enum silt_status call_group(struct row_output *output, struct evaluation *e, struct companion_reader *reader,
                                   struct silt_cell *aux, struct silt_error *err)
{
    const struct plan *plan = output->plan;
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < plan->call_count; i++) {
        struct points *points = &e->points[i];
        points_clear(points, plan->calls[i]->out);
        e->shown[i] = NULL;
        if (plan->calls[i]->in == DATA_UNKNOWN) {
            if (plan->calls[i]->shown != DATA_UNKNOWN) /* no points, but fill() knows what to show beside those of others */
                e->shown[i] = points;
            continue;
        }
        rc = call_points(e, plan->calls[i], true, points, err);
        limit_points(plan, points);
        e->shown[i] = points;
    }
    row_output_clear(output);
    return rc == SILT_OK ? join_group(output, reader, e, aux, err) : rc;
}

static size_t groups_at_once(const struct evaluation *e, size_t group_count)
{
    const struct windows *windows = &e->plan->compiled->windows;
    uint64_t values = 0, count = windows->interval ? ((uint64_t)windows->max - (uint64_t)windows->min) / (uint64_t)windows->interval : 0;

    for (size_t k = 0; k < e->set_count; k++)
        values += e->sets[k].leaf_count;
    count = count < VALUES_AT_ONCE ? VALUES_AT_ONCE / ((count < 4 ? 4 : count) * (values + 1)) : 0;
    if (count < GROUPS_AT_ONCE_MIN)
        count = GROUPS_AT_ONCE_MIN;
    if (count > GROUPS_AT_ONCE_MAX)
        count = GROUPS_AT_ONCE_MAX;
    return count < group_count ? (size_t)count : group_count;
}

/* Groups [first, first + count) of the scan. */
struct wave {
    size_t first, count;
    struct cells *cells; /* per set, at_once each */
};

/* The wave behind `done` groups in the order asked for; count 0: there is none. */
static void begin_wave(const struct evaluation *e, size_t done, size_t at_once, struct wave *wave)
{
    size_t left = e->scan->group_count - done;

    wave->count = left < at_once ? left : at_once;
    wave->first = e->plan->compiled->descending ? left - wave->count : done;
    for (size_t k = 0; wave->count && !e->wanted && k < e->set_count; k++)
        if (e->sets[k].reducer)
            reducer_begin(e->sets[k].reducer, wave->first, wave->count, e->sets[k].min, e->sets[k].max, wave->cells + k * at_once);
}

static enum silt_status end_wave(const struct evaluation *e, size_t at_once, struct wave *wave, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    for (size_t k = 0; rc == SILT_OK && k < e->set_count; k++) {
        struct leaf_set *set = &e->sets[k];
        if (!set->reducer)
            continue;
        rc = e->wanted ? first_windows_reduce(set->reducer, e->plan, set->leaf_count, wave->first, wave->count, set->min, set->max,
                                              e->wanted, wave->cells + k * at_once, err)
                       : reducer_end(set->reducer, err);
    }
    return rc;
}

/* Every group's rows. While they are made of one wave, the threads of the pool reduce the next. */
static enum silt_status run_waves(struct row_output *output, struct evaluation *e, struct companion_reader *reader,
                                  struct silt_cell *aux, struct silt_error *err)
{
    size_t at_once = groups_at_once(e, e->scan->group_count), cell_count = at_once * e->set_count;
    struct cells *cells = silt_calloc(2 * cell_count + 1, sizeof(*cells));
    struct wave waves[2] = {{.cells = cells}, {.cells = cells + cell_count}};
    struct wave *now = &waves[0], *next = &waves[1];
    enum silt_status rc = SILT_OK;

    for (size_t k = 0; k < e->set_count; k++)
        for (size_t i = 0; i < at_once; i++) {
            cells_init(&waves[0].cells[k * at_once + i], output->exec, e->sets[k].leaf_count);
            cells_init(&waves[1].cells[k * at_once + i], output->exec, e->sets[k].leaf_count);
        }
    begin_wave(e, 0, at_once, now);
    for (size_t done = 0; rc == SILT_OK && now->count;) {
        if ((rc = end_wave(e, at_once, now, err)) != SILT_OK)
            break;
        done += now->count;
        begin_wave(e, done, at_once, next);
        for (size_t i = 0; rc == SILT_OK && i < now->count; i++) {
            size_t index = e->plan->compiled->descending ? now->count - 1 - i : i;
            e->group = &e->scan->groups[now->first + index];
            for (size_t k = 0; k < e->set_count; k++)
                e->sets[k].cells = &now->cells[k * at_once + index];
            rc = walks(e) ? walk_group(output, e, err) : call_group(output, e, reader, aux, err);
        }
        struct wave *behind = now;
        now = next;
        next = behind;
    }
    for (size_t k = 0; k < e->set_count; k++)
        if (rc != SILT_OK)
            reducer_cancel(e->sets[k].reducer);
    for (size_t i = 0; i < 2 * cell_count; i++)
        cells_free(&cells[i]);
    free(cells);
    return rc;
}

static enum silt_status run_calls(struct row_output *output, const struct scan *scan, struct silt_error *err)
{
    const struct plan *plan = output->plan;
    struct companion_reader reader = {.plan = plan, .scan = scan};
    struct silt_cell *aux = silt_calloc(plan->aux_count + 1, sizeof(*aux));
    struct evaluation e;

    for (size_t i = 0; i < plan->aux_count; i++)
        reader.fields = reader.fields || plan->slots[plan->aux[i]].kind == SLOT_FIELD;
    reader.strings = silt_arena_create(&output->exec->budget);
    enum silt_status rc = evaluation_init(&e, scan, err);
    if (rc == SILT_OK)
        rc = run_waves(output, &e, &reader, aux, err);
    evaluation_deinit(&e);
    lane_destroy(reader.lane);
    silt_arena_destroy(reader.strings);
    free(aux);
    return rc;
}

/* ---------------------------------------------------------------- the statement */

static enum silt_status check_buckets(const struct plan *plan, struct silt_error *err)
{
    const struct windows *windows = &plan->compiled->windows;
    uint64_t limit = plan->exec->options->limits.select_buckets;
    silt_time first, last, end;

    if (!limit || !windows->interval || !plan->compiled->has_lower)
        return SILT_OK;
    windows_of(windows, windows->min, &first, &end);
    windows_of(windows, windows->max, &last, &end);
    uint64_t buckets = last < first ? 0 : ((uint64_t)last - (uint64_t)first) / (uint64_t)windows->interval + 1;
    if (buckets > limit)
        return silt_fail(err, SILT_LIMIT, "max-select-buckets limit exceeded: (%llu/%llu)", (unsigned long long)buckets,
                         (unsigned long long)limit);
    return SILT_OK;
}

/* A call that its field's type does not fit is found out where a series might have the field with that type. */
static bool error_shows(const struct plan *plan, const struct scan *scan, const struct call_error *error)
{
    for (size_t g = 0; g < scan->group_count; g++) {
        const struct scan_group *group = &scan->groups[g];
        bool left_out = group->shards != NULL; /* by SLIMIT */
        for (size_t i = 0; left_out && i < group->shard_words; i++)
            left_out = group->shards[i] == 0;
        for (size_t i = group->first; !left_out && i < group->first + group->count; i++) {
            const struct plan_source *source = &plan->sources[scan->series[i].source];
            size_t end;
            for (size_t k = plan_source_fields(source, error->field, &end); k < end; k++)
                if (data_type_of(source->fields[k].type) == error->type &&
                    (source->in_memory || series_in_shards(source->reader, scan->series[i].id)))
                    return true;
        }
    }
    return false;
}

/* Whether some column can have a value at all; if not, not even subqueries are run. */
static bool anything_known(const struct plan *plan)
{
    for (size_t i = 0; i < plan->call_count; i++)
        if (plan->calls[i]->shown != DATA_UNKNOWN)
            return true;
    for (size_t i = 0; plan->call_count == 0 && i < plan->aux_count; i++)
        if (plan->slots[plan->aux[i]].type != DATA_UNKNOWN)
            return true;
    return false;
}

enum silt_status plan_run(struct plan *plan, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    struct row_output output;
    struct scan *scan;
    enum silt_status rc;

    if (warm_up_starts_nowhere(plan->compiled))
        return SILT_OK;
    if ((rc = check_buckets(plan, err)) != SILT_OK)
        return rc;
    if (!anything_known(plan))
        return SILT_OK;
    bool error_known = false;
    for (size_t i = 0; i < plan->call_error_count; i++) { /* before the columns of subqueries are forgotten */
        plan->call_errors[i].known = plan_is_in_subquery(plan, plan->call_errors[i].field);
        error_known = error_known || plan->call_errors[i].known;
    }
    if ((rc = plan_run_subqueries(plan, err)) != SILT_OK)
        return rc;
    if (plan->source_count == 0 && !error_known)
        return SILT_OK;
    if ((rc = scan_make(plan, &scan, err)) != SILT_OK)
        return rc;
    if (exec->options->allowance && (rc = short_query_check(plan, scan, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; exec->reads && i < scan->series_count; i++)
        atomic_fetch_add(&exec->reads->series, !plan->sources[scan->series[i].source].in_memory);
    for (size_t i = 0; i < plan->call_error_count; i++)
        if (plan->call_errors[i].known || error_shows(plan, scan, &plan->call_errors[i])) {
            *err = plan->call_errors[i].error;
            return err->status;
        }
    if ((rc = row_output_init(&output, plan, err)) != SILT_OK)
        return rc;
    if (plan->call_count == 0) {
        for (size_t i = 0; rc == SILT_OK && i < scan->group_count; i++)
            rc = raw_group(&output, scan, &scan->groups[plan->compiled->descending ? scan->group_count - 1 - i : i], err);
    } else {
        rc = run_calls(&output, scan, err);
    }
    if (rc == SILT_OK)
        rc = row_output_flush(&output);
    row_output_deinit(&output);
    return rc;
}

enum silt_status select_run(struct exec *exec, const struct select *select, struct silt_error *err)
{
    struct compiled *compiled;
    struct plan *plan = NULL;
    enum silt_status rc = sources_check(exec, select, err);

    if (rc == SILT_OK)
        rc = select_compile(exec, select, NULL, &compiled, err);
    if (rc == SILT_OK)
        rc = plan_make(exec, compiled, NULL, 0, &plan, err);
    if (rc == SILT_OK)
        rc = select->into ? into_run(plan, err) : plan_run(plan, err);
    plan_destroy(plan);
    return rc;
}
