/*
 * rows.h - the rows of a group in output order: many series merged by time.
 *
 * Rows of equal time stand in the order that InfluxDB's heap gives them, which is Go's container/heap step by step,
 * with string companions compared first. Series are read through a bounded buffer of rows each (row_stream.h).
 */
#ifndef QUERY_ROWS_H
#define QUERY_ROWS_H

#include "query/scan.h"

struct row {
    silt_time time;
    uint32_t shard, series;
    const struct silt_cell *cells; /* one per wanted slot; borrowed until the next call */
};

struct rows;

/* Points of several sources: merged by time like those of one, or those of one source after those of the other. */
enum rows_order { ROWS_BY_TIME, ROWS_BY_SOURCE };

/* wanted: slots; a row is given when at least one of the first `must` field slots among them has a value; must 0: when
 * any has, and of a subquery every row.
 * compare: strings among so many of the last cells decide between equal times. */
enum silt_status rows_open(const struct scan *scan, const struct scan_group *group, const uint32_t *wanted,
                           size_t wanted_count, size_t must, size_t compare, bool descending, silt_time min,
                           silt_time max, enum rows_order order, struct rows **out, struct silt_error *err);
/*
 * InfluxDB has every shard give no more rows than LIMIT and OFFSET together and one; an OFFSET alone counts as if LIMIT
 * were 0. So `OFFSET 3` gives a row per shard. Answers depend on it.
 */
static inline uint64_t rows_limit_of(const struct select *select)
{
    return select->limit || select->offset ? (uint64_t)select->limit + (uint64_t)select->offset + 1 : UINT64_MAX;
}
/* No more rows than so many of each shard and source. */
void rows_limit(struct rows *rows, uint64_t rows_of_a_shard);
/* *more false at the end. */
enum silt_status rows_next(struct rows *rows, struct row *row, bool *more, struct silt_error *err);

/* Many rows, by column. */
struct rows_block {
    size_t count; /* 0 at the end */
    const silt_time *times;
    const uint32_t *series;
    const struct silt_batch_column *columns; /* per wanted slot; tags have no values here, see rows_tag() */
};

#define ROWS_BLOCK_MAX 1000

/* Whether rows_next_block() can be used: in place of rows_next(), not beside it. */
bool rows_have_blocks(const struct rows *rows);
/* At most `room` rows, at most ROWS_BLOCK_MAX; borrowed until the next call. */
enum silt_status rows_next_block(struct rows *rows, size_t room, struct rows_block *out, struct silt_error *err);
/* The text of wanted slot `index`, a tag, in rows of a series in the block; p NULL: none. */
struct silt_str rows_tag(const struct rows *rows, uint32_t series, size_t index);
void rows_close(struct rows *rows); /* NULL is fine */

#endif
