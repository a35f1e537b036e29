/*
 * series_measurement.h - within the series index: the series of one measurement, dictionary-encoded.
 *
 *     heap      strings and records, in units of 4 bytes, addressed by 32-bit number
 *     keys      tag key -> value dictionary (text -> code, code -> text), postings (code -> series)
 *     shapes    lists of keys in sorted order: what tags a series has
 *     record    varint shape, then a varint code for each key of the shape
 *
 * Postings are made behind the series, in rising id, a slice at a time: all series below posted_below are in them and no
 * other. Making a series so costs no bitmap, and a filter asks only for what came since the last slice.
 *
 * Texts, records, keys and shapes never move nor change once their number is published, so they are read without a lock
 * by whoever holds the body (bodies are counted). Hash tables, bitmaps and counts need the index's lock.
 *
 * What removed series leave (records, values that no other series has, pages of ids) is taken back by series_reclaim.c, at moments
 * at which nobody holds a body: so a holder never sees a number given again.
 */
#ifndef STORAGE_SERIES_MEASUREMENT_H
#define STORAGE_SERIES_MEASUREMENT_H

#include "silt/reader.h"
#include "storage/series_hash.h"
#include "storage/series_index.h"

#include <pthread.h>
#include <roaring/roaring.h>

/* ---------------------------------------------------------------- arrays that grow without moving */

/* Parts double: part k holds items [first << k) ... of it. first is 1 << shift. */
#define SEGMENTS_MAX 24u

struct segments {
    _Atomic(char *) parts[SEGMENTS_MAX];
};

static inline void *segments_at(const struct segments *array, uint32_t index, size_t item_bytes, unsigned shift)
{
    uint64_t at = (uint64_t)index + (1u << shift);
    unsigned part = 63 - (unsigned)__builtin_clzll(at) - shift;
    char *base = atomic_load_explicit(&array->parts[part], memory_order_acquire);
    return base + (at - ((uint64_t)1 << (shift + part))) * item_bytes;
}
/* Make item `index` exist, zeroed; returns the bytes this took. */
size_t segments_extend(struct segments *array, uint32_t index, size_t item_bytes, unsigned shift);
void segments_deinit(struct segments *array);

#define HEAP_SHIFT 10u /* first part: 4 KiB */

#define HEAP_BINS 33u /* bin n: free pieces of n units; bin 0: of more */

struct heap {
    struct segments units;
    uint32_t used; /* units; number 0 is never given, and reads as zeros */
    uint32_t free[HEAP_BINS]; /* first piece of each bin; the next one's number stands in the piece */
    size_t *bytes; /* the owner's account */
};

/* The number of `bytes` fresh bytes; 0: the heap is full (16 GiB). */
uint32_t heap_alloc(struct heap *heap, size_t bytes);
/* Nobody may know the number any more. */
void heap_free(struct heap *heap, uint32_t number, size_t bytes);
static inline void *heap_at(const struct heap *heap, uint32_t number)
{
    return segments_at(&heap->units, number, 4, HEAP_SHIFT);
}

/* ---------------------------------------------------------------- sets of strings with dense codes */

#define STRINGS_SHIFT 3u

struct string_slot {
    uint32_t hash, code_plus_1; /* 0: empty */
};

struct string_set {
    struct string_slot *slots;
    uint32_t mask;
    _Atomic uint32_t count; /* codes are below it */
    struct segments texts; /* code -> number in the heap of a struct silt_bytes; 0: taken out, its text reads as "" */
    uint32_t *free_codes;
    uint32_t free_count, free_room;
};

#define STRINGS_NONE UINT32_MAX

static inline struct silt_str string_set_at(const struct string_set *set, const struct heap *heap, uint32_t code)
{
    return silt_bytes_str(heap_at(heap, *(uint32_t *)segments_at(&set->texts, code, 4, STRINGS_SHIFT)));
}
static inline uint32_t string_set_count(const struct string_set *set)
{
    return atomic_load_explicit(&set->count, memory_order_acquire);
}
/* Strings that are in it. */
static inline uint32_t string_set_strings(const struct string_set *set)
{
    return string_set_count(set) - set->free_count;
}
static inline bool string_set_has(const struct string_set *set, uint32_t code)
{
    return *(uint32_t *)segments_at(&set->texts, code, 4, STRINGS_SHIFT) != 0;
}
uint32_t string_set_find(const struct string_set *set, const struct heap *heap, struct silt_str text);
/* Found or added; STRINGS_NONE: no room left. reuse: codes of strings that were taken out may be given again. */
uint32_t string_set_add(struct string_set *set, struct heap *heap, struct silt_str text, bool reuse);
/* It must be there. */
void string_set_remove(struct string_set *set, struct heap *heap, uint32_t code);
void string_set_deinit(struct string_set *set);

/* ---------------------------------------------------------------- a measurement's series */

