/*
 * transforms.c - calls that walk the points of a group in output order (points_transform of points.h).
 *
 * Filled windows without a value are passed over.
 */
#include "query/forecast.h"
#include "query/points.h"
#include "query/technical.h"

#include <stdlib.h>

struct walk {
    const struct plan *plan;
    const struct plan_call *call;
    struct points *out;
    struct silt_error *err;
};

static enum silt_status give(struct walk *walk, silt_time time, struct silt_cell value)
{
    struct point point = {.time = time, .value = value};
    return points_add(walk->out, &point, walk->err);
}

static struct silt_cell float_cell(double value)
{
    return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value};
}

static enum silt_status derivative(struct walk *walk, const struct point *previous, const struct point *point)
{
    double change;

    if (point->value.kind == SILT_CELL_INTEGER)
        change = (double)(int64_t)((uint64_t)point->value.i64 - (uint64_t)previous->value.i64);
    else if (point->value.kind == SILT_CELL_UNSIGNED)
        change = point->value.u64 > previous->value.u64 ? (double)(point->value.u64 - previous->value.u64)
                                                        : -(double)(previous->value.u64 - point->value.u64);
    else
        change = point->value.f64 - previous->value.f64;
    double elapsed = (double)(point->time - previous->time);
    if (walk->plan->compiled->descending)
        elapsed = -elapsed;
    /* time may go back where points of several sources follow each other: the change decides what is negative */
    double value = change / (elapsed / (double)walk->call->count_argument);
    if (walk->call->function->id == FN_NON_NEGATIVE_DERIVATIVE && change < 0)
        return SILT_OK;
    return give(walk, point->time, float_cell(value));
}

static enum silt_status difference(struct walk *walk, const struct point *previous, const struct point *point)
{
    bool positive_only = walk->call->function->id == FN_NON_NEGATIVE_DIFFERENCE;
    struct silt_cell value = point->value;

    if (value.kind == SILT_CELL_FLOAT)
        value.f64 -= previous->value.f64;
    else
        value.u64 -= previous->value.u64;
    if (positive_only && ((value.kind == SILT_CELL_FLOAT && value.f64 < 0) ||
                          (value.kind == SILT_CELL_INTEGER && value.i64 < 0) ||
                          (value.kind == SILT_CELL_UNSIGNED && point->value.u64 < previous->value.u64)))
        return SILT_OK;
    return give(walk, point->time, value);
}

/* Pairs of neighbours; of equal times the second is dropped, but elapsed shows its 0. */
static enum silt_status walk_pairs(struct walk *walk, const struct points *in)
{
    const struct point *previous = NULL;
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < in->count; i++) {
        const struct point *point = &in->items[i];
        if (point->value.kind == SILT_CELL_NULL)
            continue;
        if (!previous) {
            previous = point;
            continue;
        }
        if (walk->call->function->id == FN_ELAPSED) {
            rc = give(walk, point->time, cell_integer((point->time - previous->time) / walk->call->count_argument));
            previous = point;
            continue;
        }
        if (point->time == previous->time)
            continue;
        if (walk->call->function->id == FN_DERIVATIVE || walk->call->function->id == FN_NON_NEGATIVE_DERIVATIVE)
            rc = derivative(walk, previous, point);
        else
            rc = difference(walk, previous, point);
        previous = point;
    }
    return rc;
}

static enum silt_status cumulative_sum(struct walk *walk, const struct points *in)
{
    struct silt_cell sum = cell_null();
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < in->count; i++) {
        const struct point *point = &in->items[i];
        if (point->value.kind == SILT_CELL_NULL)
            continue;
        if (sum.kind == SILT_CELL_NULL)
            sum = point->value;
        else if (sum.kind == SILT_CELL_FLOAT)
            sum.f64 += point->value.f64;
        else
            sum.u64 += point->value.u64;
        rc = give(walk, point->time, sum);
    }
    return rc;
}

static enum silt_status moving_average(struct walk *walk, const struct points *in)
{
    size_t n = (size_t)walk->call->count_argument, held = 0, next = 0;
    enum silt_status rc;

