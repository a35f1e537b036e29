/*
 * select_run.c - carrying out a SELECT: groups one after the other, rows in blocks to the sink.
 *
 * Without calls, rows come straight from the merged series. With calls, every call gives points for the group, and a
 * row is made for every time that one of them has. Cells that a row has nothing for get what fill() says, which for
 * fill(previous) is what the row before it in the group had.
 */
#include "query/first_windows.h"
#include "query/into.h"
#include "query/memory_reader.h"
#include "query/points.h"
#include "query/raw_columns.h"
#include "query/row_output.h"
#include "query/rows.h"
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

/*
 * InfluxDB has every shard give no more rows than LIMIT and OFFSET together and one; an OFFSET alone counts as if LIMIT
 * were 0. So `OFFSET 3` gives a row per shard. Answers depend on it.
 */
static uint64_t rows_of_a_shard(const struct select *select)
{
    return select->limit || select->offset ? (uint64_t)select->limit + (uint64_t)select->offset + 1 : UINT64_MAX;
}

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
        rows_limit(rows, rows_of_a_shard(select));
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

/* ---------------------------------------------------------------- points of calls */

struct evaluation {
    const struct plan *plan;
    const struct scan *scan;
    struct leaf_set {
        struct leaf *leaves;
        size_t leaf_count;
        struct reducer *reducer; /* NULL: there is nothing to reduce */
        silt_time min, max;
        uint32_t *of_slot, *same_slot; /* per slot its newest leaf, per leaf the one before it of its slot, each plus 1 */
        const struct cells *cells; /* of the group */
    } *sets; /* by warm-up intervals: 0, 1, ... */
    size_t set_count;
    uint64_t wanted; /* windows of a group, see first_windows.h */
    const struct scan_group *group;
    struct column_scan *columns; /* made when first needed */
    /* Of the group; what they grew to is kept for the next one. */
    struct points *points;  /* per call */
    struct points **shown;  /* per call; NULL: a call over a field that does not exist */
    struct points unfilled; /* before fill() */
    size_t *joined;         /* per call, points that are in rows already */
};

/* Groups [first, first + count) of the scan. */
struct wave {
    size_t first, count;
    struct cells *cells; /* per set, at_once each */
};

static bool is_leaf(const struct plan_call *call)
{
    return call->function->class == CLASS_REDUCE && !call->inner;
}

static void collect_leaves(struct evaluation *e, struct plan_call *call, bool outermost)
{
    if (call->in == DATA_UNKNOWN)
        return;
    if (!is_leaf(call)) {
        if (call->inner)
            collect_leaves(e, call->inner, false);
        return;
    }
    struct leaf_set *set = &e->sets[call->warm];
    for (uint32_t i = set->of_slot[call->slot]; i; i = set->same_slot[i - 1])
        if (set->leaves[i - 1].id == call->function->id) {
            call->leaf = i - 1;
            return;
        }
    call->leaf = (uint32_t)set->leaf_count;
    set->same_slot[call->leaf] = set->of_slot[call->slot];
    set->of_slot[call->slot] = call->leaf + 1;
    set->leaves[set->leaf_count++] = (struct leaf){
        .id = call->function->id,
        .slot = call->slot,
        .type = call->in,
        .need_time = outermost && e->plan->is_selector &&
                     (e->plan->compiled->windows.interval == 0 || e->plan->aux_count > 0),
    };
}

static struct silt_cell value_cell(enum data_type type, union silt_value value)
{
    switch (type) {
    case DATA_FLOAT: return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value.f64};
    case DATA_INTEGER: return cell_integer(value.i64);
    case DATA_UNSIGNED: return (struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = value.u64};
    case DATA_BOOLEAN: return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = value.u64 & 1};
    case DATA_STRING: return cell_string(silt_bytes_str(value.string));
    default: return cell_null();
    }
}

static struct silt_cell leaf_cell(const struct leaf *leaf, const struct cell_value *value)
{
    switch (leaf->id) {
    case FN_COUNT: return cell_integer(value->count);
    case FN_MEAN: return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value->value.f64};
    case FN_SPREAD:
        if (leaf->type == DATA_FLOAT)
            return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value->other.f64 - value->value.f64};
        return value_cell(leaf->type, (union silt_value){.u64 = value->other.u64 - value->value.u64});
    default: return value_cell(leaf->type, value->value);
    }
}

/*
 * first() and last() over several series without windows: InfluxDB takes the first two rows of the merged series and
 * then the larger value of an equal time, so which of many it is follows from the order of the merge.
 */
static enum silt_status end_point(struct evaluation *e, const struct plan_call *call, bool keep_time, struct points *out,
                                  struct silt_error *err)
{
    const struct plan *plan = e->plan;
    const struct windows *windows = &plan->compiled->windows;
    size_t companions = plan->is_selector ? plan->aux_count : 0;
    struct point best = {.selected = true};
    struct rows *rows = NULL;
    struct row row;
    bool more = true;
    uint32_t *wanted;
    enum silt_status rc;

