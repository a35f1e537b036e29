/*
 * migrate_plan.c - how many values of each field lie in each day, as the old server counts them, and slices by that.
 *
 *     days     |  1.2 M |  0.3 M |  0.4 M |        5 M       |
 *     slices   |   1    |        2        |  3  |  4  |  5   |    each about slice_values
 *
 * A query opens every series it may meet, whatever it finds there: so with many series slices are longer, and from
 * SERIES_MAX on they take a part of the series at a time (SLIMIT, SOFFSET), which bounds the old server's memory.
 */
#include "shell/migrate_internal.h"

#include "shell/words.h"

#include <stdlib.h>

#define SERIES_MAX 50000
#define SERIES_LIMIT_NONE 1000000000u /* InfluxDB takes SOFFSET without SLIMIT for SLIMIT 0 */
#define VALUES_PER_SERIES 40          /* of a field: fewer in a slice, and opening costs more than reading */
#define SLICE_NS_MIN 1000000000ll

/* ---------------------------------------------------------------- counting */

struct counting {
    const struct unit *unit;
    size_t first;             /* the first column's place in the table's fields */
    struct day_sums *counted; /* by such places */
    bool is_json;
};

static void take_count(void *context, const struct cell *cells, size_t count)
{
    struct counting *c = context;
    int64_t time, n;
    if (!count || cells[0].kind != CELL_INTEGER) {
        c->is_json = true;
        return;
    }
    memcpy(&time, cells[0].text.p, sizeof time);
    /* The first day's midnight is before the first time there is: InfluxDB says 1970 then. */
    if (time < c->unit->start || time >= c->unit->end)
        time = c->unit->start;
    for (size_t i = 1; i < count; i++) {
        if (cells[i].kind != CELL_INTEGER)
            continue;
        memcpy(&n, cells[i].text.p, sizeof n);
        day_sums_add(c->counted, (uint32_t)(c->first + i - 1), day_of(time), (uint64_t)n, 0);
    }
}

static bool count(struct session *source, const struct unit *unit, struct day_sums *counted)
{
    static const struct answer_events events = {.row = take_count};
    const struct table *table = unit->table;
    struct silt_buffer text = {0};
    bool ok = true;
    for (size_t first = 0; ok && first < table->field_count; first += MIGRATE_FIELDS_PER_QUERY) {
        struct counting counting = {.unit = unit, .first = first, .counted = counted};
        text.len = 0;
        for (size_t i = first; i < table->field_count && i < first + MIGRATE_FIELDS_PER_QUERY; i++) {
            silt_buffer_str(&text, i > first ? SILT_STR(", count(") : SILT_STR("SELECT count("));
            words_quote_identifier(&text, table->fields[i].name);
            silt_buffer_str(&text, SILT_STR("::field)"));
        }
        silt_buffer_str(&text, SILT_STR(" FROM "));
        migrate_table_name(&text, table);
        silt_buffer_printf(&text, " WHERE time >= %lld AND time <= %lld", (long long)unit->start,
                           (long long)unit->end - 1);
        if (day_of(unit->start) != day_of(unit->end - 1)) /* InfluxDB finds nothing in the last day there is */
            silt_buffer_str(&text, SILT_STR(" GROUP BY time(1d) fill(none)"));
        ok = session_read(source, words_view(&text), table->database, 0, &events, &counting);
        if (ok && counting.is_json) {
            session_set(&source->failure,
                        SILT_STR("the server does not answer by MessagePack, as InfluxDB does since 1.4"));
            source->unreachable = false;
            ok = false;
        }
    }
    silt_buffer_free(&text);
    return ok;
}

static void take_cardinality(void *context, const struct cell *cells, size_t count)
{
    int64_t n;
    if (count && cells[count - 1].kind == CELL_NUMBER &&
        silt_parse_int(cells[count - 1].text.p, cells[count - 1].text.len, &n, NULL) && n > 0)
        *(uint64_t *)context += (uint64_t)n;
}

static bool count_series(struct migrate *m, struct session *source, struct table *table)
{
    static const struct answer_events events = {.row = take_cardinality};
    pthread_mutex_lock(&m->lock);
    bool known = table->series_known;
    pthread_mutex_unlock(&m->lock);
    if (known)
        return true;

    struct silt_buffer text = {0};
    uint64_t series = 0;
    silt_buffer_str(&text, SILT_STR("SHOW SERIES EXACT CARDINALITY ON "));
    words_quote_identifier(&text, table->database);
    silt_buffer_str(&text, SILT_STR(" FROM "));
    words_quote_identifier(&text, table->measurement);
    bool ok = session_ask(source, words_view(&text), table->database, &events, &series);
    silt_buffer_free(&text);
    pthread_mutex_lock(&m->lock);
    if (ok && !table->series_known) { /* another worker may have asked meanwhile */
        table->series = series;
        table->series_known = true;
    }
    pthread_mutex_unlock(&m->lock);
    return ok;
}

/* ---------------------------------------------------------------- slices */

struct day_values {
    int32_t day;
    uint64_t values;
};

static int by_day(const void *a, const void *b)
{
    int32_t x = ((const struct day_values *)a)->day, y = ((const struct day_values *)b)->day;
    return (x > y) - (x < y);
}

