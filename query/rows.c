/* rows.c - implements rows.h. */
#include "query/rows.h"
#include "query/row_stream.h"

#include <stdlib.h>

#define OWN_CURSORS_MAX 8
#define NOTE_ROWS_MAX 1024
#define RANKED_STREAMS_MAX 65536

/* A stream whose next row waits; what decides is here, so that the merge seldom looks at the stream itself. */
struct waiting {
    silt_time time;
    uint32_t stream, rank;
};

/* Where a row of a block lies. */
struct row_at {
    const char *data; /* its stream's */
    size_t row;
};

struct block {
    silt_time times[ROWS_BLOCK_MAX];
    uint32_t series[ROWS_BLOCK_MAX];
    struct row_at rows[ROWS_BLOCK_MAX];
    struct silt_batch_column *columns;
    char **data;      /* per column: values */
    uint64_t **valid; /* per column: bits */
};

struct rows {
    struct row_layout layout;
    struct silt_arena *arena;
    size_t compare;
    bool in_sequence;
    const struct windows *by_window;
    bool started;
    bool by_series; /* a subquery's rows stand as it gave them */
    bool parted;    /* a stream per source, not per series */
    bool ranked;    /* ranks tell what comparing companions would */
    bool rankable;
    enum rows_order order;
    uint64_t most, taken; /* rows of a shard; of the last one */
    uint32_t taken_shard;
    uint64_t unnoted, note_rows; /* given since note_points(), and how many it is to be told at once */
    uint64_t merged;      /* rows so far, until streams are ranked */
    struct waiting *heap; /* of the shard under way */
    size_t heap_count;
    uint32_t shard;
    struct row_stream *given; /* whose row the caller has */
    struct silt_cell *out;
    struct block *block;
};

/* ---------------------------------------------------------------- the heap, as container/heap moves things */

/* Of wanted slot i; false: not a text. */
static bool text_of(const struct rows *rows, const struct row_stream *stream, size_t i, struct silt_str *out)
{
    const struct row_column *column = &rows->layout.columns[i];

    if (stream->part) {
        *out = stream->cells[i].string;
        return stream->cells[i].kind == SILT_CELL_STRING;
    }
    if (!column->field) {
        *out = stream->tags[column->tag];
        return out->p;
    }
    if (column->type != DATA_STRING || !row_data_has(stream->data, column, stream->at))
        return false;
    *out = row_data_strings(stream->data, column)[stream->at];
    return true;
}

static int compare_companions(const struct rows *rows, const struct row_stream *a, const struct row_stream *b)
{
    size_t count = rows->layout.column_count;

    for (size_t i = count - rows->compare; i < count; i++) {
        struct silt_str x, y;
        if (!text_of(rows, a, i, &x) || !text_of(rows, b, i, &y))
            return 0;
        int order = silt_str_compare(x, y);
        if (order)
            return order;
    }
    return 0;
}

static bool less_slowly(const struct rows *rows, const struct waiting *a, const struct waiting *b)
{
    const struct row_stream *s = &rows->layout.streams[a->stream], *t = &rows->layout.streams[b->stream];
    bool descending = rows->layout.descending;
    silt_time x = a->time, y = b->time;

    if (rows->in_sequence) /* an inner selector's rows, group by group whatever their times */
        return descending ? s->series > t->series : s->series < t->series;
    if (rows->by_window) { /* those of top() and bottom() by the windows that they were found in */
        silt_time end;
        windows_of(rows->by_window, x, &x, &end);
        windows_of(rows->by_window, y, &y, &end);
        if (x == y)
            return descending ? s->series > t->series : s->series < t->series;
    }
    int order = x != y ? (x < y ? -1 : 1) : compare_companions(rows, s, t);
    if (order == 0 && rows->by_series)
        order = s->series < t->series ? -1 : s->series > t->series;
    return descending ? order > 0 : order < 0;
}

static inline bool less(const struct rows *rows, size_t i, size_t j)
{
    const struct waiting *a = &rows->heap[i], *b = &rows->heap[j];

    if (!rows->ranked)
        return less_slowly(rows, a, b);
    if (rows->layout.descending)
        return a->time > b->time || (a->time == b->time && a->rank > b->rank);
    return a->time < b->time || (a->time == b->time && a->rank < b->rank);
}

static void swap(struct rows *rows, size_t i, size_t j)
{
    struct waiting held = rows->heap[i];
    rows->heap[i] = rows->heap[j];
    rows->heap[j] = held;
}

