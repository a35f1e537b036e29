/*
 * merged.c - implements merged.h.
 *
 * The heap is Go's container/heap step by step, as in rows.c, over keys that rise whatever the direction. When all its
 * series stand at one time and have the next times in common as well, every row of times moves the heap in the same way,
 * for nothing but comparisons moves it: an old time against a new one. So one row of times is tried out, once per number
 * of series,
 *
 *     gives[i]   the place in the heap of what comes out as number i
 *     moves[i]   the place of what stands at i afterwards
 *
 * and then applied for as long as the times agree, which costs two look-ups a value.
 */
#include "query/merged.h"
#include "query/reach.h"

#define OWN_LANES_MAX 8
#define BUFFERED_MAX ((size_t)1 << 18) /* values of all series */
#define SHARED_ROWS_MAX 1024           /* buffered of a series that shares its lane */
#define ROWS_MIN 4
#define GIVEN_ROWS 4096        /* at a time, and what one row of times has */

struct stream {
    uint32_t series;
    bool finished;      /* nothing behind the buffer */
    bool sought;        /* an own lane stands where the buffer ends */
    struct lane *lane;  /* NULL: the shared one */
    struct reach reach; /* of the shared one */
    size_t count, at;
    silt_time *times;
    uint64_t *values;
    uint32_t *shards;
};

struct entry {
    silt_time key; /* rises in the order of output */
    uint32_t stream;
};

struct merged {
    const struct scan *scan;
    const struct scan_group *group;
    struct silt_arena *arena;
    uint32_t slot;
    bool descending, started;
    silt_time min, max;
    struct lane *shared;
    struct stream *streams;
    size_t stream_count;
    size_t buffer_rows;
    uint64_t *buffered; /* all values, stream by stream */

    struct entry *heap; /* of the shard under way */
    size_t heap_count;
    uint32_t shard;
    bool new_time; /* the heap's first entry begins one */

    size_t tried; /* number of series that gives and moves are for */
    uint32_t *gives, *moves;
    struct entry *spare;      /* a heap to try out with */
    const uint64_t **columns; /* by place in the heap, while times agree */
    const uint64_t **columns_moved;

    silt_time *times; /* given */
    uint64_t *values;
    size_t room, count;
};

/* ---------------------------------------------------------------- buffers */

/* Rows of the batch that have a value, as far as there is room; *full: it has more, to be read again from `resume`. */
static enum silt_status buffer_rows(struct merged *m, struct stream *stream, struct lane *lane,
                                    const struct lane_batch *batch, bool *full, struct silt_error *err)
{
    struct lane_column column;
    const silt_time *times;
    size_t room = m->buffer_rows - stream->count, taken = 0;
    enum silt_status rc = lane_column(lane, m->slot, &column, err);

    *full = false;
    if (rc != SILT_OK || column.valid_count == 0 || (rc = lane_times(lane, &times, err)) != SILT_OK)
        return rc;
    silt_time *to = stream->times + stream->count;
    uint64_t *values = stream->values + stream->count;
    *full = column.valid_count > room;
    if (!column.valid) {
        taken = batch->count < room ? batch->count : room;
        memcpy(to, times, taken * sizeof(*to));
        memcpy(values, column.u64, taken * sizeof(*values));
    } else {
        for (size_t row = 0; row < batch->count && taken < room; row++)
            if (row_valid(column.valid, row)) {
                to[taken] = times[row];
                values[taken++] = column.u64[row];
            }
    }
    if (taken == 0)
        return SILT_OK;
    for (size_t i = 0; i < taken; i++)
        stream->shards[stream->count + i] = batch->shard;
    stream->count += taken;
    stream->reach.resume = m->descending ? to[taken - 1] - 1 : to[taken - 1] + 1;
    return SILT_OK;
}

static enum silt_status refill_own(struct merged *m, struct stream *stream, struct silt_error *err)
{
    struct lane_batch batch;
    bool full;
    enum silt_status rc;

