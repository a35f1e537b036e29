/* name_index.c - implements name_index.h. */
#include "query/name_index.h"

#include "silt/text.h"

#define ONE_BY_ONE_MAX 8

/* Where the name's number is, or would be. */
static uint32_t *slot_of(const struct name_index *index, struct silt_str name)
{
    size_t at = silt_hash(name.p, name.len) & (index->slot_count - 1);

    while (index->slots[at] && !silt_str_equal(index->names[index->slots[at] - 1], name))
        at = (at + 1) & (index->slot_count - 1);
    return &index->slots[at];
}

static void make_slots(struct name_index *index, struct silt_arena *arena)
{
    if (index->slots)
        silt_arena_give_back(arena, index->slots, index->slot_count * sizeof(*index->slots));
    index->slot_count = index->slot_count ? index->slot_count * 4 : 4 * ONE_BY_ONE_MAX;
    index->slots = silt_arena_zalloc(arena, index->slot_count * sizeof(*index->slots));
    for (size_t i = 0; i < index->count; i++)
        *slot_of(index, index->names[i]) = (uint32_t)i + 1;
}

uint32_t name_index_find(const struct name_index *index, struct silt_str name)
{
    if (index->slots)
        return *slot_of(index, name) - 1; /* NAME_NONE where it is free */
    for (size_t i = 0; i < index->count; i++)
        if (silt_str_equal(index->names[i], name))
            return (uint32_t)i;
    return NAME_NONE;
}

uint32_t name_index_add(struct name_index *index, struct silt_str name, struct silt_arena *arena)
{
    uint32_t number = name_index_find(index, name);

    if (number != NAME_NONE)
        return number;
    if (index->count >= ONE_BY_ONE_MAX && 2 * (index->count + 1) > index->slot_count)
        make_slots(index, arena);
    index->names = silt_arena_grow(arena, index->names, &index->capacity, index->count + 1, sizeof(*index->names));
    index->names[index->count++] = name;
    if (index->slots)
        *slot_of(index, name) = (uint32_t)index->count;
    return (uint32_t)index->count - 1;
}
