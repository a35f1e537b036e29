/*
 * sim.c - the storage engine against a model, in one process, on files that fail, under a clock that jumps, its threads in turns
 * that a seed decides.
 *
 *     sim [--runs N] [--seconds S] [--points N] [--flips N] [--seed FIRST] [--sparse] [--races] [-v]
 *
 * A run is a store's lives, one after another, all that it meets chosen by a seed:
 *
 *     open -> everything read and compared -> actions, with crash points on their way -> end
 *
 *     actions  write (late, doubled, new series, other types), read a range, delete, DROP of series, measurement, database,
 *              flush, upkeep with merges and retention, merge of all, backup and restore, two side by side, the clock moves on
 *     points   the disk as a crash at an operation would leave it, copied; a store is started on it and read whole (crash.c)
 *     faults   a crash in the middle, an operation or a reading that fails, a disk that is full for a while, a flipped bit
 *     end      a clean close with or without flush, or the crash
 *
 * Operations are those on blobs, segments, registers and SQLite's files alike. What is acknowledged is there and nothing else is,
 * at every reading; what was under way at a crash, or failed, is there or not, and a restart decides. A flipped bit gives right
 * answers or errors, never wrong answers. A failure prints the seed; `sim --seed N --runs 1` runs the same again.
 */
#include "tests/sim/schedule.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIVES = 6, FLIPS_A_LIFE = 200, SPARSE_ONE_IN = 1000 };

struct totals totals;
static bool verbose;
static bool sparse; /* few crash points, so that more is done in between */
static bool races;  /* much side by side, and more deletes in it */
static unsigned flips_a_life = 2;

uint64_t sim_random(struct sim *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random * 0x2545f4914f6cdd1du >> 11;
}

unsigned below(struct sim *sim, unsigned limit)
{
    return (unsigned)(sim_random(sim) % limit);
}

void fail(const struct sim *sim, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("\nseed %" PRIu64 ", life %u, action %u (%s): ", sim->seed, sim->life, sim->action, sim->doing);
    if (sim->operation)
        printf("after a crash at operation %" PRIu64 ": ", sim->operation);
    vprintf(format, args);
    va_end(args);
    printf("\nagain: sim --seed %" PRIu64 " --runs 1 -v\n", sim->seed);
    fflush(stdout);
    abort();
}

void judge(const struct sim *sim, enum silt_status rc, const struct silt_error *err)
{
    if (rc != SILT_OK && !sim->doubtful && !sim->full && !fault_vfs_crashed(sim->vfs))
        fail(sim, "unexpected error: %s", err->text);
}

/* ---------------------------------------------------------------- SQLite's log */

static sqlite3 *last_opened;

static int note_catalog(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    last_opened = db;
    return SQLITE_OK;
}

/* A store does this every 32 MB. Not while its own threads may be in the middle of a change: nobody locks here. */
static void checkpoint(struct sim *sim)
{
    if (!sim->background)
        (void)sqlite3_wal_checkpoint_v2(sim->catalog, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL); /* a fault may come */
}

/* ---------------------------------------------------------------- lives */

static silt_time sim_now(void *arg)
{
    return ((struct sim *)arg)->now;
}

enum silt_status open_store(struct sim *sim, struct silt_error *err)
{
    struct silt_storage_options options;
    silt_storage_options_init(&options);
    options.vfs = sim->vfs;
    options.background_off = !sim->background;
    options.retention_interval_ms = 60000;
    options.compact_files_min = 3;
    options.manifests_min = 1;
    options.wal_segment_bytes = 8 << 10;
    options.now = sim_now;
    options.now_arg = sim;
    enum silt_status rc = silt_storage_open(&options, &sim->storage, err);
    sim->catalog = last_opened;
    return rc;
}

