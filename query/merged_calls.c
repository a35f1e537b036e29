/*
 * merged_calls.c - calls over the stored numbers of a group in output order, without making points of them first
 * (points.h): stddev, window by window, and the calls of running.h.
 *
 *     merged.h  --columns-->  running.h  --columns-->  rows, or points
 *                        \->  stddev: the mean as the numbers come; they are kept for the squares
 */
#include "query/merged.h"
#include "query/points.h"
#include "query/running.h"

#include <math.h>
#include <stdlib.h>

bool merged_call_fits(const struct scan *scan, const struct plan_call *call, const struct scan_group *group)
{
    return !call->inner && call->in != DATA_UNKNOWN && (call->function->id == FN_STDDEV || running_is(call)) &&
           call->in == scan->plan->slots[call->slot].type && merged_fits(scan, group, call->slot);
}

/* ---------------------------------------------------------------- stddev */

/* One window. InfluxDB moves the mean from value to value, and then adds squares in the same order. */
struct deviation {
    struct exec *exec;
    silt_time start, end;
    double mean;
    double *values;
    size_t count, room;
};

static enum silt_status deviation_reserve(struct deviation *d, size_t more, struct silt_error *err)
{
    size_t need = d->count + more;
    enum silt_status rc;

    if (need <= d->room)
        return SILT_OK;
    size_t room = d->room * 2 > need ? d->room * 2 : need;
    if ((rc = silt_budget_charge(&d->exec->budget, (room - d->room) * sizeof(*d->values), err)) != SILT_OK)
        return rc;
    d->values = silt_realloc(d->values, room * sizeof(*d->values));
    d->room = room;
    return SILT_OK;
}

/* There is room. */
static void deviation_add(struct deviation *d, enum data_type type, const struct merged_batch *batch, size_t from, size_t to)
{
    double *values = d->values + d->count, mean = d->mean;
    size_t count = to - from, before = d->count;

    switch (type) {
    case DATA_INTEGER:
        for (size_t i = 0; i < count; i++)
            values[i] = (double)batch->i64[from + i];
        break;
    case DATA_UNSIGNED:
        for (size_t i = 0; i < count; i++)
            values[i] = (double)batch->u64[from + i];
        break;
    default: memcpy(values, batch->f64 + from, count * sizeof(*values)); break;
    }
    for (size_t i = 0; i < count; i++)
        mean += (values[i] - mean) / (double)(before + i + 1);
    d->mean = mean;
    d->count += count;
}

static enum silt_status deviation_give(struct deviation *d, struct points *out, struct silt_error *err)
{
    struct point point = {.time = d->start == SILT_TIME_MIN ? 0 : d->start};
    double sum = 0;

    if (d->count == 0)
        return SILT_OK;
    for (size_t i = 0; i < d->count; i++)
        sum += (d->values[i] - d->mean) * (d->values[i] - d->mean);
    point.value = (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = d->count < 2 ? NAN : sqrt(sum / (double)(d->count - 1))};
    d->count = 0;
    d->mean = 0;
    return points_add(out, &point, err);
}

static enum silt_status stddev_batch(struct deviation *d, const struct plan *plan, enum data_type type,
                                     const struct merged_batch *batch, struct points *out, struct silt_error *err)
{
    const struct windows *windows = &plan->compiled->windows;
    enum silt_status rc = SILT_OK;

    for (size_t from = 0, to; rc == SILT_OK && from < batch->count; from = to) {
        to = windows->interval ? from : batch->count;
        if (d->count) /* a window that goes on */
            while (to < batch->count && batch->times[to] >= d->start && batch->times[to] < d->end)
                to++;
        if (to == from) {
            if ((rc = deviation_give(d, out, err)) != SILT_OK)
                return rc;
            windows_of(windows, batch->times[from], &d->start, &d->end);
            /* the first belongs to it even where a clock that changes names another span */
            for (to = from + 1; to < batch->count && batch->times[to] >= d->start && batch->times[to] < d->end;)
                to++;
        }
        if ((rc = deviation_reserve(d, to - from, err)) == SILT_OK)
            deviation_add(d, type, batch, from, to);
    }
    return rc;
}

