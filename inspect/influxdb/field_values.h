/*
 * field_values.h - the values of one field of one series in a shard, out of all the files that have some.
 *
 *     older file   ──block──   ──block──
 *     newer file          ──block──          runs out: strictly rising times, the newest source's value for each
 *     log                            ─values─
 *
 * Blocks are decoded one a source when their turn comes, so memory is bounded by the number of files. In an ordinary shard
 * a run is a whole block, and nothing is copied.
 */
#ifndef INSPECT_INFLUXDB_FIELD_VALUES_H
#define INSPECT_INFLUXDB_FIELD_VALUES_H

#include "inspect/influxdb/tsm_file.h"
#include "inspect/influxdb/wal.h"

struct influx_source {
    const struct influx_tsm *file; /* NULL: the log */
    struct influx_key key;
    uint32_t next_entry, end_entry; /* of blocks not decoded yet */
    const struct influx_tombstone *deleted;
    size_t deleted_count;
    struct influx_block block; /* memory is kept for the next field */
    /* What is decoded: */
    const silt_time *times;
    const union silt_value *values;
    size_t at, count;
};

/* Zero-initialise; free with influx_field_free. One thread. */
struct influx_field {
    struct silt_str name;
    enum silt_type type;
    struct influx_source *sources; /* the newer, the later */
    size_t source_count, capacity;
    uint64_t other_types; /* sources left out: their values have another type than the newest's */
};

struct influx_run {
    const silt_time *times;
    const union silt_value *values;
    size_t count; /* 0: there is no more */
};

void influx_field_free(struct influx_field *field);
/* Begins a new field; sources are added from the oldest to the newest, then it is started. */
void influx_field_begin(struct influx_field *field, struct silt_str name);
void influx_field_add_file(struct influx_field *field, const struct influx_tsm *file, const struct influx_key *key);
void influx_field_add_log(struct influx_field *field, const struct influx_wal_key *key);
void influx_field_start(struct influx_field *field);
/* The next run; valid until the next call. Damaged blocks are told and left out. */
struct influx_run influx_field_next(struct influx_field *field, struct influx_log *log);

#endif
