/*
 * test_config_influx.c - influxdb.conf and INFLUXDB_*: how one is recognised, what is taken as what, what is refused or
 * named as without effect.
 */
#include "server/config_internal.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct silt_server_options options;
static struct silt_buffer warnings;
static struct silt_error err;

static void setup(void)
{
    silt_server_options_init(&options);
    warnings = (struct silt_buffer){0};
}

static void teardown(void)
{
    silt_buffer_free(&warnings);
}

static enum silt_status read_text(const char *text)
{
    return config_read_influx(&options, "i.conf", silt_str_from(text), &warnings, &err);
}

static const char *warned(void)
{
    silt_buffer_char(&warnings, '\0');
    return warnings.p;
}

static const struct {
    const char *path, *text;
    bool influx;
} files[] = {
    {"x", "[meta]\n", true},
    {"x", "[http]\n[data]\n[[graphite]]\n", true},
    {"x", "reporting-disabled = true\n[http]\n", true},
    {"x", "[http]\nenabled = true\n[shard-precreation]\n", true},
    {"x", "# [meta]\n[http]\n", false},
    {"siltd.toml", "[http]\n[coordinator]\n", false},
    {"/etc/influxdb/influxdb.conf", "[http]\n[coordinator]\n", true},
    {"/etc/influxdb/influxdb.conf", "[http]\n[server]\n", false},
    {"x", "[write]\n[meta]\n", false},
    {"x", "", false},
    {"x", "[meta\n", false},
};

START_TEST(test_recognised)
{
    ck_assert_int_eq(config_is_influx(files[_i].path, silt_str_from(files[_i].text)), files[_i].influx);
}
END_TEST

START_TEST(test_taken)
{
    ck_assert_int_eq(read_text("reporting-enabled = false\n[data]\n  dir = \"/d\" # here\n  wal-fsync-delay = \"100ms\"\n"
                               "  max-series-per-database = 5000\n  max-values-per-tag = 100000\n"
                               "[coordinator]\nquery-timeout = \"1m30s\"\nlog-queries-after = 0\nmax-select-series = 7\n"
                               "max-concurrent-queries = 3\nmax-select-point = 1_000\nmax-select-buckets = 9\n"
                               "[http]\nlog-enabled = false\nmax-row-limit = 10000\nmax-body-size = 0\n"
                               "max-connection-limit = 100\nmax-enqueued-write-limit = 50\naccess-log-path = '/l'\n"
                               "[logging]\nlevel = \"WARN\"\n[monitor]\nstore-enabled = false\nstore-interval = \"1m0s\"\n"),
                     SILT_OK);
    ck_assert_str_eq(options.data_dir, "/d");
    ck_assert_int_eq(options.sync_mode, SILT_SYNC_INTERVAL);
    ck_assert_uint_eq(options.sync_interval_ms, 100);
    ck_assert_uint_eq(options.series_max, 5000);
    ck_assert_uint_eq(options.tag_values_max, 0); /* what InfluxDB has by default */
    ck_assert_uint_eq(options.query_timeout_ms, 90000);
    ck_assert_uint_eq(options.log_queries_after_ms, 0);
    ck_assert_uint_eq(options.select_series_max, 7);
    ck_assert_uint_eq(options.queries_max, 3);
    ck_assert_uint_eq(options.select_points_max, 1000);
    ck_assert_uint_eq(options.select_buckets_max, 9);
    ck_assert(!options.access_log);
    ck_assert_uint_eq(options.rows_max, 10000);
    ck_assert_uint_eq(options.body_bytes_max, 1 << 30);
    ck_assert_uint_eq(options.connections_max, 100);
    ck_assert_uint_eq(options.write_queue_max, 50);
    ck_assert_str_eq(options.access_log_path, "/l");
    ck_assert_int_eq(options.log_level, SILT_LOG_WARN);
    ck_assert(!options.monitor_store);
    ck_assert_uint_eq(options.monitor_interval_ms, 60000);
    ck_assert_str_eq(options.http_bind, ":8086"); /* InfluxDB's default */
    ck_assert_str_eq(warned(), "i.conf: without effect in siltd: reporting-enabled (line 1)\n");
}
END_TEST

