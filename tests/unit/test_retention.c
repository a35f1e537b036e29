/*
 * test_retention.c - shard groups that end: dropped by age, and groups that overlap after a change of the shard duration.
 *
 * The clock is the test's. A row's value tells its time (hour and minute), so what is read back can be judged without a
 * list; the second write of a row adds one million.
 */
#include "silt/reader.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "storage/catalog.h"
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MINUTE ((int64_t)60 * 1000000000)
#define HOUR (60 * MINUTE)
#define BASE (450000 * HOUR) /* a multiple of 4 h */
#define AGAIN 1000000

static silt_time clock_now;
static bool retention_off;

static silt_time test_clock(void *arg)
{
    (void)arg;
    return clock_now;
}

static void open_store(void)
{
    struct silt_storage_options options;
    fixture_options(&options);
    options.wal_segment_bytes = 256 << 10;
    options.now = test_clock;
    options.retention_off = retention_off;
    fixture_open(&options);
}

static void reopen(bool flush)
{
    struct silt_error err;
    must(silt_storage_close(storage, flush, &err), &err);
    open_store();
}

static void setup(void)
{
    make_folder();
    clock_now = BASE + HOUR / 2;
    retention_off = false;
    open_store();
}

static void teardown(void)
{
    remove_folder();
}

static void create(int64_t duration, int64_t shard_duration)
{
    struct silt_error err;
    struct silt_policy_change change = {.has_duration = true, .duration_ns = duration, .has_shard_duration = true,
                                        .shard_duration_ns = shard_duration};
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR("p"), &change, &err), &err);
}

static void alter(int64_t shard_duration)
{
    struct silt_error err;
    struct silt_policy_change change = {.has_shard_duration = true, .shard_duration_ns = shard_duration};
    must(silt_storage_alter_policy(storage, SILT_STR("d"), SILT_STR("p"), &change, &err), &err);
}

/* A row a minute of the series in [from, to), hours from BASE on; false: one was rejected. */
static bool write_hours(const char *series, int from, int to, int64_t extra)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    struct silt_layout layout = {SILT_STR("m"), &field, 1};
    size_t count = (size_t)(to - from) * 60;
    struct silt_row *rows = silt_arena_alloc(arena, count * sizeof(*rows));
    union silt_value *values = silt_arena_alloc(arena, count * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        size_t at = i * 7 % count; /* mixed up, each once: 7 is no factor of the count */
        rows[i] = (struct silt_row){silt_str_from(series), silt_hash(series, strlen(series)),
                                    BASE + from * HOUR + (int64_t)at * MINUTE, 0, (uint32_t)i, i};
        values[i].i64 = (int64_t)from * 60 + (int64_t)at + extra;
    }
    struct silt_batch batch = {&layout, 1, rows, count, values, 0};
    bool all = write_batch(&batch, "", arena).rejection_count == 0;
    silt_arena_destroy(arena);
    return all;
}

static struct silt_reader *open_reader(void)
{
    struct silt_error err;
    struct silt_reader *reader;
    struct silt_source *source = silt_storage_source(storage);
    must(source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err), &err);
    return reader;
}

/* Rows that the series has, each checked: in order, none twice, its value that of its time. again: hours written twice. */
static size_t count_rows(struct silt_reader *reader, const char *series, bool descending, int again_from, int again_to)
{
    struct silt_error err;
    struct silt_cursor *cursor;
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_series_set set;
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    size_t count = 0;
    must(reader->ops->cursor_create(reader, NULL, &cursor, &err), &err);
    must(reader->ops->series(reader, SILT_STR("m"), NULL, arena, &set, &err), &err);
    for (size_t s = 0; s < set.count; s++) {
        struct silt_str key;
        silt_time last = descending ? INT64_MAX : INT64_MIN;
        reader->ops->series_tags(reader, set.ids[s], arena, &key, NULL, NULL);
        if (!silt_str_equal(key, silt_str_from(series)))
            continue;
        must(reader->ops->cursor_seek(cursor, SILT_STR("m"), set.ids[s], &field, 1, INT64_MIN, INT64_MAX, descending, &err),
             &err);
        for (;;) {
            struct silt_rows rows;
            struct silt_column column;
            const silt_time *times;
            must(reader->ops->cursor_next(cursor, &rows, &err), &err);
            if (rows.count == 0)
                break;
            must(reader->ops->cursor_times(cursor, &times, &err), &err);
            must(reader->ops->cursor_column(cursor, 0, &column, &err), &err);
            for (uint32_t i = 0; i < rows.count; i++, count++) {
                int64_t minute = (times[i] - BASE) / MINUTE, hour = minute / 60;
                ck_assert(descending ? times[i] < last : times[i] > last);
                ck_assert_int_eq(column.i64[i], minute + (hour >= again_from && hour < again_to ? AGAIN : 0));
                last = times[i];
            }
        }
    }
    reader->ops->cursor_destroy(cursor);
    silt_arena_destroy(arena);
    return count;
}

