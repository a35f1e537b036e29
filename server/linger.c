/*
 * linger.c - lingering behind a 413 (http.h).
 *
 * The library answers a body that is too large and closes at once; the unread rest then makes the kernel send a reset,
 * and the client may lose the answer. So a copy of the socket is read empty for a while.
 */
#include "server/http.h"

#include <stdlib.h>
#include <sys/socket.h>

#define LINGER_BYTES_MAX ((size_t)64 << 20)

struct lingering {
    struct http_loop *loop;
    h2o_socket_t *socket;
    size_t left;
    h2o_timeout_entry_t timeout;
};

static void linger_end(struct lingering *linger)
{
    h2o_timeout_unlink(&linger->timeout);
    h2o_socket_close(linger->socket);
    linger->loop->linger_count--;
    free(linger);
}

static void on_linger_read(h2o_socket_t *socket, const char *failure)
{
    struct lingering *linger = socket->data;
    size_t got = socket->input->size;

    h2o_buffer_consume(&socket->input, got);
    if (failure || got >= linger->left || linger->loop->cancelled_all) {
        linger_end(linger);
        return;
    }
    linger->left -= got;
}

static void on_linger_timeout(h2o_timeout_entry_t *entry)
{
    linger_end(H2O_STRUCT_FROM_MEMBER(struct lingering, timeout, entry));
}

void http_linger(struct http_loop *loop, int fd)
{
    struct lingering *linger = silt_calloc(1, sizeof(*linger));

    shutdown(fd, SHUT_WR);
    linger->loop = loop;
    linger->left = LINGER_BYTES_MAX;
    linger->socket = h2o_evloop_socket_create(loop->evloop, fd, 0);
    linger->socket->data = linger;
    linger->timeout.cb = on_linger_timeout;
    h2o_timeout_link(loop->evloop, &loop->linger_timeout, &linger->timeout);
    loop->linger_count++;
    h2o_socket_read_start(linger->socket, on_linger_read);
}
