/*
 * test_catalog.c - what was committed is there after a reopen; drops take all that belongs; series scan in order.
 */
#include "storage/catalog_internal.h"
#include "tests/fault_vfs.h"
#include "tests/run_suite.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], path[128];

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/silt-catalog-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/meta.sqlite", folder);
}

static void tear_down(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char name[160];
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
    rmdir(folder);
}

static struct catalog *reopen(struct catalog *catalog)
{
    struct silt_error err;
    catalog_close(catalog);
    ck_assert_msg(catalog_open(path, &catalog, &err) == SILT_OK, "%s", err.text);
    return catalog;
}

struct counted {
    unsigned count;
    uint64_t sum, last;
    char text[4096];
};

static enum silt_status on_database(void *arg, const struct catalog_database *row, struct silt_error *err)
{
    struct counted *counted = arg;
    size_t len = strlen(counted->text);
    (void)err;
    snprintf(counted->text + len, sizeof(counted->text) - len, "%.*s:%.*s:%u;", SILT_FMT(row->name),
             SILT_FMT(row->default_policy), row->last_series);
    counted->count++;
    return SILT_OK;
}

static enum silt_status on_policy(void *arg, const struct catalog_policy *row, struct silt_error *err)
{
    struct counted *counted = arg;
    size_t len = strlen(counted->text);
    (void)err;
    snprintf(counted->text + len, sizeof(counted->text) - len, "%.*s:%lld:%lld:%u;", SILT_FMT(row->name),
             (long long)row->duration_ns, (long long)row->shard_duration_ns, row->replication);
    counted->count++;
    return SILT_OK;
}

static enum silt_status on_shard(void *arg, const struct catalog_shard *row, struct silt_error *err)
{
    struct counted *counted = arg;
    (void)err;
    counted->count++;
    counted->last = row->id;
    counted->sum += (uint64_t)(row->end - row->start);
    return SILT_OK;
}

static enum silt_status on_type(void *arg, uint64_t shard_id, uint32_t measurement, uint32_t field_id,
                                enum silt_type type, struct silt_error *err)
{
    struct counted *counted = arg;
    (void)shard_id, (void)measurement, (void)field_id, (void)err;
    counted->count++;
    counted->sum += (uint64_t)type;
    return SILT_OK;
}

static enum silt_status on_field(void *arg, uint32_t database_id, uint32_t measurement, uint32_t field_id,
                                 struct silt_str name, struct silt_error *err)
{
    struct counted *counted = arg;
    (void)database_id, (void)measurement, (void)field_id, (void)name, (void)err;
    counted->count++;
    return SILT_OK;
}

static enum silt_status on_series(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key,
                                  struct silt_error *err)
{
    struct counted *counted = arg;
    char want[64];
    (void)err;
    snprintf(want, sizeof(want), "m,d=%u,i=%u", database_id, id);
    ck_assert_uint_eq(key.len, strlen(want));
    ck_assert_int_eq(memcmp(key.p, want, key.len), 0);
    ck_assert_uint_gt(id, counted->last);
    counted->last = id;
    counted->count++;
    return SILT_OK;
}

static void put_series(struct catalog *catalog, uint32_t database, uint32_t from, uint32_t to)
{
    struct silt_error err;
    for (uint32_t id = from; id <= to; id++) {
        char key[64];
        int len = snprintf(key, sizeof(key), "m,d=%u,i=%u", database, id);
        ck_assert_int_eq(catalog_put_series(catalog, database, id, (struct silt_str){key, (size_t)len}, &err), SILT_OK);
    }
}

/* From one to another, both among them. */
static void drop_series(struct catalog *catalog, uint32_t database, uint32_t from, uint32_t to)
{
    struct silt_error err;
    roaring_bitmap_t *ids = roaring_bitmap_from_range(from, (uint64_t)to + 1, 1);
    ck_assert_int_eq(catalog_drop_series(catalog, database, ids, &err), SILT_OK);
    roaring_bitmap_free(ids);
}

static unsigned count_series(struct catalog *catalog, uint32_t database)
{
    struct silt_error err;
    struct counted counted = {0};
    ck_assert_int_eq(catalog_series(catalog, database, on_series, &counted, &err), SILT_OK);
    return counted.count;
}

