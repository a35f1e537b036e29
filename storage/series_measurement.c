/*
 * series_measurement.c - implements series_measurement.h: heap, string sets, records, postings.
 */
#include "storage/series_measurement.h"

#define XXH_INLINE_ALL
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

/* ---------------------------------------------------------------- segments and heap */

size_t segments_extend(struct segments *array, uint32_t index, size_t item_bytes, unsigned shift)
{
    uint64_t at = (uint64_t)index + (1u << shift);
    unsigned part = 63 - (unsigned)__builtin_clzll(at) - shift;
    silt_assert(part < SEGMENTS_MAX);
    if (atomic_load_explicit(&array->parts[part], memory_order_relaxed))
        return 0;
    size_t bytes = ((size_t)1 << (shift + part)) * item_bytes;
    atomic_store_explicit(&array->parts[part], silt_calloc(1, bytes), memory_order_release);
    return bytes;
}

void segments_deinit(struct segments *array)
{
    for (unsigned i = 0; i < SEGMENTS_MAX; i++)
        free(atomic_load_explicit(&array->parts[i], memory_order_relaxed));
}

#define LARGE_LOOKS 8u /* free pieces of the last bin that are looked at */

static size_t units_of(size_t bytes)
{
    return bytes ? (bytes + 3) / 4 : 1;
}

static void put_free(struct heap *heap, uint32_t number, size_t units)
{
    uint32_t *piece = heap_at(heap, number), *bin = &heap->free[units < HEAP_BINS ? units : 0];
    piece[0] = *bin;
    if (units >= HEAP_BINS)
        piece[1] = (uint32_t)units;
    *bin = number;
}

/* 0: none. What is too much of a large piece goes back. */
static uint32_t take_free(struct heap *heap, size_t units)
{
    uint32_t *place = &heap->free[units < HEAP_BINS ? units : 0];
    for (unsigned looks = 0; *place && looks < LARGE_LOOKS; looks++) {
        uint32_t number = *place, *piece = heap_at(heap, number);
        size_t has = units < HEAP_BINS ? units : piece[1];
        if (has >= units) {
            *place = piece[0];
            if (has > units)
                put_free(heap, number + (uint32_t)units, has - units);
            return number;
        }
        place = &piece[0];
    }
    return 0;
}

/* Large parts come from the kernel untouched, so what counts is what is used of them. */
uint32_t heap_alloc(struct heap *heap, size_t bytes)
{
    uint64_t units = units_of(bytes), first = (uint64_t)1 << HEAP_SHIFT, at = heap->used ? heap->used : 1;
    uint32_t again = take_free(heap, units);
    if (again) {
        *heap->bytes += units * 4;
        return again;
    }
    for (;;) {
        uint64_t biased = at + first;
        uint64_t part_end = ((uint64_t)2 << (63 - __builtin_clzll(biased))) - first;
        if (at + units <= part_end)
            break;
        at = part_end;
    }
    if (at + units > UINT32_MAX - first)
        return 0;
    segments_extend(&heap->units, (uint32_t)at, 4, HEAP_SHIFT);
    heap->used = (uint32_t)(at + units);
    *heap->bytes += units * 4;
    return (uint32_t)at;
}

void heap_free(struct heap *heap, uint32_t number, size_t bytes)
{
    put_free(heap, number, units_of(bytes));
    *heap->bytes -= units_of(bytes) * 4;
}

/* ---------------------------------------------------------------- string sets */

#define FAR_SLOTS 4096u /* sets of so many do not stay in the processor's caches */

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    while (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        ;
}

static inline uint32_t hash_text(struct silt_str text)
{
    return (uint32_t)(XXH3_64bits_withSeed(text.p, text.len, seed) >> 32);
}

