/*
 * test_series_block.c - any keys come back from a block as they were; other bytes are refused; keys alike take few bytes.
 */
#include "storage/series_block.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct silt_arena *arena;
static struct series_block_item items[SERIES_BLOCK_MAX + 1];
static size_t count;
static unsigned random_state;

static void set_up(void)
{
    arena = silt_arena_create(NULL);
    count = 0;
    random_state = 11;
}

static void tear_down(void)
{
    silt_arena_destroy(arena);
}

static void add(silt_series_id id, struct silt_str key)
{
    items[count++] = (struct series_block_item){id, silt_arena_str(arena, key)};
}

static enum silt_status on_series(void *arg, silt_series_id id, struct silt_str key, struct silt_error *err)
{
    size_t *at = arg;
    (void)err;
    ck_assert_uint_lt(*at, count);
    ck_assert_uint_eq(id, items[*at].id);
    ck_assert_msg(silt_str_equal(key, items[*at].key), "%.*s", SILT_FMT(key));
    ++*at;
    return SILT_OK;
}

/* Encodes the items, expects them back; how many bytes they took. */
static size_t round_trip(silt_series_id base)
{
    struct silt_arena *scratch = silt_arena_create(NULL);
    struct silt_buffer block = {0};
    struct series_block_span span;
    struct silt_error err;
    size_t seen = 0;
    ck_assert_uint_eq(series_block_fit(items, count), count);
    series_block_encode(base, items, count, scratch, &block);
    struct silt_str bytes = {block.p, block.len};
    ck_assert_int_eq(series_block_span(bytes, base, &span, &err), SILT_OK);
    ck_assert_uint_eq(span.count, count);
    ck_assert_uint_eq(span.last, items[count - 1].id);
    ck_assert_int_eq(series_block_decode(bytes, base, scratch, on_series, &seen, &err), SILT_OK);
    ck_assert_uint_eq(seen, count);
    silt_buffer_free(&block);
    silt_arena_destroy(scratch);
    return bytes.len;
}

START_TEST(odd_keys)
{
    static const char *const keys[] = {
        "m", "cpu,host=a", "cpu,host=a,region=b", "", ",", "=", "a=b", "cpu,", "cpu,=", "cpu,a=,b=", "cpu,a", "cpu,a=b,c", "cpu,a=b=c",
        "m\\,n\\ o,a\\=b=c\\,d,e=f", "m\\", "m,a=b\\", "m,a\\=b", "\\,\\=", "cpu,host=a", "cpu,region=b,host=a",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        add((silt_series_id)(i * i + 3), silt_str_from(keys[i]));
    round_trip(1);
    round_trip(3);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        count = 0;
        add(UINT32_MAX, silt_str_from(keys[i]));
        round_trip(1);
        round_trip(UINT32_MAX);
    }
}
END_TEST

START_TEST(more_shapes_and_tags_than_there_is_room_for)
{
    char key[2000];
    for (unsigned i = 0; i < 300; i++) {
        size_t len = (size_t)snprintf(key, sizeof(key), "measurement%u", i % 7);
        for (unsigned t = 0; t < i % 100; t++)
            len += (size_t)snprintf(key + len, sizeof(key) - len, ",tag%u_%u=%u", i % 3, t, i * t);
        add(1 + i, (struct silt_str){key, len});
    }
    round_trip(1);
}
END_TEST

START_TEST(long_keys_are_cut_into_blocks_by_their_bytes)
{
    size_t len = SERIES_BLOCK_TEXT_MAX / 2 - 10;
    char *key = malloc(SERIES_BLOCK_TEXT_MAX);
    memset(key, 'x', SERIES_BLOCK_TEXT_MAX);
    for (silt_series_id id = 1; id <= 3; id++)
        add(id, (struct silt_str){key, len});
    ck_assert_uint_eq(series_block_fit(items, count), 2);
    count = 2;
    round_trip(1);
    count = 0;
    add(1, (struct silt_str){key, SERIES_BLOCK_TEXT_MAX});
    add(2, SILT_STR("m"));
    ck_assert_uint_eq(series_block_fit(items, count), 1);
    count = 1;
    round_trip(1);
    free(key);
}
END_TEST

