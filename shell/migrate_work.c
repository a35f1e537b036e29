/*
 * migrate_work.c - workers, each with a connection to either server, take what comes next:
 *
 *     a slice of a unit that is open; else the next unit, to be planned; else they wait for the others
 *
 *     NEW -> PLANNING -> COPYING -> VERIFYING -> DONE
 *                 ^                     |
 *                 +-- not equal, again -+      a few times: the old server may have been written to meanwhile
 *
 * Few units are open at a time, which bounds memory. Threads: stages, slices and sums are behind the migration's lock;
 * a worker reads with sums of its own, which it adds when all of the slice is there.
 */
#include "shell/migrate_internal.h"

#include "shell/words.h"

#include <stdlib.h>

#define WORKERS_DEFAULT 4
#define WORKERS_MAX 32

enum job_kind { JOB_NONE, JOB_PLAN, JOB_COPY, JOB_READ_BACK };

struct job {
    enum job_kind kind;
    struct unit *unit;
    size_t slice;
};

struct work {
    struct migrate *migrate;
    struct unit **open; /* units that are worked on */
    size_t open_count, open_max;
    size_t busy;
};

struct worker {
    struct work *work;
    struct session source, target;
    struct slice_reader *reader;
    struct day_sums sums;
    pthread_t thread;
};

/* ---------------------------------------------------------------- what comes next */

/* Under the lock. */
static void close_unit(struct work *w, struct unit *unit)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->open_count; i++)
        if (w->open[i] != unit)
            w->open[kept++] = w->open[i];
    w->open_count = kept;
}

static void end_unit(struct work *w, struct unit *unit)
{
    struct migrate *m = w->migrate;
    unit->values = day_sums_total(&unit->found);
    unit->differs = !migrate_judge(m, unit, true) && unit->promised;
    unit->stage = UNIT_DONE;
    (void)migrate_state_done(m, unit); /* a failure stops the migration */
    m->units_done++;
    m->units_differing += unit->differs;
    *(unit->promised ? &m->values_equal : &m->values_newer) += unit->differs ? 0 : unit->values;
    unit_clear(unit);
    close_unit(w, unit);
}

/* A unit whose slices are all done goes on. */
static void advance(struct work *w, struct unit *unit)
{
    struct migrate *m = w->migrate;
    while (unit->stage != UNIT_DONE && unit->stage != UNIT_NEW && unit->stage != UNIT_PLANNING &&
           unit->slices_done == unit->slice_count) {
        if (unit->stage == UNIT_COPYING) {
            unit->stage = UNIT_VERIFYING;
            migrate_plan_reading(unit);
            day_sums_clear(&unit->found);
        } else if (unit->promised && ++unit->tries < MIGRATE_TRIES && !migrate_judge(m, unit, false)) {
            unit->stage = UNIT_NEW; /* stays open; is planned again */
        } else {
            end_unit(w, unit);
        }
    }
}

static struct job find_job(struct work *w)
{
    struct migrate *m = w->migrate;
    for (size_t u = 0; u < w->open_count; u++) {
        struct unit *unit = w->open[u];
        if (unit->stage == UNIT_NEW) {
            unit->stage = UNIT_PLANNING;
            return (struct job){JOB_PLAN, unit, 0};
        }
        for (size_t i = 0; unit->stage != UNIT_PLANNING && i < unit->slice_count; i++)
            if (unit->slices[i].stage == SLICE_WAITING) {
                unit->slices[i].stage = SLICE_BUSY;
                return (struct job){unit->stage == UNIT_COPYING ? JOB_COPY : JOB_READ_BACK, unit, i};
            }
    }
    while (w->open_count < w->open_max && m->next_unit < m->unit_count) {
        struct unit *unit = m->units[m->next_unit++];
        if (unit->stage == UNIT_DONE)
            continue;
        w->open[w->open_count++] = unit;
        advance(w, unit); /* one of an earlier run may have been copied whole */
        return find_job(w);
    }
    return (struct job){JOB_NONE, NULL, 0};
}

/* ---------------------------------------------------------------- doing it */

static bool do_once(struct worker *worker, const struct job *job, struct session *at)
{
    struct migrate *m = worker->work->migrate;
    if (job->kind == JOB_PLAN)
        return migrate_plan(m, at, job->unit);
    return slice_read(worker->reader, at, job->unit, &job->unit->slices[job->slice], job->kind == JOB_COPY,
                      &worker->sums);
}

/* Again, while the server does not answer; false: stopped. */
static bool do_job(struct worker *worker, const struct job *job)
{
    struct migrate *m = worker->work->migrate;
    struct session *at = job->kind == JOB_READ_BACK ? &worker->target : &worker->source;
    uint64_t deadline = silt_clock_monotonic_ns() + (uint64_t)(m->patience_seconds * 1e9);
    long wait_ms = WRITE_FIRST_PAUSE_MS;
    while (!do_once(worker, job, at)) {
        if (m->stopping)
            return false;
        if (!at->unreachable || silt_clock_monotonic_ns() > deadline) {
            struct silt_buffer name = {0};
            migrate_table_name(&name, job->unit->table);
            migrate_stop(m, "%s, %.*s: %.*s", client_address(at->client), SILT_FMT(words_view(&name)),
                         SILT_FMT(words_view(&at->failure)));
            silt_buffer_free(&name);
            return false;
        }
        write_points_pause(&wait_ms, migrate_stopped, m);
    }
    return true;
}

