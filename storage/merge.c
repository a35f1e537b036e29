/*
 * merge.c - see merge.h.
 *
 * Each source is a run: items rising in time without overlap. An item is a row group, or a slice of a memtable's rows,
 * clipped to [lo, hi]. The next batch is decided by the run whose head comes first and the head of whichever run comes
 * next after it:
 *
 *     nothing reaches into the item       -> give it as it is
 *     statistics are preferred            -> whole row groups that reach into each other as one (merge_joined.c)
 *     it has many rows before the other   -> give these as a slice
 *     it has some                         -> copy them together, with what follows
 *     else                                -> merge row by row; up to MERGE_ROWS_MAX rows
 */
#include "storage/merge_internal.h"

#include <stdlib.h>

#define SLICE_MIN 64u /* fewer rows before the next overlap are merged rather than given alone */
#define SPANS_MAX 64

const struct silt_read_counters *merge_counters(const struct merge *m)
{
    return &m->counters;
}

struct merge *merge_create(struct silt_budget *budget, struct silt_read_allowance *allowance)
{
    struct merge *m = silt_calloc(1, sizeof(*m));
    m->budget = budget;
    m->allowance = allowance;
    m->arena = silt_arena_create(budget);
    m->buffers = silt_arena_create(budget);
    return m;
}

void merge_destroy(struct merge *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->run_room; i++) {
        tsm_scratch_deinit(&m->runs[i]->scratch);
        silt_arena_destroy(m->runs[i]->scratch.arena);
        free(m->runs[i]);
    }
    free(m->runs);
    free(m->fields);
    silt_arena_destroy(m->arena);
    silt_arena_destroy(m->buffers);
    free(m);
}

enum silt_status merge_over_budget(struct merge *m, struct silt_error *err)
{
    return silt_fail(err, SILT_LIMIT, "%s limit exceeded", m->budget ? m->budget->name : "memory");
}

enum silt_status merge_grow_buffer(struct merge *m, void **data, size_t *have, size_t bytes, struct silt_error *err)
{
    if (*have >= bytes)
        return SILT_OK;
    void *more = silt_arena_try_alloc(m->buffers, bytes);
    if (!more)
        return merge_over_budget(m, err);
    *data = more;
    *have = bytes;
    return SILT_OK;
}

/* ---------------------------------------------------------------- start and sources */

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
        m->field_room = field_count;
    }
    if (field_count > 0)
        memcpy(m->fields, fields, field_count * sizeof(*fields));
    m->field_count = field_count;
    if (!m->shown_times) {
        m->shown_times = silt_arena_try_alloc(m->buffers, MERGE_ROWS_MAX * sizeof(silt_time));
        if (!m->shown_times)
            return merge_over_budget(m, err);
    }
    return SILT_OK;
}

static int find_field(const struct tsm_group *group, const struct field_ref *want)
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

