/*
 * sums.h - whether two stores hold the same values: a count and a checksum for each measurement, field, type and day.
 *
 * The checksum adds up a hash of series, time and value: in whatever order they come, the same values give the same sum.
 */
#ifndef INSPECT_INFLUXDB_SUMS_H
#define INSPECT_INFLUXDB_SUMS_H

#include "silt/reader.h"

enum influx_side { INFLUX_SOURCE, INFLUX_TARGET };

struct influx_sums;

struct influx_sums *influx_sums_create(void);
void influx_sums_destroy(struct influx_sums *sums);
/* The number of a field of a measurement; texts are copied. */
uint32_t influx_sums_field(struct influx_sums *sums, struct silt_str measurement, struct silt_str field,
                           enum silt_type type);
/* Values of one series, whose canonical key has this silt_hash; by rising time. */
void influx_sums_add_values(struct influx_sums *sums, uint32_t field, uint64_t series, const silt_time *times,
                            const union silt_value *values, size_t count);
void influx_sums_add_column(struct influx_sums *sums, uint32_t field, uint64_t series, const silt_time *times,
                            const struct silt_column *column, size_t count);

struct influx_sum {
    struct silt_str measurement, field;
    enum silt_type type;
    silt_time day;               /* its start, UTC */
    uint64_t counts[2], sums[2]; /* of INFLUX_SOURCE, INFLUX_TARGET */
};
/* Every one, by measurement, field, type and day; valid until something is added. */
const struct influx_sum *influx_sums_list(struct influx_sums *sums, size_t *count);

#endif
