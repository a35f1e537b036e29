/*
 * test_base.c - arena, budget, buffer, JSON strings, checksums, errors.
 */
#include "silt/pool.h"
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

START_TEST(blocks_are_kept_within_a_bound)
{
    size_t bytes = 300000, again = 299000, larger = 400000, huge = (size_t)40 << 20;
    char *p = silt_block_get(&bytes);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_ge(bytes, 300000);
    memset(p, 1, bytes);
    silt_block_put(p, bytes);
    char *q = silt_block_get(&larger); /* the one kept is too small */
    ck_assert_ptr_ne(q, p);
    ck_assert_ptr_eq(silt_block_get(&again), p);
    ck_assert_uint_eq(again, bytes);
    memset(q, 2, larger);
    silt_block_put(p, again);
    silt_block_put(q, larger);
    char *h = silt_block_get(&huge);
    memset(h, 3, huge);
    silt_block_put(h, huge);
    enum { COUNT = 300 };
    char *all[COUNT];
    size_t each = (size_t)1 << 20;
    for (int i = 0; i < COUNT; i++) {
        all[i] = silt_block_get(&each);
        memset(all[i], i, each);
        each = (size_t)1 << 20;
    }
    for (int i = 0; i < COUNT; i++) { /* nobody else writes there */
        ck_assert_int_eq(all[i][0], (char)i);
        ck_assert_int_eq(all[i][each - 1], (char)i);
    }
    for (int i = 0; i < COUNT; i++)
        silt_block_put(all[i], each);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { PIECES = 3000, PIECE_BYTES = 50000 };

/* A worker after a large query: everything is freed but the last piece, which keeps the heap's top. */
static void *free_most(void *arg)
{
    static char *pieces[PIECES];
    pthread_barrier_t *barrier = arg;

    for (int i = 0; i < PIECES; i++)
        memset(pieces[i] = silt_malloc(PIECE_BYTES), 1, PIECE_BYTES);
    for (int i = 0; i < PIECES - 1; i++)
        free(pieces[i]);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    free(pieces[PIECES - 1]);
    return NULL;
}

START_TEST(freed_memory_is_given_back)
{
    const size_t much = (size_t)PIECES * PIECE_BYTES, little = (size_t)10 << 20;
    size_t before = silt_memory_give_back(SIZE_MAX), kept = (size_t)4 << 20;
    pthread_barrier_t barrier;
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, free_most, &barrier), 0);
    pthread_barrier_wait(&barrier);
    char *block = silt_block_get(&kept);
    memset(block, 1, kept);
    silt_block_put(block, kept);
    ck_assert_uint_eq(silt_memory_give_back(before + much), before + much); /* not so much more than that: nothing is done */
    ck_assert_uint_ge(silt_memory_give_back(SIZE_MAX), before + much - little);
    ck_assert_uint_lt(silt_memory_give_back(before), before + little);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
}
END_TEST
#endif

