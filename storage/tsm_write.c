/*
 * tsm_write.c - see tsm_write.h; the layout is drawn in tsm.h.
 *
 *     row group -> values without gaps -> statistics, encode -> pending bytes -> blob
 *                                                          \-> entry of the series -> index, in memory until finish
 *                                                                              \-> page of the directory, the same
 *
 * What stays in memory until finish is as it will stand in the file, in chunks: of a million series it is tens of megabytes,
 * which must neither double nor move as they grow.
 */
#include "storage/tsm_write.h"
#include "silt/kernels.h"
#include "storage/tsm_read.h"
#include "storage/vfs.h"

#include <stdlib.h>

#define PENDING_BYTES ((size_t)256 * 1024)
#define HELD_CHUNK_BYTES ((size_t)256 * 1024)

struct held_chunk { /* a block of base/blocks.c */
    struct held_chunk *next;
    size_t block_bytes, room, len;
    char bytes[];
};

struct held { /* bytes until finish */
    struct held_chunk *first, *last;
    uint64_t len;
};

struct tsm_writer {
    struct vfs_blob_writer *blob;
    uint64_t offset;            /* bytes given out so far, pending ones included */
    struct silt_buffer pending; /* not yet given to the blob */
    struct silt_buffer entry, group, rest; /* of the series; of the row group */
    struct silt_buffer page;               /* of the directory, being filled */
    struct silt_buffer top;                /* the first series of each page */
    struct held index, directory;
    silt_series_id series; /* the one being written; 0: none yet */
    silt_time last;        /* of its last row so far */
    silt_time base;        /* min time of the file's first group */
    struct tsm_summary summary;
    struct tsm_scratch scratch;
    bool failed;
    union { /* one column's values without gaps */
        int64_t ints[TSM_GROUP_ROWS_MAX];
        double floats[TSM_GROUP_ROWS_MAX];
        uint8_t bools[TSM_GROUP_ROWS_MAX];
        struct silt_str strings[TSM_GROUP_ROWS_MAX];
    } dense;
};

/* ---------------------------------------------------------------- bytes out */

static enum silt_status give(struct tsm_writer *writer, struct silt_error *err)
{
    if (writer->pending.len == 0)
        return SILT_OK;
    enum silt_status rc = vfs_blob_append(writer->blob, writer->pending.p, writer->pending.len, err);
    writer->pending.len = 0;
    writer->failed |= rc != SILT_OK;
    return rc;
}

static void put_u32(struct silt_buffer *out, uint32_t value)
{
    silt_buffer_append(out, &value, 4);
}

static void put_u64(struct silt_buffer *out, uint64_t value)
{
    silt_buffer_append(out, &value, 8);
}

/* CRC of what stands in `out` from `start` on, behind it. */
static void put_crc(struct silt_buffer *out, size_t start)
{
    put_u32(out, silt_crc32c(0, out->p + start, out->len - start));
}

/* ---------------------------------------------------------------- bytes held until finish */

static struct held_chunk *add_chunk(struct held *held)
{
    size_t bytes = HELD_CHUNK_BYTES;
    struct held_chunk *chunk = silt_block_get(&bytes);
    silt_assert(chunk); /* out of memory */
    *chunk = (struct held_chunk){.block_bytes = bytes, .room = bytes - sizeof(*chunk)};
    *(held->last ? &held->last->next : &held->first) = chunk;
    held->last = chunk;
    return chunk;
}

/* Moves all of the buffer's. */
static void hold(struct held *held, struct silt_buffer *from)
{
    for (size_t at = 0, part; at < from->len; at += part) {
        struct held_chunk *last = held->last;
        if (!last || last->len == last->room)
            last = add_chunk(held);
        part = from->len - at < last->room - last->len ? from->len - at : last->room - last->len;
        memcpy(last->bytes + last->len, from->p + at, part);
        last->len += part;
    }
    held->len += from->len;
    from->len = 0;
}

static enum silt_status give_held(struct tsm_writer *writer, const struct held *held, struct silt_error *err)
{
    for (const struct held_chunk *chunk = held->first; chunk; chunk = chunk->next) {
        enum silt_status rc = vfs_blob_append(writer->blob, chunk->bytes, chunk->len, err);
        if (rc != SILT_OK)
            return rc;
    }
    writer->offset += held->len;
    return SILT_OK;
}

static void free_held(struct held *held)
{
    for (struct held_chunk *chunk = held->first, *next; chunk; chunk = next) {
        next = chunk->next;
        silt_block_put(chunk, chunk->block_bytes);
    }
}

/* ---------------------------------------------------------------- open, abort */

