/*
 * test_query_registry.c - who runs is listed in order, counted, bounded, and killed once.
 */
#include "server/query_registry.h"
#include "tests/run_suite.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

static struct query_registry registry;
static struct silt_arena *arena;
static struct silt_query *query;
static struct silt_error err;

static void setup(void)
{
    query_registry_init(&registry);
    arena = silt_arena_create(NULL);
    ck_assert_int_eq(silt_query_parse(SILT_STR("select v from m; show users"), NULL, 0, arena, &query, &err), SILT_OK);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
    query_registry_deinit(&registry);
}

static struct silt_str cell(const struct silt_table *table, size_t row, size_t column)
{
    ck_assert_uint_lt(row, table->row_count);
    return table->cells[row * 8 + column].string;
}

START_TEST(listed_while_they_run)
{
    struct query_task a = {.query = query, .database = SILT_STR("d")}, b = a, c = a;
    struct silt_table table;
    ck_assert_int_eq(query_registry_enter(&registry, &a, 0, &err), SILT_OK);
    ck_assert_int_eq(query_registry_enter(&registry, &b, 0, &err), SILT_OK);
    ck_assert_int_eq(query_registry_enter(&registry, &c, 3, &err), SILT_OK);
    query_registry_leave(&registry, &b);
    query_registry_show(&registry, arena, &table);
    ck_assert_uint_eq(table.row_count, 2);
    ck_assert_int_eq(table.cells[0].i64, 1);
    ck_assert_int_eq(table.cells[8].i64, 3);
    ck_assert(silt_str_equal(cell(&table, 0, 1), SILT_STR("SELECT v FROM m;\nSHOW USERS")));
    ck_assert(silt_str_equal(cell(&table, 1, 2), SILT_STR("d")));
    query_registry_leave(&registry, &c);
    ck_assert_int_eq(query_registry_enter(&registry, &b, 0, &err), SILT_OK); /* at the end, which was c's */
    query_registry_show(&registry, arena, &table);
    ck_assert_int_eq(table.cells[8].i64, 4);
    query_registry_leave(&registry, &a);
    query_registry_leave(&registry, &b);
    query_registry_show(&registry, arena, &table);
    ck_assert_uint_eq(table.row_count, 0);
    struct query_registry_counts counts;
    query_registry_counts(&registry, &counts);
    ck_assert_uint_eq(counts.active, 0);
    ck_assert_uint_eq(counts.executed, 4);
    ck_assert_uint_eq(counts.finished, 4);
}
END_TEST

START_TEST(shows_what_was_counted)
{
    _Atomic uint64_t rows = 7, bytes = 70;
    struct silt_budget memory;
    struct silt_table table;
    silt_budget_init(&memory, "m", SIZE_MAX, NULL);
    struct query_task a = {.query = query, .rows = &rows, .bytes = &bytes, .memory = &memory}, b = {.query = query};
    ck_assert_int_eq(query_registry_enter(&registry, &a, 0, &err), SILT_OK);
    ck_assert_int_eq(query_registry_enter(&registry, &b, 0, &err), SILT_OK);
    ck_assert_int_eq(silt_budget_charge(&memory, 700, &err), SILT_OK);
    rows = 8;
    query_registry_show(&registry, arena, &table);
    ck_assert_uint_eq(table.head.column_count, 8);
    ck_assert_int_eq(table.cells[5].i64, 8);
    ck_assert_int_eq(table.cells[6].i64, 70);
    ck_assert_int_eq(table.cells[7].i64, 700);
    ck_assert_int_eq(table.cells[15].i64, 0);
    query_registry_leave(&registry, &a);
    query_registry_leave(&registry, &b);
}
END_TEST

START_TEST(not_more_than_allowed)
{
    struct query_task a = {.query = query}, b = a;
    ck_assert_int_eq(query_registry_enter(&registry, &a, 1, &err), SILT_OK);
    ck_assert_int_eq(query_registry_enter(&registry, &b, 1, &err), SILT_LIMIT);
    ck_assert_str_eq(err.text, "max-concurrent-queries limit exceeded(1, 1)");
    query_registry_leave(&registry, &a);
    ck_assert_int_eq(query_registry_enter(&registry, &b, 1, &err), SILT_OK);
    query_registry_leave(&registry, &b);
}
END_TEST

START_TEST(what_was_tried_is_not_counted)
{
    struct query_task a = {.query = query};
    struct query_registry_counts counts;
    struct silt_table table;
    ck_assert_int_eq(query_registry_enter(&registry, &a, 0, &err), SILT_OK);
    a.again = true;
    query_registry_leave(&registry, &a);
    a.again = false;
    a.tried = true;
    ck_assert_int_eq(query_registry_enter(&registry, &a, 0, &err), SILT_OK);
    query_registry_show(&registry, arena, &table);
    ck_assert_uint_eq(table.row_count, 0);
    query_registry_leave(&registry, &a);
    query_registry_counts(&registry, &counts);
    ck_assert_uint_eq(counts.active, 0);
    ck_assert_uint_eq(counts.executed, 1);
    ck_assert_uint_eq(counts.finished, 1);
}
END_TEST

START_TEST(killed_once)
{
    struct query_task a = {.query = query};
    struct silt_table table;
    ck_assert_int_eq(query_registry_kill(&registry, 1, &err), SILT_NOT_FOUND);
    ck_assert_str_eq(err.text, "no such query id: 1");
    ck_assert_int_eq(query_registry_enter(&registry, &a, 0, &err), SILT_OK);
    ck_assert(!a.killed);
    ck_assert_int_eq(query_registry_kill(&registry, 1, &err), SILT_OK);
    ck_assert(a.killed);
    ck_assert_int_eq(query_registry_kill(&registry, 1, &err), SILT_CONFLICT);
    ck_assert_str_eq(err.text, "already killed");
    query_registry_show(&registry, arena, &table);
    ck_assert(silt_str_equal(cell(&table, 0, 4), SILT_STR("killed")));
    query_registry_leave(&registry, &a);
    ck_assert_int_eq(query_registry_enter(&registry, &a, 0, &err), SILT_OK);
    ck_assert(!a.killed);
    query_registry_leave(&registry, &a);
}
END_TEST

static void *come_and_go(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct query_task task = {.query = query, .database = SILT_STR("d")};
        struct silt_error ignored;
        ck_assert_int_eq(query_registry_enter(&registry, &task, 0, &ignored), SILT_OK);
        if (i % 16 == 0)
            query_registry_kill(&registry, task.id - 1, &ignored);
        query_registry_leave(&registry, &task);
    }
    return NULL;
}

START_TEST(many_threads)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    struct silt_arena *own = silt_arena_create(NULL);
    for (int i = 0; i < 200; i++) {
        struct silt_table table;
        silt_arena_reset(own);
        query_registry_show(&registry, own, &table);
        ck_assert_uint_le(table.row_count, 4);
    }
    silt_arena_destroy(own);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct query_registry_counts counts;
    query_registry_counts(&registry, &counts);
    ck_assert_uint_eq(counts.finished, 8000);
    ck_assert_uint_eq(counts.active, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_registry");
    TCase *tcase = tcase_create("query_registry");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, listed_while_they_run);
    tcase_add_test(tcase, shows_what_was_counted);
    tcase_add_test(tcase, not_more_than_allowed);
    tcase_add_test(tcase, what_was_tried_is_not_counted);
    tcase_add_test(tcase, killed_once);
    tcase_add_test(tcase, many_threads);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
