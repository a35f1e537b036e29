/*
 * config.c - one table of settings, and three readers that set its rows by name.
 *
 *     [http]                       # a section
 *     bind-address = "127.0.0.1:8086"
 *     max-body-size = "25m"        # sizes: bytes, or text with k, m, g (powers of 1024)
 *     idle-timeout = "3m"          # durations: text with ms, s, m, h
 *     access-log = true
 *
 * The file is a subset of TOML: comments, [section], bare-key = value; values are basic and literal strings on one
 * line, integers with _ between digits, booleans. The environment gives the same values without quotes.
 */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONFIG_FILE_BYTES_MAX ((size_t)1 << 20)
#define VALUE_BYTES_MAX 1024

enum kind { KIND_TEXT, KIND_ADDRESS, KIND_COUNT, KIND_SIZE, KIND_DURATION, KIND_BOOLEAN, KIND_SYNC, KIND_LEVEL };

struct setting {
    const char *section, *key;
    enum kind kind;
    size_t offset, bytes;
    uint64_t min, max;
    const char *initial, *help;
};

#define FIELD(name) offsetof(struct silt_server_options, name), sizeof(((struct silt_server_options *)0)->name)
#define DAYS_MS ((uint64_t)24 * 3600 * 1000)
#define GIB ((uint64_t)1 << 30)

