/*
 * merged_calls.c - calls over the stored numbers of a group in output order, without making points of them first
 * (points.h): stddev, mode and percentile, window by window, and the calls of running.h.
 *
 *     merged.h  --columns-->  running.h  --columns-->  rows, or points
 *                        |->  stddev: the mean as the numbers come; they are kept (kept_numbers.h) for the squares
 *                        \->  mode, percentile: key and time (keyed.h), for InfluxDB's sort decides between equal ones
 */
#include "query/kept_numbers.h"
#include "query/keyed.h"
#include "query/merged.h"
#include "query/running.h"

#include <math.h>
#include <stdlib.h>

/* A percentile without windows shows the time of the point that InfluxDB's sort leaves in its place; companions beside it
 * ask for more than numbers. */
static bool is_of_window(const struct plan *plan, const struct plan_call *call)
{
    switch (call->function->id) {
    case FN_PERCENTILE: return plan->compiled->windows.interval == 0 && plan->aux_count == 0;
    case FN_STDDEV:
    case FN_MODE: return true;
    default: return false;
    }
}

bool merged_call_fits(const struct scan *scan, const struct plan_call *call, const struct scan_group *group)
{
    return !call->inner && call->in != DATA_UNKNOWN && (is_of_window(scan->plan, call) || running_is(call)) &&
           call->in == scan->plan->slots[call->slot].type && merged_fits(scan, group, call->slot);
}

/* ---------------------------------------------------------------- window by window */

/* What is kept of the window under way. */
struct gathered {
    const struct plan *plan;
    const struct plan_call *call;
    bool keep_time;
    silt_time start, end;
    size_t count;

    struct kept_numbers values; /* stddev, and the mean of what has come */
    double mean;

    struct keyed *keyed; /* percentile, mode */
    size_t room;
    bool negative_zero; /* stands as 0 among the keys */
    bool *fits;
};

static enum silt_status reserve(struct gathered *g, size_t more, struct silt_error *err)
{
    size_t need = g->count + more; /* of keys */
    enum silt_status rc;

    if (need <= g->room)
        return SILT_OK;
    size_t room = g->room + g->room / 2 > need ? g->room + g->room / 2 : need;
    if ((rc = silt_budget_charge(&g->plan->exec->budget, (room - g->room) * sizeof(*g->keyed), err)) != SILT_OK)
        return rc;
    g->keyed = silt_realloc(g->keyed, room * sizeof(*g->keyed));
    g->room = room;
    return SILT_OK;
}

/* InfluxDB moves the mean from value to value, and then adds squares in the same order. */
static enum silt_status add_values(struct gathered *g, const struct merged_batch *batch, size_t from, size_t to,
                                   struct silt_error *err)
{
    double mean = g->mean, *values;
    size_t room;
    enum silt_status rc;

    for (size_t before = g->count; from < to; from += room, before += room) {
        if ((rc = kept_numbers_room(&g->values, &values, &room, err)) != SILT_OK)
            return rc;
        room = room < to - from ? room : to - from;
        switch (g->call->in) {
        case DATA_INTEGER:
            for (size_t i = 0; i < room; i++)
                values[i] = (double)batch->i64[from + i];
            break;
        case DATA_UNSIGNED:
            for (size_t i = 0; i < room; i++)
                values[i] = (double)batch->u64[from + i];
            break;
        default: memcpy(values, batch->f64 + from, room * sizeof(*values)); break;
        }
        for (size_t i = 0; i < room; i++)
            mean += (values[i] - mean) / (double)(before + i + 1);
        kept_numbers_took(&g->values, room);
    }
    g->mean = mean;
    return SILT_OK;
}

static struct silt_cell stddev(const struct gathered *g)
{
    double squares = g->count < 2 ? NAN : kept_numbers_squares(&g->values, g->mean);

    return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = sqrt(squares / (double)(g->count - 1))};
}

static enum silt_status add_keyed(struct gathered *g, const struct merged_batch *batch, size_t from, size_t to,
                                  struct silt_error *err)
{
    enum silt_status rc = reserve(g, to - from, err);
    struct keyed *keyed = g->keyed + g->count;
    enum data_type type = g->call->in;
    bool negative_zero = false;

    if (rc != SILT_OK)
        return rc;
    for (size_t i = from; i < to; i++) {
        uint64_t key = key_of_number(type, batch->u64[i]);
        bool is_negative_zero = type == DATA_FLOAT && key == KEY_NEGATIVE_ZERO;
        negative_zero |= is_negative_zero;
        keyed[i - from] = (struct keyed){key + is_negative_zero, batch->times[i]};
    }
    g->negative_zero |= negative_zero;
    return SILT_OK;
}

