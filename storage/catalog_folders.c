/*
 * catalog_folders.c - which shards have a folder with a manifest: table shard_folder.
 *
 * A shard without a folder has all its rows in the log, or it has lost them: only this table tells. It is made with its first
 * row, so that stores that older versions made get it too, and those versions pass it over.
 */
#include "storage/catalog_internal.h"

static enum silt_status run(struct catalog *catalog, const char *sql, struct silt_error *err)
{
    return sqlite3_exec(catalog->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SILT_OK : catalog_fail(catalog, sql, err);
}

enum silt_status catalog_put_folders(struct catalog *catalog, const uint64_t *shard_ids, size_t count, struct silt_error *err)
{
    static const char add[] = "INSERT OR IGNORE INTO shard_folder VALUES(?1)";
    sqlite3_stmt *statement = NULL;
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    rc = run(catalog, "CREATE TABLE IF NOT EXISTS shard_folder(shard_id INTEGER PRIMARY KEY)", err);
    if (rc == SILT_OK && sqlite3_prepare_v2(catalog->db, add, -1, &statement, NULL) != SQLITE_OK)
        rc = catalog_fail(catalog, add, err);
    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        sqlite3_bind_int64(statement, 1, (int64_t)shard_ids[i]);
        if (sqlite3_step(statement) != SQLITE_DONE)
            rc = catalog_fail(catalog, add, err);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    if (rc == SILT_OK) /* numbers of shards are never given twice: those of dropped ones do no harm meanwhile */
        rc = run(catalog, "DELETE FROM shard_folder WHERE shard_id NOT IN (SELECT id FROM shard)", err);
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_folders(struct catalog *catalog, catalog_folder_fn each, void *arg, struct silt_error *err)
{
    static const char find[] = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'shard_folder'";
    static const char all[] = "SELECT shard_id FROM shard_folder ORDER BY shard_id";
    sqlite3_stmt *statement = NULL;
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&catalog->lock);
    int code = sqlite3_prepare_v2(catalog->db, find, -1, &statement, NULL);
    code = code == SQLITE_OK ? sqlite3_step(statement) : code;
    if (code == SQLITE_ROW) {
        sqlite3_finalize(statement);
        statement = NULL;
        code = sqlite3_prepare_v2(catalog->db, all, -1, &statement, NULL);
        while (code == SQLITE_OK && rc == SILT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
            code = SQLITE_OK;
            rc = each(arg, (uint64_t)sqlite3_column_int64(statement, 0), err);
        }
    }
    if (rc == SILT_OK && code != SQLITE_DONE)
        rc = catalog_fail(catalog, all, err);
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&catalog->lock);
    return rc;
}
