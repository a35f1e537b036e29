/*
 * test_shell_migrate.c - what `silt migrate` is built on: MessagePack in pieces of every size, the journal and its torn
 * ends, sums that do not depend on order, the bound on speed. The whole is tested by tests/shell/migrate.py.
 */
#include "shell/day_sums.h"
#include "shell/journal.h"
#include "shell/json_answer.h"
#include "shell/msgpack_tokens.h"
#include "shell/rate.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---------------------------------------------------------------- MessagePack */

static struct silt_buffer told;

static void tell(void *context, enum json_token token, struct silt_str text)
{
    int64_t i64;
    uint64_t u64;
    double f64;
    switch (token) {
    case JSON_INTEGER:
        memcpy(&i64, text.p, sizeof i64);
        silt_buffer_printf(&told, "%lldi ", (long long)i64);
        break;
    case JSON_UNSIGNED:
        memcpy(&u64, text.p, sizeof u64);
        silt_buffer_printf(&told, "%lluu ", (unsigned long long)u64);
        break;
    case JSON_FLOAT:
        memcpy(&f64, text.p, sizeof f64);
        silt_buffer_printf(&told, "%gf ", f64);
        break;
    default: {
        static const char *const marks[] = {"{ ", "} ", "[ ", "] ", "k:", "s:", "?", "true ", "false ", "null "};
        silt_buffer_printf(&told, "%s", marks[token]);
        silt_buffer_str(&told, text);
        if (token == JSON_KEY || token == JSON_STRING)
            silt_buffer_char(&told, ' ');
    }
    }
}

static bool feed(const char *bytes, size_t len, size_t piece, bool *complete)
{
    struct msgpack_tokens tokens;
    bool ok = true;
    msgpack_tokens_init(&tokens, tell, NULL);
    told.len = 0;
    for (size_t at = 0; ok && at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        char *copy = silt_malloc(n); /* nothing behind it */
        memcpy(copy, bytes + at, n);
        ok = msgpack_tokens_feed(&tokens, copy, n);
        free(copy);
    }
    *complete = msgpack_tokens_complete(&tokens);
    msgpack_tokens_deinit(&tokens);
    silt_buffer_char(&told, 0);
    return ok;
}

#define BYTES(literal) literal, sizeof(literal) - 1

