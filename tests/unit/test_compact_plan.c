/*
 * test_compact_plan.c - the choice of files to merge, simulated over rows of flushes: how often each byte is written, how many files
 * there are at most, and what a shard at rest is worth.
 */
#include "storage/compact_plan.h"
#include "tests/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILES_MIN 6
#define WEEK_FLUSHES 1008 /* one every ten minutes */

struct shard {
    struct compact_file files[WEEK_FLUSHES + 1];
    size_t count, most, deepest;
    double flushed, merged, largest; /* bytes written by flushes, by merges, by the largest merge while it was written to */
};

static size_t depth(const struct shard *shard)
{
    size_t most = 0;
    for (size_t i = 0; i < shard->count; i++) {
        size_t with = 0;
        for (size_t j = 0; j < shard->count; j++)
            with += shard->files[j].min <= shard->files[i].min && shard->files[i].min <= shard->files[j].max;
        most = with > most ? with : most;
    }
    return most;
}

/* Merges what the plan says; false: nothing. What a flush wrote becomes smaller, by `shrink`. */
static bool merge(struct shard *shard, double rest, double shrink)
{
    struct compact_choice choice;
    if (!compact_plan(shard->files, shard->count, FILES_MIN, rest, &choice))
        return false;
    struct compact_file *files = shard->files + choice.begin, whole = files[0];
    double bytes = 0;
    ck_assert_uint_le(choice.begin + choice.count, shard->count);
    ck_assert(choice.count >= 2 || (choice.count == 1 && files[0].masked && shard->count == 1));
    for (size_t i = 0; i < choice.count; i++) {
        bytes += files[i].merged ? (double)files[i].bytes : shrink * (double)files[i].bytes;
        whole.min = files[i].min < whole.min ? files[i].min : whole.min;
        whole.max = files[i].max > whole.max ? files[i].max : whole.max;
        whole.masked = choice.count < shard->count && (whole.masked || files[i].masked);
    }
    whole.bytes = (uint64_t)bytes;
    whole.merged = true;
    shard->merged += bytes;
    shard->largest = bytes > shard->largest ? bytes : shard->largest;
    files[0] = whole;
    for (size_t i = choice.begin + choice.count; i < shard->count; i++)
        shard->files[i - choice.count + 1] = shard->files[i];
    shard->count -= choice.count - 1;
    return true;
}

static void flush(struct shard *shard, uint64_t bytes, silt_time min, silt_time max, double shrink)
{
    shard->files[shard->count++] = (struct compact_file){bytes, min, max, false, false};
    shard->flushed += (double)bytes;
    while (merge(shard, 0, shrink))
        ;
    shard->most = shard->count > shard->most ? shard->count : shard->most;
}

static void merge_at_rest(struct shard *shard)
{
    for (double rest = 1; shard->count > 1 && rest < 1000; rest *= 1.2)
        while (merge(shard, rest, 1))
            ;
}

enum sizes { EQUAL, LARGE_AND_TINY, WAVES, RANDOM, SIZES };
enum order { IN_TIME, LATE, ANY_TIME };

static uint64_t size_of(enum sizes sizes, int i)
{
    switch (sizes) {
    case EQUAL:
        return 1 << 20;
    case LARGE_AND_TINY:
        return i % 2 ? 1 << 10 : 1 << 20;
    case WAVES: /* days and nights */
        return (uint64_t)((1.05 + sin(i / 23.0)) * (1 << 20));
    default:
        return 1 + ((uint64_t)rand() % (1 << 20) >> rand() % 10);
    }
}

static struct shard *week(int flushes, enum sizes sizes, enum order order, double shrink)
{
    struct shard *shard = calloc(1, sizeof(*shard));
    for (int i = 0; i < flushes; i++) {
        silt_time now = 600 * (i + 1);
        silt_time min = order == IN_TIME ? now - 600 : order == LATE ? now - 3600 : 0;
        flush(shard, size_of(sizes, i), min, order == ANY_TIME ? 600 * WEEK_FLUSHES : now - 1, shrink);
        size_t deep = depth(shard);
        shard->deepest = deep > shard->deepest ? deep : shard->deepest;
    }
    return shard;
}

