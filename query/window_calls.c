/*
 * window_calls.c - calls that need all points of a window at once (points_window_call of points.h).
 */
#include "query/points_sort.h"

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

static bool less_value(const struct point *a, const struct point *b)
{
    return cell_compare(&a->value, &b->value) < 0;
}

static bool less_time_then_value(const struct point *a, const struct point *b)
{
    return a->time != b->time ? a->time < b->time : less_value(a, b);
}

static bool less_time(const struct point *a, const struct point *b)
{
    return a->time < b->time;
}

static void sort_points(struct window *w, point_less_fn less)
{
    points_sort(w->points, w->count, less);
}

/* Points of one time, or of one value, stay in the order they came in. */
static enum silt_status sort_points_stable(struct window *w, point_less_fn less)
{
    struct silt_budget *budget = &w->plan->exec->budget;
    enum silt_status rc = silt_budget_charge(budget, w->count * sizeof(struct point), w->err);

    if (rc != SILT_OK)
        return rc;
    struct point *space = silt_calloc(w->count, sizeof(*space));
    points_sort_stable(w->points, w->count, less, space);
    free(space);
    silt_budget_release(budget, w->count * sizeof(struct point));
    return SILT_OK;
}

static struct silt_cell float_cell(double value)
{
    return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value};
}

struct silt_cell median_of(const struct silt_cell *low, const struct silt_cell *high)
{
    if (low == high && low->kind == SILT_CELL_FLOAT)
        return *low; /* -0 stays what it is */
    switch (low->kind) {
    case SILT_CELL_INTEGER:
        return float_cell((double)low->i64 + (double)(int64_t)((uint64_t)high->i64 - (uint64_t)low->i64) / 2);
    case SILT_CELL_UNSIGNED: return float_cell((double)low->u64 + (double)(high->u64 - low->u64) / 2);
    default: return float_cell(low->f64 + (high->f64 - low->f64) / 2);
    }
}

bool percentile_index(double percentile, size_t count, size_t *index)
{
    double at = floor((double)count * percentile / 100.0 + 0.5) - 1;

    if (!(at >= 0) || at >= (double)count)
        return false;
    *index = (size_t)at;
    return true;
}

static enum silt_status median(struct window *w)
{
    size_t high = w->count / 2, low = w->count % 2 ? high : high - 1;

    points_sort_places(w->points, w->count, low, high, less_value);
    return give(w, NULL, median_of(&w->points[low].value, &w->points[high].value), false);
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
    sort_points(w, less_value);
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
        best = point->value; /* of -0 and 0, the last */
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

/* One row per value, by the time of its first point in output order, then by value. */
static enum silt_status distinct(struct window *w)
{
    size_t kept = 0;
    enum silt_status rc;

    if ((rc = sort_points_stable(w, less_value)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < w->count; i++)
        if (kept == 0 || cell_compare(&w->points[i].value, &w->points[kept - 1].value) != 0)
            w->points[kept++] = w->points[i];
    w->count = kept;
    sort_points(w, less_time_then_value);
    for (size_t i = 0; i < kept; i++)
        if ((rc = give(w, NULL, w->points[i].value, false)) != SILT_OK)
            return rc;
    return SILT_OK;
}

static enum silt_status percentile(struct window *w)
{
    size_t index;

    if (!percentile_index(w->call->percentile, w->count, &index))
        return SILT_OK;
    points_sort_places(w->points, w->count, index, index, less_value);
    const struct point *point = &w->points[index];
    return give(w, point, point->value, w->keep_times);
}

/* Worse: smaller for top, larger for bottom; of equal ones the later. */
static bool worse_top(const struct point *a, const struct point *b)
{
    int order = cell_compare(&a->value, &b->value);
    return order ? order < 0 : a->time > b->time;
}

static bool worse_bottom(const struct point *a, const struct point *b)
{
    int order = cell_compare(&a->value, &b->value);
    return order ? order > 0 : a->time > b->time;
}

static bool better_top(const struct point *a, const struct point *b)
{
    return worse_top(b, a);
}

static bool better_bottom(const struct point *a, const struct point *b)
{
    return worse_bottom(b, a);
}

/* With their own times, rising in either direction; of one time as they stand. */
static enum silt_status give_by_time(struct window *w)
{
    enum silt_status rc = sort_points_stable(w, less_time);

