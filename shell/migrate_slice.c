/*
 * migrate_slice.c - rows of an answer become lines of points and sums of days.
 *
 *     cpu,host=a usage=12.5,cores=8i 1577836800000000000
 *     +--------+ the series: written once a series, and hashed for the sums
 *
 * Lines go out in batches from within the answer: who reads slowly slows the old server down, nothing piles up.
 */
#include "shell/migrate_internal.h"

#include "shell/json_answer.h"
#include "shell/line_text.h"
#include "shell/words.h"

#include <stdlib.h>

#define BATCH_ROWS 5000
#define BATCH_BYTES (2u << 20)
#define CHUNK_ROWS 5000
#define CHUNK_CELLS 50000
#define COMPLAINTS_MAX 20

struct reader_column {
    struct silt_buffer mark; /* ",name=" as line protocol has it */
    bool is_unsigned, unwritable;
    int32_t day; /* of count and sum, which are not in the table yet */
    uint64_t count, sum;
};

struct slice_reader {
    struct migrate *migrate;
    struct client *client; /* to the target; NULL: nothing is written */
    struct write_points points;

    /* Of the slice that is read: */
    const struct unit *unit;
    const struct slice *slice;
    struct day_sums *sums;
    bool writes, is_json;
    struct reader_column *columns;
    size_t column_count, column_capacity;
    struct silt_buffer series;
    bool series_unwritable;
    uint64_t series_hash;
    struct silt_buffer lines;
    uint64_t rows;
};

static void complain(struct slice_reader *r, const char *what, struct silt_str text)
{
    struct migrate *m = r->migrate;
    pthread_mutex_lock(&m->lock);
    size_t number = ++m->complaints;
    pthread_mutex_unlock(&m->lock);
    if (number <= COMPLAINTS_MAX)
        migrate_say(m, "%s%.*s", what, (int)(text.len < 400 ? text.len : 400), text.p);
}

/* ---------------------------------------------------------------- to the target */

static void flush(struct slice_reader *r)
{
    if (!r->lines.len)
        return;
    struct migrate *m = r->migrate;
    struct silt_str lines = words_view(&r->lines);
    rate_take(&m->rate, r->rows, lines.len, migrate_stopped, m);
    switch (write_points(&r->points, r->client, lines)) {
    case WRITE_DONE:
        break;
    case WRITE_UNREACHABLE:
        migrate_stop(m, "%s: %s", client_address(r->client), r->points.why);
        break;
    default: { /* some were written, and reading back shows which were not */
        struct silt_buffer text = {0};
        answer_error(&text, &r->points.answer);
        complain(r, "the target refuses: ", words_view(&text));
        silt_buffer_free(&text);
    }
    }
    pthread_mutex_lock(&m->lock);
    m->rows_written += r->rows;
    pthread_mutex_unlock(&m->lock);
    r->lines.len = 0;
    r->rows = 0;
}

/* ---------------------------------------------------------------- events */

/* Line protocol has no way to say some texts, which come into InfluxDB by other ways only. */
static bool is_writable(struct silt_str text, bool starts_line)
{
    if (!text.len || text.p[text.len - 1] == '\\' || (starts_line && text.p[0] == '#'))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\\'))
            return false;
    return true;
}

static void settle_column(struct slice_reader *r, size_t i)
{
    struct reader_column *column = &r->columns[i];
    day_sums_add(r->sums, r->slice->field_first + (uint32_t)i, column->day, column->count, column->sum);
    column->count = column->sum = 0;
}

static void series_begin(void *context, const struct answer_series *series)
{
    struct slice_reader *r = context;
    r->series.len = 0;
    line_measurement(&r->series, series->name);
    r->series_unwritable = !is_writable(series->name, true);
    for (size_t i = 0; i < series->tag_count; i++) {
        if (!series->tags[i].value.len)
            continue;
        silt_buffer_char(&r->series, ',');
        line_key(&r->series, series->tags[i].key);
        silt_buffer_char(&r->series, '=');
        line_key(&r->series, series->tags[i].value);
        r->series_unwritable = r->series_unwritable || !is_writable(series->tags[i].key, false) ||
                               !is_writable(series->tags[i].value, false);
    }
    r->series_hash = silt_hash(r->series.p, r->series.len);
    if (r->series_unwritable && r->writes)
        complain(r, "line protocol cannot express the series ", words_view(&r->series));
}

