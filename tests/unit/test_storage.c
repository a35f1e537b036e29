/*
 * test_storage.c - the store through its two headers, against a dull model: an array of what was written.
 *
 * Random rows of all types, out of order, twice, in several shards and policies; deletes; flushes, merges, crashes without
 * a flush and restarts in between. After each step all of it is read back, up and down, whole and in ranges.
 */
#include "storage/vfs.h"
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SERIES 7
#define FIELDS 5
#define WEEK_NS ((int64_t)604800 * 1000000000)

/* ck_assert without its book-keeping at each call: for loops over rows. */
#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s", #condition);                                                                            \
    } while (0)

/* ThreadSanitizer makes all this thirty times slower: there two random runs, a quiet one and one with all threads. */
#ifdef __SANITIZE_THREAD__
#define LOOPS_DEFAULT 2
#define ROUNDS 50
#else
#define LOOPS_DEFAULT 4
#define ROUNDS 120
#endif

static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

static const struct silt_field field_list[FIELDS] = {
    {{"f", 1}, SILT_TYPE_FLOAT}, {{"i", 1}, SILT_TYPE_INTEGER}, {{"u", 1}, SILT_TYPE_UNSIGNED},
    {{"s", 1}, SILT_TYPE_STRING}, {{"b", 1}, SILT_TYPE_BOOLEAN}};

struct point {
    silt_time time;
    uint8_t has;
    uint64_t values[FIELDS]; /* strings: a number they are made of */
};

struct model {
    struct point *points[SERIES]; /* by time */
    size_t count[SERIES], room[SERIES];
};

static struct point *model_at(struct model *m, unsigned series, silt_time time)
{
    size_t low = 0, high = m->count[series];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->points[series][middle].time < time)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < m->count[series] && m->points[series][low].time == time)
        return &m->points[series][low];
    if (m->count[series] == m->room[series]) {
        m->room[series] = 2 * m->room[series] + 1;
        m->points[series] = silt_realloc(m->points[series], m->room[series] * sizeof(struct point));
    }
    memmove(m->points[series] + low + 1, m->points[series] + low, (m->count[series] - low) * sizeof(struct point));
    m->count[series]++;
    m->points[series][low] = (struct point){.time = time};
    return &m->points[series][low];
}

static void model_delete(struct model *m, unsigned series, silt_time min, silt_time max)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->count[series]; i++)
        if (m->points[series][i].time < min || m->points[series][i].time > max)
            m->points[series][kept++] = m->points[series][i];
    m->count[series] = kept;
}

static void model_free(struct model *m)
{
    for (unsigned s = 0; s < SERIES; s++)
        free(m->points[s]);
}

/* ---------------------------------------------------------------- a store in a folder */

static void open_store(bool background_off)
{
    struct silt_storage_options options;
    fixture_options(&options);
    options.wal_segment_bytes = 1 << 20; /* several a test */
    options.background_off = background_off;
    fixture_open(&options);
}

static void setup(void)
{
    make_folder();
    open_store(true);
}

static void teardown(void)
{
    remove_folder();
}

static struct silt_str series_text(unsigned series, bool swapped, struct silt_arena *arena)
{
    if (swapped)
        return silt_arena_printf(arena, "m,z=%u,h=a%u", series % 2, series);
    return silt_arena_printf(arena, "m,h=a%u,z=%u", series, series % 2);
}

static struct silt_bytes *text_value(uint64_t number, struct silt_arena *arena)
{
    return silt_arena_bytes_copy(arena, silt_arena_printf(arena, "text-%" PRIu64, number));
}

/* Random rows, to the store and to the model. spread: how far apart in time. style 0: ten apart, all fields; 2: the same with some
 * of the fields, in all rows; 1: anyhow. */