START_TEST(arena_pieces_are_aligned_and_apart)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    unsigned char *pieces[2000];
    size_t sizes[2000];
    srand(7);
    for (int i = 0; i < 2000; i++) {
        sizes[i] = (size_t)(rand() % (i % 100 == 0 ? 600000 : 200));
        pieces[i] = silt_arena_alloc(arena, sizes[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i & 255, sizes[i]);
    }
    for (int i = 0; i < 2000; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            if (pieces[i][k] != (i & 255))
                ck_abort_msg("piece %d was overwritten at byte %zu", i, k);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(arena_is_charged_and_released)
{
    struct silt_budget top, budget;
    silt_budget_init(&top, "top", 1 << 20, NULL);
    silt_budget_init(&budget, "query memory", SIZE_MAX, &top);
    struct silt_arena *arena = silt_arena_create(&budget);
    ck_assert_ptr_nonnull(silt_arena_try_alloc(arena, 1000));
    ck_assert_uint_gt(atomic_load(&top.used_bytes), 999);
    ck_assert_ptr_null(silt_arena_try_alloc(arena, 2 << 20));
    ck_assert(!silt_arena_exceeded(arena));
    ck_assert_ptr_nonnull(silt_arena_alloc(arena, 2 << 20));
    ck_assert(silt_arena_exceeded(arena));
    silt_arena_reset(arena);
    ck_assert(!silt_arena_exceeded(arena));
    silt_arena_destroy(arena);
    ck_assert_uint_eq(atomic_load(&top.used_bytes), 0);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
}
END_TEST

START_TEST(arena_refuses_absurd_sizes)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    ck_assert_ptr_null(silt_arena_try_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(silt_arena_try_alloc(arena, SIZE_MAX - 8));
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(budget_names_itself_in_its_error)
{
    struct silt_budget budget;
    struct silt_error err;
    silt_budget_init(&budget, "query memory", 100, NULL);
    ck_assert_int_eq(silt_budget_charge(&budget, 60, &err), SILT_OK);
    ck_assert_int_eq(silt_budget_charge(&budget, 60, &err), SILT_LIMIT);
    ck_assert_str_eq(err.text, "query memory limit exceeded: 60 bytes in use, 60 more wanted, limit 100");
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 60);
    ck_assert_uint_eq(atomic_load(&budget.peak_bytes), 60);
}
END_TEST

static void check_json(const char *in, size_t len, const char *out)
{
    struct silt_buffer buffer = {0};
    silt_buffer_json_string(&buffer, (struct silt_str){in, len});
    silt_buffer_char(&buffer, '\0');
    ck_assert_str_eq(buffer.p, out);
    silt_buffer_free(&buffer);
}

START_TEST(json_strings_are_gos)
{
    check_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    check_json("<a>&", 4, "\"\\u003ca\\u003e\\u0026\"");
    check_json("\n\r\t\x01\x7f", 5, "\"\\n\\r\\t\\u0001\x7f\"");
    check_json("n\xc3\xa4iv", 5, "\"n\xc3\xa4iv\"");
    check_json("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 9, "\"\\u2028\\u2029\xe2\x80\xaa\"");
    check_json("\xff\xc3", 2, "\"\\ufffd\\ufffd\"");
    check_json("\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"");
    check_json("\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"");
}
END_TEST

/* The published polynomial, bit by bit. */
static uint32_t slow_crc32c(const unsigned char *p, size_t len)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

START_TEST(crc32c_equals_the_definition)
{
    ck_assert_uint_eq(silt_crc32c(0, "123456789", 9), 0xE3069283u);
    unsigned char bytes[10000];
    srand(11);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)rand();
    for (int round = 0; round < 300; round++) {
        size_t from = (size_t)rand() % 64, len = (size_t)rand() % (sizeof(bytes) - 64);
        ck_assert_uint_eq(silt_crc32c(0, bytes + from, len), slow_crc32c(bytes + from, len));
        size_t cut = len ? (size_t)rand() % len : 0;
        ck_assert_uint_eq(silt_crc32c(silt_crc32c(0, bytes + from, cut), bytes + from + cut, len - cut),
                          slow_crc32c(bytes + from, len));
    }
}
END_TEST

START_TEST(arena_gives_back_what_is_large)
{
    struct silt_budget budget;
    silt_budget_init(&budget, "test", SIZE_MAX, NULL);
    struct silt_arena *arena = silt_arena_create(&budget);
    for (int round = 0; round < 2; round++) {
        char *kept[3], *large[3];
        for (int i = 0; i < 3; i++) {
            large[i] = silt_arena_alloc(arena, (size_t)(1 + i) << 20);
            memset(large[i], i, (size_t)(1 + i) << 20);
            kept[i] = silt_arena_alloc(arena, 100);
            memset(kept[i], 'k', 100);
        }
        size_t before = silt_arena_bytes(arena);
        silt_arena_give_back(arena, large[1], 2 << 20);
        silt_arena_give_back(arena, kept[0], 100); /* small: stays */
        ck_assert_uint_le(silt_arena_bytes(arena), before - (2 << 20));
        ck_assert_uint_eq(atomic_load(&budget.used_bytes), silt_arena_bytes(arena));
        silt_arena_give_back(arena, large[0], 1 << 20);
        silt_arena_give_back(arena, large[2], 3 << 20);
        silt_arena_give_back(arena, NULL, 1 << 20);
        ck_assert_uint_lt(silt_arena_bytes(arena), 1 << 20);
        for (int i = 1; i < 3; i++)
            ck_assert(kept[i][0] == 'k' && kept[i][99] == 'k');
        memset(silt_arena_alloc(arena, 100), 0, 100);
        silt_arena_reset(arena);
    }
    silt_arena_destroy(arena);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
}
END_TEST

START_TEST(long_texts_of_errors)
{
    struct silt_error first, second, copy;
    char name[2001];
    memset(name, 'n', 2000);
    name[2000] = '\0';
    silt_fail(&first, SILT_INVALID, "no such name: %s", name);
    ck_assert_uint_eq(strlen(first.text), sizeof(first.text) - 1);
    copy = first;
    struct silt_str text = silt_error_text(&copy);
    ck_assert_uint_eq(text.len, 2014);
    ck_assert(text.p[0] == 'n' && text.p[2013] == 'n' && text.p[2014] == '\0');
    silt_fail(&second, SILT_INVALID, "wrapped: %s", silt_error_text(&first).p); /* made of the text it replaces */
    ck_assert_uint_eq(silt_error_text(&second).len, 2023);
    ck_assert_uint_eq(silt_error_text(&first).len, sizeof(first.text) - 1); /* no longer kept: what lies in the struct */
    silt_fail(&first, SILT_INVALID, "short");
    ck_assert_str_eq(silt_error_text(&first).p, "short");
    ck_assert_uint_eq(silt_error_text(&second).len, 2023);
    silt_fail(&first, SILT_INVALID, "%0*d", 3 << 20, 1);
    ck_assert_uint_eq(silt_error_text(&first).len, 1 << 20);
}
END_TEST

START_TEST(errors_carry_text_and_errno)
{
    struct silt_error err;
    ck_assert_int_eq(silt_fail(&err, SILT_CORRUPT, "%s: block %u", "f", 3u), SILT_CORRUPT);
    ck_assert_str_eq(err.text, "f: block 3");
    ck_assert_int_eq(silt_fail_errno(&err, ENOSPC, "write x"), SILT_NO_SPACE);
    ck_assert_str_eq(err.text, "write x: No space left on device");
    ck_assert_int_eq(silt_fail_errno(NULL, EIO, "y"), SILT_IO);
    ck_assert_str_eq(silt_status_name(SILT_UNSUPPORTED), "unsupported");
}
END_TEST

static void count_item(void *arg, size_t index, unsigned slot)
{
    _Atomic unsigned *counts = arg;
    ck_assert_uint_le(slot, 4);
    atomic_fetch_add(&counts[index], 1);
}

static void nested(void *arg, size_t index, unsigned slot)
{
    (void)slot;
    _Atomic unsigned counts[50] = {0};
    silt_pool_for(arg, 50, count_item, counts);
    for (int i = 0; i < 50; i++)
        ck_assert_uint_eq(counts[i], 1);
    (void)index;
}

START_TEST(pool_loops_visit_each_item_once)
{
    struct silt_pool *pool = silt_pool_create(4, 0);
    static _Atomic unsigned counts[10000];
    for (int round = 0; round < 50; round++)
        silt_pool_for(pool, 10000, count_item, counts);
    for (int i = 0; i < 10000; i++)
        ck_assert_uint_eq(counts[i], 50);
    silt_pool_for(pool, 20, nested, pool);
    silt_pool_destroy(pool);
    silt_pool_for(NULL, 10, count_item, counts);
    ck_assert_uint_eq(counts[9], 51);
}
END_TEST

/* What was begun is done by the threads, and what they leave by who ends it: two at once, and one without a pool. */
START_TEST(pool_loops_are_begun_and_ended)
{
    struct silt_pool *pool = silt_pool_create(4, 0);
    static _Atomic unsigned first[1000], second[1000];
    for (int round = 0; round < 50; round++) {
        struct silt_pool_loop *a = silt_pool_for_begin(pool, 1000, count_item, first);
        struct silt_pool_loop *b = silt_pool_for_begin(pool, 1000, count_item, second);
        silt_pool_for_end(a);
        for (int i = 0; i < 1000; i++)
            ck_assert_uint_eq(first[i], round + 1);
        silt_pool_for_end(b);
        for (int i = 0; i < 1000; i++)
            ck_assert_uint_eq(second[i], round + 1);
    }
    silt_pool_for_end(silt_pool_for_begin(pool, 0, count_item, first));
    silt_pool_destroy(pool);
    silt_pool_for_end(silt_pool_for_begin(NULL, 1000, count_item, first));
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(first[i], 51);
}
END_TEST

struct waiter { /* runs, waits until the gate opens, runs again */
    struct silt_job job;
    struct silt_pool *pool;
    bool waits;
};
static _Atomic unsigned running, running_most, ended;
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;

static void run_a_while(void)
{
    unsigned now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&running_most);
    while (now > most && !atomic_compare_exchange_weak(&running_most, &most, now))
        ;
    usleep(200);
    atomic_fetch_sub(&running, 1);
}

static void run_waiter(struct silt_job *job)
{
    struct waiter *waiter = (struct waiter *)job;

    run_a_while();
    if (waiter->waits) {
        silt_pool_wait_begin(waiter->pool);
        pthread_mutex_lock(&gate_lock);
        while (!gate_open)
            pthread_cond_wait(&gate_changed, &gate_lock);
        pthread_mutex_unlock(&gate_lock);
        silt_pool_wait_end(waiter->pool);
        run_a_while();
    }
    atomic_fetch_add(&ended, 1);
}

/* Six jobs wait, in a pool of two places with as many spares: others run meanwhile, and never more than two at once. */
START_TEST(pool_runs_others_while_jobs_wait)
{
    static struct waiter waiters[6], others[100];
    for (int round = 0; round < 20; round++) {
        struct silt_pool *pool = silt_pool_create(2, 6);
        gate_open = false;
        atomic_store(&ended, 0);
        for (int i = 0; i < 6; i++) {
            waiters[i] = (struct waiter){{NULL, run_waiter}, pool, true};
            silt_pool_submit(pool, &waiters[i].job);
        }
        for (int i = 0; i < 100; i++) {
            others[i] = (struct waiter){{NULL, run_waiter}, pool, false};
            silt_pool_submit(pool, &others[i].job);
        }
        while (atomic_load(&ended) < 100) /* Check ends the test if that never comes */
            usleep(1000);
        ck_assert_uint_eq(silt_pool_queued(pool), 0);
        pthread_mutex_lock(&gate_lock);
        gate_open = true;
        pthread_cond_broadcast(&gate_changed);
        pthread_mutex_unlock(&gate_lock);
        silt_pool_destroy(pool);
        ck_assert_uint_eq(atomic_load(&ended), 106);
        ck_assert_uint_le(atomic_load(&running_most), 2);
    }
}
END_TEST

START_TEST(test_url_without_password)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"http://h:80", "http://h:80"},
        {"http://user@h:80", "http://user@h:80"},
        {"http://user:pass@h:80/a?b#c", "http://user:[REDACTED]@h:80/a?b#c"},
        {"http://user:p@ss@h:80", "http://user:[REDACTED]@h:80"},
        {"http://user:@h:80", "http://user:[REDACTED]@h:80"},
        {"http://h:80/p@th", "http://h:80/p@th"},
        {"http://h:80/a:b@c", "http://h:80/a:b@c"},
        {"http://[::1]:80", "http://[::1]:80"},
        {"http://user:p/ss@h:80", "http://user:[REDACTED]@h:80"},
        {"http://user:p?ss@h:80", "http://user:[REDACTED]@h:80"},
        {"user:pass@h", "user:[REDACTED]@h"},
        {"x", "x"},
        {"://", "://"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct silt_buffer shown = {0};
        silt_buffer_url(&shown, silt_str_from(cases[i][0]));
        silt_buffer_char(&shown, 0);
        ck_assert_str_eq(shown.p, cases[i][1]);
        silt_buffer_free(&shown);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tcase = tcase_create("base");
    tcase_set_timeout(tcase, 60); /* a sanitizer makes memory dear */
    tcase_add_test(tcase, blocks_are_kept_within_a_bound);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(tcase, freed_memory_is_given_back);
#endif
    tcase_add_test(tcase, arena_pieces_are_aligned_and_apart);
    tcase_add_test(tcase, arena_is_charged_and_released);
    tcase_add_test(tcase, arena_refuses_absurd_sizes);
    tcase_add_test(tcase, budget_names_itself_in_its_error);
    tcase_add_test(tcase, json_strings_are_gos);
    tcase_add_test(tcase, crc32c_equals_the_definition);
    tcase_add_test(tcase, errors_carry_text_and_errno);
    tcase_add_test(tcase, long_texts_of_errors);
    tcase_add_test(tcase, arena_gives_back_what_is_large);
    tcase_add_test(tcase, pool_loops_visit_each_item_once);
    tcase_add_test(tcase, pool_loops_are_begun_and_ended);
    tcase_add_test(tcase, pool_runs_others_while_jobs_wait);
    tcase_add_test(tcase, test_url_without_password);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
