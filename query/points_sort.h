/*
 * points_sort.h - points in order, those that are equal too.
 *
 * Which of equal points a percentile or a mode shows, and when it was, follows from how the imitated server's sort moves
 * them (go_sort.h).
 */
#ifndef QUERY_POINTS_SORT_H
#define QUERY_POINTS_SORT_H

#include "query/points.h"

typedef bool (*point_less_fn)(const struct point *a, const struct point *b);

void points_sort(struct point *points, size_t count, point_less_fn less);
/* Only what stands at first .. last, which are places among the points, is certain to be what sorting all would put there. */
void points_sort_places(struct point *points, size_t count, size_t first, size_t last, point_less_fn less);
/* Equal ones keep their order. space: room for count points. */
void points_sort_stable(struct point *points, size_t count, point_less_fn less, struct point *space);

/* The `most` points that are not less than the others, in no order: a heap that drops the least. Gives their number; a point
 * takes the place of an earlier one only when that is less. */
size_t points_keep_best(struct point *points, size_t count, size_t most, point_less_fn less);

#endif
