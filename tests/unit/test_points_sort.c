/*
 * test_points_sort.c - the sort of go_sort.h, of whole arrays and of some places, against its plain steps.
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

/* The same steps without what makes them fast: split item by item, and every part gone on with. What they come to was
 * compared with a sort that was written down on its own, from Go's; the digests below are that one's. */
#define GO_SORT_BLOCKS_FROM SIZE_MAX

struct go_sort {
    struct point *items;
    size_t first, last;
};

static inline bool go_sort_less(const struct go_sort *sort, const struct point *a, const struct point *b)
{
    (void)sort;
    return less_value(a, b);
}

#include "query/go_sort.h"

static void plain_sort(struct point *points, size_t count)
{
    struct go_sort sort = {points, 0, count - 1};

    go_sort(&sort, count);
}

/* What a test's sorted arrays come to: their places' times, one after the other. */
static uint64_t digest;

static void add_to_digest(const struct point *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        digest = (digest ^ (uint64_t)sorted[i].time) * 1099511628211u;
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
    add_to_digest(sorted, count);
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
    ck_assert_uint_eq(digest, 14084248093818937970u);
}
END_TEST

START_TEST(places_of_large_arrays) /* of many blocks that are split at once */
{
    for (size_t shape = 0; shape < SHAPES; shape++) {
        check_array(shape, 256, true);
        check_array(shape, 1000 + next_random(3000), false);
        check_array(shape, 20000 + next_random(20000), false);
    }
    ck_assert_uint_eq(digest, 12214972659015723087u);
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
        add_to_digest(sorted, count);
        check_places(points, sorted, count, 0, count - 1);
        for (size_t i = 0; i < count; i += 1 + next_random(40))
            check_places(points, sorted, count, i, i);
        free(points);
        free(sorted);
    }
    ck_assert_uint_eq(digest, 3668113136524281158u);
}
END_TEST

static void begin(void)
{
    state = 20260117;
    digest = 0;
}

int main(void)
{
    Suite *suite = suite_create("points_sort");
    TCase *tc = tcase_create("points_sort");

    tcase_add_checked_fixture(tc, begin, NULL);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, every_place_of_small_arrays);
    tcase_add_test(tc, places_of_large_arrays);
    tcase_add_test(tc, places_where_pivots_are_bad);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
