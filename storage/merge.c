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
    free(m->wanted);
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

/* ---------------------------------------------------------------- runs */

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
        run->columns[f].index = merge_find_field(group, &m->fields[f]);
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
