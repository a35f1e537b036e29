/*
 * print_line.c - format line: rows as line protocol, fit to be written again.
 *
 *     cpu,host=a usage=12.5,cores=8i 1577836800000000000
 *
 * Tags are the series' tags and those columns that the schema knows as tags of the measurement. JSON does not tell 8
 * from 8.0, the schema does; without it a number is a float. Rows without a field that has a value, series without a name,
 * and those with a line break in a tag (Prometheus' labels may have one) cannot be written as line protocol and are left out.
 * Times are as they were asked for: with an epoch,
 * numbers.
 */
#include "shell/printer.h"

#include "shell/line_text.h"
#include "shell/schema.h"
#include "shell/words.h"

#include <stdlib.h>

struct line_column {
    enum { FIELD, TAG, TIME } kind;
    enum silt_type type;
    struct silt_buffer key; /* escaped */
};

struct line_printer {
    struct printer base;
    FILE *out;
    const struct schema *schema;
    struct silt_buffer start; /* name and tags of the series */
    struct line_column *columns;
    size_t column_count, column_capacity;
    struct silt_buffer line;
};

static void series_begin(void *context, const struct answer_series *series)
{
    struct line_printer *p = context;
    p->base.series++;
    p->start.len = 0;
    line_measurement(&p->start, series->name);
    for (size_t i = 0; i < series->tag_count; i++) {
        if (!series->tags[i].value.len)
            continue;
        silt_buffer_char(&p->start, ',');
        line_key(&p->start, series->tags[i].key);
        silt_buffer_char(&p->start, '=');
        line_key(&p->start, series->tags[i].value);
    }
    if (series->column_count > p->column_capacity) {
        p->columns = silt_realloc(p->columns, series->column_count * sizeof *p->columns);
        memset(p->columns + p->column_capacity, 0, (series->column_count - p->column_capacity) * sizeof *p->columns);
        p->column_capacity = series->column_count;
    }
    p->column_count = series->name.len ? series->column_count : 0;
    for (size_t i = 0; i < p->column_count; i++) {
        struct line_column *column = &p->columns[i];
        struct silt_str key = series->columns[i];
        const struct schema_entry *field = p->schema ? schema_find(p->schema, series->name, SCHEMA_FIELD, key) : NULL;
        column->kind = i == 0 && silt_str_equal(key, SILT_STR("time"))                                ? TIME
                       : !field && p->schema && schema_find(p->schema, series->name, SCHEMA_TAG, key) ? TAG
                                                                                                      : FIELD;
        column->type = field ? field->type : SILT_TYPE_NONE;
        column->key.len = 0;
        line_key(&column->key, key);
    }
}

static void put_pairs(struct line_printer *p, const struct cell *cells, size_t count, int kind, char first)
{
    char between = first;
    for (size_t i = 0; i < count; i++) {
        const struct line_column *column = &p->columns[i];
        if ((int)column->kind != kind || cells[i].kind == CELL_NULL || (kind == TAG && !cells[i].text.len))
            continue;
        silt_buffer_char(&p->line, between);
        silt_buffer_str(&p->line, words_view(&column->key));
        silt_buffer_char(&p->line, '=');
        if (kind == TAG)
            line_key(&p->line, cells[i].text);
        else
            line_value(&p->line, &cells[i], column->type);
        between = ',';
    }
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct line_printer *p = context;
    count = count < p->column_count ? count : p->column_count;
    p->line.len = 0;
    silt_buffer_str(&p->line, words_view(&p->start));
    put_pairs(p, cells, count, TAG, ',');
    size_t before = p->line.len;
    if (count && memchr(p->line.p, '\n', before)) {
        p->base.unwritable++;
        return;
    }
    put_pairs(p, cells, count, FIELD, ' ');
    if (!count || p->line.len == before)
        return;
    if (p->columns[0].kind == TIME) {
        silt_buffer_char(&p->line, ' ');
        silt_buffer_str(&p->line, cells[0].text);
    }
    silt_buffer_char(&p->line, '\n');
    fwrite(p->line.p, 1, p->line.len, p->out);
    p->base.rows++;
}

static void finish(struct printer *printer)
{
}

static void destroy(struct printer *printer)
{
    struct line_printer *p = (struct line_printer *)printer;
    for (size_t i = 0; i < p->column_capacity; i++)
        silt_buffer_free(&p->columns[i].key);
    free(p->columns);
    silt_buffer_free(&p->start);
    silt_buffer_free(&p->line);
    free(p);
}

struct printer *print_line_create(const struct printer_options *options)
{
    static const struct answer_events events = {.series_begin = series_begin, .row = row};
    struct line_printer *p = silt_calloc(1, sizeof *p);
    p->base = (struct printer){.events = &events, .finish = finish, .destroy = destroy};
    p->out = options->out;
    p->schema = options->schema;
    return &p->base;
}
