/*
 * test_upkeep.c - flushes and merges of several shards in one store: what one of them does to the others, and to the log.
 */
#include "silt/reader.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "storage/storage_internal.h"
#include "tests/fault_vfs.h"
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#include <check.h>
#include <stdlib.h>

#define HOUR ((int64_t)3600 * 1000000000)
#define BASE (450000 * HOUR)
#define SHARDS 3
#define ROWS 60
#define SEGMENT_BYTES ((uint64_t)16 << 10)
#define LOG_BYTES (FLUSH_LOG_SEGMENTS_MAX * SEGMENT_BYTES)

static struct vfs *vfs;

static void open_store(void)
{
    struct silt_storage_options options;

    fixture_options(&options);
    options.data_dir = NULL;
    options.vfs = vfs;
    options.compact_files_min = 2;
    options.wal_segment_bytes = SEGMENT_BYTES;
    fixture_open(&options);
}

static void setup(void)
{
    struct silt_policy_change change = {.has_shard_duration = true, .shard_duration_ns = HOUR};
    struct silt_error err;

    vfs = fault_vfs_create(1);
    open_store();
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR("p"), &change, &err), &err);
}

static void teardown(void)
{
    close_store(false);
    fault_vfs_destroy(vfs);
}

/* The same rows of the hour, each time: files of a shard overlap, so that a merge has to decode them. */
static void write_series(int hour, const char *series)
{
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    struct silt_layout layout = {SILT_STR("m"), &field, 1};
    struct silt_row rows[ROWS];
    union silt_value values[ROWS];
    struct silt_arena *arena = silt_arena_create(NULL);

    for (uint32_t i = 0; i < ROWS; i++) {
        rows[i] = (struct silt_row){silt_str_from(series), silt_hash(series, strlen(series)), BASE + hour * HOUR + i * (HOUR / ROWS), 0, i, i};
        values[i].i64 = rand();
    }
    struct silt_batch batch = {&layout, 1, rows, ROWS, values, 0};
    ck_assert_uint_eq(write_batch(&batch, "", arena).written, ROWS);
    silt_arena_destroy(arena);
}

static void write_hour(int hour)
{
    write_series(hour, "m,a=b");
}

static void note_name(void *arg, const char *name, uint64_t bytes)
{
    char *first = arg;

    if (strstr(name, ".tsm") && (!*first || strcmp(name, first) < 0))
        strcpy(first, name);
}

/* Of all shards. */
static uint64_t merge_errors(void)
{
    uint64_t errors = 0;

    for (size_t i = 0; i < storage->shard_count; i++)
        errors += atomic_load(&storage->shards[i]->counters.merge_errors);
    return errors;
}

/* Nothing is merged for a damaged file, and again nothing later: but the other shards are. */
START_TEST(one_that_is_damaged_keeps_no_other_waiting)
{
    struct silt_storage_stats stats;
    struct silt_error err;
    char name[VFS_NAME_BYTES_MAX] = "";
    bool did;

    for (int round = 0; round < 2; round++) {
        for (int hour = 0; hour < SHARDS; hour++)
            write_hour(hour);
        must(silt_storage_flush(storage, &err), &err);
    }
    fault_vfs_each(vfs, note_name, name);
    ck_assert_str_ne(name, "");
    for (uint64_t at = 0; at < 64; at += 8) /* wherever its first block begins */
        ck_assert(fault_vfs_flip(vfs, name, at + 16, 0));

    for (int step = 0; step < 3; step++) {
        ck_assert_int_eq(silt_storage_step(storage, &did, &err), step == 0 ? SILT_CORRUPT : SILT_OK);
        ck_assert_int_eq(did, step == 0);
        ck_assert_uint_eq(merge_errors(), 1); /* gigabytes might have been read and written for nothing: it waits */
        silt_storage_stats(storage, &stats);
        ck_assert_uint_eq(stats.file_count, SHARDS + 1);
        ck_assert_uint_eq(stats.compactions, SHARDS - 1);
    }
    ck_assert_int_eq(silt_storage_compact_all(storage, &err), SILT_CORRUPT); /* but not when it is asked for */
    ck_assert_uint_eq(merge_errors(), 2);
}
END_TEST

/* It makes its next segment on its own, some time after a write. */
static void wait_for_the_log(void)
{
    uint64_t seen;

    do {
        seen = fault_vfs_operations(vfs);
        usleep(200000);
    } while (fault_vfs_operations(vfs) != seen);
}

START_TEST(a_merge_without_room_does_not_begin)
{
    struct silt_storage_stats stats;
    struct silt_error err;
    bool did;

    for (int round = 0; round < 2; round++) {
        write_hour(0);
        must(silt_storage_flush(storage, &err), &err);
    }
    wait_for_the_log();
    fault_vfs_full(vfs, true);
    uint64_t operations = fault_vfs_operations(vfs);
    ck_assert_int_eq(silt_storage_step(storage, &did, &err), SILT_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(err.text, "waits for room"));
    ck_assert_uint_eq(fault_vfs_operations(vfs), operations);
    fault_vfs_full(vfs, false);
    must(silt_storage_compact_all(storage, &err), &err);
    silt_storage_stats(storage, &stats);
    ck_assert_uint_eq(stats.file_count, 1);
}
END_TEST

