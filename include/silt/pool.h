/*
 * pool.h - a bounded set of worker threads: single jobs, and loops over independent items.
 *
 * A job may block; for as long as it says that it waits, another runs in its place. Jobs are taken oldest first.
 * silt_pool_for may be called from a job: the caller works along, so it never waits for a free thread.
 */
#ifndef SILT_POOL_H
#define SILT_POOL_H

#include "silt/base.h"

struct silt_pool;

struct silt_job { /* embedded in the caller's struct; the pool touches it until run is called */
    struct silt_job *next;
    void (*run)(struct silt_job *job);
};

/* So many jobs run at once, 0: one per core; spare_count more threads are started when jobs wait. */
struct silt_pool *silt_pool_create(unsigned thread_count, unsigned spare_count);
void silt_pool_destroy(struct silt_pool *pool);            /* runs what is queued, then joins; NULL is fine */
unsigned silt_pool_threads(const struct silt_pool *pool);
void silt_pool_submit(struct silt_pool *pool, struct silt_job *job); /* any thread */
size_t silt_pool_queued(const struct silt_pool *pool);

/* By a job, around what it waits for. It is one of thread_count again when wait_end returns, which may take as long as others run. */
void silt_pool_wait_begin(struct silt_pool *pool);
void silt_pool_wait_end(struct silt_pool *pool);

/* Call fn(arg, i, slot) for i in 0..count-1, spread over the threads, and return when all are done. slot is
 * 0..silt_pool_threads() and is never in use twice at once: use it to pick a per-thread scratch. pool NULL:
 * in the caller alone. */
void silt_pool_for(struct silt_pool *pool, size_t count, void (*fn)(void *arg, size_t index, unsigned slot), void *arg);

/* The same in two steps: until the second the threads are at it alone, where any are free, and the caller does something
 * else; then it works along and returns when all are done. Every loop has to be ended. */
struct silt_pool_loop *silt_pool_for_begin(struct silt_pool *pool, size_t count,
                                           void (*fn)(void *arg, size_t index, unsigned slot), void *arg);
void silt_pool_for_end(struct silt_pool_loop *loop);

#endif
