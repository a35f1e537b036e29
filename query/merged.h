/*
 * merged.h - the numbers of one field of a group in output order, as columns: what rows.h gives cell by cell.
 *
 *     series a   10 20 30 | 40 50 60          a's and b's times agree: rows of one time after the other are laid out
 *     series b   10 20 30 | 40    60          in one go, up to the 50 that b does not have
 *     given      a b b a a b ...              of equal times in the order of InfluxDB's heap
 */
#ifndef QUERY_MERGED_H
#define QUERY_MERGED_H

#include "query/scan.h"

struct merged_batch {
    size_t count;
    const silt_time *times;
    union { /* the slot's type */
        const double *f64;
        const int64_t *i64;
        const uint64_t *u64;
    };
};

struct merged;

/* Stored numbers of one source do; else rows.h has to. */
bool merged_fits(const struct scan *scan, const struct scan_group *group, uint32_t slot);
enum silt_status merged_open(const struct scan *scan, const struct scan_group *group, uint32_t slot, bool descending,
                             silt_time min, silt_time max, struct merged **out, struct silt_error *err);
/* Borrowed until the next call. count 0 at the end. */
enum silt_status merged_next(struct merged *m, struct merged_batch *batch, struct silt_error *err);
void merged_close(struct merged *m); /* NULL is fine */

#endif
