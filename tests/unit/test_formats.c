/*
 * test_formats.c - answers as CSV and MessagePack, and the spool behind the latter: random writes, marks and holes
 * against a dull buffer, with the file and without one.
 */
#include "server/csv_sink.h"
#include "server/msgpack_sink.h"
#include "tests/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* An output that gathers everything, in buffers of a given size. */
struct gather {
    struct output base;
    struct silt_buffer got;
    char buffer[OUTPUT_BUFFER_BYTES];
};

static struct gather gather;

static enum silt_status gather_flush(struct output *output, enum output_flush why)
{
    silt_buffer_append(&gather.got, output->start, (size_t)(output->next - output->start));
    output->flushed += output->next != output->start;
    output->next = output->start;
    return SILT_OK;
}

static bool gather_idle(struct output *output)
{
    return true;
}

static struct output *start(size_t buffer_bytes)
{
    gather.got.len = 0;
    gather.base =
        (struct output){gather.buffer, gather.buffer, gather.buffer + buffer_bytes, 0, gather_flush, gather_idle};
    return &gather.base;
}

static const struct silt_str columns[] = {{"time", 4}, {"v", 1}};
static const struct silt_tag tags[] = {{{"ho st", 5}, {"a=,", 3}}, {{"x", 1}, {"", 0}}};
static const struct silt_series_head plain_head = {{"cpu", 3}, NULL, 0, columns, 2};
static const struct silt_series_head tagged_head = {{"cpu", 3}, tags, 2, columns, 2};

static void row(struct silt_sink *s, int64_t time, struct silt_cell value)
{
    struct silt_cell cells[2] = {{.kind = SILT_CELL_TIME, .i64 = time}, value};
    ck_assert_int_eq(s->rows(s, cells, 1), SILT_OK);
}

static struct silt_cell integer(int64_t value)
{
    return (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = value};
}

/* ---------------------------------------------------------------- CSV */

static struct csv_sink csv;

static struct silt_sink *start_csv(size_t buffer_bytes)
{
    csv_sink_init(&csv, &(struct answer_options){.chunk_rows = ANSWER_CHUNK_ROWS}, start(buffer_bytes));
    return &csv.answer.base;
}

static const char *finish_csv(void)
{
    ck_assert_int_eq(answer_finish(&csv.answer), SILT_OK);
    answer_deinit(&csv.answer);
    silt_buffer_char(&gather.got, 0);
    return gather.got.p;
}

START_TEST(test_csv_shapes)
{
    static const struct silt_str other[] = {{"a,b", 3}};
    struct silt_sink *s = start_csv(60000);
    s->begin(s, 0);
    s->series(s, &tagged_head);
    row(s, 5, integer(-1));
    row(s, 6, (struct silt_cell){.kind = SILT_CELL_NULL});
    s->series(s, &plain_head);
    row(s, 7, (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = 1e21});
    row(s, 8, (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = -INFINITY});
    s->message(s, SILT_STR("warning"), SILT_STR("w"));
    s->end(s);
    s->begin(s, 1);
    s->end(s);
    s->begin(s, 2);
    s->series(s, &plain_head);
    s->series(s, &(struct silt_series_head){{"", 0}, NULL, 0, other, 1});
    s->rows(s, &(struct silt_cell){.kind = SILT_CELL_STRING, .string = SILT_STR("\"")}, 1);
    s->end(s);
    ck_assert_str_eq(finish_csv(), "name,tags,time,v\ncpu,\"ho\\ st=a\\=\\,\",5,-1\ncpu,\"ho\\ st=a\\=\\,\",6,\n"
                                   "cpu,,7,1000000000000000000000\ncpu,,8,-Inf\n\nname,tags,time,v\n\nname,tags,\"a,b\"\n"
                                   ",,\"\"\"\"\n");
}
END_TEST

/* A failed statement has no rows; where some have left, the answer must not look whole. */
START_TEST(test_csv_error)
{
    struct silt_sink *s = start_csv(60000);
    s->begin(s, 0);
    s->series(s, &plain_head);
    row(s, 1, integer(1));
    s->error(s, SILT_STR("no"));
    s->end(s);
    s->begin(s, 1);
    s->series(s, &plain_head);
    row(s, 2, integer(2));
    s->end(s);
    ck_assert_str_eq(finish_csv(), "name,tags,time,v\ncpu,,2,2\n");

    s = start_csv(500);
    s->begin(s, 0);
    s->series(s, &plain_head);
    for (int i = 0; i < 200; i++)
        row(s, i, integer(i));
    s->error(s, SILT_STR("no"));
    s->end(s);
    ck_assert_int_eq(answer_finish(&csv.answer), SILT_INVALID);
    answer_deinit(&csv.answer);
}
END_TEST

/* ---------------------------------------------------------------- MessagePack */

