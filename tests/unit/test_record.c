/*
 * test_record.c - values of rows in the log: every form of numbers comes back bit by bit, and decimals are short.
 */
#include "storage/record.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

#define ROWS 200u

static struct silt_arena *arena;

static void setup(void)
{
    arena = silt_arena_create(NULL);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
}

/* Rows of one float field to a record and back. Returns the record's bytes. */
static size_t round_trip(const double *floats)
{
    struct field_dict *dict = field_dict_create(NULL);
    uint32_t place = 0;
    struct layout_map map = {.layout = field_dict_intern(dict, 1, &(struct field_ref){1, SILT_TYPE_FLOAT}, 1), .slots = &place};
    struct memtable_row rows[ROWS], back[RECORD_BLOCK_ROWS];
    struct silt_str measurement = SILT_STR("m");
    struct silt_buffer bytes = {0};
    struct record_rows record;
    struct silt_error err;
    size_t count = 0;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (struct memtable_row){1, 0, i, (const union silt_value *)&floats[i]};
    record_put_rows(&bytes, 7, rows, ROWS, &map, &measurement, 1);
    ck_assert_int_eq(record_kind(bytes.p, bytes.len), RECORD_ROWS);
    ck_assert_int_eq(record_open_rows(bytes.p, bytes.len, arena, &record, &err), SILT_OK);
    ck_assert_int_eq(record_next_rows(&record, arena, back, &count, &err), SILT_OK);
    ck_assert_uint_eq(count, ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        ck_assert_msg(memcmp(&back[i].values[0], &floats[i], 8) == 0, "%u: %.17g, not %.17g", i, back[i].values[0].f64, floats[i]);
    size_t len = bytes.len;
    silt_buffer_free(&bytes);
    field_dict_destroy(dict);
    return len;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

START_TEST(decimals_are_short)
{
    static const double scales[] = {1, 10, 100, 1000, 10000};
    double floats[ROWS];
    for (unsigned s = 0; s < 5; s++) {
        for (uint32_t i = 0; i < ROWS; i++)
            floats[i] = ((double)(next_random() % 20000) - 10000) / scales[s];
        ck_assert_uint_lt(round_trip(floats), 3 * ROWS + 64); /* a byte a time, two a value */
    }
}
END_TEST

START_TEST(every_bit_comes_back)
{
    static const double odd[] = {-0.0, 0.1 + 0.2, 1e300, -1e300, 5e-324, 4503599627370496.0, -4503599627370497.0, 45035996273704.96, 0.00005, 1e15 + 0.5};
    double floats[ROWS];
    for (unsigned round = 0; round < 500; round++) {
        double scale = round % 3 ? 100 : 10000;
        for (uint32_t i = 0; i < ROWS; i++)
            floats[i] = (double)(int64_t)(next_random() >> (round % 60 + 2)) / scale;
        for (unsigned k = 0; k < round % 4; k++)
            floats[next_random() % ROWS] = odd[next_random() % (sizeof(odd) / sizeof(odd[0]))];
        if (round % 5 == 0)
            for (uint32_t i = 0; i < ROWS; i++)
                floats[i] = -floats[i];
        round_trip(floats);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, decimals_are_short);
    tcase_add_test(tc, every_bit_comes_back);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
