/*
 * prom_write.h - Prometheus' remote write: the message of a body, to a batch for storage.
 *
 *     WriteRequest  1 timeseries* (TimeSeries), 3 metadata*
 *     TimeSeries    1 labels* (Label), 2 samples* (Sample), 3 exemplars*, 4 histograms*
 *     Label         1 name, 2 value                        Sample  1 value (double), 2 timestamp (ms)
 *
 * As InfluxDB has it: the label __name__ is the measurement, and all labels, that one too, are tags; a sample is a float in
 * field `value`. NaN, which marks a series as gone, and infinities are left out; so is all that is not a sample.
 */
#ifndef SERVER_PROM_WRITE_H
#define SERVER_PROM_WRITE_H

#include "server/line_protocol.h"

#define PROM_NAME "__name__"
#define PROM_FIELD "value"

/*
 * The batch is in the arena and borrows from message. Samples that cannot be stored are in *errors, with the series for
 * their line; a row's `line` is its index among the rows. SILT_INVALID: no such message. SILT_LIMIT: it needs more memory than
 * the arena's budget has at all; SILT_BUSY: than it has now.
 */
enum silt_status prom_write_parse(struct silt_str message, struct silt_arena *arena, struct silt_batch *out,
                                  struct lp_errors *errors, struct silt_error *err);

#endif