START_TEST(test_msgpack_error_after_rows)
{
    static const char want[] = "\x81\xa7results\x92\x81\xa5" "error\xa2no\x82\xacstatement_id\x01\xa6series\x90";
    struct msgpack_sink sink;
    struct silt_sink *s = &sink.answer.base;

    msgpack_sink_init(&sink, &(struct answer_options){.chunk_rows = 10}, start(60000), "/tmp", NULL);
    s->begin(s, 0);
    s->series(s, &plain_head);
    for (int i = 0; i < 50000; i++)
        row(s, i, integer(i));
    s->error(s, SILT_STR("no"));
    s->end(s);
    s->begin(s, 1);
    s->end(s);
    ck_assert_int_eq(answer_finish(&sink.answer), SILT_OK);
    answer_deinit(&sink.answer);
    ck_assert_uint_eq(gather.got.len, sizeof(want) - 1);
    ck_assert_mem_eq(gather.got.p, want, sizeof(want) - 1);
}
END_TEST

START_TEST(test_msgpack_without_a_folder)
{
    struct msgpack_sink sink;
    struct silt_sink *s = &sink.answer.base;
    struct silt_cell cells[2] = {{.kind = SILT_CELL_TIME}, {.kind = SILT_CELL_NULL}};
    enum silt_status rc = SILT_OK;

    silt_log_set_level(SILT_LOG_ERROR + 1);
    msgpack_sink_init(&sink, &(struct answer_options){.chunk_rows = 10}, start(60000), "/nonexistent", NULL);
    s->begin(s, 0);
    s->series(s, &plain_head);
    for (int i = 0; i < 50000 && rc == SILT_OK; i++)
        rc = s->rows(s, cells, 1);
    ck_assert_int_eq(rc, SILT_IO);
    s->error(s, SILT_STR("x"));
    ck_assert_int_eq(answer_finish(&sink.answer), SILT_IO);
    answer_deinit(&sink.answer);
    silt_log_set_level(SILT_LOG_INFO);
}
END_TEST

/* ---------------------------------------------------------------- the spool */

#define HOLES_MAX 8

/* The twin fills holes at once, with the text they get later. */
static void spool_round(unsigned seed)
{
    static struct spool spool;
    struct silt_budget budget;
    struct silt_buffer want = {0};
    size_t holes[HOLES_MAX], hole_count = 0;
    struct spool_mark mark = {0, 0, 0};
    size_t mark_len = 0;
    char part[30000];

    silt_budget_init(&budget, "test", 1 << 20, NULL);
    spool_init(&spool, "/tmp", &budget);
    for (int step = rand_r(&seed) % 60; step >= 0; step--) {
        size_t len = (size_t)rand_r(&seed) % (rand_r(&seed) % 3 ? 50 : sizeof(part));
        switch (rand_r(&seed) % 6) {
        case 0:
            if (hole_count == HOLES_MAX)
                break;
            ck_assert_int_eq(spool_open_hole(&spool, &holes[hole_count]), SILT_OK);
            silt_buffer_printf(&want, "<%zu>", hole_count++);
            break;
        case 1:
            if (hole_count) /* marks are taken with all holes filled, as a sink takes them */
                break;
            mark = spool_mark(&spool);
            mark_len = want.len;
            break;
        case 2:
            if (rand_r(&seed) % 3)
                break;
            spool_rewind(&spool, mark);
            want.len = mark_len;
            hole_count = 0;
            break;
        default:
            memset(part, 'a' + (int)(len % 26), len);
            ck_assert_int_eq(output_write(&spool.output, part, len), SILT_OK);
            silt_buffer_append(&want, part, len);
        }
    }
    while (hole_count-- > 0) {
        char text[16];
        int len = snprintf(text, sizeof(text), "<%zu>", hole_count);
        ck_assert_int_eq(spool_fill_hole(&spool, holes[hole_count], text, (size_t)len), SILT_OK);
    }
    struct output *to = start(1 + (size_t)rand_r(&seed) % 5000);
    ck_assert_int_eq(spool_replay(&spool, to), SILT_OK);
    to->flush(to, OUTPUT_LAST);
    ck_assert_uint_eq(gather.got.len, want.len);
    if (want.len)
        ck_assert_mem_eq(gather.got.p, want.p, want.len);
    spool_deinit(&spool);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
    silt_buffer_free(&want);
}

START_TEST(test_spool)
{
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    printf("seed %u\n", seed);
    for (unsigned i = 0; i < 500; i++)
        spool_round(seed + i);
}
END_TEST

START_TEST(test_spool_budget)
{
    static struct spool spool;
    struct silt_budget budget;
    enum silt_status rc = SILT_OK;
    size_t hole;

    silt_budget_init(&budget, "test", 10000, NULL);
    spool_init(&spool, "/tmp", &budget);
    for (int i = 0; i < 100000 && rc == SILT_OK; i++)
        rc = spool_open_hole(&spool, &hole);
    ck_assert_int_eq(rc, SILT_LIMIT);
    ck_assert_int_eq(spool_replay(&spool, start(100)), SILT_LIMIT);
    spool_deinit(&spool);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("formats");
    TCase *tests = tcase_create("formats");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_csv_shapes);
    tcase_add_test(tests, test_csv_error);
    tcase_add_test(tests, test_msgpack_error_after_rows);
    tcase_add_test(tests, test_msgpack_without_a_folder);
    tcase_add_test(tests, test_spool);
    tcase_add_test(tests, test_spool_budget);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
