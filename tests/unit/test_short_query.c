/*
 * test_short_query.c - what SELECTs are run with an allowance (query/short_query.c), and which of them it lasts for.
 *
 * Measurement m: 16 series of 1,000 rows, a second apart, with fields a and b, and a text t in one of them; wide: one row of 100 fields.
 */
#include "silt/query.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/run_suite.h"
#include "tests/store_fixture.h"
#include "tests/wait_write.h"

#define SERIES 16
#define ROWS 1000
#define WIDE 100
#define SECOND ((int64_t)1000000000)

static struct silt_arena *arena;
static const struct silt_bytes no_text;

static void write_rows(struct silt_str key, size_t measurement_len, const struct silt_field *fields, size_t field_count, size_t row_count)
{
    struct silt_layout layout = {{key.p, measurement_len}, (struct silt_field *)fields, (uint32_t)field_count};
    struct silt_row *rows = silt_arena_alloc(arena, row_count * sizeof(*rows));
    union silt_value *values = silt_arena_zalloc(arena, row_count * field_count * sizeof(*values));

    for (size_t i = 0; i < row_count; i++) {
        rows[i] = (struct silt_row){key, silt_hash(key.p, key.len), (int64_t)i * SECOND, 0, (uint32_t)(i * field_count), i};
        for (size_t f = 0; f < field_count; f++)
            if (fields[f].type == SILT_TYPE_STRING)
                values[i * field_count + f].string = &no_text;
            else
                values[i * field_count + f].f64 = (double)(i * 17 % 1000);
    }
    struct silt_batch batch = {&layout, 1, rows, row_count, values, 0};
    struct silt_write_report report;
    enum silt_status durable;
    struct silt_error err;
    must(write_and_wait(storage, "d", "", &batch, arena, &report, &durable, &err), &err);
    ck_assert_int_eq(durable, SILT_OK);
}

static void setup(void)
{
    struct silt_storage_options options;
    struct silt_policy_change none = {0};
    struct silt_field two[] = {{SILT_STR("a"), SILT_TYPE_FLOAT}, {SILT_STR("b"), SILT_TYPE_FLOAT}}, wide[WIDE],
                      text = {SILT_STR("t"), SILT_TYPE_STRING};
    struct silt_error err;

    arena = silt_arena_create(NULL);
    make_folder();
    fixture_options(&options);
    fixture_open(&options);
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR("p"), &none, &err), &err);
    for (int i = 0; i < SERIES; i++) {
        struct silt_buffer key = {0};
        silt_buffer_printf(&key, "m,host=h%d", i);
        write_rows(silt_arena_str(arena, (struct silt_str){key.p, key.len}), 1, two, 2, ROWS);
        silt_buffer_free(&key);
    }
    write_rows(SILT_STR("m,host=h0"), 1, &text, 1, ROWS);
    for (int i = 0; i < WIDE; i++) {
        struct silt_buffer name = {0};
        silt_buffer_printf(&name, "f%d", i);
        wide[i] = (struct silt_field){silt_arena_str(arena, (struct silt_str){name.p, name.len}), SILT_TYPE_FLOAT};
        silt_buffer_free(&name);
    }
    write_rows(SILT_STR("wide,host=h0"), 4, wide, WIDE, 1);
}

static void teardown(void)
{
    remove_folder();
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- a sink that drops everything but errors */

static bool told_error;

static enum silt_status on_begin(struct silt_sink *sink, uint32_t statement_id)
{
    return SILT_OK;
}

static enum silt_status on_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    return SILT_OK;
}

static enum silt_status on_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    return SILT_OK;
}

static void on_message(struct silt_sink *sink, struct silt_str level, struct silt_str text)
{
}

static void on_error(struct silt_sink *sink, struct silt_str text)
{
    told_error = true;
}

static enum silt_status on_end(struct silt_sink *sink)
{
    return SILT_OK;
}

enum outcome { NOT_TRIED, GIVEN_UP, DONE };

static enum outcome run(struct silt_str text)
{
    struct silt_sink sink = {.begin = on_begin,
                             .series = on_series,
                             .rows = on_rows,
                             .message = on_message,
                             .error = on_error,
                             .end = on_end};
    struct silt_read_allowance allowance;
    struct silt_query_options options = {
        .source = silt_storage_source(storage), .database = SILT_STR("d"), .allowance = &allowance};
    struct silt_query *query;
    struct silt_error err;

    must(silt_query_parse(text, NULL, 0, arena, &query, &err), &err);
    if (!silt_query_may_be_short(query, &allowance))
        return NOT_TRIED;
    told_error = false;
    silt_query_run(query, &options, &sink);
    ck_assert(allowance.is_exceeded || !told_error);
    return allowance.is_exceeded ? GIVEN_UP : DONE;
}

