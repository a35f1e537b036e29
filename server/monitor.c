/*
 * monitor.c - see monitor.h.
 */
#include "server/monitor.h"
#include "server/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_MS 1000000

struct monitor {
    const struct stats_source *source;
    int64_t interval_ns;
    pthread_t thread;
    bool failing; /* the last write did; the thread's */

    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    bool stopping;
};

static void store(struct monitor *monitor, silt_time time)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct statistic *stats;
    struct silt_error err;
    size_t count;

    stats_collect(monitor->source, arena, &stats, &count);
    enum silt_status rc = internal_write(monitor->source, stats, count, time, arena, &err);
    if (rc != SILT_OK && !monitor->failing)
        silt_log(SILT_LOG_WARN, "statistics could not be stored", "reason=\"%s\"", err.text);
    monitor->failing = rc != SILT_OK;
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- the thread */

/* False when it is to stop. */
static bool sleep_until(struct monitor *monitor, silt_time time)
{
    struct timespec at = {.tv_sec = time / 1000000000, .tv_nsec = time % 1000000000};
    bool stopping;

    pthread_mutex_lock(&monitor->lock);
    while (!monitor->stopping && silt_clock_now() < time)
        pthread_cond_timedwait(&monitor->changed, &monitor->lock, &at);
    stopping = monitor->stopping;
    pthread_mutex_unlock(&monitor->lock);
    return !stopping;
}

/* At multiples of the interval, so that several servers' points lie at the same times. */
static void *run(void *arg)
{
    struct monitor *monitor = arg;
    silt_time due = silt_clock_now() / monitor->interval_ns * monitor->interval_ns + monitor->interval_ns;

    while (sleep_until(monitor, due)) {
        store(monitor, due);
        due = silt_clock_now() / monitor->interval_ns * monitor->interval_ns + monitor->interval_ns;
    }
    return NULL;
}

struct monitor *monitor_start(const struct stats_source *source, uint64_t interval_ms)
{
    struct monitor *monitor = silt_calloc(1, sizeof(*monitor));

    monitor->source = source;
    monitor->interval_ns = (int64_t)interval_ms * NS_PER_MS;
    pthread_mutex_init(&monitor->lock, NULL);
    pthread_cond_init(&monitor->changed, NULL);
    int error = pthread_create(&monitor->thread, NULL, run, monitor);
    if (error == 0)
        return monitor;
    silt_log(SILT_LOG_WARN, "statistics will not be stored", "reason=\"%s\"", strerror(error));
    pthread_cond_destroy(&monitor->changed);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
    return NULL;
}

void monitor_stop(struct monitor *monitor)
{
    if (!monitor)
        return;
    pthread_mutex_lock(&monitor->lock);
    monitor->stopping = true;
    pthread_cond_signal(&monitor->changed);
    pthread_mutex_unlock(&monitor->lock);
    pthread_join(monitor->thread, NULL);
    pthread_cond_destroy(&monitor->changed);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}
