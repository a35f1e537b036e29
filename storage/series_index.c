/*
 * series_index.c - implements series_index.h: making series, ids and measurements.
 *
 * Loading is in series_load.c, removing in series_remove.c, selection in series_select.c, order in series_sort.c, a measurement's insides in series_measurement.c.
 */
#include "storage/series_index.h"

#include "silt/text.h"
#include "storage/series_limits.h"

#include <stdlib.h>

#define PUBLISH_CHUNK 512u /* texts made known per hold of the lock */
#define PUBLISH_AHEAD 8u   /* of them are fetched before their turn */

/* Aliases beyond this are resolved anew each time. */
static size_t alias_limit(const struct series_index *index)
{
    return 4096 + 4 * atomic_load_explicit(&index->series_count, memory_order_relaxed);
}

static void init_rwlock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    silt_assert(pthread_rwlock_init(lock, &attr) == 0);
    pthread_rwlockattr_destroy(&attr);
}

struct series_index *series_index_create(struct silt_budget *budget)
{
    struct series_index *index = silt_calloc(1, sizeof(*index));
    index->budget = budget;
    index->heap.bytes = &index->account;
    index->account = sizeof(*index);
    pthread_mutex_init(&index->create_lock, NULL);
    init_rwlock(&index->lock);
    init_rwlock(&index->hash_lock);
    series_hash_init(&index->hash);
    /* Measurement 0 is none. */
    index->account += segments_extend(&index->measurements, 0, sizeof(struct measurement), MEASUREMENTS_SHIFT);
    body_release(body_create()); /* seeds the dictionaries' hash */
    return index;
}

void series_index_limit(struct series_index *index, struct series_limits limits)
{
    index->limits = limits;
}

void series_index_destroy(struct series_index *index)
{
    if (!index)
        return;
    for (uint32_t i = 1; i <= string_set_count(&index->names); i++)
        body_release(index_measurement(index, i)->body);
    for (size_t i = 0; i < ID_TOP; i++) {
        _Atomic(struct id_page *) *middle = atomic_load(&index->ids.top[i]);
        for (size_t j = 0; middle && j < ID_MIDDLE; j++)
            free(atomic_load(&middle[j]));
        free(middle);
    }
    segments_deinit(&index->measurements);
    string_set_deinit(&index->names);
    segments_deinit(&index->heap.units);
    series_hash_deinit(&index->hash);
    free(index->pending.items);
    free(index->aliases.items);
    free(index->dead_pages);
    silt_assert(!index->loader);
    if (index->budget && index->charged)
        silt_budget_release(index->budget, index->charged);
    pthread_rwlock_destroy(&index->hash_lock);
    pthread_rwlock_destroy(&index->lock);
    pthread_mutex_destroy(&index->create_lock);
    free(index);
}

/* ---------------------------------------------------------------- account */

static size_t bytes_in_use(const struct series_index *index)
{
    return index->account + index->body_bytes + index->hash.bytes +
           (index->pending.capacity + index->aliases.capacity) * sizeof(struct series_text);
}

enum silt_status index_settle(struct series_index *index, struct silt_error *err)
{
    return index_settle_at(index, bytes_in_use(index), err);
}

enum silt_status index_settle_at(struct series_index *index, size_t bytes, struct silt_error *err)
{
    if (!index->budget)
        return SILT_OK;
    if (bytes <= index->charged) {
        if (index->charged - bytes > 1u << 20) {
            silt_budget_release(index->budget, index->charged - bytes);
            index->charged = bytes;
        }
        return SILT_OK;
    }
    size_t more = bytes - index->charged;
    if (more < 1u << 16 && silt_budget_charge(index->budget, 1u << 16, NULL) == SILT_OK) {
        index->charged += 1u << 16;
        return SILT_OK;
    }
    enum silt_status rc = silt_budget_charge(index->budget, more, err);
    if (rc == SILT_OK)
        index->charged = bytes;
    return rc;
}

