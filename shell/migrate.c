/*
 * migrate.c - the order of a migration:
 *
 *     databases, policies -> users -> units: counted, copied, read back -> durations, continuous queries -> last words
 *
 * Until the last step the target has nothing that forgets or adds points by itself. A run that ends early has left a
 * journal, which the next one goes on from.
 */
#include "shell/migrate_internal.h"

#include "shell/edit.h"
#include "shell/words.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_SECONDS 60
#define SLICE_VALUES 1000000

static _Atomic bool *stopping_flag; /* for the signal handler */

static void on_interrupt(int number)
{
    *stopping_flag = true;
}

bool migrate_stopped(void *context)
{
    return ((struct migrate *)context)->stopping;
}

void migrate_stop(struct migrate *m, const char *format, ...)
{
    va_list args;
    pthread_mutex_lock(&m->lock);
    if (!m->stopping) {
        va_start(args, format);
        vsnprintf(m->stop_text, sizeof m->stop_text, format, args);
        va_end(args);
    }
    m->stopping = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void migrate_say(struct migrate *m, const char *format, ...)
{
    va_list args;
    pthread_mutex_lock(&m->lock);
    progress_clear(&m->progress);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    pthread_mutex_unlock(&m->lock);
}

void migrate_table_name(struct silt_buffer *out, const struct table *table)
{
    words_quote_identifier(out, table->database);
    silt_buffer_char(out, '.');
    words_quote_identifier(out, table->policy);
    silt_buffer_char(out, '.');
    words_quote_identifier(out, table->measurement);
}

/* ---------------------------------------------------------------- command line */

struct address {
    bool ssl;
    char host[256];
    unsigned port;
};

/* http://host[:port][/] */
static bool parse_url(const char *url, struct address *out)
{
    *out = (struct address){.port = 8086};
    out->ssl = strncmp(url, "https://", 8) == 0;
    if (!out->ssl && strncmp(url, "http://", 7) != 0)
        return false;
    const char *host = url + (out->ssl ? 8 : 7);
    const char *end = host + strcspn(host, "/"), *colon = NULL;
    if (strcmp(end, "") != 0 && strcmp(end, "/") != 0)
        return false;
    if (*host == '[') { /* an IPv6 address */
        const char *bracket = memchr(host, ']', (size_t)(end - host));
        if (!bracket || (bracket + 1 != end && bracket[1] != ':'))
            return false;
        colon = bracket + 1 != end ? bracket + 1 : NULL;
        snprintf(out->host, sizeof out->host, "%.*s", (int)(bracket - host - 1), host + 1);
    } else {
        colon = memchr(host, ':', (size_t)(end - host));
        snprintf(out->host, sizeof out->host, "%.*s", (int)((colon ? colon : end) - host), host);
    }
    int64_t port = 0;
    if (colon && (!silt_parse_int(colon + 1, (size_t)(end - colon - 1), &port, NULL) || port < 1 || port > 65535))
        return false;
    if (colon)
        out->port = (unsigned)port;
    return out->host[0] && !strpbrk(out->host, "@ ?#");
}

/* "": stays as it is. */
static bool parse_bound(const char *text, silt_time *out)
{
    return !*text || silt_parse_time_or_ns(text, out);
}

/* A count or a number of seconds above zero; "": stays as it is. */
static bool parse_positive(const char *text, double *out)
{
    return !*text || (silt_parse_double(text, strlen(text), out) && *out > 0);
}

static bool read_options(struct migrate *m, struct address *address)
{
    const struct options *o = m->options;
    struct silt_error err;
    double slice = SLICE_VALUES;
    m->patience_seconds = PATIENCE_SECONDS;
    if (!parse_url(m->url, address))
        fprintf(stderr, "%s is no address as http://host:8086 (a name goes into -from-username)\n", m->url);
    else if (!parse_bound(o->since, &m->since))
        fprintf(stderr, "-since %s is no time as 2020-01-01T00:00:00Z or nanoseconds\n", o->since);
    else if (!parse_bound(o->until, &m->until))
        fprintf(stderr, "-until %s is no time as 2020-01-01T00:00:00Z or nanoseconds\n", o->until);
    else if (!parse_positive(o->patience, &m->patience_seconds))
        fprintf(stderr, "-patience %s is no number of seconds\n", o->patience);
    else if (!parse_positive(o->slice, &slice))
        fprintf(stderr, "-slice %s is no number of values\n", o->slice);
    else if (rate_init(&m->rate, o->rate, &err) != SILT_OK)
        fprintf(stderr, "%s\n", err.text);
    else {
        m->slice_values = slice < 1 ? 1 : slice > 1e12 ? (uint64_t)1e12 : (uint64_t)slice;
        return true;
    }
    return false;
}

/* "silt-migrate-old-8086.state" */
static char *default_path(const struct migrate *m, const char *given, const struct address *address, const char *ending)
{
    if (*given)
        return silt_strdup(silt_str_from(given));
    struct silt_buffer path = {0};
    silt_buffer_printf(&path, "silt-migrate-%s-%u", address->host, address->port);
    if (*m->options->since)
        silt_buffer_printf(&path, "-since-%s", m->options->since);
    if (*m->options->until)
        silt_buffer_printf(&path, "-until-%s", m->options->until);
    silt_buffer_str(&path, silt_str_from(ending));
    silt_buffer_char(&path, 0);
    return path.p;
}

static char *ask_source_password(const struct options *o)
{
    const char *from_environment = getenv("SILT_FROM_PASSWORD");
    if (*o->from_password)
        return silt_strdup(silt_str_from(o->from_password));
    if (from_environment)
        return silt_strdup(silt_str_from(from_environment));
    bool has_name = *o->from_username || getenv("SILT_FROM_USERNAME");
    char *password = has_name && isatty(STDIN_FILENO) ? edit_ask("password at the old server: ", true) : NULL;
    return password ? password : silt_strdup(SILT_STR(""));
}

/* Of SHOW DIAGNOSTICS FOR 'system': PID, currentTime, started, uptime. */
static void take_process(void *context, const struct cell *cells, size_t count)
{
    if (count >= 3)
        silt_buffer_printf(context, "%.*s %.*s", SILT_FMT(cells[0].text), SILT_FMT(cells[2].text));
}

/* By whatever names it goes: both default to port 8086 of this machine. */
static bool is_target(struct migrate *m)
{
    static const struct answer_events events = {.row = take_process};
    struct silt_buffer source = {0}, target = {0};
    struct silt_str question = SILT_STR("SHOW DIAGNOSTICS FOR 'system'"), none = SILT_STR("");
    bool same = strcmp(client_address(m->source.client), client_address(m->target->client)) == 0;
    if (!same && session_ask(&m->source, question, none, &events, &source) && /* who may not ask may not migrate users either */
        session_ask(m->target, question, none, &events, &target))
        same = source.len && silt_str_equal(words_view(&source), words_view(&target));
    silt_buffer_free(&source);
    silt_buffer_free(&target);
    return same;
}

static bool connect_source(struct migrate *m, const struct address *address)
{
    struct options options = *m->options;
    struct silt_error err;
    char *password = ask_source_password(m->options);
    const char *name = getenv("SILT_FROM_USERNAME");
    options.host = address->host;
    options.port = address->port;
    options.ssl = address->ssl;
    options.socket = "";
    options.username = *options.from_username || !name ? options.from_username : name;
    options.password = password;
    session_init(&m->source, &options);
    m->source.out = stderr;
    m->source.cancel = &m->stopping;
    bool ok = session_connect(&m->source, &err) == SILT_OK;
    if (!ok)
        fprintf(stderr, "Failed to connect to %s: %s\n", client_address(m->source.client), err.text);
    else if (is_target(m)) {
        fprintf(stderr, "%s is the target itself; -host and -port say where to\n", client_address(m->source.client));
        ok = false;
    }
    explicit_bzero(password, strlen(password));
    free(password);
    return ok;
}

/* ---------------------------------------------------------------- last words */

static void put_time(struct silt_buffer *out, silt_time time)
{
    char text[SILT_TIME_TEXT_MAX];
    silt_buffer_append(out, text, silt_write_rfc3339(text, time, 0));
}

static int tell_end(struct migrate *m, const char *state_path)
{
    struct silt_buffer text = {0};
    progress_clear(&m->progress);
    if (m->stopping) {
        fprintf(stderr, "stopped: %s\n", m->stop_text[0] ? m->stop_text : "interrupted");
        if (m->state && m->report)
            fprintf(stderr, "To go on, the same command again; what is done stands in %s\n", state_path);
        return MIGRATE_STOPPED;
    }
    progress_number(&text, m->values_equal);
    silt_buffer_str(&text, SILT_STR(" values equal"));
    if (m->values_newer) {
        silt_buffer_str(&text, SILT_STR(", "));
        progress_number(&text, m->values_newer);
        silt_buffer_str(&text, SILT_STR(" newer than the start"));
    }
    silt_buffer_printf(&text, "; %zu of %zu parts differ; %.1f s\n", m->units_differing, m->unit_count,
                       progress_seconds(&m->progress));
    silt_buffer_printf(&text, "report: %s\npoints written since: silt migrate %s -since ", migrate_report_path(m),
                       m->url);
    put_time(&text, m->began);
    printf("%.*s\n", SILT_FMT(words_view(&text)));
    fflush(stdout);
    silt_buffer_free(&text);
    return m->units_differing ? MIGRATE_DIFFERS : MIGRATE_EQUAL;
}

static void release(struct migrate *m)
{
    for (size_t i = 0; i < m->table_count; i++) {
        free(m->tables[i]->fields);
        free(m->tables[i]);
    }
    for (size_t i = 0; i < m->unit_count; i++) {
        unit_clear(m->units[i]);
        free(m->units[i]);
    }
    free(m->tables);
    free(m->units);
    free(m->databases);
    migrate_report_close(m);
    migrate_state_close(m);
    silt_arena_destroy(m->arena);
}

static void run(struct migrate *m, const char *state_path, const char *report_path)
{
    if (!migrate_find_databases(m) || !migrate_check_users(m) || !migrate_state_open(m, state_path) ||
        !migrate_report_open(m, report_path, migrate_state_report_bytes(m)) || !migrate_make_databases(m) ||
        !migrate_users(m) || !migrate_find_units(m))
        return;
    for (size_t i = 0; i < m->unit_count; i++)
        migrate_state_resume(m, m->units[i]);
    migrate_work(m);
    if (!m->stopping)
        (void)migrate_finish_definitions(m); /* a failure stops the migration, which tell_end tells */
}

int migrate_run(struct session *target, const struct options *options, const char *url)
{
    struct migrate m = {.target = target,
                        .options = options,
                        .url = url,
                        .since = SILT_TIME_MIN,
                        .until = SILT_TIME_MAX + 1,
                        .arena = silt_arena_create(NULL),
                        .lock = PTHREAD_MUTEX_INITIALIZER};
    struct address address;
    int status = MIGRATE_USAGE;
    silt_cond_init(&m.changed);
    progress_begin(&m.progress, stderr);
    target->out = stderr;
    if (read_options(&m, &address)) {
        stopping_flag = &m.stopping;
        target->cancel = &m.stopping;
        client_set_cancel(target->client, &m.stopping);
        struct sigaction action = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        status = MIGRATE_STOPPED;
        char *state_path = default_path(&m, options->state, &address, ".state");
        char *report_path = default_path(&m, options->report, &address, ".csv");
        if (connect_source(&m, &address)) {
            run(&m, state_path, report_path);
            status = tell_end(&m, state_path);
        }
        session_deinit(&m.source);
        free(state_path);
        free(report_path);
    }
    release(&m);
    return status;
}
