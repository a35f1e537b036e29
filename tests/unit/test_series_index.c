/*
 * test_series_index.c - the series index against a dull model: a list of series, every filter run over all of them.
 */
#include "silt/text.h"
#include "storage/series_index.h"
#include "tests/make_series.h"
#include "tests/run_suite.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned begin(const char *what)
{
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
    printf("%s seed %u\n", what, seed);
    srand(seed);
    return seed;
}

/* ---------------------------------------------------------------- model */

#define MODEL_MAX 6000
#define TAGS_MAX 5

struct model_series {
    struct silt_str key, measurement, raw;
    struct silt_tag *tags;
    size_t tag_count;
    silt_series_id id;
    bool alive;
};

struct model {
    struct silt_arena *arena;
    struct model_series *series;
    size_t count;
};

static const char *key_names[] = {"host", "a", "dc", "r,k", "z z"};
static const char *measurement_names[] = {"cpu", "mem", "m x", "d,k"};

static struct silt_str model_value(const struct model_series *series, struct silt_str key)
{
    for (size_t i = 0; i < series->tag_count; i++)
        if (silt_str_equal(series->tags[i].key, key))
            return series->tags[i].value;
    return SILT_STR("");
}

static bool model_matches(const struct model_series *series, const struct silt_tag_filter *filter)
{
    switch (filter->op) {
    case SILT_TAG_AND:
        return model_matches(series, filter->left) && model_matches(series, filter->right);
    case SILT_TAG_OR:
        return model_matches(series, filter->left) || model_matches(series, filter->right);
    case SILT_TAG_EQ:
        return silt_str_equal(model_value(series, filter->key), filter->value);
    case SILT_TAG_NE:
        return !silt_str_equal(model_value(series, filter->key), filter->value);
    case SILT_TAG_MATCH:
        return filter->match(filter->match_arg, model_value(series, filter->key));
    case SILT_TAG_NOT_MATCH:
        return !filter->match(filter->match_arg, model_value(series, filter->key));
    case SILT_TAG_TRUE:
        return true;
    default:
        return false;
    }
}

/* ---------------------------------------------------------------- random input */

static struct silt_str random_value(struct silt_arena *arena)
{
    static const char letters[] = "a+,-=!~ \\";
    switch (rand() % 3) {
    case 0:
        return silt_arena_printf(arena, "host_%d", rand() % 2000);
    case 1:
        return silt_arena_printf(arena, "%d", rand() % 4);
    default: {
        struct silt_str text = silt_arena_printf(arena, "v%c%c%c%c", letters[rand() % 9], letters[rand() % 9],
                                                 letters[rand() % 9], letters[rand() % 9]);
        text.len = 1 + (size_t)rand() % 5;
        if (text.p[text.len - 1] == '\\')
            text.len = 1;
        return text;
    }
    }
}

/* The text with its tags in any order. */
static struct silt_str shuffled(struct silt_arena *arena, struct silt_str measurement, const struct silt_tag *tags,
                                size_t count)
{
    struct silt_tag list[TAGS_MAX];
    memcpy(list, tags, count * sizeof(*tags));
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)rand() % i;
        struct silt_tag tag = list[i - 1];
        list[i - 1] = list[j];
        list[j] = tag;
    }
    return silt_series_key_make(measurement, list, count, arena);
}

static void random_series(struct silt_arena *arena, struct model_series *out, size_t shapes)
{
    struct silt_tag tags[TAGS_MAX], *parsed;
    size_t n = 0;
    unsigned mask = shapes == 1 ? 31 : (unsigned)rand() % 32;
    for (unsigned i = 0; i < TAGS_MAX; i++)
        if (mask >> i & 1)
            tags[n++] = (struct silt_tag){silt_str_from(key_names[i]), random_value(arena)};
    struct silt_str measurement = silt_str_from(measurement_names[rand() % 4]);
    out->raw = shuffled(arena, measurement, tags, n);
    ck_assert_ptr_null(silt_series_key_parse(out->raw, arena, &out->key, &out->measurement, &parsed, &out->tag_count));
    out->tags = parsed;
}

