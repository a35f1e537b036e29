/*
 * lonely.c - series that have no points left, after a delete or a drop: found without keeping anybody from writing.
 *
 *     candidates -> newest shard, ..., oldest shard: each keeps those it has -> the rest, a slice at a time:
 *                                                   meta_lock -> what came since -> log and index
 *
 * The search looks at pinned versions and holds no lock; most candidates are in the newest shards, so it seldom goes
 * far. What is left is looked at again, in slices, with nobody writing: only shards that changed since need that. A
 * slice is one record in the log, and writers go on between two.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdlib.h>

#define SLICE_SERIES 2048u  /* leave the index in one hold of meta_lock */
#define FEW_PER_SERIES 8u   /* one look-up of a series costs as much as so many in a list */
#define REMOVE_WEIGHT 64u   /* bytes of a batch of the index thread that taking one series out counts as */

/* ---------------------------------------------------------------- what a version has */

/* Whether to go through all that are stored instead of looking each of them up. */
static bool is_many(const roaring_bitmap_t *series, uint64_t stored)
{
    return roaring_bitmap_get_cardinality(series) * FEW_PER_SERIES > stored;
}

static void add_series_of(const struct memtable *mt, roaring_bitmap_t *out)
{
    for (silt_series_id id = memtable_next_series(mt, 0); id != 0; id = memtable_next_series(mt, id))
        roaring_bitmap_add(out, id);
}

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
        add_series_of(version->generations[i]->mt, out);
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

/* What spans tell, without a merge: a row stands at each end of a row group, and none outside of it. */
struct glance {
    const struct version *version;
    const roaring_bitmap_t *wanted;
    uint64_t seq;
    struct tombstone_span *room;
    roaring_bitmap_t *visible, *unsure;
};

static void glance_at(void *arg, silt_series_id series, silt_time min, silt_time max)
{
    struct glance *g = arg;
    struct tombstone *const *tombstones = g->version->tombstones;
    size_t count = g->version->tombstone_count;
    if (!roaring_bitmap_contains(g->wanted, series))
        return;
    if (tombstone_visible(tombstones, count, g->seq, series, min, min, g->room, count + 1) > 0 ||
        tombstone_visible(tombstones, count, g->seq, series, max, max, g->room, count + 1) > 0)
        roaring_bitmap_add(g->visible, series);
    else if (tombstone_visible(tombstones, count, g->seq, series, min, max, g->room, count + 1) > 0)
        roaring_bitmap_add(g->unsure, series);
}

/* Of `here` those that rows are to be seen of. */
static enum silt_status keep_visible(struct silt_storage *storage, struct database *database, const struct version *version,
                                     roaring_bitmap_t *here, struct silt_error *err)
{
    struct glance g = {.version = version, .wanted = here, .visible = roaring_bitmap_create(), .unsure = roaring_bitmap_create()};
    silt_assert(g.visible && g.unsure);
    g.room = silt_malloc((version->tombstone_count + 1) * sizeof(*g.room));
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < version->file_count && rc == SILT_OK; i++) {
        g.seq = version->files[i]->facts.seq;
        if (is_many(here, tsm_summary(version->files[i]->tsm)->series))
            rc = tsm_each_span(version->files[i]->tsm, glance_at, &g, err);
        else
            roaring_bitmap_or_inplace(g.unsure, here);
    }
    for (size_t i = 0; i < version->generation_count; i++)
        add_series_of(version->generations[i]->mt, g.unsure);
    roaring_bitmap_and_inplace(g.unsure, here);
    roaring_bitmap_andnot_inplace(g.unsure, g.visible);
    struct merge *merge = merge_create(NULL, NULL);
    roaring_uint32_iterator_t *it = roaring_create_iterator(g.unsure);
    for (; rc == SILT_OK && it->has_value; roaring_advance_uint32_iterator(it)) {
        bool visible = false;
        rc = is_visible(storage, database, merge, version, it->current_value, &visible, err);
        if (visible)
            roaring_bitmap_add(g.visible, it->current_value);
    }
    roaring_free_uint32_iterator(it);
    merge_destroy(merge);
    roaring_bitmap_and_inplace(here, g.visible);
    roaring_bitmap_free(g.visible);
    roaring_bitmap_free(g.unsure);
    free(g.room);
    return rc;
}

