/*
 * catalog.c - implements catalog.h on SQLite in WAL mode with synchronous=FULL. The schema stands in catalog_schema.
 *
 * One connection behind a mutex. Statements are prepared once, at open. No row per tag: what can be derived is derived in memory.
 */
#include "storage/catalog_internal.h"

#include "silt/text.h"

#include <stdlib.h>

/* One flipped bit makes none of 1 to 3 of it, which had no checksums. */
#define SCHEMA_VERSION 12
#define TEXT_OF(number) #number
#define SET_VERSION(number) "PRAGMA user_version=" TEXT_OF(number) ";"
#define FREE_BYTES_MANY (256 << 10)

/* What people define beside data. Ids give the order in which things were made. */
#define DEFINITIONS_SCHEMA \
    "CREATE TABLE continuous_query(id INTEGER PRIMARY KEY AUTOINCREMENT, database_id INTEGER NOT NULL,"                \
    "  name BLOB NOT NULL, query BLOB NOT NULL, exact BLOB NOT NULL, progress BLOB NOT NULL,"                          \
    "  UNIQUE(database_id, name));"                                                                                    \
    "CREATE TABLE user(id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, hash BLOB NOT NULL,"           \
    "  admin INTEGER NOT NULL);"                                                                                       \
    "CREATE TABLE privilege(user_id INTEGER, database_id INTEGER, privilege INTEGER NOT NULL,"                         \
    "  PRIMARY KEY(user_id, database_id)) WITHOUT ROWID;"                                                              \
    "CREATE TABLE subscription(id INTEGER PRIMARY KEY AUTOINCREMENT, policy_id INTEGER NOT NULL, name BLOB NOT NULL,"  \
    "  any INTEGER NOT NULL, destinations BLOB NOT NULL, UNIQUE(policy_id, name));"

/* id is database id * 2^32 + base: appended in order, scanned in order. */
#define SERIES_SCHEMA "CREATE TABLE IF NOT EXISTS series_block(id INTEGER PRIMARY KEY, block BLOB NOT NULL);"

