/*
 * reader.h - the one way to read: query/ uses it, storage/ (and the tests' fake) fill it.
 *
 *     source --open(db, rp, range)--> reader --series()--> ids --seek()--> cursor --next()--> batches of columns
 *
 * A reader is a pinned, immutable view: files, memtables and tombstones as they were when it was opened. It never
 * blocks writers and may be used by many threads at once. A cursor belongs to one thread.
 */
#ifndef SILT_READER_H
#define SILT_READER_H

#include "silt/base.h"
#include "silt/storage.h" /* struct silt_field, silt_tag, silt_policy */

/* ---------------------------------------------------------------- tag filters */

enum silt_tag_op {
    SILT_TAG_AND,   /* both children */
    SILT_TAG_OR,
    SILT_TAG_EQ,    /* a missing tag is "" */
    SILT_TAG_NE,
    SILT_TAG_MATCH, /* match(match_arg, value) */
    SILT_TAG_NOT_MATCH,
    SILT_TAG_TRUE,
    SILT_TAG_FALSE,
};

struct silt_tag_filter {
    enum silt_tag_op op;
    const struct silt_tag_filter *left, *right; /* AND, OR */
    struct silt_str key, value;
    bool (*match)(const void *match_arg, struct silt_str value); /* called once per distinct value, any thread */
    const void *match_arg;
    uint32_t match_cost; /* of a call, as silt_regex_cost; 0: not told */
};

/* ---------------------------------------------------------------- source */

struct silt_shard_info {
    uint64_t id, group_id;
    struct silt_str database, policy;
    silt_time start, end; /* [start, end) */
    int64_t policy_duration_ns;
};

struct silt_reader;

struct silt_source {
    /* Databases in creation order; strings in the arena. */
    enum silt_status (*databases)(struct silt_source *source, struct silt_arena *arena, struct silt_str **names,
                                  size_t *count);
    /* Policies of a database in creation order. SILT_NOT_FOUND: `database not found: x`. */
    enum silt_status (*policies)(struct silt_source *source, struct silt_str database, struct silt_arena *arena,
                                 struct silt_policy **policies, size_t *count, struct silt_error *err);
    /* The name of the policy that is used where none is named; there need not be one of that name any more. */
    enum silt_status (*default_policy)(struct silt_source *source, struct silt_str database, struct silt_arena *arena,
                                       struct silt_str *name, struct silt_error *err);
    /* All shards, by database, policy, end and start. */
    enum silt_status (*shards)(struct silt_source *source, struct silt_arena *arena, struct silt_shard_info **shards,
                               size_t *count);
    /* Pin a view of the shards of one policy that overlap [min, max] (both inclusive). rp empty: the default policy.
     * SILT_NOT_FOUND: `database not found: x` or `retention policy not found: x`. May wait for disk. */
    enum silt_status (*open)(struct silt_source *source, struct silt_str database, struct silt_str rp, silt_time min,
                             silt_time max, struct silt_reader **out, struct silt_error *err);
    /* Whether the database's series that lost their last point by a statement so far are out of its lists; waits for it, but
     * no longer than this. *ticket: 0 at first; then given again, it stands for the statements before the first call. To be
     * asked before series, or names that follow from them, are listed; without it some that have no points may be. NULL:
     * nothing is left behind. */
    bool (*settled)(struct silt_source *source, struct silt_str database, uint64_t *ticket, uint32_t wait_ms);
};

/* ---------------------------------------------------------------- reader */

/* min, max, first, last are values of the column's type; sum is f64 for floats, i64/u64 (wrapping) for integers. */
struct silt_block_stats {
    uint32_t count; /* of values, not of rows */
    /* strings: only count. booleans: min, max, first, last. first, last: where there are as many values as rows */
    union silt_value min, max, sum, first, last;
    bool sum_exact; /* floats: adding the values in any order gives this very sum, without rounding */
};

struct silt_column {
    enum silt_type type;   /* as stored in this block; NONE: the block has no such field */
    const uint64_t *valid; /* bit i: row i has a value. NULL: every row has */
    union {
        const double *f64;
        const int64_t *i64;
        const uint64_t *u64;
        const uint8_t *boolean; /* 0 or 1 */
        const struct silt_str *string;
    };
};

