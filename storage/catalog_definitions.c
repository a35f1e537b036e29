/*
 * catalog_definitions.c - users, privileges, continuous queries and subscriptions in SQLite.
 *
 * They change seldom and are few, so a statement is prepared when it is run.
 */
#include "storage/catalog_internal.h"

/* ---------------------------------------------------------------- reading */

typedef enum silt_status (*row_fn)(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err);

/* Every row of a query through `convert`, which calls the caller's function. each: the address of that function's pointer. */
static enum silt_status scan(struct catalog *catalog, const char *sql, row_fn convert, void *each, void *arg,
                             struct silt_error *err)
{
    sqlite3_stmt *statement = NULL;
    enum silt_status rc = SILT_OK;
    int code = SQLITE_DONE;

    pthread_mutex_lock(&catalog->lock);
    if (sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL) != SQLITE_OK)
        rc = catalog_fail(catalog, sql, err);
    while (rc == SILT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        rc = convert(statement, each, arg, err);
    if (rc == SILT_OK && code != SQLITE_DONE)
        rc = catalog_fail(catalog, sql, err);
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&catalog->lock);
    return rc;
}

static uint32_t column_id(sqlite3_stmt *row, int index)
{
    return (uint32_t)sqlite3_column_int64(row, index);
}

static enum silt_status user_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    struct catalog_user user = {.id = column_id(row, 0),
                                .name = catalog_column_text(row, 1),
                                .hash = catalog_column_text(row, 2),
                                .admin = sqlite3_column_int64(row, 3) != 0};
    return (*(catalog_user_fn *)each)(arg, &user, err);
}

static enum silt_status privilege_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    return (*(catalog_privilege_fn *)each)(arg, column_id(row, 0), column_id(row, 1), column_id(row, 2), err);
}

static enum silt_status query_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    struct catalog_query query = {.database_id = column_id(row, 0),
                                  .name = catalog_column_text(row, 1),
                                  .text = catalog_column_text(row, 2),
                                  .exact = catalog_column_text(row, 3),
                                  .progress = catalog_column_text(row, 4)};
    return (*(catalog_query_fn *)each)(arg, &query, err);
}

static enum silt_status subscription_row(sqlite3_stmt *row, void *each, void *arg, struct silt_error *err)
{
    struct catalog_subscription subscription = {.policy_id = column_id(row, 0),
                                                .name = catalog_column_text(row, 1),
                                                .any = sqlite3_column_int64(row, 2) != 0,
                                                .destinations = catalog_column_text(row, 3)};
    return (*(catalog_subscription_fn *)each)(arg, &subscription, err);
}

enum silt_status catalog_users(struct catalog *catalog, catalog_user_fn each, void *arg, struct silt_error *err)
{
    return scan(catalog, "SELECT id, name, hash, admin FROM user ORDER BY id", user_row, &each, arg, err);
}

enum silt_status catalog_privileges(struct catalog *catalog, catalog_privilege_fn each, void *arg, struct silt_error *err)
{
    return scan(catalog, "SELECT user_id, database_id, privilege FROM privilege ORDER BY user_id, database_id",
                privilege_row, &each, arg, err);
}

enum silt_status catalog_queries(struct catalog *catalog, catalog_query_fn each, void *arg, struct silt_error *err)
{
    return scan(catalog, "SELECT database_id, name, query, exact, progress FROM continuous_query ORDER BY id", query_row, &each,
                arg, err);
}

enum silt_status catalog_subscriptions(struct catalog *catalog, catalog_subscription_fn each, void *arg,
                                       struct silt_error *err)
{
    return scan(catalog, "SELECT policy_id, name, any, destinations FROM subscription ORDER BY id", subscription_row,
                &each, arg, err);
}

/* ---------------------------------------------------------------- changing */

struct value {
    struct silt_str text;
    int64_t number;
    bool is_text;
};

static struct value number(int64_t n)
{
    return (struct value){.number = n};
}

static struct value text(struct silt_str t)
{
    return (struct value){.text = t, .is_text = true};
}

/* Within a transaction. */
static enum silt_status run(struct catalog *catalog, const char *sql, const struct value *values, int count,
                            struct silt_error *err)
{
    sqlite3_stmt *statement = NULL;
    enum silt_status rc = SILT_OK;

