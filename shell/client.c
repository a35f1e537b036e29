/*
 * client.c - libcurl's easy handle driven by its multi interface, so that a request can be given up at once and a
 * progress line drawn while nothing comes.
 */
#include "shell/client.h"
#include "silt/version.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 15000L
#define RECEIVE_BYTES (512L << 10) /* an archive of gigabytes comes in few pieces */
#define POLL_MS 50

struct client {
    CURL *easy;
    CURLM *multi;
    char *host, *socket, *username, *password;
    char *address;
    char error[CURL_ERROR_SIZE];
    const _Atomic bool *cancel;
    const struct client_request *request; /* under way */
    struct client_reply *reply;
    bool refused; /* the taker of the data had enough */
};

void client_setup(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void client_teardown(void)
{
    curl_global_cleanup();
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct client *client = context;
    const struct client_request *request = client->request;
    if (request->data && !request->data(request->context, bytes, size * count)) {
        client->refused = true;
        return 0;
    }
    return size * count;
}

static void keep_header(char *to, size_t capacity, struct silt_str line, const char *name)
{
    size_t len = strlen(name);
    if (line.len <= len || strncasecmp(line.p, name, len) != 0)
        return;
    size_t start = len, end = line.len;
    while (start < end && line.p[start] == ' ')
        start++;
    while (end > start && (line.p[end - 1] == '\r' || line.p[end - 1] == '\n'))
        end--;
    snprintf(to, capacity, "%.*s", (int)(end - start), line.p + start);
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct client_reply *reply = ((struct client *)context)->reply;
    struct silt_str line = {bytes, size * count};
    keep_header(reply->version, sizeof reply->version, line, "X-Influxdb-Version:");
    keep_header(reply->error, sizeof reply->error, line, "X-Influxdb-Error:");
    keep_header(reply->content_type, sizeof reply->content_type, line, "Content-Type:");
    return line.len;
}

static char *format_address(const struct client_config *config)
{
    struct silt_buffer text = {0};
    if (config->socket[0])
        silt_buffer_printf(&text, "%s", config->socket);
    else if (config->port == (config->ssl ? 443u : 80u))
        silt_buffer_printf(&text, "%s://%s", config->ssl ? "https" : "http", config->host);
    else
        silt_buffer_printf(&text, strchr(config->host, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
                           config->ssl ? "https" : "http", config->host, config->port);
    silt_buffer_char(&text, 0);
    return text.p;
}

struct client *client_create(const struct client_config *config)
{
    struct client *client = silt_calloc(1, sizeof *client);
    client->easy = curl_easy_init();
    client->multi = curl_multi_init();
    silt_assert(client->easy && client->multi);
    client->host = silt_strdup(silt_str_from(config->host));
    client->socket = silt_strdup(silt_str_from(config->socket));
    client->username = silt_strdup(silt_str_from(config->username));
    client->password = silt_strdup(silt_str_from(config->password));
    client->address = format_address(config);

    CURL *easy = client->easy;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "silt/" SILT_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, client);
    if (config->socket[0])
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->socket);
    if (config->unsafe_ssl) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (config->username[0]) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, client->username);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, client->password);
    }
    return client;
}

void client_destroy(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->easy);
    curl_multi_cleanup(client->multi);
    free(client->host);
    free(client->socket);
    free(client->username);
    if (client->password)
        explicit_bzero(client->password, strlen(client->password));
    free(client->password);
    free(client->address);
    free(client);
}

const char *client_address(const struct client *client)
{
    return client->address;
}

void client_set_cancel(struct client *client, const _Atomic bool *cancel)
{
    client->cancel = cancel;
}

static void add_params(struct client *client, struct silt_buffer *out, const struct client_param *params, size_t count)
{
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (!params[i].value.len)
            continue;
        silt_assert(params[i].value.len < INT32_MAX);
        char *escaped = curl_easy_escape(client->easy, params[i].value.p, (int)params[i].value.len);
        silt_assert(escaped);
        silt_buffer_printf(out, "%s%s=", first ? "" : "&", params[i].name);
        silt_buffer_str(out, silt_str_from(escaped));
        curl_free(escaped);
        first = false;
    }
}

/* Drives the transfer to its end. */
static CURLcode drive(struct client *client, bool *cancelled)
{
    uint64_t started = silt_clock_monotonic_ns();
    CURLcode code = CURLE_OK;
    *cancelled = false;
    for (int running = 1;;) {
        CURLMcode multi = curl_multi_perform(client->multi, &running);
        if (multi != CURLM_OK)
            return CURLE_FAILED_INIT;
        if (!running)
            break;
        if (client->cancel && *client->cancel) {
            *cancelled = true;
            return CURLE_OK;
        }
        if (client->request->tick)
            client->request->tick(client->request->context, (double)(silt_clock_monotonic_ns() - started) / 1e9);
        curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
    }
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));)
        if (message->msg == CURLMSG_DONE)
            code = message->data.result;
    return code;
}

static enum silt_status fail(struct client *client, CURLcode code, struct silt_error *err)
{
    long number = 0;
    curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number) {
        const char *text = strerror((int)number);
        return silt_fail(err, SILT_IO, "%c%s", text[0] | 0x20, text + 1);
    }
    return silt_fail(err, SILT_IO, "%s", client->error[0] ? client->error : curl_easy_strerror(code));
}

enum silt_status client_send(struct client *client, const struct client_request *request, struct client_reply *reply,
                             struct silt_error *err)
{
    struct silt_buffer url = {0}, form = {0};
    CURL *easy = client->easy;
    *reply = (struct client_reply){0};
    client->request = request;
    client->reply = reply;
    client->refused = false;
    client->error[0] = 0;

    silt_buffer_printf(&url, "%s%s?", client->socket[0] ? "http://localhost" : client->address, request->path);
    add_params(client, &url, request->params, request->param_count);
    silt_buffer_char(&url, 0);
    curl_easy_setopt(easy, CURLOPT_URL, url.p);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_ms);

    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (request->accept) {
        char line[128];
        snprintf(line, sizeof line, "Accept: %s", request->accept);
        headers = curl_slist_append(headers, line);
    }
    if (strcmp(request->method, "POST") == 0) {
        struct silt_str body = request->body;
        if (!request->body_type) {
            add_params(client, &form, request->form, request->form_count);
            body = (struct silt_str){form.p, form.len};
        } else {
            char line[128];
            snprintf(line, sizeof line, "Content-Type: %s", request->body_type);
            headers = curl_slist_append(headers, line);
        }
        if (request->body_gzip)
            headers = curl_slist_append(headers, "Content-Encoding: gzip");
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.p ? body.p : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);

    bool cancelled;
    curl_multi_add_handle(client->multi, easy);
    CURLcode code = drive(client, &cancelled);
    curl_multi_remove_handle(client->multi, easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_slist_free_all(headers);
    silt_buffer_free(&url);
    silt_buffer_free(&form);
    if (cancelled || client->refused)
        return silt_fail(err, SILT_CANCELLED, "aborted by user");
    return code == CURLE_OK ? SILT_OK : fail(client, code, err);
}

enum silt_status client_ping(struct client *client, struct client_reply *reply, struct silt_error *err)
{
    struct client_request request = {.method = "GET", .path = "/ping"};
    enum silt_status status = client_send(client, &request, reply, err);
    if (status == SILT_OK && reply->status / 100 != 2)
        return silt_fail(err, SILT_IO, "%s", reply->error[0] ? reply->error : "the server refuses /ping");
    return status;
}
