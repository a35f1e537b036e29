/*
 * delete.c - DELETE, DROP SERIES, DROP MEASUREMENT.
 *
 * Which series are meant is decided first; the record in the log holds their ids, so that a replay needs no filter. Then,
 * under the write side of meta_lock, the record gets its number, the shards concerned rotate and get their tombstone. A
 * delete so costs one durable record, whatever it deletes; compaction removes the points later.
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
            shard_rotate(shard, boundary - 1, boundary);
            struct tombstone *tombstone = tombstone_create(boundary, what->min, what->max, roaring_bitmap_copy(what->series));
            shard_add_tombstone(shard, tombstone);
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
    enum silt_status rc = wal_check(storage->wal, err);
    if (rc != SILT_OK)
        return rc;
    struct log_item *item = log_item_create(storage, RECORD_DELETE);
    item->for_index = (what->flags & (RECORD_REMOVE | RECORD_FREE_TYPES)) != 0;
    record_put_delete(&item->payload, what);
    pthread_rwlock_wrlock(&storage->meta_lock);
    wal_lock(storage->wal);
    uint64_t seq = log_item_enqueue_locked(item);
    wal_unlock(storage->wal);
    delete_apply(storage, database, what, seq + 1, false);
    pthread_rwlock_unlock(&storage->meta_lock);
    rc = log_item_wait(item, err);
    log_item_release(item);
    upkeep_kick(storage, true, false);
    return rc;
}

/* ---------------------------------------------------------------- series without points */

enum silt_status version_series(const struct version *version, roaring_bitmap_t *out, struct silt_error *err)
{
    for (size_t i = 0; i < version->file_count; i++) {
        uint64_t count = tsm_summary(version->files[i]->tsm)->series;
        silt_series_id *ids = silt_malloc((count + 1) * sizeof(*ids));
        enum silt_status rc = tsm_series_ids(version->files[i]->tsm, ids, err);
        if (rc == SILT_OK)
            roaring_bitmap_add_many(out, count, ids);
        free(ids);
        if (rc != SILT_OK)
            return rc;
    }
    for (size_t i = 0; i < version->generation_count; i++)
        for (silt_series_id id = memtable_next_series(version->generations[i]->mt, 0); id != 0;
             id = memtable_next_series(version->generations[i]->mt, id))
            roaring_bitmap_add(out, id);
    return SILT_OK;
}

/* Whether a row of the series is to be seen in a version. */
static enum silt_status is_visible(struct silt_storage *storage, struct database *database, struct merge *merge,
                                   const struct version *version, silt_series_id series, bool *visible,
                                   struct silt_error *err)
{
    uint32_t measurement = series_index_measurement_of(database->index, series);
    uint32_t count = measurement ? field_dict_count(database->dict, measurement) : 0;
    struct field_ref *fields = silt_malloc((count + 1) * sizeof(*fields));
    struct merge_batch batch = {0};
    (void)storage;
    for (uint32_t i = 0; i < count; i++)
        fields[i] = (struct field_ref){i + 1, SILT_TYPE_NONE};
    enum silt_status rc = merge_start(merge, series, fields, count, INT64_MIN, INT64_MAX, false, err);
    for (size_t i = 0; i < version->file_count && rc == SILT_OK; i++) {
        struct merge_source source = {version->files[i]->tsm, NULL, version->files[i]->facts.seq};
        rc = merge_add(merge, &source, version->tombstones, version->tombstone_count, err);
    }
    for (size_t i = 0; i < version->generation_count && rc == SILT_OK; i++) {
        uint64_t seq = i + 1 < version->generation_count ? version->generations[i]->boundary : UINT64_MAX;
        struct merge_source source = {NULL, version->generations[i]->mt, seq};
        rc = merge_add(merge, &source, version->tombstones, version->tombstone_count, err);
    }
    if (rc == SILT_OK)
        rc = merge_next(merge, &batch, err);
    *visible = batch.count > 0;
    free(fields);
    return rc;
}

struct looked_at { /* what of a shard the search without locks has seen */
    struct shard *shard;
    struct version *version;
    uint64_t boundary; /* files up to this age were files or old generations then */
};

static enum silt_status look_at(struct silt_storage *storage, struct database *database, struct looked_at *at,
                                roaring_bitmap_t *candidates, struct silt_error *err)
{
    struct version *version = at->version;
    roaring_bitmap_t *here = roaring_bitmap_create();
    enum silt_status rc = version_series(version, here, err);
    if (rc == SILT_OK && version->tombstone_count > 0) {
        struct merge *merge = merge_create(NULL);
        roaring_bitmap_t *both = roaring_bitmap_and(here, candidates);
        roaring_uint32_iterator_t *it = roaring_create_iterator(both);
        for (; rc == SILT_OK && it->has_value; roaring_advance_uint32_iterator(it)) {
            bool visible = false;
            rc = is_visible(storage, database, merge, version, it->current_value, &visible, err);
            if (!visible)
                roaring_bitmap_remove(here, it->current_value);
        }
        roaring_free_uint32_iterator(it);
        roaring_bitmap_free(both);
        merge_destroy(merge);
    }
    if (rc == SILT_OK)
        roaring_bitmap_andnot_inplace(candidates, here);
    roaring_bitmap_free(here);
    return rc;
}

