/* rows.c - implements rows.h. */
#include "query/rows.h"

#include <assert.h>

#define OWN_CURSORS_MAX 8
#define BUFFERED_CELLS_MAX ((size_t)1 << 18)
#define BUFFER_ROWS_MAX 1024 /* of a series that shares its cursor */
#define FIRST_ROWS 256       /* buffered at first, for a LIMIT may need no more */

struct stream {
    struct lane *lane; /* NULL: the shared one */
    struct rows *part; /* rows of one of several sources; then its row under way is all there is here */
    uint32_t part_shard;
    uint32_t series;
    bool finished;     /* nothing behind the buffer */
    bool sought;       /* an own cursor stands where the buffer ends */
    silt_time resume;  /* a shared cursor goes on from here */
    uint64_t reach;    /* how far it looks at a time, in ns; 0: all the way */
    size_t count, at;
    size_t goal;       /* rows to buffer at a time */
    silt_time *times;
    uint32_t *shards;
    struct silt_cell *cells; /* wanted_count per row */
    struct silt_arena *strings;
};

#define NOTE_ROWS_MAX 1024

struct rows {
    const struct scan *scan;
    const struct scan_group *group;
    struct silt_arena *arena;
    const uint32_t *wanted;
    size_t wanted_count, must;
    bool every, in_sequence;
    const struct windows *by_window;
    size_t compare;
    bool descending, started;
    silt_time min, max;
    size_t buffer_rows;
    struct lane *shared;
    struct lane *lanes[OWN_CURSORS_MAX];
    size_t lane_count;
    struct lane **memory_lanes; /* subqueries: a cursor each */
    struct stream *streams;
    size_t stream_count; /* a stream per series, or one per source */
    bool parted;
    enum rows_order order;
    uint64_t most, taken; /* rows of a shard; of the last one */
    uint32_t taken_shard;
    uint64_t unnoted, note_rows; /* given since note_points(), and how many it is to be told at once */
    struct stream **heap; /* of the shard under way */
    size_t heap_count;
    uint32_t shard;
    struct stream *given; /* whose row the caller has */
    struct silt_cell *out;
    struct lane_column *columns;
};

/* ---------------------------------------------------------------- buffers */

/* A field does, a tag that stands for a subquery's column does not. */
static bool makes_rows(const struct rows *rows, const struct stream *stream, size_t column)
{
    const struct plan *plan = rows->scan->plan;
    const struct slot *slot = &plan->slots[rows->wanted[column]];

    return slot->kind == SLOT_FIELD &&
           !(slot->or_tag && !plan->sources[rows->scan->series[stream->series].source].in_memory);
}

