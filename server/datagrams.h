/*
 * datagrams.h - listeners for points in datagrams: one for each enabled [[udp]] and [[collectd]] section.
 *
 * What the datagrams mean is a format's business (udp.c, collectd.c); a listener reads them, gathers their points into
 * batches and writes those.
 *
 * Threads: each listener has one of its own, which reads, parses and hands batches to the store; no loop has to do with
 * it. Memory is bounded by batch-size and batch-pending: when those are used up the socket is left alone, and what the
 * system then loses is counted.
 */
#ifndef SERVER_DATAGRAMS_H
#define SERVER_DATAGRAMS_H

#include "server/counters.h"
#include "server/forward.h"
#include "silt/server.h"

/* What a datagram holds, in the arena or borrowed from the datagram. */
struct datagram_points {
    struct silt_batch batch;
    uint64_t dropped;    /* points that cannot be stored whatever the store says */
    const char *skipped; /* NULL, or why something was passed over, for the log */
};

struct datagram_format {
    const char *service; /* "udp": the name in statistics and messages */
    bool can_drop;       /* there may be points that it drops */
    /* On the listener's thread. What fails counts as one malformed datagram, and nothing of it is stored. */
    enum silt_status (*read)(void *reader, const char *bytes, size_t len, struct silt_arena *arena,
                             struct datagram_points *out, struct silt_error *err);
    void (*destroy)(void *reader);
};

struct datagram_service;

struct datagram_stats {
    const char *service, *bind;
    bool can_drop;
    uint64_t batches_ok, batches_failed, bytes, malformed, dropped, points, points_ok, read_failed;
};

struct datagram_service *datagrams_create(struct silt_storage *storage, struct forward *forward, size_t listeners_max);
/* A listener more. The reader is the service's from here on, also on failure; options and counters are borrowed. */
enum silt_status datagrams_listen(struct datagram_service *service, const struct datagram_format *format, void *reader,
                                  const struct silt_listener_options *options, struct counters *counters,
                                  struct silt_error *err);
/* Points that were read are written. NULL is fine. */
void datagrams_destroy(struct datagram_service *service);

size_t datagrams_listeners(const struct datagram_service *service); /* NULL: none */
void datagrams_stats(const struct datagram_service *service, size_t listener, struct datagram_stats *out);

#endif
