/*
 * forward_http.c - see forward_http.h.
 *
 *     post -> easy handle (an idle one, or new) -> multi -> ... -> done(tag), handle idle again
 *
 * What is sent is what influxd's client sends: its User-Agent, an empty Content-Type, credentials of the URL as Basic.
 * Connections are kept by the multi handle from one transfer to the next.
 */
#include "server/forward_http.h"
#include "silt/text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX ((size_t)1 << 20) /* nobody reads it; one that goes on and on is an error */
#define CONNECT_TIMEOUT_MS 10000L

struct transfer {
    CURL *easy;
    struct transfer *next; /* idle, or under way */
    void *tag;
    size_t answer_bytes;
    char error[CURL_ERROR_SIZE];
};

struct forward_http {
    struct forward_http_options options;
    forward_http_done_fn done;
    void *arg;
    CURLM *multi;
    struct curl_slist *headers;
    struct transfer *idle, *active;
};

struct forward_http_target {
    char *url, *user, *password; /* libcurl's; user NULL: none */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---------------------------------------------------------------- targets */

/* As in a query string. */
static void put_escaped(struct silt_buffer *out, struct silt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (isalnum(c) || strchr("-_.~", c))
            silt_buffer_char(out, (char)c);
        else if (c == ' ')
            silt_buffer_char(out, '+');
        else
            silt_buffer_printf(out, "%%%02X", c);
    }
}

/* What the URL has of a path and a query stays. */
static CURLUcode set_query(CURLU *url, struct silt_str database, struct silt_str policy)
{
    struct silt_buffer text = {0};
    char *path = NULL, *query = NULL;
    CURLUcode code = curl_url_get(url, CURLUPART_PATH, &path, 0);

    if (code == CURLUE_OK) {
        size_t len = strlen(path);
        while (len && path[len - 1] == '/')
            len--;
        silt_buffer_append(&text, path, len);
        silt_buffer_append(&text, "/write", 7);
        code = curl_url_set(url, CURLUPART_PATH, text.p, 0);
        curl_free(path);
    }
    text.len = 0;
    silt_buffer_str(&text, SILT_STR("consistency=&db="));
    put_escaped(&text, database);
    silt_buffer_str(&text, SILT_STR("&precision=ns&rp="));
    put_escaped(&text, policy);
    if (curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_OK && *query)
        silt_buffer_printf(&text, "&%s", query);
    curl_free(query);
    silt_buffer_char(&text, '\0');
    if (code == CURLUE_OK)
        code = curl_url_set(url, CURLUPART_QUERY, text.p, 0);
    silt_buffer_free(&text);
    return code;
}

enum silt_status forward_http_target_create(struct silt_str url, struct silt_str database, struct silt_str policy,
                                            struct forward_http_target **out, struct silt_error *err)
{
    struct forward_http_target *target = silt_calloc(1, sizeof(*target));
    char *text = silt_strdup(url);

    pthread_once(&curl_once, init_curl);
    CURLU *parts = curl_url();
    CURLUcode code = parts ? curl_url_set(parts, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;
    free(text);
    if (code == CURLUE_OK && curl_url_get(parts, CURLUPART_USER, &target->user, CURLU_URLDECODE) == CURLUE_OK) {
        curl_url_get(parts, CURLUPART_PASSWORD, &target->password, CURLU_URLDECODE); /* there may be none */
        curl_url_set(parts, CURLUPART_USER, NULL, 0);
        curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
    }
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
    if (code == CURLUE_OK)
        code = set_query(parts, database, policy);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_URL, &target->url, 0);
    curl_url_cleanup(parts);
    if (code != CURLUE_OK) {
        forward_http_target_destroy(target);
        return silt_fail(err, SILT_INVALID, "%s", curl_url_strerror(code));
    }
    *out = target;
    return SILT_OK;
}

void forward_http_target_destroy(struct forward_http_target *target)
{
    if (!target)
        return;
    curl_free(target->url);
    curl_free(target->user);
    curl_free(target->password);
    free(target);
}

/* ---------------------------------------------------------------- create and destroy */

