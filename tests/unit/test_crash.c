/*
 * test_crash.c - the store on files that fail: crash at the n-th operation for n = 1, 2, 3, ... until a run meets none (all
 * of them with LONG=1 in the environment, else a choice by the seed).
 *
 * Each run writes batches to two shards, deletes, flushes and merges, over the file layer that forgets at a crash what was
 * not durable. Afterwards every acknowledged batch is there; every other is there whole or not at all; what was deleted and
 * acknowledged is gone. A second series of runs lets operations fail instead of crashing: the store then refuses or goes
 * on, but loses nothing it acknowledged.
 */
#include "silt/reader.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/fault_vfs.h"
#include "tests/run_suite.h"
#include "tests/wait_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCHES 24
#define ROWS 40
#define WEEK_NS ((int64_t)604800 * 1000000000)

enum fate { NOT_SENT, UNKNOWN, ACKNOWLEDGED };

struct run {
    struct silt_storage *storage;
    struct vfs *vfs;
    enum fate batches[BATCHES];
    enum fate deletes[BATCHES]; /* of the batch's rows, all of them */
};

static enum silt_status open_store(struct run *run, struct silt_error *err)
{
    struct silt_storage_options options;
    silt_storage_options_init(&options);
    options.vfs = run->vfs;
    options.background_off = true;
    options.compact_files_min = 3;
    options.manifests_min = 1;
    options.wal_segment_bytes = 2 << 10; /* a run goes through several */
    return silt_storage_open(&options, &run->storage, err);
}

/* Batch b: its rows have value b, in four series of its own kind, each row in one of two shards. */
static void write_batch(struct run *run, int b)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    struct silt_layout layout = {SILT_STR("m"), &field, 1};
    struct silt_row rows[ROWS];
    union silt_value values[ROWS];
    for (int i = 0; i < ROWS; i++) {
        struct silt_str text = silt_arena_printf(arena, "m,b=b%d,s=s%d", b / 4, i % 4);
        rows[i] = (struct silt_row){text, silt_hash(text.p, text.len), (i % 2) * WEEK_NS + b * 1000 + i, 0, (uint32_t)i, (size_t)i};
        values[i].i64 = b;
    }
    /* All rows of a batch that must be whole go to one shard; every third batch goes to both. */
    for (int i = 0; i < ROWS && b % 3 != 0; i++)
        rows[i].time = (b % 2) * WEEK_NS + b * 1000 + i;
    struct silt_batch batch = {&layout, 1, rows, ROWS, values, 0};
    struct silt_write_report report;
    struct silt_error err;
    enum silt_status durable;
    run->batches[b] = UNKNOWN;
    if (write_and_wait(run->storage, "d", "", &batch, arena, &report, &durable, &err) == SILT_OK) {
        ck_assert_uint_eq(report.rejection_count, 0);
        if (durable == SILT_OK)
            run->batches[b] = ACKNOWLEDGED;
    }
    silt_arena_destroy(arena);
}

static void delete_batch(struct run *run, int b)
{
    struct silt_error err;
    run->deletes[b] = UNKNOWN;
    bool good = true;
    for (int shard = 0; shard < 2; shard++)
        good = silt_storage_delete(run->storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), NULL}, 1,
                                   shard * WEEK_NS + b * 1000, shard * WEEK_NS + b * 1000 + 999, &err) == SILT_OK && good;
    if (good)
        run->deletes[b] = ACKNOWLEDGED;
}

static void work(struct run *run)
{
    struct silt_error err;
    bool did;
    if (silt_storage_create_database(run->storage, SILT_STR("d"), SILT_STR(""), NULL, &err) != SILT_OK)
        return;
    for (int b = 0; b < BATCHES; b++) {
        write_batch(run, b);
        /* What fails here must not matter; the outcome is judged by what is read in the end. */
        if (b % 4 == 3)
            (void)silt_storage_flush(run->storage, &err);
        if (b % 5 == 4)
            delete_batch(run, b - 2);
        if (b % 6 == 5)
            (void)silt_storage_step(run->storage, &did, &err);
        if (b == 14)
            (void)silt_storage_compact_all(run->storage, &err);
    }
}

