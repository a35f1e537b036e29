/*
 * memtable.c - the writing half of memtable.h: memory, series entries, chunks, applying batches.
 */
#include "storage/memtable_internal.h"

#include <stdlib.h>

#define PIECE_BYTES_MIN ((size_t)64 << 10)
#define SLICE_BYTES_MIN ((size_t)2 << 10)
#define SLICE_BYTES_MAX ((size_t)256 << 10)
#define CHUNK_BYTES_MAX ((size_t)256 << 10)

/* A row is put into a chunk with more columns, or two column sets are joined, while the result has no more than this.
 */
static inline uint32_t columns_worth(uint32_t row_columns)
{
    return 2 * row_columns + 8;
}

struct memtable *memtable_create(struct silt_budget *budget, struct piece_pool *pool, struct field_dict *dict)
{
    struct memtable *mt = aligned_alloc(64, (sizeof(*mt) + 63) / 64 * 64);
    silt_assert(mt);
    memset(mt, 0, sizeof(*mt));
    mt->budget = budget;
    mt->pool = pool;
    mt->dict = dict;
    mt->next_piece_bytes = PIECE_BYTES_MIN;
    atomic_init(&mt->min, INT64_MAX);
    atomic_init(&mt->max, INT64_MIN);
    pthread_mutex_init(&mt->pool_lock, NULL);
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&mt->stripes[i].lock, NULL);
    return mt;
}

void memtable_destroy(struct memtable *mt)
{
    if (!mt)
        return;
    for (struct piece *piece = mt->pieces, *next; piece; piece = next) {
        next = piece->next;
        if (piece->bytes == PIECE_BYTES)
            piece_pool_give(mt->pool, piece);
        else
            free(piece);
    }
    if (mt->budget && mt->charged)
        silt_budget_release(mt->budget, mt->charged);
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&mt->stripes[i].lock);
    pthread_mutex_destroy(&mt->pool_lock);
    free(mt);
}

/* ---------------------------------------------------------------- memory */

/* With pool_lock. A piece that the budget does not cover is taken all the same: its rows are logged. */
static void *add_piece(struct memtable *mt, size_t bytes)
{
    struct piece *piece = bytes == PIECE_BYTES ? piece_pool_take(mt->pool) : malloc(bytes);
    silt_assert(piece); /* out of memory */
    piece->bytes = bytes;
    piece->next = mt->pieces;
    mt->pieces = piece;
    atomic_fetch_add_explicit(&mt->bytes, bytes, memory_order_relaxed);
    if (mt->budget && silt_budget_charge(mt->budget, bytes, NULL) == SILT_OK)
        mt->charged += bytes;
    return piece + 1;
}

/* At least `least` bytes, up to `wanted`: *got of them. */
static char *take_slice(struct memtable *mt, size_t least, size_t wanted, size_t *got)
{
    char *slice;
    pthread_mutex_lock(&mt->pool_lock);
    if ((size_t)(mt->end - mt->at) < least) {
        if (least > mt->next_piece_bytes / 4) { /* one of its own */
            slice = add_piece(mt, sizeof(struct piece) + least);
            *got = least;
            pthread_mutex_unlock(&mt->pool_lock);
            return slice;
        }
        mt->at = add_piece(mt, mt->next_piece_bytes);
        mt->end = (char *)mt->pieces + mt->next_piece_bytes;
        if (mt->next_piece_bytes < PIECE_BYTES)
            mt->next_piece_bytes *= 2;
    }
    *got = (size_t)(mt->end - mt->at) < wanted ? (size_t)(mt->end - mt->at) & ~(size_t)7 : wanted;
    slice = mt->at;
    mt->at += *got;
    pthread_mutex_unlock(&mt->pool_lock);
    return slice;
}

/* 8-byte aligned, not zeroed. With the stripe's lock. */
static void *stripe_alloc(struct memtable *mt, struct stripe *stripe, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if ((size_t)(stripe->end - stripe->at) < bytes) {
        size_t wanted = stripe->taken / 4 & ~(size_t)7, got;
        if (wanted < SLICE_BYTES_MIN)
            wanted = SLICE_BYTES_MIN;
        if (wanted > SLICE_BYTES_MAX)
            wanted = SLICE_BYTES_MAX;
        if (wanted < bytes)
            wanted = bytes;
        char *slice = take_slice(mt, bytes, wanted, &got);
        stripe->taken += got;
        if (got == bytes) /* what is left of the old slice may still serve */
            return slice;
        stripe->at = slice;
        stripe->end = slice + got;
    }
    void *p = stripe->at;
    stripe->at += bytes;
    return p;
}

