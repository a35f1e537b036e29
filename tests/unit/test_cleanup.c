/*
 * test_cleanup.c - what deletes and drops leave to be done behind their answer: nobody sees it, and no crash loses it.
 *
 * Series i of measurement m is `m,s=i`; its rows are at seconds FIRST .. LAST, so that one row group has them.
 */
#include "storage/catalog.h"
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#define SECOND ((int64_t)1000000000)
#define FIRST 100
#define LAST 119
#define MANY 3000u /* more than one slice */

static bool with_threads;

static void open_store(void)
{
    struct silt_storage_options options;
    fixture_options(&options);
    options.background_off = !with_threads;
    fixture_open(&options);
}

static void reopen(bool flush)
{
    close_store(flush);
    open_store();
}

static void setup(void)
{
    struct silt_error err;
    make_folder();
    with_threads = false;
    open_store();
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
}

static void write_series(unsigned from, unsigned to, int first, int last)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    struct silt_layout layout = {SILT_STR("m"), &field, 1};
    size_t count = (size_t)(to - from) * (size_t)(last - first + 1), n = 0;
    struct silt_row *rows = silt_arena_alloc(arena, count * sizeof(*rows));
    union silt_value *values = silt_arena_alloc(arena, count * sizeof(*values));
    for (unsigned i = from; i < to; i++) {
        struct silt_str text = silt_arena_printf(arena, "m,s=%u", i);
        for (int at = first; at <= last; at++, n++) {
            rows[n] = (struct silt_row){text, silt_hash(text.p, text.len), at * SECOND, 0, (uint32_t)n, n};
            values[n].i64 = at;
        }
    }
    struct silt_batch batch = {&layout, 1, rows, count, values, 0};
    ck_assert_uint_eq(write_batch(&batch, "", arena).written, count);
    silt_arena_destroy(arena);
}

static void delete_range(int first, int last)
{
    struct silt_error err;
    must(silt_storage_delete(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), NULL}, 1,
                             first * SECOND, last * SECOND, &err), &err);
}

static void flush(void)
{
    struct silt_error err;
    must(silt_storage_flush(storage, &err), &err);
}

static void step(void)
{
    struct silt_error err;
    bool did;
    must(silt_storage_step(storage, &did, &err), &err);
}

static uint64_t series_count(void)
{
    struct silt_storage_stats stats;
    silt_storage_stats(storage, &stats);
    return stats.series_count;
}

static bool is_marked(void)
{
    struct catalog *catalog;
    struct silt_error err;
    char path[128];
    bool marked;
    snprintf(path, sizeof(path), "%s/meta.sqlite", folder);
    must(catalog_open(path, &catalog, &err), &err);
    must(catalog_lonely(catalog, &marked, &err), &err);
    catalog_close(catalog);
    return marked;
}

/* ---------------------------------------------------------------- deletes */

/* Before its cleaning up, the delete is in the log alone, or in the shard's files and the catalog. */
START_TEST(crash_behind_a_delete)
{
    bool in_files = _i & 1, rows_in_files = _i & 2;
    write_series(0, 2, FIRST, LAST);
    write_series(1, 2, LAST + 1, LAST + 5);
    if (rows_in_files)
        flush();
    delete_range(FIRST, LAST);
    ck_assert_uint_eq(row_count(), 5);
    ck_assert_uint_eq(series_count(), 2);
    if (in_files)
        flush();
    close_store(false);
    ck_assert_int_eq(is_marked(), in_files);
    open_store();
    ck_assert_uint_eq(row_count(), 5);
    ck_assert_uint_eq(series_count(), 2);
    step();
    ck_assert_uint_eq(series_count(), 1);
    ck_assert_uint_eq(row_count(), 5);
    for (int i = 0; i < 2; i++) {
        close_store(i == 0);
        ck_assert(!is_marked());
        open_store();
        ck_assert_uint_eq(series_count(), 1);
    }
}
END_TEST

/* Written again before anybody looked for it. */
START_TEST(a_series_that_comes_back_stays)
{
    write_series(0, MANY, FIRST, LAST);
    flush();
    delete_range(FIRST, LAST);
    write_series(7, 8, FIRST, FIRST);
    step();
    ck_assert_uint_eq(series_count(), 1);
    ck_assert_uint_eq(row_count(), 1);
    reopen(false);
    ck_assert_uint_eq(series_count(), 1);
    ck_assert_uint_eq(row_count(), 1);
}
END_TEST

