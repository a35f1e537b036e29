/*
 * http_head.c - see http_head.h.
 */
#include "server/http_head.h"

#include <strings.h>

struct head {
    unsigned hosts, lengths, encodings;
    struct silt_str host, length;
    bool lengths_differ;
};

static struct silt_str trim(struct silt_str text)
{
    while (text.len && (*text.p == ' ' || *text.p == '\t'))
        text.p++, text.len--;
    while (text.len && (text.p[text.len - 1] == ' ' || text.p[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* The line's value, if it is that header's: name with its colon. */
static bool is_header(struct silt_str line, const char *name, size_t len, struct silt_str *value)
{
    if (line.len < len || strncasecmp(line.p, name, len) != 0)
        return false;
    *value = trim((struct silt_str){line.p + len, line.len - len});
    return true;
}
#define IS_HEADER(line, name, value) is_header(line, name, sizeof(name) - 1, value)

static void read_line(struct head *head, struct silt_str line)
{
    struct silt_str value;

    switch (*line.p | 0x20) {
    case 'h':
        if (IS_HEADER(line, "host:", &value)) {
            head->hosts++;
            head->host = value;
        }
        break;
    case 'c':
        if (IS_HEADER(line, "content-length:", &value)) {
            head->lengths_differ = head->lengths_differ || (head->lengths && !silt_str_equal(head->length, value));
            head->lengths++;
            head->length = value;
        }
        break;
    case 't':
        head->encodings += IS_HEADER(line, "transfer-encoding:", &value);
        break;
    }
}

/* The library has found that it is one: lines, the first the request's, up to an empty one. */
static void read_head(struct head *head, struct silt_str input)
{
    const char *p = input.p, *end = input.p + input.len, *line_end;
    bool is_first = true;

    *head = (struct head){0};
    for (; p < end && (line_end = memchr(p, '\n', (size_t)(end - p))); p = line_end + 1) {
        size_t len = (size_t)(line_end - p);
        if (len && p[len - 1] == '\r')
            len--;
        if (len && !is_first)
            read_line(head, (struct silt_str){p, len});
        else if (!is_first)
            return;
        is_first = is_first && len == 0; /* an empty line before it is let through */
    }
}

static bool may_be_host(struct silt_str host)
{
    static const char others[] = "!$%&()*+,-.:;=['_~]";

    for (size_t i = 0; i < host.len; i++) {
        char c = host.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr(others, c))))
            return false;
    }
    return true;
}

static const char *fault(const h2o_req_t *req, const struct head *head)
{
    if (head->hosts == 0 && req->version >= 0x101)
        return "400 Bad Request: missing required Host header";
    if (head->hosts > 1)
        return "400 Bad Request: too many Host headers";
    if (!may_be_host(head->host))
        return "400 Bad Request: malformed Host header";
    if (head->lengths_differ)
        return "400 Bad Request: Content-Length headers that differ";
    if (head->encodings > 1)
        return "400 Bad Request: too many Transfer-Encoding headers";
    return NULL;
}

bool http_head_check(h2o_req_t *req)
{
    struct http_connection *connection = http_connection_of(req);
    struct head head;

    if (!connection)
        return true;
    h2o_buffer_t *input = connection->socket->input;
    read_head(&head, (struct silt_str){input->bytes, input->size});
    const char *text = fault(req, &head);
    if (text || (head.lengths && head.encodings))
        req->http1_is_persistent = 0;
    if (text)
        http_text_error(req, 400, silt_str_from(text));
    return !text;
}

bool http_head_to_origin_form(h2o_req_t *req)
{
    struct silt_str path = http_path(req);
    const char *host = path.len && *path.p != '/' ? memmem(path.p, path.len, "://", 3) : NULL;
    const char *slash = host ? memchr(host + 3, '/', (size_t)(path.p + path.len - host - 3)) : NULL;

    if (!slash)
        return false;
    size_t cut = (size_t)(slash - path.p);
    req->path.base += cut;
    req->path.len -= cut;
    if (req->query_at != SIZE_MAX)
        req->query_at -= cut;
    return true;
}
