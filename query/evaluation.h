/*
 * evaluation.h - the points of a SELECT's calls, group by group.
 *
 *     evaluation_init -> for each wave of groups: its leaves reduced into cells -> for each group: call_points of each call
 *                     -> evaluation_deinit
 *
 * Threads: one at a time; what reduces leaves meanwhile (reducer.h) does not look in here.
 */
#ifndef QUERY_EVALUATION_H
#define QUERY_EVALUATION_H

#include "query/points.h"
#include "query/reducer.h"

struct evaluation {
    const struct plan *plan;
    const struct scan *scan;
    struct leaf_set {
        struct leaf *leaves;
        size_t leaf_count;
        struct reducer *reducer; /* NULL: there is nothing to reduce */
        silt_time min, max;
        uint32_t *of_slot, *same_slot; /* per slot its newest leaf, per leaf the one before it of its slot, each plus 1 */
        const struct cells *cells; /* of the group */
    } *sets; /* by warm-up intervals: 0, 1, ... */
    size_t set_count;
    uint64_t wanted; /* windows of a group, see first_windows.h */
    const struct scan_group *group;
    struct column_scan *columns; /* made when first needed */
    /* Of the group; what they grew to is kept for the next one. */
    struct points *points;  /* per call */
    struct points **shown;  /* per call; NULL: a call over a field that does not exist */
    struct points unfilled; /* before fill() */
    size_t *joined;         /* per call, points that are in rows already */
};

/* To be given back with evaluation_deinit whatever it returns. */
enum silt_status evaluation_init(struct evaluation *e, const struct scan *scan, struct silt_error *err);
void evaluation_deinit(struct evaluation *e);
/* Of the group that is set, whose leaves are in the sets' cells. Into out, which is empty; outermost: a column's call, with fill(). */
enum silt_status call_points(struct evaluation *e, const struct plan_call *call, bool outermost, struct points *out,
                             struct silt_error *err);

#endif
