/*
 * client.c - implements client.h. A large body is received straight into its buffer; heads and the lines between chunks are
 * read from a piece.
 */
#include "bench/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES_MAX 8192

bool client_open(struct client *client, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;

    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0) {
        fprintf(stderr, "connect to port %d: %s\n", port, strerror(errno));
        return false;
    }
    client->piece = silt_malloc(CLIENT_PIECE_BYTES);
    return true;
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->piece);
    *client = (struct client){.fd = -1};
}

static bool send_all(int fd, const char *p, size_t len, int flags)
{
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL | flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fprintf(stderr, "send: %s\n", strerror(errno));
            return false;
        }
        p += n;
        len -= (size_t)n;
    }
    return true;
}

bool client_send(struct client *client, const char *head, size_t head_len, const char *body, size_t body_len)
{
    return send_all(client->fd, head, head_len, body_len ? MSG_MORE : 0) && send_all(client->fd, body, body_len, 0);
}

/* Bytes received at `to`; 0 after it was told why there are none. */
static size_t receive(struct client *client, char *to, size_t room)
{
    ssize_t n;

    do
        n = recv(client->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        fprintf(stderr, "the answer ends too soon: %s\n", n < 0 ? strerror(errno) : "connection closed");
        return 0;
    }
    return (size_t)n;
}

static bool more(struct client *client)
{
    memmove(client->piece, client->piece + client->at, client->len - client->at);
    client->len -= client->at;
    client->at = 0;
    size_t got = client->len < CLIENT_PIECE_BYTES ? receive(client, client->piece + client->len, CLIENT_PIECE_BYTES - client->len) : 0;
    client->len += got;
    return got > 0;
}

/* The text up to and with `end`, in place until the next receive; p is NULL when it does not come. */
static struct silt_str take_until(struct client *client, const char *end, size_t end_len)
{
    for (;;) {
        const char *from = client->piece + client->at;
        const char *found = memmem(from, client->len - client->at, end, end_len);
        if (found) {
            size_t len = (size_t)(found - from) + end_len;
            client->at += len;
            return (struct silt_str){from, len};
        }
        if (client->len - client->at >= HEAD_BYTES_MAX || !more(client))
            return (struct silt_str){0};
    }
}

static bool take_bytes(struct client *client, size_t len, struct silt_buffer *body)
{
    size_t have = client->len - client->at < len ? client->len - client->at : len;

    silt_buffer_append(body, client->piece + client->at, have);
    client->at += have;
    len -= have;
    if (len)
        silt_buffer_reserve(body, len);
    while (len) {
        size_t got = receive(client, body->p + body->len, len);
        if (!got)
            return false;
        body->len += got;
        len -= got;
    }
    return true;
}

static bool take_chunks(struct client *client, struct silt_buffer *body)
{
    for (;;) {
        struct silt_str line = take_until(client, "\r\n", 2);
        if (!line.p)
            return false;
        size_t size = strtoul(line.p, NULL, 16);
        if (size && !take_bytes(client, size, body))
            return false;
        if (!take_until(client, "\r\n", 2).p) /* none of the servers sends trailers */
            return false;
        if (!size)
            return true;
    }
}

/* The value of a header, up to its line's end; p is NULL when there is none. The head ends with an empty line. */
static struct silt_str find_header(struct silt_str head, const char *name)
{
    size_t name_len = strlen(name);

    for (const char *line = head.p, *end; (end = memchr(line, '\n', (size_t)(head.p + head.len - line))); line = end + 1)
        if ((size_t)(end - line) > name_len && strncasecmp(line, name, name_len) == 0 && line[name_len] == ':')
            return (struct silt_str){line + name_len + 1, (size_t)(end - line) - name_len - 1};
    return (struct silt_str){0};
}

bool client_receive(struct client *client, int *status, struct silt_buffer *body)
{
    struct silt_str head = take_until(client, "\r\n\r\n", 4), value;

    body->len = 0;
    if (!head.p || head.len < 16 || memcmp(head.p, "HTTP/1.1 ", 9) != 0) {
        fprintf(stderr, "not an answer: %.*s\n", SILT_FMT(head));
        return false;
    }
    *status = atoi(head.p + 9);
    if (*status == 204 || *status == 304)
        return true;
    value = find_header(head, "Transfer-Encoding");
    if (value.p && memmem(value.p, value.len, "chunked", 7))
        return take_chunks(client, body);
    value = find_header(head, "Content-Length");
    if (!value.p) {
        fprintf(stderr, "an answer without its length: %.*s\n", SILT_FMT(head));
        return false;
    }
    return take_bytes(client, strtoul(value.p, NULL, 10), body);
}
