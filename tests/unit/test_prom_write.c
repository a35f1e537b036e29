/*
 * test_prom_write.c - Prometheus' remote write: the wire format and its faults, what becomes of labels and samples, memory,
 * damaged bodies.
 */
#include "server/prom_write.h"
#include "server/protobuf.h"
#include "server/snappy_block.h"
#include "tests/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct silt_arena *arena;
static struct silt_batch batch;
static struct lp_errors errors;
static struct silt_error err;

static void setup(void)
{
    arena = silt_arena_create(NULL);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- messages */

struct message {
    char bytes[4096];
    size_t len;
};

static struct silt_str text_of(const struct message *message)
{
    return (struct silt_str){message->bytes, message->len};
}

static void put(struct message *message, uint32_t number, struct silt_str bytes)
{
    message->len = (size_t)(proto_put_bytes(message->bytes + message->len, number, bytes) - message->bytes);
}

static void put_label(struct message *series, const char *name, const char *value)
{
    struct message label = {.len = 0};

    put(&label, 1, silt_str_from(name));
    put(&label, 2, silt_str_from(value));
    put(series, 1, text_of(&label));
}

static void put_sample(struct message *series, double value, int64_t ms)
{
    struct message sample = {.len = 0};
    char *to = proto_put_tag(sample.bytes, 1, PROTO_FIXED64);

    memcpy(to, &value, 8);
    to = proto_put_varint(proto_put_tag(to + 8, 2, PROTO_VARINT), (uint64_t)ms);
    sample.len = (size_t)(to - sample.bytes);
    put(series, 2, text_of(&sample));
}

/* NULL: not there */
static struct message series_of(const char *name, const char *key, const char *value, double sample, int64_t ms)
{
    struct message series = {.len = 0}, request = {.len = 0};

    if (name)
        put_label(&series, "__name__", name);
    if (key)
        put_label(&series, key, value);
    put_sample(&series, sample, ms);
    put(&request, 1, text_of(&series));
    return request;
}

static enum silt_status parse(struct silt_str message)
{
    return prom_write_parse(message, arena, &batch, &errors, &err);
}

static void ck_str(struct silt_str got, const char *want)
{
    char text[512];

    snprintf(text, sizeof(text), "%.*s", SILT_FMT(got));
    ck_assert_str_eq(text, want);
}

/* ---------------------------------------------------------------- what is stored */

START_TEST(test_points)
{
    struct message series = {.len = 0}, request = {.len = 0};

    put_label(&series, "__name__", "http_requests_total");
    put_label(&series, "code", "200");
    put_label(&series, "path", "/a b,c=d");
    put_sample(&series, 1.5, 1700000000123);
    put_sample(&series, 0, -1);
    put(&request, 1, text_of(&series));
    put(&request, 3, SILT_STR("\x08\x01")); /* metadata */
    series.len = 0;
    put_label(&series, "__name__", "up");
    put_sample(&series, 1, 0);
    put(&request, 1, text_of(&series));
    series.len = 0;
    put_label(&series, "__name__", "http_requests_total");
    put_sample(&series, 2, 5);
    put(&request, 1, text_of(&series));

    ck_assert_int_eq(parse(text_of(&request)), SILT_OK);
    ck_assert_uint_eq(errors.total, 0);
    ck_assert_uint_eq(batch.row_count, 4);
    ck_assert_uint_eq(batch.layout_count, 2);
    ck_str(batch.rows[0].series, "http_requests_total,__name__=http_requests_total,code=200,path=/a\\ b\\,c\\=d");
    ck_assert_uint_eq(batch.rows[0].series_hash, silt_hash(batch.rows[0].series.p, batch.rows[0].series.len));
    ck_assert_ptr_eq(batch.rows[0].series.p, batch.rows[1].series.p);
    ck_assert_int_eq(batch.rows[0].time, 1700000000123000000);
    ck_assert_int_eq(batch.rows[1].time, -1000000);
    ck_assert_double_eq(batch.values[batch.rows[0].value_offset].f64, 1.5);
    ck_assert_double_eq(batch.values[batch.rows[1].value_offset].f64, 0);
    ck_str(batch.rows[2].series, "up,__name__=up");
    ck_assert_uint_eq(batch.rows[3].layout, batch.rows[0].layout);
    const struct silt_layout *layout = &batch.layouts[batch.rows[0].layout];
    ck_str(layout->measurement, "http_requests_total");
    ck_assert_uint_eq(layout->field_count, 1);
    ck_str(layout->fields[0].name, "value");
    ck_assert_int_eq(layout->fields[0].type, SILT_TYPE_FLOAT);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(batch.rows[i].line, i);
}
END_TEST

static const struct {
    const char *name, *key, *value, *series;
} labels[] = {
    {"up", "job", "", "up,__name__=up"}, /* an empty label is no label */
    {"", "job", "a", "prom_metric_not_specified,job=a"},
    {NULL, "job", "a", "prom_metric_not_specified,job=a"},
    {NULL, NULL, NULL, "prom_metric_not_specified"},
    {"job:up=x, y", "A", "1", "job:up=x\\,\\ y,A=1,__name__=job:up\\=x\\,\\ y"}, /* put in order */
    {"up", "__name__", "down", "down,__name__=down"}, /* the last one counts */
    {"up", "a", "x\\y", "up,__name__=up,a=x\\y"},
};

START_TEST(test_labels)
{
    struct message request = series_of(labels[_i].name, labels[_i].key, labels[_i].value, 1, 1);

    ck_assert_int_eq(parse(text_of(&request)), SILT_OK);
    ck_assert_uint_eq(batch.row_count, 1);
    ck_str(batch.rows[0].series, labels[_i].series);
}
END_TEST

START_TEST(test_left_out)
{
    const double values[] = {NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < 3; i++) {
        struct message request = series_of("up", "a", "b", values[i], 1);
        ck_assert_int_eq(parse(text_of(&request)), SILT_OK);
        ck_assert_uint_eq(batch.row_count + errors.total, 0);
    }
    ck_assert_int_eq(parse(SILT_STR("")), SILT_OK);
    ck_assert_int_eq(parse(SILT_STR("\x0a\x00\x1a\x02\x08\x01")), SILT_OK);
    ck_assert_uint_eq(batch.row_count, 0);
}
END_TEST

/* A good series beside one at fault: the first is stored, of the other is told. */
START_TEST(test_refused)
{
    struct message good = series_of("up", "a", "b", 1, 1), bad = _i < 3 ? series_of("up", "a", "b\\", 1, 1)
                                                                 : series_of("up", "a", "b", 1, INT64_MAX);
    if (_i == 1)
        bad = series_of("up", "a\\", "b", 1, 1);
    if (_i == 2)
        bad = series_of("up\\", "a", "b", 1, 1);
    memcpy(good.bytes + good.len, bad.bytes, bad.len);
    good.len += bad.len;
    ck_assert_int_eq(parse(text_of(&good)), SILT_OK);
    ck_assert_uint_eq(batch.row_count, 1);
    ck_assert_uint_eq(errors.total, 1);
    ck_assert_uint_eq(errors.count, 1);
    ck_assert_ptr_nonnull(memmem(errors.items[0].reason.p, errors.items[0].reason.len, _i < 3 ? "backslash" : "range", 5));
}
END_TEST

/* ---------------------------------------------------------------- faults */

#define BYTES(literal) {literal, sizeof(literal) - 1}
static const struct {
    struct silt_str message;
    const char *text;
} faults[] = {
    {BYTES("\xff\xff\xff"), "unexpected EOF"},
    {BYTES("\x0a\x05" "abc"), "unexpected EOF"},
    {BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "unexpected EOF"},
    {BYTES("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "proto: integer overflow"},
    {BYTES("\x02\x00"), "proto: illegal tag (wire type 2)"},
    {BYTES("\x0b\x00"), "proto: illegal wireType 3"},
    {BYTES("\x08\x01"), "proto: wrong wireType = 0 for field Timeseries"},
    {BYTES("\x0a\x02\x08\x01"), "proto: wrong wireType = 0 for field Labels"},
    {BYTES("\x0a\x02\x10\x01"), "proto: wrong wireType = 0 for field Samples"},
    {BYTES("\x0a\x04\x12\x02\x08\x01"), "proto: wrong wireType = 0 for field Value"},
    {BYTES("\x0a\x05\x12\x03\x12\x01x"), "proto: wrong wireType = 2 for field Timestamp"},
    {BYTES("\x0a\x06\x0a\x02\x08\x01\x12\x00"), "proto: wrong wireType = 0 for field Name"},
    {BYTES("\x0a\x06\x0a\x02\x12\x05\x12\x00"), "unexpected EOF"},
    {BYTES("\x0a\x05\x12\x03\x09\x00\x00"), "unexpected EOF"},
};

START_TEST(test_faults)
{
    ck_assert_int_eq(parse(faults[_i].message), SILT_INVALID);
    ck_assert_str_eq(err.text, faults[_i].text);
}
END_TEST

/* Of fields that later versions have nothing is thought. */
START_TEST(test_unknown_fields)
{
    struct silt_str message = SILT_STR("\x20\x05\x35zzzz\x41zzzzzzzz\x0a\x10\x0a\x06\x12\x01x\x0a\x01k\x12\x00\x1a\x02zz\x22\x00");

    ck_assert_int_eq(parse(message), SILT_OK);
    ck_assert_uint_eq(batch.row_count, 1);
    ck_str(batch.rows[0].series, "prom_metric_not_specified,k=x");
    ck_assert_int_eq(batch.rows[0].time, 0);
}
END_TEST

START_TEST(test_memory)
{
    struct silt_budget budget;
    struct message request = series_of("up", "a", "b", 1, 1);
    size_t count = 20000;
    char *many = malloc(request.len * count);

    for (size_t i = 0; i < count; i++)
        memcpy(many + i * request.len, request.bytes, request.len);
    silt_budget_init(&budget, "test", 64 << 10, NULL);
    struct silt_arena *small = silt_arena_create(&budget);
    struct silt_str message = {many, request.len * count};
    ck_assert_int_eq(prom_write_parse(message, small, &batch, &errors, &err), SILT_LIMIT);
    silt_budget_set_limit(&budget, (size_t)8 << 20);
    ck_assert_int_eq(silt_budget_charge(&budget, (size_t)7 << 20, NULL), SILT_OK);
    ck_assert_int_eq(prom_write_parse(message, small, &batch, &errors, &err), SILT_BUSY);
    silt_budget_release(&budget, (size_t)7 << 20);
    silt_arena_destroy(small);
    ck_assert_int_eq(parse(message), SILT_OK);
    ck_assert_uint_eq(batch.row_count, count);
    ck_assert_uint_eq(batch.layout_count, 1);
    free(many);
}
END_TEST

/* ---------------------------------------------------------------- snappy */

START_TEST(test_snappy)
{
    struct silt_str out;
    char packed[SNAPPY_PIECE_ROOM + 8], *to;
    size_t len = SNAPPY_PIECE_BYTES;
    char *bytes = malloc(len * 2);

    for (size_t i = 0; i < len * 2; i++)
        bytes[i] = (char)(i % 251 * (i >> 10));
    char *whole = malloc(2 * SNAPPY_PIECE_ROOM + 8);
    to = proto_put_varint(whole, len + 100);
    to += snappy_pack_piece(bytes, len, to);
    to += snappy_pack_piece(bytes + len, 100, to);
    struct silt_str body = {whole, (size_t)(to - whole)};
    ck_assert_uint_eq(snappy_claimed(body), len + 100);
    ck_assert_int_eq(snappy_unpack(body, len + 100, arena, &out, &err), SILT_OK);
    ck_assert_uint_eq(out.len, len + 100);
    ck_assert_mem_eq(out.p, bytes, out.len);
    ck_assert_int_eq(snappy_unpack(body, len + 99, arena, &out, &err), SILT_LIMIT);
    body.len--;
    ck_assert_int_eq(snappy_unpack(body, len + 100, arena, &out, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "snappy: corrupt input");

    ck_assert_int_eq(snappy_unpack(SILT_STR(""), 100, arena, &out, &err), SILT_INVALID);
    ck_assert_int_eq(snappy_unpack(SILT_STR("\x00"), 100, arena, &out, &err), SILT_OK);
    ck_assert_uint_eq(out.len, 0);
    /* A claim that the bytes behind it cannot fill is not believed. */
    to = proto_put_varint(packed, (size_t)1 << 30);
    struct silt_str claim = {packed, (size_t)(to + 3 - packed)};
    ck_assert_int_eq(snappy_unpack(claim, SIZE_MAX, arena, &out, &err), SILT_INVALID);
    ck_assert_uint_lt(silt_arena_bytes(arena), 1 << 20);
    /* More than the whole budget; more than others leave of it. */
    struct silt_budget budget;
    silt_budget_init(&budget, "test", len / 2, NULL);
    struct silt_arena *small = silt_arena_create(&budget);
    body.len++;
    ck_assert_int_eq(snappy_unpack(body, SIZE_MAX, small, &out, &err), SILT_LIMIT);
    silt_budget_set_limit(&budget, 4 * len);
    ck_assert_int_eq(silt_budget_charge(&budget, 3 * len + len / 2, NULL), SILT_OK);
    ck_assert_int_eq(snappy_unpack(body, SIZE_MAX, small, &out, &err), SILT_BUSY);
    silt_budget_release(&budget, 3 * len + len / 2);
    ck_assert_int_eq(snappy_unpack(body, SIZE_MAX, small, &out, &err), SILT_OK);
    silt_arena_destroy(small);
    free(whole);
    free(bytes);
}
END_TEST

/* Damaged messages are refused or read, within their bounds (the sanitizers watch). */
START_TEST(test_random_damage)
{
    struct message good = series_of("up", "job", "a", 1.5, 1700000000000);
    unsigned seed = (unsigned)time(NULL);

    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand() % (good.len + 1);
        char *bytes = malloc(len ? len : 1);
        memcpy(bytes, good.bytes, len);
        for (int k = rand() % 4; k > 0 && len; k--)
            bytes[(size_t)rand() % len] = (char)rand();
        parse((struct silt_str){bytes, len});
        free(bytes);
        silt_arena_reset(arena);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prom_write");
    TCase *tests = tcase_create("prom_write");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_points);
    tcase_add_loop_test(tests, test_labels, 0, sizeof(labels) / sizeof(labels[0]));
    tcase_add_test(tests, test_left_out);
    tcase_add_loop_test(tests, test_refused, 0, 4);
    tcase_add_loop_test(tests, test_faults, 0, sizeof(faults) / sizeof(faults[0]));
    tcase_add_test(tests, test_unknown_fields);
    tcase_add_test(tests, test_memory);
    tcase_add_test(tests, test_snappy);
    tcase_add_test(tests, test_random_damage);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
