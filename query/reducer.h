/*
 * reducer.h - cells of many groups, made by several threads, while who asked for them does something else.
 *
 *     caller    begin(0) end(0) begin(1) writes 0 ... end(1) begin(2) writes 1 ... end(2)
 *     threads   [groups 0     ] [groups 1            ]       [groups 2            ]
 *
 * A reducer belongs to one thread. What it has read with (lanes, their cursors and buffers) is kept until it is destroyed.
 */
#ifndef QUERY_REDUCER_H
#define QUERY_REDUCER_H

#include "query/cells.h"

struct reducer;

/* The leaves are borrowed. */
enum silt_status reducer_create(const struct scan *scan, const struct leaf *leaves, size_t leaf_count, struct reducer **out,
                                struct silt_error *err);
/* What was begun comes to an end, its cells are nobody's any more, and nothing else may be begun; NULL is fine. */
void reducer_cancel(struct reducer *reducer);
/* Cancelled first; NULL is fine. */
void reducer_destroy(struct reducer *reducer);

/* The rows in [min, max] of groups [first, first + count) of the scan: out[i], cleared first, gets one cell per window, in scan
 * order, shards combined. Nobody else touches `out` until reducer_end, which gives the error if there is one. One at a time. */
void reducer_begin(struct reducer *reducer, size_t first, size_t count, silt_time min, silt_time max, struct cells *out);
enum silt_status reducer_end(struct reducer *reducer, struct silt_error *err);

#endif
