/*
 * test_folders.c - a shard's folder that somebody removed is missed at the next start; one that was never made is not.
 */
#include "silt/reader.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/run_suite.h"
#include "tests/store_fixture.h"
#include "tests/wait_write.h"

#include <check.h>

static enum silt_status try_open(struct silt_error *err)
{
    struct silt_storage_options options;
    fixture_options(&options);
    storage = NULL;
    return silt_storage_open(&options, &storage, err);
}

static void reopen(bool flush)
{
    struct silt_error err;
    close_store(flush);
    must(try_open(&err), &err);
}

static void write_row(int64_t value)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    struct silt_layout layout = {SILT_STR("m"), &field, 1};
    struct silt_str text = SILT_STR("m,s=a");
    struct silt_row row = {text, silt_hash(text.p, text.len), value, 0, 0, 0};
    union silt_value values[1] = {{.i64 = value}};
    struct silt_batch batch = {&layout, 1, &row, 1, values, 0};
    struct silt_write_report report;
    enum silt_status durable;
    struct silt_error err;
    must(write_and_wait(storage, "d", "", &batch, arena, &report, &durable, &err), &err);
    silt_arena_destroy(arena);
}

static void setup(void)
{
    struct silt_error err;
    make_folder();
    must(try_open(&err), &err);
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
    write_row(1);
}

static void remove_shards(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s/shards/*", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Flushed by itself, or at the stop, as the first thing or after a restart. */
START_TEST(a_removed_folder_is_missed)
{
    struct silt_error err;
    if (_i & 1)
        reopen(false);
    if (_i & 2)
        must(silt_storage_flush(storage, &err), &err);
    close_store(!(_i & 2));
    remove_shards();
    ck_assert_int_eq(try_open(&err), SILT_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "shards/1/MANIFEST: missing"));
    ck_assert_int_eq(try_open(&err), SILT_CORRUPT);
}
END_TEST

START_TEST(what_is_in_the_log_alone_has_none)
{
    for (int i = 0; i < 3; i++)
        reopen(false);
}
END_TEST

START_TEST(a_dropped_shard_is_not_missed)
{
    struct silt_error err;
    bool did;
    must(silt_storage_flush(storage, &err), &err);
    must(silt_storage_drop_shard(storage, 1, &err), &err);
    must(silt_storage_step(storage, &did, &err), &err);
    reopen(false);
    write_row(2);
    reopen(true);
    reopen(true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("folders");
    TCase *tc = tcase_create("folders");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, remove_folder);
    tcase_add_loop_test(tc, a_removed_folder_is_missed, 0, 4);
    tcase_add_test(tc, what_is_in_the_log_alone_has_none);
    tcase_add_test(tc, a_dropped_shard_is_not_missed);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