START_TEST(definitions_survive_a_reopen)
{
    struct catalog *catalog = reopen(NULL);
    struct silt_error err;
    uint32_t db, other, policy;
    uint64_t shard, epoch;
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("d\0x"), NULL, &db, &err), SILT_OK);
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("other"), NULL, &other, &err), SILT_OK);
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("other"), NULL, &policy, &err), SILT_CONFLICT);
    struct catalog_policy row = {.database_id = db, .name = SILT_STR("autogen"), .duration_ns = 0,
                                 .shard_duration_ns = 7, .replication = 1};
    ck_assert_int_eq(catalog_create_policy(catalog, &row, true, &policy, &err), SILT_OK);
    row.id = policy;
    row.duration_ns = 99;
    ck_assert_int_eq(catalog_update_policy(catalog, &row, false, &err), SILT_OK);
    ck_assert_int_eq(catalog_create_shards(catalog, db, policy, &(struct catalog_range){-5, 10}, 1, &shard, &err), SILT_OK);
    ck_assert_int_eq(catalog_next_epoch(catalog, &epoch, &err), SILT_OK);
    ck_assert_uint_eq(epoch, 1);
    catalog = reopen(catalog);
    struct counted databases = {0}, policies = {0}, shards = {0};
    ck_assert_int_eq(catalog_databases(catalog, on_database, &databases, &err), SILT_OK);
    ck_assert_uint_eq(databases.count, 2);
    ck_assert_int_eq(catalog_policies(catalog, on_policy, &policies, &err), SILT_OK);
    ck_assert_str_eq(policies.text, "autogen:99:7:1;");
    ck_assert_int_eq(catalog_shards(catalog, on_shard, &shards, &err), SILT_OK);
    ck_assert_uint_eq(shards.count, 1);
    ck_assert_uint_eq(shards.sum, 15);
    ck_assert_int_eq(catalog_next_epoch(catalog, &epoch, &err), SILT_OK);
    ck_assert_uint_eq(epoch, 2);
    catalog_close(catalog);
}
END_TEST

START_TEST(batches_are_whole_or_absent)
{
    struct catalog *catalog = reopen(NULL);
    struct silt_error err;
    uint32_t db, other;
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("a"), NULL, &db, &err), SILT_OK);
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("b"), NULL, &other, &err), SILT_OK);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    put_series(catalog, db, 1, 1000);
    put_series(catalog, other, 1, 10);
    ck_assert_int_eq(catalog_put_field(catalog, db, 1, 1, SILT_STR("v"), &err), SILT_OK);
    ck_assert_int_eq(catalog_put_field(catalog, db, 1, 1, SILT_STR("v"), &err), SILT_OK);
    ck_assert_int_eq(catalog_put_type(catalog, 3, 1, 1, SILT_TYPE_FLOAT, &err), SILT_OK);
    ck_assert_int_eq(catalog_set_applied_seq(catalog, 42, &err), SILT_OK);
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    put_series(catalog, db, 1001, 2000);
    ck_assert_int_eq(catalog_set_applied_seq(catalog, 43, &err), SILT_OK);
    catalog_rollback(catalog);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    drop_series(catalog, db, 1000, 1000);
    drop_series(catalog, db, 5000, 5000);
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    catalog = reopen(catalog);
    ck_assert_uint_eq(catalog_applied_seq(catalog), 42);
    struct counted first = {0}, second = {0}, fields = {0}, databases = {0};
    ck_assert_int_eq(catalog_series(catalog, db, on_series, &first, &err), SILT_OK);
    ck_assert_uint_eq(first.count, 999);
    ck_assert_int_eq(catalog_series(catalog, other, on_series, &second, &err), SILT_OK);
    ck_assert_uint_eq(second.count, 10);
    ck_assert_int_eq(catalog_fields(catalog, on_field, &fields, &err), SILT_OK);
    ck_assert_uint_eq(fields.count, 1);
    ck_assert_int_eq(catalog_databases(catalog, on_database, &databases, &err), SILT_OK);
    ck_assert_str_eq(databases.text, "a::1000;b::10;"); /* ids of dropped series are not given again */
    catalog_close(catalog);
}
END_TEST

