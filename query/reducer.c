/*
 * reducer.c - implements reducer.h.
 *
 * Many groups: a task is a few groups that follow each other, for whoever reads neighbours finds their index entries together.
 * Few groups: a task is a series of one group, in waves, whose cells are combined in series order between them; reducer_end
 * does all of it.
 */
#include "query/reducer.h"
#include "query/cells_internal.h"
#include "query/shard_order.h"

#include <stdlib.h>

#define WAVE_SERIES 64
#define TASK_GROUPS_MAX 16
#define TASKS_A_WORKER 4 /* at least, so that all are done at about the same time */

struct worker {
    struct lane *lane;
    struct cells series;
    struct silt_error err;
    enum silt_status status;
};

struct reducer {
    struct reduction reduction;
    struct silt_pool *pool; /* NULL: the caller alone */
    struct worker *workers;
    unsigned worker_count;
    bool backwards;

    size_t first_group, group_count;
    struct cells *groups;
    size_t task_groups;
    struct silt_pool_loop *loop; /* at work on groups */

    size_t first_series;
    const struct scan_group *group;
    struct cells *series; /* of the group's, one a task */
    _Atomic bool failed;
};

/* Of floats, sums of blocks seldom add up to the digits that InfluxDB shows. */
static bool stats_may_do(const struct reduction *r)
{
    for (size_t i = 0; i < r->leaf_count; i++)
        if (r->leaves[i].type == DATA_FLOAT && (r->leaves[i].id == FN_SUM || r->leaves[i].id == FN_MEAN))
            return false;
    return true;
}

enum silt_status reducer_create(const struct scan *scan, const struct leaf *leaves, size_t leaf_count, struct reducer **out,
                                struct silt_error *err)
{
    const struct plan *plan = scan->plan;
    uint32_t *ranks;
    size_t shard_count = 0;
    enum silt_status rc = shard_order_rank(scan, &ranks, &shard_count, err);

    *out = NULL;
    if (rc != SILT_OK)
        return rc;
    struct reducer *reducer = silt_calloc(1, sizeof(*reducer));
    bool all_last = plan->compiled->windows.interval == 0, all_first = all_last;

    for (size_t i = 0; i < leaf_count; i++) {
        all_last = all_last && leaves[i].id == FN_LAST;
        all_first = all_first && leaves[i].id == FN_FIRST;
    }
    reducer->reduction = (struct reduction){.scan = scan, .leaves = leaves, .leaf_count = leaf_count,
                                            .descending = (plan->compiled->descending && !all_first) || all_last,
                                            .ranks = ranks, .shard_count = shard_count,
                                            .stops_early = all_last || all_first};
    reducer->pool = plan->exec->options->pool;
    reducer->worker_count = silt_pool_threads(reducer->pool) + 1;
    reducer->workers = silt_calloc(reducer->worker_count, sizeof(*reducer->workers));
    for (unsigned i = 0; i < reducer->worker_count; i++)
        cells_init(&reducer->workers[i].series, plan->exec, leaf_count);
    reducer->backwards = plan->compiled->descending;
    *out = reducer;
    return SILT_OK;
}

static bool worker_ready(struct reducer *reducer, struct worker *worker)
{
    if (worker->status == SILT_OK && !worker->lane) {
        worker->status = lane_create(reducer->reduction.scan, &worker->lane, &worker->err);
        if (worker->status == SILT_OK)
            lane_prefer_stats(worker->lane, stats_may_do(&reducer->reduction));
    }
    if (worker->status != SILT_OK)
        atomic_store(&reducer->failed, true);
    return !atomic_load(&reducer->failed);
}

static enum silt_status reduce_group(struct reducer *reducer, struct worker *worker, size_t index)
{
    const struct scan_group *group = &reducer->reduction.scan->groups[reducer->first_group + index];
    struct cells *into = &reducer->groups[index];
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < group->count; i++) {
        /* a descending answer adds its series from the last one on */
        size_t at = reducer->backwards ? group->count - 1 - i : i;
        rc = cells_of_series(&reducer->reduction, worker->lane, group->first + at, group, &worker->series, &worker->err);
        if (rc == SILT_OK)
            rc = cells_combine_series(&reducer->reduction, into, &worker->series, &worker->err);
    }
    return rc == SILT_OK ? cells_combine_shards(&reducer->reduction, reducer->first_group + index, into, &worker->err) : rc;
}

static void reduce_groups(void *arg, size_t task, unsigned slot)
{
    struct reducer *reducer = arg;
    struct worker *worker = &reducer->workers[slot];
    size_t first = task * reducer->task_groups, end = first + reducer->task_groups;

    if (end > reducer->group_count)
        end = reducer->group_count;
    for (size_t i = first; i < end; i++) {
        if (!worker_ready(reducer, worker))
            return;
        worker->status = reduce_group(reducer, worker, i);
    }
    if (worker->status != SILT_OK)
        atomic_store(&reducer->failed, true);
}

