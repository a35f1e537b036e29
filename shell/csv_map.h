/*
 * csv_map.h - rows of CSV into line protocol, by a mapping: pure.
 *
 *     measurement=cpu tags=host,dc fields=usage,cores:integer,note:string time=ts:s
 *
 *     host,dc,usage,cores,note,ts
 *     web1,"a,b",12.5,8,"say ""hi""",1577836800   ->   cpu,host=web1,dc=a\,b usage=12.5,cores=8i,note="say \"hi\""
 * 1577836800000000000
 *
 *   measurement=NAME or @COLUMN   tags=COLUMN,...      names with spaces stand in double quotes
 *   fields=COLUMN[:TYPE],...      float, integer, unsigned, boolean, string; without a type the first value decides;
 *                                 without `fields` every column that is nothing else
 *   time=COLUMN[:UNIT]            h, m, s, ms, u, ns, rfc3339; without a unit ns for a number, else a date and time
 *   separator=C                   one character, or tab
 *
 * An empty value is no value. The first record names the columns.
 */
#ifndef SHELL_CSV_MAP_H
#define SHELL_CSV_MAP_H

#include "silt/text.h"

#define CSV_COLUMNS_MAX 4096

struct csv_map;

/* SILT_INVALID: err->text says what in the mapping is wrong. */
enum silt_status csv_map_parse(struct csv_map **out, struct silt_str text, struct silt_error *err);
void csv_map_free(struct csv_map *map);

/* The record that the text begins with: its bytes with the end of line, 0 when it is not whole and more may come. Its
 * fields are kept in the map for the next call of head or row. *lines: how many lines it is. */
size_t csv_map_record(struct csv_map *map, struct silt_str text, bool is_last, size_t *lines);
/* The record as the names of the columns. */
enum silt_status csv_map_head(struct csv_map *map, struct silt_error *err);
/* The record as a point, appended with its end of line. SILT_INVALID: nothing was appended. A record without a value
 * gives nothing, and SILT_NOT_FOUND. */
enum silt_status csv_map_row(struct csv_map *map, struct silt_buffer *out, struct silt_error *err);

#endif
