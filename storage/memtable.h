/*
 * memtable.h - recent points of one shard, by series and column, until they are flushed.
 *
 *     series id -> chunk -> chunk -> chunk          oldest first; capacities 2, 4, 8, ... 64, ... up to 1024
 *                    |
 *                    +- layout, count, times[cap], then the rows' values, 8-byte slots [cap][columns]
 *                       validity bitmaps [columns][cap / 64], only once a row lacks a field
 *
 * A row's values stand together, because writing is what a memtable does most: a row touches two or three cache lines,
 * where columns would cost one each. Rows stand in the order they came; sorting and merging (the later row wins field
 * by field at equal times) is done on reading, and skipped for series whose times rise strictly. A chunk's layout never
 * changes: a row with other fields begins a new one, with the columns of both when that wastes little.
 *
 * Threads: apply from any number of threads (64 locks by series id), reading from any number without a lock: a row is
 * visible once its chunk's count says so. Destroy when nobody uses it any more; the owner counts.
 *
 * Memory: pieces of up to 2 MiB, given back together. They are charged to the budget as far as it allows; apply itself
 * never fails for want of budget, because its rows are in the log already: check the budget
 * before logging.
 */
#ifndef STORAGE_MEMTABLE_H
#define STORAGE_MEMTABLE_H

#include "silt/base.h"
#include "silt/storage.h"
#include "storage/field_layout.h"
#include "storage/piece_pool.h"

struct memtable;

/* dict: for unions of layouts; it and the pool, which may be NULL, must outlive the memtable. */
struct memtable *memtable_create(struct silt_budget *budget, struct piece_pool *pool, struct field_dict *dict);
void memtable_destroy(struct memtable *mt); /* NULL is fine */

struct memtable_row {
    silt_series_id series;
    uint32_t map; /* index into maps */
    silt_time time;
    const union silt_value *values; /* in the order of the batch layout; strings are copied */
};

/* All rows, those of one series in the given order. scratch: 8 bytes a row are taken from it. */
void memtable_apply(struct memtable *mt, const struct memtable_row *rows, size_t count, const struct layout_map *maps,
                    struct silt_arena *scratch);

/* ---------------------------------------------------------------- counters (any thread, relaxed) */

struct memtable_stats {
    uint64_t rows, values, series, bytes; /* bytes: what the arena holds */
    silt_time min, max;                   /* min > max: empty */
};
void memtable_stats(const struct memtable *mt, struct memtable_stats *out);
size_t memtable_bytes(const struct memtable *mt);
/* All rows that are counted show to whoever reads after this. */
uint64_t memtable_rows(const struct memtable *mt);

/* ---------------------------------------------------------------- reading */

struct memtable_chunk;

/* A chunk as published at one moment; borrowed from the memtable. */
struct memtable_view {
    const struct field_layout *layout;
    uint32_t count, capacity;
    const silt_time *times;
    const union silt_value *values; /* column c, row i: values[i * layout->column_count + c] */
    const struct memtable_chunk *chunk;
    bool has_gaps; /* memtable_view_valid tells which */
};

struct memtable_span {
    struct memtable_view *views;
    size_t view_count, row_count;
    silt_time min, max; /* of the rows seen; min > max: none */
    bool in_order;      /* times rise strictly over all views */
};

/* The series' chunks, oldest first, in the arena; empty when it has no rows. SILT_LIMIT: arena's budget. */
enum silt_status memtable_series(const struct memtable *mt, silt_series_id id, struct silt_arena *arena,
                                 struct memtable_span *out, struct silt_error *err);
/* Whether the series has rows here. */
bool memtable_has_series(const struct memtable *mt, silt_series_id id);
/* About how many rows memtable_collect looks at for this range; it need not be right above `most`. */
uint64_t memtable_rows_near(const struct memtable *mt, silt_series_id id, silt_time min, silt_time max, uint64_t most);
/* Word `word` of column c's validity (rows 64 * word ...), bits past count undefined. */
uint64_t memtable_view_valid(const struct memtable_view *view, uint32_t column, uint32_t word);

struct memtable_column {
    enum silt_type type;            /* NONE: no row has the field */
    const uint64_t *valid;          /* bit i: row i has a value; NULL: every row has (unless type is NONE) */
    const union silt_value *values; /* strings: struct silt_bytes, borrowed from the memtable */
};

struct memtable_rows {
    size_t count;
    const silt_time *times;          /* strictly rising */
    struct memtable_column *columns; /* as the fields asked for */
};

/* Rows of the series in [min, max] that have at least one of the fields, sorted, one a time. A field of type NONE asks
 * for any type (the latest layout's). Arrays are in the arena or the memtable: valid while both live. SILT_LIMIT:
 * arena's budget. */
enum silt_status memtable_collect(const struct memtable *mt, silt_series_id id, silt_time min, silt_time max,
                                  const struct field_ref *fields, size_t field_count, struct silt_arena *arena,
                                  struct memtable_rows *out, struct silt_error *err);
/* Every (field, type) of the series, rising. */
enum silt_status memtable_fields(const struct memtable *mt, silt_series_id id, struct silt_arena *arena,
                                 struct field_ref **fields, size_t *count, struct silt_error *err);

/* The lowest id above `after` that has rows; 0: none. In rising order over all: start with 0. */
silt_series_id memtable_next_series(const struct memtable *mt, silt_series_id after);

#endif
