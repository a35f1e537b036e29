/*
 * collectd_points.c - see collectd_points.h. Every point has a layout of its own; gathering them finds the equal ones.
 */
#include "server/collectd_points.h"
#include "silt/text.h"

#include <math.h>

struct builder {
    struct silt_arena *arena;
    struct silt_layout *layouts;
    struct silt_row *rows;
    struct silt_field *fields;
    union silt_value *values;
    size_t rows_used, values_used;
    uint64_t dropped;
};

static struct silt_str without_slashes(struct silt_str text)
{
    while (text.len && text.p[text.len - 1] == '\\')
        text.len--;
    return text;
}

static struct silt_str series_of(struct builder *b, const struct collectd_list *list, struct silt_str measurement)
{
    const struct silt_tag tags[] = {
        {SILT_STR("host"), without_slashes(list->host)},
        {SILT_STR("instance"), without_slashes(list->plugin_instance)},
        {SILT_STR("type"), without_slashes(list->type_name)},
        {SILT_STR("type_instance"), without_slashes(list->type_instance)},
    };

    return silt_series_key_make(measurement, tags, sizeof(tags) / sizeof(tags[0]), b->arena);
}

static void add_field(struct builder *b, struct silt_str name, double value)
{
    b->fields[b->values_used] = (struct silt_field){name, SILT_TYPE_FLOAT};
    b->values[b->values_used++].f64 = value;
}

/* A point of the fields from `first` on. */
static void add_row(struct builder *b, const struct collectd_list *list, struct silt_str measurement, size_t first)
{
    struct silt_str series = series_of(b, list, measurement);
    size_t row = b->rows_used++;

    b->layouts[row] = (struct silt_layout){measurement, b->fields + first, (uint32_t)(b->values_used - first)};
    b->rows[row] = (struct silt_row){.series = series, .series_hash = silt_hash(series.p, series.len),
                                     .time = list->time, .layout = (uint32_t)row, .line = (uint32_t)row,
                                     .value_offset = first};
}

static void split(struct builder *b, const struct collectd_list *list)
{
    for (uint32_t i = 0; i < list->type->source_count; i++) {
        if (!list->has_time || !isfinite(list->values[i])) {
            b->dropped++;
            continue;
        }
        struct silt_str measurement = without_slashes(silt_arena_printf(
            b->arena, "%.*s_%.*s", SILT_FMT(list->plugin), SILT_FMT(list->type->sources[i].name)));
        add_field(b, SILT_STR("value"), list->values[i]);
        add_row(b, list, measurement, b->values_used - 1);
    }
}

static void join(struct builder *b, const struct collectd_list *list)
{
    struct silt_str measurement = without_slashes(list->plugin);
    size_t first = b->values_used;
    bool whole = list->has_time && measurement.len;

    for (uint32_t i = 0; i < list->type->source_count && whole; i++)
        if (!list->type->sources[i].hidden) {
            add_field(b, list->type->sources[i].name, list->values[i]);
            whole = isfinite(list->values[i]);
        }
    if (whole && b->values_used > first) {
        add_row(b, list, measurement, first);
        return;
    }
    b->values_used = first;
    b->dropped++;
}

void collectd_make_points(const struct collectd_lists *lists, enum silt_collectd_values form, struct silt_arena *arena,
                          struct datagram_points *out)
{
    struct builder b = {.arena = arena};
    size_t count = 0;

    for (size_t i = 0; i < lists->count; i++)
        count += lists->items[i].type->source_count;
    b.layouts = silt_arena_alloc(arena, count * sizeof(*b.layouts));
    b.rows = silt_arena_alloc(arena, count * sizeof(*b.rows));
    b.fields = silt_arena_alloc(arena, count * sizeof(*b.fields));
    b.values = silt_arena_alloc(arena, count * sizeof(*b.values));
    for (size_t i = 0; i < lists->count; i++)
        (form == SILT_COLLECTD_JOIN ? join : split)(&b, &lists->items[i]);
    *out = (struct datagram_points){.batch = {.layouts = b.layouts, .layout_count = (uint32_t)b.rows_used,
                                              .rows = b.rows, .row_count = b.rows_used, .values = b.values},
                                    .dropped = b.dropped, .skipped = lists->skipped};
}
