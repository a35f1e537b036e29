/*
 * series_limits.h - within the series index: whether one more series may be made.
 *
 * Three bounds, in the order in which they are told: values of a tag, series of a database (both off unless configured), memory
 * of all indexes. Series that exist are never touched: only a new one is refused.
 */
#ifndef STORAGE_SERIES_LIMITS_H
#define STORAGE_SERIES_LIMITS_H

#include "storage/series_measurement.h"

/* SILT_LIMIT, with a text that names the bound, and the tag that has the most values where it is memory that is used up. With
 * create_lock, which is enough to read the dictionaries. */
enum silt_status series_limits_check(struct series_index *index, const struct series_parts *parts, struct silt_error *err);

#endif
