/*
 * bodies.h - the bodies of write requests, made before any clock starts: from the generator, or from a file of line protocol.
 *
 * A body of generated rows can be sent again: bodies_advance moves all its times on, so that a load that lasts (bench_load
 * --seconds) needs no more memory than one lap of it, and the time series go on as they would.
 */
#ifndef SILT_BENCH_BODIES_H
#define SILT_BENCH_BODIES_H

#include "bench/workload.h"

enum body_form { BODY_LINES, BODY_GZIP, BODY_PROMETHEUS };

struct body {
    char *p;
    size_t len;
    uint32_t rows;
    uint32_t *times; /* lines to be sent again: where each row's time begins, else NULL */
};

struct bodies {
    struct body *at;
    size_t count, rows, values, bytes; /* values and bytes of all of them */
    int64_t lap_ns;                    /* from a body's times to those of its next turn */
};

struct bodies_plan {
    enum body_form form;
    size_t batch;      /* rows of a body */
    const char *file;  /* lines, plain or gzip'd, in place of the generator's, or NULL */
    bool again;        /* bodies are to be sent again */
    bool sparse;       /* of ten hosts nine have one row only, at their first step */
};

/* From the workload (not looked at with a file). false: told on stderr. */
bool bodies_make(struct bodies *bodies, const struct bodies_plan *plan, struct workload *load);
void bodies_advance(const struct bodies *bodies, struct body *body);
void bodies_free(struct bodies *bodies);

#endif
