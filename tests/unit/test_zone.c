/*
 * test_zone.c - offsets of many zones against the C library, on random instants and around every change of a year;
 * civil times at gaps and overlaps; names that must not open files.
 */
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND 1000000000ll

static const char *const names[] = {
    "America/New_York", "Europe/Berlin",  "Europe/Dublin",      "Australia/Sydney",  "Australia/Lord_Howe",
    "Asia/Kolkata",     "Asia/Tokyo",     "America/Sao_Paulo",  "America/St_Johns",  "Pacific/Chatham",
    "Africa/Casablanca", "Asia/Tehran",   "America/Santiago",   "America/Nuuk",      "Pacific/Apia",
    "Antarctica/Troll", "Asia/Gaza",      "Europe/London",      "Etc/GMT+5",         "UTC",
};

static int32_t library_offset(int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm tm;
    localtime_r(&at, &tm);
    return (int32_t)tm.tm_gmtoff;
}

static void check_at(const struct silt_zone *zone, int64_t seconds)
{
    ck_assert_msg(silt_zone_offset(zone, seconds * SECOND) == library_offset(seconds), "%s at %lld: %d, library %d",
                  silt_zone_name(zone).p, (long long)seconds, silt_zone_offset(zone, seconds * SECOND),
                  library_offset(seconds));
}

START_TEST(test_offsets)
{
    unsigned seed = getenv("SILT_SEED") ? (unsigned)atoi(getenv("SILT_SEED")) : (unsigned)time(NULL);
    const struct silt_zone *zone = silt_zone_load(silt_str_from(names[_i]));

    if (!zone) { /* a machine without the tz database */
        printf("%s is not there\n", names[_i]);
        return;
    }
    printf("seed %u\n", seed);
    srandom(seed);
    setenv("TZ", names[_i], 1);
    tzset();
    /* From 1901 on: before its first transition the C library goes by another rule than Go. */
    for (int i = 0; i < 20000; i++)
        check_at(zone, (int64_t)(((uint64_t)random() << 31 ^ (uint64_t)random()) % 11300000000u) - 2100000000);
    int32_t before = library_offset(0);
    for (int64_t hour = 0; hour < 90ll * 366 * 24; hour++) {
        int32_t now = library_offset(hour * 3600);
        if (now == before)
            continue;
        before = now;
        for (int64_t second = (hour - 1) * 3600; second <= hour * 3600; second += 60) {
            check_at(zone, second);
            check_at(zone, second - 1);
        }
    }
}
END_TEST

static silt_time civil(const char *text)
{
    silt_time time;
    bool has_zone;
    ck_assert_int_eq(silt_parse_time(silt_str_from(text), &time, &has_zone), SILT_OK);
    return time;
}

START_TEST(test_from_local)
{
    static const struct {
        const char *zone, *local, *utc;
    } cases[] = {
        {"America/New_York", "2020-01-01 00:00:00", "2020-01-01T05:00:00Z"},
        {"America/New_York", "2020-07-01 00:00:00", "2020-07-01T04:00:00Z"},
        {"America/New_York", "2020-03-08 02:30:00", "2020-03-08T06:30:00Z"}, /* a gap */
        {"America/New_York", "2020-11-01 01:30:00", "2020-11-01T05:30:00Z"}, /* twice: the first */
        {"Europe/Berlin", "2020-03-29 02:30:00", "2020-03-29T01:30:00Z"},
        {"Europe/Berlin", "2020-10-25 02:30:00", "2020-10-25T01:30:00Z"},
        {"Europe/Berlin", "2090-07-01 12:00:00", "2090-07-01T10:00:00Z"},
        {"Asia/Kolkata", "2020-01-01 05:30:00", "2020-01-01T00:00:00Z"},
        {"UTC", "2020-01-01 05:30:00", "2020-01-01T05:30:00Z"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct silt_zone *zone = silt_zone_load(silt_str_from(cases[i].zone));
        char text[SILT_TIME_TEXT_MAX + 1];
        if (!zone)
            continue;
        text[silt_write_rfc3339(text, silt_zone_from_local(zone, civil(cases[i].local)), 0)] = '\0';
        ck_assert_msg(strcmp(text, cases[i].utc) == 0, "%s %s: %s", cases[i].zone, cases[i].local, text);
    }
}
END_TEST

START_TEST(test_names)
{
    static const char *const bad[] = {"/etc/localtime", "../zoneinfo/UTC", "Europe/../UTC", "Europe", "Nowhere/X", "utc",
                                      "tzdata.zi", "zone.tab", "Europe\\Berlin", "a..b"};
    char long_name[5000];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!silt_zone_load(silt_str_from(bad[i])), "%s", bad[i]);
    memset(long_name, 'a', sizeof long_name);
    ck_assert_ptr_null(silt_zone_load((struct silt_str){long_name, sizeof long_name}));
    ck_assert_ptr_nonnull(silt_zone_load(SILT_STR("UTC")));
    ck_assert_ptr_nonnull(silt_zone_load(SILT_STR("Local")));
    ck_assert_ptr_eq(silt_zone_load(SILT_STR("UTC")), silt_zone_load(SILT_STR("")));
    ck_assert(silt_str_equal(silt_zone_name(silt_zone_load(SILT_STR("UTC"))), SILT_STR("UTC")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zone");
    TCase *tcase = tcase_create("zone");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_offsets, 0, (int)(sizeof names / sizeof names[0]));
    tcase_add_test(tcase, test_from_local);
    tcase_add_test(tcase, test_names);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
