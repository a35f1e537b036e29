/*
 * http.h - the HTTP front end: event loops, listeners, connections, routes, the life of a request.
 *
 *     loop 0..n-1   each a thread with its own SO_REUSEPORT listener, connections (whoever accepted them) and timers
 *        request -> route -> handler: answers at once (reply.c), or
 *                                     pends the request and gives work to a pool; the worker's last act is
 *                                     http_post(), which runs a function on the request's loop
 *
 * HTTP/1 only: while a request is pending, the library neither reads the socket nor runs a timer for it, so request
 * and body stay where they are and a worker may borrow them. A watchdog looks at every connection a few times a
 * second and ends those that idle, crawl, or do not read; it also notices clients that left.
 *
 * Threads: a loop's data belongs to its thread. Only http_post and the counters of struct http_server are for all.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <h2o.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>

#include "server/answer.h"
#include "server/query_host.h"
#include "server/query_registry.h"
#include "server/stalled.h"
#include "server/stats.h"
#include "silt/pool.h"
#include "silt/server.h"

struct http_server;
struct auth_gate;
struct login;
struct route;
struct http_loop;
struct http_pending;

/* ---------------------------------------------------------------- connections and loops */

enum http_phase { HTTP_IDLE, HTTP_HEADER, HTTP_BODY, HTTP_HANDLER, HTTP_RESPONSE };

struct http_connection {
    struct http_loop *loop;
    h2o_socket_t *socket;
    struct http_connection *next, **previous;
    char peer[64]; /* numeric address */
    bool is_unix;

    /* the request under way */
    uint64_t begun_ns;           /* monotonic, when its handler was called */
    uint64_t asked_ns;           /* the same of the latest one, or when the connection came */
    h2o_iovec_t request_id;      /* in the request's pool */
    h2o_iovec_t user;            /* the same; who says to ask: for the log */
    bool authenticated;          /* and it is true */
    const struct route *counted; /* under way, and counted as such; NULL: neither */
    bool own_reply;              /* the response is ours, not the library's own error */
    struct http_pending *pending;

    /* watchdog */
    enum http_phase phase;
    struct timeval request_begin;
    uint64_t phase_since_ns, progress_ns, checked_ns;
    uint64_t bytes_in, bytes_out;
    int linger_fd; /* kept past the library's close, to read what the client still sends; -1: none */
};

struct http_message {
    struct http_message *next; /* posted before it */
    void (*run)(struct http_message *message);
};

struct access_log;

struct http_loop {
    struct http_server *server;
    unsigned index;
    pthread_t thread;
    int listen_fd, unix_fd; /* unix_fd -1: none */
    h2o_evloop_t *evloop;
    h2o_context_t context;
    h2o_accept_ctx_t accept, accept_unix; /* the first with TLS, where that is on */
    struct http_message tls_change;
    _Atomic(struct http_message *) messages; /* the latest first; any thread puts one, the loop takes them all */
    h2o_multithread_receiver_t receiver;
    h2o_multithread_message_t wake; /* on its way once there are messages */
    h2o_socket_t *listener, *unix_listener; /* unix_listener NULL: none */
    bool paused; /* the listener, at the bound on connections, or without a descriptor for one */
    h2o_timeout_t tick_timeout, linger_timeout;
    h2o_timeout_entry_t tick;
    struct http_connection *connections;
    size_t connection_count, linger_count;
    /* For those that accept (accept.c), on any loop: connections that are its own or on their way, how many of them asked
     * lately; and how many messages will still bring one. */
    _Atomic uint32_t placed_count, asking_count, arriving_count;
    size_t pending_count; /* jobs that will still post to this loop */
    _Atomic uint64_t turned_ns; /* monotonic, when it last went around: any thread looks */
    bool draining;
    uint64_t drain_deadline_ns;
    bool cancelled_all;
    struct http_message stop;
    struct access_log *log;
    struct counters *counters;
    struct login *delayed_logins;  /* auth.c's */
    struct write_job *free_writes; /* handle_write.c's spare jobs */
    size_t free_write_count;
    uint64_t request_serial;
};

struct http_server {
    const struct silt_server_options *options;
    struct silt_storage *storage;
    struct silt_admin *admin;
    struct silt_pool *write_pool, *query_pool; /* jobs that may wait */
    struct silt_pool *compute_pool;            /* a query's loops; its jobs never wait for a client */
    struct auth_gate *gate;          /* NULL: everybody may do everything */
    struct silt_budget query_budget, write_budget;
    struct stalled_list stalled; /* of query_pool */
    struct query_registry queries;
    struct query_host query_host;
    struct stats_source stats;
    h2o_globalconf_t config;
    struct http_loop *loops;
    pthread_barrier_t ready; /* all loops listen */
    unsigned loop_count;
    uint16_t port;
    SSL_CTX *tls;    /* NULL: plain. Changed by http_reload_tls alone */
    sem_t tls_taken; /* posted by each loop */
    int log_fd; /* of the access log; a number of its own even for standard error, so that it can be led elsewhere */
    _Atomic size_t connection_count;
    _Atomic bool stopping;
};

/* How many loops there will be, and the counters of all that counts. */
void http_prepare(struct http_server *server);
/* Listen and start the loops. Everything but config, loops and port is set before. */
enum silt_status http_start(struct http_server *server, struct silt_error *err);
/* Drain and end the loops; every job has posted when this returns SILT_OK. SILT_BUSY: some never did. */
enum silt_status http_stop(struct http_server *server, struct silt_error *err);
/* Whether every loop went around within this time. Any thread, between the two above. */
bool http_turns(const struct http_server *server, uint64_t within_ns);

