/*
 * bench_stream.c - ask for an answer of many rows in chunks, take it as fast as it comes, and tell how fast that was.
 *
 *     bench_stream --port P --path /query?... [--csv MEASUREMENT]
 *
 * The client takes much less time than a server needs to make the answer: HTTP's chunks are taken apart in place, and rows
 * are counted in what they hold: JSON's at `[[` and `],[`, CSV's at lines that begin with the measurement. One JSON line on
 * stdout.
 */
#include "bench/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define CARRY_BYTES 64 /* of what came before: a mark may lie across two pieces */

struct counter {
    char mark[CARRY_BYTES];    /* CSV: what a line with a row begins with */
    size_t mark_len;           /* 0: JSON */
    char held[CARRY_BYTES];    /* the end of what was seen */
    size_t held_len;
    uint64_t rows, bytes;
};

/* Rows whose mark ends behind `from`. */
static uint64_t count_rows(const struct counter *counter, const char *text, size_t len, size_t from)
{
    uint64_t rows = 0;

    if (counter->mark_len) {
        size_t before = counter->mark_len - 1;
        const char *at = text + (from > before ? from - before : 0);
        while ((at = memmem(at, (size_t)(text + len - at), counter->mark, counter->mark_len))) {
            rows++;
            at += counter->mark_len;
        }
        return rows;
    }
    for (const char *at = text + from; (at = memchr(at, '[', (size_t)(text + len - at))); at++)
        rows += at - text >= 2 && (at[-1] == '[' || (at[-1] == ',' && at[-2] == ']'));
    return rows;
}

static void take(struct counter *counter, const char *text, size_t len)
{
    char joint[2 * CARRY_BYTES];
    size_t head = len < CARRY_BYTES ? len : CARRY_BYTES;

    memcpy(joint, counter->held, counter->held_len);
    memcpy(joint + counter->held_len, text, head);
    counter->rows += count_rows(counter, joint, counter->held_len + head, counter->held_len);
    if (len > head)
        counter->rows += count_rows(counter, text, len, head);
    counter->bytes += len;
    size_t seen = counter->held_len + head, keep = seen < CARRY_BYTES ? seen : CARRY_BYTES;
    if (len >= CARRY_BYTES)
        memcpy(counter->held, text + len - CARRY_BYTES, keep = CARRY_BYTES);
    else
        memmove(counter->held, joint + seen - keep, keep);
    counter->held_len = keep;
}

static void ask(struct client *client, const char *path, bool csv)
{
    char request[8192];
    int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: %s\r\n\r\n", path,
                       csv ? "text/csv" : "application/json");

    if (len >= (int)sizeof(request) || !client_send(client, request, (size_t)len, NULL, 0)) {
        fprintf(stderr, "the request cannot be sent\n");
        exit(1);
    }
}

/* More of the answer behind what is there; the connection stays open as long as the answer is not at its end. */
static size_t more(int fd, char *buffer, size_t len)
{
    ssize_t got = read(fd, buffer + len, PIECE_BYTES - len);

    if (got <= 0) {
        fprintf(stderr, "the answer ends too soon\n");
        exit(1);
    }
    return len + (size_t)got;
}

/* Status and headers; returns where the first chunk begins in the buffer. */
static size_t skip_headers(int fd, char *buffer, size_t *len)
{
    const char *end;

    for (*len = 0; !(end = memmem(buffer, *len, "\r\n\r\n", 4));)
        *len = more(fd, buffer, *len);
    if (*len < 12 || memcmp(buffer + 9, "200", 3) != 0 || !memmem(buffer, *len, "chunked", 7)) {
        fprintf(stderr, "not an answer in chunks: %.200s\n", buffer);
        exit(1);
    }
    return (size_t)(end - buffer) + 4;
}

static void take_chunks(int fd, char *buffer, size_t at, size_t len, struct counter *counter)
{
    size_t left = 0; /* of the chunk under way, with the line's end behind it */

    for (;;) {
        while (left && at < len) {
            size_t part = len - at < left ? len - at : left, data = left > 2 ? left - 2 : 0;
            if (data)
                take(counter, buffer + at, part < data ? part : data);
            at += part;
            left -= part;
        }
        const char *end = at < len ? memchr(buffer + at, '\n', len - at) : NULL;
        if (left == 0 && end) {
            size_t size = strtoul(buffer + at, NULL, 16);
            at = (size_t)(end - buffer) + 1;
            if (size == 0)
                return;
            left = size + 2;
            continue;
        }
        memmove(buffer, buffer + at, len - at); /* at most a line's beginning */
        len = more(fd, buffer, len - at);
        at = 0;
    }
}

int main(int argc, char **argv)
{
    struct counter counter = {0};
    const char *path = NULL;
    int port = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            port = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--path") == 0)
            path = argv[i + 1];
        else if (strcmp(argv[i], "--csv") == 0)
            counter.mark_len = (size_t)snprintf(counter.mark, sizeof(counter.mark), "\n%s,", argv[i + 1]);
    }
    if (port <= 0 || !path || counter.mark_len >= sizeof(counter.mark)) {
        fprintf(stderr, "usage: bench_stream --port P --path /query?... [--csv MEASUREMENT]\n");
        return 2;
    }
    char *buffer = silt_malloc(PIECE_BYTES + 1);
    struct client client;
    size_t len;
    if (!client_open(&client, port))
        return 1;
    uint64_t begin = silt_clock_monotonic_ns();
    ask(&client, path, counter.mark_len);
    size_t at = skip_headers(client.fd, buffer, &len);
    take_chunks(client.fd, buffer, at, len, &counter);
    double seconds = (double)(silt_clock_monotonic_ns() - begin) / 1e9;
    printf("{\"rows\": %llu, \"bytes\": %llu, \"seconds\": %.4f}\n", (unsigned long long)counter.rows,
           (unsigned long long)counter.bytes, seconds);
    client_close(&client);
    free(buffer);
    return 0;
}
