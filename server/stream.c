/*
 * stream.c - see stream.h.
 *
 * Buffers are a ring: `written` counts those the worker has handed over, `taken` those given to the library, `sent`
 * those the client's socket has taken. The worker fills buffer `written % N` and waits while written - sent == N, after a
 * moment without its place among the workers (stalled.h). When it must not wait any more, it goes on in a buffer of its
 * own, which flush copies to the tail; that is sent with the last.
 */
#include "server/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define PATIENCE_CHECK_NS 50000000 /* how often a worker that waits looks whether it still should */
#define STALL_NS 20000000          /* so long it waits as a worker: most clients are quicker */

enum ending { ENDING_NONE, ENDING_REPLY, ENDING_BODY, ENDING_ABORT };

struct generator { /* in the request's pool */
    h2o_generator_t base;
    struct stream *stream;
};

struct stream {
    /* worker only; a word apart from the loop's flags, which compilers read several at a time */
    struct output output;
    size_t buffer_bytes;
    _Atomic uint64_t bytes; /* handed on; any thread reads it */
    bool lost; /* a buffer could not be handed over: the body cannot be made whole any more */
    const _Atomic bool *killed;
    uint64_t deadline_ns; /* monotonic; 0: none */
    char *spare;          /* what output writes to once the worker waits no more; NULL: it does */
    struct stalled stalled;

    struct http_pending pending;
    struct http_message message;
    _Atomic int references;

    /* loop only */
    struct generator *generator;
    bool started, sending, ended;

    /* worker until the first flush, then read only */
    const char *content_type;
    const char *encoding; /* NULL: none */

    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    char *buffers[STREAM_BUFFER_COUNT];
    size_t lens[STREAM_BUFFER_COUNT];
    unsigned written, taken, sent;
    bool posted; /* the message is on its way */
    bool cancelled;
    bool broken_off; /* and its connection is to be ended: the client may never read what lies in the buffers */
    enum ending ending;
    int status;
    struct silt_buffer text; /* of the reply */
    struct silt_buffer tail; /* the worker's until the ending is set, the loop's then */
};

static void release(struct stream *stream)
{
    if (atomic_fetch_sub(&stream->references, 1) != 1)
        return;
    for (int i = 0; i < STREAM_BUFFER_COUNT; i++)
        free(stream->buffers[i]);
    free(stream->spare);
    silt_buffer_free(&stream->text);
    silt_buffer_free(&stream->tail);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

/* Any thread: the worker, waiting for room, shall see that there is nobody to wait for. */
static void on_gone(struct http_pending *pending)
{
    struct stream *stream = H2O_STRUCT_FROM_MEMBER(struct stream, pending, pending);

    pthread_mutex_lock(&stream->lock);
    stream->cancelled = true;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

/* ---------------------------------------------------------------- loop side */

static void pump(struct stream *stream);

static void on_proceed(h2o_generator_t *base, h2o_req_t *req)
{
    struct stream *stream = ((struct generator *)base)->stream;

    stream->sending = false;
    pthread_mutex_lock(&stream->lock);
    stream->sent = stream->taken;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
    pump(stream);
}

/* The request goes, answered or not: buffers are not looked at any more, and no proceed will come. */
static void on_generator_disposed(void *arg)
{
    struct stream *stream = ((struct generator *)arg)->stream;

    on_gone(&stream->pending);
    pthread_mutex_lock(&stream->lock);
    bool last = stream->ending != ENDING_NONE;
    pthread_mutex_unlock(&stream->lock);
    stream->generator = NULL;
    stream->sending = false;
    if (last && !stream->ended) {
        stream->ended = true;
        http_unpend(&stream->pending);
    }
    release(stream);
}

static void start_response(struct stream *stream, h2o_req_t *req)
{
    struct http_connection *connection = http_connection_of(req);
    struct generator *generator = h2o_mem_alloc_shared(&req->pool, sizeof(*generator), on_generator_disposed);

    generator->base = (h2o_generator_t){on_proceed, NULL};
    generator->stream = stream;
    stream->generator = generator;
    atomic_fetch_add(&stream->references, 1);
    if (connection)
        connection->own_reply = true;
    http_add_standard_headers(req);
    req->res.status = 200;
    req->res.reason = http_reason(200);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, "Content-Type", stream->content_type,
                   strlen(stream->content_type));
    if (stream->encoding) {
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_ENCODING, "Content-Encoding", stream->encoding,
                       strlen(stream->encoding));
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_VARY, "Vary", H2O_STRLIT("Accept-Encoding"));
    }
    h2o_start_response(req, &generator->base);
    stream->started = true;
}

static void send_reply(struct stream *stream, h2o_req_t *req)
{
    if (stream->status == 204)
        http_reply(req, 204, "", SILT_STR(""));
    else
        http_error(req, stream->status, (struct silt_str){stream->text.p, stream->text.len});
}