static void write_random(struct model *m, size_t rows, silt_time base, silt_time spread, unsigned style)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_layout layouts[8];
    uint8_t masks[8];
    uint32_t layout_count = style != 1 ? 1 : 1 + (uint32_t)(rng() % 8);
    struct silt_row *list = silt_arena_zalloc(arena, rows * sizeof(*list));
    union silt_value *values = silt_arena_zalloc(arena, rows * FIELDS * sizeof(*values));
    for (uint32_t l = 0; l < layout_count; l++) {
        struct silt_field *fields = silt_arena_zalloc(arena, sizeof(field_list));
        masks[l] = style == 0 ? 31 : (uint8_t)(1 + rng() % 31) | (style == 2);
        uint32_t n = 0;
        unsigned turn = style == 0 ? 0 : (unsigned)(rng() % FIELDS);
        for (unsigned k = 0; k < FIELDS; k++) {
            unsigned f = (k + turn) % FIELDS;
            if (masks[l] >> f & 1)
                fields[n++] = field_list[f];
        }
        layouts[l] = (struct silt_layout){{"m", 1}, fields, n};
    }
    size_t at = 0;
    for (size_t i = 0; i < rows; i++) {
        unsigned series = (unsigned)(rng() % SERIES);
        uint32_t l = (uint32_t)(rng() % layout_count);
        silt_time time = style != 1 ? base + (silt_time)i * 10 : base + (silt_time)(rng() % (uint64_t)spread);
        list[i].series = series_text(series, rng() % 4 == 0, arena);
        list[i].series_hash = silt_hash(list[i].series.p, list[i].series.len);
        list[i].time = time;
        list[i].layout = l;
        list[i].line = (uint32_t)i;
        list[i].value_offset = at;
        struct point *point = model_at(m, series, time);
        for (uint32_t c = 0; c < layouts[l].field_count; c++) {
            unsigned f = 0;
            while (!silt_str_equal(field_list[f].name, layouts[l].fields[c].name))
                f++;
            uint64_t v = rng() >> rng() % 64;
            if (f == 4)
                v &= 1;
            if (f == 0) {
                double d = rng() % 2 ? (double)(v % 1000) : (double)v / 7;
                memcpy(&v, &d, 8);
            }
            point->has |= (uint8_t)(1u << f);
            point->values[f] = v;
            if (f == 3)
                values[at++].string = text_value(v, arena);
            else if (f == 4)
                values[at++].boolean = v;
            else
                values[at++].u64 = v;
        }
    }
    struct silt_batch batch = {layouts, layout_count, list, rows, values, 0};
    struct silt_write_report report = write_batch(&batch, "", arena);
    ck_assert_uint_eq(report.rejection_count, 0);
    ck_assert_uint_eq(report.written, rows);
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- reading back */

static bool bit(const uint64_t *valid, size_t row)
{
    return !valid || (valid[row / 64] >> (row % 64) & 1);
}

static void check_stats(const struct silt_rows *rows, bool descending, bool has, struct silt_block_stats stats,
                        const struct silt_column *column)
{
    if (column->type == SILT_TYPE_NONE) {
        HOLDS(!has || stats.count == 0);
        return;
    }
    if (!has)
        return;
    uint32_t count = 0;
    int64_t sum = 0, min = INT64_MAX, max = INT64_MIN;
    double low = INFINITY, high = -INFINITY;
    for (uint32_t i = 0; i < rows->count; i++) {
        if (!bit(column->valid, i))
            continue;
        count++;
        if (column->type == SILT_TYPE_FLOAT) {
            low = fmin(low, column->f64[i]);
            high = fmax(high, column->f64[i]);
        } else if (column->type == SILT_TYPE_INTEGER) {
            sum = (int64_t)((uint64_t)sum + (uint64_t)column->i64[i]);
            min = column->i64[i] < min ? column->i64[i] : min;
            max = column->i64[i] > max ? column->i64[i] : max;
        }
    }
    HOLDS(stats.count == count);
    if (column->type == SILT_TYPE_FLOAT)
        HOLDS(stats.min.f64 == low && stats.max.f64 == high);
    if (column->type == SILT_TYPE_INTEGER)
        HOLDS(stats.sum.i64 == sum && stats.min.i64 == min && stats.max.i64 == max);
    if (count < rows->count || column->type == SILT_TYPE_STRING || column->type == SILT_TYPE_BOOLEAN)
        return;
    HOLDS(stats.first.u64 == column->u64[descending ? count - 1 : 0]);
    HOLDS(stats.last.u64 == column->u64[descending ? 0 : count - 1]);
}