/* clang-format off */
static const struct setting settings[] = {
    {"data", "dir", KIND_TEXT, FIELD(data_dir), 1, 0, "./silt-data", "where everything is kept; one server per folder"},
    {"data", "sync", KIND_SYNC, FIELD(sync_mode), 0, 0, "fsync",
     "fsync: a write is acknowledged when it is on disk; interval: soon on disk; off: whenever the system likes"},
    {"data", "sync-interval", KIND_DURATION, FIELD(sync_interval_ms), 1, 60000, "100ms", "for sync = \"interval\""},
    {"data", "memtable-soft", KIND_SIZE, FIELD(memtable_soft_bytes), 0, 1024 * GIB, "0",
     "points in memory: flushing starts here; 0: chosen by the store"},
    {"data", "memtable-hard", KIND_SIZE, FIELD(memtable_hard_bytes), 0, 1024 * GIB, "0",
     "points in memory: writes are refused from here on; 0: chosen by the store"},

    {"http", "bind-address", KIND_ADDRESS, FIELD(http_bind), 1, 0, "127.0.0.1:8086",
     "host:port; \":8086\" listens on every address"},
    {"http", "loops", KIND_COUNT, FIELD(loop_count), 0, 256, "0", "event loops; 0: one per core"},
    {"http", "max-connections", KIND_COUNT, FIELD(connections_max), 1, 1000000, "8192", "open at once; more wait"},
    {"http", "max-body-size", KIND_SIZE, FIELD(body_bytes_max), 1024, GIB, "25000000", "of a request, as transferred"},
    {"http", "max-inflated-size", KIND_SIZE, FIELD(inflated_bytes_max), 1024, 4 * GIB, "256m",
     "of a gzip body once unpacked"},
    {"http", "max-header-size", KIND_SIZE, FIELD(header_bytes_max), 1024, 400000, "256k", "request line and headers"},
    {"http", "idle-timeout", KIND_DURATION, FIELD(idle_ms), 100, DAYS_MS, "3m", "between two requests of a connection"},
    {"http", "header-timeout", KIND_DURATION, FIELD(header_ms), 100, DAYS_MS, "10s", "for a whole request header"},
    {"http", "stall-timeout", KIND_DURATION, FIELD(stall_ms), 100, DAYS_MS, "30s",
     "without progress, in a body that arrives or an answer that leaves"},
    {"http", "request-timeout", KIND_DURATION, FIELD(request_ms), 100, DAYS_MS, "10m", "for a whole request to arrive"},
    {"http", "max-row-limit", KIND_COUNT, FIELD(rows_max), 0, INT64_MAX, "0", "of an unchunked answer; 0: none"},
    {"http", "access-log", KIND_BOOLEAN, FIELD(access_log), 0, 0, "true", "a line per request"},
    {"http", "access-log-path", KIND_TEXT, FIELD(access_log_path), 0, 0, "", "a file for it; empty: standard error"},

    {"write", "workers", KIND_COUNT, FIELD(write_worker_count), 0, 256, "0", "threads for large writes; 0: one per core"},
    {"write", "max-queued", KIND_COUNT, FIELD(write_queue_max), 1, 1000000, "1000",
     "writes waiting for a worker; more are answered 503"},
    {"write", "max-memory-total", KIND_SIZE, FIELD(write_memory_bytes), 1 << 20, 1024 * GIB, "4g",
     "of all bodies that are being read into rows"},

    {"query", "workers", KIND_COUNT, FIELD(query_worker_count), 0, 1024, "0",
     "queries under way at once, those that wait for a slow client included; 0: 8 per core"},
    {"query", "max-queued", KIND_COUNT, FIELD(query_queue_max), 1, 1000000, "1000",
     "queries waiting for a worker; more are answered 503"},
    {"query", "max-memory", KIND_SIZE, FIELD(query_memory_bytes), 0, 1024 * GIB, "1g", "of one query; 0: none"},
    {"query", "max-memory-total", KIND_SIZE, FIELD(memory_bytes), 0, 1024 * GIB, "4g", "of all queries; 0: none"},

    {"coordinator", "max-concurrent-queries", KIND_COUNT, FIELD(queries_max), 0, 1000000, "0", "refused above; 0: none"},
    {"coordinator", "query-timeout", KIND_DURATION, FIELD(query_timeout_ms), 0, 365 * DAYS_MS, "0s",
     "of one request; 0s: none"},
    {"coordinator", "log-queries-after", KIND_DURATION, FIELD(log_queries_after_ms), 0, 365 * DAYS_MS, "0s",
     "statements of a request that runs longer are logged; 0s: none"},
    {"coordinator", "max-select-point", KIND_COUNT, FIELD(select_points_max), 0, INT64_MAX, "0",
     "that one SELECT may read; 0: none"},
    {"coordinator", "max-select-series", KIND_COUNT, FIELD(select_series_max), 0, INT64_MAX, "0",
     "that one SELECT may read; 0: none"},
    {"coordinator", "max-select-buckets", KIND_COUNT, FIELD(select_buckets_max), 0, INT64_MAX, "0",
     "windows of time that one SELECT may make; 0: none"},

    {"monitor", "store-enabled", KIND_BOOLEAN, FIELD(monitor_store), 0, 0, "true",
     "the server's own statistics into database _internal"},
    {"monitor", "store-interval", KIND_DURATION, FIELD(monitor_interval_ms), 100, DAYS_MS, "10s", "how often"},

    {"server", "stop-timeout", KIND_DURATION, FIELD(stop_ms), 0, DAYS_MS, "20s",
     "what requests under way may still take when the server is asked to stop"},
    {"server", "log-level", KIND_LEVEL, FIELD(log_level), 0, 0, "info", "debug, info, warn or error"},
};
/* clang-format on */
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

static const char *const sync_names[] = {"fsync", "interval", "off"};
static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* ---------------------------------------------------------------- values */

static bool parse_digits(struct silt_str text, uint64_t *out, size_t *used)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < text.len; i++) {
        if (text.p[i] == '_' && i > 0 && i + 1 < text.len && isdigit((unsigned char)text.p[i - 1]) &&
            isdigit((unsigned char)text.p[i + 1]))
            continue;
        if (!isdigit((unsigned char)text.p[i]))
            break;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.p[i] - '0'), &value))
            return false;
    }
    *out = value;
    *used = i;
    return i > 0;
}

static bool parse_size(struct silt_str text, uint64_t *out)
{
    static const char units[] = "kmg";
    size_t used;

    if (!parse_digits(text, out, &used))
        return false;
    if (used == text.len)
        return true;
    const char *unit = strchr(units, tolower((unsigned char)text.p[used]));
    return used + 1 == text.len && unit && *unit &&
           !__builtin_mul_overflow(*out, (uint64_t)1 << (10 * (unit - units + 1)), out);
}