/* Some time in the life. */
static void choose_fault(struct sim *sim)
{
    unsigned chance = below(sim, 10);
    if (chance < 5) {
        fault_vfs_crash_at(sim->vfs, 1 + below(sim, below(sim, 2) ? 60 : 1500));
    } else if (chance < 7) {
        fault_vfs_fail_at(sim->vfs, 1 + below(sim, 800), below(sim, 2) ? SILT_IO : SILT_NO_SPACE);
        sim->doubtful = true;
        totals.faults++;
    } else if (chance < 8) {
        fault_vfs_fail_read_at(sim->vfs, 1 + below(sim, 2000));
        sim->doubtful = sim->reads_fail = true;
        totals.read_faults++;
    }
}

static void no_fault(struct sim *sim)
{
    fault_vfs_crash_at(sim->vfs, 0);
    fault_vfs_fail_at(sim->vfs, 0, SILT_OK);
    fault_vfs_fail_read_at(sim->vfs, 0);
    fault_vfs_full(sim->vfs, false);
    sim->doubtful = sim->reads_fail = sim->full = false;
}

/* The store is closed, perhaps by a crash: what is on the disk now? */
static void restart(struct sim *sim)
{
    bool crashed = fault_vfs_crashed(sim->vfs);
    totals.crashes += crashed;
    no_fault(sim);
    if (crashed && below(sim, 3) == 0)
        fault_vfs_revive(sim->vfs);
    else
        fault_vfs_restart(sim->vfs);
}

/* Some starts meet a fault themselves; the next must do. */
static void start(struct sim *sim)
{
    struct silt_error err;
    sim->doing = "open";
    no_fault(sim);
    bool early = below(sim, 4) == 0;
    if (early)
        choose_fault(sim);
    if (open_store(sim, &err) != SILT_OK) {
        if (!sim->doubtful && !fault_vfs_crashed(sim->vfs))
            fail(sim, "it does not open: %s", err.text);
        restart(sim);
        early = false;
        if (open_store(sim, &err) != SILT_OK)
            fail(sim, "it does not open: %s", err.text);
    }
    points_check(sim);
    if (!early) {
        check_all(sim, true);
        model_tidy(sim->model);
        choose_fault(sim);
    }
}

static void live(struct sim *sim)
{
    static const unsigned one_in[] = {1, 2, 4, 16};
    struct silt_error err;
    schedule_one_in((unsigned[]){races ? 4 : 0, 2, 8, 64}[below(sim, 4)]);
    sim->background = below(sim, 3) == 0;
    sim->upkept = false;
    totals.lives++;
    points_watch(sim, sparse ? SPARSE_ONE_IN : one_in[below(sim, 4)] * (races ? 32 : 1));
    start(sim);
    unsigned actions = 10 + below(sim, 60);
    for (unsigned d = 0; d < DATABASES && !fault_vfs_crashed(sim->vfs); d++)
        make_database(sim, d);
    for (sim->action = 0; sim->action < actions && !fault_vfs_crashed(sim->vfs); sim->action++) {
        act(sim);
        if (sim->action % 8 == 7)
            checkpoint(sim);
    }
    sim->doing = "end";
    sim->upkept = false;
    if (!fault_vfs_crashed(sim->vfs) && !sim->full)
        check_all(sim, false);
    fault_vfs_full(sim->vfs, sim->full && below(sim, 2)); /* room comes, or the end does */
    enum silt_status rc = silt_storage_close(sim->storage, below(sim, 2), &err);
    judge(sim, rc, &err);
    points_check(sim);
    points_watch(sim, 0);
    bool clean = rc == SILT_OK && !fault_vfs_crashed(sim->vfs) && !sim->doubtful;
    restart(sim);
    if (clean)
        flip_and_look(sim, flips_a_life);
}

/* The last life's end is looked at, too. */
static void look_back(struct sim *sim)
{
    struct silt_error err;
    sim->doing = "the end of all";
    if (open_store(sim, &err) != SILT_OK)
        fail(sim, "it does not open: %s", err.text);
    check_all(sim, true);
    if (silt_storage_close(sim->storage, true, &err) != SILT_OK)
        fail(sim, "it does not close: %s", err.text);
}

