/*
 * query_registry.h - the queries that run now: SHOW QUERIES lists them, KILL QUERY ends one, and their number is bounded.
 *
 *     qid 7 -> query_task (on its worker's stack): query, database, begun, killed; rows, bytes, memory so far
 *
 * A task is the queries of one request. It is in the list from query_registry_enter to query_registry_leave; who lists
 * or kills holds the lock meanwhile, so that the task and the parsed query in it stay.
 *
 * Threads: any. One lock, taken once when a request's queries begin and once when they end.
 */
#ifndef SERVER_QUERY_REGISTRY_H
#define SERVER_QUERY_REGISTRY_H

#include "silt/query.h"

#include <pthread.h>

struct query_task {
    uint64_t id;
    const struct silt_query *query; /* NULL: it is none of InfluxQL, and told by */
    struct silt_str text;
    struct silt_str database;
    uint64_t begun_ns; /* monotonic */
    /* What it has given and holds; counted by its worker, read by anybody. NULL: not counted. */
    const _Atomic uint64_t *rows, *bytes;
    const struct silt_budget *memory;
    _Atomic bool killed;
    bool tried; /* within an allowance, too short to be listed */
    bool again; /* what was tried counts when it is done by somebody else, under another id */
    struct query_task *next, **previous;
};

struct query_registry {
    pthread_mutex_t lock; /* guards this group: */
    struct query_task *first, **end; /* by id */
    uint64_t last_id;
    size_t running;
    uint64_t executed, finished, duration_ns; /* since the start */
};

struct query_registry_counts {
    uint64_t active, executed, finished, duration_ns;
};

void query_registry_init(struct query_registry *registry);
void query_registry_deinit(struct query_registry *registry);

/* limit: of queries that run at once; 0: none. SILT_LIMIT with InfluxDB's text: not entered. task stays where it is. */
enum silt_status query_registry_enter(struct query_registry *registry, struct query_task *task, size_t limit,
                                      struct silt_error *err);
void query_registry_leave(struct query_registry *registry, struct query_task *task);

/* SILT_NOT_FOUND "no such query id: 7", SILT_CONFLICT "already killed". */
enum silt_status query_registry_kill(struct query_registry *registry, uint64_t id, struct silt_error *err);
/* qid, query, database, duration, status as in InfluxDB; then rows, bytes, memory. */
void query_registry_show(struct query_registry *registry, struct silt_arena *arena, struct silt_table *out);
void query_registry_counts(struct query_registry *registry, struct query_registry_counts *out);

#endif
