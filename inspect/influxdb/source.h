/*
 * source.h - a stopped InfluxDB's folders: what meta.db tells, and where each shard's files are.
 *
 *     DIR/meta/meta.db    DIR/data/DB/POLICY/ID/NAME.tsm    DIR/wal/DB/POLICY/ID/NAME.wal
 */
#ifndef INSPECT_INFLUXDB_SOURCE_H
#define INSPECT_INFLUXDB_SOURCE_H

#include "inspect/influxdb/meta.h"
#include "inspect/influxdb/shard_scan.h"

struct influx_source_dir {
    const char *path;
    struct silt_arena *arena;
    struct influx_meta meta;
};

/* SILT_NOT_FOUND: no InfluxDB data directory. */
enum silt_status influx_source_open(const char *path, struct influx_source_dir *out, struct silt_error *err);
void influx_source_close(struct influx_source_dir *source);
enum silt_status influx_source_shard(const struct influx_source_dir *source, const struct influx_database *database,
                                     const struct influx_policy *policy, const struct influx_shard_info *shard,
                                     struct influx_log *log, struct influx_shard *out, struct silt_error *err);
/* Another number whenever a file came, went, grew or was written: names, sizes and times of all there are. */
enum silt_status influx_source_fingerprint(const struct influx_source_dir *source, uint64_t *out,
                                           struct silt_error *err);

#endif
