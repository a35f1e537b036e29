/*
 * catalog.h - the facts that cannot be derived, in SQLite: databases, policies, shards, measurements, fields, types,
 * series; and what people define beside data. The files that know sqlite3 are catalog*.c. Schema: docs/format/sqlite.md.
 *
 * Two ways in: definitions (DDL) are durable when their call returns; series, fields and types come in batches between
 * begin and commit, from one thread, and are durable at commit, together with applied_seq: every log record below it
 * has its definitions here.
 *
 * Threads: any; a mutex inside. A batch holds it from begin to commit.
 */
#ifndef STORAGE_CATALOG_H
#define STORAGE_CATALOG_H

#include "silt/base.h"
#include "silt/text.h"
#include "storage/vfs.h"

#include <roaring/roaring.h>

struct catalog;

/* path: of the SQLite file, made when missing. SILT_CORRUPT: not ours, or a newer schema. */
enum silt_status catalog_open(const char *path, struct catalog **out, struct silt_error *err);
void catalog_close(struct catalog *catalog); /* NULL is fine */
/* A random number, made once, by which the names of a store's files mean something outside of it. renew: a copy becomes a store of
 * its own. */
enum silt_status catalog_store_id(struct catalog *catalog, bool renew, uint64_t *id, struct silt_error *err);
/* Appends the file as it is now to a blob; changes go on meanwhile, and are not in it. May wait. SILT_CORRUPT: a page is damaged. */
enum silt_status catalog_copy(struct catalog *catalog, struct vfs_blob_writer *to, struct silt_error *err);
/* SQLite's own check of the whole file. SILT_CORRUPT with the first thing it found. Reads everything. */
enum silt_status catalog_check(struct catalog *catalog, struct silt_error *err);

/* ---------------------------------------------------------------- start-up: each calls back in the order given */

struct catalog_database {
    uint32_t id;
    struct silt_str name;           /* borrowed during the callback, as all texts here */
    struct silt_str default_policy; /* may name a policy that is gone */
    silt_series_id last_series;     /* highest id ever given and committed */
};
struct catalog_policy {
    uint32_t id, database_id;
    struct silt_str name;
    int64_t duration_ns, shard_duration_ns;
    uint32_t replication;
};
struct catalog_shard {
    uint64_t id; /* of group and shard alike */
    uint32_t database_id, policy_id;
    silt_time start, end; /* [start, end) */
};

typedef enum silt_status (*catalog_database_fn)(void *arg, const struct catalog_database *row, struct silt_error *err);
typedef enum silt_status (*catalog_policy_fn)(void *arg, const struct catalog_policy *row, struct silt_error *err);
typedef enum silt_status (*catalog_shard_fn)(void *arg, const struct catalog_shard *row, struct silt_error *err);
typedef enum silt_status (*catalog_measurement_fn)(void *arg, uint32_t database_id, uint32_t measurement,
                                                   struct silt_str name, struct silt_error *err);
typedef enum silt_status (*catalog_field_fn)(void *arg, uint32_t database_id, uint32_t measurement, uint32_t field_id,
                                             struct silt_str name, struct silt_error *err);
typedef enum silt_status (*catalog_type_fn)(void *arg, uint64_t shard_id, uint32_t measurement, uint32_t field_id,
                                            enum silt_type type, struct silt_error *err);
typedef enum silt_status (*catalog_series_fn)(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key,
                                              struct silt_error *err);

enum silt_status catalog_databases(struct catalog *catalog, catalog_database_fn each, void *arg, struct silt_error *err); /* by id: in creation order */
enum silt_status catalog_policies(struct catalog *catalog, catalog_policy_fn each, void *arg, struct silt_error *err);    /* by id: in creation order */
enum silt_status catalog_shards(struct catalog *catalog, catalog_shard_fn each, void *arg, struct silt_error *err);       /* by id */
enum silt_status catalog_measurements(struct catalog *catalog, catalog_measurement_fn each, void *arg, struct silt_error *err); /* by database, id */
enum silt_status catalog_fields(struct catalog *catalog, catalog_field_fn each, void *arg, struct silt_error *err);       /* by database, measurement, id */
enum silt_status catalog_types(struct catalog *catalog, catalog_type_fn each, void *arg, struct silt_error *err);
/* Of one database, by id, at millions a second. */
enum silt_status catalog_series(struct catalog *catalog, uint32_t database_id, catalog_series_fn each, void *arg,
                                struct silt_error *err);
