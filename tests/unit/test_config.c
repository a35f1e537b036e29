/*
 * test_config.c - siltd.toml, environment and flags: what is taken, and what is refused with which place and reason.
 */
#include "server/config.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct silt_server_options options;
static struct silt_error err;

static void setup(void)
{
    silt_server_options_init(&options);
}

static enum silt_status read_text(const char *text)
{
    return config_read_text(&options, "x.toml", silt_str_from(text), &err);
}

START_TEST(test_defaults)
{
    ck_assert_str_eq(options.http_bind, "127.0.0.1:8086");
    ck_assert_uint_eq(options.body_bytes_max, 25000000);
    ck_assert_int_eq(options.sync_mode, SILT_SYNC_FSYNC);
    ck_assert(options.access_log);
    ck_assert_int_eq(options.log_level, SILT_LOG_INFO);
}
END_TEST

START_TEST(test_taken)
{
    ck_assert_int_eq(read_text("# comment\r\n\r\n [ http ] # here too\n\tbind-address='[::1]:9' # x\n"
                               "max-body-size = 1_000_000\nmax-inflated-size = \"2m\"\nidle-timeout = \"1m30s\"\n"
                               "access-log=false\n[data]\ndir = \"a \\\"b\\\"\\t\\\\c#d\"\nsync = \"off\"\n"
                               "[server]\nlog-level = \"warn\""),
                     SILT_OK);
    ck_assert_str_eq(options.http_bind, "[::1]:9");
    ck_assert_uint_eq(options.body_bytes_max, 1000000);
    ck_assert_uint_eq(options.inflated_bytes_max, 2 << 20);
    ck_assert_uint_eq(options.idle_ms, 90000);
    ck_assert(!options.access_log);
    ck_assert_str_eq(options.data_dir, "a \"b\"\t\\c#d");
    ck_assert_int_eq(options.sync_mode, SILT_SYNC_OFF);
    ck_assert_int_eq(options.log_level, SILT_LOG_WARN);
}
END_TEST

