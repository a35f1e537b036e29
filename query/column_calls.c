/*
 * column_calls.c - median, percentile, distinct, top and bottom of stored numbers, straight from columns (points.h).
 *
 * None of these depends on the order in which series are merged, so none is: every series is read by itself, in
 * parallel, into keys, which are numbers mapped so that they compare as unsigned integers.
 *
 *     series a   [w0: keys][w1: keys]          median, percentile   all values; chosen by histogram, never sorted
 *     series b   [w0: keys]      [w2: keys]    distinct             each value once, with its first time
 *     window w0  a's keys, b's keys            top, bottom          the n best; blocks whose statistics say that they hold
 *                                                                   no better one are not read
 *
 * What needs the merged order is left to window_calls.c: companions beside the call, LIMIT within top(), names in top(),
 * texts, and rows of subqueries, whose numbers may be NaN; found out while reading: -0, which equals 0 and is shown as what
 * comes first, and windows with fewer points than percentile() needs, which end InfluxDB's answer.
 */
#include "query/keyed.h"
#include "silt/kernels.h"

#include <stdlib.h>

#define BUCKET_BITS 12
#define SMALL 256 /* keys that are chosen from one by one */

struct part { /* one window of one series */
    silt_time start;
    uint32_t series;
    size_t first, count;
};

struct series_keys {
    uint64_t *keys;  /* median, percentile */
    struct keyed *pairs; /* the others */
    size_t count, capacity;
    struct part *parts;
    size_t part_count, part_capacity;
    /* of the last part: */
    uint32_t *table; /* distinct: places in pairs, from 1; 0: free */
    size_t table_size;
    bool full; /* top: it holds n, none of them below `worst` */
    uint64_t worst;
};

struct column_worker {
    struct lane *lane;
    enum silt_status status;
    struct silt_error err;
};

struct column_scan {
    const struct scan *scan;
    unsigned worker_count;
    struct column_worker *workers;
    _Atomic bool failed;
    _Atomic bool odd; /* met what the order of series decides about: -0 beside 0, or a window without an answer */
    /* the call under way: */
    const struct plan_call *call;
    const struct scan_group *group;
    enum data_type type;
    silt_time min, max;
    size_t best; /* n of top, bottom */
    bool pairs;
    struct series_keys *series;
};

/* ---------------------------------------------------------------- keys */

/* The larger the better: bottom() has them turned. */
static uint64_t key_of(const struct column_scan *c, uint64_t bits)
{
    uint64_t key = key_of_number(c->type, bits);
    return c->call->function->id == FN_BOTTOM ? ~key : key;
}

static struct silt_cell cell_of(const struct column_scan *c, uint64_t key)
{
    return cell_of_key(c->type, c->call->function->id == FN_BOTTOM ? ~key : key);
}

