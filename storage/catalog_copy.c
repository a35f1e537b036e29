/*
 * catalog_copy.c - the catalog's file as it is now, for a snapshot, while it goes on being changed.
 *
 *     SQLite's log is copied to the file (checkpoint) -> until the end changes stay in the log -> the file's bytes are read
 *
 * Nobody waits but for the checkpoint: the file itself is written by checkpoints alone, and there are none meanwhile.
 */
#include "storage/catalog_internal.h"

#define HEADER_BYTES 100
#define PAGE_BYTES_MAX ((size_t)64 << 10)

static enum silt_status hold_checkpoints(struct catalog *catalog, bool *checked, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    pthread_mutex_lock(&catalog->lock);
    if (sqlite3_wal_checkpoint_v2(catalog->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        rc = catalog_fail(catalog, "checkpoint", err);
    else
        sqlite3_wal_autocheckpoint(catalog->db, 0);
    *checked = catalog_pages_checked(catalog->db);
    pthread_mutex_unlock(&catalog->lock);
    return rc;
}

static void allow_checkpoints(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->lock);
    sqlite3_wal_autocheckpoint(catalog->db, catalog_checkpoint_pages(catalog));
    pthread_mutex_unlock(&catalog->lock);
}

/* Through SQLite's file layer, page by page: each is looked at on its way.
 * checked: they have checksums, whatever a damaged first page says. */
static enum silt_status copy_pages(sqlite3 *db, bool checked, struct vfs_blob_writer *to, struct silt_error *err)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 bytes = 0;
    unsigned char header[HEADER_BYTES], page[PAGE_BYTES_MAX];
    enum silt_status rc = SILT_OK;

    int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code == SQLITE_OK)
        code = file->pMethods->xFileSize(file, &bytes);
    if (code == SQLITE_OK)
        code = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
    int page_bytes = code == SQLITE_OK ? header[16] << 8 | header[17] : 0; /* the largest, 64 KiB, stands there as 1: it is never ours */
    if (code == SQLITE_OK && (page_bytes < 512 || (checked && !catalog_pages_checked(db))))
        code = SQLITE_IOERR_DATA;
    for (sqlite3_int64 at = 0; code == SQLITE_OK && rc == SILT_OK && at < bytes; at += page_bytes) {
        code = file->pMethods->xRead(file, page, page_bytes, at);
        if (code == SQLITE_OK)
            rc = vfs_blob_append(to, page, (size_t)page_bytes, err);
    }
    if (code == SQLITE_IOERR_DATA || code == SQLITE_IOERR_SHORT_READ)
        return silt_fail(err, SILT_CORRUPT, "the catalog is damaged: %s", sqlite3_errstr(code));
    return code == SQLITE_OK ? rc : silt_fail(err, SILT_IO, "the catalog cannot be read: %s", sqlite3_errstr(code));
}

/* A connection of its own: SQLite reads with the other meanwhile. It keeps the descriptor, for the sake of its locks, for the next copy. */
static enum silt_status copy_file(struct catalog *catalog, bool checked, struct vfs_blob_writer *to, struct silt_error *err)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(sqlite3_db_filename(catalog->db, "main"), &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, catalog_vfs());
    enum silt_status rc = code == SQLITE_OK ? copy_pages(db, checked, to, err)
                                            : silt_fail(err, SILT_IO, "the catalog cannot be opened: %s", sqlite3_errstr(code));
    sqlite3_close(db);
    return rc;
}

enum silt_status catalog_copy(struct catalog *catalog, struct vfs_blob_writer *to, struct silt_error *err)
{
    pthread_mutex_lock(&catalog->copy_lock);
    bool checked;
    enum silt_status rc = hold_checkpoints(catalog, &checked, err);
    if (rc == SILT_OK) {
        rc = copy_file(catalog, checked, to, err);
        allow_checkpoints(catalog);
    }
    pthread_mutex_unlock(&catalog->copy_lock);
    return rc;
}