static bool match_digit(const void *arg, struct silt_str value)
{
    char digit = *(const char *)arg;
    return value.len ? memchr(value.p, digit, value.len) != NULL : digit == '0';
}

static bool match_any(const void *arg, struct silt_str value)
{
    (void)arg;
    (void)value;
    return true;
}

static const struct silt_tag_filter *random_filter(struct silt_arena *arena, const struct model *model, int depth)
{
    struct silt_tag_filter *filter = silt_arena_zalloc(arena, sizeof(*filter));
    static const char digits[] = "0123456789av";
    int kind = rand() % (depth > 3 ? 9 : 14);
    filter->key = rand() % 12 ? silt_str_from(key_names[rand() % TAGS_MAX]) : SILT_STR("nosuch");
    filter->value =
        rand() % 6 ? model_value(&model->series[(size_t)rand() % model->count], filter->key) : SILT_STR("no");
    filter->match = rand() % 5 ? match_digit : match_any;
    filter->match_arg = digits + rand() % 12;
    if (kind < 3)
        filter->op = SILT_TAG_EQ;
    else if (kind < 5)
        filter->op = SILT_TAG_NE;
    else if (kind < 7)
        filter->op = SILT_TAG_MATCH;
    else if (kind == 7)
        filter->op = SILT_TAG_NOT_MATCH;
    else if (kind == 8)
        filter->op = rand() % 2 ? SILT_TAG_TRUE : SILT_TAG_FALSE;
    else {
        filter->op = rand() % 2 ? SILT_TAG_AND : SILT_TAG_OR;
        filter->left = random_filter(arena, model, depth + 1);
        filter->right = random_filter(arena, model, depth + 1);
    }
    return filter;
}

/* ---------------------------------------------------------------- comparing */

static int by_key(const void *a, const void *b)
{
    return silt_str_compare((*(struct model_series *const *)a)->key, (*(struct model_series *const *)b)->key);
}

static int by_text(const void *a, const void *b)
{
    return silt_str_compare(*(const struct silt_str *)a, *(const struct silt_str *)b);
}

static void compare_filter(struct series_index *index, const struct model *model, const char *name,
                           const struct silt_tag_filter *filter)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_str measurement = silt_str_from(name), *values;
    struct model_series **wanted = silt_arena_alloc(arena, (model->count + 1) * sizeof(*wanted));
    size_t n = 0, count;
    for (size_t i = 0; i < model->count; i++)
        if (model->series[i].alive && silt_str_equal(model->series[i].measurement, measurement) &&
            (!filter || model_matches(&model->series[i], filter)))
            wanted[n++] = &model->series[i];
    qsort(wanted, n, sizeof(*wanted), by_key);
    struct silt_series_set set;
    uint32_t id = series_index_measurement(index, measurement);
    ck_assert_int_eq(series_index_select(index, id, filter, SERIES_BY_KEY, arena, &set, NULL), SILT_OK);
    ck_assert_uint_eq(set.count, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(set.ids[i] == wanted[i]->id, "place %zu: id %u, expected %u '%.*s'", i, set.ids[i], wanted[i]->id,
                      SILT_FMT(wanted[i]->key));
    for (unsigned k = 0; k < TAGS_MAX; k++) {
        struct silt_str key = silt_str_from(key_names[k]);
        struct silt_str *expected = silt_arena_alloc(arena, (n + 1) * sizeof(*expected));
        size_t m = 0, kept = 0;
        for (size_t i = 0; i < n; i++)
            if (model_value(wanted[i], key).len)
                expected[m++] = model_value(wanted[i], key);
        qsort(expected, m, sizeof(*expected), by_text);
        for (size_t i = 0; i < m; i++)
            if (i == 0 || !silt_str_equal(expected[i], expected[kept - 1]))
                expected[kept++] = expected[i];
        ck_assert_int_eq(series_index_tag_values(index, id, key, filter, arena, &values, &count, NULL), SILT_OK);
        ck_assert_uint_eq(count, kept);
        for (size_t i = 0; i < count; i++)
            ck_assert(silt_str_equal(values[i], expected[i]));
    }
    silt_arena_destroy(arena);
}

