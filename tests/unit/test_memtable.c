/*
 * test_memtable.c - the memtable against a dull model: a list of all rows, searched backwards for each answer.
 */
#include "storage/memtable.h"
#include "tests/run_suite.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FIELDS 12
#define ROWS_MAX 20000
#define SERIES 40

struct model_row {
    silt_series_id series;
    silt_time time;
    uint32_t mask; /* fields it has */
    int64_t values[FIELDS];
};

struct fixture {
    struct silt_budget budget;
    struct field_dict *dict;
    struct memtable *mt;
    struct silt_arena *arena;
    struct model_row *rows;
    size_t row_count;
    silt_series_id ids[SERIES];
};

static enum silt_type type_of(unsigned field)
{
    static const enum silt_type types[] = {SILT_TYPE_INTEGER, SILT_TYPE_FLOAT, SILT_TYPE_STRING, SILT_TYPE_BOOLEAN};
    return types[field % 4];
}

/* The field's value that stands for a number. */
static union silt_value make_value(unsigned field, int64_t n, struct silt_arena *arena)
{
    union silt_value value = {.u64 = 0xfefefefefefefefe};
    switch (type_of(field)) {
    case SILT_TYPE_FLOAT:
        value.f64 = (double)n;
        break;
    case SILT_TYPE_STRING:
        value.string = silt_arena_bytes_copy(arena, silt_arena_printf(arena, "text %ld", (long)n));
        break;
    case SILT_TYPE_BOOLEAN:
        value.boolean = n & 1;
        break;
    default:
        value.i64 = n;
    }
    return value;
}

static bool is_value(unsigned field, int64_t n, union silt_value value)
{
    char text[40];
    switch (type_of(field)) {
    case SILT_TYPE_FLOAT:
        return value.f64 == (double)n;
    case SILT_TYPE_STRING:
        snprintf(text, sizeof(text), "text %ld", (long)n);
        return silt_str_equal(silt_bytes_str(value.string), silt_str_from(text));
    case SILT_TYPE_BOOLEAN:
        return value.u64 == (uint64_t)(n & 1);
    default:
        return value.i64 == n;
    }
}

static void set_up(struct fixture *fixture)
{
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
    printf("memtable seed %u\n", seed);
    srand(seed);
    memset(fixture, 0, sizeof(*fixture));
    silt_budget_init(&fixture->budget, "memtable", SIZE_MAX, NULL);
    fixture->dict = field_dict_create(NULL);
    fixture->mt = memtable_create(&fixture->budget, NULL, fixture->dict);
    fixture->arena = silt_arena_create(NULL);
    fixture->rows = calloc(ROWS_MAX, sizeof(*fixture->rows));
    for (unsigned i = 0; i < SERIES; i++)
        fixture->ids[i] =
            i == 0 ? 1 : fixture->ids[i - 1] + 1 + (i % 7 == 0 ? (unsigned)rand() % 100000000 : (unsigned)rand() % 90);
}

static void tear_down(struct fixture *fixture)
{
    memtable_destroy(fixture->mt);
    ck_assert_uint_eq(atomic_load(&fixture->budget.used_bytes), 0);
    field_dict_destroy(fixture->dict);
    silt_arena_destroy(fixture->arena);
    free(fixture->rows);
}

/* A map whose slots run through the fields backwards, to see that it is followed. */
static struct layout_map make_map(struct fixture *fixture, uint32_t mask)
{
    struct field_ref columns[FIELDS];
    uint32_t n = 0;
    for (unsigned f = 0; f < FIELDS; f++)
        if (mask >> f & 1)
            columns[n++] = (struct field_ref){f + 1, type_of(f)};
    uint32_t *slots = silt_arena_alloc(fixture->arena, n * sizeof(*slots));
    for (uint32_t i = 0; i < n; i++)
        slots[i] = n - 1 - i;
    return (struct layout_map){field_dict_intern(fixture->dict, 1, columns, n), slots};
}