    if (!stream->sought &&
        (rc = lane_seek(stream->lane, stream->series, m->group, m->min, m->max, m->descending, err)) != SILT_OK)
        return rc;
    stream->sought = true;
    while (stream->count == 0) {
        if ((rc = lane_next(stream->lane, &batch, err)) != SILT_OK)
            return rc;
        if (batch.count == 0) {
            stream->finished = true;
            return SILT_OK;
        }
        if ((rc = buffer_rows(m, stream, stream->lane, &batch, &full, err)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

static enum silt_status refill_shared(struct merged *m, struct stream *stream, struct silt_error *err)
{
    struct lane_batch batch;
    bool full = false;
    enum silt_status rc;

    while (stream->count == 0) {
        silt_time min = m->min, max = m->max;
        reach_range(&stream->reach, m->descending, &min, &max);
        if (min > max) {
            stream->finished = true;
            return SILT_OK;
        }
        if ((rc = lane_seek(m->shared, stream->series, m->group, min, max, m->descending, err)) != SILT_OK)
            return rc;
        do {
            if ((rc = lane_next(m->shared, &batch, err)) != SILT_OK)
                return rc;
            if (batch.count && (rc = buffer_rows(m, stream, m->shared, &batch, &full, err)) != SILT_OK)
                return rc;
        } while (batch.count && !full);
        if (full)
            break;
        if (m->descending ? min == m->min : max == m->max) {
            stream->finished = true;
            return SILT_OK;
        }
        reach_on(&stream->reach, m->descending, min, max);
    }
    if (full)
        reach_filled(&stream->reach, m->descending, stream->times[0], stream->times[stream->count - 1]);
    return SILT_OK;
}

static enum silt_status refill(struct merged *m, struct stream *stream, struct silt_error *err)
{
    stream->count = stream->at = 0;
    if (stream->finished)
        return SILT_OK;
    return stream->lane ? refill_own(m, stream, err) : refill_shared(m, stream, err);
}

/* ---------------------------------------------------------------- the heap, as container/heap moves things */

static silt_time key_of(const struct merged *m, const struct stream *stream)
{
    silt_time time = stream->times[stream->at];
    return m->descending ? ~time : time;
}

/* Which child is smaller is as good as random: it is added, not jumped over. */
static void heap_down(struct entry *heap, size_t at, size_t count)
{
    struct entry sinking = heap[at];

    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count)
            child += heap[child + 1].key < heap[child].key;
        if (heap[child].key >= sinking.key)
            break;
        heap[at] = heap[child];
    }
    heap[at] = sinking;
}

static struct entry heap_pop(struct entry *heap, size_t count)
{
    struct entry first = heap[0];

    heap[0] = heap[count - 1];
    heap_down(heap, 0, count - 1);
    return first;
}

static void heap_push(struct entry *heap, size_t count, struct entry entry)
{
    size_t at = count;

    for (; at > 0 && entry.key < heap[(at - 1) / 2].key; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

/* The streams whose next row lies in the earliest shard that is left (descending: the latest). */
static void start_shard(struct merged *m)
{
    bool any = false;

    m->heap_count = 0;
    m->new_time = true;
    for (size_t i = 0; i < m->stream_count; i++) {
        const struct stream *stream = &m->streams[i];
        if (stream->at == stream->count)
            continue;
        uint32_t shard = stream->shards[stream->at];
        if (!any || (m->descending ? shard > m->shard : shard < m->shard))
            m->shard = shard;
        any = true;
    }
    for (size_t n = 0; any && n < m->stream_count; n++) {
        size_t i = m->descending ? m->stream_count - 1 - n : n;
        const struct stream *stream = &m->streams[i];
        if (stream->at < stream->count && stream->shards[stream->at] == m->shard)
            m->heap[m->heap_count++] = (struct entry){key_of(m, stream), (uint32_t)i};
    }
    for (size_t i = m->heap_count / 2; i > 0; i--)
        heap_down(m->heap, i - 1, m->heap_count);
}

/* ---------------------------------------------------------------- times in common */

static void try_out(struct merged *m)
{
    size_t count = m->heap_count;

    if (m->tried == count)
        return;
    for (size_t i = 0; i < count; i++)
        m->spare[i] = (struct entry){0, (uint32_t)i};
    for (size_t i = 0; i < count; i++) {
        struct entry entry = heap_pop(m->spare, count);
        m->gives[i] = entry.stream;
        entry.key = 1;
        heap_push(m->spare, count - 1, entry);
    }
    for (size_t i = 0; i < count; i++)
        m->moves[i] = m->spare[i].stream;
    m->tried = count;
}

/* So many rows, from the present one on, all series of the heap have at the same times and in this shard. */
static size_t rows_in_common(const struct merged *m, size_t most)
{
    const struct stream *first = &m->streams[m->heap[0].stream];
    const silt_time *times = first->times + first->at;
    size_t rows = first->count - first->at < most ? first->count - first->at : most;

    for (size_t i = 1; i < m->heap_count; i++)
        if (m->heap[i].key != m->heap[0].key)
            return 0;
    while (first->shards[first->at + rows - 1] != m->shard)
        rows--;
    for (size_t i = 1; i < m->heap_count && rows > 1; i++) {
        const struct stream *stream = &m->streams[m->heap[i].stream];
        const silt_time *others = stream->times + stream->at;
        if (stream->count - stream->at < rows)
            rows = stream->count - stream->at;
        if (memcmp(times, others, rows * sizeof(*times)) == 0)
            continue;
        size_t same = 0;
        while (times[same] == others[same])
            same++;
        rows = same;
    }
    return rows;
}

/* All rows in common but the last one: what comes behind that decides how it moves the heap. */
static void give_common_rows(struct merged *m)
{
    size_t count = m->heap_count, room = (m->room - m->count) / count;
    size_t rows = room ? rows_in_common(m, room + 1) : 0;

    if (rows < 2)
        return;
    rows--;
    try_out(m);
    for (size_t i = 0; i < count; i++)
        m->columns[i] = m->streams[m->heap[i].stream].values + m->streams[m->heap[i].stream].at;
    const struct stream *first = &m->streams[m->heap[0].stream];
    const silt_time *times = first->times + first->at;
    for (size_t row = 0; row < rows; row++) {
        uint64_t *values = m->values + m->count;
        for (size_t i = 0; i < count; i++)
            values[i] = m->columns[m->gives[i]][row];
        for (size_t i = 0; i < count; i++)
            m->times[m->count + i] = times[row];
        for (size_t i = 0; i < count; i++)
            m->columns_moved[i] = m->columns[m->moves[i]];
        const uint64_t **held = m->columns;
        m->columns = m->columns_moved;
        m->columns_moved = held;
        m->count += count;
    }
    for (size_t i = 0; i < count; i++) {
        m->heap[i].stream = (uint32_t)((size_t)(m->columns[i] - m->buffered) / m->buffer_rows);
        struct stream *stream = &m->streams[m->heap[i].stream];
        stream->at += rows;
        m->heap[i].key = key_of(m, stream);
    }
}

/* ---------------------------------------------------------------- in and out */

bool merged_fits(const struct scan *scan, const struct scan_group *group, uint32_t slot)
{
    const struct plan *plan = scan->plan;
    const struct slot *s = &plan->slots[slot];
    uint32_t source = scan->series[group->first].source;

    /* series stand in the order of their sources */
    return s->kind == SLOT_FIELD && !s->or_tag && !plan->sources[source].in_memory &&
           scan->series[group->first + group->count - 1].source == source &&
           (s->type == DATA_FLOAT || s->type == DATA_INTEGER || s->type == DATA_UNSIGNED);
}

static enum silt_status over_budget(struct silt_error *err)
{
    return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
}

enum silt_status merged_open(const struct scan *scan, const struct scan_group *group, uint32_t slot, bool descending,
                             silt_time min, silt_time max, struct merged **out, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(&scan->plan->exec->budget);
    struct merged *m = silt_arena_zalloc(arena, sizeof(*m));
    size_t count = group->count, rows = BUFFERED_MAX / count;
    bool own = count <= OWN_LANES_MAX;
    enum silt_status rc;

    *out = m;
    *m = (struct merged){.scan = scan, .group = group, .arena = arena, .slot = slot, .descending = descending, .min = min,
                         .max = max, .stream_count = count, .room = GIVEN_ROWS + count};
    m->buffer_rows = own ? BATCH_ROWS_MAX : rows > SHARED_ROWS_MAX ? SHARED_ROWS_MAX : rows < ROWS_MIN ? ROWS_MIN : rows;
    m->streams = silt_arena_try_alloc(arena, count * sizeof(*m->streams));
    m->heap = silt_arena_try_alloc(arena, count * sizeof(*m->heap));
    m->spare = silt_arena_try_alloc(arena, count * sizeof(*m->spare));
    m->gives = silt_arena_try_alloc(arena, count * sizeof(*m->gives));
    m->moves = silt_arena_try_alloc(arena, count * sizeof(*m->moves));
    m->columns = silt_arena_try_alloc(arena, count * sizeof(*m->columns));
    m->columns_moved = silt_arena_try_alloc(arena, count * sizeof(*m->columns_moved));
    m->times = silt_arena_try_alloc(arena, m->room * sizeof(*m->times));
    m->values = silt_arena_try_alloc(arena, m->room * sizeof(*m->values));
    m->buffered = silt_arena_try_alloc(arena, count * m->buffer_rows * sizeof(*m->buffered));
    silt_time *times = silt_arena_try_alloc(arena, count * m->buffer_rows * sizeof(*times));
    uint32_t *shards = silt_arena_try_alloc(arena, count * m->buffer_rows * sizeof(*shards));
    if (!m->streams || !m->heap || !m->spare || !m->gives || !m->moves || !m->columns || !m->columns_moved || !m->times ||
        !m->values || !m->buffered || !times || !shards) {
        m->streams = NULL;
        return over_budget(err);
    }
    for (size_t i = 0; i < count; i++)
        m->streams[i] = (struct stream){.series = (uint32_t)(group->first + i),
                                        .reach = {.resume = descending ? max : min},
                                        .times = times + i * m->buffer_rows,
                                        .values = m->buffered + i * m->buffer_rows,
                                        .shards = shards + i * m->buffer_rows};
    for (size_t i = 0; own && i < count; i++)
        if ((rc = lane_create(scan, &m->streams[i].lane, err)) != SILT_OK)
            return rc;
    return own ? SILT_OK : lane_create(scan, &m->shared, err);
}

static enum silt_status give_row(struct merged *m, struct silt_error *err)
{
    struct entry entry = heap_pop(m->heap, m->heap_count--);
    struct stream *stream = &m->streams[entry.stream];
    silt_time key = entry.key;
    enum silt_status rc;

    m->times[m->count] = stream->times[stream->at];
    m->values[m->count++] = stream->values[stream->at];
    if (++stream->at == stream->count && (rc = refill(m, stream, err)) != SILT_OK)
        return rc;
    if (stream->at < stream->count && stream->shards[stream->at] == m->shard) {
        entry.key = key_of(m, stream);
        heap_push(m->heap, m->heap_count++, entry);
    }
    m->new_time = m->heap_count && m->heap[0].key != key;
    return SILT_OK;
}

static enum silt_status merge(struct merged *m, struct silt_error *err)
{
    enum silt_status rc;

    for (size_t i = 0; !m->started && i < m->stream_count; i++)
        if ((rc = refill(m, &m->streams[i], err)) != SILT_OK)
            return rc;
    m->started = true;
    while (m->count < m->room) {
        if (m->heap_count == 0)
            start_shard(m);
        if (m->heap_count == 0)
            return SILT_OK;
        if (m->new_time) {
            if (m->count && m->room - m->count < m->heap_count) /* the rows of one time are given together */
                return SILT_OK;
            give_common_rows(m);
            m->new_time = false;
            continue;
        }
        if ((rc = give_row(m, err)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

enum silt_status merged_next(struct merged *m, struct merged_batch *batch, struct silt_error *err)
{
    enum silt_status rc;

    if (m->stream_count == 1) { /* stands in order */
        struct stream *stream = &m->streams[0];
        rc = refill(m, stream, err);
        *batch = (struct merged_batch){stream->count, stream->times, {.u64 = stream->values}};
    } else {
        m->count = 0;
        rc = merge(m, err);
        *batch = (struct merged_batch){m->count, m->times, {.u64 = m->values}};
    }
    return rc == SILT_OK ? exec_note_points(m->scan->plan->exec, batch->count, err) : rc;
}

void merged_close(struct merged *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->streams && i < m->stream_count; i++)
        lane_destroy(m->streams[i].lane);
    lane_destroy(m->shared);
    silt_arena_destroy(m->arena);
}
