/*
 * go_sort.h - the sort of Go 1.19, step by step, as far as some places of the sorted array need it.
 *
 * A quicksort that defeats patterns: it leaves equal items anywhere, but always in the same place, so each choice below
 * decides where they go and none is free. It goes on in both parts of a split without either looking at the other, but for
 * the item right before a part, which stays. So parts without a wanted place are left as they are:
 *
 *     places       first .. last                the whole array: 0 .. count - 1
 *     split        [  less  | pivot |    not less    ]      only these that hold one of first .. last are gone on with
 *
 * One place takes time in proportion to the number of items.
 *
 * Whoever includes this has defined, for items of any type,
 *
 *     struct go_sort { struct thing *items; size_t first, last; ... };
 *     static inline bool go_sort_less(const struct go_sort *sort, const struct thing *a, const struct thing *b);
 *
 * and gets go_sort(&sort, count); where count is not 0, last is less than it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GO_SORT_INSERTION_MOST 12
#define GO_SORT_SHORT 50
#define GO_SORT_BLOCK 128 /* places in it fit a byte */
#ifndef GO_SORT_BLOCKS_FROM
#define GO_SORT_BLOCKS_FROM (2 * GO_SORT_BLOCK) /* what is shorter is split item by item; a test has all be so */
#endif

enum go_sort_hint { GO_SORT_NONE, GO_SORT_RISING, GO_SORT_FALLING };

static inline void go_sort_swap(const struct go_sort *sort, size_t i, size_t k)
{
    __typeof__(*sort->items) held = sort->items[i];
    sort->items[i] = sort->items[k];
    sort->items[k] = held;
}

static inline bool go_sort_less_at(const struct go_sort *sort, size_t i, size_t k)
{
    return go_sort_less(sort, &sort->items[i], &sort->items[k]);
}

static void go_sort_insertion(const struct go_sort *sort, size_t a, size_t b)
{
    for (size_t i = a + 1; i < b; i++)
        for (size_t k = i; k > a && go_sort_less_at(sort, k, k - 1); k--)
            go_sort_swap(sort, k, k - 1);
}

static void go_sort_sift_down(const struct go_sort *sort, size_t root, size_t count, size_t first)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && go_sort_less_at(sort, first + child, first + child + 1))
            child++;
        if (!go_sort_less_at(sort, first + root, first + child))
            return;
        go_sort_swap(sort, first + root, first + child);
        root = child;
    }
}

static void go_sort_heap(const struct go_sort *sort, size_t a, size_t b)
{
    size_t count = b - a;

    for (size_t i = (count - 1) / 2 + 1; i-- > 0;)
        go_sort_sift_down(sort, i, count, a);
    for (size_t i = count; i-- > 0;) {
        go_sort_swap(sort, a, a + i);
        go_sort_sift_down(sort, 0, i, a);
    }
}

/* After an uneven split: three from the middle change places with some from anywhere. */
static void go_sort_break_patterns(const struct go_sort *sort, size_t a, size_t b)
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
        go_sort_swap(sort, middle - 1 + i, a + (other >= length ? other - length : other));
    }
}

static size_t go_sort_median(const struct go_sort *sort, size_t a, size_t b, size_t c, size_t *swaps)
{
    size_t t;

    if (go_sort_less_at(sort, b, a))
        ++*swaps, t = a, a = b, b = t;
    if (go_sort_less_at(sort, c, b))
        ++*swaps, t = b, b = c, c = t;
    if (go_sort_less_at(sort, b, a))
        ++*swaps, b = a;
    return b;
}

static size_t go_sort_choose_pivot(const struct go_sort *sort, size_t a, size_t b, enum go_sort_hint *hint)
{
    size_t length = b - a, swaps = 0;
    size_t i = a + length / 4, k = a + length / 4 * 2, m = a + length / 4 * 3;

    if (length >= 8) {
        if (length >= GO_SORT_SHORT) {
            i = go_sort_median(sort, i - 1, i, i + 1, &swaps);
            k = go_sort_median(sort, k - 1, k, k + 1, &swaps);
            m = go_sort_median(sort, m - 1, m, m + 1, &swaps);
        }
        k = go_sort_median(sort, i, k, m, &swaps);
    }
    *hint = swaps == 0 ? GO_SORT_RISING : swaps == 12 ? GO_SORT_FALLING : GO_SORT_NONE;
    return k;
}

/* True: it was nearly sorted and now is. */
static bool go_sort_partial_insertion(const struct go_sort *sort, size_t a, size_t b)
{
    size_t i = a + 1;

    for (int step = 0; step < 5; step++) {
        while (i < b && !go_sort_less_at(sort, i, i - 1))
            i++;
        if (i == b)
            return true;
        if (b - a < GO_SORT_SHORT)
            return false;
        go_sort_swap(sort, i, i - 1);
        if (i - a >= 2)
            for (size_t k = i - 1; k >= 1 && go_sort_less_at(sort, k, k - 1); k--)
                go_sort_swap(sort, k, k - 1);
        if (b - i >= 2)
            for (size_t k = i + 1; k < b && go_sort_less_at(sort, k, k - 1); k++)
                go_sort_swap(sort, k, k - 1);
    }
    return false;
}

