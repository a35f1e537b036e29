/*
 * handle_query.c - GET and POST /query: InfluxQL, run by a worker, answered as it runs.
 *
 *     loop: try it? -> pend -> worker: parameters -> parse -> run -> sink -> [gzip] -> stream -> loop -> client
 *               parameters -> parse -> run -> sink -> short output -> [gzip] -> client
 *
 * Handing a request to another thread and back costs more than looking up some values of a few series. So the loop tries
 * such a one itself, with an allowance (silt/query.h) that bounds the time and keeps it from the disk; when that or the
 * output does not last, nothing has been said yet and a worker does it all.
 *
 * Until the first bytes leave, the worker may borrow from the request. Then the client's end of the connection can
 * take the request away at any time; so all text that is needed later is copied first.
 */
#include "server/authorize.h"
#include "server/csv_sink.h"
#include "server/json_read.h"
#include "server/json_sink.h"
#include "server/msgpack_sink.h"
#include "server/params.h"
#include "server/query_job.h"
#include "server/silent_sink.h"
#include "server/slow_query.h"

#include <ctype.h>

struct query_request {
    struct silt_str user;
    struct authorize_viewer viewer;
    struct silt_arena *arena;
    struct params params;
    struct silt_str text, database, rp;
    struct silt_str refusal; /* of a request that is not allowed; else errors are in a silt_error */
    struct silt_query *query;
    struct silt_query_options options;
    struct answer_options answer;
    enum answer_kind kind;
    bool async, gzip;
};

union any_sink {
    struct answer answer; /* what all begin with */
    struct json_sink json;
    struct csv_sink csv;
    struct msgpack_sink msgpack;
};

/* ---------------------------------------------------------------- parameters */

static struct silt_str trim(struct silt_str text)
{
    while (text.len && isspace((unsigned char)text.p[0])) {
        text.p++;
        text.len--;
    }
    while (text.len && isspace((unsigned char)text.p[text.len - 1]))
        text.len--;
    return text;
}

static bool is_true(struct silt_str value)
{
    return silt_str_equal(value, SILT_STR("true"));
}

/* Any word that is not a coarser unit asks for nanoseconds; no word for RFC 3339. */
static int64_t epoch_ns(struct silt_str name)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"u", 1000},          {"\xC2\xB5", 1000},  {"ms", 1000000},
                 {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (silt_str_equal(name, silt_str_from(units[i].name)))
            return units[i].ns;
    return name.len ? 1 : 0;
}

static bool contains(struct silt_str text, const char *word)
{
    return text.len && memmem(text.p, text.len, word, strlen(word));
}

/* Copies what is borrowed from the request, for it may outlive it. */
static enum silt_status read_params(struct query_request *request, h2o_req_t *req, struct silt_error *err)
{
    struct silt_str url = silt_arena_str(request->arena, http_query_string(req)), body, type;
    enum silt_status rc = params_add_urlencoded(&request->params, url, PARAM_URL, request->arena, err);

    if (rc != SILT_OK || req->entity.len == 0)
        return rc;
    type = silt_arena_str(request->arena, http_header(req, "content-type"));
    if (!http_is_method(req, "POST") && !params_is_multipart(type))
        return SILT_OK;
    char *copy = silt_arena_try_alloc(request->arena, req->entity.len);
    if (!copy)
        return silt_fail(err, SILT_LIMIT, "no memory for a query of %zu bytes", req->entity.len);
    memcpy(copy, req->entity.base, req->entity.len);
    body = (struct silt_str){copy, req->entity.len};
    rc = params_add_body(&request->params, type, body, request->arena, err);
    return rc == SILT_INVALID ? SILT_OK : rc; /* a form that cannot be read counts as none, as in InfluxDB */
}

/* 0, or the HTTP status of a request that cannot be run, with err. */
static int read_request(struct query_request *request, struct http_server *server, h2o_req_t *req,
                        struct silt_error *err)
{
    const struct params *params = &request->params;
    struct silt_param *bound = NULL;
    struct silt_error inner;
    size_t bound_count = 0;
    int64_t chunk_rows;

