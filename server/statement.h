/*
 * statement.h - the statements that change things, and those that show the server itself: query.h's silt_admin.
 *
 * Threads: any number of queries may use it at once.
 */
#ifndef SERVER_STATEMENT_H
#define SERVER_STATEMENT_H

#include "silt/query.h"

struct stats_source;

/* stats names the store and the running queries, too; it outlives the admin. */
struct silt_admin *statement_admin_create(const struct stats_source *stats);
void statement_admin_destroy(struct silt_admin *admin); /* NULL is fine */

#endif
