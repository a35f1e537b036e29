/*
 * udp.h - line protocol in datagrams: a listener for an enabled [[udp]] section.
 */
#ifndef SERVER_UDP_H
#define SERVER_UDP_H

#include "server/datagrams.h"

enum silt_status udp_listen(struct datagram_service *service, const struct silt_udp_options *options,
                            struct counters *counters, struct silt_error *err);

#endif
