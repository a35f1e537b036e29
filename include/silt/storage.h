/*
 * storage.h - the store as server/ sees it: open, write batches, databases and policies, deletes, statistics.
 *
 * Reading goes through reader.h (silt_storage_source). Nothing here knows HTTP, JSON or InfluxQL.
 *
 * Threads: every call may come from any thread. Calls marked "may wait" do disk work and must not run on an event
 * loop. Texts in errors are InfluxDB's where it has one.
 */
#ifndef SILT_STORAGE_H
#define SILT_STORAGE_H

#include "silt/base.h"
#include "silt/pool.h"

struct silt_storage;
struct silt_source; /* reader.h */

/* ---------------------------------------------------------------- open and close */

enum silt_sync_mode {
    SILT_SYNC_FSYNC,    /* fdatasync before an acknowledgement: the default */
    SILT_SYNC_INTERVAL, /* fdatasync every sync_interval_ms; acknowledged once written */
    SILT_SYNC_OFF,      /* never asked for */
};

struct silt_storage_options {
    const char *data_dir;              /* created when missing */
    enum silt_sync_mode sync_mode;
    uint32_t sync_interval_ms;
    struct silt_budget *budget;        /* memtables and index are charged here; NULL: own, unbounded */
    size_t memtable_soft_bytes;        /* all memtables: above it flushing starts and acknowledgements slow down; 0: default */
    size_t memtable_hard_bytes;        /* above it writes are refused with SILT_BUSY; 0: default */
    size_t index_bytes_max;            /* of series in memory; new ones beyond it are rejected; 0: unbounded */
    size_t series_max;                 /* of a database; more are rejected; 0: unbounded */
    size_t tag_values_max;             /* of a tag key of a measurement; more are rejected; 0: unbounded */
    uint64_t wal_segment_bytes;        /* 0: default, 64 MiB; small ones make starts cheap where there is little to log */
    uint32_t compact_files_min;        /* that a shard's memory gave, at the least, to be merged; 0: default 6 */
    uint64_t compact_rest_ms;          /* without a write, until a shard counts as at rest; 0: default, ten minutes */
    uint32_t manifests_min;            /* of shards at rest, to give up their files together; 0: default 8 */
    bool retention_off;                /* shard groups stay however old they are */
    uint64_t retention_interval_ms;    /* between two looks for shard groups whose time is over; 0: default, half an hour */
    bool read_only;                    /* to look into a directory: no threads, no new log, nothing is removed; writes must not come */
    bool background_off;               /* tests: no threads but the WAL's; call silt_storage_step yourself */
    silt_time (*now)(void *arg);       /* NULL: silt_clock_now */
    void *now_arg;
    const void *vfs;                   /* struct vfs *, NULL: POSIX on data_dir (tests hand in the fault backend) */
};

void silt_storage_options_init(struct silt_storage_options *options);
/* Recovers what a crash left. SILT_BUSY: another process has the directory. May wait. */
enum silt_status silt_storage_open(const struct silt_storage_options *options, struct silt_storage **out,
                                   struct silt_error *err);
/* Flushes memtables when flush says so, for some seconds; what is left is replayed from the WAL at the next open. No call
 * may be under way, no reader open. NULL is fine. May wait. */
enum silt_status silt_storage_close(struct silt_storage *storage, bool flush, struct silt_error *err);

/* ---------------------------------------------------------------- writing */

/*
 * A batch is rows in the order they were sent, in row-major 8-byte slots:
 *
 *     layout 0: cpu(usage_user integer, usage_idle float)      layouts[]
 *     row 0: series "cpu,host=a" layout 0 time t0 values[0..1] rows[] -> values[]
 *     row 1: series "cpu,host=b" layout 0 time t1 values[2..3]
 *
 * Everything is borrowed until silt_storage_write returns (the completion callback does not need it).
 */
struct silt_field {
    struct silt_str name; /* unescaped */
    enum silt_type type;
};

struct silt_layout { /* the fields of a row, in the order sent; no name twice */
    struct silt_str measurement; /* unescaped */
    const struct silt_field *fields;
    uint32_t field_count; /* at least 1 */
};

struct silt_row {
    struct silt_str series; /* series text as sent, line-protocol escaped: measurement[,tag=value]*; NOT yet validated
                             * when it was not seen before */
    uint64_t series_hash;   /* silt_hash of it */
    silt_time time;
    uint32_t layout;        /* index into layouts */
    uint32_t line;          /* the caller's number of the row, given back in rejections */
    size_t value_offset;    /* index of its first slot in values */
};

