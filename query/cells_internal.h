/*
 * cells_internal.h - the steps of a reduction, which reducer.c spreads over threads.
 *
 *     each series -> its cells -> combined in series order -> shards of a window into one
 */
#ifndef QUERY_CELLS_INTERNAL_H
#define QUERY_CELLS_INTERNAL_H

#include "query/cells.h"

struct reduction {
    const struct scan *scan;
    const struct leaf *leaves;
    size_t leaf_count;
    bool descending;  /* of the scan, not of the answer */
    const uint32_t *ranks; /* of shards within each group; NULL: as they stand */
    size_t shard_count;
    bool stops_early; /* the first value of every leaf is all that is asked */
    silt_time min, max;
    _Atomic uint64_t *bounds; /* per leaf, see cells_raise_bounds(); NULL: none */
};

/* The cells of one series, in scan order; what was in `cells` is cleared. group NULL: SLIMIT left out nothing. */
enum silt_status cells_of_series(const struct reduction *r, struct lane *lane, size_t index, const struct scan_group *group,
                                 struct cells *cells, struct silt_error *err);
/* Takes the cells of one more series into the group's, keys staying in scan order. */
enum silt_status cells_combine_series(const struct reduction *r, struct cells *group, const struct cells *series,
                                      struct silt_error *err);
/* Shards of a window into one cell; `group` of the scan, whose ranks count. */
enum silt_status cells_combine_shards(const struct reduction *r, size_t group, struct cells *cells, struct silt_error *err);
/* What a series' cells hold tells others which of their blocks hold nothing better. */
void cells_raise_bounds(const struct reduction *r, const struct cells *cells);

#endif
