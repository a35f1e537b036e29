/*
 * merge_joined.c - row groups of several files that reach into each other, but have no time in common, as one batch.
 *
 *     file 3   [10 20 30    50 60]
 *     file 7            [40       70 80]
 *     batch    [10 20 30|40|50 60|70 80]      statistics of both together: nothing but their times is decoded
 *                 ^ piece: rows of one group
 *
 * Where one file ends and the next begins, each series has such groups when several clients wrote at once. Who is after
 * statistics asks for this (merge_prefer_stats); who reads columns gets them copied, piece by piece.
 */
#include "storage/merge_internal.h"

#define JOINED_RUNS_MAX 8u
#define JOINED_ROWS_MAX 4096u /* of a batch: reader.h */
#define APART_KEPT 8

struct piece {
    uint32_t run, from, count;
};

struct joined_column {
    void *data;
    size_t data_bytes;
    bool ready;
    enum silt_type type; /* NONE: no group has it */
    bool gaps;
    uint64_t valid[JOINED_ROWS_MAX / 64];
};

/* Times, by number, that were found to be all different: most likely the next series has the same. */
struct apart {
    uint32_t count;
    uint64_t numbers[JOINED_RUNS_MAX];
};

struct merge_joined {
    struct run *from[JOINED_RUNS_MAX];               /* whose items they are; a run may have given several */
    const struct tsm_group *groups[JOINED_RUNS_MAX];
    struct run *runs[JOINED_RUNS_MAX];               /* where they are decoded */
    uint32_t run_count;
    uint32_t rows;
    silt_time lo, hi;
    struct apart apart[APART_KEPT];
    size_t next_apart;
    const struct apart *now; /* that of the batch */
    const struct apart *ordered; /* whose pieces and times these are; NULL: none */
    bool ordered_descending;
    struct piece *pieces; /* by time; room for as many as rows */
    uint32_t piece_count;
    silt_time *times;     /* in the order asked for */
    struct joined_column *columns;
    size_t column_room;
};

enum silt_status merge_prefer_stats(struct merge *m, bool prefer, struct silt_error *err)
{
    m->joins = prefer;
    if (!prefer || m->joined)
        return SILT_OK;
    struct merge_joined *j = silt_arena_try_alloc(m->buffers, sizeof(*j));
    if (!j)
        return merge_over_budget(m, err);
    memset(j, 0, sizeof(*j));
    m->joined = j;
    return SILT_OK;
}

/* ---------------------------------------------------------------- which */

static bool reaches_into(const struct merge_joined *j, const struct item *item)
{
    return item->lo <= j->hi && item->hi >= j->lo;
}

/* The run's item behind those taken; NULL: none. */
static const struct item *next_to_take(const struct merge *m, const struct run *run)
{
    size_t left = run->done ? 0 : m->descending ? run->at + 1 : run->item_count - run->at;
    if (run->taken == left)
        return NULL;
    return &run->items[m->descending ? run->at - run->taken : run->at + run->taken];
}

/* False: it is not a whole row group, or one too many. */
static bool take(struct merge_joined *j, struct run *run, const struct item *item)
{
    if ((run->taken == 0 && run->loaded) || !item->whole || !item->full || j->run_count == JOINED_RUNS_MAX ||
        j->rows + item->group->rows > JOINED_ROWS_MAX)
        return false;
    j->lo = j->run_count == 0 || item->lo < j->lo ? item->lo : j->lo;
    j->hi = j->run_count == 0 || item->hi > j->hi ? item->hi : j->hi;
    j->rows += item->group->rows;
    j->from[j->run_count] = run;
    j->groups[j->run_count++] = item->group;
    run->taken++;
    return true;
}

/* The first run's head, what reaches into it, what reaches into that, and so on. */
static bool collect(const struct merge *m, struct merge_joined *j, struct run *first)
{
    j->run_count = j->rows = 0;
    for (size_t i = 0; i < m->run_count; i++)
        m->runs[i]->taken = 0;
    if (!take(j, first, run_head(first)))
        return false;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < m->run_count; i++) {
            const struct item *item = next_to_take(m, m->runs[i]);
            for (; item && reaches_into(j, item); item = next_to_take(m, m->runs[i]), more = true)
                if (!take(j, m->runs[i], item))
                    return false;
        }
    }
    return j->run_count > 1;
}