/* 1h30m, 250ms, 0s */
static bool parse_duration_ms(struct silt_str text, uint64_t *out)
{
    static const struct {
        struct silt_str name;
        uint64_t ms;
    } units[] = {{{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};
    uint64_t total = 0;

    if (text.len == 0)
        return false;
    while (text.len) {
        uint64_t value;
        size_t used, unit_len = 0, unit;
        if (!parse_digits(text, &value, &used))
            return false;
        while (used + unit_len < text.len && isalpha((unsigned char)text.p[used + unit_len]))
            unit_len++;
        for (unit = 0; unit < 4; unit++)
            if (silt_str_equal(units[unit].name, (struct silt_str){text.p + used, unit_len}))
                break;
        if (unit == 4 || __builtin_mul_overflow(value, units[unit].ms, &value) ||
            __builtin_add_overflow(total, value, &total))
            return false;
        text.p += used + unit_len;
        text.len -= used + unit_len;
    }
    *out = total;
    return true;
}

static bool parse_name(struct silt_str text, const char *const *names, size_t count, uint64_t *out)
{
    for (size_t i = 0; i < count; i++)
        if (silt_str_equal(text, silt_str_from(names[i]))) {
            *out = i;
            return true;
        }
    return false;
}

static enum silt_status set_text(struct silt_server_options *options, const struct setting *setting,
                                 struct silt_str text, struct silt_error *err)
{
    char *to = (char *)options + setting->offset;

    if (text.len >= setting->bytes)
        return silt_fail(err, SILT_INVALID, "longer than %zu bytes", setting->bytes - 1);
    if (text.len < setting->min)
        return silt_fail(err, SILT_INVALID, "must not be empty");
    if (text.len && memchr(text.p, 0, text.len))
        return silt_fail(err, SILT_INVALID, "holds a NUL byte");
    if (text.len)
        memcpy(to, text.p, text.len);
    to[text.len] = 0;
    if (setting->kind == KIND_ADDRESS) {
        char host[256];
        uint16_t port;
        return config_split_address(to, host, sizeof(host), &port, err);
    }
    return SILT_OK;
}

/* err says only what is wrong; the caller puts the place in front. */
static enum silt_status set_value(struct silt_server_options *options, const struct setting *setting,
                                  struct silt_str text, struct silt_error *err)
{
    void *to = (char *)options + setting->offset;
    uint64_t value = 0;
    size_t used;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_ADDRESS:
        return set_text(options, setting, text, err);
    case KIND_BOOLEAN:
        if (!silt_str_equal(text, SILT_STR("true")) && !silt_str_equal(text, SILT_STR("false")))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is neither true nor false", SILT_FMT(text));
        *(bool *)to = text.p[0] == 't';
        return SILT_OK;
    case KIND_SYNC:
        if (!parse_name(text, sync_names, 3, &value))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is none of fsync, interval, off", SILT_FMT(text));
        *(enum silt_sync_mode *)to = (enum silt_sync_mode)value;
        return SILT_OK;
    case KIND_LEVEL:
        if (!parse_name(text, level_names, 4, &value))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is none of debug, info, warn, error", SILT_FMT(text));
        *(enum silt_log_level *)to = (enum silt_log_level)value;
        return SILT_OK;
    case KIND_COUNT:
        if (!parse_digits(text, &value, &used) || used != text.len)
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is not a whole number", SILT_FMT(text));
        break;
    case KIND_SIZE:
        if (!parse_size(text, &value))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is not a size (bytes, or a number with k, m or g)",
                             SILT_FMT(text));
        break;
    case KIND_DURATION:
        if (!parse_duration_ms(text, &value))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is not a duration (a number with ms, s, m or h)",
                             SILT_FMT(text));
        break;
    }
    if (value < setting->min || value > setting->max)
        return silt_fail(err, SILT_INVALID, "%.*s is outside %llu to %llu%s", SILT_FMT(text),
                         (unsigned long long)setting->min, (unsigned long long)setting->max,
                         setting->kind == KIND_DURATION ? " ms" : setting->kind == KIND_SIZE ? " bytes" : "");
    *(uint64_t *)to = value;
    return SILT_OK;
}

enum silt_status config_split_address(const char *address, char *host, size_t host_bytes, uint16_t *port,
                                      struct silt_error *err)
{
    const char *colon = strrchr(address, ':');
    uint64_t number;
    size_t used, host_len;

