/*
 * bench_load.c - write a workload to a server over several keep-alive connections and tell how fast it went.
 *
 *     bench_load --port P [--path /write?db=bench] [--kind cpu] [--hosts 4000] [--steps 100] [--batch 5000]
 *                [--connections 4] [--out-of-order] [--prometheus]
 *
 * --prometheus sends the rows by remote write: a series with one sample for each of their fields. (--path: /api/v1/prom/write?db=
 * bench; victoria-metrics' is /api/v1/write.)
 *
 * All bodies are made before the clock starts, so that the generator takes no time from the server. Each connection
 * sends every n-th body and waits for its answer: any but 204 ends the run with status 1. One JSON line on stdout.
 */
#include "bench/remote_write.h"
#include "bench/workload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct body {
    char *p;
    size_t len;
};

struct settings {
    int port, connections;
    bool prometheus;
    const char *path;
    struct body *bodies;
    size_t body_count;
};

struct connection {
    const struct settings *settings;
    int index;
    double latency_sum, latency_max;
    uint64_t *latencies_us;
    size_t sent;
    bool failed;
    pthread_t thread;
};

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static bool send_all(int fd, const char *p, size_t len, int flags)
{
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL | flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

/* Read one answer without a body, or show what came instead. */
static bool read_no_content(int fd)
{
    char answer[4096];
    size_t len = 0;
    while (len < sizeof(answer) - 1) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        answer[len] = '\0';
        if (strstr(answer, "\r\n\r\n")) {
            if (strncmp(answer, "HTTP/1.1 204", 12) == 0)
                return true;
            break;
        }
    }
    answer[len] = '\0';
    fprintf(stderr, "unexpected answer: %s\n", answer);
    return false;
}

static void *run(void *arg)
{
    struct connection *c = arg;
    const struct settings *s = c->settings;
    int fd = dial(s->port);
    for (size_t i = (size_t)c->index; i < s->body_count && !c->failed; i += (size_t)s->connections) {
        char head[512];
        int head_len = snprintf(head, sizeof(head),
                                "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n"
                                "%s\r\n\r\n",
                                s->path, s->port, s->bodies[i].len,
                                s->prometheus ? "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy"
                                              : "Content-Type: text/plain");
        uint64_t begin = silt_clock_monotonic_ns();
        c->failed = !send_all(fd, head, (size_t)head_len, MSG_MORE) ||
                    !send_all(fd, s->bodies[i].p, s->bodies[i].len, 0) || !read_no_content(fd);
        c->latencies_us[c->sent++] = (silt_clock_monotonic_ns() - begin) / 1000;
    }
    close(fd);
    return NULL;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct body make_body(const struct settings *s, struct silt_buffer *text)
{
    struct silt_buffer packed = {0}, *from = text;

    if (s->prometheus) {
        remote_write_body((struct silt_str){text->p, text->len}, &packed);
        from = &packed;
    }
    struct body body = {silt_malloc(from->len), from->len};
    memcpy(body.p, from->p, from->len);
    silt_buffer_free(&packed);
    text->len = 0;
    return body;
}

static size_t make_bodies(struct workload *load, size_t batch, struct settings *s, size_t *bytes)
{
    size_t rows = (size_t)load->hosts * load->steps, capacity = rows / batch + 1, in_body = 0, made = 0;
    struct silt_buffer text = {0};
    s->bodies = silt_calloc(capacity, sizeof(*s->bodies));
    for (uint32_t step = 0; step < load->steps; step++)
        for (uint32_t host = 0; host < load->hosts; host++) {
            workload_row(load, step, host, &text);
            made++;
            if (++in_body == batch || made == rows) {
                s->bodies[s->body_count] = make_body(s, &text);
                *bytes += s->bodies[s->body_count++].len;
                in_body = 0;
            }
        }
    silt_buffer_free(&text);
    return made;
}

int main(int argc, char **argv)
{
    struct settings s = {.connections = 4, .path = "/write?db=bench"};
    enum workload_kind kind = WORKLOAD_CPU;
    unsigned hosts = 4000, steps = 100;
    size_t batch = 5000, bytes = 0;
    bool out_of_order = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--out-of-order") == 0) {
            out_of_order = true;
            continue;
        }
        if (strcmp(argv[i], "--prometheus") == 0) {
            s.prometheus = true;
            continue;
        }
        if (strcmp(argv[i], "--port") == 0)
            s.port = atoi(value);
        else if (strcmp(argv[i], "--path") == 0)
            s.path = value;
        else if (strcmp(argv[i], "--hosts") == 0)
            hosts = (unsigned)atoi(value);
        else if (strcmp(argv[i], "--steps") == 0)
            steps = (unsigned)atoi(value);
        else if (strcmp(argv[i], "--batch") == 0)
            batch = (size_t)atoi(value);
        else if (strcmp(argv[i], "--connections") == 0)
            s.connections = atoi(value);
        else if (strcmp(argv[i], "--kind") != 0 || !workload_kind_parse(value, &kind)) {
            fprintf(stderr, "bench_load: bad option %s %s\n", argv[i], value);
            return 2;
        }
        i++;
    }
    if (s.port <= 0 || hosts == 0 || steps == 0 || batch == 0 || s.connections < 1 || s.connections > 1000) {
        fprintf(stderr, "bench_load: --port and positive numbers are needed\n");
        return 2;
    }
    struct workload load;
    workload_init(&load, kind, hosts, steps);
    load.out_of_order = out_of_order;
    size_t rows = make_bodies(&load, batch, &s, &bytes);
    struct connection *connections = silt_calloc((size_t)s.connections, sizeof(*connections));
    uint64_t begin = silt_clock_monotonic_ns();
    for (int i = 0; i < s.connections; i++) {
        connections[i] = (struct connection){.settings = &s, .index = i};
        connections[i].latencies_us = silt_calloc(s.body_count + 1, sizeof(uint64_t));
        if (pthread_create(&connections[i].thread, NULL, run, &connections[i]) != 0)
            return 1;
    }
    bool failed = false;
    uint64_t *all = silt_calloc(s.body_count + 1, sizeof(uint64_t));
    size_t count = 0;
    for (int i = 0; i < s.connections; i++) {
        pthread_join(connections[i].thread, NULL);
        failed |= connections[i].failed;
        memcpy(all + count, connections[i].latencies_us, connections[i].sent * sizeof(uint64_t));
        count += connections[i].sent;
        free(connections[i].latencies_us);
    }
    double seconds = (double)(silt_clock_monotonic_ns() - begin) / 1e9;
    qsort(all, count, sizeof(*all), compare_u64);
    printf("{\"rows\": %zu, \"values\": %zu, \"bytes\": %zu, \"seconds\": %.4f, \"rows_per_s\": %.0f, "
           "\"values_per_s\": %.0f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           rows, rows * workload_fields(kind), bytes, seconds, (double)rows / seconds,
           (double)(rows * workload_fields(kind)) / seconds, count ? (double)all[count / 2] / 1000 : 0,
           count ? (double)all[count * 99 / 100] / 1000 : 0);
    for (size_t i = 0; i < s.body_count; i++)
        free(s.bodies[i].p);
    free(s.bodies);
    free(all);
    free(connections);
    workload_deinit(&load);
    return failed ? 1 : 0;
}