/* Every byte: its flush, one merge, and one more when the shard is at rest. */
START_TEST(a_byte_is_written_three_times_at_most)
{
    for (int flushes = 1; flushes <= WEEK_FLUSHES; flushes += flushes < 60 ? 1 : flushes < 500 ? 55 : 101) {
        for (enum sizes sizes = EQUAL; sizes < SIZES; sizes++) {
            for (enum order order = IN_TIME; order <= LATE; order++) {
                struct shard *shard = week(flushes, sizes, order, 1);
                ck_assert(shard->merged <= shard->flushed);
                ck_assert_uint_le(shard->most, 2 * (size_t)sqrt(2 * flushes) + 1);
                ck_assert_uint_le(shard->deepest, COMPACT_OVERLAP_MAX);
                merge_at_rest(shard);
                ck_assert_uint_le(shard->count, 2); /* a tiny one may stay beside a large one */
                ck_assert(4 * shard->merged <= 9 * shard->flushed); /* small ones beside a large one, once more */
                free(shard);
            }
        }
    }
}
END_TEST

/* What is read together stays bounded, and this is what that costs where each file has points of the whole week. */
START_TEST(files_that_overlap_stay_few)
{
    for (int flushes = 10; flushes <= WEEK_FLUSHES; flushes += 83) {
        for (enum sizes sizes = EQUAL; sizes < SIZES; sizes++) {
            struct shard *shard = week(flushes, sizes, ANY_TIME, 1);
            ck_assert_uint_le(shard->most, COMPACT_OVERLAP_MAX);
            ck_assert(shard->merged <= 3 * shard->flushed);
            free(shard);
        }
    }
}
END_TEST

/* For people: what the rule does, with flushes whose row groups are small, so that merged they are 0.8 times as large. */
START_TEST(figures)
{
    static const char *const names[] = {"in time", "late by an hour", "any time"};
    printf("flushes  order            written/bytes that stay  at rest too  files  deep  largest merge before rest\n");
    for (int flushes = 10; flushes <= WEEK_FLUSHES; flushes = flushes < 100 ? flushes * 2 : flushes * 3) {
        for (enum order order = IN_TIME; order <= ANY_TIME; order++) {
            struct shard *shard = week(flushes, WAVES, order, 0.8);
            double stays = 0, largest = shard->largest, before = shard->flushed + shard->merged;
            for (size_t i = 0; i < shard->count; i++)
                stays += (double)shard->files[i].bytes;
            merge_at_rest(shard);
            printf("%7d  %-15s  %24.2f  %11.2f  %5zu  %4zu  %.2f\n", flushes, names[order], before / stays,
                   (shard->flushed + shard->merged) / (double)shard->files[0].bytes, shard->most, shard->deepest, largest / stays);
            free(shard);
        }
    }
}
END_TEST

START_TEST(few_files_are_left_alone)
{
    struct compact_file files[FILES_MIN] = {{.bytes = 1}, {.bytes = 1}, {.bytes = 1}, {.bytes = 1}, {.bytes = 1}, {.bytes = 1}};
    struct compact_choice choice;
    for (size_t n = 0; n < FILES_MIN; n++)
        ck_assert(!compact_plan(files, n, FILES_MIN, 0, &choice));
    ck_assert(compact_plan(files, FILES_MIN, FILES_MIN, 0, &choice));
    ck_assert_uint_eq(choice.begin, 0);
    ck_assert_uint_eq(choice.count, FILES_MIN);
    files[0].merged = true;
    ck_assert(!compact_plan(files, FILES_MIN, FILES_MIN, 0, &choice));
}
END_TEST