/*
 * Splits (a, b) by the item at a; gives where the right part starts. Go looks for the next item from the left and the next
 * from the right that stand wrong, changes them, and so on. The n-th from the left meets the n-th from the right however they
 * are found: so they are found a block at a time, noted without a jump, for where they are is as good as random.
 */
#define GO_SORT_IS_LEFT(i) (equal_left ? !go_sort_less(sort, &pivot, &items[i]) : go_sort_less(sort, &items[i], &pivot))
static inline size_t go_sort_part(const struct go_sort *sort, size_t a, size_t b, bool equal_left, bool *swapped)
{
    const __typeof__(*sort->items) pivot = sort->items[a], *items = sort->items;
    uint8_t left[GO_SORT_BLOCK], right[GO_SORT_BLOCK];
    size_t i = a + 1, k = b - 1, left_at = 0, left_end = 0, right_at = 0, right_end = 0;

    *swapped = false;
    while (k + 1 - i >= GO_SORT_BLOCKS_FROM) {
        if (left_at == left_end) {
            left_at = left_end = 0;
            for (size_t n = 0; n < GO_SORT_BLOCK; n++) {
                left[left_end] = (uint8_t)n;
                left_end += !GO_SORT_IS_LEFT(i + n);
            }
        }
        if (right_at == right_end) {
            right_at = right_end = 0;
            for (size_t n = 0; n < GO_SORT_BLOCK; n++) {
                right[right_end] = (uint8_t)n;
                right_end += GO_SORT_IS_LEFT(k - n);
            }
        }
        for (; left_at < left_end && right_at < right_end; *swapped = true)
            go_sort_swap(sort, i + left[left_at++], k - right[right_at++]);
        if (left_at == left_end)
            i += GO_SORT_BLOCK;
        if (right_at == right_end)
            k -= GO_SORT_BLOCK;
    }
    for (;; *swapped = true, i++, k--) { /* what was noted and not changed yet is found again */
        while (i <= k && GO_SORT_IS_LEFT(i))
            i++;
        while (i <= k && !GO_SORT_IS_LEFT(k))
            k--;
        if (i > k)
            return i;
        go_sort_swap(sort, i, k);
    }
}

/* Those equal to the pivot, the smallest there is, to the left; gives where the others start. */
static size_t go_sort_split_equal(const struct go_sort *sort, size_t a, size_t b, size_t pivot)
{
    bool swapped;

    go_sort_swap(sort, a, pivot);
    return go_sort_part(sort, a, b, true, &swapped);
}

/* Gives where the pivot ends up. */
static size_t go_sort_split(const struct go_sort *sort, size_t a, size_t b, size_t pivot, bool *was_split)
{
    bool swapped;

    go_sort_swap(sort, a, pivot);
    size_t middle = go_sort_part(sort, a, b, false, &swapped) - 1;
    go_sort_swap(sort, middle, a);
    *was_split = !swapped;
    return middle;
}

static bool go_sort_wanted(const struct go_sort *sort, size_t a, size_t b)
{
    return a <= sort->last && b > sort->first;
}

static void go_sort_quick(const struct go_sort *sort, size_t a, size_t b, unsigned bad_left)
{
    bool even = true, was_split = true;

    while (b - a > GO_SORT_INSERTION_MOST) {
        size_t length = b - a;
        enum go_sort_hint hint;
        if (!go_sort_wanted(sort, a, b))
            return;
        if (bad_left == 0) {
            go_sort_heap(sort, a, b);
            return;
        }
        if (!even) {
            go_sort_break_patterns(sort, a, b);
            bad_left--;
        }
        size_t pivot = go_sort_choose_pivot(sort, a, b, &hint);
        if (hint == GO_SORT_FALLING) {
            for (size_t i = a, k = b - 1; i < k; i++, k--)
                go_sort_swap(sort, i, k);
            pivot = b - 1 - (pivot - a);
            hint = GO_SORT_RISING;
        }
        if (even && was_split && hint == GO_SORT_RISING && go_sort_partial_insertion(sort, a, b))
            return;
        if (a > 0 && !go_sort_less_at(sort, a - 1, pivot)) {
            a = go_sort_split_equal(sort, a, b, pivot);
            continue;
        }
        size_t middle = go_sort_split(sort, a, b, pivot, &was_split);
        size_t left = middle - a, right = b - middle;
        if (left < right) {
            even = left >= length / 8;
            go_sort_quick(sort, a, middle, bad_left);
            a = middle + 1;
        } else {
            even = right >= length / 8;
            go_sort_quick(sort, middle + 1, b, bad_left);
            b = middle;
        }
    }
    if (go_sort_wanted(sort, a, b))
        go_sort_insertion(sort, a, b);
}

static void go_sort(const struct go_sort *sort, size_t count)
{
    if (count > 1)
        go_sort_quick(sort, 0, count, 64 - (unsigned)__builtin_clzll(count));
}
