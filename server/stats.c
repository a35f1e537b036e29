/*
 * stats.c - implements stats_collect and stats_show of stats.h.
 *
 * Names are InfluxDB's, so that its dashboards find them. What has no counterpart here (levels of compaction, a garbage
 * collector) is shown as 0; what is shown as another number is that number: a flush is a cache compaction, a merge of
 * files is a full compaction, the runtime's heap is the C library's.
 */
#include "server/stats.h"
#include "server/continuous.h"
#include "server/forward.h"
#include "server/query_registry.h"
#include "server/datagrams.h"
#include "silt/statistics.h"
#include "silt/storage.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

struct builder {
    struct silt_arena *arena;
    struct statistic *stats;
    size_t count, capacity;
};

static void add(struct builder *b, const char *name, const struct silt_tag *tags, size_t tag_count,
                const struct stat_field *fields, size_t field_count)
{
    struct stat_field *copy = silt_arena_alloc(b->arena, field_count * sizeof(*copy));

    memcpy(copy, fields, field_count * sizeof(*copy));
    b->stats = silt_arena_grow(b->arena, b->stats, &b->capacity, b->count + 1, sizeof(*b->stats));
    b->stats[b->count++] = (struct statistic){silt_str_from(name), tags, tag_count, copy, field_count};
}

#define FIELD(literal, value) {{literal, sizeof(literal) - 1}, (int64_t)(value)}
#define ADD(b, name, tags, tag_count, ...)                                                                             \
    add(b, name, tags, tag_count, (const struct stat_field[]){__VA_ARGS__},                                            \
        sizeof((const struct stat_field[]){__VA_ARGS__}) / sizeof(struct stat_field))

/* ---------------------------------------------------------------- the process */

/* Resident bytes and threads; 0 where /proc is not there. */
static void read_process(uint64_t *resident, uint64_t *threads)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long number;

    *resident = *threads = 0;
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "VmRSS: %llu kB", &number) == 1)
            *resident = number * 1024;
        else if (sscanf(line, "Threads: %llu", &number) == 1)
            *threads = number;
    }
    if (file)
        fclose(file);
}

static void add_runtime(struct builder *b)
{
    struct mallinfo2 heap = mallinfo2();
    uint64_t resident, threads, in_use = heap.uordblks + heap.hblkhd, total = heap.arena + heap.hblkhd;

    read_process(&resident, &threads);
    ADD(b, "runtime", NULL, 0, FIELD("Alloc", in_use), FIELD("Frees", 0), FIELD("HeapAlloc", in_use),
        FIELD("HeapIdle", heap.fordblks), FIELD("HeapInUse", in_use), FIELD("HeapObjects", 0), FIELD("HeapReleased", 0),
        FIELD("HeapSys", total), FIELD("Lookups", 0), FIELD("Mallocs", 0), FIELD("NumGC", 0),
        FIELD("NumGoroutine", threads), FIELD("PauseTotalNs", 0), FIELD("Sys", resident), FIELD("TotalAlloc", in_use));
}

static void add_queries(struct builder *b, struct query_registry *queries)
{
    struct query_registry_counts counts;

    query_registry_counts(queries, &counts);
    ADD(b, "queryExecutor", NULL, 0, FIELD("queriesActive", counts.active), FIELD("queriesExecuted", counts.executed),
        FIELD("queriesFinished", counts.finished), FIELD("queryDurationNs", counts.duration_ns),
        FIELD("recoveredPanics", 0));
}

static void add_continuous(struct builder *b, struct continuous *continuous)
{
    struct continuous_counts counts;

    continuous_counts(continuous, &counts);
    ADD(b, "cq", NULL, 0, FIELD("queryFail", counts.failed), FIELD("queryOk", counts.ok));
}

/* ---------------------------------------------------------------- the store */

