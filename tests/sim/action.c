/*
 * action.c - what is done in a life: writes, deletes, drops, upkeep, readings, one at a time or two side by side.
 *
 * An action notes what it changes as effects. They go into the model twice: as doubts, while the crash points that it went
 * through are looked at, and then as its acknowledgements say.
 */
#include "tests/sim/schedule.h"
#include "tests/sim/sim.h"
#include "tests/wait_write.h"

#include <stdio.h>
#include <stdlib.h>

static struct effect *add_effect(struct sim *sim)
{
    silt_assert(sim->effect_count < EFFECTS_MAX);
    struct effect *effect = &sim->effects[sim->effect_count++];
    *effect = (struct effect){0};
    return effect;
}

/* Of all policies of the database: every cell that matches is gone, or may be. */
static void forget_cells(struct sim *sim, const struct effect *effect, bool sure)
{
    for (size_t i = 0; i < sim->model->count; i++) {
        struct model_cell *cell = &sim->model->cells[i];
        if (cell->key.database == effect->key.database && (effect->measurement < 0 || cell->key.measurement == effect->measurement) &&
            (effect->host < 0 || cell->key.series % (SERIES / 2) == effect->host) && cell->key.time >= effect->min &&
            cell->key.time <= effect->max)
            model_set_cell(cell, 0, sure);
    }
}

void apply_effects(struct sim *sim, bool as_acknowledged)
{
    for (size_t i = 0; i < sim->effect_count; i++) {
        const struct effect *effect = &sim->effects[i];
        bool sure = as_acknowledged && effect->sure;
        if (effect->forget)
            forget_cells(sim, effect, sure);
        else
            model_set(sim->model, &effect->key, effect->value, sure);
    }
    if (as_acknowledged)
        sim->effect_count = 0;
}

static void forget(struct sim *sim, unsigned database, int measurement, int host, silt_time min, silt_time max, bool sure)
{
    *add_effect(sim) = (struct effect){.sure = sure, .forget = true, .key.database = (uint8_t)database,
                                       .measurement = measurement, .host = host, .min = min, .max = max};
}

static void act_write(struct sim *sim, unsigned database)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    unsigned policy = below(sim, POLICIES), count = 1 + below(sim, BATCH_ROWS_MAX);
    struct silt_layout *layouts = silt_arena_alloc(arena, count * sizeof(*layouts));
    struct silt_row *rows = silt_arena_alloc(arena, count * sizeof(*rows));
    union silt_value *values = silt_arena_alloc(arena, count * FIELDS * sizeof(*values));
    model_value (*wanted)[FIELDS] = silt_arena_zalloc(arena, count * sizeof(*wanted));
    struct model_key *keys = silt_arena_zalloc(arena, count * sizeof(*keys));
    size_t value_count = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned measurement = below(sim, MEASUREMENTS), series = below(sim, SERIES);
        struct silt_field *columns = silt_arena_alloc(arena, FIELDS * sizeof(*columns));
        struct silt_str text = series_text(sim, arena, measurement, series);
        unsigned column_count = 0;
        layouts[i] = (struct silt_layout){silt_str_from(measurements[measurement]), columns, 0};
        rows[i] = (struct silt_row){text, silt_hash(text.p, text.len), some_time(sim, policy), i, i, value_count};
        keys[i] = (struct model_key){rows[i].time, (uint8_t)database, (uint8_t)policy, (uint8_t)measurement, (uint8_t)series, 0, {0}};
        unsigned chosen = 1 + below(sim, (1 << FIELDS) - 1);
        for (unsigned f = 0; f < FIELDS; f++) {
            if (!(chosen >> f & 1))
                continue;
            wanted[i][f] = new_value(sim, f);
            columns[column_count++] = (struct silt_field){silt_str_from(fields[f]), type_of(wanted[i][f])};
            values[value_count++] = value_bits(wanted[i][f], arena);
        }
        layouts[i].field_count = column_count;
    }
    struct silt_batch batch = {.layouts = layouts, .layout_count = count, .rows = rows, .row_count = count, .values = values};
    struct silt_write_report report;
    struct silt_error err = {0};
    enum silt_status durable = SILT_OK;
    enum silt_status rc = write_and_wait(sim->storage, databases[database], policies[policy], &batch, arena, &report, &durable, &err);
    if (rc == SILT_OK) {
        size_t next = 0;
        for (unsigned i = 0; i < count; i++) {
            if (next < report.rejection_count && report.rejections[next].line == i) {
                next++;
                continue;
            }
            for (unsigned f = 0; f < FIELDS; f++) {
                keys[i].field = (uint8_t)f;
                if (wanted[i][f])
                    *add_effect(sim) = (struct effect){.sure = durable == SILT_OK, .key = keys[i], .value = wanted[i][f]};
            }
            totals.rows++;
        }
        if (durable != SILT_OK)
            silt_fail(&err, durable, "the log: %s", silt_status_name(durable));
        rc = durable;
    }
    judge(sim, rc, &err);
    silt_arena_destroy(arena);
}

