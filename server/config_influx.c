/*
 * config_influx.c - InfluxDB's influxdb.conf and INFLUXDB_SECTION_KEY in terms of the table of settings.
 *
 *     [data]
 *       dir = "/var/lib/influxdb/data"     -> data.dir
 *       wal-fsync-delay = "100ms"          -> data.sync = "interval", data.sync-interval = "100ms"
 *       index-version = "tsi1"             -> without effect here: named in a warning
 *
 * The table below has every key of InfluxDB 1.6 to 1.8. A row that names nothing else is taken where the table of
 * settings has a setting of the same section and name. What has no meaning here, and what InfluxDB does not know
 * either, is named in one warning per section; what cannot be taken at its word and would leave a door open or data
 * unread is refused. Keys that are not set have InfluxDB's default where it differs from siltd's.
 */
#include "server/config_internal.h"
#include "server/config_toml.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

enum conversion {
    SAME,        /* a setting of ours with that meaning: `to`, or one of the same section and key */
    UNBOUNDED,   /* the same, but 0 is "no bound": our largest */
    OUR_DEFAULT, /* the same, but 0 leaves it to the server */
    NOT_MILLION, /* the same, but 1000000 leaves it to the server: InfluxDB's default, in every file that `influxd config` made */
    NOT_100000,  /* likewise */
    FSYNC_DELAY,
    LOG_LEVEL,
    MUST_BE_ON,  /* false: refused */
    MUST_BE_OFF, /* a setting of the same section and key; while there is none, true is refused */
    LISTENER,    /* `enabled` of a listener that siltd does not have */
    SILENT,      /* the rest of such a listener's section */
};