static void list_push(struct series_text_list *list, struct series_text text)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = silt_realloc(list->items, list->capacity * sizeof(*list->items));
    }
    list->items[list->count++] = text;
}

/* ---------------------------------------------------------------- lookup */

size_t series_index_lookup(struct series_index *index, const struct silt_row *rows, size_t count, silt_series_id *ids)
{
    pthread_rwlock_rdlock(&index->hash_lock);
    size_t unknown = series_hash_lookup(&index->hash, rows, count, ids);
    pthread_rwlock_unlock(&index->hash_lock);
    return unknown;
}

/* ---------------------------------------------------------------- making */

void index_set_entry(struct series_index *index, silt_series_id id, uint64_t entry)
{
    _Atomic(_Atomic(struct id_page *) *) *top = &index->ids.top[id / ID_PAGE / ID_MIDDLE];
    _Atomic(struct id_page *) *middle = atomic_load_explicit(top, memory_order_relaxed);
    if (!middle) {
        middle = silt_calloc(ID_MIDDLE, sizeof(*middle));
        index->account += ID_MIDDLE * sizeof(*middle);
        atomic_store_explicit(top, middle, memory_order_release);
    }
    struct id_page *page = atomic_load_explicit(&middle[id / ID_PAGE % ID_MIDDLE], memory_order_relaxed);
    if (!page) {
        page = silt_calloc(1, sizeof(*page));
        index->account += sizeof(*page);
        atomic_store_explicit(&middle[id / ID_PAGE % ID_MIDDLE], page, memory_order_release);
    }
    page->live += (entry != 0) - (atomic_load_explicit(&page->entries[id % ID_PAGE], memory_order_relaxed) != 0);
    atomic_store_explicit(&page->entries[id % ID_PAGE], entry, memory_order_release);
    if (page->live == 0)
        index_note_dead_page(index, id / ID_PAGE);
}

uint32_t index_make_measurement(struct series_index *index, struct silt_str name)
{
    uint32_t next = string_set_count(&index->names);
    if (next >= INT32_MAX / 2)
        return 0;
    index->account += segments_extend(&index->measurements, next + 1, sizeof(struct measurement), MEASUREMENTS_SHIFT);
    uint32_t code = string_set_add(&index->names, &index->heap, name, false);
    return code == STRINGS_NONE ? 0 : code + 1;
}

enum silt_status index_make_series(struct series_index *index, silt_series_id id, uint32_t measurement,
                                   const struct silt_tag *tags, size_t tag_count, struct silt_error *err)
{
    if (measurement == 0)
        return silt_fail(err, SILT_LIMIT, "series index: too many measurements");
    struct measurement *place = index_measurement(index, measurement);
    bool fresh = !place->body;
    if (fresh)
        place->body = body_create();
    struct series_body *body = place->body;
    size_t before = fresh ? 0 : body->account;
    uint32_t record = body_add(body, id, tags, tag_count, atomic_load_explicit(&index->holders, memory_order_acquire) == 0);
    index->body_bytes += body->account - before;
    index->unposted += record != 0;
    if (record == 0) {
        if (fresh) {
            index->body_bytes -= body->account;
            place->body = NULL;
            body_release(body);
        }
        return silt_fail(err, SILT_LIMIT, "series index: measurement holds too many tag values");
    }
    index->measurement_count += fresh;
    index_set_entry(index, id, (uint64_t)measurement << 32 | record);
    atomic_fetch_add_explicit(&index->series_count, 1, memory_order_relaxed);
    return SILT_OK;
}

static void lock_all(struct series_index *index, bool *locked)
{
    if (*locked)
        return;
    pthread_rwlock_wrlock(&index->lock);
    pthread_rwlock_wrlock(&index->hash_lock);
    *locked = true;
}

