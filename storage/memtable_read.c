/*
 * memtable_read.c - the reading half of memtable.h: a series' chunks as they are, or merged into sorted columns.
 */
#include "storage/memtable_internal.h"

#include <stdlib.h>

static const struct series_entry *find_series(const struct memtable *mt, silt_series_id id)
{
    const struct series_page *page = find_page(mt, id);
    return page ? &page->series[id % PAGE_SERIES] : NULL;
}

/* A chunk is linked just before its first row is whole. */
static bool has_rows(const struct series_entry *series)
{
    const struct memtable_chunk *chunk = series ? atomic_load_explicit(&series->first, memory_order_acquire) : NULL;
    return chunk && atomic_load_explicit(&chunk->count, memory_order_acquire) != 0;
}

bool memtable_has_series(const struct memtable *mt, silt_series_id id)
{
    return has_rows(find_series(mt, id));
}

uint64_t memtable_rows_near(const struct memtable *mt, silt_series_id id, silt_time min, silt_time max, uint64_t most)
{
    const struct series_entry *series = find_series(mt, id);
    const struct memtable_chunk *chunk = series ? atomic_load_explicit(&series->first, memory_order_acquire) : NULL;
    bool disordered = series && atomic_load_explicit(&series->disordered, memory_order_relaxed);
    uint64_t rows = 0;
    for (; chunk && rows <= most; chunk = atomic_load_explicit(&chunk->next, memory_order_acquire)) {
        uint32_t count = atomic_load_explicit(&chunk->count, memory_order_acquire);
        bool apart = count > 0 && !disordered && (chunk->times[0] > max || chunk->times[count - 1] < min);
        rows += apart ? 1 : count;
    }
    return rows;
}

enum silt_status memtable_series(const struct memtable *mt, silt_series_id id, struct silt_arena *arena,
                                 struct memtable_span *out, struct silt_error *err)
{
    const struct series_entry *series = find_series(mt, id);
    struct memtable_chunk *chunk = series ? atomic_load_explicit(&series->first, memory_order_acquire) : NULL;
    size_t chunk_count = 0;
    *out = (struct memtable_span){.min = INT64_MAX, .max = INT64_MIN, .in_order = true};
    for (struct memtable_chunk *at = chunk; at; at = atomic_load_explicit(&at->next, memory_order_acquire))
        chunk_count++;
    if (chunk_count == 0)
        return SILT_OK;
    out->views = silt_arena_try_alloc(arena, chunk_count * sizeof(*out->views));
    if (!out->views)
        return silt_fail(err, SILT_LIMIT, "query memory: %zu chunks of a series", chunk_count);
    for (size_t seen = 0; chunk && seen < chunk_count; seen++) {
        /* In this order: a chunk that has a next one is complete, so what is seen has no hole. */
        struct memtable_chunk *next = atomic_load_explicit(&chunk->next, memory_order_acquire);
        uint32_t count = atomic_load_explicit(&chunk->count, memory_order_acquire);
        if (count == 0)
            break;
        out->views[out->view_count++] = (struct memtable_view){
            .layout = chunk->layout,
            .count = count,
            .capacity = chunk->capacity,
            .times = chunk->times,
            .values = chunk_values(chunk),
            .chunk = chunk,
            .has_gaps = atomic_load_explicit(&chunk->valid, memory_order_acquire) != NULL,
        };
        chunk = next;
        out->row_count += count;
    }
    if (out->row_count == 0)
        return SILT_OK;
    /* Read after the counts: it was set before the first row out of order was counted. */
    out->in_order = !atomic_load_explicit(&series->disordered, memory_order_relaxed);
    if (out->in_order) {
        const struct memtable_view *last = &out->views[out->view_count - 1];
        out->min = out->views[0].times[0];
        out->max = last->times[last->count - 1];
        return SILT_OK;
    }
    for (size_t v = 0; v < out->view_count; v++) {
        for (uint32_t i = 0; i < out->views[v].count; i++) {
            silt_time time = out->views[v].times[i];
            out->min = time < out->min ? time : out->min;
            out->max = time > out->max ? time : out->max;
        }
    }
    return SILT_OK;
}

