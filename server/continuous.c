/*
 * continuous.c - see continuous.h.
 *
 *     definitions (storage)  d.a "CREATE ..."   d.b "CREATE ..."   e.a "CREATE ..."
 *     list (here)            d.a parsed, state  d.b parsed, state  e.a parsed, state     same order, made anew where the text is
 *
 * They run one after another in the order in which they were made, as in InfluxDB: a query that reads what an earlier one
 * wrote finds it.
 */
#include "server/continuous.h"

#include "server/internal.h"
#include "server/late_data.h"
#include "server/progress.h"
#include "server/query_registry.h"
#include "server/silent_sink.h"
#include "silt/definitions.h"
#include "silt/storage.h"
#include "silt/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS 1000000
#define KEEP_NS (5 * (int64_t)1000000000) /* between two times that progress is kept, and that late data is looked at */
#define PIECE_WINDOWS 1000                /* calculated again in one query */

struct entry { /* a continuous query; belongs to the thread but for `report` */
    struct entry *next;
    struct silt_arena *arena; /* of all texts, and of what is parsed */
    struct silt_str database, name, text;
    struct silt_continuous parsed;
    struct late_source *sources; /* as many as parsed has */
    struct progress progress;
    bool has_progress, progress_kept;
    struct silt_error unfit; /* status not SILT_OK: why it can never run */
    struct silt_schedule_state state;
    struct continuous_report report; /* under lock; its error is error_text */
    char error_text[sizeof(((struct silt_error *)0)->text)];
};

struct continuous {
    const struct query_host *host;
    pthread_t thread;
    bool started;
    _Atomic bool cancelled; /* what runs is to end */
    struct late_data late;
    bool watching;
    silt_time kept;         /* when progress was, last */
    bool begun;             /* there is one whose progress the store has not seen yet */
    size_t turn;            /* whose pending windows come first */

    pthread_mutex_t lock; /* guards this group, and the list against who reads it: */
    pthread_cond_t changed;
    bool stopping;
    struct continuous_counts counts;
    struct entry *first;
};

/* ---------------------------------------------------------------- the list */

static struct entry *entry_create(const struct silt_continuous_query *definition)
{
    struct entry *entry = silt_calloc(1, sizeof(*entry));
    struct silt_arena *arena = silt_arena_create(NULL);

    entry->arena = arena;
    entry->database = silt_arena_str(arena, definition->database);
    entry->name = silt_arena_str(arena, definition->name);
    entry->text = silt_arena_str(arena, definition->exact);
    entry->unfit.status = silt_query_parse_continuous(entry->text, arena, &entry->parsed, &entry->unfit);
    entry->report.database = entry->database;
    entry->report.name = entry->name;
    entry->has_progress = entry->progress_kept = progress_read(&entry->progress, definition->progress);
    return entry;
}

static bool may_run(const struct entry *entry)
{
    return entry->unfit.status == SILT_OK && entry->parsed.schedule.interval_ns > 0;
}

static void entry_destroy(struct continuous *continuous, struct entry *entry)
{
    for (size_t i = 0; entry->sources && i < entry->parsed.source_count; i++)
        late_data_remove(&continuous->late, &entry->sources[i]);
    silt_arena_destroy(entry->arena);
    free(entry);
}

static bool is_of(const struct entry *entry, const struct silt_continuous_query *definition)
{
    return silt_str_equal(entry->name, definition->name) && silt_str_equal(entry->database, definition->database) &&
           silt_str_equal(entry->text, definition->exact);
}

/* Takes the entry of a definition out of the list, which begins at *from: nearly always with it. */
static struct entry *take_entry(struct entry **from, const struct silt_continuous_query *definition)
{
    for (struct entry **at = from; *at; at = &(*at)->next) {
        struct entry *entry = *at;
        if (is_of(entry, definition)) {
            *at = entry->next;
            return entry;
        }
    }
    return entry_create(definition);
}

