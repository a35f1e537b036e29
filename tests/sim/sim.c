/*
 * sim.c - the storage engine against a model, in one process, on files that fail, under a clock that jumps.
 *
 *     sim [--runs N] [--seconds S] [--seed FIRST] [-v]
 *
 * A run is a store's lives, one after another, all that it meets chosen by a seed:
 *
 *     open -> everything read and compared -> actions, of which one may meet a fault -> end
 *
 *     actions  write (late, doubled, new series, other types), read a range, delete, DROP of series, measurement, database,
 *              flush, upkeep with merges and retention, merge of all, the clock moves on
 *     faults   a crash at the n-th operation on files (the machine's: what was not synced is torn or lost; the process's:
 *              it stays), an operation that fails, a disk that is full for a while, a flipped bit in a file at rest
 *     end      a clean close with or without flush, or the crash
 *
 * What is acknowledged is there and nothing else is, at every reading; after a fault that left something in doubt it is
 * there or not, and a restart decides. A flipped bit gives right answers or errors, never wrong answers. A failure prints
 * the seed; `sim --seed N --runs 1` runs it again (the log's own threads make the order of file operations vary a little: of a
 * crash between two of them a second try may be needed).
 */
#include "silt/reader.h"
#include "silt/storage.h"
#include "silt/text.h"
#include "tests/fault_vfs.h"
#include "tests/sim/model.h"
#include "tests/wait_write.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_S ((int64_t)1000000000)
#define DAY (86400 * NS_PER_S)
#define DURATION (10 * DAY) /* of policy r; its groups are days */
#define START (1577836800 * NS_PER_S)

enum { DATABASES = 2, POLICIES = 2, MEASUREMENTS = 2, SERIES = 12, FIELDS = 5, BATCH_ROWS_MAX = 30, LIVES = 8, SHARDS_MAX = 300 };

static const char *const databases[DATABASES] = {"d0", "d1"};
static const char *const policies[POLICIES] = {"autogen", "r"};
static const char *const measurements[MEASUREMENTS] = {"m0", "m,1"};
static const char *const fields[FIELDS] = {"f", "i", "s", "b", "x"}; /* x has types by chance */

struct sim {
    uint64_t seed, random;
    struct vfs *vfs;
    struct silt_storage *storage;
    struct model model;
    silt_time now;
    uint64_t numbers; /* given to values */
    bool doubtful;    /* a fault was met since the last restart: errors are allowed */
    bool full;
    bool damaged;     /* a bit is flipped: anything may fail */
    bool flip_seen;
    bool upkept;      /* the last thing was an upkeep without error: retention has done its work */
    unsigned life, action;
    const char *doing;
};

struct totals {
    uint64_t runs, lives, crashes, faults, full, flips, flips_seen, actions, rows, readings, values, operations;
};
static struct totals totals;
static bool verbose;

static uint64_t sim_random(struct sim *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random * 0x2545f4914f6cdd1du >> 11;
}

static unsigned below(struct sim *sim, unsigned limit)
{
    return (unsigned)(sim_random(sim) % limit);
}