static void heap_down(struct rows *rows, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && less(rows, child + 1, child))
            child++;
        if (!less(rows, child, at))
            return;
        swap(rows, at, child);
        at = child;
    }
}

static void heap_up(struct rows *rows, size_t at)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!less(rows, at, parent))
            return;
        swap(rows, at, parent);
        at = parent;
    }
}

static struct row_stream *heap_pop(struct rows *rows)
{
    if (rows->heap_count > 1) {
        swap(rows, 0, rows->heap_count - 1);
        heap_down(rows, 0, rows->heap_count - 1);
    }
    return &rows->layout.streams[rows->heap[--rows->heap_count].stream];
}

static struct waiting waiting_of(const struct rows *rows, const struct row_stream *stream)
{
    return (struct waiting){stream->times[stream->at], (uint32_t)(stream - rows->layout.streams), stream->rank};
}

/* The streams whose next row lies in the earliest shard that is left (descending: the latest). */
static void start_shard(struct rows *rows)
{
    const struct row_layout *layout = &rows->layout;
    bool any = false;

    rows->heap_count = 0;
    for (size_t i = 0; i < layout->stream_count; i++) {
        const struct row_stream *stream = &layout->streams[i];
        if (stream->at == stream->count)
            continue;
        uint32_t shard = stream->shards[stream->at];
        if (!any || (layout->descending ? shard > rows->shard : shard < rows->shard))
            rows->shard = shard;
        any = true;
    }
    for (size_t n = 0; any && n < layout->stream_count; n++) {
        const struct row_stream *stream = &layout->streams[layout->descending ? layout->stream_count - 1 - n : n];
        if (stream->at < stream->count && stream->shards[stream->at] == rows->shard)
            rows->heap[rows->heap_count++] = waiting_of(rows, stream);
    }
    for (size_t i = rows->heap_count / 2; i > 0; i--)
        heap_down(rows, i - 1, rows->heap_count);
}

/* ---------------------------------------------------------------- ranks */

/*
 * Where the companions that are compared are tags that every series has, streams can be put in order once, and comparing
 * ranks gives what comparing companions gives. Only the columns up to the first that is no text count.
 */
static size_t ranking_tags(const struct rows *rows)
{
    const struct row_layout *layout = &rows->layout;
    size_t first = layout->column_count - rows->compare, i = first;

    for (; i < layout->column_count && !(layout->columns[i].field && layout->columns[i].type != DATA_STRING); i++)
        if (layout->columns[i].field)
            return SIZE_MAX;
    return i - first;
}

static int by_tags(const void *a, const void *b, void *arg)
{
    const struct rows *rows = arg;

    return compare_companions(rows, &rows->layout.streams[*(const uint32_t *)a], &rows->layout.streams[*(const uint32_t *)b]);
}

/* Costs as much as comparing a row of each stream does, so it is not done before so many have been merged. */
static enum silt_status rank_streams(struct rows *rows, struct silt_error *err)
{
    struct row_layout *layout = &rows->layout;
    size_t tags = ranking_tags(rows), first = layout->column_count - rows->compare, count = 0;
    uint32_t *order;
    uint32_t rank = 0;

    rows->rankable = false;
    if (tags == SIZE_MAX || layout->stream_count > RANKED_STREAMS_MAX)
        return SILT_OK;
    if (!(order = silt_arena_try_alloc(rows->arena, layout->stream_count * sizeof(*order))))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; i < layout->stream_count; i++) {
        const struct row_stream *stream = &layout->streams[i];
        if (stream->count == 0) /* at its end: it waits no more */
            continue;
        for (size_t c = 0; c < tags; c++)
            if (!stream->tags[layout->columns[first + c].tag].p)
                return SILT_OK;
        order[count++] = (uint32_t)i;
    }
    qsort_r(order, count, sizeof(*order), by_tags, rows);
    for (size_t i = 0; i < count; i++) {
        if (i && by_tags(&order[i - 1], &order[i], rows) != 0)
            rank++;
        layout->streams[order[i]].rank = rank;
    }
    for (size_t i = 0; i < rows->heap_count; i++)
        rows->heap[i].rank = layout->streams[rows->heap[i].stream].rank;
    rows->ranked = true;
    return SILT_OK;
}

/* ---------------------------------------------------------------- in and out */

/* A stream per source. Series stand in the order of their sources. */
static enum silt_status open_parts(struct rows *rows, const uint32_t *wanted, struct silt_error *err)
{
    struct row_layout *layout = &rows->layout;
    const struct scan *scan = layout->scan;
    const struct scan_group *group = layout->group;
    struct silt_arena *arena = rows->arena;
    enum silt_status rc = SILT_OK;

