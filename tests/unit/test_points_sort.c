/*
 * test_points_sort.c - the sort of go_sort.h, of whole arrays and of some places, against Go's written down plainly.
 *
 * Points of one value are told apart by their time, which is where they stood.
 */
#include "query/points_sort.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

static uint64_t state;

static uint64_t next_random(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static bool less_value(const struct point *a, const struct point *b)
{
    return a->value.i64 < b->value.i64;
}

/* ---------------------------------------------------------------- the plain one */

#define INSERTION_MOST 12
#define SHORT 50

enum hint { HINT_NONE, HINT_RISING, HINT_FALLING };

static void swap(struct point *p, size_t i, size_t k)
{
    struct point point = p[i];
    p[i] = p[k];
    p[k] = point;
}

static bool less(struct point *p, size_t i, size_t k)
{
    return less_value(&p[i], &p[k]);
}

static void insertion(struct point *p, size_t a, size_t b)
{
    for (size_t i = a + 1; i < b; i++)
        for (size_t k = i; k > a && less(p, k, k - 1); k--)
            swap(p, k, k - 1);
}

static void sift_down(struct point *p, size_t root, size_t count, size_t first)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && less(p, first + child, first + child + 1))
            child++;
        if (!less(p, first + root, first + child))
            return;
        swap(p, first + root, first + child);
        root = child;
    }
}

static void heap_sort(struct point *p, size_t a, size_t b)
{
    size_t count = b - a;

    for (size_t i = (count - 1) / 2 + 1; i-- > 0;)
        sift_down(p, i, count, a);
    for (size_t i = count; i-- > 0;) {
        swap(p, a, a + i);
        sift_down(p, 0, i, a);
    }
}

/* After an uneven split: three from the middle change places with some from anywhere. */
static void break_patterns(struct point *p, size_t a, size_t b)
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
        swap(p, middle - 1 + i, a + (other >= length ? other - length : other));
    }
}

static size_t median(struct point *p, size_t a, size_t b, size_t c, size_t *swaps)
{
    size_t t;

    if (less(p, b, a))
        ++*swaps, t = a, a = b, b = t;
    if (less(p, c, b))
        ++*swaps, t = b, b = c, c = t;
    if (less(p, b, a))
        ++*swaps, b = a;
    return b;
}

static size_t choose_pivot(struct point *p, size_t a, size_t b, enum hint *hint)
{
    size_t length = b - a, swaps = 0;
    size_t i = a + length / 4, k = a + length / 4 * 2, m = a + length / 4 * 3;

    if (length >= 8) {
        if (length >= SHORT) {
            i = median(p, i - 1, i, i + 1, &swaps);
            k = median(p, k - 1, k, k + 1, &swaps);
            m = median(p, m - 1, m, m + 1, &swaps);
        }
        k = median(p, i, k, m, &swaps);
    }
    *hint = swaps == 0 ? HINT_RISING : swaps == 12 ? HINT_FALLING : HINT_NONE;
    return k;
}

/* True: it was nearly sorted and now is. */
static bool partial_insertion(struct point *p, size_t a, size_t b)
{
    size_t i = a + 1;

    for (int step = 0; step < 5; step++) {
        while (i < b && !less(p, i, i - 1))
            i++;
        if (i == b)
            return true;
        if (b - a < SHORT)
            return false;
        swap(p, i, i - 1);
        if (i - a >= 2)
            for (size_t k = i - 1; k >= 1 && less(p, k, k - 1); k--)
                swap(p, k, k - 1);
        if (b - i >= 2)
            for (size_t k = i + 1; k < b && less(p, k, k - 1); k++)
                swap(p, k, k - 1);
    }
    return false;
}

/* Those equal to the pivot, the smallest there is, to the left; gives where the others start. */
static size_t split_equal(struct point *p, size_t a, size_t b, size_t pivot)
{
    size_t i = a + 1, k = b - 1;

    swap(p, a, pivot);
    for (;; i++, k--) {
        while (i <= k && !less(p, a, i))
            i++;
        while (i <= k && less(p, a, k))
            k--;
        if (i > k)
            return i;
        swap(p, i, k);
    }
}

static size_t split(struct point *p, size_t a, size_t b, size_t pivot, bool *was_split)
{
    size_t i = a + 1, k = b - 1;

    swap(p, a, pivot);
    for (*was_split = true;; *was_split = false, i++, k--) {
        while (i <= k && less(p, i, a))
            i++;
        while (i <= k && !less(p, k, a))
            k--;
        if (i > k)
            break;
        swap(p, i, k);
    }
    swap(p, k, a);
    return k;
}

static void quicksort(struct point *p, size_t a, size_t b, unsigned bad_left)
{
    bool even = true, was_split = true;

    while (b - a > INSERTION_MOST) {
        size_t length = b - a;
        enum hint hint;
        if (bad_left == 0) {
            heap_sort(p, a, b);
            return;
        }
        if (!even) {
            break_patterns(p, a, b);
            bad_left--;
        }
        size_t pivot = choose_pivot(p, a, b, &hint);
        if (hint == HINT_FALLING) {
            for (size_t i = a, k = b - 1; i < k; i++, k--)
                swap(p, i, k);
            pivot = b - 1 - (pivot - a);
            hint = HINT_RISING;
        }
        if (even && was_split && hint == HINT_RISING && partial_insertion(p, a, b))
            return;
        if (a > 0 && !less(p, a - 1, pivot)) {
            a = split_equal(p, a, b, pivot);
            continue;
        }
        size_t middle = split(p, a, b, pivot, &was_split);
        size_t left = middle - a, right = b - middle;
        if (left < right) {
            even = left >= length / 8;
            quicksort(p, a, middle, bad_left);
            a = middle + 1;
        } else {
            even = right >= length / 8;
            quicksort(p, middle + 1, b, bad_left);
            b = middle;
        }
    }
    insertion(p, a, b);
}