static void fail(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
static void fail(const struct sim *sim, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("\nseed %" PRIu64 ", life %u, action %u (%s): ", sim->seed, sim->life, sim->action, sim->doing);
    vprintf(format, args);
    va_end(args);
    printf("\nagain: sim --seed %" PRIu64 " --runs 1 -v\n", sim->seed);
    fflush(stdout);
    abort();
}

/* An error where nothing has gone wrong before is a failure of its own. */
static void judge(const struct sim *sim, enum silt_status rc, const struct silt_error *err)
{
    if (rc != SILT_OK && !sim->doubtful && !sim->full && !fault_vfs_crashed(sim->vfs))
        fail(sim, "unexpected error: %s", err->text);
}

/* ---------------------------------------------------------------- names and values */

static struct silt_str series_text(struct sim *sim, struct silt_arena *arena, unsigned measurement, unsigned series)
{
    const char *name = measurement ? "m\\,1" : "m0";
    if (series < SERIES / 2)
        return silt_arena_printf(arena, "%s,h=s%u", name, series);
    return below(sim, 2) ? silt_arena_printf(arena, "%s,z=y,h=s%u", name, series - SERIES / 2)
                         : silt_arena_printf(arena, "%s,h=s%u,z=y", name, series - SERIES / 2);
}

static enum silt_type type_of(model_value value)
{
    return (enum silt_type)(value & 7);
}

static model_value new_value(struct sim *sim, unsigned field)
{
    static const enum silt_type types[] = {SILT_TYPE_FLOAT, SILT_TYPE_INTEGER, SILT_TYPE_STRING, SILT_TYPE_BOOLEAN};
    enum silt_type type = field < 4 ? types[field] : below(sim, 8) ? SILT_TYPE_FLOAT : SILT_TYPE_UNSIGNED;
    return ++sim->numbers << 3 | type;
}

static union silt_value value_bits(model_value value, struct silt_arena *arena)
{
    uint64_t number = value >> 3;
    union silt_value out = {.u64 = number};
    if (type_of(value) == SILT_TYPE_FLOAT)
        out.f64 = (double)number * 0.25;
    else if (type_of(value) == SILT_TYPE_BOOLEAN)
        out.u64 = number & 1;
    else if (type_of(value) == SILT_TYPE_STRING) {
        struct silt_str text = silt_arena_printf(arena, "v%" PRIu64, number);
        struct silt_bytes *bytes = silt_arena_alloc(arena, sizeof(*bytes) + text.len);
        bytes->len = (uint32_t)text.len;
        memcpy(bytes->p, text.p, text.len);
        out.string = bytes;
    }
    return out;
}

/* Whether a column's row holds what this value became. */
static bool is_value(const struct silt_column *column, uint32_t row, model_value value)
{
    uint64_t number = value >> 3;
    char text[32];
    if (column->type != type_of(value))
        return false;
    switch (column->type) {
    case SILT_TYPE_FLOAT:
        return column->f64[row] == (double)number * 0.25;
    case SILT_TYPE_INTEGER:
        return column->i64[row] == (int64_t)number;
    case SILT_TYPE_UNSIGNED:
        return column->u64[row] == number;
    case SILT_TYPE_BOOLEAN:
        return column->boolean[row] == (number & 1);
    case SILT_TYPE_STRING:
        snprintf(text, sizeof(text), "v%" PRIu64, number);
        return silt_str_equal(column->string[row], silt_str_from(text));
    case SILT_TYPE_NONE:
        break;
    }
    return false;
}

/* ---------------------------------------------------------------- reading */

struct reading {
    struct sim *sim;
    struct model_key key; /* database, policy, measurement, series so far */
    silt_time min, max;
    bool descending, settle;
    struct silt_arena *arena;
    bool failed; /* an error, which is allowed with a flipped bit */
};

static void meet(struct reading *r, unsigned field, silt_time time, const struct silt_column *column, uint32_t row)
{
    struct sim *sim = r->sim;
    r->key.time = time;
    r->key.field = (uint8_t)field;
    struct model_cell *cell = model_find(&sim->model, &r->key);
    totals.values++;
    if (!cell)
        fail(sim, "a point that was never written: %s.%s %s series %u field %s time %" PRId64, databases[r->key.database],
             policies[r->key.policy], measurements[r->key.measurement], r->key.series, fields[field], time);
    if (cell->round == sim->model.round)
        fail(sim, "a point is there twice: series %u field %s time %" PRId64, r->key.series, fields[field], time);
    for (unsigned i = 0; i < cell->count; i++)
        if (cell->choices[i] && is_value(column, row, cell->choices[i])) {
            cell->round = sim->model.round;
            cell->found = cell->choices[i];
            return;
        }
    fail(sim, "a wrong value: %s.%s %s series %u field %s time %" PRId64 ", type %s; number %" PRIu64 " of %u choices expected",
         databases[r->key.database], policies[r->key.policy], measurements[r->key.measurement], r->key.series, fields[field], time,
         silt_type_name(column->type), (uint64_t)cell->choices[0] >> 3, cell->count);
}

static bool note(struct reading *r, enum silt_status rc, const struct silt_error *err)
{
    if (rc == SILT_OK)
        return true;
    if (!r->sim->damaged)
        fail(r->sim, "reading: %s", err->text);
    r->failed = true;
    return false;
}

static void read_series(struct reading *r, struct silt_reader *reader, struct silt_cursor *cursor, silt_series_id id,
                        const struct silt_field *asked, size_t field_count, const unsigned *field_numbers)
{
    struct silt_error err;
    struct silt_rows rows;
    silt_time before = r->descending ? INT64_MAX : INT64_MIN;
    if (!note(r, reader->ops->cursor_seek(cursor, silt_str_from(measurements[r->key.measurement]), id, asked, field_count,
                                          r->min, r->max, r->descending, &err), &err))
        return;
    for (;;) {
        const silt_time *times;
        if (!note(r, reader->ops->cursor_next(cursor, &rows, &err), &err) || rows.count == 0 ||
            !note(r, reader->ops->cursor_times(cursor, &times, &err), &err))
            return;
        for (uint32_t row = 0; row < rows.count; row++) {
            if (r->descending ? times[row] >= before : times[row] <= before)
                fail(r->sim, "times out of order: %" PRId64 " after %" PRId64, times[row], before);
            before = times[row];
        }
        for (size_t f = 0; f < field_count; f++) {
            struct silt_column column;
            if (!note(r, reader->ops->cursor_column(cursor, f, &column, &err), &err))
                return;
            for (uint32_t row = 0; column.type != SILT_TYPE_NONE && row < rows.count; row++)
                if (!column.valid || (column.valid[row / 64] >> row % 64 & 1))
                    meet(r, field_numbers[f], times[row], &column, row);
        }
    }
}

static unsigned series_number(struct reading *r, struct silt_reader *reader, silt_series_id id)
{
    struct silt_str key;
    struct silt_tag *tags;
    size_t count;
    reader->ops->series_tags(reader, id, r->arena, &key, &tags, &count);
    if (count < 1 || count > 2 || tags[0].value.len != 2 || tags[0].value.p[0] != 's')
        fail(r->sim, "a series that was never written: %.*s", SILT_FMT(key));
    return (unsigned)(tags[0].value.p[1] - '0') + (count == 2 ? SERIES / 2 : 0);
}

static void read_measurement(struct reading *r, struct silt_reader *reader, struct silt_cursor *cursor)
{
    struct silt_str name = silt_str_from(measurements[r->key.measurement]);
    struct silt_error err;
    struct silt_series_set set;
    struct silt_field *known, asked[FIELDS];
    unsigned numbers[FIELDS];
    size_t known_count, count = 0;
    if (!note(r, reader->ops->fields(reader, name, r->arena, &known, &known_count, &err), &err) ||
        !note(r, reader->ops->series(reader, name, NULL, r->arena, &set, &err), &err))
        return;
    for (unsigned f = 0; f < FIELDS; f++)
        for (size_t k = 0; k < known_count; k++)
            if (silt_str_equal(known[k].name, silt_str_from(fields[f]))) {
                asked[count] = (struct silt_field){silt_str_from(fields[f]), SILT_TYPE_NONE};
                numbers[count++] = f;
                break;
            }
    for (size_t s = 0; count > 0 && s < set.count; s++) {
        r->key.series = (uint8_t)series_number(r, reader, set.ids[s]);
        read_series(r, reader, cursor, set.ids[s], asked, count, numbers);
    }
}

/* What may be gone by itself: its group's time is over. */
static bool may_expire(const struct sim *sim, const struct model_key *key)
{
    return key->policy == 1 && key->time < sim->now - DURATION;
}

static bool must_have_expired(const struct sim *sim, const struct model_key *key)
{
    return sim->upkept && key->policy == 1 && key->time / DAY * DAY + DAY + DURATION + DAY / 24 < sim->now;
}

/* Every cell of the range: found or not, that must be possible. */
static void settle(struct reading *r, unsigned database, unsigned policy)
{
    struct sim *sim = r->sim;
    for (size_t i = 0; i < sim->model.room; i++) {
        struct model_cell *cell = &sim->model.cells[i];
        if (!cell->used || cell->key.database != database || cell->key.policy != policy || cell->key.time < r->min ||
            cell->key.time > r->max)
            continue;
        bool found = cell->round == sim->model.round;
        if (!found && !model_allows(cell, 0) && !may_expire(sim, &cell->key))
            fail(sim, "lost: %s.%s %s series %u field %s time %" PRId64 " number %" PRIu64, databases[database], policies[policy],
                 measurements[cell->key.measurement], cell->key.series, fields[cell->key.field], cell->key.time,
                 (uint64_t)cell->choices[0] >> 3);
        if (found && must_have_expired(sim, &cell->key))
            fail(sim, "not expired: series %u time %" PRId64, cell->key.series, cell->key.time);
        if (r->settle)
            model_set_cell(cell, found ? cell->found : 0, true);
    }
}

/* Reads a policy's points in a range and compares. settle_doubts: this is what a restart has decided. */
static void check_policy(struct sim *sim, unsigned database, unsigned policy, silt_time min, silt_time max, bool settle_doubts)
{
    struct silt_error err;
    struct silt_reader *reader;
    struct silt_cursor *cursor;
    struct silt_source *source = silt_storage_source(sim->storage);
    struct reading r = {.sim = sim, .min = min, .max = max, .descending = below(sim, 4) == 0, .settle = settle_doubts,
                        .arena = silt_arena_create(NULL)};
    r.key.database = (uint8_t)database;
    r.key.policy = (uint8_t)policy;
    sim->model.round++;
    totals.readings++;
    enum silt_status rc = source->open(source, silt_str_from(databases[database]), silt_str_from(policies[policy]), min, max,
                                       &reader, &err);
    if (rc == SILT_OK && note(&r, reader->ops->cursor_create(reader, NULL, &cursor, &err), &err)) {
        for (unsigned m = 0; m < MEASUREMENTS; m++) {
            r.key.measurement = (uint8_t)m;
            read_measurement(&r, reader, cursor);
        }
        reader->ops->cursor_destroy(cursor);
    }
    if (rc == SILT_OK)
        reader->ops->release(reader);
    else if (rc != SILT_NOT_FOUND) /* a database that is gone has no points: settle judges that */
        note(&r, rc, &err);
    if (r.failed)
        sim->flip_seen = true;
    else
        settle(&r, database, policy);
    silt_arena_destroy(r.arena);
}

static void check_all(struct sim *sim, bool settle_doubts)
{
    for (unsigned d = 0; d < DATABASES; d++)
        for (unsigned p = 0; p < POLICIES; p++)
            check_policy(sim, d, p, SILT_TIME_MIN, SILT_TIME_MAX, settle_doubts);
}

/* ---------------------------------------------------------------- actions */

static silt_time some_time(struct sim *sim, unsigned policy)
{
    int64_t offset = (int64_t)below(sim, 40) * NS_PER_S;
    if (policy == 1) /* some of it too old */
        return sim->now / DAY * DAY - (int64_t)below(sim, 12) * DAY + offset;
    return START + (int64_t)below(sim, 4) * 7 * DAY + offset;
}

static void act_write(struct sim *sim)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    unsigned database = below(sim, DATABASES), policy = below(sim, POLICIES), count = 1 + below(sim, BATCH_ROWS_MAX);
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
                    model_set(&sim->model, &keys[i], wanted[i][f], durable == SILT_OK);
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

/* Of all policies of the database: every cell that matches is gone, or may be. */
static void forget(struct sim *sim, unsigned database, int measurement, int host, silt_time min, silt_time max, bool sure)
{
    for (size_t i = 0; i < sim->model.room; i++) {
        struct model_cell *cell = &sim->model.cells[i];
        if (cell->used && cell->key.database == database && (measurement < 0 || cell->key.measurement == measurement) &&
            (host < 0 || cell->key.series % (SERIES / 2) == host) && cell->key.time >= min && cell->key.time <= max)
            model_set_cell(cell, 0, sure);
    }
}

static void act_delete(struct sim *sim, bool series)
{
    unsigned database = below(sim, DATABASES), policy = below(sim, POLICIES);
    int measurement = (int)below(sim, MEASUREMENTS + 1) - 1, host = (int)below(sim, SERIES / 2 + 2) - 2;
    silt_time min = SILT_TIME_MIN, max = SILT_TIME_MAX;
    char value[8];
    struct silt_error err;
    snprintf(value, sizeof(value), "s%d", host < 0 ? 0 : host);
    struct silt_tag_filter filter = {.op = SILT_TAG_EQ, .key = SILT_STR("h"), .value = silt_str_from(value)};
    struct silt_str name = measurement < 0 ? SILT_STR("") : silt_str_from(measurements[measurement]);
    if (host < 0)
        host = -1;
    if (!series) {
        min = some_time(sim, policy);
        max = min + (int64_t)below(sim, 20) * NS_PER_S + (below(sim, 4) ? 0 : 8 * DAY);
    }
    enum silt_status rc =
        series ? silt_storage_drop_series(sim->storage, silt_str_from(databases[database]), name, host < 0 ? NULL : &filter, &err)
               : silt_storage_delete(sim->storage, silt_str_from(databases[database]), name, host < 0 ? NULL : &filter, min, max, &err);
    forget(sim, database, measurement, host, min, max, rc == SILT_OK);
    judge(sim, rc, &err);
}

static void make_database(struct sim *sim, unsigned database)
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

static void act_drop(struct sim *sim, bool whole)
{
    struct silt_error err;
    unsigned database = below(sim, DATABASES);
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
    check_policy(sim, below(sim, DATABASES), policy, min, max, false);
}

static void act_upkeep(struct sim *sim, unsigned kind)
{
    struct silt_error err;
    bool did;
    enum silt_status rc = kind == 0   ? silt_storage_flush(sim->storage, &err)
                          : kind == 1 ? silt_storage_step(sim->storage, &did, &err)
                                      : silt_storage_compact_all(sim->storage, &err);
    judge(sim, rc, &err);
    sim->upkept = kind == 1 && rc == SILT_OK;
}

static void act(struct sim *sim)
{
    unsigned chance = below(sim, 1000);
    sim->upkept = false;
    totals.actions++;
    if (chance < 600)
        sim->doing = "write", act_write(sim);
    else if (chance < 700)
        sim->doing = "read", act_read(sim);
    else if (chance < 770)
        sim->doing = "flush", act_upkeep(sim, 0);
    else if (chance < 850)
        sim->doing = "step", act_upkeep(sim, 1);
    else if (chance < 870)
        sim->doing = "compact", act_upkeep(sim, 2);
    else if (chance < 930)
        sim->doing = "delete", act_delete(sim, false);
    else if (chance < 950)
        sim->doing = "drop series", act_delete(sim, true);
    else if (chance < 960)
        sim->doing = "drop measurement", act_drop(sim, false);
    else if (chance < 964)
        sim->doing = "drop database", act_drop(sim, true);
    else if (chance < 980) {
        sim->doing = "time passes";
        sim->now += (int64_t)below(sim, 72) * DAY / 24;
    } else {
        sim->doing = "disk fills up or has room";
        sim->full = !sim->full && below(sim, 2);
        sim->doubtful = sim->doubtful || sim->full;
        totals.full += sim->full;
        fault_vfs_full(sim->vfs, sim->full);
    }
    if (sim->upkept && !sim->full)
        check_all(sim, false);
}

/* ---------------------------------------------------------------- lives */

static silt_time sim_now(void *arg)
{
    return ((struct sim *)arg)->now;
}

static enum silt_status open_store(struct sim *sim, struct silt_error *err)
{
    struct silt_storage_options options;
    silt_storage_options_init(&options);
    options.vfs = sim->vfs;
    options.background_off = true;
    options.compact_files_max = 3;
    options.wal_segment_bytes = 8 << 10;
    options.now = sim_now;
    options.now_arg = sim;
    return silt_storage_open(&options, &sim->storage, err);
}

struct names {
    struct sim *sim;
    char folder[VFS_NAME_BYTES_MAX], chosen[VFS_NAME_BYTES_MAX];
    unsigned seen;
};

static void choose_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (below(names->sim, ++names->seen) == 0)
        snprintf(names->chosen, sizeof(names->chosen), "%s/%s", names->folder, name);
}

