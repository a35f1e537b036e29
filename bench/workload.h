/*
 * workload.h - the one data generator of the benchmarks: deterministic line protocol, made row by row.
 *
 * All kinds but `cardinality` move time forward step by step and write every host once per step, as agents do.
 */
#ifndef SILT_BENCH_WORKLOAD_H
#define SILT_BENCH_WORKLOAD_H

#include "silt/text.h"

enum workload_kind {
    WORKLOAD_CPU,         /* TSBS-like: 10 tags, 10 integer fields that walk at random between 0 and 100 */
    WORKLOAD_DEVOPS,      /* nine measurements in turn, 10 tags, 5 fields: integers, counters and full-precision floats */
    WORKLOAD_DECIMALS,    /* as cpu, but floats with two decimals */
    WORKLOAD_FLOATS,      /* as cpu, but floats with all their digits */
    WORKLOAD_COUNTERS,    /* as cpu, but integers that only rise */
    WORKLOAD_JITTER,      /* sensors: one float with one decimal, times that jitter by milliseconds */
    WORKLOAD_LOG,         /* strings: status text, path, user; and two integers */
    WORKLOAD_CARDINALITY, /* one field, one tag set per host: as many series as hosts */
    WORKLOAD_KINDS,
};

struct workload {
    enum workload_kind kind;
    uint32_t hosts;
    uint32_t steps;
    int64_t start_ns, step_ns;
    bool out_of_order; /* one row in ten is some steps late */
    /* private: */
    uint64_t random;
    char **tags;
    double *state;
};

#define WORKLOAD_FIELDS_MAX 10

/* false: no such kind. */
bool workload_kind_parse(const char *name, enum workload_kind *out);
unsigned workload_fields(enum workload_kind kind); /* values per row */
void workload_init(struct workload *load, enum workload_kind kind, uint32_t hosts, uint32_t steps);
void workload_deinit(struct workload *load);
/* Append the row of (step, host); call in order of step, then host: the values depend on the ones before. */
void workload_row(struct workload *load, uint32_t step, uint32_t host, struct silt_buffer *out);

#endif
