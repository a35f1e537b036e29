/*
 * http.c - loops, listeners and the watchdog of http.h; accept.c has how connections come.
 *
 * The library keeps one timeout for a whole request, idle time included, and none for a client that does not read. So
 * its own is set out of the way, and the watchdog tells the phases apart:
 *
 *     idle      idle-timeout since the last byte          header    header-timeout since its first byte
 *     body      stall-timeout since the last byte, request-timeout in all
 *     handler   no limit here; is the client still there?
 *     response  stall-timeout since the client took a byte
 *
 * A connection is ended by shutdown(2): the library sees the end of the stream and cleans up by itself.
 */
#include "server/accept.h"
#include "server/auth.h"
#include "server/config.h"
#include "server/http_head.h"
#include "server/listen.h"
#include "server/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <h2o/http1.h>
#include <h2o/http2.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TICK_MS 250
#define NS_PER_MS 1000000ULL
#define INPUT_BYTES ((size_t)16 << 10) /* of each connection, for good: read at once, without copies as they grow */
#define GIVE_UP_MS 10000 /* after everything was cancelled */

/* ---------------------------------------------------------------- pending requests */

struct http_ref { /* in the request's pool: tells the job when the request goes */
    struct http_pending *pending;
};

struct http_connection *http_connection_of(h2o_req_t *req)
{
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);

    return socket ? socket->on_close.data : NULL;
}

static void set_gone(struct http_pending *pending)
{
    if (!atomic_exchange(&pending->gone, true) && pending->on_gone)
        pending->on_gone(pending);
}

static void on_request_disposed(void *arg)
{
    struct http_ref *ref = arg;

    if (!ref->pending)
        return;
    struct http_connection *connection = http_connection_of(ref->pending->req);
    if (connection && connection->pending == ref->pending)
        connection->pending = NULL;
    ref->pending->req = NULL;
    set_gone(ref->pending);
    ref->pending = NULL;
}

void http_pend(struct http_pending *pending, h2o_req_t *req, void (*on_gone)(struct http_pending *pending))
{
    struct http_connection *connection = http_connection_of(req);

    pending->req = req;
    pending->loop = http_loop_of(req);
    pending->on_gone = on_gone;
    atomic_store(&pending->gone, false);
    pending->ref = h2o_mem_alloc_shared(&req->pool, sizeof(*pending->ref), on_request_disposed);
    pending->ref->pending = pending;
    pending->loop->pending_count++;
    if (connection)
        connection->pending = pending;
    if (pending->loop->cancelled_all)
        set_gone(pending);
}

h2o_req_t *http_unpend(struct http_pending *pending)
{
    h2o_req_t *req = pending->req;

    pending->loop->pending_count--;
    if (req) {
        struct http_connection *connection = http_connection_of(req);
        pending->ref->pending = NULL;
        if (connection && connection->pending == pending)
            connection->pending = NULL;
        pending->req = NULL;
    }
    return req;
}

