/*
 * query_host.h - what the queries of this server run with, whoever runs them: requests, continuous queries.
 */
#ifndef SERVER_QUERY_HOST_H
#define SERVER_QUERY_HOST_H

#include "silt/query.h"
#include "silt/server.h"

struct query_registry;
struct stats_source;

struct query_host {
    struct silt_storage *storage;
    struct silt_admin *admin;
    struct silt_pool *pool;     /* NULL: a query runs in its own thread alone */
    struct silt_budget *budget; /* of all queries together */
    struct query_registry *queries;
    const struct silt_server_options *options;
    const struct stats_source *stats; /* NULL: nothing is left in _internal */
};

/* Sets source, limits, and the deadline from now on. The rest, as the database, is the caller's. */
void query_host_options(const struct query_host *host, silt_time now, struct silt_query_options *out);

#endif
