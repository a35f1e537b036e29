/*
 * point_batch.c - see point_batch.h.
 */
#include "server/point_batch.h"

#define LAYOUTS_LOOKED_AT 16 /* a new layout is compared with the last ones only */

void point_batch_init(struct point_batch *points, struct silt_budget *budget)
{
    *points = (struct point_batch){.arena = silt_arena_create(budget)};
}

void point_batch_deinit(struct point_batch *points)
{
    silt_arena_destroy(points->arena);
    points->arena = NULL;
}

void point_batch_reset(struct point_batch *points)
{
    silt_arena_reset(points->arena);
    *points = (struct point_batch){.arena = points->arena};
}

static bool same_layout(const struct silt_layout *a, const struct silt_layout *b)
{
    if (a->field_count != b->field_count || !silt_str_equal(a->measurement, b->measurement))
        return false;
    for (uint32_t i = 0; i < a->field_count; i++)
        if (a->fields[i].type != b->fields[i].type || !silt_str_equal(a->fields[i].name, b->fields[i].name))
            return false;
    return true;
}

/* Its place among the layouts. */
static uint32_t take_layout(struct point_batch *points, const struct silt_layout *layout)
{
    size_t first = points->layout_count > LAYOUTS_LOOKED_AT ? points->layout_count - LAYOUTS_LOOKED_AT : 0;

    for (size_t i = points->layout_count; i-- > first;)
        if (same_layout(&points->layouts[i], layout))
            return (uint32_t)i;
    struct silt_field *fields = silt_arena_alloc(points->arena, layout->field_count * sizeof(*fields));
    for (uint32_t i = 0; i < layout->field_count; i++)
        fields[i] = (struct silt_field){silt_arena_str(points->arena, layout->fields[i].name), layout->fields[i].type};
    points->layouts = silt_arena_grow(points->arena, points->layouts, &points->layout_capacity,
                                      points->layout_count + 1, sizeof(*points->layouts));
    points->layouts[points->layout_count] =
        (struct silt_layout){silt_arena_str(points->arena, layout->measurement), fields, layout->field_count};
    return (uint32_t)points->layout_count++;
}

static enum silt_status add_row(struct point_batch *points, const struct silt_batch *batch, const struct silt_row *row,
                                uint32_t layout)
{
    uint32_t field_count = points->layouts[layout].field_count;
    const struct silt_field *fields = points->layouts[layout].fields;

    points->rows[points->row_count] = (struct silt_row){.series = silt_arena_str(points->arena, row->series),
                                                        .series_hash = row->series_hash,
                                                        .time = row->time,
                                                        .layout = layout,
                                                        .line = (uint32_t)points->row_count,
                                                        .value_offset = points->value_count};
    points->row_count++;
    for (uint32_t i = 0; i < field_count; i++) {
        union silt_value value = batch->values[row->value_offset + i];
        if (fields[i].type == SILT_TYPE_STRING)
            value.string = silt_arena_bytes_copy(points->arena, silt_bytes_str(value.string));
        points->values[points->value_count++] = value;
    }
    return silt_arena_exceeded(points->arena) ? SILT_LIMIT : SILT_OK;
}

static void make_room(struct point_batch *points, const struct silt_batch *batch)
{
    size_t values = 0;

    for (size_t i = 0; i < batch->row_count; i++)
        values += batch->layouts[batch->rows[i].layout].field_count;
    points->rows = silt_arena_grow(points->arena, points->rows, &points->row_capacity,
                                   points->row_count + batch->row_count, sizeof(*points->rows));
    points->values = silt_arena_grow(points->arena, points->values, &points->value_capacity,
                                     points->value_count + values, sizeof(*points->values));
}

enum silt_status point_batch_add(struct point_batch *points, const struct silt_batch *batch,
                                 const struct silt_write_report *report)
{
    size_t rejected = 0, rejected_count = report ? report->rejection_count : 0;
    uint32_t *layouts = silt_arena_try_alloc(points->arena, batch->layout_count * sizeof(*layouts));
    enum silt_status rc = layouts || batch->layout_count == 0 ? SILT_OK : SILT_LIMIT;

    make_room(points, batch);
    for (uint32_t i = 0; i < batch->layout_count && rc == SILT_OK; i++)
        layouts[i] = take_layout(points, &batch->layouts[i]);
    for (size_t i = 0; i < batch->row_count && rc == SILT_OK; i++) {
        if (rejected < rejected_count && report->rejections[rejected].line == batch->rows[i].line) {
            while (rejected < rejected_count && report->rejections[rejected].line == batch->rows[i].line)
                rejected++;
            continue;
        }
        rc = add_row(points, batch, &batch->rows[i], layouts[batch->rows[i].layout]);
    }
    return rc;
}

struct silt_batch point_batch_view(const struct point_batch *points)
{
    return (struct silt_batch){.layouts = points->layouts,
                               .layout_count = (uint32_t)points->layout_count,
                               .rows = points->rows,
                               .row_count = points->row_count,
                               .values = points->values};
}
