/*
 * kernels.c - sums and extremes of arrays; see kernels.h. Plain loops, built for three instruction sets.
 */
#include "silt/kernels.h"

#include <math.h>

#define BODY static inline __attribute__((always_inline))

BODY int64_t sum_i64_body(const int64_t *values, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)values[i];
    return (int64_t)sum;
}

#define MINMAX_BODY(name, type, largest, smallest)                                                                     \
    BODY void name(const type *values, size_t count, type *min_out, type *max_out)                                     \
    {                                                                                                                  \
        type min = (largest), max = (smallest);                                                                        \
        for (size_t i = 0; i < count; i++) {                                                                           \
            min = values[i] < min ? values[i] : min;                                                                   \
            max = values[i] > max ? values[i] : max;                                                                   \
        }                                                                                                              \
        *min_out = min;                                                                                                \
        *max_out = max;                                                                                                \
    }
MINMAX_BODY(minmax_i64_body, int64_t, INT64_MAX, INT64_MIN)
MINMAX_BODY(minmax_u64_body, uint64_t, UINT64_MAX, 0)

typedef double eight __attribute__((vector_size(64)));
typedef double eight_anywhere __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t eight_masks __attribute__((vector_size(64)));

/* As above, but the compiler may not reorder comparisons of floats on its own: eight columns by hand. */
BODY void minmax_f64_body(const double *values, size_t count, double *min_out, double *max_out)
{
    eight mins, maxs;
    for (unsigned k = 0; k < 8; k++) {
        mins[k] = INFINITY;
        maxs[k] = -INFINITY;
    }
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        eight v = *(const eight_anywhere *)(values + i);
        eight_masks less = v < mins, more = v > maxs;
        mins = (eight)(((eight_masks)v & less) | ((eight_masks)mins & ~less));
        maxs = (eight)(((eight_masks)v & more) | ((eight_masks)maxs & ~more));
    }
    double min = INFINITY, max = -INFINITY;
    for (unsigned k = 0; k < 8; k++) {
        min = mins[k] < min ? mins[k] : min;
        max = maxs[k] > max ? maxs[k] : max;
    }
    for (; i < count; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    *min_out = min;
    *max_out = max;
}

struct kernels {
    int64_t (*sum_i64)(const int64_t *, size_t);
    void (*minmax_i64)(const int64_t *, size_t, int64_t *, int64_t *);
    void (*minmax_u64)(const uint64_t *, size_t, uint64_t *, uint64_t *);
    void (*minmax_f64)(const double *, size_t, double *, double *);
};

#define BUILD(suffix, ...)                                                                                             \
    __VA_ARGS__ static int64_t sum_i64_##suffix(const int64_t *v, size_t n)                                            \
    {                                                                                                                  \
        return sum_i64_body(v, n);                                                                                     \
    }                                                                                                                  \
    __VA_ARGS__ static void minmax_i64_##suffix(const int64_t *v, size_t n, int64_t *min, int64_t *max)                \
    {                                                                                                                  \
        minmax_i64_body(v, n, min, max);                                                                               \
    }                                                                                                                  \
    __VA_ARGS__ static void minmax_u64_##suffix(const uint64_t *v, size_t n, uint64_t *min, uint64_t *max)             \
    {                                                                                                                  \
        minmax_u64_body(v, n, min, max);                                                                               \
    }                                                                                                                  \
    __VA_ARGS__ static void minmax_f64_##suffix(const double *v, size_t n, double *min, double *max)                   \
    {                                                                                                                  \
        minmax_f64_body(v, n, min, max);                                                                               \
    }                                                                                                                  \
    static const struct kernels kernels_##suffix = {sum_i64_##suffix, minmax_i64_##suffix, minmax_u64_##suffix,        \
                                                    minmax_f64_##suffix}

BUILD(baseline, );
#if defined(__x86_64__)
BUILD(avx2, __attribute__((target("avx2"))));
#if defined(__clang__)
BUILD(avx512, __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl"))));
#else
BUILD(avx512, __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512"))));
#endif
#endif

static const struct kernels *best(void)
{
    static _Atomic(const struct kernels *) chosen;
    const struct kernels *kernels = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!kernels) { /* two threads may both choose: they choose the same */
        kernels = &kernels_baseline;
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2"))
            kernels = &kernels_avx2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
            kernels = &kernels_avx512;
#endif
        atomic_store_explicit(&chosen, kernels, memory_order_relaxed);
    }
    return kernels;
}

int64_t silt_sum_i64(const int64_t *values, size_t count)
{
    return best()->sum_i64(values, count);
}

void silt_minmax_i64(const int64_t *values, size_t count, int64_t *min, int64_t *max)
{
    best()->minmax_i64(values, count, min, max);
}

void silt_minmax_u64(const uint64_t *values, size_t count, uint64_t *min, uint64_t *max)
{
    best()->minmax_u64(values, count, min, max);
}

void silt_minmax_f64(const double *values, size_t count, double *min, double *max)
{
    best()->minmax_f64(values, count, min, max);
}

double silt_sum_f64(double start, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        start += values[i];
    return start;
}

size_t silt_count_valid(const uint64_t *valid, size_t count)
{
    size_t total = 0, whole = count / 64;
    for (size_t i = 0; i < whole; i++)
        total += (size_t)__builtin_popcountll(valid[i]);
    if (count % 64)
        total += (size_t)__builtin_popcountll(valid[whole] & (((uint64_t)1 << count % 64) - 1));
    return total;
}