    if ((rc = exec_alloc(plan->exec, companions + 1, sizeof(*wanted), &wanted, err)) != SILT_OK)
        return rc;
    wanted[0] = call->slot;
    for (size_t i = 0; i < companions; i++)
        wanted[i + 1] = plan->aux[i];
    rc = rows_open(e->scan, e->group, wanted, companions + 1, 1, companions, call->function->id == FN_LAST, windows->min,
                   windows->max, ROWS_BY_TIME, &rows, err);
    for (int n = 0; rc == SILT_OK && n < 2; n++) {
        rc = rows_next(rows, &row, &more, err);
        if (rc != SILT_OK || !more)
            break;
        int order = n ? cell_compare(&row.cells[0], &best.value) : 1;
        if (call->function->id == FN_FIRST && row.cells[0].kind == SILT_CELL_BOOLEAN && n)
            order = -order; /* false comes first */
        if (n == 1 && (row.time != best.origin || order <= 0))
            break;
        best.value = row.cells[0];
        if (best.value.kind == SILT_CELL_STRING)
            best.value.string = silt_arena_str(plan->exec->arena, best.value.string);
        best.origin = row.time;
        best.series = row.series;
    }
    rows_close(rows);
    if (rc != SILT_OK || best.value.kind == SILT_CELL_NULL)
        return rc;
    best.time = keep_time ? best.origin : windows->min == SILT_TIME_MIN ? 0 : windows->min;
    return points_add_copy(out, &best, err);
}

/* Several series do, and the rows of a subquery. */
static bool may_share_times(const struct evaluation *e)
{
    return e->group->count > 1 || e->plan->sources[e->scan->series[e->group->first].source].in_memory;
}

static enum silt_status leaf_points(struct evaluation *e, const struct plan_call *call, bool keep_time,
                                    struct points *out, struct silt_error *err)
{
    const struct leaf_set *set = &e->sets[call->warm];
    size_t index = call->leaf;
    enum silt_status rc;