    if (sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return catalog_fail(catalog, sql, err);
    for (int i = 0; i < count; i++) {
        if (values[i].is_text)
            sqlite3_bind_blob64(statement, i + 1, values[i].text.len ? values[i].text.p : "", values[i].text.len,
                                SQLITE_STATIC);
        else
            sqlite3_bind_int64(statement, i + 1, values[i].number);
    }
    if (sqlite3_step(statement) != SQLITE_DONE)
        rc = catalog_fail(catalog, sql, err);
    sqlite3_finalize(statement);
    return rc;
}

static enum silt_status change(struct catalog *catalog, const char *sql, const struct value *values, int count,
                               struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    return rc != SILT_OK ? rc : catalog_change_end(catalog, run(catalog, sql, values, count, err), err);
}

enum silt_status catalog_create_user(struct catalog *catalog, const struct catalog_user *user, uint32_t *id,
                                     struct silt_error *err)
{
    const struct value values[] = {text(user->name), text(user->hash), number(user->admin)};
    enum silt_status rc = catalog_change_begin(catalog, err);

    if (rc != SILT_OK)
        return rc;
    rc = run(catalog, "INSERT INTO user(name, hash, admin) VALUES(?1, ?2, ?3)", values, 3, err);
    *id = (uint32_t)sqlite3_last_insert_rowid(catalog->db);
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_update_user(struct catalog *catalog, const struct catalog_user *user, struct silt_error *err)
{
    const struct value values[] = {number(user->id), text(user->hash), number(user->admin)};
    return change(catalog, "UPDATE user SET hash = ?2, admin = ?3 WHERE id = ?1", values, 3, err);
}

enum silt_status catalog_drop_user(struct catalog *catalog, uint32_t id, struct silt_error *err)
{
    const struct value values[] = {number(id)};
    enum silt_status rc = catalog_change_begin(catalog, err);

    if (rc != SILT_OK)
        return rc;
    rc = run(catalog, "DELETE FROM privilege WHERE user_id = ?1", values, 1, err);
    if (rc == SILT_OK)
        rc = run(catalog, "DELETE FROM user WHERE id = ?1", values, 1, err);
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_put_privilege(struct catalog *catalog, uint32_t user_id, uint32_t database_id, uint32_t privilege,
                                       struct silt_error *err)
{
    const struct value values[] = {number(user_id), number(database_id), number(privilege)};
    return change(catalog, "INSERT OR REPLACE INTO privilege VALUES(?1, ?2, ?3)", values, 3, err);
}

enum silt_status catalog_create_query(struct catalog *catalog, const struct catalog_query *query, struct silt_error *err)
{
    const struct value values[] = {number(query->database_id), text(query->name), text(query->text), text(query->exact),
                                   text(query->progress)};
    return change(catalog, "INSERT INTO continuous_query(database_id, name, query, exact, progress) VALUES(?1, ?2, ?3, ?4, ?5)",
                  values, 5, err);
}

enum silt_status catalog_put_progress(struct catalog *catalog, const struct catalog_query *queries, size_t count,
                                      struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);

    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        const struct value values[] = {number(queries[i].database_id), text(queries[i].name), text(queries[i].exact),
                                       text(queries[i].progress)};
        rc = run(catalog, "UPDATE continuous_query SET progress = ?4 WHERE database_id = ?1 AND name = ?2 AND exact = ?3", values,
                 4, err);
    }
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_drop_query(struct catalog *catalog, uint32_t database_id, struct silt_str name,
                                    struct silt_error *err)
{
    const struct value values[] = {number(database_id), text(name)};
    return change(catalog, "DELETE FROM continuous_query WHERE database_id = ?1 AND name = ?2", values, 2, err);
}

enum silt_status catalog_create_subscription(struct catalog *catalog, const struct catalog_subscription *subscription,
                                             struct silt_error *err)
{
    const struct value values[] = {number(subscription->policy_id), text(subscription->name), number(subscription->any),
                                   text(subscription->destinations)};
    return change(catalog, "INSERT INTO subscription(policy_id, name, any, destinations) VALUES(?1, ?2, ?3, ?4)", values, 4,
                  err);
}

enum silt_status catalog_drop_subscription(struct catalog *catalog, uint32_t policy_id, struct silt_str name,
                                           struct silt_error *err)
{
    const struct value values[] = {number(policy_id), text(name)};
    return change(catalog, "DELETE FROM subscription WHERE policy_id = ?1 AND name = ?2", values, 2, err);
}