static bool is_list_of(const struct entry *entry, const struct silt_continuous_query *definitions, size_t count)
{
    for (size_t i = 0; i < count; i++, entry = entry->next)
        if (!entry || !is_of(entry, &definitions[i]))
            return false;
    return !entry;
}

static void refresh_list(struct continuous *continuous)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_continuous_query *definitions;
    size_t count;

    silt_storage_continuous_queries(continuous->host->storage, arena, &definitions, &count);
    if (!is_list_of(continuous->first, definitions, count)) {
        pthread_mutex_lock(&continuous->lock);
        struct entry *old = continuous->first, **end = &continuous->first;
        for (size_t i = 0; i < count; i++, end = &(*end)->next)
            *end = take_entry(&old, &definitions[i]);
        *end = NULL;
        pthread_mutex_unlock(&continuous->lock);
        for (struct entry *next; old; old = next) {
            next = old->next;
            entry_destroy(continuous, old);
        }
    }
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- how far it has come */

static void watch_sources(struct continuous *continuous, struct entry *entry)
{
    const struct silt_continuous *parsed = &entry->parsed;

    entry->sources = silt_arena_zalloc(entry->arena, (parsed->source_count + 1) * sizeof(*entry->sources));
    for (size_t i = 0; i < parsed->source_count; i++) {
        const struct silt_continuous_source *from = &parsed->sources[i];
        entry->sources[i].database = from->database;
        entry->sources[i].policy = from->policy;
        entry->sources[i].measurement = from->measurement;
        entry->sources[i].interval_ns = parsed->schedule.interval_ns;
        entry->sources[i].before = entry->progress.done;
        late_data_add(&continuous->late, &entry->sources[i]);
    }
}

/*
 * The first look at it. One that has come some way before goes on as if it had never paused: its runs are due when they
 * would be, and the windows since are pending. A new one starts with this window, as in InfluxDB.
 */
static void begin_entry(struct continuous *continuous, struct entry *entry, silt_time now)
{
    const struct silt_server_options *options = continuous->host->options;
    const struct silt_schedule *schedule = &entry->parsed.schedule;

    if (entry->has_progress && options->catch_up_ms && entry->progress.done <= now) {
        entry->state = (struct silt_schedule_state){.has_run = true, .last = silt_schedule_last(schedule, now)};
        silt_time done = silt_schedule_window(schedule, entry->state.last);
        ranges_add(&entry->progress.pending, entry->progress.done, done);
        if (done > entry->progress.done)
            entry->progress.done = done;
    } else {
        entry->progress = (struct progress){.done = silt_schedule_window(schedule, now)};
    }
    entry->has_progress = true;
    entry->progress_kept = false;
    continuous->begun = true;
    if (options->late_data && options->catch_up_ms)
        watch_sources(continuous, entry);
}

/* Before it reads: whatever comes from now on for what it reads is late. */
static void advance_entry(struct continuous *continuous, struct entry *entry, silt_time done)
{
    for (size_t i = 0; entry->sources && i < entry->parsed.source_count; i++)
        late_data_raise(&continuous->late, &entry->sources[i], done);
}

static void finish_entry(struct entry *entry, silt_time done)
{
    if (done <= entry->progress.done)
        return;
    entry->progress.done = done;
    entry->progress_kept = false;
}

static void take_late_data(struct continuous *continuous)
{
    if (!atomic_exchange(&continuous->late.touched, false))
        return;
    for (struct entry *entry = continuous->first; entry; entry = entry->next) {
        struct ranges touched = {0};
        for (size_t i = 0; entry->sources && i < entry->parsed.source_count; i++)
            late_data_take(&continuous->late, &entry->sources[i], &touched);
        if (touched.count == 0)
            continue;
        progress_touch(&entry->progress, &entry->parsed.schedule, &touched);
        entry->progress_kept = false;
    }
}

