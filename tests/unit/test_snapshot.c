/*
 * test_snapshot.c - a snapshot on files that fail: an error or a crash at each operation; the next one is taken all the same, and
 * nothing of it stays behind a start.
 */
#include "silt/snapshot.h"
#include "storage/storage_internal.h"
#include "tests/fault_vfs.h"
#include "tests/run_suite.h"
#include "tests/store_rows.h"

static struct vfs *vfs;

static void open_store(void)
{
    struct silt_storage_options options;

    fixture_options(&options);
    options.data_dir = NULL;
    options.vfs = vfs;
    options.sync_mode = SILT_SYNC_FSYNC;
    options.wal_segment_bytes = 16 << 10;
    fixture_open(&options);
}

static void setup(void)
{
    struct silt_error err;

    vfs = fault_vfs_create(1);
    open_store();
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
    write_int("m", 1, 1);
}

static void teardown(void)
{
    close_store(false);
    fault_vfs_destroy(vfs);
}

static void count_copies(void *arg, const char *name, uint64_t bytes)
{
    *(size_t *)arg += strncmp(name, COPIES_FOLDER "/", strlen(COPIES_FOLDER "/")) == 0;
}

static size_t copies(void)
{
    size_t count = 0;

    fault_vfs_each(vfs, count_copies, &count);
    return count;
}

static enum silt_status take_and_read(struct silt_error *err)
{
    const struct silt_snapshot_file *files;
    struct silt_snapshot *snapshot;
    enum silt_status rc = silt_snapshot_take(storage, &snapshot, err);

    if (rc != SILT_OK)
        return rc;
    size_t count = silt_snapshot_files(snapshot, &files);
    ck_assert_uint_eq(count, 3); /* manifest, data, catalog */
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        char *bytes = silt_malloc(files[i].bytes);
        rc = silt_snapshot_read(snapshot, i, 0, bytes, files[i].bytes, err);
        free(bytes);
    }
    silt_snapshot_release(snapshot);
    return rc;
}

/* What is read while it is taken, and then what it gives. */
START_TEST(a_reading_that_fails_is_an_error)
{
    struct silt_error err;
    int failed = 0;

    must(take_and_read(&err), &err);
    for (uint64_t nth = 1;; nth++, failed++) {
        fault_vfs_fail_read_at(vfs, nth);
        if (take_and_read(&err) == SILT_OK)
            break;
    }
    fault_vfs_fail_read_at(vfs, 0);
    ck_assert_int_gt(failed, 5); /* the catalog's header and pages, the data */
    must(take_and_read(&err), &err);
    ck_assert_uint_eq(copies(), 0);
}
END_TEST

START_TEST(a_change_that_fails_is_an_error)
{
    struct silt_error err;
    bool failed = true;

    for (uint64_t nth = 1; failed; nth++) {
        write_int("m", (silt_time)nth, 1); /* there is something to flush */
        must(silt_storage_flush(storage, &err), &err);
        must(silt_storage_compact_all(storage, &err), &err);
        fault_vfs_fail_at(vfs, nth, SILT_NO_SPACE);
        failed = take_and_read(&err) != SILT_OK;
        if (failed)
            ck_assert_int_eq(err.status, SILT_NO_SPACE);
        fault_vfs_fail_at(vfs, 0, SILT_OK);
        must(take_and_read(&err), &err);
    }
}
END_TEST

/* A crash at the nth operation, if there are so many. */
static bool crash_at(uint64_t nth, size_t *left)
{
    struct silt_error err;

    fault_vfs_crash_at(vfs, nth);
    (void)take_and_read(&err);
    bool crashed = fault_vfs_crashed(vfs);
    fault_vfs_crash_at(vfs, 0);
    (void)silt_storage_close(storage, false, &err);
    if (crashed)
        fault_vfs_restart(vfs);
    *left += copies();
    open_store();
    ck_assert_uint_eq(copies(), 0);
    must(take_and_read(&err), &err);
    return crashed;
}

/* What the operation at the crash did is left to chance: so several times. */
START_TEST(a_crash_leaves_nothing)
{
    size_t left = 0;

    for (int round = 0; round < 12; round++)
        for (uint64_t nth = 1; crash_at(nth, &left); nth++)
            ;
    ck_assert_uint_gt(left, 0); /* or the start's sweep was never needed */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tc = tcase_create("snapshot");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_reading_that_fails_is_an_error);
    tcase_add_test(tc, a_change_that_fails_is_an_error);
    tcase_add_test(tc, a_crash_leaves_nothing);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
