/*
 * session.c - requests of a session and what becomes of their answers: bytes -> events -> printer, errors aside.
 */
#include "shell/session.h"

#include "shell/words.h"

#include <stdlib.h>

#define RAW_BYTES_MAX 4096 /* of an answer that is no JSON, kept to be shown */

void session_set(struct silt_buffer *member, struct silt_str value)
{
    member->len = 0;
    silt_buffer_str(member, value);
    silt_buffer_char(member, 0);
    member->len--;
}

void session_init(struct session *s, const struct options *o)
{
    *s = (struct session){.port = o->port,
                          .ssl = o->ssl,
                          .unsafe_ssl = o->unsafe_ssl,
                          .pretty = o->pretty,
                          .chunked = true,
                          .out = stdout};
    session_set(&s->host, silt_str_from(o->host));
    session_set(&s->socket, silt_str_from(o->socket));
    session_set(&s->username, silt_str_from(o->username));
    session_set(&s->password, silt_str_from(o->password));
    session_set(&s->database, silt_str_from(o->database));
    session_set(&s->policy, silt_str_from(o->rp));
    session_set(&s->format, silt_str_from(o->format));
    session_set(&s->precision, silt_str_from(o->precision));
    session_set(&s->consistency, silt_str_from(o->consistency));
}

void session_deinit(struct session *s)
{
    client_destroy(s->client);
    if (s->password.p)
        explicit_bzero(s->password.p, s->password.len);
    struct silt_buffer *members[] = {&s->host,   &s->socket, &s->username,  &s->password,    &s->database,
                                     &s->policy, &s->format, &s->precision, &s->consistency, &s->failure};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        silt_buffer_free(members[i]);
}

struct client_config session_client_config(const struct session *s)
{
    return (struct client_config){.host = s->host.p,
                                  .port = s->port,
                                  .socket = s->socket.p,
                                  .ssl = s->ssl,
                                  .unsafe_ssl = s->unsafe_ssl,
                                  .username = s->username.p,
                                  .password = s->password.p};
}

enum silt_status session_connect(struct session *s, struct silt_error *err)
{
    struct client_config config = session_client_config(s);
    struct client_reply reply;
    client_destroy(s->client);
    s->client = client_create(&config);
    client_set_cancel(s->client, s->cancel);
    enum silt_status status = client_ping(s->client, &reply, err);
    if (status == SILT_OK)
        memcpy(s->server_version, reply.version, sizeof s->server_version);
    return status;
}

/* ---------------------------------------------------------------- an answer under way */

struct answer {
    struct session *session;
    const struct answer_events *events;
    void *context;
    struct answer_reader *reader;
    bool broken;  /* no JSON */
    bool refused; /* the whole request failed: nothing after it counts */
    bool failed;  /* session->failure is set */
    bool begun;   /* something came */
    bool packed;  /* MessagePack was asked for */
    struct client_reply reply;
    size_t rows;
    struct silt_buffer raw;
};

static void note_failure(struct answer *a, struct silt_str text)
{
    if (a->failed)
        return;
    a->failed = true;
    a->session->failure.len = 0;
    silt_buffer_str(&a->session->failure, text);
}

static void on_result_begin(void *context)
{
    struct answer *a = context;
    if (a->events->result_begin)
        a->events->result_begin(a->context);
}

static void on_message(void *context, struct silt_str level, struct silt_str text)
{
    struct answer *a = context;
    if (a->events->message)
        a->events->message(a->context, level, text);
}

static void on_series_begin(void *context, const struct answer_series *series)
{
    struct answer *a = context;
    if (a->events->series_begin)
        a->events->series_begin(a->context, series);
}

static void on_row(void *context, const struct cell *cells, size_t count)
{
    struct answer *a = context;
    a->rows++;
    if (a->events->row)
        a->events->row(a->context, cells, count);
}

static void on_series_end(void *context, bool partial)
{
    struct answer *a = context;
    if (a->events->series_end)
        a->events->series_end(a->context, partial);
}

static void on_result_end(void *context, struct silt_str error)
{
    struct answer *a = context;
    if (error.p && error.len)
        note_failure(a, error);
    if (a->events->result_end)
        a->events->result_end(a->context, error);
}

static void on_failure(void *context, struct silt_str error)
{
    struct answer *a = context;
    a->failed = false; /* it outranks a statement's error */
    note_failure(a, error);
    a->refused = true;
    if (a->events->failure)
        a->events->failure(a->context, error);
}

static const struct answer_events watching = {on_result_begin, on_message,    on_series_begin, on_row,
                                              on_series_end,   on_result_end, on_failure};

