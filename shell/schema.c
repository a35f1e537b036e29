/*
 * schema.c - a sorted array.
 */
#include "shell/schema.h"

#include <stdlib.h>

void schema_init(struct schema *schema)
{
    *schema = (struct schema){.arena = silt_arena_create(NULL)};
}

void schema_deinit(struct schema *schema)
{
    silt_arena_destroy(schema->arena);
    free(schema->entries);
    *schema = (struct schema){0};
}

void schema_add(struct schema *schema, struct silt_str measurement, struct silt_str key, enum schema_kind kind,
                enum silt_type type)
{
    if (schema->count == schema->capacity) {
        schema->capacity = schema->capacity ? schema->capacity * 2 : 64;
        schema->entries = silt_realloc(schema->entries, schema->capacity * sizeof *schema->entries);
    }
    /* Rows come measurement by measurement: its name is kept once. */
    struct silt_str name = {0};
    if (schema->count && silt_str_equal(schema->entries[schema->count - 1].measurement, measurement))
        name = schema->entries[schema->count - 1].measurement;
    else
        name = silt_arena_str(schema->arena, measurement);
    schema->entries[schema->count++] = (struct schema_entry){name, silt_arena_str(schema->arena, key), kind, type};
}

static int compare(const struct schema_entry *a, const struct schema_entry *b)
{
    int order = silt_str_compare(a->measurement, b->measurement);
    if (order == 0)
        order = (a->kind > b->kind) - (a->kind < b->kind);
    return order ? order : silt_str_compare(a->key, b->key);
}

static int for_qsort(const void *a, const void *b)
{
    return compare(a, b);
}

void schema_seal(struct schema *schema)
{
    if (schema->count)
        qsort(schema->entries, schema->count, sizeof *schema->entries, for_qsort);
}

/* The first entry that is not before `wanted`. */
static size_t lower_bound(const struct schema *schema, const struct schema_entry *wanted)
{
    size_t low = 0, high = schema->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&schema->entries[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct schema_entry *schema_find(const struct schema *schema, struct silt_str measurement, enum schema_kind kind,
                                       struct silt_str key)
{
    struct schema_entry wanted = {measurement, key, kind, SILT_TYPE_NONE};
    size_t at = lower_bound(schema, &wanted);
    return at < schema->count && compare(&schema->entries[at], &wanted) == 0 ? &schema->entries[at] : NULL;
}

const struct schema_entry *schema_of(const struct schema *schema, struct silt_str measurement, size_t *count)
{
    struct schema_entry wanted = {measurement, {"", 0}, SCHEMA_FIELD, SILT_TYPE_NONE};
    size_t first = lower_bound(schema, &wanted), end = first;
    while (end < schema->count && silt_str_equal(schema->entries[end].measurement, measurement))
        end++;
    *count = end - first;
    return schema->entries + first;
}

enum silt_type schema_type(struct silt_str name)
{
    for (enum silt_type type = SILT_TYPE_FLOAT; type <= SILT_TYPE_BOOLEAN; type++)
        if (silt_str_equal(name, silt_str_from(silt_type_name(type))))
            return type;
    return SILT_TYPE_NONE;
}
