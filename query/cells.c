/* cells.c - implements cells.h and cells_internal.h. */
#include "query/cell_value.h"
#include "query/cells_internal.h"
#include "query/keyed.h"

#include <stdlib.h>

void cells_init(struct cells *cells, struct exec *exec, size_t leaf_count)
{
    *cells = (struct cells){.exec = exec, .leaf_count = leaf_count};
}

void cells_clear(struct cells *cells)
{
    cells->count = 0;
    if (cells->strings)
        silt_arena_reset(cells->strings);
}

static size_t cell_bytes(const struct cells *cells)
{
    return sizeof(struct cell_key) + cells->leaf_count * sizeof(struct cell_value);
}

void cells_free(struct cells *cells)
{
    if (cells->capacity)
        silt_budget_release(&cells->exec->budget, cells->capacity * cell_bytes(cells));
    free(cells->keys);
    free(cells->values);
    silt_arena_destroy(cells->strings);
    cells_init(cells, cells->exec, cells->leaf_count);
}

static enum silt_status cells_reserve(struct cells *cells, size_t count, struct silt_error *err)
{
    if (count <= cells->capacity)
        return SILT_OK;
    size_t capacity = cells->capacity ? cells->capacity * 2 : 4;
    if (capacity < count)
        capacity = count;
    enum silt_status rc = silt_budget_charge(&cells->exec->budget, (capacity - cells->capacity) * cell_bytes(cells), err);
    if (rc != SILT_OK)
        return rc;
    cells->keys = silt_realloc(cells->keys, capacity * sizeof(*cells->keys));
    cells->values = silt_realloc(cells->values, capacity * cells->leaf_count * sizeof(*cells->values));
    cells->capacity = capacity;
    return SILT_OK;
}

static struct cell_value *cell_at(struct cells *cells, size_t index)
{
    return cells->values + index * cells->leaf_count;
}

/* The last cell when it has this key, else a new one behind it. */
static enum silt_status cell_for(struct cells *cells, silt_time start, uint32_t shard, struct cell_value **out,
                                 struct silt_error *err)
{
    if (cells->count && cells->keys[cells->count - 1].start == start && cells->keys[cells->count - 1].shard == shard) {
        *out = cell_at(cells, cells->count - 1);
        return SILT_OK;
    }
    enum silt_status rc = cells_reserve(cells, cells->count + 1, err);
    if (rc != SILT_OK)
        return rc;
    cells->keys[cells->count] = (struct cell_key){start, shard};
    *out = cell_at(cells, cells->count++);
    memset(*out, 0, cells->leaf_count * sizeof(**out));
    return SILT_OK;
}

/* ---------------------------------------------------------------- one series */

/*
 * max() over all of a group shows when that was, so blocks that may hold a better one have to be decoded, in every series anew
 * until its own best is found. What other series have had already tells of most blocks that they hold nothing better.
 */
static bool has_bound(const struct leaf *leaf)
{
    return (leaf->id == FN_MIN || leaf->id == FN_MAX) && leaf->need_time &&
           (leaf->type == DATA_FLOAT || leaf->type == DATA_INTEGER || leaf->type == DATA_UNSIGNED);
}

/* The better the larger; above 0. */
static uint64_t rank_of(const struct leaf *leaf, union silt_value value)
{
    uint64_t key = key_of_number(leaf->type, value.u64);

    key += leaf->type == DATA_FLOAT && key == KEY_NEGATIVE_ZERO;
    return leaf->id == FN_MIN ? ~key : key;
}

static bool is_beaten(const struct reduction *r, size_t i, const struct silt_block_stats *stats)
{
    const struct leaf *leaf = &r->leaves[i];

    if (!r->bounds || !stats->count || !has_bound(leaf))
        return false;
    uint64_t rank = rank_of(leaf, leaf->id == FN_MIN ? stats->min : stats->max);
    return rank < atomic_load_explicit(&r->bounds[i], memory_order_relaxed);
}

