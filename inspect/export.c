/*
 * export.c - silt-inspect export: a stopped directory's points as line protocol, in the form of `silt export`.
 *
 *     # DDL
 *     CREATE DATABASE "d" WITH DURATION 0s REPLICATION 1 SHARD DURATION 168h0m0s NAME "autogen"
 *     # DML
 *     # CONTEXT-DATABASE:d
 *     # CONTEXT-RETENTION-POLICY:autogen
 *     cpu,host=a usage=12.5,cores=8i 1577836800000000000
 *
 * The store is opened to be read, as a server opens it, the log's points in memory; then its own readers are asked, series by
 * series. A field that has several types is written with each value's own.
 */
#include "inspect/inspect.h"

#include "shell/line_text.h"
#include "shell/policies.h"
#include "shell/words.h"
#include "silt/reader.h"
#include "silt/storage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_BYTES ((size_t)256 << 10)

struct export {
    struct silt_source *source;
    struct silt_str database, policy; /* policy: the only one wanted; empty: all */
    silt_time min, max;
    struct silt_arena *arena;  /* definitions */
    struct silt_arena *names;  /* of one measurement */
    struct silt_buffer text;   /* to be written */
    uint64_t points, unwritable;
    /* Of the measurement at hand. */
    struct silt_field *fields; /* any type */
    struct silt_str *keys;     /* `name=`, escaped, with the comma in front */
    size_t field_count;
    struct silt_column *columns;
};

static enum silt_status flush(struct export *e, struct silt_error *err)
{
    if (e->text.len && fwrite(e->text.p, 1, e->text.len, stdout) != e->text.len)
        return silt_fail(err, SILT_IO, "standard output cannot be written");
    e->text.len = 0;
    return SILT_OK;
}

/* ---------------------------------------------------------------- definitions */

static struct silt_str duration_text(struct export *e, int64_t ns)
{
    char *text = silt_arena_alloc(e->arena, SILT_TIME_TEXT_MAX);
    return (struct silt_str){text, silt_write_duration_go(text, ns)};
}

static void put_definition(struct export *e, const struct silt_policy *policy, bool creates_database)
{
    char replicas[SILT_NUMBER_TEXT_MAX];
    struct policy shown = {.name = policy->name,
                           .duration = duration_text(e, policy->duration_ns),
                           .shard_duration = duration_text(e, policy->shard_duration_ns),
                           .replicas = {replicas, silt_write_uint(replicas, policy->replication)}};
    policy_statement(&e->text, e->database, &shown, creates_database);
    silt_buffer_char(&e->text, '\n');
}

static void put_definitions(struct export *e, const struct silt_policy *policies, size_t count)
{
    bool created = false;
    silt_buffer_str(&e->text, SILT_STR("# DDL\n"));
    for (size_t i = 0; i < count; i++)
        if (policies[i].is_default) {
            put_definition(e, &policies[i], true);
            created = true;
        }
    if (!created) { /* the default policy was not asked for */
        silt_buffer_str(&e->text, SILT_STR("CREATE DATABASE "));
        words_quote_identifier(&e->text, e->database);
        silt_buffer_char(&e->text, '\n');
    }
    for (size_t i = 0; i < count; i++)
        if (!policies[i].is_default)
            put_definition(e, &policies[i], false);
    silt_buffer_str(&e->text, SILT_STR("# DML\n"));
}

/* ---------------------------------------------------------------- points */

static void put_value(struct silt_buffer *out, const struct silt_column *column, uint32_t row)
{
    char digits[SILT_NUMBER_TEXT_MAX];
    switch (column->type) {
    case SILT_TYPE_FLOAT:
        silt_buffer_append(out, digits, silt_write_double_json(digits, column->f64[row]));
        break;
    case SILT_TYPE_INTEGER:
        silt_buffer_append(out, digits, silt_write_int(digits, column->i64[row]));
        silt_buffer_char(out, 'i');
        break;
    case SILT_TYPE_UNSIGNED:
        silt_buffer_append(out, digits, silt_write_uint(digits, column->u64[row]));
        silt_buffer_char(out, 'u');
        break;
    case SILT_TYPE_BOOLEAN:
        silt_buffer_str(out, column->boolean[row] ? SILT_STR("true") : SILT_STR("false"));
        break;
    case SILT_TYPE_STRING:
        line_string(out, column->string[row]);
        break;
    case SILT_TYPE_NONE:
        break;
    }
}