START_TEST(a_database_takes_all_of_its_own_with_it)
{
    struct catalog *catalog = reopen(NULL);
    struct silt_error err;
    uint32_t dbs[2], policies[2];
    uint64_t shards[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(catalog_create_database(catalog, i ? SILT_STR("b") : SILT_STR("a"), NULL, &dbs[i], &err), SILT_OK);
        struct catalog_policy row = {.database_id = dbs[i], .name = SILT_STR("p"), .replication = 1};
        ck_assert_int_eq(catalog_create_policy(catalog, &row, true, &policies[i], &err), SILT_OK);
        ck_assert_int_eq(catalog_create_shards(catalog, dbs[i], policies[i], &(struct catalog_range){0, 1}, 1, &shards[i], &err), SILT_OK);
        ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
        put_series(catalog, dbs[i], 1, 100);
        ck_assert_int_eq(catalog_put_type(catalog, shards[i], 1, 1, SILT_TYPE_STRING, &err), SILT_OK);
        ck_assert_int_eq(catalog_put_field(catalog, dbs[i], 1, 1, SILT_STR("v"), &err), SILT_OK);
        ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    }
    ck_assert_int_eq(catalog_drop_database(catalog, dbs[0], &err), SILT_OK);
    catalog = reopen(catalog);
    struct counted names = {0}, series = {0}, kept = {0}, types = {0}, left = {0}, fields = {0};
    ck_assert_int_eq(catalog_databases(catalog, on_database, &names, &err), SILT_OK);
    ck_assert_str_eq(names.text, "b:p:100;");
    ck_assert_int_eq(catalog_series(catalog, dbs[0], on_series, &series, &err), SILT_OK);
    ck_assert_uint_eq(series.count, 0);
    ck_assert_int_eq(catalog_series(catalog, dbs[1], on_series, &kept, &err), SILT_OK);
    ck_assert_uint_eq(kept.count, 100);
    ck_assert_int_eq(catalog_types(catalog, on_type, &types, &err), SILT_OK);
    ck_assert_uint_eq(types.count, 1);
    ck_assert_int_eq(catalog_fields(catalog, on_field, &fields, &err), SILT_OK);
    ck_assert_uint_eq(fields.count, 1);
    ck_assert_int_eq(catalog_drop_shards(catalog, &shards[1], 1, &err), SILT_OK);
    ck_assert_int_eq(catalog_types(catalog, on_type, &left, &err), SILT_OK);
    ck_assert_uint_eq(left.count, 0);
    uint64_t next;
    ck_assert_int_eq(catalog_create_shards(catalog, dbs[1], policies[1], &(struct catalog_range){0, 1}, 1, &next, &err), SILT_OK);
    ck_assert_uint_gt(next, shards[1]); /* ids are never given twice */
    catalog_close(catalog);
}
END_TEST

START_TEST(series_of_a_database_dropped_halfway_go_at_the_next_start)
{
    struct catalog *catalog = reopen(NULL);
    struct silt_error err;
    uint32_t first, last;
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("a"), NULL, &first, &err), SILT_OK);
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("b"), NULL, &last, &err), SILT_OK);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    put_series(catalog, first, 1, 10);
    put_series(catalog, last, 1, 10);
    put_series(catalog, last + 7, 1, 60000); /* more than one step */
    put_series(catalog, last + 8, 4000000000u, 4000000010u);
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    catalog = reopen(catalog);
    for (uint32_t id = first; id < last + 10; id++) {
        struct counted counted = {0};
        ck_assert_int_eq(catalog_series(catalog, id, on_series, &counted, &err), SILT_OK);
        ck_assert_uint_eq(counted.count, id == first || id == last ? 10 : 0);
    }
    catalog_close(catalog);
}
END_TEST