/* A bit of some shard's manifest, data or tombstones is wrong while the store is open. Nothing is written meanwhile. */
static void flip_and_look(struct sim *sim)
{
    struct silt_error err;
    struct names files = {.sim = sim};
    unsigned bit = below(sim, 8);
    uint64_t offset = 0;
    for (unsigned shard = 1; shard <= SHARDS_MAX; shard++) {
        snprintf(files.folder, sizeof(files.folder), "shards/%u", shard);
        (void)sim->vfs->ops->list(sim->vfs, files.folder, choose_name, &files, &err); /* most are not there any more */
    }
    if (!files.seen)
        return;
    bool flipped = false;
    for (unsigned room = 1 << 16; room >= 16 && !flipped; room /= 2) {
        offset = below(sim, room);
        flipped = fault_vfs_flip(sim->vfs, files.chosen, offset, bit);
    }
    if (!flipped)
        return;
    sim->doing = "flipped bit";
    sim->damaged = true;
    sim->flip_seen = false;
    totals.flips++;
    if (open_store(sim, &err) == SILT_OK) {
        check_all(sim, false);
        silt_storage_close(sim->storage, false, &err);
    } else {
        sim->flip_seen = true;
    }
    totals.flips_seen += sim->flip_seen;
    sim->damaged = false;
    fault_vfs_flip(sim->vfs, files.chosen, offset, bit);
}

