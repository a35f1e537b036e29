/* row_stream.c - implements row_stream.h. */
#include "query/row_stream.h"

#include <assert.h>

#define BUFFERED_BYTES_MAX ((size_t)10 << 20) /* of all streams that share a cursor */
#define BUFFER_ROWS_MAX 1024                  /* of each of them: a row group */
#define BUFFER_ROWS_MIN 4
#define FIRST_ROWS 256 /* buffered at first, for a LIMIT may need no more */

static size_t value_bytes(const struct row_column *column)
{
    return column->type == DATA_STRING ? sizeof(struct silt_str) : 8;
}

enum silt_status row_layout_init(struct row_layout *layout, const uint32_t *wanted, size_t wanted_count, bool own_cursors,
                                 struct silt_arena *arena, struct silt_error *err)
{
    const struct plan *plan = layout->scan->plan;
    size_t streams = layout->group->count ? layout->group->count : 1, row_bytes = sizeof(silt_time) + sizeof(uint32_t);

    layout->column_count = wanted_count;
    layout->columns = silt_arena_try_alloc(arena, (wanted_count + 1) * sizeof(*layout->columns));
    layout->batch_columns = silt_arena_try_alloc(arena, (wanted_count + 1) * sizeof(*layout->batch_columns));
    if (!layout->columns || !layout->batch_columns)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t c = 0; c < wanted_count; c++) {
        const struct slot *slot = &plan->slots[wanted[c]];
        struct row_column *column = &layout->columns[c];
        *column = (struct row_column){.slot = wanted[c], .type = slot->type, .field = slot->kind == SLOT_FIELD};
        if (column->field)
            row_bytes += value_bytes(column) + 1;
        else
            column->tag = (uint32_t)layout->tag_count++;
    }
    layout->buffer_rows = own_cursors ? BATCH_ROWS_MAX : BUFFERED_BYTES_MAX / (streams * row_bytes);
    if (!own_cursors && layout->buffer_rows > BUFFER_ROWS_MAX)
        layout->buffer_rows = BUFFER_ROWS_MAX;
    if (layout->buffer_rows < BUFFER_ROWS_MIN)
        layout->buffer_rows = BUFFER_ROWS_MIN;
    for (size_t c = 0; c < wanted_count; c++) {
        struct row_column *column = &layout->columns[c];
        if (!column->field)
            continue;
        column->offset = layout->stream_bytes;
        column->valid = column->offset + layout->buffer_rows * value_bytes(column);
        layout->stream_bytes = column->valid + (layout->buffer_rows + 63) / 64 * 8;
    }
    return SILT_OK;
}

enum silt_status row_streams_init(struct row_layout *layout, bool own_cursors, struct silt_arena *arena,
                                  struct silt_error *err)
{
    size_t count = layout->group->count, rows = layout->buffer_rows;
    struct row_stream *streams = silt_arena_try_alloc(arena, count * sizeof(*streams));
    char *data = silt_arena_try_alloc(arena, count * layout->stream_bytes + 1);
    silt_time *times = silt_arena_try_alloc(arena, count * rows * sizeof(*times));
    uint32_t *shards = silt_arena_try_alloc(arena, count * rows * sizeof(*shards));
    struct silt_str *tags = silt_arena_try_alloc(arena, (count * layout->tag_count + 1) * sizeof(*tags));
    enum silt_status rc;

    if (!streams || !data || !times || !shards || !tags)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; i < count; i++)
        streams[i] = (struct row_stream){
            .series = (uint32_t)(layout->group->first + i),
            .resume = layout->descending ? layout->max : layout->min,
            .goal = own_cursors || rows < FIRST_ROWS ? rows : FIRST_ROWS,
            .times = times + i * rows,
            .shards = shards + i * rows,
            .data = data + i * layout->stream_bytes,
            .tags = tags + i * layout->tag_count,
        };
    layout->streams = streams;
    layout->stream_count = count;
    for (size_t i = 0; own_cursors && i < count; i++)
        if ((rc = lane_create(layout->scan, &streams[i].lane, err)) != SILT_OK)
            return rc;
    return own_cursors ? SILT_OK : lane_create(layout->scan, &layout->shared, err);
}

