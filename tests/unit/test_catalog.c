/*
 * test_catalog.c - what was committed is there after a reopen; drops take all that belongs; series scan in order.
 */
#include "storage/catalog.h"
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
        ck_assert_int_eq(catalog_put_series(catalog, database, id, 1, (struct silt_str){key, (size_t)len}, &err), SILT_OK);
    }
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
    ck_assert_int_eq(catalog_drop_series(catalog, db, 1000, &err), SILT_OK);
    ck_assert_int_eq(catalog_drop_series(catalog, db, 5000, &err), SILT_OK);
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
    ck_assert_msg(rc == SILT_CORRUPT, "bit %d of byte %ld: %s", bit, offset, silt_status_name(rc));
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

static int copy_table(void *arg, int count, char **columns, char **names)
{
    char script[512];
    (void)count, (void)names;
    run_script(arg, columns[1]);
    snprintf(script, sizeof(script), "INSERT INTO main.%s SELECT * FROM now.%s", columns[0], columns[0]);
    run_script(arg, script);
    return 0;
}

/* The same tables in a file as version 3 made it: no room in its pages. */
static void make_version_3(void)
{
    char attach[200], now[160];
    sqlite3 *old;
    snprintf(now, sizeof(now), "%s-now", path);
    ck_assert_int_eq(rename(path, now), 0);
    snprintf(attach, sizeof(attach), "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; ATTACH '%s' AS now", now);
    ck_assert_int_eq(sqlite3_open(path, &old), SQLITE_OK);
    run_script(old, attach);
    ck_assert_int_eq(sqlite3_exec(old, "SELECT name, sql FROM now.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
                                  copy_table, old, NULL), SQLITE_OK);
    run_script(old, "PRAGMA user_version=3; DETACH now");
    sqlite3_close(old);
    unlink(now);
}

START_TEST(an_older_file_gets_checksums)
{
    struct silt_error err;
    struct catalog *catalog = reopen(NULL);
    uint32_t db;
    ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("a"), NULL, &db, &err), SILT_OK);
    ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
    put_series(catalog, db, 1, 300);
    ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
    catalog_close(catalog);
    make_version_3();
    catalog = reopen(NULL);
    struct counted counted = {0};
    ck_assert_int_eq(catalog_series(catalog, db, on_series, &counted, &err), SILT_OK);
    ck_assert_uint_eq(counted.count, 300);
    catalog_close(catalog);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    for (long offset = 0; offset < st.st_size; offset += 331)
        expect_damage_found(offset, (int)(offset % 8));
}
END_TEST

/* Whole before, or whole after. */
START_TEST(a_crash_while_pages_get_checksums)
{
    bool met = true;
    for (uint64_t n = 1; met; n++) {
        struct vfs *vfs = fault_vfs_create(n);
        struct silt_error err;
        struct catalog *catalog = NULL;
        struct counted counted = {0};
        uint32_t db;
        snprintf(path, sizeof(path), "%s", vfs->ops->local_path(vfs, "meta.sqlite"));
        catalog = reopen(NULL);
        ck_assert_int_eq(catalog_create_database(catalog, SILT_STR("a"), NULL, &db, &err), SILT_OK);
        ck_assert_int_eq(catalog_begin(catalog, &err), SILT_OK);
        put_series(catalog, db, 1, 300);
        ck_assert_int_eq(catalog_commit(catalog, &err), SILT_OK);
        catalog_close(catalog);
        catalog = NULL;
        run_sqlite("PRAGMA user_version=3"); /* written by somebody who knows of no checksums */
        fault_vfs_crash_at(vfs, n);
        if (catalog_open(path, &catalog, &err) == SILT_OK)
            catalog_close(catalog);
        met = fault_vfs_crashed(vfs);
        fault_vfs_restart(vfs);
        catalog = reopen(NULL);
        ck_assert_int_eq(catalog_check(catalog, &err), SILT_OK);
        ck_assert_int_eq(catalog_series(catalog, db, on_series, &counted, &err), SILT_OK);
        ck_assert_uint_eq(counted.count, 300);
        catalog_close(catalog);
        fault_vfs_destroy(vfs);
    }
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
    tcase_add_test(tcase, definitions_survive_a_reopen);
    tcase_add_test(tcase, batches_are_whole_or_absent);
    tcase_add_test(tcase, a_database_takes_all_of_its_own_with_it);
    tcase_add_test(tcase, series_of_a_database_dropped_halfway_go_at_the_next_start);
    tcase_add_test(tcase, what_was_committed_survives_a_killed_process);
    tcase_add_test(tcase, databases_of_other_programs_and_later_versions_are_refused);
    tcase_add_test(tcase, every_flipped_bit_is_found);
    tcase_add_test(tcase, an_older_file_gets_checksums);
    tcase_add_test(tcase, a_crash_while_pages_get_checksums);
    tcase_add_test(tcase, foreign_files_are_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