uint64_t catalog_applied_seq(struct catalog *catalog); /* as last committed */
/* Raises the owner epoch by one, durably, and gives it; not 0 where only the storing failed. */
enum silt_status catalog_next_epoch(struct catalog *catalog, uint64_t *epoch, struct silt_error *err);

/* ---------------------------------------------------------------- definitions: durable on return */

/* With its first policy, the default one, whose ids are filled in; NULL: none. Both or neither. */
enum silt_status catalog_create_database(struct catalog *catalog, struct silt_str name, struct catalog_policy *policy,
                                         uint32_t *id, struct silt_error *err);
/* Of the database and all that belongs to it, but for its series. */
enum silt_status catalog_drop_database(struct catalog *catalog, uint32_t id, struct silt_error *err);
/* Some of its series, which take a while if they are many and which nobody reads any more; *more: there are others. Those
 * that are left at a crash go at the next start. */
enum silt_status catalog_drop_rest(struct catalog *catalog, uint32_t id, bool *more, struct silt_error *err);
/* Both in one transaction when make_default is set. */
enum silt_status catalog_create_policy(struct catalog *catalog, const struct catalog_policy *policy, bool make_default,
                                       uint32_t *id, struct silt_error *err);
enum silt_status catalog_update_policy(struct catalog *catalog, const struct catalog_policy *policy, bool make_default,
                                       struct silt_error *err);
enum silt_status catalog_drop_policy(struct catalog *catalog, uint32_t id, struct silt_error *err); /* with its shards; sets the mark */
struct catalog_range {
    silt_time start, end; /* [start, end) */
};
/* Numbers in the order of the ranges. */
enum silt_status catalog_create_shards(struct catalog *catalog, uint32_t database_id, uint32_t policy_id,
                                       const struct catalog_range *ranges, size_t count, uint64_t *ids,
                                       struct silt_error *err);
/* With their types; sets the mark. */
enum silt_status catalog_drop_shards(struct catalog *catalog, const uint64_t *ids, size_t count, struct silt_error *err);
/* Shards whose folder has a manifest (catalog_folders.c): each of them has one from then on, until it is dropped. */
enum silt_status catalog_put_folders(struct catalog *catalog, const uint64_t *shard_ids, size_t count, struct silt_error *err);
typedef enum silt_status (*catalog_folder_fn)(void *arg, uint64_t shard_id, struct silt_error *err);
/* By id; some may be of shards that were dropped. */
enum silt_status catalog_folders(struct catalog *catalog, catalog_folder_fn each, void *arg, struct silt_error *err);
/* Manifests of shards at rest (catalog_folders.c), as manifest_encode gives them; in place of the ones before. One transaction. */
struct catalog_manifest {
    uint64_t shard_id;
    void *bytes;
    size_t len;
};
enum silt_status catalog_put_manifests(struct catalog *catalog, const struct catalog_manifest *manifests, size_t count,
                                       struct silt_error *err);
enum silt_status catalog_drop_manifests(struct catalog *catalog, const uint64_t *shard_ids, size_t count, struct silt_error *err);
/* All of them, in memory. */
struct catalog_manifests {
    uint64_t *shard_ids; /* rising */
    size_t *ends;        /* in bytes */
    size_t count;
    struct silt_buffer bytes;
};
enum silt_status catalog_load_manifests(struct catalog *catalog, struct catalog_manifests *out, struct silt_error *err);
struct silt_str catalog_manifest_of(const struct catalog_manifests *manifests, uint64_t shard_id); /* empty: none */
void catalog_free_manifests(struct catalog_manifests *manifests);
/* The mark: series may be without points, because of a delete or because shards were dropped. */
enum silt_status catalog_set_lonely(struct catalog *catalog, bool lonely, struct silt_error *err);
enum silt_status catalog_lonely(struct catalog *catalog, bool *lonely, struct silt_error *err);

/* ---------------------------------------------------------------- users, continuous queries, subscriptions
 * (catalog_definitions.c): lists in the order things were made, changes durable on return. */

struct catalog_user {
    uint32_t id;
    struct silt_str name, hash;
    bool admin;
};
struct catalog_query {
    uint32_t database_id;
    struct silt_str name, text, exact, progress;
};
struct catalog_subscription {
    uint32_t policy_id;
    struct silt_str name;
    bool any;
    struct silt_str destinations; /* netstrings: 3:abc, each */
};