static void keep_progress(struct continuous *continuous)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_continuous_query *list = NULL;
    size_t count = 0, capacity = 0;
    struct silt_error err;

    for (struct entry *entry = continuous->first; entry; entry = entry->next) {
        if (!entry->has_progress || entry->progress_kept)
            continue;
        list = silt_arena_grow(arena, list, &capacity, count + 1, sizeof(*list));
        list[count++] = (struct silt_continuous_query){.database = entry->database,
                                                       .name = entry->name,
                                                       .exact = entry->text,
                                                       .progress = progress_write(&entry->progress, arena)};
    }
    if (count && silt_storage_put_progress(continuous->host->storage, list, count, &err) != SILT_OK)
        silt_log(SILT_LOG_WARN, "progress of continuous queries could not be kept", "reason=\"%s\"", err.text);
    else
        for (struct entry *entry = continuous->first; entry; entry = entry->next)
            entry->progress_kept = true;
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- one run */

struct run_sink { /* of SELECT ... INTO: a row that says how many points were written, or an error */
    struct silt_sink base;
    struct silt_error err;
    uint64_t written;
};

static enum silt_status sink_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    ((struct run_sink *)sink)->written = (uint64_t)cells[1].i64;
    return SILT_OK;
}

static void sink_error(struct silt_sink *sink, struct silt_str text)
{
    silt_fail(&((struct run_sink *)sink)->err, SILT_INVALID, "%.*s", SILT_FMT(text));
}

static enum silt_status run_query(struct continuous *continuous, struct entry *entry, silt_time now, silt_time start,
                                  silt_time end, uint64_t *written, struct silt_error *err)
{
    const struct query_host *host = continuous->host;
    struct silt_budget memory;
    struct query_task task = {.query = entry->parsed.query, .database = entry->database, .memory = &memory};
    struct silt_query_options options = {.database = entry->database,
                                         .replaces_range = true,
                                         .range_min = start,
                                         .range_max = end - 1,
                                         .origin_ns = entry->parsed.schedule.interval_ns,
                                         .cancelled = &continuous->cancelled,
                                         .killed = &task.killed};
    struct run_sink sink = {.base = silent_sink};

    sink.base.rows = sink_rows;
    sink.base.error = sink_error;
    silt_budget_init(&memory, "memory of the query", SIZE_MAX, host->budget);
    enum silt_status rc = query_registry_enter(host->queries, &task, (size_t)host->options->queries_max, err);
    if (rc != SILT_OK)
        return rc;
    query_host_options(host, now, &options);
    options.budget = &memory;
    rc = silt_query_run(entry->parsed.query, &options, &sink.base);
    query_registry_leave(host->queries, &task);
    *written = sink.written;
    if (sink.err.status != SILT_OK)
        *err = sink.err;
    else if (rc != SILT_OK)
        silt_fail(err, rc, "%s", silt_status_name(rc));
    return err->status;
}

/* ---------------------------------------------------------------- what became of it */

/* An error that comes again with every run is told once. */
static void note_error(struct continuous *continuous, struct entry *entry, const struct silt_error *err)
{
    bool again = strcmp(entry->error_text, err->text) == 0;

    pthread_mutex_lock(&continuous->lock);
    continuous->counts.failed++;
    entry->report.failed++;
    memcpy(entry->error_text, err->text, sizeof(entry->error_text));
    pthread_mutex_unlock(&continuous->lock);
    if (!again)
        silt_log(SILT_LOG_WARN, "continuous query failed", "database=\"%.*s\" name=\"%.*s\" error=\"%s\"",
                 SILT_FMT(entry->database), SILT_FMT(entry->name), err->text);
}

