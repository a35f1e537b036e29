/*
 * first_windows.c - implements first_windows.h.
 *
 *     ORDER BY time DESC LIMIT 2     min |....................................| max
 *                                                                     [try 1 ]
 *                                            [            try 2              ]      a group has fewer than 2 there
 *
 * A window's cell depends on the rows in it alone. So once each call of a group has as many windows with values as are
 * shown, older ones (newer ones in rising order) change nothing: fill() puts rows between them, never in front of them.
 * Each try is eight times as long as the one before; all of them together cost a seventh more than the whole.
 */
#include "query/first_windows.h"

#define GROWTH 8

uint64_t first_windows_wanted(const struct plan *plan)
{
    const struct select *select = plan->compiled->select;

    if (plan->compiled->windows.interval == 0 || select->limit == 0 || plan->compiled->warm_up_depth > 0 ||
        plan->exec->options->limits.select_points) /* which counts what is read */
        return 0;
    for (size_t i = 0; i < plan->call_count; i++)
        if (plan->calls[i]->function->class != CLASS_REDUCE || plan->calls[i]->inner)
            return 0;
    return (uint64_t)select->limit + (uint64_t)select->offset;
}

static bool has_enough(const struct cells *cells, size_t leaf_count, uint64_t wanted)
{
    for (size_t i = 0; i < leaf_count; i++) {
        uint64_t found = 0;
        for (size_t k = 0; k < cells->count && found < wanted; k++)
            found += cells->values[k * leaf_count + i].count != 0;
        if (found < wanted)
            return false;
    }
    return true;
}

/* The first part of [*min, *max] in the order asked for, of about so many windows; all of it when that is hardly more. */
static bool cut_range(const struct plan *plan, uint64_t window_count, silt_time *min, silt_time *max)
{
    const struct windows *windows = &plan->compiled->windows;
    uint64_t whole = (uint64_t)*max - (uint64_t)*min, part;
    silt_time start, end;

    if (__builtin_mul_overflow(window_count, (uint64_t)windows->interval, &part) || part >= whole / 2)
        return false;
    if (plan->compiled->descending) {
        windows_of(windows, (silt_time)((uint64_t)*max - part), &start, &end);
        if (start <= *min)
            return false;
        *min = start;
        return true;
    }
    windows_of(windows, (silt_time)((uint64_t)*min + part), &start, &end);
    if (*min == SILT_TIME_MIN || end > *max)
        return false;
    *max = end - 1;
    return true;
}

enum silt_status first_windows_reduce(struct reducer *reducer, const struct plan *plan, size_t leaf_count, size_t first,
                                      size_t count, silt_time min, silt_time max, uint64_t wanted, struct cells *out,
                                      struct silt_error *err)
{
    for (uint64_t windows = wanted; windows > 0 && windows < UINT64_MAX / GROWTH; windows *= GROWTH) {
        silt_time part_min = min, part_max = max;
        if (!cut_range(plan, windows, &part_min, &part_max))
            break;
        reducer_begin(reducer, first, count, part_min, part_max, out);
        enum silt_status rc = reducer_end(reducer, err);
        bool enough = true;
        for (size_t i = 0; rc == SILT_OK && enough && i < count; i++)
            enough = has_enough(&out[i], leaf_count, wanted);
        if (rc != SILT_OK || enough)
            return rc;
    }
    reducer_begin(reducer, first, count, min, max, out);
    return reducer_end(reducer, err);
}
