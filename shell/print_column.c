/*
 * print_column.c - format column, as the `influx` shell prints it.
 *
 *     name: cpu
 *     tags: host=a
 *     time v
 *     ---- -
 *     0    10
 *
 * A head is left out when a result's first series has the same one as the result's before; then the result's other
 * heads are left out too. A blank line stands between results and between series.
 */
#include "shell/printer.h"

#include "shell/tabs.h"
#include "shell/words.h"

#include <stdlib.h>

struct column_printer {
    struct printer base;
    FILE *out;
    struct tabs tabs;
    struct printed_head head;
    struct silt_buffer line;
    size_t result_index, series_index; /* of the result */
    bool head_hidden;
};

static void send_line(struct column_printer *p)
{
    silt_buffer_char(&p->line, '\n');
    tabs_write(&p->tabs, words_view(&p->line));
    p->line.len = 0;
}

static void result_begin(void *context)
{
    ((struct column_printer *)context)->series_index = 0;
}

static void message(void *context, struct silt_str level, struct silt_str text)
{
    fprintf(((struct column_printer *)context)->out, "%.*s: %.*s.\n", SILT_FMT(level), SILT_FMT(text));
}

static void series_begin(void *context, const struct answer_series *series)
{
    struct column_printer *p = context;
    p->base.series++;
    if (p->series_index == 0) {
        p->head_hidden = printed_head_same(&p->head, series);
        if (!p->head_hidden && p->result_index > 0)
            send_line(p);
    } else if (!p->head_hidden) {
        send_line(p);
    }
    p->series_index++;
    if (p->head_hidden)
        return;
    if (series->name.len) {
        silt_buffer_str(&p->line, SILT_STR("name: "));
        silt_buffer_str(&p->line, series->name);
        send_line(p);
    }
    if (series->tag_count) {
        silt_buffer_str(&p->line, SILT_STR("tags: "));
        printed_tags(&p->line, series, ", ");
        send_line(p);
    }
    for (size_t i = 0; i < series->column_count; i++) {
        if (i)
            silt_buffer_char(&p->line, '\t');
        silt_buffer_str(&p->line, series->columns[i]);
    }
    send_line(p);
    for (size_t i = 0; i < series->column_count; i++) {
        if (i)
            silt_buffer_char(&p->line, '\t');
        for (size_t n = 0; n < series->columns[i].len; n++)
            silt_buffer_char(&p->line, '-');
    }
    send_line(p);
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct column_printer *p = context;
    p->base.rows++;
    for (size_t i = 0; i < count; i++) {
        if (i)
            silt_buffer_char(&p->line, '\t');
        silt_buffer_str(&p->line, cells[i].text);
    }
    send_line(p);
}

static void result_end(void *context, struct silt_str error)
{
    struct column_printer *p = context;
    if (p->series_index == 0 && p->result_index > 0)
        send_line(p);
    p->result_index++;
}

static void finish(struct printer *printer)
{
    tabs_flush(&((struct column_printer *)printer)->tabs);
}

static void destroy(struct printer *printer)
{
    struct column_printer *p = (struct column_printer *)printer;
    tabs_deinit(&p->tabs);
    silt_buffer_free(&p->head.text);
    silt_buffer_free(&p->line);
    free(p);
}

struct printer *print_column_create(const struct printer_options *options)
{
    static const struct answer_events events = {.result_begin = result_begin,
                                                .message = message,
                                                .series_begin = series_begin,
                                                .row = row,
                                                .result_end = result_end};
    struct column_printer *p = silt_calloc(1, sizeof *p);
    p->base = (struct printer){.events = &events, .finish = finish, .destroy = destroy};
    p->out = options->out;
    tabs_init(&p->tabs, options->out);
    return &p->base;
}