static void check_series(struct model *m, struct silt_reader *reader, struct silt_cursor *cursor, silt_series_id id,
                         unsigned series, uint8_t mask, silt_time min, silt_time max, bool descending, bool skips)
{
    struct silt_field fields[FIELDS];
    unsigned which[FIELDS];
    size_t n = 0;
    struct silt_error err;
    for (unsigned f = 0; f < FIELDS; f++) {
        if (!(mask >> f & 1))
            continue;
        which[n] = f;
        fields[n] = field_list[f];
        if (rng() % 3 == 0)
            fields[n].type = SILT_TYPE_NONE;
        n++;
    }
    must(reader->ops->cursor_prefer_stats(cursor, rng() % 2, &err), &err);
    must(reader->ops->cursor_seek(cursor, SILT_STR("m"), id, fields, n, min, max, descending, &err), &err);
    size_t count = m->count[series], seen = 0;
    size_t at = descending ? count : 0;
    uint32_t shard = 0;
    bool first = true;
    silt_time skip_to = 0;
    bool skipping = false;
    for (;;) {
        struct silt_rows rows;
        must(reader->ops->cursor_next(cursor, &rows, &err), &err);
        if (rows.count == 0)
            break;
        HOLDS(rows.count <= 4096);
        HOLDS(first || (descending ? rows.shard <= shard : rows.shard >= shard));
        shard = rows.shard;
        first = false;
        const silt_time *times;
        struct silt_column columns[FIELDS];
        struct silt_block_stats stats[FIELDS];
        bool late = rng() % 2, have_stats[FIELDS];
        for (size_t f = 0; rows.has_stats && f < n; f++)
            have_stats[f] = reader->ops->cursor_stats(cursor, f, &stats[f]);
        if (!late)
            must(reader->ops->cursor_times(cursor, &times, &err), &err);
        for (size_t f = 0; f < n; f++) {
            must(reader->ops->cursor_column(cursor, f, &columns[f], &err), &err);
            HOLDS(columns[f].type == SILT_TYPE_NONE || columns[f].type == field_list[which[f]].type);
        }
        if (late)
            must(reader->ops->cursor_times(cursor, &times, &err), &err);
        HOLDS(rows.first == times[0]);
        HOLDS(rows.last == times[rows.count - 1]);
        if (rows.has_stats)
            for (size_t f = 0; f < n; f++)
                check_stats(&rows, descending, have_stats[f], stats[f], &columns[f]);
        for (uint32_t i = 0; i < rows.count; i++) {
            const struct point *point;
            for (;;) {
                if (descending ? at == 0 : at == count)
                    ck_abort_msg("series %u: a row too many at %" PRId64, series, times[i]);
                point = &m->points[series][descending ? --at : at++];
                if (!(point->has & mask) || point->time < min || point->time > max)
                    continue;
                if (skipping && (descending ? point->time > skip_to : point->time < skip_to))
                    continue;
                break;
            }
            if (point->time != times[i])
                ck_abort_msg("series %u: time %" PRId64 ", not %" PRId64, series, times[i], point->time);
            for (size_t f = 0; f < n; f++) {
                bool has = columns[f].type != SILT_TYPE_NONE && bit(columns[f].valid, i);
                HOLDS(has == (bool)(point->has >> which[f] & 1));
                if (!has)
                    continue;
                uint64_t want = point->values[which[f]];
                if (which[f] == 3) {
                    char text[40];
                    snprintf(text, sizeof(text), "text-%" PRIu64, want);
                    HOLDS(silt_str_equal(columns[f].string[i], silt_str_from(text)));
                } else if (which[f] == 4) {
                    HOLDS(columns[f].boolean[i] == want);
                } else {
                    HOLDS(columns[f].u64[i] == want);
                }
            }
            seen++;
        }
        if (skips && rng() % 3 == 0 && count > 0) {
            skip_to = m->points[series][rng() % count].time + (silt_time)(rng() % 3) - 1;
            bool ahead = descending ? skip_to < rows.last : skip_to > rows.last;
            must(reader->ops->cursor_skip(cursor, skip_to, &err), &err);
            if (ahead)
                skipping = true;
            else
                skip_to = rows.last, skipping = true;
        }
    }
    for (; descending ? at > 0 : at < count; descending ? at-- : at++) {
        const struct point *point = &m->points[series][descending ? at - 1 : at];
        bool due = (point->has & mask) && point->time >= min && point->time <= max
                   && !(skipping && (descending ? point->time > skip_to : point->time < skip_to));
        if (due)
            ck_abort_msg("series %u: a row is missing at %" PRId64 " after %zu of %zu", series, point->time, seen, count);
    }
}