    if (n > in->count)
        return SILT_OK;
    struct silt_cell *ring = silt_calloc(n, sizeof(*ring));
    struct silt_cell sum = {.kind = SILT_CELL_FLOAT};
    rc = SILT_OK;
    for (size_t i = 0; rc == SILT_OK && i < in->count; i++) {
        const struct point *point = &in->items[i];
        if (point->value.kind == SILT_CELL_NULL)
            continue;
        if (point->value.kind == SILT_CELL_FLOAT) {
            if (held == n)
                sum.f64 -= ring[next].f64;
            sum.f64 += point->value.f64;
        } else {
            if (held == n)
                sum.u64 -= ring[next].u64;
            sum.u64 += point->value.u64;
        }
        ring[next] = point->value;
        next = (next + 1) % n;
        held += held < n;
        if (held < n)
            continue;
        double total = point->value.kind == SILT_CELL_FLOAT     ? sum.f64
                       : point->value.kind == SILT_CELL_INTEGER ? (double)sum.i64
                                                                : (double)sum.u64;
        rc = give(walk, point->time, float_cell(total / (double)n));
    }
    free(ring);
    return rc;
}

static double area_between(const struct point *a, const struct point *b, double unit)
{
    return 0.5 * (point_float(b) + point_float(a)) * ((double)(b->time - a->time) / unit);
}

/*
 * The area under the points, a window at a time; a segment that crosses a window's edge is cut there. Descending, a window
 * is left at its start and named after its end. A last point on what a window is named after leaves no row.
 *
 * Of integers InfluxDB keeps the height before the edge and takes the height at the edge for the next point's, and without
 * windows it takes the range for one, where floats have the time 0: its answers are what is asked for, so that is done
 * here.
 */
static void enter_window(const struct walk *walk, silt_time time, silt_time *named, silt_time *edge)
{
    bool descending = walk->plan->compiled->descending;

    windows_of(&walk->plan->compiled->windows, time, descending ? edge : named, descending ? named : edge);
    silt_time *end = descending ? named : edge;
    if (*end == SILT_TIME_MAX) /* the end of all time lies behind the last point there can be */
        *end = INT64_MAX;
    if (*named == SILT_TIME_MIN)
        *named = 0;
}

static enum silt_status integral(struct walk *walk, const struct points *in)
{
    const struct windows *windows = &walk->plan->compiled->windows;
    bool descending = walk->plan->compiled->descending, any = false;
    double unit = (double)walk->call->count_argument, sum = 0;
    struct point previous = {0};
    silt_time named = 0, edge = 0; /* of the window: what its row shows, and where it is left */
    enum silt_status rc;

    for (size_t i = 0; i < in->count; i++) {
        struct point point = in->items[i], seen;
        bool whole = point.value.kind != SILT_CELL_FLOAT, windowed = whole || windows->interval;
        point.value = float_cell(point_float(&point));
        seen = point;
        if (any && point.time == previous.time) {
            previous = point;
            continue;
        }
        if (any && windowed && (descending ? point.time <= edge : point.time >= edge)) {
            if (previous.time != edge) {
                double slope = (point.value.f64 - previous.value.f64) / (double)(point.time - previous.time);
                double height = slope * (double)(edge - previous.time) + previous.value.f64;
                struct point cut = {.time = edge, .value = float_cell(height)};
                sum += area_between(&previous, &cut, unit);
                if (whole) {
                    previous.time = edge;
                    seen.value = cut.value;
                } else {
                    previous = cut;
                }
            }
            if ((rc = give(walk, named, float_cell(sum))) != SILT_OK)
                return rc;
            sum = 0;
            enter_window(walk, point.time, &named, &edge);
        }
        if (any)
            sum += area_between(&previous, &seen, unit);
        else if (windowed)
            enter_window(walk, point.time, &named, &edge);
        any = true;
        previous = point;
    }
    return any && previous.time != named ? give(walk, named, float_cell(sum)) : SILT_OK;
}

enum silt_status points_transform(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                  struct points *out, struct silt_error *err)
{
    struct walk walk = {plan, call, out, err};

    switch (call->function->id) {
    case FN_DERIVATIVE:
    case FN_NON_NEGATIVE_DERIVATIVE:
    case FN_DIFFERENCE:
    case FN_NON_NEGATIVE_DIFFERENCE:
    case FN_ELAPSED: return walk_pairs(&walk, in);
    case FN_CUMULATIVE_SUM: return cumulative_sum(&walk, in);
    case FN_MOVING_AVERAGE: return moving_average(&walk, in);
    case FN_INTEGRAL: return integral(&walk, in);
    case FN_HOLT_WINTERS:
    case FN_HOLT_WINTERS_WITH_FIT: return points_forecast(plan, call, in, out, err);
    default: return points_technical(plan, call, in, out, err);
    }
}
