/*
 * bench_load.c - write a workload to a server over several keep-alive connections and tell how fast it went.
 *
 *     bench_load --port P [--path /write?db=bench] [--connections 4] [--batch 5000]
 *                [--kind cpu] [--hosts 4000] [--steps 100] [--first-step 0] [--out-of-order] [--sparse] | [--file LINES[.gz]]
 *                [--gzip | --prometheus] [--rate ROWS_PER_S] [--laps 1 | --seconds S]
 *
 * --sparse leaves one row to nine hosts in ten. --first-step lets the times begin later, behind another run's.
 * --rate sends no faster than that: every body has a moment when it is due, and besides the latencies from sent to
 * acknowledged those from due to acknowledged are told, so that a server that falls behind shows.
 * --laps sends the bodies so many times, --seconds for so long, each time with later times.
 * --prometheus sends the rows by remote write: a series with one sample for each of their fields. (--path: /api/v1/prom/write?db=
 * bench; victoria-metrics' is /api/v1/write.)
 *
 * All bodies are made before the clock starts, so that the generator takes no time from the server. Each connection
 * sends every n-th body and waits for its answer: any but 204 ends the run with status 1. One JSON line on stdout.
 */
#include "bench/bodies.h"
#include "bench/client.h"
#include "bench/latencies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECTIONS_MAX 1000

struct settings {
    int port, connections;
    const char *path;
    struct bodies_plan plan;
    double rate;    /* rows a second, 0: as fast as they are taken */
    double seconds; /* 0: no bound */
    size_t laps;    /* over all bodies; SIZE_MAX: no bound */
    struct bodies bodies;
    uint64_t begin_ns;
    _Atomic bool stop;
};

struct connection {
    struct settings *settings;
    int index;
    bool failed;
    pthread_t thread;
    struct latencies sent, due;
    size_t rows, bytes;
};

static void wait_until(uint64_t ns)
{
    struct timespec at = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static bool write_body(struct connection *c, struct client *client, const struct body *body, struct silt_buffer *answer)
{
    static const char *const headers[] = {
        [BODY_LINES] = "Content-Type: text/plain",
        [BODY_GZIP] = "Content-Type: text/plain\r\nContent-Encoding: gzip",
        [BODY_PROMETHEUS] = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy",
    };
    const struct settings *s = c->settings;
    char head[1024];
    int status = 0;
    int head_len = snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n%s\r\n\r\n",
                            s->path, s->port, body->len, headers[s->plan.form]);

    if (head_len >= (int)sizeof(head) || !client_send(client, head, (size_t)head_len, body->p, body->len) ||
        !client_receive(client, &status, answer))
        return false;
    if (status != 204)
        fprintf(stderr, "unexpected answer: %d %.*s\n", status, (int)(answer->len < 500 ? answer->len : 500), answer->p);
    return status == 204;
}

static void *run(void *arg)
{
    struct connection *c = arg;
    struct settings *s = c->settings;
    struct silt_buffer answer = {0};
    struct client client;
    uint64_t end = s->seconds > 0 ? s->begin_ns + (uint64_t)(s->seconds * 1e9) : UINT64_MAX;
    size_t i = (size_t)c->index, lap = 0;

    c->failed = !client_open(&client, s->port);
    while (!c->failed && !s->stop && i < s->bodies.count && silt_clock_monotonic_ns() < end) {
        struct body *body = &s->bodies.at[i];
        uint64_t due = 0;
        if (lap)
            bodies_advance(&s->bodies, body);
        if (s->rate > 0) {
            double rows_before = (double)(lap * s->bodies.rows + i * s->plan.batch);
            due = s->begin_ns + (uint64_t)(rows_before / s->rate * 1e9);
            if (due >= end)
                break;
            wait_until(due);
        }
        uint64_t begin = silt_clock_monotonic_ns();
        c->failed = !write_body(c, &client, body, &answer);
        uint64_t now = silt_clock_monotonic_ns();
        if (c->failed)
            break;
        latencies_add(&c->sent, now - begin);
        if (due)
            latencies_add(&c->due, now - due);
        c->rows += body->rows;
        c->bytes += body->len;
        i += (size_t)s->connections;
        if (i >= s->bodies.count && lap + 1 < s->laps) {
            i = (size_t)c->index;
            lap++;
        }
    }
    if (c->failed)
        s->stop = true;
    client_close(&client);
    silt_buffer_free(&answer);
    return NULL;
}

static bool flag_option(struct settings *s, struct workload *load, const char *option)
{
    if (strcmp(option, "--out-of-order") == 0)
        load->out_of_order = true;
    else if (strcmp(option, "--sparse") == 0)
        s->plan.sparse = true;
    else if (strcmp(option, "--prometheus") == 0)
        s->plan.form = BODY_PROMETHEUS;
    else if (strcmp(option, "--gzip") == 0)
        s->plan.form = BODY_GZIP;
    else
        return false;
    return true;
}