static void destroy(struct tsm_writer *writer)
{
    silt_buffer_free(&writer->pending);
    silt_buffer_free(&writer->entry);
    silt_buffer_free(&writer->group);
    silt_buffer_free(&writer->rest);
    silt_buffer_free(&writer->page);
    silt_buffer_free(&writer->top);
    free_held(&writer->index);
    free_held(&writer->directory);
    tsm_scratch_deinit(&writer->scratch);
    free(writer);
}

enum silt_status tsm_writer_open(struct vfs *vfs, const char *name, uint64_t file_id, uint64_t epoch,
                                 struct tsm_writer **out, struct silt_error *err)
{
    struct tsm_writer *writer = silt_calloc(1, sizeof(*writer));
    enum silt_status rc = vfs_blob_create(vfs, name, &writer->blob, err);
    if (rc != SILT_OK) {
        destroy(writer);
        return rc;
    }
    writer->summary.file_id = file_id;
    writer->summary.epoch = epoch;
    writer->summary.min = INT64_MAX;
    writer->summary.max = INT64_MIN;
    silt_buffer_append(&writer->pending, TSM_MAGIC, 8);
    put_u64(&writer->pending, file_id);
    put_u64(&writer->pending, epoch);
    put_u32(&writer->pending, 0);
    put_crc(&writer->pending, 0);
    silt_assert(writer->pending.len == TSM_HEADER_BYTES);
    writer->offset = TSM_HEADER_BYTES;
    *out = writer;
    return SILT_OK;
}

void tsm_writer_abort(struct tsm_writer *writer)
{
    if (!writer)
        return;
    vfs_blob_abort(writer->blob);
    destroy(writer);
}

/* ---------------------------------------------------------------- index entries */

static void end_page(struct tsm_writer *writer)
{
    put_u64(&writer->page, writer->index.len);
    put_crc(&writer->page, 0);
    hold(&writer->directory, &writer->page);
}

static void end_series(struct tsm_writer *writer)
{
    if (!writer->series)
        return;
    uint32_t crc = silt_crc32c(0, &writer->series, sizeof(writer->series));
    put_u32(&writer->entry, silt_crc32c(crc, writer->entry.p, writer->entry.len));
    hold(&writer->index, &writer->entry);
}

static void begin_series(struct tsm_writer *writer, silt_series_id series, silt_time min)
{
    silt_assert(series > writer->series);
    end_series(writer);
    if (writer->summary.series++ % TSM_PAGE_ENTRIES == 0) {
        if (writer->series)
            end_page(writer);
        put_u32(&writer->top, series);
    }
    put_u32(&writer->page, series);
    put_u64(&writer->page, writer->index.len);
    if (!writer->series)
        writer->base = min;
    writer->series = series;
    writer->last = writer->base;
    encode_put_varint(&writer->entry, writer->offset);
}

/* The group's entry, whose rest (from the blocks' bytes on) is given, and its part of the summary. */
static void put_group(struct tsm_writer *writer, silt_time min, silt_time max, uint32_t rows, const void *rest,
                      size_t rest_bytes, uint64_t values)
{
    uint8_t head[32];
    size_t len = encode_write_varint(head, rows);
    len += encode_write_varint(head + len, encode_zigzag((int64_t)((uint64_t)min - (uint64_t)writer->last)));
    if (rows > 1)
        len += encode_write_varint(head + len, (uint64_t)max - (uint64_t)min);
    encode_put_varint(&writer->entry, len + rest_bytes);
    silt_buffer_append(&writer->entry, head, len);
    silt_buffer_append(&writer->entry, rest, rest_bytes);
    struct tsm_summary *summary = &writer->summary;
    summary->min = min < summary->min ? min : summary->min;
    summary->max = max > summary->max ? max : summary->max;
    summary->rows += rows;
    summary->values += values;
    summary->groups++;
    writer->last = max;
}

static void enter(struct tsm_writer *writer, silt_series_id series, silt_time min)
{
    silt_assert(!writer->failed);
    silt_assert(series != 0);
    if (series != writer->series)
        begin_series(writer, series, min);
    else
        silt_assert(min > writer->last);
}

/* ---------------------------------------------------------------- a row group */

/* The column's values without gaps into writer->dense; how many they are. */
static uint32_t gather(struct tsm_writer *writer, const struct tsm_column *column, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (column->valid && !(column->valid[row / 64] >> row % 64 & 1))
            continue;
        switch (column->type) {
        case SILT_TYPE_BOOLEAN:
            writer->dense.bools[count++] = column->values[row].boolean;
            break;
        case SILT_TYPE_STRING:
            writer->dense.strings[count++] = silt_bytes_str(column->values[row].string);
            break;
        default:
            writer->dense.ints[count++] = column->values[row].i64; /* a float's bits too */
        }
    }
    return count;
}

