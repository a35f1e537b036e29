/*
 * test_json_sink.c - answers as JSON text: shapes, chunks, limits; random answers against a dull writer, through
 * buffers of random size.
 */
#include "server/json_sink.h"
#include "tests/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

/* An output that gathers everything, in buffers of a given size. */
struct gather {
    struct output base;
    struct silt_buffer got;
    size_t buffer_bytes;
    char buffer[OUTPUT_BUFFER_BYTES];
};

static enum silt_status gather_flush(struct output *output, enum output_flush why)
{
    struct gather *g = (struct gather *)output;
    silt_buffer_append(&g->got, output->start, (size_t)(output->next - output->start));
    if (output->next != output->start)
        output->flushed++;
    output->next = output->start;
    return SILT_OK;
}

static bool gather_idle(struct output *output)
{
    return true;
}

static struct gather gather;
static struct json_sink sink;
static struct silt_sink *s = &sink.answer.base;

static void start(struct answer_options options, size_t buffer_bytes)
{
    silt_buffer_free(&gather.got);
    if (options.chunk_rows == 0)
        options.chunk_rows = ANSWER_CHUNK_ROWS;
    gather.base = (struct output){gather.buffer, gather.buffer, gather.buffer + buffer_bytes, 0, gather_flush, gather_idle};
    json_sink_init(&sink, &options, &gather.base);
}

static const char *finish(void)
{
    ck_assert_int_eq(answer_finish(&sink.answer), SILT_OK);
    answer_deinit(&sink.answer);
    silt_buffer_char(&gather.got, 0);
    return gather.got.p;
}

static const struct silt_str columns[] = {{"time", 4}, {"v", 1}};
static const struct silt_tag tags[] = {{{"host", 4}, {"a", 1}}};
static const struct silt_series_head plain_head = {{"cpu", 3}, NULL, 0, columns, 2};
static const struct silt_series_head tagged_head = {{"cpu", 3}, tags, 1, columns, 2};

static enum silt_status row(int64_t time, int64_t value)
{
    struct silt_cell cells[2] = {{.kind = SILT_CELL_TIME, .i64 = time}, {.kind = SILT_CELL_INTEGER, .i64 = value}};
    return s->rows(s, cells, 1);
}

static enum silt_status cell(struct silt_cell value)
{
    struct silt_cell cells[2] = {{.kind = SILT_CELL_NULL}, value};
    return s->rows(s, cells, 1);
}

START_TEST(test_shapes)
{
    start((struct answer_options){.epoch_ns = 1}, 60000);
    s->begin(s, 0);
    s->end(s);
    s->begin(s, 1);
    s->series(s, &tagged_head);
    row(0, 10);
    row(1, 20);
    s->series(s, &plain_head);
    s->message(s, SILT_STR("warning"), SILT_STR("<w>"));
    s->end(s);
    s->begin(s, 2);
    s->error(s, SILT_STR("database not found: x"));
    s->end(s);
    ck_assert_str_eq(finish(), "{\"results\":[{\"statement_id\":0},{\"statement_id\":1,\"series\":[{\"name\":\"cpu\",\"tags\":{"
                               "\"host\":\"a\"},\"columns\":[\"time\",\"v\"],\"values\":[[0,10],[1,20]]},{\"name\":\"cpu\","
                               "\"columns\":[\"time\",\"v\"]}],\"messages\":[{\"level\":\"warning\",\"text\":\"\\u003cw\\u003e\"}"
                               "]},{\"statement_id\":2,\"error\":\"database not found: x\"}]}\n");
}
END_TEST

START_TEST(test_nothing)
{
    start((struct answer_options){0}, 60000);
    ck_assert_str_eq(finish(), "{}\n");
    start((struct answer_options){.pretty = true}, 60000);
    ck_assert_str_eq(finish(), "{}\n");
    start((struct answer_options){.chunked = true}, 60000);
    ck_assert_str_eq(finish(), "");
}
END_TEST

