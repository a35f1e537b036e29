/*
 * internal.c - see internal.h.
 */
#include "server/internal.h"
#include "server/forward.h"
#include "silt/storage.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define HOSTNAME_BYTES 256

static int by_key(const void *a, const void *b)
{
    const struct silt_tag *x = a, *y = b;
    return silt_str_compare(x->key, y->key);
}

static struct silt_str series_of(const char *hostname, const struct statistic *stat, struct silt_arena *arena)
{
    struct silt_tag *tags = silt_arena_alloc(arena, (stat->tag_count + 1) * sizeof(*tags));

    if (stat->tag_count)
        memcpy(tags, stat->tags, stat->tag_count * sizeof(*tags));
    tags[stat->tag_count] = (struct silt_tag){SILT_STR("hostname"), silt_str_from(hostname)};
    qsort(tags, stat->tag_count + 1, sizeof(*tags), by_key);
    return silt_series_key_make(stat->name, tags, stat->tag_count + 1, arena);
}

static struct silt_batch make_batch(const char *hostname, const struct statistic *stats, size_t count, silt_time time,
                                    struct silt_arena *arena)
{
    size_t value_count = 0;

    for (size_t i = 0; i < count; i++)
        value_count += stats[i].field_count;
    struct silt_layout *layouts = silt_arena_alloc(arena, count * sizeof(*layouts));
    struct silt_field *fields = silt_arena_alloc(arena, value_count * sizeof(*fields));
    struct silt_row *rows = silt_arena_alloc(arena, count * sizeof(*rows));
    union silt_value *values = silt_arena_alloc(arena, value_count * sizeof(*values));
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        struct silt_str series = series_of(hostname, &stats[i], arena);
        layouts[i] = (struct silt_layout){.measurement = stats[i].name, .fields = fields + next,
                                          .field_count = (uint32_t)stats[i].field_count};
        rows[i] = (struct silt_row){.series = series, .series_hash = silt_hash(series.p, series.len), .time = time,
                                    .layout = (uint32_t)i, .line = (uint32_t)i, .value_offset = next};
        for (size_t k = 0; k < stats[i].field_count; k++, next++) {
            fields[next] = (struct silt_field){.name = stats[i].fields[k].name, .type = SILT_TYPE_INTEGER};
            values[next].i64 = stats[i].fields[k].value;
        }
    }
    return (struct silt_batch){.layouts = layouts, .layout_count = (uint32_t)count, .rows = rows, .row_count = count,
                               .values = values};
}

/* ---------------------------------------------------------------- writing */

struct write { /* under way */
    pthread_mutex_t lock; /* guards the rest: */
    pthread_cond_t changed;
    bool done;
    enum silt_status status;
};

static void on_written(void *arg, enum silt_status status, const struct silt_error *err)
{
    struct write *write = arg;

    pthread_mutex_lock(&write->lock);
    write->done = true;
    write->status = status;
    pthread_cond_signal(&write->changed);
    pthread_mutex_unlock(&write->lock);
}

static enum silt_status wait_until_durable(struct write *write)
{
    pthread_mutex_lock(&write->lock);
    while (!write->done)
        pthread_cond_wait(&write->changed, &write->lock);
    pthread_mutex_unlock(&write->lock);
    return write->status;
}

enum silt_status internal_write(const struct stats_source *source, const struct statistic *stats, size_t count,
                                silt_time time, struct silt_arena *arena, struct silt_error *err)
{
    struct write write = {.done = false};
    struct silt_write_report report = {0};
    char hostname[HOSTNAME_BYTES] = "";

    if (gethostname(hostname, sizeof(hostname) - 1) != 0 || hostname[0] == 0)
        memcpy(hostname, "localhost", sizeof("localhost"));
    struct silt_batch batch = make_batch(hostname, stats, count, time, arena);
    pthread_mutex_init(&write.lock, NULL);
    pthread_cond_init(&write.changed, NULL);
    enum silt_status rc = silt_storage_write(source->storage, SILT_STR("_internal"), SILT_STR("monitor"), &batch, true,
                                             arena, &report, on_written, &write, err);
    if (rc == SILT_OK) {
        forward_write(source->forward, SILT_STR("_internal"), (struct silt_str){NULL, 0}, &batch, &report);
        if ((rc = wait_until_durable(&write)) != SILT_OK)
            silt_fail(err, rc, "%s", silt_status_name(rc));
    }
    pthread_cond_destroy(&write.changed);
    pthread_mutex_destroy(&write.lock);
    return rc;
}
