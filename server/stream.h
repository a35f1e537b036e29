/*
 * stream.h - the answer to one request, made by a worker: a body in chunks that waits for a slow client, or an error.
 *
 *     worker:  output buffer --flush--> [64 KiB][64 KiB][64 KiB][64 KiB] --> loop: h2o_send --> client
 *              waits when all are full <------------ given back when sent
 *
 * A client that does not read holds no worker: another runs in its place meanwhile. Where too many such clients are waited for,
 * the answer of the one that took nothing for the longest is broken off, and its connection ended (stalled.h).
 *
 * Nothing goes out before the first flush, so that until then the worker may still answer with an error instead.
 *
 * A query that is killed or out of time does not wait for its client any more: what it still writes, the error and the
 * end of the document, is kept in the tail, which follows the buffers when the client comes round to reading them. The
 * worker is free at once.
 *
 * Threads: create on the loop; everything else by the one worker. The stream holds a reference for each side.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "server/http.h"
#include "server/output.h"

#define STREAM_BUFFER_COUNT 4
#define STREAM_TAIL_BYTES_MAX (4u << 20) /* a tail that grows beyond is an answer broken off */

struct stream;

/* Pends the request. Each stream ends with one of reply, finish and abort. */
struct stream *stream_create(h2o_req_t *req);
h2o_req_t *stream_request(struct stream *stream); /* to be read by the worker: it stays while the stream does not end */
const _Atomic bool *stream_gone(struct stream *stream);

/* Static texts, and what the body is packed with, NULL: nothing; before the first flush. */
void stream_set_type(struct stream *stream, const char *content_type, const char *encoding);
/* How large each is, at least as it is without; before stream_output. For bodies of many MB: every buffer handed over costs two
 * threads a wake-up, which on a busy machine takes longer than to fill it. */
void stream_set_buffers(struct stream *stream, size_t bytes);
struct output *stream_output(struct stream *stream);
/* Wait for the client until *killed or the moment, each if any: NULL and 0 are for ever. Worker only. */
void stream_set_patience(struct stream *stream, const _Atomic bool *killed, uint64_t deadline_monotonic_ns);
/* Of the body, handed on so far. Any thread while the stream is. */
const _Atomic uint64_t *stream_bytes(const struct stream *stream);

/* Instead of a body. 204: nothing; else an error. Gives the stream up. */
void stream_reply(struct stream *stream, int status, struct silt_str text);
/* The body is complete (the output was flushed with OUTPUT_LAST). Gives the stream up. */
void stream_finish(struct stream *stream);
/* The body cannot be completed: the client sees a broken answer. Gives the stream up. */
void stream_abort(struct stream *stream);

#endif
