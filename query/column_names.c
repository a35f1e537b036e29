/* column_names.c - implements column_names.h. */
#include "query/column_names.h"
#include "query/name_index.h"

struct column_names {
    struct name_index taken;
    size_t *next; /* per name: suffixes below it are taken */
    size_t count_max;
};

struct column_names *column_names_create(size_t count_max, struct silt_arena *arena)
{
    struct column_names *names = silt_arena_zalloc(arena, sizeof(*names));

    names->count_max = count_max;
    names->next = silt_arena_alloc(arena, (count_max + 1) * sizeof(*names->next));
    return names;
}

void column_names_take(struct column_names *names, struct silt_str name, struct silt_arena *arena)
{
    size_t before = names->taken.count;

    name_index_add(&names->taken, name, arena);
    if (names->taken.count == before)
        return;
    silt_assert(before < names->count_max);
    names->next[before] = 1;
}

struct silt_str column_names_choose(struct column_names *names, struct silt_str name, struct silt_arena *arena)
{
    uint32_t number = name_index_find(&names->taken, name);
    struct silt_str tried = name;

    while (name_index_find(&names->taken, tried) != NAME_NONE)
        tried = silt_arena_printf(arena, "%.*s_%zu", SILT_FMT(name), names->next[number]++);
    column_names_take(names, tried, arena);
    return tried;
}
