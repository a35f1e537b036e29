/*
 * test_write.c - how batches are laid out for the log and the memtables, and when a generation is full.
 */
#include "silt/reader.h"
#include "silt/storage.h"
#include "storage/catalog.h"
#include "storage/shard.h"
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MEASUREMENTS 3u
#define ROWS 5000u
#define ROWS_A_TIME 9u /* three of each measurement */

static void setup(void)
{
    make_folder();
    open_plain_store();
}

static void teardown(void)
{
    remove_folder();
}

/* Row i of measurement i % 3 has the field a, every other one of them b too; rows at equal times differ in their layouts. */
static void write_in_turn(void)
{
    static const struct silt_field fields[2] = {{{"a", 1}, SILT_TYPE_INTEGER}, {{"b", 1}, SILT_TYPE_INTEGER}};
    static const char *const names[MEASUREMENTS] = {"m0", "m1", "m2"};
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_layout layouts[2 * MEASUREMENTS];
    struct silt_row *rows = silt_arena_zalloc(arena, ROWS * sizeof(*rows));
    union silt_value *values = silt_arena_zalloc(arena, 2 * ROWS * sizeof(*values));
    for (uint32_t l = 0; l < 2 * MEASUREMENTS; l++)
        layouts[l] = (struct silt_layout){silt_str_from(names[l / 2]), fields, 1 + l % 2};
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t m = i % MEASUREMENTS;
        rows[i] = (struct silt_row){.series = silt_str_from(names[m]),
                                    .series_hash = silt_hash(names[m], 2),
                                    .time = i / ROWS_A_TIME,
                                    .layout = 2 * m + i / MEASUREMENTS % 2,
                                    .line = i,
                                    .value_offset = 2 * (size_t)i};
        values[2 * i].i64 = i;
        values[2 * i + 1].i64 = -(int64_t)i;
    }
    struct silt_batch batch = {layouts, 2 * MEASUREMENTS, rows, ROWS, values, 0};
    ck_assert_uint_eq(write_batch(&batch, "", arena).written, ROWS);
    silt_arena_destroy(arena);
}

static bool bit(const uint64_t *valid, uint32_t row)
{
    return !valid || (valid[row / 64] >> row % 64 & 1);
}

/* The highest i of measurement m at the time, with b: among those that have it; -1: none. */
static int64_t latest(uint32_t m, silt_time time, bool with_b)
{
    int64_t found = -1;
    for (uint32_t i = (uint32_t)time * ROWS_A_TIME; i < ((uint32_t)time + 1) * ROWS_A_TIME && i < ROWS; i++)
        if (i % MEASUREMENTS == m && (!with_b || i / MEASUREMENTS % 2))
            found = i;
    return found;
}

/* At each time the row that was written last has won, field by field. */
static void check_last_won(void)
{
    struct silt_error err;
    struct silt_reader *reader;
    struct silt_cursor *cursor;
    struct silt_source *source = silt_storage_source(storage);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field fields[2] = {{{"a", 1}, SILT_TYPE_INTEGER}, {{"b", 1}, SILT_TYPE_INTEGER}};
    must(source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err), &err);
    must(reader->ops->cursor_create(reader, NULL, &cursor, &err), &err);
    for (uint32_t m = 0; m < MEASUREMENTS; m++) {
        struct silt_str name = silt_arena_printf(arena, "m%u", m);
        struct silt_series_set set;
        silt_time expected = 0;
        must(reader->ops->series(reader, name, NULL, arena, &set, &err), &err);
        ck_assert_uint_eq(set.count, 1);
        must(reader->ops->cursor_seek(cursor, name, set.ids[0], fields, 2, INT64_MIN, INT64_MAX, false, &err), &err);
        for (;;) {
            struct silt_rows rows;
            struct silt_column a, b;
            const silt_time *times;
            must(reader->ops->cursor_next(cursor, &rows, &err), &err);
            if (rows.count == 0)
                break;
            must(reader->ops->cursor_times(cursor, &times, &err), &err);
            must(reader->ops->cursor_column(cursor, 0, &a, &err), &err);
            must(reader->ops->cursor_column(cursor, 1, &b, &err), &err);
            for (uint32_t r = 0; r < rows.count; r++, expected++) {
                int64_t last_b = latest(m, expected, true);
                ck_assert_int_eq(times[r], expected);
                ck_assert_int_eq(a.i64[r], latest(m, expected, false));
                ck_assert_int_eq(b.type != SILT_TYPE_NONE && bit(b.valid, r), last_b >= 0);
                if (last_b >= 0)
                    ck_assert_int_eq(b.i64[r], -last_b);
            }
        }
        ck_assert_int_eq(expected, (ROWS + ROWS_A_TIME - 1) / ROWS_A_TIME);
    }
    reader->ops->cursor_destroy(cursor);
    reader->ops->release(reader);
    silt_arena_destroy(arena);
}

START_TEST(measurements_in_turn_keep_their_order)
{
    struct silt_error err;
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
    write_in_turn();
    check_last_won();
    close_store(false); /* now from the log */
    open_plain_store();
    check_last_won();
    close_store(true);
    open_plain_store();
    check_last_won();
}
END_TEST