START_TEST(asked_for_one_run_there_is_one)
{
    struct compact_file files[3] = {{.bytes = 100, .merged = true}, {.bytes = 1}, {.bytes = 1, .masked = true}};
    struct compact_choice choice;
    ck_assert(compact_plan(files, 3, FILES_MIN, COMPACT_ANY, &choice));
    ck_assert_uint_eq(choice.begin, 0);
    ck_assert_uint_eq(choice.count, 3);
    ck_assert(!compact_plan(files, 1, FILES_MIN, COMPACT_ANY, &choice));
    ck_assert(compact_plan(files + 2, 1, FILES_MIN, COMPACT_ANY, &choice));
    ck_assert_uint_eq(choice.count, 1);
    ck_assert(!compact_plan(files, 0, FILES_MIN, COMPACT_ANY, &choice));
}
END_TEST

/* Once an hour a few points come for a shard of ten gigabytes whose time is over: after a flush and fifty minutes of rest. */
START_TEST(late_points_do_not_move_gigabytes)
{
    struct shard *shard = calloc(1, sizeof(*shard));
    double much = 1e10;
    shard->files[shard->count++] = (struct compact_file){(uint64_t)much, 0, 600 * WEEK_FLUSHES, true, false};
    for (int hour = 0; hour < 168; hour++) {
        flush(shard, 100000, 600 * hour, 600 * hour + 60, 1);
        for (double rest = 1; rest <= 5; rest++)
            while (merge(shard, rest, 1))
                ;
        ck_assert_uint_le(shard->count, 2 * FILES_MIN);
    }
    ck_assert(shard->merged < much / 50);
    ck_assert(shard->merged < 10 * shard->flushed);
    free(shard);
}
END_TEST

START_TEST(what_is_hidden_is_left_out_some_time)
{
    struct compact_file files[2] = {{.bytes = 1000, .merged = true, .masked = true}, {.bytes = 10}};
    struct compact_choice choice;
    ck_assert(!compact_plan(files, 1, FILES_MIN, 0, &choice));
    ck_assert(!compact_plan(files, 1, FILES_MIN, 2, &choice));
    ck_assert(compact_plan(files, 1, FILES_MIN, 17, &choice));
    ck_assert(compact_plan(files, 2, FILES_MIN, 17, &choice));
    ck_assert_uint_eq(choice.count, 2);
}
END_TEST

START_TEST(any_files_end_within_the_bounds)
{
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 1000; round++) {
        struct shard *shard = calloc(1, sizeof(*shard));
        double before = 0, after = 0;
        shard->count = 1 + (size_t)rand() % 150;
        for (size_t i = 0; i < shard->count; i++) {
            silt_time min = rand() % 1000;
            shard->files[i] = (struct compact_file){(uint64_t)rand() >> rand() % 31, min, min + rand() % 100, rand() % 2, rand() % 8 == 0};
            before += (double)shard->files[i].bytes;
        }
        while (merge(shard, 0, 1))
            ;
        ck_assert_uint_le(shard->count, COMPACT_FILES_MAX);
        ck_assert_uint_le(depth(shard), COMPACT_OVERLAP_MAX);
        for (size_t i = 0; i < shard->count; i++)
            after += (double)shard->files[i].bytes;
        ck_assert(before == after);
        while (merge(shard, 1e12, 1))
            ;
        while (merge(shard, COMPACT_ANY, 1))
            ;
        ck_assert_uint_eq(shard->count, 1);
        free(shard);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compact_plan");
    TCase *tc = tcase_create("compact_plan");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_byte_is_written_three_times_at_most);
    tcase_add_test(tc, files_that_overlap_stay_few);
    tcase_add_test(tc, figures);
    tcase_add_test(tc, few_files_are_left_alone);
    tcase_add_test(tc, asked_for_one_run_there_is_one);
    tcase_add_test(tc, late_points_do_not_move_gigabytes);
    tcase_add_test(tc, what_is_hidden_is_left_out_some_time);
    tcase_add_test(tc, any_files_end_within_the_bounds);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
