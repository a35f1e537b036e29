/*
 * sums.c - see sums.h. Fields have numbers; a hash table leads from number and day to counts and sums.
 */
#include "inspect/influxdb/sums.h"

#include "silt/text.h"

#include <stdlib.h>

#define DAY_NS ((int64_t)86400 * 1000000000)
#define SLOTS_MIN 4096u

struct field {
    struct silt_str measurement, name;
    enum silt_type type;
};

struct slot {
    uint32_t field; /* plus 1; 0: free */
    int64_t day;
    uint64_t counts[2], sums[2];
};

struct influx_sums {
    struct silt_arena *arena;
    struct field *fields;
    uint32_t field_count, field_capacity;
    uint32_t *numbers; /* hash table of fields, plus 1 */
    size_t number_slots;
    struct slot *slots;
    size_t slot_count, used;
    struct influx_sum *list;
};

struct influx_sums *influx_sums_create(void)
{
    struct influx_sums *sums = silt_calloc(1, sizeof(*sums));
    sums->arena = silt_arena_create(NULL);
    sums->number_slots = sums->slot_count = SLOTS_MIN;
    sums->numbers = silt_calloc(sums->number_slots, sizeof(*sums->numbers));
    sums->slots = silt_calloc(sums->slot_count, sizeof(*sums->slots));
    return sums;
}

void influx_sums_destroy(struct influx_sums *sums)
{
    if (!sums)
        return;
    silt_arena_destroy(sums->arena);
    free(sums->fields);
    free(sums->numbers);
    free(sums->slots);
    free(sums->list);
    free(sums);
}

/* ---------------------------------------------------------------- fields */

static uint32_t *find_number(const struct influx_sums *sums, const struct field *field)
{
    uint64_t hash = silt_hash(field->measurement.p, field->measurement.len) * 31 +
                    silt_hash(field->name.p, field->name.len) + (uint64_t)field->type;
    size_t mask = sums->number_slots - 1, at = (hash ^ hash >> 32) & mask;
    for (; sums->numbers[at]; at = (at + 1) & mask) {
        const struct field *other = &sums->fields[sums->numbers[at] - 1];
        if (other->type == field->type && silt_str_equal(other->name, field->name) &&
            silt_str_equal(other->measurement, field->measurement))
            break;
    }
    return &sums->numbers[at];
}

static void grow_numbers(struct influx_sums *sums)
{
    free(sums->numbers);
    sums->number_slots *= 2;
    sums->numbers = silt_calloc(sums->number_slots, sizeof(*sums->numbers));
    for (uint32_t i = 0; i < sums->field_count; i++)
        *find_number(sums, &sums->fields[i]) = i + 1;
}

uint32_t influx_sums_field(struct influx_sums *sums, struct silt_str measurement, struct silt_str name,
                           enum silt_type type)
{
    struct field field = {measurement, name, type};
    uint32_t *number = find_number(sums, &field);
    if (*number)
        return *number - 1;
    if (sums->field_count == sums->field_capacity) {
        sums->field_capacity = sums->field_capacity ? sums->field_capacity * 2 : 64;
        sums->fields = silt_realloc(sums->fields, sums->field_capacity * sizeof(*sums->fields));
    }
    field.measurement = silt_arena_str(sums->arena, measurement);
    field.name = silt_arena_str(sums->arena, name);
    sums->fields[sums->field_count] = field;
    *number = ++sums->field_count;
    if ((size_t)sums->field_count * 2 > sums->number_slots)
        grow_numbers(sums);
    return sums->field_count - 1;
}

/* ---------------------------------------------------------------- days */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

static struct slot *find_slot(const struct influx_sums *sums, uint32_t field, int64_t day)
{
    size_t mask = sums->slot_count - 1, at = mix((uint64_t)field << 32 ^ (uint64_t)day) & mask;
    while (sums->slots[at].field && (sums->slots[at].field != field + 1 || sums->slots[at].day != day))
        at = (at + 1) & mask;
    return &sums->slots[at];
}

static void grow_slots(struct influx_sums *sums)
{
    struct slot *old = sums->slots;
    size_t old_count = sums->slot_count;
    sums->slot_count *= 2;
    sums->slots = silt_calloc(sums->slot_count, sizeof(*sums->slots));
    for (size_t i = 0; i < old_count; i++)
        if (old[i].field)
            *find_slot(sums, old[i].field - 1, old[i].day) = old[i];
    free(old);
}