static void apply_random(struct fixture *fixture, size_t count, bool in_order, int masks)
{
    struct layout_map maps[8];
    uint32_t bits[8];
    struct silt_arena *scratch = silt_arena_create(NULL);
    for (int i = 0; i < 8; i++) {
        bits[i] = i < masks ? (uint32_t)rand() % ((1u << FIELDS) - 1) + 1 : bits[0];
        maps[i] = make_map(fixture, bits[i]);
    }
    struct memtable_row *rows = silt_arena_alloc(scratch, count * sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        struct model_row *row = &fixture->rows[fixture->row_count];
        uint32_t map = (uint32_t)rand() % 8, n = (uint32_t)__builtin_popcount(bits[map]), at = 0;
        row->series = fixture->ids[rand() % 3 ? rand() % 4 : rand() % SERIES];
        row->time = in_order ? (silt_time)fixture->row_count : rand() % 2000;
        row->mask = bits[map];
        union silt_value *values = silt_arena_alloc(scratch, n * sizeof(*values));
        for (unsigned f = 0; f < FIELDS; f++) {
            if (!(bits[map] >> f & 1))
                continue;
            row->values[f] = rand();
            values[n - 1 - at++] = make_value(f, row->values[f], scratch);
        }
        rows[i] = (struct memtable_row){row->series, map, row->time, values};
        fixture->row_count++;
    }
    memtable_apply(fixture->mt, rows, count, maps, fixture->arena);
    silt_arena_destroy(scratch);
}

static void compare_series(struct fixture *fixture, silt_series_id id, uint32_t mask, silt_time min, silt_time max)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct field_ref fields[FIELDS];
    unsigned which[FIELDS], n = 0;
    for (unsigned f = 0; f < FIELDS; f++)
        if (mask >> f & 1) {
            which[n] = f;
            fields[n++] = (struct field_ref){f + 1, rand() % 2 ? type_of(f) : SILT_TYPE_NONE};
        }
    struct memtable_rows out;
    ck_assert_int_eq(memtable_collect(fixture->mt, id, min, max, fields, n, arena, &out, NULL), SILT_OK);
    size_t expected = 0;
    static struct {
        uint32_t mask;
        int64_t values[FIELDS];
    } at[ROWS_MAX];
    for (silt_time t = 0; t < ROWS_MAX; t++)
        at[t].mask = 0;
    for (size_t i = 0; i < fixture->row_count; i++) {
        const struct model_row *row = &fixture->rows[i];
        if (row->series != id || row->time < min || row->time > max)
            continue;
        at[row->time].mask |= row->mask & mask;
        for (unsigned f = 0; f < FIELDS; f++)
            if (row->mask >> f & 1)
                at[row->time].values[f] = row->values[f];
    }
    for (silt_time t = 0; t < ROWS_MAX; t++) {
        if (!at[t].mask)
            continue;
        ck_assert_uint_lt(expected, out.count);
        ck_assert_int_eq(out.times[expected], t);
        for (unsigned k = 0; k < n; k++) {
            const struct memtable_column *column = &out.columns[k];
            bool has =
                column->type != SILT_TYPE_NONE && (!column->valid || column->valid[expected / 64] >> expected % 64 & 1);
            ck_assert_msg(has == (at[t].mask >> which[k] & 1), "time %ld field %u", (long)t, which[k]);
            if (has) {
                ck_assert_int_eq(column->type, type_of(which[k]));
                ck_assert(is_value(which[k], at[t].values[which[k]], column->values[expected]));
            }
        }
        expected++;
    }
    ck_assert_uint_eq(out.count, expected);
    silt_arena_destroy(arena);
}

static void compare_all(struct fixture *fixture)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    silt_series_id seen = 0;
    uint64_t series_count = 0;
    struct memtable_stats stats;
    memtable_stats(fixture->mt, &stats);
    ck_assert_uint_eq(stats.rows, fixture->row_count);
    for (unsigned s = 0; s < SERIES; s++) {
        silt_series_id id = fixture->ids[s];
        size_t rows = 0, field_count;
        uint32_t mask = 0, found = 0;
        for (size_t i = 0; i < fixture->row_count; i++) {
            if (fixture->rows[i].series != id)
                continue;
            rows++;
            mask |= fixture->rows[i].mask;
            ck_assert(fixture->rows[i].time >= stats.min && fixture->rows[i].time <= stats.max);
        }
        ck_assert(memtable_has_series(fixture->mt, id) == (rows != 0));
        struct field_ref *fields;
        ck_assert_int_eq(memtable_fields(fixture->mt, id, arena, &fields, &field_count, NULL), SILT_OK);
        for (size_t i = 0; i < field_count; i++) {
            ck_assert(i == 0 || fields[i - 1].field_id < fields[i].field_id);
            found |= 1u << (fields[i].field_id - 1);
        }
        ck_assert_uint_eq(mask, found);
        if (rows) {
            series_count++;
            seen = memtable_next_series(fixture->mt, seen);
            ck_assert_uint_eq(seen, id);
        }
        compare_series(fixture, id, UINT32_MAX, INT64_MIN, INT64_MAX);
        silt_time min = rand() % 2000, max = min + rand() % 500;
        compare_series(fixture, id, (uint32_t)rand(), min, max);
        compare_series(fixture, id, 1u << rand() % FIELDS, INT64_MIN, INT64_MAX);
    }
    ck_assert_uint_eq(memtable_next_series(fixture->mt, seen), 0);
    ck_assert_uint_eq(stats.series, series_count);
    silt_arena_destroy(arena);
}

