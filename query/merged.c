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
#include "query/row_stream.h"

#define OWN_LANES_MAX 8
#define GIVEN_ROWS 4096 /* at a time, and what one row of times has */

struct entry {
    silt_time key; /* rises in the order of output */
    uint32_t stream;
};

struct merged {
    struct row_layout layout; /* of the one column */
    struct silt_arena *arena;
    bool started;
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

/* ---------------------------------------------------------------- the heap, as container/heap moves things */

static silt_time key_of(const struct merged *m, const struct row_stream *stream)
{
    silt_time time = stream->times[stream->at];
    return m->layout.descending ? ~time : time;
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
    for (size_t i = 0; i < m->layout.stream_count; i++) {
        const struct row_stream *stream = &m->layout.streams[i];
        if (stream->at == stream->count)
            continue;
        uint32_t shard = stream->shards[stream->at];
        if (!any || (m->layout.descending ? shard > m->shard : shard < m->shard))
            m->shard = shard;
        any = true;
    }
    for (size_t n = 0; any && n < m->layout.stream_count; n++) {
        size_t i = m->layout.descending ? m->layout.stream_count - 1 - n : n;
        const struct row_stream *stream = &m->layout.streams[i];
        if (stream->at < stream->count && stream->shards[stream->at] == m->shard)
            m->heap[m->heap_count++] = (struct entry){key_of(m, stream), (uint32_t)i};
    }
    for (size_t i = m->heap_count / 2; i > 0; i--)
        heap_down(m->heap, i - 1, m->heap_count);
}

/* ---------------------------------------------------------------- times in common */

static const uint64_t *values_of(const struct merged *m, const struct row_stream *stream)
{
    return row_data_words(stream->data, &m->layout.columns[0]);
}

/* Whose buffer it points into: they lie side by side. */
static uint32_t stream_of(const struct merged *m, const uint64_t *value)
{
    return (uint32_t)((size_t)((const char *)value - m->layout.streams[0].data) / m->layout.stream_bytes);
}

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
    const struct row_stream *first = &m->layout.streams[m->heap[0].stream];
    const silt_time *times = first->times + first->at;
    size_t rows = first->count - first->at < most ? first->count - first->at : most;

    for (size_t i = 1; i < m->heap_count; i++)
        if (m->heap[i].key != m->heap[0].key)
            return 0;
    while (first->shards[first->at + rows - 1] != m->shard)
        rows--;
    for (size_t i = 1; i < m->heap_count && rows > 1; i++) {
        const struct row_stream *stream = &m->layout.streams[m->heap[i].stream];
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
    for (size_t i = 0; i < count; i++) {
        const struct row_stream *stream = &m->layout.streams[m->heap[i].stream];
        m->columns[i] = values_of(m, stream) + stream->at;
    }
    const struct row_stream *first = &m->layout.streams[m->heap[0].stream];
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
        m->heap[i].stream = stream_of(m, m->columns[i]);
        struct row_stream *stream = &m->layout.streams[m->heap[i].stream];
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

enum silt_status merged_open(const struct scan *scan, const struct scan_group *group, uint32_t slot, bool descending,
                             silt_time min, silt_time max, struct merged **out, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(&scan->plan->exec->budget);
    struct merged *m = silt_arena_zalloc(arena, sizeof(*m));
    size_t count = group->count;
    bool own = count <= OWN_LANES_MAX;
    enum silt_status rc;

    *out = m;
    *m = (struct merged){
        .layout = {.scan = scan, .group = group, .must = 1, .descending = descending, .min = min, .max = max},
        .arena = arena, .room = GIVEN_ROWS + count};
    m->heap = silt_arena_try_alloc(arena, count * sizeof(*m->heap));
    m->spare = silt_arena_try_alloc(arena, count * sizeof(*m->spare));
    m->gives = silt_arena_try_alloc(arena, count * sizeof(*m->gives));
    m->moves = silt_arena_try_alloc(arena, count * sizeof(*m->moves));
    m->columns = silt_arena_try_alloc(arena, count * sizeof(*m->columns));
    m->columns_moved = silt_arena_try_alloc(arena, count * sizeof(*m->columns_moved));
    m->times = silt_arena_try_alloc(arena, m->room * sizeof(*m->times));
    m->values = silt_arena_try_alloc(arena, m->room * sizeof(*m->values));
    if (!m->heap || !m->spare || !m->gives || !m->moves || !m->columns || !m->columns_moved || !m->times || !m->values)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    if ((rc = row_layout_init(&m->layout, &slot, 1, own, arena, err)) != SILT_OK)
        return rc;
    return row_streams_init(&m->layout, own, arena, err);
}

static enum silt_status give_row(struct merged *m, struct silt_error *err)
{
    struct entry entry = heap_pop(m->heap, m->heap_count--);
    struct row_stream *stream = &m->layout.streams[entry.stream];
    silt_time key = entry.key;
    enum silt_status rc;

    m->times[m->count] = stream->times[stream->at];
    m->values[m->count++] = values_of(m, stream)[stream->at];
    if (++stream->at == stream->count && (rc = row_stream_refill(&m->layout, stream, err)) != SILT_OK)
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

    for (size_t i = 0; !m->started && i < m->layout.stream_count; i++)
        if ((rc = row_stream_refill(&m->layout, &m->layout.streams[i], err)) != SILT_OK)
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

    if (m->layout.stream_count == 1) { /* stands in order */
        struct row_stream *stream = &m->layout.streams[0];
        rc = row_stream_refill(&m->layout, stream, err);
        *batch = (struct merged_batch){stream->count, stream->times, {.u64 = values_of(m, stream)}};
    } else {
        m->count = 0;
        rc = merge(m, err);
        *batch = (struct merged_batch){m->count, m->times, {.u64 = m->values}};
    }
    return rc == SILT_OK ? exec_note_points(m->layout.scan->plan->exec, batch->count, err) : rc;
}

void merged_close(struct merged *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->layout.streams && i < m->layout.stream_count; i++)
        lane_destroy(m->layout.streams[i].lane);
    lane_destroy(m->layout.shared);
    silt_arena_destroy(m->arena);
}