static uint64_t choose_few(uint64_t *keys, size_t count, size_t k)
{
    size_t low = 0, high = count - 1;

    while (low < high) { /* Hoare's */
        uint64_t pivot = keys[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (keys[i] < pivot)
                i++;
            while (keys[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint64_t held = keys[i];
            keys[i++] = keys[j];
            keys[j--] = held;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return keys[k];
}

/* The k-th smallest. Keys are moved about and lost. */
static uint64_t choose(uint64_t *keys, size_t count, size_t k)
{
    while (count > SMALL) {
        uint32_t buckets[1 << BUCKET_BITS] = {0};
        uint64_t min, max;
        size_t b = 0, kept = 0;
        silt_minmax_u64(keys, count, &min, &max);
        if (min == max)
            return min;
        unsigned bits = 64 - (unsigned)__builtin_clzll(max - min), shift = bits > BUCKET_BITS ? bits - BUCKET_BITS : 0;
        for (size_t i = 0; i < count; i++)
            buckets[(keys[i] - min) >> shift]++;
        while (k >= buckets[b])
            k -= buckets[b++];
        if (shift == 0)
            return min + b;
        for (size_t i = 0; i < count; i++) {
            uint64_t key = keys[i];
            keys[kept] = key;
            kept += (key - min) >> shift == b;
        }
        count = kept;
    }
    return choose_few(keys, count, k);
}

static int by_rank(const void *a, const void *b) /* best first, of equal ones the earlier */
{
    const struct keyed *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key ? -1 : 1) : x->time < y->time ? -1 : x->time > y->time;
}

static int by_time_then_rank(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    return x->time != y->time ? (x->time < y->time ? -1 : 1) : x->key > y->key ? -1 : x->key < y->key;
}

static int by_key_then_time(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : x->time < y->time ? -1 : x->time > y->time;
}

static int by_time_then_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    return x->time != y->time ? (x->time < y->time ? -1 : 1) : x->key < y->key ? -1 : x->key > y->key;
}

static void sort_pairs(struct keyed *pairs, size_t count, int (*order)(const void *, const void *))
{
    if (count > 1)
        qsort(pairs, count, sizeof(*pairs), order);
}

/* ---------------------------------------------------------------- one series */

static enum silt_status charge(struct column_scan *c, size_t bytes, struct silt_error *err)
{
    return silt_budget_charge(&c->scan->plan->exec->budget, bytes, err);
}

static enum silt_status reserve(struct column_scan *c, struct series_keys *s, size_t more, struct silt_error *err)
{
    size_t width = c->pairs ? sizeof(*s->pairs) : sizeof(*s->keys), need = s->count + more;
    enum silt_status rc;

    if (need <= s->capacity)
        return SILT_OK;
    size_t capacity = s->capacity * 2 > need ? s->capacity * 2 : need;
    if ((rc = charge(c, (capacity - s->capacity) * width, err)) != SILT_OK)
        return rc;
    if (c->pairs)
        s->pairs = silt_realloc(s->pairs, capacity * width);
    else
        s->keys = silt_realloc(s->keys, capacity * width);
    s->capacity = capacity;
    return SILT_OK;
}

static enum silt_status part_for(struct column_scan *c, struct series_keys *s, uint32_t series, silt_time start,
                                 struct silt_error *err)
{
    enum silt_status rc;

    if (s->part_count && s->parts[s->part_count - 1].start == start)
        return SILT_OK;
    if (s->part_count == s->part_capacity) {
        size_t capacity = s->part_capacity ? s->part_capacity * 2 : 4;
        if ((rc = charge(c, (capacity - s->part_capacity) * sizeof(*s->parts), err)) != SILT_OK)
            return rc;
        s->parts = silt_realloc(s->parts, capacity * sizeof(*s->parts));
        s->part_capacity = capacity;
    }
    s->parts[s->part_count++] = (struct part){start, series, s->count, 0};
    s->full = false;
    if (s->table)
        memset(s->table, 0, s->table_size * sizeof(*s->table));
    return SILT_OK;
}

/* Leaves the best of the last part. */
static void keep_best(struct column_scan *c, struct series_keys *s)
{
    struct part *part = &s->parts[s->part_count - 1];

    if (part->count < c->best)
        return;
    sort_pairs(s->pairs + part->first, part->count, by_rank);
    part->count = c->best;
    s->count = part->first + part->count;
    s->full = true;
    s->worst = s->pairs[s->count - 1].key;
}

static enum silt_status grow_table(struct column_scan *c, struct series_keys *s, struct silt_error *err)
{
    size_t size = s->table_size ? s->table_size * 2 : 64, first = s->parts[s->part_count - 1].first;
    enum silt_status rc = charge(c, (size - s->table_size) * sizeof(*s->table), err);

    if (rc != SILT_OK)
        return rc;
    free(s->table);
    s->table = silt_calloc(size, sizeof(*s->table));
    s->table_size = size;
    for (size_t i = first; i < s->count; i++) {
        size_t at = silt_hash(&s->pairs[i].key, sizeof(uint64_t)) & (size - 1);
        while (s->table[at])
            at = (at + 1) & (size - 1);
        s->table[at] = (uint32_t)(i - first + 1);
    }
    return SILT_OK;
}

/* The place of the key in the table of the last part: of it, or free. */
static size_t place_of(const struct series_keys *s, size_t first, uint64_t key)
{
    size_t at = silt_hash(&key, sizeof(key)) & (s->table_size - 1);

    while (s->table[at] && s->pairs[first + s->table[at] - 1].key != key)
        at = (at + 1) & (s->table_size - 1);
    return at;
}

/* Rows [from, to) of the batch, all of one window. */
static enum silt_status add_rows(struct column_scan *c, struct series_keys *s, struct lane *lane,
                                 const struct lane_column *column, size_t from, size_t to, struct silt_error *err)
{
    struct part *part = &s->parts[s->part_count - 1];
    const silt_time *times = NULL;
    bool distinct = c->call->function->id == FN_DISTINCT;
    uint64_t last = 0;
    bool any = false, odd = false;
    enum silt_status rc;

    if (!c->pairs) {
        if ((rc = reserve(c, s, to - from, err)) != SILT_OK)
            return rc;
        for (size_t i = from; i < to; i++) {
            s->keys[s->count] = key_of(c, column->u64[i]);
            odd |= s->keys[s->count] == KEY_NEGATIVE_ZERO;
            s->count += row_valid(column->valid, i);
        }
        if (odd && c->type == DATA_FLOAT)
            atomic_store(&c->odd, true);
        part->count = s->count - part->first;
        return SILT_OK;
    }
    for (size_t i = from; i < to; i++) {
        if (!row_valid(column->valid, i))
            continue;
        uint64_t key = key_of(c, column->u64[i]);
        if (distinct ? any && key == last : s->full && key <= s->worst)
            continue;
        size_t at = 0;
        if (distinct) {
            any = true;
            last = key;
            if (part->count * 2 >= s->table_size && (rc = grow_table(c, s, err)) != SILT_OK)
                return rc;
            at = place_of(s, part->first, key);
            if (s->table[at])
                continue;
        }
        if ((!times && (rc = lane_times(lane, &times, err)) != SILT_OK) ||
            (s->count == s->capacity && (rc = reserve(c, s, 64, err)) != SILT_OK))
            return rc;
        if (c->type == DATA_FLOAT && key == (c->call->function->id == FN_BOTTOM ? ~KEY_NEGATIVE_ZERO : KEY_NEGATIVE_ZERO))
            atomic_store(&c->odd, true);
        s->pairs[s->count++] = (struct keyed){key, times[i]};
        part->count++;
        if (distinct)
            s->table[at] = (uint32_t)part->count;
        else if (part->count >= c->best * 2 + 64)
            keep_best(c, s);
    }
    return SILT_OK;
}

/* Whether the statistics of a batch within one window say that nothing in it counts. */
static bool passed_over(const struct column_scan *c, const struct series_keys *s, struct lane *lane)
{
    struct silt_block_stats stats;

    if (!s->full || !lane_stats(lane, c->call->slot, &stats))
        return false;
    if (stats.count == 0)
        return true;
    return key_of(c, c->call->function->id == FN_TOP ? stats.max.u64 : stats.min.u64) <= s->worst;
}

static enum silt_status add_batch(struct column_scan *c, struct series_keys *s, struct lane *lane, uint32_t series,
                                  const struct lane_batch *batch, struct silt_error *err)
{
    const struct windows *windows = &c->scan->plan->compiled->windows;
    struct lane_column column;
    const silt_time *times;
    silt_time start, end;
    enum silt_status rc;

    windows_of(windows, batch->first, &start, &end);
    bool one = windows->interval == 0 || batch->last < end;
    bool same = s->part_count && s->parts[s->part_count - 1].start == start;
    if (one && same && passed_over(c, s, lane))
        return SILT_OK;
    if ((rc = lane_column(lane, c->call->slot, &column, err)) != SILT_OK || column.valid_count == 0)
        return rc;
    if (one) {
        rc = part_for(c, s, series, start, err);
        return rc == SILT_OK ? add_rows(c, s, lane, &column, 0, batch->count, err) : rc;
    }
    if ((rc = lane_times(lane, &times, err)) != SILT_OK)
        return rc;
    for (size_t from = 0, to; rc == SILT_OK && from < batch->count; from = to) {
        windows_of(windows, times[from], &start, &end);
        for (to = from + 1; to < batch->count && times[to] < end;)
            to++;
        rc = part_for(c, s, series, start, err);
        if (rc == SILT_OK)
            rc = add_rows(c, s, lane, &column, from, to, err);
    }
    return rc;
}

static void read_series(void *arg, size_t index, unsigned slot)
{
    struct column_scan *c = arg;
    struct column_worker *worker = &c->workers[slot];
    struct series_keys *s = &c->series[index];
    struct lane_batch batch;
    enum silt_status rc = SILT_OK;

    if (atomic_load(&c->failed))
        return;
    if (!worker->lane)
        rc = lane_create(c->scan, &worker->lane, &worker->err);
    if (rc == SILT_OK)
        rc = lane_seek(worker->lane, c->group->first + index, c->group, c->min, c->max, false, &worker->err);
    while (rc == SILT_OK && (rc = lane_next(worker->lane, &batch, &worker->err)) == SILT_OK && batch.count)
        rc = add_batch(c, s, worker->lane, (uint32_t)index, &batch, &worker->err);
    if (rc == SILT_OK && c->best && s->part_count)
        keep_best(c, s);
    if (rc != SILT_OK) {
        worker->status = rc;
        atomic_store(&c->failed, true);
    }
}

/* ---------------------------------------------------------------- all series */

static enum silt_status read_group(struct column_scan *c, struct silt_error *err)
{
    silt_pool_for(c->group->count > 1 ? c->scan->plan->exec->options->pool : NULL, c->group->count, read_series, c);
    for (unsigned i = 0; atomic_load(&c->failed) && i < c->worker_count; i++)
        if (c->workers[i].status != SILT_OK) {
            *err = c->workers[i].err;
            return c->workers[i].status;
        }
    return SILT_OK;
}

static void free_keys(struct column_scan *c)
{
    struct silt_budget *budget = &c->scan->plan->exec->budget;

    for (size_t i = 0; i < c->group->count; i++) {
        struct series_keys *s = &c->series[i];
        silt_budget_release(budget, s->capacity * (c->pairs ? sizeof(*s->pairs) : sizeof(*s->keys)) +
                                        s->part_capacity * sizeof(*s->parts) + s->table_size * sizeof(*s->table));
        free(s->keys);
        free(s->pairs);
        free(s->parts);
        free(s->table);
        *s = (struct series_keys){0};
    }
}

static int by_start(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return x->start != y->start ? (x->start < y->start ? -1 : 1) : x->series < y->series ? -1 : x->series > y->series;
}

static enum silt_status choose_value(struct column_scan *c, uint64_t *keys, size_t count, silt_time start,
                                     struct points *out, struct silt_error *err)
{
    struct point point = {.time = start};

    if (c->call->function->id == FN_PERCENTILE) {
        size_t index;
        if (!percentile_index(c->call->percentile, count, &index)) {
            atomic_store(&c->odd, true);
            return SILT_OK;
        }
        point.value = cell_of(c, choose(keys, count, index));
        return points_add(out, &point, err);
    }
    uint64_t *copy = keys + count; /* choosing moves and loses keys */
    if (count % 2 == 0)
        memcpy(copy, keys, count * sizeof(*keys));
    struct silt_cell high = cell_of(c, choose(keys, count, count / 2));
    struct silt_cell low = count % 2 ? high : cell_of(c, choose(copy, count, count / 2 - 1));
    point.value = median_of(count % 2 ? &high : &low, &high);
    return points_add(out, &point, err);
}

static enum silt_status give_pairs(struct column_scan *c, struct keyed *pairs, size_t count, silt_time start,
                                   struct points *out, struct silt_error *err)
{
    bool distinct = c->call->function->id == FN_DISTINCT;
    size_t kept = 0;
    enum silt_status rc = SILT_OK;

    if (distinct) {
        sort_pairs(pairs, count, by_key_then_time);
        for (size_t i = 0; i < count; i++)
            if (kept == 0 || pairs[i].key != pairs[kept - 1].key)
                pairs[kept++] = pairs[i];
        sort_pairs(pairs, kept, by_time_then_key);
    } else {
        sort_pairs(pairs, count, by_rank);
        kept = count < c->best ? count : c->best;
        sort_pairs(pairs, kept, by_time_then_rank);
    }
    for (size_t i = 0; rc == SILT_OK && i < kept; i++) {
        const struct keyed *pair = &pairs[i];
        struct point point = {.time = distinct ? start : pair->time, .value = cell_of(c, pair->key)};
        rc = points_add(out, &point, err);
    }
    return rc;
}

/* Every window: the parts of all series that are of it, side by side. */
static enum silt_status give_windows(struct column_scan *c, struct points *out, struct silt_error *err)
{
    bool descending = c->scan->plan->compiled->descending;
    size_t width = c->pairs ? sizeof(struct keyed) : sizeof(uint64_t), part_count = 0, most = 0, n = 0;
    enum silt_status rc;

    for (size_t i = 0; i < c->group->count; i++)
        part_count += c->series[i].part_count;
    if ((rc = charge(c, (part_count + 1) * sizeof(struct part), err)) != SILT_OK)
        return rc;
    struct part *parts = silt_malloc((part_count + 1) * sizeof(*parts));
    for (size_t i = 0; i < c->group->count; i++) {
        if (c->series[i].part_count)
            memcpy(parts + n, c->series[i].parts, c->series[i].part_count * sizeof(*parts));
        n += c->series[i].part_count;
    }
    if (n > 1)
        qsort(parts, n, sizeof(*parts), by_start);
    for (size_t from = 0, to; from < n; from = to) {
        size_t count = 0;
        for (to = from; to < n && parts[to].start == parts[from].start; to++)
            count += parts[to].count;
        most = count > most ? count : most;
    }
    size_t bytes = (most * (c->call->function->id == FN_MEDIAN ? 2 : 1) + 1) * width;
    void *buffer = NULL;
    if ((rc = charge(c, bytes, err)) == SILT_OK)
        buffer = silt_malloc(bytes);
    for (size_t done = 0; rc == SILT_OK && done < n;) {
        size_t from = descending ? n - 1 - done : done, count = 0, taken = 0;
        silt_time start = parts[from].start;
        for (; done + taken < n; taken++) {
            const struct part *part = &parts[descending ? n - 1 - done - taken : done + taken];
            if (part->start != start)
                break;
            const struct series_keys *s = &c->series[part->series];
            const char *source = c->pairs ? (const char *)(s->pairs + part->first) : (const char *)(s->keys + part->first);
            if (part->count)
                memcpy((char *)buffer + count * width, source, part->count * width);
            count += part->count;
        }
        done += taken;
        if (count == 0)
            continue;
        silt_time shown = start == SILT_TIME_MIN ? 0 : start;
        rc = c->pairs ? give_pairs(c, buffer, count, shown, out, err)
                      : choose_value(c, buffer, count, shown, out, err);
    }
    if (buffer)
        silt_budget_release(&c->scan->plan->exec->budget, bytes);
    silt_budget_release(&c->scan->plan->exec->budget, (part_count + 1) * sizeof(struct part));
    free(buffer);
    free(parts);
    return rc;
}

/* ---------------------------------------------------------------- in and out */

enum silt_status column_scan_create(const struct scan *scan, struct column_scan **out, struct silt_error *err)
{
    struct silt_pool *pool = scan->plan->exec->options->pool;
    struct column_scan *c = silt_arena_zalloc(scan->plan->exec->arena, sizeof(*c));
    size_t most = 0;

    for (size_t i = 0; i < scan->group_count; i++)
        most = scan->groups[i].count > most ? scan->groups[i].count : most;
    c->scan = scan;
    c->worker_count = (pool ? silt_pool_threads(pool) : 0) + 1;
    c->workers = silt_arena_zalloc(scan->plan->exec->arena, c->worker_count * sizeof(*c->workers));
    enum silt_status rc = exec_alloc(scan->plan->exec, most + 1, sizeof(*c->series), &c->series, err);
    if (rc == SILT_OK)
        memset(c->series, 0, (most + 1) * sizeof(*c->series));
    *out = c;
    return rc;
}

void column_scan_destroy(struct column_scan *c)
{
    for (unsigned i = 0; c && i < c->worker_count; i++)
        lane_destroy(c->workers[i].lane);
}

bool column_call_fits(const struct scan *scan, const struct plan_call *call, bool keep_time)
{
    const struct plan *plan = scan->plan;
    const struct select *select = plan->compiled->select;

    switch (call->function->id) {
    case FN_DISTINCT:
        if (plan->compiled->descending) /* the first met is the latest, so every time would have to be looked at */
            return false;
        break;
    case FN_PERCENTILE:
        if (keep_time) /* which of equal values it is depends on how InfluxDB sorts them */
            return false;
        break;
    case FN_MEDIAN: break;
    case FN_TOP:
    case FN_BOTTOM:
        if (call->expr->call.arg_count > 2 || select->limit || select->offset)
            return false;
        break;
    default: return false;
    }
    for (size_t i = 0; i < plan->source_count; i++)
        if (plan->sources[i].in_memory)
            return false;
    return !call->inner && plan->aux_count == 0 && plan->slots[call->slot].kind == SLOT_FIELD && call->in == plan->slots[call->slot].type &&
           (call->in == DATA_FLOAT || call->in == DATA_INTEGER || call->in == DATA_UNSIGNED);
}

enum silt_status column_call(struct column_scan *c, const struct plan_call *call, const struct scan_group *group,
                             struct points *out, bool *fits, struct silt_error *err)
{
    enum silt_status rc;

    c->call = call;
    c->group = group;
    c->type = call->in;
    c->pairs = call->function->id != FN_MEDIAN && call->function->id != FN_PERCENTILE;
    c->best = call->function->id == FN_TOP || call->function->id == FN_BOTTOM ? (size_t)call->count_argument : 0;
    atomic_store(&c->odd, false);
    *fits = true;
    warm_up_read_range(c->scan->plan->compiled, call->warm, &c->min, &c->max);
    if (c->min > c->max)
        return SILT_OK;
    rc = read_group(c, err);
    if (rc == SILT_OK && !atomic_load(&c->odd))
        rc = give_windows(c, out, err);
    free_keys(c);
    *fits = !atomic_load(&c->odd);
    if (!*fits)
        out->count = 0;
    else if (rc == SILT_OK)
        points_window_all_gave(c->scan->plan, call, out);
    return rc;
}
