/*
 * diagnostics.c - implements diagnostics_show of stats.h: build, configuration, machine, process.
 *
 * Modules by name, columns by name, one row each, but for listeners and continuous queries; with InfluxDB's names where
 * there is such a thing here. Settings without a counterpart in InfluxDB are left to siltd --print-config.
 */
#include "server/continuous.h"
#include "server/stats.h"
#include "silt/text.h"
#include "silt/version.h"

#include <limits.h>
#include <sys/utsname.h>
#include <unistd.h>

struct column {
    struct silt_str name;
    struct silt_cell cell;
};

struct builder {
    struct silt_arena *arena;
    struct silt_str wanted; /* module; empty: all */
    struct silt_table *tables;
    size_t count, capacity;
};

static struct silt_cell string_cell(struct silt_str text)
{
    return (struct silt_cell){.kind = SILT_CELL_STRING, .string = text};
}

static struct silt_cell number_cell(uint64_t number)
{
    return (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = (int64_t)number};
}

static struct silt_cell boolean_cell(bool value)
{
    return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = value};
}

static struct silt_cell go_duration_cell(struct builder *b, uint64_t ns)
{
    char text[SILT_NUMBER_TEXT_MAX];
    size_t len = silt_write_duration_go(text, (int64_t)ns);
    return string_cell(silt_arena_str(b->arena, (struct silt_str){text, len}));
}

static struct silt_cell duration_cell(struct builder *b, uint64_t ms)
{
    return go_duration_cell(b, ms * 1000000);
}

static struct silt_cell time_cell(struct builder *b, silt_time time)
{
    char text[SILT_TIME_TEXT_MAX];
    size_t len = silt_write_rfc3339(text, time, 0);
    return string_cell(silt_arena_str(b->arena, (struct silt_str){text, len}));
}

static void add(struct builder *b, const char *module, const struct column *columns, size_t column_count)
{
    struct silt_str *names, name = silt_str_from(module);
    struct silt_cell *cells;

    if (b->wanted.len && !silt_str_equal(b->wanted, name))
        return;
    names = silt_arena_alloc(b->arena, column_count * sizeof(*names));
    cells = silt_arena_alloc(b->arena, column_count * sizeof(*cells));
    for (size_t i = 0; i < column_count; i++) {
        names[i] = columns[i].name;
        cells[i] = columns[i].cell;
    }
    b->tables = silt_arena_grow(b->arena, b->tables, &b->capacity, b->count + 1, sizeof(*b->tables));
    b->tables[b->count++] = (struct silt_table){
        .head = {.name = name, .columns = names, .column_count = column_count}, .cells = cells, .row_count = 1};
}

#define COLUMN(literal, cell) {{literal, sizeof(literal) - 1}, cell}
#define ADD(b, module, ...)                                                                                            \
    add(b, module, (const struct column[]){__VA_ARGS__},                                                               \
        sizeof((const struct column[]){__VA_ARGS__}) / sizeof(struct column))

/* The rest of `rows` rows that lie behind each other in cells: ADD has taken the first. */
static void add_rows(struct builder *b, size_t before, const struct silt_cell *cells, size_t rows)
{
    if (b->count == before)
        return; /* not wanted */
    b->tables[before].cells = cells;
    b->tables[before].row_count = rows;
}

/* What the tables of both kinds of listeners begin with. */
static void listener_cells(struct builder *b, const struct silt_listener_options *options, struct silt_cell *cells)
{
    cells[0] = boolean_cell(true);
    cells[1] = string_cell(silt_str_from(options->bind));
    cells[2] = string_cell(silt_str_from(options->database));
    cells[3] = string_cell(silt_str_from(options->policy));
    cells[4] = number_cell(options->batch_points);
    cells[5] = number_cell(options->batches_max);
    cells[6] = duration_cell(b, options->batch_ms);
}
#define LISTENER_COLUMNS(cells)                                                                                        \
    COLUMN("enabled", (cells)[0]), COLUMN("bind-address", (cells)[1]), COLUMN("database", (cells)[2]),                 \
        COLUMN("retention-policy", (cells)[3]), COLUMN("batch-size", (cells)[4]),                                      \
        COLUMN("batch-pending", (cells)[5]), COLUMN("batch-timeout", (cells)[6])

