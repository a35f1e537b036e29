/*
 * handle_stats.c - /debug/vars and /metrics: collecting looks at every shard, so a worker does it.
 */
#include "server/authorize.h"
#include "server/stream.h"

#include <stdlib.h>

typedef void (*write_fn)(const struct stats_source *source, struct silt_arena *arena, struct silt_buffer *out);

struct stats_job {
    struct silt_job job;
    struct http_server *server;
    struct stream *stream;
    write_fn write;
    const char *content_type;
};

static void run_on_worker(struct silt_job *base)
{
    struct stats_job *job = H2O_STRUCT_FROM_MEMBER(struct stats_job, job, base);
    struct silt_arena *arena = silt_arena_create(&job->server->query_budget);
    struct silt_buffer text = {0};
    struct output *output;

    job->write(&job->server->stats, arena, &text);
    stream_set_type(job->stream, job->content_type, NULL);
    output = stream_output(job->stream);
    if (output_write(output, text.p, text.len) == SILT_OK && output->flush(output, OUTPUT_LAST) == SILT_OK)
        stream_finish(job->stream);
    else
        stream_abort(job->stream); /* the client left */
    silt_buffer_free(&text);
    silt_arena_destroy(arena);
    free(job);
}

static void start(struct http_loop *loop, h2o_req_t *req, write_fn write, const char *content_type)
{
    struct http_server *server = loop->server;

    if (silt_pool_queued(server->query_pool) >= server->options->query_queue_max) {
        http_error(req, 503, SILT_STR("too many queries are waiting"));
        return;
    }
    struct stats_job *job = silt_calloc(1, sizeof(*job));
    job->job.run = run_on_worker;
    job->server = server;
    job->write = write;
    job->content_type = content_type;
    job->stream = stream_create(req);
    silt_pool_submit(server->query_pool, &job->job);
}

void handle_debug_vars(struct http_loop *loop, h2o_req_t *req)
{
    if (loop->server->options->debug_auth && !authorize_admin(loop->server, http_user(req))) {
        http_error(req, 403, SILT_STR("error authorizing admin access"));
        return;
    }
    start(loop, req, stats_write_vars, "application/json; charset=utf-8");
}

void handle_metrics(struct http_loop *loop, h2o_req_t *req)
{
    start(loop, req, stats_write_metrics, "text/plain; version=0.0.4; charset=utf-8");
}