static void run(bool in_order, int masks, int batches)
{
    struct fixture fixture;
    set_up(&fixture);
    for (int i = 0; i < batches; i++) {
        apply_random(&fixture, 1 + (size_t)rand() % 900, in_order, masks);
        if (i % 5 == 4 || i + 1 == batches)
            compare_all(&fixture);
    }
    tear_down(&fixture);
}

START_TEST(in_order_one_layout)
{
    run(true, 1, 1);
    run(true, 1, 10);
}
END_TEST
START_TEST(in_order_many_layouts)
{
    run(true, 8, 15);
}
END_TEST
START_TEST(out_of_order_one_layout)
{
    run(false, 1, 15);
}
END_TEST
START_TEST(out_of_order_many_layouts)
{
    run(false, 3, 15);
    run(false, 8, 15);
}
END_TEST

START_TEST(changed_type_keeps_both)
{
    struct fixture fixture;
    set_up(&fixture);
    struct field_ref as_float = {1, SILT_TYPE_FLOAT}, as_int = {1, SILT_TYPE_INTEGER}, any = {1, SILT_TYPE_NONE};
    uint32_t slot = 0;
    struct layout_map maps[2] = {{field_dict_intern(fixture.dict, 1, &as_float, 1), &slot},
                                 {field_dict_intern(fixture.dict, 1, &as_int, 1), &slot}};
    union silt_value values[2] = {{.f64 = 1.5}, {.i64 = 7}};
    struct memtable_row rows[2] = {{5, 0, 10, &values[0]}, {5, 1, 20, &values[1]}};
    memtable_apply(fixture.mt, rows, 2, maps, fixture.arena);
    struct memtable_rows out;
    ck_assert_int_eq(memtable_collect(fixture.mt, 5, 0, 100, &as_float, 1, fixture.arena, &out, NULL), SILT_OK);
    ck_assert(out.count == 1 && out.columns[0].values[0].f64 == 1.5);
    ck_assert_int_eq(memtable_collect(fixture.mt, 5, 0, 100, &any, 1, fixture.arena, &out, NULL), SILT_OK);
    ck_assert(out.count == 1 && out.times[0] == 20 && out.columns[0].type == SILT_TYPE_INTEGER);
    struct field_ref *fields;
    size_t count;
    ck_assert_int_eq(memtable_fields(fixture.mt, 5, fixture.arena, &fields, &count, NULL), SILT_OK);
    ck_assert_uint_eq(count, 2);
    tear_down(&fixture);
}
END_TEST

/* Each row with a field of its own must not cost the columns of all before it. */
START_TEST(ever_new_fields_stay_bounded)
{
    struct fixture fixture;
    set_up(&fixture);
    for (uint32_t i = 0; i < 5000; i++) {
        struct field_ref column = {i + 1, SILT_TYPE_FLOAT};
        uint32_t slot = 0;
        struct layout_map map = {field_dict_intern(fixture.dict, 1, &column, 1), &slot};
        union silt_value value = {.f64 = i};
        struct memtable_row row = {1, 0, i, &value};
        memtable_apply(fixture.mt, &row, 1, &map, fixture.arena);
    }
    ck_assert_uint_lt(memtable_bytes(fixture.mt), 3u << 20);
    struct field_ref field = {4321, SILT_TYPE_FLOAT};
    struct memtable_rows out;
    ck_assert_int_eq(memtable_collect(fixture.mt, 1, 0, 9999, &field, 1, fixture.arena, &out, NULL), SILT_OK);
    ck_assert(out.count == 1 && out.times[0] == 4320 && out.columns[0].values[0].f64 == 4320);
    tear_down(&fixture);
}
END_TEST

