/*
 * meta.h - what InfluxDB's meta.db tells: databases, policies, where shards belong, continuous queries, users.
 *
 * One protobuf message, read by field numbers; unknown ones are passed over. All of it is in the arena.
 */
#ifndef INSPECT_INFLUXDB_META_H
#define INSPECT_INFLUXDB_META_H

#include "silt/base.h"

struct influx_shard_info {
    uint64_t id;
    silt_time start, end; /* [start, end) */
};

struct influx_subscription {
    struct silt_str name, mode; /* ANY or ALL */
    struct silt_str *destinations;
    size_t destination_count;
};

struct influx_policy {
    struct silt_str name;
    int64_t duration_ns, shard_duration_ns;
    uint32_t replication;
    struct influx_shard_info *shards; /* of groups that are not deleted */
    size_t shard_count;
    struct influx_subscription *subscriptions;
    size_t subscription_count;
};

struct influx_continuous_query {
    struct silt_str name, text;
};

struct influx_database {
    struct silt_str name, default_policy;
    struct influx_policy *policies;
    size_t policy_count;
    struct influx_continuous_query *queries;
    size_t query_count;
};

struct influx_privilege {
    struct silt_str database;
    uint32_t privilege; /* bits: 1 read, 2 write */
};

struct influx_user {
    struct silt_str name, hash;
    bool admin;
    struct influx_privilege *privileges;
    size_t privilege_count;
};

struct influx_meta {
    struct influx_database *databases;
    size_t database_count;
    struct influx_user *users;
    size_t user_count;
};

/* SILT_CORRUPT: not a meta.db, or damaged. bytes are copied. */
enum silt_status influx_meta_parse(const uint8_t *bytes, size_t len, struct silt_arena *arena, struct influx_meta *out,
                                   struct silt_error *err);

#endif
