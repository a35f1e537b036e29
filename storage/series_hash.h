/*
 * series_hash.h - series text -> id: the table every written row is looked up in.
 *
 *     verify = XXH3 of the text under a random secret      part = verify & 63, home = verify >> 6 & mask
 *     part -> | verify 8 | tag 4 | id 4 | verify ...        open addressing, at most 3/4 full
 *
 * 64 parts that grow one by one, so that no single insertion moves more than 1/64 of the table. tag is the upper half
 * of the sender's hash of the text: with verify 96 bits tell texts apart, and who does not know the secret cannot
 * make two texts meet, nor crowd a part.
 *
 * Threads: find and lookup under a shared lock of the owner's, the rest under the exclusive one.
 */
#ifndef STORAGE_SERIES_HASH_H
#define STORAGE_SERIES_HASH_H

#include "silt/base.h"
#include "silt/storage.h"

#define SERIES_HASH_PARTS 64u
#define SERIES_HASH_SECRET_BYTES 192u
#define SERIES_PENDING 0x80000000u /* set in an id: hidden from lookup */

struct series_slot {
    uint64_t verify;
    uint32_t tag;
    uint32_t id; /* 0: empty */
};
_Static_assert(sizeof(struct series_slot) == 16, "four slots a cache line");

struct series_hash_part {
    struct series_slot *slots;
    uint32_t mask, used;
};

struct series_hash {
    struct series_hash_part parts[SERIES_HASH_PARTS];
    size_t bytes; /* of all parts */
    _Alignas(64) unsigned char secret[SERIES_HASH_SECRET_BYTES];
};

void series_hash_init(struct series_hash *hash);
void series_hash_deinit(struct series_hash *hash);
void series_hash_reserve(struct series_hash *hash, size_t texts);

uint64_t series_hash_verify(const struct series_hash *hash, struct silt_str text);
/* Hidden ids count as unknown. Returns how many are. */
size_t series_hash_lookup(const struct series_hash *hash, const struct silt_row *rows, size_t count,
                          silt_series_id *ids);
/* With SERIES_PENDING where it is set; 0: not there. */
uint32_t series_hash_find(const struct series_hash *hash, uint64_t verify, uint64_t text_hash);
/* The text must not be there yet. */
void series_hash_insert(struct series_hash *hash, uint64_t verify, uint64_t text_hash, uint32_t id);
/* Give a text another id (to clear SERIES_PENDING); it must be there. */
void series_hash_replace(struct series_hash *hash, uint64_t verify, uint64_t text_hash, uint32_t id);
/* Every text whose id is in the set leaves a part: bit i stands for id first + i, up to last; first is not 0. */
void series_hash_sweep(struct series_hash *hash, unsigned part, const uint64_t *set, uint32_t first, uint32_t last);
/* Missing is fine. */
void series_hash_remove(struct series_hash *hash, uint64_t verify, uint64_t text_hash);
void series_hash_prefetch(const struct series_hash *hash, uint64_t verify);

#endif
