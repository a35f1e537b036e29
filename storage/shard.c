/*
 * shard.c - see shard.h.
 */
#include "storage/shard.h"

#include "silt/text.h"
#include "storage/storage_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void shard_folder(uint64_t id, char *name)
{
    snprintf(name, VFS_NAME_BYTES_MAX, "%s/%" PRIu64, SHARDS_FOLDER, id);
}

/* ---------------------------------------------------------------- files */

struct data_file *data_file_acquire(struct data_file *file)
{
    atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    return file;
}

void data_file_release(struct data_file *file)
{
    if (!file || atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) != 1)
        return;
    tsm_close(file->tsm);
    if (atomic_load(&file->dead)) {
        struct silt_error err;
        /* What cannot be removed now is an orphan, and removed at the next start. */
        if (vfs_blob_discard(file->vfs, file->name, &err) != SILT_OK)
            silt_log(SILT_LOG_WARN, "cannot remove an old file", "error=\"%s\"", err.text);
    }
    free(file);
}

enum silt_status data_file_open(struct shard *shard, const struct manifest_file *facts, struct data_file **out,
                                struct silt_error *err)
{
    struct data_file *file = silt_calloc(1, sizeof(*file));
    atomic_init(&file->references, 1);
    file->vfs = shard->vfs;
    file->facts = *facts;
    manifest_file_name(&shard->manifest, facts->file_id, file->name);
    enum silt_status rc = tsm_open(shard->vfs, file->name, &file->tsm, err);
    if (rc == SILT_NOT_FOUND)
        rc = silt_fail(err, SILT_CORRUPT, "%s: missing, and the manifest names it: was it removed?", file->name);
    if (rc != SILT_OK) {
        free(file);
        return rc;
    }
    *out = file;
    return SILT_OK;
}

uint64_t shard_next_file_id(struct shard *shard)
{
    pthread_mutex_lock(&shard->manifest_lock);
    uint64_t id = shard->manifest.next_file_id++;
    pthread_mutex_unlock(&shard->manifest_lock);
    return id;
}

/* ---------------------------------------------------------------- generations */

static struct generation *generation_create(struct shard *shard)
{
    struct generation *generation = silt_calloc(1, sizeof(*generation));
    atomic_init(&generation->references, 1);
    generation->mt = memtable_create(shard->memory, shard->pieces, shard->dict);
    return generation;
}

bool generation_has_groups(const struct generation *generation)
{
    struct memtable_stats stats;
    memtable_stats(generation->mt, &stats);
    return stats.rows >= GENERATION_ROWS_WORTH * stats.series;
}

bool generation_is_full(const struct generation *generation)
{
    size_t bytes = memtable_bytes(generation->mt);
    return bytes > GENERATION_BYTES_MAX || (bytes > GENERATION_BYTES_MIN && generation_has_groups(generation));
}

void generation_release(struct generation *generation)
{
    if (!generation || atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1)
        return;
    memtable_destroy(generation->mt);
    free(generation);
}