START_TEST(test_pretty)
{
    start((struct answer_options){.pretty = true}, 60000);
    s->begin(s, 0);
    s->series(s, &tagged_head);
    row(1000000000, 10);
    s->end(s);
    ck_assert_str_eq(finish(), "{\n    \"results\": [\n        {\n            \"statement_id\": 0,\n            \"series\": [\n"
                               "                {\n                    \"name\": \"cpu\",\n                    \"tags\": {\n"
                               "                        \"host\": \"a\"\n                    },\n"
                               "                    \"columns\": [\n                        \"time\",\n"
                               "                        \"v\"\n                    ],\n                    \"values\": [\n"
                               "                        [\n                            \"1970-01-01T00:00:01Z\",\n"
                               "                            10\n                        ]\n                    ]\n"
                               "                }\n            ]\n        }\n    ]\n}\n");
}
END_TEST

START_TEST(test_cells)
{
    static const struct silt_str list[] = {{"a", 1}, {"<", 1}};
    start((struct answer_options){.epoch_ns = 1000}, 60000);
    s->begin(s, 0);
    s->series(s, &plain_head);
    row(-1999, 0);
    cell((struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = 1e21});
    cell((struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = -0.0});
    cell((struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = NAN});
    cell((struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = UINT64_MAX});
    cell((struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = true});
    cell((struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = false});
    cell((struct silt_cell){.kind = SILT_CELL_STRING, .string = SILT_STR("a&\"\xC3\xA4")});
    cell((struct silt_cell){.kind = SILT_CELL_STRINGS, .strings = {list, 2}});
    s->end(s);
    ck_assert_str_eq(finish(),
                     "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"cpu\",\"columns\":[\"time\",\"v\"],\"values\":[[-1,0],"
                     "[null,1e+21],[null,-0],[null,null],[null,18446744073709551615],[null,true],[null,false],"
                     "[null,\"a\\u0026\\\"\xC3\xA4\"],[null,[\"a\",\"\\u003c\"]]]}]}]}\n");
}
END_TEST

START_TEST(test_times)
{
    static const struct {
        silt_time time;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.000000001Z"},
        {-1, "1969-12-31T23:59:59.999999999Z"},
        {-1000000000, "1969-12-31T23:59:59Z"},
        {1500000000, "1970-01-01T00:00:01.5Z"},
        {1000, "1970-01-01T00:00:00.000001Z"},
    };
    for (size_t i = 0; i < 6; i++) {
        char want[256];
        start((struct answer_options){0}, 60000);
        s->begin(s, 0);
        s->series(s, &plain_head);
        row(cases[i].time, 1);
        snprintf(want, sizeof(want),
                 "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"cpu\",\"columns\":[\"time\",\"v\"],\"values\":[[\"%s\",1]]}]}]}\n",
                 cases[i].text);
        ck_assert_str_eq(finish(), want);
    }
    /* The cache of seconds against the plain writer. */
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    start((struct answer_options){0}, 60000);
    struct silt_buffer want = {0};
    s->begin(s, 0);
    s->series(s, &plain_head);
    silt_time t = 0;
    for (int i = 0; i < 5000; i++) {
        char text[SILT_TIME_TEXT_MAX];
        switch (rand() % 4) {
        case 0:
            t = (silt_time)(((uint64_t)rand() << 42) ^ ((uint64_t)rand() << 21) ^ (uint64_t)rand());
            break;
        case 1:
            t = i % 2 ? SILT_TIME_MIN + rand() : SILT_TIME_MAX - rand();
            break;
        default:
            if (t < SILT_TIME_MAX - 300000000)
                t += rand() % 300000000;
        }
        row(t, 1);
        size_t len = silt_write_rfc3339(text, t, 0);
        silt_buffer_printf(&want, "[\"%.*s\",1]", (int)len, text);
        if (i < 4999)
            silt_buffer_char(&want, ',');
    }
    silt_buffer_char(&want, 0);
    ck_assert_ptr_nonnull(strstr(finish(), want.p));
    silt_buffer_free(&want);
}
END_TEST

