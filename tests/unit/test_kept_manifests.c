/*
 * test_kept_manifests.c - manifests of shards at rest are in the catalog until they change: what a start makes of each state that a
 * crash, or somebody, may leave.
 */
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#include <check.h>
#include <sys/stat.h>

#define WEEK_NS ((silt_time)7 * 86400 * 1000000000)

static uint32_t manifests_min;
static uint64_t compact_rest_ms; /* 0: the default */

static enum silt_status try_open(struct silt_error *err)
{
    struct silt_storage_options options;
    fixture_options(&options);
    options.manifests_min = manifests_min;
    options.compact_rest_ms = compact_rest_ms;
    storage = NULL;
    return silt_storage_open(&options, &storage, err);
}

static void open_store(void)
{
    struct silt_error err;
    must(try_open(&err), &err);
}

static void setup(void)
{
    struct silt_error err;
    manifests_min = 1;
    compact_rest_ms = 0;
    make_folder();
    open_store();
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
}

static bool has_file(int shard)
{
    char path[128];
    struct stat facts;
    snprintf(path, sizeof(path), "%s/shards/%d/MANIFEST", folder, shard);
    return stat(path, &facts) == 0;
}

static void in_shard(const char *command)
{
    char line[256];
    snprintf(line, sizeof(line), "cd %s/shards/1 && %s", folder, command);
    ck_assert_int_eq(system(line), 0);
}

static void flush(void)
{
    struct silt_error err;
    must(silt_storage_flush(storage, &err), &err);
}

/* A stop takes the file away, a change brings it back. */
START_TEST(only_what_changes_has_a_file)
{
    for (int life = 1; life <= 4; life++) {
        write_int("m,s=a", life, life);
        flush();
        ck_assert(has_file(1));
        close_store(true);
        ck_assert(!has_file(1));
        open_store();
        ck_assert_uint_eq(row_count(), (size_t)life);
        ck_assert(!has_file(1)); /* reading needs none */
    }
}
END_TEST

START_TEST(a_few_keep_theirs)
{
    manifests_min = 0;
    for (int i = 1; i <= 8; i++) {
        close_store(true);
        for (int shard = 1; shard < i; shard++)
            ck_assert(has_file(shard));
        open_store();
        write_int("m,s=a", i * WEEK_NS, i);
    }
    close_store(true);
    for (int shard = 1; shard <= 8; shard++)
        ck_assert(!has_file(shard));
    open_store();
    ck_assert_uint_eq(row_count(), 8);
}
END_TEST

/* While the store runs: what nobody has written to for twice the time of rest. */
START_TEST(at_rest_none_has_one)
{
    struct silt_error err;
    bool did;
    close_store(true);
    compact_rest_ms = 20;
    open_store();
    write_int("m,s=a", 1, 1);
    flush();
    usleep(100000);
    must(silt_storage_step(storage, &did, &err), &err);
    ck_assert(!has_file(1));
    write_int("m,s=a", 2, 2);
    flush();
    ck_assert(has_file(1));
    ck_assert_uint_eq(row_count(), 2);
    close_store(false);
    open_store();
    ck_assert_uint_eq(row_count(), 2);
}
END_TEST

/* A crash: the catalog has it, and the file is still there, or again. */
START_TEST(a_file_counts_more_than_the_catalog)
{
    write_int("m,s=a", 1, 1);
    flush();
    in_shard("cp MANIFEST ../before");
    close_store(true);
    in_shard("mv ../before MANIFEST");
    open_store();
    ck_assert_uint_eq(row_count(), 1);
    write_int("m,s=a", 2, 2);
    flush();
    in_shard("cp MANIFEST ../before");
    close_store(true);
    in_shard("mv ../before MANIFEST");
    open_store();
    ck_assert_uint_eq(row_count(), 2);
}
END_TEST

/* Once there is a file again, the catalog's is forgotten: it would give an older state for the file's. */
START_TEST(a_lost_file_is_missed_all_the_same)
{
    struct silt_error err;
    write_int("m,s=a", 1, 1);
    close_store(true);
    open_store();
    write_int("m,s=a", 2, 2);
    flush();
    close_store(false);
    in_shard("rm MANIFEST");
    ck_assert_int_eq(try_open(&err), SILT_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "shards/1/MANIFEST: missing"));
}
END_TEST

START_TEST(a_lost_folder_is_missed_all_the_same)
{
    struct silt_error err;
    write_int("m,s=a", 1, 1);
    close_store(true);
    in_shard("rm -r ../1");
    ck_assert_int_ne(try_open(&err), SILT_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "shards/1/0000000000000001.tsm"));
}
END_TEST

START_TEST(a_dropped_shard_takes_its_own_along)
{
    struct silt_error err;
    write_int("m,s=a", 1, 1);
    close_store(true);
    open_store();
    must(silt_storage_drop_shard(storage, 1, &err), &err);
    for (int life = 0; life < 2; life++) {
        close_store(true);
        open_store();
        ck_assert_uint_eq(row_count(), 0);
    }
    write_int("m,s=a", 2, 2);
    close_store(true);
    open_store();
    ck_assert_uint_eq(row_count(), 1);
}
END_TEST

/* A merge and a delete change it as a flush does. */
START_TEST(merges_and_deletes_find_it)
{
    struct silt_error err;
    for (int i = 1; i <= 3; i++) {
        write_int("m,s=a", i, i);
        flush();
    }
    close_store(true);
    open_store();
    must(silt_storage_compact_all(storage, &err), &err);
    ck_assert(has_file(1));
    close_store(true);
    open_store();
    must(silt_storage_delete(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), NULL}, 1, 2, 2, &err), &err);
    close_store(true);
    ck_assert(!has_file(1));
    open_store();
    ck_assert_uint_eq(row_count(), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept_manifests");
    TCase *tc = tcase_create("kept_manifests");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, remove_folder);
    tcase_add_test(tc, only_what_changes_has_a_file);
    tcase_add_test(tc, a_few_keep_theirs);
    tcase_add_test(tc, at_rest_none_has_one);
    tcase_add_test(tc, a_file_counts_more_than_the_catalog);
    tcase_add_test(tc, a_lost_file_is_missed_all_the_same);
    tcase_add_test(tc, a_lost_folder_is_missed_all_the_same);
    tcase_add_test(tc, a_dropped_shard_takes_its_own_along);
    tcase_add_test(tc, merges_and_deletes_find_it);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