static void verify(struct run *run, const char *what, uint64_t n)
{
    int seen[BATCHES] = {0};
    struct silt_error err;
    struct silt_reader *reader;
    struct silt_cursor *cursor;
    struct silt_source *source = silt_storage_source(run->storage);
    struct silt_arena *arena = silt_arena_create(NULL);
    enum silt_status rc = source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err);
    if (rc != SILT_OK) {
        for (int b = 0; b < BATCHES; b++)
            ck_assert_msg(run->batches[b] != ACKNOWLEDGED, "%s at %llu: no database", what, (unsigned long long)n);
        silt_arena_destroy(arena);
        return;
    }
    struct silt_series_set set;
    ck_assert_int_eq(reader->ops->series(reader, SILT_STR("m"), NULL, arena, &set, &err), SILT_OK);
    ck_assert_int_eq(reader->ops->cursor_create(reader, NULL, &cursor, &err), SILT_OK);
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    for (size_t s = 0; s < set.count; s++) {
        struct silt_rows rows;
        ck_assert_int_eq(reader->ops->cursor_seek(cursor, SILT_STR("m"), set.ids[s], &field, 1, INT64_MIN, INT64_MAX, false, &err), SILT_OK);
        for (;;) {
            struct silt_column column;
            rc = reader->ops->cursor_next(cursor, &rows, &err);
            ck_assert_msg(rc == SILT_OK, "%s at %llu: %s", what, (unsigned long long)n, rc == SILT_OK ? "" : err.text);
            if (rows.count == 0)
                break;
            ck_assert_int_eq(reader->ops->cursor_column(cursor, 0, &column, &err), SILT_OK);
            for (uint32_t i = 0; i < rows.count; i++) {
                ck_assert(column.i64[i] >= 0 && column.i64[i] < BATCHES);
                seen[column.i64[i]]++;
            }
        }
    }
    for (int b = 0; b < BATCHES; b++) {
        bool may_be_gone = run->batches[b] != ACKNOWLEDGED || run->deletes[b] != NOT_SENT;
        bool may_be_there = run->batches[b] != NOT_SENT && run->deletes[b] != ACKNOWLEDGED;
        if (run->deletes[b] == UNKNOWN || (run->batches[b] == UNKNOWN && b % 3 == 0))
            continue; /* two shards: two records */
        ck_assert_msg((seen[b] == 0 && may_be_gone) || (seen[b] == ROWS && may_be_there),
                      "%s at %llu: batch %d has %d rows; write %d, delete %d", what, (unsigned long long)n, b, seen[b],
                      run->batches[b], run->deletes[b]);
    }
    reader->ops->cursor_destroy(cursor);
    reader->ops->release(reader);
    silt_arena_destroy(arena);
}

/* One run; returns false when it met no fault. */
static bool run_once(uint64_t seed, uint64_t n, bool crash)
{
    struct run run = {0};
    struct silt_error err;
    run.vfs = fault_vfs_create(seed + n);
    if (crash)
        fault_vfs_crash_at(run.vfs, n);
    else
        fault_vfs_fail_at(run.vfs, n, n % 2 ? SILT_IO : SILT_NO_SPACE);
    bool opened = open_store(&run, &err) == SILT_OK;
    if (opened) {
        work(&run);
        uint64_t before = fault_vfs_operations(run.vfs);
        (void)silt_storage_close(run.storage, n % 3 == 0, &err);
        if (fault_vfs_operations(run.vfs) < before)
            ck_abort_msg("operations are counted backwards");
    }
    bool met = crash ? fault_vfs_crashed(run.vfs) : n <= fault_vfs_operations(run.vfs);
    fault_vfs_restart(run.vfs);
    const char *what = crash ? "crash" : "fault";
    /* What a crash leaves must open, twice as well. */
    for (int again = 0; again < 2; again++) {
        enum silt_status rc = open_store(&run, &err);
        ck_assert_msg(rc == SILT_OK, "%s at %llu: %s", what, (unsigned long long)n, rc == SILT_OK ? "" : err.text);
        verify(&run, what, n);
        bool did;
        if (again == 0)
            (void)silt_storage_step(run.storage, &did, &err);
        else
            ck_assert_int_eq(silt_storage_compact_all(run.storage, &err), SILT_OK);
        verify(&run, what, n);
        ck_assert_int_eq(silt_storage_close(run.storage, again == 1, &err), SILT_OK);
    }
    fault_vfs_destroy(run.vfs);
    return met;
}

static uint64_t seed_given(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* CREATE DATABASE makes two things, the database and its policy: both are there after a crash, or neither is, and asking again
 * helps. */
static void expect_whole_database(struct run *run, uint64_t n)
{
    struct silt_source *source = silt_storage_source(run->storage);
    struct silt_reader *reader;
    struct silt_error err;
    ck_assert_int_eq(silt_storage_create_database(run->storage, SILT_STR("d"), SILT_STR(""), NULL, &err), SILT_OK);
    enum silt_status rc = source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err);
    ck_assert_msg(rc == SILT_OK, "crash at %llu: %s", (unsigned long long)n, rc == SILT_OK ? "" : err.text);
    reader->ops->release(reader);
}