static bool value_option(struct settings *s, struct workload *load, uint32_t *first_step, const char *option, const char *value)
{
    if (strcmp(option, "--port") == 0)
        s->port = atoi(value);
    else if (strcmp(option, "--path") == 0)
        s->path = value;
    else if (strcmp(option, "--hosts") == 0)
        load->hosts = (uint32_t)atoi(value);
    else if (strcmp(option, "--steps") == 0)
        load->steps = (uint32_t)atoi(value);
    else if (strcmp(option, "--first-step") == 0)
        *first_step = (uint32_t)atoi(value);
    else if (strcmp(option, "--batch") == 0)
        s->plan.batch = (size_t)atoi(value);
    else if (strcmp(option, "--connections") == 0)
        s->connections = atoi(value);
    else if (strcmp(option, "--rate") == 0)
        s->rate = atof(value);
    else if (strcmp(option, "--seconds") == 0)
        s->seconds = atof(value);
    else if (strcmp(option, "--laps") == 0)
        s->laps = (size_t)atoll(value);
    else if (strcmp(option, "--file") == 0)
        s->plan.file = value;
    else
        return strcmp(option, "--kind") == 0 && workload_kind_parse(value, &load->kind);
    return true;
}

/* Gives the workload, ready to make rows. */
static bool read_options(struct settings *s, struct workload *load, int argc, char **argv)
{
    struct workload wanted = {.kind = WORKLOAD_CPU, .hosts = 4000, .steps = 100};
    uint32_t first_step = 0;

    for (int i = 1; i < argc; i++) {
        if (flag_option(s, &wanted, argv[i]))
            continue;
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!value_option(s, &wanted, &first_step, argv[i], value)) {
            fprintf(stderr, "bench_load: bad option %s %s\n", argv[i], value);
            return false;
        }
        i++;
    }
    if (s->seconds > 0)
        s->laps = SIZE_MAX;
    s->plan.again = s->laps > 1;
    if (s->port <= 0 || !wanted.hosts || !wanted.steps || !s->plan.batch || !s->laps || s->connections < 1 || s->connections > CONNECTIONS_MAX) {
        fprintf(stderr, "bench_load: --port and positive numbers are needed\n");
        return false;
    }
    if (s->plan.again && (s->plan.form != BODY_LINES || s->plan.file)) {
        fprintf(stderr, "bench_load: only generated lines are sent again\n");
        return false;
    }
    workload_init(load, wanted.kind, wanted.hosts, wanted.steps);
    load->start_ns += (int64_t)first_step * load->step_ns;
    load->out_of_order = wanted.out_of_order;
    return true;
}

static void report(const struct settings *s, const struct latencies *sent, const struct latencies *due, size_t rows,
                   size_t bytes, double seconds)
{
    double values = (double)s->bodies.values * (double)rows / (double)(s->bodies.rows ? s->bodies.rows : 1);

    printf("{\"rows\": %zu, \"values\": %.0f, \"bytes\": %zu, \"seconds\": %.4f, \"rows_per_s\": %.0f, "
           "\"values_per_s\": %.0f, \"requests\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f",
           rows, values, bytes, seconds, (double)rows / seconds, values / seconds, sent->count, latencies_ms(sent, 50),
           latencies_ms(sent, 99), latencies_ms(sent, 100));
    if (s->rate > 0)
        printf(", \"wanted_rows_per_s\": %.0f, \"due_p50_ms\": %.3f, \"due_p99_ms\": %.3f, \"due_max_ms\": %.3f", s->rate,
               latencies_ms(due, 50), latencies_ms(due, 99), latencies_ms(due, 100));
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct settings s = {.connections = 4, .path = "/write?db=bench", .plan = {.batch = 5000}, .laps = 1};
    struct workload load;
    struct latencies sent = {0}, due = {0};
    size_t rows = 0, bytes = 0;
    bool failed = false;

    if (!read_options(&s, &load, argc, argv))
        return 2;
    if (!bodies_make(&s.bodies, &s.plan, &load))
        return 1;
    struct connection *connections = silt_calloc((size_t)s.connections, sizeof(*connections));
    s.begin_ns = silt_clock_monotonic_ns();
    for (int i = 0; i < s.connections; i++) {
        connections[i] = (struct connection){.settings = &s, .index = i};
        if (pthread_create(&connections[i].thread, NULL, run, &connections[i]) != 0) {
            fprintf(stderr, "bench_load: no more threads\n");
            exit(1);
        }
    }
    for (int i = 0; i < s.connections; i++) {
        pthread_join(connections[i].thread, NULL);
        failed |= connections[i].failed;
        rows += connections[i].rows;
        bytes += connections[i].bytes;
        latencies_join(&sent, &connections[i].sent);
        latencies_join(&due, &connections[i].due);
        latencies_free(&connections[i].sent);
        latencies_free(&connections[i].due);
    }
    double seconds = (double)(silt_clock_monotonic_ns() - s.begin_ns) / 1e9;
    latencies_sort(&sent);
    latencies_sort(&due);
    report(&s, &sent, &due, rows, bytes, seconds);
    latencies_free(&sent);
    latencies_free(&due);
    free(connections);
    bodies_free(&s.bodies);
    workload_deinit(&load);
    return failed ? 1 : 0;
}