static size_t rows_of(const char *series, int again_from, int again_to)
{
    struct silt_reader *reader = open_reader();
    size_t up = count_rows(reader, series, false, again_from, again_to);
    ck_assert_uint_eq(count_rows(reader, series, true, again_from, again_to), up);
    reader->ops->release(reader);
    return up;
}

static size_t shards(struct silt_shard_info *list, size_t room)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_source *source = silt_storage_source(storage);
    struct silt_shard_info *all;
    size_t count;
    ck_assert_int_eq(source->shards(source, arena, &all, &count), SILT_OK);
    ck_assert_uint_le(count, room);
    memcpy(list, all, count * sizeof(*list));
    silt_arena_destroy(arena);
    return count;
}

static bool folder_exists(uint64_t shard)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/shards/%" PRIu64, folder, shard);
    return access(path, F_OK) == 0;
}

static void step(void)
{
    struct silt_error err;
    bool did;
    must(silt_storage_step(storage, &did, &err), &err);
}

/* ---------------------------------------------------------------- retention */

START_TEST(old_groups_go)
{
    struct silt_shard_info before[8], after[8];
    struct silt_error err;
    create(2 * HOUR, HOUR);
    clock_now = BASE + 2 * HOUR;
    ck_assert(write_hours("m,s=old", 0, 1, 0));
    ck_assert(write_hours("m,s=both", 0, 3, 0));
    ck_assert_uint_eq(shards(before, 8), 3);
    must(silt_storage_flush(storage, &err), &err);
    for (int i = 0; i < 3; i++)
        ck_assert(folder_exists(before[i].id));
    /* A group goes when its end is older than the policy's duration, not before. */
    clock_now = BASE + 3 * HOUR;
    step();
    ck_assert_uint_eq(shards(after, 8), 3);
    struct silt_reader *reader = open_reader();
    clock_now = BASE + 3 * HOUR + 1;
    step();
    ck_assert_uint_eq(shards(after, 8), 2);
    ck_assert_uint_eq(after[0].id, before[1].id);
    /* Who reads it already goes on. */
    ck_assert_uint_eq(count_rows(reader, "m,s=both", false, 0, 0), 180);
    reader->ops->release(reader);
    ck_assert(!folder_exists(before[0].id));
    ck_assert(folder_exists(before[1].id));
    ck_assert_uint_eq(rows_of("m,s=both", 0, 0), 120);
    struct silt_storage_stats stats;
    silt_storage_stats(storage, &stats);
    ck_assert_uint_eq(stats.series_count, 1); /* the other one had its points there */
    ck_assert(!write_hours("m,s=both", 0, 1, 0));
    for (int i = 0; i < 2; i++) {
        reopen(i == 0);
        ck_assert_uint_eq(shards(after, 8), 2);
        ck_assert_uint_eq(rows_of("m,s=both", 0, 0), 120);
        ck_assert_uint_eq(rows_of("m,s=old", 0, 0), 0);
        silt_storage_stats(storage, &stats);
        ck_assert_uint_eq(stats.series_count, 1);
    }
}
END_TEST

/* Rows that are in the log alone do not come back with it, nor does their group. */
START_TEST(old_groups_in_the_log)
{
    struct silt_shard_info list[8];
    create(2 * HOUR, HOUR);
    clock_now = BASE + 2 * HOUR;
    ck_assert(write_hours("m,s=both", 0, 3, 0));
    clock_now = BASE + 4 * HOUR + 1;
    struct silt_error err;
    struct silt_reader *reader = open_reader();
    step();
    ck_assert_uint_eq(count_rows(reader, "m,s=both", true, 0, 0), 180);
    reader->ops->release(reader);
    ck_assert_uint_eq(shards(list, 8), 1);
    ck_assert_uint_eq(rows_of("m,s=both", 0, 0), 60);
    reopen(false);
    ck_assert_uint_eq(shards(list, 8), 1);
    ck_assert_uint_eq(rows_of("m,s=both", 0, 0), 60);
    clock_now = BASE + 100 * HOUR;
    reopen(false); /* the last one goes after the start */
    step();
    ck_assert_uint_eq(shards(list, 8), 0);
    ck_assert_uint_eq(rows_of("m,s=both", 0, 0), 0);
    must(silt_storage_compact_all(storage, &err), &err);
    struct silt_storage_stats stats;
    silt_storage_stats(storage, &stats);
    ck_assert_uint_eq(stats.series_count, 0);
    ck_assert_uint_eq(stats.file_count, 0);
}
END_TEST

