/*
 * column_names.c - see column_names.h. Open addressing, at most half full.
 */
#include "query/column_names.h"

#include "silt/text.h"

struct slot {
    struct silt_str name; /* p NULL: free */
    size_t next;          /* suffixes below it are taken */
};

struct column_names {
    size_t mask, count, count_max;
    struct slot slots[];
};

struct column_names *column_names_create(size_t count_max, struct silt_arena *arena)
{
    size_t capacity = 16;

    while (capacity < 2 * count_max)
        capacity *= 2;
    struct column_names *names = silt_arena_zalloc(arena, sizeof(*names) + capacity * sizeof(struct slot));
    names->mask = capacity - 1;
    names->count_max = count_max;
    return names;
}

/* Where the name is, or would be. */
static struct slot *find(struct column_names *names, struct silt_str name)
{
    size_t i = silt_hash(name.p, name.len) & names->mask;

    while (names->slots[i].name.p && !silt_str_equal(names->slots[i].name, name))
        i = (i + 1) & names->mask;
    return &names->slots[i];
}

static void fill(struct column_names *names, struct slot *slot, struct silt_str name)
{
    silt_assert(names->count < names->count_max);
    names->count++;
    *slot = (struct slot){.name = {name.p ? name.p : "", name.len}, .next = 1};
}

void column_names_take(struct column_names *names, struct silt_str name)
{
    struct slot *slot = find(names, name);

    if (!slot->name.p)
        fill(names, slot, name);
}

struct silt_str column_names_choose(struct column_names *names, struct silt_str name, struct silt_arena *arena)
{
    struct slot *base = find(names, name), *slot = base;
    struct silt_str tried = name;

    while (slot->name.p) {
        tried = silt_arena_printf(arena, "%.*s_%zu", SILT_FMT(name), base->next++);
        slot = find(names, tried);
    }
    fill(names, slot, tried);
    return tried;
}
