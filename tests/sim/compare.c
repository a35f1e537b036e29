/*
 * compare.c - everything that the store gives, judged by the model: nothing missing, nothing else, once, in order.
 *
 * A reading has a number. A cell that it finds notes the number and the value, so that twice is seen, and afterwards which cells
 * it did not find.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>

struct reading {
    struct sim *sim;
    struct model_key key; /* database, policy, measurement, series so far */
    silt_time min, max;
    bool descending, settle;
    struct silt_arena *arena;
    bool failed; /* an error that is allowed */
};

static void meet(struct reading *r, unsigned field, silt_time time, const struct silt_column *column, uint32_t row)
{
    struct sim *sim = r->sim;
    r->key.time = time;
    r->key.field = (uint8_t)field;
    struct model_cell *cell = model_find(sim->model, &r->key);
    totals.values++;
    if (!cell)
        fail(sim, "a point that was never written, or is gone: %s.%s %s series %u field %s time %" PRId64, databases[r->key.database],
             policies[r->key.policy], measurements[r->key.measurement], r->key.series, fields[field], time);
    if (cell->round == sim->model->round)
        fail(sim, "a point is there twice: series %u field %s time %" PRId64, r->key.series, fields[field], time);
    if (sim->strict && (cell->round != sim->strict || !is_value(column, row, cell->found)))
        fail(sim, "not what was read after the restart: series %u field %s time %" PRId64, r->key.series, fields[field], time);
    for (unsigned i = 0; i < cell->count; i++)
        if (cell->choices[i] && is_value(column, row, cell->choices[i])) {
            cell->round = sim->model->round;
            cell->found = cell->choices[i];
            return;
        }
    fail(sim, "a wrong value: %s.%s %s series %u field %s time %" PRId64 ", type %s; number %u of %u choices expected",
         databases[r->key.database], policies[r->key.policy], measurements[r->key.measurement], r->key.series, fields[field], time,
         silt_type_name(column->type), cell->choices[0] >> 3, cell->count);
}

static bool note(struct reading *r, enum silt_status rc, const struct silt_error *err)
{
    if (rc == SILT_OK)
        return true;
    if (!r->sim->damaged && !r->sim->reads_fail)
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
        struct silt_str key;
        struct silt_tag *tags;
        size_t tag_count;
        reader->ops->series_tags(reader, set.ids[s], r->arena, &key, &tags, &tag_count);
        if (!key.p) /* deleted since the set was made */
            continue;
        r->key.series = (uint8_t)series_number(tags, tag_count);
        if (r->key.series == SERIES)
            fail(r->sim, "a series that was never written: %.*s", SILT_FMT(key));
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
static void settle_cell(struct reading *r, struct model_cell *cell)
{
    struct sim *sim = r->sim;
    const struct model_key *key = &cell->key;
    bool found = cell->round == sim->model->round, read_before = sim->strict && cell->round == sim->strict;
    if (!found && (!model_allows(cell, 0) || read_before) && !may_expire(sim, key))
        fail(sim, "lost: %s.%s %s series %u field %s time %" PRId64 " number %u", databases[key->database], policies[key->policy],
             measurements[key->measurement], key->series, fields[key->field], key->time, cell->choices[0] >> 3);
    if (found && must_have_expired(sim, key))
        fail(sim, "not expired: series %u time %" PRId64, key->series, key->time);
    if (r->settle) /* what expired may come back once more, if the crash comes before that is durable */
        model_set_cell(cell, found ? cell->found : 0, found || !may_expire(sim, key));
}

static void settle(struct reading *r, unsigned wanted)
{
    for (size_t i = 0; i < r->sim->model->count; i++) {
        const struct model_key *key = &r->sim->model->cells[i].key;
        if (wanted >> (key->database * POLICIES + key->policy) & 1 && key->time >= r->min && key->time <= r->max)
            settle_cell(r, &r->sim->model->cells[i]);
    }
}

/* Reads; returns whether it was all there to be judged. */
static bool read_policy(struct reading *r, unsigned database, unsigned policy)
{
    struct sim *sim = r->sim;
    struct silt_error err;
    struct silt_reader *reader;
    struct silt_cursor *cursor;
    struct silt_source *source = silt_storage_source(sim->storage);
    r->key = (struct model_key){.database = (uint8_t)database, .policy = (uint8_t)policy};
    r->descending = below(sim, 4) == 0;
    r->failed = false;
    totals.readings++;
    enum silt_status rc = source->open(source, silt_str_from(databases[database]), silt_str_from(policies[policy]), r->min, r->max,
                                       &reader, &err);
    if (rc == SILT_OK && note(r, reader->ops->cursor_create(reader, NULL, &cursor, &err), &err)) {
        note(r, reader->ops->cursor_prefer_stats(cursor, below(sim, 2), &err), &err);
        for (unsigned m = 0; m < MEASUREMENTS; m++) {
            r->key.measurement = (uint8_t)m;
            read_measurement(r, reader, cursor);
        }
        reader->ops->cursor_destroy(cursor);
    }
    if (rc == SILT_OK)
        reader->ops->release(reader);
    else if (rc != SILT_NOT_FOUND) /* a database that is gone has no points: settle judges that */
        note(r, rc, &err);
    sim->error_seen = sim->error_seen || r->failed;
    return !r->failed;
}

void check_policy(struct sim *sim, unsigned database, unsigned policy, silt_time min, silt_time max)
{
    struct reading r = {.sim = sim, .min = min, .max = max, .arena = silt_arena_create(NULL)};
    sim->model->round++;
    if (read_policy(&r, database, policy))
        settle(&r, 1u << (database * POLICIES + policy));
    silt_arena_destroy(r.arena);
}

void check_all(struct sim *sim, bool settle_doubts)
{
    struct reading r = {.sim = sim, .min = SILT_TIME_MIN, .max = SILT_TIME_MAX, .settle = settle_doubts,
                        .arena = silt_arena_create(NULL)};
    unsigned judged = 0;
    sim->model->round++;
    for (unsigned d = 0; d < DATABASES; d++)
        for (unsigned p = 0; p < POLICIES; p++)
            if (read_policy(&r, d, p))
                judged |= 1u << (d * POLICIES + p);
    settle(&r, judged);
    silt_arena_destroy(r.arena);
}