static bool on_data(void *context, const char *bytes, size_t len)
{
    struct answer *a = context;
    size_t room = RAW_BYTES_MAX - a->raw.len;
    silt_buffer_append(&a->raw, bytes, len < room ? len : room);
    if (!a->begun && a->session->answering)
        a->session->answering(a->session->context);
    a->begun = true;
    if (ferror(a->session->out) || (a->session->watched && ferror(a->session->watched))) /* the pager was left */
        return false;
    if (!a->broken && !a->refused)
        a->broken =
            !(a->packed && strstr(a->reply.content_type, "msgpack") ? answer_reader_feed_msgpack
                                                                    : answer_reader_feed)(a->reader, bytes, len);
    return true;
}

static void on_tick(void *context, double seconds)
{
    struct answer *a = context;
    if (a->session->tick)
        a->session->tick(a->session->context, seconds, a->rows);
}

struct question {
    struct silt_str text, database, policy;
    const char *epoch;
    bool chunked;
    int64_t chunk_size;
    long patience_ms;
};

/* Sends and reads to the end. What became of it is in *answer; false: nothing usable came, `failure` says why. */
static bool ask(struct answer *a, const struct question *q)
{
    struct session *s = a->session;
    char chunk_size[24] = "", node[24] = "";
    if (q->chunked && q->chunk_size > 0)
        snprintf(chunk_size, sizeof chunk_size, "%lld", (long long)q->chunk_size);
    if (s->node)
        snprintf(node, sizeof node, "%lld", (long long)s->node);
    struct client_param params[] = {
        {"db", q->database},
        {"rp", q->policy},
        {"epoch", silt_str_from(q->epoch)},
        {"chunked", q->chunked ? SILT_STR("true") : SILT_STR("")},
        {"chunk_size", silt_str_from(chunk_size)},
        {"node_id", silt_str_from(node)},
    };
    struct client_param form[] = {{"q", q->text}};
    struct client_request request = {.method = "POST",
                                     .path = "/query",
                                     .params = params,
                                     .param_count = sizeof params / sizeof *params,
                                     .form = form,
                                     .form_count = 1,
                                     .accept = a->packed ? "application/x-msgpack" : NULL,
                                     .data = on_data,
                                     .tick = on_tick,
                                     .context = a,
                                     .timeout_ms = q->patience_ms};
    struct silt_error err;
    s->failure.len = 0;
    a->reader = answer_reader_create(&watching, a);
    enum silt_status status = client_send(s->client, &request, &a->reply, &err);
    bool usable = true;
    s->unreachable = status != SILT_OK || a->reply.status >= 500;
    if (status != SILT_OK) {
        a->failed = false;
        note_failure(a, silt_str_from(err.text));
        usable = false;
    } else if (a->broken || !answer_reader_complete(a->reader) || (a->packed && !a->begun)) {
        a->failed = false;
        note_failure(a, a->packed ? SILT_STR("the answer is not whole") : words_trim(words_view(&a->raw)));
        usable = false;
        s->unreachable = true;
    } else if (a->reply.status != 200 && !a->failed) {
        char text[64];
        snprintf(text, sizeof text, "received status code %ld from server", a->reply.status);
        note_failure(a, silt_str_from(text));
        usable = false;
    }
    answer_reader_destroy(a->reader);
    silt_buffer_free(&a->raw);
    return usable;
}

/* ---------------------------------------------------------------- statements */

static void show_failure(struct session *s)
{
    fprintf(s->out, "ERR: %.*s\n", SILT_FMT(words_view(&s->failure)));
}

bool session_query_with(struct session *s, struct silt_str text, struct printer *printer, const char *epoch)
{
    struct answer answer = {.session = s, .events = printer->events, .context = printer};
    struct question question = {.text = text,
                                .database = words_view(&s->database),
                                .policy = words_view(&s->policy),
                                .epoch = epoch,
                                .chunked = s->chunked,
                                .chunk_size = s->chunk_size};
    bool usable = ask(&answer, &question);
    if (usable || answer.rows)
        printer->finish(printer);
    if (!answer.failed)
        return true;
    show_failure(s);
    if (usable && !s->database.len) {
        fputs("Warning: It is possible this error is due to not setting a database.\n"
              "Please set a database with the command \"use <database>\".\n",
              s->out);
    }
    return false;
}

bool session_query(struct session *s, struct silt_str text)
{
    struct schema schema;
    bool is_line = strcmp(s->format.p, "line") == 0;
    if (is_line && !session_schema(s, words_view(&s->database), words_view(&s->policy), SILT_STR(""), &schema)) {
        show_failure(s);
        return false;
    }
    struct printer_options options = {.out = s->out,
                                      .pretty = s->pretty,
                                      .width = s->width,
                                      .unicode = s->unicode,
                                      .schema = is_line ? &schema : NULL};
    printer_create_fn create = printer_find(words_view(&s->format));
    if (!create) {
        fprintf(s->out, "Unknown output format \"%s\".\n", s->format.p);
        return true;
    }
    struct printer *printer = create(&options);
    uint64_t started = silt_clock_monotonic_ns();
    bool ok = session_query_with(s, text, printer, s->precision.p);
    if (s->timing) {
        double ms = (double)(silt_clock_monotonic_ns() - started) / 1e6;
        fprintf(s->out, "%zu row%s in %.*f ms\n", printer->rows, printer->rows == 1 ? "" : "s", ms < 10 ? 2 : 0, ms);
    }
    printer->destroy(printer);
    if (is_line)
        schema_deinit(&schema);
    return ok;
}