/* With hash_lock. */
static void add_text(struct series_index *index, struct series_text text, bool pending)
{
    series_hash_insert(&index->hash, text.verify, text.hash, pending ? text.id | SERIES_PENDING : text.id);
    if (pending)
        list_push(&index->pending, text);
}

/* With all locks. */
static enum silt_status make_wanted(struct series_index *index, const struct series_parts *parts, silt_series_id id,
                                    struct silt_error *err)
{
    uint32_t code = string_set_find(&index->names, &index->heap, parts->measurement);
    uint32_t measurement = code == STRINGS_NONE ? index_make_measurement(index, parts->measurement) : code + 1;
    enum silt_status rc = index_make_series(index, id, measurement, parts->tags, parts->tag_count, err);
    if (rc == SILT_OK)
        index->last_id = id;
    return rc;
}

/* With all locks. */
static void prefetch_tags(const struct series_index *index, const struct series_wanted *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t code = string_set_find(&index->names, &index->heap, list[i].parts.measurement);
        const struct series_body *body = code == STRINGS_NONE ? NULL : index_measurement(index, code + 1)->body;
        if (body)
            body_prefetch(body, list[i].parts.tags, list[i].parts.tag_count);
    }
}

/* Locks are taken once something is new. Only create_lock is held when a limit on values is looked at, for which a list has one item. */
static size_t resolve_locked(struct series_index *index, struct series_wanted *list, size_t count, bool pending, struct silt_error *err)
{
    struct series_text texts[SERIES_WANTED_MAX], raws[SERIES_WANTED_MAX];
    bool locked = false;
    size_t i = 0;
    for (size_t n = 0; n < count; n++) {
        const struct series_wanted *wanted = &list[n];
        raws[n] = (struct series_text){series_hash_verify(&index->hash, wanted->raw), wanted->raw_hash, 0};
        texts[n] = raws[n];
        if (!silt_str_equal(wanted->raw, wanted->parts.key))
            texts[n] = (struct series_text){series_hash_verify(&index->hash, wanted->parts.key),
                                            silt_hash(wanted->parts.key.p, wanted->parts.key.len), 0};
        series_hash_prefetch(&index->hash, raws[n].verify);
        series_hash_prefetch(&index->hash, texts[n].verify);
    }
    for (; i < count; i++) {
        struct series_wanted *wanted = &list[i];
        bool is_alias = raws[i].verify != texts[i].verify || raws[i].hash != texts[i].hash;
        wanted->created = false;
        /* Nobody else changes the table while we have create_lock: it may be read without its own. */
        uint32_t found = series_hash_find(&index->hash, texts[i].verify, texts[i].hash);
        if (found == 0) {
            if (series_limits_check(index, &wanted->parts, err) != SILT_OK)
                break;
            if (index->last_id >= SERIES_INDEX_ID_MAX) {
                silt_fail(err, SILT_LIMIT, "series index: all %u series ids are used up", SERIES_INDEX_ID_MAX);
                break;
            }
            if (!locked) {
                lock_all(index, &locked);
                prefetch_tags(index, list + i, count - i);
            }
            texts[i].id = index->last_id + 1;
            if (make_wanted(index, &wanted->parts, texts[i].id, err) != SILT_OK)
                break;
            add_text(index, texts[i], pending);
            wanted->created = true;
            found = pending ? texts[i].id | SERIES_PENDING : texts[i].id;
        }
        wanted->id = found & ~SERIES_PENDING;
        if (is_alias && index->aliases.count < alias_limit(index) &&
            series_hash_find(&index->hash, raws[i].verify, raws[i].hash) == 0) {
            raws[i].id = wanted->id;
            lock_all(index, &locked);
            list_push(&index->aliases, raws[i]);
            add_text(index, raws[i], (found & SERIES_PENDING) != 0);
        }
    }
    if (locked) {
        pthread_rwlock_unlock(&index->hash_lock);
        pthread_rwlock_unlock(&index->lock);
    }
    return i;
}

