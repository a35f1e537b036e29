/*
 * http_reply.c - whole answers, their headers, and the library's own errors in our form.
 */
#include "server/auth_read.h"
#include "server/csv_sink.h"
#include "server/http.h"
#include "server/msgpack_sink.h"
#include "server/params.h"
#include "silt/version.h"

#include <fcntl.h>
#include <stdio.h>
#include <strings.h>

#define ERROR_HEADER_BYTES_MAX 1024

const char *http_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 429:
        return "Too Many Requests";
    case 413:
        return "Request Entity Too Large";
    case 415:
        return "Unsupported Media Type";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

bool http_is_method(const h2o_req_t *req, const char *method)
{
    return silt_str_equal(http_str(req->method), silt_str_from(method));
}

struct silt_str http_header(const h2o_req_t *req, const char *lower_case_name)
{
    size_t len = strlen(lower_case_name);

    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (header->name && header->name->len == len && header->name->base &&
            memcmp(header->name->base, lower_case_name, len) == 0)
            return http_str(header->value);
    }
    return (struct silt_str){NULL, 0};
}

struct silt_str http_path(const h2o_req_t *req)
{
    return (struct silt_str){req->path.base, req->query_at == SIZE_MAX ? req->path.len : req->query_at};
}

struct silt_str http_query_string(const h2o_req_t *req)
{
    if (req->query_at == SIZE_MAX)
        return (struct silt_str){NULL, 0};
    return (struct silt_str){req->path.base + req->query_at + 1, req->path.len - req->query_at - 1};
}

static h2o_iovec_t copy_to_pool(h2o_req_t *req, struct silt_str text)
{
    return h2o_strdup(&req->pool, text.len ? text.p : "", text.len);
}

struct silt_str http_user(h2o_req_t *req)
{
    struct http_connection *connection = http_connection_of(req);

    return connection && connection->authenticated ? http_str(connection->user) : SILT_STR("");
}

void http_note_user(h2o_req_t *req)
{
    struct http_connection *connection = http_connection_of(req);
    struct silt_str header = http_header(req, "authorization"), query = http_query_string(req);
    struct params params = {0};
    struct auth auth;

    if (!connection || connection->authenticated || !http_loop_of(req)->log || (!header.len && (!query.len || !memmem(query.p, query.len, "u=", 2))))
        return;
    struct silt_arena *arena = silt_arena_create(NULL);
    if (params_add_urlencoded(&params, query, PARAM_URL, arena, NULL) == SILT_OK) {
        auth_read(&auth, params_get(&params, "u"), params_get(&params, "p"), header, arena);
        if (auth.kind == AUTH_USER)
            connection->user = copy_to_pool(req, auth.user);
    }
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- headers */

/* name is static; the value's line breaks become blanks, for they would end the header. */
void http_add_header(h2o_req_t *req, const char *name, struct silt_str value)
{
    h2o_iovec_t copy = copy_to_pool(req, value);
    char *lower = h2o_mem_alloc_pool(&req->pool, strlen(name));
    size_t len = strlen(name);

    for (size_t i = 0; i < copy.len; i++)
        if (copy.base[i] == '\n' || copy.base[i] == '\r' || copy.base[i] == 0)
            copy.base[i] = ' ';
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    h2o_add_header_by_str(&req->pool, &req->res.headers, lower, len, 0, name, copy.base, copy.len);
}

#define ADD_STATIC(req, lower, name, value)                                                                            \
    h2o_add_header_by_str(&(req)->pool, &(req)->res.headers, H2O_STRLIT(lower), 0, name, H2O_STRLIT(value))

/* A time-based UUID (version 1): unique within a server by loop and serial number. */
static h2o_iovec_t make_request_id(h2o_req_t *req)
{
    static const char hex[] = "0123456789abcdef";
    struct http_loop *loop = http_loop_of(req);
    /* 100 ns since 1582-10-15; the serial number keeps ids of one instant apart. */
    uint64_t ticks = (uint64_t)silt_clock_now() / 100 + 0x01B21DD213814000ULL;
    uint64_t serial = ++loop->request_serial;
    uint8_t id[16] = {
        (uint8_t)(ticks >> 24), (uint8_t)(ticks >> 16), (uint8_t)(ticks >> 8),  (uint8_t)ticks,
        (uint8_t)(ticks >> 40), (uint8_t)(ticks >> 32), (uint8_t)(0x10 | (ticks >> 56 & 0x0F)), (uint8_t)(ticks >> 48),
        (uint8_t)(0x80 | (loop->index >> 8 & 0x3F)), (uint8_t)loop->index,
        (uint8_t)(serial >> 40), (uint8_t)(serial >> 32), (uint8_t)(serial >> 24), (uint8_t)(serial >> 16),
        (uint8_t)(serial >> 8), (uint8_t)serial};
    char *text = h2o_mem_alloc_pool(&req->pool, 36), *to = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[id[i] >> 4];
        *to++ = hex[id[i] & 15];
    }
    return h2o_iovec_init(text, 36);
}

