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
#include "tests/run_suite.h"

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
    storage_options.sync_mode = SILT_SYNC_OFF; /* thousands of runs, and nothing here crashes */
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
    snprintf(folder, sizeof(folder), "%s/silt-continuous-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
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
    struct silt_batch batch = {
        .layouts = &layout, .layout_count = 1, .rows = &row, .row_count = 1, .values = &slot};
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

/* ---------------------------------------------------------------- after a pause, and late data */

static const char *const rollups[] = {
    "CREATE CONTINUOUS QUERY a ON d BEGIN SELECT sum(v), count(v) INTO ra FROM m GROUP BY time(10s), host END",
    "CREATE CONTINUOUS QUERY b ON d RESAMPLE EVERY 30s FOR 5m BEGIN SELECT difference(mean(v)) INTO rb FROM m GROUP BY time(1m), host END",
    "CREATE CONTINUOUS QUERY c ON d BEGIN SELECT mean(v) INTO rc FROM m GROUP BY time(1m, 20s) fill(0) END",
    "CREATE CONTINUOUS QUERY d ON d RESAMPLE EVERY 1h BEGIN SELECT max(v), last(v) INTO rd FROM m GROUP BY time(5m), * END",
    "CREATE CONTINUOUS QUERY e ON d BEGIN SELECT sum(sum) INTO re FROM ra GROUP BY time(5m), host END",
    "CREATE CONTINUOUS QUERY f ON d BEGIN SELECT max(s) INTO rf FROM (SELECT sum(v) AS s FROM m GROUP BY time(10s), host) "
    "GROUP BY time(10m) TZ('Europe/Berlin') END",
};

#define HOUR 3600

static struct silt_str all_rollups(void)
{
    return silt_str_from(ask("SELECT * FROM ra; SELECT * FROM rb; SELECT * FROM rc; SELECT * FROM rd; SELECT * FROM re; "
                             "SELECT * FROM rf"));
}

static void put_hours(int64_t from, int64_t to)
{
    for (int64_t s = from; s < to; s += 7)
        if (s / 600 % 4 != 2) /* with gaps */
            put(s % 3 ? "m,host=a" : "m,host=b", s, (double)(s % 101));
}

static uint64_t pending(void)
{
    struct continuous_report *reports;
    size_t count;
    uint64_t sum = 0;
    continuous_reports(continuous, arena, &reports, &count);
    for (size_t i = 0; i < count; i++) {
        sum += reports[i].pending;
        ck_assert_msg(reports[i].failed == 0, "%s", reports[i].error.p);
    }
    return sum;
}

/* Until nothing is pending, and late data has been looked at. */
static void tick_until_done(void)
{
    int64_t second = (now - BASE) / S;
    do
        tick_to(second += 12);
    while (pending());
}

static void with_rollups(bool stopped, int64_t from, int64_t to, int64_t last)
{
    for (size_t i = 0; i < sizeof(rollups) / sizeof(rollups[0]); i++)
        ask(rollups[i]);
    put_hours(0, last);
    tick_to(from);
    if (stopped) {
        stop();
        now = BASE + to * S;
        start();
        tick_until_done();
    }
    tick_to(last);
}

START_TEST(three_hours_down)
{
    const int64_t from = HOUR + 17, to = 4 * HOUR + 33, last = 5 * HOUR + 100;
    with_rollups(false, from, to, last);
    struct silt_str expect = all_rollups();
    ck_assert_uint_gt(expect.len, 10000);
    char *kept = silt_strdup(expect);
    teardown();
    setup();
    with_rollups(true, from, to, last);
    ck_assert_str_eq(all_rollups().p, kept);
    free(kept);
}
END_TEST

/* As long as InfluxDB, when that is wanted. */
START_TEST(nothing_is_caught_up_when_that_is_off)
{
    ask(rollups[0]);
    put_hours(0, 2 * HOUR);
    tick_to(600);
    stop();
    options.catch_up_ms = 0;
    now = BASE + (HOUR + 3) * S;
    start();
    tick_to(HOUR + 700);
    ck_assert_str_eq(ask("SELECT count(sum) FROM ra WHERE time >= '2023-11-14T22:10:00Z' AND time < '2023-11-14T23:00:00Z'"), "");
    ck_assert_str_ne(ask("SELECT count(sum) FROM ra WHERE time >= '2023-11-14T23:00:00Z'"), "");
}
END_TEST

START_TEST(no_further_back_than_the_limit)
{
    ask(rollups[0]);
    put_hours(0, 4 * HOUR);
    tick_to(60);
    stop();
    options.catch_up_ms = HOUR * 1000 + 5000; /* whole windows only */
    now = BASE + 3 * HOUR * S;
    start();
    tick_until_done();
    ck_assert_str_eq(ask("SELECT first(sum), host FROM ra WHERE time > '2023-11-14T22:02:00Z' GROUP BY time(1000d)") + 0,
                     ask("SELECT first(sum), host FROM ra WHERE time >= '2023-11-15T00:00:00Z' GROUP BY time(1000d)"));
}
END_TEST

START_TEST(late_writes_and_deletes)
{
    for (size_t i = 0; i < sizeof(rollups) / sizeof(rollups[0]); i++)
        ask(rollups[i]);
    put_hours(0, 2 * HOUR);
    tick_to(2 * HOUR);
    tick_until_done();
    /* Two late rows, in windows apart; one of a measurement that nobody reads. */
    put("m,host=a", 601, 1000);
    put("m,host=c", 4000, 500);
    put("other", 50, 1);
    tick_until_done();
    ck_assert_str_eq(ask("SELECT sum, count FROM ra WHERE host = 'c'"), "4000 500 1\n");
    ck_assert_str_eq(ask("SELECT sum FROM re WHERE host = 'c'"), "3900 500\n"); /* what reads the rollup, too */
    ck_assert_str_eq(ask("SELECT max(sum) FROM ra WHERE time = '2023-11-14T22:10:00Z'"), "600 1097\n");
    ck_assert_str_eq(ask("SELECT max(max) FROM rf WHERE time >= '2023-11-14T22:10:00Z' AND time < '2023-11-14T22:20:00Z'"), "600 1097\n");
    ask("DELETE FROM m WHERE host = 'a' AND time = '2023-11-14T22:10:01Z'");
    tick_until_done();
    ck_assert_str_ne(ask("SELECT max(max) FROM rf WHERE time >= '2023-11-14T22:10:00Z' AND time < '2023-11-14T22:20:00Z'"), "600 1097\n");
    struct continuous_report *reports;
    size_t count;
    continuous_reports(continuous, arena, &reports, &count);
    ck_assert_uint_ge(reports[0].again, 2);
    uint64_t again = reports[0].again;
    tick_to((now - BASE) / S + 120); /* and then there is peace */
    continuous_reports(continuous, arena, &reports, &count);
    ck_assert_uint_eq(reports[0].again, again);
}
END_TEST

/* A query that writes where it reads comes to an end; so does one that others write for in a circle. */
START_TEST(circles_end)
{
    struct continuous_report *reports;
    size_t count;
    ask("CREATE CONTINUOUS QUERY a ON d BEGIN SELECT max(v) AS v INTO m FROM m GROUP BY time(10s) END");
    ask("CREATE CONTINUOUS QUERY b ON d BEGIN SELECT max(v) AS v INTO x FROM y GROUP BY time(10s) END");
    ask("CREATE CONTINUOUS QUERY c ON d BEGIN SELECT max(v) AS v INTO y FROM x GROUP BY time(20s) END");
    put("m", 3, 1);
    put("x", 3, 1);
    put("y", 3, 1);
    tick_to(300);
    put("m", 7, 5);
    put("x", 7, 5);
    put("y", 7, 7);
    tick_to(600);
    continuous_reports(continuous, arena, &reports, &count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_le(reports[i].again, 6);
        ck_assert_uint_eq(reports[i].pending, 0);
    }
    ck_assert_str_eq(ask("SELECT v FROM x WHERE time = '2023-11-14T22:00:00Z'"), "0 7\n");
}
END_TEST

/* What was touched is known after a start, too. */
START_TEST(pending_windows_last)
{
    ask(rollups[0]);
    put_hours(0, HOUR);
    tick_to(HOUR);
    tick_until_done();
    put("m,host=late", 100, 7);
    stop();
    now += 60 * S;
    start();
    tick_until_done();
    ck_assert_str_eq(ask("SELECT sum FROM ra WHERE host = 'late'"), "100 7\n");
}
END_TEST

START_TEST(late_data_can_be_switched_off)
{
    stop();
    options.late_data = false;
    start();
    ask(rollups[0]);
    put_hours(0, HOUR);
    tick_to(HOUR);
    put("m,host=late", 100, 7);
    tick_to(HOUR + 60);
    ck_assert_str_eq(ask("SELECT sum FROM ra WHERE host = 'late'"), "");
}
END_TEST

/* Float literals mean what was written, though they are shown rounded. */
START_TEST(literals_are_exact)
{
    ask("CREATE CONTINUOUS QUERY a ON d BEGIN SELECT sum(v) * 0.0001234 AS s INTO r FROM m WHERE v > 0.0001 GROUP BY time(10s) END");
    ck_assert_str_eq(ask("SHOW CONTINUOUS QUERIES"),
                     "a CREATE CONTINUOUS QUERY a ON d BEGIN SELECT sum(v) * 0.000 AS s INTO d.autogen.r FROM d.autogen.m "
                     "WHERE v > 0.000 GROUP BY time(10s) END\n");
    put("m", 1, 0.00005);
    put("m", 2, 1000000);
    tick_to(10);
    ck_assert_str_eq(ask("SELECT s FROM r"), "0 123.4\n");
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
    tcase_add_test(tcase, three_hours_down);
    tcase_add_test(tcase, nothing_is_caught_up_when_that_is_off);
    tcase_add_test(tcase, no_further_back_than_the_limit);
    tcase_add_test(tcase, late_writes_and_deletes);
    tcase_add_test(tcase, circles_end);
    tcase_add_test(tcase, pending_windows_last);
    tcase_add_test(tcase, late_data_can_be_switched_off);
    tcase_add_test(tcase, literals_are_exact);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
