/*
 * monitor.c - see monitor.h.
 *
 *     statistic  httpd {bind=...} req 7, ...   ->   point  httpd,bind=...,hostname=h req=7i,... at a multiple of the interval
 */
#include "server/monitor.h"
#include "server/forward.h"
#include "silt/storage.h"
#include "silt/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000

struct monitor {
    const struct stats_source *source;
    int64_t interval_ns;
    char hostname[256];
    pthread_t thread;
    bool failing; /* the last write did; the thread's */

    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    bool stopping, written;
    enum silt_status status;
};

static void on_written(void *arg, enum silt_status status, const struct silt_error *err)
{
    struct monitor *monitor = arg;

    pthread_mutex_lock(&monitor->lock);
    monitor->written = true;
    monitor->status = status;
    pthread_cond_signal(&monitor->changed);
    pthread_mutex_unlock(&monitor->lock);
}

/* ---------------------------------------------------------------- points */

static int by_key(const void *a, const void *b)
{
    const struct silt_tag *x = a, *y = b;
    return silt_str_compare(x->key, y->key);
}

static struct silt_str series_of(const struct monitor *monitor, const struct statistic *stat, struct silt_arena *arena)
{
    struct silt_tag *tags = silt_arena_alloc(arena, (stat->tag_count + 1) * sizeof(*tags));

    if (stat->tag_count)
        memcpy(tags, stat->tags, stat->tag_count * sizeof(*tags));
    tags[stat->tag_count] = (struct silt_tag){SILT_STR("hostname"), silt_str_from(monitor->hostname)};
    qsort(tags, stat->tag_count + 1, sizeof(*tags), by_key);
    return silt_series_key_make(stat->name, tags, stat->tag_count + 1, arena);
}

static void make_batch(const struct monitor *monitor, silt_time time, struct silt_arena *arena, struct silt_batch *batch)
{
    struct statistic *stats;
    size_t count, value_count = 0;

    stats_collect(monitor->source, arena, &stats, &count);
    for (size_t i = 0; i < count; i++)
        value_count += stats[i].field_count;
    struct silt_layout *layouts = silt_arena_alloc(arena, count * sizeof(*layouts));
    struct silt_field *fields = silt_arena_alloc(arena, value_count * sizeof(*fields));
    struct silt_row *rows = silt_arena_alloc(arena, count * sizeof(*rows));
    union silt_value *values = silt_arena_alloc(arena, value_count * sizeof(*values));
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        struct silt_str series = series_of(monitor, &stats[i], arena);
        layouts[i] = (struct silt_layout){.measurement = stats[i].name, .fields = fields + next,
                                          .field_count = (uint32_t)stats[i].field_count};
        rows[i] = (struct silt_row){.series = series, .series_hash = silt_hash(series.p, series.len), .time = time,
                                    .layout = (uint32_t)i, .line = (uint32_t)i, .value_offset = next};
        for (size_t k = 0; k < stats[i].field_count; k++, next++) {
            fields[next] = (struct silt_field){.name = stats[i].fields[k].name, .type = SILT_TYPE_INTEGER};
            values[next].i64 = stats[i].fields[k].value;
        }
    }
    *batch = (struct silt_batch){.layouts = layouts, .layout_count = (uint32_t)count, .rows = rows, .row_count = count,
                                 .values = values};
}

static void wait_until_durable(struct monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
    while (!monitor->written)
        pthread_cond_wait(&monitor->changed, &monitor->lock);
    monitor->written = false;
    pthread_mutex_unlock(&monitor->lock);
}

static void store(struct monitor *monitor, silt_time time)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_write_report report = {0};
    struct silt_batch batch;
    struct silt_error err = {0};

    make_batch(monitor, time, arena, &batch);
    enum silt_status rc = silt_storage_write(monitor->source->storage, SILT_STR("_internal"), SILT_STR("monitor"), &batch,
                                             true, arena, &report, on_written, monitor, &err);
    if (rc == SILT_OK) {
        forward_write(monitor->source->forward, SILT_STR("_internal"), (struct silt_str){NULL, 0}, &batch, &report);
        wait_until_durable(monitor);
        rc = monitor->status;
    }
    if (rc != SILT_OK && !monitor->failing)
        silt_log(SILT_LOG_WARN, "statistics could not be stored", "reason=\"%s\"",
                 err.text[0] ? err.text : silt_status_name(rc));
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
    if (gethostname(monitor->hostname, sizeof(monitor->hostname) - 1) != 0 || monitor->hostname[0] == 0)
        memcpy(monitor->hostname, "localhost", sizeof("localhost"));
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
