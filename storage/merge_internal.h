/*
 * merge_internal.h - what merge.c (which rows come next) and merge_columns.c (handing them out) share.
 */
#ifndef STORAGE_MERGE_INTERNAL_H
#define STORAGE_MERGE_INTERNAL_H

#include "storage/merge.h"

#define WORDS ENCODE_VALID_WORDS

struct item {
    silt_time lo, hi; /* of the rows to be shown: exact when whole, else bounds */
    const struct tsm_group *group; /* NULL: rows [begin, end) of the run's memtable rows */
    uint32_t begin, end;
    bool whole; /* all of the group */
    bool full;  /* every row has one of the fields */
};

struct stored_column { /* a column of a row group, decoded */
    void *data;
    size_t data_bytes;
    int index; /* in the group's fields; -1: none */
    bool ready;
    bool stats; /* answered from the index, as long as it is not read after all */
    uint64_t valid[WORDS];
};

struct run {
    struct tsm_file *file; /* NULL: memtable */
    struct item *items;
    size_t item_count, at; /* falling in descending order */
    bool done;
    bool loaded; /* begin and end are rows of the head item */
    uint32_t begin, end;
    struct memtable_rows mem;

    /* The row group whose blocks are decoded here, as far as they were asked for. */
    const struct tsm_group *group;
    bool times_ready, has_strings;
    silt_time *times;
    struct stored_column *columns;
    size_t column_room;
    struct tsm_scratch scratch;
};

struct shown_column { /* what is handed out when it cannot be pointed at in place */
    void *data;
    size_t data_bytes;
    enum silt_type type;
    uint64_t valid[WORDS];
};

enum batch_kind { BATCH_NONE, BATCH_GROUP, BATCH_MEMORY, BATCH_MERGED };

struct merge {
    struct silt_budget *budget;
    struct silt_arena *arena;   /* of this series: items, entries, memtable rows */
    struct silt_arena *buffers; /* for good */
    struct silt_read_allowance *allowance; /* NULL: none */
    silt_series_id series;
    silt_time min, max;
    bool descending;
    struct field_ref *fields;
    size_t field_count, field_room;
    struct run **runs; /* oldest first; those behind run_count keep their buffers */
    size_t run_count, run_room;
    struct shown_column *shown;
    silt_time *shown_times;

    enum batch_kind kind;
    struct run *run; /* GROUP, MEMORY */
    uint32_t begin, count;
    bool whole;
    struct silt_read_counters counters;
};

struct row_column { /* of one run, for one field */
    enum silt_type type;
    const void *data;
    const uint64_t *valid;
};

static inline const silt_time *run_times(const struct run *run)
{
    return run->file ? run->times : run->mem.times;
}

static inline bool bit(const uint64_t *valid, uint32_t row)
{
    return !valid || (valid[row / 64] >> (row % 64) & 1);
}

/* A buffer for good that grows. */
enum silt_status merge_grow_buffer(struct merge *m, void **data, size_t *have, size_t bytes, struct silt_error *err);
/* The times of the run's row group, decoded. */
enum silt_status merge_need_times(struct merge *m, struct run *run, struct silt_error *err);
/* A run's column for a field, decoded. */
enum silt_status merge_run_column(struct merge *m, struct run *run, size_t f, struct row_column *out, struct silt_error *err);

#endif
