/*
 * test_piece_pool.c - pieces kept for the next memtable, and those made ready ahead by a thread.
 */
#include "storage/piece_pool.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

#define MANY 40

static void take_and_give(struct piece_pool *pool)
{
    void *pieces[MANY];
    for (int i = 0; i < MANY; i++) {
        pieces[i] = piece_pool_take(pool);
        ck_assert_uint_eq((uintptr_t)pieces[i] % PIECE_BYTES, 0);
        memset(pieces[i], i, PIECE_BYTES);
    }
    for (int i = 0; i < MANY; i++) { /* none was given twice */
        ck_assert_int_eq(((const char *)pieces[i])[PIECE_BYTES - 1], i);
        piece_pool_give(pool, pieces[i]);
    }
}

START_TEST(idle_pieces_are_bounded_and_trimmed)
{
    struct piece_pool *pool = piece_pool_create(10 * PIECE_BYTES);
    take_and_give(pool);
    ck_assert_uint_le(piece_pool_idle_bytes(pool), 10 * PIECE_BYTES);
    piece_pool_trim(pool);
    piece_pool_trim(pool);
    ck_assert_uint_eq(piece_pool_idle_bytes(pool), 0);
    piece_pool_destroy(pool);
}
END_TEST

START_TEST(pieces_made_ahead)
{
    struct piece_pool *pool = piece_pool_create(10 * PIECE_BYTES);
    piece_pool_end_ahead(pool);
    for (int round = 0; round < 3; round++) {
        piece_pool_begin_ahead(pool);
        piece_pool_begin_ahead(pool);
        take_and_give(pool);
        piece_pool_end_ahead(pool);
    }
    piece_pool_begin_ahead(pool);
    piece_pool_destroy(pool); /* and the thread with it */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("piece pool");
    TCase *tc = tcase_create("piece pool");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, idle_pieces_are_bounded_and_trimmed);
    tcase_add_test(tc, pieces_made_ahead);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