static bool ask_quietly(struct session *s, const struct question *question, bool packed,
                        const struct answer_events *events, void *context)
{
    /* Its answer is not the one that the user waits for. */
    void (*answering)(void *) = s->answering;
    void (*tick)(void *, double, size_t) = s->tick;
    s->answering = NULL;
    s->tick = NULL;
    struct answer answer = {.session = s, .events = events, .context = context, .packed = packed};
    bool usable = ask(&answer, question);
    s->answering = answering;
    s->tick = tick;
    return usable && !answer.failed;
}

bool session_ask(struct session *s, struct silt_str text, struct silt_str database, const struct answer_events *events,
                 void *context)
{
    struct question question = {
        .text = text, .database = database, .epoch = "ns", .chunked = true, .patience_ms = s->patience_ms};
    return ask_quietly(s, &question, false, events, context);
}

bool session_read(struct session *s, struct silt_str text, struct silt_str database, int64_t chunk_size,
                  const struct answer_events *events, void *context)
{
    struct question question = {
        .text = text, .database = database, .epoch = "ns", .chunked = true, .chunk_size = chunk_size};
    return ask_quietly(s, &question, true, events, context);
}

/* ---------------------------------------------------------------- schema */

struct schema_fill {
    struct schema *schema;
    enum schema_kind kind;
    struct silt_str measurement; /* borrowed for its series */
};

static void schema_series(void *context, const struct answer_series *series)
{
    ((struct schema_fill *)context)->measurement = series->name;
}

static void schema_row(void *context, const struct cell *cells, size_t count)
{
    struct schema_fill *fill = context;
    if (count)
        schema_add(fill->schema, fill->measurement, cells[0].text, fill->kind,
                   count > 1 ? schema_type(cells[1].text) : SILT_TYPE_NONE);
}

bool session_schema(struct session *s, struct silt_str database, struct silt_str policy, struct silt_str measurement,
                    struct schema *schema)
{
    static const struct answer_events events = {.series_begin = schema_series, .row = schema_row};
    static const char *const statements[] = {"SHOW FIELD KEYS", "SHOW TAG KEYS"};
    schema_init(schema);
    bool ok = true;
    for (size_t i = 0; ok && database.len && i < 2; i++) {
        struct silt_buffer text = {0};
        struct schema_fill fill = {.schema = schema, .kind = i == 0 ? SCHEMA_FIELD : SCHEMA_TAG};
        silt_buffer_printf(&text, "%s ON ", statements[i]);
        words_quote_identifier(&text, database);
        if (measurement.len) {
            silt_buffer_str(&text, SILT_STR(" FROM "));
            if (policy.len) {
                words_quote_identifier(&text, policy);
                silt_buffer_char(&text, '.');
            }
            words_quote_identifier(&text, measurement);
        }
        ok = session_ask(s, words_view(&text), database, &events, &fill);
        silt_buffer_free(&text);
    }
    schema_seal(schema);
    if (!ok)
        schema_deinit(schema);
    return ok;
}

/* ---------------------------------------------------------------- points */

static bool keep_body(void *context, const char *bytes, size_t len)
{
    struct silt_buffer *body = context;
    if (body->len < RAW_BYTES_MAX)
        silt_buffer_append(body, bytes, len);
    return true;
}

bool session_write(struct session *s, struct silt_str database, struct silt_str policy, struct silt_str lines)
{
    struct client_param params[] = {{"db", database},
                                    {"rp", policy},
                                    {"precision", words_view(&s->precision)},
                                    {"consistency", words_view(&s->consistency)}};
    s->failure.len = 0;
    struct client_request request = {.method = "POST",
                                     .path = "/write",
                                     .params = params,
                                     .param_count = 4,
                                     .body_type = "text/plain; charset=utf-8",
                                     .body = lines,
                                     .data = keep_body,
                                     .context = &s->failure};
    struct client_reply reply;
    struct silt_error err;
    if (client_send(s->client, &request, &reply, &err) != SILT_OK) {
        session_set(&s->failure, silt_str_from(err.text));
        return false;
    }
    if (reply.status == 204 || reply.status == 200)
        return true;
    if (!s->failure.len)
        silt_buffer_printf(&s->failure, "received status code %ld from server", reply.status);
    return false;
}