    rows->parted = true;
    layout->streams = silt_arena_zalloc(arena, group->count * sizeof(*layout->streams));
    rows->heap = silt_arena_zalloc(arena, group->count * sizeof(*rows->heap));
    for (size_t first = 0, next; rc == SILT_OK && first < group->count; first = next) {
        uint32_t source = scan->series[group->first + first].source;
        struct scan_group *part = silt_arena_zalloc(arena, sizeof(*part));
        struct row_stream *stream = &layout->streams[layout->stream_count++];
        for (next = first; next < group->count && scan->series[group->first + next].source == source;)
            next++;
        *part = *group;
        part->first = group->first + first;
        part->count = next - first;
        stream->times = silt_arena_zalloc(arena, sizeof(*stream->times));
        stream->shards = silt_arena_zalloc(arena, sizeof(*stream->shards));
        rc = rows_open(scan, part, wanted, layout->column_count, layout->every ? 0 : layout->must, rows->compare,
                       layout->descending, layout->min, layout->max, rows->order, &stream->part, err);
    }
    if (rc == SILT_OK && silt_arena_exceeded(arena))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    return rc;
}

void rows_limit(struct rows *rows, uint64_t rows_of_a_shard)
{
    rows->most = rows->by_series ? UINT64_MAX : rows_of_a_shard; /* a subquery has no shards */
    for (size_t i = 0; rows->parted && i < rows->layout.stream_count; i++)
        rows_limit(rows->layout.streams[i].part, rows_of_a_shard);
}

enum silt_status rows_open(const struct scan *scan, const struct scan_group *group, const uint32_t *wanted,
                           size_t wanted_count, size_t must, size_t compare, bool descending, silt_time min,
                           silt_time max, enum rows_order order, struct rows **out, struct silt_error *err)
{
    const struct plan *plan = scan->plan;
    struct silt_arena *arena = silt_arena_create(&plan->exec->budget);
    struct rows *rows = silt_arena_zalloc(arena, sizeof(*rows));
    bool in_memory = false;
    enum silt_status rc;

    *out = rows;
    *rows = (struct rows){
        .layout = {.scan = scan, .group = group, .must = must ? must : wanted_count, .every = must == 0,
                   .descending = descending, .min = min, .max = max},
        .arena = arena, .compare = compare, .order = order, .most = UINT64_MAX, .rankable = true};
    uint32_t source = group->count ? scan->series[group->first].source : 0;
    for (size_t i = 0; i < group->count; i++) {
        if (scan->series[group->first + i].source != source) {
            rows->layout.column_count = wanted_count;
            return open_parts(rows, wanted, err);
        }
        in_memory = in_memory || plan->sources[scan->series[group->first + i].source].in_memory;
    }
    rows->in_sequence = in_memory && plan->sources[source].in_sequence;
    rows->by_window = in_memory ? plan->sources[source].by_window : NULL;
    rows->by_series = in_memory;
    rows->rankable = !in_memory;
    bool own = in_memory || group->count <= OWN_CURSORS_MAX;
    rows->heap = silt_arena_try_alloc(arena, group->count * sizeof(*rows->heap));
    rows->out = silt_arena_try_alloc(arena, (wanted_count + 1) * sizeof(*rows->out));
    if (!rows->heap || !rows->out)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    if ((rc = row_layout_init(&rows->layout, wanted, wanted_count, own, arena, err)) != SILT_OK)
        return rc;
    return row_streams_init(&rows->layout, own, arena, err);
}

static enum silt_status next_by_source(struct rows *rows, struct row *row, bool *more, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    for (*more = false; rows->taken < rows->layout.stream_count; rows->taken++) /* here: the sources done */
        if ((rc = rows_next(rows->layout.streams[rows->taken].part, row, more, err)) != SILT_OK || *more)
            break;
    return rc;
}

static void push(struct rows *rows, const struct row_stream *stream)
{
    if (stream->at == stream->count || stream->shards[stream->at] != rows->shard)
        return;
    rows->heap[rows->heap_count] = waiting_of(rows, stream);
    heap_up(rows, rows->heap_count++);
}

/* Puts back the stream whose row was given, and sees to it that the next row waits at the heap's top, if there is one. */
static enum silt_status advance(struct rows *rows, struct silt_error *err)
{
    struct row_layout *layout = &rows->layout;
    enum silt_status rc;

