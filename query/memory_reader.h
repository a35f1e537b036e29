/*
 * memory_reader.h - a memory_table seen through reader.h. A batch is a chunk's columns as they lie, or a selection of its rows.
 */
#ifndef QUERY_MEMORY_READER_H
#define QUERY_MEMORY_READER_H

#include "query/memory_table.h"

/* Shards numbered first to last of the table; batches of at most batch_rows. owned: destroyed with the reader. */
struct silt_reader *memory_reader_open(struct memory_table *table, bool owned, int64_t first_shard, int64_t last_shard,
                                       uint32_t batch_rows);
/* Whether the series of such a reader has a row before t. */
bool memory_reader_has_before(const struct silt_reader *reader, silt_series_id id, silt_time t);

#endif
