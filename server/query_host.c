/*
 * query_host.c - see query_host.h.
 */
#include "server/query_host.h"
#include "silt/storage.h"

void query_host_options(const struct query_host *host, silt_time now, struct silt_query_options *out)
{
    const struct silt_server_options *from = host->options;

    out->source = silt_storage_source(host->storage);
    out->admin = host->admin;
    out->pool = host->pool;
    out->budget = host->budget;
    out->limits.memory_bytes = from->query_memory_bytes;
    out->limits.select_points = from->select_points_max;
    out->limits.select_series = from->select_series_max;
    out->limits.select_buckets = from->select_buckets_max;
    out->now = now;
    if (from->query_timeout_ms)
        out->deadline_monotonic_ns = silt_clock_monotonic_ns() + from->query_timeout_ms * 1000000;
}
