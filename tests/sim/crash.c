/*
 * crash.c - crash points: at operations on files along the way the disk is copied as a crash there would leave it; a store is
 * started on the copy and read whole.
 *
 *     action   write -> create -> append -> commit -> swap -> sync -> acknowledged
 *                    ^         ^                    ^       copies; each may or may not hold what the action wants
 *
 * The machine's crash tears or loses what was not synced, the process's keeps it. Some of the copies are crashed once more,
 * while the store starts on them; some live on for a while: what was read once must stay.
 */
#include "tests/sim/schedule.h"
#include "tests/sim/sim.h"

#include <stdlib.h>

static uint64_t draw(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random * 0x2545f4914f6cdd1du >> 11;
}

static void before_operation(void *arg, struct vfs *vfs)
{
    struct sim *sim = arg;
    if (sim->point_count == POINTS_MAX || draw(&sim->point_random) % sim->point_one_in != 0)
        return;
    unsigned one_in = schedule_one_in(0); /* nobody sees half a point */
    struct crash_point *point = &sim->points[sim->point_count++];
    point->power = draw(&sim->point_random) % 4 != 0;
    point->operation = fault_vfs_operations_locked(vfs) + 1;
    point->vfs = fault_vfs_snapshot(vfs, draw(&sim->point_random), point->power);
    schedule_one_in(one_in);
}

void points_watch(struct sim *sim, unsigned one_in)
{
    if (one_in)
        sim->point_one_in = one_in;
    fault_vfs_watch(sim->vfs, one_in ? before_operation : NULL, sim);
}

/* A store on the copy: its own disk, chance and points; the model is shared, and not changed. */
static struct sim view_of(struct sim *sim, const struct crash_point *point)
{
    struct sim view = *sim;
    view.vfs = point->vfs;
    view.operation = point->operation;
    view.random = draw(&sim->point_random) | 1;
    view.point_random = draw(&sim->point_random) | 1;
    view.storage = NULL;
    view.doubtful = view.full = view.reads_fail = view.upkept = false;
    view.background = below(&view, 4) == 0;
    view.strict = 0;
    view.point_count = 0;
    view.point_one_in = 0;
    return view;
}

static void start(struct sim *view)
{
    struct silt_error err;
    if (open_store(view, &err) != SILT_OK)
        fail(view, "it does not open: %s", err.text);
}

/* Some stop as they should; the others go down with their disk, which takes less time. */
static void stop(struct sim *view)
{
    struct silt_error err;
    bool clean = below(view, 8) == 0;
    if (!clean)
        fault_vfs_crash_at(view->vfs, 1);
    if (silt_storage_close(view->storage, clean && below(view, 2), &err) != SILT_OK && clean)
        fail(view, "it does not close: %s", err.text);
    fault_vfs_destroy(view->vfs);
}

/* What makes a database makes it whole, and asking again helps. */
static void ask_for_databases(struct sim *view)
{
    struct silt_source *source = silt_storage_source(view->storage);
    struct silt_reader *reader;
    struct silt_error err;
    for (unsigned d = 0; d < DATABASES; d++) {
        struct silt_str name = silt_str_from(databases[d]);
        enum silt_status rc = silt_storage_create_database(view->storage, name, SILT_STR(""), NULL, &err);
        if (rc == SILT_OK)
            rc = source->open(source, name, SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err);
        if (rc != SILT_OK)
            fail(view, "a database cannot be had: %s", err.text);
        reader->ops->release(reader);
    }
}

/* Upkeep, a clean stop or another crash: what was read stays as it was read. */
static void go_on(struct sim *view)
{
    struct silt_error err;
    bool did;
    view->strict = view->model->round;
    totals.went_on++;
    ask_for_databases(view);
    enum silt_status rc = below(view, 2)       ? silt_storage_flush(view->storage, &err)
                          : view->background   ? SILT_OK
                          : below(view, 2)     ? silt_storage_step(view->storage, &did, &err)
                                               : silt_storage_compact_all(view->storage, &err);
    if (rc != SILT_OK)
        fail(view, "after a crash: %s", err.text);
    check_all(view, false);
    view->strict = view->model->round;
    fault_vfs_crash_at(view->vfs, below(view, 2) ? 1 + below(view, 20) : 0);
    (void)silt_storage_close(view->storage, below(view, 2), &err); /* it may be a crash */
    fault_vfs_restart(view->vfs);
    start(view);
    check_all(view, false);
}

/* A second crash while the store starts: copies of the copy, before anything was read from it. */
static void look_at_second(struct sim *view)
{
    for (size_t i = 0; i < view->point_count; i++) {
        struct sim second = view_of(view, &view->points[i]);
        totals.second_points++;
        start(&second);
        check_all(&second, false);
        stop(&second);
    }
    view->point_count = 0;
}

void point_look_at(struct sim *sim, const struct crash_point *point)
{
    struct sim view = view_of(sim, point);
    totals.points++;
    if (below(&view, 6) == 0)
        points_watch(&view, 1 + below(&view, 40));
    start(&view);
    points_watch(&view, 0);
    check_all(&view, false);
    if (below(&view, 8) == 0)
        go_on(&view);
    stop(&view);
    look_at_second(&view);
}

void points_check(struct sim *sim)
{
    /* The store's own threads may add some meanwhile. */
    for (size_t i = 0; i < sim->point_count; i++)
        point_look_at(sim, &sim->points[i]);
    sim->point_count = 0;
}
