/*
 * series_load.c - the series that a start finds, into the index: millions a second.
 *
 *     key --cut, hashed--> hash table                           the loading thread, beside SQLite
 *            \--> batch of 256 --> dictionaries, records, ids   the helper
 *
 * Half of the work is in the table and half in the dictionaries, and neither needs the other: so there are two threads, once there is
 * a full batch. Both wait for memory rather than compute, so what an insertion will touch is fetched some series ahead.
 */
#include "silt/text.h"
#include "storage/series_measurement.h"

#include <stdlib.h>

#define BATCH_ITEMS 256u
#define BATCHES 8u
#define TEXTS_AHEAD 32u /* hashed and prefetched before they are inserted */
#define ITEMS_AHEAD 16u

struct load_item {
    silt_series_id id;
    uint32_t tag_first, tag_count; /* in the batch's tags */
    struct silt_str measurement;
};

struct load_batch {
    struct load_item items[BATCH_ITEMS];
    size_t count;
    struct silt_tag *tags;
    size_t tag_count, tag_room;
    struct silt_arena *keys;
};

struct series_loader {
    struct series_text texts[TEXTS_AHEAD];
    unsigned text_count;
    struct load_batch batches[BATCHES]; /* batch number n is batches[n % BATCHES] */

    bool has_helper;
    pthread_t helper;
    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    uint64_t filled, built; /* batches so far; number filled is the loading thread's, number built the helper's */
    bool ending;
    size_t built_bytes; /* of the index without its hash table */
    enum silt_status status;
    struct silt_error error;
};

/* ---------------------------------------------------------------- building: the helper, or the loading thread where there is none */

struct target {
    struct silt_str name;
    uint32_t measurement; /* 0: none yet */
};

/* The measurement of this name; mostly it is that of the series before. */
static uint32_t find_target(struct series_index *index, struct target *target, struct silt_str name)
{
    if (target->measurement == 0 || !silt_str_equal(target->name, name)) {
        uint32_t code = string_set_find(&index->names, &index->heap, name); /* nobody else adds names */
        *target = (struct target){name, code == STRINGS_NONE ? 0 : code + 1};
    }
    return target->measurement;
}

static uint32_t make_target(struct series_index *index, struct target *target, struct silt_str name)
{
    if (find_target(index, target, name) == 0) {
        pthread_rwlock_wrlock(&index->lock); /* names may be looked up meanwhile */
        target->measurement = index_make_measurement(index, name);
        pthread_rwlock_unlock(&index->lock);
    }
    return target->measurement;
}

static enum silt_status build(struct series_index *index, const struct load_batch *batch, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    struct target ahead = {0}, target = {0};
    for (size_t at = 0; at < batch->count && rc == SILT_OK; at += ITEMS_AHEAD) {
        size_t end = at + ITEMS_AHEAD < batch->count ? at + ITEMS_AHEAD : batch->count;
        for (size_t i = at; i < end; i++) {
            const struct load_item *item = &batch->items[i];
            uint32_t measurement = find_target(index, &ahead, item->measurement);
            const struct series_body *body = measurement ? index_measurement(index, measurement)->body : NULL;
            if (body)
                body_prefetch(body, batch->tags + item->tag_first, item->tag_count);
        }
        for (size_t i = at; i < end && rc == SILT_OK; i++) {
            const struct load_item *item = &batch->items[i];
            rc = index_make_series(index, item->id, make_target(index, &target, item->measurement),
                                   batch->tags + item->tag_first, item->tag_count, err);
        }
    }
    return rc;
}

static void clear(struct load_batch *batch)
{
    batch->count = batch->tag_count = 0;
    silt_arena_reset(batch->keys);
}

