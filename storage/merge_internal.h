/*
 * merge_internal.h - what merge_sources.c (what is read), merge.c (which rows come next), merge_joined.c (row groups that
 * overlap as one batch) and merge_columns.c (handing them out) share.
 */
#ifndef STORAGE_MERGE_INTERNAL_H
#define STORAGE_MERGE_INTERNAL_H

#include "storage/merge.h"

#define WORDS ENCODE_VALID_WORDS
#define TIMES_KEPT 4 /* of a file: where it begins and ends, in two shards */

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
    struct tsm_place place; /* of the last series that was found */
    struct item *items;
    size_t item_count, at; /* falling in descending order */
    bool done;
    uint32_t taken; /* items from the head on that are to be joined */
    bool loaded; /* begin and end are rows of the head item */
    uint32_t begin, end;
    struct memtable_rows mem;

    /* The row group whose blocks are decoded here, as far as they were asked for. */
    const struct tsm_group *group;
    bool times_ready, has_strings;
    const silt_time *times; /* one of these: */
    struct tsm_times kept[TIMES_KEPT];
    uint64_t kept_number[TIMES_KEPT]; /* another one for everything that was ever decoded */
    uint64_t times_number;            /* of what `times` points to */
    size_t next_kept;
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

enum batch_kind { BATCH_NONE, BATCH_GROUP, BATCH_MEMORY, BATCH_MERGED, BATCH_JOINED };

struct merge {
    struct silt_budget *budget;
    struct silt_arena *arena;   /* of this series: items, entries, memtable rows */
    struct silt_arena *buffers; /* for good */
    struct silt_read_allowance *allowance; /* NULL: none */
    silt_series_id series;
    silt_time min, max;
    bool descending;
    struct field_ref *fields;
    uint32_t *wanted; /* their ids, rising, each once */
    size_t field_count, field_room, wanted_count;
    struct run **runs; /* oldest first; those behind run_count keep their buffers */
    size_t run_count, run_room;
    struct shown_column *shown;
    silt_time *shown_times;

    enum batch_kind kind;
    struct run *run; /* GROUP, MEMORY */
    uint32_t begin, count;
    bool whole;
    bool joins; /* see merge_prefer_stats() */
    struct merge_joined *joined;
    uint64_t times_decoded; /* blocks */
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

static inline struct item *run_head(const struct run *run)
{
    return &run->items[run->at];
}

static inline size_t merge_element_bytes(enum silt_type type)
{
    return type == SILT_TYPE_STRING ? sizeof(struct silt_str) : type == SILT_TYPE_BOOLEAN ? 1 : 8;
}

/* The index of a field in the group's; -1: it is not there. */
int merge_find_field(const struct tsm_group *group, const struct field_ref *want);
/* The first of rows begin..end that is not before `time`. */
uint32_t merge_lower_bound(const silt_time *times, uint32_t begin, uint32_t end, silt_time time);
/* Past the run's head item. */
void merge_next_item(struct merge *m, struct run *run);
/* Decoded is this row group from now on; nothing of it is yet. */
void merge_use_group(struct merge *m, struct run *run, const struct tsm_group *group);
/* Somewhere to decode a row group of the file, beside the runs; those with other numbers stay as they are. */
enum silt_status merge_spare_run(struct merge *m, size_t number, struct tsm_file *file, struct run **out, struct silt_error *err);
enum silt_status merge_over_budget(struct merge *m, struct silt_error *err);
/* A buffer for good that grows. */
enum silt_status merge_grow_buffer(struct merge *m, void **data, size_t *have, size_t bytes, struct silt_error *err);
/* The times of the run's row group, decoded. */
enum silt_status merge_need_times(struct merge *m, struct run *run, struct silt_error *err);
/* A run's column for a field, decoded. */
enum silt_status merge_run_column(struct merge *m, struct run *run, size_t f, struct row_column *out, struct silt_error *err);

/* merge_joined.c. The first run's head with all that reaches into it becomes the batch; *done false: it cannot. */
enum silt_status merge_join(struct merge *m, struct run *first, bool *done, struct silt_error *err);
void joined_range(const struct merge *m, silt_time *first, silt_time *last);
enum silt_status joined_times(struct merge *m, const silt_time **times, struct silt_error *err);
/* out says that there is no such column. */
enum silt_status joined_column(struct merge *m, size_t f, struct silt_column *out, struct silt_error *err);
bool joined_stats(struct merge *m, size_t f, struct silt_block_stats *out);

#endif
