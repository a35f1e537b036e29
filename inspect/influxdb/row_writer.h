/*
 * row_writer.h - the series of a scan, as rows, into siltd's store.
 *
 *     field usage  t1 t2 t3 t4            rows  t1 usage,idle   layout 0
 *     field idle   t1 t2    t4     ──>          t2 usage,idle   layout 0      ──> batches ──> silt_storage_write
 *                                               t3 usage        layout 1
 *                                               t4 usage,idle   layout 0
 *
 * Up to 64 fields at a time, so that a set of them is one word; the store puts the rest of such a row together.
 */
#ifndef INSPECT_INFLUXDB_ROW_WRITER_H
#define INSPECT_INFLUXDB_ROW_WRITER_H

#include "inspect/influxdb/shard_scan.h"
#include "silt/storage.h"

struct influx_writer;

struct influx_writer_counts {
    uint64_t series, rows, values;
    uint64_t rejected; /* rows that the store would not take; the first are told on stderr */
    uint64_t left_out; /* fields of which older values have another type */
};

struct influx_writer *influx_writer_create(struct silt_storage *storage);
/* After the storage is closed: a batch may still be on its way to the log before. */
void influx_writer_destroy(struct influx_writer *writer);
/* Where the rows go from here on. Texts are borrowed. */
void influx_writer_target(struct influx_writer *writer, struct silt_str database, struct silt_str policy);
/* All rows of the series that the scan has come to. */
enum silt_status influx_writer_add(struct influx_writer *writer, struct influx_scan *scan, struct silt_error *err);
/* What is gathered goes out: before the scan's files are closed. Fails, too, if an earlier batch did on its way. */
enum silt_status influx_writer_flush(struct influx_writer *writer, struct silt_error *err);
const struct influx_writer_counts *influx_writer_counts(const struct influx_writer *writer);

#endif
