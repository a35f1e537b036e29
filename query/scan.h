/*
 * scan.h - which series a plan reads, how they fall into groups, and reading one of them.
 *
 *     series (by group, then source, then key)   [a a a | b b | c]
 *     groups (by measurement, then tag values)   [0,3) [3,5) [5,6)
 *
 * A lane reads one series after the other with cursors that are made once. It shows every slot of the plan as a
 * column of the slot's type, with the rows that the filter refuses taken out.
 *
 * Threads: a scan is read only once built. A lane belongs to one thread.
 */
#ifndef QUERY_SCAN_H
#define QUERY_SCAN_H

#include "query/plan.h"

struct scan_series {
    uint32_t source;
    silt_series_id id;
    const struct silt_tag *tags; /* NULL when nobody needs them */
    uint32_t tag_count;
    bool filtered; /* rows have to be looked at */
};

struct scan_group {
    struct silt_str name;
    const struct silt_tag *tags; /* the plan's dimensions */
    size_t first, count;         /* its series */
    struct silt_str order_key;   /* of the tags that are there: what SLIMIT counts by */
    uint64_t *shards;            /* bit per source and its shard that SLIMIT left; NULL: all */
    size_t shard_words;
};

struct scan {
    const struct plan *plan;
    struct scan_series *series;
    size_t series_count;
    struct scan_group *groups;
    size_t group_count;
    size_t *shard_base; /* per source, its first bit in the groups' shards */
};

enum silt_status scan_make(const struct plan *plan, struct scan **out, struct silt_error *err);
struct silt_str series_tag(const struct scan_series *series, struct silt_str key); /* p NULL: no such tag */
bool series_passes(const struct slot *test, const struct plan_source *source, const struct scan_series *series);

#define BATCH_ROWS_MAX 4096

struct lane;

struct lane_column {
    const uint64_t *valid; /* NULL: every row */
    size_t valid_count;
    bool of_subquery; /* numbers may be NaN, times may repeat */
    enum data_type type; /* the slot's, but for what stands beside a subquery's column of that name */
    union {
        const double *f64;
        const int64_t *i64;
        const uint64_t *u64;
        const uint8_t *boolean;
        const struct silt_str *string;
    };
};

extern const uint64_t no_rows[BATCH_ROWS_MAX / 64]; /* a column without any value */

struct lane_batch {
    uint32_t count, shard;
    silt_time first, last;
    bool has_stats; /* and no filter stands in the way */
};

enum silt_status lane_create(const struct scan *scan, struct lane **out, struct silt_error *err);
void lane_destroy(struct lane *lane); /* NULL is fine */
/* The rows of series `index` within [min, max]. */
enum silt_status lane_seek(struct lane *lane, size_t index, const struct scan_group *group, silt_time min, silt_time max,
                           bool descending, struct silt_error *err);
/* From the next series on: see reader.h. */
void lane_prefer_stats(struct lane *lane, bool prefer);
/* count 0 at the end. */
enum silt_status lane_next(struct lane *lane, struct lane_batch *batch, struct silt_error *err);
enum silt_status lane_times(struct lane *lane, const silt_time **times, struct silt_error *err);
enum silt_status lane_column(struct lane *lane, uint32_t slot, struct lane_column *out, struct silt_error *err);
/* false: decode. Types agree with the slot when true; count 0: nothing there. */
bool lane_stats(struct lane *lane, uint32_t slot, struct silt_block_stats *out);
/* Bits of the batch's rows that pass the filter; NULL: all. */
enum silt_status lane_filter(struct lane *lane, const uint64_t **passed, struct silt_error *err);
/* A tag slot's cell for the series sought. */
struct silt_cell lane_tag_cell(const struct lane *lane, uint32_t slot);
/* One cell of a column got from lane_column, by slot type. */
struct silt_cell column_cell(const struct lane_column *column, size_t row);

static inline bool row_valid(const uint64_t *valid, size_t row)
{
    return !valid || (valid[row >> 6] >> (row & 63) & 1);
}

#endif
