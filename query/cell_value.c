/* cell_value.c - implements cell_value.h. */
#include "query/cell_value.h"

#include "silt/kernels.h"

#include <math.h>

static union silt_value value_at(const struct leaf *leaf, const struct lane_column *column, size_t row)
{
    switch (leaf->type) {
    case DATA_BOOLEAN: return (union silt_value){.u64 = column->boolean[row]};
    case DATA_STRING: return (union silt_value){.u64 = row}; /* copied by the caller, if kept */
    default: return (union silt_value){.u64 = column->u64[row]};
    }
}

/* -1, 0, 1. Strings: those that are kept (keep_string), not places in a column. */
static int compare_values(enum data_type type, union silt_value a, union silt_value b)
{
    switch (type) {
    case DATA_FLOAT: return a.f64 < b.f64 ? -1 : a.f64 > b.f64;
    case DATA_INTEGER: return a.i64 < b.i64 ? -1 : a.i64 > b.i64;
    case DATA_UNSIGNED: return a.u64 < b.u64 ? -1 : a.u64 > b.u64;
    case DATA_STRING: return silt_str_compare(silt_bytes_str(a.string), silt_bytes_str(b.string));
    default: return (int)(a.u64 & 1) - (int)(b.u64 & 1);
    }
}

bool cell_value_replaces(const struct leaf *leaf, const struct cell_value *a, const struct cell_value *b)
{
    int order;

    if (a->count == 0)
        return true;
    switch (leaf->id) {
    case FN_MIN:
        order = compare_values(leaf->type, b->value, a->value);
        return order < 0 || (order == 0 && b->time < a->time);
    case FN_MAX:
        order = compare_values(leaf->type, b->value, a->value);
        return order > 0 || (order == 0 && b->time < a->time);
    case FN_FIRST:
        if (b->time != a->time)
            return b->time < a->time;
        order = compare_values(leaf->type, b->value, a->value);
        return leaf->type == DATA_BOOLEAN ? order < 0 : order > 0;
    default: /* last */
        if (b->time != a->time)
            return b->time > a->time;
        return compare_values(leaf->type, b->value, a->value) > 0;
    }
}

static size_t run_count(const struct cell_run *run)
{
    if (!run->column->valid)
        return run->to - run->from;
    size_t count = 0;
    for (size_t i = run->from; i < run->to; i++)
        count += row_valid(run->column->valid, i);
    return count;
}

static void add_float_sum(const struct cell_run *run, struct cell_value *value)
{
    const double *v = run->column->f64;

    if (!run->column->valid) {
        value->value.f64 = silt_sum_f64(value->value.f64, v + run->from, run->to - run->from);
        value->count += (int64_t)(run->to - run->from);
        return;
    }
    for (size_t i = run->from; i < run->to; i++)
        if (row_valid(run->column->valid, i)) {
            value->value.f64 += v[i];
            value->count++;
        }
}

static void add_integer_sum(const struct cell_run *run, struct cell_value *value)
{
    const uint64_t *v = run->column->u64;

    if (!run->column->valid) {
        value->value.u64 += (uint64_t)silt_sum_i64((const int64_t *)v + run->from, run->to - run->from);
        value->count += (int64_t)(run->to - run->from);
        return;
    }
    for (size_t i = run->from; i < run->to; i++)
        if (row_valid(run->column->valid, i)) {
            value->value.u64 += v[i];
            value->count++;
        }
}

void cell_value_settle_mean(const struct leaf *leaf, struct cell_value *value)
{
    double sum = leaf->type == DATA_FLOAT     ? value->value.f64
                 : leaf->type == DATA_INTEGER ? (double)value->value.i64
                                              : (double)value->value.u64;
    value->value.f64 = sum / (double)value->count;
}

/* The smallest and largest of a run; false when it is empty. */
static bool run_extremes(const struct leaf *leaf, const struct cell_run *run, union silt_value *min, union silt_value *max)
{
    const struct lane_column *column = run->column;
    size_t count = run->to - run->from;
    bool any = false;

    if (!column->valid && count > 0 && leaf->type != DATA_BOOLEAN && !column->of_subquery) {
        if (leaf->type == DATA_FLOAT)
            silt_minmax_f64(column->f64 + run->from, count, &min->f64, &max->f64);
        else if (leaf->type == DATA_INTEGER)
            silt_minmax_i64(column->i64 + run->from, count, &min->i64, &max->i64);
        else
            silt_minmax_u64(column->u64 + run->from, count, &min->u64, &max->u64);
        return true;
    }
    for (size_t i = run->from; i < run->to; i++) {
        if (!row_valid(column->valid, i))
            continue;
        union silt_value v = value_at(leaf, column, i);
        if (!any || compare_values(leaf->type, v, *min) < 0)
            *min = v;
        if (!any || compare_values(leaf->type, v, *max) > 0)
            *max = v;
        any = true;
    }
    return any;
}

