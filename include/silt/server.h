/*
 * server.h - a SiltDB server as one object: main.c starts it, so can a test or a benchmark in its own process.
 */
#ifndef SILT_SERVER_H
#define SILT_SERVER_H

#include "silt/base.h"
#include "silt/storage.h"
#include "silt/text.h"

/* The version that clients detect features by, and the name they look for. */
#define SILT_INFLUX_VERSION "1.8.10"
#define SILT_INFLUX_BUILD "OSS"

/* What every listener for datagrams has. */
struct silt_listener_options {
    bool enabled;
    char bind[256];
    char database[256], policy[256]; /* policy empty: the default one */
    uint64_t batch_points, batches_max; /* of points written at once; of writes under way */
    uint64_t batch_ms;                  /* what points wait for others at most */
    uint64_t read_buffer_bytes;         /* of the socket; 0: the system's default */
};

/* A [[udp]] section: line protocol in datagrams. */
#define SILT_UDP_LISTENERS_MAX 16
struct silt_udp_options {
    struct silt_listener_options listen;
    char precision[8];
};

/* A [[collectd]] section: collectd's binary protocol. */
#define SILT_COLLECTD_LISTENERS_MAX 16
enum silt_collectd_security { SILT_COLLECTD_NONE, SILT_COLLECTD_SIGN, SILT_COLLECTD_ENCRYPT }; /* the least that is taken */
enum silt_collectd_values { SILT_COLLECTD_SPLIT, SILT_COLLECTD_JOIN };
struct silt_collectd_options {
    struct silt_listener_options listen;
    char types_path[1024]; /* types.db, or a folder of such files */
    char auth_path[1024];  /* a line for each user: name and password */
    enum silt_collectd_security security;
    enum silt_collectd_values values;
};

/* Every setting, as siltd.toml has it (server/config.c is the table of names, bounds and defaults). A bound of 0 on a
 * number of things is "none" where the comment says so. What is atomic, silt_server_reload changes in a running server. */
struct silt_server_options {
    const char *config_path; /* the file that was read, borrowed; NULL: none */

    /* [data] */
    char data_dir[1024];
    enum silt_sync_mode sync_mode;
    uint64_t sync_interval_ms;
    uint64_t max_memory_bytes;                         /* of everything together; 0: from the machine (server/memory_shares.h) */
    uint64_t memtable_soft_bytes, memtable_hard_bytes; /* 0: a share of max_memory */
    uint64_t index_bytes_max;                          /* of series; 0: a share of max_memory */
    uint64_t series_max, tag_values_max;               /* of a database, of a tag of a measurement; 0: none */
    uint64_t compact_rest_ms;                          /* without a write, until the files of a shard group become one */

    /* [http] */
    char http_bind[256];         /* host:port, :port, [v6]:port; port 0: any free one */
    uint64_t loop_count;         /* 0: one per core */
    uint64_t connections_max;
    uint64_t body_bytes_max;
    uint64_t inflated_bytes_max; /* what a gzip body may become */
    uint64_t header_bytes_max;
    _Atomic uint64_t idle_ms;    /* between requests */
    _Atomic uint64_t header_ms;  /* from a request's first byte to the end of its header */
    _Atomic uint64_t stall_ms;   /* without a byte moving, in a body or a response */
    _Atomic uint64_t request_ms; /* from a request's first byte to the end of its body */
    _Atomic uint64_t rows_max;   /* of an answer that is not chunked; 0: none */
    _Atomic bool access_log, access_log_no_writes;
    char access_log_path[1024];  /* empty: standard error */
    bool https;                  /* and nothing but */
    char https_certificate[1024], https_private_key[1024]; /* key empty: in the certificate's file */
    bool unix_socket;
    char unix_socket_path[108], unix_socket_permissions[8], unix_socket_group[64]; /* permissions octal; group empty: as is */
    bool auth;                   /* requests need credentials, and privileges for what they ask */
    bool ping_auth, debug_auth;  /* so do /ping, /status, /health, /metrics; /debug/vars, an admin's */
    char realm[128];
    char shared_secret[512];     /* of JSON web tokens; empty: none are taken */
    _Atomic uint64_t failed_login_ms; /* the longest a log-in waits after failed ones; 0: none does */

    /* [write] */
    uint64_t write_worker_count; /* 0: one per core */
    _Atomic uint64_t write_queue_max;    /* requests waiting for a worker */
    _Atomic uint64_t write_memory_bytes; /* of all bodies being parsed */

    /* [query] */
    uint64_t query_worker_count; /* queries that run at once; 0: 8 per core */
    uint64_t query_stalled_max;  /* that wait for clients who do not read, beside those */
    _Atomic uint64_t query_queue_max;    /* requests waiting for one */
    _Atomic uint64_t query_memory_bytes; /* of one query; 0: none */
    _Atomic uint64_t memory_bytes;       /* of all queries; 0: none */

    /* [coordinator], 0: none */
    _Atomic uint64_t queries_max;
    _Atomic uint64_t query_timeout_ms, log_queries_after_ms;
    _Atomic uint64_t select_points_max, select_series_max, select_buckets_max;

    /* [continuous_queries] */
    bool continuous_queries;
    bool continuous_queries_log; /* a line per run */
    bool continuous_queries_stats; /* a point per run, in _internal */
    uint64_t continuous_queries_interval_ms;
    uint64_t catch_up_ms; /* how far back missed and late windows are calculated; 0: not at all */
    bool late_data;       /* whether late ones are */

    /* [monitor] */
    bool monitor_store;
    uint64_t monitor_interval_ms;

    /* [retention] */
    bool retention;
    uint64_t retention_interval_ms; /* between two looks for shard groups whose time is over */

    /* [subscriber] */
    bool subscriber, subscriber_insecure;
    char subscriber_ca_file[1024];
    uint64_t subscriber_timeout_ms;
    uint64_t subscriber_concurrency; /* batches under way, of a subscription */
    uint64_t subscriber_batches_max; /* waiting, of a subscription */
    uint64_t subscriber_bytes_max;   /* waiting and under way, of all */

    /* [[udp]] */
    struct silt_udp_options udp[SILT_UDP_LISTENERS_MAX];
    uint64_t udp_count;

    /* [[collectd]] */
    struct silt_collectd_options collectd[SILT_COLLECTD_LISTENERS_MAX];
    uint64_t collectd_count;

    /* [server] */
    uint64_t stop_ms; /* what requests under way may still take after the signal to stop */
    enum silt_log_level log_level;
};

void silt_server_options_init(struct silt_server_options *options); /* the defaults */

struct silt_server;

/* Open the store and listen. On failure err says why and nothing is left behind. */
enum silt_status silt_server_start(const struct silt_server_options *options, struct silt_server **out,
                                   struct silt_error *err);
/* Take from fresh what can change while the server runs; the log tells what did, and what waits for a restart. One
 * thread at a time. */
void silt_server_reload(struct silt_server *server, const struct silt_server_options *fresh);
uint16_t silt_server_port(const struct silt_server *server);
/* Whether every event loop went around within this time: one that did not answers nobody. Any thread, until the stop. */
bool silt_server_turns(const struct silt_server *server, uint64_t within_ns);
/* Stop listening, let requests under way finish (for stop_ms at most), flush the store, close it. NULL is fine. */
enum silt_status silt_server_stop(struct silt_server *server, struct silt_error *err);

#endif
