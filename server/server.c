/*
 * server.c - implements silt/server.h: what is started in which order, and stopped in the other.
 *
 *     store -> pools -> listeners for datagrams -> loops -> monitor, continuous queries
 *     stop: loops drained -> monitor, listeners, continuous queries stopped -> pools joined -> store flushed and closed
 */
#include "server/auth.h"
#include "server/collectd.h"
#include "server/continuous.h"
#include "server/descriptors.h"
#include "server/forward.h"
#include "server/memory_shares.h"
#include "server/monitor.h"
#include "server/reload.h"
#include "server/statement.h"
#include "server/udp.h"
#include "silt/machine.h"

#include <stdlib.h>
#include <unistd.h>

struct silt_server {
    struct silt_server_options options;
    struct http_server http;
    struct datagram_service *datagrams;
    struct monitor *monitor;
};

static unsigned core_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores > 0 ? (unsigned)cores : 1;
}

/* Clients list it and dashboards ask it, as in InfluxDB: `_internal` with a week in days, policy `monitor`. */
static enum silt_status create_internal_database(struct silt_storage *storage, struct silt_error *err)
{
    const int64_t day_ns = 86400 * (int64_t)1000000000;
    struct silt_policy_change monitor = {.has_duration = true,
                                         .has_shard_duration = true,
                                         .has_replication = true,
                                         .make_default = true,
                                         .duration_ns = 7 * day_ns,
                                         .shard_duration_ns = day_ns,
                                         .replication = 1};
    enum silt_status rc =
        silt_storage_create_database(storage, SILT_STR("_internal"), SILT_STR("monitor"), &monitor, err);
    /* Its policy was altered: the operator's business. It was dropped, and the disk is full: the next start makes it. */
    return rc == SILT_CONFLICT || rc == SILT_NO_SPACE ? SILT_OK : rc;
}

static enum silt_status open_storage(struct silt_server *server, struct silt_error *err)
{
    struct silt_storage_options options;

    silt_storage_options_init(&options);
    options.data_dir = server->options.data_dir;
    options.sync_mode = server->options.sync_mode;
    options.sync_interval_ms = (uint32_t)server->options.sync_interval_ms;
    struct memory_shares shares = memory_shares_of(&server->options, silt_machine_memory());
    options.memtable_soft_bytes = shares.memtable_soft;
    options.memtable_hard_bytes = shares.memtable_hard;
    options.index_bytes_max = shares.index;
    options.series_max = server->options.series_max;
    options.tag_values_max = server->options.tag_values_max;
    options.compact_rest_ms = server->options.compact_rest_ms;
    options.retention_off = !server->options.retention;
    options.retention_interval_ms = server->options.retention_interval_ms;
    enum silt_status rc = silt_storage_open(&options, &server->http.storage, err);
    return rc == SILT_OK ? create_internal_database(server->http.storage, err) : rc;
}

static void start_pools(struct silt_server *server)
{
    const struct silt_server_options *options = &server->options;
    struct http_server *http = &server->http;

    struct memory_shares shares = memory_shares_of(options, silt_machine_memory());
    silt_budget_init(&http->query_budget, "memory of all queries", shares.queries, NULL);
    silt_budget_init(&http->write_budget, "memory of all writes", shares.writes, NULL);
    http->write_pool = silt_pool_create((unsigned)options->write_worker_count, 0);
    http->query_pool =
        silt_pool_create(options->query_worker_count ? (unsigned)options->query_worker_count : 8 * core_count(),
                         (unsigned)options->query_stalled_max);
    stalled_list_init(&http->stalled, http->query_pool, &http->query_budget, options->query_stalled_max);
    http->compute_pool = silt_pool_create(0, 0);
    http->stats.storage = http->storage;
    http->stats.queries = &http->queries;
    http->stats.options = options;
    http->stats.query_budget = &http->query_budget;
    http->stats.write_budget = &http->write_budget;
    http->stats.connections = &http->connection_count;
    http->stats.started = silt_clock_now();
    http->admin = statement_admin_create(&http->stats);
    http->query_host = (struct query_host){.storage = http->storage,
                                           .admin = http->admin,
                                           .pool = http->compute_pool,
                                           .budget = &http->query_budget,
                                           .queries = &http->queries,
                                           .options = options,
                                           .stats = &http->stats};
    http->stats.continuous = continuous_create(&http->query_host);
}