void cells_raise_bounds(const struct reduction *r, const struct cells *cells)
{
    for (size_t i = 0; i < r->leaf_count; i++)
        for (size_t k = 0; has_bound(&r->leaves[i]) && k < cells->count; k++) {
            const struct cell_value *value = &cells->values[k * cells->leaf_count + i];
            uint64_t had = atomic_load_explicit(&r->bounds[i], memory_order_relaxed);
            uint64_t rank = value->count ? rank_of(&r->leaves[i], value->value) : 0;
            while (rank > had && !atomic_compare_exchange_weak_explicit(&r->bounds[i], &had, rank, memory_order_relaxed,
                                                                        memory_order_relaxed))
                ;
        }
}

static bool in_window(silt_time t, silt_time start, silt_time end)
{
    return t >= start && t < end;
}

/* The first row at or after `from` that lies outside [start, end). */
static size_t window_end(const silt_time *times, size_t from, size_t count, silt_time start, silt_time end)
{
    size_t step = 1, low = from, high;

    while (from + step < count && in_window(times[from + step], start, end)) {
        low = from + step;
        step *= 2;
    }
    high = from + step < count ? from + step : count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (in_window(times[middle], start, end))
            low = middle;
        else
            high = middle;
    }
    return low + 1;
}

static enum silt_status add_whole_batch(const struct reduction *r, struct lane *lane, const struct lane_batch *batch,
                                        struct cells *cells, silt_time start, uint32_t series, struct silt_error *err)
{
    struct cell_value *values;
    const silt_time *times = NULL;
    enum silt_status rc;

