/*
 * index_thread.c - what the log's records define, put into SQLite in batches, behind the writers.
 *
 * The queue holds the records themselves, in the order of their numbers. A record is applied once it is durable in the
 * log, never before: SQLite must not know what a crash makes unknown. With each batch goes the number below which all is
 * applied, so that a replay knows where to go on. Applying twice does no harm.
 *
 * The thread also puts new series into the index's postings, a slice between batches, so that a filter finds them there, and takes back
 * the memory of removed ones.
 *
 * When SQLite fails, the queue stays and the log keeps its segments; it is tried again.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <time.h>
#include <unistd.h>

#define BATCH_BYTES ((size_t)4 << 20)
#define POST_SLICE 2048u   /* series put into postings at a time: less than a millisecond */
#define RECLAIM_SLICE 512u
#define POST_SLICES 16u    /* then it is the queue's turn */
#define POST_PAUSE_US 200u /* between two, so that writers who wait for the index get it */

static bool is_ready(const struct log_item *item)
{
    return item && item->settled && item->status == SILT_OK;
}

void index_push_locked(struct silt_storage *storage, struct log_item *item)
{
    struct index_thread *index = &storage->index;
    pthread_mutex_lock(&index->lock);
    item->next = NULL;
    if (index->last)
        index->last->next = item;
    else
        index->first = item;
    index->last = item;
    index->bytes += item->payload.len;
    pthread_cond_broadcast(&index->cond);
    pthread_mutex_unlock(&index->lock);
}

uint64_t index_oldest_seq(struct silt_storage *storage)
{
    struct index_thread *index = &storage->index;
    pthread_mutex_lock(&index->lock);
    uint64_t seq = index->first ? index->first->seq : 0;
    pthread_mutex_unlock(&index->lock);
    return seq;
}

/* ---------------------------------------------------------------- applying */

void index_map_measurement(struct database *database, uint32_t measurement, uint32_t stored_id)
{
    if (measurement >= database->measurement_count) {
        size_t count = measurement * 2 + 16;
        database->measurements = silt_realloc(database->measurements, count * sizeof(*database->measurements));
        memset(database->measurements + database->measurement_count, 0,
               (count - database->measurement_count) * sizeof(*database->measurements));
        database->measurement_count = count;
    }
    database->measurements[measurement] = (struct measurement_map){stored_id, true, 0};
    if (stored_id > database->measurement_last)
        database->measurement_last = stored_id;
}

struct apply {
    struct silt_storage *storage;
    struct database *database;
    struct silt_arena *arena;    /* of the record */
    struct silt_str measurement; /* of the record's last series, as its key has it: it is known to be put */
};

/* SQLite's number of a measurement, put there when it is new. */
static enum silt_status stored_measurement(struct apply *apply, struct silt_str name, uint32_t *stored_id,
                                           struct silt_error *err)
{
    struct database *database = apply->database;
    uint32_t measurement = series_index_measurement_make(database->index, name);
    if (measurement == 0)
        return silt_fail(err, SILT_LIMIT, "memory of the series index is used up");
    if (measurement >= database->measurement_count || database->measurements[measurement].stored_id == 0) {
        index_map_measurement(database, measurement, database->measurement_last + 1);
        database->measurements[measurement].stored = false;
    }
    struct measurement_map *map = &database->measurements[measurement];
    *stored_id = map->stored_id;
    /* Until a batch with it was committed it goes into each. */
    if (map->stored || map->batch == apply->storage->index.batch)
        return SILT_OK;
    map->batch = apply->storage->index.batch;
    return catalog_put_measurement(apply->storage->catalog, database->id, map->stored_id, name, err);
}

static enum silt_status apply_series(struct apply *apply, const struct record_definition *definition, struct silt_error *err)
{
    struct silt_str escaped = silt_series_key_measurement(definition->text);
    enum silt_status rc = SILT_OK;
    if (!silt_str_equal(escaped, apply->measurement)) {
        uint32_t measurement;
        rc = stored_measurement(apply, silt_series_key_unescape(escaped, apply->arena), &measurement, err);
        apply->measurement = escaped;
    }
    return rc == SILT_OK ? catalog_put_series(apply->storage->catalog, apply->database->id, definition->series, definition->text, err)
                         : rc;
}

