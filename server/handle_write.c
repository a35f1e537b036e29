/*
 * handle_write.c - POST /write, and whoever else has points for the store (handle_v2.c, Prometheus' remote write).
 *
 *     small plain body:   loop: parse, store                          -> durable -> 204
 *     large or packed:    loop -> worker: unpack, parse, store        -> durable -> loop: 204
 *
 * A small body is worth less than the way to a worker and back. The store says SILT_BUSY where it would have to wait;
 * then the parsed batch goes to a worker after all. The answer needs two things, in either order and from different
 * threads: the text about refused lines, and the log's word that the batch is durable. The second to come posts it.
 */
#include "server/authorize.h"
#include "server/forward.h"
#include "server/inflate.h"
#include "server/line_protocol.h"
#include "server/params.h"
#include "server/prom_write.h"
#include "server/snappy_block.h"
#include "server/write_report.h"

#include <stdlib.h>
#include <strings.h>

#define INLINE_BODY_BYTES_MAX ((size_t)256 * 1024)
#define SPARE_JOBS_MAX 32
#define SPARE_ARENA_BYTES_MAX ((size_t)4 << 20)

struct write_job {
    struct silt_job job;
    struct http_message message;
    struct http_pending pending;
    struct http_server *server;
    struct write_job *next_free;
    struct silt_arena *arena;

    struct silt_str database, rp; /* in the arena, or borrowed from the request */
    struct silt_str body;         /* borrowed from the request, or from inflated; empty once nobody needs it */
    struct silt_buffer inflated;
    enum write_format format;
    struct lp_options options;
    bool gzip, parsed;
    struct silt_batch batch;
    struct lp_errors errors;
    bool stored; /* the store took the batch; rows it refused: */
    size_t rows_dropped, rows_too_old;
    enum forward_outcome forwarded;

    _Atomic int parts; /* still missing before the answer */
    int status;
    struct silt_str text; /* of the error, in the arena */
    enum silt_status durable;
    struct silt_error durable_error;
};

/* ---------------------------------------------------------------- jobs */

static struct write_job *take_job(struct http_loop *loop)
{
    struct write_job *job = loop->free_writes;

    if (job) {
        loop->free_writes = job->next_free;
        loop->free_write_count--;
        return job;
    }
    job = silt_calloc(1, sizeof(*job));
    job->server = loop->server;
    job->arena = silt_arena_create(&loop->server->write_budget);
    return job;
}

static void free_inflated(struct write_job *job)
{
    silt_budget_release(&job->server->write_budget, job->inflated.capacity);
    silt_buffer_free(&job->inflated);
}

static void destroy_job(struct write_job *job)
{
    silt_arena_destroy(job->arena);
    free_inflated(job);
    free(job);
}

static void give_back(struct http_loop *loop, struct write_job *job)
{
    free_inflated(job);
    if (loop->free_write_count >= SPARE_JOBS_MAX || silt_arena_bytes(job->arena) > SPARE_ARENA_BYTES_MAX) {
        destroy_job(job);
        return;
    }
    silt_arena_reset(job->arena);
    struct silt_arena *arena = job->arena;
    memset(job, 0, sizeof(*job));
    job->arena = arena;
    job->server = loop->server;
    job->next_free = loop->free_writes;
    loop->free_writes = job;
    loop->free_write_count++;
}

void handle_write_free_spares(struct http_loop *loop)
{
    while (loop->free_writes) {
        struct write_job *job = loop->free_writes;
        loop->free_writes = job->next_free;
        destroy_job(job);
    }
    loop->free_write_count = 0;
}

/* ---------------------------------------------------------------- answering */

static void count(struct counters *counters, const struct write_job *job)
{
    size_t rows = job->batch.row_count;
    bool ok = job->stored && job->durable == SILT_OK;

    if (!job->parsed)
        return;
    count_one(counters, COUNT_WRITE_REQ);
    count_add(counters, COUNT_WRITE_POINT_REQ, rows);
    count_add(counters, COUNT_WRITE_POINT_REQ_LOCAL, rows);
    count_one(counters, ok ? COUNT_WRITE_OK : COUNT_WRITE_ERROR);
    count_add(counters, COUNT_WRITE_DROP, job->rows_too_old);
    if (job->forwarded != FORWARD_OFF)
        count_one(counters, job->forwarded == FORWARD_OK ? COUNT_WRITE_SUB_OK : COUNT_WRITE_SUB_DROP);
    count_add(counters, ok ? COUNT_HTTPD_POINTS_OK : COUNT_HTTPD_POINTS_FAIL, rows - job->rows_dropped);
    count_add(counters, COUNT_HTTPD_POINTS_DROPPED, job->rows_dropped);
}