/* Under the lock. */
static void settle_job(struct worker *worker, const struct job *job)
{
    struct migrate *m = worker->work->migrate;
    struct unit *unit = job->unit;
    if (job->kind == JOB_PLAN) {
        unit->stage = UNIT_COPYING;
        (void)migrate_state_plan(m, unit); /* a failure stops the migration */
    } else {
        unit->slices[job->slice].stage = SLICE_DONE;
        unit->slices_done++;
        day_sums_merge(job->kind == JOB_COPY ? &unit->copied : &unit->found, &worker->sums);
        if (job->kind == JOB_COPY)
            (void)migrate_state_copied(m, unit, job->slice, &worker->sums);
    }
    advance(worker->work, unit);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct work *w = worker->work;
    struct migrate *m = w->migrate;
    pthread_mutex_lock(&m->lock);
    while (!m->stopping) {
        struct job job = find_job(w);
        if (job.kind == JOB_NONE) {
            if (!w->busy)
                break;
            struct timespec until = silt_clock_in(100000000); /* a signal only sets `stopping` */
            pthread_cond_timedwait(&m->changed, &m->lock, &until);
            continue;
        }
        w->busy++;
        pthread_mutex_unlock(&m->lock);
        bool ok = do_job(worker, &job);
        pthread_mutex_lock(&m->lock);
        w->busy--;
        if (ok)
            settle_job(worker, &job);
        pthread_cond_broadcast(&m->changed);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* ---------------------------------------------------------------- all of them */

/* Speaks with the same server as `like`, over a connection of its own. */
static void init_session(struct session *s, const struct session *like, struct migrate *m)
{
    struct client_config config = session_client_config(like);
    *s = (struct session){.out = stderr, .cancel = &m->stopping};
    s->client = client_create(&config);
    client_set_cancel(s->client, &m->stopping);
}

static size_t worker_count(const struct options *options)
{
    int64_t jobs = 0;
    if (!silt_parse_int(options->jobs, strlen(options->jobs), &jobs, NULL) || jobs < 1)
        jobs = WORKERS_DEFAULT;
    return jobs > WORKERS_MAX ? WORKERS_MAX : (size_t)jobs;
}

/* Done units count whole, open ones by their slices: copying is most of it. */
static double share_done(const struct work *w)
{
    const struct migrate *m = w->migrate;
    double done = (double)m->units_done;
    for (size_t i = 0; i < w->open_count; i++) {
        const struct unit *unit = w->open[i];
        if (unit->stage != UNIT_COPYING && unit->stage != UNIT_VERIFYING) /* its slices are being made */
            continue;
        double part = unit->slice_count ? (double)unit->slices_done / (double)unit->slice_count : 1;
        done += unit->stage == UNIT_COPYING ? 0.75 * part : 0.75 + 0.25 * part;
    }
    return m->unit_count ? done / (double)m->unit_count : 1;
}

/* Draws until nothing is left to be done. */
static void watch(struct work *w)
{
    struct migrate *m = w->migrate;
    pthread_mutex_lock(&m->lock);
    while (!m->stopping && m->units_done < m->unit_count) {
        struct timespec until = silt_clock_in(100000000);
        pthread_cond_timedwait(&m->changed, &m->lock, &until);
        progress_draw(&m->progress, "", share_done(w), m->rows_written);
    }
    progress_clear(&m->progress);
    pthread_mutex_unlock(&m->lock);
}

void migrate_work(struct migrate *m)
{
    size_t count = worker_count(m->options);
    struct work work = {.migrate = m, .open_max = count + 2};
    work.open = silt_calloc(work.open_max, sizeof *work.open);
    struct worker *workers = silt_calloc(count, sizeof *workers);
    struct client_config target = session_client_config(m->target);
    for (size_t i = 0; i < m->unit_count; i++)
        if (m->units[i]->stage == UNIT_DONE) {
            m->units_done++;
            *(m->units[i]->promised ? &m->values_equal : &m->values_newer) += m->units[i]->values;
        }
    for (size_t i = 0; i < count; i++) {
        workers[i].work = &work;
        init_session(&workers[i].source, &m->source, m);
        init_session(&workers[i].target, m->target, m);
        workers[i].reader = slice_reader_create(m, &target);
        int error = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        silt_assert(error == 0);
    }
    watch(&work);
    for (size_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        session_deinit(&workers[i].source);
        session_deinit(&workers[i].target);
        slice_reader_destroy(workers[i].reader);
        day_sums_free(&workers[i].sums);
    }
    free(workers);
    free(work.open);
}