    if (read_params(request, req, err) != SILT_OK)
        return 400;
    request->text = trim(params_get(params, "q"));
    if (request->text.len == 0)
        request->text = params_get_file(params, "q"); /* which may be empty */
    if (!request->text.p) {
        silt_fail(err, SILT_INVALID, "missing required parameter \"q\"");
        return 400;
    }
    request->database = params_get(params, "db");
    request->rp = params_get(params, "rp");
    struct silt_str json = params_get(params, "params");
    if (json.len && json_read_params(json, request->arena, &bound, &bound_count, err) != SILT_OK)
        return 400;
    if (silt_query_parse(request->text, bound, bound_count, request->arena, &request->query, &inner) != SILT_OK) {
        silt_fail(err, SILT_INVALID, "error parsing query: %s", silt_error_text(&inner).p);
        return 400;
    }
    if (silt_arena_exceeded(request->arena)) {
        silt_fail(err, SILT_LIMIT, "the query's text needs more memory than allowed");
        return 400;
    }
    request->refusal = authorize_query(server, request->user, request->query, request->database, request->arena);
    if (request->refusal.len)
        return 403;
    request->async = is_true(params_get(params, "async"));
    request->gzip = contains(http_header(req, "accept-encoding"), "gzip");
    request->kind = http_answer_kind(req);
    request->answer.pretty = is_true(params_get_url(params, "pretty"));
    request->answer.chunked = is_true(params_get(params, "chunked"));
    request->answer.chunk_rows = ANSWER_CHUNK_ROWS;
    struct silt_str size = params_get(params, "chunk_size");
    if (size.len > 1 && size.p[0] == '+' && isdigit((unsigned char)size.p[1])) {
        size.p++;
        size.len--;
    }
    if (size.len && silt_parse_int(size.p, size.len, &chunk_rows, NULL) && chunk_rows > 0)
        request->answer.chunk_rows = (uint64_t)chunk_rows;
    request->answer.rows_max = server->options->rows_max;
    request->answer.epoch_ns = epoch_ns(trim(params_get(params, "epoch")));
    request->options.read_only_request = http_is_method(req, "GET");
    return 0;
}

static void set_options(struct query_request *request, struct http_server *server, const _Atomic bool *cancelled)
{
    struct silt_query_options *options = &request->options;

    query_host_options(&server->query_host, silt_clock_now(), options);
    options->viewer = authorize_viewer_init(&request->viewer, server, request->user);
    options->database = request->database;
    options->rp = request->rp;
    options->cancelled = cancelled;
}

/* ---------------------------------------------------------------- running */

/* A request's queries while they run, as others see them. */
struct running {
    struct query_task task;
    struct silt_budget memory;
    struct stream *stream; /* NULL: nobody listens */
    bool ran; /* false: too many others do */
};

/* A request that took longer than log-queries-after says, passwords as [REDACTED]. */
static void log_slow(struct query_request *request, struct http_server *server, const struct running *running,
                     uint64_t bytes)
{
    struct silt_buffer text = {0};

    if (!running->ran || !slow_query_is(server->options, &running->task))
        return;
    for (size_t i = 0; i < silt_query_statement_count(request->query) && text.len < SLOW_QUERY_BYTES_MAX; i++) {
        if (i)
            silt_buffer_append(&text, "; ", 2);
        silt_buffer_str(&text, silt_query_statement_text(request->query, i, request->arena));
    }
    slow_query_log(server->options, &running->task, (struct silt_str){text.p, text.len}, bytes);
    silt_buffer_free(&text);
}

/* Runs the statements into sink, or says that too many queries run already. rows, bytes: counters of what the client
 * gets; NULL: there is none. */
static void run_statements(struct running *running, struct query_request *request, struct http_server *server,
                           struct silt_sink *sink, const _Atomic uint64_t *rows, const _Atomic uint64_t *bytes)
{
    struct query_task *task = &running->task;
    struct silt_error err;