static enum silt_status stddev(const struct plan *plan, const struct plan_call *call, struct merged *merged,
                               struct points *out, struct silt_error *err)
{
    struct deviation d = {.exec = plan->exec};
    struct merged_batch batch;
    silt_time end;
    enum silt_status rc;

    if (!plan->compiled->windows.interval)
        windows_of(&plan->compiled->windows, 0, &d.start, &end);
    while ((rc = merged_next(merged, &batch, err)) == SILT_OK && batch.count)
        if ((rc = stddev_batch(&d, plan, call->in, &batch, out, err)) != SILT_OK)
            break;
    if (rc == SILT_OK)
        rc = deviation_give(&d, out, err);
    silt_budget_release(&plan->exec->budget, d.room * sizeof(*d.values));
    free(d.values);
    if (rc == SILT_OK)
        points_window_all_gave(plan, call, out);
    return rc;
}

/* ---------------------------------------------------------------- one after the other */

struct merged_walk {
    struct silt_arena *arena;
    struct merged *merged; /* NULL: the range is empty */
    struct running *running;
    silt_time *times;
    uint64_t *values;
    size_t room;
};

static enum silt_status open_merged(const struct scan *scan, const struct plan_call *call, const struct scan_group *group,
                                    struct merged **out, struct silt_error *err)
{
    const struct compiled *compiled = scan->plan->compiled;
    silt_time min, max;

    *out = NULL;
    warm_up_read_range(compiled, call->warm, &min, &max);
    return min > max ? SILT_OK : merged_open(scan, group, call->slot, compiled->descending, min, max, out, err);
}

enum silt_status merged_walk_open(const struct scan *scan, const struct plan_call *call, const struct scan_group *group,
                                  struct merged_walk **out, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(&scan->plan->exec->budget);
    struct merged_walk *walk = silt_arena_zalloc(arena, sizeof(*walk));
    enum silt_status rc;

    *out = walk;
    walk->arena = arena;
    if ((rc = open_merged(scan, call, group, &walk->merged, err)) != SILT_OK)
        return rc;
    return running_create(scan->plan, call, &walk->running, err);
}

enum silt_status merged_walk_next(struct merged_walk *walk, const silt_time **times, const uint64_t **values, size_t *count,
                                  bool *more, struct silt_error *err)
{
    struct merged_batch batch = {0};
    enum silt_status rc = walk->merged ? merged_next(walk->merged, &batch, err) : SILT_OK;

    *more = batch.count > 0;
    *count = 0;
    if (rc != SILT_OK || !*more)
        return rc;
    if (batch.count > walk->room) {
        walk->times = silt_arena_try_alloc(walk->arena, batch.count * sizeof(*walk->times));
        walk->values = silt_arena_try_alloc(walk->arena, batch.count * sizeof(*walk->values));
        if (!walk->times || !walk->values)
            return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
        walk->room = batch.count;
    }
    *times = walk->times;
    *values = walk->values;
    return running_feed(walk->running, batch.times, batch.u64, batch.count, walk->times, walk->values, count, err);
}

void merged_walk_close(struct merged_walk *walk)
{
    if (!walk)
        return;
    merged_close(walk->merged);
    running_destroy(walk->running);
    silt_arena_destroy(walk->arena);
}

enum silt_status merged_call(const struct scan *scan, const struct plan_call *call, const struct scan_group *group,
                             struct points *out, struct silt_error *err)
{
    const silt_time *times;
    const uint64_t *values;
    size_t count;
    bool more;
    enum silt_status rc;

    if (call->function->id == FN_STDDEV) {
        struct merged *merged;
        rc = open_merged(scan, call, group, &merged, err);
        if (rc == SILT_OK && merged)
            rc = stddev(scan->plan, call, merged, out, err);
        merged_close(merged);
        return rc;
    }
    struct merged_walk *walk;
    rc = merged_walk_open(scan, call, group, &walk, err);
    while (rc == SILT_OK && (rc = merged_walk_next(walk, &times, &values, &count, &more, err)) == SILT_OK && more)
        rc = points_add_numbers(out, times, values, count, err);
    merged_walk_close(walk);
    return rc;
}
