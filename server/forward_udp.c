/*
 * forward_udp.c - see forward_udp.h.
 *
 * The socket is kept; the name is looked up again after a failure, and now and then, for it may have moved.
 */
#include "server/forward_udp.h"
#include "server/config.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_UP_AGAIN_NS 30000000000ull

struct forward_udp {
    char host[256];
    uint16_t port;
    int fd; /* -1: none */
    uint64_t looked_up_ns;
};

enum silt_status forward_udp_create(struct silt_str url, struct forward_udp **out, struct silt_error *err)
{
    struct forward_udp *udp = silt_calloc(1, sizeof(*udp));
    char *text = silt_strdup(url), *authority = strstr(text, "://"), *user;

    udp->fd = -1;
    authority = authority ? authority + 3 : text;
    authority[strcspn(authority, "/?#")] = 0;
    if ((user = strrchr(authority, '@')))
        authority = user + 1;
    enum silt_status rc = config_split_address(authority, udp->host, sizeof(udp->host), &udp->port, err);
    free(text);
    if (rc != SILT_OK) {
        free(udp);
        return rc;
    }
    *out = udp;
    return SILT_OK;
}

static void close_socket(struct forward_udp *udp)
{
    if (udp->fd >= 0)
        close(udp->fd);
    udp->fd = -1;
}

void forward_udp_destroy(struct forward_udp *udp)
{
    if (!udp)
        return;
    close_socket(udp);
    free(udp);
}

static enum silt_status open_socket(struct forward_udp *udp, struct silt_error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *found;
    char service[8];
    int failure = EADDRNOTAVAIL;

    snprintf(service, sizeof(service), "%u", udp->port);
    int code = getaddrinfo(*udp->host ? udp->host : NULL, service, &hints, &found);
    if (code)
        return silt_fail(err, SILT_IO, "%s: %s", udp->host, gai_strerror(code));
    for (struct addrinfo *a = found; a && udp->fd < 0; a = a->ai_next) {
        udp->fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (udp->fd >= 0 && connect(udp->fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        failure = errno;
        close_socket(udp);
    }
    freeaddrinfo(found);
    udp->looked_up_ns = silt_clock_monotonic_ns();
    return udp->fd >= 0 ? SILT_OK : silt_fail_errno(err, failure, "%s:%u", udp->host, udp->port);
}

enum silt_status forward_udp_send(struct forward_udp *udp, struct forward_batch *batch, struct silt_error *err)
{
    enum silt_status rc;

    if (udp->fd >= 0 && silt_clock_monotonic_ns() - udp->looked_up_ns > LOOK_UP_AGAIN_NS)
        close_socket(udp);
    if (udp->fd < 0 && (rc = open_socket(udp, err)) != SILT_OK)
        return rc;
    forward_batch_body(batch);
    for (size_t i = 0; i < forward_batch_points(batch); i++) {
        struct silt_str line = forward_batch_line(batch, i);
        if (send(udp->fd, line.p, line.len, MSG_NOSIGNAL) >= 0)
            continue;
        rc = silt_fail_errno(err, errno, "%s:%u", udp->host, udp->port);
        close_socket(udp);
        return rc;
    }
    return SILT_OK;
}