void cell_value_add_spread(const struct leaf *leaf, union silt_value min, union silt_value max, int64_t count,
                       struct cell_value *value)
{
    if (value->count == 0 || compare_values(leaf->type, min, value->value) < 0)
        value->value = min;
    if (value->count == 0 || compare_values(leaf->type, max, value->other) > 0)
        value->other = max;
    value->count += count;
}

static void add_extreme(const struct leaf *leaf, const struct cell_run *run, struct cell_value *value)
{
    union silt_value min, max;
    struct cell_value found = {.count = 1, .series = run->series};

    if (!run_extremes(leaf, run, &min, &max))
        return;
    found.value = leaf->id == FN_MIN ? min : max;
    if (!leaf->need_time) { /* which of equal values it is does not show */
        found.time = value->time + 1;
        if (cell_value_replaces(leaf, value, &found)) {
            found.time = 0;
            *value = found;
        }
        return;
    }
    found.time = SILT_TIME_MIN;
    if (!cell_value_replaces(leaf, value, &found))
        return;
    for (size_t n = 0; n < run->to - run->from; n++) { /* in rising time, so that the earliest is found */
        size_t i = run->descending ? run->to - 1 - n : run->from + n;
        if (!row_valid(run->column->valid, i) ||
            compare_values(leaf->type, value_at(leaf, run->column, i), found.value) != 0)
            continue;
        if (run->column->of_subquery && leaf->type == DATA_FLOAT && isnan(run->column->f64[i]) && !isnan(found.value.f64))
            continue;
        found.value = value_at(leaf, run->column, i); /* of -0 and 0, the one that is there */
        found.time = run->times[i];
        if (cell_value_replaces(leaf, value, &found))
            *value = found;
        return;
    }
}

static enum silt_status keep_string(struct cells *cells, const struct leaf *leaf, const struct cell_run *run,
                                    struct cell_value *found, struct silt_error *err)
{
    if (leaf->type != DATA_STRING)
        return SILT_OK;
    if (!cells->strings)
        cells->strings = silt_arena_create(&cells->exec->budget);
    found->value.string = silt_arena_bytes_copy(cells->strings, run->column->string[found->value.u64]);
    return silt_arena_exceeded(cells->strings) ? silt_fail(err, SILT_LIMIT, "query memory limit exceeded") : SILT_OK;
}

static enum silt_status add_end(struct cells *cells, const struct leaf *leaf, const struct cell_run *run,
                                struct cell_value *value, struct silt_error *err)
{
    bool from_front = (leaf->id == FN_FIRST) != run->descending;

    for (size_t n = 0; n < run->to - run->from; n++) {
        size_t i = from_front ? run->from + n : run->to - 1 - n;
        if (!row_valid(run->column->valid, i))
            continue;
        struct cell_value found = {
            .count = 1, .time = run->times[i], .series = run->series, .value = value_at(leaf, run->column, i)};
        if (value->count && (leaf->id == FN_FIRST ? found.time > value->time : found.time < value->time))
            return SILT_OK;
        enum silt_status rc = keep_string(cells, leaf, run, &found, err);
        if (rc == SILT_OK && cell_value_replaces(leaf, value, &found))
            *value = found;
        if (rc != SILT_OK || !run->column->of_subquery)
            return rc; /* of a subquery's rows the next may have the same time */
    }
    return SILT_OK;
}

enum silt_status cell_value_add(struct cells *cells, const struct leaf *leaf, const struct cell_run *run,
                                struct cell_value *value, struct silt_error *err)
{
    union silt_value min, max;