static enum silt_status apply_definition(void *arg, uint32_t database_id, const struct record_definition *definition,
                                         struct silt_error *err)
{
    struct apply *apply = arg;
    struct catalog *catalog = apply->storage->catalog;
    uint32_t measurement = 0;
    (void)database_id;
    if (definition->what == 'S')
        return apply_series(apply, definition, err);
    enum silt_status rc = stored_measurement(apply, definition->measurement, &measurement, err);
    if (rc != SILT_OK)
        return rc;
    if (definition->what == 'F')
        return catalog_put_field(catalog, apply->database->id, measurement, definition->field_id, definition->text, err);
    return catalog_put_type(catalog, definition->shard, measurement, definition->field_id, definition->type, err);
}

static enum silt_status apply_delete(struct apply *apply, const struct record_delete *what, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    if (what->flags & RECORD_REMOVE)
        rc = catalog_drop_series(apply->storage->catalog, apply->database->id, what->series, err);
    uint32_t measurement = 0;
    if (rc == SILT_OK && (what->flags & RECORD_FREE_TYPES)
        && (rc = stored_measurement(apply, what->measurement, &measurement, err)) == SILT_OK)
        rc = catalog_drop_types(apply->storage->catalog, apply->database->id, measurement, err);
    if (rc == SILT_OK && (what->flags & RECORD_SUSPECT))
        rc = catalog_put_lonely(apply->storage->catalog, err);
    return rc;
}

static enum silt_status apply_item(struct silt_storage *storage, const struct log_item *item, struct silt_error *err)
{
    const char *bytes = item->payload.p;
    size_t len = item->payload.len;
    struct apply apply = {.storage = storage};
    uint32_t id;
    if (len < 5)
        return SILT_OK;
    memcpy(&id, bytes + 1, sizeof(id));
    pthread_rwlock_rdlock(&storage->meta_lock);
    struct database *database = find_database_id(storage, id);
    if (database)
        apply.database = database_acquire(database);
    pthread_rwlock_unlock(&storage->meta_lock);
    if (!database) /* dropped meanwhile */
        return SILT_OK;
    enum silt_status rc;
    if (record_kind(bytes, len) == RECORD_DEFINE) {
        apply.arena = silt_arena_create(NULL);
        rc = record_each_definition(bytes, len, apply_definition, &apply, err);
        silt_arena_destroy(apply.arena);
    } else {
        struct record_delete what;
        rc = record_get_delete(bytes, len, &what, err);
        if (rc == SILT_OK) {
            rc = apply_delete(&apply, &what, err);
            roaring_bitmap_free(what.series);
        }
    }
    database_release(apply.database);
    return rc;
}

/* The measurements of this batch are in SQLite now. */
static void mark_stored(struct silt_storage *storage)
{
    pthread_rwlock_rdlock(&storage->meta_lock);
    for (size_t d = 0; d < storage->database_count; d++) {
        struct database *database = storage->databases[d];
        for (size_t m = 0; m < database->measurement_count; m++)
            if (database->measurements[m].batch == storage->index.batch)
                database->measurements[m].stored = true;
    }
    pthread_rwlock_unlock(&storage->meta_lock);
}

/* All durable items from the head, up to the batch's size. With index.lock held; gives it up in between. */
static enum silt_status apply_batch(struct silt_storage *storage, bool *did, struct silt_error *err)
{
    struct index_thread *index = &storage->index;
    size_t count = 0, bytes = 0;
    uint64_t last = 0;
    *did = false;
    for (struct log_item *item = index->first; is_ready(item) && bytes < BATCH_BYTES; item = item->next) {
        count++;
        bytes += item->payload.len + item->index_weight;
        last = item->seq;
    }
    if (count == 0)
        return SILT_OK;
    struct log_item *item = index->first;
    index->working = true;
    pthread_mutex_unlock(&index->lock);
    index->batch++;
    enum silt_status rc = catalog_begin(storage->catalog, err);
    if (rc == SILT_OK) {
        for (size_t i = 0; i < count && rc == SILT_OK; i++) {
            rc = apply_item(storage, item, err);
            if (i + 1 < count) /* the last one's successor may be coming just now */
                item = item->next;
        }
        if (rc == SILT_OK)
            rc = catalog_set_applied_seq(storage->catalog, last + 1, err);
        if (rc == SILT_OK)
            rc = catalog_commit(storage->catalog, err);
        else
            catalog_rollback(storage->catalog);
    }
    if (rc == SILT_OK)
        mark_stored(storage);
    pthread_mutex_lock(&index->lock);
    index->working = false;
    if (rc == SILT_OK) {
        *did = true;
        for (size_t i = 0; i < count; i++) {
            struct log_item *head = index->first;
            index->first = head->next;
            if (!index->first)
                index->last = NULL;
            index->bytes -= head->payload.len;
            log_item_release(head);
        }
    }
    pthread_cond_broadcast(&index->cond);
    return rc;
}

