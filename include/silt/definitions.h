/*
 * definitions.h - what people define beside data, as the store keeps it: users and what they may do, continuous queries,
 * subscriptions.
 *
 * The store keeps and lists them, with InfluxDB's rules and texts; it neither authenticates, runs nor sends. A password
 * comes as a hash: the store never sees the word itself.
 *
 * Threads: any. Changes may wait, and are durable when they return; lists only take locks that nobody holds across disk
 * work. What a list gives is in the arena.
 */
#ifndef SILT_DEFINITIONS_H
#define SILT_DEFINITIONS_H

#include "silt/base.h"

struct silt_storage;

/* ---------------------------------------------------------------- users */

enum silt_privilege { /* bits, and on disk: never renumber */
    SILT_PRIVILEGE_NONE = 0,
    SILT_PRIVILEGE_READ = 1,
    SILT_PRIVILEGE_WRITE = 2,
    SILT_PRIVILEGE_ALL = 3,
};

struct silt_user {
    struct silt_str name;
    struct silt_str hash; /* crypt(3)'s, with its method and salt */
    bool admin;
};

struct silt_grant {
    struct silt_str database;
    enum silt_privilege privilege;
};

/* SILT_CONFLICT "user already exists"; SILT_INVALID "username required". */
enum silt_status silt_storage_create_user(struct silt_storage *storage, const struct silt_user *user,
                                          struct silt_error *err);
/* These four: SILT_NOT_FOUND "user not found". */
enum silt_status silt_storage_drop_user(struct silt_storage *storage, struct silt_str name, struct silt_error *err);
enum silt_status silt_storage_set_password_hash(struct silt_storage *storage, struct silt_str name, struct silt_str hash,
                                                struct silt_error *err);
enum silt_status silt_storage_set_admin(struct silt_storage *storage, struct silt_str name, bool admin,
                                        struct silt_error *err);
enum silt_status silt_storage_find_user(struct silt_storage *storage, struct silt_str name, struct silt_arena *arena,
                                        struct silt_user *out, struct silt_error *err);
/* In place of what the user had on the database: a grant of NONE stays listed, as in InfluxDB. */
enum silt_status silt_storage_grant(struct silt_storage *storage, struct silt_str user, struct silt_str database,
                                    enum silt_privilege privilege, struct silt_error *err);
/* Takes some away and leaves the rest. */
enum silt_status silt_storage_revoke(struct silt_storage *storage, struct silt_str user, struct silt_str database,
                                     enum silt_privilege privilege, struct silt_error *err);
/* May the user, as things stand, do this on the database? Admins may everything. SILT_CONFLICT: no, or there is no such
 * user; SILT_NOT_FOUND: no such database to have a privilege on. */
enum silt_status silt_storage_check_privilege(struct silt_storage *storage, struct silt_str user,
                                              struct silt_str database, enum silt_privilege privilege,
                                              struct silt_error *err);
struct silt_user_counts {
    size_t users, admins;
};
struct silt_user_counts silt_storage_count_users(struct silt_storage *storage);
/* From now on the last admin can be neither dropped nor made an ordinary user: SILT_CONFLICT. */
void silt_storage_keep_admin(struct silt_storage *storage);
/* In the order they were made. */
void silt_storage_users(struct silt_storage *storage, struct silt_arena *arena, struct silt_user **users, size_t *count);
enum silt_status silt_storage_grants(struct silt_storage *storage, struct silt_str user, struct silt_arena *arena,
                                     struct silt_grant **grants, size_t *count, struct silt_error *err);

/* ---------------------------------------------------------------- continuous queries */

struct silt_continuous_query {
    struct silt_str database, name;
    struct silt_str text;     /* the whole CREATE statement, normalised as InfluxDB prints it: float literals are rounded */
    struct silt_str exact;    /* the same, unrounded: what it means */
    struct silt_str progress; /* whoever runs it keeps it here; as it was at the start of the server */
};

/* The same text again is fine (letter case aside), unrounded too; another: SILT_CONFLICT "continuous query already exists". */
enum silt_status silt_storage_create_continuous_query(struct silt_storage *storage,
                                                      const struct silt_continuous_query *query, struct silt_error *err);
/* A missing one, or a missing database, is fine. */
enum silt_status silt_storage_drop_continuous_query(struct silt_storage *storage, struct silt_str database,
                                                    struct silt_str name, struct silt_error *err);
/* Keeps their progress: all or none, durable on return. One that was dropped, or has another text now, is passed over. */
enum silt_status silt_storage_put_progress(struct silt_storage *storage, const struct silt_continuous_query *queries,
                                           size_t count, struct silt_error *err);
/* Databases, and the queries of each, in the order they were made. */
void silt_storage_continuous_queries(struct silt_storage *storage, struct silt_arena *arena,
                                     struct silt_continuous_query **queries, size_t *count);

/* ---------------------------------------------------------------- subscriptions */

struct silt_subscription {
    struct silt_str database, policy, name;
    bool any; /* one destination gets a batch, in turn; else all do */
    const struct silt_str *destinations;
    size_t destination_count;
};

enum silt_status silt_storage_create_subscription(struct silt_storage *storage, const struct silt_subscription *subscription,
                                                  struct silt_error *err);
enum silt_status silt_storage_drop_subscription(struct silt_storage *storage, struct silt_str database,
                                                struct silt_str policy, struct silt_str name, struct silt_error *err);
/* By database, policy, and in each in the order they were made. */
void silt_storage_subscriptions(struct silt_storage *storage, struct silt_arena *arena,
                                struct silt_subscription **subscriptions, size_t *count);

#endif
