/*
 * test_read_allowance.c - a reader with an allowance (silt/reader.h): gives what fits it, refuses the rest, says so.
 *
 * 40 series of 2,000 rows with 3 fields, of which 8 are in rack 0; read from the memtable and then from files.
 */
#include "silt/reader.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERIES 40
#define ROWS 2000
#define FIELDS 3
#define SECOND ((int64_t)1000000000)

static struct silt_reader *reader;
static struct silt_read_allowance allowance;

static void open_store(void)
{
    struct silt_storage_options options;
    fixture_options(&options);
    fixture_open(&options);
}

static void write_series(int number)
{
    static const char *const names[FIELDS] = {"a", "b", "c"};
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field fields[FIELDS];
    struct silt_layout layout = {SILT_STR("m"), fields, FIELDS};
    struct silt_row *rows = silt_arena_alloc(arena, ROWS * sizeof(*rows));
    union silt_value *values = silt_arena_alloc(arena, ROWS * FIELDS * sizeof(*values));
    char key[64];
    size_t len = (size_t)snprintf(key, sizeof(key), "m,host=h%d,rack=%d", number, number / 8);

    for (int i = 0; i < FIELDS; i++)
        fields[i] = (struct silt_field){silt_str_from(names[i]), SILT_TYPE_INTEGER};
    for (int i = 0; i < ROWS; i++) {
        rows[i] = (struct silt_row){{key, len}, silt_hash(key, len), i * SECOND, 0, (uint32_t)(i * FIELDS), (size_t)i};
        for (int f = 0; f < FIELDS; f++)
            values[i * FIELDS + f].i64 = i * 17 % 1000 + f;
    }
    struct silt_batch batch = {&layout, 1, rows, ROWS, values, 0};
    ck_assert_uint_eq(write_batch(&batch, "", arena).written, ROWS);
    silt_arena_destroy(arena);
}

static void open_reader(uint32_t series, uint64_t values)
{
    struct silt_error err;
    struct silt_source *source = silt_storage_source(storage);
    if (reader)
        reader->ops->release(reader);
    allowance = (struct silt_read_allowance){.series = series, .names = 100, .values = values};
    must(source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err), &err);
    reader->allowance = &allowance;
}

static void setup(void)
{
    struct silt_error err;
    struct silt_policy_change none = {0};
    make_folder();
    open_store();
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR("p"), &none, &err), &err);
    for (int i = 0; i < SERIES; i++)
        write_series(i);
}

static void teardown(void)
{
    if (reader)
        reader->ops->release(reader);
    reader = NULL;
    remove_folder();
}

static void into_files(void)
{
    struct silt_error err;
    if (reader)
        reader->ops->release(reader);
    reader = NULL;
    must(silt_storage_close(storage, true, &err), &err);
    open_store();
}

static struct silt_tag_filter tag(enum silt_tag_op op, const char *key, const char *value)
{
    return (struct silt_tag_filter){.op = op, .key = silt_str_from(key), .value = silt_str_from(value)};
}

/* How many series the filter gives; SIZE_MAX: refused, and said so. */
static size_t select_series(const struct silt_tag_filter *filter)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_series_set set;
    struct silt_error err;
    enum silt_status rc = reader->ops->series(reader, SILT_STR("m"), filter, arena, &set, &err);
    size_t count = rc == SILT_OK ? set.count : SIZE_MAX;
    ck_assert_int_eq(rc, allowance.is_exceeded ? SILT_BUSY : SILT_OK);
    silt_arena_destroy(arena);
    return count;
}

static bool matches_all(const void *arg, struct silt_str value)
{
    return true;
}

START_TEST(selections)
{
    struct silt_tag_filter one = tag(SILT_TAG_EQ, "host", "h3"), rack = tag(SILT_TAG_EQ, "rack", "1"),
                           none = tag(SILT_TAG_EQ, "host", "x"), others = tag(SILT_TAG_NE, "host", "h3"),
                           pattern = tag(SILT_TAG_MATCH, "host", "");
    struct silt_tag_filter both = {.op = SILT_TAG_AND, .left = &rack, .right = &one},
                           either = {.op = SILT_TAG_OR, .left = &rack, .right = &one};
    pattern.match = matches_all;
    open_reader(9, 1000000);
    ck_assert_uint_eq(select_series(&one), 1);
    ck_assert_uint_eq(select_series(&rack), 8);
    ck_assert_uint_eq(select_series(&none), 0);
    ck_assert_uint_eq(select_series(&both), 0);
    ck_assert_uint_eq(select_series(&either), 9);
    open_reader(8, 1000000);
    ck_assert_uint_eq(select_series(&either), SIZE_MAX);
    open_reader(39, 1000000);
    ck_assert_uint_eq(select_series(&others), SIZE_MAX); /* 39, but that is known when it is done */
    open_reader(39, 1000000);
    ck_assert_uint_eq(select_series(NULL), SIZE_MAX);
    open_reader(39, 1000000);
    ck_assert_uint_eq(select_series(&pattern), SIZE_MAX);
    open_reader(40, 1000000);
    ck_assert_uint_eq(select_series(&others), 39);
    ck_assert_uint_eq(select_series(NULL), SERIES);
    ck_assert_uint_eq(select_series(&pattern), SERIES);
}
END_TEST

