/*
 * tsm_file.h - one TSM1 file of InfluxDB, with the tombstones beside it.
 *
 *     | magic 16d116d1, version 1: 5 | block | block ... | index | offset of the index 8 |
 *
 *     block   | CRC-32 of the rest 4 | codec.h's block |
 *     index   | key length 2 | key | type 1 | count 2 | entry | entry ... | key ...         rising by key
 *     entry   | first time 8 | last time 8 | offset of the block 8 | its bytes 4 |
 *
 * A key is a series key, "#!~#", and a field's name. All numbers are big-endian. The file is mapped; nothing of it is
 * believed before it is checked.
 */
#ifndef INSPECT_INFLUXDB_TSM_FILE_H
#define INSPECT_INFLUXDB_TSM_FILE_H

#include "inspect/influxdb/bytes.h"
#include "inspect/influxdb/codec.h"
#include "inspect/influxdb/tombstone.h"

struct influx_tsm {
    char *path;
    const uint8_t *bytes;
    size_t len;
    size_t index, index_end; /* offsets */
    struct influx_tombstones tombstones;
};

struct influx_key {
    struct silt_str key; /* borrowed from the file */
    enum silt_type type;
    const uint8_t *entries;
    uint32_t entry_count;
    size_t next; /* offset of the key that follows; index_end after the last */
};

struct influx_entry {
    silt_time min, max;
    uint64_t offset;
    uint32_t bytes;
};

/* Of bytes that outlive it. NULL, or what is wrong with it as a whole. */
const char *influx_tsm_init(struct influx_tsm *file, const uint8_t *bytes, size_t len);
/* The file and its tombstones; damage is told. SILT_CORRUPT: nothing of it can be read. */
enum silt_status influx_tsm_open(const char *path, struct influx_log *log, struct influx_tsm **out,
                                 struct silt_error *err);
void influx_tsm_close(struct influx_tsm *file); /* NULL is fine */

/* The key at an offset below index_end, or what is wrong with it: then nothing behind it can be read. */
const char *influx_tsm_key(const struct influx_tsm *file, size_t offset, struct influx_key *out);
struct influx_entry influx_tsm_entry(const struct influx_key *key, uint32_t index);
/* NULL, or what is wrong with the block. */
const char *influx_tsm_block(const struct influx_tsm *file, const struct influx_entry *entry, struct influx_block *out);

#endif
