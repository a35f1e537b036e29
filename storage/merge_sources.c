/*
 * merge_sources.c - what a merge reads: the fields asked for, and a run of items for each file and memtable that has the series.
 *
 *     file     [row group][row group]  [row group]
 *     spans      [ visible       ]   [   visible   ]     the range asked for, less what tombstones hide
 *     items      [lo   hi][lo  hi]     [lo    hi]
 */
#include "storage/merge_internal.h"

#include <stdlib.h>

#define SPANS_MAX 64

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Most often the series before had the same. */
static void take_fields(struct merge *m, const struct field_ref *fields, size_t count)
{
    if (count == m->field_count && (count == 0 || memcmp(m->fields, fields, count * sizeof(*fields)) == 0))
        return;
    m->field_count = count;
    m->wanted_count = 0;
    if (count == 0)
        return;
    memcpy(m->fields, fields, count * sizeof(*fields));
    for (size_t i = 0; i < count; i++)
        m->wanted[i] = fields[i].field_id;
    qsort(m->wanted, count, sizeof(*m->wanted), compare_ids);
    for (size_t i = 0; i < count; i++)
        if (m->wanted_count == 0 || m->wanted[i] != m->wanted[m->wanted_count - 1])
            m->wanted[m->wanted_count++] = m->wanted[i];
}

enum silt_status merge_start(struct merge *m, silt_series_id series, const struct field_ref *fields, size_t field_count,
                             silt_time min, silt_time max, bool descending, struct silt_error *err)
{
    silt_arena_reset(m->arena);
    m->series = series;
    m->min = min;
    m->max = max;
    m->descending = descending;
    m->run_count = 0;
    m->kind = BATCH_NONE;
    m->count = 0;
    if (field_count > m->field_room) {
        struct shown_column *shown = silt_arena_try_alloc(m->buffers, field_count * sizeof(*shown));
        if (!shown)
            return merge_over_budget(m, err);
        memset(shown, 0, field_count * sizeof(*shown));
        if (m->field_room > 0)
            memcpy(shown, m->shown, m->field_room * sizeof(*shown));
        m->shown = shown;
        m->fields = silt_realloc(m->fields, field_count * sizeof(*fields));
        m->wanted = silt_realloc(m->wanted, field_count * sizeof(*m->wanted));
        m->field_room = field_count;
    }
    take_fields(m, fields, field_count);
    if (!m->shown_times) {
        m->shown_times = silt_arena_try_alloc(m->buffers, MERGE_ROWS_MAX * sizeof(silt_time));
        if (!m->shown_times)
            return merge_over_budget(m, err);
    }
    return SILT_OK;
}

