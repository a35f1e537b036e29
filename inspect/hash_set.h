/*
 * hash_set.h - 64-bit hashes that were met, in an open table. Two things with one hash count as one: not in the lifetime of a disk.
 */
#ifndef INSPECT_HASH_SET_H
#define INSPECT_HASH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_set { /* zero-initialise */
    uint64_t *slots; /* 0: free */
    size_t count, room; /* room: a power of two, or 0 */
};

/* False: it was there. hash is not 0. */
bool hash_set_add(struct hash_set *set, uint64_t hash);
bool hash_set_has(const struct hash_set *set, uint64_t hash);
void hash_set_deinit(struct hash_set *set);

#endif
