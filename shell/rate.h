/*
 * rate.h - at most so much a second, over all threads together.
 *
 *     20000     rows a second
 *     5MB       bytes of line protocol a second (kB, MB, GB, decimal)
 */
#ifndef SHELL_RATE_H
#define SHELL_RATE_H

#include "silt/base.h"

struct rate {
    double per_second; /* 0: no bound */
    bool of_bytes;
    pthread_mutex_t lock;
    uint64_t free_at_ns; /* guarded by lock: when what was taken so far is paid for */
};

/* "" is no bound. */
enum silt_status rate_init(struct rate *rate, const char *text, struct silt_error *err);
/* Takes so much, then waits until it is paid for, or `stopped` says so. */
void rate_take(struct rate *rate, uint64_t rows, uint64_t bytes, bool (*stopped)(void *context), void *context);

#endif
