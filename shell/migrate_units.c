/*
 * migrate_units.c - the measurements of each policy with their fields, and the policy's shard groups: a unit for each
 * pair of them.
 *
 * A group in which the migration's start lies is cut there: what is older has to be equal, what is newer comes along as
 * far as it was there when it was read.
 */
#include "shell/migrate_internal.h"

#include "shell/policies.h"
#include "shell/words.h"

#include <stdlib.h>

#define RETENTION_MARGIN_NS (600 * 1000000000ll) /* that much less is copied, so that it does not expire on its way */

struct group {
    struct silt_str database, policy;
    silt_time start, end;
};

struct finding {
    struct migrate *migrate;
    struct table *table; /* of the series under way, or the last one added */
    struct silt_str database, policy;
    silt_time oldest;
    struct group *groups;
    size_t group_count, group_capacity;
    bool odd; /* a shard group with times that cannot be read */
};

/* ---------------------------------------------------------------- measurements */

static void table_begin(void *context, const struct answer_series *series)
{
    struct finding *f = context;
    struct migrate *m = f->migrate;
    if (m->table_count == m->table_capacity) {
        m->table_capacity = m->table_capacity ? m->table_capacity * 2 : 64;
        m->tables = silt_realloc(m->tables, m->table_capacity * sizeof *m->tables);
    }
    f->table = silt_calloc(1, sizeof *f->table);
    *f->table = (struct table){.database = f->database,
                               .policy = f->policy,
                               .measurement = silt_arena_str(m->arena, series->name),
                               .oldest = f->oldest};
    m->tables[m->table_count++] = f->table;
}

/* A field of several types has a row for each, one after another. */
static void table_field(void *context, const struct cell *cells, size_t count)
{
    struct finding *f = context;
    struct table *t = f->table;
    if (count < 2)
        return;
    bool is_unsigned = schema_type(cells[1].text) == SILT_TYPE_UNSIGNED;
    bool is_integer = schema_type(cells[1].text) == SILT_TYPE_INTEGER;
    struct unit_field *last = t->field_count ? &t->fields[t->field_count - 1] : NULL;
    if (last && silt_str_equal(last->name, cells[0].text)) {
        last->is_unsigned = (last->is_unsigned || is_unsigned) && !is_integer;
        return;
    }
    if ((t->field_count & (t->field_count + 1)) == 0)
        t->fields = silt_realloc(t->fields, (t->field_count * 2 + 2) * sizeof *t->fields);
    t->fields[t->field_count++] = (struct unit_field){silt_arena_str(f->migrate->arena, cells[0].text), is_unsigned};
}

/* From when on the target takes points of this policy: where it is there with a duration, it refuses older ones. */
static silt_time oldest_of(const struct policy *policy)
{
    int64_t seconds = 0, number = 0;
    for (size_t i = 0; i < policy->duration.len; i++) { /* 168h0m0s: shorter units do not occur */
        char c = policy->duration.p[i];
        if (c >= '0' && c <= '9') {
            number = number * 10 + (c - '0');
            continue;
        }
        seconds += c == 'h' ? number * 3600 : c == 'm' ? number * 60 : c == 's' ? number : 0;
        number = 0;
    }
    silt_time now = silt_clock_now();
    return seconds && seconds < now / 1000000000 ? now - seconds * 1000000000 + RETENTION_MARGIN_NS : SILT_TIME_MIN;
}

static bool find_tables(struct finding *f, struct silt_str database)
{
    static const struct answer_events events = {.series_begin = table_begin, .row = table_field};
    struct migrate *m = f->migrate;
    struct policies here, there;
    struct silt_buffer text = {0};
    bool ok = policies_read(&here, &m->source, database);
    if (!ok)
        migrate_stop(m, "%s: %.*s", m->url, SILT_FMT(words_view(&m->source.failure)));
    if (!policies_read(&there, m->target, database)) {
        migrate_stop(m, "the target: %.*s", SILT_FMT(words_view(&m->target->failure)));
        ok = false;
    }
    for (size_t i = 0; ok && i < here.count; i++) {
        const struct policy *target = policies_find(&there, here.items[i].name);
        if (*m->options->rp && !silt_str_equal(here.items[i].name, silt_str_from(m->options->rp)))
            continue;
        f->database = database;
        f->policy = silt_arena_str(m->arena, here.items[i].name);
        f->oldest = target ? oldest_of(target) : SILT_TIME_MIN;
        text.len = 0;
        silt_buffer_str(&text, SILT_STR("SHOW FIELD KEYS ON "));
        words_quote_identifier(&text, database);
        silt_buffer_str(&text, SILT_STR(" FROM "));
        words_quote_identifier(&text, f->policy);
        silt_buffer_str(&text, SILT_STR("./.*/"));
        ok = session_ask(&m->source, words_view(&text), database, &events, f);
        if (!ok)
            migrate_stop(m, "%s: %.*s", m->url, SILT_FMT(words_view(&m->source.failure)));
    }
    policies_deinit(&here);
    policies_deinit(&there);
    silt_buffer_free(&text);
    return ok;
}

