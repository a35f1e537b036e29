/*
 * storage_internal.h - the store's own structs, thread roles and lock order.
 *
 * Roles: writers and readers (any thread), the log thread (wal.c), the index thread (definitions to SQLite), the flusher
 * and the compactor (one of each).
 *
 * Lock order, first to last:
 *
 *     change_lock          one structural change at a time: databases, policies, shards, deletes; held across disk work
 *     folders_lock         notes of shards' folders, or a snapshot; held across disk work
 *     shard.flush_lock, shard.compact_lock, shard.manifest_lock      held across disk work
 *     meta_lock            read: whoever follows the lists, a whole write too; write: to publish a change, no disk work
 *     database.define_lock new series and fields of one database get their numbers and are logged
 *     shard.lock           the version pointer
 *     the log's lock       numbers and pins
 *     index.lock           the index thread's queue
 *     users.lock           users and what they may do; taken with meta_lock at most
 *     cleanup.lock         what deletes and drops left to be done
 *
 * A delete publishes under the write side of meta_lock: then no write is under way, so that what is older and what is
 * younger than the delete is the same in the log, in memory and in the index.
 */
#ifndef STORAGE_STORAGE_INTERNAL_H
#define STORAGE_STORAGE_INTERNAL_H

#include "silt/base.h"
#include "silt/definitions.h"
#include "silt/reader.h"
#include "silt/storage.h"
#include "storage/catalog.h"
#include "storage/field_layout.h"
#include "storage/record.h"
#include "storage/series_index.h"
#include "storage/shard.h"
#include "storage/vfs.h"
#include "storage/wal.h"

#include <pthread.h>
#include <roaring/roaring.h>

#define SHARDS_FOLDER "shards"
#define COPIES_FOLDER "copies" /* of the catalog, for snapshots */

struct definition { /* a continuous query, or a subscription */
    struct silt_str name;
    struct silt_str text; /* the query's; the destinations', as in the catalog */
    struct silt_str exact, progress; /* the query's */
    bool any;
};

struct definition_list { /* in the order they were made */
    struct definition *items;
    size_t count;
};

struct user {
    uint32_t id;
    struct silt_str name, hash;
    bool admin;
    struct user_grant {
        uint32_t database_id;
        enum silt_privilege privilege;
    } *grants; /* in the order they were first given */
    size_t grant_count;
};

struct user_list {
    pthread_rwlock_t lock; /* guards this group: */
    struct user *items;    /*   in the order they were made */
    size_t count;
    _Atomic bool keep_admin; /* refuse to lose the last */
};

struct policy {
    uint32_t id;
    char *name;
    int64_t duration_ns, shard_duration_ns; /* duration 0: infinite */
    uint32_t replication;
    struct shard **shards; /* by (end, start) */
    size_t shard_count, shard_room;
    bool overlapping; /* some groups overlap */
    struct definition_list subscriptions;
};

struct measurement_map { /* the index's number of a measurement -> SQLite's */
    uint32_t stored_id;
    bool stored;
    uint64_t batch;
};

struct database { /* counted: the list, readers, shards */
    _Atomic uint32_t references;
    _Atomic bool dropped;
    uint32_t id;
    char *name;
    char *default_policy;
    struct policy **policies; /* in creation order */
    size_t policy_count;
    struct definition_list queries;
    struct series_index *index;
    struct field_dict *dict;
    pthread_mutex_t define_lock;
    _Atomic bool defining; /* fields may be defined that are not logged yet: wait for define_lock before logging rows */
    /* The index thread's alone (recovery's before it starts). */
    struct measurement_map *measurements;
    size_t measurement_count;
    uint32_t measurement_last;
    /* Guarded by cleanup.lock: */
    roaring_bitmap_t *suspects; /*   series that may be without points; NULL: none */
    uint64_t owed, paid;        /*   the last statement that left some, the last one whose are looked at */
};

/* A record on its way to the log and to the index thread; counted. */
struct log_item {
    struct wal_entry entry; /* first: done gets it */
    _Atomic uint32_t references;
    struct silt_storage *storage;
    struct silt_buffer payload;
    uint64_t seq;
    bool for_index;
    size_t index_weight; /* in a batch of the index thread, besides its bytes */
    struct write_op *op;        /* rows: who waits */
    struct log_item *next;      /* in the index thread's queue */
    bool settled, stalled;      /* under index.lock; stalled: the disk does not take it, it will take its time */
    enum silt_status status;
};