START_TEST(test_msgpack_every_kind)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *want;
    } cases[] = {
        {BYTES("\x00\x7f\xe0\xff"), "0i 127i -32i -1i "},
        {BYTES("\xcc\xff\xcd\xff\xff\xce\xff\xff\xff\xff\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
         "255i 65535i 4294967295i 9223372036854775807i "},
        {BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), "9223372036854775808u "},
        {BYTES("\xd0\x80\xd1\x80\x00\xd2\x80\x00\x00\x00\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
         "-128i -32768i -2147483648i -9223372036854775808i "},
        {BYTES("\xca\x3f\xc0\x00\x00\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), "1.5f 1.5f "},
        {BYTES("\xc0\xc2\xc3"), "null false true "},
        {BYTES("\xa0\xa3"
               "abc\xd9\x02hi\xda\x00\x01x\xdb\x00\x00\x00\x01y"),
         "s: s:abc s:hi s:x s:y "},
        {BYTES("\x90\x80\x92\x01\x91\x02"), "[ ] { } [ 1i [ 2i ] ] "},
        {BYTES("\x82\xa1"
               "a\xa1"
               "b\xa1"
               "c\x93\x01\x02\x03"),
         "{ k:a s:b k:c [ 1i 2i 3i ] } "},
        {BYTES("\xdc\x00\x01\xdd\x00\x00\x00\x01\xde\x00\x01\xa1k\xdf\x00\x00\x00\x00"), "[ [ { k:k { } } ] ] "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece <= cases[i].len; piece++) {
            bool complete;
            ck_assert(feed(cases[i].bytes, cases[i].len, piece, &complete));
            ck_assert(complete);
            ck_assert_str_eq(told.p, cases[i].want);
        }
}
END_TEST

START_TEST(test_msgpack_refuses)
{
    bool complete;
    ck_assert(!feed(BYTES("\xc1"), 1, &complete));                 /* no kind */
    ck_assert(!feed(BYTES("\xc4\x01x"), 3, &complete));            /* binary */
    ck_assert(!feed(BYTES("\xd6\x05"), 2, &complete));             /* extension */
    ck_assert(!feed(BYTES("\x81\x01\x02"), 3, &complete));         /* a key that is a number */
    ck_assert(!feed(BYTES("\xdb\xff\xff\xff\xff"), 5, &complete)); /* longer than any field */
    char deep[JSON_DEPTH_MAX + 1];
    memset(deep, 0x91, sizeof deep);
    ck_assert(!feed(deep, sizeof deep, sizeof deep, &complete));
    ck_assert(feed(BYTES("\x92\x01"), 2, &complete) && !complete);
    ck_assert(feed(BYTES("\xa5no"), 3, &complete) && !complete);
}
END_TEST

static int rows;

static void take_row(void *context, const struct cell *cells, size_t count)
{
    int64_t time;
    rows++;
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(cells[0].kind, CELL_INTEGER);
    memcpy(&time, cells[0].text.p, sizeof time);
    ck_assert_int_eq(time, 7);
    ck_assert_int_eq(cells[1].kind, CELL_FLOAT);
    ck_assert_int_eq(cells[2].kind, CELL_NULL);
}

START_TEST(test_msgpack_answer)
{
    static const struct answer_events events = {.row = take_row};
    static const char bytes[] =
        "\x81\xa7results\x91\x82\xacstatement_id\x00\xa6series\x91\x84\xa4name\xa1m\xa4tags\x81\xa1"
        "a\xa0\xa7"
        "columns\x93\xa4time\xa1"
        "f\xa1s\xa6values\x91\x93\x07\xcb?\xf8\x00\x00\x00\x00\x00\x00\xc0";
    struct answer_reader *reader = answer_reader_create(&events, NULL);
    rows = 0;
    for (size_t i = 0; i + 1 < sizeof bytes; i++)
        ck_assert(answer_reader_feed_msgpack(reader, bytes + i, 1));
    ck_assert(answer_reader_complete(reader));
    ck_assert_int_eq(rows, 1);
    answer_reader_destroy(reader);
}
END_TEST

/* ---------------------------------------------------------------- journal */

static void tell_record(void *context, const struct silt_str *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        silt_buffer_printf(context, "%s%.*s", i ? "|" : "", SILT_FMT(fields[i]));
    silt_buffer_char(context, ';');
}

static struct journal *open_journal(const char *path, struct silt_buffer *records)
{
    struct journal *journal;
    struct silt_error err;
    records->len = 0;
    ck_assert_int_eq(journal_open(&journal, path, tell_record, records, &err), SILT_OK);
    silt_buffer_char(records, 0);
    return journal;
}

START_TEST(test_journal)
{
    char path[] = "/tmp/silt-journal-XXXXXX";
    struct silt_buffer records = {0};
    struct silt_error err;
    close(mkstemp(path));
    struct journal *journal = open_journal(path, &records), *second;
    ck_assert_str_eq(records.p, "");
    ck_assert_int_eq(journal_open(&second, path, tell_record, &records, &err), SILT_CONFLICT);
    journal_addf(journal, "first", "%u%d%S%s", UINT64_MAX, INT64_MIN, SILT_STR("tab\tline\nend\r\\t"), "");
    journal_addf(journal, "second", "");
    ck_assert_int_eq(journal_commit(journal, true, &err), SILT_OK);
    journal_addf(journal, "never", "");
    journal_close(journal);

    static const char both[] = "first|18446744073709551615|-9223372036854775808|tab\tline\nend\r\\t|;second;";
    static const char *const torn[] = {"", "1c291ca3", "00000000\tthird\n", "1c291ca3\tthi", "\n", "x\n"};
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        FILE *file = fopen(path, "a");
        fputs(torn[i], file);
        fclose(file);
        journal_close(open_journal(path, &records)); /* cuts */
        ck_assert_str_eq(records.p, both);
    }
    journal = open_journal(path, &records);
    journal_addf(journal, "third", "%u", (uint64_t)3);
    ck_assert_int_eq(journal_commit(journal, false, &err), SILT_OK);
    journal_close(journal);
    journal_close(open_journal(path, &records));
    ck_assert(strstr(records.p, ";second;third|3;"));
    unlink(path);
    silt_buffer_free(&records);
}
END_TEST

/* ---------------------------------------------------------------- sums, rate */

START_TEST(test_day_sums)
{
    ck_assert_int_eq(day_of(0), 0);
    ck_assert_int_eq(day_of(-1), -1);
    ck_assert_int_eq(day_of(DAY_NS - 1), 0);
    ck_assert_int_eq(day_of(-DAY_NS), -1);
    ck_assert_int_eq(day_of(SILT_TIME_MIN), -106752);

    struct day_sums forth = {0}, back = {0}, both = {0};
    for (int64_t i = 0; i < 5000; i++) {
        int64_t j = 4999 - i;
        day_sums_add(&forth, (uint32_t)(i % 7), (int32_t)(i % 100), 1, day_sums_value(1, i, SILT_TYPE_INTEGER, 5));
        day_sums_add(&back, (uint32_t)(j % 7), (int32_t)(j % 100), 1, day_sums_value(1, j, SILT_TYPE_INTEGER, 5));
    }
    ck_assert_uint_eq(forth.used, 700);
    ck_assert_uint_eq(day_sums_total(&forth), 5000);
    day_sums_merge(&both, &forth);
    day_sums_merge(&both, &back);
    for (uint32_t field = 0; field < 7; field++)
        for (int32_t day = 0; day < 100; day++) {
            struct day_sum a = day_sums_get(&forth, field, day), b = day_sums_get(&back, field, day);
            ck_assert_uint_eq(a.sum, b.sum);
            ck_assert_uint_eq(day_sums_get(&both, field, day).count, 2 * a.count);
        }
    ck_assert_uint_eq(day_sums_get(&forth, 9, 9).count, 0);
    ck_assert(day_sums_value(1, 2, SILT_TYPE_FLOAT, 0) != day_sums_value(1, 2, SILT_TYPE_INTEGER, 0));
    day_sums_clear(&forth);
    ck_assert_uint_eq(day_sums_total(&forth), 0);
    day_sums_free(&forth);
    day_sums_free(&back);
    day_sums_free(&both);
}
END_TEST

static bool never(void *context)
{
    return false;
}

START_TEST(test_rate)
{
    struct rate rate;
    struct silt_error err;
    static const char *const bad[] = {"x", "0", "-5", "5 MB", "MB", "1TB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(rate_init(&rate, bad[i], &err), SILT_INVALID);
    ck_assert_int_eq(rate_init(&rate, "5MB", &err), SILT_OK);
    ck_assert(rate.of_bytes && (uint64_t)rate.per_second == 5000000);
    ck_assert_int_eq(rate_init(&rate, "10B", &err), SILT_OK);
    ck_assert(rate.of_bytes && (uint64_t)rate.per_second == 10);
    ck_assert_int_eq(rate_init(&rate, "", &err), SILT_OK);
    rate_take(&rate, 1000000000, 0, never, NULL);
    ck_assert_int_eq(rate_init(&rate, "1000", &err), SILT_OK);
    uint64_t start = silt_clock_monotonic_ns();
    for (int i = 0; i < 4; i++)
        rate_take(&rate, 50, 1 << 20, never, NULL);
    ck_assert(silt_clock_monotonic_ns() - start >= 190000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shell_migrate");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, test_msgpack_every_kind);
    tcase_add_test(tests, test_msgpack_refuses);
    tcase_add_test(tests, test_msgpack_answer);
    tcase_add_test(tests, test_journal);
    tcase_add_test(tests, test_day_sums);
    tcase_add_test(tests, test_rate);
    suite_add_tcase(suite, tests);
    int failed = run_suite(suite);
    silt_buffer_free(&told);
    return failed;
}
