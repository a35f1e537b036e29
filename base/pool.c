/*
 * pool.c - implements silt/pool.h: threads around one queue of jobs, oldest first.
 *
 *     submit -> [job][job][job] -> thread 1..n
 *                                    |   ^ places: so many jobs run at once
 *                         wait_begin v   | wait_end, before any job of the queue
 *                                   waiting
 *
 * A job that waits leaves its place to the next of the queue, and its thread is one more than there were: another is started
 * where none is idle, up to the spares. Where there are no more, the queue waits for a thread, as it would without all this.
 *
 * A loop (silt_pool_for) is a shared counter: the caller, from silt_pool_for_end on, and as many helper jobs as there are
 * threads take the next index until none is left. A helper whose job comes up only after the caller found the counter used up sees a closed
 * loop and leaves; the last of them frees its record.
 */
#include "silt/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct silt_pool {
    unsigned places, thread_max; /* the latter with the spares */
    pthread_t *threads;
    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t wake, resume; /* of threads without a job; of jobs that waited */
    struct silt_job *first, **last;
    size_t queued;
    unsigned thread_count, idle, running, resuming;
    bool ending;
};

static void *work(void *arg);

/* False: the system has no more threads to give. */
static bool start_thread_locked(struct silt_pool *pool)
{
    if (pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) != 0)
        return false;
    pool->thread_count++;
    return true;
}

/* To be called where a place may have become free, or a job has come: for who is next. */
static void fill_places_locked(struct silt_pool *pool)
{
    if (pool->running >= pool->places)
        return;
    if (pool->resuming)
        pthread_cond_signal(&pool->resume);
    else if (pool->first && pool->idle)
        pthread_cond_signal(&pool->wake);
    else if (pool->first && pool->thread_count < pool->thread_max)
        (void)start_thread_locked(pool); /* without it, the job is taken by the next thread that is done with one */
}

static struct silt_job *next_job_locked(struct silt_pool *pool)
{
    while (!pool->first || pool->resuming || pool->running >= pool->places) {
        if (pool->ending && !pool->first) {
            pthread_cond_signal(&pool->wake); /* whoever found a job, but no place, when the end was called out */
            return NULL;
        }
        pool->idle++;
        pthread_cond_wait(&pool->wake, &pool->lock);
        pool->idle--;
    }
    struct silt_job *job = pool->first;
    pool->first = job->next;
    if (!pool->first)
        pool->last = &pool->first;
    pool->queued--;
    return job;
}

static void *work(void *arg)
{
    struct silt_pool *pool = arg;
    struct silt_job *job;

    pthread_mutex_lock(&pool->lock);
    while ((job = next_job_locked(pool))) {
        pool->running++;
        fill_places_locked(pool);
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
        fill_places_locked(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct silt_pool *silt_pool_create(unsigned thread_count, unsigned spare_count)
{
    struct silt_pool *pool = silt_calloc(1, sizeof(*pool));
    if (thread_count == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        thread_count = cores > 0 ? (unsigned)cores : 1;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->resume, NULL);
    pool->last = &pool->first;
    pool->places = thread_count;
    pool->thread_max = thread_count + spare_count;
    pool->threads = silt_calloc(pool->thread_max, sizeof(*pool->threads));
    pthread_mutex_lock(&pool->lock);
    while (pool->thread_count < thread_count) {
        bool started = start_thread_locked(pool);
        silt_assert(started);
    }
    pthread_mutex_unlock(&pool->lock);
    return pool;
}

void silt_pool_destroy(struct silt_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->wake);
    for (unsigned i = 0; i < pool->thread_count; i++) { /* jobs that still run may start more */
        pthread_t thread = pool->threads[i];
        pthread_mutex_unlock(&pool->lock);
        pthread_join(thread, NULL);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->resume);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

unsigned silt_pool_threads(const struct silt_pool *pool)
{
    return pool ? pool->places : 0;
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
    fill_places_locked(pool);
    pthread_mutex_unlock(&pool->lock);
}

void silt_pool_wait_begin(struct silt_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    fill_places_locked(pool);
    pthread_mutex_unlock(&pool->lock);
}

void silt_pool_wait_end(struct silt_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->resuming++;
    while (pool->running >= pool->places)
        pthread_cond_wait(&pool->resume, &pool->lock);
    pool->resuming--;
    pool->running++;
    fill_places_locked(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* ---------------------------------------------------------------- loops */

struct silt_pool_loop {
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
    struct silt_pool_loop *loop;
};

static void release_loop_locked(struct silt_pool_loop *loop)
{
    bool last = --loop->references == 0;
    pthread_mutex_unlock(&loop->lock);
    if (last) {
        pthread_cond_destroy(&loop->done);
        pthread_mutex_destroy(&loop->lock);
        free(loop);
    }
}

static void take_items(struct silt_pool_loop *loop, unsigned slot)
{
    size_t index;
    while ((index = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed)) < loop->count)
        loop->fn(loop->arg, index, slot);
}

static void help(struct silt_job *job)
{
    struct helper *helper = (struct helper *)job;
    struct silt_pool_loop *loop = helper->loop;

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

static struct silt_pool_loop *begin_loop(struct silt_pool *pool, size_t count, size_t helpers,
                                         void (*fn)(void *arg, size_t index, unsigned slot), void *arg)
{
    struct silt_pool_loop *loop = silt_calloc(1, sizeof(*loop));

    if (helpers > silt_pool_threads(pool))
        helpers = silt_pool_threads(pool);
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
    return loop;
}

struct silt_pool_loop *silt_pool_for_begin(struct silt_pool *pool, size_t count,
                                           void (*fn)(void *arg, size_t index, unsigned slot), void *arg)
{
    return begin_loop(pool, count, count, fn, arg);
}

void silt_pool_for_end(struct silt_pool_loop *loop)
{
    take_items(loop, 0);
    pthread_mutex_lock(&loop->lock);
    loop->closed = true;
    while (loop->inside)
        pthread_cond_wait(&loop->done, &loop->lock);
    release_loop_locked(loop);
}

void silt_pool_for(struct silt_pool *pool, size_t count, void (*fn)(void *arg, size_t index, unsigned slot), void *arg)
{
    if (pool && count > 1) {
        silt_pool_for_end(begin_loop(pool, count, count - 1, fn, arg));
        return;
    }
    for (size_t i = 0; i < count; i++)
        fn(arg, i, 0);
}
