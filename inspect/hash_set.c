/*
 * hash_set.c - implements hash_set.h.
 */
#include "inspect/hash_set.h"

#include "silt/base.h"

#include <stdlib.h>

#define ROOM_MIN 1024u

static uint64_t *find(const struct hash_set *set, uint64_t hash)
{
    size_t at = hash & (set->room - 1);
    while (set->slots[at] && set->slots[at] != hash)
        at = (at + 1) & (set->room - 1);
    return &set->slots[at];
}

bool hash_set_add(struct hash_set *set, uint64_t hash)
{
    silt_assert(hash != 0);
    if (set->count * 2 >= set->room) {
        const struct hash_set old = *set;
        set->room = old.room ? old.room * 2 : ROOM_MIN;
        set->slots = silt_calloc(set->room, sizeof(*set->slots));
        for (size_t i = 0; i < old.room; i++)
            if (old.slots[i])
                *find(set, old.slots[i]) = old.slots[i];
        free(old.slots);
    }
    uint64_t *slot = find(set, hash);
    bool is_new = *slot == 0;
    *slot = hash;
    set->count += is_new;
    return is_new;
}

bool hash_set_has(const struct hash_set *set, uint64_t hash)
{
    return set->room && *find(set, hash);
}

void hash_set_deinit(struct hash_set *set)
{
    free(set->slots);
    *set = (struct hash_set){0};
}