/* In one transaction: a database is ours whole, or it is empty. */
static const char catalog_schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS database(id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE,"
    "  default_policy BLOB NOT NULL, last_series INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS policy(id INTEGER PRIMARY KEY AUTOINCREMENT, database_id INTEGER NOT NULL,"
    "  name BLOB NOT NULL, duration_ns INTEGER NOT NULL, shard_duration_ns INTEGER NOT NULL,"
    "  replication INTEGER NOT NULL, UNIQUE(database_id, name));"
    "CREATE TABLE IF NOT EXISTS shard(id INTEGER PRIMARY KEY AUTOINCREMENT, database_id INTEGER NOT NULL,"
    "  policy_id INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS measurement(database_id INTEGER, id INTEGER, name BLOB NOT NULL,"
    "  PRIMARY KEY(database_id, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS field(database_id INTEGER, measurement INTEGER, id INTEGER, name BLOB NOT NULL,"
    "  PRIMARY KEY(database_id, measurement, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS field_type(shard_id INTEGER, measurement INTEGER, field INTEGER,"
    "  type INTEGER NOT NULL, PRIMARY KEY(shard_id, measurement, field)) WITHOUT ROWID;"
    SERIES_SCHEMA
    DEFINITIONS_SCHEMA
    SET_VERSION(SCHEMA_VERSION)
    "COMMIT;";

/* Version 1 had these tables, but nothing that filled them. */
static const char catalog_from_1[] =
    "BEGIN IMMEDIATE;"
    "DROP TABLE IF EXISTS continuous_query; DROP TABLE IF EXISTS user; DROP TABLE IF EXISTS privilege;"
    "DROP TABLE IF EXISTS subscription;"
    DEFINITIONS_SCHEMA
    SET_VERSION(3)
    "COMMIT;";

/* Version 2 had continuous queries with their rounded text alone. */
static const char catalog_from_2[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE continuous_query ADD COLUMN exact BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE continuous_query ADD COLUMN progress BLOB NOT NULL DEFAULT x'';"
    "UPDATE continuous_query SET exact = query;"
    SET_VERSION(3)
    "COMMIT;";

enum statement {
    GET_META, PUT_META,
    ALL_DATABASES, ALL_POLICIES, ALL_SHARDS, ALL_MEASUREMENTS, ALL_FIELDS, ALL_TYPES,
    ADD_DATABASE, DEFAULT_POLICY, ADD_POLICY, UPDATE_POLICY, ADD_SHARD,
    DROP_TYPES_OF_SHARD, DROP_SHARD, DROP_TYPES_OF_POLICY, DROP_SHARDS_OF_POLICY, DROP_SUBSCRIPTIONS_OF_POLICY, DROP_POLICY,
    DROP_TYPES_OF_DATABASE, DROP_SHARDS_OF_DATABASE, DROP_POLICIES_OF_DATABASE, DROP_FIELDS_OF_DATABASE,
    DROP_MEASUREMENTS_OF_DATABASE, DROP_QUERIES_OF_DATABASE, DROP_PRIVILEGES_OF_DATABASE,
    DROP_SUBSCRIPTIONS_OF_DATABASE, DROP_DATABASE,
    PUT_MEASUREMENT, PUT_FIELD, PUT_TYPE, DROP_TYPES_OF_MEASUREMENT,
    BEGIN, COMMIT, ROLLBACK,
    STATEMENTS,
};

static const char *const statement_texts[STATEMENTS] = {
    [GET_META] = "SELECT value FROM meta WHERE name = ?1",
    [PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
    [ALL_DATABASES] = "SELECT id, name, default_policy, last_series FROM database ORDER BY id",
    [ALL_POLICIES] = "SELECT id, database_id, name, duration_ns, shard_duration_ns, replication FROM policy ORDER BY id",
    [ALL_SHARDS] = "SELECT id, database_id, policy_id, start, end FROM shard ORDER BY id",
    [ALL_MEASUREMENTS] = "SELECT database_id, id, name FROM measurement ORDER BY database_id, id",
    [ALL_FIELDS] = "SELECT database_id, measurement, id, name FROM field ORDER BY database_id, measurement, id",
    [ALL_TYPES] = "SELECT shard_id, measurement, field, type FROM field_type",
    [ADD_DATABASE] = "INSERT INTO database(name, default_policy, last_series) VALUES(?1, x'', 0)",
    [DEFAULT_POLICY] = "UPDATE database SET default_policy = ?2 WHERE id = ?1",
    [ADD_POLICY] = "INSERT INTO policy(database_id, name, duration_ns, shard_duration_ns, replication)"
                   " VALUES(?1, ?2, ?3, ?4, ?5)",
    [UPDATE_POLICY] = "UPDATE policy SET name = ?2, duration_ns = ?3, shard_duration_ns = ?4, replication = ?5"
                      " WHERE id = ?6 AND database_id = ?1",
    [ADD_SHARD] = "INSERT INTO shard(database_id, policy_id, start, end) VALUES(?1, ?2, ?3, ?4)",
    [DROP_TYPES_OF_SHARD] = "DELETE FROM field_type WHERE shard_id = ?1",
    [DROP_SHARD] = "DELETE FROM shard WHERE id = ?1",
    [DROP_TYPES_OF_POLICY] = "DELETE FROM field_type WHERE shard_id IN (SELECT id FROM shard WHERE policy_id = ?1)",
    [DROP_SHARDS_OF_POLICY] = "DELETE FROM shard WHERE policy_id = ?1",
    [DROP_SUBSCRIPTIONS_OF_POLICY] = "DELETE FROM subscription WHERE policy_id = ?1",
    [DROP_POLICY] = "DELETE FROM policy WHERE id = ?1",
    [DROP_TYPES_OF_DATABASE] = "DELETE FROM field_type WHERE shard_id IN (SELECT id FROM shard WHERE database_id = ?1)",
    [DROP_SHARDS_OF_DATABASE] = "DELETE FROM shard WHERE database_id = ?1",
    [DROP_POLICIES_OF_DATABASE] = "DELETE FROM policy WHERE database_id = ?1",
    [DROP_FIELDS_OF_DATABASE] = "DELETE FROM field WHERE database_id = ?1",
    [DROP_MEASUREMENTS_OF_DATABASE] = "DELETE FROM measurement WHERE database_id = ?1",
    [DROP_QUERIES_OF_DATABASE] = "DELETE FROM continuous_query WHERE database_id = ?1",
    [DROP_PRIVILEGES_OF_DATABASE] = "DELETE FROM privilege WHERE database_id = ?1",
    [DROP_SUBSCRIPTIONS_OF_DATABASE] = "DELETE FROM subscription WHERE policy_id IN"
                                       " (SELECT id FROM policy WHERE database_id = ?1)",
    [DROP_DATABASE] = "DELETE FROM database WHERE id = ?1",
    [PUT_MEASUREMENT] = "INSERT OR REPLACE INTO measurement VALUES(?1, ?2, ?3)",
    [PUT_FIELD] = "INSERT OR REPLACE INTO field VALUES(?1, ?2, ?3, ?4)",
    [PUT_TYPE] = "INSERT OR REPLACE INTO field_type VALUES(?1, ?2, ?3, ?4)",
    [DROP_TYPES_OF_MEASUREMENT] = "DELETE FROM field_type WHERE measurement = ?2 AND shard_id IN"
                                  " (SELECT id FROM shard WHERE database_id = ?1)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

/* ---------------------------------------------------------------- SQLite, wrapped */

enum silt_status catalog_fail(struct catalog *catalog, const char *what, struct silt_error *err)
{
    int extended = sqlite3_extended_errcode(catalog->db), code = extended & 255;
    enum silt_status status = extended == SQLITE_IOERR_DATA                   ? SILT_CORRUPT
                              : code == SQLITE_FULL                             ? SILT_NO_SPACE
                              : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? SILT_CORRUPT
                              : code == SQLITE_CONSTRAINT                     ? SILT_CONFLICT
                              : code == SQLITE_BUSY                           ? SILT_BUSY
                                                                              : SILT_IO;
    return silt_fail(err, status, "catalog: %s: %s", what, sqlite3_errmsg(catalog->db));
}

sqlite3_stmt *catalog_bind(sqlite3_stmt *statement, int count, const int64_t *values)
{
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, values[i]);
    return statement;
}

#define BIND(catalog, which, ...) CATALOG_BIND((catalog)->statements[which], __VA_ARGS__)

static void bind_text(sqlite3_stmt *statement, int index, struct silt_str text)
{
    sqlite3_bind_blob64(statement, index, text.len ? text.p : "", text.len, SQLITE_STATIC);
}

enum silt_status catalog_step(struct catalog *catalog, sqlite3_stmt *statement, struct silt_error *err)
{
    int code = sqlite3_step(statement);
    enum silt_status rc = code == SQLITE_DONE || code == SQLITE_ROW ? SILT_OK : catalog_fail(catalog, sqlite3_sql(statement), err);
    sqlite3_reset(statement);
    return rc;
}

static enum silt_status step(struct catalog *catalog, enum statement which, struct silt_error *err)
{
    return catalog_step(catalog, catalog->statements[which], err);
}

static enum silt_status get_meta(struct catalog *catalog, const char *name, int64_t *value, struct silt_error *err)
{
    sqlite3_stmt *statement = catalog->statements[GET_META];
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    *value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    enum silt_status rc = code == SQLITE_ROW || code == SQLITE_DONE ? SILT_OK : catalog_fail(catalog, "meta", err);
    sqlite3_reset(statement);
    return rc;
}

static enum silt_status put_meta(struct catalog *catalog, const char *name, int64_t value, struct silt_error *err)
{
    sqlite3_stmt *statement = catalog->statements[PUT_META];
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, value);
    return step(catalog, PUT_META, err);
}

static enum silt_status run_script(struct catalog *catalog, const char *script, struct silt_error *err)
{
    return sqlite3_exec(catalog->db, script, NULL, NULL, NULL) == SQLITE_OK ? SILT_OK : catalog_fail(catalog, "set up", err);
}

/* The first column of a query's only row. */
static enum silt_status query_int(struct catalog *catalog, const char *query, int64_t *value, struct silt_error *err)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(catalog->db, query, -1, &statement, NULL) != SQLITE_OK)
        return catalog_fail(catalog, "open", err);
    int code = sqlite3_step(statement);
    *value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    enum silt_status rc = code == SQLITE_ROW || code == SQLITE_DONE ? SILT_OK : catalog_fail(catalog, "open", err);
    sqlite3_finalize(statement);
    return rc;
}