static void compare_all(struct series_index *index, const struct model *model)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    size_t alive = 0, count, tag_count;
    for (size_t i = 0; i < model->count; i++) {
        const struct model_series *series = &model->series[i];
        struct silt_str key;
        struct silt_tag *tags;
        uint32_t measurement;
        silt_series_id found = find_series(index, series->key);
        alive += series->alive;
        if (!series->alive) { /* unless it was made anew, under another id */
            silt_series_id anew = 0;
            for (size_t j = i + 1; j < model->count; j++)
                if (model->series[j].alive && silt_str_equal(model->series[j].key, series->key))
                    anew = model->series[j].id;
            ck_assert_uint_eq(found, anew);
            if (!anew)
                ck_assert_uint_eq(find_series(index, series->raw), 0);
            ck_assert(!series_index_series(index, series->id, arena, &key, NULL, NULL, NULL));
            continue;
        }
        ck_assert_uint_eq(found, series->id);
        ck_assert(series_index_series(index, series->id, arena, &key, &measurement, &tags, &tag_count));
        ck_assert(silt_str_equal(key, series->key));
        ck_assert_uint_eq(tag_count, series->tag_count);
        ck_assert_uint_eq(measurement, series_index_measurement_of(index, series->id));
        ck_assert(silt_str_equal(series_index_measurement_name(index, measurement), series->measurement));
        for (size_t t = 0; t < tag_count; t++)
            ck_assert(silt_str_equal(tags[t].key, series->tags[t].key) &&
                      silt_str_equal(tags[t].value, series->tags[t].value));
    }
    struct series_index_stats stats;
    series_index_stats(index, &stats);
    ck_assert_uint_eq(stats.series, alive);
    struct silt_str *names;
    uint32_t *ids;
    ck_assert_int_eq(series_index_measurements(index, arena, &names, &ids, &count, NULL), SILT_OK);
    size_t listed = 0;
    for (unsigned m = 0; m < 4; m++) {
        struct silt_str name = silt_str_from(measurement_names[m]), *keys;
        size_t has = 0, key_count;
        unsigned key_mask = 0, found_mask = 0;
        for (size_t i = 0; i < model->count; i++) {
            if (!model->series[i].alive || !silt_str_equal(model->series[i].measurement, name))
                continue;
            has++;
            for (unsigned k = 0; k < TAGS_MAX; k++)
                if (model_value(&model->series[i], silt_str_from(key_names[k])).len)
                    key_mask |= 1u << k;
        }
        listed += has != 0;
        uint32_t id = series_index_measurement(index, name);
        ck_assert_uint_eq(series_index_measurement_series(index, id), has);
        ck_assert_int_eq(series_index_tag_keys(index, id, arena, &keys, &key_count, NULL), SILT_OK);
        for (size_t i = 0; i < key_count; i++) {
            ck_assert(i == 0 || silt_str_compare(keys[i - 1], keys[i]) < 0);
            for (unsigned k = 0; k < TAGS_MAX; k++)
                if (silt_str_equal(keys[i], silt_str_from(key_names[k])))
                    found_mask |= 1u << k;
        }
        ck_assert_uint_eq(key_mask, found_mask);
    }
    ck_assert_uint_eq(count, listed);
    for (size_t i = 1; i < count; i++)
        ck_assert(silt_str_compare(names[i - 1], names[i]) < 0);
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- tests */

