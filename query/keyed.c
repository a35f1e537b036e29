/* keyed.c - implements keyed.h: the sort, with comparisons that the compiler sees. */
#include "query/keyed.h"

struct go_sort {
    struct keyed *items;
    size_t first, last;
};

static inline bool go_sort_less(const struct go_sort *sort, const struct keyed *a, const struct keyed *b)
{
    (void)sort;
    return a->key < b->key;
}

#include "query/go_sort.h"

void keyed_sort_places(struct keyed *items, size_t count, size_t first, size_t last)
{
    struct go_sort sort = {items, first, last};

    go_sort(&sort, count);
}