/* Rows of one series in strictly rising time (falling when descending), none older than the batch before. */
struct silt_rows {
    uint32_t count;          /* at least 1 */
    uint32_t shard;          /* ordinal of the shard within the reader, rising with time */
    silt_time first, last;   /* time of row 0 and of the last row */
    bool has_stats;          /* stats(): the batch is whole undisturbed blocks, all inside the range */
};

/* What a cursor has read since it was made. */
struct silt_read_counters {
    uint64_t blocks, block_bytes; /* of values and of times: fetched and decoded */
    uint64_t stats_blocks;        /* of values: answered from the index, never fetched */
    uint64_t memtable_rows;       /* taken out of memtables */
};

/* What reading a series would have to look at, from indexes alone. Members are added to. */
struct silt_read_cost {
    uint64_t cached_values; /* in memtables */
    uint64_t files, blocks, block_bytes;
};

#define SILT_CURSOR_FIELDS_MAX 65535

struct silt_cursor;

struct silt_series_set {
    silt_series_id *ids; /* rising by canonical series key text */
    size_t count;
};

/*
 * For a thread that must be kept neither long nor by a disk: what a reader may take on for it. Whatever would be more, or is
 * not in memory, ends with SILT_BUSY, is_exceeded stays set, and all of the work is to be done again by another thread.
 */
struct silt_read_allowance {
    uint32_t series; /* that a selection may give */
    uint32_t names;  /* fields that a measurement may have, and tag keys */
    uint64_t values; /* left: charged for what may be read, before it is */
    uint64_t surcharge; /* so many times more than itself a value counts, for what is then done with it */
    bool is_exceeded;
};

struct silt_reader_ops {
    /* Measurements that have series, sorted bytewise. */
    enum silt_status (*measurements)(struct silt_reader *reader, struct silt_arena *arena, struct silt_str **names,
                                     size_t *count, struct silt_error *err);
    /* Fields of a measurement in the view's shards, by name, then type; a field with several types stands several
     * times. 0 for an unknown measurement. */
    enum silt_status (*fields)(struct silt_reader *reader, struct silt_str measurement, struct silt_arena *arena,
                               struct silt_field **fields, size_t *count, struct silt_error *err);
    /* Tag keys of a measurement, sorted. */
    enum silt_status (*tag_keys)(struct silt_reader *reader, struct silt_str measurement, struct silt_arena *arena,
                                 struct silt_str **keys, size_t *count, struct silt_error *err);
    /* Distinct values of a tag key over the series matching filter (NULL: all), sorted; the missing tag not listed. */
    enum silt_status (*tag_values)(struct silt_reader *reader, struct silt_str measurement, struct silt_str key,
                                   const struct silt_tag_filter *filter, struct silt_arena *arena,
                                   struct silt_str **values, size_t *count, struct silt_error *err);
    /* Series of a measurement matching filter (NULL: all). */
    enum silt_status (*series)(struct silt_reader *reader, struct silt_str measurement,
                               const struct silt_tag_filter *filter, struct silt_arena *arena,
                               struct silt_series_set *out, struct silt_error *err);
    /* The same in any order, which takes less. */
    enum silt_status (*series_unsorted)(struct silt_reader *reader, struct silt_str measurement,
                                        const struct silt_tag_filter *filter, struct silt_arena *arena,
                                        struct silt_series_set *out, struct silt_error *err);
    /* The canonical key and the sorted tags of a series; borrowed from the reader, valid until release (or in the
     * arena). tags may be NULL. A series that was deleted since the set was made has no key: its p is NULL. */
    void (*series_tags)(struct silt_reader *reader, silt_series_id id, struct silt_arena *arena, struct silt_str *key,
                        struct silt_tag **tags, size_t *count);
    /* Of many series the tags with these keys, no key twice, that they have: series i's from tags[i * key_count] on, sorted.
     * tag_counts[i] UINT32_MAX: deleted since. Values are borrowed as those above, keys are the caller's. */
    void (*series_values)(struct silt_reader *reader, const silt_series_id *ids, size_t count, const struct silt_str *keys,
                          size_t key_count, struct silt_arena *arena, struct silt_tag *tags, uint32_t *tag_counts);
    /* Number of shards in the view, and whether the series may have data in shard `ordinal`. */
    uint32_t (*shard_count)(struct silt_reader *reader);
    bool (*shard_has_series)(struct silt_reader *reader, uint32_t shard, silt_series_id id);