static void add_series(struct series_index *index, struct model *model, size_t shapes)
{
    struct model_series *series = &model->series[model->count];
    random_series(model->arena, series, shapes);
    struct silt_error err;
    silt_series_id before = find_series(index, series->raw);
    bool created, pending = rand() % 2, known = false;
    silt_series_id id = make_series(index, series->raw, pending, &created, &err);
    ck_assert_uint_ne(id, 0);
    for (size_t i = 0; i < model->count; i++)
        if (model->series[i].alive && silt_str_equal(model->series[i].key, series->key)) {
            known = true;
            ck_assert_uint_eq(model->series[i].id, id);
        }
    ck_assert(created == !known);
    ck_assert(before == 0 || before == id);
    if (pending) {
        if (!known)
            ck_assert_uint_eq(find_series(index, series->raw), 0);
        ck_assert_uint_eq(make_series(index, series->raw, true, &created, &err), id);
        ck_assert(!created);
        if (!known && rand() % 10 == 0) { /* it is gone before anybody has seen it */
            series_index_remove(index, &id, 1);
            series_index_publish(index);
            ck_assert_uint_eq(find_series(index, series->raw), 0);
            return;
        }
        series_index_publish(index);
    }
    ck_assert_uint_eq(find_series(index, series->raw), id);
    if (!known) {
        series->id = id;
        series->alive = true;
        model->count++;
    }
}

static struct series_index *reloaded(const struct model *model, silt_series_id last_id)
{
    struct series_index *index = series_index_create(NULL);
    series_index_load_begin(index, 10);
    silt_series_id id = 0;
    for (;;) { /* in id order */
        const struct model_series *next = NULL;
        for (size_t i = 0; i < model->count; i++)
            if (model->series[i].alive && model->series[i].id > id && (!next || model->series[i].id < next->id))
                next = &model->series[i];
        if (!next)
            break;
        id = next->id;
        struct silt_error err;
        ck_assert_msg(series_index_load(index, id, next->key, &err) == SILT_OK, "%s", err.text);
    }
    ck_assert_int_eq(series_index_load_end(index, last_id, NULL), SILT_OK);
    return index;
}

static void run_against_model(size_t rounds, size_t shapes)
{
    struct model model = {.arena = silt_arena_create(NULL), .series = calloc(MODEL_MAX, sizeof(struct model_series))};
    struct silt_budget budget;
    silt_budget_init(&budget, "index", SIZE_MAX, NULL);
    struct series_index *index = series_index_create(&budget);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t n = 20 + (size_t)rand() % 200; n && model.count < MODEL_MAX; n--)
            add_series(index, &model, shapes);
        if (rand() % 2) /* some, or all, before a filter asks for them */
            series_index_post(index, 1 + (uint32_t)rand() % 100);
        for (int i = 0; i < 12; i++) {
            struct silt_arena *arena = silt_arena_create(NULL);
            compare_filter(index, &model, measurement_names[rand() % 4], random_filter(arena, &model, 0));
            silt_arena_destroy(arena);
        }
        compare_filter(index, &model, measurement_names[rand() % 4], NULL);
        if (rand() % 3 == 0) { /* drop some, now and then all of a measurement */
            silt_series_id ids[MODEL_MAX];
            size_t n = 0;
            int all_of = rand() % 8;
            for (size_t i = 0; i < model.count; i++) {
                struct model_series *series = &model.series[i];
                if (series->alive &&
                    (all_of < 4 ? silt_str_equal(series->measurement, silt_str_from(measurement_names[all_of]))
                                : rand() % 8 == 0)) {
                    series->alive = false;
                    ids[n++] = series->id;
                }
            }
            size_t piece = rand() % 2 ? n : 20; /* at once is another way than one by one */
            for (size_t i = 0; i < n; i += piece)
                series_index_remove(index, ids + i, n - i < piece ? n - i : piece);
            if (rand() % 2)
                while (series_index_post(index, 1 + (uint32_t)rand() % 100))
                    ;
            if (rand() % 2)
                series_index_reclaim(index, 1 + (uint32_t)rand() % 50);
        }
        compare_all(index, &model);
    }
    struct series_index_stats stats;
    series_index_stats(index, &stats);
    struct series_index *again = reloaded(&model, stats.last_id);
    compare_all(again, &model);
    compare_filter(again, &model, "cpu", NULL);
    ck_assert_uint_gt(atomic_load(&budget.used_bytes), 0);
    series_index_destroy(again);
    series_index_destroy(index);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
    silt_arena_destroy(model.arena);
    free(model.series);
}

START_TEST(agrees_with_model)
{
    begin("series index");
    run_against_model(30, 32);
}
END_TEST