static bool all_equal(const struct tsm_writer *writer, enum silt_type type, uint32_t count)
{
    if (type == SILT_TYPE_STRING)
        return false;
    size_t each = type == SILT_TYPE_BOOLEAN ? 1 : 8;
    return memcmp(&writer->dense, (const char *)&writer->dense + each, (count - 1) * each) == 0;
}

static unsigned encode_values(struct tsm_writer *writer, enum silt_type type, uint32_t count)
{
    switch (type) {
    case SILT_TYPE_FLOAT:
        return encode_floats(writer->dense.floats, count, &writer->pending);
    case SILT_TYPE_BOOLEAN:
        return encode_bools(writer->dense.bools, count, &writer->pending);
    case SILT_TYPE_STRING:
        return encode_strings(writer->dense.strings, count, &writer->pending);
    case SILT_TYPE_INTEGER:
    case SILT_TYPE_UNSIGNED:
    case SILT_TYPE_NONE:
        break;
    }
    return encode_ints(writer->dense.ints, count, &writer->pending);
}

static void put_validity(struct tsm_writer *writer, const uint64_t *valid, uint32_t rows)
{
    uint8_t bools[TSM_GROUP_ROWS_MAX];
    struct silt_buffer *out = &writer->pending;
    for (uint32_t row = 0; row < rows; row++)
        bools[row] = valid[row / 64] >> row % 64 & 1;
    size_t start = out->len;
    silt_buffer_append(out, "\0\0\0", 3); /* codec and length, below: at most 128, so two bytes do, written plainly */
    unsigned codec = encode_bools(bools, rows, out);
    size_t len = out->len - start - 3;
    out->p[start] = (char)codec;
    out->p[start + 1] = (char)(len | 0x80);
    out->p[start + 2] = (char)(len >> 7);
}

/* Its block to pending, its part of the index to writer->group. Returns the number of values, 0: left out. */
static uint32_t put_column(struct tsm_writer *writer, const struct tsm_column *column, uint32_t rows,
                           uint32_t *previous_id)
{
    struct silt_buffer *index = &writer->group, *out = &writer->pending;
    uint32_t count = gather(writer, column, rows);
    if (count == 0)
        return 0;
    struct silt_block_stats stats;
    tsm_stats_compute(column->type, &writer->dense, count, &stats);
    bool gaps = count < rows, lone = all_equal(writer, column->type, count);
    unsigned head = column->type | (gaps ? TSM_HEAD_GAPS : 0) | (lone ? 0 : TSM_HEAD_BLOCK);
    size_t head_at = index->len, start = out->len;
    if (column->field_id == *previous_id + 1)
        head |= TSM_HEAD_NEXT;
    silt_buffer_char(index, 0);
    if (!(head & TSM_HEAD_NEXT))
        encode_put_varint(index, column->field_id - *previous_id);
    *previous_id = column->field_id;
    if (gaps) {
        encode_put_varint(index, count);
        put_validity(writer, column->valid, rows);
    }
    if (!lone)
        silt_buffer_char(index, (char)encode_values(writer, column->type, count));
    if (gaps || !lone) {
        put_crc(out, start);
        encode_put_varint(index, out->len - start);
    }
    if (lone) {
        head |= tsm_lone_put(column->type, &stats, index) << TSM_HEAD_KIND_SHIFT;
    } else {
        size_t stats_at = index->len;
        silt_buffer_char(index, 0);
        tsm_stats_put(column->type, &stats, index);
        index->p[stats_at] = (char)(index->len - stats_at - 1);
    }
    index->p[head_at] = (char)head;
    return count;
}

enum silt_status tsm_writer_row_group(struct tsm_writer *writer, silt_series_id series, const silt_time *times,
                                      uint32_t rows, const struct tsm_column *columns, uint32_t column_count,
                                      struct silt_error *err)
{
    silt_assert(rows >= 1 && rows <= TSM_GROUP_ROWS_MAX);
    silt_assert(column_count <= TSM_GROUP_FIELDS_MAX);
    enter(writer, series, times[0]);

