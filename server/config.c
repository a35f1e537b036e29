/*
 * config.c - the table of settings, and the sources that set its rows: defaults, file, environment, flags.
 *
 *     [http]                       # a section
 *     bind-address = "127.0.0.1:8086"
 *     max-body-size = "25m"        # sizes: bytes, or text with k, m, g (powers of 1024)
 *     idle-timeout = "3m"          # durations: text with ms, s, m, h
 *     access-log = true
 *
 * The environment gives the same values without quotes. A setting made with LIVE is changed in a running server by
 * SIGHUP (reload.c); its member of struct silt_server_options is atomic where more than the main thread reads it.
 */
#include "server/config_internal.h"

#define MEMBER(name) offsetof(struct silt_server_options, name), sizeof(((struct silt_server_options *)0)->name)
#define FIELD(name) MEMBER(name), false
#define LIVE(name) MEMBER(name), true
#define DAYS_MS ((uint64_t)24 * 3600 * 1000)
#define GIB ((uint64_t)1 << 30)

/* clang-format off */
const struct setting config_settings[] = {
    {"data", "dir", KIND_TEXT, FIELD(data_dir), 1, 0, "./silt-data", "where everything is kept; one server per folder"},
    {"data", "sync", KIND_SYNC, FIELD(sync_mode), 0, 0, "fsync",
     "fsync: a write is acknowledged when it is on disk; interval: soon on disk; off: whenever the system likes"},
    {"data", "sync-interval", KIND_DURATION, FIELD(sync_interval_ms), 1, 60000, "100ms",
     "with sync = \"interval\": what a power cut may take"},
    {"data", "max-memory", KIND_SIZE, FIELD(max_memory_bytes), 0, 1024 * GIB, "0",
     "of the whole server, shared out to what follows, to queries and writes; 0: 85 % of what the machine or control group has"},
    {"data", "memtable-soft", KIND_SIZE, FIELD(memtable_soft_bytes), 0, 1024 * GIB, "0",
     "points in memory: flushing starts here; 0: half of memtable-hard"},
    {"data", "memtable-hard", KIND_SIZE, FIELD(memtable_hard_bytes), 0, 1024 * GIB, "0",
     "points in memory: writes are refused from here on; 0: 15 % of max-memory"},
    {"data", "index-max-memory", KIND_SIZE, FIELD(index_bytes_max), 0, 1024 * GIB, "0",
     "series in memory: points of new ones are refused from here on; 0: 65 % of max-memory"},
    {"data", "max-series-per-database", KIND_COUNT, FIELD(series_max), 0, INT64_MAX, "0",
     "points of more series are refused; 0: no bound"},
    {"data", "max-values-per-tag", KIND_COUNT, FIELD(tag_values_max), 0, INT64_MAX, "0",
     "points that give a tag of a measurement more values are refused; 0: no bound"},
    {"data", "compact-full-write-cold-duration", KIND_DURATION, FIELD(compact_rest_ms), 100, 365 * DAYS_MS, "10m",
     "a shard group without writes for so long, and longer if there is little to be won, becomes one file"},

    {"http", "bind-address", KIND_ADDRESS, FIELD(http_bind), 1, 0, "127.0.0.1:8086",
     "host:port; \":8086\" listens on every address"},
    {"http", "loops", KIND_COUNT, FIELD(loop_count), 0, 256, "0", "event loops; 0: one per core"},
    {"http", "max-connections", KIND_COUNT, FIELD(connections_max), 1, 1000000, "8192",
     "connections open at once; more wait"},
    {"http", "max-body-size", KIND_SIZE, FIELD(body_bytes_max), 1024, GIB, "25000000",
     "of a request's body, as transferred"},
    {"http", "max-inflated-size", KIND_SIZE, FIELD(inflated_bytes_max), 1024, 4 * GIB, "256m",
     "of a gzip body once unpacked"},
    {"http", "max-header-size", KIND_SIZE, FIELD(header_bytes_max), 1024, 400000, "256k",
     "of a request line and its headers"},
    {"http", "idle-timeout", KIND_DURATION, LIVE(idle_ms), 100, DAYS_MS, "3m",
     "a connection may wait so long for its next request"},
    {"http", "header-timeout", KIND_DURATION, LIVE(header_ms), 100, DAYS_MS, "10s",
     "a request header must be there after so long"},
    {"http", "stall-timeout", KIND_DURATION, LIVE(stall_ms), 100, DAYS_MS, "30s",
     "a body that arrives or an answer that leaves may stand still so long"},
    {"http", "request-timeout", KIND_DURATION, LIVE(request_ms), 100, DAYS_MS, "10m",
     "a request must be there after so long"},
    {"http", "max-row-limit", KIND_COUNT, LIVE(rows_max), 0, INT64_MAX, "0",
     "rows of an unchunked answer; 0: no bound"},
    {"http", "access-log", KIND_BOOLEAN, LIVE(access_log), 0, 0, "true", "a line per request in the log of requests"},
    {"http", "suppress-write-log", KIND_BOOLEAN, LIVE(access_log_no_writes), 0, 0, "false",
     "leave writes out of the log of requests"},
    {"http", "access-log-path", KIND_TEXT, FIELD(access_log_path), 0, 0, "",
     "a file for the log of requests, opened anew on SIGHUP; empty: standard error"},
    {"http", "https-enabled", KIND_BOOLEAN, FIELD(https), 0, 0, "false", "TLS 1.2 and 1.3 on bind-address, nothing plain"},
    {"http", "https-certificate", KIND_TEXT, FIELD(https_certificate), 0, 0, "/etc/ssl/influxdb.pem",
     "a PEM file: certificate and those that sign it; read anew on SIGHUP"},
    {"http", "https-private-key", KIND_TEXT, FIELD(https_private_key), 0, 0, "",
     "a PEM file, read anew on SIGHUP; empty: the key is in the certificate's"},
    {"http", "unix-socket-enabled", KIND_BOOLEAN, FIELD(unix_socket), 0, 0, "false", "listen on a Unix socket, too"},
    {"http", "bind-socket", KIND_TEXT, FIELD(unix_socket_path), 1, 0, "/var/run/influxdb.sock", "its path"},
    {"http", "unix-socket-permissions", KIND_TEXT, FIELD(unix_socket_permissions), 1, 0, "0777", "octal; who may connect"},
    {"http", "unix-socket-group", KIND_TEXT, FIELD(unix_socket_group), 0, 0, "", "its group; empty: the server's own"},
    {"http", "auth-enabled", KIND_BOOLEAN, FIELD(auth), 0, 0, "false",
     "requests need a user and password, and privileges; the first admin is made without"},
    {"http", "ping-auth-enabled", KIND_BOOLEAN, FIELD(ping_auth), 0, 0, "false", "with auth-enabled: /ping, /status, /health and /metrics need them too"},
    {"http", "pprof-auth-enabled", KIND_BOOLEAN, FIELD(debug_auth), 0, 0, "false",
     "with auth-enabled: /debug/vars needs an admin"},
    {"http", "realm", KIND_TEXT, FIELD(realm), 1, 0, "InfluxDB", "named where credentials are asked for"},
    {"http", "shared-secret", KIND_TEXT, FIELD(shared_secret), 0, 0, "",
     "signs JSON web tokens (HS256, HS384, HS512); empty: none are taken"},
    {"http", "failed-login-delay", KIND_DURATION, LIVE(failed_login_ms), 0, 60000, "2s",
     "the longest a log-in waits when others from its address failed; 0s: none does"},

    {"write", "workers", KIND_COUNT, FIELD(write_worker_count), 0, 256, "0",
     "threads for large writes; 0: one per core"},
    {"write", "max-queued", KIND_COUNT, LIVE(write_queue_max), 1, 1000000, "1000",
     "writes waiting for a worker; more are answered 503"},
    {"write", "max-memory-total", KIND_SIZE, LIVE(write_memory_bytes), 1 << 20, 1024 * GIB, "4g",
     "memory of all bodies that are being read into rows; never more than 8 % of data.max-memory"},

    {"query", "workers", KIND_COUNT, FIELD(query_worker_count), 0, 1024, "0",
     "queries under way at once; 0: 8 per core"},
    {"query", "max-stalled", KIND_COUNT, FIELD(query_stalled_max), 0, 4096, "128",
     "answers that wait for clients who do not read, beside those; of more, the one that got nowhere for the longest is broken off"},
    {"query", "max-queued", KIND_COUNT, LIVE(query_queue_max), 1, 1000000, "1000",
     "queries waiting for a worker; more are answered 503"},
    {"query", "max-memory", KIND_SIZE, LIVE(query_memory_bytes), 0, 1024 * GIB, "1g",
     "memory of one query; 0: no bound"},
    {"query", "max-memory-total", KIND_SIZE, LIVE(memory_bytes), 0, 1024 * GIB, "4g",
     "memory of all queries; never more than 12 % of data.max-memory; 0: no bound of its own"},

    {"coordinator", "max-concurrent-queries", KIND_COUNT, LIVE(queries_max), 0, 1000000, "0",
     "queries at once; more are refused; 0: no bound"},
    {"coordinator", "query-timeout", KIND_DURATION, LIVE(query_timeout_ms), 0, 365 * DAYS_MS, "0s",
     "a request's queries may take so long; 0s: no bound"},
    {"coordinator", "log-queries-after", KIND_DURATION, LIVE(log_queries_after_ms), 0, 365 * DAYS_MS, "0s",
     "a request whose queries take longer is logged; 0s: none is"},
    {"coordinator", "max-select-point", KIND_COUNT, LIVE(select_points_max), 0, INT64_MAX, "0",
     "points that one SELECT may read; 0: no bound"},
    {"coordinator", "max-select-series", KIND_COUNT, LIVE(select_series_max), 0, INT64_MAX, "0",
     "series that one SELECT may read; 0: no bound"},
    {"coordinator", "max-select-buckets", KIND_COUNT, LIVE(select_buckets_max), 0, INT64_MAX, "0",
     "windows of time that one SELECT may make; 0: no bound"},

    {"continuous_queries", "enabled", KIND_BOOLEAN, FIELD(continuous_queries), 0, 0, "true", "whether they are run"},
    {"continuous_queries", "log-enabled", KIND_BOOLEAN, FIELD(continuous_queries_log), 0, 0, "true", "a line per run"},
    {"continuous_queries", "query-stats-enabled", KIND_BOOLEAN, FIELD(continuous_queries_stats), 0, 0, "false",
     "a point per run in _internal, measurement cq_query; with monitor.store-enabled"},
    {"continuous_queries", "run-interval", KIND_DURATION, FIELD(continuous_queries_interval_ms), 10, DAYS_MS, "1s",
     "how often to look which are due"},
    {"continuous_queries", "catch-up-limit", KIND_DURATION, FIELD(catch_up_ms), 0, 365 * DAYS_MS, "168h",
     "how far back windows are calculated that were missed while the server was down; 0s: none are, as in InfluxDB"},
    {"continuous_queries", "late-data", KIND_BOOLEAN, FIELD(late_data), 0, 0, "true",
     "windows that a write or a delete touches afterwards are calculated again, within the same limit"},

    {"monitor", "store-enabled", KIND_BOOLEAN, FIELD(monitor_store), 0, 0, "true",
     "write the server's own statistics into database _internal"},
    {"monitor", "store-interval", KIND_DURATION, FIELD(monitor_interval_ms), 100, DAYS_MS, "10s",
     "how often statistics are written"},

    {"retention", "enabled", KIND_BOOLEAN, FIELD(retention), 0, 0, "true",
     "shard groups older than their policy's duration are dropped"},
    {"retention", "check-interval", KIND_DURATION, FIELD(retention_interval_ms), 100, 365 * DAYS_MS, "30m",
     "how often they are looked for"},

    {"subscriber", "enabled", KIND_BOOLEAN, FIELD(subscriber), 0, 0, "true", "what is written goes on to subscribers"},
    {"subscriber", "http-timeout", KIND_DURATION, FIELD(subscriber_timeout_ms), 1, DAYS_MS, "30s",
     "a subscriber has to have taken a write after so long"},
    {"subscriber", "insecure-skip-verify", KIND_BOOLEAN, FIELD(subscriber_insecure), 0, 0, "false",
     "certificates of https subscribers are not looked at"},
    {"subscriber", "ca-certs", KIND_TEXT, FIELD(subscriber_ca_file), 0, 0, "",
     "a file of certificates that sign theirs; empty: the system's"},
    {"subscriber", "write-concurrency", KIND_COUNT, FIELD(subscriber_concurrency), 1, 1000, "40",
     "writes on their way at once, for each subscription"},
    {"subscriber", "write-buffer-size", KIND_COUNT, FIELD(subscriber_batches_max), 1, 1000000, "1000",
     "writes that wait to be sent, for each subscription; more are dropped"},
    {"subscriber", "total-buffer-bytes", KIND_SIZE, FIELD(subscriber_bytes_max), 1 << 20, 1024 * GIB, "256m",
     "of all writes that wait or are on their way; more are dropped"},

    {"udp", "enabled", KIND_BOOLEAN, FIELD(udp[0].listen.enabled), 0, 0, "false", "listen for line protocol in datagrams"},
    {"udp", "bind-address", KIND_ADDRESS, FIELD(udp[0].listen.bind), 1, 0, ":8089", "host:port; without a host: every address"},
    {"udp", "database", KIND_TEXT, FIELD(udp[0].listen.database), 1, 0, "udp", "where points go; created with the first of them"},
    {"udp", "retention-policy", KIND_TEXT, FIELD(udp[0].listen.policy), 0, 0, "", "of that database; empty: its default one"},
    {"udp", "precision", KIND_TEXT, FIELD(udp[0].precision), 0, 0, "", "of times: n, u, ms, s, m or h; empty: n"},
    {"udp", "batch-size", KIND_COUNT, FIELD(udp[0].listen.batch_points), 1, 1000000, "5000", "points that are written at once"},
    {"udp", "batch-pending", KIND_COUNT, FIELD(udp[0].listen.batches_max), 1, 10000, "10",
     "writes under way; with more, datagrams wait in the socket, and are lost when it is full"},
    {"udp", "batch-timeout", KIND_DURATION, FIELD(udp[0].listen.batch_ms), 1, 3600000, "1s", "points wait so long for others"},
    {"udp", "read-buffer", KIND_SIZE, FIELD(udp[0].listen.read_buffer_bytes), 0, GIB, "0",
     "of the socket; 0: the system's default"},

    {"collectd", "enabled", KIND_BOOLEAN, FIELD(collectd[0].listen.enabled), 0, 0, "false", "listen for collectd's network plugin"},
    {"collectd", "bind-address", KIND_ADDRESS, FIELD(collectd[0].listen.bind), 1, 0, ":25826", "host:port; without a host: every address"},
    {"collectd", "database", KIND_TEXT, FIELD(collectd[0].listen.database), 1, 0, "collectd", "where points go; created with the first of them"},
    {"collectd", "retention-policy", KIND_TEXT, FIELD(collectd[0].listen.policy), 0, 0, "", "of that database; empty: its default one"},
    {"collectd", "typesdb", KIND_TEXT, FIELD(collectd[0].types_path), 1, 0, "/usr/share/collectd/types.db",
     "collectd's file of types, which names the values; or a folder of such files"},
    {"collectd", "security-level", KIND_SECURITY, FIELD(collectd[0].security), 0, 0, "none",
     "the least that is taken: none: plain, signed and encrypted packets; sign: not the plain ones; encrypt: only encrypted ones"},
    {"collectd", "auth-file", KIND_TEXT, FIELD(collectd[0].auth_path), 0, 0, "/etc/collectd/auth_file",
     "\"user: password\" in a line for each user who signs or encrypts; read anew when it changes"},
    {"collectd", "parse-multivalue-plugin", KIND_MULTIVALUE, FIELD(collectd[0].values), 0, 0, "split",
     "of several values at once; split: a measurement PLUGIN_NAME for each; join: one, PLUGIN, with a field for each"},
    {"collectd", "batch-size", KIND_COUNT, FIELD(collectd[0].listen.batch_points), 1, 1000000, "5000", "points that are written at once"},
    {"collectd", "batch-pending", KIND_COUNT, FIELD(collectd[0].listen.batches_max), 1, 10000, "10",
     "writes under way; with more, packets wait in the socket, and are lost when it is full"},
    {"collectd", "batch-timeout", KIND_DURATION, FIELD(collectd[0].listen.batch_ms), 1, 3600000, "10s", "points wait so long for others"},
    {"collectd", "read-buffer", KIND_SIZE, FIELD(collectd[0].listen.read_buffer_bytes), 0, GIB, "0",
     "of the socket; 0: the system's default"},

    {"server", "stop-timeout", KIND_DURATION, FIELD(stop_ms), 0, DAYS_MS, "20s",
     "what requests under way may still take when the server is asked to stop"},
    {"server", "log-level", KIND_LEVEL, LIVE(log_level), 0, 0, "info", "the least that is logged"},
};
/* clang-format on */
const size_t config_setting_count = sizeof(config_settings) / sizeof(config_settings[0]);


