/*
 * handle_stats.c - /debug/vars and /metrics: collecting looks at every shard, so a worker does it.
 */
#include "server/authorize.h"
#include "server/query_job.h"

struct page {
    void (*write)(const struct stats_source *source, struct silt_arena *arena, struct silt_buffer *out);
    const char *content_type;
};

static void answer_page(struct query_job *job)
{
    const struct page *page = job->what;
    struct silt_arena *arena = silt_arena_create(&job->server->query_budget);
    struct silt_buffer text = {0};
    struct output *output;

    page->write(&job->server->stats, arena, &text);
    stream_set_type(job->stream, page->content_type, NULL);
    output = stream_output(job->stream);
    if (output_write(output, text.p, text.len) == SILT_OK && output->flush(output, OUTPUT_LAST) == SILT_OK)
        stream_finish(job->stream);
    else
        stream_abort(job->stream); /* the client left */
    silt_buffer_free(&text);
    silt_arena_destroy(arena);
}

void handle_debug_vars(struct http_loop *loop, h2o_req_t *req)
{
    static const struct page page = {stats_write_vars, "application/json; charset=utf-8"};

    if (loop->server->options->debug_auth && !authorize_admin(loop->server, http_user(req))) {
        http_error(req, 403, SILT_STR("error authorizing admin access"));
        return;
    }
    query_job_submit(loop, req, answer_page, &page);
}

void handle_metrics(struct http_loop *loop, h2o_req_t *req)
{
    static const struct page page = {stats_write_metrics, "text/plain; version=0.0.4; charset=utf-8"};

    query_job_submit(loop, req, answer_page, &page);
}
