/*
 * tsm_read.h - a TSM file, opened: find a series, look at its row groups, decode what is wanted.
 *
 *     tsm_open -> tsm_find_series(id) -> entry -> groups[] -> fields[]
 *                                                   |            |-> tsm_field_stats: from the index, no decoding
 *                                                   |-> tsm_read_times, tsm_read_column: one block each, CRC checked
 *
 * Threads: an open file is immutable; any number of threads. A scratch, an arena and an entry belong to one thread.
 * Who opens counts references; tsm_close must be the last call.
 */
#ifndef STORAGE_TSM_READ_H
#define STORAGE_TSM_READ_H

#include "storage/tsm.h"
#include "storage/tsm_write.h" /* struct tsm_summary */

struct vfs;
struct tsm_file;

/* One field of one row group, as the index has it. */
struct tsm_field {
    uint32_t field_id;
    uint8_t type;  /* enum silt_type */
    uint8_t codec; /* enum encode_codec */
    bool gaps;     /* some rows have no value */
    bool lone;     /* every value is the one that the index holds; a block has the validity only, if there are gaps */
    uint32_t count;       /* values, 1..rows */
    uint64_t offset;      /* of its block, from the group's first block */
    uint32_t block_bytes; /* with CRC; 0: lone without gaps */
    uint8_t stats_bytes;
    uint8_t kind;         /* enum tsm_kind of the lone value */
    const uint8_t *stats; /* encoded; see tsm_field_stats */
};

struct tsm_group {
    silt_time min, max; /* of its first and last row */
    uint32_t rows;
    uint32_t field_count;
    const struct tsm_field *fields; /* by field_id, then type: those that were asked for */
    uint64_t offset;                /* of the times' block in the file */
    uint64_t blocks_bytes;          /* of all its blocks */
    uint32_t times_bytes;           /* with CRC; 0: one step between all */
    uint8_t times_codec;
    const uint8_t *rest;            /* the encoded entry from the blocks' bytes on, for copying */
    uint32_t rest_bytes;
};

struct tsm_entry {
    silt_series_id series;
    struct tsm_group *groups; /* by time */
    size_t group_count;       /* of those that overlap the range asked for; may be 0 */
};

/* Room that reading one block needs; one a thread, used again and again. Zero-initialise. */
struct tsm_scratch {
    struct silt_buffer bytes;  /* blocks of files that are not mapped */
    struct silt_arena *arena;  /* the caller's: text of string columns goes there; may be NULL when none is read */
};
void tsm_scratch_deinit(struct tsm_scratch *scratch); /* not the arena */

/* Checks header, footer and directory top. SILT_CORRUPT, SILT_NOT_FOUND, SILT_IO. */
enum silt_status tsm_open(struct vfs *vfs, const char *name, struct tsm_file **out, struct silt_error *err);
void tsm_close(struct tsm_file *file); /* NULL is fine */
const struct tsm_summary *tsm_summary(const struct tsm_file *file);
struct vfs_blob *tsm_blob(const struct tsm_file *file); /* borrowed: the bytes of all of it */

/* Where a series was found: who asks for neighbours finds the next without a search. Zero-initialise. */
struct tsm_place {
    const struct tsm_file *file;
    uint64_t page;
    unsigned entry;
};

/* What of a series is asked for. */
struct tsm_wanted {
    silt_time min, max;
    const uint32_t *ids; /* of fields, rising: a group's others are passed over, and not in its fields. NULL: all */
    size_t id_count;     /* at least 1 if there are ids */
};

/* The row groups of a series that overlap [min, max]; arrays in the arena, valid until it is reset and the file closed.
 * A series that is not in the file gives SILT_OK and group_count 0. */
enum silt_status tsm_find_series(struct tsm_file *file, silt_series_id series, silt_time min, silt_time max,
                                 struct silt_arena *arena, struct tsm_entry *out, struct silt_error *err);
