/*
 * forward_udp.h - points to a subscriber by UDP: a datagram for each, as influxd sends them.
 *
 * Threads: one at a time.
 */
#ifndef SERVER_FORWARD_UDP_H
#define SERVER_FORWARD_UDP_H

#include "server/forward_batch.h"

struct forward_udp;

/* udp://host:port. The name is looked up when something is sent. */
enum silt_status forward_udp_create(struct silt_str url, struct forward_udp **out, struct silt_error *err);
void forward_udp_destroy(struct forward_udp *udp); /* NULL is fine */
/* All points of the batch, up to the first that cannot be sent. */
enum silt_status forward_udp_send(struct forward_udp *udp, struct forward_batch *batch, struct silt_error *err);

#endif