size_t series_index_resolve(struct series_index *index, struct series_wanted *list, size_t count, bool pending,
                            struct silt_error *err)
{
    size_t done = 0, most = index->limits.tag_values ? 1 : SERIES_WANTED_MAX, wanted;
    pthread_mutex_lock(&index->create_lock);
    do {
        wanted = count - done < most ? count - done : most;
        size_t resolved = resolve_locked(index, list + done, wanted, pending, err);
        done += resolved;
        if (resolved < wanted)
            break;
    } while (done < count);
    pthread_mutex_unlock(&index->create_lock);
    return done;
}

void series_index_publish(struct series_index *index)
{
    pthread_mutex_lock(&index->create_lock);
    for (size_t at = 0; at < index->pending.count;) {
        size_t end = at + PUBLISH_CHUNK < index->pending.count ? at + PUBLISH_CHUNK : index->pending.count;
        pthread_rwlock_wrlock(&index->hash_lock);
        for (; at < end; at++) {
            const struct series_text *text = &index->pending.items[at];
            if (at + PUBLISH_AHEAD < index->pending.count)
                series_hash_prefetch(&index->hash, text[PUBLISH_AHEAD].verify);
            series_hash_replace(&index->hash, text->verify, text->hash, text->id);
        }
        pthread_rwlock_unlock(&index->hash_lock);
    }
    index->pending.count = 0;
    pthread_mutex_unlock(&index->create_lock);
}

/* ---------------------------------------------------------------- postings */

uint32_t index_post_body(struct series_index *index, struct series_body *body, uint32_t most)
{
    size_t before = body->account;
    uint32_t posted = body_post(body, &index->ids, most);
    if (posted == 0) /* it may have left the index, and its account with it */
        return 0;
    index->body_bytes += body->account - before;
    index->unposted -= posted;
    return posted;
}

bool series_index_post(struct series_index *index, uint32_t most)
{
    pthread_rwlock_wrlock(&index->lock);
    uint32_t left = most, measurements = string_set_count(&index->names);
    for (uint32_t looked = 0; looked < most && left > 0 && index->unposted > 0; looked++) {
        if (index->post_at == 0 || index->post_at > measurements)
            index->post_at = 1;
        struct series_body *body = index_measurement(index, index->post_at)->body;
        if (body)
            left -= index_post_body(index, body, left);
        if (!body || body->unposted == 0)
            index->post_at++;
    }
    bool more = index->unposted > 0;
    pthread_rwlock_unlock(&index->lock);
    return more;
}

/* ---------------------------------------------------------------- measurements and single series */

uint32_t series_index_measurement(struct series_index *index, struct silt_str name)
{
    pthread_rwlock_rdlock(&index->lock);
    uint32_t code = string_set_find(&index->names, &index->heap, name);
    pthread_rwlock_unlock(&index->lock);
    return code == STRINGS_NONE ? 0 : code + 1;
}

uint32_t series_index_measurement_make(struct series_index *index, struct silt_str name)
{
    uint32_t id = series_index_measurement(index, name);
    if (id)
        return id;
    pthread_mutex_lock(&index->create_lock);
    if (index_settle(index, NULL) == SILT_OK) {
        pthread_rwlock_wrlock(&index->lock);
        uint32_t code = string_set_find(&index->names, &index->heap, name);
        id = code == STRINGS_NONE ? index_make_measurement(index, name) : code + 1;
        pthread_rwlock_unlock(&index->lock);
    }
    pthread_mutex_unlock(&index->create_lock);
    return id;
}

struct silt_str series_index_measurement_name(struct series_index *index, uint32_t measurement)
{
    if (measurement == 0 || measurement > string_set_count(&index->names))
        return SILT_STR("");
    return string_set_at(&index->names, &index->heap, measurement - 1);
}