static void run(uint64_t seed)
{
    struct model model = {0};
    uint32_t numbers = 0;
    struct sim *sim = silt_calloc(1, sizeof(*sim));
    *sim = (struct sim){.seed = seed, .races = races, .random = seed * 0x9e3779b97f4a7c15u | 1, .point_random = seed * 0xff51afd7ed558ccdu | 1,
                        .now = START + 20 * DAY, .model = &model, .numbers = &numbers,
                        .effects = silt_malloc(EFFECTS_MAX * sizeof(struct effect))};
    schedule_seed(seed, 8);
    sqlite3_randomness(0, NULL); /* it draws anew, from this run's seed */
    sim->vfs = fault_vfs_create(seed);
    for (unsigned i = 0; i < 8; i++)
        sim_random(sim);
    totals.runs++;
    for (sim->life = 0; sim->life < LIVES; sim->life++)
        live(sim);
    look_back(sim);
    totals.operations += fault_vfs_operations(sim->vfs);
    if (verbose)
        printf("seed %" PRIu64 ": %" PRIu64 " operations on files, %" PRIu64 " rows, %" PRIu64 " values read so far\n", seed,
               fault_vfs_operations(sim->vfs), totals.rows, totals.values);
    fault_vfs_destroy(sim->vfs);
    model_deinit(&model);
    free(sim->effects);
    free(sim);
}

static uint64_t crash_points(void)
{
    return totals.points + totals.second_points + totals.crashes;
}

static void print_totals(uint64_t first, double seconds)
{
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " crash points (%" PRIu64 " copied, %" PRIu64 " in a start after one, %" PRIu64
           " lived through), %" PRIu64 " lives, %" PRIu64 " went on, %" PRIu64 " backups restored\n",
           first, first + totals.runs - 1, crash_points(), totals.points, totals.second_points, totals.crashes, totals.lives,
           totals.went_on, totals.backups);
    printf("%" PRIu64 " failed operations, %" PRIu64 " failed readings, %" PRIu64 " full disks\n", totals.faults, totals.read_faults,
           totals.full);
    print_flips();
    printf("%" PRIu64 " actions, %" PRIu64 " side by side, %" PRIu64 " rows written, %" PRIu64 " readings of %" PRIu64 " values, %" PRIu64
           " operations on files, %.1f s\n",
           totals.actions, totals.beside, totals.rows, totals.readings, totals.values, totals.operations, seconds);
    printf("%" PRIu64 " passed, 0 failed, 0 skipped\n", totals.runs);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, runs = 0, seconds = 0, points = 0, flips = 0;
    for (int i = 1; i < argc; i++) {
        uint64_t *number = strcmp(argv[i], "--runs") == 0      ? &runs
                           : strcmp(argv[i], "--seconds") == 0 ? &seconds
                           : strcmp(argv[i], "--points") == 0  ? &points
                           : strcmp(argv[i], "--flips") == 0   ? &flips
                           : strcmp(argv[i], "--seed") == 0    ? &first
                                                               : NULL;
        if (number && i + 1 < argc) {
            *number = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "--sparse") == 0) {
            sparse = true;
        } else if (strcmp(argv[i], "--races") == 0) {
            races = true;
        } else {
            fprintf(stderr, "sim [--runs N] [--seconds S] [--points N] [--flips N] [--seed FIRST] [--sparse] [--races] [-v]\n");
            return 2;
        }
    }
    silt_log_set_level(verbose ? SILT_LOG_INFO : SILT_LOG_ERROR + 1); /* the failures here are on purpose */
    sqlite3_auto_extension((void (*)(void))note_catalog);
    mallopt(M_MMAP_THRESHOLD, 64 << 20); /* a start's buffers need not be given back to the system each time */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    if (!runs)
        runs = seconds || points || flips ? UINT64_MAX : 20;
    if (flips)
        flips_a_life = FLIPS_A_LIFE;
    sparse = sparse || flips;
    uint64_t begun = schedule_real_ns(), limit = seconds ? seconds * (uint64_t)NS_PER_S : UINT64_MAX;
    for (uint64_t i = 0; i < runs && schedule_real_ns() - begun < limit && (!points || crash_points() < points) &&
                         (!flips || flips_tried() < flips);
         i++)
        run(first + i);
    print_totals(first, (double)(schedule_real_ns() - begun) / 1e9);
    return 0;
}
