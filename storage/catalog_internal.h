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
    int page_bytes;
    sqlite3_stmt **statements; /* catalog.c's, prepared at open */
    struct catalog_series *series; /* catalog_series.c's */
};

/* From its first parameter on; the statement again. */
sqlite3_stmt *catalog_bind(sqlite3_stmt *statement, int count, const int64_t *values);
#define CATALOG_BIND(statement, ...)                                                                                   \
    catalog_bind(statement, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
/* Runs a statement that gives no rows, or one that nobody wants; resets it. */
enum silt_status catalog_step(struct catalog *catalog, sqlite3_stmt *statement, struct silt_error *err);

/* SQLite's last error on this connection. */
enum silt_status catalog_fail(struct catalog *catalog, const char *what, struct silt_error *err);
/* Locks and begins. On failure nothing is locked. */
enum silt_status catalog_change_begin(struct catalog *catalog, struct silt_error *err);
/* Commits when rc is SILT_OK, else rolls back; unlocks. */
enum silt_status catalog_change_end(struct catalog *catalog, enum silt_status rc, struct silt_error *err);

/* SQLite's log may have so many bytes before it is copied to the file. */
#define CATALOG_CHECKPOINT_BYTES (32 << 20)
static inline int catalog_checkpoint_pages(const struct catalog *catalog)
{
    return CATALOG_CHECKPOINT_BYTES / catalog->page_bytes;
}

/* catalog_series.c. With the lock, or before anybody else knows of the catalog; flush and convert within a transaction. */
enum silt_status catalog_series_open(struct catalog *catalog, struct silt_error *err); /* the schema is there */
void catalog_series_close(struct catalog *catalog);
enum silt_status catalog_series_flush(struct catalog *catalog, struct silt_error *err); /* all that was put */
void catalog_series_forget(struct catalog *catalog); /* at a batch's end: what was put and not flushed */
/* From table series, which has a row for each, as up to version 4; it is dropped. */
enum silt_status catalog_series_convert(struct catalog *catalog, struct silt_error *err);
/* Without the lock. Of databases that are gone. Looks for one block per database, so it costs nothing where nothing is left over. */
enum silt_status catalog_series_drop_leftover(struct catalog *catalog, struct silt_error *err);

/* catalog_pages.c: SQLite's name of the file layer that checks pages. Whoever writes a catalog opens it with this. */
#define CATALOG_RESERVED_BYTES 8
#define CATALOG_CHECKED_VERSION 4 /* from this schema on every page has a checksum */
const char *catalog_vfs(void);
/* Whether the connection's pages are looked at, as far as it has read what the file says of itself. */
bool catalog_pages_checked(sqlite3 *db);

static inline struct silt_str catalog_column_text(sqlite3_stmt *statement, int index)
{
    const void *bytes = sqlite3_column_blob(statement, index);
    return (struct silt_str){bytes, (size_t)sqlite3_column_bytes(statement, index)};
}

#endif