/* The same of some fields, by who reads one series after the other. */
enum silt_status tsm_find_wanted(struct tsm_file *file, silt_series_id series, const struct tsm_wanted *wanted,
                                 struct tsm_place *place, struct silt_arena *arena, struct tsm_entry *out, struct silt_error *err);
/* The same for a thread that must not be kept: charged for the entry and for this many fields of what it names, all of
 * which lies in memory; else SILT_BUSY. */
enum silt_status tsm_find_wanted_within(struct tsm_file *file, silt_series_id series, const struct tsm_wanted *wanted,
                                        size_t fields, struct silt_read_allowance *allowance, struct silt_arena *arena,
                                        struct tsm_entry *out, struct silt_error *err);
/* The same by place: ordinal 0..summary.series-1, ids rising. */
enum silt_status tsm_series_at(struct tsm_file *file, uint64_t ordinal, silt_time min, silt_time max,
                               struct silt_arena *arena, struct tsm_entry *out, struct silt_error *err);
/* All series ids, rising, into out[summary.series]. */
enum silt_status tsm_series_ids(struct tsm_file *file, silt_series_id *out, struct silt_error *err);
/* Every row group's first and last time, by series, then by time. */
typedef void (*tsm_span_fn)(void *arg, silt_series_id series, silt_time min, silt_time max);
enum silt_status tsm_each_span(struct tsm_file *file, tsm_span_fn each, void *arg, struct silt_error *err);
enum silt_status tsm_has_series(struct tsm_file *file, silt_series_id series, bool *has, struct silt_error *err);

/* Index of the field in group->fields, or -1. */
int tsm_group_field(const struct tsm_group *group, uint32_t field_id, enum silt_type type);
/* Strings: only count. False: the statistics are not such (a damaged file whose checksum is right). */
bool tsm_field_stats(const struct tsm_field *field, struct silt_block_stats *out);

/* The group's times will be asked for soon. */
void tsm_expect_times(const struct tsm_file *file, const struct tsm_group *group);
/* Into out[group->rows]. */
enum silt_status tsm_read_times(struct tsm_file *file, const struct tsm_group *group, struct tsm_scratch *scratch,
                                silt_time *out, struct silt_error *err);

/* Times that were decoded, and from which block. Zero-initialise, but for the buffer. */
struct tsm_times {
    silt_time *times; /* room for TSM_GROUP_ROWS_MAX */
    uint32_t rows;    /* 0: nothing is known of it */
    uint32_t bytes;
    uint8_t codec;
    uint8_t block[256]; /* larger ones are not remembered */
};

/* The same for who reads many series: those whose rows come together have equal blocks of times, byte for byte. *which: the one
 * of `kept` that holds the group's times; where none did, they have been decoded into kept[spare], and *decoded is set. */
enum silt_status tsm_recall_times(struct tsm_file *file, const struct tsm_group *group, struct tsm_scratch *scratch,
                                  struct tsm_times *kept, size_t count, size_t spare, size_t *which, bool *decoded,
                                  struct silt_error *err);
/*
 * One value a row, at the row's place: 8 bytes each for numbers, uint8_t for booleans, struct silt_str for strings. Rows
 * without value hold zero. valid[ENCODE_VALID_WORDS] is filled when the field has gaps (field->gaps), else untouched.
 */
enum silt_status tsm_read_column(struct tsm_file *file, const struct tsm_group *group, uint32_t field_index,
                                 struct tsm_scratch *scratch, void *out, uint64_t *valid, struct silt_error *err);

/* All blocks of the group as they are, group->blocks_bytes of them, each checked; borrowed until the scratch is used. */
enum silt_status tsm_read_blocks(struct tsm_file *file, const struct tsm_group *group, struct tsm_scratch *scratch,
                                 const uint8_t **blocks, struct silt_error *err);

/* Reads everything: every CRC, every block decoded, order, counts and statistics against the values. */
enum silt_status tsm_verify(struct tsm_file *file, struct silt_error *err);

#endif
