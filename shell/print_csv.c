/*
 * print_csv.c - format csv, as the `influx` shell prints it.
 *
 *     name,tags,time,v
 *     cpu,host=a,0,10
 *     cpu,"dc=x,host=b",5,1.5
 *
 * The column `tags` is there for series with tags only. Heads are repeated as in print_column.c. Fields are quoted by
 * the rules of Go's encoding/csv. That shell joins a line by tabs and cuts it again, so a tab within a text begins a
 * new field.
 */
#include "shell/printer.h"

#include "shell/words.h"

#include <stdlib.h>

struct csv_printer {
    struct printer base;
    FILE *out;
    struct printed_head head;
    struct silt_buffer start; /* of every line of the series: name and tags */
    struct silt_buffer line;
    size_t series_index;
    bool head_hidden;
};

/* Whether a field that begins so is quoted for it: Go's white space. */
static bool begins_with_space(struct silt_str field)
{
    const unsigned char *p = (const unsigned char *)field.p;
    if (p[0] == ' ' || (p[0] >= '\t' && p[0] <= '\r'))
        return true;
    if (field.len >= 2 && p[0] == 0xC2)
        return p[1] == 0x85 || p[1] == 0xA0;
    if (field.len < 3)
        return false;
    uint32_t c = (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]);
    return c == 0xE19A80 || (c >= 0xE28080 && c <= 0xE2808A) || c == 0xE280A8 || c == 0xE280A9 || c == 0xE280AF ||
           c == 0xE2819F || c == 0xE38080;
}

static bool needs_quotes(struct silt_str field)
{
    if (!field.len)
        return false;
    if (silt_str_equal(field, SILT_STR("\\.")))
        return true;
    for (size_t i = 0; i < field.len; i++)
        if (strchr(",\"\r\n", field.p[i]) && field.p[i])
            return true;
    return begins_with_space(field);
}

static void put_field(FILE *out, struct silt_str field)
{
    if (!needs_quotes(field)) {
        fwrite(field.p, 1, field.len, out);
        return;
    }
    putc('"', out);
    for (size_t i = 0; i < field.len; i++) {
        if (field.p[i] == '"')
            putc('"', out);
        putc(field.p[i], out);
    }
    putc('"', out);
}

static void send_line(struct csv_printer *p)
{
    struct silt_str rest = words_view(&p->line);
    for (;;) {
        const char *tab = memchr(rest.p, '\t', rest.len);
        struct silt_str field = {rest.p, tab ? (size_t)(tab - rest.p) : rest.len};
        put_field(p->out, field);
        if (!tab)
            break;
        putc(',', p->out);
        rest = (struct silt_str){tab + 1, rest.len - field.len - 1};
    }
    putc('\n', p->out);
    p->line.len = 0;
}

static void result_begin(void *context)
{
    ((struct csv_printer *)context)->series_index = 0;
}

static void add(struct silt_buffer *line, bool first, struct silt_str text)
{
    if (!first)
        silt_buffer_char(line, '\t');
    silt_buffer_str(line, text);
}

static void series_begin(void *context, const struct answer_series *series)
{
    struct csv_printer *p = context;
    p->base.series++;
    if (p->series_index++ == 0)
        p->head_hidden = printed_head_same(&p->head, series);
    p->start.len = 0;
    silt_buffer_str(&p->start, series->name);
    if (series->tag_count) {
        if (series->name.len)
            silt_buffer_char(&p->start, '\t');
        printed_tags(&p->start, series, ",");
    }
    if (series->name.len || series->tag_count)
        silt_buffer_char(&p->start, '\t');
    if (p->head_hidden)
        return;
    bool first = true;
    if (series->name.len)
        add(&p->line, first, SILT_STR("name")), first = false;
    if (series->tag_count)
        add(&p->line, first, SILT_STR("tags")), first = false;
    for (size_t i = 0; i < series->column_count; i++)
        add(&p->line, first, series->columns[i]), first = false;
    send_line(p);
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct csv_printer *p = context;
    p->base.rows++;
    silt_buffer_str(&p->line, words_view(&p->start));
    for (size_t i = 0; i < count; i++)
        add(&p->line, i == 0, cells[i].text);
    send_line(p);
}

static void finish(struct printer *printer)
{
}

static void destroy(struct printer *printer)
{
    struct csv_printer *p = (struct csv_printer *)printer;
    silt_buffer_free(&p->head.text);
    silt_buffer_free(&p->start);
    silt_buffer_free(&p->line);
    free(p);
}

struct printer *print_csv_create(const struct printer_options *options)
{
    static const struct answer_events events = {.result_begin = result_begin, .series_begin = series_begin, .row = row};
    struct csv_printer *p = silt_calloc(1, sizeof *p);
    p->base = (struct printer){.events = &events, .finish = finish, .destroy = destroy};
    p->out = options->out;
    return &p->base;
}