START_TEST(agrees_with_model_one_shape)
{
    begin("series index, one shape");
    run_against_model(15, 1);
}
END_TEST

START_TEST(batch_lookup)
{
    struct series_index *index = series_index_create(NULL);
    struct silt_arena *arena = silt_arena_create(NULL);
    enum { N = 1000 };
    struct silt_row *rows = silt_arena_zalloc(arena, N * sizeof(*rows));
    silt_series_id ids[N];
    for (int i = 0; i < N; i++) {
        struct silt_str text = silt_arena_printf(arena, "cpu,host=h%d", i);
        struct silt_error err;
        rows[i].series = text;
        rows[i].series_hash = silt_hash(text.p, text.len);
        if (i % 3 == 0)
            continue;
        ids[i] = make_series(index, text, false, NULL, &err);
        ck_assert_uint_ne(ids[i], 0);
    }
    silt_series_id found[N];
    ck_assert_uint_eq(series_index_lookup(index, rows, N, found), (N + 2) / 3);
    for (int i = 0; i < N; i++)
        ck_assert_uint_eq(found[i], i % 3 ? ids[i] : 0);
    silt_arena_destroy(arena);
    series_index_destroy(index);
}
END_TEST

START_TEST(damaged_catalog_is_refused)
{
    struct series_index *index = series_index_create(NULL);
    series_index_load_begin(index, 0);
    ck_assert_int_eq(series_index_load(index, 5, SILT_STR("m,a=1"), NULL), SILT_OK);
    ck_assert_int_eq(series_index_load(index, 5, SILT_STR("m,a=2"), NULL), SILT_CORRUPT);
    ck_assert_int_eq(series_index_load(index, 6, SILT_STR("m,b=2,a=1"), NULL), SILT_CORRUPT);
    ck_assert_int_eq(series_index_load(index, 6, SILT_STR("m,a=2,a=2"), NULL), SILT_CORRUPT);
    ck_assert_int_eq(series_index_load(index, 6, SILT_STR("m,a"), NULL), SILT_CORRUPT);
    ck_assert_int_eq(series_index_load(index, 6, SILT_STR(""), NULL), SILT_CORRUPT);
    ck_assert_int_eq(series_index_load(index, 6, SILT_STR("m,a=\\=1"), NULL), SILT_OK);
    ck_assert_int_eq(series_index_load_end(index, 0, NULL), SILT_OK);
    series_index_destroy(index);
}
END_TEST

/* Enough for the helper; the fault is in one of many batches, and told at the end if not before. */
START_TEST(faults_in_long_lists_are_told)
{
    enum { COUNT = 5000 };
    for (int bad = -1; bad < COUNT; bad += COUNT / 7) {
        struct series_index *index = series_index_create(NULL);
        struct silt_arena *arena = silt_arena_create(NULL);
        struct silt_error err;
        enum silt_status rc = SILT_OK;
        series_index_load_begin(index, 0);
        for (int i = 0; i < COUNT && rc == SILT_OK; i++)
            rc = series_index_load(index, (silt_series_id)i + 1,
                                   silt_arena_printf(arena, i == bad ? "m,b=%d,a=1" : "m,a=%d,b=1", i), &err);
        ck_assert_int_eq(rc, bad < 0 ? SILT_OK : SILT_CORRUPT);
        ck_assert_int_eq(series_index_load_end(index, 0, &err), SILT_OK);
        struct series_index_stats stats;
        series_index_stats(index, &stats);
        ck_assert_uint_eq(stats.series, bad < 0 ? COUNT : bad);
        series_index_destroy(index);
        silt_arena_destroy(arena);
    }
}
END_TEST

START_TEST(budget_ends_creation)
{
    struct silt_budget budget;
    silt_budget_init(&budget, "index memory", 300000, NULL);
    struct series_index *index = series_index_create(&budget);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_error err = {0};
    int made = 0;
    while (made < 100000 && make_series(index, silt_arena_printf(arena, "cpu,host=h%d", made), false, NULL, &err))
        made++;
    ck_assert_int_eq(err.status, SILT_LIMIT);
    ck_assert_int_gt(made, 500);
    ck_assert_int_lt(made, 10000);
    ck_assert_uint_le(atomic_load(&budget.used_bytes), 300000);
    series_index_destroy(index);
    silt_arena_destroy(arena);
}
END_TEST