static const struct influx_key {
    const char *section, *key; /* section "": before the first; key NULL: any key of the section */
    enum conversion conversion;
    const char *to_section, *to_key;
} keys[] = {
    {"", "reporting-disabled", SAME, NULL, NULL},
    {"", "reporting-enabled", SAME, NULL, NULL},
    {"", "bind-address", SAME, NULL, NULL}, /* of its own backup protocol */
    {"", "hostname", SAME, NULL, NULL},
    {"", "join", SAME, NULL, NULL},

    {"meta", "dir", SAME, NULL, NULL},
    {"meta", "retention-autocreate", SAME, NULL, NULL},
    {"meta", "logging-enabled", SAME, NULL, NULL},

    {"data", "dir", SAME, NULL, NULL},
    {"data", "index-version", SAME, NULL, NULL},
    {"data", "wal-dir", SAME, NULL, NULL},
    {"data", "wal-fsync-delay", FSYNC_DELAY, "data", "sync-interval"},
    {"data", "validate-keys", SAME, NULL, NULL},
    {"data", "strict-error-handling", SAME, NULL, NULL},
    {"data", "query-log-enabled", SAME, NULL, NULL},
    {"data", "cache-max-memory-size", SAME, NULL, NULL}, /* of a shard; memtable-hard is of all */
    {"data", "cache-snapshot-memory-size", SAME, NULL, NULL},
    {"data", "cache-snapshot-write-cold-duration", SAME, NULL, NULL},
    {"data", "compact-full-write-cold-duration", SAME, NULL, NULL},
    {"data", "compact-throughput", SAME, NULL, NULL},
    {"data", "compact-throughput-burst", SAME, NULL, NULL},
    {"data", "max-series-per-database", NOT_MILLION, NULL, NULL},
    {"data", "max-values-per-tag", NOT_100000, NULL, NULL},
    {"data", "max-concurrent-compactions", SAME, NULL, NULL},
    {"data", "max-index-log-file-size", SAME, NULL, NULL},
    {"data", "series-id-set-cache-size", SAME, NULL, NULL},
    {"data", "series-file-max-concurrent-snapshot-compactions", SAME, NULL, NULL},
    {"data", "trace-logging-enabled", SAME, NULL, NULL},
    {"data", "tsm-use-madv-willneed", SAME, NULL, NULL},

    {"coordinator", "write-timeout", SAME, NULL, NULL},
    {"coordinator", "max-concurrent-queries", SAME, NULL, NULL},
    {"coordinator", "query-timeout", SAME, NULL, NULL},
    {"coordinator", "log-queries-after", SAME, NULL, NULL},
    {"coordinator", "max-select-point", SAME, NULL, NULL},
    {"coordinator", "max-select-series", SAME, NULL, NULL},
    {"coordinator", "max-select-buckets", SAME, NULL, NULL},
    {"coordinator", "termination-query-log", SAME, NULL, NULL},

    {"retention", "enabled", SAME, NULL, NULL},
    {"retention", "check-interval", SAME, NULL, NULL},

    {"shard-precreation", "enabled", SAME, NULL, NULL},
    {"shard-precreation", "check-interval", SAME, NULL, NULL},
    {"shard-precreation", "advance-period", SAME, NULL, NULL},

    {"monitor", "store-enabled", SAME, NULL, NULL},
    {"monitor", "store-database", SAME, NULL, NULL},
    {"monitor", "store-interval", SAME, NULL, NULL},

    {"http", "enabled", MUST_BE_ON, NULL, NULL},
    {"http", "bind-address", SAME, NULL, NULL},
    {"http", "auth-enabled", SAME, NULL, NULL},
    {"http", "ping-auth-enabled", SAME, NULL, NULL},
    {"http", "pprof-auth-enabled", SAME, NULL, NULL},
    {"http", "prom-read-auth-enabled", SAME, NULL, NULL},
    {"http", "realm", SAME, NULL, NULL},
    {"http", "log-enabled", SAME, "http", "access-log"},
    {"http", "suppress-write-log", SAME, NULL, NULL},
    {"http", "access-log-path", SAME, NULL, NULL},
    {"http", "access-log-status-filters", SAME, NULL, NULL},
    {"http", "write-tracing", SAME, NULL, NULL},
    {"http", "flux-enabled", SAME, NULL, NULL},
    {"http", "flux-log-enabled", SAME, NULL, NULL},
    {"http", "flux-testing", SAME, NULL, NULL},
    {"http", "pprof-enabled", SAME, NULL, NULL},
    {"http", "debug-pprof-enabled", SAME, NULL, NULL},
    {"http", "https-enabled", SAME, NULL, NULL},
    {"http", "https-certificate", SAME, NULL, NULL},
    {"http", "https-private-key", SAME, NULL, NULL},
    {"http", "https-insecure-certificate", SAME, NULL, NULL},
    {"http", "shared-secret", SAME, NULL, NULL},
    {"http", "max-row-limit", SAME, NULL, NULL},
    {"http", "max-connection-limit", OUR_DEFAULT, "http", "max-connections"},
    {"http", "max-body-size", UNBOUNDED, NULL, NULL},
    {"http", "max-concurrent-write-limit", SAME, NULL, NULL},
    {"http", "max-enqueued-write-limit", OUR_DEFAULT, "write", "max-queued"},
    {"http", "enqueued-write-timeout", SAME, NULL, NULL},
    {"http", "unix-socket-enabled", SAME, NULL, NULL},
    {"http", "unix-socket-permissions", SAME, NULL, NULL},
    {"http", "unix-socket-group", SAME, NULL, NULL},
    {"http", "bind-socket", SAME, NULL, NULL},
    {"http.headers", NULL, SAME, NULL, NULL},

    {"logging", "format", SAME, NULL, NULL},
    {"logging", "level", LOG_LEVEL, "server", "log-level"},
    {"logging", "suppress-logo", SAME, NULL, NULL},

    {"subscriber", "enabled", SAME, NULL, NULL},
    {"subscriber", "http-timeout", SAME, NULL, NULL},
    {"subscriber", "insecure-skip-verify", SAME, NULL, NULL},
    {"subscriber", "ca-certs", SAME, NULL, NULL},
    {"subscriber", "write-concurrency", OUR_DEFAULT, NULL, NULL},
    {"subscriber", "write-buffer-size", OUR_DEFAULT, NULL, NULL},
    {"subscriber", "total-buffer-bytes", UNBOUNDED, NULL, NULL},

    {"udp", "enabled", LISTENER, NULL, NULL},
    {"udp", "bind-address", SAME, NULL, NULL},
    {"udp", "database", SAME, NULL, NULL},
    {"udp", "retention-policy", SAME, NULL, NULL},
    {"udp", "precision", SAME, NULL, NULL},
    {"udp", "batch-size", OUR_DEFAULT, NULL, NULL},
    {"udp", "batch-pending", OUR_DEFAULT, NULL, NULL},
    {"udp", "batch-timeout", OUR_DEFAULT, NULL, NULL},
    {"udp", "read-buffer", SAME, NULL, NULL},
    {"udp", "udp-payload-size", SAME, NULL, NULL},

    {"continuous_queries", "enabled", SAME, NULL, NULL},
    {"continuous_queries", "log-enabled", SAME, NULL, NULL},
    {"continuous_queries", "query-stats-enabled", SAME, NULL, NULL},
    {"continuous_queries", "run-interval", SAME, NULL, NULL},

    {"tls", "ciphers", SAME, NULL, NULL},
    {"tls", "min-version", SAME, NULL, NULL},
    {"tls", "max-version", SAME, NULL, NULL},

    {"ifql", NULL, SILENT, NULL, NULL},
    {"graphite", "enabled", LISTENER, NULL, NULL},
    {"graphite", NULL, SILENT, NULL, NULL},
    {"collectd", "enabled", LISTENER, NULL, NULL},
    {"collectd", "bind-address", SAME, NULL, NULL},
    {"collectd", "database", SAME, NULL, NULL},
    {"collectd", "retention-policy", SAME, NULL, NULL},
    {"collectd", "typesdb", SAME, NULL, NULL},
    {"collectd", "security-level", SAME, NULL, NULL},
    {"collectd", "auth-file", SAME, NULL, NULL},
    {"collectd", "parse-multivalue-plugin", SAME, NULL, NULL},
    {"collectd", "batch-size", OUR_DEFAULT, NULL, NULL},
    {"collectd", "batch-pending", OUR_DEFAULT, NULL, NULL},
    {"collectd", "batch-timeout", OUR_DEFAULT, NULL, NULL},
    {"collectd", "read-buffer", SAME, NULL, NULL},
    {"opentsdb", "enabled", LISTENER, NULL, NULL},
    {"opentsdb", NULL, SILENT, NULL, NULL},
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static const struct influx_key *find_key(struct silt_str section, struct silt_str key)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (silt_str_equal(section, silt_str_from(keys[i].section)) &&
            (!keys[i].key || silt_str_equal(key, silt_str_from(keys[i].key))))
            return &keys[i];
    return NULL;
}

