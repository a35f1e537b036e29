/*
 * first_windows.h - cells_reduce for an answer whose LIMIT shows the first windows of each group alone.
 */
#ifndef QUERY_FIRST_WINDOWS_H
#define QUERY_FIRST_WINDOWS_H

#include "query/cells.h"

/* How many windows of a group LIMIT and OFFSET let through, where all calls are simple enough; 0: all may be needed. */
uint64_t first_windows_wanted(const struct plan *plan);

/* As cells_reduce; what lies behind the first `wanted` windows in which every leaf has a value may be left out. */
enum silt_status first_windows_reduce(const struct scan *scan, const struct leaf *leaves, size_t leaf_count, size_t first,
                                      size_t count, silt_time min, silt_time max, uint64_t wanted, struct cells *out,
                                      struct silt_error *err);

#endif
