/*
 * wait_write.h - for tests: silt_storage_write, and then until its callback says how it ended.
 */
#ifndef TESTS_WAIT_WRITE_H
#define TESTS_WAIT_WRITE_H

#include "silt/storage.h"

#include <pthread.h>

struct write_waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    enum silt_status status;
};

static inline void write_waiter_done(void *arg, enum silt_status status, const struct silt_error *err)
{
    struct write_waiter *waiter = arg;
    (void)err;
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    waiter->status = status;
    pthread_cond_signal(&waiter->cond);
    pthread_mutex_unlock(&waiter->lock);
}

/* The status of the write itself, with err; else *durable is how the log ended it. */
static inline enum silt_status write_and_wait(struct silt_storage *store, const char *database, const char *policy,
                                              const struct silt_batch *batch, struct silt_arena *arena,
                                              struct silt_write_report *report, enum silt_status *durable,
                                              struct silt_error *err)
{
    struct write_waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, SILT_OK};
    enum silt_status rc = silt_storage_write(store, silt_str_from(database), silt_str_from(policy), batch, true, arena,
                                             report, write_waiter_done, &waiter, err);
    if (rc == SILT_OK) {
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.done)
            pthread_cond_wait(&waiter.cond, &waiter.lock);
        pthread_mutex_unlock(&waiter.lock);
        *durable = waiter.status;
    }
    return rc;
}

#endif
