/*
 * compare.h - after an import: is what the store gives, read through its own reader, what the source has, read again?
 */
#ifndef INSPECT_INFLUXDB_COMPARE_H
#define INSPECT_INFLUXDB_COMPARE_H

#include "inspect/influxdb/source.h"
#include "silt/storage.h"

struct influx_comparison {
    uint64_t values;  /* of the source */
    uint64_t damaged; /* places in the source: told when they were imported, counted again here */
    uint64_t differs; /* measurement, field, type and day that do not agree; the first are told on stderr */
};

/* All shards of a policy; what it found is added up, and told by measurement on stdout. */
enum silt_status influx_compare(const struct influx_source_dir *source, const struct influx_database *database,
                                const struct influx_policy *policy, struct silt_storage *storage,
                                struct influx_comparison *found, struct silt_error *err);

#endif