static void choose_fault(struct sim *sim)
{
    unsigned chance = below(sim, 10);
    if (chance < 6) {
        fault_vfs_crash_at(sim->vfs, 1 + below(sim, below(sim, 2) ? 40 : 400));
    } else if (chance < 8) {
        fault_vfs_fail_at(sim->vfs, 1 + below(sim, 200), below(sim, 2) ? SILT_IO : SILT_NO_SPACE);
        sim->doubtful = true;
        totals.faults++;
    }
}

static void live(struct sim *sim)
{
    struct silt_error err;
    sim->doing = "open";
    sim->doubtful = sim->full = false;
    totals.lives++;
    enum silt_status rc = open_store(sim, &err);
    if (rc != SILT_OK)
        fail(sim, "it does not open: %s", err.text);
    sim->upkept = false;
    check_all(sim, true);
    choose_fault(sim);
    unsigned actions = 20 + below(sim, 120);
    for (unsigned d = 0; d < DATABASES && !fault_vfs_crashed(sim->vfs); d++)
        make_database(sim, d);
    for (sim->action = 0; sim->action < actions && !fault_vfs_crashed(sim->vfs); sim->action++)
        act(sim);
    sim->doing = "end";
    if (!fault_vfs_crashed(sim->vfs) && !sim->full)
        check_all(sim, false);
    fault_vfs_full(sim->vfs, sim->full && below(sim, 2)); /* room comes, or the end does */
    rc = silt_storage_close(sim->storage, below(sim, 2), &err);
    judge(sim, rc, &err);
    fault_vfs_full(sim->vfs, false);
    bool crashed = fault_vfs_crashed(sim->vfs);
    totals.crashes += crashed;
    fault_vfs_crash_at(sim->vfs, 0);
    fault_vfs_fail_at(sim->vfs, 0, SILT_OK);
    if (crashed && below(sim, 3) == 0)
        fault_vfs_revive(sim->vfs);
    else
        fault_vfs_restart(sim->vfs);
    if (below(sim, 3) == 0)
        flip_and_look(sim);
}

