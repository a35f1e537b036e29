/*
 * stats_text.c - the statistics as text that other programs read (stats.h): InfluxDB's /debug/vars, Prometheus' /metrics.
 *
 *     {
 *     "system": {"currentTime":"...","started":"...","uptime":12},
 *     "httpd:127.0.0.1:8086": {"name":"httpd","tags":{"bind":"127.0.0.1:8086"},"values":{"authFail":0,...}}
 *     }
 *
 *     # HELP silt_http_requests_total Requests to any path.
 *     # TYPE silt_http_requests_total counter
 *     silt_http_requests_total{bind="127.0.0.1:8086"} 7
 */
#include "server/stats.h"
#include "silt/text.h"
#include "silt/version.h"

#include <stdio.h>

/* ---------------------------------------------------------------- /debug/vars */

static struct silt_str tag_of(const struct statistic *stat, const char *key)
{
    for (size_t i = 0; i < stat->tag_count; i++)
        if (silt_str_equal(stat->tags[i].key, silt_str_from(key)))
            return stat->tags[i].value;
    return (struct silt_str){NULL, 0};
}

/* The name and the first of these that applies: :path[:id], [:proto]:bind, :database[:retention_policy[:name][:destination]] */
static struct silt_str key_of(const struct statistic *stat, struct silt_arena *arena)
{
    static const char *const path[] = {"path", "id"}, *const bind[] = {"proto", "bind"},
                             *const database[] = {"database", "retention_policy", "name", "destination"};
    static const struct {
        const char *decides;
        const char *const *parts;
        size_t count;
    } shapes[] = {{"path", path, 2}, {"bind", bind, 2}, {"database", database, 4}};
    struct silt_str key = stat->name;

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (tag_of(stat, shapes[i].decides).len == 0)
            continue;
        for (size_t k = 0; k < shapes[i].count; k++) {
            struct silt_str part = tag_of(stat, shapes[i].parts[k]);
            if (part.len)
                key = silt_arena_printf(arena, "%.*s:%.*s", SILT_FMT(key), SILT_FMT(part));
        }
        return key;
    }
    return key;
}

static void put_time(struct silt_buffer *out, silt_time time)
{
    char text[SILT_TIME_TEXT_MAX];

    silt_buffer_char(out, '"');
    silt_buffer_append(out, text, silt_write_rfc3339(text, time, 0));
    silt_buffer_char(out, '"');
}

static void put_members(struct silt_buffer *out, const struct statistic *stat)
{
    silt_buffer_char(out, '{');
    for (size_t i = 0; i < stat->field_count; i++) {
        silt_buffer_str(out, i ? SILT_STR(",") : SILT_STR(""));
        silt_buffer_json_string(out, stat->fields[i].name);
        silt_buffer_printf(out, ":%lld", (long long)stat->fields[i].value);
    }
    silt_buffer_char(out, '}');
}

static void put_object(struct silt_buffer *out, const struct statistic *stat, struct silt_arena *arena)
{
    silt_buffer_str(out, SILT_STR(",\n"));
    silt_buffer_json_string(out, key_of(stat, arena));
    silt_buffer_str(out, SILT_STR(": {\"name\":"));
    silt_buffer_json_string(out, stat->name);
    silt_buffer_str(out, SILT_STR(",\"tags\":{"));
    for (size_t i = 0; i < stat->tag_count; i++) {
        silt_buffer_str(out, i ? SILT_STR(",") : SILT_STR(""));
        silt_buffer_json_string(out, stat->tags[i].key);
        silt_buffer_char(out, ':');
        silt_buffer_json_string(out, stat->tags[i].value);
    }
    silt_buffer_str(out, SILT_STR("},\"values\":"));
    put_members(out, stat);
    silt_buffer_char(out, '}');
}

static void put_zeros(struct silt_buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        silt_buffer_str(out, i ? SILT_STR(",0") : SILT_STR("[0"));
    silt_buffer_char(out, ']');
}

