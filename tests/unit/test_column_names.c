/*
 * test_column_names.c - column_names against the plain rule: the first of name, name_1, name_2, ... that is free.
 */
#include "query/column_names.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

static struct silt_arena *arena;

static void setup(void)
{
    arena = silt_arena_create(NULL);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
}

START_TEST(first_free)
{
    static const char *const wanted[][2] = {{"v", "v"},     {"v", "v_2"},     {"v", "v_3"}, {"v_1", "v_1_1"}, {"w", "w"},
                                            {"v_2", "v_2_1"}, {"v", "v_4"}, {"", ""},     {"", "_1"}};
    const size_t count = sizeof(wanted) / sizeof(wanted[0]);
    struct column_names *names = column_names_create(count + 1, arena);
    column_names_take(names, SILT_STR("v_1"), arena);
    column_names_take(names, SILT_STR("v_1"), arena);
    for (size_t i = 0; i < count; i++) {
        struct silt_str got = column_names_choose(names, silt_str_from(wanted[i][0]), arena);
        ck_assert_msg(silt_str_equal(got, silt_str_from(wanted[i][1])), "%zu: %.*s", i, SILT_FMT(got));
    }
}
END_TEST

START_TEST(many_of_one_name)
{
    struct column_names *names = column_names_create(200000, arena);
    struct silt_str got = {NULL, 0};
    for (size_t i = 0; i < 200000; i++)
        got = column_names_choose(names, SILT_STR("v"), arena);
    ck_assert(silt_str_equal(got, SILT_STR("v_199999")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("column_names");
    TCase *tcase = tcase_create("column_names");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, first_free);
    tcase_add_test(tcase, many_of_one_name);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