static h2o_iovec_t request_id(h2o_req_t *req)
{
    struct silt_str given = http_header(req, "x-request-id");

    if (given.len == 0)
        given = http_header(req, "request-id");
    if (given.len == 0 || given.len > 1024)
        return make_request_id(req);
    return h2o_iovec_init(given.p, given.len); /* lives as long as the request */
}

static void add_version_headers(h2o_req_t *req)
{
    ADD_STATIC(req, "x-influxdb-build", "X-Influxdb-Build", SILT_INFLUX_BUILD);
    ADD_STATIC(req, "x-influxdb-version", "X-Influxdb-Version", SILT_INFLUX_VERSION);
    ADD_STATIC(req, "x-silt-version", "X-Silt-Version", SILT_VERSION);
}

void http_add_standard_headers(h2o_req_t *req)
{
    struct http_connection *connection = http_connection_of(req);
    struct silt_str origin = http_header(req, "origin");
    h2o_iovec_t id = request_id(req);

    if (connection)
        connection->request_id = id;
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("request-id"), 0, "Request-Id", id.base, id.len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-request-id"), 0, "X-Request-Id", id.base,
                          id.len);
    add_version_headers(req);
    if (origin.len == 0)
        return;
    http_add_header(req, "Access-Control-Allow-Origin", origin);
    ADD_STATIC(req, "access-control-allow-methods", "Access-Control-Allow-Methods", "DELETE, GET, OPTIONS, POST, PUT");
    ADD_STATIC(req, "access-control-allow-headers", "Access-Control-Allow-Headers",
               "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token, "
               "X-HTTP-Method-Override");
    ADD_STATIC(req, "access-control-expose-headers", "Access-Control-Expose-Headers",
               "Date, X-InfluxDB-Version, X-InfluxDB-Build");
}

static void add_error_header(h2o_req_t *req, struct silt_str text)
{
    if (text.len > ERROR_HEADER_BYTES_MAX)
        text.len = ERROR_HEADER_BYTES_MAX;
    while (text.len && (*text.p == ' ' || *text.p == '\n' || *text.p == '\r' || *text.p == '\t')) {
        text.p++;
        text.len--;
    }
    while (text.len && (text.p[text.len - 1] == ' ' || text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r' ||
                        text.p[text.len - 1] == '\t'))
        text.len--;
    http_add_header(req, "X-Influxdb-Error", text);
}

/* ---------------------------------------------------------------- answers */

/* pretty=true, which counts in the URL only. */
static bool wants_pretty(const h2o_req_t *req)
{
    static const char wanted[] = "pretty=true";
    const size_t len = sizeof(wanted) - 1;

    if (req->query_at == SIZE_MAX)
        return false;
    for (size_t at = req->query_at + 1; at + len <= req->path.len; at++) {
        bool begins = req->path.base[at - 1] == '?' || req->path.base[at - 1] == '&';
        bool ends = at + len == req->path.len || req->path.base[at + len] == '&';
        if (begins && ends && memcmp(req->path.base + at, wanted, len) == 0)
            return true;
    }
    return false;
}

enum answer_kind http_answer_kind(const h2o_req_t *req)
{
    struct silt_str accept = http_header(req, "accept");

    while (accept.len && (accept.p[accept.len - 1] == ' ' || accept.p[accept.len - 1] == '\t'))
        accept.len--;
    if (silt_str_equal(accept, SILT_STR("application/csv")) || silt_str_equal(accept, SILT_STR("text/csv")))
        return ANSWER_CSV;
    return silt_str_equal(accept, SILT_STR("application/x-msgpack")) ? ANSWER_MSGPACK : ANSWER_JSON;
}

const char *http_content_type(enum answer_kind kind)
{
    static const char *const types[] = {
        [ANSWER_JSON] = "application/json", [ANSWER_CSV] = "text/csv", [ANSWER_MSGPACK] = "application/x-msgpack"};

    return types[kind];
}

static void append_json_error(struct silt_buffer *body, struct silt_str text, bool pretty)
{
    silt_buffer_str(body, pretty ? SILT_STR("{\n    \"error\": ") : SILT_STR("{\"error\":"));
    silt_buffer_json_string(body, text);
    silt_buffer_str(body, pretty ? SILT_STR("\n}\n") : SILT_STR("}\n"));
}

static h2o_iovec_t error_body(h2o_req_t *req, enum answer_kind kind, struct silt_str text)
{
    struct silt_buffer body = {0};

    switch (kind) {
    case ANSWER_JSON:
        append_json_error(&body, text, wants_pretty(req));
        break;
    case ANSWER_CSV:
        silt_buffer_append(&body, "error\n", 6);
        csv_append_field(&body, text);
        silt_buffer_char(&body, '\n');
        break;
    case ANSWER_MSGPACK:
        msgpack_append_error(&body, text);
        break;
    }
    h2o_iovec_t copy = copy_to_pool(req, (struct silt_str){body.p, body.len});
    silt_buffer_free(&body);
    return copy;
}

enum framing { MEASURED, CHUNKED };

