/*
 * test_kept_numbers.c - numbers of every width, in runs of any length, against the same kept as plain doubles.
 */
#include "query/kept_numbers.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

#define COUNT_MAX (5 * KEPT_PIECE_NUMBERS)

static double values[COUNT_MAX];

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static double number(unsigned kind)
{
    int64_t r = (int64_t)next_random();

    switch (kind) {
    case 0: return (double)(r % 32768);
    case 1: return (double)(int32_t)r;
    case 2: return (double)r / 3;
    case 3: return r % 1000 ? (double)(r % 100) : r & 1 ? INT32_MAX : INT32_MIN;
    case 4: return r % 1000 ? (double)(r % 100) : r & 1 ? INT16_MAX : INT16_MIN;
    case 5: return r % 2000 ? (double)(r % 100) : 1e300;
    case 6: return r % 2000 ? -0.0 : 0.5;
    default: return (double)INT32_MIN - (double)(r & 1);
    }
}

START_TEST(squares)
{
    static const size_t counts[] = {0, 1, 6, KEPT_PIECE_NUMBERS - 1, KEPT_PIECE_NUMBERS, KEPT_PIECE_NUMBERS + 1, COUNT_MAX};
    struct kept_numbers kept;
    struct silt_error err;

    kept_numbers_init(&kept, NULL);
    for (unsigned kind = 0; kind < 9; kind++)
        for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
            double mean = number(kind), want = 0, *to;
            for (size_t done = 0, room; done < counts[c]; done += room) {
                ck_assert_int_eq(kept_numbers_room(&kept, &to, &room, &err), SILT_OK);
                ck_assert_uint_gt(room, 0);
                size_t some = 1 + next_random() % 3000;
                room = room < some ? room : some;
                room = room < counts[c] - done ? room : counts[c] - done;
                for (size_t i = 0; i < room; i++)
                    to[i] = values[done + i] = number(kind < 8 ? kind : (unsigned)((done + i) / KEPT_PIECE_NUMBERS));
                kept_numbers_took(&kept, room);
            }
            for (size_t i = 0; i < counts[c]; i++)
                want += (values[i] - mean) * (values[i] - mean);
            double got = kept_numbers_squares(&kept, mean);
            ck_assert_msg(got == want, "kind %u, %zu numbers: %.17g instead of %.17g", kind, counts[c], got, want);
            kept_numbers_clear(&kept);
        }
    kept_numbers_deinit(&kept);
}
END_TEST

START_TEST(whole_numbers_take_little)
{
    struct kept_numbers kept;
    struct silt_error err;
    double *to;
    size_t room;

    kept_numbers_init(&kept, NULL);
    for (size_t done = 0; done < 100 * KEPT_PIECE_NUMBERS; done += room) {
        ck_assert_int_eq(kept_numbers_room(&kept, &to, &room, &err), SILT_OK);
        for (size_t i = 0; i < room; i++)
            to[i] = (double)(i % 100);
        kept_numbers_took(&kept, room);
    }
    ck_assert_uint_lt(silt_arena_bytes(kept.arena), (size_t)100 * KEPT_PIECE_NUMBERS * 3);
    kept_numbers_deinit(&kept);
}
END_TEST

START_TEST(over_budget)
{
    struct silt_budget budget;
    struct kept_numbers kept;
    struct silt_error err;
    enum silt_status rc;
    double *to;
    size_t room, pieces = 0;

    silt_budget_init(&budget, "test", 100000, NULL);
    kept_numbers_init(&kept, &budget);
    while ((rc = kept_numbers_room(&kept, &to, &room, &err)) == SILT_OK && pieces++ < 100) {
        for (size_t i = 0; i < room; i++)
            to[i] = 0.1;
        kept_numbers_took(&kept, room);
    }
    ck_assert_int_eq(rc, SILT_LIMIT);
    kept_numbers_deinit(&kept);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept_numbers");
    TCase *tests = tcase_create("kept_numbers");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, squares);
    tcase_add_test(tests, whole_numbers_take_little);
    tcase_add_test(tests, over_budget);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
