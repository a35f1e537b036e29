/*
 * export.c - a SELECT per policy and measurement, its rows written as they come.
 *
 *     # DDL
 *     CREATE DATABASE "d" WITH DURATION 0s REPLICATION 1 SHARD DURATION 168h0m0s NAME "autogen"
 *     CREATE RETENTION POLICY "week" ON "d" DURATION 168h0m0s REPLICATION 1 SHARD DURATION 24h0m0s
 *     # DML
 *     # CONTEXT-DATABASE:d
 *     # CONTEXT-RETENTION-POLICY:autogen
 *     cpu,host=a usage=12.5,cores=8i 1577836800000000000
 *
 * SHOW FIELD KEYS tells which numbers are integers. To a file it is written beside it under the name FILE.part, which
 * becomes FILE when all is there. Memory: names of the database's policies, measurements and fields.
 */
#include "shell/export.h"

#include "shell/policies.h"
#include "shell/progress.h"
#include "shell/words.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

struct export
{
    struct session *session;
    const struct options *options;
    struct silt_str database;
    struct silt_arena *arena;
    struct policies policies;
    struct silt_str *measurements;
    size_t measurement_count, measurement_capacity;
    FILE *out;
    gzFile packed;
    char *path, *part_path; /* NULL: standard output */
    struct progress progress;
    struct printer *printer;
    uint64_t lines, unwritable;
    struct silt_buffer what;
};

/* ---------------------------------------------------------------- what is there */

static void take_measurement(void *context, const struct cell *cells, size_t count)
{
    struct export *e = context;
    if (!count)
        return;
    if (e->measurement_count == e->measurement_capacity) {
        e->measurement_capacity = e->measurement_capacity ? e->measurement_capacity * 2 : 64;
        e->measurements = silt_realloc(e->measurements, e->measurement_capacity * sizeof *e->measurements);
    }
    e->measurements[e->measurement_count++] = silt_arena_str(e->arena, cells[0].text);
}

static bool ask(struct export *e, const char *statement, const struct answer_events *events)
{
    struct silt_buffer text = {0};
    silt_buffer_str(&text, silt_str_from(statement));
    words_quote_identifier(&text, e->database);
    bool ok = session_ask(e->session, words_view(&text), e->database, events, e);
    silt_buffer_free(&text);
    return ok;
}

static bool look_around(struct export *e)
{
    static const struct answer_events measurements = {.row = take_measurement};
    struct policies *policies = &e->policies;
    if (!policies_read(policies, e->session, e->database) || !ask(e, "SHOW MEASUREMENTS ON ", &measurements))
        return false;
    struct silt_str wanted = silt_str_from(e->options->rp);
    size_t kept = 0;
    for (size_t i = 0; i < policies->count; i++)
        if (!wanted.len || silt_str_equal(policies->items[i].name, wanted))
            policies->items[kept++] = policies->items[i];
    policies->count = kept;
    if (!kept) {
        session_set(&e->session->failure, SILT_STR("there is no such retention policy"));
        return false;
    }
    return true;
}

/* InfluxDB can hold a field in several types, one per shard; a SELECT gives one of them. */
static void warn_of_types(const struct schema *schema)
{
    for (size_t i = 1; i < schema->count; i++) {
        const struct schema_entry *a = &schema->entries[i - 1], *b = &schema->entries[i];
        if (a->kind == SCHEMA_FIELD && b->kind == SCHEMA_FIELD && silt_str_equal(a->key, b->key) &&
            silt_str_equal(a->measurement, b->measurement))
            fprintf(
                stderr,
                "field \"%.*s\" of \"%.*s\" has more than one type; its values are written as the server shows them\n",
                SILT_FMT(a->key), SILT_FMT(a->measurement));
    }
}

/* ---------------------------------------------------------------- writing */

static void put_policy(FILE *out, const struct silt_str database, const struct policy *policy, bool creates_database)
{
    struct silt_buffer text = {0};
    policy_statement(&text, database, policy, creates_database);
    fprintf(out, "%.*s\n", SILT_FMT(words_view(&text)));
    silt_buffer_free(&text);
}