/* Rows of host h3 in [from, to], two fields; SIZE_MAX: refused, and said so. */
static size_t read_rows(int from, int to)
{
    struct silt_field fields[] = {{SILT_STR("a"), SILT_TYPE_INTEGER}, {SILT_STR("b"), SILT_TYPE_INTEGER}};
    struct silt_tag_filter one = tag(SILT_TAG_EQ, "host", "h3");
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_series_set set;
    struct silt_cursor *cursor;
    struct silt_rows rows;
    struct silt_error err;
    size_t count = 0;
    must(reader->ops->series(reader, SILT_STR("m"), &one, arena, &set, &err), &err);
    ck_assert_uint_eq(set.count, 1);
    must(reader->ops->cursor_create(reader, NULL, &cursor, &err), &err);
    must(reader->ops->cursor_seek(cursor, SILT_STR("m"), set.ids[0], fields, 2, from * SECOND, to * SECOND, false, &err), &err);
    for (;;) {
        enum silt_status rc = reader->ops->cursor_next(cursor, &rows, &err);
        ck_assert_int_eq(rc, allowance.is_exceeded ? SILT_BUSY : SILT_OK);
        if (rc != SILT_OK)
            count = SIZE_MAX;
        if (rc != SILT_OK || rows.count == 0)
            break;
        count += rows.count;
    }
    reader->ops->cursor_destroy(cursor);
    silt_arena_destroy(arena);
    return count;
}

START_TEST(rows_of_a_memtable)
{
    open_reader(1, 10000);
    ck_assert_uint_eq(read_rows(0, ROWS), ROWS);
    ck_assert_uint_lt(allowance.values, 10000 - 2 * ROWS);
    ck_assert_uint_eq(read_rows(0, ROWS), SIZE_MAX); /* it is used up */
    open_reader(1, 3000);
    ck_assert_uint_eq(read_rows(0, ROWS), SIZE_MAX);
    open_reader(1, 3000);
    ck_assert_uint_eq(read_rows(100, 199), 100);
}
END_TEST

START_TEST(rows_of_files)
{
    into_files();
    open_reader(1, 10000);
    ck_assert_uint_eq(read_rows(0, ROWS), ROWS);
    ck_assert_uint_lt(allowance.values, 10000 - 2 * ROWS);
    open_reader(1, 3500);
    ck_assert_uint_eq(read_rows(0, ROWS), SIZE_MAX);
    open_reader(1, 3500);
    ck_assert_uint_eq(read_rows(100, 199), 100); /* one row group of two */
    open_reader(1, 10);
    ck_assert_uint_eq(read_rows(0, 1), SIZE_MAX); /* not even a look at the index */
}
END_TEST

START_TEST(fields)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field *list;
    struct silt_error err;
    size_t count;
    open_reader(1, 1000);
    must(reader->ops->fields(reader, SILT_STR("m"), arena, &list, &count, &err), &err);
    ck_assert_uint_eq(count, FIELDS);
    ck_assert_uint_lt(allowance.values, 1000);
    open_reader(1, 2);
    ck_assert_int_eq(reader->ops->fields(reader, SILT_STR("m"), arena, &list, &count, &err), SILT_BUSY);
    ck_assert(allowance.is_exceeded);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(residence)
{
    static char bytes[2 << 20];
    memset(bytes, 1, sizeof(bytes));
    ck_assert(silt_memory_resident(bytes + 5, 1));
    ck_assert(silt_memory_resident(bytes + 5, 1 << 20));
    ck_assert(silt_memory_resident(bytes + 5, 1 << 20)); /* as remembered */
    ck_assert(!silt_memory_resident(bytes, sizeof(bytes))); /* more than is asked for at once */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("read_allowance");
    TCase *tests = tcase_create("read_allowance");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, selections);
    tcase_add_test(tests, rows_of_a_memtable);
    tcase_add_test(tests, rows_of_files);
    tcase_add_test(tests, fields);
    tcase_add_test(tests, residence);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