struct silt_cell row_stream_cell(const struct row_stream *stream, const struct row_column *column, size_t row)
{
    struct silt_cell cell = {.kind = SILT_CELL_NULL};

    if (!column->field)
        return stream->tags[column->tag].p ? cell_string(stream->tags[column->tag]) : cell;
    if (!row_data_has(stream->data, column, row))
        return cell;
    if (column->type == DATA_STRING)
        return cell_string(row_data_strings(stream->data, column)[row]);
    cell.u64 = row_data_words(stream->data, column)[row];
    switch (column->type) {
    case DATA_FLOAT: cell.kind = SILT_CELL_FLOAT; break;
    case DATA_INTEGER: cell.kind = SILT_CELL_INTEGER; break;
    case DATA_UNSIGNED: cell.kind = SILT_CELL_UNSIGNED; break;
    case DATA_BOOLEAN: return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = cell.u64 != 0};
    default: break;
    }
    return cell;
}

/* ---------------------------------------------------------------- from a batch into the buffer */

static bool of_subquery(const struct row_layout *layout, const struct row_stream *stream)
{
    return layout->scan->plan->sources[layout->scan->series[stream->series].source].in_memory;
}

/* A field does, a tag that stands for a subquery's column does not. */
static bool makes_rows(const struct row_layout *layout, const struct row_stream *stream, const struct row_column *column)
{
    return column->field && !(layout->scan->plan->slots[column->slot].or_tag && !of_subquery(layout, stream));
}

/* The rows of the batch that count, at most `room` of them; *full: there are more. */
static size_t pick_rows(const struct row_layout *layout, const struct row_stream *stream, const struct lane_batch *batch,
                        bool every, const uint64_t *passed, size_t room, uint16_t picks[BATCH_ROWS_MAX], bool *full)
{
    size_t count = 0;

    static_assert(BATCH_ROWS_MAX <= UINT16_MAX + 1, "a row's number fits");
    *full = false;
    for (size_t from = 0; from < batch->count; from += 64) {
        uint64_t bits = every ? (passed ? passed[from / 64] : UINT64_MAX) : 0;
        for (size_t c = 0; c < layout->must && !every; c++)
            if (makes_rows(layout, stream, &layout->columns[c]))
                bits |= layout->batch_columns[c].valid ? layout->batch_columns[c].valid[from / 64] : UINT64_MAX;
        if (batch->count - from < 64)
            bits &= ((uint64_t)1 << (batch->count - from)) - 1;
        if (bits == UINT64_MAX && room - count >= 64) {
            for (size_t i = 0; i < 64; i++)
                picks[count + i] = (uint16_t)(from + i);
            count += 64;
            continue;
        }
        for (; bits; bits &= bits - 1) {
            if (count == room) {
                *full = true;
                return count;
            }
            picks[count++] = (uint16_t)(from + (size_t)__builtin_ctzll(bits));
        }
    }
    return count;
}

/* From now on bits tell which rows have a value; so far all have. */
static void note_gaps(const struct row_layout *layout, struct row_column *column)
{
    for (size_t i = 0; i < layout->stream_count; i++)
        memset(layout->streams[i].data + column->valid, 0xFF, (layout->buffer_rows + 63) / 64 * 8);
    column->gaps = true;
}

static void copy_valid(struct row_stream *stream, const struct row_column *column, const uint64_t *valid,
                       const uint16_t *picks, size_t count)
{
    uint64_t *to = (uint64_t *)(void *)(stream->data + column->valid);

    for (size_t i = 0; i < count; i++) {
        size_t row = stream->count + i;
        uint64_t bit = (uint64_t)1 << (row % 64);
        to[row / 64] = row_valid(valid, picks[i]) ? to[row / 64] | bit : to[row / 64] & ~bit;
    }
}

static bool in_a_row(const uint16_t *picks, size_t count)
{
    return (size_t)(picks[count - 1] - picks[0]) + 1 == count;
}

