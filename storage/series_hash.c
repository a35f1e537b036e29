/*
 * series_hash.c - implements series_hash.h.
 */
#include "storage/series_hash.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

#define PART_SLOTS_MIN 8u
#define AHEAD 16u /* rows hashed and prefetched before they are probed */

void series_hash_init(struct series_hash *hash)
{
    memset(hash, 0, sizeof(*hash));
    size_t done = 0;
    while (done < sizeof(hash->secret)) {
        ssize_t got = getrandom(hash->secret + done, sizeof(hash->secret) - done, 0);
        if (got > 0)
            done += (size_t)got;
    }
    for (unsigned i = 0; i < SERIES_HASH_PARTS; i++) {
        hash->parts[i].slots = silt_calloc(PART_SLOTS_MIN, sizeof(struct series_slot));
        hash->parts[i].mask = PART_SLOTS_MIN - 1;
    }
    hash->bytes = SERIES_HASH_PARTS * PART_SLOTS_MIN * sizeof(struct series_slot);
}

void series_hash_deinit(struct series_hash *hash)
{
    for (unsigned i = 0; i < SERIES_HASH_PARTS; i++)
        free(hash->parts[i].slots);
}

static inline uint64_t verify_of(const struct series_hash *hash, struct silt_str text)
{
    return XXH3_64bits_withSecret(text.p, text.len, hash->secret, sizeof(hash->secret));
}

uint64_t series_hash_verify(const struct series_hash *hash, struct silt_str text)
{
    return verify_of(hash, text);
}

static inline uint32_t tag_of(uint64_t text_hash)
{
    return (uint32_t)(text_hash >> 32);
}

static inline const struct series_slot *home_of(const struct series_hash *hash, uint64_t verify)
{
    const struct series_hash_part *part = &hash->parts[verify % SERIES_HASH_PARTS];
    return &part->slots[(verify >> 6) & part->mask];
}

void series_hash_prefetch(const struct series_hash *hash, uint64_t verify)
{
    __builtin_prefetch(home_of(hash, verify), 1);
}

/* The slot of the text, or the empty one where it would go. */
static inline struct series_slot *probe(const struct series_hash_part *part, uint64_t verify, uint32_t tag)
{
    for (uint32_t i = (uint32_t)(verify >> 6) & part->mask;; i = (i + 1) & part->mask) {
        struct series_slot *slot = &part->slots[i];
        if ((slot->verify == verify && slot->tag == tag) || slot->id == 0)
            return slot;
    }
}

uint32_t series_hash_find(const struct series_hash *hash, uint64_t verify, uint64_t text_hash)
{
    return probe(&hash->parts[verify % SERIES_HASH_PARTS], verify, tag_of(text_hash))->id;
}

size_t series_hash_lookup(const struct series_hash *hash, const struct silt_row *rows, size_t count,
                          silt_series_id *ids)
{
    size_t unknown = 0;
    uint64_t verify[AHEAD];
    for (size_t at = 0; at < count; at += AHEAD) {
        size_t n = count - at < AHEAD ? count - at : AHEAD;
        for (size_t i = 0; i < n; i++) {
            verify[i] = verify_of(hash, rows[at + i].series);
            __builtin_prefetch(home_of(hash, verify[i]));
        }
        for (size_t i = 0; i < n; i++) {
            uint32_t id = series_hash_find(hash, verify[i], rows[at + i].series_hash);
            if (id & SERIES_PENDING)
                id = 0;
            ids[at + i] = id;
            unknown += id == 0;
        }
    }
    return unknown;
}

/* Of the slots that it has, the first `filled` hold what stays. */
static void refill(struct series_hash *hash, struct series_hash_part *part, uint32_t filled, uint32_t slot_count)
{
    struct series_slot *old = part->slots;
    uint32_t old_count = part->mask + 1;
    part->slots = silt_calloc(slot_count, sizeof(*old));
    part->mask = slot_count - 1;
    for (uint32_t i = 0; i < filled; i++)
        if (old[i].id)
            *probe(part, old[i].verify, old[i].tag) = old[i];
    hash->bytes += ((size_t)slot_count - old_count) * sizeof(*old);
    free(old);
}

static void resize(struct series_hash *hash, struct series_hash_part *part, uint32_t slot_count)
{
    refill(hash, part, part->mask + 1, slot_count);
}

void series_hash_reserve(struct series_hash *hash, size_t texts)
{
    uint32_t slot_count = PART_SLOTS_MIN;
    while (slot_count < 1u << 26 && (size_t)slot_count * SERIES_HASH_PARTS * 7 < texts * 10)
        slot_count *= 2;
    for (unsigned i = 0; i < SERIES_HASH_PARTS; i++)
        if (hash->parts[i].mask + 1 < slot_count)
            resize(hash, &hash->parts[i], slot_count);
}

void series_hash_insert(struct series_hash *hash, uint64_t verify, uint64_t text_hash, uint32_t id)
{
    struct series_hash_part *part = &hash->parts[verify % SERIES_HASH_PARTS];
    if (part->used >= (part->mask + 1) / 4 * 3)
        resize(hash, part, 2 * (part->mask + 1));
    struct series_slot *slot = probe(part, verify, tag_of(text_hash));
    silt_assert(slot->id == 0);
    *slot = (struct series_slot){verify, tag_of(text_hash), id};
    part->used++;
}

void series_hash_replace(struct series_hash *hash, uint64_t verify, uint64_t text_hash, uint32_t id)
{
    struct series_slot *slot = probe(&hash->parts[verify % SERIES_HASH_PARTS], verify, tag_of(text_hash));
    silt_assert(slot->id != 0);
    slot->id = id;
}

/* Empties a slot: whatever follows and may stand here moves up, so that no marker is needed. */
static void close_gap(struct series_hash_part *part, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & part->mask; part->slots[i].id; i = (i + 1) & part->mask) {
        uint32_t home = (uint32_t)(part->slots[i].verify >> 6) & part->mask;
        if (((i - home) & part->mask) >= ((i - hole) & part->mask)) {
            part->slots[hole] = part->slots[i];
            hole = i;
        }
    }
    part->slots[hole] = (struct series_slot){0};
    part->used--;
}

void series_hash_remove(struct series_hash *hash, uint64_t verify, uint64_t text_hash)
{
    struct series_hash_part *part = &hash->parts[verify % SERIES_HASH_PARTS];
    struct series_slot *slot = probe(part, verify, tag_of(text_hash));
    if (slot->id != 0)
        close_gap(part, (uint32_t)(slot - part->slots));
}

void series_hash_sweep(struct series_hash *hash, unsigned part_number, const uint64_t *set, uint32_t first, uint32_t last)
{
    struct series_hash_part *part = &hash->parts[part_number];
    struct series_slot *slots = part->slots;
    uint32_t count = part->mask + 1, span = last - first, kept = 0;
    for (uint32_t i = 0; i < count; i++) { /* what stays moves to the front; that a slot is empty, as every other, is no branch */
        uint32_t id = slots[i].id, at = (id & ~SERIES_PENDING) - first; /* of an empty slot, or a lower id: far above */
        uint32_t seen = at <= span ? at : 0;
        bool goes = (at <= span) & (set[seen / 64] >> seen % 64);
        if ((id != 0) & !goes)
            slots[kept++] = slots[i];
    }
    part->used = kept;
    uint32_t slot_count = count;
    while (slot_count > PART_SLOTS_MIN && part->used < slot_count / 8)
        slot_count /= 2;
    refill(hash, part, kept, slot_count);
}
