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

/* Rows of one window or of neighbours make one range, for which only the first of them is looked for in the set. */
struct scan {
    struct ranges ranges;
    struct range run;
    uint64_t slack;
};

static void scan_time(struct scan *scan, silt_time time)
{
    struct range *run = &scan->run;

    if (time >= run->start && time < run->end) {
        return;
    } else if (run->start < run->end && time >= run->end && (uint64_t)time - (uint64_t)run->end < scan->slack) {
        run->end = time + 1;
    } else if (run->start < run->end && time < run->start && (uint64_t)run->start - (uint64_t)time <= scan->slack) {
        run->start = time;
    } else {
        ranges_add(&scan->ranges, run->start, run->end);
        *run = (struct range){time, time + 1};
    }
}

/* The times of the rows that a source reads, older than before. */
static void scan_rows(struct scan *scan, const struct late_source *source, const struct silt_batch *batch, silt_time before)
{
    uint32_t layout = UINT32_MAX;
    bool read = false;

    for (size_t i = 0; i < batch->row_count; i++) {
        const struct silt_row *row = &batch->rows[i];
        if (row->time >= before || row->time < SILT_TIME_MIN)
            continue;
        if (row->layout != layout) {
            layout = row->layout;
            read = reads_measurement(source, batch->layouts[layout].measurement);
        }
        if (read)
            scan_time(scan, row->time);
    }
    ranges_add(&scan->ranges, scan->run.start, scan->run.end);
}

static bool reads_the_same(const struct late_source *a, const struct late_source *b)
{
    return reads(a, b->database, b->policy) && silt_str_equal(a->measurement, b->measurement);
}

/* For this source, and for those behind it that read the same: the rows are looked at once. */
static void tell_sources(struct late_data *late, struct late_source *source, const struct silt_batch *batch)
{
    struct scan scan = {.slack = (uint64_t)source->interval_ns};
    silt_time before = INT64_MIN;

    for (struct late_source *other = source; other; other = other->next) {
        if (other->interval_ns <= batch->origin_ns || !reads_the_same(source, other))
            continue;
        other->batch = late->batch;
        if ((uint64_t)other->interval_ns < scan.slack)
            scan.slack = (uint64_t)other->interval_ns;
        if (other->before > before)
            before = other->before;
    }
    scan_rows(&scan, source, batch, before);
    for (struct late_source *other = source; other; other = other->next) {
        if (other->batch != late->batch || !reads_the_same(source, other))
            continue;
        for (size_t i = 0; i < scan.ranges.count; i++) {
            const struct range *range = &scan.ranges.items[i];
            ranges_add(&other->touched, range->start, range->end < other->before ? range->end : other->before);
        }
        if (other->touched.count)
            atomic_store(&late->touched, true);
    }
}

static void on_written(struct silt_watcher *watcher, struct silt_str database, struct silt_str policy,
                       const struct silt_batch *batch)
{
    struct late_data *late = (struct late_data *)watcher;

    pthread_mutex_lock(&late->lock);
    late->batch++;
    for (struct late_source *source = late->first; source; source = source->next)
        if (source->batch != late->batch && source->interval_ns > batch->origin_ns && reads(source, database, policy))
            tell_sources(late, source, batch);
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
    (void)atomic_exchange(&late->watcher.before, before); /* not a store: rows applied before show from here on */
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
        (void)atomic_exchange(&late->watcher.before, before);
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