#define HEAD "\"series\":[{\"name\":\"cpu\",\"columns\":[\"time\",\"v\"],\"values\":"
#define TAGGED "\"series\":[{\"name\":\"cpu\",\"tags\":{\"host\":\"a\"},\"columns\":[\"time\",\"v\"],\"values\":"

START_TEST(test_chunks)
{
    start((struct answer_options){.chunked = true, .chunk_rows = 2, .epoch_ns = 1}, 60000);
    s->begin(s, 0);
    s->series(s, &tagged_head);
    row(0, 1);
    row(1, 1);
    row(2, 1);
    s->series(s, &plain_head);
    row(3, 1);
    row(4, 1);
    s->end(s);
    s->begin(s, 1);
    s->end(s);
    s->begin(s, 2);
    s->error(s, SILT_STR("database not found: nodb"));
    s->end(s);
    s->begin(s, 2);
    s->error(s, SILT_STR("not executed"));
    s->end(s);
    ck_assert_str_eq(finish(), "{\"results\":[{\"statement_id\":0," TAGGED "[[0,1],[1,1]],\"partial\":true}],\"partial\":true}]}\n"
                               "{\"results\":[{\"statement_id\":0," TAGGED "[[2,1]]}],\"partial\":true}]}\n"
                               "{\"results\":[{\"statement_id\":0," HEAD "[[3,1],[4,1]]}]}]}\n"
                               "{\"results\":[{\"statement_id\":1}]}\n"
                               "{\"results\":[{\"statement_id\":2,\"error\":\"database not found: nodb\"}]}\n"
                               "{\"results\":[{\"statement_id\":2,\"error\":\"not executed\"}]}\n");
}
END_TEST

START_TEST(test_later_error_replaces)
{
    start((struct answer_options){.epoch_ns = 1}, 60000);
    s->begin(s, 0);
    s->series(s, &plain_head);
    row(0, 1);
    s->end(s);
    s->begin(s, 1);
    s->series(s, &plain_head);
    row(0, 1);
    s->error(s, SILT_STR("first"));
    s->end(s);
    s->begin(s, 1);
    s->error(s, SILT_STR("not executed"));
    s->end(s);
    ck_assert_str_eq(finish(), "{\"results\":[{\"statement_id\":0," HEAD "[[0,1]]}]},{\"statement_id\":1,\"error\":\"not executed\"}]}\n");
}
END_TEST

START_TEST(test_row_limit)
{
    start((struct answer_options){.rows_max = 3, .epoch_ns = 1}, 60000);
    s->begin(s, 0);
    s->series(s, &plain_head);
    struct silt_cell cells[8] = {0};
    ck_assert_int_eq(s->rows(s, cells, 2), SILT_OK);
    s->end(s);
    ck_assert_int_eq(s->begin(s, 1), SILT_OK);
    s->series(s, &plain_head);
    ck_assert_int_ne(s->rows(s, cells, 4), SILT_OK);
    ck_assert_int_ne(s->begin(s, 2), SILT_OK);
    ck_assert_str_eq(finish(), "{\"results\":[{\"statement_id\":0," HEAD "[[null,null],[null,null]]}]},"
                               "{\"statement_id\":1," HEAD "[[null,null]],\"partial\":true}]}]}\n");
    /* Exactly the limit: no flag, the rest is dropped. */
    start((struct answer_options){.rows_max = 2, .epoch_ns = 1}, 60000);
    s->begin(s, 0);
    s->series(s, &plain_head);
    ck_assert_int_eq(s->rows(s, cells, 2), SILT_OK);
    ck_assert_int_ne(s->series(s, &plain_head), SILT_OK);
    ck_assert_str_eq(finish(), "{\"results\":[{\"statement_id\":0," HEAD "[[null,null],[null,null]]}]}]}\n");
}
END_TEST

