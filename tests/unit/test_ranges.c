/*
 * test_ranges.c - the bounded set of instants against a plain array of them.
 */
#include "server/ranges.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 400

static uint64_t state;

static uint32_t next_random(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static void check(const struct ranges *ranges, const bool *model, bool exact)
{
    static bool have[SIZE];

    memset(have, 0, sizeof(have));
    ck_assert_uint_le(ranges->count, RANGES_MAX);
    for (size_t i = 0; i < ranges->count; i++) {
        ck_assert_int_lt(ranges->items[i].start, ranges->items[i].end);
        if (i)
            ck_assert_int_lt(ranges->items[i - 1].end, ranges->items[i].start);
        for (silt_time t = ranges->items[i].start; t < ranges->items[i].end; t++)
            have[t] = true;
    }
    size_t wrong = 0;
    for (size_t t = 0; t < SIZE; t++)
        wrong += exact ? have[t] != model[t] : model[t] && !have[t];
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(as_an_array)
{
    static bool model[SIZE];

    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct ranges ranges = {0};
        uint32_t length = 1 + next_random(12);
        bool exact = true;
        state = seed;
        memset(model, 0, sizeof(model));
        for (int i = 0; i < 300; i++) {
            uint32_t at = next_random(SIZE - length);
            uint32_t what = next_random(40);
            if (what == 0) {
                ranges_remove_before(&ranges, at);
                memset(model, 0, at * sizeof(*model));
            } else if (what == 1) {
                ranges_remove_from(&ranges, at);
                memset(model + at, 0, (SIZE - at) * sizeof(*model));
            } else {
                exact = exact && ranges.count < RANGES_MAX;
                ranges_add(&ranges, at, at + length);
                memset(model + at, 1, length * sizeof(*model));
            }
            check(&ranges, model, exact);
        }
        ranges_add(&ranges, 5, 5);
        check(&ranges, model, exact);
    }
}
END_TEST

START_TEST(the_smallest_gap_goes_first)
{
    struct ranges ranges = {0};

    for (int i = 0; i < RANGES_MAX; i++)
        ranges_add(&ranges, i * 10, i * 10 + (i == 7 ? 6 : 5));
    ranges_add(&ranges, 5000, 5001);
    ck_assert_uint_eq(ranges.count, RANGES_MAX);
    ck_assert_int_eq(ranges.items[7].start, 70);
    ck_assert_int_eq(ranges.items[7].end, 85);
    ck_assert_int_eq(ranges.items[RANGES_MAX - 1].end, 5001);
    ranges_add(&ranges, INT64_MIN, -1000);
    ck_assert_uint_eq(ranges.count, RANGES_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranges");
    TCase *tcase = tcase_create("ranges");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, as_an_array);
    tcase_add_test(tcase, the_smallest_gap_goes_first);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