uint64_t memtable_view_valid(const struct memtable_view *view, uint32_t column, uint32_t word)
{
    if (!view->has_gaps)
        return UINT64_MAX;
    const _Atomic uint64_t *valid = atomic_load_explicit(&view->chunk->valid, memory_order_acquire);
    return atomic_load_explicit(&valid[column * chunk_words(view->capacity) + word], memory_order_relaxed);
}

static inline bool has_value(const struct memtable_view *view, uint32_t column, uint32_t row)
{
    return memtable_view_valid(view, column, row / 64) >> row % 64 & 1;
}

/* ---------------------------------------------------------------- fields */

enum silt_status memtable_fields(const struct memtable *mt, silt_series_id id, struct silt_arena *arena,
                                 struct field_ref **fields, size_t *count, struct silt_error *err)
{
    struct memtable_span span;
    enum silt_status rc = memtable_series(mt, id, arena, &span, err);
    *fields = NULL;
    *count = 0;
    if (rc != SILT_OK || span.view_count == 0)
        return rc;
    struct field_ref *list = NULL;
    size_t n = 0;
    const struct field_layout *known = NULL; /* whose columns are all in the list */
    for (size_t v = 0; v < span.view_count; v++) {
        const struct field_layout *layout = span.views[v].layout;
        if (layout == known)
            continue;
        known = layout;
        struct field_ref *merged = silt_arena_try_alloc(arena, (n + layout->column_count) * sizeof(*merged));
        if (!merged)
            return silt_fail(err, SILT_LIMIT, "query memory: fields of a series");
        size_t i = 0, m = 0;
        for (uint32_t c = 0; i < n || c < layout->column_count;) {
            uint64_t left = i < n ? (uint64_t)list[i].field_id << 8 | list[i].type : UINT64_MAX;
            uint64_t right = c < layout->column_count
                                 ? (uint64_t)layout->columns[c].field_id << 8 | layout->columns[c].type
                                 : UINT64_MAX;
            merged[m++] = left <= right ? list[i] : layout->columns[c];
            i += left <= right;
            c += right <= left;
        }
        list = merged;
        n = m;
    }
    *fields = list;
    *count = n;
    return SILT_OK;
}

silt_series_id memtable_next_series(const struct memtable *mt, silt_series_id after)
{
    for (uint64_t id = (uint64_t)after + 1; id <= INT32_MAX;) {
        uint32_t page_number = (uint32_t)(id / PAGE_SERIES);
        const struct series_middle *middle =
            atomic_load_explicit(&mt->top[page_number / LEAF_PAGES / MIDDLE_LEAVES], memory_order_acquire);
        uint64_t step = (uint64_t)PAGE_SERIES * LEAF_PAGES * MIDDLE_LEAVES;
        if (!middle) {
            id = (id / step + 1) * step;
            continue;
        }
        step = (uint64_t)PAGE_SERIES * LEAF_PAGES;
        const struct series_leaf *leaf =
            atomic_load_explicit(&middle->leaves[page_number / LEAF_PAGES % MIDDLE_LEAVES], memory_order_acquire);
        if (!leaf) {
            id = (id / step + 1) * step;
            continue;
        }
        const struct series_page *page =
            atomic_load_explicit(&leaf->pages[page_number % LEAF_PAGES], memory_order_acquire);
        if (!page) {
            id = (id / PAGE_SERIES + 1) * PAGE_SERIES;
            continue;
        }
        if (has_rows(&page->series[id % PAGE_SERIES]))
            return (silt_series_id)id;
        id++;
    }
    return 0;
}

/* ---------------------------------------------------------------- merging */

#define NO_COLUMN UINT32_MAX

/* One view's part in the range and the place of each asked field in it. */
struct part {
    const struct memtable_view *view;
    uint32_t from, to;       /* rows, when in order: those in the range */
    const uint32_t *columns; /* [field_count], NO_COLUMN: not there */
};

struct item { /* a row out of order */
    silt_time time;
    uint32_t part, row;
};

