/*
 * bench_query.c - ask a server the same things again and again over keep-alive connections and tell how long each took.
 *
 *     bench_query --port P (--path /query?... | --paths FILE)... [--connections 1] [--requests 0] [--seconds 0]
 *                 [--warmup 1] [--accept application/json] [--changing] [--pause-us 0]
 *
 * FILE has a path a line. The connections go round the paths, each from another place, until --requests are answered in all
 * or --seconds are over, whichever comes first (one of the two is needed; 0 is no bound). The first --warmup rounds of each
 * connection do not count. Any status but 200, an answer that begins with an error, and a body that differs from the path's
 * first one end the run with status 1; --changing allows bodies to differ (data is being written). A connection waits
 * --pause-us after an answer, for a load that is not all the server can take.
 * A latency goes from the request's first byte sent to the answer's last byte received; hashing comes after it.
 *
 * One JSON line on stdout: {"requests", "seconds", "queries_per_s", "p50_ms", "p90_ms", "p99_ms", "max_ms", "bytes", "paths":
 * [{"requests", "p50_ms", "p99_ms", "max_ms", "bytes", "hash"}, ...]}, the paths in the order given; bytes are of one answer.
 */
#include "bench/client.h"
#include "bench/latencies.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1000
#define PATHS_FILE_BYTES_MAX ((size_t)64 << 20)
#define ERROR_LOOK_BYTES 200 /* where an answer that is an error says so */

struct path {
    struct silt_str request; /* the whole of it */
    /* The first answer, under the lock. */
    size_t body_bytes;
    uint64_t body_hash;
    bool answered;
};

struct settings {
    int port, connections;
    size_t warmup;
    double seconds;
    bool changing;
    useconds_t pause_us;
    const char *accept;
    struct path *paths;
    size_t path_count, path_capacity;
    pthread_mutex_t lock;
    _Atomic int64_t requests_left; /* INT64_MAX: no bound */
    _Atomic bool stop;
    pthread_barrier_t warm;
};

struct connection {
    struct settings *settings;
    int index;
    bool failed;
    pthread_t thread;
    struct latencies *by_path;
    uint64_t end_ns;
};

/* Is it an answer, and the same as before? */
static bool check(struct settings *s, size_t index, int status, const struct silt_buffer *body)
{
    struct path *path = &s->paths[index];
    size_t look = body->len < ERROR_LOOK_BYTES ? body->len : ERROR_LOOK_BYTES;

    if (status != 200 || memmem(body->p, look, "\"error\":", 8)) {
        fprintf(stderr, "status %d: %.*s\nto %.*s", status, (int)look, body->p, SILT_FMT(path->request));
        return false;
    }
    uint64_t hash = silt_hash(body->p, body->len);
    pthread_mutex_lock(&s->lock);
    if (!path->answered) {
        path->answered = true;
        path->body_bytes = body->len;
        path->body_hash = hash;
    }
    bool same = path->body_bytes == body->len && path->body_hash == hash;
    pthread_mutex_unlock(&s->lock);
    if (!same && !s->changing)
        fprintf(stderr, "another answer of %zu bytes instead of %zu: %.*s\nto %.*s", body->len, path->body_bytes,
                (int)look, body->p, SILT_FMT(path->request));
    return same || s->changing;
}

static bool ask(struct connection *c, struct client *client, size_t index, struct silt_buffer *body, uint64_t *took)
{
    struct silt_str request = c->settings->paths[index].request;
    int status;
    uint64_t begin = silt_clock_monotonic_ns();

    if (!client_send(client, request.p, request.len, NULL, 0) || !client_receive(client, &status, body))
        return false;
    *took = silt_clock_monotonic_ns() - begin;
    return check(c->settings, index, status, body);
}

static void *run(void *arg)
{
    struct connection *c = arg;
    struct settings *s = c->settings;
    struct silt_buffer body = {0};
    struct client client;
    size_t at = (size_t)c->index * s->path_count / (size_t)s->connections;
    uint64_t took;

    c->failed = !client_open(&client, s->port);
    for (size_t i = 0; i < s->warmup * s->path_count && !c->failed; i++)
        c->failed = !ask(c, &client, (at + i) % s->path_count, &body, &took);
    pthread_barrier_wait(&s->warm);
    uint64_t end = s->seconds > 0 ? silt_clock_monotonic_ns() + (uint64_t)(s->seconds * 1e9) : UINT64_MAX;
    while (!c->failed && !s->stop && silt_clock_monotonic_ns() < end && atomic_fetch_sub(&s->requests_left, 1) > 0) {
        c->failed = !ask(c, &client, at % s->path_count, &body, &took);
        latencies_add(&c->by_path[at++ % s->path_count], took);
        if (s->pause_us)
            usleep(s->pause_us);
    }
    c->end_ns = silt_clock_monotonic_ns();
    if (c->failed)
        s->stop = true;
    client_close(&client);
    silt_buffer_free(&body);
    return NULL;
}

static void add_path(struct settings *s, struct silt_str path)
{
    struct silt_buffer text = {0};

    silt_buffer_printf(&text, "GET %.*s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: %s\r\n\r\n", SILT_FMT(path), s->port,
                       s->accept);
    if (s->path_count == s->path_capacity) {
        s->path_capacity = 2 * s->path_capacity + 16;
        s->paths = silt_realloc(s->paths, s->path_capacity * sizeof(*s->paths));
    }
    s->paths[s->path_count++] = (struct path){.request = {text.p, text.len}};
}