/* before, then `count` times `again`, then after */
static const struct text_case {
    const char *before, *again, *after;
    int count;
    enum outcome outcome;
} text_cases[] = {
    {"SELECT max(a) FROM m", "", " WHERE host = 'h1'", 0, DONE},
    {"SELECT max(a) FROM m", "", "", 0, DONE},
    {"SELECT max(a), max(b) FROM m", "", " WHERE time >= 0 AND time < 1000s GROUP BY time(1m)", 0, DONE},
    {"SELECT * FROM m", "", " WHERE host = 'h1' AND time < 10s", 0, GIVEN_UP}, /* a text */
    {"SELECT a FROM m WHERE host = 'h0'", " OR host = 'h1'", "", 60, DONE},

    /* what is done with each value */
    {"SELECT percentile(a, 50) FROM m", "", " WHERE host = 'h1'", 0, DONE},
    {"SELECT percentile(a, 50) FROM m", "", "", 0, GIVEN_UP},
    {"SELECT max(a) FROM m WHERE a", " * a", " > 0", 900, NOT_TRIED},
    {"SELECT max(a) FROM m WHERE a", " * a", " > 0", 100, GIVEN_UP},
    {"SELECT max(a) FROM m WHERE a > 3", "", "", 0, DONE},
    {"SELECT a", " * a", " FROM m WHERE host = 'h1' AND time < 1s", 10, DONE},
    {"SELECT a", " * a", " FROM m LIMIT 1 OFFSET 15000", 100, GIVEN_UP},
    {"SELECT derivative(a, 1s) FROM m LIMIT 1 OFFSET 15000", "", "", 0, GIVEN_UP},
    {"SELECT min(a)", ", max(a), count(a), sum(a), mean(a)", " FROM m", 2, GIVEN_UP},

    /* windows, whether there are points or not */
    {"SELECT max(a) FROM m WHERE host = 'h1' AND time >= 0", "", " AND time < 1000s GROUP BY time(1s)", 0, DONE},
    {"SELECT max(a) FROM m WHERE host = 'h1' AND time >= 0", "", " AND time < 1d GROUP BY time(1s)", 0, GIVEN_UP},
    {"SELECT max(a) FROM m WHERE host = 'h1'", "", " AND time < 1000s GROUP BY time(1s)", 0, GIVEN_UP},
    {"SELECT max(a)", ", max(a)", " FROM m WHERE host = 'h1' AND time >= 0 AND time < 1000s GROUP BY time(1s)", 20, GIVEN_UP},
    {"SELECT max(a)", " + max(a)", " FROM m WHERE host = 'h1' AND time >= 0 AND time < 1000s GROUP BY time(1s)", 20, GIVEN_UP},
    {"SELECT moving_average(max(a), 2) FROM m WHERE host = 'h1' AND time >= 0 AND time < 500s GROUP BY time(1s)", "", "", 0, DONE},
    {"SELECT moving_average(max(a), 9000) FROM m WHERE host = 'h1' AND time >= 0 AND time < 1000s GROUP BY time(1s)", "", "", 0, GIVEN_UP},

    /* columns */
    {"SELECT max(a)", ", max(a)", " FROM m WHERE host = 'h1'", 63, DONE},
    {"SELECT max(a)", ", max(a)", " FROM m WHERE host = 'h1'", 64, NOT_TRIED},
    {"SELECT max(f1) FROM wide", "", "", 0, DONE},
    {"SELECT mean(*) FROM wide", "", "", 0, GIVEN_UP},
    {"SELECT * FROM wide", "", "", 0, GIVEN_UP},
    {"SELECT /f/ FROM wide", "", "", 0, NOT_TRIED},

    /* patterns */
    {"SELECT max(a) FROM m WHERE host =~ /h1$/", "", "", 0, DONE},
    {"SELECT max(a) FROM m WHERE host =~ /^h.*1$/", "", "", 0, DONE},
    {"SELECT max(a) FROM m WHERE host =~ /^(h0", "|h1", ")$/", 20, DONE},
    {"SELECT max(a) FROM m WHERE host =~ /(a+)+$/", "", "", 0, GIVEN_UP},
    {"SELECT max(a) FROM m WHERE a > 990 OR host =~ /(a+)+$/", "", "", 0, GIVEN_UP},

    {"SELECT max(a) FROM m", "; SELECT max(a) FROM m", "", 8, NOT_TRIED},
    {"SELECT max(a) INTO x FROM m", "", "", 0, NOT_TRIED},
    {"SELECT max(a) FROM (SELECT a FROM m)", "", "", 0, NOT_TRIED},
    {"SHOW SERIES", "", "", 0, NOT_TRIED},
};

START_TEST(texts)
{
    for (size_t k = 0; k < sizeof(text_cases) / sizeof(text_cases[0]); k++) {
        const struct text_case *c = &text_cases[k];
        struct silt_buffer text = {0};
        silt_buffer_str(&text, silt_str_from(c->before));
        for (int i = 0; i < c->count; i++)
            silt_buffer_str(&text, silt_str_from(c->again));
        silt_buffer_str(&text, silt_str_from(c->after));
        enum outcome got = run((struct silt_str){text.p, text.len});
        ck_assert_msg(got == c->outcome, "%.*s: %d", (int)text.len, text.p, got);
        silt_buffer_free(&text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("short_query");
    TCase *tests = tcase_create("short_query");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, texts);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
