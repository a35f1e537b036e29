/*
 * test_time_text.c - times and durations as text; random instants against the C library's gmtime.
 */
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct {
    const char *text;
    enum silt_status status;
    silt_time time;
    bool has_zone;
} parse_cases[] = {
    {"1970-01-01", SILT_OK, 0, false},
    {"2020-01-02", SILT_OK, 1577923200000000000, false},
    {"2020-01-02 15:04:05", SILT_OK, 1577977445000000000, false},
    {"2020-01-02 15:04:05.5", SILT_OK, 1577977445500000000, false},
    {"2020-01-02 15:04:05,25", SILT_OK, 1577977445250000000, false},
    {"2020-01-02 15:04:05.123456789", SILT_OK, 1577977445123456789, false},
    {"2020-01-02 15:04:05.1234567891", SILT_INVALID, 0, false},
    {"2020-01-02 5:04:05", SILT_OK, 1577941445000000000, false},
    {"2020-01-02    05:04:05", SILT_OK, 1577941445000000000, false},
    {"2020-01-02T15:04:05Z", SILT_OK, 1577977445000000000, true},
    {"2020-01-02T5:04:05Z", SILT_OK, 1577941445000000000, true},
    {"2020-01-02T15:04:05.5+01:00", SILT_OK, 1577973845500000000, true},
    {"2020-01-02T15:04:05-01:30", SILT_OK, 1577982845000000000, true},
    {"1969-12-31T23:59:59.999999999Z", SILT_OK, -1, true},
    {"2020-02-29", SILT_OK, 1582934400000000000, false},
    {"2020-02-30", SILT_INVALID, 0, false},
    {"2019-02-29", SILT_INVALID, 0, false},
    {"1900-02-29", SILT_INVALID, 0, false},
    {"1970-13-01", SILT_INVALID, 0, false},
    {"1970-00-01", SILT_INVALID, 0, false},
    {"1970-01-00", SILT_INVALID, 0, false},
    {"1970-1-1", SILT_INVALID, 0, false},
    {"1970-01-01 00:00", SILT_INVALID, 0, false},
    {"1970-01-01T00:00:40", SILT_INVALID, 0, false},
    {"2020-01-02 24:00:00", SILT_INVALID, 0, false},
    {"2020-01-02 23:59:60", SILT_INVALID, 0, false},
    {"2020-01-02 05:04:05.", SILT_INVALID, 0, false},
    {"2020-01-02 05:04:05Z", SILT_INVALID, 0, false},
    {"2020-01-02 05:04:05 ", SILT_INVALID, 0, false},
    {"2020-01-02 5:4:05", SILT_INVALID, 0, false},
    {"2020-01-02T05:04:05z", SILT_INVALID, 0, false},
    {"2020-01-02T 05:04:05Z", SILT_INVALID, 0, false},
    {"2020-01-02 ", SILT_INVALID, 0, false},
    {"", SILT_INVALID, 0, false},
    {"foo", SILT_INVALID, 0, false},
    {"2262-04-11T23:47:16.854775807Z", SILT_OK, INT64_MAX, true},
    {"2262-04-11T23:47:16.854775808Z", SILT_LIMIT, 0, true},
    {"1677-09-21T00:12:43.145224192Z", SILT_OK, INT64_MIN, true},
    {"1677-09-21T00:12:43.145224191Z", SILT_LIMIT, 0, true},
    {"9999-12-31", SILT_LIMIT, 0, false},
};

START_TEST(test_parse)
{
    silt_time time = 0;
    bool has_zone;

    ck_assert_msg(silt_parse_time(silt_str_from(parse_cases[_i].text), &time, &has_zone) == parse_cases[_i].status, "%s",
                  parse_cases[_i].text);
    if (parse_cases[_i].status == SILT_OK) {
        ck_assert_int_eq(time, parse_cases[_i].time);
        ck_assert_int_eq(has_zone, parse_cases[_i].has_zone);
    }
}
END_TEST

