/*
 * catalog_folders.c - what the catalog knows of shards' manifests: tables shard_folder and shard_manifest.
 *
 *     shard_folder    which shards have one. A shard without a folder has all its rows in the log, or it has lost them: only
 *                     this table tells
 *     shard_manifest  the manifests of shards at rest, which have no file for it then (folders.c says when)
 *
 * Each is made with its first row, so that stores that older versions made get it too. Those pass over the first; shards whose
 * manifest is in the second they take for damaged.
 */
#include "storage/catalog_internal.h"

#include <stdlib.h>

static enum silt_status run(struct catalog *catalog, const char *sql, struct silt_error *err)
{
    return sqlite3_exec(catalog->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SILT_OK : catalog_fail(catalog, sql, err);
}

/* The parameters of row i; SQLite's code. */
typedef int (*bind_fn)(sqlite3_stmt *statement, const void *rows, size_t i);

/* A table that may have to be made, a statement for each of some rows, and the rows of dropped shards go: their numbers are never
 * given twice, so that they did no harm meanwhile. */
static enum silt_status change_rows(struct catalog *catalog, const char *make, const char *sql, bind_fn bind, const void *rows,
                                    size_t count, const char *forget, struct silt_error *err)
{
    sqlite3_stmt *statement = NULL;
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    rc = run(catalog, make, err);
    if (rc == SILT_OK && sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL) != SQLITE_OK)
        rc = catalog_fail(catalog, sql, err);
    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        if (bind(statement, rows, i) != SQLITE_OK || sqlite3_step(statement) != SQLITE_DONE)
            rc = catalog_fail(catalog, sql, err);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    if (rc == SILT_OK)
        rc = run(catalog, forget, err);
    return catalog_change_end(catalog, rc, err);
}

/* Each row, if there is the table. */
static enum silt_status each_row(struct catalog *catalog, const char *find, const char *all,
                                 enum silt_status (*each)(void *arg, sqlite3_stmt *row, struct silt_error *err), void *arg,
                                 struct silt_error *err)
{
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
            rc = each(arg, statement, err);
        }
    }
    if (rc == SILT_OK && code != SQLITE_DONE)
        rc = catalog_fail(catalog, all, err);
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&catalog->lock);
    return rc;
}

static int bind_id(sqlite3_stmt *statement, const void *rows, size_t i)
{
    return sqlite3_bind_int64(statement, 1, (int64_t)((const uint64_t *)rows)[i]);
}

/* ---------------------------------------------------------------- shard_folder */

enum silt_status catalog_put_folders(struct catalog *catalog, const uint64_t *shard_ids, size_t count, struct silt_error *err)
{
    return change_rows(catalog, "CREATE TABLE IF NOT EXISTS shard_folder(shard_id INTEGER PRIMARY KEY)",
                       "INSERT OR IGNORE INTO shard_folder VALUES(?1)", bind_id, shard_ids, count,
                       "DELETE FROM shard_folder WHERE shard_id NOT IN (SELECT id FROM shard)", err);
}

struct each_folder {
    catalog_folder_fn each;
    void *arg;
};

static enum silt_status tell_folder(void *arg, sqlite3_stmt *row, struct silt_error *err)
{
    struct each_folder *to = arg;
    return to->each(to->arg, (uint64_t)sqlite3_column_int64(row, 0), err);
}

enum silt_status catalog_folders(struct catalog *catalog, catalog_folder_fn each, void *arg, struct silt_error *err)
{
    struct each_folder to = {each, arg};
    return each_row(catalog, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'shard_folder'",
                    "SELECT shard_id FROM shard_folder ORDER BY shard_id", tell_folder, &to, err);
}

/* ---------------------------------------------------------------- shard_manifest */

static const char make_manifests[] = "CREATE TABLE IF NOT EXISTS shard_manifest(shard_id INTEGER PRIMARY KEY, manifest BLOB NOT NULL)";
static const char forget_manifests[] = "DELETE FROM shard_manifest WHERE shard_id NOT IN (SELECT id FROM shard)";

static int bind_manifest(sqlite3_stmt *statement, const void *rows, size_t i)
{
    const struct catalog_manifest *manifest = (const struct catalog_manifest *)rows + i;
    int code = sqlite3_bind_int64(statement, 1, (int64_t)manifest->shard_id);
    return code == SQLITE_OK ? sqlite3_bind_blob64(statement, 2, manifest->bytes, manifest->len, SQLITE_STATIC) : code;
}

enum silt_status catalog_put_manifests(struct catalog *catalog, const struct catalog_manifest *manifests, size_t count,
                                       struct silt_error *err)
{
    return change_rows(catalog, make_manifests, "INSERT OR REPLACE INTO shard_manifest VALUES(?1, ?2)", bind_manifest, manifests,
                       count, forget_manifests, err);
}

enum silt_status catalog_drop_manifests(struct catalog *catalog, const uint64_t *shard_ids, size_t count, struct silt_error *err)
{
    return change_rows(catalog, make_manifests, "DELETE FROM shard_manifest WHERE shard_id = ?1", bind_id, shard_ids, count,
                       forget_manifests, err);
}

static enum silt_status add_manifest(void *arg, sqlite3_stmt *row, struct silt_error *err)
{
    struct catalog_manifests *out = arg;
    const void *bytes = sqlite3_column_blob(row, 1);
    int len = sqlite3_column_bytes(row, 1);
    if (!bytes || len <= 0)
        return silt_fail(err, SILT_CORRUPT, "catalog: an empty manifest");
    out->shard_ids = silt_realloc(out->shard_ids, (out->count + 1) * sizeof(*out->shard_ids));
    out->ends = silt_realloc(out->ends, (out->count + 1) * sizeof(*out->ends));
    silt_buffer_append(&out->bytes, bytes, (size_t)len);
    out->shard_ids[out->count] = (uint64_t)sqlite3_column_int64(row, 0);
    out->ends[out->count++] = out->bytes.len;
    return SILT_OK;
}

enum silt_status catalog_load_manifests(struct catalog *catalog, struct catalog_manifests *out, struct silt_error *err)
{
    *out = (struct catalog_manifests){0};
    return each_row(catalog, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'shard_manifest'",
                    "SELECT shard_id, manifest FROM shard_manifest ORDER BY shard_id", add_manifest, out, err);
}

struct silt_str catalog_manifest_of(const struct catalog_manifests *manifests, uint64_t shard_id)
{
    size_t low = 0, high = manifests->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (manifests->shard_ids[middle] < shard_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == manifests->count || manifests->shard_ids[low] != shard_id)
        return SILT_STR("");
    size_t begin = low ? manifests->ends[low - 1] : 0;
    return (struct silt_str){manifests->bytes.p + begin, manifests->ends[low] - begin};
}

void catalog_free_manifests(struct catalog_manifests *manifests)
{
    free(manifests->shard_ids);
    free(manifests->ends);
    silt_buffer_free(&manifests->bytes);
    *manifests = (struct catalog_manifests){0};
}