struct silt_batch {
    const struct silt_layout *layouts;
    uint32_t layout_count;
    const struct silt_row *rows;
    size_t row_count;
    const union silt_value *values;
    int64_t origin_ns; /* 0: from outside. Else written by a continuous query with windows of so long */
};

/* Why a row was not taken. */
enum silt_reject {
    SILT_REJECT_SERIES,    /* series text malformed: detail is the line-protocol reason ("missing tag value") */
    SILT_REJECT_CONFLICT,  /* field type conflict; detail is InfluxDB's whole text, from "field type conflict: " on */
    SILT_REJECT_RETENTION, /* older than the policy allows */
    SILT_REJECT_KEY,       /* key too long, tag named time, ...; detail is InfluxDB's whole reason */
    SILT_REJECT_LIMIT,     /* a cardinality limit; detail says which */
    SILT_REJECT_BATCH,     /* a new field came with two types: nothing of the batch was stored in that shard */
};

struct silt_rejection {
    uint32_t line;
    enum silt_reject why;
    struct silt_str detail; /* in the arena given to the write */
};

struct silt_write_report {
    struct silt_rejection *rejections; /* in row order; in the arena */
    size_t rejection_count;
    size_t written; /* rows */
    struct silt_str policy; /* that they went to; in the arena */
};

/* Called exactly once per write that returned SILT_OK, from the WAL's thread or from within the write: the batch is
 * durable (SILT_OK), or the disk does not take it for now (SILT_NO_SPACE, SILT_IO; it will be durable if that comes to an end before
 * the process does). Must not block. */
typedef void (*silt_written_fn)(void *arg, enum silt_status status, const struct silt_error *err);

/*
 * Store a batch. Rejected rows are reported, the others written: readable at once, durable when `done` is called.
 * rp empty: the default policy. Errors (nothing written, done not called):
 *   SILT_NOT_FOUND  no such database `database not found: "x"`, or policy `retention policy not found: x`
 *   SILT_BUSY       may_wait is false and a shard group or many series have to be made: call again where waiting is allowed;
 *                   or the memtables are full (err->text starts with "memory")
 *   SILT_NO_SPACE   the disk is full: the store is read-only until there is room
 *   SILT_IO         the disk fails, is read-only, or no file can be opened: the store is read-only until that is over
 */
enum silt_status silt_storage_write(struct silt_storage *storage, struct silt_str database, struct silt_str rp,
                                    const struct silt_batch *batch, bool may_wait, struct silt_arena *arena,
                                    struct silt_write_report *report, silt_written_fn done, void *done_arg,
                                    struct silt_error *err);

/* ---------------------------------------------------------------- series keys (base/series_key.c) */

struct silt_tag {
    struct silt_str key, value; /* unescaped */
};

/* Series text as sent -> canonical series key: tags sorted by key, minimal escapes; *tags are the parts. NULL on
 * success, else the static line-protocol reason: "missing measurement", "missing tag key", "missing tag value",
 * "invalid tag format", "duplicate tags". All results in the arena. */
const char *silt_series_key_parse(struct silt_str text, struct silt_arena *arena, struct silt_str *key,
                                  struct silt_str *measurement, struct silt_tag **tags, size_t *tag_count);
/* The canonical series key of parts that are sorted by tag key. In the arena. */
struct silt_str silt_series_key_make(struct silt_str measurement, const struct silt_tag *tags, size_t tag_count,
                                     struct silt_arena *arena);
/* The measurement of a canonical series key, still with its escapes; borrowed from the key. */
struct silt_str silt_series_key_measurement(struct silt_str key);
/* A part of a key without its escapes: itself when it has none, else in the arena. */
struct silt_str silt_series_key_unescape(struct silt_str part, struct silt_arena *arena);

/* ---------------------------------------------------------------- databases, policies, shards */

struct silt_policy {
    struct silt_str name;
    int64_t duration_ns;       /* 0: infinite */
    int64_t shard_duration_ns;
    uint32_t replication;
    bool is_default;
};

/* Which parts of a policy a statement named. */
struct silt_policy_change {
    bool has_duration, has_shard_duration, has_replication, make_default;
    int64_t duration_ns, shard_duration_ns; /* 0 duration: infinite; 0 shard duration: the default for the duration */
    uint32_t replication;
};

/* All of these may wait, are durable when they return, and give InfluxDB 1.x's texts. */
/* with NULL: plain CREATE DATABASE (autogen policy; nothing happens if it exists). policy_name may be empty. */
enum silt_status silt_storage_create_database(struct silt_storage *storage, struct silt_str name,
                                              struct silt_str policy_name, const struct silt_policy_change *with,
                                              struct silt_error *err);
