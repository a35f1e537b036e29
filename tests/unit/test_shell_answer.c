/*
 * test_shell_answer.c - the shell's reading of answers, in pieces of every size, and its formats on hard texts.
 */
#include "shell/json_answer.h"
#include "shell/printer.h"
#include "shell/tabs.h"
#include "shell/words.h"
#include "tests/run_suite.h"

#include <check.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- events as text */

static struct silt_buffer told;

static void tell_result(void *context)
{
    silt_buffer_printf(&told, "R(");
}
static void tell_message(void *context, struct silt_str level, struct silt_str text)
{
    silt_buffer_printf(&told, "m[%.*s|%.*s]", SILT_FMT(level), SILT_FMT(text));
}
static void tell_series(void *context, const struct answer_series *series)
{
    silt_buffer_printf(&told, "S<%.*s", SILT_FMT(series->name));
    for (size_t i = 0; i < series->tag_count; i++)
        silt_buffer_printf(&told, ",%.*s=%.*s", SILT_FMT(series->tags[i].key), SILT_FMT(series->tags[i].value));
    for (size_t i = 0; i < series->column_count; i++)
        silt_buffer_printf(&told, " %.*s", SILT_FMT(series->columns[i]));
    silt_buffer_printf(&told, ">");
}
static void tell_row(void *context, const struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        silt_buffer_printf(&told, "%c%d:%.*s", i ? ' ' : '(', (int)cells[i].kind, SILT_FMT(cells[i].text));
    silt_buffer_printf(&told, ")");
}
static void tell_series_end(void *context, bool partial)
{
    silt_buffer_printf(&told, partial ? "/partial " : "/ ");
}
static void tell_result_end(void *context, struct silt_str error)
{
    silt_buffer_printf(&told, error.p ? "error:%.*s)" : ")", SILT_FMT(error));
}
static void tell_failure(void *context, struct silt_str error)
{
    silt_buffer_printf(&told, "FAILURE:%.*s", SILT_FMT(error));
}

static const struct answer_events telling = {tell_result,     tell_message,    tell_series, tell_row,
                                             tell_series_end, tell_result_end, tell_failure};

static bool feed(const char *text, size_t piece_bytes)
{
    struct answer_reader *reader = answer_reader_create(&telling, NULL);
    size_t len = strlen(text);
    bool ok = true;
    told.len = 0;
    for (size_t at = 0; at < len && ok; at += piece_bytes) {
        /* Exactly as long as the piece, so that reading past it is seen by the sanitizers. */
        size_t n = len - at < piece_bytes ? len - at : piece_bytes;
        char *copy = malloc(n);
        memcpy(copy, text + at, n);
        ok = answer_reader_feed(reader, copy, n);
        free(copy);
    }
    ok = ok && answer_reader_complete(reader);
    answer_reader_destroy(reader);
    silt_buffer_char(&told, 0);
    told.len--;
    return ok;
}

static const struct {
    const char *text, *want;
} answers[] = {
    {"{\"results\":[{\"statement_id\":0}]}", "R()"},
    {"{\"results\":[]}\n", ""},
    {"{}", ""},
    {"{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"cpu\",\"tags\":{\"h\":\"b\",\"a\":\"\"},\"columns\":["
     "\"time\",\"v\"],"
     "\"values\":[[0,1.5],[1,null],[2,\"x\"],[3,true],[4,false]],\"partial\":true}],\"partial\":true}]}\n"
     "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"cpu\",\"columns\":[\"k\"]}]}]}\n",
     "R(S<cpu,a=,h=b time v>(2:0 2:1.5)(2:1 0:)(2:2 3:x)(2:3 1:true)(2:4 1:false)/partial )R(S<cpu k>/ )"},
    {"{\"results\":[{\"error\":\"no "
     "\\\"db\\\"\",\"messages\":[{\"level\":\"warning\",\"text\":\"t\"}]}],\"error\":\"whole\"}",
     "R(m[warning|t]error:no \"db\")FAILURE:whole"},
    {"{\"results\":[{\"new\":{\"series\":[[{}]]},\"series\":[{\"values\":[[{\"a\":[1]},-1e+21]]}]}]}",
     "R(S<>(0: 2:-1e+21)/ )"},
    {"{\"error\":\"\\u00e4\\ud83d\\ude00\\ud800x\\udc00\\n\\/\"}", "FAILURE:ä😀\xEF\xBF\xBDx\xEF\xBF\xBD\n/"},
};