typedef enum silt_status (*catalog_user_fn)(void *arg, const struct catalog_user *row, struct silt_error *err);
typedef enum silt_status (*catalog_privilege_fn)(void *arg, uint32_t user_id, uint32_t database_id, uint32_t privilege,
                                                 struct silt_error *err);
typedef enum silt_status (*catalog_query_fn)(void *arg, const struct catalog_query *row, struct silt_error *err);
typedef enum silt_status (*catalog_subscription_fn)(void *arg, const struct catalog_subscription *row,
                                                    struct silt_error *err);

enum silt_status catalog_users(struct catalog *catalog, catalog_user_fn each, void *arg, struct silt_error *err);
enum silt_status catalog_privileges(struct catalog *catalog, catalog_privilege_fn each, void *arg, struct silt_error *err);
enum silt_status catalog_queries(struct catalog *catalog, catalog_query_fn each, void *arg, struct silt_error *err);
enum silt_status catalog_subscriptions(struct catalog *catalog, catalog_subscription_fn each, void *arg,
                                       struct silt_error *err);

enum silt_status catalog_create_user(struct catalog *catalog, const struct catalog_user *user, uint32_t *id,
                                     struct silt_error *err);
enum silt_status catalog_update_user(struct catalog *catalog, const struct catalog_user *user, struct silt_error *err); /* by id */
enum silt_status catalog_drop_user(struct catalog *catalog, uint32_t id, struct silt_error *err); /* with its privileges */
enum silt_status catalog_put_privilege(struct catalog *catalog, uint32_t user_id, uint32_t database_id, uint32_t privilege,
                                       struct silt_error *err);
enum silt_status catalog_create_query(struct catalog *catalog, const struct catalog_query *query, struct silt_error *err);
/* Of many, in one transaction; one that is gone, or has another exact text, is passed over. */
enum silt_status catalog_put_progress(struct catalog *catalog, const struct catalog_query *queries, size_t count,
                                      struct silt_error *err);
enum silt_status catalog_drop_query(struct catalog *catalog, uint32_t database_id, struct silt_str name,
                                    struct silt_error *err);
enum silt_status catalog_create_subscription(struct catalog *catalog, const struct catalog_subscription *subscription,
                                             struct silt_error *err);
enum silt_status catalog_drop_subscription(struct catalog *catalog, uint32_t policy_id, struct silt_str name,
                                           struct silt_error *err);

/* ---------------------------------------------------------------- batches: durable at commit */

/* What is put twice is put once; what is dropped and missing is fine: a replay may repeat a batch. */
enum silt_status catalog_begin(struct catalog *catalog, struct silt_error *err);
enum silt_status catalog_put_measurement(struct catalog *catalog, uint32_t database_id, uint32_t measurement,
                                         struct silt_str name, struct silt_error *err);
enum silt_status catalog_put_field(struct catalog *catalog, uint32_t database_id, uint32_t measurement,
                                   uint32_t field_id, struct silt_str name, struct silt_error *err);
enum silt_status catalog_put_type(struct catalog *catalog, uint64_t shard_id, uint32_t measurement, uint32_t field_id,
                                  enum silt_type type, struct silt_error *err);
/* Ids mostly rise from call to call; they need not. */
enum silt_status catalog_put_series(struct catalog *catalog, uint32_t database_id, silt_series_id id, struct silt_str key,
                                    struct silt_error *err);
enum silt_status catalog_drop_series(struct catalog *catalog, uint32_t database_id, const roaring_bitmap_t *ids,
                                     struct silt_error *err);
/* DROP MEASUREMENT: its types in every shard of the database. Names and ids of measurement and fields stay. */
enum silt_status catalog_drop_types(struct catalog *catalog, uint32_t database_id, uint32_t measurement,
                                    struct silt_error *err);
enum silt_status catalog_put_lonely(struct catalog *catalog, struct silt_error *err); /* sets the mark */
enum silt_status catalog_set_applied_seq(struct catalog *catalog, uint64_t seq, struct silt_error *err);
enum silt_status catalog_commit(struct catalog *catalog, struct silt_error *err); /* also ends a batch that failed, by rollback */
void catalog_rollback(struct catalog *catalog);

#endif
