/*
 * folders.c - shards' manifests and the catalog: which there are, so that one that is gone is missed, and those of shards at rest,
 * which have no file of their own.
 *
 *     first flush: manifest, then a row of shard_folder   ->   start: a row, and no manifest: damage
 *     at rest:     a row of shard_manifest, then the file goes
 *     changed:     a file again, then the row goes        ->   start: a file, whatever the row says; no file: the row
 *
 * Never the other way round: a crash between two steps must leave a store that starts. A snapshot keeps notes from being made
 * between its list of shards and its copy of the catalog (folders_lock), for it has no folder of such a shard.
 *
 * A file takes a block of the disk, 4 KB mostly, for some 130 bytes, and a read of its own at each start. With a group for each
 * week and years of them, that is most of what a small store takes.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEPT_BYTES_MAX 1024u

static bool has_manifest(struct shard *shard)
{
    pthread_mutex_lock(&shard->manifest_lock);
    bool has = manifest_is_stored(&shard->manifest);
    pthread_mutex_unlock(&shard->manifest_lock);
    return has;
}

/* Whether the catalog keeps what the shard's own file has replaced. `kept` changes under both locks: either will do to read it. */
static bool has_old_row(struct shard *shard)
{
    if (!shard->manifest.kept)
        return false;
    pthread_mutex_lock(&shard->manifest_lock);
    bool old = shard->manifest.version != 0;
    pthread_mutex_unlock(&shard->manifest_lock);
    return old;
}

/* With folders_lock. */
static enum silt_status note_new(struct silt_storage *storage, struct shard **shards, size_t count, uint64_t *ids,
                                 struct silt_error *err)
{
    size_t found = 0;
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < count; i++)
        if (!shards[i]->folder_noted && has_manifest(shards[i]))
            ids[found++] = shards[i]->id;
    if (found > 0)
        rc = catalog_put_folders(storage->catalog, ids, found, err);
    for (size_t i = 0, k = 0; rc == SILT_OK && k < found; i++)
        if (shards[i]->id == ids[k]) {
            shards[i]->folder_noted = true;
            k++;
        }
    return rc;
}

/* With folders_lock: the file that is there already stays meanwhile, for only folders_keep takes it away. */
static enum silt_status drop_old(struct silt_storage *storage, struct shard **shards, size_t count, uint64_t *ids,
                                 struct silt_error *err)
{
    size_t found = 0;
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < count; i++)
        if (has_old_row(shards[i]))
            ids[found++] = shards[i]->id;
    if (found > 0)
        rc = catalog_drop_manifests(storage->catalog, ids, found, err);
    for (size_t i = 0, k = 0; rc == SILT_OK && k < found; i++)
        if (shards[i]->id == ids[k]) {
            pthread_mutex_lock(&shards[i]->manifest_lock);
            shards[i]->manifest.kept = false;
            pthread_mutex_unlock(&shards[i]->manifest_lock);
            k++;
        }
    return rc;
}

enum silt_status folders_note(struct silt_storage *storage, struct silt_error *err)
{
    struct shard **shards;
    size_t count = all_shards(storage, &shards);
    uint64_t *ids = silt_malloc((count + 1) * sizeof(*ids));
    pthread_mutex_lock(&storage->folders_lock);
    enum silt_status rc = note_new(storage, shards, count, ids, err);
    if (rc == SILT_OK)
        rc = drop_old(storage, shards, count, ids, err);
    pthread_mutex_unlock(&storage->folders_lock);
    for (size_t i = 0; i < count; i++)
        shard_release(shards[i]);
    free(shards);
    free(ids);
    return rc;
}

/* ---------------------------------------------------------------- manifests of shards at rest */

struct leaving { /* a shard whose manifest moves to the catalog */
    struct shard *shard;
    uint64_t version; /* of the one that moves */
};

/* Whether the shard's manifest may move: then it is in *row, malloc'd. */
static bool may_leave(struct shard *shard, uint64_t idle_ms, struct leaving *leaving, struct catalog_manifest *row)
{
    uint64_t now_ms = silt_clock_monotonic_ns() / 1000000, changed_ms = atomic_load_explicit(&shard->changed_ms, memory_order_relaxed);
    if (now_ms < changed_ms + idle_ms)
        return false;
    *row = (struct catalog_manifest){.shard_id = shard->id};
    *leaving = (struct leaving){.shard = shard};
    pthread_mutex_lock(&shard->manifest_lock);
    if (shard->manifest.version != 0 && !shard->manifest.unsure && !atomic_load(&shard->dropped)) {
        leaving->version = shard->manifest.version;
        row->bytes = manifest_encode(&shard->manifest, &row->len);
    }
    pthread_mutex_unlock(&shard->manifest_lock);
    if (row->len > 0 && row->len <= KEPT_BYTES_MAX)
        return true;
    free(row->bytes);
    return false;
}

/* The catalog has the row. One that has changed meanwhile keeps its file, and the row is an old one. */
static enum silt_status leave(const struct leaving *leaving, struct silt_error *err)
{
    struct manifest *manifest = &leaving->shard->manifest;
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&leaving->shard->manifest_lock);
    manifest->kept = true;
    if (manifest->version == leaving->version && !manifest->unsure)
        rc = manifest_leave(manifest, err);
    pthread_mutex_unlock(&leaving->shard->manifest_lock);
    return rc;
}

enum silt_status folders_keep(struct silt_storage *storage, uint64_t idle_ms, struct silt_error *err)
{
    struct shard **shards;
    size_t count = all_shards(storage, &shards), found = 0;
    struct leaving *leaving = silt_malloc((count + 1) * sizeof(*leaving));
    struct catalog_manifest *rows = silt_malloc((count + 1) * sizeof(*rows));
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&storage->folders_lock);
    for (size_t i = 0; i < count; i++)
        found += may_leave(shards[i], idle_ms, &leaving[found], &rows[found]);
    if (found > 0 && found >= storage->options.manifests_min) {
        rc = catalog_put_manifests(storage->catalog, rows, found, err);
        for (size_t i = 0; i < found && rc == SILT_OK; i++)
            rc = leave(&leaving[i], err);
    }
    pthread_mutex_unlock(&storage->folders_lock);
    for (size_t i = 0; i < found; i++)
        free(rows[i].bytes);
    for (size_t i = 0; i < count; i++)
        shard_release(shards[i]);
    free(leaving);
    free(rows);
    free(shards);
    return rc;
}

/* ---------------------------------------------------------------- at a start */

static enum silt_status check_one(void *arg, uint64_t shard_id, struct silt_error *err)
{
    struct shard *shard = find_shard(arg, shard_id);
    if (!shard) /* dropped since */
        return SILT_OK;
    shard->folder_noted = true;
    return manifest_expect(&shard->manifest, err);
}

enum silt_status folders_check(struct silt_storage *storage, struct silt_error *err)
{
    return catalog_folders(storage->catalog, check_one, storage, err);
}
