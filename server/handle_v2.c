/*
 * handle_v2.c - the part of InfluxDB 2's API that InfluxDB 1.8 has for clients that speak nothing else.
 *
 *     POST /api/v2/write?bucket=db/rp&precision=ns|us|ms|s     /write by other names
 *     POST /api/v2/delete?bucket=db/rp   {"start", "stop", "predicate"}   a DELETE statement, run by a query worker
 *     POST /api/v2/query                 Flux: switched off, as it is in InfluxDB 1.8 unless asked for
 *
 * A bucket is `db/rp`, or `db` for the default policy; `org` says nothing here. As in InfluxDB, a delete is of the
 * whole database, whatever policy the bucket names.
 */
#include "server/authorize.h"
#include "server/json_read.h"
#include "server/params.h"
#include "server/predicate.h"
#include "server/query_job.h"
#include "server/silent_sink.h"

/* ---------------------------------------------------------------- buckets */

static enum silt_status read_bucket(struct silt_str bucket, struct silt_str *database, struct silt_str *rp,
                                    struct silt_error *err)
{
    const char *slash = bucket.len ? memchr(bucket.p, '/', bucket.len) : NULL;

    *database = bucket;
    *rp = (struct silt_str){NULL, 0};
    if (bucket.len == 0)
        return silt_fail(err, SILT_INVALID,
                         "bucket name \"\" is missing a slash; not in \"database/retention-policy\" format");
    if (!slash)
        return SILT_OK;
    database->len = (size_t)(slash - bucket.p);
    *rp = (struct silt_str){slash + 1, bucket.len - database->len - 1};
    if (database->len == 0)
        return silt_fail(err, SILT_INVALID, "bucket name \"%.*s\" is in db/rp form but has an empty database",
                         SILT_FMT(bucket));
    return SILT_OK;
}

/* ---------------------------------------------------------------- write */

/* 0: none of those that there are. */
static int64_t precision_ns(struct silt_str name)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"", 1}, {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (silt_str_equal(name, silt_str_from(units[i].name)))
            return units[i].ns;
    return 0;
}

static int address_of(const struct params *params, struct silt_arena *arena, struct write_address *out,
                      struct silt_error *err)
{
    struct silt_str precision = params_get_url(params, "precision");

    out->precision_ns = precision_ns(precision);
    if (out->precision_ns == 0) {
        silt_fail(err, SILT_INVALID, "invalid precision \"%.*s\" (use ns, us, ms or s)", SILT_FMT(precision));
        return 400;
    }
    return read_bucket(params_get_url(params, "bucket"), &out->database, &out->rp, err) == SILT_OK ? 0 : 404;
}

void handle_v2_write(struct http_loop *loop, h2o_req_t *req)
{
    handle_write_to(loop, req, address_of, WRITE_LINES);
}

/* ---------------------------------------------------------------- query */

void handle_v2_query(struct http_loop *loop, h2o_req_t *req)
{
    http_note_user(req);
    http_text_error(req, 403,
                    SILT_STR("Flux query service disabled. Verify flux-enabled=true in the [http] section of the "
                             "InfluxDB config.\n"));
}

/* ---------------------------------------------------------------- delete */

struct delete_job {
    const struct query_job *query;
    struct silt_arena *arena;
    struct silt_str database, rp;
    struct silt_str start, stop; /* as sent */
    struct predicate predicate;
};

/* A sink for the one statement: its error is all that there is to know. */
struct error_sink {
    struct silt_sink base;
    struct silt_arena *arena;
    struct silt_str text;
};

static void keep_error(struct silt_sink *base, struct silt_str text)
{
    struct error_sink *sink = (struct error_sink *)(void *)base;

    sink->text = silt_arena_str(sink->arena, text);
}

/* 0, or the HTTP status with err; so do the others below. */
static int check_bucket(struct delete_job *job, struct silt_error *err)
{
    struct silt_source *source = silt_storage_source(job->query->server->storage);
    struct silt_policy *policies;
    size_t count;
    bool found = job->rp.len == 0;

    if (source->policies(source, job->database, job->arena, &policies, &count, err) != SILT_OK) {
        silt_fail(err, SILT_NOT_FOUND, "delete - database not found: \"%.*s\"", SILT_FMT(job->database));
        return 404;
    }
    for (size_t i = 0; i < count && !found; i++)
        found = silt_str_equal(policies[i].name, job->rp);
    if (found)
        return 0;
    silt_fail(err, SILT_NOT_FOUND, "delete - retention policy not found in \"%.*s\": \"%.*s\"", SILT_FMT(job->database),
              SILT_FMT(job->rp));
    return 404;
}

static int read_instant(struct silt_str text, const char *name, silt_time *out, struct silt_error *err)
{
    bool has_zone;
    enum silt_status rc = text.len ? silt_parse_time(text, out, &has_zone) : SILT_INVALID;

    if (text.len == 0) {
        silt_fail(err, SILT_INVALID, "delete - %s field in RFC3339Nano format required", name);
        return 400;
    }
    if (rc == SILT_LIMIT) { /* clients say "everything" with years that no point can have */
        *out = text.p[0] == '0' || (text.p[0] == '1' && text.p[1] < '9') ? SILT_TIME_MIN : SILT_TIME_MAX;
        return 0;
    }
    if (rc == SILT_OK && has_zone)
        return 0;
    silt_fail(err, SILT_INVALID, "delete - invalid format for %s field \"%.*s\", please use RFC3339Nano", name,
              SILT_FMT(text));
    return 400;
}

