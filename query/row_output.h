/*
 * row_output.h - the rows of a SELECT on their way to the sink: cells gathered in blocks, or numbers by column.
 *
 *     env   | call values | companions |   what a row's columns are made of; missing ones as fill() says
 *     row   | time | column | column |     in a block of many
 */
#ifndef QUERY_ROW_OUTPUT_H
#define QUERY_ROW_OUTPUT_H

#include "query/scan.h"

struct row_output {
    const struct plan *plan;
    struct exec *exec;
    const struct scan_group *group; /* whose head was sent */
    struct silt_cell *block;
    size_t row_count;
    struct silt_arena *strings; /* of the block */
    struct silt_cell *env;
    struct silt_buffer *kept;   /* per env cell: a string that outlives its row */
    bool previous;              /* missing cells keep their value */
    struct silt_cell fill;
};

/* Lives as long as the statement's arena. When it fails there is nothing to deinit. */
enum silt_status row_output_init(struct row_output *output, const struct plan *plan, struct silt_error *err);
void row_output_deinit(struct row_output *output);
/* Before a group's rows. */
void row_output_clear(struct row_output *output);
/* Sets a cell of the row to come. */
void row_output_set(struct row_output *output, size_t at, struct silt_cell value, enum data_type type);
/* A row of such cells, of output->env or elsewhere. */
enum silt_status row_output_put(struct row_output *output, const struct scan_group *group, silt_time time,
                                const struct silt_cell *env, struct silt_error *err);
/* Rows of a SELECT of one call alone. */
enum silt_status row_output_numbers(struct row_output *output, const struct scan_group *group, const silt_time *times,
                                    const uint64_t *values, size_t count, enum data_type type, struct silt_error *err);
enum silt_status row_output_flush(struct row_output *output);

#endif
