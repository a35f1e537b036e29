/*
 * query_job.h - a request that a query worker answers: handed over by the loop, so that the loop never waits.
 *
 *     loop: too many waiting? 503 : query_job_submit -> worker: answer(job) -> stream_reply, _finish or _abort
 */
#ifndef SERVER_QUERY_JOB_H
#define SERVER_QUERY_JOB_H

#include "server/stream.h"

struct query_job {
    struct silt_job job;
    void (*answer)(struct query_job *job);
    const void *what; /* the answer's own: of the process's life */
    struct http_server *server;
    struct stream *stream; /* answer gives it up */
    struct silt_str user;  /* empty: none */
};

void query_job_submit(struct http_loop *loop, h2o_req_t *req, void (*answer)(struct query_job *job), const void *what);

#endif
