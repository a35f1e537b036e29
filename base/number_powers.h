/*
 * number_powers.h - powers of five to 128 bits, for reading and writing doubles.
 *
 * powers_of_five[q - POWER_OF_FIVE_MIN] holds the leading 128 bits of 5^q, cut off, with the top bit set:
 *
 *     hi:lo = floor(5^q * 2^s), s such that 2^127 <= hi:lo < 2^128
 *
 * These are the leading bits of 10^q too. Exact for 0 <= q <= POWER_OF_FIVE_EXACT_MAX, else a little too small.
 */
#ifndef SILT_BASE_NUMBER_POWERS_H
#define SILT_BASE_NUMBER_POWERS_H

#include <stdint.h>

#define POWER_OF_FIVE_MIN (-342)
#define POWER_OF_FIVE_MAX 325
#define POWER_OF_FIVE_EXACT_MAX 55

struct power_of_five {
    uint64_t hi, lo;
};

extern const struct power_of_five powers_of_five[POWER_OF_FIVE_MAX - POWER_OF_FIVE_MIN + 1];

#endif
