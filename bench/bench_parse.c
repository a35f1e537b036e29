/*
 * bench_parse.c - how fast text becomes a batch, and doubles become text and back, on one core.
 *
 *     bench_parse [rows]
 *
 * Prints the best of several runs: with the arena reset between them, as requests do, and hashing included.
 */
#include "bench/workload.h"
#include "server/line_protocol.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define RUNS 7
#define BODY_ROWS 5000 /* rows per call: a request's worth */
#define DOUBLES 1000000

typedef enum silt_status (*parse_fn)(const char *, size_t, const struct lp_options *, struct silt_arena *,
                                     struct silt_batch *, struct lp_errors *, struct silt_error *);

/* Best ns per row over all bodies, which end at ends[]. */
static double time_parse(parse_fn parse, const char *text, const size_t *ends, size_t body_count, size_t rows)
{
    struct lp_options options = {.now = 0, .precision_ns = 1};
    struct silt_arena *arena = silt_arena_create(NULL);
    double best = 1e30;
    for (int run = 0; run < RUNS; run++) {
        size_t parsed = 0, start = 0;
        uint64_t begin = silt_clock_monotonic_ns();
        for (size_t i = 0; i < body_count; i++) {
            struct silt_batch batch;
            struct lp_errors errors;
            struct silt_error err;
            if (parse(text + start, ends[i] - start, &options, arena, &batch, &errors, &err) != SILT_OK ||
                errors.total) {
                fprintf(stderr, "the benchmark's own text does not parse\n");
                exit(1);
            }
            parsed += batch.row_count;
            start = ends[i];
            silt_arena_reset(arena);
        }
        double ns = (double)(silt_clock_monotonic_ns() - begin) / (double)parsed;
        best = ns < best ? ns : best;
        silt_assert(parsed == rows);
    }
    silt_arena_destroy(arena);
    return best;
}

static void bench_workload(const char *name, size_t rows)
{
    struct workload load;
    enum workload_kind kind;
    uint32_t hosts = 1000, steps = (uint32_t)((rows + hosts - 1) / hosts);
    struct silt_buffer text = {0};
    size_t made = 0, body_count = 0;
    silt_assert(workload_kind_parse(name, &kind));
    size_t *ends = silt_calloc((size_t)steps * hosts / BODY_ROWS + 1, sizeof(*ends));

    workload_init(&load, kind, hosts, steps);
    for (uint32_t step = 0; step < steps; step++)
        for (uint32_t host = 0; host < hosts; host++) {
            workload_row(&load, step, host, &text);
            if (++made % BODY_ROWS == 0)
                ends[body_count++] = text.len;
        }
    if (made % BODY_ROWS)
        ends[body_count++] = text.len;
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.p[i] == '\n';

    double row_bytes = (double)text.len / (double)lines;
    double fast = time_parse(lp_parse, text.p, ends, body_count, lines);
    double strict = time_parse(lp_parse_strict, text.p, ends, body_count, lines);
    printf("%-12s %7.1f bytes/row   fast %7.1f ns/row %5.2f GB/s   strict %8.1f ns/row %5.2f GB/s\n", name, row_bytes,
           fast, row_bytes / fast, strict, row_bytes / strict);
    workload_deinit(&load);
    silt_buffer_free(&text);
    free(ends);
}

static double make_double(int kind, uint64_t random)
{
    switch (kind) {
    case 0:
        return (double)(random % 100);
    case 1:
        return (double)(random % 10000) / 100;
    case 2:
        return (double)(random % 36000) / 360;
    default:
        return (double)(random >> 11) * 0x1p-53;
    }
}

static void bench_doubles(void)
{
    static const char *const names[] = {"small whole", "two decimals", "means", "random [0,1)"};
    double *values = silt_calloc(DOUBLES, sizeof(*values));
    char *text = silt_malloc((size_t)DOUBLES * 32);
    uint64_t random = 88172645463325252u;
    for (int kind = 0; kind < 4; kind++) {
        double write = 1e30, read = 1e30, sum = 0;
        for (size_t i = 0; i < DOUBLES; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            values[i] = make_double(kind, random);
        }
        for (int run = 0; run < RUNS; run++) {
            uint64_t begin = silt_clock_monotonic_ns();
            char *at = text;
            for (size_t i = 0; i < DOUBLES; i++) {
                at += silt_write_double_json(at, values[i]);
                *at++ = ',';
            }
            double ns = (double)(silt_clock_monotonic_ns() - begin) / DOUBLES;
            write = ns < write ? ns : write;

            begin = silt_clock_monotonic_ns();
            for (char *from = text; from < at;) {
                char *comma = memchr(from, ',', 32);
                double value;
                if (silt_parse_double(from, (size_t)(comma - from), &value))
                    sum += value;
                from = comma + 1;
            }
            ns = (double)(silt_clock_monotonic_ns() - begin) / DOUBLES;
            read = ns < read ? ns : read;
        }
        printf("%-14s write %5.1f ns   read %5.1f ns   (%g)\n", names[kind], write, read, sum);
    }
    free(values);
    free(text);
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {"cpu", "decimals", "floats", "counters", "devops", "jitter", "log"};
    size_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    if (rows == 0 || rows > 100000000) {
        fprintf(stderr, "usage: bench_parse [rows]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        bench_workload(kinds[i], rows);
    bench_doubles();
    return 0;
}