/* Postings of a value: 0 none; odd: one id, shifted; else a bitmap. */
typedef uint64_t series_posting;

struct tag_key {
    uint32_t index;
    uint32_t series_count; /* that have the key, now */
    uint32_t last_code;
    uint32_t dead_values, removals_seen; /* values without series when so many removals had been (series_limits.c) */
    struct string_set values;
    series_posting *postings;
    size_t postings_capacity;
    roaring_bitmap_t *present; /* series having the key, of those in the postings; NULL: none yet */
    silt_series_id run_first;  /* while a slice is made: run_count ids from here on are not in present yet */
    uint32_t run_count;
};

struct tag_shape {
    uint32_t index, key_count;
    struct tag_key *keys[];
};

#define POINTERS_SHIFT 2u

struct series_body {
    _Atomic uint32_t refs;
    struct heap heap;
    struct string_set key_names;
    struct segments keys;   /* struct tag_key * */
    struct segments shapes; /* struct tag_shape * */
    _Atomic uint32_t shape_count;
    uint32_t *shape_slots; /* open addressing: index + 1 */
    uint32_t shape_mask;
    struct tag_shape *last_shape;
    uint32_t series_count;
    uint32_t unposted;           /* series not in the postings yet */
    silt_series_id posted_below; /* ids below it are in them */
    bool spoiled; /* the dictionaries may hold values that never had a series */
    uint32_t removals;
    uint32_t *retired; /* records of series that were removed, to be taken back */
    uint32_t retired_count, retired_room;
    roaring_bitmap_t *all;
    size_t account; /* bytes of all this, about */
    size_t *bytes;  /* &account */
};

static inline struct tag_key *body_key(const struct series_body *body, uint32_t index)
{
    return *(struct tag_key **)segments_at(&body->keys, index, sizeof(void *), POINTERS_SHIFT);
}
static inline struct tag_shape *body_shape(const struct series_body *body, uint32_t index)
{
    return *(struct tag_shape **)segments_at(&body->shapes, index, sizeof(void *), POINTERS_SHIFT);
}
static inline struct silt_str body_key_name(const struct series_body *body, const struct tag_key *key)
{
    return string_set_at(&body->key_names, &body->heap, key->index);
}
static inline struct silt_str body_value(const struct series_body *body, const struct tag_key *key, uint32_t code)
{
    return string_set_at(&key->values, &body->heap, code);
}

/* Whether every value in the dictionaries has a series. With the index's lock. */
static inline bool body_is_exact(const struct series_body *body)
{
    return !body->spoiled && body->retired_count == 0;
}

static inline const uint8_t *read_varint(const uint8_t *p, uint32_t *out)
{
    uint32_t value = *p & 127, shift = 7;
    while (*p++ & 128) {
        value |= (uint32_t)(*p & 127) << shift;
        shift += 7;
    }
    *out = value;
    return p;
}

struct id_table;

struct series_body *body_create(void);
/* One holder less; the last one frees it. */
void body_release(struct series_body *body);

/* Fetches what body_add will look at first, where it is far from the processor. */
void body_prefetch(const struct series_body *body, const struct silt_tag *tags, size_t tag_count);
/* The number of a new record for the tags; 0: no room. reuse: nobody holds a body. With the index's lock. */
uint32_t body_add(struct series_body *body, silt_series_id id, const struct silt_tag *tags, size_t tag_count, bool reuse);
/* Take a series out of bitmaps and counts. With the index's lock. */
void body_remove(struct series_body *body, silt_series_id id, uint32_t record);
/* The same for all ids of a set, each of this body, in two calls: the bitmaps at once, what is counted and kept by record bit by bit. */
void body_remove_many(struct series_body *body, const roaring_bitmap_t *gone);
void body_retire_many(struct series_body *body, const silt_series_id *ids, const uint32_t *records, size_t count);
/* Up to `most` of the retired records, and the values that nobody has any more; returns how many. All series are in the postings, and
 * nobody holds the body. With the index's lock. */
uint32_t body_reclaim(struct series_body *body, uint32_t most);
/* NULL: no series ever had it. With the index's lock. */
struct tag_key *body_find_key(const struct series_body *body, struct silt_str name);
/* Canonical parts of a record; texts are the body's own. tags: room for the shape's keys. */
const struct tag_shape *body_decode(const struct series_body *body, uint32_t record, struct silt_tag *tags);

/* ---------------------------------------------------------------- the index as its own files see it */

/* Ids in three levels of pages, so that an entry never moves. */
#define ID_PAGE 1024u
#define ID_MIDDLE 2048u
#define ID_TOP 1024u

struct id_page {
    uint32_t live; /* entries that are not 0; with the index's lock */
    _Atomic uint64_t entries[ID_PAGE]; /* measurement << 32 | record; 0: no such series */
};

struct id_table {
    _Atomic(_Atomic(struct id_page *) *) top[ID_TOP];
};

