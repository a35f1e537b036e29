/*
 * test_series_limits.c - which series are refused, with what text, and that those which exist are not.
 */
#include "storage/series_index.h"

#include "silt/text.h"
#include "tests/make_series.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>

static enum silt_status resolve(struct series_index *index, const char *format, int number, silt_series_id *id,
                                struct silt_error *err)
{
    char buffer[100];
    snprintf(buffer, sizeof(buffer), format, number);
    *id = make_series(index, silt_str_from(buffer), false, NULL, err);
    return *id ? SILT_OK : err->status;
}

static void refused(struct series_index *index, const char *format, int number, const char *text)
{
    silt_series_id id;
    struct silt_error err;
    ck_assert_int_eq(resolve(index, format, number, &id, &err), SILT_LIMIT);
    ck_assert_str_eq(err.text, text);
}

static silt_series_id made(struct series_index *index, const char *format, int number)
{
    silt_series_id id;
    struct silt_error err;
    ck_assert_msg(resolve(index, format, number, &id, &err) == SILT_OK, "%s", err.text);
    return id;
}

START_TEST(series_of_a_database)
{
    struct series_index *index = series_index_create(NULL);
    series_index_limit(index, (struct series_limits){.series = 3});
    silt_series_id first = made(index, "m,h=%d", 0);
    made(index, "m,h=%d", 1);
    made(index, "n", 0);
    refused(index, "m,h=%d", 2, "max-series-per-database limit exceeded: (3)");
    ck_assert_uint_eq(made(index, "m,h=%d", 0), first);
    series_index_remove(index, &first, 1);
    made(index, "m,h=%d", 2);
    refused(index, "m,h=%d", 0, "max-series-per-database limit exceeded: (3)");
    series_index_destroy(index);
}
END_TEST

START_TEST(values_of_a_tag)
{
    struct series_index *index = series_index_create(NULL);
    silt_series_id ids[10];
    series_index_limit(index, (struct series_limits){.series = 12, .tag_values = 10});
    for (int i = 0; i < 10; i++)
        ids[i] = made(index, "m,h=%d,z=1", i);
    refused(index, "m,h=%d", 10, "max-values-per-tag limit exceeded (10/10): measurement=\"m\" tag=\"h\" value=\"10\"");
    made(index, "n,h=%d", 10); /* of another measurement */
    made(index, "m,h=3,z=%d", 2);
    series_index_remove(index, ids, 4); /* h=3 stays: z=2 has it */
    for (int i = 10; i < 13; i++)
        made(index, "m,h=%d", i);
    refused(index, "m,h=%d", 13, "max-values-per-tag limit exceeded (10/10): measurement=\"m\" tag=\"h\" value=\"13\"");
    made(index, "m,h=3,q=%d", 1);
    refused(index, "m,h=4,q=%d", 7, "max-series-per-database limit exceeded: (12)");
    series_index_destroy(index);
}
END_TEST

START_TEST(memory_names_the_tag)
{
    struct silt_budget budget;
    struct silt_error err = {0};
    silt_series_id id = 0;
    char text[200];
    silt_budget_init(&budget, "series index memory", 600000, NULL);
    struct series_index *index = series_index_create(&budget);
    made(index, "other,h=%d", 0);
    int count = 0;
    while (count < 100000 && resolve(index, "m,zone=a,id=%d", count, &id, &err) == SILT_OK)
        count++;
    ck_assert_int_gt(count, 500);
    ck_assert_int_lt(count, 100000);
    snprintf(text, sizeof(text), "memory of the series index is used up (%zu of 600000 bytes): tag \"id\" of measurement \"m\" has %d values",
             (size_t)atomic_load(&budget.used_bytes), count);
    ck_assert_str_eq(err.text, text);
    refused(index, "other,h=%d", 1, text); /* the tag to blame is another one */
    made(index, "m,zone=a,id=%d", count / 2);
    series_index_destroy(index);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series limits");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, series_of_a_database);
    tcase_add_test(tcase, values_of_a_tag);
    tcase_add_test(tcase, memory_names_the_tag);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