static void run(uint64_t seed)
{
    struct sim sim = {.seed = seed, .random = seed * 0x9e3779b97f4a7c15u | 1, .now = START + 20 * DAY};
    sim.vfs = fault_vfs_create(seed);
    for (unsigned i = 0; i < 8; i++)
        sim_random(&sim);
    totals.runs++;
    for (sim.life = 0; sim.life < LIVES; sim.life++)
        live(&sim);
    totals.operations += fault_vfs_operations(sim.vfs);
    if (verbose)
        printf("seed %" PRIu64 ": %" PRIu64 " operations on files\n", seed, fault_vfs_operations(sim.vfs));
    fault_vfs_destroy(sim.vfs);
    model_deinit(&sim.model);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, runs = 100, seconds = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (i + 1 < argc && strcmp(argv[i], "--runs") == 0)
            runs = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
            seconds = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            first = strtoull(argv[++i], NULL, 10);
        else {
            fprintf(stderr, "sim [--runs N] [--seconds S] [--seed FIRST] [-v]\n");
            return 2;
        }
    }
    silt_log_set_level(verbose ? SILT_LOG_INFO : SILT_LOG_ERROR + 1); /* the failures here are on purpose */
    uint64_t begun = silt_clock_monotonic_ns(), limit = seconds ? seconds * (uint64_t)NS_PER_S : UINT64_MAX;
    for (uint64_t i = 0; (seconds || i < runs) && silt_clock_monotonic_ns() - begun < limit; i++)
        run(first + i);
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " lives, %" PRIu64 " crashes, %" PRIu64 " failed operations, %" PRIu64
           " full disks, %" PRIu64 " flipped bits (%" PRIu64 " seen)\n",
           first, first + totals.runs - 1, totals.lives, totals.crashes, totals.faults, totals.full, totals.flips, totals.flips_seen);
    printf("%" PRIu64 " actions, %" PRIu64 " rows written, %" PRIu64 " readings of %" PRIu64 " values, %" PRIu64
           " operations on files, %.1f s\n",
           totals.actions, totals.rows, totals.readings, totals.values, totals.operations,
           (double)(silt_clock_monotonic_ns() - begun) / 1e9);
    printf("%" PRIu64 " passed, 0 failed, 0 skipped\n", totals.runs);
    return 0;
}
