/*
 * test_upkeep.c - flushes and merges of several shards in one store: what one of them does to the others, and to the log.
 */
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/fault_vfs.h"
#include "tests/wait_write.h"

#include <check.h>
#include <stdlib.h>

#define HOUR ((int64_t)3600 * 1000000000)
#define BASE (450000 * HOUR)
#define SHARDS 3
#define ROWS 60
#define SEGMENT_BYTES ((uint64_t)16 << 10)
#define LOG_BYTES (32 * SEGMENT_BYTES) /* as storage/flush.c has it */

static struct vfs *vfs;
static struct silt_storage *storage;

static void must(enum silt_status rc, const struct silt_error *err)
{
    if (rc != SILT_OK)
        ck_abort_msg("%s", err->text);
}

static void open_store(void)
{
    struct silt_storage_options options;
    struct silt_error err;

    silt_storage_options_init(&options);
    options.vfs = vfs;
    options.sync_mode = SILT_SYNC_OFF;
    options.background_off = true;
    options.compact_files_max = 2;
    options.wal_segment_bytes = SEGMENT_BYTES;
    must(silt_storage_open(&options, &storage, &err), &err);
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
    struct silt_error err;

    must(silt_storage_close(storage, false, &err), &err);
    fault_vfs_destroy(vfs);
}

/* The same rows of the hour, each time: files of a shard overlap, so that a merge has to decode them. */
static void write_hour(int hour)
{
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    struct silt_layout layout = {SILT_STR("m"), &field, 1};
    struct silt_row rows[ROWS];
    union silt_value values[ROWS];
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_write_report report;
    enum silt_status durable;
    struct silt_error err;

    for (uint32_t i = 0; i < ROWS; i++) {
        rows[i] = (struct silt_row){SILT_STR("m,a=b"), silt_hash("m,a=b", 5), BASE + hour * HOUR + i * (HOUR / ROWS), 0, i, i};
        values[i].i64 = rand();
    }
    struct silt_batch batch = {&layout, 1, rows, ROWS, values, 0};
    must(write_and_wait(storage, "d", "", &batch, arena, &report, &durable, &err), &err);
    ck_assert_uint_eq(report.rejection_count, 0);
    silt_arena_destroy(arena);
}

static void note_name(void *arg, const char *name, uint64_t bytes)
{
    char *first = arg;

    if (strstr(name, ".tsm") && (!*first || strcmp(name, first) < 0))
        strcpy(first, name);
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
        ck_assert_int_eq(silt_storage_step(storage, &did, &err), SILT_CORRUPT);
        ck_assert_int_eq(did, step == 0);
        silt_storage_stats(storage, &stats);
        ck_assert_uint_eq(stats.file_count, SHARDS + 1);
        ck_assert_uint_eq(stats.compactions, SHARDS - 1);
    }
}
END_TEST

static size_t files(void)
{
    struct silt_storage_stats stats;

    silt_storage_stats(storage, &stats);
    return stats.file_count;
}

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
    tcase_add_test(tc, a_quiet_shard_does_not_hold_the_log_for_long);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
