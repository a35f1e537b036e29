/*
 * collectd_points.h - lists of values as points, named as InfluxDB names them.
 *
 *     load / load [1.5 1.2 1]   split:  load_shortterm,host=h,type=load value=1.5     and two more
 *                               join:   load,host=h,type=load shortterm=1.5,midterm=1.2,longterm=1
 *
 * Tags are host, instance (of the plugin), type and type_instance, where they are not empty. Dropped are values that
 * are not finite (joined: with all of their list), and lists without a time that can be stored or, joined, a plugin.
 * InfluxDB lets a backslash at the end of a name swallow the tag behind it; here it is left out.
 */
#ifndef SERVER_COLLECTD_POINTS_H
#define SERVER_COLLECTD_POINTS_H

#include "server/collectd_packet.h"
#include "server/datagrams.h"

void collectd_make_points(const struct collectd_lists *lists, enum silt_collectd_values form, struct silt_arena *arena,
                          struct datagram_points *out);

#endif
