/*
 * shard_types.h - a field has one type in a shard, in all series of its measurement: InfluxDB refuses other values, and does not
 * open a shard that has them. A log that says otherwise is damaged there; its files have checksums and are believed, or else the
 * more of the log's values.
 */
#ifndef INSPECT_INFLUXDB_SHARD_TYPES_H
#define INSPECT_INFLUXDB_SHARD_TYPES_H

#include "inspect/influxdb/shard_scan.h"

/* Takes such values out of the log, which was finished, and tells them. */
void influx_shard_check_types(struct influx_shard *shard, struct influx_log *log);

#endif