    running->task = (struct query_task){.query = request->query,
                                        .database = request->database,
                                        .rows = rows,
                                        .bytes = bytes,
                                        .memory = &running->memory,
                                        .tried = request->options.allowance != NULL};
    silt_budget_init(&running->memory, "memory of the request", SIZE_MAX, &server->query_budget);
    running->ran = false;
    if (query_registry_enter(&server->queries, task, (size_t)server->options->queries_max, &err) != SILT_OK) {
        if (sink->begin(sink, 0) == SILT_OK) {
            sink->error(sink, silt_error_text(&err));
            sink->end(sink);
        }
        return;
    }
    running->ran = true;
    request->options.killed = &task->killed;
    request->options.budget = &running->memory;
    if (running->stream)
        stream_set_patience(running->stream, &task->killed, request->options.deadline_monotonic_ns);
    enum silt_status rc = silt_query_run(request->query, &request->options, sink); /* why it ended, the sink knows */
    if (request->options.allowance)
        task->again = request->options.allowance->is_exceeded || rc != SILT_OK;
    if (running->stream) /* what is left is the answer's end, or what was held back, as MessagePack is */
        stream_set_patience(running->stream, NULL, 0);
    query_registry_leave(&server->queries, task);
}

static void init_sink(union any_sink *sink, const struct query_request *request, struct http_server *server,
                      struct output *output)
{
    switch (request->kind) {
    case ANSWER_JSON:
        json_sink_init(&sink->json, &request->answer, output);
        break;
    case ANSWER_CSV:
        csv_sink_init(&sink->csv, &request->answer, output);
        break;
    case ANSWER_MSGPACK:
        msgpack_sink_init(&sink->msgpack, &request->answer, output, server->options->data_dir, &server->query_budget);
        break;
    }
}

static void run_into_stream(struct query_request *request, struct http_server *server, struct stream *stream)
{
    union any_sink sink;
    struct gzip_output *gzip = NULL;
    struct output *output, *body;
    struct running running;

    stream_set_type(stream, http_content_type(request->kind), request->gzip ? "gzip" : NULL);
    output = body = stream_output(stream);
    if (request->gzip) {
        gzip = gzip_output_create(output);
        output = gzip_output_base(gzip);
    }
    set_options(request, server, stream_gone(stream));
    init_sink(&sink, request, server, output);
    running.stream = stream;
    run_statements(&running, request, server, &sink.answer.base, &sink.answer.rows_written, stream_bytes(stream));
    enum silt_status rc = answer_finish(&sink.answer);
    log_slow(request, server, &running, *stream_bytes(stream) + (uint64_t)(body->next - body->start));
    answer_deinit(&sink.answer);
    gzip_output_destroy(gzip);
    if (rc == SILT_OK) {
        stream_finish(stream);
        return;
    }
    if (rc != SILT_CANCELLED)
        silt_log(SILT_LOG_WARN, "an answer had to be broken off", "reason=\"%s\"",
                 rc == SILT_INVALID ? "what it holds cannot be said in its format" : silt_status_name(rc));
    stream_abort(stream);
}

/* ---------------------------------------------------------------- short ones, on the loop */

#define SHORT_TEXT_BYTES_MAX 4096 /* of the request */

struct short_output {
    struct output base;
    bool is_full;
    char bytes[SILT_SHORT_ANSWER_BYTES];
};

static enum silt_status flush_short(struct output *base, enum output_flush why)
{
    struct short_output *output = (struct short_output *)base;

    if (why != OUTPUT_FULL)
        return SILT_OK;
    output->is_full = true;
    base->next = base->start;
    return SILT_CANCELLED;
}

static bool never_idle(struct output *output)
{
    return false;
}

static void short_output_init(struct short_output *output)
{
    output->base = (struct output){output->bytes, output->bytes, output->bytes + sizeof(output->bytes), 0, flush_short, never_idle};
    output->is_full = false;
}

