/* points_sort.c - implements points_sort.h. Each choice below decides where equal points go: none is free. */
#include "query/points_sort.h"

#define INSERTION_MOST 12
#define SHORT 50

enum hint { HINT_NONE, HINT_RISING, HINT_FALLING };

struct sort {
    struct point *p;
    point_less_fn less;
};

static void swap(struct point *p, size_t i, size_t k)
{
    struct point point = p[i];
    p[i] = p[k];
    p[k] = point;
}

static bool less(const struct sort *sort, size_t i, size_t k)
{
    return sort->less(&sort->p[i], &sort->p[k]);
}

static void insertion(const struct sort *sort, size_t a, size_t b)
{
    for (size_t i = a + 1; i < b; i++)
        for (size_t k = i; k > a && less(sort, k, k - 1); k--)
            swap(sort->p, k, k - 1);
}

static void sift_down(const struct sort *sort, size_t root, size_t count, size_t first)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && less(sort, first + child, first + child + 1))
            child++;
        if (!less(sort, first + root, first + child))
            return;
        swap(sort->p, first + root, first + child);
        root = child;
    }
}

static void heap_sort(const struct sort *sort, size_t a, size_t b)
{
    size_t count = b - a;

    for (size_t i = (count - 1) / 2 + 1; i-- > 0;)
        sift_down(sort, i, count, a);
    for (size_t i = count; i-- > 0;) {
        swap(sort->p, a, a + i);
        sift_down(sort, 0, i, a);
    }
}

/* After an uneven split: three from the middle change places with some from anywhere. */
static void break_patterns(const struct sort *sort, size_t a, size_t b)
{
    size_t length = b - a, mask = 1;
    uint64_t random = length;

    if (length < 8)
        return;
    while (mask <= length)
        mask <<= 1;
    for (size_t i = 0, middle = a + length / 4 * 2; i < 3; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        size_t other = random & (mask - 1);
        swap(sort->p, middle - 1 + i, a + (other >= length ? other - length : other));
    }
}

static size_t median(const struct sort *sort, size_t a, size_t b, size_t c, size_t *swaps)
{
    size_t t;

    if (less(sort, b, a))
        ++*swaps, t = a, a = b, b = t;
    if (less(sort, c, b))
        ++*swaps, t = b, b = c, c = t;
    if (less(sort, b, a))
        ++*swaps, b = a;
    return b;
}

static size_t choose_pivot(const struct sort *sort, size_t a, size_t b, enum hint *hint)
{
    size_t length = b - a, swaps = 0;
    size_t i = a + length / 4, k = a + length / 4 * 2, m = a + length / 4 * 3;

    if (length >= 8) {
        if (length >= SHORT) {
            i = median(sort, i - 1, i, i + 1, &swaps);
            k = median(sort, k - 1, k, k + 1, &swaps);
            m = median(sort, m - 1, m, m + 1, &swaps);
        }
        k = median(sort, i, k, m, &swaps);
    }
    *hint = swaps == 0 ? HINT_RISING : swaps == 12 ? HINT_FALLING : HINT_NONE;
    return k;
}

/* True: it was nearly sorted and now is. */
static bool partial_insertion(const struct sort *sort, size_t a, size_t b)
{
    size_t i = a + 1;

    for (int step = 0; step < 5; step++) {
        while (i < b && !less(sort, i, i - 1))
            i++;
        if (i == b)
            return true;
        if (b - a < SHORT)
            return false;
        swap(sort->p, i, i - 1);
        if (i - a >= 2)
            for (size_t k = i - 1; k >= 1 && less(sort, k, k - 1); k--)
                swap(sort->p, k, k - 1);
        if (b - i >= 2)
            for (size_t k = i + 1; k < b && less(sort, k, k - 1); k++)
                swap(sort->p, k, k - 1);
    }
    return false;
}

/* Those equal to the pivot, the smallest there is, to the left; gives where the others start. */
static size_t split_equal(const struct sort *sort, size_t a, size_t b, size_t pivot)
{
    size_t i = a + 1, k = b - 1;

    swap(sort->p, a, pivot);
    for (;; i++, k--) {
        while (i <= k && !less(sort, a, i))
            i++;
        while (i <= k && less(sort, a, k))
            k--;
        if (i > k)
            return i;
        swap(sort->p, i, k);
    }
}

static size_t split(const struct sort *sort, size_t a, size_t b, size_t pivot, bool *was_split)
{
    size_t i = a + 1, k = b - 1;

    swap(sort->p, a, pivot);
    for (*was_split = true;; *was_split = false, i++, k--) {
        while (i <= k && less(sort, i, a))
            i++;
        while (i <= k && !less(sort, k, a))
            k--;
        if (i > k)
            break;
        swap(sort->p, i, k);
    }
    swap(sort->p, k, a);
    return k;
}

static void quicksort(const struct sort *sort, size_t a, size_t b, unsigned bad_left)
{
    bool even = true, was_split = true;

    while (b - a > INSERTION_MOST) {
        size_t length = b - a;
        enum hint hint;
        if (bad_left == 0) {
            heap_sort(sort, a, b);
            return;
        }
        if (!even) {
            break_patterns(sort, a, b);
            bad_left--;
        }
        size_t pivot = choose_pivot(sort, a, b, &hint);
        if (hint == HINT_FALLING) {
            for (size_t i = a, k = b - 1; i < k; i++, k--)
                swap(sort->p, i, k);
            pivot = b - 1 - (pivot - a);
            hint = HINT_RISING;
        }
        if (even && was_split && hint == HINT_RISING && partial_insertion(sort, a, b))
            return;
        if (a > 0 && !less(sort, a - 1, pivot)) {
            a = split_equal(sort, a, b, pivot);
            continue;
        }
        size_t middle = split(sort, a, b, pivot, &was_split);
        size_t left = middle - a, right = b - middle;
        if (left < right) {
            even = left >= length / 8;
            quicksort(sort, a, middle, bad_left);
            a = middle + 1;
        } else {
            even = right >= length / 8;
            quicksort(sort, middle + 1, b, bad_left);
            b = middle;
        }
    }
    insertion(sort, a, b);
}

void points_sort(struct point *points, size_t count, point_less_fn less_fn)
{
    struct sort sort = {points, less_fn};

    if (count > 1)
        quicksort(&sort, 0, count, 64 - (unsigned)__builtin_clzll(count));
}

void points_sort_stable(struct point *points, size_t count, point_less_fn less_fn, struct point *space)
{
    struct sort sort = {points, less_fn};

    if (count <= INSERTION_MOST) {
        if (count > 1)
            insertion(&sort, 0, count);
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
    struct sort sort = {points, less_fn};
    size_t kept = 0;

    for (size_t n = 0; n < count; n++) {
        if (kept < most) { /* up from the end; points to the right of it were looked at already */
            size_t i = kept++;
            if (i != n)
                points[i] = points[n];
            for (size_t parent; i > 0 && less(&sort, i, parent = (i - 1) / 2); i = parent)
                swap(points, i, parent);
            continue;
        }
        if (!less_fn(&points[0], &points[n]))
            continue;
        points[0] = points[n];
        for (size_t i = 0, child; (child = 2 * i + 1) < kept; i = child) {
            if (child + 1 < kept && less(&sort, child + 1, child))
                child++;
            if (!less(&sort, child, i))
                break;
            swap(points, i, child);
        }
    }
    return kept;
}