/* What Go's runtime tells of its memory, in its names and types; 0 where there is no such thing. Telegraf reads it. */
static void put_memstats(struct silt_buffer *out, const struct statistic *runtime)
{
    static const char *const names[] = {
        "Alloc",       "TotalAlloc", "Sys",         "Lookups",    "Mallocs",      "Frees",        "HeapAlloc",
        "HeapSys",     "HeapIdle",   "HeapInUse",   "HeapReleased", "HeapObjects", "StackInuse",  "StackSys",
        "MSpanInuse",  "MSpanSys",   "MCacheInuse", "MCacheSys",  "BuckHashSys",  "GCSys",        "OtherSys",
        "NextGC",      "LastGC",     "PauseTotalNs", "NumGC",     "NumForcedGC",  "GCCPUFraction",
    };

    silt_buffer_str(out, SILT_STR(",\n\"memstats\": {"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int64_t value = 0;
        for (size_t k = 0; k < runtime->field_count; k++)
            if (silt_str_equal(runtime->fields[k].name, silt_str_from(names[i])))
                value = runtime->fields[k].value;
        /* The one name that InfluxDB's statistics spell otherwise. */
        bool in_use = strcmp(names[i], "HeapInUse") == 0;
        silt_buffer_printf(out, "\"%s\":%lld,", in_use ? "HeapInuse" : names[i], (long long)value);
    }
    silt_buffer_str(out, SILT_STR("\"PauseNs\":"));
    put_zeros(out, 256);
    silt_buffer_str(out, SILT_STR(",\"PauseEnd\":"));
    put_zeros(out, 256);
    silt_buffer_str(out, SILT_STR(",\"EnableGC\":false,\"DebugGC\":false,\"BySize\":[]}"));
}

void stats_write_vars(const struct stats_source *source, struct silt_arena *arena, struct silt_buffer *out)
{
    struct statistic *stats;
    size_t count;
    silt_time now = silt_clock_now();

    stats_collect(source, arena, &stats, &count);
    silt_buffer_str(out, SILT_STR("{\n\"system\": {\"currentTime\":"));
    put_time(out, now);
    silt_buffer_str(out, SILT_STR(",\"started\":"));
    put_time(out, source->started);
    silt_buffer_printf(out, ",\"uptime\":%lld},\n\"cmdline\": [\"siltd\"]", (long long)((now - source->started) / 1000000000));
    for (size_t i = 0; i < count; i++) {
        if (silt_str_equal(stats[i].name, SILT_STR("runtime")))
            put_memstats(out, &stats[i]);
        put_object(out, &stats[i], arena);
    }
    silt_buffer_str(out, SILT_STR("\n}\n"));
}

/* ---------------------------------------------------------------- /metrics */

enum metric_type { COUNTER, GAUGE };

struct metric {
    const char *stat, *field;
    enum metric_type type;
    const char *name; /* with its unit, after silt_ */
    double unit;      /* one of the field in that unit */
    const char *help;
};

/* clang-format off */
static const struct metric metrics[] = {
    {"httpd", "req", COUNTER, "http_requests_total", 1, "Requests to any path."},
    {"httpd", "reqDurationNs", COUNTER, "http_request_seconds_total", 1e-9, "Time spent on requests, from header to last byte."},
    {"httpd", "reqActive", GAUGE, "http_requests_active", 1, "Requests under way."},
    {"httpd", "clientError", COUNTER, "http_client_errors_total", 1, "Answers with a status from 400 to 499."},
    {"httpd", "serverError", COUNTER, "http_server_errors_total", 1, "Answers with a status from 500 on."},
    {"httpd", "authFail", COUNTER, "http_auth_failures_total", 1, "Requests whose credentials were refused."},
    {"httpd", "pingReq", COUNTER, "http_ping_requests_total", 1, "Requests to /ping."},
    {"httpd", "queryReq", COUNTER, "http_query_requests_total", 1, "Requests to /query."},
    {"httpd", "queryReqDurationNs", COUNTER, "http_query_seconds_total", 1e-9, "Time spent on requests to /query."},
    {"httpd", "queryRespBytes", COUNTER, "http_query_response_bytes_total", 1, "Bytes of answers to queries."},
    {"httpd", "writeReq", COUNTER, "http_write_requests_total", 1, "Requests to /write."},
    {"httpd", "writeReqActive", GAUGE, "http_write_requests_active", 1, "Requests to /write under way."},
    {"httpd", "writeReqBytes", COUNTER, "http_write_body_bytes_total", 1, "Bytes of bodies sent to /write."},
    {"httpd", "writeReqDurationNs", COUNTER, "http_write_seconds_total", 1e-9, "Time spent on requests to /write."},
    {"httpd", "pointsWrittenOK", COUNTER, "points_written_total", 1, "Points that were acknowledged."},
    {"httpd", "pointsWrittenDropped", COUNTER, "points_dropped_total", 1, "Points of accepted requests that were refused one by one."},
    {"httpd", "pointsWrittenFail", COUNTER, "points_failed_total", 1, "Points of requests that failed as a whole."},
    {"queryExecutor", "queriesActive", GAUGE, "queries_active", 1, "Queries under way."},
    {"queryExecutor", "queriesExecuted", COUNTER, "queries_started_total", 1, "Queries that were started."},
    {"queryExecutor", "queriesFinished", COUNTER, "queries_finished_total", 1, "Queries that came to an end."},
    {"queryExecutor", "queryDurationNs", COUNTER, "query_seconds_total", 1e-9, "Time spent on queries."},
    {"database", "numMeasurements", GAUGE, "database_measurements", 1, "Measurements of a database."},
    {"database", "numSeries", GAUGE, "database_series", 1, "Series of a database."},
    {"shard", "diskBytes", GAUGE, "shard_disk_bytes", 1, "Bytes of a shard's files."},
    {"shard", "writePointsOk", COUNTER, "shard_points_written_total", 1, "Points written to a shard."},
    {"shard", "writeReq", COUNTER, "shard_writes_total", 1, "Batches written to a shard."},
    {"shard", "seriesCreate", COUNTER, "shard_series_created_total", 1, "Series first seen in a shard."},
    {"tsm1_cache", "memBytes", GAUGE, "shard_memtable_bytes", 1, "Memory of a shard's points that are not in files yet."},
    {"tsm1_filestore", "numFiles", GAUGE, "shard_files", 1, "Files of a shard."},
    {"tsm1_engine", "cacheCompactions", COUNTER, "shard_flushes_total", 1, "Memtables written to files."},
    {"tsm1_engine", "cacheCompactionErr", COUNTER, "shard_flush_errors_total", 1, "Memtables that could not be written to a file."},
    {"tsm1_engine", "cacheCompactionDuration", COUNTER, "shard_flush_seconds_total", 1e-9, "Time spent writing memtables to files."},
    {"tsm1_engine", "tsmFullCompactions", COUNTER, "shard_compactions_total", 1, "Merges of files."},
    {"tsm1_engine", "tsmFullCompactionErr", COUNTER, "shard_compaction_errors_total", 1, "Merges of files that failed."},
    {"tsm1_engine", "tsmFullCompactionDuration", COUNTER, "shard_compaction_seconds_total", 1e-9, "Time spent merging files."},
    {"tsm1_wal", "currentSegmentDiskBytes", GAUGE, "log_bytes", 1, "Bytes of the log that a start would replay."},
    {"tsm1_wal", "writeOk", COUNTER, "log_batches_total", 1, "Batches written to the log."},
    {"tsm1_wal", "writeErr", GAUGE, "log_failed", 1, "1 when the log cannot be written: the server is read only."},
    {"subscriber", "pointsWritten", COUNTER, "subscriber_points_total", 1, "Points that subscribers took; without labels, of all."},
    {"subscriber", "writeFailures", COUNTER, "subscriber_write_errors_total", 1, "Writes that a subscriber did not take, or that were dropped."},
    {"subscriber", "createFailures", COUNTER, "subscriber_create_errors_total", 1, "Subscriptions that could not be served."},
    {"udp", "bytesRx", COUNTER, "udp_bytes_total", 1, "Bytes of datagrams."},
    {"udp", "pointsRx", COUNTER, "udp_points_total", 1, "Points that came in datagrams."},
    {"udp", "pointsTx", COUNTER, "udp_points_written_total", 1, "Points of datagrams that were written."},
    {"udp", "pointsParseFail", COUNTER, "udp_malformed_total", 1, "Datagrams that could not be parsed."},
    {"udp", "readFail", COUNTER, "udp_lost_total", 1, "Datagrams that the socket had no room for, or that could not be read."},
    {"udp", "batchesTxFail", COUNTER, "udp_batch_errors_total", 1, "Batches that could not be written."},
    {"collectd", "bytesRx", COUNTER, "collectd_bytes_total", 1, "Bytes of packets."},
    {"collectd", "pointsRx", COUNTER, "collectd_points_total", 1, "Points that came in packets."},
    {"collectd", "pointsTx", COUNTER, "collectd_points_written_total", 1, "Points of packets that were written."},
    {"collectd", "pointsParseFail", COUNTER, "collectd_malformed_total", 1, "Packets that could not be parsed."},
    {"collectd", "droppedPointsInvalid", COUNTER, "collectd_dropped_total", 1, "Values that are no number, and those without a time."},
    {"collectd", "readFail", COUNTER, "collectd_lost_total", 1, "Packets that the socket had no room for, or that could not be read."},
    {"collectd", "batchesTxFail", COUNTER, "collectd_batch_errors_total", 1, "Batches that could not be written."},
    {"runtime", "Sys", GAUGE, "resident_memory_bytes", 1, "Memory of the process that is in RAM."},
    {"runtime", "HeapAlloc", GAUGE, "heap_bytes", 1, "Memory that the C library has handed out."},
    {"runtime", "NumGoroutine", GAUGE, "threads", 1, "Threads of the process."},
};
/* clang-format on */

/* Prometheus' escapes: backslash, quote, newline. */
static void put_label_value(struct silt_buffer *out, struct silt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\\' || text.p[i] == '"')
            silt_buffer_char(out, '\\');
        if (text.p[i] == '\n')
            silt_buffer_str(out, SILT_STR("\\n"));
        else
            silt_buffer_char(out, text.p[i]);
    }
}

