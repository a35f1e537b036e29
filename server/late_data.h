/*
 * late_data.h - which times were changed after a continuous query had calculated them.
 *
 *     store: rows older than `before` -> late_data -> source d.autogen.cpu before 12:00: touched [11:20:03, 11:20:05) ...
 *
 * A source is a measurement that a continuous query reads, up to where that has come. Times before it that a write or a
 * delete touches are kept with it, in bounded memory, until its owner takes them.
 *
 * What continuous queries write themselves counts for those with longer windows alone: so that a chain of them is
 * calculated to its end, and a circle comes to one.
 *
 * Threads: any. One lock, taken once for a batch that has old rows; the store's locks are held meanwhile, so nothing
 * else is taken under it.
 */
#ifndef SERVER_LATE_DATA_H
#define SERVER_LATE_DATA_H

#include "server/ranges.h"
#include "silt/storage.h"

#include <pthread.h>

struct late_source { /* its owner's memory; while it is in the list, under the lock of late_data */
    struct late_source *next;
    struct silt_str database, policy;
    struct silt_str measurement; /* empty: any */
    int64_t interval_ns;         /* of its reader's windows */
    silt_time before;
    struct ranges touched;
    uint64_t batch; /* the last one that it was told of */
};

struct late_data {
    struct silt_watcher watcher; /* first */
    pthread_mutex_t lock;        /* guards this group, and all sources in it: */
    struct late_source *first;
    uint64_t batch;
    _Atomic bool touched; /* there may be something to take */
};

void late_data_init(struct late_data *late);
void late_data_deinit(struct late_data *late); /* empty */

/* touched is empty, before is set. */
void late_data_add(struct late_data *late, struct late_source *source);
void late_data_remove(struct late_data *late, struct late_source *source);
/* Times up to there are about to be read: what comes from now on is late. */
void late_data_raise(struct late_data *late, struct late_source *source, silt_time before);
/* Adds what was touched to `out`, and forgets it. */
void late_data_take(struct late_data *late, struct late_source *source, struct ranges *out);

#endif