/* Bytes at the end of each page that SQLite leaves alone. wanted -1: as they are. */
static int reserve_bytes(struct catalog *catalog, int wanted)
{
    sqlite3_file_control(catalog->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &wanted);
    return wanted;
}

/* Every page written anew, with a checksum. Needs as much room again, here and where SQLite has its temporary files; without it
 * the catalog stays as it is. */
static enum silt_status rewrite_pages(struct catalog *catalog, struct silt_error *err)
{
    enum silt_status rc = run_script(catalog, "PRAGMA journal_mode=DELETE", err);
    reserve_bytes(catalog, CATALOG_RESERVED_BYTES);
    if (rc == SILT_OK)
        rc = run_script(catalog, "VACUUM;" SET_VERSION(SCHEMA_VERSION), err);
    if (rc == SILT_OK || rc == SILT_CORRUPT)
        return rc;
    silt_log(SILT_LOG_WARN, "the catalog's file is not written anew: the next start tries again", "error=\"%s\"", err->text);
    return SILT_OK;
}

/* A file from before there were checksums, or of little but free pages, after much was dropped. Pages keep their size: bytes in
 * another size's pages could not be told from pages when a crash is undone. */
static enum silt_status is_to_be_rewritten(struct catalog *catalog, int64_t version, bool *out, struct silt_error *err)
{
    int64_t pages, unused, page_bytes;
    enum silt_status rc = query_int(catalog, "PRAGMA page_count", &pages, err);
    if (rc == SILT_OK)
        rc = query_int(catalog, "PRAGMA page_size", &page_bytes, err);
    if (rc == SILT_OK)
        rc = query_int(catalog, "PRAGMA freelist_count", &unused, err);
    *out = rc == SILT_OK && (version < CATALOG_CHECKED_VERSION || (unused * page_bytes > FREE_BYTES_MANY && unused > pages / 2));
    return rc;
}

