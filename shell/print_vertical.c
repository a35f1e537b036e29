/*
 * print_vertical.c - format vertical: a line per column, for rows that are too wide to read otherwise.
 *
 *     ── cpu host=a, row 1
 *      time: 2020-01-01T00:00:00Z
 *     usage: 12.5
 */
#include "shell/printer.h"

#include "shell/words.h"

#include <stdlib.h>

struct vertical_printer {
    struct printer base;
    FILE *out;
    bool unicode;
    struct printed_head head;
    struct silt_buffer title, columns; /* columns: right-aligned, each ended by \0 */
    size_t row_number;
};

static void message(void *context, struct silt_str level, struct silt_str text)
{
    fprintf(((struct vertical_printer *)context)->out, "%.*s: %.*s.\n", SILT_FMT(level), SILT_FMT(text));
}

static void series_begin(void *context, const struct answer_series *series)
{
    struct vertical_printer *p = context;
    p->base.series++;
    if (printed_head_same(&p->head, series))
        return;
    p->row_number = 0;
    p->title.len = p->columns.len = 0;
    silt_buffer_str(&p->title, series->name);
    if (series->tag_count) {
        silt_buffer_char(&p->title, ' ');
        printed_tags(&p->title, series, ", ");
    }
    size_t widest = 0;
    for (size_t i = 0; i < series->column_count; i++) {
        size_t width = words_width(series->columns[i]);
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < series->column_count; i++) {
        for (size_t n = words_width(series->columns[i]); n < widest; n++)
            silt_buffer_char(&p->columns, ' ');
        silt_buffer_str(&p->columns, series->columns[i]);
        silt_buffer_char(&p->columns, 0);
    }
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct vertical_printer *p = context;
    struct silt_str columns = words_view(&p->columns);
    const char *column = columns.p;
    p->base.rows++;
    fprintf(p->out, "%s %.*s%srow %zu\n", p->unicode ? "──" : "--", SILT_FMT(words_view(&p->title)),
            p->title.len ? ", " : "", ++p->row_number);
    for (size_t i = 0; i < count && column < columns.p + columns.len; i++, column += strlen(column) + 1)
        fprintf(p->out, "%s: %.*s\n", column, SILT_FMT(cells[i].text));
}

static void finish(struct printer *printer)
{
}

static void destroy(struct printer *printer)
{
    struct vertical_printer *p = (struct vertical_printer *)printer;
    silt_buffer_free(&p->head.text);
    silt_buffer_free(&p->title);
    silt_buffer_free(&p->columns);
    free(p);
}

struct printer *print_vertical_create(const struct printer_options *options)
{
    static const struct answer_events events = {.message = message, .series_begin = series_begin, .row = row};
    struct vertical_printer *p = silt_calloc(1, sizeof *p);
    p->base = (struct printer){.events = &events, .finish = finish, .destroy = destroy};
    p->out = options->out;
    p->unicode = options->unicode;
    return &p->base;
}
