/*
 * progress.h - how far an import has come: a small file in the target, so that one that was cut short goes on.
 *
 *     siltd-import-influxdb 1          import-influxdb.progress: a line is added after what it tells is safe in the store
 *     source FINGERPRINT
 *     shard ID SERIES                  so many series of the shard, in its order
 *     shard ID done
 *
 * Writing a value again changes nothing: what was imported after the last line is simply imported once more.
 */
#ifndef INSPECT_INFLUXDB_PROGRESS_H
#define INSPECT_INFLUXDB_PROGRESS_H

#include "silt/base.h"

#define INFLUX_SHARD_DONE UINT64_MAX

struct influx_progress;

/* *resumed: the file was there, of the same source. SILT_CONFLICT: it is of another one. */
enum silt_status influx_progress_open(const char *target, uint64_t fingerprint, struct influx_progress **out,
                                      bool *resumed, struct silt_error *err);
void influx_progress_close(struct influx_progress *progress); /* NULL is fine */
/* How many series of the shard are there: 0 or more, INFLUX_SHARD_DONE. */
uint64_t influx_progress_of(const struct influx_progress *progress, uint64_t shard);
enum silt_status influx_progress_note(struct influx_progress *progress, uint64_t shard, uint64_t series,
                                      struct silt_error *err);
/* The import is complete: the file goes. */
enum silt_status influx_progress_finish(struct influx_progress *progress, struct silt_error *err);

#endif
