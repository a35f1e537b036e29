/*
 * accept.h - connections from their coming to their end, and which loop has each.
 *
 *     kernel -> listener of any loop -> accept -> the loop with the fewest that ask -> its list, until it closes
 *
 * Threads: a loop's own, for everything.
 */
#ifndef SERVER_ACCEPT_H
#define SERVER_ACCEPT_H

#include "server/http.h"

void accept_start(struct http_loop *loop);
void accept_stop(struct http_loop *loop);
/* When a place may have become free. */
void accept_resume(struct http_loop *loop);

/* Whether it had a request lately: the fewer of these a loop has, the rather it is given those that come. */
#define ACCEPT_LATELY_NS 1000000000ULL
static inline bool accept_asked_lately(const struct http_connection *connection, uint64_t now_ns)
{
    return now_ns - connection->asked_ns < ACCEPT_LATELY_NS;
}

#endif