static void add_databases(struct builder *b, struct silt_storage *storage)
{
    struct silt_database_stats *list;
    size_t count;

    silt_storage_database_stats(storage, b->arena, &list, &count);
    for (size_t i = 0; i < count; i++) {
        struct silt_tag *tag = silt_arena_alloc(b->arena, sizeof(*tag));
        *tag = (struct silt_tag){SILT_STR("database"), list[i].name};
        ADD(b, "database", tag, 1, FIELD("numMeasurements", list[i].measurements), FIELD("numSeries", list[i].series));
    }
}

static void add_shard(struct builder *b, const struct stats_source *source, const struct silt_shard_stats *s)
{
    struct silt_tag *tags = silt_arena_alloc(b->arena, 6 * sizeof(*tags));
    struct silt_str wal = silt_arena_printf(b->arena, "%s/wal", source->options->data_dir);

    tags[0] = (struct silt_tag){SILT_STR("database"), s->database};
    tags[1] = (struct silt_tag){SILT_STR("engine"), SILT_STR("tsm1")};
    tags[2] = (struct silt_tag){SILT_STR("id"), silt_arena_printf(b->arena, "%llu", (unsigned long long)s->id)};
    tags[3] = (struct silt_tag){SILT_STR("path"), s->path};
    tags[4] = (struct silt_tag){SILT_STR("retentionPolicy"), s->policy};
    tags[5] = (struct silt_tag){SILT_STR("walPath"), wal};
    ADD(b, "shard", tags, 6, FIELD("diskBytes", s->file_bytes), FIELD("fieldsCreate", s->fields_created),
        FIELD("seriesCreate", s->series_created), FIELD("writeBytes", s->log_bytes), FIELD("writePointsDropped", 0),
        FIELD("writePointsErr", 0), FIELD("writePointsOk", s->rows), FIELD("writeReq", s->writes),
        FIELD("writeReqErr", 0), FIELD("writeReqOk", s->writes));
    ADD(b, "tsm1_engine", tags, 6, FIELD("cacheCompactionDuration", s->flush_ns),
        FIELD("cacheCompactionErr", s->flush_errors), FIELD("cacheCompactions", s->flushes),
        FIELD("cacheCompactionsActive", s->flushing), FIELD("tsmFullCompactionDuration", s->merge_ns),
        FIELD("tsmFullCompactionErr", s->merge_errors), FIELD("tsmFullCompactionQueue", 0),
        FIELD("tsmFullCompactions", s->merges), FIELD("tsmFullCompactionsActive", s->merging),
        FIELD("tsmLevel1CompactionDuration", 0), FIELD("tsmLevel1CompactionErr", 0),
        FIELD("tsmLevel1CompactionQueue", 0), FIELD("tsmLevel1Compactions", 0), FIELD("tsmLevel1CompactionsActive", 0),
        FIELD("tsmLevel2CompactionDuration", 0), FIELD("tsmLevel2CompactionErr", 0),
        FIELD("tsmLevel2CompactionQueue", 0), FIELD("tsmLevel2Compactions", 0), FIELD("tsmLevel2CompactionsActive", 0),
        FIELD("tsmLevel3CompactionDuration", 0), FIELD("tsmLevel3CompactionErr", 0),
        FIELD("tsmLevel3CompactionQueue", 0), FIELD("tsmLevel3Compactions", 0), FIELD("tsmLevel3CompactionsActive", 0),
        FIELD("tsmOptimizeCompactionDuration", 0), FIELD("tsmOptimizeCompactionErr", 0),
        FIELD("tsmOptimizeCompactionQueue", 0), FIELD("tsmOptimizeCompactions", 0),
        FIELD("tsmOptimizeCompactionsActive", 0));
    ADD(b, "tsm1_cache", tags, 6, FIELD("WALCompactionTimeMs", s->flush_ns / 1000000),
        FIELD("cacheAgeMs", s->memtable_age_ms), FIELD("cachedBytes", 0), FIELD("diskBytes", 0),
        FIELD("memBytes", s->memtable_bytes), FIELD("snapshotCount", s->flushing), FIELD("writeDropped", 0),
        FIELD("writeErr", 0), FIELD("writeOk", s->writes));
    ADD(b, "tsm1_filestore", tags, 6, FIELD("diskBytes", s->file_bytes), FIELD("numFiles", s->files));
}