static void put_definitions(struct export *e)
{
    fputs("# DDL\n", e->out);
    bool created = false;
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < e->policies.count; i++)
            if (e->policies.items[i].is_default == (pass == 0)) {
                put_policy(e->out, e->database, &e->policies.items[i], pass == 0);
                created = created || pass == 0;
            }
    if (!created) { /* the default policy was not asked for */
        struct silt_buffer name = {0};
        words_quote_identifier(&name, e->database);
        fprintf(e->out, "CREATE DATABASE %.*s\n", SILT_FMT(words_view(&name)));
        silt_buffer_free(&name);
    }
    fputs("# DML\n", e->out);
}

/* `time >= x`; digits are nanoseconds, anything else is a time in quotes. */
static void put_bound(struct silt_buffer *text, const char *sign, const char *value, bool *first)
{
    int64_t ns;
    if (!*value)
        return;
    silt_buffer_printf(text, " %s time %s ", *first ? "WHERE" : "AND", sign);
    if (silt_parse_int(value, strlen(value), &ns, NULL))
        silt_buffer_str(text, silt_str_from(value));
    else
        words_quote_string(text, silt_str_from(value));
    *first = false;
}

static void tick(void *context, double seconds, size_t rows)
{
    struct export *e = context;
    progress_draw(&e->progress, e->what.p, -1, e->lines + e->printer->rows);
}

static bool put_measurement(struct export *e, struct silt_str policy, size_t index)
{
    struct silt_buffer text = {0};
    struct schema schema;
    struct printer_options options = {.out = e->out, .schema = &schema};
    bool first = true;
    /* Of this policy: without one, the server tells of the default policy's fields alone. */
    if (!session_schema(e->session, e->database, policy, e->measurements[index], &schema)) {
        fprintf(stderr, "ERR: %.*s\n", SILT_FMT(words_view(&e->session->failure)));
        return false;
    }
    warn_of_types(&schema);
    e->what.len = 0;
    silt_buffer_printf(&e->what, "measurement %zu of %zu, %.*s: ", index + 1, e->measurement_count,
                       SILT_FMT(e->measurements[index]));
    silt_buffer_char(&e->what, 0);
    silt_buffer_str(&text, SILT_STR("SELECT *::field FROM "));
    words_quote_identifier(&text, policy);
    silt_buffer_char(&text, '.');
    words_quote_identifier(&text, e->measurements[index]);
    put_bound(&text, ">=", e->options->start, &first);
    put_bound(&text, "<=", e->options->end, &first);
    silt_buffer_str(&text, SILT_STR(" GROUP BY *"));
    e->printer = print_line_create(&options);
    bool ok = session_query_with(e->session, words_view(&text), e->printer, "ns");
    e->lines += e->printer->rows;
    e->unwritable += e->printer->unwritable;
    e->printer->destroy(e->printer);
    schema_deinit(&schema);
    silt_buffer_free(&text);
    return ok && !ferror(e->out);
}

