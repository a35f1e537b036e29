/*
 * test_continuous.c - the runner of continuous queries over a real store and a simulated clock.
 */
#include "server/continuous.h"
#include "server/query_registry.h"
#include "server/statement.h"
#include "server/stats.h"
#include "silt/definitions.h"
#include "silt/storage.h"
#include "silt/text.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define S 1000000000LL
#define BASE (1700000000LL / 3600 * 3600 * S)

static char folder[64];
static struct silt_storage *storage;
static struct silt_server_options options;
static struct query_registry registry;
static struct stats_source stats;
static struct query_host host;
static struct continuous *continuous;
static struct silt_arena *arena;
static struct silt_error err;
static silt_time now;

static silt_time clock_now(void *arg)
{
    return now;
}

static void start(void)
{
    struct silt_storage_options storage_options;
    silt_storage_options_init(&storage_options);
    storage_options.data_dir = folder;
    storage_options.background_off = true;
    storage_options.now = clock_now;
    ck_assert_msg(silt_storage_open(&storage_options, &storage, &err) == SILT_OK, "%s", err.text);
    query_registry_init(&registry);
    stats = (struct stats_source){.storage = storage, .queries = &registry, .options = &options};
    host = (struct query_host){.storage = storage,
                               .admin = statement_admin_create(&stats),
                               .queries = &registry,
                               .options = &options};
    continuous = stats.continuous = continuous_create(&host);
}

static void stop(void)
{
    continuous_stop(continuous);
    continuous_destroy(continuous);
    statement_admin_destroy(host.admin);
    query_registry_deinit(&registry);
    ck_assert_int_eq(silt_storage_close(storage, true, &err), SILT_OK);
}

static void setup(void)
{
    now = BASE;
    arena = silt_arena_create(NULL);
    silt_server_options_init(&options);
    options.continuous_queries_log = false;
    snprintf(folder, sizeof(folder), "/tmp/silt-continuous-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    start();
    ck_assert_int_eq(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), SILT_OK);
}

static void teardown(void)
{
    char command[96];
    stop();
    silt_arena_destroy(arena);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* ---------------------------------------------------------------- statements, and their answers as text */

struct text_sink {
    struct silt_sink base;
    struct silt_buffer text;
    size_t columns;
};

static enum silt_status on_begin(struct silt_sink *sink, uint32_t id)
{
    return SILT_OK;
}

static enum silt_status on_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    ((struct text_sink *)sink)->columns = head->column_count;
    return SILT_OK;
}

static enum silt_status on_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    struct text_sink *out = (struct text_sink *)sink;
    for (size_t i = 0; i < row_count * out->columns; i++) {
        const struct silt_cell *cell = &cells[i];
        const char *end = (i + 1) % out->columns ? " " : "\n";
        if (cell->kind == SILT_CELL_TIME)
            silt_buffer_printf(&out->text, "%lld%s", (long long)((cell->i64 - BASE) / S), end);
        else if (cell->kind == SILT_CELL_INTEGER)
            silt_buffer_printf(&out->text, "%lld%s", (long long)cell->i64, end);
        else if (cell->kind == SILT_CELL_FLOAT)
            silt_buffer_printf(&out->text, "%g%s", cell->f64, end);
        else if (cell->kind == SILT_CELL_STRING)
            silt_buffer_printf(&out->text, "%.*s%s", SILT_FMT(cell->string), end);
        else
            silt_buffer_printf(&out->text, "null%s", end);
    }
    return SILT_OK;
}

static void on_message(struct silt_sink *sink, struct silt_str level, struct silt_str text)
{
}

static void on_error(struct silt_sink *sink, struct silt_str text)
{
    silt_buffer_printf(&((struct text_sink *)sink)->text, "error: %.*s\n", SILT_FMT(text));
}

static enum silt_status on_end(struct silt_sink *sink)
{
    return SILT_OK;
}

static const char *ask(const char *text)
{
    struct text_sink sink = {.base = {on_begin, on_series, on_rows, on_message, on_error, on_end}};
    struct silt_query_options query_options = {.database = SILT_STR("d")};
    struct silt_query *query;
    ck_assert_msg(silt_query_parse(silt_str_from(text), NULL, 0, arena, &query, &err) == SILT_OK, "%s", err.text);
    query_host_options(&host, now, &query_options);
    silt_query_run(query, &query_options, &sink.base);
    struct silt_str copy = silt_arena_str(arena, (struct silt_str){sink.text.p ? sink.text.p : "", sink.text.len});
    silt_buffer_free(&sink.text);
    return copy.p;
}

static void on_written(void *arg, enum silt_status status, const struct silt_error *error)
{
}

static void put(const char *series, int64_t second, double value)
{
    struct silt_str text = silt_str_from(series), measurement = text;
    const char *comma = memchr(series, ',', text.len);
    if (comma)
        measurement.len = (size_t)(comma - series);
    union silt_value slot = {.f64 = value};
    struct silt_field field = {SILT_STR("v"), SILT_TYPE_FLOAT};
    struct silt_layout layout = {measurement, &field, 1};
    struct silt_row row = {.series = text, .series_hash = silt_hash(text.p, text.len), .time = BASE + second * S};
    struct silt_batch batch = {&layout, 1, &row, 1, &slot};
    struct silt_write_report report = {0};
    ck_assert_msg(silt_storage_write(storage, SILT_STR("d"), SILT_STR(""), &batch, true, arena, &report, on_written, NULL,
                                     &err) == SILT_OK, "%s", err.text);
}

