/*
 * migrate_state.c - the journal of a migration, journal.h's records:
 *
 *     migrate    1 URL TARGET DATABASE POLICY SINCE UNTIL   the first: what it is of
 *     began      TIME                                 when the first run started
 *     unlimited  DATABASE POLICY                      made without a duration, which it gets at the end
 *     unit       N DATABASE POLICY MEASUREMENT START END      N: the journal's own number
 *     plan       N                                    what was there of one does not count any more
 *     field      N NAME UNSIGNED
 *     count      N FIELD DAY VALUES
 *     slice      N START END SERIES_OFFSET SERIES_LIMIT FIELD_FIRST FIELD_COUNT
 *     planned    N                                    the three above are all there
 *     sum        N FIELD DAY VALUES SUM
 *     copied     N SLICE                              the sums above it hold
 *     done       N VALUES DIFFERS PROMISED REPORT_BYTES
 *
 * Units are found again by what they are, as the old server may have got more of them since. A unit that differs is
 * done again by the next run.
 */
#include "shell/migrate_internal.h"

#include "shell/words.h"

#include <stdlib.h>

struct kept_unit {
    struct silt_str key; /* database, policy, measurement, start, end, each ended by \0 */
    struct unit plan;    /* fields, slices, counted, copied */
    struct day_sums pending;
    bool planned, done, differs;
    uint64_t number, values;
};

struct migrate_state {
    struct journal *journal;
    struct migrate *migrate;
    struct silt_arena *arena;
    struct kept_unit **units; /* by number */
    size_t count, capacity;
    struct kept_unit **table; /* a hash table by key */
    size_t table_size;
    struct silt_str *unlimited; /* database, policy, database, policy */
    size_t unlimited_count;
    uint64_t *numbers; /* of this run's units in the journal, by unit id; 0: none yet */
    uint64_t next_number;
    uint64_t report_bytes;
    uint64_t synced_ns;
    bool begun, foreign;
};

#define SYNC_EVERY_NS 1000000000u

/* ---------------------------------------------------------------- reading */

static int64_t to_int(struct silt_str text)
{
    int64_t value = 0;
    (void)silt_parse_int(text.p, text.len, &value, NULL); /* the checksum holds: it is what was written */
    return value;
}

static uint64_t to_uint(struct silt_str text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++)
        value = value * 10 + (uint64_t)(text.p[i] - '0');
    return value;
}

static struct kept_unit *unit_at(struct migrate_state *s, uint64_t number)
{
    while (s->count <= number) {
        if (s->count == s->capacity) {
            s->capacity = s->capacity ? s->capacity * 2 : 256;
            s->units = silt_realloc(s->units, s->capacity * sizeof *s->units);
        }
        s->units[s->count] = silt_calloc(1, sizeof(struct kept_unit));
        s->units[s->count]->number = s->count;
        s->count++;
    }
    return s->units[number];
}

static void put_key(struct silt_buffer *out, const struct silt_str *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        silt_buffer_str(out, parts[i]);
        silt_buffer_char(out, 0);
    }
}

static void forget_plan(struct kept_unit *kept)
{
    unit_clear(&kept->plan);
    day_sums_clear(&kept->pending);
    kept->planned = false;
}

