/*
 * statistics.h - what the store counts of each database and shard since it was opened, and how large they are now.
 *
 * Threads: any; takes locks that nobody holds across disk work. What is given is in the arena.
 */
#ifndef SILT_STATISTICS_H
#define SILT_STATISTICS_H

#include "silt/base.h"

struct silt_storage;

struct silt_database_stats { /* of a database that has a shard */
    struct silt_str name;
    uint64_t measurements, series, index_bytes;
};

struct silt_shard_stats {
    uint64_t id;
    struct silt_str database, policy;
    struct silt_str path; /* of its folder */
    uint64_t files, file_bytes, memtable_bytes;
    uint64_t memtable_age_ms; /* of the oldest rows in memory */
    /* since the start */
    uint64_t writes, rows, log_bytes, series_created, fields_created;
    uint64_t flushes, flush_errors, flush_ns, merges, merge_errors, merge_ns;
    bool flushing, merging;
};

/* In creation order. */
void silt_storage_database_stats(struct silt_storage *storage, struct silt_arena *arena, struct silt_database_stats **out,
                                 size_t *count);
/* By id. */
void silt_storage_shard_stats(struct silt_storage *storage, struct silt_arena *arena, struct silt_shard_stats **out,
                              size_t *count);

#endif
