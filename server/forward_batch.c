/*
 * forward_batch.c - see forward_batch.h.
 */
#include "server/forward_batch.h"

#include <pthread.h>
#include <stdlib.h>

#define TIME_BYTES_MAX 21 /* a blank and a number */
#define ROWS_PER_RESET 256

struct line { /* of a point, in the text */
    uint32_t at, series_bytes;
    silt_time time;
};

struct forward_batch {
    _Atomic unsigned references;
    struct silt_budget *budget;
    size_t charged;
    size_t count;

    pthread_mutex_t lock; /* guards the step from here */
    char *text;
    size_t text_bytes;
    struct line *lines;
    /* to here: */
    bool rendered;
    struct silt_buffer body;
    size_t *ends; /* of the body's lines, behind the newline */
};

/* ---------------------------------------------------------------- points as text */

static void put_escaped(struct silt_buffer *out, struct silt_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] == ',' || name.p[i] == '=' || name.p[i] == ' ')
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, name.p[i]);
    }
}

static void put_string(struct silt_buffer *out, struct silt_str text)
{
    silt_buffer_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, text.p[i]);
    }
    silt_buffer_char(out, '"');
}

static void put_value(struct silt_buffer *out, enum silt_type type, union silt_value value)
{
    char text[SILT_NUMBER_TEXT_MAX];

    switch (type) {
    case SILT_TYPE_FLOAT:
        silt_buffer_append(out, text, silt_write_double_plain(text, value.f64));
        break;
    case SILT_TYPE_INTEGER:
        silt_buffer_append(out, text, silt_write_int(text, value.i64));
        silt_buffer_char(out, 'i');
        break;
    case SILT_TYPE_UNSIGNED:
        silt_buffer_append(out, text, silt_write_uint(text, value.u64));
        silt_buffer_char(out, 'u');
        break;
    case SILT_TYPE_STRING:
        put_string(out, silt_bytes_str(value.string));
        break;
    case SILT_TYPE_BOOLEAN:
        silt_buffer_str(out, value.boolean ? SILT_STR("true") : SILT_STR("false"));
        break;
    case SILT_TYPE_NONE:
        break;
    }
}

static void put_point(struct silt_buffer *out, const struct silt_batch *batch, const struct silt_row *row)
{
    const struct silt_layout *layout = &batch->layouts[row->layout];

    silt_buffer_str(out, row->series);
    for (uint32_t i = 0; i < layout->field_count; i++) {
        silt_buffer_char(out, i ? ',' : ' ');
        put_escaped(out, layout->fields[i].name);
        silt_buffer_char(out, '=');
        put_value(out, layout->fields[i].type, batch->values[row->value_offset + i]);
    }
    silt_buffer_char(out, '\n');
}

/* ---------------------------------------------------------------- create */

