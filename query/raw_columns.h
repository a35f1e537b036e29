/*
 * raw_columns.h - the rows of a SELECT without calls, from merged series to a sink that takes them by column.
 *
 * Where every column is one that is read, as it is, no cell is made between the store and the text of the answer.
 */
#ifndef QUERY_RAW_COLUMNS_H
#define QUERY_RAW_COLUMNS_H

#include "query/rows.h"

/* The group's name, tags and columns to the sink. */
enum silt_status raw_columns_head(const struct plan *plan, const struct scan_group *group);
/* fill() must have nothing to do. */
bool raw_columns_fit(const struct plan *plan, const struct rows *rows);
/* The rows that LIMIT and OFFSET leave, with the head in front if there are any. */
enum silt_status raw_columns_run(const struct plan *plan, const struct scan_group *group, struct rows *rows,
                                 struct silt_error *err);

#endif