START_TEST(what_was_committed_survives_a_killed_process)
{
    struct silt_error err;
    uint32_t db = 1;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct catalog *catalog;
        if (catalog_open(path, &catalog, &err) != SILT_OK || catalog_create_database(catalog, SILT_STR("a"), NULL, &db, &err) != SILT_OK ||
            catalog_begin(catalog, &err) != SILT_OK)
            _exit(1);
        put_series(catalog, db, 1, 500);
        if (catalog_set_applied_seq(catalog, 9, &err) != SILT_OK || catalog_commit(catalog, &err) != SILT_OK ||
            catalog_begin(catalog, &err) != SILT_OK)
            _exit(2);
        put_series(catalog, db, 501, 900);
        _exit(0); /* without a close, in the middle of a batch */
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    struct catalog *catalog = reopen(NULL);
    struct counted counted = {0};
    ck_assert_int_eq(catalog_series(catalog, db, on_series, &counted, &err), SILT_OK);
    ck_assert_uint_eq(counted.count, 500);
    ck_assert_uint_eq(catalog_applied_seq(catalog), 9);
    catalog_close(catalog);
}
END_TEST

static void run_script(sqlite3 *db, const char *script)
{
    char *message = NULL;
    ck_assert_msg(sqlite3_exec(db, script, NULL, NULL, &message) == SQLITE_OK, "%s: %s", script, message);
}

static void run_sqlite(const char *script)
{
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    run_script(db, script);
    sqlite3_close(db);
}

START_TEST(databases_of_other_programs_and_later_versions_are_refused)
{
    struct silt_error err;
    struct catalog *catalog;
    run_sqlite("CREATE TABLE bookmarks(url TEXT)");
    ck_assert_int_eq(catalog_open(path, &catalog, &err), SILT_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "another program"));
    run_sqlite("DROP TABLE bookmarks; PRAGMA user_version=99");
    ck_assert_int_eq(catalog_open(path, &catalog, &err), SILT_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "newer"));
    run_sqlite("PRAGMA user_version=0");
    ck_assert_int_eq(catalog_open(path, &catalog, &err), SILT_OK);
    catalog_close(catalog);
}
END_TEST

static void flip(long offset, int bit)
{
    FILE *file = fopen(path, "r+b");
    ck_assert_int_eq(fseek(file, offset, SEEK_SET), 0);
    int byte = fgetc(file);
    ck_assert_int_eq(fseek(file, offset, SEEK_SET), 0);
    fputc(byte ^ 1 << bit, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void expect_damage_found(long offset, int bit)
{
    struct silt_error err;
    struct catalog *catalog;
    flip(offset, bit);
    enum silt_status rc = catalog_open(path, &catalog, &err);
    if (rc == SILT_OK) {
        rc = catalog_check(catalog, &err);
        catalog_close(catalog);
    }
    ck_assert_msg(rc == SILT_CORRUPT, "bit %d of byte %ld: %s: %s", bit, offset, silt_status_name(rc), rc == SILT_OK ? "" : err.text);
    flip(offset, bit);
}

START_TEST(every_flipped_bit_is_found)
{
    struct silt_error err;
    struct catalog *catalog = reopen(NULL);
    uint32_t db;
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("a"), NULL, &db, &err), SILT_OK);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    put_series(catalog, db, 1, 2000);
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    catalog_close(catalog);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    for (long offset = 0; offset < 100; offset++)
        for (int bit = 0; bit < 8; bit++)
            expect_damage_found(offset, bit);
    for (long offset = 100; offset < st.st_size; offset += 97)
        expect_damage_found(offset, (int)(offset % 8));
}
END_TEST

static void expect_copy(struct catalog *catalog, struct vfs *to, enum silt_status expected, long offset, int bit)
{
    struct silt_error err;
    struct vfs_blob_writer *writer;
    ck_assert_int_eq(vfs_blob_create(to, "copy", &writer, &err), SILT_OK);
    enum silt_status rc = catalog_copy(catalog, writer, &err);
    vfs_blob_abort(writer);
    ck_assert_msg(rc == expected, "bit %d of byte %ld: %s", bit, offset, silt_status_name(rc));
}

