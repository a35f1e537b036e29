/*
 * memory_table.h - rows held in memory by column: the answer of a subquery, and the tests' storage.
 *
 *     table -> series -> chunk, chunk, ...      rows in the order they were added; times may repeat
 *
 *     chunk   one shard, at most 4096 rows:   times   [t t t t ...]
 *                                             field 0 [v v v v ...]
 *                                             field 2 [v - v - ...] + a bit per row that has one
 *
 * Besides, a series may have constants: fields that have the same text in every row.
 *
 * A column has one type within its chunk; a value of another type begins a new chunk. Numbers take 8 bytes, so that a
 * reader can hand out a chunk's columns as they lie.
 *
 * Threads: filled by one thread; once a reader is open it is read only and any thread may read.
 */
#ifndef QUERY_MEMORY_TABLE_H
#define QUERY_MEMORY_TABLE_H

#include "query/name_index.h"
#include "silt/query.h"
#include "silt/reader.h"
#include "silt/text.h"

#define MEMORY_CHUNK_ROWS 4096
#define MEMORY_NO_FIELD NAME_NONE

struct memory_column {
    uint32_t field;
    enum silt_type type;
    uint32_t filled; /* rows up to here were looked at; while rows are added it may lag behind the chunk's count */
    uint64_t *valid; /* NULL: every row has a value */
    union {
        void *data;
        uint64_t *words;          /* of numbers */
        uint8_t *bytes;           /* of booleans */
        struct silt_str *strings;
    };
};

struct memory_chunk {
    int64_t shard;
    uint32_t count, capacity; /* rows */
    silt_time min, max;
    silt_time *times;
    struct memory_column *columns;
    size_t column_count, column_capacity;
};

struct memory_constant {
    uint32_t field;
    struct silt_str value;
};

struct memory_series {
    struct silt_str measurement, key;
    struct silt_tag *tags;
    size_t tag_count;
    struct memory_constant *constants;
    size_t constant_count, constant_capacity;
    struct memory_chunk *chunks;
    size_t chunk_count, chunk_capacity;
};

struct memory_table {
    struct silt_arena *arena;
    struct memory_series *series;
    size_t series_count, series_capacity;
    struct name_index fields;
    uint32_t *index; /* by hash of the key: series + 1 */
    size_t index_capacity;
};

struct memory_table *memory_table_create(struct silt_budget *budget);
void memory_table_destroy(struct memory_table *table); /* NULL is fine */
/* The series of these tags (sorted by key), made when new. */
uint32_t memory_table_series(struct memory_table *table, struct silt_str measurement, const struct silt_tag *tags,
                             size_t tag_count);
uint32_t memory_table_field(struct memory_table *table, struct silt_str name);
/* The field has this text in all rows of the series, and no other. */
void memory_table_constant(struct memory_table *table, uint32_t series, uint32_t field, struct silt_str value);
/*
 * Rows of one shard, in the order in which they will be read: row r is cells[r * width ...], its time first. fields[c] is
 * what cell c + 1 goes to; MEMORY_NO_FIELD: nowhere. Texts are copied. SILT_LIMIT over budget.
 */
enum silt_status memory_table_rows(struct memory_table *table, uint32_t series, int64_t shard,
                                   const struct silt_cell *cells, size_t row_count, size_t width, const uint32_t *fields,
                                   struct silt_error *err);
/* Rows that were added in falling order stand in rising order afterwards. */
void memory_table_reverse(struct memory_table *table);

static inline bool memory_has(const struct memory_column *column, size_t row)
{
    return !column->valid || (column->valid[row / 64] >> (row % 64) & 1);
}

#endif
