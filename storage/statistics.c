/*
 * statistics.c - implements silt/statistics.h.
 */
#include "silt/statistics.h"

#include "storage/storage_internal.h"

void silt_storage_database_stats(struct silt_storage *storage, struct silt_arena *arena, struct silt_database_stats **out,
                                 size_t *count)
{
    *count = 0;
    pthread_rwlock_rdlock(&storage->meta_lock);
    *out = silt_arena_alloc(arena, (storage->database_count + 1) * sizeof(**out));
    for (size_t i = 0; i < storage->database_count; i++) {
        const struct database *database = storage->databases[i];
        struct series_index_stats index;
        size_t shards = 0;
        for (size_t p = 0; p < database->policy_count; p++)
            shards += database->policies[p]->shard_count;
        if (shards == 0)
            continue;
        series_index_stats(database->index, &index);
        (*out)[(*count)++] = (struct silt_database_stats){silt_arena_str(arena, silt_str_from(database->name)),
                                                          index.measurements, index.series, index.bytes};
    }
    pthread_rwlock_unlock(&storage->meta_lock);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t memtable_age_ms(struct shard *shard, const struct version *version)
{
    uint64_t born_ms = 0, now_ms = silt_clock_monotonic_ns() / 1000000;

    wal_lock(shard->wal);
    for (size_t i = 0; i < version->generation_count && !born_ms; i++)
        if (version->generations[i]->first_seq)
            born_ms = version->generations[i]->born_ms;
    wal_unlock(shard->wal);
    return born_ms ? now_ms - born_ms : 0;
}

static struct silt_str shard_path(const struct silt_storage *storage, const struct shard *shard, struct silt_arena *arena)
{
    char folder[VFS_NAME_BYTES_MAX];

    shard_folder(shard->id, folder);
    return silt_arena_printf(arena, "%s/%s", storage->options.data_dir ? storage->options.data_dir : "", folder);
}

static struct silt_shard_stats stats_of(struct silt_storage *storage, struct shard *shard, struct silt_arena *arena)
{
    const struct shard_counters *counters = &shard->counters;
    struct version *version = shard_pin(shard);
    struct silt_shard_stats stats = {
        .id = shard->id,
        .path = shard_path(storage, shard, arena),
        .files = version->file_count,
        .memtable_bytes = shard_memory(shard),
        .memtable_age_ms = memtable_age_ms(shard, version),
        .writes = get(&counters->writes),
        .rows = get(&counters->rows),
        .log_bytes = get(&counters->log_bytes),
        .series_created = get(&counters->series_created),
        .fields_created = get(&counters->fields_created),
        .flushes = get(&counters->flushes),
        .flush_errors = get(&counters->flush_errors),
        .flush_ns = get(&counters->flush_ns),
        .merges = get(&counters->merges),
        .merge_errors = get(&counters->merge_errors),
        .merge_ns = get(&counters->merge_ns),
        .flushing = atomic_load(&counters->flushing),
        .merging = atomic_load(&counters->merging),
    };
    for (size_t f = 0; f < version->file_count; f++)
        stats.file_bytes += version->files[f]->facts.bytes;
    version_release(version);
    return stats;
}

static struct silt_str policy_name(const struct database *database, uint32_t id)
{
    for (size_t p = 0; p < database->policy_count; p++)
        if (database->policies[p]->id == id)
            return silt_str_from(database->policies[p]->name);
    return SILT_STR("");
}

void silt_storage_shard_stats(struct silt_storage *storage, struct silt_arena *arena, struct silt_shard_stats **out,
                              size_t *count)
{
    pthread_rwlock_rdlock(&storage->meta_lock);
    *count = storage->shard_count;
    *out = silt_arena_alloc(arena, (*count + 1) * sizeof(**out));
    for (size_t i = 0; i < *count; i++) {
        struct shard *shard = storage->shards[i];
        (*out)[i] = stats_of(storage, shard, arena);
        (*out)[i].database = silt_arena_str(arena, silt_str_from(shard->owner->name));
        (*out)[i].policy = silt_arena_str(arena, policy_name(shard->owner, shard->policy_id));
    }
    pthread_rwlock_unlock(&storage->meta_lock);
}
