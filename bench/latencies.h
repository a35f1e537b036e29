/*
 * latencies.h - how long each request took, all of them kept, so that percentiles are exact.
 */
#ifndef SILT_BENCH_LATENCIES_H
#define SILT_BENCH_LATENCIES_H

#include "silt/base.h"

/* Zero-initialise. One thread. */
struct latencies {
    uint64_t *ns;
    size_t count, capacity;
};

void latencies_add(struct latencies *latencies, uint64_t ns);
void latencies_join(struct latencies *into, const struct latencies *from);
void latencies_sort(struct latencies *latencies);
/* The smallest that so many of a hundred do not exceed, in milliseconds; sorted. 0 when there is none. */
double latencies_ms(const struct latencies *latencies, double percent);
void latencies_free(struct latencies *latencies);

#endif
