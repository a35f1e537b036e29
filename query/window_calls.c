/*
 * window_calls.c - calls that need all points of a window at once (points_window_call of points.h).
 */
#include "query/points.h"

#include <math.h>
#include <stdlib.h>

struct window {
    const struct plan *plan;
    const struct plan_call *call;
    struct point *points; /* of the window, in output order; may be rearranged */
    const uint32_t *keys;
    size_t count;
    silt_time start;
    bool keep_times;
    struct points *out;
    struct silt_error *err;
};

static enum silt_status give(struct window *w, const struct point *from, struct silt_cell value, bool own_time)
{
    struct point point = {.time = w->start, .value = value};

    if (from) {
        point.series = from->series;
        point.origin = from->origin;
        point.selected = from->selected;
        if (own_time)
            point.time = from->time;
    }
    return points_add_copy(w->out, &point, w->err);
}

static int by_value(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    int order = cell_compare(&x->value, &y->value);
    return order ? order : x->time < y->time ? -1 : x->time > y->time;
}

static int by_time_then_value(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return x->time != y->time ? (x->time < y->time ? -1 : 1) : cell_compare(&x->value, &y->value);
}

static void sort_points(struct window *w, int (*order)(const void *, const void *))
{
    if (w->count > 1)
        qsort(w->points, w->count, sizeof(*w->points), order);
}

static struct silt_cell float_cell(double value)
{
    return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value};
}

static enum silt_status median(struct window *w)
{
    sort_points(w, by_value);
    size_t middle = w->count / 2;
    if (w->count % 2 == 1)
        return give(w, NULL, float_cell(point_float(&w->points[middle])), false);

    const struct silt_cell *low = &w->points[middle - 1].value, *high = &w->points[middle].value;
    switch (low->kind) {
    case SILT_CELL_INTEGER:
        return give(w, NULL, float_cell((double)low->i64 + (double)(int64_t)((uint64_t)high->i64 - (uint64_t)low->i64) / 2),
                    false);
    case SILT_CELL_UNSIGNED:
        return give(w, NULL, float_cell((double)low->u64 + (double)(high->u64 - low->u64) / 2), false);
    default: return give(w, NULL, float_cell(low->f64 + (high->f64 - low->f64) / 2), false);
    }
}

static enum silt_status mode(struct window *w)
{
    if (w->count == 1)
        return give(w, NULL, w->points[0].value, false);
    if (w->points[0].value.kind == SILT_CELL_BOOLEAN) {
        size_t yes = 0;
        for (size_t i = 0; i < w->count; i++)
            yes += w->points[i].value.boolean;
        return give(w, NULL, (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = yes >= w->count - yes}, false);
    }
    sort_points(w, by_value);
    size_t best_count = 0, count = 0;
    struct silt_cell best = w->points[0].value, value = best;
    silt_time best_time = w->points[0].time, time = best_time;
    for (size_t i = 0; i < w->count; i++) { /* a value met once never becomes the best: all different, the first stays */
        const struct point *point = &w->points[i];
        count++;
        if (i == 0 || cell_compare(&point->value, &value) != 0) {
            count = 1;
            value = point->value;
            time = point->time;
            continue;
        }
        if (best_count > count || (best_count == count && time > best_time))
            continue;
        best_count = count;
        best = value;
        best_time = point->time;
    }
    return give(w, NULL, best, false);
}

static enum silt_status stddev(struct window *w)
{
    double mean = 0, sum = 0;
    size_t count = 0;

    for (size_t i = 0; i < w->count; i++) {
        double v = point_float(&w->points[i]);
        if (isnan(v))
            continue;
        count++;
        mean += (v - mean) / (double)count;
    }
    for (size_t i = 0; i < w->count; i++) {
        double v = point_float(&w->points[i]);
        if (!isnan(v))
            sum += (v - mean) * (v - mean);
    }
    return give(w, NULL, float_cell(w->count < 2 ? NAN : sqrt(sum / (double)(count - 1))), false);
}

/* One row per value, by the time of its first point, then by value. */
static enum silt_status distinct(struct window *w)
{
    size_t kept = 0;
    enum silt_status rc;

    sort_points(w, by_value);
    for (size_t i = 0; i < w->count; i++)
        if (kept == 0 || cell_compare(&w->points[i].value, &w->points[kept - 1].value) != 0)
            w->points[kept++] = w->points[i];
    w->count = kept;
    sort_points(w, by_time_then_value);
    for (size_t i = 0; i < kept; i++)
        if ((rc = give(w, NULL, w->points[i].value, false)) != SILT_OK)
            return rc;
    return SILT_OK;
}

static enum silt_status percentile(struct window *w)
{
    double index = floor((double)w->count * w->call->percentile / 100.0 + 0.5) - 1;

