/*
 * merge.h - one series, out of many files and memtables, as one stream of batches in time order.
 *
 *     file 3   [--- group ---][--- group ---]                    as they are stored, decoded on demand
 *     file 7                          [- group -]                overlap: decoded, merged row by row; or joined
 *     memtable                                    rows rows      slices, mostly without copying
 *
 * Sources are added oldest first: where two have a row of the same time, it becomes one row, in which the younger
 * source's values win field by field. Tombstones and the range clip what a source shows. A row group that nothing
 * overlaps, clips or hides comes out whole, with its statistics and its place in the file (so that it can be copied).
 *
 * Used by the readers' cursors and by compaction. All memory stays with the merge for the next series: after the first
 * few, starting another costs no allocation.
 *
 * Threads: one. The sources must outlive the batches.
 */
#ifndef STORAGE_MERGE_H
#define STORAGE_MERGE_H

#include "silt/base.h"
#include "silt/reader.h"
#include "storage/field_layout.h"
#include "storage/memtable.h"
#include "storage/tombstone.h"
#include "storage/tsm_read.h"

#define MERGE_ROWS_MAX 1024u

struct merge;

struct merge_source {
    struct tsm_file *file;     /* one of both */
    const struct memtable *mt;
    uint64_t seq; /* age: what tombstones compare with */
};

struct merge_batch {
    uint32_t count; /* 0: the end */
    silt_time first, last;
    struct tsm_file *file;         /* with whole */
    const struct tsm_group *whole; /* the batch is this undisturbed row group; NULL: it is not */
    bool has_stats;                /* it is one, or several */
};

/* Whether the row has a value. valid: a column's, NULL: all have. */
static inline bool merge_bit(const uint64_t *valid, uint32_t row)
{
    return !valid || (valid[row / 64] >> (row % 64) & 1);
}

/* Counters over all series since the merge was made; see reader.h. */
const struct silt_read_counters *merge_counters(const struct merge *merge);

/* allowance: NULL, or one that the sources are charged to when they are added. */
struct merge *merge_create(struct silt_budget *budget, struct silt_read_allowance *allowance);
void merge_destroy(struct merge *merge); /* NULL is fine */

/* From the next batch on: row groups that overlap come as one batch, which has statistics, if they are whole and have no time
 * in common. Its columns take a copy, so who reads those does without. */
enum silt_status merge_prefer_stats(struct merge *merge, bool prefer, struct silt_error *err);

/* A field of type NONE asks for any type. Rows that have none of the fields are left out. fields are copied. */
enum silt_status merge_start(struct merge *merge, silt_series_id series, const struct field_ref *fields,
                             size_t field_count, silt_time min, silt_time max, bool descending, struct silt_error *err);
enum silt_status merge_add(struct merge *merge, const struct merge_source *source, struct tombstone *const *tombstones,
                           size_t tombstone_count, struct silt_error *err);
enum silt_status merge_next(struct merge *merge, struct merge_batch *batch, struct silt_error *err);
/* Of the batch just given, until the next call of next or start. */
enum silt_status merge_times(struct merge *merge, const silt_time **times, struct silt_error *err);
enum silt_status merge_column(struct merge *merge, size_t field, struct silt_column *out, struct silt_error *err);
bool merge_stats(struct merge *merge, size_t field, struct silt_block_stats *out);
void merge_skip(struct merge *merge, silt_time time);

#endif
