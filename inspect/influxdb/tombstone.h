/*
 * tombstone.h - what was deleted from one TSM file of InfluxDB: the .tombstone file beside it.
 *
 * Its entries hold for that file alone. They are kept sorted by key, for the file's index is walked by key, too.
 */
#ifndef INSPECT_INFLUXDB_TOMBSTONE_H
#define INSPECT_INFLUXDB_TOMBSTONE_H

#include "silt/base.h"
#include "silt/text.h"

struct influx_tombstone {
    struct silt_str key;
    silt_time min, max; /* both inclusive */
};

struct influx_tombstones {
    struct silt_buffer text; /* what the keys point into */
    struct influx_tombstone *items;
    size_t count;
};

/* Everything up to damage; NULL, or what is wrong. Free in either case. */
const char *influx_tombstones_parse(const uint8_t *bytes, size_t len, struct influx_tombstones *out);
void influx_tombstones_free(struct influx_tombstones *tombstones);
/* Those of a key; NULL and 0: none. */
const struct influx_tombstone *influx_tombstones_find(const struct influx_tombstones *tombstones, struct silt_str key,
                                                      size_t *count);

#endif
