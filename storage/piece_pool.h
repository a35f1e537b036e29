/*
 * piece_pool.h - the large pieces of memory that memtables are made of, kept for the next memtable.
 *
 * Memory fresh from the system is cleared first: a quarter of what a steady stream of writes costs. A memtable that was
 * flushed gives its pieces back here instead. What was not needed for a while goes to the system.
 */
#ifndef STORAGE_PIECE_POOL_H
#define STORAGE_PIECE_POOL_H

#include "silt/base.h"

#define PIECE_BYTES ((size_t)2 << 20)

struct piece_pool;

/* At most so many bytes lie idle; with the address sanitizer none do, for it shall see who reads freed memory. */
struct piece_pool *piece_pool_create(size_t idle_bytes_max);
void piece_pool_destroy(struct piece_pool *pool); /* NULL is fine */

/* PIECE_BYTES, aligned to as many, with anything in it. Any thread; the pool may be NULL. */
void *piece_pool_take(struct piece_pool *pool);
void piece_pool_give(struct piece_pool *pool, void *piece);

/* Between the two a thread keeps a few fresh pieces ready, cleared already: for a replay, which takes one after the other and has a
 * core to spare. Without the thread, if there can be none. */
void piece_pool_begin_ahead(struct piece_pool *pool);
void piece_pool_end_ahead(struct piece_pool *pool); /* none begun is fine */

/* Now and then: frees as many as lay idle all the time since the last call. */
void piece_pool_trim(struct piece_pool *pool);
size_t piece_pool_idle_bytes(struct piece_pool *pool);

#endif