static const struct {
    silt_time time;
    int32_t offset;
    const char *text;
} write_cases[] = {
    {0, 0, "1970-01-01T00:00:00Z"},
    {-1, 0, "1969-12-31T23:59:59.999999999Z"},
    {1577977445500000000, 3600, "2020-01-02T16:04:05.5+01:00"},
    {1577977445000000010, -5400, "2020-01-02T13:34:05.00000001-01:30"},
    {0, -17762, "1969-12-31T19:03:58-04:56"},
    {INT64_MAX, 0, "2262-04-11T23:47:16.854775807Z"},
    {INT64_MIN, 0, "1677-09-21T00:12:43.145224192Z"},
};

START_TEST(test_write)
{
    char text[SILT_TIME_TEXT_MAX + 1];
    text[silt_write_rfc3339(text, write_cases[_i].time, write_cases[_i].offset)] = '\0';
    ck_assert_str_eq(text, write_cases[_i].text);
}
END_TEST

static const struct {
    int64_t ns;
    const char *plain, *go;
} duration_cases[] = {
    {0, "0s", "0s"},
    {1, "1ns", "1ns"},
    {7, "7ns", "7ns"},
    {1000, "1u", "1\xc2\xb5s"},
    {13500, "13500ns", "13.5\xc2\xb5s"},
    {1500000, "1500u", "1.5ms"},
    {1500000000, "1500ms", "1.5s"},
    {1000000000, "1s", "1s"},
    {90000000000, "90s", "1m30s"},
    {5400000000000, "90m", "1h30m0s"},
    {3600000000000, "1h", "1h0m0s"},
    {86400000000000, "1d", "24h0m0s"},
    {604800000000000, "1w", "168h0m0s"},
    {1209600000000000, "2w", "336h0m0s"},
    {-3600000000000, "-1h", "-1h0m0s"},
    {-1500, "-1500ns", "-1.5\xc2\xb5s"},
    {INT64_MAX, "9223372036854775807ns", "2562047h47m16.854775807s"},
    {INT64_MIN, "-9223372036854775808ns", "-2562047h47m16.854775808s"},
};

START_TEST(test_durations)
{
    char text[SILT_TIME_TEXT_MAX + 1];
    text[silt_write_duration(text, duration_cases[_i].ns)] = '\0';
    ck_assert_str_eq(text, duration_cases[_i].plain);
    text[silt_write_duration_go(text, duration_cases[_i].ns)] = '\0';
    ck_assert_str_eq(text, duration_cases[_i].go);
}
END_TEST

START_TEST(test_random_times)
{
    unsigned seed = getenv("SILT_SEED") ? (unsigned)atoi(getenv("SILT_SEED")) : (unsigned)time(NULL);

    printf("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 100000; i++) {
        int64_t seconds = (int64_t)(((uint64_t)random() << 31 ^ (uint64_t)random()) % 18446744072u) - 9223372036;
        time_t at = (time_t)seconds;
        char expected[64], text[SILT_TIME_TEXT_MAX + 1];
        struct tm tm;
        silt_time back;
        bool has_zone;

        gmtime_r(&at, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        text[silt_write_rfc3339(text, seconds * 1000000000, 0)] = '\0';
        ck_assert_str_eq(text, expected);
        ck_assert_int_eq(silt_parse_time(silt_str_from(text), &back, &has_zone), SILT_OK);
        ck_assert_int_eq(back, seconds * 1000000000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time_text");
    TCase *tcase = tcase_create("time_text");

    tcase_add_loop_test(tcase, test_parse, 0, (int)(sizeof parse_cases / sizeof parse_cases[0]));
    tcase_add_loop_test(tcase, test_write, 0, (int)(sizeof write_cases / sizeof write_cases[0]));
    tcase_add_loop_test(tcase, test_durations, 0, (int)(sizeof duration_cases / sizeof duration_cases[0]));
    tcase_add_test(tcase, test_random_times);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
