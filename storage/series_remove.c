/*
 * series_remove.c - taking series out of the index, few or very many.
 *
 * Few: each one's key is put together, hashed and taken out of the table, its id out of each bitmap: a microsecond or two
 * a series. Very many: the table is swept once, part by part, for ids that are to go, and each bitmap is cut once; for a
 * delete keeps writers waiting until its series are gone.
 */
#include "silt/text.h"
#include "storage/series_measurement.h"

#include <stdlib.h>

#define REMOVE_CHUNK 512u     /* series taken out per hold of the locks */
#define SWEEP_SLOTS_PER_ID 64 /* a sweep looks at this many slots in the time that one series takes otherwise */
#define SWEEP_IDS_MIN 64u
#define SWEEP_IDS_MAX ((size_t)1 << 29) /* span of ids, in a bit set */

/* ---------------------------------------------------------------- few */

static void put_key(struct series_index *index, uint64_t entry, struct silt_arena *arena, struct silt_str *key)
{
    const struct series_body *body = index_measurement(index, (uint32_t)(entry >> 32))->body;
    uint32_t shape_index;
    read_varint(heap_at(&body->heap, (uint32_t)entry), &shape_index);
    const struct tag_shape *shape = body_shape(body, shape_index);
    struct silt_tag *tags = silt_arena_alloc(arena, (shape->key_count + 1) * sizeof(*tags));
    body_decode(body, (uint32_t)entry, tags);
    *key = silt_series_key_make(series_index_measurement_name(index, (uint32_t)(entry >> 32)), tags, shape->key_count,
                                arena);
}

/* With create_lock. */
static void remove_chunk(struct series_index *index, const silt_series_id *ids, size_t count, struct silt_arena *arena)
{
    struct series_text texts[REMOVE_CHUNK];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t entry = id_table_get(&index->ids, ids[i]);
        struct silt_str key;
        if (!entry)
            continue;
        put_key(index, entry, arena, &key);
        texts[n++] = (struct series_text){series_hash_verify(&index->hash, key), silt_hash(key.p, key.len), ids[i]};
    }
    pthread_rwlock_wrlock(&index->hash_lock);
    for (size_t i = 0; i < n; i++)
        series_hash_remove(&index->hash, texts[i].verify, texts[i].hash);
    pthread_rwlock_unlock(&index->hash_lock);

    pthread_rwlock_wrlock(&index->lock);
    for (size_t i = 0; i < n; i++) {
        uint64_t entry = id_table_get(&index->ids, texts[i].id);
        if (!entry) /* given twice */
            continue;
        struct measurement *measurement = index_measurement(index, (uint32_t)(entry >> 32));
        struct series_body *body = measurement->body;
        index_take_out(index, body);
        body_remove(body, texts[i].id, (uint32_t)entry);
        index_put_in(index, body);
        index_set_entry(index, texts[i].id, 0);
        atomic_fetch_sub_explicit(&index->series_count, 1, memory_order_relaxed);
        if (body->series_count == 0) {
            index_take_out(index, body);
            measurement->body = NULL;
            index->measurement_count--;
            body_release(body);
        }
    }
    pthread_rwlock_unlock(&index->lock);
}

/* ---------------------------------------------------------------- very many */

static uint32_t measurement_of(const struct series_index *index, silt_series_id id)
{
    return (uint32_t)(id_table_get(&index->ids, id) >> 32);
}

/* A measurement that has no body any more went with all its records. With index->lock. */
static void take_entries(struct series_index *index, const silt_series_id *ids, size_t count)
{
    uint32_t records[REMOVE_CHUNK];
    for (size_t i = 0; i < count;) {
        uint32_t measurement = measurement_of(index, ids[i]), n = 0;
        for (uint64_t entry; n < REMOVE_CHUNK && i + n < count && (entry = id_table_get(&index->ids, ids[i + n])) != 0
                             && (uint32_t)(entry >> 32) == measurement; n++) {
            records[n] = (uint32_t)entry;
            index_set_entry(index, ids[i + n], 0);
        }
        struct series_body *body = n > 0 ? index_measurement(index, measurement)->body : NULL;
        if (body)
            body_retire_many(body, ids + i, records, n);
        i += n > 0 ? n : 1; /* one that is given twice has no entry the second time */
    }
}