uint32_t merge_lower_bound(const silt_time *times, uint32_t begin, uint32_t end, silt_time time)
{
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (times[middle] < time)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

static enum silt_status add_file(struct merge *m, struct run *run, struct tsm_file *file,
                                 const struct tombstone_span *spans, size_t span_count, bool *used,
                                 struct silt_error *err)
{
    struct tsm_entry entry;
    silt_time min = spans[0].min, max = spans[span_count - 1].max;
    enum silt_status rc = m->allowance ? tsm_find_series_within(file, m->series, min, max, m->field_count, m->allowance,
                                                                m->arena, &entry, err)
                                       : tsm_find_series(file, m->series, min, max, m->arena, &entry, err);
    if (rc != SILT_OK || entry.group_count == 0)
        return rc;
    run->file = file;
    run->items = silt_arena_try_alloc(m->arena, (entry.group_count + span_count) * sizeof(*run->items));
    if (!run->items)
        return merge_over_budget(m, err);
    size_t s = 0;
    for (size_t g = 0; g < entry.group_count; g++) {
        const struct tsm_group *group = &entry.groups[g];
        bool any = false, full = false;
        for (size_t f = 0; f < m->field_count && !full; f++) {
            int index = find_field(group, &m->fields[f]);
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

/* ---------------------------------------------------------------- runs */

void merge_next_item(struct merge *m, struct run *run)
{
    run->loaded = false;
    if (m->descending)
        run->done = run->at-- == 0;
    else
        run->done = ++run->at == run->item_count;
}

/* First and last time of what the head still has to give. */
static inline silt_time head_lo(const struct run *run)
{
    return run->loaded ? run_times(run)[run->begin] : run_head(run)->lo;
}
static inline silt_time head_hi(const struct run *run)
{
    return run->loaded ? run_times(run)[run->end - 1] : run_head(run)->hi;
}

void merge_use_group(struct merge *m, struct run *run, const struct tsm_group *group)
{
    if (run->group == group)
        return;
    run->group = group;
    run->times_ready = false;
    if (run->has_strings) {
        silt_arena_reset(run->scratch.arena);
        run->has_strings = false;
    }
    for (size_t f = 0; f < m->field_count; f++) {
        run->columns[f].ready = false;
        run->columns[f].stats = false;
        run->columns[f].index = find_field(group, &m->fields[f]);
    }
}

enum silt_status merge_need_times(struct merge *m, struct run *run, struct silt_error *err)
{
    if (run->times_ready)
        return SILT_OK;
    size_t spare = run->next_kept, which;
    struct tsm_times *into = &run->kept[spare];
    bool decoded;
    if (!into->times && !(into->times = silt_arena_try_alloc(m->buffers, MERGE_ROWS_MAX * sizeof(silt_time))))
        return merge_over_budget(m, err);
    enum silt_status rc =
        tsm_recall_times(run->file, run->group, &run->scratch, run->kept, TIMES_KEPT, spare, &which, &decoded, err);
    if (rc != SILT_OK)
        return rc;
    if (decoded) {
        run->kept_number[which] = ++m->times_decoded;
        run->next_kept = m->joins ? (spare + 1) % TIMES_KEPT : spare; /* else they seldom come again */
    }
    run->times = run->kept[which].times;
    run->times_number = run->kept_number[which];
    run->times_ready = true;
    m->counters.blocks += run->group->times_bytes > 0;
    m->counters.block_bytes += run->group->times_bytes;
    return SILT_OK;
}

static enum silt_status need_column(struct merge *m, struct run *run, size_t f, struct silt_error *err)
{
    struct stored_column *column = &run->columns[f];
    if (column->ready || column->index < 0)
        return SILT_OK;
    const struct tsm_field *field = &run->group->fields[column->index];
    enum silt_status rc = merge_grow_buffer(m, &column->data, &column->data_bytes,
                                      MERGE_ROWS_MAX * (field->type == SILT_TYPE_STRING ? sizeof(struct silt_str) : 8), err);
    if (rc != SILT_OK)
        return rc;
    if (field->type == SILT_TYPE_STRING) {
        if (!run->scratch.arena)
            run->scratch.arena = silt_arena_create(m->budget);
        run->has_strings = true;
    }
    rc = tsm_read_column(run->file, run->group, (uint32_t)column->index, &run->scratch, column->data, column->valid, err);
    column->ready = rc == SILT_OK;
    m->counters.blocks += field->block_bytes > 0;
    m->counters.block_bytes += field->block_bytes;
    m->counters.stats_blocks -= column->stats;
    column->stats = false;
    return rc;
}

/* Make begin..end of the head item known. The item is passed over when nothing is in it. */
static enum silt_status load(struct merge *m, struct run *run, struct silt_error *err)
{
    struct item *item = run_head(run);
    if (run->loaded)
        return SILT_OK;
    if (!item->group) {
        run->begin = item->begin;
        run->end = item->end;
        run->loaded = true;
        return SILT_OK;
    }
    merge_use_group(m, run, item->group);
    enum silt_status rc = merge_need_times(m, run, err);
    if (rc != SILT_OK)
        return rc;
    run->begin = merge_lower_bound(run->times, 0, item->group->rows, item->lo);
    run->end = item->hi == INT64_MAX ? item->group->rows
                                     : merge_lower_bound(run->times, run->begin, item->group->rows, item->hi + 1);
    run->loaded = true;
    if (run->begin == run->end)
        merge_next_item(m, run);
    return SILT_OK;
}

/* ---------------------------------------------------------------- row by row */

enum silt_status merge_run_column(struct merge *m, struct run *run, size_t f, struct row_column *out,
                                   struct silt_error *err)
{
    if (!run->file) {
        const struct memtable_column *column = &run->mem.columns[f];
        *out = (struct row_column){column->type, column->values, column->valid};
        return SILT_OK;
    }
    enum silt_status rc = need_column(m, run, f, err);
    const struct stored_column *column = &run->columns[f];
    if (rc != SILT_OK || column->index < 0) {
        *out = (struct row_column){SILT_TYPE_NONE, NULL, NULL};
        return rc;
    }
    const struct tsm_field *field = &run->group->fields[column->index];
    *out = (struct row_column){(enum silt_type)field->type, column->data, field->gaps ? column->valid : NULL};
    return SILT_OK;
}

/* The first values of a field decide its type. */
static enum silt_status show_type(struct merge *m, struct shown_column *shown, enum silt_type type, struct silt_error *err)
{
    if (shown->type != SILT_TYPE_NONE)
        return SILT_OK;
    enum silt_status rc = merge_grow_buffer(m, &shown->data, &shown->data_bytes, MERGE_ROWS_MAX * sizeof(struct silt_str), err);
    if (rc != SILT_OK)
        return rc;
    shown->type = type;
    memset(shown->valid, 0, sizeof(shown->valid));
    return SILT_OK;
}

/* Lay a run's row over row n of what is shown; *any: it had a value. */
static enum silt_status overlay(struct merge *m, struct run *run, uint32_t row, uint32_t n, bool *any,
                                struct silt_error *err)
{
    for (size_t f = 0; f < m->field_count; f++) {
        struct row_column column;
        enum silt_status rc = merge_run_column(m, run, f, &column, err);
        if (rc != SILT_OK)
            return rc;
        if (column.type == SILT_TYPE_NONE || !merge_bit(column.valid, row))
            continue;
        struct shown_column *shown = &m->shown[f];
        if ((rc = show_type(m, shown, column.type, err)) != SILT_OK)
            return rc;
        if (shown->type != column.type)
            continue; /* a field of any type that changes it within overlapping rows: one of them is shown */
        switch (column.type) {
        case SILT_TYPE_STRING:
            ((struct silt_str *)shown->data)[n] = run->file ? ((const struct silt_str *)column.data)[row]
                                                            : silt_bytes_str(((const union silt_value *)column.data)[row].string);
            break;
        case SILT_TYPE_BOOLEAN:
            ((uint8_t *)shown->data)[n] = run->file ? ((const uint8_t *)column.data)[row]
                                                    : ((const union silt_value *)column.data)[row].boolean;
            break;
        default:
            ((uint64_t *)shown->data)[n] = ((const uint64_t *)column.data)[row];
        }
        shown->valid[n / 64] |= (uint64_t)1 << (n % 64);
        *any = true;
    }
    return SILT_OK;
}

/* Whether each row of the run's head has a value that is shown. */
static enum silt_status all_shown(struct merge *m, struct run *run, bool *all, struct silt_error *err)
{
    *all = false;
    for (size_t f = 0; f < m->field_count && !*all; f++) {
        struct row_column column;
        enum silt_status rc = merge_run_column(m, run, f, &column, err);
        if (rc != SILT_OK)
            return rc;
        *all = column.type != SILT_TYPE_NONE && !column.valid &&
               (m->shown[f].type == SILT_TYPE_NONE || m->shown[f].type == column.type);
    }
    return SILT_OK;
}

static void copy_values(struct shown_column *shown, uint32_t n, const struct run *run, const struct row_column *column,
                        uint32_t from, uint32_t count, int step)
{
    const void *data = column->data;
    for (uint32_t i = 0; i < count; i++, from += (uint32_t)step) {
        if (!merge_bit(column->valid, from))
            continue; /* a text that is not there is none to point at */
        shown->valid[(n + i) / 64] |= (uint64_t)1 << ((n + i) % 64);
        if (shown->type == SILT_TYPE_STRING)
            ((struct silt_str *)shown->data)[n + i] = run->file ? ((const struct silt_str *)data)[from]
                                                                : silt_bytes_str(((const union silt_value *)data)[from].string);
        else if (shown->type == SILT_TYPE_BOOLEAN)
            ((uint8_t *)shown->data)[n + i] = run->file ? ((const uint8_t *)data)[from]
                                                        : ((const union silt_value *)data)[from].boolean;
        else
            ((uint64_t *)shown->data)[n + i] = ((const uint64_t *)data)[from];
    }
}

/* The next count rows of the run's head, which no other run has a row between, become rows n.. of what is shown. */
static enum silt_status lay_slice(struct merge *m, struct run *run, uint32_t n, uint32_t count, struct silt_error *err)
{
    uint32_t from = m->descending ? run->end - 1 : run->begin;
    int step = m->descending ? -1 : 1;

    for (size_t f = 0; f < m->field_count; f++) {
        struct row_column column;
        struct shown_column *shown = &m->shown[f];
        enum silt_status rc = merge_run_column(m, run, f, &column, err);
        if (rc == SILT_OK && column.type != SILT_TYPE_NONE)
            rc = show_type(m, shown, column.type, err);
        if (rc != SILT_OK)
            return rc;
        if (column.type == SILT_TYPE_NONE || shown->type != column.type)
            continue;
        copy_values(shown, n, run, &column, from, count, step);
    }
    const silt_time *times = run_times(run);
    for (uint32_t i = 0; i < count; i++)
        m->shown_times[n + i] = times[from + (uint32_t)step * i];
    return SILT_OK;
}

/* So many rows of the loaded head are done with. */
static void pass_rows(struct merge *m, struct run *run, uint32_t count)
{
    if (m->descending)
        run->end -= count;
    else
        run->begin += count;
    if (run->begin == run->end)
        merge_next_item(m, run);
}

/* How many rows of the loaded head come strictly before `other` in the order asked for. */
static uint32_t rows_before(const struct merge *m, const struct run *run, silt_time other)
{
    const silt_time *times = run_times(run);
    if (!m->descending)
        return merge_lower_bound(times, run->begin, run->end, other) - run->begin;
    return other == INT64_MAX ? 0 : run->end - merge_lower_bound(times, run->begin, run->end, other + 1);
}

/* The run whose head comes first, and how far ahead it is: *other is the next run's nearest time, *alone none has one. */
static struct run *first_run(struct merge *m, silt_time *other, bool *alone)
{
    struct run *best = NULL;
    silt_time best_time = 0;
    *alone = true;
    for (size_t i = 0; i < m->run_count; i++) {
        struct run *run = m->runs[i];
        if (run->done)
            continue;
        silt_time time = m->descending ? head_hi(run) : head_lo(run);
        if (!best) {
            best = run;
            best_time = time;
            continue;
        }
        bool nearer = m->descending ? time > best_time : time < best_time;
        silt_time second = nearer ? best_time : time;
        if (*alone || (m->descending ? second > *other : second < *other))
            *other = second;
        *alone = false;
        if (nearer) {
            best = run;
            best_time = time;
        }
    }
    return best;
}

static bool clear_of(const struct merge *m, const struct run *run, silt_time other, bool alone)
{
    return alone || (m->descending ? head_lo(run) > other : head_hi(run) < other);
}

/* only: just the rest of this run's head item. */
static enum silt_status merge_rows(struct merge *m, struct run *only, struct silt_error *err)
{
    uint32_t n = 0;
    const struct item *only_item = only ? run_head(only) : NULL;
    for (size_t f = 0; f < m->field_count; f++)
        m->shown[f].type = SILT_TYPE_NONE;
    while (n < MERGE_ROWS_MAX) {
        silt_time other = 0;
        bool alone = true;
        struct run *run = only ? (only->done || run_head(only) != only_item ? NULL : only) : first_run(m, &other, &alone);
        if (!run)
            break;
        enum silt_status rc;
        if (!run->loaded) {
            /* What stands alone again leaves the slow way; and text handed out must not be replaced. */
            if (n > 0 && ((!only && clear_of(m, run, other, alone)) || run->has_strings))
                break;
            if ((rc = load(m, run, err)) != SILT_OK)
                return rc;
            continue;
        }
        uint32_t ahead = only || !run_head(run)->full ? 0 : alone ? run->end - run->begin : rows_before(m, run, other);
        if (ahead > 1) {
            if (n > 0 && ahead >= SLICE_MIN) /* these need not be copied */
                break;
            bool all = false;
            if ((rc = all_shown(m, run, &all, err)) != SILT_OK)
                return rc;
            if (all) {
                ahead = ahead < MERGE_ROWS_MAX - n ? ahead : MERGE_ROWS_MAX - n;
                if ((rc = lay_slice(m, run, n, ahead, err)) != SILT_OK)
                    return rc;
                pass_rows(m, run, ahead);
                n += ahead;
                continue;
            }
        }
        silt_time time = m->descending ? head_hi(run) : head_lo(run);
        bool any = false, waits = false;
        for (size_t i = 0; i < m->run_count && !waits; i++) {
            struct run *same = m->runs[i];
            /* A head not loaded yet may begin with this very time. */
            if (!only && !same->done && !same->loaded && (m->descending ? head_hi(same) : head_lo(same)) == time) {
                waits = true;
                if (n > 0 && same->has_strings)
                    goto out;
                if ((rc = load(m, same, err)) != SILT_OK)
                    return rc;
            }
        }
        if (waits)
            continue;
        for (size_t i = 0; i < m->run_count; i++) {
            struct run *same = m->runs[i];
            if (same->done || !same->loaded || (only && same != only))
                continue;
            uint32_t row = m->descending ? same->end - 1 : same->begin;
            if (run_times(same)[row] != time)
                continue;
            if ((rc = overlay(m, same, row, n, &any, err)) != SILT_OK)
                return rc;
            pass_rows(m, same, 1);
        }
        if (any)
            m->shown_times[n++] = time;
    }
out:
    m->kind = BATCH_MERGED;
    m->count = n;
    m->begin = 0;
    m->whole = false;
    return SILT_OK;
}

/* ---------------------------------------------------------------- batches */

/* Rows [begin, begin + count) of the run's head become the batch. */
static void give(struct merge *m, struct run *run, uint32_t begin, uint32_t count, bool whole)
{
    m->kind = run->file ? BATCH_GROUP : BATCH_MEMORY;
    m->run = run;
    m->begin = begin;
    m->count = count;
    m->whole = whole;
}

static enum silt_status choose_batch(struct merge *m, bool *found, struct silt_error *err)
{
    silt_time other = 0;
    bool alone = true;
    struct run *run = first_run(m, &other, &alone);
    *found = true;
    if (!run) {
        m->kind = BATCH_NONE;
        m->count = 0;
        return SILT_OK;
    }
    struct item *item = run_head(run);
    bool clear = clear_of(m, run, other, alone);
    if (clear && !run->loaded && item->whole && item->full) {
        merge_use_group(m, run, item->group);
        give(m, run, 0, item->group->rows, true);
        merge_next_item(m, run);
        return SILT_OK;
    }
    enum silt_status rc = SILT_OK;
    if (m->joins && !clear && !run->loaded && item->whole && item->full) {
        bool done;
        if ((rc = merge_join(m, run, &done, err)) != SILT_OK || done)
            return rc;
    }
    if ((rc = load(m, run, err)) != SILT_OK)
        return rc;
    if (!run->loaded) { /* it was empty */
        *found = false;
        return SILT_OK;
    }
    uint32_t count = clear ? run->end - run->begin : rows_before(m, run, other);
    if (count > MERGE_ROWS_MAX)
        count = MERGE_ROWS_MAX;
    if (item->full && (clear || count >= SLICE_MIN)) {
        give(m, run, m->descending ? run->end - count : run->begin, count, false);
        pass_rows(m, run, count);
        return SILT_OK;
    }
    rc = merge_rows(m, clear ? run : NULL, err);
    *found = m->count > 0;
    return rc;
}

enum silt_status merge_next(struct merge *m, struct merge_batch *batch, struct silt_error *err)
{
    bool found = false;
    *batch = (struct merge_batch){0};
    while (!found) {
        enum silt_status rc = choose_batch(m, &found, err);
        if (rc != SILT_OK) {
            m->kind = BATCH_NONE;
            m->count = 0;
            return rc;
        }
    }
    batch->count = m->count;
    batch->has_stats = m->count > 0 && (m->whole || m->kind == BATCH_JOINED);
    if (m->count == 0)
        return SILT_OK;
    if (m->whole) {
        const struct tsm_group *group = m->run->group;
        batch->first = m->descending ? group->max : group->min;
        batch->last = m->descending ? group->min : group->max;
        batch->whole = group;
        batch->file = m->run->file;
    } else if (m->kind == BATCH_JOINED) {
        joined_range(m, &batch->first, &batch->last);
    } else if (m->kind == BATCH_MERGED) {
        batch->first = m->shown_times[0];
        batch->last = m->shown_times[m->count - 1];
    } else {
        const silt_time *times = run_times(m->run) + m->begin;
        batch->first = times[m->descending ? m->count - 1 : 0];
        batch->last = times[m->descending ? 0 : m->count - 1];
    }
    return SILT_OK;
}

void merge_skip(struct merge *m, silt_time time)
{
    for (size_t i = 0; i < m->run_count; i++) {
        struct run *run = m->runs[i];
        while (!run->done && (m->descending ? head_lo(run) > time : head_hi(run) < time))
            merge_next_item(m, run);
        if (run->done)
            continue;
        struct item *item = run_head(run);
        if (run->loaded) {
            if (m->descending && time < INT64_MAX)
                run->end = merge_lower_bound(run_times(run), run->begin, run->end, time + 1);
            else if (!m->descending)
                run->begin = merge_lower_bound(run_times(run), run->begin, run->end, time);
        } else if (!item->group) {
            if (m->descending && time < INT64_MAX)
                item->end = merge_lower_bound(run->mem.times, item->begin, item->end, time + 1);
            else if (!m->descending)
                item->begin = merge_lower_bound(run->mem.times, item->begin, item->end, time);
            item->lo = run->mem.times[item->begin];
            item->hi = run->mem.times[item->end - 1];
        } else if (m->descending ? item->hi > time : item->lo < time) {
            if (m->descending)
                item->hi = time;
            else
                item->lo = time;
            item->whole = false;
        }
    }
}
