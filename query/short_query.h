/*
 * short_query.h - SELECTs that may be run with an allowance (silt/query.h), by a thread that must not be kept long.
 */
#ifndef QUERY_SHORT_QUERY_H
#define QUERY_SHORT_QUERY_H

#include "query/scan.h"

/* SILT_BUSY, with the allowance exceeded: what the scan's series give may be many rows, or slow ones. */
enum silt_status short_query_check(const struct plan *plan, const struct scan *scan, struct silt_error *err);

#endif