static enum silt_type put_value(struct silt_buffer *out, const struct cell *cell, bool is_unsigned, uint64_t *bits)
{
    char digits[SILT_NUMBER_TEXT_MAX];
    double f64;
    *bits = 0;
    switch (cell->kind) {
    case CELL_FLOAT:
        memcpy(bits, cell->text.p, sizeof *bits);
        memcpy(&f64, bits, sizeof f64);
        silt_buffer_append(out, digits, silt_write_double_json(digits, f64));
        return SILT_TYPE_FLOAT;
    case CELL_INTEGER:
    case CELL_UNSIGNED:
        memcpy(bits, cell->text.p, sizeof *bits);
        is_unsigned = is_unsigned || cell->kind == CELL_UNSIGNED;
        silt_buffer_append(out, digits,
                           is_unsigned ? silt_write_uint(digits, *bits) : silt_write_int(digits, (int64_t)*bits));
        silt_buffer_char(out, is_unsigned ? 'u' : 'i');
        return is_unsigned ? SILT_TYPE_UNSIGNED : SILT_TYPE_INTEGER;
    case CELL_BOOLEAN:
        *bits = cell->text.p[0] == 't';
        silt_buffer_str(out, cell->text);
        return SILT_TYPE_BOOLEAN;
    default:
        *bits = silt_hash(cell->text.p, cell->text.len);
        line_value(out, cell, SILT_TYPE_STRING);
        return SILT_TYPE_STRING;
    }
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct slice_reader *r = context;
    silt_time time;
    if (count != r->column_count + 1 || cells[0].kind != CELL_INTEGER) {
        r->is_json = true;
        return;
    }
    memcpy(&time, cells[0].text.p, sizeof time);
    int32_t day = day_of(time);
    size_t start = r->lines.len;
    silt_buffer_str(&r->lines, words_view(&r->series));
    char between = ' ';
    for (size_t i = 0; i < r->column_count; i++) {
        if (cells[i + 1].kind == CELL_NULL)
            continue;
        struct reader_column *column = &r->columns[i];
        size_t before = r->lines.len;
        uint64_t bits;
        silt_buffer_char(&r->lines, between);
        silt_buffer_str(&r->lines, words_view(&column->mark));
        enum silt_type type = put_value(&r->lines, &cells[i + 1], column->is_unsigned, &bits);
        if (column->unwritable)
            r->lines.len = before;
        else
            between = ',';
        if (column->day != day) {
            settle_column(r, i);
            column->day = day;
        }
        column->count++;
        column->sum += day_sums_value(r->series_hash, time, type, bits);
    }
    if (!r->writes || r->series_unwritable || between == ' ') {
        r->lines.len = start;
        return;
    }
    char digits[24];
    silt_buffer_char(&r->lines, ' ');
    silt_buffer_append(&r->lines, digits, silt_write_int(digits, time));
    silt_buffer_char(&r->lines, '\n');
    if (++r->rows >= BATCH_ROWS || r->lines.len >= BATCH_BYTES)
        flush(r);
}

/* ---------------------------------------------------------------- a slice */

static void prepare(struct slice_reader *r, const struct unit *unit, const struct slice *slice)
{
    r->unit = unit;
    r->slice = slice;
    r->is_json = false;
    r->rows = 0;
    r->lines.len = 0;
    if (slice->field_count > r->column_capacity) {
        r->columns = silt_realloc(r->columns, slice->field_count * sizeof *r->columns);
        memset(r->columns + r->column_capacity, 0, (slice->field_count - r->column_capacity) * sizeof *r->columns);
        r->column_capacity = slice->field_count;
    }
    r->column_count = slice->field_count;
    for (size_t i = 0; i < slice->field_count; i++) {
        struct reader_column *column = &r->columns[i];
        const struct unit_field *field = &unit->fields[slice->field_first + i];
        column->mark.len = 0;
        line_key(&column->mark, field->name);
        silt_buffer_char(&column->mark, '=');
        column->is_unsigned = field->is_unsigned;
        column->unwritable = !is_writable(field->name, false);
        column->count = column->sum = 0;
        if (column->unwritable && r->writes)
            complain(r, "line protocol cannot express the field ", field->name);
    }
    r->points.database = unit->table->database;
    r->points.policy = unit->table->policy;
}

static void put_select(struct silt_buffer *out, const struct unit *unit, const struct slice *slice)
{
    for (size_t i = 0; i < slice->field_count; i++) {
        silt_buffer_str(out, i ? SILT_STR(", ") : SILT_STR("SELECT "));
        words_quote_identifier(out, unit->fields[slice->field_first + i].name);
        silt_buffer_str(out, SILT_STR("::field"));
    }
    silt_buffer_str(out, SILT_STR(" FROM "));
    migrate_table_name(out, unit->table);
    silt_buffer_printf(out, " WHERE time >= %lld AND time <= %lld GROUP BY *", (long long)slice->start,
                       (long long)slice->end - 1);
    if (slice->series_limit)
        silt_buffer_printf(out, " SLIMIT %llu", (unsigned long long)slice->series_limit);
    if (slice->series_offset)
        silt_buffer_printf(out, " SOFFSET %llu", (unsigned long long)slice->series_offset);
}

bool slice_read(struct slice_reader *r, struct session *source, const struct unit *unit, const struct slice *slice,
                bool copies, struct day_sums *sums)
{
    static const struct answer_events events = {.series_begin = series_begin, .row = row};
    struct silt_buffer text = {0};
    int64_t chunk = CHUNK_CELLS / slice->field_count < CHUNK_ROWS ? CHUNK_CELLS / slice->field_count : CHUNK_ROWS;
    day_sums_clear(sums);
    r->sums = sums;
    r->writes = copies;
    prepare(r, unit, slice);
    put_select(&text, unit, slice);
    bool ok = session_read(source, words_view(&text), unit->table->database, chunk, &events, r);
    silt_buffer_free(&text);
    if (ok && r->is_json) {
        session_set(&source->failure,
                    SILT_STR("the server does not answer by MessagePack, as InfluxDB does since 1.4"));
        source->unreachable = false;
        ok = false;
    }
    if (ok)
        flush(r);
    for (size_t i = 0; i < r->column_count; i++)
        settle_column(r, i);
    return ok && !migrate_stopped(r->migrate);
}

struct slice_reader *slice_reader_create(struct migrate *m, const struct client_config *target)
{
    struct slice_reader *r = silt_calloc(1, sizeof *r);
    r->migrate = m;
    r->client = client_create(target);
    client_set_cancel(r->client, &m->stopping);
    r->points = (struct write_points){.precision = "ns",
                                      .consistency = "",
                                      .patience_seconds = m->patience_seconds,
                                      .stopped = migrate_stopped,
                                      .context = m};
    return r;
}

void slice_reader_destroy(struct slice_reader *r)
{
    client_destroy(r->client);
    for (size_t i = 0; i < r->column_capacity; i++)
        silt_buffer_free(&r->columns[i].mark);
    free(r->columns);
    silt_buffer_free(&r->series);
    silt_buffer_free(&r->lines);
    silt_buffer_free(&r->points.answer);
    free(r);
}