    /* A cursor is made once per thread and sought once per series: seek must be cheap. */
    enum silt_status (*cursor_create)(struct silt_reader *reader, struct silt_budget *budget, struct silt_cursor **out,
                                      struct silt_error *err);
    /* Position before the first row of the series in [min, max]. fields[i] is what column i shows; a stored block of
     * another type than asked shows as type NONE unless fields[i].type is NONE (any type). Rows that have none of the
     * fields are left out. `names` are borrowed until the next seek. */
    enum silt_status (*cursor_seek)(struct silt_cursor *cursor, struct silt_str measurement, silt_series_id id,
                                    const struct silt_field *fields, size_t field_count, silt_time min, silt_time max,
                                    bool descending, struct silt_error *err);
    /* The next batch; rows->count 0 at the end. SILT_CORRUPT: a damaged block, named in err. */
    enum silt_status (*cursor_next)(struct silt_cursor *cursor, struct silt_rows *rows, struct silt_error *err);
    /* Of the batch just given, decoded on demand, borrowed until the next call of next or seek. A batch may hold at
     * most 4096 rows. */
    enum silt_status (*cursor_times)(struct silt_cursor *cursor, const silt_time **times, struct silt_error *err);
    enum silt_status (*cursor_column)(struct silt_cursor *cursor, size_t field_index, struct silt_column *out,
                                      struct silt_error *err);
    /* Without decoding; false where has_stats is false, or the block has no such field (count 0 then). */
    bool (*cursor_stats)(struct silt_cursor *cursor, size_t field_index, struct silt_block_stats *out);
    /* From the next batch on, batches that have statistics are better than such whose columns lie ready. NULL: no difference. */
    enum silt_status (*cursor_prefer_stats)(struct silt_cursor *cursor, bool prefer, struct silt_error *err);
    /* Skip from here to the first row at or after (descending: at or before) time. */
    enum silt_status (*cursor_skip)(struct silt_cursor *cursor, silt_time time, struct silt_error *err);
    /* Added to out. NULL: a reader that reads nothing from files or memtables. */
    void (*cursor_counters)(const struct silt_cursor *cursor, struct silt_read_counters *out);
    void (*cursor_destroy)(struct silt_cursor *cursor);
    /* The cost of these fields of a series in [min, max]; scratch may be used up. NULL, like cursor_counters. */
    enum silt_status (*series_cost)(struct silt_reader *reader, struct silt_str measurement, silt_series_id id,
                                    const struct silt_field *fields, size_t field_count, silt_time min, silt_time max,
                                    struct silt_arena *scratch, struct silt_read_cost *out, struct silt_error *err);

    void (*release)(struct silt_reader *reader);
};

/* Concrete readers start with this. */
struct silt_reader {
    const struct silt_reader_ops *ops;
    struct silt_read_allowance *allowance; /* NULL: whatever it takes; else one thread has this reader */
};

static inline enum silt_status silt_read_exceeds(struct silt_read_allowance *allowance, struct silt_error *err)
{
    allowance->is_exceeded = true;
    return silt_fail(err, SILT_BUSY, "more than may be read at once");
}

/* To be called before so much is read. */
static inline enum silt_status silt_read_charge(struct silt_read_allowance *allowance, uint64_t values, struct silt_error *err)
{
    if (!allowance)
        return SILT_OK;
    if (values > allowance->values / (1 + allowance->surcharge))
        return silt_read_exceeds(allowance, err);
    allowance->values -= values * (1 + allowance->surcharge);
    return SILT_OK;
}

#endif
