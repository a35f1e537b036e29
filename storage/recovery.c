/*
 * recovery.c - what a start finds: SQLite's facts, each shard's manifest, and what only the log knows.
 *
 *     SQLite    all definitions of records below applied_seq
 *     manifest  all rows of the shard in records below flushed_seq, all deletes below it
 *     log       the rest, in order: definitions to the index and once more to the index thread, rows to memtables
 *
 * Everything may be met twice and does no harm then. Series stay in loading mode while the log is replayed, so that they
 * keep the numbers that it gave them.
 *
 * SQLite's series, which take longest, are loaded by a thread of their own. Rows need none of them: they are replayed
 * meanwhile, up to the first record that defines a series or a measurement, or deletes.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define POST_SLICE 8192u
#define POST_NS_MOST 250000000u
#define AHEAD_ROWS 100000u /* from here on it is a long log, and memory for its rows is cleared by another thread */

struct loaded { /* of one database, while loading */
    uint32_t *measurements; /* stored number -> the index's */
    size_t measurement_count;
    silt_series_id last_series;
};

struct recovery {
    struct silt_storage *storage;
    struct loaded *loaded; /* as storage->databases */
    struct catalog_manifests manifests;
    uint64_t applied_seq;
    struct silt_arena *arena;
    uint64_t rows, records;
    uint64_t seq;
    pthread_t series_thread;
    bool series_loading; /* by that thread: nobody else makes series or measurements */
    enum silt_status series_status;
    struct silt_error series_error;
    uint64_t series_ns;
};

static size_t database_place(struct silt_storage *storage, uint32_t id)
{
    size_t i = 0;
    while (i < storage->database_count && storage->databases[i]->id != id)
        i++;
    return i;
}

/* ---------------------------------------------------------------- SQLite */

static enum silt_status load_database(void *arg, const struct catalog_database *row, struct silt_error *err)
{
    struct recovery *r = arg;
    (void)err;
    struct database *database = database_create(r->storage, row->id, row->name);
    free(database->default_policy);
    database->default_policy = silt_strdup(row->default_policy);
    add_database(r->storage, database);
    r->loaded = silt_realloc(r->loaded, r->storage->database_count * sizeof(*r->loaded));
    r->loaded[r->storage->database_count - 1] = (struct loaded){NULL, 0, row->last_series};
    return SILT_OK;
}

static enum silt_status load_policy(void *arg, const struct catalog_policy *row, struct silt_error *err)
{
    struct recovery *r = arg;
    struct database *database = find_database_id(r->storage, row->database_id);
    if (!database)
        return silt_fail(err, SILT_CORRUPT, "catalog: policy %u of no database", row->id);
    add_policy(database, row);
    return SILT_OK;
}

static enum silt_status load_shard(void *arg, const struct catalog_shard *row, struct silt_error *err)
{
    struct recovery *r = arg;
    struct silt_storage *storage = r->storage;
    struct database *database = find_database_id(storage, row->database_id);
    struct policy *policy = NULL;
    for (size_t i = 0; database && i < database->policy_count; i++)
        if (database->policies[i]->id == row->policy_id)
            policy = database->policies[i];
    if (!policy)
        return silt_fail(err, SILT_CORRUPT, "catalog: shard %" PRIu64 " of no policy", row->id);
    struct shard *shard;
    enum silt_status rc = shard_open(database, storage->vfs, storage->wal, &storage->memtable_budget, storage->pieces, storage->epoch,
                                     row->id, row->policy_id, row->start, row->end,
                                     catalog_manifest_of(&r->manifests, row->id), &shard, err);
    if (rc == SILT_OK)
        policy_add_shard(storage, policy, shard);
    return rc;
}

static enum silt_status load_series(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key,
                                    struct silt_error *err)
{
    struct recovery *r = arg;
    size_t place = database_place(r->storage, database_id);
    if (place == r->storage->database_count)
        return SILT_OK;
    if (id > r->loaded[place].last_series)
        r->loaded[place].last_series = id;
    return series_index_load(r->storage->databases[place]->index, id, key, err);
}

static enum silt_status load_measurement(void *arg, uint32_t database_id, uint32_t measurement, struct silt_str name,
                                         struct silt_error *err)
{
    struct recovery *r = arg;
    size_t place = database_place(r->storage, database_id);
    if (place == r->storage->database_count)
        return SILT_OK;
    struct loaded *loaded = &r->loaded[place];
    uint32_t here = series_index_measurement_make(r->storage->databases[place]->index, name);
    if (here == 0)
        return silt_fail(err, SILT_LIMIT, "memory of the series index is used up");
    if (measurement >= loaded->measurement_count) {
        size_t count = (size_t)measurement * 2 + 16;
        loaded->measurements = silt_realloc(loaded->measurements, count * sizeof(*loaded->measurements));
        memset(loaded->measurements + loaded->measurement_count, 0,
               (count - loaded->measurement_count) * sizeof(*loaded->measurements));
        loaded->measurement_count = count;
    }
    loaded->measurements[measurement] = here;
    index_map_measurement(r->storage->databases[place], here, measurement);
    return SILT_OK;
}

