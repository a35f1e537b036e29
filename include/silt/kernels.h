/*
 * kernels.h - sums and extremes of decoded arrays, in the widest vectors that the processor has.
 *
 * Which build of a kernel runs is decided at run time; all give the same answer to the bit. Any thread.
 */
#ifndef SILT_KERNELS_H
#define SILT_KERNELS_H

#include "silt/base.h"

int64_t silt_sum_i64(const int64_t *values, size_t count); /* wraps; fit for unsigned as well */
/* count 0: min is the type's largest value, max its smallest (floats: +inf, -inf). NaN is passed over; of -0 and 0
 * either may be given. */
void silt_minmax_i64(const int64_t *values, size_t count, int64_t *min, int64_t *max);
void silt_minmax_u64(const uint64_t *values, size_t count, uint64_t *min, uint64_t *max);
void silt_minmax_f64(const double *values, size_t count, double *min, double *max);
/* start + v[0] + v[1] + ... one after the other, so that the last digit is the one that row order gives. */
double silt_sum_f64(double start, const double *values, size_t count);
/* Set bits among the first `count`; later bits of the last word are not looked at. */
size_t silt_count_valid(const uint64_t *valid, size_t count);

#endif