START_TEST(crash_in_create_database)
{
    uint64_t seed = seed_given();
    bool met = true;
    silt_log_set_level(SILT_LOG_ERROR + 1);
    for (uint64_t n = 1; met; n++) {
        struct run run = {.vfs = fault_vfs_create(seed + n)};
        struct silt_error err;
        ck_assert_int_eq(open_store(&run, &err), SILT_OK);
        fault_vfs_crash_at(run.vfs, n);
        (void)silt_storage_create_database(run.storage, SILT_STR("d"), SILT_STR(""), NULL, &err);
        met = fault_vfs_crashed(run.vfs);
        (void)silt_storage_close(run.storage, false, &err);
        fault_vfs_restart(run.vfs);
        ck_assert_int_eq(open_store(&run, &err), SILT_OK);
        expect_whole_database(&run, n);
        ck_assert_int_eq(silt_storage_close(run.storage, false, &err), SILT_OK);
        fault_vfs_destroy(run.vfs);
    }
}
END_TEST

/* A DROP DATABASE that fails has not happened: what is written afterwards stays. */
START_TEST(fail_in_drop_database)
{
    uint64_t seed = seed_given();
    bool met = true;
    silt_log_set_level(SILT_LOG_ERROR + 1);
    for (uint64_t n = 1; met; n++) {
        struct run run = {.vfs = fault_vfs_create(seed + n)};
        struct silt_error err;
        ck_assert_int_eq(open_store(&run, &err), SILT_OK);
        ck_assert_int_eq(silt_storage_create_database(run.storage, SILT_STR("d"), SILT_STR(""), NULL, &err), SILT_OK);
        write_batch(&run, 1);
        ck_assert_int_eq(silt_storage_flush(run.storage, &err), SILT_OK);
        fault_vfs_fail_at(run.vfs, n, SILT_IO);
        uint64_t before = fault_vfs_operations(run.vfs);
        enum silt_status rc = silt_storage_drop_database(run.storage, SILT_STR("d"), &err);
        met = fault_vfs_operations(run.vfs) - before >= n;
        fault_vfs_fail_at(run.vfs, 0, SILT_OK);
        if (rc == SILT_OK)
            ck_assert_int_eq(silt_storage_create_database(run.storage, SILT_STR("d"), SILT_STR(""), NULL, &err), SILT_OK);
        run.deletes[1] = UNKNOWN;
        write_batch(&run, 2);
        ck_assert_int_eq(run.batches[2], ACKNOWLEDGED);
        ck_assert_int_eq(silt_storage_close(run.storage, false, &err), SILT_OK);
        fault_vfs_restart(run.vfs);
        ck_assert_int_eq(open_store(&run, &err), SILT_OK);
        verify(&run, "fault in DROP DATABASE", n);
        ck_assert_int_eq(silt_storage_close(run.storage, false, &err), SILT_OK);
        fault_vfs_destroy(run.vfs);
    }
}
END_TEST

/* Every operation with LONG set; else about every fifth, others each time. */
static uint64_t next_operation(uint64_t seed, uint64_t n)
{
    return n + (getenv("LONG") ? 1 : 1 + (seed * 2654435761u + n * 40503u) / 64 % 9);
}

START_TEST(crash_everywhere)
{
    uint64_t seed = seed_given(), n = 1;
    silt_log_set_level(SILT_LOG_ERROR + 1);
    while (run_once(seed, n, true))
        n = next_operation(seed, n);
    printf("crashed at operations up to %llu\n", (unsigned long long)(n - 1));
    ck_assert_uint_gt(n, 50);
}
END_TEST

START_TEST(fail_everywhere)
{
    uint64_t seed = seed_given(), n = 1;
    silt_log_set_level(SILT_LOG_ERROR + 1);
    while (run_once(seed, n, false))
        n = next_operation(seed, n);
    printf("failed operations up to %llu\n", (unsigned long long)(n - 1));
    ck_assert_uint_gt(n, 50);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crash");
    TCase *tc = tcase_create("crash");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, crash_in_create_database);
    tcase_add_test(tc, fail_in_drop_database);
    tcase_add_test(tc, crash_everywhere);
    tcase_add_test(tc, fail_everywhere);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
