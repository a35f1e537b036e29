/*
 * memory_reader.h - rows held in memory, seen through reader.h: the answer of a subquery, and the tests' storage.
 *
 *     table  series -> rows -> (field, value)...     rows in the order they were added; times may repeat
 *
 * Threads: a table is filled by one thread; once a reader is open it is read only and any thread may read.
 */
#ifndef QUERY_MEMORY_READER_H
#define QUERY_MEMORY_READER_H

#include "silt/query.h"
#include "silt/reader.h"
#include "silt/text.h"

struct memory_table;

struct memory_value {
    uint32_t field;
    struct silt_cell cell;
};

struct memory_table *memory_table_create(struct silt_budget *budget);
void memory_table_destroy(struct memory_table *table); /* NULL is fine */
/* The series of these tags (sorted by key), made when new. */
uint32_t memory_table_series(struct memory_table *table, struct silt_str measurement, const struct silt_tag *tags,
                             size_t tag_count);
uint32_t memory_table_field(struct memory_table *table, struct silt_str name);
/* SILT_LIMIT over budget. Rows of a series come in the order in which they will be read. */
enum silt_status memory_table_row(struct memory_table *table, uint32_t series, silt_time time, int64_t shard,
                                  const struct memory_value *values, size_t count, struct silt_error *err);

/* Rows that were added in falling order stand in rising order afterwards. */
void memory_table_reverse(struct memory_table *table);

/* Shards numbered first to last of the table; batches of at most batch_rows. owned: destroyed with the reader. */
struct silt_reader *memory_reader_open(struct memory_table *table, bool owned, int64_t first_shard, int64_t last_shard,
                                       uint32_t batch_rows);
/* Whether the series of such a reader has a row before t. */
bool memory_reader_has_before(const struct silt_reader *reader, silt_series_id id, silt_time t);

#endif
