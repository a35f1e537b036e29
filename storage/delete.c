/*
 * delete.c - DELETE, DROP SERIES, DROP MEASUREMENT.
 *
 * Which series are meant is decided first; the record in the log holds their ids, so that a replay needs no filter. Then,
 * under the write side of meta_lock, the record gets its number, the shards concerned rotate and get their tombstone. A
 * delete so costs one durable record, whatever it deletes; compaction removes the points later, and cleanup.c the series
 * that a delete over a range leaves without points.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- in memory */

static bool holds_anything(struct shard *shard)
{
    struct version *version = shard_pin(shard);
    bool holds = version->file_count > 0 || version->generation_count > 1;
    version_release(version);
    return holds || shard_oldest_seq(shard) != 0;
}

void delete_apply(struct silt_storage *storage, struct database *database, const struct record_delete *what,
                  uint64_t boundary, bool replay)
{
    for (size_t p = 0; p < database->policy_count; p++) {
        for (size_t s = 0; s < database->policies[p]->shard_count; s++) {
            struct shard *shard = database->policies[p]->shards[s];
            if (what->flags & RECORD_FREE_TYPES) {
                uint32_t measurement = series_index_measurement(database->index, what->measurement);
                if (measurement)
                    field_types_drop(shard->types, measurement);
            }
            if (!(what->flags & RECORD_HIDE) || shard->end <= what->min || shard->start > what->max || !holds_anything(shard))
                continue;
            if (replay && boundary <= shard->manifest.flushed_seq)
                continue;
            struct tombstone *tombstone = tombstone_create(boundary, what->min, what->max, roaring_bitmap_copy(what->series));
            shard_rotate(shard, boundary - 1, boundary, tombstone);
            tombstone_release(tombstone);
        }
    }
    if (what->flags & RECORD_REMOVE) {
        size_t count = roaring_bitmap_get_cardinality(what->series);
        uint32_t *ids = silt_malloc((count + 1) * sizeof(*ids));
        roaring_bitmap_to_uint32_array(what->series, ids);
        series_index_remove(database->index, ids, count);
        free(ids);
    }
    (void)storage;
}

/* Log and publish; change_lock is held. Returns when it is durable. */
static enum silt_status carry_out(struct silt_storage *storage, struct database *database,
                                  const struct record_delete *what, struct silt_error *err)
{
    struct log_item *item = log_item_create(storage, RECORD_DELETE);
    item->for_index = (what->flags & (RECORD_REMOVE | RECORD_FREE_TYPES | RECORD_SUSPECT)) != 0;
    record_put_delete(&item->payload, what);
    pthread_rwlock_wrlock(&storage->meta_lock);
    wal_lock(storage->wal);
    uint64_t seq = log_item_enqueue_locked(item);
    wal_unlock(storage->wal);
    delete_apply(storage, database, what, seq + 1, false);
    pthread_rwlock_unlock(&storage->meta_lock);
    enum silt_status rc = log_item_wait(item, err);
    log_item_release(item);
    if (rc == SILT_OK && (what->flags & RECORD_SUSPECT))
        cleanup_series(storage, database, what->series, seq);
    upkeep_kick(storage, UPKEEP_FLUSH);
    return rc;
}

/* ---------------------------------------------------------------- the calls */

static enum silt_status select_series(struct database *database, const struct silt_series_choice *choice,
                                      struct silt_arena *arena, roaring_bitmap_t *out, struct silt_error *err)
{
    struct silt_str *names;
    uint32_t *ids, only = 0;
    size_t count = 1;
    enum silt_status rc = SILT_OK;
    if (choice->measurement.len > 0) {
        only = series_index_measurement(database->index, choice->measurement);
        ids = &only;
        count = only ? 1 : 0;
    } else {
        rc = series_index_measurements(database->index, arena, &names, &ids, &count, err);
    }
    for (size_t i = 0; i < count && rc == SILT_OK; i++)
        series_index_add_to(database->index, ids[i], choice->filter, out);
    return rc;
}

static enum silt_status select_all(struct database *database, const struct silt_series_choice *choices, size_t count,
                                   roaring_bitmap_t *out, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        rc = select_series(database, &choices[i], arena, out, err);
        silt_arena_reset(arena);
    }
    silt_arena_destroy(arena);
    return rc;
}

enum silt_status database_series(struct database *database, roaring_bitmap_t *out, struct silt_error *err)
{
    const struct silt_series_choice all = {SILT_STR(""), NULL};
    return select_all(database, &all, 1, out, err);
}

/* measurement: of the types that go, if they do. */
static enum silt_status delete_series(struct silt_storage *storage, struct silt_str database_name,
                                      const struct silt_series_choice *choices, size_t choice_count,
                                      struct silt_str measurement, uint8_t flags, silt_time min, silt_time max,
                                      struct silt_error *err)
{
    pthread_mutex_lock(&storage->change_lock);
    struct database *database = find_database(storage, database_name);
    roaring_bitmap_t *series = roaring_bitmap_create();
    /* Even where nothing is left to delete: what is gone in memory may be there again after a restart of a log that
     * stands still. */
    enum silt_status rc = wal_check(storage->wal, err);
    if (rc == SILT_OK)
        rc = database ? select_all(database, choices, choice_count, series, err) : database_not_found(database_name, err);
    bool all_time = min <= SILT_TIME_MIN && max >= SILT_TIME_MAX;
    flags |= all_time ? RECORD_REMOVE : RECORD_SUSPECT;
    bool something = rc == SILT_OK && (!roaring_bitmap_is_empty(series) || (flags & RECORD_FREE_TYPES));
    if (something) {
        struct record_delete what = {database->id, flags, all_time ? INT64_MIN : min, all_time ? INT64_MAX : max,
                                     measurement, series};
        rc = carry_out(storage, database, &what, err);
    }
    pthread_mutex_unlock(&storage->change_lock);
    struct silt_watcher *watcher = storage->watcher;
    if (something && rc == SILT_OK && watcher && min < atomic_fetch_add_explicit(&watcher->before, 0, memory_order_acq_rel))
        for (size_t i = 0; i < choice_count; i++)
            watcher->deleted(watcher, database_name, choices[i].measurement, min, max);
    roaring_bitmap_free(series);
    return rc;
}

enum silt_status silt_storage_delete(struct silt_storage *storage, struct silt_str database,
                                     const struct silt_series_choice *choices, size_t count, silt_time min, silt_time max,
                                     struct silt_error *err)
{
    if (min > max)
        return SILT_OK;
    return delete_series(storage, database, choices, count, SILT_STR(""), RECORD_HIDE, min, max, err);
}

enum silt_status silt_storage_drop_series(struct silt_storage *storage, struct silt_str database,
                                          const struct silt_series_choice *choices, size_t count, struct silt_error *err)
{
    return delete_series(storage, database, choices, count, SILT_STR(""), RECORD_HIDE, INT64_MIN, INT64_MAX, err);
}

enum silt_status silt_storage_drop_measurement(struct silt_storage *storage, struct silt_str database,
                                               struct silt_str measurement, struct silt_error *err)
{
    if (measurement.len == 0)
        return SILT_OK;
    const struct silt_series_choice choice = {measurement, NULL};
    return delete_series(storage, database, &choice, 1, measurement, RECORD_HIDE | RECORD_FREE_TYPES, INT64_MIN, INT64_MAX,
                         err);
}