/* No lock needed by whoever holds a body. */
static inline uint64_t id_table_get(const struct id_table *ids, silt_series_id id)
{
    if (id > SERIES_INDEX_ID_MAX)
        return 0;
    _Atomic(struct id_page *) *middle = atomic_load_explicit(&ids->top[id / ID_PAGE / ID_MIDDLE], memory_order_acquire);
    struct id_page *page =
        middle ? atomic_load_explicit(&middle[id / ID_PAGE % ID_MIDDLE], memory_order_acquire) : NULL;
    return page ? atomic_load_explicit(&page->entries[id % ID_PAGE], memory_order_acquire) : 0;
}

struct measurement {
    struct series_body *body; /* NULL: no series */
};

struct series_text { /* a text in the hash table */
    uint64_t verify, hash;
    silt_series_id id;
};

struct series_text_list {
    struct series_text *items;
    size_t count, capacity;
};

/*
 * Locks, in this order: create_lock (whoever changes anything), lock, hash_lock. lock is held shared while bitmaps are
 * combined, so it may keep a creator waiting; hash_lock, which every written batch takes, never waits for a query.
 */
struct series_index {
    struct silt_budget *budget;
    struct series_limits limits;
    pthread_mutex_t create_lock; /* guards this group: */
    silt_series_id last_id;
    struct series_text_list pending, aliases;
    struct series_loader *loader; /* series_load.c's; NULL: nothing is loaded now */
    size_t charged;

    pthread_rwlock_t lock;   /* guards this group: */
    struct heap heap;        /* measurement names */
    struct string_set names; /* code + 1: measurement id */
    struct segments measurements;
    size_t account;            /* bytes of this group and of ids */
    _Atomic size_t body_bytes; /* changed under lock, read anywhere */
    _Atomic size_t series_count;
    size_t measurement_count; /* with series */
    uint64_t unposted;        /* of all bodies */
    uint32_t post_at;         /* the measurement to look at next for such */
    uint64_t retired;         /* of all bodies */
    uint32_t reclaim_at;
    uint32_t *dead_pages;     /* of ids, that had no live entry at some time */
    uint32_t dead_page_count, dead_page_room;
    _Atomic uint32_t holders; /* of bodies; one more only with lock */

    struct id_table ids;

    pthread_rwlock_t hash_lock; /* guards this group: */
    struct series_hash hash;
};

#define MEASUREMENTS_SHIFT 3u
static inline struct measurement *index_measurement(const struct series_index *index, uint32_t id)
{
    return segments_at(&index->measurements, id, sizeof(struct measurement), MEASUREMENTS_SHIFT);
}

/* What was taken since the last call is charged now; so one series at most goes past the bound. With create_lock. */
enum silt_status index_settle(struct series_index *index, struct silt_error *err);
/* The same when so many bytes are in use. */
enum silt_status index_settle_at(struct series_index *index, size_t bytes, struct silt_error *err);
/* 0: no room. With lock, exclusively. */
uint32_t index_make_measurement(struct series_index *index, struct silt_str name);
/* The series' record and entry. measurement 0: there was no room for it. With lock, exclusively. */
enum silt_status index_make_series(struct series_index *index, silt_series_id id, uint32_t measurement,
                                   const struct silt_tag *tags, size_t tag_count, struct silt_error *err);
/* 0: the series is gone. With lock, exclusively. */
void index_set_entry(struct series_index *index, silt_series_id id, uint64_t entry);

/* The measurement's body, held (index_let_go of it); NULL: no series. Takes lock. */
struct series_body *index_hold_body(struct series_index *index, uint32_t measurement);
void index_let_go(struct series_index *index, struct series_body *body);
/* The body's accounts in the index's: taken out before it is changed, put in afterwards. With lock, exclusively. */
void index_take_out(struct series_index *index, const struct series_body *body);
void index_put_in(struct series_index *index, const struct series_body *body);
/* A page of ids may have no live entry. With lock, exclusively. */
void index_note_dead_page(struct series_index *index, uint32_t page);

/* Up to `most` more series into the postings, by reading their records; returns how many. With lock, exclusively. */
uint32_t body_post(struct series_body *body, const struct id_table *ids, uint32_t most);
/* The same, with the index's accounts. */
uint32_t index_post_body(struct series_index *index, struct series_body *body, uint32_t most);

/* series_sort.c: in place; the body is held, no lock needed. Ids that are gone are left out. SILT_LIMIT: budget (NULL:
 * unbounded) has no room for what sorting takes, which is given back at the end. */
enum silt_status series_sort_by_key(const struct id_table *table, const struct series_body *body, uint32_t measurement,
                                    struct silt_budget *budget, silt_series_id *ids, size_t *count,
                                    struct silt_error *err);
/* Distinct codes sorted bytewise by their texts. */
void series_sort_values(const struct series_body *body, const struct tag_key *key, uint32_t *codes, size_t count);

#endif