/* As silt_str_equal, without a call: tags are short, and ten of them are compared for every series that is loaded. */
static inline bool same_text(struct silt_str a, struct silt_str b)
{
    if (a.len != b.len)
        return false;
    if (a.len < 4) {
        for (size_t i = 0; i < a.len; i++)
            if (a.p[i] != b.p[i])
                return false;
        return true;
    }
    if (a.len < 8) {
        uint32_t left, right, left_end, right_end;
        memcpy(&left, a.p, 4);
        memcpy(&right, b.p, 4);
        memcpy(&left_end, a.p + a.len - 4, 4);
        memcpy(&right_end, b.p + b.len - 4, 4);
        return left == right && left_end == right_end;
    }
    uint64_t left, right;
    for (size_t i = 0; i + 8 < a.len; i += 8) {
        memcpy(&left, a.p + i, 8);
        memcpy(&right, b.p + i, 8);
        if (left != right)
            return false;
    }
    memcpy(&left, a.p + a.len - 8, 8);
    memcpy(&right, b.p + b.len - 8, 8);
    return left == right;
}

static struct string_slot *probe_text(const struct string_set *set, const struct heap *heap, struct silt_str text,
                                      uint32_t hash)
{
    for (uint32_t i = hash & set->mask;; i = (i + 1) & set->mask) {
        struct string_slot *slot = &set->slots[i];
        if (slot->code_plus_1 == 0)
            return slot;
        if (slot->hash == hash && same_text(string_set_at(set, heap, slot->code_plus_1 - 1), text))
            return slot;
    }
}

uint32_t string_set_find(const struct string_set *set, const struct heap *heap, struct silt_str text)
{
    if (!set->slots)
        return STRINGS_NONE;
    uint32_t code_plus_1 = probe_text(set, heap, text, hash_text(text))->code_plus_1;
    return code_plus_1 ? code_plus_1 - 1 : STRINGS_NONE;
}

static void grow_set(struct string_set *set, size_t *bytes)
{
    uint32_t old_count = set->slots ? set->mask + 1 : 0, slot_count = old_count ? 2 * old_count : 8;
    struct string_slot *old = set->slots, *slots = silt_calloc(slot_count, sizeof(*slots));
    for (uint32_t i = 0; i < old_count; i++) {
        if (!old[i].code_plus_1)
            continue;
        uint32_t at = old[i].hash & (slot_count - 1);
        while (slots[at].code_plus_1)
            at = (at + 1) & (slot_count - 1);
        slots[at] = old[i];
    }
    free(old);
    set->slots = slots;
    set->mask = slot_count - 1;
    *bytes += ((size_t)slot_count - old_count) * sizeof(*slots);
}

uint32_t string_set_add(struct string_set *set, struct heap *heap, struct silt_str text, bool reuse)
{
    uint32_t count = atomic_load_explicit(&set->count, memory_order_relaxed);
    if (!set->slots || count - set->free_count >= (set->mask + 1) / 4 * 3)
        grow_set(set, heap->bytes);
    uint32_t hash = hash_text(text);
    struct string_slot *slot = probe_text(set, heap, text, hash);
    if (slot->code_plus_1)
        return slot->code_plus_1 - 1;
    bool again = reuse && set->free_count > 0;
    if (!again && count >= INT32_MAX)
        return STRINGS_NONE;
    uint32_t number = heap_alloc(heap, sizeof(struct silt_bytes) + text.len);
    if (number == 0)
        return STRINGS_NONE;
    struct silt_bytes *copy = heap_at(heap, number);
    copy->len = (uint32_t)text.len;
    if (text.len)
        memcpy(copy->p, text.p, text.len);
    uint32_t code = again ? set->free_codes[--set->free_count] : count;
    if (!again)
        *heap->bytes += segments_extend(&set->texts, code, 4, STRINGS_SHIFT);
    *(uint32_t *)segments_at(&set->texts, code, 4, STRINGS_SHIFT) = number;
    *slot = (struct string_slot){hash, code + 1};
    if (!again)
        atomic_store_explicit(&set->count, count + 1, memory_order_release);
    return code;
}