START_TEST(test_infinity)
{
    start((struct answer_options){.epoch_ns = 1}, 60000);
    s->begin(s, 0);
    s->series(s, &plain_head);
    row(0, 1);
    ck_assert_int_eq(cell((struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = -INFINITY}), SILT_INVALID);
    ck_assert_str_eq(finish(), "json: error calling MarshalJSON for type httpd.Response: json: error calling MarshalJSON for type "
                               "*query.Result: json: unsupported value: -Inf\n");
    /* Too late to take back. */
    start((struct answer_options){.epoch_ns = 1}, 1000);
    s->begin(s, 0);
    s->series(s, &plain_head);
    for (int i = 0; i < 1000; i++)
        row(i, i);
    ck_assert_int_eq(cell((struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = INFINITY}), SILT_INVALID);
    ck_assert_int_eq(answer_finish(&sink.answer), SILT_INVALID);
    answer_deinit(&sink.answer);
}
END_TEST

/* ---------------------------------------------------------------- random answers */


static struct silt_cell random_cell(char *bytes, size_t bytes_max)
{
    switch (rand() % 6) {
    case 0:
        return (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = rand() - RAND_MAX / 2};
    case 1:
        return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = rand() % 2};
    case 2: {
        size_t len = rand() % 50 ? (size_t)rand() % 40 : (size_t)rand() % bytes_max;
        for (size_t i = 0; i < len; i++)
            bytes[i] = rand() % 10 ? (char)('a' + rand() % 26) : (char)rand();
        return (struct silt_cell){.kind = SILT_CELL_STRING, .string = {bytes, len}};
    }
    case 3:
        return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = rand() / 1000.0};
    case 4:
        return (struct silt_cell){.kind = SILT_CELL_TIME, .i64 = rand()};
    default:
        return (struct silt_cell){.kind = SILT_CELL_NULL};
    }
}

static void model_cell(struct silt_buffer *out, const struct silt_cell *c)
{
    char number[SILT_NUMBER_TEXT_MAX];
    switch (c->kind) {
    case SILT_CELL_STRING:
        silt_buffer_json_string(out, c->string);
        break;
    case SILT_CELL_BOOLEAN:
        silt_buffer_printf(out, "%s", c->boolean ? "true" : "false");
        break;
    case SILT_CELL_FLOAT:
        silt_buffer_append(out, number, silt_write_double_json(number, c->f64));
        break;
    case SILT_CELL_NULL:
        silt_buffer_printf(out, "null");
        break;
    default:
        silt_buffer_printf(out, "%lld", (long long)c->i64);
    }
}

static void random_answer(bool through_gzip)
{
    static char bytes[2][20000];
    struct silt_buffer want = {0};
    struct gzip_output *gzip = NULL;
    struct answer_options options = {.epoch_ns = 1};

    start(options, 1000 + (size_t)rand() % 60000);
    gather.base.end = gather.base.start + (5000 + (size_t)rand() % 60000);
    if (through_gzip) {
        gzip = gzip_output_create(&gather.base);
        json_sink_init(&sink, &(struct answer_options){.epoch_ns = 1, .chunk_rows = 10}, gzip_output_base(gzip));
    }
    silt_buffer_printf(&want, "{\"results\":[");
    int statements = 1 + rand() % 3;
    for (int i = 0; i < statements; i++) {
        silt_buffer_printf(&want, "%s{\"statement_id\":%d", i ? "," : "", i);
        ck_assert_int_eq(s->begin(s, (uint32_t)i), SILT_OK);
        int series = rand() % 4;
        for (int k = 0; k < series; k++) {
            silt_buffer_printf(&want, "%s{\"name\":\"cpu\",\"columns\":[\"time\",\"v\"]", k ? "," : ",\"series\":[");
            ck_assert_int_eq(s->series(s, &plain_head), SILT_OK);
            int rows = rand() % 300;
            for (int r = 0; r < rows; r++) {
                struct silt_cell cells[2] = {random_cell(bytes[0], 20000), random_cell(bytes[1], 20000)};
                silt_buffer_printf(&want, r ? ",[" : ",\"values\":[[");
                model_cell(&want, &cells[0]);
                silt_buffer_char(&want, ',');
                model_cell(&want, &cells[1]);
                silt_buffer_char(&want, ']');
                ck_assert_int_eq(s->rows(s, cells, 1), SILT_OK);
            }
            silt_buffer_printf(&want, rows ? "]}" : "}");
        }
        silt_buffer_printf(&want, series ? "]}" : "}");
        ck_assert_int_eq(s->end(s), SILT_OK);
    }
    silt_buffer_printf(&want, "]}\n");
    ck_assert_int_eq(answer_finish(&sink.answer), SILT_OK);
    answer_deinit(&sink.answer);
    struct silt_buffer got = gather.got;
    if (through_gzip) {
        z_stream z = {0};
        memset(&got, 0, sizeof(got));
        silt_buffer_reserve(&got, want.len + 100);
        ck_assert_int_eq(inflateInit2(&z, 31), Z_OK);
        z.next_in = (Bytef *)gather.got.p;
        z.avail_in = (uInt)gather.got.len;
        z.next_out = (Bytef *)got.p;
        z.avail_out = (uInt)got.capacity;
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        got.len = z.total_out;
        inflateEnd(&z);
    }
    ck_assert_uint_eq(got.len, want.len);
    ck_assert_int_eq(memcmp(got.p, want.p, want.len), 0);
    if (through_gzip)
        silt_buffer_free(&got);
    gzip_output_destroy(gzip);
    silt_buffer_free(&want);
}