static const struct {
    const char *text, *want;
} refused[] = {
    {"x = 1", "x.toml:1: a setting stands before the first [section]"},
    {"\n[nope]", "x.toml:2: there is no section [nope]"},
    {"[http]\nnope = 1", "x.toml:2: there is no setting nope in [http]"},
    {"[http]\nloops = 1\nloops = 2", "x.toml:3: loops is set twice"},
    {"[http]\nloops", "x.toml:2: a setting is written key = value"},
    {"[http]\nloops =", "x.toml:2: loops has no value"},
    {"[http]\nloops = # 1", "x.toml:2: loops has no value"},
    {"[http]\nloops = 1 2", "x.toml:2: something follows the value"},
    {"[http]\nloops = \"1\"", "x.toml:2: http.loops: the value must stand without quotes"},
    {"[http]\nbind-address = :1", "x.toml:2: http.bind-address: the value must stand in quotes"},
    {"[http]\nloops = -1", "x.toml:2: http.loops: \"-1\" is not a whole number"},
    {"[http]\nloops = 1.5", "x.toml:2: http.loops: \"1.5\" is not a whole number"},
    {"[http]\nloops = 257", "x.toml:2: http.loops: 257 is outside 0 to 256"},
    {"[http]\nloops = 99999999999999999999", "x.toml:2: http.loops: \"99999999999999999999\" is not a whole number"},
    {"[http]\nloops = 1__0", "x.toml:2: http.loops: \"1__0\" is not a whole number"},
    {"[http]\nmax-body-size = \"1q\"", "x.toml:2: http.max-body-size: \"1q\" is not a size (bytes, or a number with k, m or g)"},
    {"[http]\nidle-timeout = \"5\"", "x.toml:2: http.idle-timeout: \"5\" is not a duration (a number with ms, s, m or h)"},
    {"[http]\nidle-timeout = \"1ms\"", "x.toml:2: http.idle-timeout: 1ms is outside 100 to 86400000 ms"},
    {"[http]\naccess-log = yes", "x.toml:2: http.access-log: \"yes\" is neither true nor false"},
    {"[http]\nbind-address = \"8086\"", "x.toml:2: http.bind-address: \"8086\" has no port: host:port is wanted"},
    {"[http]\nbind-address = \"h:66000\"", "x.toml:2: http.bind-address: \"h:66000\" has no port from 0 to 65535"},
    {"[http]\nbind-address = \"::1:80\"", "x.toml:2: http.bind-address: \"::1:80\": an IPv6 address stands in brackets"},
    {"[data]\nsync = \"always\"", "x.toml:2: data.sync: \"always\" is none of fsync, interval, off"},
    {"[data]\ndir = \"\"", "x.toml:2: data.dir: must not be empty"},
    {"[data]\ndir = \"a", "x.toml:2: the string is not closed on its line"},
    {"[data]\ndir = \"\\q\"", "x.toml:2: unknown escape in a string (known: \\\" \\\\ \\n \\t \\r)"},
    {"[http", "x.toml:1: a section is written [name]"},
    {"[[http]]", "x.toml:1: [http] stands once, in single brackets"},
    {"[[http]", "x.toml:1: a list of sections is written [[name]]"},
    {"[]", "x.toml:1: a section is written [name]"},
    {"[a b]", "x.toml:1: a section is written [name]"},
    {"[http]\n\n[data]\n[http]\nloops = [1,\n # x\n 2]", "x.toml:5: http.loops: one value is wanted, not a list"},
    {"[http]\nloops = [1,\n 2", "x.toml:2: the list is not closed"},
    {"[http]\nloops = [1 2]", "x.toml:2: a list is written [value, value]"},
    {"[http]\nloops = [[1]]", "x.toml:2: a list is written [value, value]"},
    {"[http]\nidle-timeout = \"1.s\"", "x.toml:2: http.idle-timeout: \"1.s\" is not a duration (a number with ms, s, m or h)"},
    {"[http]\nidle-timeout = \"-1s\"", "x.toml:2: http.idle-timeout: \"-1s\" is not a duration (a number with ms, s, m or h)"},
    {"[http]\nidle-timeout = \"99999999h\"", "x.toml:2: http.idle-timeout: \"99999999h\" is not a duration (a number with ms, s, m or h)"},
    {"[http]\nmax-body-size = 99999999999999999999g", "x.toml:2: http.max-body-size: \"99999999999999999999g\" is not a size (bytes, or a number with k, m or g)"},
    {"[http]\naccess-log = \"true\"", "x.toml:2: http.access-log: the value must stand without quotes"},
    {"[server]\nlog-level = \"loud\"", "x.toml:2: server.log-level: \"loud\" is none of debug, info, warn, error"},
    {"[data]\ndir = \"a\001\"", "x.toml:2: control character in a string"},
    {"[http] x", "x.toml:1: something follows the section's name"},
};

START_TEST(test_refused)
{
    ck_assert_int_eq(read_text(refused[_i].text), SILT_INVALID);
    ck_assert_str_eq(err.text, refused[_i].want);
}
END_TEST