static struct series_page *make_page(struct memtable *mt, struct stripe *stripe, silt_series_id id)
{
    uint32_t page_number = id / PAGE_SERIES;
    struct series_page *page = stripe_alloc(mt, stripe, sizeof(*page));
    memset(page, 0, sizeof(*page));
    _Atomic(struct series_middle *) *top = &mt->top[page_number / LEAF_PAGES / MIDDLE_LEAVES];
    struct series_middle *middle = atomic_load_explicit(top, memory_order_acquire);
    if (!middle) { /* other stripes may try the same: one wins */
        struct series_middle *fresh = stripe_alloc(mt, stripe, sizeof(*fresh));
        memset(fresh, 0, sizeof(*fresh));
        if (atomic_compare_exchange_strong(top, &middle, fresh))
            middle = fresh;
    }
    _Atomic(struct series_leaf *) *place = &middle->leaves[page_number / LEAF_PAGES % MIDDLE_LEAVES];
    struct series_leaf *leaf = atomic_load_explicit(place, memory_order_acquire);
    if (!leaf) {
        struct series_leaf *fresh = stripe_alloc(mt, stripe, sizeof(*fresh));
        memset(fresh, 0, sizeof(*fresh));
        if (atomic_compare_exchange_strong(place, &leaf, fresh))
            leaf = fresh;
    }
    atomic_store_explicit(&leaf->pages[page_number % LEAF_PAGES], page, memory_order_release);
    return page;
}

/* ---------------------------------------------------------------- chunks */

static struct memtable_chunk *add_chunk(struct memtable *mt, struct stripe *stripe, struct series_entry *series,
                                        const struct field_layout *layout, uint32_t capacity)
{
    size_t row_bytes = 8 * ((size_t)layout->column_count + 1);
    while (capacity > 1 && capacity * row_bytes > CHUNK_BYTES_MAX)
        capacity /= 2;
    struct memtable_chunk *chunk = stripe_alloc(mt, stripe, sizeof(*chunk) + capacity * row_bytes);
    atomic_init(&chunk->next, NULL);
    chunk->layout = layout;
    atomic_init(&chunk->valid, NULL);
    atomic_init(&chunk->count, 0);
    chunk->capacity = capacity;
    if (series->last) {
        series->chunk_rows += atomic_load_explicit(&series->last->count, memory_order_relaxed);
        atomic_store_explicit(&series->last->next, chunk, memory_order_release);
    } else {
        atomic_store_explicit(&series->first, chunk, memory_order_release);
        stripe->series++;
        atomic_fetch_add_explicit(&mt->series, 1, memory_order_relaxed);
    }
    series->last = chunk;
    return chunk;
}

/* Whether each of the row's columns is one of the chunk's. */
static bool is_part(const struct field_layout *row, const struct field_layout *chunk)
{
    uint32_t c = 0;
    for (uint32_t i = 0; i < row->column_count; i++) {
        while (c < chunk->column_count && chunk->columns[c].field_id < row->columns[i].field_id)
            c++;
        if (c == chunk->column_count || chunk->columns[c].field_id != row->columns[i].field_id ||
            chunk->columns[c].type != row->columns[i].type)
            return false;
        c++;
    }
    return true;
}

/* The chunk that the series' next row, of this layout, goes into. */
static struct memtable_chunk *chunk_for(struct memtable *mt, struct stripe *stripe, struct series_entry *series,
                                        const struct field_layout *layout)
{
    struct memtable_chunk *last = series->last;
    if (!last)
        return add_chunk(mt, stripe, series, layout, 2); /* of many series a memtable holds a row or two */
    uint32_t count = atomic_load_explicit(&last->count, memory_order_relaxed);
    uint32_t worth = columns_worth(layout->column_count);
    if (last->layout == layout || (last->layout->column_count <= worth && is_part(layout, last->layout))) {
        if (count < last->capacity)
            return last;
        uint32_t capacity = last->capacity * 2, most = CHUNK_ROWS_SHORT;
        while (most < CHUNK_ROWS_MAX && most < (series->chunk_rows + count) / 16)
            most *= 2;
        return add_chunk(mt, stripe, series, last->layout, capacity < most ? capacity : most);
    }
    const struct field_layout *joined = NULL;
    if (last->layout->measurement == layout->measurement && last->layout->column_count <= worth) {
        joined = field_dict_union(mt->dict, last->layout, layout);
        if (joined && joined->column_count > worth)
            joined = NULL;
    }
    if (joined)
        return add_chunk(mt, stripe, series, joined, 4);
    return add_chunk(mt, stripe, series, layout, count > 1 ? 4 : 1);
}