    if (!rows->started) {
        rows->started = true;
        for (size_t i = 0; i < layout->stream_count; i++)
            if ((rc = row_stream_refill(layout, &layout->streams[i], err)) != SILT_OK)
                return rc;
        start_shard(rows);
    }
    if (rows->given) { /* only now: its row was the caller's */
        struct row_stream *stream = rows->given;
        rows->given = NULL;
        if (++stream->at == stream->count && (rc = row_stream_refill(layout, stream, err)) != SILT_OK)
            return rc;
        push(rows, stream);
    }
    if (rows->heap_count == 0)
        start_shard(rows);
    return SILT_OK;
}

static enum silt_status next_merged(struct rows *rows, struct row *row, bool *more, struct silt_error *err)
{
    const struct row_layout *layout = &rows->layout;
    enum silt_status rc = advance(rows, err);

    *more = rc == SILT_OK && rows->heap_count;
    if (!*more)
        return rc;
    struct row_stream *stream = heap_pop(rows);
    for (size_t c = 0; !stream->part && c < layout->column_count; c++)
        rows->out[c] = row_stream_cell(stream, &layout->columns[c], stream->at);
    *row = (struct row){stream->times[stream->at], stream->part ? stream->part_shard : stream->shards[stream->at],
                        stream->series, stream->part ? stream->cells : rows->out};
    rows->given = stream;
    return SILT_OK;
}

/* max-select-point: what was given counts, a little at a time; not what was read ahead. */
static enum silt_status note_points(struct rows *rows, uint32_t series, struct silt_error *err)
{
    const struct scan *scan = rows->layout.scan;
    uint64_t limit = scan->plan->exec->options->limits.select_points;
    uint64_t count = rows->unnoted;

    rows->unnoted = 0;
    rows->note_rows = limit == 0 ? UINT64_MAX : limit / 16 < NOTE_ROWS_MAX ? limit / 16 + 1 : NOTE_ROWS_MAX;
    if (scan->plan->sources[scan->series[series].source].in_memory)
        return SILT_OK; /* a subquery's: counted when it read them */
    return exec_note_points(scan->plan->exec, count, err);
}

/* Whether one more row of the shard may be given. */
static bool take(struct rows *rows, uint32_t shard)
{
    rows->taken = shard == rows->taken_shard ? rows->taken + 1 : 1;
    rows->taken_shard = shard;
    return rows->taken <= rows->most;
}

enum silt_status rows_next(struct rows *rows, struct row *row, bool *more, struct silt_error *err)
{
    if (rows->parted)
        return rows->order == ROWS_BY_SOURCE ? next_by_source(rows, row, more, err) : next_merged(rows, row, more, err);
    for (;;) {
        enum silt_status rc = next_merged(rows, row, more, err);
        if (rc == SILT_OK && rows->rankable && ++rows->merged > rows->layout.stream_count)
            rc = rank_streams(rows, err);
        if (rc != SILT_OK || !*more)
            return rc;
        if (take(rows, row->shard))
            return ++rows->unnoted >= rows->note_rows ? note_points(rows, row->series, err) : SILT_OK;
    }
}

/* ---------------------------------------------------------------- blocks */

bool rows_have_blocks(const struct rows *rows)
{
    return !rows->parted;
}

static enum silt_cell_kind kind_of(const struct row_column *column)
{
    switch (column->type) {
    case DATA_FLOAT: return SILT_CELL_FLOAT;
    case DATA_INTEGER: return SILT_CELL_INTEGER;
    case DATA_UNSIGNED: return SILT_CELL_UNSIGNED;
    case DATA_STRING: return SILT_CELL_STRING;
    case DATA_BOOLEAN: return SILT_CELL_BOOLEAN;
    default: return SILT_CELL_NULL;
    }
}

static enum silt_status make_block(struct rows *rows, struct silt_error *err)
{
    const struct row_layout *layout = &rows->layout;
    size_t count = layout->column_count + 1;
    struct block *block = silt_arena_try_alloc(rows->arena, sizeof(*block));