/* In the file, after it was opened. */
START_TEST(a_copy_finds_flipped_bits)
{
    struct silt_error err;
    struct catalog *catalog = reopen(NULL);
    struct vfs *to;
    struct stat st;
    uint32_t db;
    char room[] = "/tmp/silt-catalog-copy-XXXXXX", command[64];
    ck_assert_ptr_nonnull(mkdtemp(room));
    ck_assert_int_eq(vfs_posix_open(room, &to, &err), SILT_OK);
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("a"), NULL, &db, &err), SILT_OK);
    expect_copy(catalog, to, SILT_OK, -1, -1); /* what SQLite's log had is in the file now */
    ck_assert_int_eq(stat(path, &st), 0);
    for (long offset = 0; offset < st.st_size; offset += offset < 100 ? 1 : 997)
        for (int bit = 0; bit < 8; bit++) {
            flip(offset, bit);
            expect_copy(catalog, to, SILT_CORRUPT, offset, bit);
            flip(offset, bit);
        }
    expect_copy(catalog, to, SILT_OK, -1, -1);
    vfs_close(to);
    catalog_close(catalog);
    snprintf(command, sizeof(command), "rm -r %s", room);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* So many series of database 1 as versions up to 4 had them. */
static void put_rows(sqlite3 *db, unsigned count)
{
    char script[400];
    snprintf(script, sizeof(script),
             "CREATE TABLE main.series(id INTEGER PRIMARY KEY, measurement INTEGER NOT NULL, key BLOB NOT NULL);"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
             " INSERT INTO main.series SELECT (1 << 32) + i, 1, CAST('m,d=1,i=' || i AS BLOB) FROM n", count);
    run_script(db, script);
}

static int copy_table(void *arg, int count, char **columns, char **names)
{
    char script[512];
    (void)count, (void)names;
    run_script(arg, columns[1]);
    snprintf(script, sizeof(script), "INSERT INTO main.%s SELECT * FROM now.%s", columns[0], columns[0]);
    run_script(arg, script);
    return 0;
}

/* The same tables in a file as that version made it: larger pages, a row for each series; 3 had no room in its pages for checksums. */
static void make_older(int version, unsigned series)
{
    char script[256], now[160];
    int reserved = version < 4 ? 0 : CATALOG_RESERVED_BYTES;
    sqlite3 *old;
    snprintf(now, sizeof(now), "%s-now", path);
    ck_assert_int_eq(rename(path, now), 0);
    ck_assert_int_eq(sqlite3_open_v2(path, &old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, version < 4 ? NULL : catalog_vfs()), SQLITE_OK);
    run_script(old, "PRAGMA page_size=8192");
    sqlite3_file_control(old, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    snprintf(script, sizeof(script), "PRAGMA journal_mode=WAL; ATTACH '%s' AS now", now);
    run_script(old, script);
    ck_assert_int_eq(sqlite3_exec(old, "SELECT name, sql FROM now.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
                                  " AND name <> 'series_block'", copy_table, old, NULL), SQLITE_OK);
    put_rows(old, series);
    snprintf(script, sizeof(script), "PRAGMA user_version=%d; DETACH now", version);
    run_script(old, script);
    sqlite3_close(old);
    unlink(now);
}

static uint32_t make_database(struct catalog *catalog)
{
    struct silt_error err;
    uint32_t db;
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("a"), NULL, &db, &err), SILT_OK);
    ck_assert_uint_eq(db, 1);
    return db;
}

START_TEST(an_older_file_gets_checksums)
{
    struct catalog *catalog = reopen(NULL);
    uint32_t db = make_database(catalog);
    catalog_close(catalog);
    make_older(3, 300);
    for (int start = 0; start < 2; start++) {
        catalog = reopen(NULL);
        ck_assert_uint_eq(count_series(catalog, db), 300);
        catalog_close(catalog);
    }
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    for (long offset = 0; offset < st.st_size; offset += 331)
        expect_damage_found(offset, (int)(offset % 8));
}
END_TEST