/* With lock; gives it up while it builds. */
static void build_next(struct series_index *index)
{
    struct series_loader *loader = index->loader;
    struct load_batch *batch = &loader->batches[loader->built % BATCHES];
    struct silt_error err;
    bool wanted = loader->status == SILT_OK; /* behind a fault all is thrown away */
    pthread_mutex_unlock(&loader->lock);
    enum silt_status rc = wanted ? build(index, batch, &err) : SILT_OK;
    clear(batch);
    size_t bytes = index->account + index->body_bytes;
    pthread_mutex_lock(&loader->lock);
    if (rc != SILT_OK) {
        loader->status = rc;
        loader->error = err;
    }
    loader->built_bytes = bytes;
    loader->built++;
    pthread_cond_broadcast(&loader->changed);
}

static void *run_helper(void *arg)
{
    struct series_index *index = arg;
    struct series_loader *loader = index->loader;
    pthread_mutex_lock(&loader->lock);
    while (loader->built < loader->filled || !loader->ending) {
        if (loader->built < loader->filled)
            build_next(index);
        else
            pthread_cond_wait(&loader->changed, &loader->lock);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* ---------------------------------------------------------------- cutting keys */

static void push_tag(struct load_batch *batch, struct silt_tag tag)
{
    if (batch->tag_count == batch->tag_room) {
        batch->tag_room = batch->tag_room ? 2 * batch->tag_room : 1024;
        batch->tags = silt_realloc(batch->tags, batch->tag_room * sizeof(*batch->tags));
    }
    batch->tags[batch->tag_count++] = tag;
}

/* A key without backslashes: cut at commas and equals signs. false: go the long way, which finds what is wrong. */
static bool split_plain(struct load_batch *batch, struct silt_str key, struct silt_str *measurement)
{
    const char *p = key.p, *end = key.p + key.len;
    size_t first = batch->tag_count;
    while (p < end && *p != ',' && *p != '\\' && *p != ' ')
        p++;
    *measurement = (struct silt_str){key.p, (size_t)(p - key.p)};
    if (p == key.p || (p < end && *p != ','))
        return false;
    while (p < end) {
        const char *start = ++p;
        while (p < end && (unsigned char)*p > ' ' && *p != '=' && *p != ',' && *p != '\\')
            p++;
        if (p == start || p >= end || *p != '=')
            return false;
        const char *value = ++p;
        while (p < end && (unsigned char)*p > ' ' && *p != '=' && *p != ',' && *p != '\\')
            p++;
        if (p == value || (p < end && *p != ','))
            return false;
        push_tag(batch, (struct silt_tag){.key = {start, (size_t)(value - 1 - start)}, .value = {value, (size_t)(p - value)}});
        const struct silt_tag *last = &batch->tags[batch->tag_count - 1];
        if (batch->tag_count - first > 1 && silt_str_compare(last[-1].key, last->key) >= 0)
            return false;
    }
    return true;
}

static enum silt_status split_any(struct load_batch *batch, silt_series_id id, struct silt_str key,
                                  struct silt_str *measurement, struct silt_error *err)
{
    struct silt_str canonical;
    struct silt_tag *tags;
    size_t count;
    const char *reason = silt_series_key_parse(key, batch->keys, &canonical, measurement, &tags, &count);
    if (reason)
        return silt_fail(err, SILT_CORRUPT, "series %u: key \"%.*s\": %s", id, key.len > 200 ? 200 : (int)key.len,
                         key.p, reason);
    if (!silt_str_equal(canonical, key))
        return silt_fail(err, SILT_CORRUPT, "series %u: key \"%.*s\" is not canonical", id,
                         key.len > 200 ? 200 : (int)key.len, key.p);
    for (size_t i = 0; i < count; i++)
        push_tag(batch, tags[i]);
    return SILT_OK;
}

/* ---------------------------------------------------------------- the loading thread */

static void insert_texts(struct series_index *index)
{
    struct series_loader *loader = index->loader;
    for (unsigned i = 0; i < loader->text_count; i++)
        series_hash_insert(&index->hash, loader->texts[i].verify, loader->texts[i].hash, loader->texts[i].id);
    loader->text_count = 0;
}

/* The batch that is being filled goes to the helper, who is made if need be; *wait: until all is built. */
static enum silt_status hand_over(struct series_index *index, bool wait, struct silt_error *err)
{
    struct series_loader *loader = index->loader;
    bool full = loader->batches[loader->filled % BATCHES].count == BATCH_ITEMS;
    if (full && !loader->has_helper)
        loader->has_helper = pthread_create(&loader->helper, NULL, run_helper, index) == 0;
    pthread_mutex_lock(&loader->lock);
    loader->filled++;
    pthread_cond_broadcast(&loader->changed);
    while (loader->filled - loader->built > (wait ? 0 : BATCHES - 1)) {
        if (loader->has_helper)
            pthread_cond_wait(&loader->changed, &loader->lock);
        else
            build_next(index);
    }
    size_t bytes = loader->built_bytes;
    enum silt_status rc = loader->status;
    if (rc != SILT_OK && err)
        *err = loader->error;
    pthread_mutex_unlock(&loader->lock);
    return rc == SILT_OK ? index_settle_at(index, bytes + index->hash.bytes, err) : rc;
}

void series_index_load_begin(struct series_index *index, size_t expected)
{
    struct series_loader *loader = silt_calloc(1, sizeof(*loader));
    silt_assert(!index->loader);
    series_hash_reserve(&index->hash, expected);
    for (unsigned i = 0; i < BATCHES; i++)
        loader->batches[i].keys = silt_arena_create(NULL);
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->changed, NULL);
    index->loader = loader;
}

enum silt_status series_index_load(struct series_index *index, silt_series_id id, struct silt_str key,
                                   struct silt_error *err)
{
    struct series_loader *loader = index->loader;
    struct load_batch *batch = &loader->batches[loader->filled % BATCHES];
    struct load_item *item = &batch->items[batch->count];
    enum silt_status rc;
    if (id <= index->last_id || id > SERIES_INDEX_ID_MAX)
        return silt_fail(err, SILT_CORRUPT, "series %u: id is not above the one before, %u", id, index->last_id);
    struct series_text text = {series_hash_verify(&index->hash, key), silt_hash(key.p, key.len), id};
    series_hash_prefetch(&index->hash, text.verify);
    key = silt_arena_str(batch->keys, key);
    item->id = id;
    item->tag_first = (uint32_t)batch->tag_count;
    if (!split_plain(batch, key, &item->measurement)) {
        batch->tag_count = item->tag_first;
        if ((rc = split_any(batch, id, key, &item->measurement, err)) != SILT_OK)
            return rc;
    }
    item->tag_count = (uint32_t)(batch->tag_count - item->tag_first);
    index->last_id = id;
    loader->texts[loader->text_count++] = text;
    if (loader->text_count == TEXTS_AHEAD)
        insert_texts(index);
    return ++batch->count == BATCH_ITEMS ? hand_over(index, false, err) : SILT_OK;
}

enum silt_status series_index_load_wait(struct series_index *index, struct silt_error *err)
{
    struct series_loader *loader = index->loader;
    insert_texts(index);
    enum silt_status rc = hand_over(index, true, err);
    if (loader->has_helper) { /* there may be very many databases */
        pthread_mutex_lock(&loader->lock);
        loader->ending = true;
        pthread_cond_broadcast(&loader->changed);
        pthread_mutex_unlock(&loader->lock);
        pthread_join(loader->helper, NULL);
        loader->ending = loader->has_helper = false;
    }
    return rc;
}

enum silt_status series_index_load_end(struct series_index *index, silt_series_id last_id, struct silt_error *err)
{
    struct series_loader *loader = index->loader;
    enum silt_status rc = series_index_load_wait(index, err);
    for (unsigned i = 0; i < BATCHES; i++) {
        free(loader->batches[i].tags);
        silt_arena_destroy(loader->batches[i].keys);
    }
    pthread_mutex_destroy(&loader->lock);
    pthread_cond_destroy(&loader->changed);
    free(loader);
    index->loader = NULL;
    if (last_id > index->last_id)
        index->last_id = last_id;
    return rc;
}
