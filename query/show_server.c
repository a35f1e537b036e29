/*
 * show_server.c - SHOW of what the server knows of itself: users, grants, continuous queries, subscriptions, running
 * queries, statistics, diagnostics. server/ makes the tables, this sends them.
 */
#include "query/exec.h"

static enum silt_show what_of(enum statement_kind kind)
{
    switch (kind) {
    case STATEMENT_SHOW_CONTINUOUS_QUERIES: return SILT_SHOW_CONTINUOUS_QUERIES;
    case STATEMENT_SHOW_SUBSCRIPTIONS: return SILT_SHOW_SUBSCRIPTIONS;
    case STATEMENT_SHOW_USERS: return SILT_SHOW_USERS;
    case STATEMENT_SHOW_GRANTS: return SILT_SHOW_GRANTS;
    case STATEMENT_SHOW_QUERIES: return SILT_SHOW_QUERIES;
    case STATEMENT_SHOW_STATS: return SILT_SHOW_STATS;
    default: return SILT_SHOW_DIAGNOSTICS;
    }
}

static bool has_name(enum statement_kind kind)
{
    return kind == STATEMENT_SHOW_GRANTS || kind == STATEMENT_SHOW_STATS || kind == STATEMENT_SHOW_DIAGNOSTICS;
}

enum silt_status show_server_run(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    struct silt_admin *admin = exec->options->admin;
    struct silt_str name = has_name(statement->kind) ? statement->named.name : SILT_STR("");
    struct silt_table *tables;
    size_t count;

    if (!admin || !admin->show)
        return not_supported(statement, err);
    enum silt_status rc = admin->show(admin, what_of(statement->kind), name, exec->arena, &tables, &count, err);
    if (rc == SILT_OK && silt_arena_exceeded(exec->arena))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        rc = exec_series(exec, &tables[i].head);
        if (rc == SILT_OK && tables[i].row_count)
            rc = exec_rows(exec, tables[i].cells, tables[i].row_count);
    }
    return rc;
}
