/*
 * test_shell_typing.c - what the prompt makes of what is typed: places of completion, statements that go on, secrets.
 */
#include "shell/complete.h"
#include "shell/interactive.h"
#include "shell/words.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *text; /* | is the cursor */
    unsigned kinds;
    const char *prefix, *database, *measurement, *tag;
} places[] = {
    {"|", COMPLETE_WORDS, "", "", "", ""},
    {"sel|", COMPLETE_WORDS, "sel", "", "", ""},
    {"use me|", COMPLETE_DATABASES, "me", "", "", ""},
    {"use me.|", COMPLETE_POLICIES, "", "me", "", ""},
    {"use \"my db\".au|", COMPLETE_POLICIES, "au", "my db", "", ""},
    {"insert into |", COMPLETE_POLICIES | COMPLETE_DATABASES, "", "", "", ""},
    {"select |", COMPLETE_WORDS | COMPLETE_FIELDS | COMPLETE_TAGS | COMPLETE_FUNCTIONS, "", "", "", ""},
    {"select u| from cpu", COMPLETE_WORDS | COMPLETE_FIELDS | COMPLETE_TAGS | COMPLETE_FUNCTIONS, "u", "", "cpu", ""},
    {"select u| from tele.autogen.\"c p\" where", COMPLETE_WORDS | COMPLETE_FIELDS | COMPLETE_TAGS | COMPLETE_FUNCTIONS,
     "u", "tele", "c p", ""},
    {"select mean(|", COMPLETE_WORDS | COMPLETE_FIELDS | COMPLETE_FUNCTIONS, "", "", "", ""},
    {"select a + b|", COMPLETE_FIELDS | COMPLETE_FUNCTIONS, "b", "", "", ""},
    {"select a, |", COMPLETE_FIELDS | COMPLETE_TAGS | COMPLETE_FUNCTIONS, "", "", "", ""},
    {"select * from \"na|", COMPLETE_MEASUREMENTS | COMPLETE_POLICIES, "na", "", "na", ""},
    {"select * from a, |", COMPLETE_MEASUREMENTS, "", "", "a", ""},
    {"select * from cpu |", COMPLETE_WORDS, "", "", "cpu", ""},
    {"select * from cpu where h|", COMPLETE_WORDS | COMPLETE_TAGS | COMPLETE_FIELDS, "h", "", "cpu", ""},
    {"select * from cpu where host = 'we|", COMPLETE_TAG_VALUES, "we", "", "cpu", "host"},
    {"select * from cpu where \"the host\" != |", COMPLETE_TAG_VALUES, "", "", "cpu", "the host"},
    {"select * from cpu where time > |", COMPLETE_FIELDS | COMPLETE_TAGS, "", "", "cpu", ""},
    {"select * from cpu where (|", COMPLETE_WORDS | COMPLETE_TAGS | COMPLETE_FIELDS, "", "", "cpu", ""},
    {"select * from cpu group by |", COMPLETE_WORDS | COMPLETE_TAGS, "", "", "cpu", ""},
    {"select * from cpu group by host, |", COMPLETE_WORDS | COMPLETE_TAGS, "", "", "cpu", ""},
    {"select * from cpu group by host fill(|", COMPLETE_WORDS, "", "", "cpu", ""},
    {"show tag values on d from cpu with key = |", COMPLETE_TAGS, "", "d", "cpu", ""},
    {"show tag values with key in (|", COMPLETE_TAGS, "", "", "", ""},
    {"show field keys on d|", COMPLETE_DATABASES, "d", "d", "", ""},
    {"drop database |", COMPLETE_DATABASES, "", "", "", ""},
    {"select 1; dr|", COMPLETE_WORDS, "dr", "", "", ""},
    {"chart select x| from m", COMPLETE_WORDS | COMPLETE_FIELDS | COMPLETE_TAGS | COMPLETE_FUNCTIONS, "x", "", "m", ""},
    {"select 'it|", 0, "it", "", "", ""},
};

START_TEST(places_of_completion)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t cursor = strcspn(places[i].text, "|");
        struct silt_buffer text = {0};
        struct complete_place place;
        silt_buffer_printf(&text, "%.*s%s", (int)cursor, places[i].text, places[i].text + cursor + 1);
        complete_find(words_view(&text), cursor, &place);
        ck_assert_msg(place.kinds == places[i].kinds, "%s: kinds %u, not %u", places[i].text, place.kinds,
                      places[i].kinds);
        const struct silt_str got[] = {place.prefix, place.database, place.measurement, place.tag};
        const char *want[] = {places[i].prefix, places[i].database, places[i].measurement, places[i].tag};
        for (size_t n = 0; n < 4; n++)
            ck_assert_msg(silt_str_equal(got[n], silt_str_from(want[n])), "%s: %zu is %.*s, not %s", places[i].text, n,
                          SILT_FMT(got[n]), want[n]);
        silt_buffer_free(&text);
    }
}
END_TEST

/* Whatever is typed, at whatever place the cursor is. */
START_TEST(completion_of_anything)
{
    static const char alphabet[] = "'\"\\.,;()=!<> \nshowselectfromwherekeyin-ü";
    unsigned seed = (unsigned)silt_clock_now();
    printf("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand_r(&seed) % 60;
        char *text = malloc(len + 1);
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        struct complete_place place;
        complete_find((struct silt_str){text, len}, len ? (size_t)rand_r(&seed) % (len + 1) : 0, &place);
        (void)interactive_unfinished((struct silt_str){text, len});
        struct silt_buffer redacted = {0};
        interactive_redact(&redacted, (struct silt_str){text, len});
        silt_buffer_free(&redacted);
        free(text);
    }
}
END_TEST

START_TEST(statements_that_go_on)
{
    static const char *const open[] = {"select (",    "select a,",   "select 'x",         "select \"x",
                                       "select a \\", "select '\\'", "select (a) from (b"};
    static const char *const whole[] = {
        "", "select a", "select (a)", "select ')('", "select a -- (", "select 'it\\'s'", "select )"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        ck_assert_msg(interactive_unfinished(silt_str_from(open[i])), "%s", open[i]);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        ck_assert_msg(!interactive_unfinished(silt_str_from(whole[i])), "%s", whole[i]);
}
END_TEST

START_TEST(secrets)
{
    static const char *const cases[][2] = {
        {"create user a with password 'x' with all privileges",
         "create user a with password [REDACTED] with all privileges"},
        {"SET PASSWORD FOR \"a\" = 'it\\'s'; select 'x'", "SET PASSWORD FOR \"a\" = [REDACTED]; select 'x'"},
        {"select password from t; select 'x'", "select password from t; select 'x'"},
        {"set password for a = 'x", "set password for a = [REDACTED]"},
        {"create subscription s on d.r destinations all 'http://a:b@h:1','udp://h:2'; select 'a:b@c'",
         "create subscription s on d.r destinations all 'http://a:[REDACTED]@h:1','udp://h:2'; select 'a:b@c'"},
        {"CREATE SUBSCRIPTION s ON d.r DESTINATIONS ANY 'http://a:b@", "CREATE SUBSCRIPTION s ON d.r DESTINATIONS ANY 'http://a:[REDACTED]@"},
        {"destinations", "destinations"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct silt_buffer got = {0};
        interactive_redact(&got, silt_str_from(cases[i][0]));
        silt_buffer_char(&got, 0);
        ck_assert_str_eq(got.p, cases[i][1]);
        silt_buffer_free(&got);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shell typing");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, places_of_completion);
    tcase_add_test(tests, completion_of_anything);
    tcase_add_test(tests, statements_that_go_on);
    tcase_add_test(tests, secrets);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
