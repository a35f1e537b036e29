/*
 * definitions.c - see definitions.h.
 */
#include "inspect/influxdb/definitions.h"

#include "silt/definitions.h"
#include "silt/text.h"

#include <stdio.h>

#define HOUR_NS ((int64_t)3600 * 1000000000)

static struct silt_policy_change shape_of(const struct influx_policy *policy)
{
    return (struct silt_policy_change){.has_duration = true,
                                       .has_shard_duration = true,
                                       .has_replication = true,
                                       .shard_duration_ns =
                                           policy->shard_duration_ns > 0 ? policy->shard_duration_ns : HOUR_NS,
                                       .replication = policy->replication ? policy->replication : 1};
}

enum silt_status influx_define_database(struct silt_storage *storage, const struct influx_database *database,
                                        struct silt_error *err)
{
    enum silt_status rc;
    if (database->policy_count == 0) {
        rc = silt_storage_create_database(storage, database->name, (struct silt_str){0}, NULL, err);
        return rc == SILT_OK ? silt_storage_drop_policy(storage, database->name, SILT_STR("autogen"), err) : rc;
    }
    for (size_t i = 0; i < database->policy_count; i++) {
        const struct influx_policy *policy = &database->policies[i];
        struct silt_policy_change shape = shape_of(policy);
        if (i == 0)
            rc = silt_storage_create_database(storage, database->name, policy->name, &shape, err);
        else
            rc = silt_storage_create_policy(storage, database->name, policy->name, &shape, err);
        if (rc != SILT_OK && rc != SILT_CONFLICT) /* made by this import, before it was cut short at its very end */
            return rc;
    }
    return SILT_OK;
}

static enum silt_status subscribe(struct silt_storage *storage, const struct influx_database *database,
                                  const struct influx_policy *policy, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < policy->subscription_count && rc == SILT_OK; i++) {
        const struct influx_subscription *from = &policy->subscriptions[i];
        const struct silt_subscription to = {.database = database->name,
                                             .policy = policy->name,
                                             .name = from->name,
                                             .any = silt_str_equal(from->mode, SILT_STR("ANY")),
                                             .destinations = from->destinations,
                                             .destination_count = from->destination_count};
        rc = silt_storage_create_subscription(storage, &to, err);
        if (rc == SILT_CONFLICT) /* made when the import was here before */
            rc = SILT_OK;
    }
    return rc;
}

enum silt_status influx_finish_database(struct silt_storage *storage, const struct influx_database *database,
                                        struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < database->policy_count && rc == SILT_OK; i++) {
        const struct influx_policy *policy = &database->policies[i];
        struct silt_policy_change shape = shape_of(policy);
        shape.duration_ns = policy->duration_ns;
        shape.make_default = silt_str_equal(policy->name, database->default_policy);
        rc = silt_storage_alter_policy(storage, database->name, policy->name, &shape, err);
        if (rc == SILT_OK)
            rc = subscribe(storage, database, policy, err);
    }
    for (size_t i = 0; i < database->query_count && rc == SILT_OK; i++) {
        const struct influx_continuous_query *from = &database->queries[i];
        const struct silt_continuous_query to = {
            .database = database->name, .name = from->name, .text = from->text, .exact = from->text};
        rc = silt_storage_create_continuous_query(storage, &to, err);
    }
    return rc;
}

static enum silt_status grant(struct silt_storage *storage, const struct influx_user *user, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < user->privilege_count && rc == SILT_OK; i++) {
        rc = silt_storage_grant(storage, user->name, user->privileges[i].database,
                                (enum silt_privilege)(user->privileges[i].privilege & SILT_PRIVILEGE_ALL), err);
        if (rc == SILT_NOT_FOUND) /* the database was not imported, or dropped long ago */
            rc = SILT_OK;
    }
    return rc;
}

enum silt_status influx_define_users(struct silt_storage *storage, const struct influx_meta *meta,
                                     struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < meta->user_count && rc == SILT_OK; i++) {
        const struct influx_user *user = &meta->users[i];
        const struct silt_user made = {user->name, user->hash, user->admin};
        struct silt_arena *arena = silt_arena_create(NULL);
        struct silt_user there;
        rc = silt_storage_create_user(storage, &made, err);
        if (rc == SILT_CONFLICT) {
            rc = silt_storage_find_user(storage, user->name, arena, &there, err);
            if (rc == SILT_OK && !silt_str_equal(there.hash, user->hash)) {
                fprintf(stderr, "KEPT user %.*s, who is in the store already\n", SILT_FMT(user->name));
                silt_arena_destroy(arena);
                continue;
            }
        }
        if (rc == SILT_OK)
            rc = grant(storage, user, err);
        silt_arena_destroy(arena);
    }
    return rc;
}
