/*
 * shard_scan.h - a shard of InfluxDB's: its files opened together, and its series one after the other, by key.
 *
 *     data/DB/POLICY/ID/NAME.tsm ──┐
 *          ... NAME.tombstone ─────┤──> scan ──> series "cpu,host=a" ──> fields, each a merge of what the files have
 *     wal/DB/POLICY/ID/NAME.wal ───┘
 *
 * Every file's index rises by key, so this is a merge; only the log is held in memory.
 */
#ifndef INSPECT_INFLUXDB_SHARD_SCAN_H
#define INSPECT_INFLUXDB_SHARD_SCAN_H

#include "inspect/influxdb/field_values.h"
#include "inspect/influxdb/meta.h"

struct influx_shard {
    struct influx_tsm **files; /* by name: the newer, the later */
    size_t file_count;
    struct influx_wal wal;
};

/* Folders that are not there have no files. Files that cannot be understood are told and left out; SILT_IO, SILT_LIMIT:
 * the shard cannot be read. */
enum silt_status influx_shard_open(const char *data_folder, const char *wal_folder, const struct influx_shard_info *info,
                                   struct silt_budget *budget, struct influx_log *log, struct influx_shard *out,
                                   struct silt_error *err);
void influx_shard_close(struct influx_shard *shard);

/* Zero-initialise but for shard and log; free with influx_scan_free. One thread. */
struct influx_scan {
    const struct influx_shard *shard;
    struct influx_log *log;
    /* The series that influx_scan_next came to: */
    struct silt_str series;      /* its key, borrowed from a file */
    struct influx_field *fields; /* by name; each has values, or had before they were deleted */
    size_t field_count;
    /* Inside: */
    size_t field_capacity;
    size_t *offsets; /* of each file's next key in its index */
    struct influx_key *keys;
    bool *at_end;
    size_t wal_at;
    bool begun;
};

/* The next series that has values; false at the end. */
bool influx_scan_next(struct influx_scan *scan);
void influx_scan_free(struct influx_scan *scan);

#endif