/* A batch over many hours makes all of their groups, numbered as its rows come, and one that others have covered none. */
START_TEST(groups_of_a_batch)
{
    struct silt_shard_info list[128];
    create(0, HOUR);
    ck_assert(write_hours("m,s=a", 50, 51, 0));
    ck_assert(write_hours("m,s=a", 0, 100, 0)); /* every seventh row: hours 0, 0, ..., 1, ... */
    ck_assert_uint_eq(shards(list, 128), 100);
    for (int i = 0; i < 100; i++) {
        ck_assert(list[i].start == BASE + i * HOUR && list[i].end == list[i].start + HOUR);
        if (i > 0 && i != 50 && i - 1 != 50)
            ck_assert_uint_gt(list[i].id, list[i - 1].id);
    }
    ck_assert_uint_eq(rows_of("m,s=a", 0, 0), 6000);
    reopen(false);
    ck_assert_uint_eq(shards(list, 128), 100);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 0), 6000);
}
END_TEST

/* ALTER ... DURATION later drops what is too old by the new rule, and what is not limited any more stays. */
START_TEST(altered_duration)
{
    struct silt_shard_info list[8];
    struct silt_error err;
    create(0, HOUR);
    clock_now = BASE + 6 * HOUR;
    ck_assert(write_hours("m,s=a", 0, 6, 0));
    step();
    ck_assert_uint_eq(shards(list, 8), 6);
    struct silt_policy_change change = {.has_duration = true, .duration_ns = 2 * HOUR};
    must(silt_storage_alter_policy(storage, SILT_STR("d"), SILT_STR("p"), &change, &err), &err);
    step();
    ck_assert_uint_eq(shards(list, 8), 3); /* ends at 4, 5 and 6 h */
    ck_assert_uint_eq(rows_of("m,s=a", 0, 0), 180);
    change.duration_ns = 0;
    must(silt_storage_alter_policy(storage, SILT_STR("d"), SILT_STR("p"), &change, &err), &err);
    clock_now = BASE + 1000 * HOUR;
    step();
    ck_assert_uint_eq(rows_of("m,s=a", 0, 0), 180);
}
END_TEST

static uint64_t series_count(void)
{
    struct silt_storage_stats stats;
    silt_storage_stats(storage, &stats);
    return stats.series_count;
}

/* A crash between the two steps of a drop: the group is gone from the catalog, its series are not looked for yet. */
START_TEST(crash_in_a_drop)
{
    struct silt_shard_info list[8];
    struct silt_error err;
    char path[128];
    create(0, HOUR);
    ck_assert(write_hours("m,s=old", 0, 1, 0));
    ck_assert(write_hours("m,s=both", 0, 2, 0));
    ck_assert_uint_eq(shards(list, 8), 2);
    must(silt_storage_close(storage, true, &err), &err);
    struct catalog *catalog;
    snprintf(path, sizeof(path), "%s/meta.sqlite", folder);
    must(catalog_open(path, &catalog, &err), &err);
    must(catalog_drop_shards(catalog, &list[0].id, 1, &err), &err);
    catalog_close(catalog);
    retention_off = true; /* this much is done all the same */
    open_store();
    ck_assert_uint_eq(shards(list, 8), 1);
    ck_assert_uint_eq(series_count(), 2);
    step();
    ck_assert_uint_eq(series_count(), 1);
    ck_assert_uint_eq(rows_of("m,s=both", 0, 0), 60);
    reopen(false);
    ck_assert_uint_eq(series_count(), 1);
}
END_TEST

/* Very many series of a group that goes: all of them, in several slices, and none that was written elsewhere. */
START_TEST(many_series_go)
{
    struct silt_shard_info list[8];
    struct silt_error err;
    char name[32];
    create(0, HOUR);
    ck_assert(write_hours("m,s=first", 5, 6, 0));
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "m,s=%d", i);
        ck_assert(write_hours(name, 0, 1, 0));
        if (i % 1000 == 7)
            ck_assert(write_hours(name, 5, 6, 0));
    }
    must(silt_storage_flush(storage, &err), &err);
    ck_assert(write_hours("m,s=8", 5, 6, 0)); /* in memory alone */
    ck_assert_uint_eq(series_count(), 5001);
    ck_assert_uint_eq(shards(list, 8), 2);
    uint64_t first = list[0].start < list[1].start ? list[0].id : list[1].id;
    must(silt_storage_drop_shard(storage, first, &err), &err);
    ck_assert_uint_eq(rows_of("m,s=9", 0, 0), 0);
    step();
    ck_assert_uint_eq(series_count(), 7);
    ck_assert_uint_eq(rows_of("m,s=8", 0, 0), 60);
    ck_assert_uint_eq(rows_of("m,s=4007", 0, 0), 60);
    ck_assert_uint_eq(rows_of("m,s=9", 0, 0), 0);
    reopen(false);
    ck_assert_uint_eq(series_count(), 7);
    ck_assert(write_hours("m,s=9", 5, 6, 0));
    ck_assert_uint_eq(rows_of("m,s=9", 0, 0), 60);
}
END_TEST