/* What sorting by key takes is the query's memory, and given back. */
START_TEST(sorting_is_charged)
{
    struct series_index *index = series_index_create(NULL);
    struct silt_arena *texts = silt_arena_create(NULL);
    series_index_load_begin(index, 0);
    for (int i = 0; i < 20000; i++) /* shapes enough to be merged by text in the second half */
        ck_assert_int_eq(series_index_load(index, (silt_series_id)i + 1,
                                           silt_arena_printf(texts, "m%d,h=%d,k%d=1", i & 1, i * 7919 % 20000,
                                                             i & 1 ? i : 0), NULL), SILT_OK);
    ck_assert_int_eq(series_index_load_end(index, 0, NULL), SILT_OK);
    for (int m = 0; m < 2; m++) {
        uint32_t measurement = series_index_measurement(index, m ? SILT_STR("m1") : SILT_STR("m0"));
        size_t limits[] = {300 << 10, 64 << 20};
        for (int i = 0; i < 2; i++) {
            struct silt_budget budget;
            struct silt_error err;
            struct silt_series_set set;
            silt_budget_init(&budget, "query memory", limits[i], NULL);
            struct silt_arena *arena = silt_arena_create(&budget);
            enum silt_status rc = series_index_select(index, measurement, NULL, SERIES_BY_KEY, arena, &set, &err);
            ck_assert_int_eq(rc, i ? SILT_OK : SILT_LIMIT);
            ck_assert_uint_eq(budget.used_bytes, silt_arena_bytes(arena));
            if (i)
                ck_assert_uint_gt(budget.peak_bytes, 10000 * 60);
            silt_arena_destroy(arena);
            ck_assert_uint_eq(budget.used_bytes, 0);
        }
    }
    silt_arena_destroy(texts);
    series_index_destroy(index);
}
END_TEST

/* Series come and go, each with values of its own: what is alive decides what memory is used, and the dictionaries hold nothing else. */
START_TEST(removed_series_leave_nothing)
{
    enum { ALIVE = 2000, ROUNDS = 100 };
    struct silt_budget budget;
    silt_budget_init(&budget, "index", SIZE_MAX, NULL);
    struct series_index *index = series_index_create(&budget);
    silt_series_id ids[ALIVE];
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_str *values;
    size_t bytes_then = 0, count;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ALIVE; i++) {
            silt_arena_reset(arena);
            struct silt_str text = silt_arena_printf(arena, "m,host=h%d-%0*d,zone=z%d", round * ALIVE + i, rand() % 200, 0, i % 7);
            struct silt_error err;
            bool created;
            if (round > 0) { /* the one that it takes the place of, among them one by one and in pieces */
                size_t piece = i % 100 == 0 && round % 2 ? 100 : round % 2 ? 0 : 1;
                series_index_remove(index, ids + i, piece);
            }
            ids[i] = make_series(index, text, false, &created, &err);
            ck_assert(created);
            if (rand() % 300 == 0)
                series_index_reclaim(index, 512);
        }
        uint32_t m = series_index_measurement(index, SILT_STR("m")), calls = 0;
        ck_assert(!series_index_select_is_short(index, m, NULL, ALIVE - 1)); /* who looked is not in the way */
        ck_assert_uint_eq(series_index_tag_key_count(index, m), 2);
        while (series_index_reclaim(index, 512))
            ck_assert_uint_lt(++calls, 1000);
        silt_arena_reset(arena);
        ck_assert_int_eq(series_index_tag_values(index, m, SILT_STR("host"), NULL, arena, &values, &count, NULL), SILT_OK);
        ck_assert_uint_eq(count, ALIVE);
        struct series_index_stats stats;
        series_index_stats(index, &stats);
        ck_assert_uint_eq(stats.series, ALIVE);
        if (round == 10)
            bytes_then = stats.bytes;
        else if (round > 10)
            ck_assert_uint_lt(stats.bytes, bytes_then + bytes_then / 2);
    }
    series_index_destroy(index);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
    silt_arena_destroy(arena);
}
END_TEST