START_TEST(full_blocks_are_small)
{
    static const char *const regions[] = {"us-east-1", "us-west-2", "eu-central-1"};
    char key[400];
    for (silt_series_id id = 1; id <= SERIES_BLOCK_MAX + 1; id++) {
        int len = snprintf(key, sizeof(key), "cpu,arch=%s,datacenter=%s%c,hostname=host_%u,rack=%d,region=%s,team=%s",
                           rand_r(&random_state) % 2 ? "x64" : "x86", regions[rand_r(&random_state) % 3],
                           'a' + rand_r(&random_state) % 3, id + 123456, rand_r(&random_state) % 100,
                           regions[rand_r(&random_state) % 3], rand_r(&random_state) % 2 ? "SF" : "NYC");
        add(id, (struct silt_str){key, (size_t)len});
    }
    ck_assert_uint_eq(series_block_fit(items, count), SERIES_BLOCK_MAX);
    count = SERIES_BLOCK_MAX;
    ck_assert_uint_lt(round_trip(1), SERIES_BLOCK_MAX * 8);
}
END_TEST

static enum silt_status on_any(void *arg, silt_series_id id, struct silt_str key, struct silt_error *err)
{
    size_t *bytes = arg;
    (void)id, (void)err;
    for (size_t i = 0; i < key.len; i++)
        *bytes += (unsigned char)key.p[i];
    return SILT_OK;
}

START_TEST(any_bytes_are_read_or_refused)
{
    struct silt_arena *scratch = silt_arena_create(NULL);
    struct silt_buffer block = {0};
    struct silt_error err;
    char key[200];
    size_t bytes = 0, refused = 0;
    for (silt_series_id id = 1; id <= 200; id++) {
        int len = snprintf(key, sizeof(key), id % 5 ? "cpu,host=h%u,rack=%d" : "disk,path=/%u,rack=%d,x=y", id * 7, rand_r(&random_state) % 9);
        add(id, (struct silt_str){key, (size_t)len});
    }
    series_block_encode(1, items, count, scratch, &block);
    for (size_t len = 0; len < block.len; len++)
        ck_assert_int_eq(series_block_decode((struct silt_str){block.p, len}, 1, scratch, on_any, &bytes, &err), SILT_CORRUPT);
    for (int n = 0; n < 20000; n++) {
        char *copy = malloc(block.len); /* of its exact size, for the address sanitizer */
        struct series_block_span span;
        memcpy(copy, block.p, block.len);
        for (int change = rand_r(&random_state) % 4; change >= 0; change--)
            copy[(size_t)rand_r(&random_state) % block.len] = (char)rand_r(&random_state);
        struct silt_str changed = {copy, block.len};
        series_block_span(changed, 1, &span, &err);
        refused += series_block_decode(changed, 1, scratch, on_any, &bytes, &err) != SILT_OK;
        silt_arena_reset(scratch);
        free(copy);
    }
    ck_assert_uint_gt(refused, 0);
    silt_buffer_free(&block);
    silt_arena_destroy(scratch);
}
END_TEST

START_TEST(random_keys)
{
    for (int round = 0; round < 300; round++) {
        char key[300];
        silt_series_id base = 1 + (silt_series_id)rand_r(&random_state) % 1000, id = base;
        int shapes = 1 + rand_r(&random_state) % 4, values = 1 + rand_r(&random_state) % 300;
        size_t wanted = 1 + (size_t)rand_r(&random_state) % 500;
        count = 0;
        silt_arena_reset(arena);
        while (count < wanted) {
            int shape = rand_r(&random_state) % shapes;
            int len = snprintf(key, sizeof(key), "m%d", rand_r(&random_state) % values);
            for (int tag = 0; tag < shape * 2; tag++)
                len += snprintf(key + len, sizeof(key) - (size_t)len, ",t%d=%d", tag, rand_r(&random_state) % values);
            if (rand_r(&random_state) % 50 == 0)
                key[rand_r(&random_state) % len] = "\\,= x"[rand_r(&random_state) % 5];
            id += (silt_series_id)(rand_r(&random_state) % 10 ? 0 : rand_r(&random_state) % 300);
            add(id++, (struct silt_str){key, (size_t)len});
        }
        round_trip(base);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series block");
    TCase *tcase = tcase_create("series block");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, odd_keys);
    tcase_add_test(tcase, more_shapes_and_tags_than_there_is_room_for);
    tcase_add_test(tcase, long_keys_are_cut_into_blocks_by_their_bytes);
    tcase_add_test(tcase, full_blocks_are_small);
    tcase_add_test(tcase, any_bytes_are_read_or_refused);
    tcase_add_test(tcase, random_keys);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
