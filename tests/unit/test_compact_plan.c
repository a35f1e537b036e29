/*
 * test_compact_plan.c - the choice of files to merge: bounds that hold for any sizes, and what merging costs in the end.
 */
#include "storage/compact_plan.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILES_MAX 6

/* Merge what the plan says; returns the bytes written, 0 when there is nothing to do. */
static uint64_t carry_out(struct compact_file *files, size_t *count, bool cold)
{
    struct compact_choice choice;
    if (!compact_plan(files, *count, FILES_MAX, cold, &choice))
        return 0;
    ck_assert_uint_le(choice.begin + choice.count, *count);
    ck_assert(choice.count >= 2 || (choice.count == 1 && files[choice.begin].masked));
    uint64_t sum = 0;
    for (size_t i = 0; i < choice.count; i++)
        sum += files[choice.begin + i].bytes;
    files[choice.begin] = (struct compact_file){sum, false};
    for (size_t i = choice.begin + choice.count; i < *count; i++)
        files[i - choice.count + 1] = files[i];
    *count -= choice.count - 1;
    return sum ? sum : 1;
}

START_TEST(few_files_are_left_alone)
{
    struct compact_file files[FILES_MAX] = {{1, false}, {1, false}, {1, false}, {1, false}, {1, false}, {1, false}};
    struct compact_choice choice;
    for (size_t n = 0; n < FILES_MAX; n++)
        ck_assert(!compact_plan(files, n, FILES_MAX, false, &choice));
    ck_assert(compact_plan(files, FILES_MAX, FILES_MAX, false, &choice));
    ck_assert_uint_eq(choice.begin, 0);
    ck_assert_uint_eq(choice.count, FILES_MAX);
}
END_TEST

START_TEST(cold_shards_become_one_run)
{
    struct compact_file files[3] = {{100, false}, {1, false}, {1, true}};
    struct compact_choice choice;
    ck_assert(compact_plan(files, 3, FILES_MAX, true, &choice));
    ck_assert_uint_eq(choice.begin, 0);
    ck_assert_uint_eq(choice.count, 3);
    ck_assert(!compact_plan(files, 1, FILES_MAX, true, &choice));
    ck_assert(compact_plan(files + 2, 1, FILES_MAX, true, &choice));
    ck_assert_uint_eq(choice.count, 1);
    ck_assert(!compact_plan(files, 0, FILES_MAX, true, &choice));
}
END_TEST

START_TEST(large_old_files_are_not_rewritten_for_small_ones)
{
    struct compact_file files[6] = {{1000000, false}, {100000, false}, {10, false}, {10, false}, {10, false}, {10, false}};
    struct compact_choice choice;
    ck_assert(compact_plan(files, 6, FILES_MAX, false, &choice));
    ck_assert_uint_eq(choice.begin, 2);
    ck_assert_uint_eq(choice.count, 4);
}
END_TEST

START_TEST(shrinking_sizes_still_stay_bounded)
{
    struct compact_file files[6] = {{100000, false}, {10000, false}, {1000, false}, {100, false}, {10, false}, {1, false}};
    struct compact_choice choice;
    ck_assert(compact_plan(files, 6, FILES_MAX, false, &choice));
    ck_assert_uint_ge(choice.count, 2);
}
END_TEST

/* Flush after flush of one size: how often is each byte written? */
START_TEST(write_amplification_grows_slowly)
{
    struct compact_file files[FILES_MAX + 1];
    size_t count = 0;
    uint64_t written = 0, flushed = 0;
    for (int i = 0; i < 1000; i++) {
        files[count++] = (struct compact_file){64, false};
        flushed += 64;
        uint64_t more;
        while ((more = carry_out(files, &count, false)) > 0)
            written += more;
        ck_assert_uint_lt(count, FILES_MAX);
    }
    ck_assert_uint_lt(written, flushed * 9);
}
END_TEST

START_TEST(any_sizes_end_below_the_bound)
{
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 2000; round++) {
        struct compact_file files[64];
        size_t count = 1 + (size_t)rand() % 64;
        uint64_t before = 0, after = 0;
        for (size_t i = 0; i < count; i++) {
            files[i] = (struct compact_file){(uint64_t)rand() >> rand() % 31, rand() % 8 == 0};
            before += files[i].bytes;
        }
        while (carry_out(files, &count, false))
            ;
        ck_assert_uint_lt(count, FILES_MAX);
        for (size_t i = 0; i < count; i++)
            after += files[i].bytes;
        ck_assert_uint_eq(before, after);
        carry_out(files, &count, true);
        ck_assert_uint_eq(count, 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compact_plan");
    TCase *tc = tcase_create("compact_plan");
    tcase_add_test(tc, few_files_are_left_alone);
    tcase_add_test(tc, cold_shards_become_one_run);
    tcase_add_test(tc, large_old_files_are_not_rewritten_for_small_ones);
    tcase_add_test(tc, shrinking_sizes_still_stay_bounded);
    tcase_add_test(tc, write_amplification_grows_slowly);
    tcase_add_test(tc, any_sizes_end_below_the_bound);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