static void put_row(struct export *e, struct silt_str key, silt_time time, uint32_t row)
{
    char digits[SILT_NUMBER_TEXT_MAX];
    size_t begun = e->text.len;
    bool any = false;
    silt_buffer_str(&e->text, key);
    for (size_t f = 0; f < e->field_count; f++) {
        const struct silt_column *column = &e->columns[f];
        if (column->type == SILT_TYPE_NONE || (column->valid && !(column->valid[row / 64] >> row % 64 & 1)))
            continue;
        silt_buffer_char(&e->text, any ? ',' : ' ');
        silt_buffer_str(&e->text, e->keys[f]);
        put_value(&e->text, column, row);
        any = true;
    }
    if (!any) {
        e->text.len = begun;
        return;
    }
    silt_buffer_char(&e->text, ' ');
    silt_buffer_append(&e->text, digits, silt_write_int(digits, time));
    silt_buffer_char(&e->text, '\n');
    e->points++;
}

static enum silt_status put_series(struct export *e, const struct silt_reader_ops *ops, struct silt_cursor *cursor,
                                   struct silt_str key, struct silt_error *err)
{
    struct silt_rows rows;
    enum silt_status rc;
    bool writable = !memchr(key.p, '\n', key.len);
    while ((rc = ops->cursor_next(cursor, &rows, err)) == SILT_OK && rows.count > 0) {
        const silt_time *times;
        if (!writable) {
            e->unwritable += rows.count;
            continue;
        }
        rc = ops->cursor_times(cursor, &times, err);
        for (size_t f = 0; f < e->field_count && rc == SILT_OK; f++)
            rc = ops->cursor_column(cursor, f, &e->columns[f], err);
        for (uint32_t row = 0; row < rows.count && rc == SILT_OK; row++) {
            put_row(e, key, times[row], row);
            if (e->text.len >= CHUNK_BYTES)
                rc = flush(e, err);
        }
        if (rc != SILT_OK)
            return rc;
    }
    return rc;
}

/* The measurement's fields, each once. */
static enum silt_status find_fields(struct export *e, struct silt_reader *reader, struct silt_str measurement,
                                    struct silt_error *err)
{
    struct silt_field *fields;
    size_t count;
    enum silt_status rc = reader->ops->fields(reader, measurement, e->names, &fields, &count, err);
    if (rc != SILT_OK)
        return rc;
    e->field_count = 0;
    e->fields = silt_arena_alloc(e->names, (count + 1) * sizeof(*e->fields));
    e->keys = silt_arena_alloc(e->names, (count + 1) * sizeof(*e->keys));
    e->columns = silt_arena_alloc(e->names, (count + 1) * sizeof(*e->columns));
    for (size_t i = 0; i < count; i++) {
        struct silt_buffer key = {0};
        if (i > 0 && silt_str_equal(fields[i].name, fields[i - 1].name))
            continue;
        line_key(&key, fields[i].name);
        silt_buffer_char(&key, '=');
        e->keys[e->field_count] = silt_arena_str(e->names, (struct silt_str){key.p, key.len});
        e->fields[e->field_count++] = (struct silt_field){fields[i].name, SILT_TYPE_NONE};
        silt_buffer_free(&key);
    }
    return SILT_OK;
}

static enum silt_status put_measurement(struct export *e, struct silt_reader *reader, struct silt_str measurement,
                                        struct silt_error *err)
{
    const struct silt_reader_ops *ops = reader->ops;
    struct silt_series_set series;
    struct silt_cursor *cursor;
    struct silt_arena *scratch = silt_arena_create(NULL);
    silt_arena_reset(e->names);
    enum silt_status rc = find_fields(e, reader, measurement, err);
    if (rc == SILT_OK)
        rc = ops->series(reader, measurement, NULL, e->names, &series, err);
    if (rc == SILT_OK)
        rc = ops->cursor_create(reader, NULL, &cursor, err);
    if (rc == SILT_OK) {
        for (size_t i = 0; i < series.count && rc == SILT_OK; i++) {
            struct silt_str key;
            silt_arena_reset(scratch);
            ops->series_tags(reader, series.ids[i], scratch, &key, NULL, NULL);
            if (!key.p)
                continue;
            rc = ops->cursor_seek(cursor, measurement, series.ids[i], e->fields, e->field_count, e->min, e->max, false, err);
            if (rc == SILT_OK)
                rc = put_series(e, ops, cursor, key, err);
        }
        ops->cursor_destroy(cursor);
    }
    silt_arena_destroy(scratch);
    return rc;
}

