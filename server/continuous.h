/*
 * continuous.h - runs the continuous queries of all databases when they are due.
 *
 *     every run-interval: list the definitions -> which are due, over which range -> run them one after another
 *                         then, for a part of the interval: what was missed or touched since, the newest first
 *
 * How far each has come is kept in the store now and then, and at the end (progress.h).
 *
 * A thread of its own. A run is a query like any other: it has a number, SHOW QUERIES shows it, KILL QUERY ends it, the
 * limits and the timeout of queries hold for it.
 *
 * Threads: counts and reports may be asked for by any; their lock is not held while a query runs.
 */
#ifndef SERVER_CONTINUOUS_H
#define SERVER_CONTINUOUS_H

#include "server/query_host.h"

struct continuous;

struct continuous_counts {
    uint64_t ok, failed; /* runs since the start */
};

struct continuous_report { /* of one continuous query; texts in the arena */
    struct silt_str database, name;
    uint64_t ok, failed, again; /* again: of the ok ones, those of windows that were missed or touched */
    uint64_t pending;           /* such windows that are still to be calculated, about */
    bool running;
    bool has_run; /* what follows is of the last run */
    silt_time start, end;
    uint64_t duration_ns, written;
    struct silt_str error; /* empty: none */
};

/* The host outlives it. Nothing runs before continuous_start. */
struct continuous *continuous_create(const struct query_host *host);
/* That no thread can be had is logged. */
void continuous_start(struct continuous *continuous);
/* Ends what runs, soon, and keeps how far all have come. NULL, and one that was not started, are fine. */
void continuous_stop(struct continuous *continuous);
void continuous_destroy(struct continuous *continuous); /* stopped; NULL is fine */

/* What its thread does each run-interval. For tests: the thread is not started, the clock is theirs. */
void continuous_tick(struct continuous *continuous, silt_time now);

void continuous_counts(struct continuous *continuous, struct continuous_counts *out);
void continuous_reports(struct continuous *continuous, struct silt_arena *arena, struct continuous_report **reports,
                        size_t *count);

#endif