/* Version 4 had a row for each series. An even older one stays what it is until its pages have checksums. */
static enum silt_status pack_series(struct catalog *catalog, int64_t version, struct silt_error *err)
{
    int64_t has_rows;
    enum silt_status rc = query_int(catalog, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'series'", &has_rows,
                                    err);
    if (rc != SILT_OK || !has_rows)
        return rc;
    silt_log(SILT_LOG_INFO, "an older catalog is brought up to date: its series are packed", NULL);
    rc = run_script(catalog, "BEGIN IMMEDIATE;" SERIES_SCHEMA, err);
    if (rc == SILT_OK)
        rc = catalog_series_open(catalog, err);
    if (rc == SILT_OK)
        rc = catalog_series_convert(catalog, err);
    catalog_series_close(catalog);
    if (rc == SILT_OK)
        rc = run_script(catalog, version < CATALOG_CHECKED_VERSION ? "COMMIT" : SET_VERSION(SCHEMA_VERSION) "COMMIT", err);
    if (rc != SILT_OK && !sqlite3_get_autocommit(catalog->db))
        sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* Makes the schema in an empty file; brings an older one up to date; refuses what somebody else, or a later version, has made. */
static enum silt_status prepare_schema(struct catalog *catalog, struct silt_error *err)
{
    int64_t version, tables, pages, page_bytes;
    bool rewrite = false;
    enum silt_status rc = query_int(catalog, "PRAGMA user_version", &version, err);
    if (rc != SILT_OK || (rc = query_int(catalog, "SELECT count(*) FROM sqlite_master", &tables, err)) != SILT_OK ||
        (rc = query_int(catalog, "PRAGMA page_count", &pages, err)) != SILT_OK)
        return rc;
    if (version > SCHEMA_VERSION)
        return silt_fail(err, SILT_CORRUPT, "catalog: schema version %lld is newer than this program's %d",
                         (long long)version, SCHEMA_VERSION);
    if (version < 0 || (version == 0 && tables > 0))
        return silt_fail(err, SILT_CORRUPT, "catalog: the SQLite file belongs to another program");
    if (version >= CATALOG_CHECKED_VERSION && reserve_bytes(catalog, -1) != CATALOG_RESERVED_BYTES)
        return silt_fail(err, SILT_CORRUPT, "catalog: its first page is damaged: pages should have checksums");
    rc = run_script(catalog, "PRAGMA secure_delete=OFF; PRAGMA cache_size=-16384", err);
    if (rc == SILT_OK && version == 0) {
        rc = run_script(catalog, "PRAGMA page_size=1024", err); /* each of twenty tables and indices takes one at least */
        reserve_bytes(catalog, CATALOG_RESERVED_BYTES);
        if (rc == SILT_OK && pages > 0) /* empty, but somebody was here */
            rc = run_script(catalog, "VACUUM", err);
    } else if (rc == SILT_OK && version < 3) {
        rc = run_script(catalog, version == 1 ? catalog_from_1 : catalog_from_2, err);
    }
    if (rc == SILT_OK && version > 0 && version < SCHEMA_VERSION)
        rc = pack_series(catalog, version, err);
    if (rc == SILT_OK && version > 0)
        rc = is_to_be_rewritten(catalog, version, &rewrite, err);
    if (rc == SILT_OK && rewrite)
        rc = rewrite_pages(catalog, err);
    if (rc == SILT_OK)
        rc = run_script(catalog, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", err);
    if (rc == SILT_OK)
        rc = query_int(catalog, "PRAGMA page_size", &page_bytes, err);
    if (rc != SILT_OK)
        return rc;
    catalog->page_bytes = (int)page_bytes;
    sqlite3_wal_autocheckpoint(catalog->db, catalog_checkpoint_pages(catalog));
    return version == 0 ? run_script(catalog, catalog_schema, err) : SILT_OK;
}

/* exclusive: SQLite keeps the index of its log in memory of its own, not in a file that all who have the catalog open share. */
static enum silt_status connect_file(struct catalog *catalog, const char *path, bool exclusive, struct silt_error *err)
{
    if (sqlite3_open_v2(path, &catalog->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, catalog_vfs()) != SQLITE_OK)
        return catalog_fail(catalog, path, err);
    sqlite3_extended_result_codes(catalog->db, 1); /* without, some paths forget which error of reading it was */
    sqlite3_busy_timeout(catalog->db, 5000);
    enum silt_status rc = exclusive ? run_script(catalog, "PRAGMA locking_mode=EXCLUSIVE", err) : SILT_OK;
    return rc == SILT_OK ? prepare_schema(catalog, err) : rc;
}

enum silt_status catalog_open(const char *path, struct catalog **out, struct silt_error *err)
{
    struct catalog *catalog = silt_calloc(1, sizeof(*catalog));
    pthread_mutex_init(&catalog->copy_lock, NULL);
    pthread_mutex_init(&catalog->lock, NULL);
    enum silt_status rc = connect_file(catalog, path, false, err);
    if (rc != SILT_OK && catalog->db && sqlite3_extended_errcode(catalog->db) == SQLITE_IOERR_SHMSIZE) {
        /* The disk is full: it is read all the same. */
        sqlite3_close(catalog->db);
        catalog->db = NULL;
        rc = connect_file(catalog, path, true, err);
    }
    if (rc != SILT_OK)
        goto failed;
    catalog->statements = silt_calloc(STATEMENTS, sizeof(*catalog->statements));
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(catalog->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &catalog->statements[i],
                               NULL) != SQLITE_OK) {
            rc = catalog_fail(catalog, statement_texts[i], err);
            goto failed;
        }
    rc = catalog_series_open(catalog, err);
    if (rc != SILT_OK)
        goto failed;
    rc = catalog_series_drop_leftover(catalog, err);
    if (rc != SILT_OK && rc != SILT_NO_SPACE) /* they do no harm: the next start goes on */
        goto failed;
    *out = catalog;
    return SILT_OK;
failed:
    catalog_close(catalog);
    return rc;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    for (int i = 0; catalog->statements && i < STATEMENTS; i++)
        sqlite3_finalize(catalog->statements[i]);
    free(catalog->statements);
    catalog_series_close(catalog);
    sqlite3_close(catalog->db);
    pthread_mutex_destroy(&catalog->lock);
    pthread_mutex_destroy(&catalog->copy_lock);
    free(catalog);
}

enum silt_status catalog_check(struct catalog *catalog, struct silt_error *err)
{
    sqlite3_stmt *statement;
    enum silt_status rc = SILT_OK;
    if (sqlite3_prepare_v2(catalog->db, "PRAGMA integrity_check(1)", -1, &statement, NULL) != SQLITE_OK)
        return catalog_fail(catalog, "check", err);
    if (sqlite3_step(statement) != SQLITE_ROW)
        rc = catalog_fail(catalog, "check", err);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
        rc = silt_fail(err, SILT_CORRUPT, "catalog: %s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return rc;
}

/* ---------------------------------------------------------------- start-up */

typedef enum silt_status (*row_fn)(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err);

/* Every row of a bound statement through `convert`, which calls the caller's function. */
static enum silt_status scan(struct catalog *catalog, enum statement which, row_fn convert, void *each, void *arg,
                             struct silt_error *err)
{
    sqlite3_stmt *statement = catalog->statements[which];
    enum silt_status rc = SILT_OK;
    int code = SQLITE_DONE;
    while (rc == SILT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        rc = convert(statement, each, arg, err);
    if (rc == SILT_OK && code != SQLITE_DONE)
        rc = catalog_fail(catalog, statement_texts[which], err);
    sqlite3_reset(statement);
    return rc;
}

static enum silt_status database_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    struct catalog_database database = {.id = (uint32_t)sqlite3_column_int64(row, 0),
                                        .name = catalog_column_text(row, 1),
                                        .default_policy = catalog_column_text(row, 2),
                                        .last_series = (silt_series_id)sqlite3_column_int64(row, 3)};
    return (*(catalog_database_fn *)each)(arg, &database, err);
}

static enum silt_status policy_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    struct catalog_policy policy = {.id = (uint32_t)sqlite3_column_int64(row, 0),
                                    .database_id = (uint32_t)sqlite3_column_int64(row, 1),
                                    .name = catalog_column_text(row, 2),
                                    .duration_ns = sqlite3_column_int64(row, 3),
                                    .shard_duration_ns = sqlite3_column_int64(row, 4),
                                    .replication = (uint32_t)sqlite3_column_int64(row, 5)};
    return (*(catalog_policy_fn *)each)(arg, &policy, err);
}

static enum silt_status shard_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    struct catalog_shard shard = {.id = (uint64_t)sqlite3_column_int64(row, 0),
                                  .database_id = (uint32_t)sqlite3_column_int64(row, 1),
                                  .policy_id = (uint32_t)sqlite3_column_int64(row, 2),
                                  .start = sqlite3_column_int64(row, 3),
                                  .end = sqlite3_column_int64(row, 4)};
    return (*(catalog_shard_fn *)each)(arg, &shard, err);
}

