/*
 * test_parser.c - InfluxQL texts against their normalised form or error; bound parameters; what must stay bounded.
 */
#include "query/ast.h"
#include "query/parser.h"

#include <check.h>
#include <stdlib.h>

#include "tests/run_suite.h"
#include "tests/unit/test_parser_cases.h"

static struct silt_arena *arena;
static struct silt_error err;

static void setup(void)
{
    arena = silt_arena_create(NULL);
    memset(&err, 0, sizeof err);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
}

static struct silt_query *parse(struct silt_str text)
{
    struct silt_query *query;
    return silt_query_parse(text, NULL, 0, arena, &query, &err) == SILT_OK ? query : NULL;
}

static const char *printed(const struct silt_query *query)
{
    struct silt_str all = SILT_STR("");
    for (size_t i = 0; i < silt_query_statement_count(query); i++) {
        struct silt_str one = silt_query_statement_text(query, i, arena);
        all = silt_arena_printf(arena, "%.*s%s%.*s", SILT_FMT(all), i ? "; " : "", SILT_FMT(one));
    }
    return all.p;
}

START_TEST(test_cases)
{
    struct silt_query *query = parse(silt_str_from(parser_cases[_i].text));

    ck_assert_msg((query != NULL) == parser_cases[_i].parses, "%s: %s", parser_cases[_i].text, err.text);
    ck_assert_str_eq(query ? printed(query) : err.text, parser_cases[_i].result);
}
END_TEST

static const struct silt_param params[] = {
    {.name = {"h", 1}, .text = {"a'b", 3}, .kind = SILT_PARAM_STRING},
    {.name = {"i", 1}, .kind = SILT_PARAM_INTEGER, .integer = -7},
    {.name = {"l", 1}, .kind = SILT_PARAM_INTEGER, .integer = 3},
    {.name = {"x", 1}, .kind = SILT_PARAM_FLOAT, .number = 15.5},
    {.name = {"b", 1}, .kind = SILT_PARAM_BOOLEAN, .boolean = true},
    {.name = {"d", 1}, .kind = SILT_PARAM_DURATION, .integer = 90000000000},
    {.name = {"r", 1}, .text = {"^b/$", 4}, .kind = SILT_PARAM_REGEX},
    {.name = {"f", 1}, .text = {"my field", 8}, .kind = SILT_PARAM_IDENTIFIER},
    {.name = {"e", 1}, .text = {"5", 1}, .kind = SILT_PARAM_BAD_DURATION},
    {.name = {"a b", 3}, .kind = SILT_PARAM_INTEGER, .integer = 1},
};

static const struct {
    const char *text;
    bool parses;
    const char *result;
} param_cases[] = {
    {"SELECT v FROM cpu WHERE host = $h", true, "SELECT v FROM cpu WHERE host = 'a\\'b'"},
    {"SELECT v FROM cpu WHERE v > $x LIMIT $l", true, "SELECT v FROM cpu WHERE v > 15.500 LIMIT 3"},
    {"SELECT v FROM cpu WHERE v = $i AND w = $b", true, "SELECT v FROM cpu WHERE v = -7 AND w = true"},
    {"SELECT v FROM cpu WHERE time > now() - $d", true, "SELECT v FROM cpu WHERE time > now() - 90s"},
    {"SELECT v FROM cpu WHERE host =~ $r", true, "SELECT v FROM cpu WHERE host =~ /^b\\/$/"},
    {"SELECT v FROM $r", true, "SELECT v FROM /^b\\/$/"},
    {"SELECT $f FROM $f", true, "SELECT \"my field\" FROM \"my field\""},
    {"SELECT mean($f) FROM m GROUP BY time($d)", true, "SELECT mean(\"my field\") FROM m GROUP BY time(90s)"},
    {"SELECT v FROM m WHERE a = $\"a b\"", true, "SELECT v FROM m WHERE a = 1"},
    {"SELECT v FROM m LIMIT $i", false, "LIMIT must be >= 0 at line 1, char 23"},
    {"SELECT v FROM m WHERE a = $e", false, "invalid duration"},
    {"SELECT v FROM m WHERE a = $nope", false, "missing parameter: nope"},
    {"SELECT v FROM m WHERE a = $", false, "empty bound parameter"},
    {"SELECT v FROM $h", false, "found a'b, expected identifier at line 1, char 15"},
    {"SELECT v FROM $nope", false, "found $nope, expected identifier at line 1, char 15"},
};

START_TEST(test_params)
{
    struct silt_query *query;
    enum silt_status rc = silt_query_parse(silt_str_from(param_cases[_i].text), params, sizeof params / sizeof params[0],
                                           arena, &query, &err);

    ck_assert_msg((rc == SILT_OK) == param_cases[_i].parses, "%s: %s", param_cases[_i].text, err.text);
    ck_assert_str_eq(rc == SILT_OK ? printed(query) : err.text, param_cases[_i].result);
}
END_TEST

/* before, then `open` and later `close` n times around inside, then after. */
static struct silt_str nested(const char *before, const char *open, const char *inside, const char *close,
                              const char *after, size_t n)
{
    struct silt_buffer text = {0};

    silt_buffer_str(&text, silt_str_from(before));
    for (size_t i = 0; i < n; i++)
        silt_buffer_str(&text, silt_str_from(open));
    silt_buffer_str(&text, silt_str_from(inside));
    for (size_t i = 0; i < n; i++)
        silt_buffer_str(&text, silt_str_from(close));
    silt_buffer_str(&text, silt_str_from(after));
    struct silt_str copy = silt_arena_str(arena, (struct silt_str){text.p, text.len});
    silt_buffer_free(&text);
    return copy;
}