/* Paths say nothing that database, policy and id do not. */
static bool is_label(const struct silt_tag *tag)
{
    return !silt_str_equal(tag->key, SILT_STR("path")) && !silt_str_equal(tag->key, SILT_STR("walPath")) &&
           !silt_str_equal(tag->key, SILT_STR("engine"));
}

static void put_labels(struct silt_buffer *out, const struct statistic *stat)
{
    char before = '{';

    for (size_t i = 0; i < stat->tag_count; i++) {
        if (!is_label(&stat->tags[i]))
            continue;
        bool policy = silt_str_equal(stat->tags[i].key, SILT_STR("retentionPolicy"));
        silt_buffer_char(out, before);
        silt_buffer_str(out, policy ? SILT_STR("retention_policy") : stat->tags[i].key);
        silt_buffer_str(out, SILT_STR("=\""));
        put_label_value(out, stat->tags[i].value);
        silt_buffer_char(out, '"');
        before = ',';
    }
    if (before == ',')
        silt_buffer_char(out, '}');
}

static void put_sample(struct silt_buffer *out, const struct metric *metric, const struct statistic *stat, int64_t value)
{
    char text[SILT_NUMBER_TEXT_MAX];

    silt_buffer_printf(out, "silt_%s", metric->name);
    put_labels(out, stat);
    silt_buffer_char(out, ' ');
    silt_buffer_append(out, text,
                       metric->unit == 1 ? silt_write_int(text, value)
                                         : silt_write_double_plain(text, (double)value * metric->unit));
    silt_buffer_char(out, '\n');
}