START_TEST(rows_of_an_older_file_become_blocks)
{
    struct silt_error err;
    struct stat before, after;
    struct catalog *catalog = reopen(NULL);
    uint32_t db = make_database(catalog);
    catalog_close(catalog);
    make_older(4, 20000);
    ck_assert_int_eq(stat(path, &before), 0);
    catalog = reopen(NULL);
    ck_assert_uint_eq(count_series(catalog, db), 20000);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    put_series(catalog, db, 20001, 20010);
    drop_series(catalog, db, 1, 9);
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    catalog = reopen(catalog);
    ck_assert_uint_eq(count_series(catalog, db), 20001);
    ck_assert_int_eq(catalog_check(catalog, &err), SILT_OK);
    catalog_close(catalog);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_lt(after.st_size, 20000 * 8 + 20 * 8192);
    ck_assert_int_gt(before.st_size, after.st_size);
}
END_TEST

static void made_by_somebody_who_knows_of_no_checksums(void)
{
    run_sqlite("PRAGMA user_version=3");
}

static void made_with_rows(const char *vfs, const char *script)
{
    sqlite3 *old;
    ck_assert_int_eq(sqlite3_open_v2(path, &old, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
    run_script(old, "DROP TABLE series_block");
    put_rows(old, 300);
    run_script(old, script);
    sqlite3_close(old);
}

static void made_by_version_3(void)
{
    made_with_rows(NULL, "PRAGMA user_version=3");
}

static void made_by_version_4(void)
{
    made_with_rows(catalog_vfs(), "PRAGMA user_version=4");
}

/* Whole before, or whole after, wherever the first start on such a file ends. */
static void crash_while_it_is_taken_over(void (*make)(void))
{
    bool met = true;
    for (uint64_t n = 1; met; n++) {
        struct vfs *vfs = fault_vfs_create(n);
        struct silt_error err;
        struct catalog *catalog = NULL;
        snprintf(path, sizeof(path), "%s", vfs->ops->local_path(vfs, "meta.sqlite"));
        catalog = reopen(NULL);
        uint32_t db = make_database(catalog);
        ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
        put_series(catalog, db, 1, 300);
        ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
        catalog_close(catalog);
        catalog = NULL;
        make();
        fault_vfs_crash_at(vfs, n);
        if (catalog_open(path, &catalog, &err) == SILT_OK)
            catalog_close(catalog);
        met = fault_vfs_crashed(vfs);
        fault_vfs_restart(vfs);
        catalog = reopen(NULL);
        ck_assert_int_eq(catalog_check(catalog, &err), SILT_OK);
        ck_assert_uint_eq(count_series(catalog, db), 300);
        catalog_close(catalog);
        fault_vfs_destroy(vfs);
    }
}

START_TEST(a_crash_while_an_older_file_is_taken_over)
{
    crash_while_it_is_taken_over(made_by_somebody_who_knows_of_no_checksums);
    crash_while_it_is_taken_over(made_by_version_3);
    crash_while_it_is_taken_over(made_by_version_4);
}
END_TEST

/* What is put and dropped in any order, against a list in memory. */
#define MODEL_SERIES 30000u

struct model {
    bool has[MODEL_SERIES];
    unsigned count;
};

static enum silt_status on_model(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key, struct silt_error *err)
{
    struct model *model = arg;
    char want[64];
    (void)database_id, (void)err;
    ck_assert_uint_lt(id, MODEL_SERIES);
    ck_assert_msg(model->has[id], "series %u was dropped, or never put", id);
    ck_assert_uint_eq(key.len, (size_t)snprintf(want, sizeof(want), "m,d=1,i=%u", id));
    ck_assert_int_eq(memcmp(key.p, want, key.len), 0);
    model->count++;
    return SILT_OK;
}

START_TEST(series_in_any_order)
{
    static struct model model, before;
    struct silt_error err;
    struct vfs *vfs = fault_vfs_create(1); /* in memory: a hundred commits wait for no disk */
    snprintf(path, sizeof(path), "%s", vfs->ops->local_path(vfs, "meta.sqlite"));
    struct catalog *catalog = reopen(NULL);
    uint32_t db = make_database(catalog), next = 1;
    unsigned random = 7;
    for (int batch = 0; batch < 120; batch++) {
        bool keep = rand_r(&random) % 8 != 0;
        before = model;
        ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
        for (int change = rand_r(&random) % 6; change >= 0; change--) {
            uint32_t from = 1 + (uint32_t)rand_r(&random) % next, to = from + (uint32_t)rand_r(&random) % 600;
            switch (rand_r(&random) % 4) {
            case 0: /* new ones, sometimes very many, with a gap in front */
                from = next + (uint32_t)rand_r(&random) % 3;
                to = from + (uint32_t)rand_r(&random) % (rand_r(&random) % 5 ? 40 : 6000);
                /* fall through */
            case 1: /* old ones again, or into gaps */
                to = to < MODEL_SERIES ? to : MODEL_SERIES - 1;
                if (from > to)
                    continue;
                put_series(catalog, db, from, to);
                memset(model.has + from, 1, to - from + 1);
                next = to + 1 > next ? to + 1 : next;
                break;
            case 2:
                from = 1 + (uint32_t)rand_r(&random) % MODEL_SERIES;
                to = from;
                /* fall through */
            default:
                to = to < MODEL_SERIES ? to : MODEL_SERIES - 1;
                drop_series(catalog, db, from, to);
                memset(model.has + from, 0, to - from + 1);
            }
        }
        if (keep) {
            ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
        } else {
            catalog_rollback(catalog);
            model = before;
        }
        if (batch % 20 == 19)
            catalog = reopen(catalog);
        unsigned want = 0;
        for (uint32_t id = 0; id < MODEL_SERIES; id++)
            want += model.has[id];
        model.count = 0;
        ck_assert_int_eq(catalog_series(catalog, db, on_model, &model, &err), SILT_OK);
        ck_assert_uint_eq(model.count, want);
    }
    catalog_close(catalog);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(a_file_of_free_pages_shrinks_at_the_next_start)
{
    struct silt_error err;
    struct stat before, after;
    struct catalog *catalog = reopen(NULL);
    uint32_t db = make_database(catalog);
    char *key = malloc(60000);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    for (uint32_t id = 1; id <= 60; id++) {
        for (int i = 0; i < 60000; i++)
            key[i] = (char)('a' + (i * id + i / 7) % 23);
        ck_assert_int_eq(catalog_put_series(catalog, db, id, (struct silt_str){key, 60000}, &err), SILT_OK);
    }
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    free(key);
    catalog = reopen(catalog);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    drop_series(catalog, db, 1, 60);
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    catalog_close(catalog);
    ck_assert_int_eq(stat(path, &before), 0);
    catalog_close(reopen(NULL));
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_gt(before.st_size, 2000000);
    ck_assert_int_lt(after.st_size, 65536);
}
END_TEST

START_TEST(a_new_file_is_small)
{
    struct stat st;
    catalog_close(reopen(NULL));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt(st.st_size, 32768);
}
END_TEST

START_TEST(foreign_files_are_refused)
{
    struct silt_error err;
    struct catalog *catalog;
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database ", file);
    fclose(file);
    ck_assert_int_eq(catalog_open(path, &catalog, &err), SILT_CORRUPT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog");
    TCase *tcase = tcase_create("catalog");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, definitions_survive_a_reopen);
    tcase_add_test(tcase, batches_are_whole_or_absent);
    tcase_add_test(tcase, a_database_takes_all_of_its_own_with_it);
    tcase_add_test(tcase, series_of_a_database_dropped_halfway_go_at_the_next_start);
    tcase_add_test(tcase, what_was_committed_survives_a_killed_process);
    tcase_add_test(tcase, databases_of_other_programs_and_later_versions_are_refused);
    tcase_add_test(tcase, every_flipped_bit_is_found);
    tcase_add_test(tcase, a_copy_finds_flipped_bits);
    tcase_add_test(tcase, an_older_file_gets_checksums);
    tcase_add_test(tcase, rows_of_an_older_file_become_blocks);
    tcase_add_test(tcase, a_crash_while_an_older_file_is_taken_over);
    tcase_add_test(tcase, series_in_any_order);
    tcase_add_test(tcase, a_file_of_free_pages_shrinks_at_the_next_start);
    tcase_add_test(tcase, a_new_file_is_small);
    tcase_add_test(tcase, foreign_files_are_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