START_TEST(test_depth_is_bounded)
{
    ck_assert_ptr_nonnull(parse(nested("SELECT v FROM m WHERE ", "(", "a = 1", ")", "", 100)));
    ck_assert_ptr_null(parse(nested("SELECT v FROM m WHERE ", "(", "a = 1", ")", "", 100000)));
    ck_assert(strstr(err.text, "nested too deeply"));
    ck_assert_ptr_null(parse(nested("SELECT ", "f(", "a", ")", " FROM m", 100000)));
    ck_assert_ptr_nonnull(parse(nested("SELECT v FROM ", "(SELECT v FROM ", "m", ")", "", 40)));
    ck_assert_ptr_null(parse(nested("SELECT v FROM ", "(SELECT v FROM ", "m", ")", "", 10000)));
    ck_assert_ptr_null(parse(nested("SELECT ", "1 + ", "a", "", " FROM m", 100000)));
    ck_assert(strstr(err.text, "too deep"));
    ck_assert_ptr_null(parse(nested("SELECT ", "-(", "a", ")", " FROM m", 100000)));
    ck_assert_ptr_null(parse(nested("SELECT ", "- ", "a", "", " FROM m", 100000)));
}
END_TEST

/* Tools write lists of thousands of terms; the tree must stay flat enough to walk, and print as it was written. */
START_TEST(test_long_chains)
{
    static const char *const words[] = {"OR", "AND"};

    for (size_t w = 0; w < 2; w++) {
        struct silt_buffer text = {0};
        silt_buffer_str(&text, SILT_STR("SELECT v FROM m WHERE host = 'h0'"));
        for (int i = 1; i < 20000; i++)
            silt_buffer_printf(&text, " %s host = 'h%d'%s", words[w], i, w == 0 && i % 7 == 0 ? " AND x = 1" : "");
        struct silt_str source = silt_arena_str(arena, (struct silt_str){text.p, text.len});
        silt_buffer_free(&text);
        struct silt_query *query = parse(source);
        ck_assert_msg(query != NULL, "%s", err.text);
        ck_assert(query->statements[0].select->condition->depth < 100);
        ck_assert(silt_str_equal(silt_query_statement_text(query, 0, arena), source));
    }
}
END_TEST

START_TEST(test_memory_is_bounded)
{
    struct silt_budget budget;
    struct silt_query *query;

    struct silt_str text = nested("SELECT a", ", b", "", "", " FROM m", 100000);
    silt_budget_init(&budget, "query memory", 1 << 20, NULL);
    struct silt_arena *small = silt_arena_create(&budget);
    ck_assert_int_eq(silt_query_parse(text, NULL, 0, small, &query, &err), SILT_LIMIT);
    silt_arena_destroy(small);
}
END_TEST

START_TEST(test_tree)
{
    struct silt_query *query = parse(SILT_STR(" SELECT mean(v) AS m, *::tag INTO d.r.:MEASUREMENT FROM d..a, (SELECT * FROM r./x/) "
                                              "WHERE time > now() - 1h30m GROUP BY time(1m), host fill(2.5) "
                                              "ORDER BY time DESC LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4 tz('UTC') ; "
                                              "SHOW TAG VALUES ON d WITH KEY IN (a, b)"));
    ck_assert_ptr_nonnull(query);
    ck_assert_uint_eq(silt_query_statement_count(query), 2);
    const struct select *select = query->statements[0].select;
    ck_assert_int_eq(query->statements[0].source.p[0], 'S');
    ck_assert(silt_str_equal(query->statements[1].source, SILT_STR("SHOW TAG VALUES ON d WITH KEY IN (a, b)")));
    ck_assert_uint_eq(select->field_count, 2);
    ck_assert_int_eq(select->fields[0].expr->kind, EXPR_CALL);
    ck_assert(silt_str_equal(select->fields[0].alias, SILT_STR("m")));
    ck_assert_int_eq(select->fields[1].expr->ref.type, DATA_TAG);
    ck_assert(select->into->is_backref);
    ck_assert(silt_str_equal(select->into->rp, SILT_STR("r")));
    ck_assert(silt_str_equal(select->sources[0].database, SILT_STR("d")));
    ck_assert_uint_eq(select->sources[0].rp.len, 0);
    ck_assert_int_eq(select->sources[1].kind, SOURCE_SUBQUERY);
    ck_assert(select->sources[1].subquery->sources[0].is_regex);
    ck_assert_int_eq(select->condition->binary.right->binary.right->integer, 5400000000000);
    ck_assert_int_eq(select->fill, FILL_NUMBER);
    ck_assert(select->fill_number == 2.5 && !select->fill_is_integer);
    ck_assert(select->descending);
    ck_assert_int_eq(select->limit * 1000 + select->offset * 100 + select->slimit * 10 + select->soffset, 1234);
    ck_assert_ptr_nonnull(select->zone);
    ck_assert(silt_query_statement_changes(query, 0));
    ck_assert(!silt_query_statement_changes(query, 1));
    ck_assert_uint_eq(query->statements[1].show.key->list.count, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parser");
    TCase *tcase = tcase_create("parser");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_cases, 0, (int)(sizeof parser_cases / sizeof parser_cases[0]));
    tcase_add_loop_test(tcase, test_params, 0, (int)(sizeof param_cases / sizeof param_cases[0]));
    tcase_add_test(tcase, test_depth_is_bounded);
    tcase_add_test(tcase, test_long_chains);
    tcase_add_test(tcase, test_memory_is_bounded);
    tcase_add_test(tcase, test_tree);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
