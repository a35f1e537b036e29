/*
 * sim.h - what the parts of the simulation share.
 *
 *     sim.c       runs and lives                    world.c     what can be written, and its values
 *     action.c    what is done in a life            compare.c   reading the store, judged by the model
 *     crash.c     crash points along the way        flip.c      flipped bits
 *     model.c     what must be there                schedule.c  threads and time
 *     backup.c    snapshots, restored and read
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "silt/reader.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/fault_vfs.h"
#include "tests/sim/model.h"

#define NS_PER_S ((int64_t)1000000000)
#define DAY (86400 * NS_PER_S)
#define DURATION (10 * DAY) /* of policy r; its groups are days */
#define START (1577836800 * NS_PER_S)

enum { DATABASES = 2, POLICIES = 2, MEASUREMENTS = 2, SERIES = 8, FIELDS = 5, BATCH_ROWS_MAX = 30 };
enum { POINTS_MAX = 96, EFFECTS_MAX = 4096, FLIP_KINDS = 5 };

/* What an action changes. Until it ended it may have happened or not; its points are looked at meanwhile. */
struct effect {
    bool sure; /* acknowledged */
    bool forget;
    struct model_key key; /* of a value; of what is forgotten: the database */
    model_value value;
    int measurement, host; /* forgotten: -1: all */
    silt_time min, max;
};

/* A disk as a crash just before an operation leaves it. */
struct crash_point {
    struct vfs *vfs;
    uint64_t operation;
    bool power;
};

struct sim {
    uint64_t seed, random, point_random;
    struct vfs *vfs;
    struct silt_storage *storage;
    struct sqlite3 *catalog; /* the store's */
    struct model *model;
    silt_time now;
    uint32_t *numbers;  /* given to values */
    bool doubtful;      /* a fault was met since the last restart: errors are allowed */
    bool full;
    bool reads_fail;    /* some reading will */
    bool damaged;       /* a bit is flipped: anything may fail */
    bool error_seen;    /* reading met one that is allowed */
    bool upkept;        /* the last thing was an upkeep without error: retention has done its work */
    bool background;    /* the store's own threads do the upkeep */
    bool races;         /* much is done side by side */
    uint64_t strict;    /* the reading that must be the same again; 0: none */
    unsigned life, action;
    const char *doing;
    uint64_t operation; /* of the crash point that is looked at; 0: none */
    struct effect *effects;
    size_t effect_count;
    struct crash_point points[POINTS_MAX];
    size_t point_count;
    unsigned point_one_in; /* 0: none is taken */
};

struct totals {
    uint64_t runs, lives, crashes, points, second_points, went_on, backups, faults, read_faults, full, actions, beside, rows, readings, values, operations;
    uint64_t flips[FLIP_KINDS], flips_seen[FLIP_KINDS];
};
extern struct totals totals;

uint64_t sim_random(struct sim *sim);
unsigned below(struct sim *sim, unsigned limit);
void fail(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
/* An error where nothing has gone wrong before is a failure of its own. */
void judge(const struct sim *sim, enum silt_status rc, const struct silt_error *err);
enum silt_status open_store(struct sim *sim, struct silt_error *err);

/* ---------------------------------------------------------------- world.c */

extern const char *const databases[DATABASES], *const policies[POLICIES], *const measurements[MEASUREMENTS],
    *const fields[FIELDS];

struct silt_str series_text(struct sim *sim, struct silt_arena *arena, unsigned measurement, unsigned series);
unsigned series_number(const struct silt_tag *tags, size_t count); /* SERIES: none of ours */
enum silt_type type_of(model_value value);
model_value new_value(struct sim *sim, unsigned field);
union silt_value value_bits(model_value value, struct silt_arena *arena);
bool is_value(const struct silt_column *column, uint32_t row, model_value value); /* whether it is what the value became */
silt_time some_time(struct sim *sim, unsigned policy);

/* ---------------------------------------------------------------- compare.c */

/* Reads a policy's points in a range and compares. */
void check_policy(struct sim *sim, unsigned database, unsigned policy, silt_time min, silt_time max);
/* Reads everything and compares. settle: this is what a restart has decided. */
void check_all(struct sim *sim, bool settle);

/* ---------------------------------------------------------------- action.c, crash.c, backup.c, flip.c */

void make_database(struct sim *sim, unsigned database);
/* Something by chance; then its crash points are looked at. */
void act(struct sim *sim);
/* Its effects: to be sure of none, or of what was acknowledged. */
void apply_effects(struct sim *sim, bool as_acknowledged);

/* From now on operations of the store are crash points, one in so many. */
void points_watch(struct sim *sim, unsigned one_in);
void points_check(struct sim *sim);
/* A store is started on this disk and read whole; the disk is gone then. */
void point_look_at(struct sim *sim, const struct crash_point *point);
/* A snapshot, restored and read whole. */
void act_backup(struct sim *sim);

/* So many times a bit of some file is wrong while the store is closed: right answers or errors. */
void flip_and_look(struct sim *sim, unsigned count);
uint64_t flips_tried(void);
void print_flips(void);

#endif
