/*
 * keyed.h - stored numbers as keys that compare as unsigned integers do, with the times they belong to.
 *
 *     integer    ... -2 -1 0 1 2 ...         sign bit turned
 *     unsigned   as it is
 *     float      ... -1.5 -0 0 1.5 ...       negative ones: all bits turned; -0 and 0 are neighbours, though they are equal
 */
#ifndef QUERY_KEYED_H
#define QUERY_KEYED_H

#include "query/points.h"

#define KEY_SIGN ((uint64_t)1 << 63)
#define KEY_NEGATIVE_ZERO (KEY_SIGN - 1) /* of a float; 0 is the next */

struct keyed {
    uint64_t key;
    silt_time time;
};

static inline uint64_t key_of_number(enum data_type type, uint64_t bits)
{
    return type == DATA_INTEGER ? bits ^ KEY_SIGN : type == DATA_UNSIGNED ? bits : bits & KEY_SIGN ? ~bits : bits | KEY_SIGN;
}

static inline struct silt_cell cell_of_key(enum data_type type, uint64_t key)
{
    uint64_t bits = type == DATA_INTEGER ? key ^ KEY_SIGN : type == DATA_UNSIGNED ? key : key & KEY_SIGN ? key ^ KEY_SIGN : ~key;
    return number_cell(type, bits);
}

/* By key, as points_sort_places() does. */
void keyed_sort_places(struct keyed *items, size_t count, size_t first, size_t last);

#endif
