/*
 * memtable_internal.h - what memtable.c (writing) and memtable_read.c share.
 */
#ifndef STORAGE_MEMTABLE_INTERNAL_H
#define STORAGE_MEMTABLE_INTERNAL_H

#include "storage/memtable.h"

#include <pthread.h>

#define STRIPES 64u
#define CHUNK_ROWS_MAX 1024u
/* Chunks stay this short until a series has 16 of them; then they grow with it. */
#define CHUNK_ROWS_SHORT 64u

/* Series entries by id: three levels of pointers over pages of 64. A page belongs to one stripe. */
#define PAGE_SERIES 64u
#define LEAF_PAGES 512u
#define MIDDLE_LEAVES 256u
#define TOP_MIDDLES 256u
_Static_assert((uint64_t)PAGE_SERIES *LEAF_PAGES *MIDDLE_LEAVES *TOP_MIDDLES == (uint64_t)1 << 31, "all ids");

struct memtable_chunk {
    _Atomic(struct memtable_chunk *) next;
    const struct field_layout *layout;
    _Atomic(_Atomic uint64_t *) valid; /* [column][words]; NULL: every row has every column */
    _Atomic uint32_t count;            /* stored after the row is whole */
    uint32_t capacity;
    silt_time times[]; /* [capacity], then the values, [capacity][columns] */
};

struct series_entry {
    _Atomic(struct memtable_chunk *) first;
    struct memtable_chunk *last; /* writers only */
    silt_time last_time;         /* writers only: the highest */
    uint32_t chunk_rows;         /* writers only: in all chunks but the last */
    _Atomic bool disordered;     /* stored before the row that makes it so */
};

struct series_page {
    struct series_entry series[PAGE_SERIES];
};
struct series_leaf {
    _Atomic(struct series_page *) pages[LEAF_PAGES];
};
struct series_middle {
    _Atomic(struct series_leaf *) leaves[MIDDLE_LEAVES];
};

struct stripe {
    _Alignas(64) pthread_mutex_t lock; /* guards this group: */
    char *at, *end;                    /*   free part of its slice */
    size_t taken;                      /*   bytes of slices so far */
    uint64_t series;                   /*   entries in use */
};

struct piece {
    struct piece *next;
    size_t bytes;
};

struct memtable {
    struct silt_budget *budget;
    struct piece_pool *pool;
    struct field_dict *dict;
    _Atomic uint64_t rows, values, series, bytes;
    _Atomic silt_time min, max;

    pthread_mutex_t pool_lock; /* guards this group: */
    struct piece *pieces;
    char *at, *end;
    size_t next_piece_bytes, charged;

    _Atomic(struct series_middle *) top[TOP_MIDDLES];
    struct stripe stripes[STRIPES];
};

static inline union silt_value *chunk_values(const struct memtable_chunk *chunk)
{
    return (union silt_value *)(uintptr_t)(chunk->times + chunk->capacity);
}
static inline uint32_t chunk_words(uint32_t capacity)
{
    return (capacity + 63) / 64;
}

static inline struct series_page *find_page(const struct memtable *mt, silt_series_id id)
{
    uint32_t page = id / PAGE_SERIES;
    if (id > INT32_MAX)
        return NULL;
    struct series_middle *middle =
        atomic_load_explicit(&mt->top[page / LEAF_PAGES / MIDDLE_LEAVES], memory_order_acquire);
    struct series_leaf *leaf =
        middle ? atomic_load_explicit(&middle->leaves[page / LEAF_PAGES % MIDDLE_LEAVES], memory_order_acquire) : NULL;
    return leaf ? atomic_load_explicit(&leaf->pages[page % LEAF_PAGES], memory_order_acquire) : NULL;
}

#endif