START_TEST(answers_in_pieces)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        for (size_t piece = 1; piece < strlen(answers[i].text) + 2; piece++) {
            ck_assert_msg(feed(answers[i].text, piece), "%s in pieces of %zu", answers[i].text, piece);
            ck_assert_str_eq(told.p, answers[i].want);
        }
}
END_TEST

START_TEST(what_is_no_answer)
{
    static const char *const texts[] = {"<html>",
                                        "{\"results\":[",
                                        "{\"a\" 1}",
                                        "{\"a\":1,}",
                                        "[1,]",
                                        "{]",
                                        "nul",
                                        "nulL",
                                        "\"\\x\"",
                                        "\"\\u12g4\"",
                                        "{\"a\":\"",
                                        "{1:2}",
                                        "]",
                                        "",
                                        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*texts[i])
            ck_assert_msg(!feed(texts[i], 1) && !feed(texts[i], 1000), "%s", texts[i]);
}
END_TEST

/* ---------------------------------------------------------------- formats */

static char *show(const char *format, const char *text, unsigned width)
{
    char *out = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&out, &len);
    struct printer_options options = {.out = file, .width = width, .unicode = true};
    struct printer *printer = printer_find(silt_str_from(format))(&options);
    struct answer_reader *reader = answer_reader_create(printer->events, printer);
    ck_assert(answer_reader_feed(reader, text, strlen(text)));
    printer->finish(printer);
    answer_reader_destroy(reader);
    printer->destroy(printer);
    fclose(file);
    return out;
}

static void check(const char *format, const char *text, unsigned width, const char *want)
{
    char *got = show(format, text, width);
    ck_assert_str_eq(got, want);
    free(got);
}

#define ANSWER(series) "{\"results\":[{\"series\":[" series "]}]}"
#define NUMBERS                                                                                                        \
    ANSWER("{\"name\":\"cpu\",\"tags\":{\"host\":\"a\"},\"columns\":[\"time\",\"usage\",\"n\",\"note\"],"              \
           "\"values\":[[0,12.5,8,\"two words\"],[10,7.25,16,null],[20,100,null,\"a text that is far too long\"]]}")

START_TEST(tables)
{
    check("table", NUMBERS, 0,
          "name: cpu\ntags: host=a\n"
          "time   usage   n  note\n"
          "────  ──────  ──  ───────────────────────────\n"
          "   0   12.5    8  two words\n"
          "  10    7.25  16\n"
          "  20  100         a text that is far too long\n");
    check("table", NUMBERS, 30,
          "name: cpu\ntags: host=a\n"
          "time   usage   n  note\n"
          "────  ──────  ──  ────────────\n"
          "   0   12.5    8  two words\n"
          "  10    7.25  16\n"
          "  20  100         a text that…\n");
    check("table", NUMBERS, 20,
          "name: cpu\ntags: host=a\n"
          "── row 1\n time: 0\nusage: 12.5\n    n: 8\n note: two words\n"
          "── row 2\n time: 10\nusage: 7.25\n    n: 16\n note: \n"
          "── row 3\n time: 20\nusage: 100\n    n: \n note: a text that is far too long\n");
    check("table",
          ANSWER("{\"columns\":[\"name\"],\"values\":[[\"日本\"],[\"a\\u001b[2J\"]]},{\"columns\":[\"x\"],\"values\":[["
                 "1]]}"),
          80, "name\n─────\n日本\na [2J\n\nx\n─\n1\n");
    check("table", "{\"results\":[{}]}", 80, "");
}
END_TEST