/* Strings are copied, for the batch goes before its rows do. */
static void copy_column(const struct row_layout *layout, struct row_stream *stream, struct row_column *column,
                        const struct lane_column *from, const uint16_t *picks, size_t count)
{
    char *to = stream->data + column->offset + stream->count * value_bytes(column);
    uint64_t *words = (uint64_t *)(void *)to;

    if (from->valid && !column->gaps)
        note_gaps(layout, column);
    if (column->gaps)
        copy_valid(stream, column, from->valid, picks, count);
    if (from->valid_count == 0)
        return;
    switch (column->type) {
    case DATA_STRING:
        for (size_t i = 0; i < count; i++)
            ((struct silt_str *)(void *)to)[i] = row_valid(from->valid, picks[i])
                                                     ? silt_arena_str(stream->strings, from->string[picks[i]])
                                                     : (struct silt_str){0};
        break;
    case DATA_BOOLEAN:
        for (size_t i = 0; i < count; i++)
            words[i] = from->boolean[picks[i]] != 0;
        break;
    default:
        if (in_a_row(picks, count))
            memcpy(words, from->u64 + picks[0], count * 8);
        else
            for (size_t i = 0; i < count; i++)
                words[i] = from->u64[picks[i]];
    }
}

/* What of the batch there is room for. When *full, the rest is read again from `resume`. */
static enum silt_status copy_rows(struct row_layout *layout, struct row_stream *stream, struct lane *lane,
                                  const struct lane_batch *batch, bool *full, struct silt_error *err)
{
    uint16_t picks[BATCH_ROWS_MAX];
    const silt_time *times;
    const uint64_t *passed = NULL;
    bool any = false, every = layout->every && of_subquery(layout, stream);
    enum silt_status rc;

    /* a batch is decoded whole: rather next time, when all of it fits. Of a filtered one that is not known. */
    *full = stream->count && batch->count > stream->goal - stream->count &&
            !layout->scan->series[stream->series].filtered;
    if (*full)
        return SILT_OK;
    for (size_t c = 0; c < layout->column_count; c++) {
        const struct row_column *column = &layout->columns[c];
        if (!column->field) {
            struct silt_cell tag = lane_tag_cell(lane, column->slot);
            stream->tags[column->tag] = tag.kind == SILT_CELL_STRING ? tag.string : (struct silt_str){0};
            continue;
        }
        struct lane_column *from = &layout->batch_columns[c];
        if ((rc = lane_column(lane, column->slot, from, err)) != SILT_OK)
            return rc;
        if (from->type != column->type) /* rows have one type to a column: the subquery's */
            *from = (struct lane_column){.valid = no_rows};
        any = any || (c < layout->must && makes_rows(layout, stream, column) && layout->batch_columns[c].valid_count > 0);
    }
    /* a subquery's row is a row, whatever it has of what is wanted */
    if (every && (rc = lane_filter(lane, &passed, err)) != SILT_OK)
        return rc;
    if (!any && !every)
        return SILT_OK;
    if ((rc = lane_times(lane, &times, err)) != SILT_OK)
        return rc;
    size_t count = pick_rows(layout, stream, batch, every, passed, stream->goal - stream->count, picks, full);
    if (count == 0)
        return SILT_OK;
    for (size_t c = 0; c < layout->column_count; c++) {
        struct row_column *column = &layout->columns[c];
        if (!column->field)
            continue;
        if (column->type == DATA_STRING && !stream->strings)
            stream->strings = silt_arena_create(&layout->scan->plan->exec->budget);
        copy_column(layout, stream, column, &layout->batch_columns[c], picks, count);
    }
    if (in_a_row(picks, count))
        memcpy(stream->times + stream->count, times + picks[0], count * sizeof(*times));
    else
        for (size_t i = 0; i < count; i++)
            stream->times[stream->count + i] = times[picks[i]];
    for (size_t i = 0; i < count; i++)
        stream->shards[stream->count + i] = batch->shard;
    stream->count += count;
    silt_time last = times[picks[count - 1]];
    stream->resume = layout->descending ? last - 1 : last + 1;
    return stream->strings && silt_arena_exceeded(stream->strings)
               ? silt_fail(err, SILT_LIMIT, "query memory limit exceeded")
               : SILT_OK;
}