/* Certificate and key as the files are now, for connections from now on; an error leaves those before. From the thread that
 * starts and stops. */
enum silt_status http_reload_tls(struct http_server *server, struct silt_error *err);

/* Run message->run on the loop. Any thread; message stays until it has run. */
void http_post(struct http_loop *loop, struct http_message *message);

/* Takes fd, a copy of a connection's socket, and reads what still comes, for so long at most. On the loop. */
#define HTTP_LINGER_MS 3000
void http_linger(struct http_loop *loop, int fd);

/* ---------------------------------------------------------------- pending requests */

/* Part of a job. Loop thread only, but for gone. */
struct http_pending {
    h2o_req_t *req; /* NULL once the request is no more */
    struct http_loop *loop;
    struct http_ref *ref;
    _Atomic bool gone; /* the client left; or the server wants an end */
    void (*on_gone)(struct http_pending *pending); /* may be NULL */
};

void http_pend(struct http_pending *pending, h2o_req_t *req, void (*on_gone)(struct http_pending *pending));
/* The request, to be answered now, or NULL. After this the job is on its own. */
h2o_req_t *http_unpend(struct http_pending *pending);

static inline struct http_loop *http_loop_of(h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct http_loop, context, req->conn->ctx);
}
struct http_connection *http_connection_of(h2o_req_t *req);

/* ---------------------------------------------------------------- requests and replies (http_reply.c) */

static inline struct silt_str http_str(h2o_iovec_t v)
{
    return (struct silt_str){v.base ? v.base : "", v.base ? v.len : 0};
}
bool http_is_method(const h2o_req_t *req, const char *method);
struct silt_str http_header(const h2o_req_t *req, const char *lower_case_name);
struct silt_str http_path(const h2o_req_t *req); /* as sent, without the query string */
struct silt_str http_query_string(const h2o_req_t *req);

/* Version, build, request id, CORS: what every routed response carries. */
void http_add_standard_headers(h2o_req_t *req);
void http_add_header(h2o_req_t *req, const char *name, struct silt_str value); /* name static; value copied */
/* body is copied. content_type NULL: none; empty: that of an answer in the form asked for. */
void http_reply(h2o_req_t *req, int status, const char *content_type, struct silt_str body);
/* 200, and no length told in front, as InfluxDB and our own streams do it: an answer to a query. body is copied. */
void http_reply_answer(h2o_req_t *req, const char *content_type, struct silt_str body);
/* {"error":"text"}, or the same in the form asked for, with X-Influxdb-Error. */
void http_error(h2o_req_t *req, int status, struct silt_str text);
/* The form of answer that the Accept header names: by the whole header, as InfluxDB 1.6 does; else JSON. */
enum answer_kind http_answer_kind(const h2o_req_t *req);
const char *http_content_type(enum answer_kind kind);
void http_not_found(h2o_req_t *req);
void http_text_error(h2o_req_t *req, int status, struct silt_str text); /* plain, with its newline */
void http_method_not_allowed(h2o_req_t *req, const char *allowed);
const char *http_reason(int status);
/* Who asks, as proved by their credentials; empty: nobody, or it was not asked for. Loop thread. */
struct silt_str http_user(h2o_req_t *req);
/* Who asks, for the access log; reads the header and the query string. */
void http_note_user(h2o_req_t *req);
/* Puts our JSON in place of the library's own error pages. */
void http_register_error_filter(h2o_pathconf_t *path);

/* ---------------------------------------------------------------- routes (handle_*.c) */

void handle_write(struct http_loop *loop, h2o_req_t *req);
void handle_prom_write(struct http_loop *loop, h2o_req_t *req);
void handle_prom_read(struct http_loop *loop, h2o_req_t *req);
void handle_v2_write(struct http_loop *loop, h2o_req_t *req);
void handle_v2_delete(struct http_loop *loop, h2o_req_t *req);
void handle_v2_query(struct http_loop *loop, h2o_req_t *req);
void handle_backup(struct http_loop *loop, h2o_req_t *req);
void handle_query(struct http_loop *loop, h2o_req_t *req);
void handle_ping(struct http_loop *loop, h2o_req_t *req);
void handle_status(struct http_loop *loop, h2o_req_t *req);
void handle_health(struct http_loop *loop, h2o_req_t *req);
void handle_debug_vars(struct http_loop *loop, h2o_req_t *req);
void handle_metrics(struct http_loop *loop, h2o_req_t *req);
void handle_write_free_spares(struct http_loop *loop);

/* Where points go. */
struct write_address {
    struct silt_str database, rp; /* rp empty: the default one */
    int64_t precision_ns;
};
struct params;
/* 0, or the HTTP status of a request that is refused, with err. */
typedef int (*write_address_fn)(const struct params *params, struct silt_arena *arena, struct write_address *out,
                                struct silt_error *err);
enum write_format { WRITE_LINES, WRITE_PROMETHEUS };
void handle_write_to(struct http_loop *loop, h2o_req_t *req, write_address_fn address_fn, enum write_format format);

/* ---------------------------------------------------------------- access log (access_log.c) */

/* *fd: the file of the options, standard error where they name none; -1 on failure. */
enum silt_status access_log_open(const struct silt_server_options *options, int *fd, struct silt_error *err);
/* fd leads to the file of that name as it is now; on failure it stays what it was. Any thread. */
enum silt_status access_log_reopen(int fd, const struct silt_server_options *options, struct silt_error *err);
struct access_log *access_log_create(int fd);
void access_log_destroy(struct access_log *log); /* flushes; NULL is fine */
void access_log_flush(struct access_log *log);
void access_log_register(h2o_pathconf_t *path);

#endif
