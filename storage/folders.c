/*
 * folders.c - shards' folders, noted in the catalog once they are there, so that one that is gone is missed.
 *
 *     first flush: manifest, then a row of the catalog   ->   start: a row, and no manifest: damage
 *
 * Not the other way round: a crash between the two must leave a store that starts. A snapshot keeps notes from being made
 * between its list of shards and its copy of the catalog (folders_lock), for it has no folder of such a shard.
 */
#include "storage/storage_internal.h"

#include <inttypes.h>
#include <stdlib.h>

static bool has_manifest(struct shard *shard)
{
    pthread_mutex_lock(&shard->manifest_lock);
    bool has = shard->manifest.version != 0;
    pthread_mutex_unlock(&shard->manifest_lock);
    return has;
}

enum silt_status folders_note(struct silt_storage *storage, struct silt_error *err)
{
    struct shard **shards;
    size_t count = all_shards(storage, &shards), found = 0;
    uint64_t *ids = silt_malloc((count + 1) * sizeof(*ids));
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&storage->folders_lock);
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
    pthread_mutex_unlock(&storage->folders_lock);
    for (size_t i = 0; i < count; i++)
        shard_release(shards[i]);
    free(shards);
    free(ids);
    return rc;
}

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