/* Whatever follows an emptied slot and may stand in it moves up, so that no marker is needed. */
static void close_gap(struct string_set *set, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & set->mask; set->slots[i].code_plus_1; i = (i + 1) & set->mask) {
        uint32_t home = set->slots[i].hash & set->mask;
        if (((i - home) & set->mask) >= ((i - hole) & set->mask)) {
            set->slots[hole] = set->slots[i];
            hole = i;
        }
    }
    set->slots[hole] = (struct string_slot){0};
}

/* A list of numbers with one more. */
static uint32_t *push_number(uint32_t *list, uint32_t *count, uint32_t *room, uint32_t number, size_t *bytes)
{
    if (*count == *room) {
        uint32_t more = *room ? *room : 16;
        list = silt_realloc(list, ((size_t)*room + more) * sizeof(*list));
        *room += more;
        *bytes += more * sizeof(*list);
    }
    list[(*count)++] = number;
    return list;
}

void string_set_remove(struct string_set *set, struct heap *heap, uint32_t code)
{
    struct silt_str text = string_set_at(set, heap, code);
    uint32_t *number = segments_at(&set->texts, code, 4, STRINGS_SHIFT);
    struct string_slot *slot = probe_text(set, heap, text, hash_text(text));
    silt_assert(slot->code_plus_1 == code + 1);
    close_gap(set, (uint32_t)(slot - set->slots));
    heap_free(heap, *number, sizeof(struct silt_bytes) + text.len);
    *number = 0;
    set->free_codes = push_number(set->free_codes, &set->free_count, &set->free_room, code, heap->bytes);
}

void string_set_deinit(struct string_set *set)
{
    free(set->slots);
    free(set->free_codes);
    segments_deinit(&set->texts);
}

/* ---------------------------------------------------------------- postings */

/* About what a bitmap costs: made, and per id in it. CRoaring does its own mallocs. */
#define BITMAP_BYTES 120u
#define BITMAP_ID_BYTES 2u

static void posting_add(series_posting *posting, silt_series_id id, size_t *bytes)
{
    if (*posting == 0) {
        *posting = (uint64_t)id << 1 | 1;
        return;
    }
    roaring_bitmap_t *bitmap;
    if (*posting & 1) {
        bitmap = roaring_bitmap_create();
        silt_assert(bitmap);
        roaring_bitmap_add(bitmap, (uint32_t)(*posting >> 1));
        *posting = (uintptr_t)bitmap;
        *bytes += BITMAP_BYTES;
    }
    bitmap = (roaring_bitmap_t *)(uintptr_t)*posting;
    roaring_bitmap_add(bitmap, id);
    *bytes += BITMAP_ID_BYTES;
}

static void posting_remove(series_posting *posting, silt_series_id id, size_t *bytes)
{
    if (*posting & 1) {
        if (*posting >> 1 == id)
            *posting = 0;
        return;
    }
    if (*posting == 0)
        return;
    roaring_bitmap_t *bitmap = (roaring_bitmap_t *)(uintptr_t)*posting;
    if (!roaring_bitmap_contains(bitmap, id))
        return;
    roaring_bitmap_remove(bitmap, id);
    *bytes -= BITMAP_ID_BYTES;
    if (roaring_bitmap_is_empty(bitmap)) {
        roaring_bitmap_free(bitmap);
        *posting = 0;
        *bytes -= BITMAP_BYTES - BITMAP_ID_BYTES; /* the first id was not counted */
    }
}

static void key_end_run(struct tag_key *key, size_t *bytes)
{
    if (key->run_count == 0)
        return;
    if (!key->present) {
        key->present = roaring_bitmap_create();
        silt_assert(key->present);
        *bytes += BITMAP_BYTES;
    }
    roaring_bitmap_add_range_closed(key->present, key->run_first, key->run_first + key->run_count - 1);
    key->run_count = 0;
}