static bool influx_section(struct silt_str section)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (silt_str_equal(section, silt_str_from(keys[i].section)))
            return true;
    return false;
}

/* ---------------------------------------------------------------- is it one? */

static bool ends_with(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);

    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

/* A section, or a key before the first, that only one of the two has, decides; else the file's name. */
bool config_is_influx(const char *path, struct silt_str text)
{
    struct toml_reader reader;
    struct toml_item item;
    struct silt_error err;
    int found = 0; /* 1: InfluxDB's, -1: siltd's */

    toml_init(&reader, path, text);
    for (bool top = true; !found && toml_next(&reader, &item, &err) == SILT_OK && item.what != TOML_END;) {
        if (item.what == TOML_SECTION)
            found = influx_section(item.section) - config_known_section(item.section);
        else if (top && find_key(SILT_STR(""), item.key))
            found = 1;
        top &= item.what == TOML_PAIR;
    }
    toml_deinit(&reader);
    return found > 0 || (found == 0 && ends_with(path, "influxdb.conf"));
}

/* ---------------------------------------------------------------- one value */

enum taken { TAKEN, WITHOUT_EFFECT, REFUSED };

static bool is_zero(struct silt_str text)
{
    uint64_t number;

    return silt_str_equal(text, SILT_STR("0")) || (config_parse_duration_ms(text, &number) && number == 0) ||
           (config_parse_size(text, &number) && number == 0);
}