/* The rows of the batch that count, at most `room` of them; *full: there are more. */
static size_t pick_rows(const struct rows *rows, const struct stream *stream, const struct lane_batch *batch, bool every,
                        const uint64_t *passed, size_t room, uint16_t picks[BATCH_ROWS_MAX], bool *full)
{
    size_t count = 0;

    static_assert(BATCH_ROWS_MAX <= UINT16_MAX + 1, "a row's number fits");
    *full = false;
    for (size_t from = 0; from < batch->count; from += 64) {
        uint64_t bits = every ? (passed ? passed[from / 64] : UINT64_MAX) : 0;
        for (size_t c = 0; c < rows->must && !every; c++)
            if (makes_rows(rows, stream, c))
                bits |= rows->columns[c].valid ? rows->columns[c].valid[from / 64] : UINT64_MAX;
        if (batch->count - from < 64)
            bits &= ((uint64_t)1 << (batch->count - from)) - 1;
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

#define COPY(cell_kind, member, value)                                                                                 \
    for (size_t i = 0; i < count; i++) {                                                                               \
        size_t row = picks[i];                                                                                         \
        to[i * width] = row_valid(column->valid, row) ? (struct silt_cell){.kind = cell_kind, .member = value}        \
                                                      : (struct silt_cell){.kind = SILT_CELL_NULL};                    \
    }

/* Into every width-th cell. Strings are copied, for the batch goes before its rows do. */
static void copy_column(struct silt_cell *to, size_t width, const struct lane_column *column, enum data_type type,
                        const uint16_t *picks, size_t count, struct silt_arena *strings)
{
    switch (type) {
    case DATA_FLOAT:
        COPY(SILT_CELL_FLOAT, f64, column->f64[row])
        break;
    case DATA_INTEGER:
        COPY(SILT_CELL_INTEGER, i64, column->i64[row])
        break;
    case DATA_UNSIGNED:
        COPY(SILT_CELL_UNSIGNED, u64, column->u64[row])
        break;
    case DATA_BOOLEAN:
        COPY(SILT_CELL_BOOLEAN, boolean, column->boolean[row] != 0)
        break;
    case DATA_STRING:
        COPY(SILT_CELL_STRING, string, silt_arena_str(strings, column->string[row]))
        break;
    default:
        for (size_t i = 0; i < count; i++)
            to[i * width] = cell_null();
    }
}

#undef COPY

static enum silt_status copy_rows(struct rows *rows, struct stream *stream, struct lane *lane,
                                  const struct lane_batch *batch, bool *full, struct silt_error *err)
{
    const struct plan *plan = rows->scan->plan;
    size_t width = rows->wanted_count;
    struct lane_column *columns = rows->columns;
    uint16_t picks[BATCH_ROWS_MAX];
    const silt_time *times;
    bool any = false;
    enum silt_status rc;

    for (size_t c = 0; c < width; c++) {
        if (plan->slots[rows->wanted[c]].kind != SLOT_FIELD)
            continue;
        if ((rc = lane_column(lane, rows->wanted[c], &columns[c], err)) != SILT_OK)
            return rc;
        any = any || (c < rows->must && makes_rows(rows, stream, c) && columns[c].valid_count > 0);
    }
    /* a subquery's row is a row, whatever it has of what is wanted */
    bool every = rows->every && plan->sources[rows->scan->series[stream->series].source].in_memory;
    const uint64_t *passed = NULL;
    if (every && (rc = lane_filter(lane, &passed, err)) != SILT_OK)
        return rc;
    *full = false;
    if (!any && !every)
        return SILT_OK;
    if ((rc = lane_times(lane, &times, err)) != SILT_OK)
        return rc;
    /* when full, the rest of the batch is read again from `resume` */
    size_t count = pick_rows(rows, stream, batch, every, passed, stream->goal - stream->count, picks, full);
    if (count == 0)
        return SILT_OK;
    struct silt_cell *cells = stream->cells + stream->count * width;
    for (size_t c = 0; c < width; c++) {
        const struct slot *slot = &plan->slots[rows->wanted[c]];
        if (slot->kind != SLOT_FIELD) {
            struct silt_cell tag = lane_tag_cell(lane, rows->wanted[c]);
            for (size_t i = 0; i < count; i++)
                cells[i * width + c] = tag;
            continue;
        }
        if (slot->type == DATA_STRING && !stream->strings)
            stream->strings = silt_arena_create(&plan->exec->budget);
        copy_column(cells + c, width, &columns[c], slot->type, picks, count, stream->strings);
    }
    for (size_t i = 0; i < count; i++) {
        stream->times[stream->count + i] = times[picks[i]];
        stream->shards[stream->count + i] = batch->shard;
    }
    stream->count += count;
    silt_time last = times[picks[count - 1]];
    stream->resume = rows->descending ? last - 1 : last + 1;
    return stream->strings && silt_arena_exceeded(stream->strings)
               ? silt_fail(err, SILT_LIMIT, "query memory limit exceeded")
               : SILT_OK;
}

static enum silt_status refill_part(struct stream *stream, struct silt_error *err)
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
    stream->cells = (struct silt_cell *)row.cells; /* the part's, until it is asked again */
    return SILT_OK;
}

static enum silt_status refill_own(struct rows *rows, struct stream *stream, struct silt_error *err)
{
    struct lane_batch batch;
    bool full = false;
    enum silt_status rc;

    if (!stream->sought &&
        (rc = lane_seek(stream->lane, stream->series, rows->group, rows->min, rows->max, rows->descending, err)) != SILT_OK)
        return rc;
    stream->sought = true;
    while (stream->count == 0) {
        if ((rc = lane_next(stream->lane, &batch, err)) != SILT_OK)
            return rc;
        if (batch.count == 0) {
            stream->finished = true;
            return SILT_OK;
        }
        if ((rc = copy_rows(rows, stream, stream->lane, &batch, &full, err)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

/* From `resume`, as far as reach allows. */
static void next_range(const struct rows *rows, const struct stream *stream, silt_time *min, silt_time *max)
{
    *min = rows->descending ? rows->min : stream->resume;
    *max = rows->descending ? stream->resume : rows->max;
    if (stream->reach == 0 || *min > *max || (uint64_t)*max - (uint64_t)*min <= stream->reach)
        return;
    if (rows->descending)
        *min = (silt_time)((uint64_t)*max - stream->reach);
    else
        *max = (silt_time)((uint64_t)*min + stream->reach);
}

/*
 * A shared cursor is set anew for each refill, and what it finds in memory is gathered up to its range's end. So that
 * not all the rest of a series is gathered again for every few rows of it, it looks only about as far as the next
 * rows reach, judged by those before.
 */
static enum silt_status refill_shared(struct rows *rows, struct stream *stream, struct silt_error *err)
{
    struct lane_batch batch;
    silt_time min, max;
    bool full = false;
    enum silt_status rc;

    while (stream->count == 0) {
        next_range(rows, stream, &min, &max);
        if (min > max) {
            stream->finished = true;
            return SILT_OK;
        }
        if ((rc = lane_seek(rows->shared, stream->series, rows->group, min, max, rows->descending, err)) != SILT_OK)
            return rc;
        do {
            if ((rc = lane_next(rows->shared, &batch, err)) != SILT_OK)
                return rc;
            if (batch.count && (rc = copy_rows(rows, stream, rows->shared, &batch, &full, err)) != SILT_OK)
                return rc;
        } while (batch.count && !full);
        if (full)
            break;
        if (rows->descending ? min == rows->min : max == rows->max) {
            stream->finished = true;
            return SILT_OK;
        }
        stream->resume = rows->descending ? min - 1 : max + 1;
        stream->reach = stream->reach > UINT64_MAX / 2 ? 0 : stream->reach * 2;
    }
    if (full) {
        uint64_t first = (uint64_t)stream->times[0], last = (uint64_t)stream->times[stream->count - 1];
        uint64_t covered = rows->descending ? first - last : last - first;
        stream->goal = stream->goal * 2 < rows->buffer_rows ? stream->goal * 2 : rows->buffer_rows;
        stream->reach = covered > UINT64_MAX / 4 ? 0 : covered * 3 + 1;
    }
    return SILT_OK;
}

static enum silt_status refill(struct rows *rows, struct stream *stream, struct silt_error *err)
{
    stream->count = stream->at = 0;
    if (stream->part)
        return refill_part(stream, err);
    if (stream->strings)
        silt_arena_reset(stream->strings);
    if (stream->finished)
        return SILT_OK;
    return stream->lane ? refill_own(rows, stream, err) : refill_shared(rows, stream, err);
}

/* ---------------------------------------------------------------- the heap, as container/heap moves things */

static int compare_companions(const struct rows *rows, const struct silt_cell *a, const struct silt_cell *b)
{
    for (size_t i = rows->wanted_count - rows->compare; i < rows->wanted_count; i++) {
        if (a[i].kind != SILT_CELL_STRING || b[i].kind != SILT_CELL_STRING)
            return 0;
        int order = silt_str_compare(a[i].string, b[i].string);
        if (order)
            return order;
    }
    return 0;
}

static bool less(const struct rows *rows, size_t i, size_t j)
{
    const struct stream *a = rows->heap[i], *b = rows->heap[j];
    silt_time x = a->times[a->at], y = b->times[b->at];
    if (rows->in_sequence) /* an inner selector's rows, group by group whatever their times */
        return rows->descending ? a->series > b->series : a->series < b->series;
    if (rows->by_window) { /* those of top() and bottom() by the windows that they were found in */
        silt_time end;
        windows_of(rows->by_window, x, &x, &end);
        windows_of(rows->by_window, y, &y, &end);
        if (x == y)
            return rows->descending ? a->series > b->series : a->series < b->series;
    }
    int order = x != y ? (x < y ? -1 : 1)
                       : compare_companions(rows, a->cells + a->at * rows->wanted_count,
                                            b->cells + b->at * rows->wanted_count);
    if (order == 0 && rows->memory_lanes) /* a subquery's rows stand as it gave them */
        order = a->series < b->series ? -1 : a->series > b->series;
    return rows->descending ? order > 0 : order < 0;
}

static void swap(struct rows *rows, size_t i, size_t j)
{
    struct stream *stream = rows->heap[i];
    rows->heap[i] = rows->heap[j];
    rows->heap[j] = stream;
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

static struct stream *heap_pop(struct rows *rows)
{
    swap(rows, 0, rows->heap_count - 1);
    heap_down(rows, 0, rows->heap_count - 1);
    return rows->heap[--rows->heap_count];
}

/* The streams whose next row lies in the earliest shard that is left (descending: the latest). */
static void start_shard(struct rows *rows)
{
    bool any = false;

    rows->heap_count = 0;
    for (size_t i = 0; i < rows->stream_count; i++) {
        const struct stream *stream = &rows->streams[i];
        if (stream->at == stream->count)
            continue;
        uint32_t shard = stream->shards[stream->at];
        if (!any || (rows->descending ? shard > rows->shard : shard < rows->shard))
            rows->shard = shard;
        any = true;
    }
    for (size_t n = 0; any && n < rows->stream_count; n++) {
        struct stream *stream = &rows->streams[rows->descending ? rows->stream_count - 1 - n : n];
        if (stream->at < stream->count && stream->shards[stream->at] == rows->shard)
            rows->heap[rows->heap_count++] = stream;
    }
    for (size_t i = rows->heap_count / 2; i > 0; i--)
        heap_down(rows, i - 1, rows->heap_count);
}

/* ---------------------------------------------------------------- in and out */

/* A stream per source. Series stand in the order of their sources. */
static enum silt_status open_parts(struct rows *rows, struct silt_error *err)
{
    const struct scan *scan = rows->scan;
    const struct scan_group *group = rows->group;
    struct silt_arena *arena = rows->arena;
    enum silt_status rc = SILT_OK;

    rows->parted = true;
    rows->streams = silt_arena_zalloc(arena, group->count * sizeof(*rows->streams));
    rows->heap = silt_arena_zalloc(arena, group->count * sizeof(*rows->heap));
    for (size_t first = 0, next; rc == SILT_OK && first < group->count; first = next) {
        uint32_t source = scan->series[group->first + first].source;
        struct scan_group *part = silt_arena_zalloc(arena, sizeof(*part));
        struct stream *stream = &rows->streams[rows->stream_count++];
        for (next = first; next < group->count && scan->series[group->first + next].source == source;)
            next++;
        *part = *group;
        part->first = group->first + first;
        part->count = next - first;
        stream->times = silt_arena_zalloc(arena, sizeof(*stream->times));
        stream->shards = silt_arena_zalloc(arena, sizeof(*stream->shards));
        rc = rows_open(scan, part, rows->wanted, rows->wanted_count, rows->every ? 0 : rows->must, rows->compare,
                       rows->descending, rows->min, rows->max, rows->order, &stream->part, err);
    }
    if (rc == SILT_OK && silt_arena_exceeded(arena))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    return rc;
}

void rows_limit(struct rows *rows, uint64_t rows_of_a_shard)
{
    rows->most = rows->memory_lanes ? UINT64_MAX : rows_of_a_shard; /* a subquery has no shards */
    for (size_t i = 0; rows->parted && i < rows->stream_count; i++)
        rows_limit(rows->streams[i].part, rows_of_a_shard);
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
    *rows = (struct rows){.scan = scan, .group = group, .arena = arena, .wanted = wanted, .wanted_count = wanted_count,
                          .must = must ? must : wanted_count, .every = must == 0, .compare = compare, .descending = descending, .min = min,
                          .max = max, .order = order, .most = UINT64_MAX};
    uint32_t source = group->count ? scan->series[group->first].source : 0;
    for (size_t i = 0; i < group->count; i++)
        if (scan->series[group->first + i].source != source)
            return open_parts(rows, err);
    rows->stream_count = group->count;
    for (size_t i = 0; i < group->count; i++)
        in_memory = in_memory || plan->sources[scan->series[group->first + i].source].in_memory;
    rows->in_sequence = in_memory && plan->sources[source].in_sequence;
    rows->by_window = in_memory ? plan->sources[source].by_window : NULL;
    bool own = in_memory || group->count <= OWN_CURSORS_MAX;
    size_t width = wanted_count ? wanted_count : 1;
    rows->buffer_rows = own ? BATCH_ROWS_MAX : BUFFERED_CELLS_MAX / (group->count * width);
    if (!own && rows->buffer_rows > BUFFER_ROWS_MAX)
        rows->buffer_rows = BUFFER_ROWS_MAX;
    if (rows->buffer_rows < 4)
        rows->buffer_rows = 4;

    size_t cells = group->count * rows->buffer_rows * width;
    rows->streams = silt_arena_try_alloc(arena, group->count * sizeof(*rows->streams));
    rows->heap = silt_arena_try_alloc(arena, group->count * sizeof(*rows->heap));
    rows->out = silt_arena_try_alloc(arena, width * sizeof(*rows->out));
    rows->columns = silt_arena_try_alloc(arena, width * sizeof(*rows->columns));
    struct silt_cell *buffer = silt_arena_try_alloc(arena, cells * sizeof(*buffer));
    silt_time *times = silt_arena_try_alloc(arena, group->count * rows->buffer_rows * sizeof(*times));
    uint32_t *shards = silt_arena_try_alloc(arena, group->count * rows->buffer_rows * sizeof(*shards));
    if (in_memory)
        rows->memory_lanes = silt_arena_try_alloc(arena, group->count * sizeof(*rows->memory_lanes));
    if (!rows->streams || !rows->heap || !rows->out || !rows->columns || !buffer || !times || !shards ||
        (in_memory && !rows->memory_lanes)) {
        rows->streams = NULL;
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    }

    for (size_t i = 0; i < group->count; i++)
        rows->streams[i] = (struct stream){
            .series = (uint32_t)(group->first + i),
            .resume = rows->descending ? max : min,
            .goal = own || rows->buffer_rows < FIRST_ROWS ? rows->buffer_rows : FIRST_ROWS,
            .times = times + i * rows->buffer_rows,
            .shards = shards + i * rows->buffer_rows,
            .cells = buffer + i * rows->buffer_rows * width,
        };
    for (size_t i = 0; own && i < group->count; i++) {
        if ((rc = lane_create(scan, &rows->streams[i].lane, err)) != SILT_OK)
            return rc;
        if (in_memory)
            rows->memory_lanes[rows->lane_count++] = rows->streams[i].lane;
        else
            rows->lanes[rows->lane_count++] = rows->streams[i].lane;
    }
    return own ? SILT_OK : lane_create(scan, &rows->shared, err);
}

static enum silt_status next_by_source(struct rows *rows, struct row *row, bool *more, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    for (*more = false; rows->taken < rows->stream_count; rows->taken++) /* here: the sources done */
        if ((rc = rows_next(rows->streams[rows->taken].part, row, more, err)) != SILT_OK || *more)
            break;
    return rc;
}

static enum silt_status next_merged(struct rows *rows, struct row *row, bool *more, struct silt_error *err)
{
    enum silt_status rc;

    if (!rows->started) {
        rows->started = true;
        for (size_t i = 0; i < rows->stream_count; i++)
            if ((rc = refill(rows, &rows->streams[i], err)) != SILT_OK)
                return rc;
        start_shard(rows);
    }
    *more = false;
    if (rows->given) { /* only now: its cells were the caller's */
        struct stream *stream = rows->given;
        rows->given = NULL;
        if (++stream->at == stream->count && (rc = refill(rows, stream, err)) != SILT_OK)
            return rc;
        if (stream->at < stream->count && stream->shards[stream->at] == rows->shard) {
            rows->heap[rows->heap_count++] = stream;
            heap_up(rows, rows->heap_count - 1);
        }
    }
    if (rows->heap_count == 0) {
        start_shard(rows);
        if (rows->heap_count == 0)
            return SILT_OK;
    }
    struct stream *stream = heap_pop(rows);
    *row = (struct row){stream->times[stream->at], stream->part ? stream->part_shard : stream->shards[stream->at],
                        stream->series,
                        stream->cells + stream->at * rows->wanted_count};
    rows->given = stream;
    *more = true;
    return SILT_OK;
}

/* max-select-point: what was given counts, a little at a time; not what was read ahead. */
static enum silt_status note_points(struct rows *rows, const struct row *row, struct silt_error *err)
{
    uint64_t limit = rows->scan->plan->exec->options->limits.select_points;
    uint64_t count = rows->unnoted;

    rows->unnoted = 0;
    rows->note_rows = limit == 0 ? UINT64_MAX : limit / 16 < NOTE_ROWS_MAX ? limit / 16 + 1 : NOTE_ROWS_MAX;
    if (rows->scan->plan->sources[rows->scan->series[row->series].source].in_memory)
        return SILT_OK; /* a subquery's: counted when it read them */
    return exec_note_points(rows->scan->plan->exec, count, err);
}

enum silt_status rows_next(struct rows *rows, struct row *row, bool *more, struct silt_error *err)
{
    if (rows->parted)
        return rows->order == ROWS_BY_SOURCE ? next_by_source(rows, row, more, err) : next_merged(rows, row, more, err);
    for (;;) {
        enum silt_status rc = next_merged(rows, row, more, err);
        if (rc != SILT_OK || !*more)
            return rc;
        rows->taken = row->shard == rows->taken_shard ? rows->taken + 1 : 1;
        rows->taken_shard = row->shard;
        if (rows->taken <= rows->most)
            return ++rows->unnoted >= rows->note_rows ? note_points(rows, row, err) : SILT_OK;
    }
}

void rows_close(struct rows *rows)
{
    if (!rows)
        return;
    for (size_t i = 0; i < rows->lane_count; i++)
        lane_destroy(rows->memory_lanes ? rows->memory_lanes[i] : rows->lanes[i]);
    lane_destroy(rows->shared);
    for (size_t i = 0; rows->streams && i < rows->stream_count; i++) {
        silt_arena_destroy(rows->streams[i].strings);
        if (rows->parted)
            rows_close(rows->streams[i].part);
    }
    silt_arena_destroy(rows->arena);
}