static void act_delete(struct sim *sim, unsigned database, bool series)
{
    unsigned policy = below(sim, POLICIES);
    int measurement = (int)below(sim, MEASUREMENTS + 1) - 1, host = (int)below(sim, SERIES / 2 + 2) - 2;
    silt_time min = SILT_TIME_MIN, max = SILT_TIME_MAX;
    char value[8];
    struct silt_error err;
    snprintf(value, sizeof(value), "s%d", host < 0 ? 0 : host);
    struct silt_tag_filter filter = {.op = SILT_TAG_EQ, .key = SILT_STR("h"), .value = silt_str_from(value)};
    const struct silt_series_choice choice = {measurement < 0 ? SILT_STR("") : silt_str_from(measurements[measurement]),
                                              host < 0 ? NULL : &filter};
    if (host < 0)
        host = -1;
    if (!series) {
        min = some_time(sim, policy);
        max = min + (int64_t)below(sim, 20) * NS_PER_S + (below(sim, 4) ? 0 : 8 * DAY);
    }
    enum silt_status rc =
        series ? silt_storage_drop_series(sim->storage, silt_str_from(databases[database]), &choice, 1, &err)
               : silt_storage_delete(sim->storage, silt_str_from(databases[database]), &choice, 1, min, max, &err);
    forget(sim, database, measurement, host, min, max, rc == SILT_OK);
    judge(sim, rc, &err);
}

void make_database(struct sim *sim, unsigned database)
{
    struct silt_error err;
    struct silt_policy_change policy = {.has_duration = true, .has_shard_duration = true, .has_replication = true,
                                        .duration_ns = DURATION, .shard_duration_ns = DAY, .replication = 1};
    enum silt_status rc = silt_storage_create_database(sim->storage, silt_str_from(databases[database]), SILT_STR(""), NULL, &err);
    judge(sim, rc, &err);
    if (rc == SILT_OK)
        rc = silt_storage_create_policy(sim->storage, silt_str_from(databases[database]), SILT_STR("r"), &policy, &err);
    judge(sim, rc, &err);
}

static void act_drop(struct sim *sim, unsigned database, bool whole)
{
    struct silt_error err;
    int measurement = whole ? -1 : (int)below(sim, MEASUREMENTS);
    struct silt_str name = silt_str_from(databases[database]);
    enum silt_status rc = whole ? silt_storage_drop_database(sim->storage, name, &err)
                                : silt_storage_drop_measurement(sim->storage, name, silt_str_from(measurements[measurement]), &err);
    forget(sim, database, measurement, -1, SILT_TIME_MIN, SILT_TIME_MAX, rc == SILT_OK);
    judge(sim, rc, &err);
    if (whole)
        make_database(sim, database);
}

static void act_read(struct sim *sim)
{
    unsigned policy = below(sim, POLICIES);
    silt_time min = some_time(sim, policy), max = min + (int64_t)below(sim, 30) * NS_PER_S + (below(sim, 2) ? 0 : 7 * DAY);
    check_policy(sim, below(sim, DATABASES), policy, min, max);
}