static enum silt_status measurement_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    return (*(catalog_measurement_fn *)each)(arg, (uint32_t)sqlite3_column_int64(row, 0),
                                             (uint32_t)sqlite3_column_int64(row, 1), catalog_column_text(row, 2), err);
}

static enum silt_status field_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    return (*(catalog_field_fn *)each)(arg, (uint32_t)sqlite3_column_int64(row, 0),
                                       (uint32_t)sqlite3_column_int64(row, 1), (uint32_t)sqlite3_column_int64(row, 2),
                                       catalog_column_text(row, 3), err);
}

static enum silt_status type_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    return (*(catalog_type_fn *)each)(arg, (uint64_t)sqlite3_column_int64(row, 0),
                                      (uint32_t)sqlite3_column_int64(row, 1), (uint32_t)sqlite3_column_int64(row, 2),
                                      (enum silt_type)sqlite3_column_int64(row, 3), err);
}

/* each is passed by its address: a function pointer does not fit a void * in standard C. */
static enum silt_status locked_scan(struct catalog *catalog, enum statement which, row_fn convert, void *each, void *arg,
                                    struct silt_error *err)
{
    pthread_mutex_lock(&catalog->lock);
    enum silt_status rc = scan(catalog, which, convert, each, arg, err);
    pthread_mutex_unlock(&catalog->lock);
    return rc;
}

