/*
 * test_prom_read.c - Prometheus' remote read: the request and its faults, matchers, the answer as it is packed and its memory.
 */
#include "server/prom_answer.h"
#include "server/prom_read.h"
#include "server/protobuf.h"
#include "server/snappy_block.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct silt_arena *arena;
static struct silt_error err;
static struct prom_read parsed;

static void setup(void)
{
    arena = silt_arena_create(NULL);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- requests */

#define BYTES(literal) {literal, sizeof(literal) - 1}

/* queries { start 1, end -1, matcher {!~, "job", "a.*|b"}, matcher {"__name__", "up"}, hints { func } } */
static const char request[] = "\x0a\x39\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x0e\x08\x03\x12\x03job\x1a\x05" "a.*|b"
                              "\x1a\x0e\x12\x08__name__\x1a\x02up\x22\x0a\x12\x06series\x08\x00";

START_TEST(test_request)
{
    ck_assert_int_eq(prom_read_parse((struct silt_str){request, sizeof(request) - 1}, arena, &parsed, &err), SILT_OK);
    ck_assert_uint_eq(parsed.query_count, 1);
    const struct prom_query *query = &parsed.queries[0];
    ck_assert_int_eq(query->start_ms, 1);
    ck_assert_int_eq(query->end_ms, -1);
    ck_assert_uint_eq(query->matcher_count, 2);
    ck_assert(query->series_only);
    ck_assert(!prom_matcher_passes(&query->matchers[0], SILT_STR("abc")));
    ck_assert(!prom_matcher_passes(&query->matchers[0], SILT_STR("b")));
    ck_assert(prom_matcher_passes(&query->matchers[0], SILT_STR("bb")));
    ck_assert(prom_matcher_passes(&query->matchers[0], SILT_STR("")));
    ck_assert(prom_matcher_passes(&query->matchers[1], SILT_STR("up")));
    ck_assert(!prom_matcher_passes(&query->matchers[1], SILT_STR("u")));
    struct silt_str text = prom_read_text(&parsed, arena);
    ck_assert_str_eq(text.p, "prometheus read {job!~\"a.*|b\",__name__=\"up\"}");
    prom_read_deinit(&parsed);
}
END_TEST

static const struct {
    struct silt_str message;
    const char *text;
} faults[] = {
    {BYTES("\xff"), "unexpected EOF"},
    {BYTES("\x0a\x05\x08"), "unexpected EOF"},
    {BYTES("\x0a\x00"), "expected matcher"},
    {BYTES("\x08\x00"), "proto: wrong wireType = 0 for field Queries"},
    {BYTES("\x0a\x02\x0a\x00"), "proto: wrong wireType = 2 for field StartTimestampMs"},
    {BYTES("\x0a\x02\x18\x00"), "proto: wrong wireType = 0 for field Matchers"},
    {BYTES("\x0a\x04\x1a\x02\x08\x09"), "unknown match type 9"},
    {BYTES("\x0a\x07\x1a\x05\x08\x02\x1a\x01("), "error parsing regexp: missing closing ): `(`"},
    {BYTES("\x0a\x09\x1a\x07\x08\x02\x1a\x03" "a)b"), "error parsing regexp: unexpected ): `a)b`"},
    {BYTES("\x0a\x06\x1a\x00\x22\x02\x10\x00"), "proto: wrong wireType = 0 for field Func"},
};

START_TEST(test_faults)
{
    ck_assert_int_eq(prom_read_parse(faults[_i].message, arena, &parsed, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, faults[_i].text);
    prom_read_deinit(&parsed);
}
END_TEST

START_TEST(test_matchers_bounded)
{
    char message[4 + 2 * (PROM_MATCHERS_MAX + 1)], *to = proto_put_tag(message, 1, PROTO_BYTES);
    to = proto_put_varint(to, 2 * (PROM_MATCHERS_MAX + (size_t)_i));
    for (int i = 0; i < PROM_MATCHERS_MAX + _i; i++)
        to = proto_put_bytes(to, 3, SILT_STR(""));
    struct silt_str text = {message, (size_t)(to - message)};
    ck_assert_int_eq(prom_read_parse(text, arena, &parsed, &err), _i ? SILT_INVALID : SILT_OK);
    prom_read_deinit(&parsed);
}
END_TEST

START_TEST(test_queries_bounded)
{
    char message[6 * (PROM_QUERIES_MAX + 1)];
    size_t len = 0;

    for (int i = 0; i < PROM_QUERIES_MAX + _i; i++, len += 4)
        memcpy(message + len, "\x0a\x02\x1a\x00", 4);
    ck_assert_int_eq(prom_read_parse((struct silt_str){message, len}, arena, &parsed, &err), _i ? SILT_INVALID : SILT_OK);
    prom_read_deinit(&parsed);
}
END_TEST

START_TEST(test_random_damage)
{
    unsigned seed = (unsigned)time(NULL);

    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand() % sizeof(request);
        char *bytes = malloc(len ? len : 1);
        memcpy(bytes, request, len);
        for (int k = rand() % 4; k > 0 && len; k--)
            bytes[(size_t)rand() % len] = (char)rand();
        prom_read_parse((struct silt_str){bytes, len}, arena, &parsed, &err);
        prom_read_deinit(&parsed);
        free(bytes);
        silt_arena_reset(arena);
    }
}
END_TEST

/* ---------------------------------------------------------------- answers */

/* An output into memory. */
struct memory {
    struct output base;
    struct silt_buffer all;
    char buffer[777];
};

static enum silt_status keep(struct output *output, enum output_flush why)
{
    struct memory *memory = (struct memory *)output;

    silt_buffer_append(&memory->all, output->start, (size_t)(output->next - output->start));
    output->next = output->start;
    return SILT_OK;
}

static struct silt_str unpacked(const struct prom_answer *answer)
{
    struct memory memory = {.base = {.flush = keep}};
    struct silt_str out;

    memory.base.start = memory.base.next = memory.buffer;
    memory.base.end = memory.buffer + sizeof(memory.buffer);
    ck_assert_int_eq(prom_answer_write(answer, &memory.base), SILT_OK);
    struct silt_str body = {memory.all.p, memory.all.len};
    ck_assert_int_eq(snappy_unpack(body, SIZE_MAX, arena, &out, &err), SILT_OK);
    silt_buffer_free(&memory.all);
    return out;
}

static void put_series(struct prom_answer *answer, struct silt_str name, const silt_time *times, const double *values,
                       const uint64_t *valid, uint32_t count)
{
    prom_answer_series(answer);
    ck_assert_int_eq(prom_answer_label(answer, SILT_STR("__name__"), name, &err), SILT_OK);
    ck_assert_int_eq(prom_answer_samples(answer, times, values, valid, count, &err), SILT_OK);
    ck_assert_int_eq(prom_answer_series_end(answer, &err), SILT_OK);
}

START_TEST(test_answer)
{
    struct silt_budget budget;
    struct prom_answer answer;
    const silt_time times[] = {-1, 0, 999999, 1000000, 2000000};
    const double values[] = {1.5, 2, 3, 4, 5};
    const uint64_t valid = 0x17; /* all but the fourth */

    silt_budget_init(&budget, "test", SIZE_MAX, NULL);
    prom_answer_init(&answer, &budget);
    ck_assert_uint_eq(unpacked(&answer).len, 0);
    prom_answer_result(&answer);
    ck_assert_int_eq(prom_answer_result_end(&answer, &err), SILT_OK);
    prom_answer_result(&answer);
    put_series(&answer, SILT_STR("up"), times, values, &valid, 5);
    ck_assert_int_eq(prom_answer_result_end(&answer, &err), SILT_OK);
    static const char want[] = "\x0a\x00"
                               "\x0a\x42\x0a\x40"
                               "\x0a\x0e\x0a\x08__name__\x12\x02up"
                               "\x12\x14\x09\0\0\0\0\0\0\xf8\x3f\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* -1 ns is in ms -1 */
                               "\x12\x0b\x09\0\0\0\0\0\0\x08\x40\x10\0" /* 3 in place of 2: both in ms 0 */
                               "\x12\x0b\x09\0\0\0\0\0\0\x14\x40\x10\x02";
    struct silt_str got = unpacked(&answer);
    ck_assert_uint_eq(got.len, sizeof(want) - 1);
    ck_assert_mem_eq(got.p, want, got.len);
    prom_answer_deinit(&answer);
    ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

/* Many pieces: lengths and samples still agree. */
START_TEST(test_large_answer)
{
    enum { COUNT = 4096, SERIES = 40 };
    struct silt_budget budget;
    struct prom_answer answer;
    silt_time *times = malloc(COUNT * sizeof(*times));
    double *values = malloc(COUNT * sizeof(*values));
    size_t series = 0, samples = 0;

    for (int i = 0; i < COUNT; i++) {
        times[i] = 1700000000000000000 + i * (silt_time)1000000000;
        values[i] = i / 8.0;
    }
    silt_budget_init(&budget, "test", SIZE_MAX, NULL);
    prom_answer_init(&answer, &budget);
    for (int r = 0; r < 2; r++) {
        prom_answer_result(&answer);
        for (int i = 0; i < SERIES; i++)
            put_series(&answer, SILT_STR("a_series"), times, values, NULL, COUNT);
        ck_assert_int_eq(prom_answer_result_end(&answer, &err), SILT_OK);
    }
    ck_assert_uint_eq(answer.sample_count, 2 * SERIES * COUNT);
    struct proto_reader response = proto_reader_init(unpacked(&answer));
    struct proto_field result, one, field;
    while (proto_next(&response, &result)) {
        struct proto_reader all = proto_reader_init(result.bytes);
        while (proto_next(&all, &one)) {
            struct proto_reader reader = proto_reader_init(one.bytes);
            series++;
            while (proto_next(&reader, &field))
                samples += field.number == 2;
            ck_assert(!reader.fault);
        }
        ck_assert(!all.fault);
    }
    ck_assert(!response.fault);
    ck_assert_uint_eq(series, 2 * SERIES);
    ck_assert_uint_eq(samples, 2 * SERIES * COUNT);
    prom_answer_deinit(&answer);

    /* What is held is what leaves, not what it unpacks to; and there is an end to it. */
    silt_budget_init(&budget, "test", (size_t)1 << 20, NULL);
    prom_answer_init(&answer, &budget);
    prom_answer_result(&answer);
    enum silt_status rc = SILT_OK;
    for (int i = 0; i < 1000 && rc == SILT_OK; i++) {
        prom_answer_series(&answer);
        rc = prom_answer_samples(&answer, times, values, NULL, COUNT, &err);
        if (rc == SILT_OK)
            rc = prom_answer_series_end(&answer, &err);
    }
    ck_assert_int_eq(rc, SILT_LIMIT);
    ck_assert_str_eq(err.text, "query memory limit exceeded");
    ck_assert_uint_le(budget.peak_bytes, (size_t)1 << 20);
    prom_answer_deinit(&answer);
    ck_assert_uint_eq(budget.used_bytes, 0);
    free(times);
    free(values);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prom_read");
    TCase *tests = tcase_create("prom_read");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_request);
    tcase_add_loop_test(tests, test_faults, 0, sizeof(faults) / sizeof(faults[0]));
    tcase_add_loop_test(tests, test_matchers_bounded, 0, 2);
    tcase_add_loop_test(tests, test_queries_bounded, 0, 2);
    tcase_add_test(tests, test_random_damage);
    tcase_add_test(tests, test_answer);
    tcase_add_test(tests, test_large_answer);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
