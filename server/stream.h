/*
 * stream.h - the answer to one request, made by a worker: a body in chunks that waits for a slow client, or an error.
 *
 *     worker:  output buffer --flush--> [64 KiB][64 KiB][64 KiB][64 KiB] --> loop: h2o_send --> client
 *              waits when all are full <------------ given back when sent
 *
 * Nothing goes out before the first flush, so that until then the worker may still answer with an error instead.
 *
 * Threads: create on the loop; everything else by the one worker. The stream holds a reference for each side.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "server/http.h"
#include "server/output.h"

#define STREAM_BUFFER_COUNT 4

struct stream;

/* Pends the request. Each stream ends with one of reply, finish and abort. */
struct stream *stream_create(h2o_req_t *req);
h2o_req_t *stream_request(struct stream *stream); /* to be read by the worker: it stays while the stream does not end */
const _Atomic bool *stream_gone(struct stream *stream);

/* Static text, and whether the body is packed: before the first flush. */
void stream_set_type(struct stream *stream, const char *content_type, bool gzip);
struct output *stream_output(struct stream *stream);
/* Of the body, handed on so far. Any thread while the stream is. */
const _Atomic uint64_t *stream_bytes(const struct stream *stream);

/* Instead of a body. 204: nothing; else an error. Gives the stream up. */
void stream_reply(struct stream *stream, int status, struct silt_str text);
/* The body is complete (the output was flushed with OUTPUT_LAST). Gives the stream up. */
void stream_finish(struct stream *stream);
/* The body cannot be completed: the client sees a broken answer. Gives the stream up. */
void stream_abort(struct stream *stream);

#endif