/* The loop is woken by the first of them alone: the log's thread ends the writes of many clients at once. */
void http_post(struct http_loop *loop, struct http_message *message)
{
    struct http_message *latest = atomic_load_explicit(&loop->messages, memory_order_relaxed);

    do
        message->next = latest;
    while (!atomic_compare_exchange_weak_explicit(&loop->messages, &latest, message, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (!latest)
        h2o_multithread_send_message(&loop->receiver, &loop->wake);
}

/* All that were posted, the earliest first. */
static struct http_message *take_messages(struct http_loop *loop)
{
    struct http_message *latest = atomic_exchange_explicit(&loop->messages, NULL, memory_order_acq_rel), *earliest = NULL;

    while (latest) {
        struct http_message *before = latest->next;
        latest->next = earliest;
        earliest = latest;
        latest = before;
    }
    return earliest;
}

/* The message that woke is free again before its loop's list is taken: whoever then begins a new list sees that it is, and sends
 * it anew. */
static void on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct http_loop *loop = H2O_STRUCT_FROM_MEMBER(struct http_loop, receiver, receiver);

    while (!h2o_linklist_is_empty(messages))
        h2o_linklist_unlink(messages->next);
    for (struct http_message *message = take_messages(loop), *next; message; message = next) {
        next = message->next; /* it may be gone, or posted again, when it has run */
        message->run(message);
    }
}

/* ---------------------------------------------------------------- watchdog */

static void end_connection(struct http_connection *connection)
{
    shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
}

/* The kernel does not count bytes of a Unix socket: a body grows in the input, and of what was sent some lies unread. */
static void look_at_unix_progress(struct http_connection *connection, const h2o_req_t *req, uint64_t now)
{
    uint64_t in = connection->socket->input->size, out = req->bytes_sent;
    int unread = 0;

    if (ioctl(h2o_socket_get_fd(connection->socket), SIOCOUTQ, &unread) == 0)
        out -= (uint64_t)unread;
    if (in != connection->bytes_in || out != connection->bytes_out) {
        connection->bytes_in = in;
        connection->bytes_out = out;
        connection->progress_ns = now;
    }
}

/* Has a byte moved since the last look? */
static void look_at_progress(struct http_connection *connection, const h2o_req_t *req, uint64_t now)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    connection->checked_ns = now;
    if (connection->is_unix) {
        look_at_unix_progress(connection, req, now);
        return;
    }
    if (getsockopt(h2o_socket_get_fd(connection->socket), IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return;
    if (info.tcpi_bytes_received != connection->bytes_in || info.tcpi_bytes_acked != connection->bytes_out) {
        connection->bytes_in = info.tcpi_bytes_received;
        connection->bytes_out = info.tcpi_bytes_acked;
        connection->progress_ns = now;
    }
}

static bool client_left(struct http_connection *connection)
{
    struct pollfd look = {h2o_socket_get_fd(connection->socket), POLLRDHUP, 0};

    /* Sees the end of the stream behind bytes that nobody has read yet. */
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static enum http_phase phase_of(h2o_req_t *req, struct http_connection *connection)
{
    if (req->version == 0)
        return req->timestamps.request_begin_at.tv_sec == 0 ? HTTP_IDLE : HTTP_HEADER;
    if (connection->pending)
        return h2o_socket_is_writing(connection->socket) ? HTTP_RESPONSE : HTTP_HANDLER;
    return req->pathconf == NULL ? HTTP_BODY : HTTP_RESPONSE;
}

struct look {
    struct http_loop *loop;
    uint64_t now;
    uint32_t asking_count;
};

static int look_at_request(h2o_req_t *req, void *arg)
{
    struct look *look = arg;
    const struct silt_server_options *options = look->loop->server->options;
    struct http_connection *connection = http_connection_of(req);
    uint64_t now = look->now;

    if (!connection)
        return 0;
    look->asking_count += accept_asked_lately(connection, now);
    enum http_phase phase = phase_of(req, connection);
    struct timeval begin = req->timestamps.request_begin_at;
    if (phase != connection->phase || begin.tv_sec != connection->request_begin.tv_sec ||
        begin.tv_usec != connection->request_begin.tv_usec) {
        connection->phase = phase;
        connection->request_begin = begin;
        connection->phase_since_ns = now;
        if (phase != HTTP_IDLE)
            connection->progress_ns = now;
    }
    uint64_t idle_ns = options->idle_ms * NS_PER_MS;
    if (phase != HTTP_HANDLER && (phase != HTTP_IDLE || now - connection->checked_ns >= idle_ns / 4))
        look_at_progress(connection, req, now);
    uint64_t in_phase = now - connection->phase_since_ns, still = now - connection->progress_ns;

    switch (phase) {
    case HTTP_IDLE:
        if (look->loop->draining || still > idle_ns)
            end_connection(connection);
        break;
    case HTTP_HEADER:
        if (in_phase > options->header_ms * NS_PER_MS)
            end_connection(connection);
        break;
    case HTTP_BODY:
        if (still > options->stall_ms * NS_PER_MS || in_phase > options->request_ms * NS_PER_MS)
            end_connection(connection);
        break;
    case HTTP_RESPONSE:
        if (still > options->stall_ms * NS_PER_MS)
            end_connection(connection);
        break;
    case HTTP_HANDLER:
        if (client_left(connection))
            set_gone(connection->pending);
        break;
    }
    return 0;
}

static void cancel_everything(struct http_loop *loop)
{
    struct http_connection *next;

    loop->cancelled_all = true;
    for (struct http_connection *c = loop->connections; c; c = next) {
        next = c->next;
        if (c->pending)
            set_gone(c->pending);
        end_connection(c);
    }
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    struct http_loop *loop = H2O_STRUCT_FROM_MEMBER(struct http_loop, tick, entry);
    struct http_server *server = loop->server;
    struct look look = {loop, silt_clock_monotonic_ns(), 0};

    atomic_store_explicit(&loop->turned_ns, look.now, memory_order_relaxed);
    server->config.http1.callbacks.foreach_request(&loop->context, look_at_request, &look);
    atomic_store_explicit(&loop->asking_count, look.asking_count, memory_order_relaxed);
    accept_resume(loop);
    if (loop->draining && look.now > loop->drain_deadline_ns)
        cancel_everything(loop);
    auth_tick(loop, look.now);
    access_log_flush(loop->log);
    h2o_timeout_link(loop->evloop, &loop->tick_timeout, &loop->tick);
}

/* ---------------------------------------------------------------- routes */

struct route {
    const char *path;
    const char *allow;     /* in the order InfluxDB names them */
    bool bare_options;     /* OPTIONS is answered 200 */
    void (*handle)(struct http_loop *loop, h2o_req_t *req);
    enum counter requests; /* what a request counts as */
    enum { FOR_ALL, FOR_USERS, FOR_USERS_PING, FOR_USERS_DEBUG } access; /* the last two: where a setting says so */
};

/* The library matches whole segments, first match wins; on_request asks for the exact path. */
static const struct route routes[] = {
    {"/query", "OPTIONS, GET, POST", true, handle_query, COUNT_HTTPD_QUERY_REQ, FOR_USERS},
    {"/write", "OPTIONS, POST", true, handle_write, COUNT_HTTPD_WRITE_REQ, FOR_USERS},
    {"/ping", "GET, HEAD", false, handle_ping, COUNT_HTTPD_PING_REQ, FOR_USERS_PING},
    {"/status", "GET, HEAD", false, handle_status, COUNT_HTTPD_STATUS_REQ, FOR_USERS_PING},
    {"/health", "GET", false, handle_health, COUNT_HTTPD_REQ, FOR_USERS_PING},
    {"/debug/vars", "GET, HEAD, POST", false, handle_debug_vars, COUNT_HTTPD_REQ, FOR_USERS_DEBUG},
    {"/metrics", "GET, HEAD", false, handle_metrics, COUNT_HTTPD_REQ, FOR_USERS_PING},
    {"/api/v1/prom/write", "POST", false, handle_prom_write, COUNT_HTTPD_PROM_WRITE_REQ, FOR_USERS},
    {"/api/v1/prom/read", "POST", false, handle_prom_read, COUNT_HTTPD_PROM_READ_REQ, FOR_USERS},
    {"/api/v1/prom/metrics", "GET, HEAD", false, handle_metrics, COUNT_HTTPD_REQ, FOR_USERS_PING},
    {"/api/v2/write", "OPTIONS, POST", true, handle_v2_write, COUNT_HTTPD_WRITE_REQ, FOR_USERS},
    {"/api/v2/delete", "POST", false, handle_v2_delete, COUNT_HTTPD_REQ, FOR_USERS},
    {"/api/v2/query", "POST", false, handle_v2_query, COUNT_HTTPD_REQ, FOR_ALL},
    {"/backup", "POST", false, handle_backup, COUNT_HTTPD_REQ, FOR_USERS},
};
static const struct route elsewhere = {.path = "", .requests = COUNT_HTTPD_REQ};

struct route_handler {
    h2o_handler_t base;
    const struct route *route; /* NULL: nothing here */
};

static bool allows(const struct route *route, const h2o_req_t *req)
{
    const char *p = route->allow;
    size_t len = req->method.len;

    while (*p) {
        size_t word = strcspn(p, ",");
        if (word == len && memcmp(p, req->method.base, len) == 0)
            return true;
        p += word;
        p += strspn(p, ", ");
    }
    return false;
}

/* ---------------------------------------------------------------- counting */

/* Prometheus' writes are counted as such and among all. */
static bool is_write(const struct route *route)
{
    return route->requests == COUNT_HTTPD_WRITE_REQ || route->requests == COUNT_HTTPD_PROM_WRITE_REQ;
}

/* COUNT_HTTPD_REQ itself is for all of them. */
static void count_begin(struct http_loop *loop, struct http_connection *connection, const struct route *route,
                        const h2o_req_t *req)
{
    if (!route)
        route = &elsewhere;
    connection->counted = route;
    count_one(loop->counters, COUNT_HTTPD_REQ);
    count_one(loop->counters, COUNT_HTTPD_REQ_ACTIVE);
    if (route->requests != COUNT_HTTPD_REQ)
        count_one(loop->counters, route->requests);
    if (is_write(route)) {
        if (route->requests != COUNT_HTTPD_WRITE_REQ)
            count_one(loop->counters, COUNT_HTTPD_WRITE_REQ);
        count_one(loop->counters, COUNT_HTTPD_WRITE_ACTIVE);
        count_add(loop->counters, COUNT_HTTPD_WRITE_BYTES, req->entity.len);
    }
}

/* A request is over, whatever became of it. */
static void on_request_counted(h2o_logger_t *self, h2o_req_t *req)
{
    struct http_connection *connection = http_connection_of(req);

    if (!connection || !connection->counted)
        return;
    struct counters *counters = http_loop_of(req)->counters;
    enum counter requests = connection->counted->requests;
    uint64_t duration_ns = silt_clock_monotonic_ns() - connection->begun_ns;
    count_less(counters, COUNT_HTTPD_REQ_ACTIVE);
    count_add(counters, COUNT_HTTPD_REQ_NS, duration_ns);
    if (requests == COUNT_HTTPD_QUERY_REQ) {
        count_add(counters, COUNT_HTTPD_QUERY_NS, duration_ns);
        count_add(counters, COUNT_HTTPD_QUERY_BYTES, req->bytes_sent);
    } else if (is_write(connection->counted)) {
        count_less(counters, COUNT_HTTPD_WRITE_ACTIVE);
        count_add(counters, COUNT_HTTPD_WRITE_NS, duration_ns);
    }
    if (req->res.status >= 400)
        count_one(counters, req->res.status >= 500 ? COUNT_HTTPD_SERVER_ERROR : COUNT_HTTPD_CLIENT_ERROR);
    connection->counted = NULL;
}

/* ---------------------------------------------------------------- dispatch */

static size_t header_bytes(const h2o_req_t *req)
{
    size_t bytes = req->input.method.len + req->input.path.len;

    for (size_t i = 0; i < req->headers.size; i++)
        bytes += (req->headers.entries[i].name ? req->headers.entries[i].name->len : 0) +
                 req->headers.entries[i].value.len + 4;
    return bytes;
}

static const struct route *find_route(struct silt_str path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (silt_str_equal(path, silt_str_from(routes[i].path)))
            return &routes[i];
    return NULL;
}

static bool needs_user(const struct route *route, const struct silt_server_options *options)
{
    return options->auth && (route->access == FOR_USERS || (route->access == FOR_USERS_PING && options->ping_auth) ||
                             (route->access == FOR_USERS_DEBUG && options->debug_auth));
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    struct http_loop *loop = http_loop_of(req);
    const struct route *route = ((struct route_handler *)self)->route;
    if (!route && http_head_to_origin_form(req))
        route = find_route(http_path(req));
    const struct silt_server_options *options = loop->server->options;
    struct http_connection *connection = http_connection_of(req);

    if (connection) {
        connection->begun_ns = connection->asked_ns = silt_clock_monotonic_ns();
        connection->request_id = connection->user = h2o_iovec_init(NULL, 0);
        connection->own_reply = connection->authenticated = false;
        count_begin(loop, connection, route, req);
    }
    if (loop->draining)
        req->http1_is_persistent = 0;
    if (!http_head_check(req))
        return 0;
    if (!route || !silt_str_equal(http_path(req), silt_str_from(route->path)))
        http_not_found(req);
    else if (!allows(route, req))
        http_method_not_allowed(req, route->allow);
    else if (header_bytes(req) > options->header_bytes_max)
        http_error(req, 431, SILT_STR("request header fields too large"));
    else if (req->entity.len > options->body_bytes_max)
        http_error(req, 413, SILT_STR("Request Entity Too Large"));
    else if (route->bare_options && http_is_method(req, "OPTIONS"))
        http_reply(req, 200, NULL, SILT_STR(""));
    else if (needs_user(route, options))
        auth_require(loop, req, route->handle);
    else
        route->handle(loop, req);
    return 0;
}

static void register_path(struct http_server *server, h2o_hostconf_t *host, const struct route *route)
{
    h2o_pathconf_t *path = route ? h2o_config_register_path(host, route->path, 0) : &host->fallback_path;
    struct route_handler *handler = (void *)h2o_create_handler(path, sizeof(*handler));

    handler->base.on_req = on_request;
    handler->route = route;
    http_register_error_filter(path);
    h2o_create_logger(path, sizeof(h2o_logger_t))->log_access = on_request_counted; /* before the other forgets the time */
    access_log_register(path);
}

/* ---------------------------------------------------------------- loops */

static void on_stop(struct http_message *message)
{
    struct http_loop *loop = H2O_STRUCT_FROM_MEMBER(struct http_loop, stop, message);

    loop->draining = true;
    loop->drain_deadline_ns = silt_clock_monotonic_ns() + loop->server->options->stop_ms * NS_PER_MS;
    accept_stop(loop);
    h2o_socket_close(loop->listener);
    if (loop->unix_listener)
        h2o_socket_close(loop->unix_listener);
    loop->listener = loop->unix_listener = NULL;
    h2o_context_request_shutdown(&loop->context);
}

/* On the loop's own thread, for the library's buffers point to its thread-local data. */
static void dispose_loop(struct http_loop *loop)
{
    for (int i = 0; i < 3; i++)
        h2o_evloop_run(loop->evloop, 0);
    handle_write_free_spares(loop);
    h2o_timeout_unlink(&loop->tick);
    h2o_timeout_dispose(loop->evloop, &loop->tick_timeout);
    h2o_timeout_dispose(loop->evloop, &loop->linger_timeout);
    h2o_timeout_unlink(&loop->context.http2._graceful_shutdown_timeout);
    h2o_multithread_unregister_receiver(loop->context.queue, &loop->receiver);
    h2o_multithread_queue_t *queue = loop->context.queue;
    h2o_context_dispose(&loop->context);
    free(queue);
    h2o_evloop_destroy(loop->evloop);
    access_log_destroy(loop->log);
    loop->log = NULL;
}

/* The loop is done with the old one: connections that it made hold it for themselves. */
static void on_tls_change(struct http_message *message)
{
    struct http_loop *loop = H2O_STRUCT_FROM_MEMBER(struct http_loop, tls_change, message);

    loop->accept.ssl_ctx = loop->server->tls;
    sem_post(&loop->server->tls_taken);
}

enum silt_status http_reload_tls(struct http_server *server, struct silt_error *err)
{
    SSL_CTX *fresh, *old = server->tls;
    enum silt_status rc;

    if (!old)
        return SILT_OK;
    if ((rc = tls_create(server->options, &fresh, err)) != SILT_OK)
        return rc;
    server->tls = fresh;
    for (unsigned i = 0; i < server->loop_count; i++)
        http_post(&server->loops[i], &server->loops[i].tls_change);
    for (unsigned i = 0; i < server->loop_count; i++)
        while (sem_wait(&server->tls_taken) != 0)
            ;
    tls_destroy(old);
    return SILT_OK;
}

static void *run_loop(void *arg)
{
    struct http_loop *loop = arg;
    bool given_up = false;

    while (!given_up) {
        if (h2o_evloop_run(loop->evloop, INT32_MAX) != 0 && errno != EINTR) {
            silt_log(SILT_LOG_ERROR, "event loop failed", "loop=%u errno=%d", loop->index, errno);
            abort();
        }
        if (!loop->draining)
            continue;
        if (loop->connection_count == 0 && loop->linger_count == 0 && loop->pending_count == 0 &&
            atomic_load(&loop->arriving_count) == 0)
            break;
        given_up = silt_clock_monotonic_ns() > loop->drain_deadline_ns + GIVE_UP_MS * NS_PER_MS;
    }
    if (given_up)
        return loop; /* something still refers to it: it is left as it is */
    dispose_loop(loop);
    return NULL;
}

static void configure(struct http_server *server)
{
    h2o_globalconf_t *config = &server->config;

    /* Bodies stay in memory: the library would otherwise move them to files from 32 MB on. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(NULL, 0);
    /* One more than allowed: the library refuses a chunked body of exactly its limit. */
    config->max_request_entity_size = server->options->body_bytes_max + 1;
    config->http1.req_timeout = 24 * 3600 * 1000;
    config->http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        register_path(server, host, &routes[i]);
    register_path(server, host, NULL);
}

static void *start_loop(void *arg)
{
    struct http_loop *loop = arg;

    h2o_socket_buffer_prototype._initial_buf.capacity = INPUT_BYTES; /* the thread's own */
    loop->evloop = h2o_evloop_create();
    h2o_context_init(&loop->context, loop->evloop, &loop->server->config);
    h2o_multithread_register_receiver(loop->context.queue, &loop->receiver, on_messages);
    loop->accept = loop->accept_unix = (h2o_accept_ctx_t){.ctx = &loop->context, .hosts = loop->server->config.hosts};
    loop->accept.ssl_ctx = loop->server->tls;
    loop->tls_change.run = on_tls_change;
    loop->stop.run = on_stop;
    loop->log = access_log_create(loop->server->log_fd);
    loop->listener = h2o_evloop_socket_create(loop->evloop, loop->listen_fd, H2O_SOCKET_FLAG_DONT_READ);
    loop->listener->data = loop;
    if (loop->unix_fd >= 0) {
        loop->unix_listener = h2o_evloop_socket_create(loop->evloop, loop->unix_fd, H2O_SOCKET_FLAG_DONT_READ);
        loop->unix_listener->data = loop;
    }
    accept_start(loop);
    h2o_timeout_init(loop->evloop, &loop->linger_timeout, HTTP_LINGER_MS);
    h2o_timeout_init(loop->evloop, &loop->tick_timeout, TICK_MS);
    loop->tick.cb = on_tick;
    h2o_timeout_link(loop->evloop, &loop->tick_timeout, &loop->tick);
    atomic_store(&loop->turned_ns, silt_clock_monotonic_ns());
    pthread_barrier_wait(&loop->server->ready);
    return run_loop(loop);
}

static unsigned count_loops(const struct silt_server_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return options->loop_count ? (unsigned)options->loop_count : cores > 0 ? (unsigned)cores : 1;
}

static void close_listeners(struct http_server *server)
{
    for (unsigned i = 0; i < server->loop_count; i++) {
        if (server->loops[i].listen_fd >= 0)
            close(server->loops[i].listen_fd);
        if (server->loops[i].unix_fd >= 0)
            close(server->loops[i].unix_fd);
    }
}

/* Of a TCP port each loop has a socket of its own, of the Unix socket a copy. */
static enum silt_status open_listeners(struct http_server *server, uint16_t *port, struct silt_error *err)
{
    const struct silt_server_options *options = server->options;
    enum silt_status rc = SILT_OK;

    for (unsigned i = 0; i < server->loop_count; i++) {
        struct http_loop *loop = &server->loops[i];
        loop->server = server;
        loop->index = i;
        loop->counters = &server->stats.counters[i];
        loop->listen_fd = loop->unix_fd = -1;
    }
    for (unsigned i = 0; rc == SILT_OK && i < server->loop_count; i++)
        rc = listen_tcp(options->http_bind, *port, &server->loops[i].listen_fd, port, err);
    if (rc == SILT_OK && options->unix_socket)
        rc = listen_unix(options, &server->loops[0].unix_fd, err);
    for (unsigned i = 1; rc == SILT_OK && options->unix_socket && i < server->loop_count; i++) {
        server->loops[i].unix_fd = fcntl(server->loops[0].unix_fd, F_DUPFD_CLOEXEC, 0);
        if (server->loops[i].unix_fd < 0)
            rc = silt_fail_errno(err, errno, "http.bind-socket");
    }
    if (rc != SILT_OK)
        close_listeners(server);
    else if (!options->auth && !listen_is_loopback(server->loops[0].listen_fd))
        silt_log(SILT_LOG_WARN, "whoever reaches this server may read, change and delete everything: "
                 "authentication is off (http.auth-enabled)", "bind=\"%s\"", options->http_bind);
    return rc;
}

void http_prepare(struct http_server *server)
{
    server->loop_count = count_loops(server->options);
    unsigned count = server->loop_count + (unsigned)(server->options->udp_count + server->options->collectd_count);
    server->stats.counters = aligned_alloc(_Alignof(struct counters), count * sizeof(struct counters));
    silt_assert(server->stats.counters);
    memset(server->stats.counters, 0, count * sizeof(struct counters));
    server->stats.counters_count = count;
}

enum silt_status http_start(struct http_server *server, struct silt_error *err)
{
    const struct silt_server_options *options = server->options;
    char host[256];
    uint16_t port;
    enum silt_status rc;

    if ((rc = config_split_address(options->http_bind, host, sizeof(host), &port, err)) != SILT_OK ||
        (rc = listen_check_port(options->http_bind, err)) != SILT_OK)
        return rc;
    if (options->https && (rc = tls_create(options, &server->tls, err)) != SILT_OK)
        return rc;
    server->loops = silt_calloc(server->loop_count, sizeof(*server->loops));
    if ((rc = open_listeners(server, &port, err)) != SILT_OK) {
        free(server->loops);
        server->loops = NULL;
        tls_destroy(server->tls);
        return rc;
    }
    server->port = server->stats.port = port;
    configure(server);

    sem_init(&server->tls_taken, 0, 0);
    pthread_barrier_init(&server->ready, NULL, server->loop_count + 1);
    for (unsigned i = 0; i < server->loop_count; i++) {
        int failure = pthread_create(&server->loops[i].thread, NULL, start_loop, &server->loops[i]);
        silt_assert(!failure);
    }
    pthread_barrier_wait(&server->ready);
    return SILT_OK;
}

bool http_turns(const struct http_server *server, uint64_t within_ns)
{
    uint64_t now = silt_clock_monotonic_ns();

    for (unsigned i = 0; i < server->loop_count; i++) {
        uint64_t turned = atomic_load_explicit(&server->loops[i].turned_ns, memory_order_relaxed);
        if (turned < now && now - turned > within_ns) /* it may have turned since now was read */
            return false;
    }
    return true;
}

enum silt_status http_stop(struct http_server *server, struct silt_error *err)
{
    unsigned stuck = 0;

    atomic_store(&server->stopping, true);
    for (unsigned i = 0; i < server->loop_count; i++)
        http_post(&server->loops[i], &server->loops[i].stop);
    for (unsigned i = 0; i < server->loop_count; i++) {
        void *left = NULL;
        pthread_join(server->loops[i].thread, &left);
        stuck += left != NULL;
    }
    if (stuck)
        return silt_fail(err, SILT_BUSY, "requests did not end in time");
    if (server->options->unix_socket)
        listen_unix_remove(server->options);
    sem_destroy(&server->tls_taken);
    tls_destroy(server->tls);
    pthread_barrier_destroy(&server->ready);
    h2o_config_dispose(&server->config);
    free(server->loops);
    server->loops = NULL;
    return SILT_OK;
}
