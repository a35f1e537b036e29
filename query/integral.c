/*
 * integral.c - implements integral.h.
 *
 * Descending, a window is left at its start and named after its end. A last point on what a window is named after leaves
 * no row.
 *
 * Of integers InfluxDB keeps the height before the edge and takes the height at the edge for the next point's, and without
 * windows it takes the range for one, where floats have the time 0: its answers are what is asked for, so that is done
 * here.
 */
#include "query/integral.h"

void integral_init(struct integral *integral, const struct compiled *compiled, enum data_type type, double unit)
{
    bool whole = type != DATA_FLOAT;

    *integral = (struct integral){.windows = &compiled->windows, .descending = compiled->descending, .whole = whole,
                                  .windowed = whole || compiled->windows.interval, .type = type, .unit = unit};
}

static double area_between(const struct integral *s, silt_time from, double a, silt_time to, double b)
{
    return 0.5 * (b + a) * ((double)(to - from) / s->unit);
}

static void enter_window(struct integral *s, silt_time time)
{
    windows_of(s->windows, time, s->descending ? &s->edge : &s->named, s->descending ? &s->named : &s->edge);
    silt_time *end = s->descending ? &s->named : &s->edge;
    if (*end == SILT_TIME_MAX) /* the end of all time lies behind the last point there can be */
        *end = INT64_MAX;
    if (s->named == SILT_TIME_MIN)
        s->named = 0;
}

/* The window's row. */
static void give(const struct integral *s, silt_time *time_out, uint64_t *value_out)
{
    *time_out = s->named;
    *value_out = (union silt_value){.f64 = s->sum}.u64;
}

size_t integral_feed(struct integral *s, const silt_time *times, const uint64_t *values, size_t count,
                     silt_time *times_out, uint64_t *values_out)
{
    size_t given = 0;

    for (size_t i = 0; i < count; i++) {
        silt_time time = times[i];
        double value = s->type == DATA_FLOAT     ? (union silt_value){.u64 = values[i]}.f64
                       : s->type == DATA_INTEGER ? (double)(int64_t)values[i]
                                                 : (double)values[i];
        double seen = value;
        if (s->any && time == s->time) {
            s->value = value;
            continue;
        }
        if (s->any && s->windowed && (s->descending ? time <= s->edge : time >= s->edge)) {
            if (s->time != s->edge) {
                double slope = (value - s->value) / (double)(time - s->time);
                double height = slope * (double)(s->edge - s->time) + s->value;
                s->sum += area_between(s, s->time, s->value, s->edge, height);
                s->time = s->edge;
                if (s->whole)
                    seen = height;
                else
                    s->value = height;
            }
            give(s, &times_out[given], &values_out[given]);
            given++;
            s->sum = 0;
            enter_window(s, time);
        }
        if (s->any)
            s->sum += area_between(s, s->time, s->value, time, seen);
        else if (s->windowed)
            enter_window(s, time);
        s->any = true;
        s->time = time;
        s->value = value;
    }
    return given;
}

size_t integral_finish(struct integral *s, silt_time *times_out, uint64_t *values_out)
{
    if (!s->any || s->time == s->named)
        return 0;
    give(s, times_out, values_out);
    return 1;
}