    struct silt_buffer *group = &writer->group;
    size_t start = writer->pending.len;
    uint8_t times_head[16];
    size_t times_head_bytes = 0;
    if (rows == 2)
        silt_assert(times[1] > times[0]);
    if (rows > 2) {
        unsigned codec = encode_times(times, rows, &writer->pending);
        times_head[times_head_bytes++] = (uint8_t)codec;
        if (codec == ENCODE_STEP) {
            writer->pending.len = start; /* the index says it all */
        } else {
            put_crc(&writer->pending, start);
            times_head_bytes += encode_write_varint(times_head + 1, writer->pending.len - start);
        }
    }
    group->len = 0;
    uint32_t fields = 0, previous_id = 0;
    uint64_t values = 0;
    for (uint32_t i = 0; i < column_count; i++) {
        const struct tsm_column *column = &columns[i];
        silt_assert(column->type >= SILT_TYPE_FLOAT && column->type <= SILT_TYPE_BOOLEAN);
        silt_assert(i == 0 || column->field_id > columns[i - 1].field_id ||
                    (column->field_id == columns[i - 1].field_id && column->type > columns[i - 1].type));
        size_t before = writer->pending.len;
        uint32_t count = put_column(writer, column, rows, &previous_id);
        if (writer->pending.len - before > TSM_BLOCK_BYTES_MAX) {
            writer->failed = true;
            return silt_fail(err, SILT_LIMIT, "series %u, field %u: a block of %zu bytes is too long", series,
                             column->field_id, writer->pending.len - before);
        }
        fields += count > 0;
        values += count;
    }
    if (fields == 0) {
        writer->failed = true;
        return silt_fail(err, SILT_INVALID, "series %u: a row group without any value", series);
    }
    /* the rest of the entry: bytes of the blocks, the times, how many fields, the fields */
    struct silt_buffer *rest = &writer->rest;
    rest->len = 0;
    uint64_t blocks_bytes = writer->pending.len - start;
    encode_put_varint(rest, blocks_bytes);
    silt_buffer_append(rest, times_head, times_head_bytes);
    encode_put_varint(rest, fields);
    silt_buffer_append(rest, group->p, group->len);
    put_group(writer, times[0], times[rows - 1], rows, rest->p, rest->len, values);
    writer->offset += blocks_bytes;
    return writer->pending.len >= PENDING_BYTES ? give(writer, err) : SILT_OK;
}

enum silt_status tsm_writer_copy(struct tsm_writer *writer, silt_series_id series, struct tsm_file *from,
                                 const struct tsm_group *group, struct silt_error *err)
{
    const uint8_t *blocks = NULL;
    enum silt_status rc = tsm_read_blocks(from, group, &writer->scratch, &blocks, err);
    if (rc != SILT_OK) {
        writer->failed = true;
        return rc;
    }
    enter(writer, series, group->min);
    uint64_t values = 0;
    for (uint32_t i = 0; i < group->field_count; i++)
        values += group->fields[i].count;
    silt_buffer_append(&writer->pending, blocks, group->blocks_bytes);
    put_group(writer, group->min, group->max, group->rows, group->rest, group->rest_bytes, values);
    writer->offset += group->blocks_bytes;
    return writer->pending.len >= PENDING_BYTES ? give(writer, err) : SILT_OK;
}

/* ---------------------------------------------------------------- finish */

enum silt_status tsm_writer_finish(struct tsm_writer *writer, struct tsm_summary *summary, struct silt_error *err)
{
    struct silt_buffer *out = &writer->pending;
    enum silt_status rc;
    uint64_t index_offset = writer->offset, directory_offset, top_offset;
    silt_assert(!writer->failed);
    if (!writer->series) {
        tsm_writer_abort(writer);
        return silt_fail(err, SILT_INVALID, "a TSM file without any series");
    }
    end_series(writer);
    end_page(writer);
    if ((rc = give(writer, err)) != SILT_OK || (rc = give_held(writer, &writer->index, err)) != SILT_OK)
        goto fail;
    directory_offset = writer->offset;
    if ((rc = give_held(writer, &writer->directory, err)) != SILT_OK)
        goto fail;
    top_offset = writer->offset;
    size_t start = out->len;
    silt_buffer_append(out, writer->top.p, writer->top.len);
    put_crc(out, start);
    writer->offset += out->len - start;

    struct tsm_summary *sums = &writer->summary;
    sums->bytes = writer->offset + TSM_FOOTER_BYTES;
    start = out->len;
    const uint64_t words[] = {sums->file_id,       sums->epoch,         index_offset, directory_offset, top_offset,
                              (uint64_t)sums->min, (uint64_t)sums->max, sums->rows,   sums->values,     sums->groups,
                              sums->series,        (uint64_t)writer->base};
    silt_buffer_append(out, words, sizeof(words));
    silt_buffer_append(out, (char[20]){0}, 20);
    put_crc(out, start);
    silt_buffer_append(out, TSM_MAGIC_END, 8);
    silt_assert(out->len - start == TSM_FOOTER_BYTES);
    if ((rc = give(writer, err)) != SILT_OK)
        goto fail;
    rc = vfs_blob_commit(writer->blob, err);
    if (summary)
        *summary = writer->summary;
    destroy(writer);
    return rc;
fail:
    tsm_writer_abort(writer);
    return rc;
}