static void check_all(struct model *m, bool listed)
{
    struct reading r = reading_begin("m");
    size_t with_points = 0;
    for (unsigned s = 0; s < SERIES; s++)
        with_points += m->count[s] > 0;
    ck_assert_uint_ge(r.set.count, with_points);
    if (listed) /* none but those */
        ck_assert_uint_eq(r.set.count, with_points);
    for (size_t i = 0; i < r.set.count; i++) {
        struct silt_str key;
        r.reader->ops->series_tags(r.reader, r.set.ids[i], r.arena, &key, NULL, NULL);
        unsigned series = 0;
        while (series < SERIES && !silt_str_equal(series_text(series, false, r.arena), key))
            series++;
        ck_assert_uint_lt(series, SERIES);
        check_series(m, r.reader, r.cursor, r.set.ids[i], series, 31, INT64_MIN, INT64_MAX, false, false);
        check_series(m, r.reader, r.cursor, r.set.ids[i], series, 31, INT64_MIN, INT64_MAX, true, false);
        for (int k = 0; k < 6; k++) {
            silt_time min = INT64_MIN, max = INT64_MAX;
            if (m->count[series] > 0) {
                min = m->points[series][rng() % m->count[series]].time + (silt_time)(rng() % 3) - 1;
                max = m->points[series][rng() % m->count[series]].time + (silt_time)(rng() % 3) - 1;
            }
            check_series(m, r.reader, r.cursor, r.set.ids[i], series, (uint8_t)(1 + rng() % 31), min < max ? min : max,
                         min < max ? max : min, rng() % 2, k >= 3);
        }
    }
    reading_end(&r);
}

/* ---------------------------------------------------------------- cases */

static void create(const char *name)
{
    struct silt_error err;
    must(silt_storage_create_database(storage, silt_str_from(name), SILT_STR(""), NULL, &err), &err);
}

START_TEST(write_read)
{
    struct model m = {0};
    create("d");
    write_random(&m, 3000, 1000000, 1, 0);
    check_all(&m, true);
    write_random(&m, 2000, 1000000, 50000, 1);
    check_all(&m, true);
    model_free(&m);
}
END_TEST

START_TEST(flush_reopen)
{
    struct silt_error err;
    struct model m = {0};
    create("d");
    write_random(&m, 20000, 1000000, 1, 0);
    must(silt_storage_flush(storage, &err), &err);
    check_all(&m, true);
    write_random(&m, 500, 1100000, 50000, 1);
    check_all(&m, true);
    close_store(false);
    open_store(true);
    check_all(&m, true);
    close_store(true);
    open_store(true);
    check_all(&m, true);
    must(silt_storage_compact_all(storage, &err), &err);
    check_all(&m, true);
    model_free(&m);
}
END_TEST

/* Of field i. */
static size_t rows_with_stats(bool preferred)
{
    struct silt_error err;
    struct reading r = reading_begin("m");
    struct silt_rows rows;
    size_t found = 0;

    must(r.reader->ops->cursor_prefer_stats(r.cursor, preferred, &err), &err);
    for (size_t i = 0; i < r.set.count; i++) {
        must(r.reader->ops->cursor_seek(r.cursor, SILT_STR("m"), r.set.ids[i], &field_list[1], 1, SILT_TIME_MIN, SILT_TIME_MAX, false,
                                        &err), &err);
        do {
            must(r.reader->ops->cursor_next(r.cursor, &rows, &err), &err);
            found += rows.has_stats ? rows.count : 0;
        } while (rows.count);
    }
    reading_end(&r);
    return found;
}

/* As several writers leave them at the borders of files. */
START_TEST(files_that_reach_into_each_other)
{
    struct silt_error err;
    struct model m = {0};
    create("d");
    for (int file = 0; file < 6; file++) { /* no time twice */
        write_random(&m, 3000, file * 20000 + file, 1, file < 3 ? 0 : 2);
        must(silt_storage_flush(storage, &err), &err);
        check_all(&m, true);
    }
    ck_assert_uint_gt(rows_with_stats(true), rows_with_stats(false));
    write_random(&m, 3000, 20001, 1, 0); /* many twice */
    must(silt_storage_flush(storage, &err), &err);
    check_all(&m, true);
    write_random(&m, 300, 70000, 30000, 1);
    check_all(&m, true);
    model_free(&m);
}
END_TEST