START_TEST(switched_off)
{
    struct silt_shard_info list[8];
    retention_off = true;
    reopen(false);
    create(2 * HOUR, HOUR);
    ck_assert(write_hours("m,s=a", 0, 1, 0));
    clock_now = BASE + 100 * HOUR;
    step();
    ck_assert_uint_eq(shards(list, 8), 1);
    retention_off = false;
    reopen(false);
    step();
    ck_assert_uint_eq(shards(list, 8), 0);
}
END_TEST

/* ---------------------------------------------------------------- overlapping groups */

/* Hours 1 and 5 get groups of one hour; then groups of four hours are made around them for what lies beside. */
START_TEST(overlapping_groups)
{
    struct silt_shard_info list[8];
    struct silt_error err;
    create(0, HOUR);
    ck_assert(write_hours("m,s=a", 1, 2, 0));
    ck_assert(write_hours("m,s=a", 5, 6, 0));
    alter(4 * HOUR);
    ck_assert(write_hours("m,s=a", 2, 5, 0));
    ck_assert(write_hours("m,s=a", 0, 1, 0));
    ck_assert(write_hours("m,s=a", 6, 8, 0));
    ck_assert(write_hours("m,s=b", 0, 8, 0));
    ck_assert_uint_eq(shards(list, 8), 4);
    int wide = 0;
    for (int i = 0; i < 4; i++)
        wide += list[i].end - list[i].start == 4 * HOUR;
    ck_assert_int_eq(wide, 2);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 0), 480);
    ck_assert_uint_eq(rows_of("m,s=b", 0, 0), 480);
    /* Written again, in memory over memory, memory over files, files over files: a row stays one row. */
    ck_assert(write_hours("m,s=a", 0, 3, AGAIN));
    ck_assert_uint_eq(rows_of("m,s=a", 0, 3), 480);
    must(silt_storage_flush(storage, &err), &err);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 3), 480);
    ck_assert(write_hours("m,s=a", 3, 6, AGAIN));
    ck_assert_uint_eq(rows_of("m,s=a", 0, 6), 480);
    reopen(false);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 6), 480);
    must(silt_storage_compact_all(storage, &err), &err);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 6), 480);
    /* A delete across them, and one of the narrow groups dropped. */
    must(silt_storage_delete(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), NULL}, 1,
                             BASE + HOUR / 2, BASE + HOUR * 3 / 2 - 1, &err), &err);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 6), 420);
    for (int i = 0; i < 4; i++)
        if (list[i].start == BASE + 5 * HOUR)
            must(silt_storage_drop_shard(storage, list[i].id, &err), &err);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 6), 360);
    ck_assert_uint_eq(rows_of("m,s=b", 0, 0), 360);
    /* Hour 5 is the wide group's now. */
    ck_assert(write_hours("m,s=a", 5, 6, AGAIN));
    ck_assert_uint_eq(shards(list, 8), 3);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 6), 420);
    reopen(true);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 6), 420);
}
END_TEST

/* The retention of overlapping groups: each by its own end. */
START_TEST(overlapping_groups_go)
{
    struct silt_shard_info list[8];
    create(8 * HOUR, HOUR);
    ck_assert(write_hours("m,s=a", 1, 2, 0));
    alter(4 * HOUR);
    ck_assert(write_hours("m,s=a", 0, 1, 0));
    ck_assert(write_hours("m,s=a", 2, 4, 0));
    ck_assert_uint_eq(shards(list, 8), 2);
    clock_now = BASE + 10 * HOUR + 1;
    step();
    ck_assert_uint_eq(shards(list, 8), 1);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 0), 180);
    clock_now = BASE + 12 * HOUR + 1;
    step();
    ck_assert_uint_eq(shards(list, 8), 0);
    ck_assert_uint_eq(rows_of("m,s=a", 0, 0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retention");
    TCase *tests = tcase_create("retention");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, old_groups_go);
    tcase_add_test(tests, old_groups_in_the_log);
    tcase_add_test(tests, altered_duration);
    tcase_add_test(tests, groups_of_a_batch);
    tcase_add_test(tests, crash_in_a_drop);
    tcase_add_test(tests, many_series_go);
    tcase_add_test(tests, switched_off);
    tcase_add_test(tests, overlapping_groups);
    tcase_add_test(tests, overlapping_groups_go);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
