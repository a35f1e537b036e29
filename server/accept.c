/*
 * accept.c - implements accept.h.
 *
 * The kernel spreads connections over the loops' listeners by a hash of their addresses, which with a few connections
 * is a throw of dice: one in fourteen times that eight clients come, two loops have them seven to one or worse, and one
 * core works while the other waits. So whoever accepts hands the socket on to the loop with the least to do.
 *
 * What a loop has to do is told by its connections that asked something within the last second, together with those that came
 * since its last look; thousands that idle (agents, open dashboards) say nothing about it. Between equals the fewest
 * connections count, then the loop that accepted.
 */
#include "server/accept.h"
#include "server/descriptors.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#define ACCEPTS_AT_ONCE 64

/* ---------------------------------------------------------------- a connection of this loop */

static void on_connection_closed(void *arg)
{
    struct http_connection *connection = arg;
    struct http_loop *loop = connection->loop;

    *connection->previous = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    loop->connection_count--;
    atomic_fetch_sub_explicit(&loop->placed_count, 1, memory_order_relaxed);
    atomic_fetch_sub(&loop->server->connection_count, 1);
    if (connection->linger_fd != -1)
        http_linger(loop, connection->linger_fd);
    free(connection);
}

static void name_peer(struct http_connection *connection)
{
    struct sockaddr_storage address;
    socklen_t len = h2o_socket_getpeername(connection->socket, (struct sockaddr *)&address);

    snprintf(connection->peer, sizeof(connection->peer), "-");
    if (len && address.ss_family != AF_UNIX)
        getnameinfo((struct sockaddr *)&address, len, connection->peer, sizeof(connection->peer), NULL, 0,
                    NI_NUMERICHOST);
}

static void adopt(struct http_loop *loop, int fd, bool is_unix)
{
    struct http_connection *connection = silt_calloc(1, sizeof(*connection));

    connection->loop = loop;
    connection->socket = h2o_evloop_socket_create(loop->evloop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    connection->linger_fd = -1;
    connection->asked_ns = connection->progress_ns = connection->checked_ns = silt_clock_monotonic_ns();
    connection->next = loop->connections;
    connection->previous = &loop->connections;
    if (connection->next)
        connection->next->previous = &connection->next;
    loop->connections = connection;
    loop->connection_count++;
    connection->is_unix = is_unix;
    name_peer(connection);
    connection->socket->on_close.cb = on_connection_closed;
    connection->socket->on_close.data = connection;
    h2o_accept(is_unix ? &loop->accept_unix : &loop->accept, connection->socket);
}

/* ---------------------------------------------------------------- whose it becomes */

struct arrival {
    struct http_message message;
    struct http_loop *loop;
    int fd;
    bool is_unix;
};

static void on_arrival(struct http_message *message)
{
    struct arrival *arrival = H2O_STRUCT_FROM_MEMBER(struct arrival, message, message);
    struct http_loop *loop = arrival->loop;

    adopt(loop, arrival->fd, arrival->is_unix);
    atomic_fetch_sub(&loop->arriving_count, 1);
    free(arrival);
}

/* false: the server stops, and that loop may have ended. One that sees stopping unset here has been counted before any loop
 * looks whether it may end (run_loop). */
static bool hand_on(struct http_loop *to, int fd, bool is_unix)
{
    atomic_fetch_add(&to->arriving_count, 1);
    if (atomic_load(&to->server->stopping)) {
        atomic_fetch_sub(&to->arriving_count, 1);
        return false;
    }
    struct arrival *arrival = silt_malloc(sizeof(*arrival));
    *arrival = (struct arrival){.message.run = on_arrival, .loop = to, .fd = fd, .is_unix = is_unix};
    http_post(to, &arrival->message);
    return true;
}

static uint64_t load_of(struct http_loop *loop)
{
    uint64_t asking = atomic_load_explicit(&loop->asking_count, memory_order_relaxed);

    return asking << 32 | atomic_load_explicit(&loop->placed_count, memory_order_relaxed);
}

static void place(struct http_loop *loop, int fd, bool is_unix)
{
    struct http_server *server = loop->server;
    struct http_loop *best = loop;

    for (unsigned i = 0; i < server->loop_count; i++)
        if (load_of(&server->loops[i]) < load_of(best))
            best = &server->loops[i];
    atomic_fetch_add_explicit(&best->asking_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&best->placed_count, 1, memory_order_relaxed);
    if (best != loop && hand_on(best, fd, is_unix))
        return;
    if (best != loop) {
        atomic_fetch_sub_explicit(&best->placed_count, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&loop->placed_count, 1, memory_order_relaxed);
    }
    adopt(loop, fd, is_unix);
}

/* ---------------------------------------------------------------- the listener */

static void on_accept(h2o_socket_t *listener, const char *failure);

void accept_start(struct http_loop *loop)
{
    h2o_socket_read_start(loop->listener, on_accept);
    if (loop->unix_listener)
        h2o_socket_read_start(loop->unix_listener, on_accept);
}

void accept_stop(struct http_loop *loop)
{
    h2o_socket_read_stop(loop->listener);
    if (loop->unix_listener)
        h2o_socket_read_stop(loop->unix_listener);
}

/* The watchdog goes on: accepting on would fail for want of descriptors, and spin. */
static void pause_accepting(struct http_loop *loop)
{
    accept_stop(loop);
    loop->paused = true;
}

void accept_resume(struct http_loop *loop)
{
    if (!loop->paused || loop->draining ||
        atomic_load(&loop->server->connection_count) >= loop->server->options->connections_max)
        return;
    loop->paused = false;
    accept_start(loop);
}

static void on_accept(h2o_socket_t *listener, const char *failure)
{
    struct http_loop *loop = listener->data;
    struct http_server *server = loop->server;
    bool is_unix = listener == loop->unix_listener;
    int on = 1;

    if (failure)
        return;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        if (atomic_load(&server->connection_count) >= server->options->connections_max) {
            pause_accepting(loop);
            return;
        }
        int fd = accept4(h2o_socket_get_fd(listener), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (descriptors_are_short(errno))
                pause_accepting(loop);
            return;
        }
        if (!is_unix)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        atomic_fetch_add(&server->connection_count, 1);
        place(loop, fd, is_unix);
    }
}