/* ---------------------------------------------------------------- threads */

struct shared {
    struct series_index *index;
    _Atomic bool stop;
};

static void *read_along(void *arg)
{
    struct shared *shared = arg;
    const struct silt_tag_filter odd = {
        .op = SILT_TAG_MATCH, .key = SILT_STR("host"), .match = match_digit, .match_arg = "1"};
    while (!atomic_load(&shared->stop)) {
        struct silt_arena *arena = silt_arena_create(NULL);
        uint32_t cpu = series_index_measurement(shared->index, SILT_STR("cpu"));
        struct silt_series_set set;
        ck_assert_int_eq(series_index_select(shared->index, cpu, &odd, SERIES_BY_KEY, arena, &set, NULL), SILT_OK);
        struct silt_str last = SILT_STR(""), key;
        for (size_t i = 0; i < set.count; i++) {
            if (!series_index_series(shared->index, set.ids[i], arena, &key, NULL, NULL, NULL))
                continue;
            ck_assert_int_eq(memcmp(key.p, "cpu,dc=x,host=h", 15), 0);
            ck_assert(silt_str_compare(last, key) < 0);
            last = key;
        }
        struct silt_str *values;
        size_t count;
        ck_assert_int_eq(
            series_index_tag_values(shared->index, cpu, SILT_STR("host"), NULL, arena, &values, &count, NULL), SILT_OK);
        silt_arena_destroy(arena);
    }
    return NULL;
}

static void *look_along(void *arg)
{
    struct shared *shared = arg;
    unsigned i = 0;
    while (!atomic_load(&shared->stop)) {
        char text[40];
        int len = snprintf(text, sizeof(text), "cpu,dc=x,host=h%u", i++ % 3000);
        struct silt_row row = {.series = {text, (size_t)len}, .series_hash = silt_hash(text, (size_t)len)};
        silt_series_id id;
        series_index_lookup(shared->index, &row, 1, &id);
    }
    return NULL;
}

START_TEST(readers_beside_writers)
{
    struct shared shared = {.index = series_index_create(NULL)};
    pthread_t readers[3];
    pthread_create(&readers[0], NULL, read_along, &shared);
    pthread_create(&readers[1], NULL, read_along, &shared);
    pthread_create(&readers[2], NULL, look_along, &shared);
    for (int round = 0; round < 6; round++) {
        struct silt_arena *arena = silt_arena_create(NULL);
        silt_series_id *ids = silt_arena_alloc(arena, 3000 * sizeof(*ids));
        for (int i = 0; i < 3000; i++) {
            struct silt_error err;
            ids[i] = make_series(shared.index, silt_arena_printf(arena, "cpu,dc=x,host=h%d", i + round * 1000), i % 2, NULL, &err);
            ck_assert_uint_ne(ids[i], 0);
            if (i % 70 == 0)
                series_index_post(shared.index, 1 + (uint32_t)i % 100);
            if (i % 50 == 0)
                series_index_publish(shared.index);
            if (i % 90 == 0)
                series_index_reclaim(shared.index, 100);
        }
        series_index_publish(shared.index);
        series_index_remove(shared.index, ids, round == 1 ? 3000 : 1500);
        silt_arena_destroy(arena);
    }
    atomic_store(&shared.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
    series_index_destroy(shared.index);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series_index");
    TCase *tcase = tcase_create("series_index");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, agrees_with_model);
    tcase_add_test(tcase, agrees_with_model_one_shape);
    tcase_add_test(tcase, batch_lookup);
    tcase_add_test(tcase, damaged_catalog_is_refused);
    tcase_add_test(tcase, faults_in_long_lists_are_told);
    tcase_add_test(tcase, budget_ends_creation);
    tcase_add_test(tcase, sorting_is_charged);
    tcase_add_test(tcase, removed_series_leave_nothing);
    tcase_add_test(tcase, readers_beside_writers);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