START_TEST(test_zeros)
{
    ck_assert_int_eq(read_text("[data]\nwal-fsync-delay = \"0s\"\n[http]\nmax-connection-limit = 0\nmax-body-size = \"2m\"\n"
                               "max-enqueued-write-limit = 0\nbind-address = \"127.0.0.1:1\"\n[coordinator]\n"
                               "query-timeout = \"0\"\n[logging]\nlevel = \"fatal\"\n"),
                     SILT_OK);
    ck_assert_int_eq(options.sync_mode, SILT_SYNC_FSYNC);
    ck_assert_uint_eq(options.connections_max, 8192);
    ck_assert_uint_eq(options.body_bytes_max, 2 << 20);
    ck_assert_uint_eq(options.write_queue_max, 1000);
    ck_assert_uint_eq(options.query_timeout_ms, 0);
    ck_assert_int_eq(options.log_level, SILT_LOG_ERROR);
    ck_assert_str_eq(options.http_bind, "127.0.0.1:1");
    ck_assert_str_eq(warned(), "");
}
END_TEST

START_TEST(test_named)
{
    ck_assert_int_eq(read_text("[data]\nindex-version = \"tsi1\"\nnosuch = 1\ncache-max-memory-size = \"1g\"\n"
                               "[[graphite]]\nenabled = false\ntemplates = [\n  \"*.app env\", # one\n  \"server.*\",\n]\n"
                               "[[graphite]]\nenabled = true\nbind-address = \":2003\"\n[http.headers]\nX-A = \"b\"\n"
                               "[other]\nx = 1\n"),
                     SILT_OK);
    ck_assert_str_eq(warned(), "i.conf: without effect in siltd: [data] index-version (line 2), cache-max-memory-size (line 4)\n"
                               "i.conf: not a setting of InfluxDB: [data] nosuch (line 3)\n"
                               "i.conf: without effect in siltd: [graphite] enabled (line 12)\n"
                               "i.conf: without effect in siltd: [http.headers] X-A (line 15)\n"
                               "i.conf: not a setting of InfluxDB: [other] x (line 17)\n");
}
END_TEST

static const struct {
    const char *text, *want;
} refused[] = {
    {"[http]\nmax-row-limit = \"1\"",
     "i.conf:2: http.max-row-limit: the value has the wrong form (texts stand in quotes, numbers and booleans without)"},
    {"[http]\nbind-address = 8086",
     "i.conf:2: http.bind-address: the value has the wrong form (texts stand in quotes, numbers and booleans without)"},
    {"[http]\nbind-address = \"8086\"", "i.conf:2: http.bind-address: \"8086\" has no port: host:port is wanted"},
    {"[http]\nlog-enabled = yes", "i.conf:2: http.log-enabled: \"yes\" is neither true nor false"},
    {"[http]\nmax-row-limit = 1\nmax-row-limit = 2", "i.conf:3: max-row-limit is set twice"},
    {"[coordinator]\nquery-timeout = \"5\"",
     "i.conf:2: coordinator.query-timeout: \"5\" is not a duration (a number with ms, s, m or h)"},
    {"[coordinator]\nmax-select-point = -1", "i.conf:2: coordinator.max-select-point: \"-1\" is not a whole number"},
    {"[data]\nwal-fsync-delay = \"2m\"", "i.conf:2: data.wal-fsync-delay: 2m is outside 1 to 60000 ms"},
    {"[data]\ndir = \"\"", "i.conf:2: data.dir: must not be empty"},
    {"[logging]\nlevel = \"loud\"", "i.conf:2: logging.level: \"loud\" is none of debug, info, warn, error"},
    {"[http]\nenabled = false", "i.conf:2: http.enabled: siltd cannot do that: it has to be true"},
    {"[meta]\ndir = \"x", "i.conf:2: the string is not closed on its line"},
    {"[meta]\ndir", "i.conf:2: a setting is written key = value"},
    {"[[graphite]]\nenabled = 1", "i.conf:2: graphite.enabled: \"1\" is neither true nor false"},
};

START_TEST(test_refused)
{
    ck_assert_int_eq(read_text(refused[_i].text), SILT_INVALID);
    ck_assert_str_eq(err.text, refused[_i].want);
}
END_TEST