static const struct silt_bytes *copy_bytes(struct memtable *mt, struct stripe *stripe, const struct silt_bytes *bytes)
{
    struct silt_bytes *copy = stripe_alloc(mt, stripe, sizeof(*copy) + bytes->len);
    memcpy(copy, bytes, sizeof(*copy) + bytes->len);
    return copy;
}

/* Bitmaps for a chunk whose rows up to now have all columns. */
static _Atomic uint64_t *add_valid(struct memtable *mt, struct stripe *stripe, struct memtable_chunk *chunk,
                                   uint32_t count)
{
    uint32_t words = chunk_words(chunk->capacity);
    _Atomic uint64_t *valid = stripe_alloc(mt, stripe, (size_t)chunk->layout->column_count * words * 8);
    for (uint32_t c = 0; c < chunk->layout->column_count; c++) {
        for (uint32_t w = 0; w < words; w++) {
            uint64_t bits = count >= 64 * (w + 1) ? UINT64_MAX : count <= 64 * w ? 0 : ((uint64_t)1 << count % 64) - 1;
            atomic_init(&valid[c * words + w], bits);
        }
    }
    atomic_store_explicit(&chunk->valid, valid, memory_order_release);
    return valid;
}

static inline void store_value(struct memtable *mt, struct stripe *stripe, union silt_value *slot, enum silt_type type,
                               const union silt_value *value)
{
    if (type == SILT_TYPE_STRING)
        slot->string = copy_bytes(mt, stripe, value->string);
    else if (type == SILT_TYPE_BOOLEAN)
        slot->u64 = value->boolean; /* the rest of the word may be anything */
    else
        *slot = *value;
}

/* The row has fewer columns than the chunk, or the chunk has bitmaps. */
static void store_gappy(struct memtable *mt, struct stripe *stripe, struct memtable_chunk *chunk, uint32_t i,
                        const struct memtable_row *row, const struct layout_map *map)
{
    union silt_value *slot = chunk_values(chunk) + (size_t)i * chunk->layout->column_count;
    uint32_t words = chunk_words(chunk->capacity), next = 0;
    _Atomic uint64_t *valid = atomic_load_explicit(&chunk->valid, memory_order_relaxed);
    if (!valid)
        valid = add_valid(mt, stripe, chunk, i);
    valid += i / 64;
    for (uint32_t c = 0; c < chunk->layout->column_count; c++, slot++, valid += words) {
        if (next == map->layout->column_count ||
            map->layout->columns[next].field_id != chunk->layout->columns[c].field_id) {
            slot->u64 = 0;
            continue;
        }
        store_value(mt, stripe, slot, chunk->layout->columns[c].type, &row->values[map->slots[next++]]);
        uint64_t bits = atomic_load_explicit(valid, memory_order_relaxed) | (uint64_t)1 << i % 64;
        atomic_store_explicit(valid, bits, memory_order_relaxed);
    }
    silt_assert(next == map->layout->column_count);
}

static inline void insert(struct memtable *mt, struct stripe *stripe, struct series_entry *series,
                          const struct memtable_row *row, const struct layout_map *map)
{
    struct memtable_chunk *chunk = series->last;
    uint32_t i = chunk ? atomic_load_explicit(&chunk->count, memory_order_relaxed) : 0;
    if (!chunk || chunk->layout != map->layout || i == chunk->capacity) {
        struct memtable_chunk *before = chunk;
        chunk = chunk_for(mt, stripe, series, map->layout);
        if (chunk != before)
            i = 0;
        if (!before)
            series->last_time = INT64_MIN;
    }
    chunk->times[i] = row->time;
    if (chunk->layout == map->layout && !atomic_load_explicit(&chunk->valid, memory_order_relaxed)) {
        union silt_value *slot = chunk_values(chunk) + (size_t)i * chunk->layout->column_count;
        for (uint32_t c = 0; c < chunk->layout->column_count; c++)
            store_value(mt, stripe, slot + c, chunk->layout->columns[c].type, &row->values[map->slots[c]]);
    } else {
        store_gappy(mt, stripe, chunk, i, row, map);
    }
    if (row->time > series->last_time)
        series->last_time = row->time;
    else
        atomic_store_explicit(&series->disordered, true, memory_order_relaxed);
    atomic_store_explicit(&chunk->count, i + 1, memory_order_release);
}

/* ---------------------------------------------------------------- batches */

static void widen(struct memtable *mt, silt_time min, silt_time max)
{
    silt_time old = atomic_load_explicit(&mt->min, memory_order_relaxed);
    while (min < old && !atomic_compare_exchange_weak(&mt->min, &old, min))
        ;
    old = atomic_load_explicit(&mt->max, memory_order_relaxed);
    while (max > old && !atomic_compare_exchange_weak(&mt->max, &old, max))
        ;
}

