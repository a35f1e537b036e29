/*
 * test_json_read.c - bound parameters out of JSON: kinds, InfluxDB's error texts, damaged input.
 */
#include "server/json_read.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct silt_arena *arena;
static struct silt_param *params;
static size_t count;
static struct silt_error err;

static void setup(void)
{
    arena = silt_arena_create(NULL);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
}

static enum silt_status read_text(const char *text)
{
    params = NULL;
    count = 0;
    return json_read_params(silt_str_from(text), arena, &params, &count, &err);
}

static const struct {
    const char *json;
    enum silt_param_kind kind;
    const char *text; /* what the value looks like in a message */
} values[] = {
    {"\"a b\"", SILT_PARAM_STRING, "a b"},
    {"\"\\u00e4\\n\\ud83d\\ude00\\/\"", SILT_PARAM_STRING, "\xC3\xA4\n\xF0\x9F\x98\x80/"},
    {"\"\\ud83dx\"", SILT_PARAM_STRING, "\xEF\xBF\xBDx"},
    {"\"\xFF\"", SILT_PARAM_STRING, "\xEF\xBF\xBD"},
    {"1", SILT_PARAM_INTEGER, "1"},
    {"-9223372036854775808", SILT_PARAM_INTEGER, "-9223372036854775808"},
    {"15.5", SILT_PARAM_FLOAT, "15.5"},
    {"1.5e2", SILT_PARAM_FLOAT, "150"},
    {"true", SILT_PARAM_BOOLEAN, "true"},
    {"false", SILT_PARAM_BOOLEAN, "false"},
    {"{\"duration\":\"15s\"}", SILT_PARAM_DURATION, "15000000000"},
    {"{\"duration\":\"1h30m\"}", SILT_PARAM_DURATION, "5400000000000"},
    {"{\"duration\":\"-1w2d3ms4u5ns\"}", SILT_PARAM_DURATION, "-777600003004005"},
    {"{\"duration\":3000000000}", SILT_PARAM_DURATION, "3000000000"},
    {"{\"regex\":\"^b$\"}", SILT_PARAM_REGEX, "^b$"},
    {"{\"identifier\":\"v\"}", SILT_PARAM_IDENTIFIER, "v"},
    {"{\"ident\":\"v\"}", SILT_PARAM_IDENTIFIER, "v"},
    {"{\"string\":\"s\"}", SILT_PARAM_STRING, "s"},
    {"{\"float\":1}", SILT_PARAM_FLOAT, "1"},
    {"{\"number\":1.5}", SILT_PARAM_FLOAT, "1.5"},
    {"{\"int\":7}", SILT_PARAM_INTEGER, "7"},
    {"{\"integer\":-7}", SILT_PARAM_INTEGER, "-7"},
    {"null", SILT_PARAM_ERROR, "unable to bind parameter with type <nil>"},
    {"[1,[2],{}]", SILT_PARAM_ERROR, "unable to bind parameter with type []interface {}"},
    {"{\"foo\":1}", SILT_PARAM_ERROR, "unknown bind object type: foo"},
    {"{}", SILT_PARAM_ERROR, "bound object parameter value must have exactly one entry"},
    {"{\"int\":1,\"float\":2}", SILT_PARAM_ERROR, "bound object parameter value must have exactly one entry"},
    {"{\"duration\":\"x\"}", SILT_PARAM_BAD_DURATION, "x"},
    {"{\"duration\":\"5\"}", SILT_PARAM_BAD_DURATION, "5"},
    {"{\"duration\":\"-s\"}", SILT_PARAM_BAD_DURATION, "-s"},
    {"{\"duration\":\"99999999999999999999s\"}", SILT_PARAM_BAD_DURATION, "99999999999999999999s"},
    {"{\"regex\":1}", SILT_PARAM_ERROR, "regex literal must be a string value"},
    {"{\"int\":1.5}", SILT_PARAM_ERROR, "integer literal must be an integer value"},
    {"{\"int\":1e3}", SILT_PARAM_ERROR, "strconv.ParseInt: parsing \"1e3\": invalid syntax"},
    {"{\"number\":1e3}", SILT_PARAM_ERROR, "strconv.ParseInt: parsing \"1e3\": invalid syntax"},
    {"{\"duration\":1.5}", SILT_PARAM_ERROR, "duration literal must be a string or integer value"},
};