struct series_body *index_hold_body(struct series_index *index, uint32_t measurement)
{
    struct series_body *body = NULL;
    pthread_rwlock_rdlock(&index->lock);
    if (measurement != 0 && measurement <= string_set_count(&index->names))
        body = index_measurement(index, measurement)->body;
    if (body) {
        atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&index->holders, 1, memory_order_relaxed);
    }
    pthread_rwlock_unlock(&index->lock);
    return body;
}

void index_let_go(struct series_index *index, struct series_body *body)
{
    body_release(body);
    atomic_fetch_sub_explicit(&index->holders, 1, memory_order_release);
}

void index_take_out(struct series_index *index, const struct series_body *body)
{
    index->body_bytes -= body->account;
    index->unposted -= body->unposted;
    index->retired -= body->retired_count;
}

void index_put_in(struct series_index *index, const struct series_body *body)
{
    index->body_bytes += body->account;
    index->unposted += body->unposted;
    index->retired += body->retired_count;
}

size_t series_index_measurement_series(struct series_index *index, uint32_t measurement)
{
    size_t count = 0;
    pthread_rwlock_rdlock(&index->lock);
    if (measurement != 0 && measurement <= string_set_count(&index->names)) {
        const struct series_body *body = index_measurement(index, measurement)->body;
        count = body ? body->series_count : 0;
    }
    pthread_rwlock_unlock(&index->lock);
    return count;
}

struct named_id {
    struct silt_str name;
    uint32_t id;
};

static int compare_named(const void *a, const void *b)
{
    return silt_str_compare(((const struct named_id *)a)->name, ((const struct named_id *)b)->name);
}

enum silt_status series_index_measurements(struct series_index *index, struct silt_arena *arena,
                                           struct silt_str **names, uint32_t **ids, size_t *count,
                                           struct silt_error *err)
{
    size_t n = 0, capacity;
    pthread_rwlock_rdlock(&index->lock);
    capacity = index->measurement_count;
    struct named_id *list = silt_malloc((capacity + 1) * sizeof(*list));
    for (uint32_t id = 1; id <= string_set_count(&index->names); id++)
        if (index_measurement(index, id)->body)
            list[n++] = (struct named_id){series_index_measurement_name(index, id), id};
    pthread_rwlock_unlock(&index->lock);
    silt_assert(n == capacity);
    qsort(list, n, sizeof(*list), compare_named);
    struct silt_str *out = silt_arena_try_alloc(arena, (n + 1) * sizeof(*out));
    uint32_t *out_ids = silt_arena_try_alloc(arena, (n + 1) * sizeof(*out_ids));
    for (size_t i = 0; i < n && out && out_ids; i++) {
        out[i] = list[i].name; /* lives as long as the index */
        out_ids[i] = list[i].id;
    }
    free(list);
    if (!out || !out_ids)
        return silt_fail(err, SILT_LIMIT, "query memory: %zu measurements", n);
    *names = out;
    if (ids)
        *ids = out_ids;
    *count = n;
    return SILT_OK;
}

uint32_t series_index_measurement_of(struct series_index *index, silt_series_id id)
{
    pthread_rwlock_rdlock(&index->lock);
    uint64_t entry = id_table_get(&index->ids, id);
    pthread_rwlock_unlock(&index->lock);
    return (uint32_t)(entry >> 32);
}

