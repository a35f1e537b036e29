/*
 * client.h - the benchmarks' HTTP client: one keep-alive connection over loopback, whole answers, as little work as can be.
 *
 * Threads: a connection belongs to one. Every failure is told on stderr and given back as false; the connection is of no use
 * then.
 */
#ifndef SILT_BENCH_CLIENT_H
#define SILT_BENCH_CLIENT_H

#include "silt/text.h"

#define CLIENT_PIECE_BYTES ((size_t)64 << 10)

struct client {
    int fd;
    char *piece;    /* what was received and not taken yet: piece[at .. len) */
    size_t at, len; /* at most CLIENT_PIECE_BYTES */
};

bool client_open(struct client *client, int port);
void client_close(struct client *client); /* after a failed open too */
/* A request's head, and its body behind it (may be NULL). */
bool client_send(struct client *client, const char *head, size_t head_len, const char *body, size_t body_len);
/* The next answer: its status, and its body in place of what the buffer holds; chunks are put together. */
bool client_receive(struct client *client, int *status, struct silt_buffer *body);

#endif