/* A run has room for one decoded group, so its second needs another. */
static enum silt_status find_room(struct merge *m, struct merge_joined *j, struct silt_error *err)
{
    size_t spares = 0;
    for (uint32_t i = 0; i < j->run_count; i++) {
        struct run *run = j->from[i];
        bool second = j->groups[i] != run_head(run)->group;
        enum silt_status rc = second ? merge_spare_run(m, spares++, run->file, &run, err) : SILT_OK;
        if (rc != SILT_OK)
            return rc;
        merge_use_group(m, run, j->groups[i]);
        j->runs[i] = run;
    }
    return SILT_OK;
}

/* A field has one type in all groups that have it. */
static bool types_agree(const struct merge *m, const struct merge_joined *j)
{
    for (size_t f = 0; f < m->field_count; f++) {
        int type = -1;
        for (uint32_t i = 0; i < j->run_count; i++) {
            const struct run *run = j->runs[i];
            if (run->columns[f].index < 0)
                continue;
            int other = run->group->fields[run->columns[f].index].type;
            if (type >= 0 && other != type)
                return false;
            type = other;
        }
    }
    return true;
}

static bool share_a_time(const struct run *a, const struct run *b)
{
    uint32_t a_rows = a->group->rows, b_rows = b->group->rows;
    silt_time hi = a->group->max < b->group->max ? a->group->max : b->group->max;
    uint32_t i = merge_lower_bound(a->times, 0, a_rows, b->group->min);
    uint32_t k = merge_lower_bound(b->times, 0, b_rows, a->group->min);
    while (i < a_rows && k < b_rows && a->times[i] <= hi && b->times[k] <= hi) {
        if (a->times[i] == b->times[k])
            return true;
        bool a_first = a->times[i] < b->times[k];
        i += a_first;
        k += !a_first;
    }
    return false;
}

static bool is_apart(const struct merge_joined *j, const struct apart *apart)
{
    bool same = apart->count == j->run_count;
    for (uint32_t i = 0; same && i < j->run_count; i++)
        same = apart->numbers[i] == j->runs[i]->times_number;
    return same;
}

