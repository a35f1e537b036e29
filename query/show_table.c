/* show_table.c - implements show_table.h. */
#include "query/show_table.h"

#define BLOCK_ROWS 1000

static enum silt_status table_head(struct table *table)
{
    struct silt_series_head head = {
        .name = table->name, .columns = table->columns, .column_count = table->column_count};

    table->headed = true;
    return exec_series(table->exec, &head);
}

enum silt_status table_begin(struct table *table, struct exec *exec, struct silt_str name,
                             const struct silt_str *columns, size_t column_count, int64_t limit, int64_t offset,
                             bool with_empty, struct silt_error *err)
{
    *table = (struct table){.exec = exec, .name = name, .columns = columns, .column_count = column_count,
                            .skip = offset > 0 ? (size_t)offset : 0, .left = limit > 0 ? (size_t)limit : SIZE_MAX};
    enum silt_status rc = exec_alloc(exec, BLOCK_ROWS * column_count, sizeof(*table->block), &table->block, err);
    return rc == SILT_OK && with_empty ? table_head(table) : rc;
}

enum silt_status table_flush(struct table *table)
{
    enum silt_status rc = SILT_OK;

    if (table->row_count == 0)
        return SILT_OK;
    if (!table->headed)
        rc = table_head(table);
    if (rc == SILT_OK)
        rc = exec_rows(table->exec, table->block, table->row_count);
    table->row_count = 0;
    return rc;
}

enum silt_status table_row(struct table *table, const struct silt_cell *cells)
{
    if (table->skip > 0) {
        table->skip--;
        return SILT_OK;
    }
    if (table->left == 0)
        return SILT_OK;
    table->left--;
    memcpy(table->block + table->row_count * table->column_count, cells, table->column_count * sizeof(*cells));
    return ++table->row_count == BLOCK_ROWS ? table_flush(table) : SILT_OK;
}

enum silt_status table_strings(struct table *table, const struct silt_str *items, size_t count)
{
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        struct silt_cell cell = cell_string(items[i]);
        rc = table_row(table, &cell);
    }
    return rc == SILT_OK ? table_flush(table) : rc;
}
