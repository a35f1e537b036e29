/*
 * stats.h - the server's statistics and what it says of itself, as named, tagged sets of numbers and texts.
 *
 *     httpd  bind=127.0.0.1:8086           authFail 0, clientError 3, ...
 *     shard  database=d, id=7, path=...    diskBytes 4096, ...
 *
 * Whoever shows statistics, in whatever form, takes them from stats_collect: a table today, other forms later.
 *
 * Threads: any. Collecting costs what there is to collect: shards, loops.
 */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include "server/counters.h"
#include "silt/query.h"
#include "silt/server.h"
#include "silt/text.h"

struct continuous;
struct query_registry;
struct datagram_service;
struct forward;

struct stats_source { /* all set once, before anybody asks */
    struct silt_storage *storage;
    struct query_registry *queries;
    struct continuous *continuous;
    const struct silt_server_options *options;
    struct forward *forward;       /* NULL: subscriptions are switched off */
    struct datagram_service *_Atomic datagrams; /* set once it runs; NULL: none */
    struct counters *counters;     /* of each loop, then of each listener for datagrams */
    unsigned counters_count;
    const struct silt_budget *query_budget, *write_budget;
    const _Atomic size_t *connections; /* open */
    uint16_t port;
    silt_time started;
};

struct stat_field {
    struct silt_str name;
    int64_t value;
};

struct statistic { /* one object that is counted */
    struct silt_str name;
    const struct silt_tag *tags; /* by key */
    size_t tag_count;
    const struct stat_field *fields; /* in the order InfluxDB shows them: by name */
    size_t field_count;
};

/* Everything, in InfluxDB's order: runtime, queries, databases, shards, writes, listeners. In the arena. */
void stats_collect(const struct stats_source *source, struct silt_arena *arena, struct statistic **stats, size_t *count);

/* SHOW STATS and SHOW DIAGNOSTICS; module empty: all. */
void stats_show(const struct stats_source *source, struct silt_str module, struct silt_arena *arena,
                struct silt_table **tables, size_t *count);
void diagnostics_show(const struct stats_source *source, struct silt_str module, struct silt_arena *arena,
                      struct silt_table **tables, size_t *count);

/* As text that other programs read: InfluxDB's /debug/vars (JSON), Prometheus' /metrics. */
void stats_write_vars(const struct stats_source *source, struct silt_arena *arena, struct silt_buffer *out);
void stats_write_metrics(const struct stats_source *source, struct silt_arena *arena, struct silt_buffer *out);

#endif
