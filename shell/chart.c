/*
 * chart.c - scales, dots, axes, legend. A dot is a bit of its cell:
 *
 *     0 3
 *     1 4      U+2800 + bits
 *     2 5
 *     6 7
 */
#include "shell/chart.h"

#include "shell/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WIDTH_MIN 20
#define HEIGHT_MIN 3
#define LABEL_BYTES 32

static const char *const colors[] = {"\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[34m", "\033[31m"};
#define COLOR_COUNT (sizeof colors / sizeof *colors)

struct plot {
    const struct chart *chart;
    double x_from, x_to, y_from, y_to;
    unsigned columns, rows; /* of cells */
    uint8_t *dots;
    uint8_t *owner; /* line whose colour a cell has */
};

/* ---------------------------------------------------------------- scales */

double chart_step(double from, double to, unsigned most)
{
    double rough = (to - from) / (most ? most : 1);
    if (!(rough > 0) || !isfinite(rough))
        return 1;
    double power = pow(10, floor(log10(rough)));
    static const double steps[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 4; i++)
        if (steps[i] * power >= rough * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

double chart_time_step(double from, double to, unsigned most)
{
    static const double steps[] = {1,     2,     5,      10,     15,      30,      60,      120,
                                   300,   600,   900,    1800,   3600,    7200,    10800,   21600,
                                   43200, 86400, 172800, 604800, 2592000, 7776000, 31536000};
    double rough = (to - from) / (most ? most : 1);
    if (rough < 1)
        return chart_step(from, to, most);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i] >= rough)
            return steps[i];
    return chart_step(from, to, most);
}

/* false: there is no value. */
static bool find_ranges(struct plot *p)
{
    bool any = false;
    for (size_t i = 0; i < p->chart->line_count; i++) {
        const struct chart_line *line = &p->chart->lines[i];
        for (size_t n = 0; n < line->count; n++) {
            double x = line->x[n], y = line->y[n];
            if (!isfinite(x) || !isfinite(y))
                continue;
            p->x_from = any ? fmin(p->x_from, x) : x;
            p->x_to = any ? fmax(p->x_to, x) : x;
            p->y_from = any ? fmin(p->y_from, y) : y;
            p->y_to = any ? fmax(p->y_to, y) : y;
            any = true;
        }
    }
    if (p->x_from == p->x_to)
        p->x_from -= 0.5, p->x_to += 0.5;
    if (p->y_from == p->y_to) {
        double room = p->y_from ? fabs(p->y_from) / 10 : 1;
        p->y_from -= room, p->y_to += room;
    }
    return any;
}

/* ---------------------------------------------------------------- dots */

static void set_dot(struct plot *p, long x, long y, size_t line)
{
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x < 0 || y < 0 || x >= (long)p->columns * 2 || y >= (long)p->rows * 4)
        return;
    size_t cell = (size_t)(y / 4) * p->columns + (size_t)(x / 2);
    p->dots[cell] |= bits[y % 4][x % 2];
    p->owner[cell] = (uint8_t)line;
}

static long dot_x(const struct plot *p, double x)
{
    return lround((x - p->x_from) / (p->x_to - p->x_from) * (p->columns * 2 - 1));
}

static long dot_y(const struct plot *p, double y)
{
    double share = y / 2 - p->y_from / 2, whole = p->y_to / 2 - p->y_from / 2; /* halves: no overflow */
    return lround((1 - share / whole) * (p->rows * 4 - 1));
}

static void connect(struct plot *p, long x0, long y0, long x1, long y1, size_t line)
{
    long steps = labs(x1 - x0) > labs(y1 - y0) ? labs(x1 - x0) : labs(y1 - y0);
    for (long i = 0; i <= steps; i++)
        set_dot(p, steps ? x0 + lround((double)(x1 - x0) * (double)i / (double)steps) : x0,
                steps ? y0 + lround((double)(y1 - y0) * (double)i / (double)steps) : y0, line);
}

