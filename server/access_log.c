/*
 * access_log.c - a line per request in Common Log Format, as InfluxDB writes it, buffered per loop.
 *
 *     [httpd] 127.0.0.1 - root [21/Nov/2026:02:38:50 +0000] "POST /query?db=d HTTP/1.1" 200 33 "-" "curl/7.88.1" ID 731
 *
 * The number at the end is the duration in microseconds. Passwords in the URL are blanked, in `p` and in statements
 * (`SET PASSWORD FOR u = '...'`, `WITH PASSWORD '...'`), and where a subscription goes, for passwords stand in its URLs. The buffer
 * leaves when full and at each tick of the loop; a reader that stands still loses lines, and keeps nobody waiting (silt_log_lines).
 */
#include "server/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define LINE_BYTES_MAX 8192
#define URL_BYTES_MAX 4096

struct access_log {
    int fd;
    size_t len;
    time_t second; /* of stamp */
    char stamp[40];
    char buffer[BUFFER_BYTES];
};

enum silt_status access_log_open(const struct silt_server_options *options, int *fd, struct silt_error *err)
{
    const char *path = options->access_log_path;

    if (!options->access_log || !*path)
        *fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    else
        *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return *fd < 0 ? silt_fail_errno(err, errno, "http.access-log-path: %s", path) : SILT_OK;
}

/* The number stays, so that loops which write to it meanwhile need not be told. */
enum silt_status access_log_reopen(int fd, const struct silt_server_options *options, struct silt_error *err)
{
    int fresh;
    enum silt_status rc = access_log_open(options, &fresh, err);

    if (rc != SILT_OK)
        return rc;
    if (dup3(fresh, fd, O_CLOEXEC) < 0)
        rc = silt_fail_errno(err, errno, "dup3");
    close(fresh);
    return rc;
}

struct access_log *access_log_create(int fd)
{
    struct access_log *log = silt_malloc(sizeof(*log));

    log->fd = fd;
    log->len = 0;
    log->second = -1;
    return log;
}

void access_log_flush(struct access_log *log)
{
    if (!log || log->len == 0)
        return;
    silt_log_lines(log->fd, log->buffer, log->len);
    log->len = 0;
}

void access_log_destroy(struct access_log *log)
{
    access_log_flush(log);
    free(log);
}

static bool starts_with(const char *p, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(end - p) >= len && strncasecmp(p, word, len) == 0;
}

/* Bytes of the word at p after which a statement may hold a secret, 0 if it is none. Asked of every character. */
static size_t secret_word(const char *p, const char *end)
{
    static const char *const words[] = {"password", "destinations"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if ((*p | 0x20) == words[i][0] && starts_with(p, end, words[i]))
            return strlen(words[i]);
    return 0;
}

/* The URL, cut to a bound, with secrets blanked and nothing in it that could break the line. */
static size_t put_url(char *to, h2o_iovec_t url)
{
    const char *p = url.base, *end = p + (url.len < URL_BYTES_MAX ? url.len : URL_BYTES_MAX);
    char *start = to;
    bool query = false, name = false;

    while (p < end) {
        if (*p == '?')
            query = name = true;
        else if (*p == '&')
            name = query;
        else if (name && starts_with(p, end, "p=")) {
            memcpy(to, "p=%5BREDACTED%5D", 16);
            to += 16;
            while (p < end && *p != '&')
                p++;
            name = false;
            continue;
        } else {
            name = false;
            size_t word = query ? secret_word(p, end) : 0;
            if (word) { /* the rest of this parameter is not worth a leak */
                memcpy(to, p, word);
                memcpy(to + word, "+%5BREDACTED%5D", 15);
                to += word + 15;
                while (p < end && *p != '&')
                    p++;
                continue;
            }
        }
        unsigned char c = (unsigned char)*p++;
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x7F)
            to += sprintf(to, "\\x%02x", c);
        else
            *to++ = (char)c;
    }
    return (size_t)(to - start);
}

/* A header's value within quotes; "-" where there is none. */
static size_t put_header(char *to, struct silt_str value)
{
    char *start = to;

    if (value.len == 0)
        value = SILT_STR("-");
    if (value.len > 256)
        value.len = 256;
    *to++ = '"';
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.p[i];
        *to++ = c == '"' || c == '\\' || c < 0x20 || c == 0x7F ? '.' : (char)c;
    }
    *to++ = '"';
    return (size_t)(to - start);
}

