/*
 * cells.h - reducing columns to one value per window: count, sum, mean, min, max, first, last, spread.
 *
 * A cell is what one window holds of one shard; cells stand in scan order and are only appended, so memory follows
 * the data and not the length of the range.
 *
 *     series a  [w0 s0] [w1 s0] [w1 s1] [w2 s1]      one lane, one series
 *     series b  [w0 s0]                 [w2 s1]
 *     group     [w0 s0] [w1 s0] [w1 s1] [w2 s1]      combined in series order, then shards of a window
 *
 * Floats are added in the order in which InfluxDB adds them: within a series and shard, then over the series of the
 * shard, then over shards; a mean is taken at every one of these steps and weighed again at the next.
 */
#ifndef QUERY_CELLS_H
#define QUERY_CELLS_H

#include "query/scan.h"

struct cell_value {
    int64_t count; /* 0: nothing here */
    union silt_value value;
    union {
        silt_time time;         /* of a selected point */
        union silt_value other; /* spread: the largest, value is the smallest */
    };
    uint32_t series; /* of a selected point */
};

struct cell_key {
    silt_time start;
    uint32_t shard;
};

struct cells {
    struct exec *exec;
    size_t leaf_count, count, capacity;
    struct cell_key *keys;
    struct cell_value *values; /* leaf_count per cell */
    struct silt_arena *strings; /* selected strings; made when first needed */
};

struct leaf { /* a call of class REDUCE over a slot */
    enum function_id id;
    uint32_t slot;
    enum data_type type;
    bool need_time; /* the time of a selected point is shown, or companions are fetched by it */
};

void cells_init(struct cells *cells, struct exec *exec, size_t leaf_count);
void cells_clear(struct cells *cells); /* empty, memory kept */
void cells_free(struct cells *cells);

#endif
