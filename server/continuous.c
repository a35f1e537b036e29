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

#include "server/query_registry.h"
#include "silt/definitions.h"
#include "silt/storage.h"
#include "silt/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS 1000000

struct entry { /* a continuous query; belongs to the thread but for `report` */
    struct entry *next;
    struct silt_arena *arena; /* of all texts, and of what is parsed */
    struct silt_str database, name, text;
    struct silt_continuous parsed;
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
    entry->text = silt_arena_str(arena, definition->text);
    entry->unfit.status = silt_query_parse_continuous(entry->text, arena, &entry->parsed, &entry->unfit);
    entry->report.database = entry->database;
    entry->report.name = entry->name;
    return entry;
}

static void entry_destroy(struct entry *entry)
{
    silt_arena_destroy(entry->arena);
    free(entry);
}

static bool is_of(const struct entry *entry, const struct silt_continuous_query *definition)
{
    return silt_str_equal(entry->name, definition->name) && silt_str_equal(entry->database, definition->database) &&
           silt_str_equal(entry->text, definition->text);
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
            entry_destroy(old);
        }
    }
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- one run */

struct run_sink { /* of SELECT ... INTO: a row that says how many points were written, or an error */
    struct silt_sink base;
    struct silt_error err;
    uint64_t written;
};

static enum silt_status sink_begin(struct silt_sink *sink, uint32_t statement_id)
{
    return SILT_OK;
}

static enum silt_status sink_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    return SILT_OK;
}

static enum silt_status sink_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    ((struct run_sink *)sink)->written = (uint64_t)cells[1].i64;
    return SILT_OK;
}

static void sink_message(struct silt_sink *sink, struct silt_str level, struct silt_str text)
{
}

static void sink_error(struct silt_sink *sink, struct silt_str text)
{
    silt_fail(&((struct run_sink *)sink)->err, SILT_INVALID, "%.*s", SILT_FMT(text));
}

static enum silt_status sink_end(struct silt_sink *sink)
{
    return SILT_OK;
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
                                         .cancelled = &continuous->cancelled,
                                         .killed = &task.killed};
    struct run_sink sink = {.base = {.begin = sink_begin, .series = sink_series, .rows = sink_rows,
                                     .message = sink_message, .error = sink_error, .end = sink_end}};

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

static void run_entry(struct continuous *continuous, struct entry *entry, silt_time now, silt_time start, silt_time end)
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
    if (rc == SILT_OK)
        note_success(continuous, entry);
    else
        note_error(continuous, entry, &err);
}

void continuous_tick(struct continuous *continuous, silt_time now)
{
    silt_time start, end;

    refresh_list(continuous);
    for (struct entry *entry = continuous->first; entry && !atomic_load(&continuous->cancelled); entry = entry->next) {
        if (entry->unfit.status != SILT_OK)
            note_error(continuous, entry, &entry->unfit);
        else if (silt_schedule_due(&entry->parsed.schedule, &entry->state, now, &start, &end))
            run_entry(continuous, entry, now, start, end);
    }
}

/* ---------------------------------------------------------------- the thread */

/* False when it is to stop. */
static bool pause_for(struct continuous *continuous, uint64_t ns)
{
    struct timespec at;
    bool stopping;

    clock_gettime(CLOCK_MONOTONIC, &at);
    ns += (uint64_t)at.tv_nsec;
    at.tv_sec += (time_t)(ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
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
    pthread_condattr_t monotonic;

    continuous->host = host;
    pthread_mutex_init(&continuous->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&continuous->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
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
    if (!continuous || !continuous->started)
        return;
    atomic_store(&continuous->cancelled, true);
    pthread_mutex_lock(&continuous->lock);
    continuous->stopping = true;
    pthread_cond_signal(&continuous->changed);
    pthread_mutex_unlock(&continuous->lock);
    pthread_join(continuous->thread, NULL);
    continuous->started = false;
}

void continuous_destroy(struct continuous *continuous)
{
    if (!continuous)
        return;
    for (struct entry *entry = continuous->first, *next; entry; entry = next) {
        next = entry->next;
        entry_destroy(entry);
    }
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