START_TEST(test_value)
{
    char text[512], got[256];

    snprintf(text, sizeof(text), " {\"before\" : [{}], \"x\":%s}trailing", values[_i].json);
    ck_assert_msg(read_text(text) == SILT_OK, "%s", err.text);
    ck_assert_uint_eq(count, 2);
    const struct silt_param *p = &params[1];
    ck_assert(silt_str_equal(p->name, SILT_STR("x")));
    ck_assert_int_eq(p->kind, values[_i].kind);
    switch (p->kind) {
    case SILT_PARAM_INTEGER:
    case SILT_PARAM_DURATION:
        snprintf(got, sizeof(got), "%lld", (long long)p->integer);
        break;
    case SILT_PARAM_FLOAT:
        snprintf(got, sizeof(got), "%.17g", p->number);
        break;
    case SILT_PARAM_BOOLEAN:
        snprintf(got, sizeof(got), "%s", p->boolean ? "true" : "false");
        break;
    default:
        snprintf(got, sizeof(got), "%.*s", SILT_FMT(p->text));
    }
    ck_assert_str_eq(got, values[_i].text);
}
END_TEST

static const struct {
    const char *json, *want;
} refused[] = {
    {"", "error parsing query parameters: EOF"},
    {"  ", "error parsing query parameters: EOF"},
    {"[1]", "error parsing query parameters: json: cannot unmarshal array into Go value of type map[string]interface {}"},
    {"\"x\"", "error parsing query parameters: json: cannot unmarshal string into Go value of type map[string]interface {}"},
    {"1", "error parsing query parameters: json: cannot unmarshal number into Go value of type map[string]interface {}"},
    {"true", "error parsing query parameters: json: cannot unmarshal bool into Go value of type map[string]interface {}"},
    {"{", "error parsing query parameters: unexpected EOF"},
    {"{\"a\"", "error parsing query parameters: unexpected EOF"},
    {"{\"a\":", "error parsing query parameters: unexpected EOF"},
    {"{\"a\":1", "error parsing query parameters: unexpected EOF"},
    {"{\"a\":1,", "error parsing query parameters: unexpected EOF"},
    {"{\"a\":\"x", "error parsing query parameters: unexpected EOF"},
    {"{a:1}", "error parsing query parameters: invalid character 'a' looking for beginning of object key string"},
    {"{\"a\":x}", "error parsing query parameters: invalid character 'x' looking for beginning of value"},
    {"{\"a\" 1}", "error parsing query parameters: invalid character '1' after object key"},
    {"{\"a\":1 2}", "error parsing query parameters: invalid character '2' after object key:value pair"},
    {"{\"a\":[1 2]}", "error parsing query parameters: invalid character '2' after array element"},
    {"{\"a\":\"\\q\"}", "error parsing query parameters: invalid character 'q' in string escape code"},
    {"{\"a\":trux}", "error parsing query parameters: invalid character 'x' in literal true (expecting 'e')"},
    {"{\"a\":1e1}", "error parsing json value: strconv.ParseInt: parsing \"1e1\": invalid syntax"},
    {"{\"a\":9223372036854775808}",
     "error parsing json value: strconv.ParseInt: parsing \"9223372036854775808\": value out of range"},
};

START_TEST(test_refused)
{
    ck_assert_int_ne(read_text(refused[_i].json), SILT_OK);
    ck_assert_str_eq(err.text, refused[_i].want);
}
END_TEST

START_TEST(test_null_and_repeated)
{
    ck_assert_int_eq(read_text("null"), SILT_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(read_text("{}"), SILT_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(read_text("{\"a\":1,\"a\":\"two\"}"), SILT_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(params[0].kind, SILT_PARAM_STRING);
}
END_TEST

START_TEST(test_depth)
{
    char *deep = malloc(200001);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', 199995);
    deep[200000] = 0;
    ck_assert_int_eq(read_text(deep), SILT_LIMIT);
    free(deep);
}
END_TEST

/* Damaged bytes must be refused or read, within the input's bounds (the sanitizers watch). */
START_TEST(test_random_damage)
{
    static const char good[] = "{\"h\":\"a\\u00e4\",\"n\":-12,\"x\":1.5e3,\"t\":{\"duration\":\"15s\"},\"l\":[null,true,{}]}";
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand() % sizeof(good);
        char *text = malloc(len + 1);
        memcpy(text, good, len);
        for (int k = rand() % 4; k > 0 && len; k--)
            text[(size_t)rand() % len] = rand() % 2 ? (char)rand() : good[(size_t)rand() % (sizeof(good) - 1)];
        char *exact = malloc(len ? len : 1);
        memcpy(exact, text, len);
        json_read_params((struct silt_str){exact, len}, arena, &params, &count, &err);
        free(exact);
        free(text);
        silt_arena_reset(arena);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_read");
    TCase *tests = tcase_create("json_read");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_value, 0, sizeof(values) / sizeof(values[0]));
    tcase_add_loop_test(tests, test_refused, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tests, test_null_and_repeated);
    tcase_add_test(tests, test_depth);
    tcase_add_test(tests, test_random_damage);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
