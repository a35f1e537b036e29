/*
 * printer.h - an answer shown in one format. A printer takes the events of json_answer.h and writes them to a stream.
 *
 *   column    the `influx` shell's tables, byte for byte       print_column.c
 *   csv       its CSV                                          print_csv.c
 *   json      its JSON, plain or pretty                        print_json.c
 *   table     for a terminal: numbers aligned, fits the width  table.c
 *   vertical  a line per column                                print_vertical.c
 *   line      line protocol                                    print_line.c
 */
#ifndef SHELL_PRINTER_H
#define SHELL_PRINTER_H

#include "shell/json_answer.h"

#include <stdio.h>

struct schema;

struct printer_options {
    FILE *out;
    bool pretty;                 /* json */
    unsigned width;              /* table: of the terminal; 0: no bound */
    bool unicode;                /* table: lines and ellipses beyond ASCII */
    const struct schema *schema; /* line: what is a tag, and which numbers are integers; may be NULL */
};

/* Each format has a struct that begins with this one. */
struct printer {
    const struct answer_events *events; /* context: the printer */
    void (*finish)(struct printer *printer);
    void (*destroy)(struct printer *printer);
    size_t rows; /* shown so far */
    size_t series;
    size_t unwritable; /* line: rows left out because a line break in a name or tag would end the line */
};

struct printer *print_column_create(const struct printer_options *options);
struct printer *print_csv_create(const struct printer_options *options);
struct printer *print_json_create(const struct printer_options *options);
struct printer *print_vertical_create(const struct printer_options *options);
struct printer *print_line_create(const struct printer_options *options);
struct printer *table_create(const struct printer_options *options);

typedef struct printer *(*printer_create_fn)(const struct printer_options *options);
/* NULL: there is no such format. */
printer_create_fn printer_find(struct silt_str format);

/* ---------------------------------------------------------------- shared by column and csv */

/* Name, tags and columns of the series whose head was printed last. */
struct printed_head {
    struct silt_buffer text;
    bool any;
};

/* Whether this head equals the one before; if not it is remembered. */
bool printed_head_same(struct printed_head *head, const struct answer_series *series);
/* "k=v" of each tag, sorted as whole texts, with `separator` between. */
void printed_tags(struct silt_buffer *out, const struct answer_series *series, const char *separator);

#endif