static void stamp_now(struct access_log *log)
{
    time_t second = time(NULL);
    struct tm tm;

    if (second == log->second)
        return;
    log->second = second;
    gmtime_r(&second, &tm);
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    snprintf(log->stamp, sizeof(log->stamp), "%02d/%s/%04d:%02d:%02d:%02d +0000", tm.tm_mday, months[tm.tm_mon],
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static char *put_text(char *to, struct silt_str text)
{
    if (text.len)
        memcpy(to, text.p, text.len);
    return to + text.len;
}

static char *put_number(char *to, uint64_t value, char end)
{
    to += silt_write_uint(to, value);
    *to++ = end;
    return to;
}

static bool is_logged(const struct silt_server_options *options, const h2o_req_t *req)
{
    struct silt_str path = http_path(req);

    if (!options->access_log)
        return false;
    return !options->access_log_no_writes ||
           (!silt_str_equal(path, SILT_STR("/write")) && !silt_str_equal(path, SILT_STR("/api/v2/write")) &&
            !silt_str_equal(path, SILT_STR("/api/v1/prom/write")));
}

static void on_request_done(h2o_logger_t *self, h2o_req_t *req)
{
    struct http_loop *loop = http_loop_of(req);
    struct access_log *log = loop->log;
    struct http_connection *connection = http_connection_of(req);
    char line[LINE_BYTES_MAX + URL_BYTES_MAX * 6], *to = line;

    if (!log || !connection)
        return;
    if (!is_logged(loop->server->options, req)) {
        connection->begun_ns = 0;
        connection->request_id = connection->user = h2o_iovec_init(NULL, 0);
        return;
    }
    stamp_now(log);
    uint64_t now = silt_clock_monotonic_ns();
    uint64_t micros = connection->begun_ns ? (now - connection->begun_ns) / 1000 : 0;
    struct silt_str user = http_str(connection->user);
    if (user.len == 0 || user.len > 128 || memchr(user.p, ' ', user.len))
        user = SILT_STR("-");
    to = put_text(to, SILT_STR("[httpd] "));
    to = put_text(to, silt_str_from(connection->peer));
    to = put_text(to, SILT_STR(" - "));
    for (size_t i = 0; i < user.len; i++)
        *to++ = (unsigned char)user.p[i] < 0x20 || user.p[i] == '"' ? '.' : user.p[i];
    to = put_text(to, SILT_STR(" ["));
    to = put_text(to, silt_str_from(log->stamp));
    to = put_text(to, SILT_STR("] \""));
    to = put_text(to, (struct silt_str){req->input.method.base, req->input.method.len > 32 ? 32 : req->input.method.len});
    *to++ = ' ';
    to += put_url(to, req->input.path);
    to = put_text(to, SILT_STR(" HTTP/"));
    to = put_number(to, (uint64_t)(req->version >> 8), '.');
    to = put_number(to, (uint64_t)(req->version & 0xFF), '"');
    *to++ = ' ';
    to = put_number(to, (uint64_t)req->res.status, ' ');
    to = put_number(to, req->bytes_sent, ' ');
    to += put_header(to, http_header(req, "referer"));
    *to++ = ' ';
    to += put_header(to, http_header(req, "user-agent"));
    struct silt_str id = http_str(connection->request_id);
    if (id.len > 64)
        id.len = 64;
    *to++ = ' ';
    to = put_text(to, id.len ? id : SILT_STR("-"));
    *to++ = ' ';
    to = put_number(to, micros, '\n');
    connection->begun_ns = 0;
    connection->request_id = connection->user = h2o_iovec_init(NULL, 0);

    size_t len = (size_t)(to - line);
    if (len > sizeof(log->buffer) - log->len)
        access_log_flush(log);
    memcpy(log->buffer + log->len, line, len);
    log->len += len;
}

void access_log_register(h2o_pathconf_t *path)
{
    h2o_create_logger(path, sizeof(h2o_logger_t))->log_access = on_request_done;
}
