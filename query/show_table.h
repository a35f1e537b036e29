/*
 * show_table.h - one series of a SHOW answer: rows counted off by OFFSET and LIMIT, sent in blocks.
 */
#ifndef QUERY_SHOW_TABLE_H
#define QUERY_SHOW_TABLE_H

#include "query/exec.h"

struct table {
    struct exec *exec;
    struct silt_str name;
    const struct silt_str *columns;
    size_t column_count;
    struct silt_cell *block;
    size_t row_count, skip, left; /* rows to leave out, rows still wanted */
    bool headed;
};

/* with_empty: shown even without rows. */
enum silt_status table_begin(struct table *table, struct exec *exec, struct silt_str name, const struct silt_str *columns,
                             size_t column_count, int64_t limit, int64_t offset, bool with_empty,
                             struct silt_error *err);
enum silt_status table_row(struct table *table, const struct silt_cell *cells);
enum silt_status table_flush(struct table *table); /* at the end, too */
/* A row for each, then a flush. */
enum silt_status table_strings(struct table *table, const struct silt_str *items, size_t count);

#endif