static void record_of_unit(struct migrate_state *s, const struct silt_str *f, size_t count)
{
    struct kept_unit *kept = unit_at(s, to_uint(f[1]));
    struct unit *plan = &kept->plan;
    if (silt_str_equal(f[0], SILT_STR("unit")) && count == 7) {
        struct silt_buffer key = {0};
        put_key(&key, f + 2, 5);
        kept->key = silt_arena_str(s->arena, words_view(&key));
        silt_buffer_free(&key);
    } else if (silt_str_equal(f[0], SILT_STR("plan"))) {
        forget_plan(kept);
    } else if (silt_str_equal(f[0], SILT_STR("field")) && count == 4) {
        plan->fields = silt_realloc(plan->fields, (plan->field_count + 1) * sizeof *plan->fields);
        plan->fields[plan->field_count++] =
            (struct unit_field){silt_arena_str(s->arena, f[2]), silt_str_equal(f[3], SILT_STR("1"))};
    } else if (silt_str_equal(f[0], SILT_STR("count")) && count == 5) {
        day_sums_add(&plan->counted, (uint32_t)to_uint(f[2]), (int32_t)to_int(f[3]), to_uint(f[4]), 0);
    } else if (silt_str_equal(f[0], SILT_STR("slice")) && count == 8) {
        plan->slices = silt_realloc(plan->slices, (plan->slice_count + 1) * sizeof *plan->slices);
        plan->slices[plan->slice_count++] = (struct slice){.start = to_int(f[2]),
                                                           .end = to_int(f[3]),
                                                           .series_offset = to_uint(f[4]),
                                                           .series_limit = to_uint(f[5]),
                                                           .field_first = (uint32_t)to_uint(f[6]),
                                                           .field_count = (uint32_t)to_uint(f[7])};
    } else if (silt_str_equal(f[0], SILT_STR("planned"))) {
        kept->planned = true;
        kept->done = false;
    } else if (silt_str_equal(f[0], SILT_STR("sum")) && count == 6) {
        day_sums_add(&kept->pending, (uint32_t)to_uint(f[2]), (int32_t)to_int(f[3]), to_uint(f[4]), to_uint(f[5]));
    } else if (silt_str_equal(f[0], SILT_STR("copied")) && count == 3) {
        uint64_t slice = to_uint(f[2]);
        if (slice < plan->slice_count && plan->slices[slice].stage != SLICE_DONE) {
            plan->slices[slice].stage = SLICE_DONE;
            plan->slices_done++;
            day_sums_merge(&plan->copied, &kept->pending);
        }
        day_sums_clear(&kept->pending);
    } else if (silt_str_equal(f[0], SILT_STR("done")) && count == 6) {
        forget_plan(kept);
        kept->done = true;
        kept->values = to_uint(f[2]);
        kept->differs = silt_str_equal(f[3], SILT_STR("1"));
        s->report_bytes = to_uint(f[5]);
    }
}

static size_t head_fields(const struct migrate *m, struct silt_str *f, char *since, char *until)
{
    f[0] = SILT_STR("migrate");
    f[1] = SILT_STR("1");
    f[2] = silt_str_from(m->url);
    f[3] = silt_str_from(client_address(m->target->client));
    f[4] = silt_str_from(m->options->database);
    f[5] = silt_str_from(m->options->rp);
    f[6] = (struct silt_str){since, silt_write_int(since, m->since)};
    f[7] = (struct silt_str){until, silt_write_int(until, m->until)};
    return 8;
}

static void add_unlimited(struct migrate_state *s, struct silt_str database, struct silt_str policy)
{
    s->unlimited = silt_realloc(s->unlimited, (s->unlimited_count + 2) * sizeof *s->unlimited);
    s->unlimited[s->unlimited_count++] = silt_arena_str(s->arena, database);
    s->unlimited[s->unlimited_count++] = silt_arena_str(s->arena, policy);
}

static void take_record(void *context, const struct silt_str *f, size_t count)
{
    struct migrate_state *s = context;
    if (!s->begun) {
        struct silt_str head[8];
        char since[24], until[24];
        s->begun = true;
        s->foreign = count != head_fields(s->migrate, head, since, until);
        for (size_t i = 0; !s->foreign && i < count; i++)
            s->foreign = !silt_str_equal(f[i], head[i]);
    } else if (!s->foreign && silt_str_equal(f[0], SILT_STR("began")) && count == 2) {
        s->migrate->began = to_int(f[1]);
    } else if (!s->foreign && silt_str_equal(f[0], SILT_STR("unlimited")) && count == 3) {
        add_unlimited(s, f[1], f[2]);
    } else if (!s->foreign && count >= 2) {
        record_of_unit(s, f, count);
    }
}