static enum silt_status put_policy(struct export *e, struct silt_str policy, struct silt_error *err)
{
    struct silt_reader *reader;
    struct silt_str *measurements;
    size_t count;
    silt_buffer_printf(&e->text, "# CONTEXT-DATABASE:%.*s\n# CONTEXT-RETENTION-POLICY:%.*s\n", SILT_FMT(e->database),
                       SILT_FMT(policy));
    enum silt_status rc = e->source->open(e->source, e->database, policy, e->min, e->max, &reader, err);
    if (rc != SILT_OK)
        return rc;
    rc = reader->ops->measurements(reader, e->arena, &measurements, &count, err);
    for (size_t m = 0; m < count && rc == SILT_OK; m++)
        rc = put_measurement(e, reader, measurements[m], err);
    reader->ops->release(reader);
    return rc;
}

static enum silt_status put_all(struct export *e, struct silt_error *err)
{
    struct silt_policy *policies;
    size_t count, kept = 0;
    enum silt_status rc = e->source->policies(e->source, e->database, e->arena, &policies, &count, err);
    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; i < count; i++)
        if (!e->policy.len || silt_str_equal(policies[i].name, e->policy))
            policies[kept++] = policies[i];
    if (kept == 0)
        return silt_fail(err, SILT_NOT_FOUND, "there is no such retention policy");
    put_definitions(e, policies, kept);
    for (size_t i = 0; i < kept && rc == SILT_OK; i++)
        rc = put_policy(e, policies[i].name, err);
    return rc == SILT_OK ? flush(e, err) : rc;
}

/* ---------------------------------------------------------------- the command */

static enum silt_status get_options(struct export *e, int argc, char **argv, struct silt_error *err)
{
    for (int i = 0; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1]; /* behind the last argument stands NULL */
        bool is_start = strcmp(name, "--start") == 0;
        if (!is_start && strcmp(name, "--end") != 0 && strcmp(name, "--rp") != 0)
            return silt_fail(err, SILT_INVALID, "export: there is no option %s", name);
        if (!value)
            return silt_fail(err, SILT_INVALID, "export: %s: a value is missing", name);
        if (strcmp(name, "--rp") == 0)
            e->policy = silt_str_from(value);
        else if (!silt_parse_time_or_ns(value, is_start ? &e->min : &e->max))
            return silt_fail(err, SILT_INVALID, "export: %s: %s is no time as 2020-01-01T00:00:00Z or nanoseconds", name, value);
    }
    return SILT_OK;
}

int inspect_export(int argc, char **argv)
{
    struct export e = {.min = INT64_MIN, .max = INT64_MAX};
    struct silt_storage_options options;
    struct inspect_store store;
    struct silt_storage *storage;
    struct silt_error err;
    if (argc < 2)
        return INSPECT_USAGE;
    if (get_options(&e, argc - 2, argv + 2, &err) != SILT_OK)
        return inspect_fail(&err);
    e.database = silt_str_from(argv[1]);
    if (inspect_open(argv[0], &store, &err) != SILT_OK) /* says what it is when it is none */
        return inspect_fail(&err);
    inspect_close(&store);
    silt_storage_options_init(&options);
    options.data_dir = argv[0];
    options.read_only = true;
    if (silt_storage_open(&options, &storage, &err) != SILT_OK)
        return inspect_fail(&err);
    e.source = silt_storage_source(storage);
    e.arena = silt_arena_create(NULL);
    e.names = silt_arena_create(NULL);
    enum silt_status rc = put_all(&e, &err);
    silt_arena_destroy(e.names);
    silt_arena_destroy(e.arena);
    silt_buffer_free(&e.text);
    struct silt_error ignored; /* nothing was written: nothing can fail */
    silt_storage_close(storage, false, &ignored);
    if (rc != SILT_OK) {
        inspect_fail(&err);
        return rc == SILT_CORRUPT ? INSPECT_DAMAGED : INSPECT_FAILED;
    }
    fprintf(stderr, "%" PRIu64 " points written\n", e.points);
    if (e.unwritable)
        fprintf(stderr, "left out: %" PRIu64 " points with a line break in a tag, which line protocol cannot hold\n", e.unwritable);
    return INSPECT_FINE;
}