/* What came while nobody was kept from writing; with meta_lock's write side. */
static void look_again(const struct looked_at *at, roaring_bitmap_t *candidates)
{
    struct version *now = shard_pin(at->shard);
    roaring_bitmap_t *back = roaring_bitmap_create();
    roaring_uint32_iterator_t *it = roaring_create_iterator(candidates);
    for (; it->has_value; roaring_advance_uint32_iterator(it)) {
        bool has = false;
        for (size_t i = 0; i < now->generation_count && !has; i++)
            if (i + 1 == now->generation_count || now->generations[i]->boundary > at->boundary)
                has = memtable_has_series(now->generations[i]->mt, it->current_value);
        for (size_t i = 0; i < now->file_count && !has; i++) {
            struct silt_error err;
            if (now->files[i]->facts.seq > at->boundary
                && tsm_has_series(now->files[i]->tsm, it->current_value, &has, &err) != SILT_OK)
                has = true; /* a series too many is the lesser harm */
        }
        if (has)
            roaring_bitmap_add(back, it->current_value);
    }
    roaring_free_uint32_iterator(it);
    roaring_bitmap_andnot_inplace(candidates, back);
    roaring_bitmap_free(back);
    version_release(now);
}

enum silt_status remove_lonely_series(struct silt_storage *storage, struct database *database,
                                      roaring_bitmap_t *candidates, struct silt_error *err)
{
    struct looked_at *seen = NULL;
    size_t count = 0;
    enum silt_status rc = SILT_OK;
    for (size_t p = 0; p < database->policy_count; p++) {
        for (size_t s = 0; s < database->policies[p]->shard_count; s++) {
            seen = silt_realloc(seen, (count + 1) * sizeof(*seen));
            struct looked_at *at = &seen[count++];
            at->shard = database->policies[p]->shards[s];
            at->version = shard_pin(at->shard);
            at->boundary = 0;
            for (size_t i = 0; i < at->version->file_count; i++)
                if (at->version->files[i]->facts.seq > at->boundary)
                    at->boundary = at->version->files[i]->facts.seq;
            for (size_t i = 0; i + 1 < at->version->generation_count; i++)
                if (at->version->generations[i]->boundary > at->boundary)
                    at->boundary = at->version->generations[i]->boundary;
            if (rc == SILT_OK)
                rc = look_at(storage, database, at, candidates, err);
        }
    }
    struct record_delete what = {database->id, RECORD_REMOVE, 0, 0, SILT_STR(""), candidates};
    struct log_item *item = NULL;
    if (rc == SILT_OK && !roaring_bitmap_is_empty(candidates)) {
        pthread_rwlock_wrlock(&storage->meta_lock);
        for (size_t i = 0; i < count; i++)
            look_again(&seen[i], candidates);
        if (!roaring_bitmap_is_empty(candidates)) {
            item = log_item_create(storage, RECORD_DELETE);
            item->for_index = true;
            record_put_delete(&item->payload, &what);
            wal_lock(storage->wal);
            uint64_t seq = log_item_enqueue_locked(item);
            wal_unlock(storage->wal);
            delete_apply(storage, database, &what, seq + 1, false);
        }
        pthread_rwlock_unlock(&storage->meta_lock);
    }
    for (size_t i = 0; i < count; i++)
        version_release(seen[i].version);
    free(seen);
    if (item) {
        rc = log_item_wait(item, err);
        log_item_release(item);
    }
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
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        struct silt_series_set set;
        rc = series_index_select(database->index, ids[i], choice->filter, SERIES_BY_ID, arena, &set, err);
        if (rc == SILT_OK)
            roaring_bitmap_add_many(out, set.count, set.ids);
    }
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

/* measurement: of the types that go, if they do. */
static enum silt_status delete_series(struct silt_storage *storage, struct silt_str database_name,
                                      const struct silt_series_choice *choices, size_t choice_count,
                                      struct silt_str measurement, uint8_t flags, silt_time min, silt_time max,
                                      struct silt_error *err)
{
    pthread_mutex_lock(&storage->change_lock);
    struct database *database = find_database(storage, database_name);
    roaring_bitmap_t *series = roaring_bitmap_create();
    enum silt_status rc = database ? select_all(database, choices, choice_count, series, err)
                                   : database_not_found(database_name, err);
    bool all_time = min <= SILT_TIME_MIN && max >= SILT_TIME_MAX;
    if (rc == SILT_OK && all_time)
        flags |= RECORD_REMOVE;
    bool something = rc == SILT_OK && (!roaring_bitmap_is_empty(series) || (flags & RECORD_FREE_TYPES));
    if (something) {
        struct record_delete what = {database->id, flags, all_time ? INT64_MIN : min, all_time ? INT64_MAX : max,
                                     measurement, series};
        rc = carry_out(storage, database, &what, err);
        if (rc == SILT_OK && !all_time)
            rc = remove_lonely_series(storage, database, series, err);
    }
    roaring_bitmap_free(series);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

enum silt_status silt_storage_delete(struct silt_storage *storage, struct silt_str database, struct silt_str measurement,
                                     const struct silt_tag_filter *filter, silt_time min, silt_time max,
                                     struct silt_error *err)
{
    const struct silt_series_choice choice = {measurement, filter};
    return silt_storage_delete_from(storage, database, &choice, 1, min, max, err);
}

enum silt_status silt_storage_delete_from(struct silt_storage *storage, struct silt_str database,
                                          const struct silt_series_choice *choices, size_t count, silt_time min,
                                          silt_time max, struct silt_error *err)
{
    if (min > max)
        return SILT_OK;
    return delete_series(storage, database, choices, count, SILT_STR(""), RECORD_HIDE, min, max, err);
}

enum silt_status silt_storage_drop_series(struct silt_storage *storage, struct silt_str database,
                                          struct silt_str measurement, const struct silt_tag_filter *filter,
                                          struct silt_error *err)
{
    const struct silt_series_choice choice = {measurement, filter};
    return silt_storage_drop_series_from(storage, database, &choice, 1, err);
}

enum silt_status silt_storage_drop_series_from(struct silt_storage *storage, struct silt_str database,
                                               const struct silt_series_choice *choices, size_t count,
                                               struct silt_error *err)
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
