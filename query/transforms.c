/*
 * transforms.c - calls that walk the points of a group in output order (points_transform of points.h).
 */
#include "query/forecast.h"
#include "query/points.h"
#include "query/running.h"
#include "query/technical.h"

#define FED_AT_ONCE 256

/* Filled windows without a value are passed over. */
static enum silt_status feed_running(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                     struct points *out, struct silt_error *err)
{
    struct running *running;
    silt_time times[FED_AT_ONCE];
    uint64_t values[FED_AT_ONCE];
    size_t given = 0;
    enum silt_status rc = running_create(plan, call, &running, err);

    for (size_t i = 0; rc == SILT_OK && i < in->count;) {
        size_t count = 0;
        for (; i < in->count && count < FED_AT_ONCE; i++) {
            if (in->items[i].value.kind == SILT_CELL_NULL)
                continue;
            times[count] = in->items[i].time;
            values[count++] = in->items[i].value.u64;
        }
        rc = running_feed(running, times, values, count, times, values, &given, err);
        if (rc == SILT_OK)
            rc = points_add_numbers(out, times, values, given, err);
    }
    if (rc == SILT_OK)
        rc = points_add_numbers(out, times, values, running_finish(running, times, values), err);
    running_destroy(running);
    return rc;
}

enum silt_status points_transform(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                  struct points *out, struct silt_error *err)
{
    if (running_is(call))
        return feed_running(plan, call, in, out, err);
    switch (call->function->id) {
    case FN_HOLT_WINTERS:
    case FN_HOLT_WINTERS_WITH_FIT: return points_forecast(plan, call, in, out, err);
    default: return points_technical(plan, call, in, out, err);
    }
}