static struct silt_tag_filter only(unsigned series, struct silt_arena *arena)
{
    return (struct silt_tag_filter){.op = SILT_TAG_EQ, .key = SILT_STR("h"), .value = silt_arena_printf(arena, "a%u", series)};
}

/* Until series that a delete left without points are out of the lists. Without threads nobody looks for them but this. */
static void settle(bool background)
{
    struct silt_source *source = silt_storage_source(storage);
    struct silt_error err;
    uint64_t ticket = 0;
    bool did;
    if (!background)
        must(silt_storage_step(storage, &did, &err), &err);
    for (int tries = 0; !source->settled(source, SILT_STR("d"), &ticket, 100); tries++)
        ck_assert_int_lt(tries, 600);
}

START_TEST(random_steps)
{
    struct silt_error err;
    struct model m = {0};
    bool background = _i % 2, listed = true;
    uint64_t seed = (uint64_t)time(NULL) * 1000 + (uint64_t)_i;
    const char *given = getenv("SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    rng_state = seed * 2654435761u + 88172645463325252u;
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    close_store(true);
    open_store(!background);
    create("d");
    for (int step = 0; step < 60; step++) {
        bool did;
        unsigned series = (unsigned)(rng() % SERIES);
        silt_time base = (silt_time)(rng() % 3) * WEEK_NS + (silt_time)(rng() % 100000);
        switch (rng() % 12) {
        case 0: case 1: case 2:
            write_random(&m, 1 + rng() % 3000, base, 1 + (silt_time)(rng() % 100000), 1);
            break;
        case 3: case 4:
            write_random(&m, 1 + rng() % 10000, base, 1, 0);
            break;
        case 5:
            write_random(&m, 1 + rng() % 200, base, 2 * WEEK_NS, 1);
            break;
        case 6:
            must(silt_storage_flush(storage, &err), &err);
            break;
        case 7:
            must(silt_storage_step(storage, &did, &err), &err);
            listed = true;
            break;
        case 8:
            if (rng() % 3 == 0)
                must(silt_storage_compact_all(storage, &err), &err);
            break;
        case 9:
            close_store(rng() % 2);
            open_store(!background);
            break;
        default: {
            struct silt_arena *arena = silt_arena_create(NULL);
            struct silt_tag_filter filter = only(series, arena);
            bool all = rng() % 3 == 0, whole = rng() % 5 == 0;
            silt_time min = whole ? SILT_TIME_MIN : base + (silt_time)(rng() % 50000);
            silt_time max = whole ? SILT_TIME_MAX : min + (silt_time)(rng() % 60000);
            if (whole && rng() % 2)
                must(silt_storage_drop_series(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), all ? NULL : &filter}, 1,
                                              &err), &err);
            else
                must(silt_storage_delete(storage, SILT_STR("d"), &(struct silt_series_choice){rng() % 2 ? SILT_STR("m") : SILT_STR(""), all ? NULL : &filter},
                                         1, min, max, &err), &err);
            for (unsigned s = 0; s < SERIES; s++)
                if (all || s == series)
                    model_delete(&m, s, min, max);
            silt_arena_destroy(arena);
            listed = background || rng() % 2;
            if (listed)
                settle(background);
        }
        }
        check_all(&m, listed);
    }
    must(silt_storage_compact_all(storage, &err), &err);
    settle(background);
    check_all(&m, true);
    close_store(true);
    open_store(true);
    check_all(&m, true);
    model_free(&m);
}
END_TEST

/* ---------------------------------------------------------------- many threads */

#define WRITERS 3
#define ROUND_ROWS 200