struct index_thread {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct log_item *first, *last; /* by seq */
    size_t bytes;
    bool stop, working;
    bool failed; /* SQLite refuses: nothing more is applied; the log keeps it all */
    pthread_t thread;
    bool running;
    uint64_t batch;
};

struct cleanup_jobs { /* cleanup.c */
    struct shard **shards; /* dropped; each with a reference, as databases */
    size_t shard_count;
    struct database **databases;
    size_t database_count;
    bool marked;         /* there is one that the mark in the catalog stands for */
    uint64_t ticket;     /* of the last statement that somebody may wait for */
    uint64_t marked_seq; /* the last record that makes the mark */
};

struct cleanup {
    pthread_mutex_t lock; /* a leaf; guards the jobs, and the databases' suspects */
    pthread_cond_t cond;  /* a database has paid */
    struct cleanup_jobs jobs;
};

struct upkeep_thread {
    pthread_t thread;
    bool running;
};

struct silt_storage {
    struct silt_source source; /* first */
    struct silt_storage_options options;
    struct vfs *vfs;
    bool own_vfs;
    struct wal *wal;
    struct catalog *catalog;
    struct silt_watcher *watcher; /* changes while nobody writes or deletes; NULL: none */
    uint64_t epoch;
    bool epoch_owed; /* until the flusher has stored it */
    _Atomic uint64_t copies; /* of the catalog so far, for their names */
    struct silt_budget root, memtable_budget, index_budget;
    struct piece_pool *pieces;
    size_t soft_bytes, hard_bytes;
    _Atomic uint32_t pace_ns; /* a row: what writers pause for while a large generation waits for an older one's flush */

    pthread_mutex_t change_lock;
    pthread_mutex_t folders_lock; /* notes of folders are made, or a snapshot is taken */
    bool drops_left;         /* under change_lock: an earlier run had cleanup jobs open, or a search failed */
    uint64_t drops_retry_ns; /* under change_lock: monotonic; then all series are looked at */
    pthread_rwlock_t meta_lock; /* guards this group: */
    struct database **databases; /*   in creation order */
    size_t database_count;
    struct shard **shards;       /*   all, by id */
    size_t shard_count, shard_room;

    struct user_list users;
    struct index_thread index;
    struct cleanup cleanup;
    pthread_mutex_t upkeep_mutex; /* guards this group: */
    pthread_cond_t upkeep_cond;
    uint64_t flush_kicks, compact_kicks, cleanup_kicks;
    struct silt_error flush_error; /*   of the last flush; its status is SILT_OK when it went well */
    struct upkeep_thread flusher, compactor, retention;
    _Atomic bool flush_wanted, upkeep_stop;

    _Atomic uint64_t rows_written, values_written, rows_rejected, rows_over_limits, wal_batches, flushes, compactions;
    _Atomic uint64_t limit_told_ms; /* when the log last heard of rows_over_limits; 0: never */
};

/* ---------------------------------------------------------------- policy.c: with meta_lock held, either side */

struct database *find_database(struct silt_storage *storage, struct silt_str name);
struct database *find_database_id(struct silt_storage *storage, uint32_t id);
struct policy *find_policy(const struct database *database, struct silt_str name); /* empty: the default; NULL: none */
struct shard *find_shard(struct silt_storage *storage, uint64_t id);
struct shard *policy_shard_at(const struct policy *policy, silt_time time); /* NULL: none covers it */
void policy_add_shard(struct silt_storage *storage, struct policy *policy, struct shard *shard); /* reference handed over */
enum silt_status database_not_found(struct silt_str name, struct silt_error *err);
enum silt_status policy_not_found(const struct database *database, struct silt_str name, struct silt_error *err);

struct database *database_create(struct silt_storage *storage, uint32_t id, struct silt_str name);
struct database *database_acquire(struct database *database);
void database_release(struct database *database);
void add_database(struct silt_storage *storage, struct database *database);
struct policy *add_policy(struct database *database, const struct catalog_policy *facts);

/* The group that the policy would make for `time`: [start, end). */
void group_range(const struct policy *policy, silt_time time, silt_time *start, silt_time *end);
/* Makes the shard groups that cover `times`, where there are none. No lock held. May wait. */
enum silt_status ensure_shards(struct silt_storage *storage, struct silt_str database, struct silt_str policy,
                               const silt_time *times, size_t count, struct silt_error *err);
