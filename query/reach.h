/*
 * reach.h - where a series is read on from, and how far at a time, when many series share a cursor.
 *
 *     resume                   resume + span
 *       |------ one seek ------|            a full buffer: span becomes three times what its rows covered
 *                                           nothing there: on behind it, twice as far
 *
 * A shared cursor is sought anew for each refill, and what it finds in memory is gathered up to its range's end. So that
 * not all the rest of a series is gathered again for every few rows of it, it looks only about as far as the next rows
 * reach, judged by those before.
 */
#ifndef QUERY_REACH_H
#define QUERY_REACH_H

#include "silt/base.h"

struct reach {
    silt_time resume;
    uint64_t span; /* ns; 0: all the way */
};

/* What to look at of [*min, *max], the whole range: from `resume` on. *min > *max: nothing is left. */
static inline void reach_range(const struct reach *r, bool descending, silt_time *min, silt_time *max)
{
    *(descending ? max : min) = r->resume;
    if (r->span == 0 || *min > *max || (uint64_t)*max - (uint64_t)*min <= r->span)
        return;
    if (descending)
        *min = (silt_time)((uint64_t)*max - r->span);
    else
        *max = (silt_time)((uint64_t)*min + r->span);
}

/* Nothing was found in [min, max]. */
static inline void reach_on(struct reach *r, bool descending, silt_time min, silt_time max)
{
    r->resume = descending ? min - 1 : max + 1;
    r->span = r->span > UINT64_MAX / 2 ? 0 : r->span * 2;
}

/* A buffer was filled with rows from `first` to `last`. */
static inline void reach_filled(struct reach *r, bool descending, silt_time first, silt_time last)
{
    uint64_t covered = descending ? (uint64_t)first - (uint64_t)last : (uint64_t)last - (uint64_t)first;

    r->span = covered > UINT64_MAX / 4 ? 0 : covered * 3 + 1;
}

#endif
