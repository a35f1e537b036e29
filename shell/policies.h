/*
 * policies.h - the retention policies of a database, and the statements that make them again.
 */
#ifndef SHELL_POLICIES_H
#define SHELL_POLICIES_H

#include "shell/session.h"

struct policy {
    struct silt_str name, duration, shard_duration, replicas; /* durations as Go writes them: 168h0m0s */
    bool is_default;
};

struct policies {
    struct silt_arena *arena; /* of the names */
    struct policy *items;
    size_t count, capacity;
};

/* false: the session's `failure` says why. Either way policies_deinit is due. */
bool policies_read(struct policies *policies, struct session *session, struct silt_str database);
void policies_deinit(struct policies *policies);
/* NULL: there is none. */
const struct policy *policies_find(const struct policies *policies, struct silt_str name);

/* CREATE RETENTION POLICY; or CREATE DATABASE, which makes the policy its default one. */
void policy_statement(struct silt_buffer *out, struct silt_str database, const struct policy *policy,
                      bool creates_database);

#endif