START_TEST(test_random_answers)
{
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 300; i++)
        random_answer(i % 3 == 0);
}
END_TEST

/* Against printf, in turns that keep and change what times have in common. */
START_TEST(times_as_numbers)
{
    static const int64_t epochs[] = {1, 1000, 1000000, 1000000000, 60000000000, 3600000000000};
    static const int64_t bases[] = {0, 1, -1, 99999999, 100000000, 1451606400000000000, INT64_MAX, INT64_MIN, -5000000000};

    for (size_t e = 0; e < sizeof(epochs) / sizeof(epochs[0]); e++) {
        struct epoch_text last = {0};
        for (size_t b = 0; b < sizeof(bases) / sizeof(bases[0]); b++)
            for (int64_t step = -300; step < 300; step++) {
                int64_t off = step / 2 * (step % 7 ? 10000000000 : epochs[e]), time;
                char got[INTEGER_BYTES_MAX + 1], want[32];
                if (__builtin_add_overflow(bases[b], off, &time))
                    continue;
                *epoch_text_put(&last, got, time, epochs[e]) = 0;
                snprintf(want, sizeof(want), "%lld", (long long)(time / epochs[e]));
                ck_assert_str_eq(got, want);
            }
    }
}
END_TEST

START_TEST(small_whole_numbers)
{
    static const double others[] = {1000, -1000, 0.5, -0.25, 999.5, 1e300, -1e300, 5e-324};

    for (int i = -999; i < 1000; i++) {
        char got[INTEGER_BYTES_MAX + 1], want[32];
        char *end = put_small_whole(got, i);
        ck_assert_ptr_nonnull(end);
        *end = 0;
        snprintf(want, sizeof(want), "%d", i);
        ck_assert_str_eq(got, want);
    }
    char zero[INTEGER_BYTES_MAX + 1];
    *put_small_whole(zero, -0.0) = 0;
    ck_assert_str_eq(zero, "-0");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_ptr_null(put_small_whole(zero, others[i]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_sink");
    TCase *tests = tcase_create("json_sink");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_shapes);
    tcase_add_test(tests, test_nothing);
    tcase_add_test(tests, test_pretty);
    tcase_add_test(tests, test_cells);
    tcase_add_test(tests, test_times);
    tcase_add_test(tests, test_chunks);
    tcase_add_test(tests, test_later_error_replaces);
    tcase_add_test(tests, test_row_limit);
    tcase_add_test(tests, test_infinity);
    tcase_add_test(tests, test_random_answers);
    tcase_add_test(tests, times_as_numbers);
    tcase_add_test(tests, small_whole_numbers);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