/* Sections that may stand several times. */
static const struct setting_list lists[] = {
    {"udp", offsetof(struct silt_server_options, udp_count), sizeof(struct silt_udp_options), SILT_UDP_LISTENERS_MAX},
    {"collectd", offsetof(struct silt_server_options, collectd_count), sizeof(struct silt_collectd_options),
     SILT_COLLECTD_LISTENERS_MAX},
    {NULL, 0, 0, 0},
};

const struct setting *config_find(struct silt_str section, struct silt_str key)
{
    for (size_t i = 0; i < config_setting_count; i++)
        if (silt_str_equal(section, silt_str_from(config_settings[i].section)) &&
            silt_str_equal(key, silt_str_from(config_settings[i].key)))
            return &config_settings[i];
    return NULL;
}

bool config_known_section(struct silt_str section)
{
    for (size_t i = 0; i < config_setting_count; i++)
        if (silt_str_equal(section, silt_str_from(config_settings[i].section)))
            return true;
    return false;
}

const struct setting_list *config_find_list(struct silt_str section)
{
    for (const struct setting_list *list = lists; list->section; list++)
        if (silt_str_equal(section, silt_str_from(list->section)))
            return list;
    return NULL;
}

void silt_server_options_init(struct silt_server_options *options)
{
    struct silt_error err;

    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        const struct setting_list *list = config_find_list(silt_str_from(setting->section));
        for (size_t k = 0; k < (list ? list->max : 1); k++) {
            char *base = (char *)options + (list ? k * list->stride : 0);
            enum silt_status rc = config_set(base, setting, silt_str_from(setting->initial), &err);
            silt_assert(rc == SILT_OK);
        }
    }
}

