/*
 * snapshot.c - implements silt/snapshot.h.
 *
 *     flush all -> each shard: manifest and version, pinned together -> definitions drained -> catalog copied
 *
 * The catalog comes last: it knows every series and field that a pinned file uses, for those are defined before their rows can
 * be flushed, and what it knows beyond is without data. A shard that is made meanwhile has no files here.
 */
#include "silt/snapshot.h"
#include "storage/storage_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct source { /* of one file's bytes: exactly one of these */
    struct vfs_blob *pinned; /* of a data file, which the version holds */
    struct vfs_blob *own;    /* opened here */
    void *bytes;
};

struct silt_snapshot {
    struct silt_snapshot_file *files;
    struct source *sources;
    size_t count, room;
    struct version **versions;
    size_t version_count;
    uint64_t store_id;
    struct vfs_blob *once; /* of the data file that is being read; NULL: none, or there is no such thing */
    size_t once_of;        /* its number; SIZE_MAX: none yet */
};

static struct source *add(struct silt_snapshot *snapshot, enum silt_backup_kind kind, const char *name, uint64_t bytes)
{
    if (snapshot->count == snapshot->room) {
        snapshot->room = snapshot->room ? 2 * snapshot->room : 64;
        snapshot->files = silt_realloc(snapshot->files, snapshot->room * sizeof(*snapshot->files));
        snapshot->sources = silt_realloc(snapshot->sources, snapshot->room * sizeof(*snapshot->sources));
    }
    struct source *source = &snapshot->sources[snapshot->count];
    *source = (struct source){0};
    snapshot->files[snapshot->count++] =
        (struct silt_snapshot_file){.kind = kind, .name = silt_strdup(silt_str_from(name)), .bytes = bytes};
    return source;
}

/* With manifest_lock: what the manifest says is what the version has. */
static enum silt_status pin_shard(struct silt_snapshot *snapshot, struct shard *shard, struct silt_error *err)
{
    struct manifest *manifest = &shard->manifest;
    struct vfs_blob *tombstones = NULL;
    char name[VFS_NAME_BYTES_MAX];
    size_t len;

    if (!manifest_is_stored(manifest) || atomic_load(&shard->dropped)) /* nothing of it is in files, or it is on its way out */
        return SILT_OK;
    enum silt_status rc = manifest_settle(manifest, err);
    if (rc != SILT_OK)
        return rc;
    manifest_register_name(manifest, name);
    void *bytes = manifest_encode(manifest, &len); /* a register here too where the catalog keeps it: a copy of it counts less */
    add(snapshot, SILT_BACKUP_REGISTER, name, len)->bytes = bytes;
    if (manifest->tombstone_id) {
        manifest_tombstone_name(manifest, manifest->tombstone_id, name);
        if ((rc = vfs_blob_open(shard->vfs, name, &tombstones, err)) != SILT_OK)
            return rc;
        add(snapshot, SILT_BACKUP_BLOB, name, vfs_blob_bytes(tombstones))->own = tombstones;
    }
    struct version *version = shard_pin(shard);
    snapshot->versions[snapshot->version_count++] = version;
    for (size_t i = 0; i < version->file_count; i++) {
        struct vfs_blob *blob = tsm_blob(version->files[i]->tsm);
        add(snapshot, SILT_BACKUP_BLOB, version->files[i]->name, vfs_blob_bytes(blob))->pinned = blob;
    }
    return SILT_OK;
}

static enum silt_status pin_shards(struct silt_snapshot *snapshot, struct silt_storage *storage, struct silt_error *err)
{
    struct shard **shards;
    enum silt_status rc = SILT_OK;
    size_t count = all_shards(storage, &shards);

    snapshot->versions = silt_calloc(count + 1, sizeof(*snapshot->versions));
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&shards[i]->manifest_lock);
        if (rc == SILT_OK)
            rc = pin_shard(snapshot, shards[i], err);
        pthread_mutex_unlock(&shards[i]->manifest_lock);
        shard_release(shards[i]);
    }
    free(shards);
    return rc;
}