static void note_success(struct continuous *continuous, struct entry *entry)
{
    char start[SILT_TIME_TEXT_MAX], end[SILT_TIME_TEXT_MAX];
    const struct continuous_report *report = &entry->report;

    pthread_mutex_lock(&continuous->lock);
    continuous->counts.ok++;
    entry->report.ok++;
    entry->error_text[0] = 0;
    pthread_mutex_unlock(&continuous->lock);
    if (!continuous->host->options->continuous_queries_log)
        return;
    int start_len = (int)silt_write_rfc3339(start, report->start, 0), end_len = (int)silt_write_rfc3339(end, report->end, 0);
    silt_log(SILT_LOG_INFO, "continuous query",
             "database=\"%.*s\" name=\"%.*s\" start=%.*s end=%.*s written=%llu us=%llu", SILT_FMT(entry->database),
             SILT_FMT(entry->name), start_len, start, end_len, end, (unsigned long long)report->written,
             (unsigned long long)report->duration_ns / 1000);
}

static struct stat_field stat_field(const char *name, int64_t value)
{
    return (struct stat_field){silt_str_from(name), value};
}

/* As InfluxDB's query-stats-enabled: a point for each run that went well. */
static void store_stats(const struct continuous *continuous, const struct entry *entry)
{
    const struct query_host *host = continuous->host;
    const struct continuous_report *report = &entry->report;
    const struct silt_tag tags[] = {{SILT_STR("cq"), entry->name}, {SILT_STR("db"), entry->database}};
    const struct stat_field fields[] = {
        stat_field("durationNs", (int64_t)report->duration_ns), stat_field("endTime", report->end),
        stat_field("pointsWrittenOK", (int64_t)report->written), stat_field("startTime", report->start)};
    const struct statistic stat = {SILT_STR("cq_query"), tags, 2, fields, 4};
    struct silt_error err;

    if (!host->stats || !host->options->continuous_queries_stats || !host->options->monitor_store)
        return;
    struct silt_arena *arena = silt_arena_create(NULL);
    if (internal_write(host->stats, &stat, 1, silt_clock_now(), arena, &err) != SILT_OK)
        silt_log(SILT_LOG_WARN, "figures of a continuous query could not be stored",
                 "database=\"%.*s\" name=\"%.*s\" reason=\"%s\"", SILT_FMT(entry->database), SILT_FMT(entry->name),
                 err.text);
    silt_arena_destroy(arena);
}

static bool run_entry(struct continuous *continuous, struct entry *entry, silt_time now, silt_time start, silt_time end)
{
    uint64_t begun = silt_clock_monotonic_ns(), written = 0;
    struct silt_error err = {0};

    pthread_mutex_lock(&continuous->lock);
    entry->report.running = true;
    pthread_mutex_unlock(&continuous->lock);
    enum silt_status rc = run_query(continuous, entry, now, start, end, &written, &err);
    pthread_mutex_lock(&continuous->lock);
    entry->report.running = false;
    entry->report.has_run = true;
    entry->report.start = start;
    entry->report.end = end;
    entry->report.written = written;
    entry->report.duration_ns = silt_clock_monotonic_ns() - begun;
    pthread_mutex_unlock(&continuous->lock);
    if (rc == SILT_OK) {
        note_success(continuous, entry);
        store_stats(continuous, entry);
    } else {
        note_error(continuous, entry, &err);
    }
    return rc == SILT_OK;
}

/* ---------------------------------------------------------------- windows that are pending */

/* What is older than its limit, or than what its sources still have whole, stays as it is. */
static void limit_pending(struct continuous *continuous, struct entry *entry, silt_time now)
{
    struct silt_source *source = silt_storage_source(continuous->host->storage);
    silt_time oldest = now - (silt_time)continuous->host->options->catch_up_ms * NS_PER_MS;
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_policy *policies;
    size_t count;

    for (size_t i = 0; i < entry->parsed.source_count; i++) {
        const struct silt_continuous_source *from = &entry->parsed.sources[i];
        if (source->policies(source, from->database, arena, &policies, &count, NULL) != SILT_OK)
            continue;
        for (size_t p = 0; p < count; p++)
            if (silt_str_equal(policies[p].name, from->policy) && policies[p].duration_ns &&
                now - policies[p].duration_ns > oldest)
                oldest = now - policies[p].duration_ns;
    }
    progress_limit(&entry->progress, &entry->parsed.schedule, oldest);
    silt_arena_destroy(arena);
}

