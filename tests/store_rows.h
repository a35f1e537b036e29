/*
 * store_rows.h - for unit tests: rows into the store of store_fixture.h and out of it. All in database d; reading, from its
 * default policy.
 *
 *     reading_begin -> ops->cursor_seek(cursor, measurement, set.ids[i] ..) -> ops->cursor_next .. -> reading_end
 */
#ifndef TESTS_STORE_ROWS_H
#define TESTS_STORE_ROWS_H

#include "silt/reader.h"
#include "silt/text.h"
#include "tests/store_fixture.h"
#include "tests/wait_write.h"

/* The report's rejections are in the arena. */
static inline struct silt_write_report write_batch(const struct silt_batch *batch, const char *rp, struct silt_arena *arena)
{
    struct silt_write_report report;
    struct silt_error err;
    enum silt_status durable;
    must(write_and_wait(storage, "d", rp, batch, arena, &report, &durable, &err), &err);
    ck_assert_int_eq(durable, SILT_OK);
    return report;
}

/* A row of one integer, v. */
static inline void write_int(const char *series, silt_time time, int64_t value)
{
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    struct silt_layout layout = {{series, strcspn(series, ",")}, &field, 1};
    struct silt_row row = {silt_str_from(series), silt_hash(series, strlen(series)), time, 0, 0, 0};
    union silt_value v = {.i64 = value};
    struct silt_batch batch = {&layout, 1, &row, 1, &v, 0};
    struct silt_arena *arena = silt_arena_create(NULL);
    ck_assert_uint_eq(write_batch(&batch, "", arena).written, 1);
    silt_arena_destroy(arena);
}

/* A measurement's series, and a cursor for them. */
struct reading {
    struct silt_reader *reader;
    struct silt_cursor *cursor;
    struct silt_series_set set;
    struct silt_arena *arena;
};

static inline struct reading reading_begin(const char *measurement)
{
    struct silt_error err;
    struct silt_source *source = silt_storage_source(storage);
    struct reading r = {.arena = silt_arena_create(NULL)};
    must(source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &r.reader, &err), &err);
    must(r.reader->ops->cursor_create(r.reader, NULL, &r.cursor, &err), &err);
    must(r.reader->ops->series(r.reader, silt_str_from(measurement), NULL, r.arena, &r.set, &err), &err);
    return r;
}

static inline void reading_end(struct reading *r)
{
    r->reader->ops->cursor_destroy(r->cursor);
    r->reader->ops->release(r->reader);
    silt_arena_destroy(r->arena);
}

/* Of measurement m and its integer v. */
static inline size_t row_count(void)
{
    struct silt_error err;
    struct reading r = reading_begin("m");
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_INTEGER};
    size_t count = 0;
    for (size_t i = 0; i < r.set.count; i++) {
        struct silt_rows rows;
        must(r.reader->ops->cursor_seek(r.cursor, SILT_STR("m"), r.set.ids[i], &field, 1, SILT_TIME_MIN, SILT_TIME_MAX, false, &err), &err);
        do {
            must(r.reader->ops->cursor_next(r.cursor, &rows, &err), &err);
            count += rows.count;
        } while (rows.count > 0);
    }
    reading_end(&r);
    return count;
}

#endif