    if (!colon)
        return silt_fail(err, SILT_INVALID, "\"%s\" has no port: host:port is wanted", address);
    struct silt_str digits = silt_str_from(colon + 1);
    if (!parse_digits(digits, &number, &used) || used != digits.len || number > 65535)
        return silt_fail(err, SILT_INVALID, "\"%s\" has no port from 0 to 65535", address);
    host_len = (size_t)(colon - address);
    if (host_len >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        host_len -= 2;
    } else if (memchr(address, ':', host_len)) {
        return silt_fail(err, SILT_INVALID, "\"%s\": an IPv6 address stands in brackets", address);
    }
    if (host_len >= host_bytes)
        return silt_fail(err, SILT_INVALID, "host name too long");
    memcpy(host, address, host_len);
    host[host_len] = 0;
    *port = (uint16_t)number;
    return SILT_OK;
}

void silt_server_options_init(struct silt_server_options *options)
{
    struct silt_error err;

    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        enum silt_status rc = set_value(options, &settings[i], silt_str_from(settings[i].initial), &err);
        silt_assert(rc == SILT_OK);
    }
}

/* ---------------------------------------------------------------- the file */

struct line {
    const char *path;
    unsigned number;
    const char *p, *end;
};

static enum silt_status line_fail(const struct line *line, struct silt_error *err, const char *reason)
{
    return silt_fail(err, SILT_INVALID, "%s:%u: %s", line->path, line->number, reason);
}

static void skip_blanks(struct line *line)
{
    while (line->p < line->end && (*line->p == ' ' || *line->p == '\t'))
        line->p++;
}

static bool at_end(struct line *line)
{
    skip_blanks(line);
    return line->p == line->end || *line->p == '#';
}

static struct silt_str take_bare(struct line *line)
{
    const char *start = line->p;

    while (line->p < line->end && (isalnum((unsigned char)*line->p) || *line->p == '-' || *line->p == '_'))
        line->p++;
    return (struct silt_str){start, (size_t)(line->p - start)};
}

static enum silt_status take_string(struct line *line, char *out, size_t *len, struct silt_error *err)
{
    char quote = *line->p++;

    for (*len = 0;; (*len)++) {
        if (line->p == line->end)
            return line_fail(line, err, "the string is not closed on its line");
        if (*len == VALUE_BYTES_MAX)
            return line_fail(line, err, "the string is too long");
        char c = *line->p++;
        if (c == quote)
            return SILT_OK;
        if (c == '\\' && quote == '"') {
            static const char names[] = "\"\\ntr", values[] = "\"\\\n\t\r";
            const char *name = line->p < line->end ? strchr(names, *line->p) : NULL;
            if (!name || !*name)
                return line_fail(line, err, "unknown escape in a string (known: \\\" \\\\ \\n \\t \\r)");
            c = values[name - names];
            line->p++;
        } else if ((unsigned char)c < 0x20 && c != '\t') {
            return line_fail(line, err, "control character in a string");
        }
        out[*len] = c;
    }
}

static const struct setting *find_setting(struct silt_str section, struct silt_str key)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (silt_str_equal(section, silt_str_from(settings[i].section)) &&
            silt_str_equal(key, silt_str_from(settings[i].key)))
            return &settings[i];
    return NULL;
}

static bool known_section(struct silt_str section)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (silt_str_equal(section, silt_str_from(settings[i].section)))
            return true;
    return false;
}

static enum silt_status read_section(struct line *line, struct silt_str *section, struct silt_error *err)
{
    line->p++;
    if (line->p < line->end && *line->p == '[')
        return line_fail(line, err, "arrays of tables are not used here");
    skip_blanks(line);
    *section = take_bare(line);
    skip_blanks(line);
    if (section->len == 0 || line->p == line->end || *line->p != ']')
        return line_fail(line, err, "a section is written [name]");
    line->p++;
    if (!at_end(line))
        return line_fail(line, err, "something follows the section's name");
    if (!known_section(*section))
        return silt_fail(err, SILT_INVALID, "%s:%u: there is no section [%.*s]", line->path, line->number,
                         SILT_FMT(*section));
    return SILT_OK;
}