static void key_add(struct tag_key *key, uint32_t code, silt_series_id id, size_t *bytes)
{
    if (code >= key->postings_capacity) {
        size_t capacity = key->postings_capacity ? key->postings_capacity : 8;
        while (capacity <= code)
            capacity *= 2;
        key->postings = silt_realloc(key->postings, capacity * sizeof(*key->postings));
        memset(key->postings + key->postings_capacity, 0, (capacity - key->postings_capacity) * sizeof(*key->postings));
        *bytes += (capacity - key->postings_capacity) * sizeof(*key->postings);
        key->postings_capacity = capacity;
    }
    posting_add(&key->postings[code], id, bytes);
    if (key->run_count && id == key->run_first + key->run_count) {
        key->run_count++;
        return;
    }
    key_end_run(key, bytes);
    key->run_first = id;
    key->run_count = 1;
}

uint32_t body_post(struct series_body *body, const struct id_table *ids, uint32_t most)
{
    enum { AHEAD = 64 };
    silt_series_id some[AHEAD];
    uint32_t posted = 0;
    if (!body->unposted)
        return 0;
    roaring_uint32_iterator_t *at = roaring_create_iterator(body->all);
    silt_assert(at);
    roaring_move_uint32_iterator_equalorlarger(at, body->posted_below);
    while (posted < most && at->has_value) {
        uint32_t count = most - posted < AHEAD ? most - posted : AHEAD;
        const uint8_t *records[AHEAD];
        count = roaring_read_uint32_iterator(at, some, count);
        for (uint32_t i = 0; i < count; i++) {
            records[i] = heap_at(&body->heap, (uint32_t)id_table_get(ids, some[i]));
            __builtin_prefetch(records[i]);
        }
        for (uint32_t i = 0; i < count; i++) {
            uint32_t shape_index, code;
            const uint8_t *p = read_varint(records[i], &shape_index);
            const struct tag_shape *shape = body_shape(body, shape_index);
            for (uint32_t k = 0; k < shape->key_count; k++) {
                p = read_varint(p, &code);
                key_add(shape->keys[k], code, some[i], body->bytes);
            }
        }
        posted += count;
        body->posted_below = some[count - 1] + 1;
    }
    roaring_free_uint32_iterator(at);
    for (uint32_t i = 0; i < string_set_count(&body->key_names); i++)
        key_end_run(body_key(body, i), body->bytes);
    body->unposted -= posted;
    return posted;
}

/* ---------------------------------------------------------------- bodies */

struct series_body *body_create(void)
{
    pthread_once(&seed_once, make_seed);
    struct series_body *body = silt_calloc(1, sizeof(*body));
    atomic_init(&body->refs, 1);
    body->heap.bytes = &body->account;
    body->bytes = &body->account;
    body->all = roaring_bitmap_create();
    silt_assert(body->all);
    body->account = sizeof(*body) + BITMAP_BYTES;
    return body;
}

static void key_destroy(struct tag_key *key)
{
    for (size_t i = 0; i < key->postings_capacity; i++)
        if (key->postings[i] && !(key->postings[i] & 1))
            roaring_bitmap_free((roaring_bitmap_t *)(uintptr_t)key->postings[i]);
    free(key->postings);
    if (key->present)
        roaring_bitmap_free(key->present);
    string_set_deinit(&key->values);
    free(key);
}

void body_release(struct series_body *body)
{
    if (!body || atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < string_set_count(&body->key_names); i++)
        key_destroy(body_key(body, i));
    for (uint32_t i = 0; i < atomic_load(&body->shape_count); i++)
        free(body_shape(body, i));
    segments_deinit(&body->keys);
    segments_deinit(&body->shapes);
    string_set_deinit(&body->key_names);
    segments_deinit(&body->heap.units);
    free(body->shape_slots);
    free(body->retired);
    roaring_bitmap_free(body->all);
    free(body);
}

struct tag_key *body_find_key(const struct series_body *body, struct silt_str name)
{
    uint32_t index = string_set_find(&body->key_names, &body->heap, name);
    return index == STRINGS_NONE ? NULL : body_key(body, index);
}

