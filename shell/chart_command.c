/*
 * chart_command.c - gathers points until the answer ends, at most POINTS_MAX of them, then draws.
 */
#include "shell/chart_command.h"

#include "shell/chart.h"
#include "shell/words.h"

#include <math.h>
#include <stdlib.h>

#define POINTS_MAX 2000000
#define LINES_MAX 12

struct gathered_line {
    struct silt_buffer name;
    double *x, *y;
    size_t count, capacity;
    bool any; /* a number was there */
};

struct gatherer {
    struct printer base;
    struct gathered_line lines[LINES_MAX];
    size_t line_count, points, lines_left_out;
    size_t *line_of; /* a column of the series -> line, or SIZE_MAX */
    size_t column_count;
    bool has_time, too_many;
};

static size_t find_line(struct gatherer *g, struct silt_str name)
{
    for (size_t i = 0; i < g->line_count; i++)
        if (silt_str_equal(words_view(&g->lines[i].name), name))
            return i;
    if (g->line_count == LINES_MAX) {
        g->lines_left_out++;
        return SIZE_MAX;
    }
    silt_buffer_str(&g->lines[g->line_count].name, name);
    return g->line_count++;
}

static void series_begin(void *context, const struct answer_series *series)
{
    struct gatherer *g = context;
    g->column_count = series->column_count;
    g->line_of = silt_realloc(g->line_of, (series->column_count + 1) * sizeof *g->line_of);
    g->has_time = series->column_count && silt_str_equal(series->columns[0], SILT_STR("time"));
    for (size_t i = 1; i < series->column_count; i++) {
        struct silt_buffer name = {0};
        silt_buffer_str(&name, series->name);
        if (series->tag_count) {
            silt_buffer_char(&name, ' ');
            printed_tags(&name, series, ", ");
        }
        silt_buffer_char(&name, ' ');
        silt_buffer_str(&name, series->columns[i]);
        g->line_of[i] = find_line(g, words_view(&name));
        silt_buffer_free(&name);
    }
}

static void add_point(struct gathered_line *line, double x, double y)
{
    if (line->count == line->capacity) {
        line->capacity = line->capacity ? line->capacity * 2 : 256;
        line->x = silt_realloc(line->x, line->capacity * sizeof *line->x);
        line->y = silt_realloc(line->y, line->capacity * sizeof *line->y);
    }
    line->x[line->count] = x;
    line->y[line->count++] = y;
    line->any = line->any || isfinite(y);
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct gatherer *g = context;
    double time;
    g->base.rows++;
    if (!g->has_time || !count || !silt_parse_double(cells[0].text.p, cells[0].text.len, &time))
        return;
    for (size_t i = 1; i < count && i < g->column_count; i++) {
        double value = NAN;
        if (g->line_of[i] == SIZE_MAX || cells[i].kind == CELL_STRING)
            continue;
        if (g->points == POINTS_MAX) {
            g->too_many = true;
            return;
        }
        if (cells[i].kind == CELL_BOOLEAN)
            value = cells[i].text.len == 4;
        else if (cells[i].kind == CELL_NUMBER && !silt_parse_double(cells[i].text.p, cells[i].text.len, &value))
            value = NAN;
        add_point(&g->lines[g->line_of[i]], time / 1e9, value);
        g->points++;
    }
}

static void finish(struct printer *printer)
{
}

static void draw(struct session *s, struct gatherer *g, unsigned screen_lines)
{
    struct chart_line lines[LINES_MAX];
    struct silt_buffer text = {0};
    size_t count = 0;
    for (size_t i = 0; i < g->line_count; i++)
        if (g->lines[i].any)
            lines[count++] =
                (struct chart_line){words_view(&g->lines[i].name), g->lines[i].x, g->lines[i].y, g->lines[i].count};
    unsigned around = (unsigned)count + 4; /* axis, its marks, legend, prompt */
    unsigned height = screen_lines > around + 5 ? screen_lines - around : 10;
    struct chart chart = {.lines = lines,
                          .line_count = count,
                          .width = s->width ? s->width : 80,
                          .height = height > 20 ? 20 : height,
                          .x_is_time = true,
                          .unicode = s->unicode,
                          .color = s->terminal && count > 1};
    chart_draw(&text, &chart);
    fwrite(text.p, 1, text.len, s->out);
    if (g->lines_left_out)
        fprintf(s->out, "only the first %d lines are drawn\n", LINES_MAX);
    if (g->too_many)
        fprintf(s->out, "only the first %d points are drawn; GROUP BY time(...) makes fewer of them\n", POINTS_MAX);
    silt_buffer_free(&text);
}

bool chart_command(struct session *s, struct silt_str statement, unsigned screen_lines)
{
    static const struct answer_events events = {.series_begin = series_begin, .row = row};
    struct gatherer *g = silt_calloc(1, sizeof *g);
    g->base = (struct printer){.events = &events, .finish = finish};
    bool ok = session_query_with(s, statement, &g->base, "ns");
    if (ok)
        draw(s, g, screen_lines);
    for (size_t i = 0; i < g->line_count; i++) {
        silt_buffer_free(&g->lines[i].name);
        free(g->lines[i].x);
        free(g->lines[i].y);
    }
    free(g->line_of);
    free(g);
    return ok;
}
