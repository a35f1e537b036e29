/* points.c - the growing array of points.h. */
#include "query/points.h"

#include <stdlib.h>

void points_init(struct points *points, struct exec *exec, enum data_type type)
{
    *points = (struct points){.exec = exec, .type = type};
}

void points_free(struct points *points)
{
    if (points->capacity)
        silt_budget_release(&points->exec->budget, points->capacity * sizeof(*points->items));
    free(points->items);
    silt_arena_destroy(points->strings);
    points_init(points, points->exec, points->type);
}

void points_clear(struct points *points, enum data_type type)
{
    points->count = 0;
    points->type = type;
    if (points->strings)
        silt_arena_reset(points->strings);
}

enum silt_status points_add(struct points *points, const struct point *point, struct silt_error *err)
{
    if (points->count == points->capacity) {
        size_t capacity = points->capacity ? points->capacity * 2 : 16;
        enum silt_status rc = silt_budget_charge(&points->exec->budget,
                                                 (capacity - points->capacity) * sizeof(*points->items), err);
        if (rc != SILT_OK)
            return rc;
        points->items = silt_realloc(points->items, capacity * sizeof(*points->items));
        points->capacity = capacity;
    }
    points->items[points->count++] = *point;
    return SILT_OK;
}

enum silt_status points_add_copy(struct points *points, const struct point *point, struct silt_error *err)
{
    struct point copy = *point;

    if (copy.value.kind == SILT_CELL_STRING) {
        if (!points->strings)
            points->strings = silt_arena_create(&points->exec->budget);
        copy.value.string = silt_arena_str(points->strings, copy.value.string);
        if (silt_arena_exceeded(points->strings))
            return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    }
    return points_add(points, &copy, err);
}

enum silt_status points_add_numbers(struct points *points, const silt_time *times, const uint64_t *values, size_t count,
                                    struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        struct point point = {.time = times[i], .value = number_cell(points->type, values[i])};
        rc = points_add(points, &point, err);
    }
    return rc;
}

int cell_compare(const struct silt_cell *a, const struct silt_cell *b)
{
    switch (a->kind) {
    case SILT_CELL_FLOAT: return a->f64 < b->f64 ? -1 : a->f64 > b->f64;
    case SILT_CELL_INTEGER: return a->i64 < b->i64 ? -1 : a->i64 > b->i64;
    case SILT_CELL_UNSIGNED: return a->u64 < b->u64 ? -1 : a->u64 > b->u64;
    case SILT_CELL_STRING: return silt_str_compare(a->string, b->string);
    case SILT_CELL_BOOLEAN: return (int)a->boolean - (int)b->boolean;
    default: return 0;
    }
}
