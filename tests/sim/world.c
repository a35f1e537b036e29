/*
 * world.c - what the simulation writes: few names, so that much of it meets again, and values that are never the same.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>

const char *const databases[DATABASES] = {"d0", "d1"};
const char *const policies[POLICIES] = {"autogen", "r"};
const char *const measurements[MEASUREMENTS] = {"m0", "m,1"};
const char *const fields[FIELDS] = {"f", "i", "s", "b", "x"}; /* x has types by chance */

struct silt_str series_text(struct sim *sim, struct silt_arena *arena, unsigned measurement, unsigned series)
{
    const char *name = measurement ? "m\\,1" : "m0";
    if (series < SERIES / 2)
        return silt_arena_printf(arena, "%s,h=s%u", name, series);
    return below(sim, 2) ? silt_arena_printf(arena, "%s,z=y,h=s%u", name, series - SERIES / 2)
                         : silt_arena_printf(arena, "%s,h=s%u,z=y", name, series - SERIES / 2);
}

unsigned series_number(const struct silt_tag *tags, size_t count)
{
    if (count < 1 || count > 2 || tags[0].value.len != 2 || tags[0].value.p[0] != 's')
        return SERIES;
    return (unsigned)(tags[0].value.p[1] - '0') + (count == 2 ? SERIES / 2 : 0);
}

enum silt_type type_of(model_value value)
{
    return (enum silt_type)(value & 7);
}

model_value new_value(struct sim *sim, unsigned field)
{
    static const enum silt_type types[] = {SILT_TYPE_FLOAT, SILT_TYPE_INTEGER, SILT_TYPE_STRING, SILT_TYPE_BOOLEAN};
    enum silt_type type = field < 4 ? types[field] : below(sim, 8) ? SILT_TYPE_FLOAT : SILT_TYPE_UNSIGNED;
    return ++*sim->numbers << 3 | type;
}

union silt_value value_bits(model_value value, struct silt_arena *arena)
{
    uint32_t number = value >> 3;
    union silt_value out = {.u64 = number};
    if (type_of(value) == SILT_TYPE_FLOAT)
        out.f64 = (double)number * 0.25;
    else if (type_of(value) == SILT_TYPE_BOOLEAN)
        out.u64 = number & 1;
    else if (type_of(value) == SILT_TYPE_STRING) {
        struct silt_str text = silt_arena_printf(arena, "v%" PRIu32, number);
        struct silt_bytes *bytes = silt_arena_alloc(arena, sizeof(*bytes) + text.len);
        bytes->len = (uint32_t)text.len;
        memcpy(bytes->p, text.p, text.len);
        out.string = bytes;
    }
    return out;
}

bool is_value(const struct silt_column *column, uint32_t row, model_value value)
{
    uint32_t number = value >> 3;
    char text[32];
    if (column->type != type_of(value))
        return false;
    switch (column->type) {
    case SILT_TYPE_FLOAT:
        return column->f64[row] == (double)number * 0.25;
    case SILT_TYPE_INTEGER:
        return column->i64[row] == (int64_t)number;
    case SILT_TYPE_UNSIGNED:
        return column->u64[row] == number;
    case SILT_TYPE_BOOLEAN:
        return column->boolean[row] == (number & 1);
    case SILT_TYPE_STRING:
        snprintf(text, sizeof(text), "v%" PRIu32, number);
        return silt_str_equal(column->string[row], silt_str_from(text));
    case SILT_TYPE_NONE:
        break;
    }
    return false;
}

silt_time some_time(struct sim *sim, unsigned policy)
{
    static const int64_t days[] = {0, 0, 0, 1, 1, 9, 10, 11}; /* some of it too old, or soon */
    int64_t offset = (int64_t)below(sim, 20) * NS_PER_S;
    if (policy == 1)
        return sim->now / DAY * DAY - days[below(sim, 8)] * DAY + offset;
    return START + (int64_t)below(sim, 3) * 7 * DAY + offset;
}