static void take_from_bodies(struct series_index *index, const silt_series_id *ids, size_t count)
{
    uint32_t measurements = string_set_count(&index->names), released = 0;
    roaring_bitmap_t **gone = silt_calloc((size_t)measurements + 1, sizeof(*gone));
    struct series_body **bodies = silt_calloc((size_t)measurements + 1, sizeof(*bodies));
    pthread_rwlock_wrlock(&index->lock);
    for (size_t i = 0, next; i < count; i = next) { /* by runs of one measurement */
        uint32_t measurement = measurement_of(index, ids[i]);
        for (next = i + 1; next < count && measurement_of(index, ids[next]) == measurement; next++)
            ;
        if (measurement == 0)
            continue;
        if (!gone[measurement])
            gone[measurement] = roaring_bitmap_create();
        silt_assert(gone[measurement]);
        roaring_bitmap_add_many(gone[measurement], next - i, ids + i);
    }
    for (uint32_t m = 1; m <= measurements; m++) {
        if (!gone[m])
            continue;
        struct measurement *measurement = index_measurement(index, m);
        struct series_body *body = measurement->body;
        uint32_t leaving = (uint32_t)roaring_bitmap_get_cardinality(gone[m]);
        index_take_out(index, body);
        if (leaving == body->series_count) {
            bodies[released++] = body;
            measurement->body = NULL;
            index->measurement_count--;
        } else {
            body_remove_many(body, gone[m]);
        }
        atomic_fetch_sub_explicit(&index->series_count, leaving, memory_order_relaxed);
    }
    take_entries(index, ids, count);
    for (uint32_t m = 1; m <= measurements; m++) {
        if (!gone[m])
            continue;
        if (index_measurement(index, m)->body)
            index_put_in(index, index_measurement(index, m)->body);
        roaring_bitmap_free(gone[m]);
    }
    pthread_rwlock_unlock(&index->lock);
    for (uint32_t i = 0; i < released; i++)
        body_release(bodies[i]);
    free(bodies);
    free(gone);
}

/* false: not worth it, or ids are too far apart. With create_lock. */
static bool remove_many(struct series_index *index, const silt_series_id *ids, size_t count)
{
    if (count < SWEEP_IDS_MIN || count < index->hash.bytes / sizeof(struct series_slot) / SWEEP_SLOTS_PER_ID)
        return false;
    silt_series_id first = ids[0], last = ids[0];
    for (size_t i = 1; i < count; i++) {
        first = ids[i] < first ? ids[i] : first;
        last = ids[i] > last ? ids[i] : last;
    }
    if (last - first >= SWEEP_IDS_MAX)
        return false;
    uint64_t *set = silt_calloc((last - first) / 64 + 1, sizeof(*set));
    for (size_t i = 0; i < count; i++)
        set[(ids[i] - first) / 64] |= (uint64_t)1 << (ids[i] - first) % 64;
    for (unsigned part = 0; part < SERIES_HASH_PARTS; part++) {
        pthread_rwlock_wrlock(&index->hash_lock);
        series_hash_sweep(&index->hash, part, set, first, last);
        pthread_rwlock_unlock(&index->hash_lock);
    }
    free(set);
    take_from_bodies(index, ids, count);
    return true;
}

/* ---------------------------------------------------------------- both */

static void drop_texts(struct series_index *index, struct series_text_list *list, bool from_hash)
{
    size_t kept = 0;
    if (!list->count)
        return;
    pthread_rwlock_wrlock(&index->hash_lock);
    for (size_t i = 0; i < list->count; i++) {
        if (id_table_get(&index->ids, list->items[i].id))
            list->items[kept++] = list->items[i];
        else if (from_hash)
            series_hash_remove(&index->hash, list->items[i].verify, list->items[i].hash);
    }
    pthread_rwlock_unlock(&index->hash_lock);
    list->count = kept;
}

void series_index_remove(struct series_index *index, const silt_series_id *ids, size_t count)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    pthread_mutex_lock(&index->create_lock);
    bool done = remove_many(index, ids, count);
    for (size_t at = 0; !done && at < count; at += REMOVE_CHUNK) {
        remove_chunk(index, ids + at, count - at < REMOVE_CHUNK ? count - at : REMOVE_CHUNK, arena);
        silt_arena_reset(arena);
    }
    drop_texts(index, &index->aliases, true);
    drop_texts(index, &index->pending, false);
    (void)index_settle(index, NULL); /* gives back; nothing is asked for */
    pthread_mutex_unlock(&index->create_lock);
    silt_arena_destroy(arena);
}