    for (size_t i = 0; rc == SILT_OK && i < w->count; i++)
        rc = give(w, &w->points[i], w->points[i].value, true);
    return rc;
}

static enum silt_status top_bottom(struct window *w)
{
    bool top = w->call->function->id == FN_TOP;
    point_less_fn better = top ? better_top : better_bottom;
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
            if (!best[w->keys[i]] || better(&w->points[i], best[w->keys[i]]))
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
    w->count = points_keep_best(w->points, kept, (size_t)w->call->count_argument, top ? worse_top : worse_bottom);
    sort_points(w, better);
    return give_by_time(w);
}

static enum silt_status sample(struct window *w)
{
    size_t n = (size_t)w->call->count_argument, kept = 0;
    uint64_t state = silt_clock_monotonic_ns() | 1;

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
    sort_points(w, less_time_then_value);
    return give_by_time(w);
}

static enum silt_status count(struct window *w)
{
    return give(w, NULL, cell_integer((int64_t)w->count), false);
}

/* Windows that fill() makes behind the group's last point. */
static int64_t windows_behind(const struct plan *plan, const struct plan_call *call, silt_time last)
{
    const struct windows *windows = &plan->compiled->windows;
    silt_time min, max, start, end;

    warm_up_range(plan->compiled, call->warm, &min, &max);
    if (plan->compiled->descending && min == SILT_TIME_MIN)
        return 0;
    windows_of(windows, plan->compiled->descending ? min : max, &start, &end);
    return (plan->compiled->descending ? last - start : start - last) / windows->interval;
}

/* A window with points is done. With fill(), one that gave nothing within a group is like one without points. */
static void note_window(const struct plan *plan, const struct plan_call *call, bool gave, bool within, int64_t *bare)
{
    bool filled = plan->compiled->windows.interval && plan->compiled->fill != FILL_NONE;

    *bare = gave ? 0 : *bare + 1;
    if (gave || !filled)
        call_stream_note(plan, call, gave);
    else if (!within && call->stream->absorbs > 0)
        call->stream->absorbs--;
    else if (!within)
        call_stream_note(plan, call, false);
}

enum silt_status points_window_call(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                    const uint32_t *keys, bool keep_times, struct points *out, struct silt_error *err)
{
    const struct windows *windows = &plan->compiled->windows;
    bool filled = windows->interval && plan->compiled->fill != FILL_NONE;
    int64_t bare = 0; /* windows with points since the last that gave one */
    enum silt_status rc = SILT_OK;

    for (size_t from = 0, to; rc == SILT_OK && !call->stream->ended && from < in->count; from = to) {
        size_t before = out->count;
        silt_time start, end;
        windows_of(windows, in->items[from].time, &start, &end);
        /* the first belongs to it even where a clock that changes names another span */
        for (to = from + 1; to < in->count && (windows->interval == 0 ||
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
        if (rc == SILT_OK)
            note_window(plan, call, out->count > before, before > 0, &bare);
    }
    if (rc == SILT_OK && filled && out->count)
        call->stream->absorbs = windows_behind(plan, call, out->items[out->count - 1].time) - bare;
    return rc;
}

void points_window_all_gave(const struct plan *plan, const struct plan_call *call, const struct points *out)
{
    if (out->count == 0)
        return;
    call_stream_note(plan, call, true);
    if (plan->compiled->windows.interval && plan->compiled->fill != FILL_NONE)
        call->stream->absorbs = windows_behind(plan, call, out->items[out->count - 1].time);
}
