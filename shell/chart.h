/*
 * chart.h - lines drawn with braille dots: pure, rows of numbers in, text out.
 *
 *      80 ┤⠀⠀⠀⡠⠒⠢⡀                   a cell is 2 dots wide and 4 high
 *         │⠀⡠⠊⠀⠀⠀⠈⠢⡀
 *      40 ┤⠊⠀⠀⠀⠀⠀⠀⠀⠈⠒
 *         └┬─────────┬───
 *          00:00     00:10
 *      ── cpu host=a usage   min 40  max 78.5  last 44
 */
#ifndef SHELL_CHART_H
#define SHELL_CHART_H

#include "silt/text.h"

struct chart_line {
    struct silt_str name;
    const double *x; /* rising, as seconds since 1970 when x_is_time */
    const double *y; /* NaN: no value there, the line is broken */
    size_t count;
};

struct chart {
    const struct chart_line *lines;
    size_t line_count;
    unsigned width, height; /* of the whole in columns; of the plot in rows */
    bool x_is_time;
    bool unicode; /* braille and box lines, else ASCII */
    bool color;   /* a colour per line, by escape sequences */
};

/* Appends the drawing; "nothing to draw\n" where there are no values. */
void chart_draw(struct silt_buffer *out, const struct chart *chart);

/* Marks for an axis: the round step (1, 2 or 5 times a power of ten) that gives at most `most` of them. */
double chart_step(double from, double to, unsigned most);
/* The same for time: seconds, minutes, hours and days that people count in. */
double chart_time_step(double from, double to, unsigned most);

#endif