static void put_number(struct silt_buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
    silt_buffer_printf(out, "# HELP silt_%s %s\n# TYPE silt_%s %s\nsilt_%s %llu\n", name, help, name, type, name,
                       (unsigned long long)value);
}

static void put_gauge(struct silt_buffer *out, const char *name, const char *help, uint64_t value)
{
    put_number(out, name, "gauge", help, value);
}

/* What runs into a bound, with the bound beside it; 0 where there is none. */
static void put_bounded(const struct stats_source *source, struct silt_buffer *out)
{
    const struct silt_server_options *options = source->options;
    struct silt_storage_stats storage;

    silt_storage_stats(source->storage, &storage);
    put_gauge(out, "http_connections", "Connections that are open.", *source->connections);
    put_gauge(out, "http_connections_max", "Connections that may be open.", options->connections_max);
    put_number(out, "log_lines_lost_total", "counter", "Lines of logs that were not written, for their reader stood still.", silt_log_lost());
    put_gauge(out, "query_memory_bytes", "Memory of queries under way.", source->query_budget->used_bytes);
    put_gauge(out, "query_memory_max_bytes", "Memory that all queries may take.", source->query_budget->limit_bytes);
    put_gauge(out, "write_memory_bytes", "Memory of writes that are being read.", source->write_budget->used_bytes);
    put_gauge(out, "write_memory_max_bytes", "Memory that all writes may take.", source->write_budget->limit_bytes);
    put_gauge(out, "series_index_bytes", "Memory of the series.", storage.index_bytes);
    put_gauge(out, "series_index_max_bytes", "Memory that the series may take; points of new ones are refused then.", storage.index_bytes_max);
    put_number(out, "points_over_limits_total", "counter", "Points refused because they would have made a series too many.",
               storage.rows_over_limits);
}

void stats_write_metrics(const struct stats_source *source, struct silt_arena *arena, struct silt_buffer *out)
{
    struct statistic *stats;
    size_t count;

    stats_collect(source, arena, &stats, &count);
    silt_buffer_printf(out,
                       "# HELP silt_build_info The version that runs.\n# TYPE silt_build_info gauge\n"
                       "silt_build_info{version=\"%s\"} 1\n"
                       "# HELP silt_start_time_seconds When the server started, in seconds since 1970.\n"
                       "# TYPE silt_start_time_seconds gauge\nsilt_start_time_seconds %lld\n",
                       SILT_VERSION, (long long)(source->started / 1000000000));
    put_bounded(source, out);
    for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
        const struct metric *metric = &metrics[m];
        struct silt_str name = silt_str_from(metric->stat), field = silt_str_from(metric->field);
        silt_buffer_printf(out, "# HELP silt_%s %s\n# TYPE silt_%s %s\n", metric->name, metric->help, metric->name,
                           metric->type == COUNTER ? "counter" : "gauge");
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; silt_str_equal(stats[i].name, name) && k < stats[i].field_count; k++)
                if (silt_str_equal(stats[i].fields[k].name, field))
                    put_sample(out, metric, &stats[i], stats[i].fields[k].value);
    }
}