/* Behind the loops' counters each section has its own. */
static enum silt_status start_datagrams(struct silt_server *server, struct silt_error *err)
{
    const struct silt_server_options *options = &server->options;
    struct counters *counters = server->http.stats.counters + server->http.loop_count;
    enum silt_status rc = SILT_OK;

    server->datagrams = datagrams_create(server->http.storage, server->http.stats.forward,
                                         options->udp_count + options->collectd_count);
    for (uint64_t i = 0; i < options->udp_count && rc == SILT_OK; i++, counters++)
        if (options->udp[i].listen.enabled)
            rc = udp_listen(server->datagrams, &options->udp[i], counters, err);
    for (uint64_t i = 0; i < options->collectd_count && rc == SILT_OK; i++, counters++)
        if (options->collectd[i].listen.enabled)
            rc = collectd_listen(server->datagrams, &options->collectd[i], counters, err);
    return rc;
}

static enum silt_status close_all(struct silt_server *server, bool flush, struct silt_error *err)
{
    struct http_server *http = &server->http;
    enum silt_status rc = SILT_OK;

    auth_gate_destroy(http->gate);
    silt_pool_destroy(http->write_pool);
    silt_pool_destroy(http->query_pool);
    if (http->query_pool)
        stalled_list_deinit(&http->stalled);
    silt_pool_destroy(http->compute_pool);
    continuous_destroy(http->stats.continuous); /* nobody writes any more, and the store is still there */
    forward_destroy(http->stats.forward);
    if (http->storage)
        rc = silt_storage_close(http->storage, flush, err);
    statement_admin_destroy(http->admin);
    query_registry_deinit(&http->queries);
    free(http->stats.counters);
    if (http->log_fd >= 0)
        close(http->log_fd);
    free(server);
    return rc;
}

enum silt_status silt_server_start(const struct silt_server_options *options, struct silt_server **out,
                                   struct silt_error *err)
{
    struct silt_server *server = silt_calloc(1, sizeof(*server));
    enum silt_status rc;

    server->options = *options;
    server->http.options = &server->options;
    query_registry_init(&server->http.queries);
    if ((rc = descriptors_prepare(options, err)) != SILT_OK ||
        (rc = access_log_open(&server->options, &server->http.log_fd, err)) != SILT_OK ||
        (rc = open_storage(server, err)) != SILT_OK) {
        close_all(server, false, NULL);
        return rc;
    }
    start_pools(server);
    rc = forward_create(&server->options, server->http.storage, &server->http.stats.forward, err);
    if (rc == SILT_OK && options->auth) {
        silt_storage_keep_admin(server->http.storage);
        rc = auth_gate_create(&server->http, &server->http.gate, err);
    }
    http_prepare(&server->http);
    if (rc == SILT_OK)
        rc = start_datagrams(server, err);
    atomic_store(&server->http.stats.datagrams, server->datagrams);
    /* Last, for who is answered may take it that the others listen too. */
    if (rc != SILT_OK || (rc = http_start(&server->http, err)) != SILT_OK) {
        datagrams_destroy(server->datagrams);
        close_all(server, false, NULL);
        return rc;
    }
    if (options->monitor_store)
        server->monitor = monitor_start(&server->http.stats, options->monitor_interval_ms);
    if (options->continuous_queries)
        continuous_start(server->http.stats.continuous);
    *out = server;
    return SILT_OK;
}

void silt_server_reload(struct silt_server *server, const struct silt_server_options *fresh)
{
    reload_apply(&server->http, &server->options, fresh);
}

uint16_t silt_server_port(const struct silt_server *server)
{
    return server->http.port;
}

bool silt_server_turns(const struct silt_server *server, uint64_t within_ns)
{
    return http_turns(&server->http, within_ns);
}

enum silt_status silt_server_stop(struct silt_server *server, struct silt_error *err)
{
    enum silt_status rc;

    if (!server)
        return SILT_OK;
    if ((rc = http_stop(&server->http, err)) != SILT_OK)
        return rc; /* a job is still at work and refers to the store: nothing may be freed */
    atomic_store(&server->http.stats.datagrams, NULL);
    monitor_stop(server->monitor);
    datagrams_destroy(server->datagrams);
    continuous_stop(server->http.stats.continuous); /* behind all who write: it keeps what they touched */
    return close_all(server, true, err);
}