/* ---------------------------------------------------------------- the thread */

static void wait_a_second(struct index_thread *index)
{
    struct timespec until = silt_clock_in(1000000000);
    pthread_cond_timedwait(&index->cond, &index->lock, &until);
}

/* Some slices of each database's series into its postings, or of removed ones out of memory; returns whether there is more. With index.lock; gives it up. */
static bool post_some(struct silt_storage *storage)
{
    bool more = false;
    pthread_mutex_unlock(&storage->index.lock);
    struct database *database;
    for (size_t i = 0; (database = nth_database(storage, i)); i++) {
        bool left = true;
        for (unsigned slice = 0; left && slice < POST_SLICES; slice++) {
            if (slice > 0)
                usleep(POST_PAUSE_US);
            left = series_index_post(database->index, POST_SLICE) || series_index_reclaim(database->index, RECLAIM_SLICE);
        }
        more = more || left;
        database_release(database);
    }
    pthread_mutex_lock(&storage->index.lock);
    return more;
}

static void *run(void *arg)
{
    struct silt_storage *storage = arg;
    struct index_thread *index = &storage->index;
    pthread_mutex_lock(&index->lock);
    for (;;) {
        bool did = false;
        struct silt_error err;
        enum silt_status rc = apply_batch(storage, &did, &err);
        if (rc != SILT_OK) {
            if (!index->failed)
                silt_log(SILT_LOG_ERROR, "definitions cannot be stored; the log keeps them", "error=\"%s\"", err.text);
            index->failed = true;
            if (index->stop)
                break;
            wait_a_second(index);
            continue;
        }
        index->failed = false;
        if (index->stop && !did)
            break;
        bool more = post_some(storage);
        if (!did && !more && !index->stop && !is_ready(index->first))
            pthread_cond_wait(&index->cond, &index->lock);
    }
    pthread_mutex_unlock(&index->lock);
    return NULL;
}

enum silt_status index_start(struct silt_storage *storage, struct silt_error *err)
{
    if (storage->options.background_off)
        return SILT_OK;
    int rc = pthread_create(&storage->index.thread, NULL, run, storage);
    if (rc != 0)
        return silt_fail_errno(err, rc, "index thread");
    storage->index.running = true;
    return SILT_OK;
}

enum silt_status index_apply_through(struct silt_storage *storage, uint64_t seq, struct silt_error *err)
{
    struct index_thread *index = &storage->index;
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&index->lock);
    if (!index->running) {
        bool did = true;
        while (rc == SILT_OK && did && index->first && index->first->seq <= seq)
            rc = apply_batch(storage, &did, err);
    } else {
        while (is_ready(index->first) && index->first->seq <= seq && !index->failed)
            pthread_cond_wait(&index->cond, &index->lock);
        if (index->failed)
            rc = silt_fail(err, SILT_IO, "definitions cannot be stored");
    }
    pthread_mutex_unlock(&index->lock);
    return rc;
}

enum silt_status index_drain(struct silt_storage *storage, struct silt_error *err)
{
    return index_apply_through(storage, UINT64_MAX, err);
}

void index_reclaim(struct silt_storage *storage)
{
    struct database *database;
    for (size_t i = 0; (database = nth_database(storage, i)); i++) {
        series_index_reclaim(database->index, UINT32_MAX);
        database_release(database);
    }
}

void index_stop(struct silt_storage *storage)
{
    struct index_thread *index = &storage->index;
    if (index->running) {
        pthread_mutex_lock(&index->lock);
        index->stop = true;
        pthread_cond_broadcast(&index->cond);
        pthread_mutex_unlock(&index->lock);
        pthread_join(index->thread, NULL);
        index->running = false;
    }
    struct log_item *item = index->first;
    while (item) {
        struct log_item *next = item->next;
        log_item_release(item);
        item = next;
    }
    index->first = index->last = NULL;
}