static struct generation *generation_acquire(struct generation *generation)
{
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

struct generation *shard_enter_locked(struct shard *shard, uint64_t seq)
{
    struct generation *generation = shard->active;
    if (generation->first_seq == 0) {
        generation->first_seq = seq;
        generation->born_ms = silt_clock_monotonic_ns() / 1000000;
    }
    atomic_fetch_add_explicit(&generation->pins, 1, memory_order_relaxed);
    return generation;
}

void generation_leave(struct generation *generation)
{
    atomic_fetch_sub_explicit(&generation->pins, 1, memory_order_release);
}

/* ---------------------------------------------------------------- versions */

static struct version *version_create(size_t files, size_t generations, size_t tombstones)
{
    struct version *version = silt_calloc(1, sizeof(*version));
    atomic_init(&version->references, 1);
    version->files = silt_calloc(files + 1, sizeof(*version->files));
    version->generations = silt_calloc(generations + 1, sizeof(*version->generations));
    version->tombstones = silt_calloc(tombstones + 1, sizeof(*version->tombstones));
    return version;
}

void version_release(struct version *version)
{
    if (!version || atomic_fetch_sub_explicit(&version->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < version->file_count; i++)
        data_file_release(version->files[i]);
    for (size_t i = 0; i < version->generation_count; i++)
        generation_release(version->generations[i]);
    for (size_t i = 0; i < version->tombstone_count; i++)
        tombstone_release(version->tombstones[i]);
    free(version->files);
    free(version->generations);
    free(version->tombstones);
    free(version);
}

struct version *shard_pin(struct shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    struct version *version = shard->version;
    atomic_fetch_add_explicit(&version->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&shard->lock);
    return version;
}

/* A copy with room for one more of each. */
static struct version *version_copy(const struct version *from)
{
    struct version *to = version_create(from->file_count + 1, from->generation_count + 1, from->tombstone_count + 1);
    for (size_t i = 0; i < from->file_count; i++)
        to->files[to->file_count++] = data_file_acquire(from->files[i]);
    for (size_t i = 0; i < from->generation_count; i++)
        to->generations[to->generation_count++] = generation_acquire(from->generations[i]);
    for (size_t i = 0; i < from->tombstone_count; i++)
        to->tombstones[to->tombstone_count++] = tombstone_acquire(from->tombstones[i]);
    return to;
}

static bool has_tombstone(const struct version *version, uint64_t seq)
{
    for (size_t i = 0; i < version->tombstone_count; i++)
        if (version->tombstones[i]->seq == seq)
            return true;
    return false;
}

bool shard_rotate(struct shard *shard, uint64_t mark_seq, uint64_t boundary, struct tombstone *tombstone)
{
    struct generation *fresh = generation_create(shard);
    pthread_mutex_lock(&shard->lock);
    struct version *old = shard->version, *version = version_copy(old);
    wal_lock(shard->wal);
    struct generation *generation = shard->active;
    bool rotates = generation->first_seq != 0 || mark_seq != 0;
    if (rotates) {
        if (generation->first_seq == 0)
            generation->first_seq = mark_seq;
        generation->boundary = boundary ? boundary : wal_next_seq_locked(shard->wal);
        shard->active = fresh;
    }
    wal_unlock(shard->wal);
    if (rotates) {
        version->generations[version->generation_count++] = fresh;
        if (tombstone && !has_tombstone(version, tombstone->seq)) /* a replay may meet one again */
            version->tombstones[version->tombstone_count++] = tombstone_acquire(tombstone);
        shard->version = version;
    }
    pthread_mutex_unlock(&shard->lock);
    if (rotates) {
        version_release(old);
    } else {
        version_release(version);
        generation_release(fresh);
    }
    return rotates;
}

static bool is_removed(const struct version_change *change, const struct data_file *file)
{
    for (size_t i = 0; i < change->remove_count; i++)
        if (change->remove[i] == file)
            return true;
    return false;
}

void shard_change(struct shard *shard, const struct version_change *change)
{
    pthread_mutex_lock(&shard->lock);
    struct version *old = shard->version;
    struct version *version = version_create(old->file_count + 1, old->generation_count, old->tombstone_count);
    struct data_file *add = change->add;
    for (size_t i = 0; i < old->file_count; i++) {
        if (!is_removed(change, old->files[i])) {
            version->files[version->file_count++] = data_file_acquire(old->files[i]);
        } else if (add) {
            version->files[version->file_count++] = add;
            add = NULL;
        }
    }
    if (add)
        version->files[version->file_count++] = add;
    for (size_t i = 0; i < old->generation_count; i++)
        if (old->generations[i] != change->flushed)
            version->generations[version->generation_count++] = generation_acquire(old->generations[i]);
    for (size_t i = 0; i < old->tombstone_count; i++)
        if (!change->drop_tombstones || old->tombstones[i]->seq > change->drop_tombstones_to)
            version->tombstones[version->tombstone_count++] = tombstone_acquire(old->tombstones[i]);
    shard->version = version;
    pthread_mutex_unlock(&shard->lock);
    for (size_t i = 0; i < change->remove_count; i++)
        atomic_store(&change->remove[i]->dead, true);
    version_release(old);
}

uint64_t shard_oldest_seq(struct shard *shard)
{
    uint64_t oldest = 0;
    pthread_mutex_lock(&shard->lock);
    wal_lock(shard->wal);
    for (size_t i = 0; i < shard->version->generation_count && oldest == 0; i++)
        oldest = shard->version->generations[i]->first_seq;
    wal_unlock(shard->wal);
    pthread_mutex_unlock(&shard->lock);
    return oldest;
}

size_t shard_memory(struct shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    size_t bytes = memtable_bytes(shard->active->mt);
    pthread_mutex_unlock(&shard->lock);
    return bytes;
}

enum silt_status version_has_series(const struct version *version, silt_series_id series, bool *has, struct silt_error *err)
{
    *has = false;
    for (size_t i = 0; i < version->generation_count && !*has; i++)
        *has = memtable_has_series(version->generations[i]->mt, series);
    for (size_t i = 0; i < version->file_count && !*has; i++) {
        enum silt_status rc = tsm_has_series(version->files[i]->tsm, series, has, err);
        if (rc != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- life */

struct shard *shard_acquire(struct shard *shard)
{
    atomic_fetch_add_explicit(&shard->references, 1, memory_order_relaxed);
    return shard;
}

void shard_release(struct shard *shard)
{
    if (!shard || atomic_fetch_sub_explicit(&shard->references, 1, memory_order_acq_rel) != 1)
        return;
    version_release(shard->version);
    field_types_destroy(shard->types);
    manifest_deinit(&shard->manifest);
    database_release(shard->owner);
    pthread_mutex_destroy(&shard->flush_lock);
    pthread_mutex_destroy(&shard->compact_lock);
    pthread_mutex_destroy(&shard->manifest_lock);
    pthread_mutex_destroy(&shard->lock);
    free(shard);
}

static enum silt_status load_tombstones(struct shard *shard, struct tombstone ***tombstones, size_t *count,
                                        struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    *tombstones = NULL;
    *count = 0;
    if (shard->manifest.tombstone_id == 0)
        return SILT_OK;
    manifest_tombstone_name(&shard->manifest, shard->manifest.tombstone_id, name);
    return tombstone_load(shard->vfs, name, tombstones, count, err);
}

enum silt_status shard_open(struct database *owner, struct vfs *vfs, struct wal *wal, struct silt_budget *memory,
                            struct piece_pool *pieces, uint64_t epoch, uint64_t id, uint32_t policy_id, silt_time start, silt_time end,
                            struct silt_str kept_manifest, struct shard **out, struct silt_error *err)
{
    struct shard *shard = silt_calloc(1, sizeof(*shard));
    char folder[VFS_NAME_BYTES_MAX];
    atomic_init(&shard->references, 1);
    shard->id = id;
    shard->database_id = owner->id;
    shard->policy_id = policy_id;
    shard->start = start;
    shard->end = end;
    shard->vfs = vfs;
    shard->wal = wal;
    shard->memory = memory;
    shard->pieces = pieces;
    shard->epoch = epoch;
    shard->owner = database_acquire(owner);
    shard->dict = owner->dict;
    shard->types = field_types_create(NULL);
    pthread_mutex_init(&shard->flush_lock, NULL);
    pthread_mutex_init(&shard->compact_lock, NULL);
    pthread_mutex_init(&shard->manifest_lock, NULL);
    pthread_mutex_init(&shard->lock, NULL);
    atomic_store(&shard->changed_ms, silt_clock_monotonic_ns() / 1000000);
    shard_folder(id, folder);

    struct tombstone **tombstones = NULL;
    size_t tombstone_count = 0;
    shard->version = version_create(0, 1, 0);
    shard->active = generation_create(shard);
    shard->version->generations[shard->version->generation_count++] = shard->active;

    enum silt_status rc = manifest_load_kept(vfs, folder, epoch, kept_manifest, &shard->manifest, err);
    if (rc == SILT_OK && epoch != MANIFEST_READER)
        rc = manifest_sweep(&shard->manifest, NULL, err);
    if (rc == SILT_OK)
        rc = load_tombstones(shard, &tombstones, &tombstone_count, err);
    if (rc == SILT_OK) {
        struct version *version = version_create(shard->manifest.file_count, 1, tombstone_count);
        version->generations[version->generation_count++] = generation_acquire(shard->active);
        for (size_t i = 0; i < tombstone_count; i++)
            version->tombstones[version->tombstone_count++] = tombstones[i];
        for (size_t i = 0; rc == SILT_OK && i < shard->manifest.file_count; i++) {
            rc = data_file_open(shard, &shard->manifest.files[i], &version->files[version->file_count], err);
            if (rc == SILT_OK)
                version->file_count++;
        }
        version_release(shard->version);
        shard->version = version;
    }
    free(tombstones);
    if (rc != SILT_OK) {
        shard_release(shard);
        return rc;
    }
    *out = shard;
    return SILT_OK;
}