static enum taken take_fsync_delay(void *base, struct silt_str text, struct silt_error *err)
{
    bool none = is_zero(text);

    if (!none && config_set(base, config_find(SILT_STR("data"), SILT_STR("sync-interval")), text, err) != SILT_OK)
        return REFUSED;
    config_set(base, config_find(SILT_STR("data"), SILT_STR("sync")), none ? SILT_STR("fsync") : SILT_STR("interval"),
               err);
    return TAKEN;
}

static enum taken take_level(void *base, const struct setting *setting, struct silt_str text, struct silt_error *err)
{
    static const char *const above_error[] = {"dpanic", "panic", "fatal"};
    char lower[16] = "";

    for (size_t i = 0; i < text.len && i + 1 < sizeof(lower); i++)
        lower[i] = (char)tolower((unsigned char)text.p[i]);
    for (size_t i = 0; i < 3; i++)
        if (strcmp(lower, above_error[i]) == 0)
            memcpy(lower, "error", 6);
    return config_set(base, setting, text.len ? silt_str_from(lower) : SILT_STR("info"), err) == SILT_OK ? TAKEN
                                                                                                         : REFUSED;
}

static enum taken take_number(void *base, const struct setting *setting, enum conversion conversion,
                              struct silt_str text, struct silt_error *err)
{
    char largest[32];

    if ((conversion == OUR_DEFAULT && is_zero(text)) ||
        (conversion == NOT_MILLION && silt_str_equal(text, SILT_STR("1000000"))) ||
        (conversion == NOT_100000 && silt_str_equal(text, SILT_STR("100000"))))
        text = silt_str_from(setting->initial);
    else if (is_zero(text) && conversion == UNBOUNDED)
        text = (struct silt_str){largest, (size_t)snprintf(largest, sizeof(largest), "%llu",
                                                           (unsigned long long)setting->max)};
    else if (setting->kind == KIND_DURATION && silt_str_equal(text, SILT_STR("0")))
        text = SILT_STR("0s");
    return config_set(base, setting, text, err) == SILT_OK ? TAKEN : REFUSED;
}

/* err says what is wrong; the caller says where. */
static enum taken take_value(void *base, const struct influx_key *key, struct silt_str name, struct silt_str text,
                             struct silt_error *err)
{
    const struct setting *setting =
        key->to_key ? config_find(silt_str_from(key->to_section), silt_str_from(key->to_key))
                    : config_find(silt_str_from(key->section), name);
    bool on = silt_str_equal(text, SILT_STR("true")), off = silt_str_equal(text, SILT_STR("false"));

    switch (key->conversion) {
    case SILENT:
        return TAKEN;
    case FSYNC_DELAY:
        return take_fsync_delay(base, text, err);
    case LOG_LEVEL:
        return take_level(base, setting, text, err);
    case MUST_BE_ON:
    case MUST_BE_OFF:
    case LISTENER:
        if (setting)
            break;
        if (!on && !off)
            silt_fail(err, SILT_INVALID, "\"%.*s\" is neither true nor false", SILT_FMT(text));
        else if (on == (key->conversion == MUST_BE_ON))
            return TAKEN;
        else if (key->conversion == LISTENER)
            return WITHOUT_EFFECT;
        else
            silt_fail(err, SILT_INVALID, "siltd cannot do that: it has to be %s",
                      key->conversion == MUST_BE_ON ? "true" : "false");
        return REFUSED;
    case SAME:
    case UNBOUNDED:
    case OUR_DEFAULT:
    case NOT_MILLION:
    case NOT_100000:
        break;
    }
    return setting ? take_number(base, setting, key->conversion, text, err) : WITHOUT_EFFECT;
}

/* As Go's reader has it: numbers and booleans bare, texts in quotes, sizes and durations either way. */
static bool right_form(const struct influx_key *key, const struct toml_item *item)
{
    const struct setting *setting =
        key->to_key ? config_find(silt_str_from(key->to_section), silt_str_from(key->to_key))
                    : config_find(silt_str_from(key->section), item->key);

    if (!setting || setting->kind == KIND_SIZE || setting->kind == KIND_DURATION)
        return !setting || item->kind != TOML_LIST;
    bool bare = setting->kind == KIND_COUNT || setting->kind == KIND_BOOLEAN;
    return item->kind == (bare ? TOML_BARE : TOML_TEXT);
}