    if (!(index >= 0) || index >= (double)w->count)
        return SILT_OK;
    sort_points(w, by_value);
    const struct point *point = &w->points[(size_t)index];
    return give(w, point, point->value, w->keep_times);
}

/* Best first: larger for top, smaller for bottom; of equal ones the earlier. */
static int by_rank_top(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    int order = cell_compare(&y->value, &x->value);
    return order ? order : x->time < y->time ? -1 : x->time > y->time;
}

static int by_rank_bottom(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    int order = cell_compare(&x->value, &y->value);
    return order ? order : x->time < y->time ? -1 : x->time > y->time;
}

static int by_time_rising(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return x->time < y->time ? -1 : x->time > y->time;
}

static enum silt_status top_bottom(struct window *w)
{
    int (*rank)(const void *, const void *) = w->call->function->id == FN_TOP ? by_rank_top : by_rank_bottom;
    size_t kept = w->count;
    enum silt_status rc;

    if (w->keys) { /* the best of each combination first */
        uint32_t most = 0;
        for (size_t i = 0; i < w->count; i++)
            most = w->keys[i] > most ? w->keys[i] : most;
        size_t bytes = ((size_t)most + 1) * sizeof(struct point *);
        if ((rc = silt_budget_charge(&w->plan->exec->budget, bytes, w->err)) != SILT_OK)
            return rc;
        const struct point **best = silt_calloc((size_t)most + 1, sizeof(*best));
        for (size_t i = 0; i < w->count; i++)
            if (!best[w->keys[i]] || rank(&w->points[i], best[w->keys[i]]) < 0)
                best[w->keys[i]] = &w->points[i];
        kept = 0;
        for (size_t i = 0; i < w->count; i++)
            if (best[w->keys[i]] == &w->points[i]) { /* moves left, onto places already looked at */
                struct point point = w->points[i];
                best[w->keys[i]] = NULL;
                w->points[kept++] = point;
            }
        free(best);
        silt_budget_release(&w->plan->exec->budget, bytes);
    }
    w->count = kept;
    sort_points(w, rank);
    if (w->count > (size_t)w->call->count_argument)
        w->count = (size_t)w->call->count_argument;
    sort_points(w, by_time_rising);
    for (size_t i = 0; i < w->count; i++) {
        const struct point *point = &w->points[i]; /* within a window in rising time, whatever the direction */
        if ((rc = give(w, point, point->value, true)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

static enum silt_status sample(struct window *w)
{
    size_t n = (size_t)w->call->count_argument, kept = 0;
    uint64_t state = silt_clock_monotonic_ns() | 1;
    enum silt_status rc;

    for (size_t i = 0; i < w->count; i++) { /* reservoir */
        if (kept < n) {
            if (kept != i)
                w->points[kept] = w->points[i];
            kept++;
            continue;
        }
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        uint64_t place = state % (i + 1);
        if (place < n)
            w->points[place] = w->points[i];
    }
    w->count = kept;
    sort_points(w, by_time_rising);
    for (size_t i = 0; i < kept; i++) {
        const struct point *point = &w->points[i];
        if ((rc = give(w, point, point->value, true)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

static enum silt_status count(struct window *w)
{
    return give(w, NULL, cell_integer((int64_t)w->count), false);
}

enum silt_status points_window_call(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                    const uint32_t *keys, bool keep_times, struct points *out, struct silt_error *err)
{
    const struct windows *windows = &plan->compiled->windows;
    enum silt_status rc = SILT_OK;

    for (size_t from = 0, to; rc == SILT_OK && from < in->count; from = to) {
        silt_time start, end;
        windows_of(windows, in->items[from].time, &start, &end);
        for (to = from; to < in->count && (windows->interval == 0 ||
                                           (in->items[to].time >= start && in->items[to].time < end));)
            to++;
        struct window w = {.plan = plan, .call = call, .points = in->items + from, .keys = keys ? keys + from : NULL,
                           .count = to - from, .start = start == SILT_TIME_MIN ? 0 : start, .keep_times = keep_times,
                           .out = out, .err = err};
        switch (call->function->id) {
        case FN_MEDIAN: rc = median(&w); break;
        case FN_MODE: rc = mode(&w); break;
        case FN_STDDEV: rc = stddev(&w); break;
        case FN_DISTINCT: rc = distinct(&w); break;
        case FN_PERCENTILE: rc = percentile(&w); break;
        case FN_TOP:
        case FN_BOTTOM: rc = top_bottom(&w); break;
        case FN_SAMPLE: rc = sample(&w); break;
        case FN_COUNT: rc = count(&w); break;
        default: rc = silt_fail(err, SILT_UNSUPPORTED, "%s() is not supported", call->function->name); break;
        }
    }
    return rc;
}
