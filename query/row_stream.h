/*
 * row_stream.h - the rows of one series on their way into a merge (rows.h), buffered by column.
 *
 *     stream -> times  [t t t t ...]          read  ........at.......count.....goal
 *               shards [s s s s ...]
 *               data   | column 0 | column 1 | ...     8 bytes for a number or boolean, 16 for a string
 *                      | bits 0   | bits 1   | ...     a bit per row that has a value, once any has none
 *               tags   [text text ...]        the same in every row
 *
 * All streams of a merge have one layout, so that a column lies at the same offset in each. Few have a cursor of their own;
 * the others share one, which is sought again when a buffer runs dry.
 *
 * One thread.
 */
#ifndef QUERY_ROW_STREAM_H
#define QUERY_ROW_STREAM_H

#include "query/rows.h"

struct row_column {
    uint32_t slot;
    bool field;    /* else the same in all rows of a series: tags[tag] */
    bool gaps;     /* some row that was read had no value: bits tell */
    uint32_t tag;
    size_t offset; /* in a stream's data */
    size_t valid;  /* of its bits */
    enum data_type type;
};

struct row_stream {
    struct lane *lane; /* NULL: the shared one */
    struct rows *part; /* rows of one of several sources; then its row under way is all there is here, in cells */
    const struct silt_cell *cells;
    uint32_t part_shard;
    uint32_t series;
    uint32_t rank;     /* of its tags among all streams, where rows.c has ranked them */
    bool finished;     /* nothing behind the buffer */
    bool sought;       /* an own cursor stands where the buffer ends */
    silt_time resume;  /* a shared cursor goes on from here */
    uint64_t reach;    /* how far it looks at a time, in ns; 0: all the way */
    size_t count, at;
    size_t goal;       /* rows to buffer at a time */
    silt_time *times;
    uint32_t *shards;
    char *data;
    struct silt_str *tags;     /* p NULL: none */
    struct silt_arena *strings; /* of the rows buffered */
};

struct row_layout {
    const struct scan *scan;
    const struct scan_group *group;
    struct row_column *columns; /* per wanted slot */
    size_t column_count, tag_count;
    size_t must; /* see rows_open() */
    bool every, descending;
    silt_time min, max;
    size_t buffer_rows, stream_bytes;
    struct lane *shared;
    struct row_stream *streams;
    size_t stream_count;
    struct lane_column *batch_columns; /* scratch */
};

/* The columns of the wanted slots, and how many rows each of the streams buffers. */
enum silt_status row_layout_init(struct row_layout *layout, const uint32_t *wanted, size_t wanted_count, bool own_cursors,
                                 struct silt_arena *arena, struct silt_error *err);
/* Stream i of the layout, for the i-th series of the group. */
enum silt_status row_streams_init(struct row_layout *layout, bool own_cursors, struct silt_arena *arena,
                                  struct silt_error *err);
/* Its next rows, from row 0 of the buffer on; count 0 at the end. Texts of the rows before are gone. */
enum silt_status row_stream_refill(struct row_layout *layout, struct row_stream *stream, struct silt_error *err);

/* Of a stream's data. */
static inline bool row_data_has(const char *data, const struct row_column *column, size_t row)
{
    const uint64_t *valid = (const uint64_t *)(const void *)(data + column->valid);

    return !column->gaps || (valid[row / 64] >> (row % 64) & 1);
}

static inline const uint64_t *row_data_words(const char *data, const struct row_column *column)
{
    return (const uint64_t *)(const void *)(data + column->offset);
}

static inline const struct silt_str *row_data_strings(const char *data, const struct row_column *column)
{
    return (const struct silt_str *)(const void *)(data + column->offset);
}

struct silt_cell row_stream_cell(const struct row_stream *stream, const struct row_column *column, size_t row);

#endif