static void answer(struct write_job *job)
{
    struct http_loop *loop = job->pending.loop;

    count(loop->counters, job);
    h2o_req_t *req = http_unpend(&job->pending);

    if (req && job->durable != SILT_OK)
        http_error(req, 503, silt_str_from(job->durable_error.text));
    else if (req && job->status == 204)
        http_reply(req, 204, "", SILT_STR(""));
    else if (req)
        http_error(req, job->status, job->text);
    give_back(loop, job);
}

static void on_message(struct http_message *message)
{
    answer(H2O_STRUCT_FROM_MEMBER(struct write_job, message, message));
}

/* True for the caller that was the last: it sees to the answer. The job may be gone for the other. */
static bool part_done(struct write_job *job)
{
    return atomic_fetch_sub(&job->parts, 1) == 1;
}

/* From the log's thread, or from within the write. */
static void on_written(void *arg, enum silt_status status, const struct silt_error *err)
{
    struct write_job *job = arg;

    job->durable = status;
    if (status != SILT_OK) {
        if (err)
            job->durable_error = *err;
        else
            silt_fail(&job->durable_error, status, "%s", silt_status_name(status));
    }
    if (part_done(job))
        http_post(job->pending.loop, &job->message);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void fail(struct write_job *job, int status, const char *text)
{
    job->status = status;
    job->text = silt_arena_str(job->arena, silt_str_from(text));
}

static void fail_write(struct write_job *job, enum silt_status rc, const struct silt_error *err)
{
    int status = 500;

    switch (rc) {
    case SILT_NOT_FOUND: /* an unknown policy is InfluxDB's 500; Prometheus would send that again for ever */
        status = job->format == WRITE_PROMETHEUS || starts_with(err->text, "database not found") ? 404 : 500;
        break;
    case SILT_INVALID:
    case SILT_CONFLICT:
    case SILT_LIMIT:
        status = 400;
        break;
    case SILT_BUSY:
    case SILT_NO_SPACE:
    case SILT_IO: /* the log does not take it */
        status = 503;
        break;
    default:
        break;
    }
    fail(job, status, silt_error_text(err).p);
}

/* ---------------------------------------------------------------- the work */

enum progress { FINISHED, WAITING, MUST_WAIT };

static enum silt_status read_lines(struct write_job *job, struct silt_error *err)
{
    enum silt_status rc;

    if (job->gzip) {
        rc = inflate_gzip(job->body, job->server->options->inflated_bytes_max, &job->server->write_budget,
                          &job->inflated, err);
        if (rc != SILT_OK)
            return rc;
        job->body = (struct silt_str){job->inflated.p ? job->inflated.p : "", job->inflated.len};
    }
    return lp_parse(job->body.p, job->body.len, &job->options, job->arena, &job->batch, &job->errors, err);
}

static enum silt_status read_prometheus(struct write_job *job, struct silt_error *err)
{
    struct silt_str message;
    enum silt_status rc =
        snappy_unpack(job->body, job->server->options->inflated_bytes_max, job->arena, &message, err);

    job->body = (struct silt_str){NULL, 0}; /* there are no lines in it to be told of or passed on */
    return rc == SILT_OK ? prom_write_parse(message, job->arena, &job->batch, &job->errors, err) : rc;
}

static bool prepare(struct write_job *job)
{
    struct silt_error err;
    enum silt_status rc;

    if (job->parsed)
        return true;
    rc = job->format == WRITE_PROMETHEUS ? read_prometheus(job, &err) : read_lines(job, &err);
    if (rc != SILT_OK) {
        fail(job, rc == SILT_LIMIT ? 413 : rc == SILT_BUSY ? 503 : 400, silt_error_text(&err).p);
        return false;
    }
    job->parsed = true;
    return true;
}

/* FINISHED: the caller answers. WAITING: on_written does, the job must not be touched. MUST_WAIT: nothing was
 * written, to be called again where waiting is allowed. */
static enum progress run(struct write_job *job, bool may_wait)
{
    struct silt_write_report report = {0};
    struct silt_error err;
    enum silt_status rc;

    job->status = 204;
    if (!prepare(job))
        return FINISHED;
    /* Of a body without a good line only the database counts. */
    struct silt_str rp = job->batch.row_count ? job->rp : (struct silt_str){NULL, 0};
    atomic_store(&job->parts, 2);
    rc = silt_storage_write(job->server->storage, job->database, rp, &job->batch, may_wait, job->arena, &report,
                            on_written, job, &err);
    if (rc == SILT_BUSY && !may_wait && !starts_with(err.text, "memory"))
        return MUST_WAIT;
    if (rc == SILT_NOT_FOUND && job->batch.row_count == 0 && starts_with(err.text, "retention policy"))
        part_done(job);
    else if (rc != SILT_OK) {
        fail_write(job, rc, &err);
        return FINISHED;
    }
    job->stored = rc == SILT_OK;
    if (job->stored)
        job->forwarded = forward_write(job->server->stats.forward, job->database, job->body, &job->batch, &report);
    job->rows_dropped = report.rejection_count;
    for (size_t i = 0; i < report.rejection_count; i++)
        job->rows_too_old += report.rejections[i].why == SILT_REJECT_RETENTION;
    struct silt_str told = write_report_text(job->body, &job->errors, &job->batch, &report, job->arena);
    if (told.len) {
        job->status = 400;
        job->text = told;
    }
    return part_done(job) ? FINISHED : WAITING;
}

static void run_on_worker(struct silt_job *base)
{
    struct write_job *job = H2O_STRUCT_FROM_MEMBER(struct write_job, job, base);

    if (run(job, true) == FINISHED)
        http_post(job->pending.loop, &job->message);
}

static void submit(struct write_job *job)
{
    struct http_server *server = job->server;

    if (silt_pool_queued(server->write_pool) >= server->options->write_queue_max) {
        fail(job, 503, "request throttled, queue full");
        answer(job);
        return;
    }
    job->job.run = run_on_worker;
    silt_pool_submit(server->write_pool, &job->job);
}

/* ---------------------------------------------------------------- the request */

static int64_t precision_ns(struct silt_str name)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"u", 1000},          {"\xC2\xB5", 1000},  {"ms", 1000000},
                 {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};

    /* Every other word is nanoseconds, `us` too: clients that send it send nanoseconds with it. */
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (silt_str_equal(name, silt_str_from(units[i].name)))
            return units[i].ns;
    return 1;
}

