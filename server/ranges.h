/*
 * ranges.h - a set of instants as disjoint ranges, of which there are only so many.
 *
 *     [start, end) [start, end) ...       rising, with a gap between each two
 *
 * Where there would be too many, the two with the smallest gap become one: the set may hold more than was added, never less.
 *
 * Threads: as the memory it lies in.
 */
#ifndef SERVER_RANGES_H
#define SERVER_RANGES_H

#include "silt/base.h"

#define RANGES_MAX 64

struct range {
    silt_time start, end;
};

struct ranges { /* zero: empty */
    struct range items[RANGES_MAX];
    size_t count;
};

void ranges_add(struct ranges *ranges, silt_time start, silt_time end); /* nothing when start >= end */
void ranges_remove_before(struct ranges *ranges, silt_time time);
void ranges_remove_from(struct ranges *ranges, silt_time time);

#endif