/* A label of Prometheus may have a newline; in a line it belongs to the series only behind a backslash. */
static bool is_a_line(struct silt_str series)
{
    const char *end = series.p + series.len;

    for (const char *p = series.p; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        if (p == series.p || p[-1] != '\\')
            return false;
    return true;
}

struct walk { /* over the rows that were stored */
    const struct silt_batch *batch;
    const struct silt_write_report *report;
    size_t row, rejection;
};

static const struct silt_row *next_row(struct walk *walk)
{
    const struct silt_write_report *report = walk->report;

    while (walk->row < walk->batch->row_count) {
        const struct silt_row *row = &walk->batch->rows[walk->row++];
        bool rejected = false;
        while (walk->rejection < report->rejection_count && report->rejections[walk->rejection].line == row->line) {
            walk->rejection++;
            rejected = true;
        }
        if (!rejected)
            return row;
    }
    return NULL;
}

struct forward_batch *forward_batch_create(struct silt_budget *budget, struct silt_str text,
                                           const struct silt_batch *batch, const struct silt_write_report *report,
                                           bool *dropped)
{
    struct walk walk = {.batch = batch, .report = report};
    struct silt_buffer own = {0};
    const struct silt_row *row;

    *dropped = false;
    if (batch->row_count == 0)
        return NULL;
    struct forward_batch *made = silt_calloc(1, sizeof(*made));
    atomic_store(&made->references, 1);
    made->budget = budget;
    made->lines = silt_malloc(batch->row_count * sizeof(*made->lines));
    pthread_mutex_init(&made->lock, NULL);
    while ((row = next_row(&walk))) {
        if (!text.p && !is_a_line(row->series))
            continue;
        size_t at = text.p ? (size_t)(row->series.p - text.p) : own.len;
        made->lines[made->count++] = (struct line){(uint32_t)at, (uint32_t)row->series.len, row->time};
        if (!text.p)
            put_point(&own, batch, row);
    }
    made->text = own.p;
    made->text_bytes = text.p ? text.len : own.len;
    /* The text as it came and as it goes, and where its lines are in both. */
    size_t bytes = sizeof(*made) + 2 * made->text_bytes +
                   batch->row_count * (sizeof(struct line) + sizeof(size_t) + TIME_BYTES_MAX);
    if (made->count) {
        *dropped = made->text_bytes > UINT32_MAX || silt_budget_charge(budget, bytes, NULL) != SILT_OK;
        made->charged = *dropped ? 0 : bytes;
    }
    if (*dropped || made->count == 0) {
        forward_batch_release(made);
        return NULL;
    }
    if (text.p) {
        made->text = silt_malloc(text.len);
        memcpy(made->text, text.p, text.len);
    }
    return made;
}

void forward_batch_acquire(struct forward_batch *batch)
{
    atomic_fetch_add(&batch->references, 1);
}

void forward_batch_release(struct forward_batch *batch)
{
    if (atomic_fetch_sub(&batch->references, 1) != 1)
        return;
    silt_budget_release(batch->budget, batch->charged);
    free(batch->text);
    free(batch->lines);
    free(batch->ends);
    silt_buffer_free(&batch->body);
    pthread_mutex_destroy(&batch->lock);
    free(batch);
}

/* ---------------------------------------------------------------- the text that is sent */

/* Behind the fields that begin at `at`: the first blank or end of line that is neither in quotes nor escaped. */
static const char *fields_end(const char *at, const char *end)
{
    size_t equals = 0, commas = 0; /* more equals than commas is inside a value */
    bool quoted = false;

    for (; at < end; at++) {
        if (*at == '\\' && end - at > 1)
            at++;
        else if (*at == '"' && equals > commas)
            quoted = !quoted;
        else if (!quoted && (*at == ' ' || *at == '\n' || *at == '\r'))
            break;
        else if (!quoted)
            equals += *at == '=', commas += *at == ',';
    }
    return at;
}

/* With its tags in order; as it came where there is nothing to put in order. */
static struct silt_str series_key(struct silt_str series, struct silt_arena *arena)
{
    struct silt_str key, measurement;
    struct silt_tag *tags;
    size_t tag_count;
    const char *comma = memchr(series.p, ',', series.len);

    if (!comma || !memchr(comma + 1, ',', series.len - (size_t)(comma + 1 - series.p)))
        return series;
    return silt_series_key_parse(series, arena, &key, &measurement, &tags, &tag_count) ? series : key;
}

static void render(struct forward_batch *batch)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    const char *end = batch->text + batch->text_bytes;
    char number[SILT_NUMBER_TEXT_MAX];

    batch->ends = silt_malloc(batch->count * sizeof(*batch->ends));
    silt_buffer_reserve(&batch->body, batch->text_bytes + batch->count * TIME_BYTES_MAX);
    for (size_t i = 0; i < batch->count; i++) {
        const struct line *line = &batch->lines[i];
        const char *fields = batch->text + line->at + line->series_bytes;
        silt_buffer_str(&batch->body, series_key((struct silt_str){batch->text + line->at, line->series_bytes}, arena));
        while (fields < end && (*fields == ' ' || *fields == '\t'))
            fields++;
        silt_buffer_char(&batch->body, ' ');
        silt_buffer_append(&batch->body, fields, (size_t)(fields_end(fields, end) - fields));
        silt_buffer_char(&batch->body, ' ');
        silt_buffer_append(&batch->body, number, silt_write_int(number, line->time));
        silt_buffer_char(&batch->body, '\n');
        batch->ends[i] = batch->body.len;
        if (i % ROWS_PER_RESET == ROWS_PER_RESET - 1)
            silt_arena_reset(arena);
    }
    silt_arena_destroy(arena);
    free(batch->text);
    free(batch->lines);
    batch->text = NULL;
    batch->lines = NULL;
    batch->rendered = true;
}

struct silt_str forward_batch_body(struct forward_batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    if (!batch->rendered)
        render(batch);
    pthread_mutex_unlock(&batch->lock);
    return (struct silt_str){batch->body.p, batch->body.len};
}

size_t forward_batch_points(const struct forward_batch *batch)
{
    return batch->count;
}

struct silt_str forward_batch_line(const struct forward_batch *batch, size_t index)
{
    size_t begin = index ? batch->ends[index - 1] : 0;

    return (struct silt_str){batch->body.p + begin, batch->ends[index] - 1 - begin};
}