static void index_units(struct migrate_state *s)
{
    for (s->table_size = 64; s->table_size < s->count * 2;)
        s->table_size *= 2;
    s->table = silt_calloc(s->table_size, sizeof *s->table);
    for (size_t i = 0; i < s->count; i++) {
        struct kept_unit *kept = s->units[i];
        if (!kept->key.len)
            continue;
        size_t at = silt_hash(kept->key.p, kept->key.len) & (s->table_size - 1);
        while (s->table[at])
            at = (at + 1) & (s->table_size - 1);
        s->table[at] = kept;
    }
}

static bool commit(struct migrate *m)
{
    struct migrate_state *s = m->state;
    struct silt_error err;
    uint64_t now = silt_clock_monotonic_ns();
    bool sync = now - s->synced_ns > SYNC_EVERY_NS;
    if (sync)
        s->synced_ns = now;
    if (journal_commit(s->journal, sync, &err) == SILT_OK)
        return true;
    if (!m->stopping)
        snprintf(m->stop_text, sizeof m->stop_text, "%s", err.text);
    m->stopping = true;
    return false;
}

bool migrate_state_open(struct migrate *m, const char *path)
{
    struct silt_error err;
    struct migrate_state *s = silt_calloc(1, sizeof *s);
    *s = (struct migrate_state){.migrate = m, .arena = silt_arena_create(NULL)};
    s->next_number = 1;
    m->state = s;
    if (journal_open(&s->journal, path, take_record, s, &err) != SILT_OK) {
        migrate_stop(m, "%s", err.text);
        return false;
    }
    if (s->foreign) {
        migrate_stop(
            m,
            "%s is of another migration: other servers, or another -database, -rp, -since or -until; name another "
            "file by -state",
            path);
        return false;
    }
    if (s->next_number < s->count)
        s->next_number = s->count;
    index_units(s);
    if (!s->begun) {
        struct silt_str head[8];
        char since[24], until[24];
        journal_add(s->journal, head, head_fields(m, head, since, until));
    }
    if (!m->began) {
        m->began = silt_clock_now();
        journal_addf(s->journal, "began", "%d", m->began);
    }
    return commit(m);
}

void migrate_state_close(struct migrate *m)
{
    struct migrate_state *s = m->state;
    if (!s)
        return;
    journal_close(s->journal);
    for (size_t i = 0; i < s->count; i++) {
        unit_clear(&s->units[i]->plan);
        day_sums_free(&s->units[i]->pending);
        free(s->units[i]);
    }
    free(s->units);
    free(s->table);
    free(s->unlimited);
    free(s->numbers);
    silt_arena_destroy(s->arena);
    free(s);
    m->state = NULL;
}

uint64_t migrate_state_report_bytes(const struct migrate *m)
{
    return m->state->report_bytes;
}

/* ---------------------------------------------------------------- units of this run */

static struct silt_str key_of(struct silt_buffer *out, const struct unit *unit)
{
    char start[24], end[24];
    struct silt_str parts[] = {unit->table->database,
                               unit->table->policy,
                               unit->table->measurement,
                               {start, silt_write_int(start, unit->start)},
                               {end, silt_write_int(end, unit->end)}};
    out->len = 0;
    put_key(out, parts, 5);
    return words_view(out);
}