enum silt_status catalog_databases(struct catalog *catalog, catalog_database_fn each, void *arg, struct silt_error *err)
{
    return locked_scan(catalog, ALL_DATABASES, database_row, &each, arg, err);
}

enum silt_status catalog_policies(struct catalog *catalog, catalog_policy_fn each, void *arg, struct silt_error *err)
{
    return locked_scan(catalog, ALL_POLICIES, policy_row, &each, arg, err);
}

enum silt_status catalog_shards(struct catalog *catalog, catalog_shard_fn each, void *arg, struct silt_error *err)
{
    return locked_scan(catalog, ALL_SHARDS, shard_row, &each, arg, err);
}

enum silt_status catalog_measurements(struct catalog *catalog, catalog_measurement_fn each, void *arg,
                                      struct silt_error *err)
{
    return locked_scan(catalog, ALL_MEASUREMENTS, measurement_row, &each, arg, err);
}

enum silt_status catalog_fields(struct catalog *catalog, catalog_field_fn each, void *arg, struct silt_error *err)
{
    return locked_scan(catalog, ALL_FIELDS, field_row, &each, arg, err);
}

enum silt_status catalog_types(struct catalog *catalog, catalog_type_fn each, void *arg, struct silt_error *err)
{
    return locked_scan(catalog, ALL_TYPES, type_row, &each, arg, err);
}

uint64_t catalog_applied_seq(struct catalog *catalog)
{
    int64_t value;
    pthread_mutex_lock(&catalog->lock);
    if (get_meta(catalog, "applied_seq", &value, NULL) != SILT_OK)
        value = 0; /* replaying everything is always right */
    pthread_mutex_unlock(&catalog->lock);
    return (uint64_t)value;
}

/* ---------------------------------------------------------------- definitions */

enum silt_status catalog_change_begin(struct catalog *catalog, struct silt_error *err)
{
    pthread_mutex_lock(&catalog->lock);
    enum silt_status rc = step(catalog, BEGIN, err);
    if (rc != SILT_OK)
        pthread_mutex_unlock(&catalog->lock);
    return rc;
}

