/*
 * import_read.h - a file of points cut into batches, as it is read: plain or gzip, line protocol alone or in InfluxDB's
 * export form.
 *
 *     # DDL
 *     CREATE DATABASE d                        a statement per line
 *     # DML
 *     # CONTEXT-DATABASE:d                     where the points behind it belong
 *     # CONTEXT-RETENTION-POLICY:autogen
 *     cpu,host=a v=1 1577836800000000000
 *     note,host=a s="a text of
 *     two lines" 1577836800000000000           a point may go on in the next line
 *
 * With a mapping (csv_map.h) the file is CSV, and a batch holds the line protocol that its records are.
 *
 * A file that does not begin with a comment of that form is line protocol alone. A batch is never cut within a point,
 * and keeps comments and blank lines, so that its lines are numbered as in the file. Memory: one batch and one read.
 */
#ifndef SHELL_IMPORT_READ_H
#define SHELL_IMPORT_READ_H

#include "shell/csv_map.h"

#define IMPORT_BATCH_POINTS 10000
#define IMPORT_BATCH_BYTES (2u << 20)
#define IMPORT_LINE_BYTES_MAX (64u << 20)

enum import_item { IMPORT_END, IMPORT_STATEMENT, IMPORT_BATCH };

struct import_batch {
    struct silt_buffer text, database, policy;
    uint64_t first_line;   /* from 1 */
    uint64_t *point_lines; /* of CSV: the line of each point; NULL: as the lines of text are */
    size_t point_lines_capacity;
    size_t points; /* lines that are neither blank nor comments; a point of two lines counts once */
};

struct import_reader;

/* path "-": standard input. from_line: what is before it is not given, only its contexts count. */
enum silt_status import_reader_open(struct import_reader **out, const char *path, uint64_t from_line,
                                    struct silt_error *err);
/* Before the first read: the file is CSV. Rows that are no points are told to `complain`. The map is the reader's then.
 */
void import_reader_csv(struct import_reader *reader, struct csv_map *map,
                       void (*complain)(void *context, uint64_t line, const char *text), void *context);
void import_reader_close(struct import_reader *reader);
/* The batch is filled anew. err->text names file and line. */
enum silt_status import_reader_next(struct import_reader *reader, struct import_batch *batch, enum import_item *item,
                                    struct silt_error *err);
/* How much of the file has been read, 0 to 1; negative: not known. */
double import_reader_share(const struct import_reader *reader);
void import_batch_free(struct import_batch *batch);

/* Bytes of the first point of the text with its end of line, blank and comment lines before it included; *lines: how
 * many lines they are. All of the text when nothing ends in it. */
size_t import_point_length(struct silt_str text, size_t *lines);

#endif
