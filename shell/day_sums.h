/*
 * day_sums.h - how many values of a field lie in a day, and a checksum over them: (field, day) -> count, sum.
 *
 * The sum adds up a hash of each value with its series, time and type, so that it does not matter in which order, or by
 * how many queries, values were read. Fields are numbers of the caller's. One thread, or the owner's lock.
 */
#ifndef SHELL_DAY_SUMS_H
#define SHELL_DAY_SUMS_H

#include "silt/base.h"

#define DAY_NS 86400000000000ll

struct day_sum {
    uint32_t field;
    int32_t day; /* since 1970-01-01, UTC */
    uint64_t count, sum;
};

struct day_sums {
    struct day_sum *cells; /* a hash table; count 0: free */
    size_t capacity, used;
};

void day_sums_add(struct day_sums *sums, uint32_t field, int32_t day, uint64_t count, uint64_t sum);
void day_sums_merge(struct day_sums *into, const struct day_sums *from);
/* Zeroes where there is nothing. */
struct day_sum day_sums_get(const struct day_sums *sums, uint32_t field, int32_t day);
void day_sums_clear(struct day_sums *sums); /* keeps its memory */
void day_sums_free(struct day_sums *sums);
uint64_t day_sums_total(const struct day_sums *sums);

int32_t day_of(silt_time time);
/* A value's part of the sum: `bits` is the value itself, or the hash of a string. */
uint64_t day_sums_value(uint64_t series, silt_time time, enum silt_type type, uint64_t bits);

#endif