static struct tag_key *add_key(struct series_body *body, struct silt_str name)
{
    uint32_t before = string_set_count(&body->key_names);
    uint32_t index = string_set_find(&body->key_names, &body->heap, name);
    if (index != STRINGS_NONE)
        return body_key(body, index);
    struct tag_key *key = silt_calloc(1, sizeof(*key));
    key->index = before;
    key->last_code = STRINGS_NONE;
    /* The key's place is filled before the name's code is published. */
    *body->bytes += sizeof(*key) + segments_extend(&body->keys, before, sizeof(void *), POINTERS_SHIFT);
    *(struct tag_key **)segments_at(&body->keys, before, sizeof(void *), POINTERS_SHIFT) = key;
    if (string_set_add(&body->key_names, &body->heap, name, false) == STRINGS_NONE) {
        *(struct tag_key **)segments_at(&body->keys, before, sizeof(void *), POINTERS_SHIFT) = NULL;
        *body->bytes -= sizeof(*key);
        free(key);
        return NULL;
    }
    return key;
}

static uint32_t hash_keys(struct tag_key *const *keys, size_t count)
{
    return (uint32_t)(XXH3_64bits_withSeed(keys, count * sizeof(*keys), seed) >> 32);
}

static bool same_keys(const struct tag_shape *shape, struct tag_key *const *keys, size_t count)
{
    return shape->key_count == count && memcmp(shape->keys, keys, count * sizeof(*keys)) == 0;
}

static void grow_shapes(struct series_body *body)
{
    uint32_t old_count = body->shape_slots ? body->shape_mask + 1 : 0, slot_count = old_count ? 2 * old_count : 8;
    free(body->shape_slots);
    body->shape_slots = silt_calloc(slot_count, sizeof(*body->shape_slots));
    body->shape_mask = slot_count - 1;
    *body->bytes += ((size_t)slot_count - old_count) * sizeof(*body->shape_slots);
    for (uint32_t i = 0; i < atomic_load(&body->shape_count); i++) {
        const struct tag_shape *shape = body_shape(body, i);
        uint32_t at = hash_keys(shape->keys, shape->key_count) & body->shape_mask;
        while (body->shape_slots[at])
            at = (at + 1) & body->shape_mask;
        body->shape_slots[at] = i + 1;
    }
}

static struct tag_shape *add_shape(struct series_body *body, struct tag_key **keys, size_t count)
{
    uint32_t shape_count = atomic_load_explicit(&body->shape_count, memory_order_relaxed);
    if (!body->shape_slots || shape_count >= (body->shape_mask + 1) / 4 * 3)
        grow_shapes(body);
    uint32_t at = hash_keys(keys, count) & body->shape_mask;
    for (; body->shape_slots[at]; at = (at + 1) & body->shape_mask) {
        struct tag_shape *shape = body_shape(body, body->shape_slots[at] - 1);
        if (same_keys(shape, keys, count))
            return shape;
    }
    struct tag_shape *shape = silt_malloc(sizeof(*shape) + count * sizeof(*keys));
    shape->index = shape_count;
    shape->key_count = (uint32_t)count;
    if (count)
        memcpy(shape->keys, keys, count * sizeof(*keys));
    *body->bytes += sizeof(*shape) + count * sizeof(*keys) +
                    segments_extend(&body->shapes, shape_count, sizeof(void *), POINTERS_SHIFT);
    *(struct tag_shape **)segments_at(&body->shapes, shape_count, sizeof(void *), POINTERS_SHIFT) = shape;
    body->shape_slots[at] = shape_count + 1;
    atomic_store_explicit(&body->shape_count, shape_count + 1, memory_order_release);
    return shape;
}

