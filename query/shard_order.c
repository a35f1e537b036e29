/*
 * shard_order.c - implements shard_order.h: the merge's heap, followed group by group.
 *
 * Shards stand at the same place of a window, so what decides is how the heap moves things. Groups come one after the
 * other; each takes every shard that has something of it out and puts it back at the next group it has.
 */
#include "query/shard_order.h"

struct shard_order {
    uint32_t *heap;
    uint64_t *at; /* per shard: the group it stands at */
    size_t count, shard_count;
};

static bool shard_less(const struct shard_order *order, size_t i, size_t j)
{
    return order->at[order->heap[i]] < order->at[order->heap[j]];
}

static void shard_swap(struct shard_order *order, size_t i, size_t j)
{
    uint32_t shard = order->heap[i];
    order->heap[i] = order->heap[j];
    order->heap[j] = shard;
}

static uint32_t shard_pop(struct shard_order *order)
{
    size_t n = order->count - 1;

    shard_swap(order, 0, n);
    for (size_t at = 0, child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && shard_less(order, child + 1, child))
            child++;
        if (!shard_less(order, child, at))
            break;
        shard_swap(order, at, child);
    }
    order->count = n;
    return order->heap[n];
}

static void shard_push(struct shard_order *order, uint32_t shard)
{
    order->heap[order->count++] = shard;
    for (size_t at = order->count - 1; at > 0 && shard_less(order, at, (at - 1) / 2); at = (at - 1) / 2)
        shard_swap(order, at, (at - 1) / 2);
}

static bool group_has_shard(const struct scan *scan, size_t group, uint32_t shard)
{
    const struct scan_group *g = &scan->groups[group];

    for (size_t i = g->first; i < g->first + g->count; i++) {
        struct silt_reader *reader = scan->plan->sources[scan->series[i].source].reader;
        if (shard < reader->ops->shard_count(reader) && reader->ops->shard_has_series(reader, shard, scan->series[i].id))
            return true;
    }
    return false;
}

/* The first group from `from` on, before `end`, that has something in the shard; end: none. */
static size_t next_group(const struct scan *scan, uint32_t shard, size_t from, size_t end)
{
    while (from < end && !group_has_shard(scan, from, shard))
        from++;
    return from;
}

static void follow_measurement(const struct scan *scan, struct shard_order *order, size_t from, size_t end, uint32_t *ranks)
{
    order->count = 0;
    for (size_t s = 0; s < order->shard_count; s++) {
        order->at[s] = next_group(scan, (uint32_t)s, from, end);
        if (order->at[s] < end)
            order->heap[order->count++] = (uint32_t)s;
    }
    for (size_t i = order->count / 2; i > 0; i--)
        for (size_t at = i - 1, child; (child = 2 * at + 1) < order->count; at = child) {
            if (child + 1 < order->count && shard_less(order, child + 1, child))
                child++;
            if (!shard_less(order, child, at))
                break;
            shard_swap(order, at, child);
        }
    uint32_t place = 0;
    while (order->count) {
        uint32_t shard = shard_pop(order);
        size_t group = order->at[shard];
        ranks[group * order->shard_count + shard] = place++;
        order->at[shard] = next_group(scan, shard, group + 1, end);
        if (order->at[shard] < end) /* else it has left the heap */
            shard_push(order, shard);
    }
}

enum silt_status shard_order_rank(const struct scan *scan, uint32_t **ranks, size_t *shard_count, struct silt_error *err)
{
    const struct plan *plan = scan->plan;
    struct exec *exec = plan->exec;
    const size_t lookups_max = 1000000;
    enum silt_status rc;

    *ranks = NULL;
    if (plan->compiled->windows.interval || scan->group_count == 0)
        return SILT_OK;
    size_t shards = 0;
    for (size_t i = 0; i < plan->source_count; i++) {
        struct silt_reader *reader = plan->sources[i].reader;
        size_t n = reader->ops->shard_count(reader);
        shards = n > shards ? n : shards;
    }
    if (shards < 3 || scan->series_count * shards > lookups_max) /* two come as they stand */
        return SILT_OK;
    struct shard_order order = {.shard_count = shards};
    if ((rc = exec_alloc(exec, shards, sizeof(*order.heap), &order.heap, err)) != SILT_OK ||
        (rc = exec_alloc(exec, shards, sizeof(*order.at), &order.at, err)) != SILT_OK ||
        (rc = exec_alloc(exec, scan->group_count * shards, sizeof(**ranks), ranks, err)) != SILT_OK)
        return rc;
    memset(*ranks, 0, scan->group_count * shards * sizeof(**ranks));
    *shard_count = shards;
    for (size_t from = 0, end; from < scan->group_count; from = end) { /* a measurement is merged by itself */
        for (end = from; end < scan->group_count; end++)
            if (!silt_str_equal(scan->groups[end].name, scan->groups[from].name))
                break;
        follow_measurement(scan, &order, from, end, *ranks);
    }
    return SILT_OK;
}