static void reduce_one(void *arg, size_t index, unsigned slot)
{
    struct reducer *reducer = arg;
    struct worker *worker = &reducer->workers[slot];

    if (!worker_ready(reducer, worker))
        return;
    size_t at = reducer->backwards ? reducer->first_series - index : reducer->first_series + index;
    worker->status = cells_of_series(&reducer->reduction, worker->lane, at, reducer->group, &reducer->series[index], &worker->err);
    if (worker->status == SILT_OK && reducer->reduction.bounds)
        cells_raise_bounds(&reducer->reduction, &reducer->series[index]);
    if (worker->status != SILT_OK)
        atomic_store(&reducer->failed, true);
}

static enum silt_status first_failure(const struct reducer *reducer, struct silt_error *err)
{
    for (unsigned i = 0; i < reducer->worker_count; i++)
        if (reducer->workers[i].status != SILT_OK) {
            *err = reducer->workers[i].err;
            return reducer->workers[i].status;
        }
    return SILT_OK;
}

/* The series of one group in waves. */
static enum silt_status reduce_by_series(struct reducer *reducer, size_t index, struct cells *wave, struct silt_error *err)
{
    struct reduction *r = &reducer->reduction;
    const struct scan_group *group = &r->scan->groups[reducer->first_group + index];
    enum silt_status rc = SILT_OK;

    reducer->group = group;
    reducer->series = wave;
    for (size_t i = 0; r->bounds && i < r->leaf_count; i++)
        atomic_init(&r->bounds[i], 0);
    for (size_t done = 0, n; rc == SILT_OK && done < group->count; done += n) {
        n = group->count - done < WAVE_SERIES ? group->count - done : WAVE_SERIES;
        reducer->first_series = reducer->backwards ? group->first + group->count - 1 - done : group->first + done;
        silt_pool_for(reducer->pool, n, reduce_one, reducer);
        rc = first_failure(reducer, err);
        for (size_t i = 0; rc == SILT_OK && i < n; i++)
            rc = cells_combine_series(r, &reducer->groups[index], &wave[i], err);
    }
    return rc == SILT_OK ? cells_combine_shards(r, reducer->first_group + index, &reducer->groups[index], err) : rc;
}

static enum silt_status reduce_few(struct reducer *reducer, struct silt_error *err)
{
    struct reduction *r = &reducer->reduction;
    struct exec *exec = r->scan->plan->exec;
    struct cells wave[WAVE_SERIES];
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; i < WAVE_SERIES; i++)
        cells_init(&wave[i], exec, r->leaf_count);
    if (r->scan->plan->compiled->windows.interval == 0 && !r->bounds)
        rc = exec_alloc(exec, r->leaf_count, sizeof(*r->bounds), &r->bounds, err);
    for (size_t g = 0; rc == SILT_OK && g < reducer->group_count; g++)
        rc = reduce_by_series(reducer, g, wave, err);
    for (size_t i = 0; i < WAVE_SERIES; i++)
        cells_free(&wave[i]);
    return rc;
}

void reducer_begin(struct reducer *reducer, size_t first, size_t count, silt_time min, silt_time max, struct cells *out)
{
    struct reduction *r = &reducer->reduction;

    for (size_t i = 0; i < count; i++)
        cells_clear(&out[i]);
    r->min = min;
    r->max = max;
    reducer->first_group = first;
    reducer->group_count = count;
    reducer->groups = out;
    if (count < reducer->worker_count * 2 && reducer->worker_count > 1)
        return;
    reducer->task_groups = count / (reducer->worker_count * TASKS_A_WORKER);
    if (reducer->task_groups > TASK_GROUPS_MAX)
        reducer->task_groups = TASK_GROUPS_MAX;
    if (reducer->task_groups == 0)
        reducer->task_groups = 1;
    reducer->loop = silt_pool_for_begin(reducer->pool, (count + reducer->task_groups - 1) / reducer->task_groups, reduce_groups, reducer);
}

enum silt_status reducer_end(struct reducer *reducer, struct silt_error *err)
{
    if (!reducer->loop)
        return reduce_few(reducer, err);
    silt_pool_for_end(reducer->loop);
    reducer->loop = NULL;
    return first_failure(reducer, err);
}

void reducer_cancel(struct reducer *reducer)
{
    if (!reducer || !reducer->loop)
        return;
    atomic_store(&reducer->failed, true); /* of what is left nothing is done */
    silt_pool_for_end(reducer->loop);
    reducer->loop = NULL;
}

void reducer_destroy(struct reducer *reducer)
{
    if (!reducer)
        return;
    reducer_cancel(reducer);
    for (unsigned i = 0; i < reducer->worker_count; i++) {
        lane_destroy(reducer->workers[i].lane);
        cells_free(&reducer->workers[i].series);
    }
    free(reducer->workers);
    free(reducer);
}
