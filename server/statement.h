/*
 * statement.h - the statements that change things, and those that show the server itself: query.h's silt_admin.
 *
 * Threads: any number of queries may use it at once.
 */
#ifndef SERVER_STATEMENT_H
#define SERVER_STATEMENT_H

#include "silt/query.h"

struct query_registry;

struct silt_admin *statement_admin_create(struct silt_storage *storage, struct query_registry *queries);
void statement_admin_destroy(struct silt_admin *admin); /* NULL is fine */

#endif