/* As version_series, of the candidates alone; by look-ups when they are few. */
static enum silt_status version_candidates(const struct version *version, const roaring_bitmap_t *candidates,
                                           roaring_bitmap_t *out, struct silt_error *err)
{
    uint64_t stored = 0;
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < version->file_count; i++)
        stored += tsm_summary(version->files[i]->tsm)->series;
    for (size_t i = 0; i < version->generation_count; i++) {
        struct memtable_stats stats;
        memtable_stats(version->generations[i]->mt, &stats);
        stored += stats.series;
    }
    if (stored == 0)
        return SILT_OK;
    if (is_many(candidates, stored)) {
        rc = version_series(version, out, err);
        roaring_bitmap_and_inplace(out, candidates);
        return rc;
    }
    roaring_uint32_iterator_t *it = roaring_create_iterator(candidates);
    for (; rc == SILT_OK && it->has_value; roaring_advance_uint32_iterator(it)) {
        bool has;
        rc = version_has_series(version, it->current_value, &has, err);
        if (rc == SILT_OK && has)
            roaring_bitmap_add(out, it->current_value);
    }
    roaring_free_uint32_iterator(it);
    return rc;
}

/* ---------------------------------------------------------------- the search */

struct looked_at { /* what the search without locks has seen of a shard */
    struct shard *shard;
    struct version *version;
    uint64_t rows;     /* of the active generation */
    uint64_t boundary; /* files up to this age were files or old generations then */
};

struct search {
    struct looked_at *seen;
    size_t count;
    uint64_t newest_shard; /* shards with greater ids were made later */
};

static uint64_t active_rows(const struct version *version)
{
    return memtable_rows(version->generations[version->generation_count - 1]->mt);
}

/* The database's shards as they are, the newest of each policy first. */
static void begin_search(struct silt_storage *storage, const struct database *database, struct search *search)
{
    size_t room = 0;
    *search = (struct search){0};
    pthread_rwlock_rdlock(&storage->meta_lock);
    if (storage->shard_count > 0)
        search->newest_shard = storage->shards[storage->shard_count - 1]->id;
    for (size_t p = 0; p < database->policy_count; p++)
        room += database->policies[p]->shard_count;
    search->seen = silt_calloc(room + 1, sizeof(*search->seen));
    for (size_t p = 0; p < database->policy_count; p++)
        for (size_t s = database->policies[p]->shard_count; s-- > 0;)
            search->seen[search->count++].shard = shard_acquire(database->policies[p]->shards[s]);
    pthread_rwlock_unlock(&storage->meta_lock);
    for (size_t i = 0; i < search->count; i++) {
        struct looked_at *at = &search->seen[i];
        at->version = shard_pin(at->shard);
        at->rows = active_rows(at->version);
        for (size_t f = 0; f < at->version->file_count; f++)
            if (at->version->files[f]->facts.seq > at->boundary)
                at->boundary = at->version->files[f]->facts.seq;
        for (size_t g = 0; g + 1 < at->version->generation_count; g++)
            if (at->version->generations[g]->boundary > at->boundary)
                at->boundary = at->version->generations[g]->boundary;
    }
}

static void end_search(struct search *search)
{
    for (size_t i = 0; i < search->count; i++) {
        version_release(search->seen[i].version);
        shard_release(search->seen[i].shard);
    }
    free(search->seen);
}

static enum silt_status look_at(struct silt_storage *storage, struct database *database, const struct version *version,
                                roaring_bitmap_t *candidates, struct silt_error *err)
{
    roaring_bitmap_t *here = roaring_bitmap_create();
    silt_assert(here);
    enum silt_status rc = version_candidates(version, candidates, here, err);
    if (rc == SILT_OK && version->tombstone_count > 0)
        rc = keep_visible(storage, database, version, here, err);
    if (rc == SILT_OK)
        roaring_bitmap_andnot_inplace(candidates, here);
    roaring_bitmap_free(here);
    return rc;
}

/* ---------------------------------------------------------------- the rest, with meta_lock's write side */

