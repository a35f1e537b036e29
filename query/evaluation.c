/*
 * evaluation.c - implements evaluation.h.
 *
 *     count(max(v))    leaves: max(v), reduced for many groups at once (reducer.h) -> its points -> count() of those
 *     difference(v)    no leaf: the column's (column_calls.c), the merged series' (merged_calls.c), or else the rows' points
 */
#include "query/evaluation.h"

#include "query/first_windows.h"
#include "query/memory_reader.h"
#include "query/rows.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- leaves */

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
        rows_limit(rows, rows_limit_of(select));
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

enum silt_status call_points(struct evaluation *e, const struct plan_call *call, bool outermost, struct points *out,
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

/* ---------------------------------------------------------------- from first to last */

enum silt_status evaluation_init(struct evaluation *e, const struct scan *scan, struct silt_error *err)
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

void evaluation_deinit(struct evaluation *e)
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