static struct slot *slot_of(struct influx_sums *sums, uint32_t field, int64_t day)
{
    struct slot *slot = find_slot(sums, field, day);
    if (slot->field)
        return slot;
    if (sums->used * 2 >= sums->slot_count) {
        grow_slots(sums);
        slot = find_slot(sums, field, day);
    }
    sums->used++;
    slot->field = field + 1;
    slot->day = day;
    return slot;
}

static int64_t day_of(silt_time time)
{
    return time / DAY_NS - (time % DAY_NS < 0);
}

/* How many of the times are before the day's end. */
static size_t until(const silt_time *times, size_t count, int64_t day)
{
    if (day_of(times[count - 1]) == day)
        return count;
    size_t end = 1;
    while (day_of(times[end]) == day)
        end++;
    return end;
}

static inline uint64_t hash_value(uint64_t series, silt_time time, uint64_t bits)
{
    return mix(mix(series + (uint64_t)time * 0x9e3779b97f4a7c15u) ^ bits * 0xc2b2ae3d27d4eb4fu);
}

static uint64_t text_bits(struct silt_str text)
{
    return silt_hash(text.p ? text.p : "", text.len);
}

void influx_sums_add_values(struct influx_sums *sums, uint32_t field, uint64_t series, const silt_time *times,
                            const union silt_value *values, size_t count)
{
    bool texts = sums->fields[field].type == SILT_TYPE_STRING;
    while (count) {
        int64_t day = day_of(times[0]);
        size_t end = until(times, count, day);
        struct slot *slot = slot_of(sums, field, day);
        uint64_t sum = 0;
        for (size_t i = 0; i < end; i++)
            sum += hash_value(series, times[i], texts ? text_bits(silt_bytes_str(values[i].string)) : values[i].u64);
        slot->counts[INFLUX_SOURCE] += end;
        slot->sums[INFLUX_SOURCE] += sum;
        times += end;
        values += end;
        count -= end;
    }
}

static uint64_t column_bits(const struct silt_column *column, size_t row)
{
    switch (column->type) {
    case SILT_TYPE_STRING:
        return text_bits(column->string[row]);
    case SILT_TYPE_BOOLEAN:
        return column->boolean[row];
    default:
        return column->u64[row]; /* floats by their bits */
    }
}

void influx_sums_add_column(struct influx_sums *sums, uint32_t field, uint64_t series, const silt_time *times,
                            const struct silt_column *column, size_t count)
{
    for (size_t begin = 0, end; begin < count; begin = end) {
        int64_t day = day_of(times[begin]);
        end = begin + until(times + begin, count - begin, day);
        uint64_t sum = 0, values = 0;
        for (size_t i = begin; i < end; i++) {
            if (column->valid && !(column->valid[i / 64] >> (i % 64) & 1))
                continue;
            sum += hash_value(series, times[i], column_bits(column, i));
            values++;
        }
        if (values == 0)
            continue;
        struct slot *slot = slot_of(sums, field, day);
        slot->counts[INFLUX_TARGET] += values;
        slot->sums[INFLUX_TARGET] += sum;
    }
}

/* ---------------------------------------------------------------- the list */

static int by_name(const void *a, const void *b)
{
    const struct influx_sum *left = a, *right = b;
    int order = silt_str_compare(left->measurement, right->measurement);
    if (order == 0)
        order = silt_str_compare(left->field, right->field);
    if (order == 0)
        order = (int)left->type - (int)right->type;
    if (order == 0)
        order = left->day < right->day ? -1 : left->day > right->day;
    return order;
}

const struct influx_sum *influx_sums_list(struct influx_sums *sums, size_t *count)
{
    *count = 0;
    sums->list = silt_realloc(sums->list, (sums->used + 1) * sizeof(*sums->list));
    for (size_t i = 0; i < sums->slot_count; i++) {
        const struct slot *slot = &sums->slots[i];
        if (!slot->field)
            continue;
        const struct field *field = &sums->fields[slot->field - 1];
        sums->list[(*count)++] =
            (struct influx_sum){.measurement = field->measurement,
                                .field = field->name,
                                .type = field->type,
                                .day = slot->day >= INT64_MIN / DAY_NS ? slot->day * DAY_NS : INT64_MIN,
                                .counts = {slot->counts[0], slot->counts[1]},
                                .sums = {slot->sums[0], slot->sums[1]}};
    }
    qsort(sums->list, *count, sizeof(*sums->list), by_name);
    return sums->list;
}