static bool add_paths_of(struct settings *s, const char *file)
{
    struct silt_buffer text = {0};
    struct silt_error err;

    if (silt_buffer_read_file(&text, file, PATHS_FILE_BYTES_MAX, &err) != SILT_OK) {
        fprintf(stderr, "bench_query: %s\n", err.text);
        return false;
    }
    for (size_t at = 0; at < text.len;) {
        const char *end = memchr(text.p + at, '\n', text.len - at);
        size_t len = end ? (size_t)(end - text.p) - at : text.len - at;
        if (len)
            add_path(s, (struct silt_str){text.p + at, len});
        at += len + 1;
    }
    silt_buffer_free(&text);
    return true;
}

static void put_figures(const struct latencies *sorted)
{
    printf("\"requests\": %zu, \"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f", sorted->count,
           latencies_ms(sorted, 50), latencies_ms(sorted, 90), latencies_ms(sorted, 99), latencies_ms(sorted, 100));
}

static void report(struct settings *s, struct connection *connections, double seconds)
{
    struct latencies all = {0}, *by_path = silt_calloc(s->path_count, sizeof(*by_path));
    size_t bytes = 0;

    for (size_t path = 0; path < s->path_count; path++) {
        for (int i = 0; i < s->connections; i++)
            latencies_join(&by_path[path], &connections[i].by_path[path]);
        latencies_sort(&by_path[path]);
        latencies_join(&all, &by_path[path]);
        bytes += by_path[path].count * s->paths[path].body_bytes;
    }
    latencies_sort(&all);
    printf("{\"seconds\": %.4f, \"queries_per_s\": %.2f, \"bytes\": %zu, ", seconds, (double)all.count / seconds,
           all.count ? bytes / all.count : 0);
    put_figures(&all);
    printf(", \"paths\": [");
    for (size_t path = 0; path < s->path_count; path++) {
        printf("%s{\"bytes\": %zu, \"hash\": \"%016llx\", ", path ? ", " : "", s->paths[path].body_bytes,
               (unsigned long long)s->paths[path].body_hash);
        put_figures(&by_path[path]);
        printf("}");
        latencies_free(&by_path[path]);
    }
    printf("]}\n");
    latencies_free(&all);
    free(by_path);
}

static bool read_options(struct settings *s, int argc, char **argv)
{
    /* The port and what is accepted go into every path's request: they are read first. */
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--port") == 0)
            s->port = atoi(value);
        else if (strcmp(argv[i], "--accept") == 0)
            s->accept = value;
    }
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--changing") == 0) {
            s->changing = true;
            continue;
        }
        if (strcmp(argv[i], "--path") == 0)
            add_path(s, silt_str_from(value));
        else if (strcmp(argv[i], "--paths") == 0 && !add_paths_of(s, value))
            return false;
        else if (strcmp(argv[i], "--connections") == 0)
            s->connections = atoi(value);
        else if (strcmp(argv[i], "--requests") == 0)
            s->requests_left = atoll(value) > 0 ? atoll(value) : INT64_MAX;
        else if (strcmp(argv[i], "--seconds") == 0)
            s->seconds = atof(value);
        else if (strcmp(argv[i], "--warmup") == 0)
            s->warmup = (size_t)atoi(value);
        else if (strcmp(argv[i], "--pause-us") == 0)
            s->pause_us = (useconds_t)atoi(value);
        else if (strcmp(argv[i], "--port") != 0 && strcmp(argv[i], "--accept") != 0 && strcmp(argv[i], "--paths") != 0) {
            fprintf(stderr, "bench_query: bad option %s\n", argv[i]);
            return false;
        }
        i++;
    }
    if (s->port > 0 && s->path_count && s->connections > 0 && s->connections <= CONNECTIONS_MAX &&
        (s->seconds > 0 || s->requests_left < INT64_MAX))
        return true;
    fprintf(stderr, "bench_query: --port, a path, 1 to %d connections, and --requests or --seconds are needed\n",
            CONNECTIONS_MAX);
    return false;
}

int main(int argc, char **argv)
{
    struct settings s = {.connections = 1, .warmup = 1, .accept = "application/json", .requests_left = INT64_MAX};
    bool failed = false;

    pthread_mutex_init(&s.lock, NULL);
    if (!read_options(&s, argc, argv))
        return 2;
    pthread_barrier_init(&s.warm, NULL, (unsigned)s.connections + 1);
    struct connection *connections = silt_calloc((size_t)s.connections, sizeof(*connections));
    for (int i = 0; i < s.connections; i++) {
        connections[i] = (struct connection){.settings = &s, .index = i};
        connections[i].by_path = silt_calloc(s.path_count, sizeof(struct latencies));
        if (pthread_create(&connections[i].thread, NULL, run, &connections[i]) != 0) {
            fprintf(stderr, "bench_query: no more threads\n");
            exit(1);
        }
    }
    pthread_barrier_wait(&s.warm);
    uint64_t begin = silt_clock_monotonic_ns(), end = begin + 1;
    for (int i = 0; i < s.connections; i++) {
        pthread_join(connections[i].thread, NULL);
        failed |= connections[i].failed;
        end = connections[i].end_ns > end ? connections[i].end_ns : end;
    }
    if (!failed)
        report(&s, connections, (double)(end - begin) / 1e9);
    for (int i = 0; i < s.connections; i++) {
        for (size_t path = 0; path < s.path_count; path++)
            latencies_free(&connections[i].by_path[path]);
        free(connections[i].by_path);
    }
    for (size_t path = 0; path < s.path_count; path++)
        free((char *)s.paths[path].request.p);
    free(s.paths);
    free(connections);
    return failed ? 1 : 0;
}
