/*
 * test_definitions.c - users, grants, continuous queries and subscriptions in the store: rules, order, and that they are
 * there after the store was opened anew, from a catalog of the version before as well.
 */
#include "silt/definitions.h"
#include "silt/storage.h"
#include "tests/run_suite.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static struct silt_storage *storage;
static struct silt_arena *arena;
static struct silt_error err;

static void open_storage(void)
{
    struct silt_storage_options options;
    silt_storage_options_init(&options);
    options.data_dir = folder;
    options.background_off = true;
    ck_assert_msg(silt_storage_open(&options, &storage, &err) == SILT_OK, "%s", err.text);
}

static void reopen(void)
{
    ck_assert_int_eq(silt_storage_close(storage, false, &err), SILT_OK);
    open_storage();
}

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/silt-definitions-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    open_storage();
    arena = silt_arena_create(NULL);
    ck_assert_int_eq(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_create_database(storage, SILT_STR("e"), SILT_STR(""), NULL, &err), SILT_OK);
}

static void teardown(void)
{
    char command[96];
    silt_arena_destroy(arena);
    silt_storage_close(storage, false, &err);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static struct silt_user user(const char *name, const char *hash, bool admin)
{
    return (struct silt_user){silt_str_from(name), silt_str_from(hash), admin};
}

static const char *users_text(void)
{
    static char text[256];
    struct silt_user *users;
    size_t count, len = 0;
    silt_storage_users(storage, arena, &users, &count);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s:%.*s:%d;", SILT_FMT(users[i].name),
                                SILT_FMT(users[i].hash), users[i].admin);
    return text;
}

static const char *grants_text(const char *name)
{
    static char text[256];
    struct silt_grant *grants;
    size_t count, len = 0;
    ck_assert_int_eq(silt_storage_grants(storage, silt_str_from(name), arena, &grants, &count, &err), SILT_OK);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s:%d;", SILT_FMT(grants[i].database),
                                grants[i].privilege);
    return text;
}