bool series_index_series(struct series_index *index, silt_series_id id, struct silt_arena *arena, struct silt_str *key,
                         uint32_t *measurement, struct silt_tag **tags, size_t *tag_count)
{
    pthread_rwlock_rdlock(&index->lock);
    uint64_t entry = id_table_get(&index->ids, id);
    if (!entry) {
        pthread_rwlock_unlock(&index->lock);
        return false;
    }
    const struct series_body *body = index_measurement(index, (uint32_t)(entry >> 32))->body;
    uint32_t shape_index;
    read_varint(heap_at(&body->heap, (uint32_t)entry), &shape_index);
    size_t count = body_shape(body, shape_index)->key_count, bytes = 0;
    struct silt_tag few[32], *list = tags || count > 32 ? silt_arena_alloc(arena, (count + 1) * sizeof(*list)) : few;
    body_decode(body, (uint32_t)entry, list);
    if (key)
        *key = silt_series_key_make(series_index_measurement_name(index, (uint32_t)(entry >> 32)), list, count, arena);
    if (tags) {
        for (size_t i = 0; i < count; i++)
            bytes += list[i].key.len + list[i].value.len;
        char *at = silt_arena_alloc(arena, bytes + 1);
        for (size_t i = 0; i < count; i++) {
            struct silt_str *both[2] = {&list[i].key, &list[i].value};
            for (int j = 0; j < 2; j++) {
                memcpy(at, both[j]->p, both[j]->len);
                both[j]->p = at;
                at += both[j]->len;
            }
        }
        *tags = list;
    }
    pthread_rwlock_unlock(&index->lock);
    if (tag_count)
        *tag_count = count;
    if (measurement)
        *measurement = (uint32_t)(entry >> 32);
    return true;
}

#define NOT_WANTED UINT32_MAX

/* Which of the keys stands at each place of a shape; gives the places that have to be looked at. */
static uint32_t find_places(const struct series_body *body, const struct tag_shape *shape, const struct silt_str *keys,
                            size_t key_count, uint32_t *wanted)
{
    uint32_t places = 0;
    for (uint32_t i = 0; i < shape->key_count; i++) {
        struct silt_str name = body_key_name(body, shape->keys[i]);
        wanted[i] = NOT_WANTED;
        for (size_t k = 0; k < key_count && wanted[i] == NOT_WANTED; k++)
            if (silt_str_equal(keys[k], name))
                wanted[i] = (uint32_t)k;
        if (wanted[i] != NOT_WANTED)
            places = i + 1;
    }
    return places;
}

void series_index_values(struct series_index *index, const silt_series_id *ids, size_t count, const struct silt_str *keys,
                         size_t key_count, struct silt_arena *arena, struct silt_tag *tags, uint32_t *tag_counts)
{
    const struct tag_shape *known = NULL; /* what wanted is for */
    uint32_t *wanted = NULL, places = 0, room = 0;
    pthread_rwlock_rdlock(&index->lock);
    for (size_t i = 0; i < count; i++, tags += key_count) {
        uint64_t entry = id_table_get(&index->ids, ids[i]);
        uint32_t shape_index, code, n = 0;
        if (!entry) {
            tag_counts[i] = UINT32_MAX;
            continue;
        }
        const struct series_body *body = index_measurement(index, (uint32_t)(entry >> 32))->body;
        const uint8_t *p = read_varint(heap_at(&body->heap, (uint32_t)entry), &shape_index);
        const struct tag_shape *shape = body_shape(body, shape_index);
        if (shape != known) {
            if (shape->key_count > room)
                wanted = silt_realloc(wanted, (room = shape->key_count) * sizeof(*wanted));
            places = find_places(body, shape, keys, key_count, wanted);
            known = shape;
        }
        for (uint32_t place = 0; place < places; place++) {
            p = read_varint(p, &code);
            if (wanted[place] != NOT_WANTED)
                tags[n++] = (struct silt_tag){keys[wanted[place]], silt_arena_str(arena, body_value(body, shape->keys[place], code))};
        }
        tag_counts[i] = n;
    }
    pthread_rwlock_unlock(&index->lock);
    free(wanted);
}

void series_index_stats(struct series_index *index, struct series_index_stats *out)
{
    pthread_mutex_lock(&index->create_lock);
    pthread_rwlock_rdlock(&index->lock);
    *out = (struct series_index_stats){
        .series = atomic_load(&index->series_count),
        .measurements = index->measurement_count,
        .aliases = index->aliases.count,
        .bytes = bytes_in_use(index),
        .last_id = index->last_id,
    };
    pthread_rwlock_unlock(&index->lock);
    pthread_mutex_unlock(&index->create_lock);
}