/* ---------------------------------------------------------------- the file */

struct influx_file {
    const char *path;
    struct silt_server_options *options;
    struct silt_str section;
    const struct setting_list *list;
    char *base;
    bool seen[KEY_COUNT];
    struct silt_buffer ignored, unknown; /* of this section */
    struct silt_buffer *warnings;
};

static void put_name(struct silt_buffer *names, struct silt_str key, unsigned line)
{
    silt_buffer_printf(names, "%s%.*s (line %u)", names->len ? ", " : "", SILT_FMT(key), line);
}

static void end_section(struct influx_file *file)
{
    char section[80] = "";

    if (file->section.len)
        snprintf(section, sizeof(section), "[%.*s] ", (int)(file->section.len > 60 ? 60 : file->section.len),
                 file->section.p);
    if (file->ignored.len)
        silt_buffer_printf(file->warnings, "%s: without effect in siltd: %s%.*s\n", file->path, section,
                           (int)file->ignored.len, file->ignored.p);
    if (file->unknown.len)
        silt_buffer_printf(file->warnings, "%s: not a setting of InfluxDB: %s%.*s\n", file->path, section,
                           (int)file->unknown.len, file->unknown.p);
    file->ignored.len = file->unknown.len = 0;
}

static enum silt_status enter_section(struct influx_file *file, const struct toml_item *item, struct silt_error *err)
{
    end_section(file);
    file->section = item->section;
    file->base = (char *)file->options;
    file->list = config_find_list(item->section);
    for (size_t i = 0; item->repeated && i < KEY_COUNT; i++)
        if (silt_str_equal(item->section, silt_str_from(keys[i].section)))
            file->seen[i] = false;
    if (!file->list)
        return SILT_OK;
    uint64_t count = config_list_count(file->options, file->list);
    if (count == file->list->max)
        return silt_fail(err, SILT_INVALID, "%s:%u: more than %zu of [[%.*s]]", file->path, item->line,
                         file->list->max, SILT_FMT(item->section));
    file->base += count * file->list->stride;
    config_list_set_count(file->options, file->list, count + 1);
    return SILT_OK;
}

static enum silt_status take_pair(struct influx_file *file, const struct toml_item *item, struct silt_error *err)
{
    const struct influx_key *key = find_key(file->section, item->key);
    struct silt_error inner;

    if (!key) {
        put_name(&file->unknown, item->key, item->line);
        return SILT_OK;
    }
    if (key->key && file->seen[key - keys])
        return silt_fail(err, SILT_INVALID, "%s:%u: %.*s is set twice", file->path, item->line, SILT_FMT(item->key));
    file->seen[key - keys] = true;
    enum taken taken = REFUSED;
    if (!right_form(key, item))
        silt_fail(&inner, SILT_INVALID,
                  "the value has the wrong form (texts stand in quotes, numbers and booleans without)");
    else
        taken = take_value(file->base, key, item->key, item->value, &inner);
    if (taken == REFUSED)
        return silt_fail(err, SILT_INVALID, "%s:%u: %s%s%.*s: %s", file->path, item->line, key->section,
                         *key->section ? "." : "", SILT_FMT(item->key), inner.text);
    if (taken == WITHOUT_EFFECT)
        put_name(&file->ignored, item->key, item->line);
    return SILT_OK;
}

enum silt_status config_read_influx(struct silt_server_options *options, const char *path, struct silt_str text,
                                    struct silt_buffer *warnings, struct silt_error *err)
{
    struct influx_file file = {.path = path, .options = options, .base = (char *)options, .warnings = warnings};
    struct toml_reader reader;
    struct toml_item item;
    enum silt_status rc;

