/*
 * statement.h - the statements that change things, carried out on the store: query.h's silt_admin.
 *
 * Threads: any number of queries may use it at once.
 */
#ifndef SERVER_STATEMENT_H
#define SERVER_STATEMENT_H

#include "silt/query.h"

struct silt_admin *statement_admin_create(struct silt_storage *storage);
void statement_admin_destroy(struct silt_admin *admin); /* NULL is fine */

#endif