static enum silt_status read_pair(struct silt_server_options *options, struct line *line, struct silt_str section,
                                  bool *seen, struct silt_error *err)
{
    char string[VALUE_BYTES_MAX];
    struct silt_error inner;
    struct silt_str key = take_bare(line), value;
    bool quoted;

    skip_blanks(line);
    if (key.len == 0 || line->p == line->end || *line->p != '=')
        return line_fail(line, err, "a setting is written key = value");
    if (section.len == 0)
        return line_fail(line, err, "a setting stands before the first [section]");
    const struct setting *setting = find_setting(section, key);
    if (!setting)
        return silt_fail(err, SILT_INVALID, "%s:%u: there is no setting %.*s in [%.*s]", line->path, line->number,
                         SILT_FMT(key), SILT_FMT(section));
    if (seen[setting - settings])
        return silt_fail(err, SILT_INVALID, "%s:%u: %.*s is set twice", line->path, line->number, SILT_FMT(key));
    seen[setting - settings] = true;
    line->p++;
    if (at_end(line))
        return silt_fail(err, SILT_INVALID, "%s:%u: %.*s has no value", line->path, line->number, SILT_FMT(key));
    quoted = *line->p == '"' || *line->p == '\'';
    if (quoted) {
        value.p = string;
        enum silt_status rc = take_string(line, string, &value.len, err);
        if (rc != SILT_OK)
            return rc;
    } else {
        value.p = line->p;
        while (line->p < line->end && *line->p != '#' && *line->p != ' ' && *line->p != '\t')
            line->p++;
        value.len = (size_t)(line->p - value.p);
    }
    if (!at_end(line))
        return line_fail(line, err, "something follows the value");
    bool bare_kind = setting->kind == KIND_COUNT || setting->kind == KIND_BOOLEAN || setting->kind == KIND_SIZE;
    if (!quoted && !bare_kind)
        return silt_fail(err, SILT_INVALID, "%s:%u: %s.%s: the value must stand in quotes", line->path, line->number,
                         setting->section, setting->key);
    if (quoted && (setting->kind == KIND_COUNT || setting->kind == KIND_BOOLEAN))
        return silt_fail(err, SILT_INVALID, "%s:%u: %s.%s: the value must stand without quotes", line->path,
                         line->number, setting->section, setting->key);
    if (set_value(options, setting, value, &inner) != SILT_OK)
        return silt_fail(err, SILT_INVALID, "%s:%u: %s.%s: %s", line->path, line->number, setting->section,
                         setting->key, inner.text);
    return SILT_OK;
}

enum silt_status config_read_text(struct silt_server_options *options, const char *path, struct silt_str text,
                                  struct silt_error *err)
{
    struct silt_str section = {NULL, 0};
    struct line line = {.path = path};
    const char *p = text.p, *end = text.p ? text.p + text.len : NULL;
    bool seen[SETTING_COUNT] = {false};

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        enum silt_status rc = SILT_OK;