enum silt_status catalog_change_end(struct catalog *catalog, enum silt_status rc, struct silt_error *err)
{
    if (rc == SILT_OK)
        rc = step(catalog, COMMIT, err);
    if (rc != SILT_OK && !sqlite3_get_autocommit(catalog->db))
        step(catalog, ROLLBACK, NULL);
    pthread_mutex_unlock(&catalog->lock);
    return rc;
}

enum silt_status catalog_next_epoch(struct catalog *catalog, uint64_t *epoch, struct silt_error *err)
{
    int64_t value = 0;
    *epoch = 0;
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    if ((rc = get_meta(catalog, "epoch", &value, err)) == SILT_OK) {
        rc = put_meta(catalog, "epoch", value + 1, err);
        *epoch = (uint64_t)value + 1;
    }
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_store_id(struct catalog *catalog, bool renew, uint64_t *id, struct silt_error *err)
{
    int64_t value = 0;
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    rc = get_meta(catalog, "store_id", &value, err);
    if (rc == SILT_OK && (value == 0 || renew)) {
        do
            sqlite3_randomness(sizeof(value), &value);
        while (value == 0);
        rc = put_meta(catalog, "store_id", value, err);
    }
    *id = (uint64_t)value;
    return catalog_change_end(catalog, rc, err);
}

static enum silt_status run_all(struct catalog *catalog, const enum statement *which, size_t count, int64_t id,
                                struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        BIND(catalog, which[i], id);
        rc = step(catalog, which[i], err);
    }
    return rc;
}

static enum silt_status drop_in_one(struct catalog *catalog, const enum statement *which, size_t count, int64_t id,
                                    struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    return rc != SILT_OK ? rc : catalog_change_end(catalog, run_all(catalog, which, count, id, err), err);
}

enum silt_status catalog_drop_database(struct catalog *catalog, uint32_t id, struct silt_error *err)
{
    static const enum statement all[] = {DROP_TYPES_OF_DATABASE,         DROP_SHARDS_OF_DATABASE,
                                         DROP_SUBSCRIPTIONS_OF_DATABASE, DROP_POLICIES_OF_DATABASE,
                                         DROP_FIELDS_OF_DATABASE,        DROP_MEASUREMENTS_OF_DATABASE,
                                         DROP_QUERIES_OF_DATABASE,       DROP_PRIVILEGES_OF_DATABASE,
                                         DROP_DATABASE};
    return drop_in_one(catalog, all, sizeof(all) / sizeof(all[0]), id, err); /* series without a database are never loaded */
}

static enum silt_status set_default(struct catalog *catalog, uint32_t database_id, struct silt_str name,
                                    struct silt_error *err)
{
    BIND(catalog, DEFAULT_POLICY, database_id);
    bind_text(catalog->statements[DEFAULT_POLICY], 2, name);
    return step(catalog, DEFAULT_POLICY, err);
}

/* In the caller's transaction. */
static enum silt_status put_policy(struct catalog *catalog, enum statement which, const struct catalog_policy *policy,
                                   bool make_default, uint32_t *id, struct silt_error *err)
{
    sqlite3_stmt *statement = catalog->statements[which];
    sqlite3_bind_int64(statement, 1, policy->database_id);
    bind_text(statement, 2, policy->name);
    sqlite3_bind_int64(statement, 3, policy->duration_ns);
    sqlite3_bind_int64(statement, 4, policy->shard_duration_ns);
    sqlite3_bind_int64(statement, 5, policy->replication);
    if (which == UPDATE_POLICY)
        sqlite3_bind_int64(statement, 6, policy->id);
    enum silt_status rc = step(catalog, which, err);
    if (id)
        *id = (uint32_t)sqlite3_last_insert_rowid(catalog->db);
    return rc == SILT_OK && make_default ? set_default(catalog, policy->database_id, policy->name, err) : rc;
}

