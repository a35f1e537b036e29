/*
 * slow_query.h - one line in the log for a query that took longer than log-queries-after says.
 */
#ifndef SERVER_SLOW_QUERY_H
#define SERVER_SLOW_QUERY_H

#include "server/query_registry.h"
#include "silt/server.h"

#define SLOW_QUERY_BYTES_MAX 1400 /* of its text: a line of the log has 2,048 */

bool slow_query_is(const struct silt_server_options *options, const struct query_task *task);
/* text: of the query, as far as there is room; bytes: of the answer. */
void slow_query_log(const struct silt_server_options *options, const struct query_task *task, struct silt_str text,
                    uint64_t bytes);

#endif