/* What a memtable gives back the next one takes; what nobody takes goes. */
START_TEST(pieces_are_used_again)
{
    struct piece_pool *pool = piece_pool_create(8 * PIECE_BYTES);
    struct field_dict *dict = field_dict_create(NULL);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct field_ref column = {1, SILT_TYPE_INTEGER};
    uint32_t slot = 0;
    struct layout_map map = {field_dict_intern(dict, 1, &column, 1), &slot};
    size_t idle = 0;
    for (int round = 0; round < 3; round++) {
        struct memtable *mt = memtable_create(NULL, pool, dict);
        for (int64_t i = 0; i < 1000000; i++) {
            union silt_value value = {.i64 = i ^ round};
            struct memtable_row row = {(silt_series_id)(1 + i % 100), 0, i, &value};
            memtable_apply(mt, &row, 1, &map, arena);
            silt_arena_reset(arena);
        }
        for (silt_series_id id = 1; id <= 100; id += 33) {
            struct memtable_rows rows;
            ck_assert_int_eq(memtable_collect(mt, id, INT64_MIN, INT64_MAX, &column, 1, arena, &rows, NULL), SILT_OK);
            ck_assert_uint_eq(rows.count, 10000);
            for (size_t i = 0; i < rows.count; i++)
                ck_assert(rows.times[i] == (int64_t)(i * 100 + id - 1) && rows.columns[0].values[i].i64 == (rows.times[i] ^ round));
            silt_arena_reset(arena);
        }
        memtable_destroy(mt);
        if (round > 0)
            ck_assert_uint_eq(piece_pool_idle_bytes(pool), idle);
        idle = piece_pool_idle_bytes(pool);
        ck_assert_uint_le(idle, 8 * PIECE_BYTES);
#ifndef __SANITIZE_ADDRESS__
        ck_assert_uint_gt(idle, 0);
#endif
    }
    piece_pool_trim(pool); /* they were all in use since the last time */
    ck_assert_uint_eq(piece_pool_idle_bytes(pool), idle);
    void *piece = piece_pool_take(pool);
    memset(piece, 1, PIECE_BYTES);
    piece_pool_give(pool, piece);
    piece_pool_trim(pool);
    ck_assert_uint_le(piece_pool_idle_bytes(pool), PIECE_BYTES);
    piece_pool_trim(pool);
    ck_assert_uint_eq(piece_pool_idle_bytes(pool), 0);
    piece_pool_destroy(pool);
    silt_arena_destroy(arena);
    field_dict_destroy(dict);
}
END_TEST

START_TEST(rows_beyond_the_budget_are_taken)
{
    struct silt_budget small;
    silt_budget_init(&small, "small", 100000, NULL);
    struct field_dict *dict = field_dict_create(NULL);
    struct memtable *mt = memtable_create(&small, NULL, dict);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct field_ref column = {1, SILT_TYPE_FLOAT};
    uint32_t slot = 0;
    struct layout_map map = {field_dict_intern(dict, 1, &column, 1), &slot};
    union silt_value value = {.f64 = 1};
    for (uint32_t i = 1; i < 5000; i++) {
        struct memtable_row row = {i, 0, 1, &value};
        memtable_apply(mt, &row, 1, &map, arena);
    }
    ck_assert_uint_eq(memtable_rows(mt), 4999);
    ck_assert_uint_gt(memtable_bytes(mt), 100000);
    ck_assert_uint_le(atomic_load(&small.used_bytes), 100000);
    memtable_destroy(mt);
    ck_assert_uint_eq(atomic_load(&small.used_bytes), 0);
    field_dict_destroy(dict);
    silt_arena_destroy(arena);
}
END_TEST

/* ---------------------------------------------------------------- threads */

struct shared {
    struct memtable *mt;
    struct field_dict *dict;
    struct layout_map maps[2];
    _Atomic bool stop;
    unsigned number;
};

#define SHARED_SERIES 300
#define SHARED_ROUNDS 200