/* A row for each listener, in the order in which InfluxDB has the columns here. */
static void add_config_collectd(struct builder *b, const struct silt_server_options *options)
{
    struct silt_cell *cells = silt_arena_alloc(b->arena, SILT_COLLECTD_LISTENERS_MAX * 7 * sizeof(*cells));
    size_t rows = 0, before = b->count;

    for (uint64_t i = 0; i < options->collectd_count; i++)
        if (options->collectd[i].listen.enabled)
            listener_cells(b, &options->collectd[i].listen, cells + 7 * rows++);
    if (rows)
        ADD(b, "config-collectd", LISTENER_COLUMNS(cells));
    add_rows(b, before, cells, rows);
}

static void add_config(struct builder *b, const struct silt_server_options *options)
{
    ADD(b, "config-coordinator", COLUMN("log-queries-after", duration_cell(b, options->log_queries_after_ms)),
        COLUMN("max-concurrent-queries", number_cell(options->queries_max)),
        COLUMN("max-select-buckets", number_cell(options->select_buckets_max)),
        COLUMN("max-select-point", number_cell(options->select_points_max)),
        COLUMN("max-select-series", number_cell(options->select_series_max)),
        COLUMN("query-timeout", duration_cell(b, options->query_timeout_ms)));
    if (options->continuous_queries)
        ADD(b, "config-cqs", COLUMN("enabled", boolean_cell(true)), COLUMN("query-stats-enabled", boolean_cell(options->continuous_queries_stats)),
            COLUMN("run-interval", duration_cell(b, options->continuous_queries_interval_ms)));
    else
        ADD(b, "config-cqs", COLUMN("enabled", boolean_cell(false)));
    ADD(b, "config-data", COLUMN("cache-max-memory-size", number_cell(options->memtable_hard_bytes)),
        COLUMN("cache-snapshot-memory-size", number_cell(options->memtable_soft_bytes)),
        COLUMN("compact-full-write-cold-duration", duration_cell(b, options->compact_rest_ms)),
        COLUMN("dir", string_cell(silt_str_from(options->data_dir))),
        COLUMN("wal-dir", string_cell(silt_arena_printf(b->arena, "%s/wal", options->data_dir))),
        COLUMN("wal-fsync-delay",
               duration_cell(b, options->sync_mode == SILT_SYNC_INTERVAL ? options->sync_interval_ms : 0)));
    ADD(b, "config-httpd", COLUMN("access-log-path", string_cell(silt_str_from(options->access_log_path))),
        COLUMN("bind-address", string_cell(silt_str_from(options->http_bind))), COLUMN("enabled", boolean_cell(true)),
        COLUMN("https-enabled", boolean_cell(options->https)),
        COLUMN("max-connection-limit", number_cell(options->connections_max)),
        COLUMN("max-row-limit", number_cell(options->rows_max)));
}

static void add_config_of_services(struct builder *b, const struct silt_server_options *options)
{
    ADD(b, "config-meta", COLUMN("dir", string_cell(silt_str_from(options->data_dir))));
    if (options->monitor_store)
        ADD(b, "config-monitor", COLUMN("store-database", string_cell(SILT_STR("_internal"))),
            COLUMN("store-enabled", boolean_cell(true)),
            COLUMN("store-interval", duration_cell(b, options->monitor_interval_ms)));
    else
        ADD(b, "config-monitor", COLUMN("store-enabled", boolean_cell(false)));
    ADD(b, "config-retention", COLUMN("check-interval", duration_cell(b, options->retention_interval_ms)),
        COLUMN("enabled", boolean_cell(options->retention)));
    if (options->subscriber)
        ADD(b, "config-subscriber", COLUMN("enabled", boolean_cell(true)),
            COLUMN("http-timeout", duration_cell(b, options->subscriber_timeout_ms)),
            COLUMN("write-buffer-size", number_cell(options->subscriber_batches_max)),
            COLUMN("write-concurrency", number_cell(options->subscriber_concurrency)));
    else
        ADD(b, "config-subscriber", COLUMN("enabled", boolean_cell(false)));
}

static void add_config_udp(struct builder *b, const struct silt_server_options *options)
{
    struct silt_cell *cells = silt_arena_alloc(b->arena, SILT_UDP_LISTENERS_MAX * 8 * sizeof(*cells));
    size_t rows = 0, before = b->count;

    for (uint64_t i = 0; i < options->udp_count; i++)
        if (options->udp[i].listen.enabled) {
            listener_cells(b, &options->udp[i].listen, cells + 8 * rows);
            cells[8 * rows++ + 7] = string_cell(silt_str_from(options->udp[i].precision));
        }
    if (rows)
        ADD(b, "config-udp", LISTENER_COLUMNS(cells), COLUMN("precision", cells[7]));
    add_rows(b, before, cells, rows);
}