    config_set(options, config_find(SILT_STR("http"), SILT_STR("bind-address")), SILT_STR(":8086"), NULL);
    toml_init(&reader, path, text);
    while ((rc = toml_next(&reader, &item, err)) == SILT_OK && item.what != TOML_END) {
        rc = item.what == TOML_SECTION ? enter_section(&file, &item, err) : take_pair(&file, &item, err);
        if (rc != SILT_OK)
            break;
    }
    end_section(&file);
    toml_deinit(&reader);
    silt_buffer_free(&file.ignored);
    silt_buffer_free(&file.unknown);
    return rc;
}

/* ---------------------------------------------------------------- the environment */

/* INFLUXDB_HTTP_BIND_ADDRESS, INFLUXDB_UDP_1_DATABASE; INFLUXDB_UDP_DATABASE is the first one's. */
static bool is_variable(struct silt_str name, const struct influx_key *key, int index)
{
    char wanted[128], number[16] = "";

    if (!key->key)
        return false;
    if (index >= 0)
        snprintf(number, sizeof(number), "%d_", index);
    int len = snprintf(wanted, sizeof(wanted), "INFLUXDB_%s%s%s%s", key->section, *key->section ? "_" : "", number,
                       key->key);
    for (char *p = wanted; *p; p++)
        if (*p == '-')
            *p = '_';
    return len > 0 && (size_t)len == name.len && strncasecmp(wanted, name.p, name.len) == 0;
}

static const struct influx_key *find_variable(struct silt_server_options *options, struct silt_str name, void **base)
{
    *base = options;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct setting_list *list = config_find_list(silt_str_from(keys[i].section));
        for (int k = -1; k < (list ? (int)list->max : 0); k++) {
            uint64_t element = k < 0 ? 0 : (uint64_t)k;
            if (!is_variable(name, &keys[i], k))
                continue;
            if (list) {
                *base = (char *)options + element * list->stride;
                if (config_list_count(options, list) <= element)
                    config_list_set_count(options, list, element + 1);
            }
            return &keys[i];
        }
    }
    return NULL;
}

enum silt_status config_read_influx_environment(struct silt_server_options *options, char *const *environment,
                                                struct silt_buffer *warnings, struct silt_error *err)
{
    struct silt_buffer unused = {0};

    for (; *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        struct silt_error inner;
        void *base;

        if (strncmp(*environment, "INFLUXDB_", 9) != 0 || !equals || !equals[1])
            continue;
        struct silt_str name = {*environment, (size_t)(equals - *environment)};
        if (silt_str_equal(name, SILT_STR("INFLUXDB_CONFIG_PATH")))
            continue; /* config_load has seen to it */
        const struct influx_key *key = find_variable(options, name, &base);
        enum taken taken = key ? take_value(base, key, silt_str_from(key->key), silt_str_from(equals + 1), &inner)
                               : WITHOUT_EFFECT;
        if (taken == REFUSED) {
            silt_buffer_free(&unused);
            return silt_fail(err, SILT_INVALID, "%.*s: %s", SILT_FMT(name), inner.text);
        }
        if (taken == WITHOUT_EFFECT)
            silt_buffer_printf(&unused, "%s%.*s", unused.len ? ", " : "", SILT_FMT(name));
    }
    if (unused.len)
        silt_buffer_printf(warnings, "environment: without effect in siltd: %.*s\n", (int)unused.len, unused.p);
    silt_buffer_free(&unused);
    return SILT_OK;
}

/* A server that starts empty beside InfluxDB's data would look as if it had lost it. */
enum silt_status config_check_influx_data(const struct silt_server_options *options, struct silt_error *err)
{
    char path[sizeof(options->data_dir) + 32];
    struct stat found;

    snprintf(path, sizeof(path), "%s/meta.sqlite", options->data_dir);
    if (stat(path, &found) == 0)
        return SILT_OK; /* siltd has been here */
    snprintf(path, sizeof(path), "%s/_internal", options->data_dir);
    if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode))
        return SILT_OK;
    return silt_fail(err, SILT_INVALID,
                     "data.dir: %.600s holds InfluxDB's own files, which siltd does not read: give siltd another folder "
                     "with --data-dir (influx_inspect export and influx -import move the data)",
                     options->data_dir);
}