START_TEST(other_formats)
{
    check("vertical", ANSWER("{\"name\":\"cpu\",\"columns\":[\"time\",\"v\"],\"values\":[[0,1],[1,\"x\"]]}"), 0,
          "── cpu, row 1\ntime: 0\n   v: 1\n── cpu, row 2\ntime: 1\n   v: x\n");
    check("line",
          ANSWER("{\"name\":\"c p\",\"tags\":{\"h\":\"a,b\",\"e\":\"\"},\"columns\":[\"time\",\"v=\",\"s\"],"
                 "\"values\":[[0,1,null],[1,null,\"q\\\"\\\\\"],[2,null,null]]}"),
          0, "c\\ p,h=a\\,b v\\==1 0\nc\\ p,h=a\\,b s=\"q\\\"\\\\\" 1\n");
    check("csv",
          ANSWER("{\"name\":\"c\",\"columns\":[\"time\",\"v\"],\"values\":[[0,\"a,\\\"b\\\"\"],[1,\"\\u00a0x\"]]}"), 0,
          "name,time,v\nc,0,\"a,\"\"b\"\"\"\nc,1,\"\u00a0x\"\n");
}
END_TEST

/* Columns that go on when memory has to be given back keep their widths. */
START_TEST(long_columns)
{
    char *out = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&out, &len);
    struct tabs tabs;
    tabs_init(&tabs, file);
    tabs_write(&tabs, SILT_STR("a long first cell\tx\n"));
    size_t lines = 1;
    for (; lines < 2 * TABS_HELD_BYTES / 16; lines++)
        tabs_write(&tabs, SILT_STR("1\ty\n"));
    fflush(file);
    ck_assert_uint_gt(len, 0); /* some of it left */
    tabs_flush(&tabs);
    tabs_deinit(&tabs);
    fclose(file);
    ck_assert_uint_eq(len, lines * 20);
    ck_assert(memcmp(out + len - 20, "1                 y\n", 20) == 0);
    free(out);
}
END_TEST

/* ---------------------------------------------------------------- words */

START_TEST(words)
{
    struct silt_buffer database = {0}, policy = {0}, quoted = {0};
    ck_assert(words_database_policy(SILT_STR(" \"a.b\".\"c d\" "), &database, &policy));
    ck_assert(silt_str_equal(words_view(&database), SILT_STR("a.b")) &&
              silt_str_equal(words_view(&policy), SILT_STR("c d")));
    ck_assert(!words_database_policy(SILT_STR("a.b.c"), &database, &policy));
    words_quote_go(&quoted, SILT_STR("a\"\\\n\x01ü\xff"));
    ck_assert(silt_str_equal(words_view(&quoted), SILT_STR("\"a\\\"\\\\\\n\\x01ü\\xff\"")));
    struct silt_str text = SILT_STR("  \"a b\".c_1 x");
    ck_assert(silt_str_equal(words_identifier(&text), SILT_STR("a b")));
    text.p++, text.len--;
    ck_assert(silt_str_equal(words_identifier(&text), SILT_STR("c_1")));
    ck_assert_uint_eq(words_runes(SILT_STR("aü日")), 3);
    silt_buffer_free(&database);
    silt_buffer_free(&policy);
    silt_buffer_free(&quoted);
}
END_TEST

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    Suite *suite = suite_create("shell answers");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, answers_in_pieces);
    tcase_add_test(tests, what_is_no_answer);
    tcase_add_test(tests, tables);
    tcase_add_test(tests, other_formats);
    tcase_add_test(tests, long_columns);
    tcase_add_test(tests, words);
    suite_add_tcase(suite, tests);
    int failed = run_suite(suite);
    silt_buffer_free(&told);
    return failed;
}