    if (e->plan->compiled->windows.interval == 0 && may_share_times(e) &&
        (call->function->id == FN_FIRST || call->function->id == FN_LAST))
        return end_point(e, call, keep_time, out, err);
    for (size_t i = 0; i < set->cells->count; i++) {
        const struct cell_value *value = &set->cells->values[i * set->leaf_count + index];
        if (value->count == 0)
            continue;
        silt_time start = set->cells->keys[i].start;
        struct point point = {
            .time = keep_time ? value->time : start == SILT_TIME_MIN ? 0 : start,
            .value = leaf_cell(&set->leaves[index], value),
            .series = value->series,
            .origin = value->time,
            .selected = call->function->selector,
        };
        if ((rc = points_add(out, &point, err)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

/* top(v, host, 2): numbers the combinations of the names' values. */
struct combinations {
    struct silt_buffer text;
    struct silt_buffer *known;
    size_t count, capacity;
};

static uint32_t combination_of(struct combinations *all, const struct silt_cell *cells, size_t count)
{
    all->text.len = 0;
    for (size_t i = 0; i < count; i++) {
        silt_buffer_printf(&all->text, "%d:", (int)cells[i].kind);
        if (cells[i].kind == SILT_CELL_STRING)
            silt_buffer_str(&all->text, cells[i].string);
        else if (cells[i].kind == SILT_CELL_BOOLEAN)
            silt_buffer_char(&all->text, (char)cells[i].boolean);
        else if (cells[i].kind != SILT_CELL_NULL)
            silt_buffer_append(&all->text, &cells[i].u64, 8);
        silt_buffer_char(&all->text, 0);
    }
    for (size_t i = 0; i < all->count; i++)
        if (all->known[i].len == all->text.len && (all->text.len == 0 || memcmp(all->known[i].p, all->text.p, all->text.len) == 0))
            return (uint32_t)i;
    if (all->count == all->capacity) {
        all->capacity = all->capacity ? all->capacity * 2 : 16;
        all->known = silt_realloc(all->known, all->capacity * sizeof(*all->known));
    }
    all->known[all->count] = (struct silt_buffer){0};
    if (all->text.len)
        silt_buffer_append(&all->known[all->count], all->text.p, all->text.len);
    return (uint32_t)all->count++;
}

/* The stored points of the call's field, and for top and bottom the combination that each belongs to. */
static enum silt_status gather(struct evaluation *e, const struct plan_call *call, bool outermost, struct points *out,
                               uint32_t **keys, struct silt_error *err)
{
    const struct plan *plan = e->plan;
    uint32_t *wanted;
    size_t texts = 0; /* companions that decide which of several series' points of one time comes first */
    size_t width = 1, capacity = 0;
    bool ranked = call->function->id == FN_TOP || call->function->id == FN_BOTTOM;
    bool named = ranked && call->expr->call.arg_count > 2;
    /* InfluxDB lets LIMIT into the scan of top() and bottom() without names: a shard gives that many points and one */
    const struct select *select = plan->compiled->select;
    struct combinations all = {0};
    struct rows *rows = NULL;
    struct row row;
    bool more;
    silt_time min, max;
    enum silt_status rc = exec_alloc(plan->exec, 1 + call->dimension_slot_count + plan->aux_count, sizeof(*wanted), &wanted, err);

    *keys = NULL;
    if (rc != SILT_OK)
        return rc;
    wanted[0] = call->slot;
    for (size_t i = 0; i < call->dimension_slot_count; i++) /* points for INTO are told apart by their tags alone */
        if (!select->into || plan->slots[call->dimension_slots[i]].kind == SLOT_TAG)
            wanted[width++] = call->dimension_slots[i];
    for (size_t i = 0; outermost && plan->is_selector && !named && e->group->count > 1 && i < plan->aux_count; i++)
        if (plan->slots[plan->aux[i]].kind != SLOT_FIELD || plan->slots[plan->aux[i]].type == DATA_STRING)
            wanted[width + texts++] = plan->aux[i];
    warm_up_read_range(plan->compiled, call->warm, &min, &max);
    if (min > max)
        return SILT_OK;
    rc = rows_open(e->scan, e->group, wanted, width + texts, 1, texts, plan->compiled->descending, min, max,
                   plan->compiled->windows.interval ? ROWS_BY_TIME : ROWS_BY_SOURCE, &rows, err);
    if (rc == SILT_OK && ranked && !named)
        rows_limit(rows, rows_of_a_shard(select));
    while (rc == SILT_OK && (rc = rows_next(rows, &row, &more, err)) == SILT_OK && more) {
        struct point point = {
            .time = row.time, .value = row.cells[0], .series = row.series, .origin = row.time, .selected = true};
        if (named) {
            if (out->count == capacity) {
                capacity = capacity ? capacity * 2 : 64;
                *keys = silt_realloc(*keys, capacity * sizeof(**keys));
            }
            (*keys)[out->count] = combination_of(&all, row.cells + 1, width - 1);
        }
        rc = points_add_copy(out, &point, err);
    }
    rows_close(rows);
    for (size_t i = 0; i < all.count; i++)
        silt_buffer_free(&all.known[i]);
    free(all.known);
    silt_buffer_free(&all.text);
    return rc;
}

/*
 * Windows of a subquery may start before the range. A call without windows that comes to such a row finds it outside of its
 * range, which to InfluxDB is the end of all it reads.
 */
static bool starts_before_range(const struct evaluation *e)
{
    const struct plan *plan = e->plan;
    bool any = false;

    for (size_t i = 0; i < plan->source_count; i++)
        any = any || plan->sources[i].in_memory;
    for (size_t i = e->group->first; any && i < e->group->first + e->group->count; i++) {
        const struct plan_source *source = &plan->sources[e->scan->series[i].source];
        if (source->in_memory && memory_reader_has_before(source->reader, e->scan->series[i].id, plan->compiled->windows.min))
            return true;
    }
    return false;
}

/* Whether windows without a point are put between those that the call gives. */
static bool is_filled(const struct plan *plan, const struct plan_call *call, bool outermost)
{
    if (plan->compiled->windows.interval == 0 || plan->compiled->fill == FILL_NONE || call->function->class == CLASS_TRANSFORM)
        return false;
    if (!outermost && plan->compiled->fill == FILL_NULL && call->function->id != FN_COUNT)
        return false; /* who takes these points passes over those without a value */
    switch (call->function->id) {
    case FN_TOP:
    case FN_BOTTOM:
    case FN_SAMPLE:
    case FN_DISTINCT: return false;
    default: return true;
    }
}

static enum silt_status call_points(struct evaluation *e, const struct plan_call *call, bool outermost, struct points *out,
                                    struct silt_error *err);

/* The points of a call over stored values or over another call's points, before fill(). */
static enum silt_status call_values(struct evaluation *e, const struct plan_call *call, bool outermost, struct points *out,
                                    struct silt_error *err)
{
    const struct plan *plan = e->plan;
    bool interval = plan->compiled->windows.interval != 0;
    bool keep_time = outermost && plan->is_selector && !interval;
    struct points in;
    uint32_t *keys = NULL;
    enum silt_status rc = SILT_OK;

    if (!interval && !call->inner && call->function->class != CLASS_TRANSFORM && !plan->compiled->descending &&
        !call->stream->ended)
        call->stream->ended = starts_before_range(e);
    /* distinct() of all that is before 1970 gives time 0, after the range: nothing of it is counted */
    bool after = call->inner && call->function->class != CLASS_TRANSFORM && !interval &&
                 plan->compiled->windows.min == SILT_TIME_MIN && plan->compiled->windows.max < 0;
    if (call->stream->ended || after)
        return SILT_OK;
    bool done = is_leaf(call);
    if (done) {
        rc = leaf_points(e, call, keep_time, out, err);
    } else if (column_call_fits(e->scan, call, keep_time)) {
        rc = e->columns ? SILT_OK : column_scan_create(e->scan, &e->columns, err);
        if (rc == SILT_OK)
            rc = column_call(e->columns, call, e->group, out, &done, err);
    } else if (merged_call_fits(e->scan, call, e->group)) {
        rc = merged_call(e->scan, call, e->group, keep_time, out, &done, err);
    }
    if (rc != SILT_OK || done)
        return rc;
    points_init(&in, plan->exec, call->in);
    rc = call->inner ? call_points(e, call->inner, false, &in, err) : gather(e, call, outermost, &in, &keys, err);
    if (rc == SILT_OK && call->function->class == CLASS_TRANSFORM)
        rc = points_transform(plan, call, &in, out, err);
    else if (rc == SILT_OK)
        rc = points_window_call(plan, call, &in, keys, keep_time, out, err);
    free(keys);
    points_free(&in);
    return rc;
}

/* Into out, which is empty. */
static enum silt_status call_points(struct evaluation *e, const struct plan_call *call, bool outermost, struct points *out,
                                    struct silt_error *err)
{
    const struct plan *plan = e->plan;
    struct points inner, *made = outermost ? &e->unfilled : &inner;

    if (!is_filled(plan, call, outermost))
        return call_values(e, call, outermost, out, err);
    if (outermost)
        points_clear(made, call->out);
    else
        points_init(made, plan->exec, call->out);
    enum silt_status rc = call_values(e, call, outermost, made, err);
    if (rc == SILT_OK)
        rc = points_fill(plan, call, outermost, made, out, err);
    if (rc == SILT_OK && made->strings) { /* still pointed to */
        silt_arena_destroy(out->strings);
        out->strings = made->strings;
        made->strings = NULL;
    }
    if (!outermost)
        points_free(made);
    return rc;
}

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

/* ---------------------------------------------------------------- joining the calls of a group */

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

static enum silt_status evaluation_init(struct evaluation *e, const struct scan *scan, struct silt_error *err)
{
    const struct plan *plan = scan->plan;
    struct exec *exec = plan->exec;
    enum silt_status rc = SILT_OK;

    *e = (struct evaluation){.plan = plan, .scan = scan, .wanted = first_windows_wanted(plan)};
    e->set_count = (size_t)plan->compiled->warm_up_depth + 1;
    e->sets = silt_arena_zalloc(exec->arena, e->set_count * sizeof(*e->sets));
    for (size_t k = 0; k < e->set_count; k++) {
        e->sets[k].leaves = silt_arena_zalloc(exec->arena, (plan->call_count + 1) * sizeof(struct leaf));
        e->sets[k].same_slot = silt_arena_zalloc(exec->arena, (plan->call_count + 1) * sizeof(uint32_t));
        e->sets[k].of_slot = silt_arena_zalloc(exec->arena, (plan->slot_count + 1) * sizeof(uint32_t));
    }
    e->points = silt_calloc(plan->call_count, sizeof(*e->points));
    e->shown = silt_calloc(plan->call_count, sizeof(*e->shown));
    e->joined = silt_calloc(plan->call_count, sizeof(*e->joined));
    points_init(&e->unfilled, exec, DATA_UNKNOWN);
    for (size_t i = 0; i < plan->call_count; i++) {
        points_init(&e->points[i], exec, plan->calls[i]->out);
        collect_leaves(e, plan->calls[i], true);
    }
    for (size_t k = 0; rc == SILT_OK && k < e->set_count; k++) {
        struct leaf_set *set = &e->sets[k];
        warm_up_read_range(plan->compiled, (uint32_t)k, &set->min, &set->max);
        if (set->leaf_count && set->min <= set->max)
            rc = reducer_create(scan, set->leaves, set->leaf_count, &set->reducer, err);
    }
    return rc;
}

static void evaluation_deinit(struct evaluation *e)
{
    for (size_t k = 0; k < e->set_count; k++)
        reducer_destroy(e->sets[k].reducer);
    for (size_t i = 0; i < e->plan->call_count; i++)
        points_free(&e->points[i]);
    points_free(&e->unfilled);
    free(e->points);
    free(e->shown);
    free(e->joined);
    column_scan_destroy(e->columns);
}

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
