/*
 * tsm_write.h - sorted row groups in, one TSM file out, front to back through a VFS blob.
 *
 * Series come in rising id, the row groups of a series in rising time without overlap. Blocks leave at once; the index
 * (about 37 bytes a one-row series, 180 a full group of ten fields) is held until finish.
 *
 * Threads: one at a time.
 */
#ifndef STORAGE_TSM_WRITE_H
#define STORAGE_TSM_WRITE_H

#include "storage/tsm.h"

struct vfs;
struct tsm_file;
struct tsm_group;
struct tsm_writer;

/* One field of a row group. */
struct tsm_column {
    uint32_t field_id;
    enum silt_type type;
    const uint64_t *valid;          /* bit i: row i has a value; NULL: every row has */
    const union silt_value *values; /* [rows]; what stands at a row without value is not looked at */
};

/* What stands in the footer. */
struct tsm_summary {
    uint64_t file_id, epoch;
    uint64_t bytes; /* of the file */
    silt_time min, max;
    uint64_t rows, values, groups, series;
};

/* The blob `name` is begun. On failure nothing is left to abort. */
enum silt_status tsm_writer_open(struct vfs *vfs, const char *name, uint64_t file_id, uint64_t epoch,
                                 struct tsm_writer **out, struct silt_error *err);
/* 1..TSM_GROUP_ROWS_MAX rows with times rising strictly; columns rising by (field_id, type). Columns without any value
 * are left out. The order of series, times and columns is the caller's promise, asserted. After an error only abort is
 * allowed. SILT_LIMIT: a block over TSM_BLOCK_BYTES_MAX. */
enum silt_status tsm_writer_row_group(struct tsm_writer *writer, silt_series_id series, const silt_time *times,
                                      uint32_t rows, const struct tsm_column *columns, uint32_t column_count,
                                      struct silt_error *err);
/* The group's encoded blocks (checksums verified) and index entry, as they are. Its times must rise as above. */
enum silt_status tsm_writer_copy(struct tsm_writer *writer, silt_series_id series, struct tsm_file *from,
                                 const struct tsm_group *group, struct silt_error *err);
/* Index, directory and footer, then commit: the file is durable. The writer is gone, whatever is returned; on an error no
 * file appears. summary may be NULL. SILT_INVALID: nothing was written. */
enum silt_status tsm_writer_finish(struct tsm_writer *writer, struct tsm_summary *summary, struct silt_error *err);
void tsm_writer_abort(struct tsm_writer *writer); /* NULL is fine */

#endif
