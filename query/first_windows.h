/*
 * first_windows.h - a reducer's work for an answer whose LIMIT shows the first windows of each group alone.
 */
#ifndef QUERY_FIRST_WINDOWS_H
#define QUERY_FIRST_WINDOWS_H

#include "query/reducer.h"

/* How many windows of a group LIMIT and OFFSET let through, where all calls are simple enough; 0: all may be needed. */
uint64_t first_windows_wanted(const struct plan *plan);

/* reducer_begin and reducer_end; what lies behind the first `wanted` windows in which every leaf has a value may be left out. */
enum silt_status first_windows_reduce(struct reducer *reducer, const struct plan *plan, size_t leaf_count, size_t first,
                                      size_t count, silt_time min, silt_time max, uint64_t wanted, struct cells *out,
                                      struct silt_error *err);

#endif