static uint32_t measurement_here(const struct loaded *loaded, uint32_t measurement)
{
    return measurement < loaded->measurement_count ? loaded->measurements[measurement] : 0;
}

static enum silt_status load_field(void *arg, uint32_t database_id, uint32_t measurement, uint32_t field_id,
                                   struct silt_str name, struct silt_error *err)
{
    struct recovery *r = arg;
    size_t place = database_place(r->storage, database_id);
    if (place == r->storage->database_count)
        return SILT_OK;
    uint32_t here = measurement_here(&r->loaded[place], measurement);
    if (here == 0)
        return silt_fail(err, SILT_CORRUPT, "catalog: field %u of no measurement", field_id);
    return field_dict_load(r->storage->databases[place]->dict, here, field_id, name, err);
}

static enum silt_status load_type(void *arg, uint64_t shard_id, uint32_t measurement, uint32_t field_id,
                                  enum silt_type type, struct silt_error *err)
{
    struct recovery *r = arg;
    struct shard *shard = find_shard(r->storage, shard_id);
    if (!shard) /* it was dropped while its definitions waited */
        return SILT_OK;
    uint32_t here = measurement_here(&r->loaded[database_place(r->storage, shard->database_id)], measurement);
    if (here == 0)
        return silt_fail(err, SILT_CORRUPT, "catalog: type of field %u of no measurement", field_id);
    return field_types_set(shard->types, here, field_id, type, err);
}

static enum silt_status load_catalog(struct recovery *r, struct silt_error *err)
{
    struct silt_storage *storage = r->storage;
    struct catalog *catalog = storage->catalog;
    enum silt_status rc = catalog_databases(catalog, load_database, r, err);
    if (rc == SILT_OK)
        rc = catalog_policies(catalog, load_policy, r, err);
    if (rc == SILT_OK)
        rc = definitions_load(storage, err);
    if (rc == SILT_OK)
        rc = users_load(storage, err);
    if (rc == SILT_OK)
        rc = catalog_load_manifests(catalog, &r->manifests, err);
    if (rc == SILT_OK)
        rc = catalog_shards(catalog, load_shard, r, err);
    catalog_free_manifests(&r->manifests);
    if (rc == SILT_OK)
        rc = folders_check(storage, err);
    if (rc == SILT_OK)
        rc = catalog_measurements(catalog, load_measurement, r, err);
    if (rc == SILT_OK)
        rc = catalog_fields(catalog, load_field, r, err);
    if (rc == SILT_OK)
        rc = catalog_types(catalog, load_type, r, err);
    r->applied_seq = catalog_applied_seq(catalog);
    for (size_t i = 0; i < storage->database_count; i++)
        series_index_load_begin(storage->databases[i]->index, r->loaded[i].last_series);
    return rc;
}

static void *load_all_series(void *arg)
{
    struct recovery *r = arg;
    struct silt_storage *storage = r->storage;
    uint64_t begun = silt_clock_monotonic_ns();
    r->series_status = SILT_OK;
    for (size_t i = 0; i < storage->database_count && r->series_status == SILT_OK; i++) {
        r->series_status = catalog_series(storage->catalog, storage->databases[i]->id, load_series, r, &r->series_error);
        if (r->series_status == SILT_OK)
            r->series_status = series_index_load_wait(storage->databases[i]->index, &r->series_error);
    }
    /* Beside the replay, for the first queries: millions a second. What is left is posted behind the start. */
    uint64_t loaded = silt_clock_monotonic_ns();
    for (size_t i = 0; i < storage->database_count && r->series_status == SILT_OK; i++)
        while (silt_clock_monotonic_ns() - loaded < POST_NS_MOST
               && series_index_post(storage->databases[i]->index, POST_SLICE))
            ;
    r->series_ns = silt_clock_monotonic_ns() - begun;
    return NULL;
}

static void begin_series(struct recovery *r)
{
    r->series_loading = pthread_create(&r->series_thread, NULL, load_all_series, r) == 0;
    if (!r->series_loading)
        load_all_series(r);
}

static enum silt_status end_series(struct recovery *r, struct silt_error *err)
{
    if (r->series_loading)
        pthread_join(r->series_thread, NULL);
    r->series_loading = false;
    if (r->series_status != SILT_OK && err)
        *err = r->series_error;
    return r->series_status;
}

/* ---------------------------------------------------------------- the log */

