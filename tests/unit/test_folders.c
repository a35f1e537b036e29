/*
 * test_folders.c - a shard's folder that somebody removed is missed at the next start; one that was never made is not.
 */
#include "tests/run_suite.h"
#include "tests/store_rows.h"

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

static void setup(void)
{
    struct silt_error err;
    make_folder();
    must(try_open(&err), &err);
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
    write_int("m,s=a", 1, 1);
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
    write_int("m,s=a", 2, 2);
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
