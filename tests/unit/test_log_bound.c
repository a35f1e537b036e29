/*
 * test_log_bound.c - the log stays short while memory is far from full: a start has to read all of it.
 *
 * One group gets a row and then no more, another is written to without end. What the first has in memory must not keep all records
 * of the second in the log.
 */
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/run_suite.h"
#include "tests/store_fixture.h"
#include "tests/wait_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT_BYTES ((uint64_t)64 << 10)
#define VALUE_BYTES ((size_t)30 << 10)
#define WEEK_NS ((int64_t)7 * 86400 * 1000000000)
#define ROWS 300


static void open_store(void)
{
    struct silt_storage_options options;
    fixture_options(&options);
    options.wal_segment_bytes = SEGMENT_BYTES;
    fixture_open(&options);
}

static void setup(void)
{
    struct silt_error err;
    make_folder();
    open_store();
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
}

static void teardown(void)
{
    remove_folder();
}

static void write_row(silt_time time, size_t value_bytes)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_STRING};
    struct silt_layout layout = {SILT_STR("m"), &field, 1};
    struct silt_row row = {SILT_STR("m,a=b"), silt_hash("m,a=b", 5), time, 0, 0, 0};
    char *text = silt_arena_alloc(arena, value_bytes);
    for (size_t i = 0; i < value_bytes; i++)
        text[i] = (char)('a' + rand() % 26);
    union silt_value value = {.string = silt_arena_bytes_copy(arena, (struct silt_str){text, value_bytes})};
    struct silt_batch batch = {&layout, 1, &row, 1, &value, 0};
    struct silt_write_report report;
    struct silt_error err;
    enum silt_status durable;
    must(write_and_wait(storage, "d", "", &batch, arena, &report, &durable, &err), &err);
    ck_assert_int_eq(durable, SILT_OK);
    silt_arena_destroy(arena);
}

START_TEST(rows_that_came_long_ago_do_not_keep_the_log)
{
    struct silt_storage_stats stats;
    struct silt_error err;
    bool did;
    write_row(1, 10);
    for (int i = 0; i < ROWS; i++) {
        write_row(9 * WEEK_NS + i, VALUE_BYTES);
        must(silt_storage_step(storage, &did, &err), &err);
    }
    silt_storage_stats(storage, &stats);
    ck_assert_uint_lt(stats.wal_bytes, 48 * SEGMENT_BYTES); /* 9 MB were written */
    must(silt_storage_close(storage, false, &err), &err);
    open_store();
    silt_storage_stats(storage, &stats);
    ck_assert_uint_eq(stats.shard_count, 2);
    ck_assert_uint_ge(stats.values_on_disk, 1 + ROWS / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_bound");
    TCase *test_case = tcase_create("log_bound");
    tcase_add_checked_fixture(test_case, setup, teardown);
    tcase_add_test(test_case, rows_that_came_long_ago_do_not_keep_the_log);
    tcase_set_timeout(test_case, 60);
    suite_add_tcase(suite, test_case);
    return run_suite(suite);
}