int merge_find_field(const struct tsm_group *group, const struct field_ref *want)
{
    if (want->type != SILT_TYPE_NONE)
        return tsm_group_field(group, want->field_id, want->type);
    uint32_t low = 0, high = group->field_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (group->fields[middle].field_id < want->field_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < group->field_count && group->fields[low].field_id == want->field_id ? (int)low : -1;
}

/* Fresh, but for its buffers. */
static enum silt_status run_at(struct merge *m, size_t index, struct run **out, struct silt_error *err)
{
    if (index >= m->run_room) {
        size_t room = index < 8 ? 8 : index * 2;
        m->runs = silt_realloc(m->runs, room * sizeof(*m->runs));
        for (size_t i = m->run_room; i < room; i++)
            m->runs[i] = silt_calloc(1, sizeof(**m->runs));
        m->run_room = room;
    }
    struct run *run = m->runs[index];
    if (run->column_room < m->field_count) {
        struct stored_column *columns = silt_arena_try_alloc(m->buffers, m->field_count * sizeof(*columns));
        if (!columns)
            return merge_over_budget(m, err);
        memset(columns, 0, m->field_count * sizeof(*columns));
        if (run->column_room > 0)
            memcpy(columns, run->columns, run->column_room * sizeof(*columns));
        run->columns = columns;
        run->column_room = m->field_count;
    }
    run->file = NULL;
    run->item_count = 0;
    run->loaded = false;
    run->done = false;
    run->group = NULL;
    run->times_ready = false;
    run->has_strings = false;
    run->at = 0;
    *out = run;
    return SILT_OK;
}

enum silt_status merge_spare_run(struct merge *m, size_t number, struct tsm_file *file, struct run **out, struct silt_error *err)
{
    enum silt_status rc = run_at(m, m->run_count + number, out, err);
    if (rc == SILT_OK)
        (*out)->file = file;
    return rc;
}

static enum silt_status add_file(struct merge *m, struct run *run, struct tsm_file *file,
                                 const struct tombstone_span *spans, size_t span_count, bool *used,
                                 struct silt_error *err)
{
    struct tsm_entry entry;
    struct tsm_wanted wanted = {spans[0].min, spans[span_count - 1].max, m->wanted, m->wanted_count};
    enum silt_status rc = m->allowance ? tsm_find_wanted_within(file, m->series, &wanted, m->field_count, m->allowance, m->arena,
                                                                &entry, err)
                                       : tsm_find_wanted(file, m->series, &wanted, &run->place, m->arena, &entry, err);
    if (rc != SILT_OK || entry.group_count == 0)
        return rc;
    if (m->joins) { /* where files meet */
        tsm_expect_times(file, &entry.groups[0]);
        tsm_expect_times(file, &entry.groups[entry.group_count - 1]);
    }
    run->file = file;
    run->items = silt_arena_try_alloc(m->arena, (entry.group_count + span_count) * sizeof(*run->items));
    if (!run->items)
        return merge_over_budget(m, err);
    size_t s = 0;
    for (size_t g = 0; g < entry.group_count; g++) {
        const struct tsm_group *group = &entry.groups[g];
        bool any = false, full = false;
        for (size_t f = 0; f < m->field_count && !full; f++) {
            int index = merge_find_field(group, &m->fields[f]);
            if (index < 0)
                continue;
            any = true;
            full = !group->fields[index].gaps;
        }
        if (!any)
            continue;
        while (s < span_count && spans[s].max < group->min)
            s++;
        for (size_t i = s; i < span_count && spans[i].min <= group->max; i++) {
            struct item *item = &run->items[run->item_count++];
            item->lo = spans[i].min > group->min ? spans[i].min : group->min;
            item->hi = spans[i].max < group->max ? spans[i].max : group->max;
            item->group = group;
            item->whole = item->lo == group->min && item->hi == group->max;
            item->full = full;
            item->begin = item->end = 0;
        }
    }
    *used = run->item_count > 0;
    return SILT_OK;
}

static enum silt_status add_memory(struct merge *m, struct run *run, const struct memtable *mt,
                                   const struct tombstone_span *spans, size_t span_count, bool *used,
                                   struct silt_error *err)
{
    if (!memtable_has_series(mt, m->series))
        return SILT_OK;
    enum silt_status rc = SILT_OK;
    if (m->allowance)
        rc = silt_read_charge(m->allowance, (m->field_count + 1) *
                              memtable_rows_near(mt, m->series, m->min, m->max, m->allowance->values), err);
    if (rc != SILT_OK)
        return rc;
    rc = memtable_collect(mt, m->series, spans[0].min, spans[span_count - 1].max, m->fields,
                                           m->field_count, m->arena, &run->mem, err);
    if (rc != SILT_OK || run->mem.count == 0)
        return rc;
    m->counters.memtable_rows += run->mem.count;
    run->items = silt_arena_try_alloc(m->arena, span_count * sizeof(*run->items));
    if (!run->items)
        return merge_over_budget(m, err);
    for (size_t i = 0; i < span_count; i++) {
        uint32_t rows = (uint32_t)run->mem.count;
        uint32_t begin = merge_lower_bound(run->mem.times, 0, rows, spans[i].min);
        uint32_t end = spans[i].max == INT64_MAX ? rows : merge_lower_bound(run->mem.times, begin, rows, spans[i].max + 1);
        if (begin == end)
            continue;
        run->items[run->item_count++] = (struct item){run->mem.times[begin], run->mem.times[end - 1], NULL,
                                                      begin, end, false, true};
    }
    *used = run->item_count > 0;
    return SILT_OK;
}

enum silt_status merge_add(struct merge *m, const struct merge_source *source, struct tombstone *const *tombstones,
                           size_t tombstone_count, struct silt_error *err)
{
    if (m->field_count == 0)
        return SILT_OK;
    struct tombstone_span few[SPANS_MAX], *spans = few;
    if (tombstone_count + 1 > SPANS_MAX) {
        spans = silt_arena_try_alloc(m->arena, (tombstone_count + 1) * sizeof(*spans));
        if (!spans)
            return merge_over_budget(m, err);
    }
    size_t span_count = tombstone_visible(tombstones, tombstone_count, source->seq, m->series, m->min, m->max, spans,
                                          tombstone_count + 1);
    if (span_count == 0)
        return SILT_OK;
    struct run *run = NULL;
    enum silt_status rc = run_at(m, m->run_count, &run, err);
    if (rc != SILT_OK)
        return rc;
    bool used = false;
    rc = source->file ? add_file(m, run, source->file, spans, span_count, &used, err)
                      : add_memory(m, run, source->mt, spans, span_count, &used, err);
    if (rc == SILT_OK && used) {
        if (m->descending)
            run->at = run->item_count - 1;
        m->run_count++;
    }
    return rc;
}
