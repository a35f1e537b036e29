/*
 * definitions.h - what meta.db defines, made in the store: databases and policies before the data, the rest after it.
 */
#ifndef INSPECT_INFLUXDB_DEFINITIONS_H
#define INSPECT_INFLUXDB_DEFINITIONS_H

#include "inspect/influxdb/meta.h"
#include "silt/storage.h"

/* The database with its policies, which keep everything until influx_finish_database gives them their durations: rows
 * older than those are refused, and InfluxDB shows them until their shard group is dropped. Again is fine. */
enum silt_status influx_define_database(struct silt_storage *storage, const struct influx_database *database,
                                        struct silt_error *err);
/* Durations, the default policy, continuous queries, subscriptions. */
enum silt_status influx_finish_database(struct silt_storage *storage, const struct influx_database *database,
                                        struct silt_error *err);
/* Users with their passwords' hashes, and their privileges on databases that are there. One whose name is taken stays as
 * it is in the store. */
enum silt_status influx_define_users(struct silt_storage *storage, const struct influx_meta *meta,
                                     struct silt_error *err);

#endif