static void draw_line(struct plot *p, size_t index)
{
    const struct chart_line *line = &p->chart->lines[index];
    bool before = false;
    long last_x = 0, last_y = 0;
    for (size_t n = 0; n < line->count; n++) {
        bool there = isfinite(line->x[n]) && isfinite(line->y[n]);
        if (there) {
            long x = dot_x(p, line->x[n]), y = dot_y(p, line->y[n]);
            connect(p, before ? last_x : x, before ? last_y : y, x, y, index);
            last_x = x, last_y = y;
        }
        before = there;
    }
}

/* ---------------------------------------------------------------- text */

static void repeat(struct silt_buffer *out, const char *text, size_t count)
{
    for (; count; count--)
        silt_buffer_str(out, silt_str_from(text));
}

static void put_cell(struct silt_buffer *out, const struct plot *p, size_t cell)
{
    unsigned dots = p->dots[cell];
    if (!p->chart->unicode) {
        silt_buffer_char(out, dots ? '*' : ' ');
        return;
    }
    const char bytes[3] = {(char)0xE2, (char)(0xA0 | dots >> 6), (char)(0x80 | (dots & 0x3F))};
    if (dots)
        silt_buffer_append(out, bytes, 3);
    else
        silt_buffer_char(out, ' ');
}

static void put_row(struct silt_buffer *out, const struct plot *p, size_t row)
{
    size_t used = p->columns;
    while (used && !p->dots[row * p->columns + used - 1])
        used--;
    int color = -1;
    for (size_t i = 0; i < used; i++) {
        size_t cell = row * p->columns + i;
        int wanted = p->chart->color && p->dots[cell] ? p->owner[cell] % (int)COLOR_COUNT : color;
        if (wanted != color)
            silt_buffer_str(out, silt_str_from(colors[wanted]));
        color = wanted;
        put_cell(out, p, cell);
    }
    if (color >= 0)
        silt_buffer_str(out, SILT_STR("\033[0m"));
    silt_buffer_char(out, '\n');
}

/* Numbers on the value axis, all with the digits that the step needs. */
static void format_value(char *out, double value, double step)
{
    int digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    if (fabs(value) < step / 1e6)
        value = 0;
    if (value == 0)
        snprintf(out, LABEL_BYTES, "0");
    else if (fabs(value) >= 1e9 || digits > 6)
        snprintf(out, LABEL_BYTES, "%.*g", (int)fmin(15, fmax(4, floor(log10(fabs(value) / step)) + 2)), value);
    else
        snprintf(out, LABEL_BYTES, "%.*f", digits, value);
}

static void format_x(char *out, const struct plot *p, double x, double step)
{
    if (!p->chart->x_is_time) {
        format_value(out, x, step);
        return;
    }
    time_t seconds = (time_t)floor(x);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t len = strftime(out, LABEL_BYTES,
                          step >= 86400                 ? "%Y-%m-%d"
                          : p->x_to - p->x_from > 86400 ? "%m-%d %H:%M"
                          : step >= 60                  ? "%H:%M"
                                                        : "%H:%M:%S",
                          &tm);
    if (step < 1)
        snprintf(out + len, LABEL_BYTES - len, ".%03d", (int)floor((x - floor(x)) * 1000));
}

/* The mark of the value axis in this row of cells, if there is one. */
static bool mark_in_row(const struct plot *p, size_t row, double step, double *value)
{
    for (double y = ceil(p->y_from / step) * step; y <= p->y_to + step * 1e-9; y += step) {
        if ((size_t)(dot_y(p, y) / 4) == row) {
            *value = y;
            return true;
        }
        if (!(y + step > y))
            break;
    }
    return false;
}