static bool is_consistency(struct silt_str name)
{
    static const char *const names[] = {"any", "one", "quorum", "all"};

    for (size_t i = 0; i < 4; i++)
        if (name.len == strlen(names[i]) && strncasecmp(name.p, names[i], name.len) == 0)
            return true;
    return name.len == 0;
}

/* /write?db=&rp=&precision= */
static int address_of(const struct params *params, struct silt_arena *arena, struct write_address *out,
                      struct silt_error *err)
{
    out->database = params_get_url(params, "db");
    out->rp = params_get_url(params, "rp");
    out->precision_ns = precision_ns(params_get_url(params, "precision"));
    if (out->database.len)
        return 0;
    silt_fail(err, SILT_INVALID, "database is required");
    return 400;
}

void handle_write(struct http_loop *loop, h2o_req_t *req)
{
    handle_write_to(loop, req, address_of, WRITE_LINES);
}

/* The second version of the message has its series in other fields: read as the first it would be empty, and lost. 415 is
 * what its specification asks for. */
void handle_prom_write(struct http_loop *loop, h2o_req_t *req)
{
    static const char second[] = "io.prometheus.write.v2.";
    struct silt_str type = http_header(req, "content-type");

    if (type.len && memmem(type.p, type.len, second, sizeof(second) - 1))
        http_error(req, 415, SILT_STR("only prometheus.WriteRequest is supported"));
    else
        handle_write_to(loop, req, address_of, WRITE_PROMETHEUS);
}

void handle_write_to(struct http_loop *loop, h2o_req_t *req, write_address_fn address_fn, enum write_format format)
{
    struct write_job *job = take_job(loop);
    struct params params = {0};
    struct write_address address = {0};
    struct silt_error err;
    struct silt_str encoding = http_header(req, "content-encoding");
    int refused = 0;

    http_note_user(req);
    if (params_add_urlencoded(&params, http_query_string(req), true, job->arena, &err) != SILT_OK)
        refused = 400;
    else if ((refused = address_fn(&params, job->arena, &address, &err)) == 0 &&
             (refused = authorize_write(loop->server, http_user(req), address.database, "write to", &err)) == 0 &&
             !is_consistency(params_get_url(&params, "consistency"))) {
        refused = 400;
        silt_fail(&err, SILT_INVALID, "invalid consistency level");
    }
    if (refused) {
        http_error(req, refused, silt_str_from(err.text));
        give_back(loop, job);
        return;
    }
    job->database = address.database;
    job->rp = address.rp;
    job->options.now = silt_clock_now();
    job->options.precision_ns = address.precision_ns;
    job->body = http_str(req->entity);
    job->format = format;
    job->gzip = format == WRITE_LINES && encoding.len == 4 && strncasecmp(encoding.p, "gzip", 4) == 0;
    job->message.run = on_message;
    http_pend(&job->pending, req, NULL);
    size_t bytes = format == WRITE_PROMETHEUS ? snappy_claimed(job->body) : job->body.len;
    if (job->gzip || bytes > INLINE_BODY_BYTES_MAX) {
        submit(job);
        return;
    }
    switch (run(job, false)) {
    case FINISHED:
        answer(job);
        break;
    case MUST_WAIT:
        submit(job);
        break;
    case WAITING:
        break;
    }
}