/* Rows of 64 KiB, spread over so many series. Returns the generation's bytes when it became full. */
static size_t fill(uint32_t series_count)
{
    struct field_dict *dict = field_dict_create(NULL);
    struct silt_arena *arena = silt_arena_create(NULL);
    const struct field_layout *layout = field_dict_intern(dict, 1, &(struct field_ref){1, SILT_TYPE_STRING}, 1);
    uint32_t place = 0;
    struct layout_map map = {.layout = layout, .slots = &place};
    struct generation generation = {.mt = memtable_create(NULL, NULL, dict)};
    struct silt_bytes *text = silt_arena_zalloc(arena, sizeof(*text) + (64 << 10));
    text->len = 64 << 10;
    union silt_value value = {.string = text};
    for (uint32_t i = 0; !generation_is_full(&generation); i++) {
        struct memtable_row row = {1 + i % series_count, 0, i, &value};
        memtable_apply(generation.mt, &row, 1, &map, arena);
    }
    size_t bytes = memtable_bytes(generation.mt);
    memtable_destroy(generation.mt);
    silt_arena_destroy(arena);
    field_dict_destroy(dict);
    return bytes;
}

START_TEST(few_series_fill_a_generation_early)
{
    size_t few = fill(1), many = fill(100000);
    ck_assert_uint_gt(few, GENERATION_BYTES_MIN);
    ck_assert_uint_lt(few, GENERATION_BYTES_MIN + GENERATION_BYTES_MIN / 8);
    ck_assert_uint_gt(many, GENERATION_BYTES_MAX);
    ck_assert_uint_lt(many, GENERATION_BYTES_MAX + GENERATION_BYTES_MIN / 8);
}
END_TEST

/* Of a thread that must not be kept. */
START_TEST(many_new_series_have_to_wait)
{
    enum { SERIES = 300 };
    static const struct silt_field field = {{"a", 1}, SILT_TYPE_INTEGER};
    struct silt_layout layout = {SILT_STR("n"), (struct silt_field *)&field, 1};
    static char keys[SERIES][16];
    static struct silt_row rows[SERIES];
    static union silt_value values[SERIES];
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_write_report report;
    struct silt_policy_change none = {0};
    enum silt_status durable;
    struct silt_error err;

    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR("p"), &none, &err), &err);
    for (uint32_t i = 0; i < SERIES; i++) {
        size_t len = (size_t)snprintf(keys[i], sizeof(keys[i]), "n,h=%u", i);
        rows[i] = (struct silt_row){{keys[i], len}, silt_hash(keys[i], len), 1, 0, i, i};
    }
    struct silt_batch one = {&layout, 1, rows, 1, values, 0}, all = {&layout, 1, rows, SERIES, values, 0};
    must(write_and_wait(storage, "d", "", &one, arena, &report, &durable, &err), &err); /* there is a shard now */
    ck_assert_int_eq(silt_storage_write(storage, SILT_STR("d"), SILT_STR(""), &all, false, arena, &report, NULL, NULL, &err), SILT_BUSY);
    ck_assert_ptr_nonnull(strstr(err.text, "many series"));
    must(write_and_wait(storage, "d", "", &all, arena, &report, &durable, &err), &err);
    ck_assert_uint_eq(report.rejection_count, 0);
    silt_arena_destroy(arena);
}
END_TEST

static enum silt_status list_name(void *arg, uint32_t database_id, uint32_t measurement, struct silt_str name, struct silt_error *err)
{
    char *list = arg;
    (void)database_id;
    (void)measurement;
    (void)err;
    sprintf(list + strlen(list), "%.*s;", SILT_FMT(name));
    return SILT_OK;
}

/* A backslash before another one stands for itself; the comma after it is escaped all the same. */
START_TEST(names_with_backslashes_are_stored_as_they_are)
{
    static const struct silt_field field = {{"v", 1}, SILT_TYPE_INTEGER};
    const struct silt_policy_change none = {0};
    struct silt_layout layout = {SILT_STR("a\\,b"), &field, 1};
    struct silt_str key = SILT_STR("a\\\\,b,h=x");
    struct silt_row row = {.series = key, .series_hash = silt_hash(key.p, key.len), .time = 1};
    union silt_value value = {.i64 = 1};
    struct silt_batch batch = {&layout, 1, &row, 1, &value, 0};
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_write_report report;
    struct catalog *catalog;
    char path[100], names[100] = "";
    enum silt_status durable;
    struct silt_error err;

    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR("p"), &none, &err), &err);
    must(write_and_wait(storage, "d", "", &batch, arena, &report, &durable, &err), &err);
    close_store(true);
    snprintf(path, sizeof(path), "%s/meta.sqlite", folder);
    must(catalog_open(path, &catalog, &err), &err);
    must(catalog_measurements(catalog, list_name, names, &err), &err);
    catalog_close(catalog);
    ck_assert_str_eq(names, "a\\,b;");
    silt_arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("write");
    TCase *tc = tcase_create("write");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, measurements_in_turn_keep_their_order);
    tcase_add_test(tc, few_series_fill_a_generation_early);
    tcase_add_test(tc, many_new_series_have_to_wait);
    tcase_add_test(tc, names_with_backslashes_are_stored_as_they_are);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