static int read_body(struct delete_job *job, struct silt_str body, struct silt_error *err)
{
    struct silt_param *members;
    struct silt_error inner;
    size_t count;
    int status;

    if (json_read_params(body, job->arena, &members, &count, &inner) != SILT_OK) {
        const char *reason = strchr(inner.text, ':'); /* behind what it says of parameters */
        silt_fail(err, SILT_INVALID, "delete - cannot parse request body%s", reason ? reason : "");
        return 400;
    }
    for (size_t i = 0; i < count; i++) {
        struct silt_str *to = silt_str_equal(members[i].name, SILT_STR("start"))       ? &job->start
                              : silt_str_equal(members[i].name, SILT_STR("stop"))      ? &job->stop
                              : silt_str_equal(members[i].name, SILT_STR("predicate")) ? &job->predicate.text
                                                                                       : NULL;
        if (to && members[i].kind == SILT_PARAM_STRING)
            *to = members[i].text;
    }
    if ((status = read_instant(job->start, "start", &job->predicate.start, err)) != 0)
        return status;
    return read_instant(job->stop, "stop", &job->predicate.stop, err);
}

static int tell_predicate(const struct delete_job *job, enum silt_status rc, const char *reason, struct silt_error *err)
{
    if (rc == SILT_UNSUPPORTED)
        silt_fail(err, rc,
                  "delete - %s. database: \"%.*s\", retention policy: \"%.*s\", start: \"%.*s\", stop: \"%.*s\", "
                  "predicate: \"%.*s\"",
                  reason, SILT_FMT(job->database), SILT_FMT(job->rp), SILT_FMT(job->start), SILT_FMT(job->stop),
                  SILT_FMT(job->predicate.text));
    else
        silt_fail(err, rc, "delete - cannot parse predicate \"%.*s\": %s", SILT_FMT(job->predicate.text), reason);
    return 400;
}

static int run_statement(struct delete_job *job, struct silt_str text, struct silt_error *err)
{
    struct http_server *server = job->query->server;
    struct error_sink sink = {.base = silent_sink, .arena = job->arena};
    struct query_task task = {.database = job->database};
    struct silt_query *query;
    struct silt_error inner;
    enum silt_status rc = silt_query_parse(text, NULL, 0, job->arena, &query, &inner);

    if (rc != SILT_OK)
        return tell_predicate(job, rc, inner.text, err);
    task.query = query;
    if (query_registry_enter(&server->queries, &task, (size_t)server->options->queries_max, err) != SILT_OK)
        return 503;
    struct silt_query_options options = {.database = job->database,
                                         .cancelled = stream_gone(job->query->stream),
                                         .killed = &task.killed};
    query_host_options(&server->query_host, silt_clock_now(), &options);
    sink.base.error = keep_error;
    silt_query_run(query, &options, &sink.base); /* what went wrong, the sink has */
    query_registry_leave(&server->queries, &task);
    if (sink.text.len == 0)
        return 0;
    silt_fail(err, SILT_INVALID,
              "delete - database: \"%.*s\", retention policy: \"%.*s\", start: \"%.*s\", stop: \"%.*s\", predicate: "
              "\"%.*s\", error: %.*s",
              SILT_FMT(job->database), SILT_FMT(job->rp), SILT_FMT(job->start), SILT_FMT(job->stop),
              SILT_FMT(job->predicate.text), SILT_FMT(sink.text));
    return 400;
}

static int run_delete(struct delete_job *job, h2o_req_t *req, struct silt_error *err)
{
    struct params params = {0};
    struct silt_error inner;
    struct silt_str text;
    int status;

    if (params_add_urlencoded(&params, http_query_string(req), PARAM_URL, job->arena, err) != SILT_OK)
        return 400;
    if (read_bucket(params_get_url(&params, "bucket"), &job->database, &job->rp, &inner) != SILT_OK) {
        silt_fail(err, SILT_NOT_FOUND, "delete - bucket: %s", inner.text);
        return 404;
    }
    if ((status = check_bucket(job, err)) != 0 ||
        (status = authorize_write(job->query->server, job->query->user, job->database, "delete from", err)) != 0 ||
        (status = read_body(job, http_str(req->entity), err)) != 0)
        return status;
    enum silt_status rc = predicate_to_delete(&job->predicate, job->arena, &text, &inner);
    if (rc != SILT_OK)
        return tell_predicate(job, rc, inner.text, err);
    return text.len ? run_statement(job, text, err) : 0;
}

static void answer_delete(struct query_job *query)
{
    struct delete_job job = {.query = query, .arena = silt_arena_create(&query->server->query_budget)};
    struct silt_error err;
    int status = run_delete(&job, stream_request(query->stream), &err);

    if (status)
        stream_reply(query->stream, status, silt_str_from(err.text));
    else
        stream_reply(query->stream, 204, SILT_STR(""));
    silt_arena_destroy(job.arena);
}

void handle_v2_delete(struct http_loop *loop, h2o_req_t *req)
{
    query_job_submit(loop, req, answer_delete, NULL);
}