/* Open, the copy needs no name. What a crash leaves of it, the next start removes. */
static enum silt_status copy_catalog(struct silt_snapshot *snapshot, struct silt_storage *storage, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct vfs_blob_writer *writer;
    struct vfs_blob *copy;
    struct silt_error why;

    snprintf(name, sizeof(name), COPIES_FOLDER "/%016" PRIx64 "-%" PRIu64, storage->epoch, atomic_fetch_add(&storage->copies, 1));
    enum silt_status rc = vfs_blob_create(storage->vfs, name, &writer, err);
    if (rc != SILT_OK)
        return rc;
    if ((rc = catalog_copy(storage->catalog, writer, err)) != SILT_OK) {
        vfs_blob_abort(writer);
        return rc;
    }
    if ((rc = vfs_blob_commit(writer, err)) != SILT_OK)
        return rc;
    if ((rc = vfs_blob_open(storage->vfs, name, &copy, err)) == SILT_OK)
        add(snapshot, SILT_BACKUP_CATALOG, "meta.sqlite", vfs_blob_bytes(copy))->own = copy;
    enum silt_status removed = vfs_blob_remove(storage->vfs, name, rc == SILT_OK ? err : &why);
    return rc == SILT_OK ? removed : rc;
}

enum silt_status silt_snapshot_take(struct silt_storage *storage, struct silt_snapshot **out, struct silt_error *err)
{
    struct silt_snapshot *snapshot = silt_calloc(1, sizeof(*snapshot));
    snapshot->once_of = SIZE_MAX;
    enum silt_status rc = silt_storage_flush(storage, err);

    if (rc == SILT_OK)
        rc = catalog_store_id(storage->catalog, false, &snapshot->store_id, err);
    pthread_mutex_lock(&storage->folders_lock);
    if (rc == SILT_OK)
        rc = pin_shards(snapshot, storage, err);
    if (rc == SILT_OK)
        rc = index_drain(storage, err);
    if (rc == SILT_OK)
        rc = copy_catalog(snapshot, storage, err);
    pthread_mutex_unlock(&storage->folders_lock);
    if (rc != SILT_OK) {
        silt_snapshot_release(snapshot);
        return rc;
    }
    *out = snapshot;
    return SILT_OK;
}

void silt_snapshot_release(struct silt_snapshot *snapshot)
{
    if (!snapshot)
        return;
    vfs_blob_close(snapshot->once);
    for (size_t i = 0; i < snapshot->count; i++) {
        struct source *source = &snapshot->sources[i];
        free((char *)(uintptr_t)snapshot->files[i].name);
        free(source->bytes);
        vfs_blob_close(source->own);
    }
    for (size_t i = 0; i < snapshot->version_count; i++)
        version_release(snapshot->versions[i]);
    free(snapshot->versions);
    free(snapshot->files);
    free(snapshot->sources);
    free(snapshot);
}

uint64_t silt_snapshot_store_id(const struct silt_snapshot *snapshot)
{
    return snapshot->store_id;
}

size_t silt_snapshot_files(const struct silt_snapshot *snapshot, const struct silt_snapshot_file **files)
{
    *files = snapshot->files;
    return snapshot->count;
}

/* A handle that leaves the page cache as it is, kept while one file is read. */
static struct vfs_blob *blob_to_read(struct silt_snapshot *snapshot, size_t i)
{
    struct vfs_blob *blob = snapshot->sources[i].own ? snapshot->sources[i].own : snapshot->sources[i].pinned;

    if (snapshot->once_of != i) {
        vfs_blob_close(snapshot->once);
        snapshot->once = vfs_blob_once(blob);
        snapshot->once_of = i;
    }
    return snapshot->once ? snapshot->once : blob;
}

enum silt_status silt_snapshot_read(struct silt_snapshot *snapshot, size_t i, uint64_t offset, void *out, size_t len,
                                    struct silt_error *err)
{
    const struct source *source = &snapshot->sources[i];

    silt_assert(i < snapshot->count && offset <= snapshot->files[i].bytes && len <= snapshot->files[i].bytes - offset);
    if (source->bytes) {
        memcpy(out, (const char *)source->bytes + offset, len);
        return SILT_OK;
    }
    return vfs_blob_read(blob_to_read(snapshot, i), offset, out, len, err);
}
