/*
 * window.h - the time range of a SELECT and its windows.
 *
 *     GROUP BY time(10s, 3s)      ... [-7,3) [3,13) [13,23) ...
 *     no GROUP BY time            one window, the whole range
 *
 * With a zone, windows follow local time: a day may have 23 or 25 hours.
 */
#ifndef QUERY_WINDOW_H
#define QUERY_WINDOW_H

#include "silt/text.h"

struct windows {
    int64_t interval; /* 0: one window */
    int64_t offset;
    const struct silt_zone *zone; /* NULL: UTC */
    silt_time min, max;           /* the range, both inclusive */
};

/* The window that holds t: [*start, *end). */
void windows_of(const struct windows *windows, silt_time t, silt_time *start, silt_time *end);
/* The start of the window after (ascending) or before the one that starts at `start`, as fill counts them.
 * *zone_offset is kept between calls; set it with windows_zone_offset(first start). */
silt_time windows_step(const struct windows *windows, silt_time start, bool descending, int64_t *zone_offset);
int64_t windows_zone_offset(const struct windows *windows, silt_time t);

#endif
