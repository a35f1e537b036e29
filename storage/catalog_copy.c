/*
 * catalog_copy.c - the catalog's file as it is now, for a snapshot, while it goes on being changed.
 *
 *     SQLite's log is copied to the file (checkpoint) -> until the end changes stay in the log -> the file's bytes are read
 *
 * Nobody waits but for the checkpoint: the file itself is written by checkpoints alone, and there are none meanwhile.
 */
#include "storage/catalog_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 20)

static enum silt_status hold_checkpoints(struct catalog *catalog, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    pthread_mutex_lock(&catalog->lock);
    if (sqlite3_wal_checkpoint_v2(catalog->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        rc = catalog_fail(catalog, "checkpoint", err);
    else
        sqlite3_wal_autocheckpoint(catalog->db, 0);
    pthread_mutex_unlock(&catalog->lock);
    return rc;
}

static void allow_checkpoints(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->lock);
    sqlite3_wal_autocheckpoint(catalog->db, CATALOG_CHECKPOINT_PAGES);
    pthread_mutex_unlock(&catalog->lock);
}

static enum silt_status copy_bytes(int from, int to, struct silt_error *err)
{
    char *piece = silt_malloc(PIECE_BYTES);
    enum silt_status rc = SILT_OK;

    for (;;) {
        ssize_t got = read(from, piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = silt_fail_errno(err, errno, "cannot read the catalog");
        for (ssize_t done = 0; rc == SILT_OK && done < got;) {
            ssize_t put = write(to, piece + done, (size_t)(got - done));
            if (put < 0 && errno != EINTR)
                rc = silt_fail_errno(err, errno, "cannot copy the catalog");
            done += put > 0 ? put : 0;
        }
        if (got <= 0 || rc != SILT_OK)
            break;
    }
    free(piece);
    return rc;
}

enum silt_status catalog_copy(struct catalog *catalog, int to, struct silt_error *err)
{
    pthread_mutex_lock(&catalog->copy_lock);
    enum silt_status rc = hold_checkpoints(catalog, err);
    if (rc == SILT_OK) {
        const char *path = sqlite3_db_filename(catalog->db, "main");
        int from = open(path, O_RDONLY | O_CLOEXEC);
        rc = from < 0 ? silt_fail_errno(err, errno, "cannot open %s", path) : copy_bytes(from, to, err);
        if (from >= 0)
            close(from);
        allow_checkpoints(catalog);
    }
    pthread_mutex_unlock(&catalog->copy_lock);
    return rc;
}