static void run_pending(struct continuous *continuous, struct entry *entry, silt_time now)
{
    uint64_t buckets = continuous->host->options->select_buckets_max;
    uint64_t windows = buckets && buckets < PIECE_WINDOWS ? buckets : PIECE_WINDOWS;
    struct progress_piece piece;

    limit_pending(continuous, entry, now);
    entry->progress_kept = false;
    if (!progress_next(&entry->progress, &entry->parsed, entry->state.last, windows, &piece))
        return;
    bool ok = run_entry(continuous, entry, now, piece.start, piece.end);
    if (atomic_load(&continuous->cancelled))
        return;
    progress_settle(&entry->progress, &piece);
    pthread_mutex_lock(&continuous->lock);
    entry->report.again += ok;
    pthread_mutex_unlock(&continuous->lock);
}

/* A piece of each in turn, for half of what lies between two ticks at most. */
static void run_all_pending(struct continuous *continuous, silt_time now)
{
    uint64_t share = continuous->host->options->continuous_queries_interval_ms * NS_PER_MS / 2;
    uint64_t end = silt_clock_monotonic_ns() + share;
    size_t at = 0, left = 0;

    for (struct entry *entry = continuous->first; entry; entry = entry->next)
        left += may_run(entry) && entry->progress.pending.count > 0;
    while (left && !atomic_load(&continuous->cancelled) && silt_clock_monotonic_ns() < end) {
        left = at = 0;
        for (struct entry *entry = continuous->first; entry; entry = entry->next, at++) {
            if (!may_run(entry) || entry->progress.pending.count == 0)
                continue;
            if (at >= continuous->turn && silt_clock_monotonic_ns() < end && !atomic_load(&continuous->cancelled)) {
                run_pending(continuous, entry, now);
                continuous->turn = at + 1;
            }
            left += entry->progress.pending.count > 0;
        }
        if (silt_clock_monotonic_ns() < end)
            continuous->turn = 0;
    }
}

/* About: windows of a zone are longer or shorter now and then. */
static void report_pending(struct continuous *continuous)
{
    pthread_mutex_lock(&continuous->lock);
    for (struct entry *entry = continuous->first; entry; entry = entry->next) {
        entry->report.pending = 0;
        for (size_t i = 0; i < entry->progress.pending.count; i++)
            entry->report.pending += ((uint64_t)entry->progress.pending.items[i].end -
                                      (uint64_t)entry->progress.pending.items[i].start) /
                                     (uint64_t)entry->parsed.schedule.interval_ns;
    }
    pthread_mutex_unlock(&continuous->lock);
}

/* ---------------------------------------------------------------- a tick */

static void run_due(struct continuous *continuous, struct entry *entry, silt_time now)
{
    const struct silt_schedule *schedule = &entry->parsed.schedule;
    silt_time start, end;

    if (!entry->state.has_run)
        begin_entry(continuous, entry, now);
    if (!silt_schedule_due(schedule, &entry->state, now, &start, &end))
        return;
    silt_time done = silt_schedule_window(schedule, now);
    advance_entry(continuous, entry, done);
    run_entry(continuous, entry, now, start, end);
    if (!atomic_load(&continuous->cancelled))
        finish_entry(entry, done);
}

void continuous_tick(struct continuous *continuous, silt_time now)
{
    if (continuous->kept == 0)
        continuous->kept = now;
    refresh_list(continuous);
    for (struct entry *entry = continuous->first; entry && !atomic_load(&continuous->cancelled); entry = entry->next) {
        if (entry->unfit.status != SILT_OK)
            note_error(continuous, entry, &entry->unfit);
        else if (may_run(entry))
            run_due(continuous, entry, now);
    }
    bool keep = now - continuous->kept >= KEEP_NS || now < continuous->kept;
    if (keep)
        take_late_data(continuous);
    run_all_pending(continuous, now);
    report_pending(continuous);
    if (keep || continuous->begun) {
        keep_progress(continuous);
        continuous->kept = now;
        continuous->begun = false;
    }
}