static size_t files(void)
{
    struct silt_storage_stats stats;

    silt_storage_stats(storage, &stats);
    return stats.file_count;
}

static uint64_t bytes_after_steps(void)
{
    struct silt_storage_stats stats;
    struct silt_error err;
    bool did = true;

    for (int i = 0; i < 10 && did; i++)
        must(silt_storage_step(storage, &did, &err), &err);
    ck_assert(!did); /* it comes to rest */
    silt_storage_stats(storage, &stats);
    return stats.file_bytes;
}

static void delete_series(const char *name, silt_time min, silt_time max)
{
    struct silt_tag_filter filter = {.op = SILT_TAG_EQ, .key = SILT_STR("a"), .value = silt_str_from(name)};
    struct silt_error err;

    must(silt_storage_delete(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), &filter}, 1, min, max, &err), &err);
}

/* Room comes back while the shard is in use, as soon as more goes than stays. */
START_TEST(what_is_mostly_deleted_gives_its_room_back)
{
    static const char *const series[] = {"m,a=1", "m,a=2", "m,a=3", "m,a=4", "m,a=5"};
    struct silt_error err;

    for (size_t i = 0; i < 5; i++)
        write_series(0, series[i]);
    must(silt_storage_flush(storage, &err), &err);
    uint64_t whole = bytes_after_steps();
    delete_series("1", SILT_TIME_MIN, SILT_TIME_MAX);
    delete_series("2", SILT_TIME_MIN, SILT_TIME_MAX);
    delete_series("3", BASE, BASE + HOUR / 2); /* of which half is left */
    ck_assert_uint_eq(bytes_after_steps(), whole);
    delete_series("4", SILT_TIME_MIN, SILT_TIME_MAX);
    uint64_t less = bytes_after_steps();
    ck_assert_uint_lt(less, whole * 3 / 4);
    write_series(0, series[0]); /* again, and it stays */
    must(silt_storage_flush(storage, &err), &err);
    ck_assert_uint_gt(bytes_after_steps(), less);
    delete_series("1", SILT_TIME_MIN, SILT_TIME_MAX);
    delete_series("3", SILT_TIME_MIN, SILT_TIME_MAX);
    delete_series("5", SILT_TIME_MIN, SILT_TIME_MAX);
    ck_assert_uint_eq(bytes_after_steps(), 0);
    ck_assert_uint_eq(files(), 0);
}
END_TEST

/* Of a delete nobody knows whether the log has it, and it may be gone after the restart: what merges had left out by then would be
 * missing, and older values of files that were not merged would show. */
START_TEST(a_delete_that_may_not_last_is_not_merged_in)
{
    struct silt_tag_filter filter = {.op = SILT_TAG_EQ, .key = SILT_STR("a"), .value = SILT_STR("b")};
    struct silt_error err;
    bool did;

    write_series(0, "m,a=other");
    write_series(0, "m,a=third");
    for (int round = 0; round < 2; round++) {
        write_hour(0);
        must(silt_storage_flush(storage, &err), &err);
    }
    size_t before = files();
    ck_assert_uint_eq(before, 2);
    fault_vfs_fail_below(vfs, "wal/"); /* for good: the log does not go on before the merge is asked for */
    ck_assert_int_eq(silt_storage_delete(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), &filter}, 1, SILT_TIME_MIN,
                                         SILT_TIME_MAX, &err), SILT_IO);
    ck_assert_int_eq(compact_step(storage, &did, &err), SILT_IO);
    ck_assert_uint_eq(files(), before);
    silt_storage_close(storage, false, &err);
    fault_vfs_restart(vfs);
    open_store();
    must(silt_storage_step(storage, &did, &err), &err);
    ck_assert_uint_eq(files(), 1);
}
END_TEST

/* A shard that is written to no more keeps the log of all others from being cut: until that is long. */
START_TEST(a_quiet_shard_does_not_hold_the_log_for_long)
{
    struct silt_storage_stats stats;
    struct silt_error err;
    bool did;

    write_hour(0);
    for (int i = 0; i < 40 && files() == 0; i++) {
        write_hour(1);
        must(silt_storage_step(storage, &did, &err), &err);
    }
    ck_assert_uint_eq(files(), 0); /* not early */
    for (int i = 0; i < 2000; i++) {
        write_hour(1 + i % 2);
        must(silt_storage_step(storage, &did, &err), &err);
        silt_storage_stats(storage, &stats);
        ck_assert_uint_le(stats.wal_bytes, LOG_BYTES + 8 * SEGMENT_BYTES); /* spare ones, and those cut a little later */
    }
    ck_assert_uint_gt(files(), 0);
    ck_assert_uint_lt(stats.flushes, 200);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upkeep");
    TCase *tc = tcase_create("upkeep");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, one_that_is_damaged_keeps_no_other_waiting);
    tcase_add_test(tc, a_merge_without_room_does_not_begin);
    tcase_add_test(tc, what_is_mostly_deleted_gives_its_room_back);
    tcase_add_test(tc, a_delete_that_may_not_last_is_not_merged_in);
    tcase_add_test(tc, a_quiet_shard_does_not_hold_the_log_for_long);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
