/*
 * wal.h - what stands in InfluxDB's log for one shard: values that were not in TSM files yet, by key.
 *
 *     segment   | kind 1 | bytes 4 | snappy of the entry | kind 1 ...
 *
 * Writes are added, deletes take away what was added before them, in the order of the segments. A torn tail is what a
 * crash leaves: InfluxDB cuts it off, and so does this reader.
 */
#ifndef INSPECT_INFLUXDB_WAL_H
#define INSPECT_INFLUXDB_WAL_H

#include "inspect/influxdb/bytes.h"
#include "silt/text.h"

struct influx_wal_key {
    struct silt_str key;
    enum silt_type type;
    const char *path; /* of the segment that had it first, and where in it */
    uint64_t offset;
    size_t count, capacity;
    silt_time *times; /* after influx_wal_finish: strictly rising */
    union silt_value *values;
};

struct influx_wal {
    silt_time start, end;        /* of the shard: none of its values is before start, or at end or later */
    struct silt_arena *arena;    /* keys and strings */
    struct silt_arena *parsed;   /* a key that is looked at */
    struct influx_wal_key *keys; /* after influx_wal_finish: rising, each with values */
    size_t count, capacity;
    uint32_t *slots; /* hash table of indexes into keys, plus 1 */
    size_t slot_count;
    struct silt_buffer plain;
};

void influx_wal_init(struct influx_wal *wal, silt_time start, silt_time end, struct silt_budget *budget);
void influx_wal_free(struct influx_wal *wal);
/* One segment's bytes; path names it where it is damaged. last: of its shard, where a torn tail is no damage.
 * SILT_LIMIT: more than the budget allows. */
enum silt_status influx_wal_add(struct influx_wal *wal, const char *path, const uint8_t *bytes, size_t len, bool last,
                                struct influx_log *log, struct silt_error *err);
/* After the last segment. */
void influx_wal_finish(struct influx_wal *wal);

#endif
