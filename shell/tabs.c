/*
 * tabs.c - elastic tab stops: widths by recursion over columns, as the algorithm of Gudmundsson goes.
 */
#include "shell/tabs.h"

#include "shell/words.h"

#include <stdlib.h>

void tabs_init(struct tabs *tabs, FILE *out)
{
    *tabs = (struct tabs){.out = out};
}

void tabs_deinit(struct tabs *tabs)
{
    silt_buffer_free(&tabs->text);
    free(tabs->cells);
    free(tabs->line_ends);
    free(tabs->widths);
    free(tabs->floors);
}

static size_t line_begin(const struct tabs *tabs, size_t line)
{
    return line ? tabs->line_ends[line - 1] : 0;
}

static size_t line_cells(const struct tabs *tabs, size_t line)
{
    return tabs->line_ends[line] - line_begin(tabs, line);
}

static void spaces(FILE *out, size_t count)
{
    static const char blank[] = "                                                                ";
    for (; count; count -= count < sizeof blank - 1 ? count : sizeof blank - 1)
        fwrite(blank, 1, count < sizeof blank - 1 ? count : sizeof blank - 1, out);
}

/* Writes whole lines with the widths in force; *at is the place in text. */
static void write_lines(struct tabs *tabs, size_t from, size_t to, size_t *at)
{
    for (size_t line = from; line < to; line++) {
        size_t first = line_begin(tabs, line), count = line_cells(tabs, line);
        for (size_t i = 0; i < count; i++) {
            const struct tabs_cell *cell = &tabs->cells[first + i];
            if (cell->bytes)
                fwrite(tabs->text.p + *at, 1, cell->bytes, tabs->out);
            *at += cell->bytes;
            if (i < tabs->width_count && tabs->widths[i] > cell->width)
                spaces(tabs->out, tabs->widths[i] - cell->width);
        }
        putc('\n', tabs->out);
    }
}

static void format(struct tabs *tabs, size_t from, size_t to, size_t *at, bool first_block)
{
    size_t column = tabs->width_count;
    for (size_t line = from; line < to; line++) {
        if (column + 1 >= line_cells(tabs, line))
            continue;
        write_lines(tabs, from, line, at);
        bool continued = first_block && line == 0 && column < tabs->floor_count;
        from = line;
        size_t width = continued ? tabs->floors[column] : 0;
        for (; line < to && column + 1 < line_cells(tabs, line); line++) {
            size_t wide = tabs->cells[line_begin(tabs, line) + column].width + 1;
            width = wide > width ? wide : width;
        }
        if (tabs->width_count == tabs->width_capacity) {
            tabs->width_capacity = tabs->width_capacity ? tabs->width_capacity * 2 : 16;
            tabs->widths = silt_realloc(tabs->widths, tabs->width_capacity * sizeof *tabs->widths);
        }
        tabs->widths[tabs->width_count++] = width;
        format(tabs, from, line, at, first_block);
        tabs->width_count--;
        from = line;
        line--;
    }
    write_lines(tabs, from, to, at);
}

static void forget_lines(struct tabs *tabs)
{
    tabs->text.len = tabs->cell_start = tabs->cell_count = tabs->line_count = 0;
}

/* What is held leaves although its columns go on: their widths now are kept as floors. */
static void leave_early(struct tabs *tabs)
{
    size_t last = tabs->line_count - 1, columns = line_cells(tabs, last) - 1;
    size_t *widths = silt_calloc(columns + 1, sizeof *widths);
    for (size_t column = 0; column < columns; column++) {
        widths[column] = column < tabs->floor_count ? tabs->floors[column] : 0;
        for (size_t line = last + 1; line-- > 0 && column + 1 < line_cells(tabs, line);) {
            size_t wide = tabs->cells[line_begin(tabs, line) + column].width + 1;
            widths[column] = wide > widths[column] ? wide : widths[column];
        }
    }
    size_t at = 0;
    format(tabs, 0, tabs->line_count, &at, true);
    forget_lines(tabs);
    free(tabs->floors);
    tabs->floors = widths;
    tabs->floor_count = columns;
}

void tabs_flush(struct tabs *tabs)
{
    size_t at = 0;
    format(tabs, 0, tabs->line_count, &at, true);
    forget_lines(tabs);
    tabs->floor_count = 0;
}

static void end_cell(struct tabs *tabs)
{
    if (tabs->cell_count == tabs->cell_capacity) {
        tabs->cell_capacity = tabs->cell_capacity ? tabs->cell_capacity * 2 : 256;
        tabs->cells = silt_realloc(tabs->cells, tabs->cell_capacity * sizeof *tabs->cells);
    }
    struct silt_str cell = {tabs->text.p ? tabs->text.p + tabs->cell_start : "", tabs->text.len - tabs->cell_start};
    tabs->cells[tabs->cell_count++] = (struct tabs_cell){cell.len, cell.len ? words_runes(cell) : 0};
    tabs->cell_start = tabs->text.len;
}

static void end_line(struct tabs *tabs, bool cut)
{
    end_cell(tabs);
    if (tabs->line_count == tabs->line_capacity) {
        tabs->line_capacity = tabs->line_capacity ? tabs->line_capacity * 2 : 64;
        tabs->line_ends = silt_realloc(tabs->line_ends, tabs->line_capacity * sizeof *tabs->line_ends);
    }
    tabs->line_ends[tabs->line_count++] = tabs->cell_count;
    if (cut || line_cells(tabs, tabs->line_count - 1) == 1)
        tabs_flush(tabs);
    else if (tabs->text.len + tabs->cell_count * sizeof *tabs->cells > TABS_HELD_BYTES)
        leave_early(tabs);
}

void tabs_write(struct tabs *tabs, struct silt_str text)
{
    size_t start = 0;
    for (size_t at = 0; at < text.len; at++) {
        char c = text.p[at];
        if (c != '\t' && c != '\n' && c != '\v' && c != '\f')
            continue;
        silt_buffer_append(&tabs->text, text.p + start, at - start);
        start = at + 1;
        if (c == '\t' || c == '\v')
            end_cell(tabs);
        else
            end_line(tabs, c == '\f');
    }
    silt_buffer_append(&tabs->text, text.p + start, text.len - start);
}