/* Send what is there, unless something is being sent. */
static void pump(struct stream *stream)
{
    h2o_iovec_t parts[STREAM_BUFFER_COUNT + 1];
    size_t count = 0;
    bool last;
    enum ending ending;

    pthread_mutex_lock(&stream->lock);
    bool broken_off = stream->broken_off;
    pthread_mutex_unlock(&stream->lock);
    if (broken_off && stream->pending.req && http_connection_of(stream->pending.req))
        shutdown(h2o_socket_get_fd(http_connection_of(stream->pending.req)->socket), SHUT_RDWR);
    if (stream->sending || stream->ended)
        return;
    pthread_mutex_lock(&stream->lock);
    for (; stream->taken != stream->written; stream->taken++) {
        unsigned i = stream->taken % STREAM_BUFFER_COUNT;
        if (stream->lens[i])
            parts[count++] = h2o_iovec_init(stream->buffers[i], stream->lens[i]);
    }
    ending = stream->ending;
    last = ending != ENDING_NONE;
    if (ending == ENDING_BODY && stream->tail.len)
        parts[count++] = h2o_iovec_init(stream->tail.p, stream->tail.len);
    pthread_mutex_unlock(&stream->lock);
    if (!count && !last)
        return;

    h2o_req_t *req = stream->pending.req;
    stream->ended = last;
    if (last)
        http_unpend(&stream->pending); /* the worker is done with the request */
    if (!req)
        return;
    if (ending == ENDING_REPLY) {
        send_reply(stream, req);
        return;
    }
    if (!stream->started && ending == ENDING_ABORT) {
        http_error(req, 500, SILT_STR("the answer could not be completed"));
        return;
    }
    if (!stream->started)
        start_response(stream, req);
    stream->sending = true;
    h2o_send(req, parts, count,
             ending == ENDING_ABORT  ? H2O_SEND_STATE_ERROR
             : ending == ENDING_BODY ? H2O_SEND_STATE_FINAL
                                     : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_message(struct http_message *message)
{
    struct stream *stream = H2O_STRUCT_FROM_MEMBER(struct stream, message, message);

    pthread_mutex_lock(&stream->lock);
    stream->posted = false;
    pthread_mutex_unlock(&stream->lock);
    pump(stream);
    release(stream);
}

/* ---------------------------------------------------------------- worker side */

static void post_locked(struct stream *stream, bool *post)
{
    *post = !stream->posted;
    if (*post) {
        stream->posted = true;
        atomic_fetch_add(&stream->references, 1); /* the message's */
    }
}

static void new_buffer(struct stream *stream, unsigned index)
{
    char **buffer = &stream->buffers[index % STREAM_BUFFER_COUNT];

    if (!*buffer)
        *buffer = silt_malloc(stream->buffer_bytes);
    stream->output.start = stream->output.next = *buffer;
    stream->output.end = *buffer + stream->buffer_bytes;
}

static bool idle(struct output *output)
{
    struct stream *stream = (struct stream *)output;

    pthread_mutex_lock(&stream->lock);
    bool nothing_queued = stream->sent == stream->written;
    pthread_mutex_unlock(&stream->lock);
    return nothing_queued;
}

/* What is written from here on is thrown away, in a buffer nobody else looks at. */
static enum silt_status lose(struct stream *stream)
{
    static _Thread_local char sink[OUTPUT_BUFFER_BYTES];

    stream->lost = true;
    stream->output.start = stream->output.next = sink;
    stream->output.end = sink + sizeof(sink);
    return SILT_CANCELLED;
}

static bool out_of_patience(const struct stream *stream)
{
    return (stream->killed && atomic_load_explicit(stream->killed, memory_order_relaxed)) ||
           (stream->deadline_ns && silt_clock_monotonic_ns() > stream->deadline_ns);
}

static bool is_full_locked(const struct stream *stream)
{
    return stream->written - stream->sent == STREAM_BUFFER_COUNT && !stream->cancelled;
}

/* Others need its place among those that wait: any thread. */
static void break_off(struct stalled *stalled)
{
    struct stream *stream = H2O_STRUCT_FROM_MEMBER(struct stream, stalled, stalled);
    bool post;

    atomic_store(&stream->pending.gone, true);
    pthread_mutex_lock(&stream->lock);
    stream->cancelled = stream->broken_off = true;
    post_locked(stream, &post);
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
    if (post)
        http_post(stream->pending.loop, &stream->message);
}

/* Until the client has taken a buffer, or there is none. False: no waiting for it any more. */
static bool wait_for_buffer(struct stream *stream)
{
    struct stalled_list *list = &stream->pending.loop->server->stalled;
    bool aside = false, patient = true;

    pthread_mutex_lock(&stream->lock);
    while (is_full_locked(stream) && (patient = !out_of_patience(stream))) {
        struct timespec until = silt_clock_in(aside ? PATIENCE_CHECK_NS : STALL_NS);
        int rc = pthread_cond_timedwait(&stream->changed, &stream->lock, &until);
        if (rc != ETIMEDOUT || aside || !is_full_locked(stream))
            continue;
        pthread_mutex_unlock(&stream->lock); /* its time to be broken off: the list's lock comes first */
        aside = stalled_begin(list, &stream->stalled);
        pthread_mutex_lock(&stream->lock);
    }
    pthread_mutex_unlock(&stream->lock);
    if (aside)
        stalled_end(list, &stream->stalled);
    return patient;
}

static enum silt_status flush_to_tail(struct stream *stream)
{
    struct output *output = &stream->output;
    size_t len = (size_t)(output->next - output->start);

    if (stream->tail.len + len > STREAM_TAIL_BYTES_MAX)
        return lose(stream);
    silt_buffer_append(&stream->tail, output->start, len);
    atomic_fetch_add_explicit(&stream->bytes, len, memory_order_relaxed);
    output->next = output->start;
    output->flushed++;
    return SILT_OK;
}

static enum silt_status flush(struct output *output, enum output_flush why)
{
    struct stream *stream = (struct stream *)output;
    bool post = false;

    if (stream->lost) {
        output->next = output->start;
        return SILT_CANCELLED;
    }
    if (why == OUTPUT_LAST || output->next == output->start)
        return SILT_OK; /* the rest leaves with stream_finish */
    if (stream->spare)
        return why == OUTPUT_SOON ? SILT_OK : flush_to_tail(stream);
    pthread_mutex_lock(&stream->lock);
    if (why == OUTPUT_SOON && stream->sent != stream->written) {
        pthread_mutex_unlock(&stream->lock);
        return SILT_OK;
    }
    size_t len = (size_t)(output->next - output->start);
    stream->lens[stream->written % STREAM_BUFFER_COUNT] = len;
    stream->written++;
    output->flushed++;
    atomic_fetch_add_explicit(&stream->bytes, len, memory_order_relaxed);
    post_locked(stream, &post);
    unsigned index = stream->written;
    pthread_mutex_unlock(&stream->lock);
    if (post)
        http_post(stream->pending.loop, &stream->message);

    bool patient = wait_for_buffer(stream);
    pthread_mutex_lock(&stream->lock);
    bool cancelled = stream->cancelled;
    pthread_mutex_unlock(&stream->lock);
    if (cancelled)
        return lose(stream);
    if (!patient) {
        stream->spare = silt_malloc(OUTPUT_BUFFER_BYTES);
        output->start = output->next = stream->spare;
        output->end = stream->spare + OUTPUT_BUFFER_BYTES;
        return SILT_OK;
    }
    new_buffer(stream, index);
    return SILT_OK;
}

struct stream *stream_create(h2o_req_t *req)
{
    struct stream *stream = silt_calloc(1, sizeof(*stream));

    pthread_mutex_init(&stream->lock, NULL);
    silt_cond_init(&stream->changed);
    atomic_init(&stream->references, 1); /* the worker's */
    stream->message.run = on_message;
    stream->content_type = "application/json";
    stream->buffer_bytes = OUTPUT_BUFFER_BYTES;
    stream->stalled.break_off = break_off;
    stream->output.flush = flush;
    stream->output.idle = idle;
    http_pend(&stream->pending, req, on_gone);
    return stream;
}

h2o_req_t *stream_request(struct stream *stream)
{
    return stream->pending.req;
}

const _Atomic bool *stream_gone(struct stream *stream)
{
    return &stream->pending.gone;
}

const _Atomic uint64_t *stream_bytes(const struct stream *stream)
{
    return &stream->bytes;
}

void stream_set_type(struct stream *stream, const char *content_type, const char *encoding)
{
    stream->content_type = content_type;
    stream->encoding = encoding;
}

void stream_set_buffers(struct stream *stream, size_t bytes)
{
    silt_assert(!stream->output.start && bytes >= OUTPUT_BUFFER_BYTES);
    stream->buffer_bytes = bytes;
}

struct output *stream_output(struct stream *stream)
{
    if (!stream->output.start)
        new_buffer(stream, 0);
    return &stream->output;
}

void stream_set_patience(struct stream *stream, const _Atomic bool *killed, uint64_t deadline_monotonic_ns)
{
    stream->killed = killed;
    stream->deadline_ns = deadline_monotonic_ns;
}

/* The last message: on the loop it unpends the request. */
static void end(struct stream *stream, enum ending ending)
{
    bool post;

    if (ending == ENDING_BODY && stream->spare && !stream->lost)
        flush_to_tail(stream);
    pthread_mutex_lock(&stream->lock);
    if (ending == ENDING_BODY && stream->lost)
        ending = ENDING_ABORT;
    if (ending == ENDING_BODY && stream->output.next != stream->output.start) {
        stream->lens[stream->written % STREAM_BUFFER_COUNT] = (size_t)(stream->output.next - stream->output.start);
        stream->written++;
    }
    stream->ending = ending;
    post_locked(stream, &post);
    pthread_mutex_unlock(&stream->lock);
    if (post)
        http_post(stream->pending.loop, &stream->message);
    release(stream);
}

void stream_reply(struct stream *stream, int status, struct silt_str text)
{
    stream->status = status;
    silt_buffer_str(&stream->text, text);
    end(stream, ENDING_REPLY);
}

void stream_finish(struct stream *stream)
{
    end(stream, ENDING_BODY);
}

void stream_abort(struct stream *stream)
{
    end(stream, ENDING_ABORT);
}