/* body lives in the request's pool. */
static void send_whole(h2o_req_t *req, int status, const char *content_type, h2o_iovec_t body, enum framing framing)
{
    static h2o_generator_t nothing_more = {NULL, NULL};
    struct http_connection *connection = http_connection_of(req);

    if (connection)
        connection->own_reply = true;
    req->res.status = status;
    req->res.reason = http_reason(status);
    if (status != 204 && framing == MEASURED)
        req->res.content_length = body.len;
    if (content_type)
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, "Content-Type", content_type,
                       strlen(content_type));
    h2o_start_response(req, &nothing_more);
    h2o_send(req, &body, body.len && status != 204 && !http_is_method(req, "HEAD") ? 1 : 0, H2O_SEND_STATE_FINAL);
}

void http_reply(h2o_req_t *req, int status, const char *content_type, struct silt_str body)
{
    if (content_type && !*content_type)
        content_type = http_content_type(http_answer_kind(req));
    http_add_standard_headers(req);
    send_whole(req, status, content_type, copy_to_pool(req, body), MEASURED);
}

void http_reply_answer(h2o_req_t *req, const char *content_type, struct silt_str body)
{
    http_add_standard_headers(req);
    send_whole(req, 200, content_type, copy_to_pool(req, body), CHUNKED);
}

static void add_challenge(h2o_req_t *req)
{
    struct silt_buffer text = {0};

    silt_buffer_printf(&text, "Basic realm=\"");
    for (const char *p = http_loop_of(req)->server->options->realm; *p; p++) {
        if (*p == '"' || *p == '\\')
            silt_buffer_char(&text, '\\');
        silt_buffer_char(&text, *p);
    }
    silt_buffer_char(&text, '"');
    http_add_header(req, "Www-Authenticate", (struct silt_str){text.p, text.len});
    silt_buffer_free(&text);
}

void http_error(h2o_req_t *req, int status, struct silt_str text)
{
    enum answer_kind kind = http_answer_kind(req);

    http_add_standard_headers(req);
    if (status == 401)
        add_challenge(req);
    else
        add_error_header(req, text);
    if (status == 503 || status == 429)
        ADD_STATIC(req, "retry-after", "Retry-After", "1");
    send_whole(req, status, http_content_type(kind), error_body(req, kind, text), MEASURED);
}

void http_text_error(h2o_req_t *req, int status, struct silt_str text)
{
    add_version_headers(req);
    ADD_STATIC(req, "x-content-type-options", "X-Content-Type-Options", "nosniff");
    send_whole(req, status, "text/plain; charset=utf-8", copy_to_pool(req, text), MEASURED);
}

void http_not_found(h2o_req_t *req)
{
    http_text_error(req, 404, SILT_STR("404 page not found\n"));
}

void http_method_not_allowed(h2o_req_t *req, const char *allowed)
{
    http_add_header(req, "Allow", silt_str_from(allowed));
    http_text_error(req, 405, SILT_STR("Method Not Allowed\n"));
}

/* ---------------------------------------------------------------- the library's own errors */

struct error_stream {
    h2o_ostream_t base;
    h2o_iovec_t body;
    bool sent;
};

static void send_instead(h2o_ostream_t *base, h2o_req_t *req, h2o_iovec_t *in, size_t count, h2o_send_state_t state)
{
    struct error_stream *stream = (struct error_stream *)base;
    size_t buffers = stream->sent || stream->body.len == 0 ? 0 : 1;

    stream->sent = true;
    h2o_ostream_send_next(base, req, &stream->body, buffers, state);
}

static void on_response(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct http_connection *connection = http_connection_of(req);
    bool own = !connection || connection->own_reply;

    if (connection)
        connection->own_reply = false; /* for the next request */
    if (!own && req->res.status >= 400) {
        struct error_stream *stream = (void *)h2o_add_ostream(req, sizeof(*stream), slot);
        struct silt_str text = silt_str_from(req->res.reason);
        if (req->res.status == 413 && !req->http1_is_persistent && connection->linger_fd == -1)
            connection->linger_fd = fcntl(h2o_socket_get_fd(connection->socket), F_DUPFD_CLOEXEC, 0);
        ssize_t at = h2o_find_header(&req->res.headers, H2O_TOKEN_CONTENT_TYPE, -1);
        if (at >= 0)
            req->res.headers.entries[at].value = h2o_iovec_init(H2O_STRLIT("application/json"));
        http_add_standard_headers(req);
        add_error_header(req, text);
        stream->sent = false;
        stream->body = error_body(req, ANSWER_JSON, text);
        stream->base.do_send = send_instead;
        req->res.content_length = stream->body.len;
        if (silt_str_equal(http_str(req->input.method), SILT_STR("HEAD")))
            stream->body.len = 0;
        slot = &stream->base.next;
    }
    h2o_setup_next_ostream(req, slot);
}

void http_register_error_filter(h2o_pathconf_t *path)
{
    h2o_create_filter(path, sizeof(h2o_filter_t))->on_setup_ostream = on_response;
}