static void put_x_axis(struct silt_buffer *out, const struct plot *p, size_t margin)
{
    bool unicode = p->chart->unicode;
    unsigned most = p->columns / 14 ? p->columns / 14 : 1;
    double step =
        p->chart->x_is_time ? chart_time_step(p->x_from, p->x_to, most) : chart_step(p->x_from, p->x_to, most);
    struct silt_buffer labels = {0};
    size_t drawn = 0, labelled = 0;
    repeat(out, " ", margin);
    silt_buffer_str(out, unicode ? SILT_STR(" └") : SILT_STR(" +"));
    for (double x = ceil(p->x_from / step) * step; x <= p->x_to; x += step) {
        size_t column = (size_t)(dot_x(p, x) / 2), width;
        char text[LABEL_BYTES];
        format_x(text, p, x, step);
        width = strlen(text);
        size_t start = column > width / 2 ? column - width / 2 : 0;
        if (column < p->columns && start >= labelled + (labelled ? 2 : 0) && start + width <= p->columns) {
            repeat(out, unicode ? "─" : "-", column - drawn);
            silt_buffer_str(out, unicode ? SILT_STR("┬") : SILT_STR("+"));
            drawn = column + 1;
            repeat(&labels, " ", start - labelled);
            silt_buffer_str(&labels, silt_str_from(text));
            labelled = start + width;
        }
        if (!(x + step > x))
            break;
    }
    repeat(out, unicode ? "─" : "-", p->columns - drawn);
    silt_buffer_char(out, '\n');
    repeat(out, " ", margin + 2);
    silt_buffer_str(out, words_view(&labels));
    silt_buffer_char(out, '\n');
    silt_buffer_free(&labels);
}

static void put_legend(struct silt_buffer *out, const struct chart *chart, size_t index)
{
    const struct chart_line *line = &chart->lines[index];
    double low = NAN, high = NAN, last = NAN;
    for (size_t n = 0; n < line->count; n++)
        if (isfinite(line->y[n])) {
            low = fmin(low, line->y[n]);
            high = fmax(high, line->y[n]);
            last = line->y[n];
        }
    if (chart->color)
        silt_buffer_str(out, silt_str_from(colors[index % COLOR_COUNT]));
    silt_buffer_str(out, chart->unicode ? SILT_STR("──") : SILT_STR("--"));
    if (chart->color)
        silt_buffer_str(out, SILT_STR("\033[0m"));
    silt_buffer_printf(out, " %.*s", SILT_FMT(line->name));
    if (isfinite(last))
        silt_buffer_printf(out, "  min %.6g  max %.6g  last %.6g\n", low, high, last);
    else
        silt_buffer_str(out, SILT_STR("  no values\n"));
}

void chart_draw(struct silt_buffer *out, const struct chart *chart)
{
    struct plot plot = {.chart = chart, .rows = chart->height < HEIGHT_MIN ? HEIGHT_MIN : chart->height};
    unsigned width = chart->width < WIDTH_MIN ? WIDTH_MIN : chart->width;
    if (!find_ranges(&plot)) {
        silt_buffer_str(out, SILT_STR("nothing to draw\n"));
        return;
    }
    double step = chart_step(plot.y_from, plot.y_to, plot.rows / 2 + 1);
    size_t margin = 0;
    double value;
    char text[LABEL_BYTES];
    for (size_t row = 0; row < plot.rows; row++)
        if (mark_in_row(&plot, row, step, &value)) {
            format_value(text, value, step);
            margin = strlen(text) > margin ? strlen(text) : margin;
        }
    plot.columns = width > margin + 2 + WIDTH_MIN / 2 ? width - (unsigned)margin - 2 : WIDTH_MIN / 2;
    plot.dots = silt_calloc((size_t)plot.columns * plot.rows, 1);
    plot.owner = silt_calloc((size_t)plot.columns * plot.rows, 1);
    for (size_t i = 0; i < chart->line_count; i++)
        draw_line(&plot, i);
    for (size_t row = 0; row < plot.rows; row++) {
        bool mark = mark_in_row(&plot, row, step, &value);
        text[0] = 0;
        if (mark)
            format_value(text, value, step);
        repeat(out, " ", margin - strlen(text));
        silt_buffer_str(out, silt_str_from(text));
        silt_buffer_str(out, silt_str_from(chart->unicode ? (mark ? " ┤" : " │") : (mark ? " +" : " |")));
        put_row(out, &plot, row);
    }
    put_x_axis(out, &plot, margin);
    for (size_t i = 0; i < chart->line_count; i++)
        put_legend(out, chart, i);
    free(plot.dots);
    free(plot.owner);
}