START_TEST(test_environment)
{
    char *good[] = {"INFLUXDB_HTTP_BIND_ADDRESS=:9", "INFLUXDB_DATA_DIR=/d", "INFLUXDB_DATA_WAL_FSYNC_DELAY=50ms",
                    "INFLUXDB_COORDINATOR_QUERY_TIMEOUT=", "INFLUXDB_HTTP_LOG_ENABLED=false", "INFLUXDB_META_DIR=/m",
                    "INFLUXDB_TOKEN=secret", "INFLUXDB_LOGGING_LEVEL=warn", NULL};
    ck_assert_int_eq(config_read_influx_environment(&options, good, &warnings, &err), SILT_OK);
    ck_assert_str_eq(options.http_bind, ":9");
    ck_assert_str_eq(options.data_dir, "/d");
    ck_assert_uint_eq(options.sync_interval_ms, 50);
    ck_assert_int_eq(options.sync_mode, SILT_SYNC_INTERVAL);
    ck_assert(!options.access_log);
    ck_assert_int_eq(options.log_level, SILT_LOG_WARN);
    ck_assert_str_eq(warned(), "environment: without effect in siltd: INFLUXDB_META_DIR, INFLUXDB_TOKEN\n");
    char *bad[] = {"INFLUXDB_HTTP_MAX_ROW_LIMIT=x", NULL};
    ck_assert_int_eq(config_read_influx_environment(&options, bad, &warnings, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "INFLUXDB_HTTP_MAX_ROW_LIMIT: \"x\" is not a whole number");
}
END_TEST

/* Defaults, file, INFLUXDB_*, SILT_*, flags. */
START_TEST(test_order)
{
    char path[] = "/tmp/silt-config-XXXXXX", flag[64];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *file = fdopen(fd, "w");
    fputs("[meta]\n[data]\ndir = \"/file\"\n[http]\nmax-row-limit = 1\n[coordinator]\nmax-select-point = 1\n", file);
    fclose(file);
    char *environment[] = {"INFLUXDB_COORDINATOR_MAX_SELECT_POINT=2", "INFLUXDB_HTTP_MAX_ROW_LIMIT=2", "SILT_HTTP_MAX_ROW_LIMIT=3",
                           NULL};
    snprintf(flag, sizeof(flag), "--config=%s", path);
    char *args[] = {"siltd", flag, "--http-bind", "h:2", NULL};
    enum config_action action;
    ck_assert_int_eq(config_load(&options, 4, args, environment, &action, &warnings, &err), SILT_OK);
    char variable[64], *only_path[] = {variable, NULL}, *dashes[] = {"siltd", "-data-dir=/flag", NULL};
    struct silt_server_options same;
    snprintf(variable, sizeof(variable), "INFLUXDB_CONFIG_PATH=%s", path);
    ck_assert_int_eq(config_load(&same, 2, dashes, only_path, &action, &warnings, &err), SILT_OK);
    ck_assert_str_eq(same.data_dir, "/flag");
    ck_assert_uint_eq(same.rows_max, 1);
    ck_assert_str_eq(warned(), "");
    unlink(path);
    ck_assert_str_eq(options.data_dir, "/file");
    ck_assert_uint_eq(options.select_points_max, 2);
    ck_assert_uint_eq(options.rows_max, 3);
    ck_assert_str_eq(options.http_bind, "h:2");
}
END_TEST

START_TEST(test_influx_data)
{
    char folder[] = "/tmp/silt-config-XXXXXX", inner[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(options.data_dir, sizeof(options.data_dir), "%s", folder);
    ck_assert_int_eq(config_check_influx_data(&options, &err), SILT_OK);
    snprintf(inner, sizeof(inner), "%s/_internal", folder);
    ck_assert_int_eq(mkdir(inner, 0700), 0);
    ck_assert_int_eq(config_check_influx_data(&options, &err), SILT_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "holds InfluxDB's own files"));
    rmdir(inner);
    rmdir(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_influx");
    TCase *tests = tcase_create("config_influx");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_recognised, 0, sizeof(files) / sizeof(files[0]));
    tcase_add_test(tests, test_taken);
    tcase_add_test(tests, test_zeros);
    tcase_add_test(tests, test_named);
    tcase_add_loop_test(tests, test_refused, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tests, test_environment);
    tcase_add_test(tests, test_order);
    tcase_add_test(tests, test_influx_data);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
