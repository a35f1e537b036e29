/*
 * late_data.c - see late_data.h.
 */
#include "server/late_data.h"

static bool reads(const struct late_source *source, struct silt_str database, struct silt_str policy)
{
    return silt_str_equal(source->database, database) && silt_str_equal(source->policy, policy);
}

static bool reads_measurement(const struct late_source *source, struct silt_str measurement)
{
    return source->measurement.len == 0 || measurement.len == 0 || silt_str_equal(source->measurement, measurement);
}

static void end_run(struct late_source *source)
{
    ranges_add(&source->touched, source->run.start, source->run.end);
    source->run = (struct range){0, 0};
}

/* Rows of one window or of neighbours make one range. */
static void touch(struct late_source *source, silt_time time)
{
    struct range *run = &source->run;

    if (run->start == run->end) {
        *run = (struct range){time, time + 1};
    } else if (time >= run->start && time < run->end) {
        return;
    } else if (time < run->start && (uint64_t)run->start - (uint64_t)time <= (uint64_t)source->interval_ns) {
        run->start = time;
    } else if (time >= run->end && (uint64_t)time - (uint64_t)run->end < (uint64_t)source->interval_ns) {
        run->end = time + 1;
    } else {
        end_run(source);
        *run = (struct range){time, time + 1};
    }
}

static void touch_rows(struct late_source *source, const struct silt_batch *batch)
{
    uint32_t layout = UINT32_MAX;
    bool read = false;

    for (size_t i = 0; i < batch->row_count; i++) {
        const struct silt_row *row = &batch->rows[i];
        if (row->time >= source->before || row->time < SILT_TIME_MIN)
            continue;
        if (row->layout != layout) {
            layout = row->layout;
            read = reads_measurement(source, batch->layouts[layout].measurement);
        }
        if (read)
            touch(source, row->time);
    }
    end_run(source);
}

static void on_written(struct silt_watcher *watcher, struct silt_str database, struct silt_str policy,
                       const struct silt_batch *batch)
{
    struct late_data *late = (struct late_data *)watcher;

    pthread_mutex_lock(&late->lock);
    for (struct late_source *source = late->first; source; source = source->next) {
        if (!reads(source, database, policy) || source->interval_ns <= batch->origin_ns)
            continue;
        touch_rows(source, batch);
        if (source->touched.count)
            atomic_store(&late->touched, true);
    }
    pthread_mutex_unlock(&late->lock);
}

static void on_deleted(struct silt_watcher *watcher, struct silt_str database, struct silt_str measurement, silt_time min,
                       silt_time max)
{
    struct late_data *late = (struct late_data *)watcher;

    pthread_mutex_lock(&late->lock);
    for (struct late_source *source = late->first; source; source = source->next) {
        if (!silt_str_equal(source->database, database) || !reads_measurement(source, measurement))
            continue;
        ranges_add(&source->touched, min < SILT_TIME_MIN ? SILT_TIME_MIN : min,
                   max < source->before ? max + 1 : source->before);
        if (source->touched.count)
            atomic_store(&late->touched, true);
    }
    pthread_mutex_unlock(&late->lock);
}

/* ---------------------------------------------------------------- the list */

void late_data_init(struct late_data *late)
{
    *late = (struct late_data){.watcher = {.before = INT64_MIN, .written = on_written, .deleted = on_deleted}};
    pthread_mutex_init(&late->lock, NULL);
}

void late_data_deinit(struct late_data *late)
{
    silt_assert(!late->first);
    pthread_mutex_destroy(&late->lock);
}

static void set_before_locked(struct late_data *late)
{
    silt_time before = INT64_MIN;

    for (const struct late_source *source = late->first; source; source = source->next)
        if (source->before > before)
            before = source->before;
    atomic_store(&late->watcher.before, before);
}

void late_data_add(struct late_data *late, struct late_source *source)
{
    pthread_mutex_lock(&late->lock);
    source->next = late->first;
    late->first = source;
    set_before_locked(late);
    pthread_mutex_unlock(&late->lock);
}

void late_data_remove(struct late_data *late, struct late_source *source)
{
    pthread_mutex_lock(&late->lock);
    for (struct late_source **at = &late->first; *at; at = &(*at)->next) {
        if (*at == source) {
            *at = source->next;
            break;
        }
    }
    set_before_locked(late);
    pthread_mutex_unlock(&late->lock);
}

void late_data_raise(struct late_data *late, struct late_source *source, silt_time before)
{
    pthread_mutex_lock(&late->lock);
    if (before > source->before)
        source->before = before;
    if (before > atomic_load(&late->watcher.before))
        atomic_store(&late->watcher.before, before);
    pthread_mutex_unlock(&late->lock);
}

void late_data_take(struct late_data *late, struct late_source *source, struct ranges *out)
{
    pthread_mutex_lock(&late->lock);
    for (size_t i = 0; i < source->touched.count; i++)
        ranges_add(out, source->touched.items[i].start, source->touched.items[i].end);
    source->touched.count = 0;
    pthread_mutex_unlock(&late->lock);
}