enum silt_status silt_storage_drop_database(struct silt_storage *storage, struct silt_str name, struct silt_error *err);
enum silt_status silt_storage_create_policy(struct silt_storage *storage, struct silt_str database, struct silt_str name,
                                            const struct silt_policy_change *policy, struct silt_error *err);
enum silt_status silt_storage_alter_policy(struct silt_storage *storage, struct silt_str database, struct silt_str name,
                                           const struct silt_policy_change *change, struct silt_error *err);
enum silt_status silt_storage_drop_policy(struct silt_storage *storage, struct silt_str database, struct silt_str name,
                                          struct silt_error *err);
enum silt_status silt_storage_drop_shard(struct silt_storage *storage, uint64_t shard_id, struct silt_error *err);

/* ---------------------------------------------------------------- deletes */

struct silt_tag_filter; /* reader.h */

struct silt_series_choice {
    struct silt_str measurement;          /* empty: all */
    const struct silt_tag_filter *filter; /* NULL: every series */
};
/* DELETE: points of the chosen series in [min, max], in every policy of the database, as one change: the cost of many choices is
 * that of one. A series left without points leaves the index. Durable on return. May wait. */
enum silt_status silt_storage_delete(struct silt_storage *storage, struct silt_str database,
                                     const struct silt_series_choice *choices, size_t count, silt_time min, silt_time max,
                                     struct silt_error *err);
/* DROP SERIES: all points and the series themselves; field types stay. Else the same. */
enum silt_status silt_storage_drop_series(struct silt_storage *storage, struct silt_str database,
                                          const struct silt_series_choice *choices, size_t count, struct silt_error *err);
/* DROP MEASUREMENT: with its field types. Missing is fine. */
enum silt_status silt_storage_drop_measurement(struct silt_storage *storage, struct silt_str database,
                                               struct silt_str measurement, struct silt_error *err);

/* ---------------------------------------------------------------- watching */

/*
 * Who wants to know of changes to what is old. Told after they are visible, before the call that made them returns, on
 * its thread, with locks of the store held: it must neither wait nor call the store. Rows that were rejected may be told
 * of, too. Texts are borrowed for the call.
 */
struct silt_watcher {
    _Atomic silt_time before; /* batches with rows older than this, and deletes that reach there; INT64_MIN: none. Raised
                               * by atomic_exchange: rows that are not told of are then seen by whoever raised it */
    void (*written)(struct silt_watcher *watcher, struct silt_str database, struct silt_str policy,
                    const struct silt_batch *batch);
    void (*deleted)(struct silt_watcher *watcher, struct silt_str database, struct silt_str measurement, silt_time min,
                    silt_time max); /* measurement empty: all */
};

/* One at most; NULL: nobody any more. Not while a write or delete is under way. */
void silt_storage_watch(struct silt_storage *storage, struct silt_watcher *watcher);

/* ---------------------------------------------------------------- reading, upkeep, statistics */

/* The one way to read; valid until close. */
struct silt_source *silt_storage_source(struct silt_storage *storage);

/* Flush everything in memory to TSM files. May wait. */
enum silt_status silt_storage_flush(struct silt_storage *storage, struct silt_error *err);
/* One round of upkeep: retention, flushes and merges that are due. *did tells whether anything was. May wait. */
enum silt_status silt_storage_step(struct silt_storage *storage, bool *did, struct silt_error *err);
/* Merge every shard down to one sorted run. May wait. */
enum silt_status silt_storage_compact_all(struct silt_storage *storage, struct silt_error *err);

/* SILT_OK, or why writes are refused for now: SILT_NO_SPACE or SILT_IO with "REASON, writes are refused until WHAT: DETAIL". */
enum silt_status silt_storage_writable(struct silt_storage *storage, struct silt_error *err);

struct silt_storage_stats {
    uint64_t series_count, shard_count, file_count, file_bytes, wal_bytes, memtable_bytes, index_bytes;
    uint64_t rows_written, values_written, rows_rejected, wal_syncs, wal_batches, flushes, compactions;
    uint64_t values_on_disk;
    uint64_t index_bytes_max;  /* 0: unbounded */
    uint64_t rows_over_limits; /* of the rejected ones: they would have made a series too many */
    bool read_only; /* as silt_storage_writable */
};
void silt_storage_stats(struct silt_storage *storage, struct silt_storage_stats *out);

#endif