/* As Go calls it. */
static struct silt_str architecture(const struct utsname *machine)
{
    static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "386"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(machine->machine, names[i][0]) == 0)
            return silt_str_from(names[i][1]);
    return silt_str_from(machine->machine);
}

static void add_system(struct builder *b, const struct stats_source *source)
{
    char host[HOST_NAME_MAX + 1] = "";
    silt_time now = silt_clock_now();
    struct utsname machine;
    bool known = uname(&machine) == 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    char uptime[SILT_NUMBER_TEXT_MAX];
    size_t uptime_len = silt_write_duration_go(uptime, now - source->started);

    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    ADD(b, "network", COLUMN("hostname", string_cell(silt_arena_str(b->arena, silt_str_from(host)))));
    ADD(b, "runtime", COLUMN("GOARCH", string_cell(silt_arena_str(b->arena, known ? architecture(&machine) : SILT_STR("")))),
        COLUMN("GOMAXPROCS", number_cell(cores > 0 ? (uint64_t)cores : 1)), COLUMN("GOOS", string_cell(SILT_STR("linux"))),
        COLUMN("version", string_cell(SILT_STR("C11, " __VERSION__))));
    ADD(b, "system", COLUMN("PID", number_cell((uint64_t)getpid())), COLUMN("currentTime", time_cell(b, now)),
        COLUMN("started", time_cell(b, source->started)),
        COLUMN("uptime", string_cell(silt_arena_str(b->arena, (struct silt_str){uptime, uptime_len}))));
}

/* A row each; the module is there when there are any: InfluxDB has none like it. */
static void add_continuous_queries(struct builder *b, const struct stats_source *source)
{
    static const struct silt_str columns[] = {{"again", 5}, {"database", 8}, {"duration", 8}, {"end", 3},
                                              {"error", 5}, {"failed", 6}, {"name", 4}, {"ok", 2},
                                              {"pending", 7}, {"running", 7}, {"start", 5}, {"written", 7}};
    const size_t column_count = sizeof(columns) / sizeof(columns[0]);
    const struct silt_str name = SILT_STR("continuous-queries");
    struct continuous_report *reports;
    size_t count;

    if (b->wanted.len && !silt_str_equal(b->wanted, name))
        return;
    continuous_reports(source->continuous, b->arena, &reports, &count);
    if (count == 0)
        return;
    struct silt_cell *cell = silt_arena_alloc(b->arena, count * column_count * sizeof(*cell));
    b->tables = silt_arena_grow(b->arena, b->tables, &b->capacity, b->count + 1, sizeof(*b->tables));
    b->tables[b->count++] = (struct silt_table){
        .head = {.name = name, .columns = columns, .column_count = column_count}, .cells = cell, .row_count = count};
    for (const struct continuous_report *report = reports; report < reports + count; report++) {
        const struct silt_cell none = {.kind = SILT_CELL_NULL};
        *cell++ = number_cell(report->again);
        *cell++ = string_cell(report->database);
        *cell++ = report->has_run ? go_duration_cell(b, report->duration_ns) : none;
        *cell++ = report->has_run ? time_cell(b, report->end) : none;
        *cell++ = string_cell(report->error);
        *cell++ = number_cell(report->failed);
        *cell++ = string_cell(report->name);
        *cell++ = number_cell(report->ok);
        *cell++ = number_cell(report->pending);
        *cell++ = boolean_cell(report->running);
        *cell++ = report->has_run ? time_cell(b, report->start) : none;
        *cell++ = report->has_run ? number_cell(report->written) : none;
    }
}

void diagnostics_show(const struct stats_source *source, struct silt_str module, struct silt_arena *arena,
                      struct silt_table **tables, size_t *count)
{
    struct builder b = {.arena = arena, .wanted = module};

    ADD(&b, "build", COLUMN("Branch", string_cell(SILT_STR("silt"))), COLUMN("Build Time", string_cell(SILT_STR(""))),
        COLUMN("Commit", string_cell(SILT_STR("siltd " SILT_VERSION))),
        COLUMN("Version", string_cell(SILT_STR(SILT_INFLUX_VERSION))));
    add_config_collectd(&b, source->options);
    add_config(&b, source->options);
    add_config_of_services(&b, source->options);
    add_config_udp(&b, source->options);
    add_continuous_queries(&b, source);
    add_system(&b, source);
    *tables = b.tables;
    *count = b.count;
}