/* Every second from now to BASE + second. */
static void tick_to(int64_t second)
{
    for (; now <= BASE + second * S; now += S)
        continuous_tick(continuous, now);
    now -= S;
}

/* ---------------------------------------------------------------- tests */

START_TEST(windows_as_they_end)
{
    ck_assert_str_eq(ask("CREATE CONTINUOUS QUERY c ON d BEGIN SELECT sum(v) INTO s FROM m WHERE time > 5 GROUP BY time(10s) END"),
                     "");
    for (int i = 0; i < 40; i++)
        put("m", i, i);
    tick_to(9);
    ck_assert_str_eq(ask("SELECT * FROM s"), "");
    tick_to(10);
    ck_assert_str_eq(ask("SELECT * FROM s"), "0 45\n");
    tick_to(35);
    ck_assert_str_eq(ask("SELECT * FROM s"), "0 45\n10 145\n20 245\n");
}
END_TEST

START_TEST(in_order_and_through_each_other)
{
    ask("CREATE CONTINUOUS QUERY a ON d BEGIN SELECT sum(v) AS v INTO s FROM m GROUP BY time(5s), host END");
    ask("CREATE CONTINUOUS QUERY b ON d BEGIN SELECT sum(v) INTO t FROM s GROUP BY time(10s) END");
    put("m,host=a", 1, 1);
    put("m,host=b", 2, 2);
    put("m,host=b", 8, 4);
    tick_to(10);
    ck_assert_str_eq(ask("SELECT v, host FROM s"), "0 1 a\n0 2 b\n5 4 b\n");
    ck_assert_str_eq(ask("SELECT * FROM t"), "0 7\n");
}
END_TEST

START_TEST(definitions_come_and_go)
{
    struct continuous_report *reports;
    size_t count;

    ask("CREATE CONTINUOUS QUERY a ON d RESAMPLE EVERY 1s BEGIN SELECT sum(v) INTO s FROM m GROUP BY time(10s) END");
    ask("CREATE CONTINUOUS QUERY b ON d RESAMPLE EVERY 1s BEGIN SELECT sum(v) INTO s FROM m GROUP BY time(10s) END");
    tick_to(3);
    ask("CREATE CONTINUOUS QUERY c ON d RESAMPLE EVERY 1s BEGIN SELECT v, sum(v) INTO s FROM m GROUP BY time(10s) END");
    ask("DROP CONTINUOUS QUERY a ON d");
    tick_to(5);
    continuous_reports(continuous, arena, &reports, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(reports[0].name.p, "b");
    ck_assert_uint_ge(reports[0].ok, 5); /* it went on where it was */
    ck_assert_uint_eq(reports[0].failed, 0);
    ck_assert_uint_eq(reports[0].error.len, 0);
    ck_assert_str_eq(reports[1].name.p, "c");
    ck_assert_uint_ge(reports[1].failed, 1);
    ck_assert_str_eq(reports[1].error.p, "mixing aggregate and non-aggregate queries is not supported");
    ask("DROP CONTINUOUS QUERY b ON d");
    ask("CREATE CONTINUOUS QUERY b ON d BEGIN SELECT sum(v) INTO s FROM m GROUP BY time(20s) END");
    tick_to(6);
    continuous_reports(continuous, arena, &reports, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(reports[0].name.p, "c");
    ck_assert_uint_eq(reports[1].ok, 0);
    ask("DROP DATABASE d");
    tick_to(7);
    continuous_reports(continuous, arena, &reports, &count);
    ck_assert_uint_eq(count, 0);
}
END_TEST

/* While its rows are written, it is among the queries, and can be killed. */
static enum silt_status (*real_write)(struct silt_admin *, struct silt_str, struct silt_str, const struct silt_batch *,
                                      struct silt_error *);
static size_t writes_seen;

static enum silt_status write_and_kill(struct silt_admin *admin, struct silt_str database, struct silt_str rp,
                                       const struct silt_batch *batch, struct silt_error *error)
{
    struct silt_table table;
    if (writes_seen++ == 0) {
        query_registry_show(&registry, arena, &table);
        ck_assert_uint_eq(table.row_count, 1);
        ck_assert_str_eq(table.cells[1].string.p, "SELECT sum(v) INTO d.autogen.s FROM d.autogen.m GROUP BY time(100ms) fill(0)");
        ck_assert_str_eq(table.cells[2].string.p, "d");
        ck_assert_int_eq(query_registry_kill(&registry, (uint64_t)table.cells[0].i64, error), SILT_OK);
    }
    return real_write(admin, database, rp, batch, error);
}

START_TEST(killed_as_any_query)
{
    struct continuous_report *reports;
    size_t count;

    ask("CREATE CONTINUOUS QUERY k ON d RESAMPLE EVERY 1h BEGIN SELECT sum(v) INTO s FROM m GROUP BY time(100ms) FILL(0) END");
    put("m", 10, 1);
    put("m", 3590, 2);
    real_write = host.admin->write;
    host.admin->write = write_and_kill;
    now = BASE + 3600 * S;
    continuous_tick(continuous, now);
    continuous_reports(continuous, arena, &reports, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(reports[0].failed, 1);
    ck_assert_str_eq(reports[0].error.p, "query interrupted");
    ck_assert(!reports[0].running);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("continuous");
    TCase *tcase = tcase_create("runs");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, windows_as_they_end);
    tcase_add_test(tcase, in_order_and_through_each_other);
    tcase_add_test(tcase, definitions_come_and_go);
    tcase_add_test(tcase, killed_as_any_query);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
