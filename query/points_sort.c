/* points_sort.c - implements points_sort.h. */
#include "query/points_sort.h"

struct go_sort {
    struct point *items;
    size_t first, last;
    point_less_fn less;
};

static inline bool go_sort_less(const struct go_sort *sort, const struct point *a, const struct point *b)
{
    return sort->less(a, b);
}

#include "query/go_sort.h"

void points_sort_places(struct point *points, size_t count, size_t first, size_t last, point_less_fn less)
{
    struct go_sort sort = {points, first, last, less};

    go_sort(&sort, count);
}

void points_sort(struct point *points, size_t count, point_less_fn less)
{
    points_sort_places(points, count, 0, count ? count - 1 : 0, less);
}

void points_sort_stable(struct point *points, size_t count, point_less_fn less_fn, struct point *space)
{
    if (count <= GO_SORT_INSERTION_MOST) {
        struct go_sort sort = {.items = points, .less = less_fn};
        go_sort_insertion(&sort, 0, count);
        return;
    }
    size_t half = count / 2, i = 0, k = half;
    points_sort_stable(points, half, less_fn, space);
    points_sort_stable(points + half, count - half, less_fn, space);
    if (!less_fn(&points[half], &points[half - 1]))
        return;
    memcpy(space, points, half * sizeof(*space));
    for (size_t to = 0; i < half; to++)
        points[to] = k < count && less_fn(&points[k], &space[i]) ? points[k++] : space[i++];
}

size_t points_keep_best(struct point *points, size_t count, size_t most, point_less_fn less_fn)
{
    struct go_sort sort = {.items = points, .less = less_fn};
    size_t kept = 0;

    for (size_t n = 0; n < count; n++) {
        if (kept < most) { /* up from the end; points to the right of it were looked at already */
            size_t i = kept++;
            if (i != n)
                points[i] = points[n];
            for (size_t parent; i > 0 && go_sort_less_at(&sort, i, parent = (i - 1) / 2); i = parent)
                go_sort_swap(&sort, i, parent);
            continue;
        }
        if (!less_fn(&points[0], &points[n]))
            continue;
        points[0] = points[n];
        for (size_t i = 0, child; (child = 2 * i + 1) < kept; i = child) {
            if (child + 1 < kept && go_sort_less_at(&sort, child + 1, child))
                child++;
            if (!go_sort_less_at(&sort, child, i))
                break;
            go_sort_swap(&sort, i, child);
        }
    }
    return kept;
}
