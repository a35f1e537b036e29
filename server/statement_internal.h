/*
 * statement_internal.h - what the files that carry out statements share.
 */
#ifndef SERVER_STATEMENT_INTERNAL_H
#define SERVER_STATEMENT_INTERNAL_H

#include "server/statement.h"
#include "server/stats.h"

struct statement_admin {
    struct silt_admin base;
    const struct stats_source *stats;
};

static inline struct statement_admin *admin_of(struct silt_admin *admin)
{
    return (struct statement_admin *)admin;
}

static inline struct silt_storage *storage_of(struct silt_admin *admin)
{
    return admin_of(admin)->stats->storage;
}

/* Fill in the members for users, continuous queries and subscriptions (statement_define.c). */
void statement_define_init(struct silt_admin *admin);
/* SHOW of the same: one table, or several (statement_show.c). */
enum silt_status statement_show(struct silt_admin *admin, enum silt_show what, struct silt_str name,
                                struct silt_arena *arena, struct silt_table **tables, size_t *count,
                                struct silt_error *err);

#endif
