/*
 * stalled.h - the answers that wait for clients who do not read, without a worker's place.
 *
 *     worker: buffers full -> stalled_begin ----> first [longest] ... [latest] -> room, or gone -> stalled_end
 *                                |                       |
 *                  another query runs in its place       one too many: broken off, if it waited STALLED_NS
 *
 * So clients that do not read hold nobody up. Too many are more than max, or any while queries hold more than half of their
 * memory: of what those that wait hold, the buffers are bounded by their number, and the rest leaves memory to others.
 *
 * Threads: any. The lock is taken before that of a stream, and of the pool.
 */
#ifndef SERVER_STALLED_H
#define SERVER_STALLED_H

#include "silt/pool.h"

#include <pthread.h>

#define STALLED_NS 2000000000ULL /* who takes nothing for so long may be broken off for the next */

struct stalled {
    struct stalled *next, **previous; /* previous NULL: in no list */
    uint64_t since_ns;
    void (*break_off)(struct stalled *stalled); /* any thread, with the list's lock held */
};

struct stalled_list {
    struct silt_pool *pool;
    const struct silt_budget *memory; /* of all queries */
    size_t max;
    pthread_mutex_t lock; /* guards this group: */
    struct stalled *first, **last; /* by since_ns */
    size_t count;
};

void stalled_list_init(struct stalled_list *list, struct silt_pool *pool, const struct silt_budget *memory, size_t max);
void stalled_list_deinit(struct stalled_list *list);
/* By a job of the pool. False: too many wait already and none of them long enough; it keeps its place. */
bool stalled_begin(struct stalled_list *list, struct stalled *stalled);
/* Has a place again, broken off or not. */
void stalled_end(struct stalled_list *list, struct stalled *stalled);

#endif
