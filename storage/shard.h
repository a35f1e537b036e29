/*
 * shard.h - one time range of a policy: its TSM files, memtables and tombstones, as versions that readers pin.
 *
 *     version:  file 3, file 7, file 9 | generation (being flushed), generation (active) | tombstones
 *
 * A version never changes; whatever changes a shard makes a new one and swaps the pointer. A generation is a memtable
 * with the numbers of the log records in it: those of the active one are all above those of the older ones, for a
 * rotation happens under the log's lock, where records get their numbers. A writer pins the active generation in the same
 * breath; who flushes an old one waits for its pins to go.
 *
 * Age: a file or generation has the seq that all its records are below; a tombstone has the seq that all records it hides
 * are below.
 *
 * Locks, in this order: flush_lock, compact_lock, manifest_lock, lock, the log's. See docs/threads.md.
 */
#ifndef STORAGE_SHARD_H
#define STORAGE_SHARD_H

#include "silt/base.h"
#include "storage/field_layout.h"
#include "storage/manifest.h"
#include "storage/memtable.h"
#include "storage/merge.h"
#include "storage/tombstone.h"
#include "storage/tsm_read.h"
#include "storage/wal.h"

#include <pthread.h>

struct data_file { /* counted; a dead one's blob is removed with the last reference */
    _Atomic uint32_t references;
    _Atomic bool dead;
    struct vfs *vfs;
    struct tsm_file *tsm;
    struct manifest_file facts;
    uint64_t hidden_seq, hidden_bytes; /* what tombstones up to this age hide of it; with the shard's compact_lock */
    char name[VFS_NAME_BYTES_MAX];
};

/* One of so many bytes is rotated and flushed, whatever room there is; */
#define GENERATION_BYTES_MAX ((size_t)160 << 20)
/* a smaller one too when its series have rows enough for row groups that need not be merged row by row later. */
#define GENERATION_BYTES_MIN ((size_t)64 << 20)
#define GENERATION_ROWS_WORTH 256u

struct generation { /* counted */
    _Atomic uint32_t references;
    _Atomic uint32_t pins;   /* writers that apply to it */
    struct memtable *mt;
    uint64_t first_seq;      /* lowest record in it, 0: none; under the log's lock */
    uint64_t boundary;       /* all records are below it; 0: active. Under the log's lock */
    uint64_t born_ms;        /* monotonic time of the first record; under the log's lock */
};

struct version { /* counted, immutable */
    _Atomic uint32_t references;
    struct data_file **files; /* by age, oldest first */
    size_t file_count;
    struct generation **generations; /* the same; the last is the active one */
    size_t generation_count;
    struct tombstone **tombstones;
    size_t tombstone_count;
};

struct shard_counters { /* since the start; any thread, statistics only */
    _Atomic uint64_t writes, rows, log_bytes, series_created, fields_created;
    _Atomic uint64_t flushes, flush_errors, flush_ns, merges, merge_errors, merge_ns;
    _Atomic bool flushing, merging;
};

/* Once a batch or less, never once a row. */
static inline void shard_count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

struct shard { /* counted: the catalog's lists, readers, upkeep */
    _Atomic uint32_t references;
    _Atomic bool dropped;
    uint64_t id;
    uint32_t database_id, policy_id;
    silt_time start, end; /* [start, end) */
    struct vfs *vfs;
    struct wal *wal;
    struct field_types *types;
    struct field_dict *dict;   /* the database's, which outlives the shard by `owner` */
    struct database *owner;    /* counted */
    struct silt_budget *memory;
    struct piece_pool *pieces;
    uint64_t epoch;

    pthread_mutex_t flush_lock;    /* one flush at a time */
    pthread_mutex_t compact_lock;  /* one merge at a time; guards: */
    uint64_t merge_after_ms, merge_pause_ms; /*   one failed: not again before, monotonic; 0: none did */
    pthread_mutex_t manifest_lock; /* guards manifest and the steps that change it */
    struct manifest manifest;
    bool folder_noted; /* in the catalog; under the storage's folders_lock */

    pthread_mutex_t lock; /* guards version */
    struct version *version;
    struct generation *active; /* written under lock and the log's lock, read under either */
    _Atomic uint64_t changed_ms; /* monotonic: the last write or flush, for telling cold shards */
    struct shard_counters counters;
};

/* A shard as the catalog names it: reads its manifest (kept_manifest: what the catalog has of it, or empty), opens its files,
 * removes orphans. May wait. */
enum silt_status shard_open(struct database *owner, struct vfs *vfs, struct wal *wal, struct silt_budget *memory,
                            struct piece_pool *pieces, uint64_t epoch, uint64_t id, uint32_t policy_id, silt_time start, silt_time end,
                            struct silt_str kept_manifest, struct shard **out, struct silt_error *err);
struct shard *shard_acquire(struct shard *shard);
void shard_release(struct shard *shard); /* NULL is fine */
void shard_folder(uint64_t id, char *name); /* VFS_NAME_BYTES_MAX */

struct version *shard_pin(struct shard *shard);
void version_release(struct version *version);

struct data_file *data_file_acquire(struct data_file *file);
void data_file_release(struct data_file *file);
/* Opens a blob that the manifest names, or is about to. */
enum silt_status data_file_open(struct shard *shard, const struct manifest_file *facts, struct data_file **out,
                                struct silt_error *err);
/* A number for a new file or tombstone list. */
uint64_t shard_next_file_id(struct shard *shard);

/* With the log's lock held: the active generation, pinned for a record of this number. */
struct generation *shard_enter_locked(struct shard *shard, uint64_t seq);
void generation_leave(struct generation *generation);
void generation_release(struct generation *generation);
/* Its series have rows enough, see GENERATION_ROWS_WORTH. */
bool generation_has_groups(const struct generation *generation);
/* Whether it should be flushed for its size. */
bool generation_is_full(const struct generation *generation);

/* The active generation becomes an old one and a new one begins. mark_seq 0: only when there is something in it; else the
 * record of this number counts as in it (a delete, which must be kept in the log until it is flushed). boundary 0: the
 * log's next number. tombstone, or NULL: comes into the same version, for whoever flushes the old generation says that the
 * delete is on disk. Returns whether there was a rotation. */
bool shard_rotate(struct shard *shard, uint64_t mark_seq, uint64_t boundary, struct tombstone *tombstone);

/* What a finished flush or merge changes, in one swap. With manifest_lock held; the edit is durable. */
struct version_change {
    struct data_file *add;             /* reference handed over; may be NULL */
    struct data_file **remove;         /* in a row; add takes their place, else the end */
    size_t remove_count;
    struct generation *flushed;        /* leaves; may be NULL */
    uint64_t drop_tombstones_to;       /* those with seq <= this leave ... */
    bool drop_tombstones;              /* ... when this is set */
};
void shard_change(struct shard *shard, const struct version_change *change);

/* Lowest record that is not in files yet; 0: none. */
uint64_t shard_oldest_seq(struct shard *shard);
size_t shard_memory(struct shard *shard);
/* Whether anything of the series may be in this version. */
enum silt_status version_has_series(const struct version *version, silt_series_id series, bool *has, struct silt_error *err);

#endif
