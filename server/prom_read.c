/*
 * prom_read.c - see prom_read.h.
 */
#include "server/prom_read.h"
#include "server/protobuf.h"

#define TEXT_BYTES_MAX 4096 /* of what people are shown */

/* ---------------------------------------------------------------- matchers */

/* InfluxDB looks for the pattern anywhere in the value. */
static enum silt_status compile(struct prom_matcher *matcher, struct silt_arena *arena, struct silt_error *err)
{
    enum silt_status rc = silt_regex_check(matcher->value, err); /* so that the error is of what was sent */

    if (rc != SILT_OK)
        return rc;
    struct silt_str whole = silt_arena_printf(arena, "^(?:%.*s)$", SILT_FMT(matcher->value));
    return silt_regex_compile(whole, &matcher->regex, err);
}

static enum silt_status read_matcher(struct silt_str message, struct silt_arena *arena, struct prom_matcher *out,
                                     struct silt_error *err)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;
    uint64_t type = PROM_EQUAL;

    *out = (struct prom_matcher){.name = {"", 0}, .value = {"", 0}};
    while (proto_next(&reader, &field)) {
        if (field.number == 1 && proto_is(&reader, &field, PROTO_VARINT, "Type"))
            type = field.value;
        else if (field.number == 2 && proto_is(&reader, &field, PROTO_BYTES, "Name"))
            out->name = field.bytes;
        else if (field.number == 3 && proto_is(&reader, &field, PROTO_BYTES, "Value"))
            out->value = field.bytes;
    }
    if (reader.fault)
        return proto_fault(&reader, err);
    if (type > PROM_MATCHES_NOT)
        return silt_fail(err, SILT_INVALID, "unknown match type %lld", (long long)type);
    out->type = (enum prom_match)type;
    return type >= PROM_MATCHES ? compile(out, arena, err) : SILT_OK;
}

bool prom_matcher_passes(const struct prom_matcher *matcher, struct silt_str value)
{
    bool same = matcher->regex ? silt_regex_match(matcher->regex, value) : silt_str_equal(value, matcher->value);

    return same == (matcher->type == PROM_EQUAL || matcher->type == PROM_MATCHES);
}

/* ---------------------------------------------------------------- queries */

static enum silt_status read_hints(struct prom_query *query, struct silt_str message, struct silt_error *err)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;

    while (proto_next(&reader, &field))
        if (field.number == 2 && proto_is(&reader, &field, PROTO_BYTES, "Func"))
            query->series_only = silt_str_equal(field.bytes, SILT_STR("series"));
    return reader.fault ? proto_fault(&reader, err) : SILT_OK;
}

static enum silt_status read_query(struct silt_str message, struct silt_arena *arena, struct prom_query *out,
                                   struct silt_error *err)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;
    size_t capacity = 0;
    enum silt_status rc = SILT_OK;

    while (rc == SILT_OK && proto_next(&reader, &field)) {
        if (field.number == 1 && proto_is(&reader, &field, PROTO_VARINT, "StartTimestampMs")) {
            out->start_ms = (int64_t)field.value;
        } else if (field.number == 2 && proto_is(&reader, &field, PROTO_VARINT, "EndTimestampMs")) {
            out->end_ms = (int64_t)field.value;
        } else if (field.number == 3 && proto_is(&reader, &field, PROTO_BYTES, "Matchers")) {
            if (out->matcher_count == PROM_MATCHERS_MAX)
                return silt_fail(err, SILT_INVALID, "more than %d matchers", PROM_MATCHERS_MAX);
            out->matchers = silt_arena_grow(arena, out->matchers, &capacity, out->matcher_count + 1, sizeof(*out->matchers));
            rc = read_matcher(field.bytes, arena, &out->matchers[out->matcher_count++], err);
        } else if (field.number == 4 && proto_is(&reader, &field, PROTO_BYTES, "Hints")) {
            rc = read_hints(out, field.bytes, err);
        }
    }
    if (rc == SILT_OK && reader.fault)
        rc = proto_fault(&reader, err);
    if (rc == SILT_OK && out->matcher_count == 0)
        rc = silt_fail(err, SILT_INVALID, "expected matcher");
    return rc;
}

enum silt_status prom_read_parse(struct silt_str message, struct silt_arena *arena, struct prom_read *out,
                                 struct silt_error *err)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;
    size_t capacity = 0;
    enum silt_status rc = SILT_OK;

    *out = (struct prom_read){0};
    while (rc == SILT_OK && proto_next(&reader, &field)) {
        if (field.number != 1 || !proto_is(&reader, &field, PROTO_BYTES, "Queries"))
            continue;
        if (out->query_count == PROM_QUERIES_MAX)
            return silt_fail(err, SILT_INVALID, "more than %d queries", PROM_QUERIES_MAX);
        out->queries = silt_arena_grow(arena, out->queries, &capacity, out->query_count + 1, sizeof(*out->queries));
        struct prom_query *query = &out->queries[out->query_count++];
        *query = (struct prom_query){0};
        rc = read_query(field.bytes, arena, query, err);
        if (rc == SILT_OK && silt_arena_exceeded(arena))
            rc = silt_fail(err, SILT_LIMIT, "the request needs more memory than allowed");
    }
    return rc == SILT_OK && reader.fault ? proto_fault(&reader, err) : rc;
}

void prom_read_deinit(struct prom_read *read)
{
    for (size_t i = 0; i < read->query_count; i++)
        for (size_t k = 0; k < read->queries[i].matcher_count; k++)
            silt_regex_free(read->queries[i].matchers[k].regex);
}

/* ---------------------------------------------------------------- text */

struct silt_str prom_read_text(const struct prom_read *read, struct silt_arena *arena)
{
    static const char *const signs[] = {"=", "!=", "=~", "!~"};
    struct silt_buffer text = {0};

    silt_buffer_str(&text, SILT_STR("prometheus read"));
    for (size_t i = 0; i < read->query_count && text.len < TEXT_BYTES_MAX; i++) {
        const struct prom_query *query = &read->queries[i];
        silt_buffer_str(&text, SILT_STR(" {"));
        for (size_t k = 0; k < query->matcher_count && text.len < TEXT_BYTES_MAX; k++) {
            const struct prom_matcher *matcher = &query->matchers[k];
            silt_buffer_printf(&text, "%s%.*s%s", k ? "," : "", SILT_FMT(matcher->name), signs[matcher->type]);
            silt_buffer_json_string(&text, matcher->value);
        }
        silt_buffer_char(&text, '}');
    }
    struct silt_str kept = {text.p, text.len < TEXT_BYTES_MAX ? text.len : TEXT_BYTES_MAX};
    kept = silt_arena_str(arena, kept);
    silt_buffer_free(&text);
    return kept;
}