/* ---------------------------------------------------------------- all sources */

static const struct flag {
    const char *name, *section, *key;
} flags[] = {{"-http-bind", "http", "bind-address"}, {"-data-dir", "data", "dir"}};

/* -config as well as --config, as InfluxDB's own command line has it: the name behind the first of two dashes. */
static const char *long_form(const char *arg)
{
    return arg[0] == '-' && arg[1] == '-' ? arg + 1 : arg;
}

/* The file that the environment names; NULL: none. */
static const char *path_of_environment(char *const *environment)
{
    static const char *const names[] = {"SILT_CONFIG=", "INFLUXDB_CONFIG_PATH="};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);
        for (char *const *e = environment; *e; e++)
            if (strncmp(*e, names[i], len) == 0 && (*e)[len])
                return *e + len;
    }
    return NULL;
}

/* The value of a flag that takes one: `--name value` or `--name=value`; NULL when arg is another. */
static const char *flag_value(const char *name, int argc, char *const *argv, int *i, bool *missing)
{
    const char *arg = long_form(argv[*i]);
    size_t len = strlen(name);

    if (strncmp(arg, name, len) != 0)
        return NULL;
    if (arg[len] == '=')
        return arg + len + 1;
    if (arg[len])
        return NULL;
    if (*i + 1 >= argc) {
        *missing = true;
        return NULL;
    }
    return argv[++*i];
}