static inline unsigned stripe_of(silt_series_id id)
{
    return id / PAGE_SERIES % STRIPES;
}

#define AHEAD_ENTRY 12u
#define AHEAD_CHUNK 6u

/* The lines that the series' next row is going to be written to. */
static inline void prefetch_row(const struct memtable_chunk *chunk)
{
    uint32_t i = atomic_load_explicit(&chunk->count, memory_order_relaxed);
    if (i >= chunk->capacity)
        return;
    uint32_t columns = chunk->layout->column_count;
    const char *at = (const char *)(chunk_values(chunk) + (size_t)i * columns), *end = at + 8 * columns;
    __builtin_prefetch(chunk->times + i, 1);
    for (; at < end; at += 64)
        __builtin_prefetch(at, 1);
    __builtin_prefetch(end - 1, 1);
}

static void apply_stripe(struct memtable *mt, struct stripe *stripe, const struct memtable_row *rows,
                         const uint32_t *order, size_t count, const struct layout_map *maps)
{
    struct series_entry *entries[AHEAD_ENTRY];
    pthread_mutex_lock(&stripe->lock);
    for (size_t k = 0; k < count + AHEAD_ENTRY; k++) {
        /* Row k's entry is found now, its lines fetched half-way, and it is written AHEAD_ENTRY rounds later. */
        if (k >= AHEAD_ENTRY) {
            const struct memtable_row *row = &rows[order[k - AHEAD_ENTRY]];
            insert(mt, stripe, entries[k % AHEAD_ENTRY], row, &maps[row->map]);
        }
        if (k < count) {
            silt_series_id id = rows[order[k]].series;
            struct series_page *page = find_page(mt, id);
            silt_assert(id != 0 && id <= INT32_MAX);
            if (!page)
                page = make_page(mt, stripe, id);
            entries[k % AHEAD_ENTRY] = &page->series[id % PAGE_SERIES];
            __builtin_prefetch(entries[k % AHEAD_ENTRY], 1);
        }
        if (k >= AHEAD_CHUNK && k - AHEAD_CHUNK < count) {
            const struct memtable_chunk *last = entries[(k - AHEAD_CHUNK) % AHEAD_ENTRY]->last;
            if (last)
                prefetch_row(last);
        }
    }
    pthread_mutex_unlock(&stripe->lock);
}

void memtable_apply(struct memtable *mt, const struct memtable_row *rows, size_t count, const struct layout_map *maps,
                    struct silt_arena *scratch)
{
    silt_assert(count <= UINT32_MAX);
    if (count == 0)
        return;
    uint32_t starts[STRIPES + 1] = {0}, at[STRIPES];
    uint32_t *order = silt_arena_alloc(scratch, count * sizeof(*order));
    silt_time min = INT64_MAX, max = INT64_MIN;
    uint64_t values = 0;
    for (size_t i = 0; i < count; i++) {
        starts[stripe_of(rows[i].series) + 1]++;
        min = rows[i].time < min ? rows[i].time : min;
        max = rows[i].time > max ? rows[i].time : max;
        values += maps[rows[i].map].layout->column_count;
    }
    for (unsigned i = 0; i < STRIPES; i++) {
        starts[i + 1] += starts[i];
        at[i] = starts[i];
    }
    for (size_t i = 0; i < count; i++)
        order[at[stripe_of(rows[i].series)]++] = (uint32_t)i;
    widen(mt, min, max); /* before any row shows */
    /* Each thread begins elsewhere, so that batches at the same time seldom meet. */
    unsigned first = stripe_of(rows[0].series);
    for (unsigned k = 0; k < STRIPES; k++) {
        unsigned i = (first + k) % STRIPES;
        if (starts[i + 1] > starts[i])
            apply_stripe(mt, &mt->stripes[i], rows, order + starts[i], starts[i + 1] - starts[i], maps);
    }
    atomic_fetch_add_explicit(&mt->rows, count, memory_order_release);
    atomic_fetch_add_explicit(&mt->values, values, memory_order_relaxed);
}

/* ---------------------------------------------------------------- counters */

void memtable_stats(const struct memtable *mt, struct memtable_stats *out)
{
    *out = (struct memtable_stats){
        .rows = atomic_load_explicit(&mt->rows, memory_order_relaxed),
        .values = atomic_load_explicit(&mt->values, memory_order_relaxed),
        .series = atomic_load_explicit(&mt->series, memory_order_relaxed),
        .bytes = atomic_load_explicit(&mt->bytes, memory_order_relaxed),
        .min = atomic_load(&mt->min),
        .max = atomic_load(&mt->max),
    };
}

uint64_t memtable_rows(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->rows, memory_order_acquire);
}

size_t memtable_bytes(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->bytes, memory_order_relaxed);
}