    if ((rc = cell_for(cells, start, batch->shard, &values, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < r->leaf_count; i++) {
        const struct leaf *leaf = &r->leaves[i];
        struct silt_block_stats stats;
        struct lane_column column;
        if (batch->has_stats && lane_stats(lane, leaf->slot, &stats) &&
            (is_beaten(r, i, &stats) || cell_value_add_stats(leaf, &stats, batch, r->descending, series, &values[i])))
            continue;
        if ((rc = lane_column(lane, leaf->slot, &column, err)) != SILT_OK)
            return rc;
        if (column.valid_count == 0)
            continue;
        if (!times && (leaf->need_time || leaf->id == FN_FIRST || leaf->id == FN_LAST) &&
            (rc = lane_times(lane, &times, err)) != SILT_OK)
            return rc;
        if (leaf->id == FN_COUNT) {
            values[i].count += (int64_t)column.valid_count;
            continue;
        }
        struct cell_run run = {&column, times, 0, batch->count, r->descending, series};
        if ((rc = cell_value_add(cells, leaf, &run, &values[i], err)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

static enum silt_status add_batch(const struct reduction *r, struct lane *lane, const struct lane_batch *batch,
                                  struct cells *cells, uint32_t series, struct silt_error *err)
{
    const struct windows *windows = &r->scan->plan->compiled->windows;
    silt_time start, end;
    const silt_time *times;
    enum silt_status rc;

    windows_of(windows, batch->first, &start, &end);
    if (windows->interval == 0 || in_window(batch->last, start, end))
        return add_whole_batch(r, lane, batch, cells, start, series, err);

    silt_time from = r->descending ? batch->last : batch->first, till = r->descending ? batch->first : batch->last;
    if (batch->has_stats && (uint64_t)till - (uint64_t)from >= (uint64_t)windows->interval)
        lane_prefer_stats(lane, false); /* a batch is longer than a window */
    if ((rc = lane_times(lane, &times, err)) != SILT_OK)
        return rc;
    uint32_t ends[BATCH_ROWS_MAX]; /* of the windows' rows */
    size_t count = 0, first_cell = 0;
    for (size_t i = 0; i < batch->count; i = ends[count++]) {
        struct cell_value *values;
        if (count > 0)
            windows_of(windows, times[i], &start, &end);
        if ((rc = cell_for(cells, start, batch->shard, &values, err)) != SILT_OK)
            return rc;
        if (count == 0)
            first_cell = cells->count - 1;
        ends[count] = (uint32_t)window_end(times, i, batch->count, start, end);
    }
    for (size_t k = 0; k < r->leaf_count; k++) {
        struct lane_column column;
        if ((rc = lane_column(lane, r->leaves[k].slot, &column, err)) != SILT_OK)
            return rc;
        if (column.valid_count == 0)
            continue;
        struct cell_run run = {&column, times, 0, 0, r->descending, series};
        if ((rc = cell_value_add_runs(cells, &r->leaves[k], &run, ends, count, cell_at(cells, first_cell) + k, err)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

enum silt_status cells_of_series(const struct reduction *r, struct lane *lane, size_t index, const struct scan_group *group,
                                 struct cells *cells, struct silt_error *err)
{
    struct lane_batch batch;
    enum silt_status rc;

    cells_clear(cells);
    if ((rc = lane_seek(lane, index, group, r->min, r->max, r->descending, err)) != SILT_OK)
        return rc;
    for (;;) {
        if ((rc = lane_next(lane, &batch, err)) != SILT_OK)
            return rc;
        if (batch.count == 0)
            break;
        if (!r->scan->plan->sources[r->scan->series[index].source].in_memory &&
            (rc = exec_note_points(r->scan->plan->exec, batch.count, err)) != SILT_OK)
            return rc;
        if ((rc = add_batch(r, lane, &batch, cells, (uint32_t)index, err)) != SILT_OK)
            return rc;
        if (r->stops_early && cells->count) {
            bool done = true;
            for (size_t i = 0; i < r->leaf_count; i++)
                done = done && cells->values[i].count;
            if (done)
                break;
        }
    }
    for (size_t i = 0; i < r->leaf_count; i++)
        if (r->leaves[i].id == FN_MEAN)
            for (size_t k = 0; k < cells->count; k++)
                if (cell_at(cells, k)[i].count)
                    cell_value_settle_mean(&r->leaves[i], &cell_at(cells, k)[i]);
    return SILT_OK;
}

/* ---------------------------------------------------------------- many series, many shards */

static double weigh(double mean, int64_t count)
{
    return count >= 2 ? mean * (double)count : mean;
}

static enum silt_status combine_value(struct cells *into, const struct leaf *leaf, struct cell_value *a,
                                      const struct cell_value *b, struct silt_error *err)
{
    if (b->count == 0)
        return SILT_OK;
    switch (leaf->id) {
    case FN_COUNT: a->count += b->count; break;
    case FN_SUM:
        if (leaf->type == DATA_FLOAT)
            a->value.f64 = a->count ? a->value.f64 + b->value.f64 : b->value.f64;
        else
            a->value.u64 += b->value.u64;
        a->count += b->count;
        break;
    case FN_MEAN:
        a->value.f64 += weigh(b->value.f64, b->count);
        a->count += b->count;
        break;
    case FN_SPREAD: cell_value_add_spread(leaf, b->value, b->other, b->count, a); break;
    default:
        if (!cell_value_replaces(leaf, a, b))
            break;
        *a = *b;
        if (leaf->type == DATA_STRING) {
            if (!into->strings)
                into->strings = silt_arena_create(&into->exec->budget);
            a->value.string = silt_arena_bytes_copy(into->strings, silt_bytes_str(b->value.string));
            if (silt_arena_exceeded(into->strings))
                return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
        }
        break;
    }
    return SILT_OK;
}

static int key_order(const struct cell_key *a, const struct cell_key *b, bool descending)
{
    int order = a->start != b->start ? (a->start < b->start ? -1 : 1) : a->shard != b->shard ? (a->shard < b->shard ? -1 : 1) : 0;
    return descending ? -order : order;
}

static bool same_key(const struct cell_key *a, const struct cell_key *b)
{
    return a->start == b->start && a->shard == b->shard;
}

/* Cells of the group without values for the keys of the series that it does not have. */
static enum silt_status add_keys(const struct reduction *r, struct cells *group, const struct cells *series,
                                 struct silt_error *err)
{
    size_t missing = 0, g = 0;
    enum silt_status rc;

    for (size_t s = 0; s < series->count; s++) {
        while (g < group->count && key_order(&group->keys[g], &series->keys[s], r->descending) < 0)
            g++;
        if (g == group->count || !same_key(&group->keys[g], &series->keys[s]))
            missing++;
    }
    if ((rc = cells_reserve(group, group->count + missing, err)) != SILT_OK)
        return rc;
    /* from the right, so that nothing is overwritten before it has moved */
    size_t to = group->count + missing, from = group->count;
    group->count = to;
    for (size_t s = series->count; missing > 0 && s > 0; s--) {
        while (from > 0 && key_order(&group->keys[from - 1], &series->keys[s - 1], r->descending) > 0) {
            to--, from--;
            group->keys[to] = group->keys[from];
            memcpy(cell_at(group, to), cell_at(group, from), group->leaf_count * sizeof(struct cell_value));
        }
        if (from > 0 && same_key(&group->keys[from - 1], &series->keys[s - 1]))
            continue;
        to--, missing--;
        group->keys[to] = series->keys[s - 1];
        memset(cell_at(group, to), 0, group->leaf_count * sizeof(struct cell_value));
    }
    return SILT_OK;
}

enum silt_status cells_combine_series(const struct reduction *r, struct cells *group, const struct cells *series,
                                      struct silt_error *err)
{
    size_t same = 0, g = 0;
    enum silt_status rc;

    while (same < series->count && same < group->count && same_key(&group->keys[same], &series->keys[same]))
        same++;
    if (same < series->count && (rc = add_keys(r, group, series, err)) != SILT_OK)
        return rc;
    for (size_t s = 0; s < series->count; s++) {
        while (!same_key(&group->keys[g], &series->keys[s]))
            g++;
        for (size_t i = 0; i < r->leaf_count; i++)
            if ((rc = combine_value(group, &r->leaves[i], &cell_at(group, g)[i], &series->values[s * r->leaf_count + i],
                                    err)) != SILT_OK)
                return rc;
    }
    return SILT_OK;
}

static void sort_by_rank(struct cells *cells, const uint32_t *ranks, size_t shard_count)
{
    size_t row = cells->leaf_count * sizeof(struct cell_value);
    struct cell_value *held = silt_malloc(row ? row : 1);

    for (size_t i = 1; i < cells->count; i++)
        for (size_t k = i; k > 0; k--) {
            struct cell_key *a = &cells->keys[k - 1], *b = &cells->keys[k];
            if (a->shard >= shard_count || b->shard >= shard_count || ranks[a->shard] <= ranks[b->shard])
                break;
            struct cell_key key = *a;
            *a = *b;
            *b = key;
            memcpy(held, cell_at(cells, k - 1), row);
            memcpy(cell_at(cells, k - 1), cell_at(cells, k), row);
            memcpy(cell_at(cells, k), held, row);
        }
    free(held);
}

enum silt_status cells_combine_shards(const struct reduction *r, size_t group, struct cells *cells, struct silt_error *err)
{
    if (r->ranks)
        sort_by_rank(cells, r->ranks + group * r->shard_count, r->shard_count);

    size_t kept = 0;
    enum silt_status rc;

    for (size_t k = 0; k < cells->count; k++) {
        struct cell_value *from = cell_at(cells, k);
        for (size_t i = 0; i < r->leaf_count; i++)
            if (r->leaves[i].id == FN_MEAN && from[i].count) {
                from[i].value.f64 /= (double)from[i].count;
                from[i].value.f64 = weigh(from[i].value.f64, from[i].count);
            }
        if (kept && cells->keys[kept - 1].start == cells->keys[k].start) {
            for (size_t i = 0; i < r->leaf_count; i++) {
                struct cell_value *to = &cell_at(cells, kept - 1)[i];
                if (r->leaves[i].id == FN_MEAN) { /* weighed already */
                    to->value.f64 += from[i].value.f64;
                    to->count += from[i].count;
                } else if ((rc = combine_value(cells, &r->leaves[i], to, &from[i], err)) != SILT_OK) {
                    return rc;
                }
            }
            continue;
        }
        if (kept != k)
            memcpy(cell_at(cells, kept), from, r->leaf_count * sizeof(*from));
        cells->keys[kept++] = (struct cell_key){cells->keys[k].start, 0};
    }
    cells->count = kept;
    for (size_t k = 0; k < kept; k++)
        for (size_t i = 0; i < r->leaf_count; i++) {
            struct cell_value *value = &cell_at(cells, k)[i];
            if (r->leaves[i].id != FN_MEAN || !value->count)
                continue;
            value->value.f64 /= (double)value->count;
            for (size_t level = 0; level < r->scan->plan->merge_levels; level++)
                value->value.f64 = weigh(value->value.f64, value->count) / (double)value->count;
        }
    return SILT_OK;
}
