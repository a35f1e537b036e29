/*
 * tabs.h - columns whose cells end in tabs, aligned as Go's text/tabwriter aligns them (the `influx` shell's tables).
 *
 *     time\tv\n            time v
 *     ----\t-\n     ->     ---- -
 *     1000000\t5\n         1000000 5      a column is as wide as its widest cell plus one
 *
 * A column is a run of lines that all have a cell there which a tab ends; the last cell of a line belongs to none. A
 * line without a tab ends all columns. Widths count code points.
 *
 * Memory: lines are held until their columns end, at most TABS_HELD_BYTES of them; then what is held leaves, and its
 * widths are the least widths of what follows in the same columns.
 */
#ifndef SHELL_TABS_H
#define SHELL_TABS_H

#include "silt/text.h"

#include <stdio.h>

#define TABS_HELD_BYTES (8u << 20)

struct tabs_cell {
    size_t bytes, width;
};

struct tabs {
    FILE *out;
    struct silt_buffer text; /* of all cells, without their ends */
    struct tabs_cell *cells;
    size_t cell_count, cell_capacity;
    size_t *line_ends; /* in cells */
    size_t line_count, line_capacity;
    size_t cell_start; /* in text */
    size_t *widths, width_capacity, width_count;
    size_t *floors, floor_count, floor_capacity; /* least widths, from lines that left early */
};

void tabs_init(struct tabs *tabs, FILE *out);
void tabs_write(struct tabs *tabs, struct silt_str text); /* \t ends a cell, \n a line */
void tabs_flush(struct tabs *tabs);
void tabs_deinit(struct tabs *tabs);

#endif
