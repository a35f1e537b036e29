/*
 * pool.c - implements silt/pool.h: threads around one queue of jobs, oldest first.
 *
 *     submit -> [job][job][job] -> thread 1..n
 *
 * A loop (silt_pool_for) is a shared counter: the caller and as many helper jobs as there are threads take the next
 * index until none is left. A helper whose job comes up only after the caller found the counter used up sees a closed
 * loop and leaves; the last of them frees its record.
 */
#include "silt/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct silt_pool {
    unsigned thread_count;
    pthread_t *threads;
    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t wake;
    struct silt_job *first, **last;
    size_t queued;
    bool ending;
};

static void *work(void *arg)
{
    struct silt_pool *pool = arg;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->ending)
            pthread_cond_wait(&pool->wake, &pool->lock);
        struct silt_job *job = pool->first;
        if (!job)
            break;
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->queued--;
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct silt_pool *silt_pool_create(unsigned thread_count)
{
    struct silt_pool *pool = silt_calloc(1, sizeof(*pool));
    if (thread_count == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        thread_count = cores > 0 ? (unsigned)cores : 1;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->last = &pool->first;
    pool->threads = silt_calloc(thread_count, sizeof(*pool->threads));
    for (unsigned i = 0; i < thread_count; i++) {
        int failed = pthread_create(&pool->threads[i], NULL, work, pool);
        silt_assert(!failed);
        pool->thread_count++;
    }
    return pool;
}

void silt_pool_destroy(struct silt_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

unsigned silt_pool_threads(const struct silt_pool *pool)
{
    return pool ? pool->thread_count : 0;
}

size_t silt_pool_queued(const struct silt_pool *pool)
{
    struct silt_pool *shared = (struct silt_pool *)pool;
    pthread_mutex_lock(&shared->lock);
    size_t queued = shared->queued;
    pthread_mutex_unlock(&shared->lock);
    return queued;
}

void silt_pool_submit(struct silt_pool *pool, struct silt_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    *pool->last = job;
    pool->last = &job->next;
    pool->queued++;
    pthread_cond_signal(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* ---------------------------------------------------------------- loops */

struct loop {
    size_t count;
    void (*fn)(void *arg, size_t index, unsigned slot);
    void *arg;
    _Atomic size_t next;
    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t done;
    unsigned inside; /* helpers at work */
    unsigned slots;  /* given out so far */
    bool closed;     /* no helper may enter any more */
    unsigned references; /* helpers' jobs not yet run, and the caller */
};

struct helper {
    struct silt_job job;
    struct loop *loop;
};

static void release_loop_locked(struct loop *loop)
{
    bool last = --loop->references == 0;
    pthread_mutex_unlock(&loop->lock);
    if (last) {
        pthread_cond_destroy(&loop->done);
        pthread_mutex_destroy(&loop->lock);
        free(loop);
    }
}

static void take_items(struct loop *loop, unsigned slot)
{
    size_t index;
    while ((index = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed)) < loop->count)
        loop->fn(loop->arg, index, slot);
}

static void help(struct silt_job *job)
{
    struct helper *helper = (struct helper *)job;
    struct loop *loop = helper->loop;

    free(helper);
    pthread_mutex_lock(&loop->lock);
    if (!loop->closed) {
        unsigned slot = ++loop->slots;
        loop->inside++;
        pthread_mutex_unlock(&loop->lock);
        take_items(loop, slot);
        pthread_mutex_lock(&loop->lock);
        if (--loop->inside == 0)
            pthread_cond_signal(&loop->done);
    }
    release_loop_locked(loop);
}

void silt_pool_for(struct silt_pool *pool, size_t count, void (*fn)(void *arg, size_t index, unsigned slot), void *arg)
{
    if (!pool || count <= 1) {
        for (size_t i = 0; i < count; i++)
            fn(arg, i, 0);
        return;
    }
    struct loop *loop = silt_calloc(1, sizeof(*loop));
    size_t helpers = count - 1 < pool->thread_count ? count - 1 : pool->thread_count;
    loop->count = count;
    loop->fn = fn;
    loop->arg = arg;
    loop->references = 1 + (unsigned)helpers;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->done, NULL);
    for (size_t i = 0; i < helpers; i++) {
        struct helper *helper = silt_calloc(1, sizeof(*helper));
        helper->job.run = help;
        helper->loop = loop;
        silt_pool_submit(pool, &helper->job);
    }
    take_items(loop, 0);
    pthread_mutex_lock(&loop->lock);
    loop->closed = true;
    while (loop->inside)
        pthread_cond_wait(&loop->done, &loop->lock);
    release_loop_locked(loop);
}
