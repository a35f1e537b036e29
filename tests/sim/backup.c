/*
 * backup.c - a snapshot is taken, its files are put on a disk of their own, and a store is started there and read whole.
 *
 *     store -> silt_snapshot_take -> each file read -> blobs, registers, SQLite's file of another backend -> store
 *
 * The operations of all of it are crash points and meet faults as any others do.
 */
#include "silt/snapshot.h"
#include "tests/sim/sim.h"

#include <sqlite3.h>
#include <stdlib.h>

static enum silt_status put_blob(struct vfs *to, const char *name, const void *bytes, size_t len, struct silt_error *err)
{
    struct vfs_blob_writer *writer;
    enum silt_status rc = vfs_blob_create(to, name, &writer, err);
    if (rc == SILT_OK && (rc = vfs_blob_append(writer, bytes, len, err)) != SILT_OK)
        vfs_blob_abort(writer);
    return rc == SILT_OK ? vfs_blob_commit(writer, err) : rc;
}

static enum silt_status put_catalog(struct vfs *to, const char *name, const void *bytes, size_t len, struct silt_error *err)
{
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    sqlite3_file *file = silt_calloc(1, (size_t)files->szOsFile);
    int flags = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int code = files->xOpen(files, to->ops->local_path(to, name), file, flags, NULL);
    if (code == SQLITE_OK)
        code = file->pMethods->xWrite(file, bytes, (int)len, 0);
    if (code == SQLITE_OK)
        code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    if (file->pMethods)
        file->pMethods->xClose(file);
    free(file);
    return code == SQLITE_OK ? SILT_OK : silt_fail(err, SILT_IO, "%s: %s", name, sqlite3_errstr(code));
}

static enum silt_status put_file(struct vfs *to, const struct silt_snapshot_file *file, const void *bytes, struct silt_error *err)
{
    switch (file->kind) {
    case SILT_BACKUP_BLOB:
        return put_blob(to, file->name, bytes, file->bytes, err);
    case SILT_BACKUP_REGISTER:
        return to->ops->register_swap(to, file->name, 0, bytes, file->bytes, err);
    default:
        return put_catalog(to, file->name, bytes, file->bytes, err);
    }
}

/* Read in pieces, as a backup is sent. */
static enum silt_status restore(struct sim *sim, struct silt_snapshot *snapshot, struct vfs *to, struct silt_error *err)
{
    const struct silt_snapshot_file *files;
    size_t count = silt_snapshot_files(snapshot, &files), piece = 1 + below(sim, 20000);
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        char *bytes = silt_malloc(files[i].bytes + 1);
        for (uint64_t at = 0; at < files[i].bytes && rc == SILT_OK; at += piece) {
            size_t len = files[i].bytes - at < piece ? files[i].bytes - at : piece;
            rc = silt_snapshot_read(snapshot, i, at, bytes + at, len, err);
        }
        if (rc == SILT_OK)
            rc = put_file(to, &files[i], bytes, err);
        free(bytes);
    }
    return rc;
}

void act_backup(struct sim *sim)
{
    struct silt_snapshot *snapshot = NULL;
    struct vfs *restored = fault_vfs_create(sim_random(sim) | 1);
    struct silt_error err;
    enum silt_status rc = silt_snapshot_take(sim->storage, &snapshot, &err);
    if (rc == SILT_OK)
        rc = restore(sim, snapshot, restored, &err);
    silt_snapshot_release(snapshot);
    judge(sim, rc, &err);
    if (rc != SILT_OK) {
        fault_vfs_destroy(restored);
        return;
    }
    totals.backups++;
    point_look_at(sim, &(struct crash_point){restored, fault_vfs_operations(sim->vfs), false});
}