/* The index's number of a measurement, made when it is new. */
static enum silt_status replay_measurement(struct recovery *r, struct database *database, struct silt_str name,
                                           uint32_t *measurement, struct silt_error *err)
{
    *measurement = series_index_measurement(database->index, name);
    if (*measurement != 0)
        return SILT_OK;
    enum silt_status rc = end_series(r, err);
    if (rc == SILT_OK)
        rc = series_index_load_wait(database->index, err);
    if (rc != SILT_OK)
        return rc;
    *measurement = series_index_measurement_make(database->index, name);
    return *measurement ? SILT_OK : silt_fail(err, SILT_LIMIT, "memory of the series index is used up");
}

static enum silt_status replay_definition(void *arg, uint32_t database_id, const struct record_definition *definition,
                                          struct silt_error *err)
{
    struct recovery *r = arg;
    size_t place = database_place(r->storage, database_id);
    if (place == r->storage->database_count)
        return SILT_OK;
    struct database *database = r->storage->databases[place];
    struct loaded *loaded = &r->loaded[place];
    if (definition->what == 'S') {
        enum silt_status rc = end_series(r, err);
        if (rc != SILT_OK || definition->series <= loaded->last_series)
            return rc;
        loaded->last_series = definition->series;
        return series_index_load(database->index, definition->series, definition->text, err);
    }
    uint32_t measurement;
    enum silt_status rc = replay_measurement(r, database, definition->measurement, &measurement, err);
    if (rc != SILT_OK)
        return rc;
    if (definition->what == 'F')
        return field_dict_load(database->dict, measurement, definition->field_id, definition->text, err);
    struct shard *shard = find_shard(r->storage, definition->shard);
    return shard ? field_types_set(shard->types, measurement, definition->field_id, definition->type, err) : SILT_OK;
}

static void push_to_index(struct recovery *r, uint8_t kind, const void *payload, size_t bytes)
{
    struct log_item *item = log_item_create(r->storage, (enum record_kind)kind);
    silt_buffer_append(&item->payload, payload, bytes);
    item->seq = r->seq;
    item->settled = true;
    index_push_locked(r->storage, item);
}

static enum silt_status replay_delete(struct recovery *r, const void *payload, size_t bytes, struct silt_error *err)
{
    struct record_delete what;
    enum silt_status rc = end_series(r, err);
    if (rc == SILT_OK)
        rc = record_get_delete(payload, bytes, &what, err);
    if (rc != SILT_OK)
        return rc;
    size_t place = database_place(r->storage, what.database);
    if (place < r->storage->database_count) {
        struct database *database = r->storage->databases[place];
        if (r->seq < r->applied_seq)
            what.flags &= RECORD_HIDE;
        if (what.flags & RECORD_SUSPECT) { /* nobody may have looked at them, and the mark is not made yet */
            r->storage->drops_left = true;
            r->storage->cleanup.jobs.marked_seq = r->seq;
        }
        /* A series may come again under its old name: it must be gone before. */
        rc = series_index_load_end(database->index, r->loaded[place].last_series, err);
        if (rc == SILT_OK)
            delete_apply(r->storage, database, &what, r->seq + 1, true);
        series_index_load_begin(database->index, 0);
    }
    roaring_bitmap_free(what.series);
    return rc;
}

static enum silt_status replay_rows(struct recovery *r, const void *payload, size_t bytes, struct silt_error *err)
{
    struct record_rows record;
    silt_arena_reset(r->arena);
    enum silt_status rc = record_open_rows(payload, bytes, r->arena, &record, err);
    if (rc != SILT_OK)
        return rc;
    struct shard *shard = find_shard(r->storage, record.shard);
    if (!shard || r->seq < shard->manifest.flushed_seq)
        return SILT_OK;
    struct database *database = shard->owner;
    struct layout_map *maps = silt_arena_alloc(r->arena, (record.layout_count + 1) * sizeof(*maps));
    uint32_t *slots = silt_arena_alloc(r->arena, (record.column_max + 1) * sizeof(*slots));
    for (uint32_t i = 0; i < record.column_max; i++)
        slots[i] = i;
    for (uint32_t i = 0; i < record.layout_count; i++) {
        uint32_t measurement;
        if ((rc = replay_measurement(r, database, record.layouts[i].measurement, &measurement, err)) != SILT_OK)
            return rc;
        maps[i].layout = field_dict_intern(database->dict, measurement, record.layouts[i].columns,
                                           record.layouts[i].column_count);
        maps[i].slots = slots;
        if (!maps[i].layout)
            return silt_fail(err, SILT_LIMIT, "memory of the series index is used up");
    }
    struct memtable_row rows[RECORD_BLOCK_ROWS];
    size_t count;
    if (shard->active->first_seq == 0) {
        shard->active->first_seq = r->seq;
        shard->active->born_ms = silt_clock_monotonic_ns() / 1000000;
    }
    if (r->rows >= AHEAD_ROWS)
        piece_pool_begin_ahead(r->storage->pieces);
    while ((rc = record_next_rows(&record, r->arena, rows, &count, err)) == SILT_OK && count > 0) {
        memtable_apply(shard->active->mt, rows, count, maps, r->arena);
        r->rows += count;
    }
    return rc;
}

