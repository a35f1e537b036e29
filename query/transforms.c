/*
 * transforms.c - calls that walk the points of a group in output order (points_transform of points.h).
 */
#include "query/forecast.h"
#include "query/points.h"
#include "query/running.h"
#include "query/technical.h"

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

#define FED_AT_ONCE 256

/* Filled windows without a value are passed over. */
static enum silt_status feed_running(struct walk *walk, const struct points *in)
{
    struct running *running;
    silt_time times[FED_AT_ONCE];
    uint64_t values[FED_AT_ONCE];
    size_t given = 0;
    enum silt_status rc = running_create(walk->plan, walk->call, &running, walk->err);

    for (size_t i = 0; rc == SILT_OK && i < in->count;) {
        size_t count = 0;
        for (; i < in->count && count < FED_AT_ONCE; i++) {
            if (in->items[i].value.kind == SILT_CELL_NULL)
                continue;
            times[count] = in->items[i].time;
            values[count++] = in->items[i].value.u64;
        }
        rc = running_feed(running, times, values, count, times, values, &given, walk->err);
        if (rc == SILT_OK)
            rc = points_add_numbers(walk->out, times, values, given, walk->err);
    }
    running_destroy(running);
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

    if (running_is(call))
        return feed_running(&walk, in);
    switch (call->function->id) {
    case FN_INTEGRAL: return integral(&walk, in);
    case FN_HOLT_WINTERS:
    case FN_HOLT_WINTERS_WITH_FIT: return points_forecast(plan, call, in, out, err);
    default: return points_technical(plan, call, in, out, err);
    }
}