/* ---------------------------------------------------------------- refilling */

static enum silt_status refill_own(struct row_layout *layout, struct row_stream *stream, struct silt_error *err)
{
    struct lane_batch batch;
    bool full = false;
    enum silt_status rc;

    if (!stream->sought && (rc = lane_seek(stream->lane, stream->series, layout->group, layout->min, layout->max,
                                           layout->descending, err)) != SILT_OK)
        return rc;
    stream->sought = true;
    while (stream->count == 0) {
        if ((rc = lane_next(stream->lane, &batch, err)) != SILT_OK)
            return rc;
        if (batch.count == 0) {
            stream->finished = true;
            return SILT_OK;
        }
        if ((rc = copy_rows(layout, stream, stream->lane, &batch, &full, err)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

/* From `resume`, as far as reach allows. */
static void next_range(const struct row_layout *layout, const struct row_stream *stream, silt_time *min, silt_time *max)
{
    *min = layout->descending ? layout->min : stream->resume;
    *max = layout->descending ? stream->resume : layout->max;
    if (stream->reach == 0 || *min > *max || (uint64_t)*max - (uint64_t)*min <= stream->reach)
        return;
    if (layout->descending)
        *min = (silt_time)((uint64_t)*max - stream->reach);
    else
        *max = (silt_time)((uint64_t)*min + stream->reach);
}

/*
 * A shared cursor is set anew for each refill, and what it finds in memory is gathered up to its range's end. So that
 * not all the rest of a series is gathered again for every few rows of it, it looks only about as far as the next
 * rows reach, judged by those before.
 */
static enum silt_status refill_shared(struct row_layout *layout, struct row_stream *stream, struct silt_error *err)
{
    struct lane_batch batch;
    silt_time min, max;
    bool full = false;
    enum silt_status rc;

    while (stream->count == 0) {
        next_range(layout, stream, &min, &max);
        if (min > max) {
            stream->finished = true;
            return SILT_OK;
        }
        if ((rc = lane_seek(layout->shared, stream->series, layout->group, min, max, layout->descending, err)) != SILT_OK)
            return rc;
        do {
            if ((rc = lane_next(layout->shared, &batch, err)) != SILT_OK)
                return rc;
            if (batch.count && (rc = copy_rows(layout, stream, layout->shared, &batch, &full, err)) != SILT_OK)
                return rc;
        } while (batch.count && !full);
        if (full)
            break;
        if (layout->descending ? min == layout->min : max == layout->max) {
            stream->finished = true;
            return SILT_OK;
        }
        stream->resume = layout->descending ? min - 1 : max + 1;
        stream->reach = stream->reach > UINT64_MAX / 2 ? 0 : stream->reach * 2;
    }
    if (full) {
        uint64_t first = (uint64_t)stream->times[0], last = (uint64_t)stream->times[stream->count - 1];
        uint64_t covered = layout->descending ? first - last : last - first;
        stream->goal = stream->goal * 2 < layout->buffer_rows ? stream->goal * 2 : layout->buffer_rows;
        stream->reach = covered > UINT64_MAX / 4 ? 0 : covered * 3 + 1;
    }
    return SILT_OK;
}

static enum silt_status refill_part(struct row_stream *stream, struct silt_error *err)
{
    struct row row;
    bool more;
    enum silt_status rc = rows_next(stream->part, &row, &more, err);

    if (rc != SILT_OK || !more)
        return rc;
    stream->count = 1;
    stream->times[0] = row.time;
    stream->part_shard = row.shard;
    stream->series = row.series;
    stream->cells = row.cells; /* the part's, until it is asked again */
    return SILT_OK;
}

enum silt_status row_stream_refill(struct row_layout *layout, struct row_stream *stream, struct silt_error *err)
{
    stream->count = stream->at = 0;
    if (stream->part)
        return refill_part(stream, err);
    if (stream->strings)
        silt_arena_reset(stream->strings);
    if (stream->finished)
        return SILT_OK;
    return stream->lane ? refill_own(layout, stream, err) : refill_shared(layout, stream, err);
}