    switch (leaf->id) {
    case FN_COUNT: value->count += (int64_t)run_count(run); break;
    case FN_SUM:
    case FN_MEAN: /* divided later; of integers the sum wraps, as InfluxDB's */
        if (leaf->type == DATA_FLOAT)
            add_float_sum(run, value);
        else
            add_integer_sum(run, value);
        break;
    case FN_SPREAD:
        if (run_extremes(leaf, run, &min, &max))
            cell_value_add_spread(leaf, min, max, (int64_t)run_count(run), value);
        break;
    case FN_MIN:
    case FN_MAX: add_extreme(leaf, run, value); break;
    default: return add_end(cells, leaf, run, value, err);
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- many short runs */

#define FEW_ROWS 16 /* one by one takes no longer than setting a kernel up */

/* Up to where runs are short, the smallest or largest numbers of each. */
#define EXTREMES(type, member)                                                                                         \
    do {                                                                                                               \
        const type *v = run->column->member;                                                                           \
        for (; done < count && ends[done] - run->from <= FEW_ROWS; done++, value += values) {                          \
            size_t row = run->from;                                                                                    \
            type best = v[row];                                                                                        \
            for (row++; row < ends[done]; row++)                                                                       \
                best = (least ? v[row] < best : v[row] > best) ? v[row] : best;                                        \
            run->from = ends[done];                                                                                    \
            if (value->count && (least ? best >= value->value.member : best <= value->value.member))                   \
                continue;                                                                                              \
            *value = (struct cell_value){.count = 1, .value.member = best, .series = run->series};                     \
        }                                                                                                              \
    } while (0)

/* Gives how many of the runs it did. */
static size_t add_short_runs(const struct leaf *leaf, struct cell_run *run, const uint32_t *ends, size_t count,
                             struct cell_value *value, size_t values)
{
    bool least = leaf->id == FN_MIN;
    size_t done = 0;

    if ((leaf->id != FN_MIN && leaf->id != FN_MAX) || leaf->need_time || run->column->valid || run->column->of_subquery)
        return 0;
    switch (leaf->type) {
    case DATA_FLOAT: EXTREMES(double, f64); break;
    case DATA_INTEGER: EXTREMES(int64_t, i64); break;
    case DATA_UNSIGNED: EXTREMES(uint64_t, u64); break;
    default: break;
    }
    return done;
}
#undef EXTREMES

enum silt_status cell_value_add_runs(struct cells *cells, const struct leaf *leaf, struct cell_run *run, const uint32_t *ends,
                                     size_t count, struct cell_value *value, struct silt_error *err)
{
    size_t done = add_short_runs(leaf, run, ends, count, value, cells->leaf_count);
    enum silt_status rc = SILT_OK;

    for (; rc == SILT_OK && done < count; done++) {
        run->to = ends[done];
        rc = cell_value_add(cells, leaf, run, value + done * cells->leaf_count, err);
        run->from = run->to;
    }
    return rc;
}

/* ---------------------------------------------------------------- statistics instead of columns */

bool cell_value_add_stats(const struct leaf *leaf, const struct silt_block_stats *stats, const struct lane_batch *batch,
                          bool descending, uint32_t series, struct cell_value *value)
{
    struct cell_value found = {.count = 1, .series = series};

    if (stats->count == 0)
        return true;
    switch (leaf->id) {
    case FN_COUNT: value->count += stats->count; return true;
    case FN_SUM:
    case FN_MEAN:
        if (leaf->type == DATA_FLOAT) {
            /* exact within the block is not yet exact onto what came before, unless nothing did */
            if (stats->count > 1 && (!stats->sum_exact || value->count))
                return false;
            value->value.f64 = value->count ? value->value.f64 + stats->sum.f64 : 0.0 + stats->sum.f64;
        } else {
            value->value.u64 += stats->sum.u64;
        }
        value->count += stats->count;
        return true;
    case FN_SPREAD:
        cell_value_add_spread(leaf, stats->min, stats->max, stats->count, value);
        return true;
    case FN_MIN:
    case FN_MAX:
        found.value = leaf->id == FN_MIN ? stats->min : stats->max;
        if (leaf->type == DATA_BOOLEAN)
            found.value.u64 = found.value.boolean;
        found.time = leaf->need_time ? (descending ? batch->last : batch->first) : 0;
        if (!cell_value_replaces(leaf, value, &found))
            return true; /* not even at the earliest time it could have */
        if (leaf->need_time)
            return false;
        *value = found;
        return true;
    case FN_FIRST:
    case FN_LAST:
        if (leaf->type == DATA_STRING)
            return false;
        if (value->count) { /* what comes later in scan order does not win */
            if (leaf->id == (descending ? FN_LAST : FN_FIRST))
                return true;
        }
        if (stats->count != batch->count)
            return false;
        found.value = leaf->id == FN_FIRST ? stats->first : stats->last;
        if (leaf->type == DATA_BOOLEAN)
            found.value.u64 = found.value.boolean;
        found.time = (leaf->id == FN_FIRST) != descending ? batch->first : batch->last;
        if (cell_value_replaces(leaf, value, &found))
            *value = found;
        return true;
    default: return false;
    }
}
