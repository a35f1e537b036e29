/*
 * catalog_internal.h - what the files of the catalog share: the connection, its transactions, its pages' checksums.
 */
#ifndef STORAGE_CATALOG_INTERNAL_H
#define STORAGE_CATALOG_INTERNAL_H

#include "storage/catalog.h"

#include <pthread.h>
#include <sqlite3.h>

struct catalog {
    pthread_mutex_t copy_lock; /* one copy at a time; taken before lock */
    pthread_mutex_t lock;      /* guards all that follows */
    sqlite3 *db;
    sqlite3_stmt **statements; /* catalog.c's, prepared at open */
    /* of the batch under way: highest series id put, for one database at a time */
    uint32_t last_series_database;
    silt_series_id last_series;
};

/* SQLite's last error on this connection. */
enum silt_status catalog_fail(struct catalog *catalog, const char *what, struct silt_error *err);
/* Locks and begins. On failure nothing is locked. */
enum silt_status catalog_change_begin(struct catalog *catalog, struct silt_error *err);
/* Commits when rc is SILT_OK, else rolls back; unlocks. */
enum silt_status catalog_change_end(struct catalog *catalog, enum silt_status rc, struct silt_error *err);

#define CATALOG_CHECKPOINT_PAGES 4000 /* that SQLite's log may have before it is copied to the file */

/* catalog_pages.c: SQLite's name of the file layer that checks pages. Whoever writes a catalog opens it with this. */
#define CATALOG_RESERVED_BYTES 8
#define CATALOG_CHECKED_VERSION 4 /* from this schema on every page has a checksum */
const char *catalog_vfs(void);

static inline struct silt_str catalog_column_text(sqlite3_stmt *statement, int index)
{
    const void *bytes = sqlite3_column_blob(statement, index);
    return (struct silt_str){bytes, (size_t)sqlite3_column_bytes(statement, index)};
}

#endif