enum silt_status config_load(struct silt_server_options *options, int argc, char *const *argv,
                             char *const *environment, enum config_action *action, struct silt_buffer *warnings,
                             struct silt_error *err)
{
    const char *config_path = NULL, *values[2] = {NULL, NULL};
    enum silt_status rc;
    bool found = false, must = true;

    silt_server_options_init(options);
    *action = CONFIG_RUN;
    for (int i = 1; i < argc; i++) {
        bool missing = false;
        const char *value, *arg = long_form(argv[i]);
        if (strcmp(arg, "-version") == 0) {
            *action = CONFIG_VERSION;
            return SILT_OK;
        }
        if (strcmp(arg, "-help") == 0 || strcmp(arg, "-h") == 0) {
            *action = CONFIG_HELP;
            return SILT_OK;
        }
        if (strcmp(arg, "-print-config") == 0) {
            *action = CONFIG_PRINT;
            continue;
        }
        if ((value = flag_value("-config", argc, argv, &i, &missing))) {
            config_path = value;
            continue;
        }
        for (size_t k = 0; k < 2 && !value && !missing; k++)
            if ((value = flag_value(flags[k].name, argc, argv, &i, &missing)))
                values[k] = value;
        if (missing)
            return silt_fail(err, SILT_INVALID, "%s: a value is missing", argv[i]);
        if (!value)
            return silt_fail(err, SILT_INVALID, "%s: unknown argument; siltd --help lists them", argv[i]);
    }
    if (!config_path)
        config_path = path_of_environment(environment);
    if (!config_path) {
        must = false;
        config_path = "siltd.toml";
    }
    if ((rc = config_read_file(options, config_path, must, &found, warnings, err)) != SILT_OK)
        return rc;
    if (!found) {
        config_path = "/etc/silt/siltd.toml";
        if ((rc = config_read_file(options, config_path, false, &found, warnings, err)) != SILT_OK)
            return rc;
    }
    options->config_path = found ? config_path : NULL;
    if ((rc = config_read_influx_environment(options, environment, warnings, err)) != SILT_OK)
        return rc;
    if ((rc = config_read_environment(options, environment, err)) != SILT_OK)
        return rc;
    for (size_t k = 0; k < 2; k++) {
        struct silt_error inner;
        const struct setting *setting =
            config_find(silt_str_from(flags[k].section), silt_str_from(flags[k].key));
        if (values[k] && config_set(options, setting, silt_str_from(values[k]), &inner) != SILT_OK)
            return silt_fail(err, SILT_INVALID, "-%s: %s", flags[k].name, inner.text);
    }
    if ((rc = config_check_influx_data(options, err)) != SILT_OK)
        return rc;
    if (options->memtable_soft_bytes && options->memtable_hard_bytes &&
        options->memtable_soft_bytes > options->memtable_hard_bytes)
        return silt_fail(err, SILT_INVALID, "data.memtable-soft is above data.memtable-hard");
    return SILT_OK;
}

