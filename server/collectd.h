/*
 * collectd.h - what collectd's network plugin sends: a listener for an enabled [[collectd]] section.
 *
 *     collectd_types.c    types.db: the names and kinds of values
 *     collectd_users.c    the file of users and their passwords
 *     collectd_packet.c   a packet to lists of values, signed and encrypted ones too
 *     collectd_points.c   those lists to points
 */
#ifndef SERVER_COLLECTD_H
#define SERVER_COLLECTD_H

#include "server/datagrams.h"

/* Refused where types.db cannot be read; and the file of users, when signatures are asked for. */
enum silt_status collectd_listen(struct datagram_service *service, const struct silt_collectd_options *options,
                                 struct counters *counters, struct silt_error *err);

#endif