static uint32_t find_column(const struct field_layout *layout, struct field_ref field)
{
    uint32_t low = 0, high = layout->column_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (layout->columns[middle].field_id < field.field_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == layout->column_count || layout->columns[low].field_id != field.field_id)
        return NO_COLUMN;
    return field.type == SILT_TYPE_NONE || layout->columns[low].type == field.type ? low : NO_COLUMN;
}

/* First row at or after time, in rising times. */
static uint32_t lower_bound(const silt_time *times, uint32_t count, silt_time time)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (times[middle] < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

static void set_bits(uint64_t *bits, size_t from, size_t to)
{
    for (; from < to && from % 64; from++)
        set_bit(bits, from);
    for (; from + 64 <= to; from += 64)
        bits[from / 64] = UINT64_MAX;
    for (; from < to; from++)
        set_bit(bits, from);
}

/* Stable: rows of equal times keep the order in which they came. Runs that rise already are merged two by two. */
static struct item *sort_items(struct item *items, struct item *spare, size_t count)
{
    for (;;) {
        size_t at = 0, runs = 0;
        while (at < count) {
            size_t middle = at + 1;
            while (middle < count && items[middle - 1].time <= items[middle].time)
                middle++;
            size_t end = middle < count ? middle + 1 : middle;
            while (end < count && items[end - 1].time <= items[end].time)
                end++;
            size_t i = at, j = middle, out = at;
            while (i < middle && j < end)
                spare[out++] = items[j].time < items[i].time ? items[j++] : items[i++];
            memcpy(spare + out, items + i, (middle - i) * sizeof(*items));
            out += middle - i;
            memcpy(spare + out, items + j, (end - j) * sizeof(*items));
            at = end;
            runs++;
        }
        struct item *swap = items;
        items = spare;
        spare = swap;
        if (runs <= 1)
            return items;
    }
}

struct merge {
    const struct part *parts;
    size_t part_count;
    size_t field_count;
    struct silt_arena *arena;
    struct memtable_rows *out;
};

static enum silt_status out_of_memory(size_t rows, struct silt_error *err)
{
    return silt_fail(err, SILT_LIMIT, "query memory: %zu rows of a series", rows);
}

/* Times rise over all parts: columns are strung together. A chunk is short enough to stay near while all of its columns
 * are gathered. */
static enum silt_status concatenate(const struct merge *merge, size_t rows, struct silt_error *err)
{
    silt_time *times = silt_arena_try_alloc(merge->arena, rows * sizeof(*times));
    size_t at = 0;
    if (!times)
        return out_of_memory(rows, err);
    for (size_t p = 0; p < merge->part_count; p++) {
        const struct part *part = &merge->parts[p];
        memcpy(times + at, part->view->times + part->from, (part->to - part->from) * sizeof(*times));
        at += part->to - part->from;
    }
    for (size_t f = 0; f < merge->field_count; f++) {
        struct memtable_column *column = &merge->out->columns[f];
        bool gaps = false, any = false;
        for (size_t p = 0; p < merge->part_count; p++) {
            const struct part *part = &merge->parts[p];
            if (part->from == part->to)
                continue;
            gaps |= part->columns[f] == NO_COLUMN || part->view->has_gaps;
            any |= part->columns[f] != NO_COLUMN;
        }
        if (!any) {
            *column = (struct memtable_column){0};
            continue;
        }
        union silt_value *values = silt_arena_try_alloc(merge->arena, rows * sizeof(*values));
        uint64_t *valid = gaps ? silt_arena_try_alloc(merge->arena, (rows + 63) / 64 * 8) : NULL;
        if (!values || (gaps && !valid))
            return out_of_memory(rows, err);
        if (gaps)
            memset(valid, 0, (rows + 63) / 64 * 8);
        at = 0;
        for (size_t p = 0; p < merge->part_count; p++) {
            const struct part *part = &merge->parts[p];
            uint32_t n = part->to - part->from, c = part->columns[f];
            if (c == NO_COLUMN) {
                memset(values + at, 0, n * sizeof(*values));
            } else {
                uint32_t stride = part->view->layout->column_count;
                const union silt_value *from = part->view->values + (size_t)part->from * stride + c;
                for (uint32_t i = 0; i < n; i++, from += stride)
                    values[at + i] = *from;
                if (gaps && !part->view->has_gaps)
                    set_bits(valid, at, at + n);
                for (uint32_t i = 0; part->view->has_gaps && i < n; i++)
                    if (has_value(part->view, c, part->from + i))
                        set_bit(valid, at + i);
            }
            at += n;
        }
        column->values = values;
        column->valid = valid;
    }
    merge->out->times = times;
    merge->out->count = rows;
    return SILT_OK;
}

/* items sorted by time, then by arrival: of each field the last value of a time counts. */
static enum silt_status fold(const struct merge *merge, const struct item *items, size_t item_count,
                             struct silt_error *err)
{
    silt_time *times = silt_arena_try_alloc(merge->arena, item_count * sizeof(*times));
    size_t rows = 0;
    if (!times)
        return out_of_memory(item_count, err);
    for (size_t i = 0; i < item_count; i++)
        if (i == 0 || items[i].time != items[i - 1].time)
            times[rows++] = items[i].time;
    for (size_t f = 0; f < merge->field_count; f++) {
        struct memtable_column *column = &merge->out->columns[f];
        union silt_value *values = silt_arena_try_alloc(merge->arena, rows * sizeof(*values));
        uint64_t *valid = silt_arena_try_alloc(merge->arena, (rows + 63) / 64 * 8);
        if (!values || !valid)
            return out_of_memory(rows, err);
        memset(values, 0, rows * sizeof(*values));
        memset(valid, 0, (rows + 63) / 64 * 8);
        size_t row = 0, filled = 0;
        bool has = false;
        for (size_t i = 0; i < item_count; i++) {
            if (i > 0 && items[i].time != items[i - 1].time) {
                row++;
                has = false;
            }
            const struct part *part = &merge->parts[items[i].part];
            uint32_t c = part->columns[f];
            if (c == NO_COLUMN || !has_value(part->view, c, items[i].row))
                continue;
            values[row] = part->view->values[(size_t)items[i].row * part->view->layout->column_count + c];
            set_bit(valid, row);
            filled += !has;
            has = true;
        }
        column->values = values;
        column->valid = filled == rows ? NULL : valid;
        if (filled == 0)
            *column = (struct memtable_column){0};
    }
    merge->out->times = times;
    merge->out->count = rows;
    return SILT_OK;
}

/* Rows that have none of the fields go. Where there are such, all arrays are the arena's. */
static void drop_empty_rows(const struct merge *merge)
{
    struct memtable_rows *out = merge->out;
    size_t kept = 0;
    for (size_t f = 0; f < merge->field_count; f++)
        if (out->columns[f].values && !out->columns[f].valid)
            return;
    for (size_t w = 0; w * 64 < out->count; w++) {
        uint64_t any = 0;
        for (size_t f = 0; f < merge->field_count; f++)
            any |= out->columns[f].valid ? out->columns[f].valid[w] : 0;
        size_t n = out->count - w * 64 < 64 ? out->count - w * 64 : 64;
        for (size_t i = 0; i < n; i++) {
            if (!(any >> i & 1))
                continue;
            size_t row = w * 64 + i;
            if (row != kept) {
                ((silt_time *)(uintptr_t)out->times)[kept] = out->times[row];
                for (size_t f = 0; f < merge->field_count; f++) {
                    const struct memtable_column *column = &out->columns[f];
                    if (!column->values)
                        continue;
                    uint64_t *valid = (uint64_t *)(uintptr_t)column->valid;
                    ((union silt_value *)(uintptr_t)column->values)[kept] = column->values[row];
                    uint64_t bit = valid[row / 64] >> row % 64 & 1;
                    valid[kept / 64] = (valid[kept / 64] & ~((uint64_t)1 << kept % 64)) | bit << kept % 64;
                }
            }
            kept++;
        }
    }
    out->count = kept;
}

static enum silt_status merge_disordered(const struct merge *merge, silt_time min, silt_time max,
                                         struct silt_error *err)
{
    size_t count = 0;
    for (size_t p = 0; p < merge->part_count; p++)
        for (uint32_t i = 0; i < merge->parts[p].view->count; i++)
            count += merge->parts[p].view->times[i] >= min && merge->parts[p].view->times[i] <= max;
    if (count == 0)
        return SILT_OK;
    struct item *items = silt_arena_try_alloc(merge->arena, count * sizeof(*items));
    struct item *spare = silt_arena_try_alloc(merge->arena, count * sizeof(*spare));
    if (!items || !spare)
        return out_of_memory(count, err);
    size_t n = 0;
    for (size_t p = 0; p < merge->part_count; p++) {
        const struct memtable_view *view = merge->parts[p].view;
        for (uint32_t i = 0; i < view->count; i++)
            if (view->times[i] >= min && view->times[i] <= max)
                items[n++] = (struct item){view->times[i], (uint32_t)p, i};
    }
    struct item *sorted = sort_items(items, spare, count);
    silt_arena_give_back(merge->arena, sorted == items ? spare : items, count * sizeof(*items));
    enum silt_status rc = fold(merge, sorted, count, err);
    silt_arena_give_back(merge->arena, sorted, count * sizeof(*sorted));
    return rc;
}

enum silt_status memtable_collect(const struct memtable *mt, silt_series_id id, silt_time min, silt_time max,
                                  const struct field_ref *fields, size_t field_count, struct silt_arena *arena,
                                  struct memtable_rows *out, struct silt_error *err)
{
    struct memtable_span span;
    enum silt_status rc = memtable_series(mt, id, arena, &span, err);
    *out = (struct memtable_rows){0};
    if (rc != SILT_OK)
        return rc;
    out->columns = silt_arena_try_alloc(arena, (field_count + 1) * sizeof(*out->columns));
    struct field_ref *wanted = silt_arena_try_alloc(arena, (field_count + 1) * sizeof(*wanted));
    struct part *parts = silt_arena_try_alloc(arena, (span.view_count + 1) * sizeof(*parts));
    if (!out->columns || !wanted || !parts)
        return out_of_memory(span.row_count, err);
    memset(out->columns, 0, (field_count + 1) * sizeof(*out->columns));
    if (span.row_count == 0 || min > max || span.max < min || span.min > max)
        return SILT_OK;
    for (size_t f = 0; f < field_count; f++) {
        wanted[f] = fields[f];
        for (size_t v = span.view_count; v-- > 0 && wanted[f].type == SILT_TYPE_NONE;) {
            uint32_t c = find_column(span.views[v].layout, fields[f]);
            if (c != NO_COLUMN)
                wanted[f].type = span.views[v].layout->columns[c].type;
        }
    }

    size_t part_count = 0, rows = 0;
    const struct field_layout *layout = NULL;
    const uint32_t *places = NULL;
    bool any = false;
    for (size_t v = 0; v < span.view_count; v++) {
        const struct memtable_view *view = &span.views[v];
        if (view->layout != layout) {
            uint32_t *columns = silt_arena_try_alloc(arena, (field_count + 1) * sizeof(*columns));
            if (!columns)
                return out_of_memory(span.row_count, err);
            layout = view->layout;
            any = false;
            for (size_t f = 0; f < field_count; f++) {
                columns[f] = find_column(layout, wanted[f]);
                any |= columns[f] != NO_COLUMN;
            }
            places = columns;
        }
        if (!any)
            continue;
        struct part *part = &parts[part_count++];
        *part = (struct part){view, 0, view->count, places};
        if (span.in_order) {
            part->from = lower_bound(view->times, view->count, min);
            part->to = max == INT64_MAX ? view->count : lower_bound(view->times, view->count, max + 1);
            rows += part->to - part->from;
        }
    }
    struct merge merge = {parts, part_count, field_count, arena, out};
    if (!span.in_order)
        rc = merge_disordered(&merge, min, max, err);
    else if (rows)
        rc = concatenate(&merge, rows, err);
    if (rc != SILT_OK)
        return rc;
    drop_empty_rows(&merge);
    for (size_t f = 0; f < field_count; f++)
        if (out->columns[f].values)
            out->columns[f].type = wanted[f].type;
    return SILT_OK;
}