static void *write_rounds(void *arg)
{
    unsigned writer = (unsigned)(uintptr_t)arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct silt_arena *arena = silt_arena_create(NULL);
        struct silt_field fields[2] = {{SILT_STR("i"), SILT_TYPE_INTEGER}, {SILT_STR("s"), SILT_TYPE_STRING}};
        struct silt_layout layout = {SILT_STR("t"), fields, 2};
        struct silt_row rows[ROUND_ROWS];
        union silt_value values[2 * ROUND_ROWS];
        for (int i = 0; i < ROUND_ROWS; i++) {
            /* A series that lives on, and one of this round alone. */
            struct silt_str text = i % 2 ? silt_arena_printf(arena, "t,w=%u", writer)
                                         : silt_arena_printf(arena, "t,r=%d,w=%u", round, writer);
            rows[i] = (struct silt_row){text, silt_hash(text.p, text.len), (i % 3) * WEEK_NS + round * ROUND_ROWS + i, 0,
                                        (uint32_t)i, 2 * (size_t)i};
            values[2 * i].i64 = round * ROUND_ROWS + i;
            values[2 * i + 1].string = text_value((uint64_t)i, arena);
        }
        struct silt_batch batch = {&layout, 1, rows, ROUND_ROWS, values, 0};
        struct silt_write_report report = write_batch(&batch, "", arena);
        HOLDS(report.written == ROUND_ROWS);
        silt_arena_destroy(arena);
    }
    return NULL;
}

/* Rows of measurement t; each must be whole. */
static size_t count_rows(void)
{
    struct silt_error err;
    struct reading r = reading_begin("t");
    size_t count = 0;
    struct silt_field fields[2] = {{SILT_STR("i"), SILT_TYPE_INTEGER}, {SILT_STR("s"), SILT_TYPE_STRING}};
    for (size_t i = 0; i < r.set.count; i++) {
        struct silt_rows rows;
        must(r.reader->ops->cursor_seek(r.cursor, SILT_STR("t"), r.set.ids[i], fields, 2, INT64_MIN, INT64_MAX, false, &err), &err);
        for (;;) {
            struct silt_column ints, texts;
            const silt_time *times;
            must(r.reader->ops->cursor_next(r.cursor, &rows, &err), &err);
            if (rows.count == 0)
                break;
            must(r.reader->ops->cursor_times(r.cursor, &times, &err), &err);
            must(r.reader->ops->cursor_column(r.cursor, 0, &ints, &err), &err);
            must(r.reader->ops->cursor_column(r.cursor, 1, &texts, &err), &err);
            for (uint32_t row = 0; row < rows.count; row++) {
                HOLDS(bit(ints.valid, row) && bit(texts.valid, row));
                HOLDS(times[row] % WEEK_NS == ints.i64[row]);
                HOLDS(texts.string[row].len > 5);
            }
            count += rows.count;
        }
    }
    reading_end(&r);
    return count;
}

static _Atomic bool writers_done;

static void *disturb(void *arg)
{
    (void)arg;
    size_t before = 0;
    for (int k = 0; !atomic_load(&writers_done); k++) {
        struct silt_error err;
        size_t now = count_rows();
        HOLDS(now >= before);
        before = now;
        if (k % 3 == 0)
            must(silt_storage_flush(storage, &err), &err);
        if (k % 4 == 1)
            must(silt_storage_delete(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("other"), NULL}, 1, 0, 100, &err), &err);
        if (k % 5 == 2)
            write_int("other,a=b", k, k);
        if (k % 7 == 3)
            must(silt_storage_compact_all(storage, &err), &err);
    }
    return NULL;
}

START_TEST(many_threads)
{
    pthread_t writers[WRITERS], disturber;
    close_store(true);
    open_store(false);
    create("d");
    atomic_store(&writers_done, false);
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&writers[i], NULL, write_rounds, (void *)(uintptr_t)i), 0);
    ck_assert_int_eq(pthread_create(&disturber, NULL, disturb, NULL), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&writers_done, true);
    pthread_join(disturber, NULL);
    ck_assert_uint_eq(count_rows(), WRITERS * ROUNDS * ROUND_ROWS);
    close_store(false);
    open_store(false);
    ck_assert_uint_eq(count_rows(), WRITERS * ROUNDS * ROUND_ROWS);
}
END_TEST

int main(void)
{
    rng_state = 88172645463325252u;
    Suite *suite = suite_create("storage");
    TCase *tc = tcase_create("storage");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, write_read);
    tcase_add_test(tc, flush_reopen);
    tcase_add_test(tc, files_that_reach_into_each_other);
    tcase_add_test(tc, many_threads);
    const char *loops = getenv("LOOPS");
    tcase_add_loop_test(tc, random_steps, 0, loops ? atoi(loops) : LOOPS_DEFAULT);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
