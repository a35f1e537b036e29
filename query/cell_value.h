/*
 * cell_value.h - one leaf of one cell (cells.h): what a run of rows, or the statistics of blocks, make of its value.
 */
#ifndef QUERY_CELL_VALUE_H
#define QUERY_CELL_VALUE_H

#include "query/cells.h"

struct cell_run { /* rows [from, to) of a column, within one window */
    const struct lane_column *column;
    const silt_time *times; /* NULL where no leaf asks for times */
    size_t from, to;
    bool descending;
    uint32_t series;
};

/* cells: whose strings a selected one is copied to. */
enum silt_status cell_value_add(struct cells *cells, const struct leaf *leaf, const struct cell_run *run,
                                struct cell_value *value, struct silt_error *err);
/* The rows of run->column up to ends[0] to the value, then up to ends[1] to that of the next cell, and so on. */
enum silt_status cell_value_add_runs(struct cells *cells, const struct leaf *leaf, struct cell_run *run, const uint32_t *ends,
                                     size_t count, struct cell_value *value, struct silt_error *err);
/* Adds a whole batch from its block statistics; false: it has to be decoded. */
bool cell_value_add_stats(const struct leaf *leaf, const struct silt_block_stats *stats, const struct lane_batch *batch,
                          bool descending, uint32_t series, struct cell_value *value);
/* A mean is a sum until all rows of the series are in. */
void cell_value_settle_mean(const struct leaf *leaf, struct cell_value *value);

/* Does `b`, found at its time, take the place of `a`? */
bool cell_value_replaces(const struct leaf *leaf, const struct cell_value *a, const struct cell_value *b);
void cell_value_add_spread(const struct leaf *leaf, union silt_value min, union silt_value max, int64_t count,
                           struct cell_value *value);

#endif