START_TEST(test_environment)
{
    char *good[] = {"PATH=x", "SILT_HTTP_MAX_BODY_SIZE=2k", "SILT_COORDINATOR_QUERY_TIMEOUT=5s", "SILT_PEERS=elsewhere", NULL};
    ck_assert_int_eq(config_read_environment(&options, good, &err), SILT_OK);
    ck_assert_uint_eq(options.body_bytes_max, 2048);
    ck_assert_uint_eq(options.query_timeout_ms, 5000);
    char *unknown[] = {"SILT_HTTP_NOPE=1", NULL};
    ck_assert_int_eq(config_read_environment(&options, unknown, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "SILT_HTTP_NOPE: there is no such setting");
    char *bad[] = {"SILT_DATA_SYNC=never", NULL};
    ck_assert_int_eq(config_read_environment(&options, bad, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "SILT_DATA_SYNC: \"never\" is none of fsync, interval, off");
}
END_TEST

START_TEST(test_flags_win)
{
    char *environment[] = {"SILT_DATA_DIR=env", "SILT_HTTP_BIND_ADDRESS=:1", NULL};
    char *args[] = {"siltd", "--data-dir", "flag", "--print-config", NULL};
    enum config_action action;
    struct silt_buffer warnings = {0};
    ck_assert_int_eq(config_load(&options, 4, args, environment, &action, &warnings, &err), SILT_OK);
    ck_assert_int_eq(action, CONFIG_PRINT);
    ck_assert_str_eq(options.data_dir, "flag");
    ck_assert_str_eq(options.http_bind, ":1");
    char *equals[] = {"siltd", "--http-bind=h:2", NULL};
    ck_assert_int_eq(config_load(&options, 2, equals, environment, &action, &warnings, &err), SILT_OK);
    ck_assert_str_eq(options.http_bind, "h:2");
    char *unknown[] = {"siltd", "--data-dirs=x", NULL};
    ck_assert_int_eq(config_load(&options, 2, unknown, environment, &action, &warnings, &err), SILT_INVALID);
    char *missing[] = {"siltd", "--config", NULL};
    ck_assert_int_eq(config_load(&options, 2, missing, environment, &action, &warnings, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "--config: a value is missing");
}
END_TEST

static const struct {
    const char *text;
    uint64_t ms;
} durations[] = {{"250ms", 250},   {"1.5s", 1500},    {"1h0m0s", 3600000}, {"0.1h", 360000},
                 {"100500us", 101}, {"200000\xC2\xB5s", 200}, {"150000001ns", 151}, {"24h", 86400000}};

START_TEST(test_durations)
{
    char text[100];
    snprintf(text, sizeof(text), "[http]\nidle-timeout = \"%s\"", durations[_i].text);
    ck_assert_int_eq(read_text(text), SILT_OK);
    ck_assert_uint_eq(options.idle_ms, durations[_i].ms);
}
END_TEST

/* Each setting has a comment that tells its form and default. */
START_TEST(test_print_explains)
{
    struct silt_buffer text = {0};
    size_t settings = 0;
    config_print(&options, &text);
    silt_buffer_char(&text, '\0');
    for (char *line = strtok(text.p, "\n"), *before = line, *earlier = line; line; earlier = before, before = line, line = strtok(NULL, "\n")) {
        char *equals = strstr(line, " = ");
        if (!equals || *line == '#')
            continue;
        settings++;
        ck_assert_msg(strncmp(earlier, "# ", 2) == 0 && strncmp(before, "# (", 3) == 0, "%s", line);
        char *value = strstr(before, "; default ");
        ck_assert_msg(value && strncmp(value + 10, equals + 3, strlen(equals + 3)) == 0, "%s: %s", line, before);
    }
    ck_assert_uint_ge(settings, 35);
    silt_buffer_free(&text);
}
END_TEST

START_TEST(test_print_keeps_secrets)
{
    struct silt_buffer text = {0};
    ck_assert_int_eq(read_text("[http]\nshared-secret=\"open sesame\"\n"), SILT_OK);
    config_print(&options, &text);
    silt_buffer_char(&text, '\0');
    ck_assert_ptr_null(strstr(text.p, "sesame"));
    ck_assert_ptr_nonnull(strstr(text.p, "# shared-secret is set, and not shown\n"));
    silt_buffer_free(&text);
}
END_TEST

START_TEST(test_print_reads_back)
{
    struct silt_buffer first = {0}, second = {0};
    ck_assert_int_eq(read_text("[http]\nidle-timeout=\"1500ms\"\nmax-body-size=\"3k\"\n[data]\ndir='a\\b\"c'\n"), SILT_OK);
    config_print(&options, &first);
    silt_server_options_init(&options);
    ck_assert_int_eq(config_read_text(&options, "x.toml", (struct silt_str){first.p, first.len}, &err), SILT_OK);
    config_print(&options, &second);
    ck_assert(silt_str_equal((struct silt_str){first.p, first.len}, (struct silt_str){second.p, second.len}));
    silt_buffer_free(&first);
    silt_buffer_free(&second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, test_defaults);
    tcase_add_test(tests, test_taken);
    tcase_add_loop_test(tests, test_refused, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tests, test_environment);
    tcase_add_test(tests, test_flags_win);
    tcase_add_loop_test(tests, test_durations, 0, sizeof(durations) / sizeof(durations[0]));
    tcase_add_test(tests, test_print_explains);
    tcase_add_test(tests, test_print_keeps_secrets);
    tcase_add_test(tests, test_print_reads_back);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