void migrate_state_resume(struct migrate *m, struct unit *unit)
{
    struct migrate_state *s = m->state;
    struct silt_buffer text = {0};
    struct silt_str key = key_of(&text, unit);
    size_t at = silt_hash(key.p, key.len) & (s->table_size - 1);
    while (s->table[at] && !silt_str_equal(s->table[at]->key, key))
        at = (at + 1) & (s->table_size - 1);
    struct kept_unit *kept = s->table[at];
    silt_buffer_free(&text);
    s->numbers = silt_realloc(s->numbers, (unit->id + 1) * sizeof *s->numbers);
    s->numbers[unit->id] = 0;
    if (!kept)
        return;
    s->numbers[unit->id] = kept->number;
    if (kept->done && !kept->differs) {
        unit->stage = UNIT_DONE;
        unit->values = kept->values;
    } else if (kept->planned) {
        unit->fields = kept->plan.fields;
        unit->field_count = kept->plan.field_count;
        unit->slices = kept->plan.slices;
        unit->slice_count = kept->plan.slice_count;
        unit->slices_done = kept->plan.slices_done;
        unit->counted = kept->plan.counted;
        unit->copied = kept->plan.copied;
        kept->plan = (struct unit){0};
        unit->stage = UNIT_COPYING;
    }
}

bool migrate_state_plan(struct migrate *m, const struct unit *unit)
{
    struct migrate_state *s = m->state;
    struct journal *j = s->journal;
    const struct table *table = unit->table;
    uint64_t number = s->numbers[unit->id];
    if (!number) {
        number = s->numbers[unit->id] = s->next_number++;
        journal_addf(j, "unit", "%u%S%S%S%d%d", number, table->database, table->policy, table->measurement, unit->start,
                     unit->end);
    }
    journal_addf(j, "plan", "%u", number);
    for (size_t i = 0; i < unit->field_count; i++)
        journal_addf(j, "field", "%u%S%u", number, unit->fields[i].name, (uint64_t)unit->fields[i].is_unsigned);
    for (size_t i = 0; i < unit->counted.capacity; i++) {
        const struct day_sum *cell = &unit->counted.cells[i];
        if (cell->count)
            journal_addf(j, "count", "%u%u%d%u", number, (uint64_t)cell->field, (int64_t)cell->day, cell->count);
    }
    for (size_t i = 0; i < unit->slice_count; i++) {
        const struct slice *slice = &unit->slices[i];
        journal_addf(j, "slice", "%u%d%d%u%u%u%u", number, slice->start, slice->end, slice->series_offset,
                     slice->series_limit, (uint64_t)slice->field_first, (uint64_t)slice->field_count);
    }
    journal_addf(j, "planned", "%u", number);
    return commit(m);
}

bool migrate_state_copied(struct migrate *m, const struct unit *unit, size_t slice, const struct day_sums *sums)
{
    struct journal *j = m->state->journal;
    uint64_t number = m->state->numbers[unit->id];
    for (size_t i = 0; i < sums->capacity; i++) {
        const struct day_sum *cell = &sums->cells[i];
        if (cell->count)
            journal_addf(j, "sum", "%u%u%d%u%u", number, (uint64_t)cell->field, (int64_t)cell->day, cell->count,
                         cell->sum);
    }
    journal_addf(j, "copied", "%u%u", number, (uint64_t)slice);
    return commit(m);
}

bool migrate_state_done(struct migrate *m, const struct unit *unit)
{
    journal_addf(m->state->journal, "done", "%u%u%u%u%u", m->state->numbers[unit->id], unit->values,
                 (uint64_t)unit->differs, (uint64_t)unit->promised, migrate_report_bytes(m));
    return commit(m);
}

/* ---------------------------------------------------------------- policies */

bool migrate_state_unlimited(struct migrate *m, struct silt_str database, struct silt_str policy)
{
    add_unlimited(m->state, database, policy);
    journal_addf(m->state->journal, "unlimited", "%S%S", database, policy);
    return commit(m);
}

bool migrate_state_is_unlimited(const struct migrate *m, struct silt_str database, struct silt_str policy)
{
    const struct migrate_state *s = m->state;
    for (size_t i = 0; i < s->unlimited_count; i += 2)
        if (silt_str_equal(s->unlimited[i], database) && silt_str_equal(s->unlimited[i + 1], policy))
            return true;
    return false;
}