    if (!block || !(block->columns = silt_arena_try_alloc(rows->arena, count * sizeof(*block->columns))) ||
        !(block->data = silt_arena_try_alloc(rows->arena, count * sizeof(*block->data))) ||
        !(block->valid = silt_arena_try_alloc(rows->arena, count * sizeof(*block->valid))))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t c = 0; c < layout->column_count; c++) {
        const struct row_column *column = &layout->columns[c];
        size_t bytes = column->type == DATA_STRING ? sizeof(struct silt_str) : 8;
        block->columns[c] = (struct silt_batch_column){.kind = SILT_CELL_STRING, .is_tag = !column->field};
        if (!column->field)
            continue;
        block->columns[c].kind = kind_of(column);
        block->data[c] = silt_arena_try_alloc(rows->arena, ROWS_BLOCK_MAX * bytes);
        block->valid[c] = silt_arena_try_alloc(rows->arena, (ROWS_BLOCK_MAX + 63) / 64 * 8);
        if (!block->data[c] || !block->valid[c])
            return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    }
    rows->block = block;
    return SILT_OK;
}

static void gather_column(const struct row_column *column, const struct block *block, size_t count, size_t c)
{
    struct silt_batch_column *to = &block->columns[c];

    to->valid = NULL;
    if (column->gaps) {
        uint64_t *valid = block->valid[c];
        memset(valid, 0, (count + 63) / 64 * 8);
        for (size_t i = 0; i < count; i++)
            valid[i / 64] |= (uint64_t)row_data_has(block->rows[i].data, column, block->rows[i].row) << (i % 64);
        to->valid = valid;
    }
    if (column->type == DATA_STRING) {
        struct silt_str *strings = (struct silt_str *)(void *)block->data[c];
        for (size_t i = 0; i < count; i++)
            strings[i] = row_data_strings(block->rows[i].data, column)[block->rows[i].row];
        to->string = strings;
        return;
    }
    uint64_t *words = (uint64_t *)(void *)block->data[c];
    for (size_t i = 0; i < count; i++)
        words[i] = row_data_words(block->rows[i].data, column)[block->rows[i].row];
    to->u64 = words;
}

/* Notes where the next rows lie, up to the first after which a stream has to be read. */
static size_t merge_rows(struct rows *rows, size_t room)
{
    struct block *block = rows->block;
    size_t count = 0;

    while (count < room && rows->heap_count) {
        struct row_stream *stream = heap_pop(rows);
        block->times[count] = stream->times[stream->at];
        block->series[count] = stream->series;
        block->rows[count] = (struct row_at){stream->data, stream->at};
        count += take(rows, stream->shards[stream->at]);
        if (stream->at + 1 == stream->count) { /* what it holds is needed until the block has been seen */
            rows->given = stream;
            break;
        }
        stream->at++;
        push(rows, stream);
        if (rows->heap_count == 0)
            start_shard(rows);
    }
    return count;
}

enum silt_status rows_next_block(struct rows *rows, size_t room, struct rows_block *out, struct silt_error *err)
{
    size_t count;
    enum silt_status rc;

    *out = (struct rows_block){0};
    if (!rows->block && (rc = make_block(rows, err)) != SILT_OK)
        return rc;
    struct block *block = rows->block;
    if (room > ROWS_BLOCK_MAX)
        room = ROWS_BLOCK_MAX;
    if (room > rows->note_rows)
        room = rows->note_rows ? rows->note_rows : 1;
    do {
        if ((rc = advance(rows, err)) != SILT_OK)
            return rc;
        if (rows->heap_count == 0)
            return SILT_OK;
        count = merge_rows(rows, room);
    } while (count == 0); /* none of them may be given, but what follows may */
    for (size_t c = 0; c < rows->layout.column_count; c++)
        if (rows->layout.columns[c].field)
            gather_column(&rows->layout.columns[c], block, count, c);
    *out = (struct rows_block){count, block->times, block->series, block->columns};
    rows->unnoted += count;
    rows->merged += count;
    if (rows->rankable && rows->merged > rows->layout.stream_count && (rc = rank_streams(rows, err)) != SILT_OK)
        return rc;
    return rows->unnoted >= rows->note_rows ? note_points(rows, block->series[0], err) : SILT_OK;
}

struct silt_str rows_tag(const struct rows *rows, uint32_t series, size_t index)
{
    const struct row_layout *layout = &rows->layout;

    return layout->streams[series - layout->group->first].tags[layout->columns[index].tag];
}

void rows_close(struct rows *rows)
{
    if (!rows)
        return;
    for (size_t i = 0; rows->layout.streams && i < rows->layout.stream_count; i++) {
        lane_destroy(rows->layout.streams[i].lane);
        silt_arena_destroy(rows->layout.streams[i].strings);
        if (rows->parted)
            rows_close(rows->layout.streams[i].part);
    }
    lane_destroy(rows->layout.shared);
    silt_arena_destroy(rows->arena);
}
