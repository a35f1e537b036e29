/* window.c - implements window.h. */
#include "query/window.h"

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

int64_t windows_zone_offset(const struct windows *windows, silt_time t)
{
    return windows->zone ? (int64_t)silt_zone_offset(windows->zone, t) * 1000000000 : 0;
}

static int64_t add_clamped(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? SILT_TIME_MAX : SILT_TIME_MIN;
    return sum < SILT_TIME_MIN ? SILT_TIME_MIN : sum > SILT_TIME_MAX ? SILT_TIME_MAX : sum;
}

void windows_of(const struct windows *windows, silt_time t, silt_time *start, silt_time *end)
{
    if (windows->interval == 0) {
        *start = windows->min;
        *end = add_clamped(windows->max, 1);
        return;
    }

    int64_t interval = windows->interval;
    silt_time shifted = add_clamped(t, -windows->offset);
    int64_t zone = windows_zone_offset(windows, shifted);
    int64_t rest = (shifted % interval + zone % interval) % interval;

    if (rest < 0)
        rest += interval;
    silt_time begin = shifted < SILT_TIME_MIN + rest ? SILT_TIME_MIN : shifted - rest;
    silt_time finish = add_clamped(shifted, interval - rest);
    if (windows->zone) {
        int64_t change = zone - windows_zone_offset(windows, begin);
        if (change != 0 && magnitude(change) < interval)
            begin += change;
        change = zone - windows_zone_offset(windows, finish);
        if (change != 0 && magnitude(change) < interval)
            finish += change;
    }
    if (begin != SILT_TIME_MIN)
        begin = add_clamped(begin, windows->offset);
    *start = begin;
    *end = add_clamped(finish, windows->offset);
}

silt_time windows_step(const struct windows *windows, silt_time start, bool descending, int64_t *zone_offset)
{
    silt_time next = add_clamped(start, descending ? -windows->interval : windows->interval);

    if (windows->zone) {
        int64_t offset = windows_zone_offset(windows, next - 1);
        if (offset != *zone_offset) {
            int64_t change = *zone_offset - offset;
            if (magnitude(change) < windows->interval)
                next += change;
            *zone_offset = offset;
        }
    }
    return next;
}