/* kind 0: a flush; 1: what is due; 2: merges of all. Whether retention has done its work. */
static bool upkeep(struct sim *sim, unsigned kind)
{
    struct silt_error err;
    bool did;
    enum silt_status rc = SILT_OK;
    if (kind == 1 && sim->background)
        schedule_sleep(70 * (uint64_t)NS_PER_S); /* the store's own threads see to it */
    else
        rc = kind == 0   ? silt_storage_flush(sim->storage, &err)
             : kind == 1 ? silt_storage_step(sim->storage, &did, &err)
                         : silt_storage_compact_all(sim->storage, &err);
    judge(sim, rc, &err);
    return kind == 1 && rc == SILT_OK && !sim->background && !sim->doubtful && !sim->full;
}

static void change(struct sim *sim, unsigned database)
{
    unsigned chance = below(sim, 100);
    if (chance < (sim->races ? 50 : 85))
        act_write(sim, database);
    else if (chance < 94)
        act_delete(sim, database, false);
    else if (chance < 97)
        act_delete(sim, database, true);
    else
        act_drop(sim, database, chance == 99);
}

struct beside {
    struct sim *sim;
    unsigned what;
};

static void *run_beside(void *arg)
{
    struct beside *beside = arg;
    if (beside->what < 3)
        upkeep(beside->sim, beside->what);
    else
        change(beside->sim, 1);
    return NULL;
}

/* Upkeep or a change of one database, while the other is changed or read. */
static void act_beside(struct sim *sim)
{
    struct beside beside = {sim, below(sim, 4)};
    pthread_t thread;
    unsigned turns = 1 + below(sim, 4);
    bool reads = below(sim, 2);
    totals.beside++;
    silt_assert(pthread_create(&thread, NULL, run_beside, &beside) == 0);
    for (unsigned i = 0; i < turns; i++)
        if (reads)
            check_policy(sim, 0, below(sim, POLICIES), SILT_TIME_MIN, SILT_TIME_MAX);
        else
            change(sim, 0);
    pthread_join(thread, NULL);
}

static void fill_disk(struct sim *sim)
{
    sim->full = !sim->full && below(sim, 2);
    sim->doubtful = sim->doubtful || sim->full;
    totals.full += sim->full;
    fault_vfs_full(sim->vfs, sim->full);
}

void act(struct sim *sim)
{
    unsigned chance = below(sim, 1000), database = below(sim, DATABASES);
    sim->upkept = false;
    totals.actions++;
    if (sim->races && below(sim, 2))
        sim->doing = "side by side", act_beside(sim);
    else if (chance < 520)
        sim->doing = "write", act_write(sim, database);
    else if (chance < 620)
        sim->doing = "read", act_read(sim);
    else if (chance < 690)
        sim->doing = "flush", upkeep(sim, 0);
    else if (chance < 770)
        sim->doing = "step", sim->upkept = upkeep(sim, 1);
    else if (chance < 790)
        sim->doing = "compact", upkeep(sim, 2);
    else if (chance < 805)
        sim->doing = "backup", act_backup(sim);
    else if (chance < 870)
        sim->doing = "side by side", act_beside(sim);
    else if (chance < 930)
        sim->doing = "delete", act_delete(sim, database, false);
    else if (chance < 950)
        sim->doing = "drop series", act_delete(sim, database, true);
    else if (chance < 960)
        sim->doing = "drop measurement", act_drop(sim, database, false);
    else if (chance < 964)
        sim->doing = "drop database", act_drop(sim, database, true);
    else if (chance < 980) {
        sim->doing = "time passes";
        sim->now += (int64_t)below(sim, 72) * DAY / 24;
    } else {
        sim->doing = "disk fills up or has room", fill_disk(sim);
    }
    bool upkept = sim->upkept;
    sim->upkept = false; /* of what a crash leaves nobody took care yet */
    apply_effects(sim, false);
    points_check(sim);
    apply_effects(sim, true);
    sim->upkept = upkept;
    if (sim->upkept && !sim->full)
        check_all(sim, false);
}
