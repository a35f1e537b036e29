/*
 * print_json.c - format json, as the `influx` shell prints it: one document, without statement ids, its members in a
 * fixed order, pretty with four spaces.
 *
 *     {"results":[{"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v"],"values":[[0,10]]}]},{}]}
 *
 * Every piece of a chunked answer is a result of its own. Strings are escaped as Go does, numbers stand as they were
 * sent.
 */
#include "shell/printer.h"

#include "shell/words.h"

#include <stdlib.h>

struct json_printer {
    struct printer base;
    FILE *out;
    bool pretty;
    unsigned depth;
    bool first; /* nothing is in the innermost bracket yet */
    bool results_open, series_list_open, messages_open, values_open;
    struct silt_buffer text, messages;
};

static void new_line(struct json_printer *p)
{
    if (!p->pretty)
        return;
    silt_buffer_char(&p->text, '\n');
    for (unsigned i = 0; i < p->depth; i++)
        silt_buffer_append(&p->text, "    ", 4);
}

static void item(struct json_printer *p)
{
    if (!p->first)
        silt_buffer_char(&p->text, ',');
    p->first = false;
    new_line(p);
}

static void open_bracket(struct json_printer *p, char bracket)
{
    silt_buffer_char(&p->text, bracket);
    p->depth++;
    p->first = true;
}

static void close_bracket(struct json_printer *p, char bracket)
{
    p->depth--;
    if (!p->first)
        new_line(p);
    silt_buffer_char(&p->text, bracket);
    p->first = false;
}

static void key(struct json_printer *p, struct silt_str name)
{
    item(p);
    silt_buffer_json_string(&p->text, name);
    silt_buffer_str(&p->text, p->pretty ? SILT_STR(": ") : SILT_STR(":"));
}

static void send(struct json_printer *p)
{
    fwrite(p->text.p, 1, p->text.len, p->out);
    p->text.len = 0;
}

static void result_begin(void *context)
{
    struct json_printer *p = context;
    if (!p->results_open) {
        key(p, SILT_STR("results"));
        open_bracket(p, '[');
        p->results_open = true;
    }
    item(p);
    open_bracket(p, '{');
    p->series_list_open = p->messages_open = false;
    p->messages.len = 0;
}

/* Messages stand behind the series: kept until the result ends. */
static void message(void *context, struct silt_str level, struct silt_str text)
{
    struct json_printer *p = context;
    silt_buffer_append(&p->messages, &level.len, sizeof level.len);
    silt_buffer_str(&p->messages, level);
    silt_buffer_append(&p->messages, &text.len, sizeof text.len);
    silt_buffer_str(&p->messages, text);
}

static void series_begin(void *context, const struct answer_series *series)
{
    struct json_printer *p = context;
    p->base.series++;
    if (!p->series_list_open) {
        key(p, SILT_STR("series"));
        open_bracket(p, '[');
        p->series_list_open = true;
    }
    item(p);
    open_bracket(p, '{');
    if (series->name.len) {
        key(p, SILT_STR("name"));
        silt_buffer_json_string(&p->text, series->name);
    }
    if (series->tag_count) {
        key(p, SILT_STR("tags"));
        open_bracket(p, '{');
        for (size_t i = 0; i < series->tag_count; i++) {
            key(p, series->tags[i].key);
            silt_buffer_json_string(&p->text, series->tags[i].value);
        }
        close_bracket(p, '}');
    }
    if (series->column_count) {
        key(p, SILT_STR("columns"));
        open_bracket(p, '[');
        for (size_t i = 0; i < series->column_count; i++) {
            item(p);
            silt_buffer_json_string(&p->text, series->columns[i]);
        }
        close_bracket(p, ']');
    }
    p->values_open = false;
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct json_printer *p = context;
    p->base.rows++;
    if (!p->values_open) {
        key(p, SILT_STR("values"));
        open_bracket(p, '[');
        p->values_open = true;
    }
    item(p);
    open_bracket(p, '[');
    for (size_t i = 0; i < count; i++) {
        item(p);
        if (cells[i].kind == CELL_STRING)
            silt_buffer_json_string(&p->text, cells[i].text);
        else
            silt_buffer_str(&p->text, cells[i].kind == CELL_NULL ? SILT_STR("null") : cells[i].text);
    }
    close_bracket(p, ']');
    send(p);
}

static void series_end(void *context, bool partial)
{
    struct json_printer *p = context;
    if (p->values_open)
        close_bracket(p, ']');
    if (partial) {
        key(p, SILT_STR("partial"));
        silt_buffer_str(&p->text, SILT_STR("true"));
    }
    close_bracket(p, '}');
}

static struct silt_str next_kept(struct json_printer *p, size_t *at)
{
    size_t len;
    memcpy(&len, p->messages.p + *at, sizeof len);
    struct silt_str text = {p->messages.p + *at + sizeof len, len};
    *at += sizeof len + len;
    return text;
}

static void result_end(void *context, struct silt_str error)
{
    struct json_printer *p = context;
    if (p->series_list_open)
        close_bracket(p, ']');
    if (p->messages.len) {
        key(p, SILT_STR("messages"));
        open_bracket(p, '[');
        for (size_t at = 0; at < p->messages.len;) {
            struct silt_str level = next_kept(p, &at), text = next_kept(p, &at);
            item(p);
            open_bracket(p, '{');
            key(p, SILT_STR("level"));
            silt_buffer_json_string(&p->text, level);
            key(p, SILT_STR("text"));
            silt_buffer_json_string(&p->text, text);
            close_bracket(p, '}');
        }
        close_bracket(p, ']');
    }
    if (error.p && error.len) {
        key(p, SILT_STR("error"));
        silt_buffer_json_string(&p->text, error);
    }
    close_bracket(p, '}');
    send(p);
}

static void failure(void *context, struct silt_str error)
{
    struct json_printer *p = context;
    if (p->results_open)
        close_bracket(p, ']');
    p->results_open = false;
    key(p, SILT_STR("error"));
    silt_buffer_json_string(&p->text, error);
}

static void finish(struct printer *printer)
{
    struct json_printer *p = (struct json_printer *)printer;
    if (p->results_open)
        close_bracket(p, ']');
    close_bracket(p, '}');
    silt_buffer_char(&p->text, '\n');
    send(p);
}

static void destroy(struct printer *printer)
{
    struct json_printer *p = (struct json_printer *)printer;
    silt_buffer_free(&p->text);
    silt_buffer_free(&p->messages);
    free(p);
}

struct printer *print_json_create(const struct printer_options *options)
{
    static const struct answer_events events = {result_begin, message,    series_begin, row,
                                                series_end,   result_end, failure};
    struct json_printer *p = silt_calloc(1, sizeof *p);
    p->base = (struct printer){.events = &events, .finish = finish, .destroy = destroy};
    p->out = options->out;
    p->pretty = options->pretty;
    open_bracket(p, '{');
    return &p->base;
}