START_TEST(users_and_grants_last)
{
    struct silt_user zoe = user("zoe", "h1", false), ann = user("ann", "h2", true), bob = user("bob", "h3", false);
    ck_assert_int_eq(silt_storage_create_user(storage, &zoe, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_create_user(storage, &ann, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_create_user(storage, &bob, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_create_user(storage, &bob, &err), SILT_CONFLICT);
    ck_assert_str_eq(err.text, "user already exists");
    ck_assert_int_eq(silt_storage_grant(storage, zoe.name, SILT_STR("e"), SILT_PRIVILEGE_ALL, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_grant(storage, zoe.name, SILT_STR("d"), SILT_PRIVILEGE_ALL, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_grant(storage, zoe.name, SILT_STR("x"), SILT_PRIVILEGE_ALL, &err), SILT_NOT_FOUND);
    ck_assert_int_eq(silt_storage_revoke(storage, zoe.name, SILT_STR("d"), SILT_PRIVILEGE_READ, &err), SILT_OK);
    ck_assert_str_eq(grants_text("zoe"), "e:3;d:2;");
    ck_assert_int_eq(silt_storage_set_password_hash(storage, bob.name, SILT_STR("h4"), &err), SILT_OK);
    ck_assert_int_eq(silt_storage_set_admin(storage, bob.name, true, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_set_admin(storage, ann.name, false, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_drop_user(storage, SILT_STR("nobody"), &err), SILT_NOT_FOUND);
    reopen();
    ck_assert_str_eq(users_text(), "zoe:h1:0;ann:h2:0;bob:h4:1;");
    ck_assert_str_eq(grants_text("bob"), "");
    ck_assert_int_eq(silt_storage_drop_user(storage, ann.name, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_drop_database(storage, SILT_STR("e"), &err), SILT_OK);
    ck_assert_int_eq(silt_storage_create_database(storage, SILT_STR("e"), SILT_STR(""), NULL, &err), SILT_OK);
    ck_assert_str_eq(grants_text("zoe"), "d:2;");
    reopen();
    ck_assert_str_eq(users_text(), "zoe:h1:0;bob:h4:1;");
    ck_assert_str_eq(grants_text("zoe"), "d:2;");
    ck_assert_int_eq(silt_storage_create_user(storage, &ann, &err), SILT_OK);
    ck_assert_str_eq(users_text(), "zoe:h1:0;bob:h4:1;ann:h2:1;");
    ck_assert_str_eq(grants_text("ann"), "");
}
END_TEST

static enum silt_status create_query(const char *database, const char *name, const char *text)
{
    struct silt_continuous_query query = {
        .database = silt_str_from(database), .name = silt_str_from(name), .text = silt_str_from(text), .exact = silt_str_from(text)};
    return silt_storage_create_continuous_query(storage, &query, &err);
}

static const char *queries_text(void)
{
    static char text[256];
    struct silt_continuous_query *queries;
    size_t count, len = 0;
    silt_storage_continuous_queries(storage, arena, &queries, &count);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s.%.*s=%.*s;", SILT_FMT(queries[i].database),
                                SILT_FMT(queries[i].name), SILT_FMT(queries[i].text));
    return text;
}

static void put_progress(const char *name, const char *exact, const char *progress)
{
    struct silt_continuous_query query = {.database = SILT_STR("d"),
                                          .name = silt_str_from(name),
                                          .exact = silt_str_from(exact),
                                          .progress = silt_str_from(progress)};
    ck_assert_int_eq(silt_storage_put_progress(storage, &query, 1, &err), SILT_OK);
}

START_TEST(progress_lasts_with_its_query)
{
    struct silt_continuous_query *queries, query = {.database = SILT_STR("d"),
                                                    .name = SILT_STR("a"),
                                                    .text = SILT_STR("0.000"),
                                                    .exact = SILT_STR("0.0001")};
    size_t count;
    ck_assert_int_eq(silt_storage_create_continuous_query(storage, &query, &err), SILT_OK);
    query.exact = SILT_STR("0.0002");
    ck_assert_int_eq(silt_storage_create_continuous_query(storage, &query, &err), SILT_CONFLICT);
    ck_assert_int_eq(create_query("d", "b", "B"), SILT_OK);
    put_progress("a", "0.0001", "12 34");
    put_progress("b", "0.0001", "not its own");
    put_progress("c", "C", "nobody's");
    reopen();
    silt_storage_continuous_queries(storage, arena, &queries, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert(silt_str_equal(queries[0].text, SILT_STR("0.000")));
    ck_assert(silt_str_equal(queries[0].exact, SILT_STR("0.0001")));
    ck_assert(silt_str_equal(queries[0].progress, SILT_STR("12 34")));
    ck_assert_uint_eq(queries[1].progress.len, 0);
    ck_assert_int_eq(silt_storage_drop_continuous_query(storage, SILT_STR("d"), SILT_STR("a"), &err), SILT_OK);
    ck_assert_int_eq(create_query("d", "a", "0.0001"), SILT_OK);
    reopen();
    silt_storage_continuous_queries(storage, arena, &queries, &count);
    ck_assert_uint_eq(queries[1].progress.len, 0);
}
END_TEST

START_TEST(a_catalog_of_version_2_is_taken_over)
{
    struct silt_continuous_query *queries;
    size_t count;
    char path[96];
    sqlite3 *db;
    ck_assert_int_eq(create_query("d", "a", "A"), SILT_OK);
    ck_assert_int_eq(silt_storage_close(storage, false, &err), SILT_OK);
    snprintf(path, sizeof(path), "%s/meta.sqlite", folder);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db,
                                  "ALTER TABLE continuous_query DROP COLUMN exact;"
                                  "ALTER TABLE continuous_query DROP COLUMN progress; PRAGMA user_version=2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    open_storage();
    put_progress("a", "A", "7");
    reopen();
    silt_storage_continuous_queries(storage, arena, &queries, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert(silt_str_equal(queries[0].exact, SILT_STR("A")));
    ck_assert(silt_str_equal(queries[0].progress, SILT_STR("7")));
}
END_TEST

START_TEST(continuous_queries_last)
{
    ck_assert_int_eq(create_query("e", "b", "B"), SILT_OK);
    ck_assert_int_eq(create_query("d", "z", "Z"), SILT_OK);
    ck_assert_int_eq(create_query("d", "a", "A"), SILT_OK);
    ck_assert_int_eq(create_query("d", "a", "a"), SILT_OK);
    ck_assert_int_eq(create_query("d", "a", "other"), SILT_CONFLICT);
    ck_assert_int_eq(create_query("x", "a", "A"), SILT_NOT_FOUND);
    ck_assert_str_eq(queries_text(), "d.z=Z;d.a=A;e.b=B;");
    reopen();
    ck_assert_str_eq(queries_text(), "d.z=Z;d.a=A;e.b=B;");
    ck_assert_int_eq(silt_storage_drop_continuous_query(storage, SILT_STR("d"), SILT_STR("z"), &err), SILT_OK);
    ck_assert_int_eq(silt_storage_drop_continuous_query(storage, SILT_STR("d"), SILT_STR("z"), &err), SILT_OK);
    ck_assert_int_eq(silt_storage_drop_database(storage, SILT_STR("e"), &err), SILT_OK);
    ck_assert_str_eq(queries_text(), "d.a=A;");
    reopen();
    ck_assert_str_eq(queries_text(), "d.a=A;");
}
END_TEST

static enum silt_status subscribe(const char *policy, const char *name, bool any, const struct silt_str *to, size_t count)
{
    struct silt_subscription subscription = {SILT_STR("d"), silt_str_from(policy), silt_str_from(name), any, to, count};
    return silt_storage_create_subscription(storage, &subscription, &err);
}

static const char *subscriptions_text(void)
{
    static char text[512];
    struct silt_subscription *list;
    size_t count, len = 0;
    silt_storage_subscriptions(storage, arena, &list, &count);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s.%.*s:%d", SILT_FMT(list[i].policy),
                                SILT_FMT(list[i].name), list[i].any);
        for (size_t k = 0; k < list[i].destination_count; k++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, ">%.*s", SILT_FMT(list[i].destinations[k]));
        len += (size_t)snprintf(text + len, sizeof(text) - len, ";");
    }
    return text;
}

START_TEST(subscriptions_last)
{
    const struct silt_str to[] = {SILT_STR("udp://h:1"), SILT_STR(""), SILT_STR("3:a,b,")};
    struct silt_policy_change week = {.has_duration = true, .duration_ns = (int64_t)604800 * 1000000000};
    ck_assert_int_eq(silt_storage_create_policy(storage, SILT_STR("d"), SILT_STR("week"), &week, &err), SILT_OK);
    ck_assert_int_eq(subscribe("week", "s", false, to, 3), SILT_OK);
    ck_assert_int_eq(subscribe("autogen", "s", true, to, 1), SILT_OK);
    ck_assert_int_eq(subscribe("autogen", "s", true, to, 1), SILT_CONFLICT);
    ck_assert_int_eq(subscribe("autogen", "r", false, to, 1), SILT_OK);
    ck_assert_int_eq(subscribe("none", "r", false, to, 1), SILT_NOT_FOUND);
    ck_assert_str_eq(err.text, "retention policy not found: none");
    reopen();
    ck_assert_str_eq(subscriptions_text(),
                     "autogen.s:1>udp://h:1;autogen.r:0>udp://h:1;week.s:0>udp://h:1>>3:a,b,;");
    ck_assert_int_eq(silt_storage_drop_subscription(storage, SILT_STR("d"), SILT_STR("autogen"), SILT_STR("s"), &err),
                     SILT_OK);
    ck_assert_int_eq(silt_storage_drop_subscription(storage, SILT_STR("d"), SILT_STR("autogen"), SILT_STR("s"), &err),
                     SILT_NOT_FOUND);
    ck_assert_int_eq(silt_storage_drop_policy(storage, SILT_STR("d"), SILT_STR("week"), &err), SILT_OK);
    ck_assert_int_eq(silt_storage_create_policy(storage, SILT_STR("d"), SILT_STR("week"), &week, &err), SILT_OK);
    ck_assert_str_eq(subscriptions_text(), "autogen.r:0>udp://h:1;");
    reopen();
    ck_assert_str_eq(subscriptions_text(), "autogen.r:0>udp://h:1;");
}
END_TEST

START_TEST(a_catalog_of_version_1_is_taken_over)
{
    char path[96];
    sqlite3 *db;
    ck_assert_int_eq(silt_storage_close(storage, false, &err), SILT_OK);
    snprintf(path, sizeof(path), "%s/meta.sqlite", folder);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db,
                                  "DROP TABLE user; DROP TABLE privilege; DROP TABLE continuous_query; DROP TABLE subscription;"
                                  "CREATE TABLE user(name BLOB PRIMARY KEY, hash BLOB NOT NULL, admin INTEGER NOT NULL)"
                                  " WITHOUT ROWID; PRAGMA user_version=1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    open_storage();
    struct silt_user zoe = user("zoe", "h1", false);
    ck_assert_int_eq(silt_storage_create_user(storage, &zoe, &err), SILT_OK);
    ck_assert_int_eq(silt_storage_grant(storage, zoe.name, SILT_STR("d"), SILT_PRIVILEGE_READ, &err), SILT_OK);
    ck_assert_int_eq(create_query("d", "a", "A"), SILT_OK);
    reopen();
    ck_assert_str_eq(grants_text("zoe"), "d:1;");
    ck_assert_str_eq(queries_text(), "d.a=A;");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("definitions");
    TCase *tcase = tcase_create("definitions");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, users_and_grants_last);
    tcase_add_test(tcase, continuous_queries_last);
    tcase_add_test(tcase, progress_lasts_with_its_query);
    tcase_add_test(tcase, a_catalog_of_version_2_is_taken_over);
    tcase_add_test(tcase, subscriptions_last);
    tcase_add_test(tcase, a_catalog_of_version_1_is_taken_over);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
