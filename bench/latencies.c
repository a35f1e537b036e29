/*
 * latencies.c - implements latencies.h.
 */
#include "bench/latencies.h"

#include <math.h>
#include <stdlib.h>

static void reserve(struct latencies *latencies, size_t count)
{
    if (count <= latencies->capacity)
        return;
    latencies->capacity = count > 2 * latencies->capacity ? count : 2 * latencies->capacity;
    latencies->ns = silt_realloc(latencies->ns, latencies->capacity * sizeof(*latencies->ns));
}

void latencies_add(struct latencies *latencies, uint64_t ns)
{
    reserve(latencies, latencies->count + 1);
    latencies->ns[latencies->count++] = ns;
}

void latencies_join(struct latencies *into, const struct latencies *from)
{
    if (!from->count)
        return;
    reserve(into, into->count + from->count);
    memcpy(into->ns + into->count, from->ns, from->count * sizeof(*from->ns));
    into->count += from->count;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void latencies_sort(struct latencies *latencies)
{
    if (latencies->count)
        qsort(latencies->ns, latencies->count, sizeof(*latencies->ns), compare);
}

double latencies_ms(const struct latencies *latencies, double percent)
{
    size_t rank = (size_t)ceil(percent / 100 * (double)latencies->count);

    return latencies->count ? (double)latencies->ns[rank ? rank - 1 : 0] / 1e6 : 0;
}

void latencies_free(struct latencies *latencies)
{
    free(latencies->ns);
    *latencies = (struct latencies){0};
}