static bool put_all(struct export *e)
{
    bool plain = e->options->lines_only;
    if (!plain)
        put_definitions(e);
    for (size_t p = 0; p < e->policies.count; p++) {
        if (!plain)
            fprintf(e->out, "# CONTEXT-DATABASE:%.*s\n# CONTEXT-RETENTION-POLICY:%.*s\n", SILT_FMT(e->database),
                    SILT_FMT(e->policies.items[p].name));
        for (size_t m = 0; m < e->measurement_count; m++)
            if (!put_measurement(e, e->policies.items[p].name, m))
                return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the file */

static ssize_t write_packed(void *cookie, const char *bytes, size_t len)
{
    int n = len > INT32_MAX ? INT32_MAX : (int)len;
    n = gzwrite(cookie, bytes, (unsigned)n);
    return n > 0 ? n : -1;
}

static int close_packed(void *cookie)
{
    return gzclose(cookie) == Z_OK ? 0 : -1;
}

static bool open_output(struct export *e)
{
    const char *name = e->options->output;
    size_t len = strlen(name);
    bool packed = e->options->gzip || (len > 3 && strcmp(name + len - 3, ".gz") == 0);
    FILE *file = NULL;
    if (*name && strcmp(name, "-") != 0) {
        struct silt_buffer part = {0};
        silt_buffer_printf(&part, "%s.part", name);
        silt_buffer_char(&part, 0);
        e->part_path = part.p;
        e->path = silt_strdup(silt_str_from(name));
        file = fopen(e->part_path, "we");
    } else {
        int fd = dup(STDOUT_FILENO);
        file = fd >= 0 ? fdopen(fd, "w") : NULL;
    }
    if (!file) {
        fprintf(stderr, "%s: %s\n", *name ? name : "standard output", strerror(errno));
        return false;
    }
    if (packed) {
        e->packed = gzdopen(dup(fileno(file)), "wb6");
        fclose(file);
        silt_assert(e->packed);
        file = fopencookie(e->packed, "w", (cookie_io_functions_t){.write = write_packed, .close = close_packed});
        silt_assert(file);
    }
    setvbuf(file, NULL, _IOFBF, 1 << 18);
    e->out = file;
    return true;
}

/* Whole and in its place; else what is there is left as FILE.part. */
static bool close_output(struct export *e, bool ok)
{
    bool written = fflush(e->out) == 0 && !ferror(e->out);
    if (written && e->path && !e->packed)
        written = fsync(fileno(e->out)) == 0;
    int error = errno;
    if (fclose(e->out) != 0 && written) {
        written = false;
        error = errno;
    }
    if (!written)
        fprintf(stderr, "%s: %s\n", e->path ? e->part_path : "standard output", strerror(error));
    if (ok && written && e->path && rename(e->part_path, e->path) != 0) {
        fprintf(stderr, "%s: %s\n", e->path, strerror(errno));
        return false;
    }
    if (e->path && !(ok && written))
        fprintf(stderr, "the export is not whole; what there is of it: %s\n", e->part_path);
    return ok && written;
}

static void release(struct export *e)
{
    silt_arena_destroy(e->arena);
    policies_deinit(&e->policies);
    free(e->measurements);
    free(e->path);
    free(e->part_path);
    silt_buffer_free(&e->what);
}

static bool check_bound(const char *flag, const char *value)
{
    silt_time time;
    bool fine = !*value || silt_parse_time_or_ns(value, &time);
    if (!fine)
        fprintf(stderr, "-%s %s is no time as 2020-01-01T00:00:00Z or nanoseconds\n", flag, value);
    return fine;
}

int export_run(struct session *s, const struct options *options, const char *database)
{
    struct export e = {
        .session = s, .options = options, .database = silt_str_from(database), .arena = silt_arena_create(NULL)};
    s->out = stderr; /* errors; the data have their own stream */
    session_set(&s->database, e.database);
    if (!check_bound("start", options->start) || !check_bound("end", options->end)) {
        release(&e);
        return 1;
    }
    if (!look_around(&e)) {
        fprintf(stderr, "ERR: %.*s\n", SILT_FMT(words_view(&s->failure)));
        release(&e);
        return 1;
    }
    bool ok = open_output(&e);
    if (ok) {
        progress_begin(&e.progress, stderr);
        s->context = &e;
        s->tick = tick;
        s->watched = e.out;
        ok = put_all(&e);
        s->tick = NULL;
        s->watched = NULL;
        progress_clear(&e.progress);
        ok = close_output(&e, ok);
    }
    if (ok) {
        struct silt_buffer text = {0};
        progress_number(&text, e.lines);
        fprintf(stderr, "%.*s points written in %.1f s\n", SILT_FMT(words_view(&text)), progress_seconds(&e.progress));
        silt_buffer_free(&text);
        if (e.unwritable)
            fprintf(stderr, "left out: %llu points with a line break in a tag, which line protocol cannot hold\n",
                    (unsigned long long)e.unwritable);
    }
    release(&e);
    return ok ? 0 : 1;
}
