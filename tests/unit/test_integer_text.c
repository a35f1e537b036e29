/*
 * test_integer_text.c - the quick ways to write numbers and times against the plain ones.
 */
#include "server/integer_text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void check_text(const char *have, const char *end, const char *want, size_t len)
{
    ck_assert_uint_eq((size_t)(end - have), len);
    ck_assert_int_eq(memcmp(have, want, len), 0);
}

START_TEST(whole_doubles)
{
    const double sizes[] = {0, 0.5, 0.999, 1, 1.5, 9, 10, 99, 100, 999, 999.5, 1000, 1e15, 1e21, 5e-324, 1.7976931348623157e308};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int sign = -1; sign < 2; sign += 2) {
            char have[64], want[SILT_NUMBER_TEXT_MAX + 1];
            double value = sign * sizes[i];
            size_t len = silt_write_double_json(want, value);
            check_text(have, put_double(have, value), want, len);
        }
}
END_TEST

static void check_times(const silt_time *times, size_t count, int64_t epoch_ns)
{
    struct epoch_text last = {0};

    for (size_t i = 0; i < count; i++)
        for (int again = 0; again < 2; again++) {
            char have[64], want[32];
            size_t len = silt_write_int(want, times[i] / epoch_ns);
            check_text(have, epoch_text_put(&last, have, times[i], epoch_ns), want, len);
        }
}

/* Heads that stay, change, grow and go; times below eight digits and below zero between them. */
START_TEST(times_in_a_row)
{
    const silt_time times[] = {0, -1, 99999999, 100000000, 100000001, 9999999999, 10000000000, 1451606400000000000,
                               1451606400000000001, 1451606410000000000, 1451606399999999999, 5, 1451606410000000000,
                               -1451606410000000000, 100000000, INT64_MAX, INT64_MIN, INT64_MAX};
    const int64_t epochs[] = {1, 1000, 1000000, 1000000000, 3600000000000};

    for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++)
        check_times(times, sizeof(times) / sizeof(times[0]), epochs[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integer text");
    TCase *tcase = tcase_create("integer text");
    tcase_add_test(tcase, whole_doubles);
    tcase_add_test(tcase, times_in_a_row);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