static void send_short(h2o_req_t *req, const struct query_request *request, const struct short_output *output)
{
    struct silt_str body = {output->base.start, (size_t)(output->base.next - output->base.start)};
    struct short_output packed; /* what is that short is hardly longer when it is packed */

    if (request->gzip) {
        short_output_init(&packed);
        struct gzip_output *gzip = gzip_output_create(&packed.base);
        struct output *to = gzip_output_base(gzip);
        if (output_write(to, body.p, body.len) == SILT_OK && to->flush(to, OUTPUT_LAST) == SILT_OK) {
            body = (struct silt_str){packed.base.start, (size_t)(packed.base.next - packed.base.start)};
            http_add_header(req, "Content-Encoding", SILT_STR("gzip"));
            http_add_header(req, "Vary", SILT_STR("Accept-Encoding"));
        }
        gzip_output_destroy(gzip);
    }
    http_reply_answer(req, http_content_type(request->kind), body);
}

/* False: the request is as it was. */
static bool try_short(struct query_request *request, struct http_server *server, h2o_req_t *req)
{
    struct silt_read_allowance allowance;
    struct running running = {.stream = NULL};
    struct short_output output;
    union any_sink sink;

    if (request->async || request->kind == ANSWER_MSGPACK || !silt_query_may_be_short(request->query, &allowance))
        return false;
    short_output_init(&output);
    set_options(request, server, NULL);
    request->options.pool = NULL;
    request->options.allowance = &allowance;
    init_sink(&sink, request, server, &output.base);
    run_statements(&running, request, server, &sink.answer.base, &sink.answer.rows_written, NULL);
    enum silt_status rc = answer_finish(&sink.answer);
    answer_deinit(&sink.answer);
    if (rc != SILT_OK || output.is_full || allowance.is_exceeded)
        return false;
    log_slow(request, server, &running, (uint64_t)(output.base.next - output.base.start));
    send_short(req, request, &output);
    return true;
}

static bool answered_on_loop(struct http_loop *loop, h2o_req_t *req)
{
    struct http_server *server = loop->server;
    struct silt_error err;

    if (req->path.len + req->entity.len > SHORT_TEXT_BYTES_MAX)
        return false;
    http_note_user(req);
    struct query_request request = {.arena = silt_arena_create(&server->query_budget), .user = http_user(req)};
    int status = read_request(&request, server, req, &err);
    bool done = status != 0;
    if (status)
        http_error(req, status, request.refusal.len ? request.refusal : silt_error_text(&err));
    else
        done = try_short(&request, server, req);
    silt_arena_destroy(request.arena);
    return done;
}

/* ---------------------------------------------------------------- async: nobody listens */

static void log_error(struct silt_sink *sink, struct silt_str text)
{
    silt_log(SILT_LOG_INFO, "error in an asynchronous query", "error=\"%.*s\"", SILT_FMT(text));
}

static void run_async(struct query_request *request, struct http_server *server)
{
    struct running running;
    struct silt_sink sink = silent_sink;

    sink.error = log_error;
    running.stream = NULL;
    set_options(request, server, &server->stopping);
    run_statements(&running, request, server, &sink, NULL, NULL);
    log_slow(request, server, &running, 0);
}

static void answer_query(struct query_job *job)
{
    struct query_request request = {.arena = silt_arena_create(&job->server->query_budget), .user = job->user};
    struct silt_error err;
    int status = read_request(&request, job->server, stream_request(job->stream), &err);

    if (status) {
        stream_reply(job->stream, status, request.refusal.len ? request.refusal : silt_error_text(&err));
    } else if (request.async) {
        stream_reply(job->stream, 204, SILT_STR(""));
        run_async(&request, job->server);
    } else {
        run_into_stream(&request, job->server, job->stream);
    }
    silt_arena_destroy(request.arena);
}

void handle_query(struct http_loop *loop, h2o_req_t *req)
{
    if (!answered_on_loop(loop, req))
        query_job_submit(loop, req, answer_query, NULL);
}