static void add_shards(struct builder *b, const struct stats_source *source)
{
    struct silt_shard_stats *list;
    size_t count;

    silt_storage_shard_stats(source->storage, b->arena, &list, &count);
    for (size_t i = 0; i < count; i++)
        add_shard(b, source, &list[i]);
}

/* One log for all shards. */
static void add_wal(struct builder *b, const struct stats_source *source)
{
    struct silt_storage_stats storage;
    struct silt_tag *tags = silt_arena_alloc(b->arena, 2 * sizeof(*tags));

    silt_storage_stats(source->storage, &storage);
    tags[0] = (struct silt_tag){SILT_STR("engine"), SILT_STR("tsm1")};
    tags[1] =
        (struct silt_tag){SILT_STR("walPath"), silt_arena_printf(b->arena, "%s/wal", source->options->data_dir)};
    ADD(b, "tsm1_wal", tags, 2, FIELD("currentSegmentDiskBytes", storage.wal_bytes), FIELD("oldSegmentsDiskBytes", 0),
        FIELD("writeErr", storage.read_only), FIELD("writeOk", storage.wal_batches));
}

/* ---------------------------------------------------------------- the loops' counters */

static const struct silt_str counter_names[COUNTERS] = {
#define X(id, name) {name, sizeof(name) - 1},
    HTTPD_COUNTERS(X) WRITE_COUNTERS(X)
#undef X
};

static void add_counters(struct builder *b, const struct stats_source *source, const char *name,
                         const struct silt_tag *tags, size_t tag_count, enum counter first, size_t count)
{
    struct stat_field fields[COUNTERS];

    for (size_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        for (unsigned loop = 0; loop < source->counters_count; loop++)
            sum += atomic_load_explicit(&source->counters[loop].values[first + i], memory_order_relaxed);
        fields[i] = (struct stat_field){counter_names[first + i], (int64_t)sum};
    }
    add(b, name, tags, tag_count, fields, count);
}

static void add_httpd(struct builder *b, const struct stats_source *source)
{
    const char *bind = source->options->http_bind, *colon = strrchr(bind, ':');
    struct silt_tag *tag = silt_arena_alloc(b->arena, sizeof(*tag));

    /* With the port that is listened on, which the configuration may leave open. */
    *tag = (struct silt_tag){SILT_STR("bind"), silt_arena_printf(b->arena, "%.*s:%u",
                                                                 (int)(colon ? colon - bind : (ptrdiff_t)strlen(bind)),
                                                                 bind, source->port)};
    add_counters(b, source, "httpd", tag, 1, COUNT_HTTPD_FIRST, COUNT_WRITE_FIRST - COUNT_HTTPD_FIRST);
}

/* The service, then each destination. */
static void add_subscriber(struct builder *b, struct forward *forward)
{
    struct forward_counts counts;
    struct forward_report *list;
    size_t count;

    forward_counts(forward, &counts);
    ADD(b, "subscriber", NULL, 0, FIELD("createFailures", counts.create_failures),
        FIELD("pointsWritten", counts.points_written), FIELD("writeFailures", counts.write_failures));
    forward_reports(forward, b->arena, &list, &count);
    for (size_t i = 0; i < count; i++) {
        struct silt_tag *tags = silt_arena_alloc(b->arena, 5 * sizeof(*tags));
        tags[0] = (struct silt_tag){SILT_STR("database"), list[i].database};
        tags[1] = (struct silt_tag){SILT_STR("destination"), list[i].destination};
        tags[2] = (struct silt_tag){SILT_STR("mode"), list[i].any ? SILT_STR("ANY") : SILT_STR("ALL")};
        tags[3] = (struct silt_tag){SILT_STR("name"), list[i].name};
        tags[4] = (struct silt_tag){SILT_STR("retention_policy"), list[i].policy};
        ADD(b, "subscriber", tags, 5, FIELD("pointsWritten", list[i].points_written),
            FIELD("writeFailures", list[i].write_failures));
    }
}