/* ---------------------------------------------------------------- shard groups */

/* Times are printed to the second: the last group's end, which is the last time there is, too. */
static void take_group(void *context, const struct cell *cells, size_t count)
{
    struct finding *f = context;
    struct group group;
    bool has_zone;
    if (count < 5)
        return;
    enum silt_status start = silt_parse_time(cells[3].text, &group.start, &has_zone);
    enum silt_status end = silt_parse_time(cells[4].text, &group.end, &has_zone);
    if (start == SILT_LIMIT || (start == SILT_OK && end == SILT_OK && group.start >= group.end))
        group.start = SILT_TIME_MIN; /* the first group begins before the first time */
    else if (start != SILT_OK)
        f->odd = true;
    if (end == SILT_LIMIT || (end == SILT_OK && group.end >= SILT_TIME_MAX - 1000000000))
        group.end = SILT_TIME_MAX + 1;
    else if (end != SILT_OK)
        f->odd = true;
    group.database = silt_arena_str(f->migrate->arena, cells[1].text);
    group.policy = silt_arena_str(f->migrate->arena, cells[2].text);
    if (f->group_count == f->group_capacity) {
        f->group_capacity = f->group_capacity ? f->group_capacity * 2 : 64;
        f->groups = silt_realloc(f->groups, f->group_capacity * sizeof *f->groups);
    }
    f->groups[f->group_count++] = group;
}

static int by_start(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* ---------------------------------------------------------------- units */

/* end is not included, and may be one more than the last time there is. */
static void add_unit(struct migrate *m, struct table *table, silt_time start, silt_time end, bool promised)
{
    const silt_time last_day = SILT_TIME_MAX / DAY_NS * DAY_NS;
    if (start < last_day && end > last_day) { /* counted apart: see migrate_plan.c */
        add_unit(m, table, start, last_day, promised);
        start = last_day;
    }
    start = start > m->since ? start : m->since;
    end = end < m->until ? end : m->until;
    start = start > table->oldest ? start : table->oldest;
    if (start >= end || !table->field_count)
        return;
    if (m->unit_count == m->unit_capacity) {
        m->unit_capacity = m->unit_capacity ? m->unit_capacity * 2 : 256;
        m->units = silt_realloc(m->units, m->unit_capacity * sizeof *m->units);
    }
    struct unit *unit = silt_calloc(1, sizeof *unit);
    *unit = (struct unit){
        .id = m->unit_count, .table = table, .start = start, .end = end, .promised = promised, .stage = UNIT_NEW};
    m->units[m->unit_count++] = unit;
}

static void add_units(struct finding *f)
{
    struct migrate *m = f->migrate;
    if (f->group_count)
        qsort(f->groups, f->group_count, sizeof *f->groups, by_start);
    for (size_t i = 0; i < f->group_count; i++) {
        const struct group *group = &f->groups[i];
        silt_time cut = group->end < m->began ? group->end : group->start > m->began ? group->start : m->began;
        for (size_t t = 0; t < m->table_count; t++) {
            struct table *table = m->tables[t];
            if (!silt_str_equal(table->database, group->database) || !silt_str_equal(table->policy, group->policy))
                continue;
            add_unit(m, table, group->start, cut, true);
            add_unit(m, table, cut, group->end, false);
        }
    }
}

bool migrate_find_units(struct migrate *m)
{
    static const struct answer_events events = {.row = take_group};
    struct finding f = {.migrate = m};
    bool ok = true;
    for (size_t i = 0; ok && i < m->database_count; i++)
        ok = find_tables(&f, m->databases[i]);
    if (ok && !session_ask(&m->source, SILT_STR("SHOW SHARD GROUPS"), SILT_STR(""), &events, &f)) {
        migrate_stop(m, "%s: %.*s", m->url, SILT_FMT(words_view(&m->source.failure)));
        ok = false;
    }
    if (ok && f.odd) {
        migrate_stop(m, "%s: SHOW SHARD GROUPS gives times that cannot be read", m->url);
        ok = false;
    }
    if (ok)
        add_units(&f);
    free(f.groups);
    return ok;
}