/* ---------------------------------------------------------------- the thread */

/* False when it is to stop. */
static bool pause_for(struct continuous *continuous, uint64_t ns)
{
    struct timespec at = silt_clock_in(ns);
    bool stopping;

    pthread_mutex_lock(&continuous->lock);
    while (!continuous->stopping && pthread_cond_timedwait(&continuous->changed, &continuous->lock, &at) == 0)
        ;
    stopping = continuous->stopping;
    pthread_mutex_unlock(&continuous->lock);
    return !stopping;
}

static void *run(void *arg)
{
    struct continuous *continuous = arg;

    while (pause_for(continuous, continuous->host->options->continuous_queries_interval_ms * NS_PER_MS))
        continuous_tick(continuous, silt_clock_now());
    return NULL;
}

struct continuous *continuous_create(const struct query_host *host)
{
    struct continuous *continuous = silt_calloc(1, sizeof(*continuous));

    continuous->host = host;
    late_data_init(&continuous->late);
    if (host->options->continuous_queries && host->options->late_data && host->options->catch_up_ms) {
        continuous->watching = true;
        silt_storage_watch(host->storage, &continuous->late.watcher);
    }
    pthread_mutex_init(&continuous->lock, NULL);
    silt_cond_init(&continuous->changed);
    return continuous;
}

void continuous_start(struct continuous *continuous)
{
    int error = pthread_create(&continuous->thread, NULL, run, continuous);

    continuous->started = error == 0;
    if (error)
        silt_log(SILT_LOG_WARN, "continuous queries will not be run", "reason=\"%s\"", strerror(error));
}

void continuous_stop(struct continuous *continuous)
{
    if (!continuous)
        return;
    if (continuous->started) {
        atomic_store(&continuous->cancelled, true);
        pthread_mutex_lock(&continuous->lock);
        continuous->stopping = true;
        pthread_cond_signal(&continuous->changed);
        pthread_mutex_unlock(&continuous->lock);
        pthread_join(continuous->thread, NULL);
        continuous->started = false;
    }
    take_late_data(continuous);
    keep_progress(continuous);
}

void continuous_destroy(struct continuous *continuous)
{
    if (!continuous)
        return;
    for (struct entry *entry = continuous->first, *next; entry; entry = next) {
        next = entry->next;
        entry_destroy(continuous, entry);
    }
    if (continuous->watching)
        silt_storage_watch(continuous->host->storage, NULL);
    late_data_deinit(&continuous->late);
    pthread_cond_destroy(&continuous->changed);
    pthread_mutex_destroy(&continuous->lock);
    free(continuous);
}

/* ---------------------------------------------------------------- for who asks */

void continuous_counts(struct continuous *continuous, struct continuous_counts *out)
{
    pthread_mutex_lock(&continuous->lock);
    *out = continuous->counts;
    pthread_mutex_unlock(&continuous->lock);
}

void continuous_reports(struct continuous *continuous, struct silt_arena *arena, struct continuous_report **reports,
                        size_t *count)
{
    size_t capacity = 0;

    *reports = NULL;
    *count = 0;
    pthread_mutex_lock(&continuous->lock);
    for (const struct entry *entry = continuous->first; entry; entry = entry->next) {
        *reports = silt_arena_grow(arena, *reports, &capacity, *count + 1, sizeof(**reports));
        struct continuous_report *report = &(*reports)[(*count)++];
        *report = entry->report;
        report->database = silt_arena_str(arena, entry->database);
        report->name = silt_arena_str(arena, entry->name);
        report->error = silt_arena_str(arena, silt_str_from(entry->error_text));
    }
    pthread_mutex_unlock(&continuous->lock);
}