static void plain_sort(struct point *points, size_t count)
{
    if (count > 1)
        quicksort(points, 0, count, 64 - (unsigned)__builtin_clzll(count));
}


/* ---------------------------------------------------------------- arrays */

/* Few values, many, runs, saw teeth, nearly sorted. */
static int64_t value_at(size_t shape, size_t i, size_t count)
{
    switch (shape) {
    case 0: return (int64_t)next_random(3);
    case 1: return (int64_t)next_random(100);
    case 2: return (int64_t)next_random(1 << 30);
    case 3: return (int64_t)i;
    case 4: return (int64_t)(count - i);
    case 5: return (int64_t)(i / 7);
    case 6: return (int64_t)(i % 50);
    case 7: return (int64_t)(i < count / 2 ? i : count - i);
    case 8: return next_random(50) ? (int64_t)i : (int64_t)next_random(count);
    case 9: return (int64_t)((i * 2654435761u) >> 20 & 1023);
    case 10: return i % 4 == 2 ? (int64_t)i : (int64_t)(i % 4) << 20;
    default: return 1;
    }
}

#define SHAPES 12

static struct point *points_of(size_t shape, size_t count)
{
    struct point *points = calloc(count, sizeof(*points));

    ck_assert_ptr_nonnull(points);
    for (size_t i = 0; i < count; i++)
        points[i] = (struct point){.time = (silt_time)i,
                                   .value = {.kind = SILT_CELL_INTEGER, .i64 = value_at(shape, i, count)}};
    return points;
}

static struct point *copy_of(const struct point *points, size_t count)
{
    struct point *copy = malloc(count * sizeof(*copy));

    ck_assert_ptr_nonnull(copy);
    return memcpy(copy, points, count * sizeof(*copy));
}

static void check_places(const struct point *points, const struct point *sorted, size_t count, size_t first, size_t last)
{
    struct point *copy = copy_of(points, count);

    points_sort_places(copy, count, first, last, less_value);
    for (size_t i = first; i <= last; i++) {
        ck_assert_int_eq(copy[i].value.i64, sorted[i].value.i64);
        ck_assert_int_eq(copy[i].time, sorted[i].time);
    }
    free(copy);
}

static void check_array(size_t shape, size_t count, bool every_place)
{
    struct point *points = points_of(shape, count), *sorted = copy_of(points, count);

    plain_sort(sorted, count);
    check_places(points, sorted, count, 0, count - 1);
    for (size_t i = 0; i < (every_place ? count : 20); i++) {
        size_t first = every_place ? i : next_random(count), last = first + next_random(4);
        check_places(points, sorted, count, first, last < count ? last : count - 1);
    }
    free(points);
    free(sorted);
}

START_TEST(every_place_of_small_arrays)
{
    for (size_t shape = 0; shape < SHAPES; shape++)
        for (size_t count = 1; count < 130; count += count < 60 ? 3 : 13)
            check_array(shape, count, true);
}
END_TEST

START_TEST(places_of_large_arrays) /* of many blocks that are split at once */
{
    for (size_t shape = 0; shape < SHAPES; shape++) {
        check_array(shape, 256, true);
        check_array(shape, 1000 + next_random(3000), false);
        check_array(shape, 20000 + next_random(20000), false);
    }
}
END_TEST

/*
 * McIlroy's adversary: values are made up while they are compared, so that every pivot turns out to be among the smallest,
 * until the sort gives quicksort up.
 */
static int64_t *made_up, solid, gas;
static size_t candidate;

static bool less_against(const struct point *a, const struct point *b)
{
    size_t x = (size_t)a->time, y = (size_t)b->time;

    if (made_up[x] == gas && made_up[y] == gas)
        made_up[x == candidate ? x : y] = solid++;
    if (made_up[x] == gas)
        candidate = x;
    else if (made_up[y] == gas)
        candidate = y;
    return made_up[x] < made_up[y];
}

static struct point *against_the_pivots(size_t count)
{
    struct point *points = points_of(SHAPES, count), *copy = copy_of(points, count);

    made_up = calloc(count, sizeof(*made_up));
    ck_assert_ptr_nonnull(made_up);
    gas = (int64_t)count;
    solid = 0;
    for (size_t i = 0; i < count; i++) /* the first ones fall again and again, or all would pass for sorted */
        made_up[i] = i < 16 ? -(int64_t)(i ^ 1) : gas;
    points_sort(copy, count, less_against);
    for (size_t i = 0; i < count; i++)
        points[i].value.i64 = made_up[i];
    free(made_up);
    free(copy);
    return points;
}

START_TEST(places_where_pivots_are_bad)
{
    for (size_t count = 300; count < 5000; count += 900) {
        struct point *points = against_the_pivots(count), *sorted = copy_of(points, count);
        plain_sort(sorted, count);
        check_places(points, sorted, count, 0, count - 1);
        for (size_t i = 0; i < count; i += 1 + next_random(40))
            check_places(points, sorted, count, i, i);
        free(points);
        free(sorted);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("points_sort");
    TCase *tc = tcase_create("points_sort");

    state = 20260117;
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, every_place_of_small_arrays);
    tcase_add_test(tc, places_of_large_arrays);
    tcase_add_test(tc, places_where_pivots_are_bad);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