silt_time storage_now(struct silt_storage *storage);
void policy_destroy(struct policy *policy);
/* Out of the list of all shards, which gives its reference back. With meta_lock's write side. */
void forget_shard(struct silt_storage *storage, struct shard *shard);
/* No lock held; with a reference; NULL: there are no more. */
struct database *nth_database(struct silt_storage *storage, size_t place);

/* ---------------------------------------------------------------- drop.c */

/* Drops the shard groups whose time is over. One thread at a time. */
enum silt_status retention_step(struct silt_storage *storage, bool *did, struct silt_error *err);

/* ---------------------------------------------------------------- folders.c */

/* Shards that have got their first manifest, or one of their own again. May wait; no lock held. */
enum silt_status folders_note(struct silt_storage *storage, struct silt_error *err);
/* Manifests of shards without a write for so long move into the catalog, if they are enough. The same. */
enum silt_status folders_keep(struct silt_storage *storage, uint64_t idle_ms, struct silt_error *err);
/* SILT_CORRUPT: one that was noted is gone. While the store is opened. */
enum silt_status folders_check(struct silt_storage *storage, struct silt_error *err);

/* ---------------------------------------------------------------- cleanup.c */

void cleanup_init(struct silt_storage *storage);
void cleanup_deinit(struct silt_storage *storage); /* gives back what nobody cleaned up */
/* Jobs, with change_lock held. Shards that the catalog and the lists have no more: references handed over. awaited_of: who lists this
 * database's series waits for it; NULL: nobody does. */
void cleanup_shards(struct silt_storage *storage, struct shard *const *shards, size_t count, struct database *awaited_of);
/* A delete that may have left these without points; seq: of its record, with RECORD_SUSPECT. */
void cleanup_series(struct silt_storage *storage, struct database *database, const roaring_bitmap_t *series, uint64_t seq);
/* A database, with its shards: references handed over. */
void cleanup_database(struct silt_storage *storage, struct database *database, struct shard *const *shards, size_t count);
/* All jobs, and what an earlier run had to leave. One thread at a time; no lock held. */
enum silt_status cleanup_step(struct silt_storage *storage, bool *did, struct silt_error *err);
/* struct silt_source's `settled`. */
bool cleanup_settled(struct silt_source *source, struct silt_str name, uint64_t *ticket, uint32_t wait_ms);

/* All shards, each with a reference, in a malloc'd array. */
size_t all_shards(struct silt_storage *storage, struct shard ***shards);

/* ---------------------------------------------------------------- users.c, definitions.c */

void users_init(struct silt_storage *storage);
void users_deinit(struct silt_storage *storage);
enum silt_status users_load(struct silt_storage *storage, struct silt_error *err);
/* What was granted on a database goes with it. change_lock is held. */
void users_forget_database(struct silt_storage *storage, uint32_t database_id);

enum silt_status definitions_load(struct silt_storage *storage, struct silt_error *err); /* after the policies */
void definition_list_free(struct definition_list *list);

/* ---------------------------------------------------------------- write.c */

struct log_item *log_item_create(struct silt_storage *storage, enum record_kind kind);
struct log_item *log_item_acquire(struct log_item *item);
void log_item_release(struct log_item *item);
/* With the log's lock held; the log takes a reference, and the index thread one when it is for_index. */
uint64_t log_item_enqueue_locked(struct log_item *item);
/* Until it is durable or lost. */
enum silt_status log_item_wait(struct log_item *item, struct silt_error *err);

/* ---------------------------------------------------------------- index_thread.c */

void index_push_locked(struct silt_storage *storage, struct log_item *item); /* in seq order; takes a reference over */
enum silt_status index_start(struct silt_storage *storage, struct silt_error *err);
void index_stop(struct silt_storage *storage); /* applies what is durable first */
/* All that is queued and durable, up to and with the record of this number. */
enum silt_status index_apply_through(struct silt_storage *storage, uint64_t seq, struct silt_error *err);
enum silt_status index_drain(struct silt_storage *storage, struct silt_error *err); /* all of it */
void index_reclaim(struct silt_storage *storage); /* what removed series left in memory */
uint64_t index_oldest_seq(struct silt_storage *storage); /* 0: nothing waits */
/* The stored number of a measurement, for recovery. */
void index_map_measurement(struct database *database, uint32_t measurement, uint32_t stored_id);

/* ---------------------------------------------------------------- flush.c, compact.c */

/* What is still in memory of older segments of the log is flushed: a start would have to read the log from there on. */
#define FLUSH_LOG_SEGMENTS_MAX 32u

enum silt_status flush_shard(struct silt_storage *storage, struct shard *shard, bool rotate, bool *did,
                             struct silt_error *err);