/* Of 0 and -0, which are equal, keys do not tell which one it is. */
static struct silt_cell cell_of(struct gathered *g, uint64_t key)
{
    if (g->negative_zero && key == KEY_NEGATIVE_ZERO + 1)
        *g->fits = false;
    return cell_of_key(g->call->in, key);
}

static bool percentile(struct gathered *g, struct point *point)
{
    size_t index;

    if (!percentile_index(g->call->percentile, g->count, &index))
        return false;
    keyed_sort_places(g->keyed, g->count, index, index);
    point->value = cell_of(g, g->keyed[index].key);
    if (g->keep_time)
        point->time = g->keyed[index].time;
    return true;
}

/* A value met once never becomes the best: all different, the first stays. */
static struct silt_cell mode(struct gathered *g)
{
    size_t best_count = 0;
    uint64_t best;
    silt_time best_time = 0;

    if (g->count > 1)
        keyed_sort_places(g->keyed, g->count, 0, g->count - 1);
    best = g->keyed[0].key;
    for (size_t from = 0, to; from < g->count; from = to) {
        for (to = from + 1; to < g->count && g->keyed[to].key == g->keyed[from].key;)
            to++;
        size_t count = to - from;
        if (count < 2 || best_count > count || (best_count == count && g->keyed[from].time > best_time))
            continue;
        best = g->keyed[from].key;
        best_count = count;
        best_time = g->keyed[to - 1].time;
    }
    return cell_of(g, best);
}

/* The window is done, if it has anything. */
static enum silt_status give(struct gathered *g, struct points *out, struct silt_error *err)
{
    struct point point = {.time = g->start == SILT_TIME_MIN ? 0 : g->start};
    bool gives = true;

    if (g->count == 0)
        return SILT_OK;
    switch (g->call->function->id) {
    case FN_STDDEV: point.value = stddev(g); break;
    case FN_MODE: point.value = mode(g); break;
    default: gives = percentile(g, &point); break;
    }
    g->count = 0;
    g->mean = 0;
    kept_numbers_clear(&g->values);
    g->negative_zero = false;
    if (!gives)
        call_stream_note(g->plan, g->call, false);
    return gives ? points_add(out, &point, err) : SILT_OK;
}

static enum silt_status add_batch(struct gathered *g, const struct merged_batch *batch, struct points *out,
                                  struct silt_error *err)
{
    const struct windows *windows = &g->plan->compiled->windows;
    enum silt_status rc = SILT_OK;

    for (size_t from = 0, to; rc == SILT_OK && from < batch->count; from = to) {
        to = windows->interval ? from : batch->count;
        if (g->count) /* a window that goes on */
            while (to < batch->count && batch->times[to] >= g->start && batch->times[to] < g->end)
                to++;
        if (to == from) {
            if ((rc = give(g, out, err)) != SILT_OK)
                return rc;
            windows_of(windows, batch->times[from], &g->start, &g->end);
            /* the first belongs to it even where a clock that changes names another span */
            for (to = from + 1; to < batch->count && batch->times[to] >= g->start && batch->times[to] < g->end;)
                to++;
        }
        rc = g->call->function->id == FN_STDDEV ? add_values(g, batch, from, to, err) : add_keyed(g, batch, from, to, err);
        g->count += to - from;
    }
    return rc;
}

static enum silt_status by_window(struct gathered *g, struct merged *merged, struct points *out, struct silt_error *err)
{
    struct merged_batch batch;
    enum silt_status rc;

    if (g->call->function->id == FN_STDDEV)
        kept_numbers_init(&g->values, &g->plan->exec->budget);
    if (!g->plan->compiled->windows.interval)
        windows_of(&g->plan->compiled->windows, 0, &g->start, &g->end);
    while ((rc = merged_next(merged, &batch, err)) == SILT_OK && batch.count)
        if ((rc = add_batch(g, &batch, out, err)) != SILT_OK)
            break;
    if (rc == SILT_OK)
        rc = give(g, out, err);
    silt_budget_release(&g->plan->exec->budget, g->room * sizeof(*g->keyed));
    free(g->keyed);
    kept_numbers_deinit(&g->values);
    if (!*g->fits)
        out->count = 0;
    else if (rc == SILT_OK)
        points_window_all_gave(g->plan, g->call, out);
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
                             bool keep_time, struct points *out, bool *fits, struct silt_error *err)
{
    const silt_time *times = NULL;
    const uint64_t *values = NULL;
    size_t count = 0;
    bool more;
    enum silt_status rc;

    *fits = true;
    if (is_of_window(scan->plan, call)) {
        struct gathered g = {.plan = scan->plan, .call = call, .keep_time = keep_time, .fits = fits};
        struct merged *merged;
        rc = open_merged(scan, call, group, &merged, err);
        if (rc == SILT_OK && merged)
            rc = by_window(&g, merged, out, err);
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