        line.number++;
        line.p = p;
        line.end = newline ? newline : end;
        p = newline ? newline + 1 : end;
        if (line.end > line.p && line.end[-1] == '\r')
            line.end--;
        if (at_end(&line))
            continue;
        rc = *line.p == '[' ? read_section(&line, &section, err) : read_pair(options, &line, section, seen, err);
        if (rc != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

/* *found is false where there is no such file and `must` is not set. */
static enum silt_status read_file(struct silt_server_options *options, const char *path, bool must, bool *found,
                                  struct silt_error *err)
{
    struct silt_buffer text = {0};
    enum silt_status rc = SILT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *found = fd >= 0;
    if (fd < 0)
        return must || errno != ENOENT ? silt_fail_errno(err, errno, "%s", path) : SILT_OK;
    for (;;) {
        silt_buffer_reserve(&text, 65536);
        ssize_t got = read(fd, text.p + text.len, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = silt_fail_errno(err, errno, "%s", path);
        if (got <= 0)
            break;
        text.len += (size_t)got;
        if (text.len > CONFIG_FILE_BYTES_MAX) {
            rc = silt_fail(err, SILT_LIMIT, "%s: larger than %zu bytes", path, CONFIG_FILE_BYTES_MAX);
            break;
        }
    }
    close(fd);
    if (rc == SILT_OK)
        rc = config_read_text(options, path, (struct silt_str){text.p, text.len}, err);
    silt_buffer_free(&text);
    return rc;
}

/* ---------------------------------------------------------------- environment and flags */

/* SILT_HTTP_MAX_BODY_SIZE for http.max-body-size */
static void environment_name(const struct setting *setting, char *out, size_t bytes)
{
    snprintf(out, bytes, "SILT_%s_%s", setting->section, setting->key);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static bool in_a_section(const char *variable)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        size_t len = strlen(settings[i].section);
        size_t k = 0;
        while (k < len && variable[k] == toupper((unsigned char)settings[i].section[k]))
            k++;
        if (k == len && variable[len] == '_')
            return true;
    }
    return false;
}

enum silt_status config_read_environment(struct silt_server_options *options, char *const *environment,
                                         struct silt_error *err)
{
    for (; *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        char name[96];
        size_t i;

        if (strncmp(*environment, "SILT_", 5) != 0 || !equals || !in_a_section(*environment + 5))
            continue;
        size_t name_len = (size_t)(equals - *environment);
        for (i = 0; i < SETTING_COUNT; i++) {
            environment_name(&settings[i], name, sizeof(name));
            if (strlen(name) == name_len && memcmp(name, *environment, name_len) == 0)
                break;
        }
        if (i == SETTING_COUNT)
            return silt_fail(err, SILT_INVALID, "%.*s: there is no such setting", (int)name_len, *environment);
        struct silt_error inner;
        if (set_value(options, &settings[i], silt_str_from(equals + 1), &inner) != SILT_OK)
            return silt_fail(err, SILT_INVALID, "%s: %s", name, inner.text);
    }
    return SILT_OK;
}

static const struct flag {
    const char *name, *section, *key;
} flags[] = {{"--http-bind", "http", "bind-address"}, {"--data-dir", "data", "dir"}};

/* The value of a flag that takes one: `--name value` or `--name=value`; NULL when arg is another. */
static const char *flag_value(const char *name, int argc, char *const *argv, int *i, bool *missing)
{
    size_t len = strlen(name);

    if (strncmp(argv[*i], name, len) != 0)
        return NULL;
    if (argv[*i][len] == '=')
        return argv[*i] + len + 1;
    if (argv[*i][len])
        return NULL;
    if (*i + 1 >= argc) {
        *missing = true;
        return NULL;
    }
    return argv[++*i];
}

enum silt_status config_load(struct silt_server_options *options, int argc, char *const *argv,
                             char *const *environment, enum config_action *action, struct silt_error *err)
{
    const char *config_path = NULL, *values[2] = {NULL, NULL};
    enum silt_status rc;
    bool found = false, must = true;

    silt_server_options_init(options);
    *action = CONFIG_RUN;
    for (int i = 1; i < argc; i++) {
        bool missing = false;
        const char *value, *arg = argv[i];
        if (strcmp(arg, "--version") == 0) {
            *action = CONFIG_VERSION;
            return SILT_OK;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            *action = CONFIG_HELP;
            return SILT_OK;
        }
        if (strcmp(arg, "--print-config") == 0) {
            *action = CONFIG_PRINT;
            continue;
        }
        if ((value = flag_value("--config", argc, argv, &i, &missing))) {
            config_path = value;
            continue;
        }
        for (size_t k = 0; k < 2 && !value && !missing; k++)
            if ((value = flag_value(flags[k].name, argc, argv, &i, &missing)))
                values[k] = value;
        if (missing)
            return silt_fail(err, SILT_INVALID, "%s: a value is missing", arg);
        if (!value)
            return silt_fail(err, SILT_INVALID, "%s: unknown argument; siltd --help lists them", arg);
    }
    for (char *const *e = environment; !config_path && *e; e++)
        if (strncmp(*e, "SILT_CONFIG=", 12) == 0 && (*e)[12])
            config_path = *e + 12;
    if (!config_path) {
        must = false;
        config_path = "siltd.toml";
    }
    if ((rc = read_file(options, config_path, must, &found, err)) != SILT_OK)
        return rc;
    if (!found && (rc = read_file(options, "/etc/siltd/siltd.toml", false, &found, err)) != SILT_OK)
        return rc;
    if ((rc = config_read_environment(options, environment, err)) != SILT_OK)
        return rc;
    for (size_t k = 0; k < 2; k++) {
        struct silt_error inner;
        const struct setting *setting =
            find_setting(silt_str_from(flags[k].section), silt_str_from(flags[k].key));
        if (values[k] && set_value(options, setting, silt_str_from(values[k]), &inner) != SILT_OK)
            return silt_fail(err, SILT_INVALID, "%s: %s", flags[k].name, inner.text);
    }
    if (options->memtable_soft_bytes && options->memtable_hard_bytes &&
        options->memtable_soft_bytes > options->memtable_hard_bytes)
        return silt_fail(err, SILT_INVALID, "data.memtable-soft is above data.memtable-hard");
    return SILT_OK;
}

/* ---------------------------------------------------------------- printing */

static void print_duration(struct silt_buffer *out, uint64_t ms)
{
    if (ms % 3600000 == 0 && ms)
        silt_buffer_printf(out, "\"%lluh\"", (unsigned long long)(ms / 3600000));
    else if (ms % 60000 == 0 && ms)
        silt_buffer_printf(out, "\"%llum\"", (unsigned long long)(ms / 60000));
    else if (ms % 1000 == 0)
        silt_buffer_printf(out, "\"%llus\"", (unsigned long long)(ms / 1000));
    else
        silt_buffer_printf(out, "\"%llums\"", (unsigned long long)ms);
}

static void print_value(const struct silt_server_options *options, const struct setting *setting,
                        struct silt_buffer *out)
{
    const void *from = (const char *)options + setting->offset;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_ADDRESS:
        silt_buffer_char(out, '"');
        for (const char *p = from; *p; p++) {
            static const char values[] = "\"\\\n\t\r", names[] = "\"\\ntr";
            const char *escape = strchr(values, *p);
            if (escape)
                silt_buffer_char(out, '\\');
            silt_buffer_char(out, escape ? names[escape - values] : *p);
        }
        silt_buffer_char(out, '"');
        break;
    case KIND_BOOLEAN:
        silt_buffer_printf(out, "%s", *(const bool *)from ? "true" : "false");
        break;
    case KIND_SYNC:
        silt_buffer_printf(out, "\"%s\"", sync_names[*(const enum silt_sync_mode *)from]);
        break;
    case KIND_LEVEL:
        silt_buffer_printf(out, "\"%s\"", level_names[*(const enum silt_log_level *)from]);
        break;
    case KIND_DURATION:
        print_duration(out, *(const uint64_t *)from);
        break;
    case KIND_COUNT:
    case KIND_SIZE:
        silt_buffer_printf(out, "%llu", (unsigned long long)*(const uint64_t *)from);
        break;
    }
}

void config_print(const struct silt_server_options *options, struct silt_buffer *out)
{
    const char *section = "";

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(section, settings[i].section) != 0) {
            silt_buffer_printf(out, "%s[%s]\n", *section ? "\n" : "", settings[i].section);
            section = settings[i].section;
        }
        silt_buffer_printf(out, "%s = ", settings[i].key);
        print_value(options, &settings[i], out);
        silt_buffer_printf(out, " # %s\n", settings[i].help);
    }
}

void config_help(struct silt_buffer *out)
{
    char name[96];

    silt_buffer_printf(out,
                       "siltd " SILT_VERSION ", a time-series database with InfluxDB 1.x's interface\n\n"
                       "  --config FILE      settings; else $SILT_CONFIG, ./siltd.toml, /etc/siltd/siltd.toml\n"
                       "  --http-bind ADDR   host:port to listen on\n"
                       "  --data-dir FOLDER  where everything is kept\n"
                       "  --print-config     print the settings in force as a siltd.toml, and end\n"
                       "  --version, --help\n\n"
                       "Every setting is also a variable of the environment:\n");
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        environment_name(&settings[i], name, sizeof(name));
        silt_buffer_printf(out, "  %-36s %s (%s)\n", name, settings[i].help,
                           *settings[i].initial ? settings[i].initial : "empty");
    }
}
