/*
 * query_job.c - see query_job.h.
 */
#include "server/query_job.h"

#include <stdlib.h>

static void run_on_worker(struct silt_job *base)
{
    struct query_job *job = H2O_STRUCT_FROM_MEMBER(struct query_job, job, base);

    job->answer(job);
    free((char *)(uintptr_t)job->user.p);
    free(job);
}

void query_job_submit(struct http_loop *loop, h2o_req_t *req, void (*answer)(struct query_job *job), const void *what)
{
    struct http_server *server = loop->server;
    struct silt_str user;

    http_note_user(req);
    if (silt_pool_queued(server->query_pool) >= server->options->query_queue_max) {
        http_error(req, 503, SILT_STR("too many queries are waiting"));
        return;
    }
    struct query_job *job = silt_calloc(1, sizeof(*job));
    job->job.run = run_on_worker;
    job->answer = answer;
    job->what = what;
    job->server = server;
    user = http_user(req);
    if (user.len)
        job->user = (struct silt_str){silt_strdup(user), user.len};
    job->stream = stream_create(req);
    silt_pool_submit(server->query_pool, &job->job);
}
