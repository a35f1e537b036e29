/*
 * encode_kernels.h - the loops over whole blocks of 1024 that are worth building for wider vectors.
 *
 * A whole block lies in 16 lanes of 64 values:
 *
 *     value i of a run (DELTA, DELTA2):  lane i / 64, row i % 64        lane 0: 0 1 2 ... 63   lane 1: 64 65 ...
 *     value i of a run (FOR):            row i / 16, lane i % 16        no order needed: as it is
 *     slot of (row, lane): row * 16 + lane
 *
 * so that a step from row to row is the same step in 16 lanes, which is what a vector does. Packed to `width` bits, each
 * lane is a little-endian stream of 64 * width bits cut into words; word w of lane l is word w * 16 + l of the payload.
 */
#ifndef STORAGE_ENCODE_KERNELS_H
#define STORAGE_ENCODE_KERNELS_H

#include <stdint.h>

#define LANES 16u
#define LANE_ROWS 64u
#define LANE_SLOTS (LANES * LANE_ROWS)

enum encode_form { /* of a residual, on disk */
    FORM_ZIGZAG = 0,     /* zigzag(x) */
    FORM_ZIGZAG_REF = 1, /* zigzag(x - ref) */
    FORM_FROM_REF = 2,   /* x - ref */
};

struct encode_kernels {
    const char *name;
    /* words: width * 16 of them and 16 more that may hold anything. width 0..64 */
    void (*unpack)(const uint64_t *words, unsigned width, uint64_t *slots);
    void (*pack)(const uint64_t *slots, unsigned width, uint64_t *words); /* width 1..64 */
    /* Residuals to values: of order 0, 1 and 2; `slots` is used up. before: the value before value 0; step: the
     * difference before value 0's. */
    void (*restore0)(const uint64_t *slots, unsigned form, uint64_t ref, uint64_t *out);
    void (*restore1)(uint64_t *slots, unsigned form, uint64_t ref, uint64_t before, uint64_t *out);
    void (*restore2)(uint64_t *slots, unsigned form, uint64_t ref, uint64_t before, uint64_t step, uint64_t *out);
    /* How many of the residuals x[i], 1..LANE_SLOTS of them, need how many bits: histogram[0..the result], which is the
     * width of the widest; what is above is left as it was, so that few rows cost little. */
    unsigned (*weigh)(const uint64_t *x, unsigned count, unsigned form, uint64_t ref, unsigned *histogram);
    void (*decimals)(const int64_t *ints, unsigned count, double power, double *out); /* ints / power */
};

/* The best for this processor. */
const struct encode_kernels *encode_kernels(void);
/* Builds by number, 0 the baseline; NULL past the last or when this processor cannot run it. For tests. */
const struct encode_kernels *encode_kernels_build(unsigned number);

#endif
