/*
 * udp.h - line protocol in datagrams: a listener for each enabled [[udp]] section.
 *
 * Threads: each listener has one of its own, which reads, parses and hands batches to the store; no loop has to do with
 * it. Memory is bounded by batch-size and batch-pending: when those are used up the socket is left alone, and what the
 * system then loses is counted.
 */
#ifndef SERVER_UDP_H
#define SERVER_UDP_H

#include "server/counters.h"
#include "server/forward.h"
#include "silt/server.h"

struct udp_service;

struct udp_stats {
    const char *bind;
    uint64_t batches_ok, batches_failed, bytes, datagrams_malformed, points, points_ok, read_failed;
};

/* What listeners count as writes goes into counters[0] .. counters[udp_count - 1]. On failure nothing is left behind.
 */
enum silt_status udp_start(const struct silt_server_options *options, struct silt_storage *storage,
                           struct forward *forward, struct counters *counters, struct udp_service **out,
                           struct silt_error *err);
/* Points that were read are written. NULL is fine. */
void udp_stop(struct udp_service *service);

unsigned udp_listeners(const struct udp_service *service); /* NULL: none */
void udp_stats(const struct udp_service *service, unsigned listener, struct udp_stats *out);

#endif