/* The shape of these tags; mostly it is that of the series before. */
static struct tag_shape *find_shape(struct series_body *body, const struct silt_tag *tags, size_t count)
{
    struct tag_shape *shape = body->last_shape;
    if (shape && shape->key_count == count) {
        size_t i = 0;
        while (i < count && same_text(body_key_name(body, shape->keys[i]), tags[i].key))
            i++;
        if (i == count)
            return shape;
    }
    struct tag_key *few[64], **keys = count <= 64 ? few : silt_malloc(count * sizeof(*keys));
    shape = NULL;
    size_t i = 0;
    while (i < count && (keys[i] = add_key(body, tags[i].key)) != NULL)
        i++;
    if (i == count)
        shape = add_shape(body, keys, count);
    if (keys != few)
        free(keys);
    return shape;
}

static uint8_t *write_varint(uint8_t *p, uint32_t value)
{
    for (; value > 127; value >>= 7)
        *p++ = (uint8_t)(value | 128);
    *p++ = (uint8_t)value;
    return p;
}

void body_prefetch(const struct series_body *body, const struct silt_tag *tags, size_t tag_count)
{
    const struct tag_shape *shape = body->last_shape;
    if (!shape || shape->key_count != tag_count)
        return;
    for (size_t i = 0; i < tag_count; i++) {
        const struct string_set *values = &shape->keys[i]->values;
        if (values->mask >= FAR_SLOTS)
            __builtin_prefetch(&values->slots[hash_text(tags[i].value) & values->mask], 1);
    }
}

uint32_t body_add(struct series_body *body, silt_series_id id, const struct silt_tag *tags, size_t tag_count, bool reuse)
{
    struct tag_shape *shape = find_shape(body, tags, tag_count);
    if (!shape)
        return 0;
    body->last_shape = shape;
    uint8_t few[5 * 65], *bytes = tag_count <= 64 ? few : silt_malloc(5 * (tag_count + 1));
    uint8_t *end = write_varint(bytes, shape->index);
    uint32_t number = 0;
    size_t i = 0;
    for (; i < tag_count; i++) {
        struct tag_key *key = shape->keys[i];
        uint32_t code = key->last_code;
        if (code == STRINGS_NONE || !same_text(body_value(body, key, code), tags[i].value))
            code = string_set_add(&key->values, &body->heap, tags[i].value, reuse);
        if (code == STRINGS_NONE)
            break;
        key->last_code = code;
        end = write_varint(end, code);
    }
    if (i == tag_count)
        number = heap_alloc(&body->heap, (size_t)(end - bytes));
    if (number) {
        memcpy(heap_at(&body->heap, number), bytes, (size_t)(end - bytes));
        for (i = 0; i < tag_count; i++)
            shape->keys[i]->series_count++;
        roaring_bitmap_add(body->all, id);
        *body->bytes += BITMAP_ID_BYTES;
        body->series_count++;
        body->unposted++;
    } else {
        body->spoiled = true; /* values may have been added for nothing */
    }
    if (bytes != few)
        free(bytes);
    return number;
}

static void retire(struct series_body *body, uint32_t record)
{
    body->retired = push_number(body->retired, &body->retired_count, &body->retired_room, record, body->bytes);
}

void body_remove(struct series_body *body, silt_series_id id, uint32_t record)
{
    uint32_t shape_index, code;
    const uint8_t *p = read_varint(heap_at(&body->heap, record), &shape_index);
    const struct tag_shape *shape = body_shape(body, shape_index);
    bool posted = id < body->posted_below;
    for (uint32_t i = 0; i < shape->key_count; i++) {
        struct tag_key *key = shape->keys[i];
        p = read_varint(p, &code);
        key->series_count--;
        if (posted) {
            posting_remove(&key->postings[code], id, body->bytes);
            roaring_bitmap_remove(key->present, id);
        }
    }
    roaring_bitmap_remove(body->all, id);
    *body->bytes -= BITMAP_ID_BYTES;
    body->series_count--;
    body->unposted -= !posted;
    retire(body, record);
    body->removals++;
}