enum silt_status catalog_create_database(struct catalog *catalog, struct silt_str name, struct catalog_policy *policy,
                                         uint32_t *id, struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    bind_text(catalog->statements[ADD_DATABASE], 1, name);
    rc = step(catalog, ADD_DATABASE, err);
    *id = (uint32_t)sqlite3_last_insert_rowid(catalog->db);
    if (rc == SILT_OK && policy) {
        policy->database_id = *id;
        rc = put_policy(catalog, ADD_POLICY, policy, true, &policy->id, err);
    }
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_create_policy(struct catalog *catalog, const struct catalog_policy *policy, bool make_default,
                                       uint32_t *id, struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    return rc != SILT_OK ? rc : catalog_change_end(catalog, put_policy(catalog, ADD_POLICY, policy, make_default, id, err), err);
}

enum silt_status catalog_update_policy(struct catalog *catalog, const struct catalog_policy *policy, bool make_default,
                                       struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    return rc != SILT_OK ? rc : catalog_change_end(catalog, put_policy(catalog, UPDATE_POLICY, policy, make_default, NULL, err), err);
}

enum silt_status catalog_drop_policy(struct catalog *catalog, uint32_t id, struct silt_error *err)
{
    static const enum statement all[] = {DROP_TYPES_OF_POLICY, DROP_SHARDS_OF_POLICY, DROP_SUBSCRIPTIONS_OF_POLICY, DROP_POLICY};
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    rc = run_all(catalog, all, sizeof(all) / sizeof(all[0]), id, err);
    if (rc == SILT_OK)
        rc = put_meta(catalog, "lonely", 1, err);
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_create_shards(struct catalog *catalog, uint32_t database_id, uint32_t policy_id,
                                       const struct catalog_range *ranges, size_t count, uint64_t *ids,
                                       struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        BIND(catalog, ADD_SHARD, database_id, policy_id, ranges[i].start, ranges[i].end);
        rc = step(catalog, ADD_SHARD, err);
        ids[i] = (uint64_t)sqlite3_last_insert_rowid(catalog->db);
    }
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_drop_shards(struct catalog *catalog, const uint64_t *ids, size_t count, struct silt_error *err)
{
    static const enum statement all[] = {DROP_TYPES_OF_SHARD, DROP_SHARD};
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; i < count && rc == SILT_OK; i++)
        rc = run_all(catalog, all, sizeof(all) / sizeof(all[0]), (int64_t)ids[i], err);
    if (rc == SILT_OK)
        rc = put_meta(catalog, "lonely", 1, err);
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_set_lonely(struct catalog *catalog, bool lonely, struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    return rc != SILT_OK ? rc : catalog_change_end(catalog, put_meta(catalog, "lonely", lonely, err), err);
}

enum silt_status catalog_put_lonely(struct catalog *catalog, struct silt_error *err)
{
    return put_meta(catalog, "lonely", 1, err);
}

enum silt_status catalog_lonely(struct catalog *catalog, bool *lonely, struct silt_error *err)
{
    int64_t value;
    pthread_mutex_lock(&catalog->lock);
    enum silt_status rc = get_meta(catalog, "lonely", &value, err);
    pthread_mutex_unlock(&catalog->lock);
    *lonely = value != 0;
    return rc;
}

/* ---------------------------------------------------------------- batches */

enum silt_status catalog_begin(struct catalog *catalog, struct silt_error *err)
{
    return catalog_change_begin(catalog, err);
}

enum silt_status catalog_put_measurement(struct catalog *catalog, uint32_t database_id, uint32_t measurement,
                                         struct silt_str name, struct silt_error *err)
{
    bind_text(BIND(catalog, PUT_MEASUREMENT, database_id, measurement), 3, name);
    return step(catalog, PUT_MEASUREMENT, err);
}

enum silt_status catalog_put_field(struct catalog *catalog, uint32_t database_id, uint32_t measurement,
                                   uint32_t field_id, struct silt_str name, struct silt_error *err)
{
    bind_text(BIND(catalog, PUT_FIELD, database_id, measurement, field_id), 4, name);
    return step(catalog, PUT_FIELD, err);
}

enum silt_status catalog_put_type(struct catalog *catalog, uint64_t shard_id, uint32_t measurement, uint32_t field_id,
                                  enum silt_type type, struct silt_error *err)
{
    BIND(catalog, PUT_TYPE, (int64_t)shard_id, measurement, field_id, (int64_t)type);
    return step(catalog, PUT_TYPE, err);
}

enum silt_status catalog_drop_types(struct catalog *catalog, uint32_t database_id, uint32_t measurement,
                                    struct silt_error *err)
{
    BIND(catalog, DROP_TYPES_OF_MEASUREMENT, database_id, measurement);
    return step(catalog, DROP_TYPES_OF_MEASUREMENT, err);
}

enum silt_status catalog_set_applied_seq(struct catalog *catalog, uint64_t seq, struct silt_error *err)
{
    return put_meta(catalog, "applied_seq", (int64_t)seq, err);
}

enum silt_status catalog_commit(struct catalog *catalog, struct silt_error *err)
{
    enum silt_status rc = catalog_series_flush(catalog, err);
    catalog_series_forget(catalog);
    return catalog_change_end(catalog, rc, err);
}

void catalog_rollback(struct catalog *catalog)
{
    catalog_series_forget(catalog);
    catalog_change_end(catalog, SILT_CANCELLED, NULL);
}