/* Days with their values, in order. */
static struct day_values *list_days(const struct day_sums *counted, size_t *count)
{
    struct day_values *days = silt_malloc((counted->used + 1) * sizeof *days);
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < counted->capacity; i++)
        if (counted->cells[i].count)
            days[n++] = (struct day_values){counted->cells[i].day, counted->cells[i].count};
    if (n)
        qsort(days, n, sizeof *days, by_day);
    for (size_t i = 0; i < n; i++) {
        if (kept && days[kept - 1].day == days[i].day)
            days[kept - 1].values += days[i].values;
        else
            days[kept++] = days[i];
    }
    *count = kept;
    return days;
}

static silt_time clamp_day(const struct unit *unit, int64_t day)
{
    /* A day's start may lie before the first time there is. */
    if (day <= day_of(unit->start))
        return unit->start;
    return day > day_of(unit->end - 1) ? unit->end : day * DAY_NS;
}

static void add_slice(struct unit *unit, const struct slice *slice)
{
    if ((unit->slice_count & (unit->slice_count + 1)) == 0)
        unit->slices = silt_realloc(unit->slices, (unit->slice_count * 2 + 2) * sizeof *unit->slices);
    unit->slices[unit->slice_count++] = *slice;
}

/* A time range, in parts by fields and series. */
static void add_range(struct unit *unit, silt_time start, silt_time end)
{
    if (start >= end)
        return;
    struct slice slice = {.start = start, .end = end};
    for (size_t first = 0; first < unit->field_count; first += MIGRATE_FIELDS_PER_QUERY) {
        size_t left = unit->field_count - first;
        slice.field_first = (uint32_t)first;
        slice.field_count = (uint32_t)(left < MIGRATE_FIELDS_PER_QUERY ? left : MIGRATE_FIELDS_PER_QUERY);
        uint64_t offset = 0;
        slice.series_limit = SERIES_MAX;
        for (; offset + SERIES_MAX < unit->table->series; offset += SERIES_MAX) {
            slice.series_offset = offset;
            add_slice(unit, &slice);
        }
        slice.series_offset = offset;
        slice.series_limit = offset ? SERIES_LIMIT_NONE : 0; /* series that came meanwhile, too */
        add_slice(unit, &slice);
    }
}

static void cut(struct unit *unit, uint64_t slice_values)
{
    uint64_t series = unit->table->series < SERIES_MAX ? unit->table->series : SERIES_MAX;
    uint64_t least = series * unit->field_count * VALUES_PER_SERIES;
    uint64_t pieces = unit->table->series / SERIES_MAX + 1;
    uint64_t wanted = (slice_values > least ? slice_values : least) * pieces;
    size_t count;
    struct day_values *days = list_days(&unit->counted, &count);
    silt_time start = unit->start;
    for (size_t i = 0; i < count;) {
        uint64_t values = days[i].values;
        size_t next = i + 1;
        while (next < count && values + days[next].values <= wanted)
            values += days[next++].values;
        silt_time end = next == count ? unit->end : clamp_day(unit, days[next].day);
        int64_t parts = (int64_t)((values + wanted - 1) / wanted);
        silt_time from = clamp_day(unit, days[i].day);
        int64_t step = (clamp_day(unit, days[next - 1].day + 1) - from) / parts;
        if (step < SLICE_NS_MIN)
            parts = 1;
        for (int64_t part = 1; part < parts; part++) {
            add_range(unit, start, from + part * step);
            start = from + part * step;
        }
        add_range(unit, start, end);
        start = end;
        i = next;
    }
    free(days);
}

/* Only the fields that are there. */
static void choose_fields(struct unit *unit, struct day_sums *counted)
{
    const struct table *table = unit->table;
    uint32_t *places = silt_calloc(table->field_count + 1, sizeof *places);
    for (size_t i = 0; i < counted->capacity; i++)
        if (counted->cells[i].count)
            places[counted->cells[i].field] = 1;
    unit->fields = silt_calloc(table->field_count + 1, sizeof *unit->fields);
    for (size_t i = 0; i < table->field_count; i++)
        if (places[i]) {
            places[i] = (uint32_t)unit->field_count;
            unit->fields[unit->field_count++] = table->fields[i];
        }
    for (size_t i = 0; i < counted->capacity; i++) {
        const struct day_sum *cell = &counted->cells[i];
        if (cell->count)
            day_sums_add(&unit->counted, places[cell->field], cell->day, cell->count, 0);
    }
    free(places);
}

void unit_clear(struct unit *unit)
{
    free(unit->fields);
    free(unit->slices);
    unit->fields = NULL;
    unit->slices = NULL;
    unit->field_count = unit->slice_count = unit->slices_done = 0;
    day_sums_free(&unit->counted);
    day_sums_free(&unit->copied);
    day_sums_free(&unit->found);
}

bool migrate_plan(struct migrate *m, struct session *source, struct unit *unit)
{
    struct day_sums counted = {0};
    unit_clear(unit);
    bool ok = count_series(m, source, unit->table) && count(source, unit, &counted);
    if (ok) {
        choose_fields(unit, &counted);
        cut(unit, m->slice_values);
    }
    day_sums_free(&counted);
    return ok;
}

void migrate_plan_reading(struct unit *unit)
{
    size_t kept = 0;
    for (size_t i = 0; i < unit->slice_count; i++) {
        struct slice slice = unit->slices[i];
        slice.series_offset = slice.series_limit = 0;
        slice.stage = SLICE_WAITING;
        /* Slices of one time and group of fields stand together. */
        if (!kept || unit->slices[kept - 1].start != slice.start ||
            unit->slices[kept - 1].field_first != slice.field_first)
            unit->slices[kept++] = slice;
    }
    unit->slice_count = kept;
    unit->slices_done = 0;
}