static bool tell_apart(struct merge_joined *j)
{
    for (size_t i = 0; i < APART_KEPT; i++)
        if (is_apart(j, &j->apart[i])) {
            j->now = &j->apart[i];
            return true;
        }
    for (uint32_t i = 1; i < j->run_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (share_a_time(j->runs[k], j->runs[i]))
                return false;
    struct apart *apart = &j->apart[j->next_apart];
    j->next_apart = (j->next_apart + 1) % APART_KEPT;
    j->ordered = j->ordered == apart ? NULL : j->ordered;
    j->now = apart;
    apart->count = j->run_count;
    for (uint32_t i = 0; i < j->run_count; i++)
        apart->numbers[i] = j->runs[i]->times_number;
    return true;
}

enum silt_status merge_join(struct merge *m, struct run *first, bool *done, struct silt_error *err)
{
    struct merge_joined *j = m->joined;
    enum silt_status rc;

    *done = false;
    if (!collect(m, j, first))
        return SILT_OK;
    if ((rc = find_room(m, j, err)) != SILT_OK)
        return rc;
    if (!types_agree(m, j))
        return SILT_OK;
    for (uint32_t i = 0; i < j->run_count; i++)
        if ((rc = merge_need_times(m, j->runs[i], err)) != SILT_OK)
            return rc;
    if (!tell_apart(j))
        return SILT_OK;
    if (m->field_count > j->column_room) {
        j->columns = silt_arena_try_alloc(m->buffers, m->field_count * sizeof(*j->columns));
        j->column_room = j->columns ? m->field_count : 0;
        if (!j->columns)
            return merge_over_budget(m, err);
        memset(j->columns, 0, m->field_count * sizeof(*j->columns));
    }
    for (size_t f = 0; f < m->field_count; f++)
        j->columns[f].ready = false;
    for (uint32_t i = 0; i < j->run_count; i++)
        merge_next_item(m, j->from[i]);
    m->kind = BATCH_JOINED;
    m->begin = 0;
    m->count = j->rows;
    m->whole = false;
    *done = true;
    return SILT_OK;
}

void joined_range(const struct merge *m, silt_time *first, silt_time *last)
{
    *first = m->descending ? m->joined->hi : m->joined->lo;
    *last = m->descending ? m->joined->lo : m->joined->hi;
}

/* ---------------------------------------------------------------- statistics */

static int compare(enum silt_type type, union silt_value a, union silt_value b)
{
    switch (type) {
    case SILT_TYPE_FLOAT: return a.f64 < b.f64 ? -1 : a.f64 > b.f64;
    case SILT_TYPE_INTEGER: return a.i64 < b.i64 ? -1 : a.i64 > b.i64;
    default: return a.u64 < b.u64 ? -1 : a.u64 > b.u64;
    }
}

bool joined_stats(struct merge *m, size_t f, struct silt_block_stats *out)
{
    const struct merge_joined *j = m->joined;
    silt_time first = 0, last = 0;
    bool any = false;

    for (uint32_t i = 0; i < j->run_count; i++) {
        const struct run *run = j->runs[i];
        struct silt_block_stats stats;
        if (run->columns[f].index < 0)
            continue;
        const struct tsm_field *field = &run->group->fields[run->columns[f].index];
        tsm_field_stats(field, &stats);
        if (!any) {
            *out = stats;
            first = run->group->min;
            last = run->group->max;
            any = true;
            continue;
        }
        int low = compare((enum silt_type)field->type, stats.min, out->min);
        int high = compare((enum silt_type)field->type, stats.max, out->max);
        if ((low == 0 && stats.min.u64 != out->min.u64) || (high == 0 && stats.max.u64 != out->max.u64))
            return false; /* -0 and 0: the one that comes first */
        out->count += stats.count;
        out->min = low < 0 ? stats.min : out->min;
        out->max = high > 0 ? stats.max : out->max;
        if (field->type == SILT_TYPE_FLOAT)
            out->sum.f64 += stats.sum.f64;
        else
            out->sum.u64 += stats.sum.u64;
        out->sum_exact = out->sum_exact && stats.sum_exact && field->type != SILT_TYPE_FLOAT;
        out->first = run->group->min < first ? stats.first : out->first;
        out->last = run->group->max > last ? stats.last : out->last;
        first = run->group->min < first ? run->group->min : first;
        last = run->group->max > last ? run->group->max : last;
    }
    for (uint32_t i = 0; any && i < j->run_count; i++) {
        struct stored_column *column = &j->runs[i]->columns[f];
        if (column->index < 0 || column->ready || column->stats)
            continue;
        column->stats = true;
        m->counters.stats_blocks++;
    }
    return any;
}

/* ---------------------------------------------------------------- times and columns */

/* Pieces by time, and the times. */
static enum silt_status put_in_order(struct merge *m, struct silt_error *err)
{
    struct merge_joined *j = m->joined;
    uint32_t at[JOINED_RUNS_MAX] = {0}, done = 0;

    if (j->ordered == j->now && j->ordered_descending == m->descending)
        return SILT_OK;
    if (!j->pieces)
        j->pieces = silt_arena_try_alloc(m->buffers, JOINED_ROWS_MAX * sizeof(*j->pieces));
    if (!j->times)
        j->times = silt_arena_try_alloc(m->buffers, JOINED_ROWS_MAX * sizeof(*j->times));
    if (!j->pieces || !j->times)
        return merge_over_budget(m, err);
    j->piece_count = 0;
    j->ordered = j->now;
    j->ordered_descending = m->descending;
    while (done < j->rows) {
        uint32_t best = JOINED_RUNS_MAX;
        silt_time other = SILT_TIME_MAX;
        for (uint32_t i = 0; i < j->run_count; i++) {
            if (at[i] == j->runs[i]->group->rows)
                continue;
            silt_time time = j->runs[i]->times[at[i]];
            if (best == JOINED_RUNS_MAX || time < j->runs[best]->times[at[best]]) {
                other = best == JOINED_RUNS_MAX ? other : j->runs[best]->times[at[best]];
                best = i;
            } else if (time < other) {
                other = time;
            }
        }
        const struct run *run = j->runs[best];
        uint32_t from = at[best], end = merge_lower_bound(run->times, from + 1, run->group->rows, other);
        if (other == SILT_TIME_MAX)
            end = run->group->rows;
        j->pieces[j->piece_count++] = (struct piece){best, from, end - from};
        for (uint32_t i = from; i < end; i++, done++)
            j->times[m->descending ? j->rows - 1 - done : done] = run->times[i];
        at[best] = end;
    }
    return SILT_OK;
}

enum silt_status joined_times(struct merge *m, const silt_time **times, struct silt_error *err)
{
    enum silt_status rc = put_in_order(m, err);
    *times = m->joined->times;
    return rc;
}

/* Elements [from, from + count) to rows n.. in time order of what is shown. */
static void copy_piece(const struct merge *m, const struct joined_column *column, const struct row_column *stored,
                       const struct piece *piece, uint32_t n)
{
    size_t element = merge_element_bytes(column->type);
    char *to = column->data;
    const char *from = (const char *)stored->data + piece->from * element;
    if (!m->descending) {
        memcpy(to + n * element, from, piece->count * element);
        return;
    }
    for (uint32_t i = 0; i < piece->count; i++)
        memcpy(to + (m->joined->rows - 1 - n - i) * element, from + i * element, element);
}

static enum silt_status fill_column(struct merge *m, size_t f, struct silt_error *err)
{
    struct merge_joined *j = m->joined;
    struct joined_column *column = &j->columns[f];
    struct row_column stored[JOINED_RUNS_MAX];
    enum silt_status rc = put_in_order(m, err);

    column->type = SILT_TYPE_NONE;
    column->gaps = false;
    for (uint32_t i = 0; i < j->run_count && rc == SILT_OK; i++) {
        rc = merge_run_column(m, j->runs[i], f, &stored[i], err);
        if (rc != SILT_OK)
            return rc;
        column->gaps = column->gaps || stored[i].type == SILT_TYPE_NONE || stored[i].valid;
        column->type = stored[i].type != SILT_TYPE_NONE ? stored[i].type : column->type;
    }
    if (rc == SILT_OK && column->type != SILT_TYPE_NONE)
        rc = merge_grow_buffer(m, &column->data, &column->data_bytes, JOINED_ROWS_MAX * sizeof(struct silt_str), err);
    if (rc != SILT_OK)
        return rc;
    if (column->gaps)
        memset(column->valid, 0, sizeof(column->valid));
    for (uint32_t p = 0, n = 0; p < j->piece_count && column->type != SILT_TYPE_NONE; n += j->pieces[p++].count) {
        const struct piece *piece = &j->pieces[p];
        const struct row_column *from = &stored[piece->run];
        if (from->type == SILT_TYPE_NONE)
            continue;
        copy_piece(m, column, from, piece, n);
        for (uint32_t i = 0; column->gaps && i < piece->count; i++) {
            uint32_t row = m->descending ? j->rows - 1 - n - i : n + i;
            column->valid[row / 64] |= (uint64_t)merge_bit(from->valid, piece->from + i) << (row % 64);
        }
    }
    column->ready = true;
    return SILT_OK;
}

enum silt_status joined_column(struct merge *m, size_t f, struct silt_column *out, struct silt_error *err)
{
    const struct joined_column *column = &m->joined->columns[f];
    enum silt_status rc = column->ready ? SILT_OK : fill_column(m, f, err);
    if (rc != SILT_OK || column->type == SILT_TYPE_NONE)
        return rc;
    out->type = column->type;
    out->valid = column->gaps ? column->valid : NULL;
    out->u64 = column->data;
    return SILT_OK;
}