/* Those that got points since then, in what is younger than `boundary`, stay. */
static void keep_new(const struct version *now, uint64_t boundary, roaring_bitmap_t *candidates)
{
    roaring_bitmap_t *back = roaring_bitmap_create();
    silt_assert(back);
    roaring_uint32_iterator_t *it = roaring_create_iterator(candidates);
    for (; it->has_value; roaring_advance_uint32_iterator(it)) {
        bool has = false;
        for (size_t i = 0; i < now->generation_count && !has; i++)
            if (i + 1 == now->generation_count || now->generations[i]->boundary > boundary)
                has = memtable_has_series(now->generations[i]->mt, it->current_value);
        for (size_t i = 0; i < now->file_count && !has; i++) {
            struct silt_error err;
            if (now->files[i]->facts.seq > boundary
                && tsm_has_series(now->files[i]->tsm, it->current_value, &has, &err) != SILT_OK)
                has = true; /* a series too many is the lesser harm */
        }
        if (has)
            roaring_bitmap_add(back, it->current_value);
    }
    roaring_free_uint32_iterator(it);
    roaring_bitmap_andnot_inplace(candidates, back);
    roaring_bitmap_free(back);
}

static void look_again(struct silt_storage *storage, const struct database *database, const struct search *search,
                       roaring_bitmap_t *candidates)
{
    for (size_t i = 0; i < search->count; i++) {
        const struct looked_at *at = &search->seen[i];
        if (atomic_load(&at->shard->dropped))
            continue;
        struct version *now = shard_pin(at->shard);
        if (now != at->version || active_rows(now) != at->rows)
            keep_new(now, at->boundary, candidates);
        version_release(now);
    }
    for (size_t i = storage->shard_count; i-- > 0 && storage->shards[i]->id > search->newest_shard;) {
        if (storage->shards[i]->database_id != database->id)
            continue;
        struct version *now = shard_pin(storage->shards[i]);
        keep_new(now, 0, candidates);
        version_release(now);
    }
}

static enum silt_status remove_slice(struct silt_storage *storage, struct database *database, const struct search *search,
                                     roaring_bitmap_t *slice, struct silt_error *err)
{
    struct record_delete what = {database->id, RECORD_REMOVE, 0, 0, SILT_STR(""), slice};
    struct log_item *item = NULL;
    enum silt_status rc = wal_check(storage->wal, err);
    if (rc != SILT_OK)
        return rc;
    pthread_rwlock_wrlock(&storage->meta_lock);
    if (!atomic_load(&database->dropped))
        look_again(storage, database, search, slice);
    else
        roaring_bitmap_clear(slice);
    if (!roaring_bitmap_is_empty(slice)) {
        item = log_item_create(storage, RECORD_DELETE);
        item->for_index = true;
        item->index_weight = roaring_bitmap_get_cardinality(slice) * REMOVE_WEIGHT;
        record_put_delete(&item->payload, &what);
        wal_lock(storage->wal);
        uint64_t seq = log_item_enqueue_locked(item);
        wal_unlock(storage->wal);
        delete_apply(storage, database, &what, seq + 1, false);
    }
    pthread_rwlock_unlock(&storage->meta_lock);
    if (item) {
        rc = log_item_wait(item, err);
        log_item_release(item);
    }
    return rc;
}

enum silt_status remove_lonely_series(struct silt_storage *storage, struct database *database,
                                      roaring_bitmap_t *candidates, struct silt_error *err)
{
    struct search search;
    enum silt_status rc = SILT_OK;
    begin_search(storage, database, &search);
    for (size_t i = 0; i < search.count && rc == SILT_OK && !roaring_bitmap_is_empty(candidates); i++) {
        if (atomic_load(&storage->upkeep_stop))
            rc = silt_fail(err, SILT_CANCELLED, "the server stops");
        else
            rc = look_at(storage, database, search.seen[i].version, candidates, err);
    }
    size_t count = roaring_bitmap_get_cardinality(candidates);
    uint32_t *ids = silt_malloc((count + 1) * sizeof(*ids));
    roaring_bitmap_to_uint32_array(candidates, ids);
    for (size_t at = 0; at < count && rc == SILT_OK; at += SLICE_SERIES) {
        roaring_bitmap_t *slice = roaring_bitmap_of_ptr(count - at < SLICE_SERIES ? count - at : SLICE_SERIES, ids + at);
        silt_assert(slice);
        if (atomic_load(&storage->upkeep_stop))
            rc = silt_fail(err, SILT_CANCELLED, "the server stops");
        else
            rc = remove_slice(storage, database, &search, slice, err);
        roaring_bitmap_free(slice);
    }
    free(ids);
    end_search(&search);
    return rc;
}