static enum silt_status replay(void *arg, uint64_t seq, uint8_t kind, const void *payload, size_t bytes,
                               struct silt_error *err)
{
    struct recovery *r = arg;
    enum silt_status rc = SILT_OK;
    r->seq = seq;
    r->records++;
    switch (record_kind(payload, bytes)) {
    case RECORD_DEFINE:
        if (seq >= r->applied_seq && bytes > 5) {
            rc = record_each_definition(payload, bytes, replay_definition, r, err);
            push_to_index(r, kind, payload, bytes);
        }
        break;
    case RECORD_DELETE:
        rc = replay_delete(r, payload, bytes, err);
        if (seq >= r->applied_seq)
            push_to_index(r, kind, payload, bytes);
        break;
    case RECORD_ROWS:
        rc = replay_rows(r, payload, bytes, err);
        break;
    default:
        rc = silt_fail(err, SILT_CORRUPT, "log record %" PRIu64 ": unknown kind", seq);
    }
    return rc;
}

/* ---------------------------------------------------------------- both */

struct sweep {
    struct silt_storage *storage;
    char (*names)[VFS_NAME_BYTES_MAX];
    size_t count;
};

static void sweep_one(void *arg, const char *name)
{
    struct sweep *sweep = arg;
    char *end;
    uint64_t id = strtoull(name, &end, 10);
    if (*end != '\0' || find_shard(sweep->storage, id))
        return;
    sweep->names = silt_realloc(sweep->names, (sweep->count + 1) * sizeof(*sweep->names));
    snprintf(sweep->names[sweep->count++], VFS_NAME_BYTES_MAX, "%s/%.200s", SHARDS_FOLDER, name);
}

/* Folders of shards that were dropped just before a crash. */
static enum silt_status sweep_folders(struct silt_storage *storage, struct silt_error *err)
{
    struct sweep sweep = {storage, NULL, 0};
    enum silt_status rc = storage->vfs->ops->list(storage->vfs, SHARDS_FOLDER, sweep_one, &sweep, err);
    if (rc == SILT_NOT_FOUND)
        rc = SILT_OK;
    for (size_t i = 0; i < sweep.count && rc == SILT_OK; i++)
        rc = storage->vfs->ops->remove_folder(storage->vfs, sweep.names[i], err);
    free(sweep.names);
    return rc;
}

enum silt_status recover(struct silt_storage *storage, struct silt_error *err)
{
    struct recovery r = {.storage = storage, .arena = silt_arena_create(NULL)};
    uint64_t begun = silt_clock_monotonic_ns();
    enum silt_status rc = load_catalog(&r, err);
    if (rc == SILT_OK && !storage->options.read_only)
        rc = sweep_folders(storage, err);
    if (rc == SILT_OK && !storage->options.read_only) /* a snapshot's, which a crash left */
        rc = storage->vfs->ops->remove_folder(storage->vfs, COPIES_FOLDER, err);
    uint64_t loaded = silt_clock_monotonic_ns();
    if (rc == SILT_OK) {
        begin_series(&r);
        rc = wal_replay(storage->wal, 0, replay, &r, err);
        piece_pool_end_ahead(storage->pieces);
        enum silt_status series = end_series(&r, rc == SILT_OK ? err : NULL);
        rc = rc == SILT_OK ? series : rc;
    }
    uint64_t next = r.applied_seq > 0 ? r.applied_seq : 1;
    for (size_t i = 0; i < storage->shard_count; i++)
        if (storage->shards[i]->manifest.flushed_seq > next)
            next = storage->shards[i]->manifest.flushed_seq;
    for (size_t i = 0; i < storage->database_count; i++) {
        struct series_index *index = storage->databases[i]->index;
        enum silt_status ended = series_index_load_end(index, r.loaded[i].last_series, rc == SILT_OK ? err : NULL);
        rc = rc == SILT_OK ? ended : rc;
        free(r.loaded[i].measurements);
    }
    free(r.loaded);
    silt_arena_destroy(r.arena);
    if (rc == SILT_OK && !storage->options.read_only)
        rc = wal_start(storage->wal, next, err);
    if (rc == SILT_OK && r.records > 0)
        silt_log(SILT_LOG_INFO, "the log was replayed",
                 "records=%" PRIu64 " rows=%" PRIu64 " load_ms=%" PRIu64 " series_ms=%" PRIu64 " replay_ms=%" PRIu64,
                 r.records, r.rows, (loaded - begun) / 1000000, r.series_ns / 1000000,
                 (silt_clock_monotonic_ns() - loaded) / 1000000);
    return rc;
}