/* Rows that are left at either end of a row group, or in its middle alone. */
START_TEST(what_is_left_in_a_row_group)
{
    static const struct {
        int from, to, more_from, more_to;
        size_t rows;
    } cases[] = {{FIRST, LAST - 1, 0, 0, 1},       {FIRST + 1, LAST, 0, 0, 1},           {FIRST, FIRST + 4, LAST - 4, LAST, 10},
                 {FIRST, LAST, FIRST, LAST, 0},    {FIRST, FIRST + 9, FIRST + 10, LAST, 0}, {FIRST - 5, FIRST + 3, FIRST + 5, LAST + 9, 1},
                 {FIRST - 9, FIRST - 1, 0, 0, 20}};
    bool in_files = _i & 1;
    write_series(0, MANY, FIRST, LAST);
    if (in_files)
        flush();
    delete_range(cases[_i / 2].from, cases[_i / 2].to);
    delete_range(cases[_i / 2].more_from, cases[_i / 2].more_to);
    step();
    ck_assert_uint_eq(series_count(), cases[_i / 2].rows ? MANY : 0);
    ck_assert_uint_eq(row_count(), MANY * cases[_i / 2].rows);
}
END_TEST

/* Who lists series waits; a database that is made anew owes nothing. */
START_TEST(lists_wait_for_deletes)
{
    struct silt_source *source;
    struct silt_error err;
    uint64_t ticket = 0;
    with_threads = true;
    reopen(false);
    source = silt_storage_source(storage);
    ck_assert(source->settled(source, SILT_STR("d"), &ticket, 0));
    ck_assert(source->settled(source, SILT_STR("none"), &ticket, 0));
    write_series(0, MANY, FIRST, LAST);
    write_series(5, 8, LAST + 1, LAST + 1);
    delete_range(FIRST, LAST);
    ck_assert_uint_eq(row_count(), 3);
    while (!source->settled(source, SILT_STR("d"), &ticket, 20))
        ;
    ck_assert_uint_eq(series_count(), 3);
    must(silt_storage_drop_database(storage, SILT_STR("d"), &err), &err);
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
    ck_assert_uint_gt(ticket, 0);
    ck_assert(source->settled(source, SILT_STR("d"), &ticket, 0));
    ck_assert_uint_eq(series_count(), 0);
}
END_TEST

/* ---------------------------------------------------------------- drops */

static bool any_shard_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "ls %s/shards 2>/dev/null | grep -q .", folder);
    return system(command) == 0;
}

START_TEST(crash_behind_a_dropped_database)
{
    struct silt_error err;
    bool cleaned = _i == 1;
    write_series(0, MANY, FIRST, LAST);
    flush();
    must(silt_storage_drop_database(storage, SILT_STR("d"), &err), &err);
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
    ck_assert(any_shard_folder());
    if (cleaned)
        step();
    else
        reopen(false);
    ck_assert(!any_shard_folder());
    ck_assert_uint_eq(series_count(), 0);
    write_series(0, 1, FIRST, FIRST);
    reopen(true);
    ck_assert_uint_eq(series_count(), 1);
    ck_assert_uint_eq(row_count(), 1);
}
END_TEST

START_TEST(crash_behind_a_dropped_shard)
{
    struct silt_error err;
    struct silt_source *source = silt_storage_source(storage);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_shard_info *shards;
    size_t count;
    write_series(0, MANY, FIRST, LAST);
    must(source->shards(source, arena, &shards, &count), &err);
    ck_assert_uint_eq(count, 1);
    must(silt_storage_drop_shard(storage, shards[0].id, &err), &err);
    ck_assert_uint_eq(row_count(), 0);
    silt_arena_destroy(arena);
    close_store(false);
    ck_assert(is_marked());
    open_store();
    step();
    ck_assert_uint_eq(series_count(), 0);
    close_store(false);
    ck_assert(!is_marked());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cleanup");
    TCase *tc = tcase_create("cleanup");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, remove_folder);
    tcase_add_loop_test(tc, crash_behind_a_delete, 0, 4);
    tcase_add_test(tc, a_series_that_comes_back_stays);
    tcase_add_loop_test(tc, what_is_left_in_a_row_group, 0, 14);
    tcase_add_test(tc, lists_wait_for_deletes);
    tcase_add_loop_test(tc, crash_behind_a_dropped_database, 0, 2);
    tcase_add_test(tc, crash_behind_a_dropped_shard);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