/* The posting without what is gone. */
static void posting_cut(series_posting *posting, const roaring_bitmap_t *gone, size_t *bytes)
{
    if (*posting == 0)
        return;
    if (*posting & 1) {
        if (roaring_bitmap_contains(gone, (uint32_t)(*posting >> 1)))
            *posting = 0;
        return;
    }
    roaring_bitmap_t *bitmap = (roaring_bitmap_t *)(uintptr_t)*posting;
    uint64_t before = roaring_bitmap_get_cardinality(bitmap);
    roaring_bitmap_andnot_inplace(bitmap, gone);
    uint64_t after = roaring_bitmap_get_cardinality(bitmap);
    *bytes -= (before - after) * BITMAP_ID_BYTES;
    if (after == 0) {
        roaring_bitmap_free(bitmap);
        *posting = 0;
        *bytes -= BITMAP_BYTES - BITMAP_ID_BYTES;
    }
}

void body_remove_many(struct series_body *body, const roaring_bitmap_t *gone)
{
    for (uint32_t i = 0; i < string_set_count(&body->key_names); i++) {
        struct tag_key *key = body_key(body, i);
        uint64_t leaving = key->present ? roaring_bitmap_and_cardinality(key->present, gone) : 0;
        if (leaving == 0)
            continue;
        key->series_count -= (uint32_t)leaving;
        roaring_bitmap_andnot_inplace(key->present, gone);
        for (size_t code = 0; code < key->postings_capacity; code++)
            posting_cut(&key->postings[code], gone, body->bytes);
    }
    uint32_t count = (uint32_t)roaring_bitmap_get_cardinality(gone);
    roaring_bitmap_andnot_inplace(body->all, gone);
    *body->bytes -= count * BITMAP_ID_BYTES;
    body->series_count -= count;
    body->removals++;
}

void body_retire_many(struct series_body *body, const silt_series_id *ids, const uint32_t *records, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        uint32_t shape_index;
        retire(body, records[k]);
        if (ids[k] < body->posted_below)
            continue; /* the rest is in no posting yet */
        read_varint(heap_at(&body->heap, records[k]), &shape_index);
        const struct tag_shape *shape = body_shape(body, shape_index);
        for (uint32_t i = 0; i < shape->key_count; i++)
            shape->keys[i]->series_count--;
        body->unposted--;
    }
}

uint32_t body_reclaim(struct series_body *body, uint32_t most)
{
    uint32_t done = 0;
    silt_assert(body->unposted == 0);
    for (; done < most && body->retired_count > 0; done++) {
        uint32_t record = body->retired[--body->retired_count], shape_index, code;
        const uint8_t *start = heap_at(&body->heap, record), *p = read_varint(start, &shape_index);
        const struct tag_shape *shape = body_shape(body, shape_index);
        for (uint32_t i = 0; i < shape->key_count; i++) {
            struct tag_key *key = shape->keys[i];
            p = read_varint(p, &code);
            if ((code < key->postings_capacity && key->postings[code] != 0) || !string_set_has(&key->values, code))
                continue;
            string_set_remove(&key->values, &body->heap, code);
            key->dead_values -= key->dead_values > 0;
            if (key->last_code == code)
                key->last_code = STRINGS_NONE;
        }
        heap_free(&body->heap, record, (size_t)(p - start));
    }
    if (body->retired_count == 0) {
        *body->bytes -= body->retired_room * sizeof(*body->retired);
        free(body->retired);
        body->retired = NULL;
        body->retired_room = 0;
    }
    return done;
}

const struct tag_shape *body_decode(const struct series_body *body, uint32_t record, struct silt_tag *tags)
{
    uint32_t shape_index, code;
    const uint8_t *p = read_varint(heap_at(&body->heap, record), &shape_index);
    const struct tag_shape *shape = body_shape(body, shape_index);
    for (uint32_t i = 0; i < shape->key_count; i++) {
        p = read_varint(p, &code);
        tags[i] = (struct silt_tag){body_key_name(body, shape->keys[i]), body_value(body, shape->keys[i], code)};
    }
    return shape;
}