static void add_datagrams(struct builder *b, const struct datagram_service *service, const char *name)
{
    for (size_t i = 0; i < datagrams_listeners(service); i++) {
        struct datagram_stats s;
        struct silt_tag *tag = silt_arena_alloc(b->arena, sizeof(*tag));
        datagrams_stats(service, i, &s);
        if (strcmp(s.service, name) != 0)
            continue;
        *tag = (struct silt_tag){SILT_STR("bind"), silt_str_from(s.bind)};
        struct stat_field fields[8] = {FIELD("batchesTx", s.batches_ok), FIELD("batchesTxFail", s.batches_failed),
                                       FIELD("bytesRx", s.bytes)};
        size_t count = 3;
        if (s.can_drop)
            fields[count++] = (struct stat_field)FIELD("droppedPointsInvalid", s.dropped);
        fields[count++] = (struct stat_field)FIELD("pointsParseFail", s.malformed);
        fields[count++] = (struct stat_field)FIELD("pointsRx", s.points);
        fields[count++] = (struct stat_field)FIELD("pointsTx", s.points_ok);
        fields[count++] = (struct stat_field)FIELD("readFail", s.read_failed);
        add(b, name, tag, 1, fields, count);
    }
}

void stats_collect(const struct stats_source *source, struct silt_arena *arena, struct statistic **stats, size_t *count)
{
    struct builder b = {.arena = arena};

    add_runtime(&b);
    add_queries(&b, source->queries);
    add_databases(&b, source->storage);
    add_shards(&b, source);
    add_wal(&b, source);
    add_counters(&b, source, "write", NULL, 0, COUNT_WRITE_FIRST, COUNTERS - COUNT_WRITE_FIRST);
    add_subscriber(&b, source->forward);
    add_continuous(&b, source->continuous);
    add_datagrams(&b, atomic_load(&source->datagrams), "collectd");
    add_datagrams(&b, atomic_load(&source->datagrams), "udp");
    add_httpd(&b, source);
    *stats = b.stats;
    *count = b.count;
}

/* ---------------------------------------------------------------- as tables */

static struct silt_table table_of(const struct statistic *stat, struct silt_arena *arena)
{
    struct silt_str *columns = silt_arena_alloc(arena, stat->field_count * sizeof(*columns));
    struct silt_cell *cells = silt_arena_alloc(arena, stat->field_count * sizeof(*cells));

    for (size_t i = 0; i < stat->field_count; i++) {
        columns[i] = stat->fields[i].name;
        cells[i] = (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = stat->fields[i].value};
    }
    return (struct silt_table){.head = {.name = stat->name,
                                        .tags = stat->tags,
                                        .tag_count = stat->tag_count,
                                        .columns = columns,
                                        .column_count = stat->field_count},
                               .cells = cells,
                               .row_count = 1};
}

/* Only when it is asked for by name. */
static struct statistic index_stat(const struct stats_source *source, struct silt_arena *arena)
{
    struct stat_field *field = silt_arena_alloc(arena, sizeof(*field));
    struct silt_storage_stats storage;

    silt_storage_stats(source->storage, &storage);
    *field = (struct stat_field){SILT_STR("memoryBytes"), (int64_t)storage.index_bytes};
    return (struct statistic){.name = SILT_STR("indexes"), .fields = field, .field_count = 1};
}

void stats_show(const struct stats_source *source, struct silt_str module, struct silt_arena *arena,
                struct silt_table **tables, size_t *count)
{
    struct statistic *stats, indexes;
    size_t stat_count;

    if (silt_str_equal(module, SILT_STR("indexes"))) {
        indexes = index_stat(source, arena);
        stats = &indexes;
        stat_count = 1;
    } else {
        stats_collect(source, arena, &stats, &stat_count);
    }
    *tables = silt_arena_alloc(arena, (stat_count + 1) * sizeof(**tables));
    *count = 0;
    for (size_t i = 0; i < stat_count; i++)
        if (module.len == 0 || silt_str_equal(module, stats[i].name))
            (*tables)[(*count)++] = table_of(&stats[i], arena);
}