struct forward_http *forward_http_create(const struct forward_http_options *options, forward_http_done_fn done,
                                         void *arg)
{
    struct forward_http *http = silt_calloc(1, sizeof(*http));

    pthread_once(&curl_once, init_curl);
    http->options = *options;
    http->done = done;
    http->arg = arg;
    http->multi = curl_multi_init();
    http->headers = curl_slist_append(NULL, "Content-Type;"); /* sent without a value */
    if (http->headers)
        curl_slist_append(curl_slist_append(http->headers, "Expect:"), "Accept:"); /* not sent */
    if (http->multi && http->headers)
        return http;
    forward_http_destroy(http);
    return NULL;
}

static void destroy_transfers(struct forward_http *http, struct transfer *list)
{
    while (list) {
        struct transfer *next = list->next;
        curl_multi_remove_handle(http->multi, list->easy); /* fine where it is not in it */
        curl_easy_cleanup(list->easy);
        free(list);
        list = next;
    }
}

void forward_http_abandon(struct forward_http *http, void (*discard)(void *tag))
{
    for (struct transfer *t = http->active; t; t = t->next)
        discard(t->tag);
    destroy_transfers(http, http->active);
    http->active = NULL;
}

void forward_http_destroy(struct forward_http *http)
{
    if (!http)
        return;
    silt_assert(!http->active);
    destroy_transfers(http, http->idle);
    if (http->multi)
        curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    free(http);
}

/* ---------------------------------------------------------------- transfers */

static size_t take_answer(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;

    transfer->answer_bytes += size * count;
    return transfer->answer_bytes > ANSWER_BYTES_MAX ? 0 : size * count;
}

/* What is the same for all of them. */
static struct transfer *create_transfer(struct forward_http *http)
{
    struct transfer *transfer = silt_calloc(1, sizeof(*transfer));
    CURL *easy = transfer->easy = curl_easy_init();

    if (!easy) {
        free(transfer);
        return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "InfluxDBClient");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)http->options.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, http->options.verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, http->options.verify ? 2L : 0L);
    if (*http->options.ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->options.ca_file);
    return transfer;
}

enum silt_status forward_http_post(struct forward_http *http, const struct forward_http_target *target,
                                   struct silt_str body, void *tag, struct silt_error *err)
{
    struct transfer *transfer = http->idle;

    if (transfer)
        http->idle = transfer->next;
    else if (!(transfer = create_transfer(http)))
        return silt_fail(err, SILT_LIMIT, "libcurl has no handle");
    transfer->tag = tag;
    transfer->answer_bytes = 0;
    transfer->error[0] = 0;
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_URL, target->url);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, target->user ? CURLAUTH_BASIC : CURLAUTH_NONE);
    curl_easy_setopt(easy, CURLOPT_USERNAME, target->user);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, target->user && !target->password ? "" : target->password);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.p);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    CURLMcode code = curl_multi_add_handle(http->multi, easy);
    if (code != CURLM_OK) {
        transfer->next = http->idle;
        http->idle = transfer;
        return silt_fail(err, SILT_IO, "%s", curl_multi_strerror(code));
    }
    transfer->next = http->active;
    http->active = transfer;
    return SILT_OK;
}

static void finish(struct forward_http *http, CURL *easy, CURLcode code)
{
    struct transfer *transfer = NULL, **link = &http->active;
    char reason[CURL_ERROR_SIZE + 64] = "";
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    bool ok = status == 200 || status == 204;
    if (code != CURLE_OK)
        snprintf(reason, sizeof(reason), "%s", transfer->error[0] ? transfer->error : curl_easy_strerror(code));
    else if (!ok)
        snprintf(reason, sizeof(reason), "answered with status %ld", status);
    curl_multi_remove_handle(http->multi, easy);
    while (*link != transfer)
        link = &(*link)->next;
    *link = transfer->next;
    transfer->next = http->idle;
    http->idle = transfer;
    http->done(http->arg, transfer->tag, ok, reason);
}

void forward_http_run(struct forward_http *http, int wait_ms)
{
    CURLMsg *message;
    int count;
    CURLMcode code = curl_multi_perform(http->multi, &count);
    bool any = false;

    if (code != CURLM_OK)
        silt_log(SILT_LOG_ERROR, "libcurl failed", "error=\"%s\"", curl_multi_strerror(code));
    while ((message = curl_multi_info_read(http->multi, &count)))
        if (message->msg == CURLMSG_DONE) {
            finish(http, message->easy_handle, message->data.result);
            any = true;
        }
    if (!any)
        curl_multi_poll(http->multi, NULL, 0, wait_ms, NULL);
}

void forward_http_wake(struct forward_http *http)
{
    curl_multi_wakeup(http->multi);
}