/* write.c: SILT_OK, or why no write is taken now. */
enum silt_status check_writable(struct silt_storage *storage, struct silt_error *err);
/* Rotations and flushes that are due; all: of everything. */
enum silt_status flush_step(struct silt_storage *storage, bool all, bool *did, struct silt_error *err);
/* All shards, those with most in memory first, as long as there is time; the log has the rest. */
enum silt_status flush_largest(struct silt_storage *storage, uint64_t ns, struct silt_error *err);
void trim_log(struct silt_storage *storage);
/* Until every record enqueued so far is durable. */
enum silt_status log_wait_durable(struct silt_storage *storage, struct silt_error *err);
/* The edit and the tombstones it needs, durable; then the change of the version. */
enum silt_status commit_change(struct shard *shard, struct manifest_edit *edit, struct version_change *change,
                               struct silt_error *err);

/* full: one sorted run, whatever it costs. */
enum silt_status compact_shard(struct silt_storage *storage, struct shard *shard, bool full, bool *did,
                               struct silt_error *err);
enum silt_status compact_step(struct silt_storage *storage, bool *did, struct silt_error *err);
enum upkeep_work { UPKEEP_FLUSH = 1, UPKEEP_COMPACT = 2, UPKEEP_CLEANUP = 4 };
void upkeep_kick(struct silt_storage *storage, unsigned work);

/* ---------------------------------------------------------------- recovery.c, reader.c, cursor.c */

enum silt_status recover(struct silt_storage *storage, struct silt_error *err);

void source_init(struct silt_storage *storage);
struct reader_unit { /* shards that overlap in time: one ordinal */
    struct shard **shards;
    struct version **versions;
    size_t count;
    silt_time start, end;
};
struct storage_reader {
    struct silt_reader base;
    _Atomic uint32_t references;
    struct database *database;
    silt_time min, max;
    struct reader_unit *units;
    uint32_t unit_count;
    struct shard **shards;
    struct version **versions;
    size_t shard_count;
};
extern const struct silt_reader_ops storage_reader_ops;

enum silt_status cursor_create(struct silt_reader *reader, struct silt_budget *budget, struct silt_cursor **out,
                               struct silt_error *err);
enum silt_status cursor_seek(struct silt_cursor *cursor, struct silt_str measurement, silt_series_id id,
                             const struct silt_field *fields, size_t field_count, silt_time min, silt_time max,
                             bool descending, struct silt_error *err);
enum silt_status cursor_next(struct silt_cursor *cursor, struct silt_rows *rows, struct silt_error *err);
enum silt_status cursor_times(struct silt_cursor *cursor, const silt_time **times, struct silt_error *err);
enum silt_status cursor_column(struct silt_cursor *cursor, size_t field_index, struct silt_column *out,
                               struct silt_error *err);
bool cursor_stats(struct silt_cursor *cursor, size_t field_index, struct silt_block_stats *out);
enum silt_status cursor_skip(struct silt_cursor *cursor, silt_time time, struct silt_error *err);
enum silt_status cursor_prefer_stats(struct silt_cursor *cursor, bool prefer, struct silt_error *err);
void cursor_counters(const struct silt_cursor *cursor, struct silt_read_counters *out);
void cursor_destroy(struct silt_cursor *cursor);
enum silt_status reader_series_cost(struct silt_reader *reader, struct silt_str measurement, silt_series_id id,
                                    const struct silt_field *fields, size_t field_count, silt_time min, silt_time max,
                                    struct silt_arena *scratch, struct silt_read_cost *out, struct silt_error *err);

/* ---------------------------------------------------------------- delete.c */

/* Publish a delete: hide, remove, free. meta_lock's write side is held. seq: of its record; hidden is what shards hold
 * below it. */
void delete_apply(struct silt_storage *storage, struct database *database, const struct record_delete *what,
                  uint64_t boundary, bool replay);
/* Every series of the index. */
enum silt_status database_series(struct database *database, roaring_bitmap_t *out, struct silt_error *err);

/* ---------------------------------------------------------------- lonely.c */

/* Every series that a version may have data of. */
enum silt_status version_series(const struct version *version, roaring_bitmap_t *out, struct silt_error *err);
/* Those of the candidates that have no points left leave the index; candidates are used up. No lock is held.
 * SILT_CANCELLED: the store is being closed. */
enum silt_status remove_lonely_series(struct silt_storage *storage, struct database *database,
                                      roaring_bitmap_t *candidates, struct silt_error *err);

#endif
