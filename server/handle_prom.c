/*
 * handle_prom.c - POST /api/v1/prom/read: Prometheus' remote read, run by a worker. (Remote write is in handle_write.c.)
 *
 *     loop: pend -> worker: unpack -> queries -> may they be asked? -> answer, whole -> stream -> loop -> client
 *
 * The form of the answer has its lengths in front, so that nothing leaves before all is known; and an error, until then, is
 * a status of its own. Prometheus shows it to who asks.
 */
#include "server/authorize.h"
#include "server/params.h"
#include "server/prom_select.h"
#include "server/query_job.h"
#include "server/slow_query.h"
#include "server/snappy_block.h"

struct read_job {
    const struct query_job *query;
    struct silt_budget memory;
    struct silt_arena *arena;
    struct prom_read read;
    struct silt_query_options options;
    struct query_task task;
    struct prom_answer answer;
};

/* 0, or the HTTP status with err; so do the others below. In InfluxDB's order. */
static int read_request(struct read_job *job, h2o_req_t *req, struct silt_error *err)
{
    struct params params = {0};
    struct silt_str message;
    enum silt_status rc;

    /* Copied, for the client can take the request away while the answer leaves. */
    struct silt_str url = silt_arena_str(job->arena, http_query_string(req));
    if (params_add_urlencoded(&params, url, PARAM_URL, job->arena, err) != SILT_OK)
        return 400;
    rc = snappy_unpack(http_str(req->entity), job->query->server->options->body_bytes_max, job->arena, &message, err);
    if (rc == SILT_OK)
        rc = prom_read_parse(message, job->arena, &job->read, err);
    if (rc != SILT_OK)
        return rc == SILT_LIMIT ? 413 : rc == SILT_BUSY ? 503 : 400;
    job->options.database = params_get_url(&params, "db");
    job->options.rp = params_get_url(&params, "rp");
    const struct query_job *query = job->query;
    int refused = job->options.database.len ? authorize_read(query->server, query->user, job->options.database, err) : 404;
    if (refused != 404)
        return refused;
    silt_fail(err, SILT_NOT_FOUND, "no database");
    return 400;
}

static int status_of(enum silt_status rc, struct silt_error *err)
{
    switch (rc) {
    case SILT_NOT_FOUND:
        silt_fail(err, rc, strncmp(err->text, "database", 8) == 0 ? "no database" : "invalid retention policy");
        return 400;
    case SILT_LIMIT:
    case SILT_INVALID:
        return 400;
    case SILT_CANCELLED:
        return 503;
    default:
        return 500;
    }
}

static int run_queries(struct read_job *job, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < job->read.query_count; i++)
        rc = prom_select_run(&job->read.queries[i], &job->options, &job->memory, &job->answer, err);
    return rc == SILT_OK ? 0 : status_of(rc, err);
}

static enum silt_status send_answer(struct read_job *job)
{
    stream_set_type(job->query->stream, "application/x-protobuf", "snappy");
    stream_set_patience(job->query->stream, &job->task.killed, job->options.deadline_monotonic_ns);
    enum silt_status rc = prom_answer_write(&job->answer, stream_output(job->query->stream));
    stream_set_patience(job->query->stream, NULL, 0);
    return rc;
}

/* As a query of /query is: in the list, within its limits, logged when it is slow. */
static int run_as_query(struct read_job *job, enum silt_status *sent, struct silt_error *err)
{
    struct http_server *server = job->query->server;
    int status;

    query_host_options(&server->query_host, silt_clock_now(), &job->options);
    job->options.cancelled = stream_gone(job->query->stream);
    job->options.killed = &job->task.killed;
    job->task.text = prom_read_text(&job->read, job->arena);
    job->task.database = job->options.database;
    job->task.memory = &job->memory;
    job->task.rows = &job->answer.sample_count;
    job->task.bytes = stream_bytes(job->query->stream);
    if (query_registry_enter(&server->queries, &job->task, (size_t)server->options->queries_max, err) != SILT_OK)
        return 503;
    status = run_queries(job, err);
    if (status == 0)
        *sent = send_answer(job);
    if (slow_query_is(server->options, &job->task))
        slow_query_log(server->options, &job->task, job->task.text, job->answer.packed.len);
    query_registry_leave(&server->queries, &job->task);
    return status;
}

/* Gives the stream up. */
static void run_request(struct read_job *job)
{
    enum silt_status sent = SILT_OK;
    struct silt_error err;
    int status = read_request(job, stream_request(job->query->stream), &err);

    if (status == 0)
        status = run_as_query(job, &sent, &err);
    if (status)
        stream_reply(job->query->stream, status, silt_error_text(&err));
    else if (sent == SILT_OK)
        stream_finish(job->query->stream);
    else
        stream_abort(job->query->stream);
}

static void answer_read(struct query_job *query)
{
    struct read_job job = {.query = query};
    size_t limit = query->server->options->query_memory_bytes;

    silt_budget_init(&job.memory, "memory of the request", limit ? limit : SIZE_MAX, &query->server->query_budget);
    job.arena = silt_arena_create(&job.memory);
    prom_answer_init(&job.answer, &job.memory);
    run_request(&job);
    prom_answer_deinit(&job.answer);
    prom_read_deinit(&job.read);
    silt_arena_destroy(job.arena);
}

void handle_prom_read(struct http_loop *loop, h2o_req_t *req)
{
    query_job_submit(loop, req, answer_read, NULL);
}
