/*
 * policy_text.c - the statements that make a policy again: pure, also for silt-inspect.
 */
#include "shell/policies.h"

#include "shell/words.h"

void policy_statement(struct silt_buffer *out, struct silt_str database, const struct policy *policy,
                      bool creates_database)
{
    silt_buffer_str(out, creates_database ? SILT_STR("CREATE DATABASE ") : SILT_STR("CREATE RETENTION POLICY "));
    words_quote_identifier(out, creates_database ? database : policy->name);
    if (creates_database) {
        silt_buffer_str(out, SILT_STR(" WITH"));
    } else {
        silt_buffer_str(out, SILT_STR(" ON "));
        words_quote_identifier(out, database);
    }
    silt_buffer_printf(out, " DURATION %.*s REPLICATION %.*s SHARD DURATION %.*s", SILT_FMT(policy->duration),
                       SILT_FMT(policy->replicas), SILT_FMT(policy->shard_duration));
    if (creates_database) {
        silt_buffer_str(out, SILT_STR(" NAME "));
        words_quote_identifier(out, policy->name);
    }
}