static void *write_rows(void *arg)
{
    struct shared *shared = arg;
    struct silt_arena *scratch = silt_arena_create(NULL);
    unsigned half = shared->number;
    for (int round = 0; round < SHARED_ROUNDS; round++) {
        struct memtable_row rows[SHARED_SERIES];
        union silt_value values[SHARED_SERIES][3];
        for (unsigned i = 0; i < SHARED_SERIES; i++) {
            /* Two writers, each with every other time; now and then a field is missing. */
            silt_time time = 2 * round + half;
            for (unsigned f = 0; f < 3; f++)
                values[i][f].i64 = time * 10 + f;
            rows[i] = (struct memtable_row){i + 1, (unsigned)(i + (unsigned)round) % 5 == 0, time, values[i]};
        }
        memtable_apply(shared->mt, rows, SHARED_SERIES, shared->maps, scratch);
        silt_arena_reset(scratch);
    }
    silt_arena_destroy(scratch);
    return NULL;
}

static void *read_rows(void *arg)
{
    struct shared *shared = arg;
    struct field_ref fields[3] = {{1, SILT_TYPE_INTEGER}, {2, SILT_TYPE_INTEGER}, {3, SILT_TYPE_INTEGER}};
    size_t last[SHARED_SERIES + 1] = {0};
    while (!atomic_load(&shared->stop)) {
        for (silt_series_id id = 0; (id = memtable_next_series(shared->mt, id)) != 0;) {
            struct silt_arena *arena = silt_arena_create(NULL);
            struct memtable_rows out;
            ck_assert_int_eq(memtable_collect(shared->mt, id, INT64_MIN, INT64_MAX, fields, 3, arena, &out, NULL),
                             SILT_OK);
            ck_assert_uint_ge(out.count, last[id]);
            last[id] = out.count;
            for (size_t i = 0; i < out.count; i++) {
                ck_assert(i == 0 || out.times[i - 1] < out.times[i]);
                for (unsigned f = 0; f < 3; f++)
                    if (out.columns[f].values && (!out.columns[f].valid || out.columns[f].valid[i / 64] >> i % 64 & 1))
                        ck_assert_int_eq(out.columns[f].values[i].i64, out.times[i] * 10 + f);
            }
            silt_arena_destroy(arena);
        }
    }
    return NULL;
}

START_TEST(readers_beside_writers)
{
    struct shared shared[2];
    struct field_dict *dict = field_dict_create(NULL);
    struct field_ref columns[3] = {{1, SILT_TYPE_INTEGER}, {2, SILT_TYPE_INTEGER}, {3, SILT_TYPE_INTEGER}};
    uint32_t slots[3] = {0, 1, 2}, fewer_slots[2] = {0, 2};
    struct field_ref fewer[2] = {columns[0], columns[2]};
    shared[0] = (struct shared){
        .mt = memtable_create(NULL, NULL, dict),
        .dict = dict,
        .maps = {{field_dict_intern(dict, 1, columns, 3), slots}, {field_dict_intern(dict, 1, fewer, 2), fewer_slots}}};
    shared[1] =
        (struct shared){.mt = shared[0].mt, .dict = dict, .maps = {shared[0].maps[0], shared[0].maps[1]}, .number = 1};
    pthread_t writers[2], readers[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&readers[i], NULL, read_rows, &shared[0]);
        pthread_create(&writers[i], NULL, write_rows, &shared[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&shared[0].stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    struct silt_arena *arena = silt_arena_create(NULL);
    for (silt_series_id id = 1; id <= SHARED_SERIES; id++) {
        struct memtable_rows out;
        ck_assert_int_eq(memtable_collect(shared[0].mt, id, INT64_MIN, INT64_MAX, columns, 3, arena, &out, NULL),
                         SILT_OK);
        ck_assert_uint_eq(out.count, 2 * SHARED_ROUNDS);
    }
    silt_arena_destroy(arena);
    memtable_destroy(shared[0].mt);
    field_dict_destroy(dict);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memtable");
    TCase *tcase = tcase_create("memtable");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, in_order_one_layout);
    tcase_add_test(tcase, in_order_many_layouts);
    tcase_add_test(tcase, out_of_order_one_layout);
    tcase_add_test(tcase, out_of_order_many_layouts);
    tcase_add_test(tcase, changed_type_keeps_both);
    tcase_add_test(tcase, ever_new_fields_stay_bounded);
    tcase_add_test(tcase, pieces_are_used_again);
    tcase_add_test(tcase, rows_beyond_the_budget_are_taken);
    tcase_add_test(tcase, readers_beside_writers);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
