/*
 * day_sums.c - open addressing, at most two thirds full.
 */
#include "shell/day_sums.h"
#include "silt/text.h"

#include <stdlib.h>

static size_t slot_of(const struct day_sums *s, uint32_t field, int32_t day)
{
    uint64_t key = (uint64_t)field << 32 | (uint32_t)day;
    size_t at = silt_hash(&key, sizeof key) & (s->capacity - 1);
    while (s->cells[at].count && (s->cells[at].field != field || s->cells[at].day != day))
        at = (at + 1) & (s->capacity - 1);
    return at;
}

static void grow(struct day_sums *s)
{
    struct day_sums larger = {.capacity = s->capacity ? s->capacity * 2 : 64};
    larger.cells = silt_calloc(larger.capacity, sizeof *larger.cells);
    day_sums_merge(&larger, s);
    free(s->cells);
    *s = larger;
}

void day_sums_add(struct day_sums *s, uint32_t field, int32_t day, uint64_t count, uint64_t sum)
{
    if (!count)
        return;
    if (s->used * 3 >= s->capacity * 2)
        grow(s);
    struct day_sum *cell = &s->cells[slot_of(s, field, day)];
    s->used += cell->count == 0;
    cell->field = field;
    cell->day = day;
    cell->count += count;
    cell->sum += sum;
}

void day_sums_merge(struct day_sums *into, const struct day_sums *from)
{
    for (size_t i = 0; i < from->capacity; i++)
        day_sums_add(into, from->cells[i].field, from->cells[i].day, from->cells[i].count, from->cells[i].sum);
}

struct day_sum day_sums_get(const struct day_sums *s, uint32_t field, int32_t day)
{
    return s->capacity ? s->cells[slot_of(s, field, day)] : (struct day_sum){0};
}

void day_sums_clear(struct day_sums *s)
{
    if (s->used)
        memset(s->cells, 0, s->capacity * sizeof *s->cells);
    s->used = 0;
}

void day_sums_free(struct day_sums *s)
{
    free(s->cells);
    *s = (struct day_sums){0};
}

uint64_t day_sums_total(const struct day_sums *s)
{
    uint64_t total = 0;
    for (size_t i = 0; i < s->capacity; i++)
        total += s->cells[i].count;
    return total;
}

int32_t day_of(silt_time time)
{
    return (int32_t)(time / DAY_NS - (time % DAY_NS < 0));
}

uint64_t day_sums_value(uint64_t series, silt_time time, enum silt_type type, uint64_t bits)
{
    uint64_t words[] = {series, (uint64_t)time, bits, (uint64_t)type};
    return silt_hash(words, sizeof words);
}
