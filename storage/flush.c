/*
 * flush.c - old generations to TSM files, and what of the log is needed no more.
 *
 * A flush writes the oldest old generation of a shard as one file, in the order of series ids, and then changes the
 * manifest in one step: the file is there, and the records below the generation's boundary are not needed. The records
 * must be durable before, or a crash could leave a batch of two shards in one of them.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"
#include "storage/tsm_write.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define AGE_MS_MAX ((uint64_t)3600 * 1000)
/* From here on when the rows make row groups, or much of the log would have to be read at a start. */
#define AGE_MS_MIN ((uint64_t)600 * 1000)
#define LOG_SEGMENTS_MIN 8u

/* Row groups of one series. */
static enum silt_status write_series(struct tsm_writer *writer, const struct memtable *mt, silt_series_id id,
                                     struct silt_arena *arena, struct silt_error *err)
{
    struct field_ref *fields;
    size_t field_count;
    struct memtable_rows rows;
    enum silt_status rc = memtable_fields(mt, id, arena, &fields, &field_count, err);
    if (rc == SILT_OK)
        rc = memtable_collect(mt, id, INT64_MIN, INT64_MAX, fields, field_count, arena, &rows, err);
    if (rc != SILT_OK || rows.count == 0)
        return rc;
    struct tsm_column *columns = silt_arena_alloc(arena, field_count * sizeof(*columns));
    for (size_t begin = 0; begin < rows.count && rc == SILT_OK; begin += TSM_GROUP_ROWS_MAX) {
        size_t count = rows.count - begin < TSM_GROUP_ROWS_MAX ? rows.count - begin : TSM_GROUP_ROWS_MAX;
        uint32_t used = 0;
        for (size_t f = 0; f < field_count; f++) {
            const struct memtable_column *column = &rows.columns[f];
            if (column->type == SILT_TYPE_NONE)
                continue;
            columns[used++] = (struct tsm_column){fields[f].field_id, column->type,
                                                  column->valid ? column->valid + begin / 64 : NULL,
                                                  column->values + begin};
        }
        rc = tsm_writer_row_group(writer, id, rows.times + begin, (uint32_t)count, columns, used, err);
    }
    return rc;
}

static enum silt_status write_generation(struct shard *shard, const struct generation *generation,
                                         struct data_file **out, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct tsm_writer *writer;
    struct tsm_summary summary;
    struct manifest_file facts = {0};
    *out = NULL;
    silt_series_id id = memtable_next_series(generation->mt, 0);
    if (id == 0)
        return SILT_OK;
    facts.file_id = shard_next_file_id(shard);
    manifest_file_name(&shard->manifest, facts.file_id, name);
    enum silt_status rc = tsm_writer_open(shard->vfs, name, facts.file_id, shard->epoch, &writer, err);
    if (rc != SILT_OK)
        return rc;
    struct silt_arena *arena = silt_arena_create(NULL);
    for (; id != 0 && rc == SILT_OK; id = memtable_next_series(generation->mt, id)) {
        rc = write_series(writer, generation->mt, id, arena, err);
        silt_arena_reset(arena);
        if (atomic_load_explicit(&shard->dropped, memory_order_relaxed))
            rc = silt_fail(err, SILT_CANCELLED, "the shard was dropped");
    }
    silt_arena_destroy(arena);
    if (rc != SILT_OK) {
        tsm_writer_abort(writer);
        return rc;
    }
    if ((rc = tsm_writer_finish(writer, &summary, err)) != SILT_OK)
        return rc;
    facts.seq = generation->boundary;
    facts.bytes = summary.bytes;
    facts.rows = summary.rows;
    facts.min = summary.min;
    facts.max = summary.max;
    return data_file_open(shard, &facts, out, err);
}

/* The version's tombstones as a blob; *id 0: there are none. */
static enum silt_status write_tombstones(struct shard *shard, const struct version *version, uint64_t *id,
                                         struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct vfs_blob_writer *writer;
    struct silt_buffer bytes = {0};
    *id = 0;
    if (version->tombstone_count == 0)
        return SILT_OK;
    *id = shard->manifest.next_file_id++;
    manifest_tombstone_name(&shard->manifest, *id, name);
    tombstone_encode(&bytes, version->tombstones, version->tombstone_count);
    enum silt_status rc = vfs_blob_create(shard->vfs, name, &writer, err);
    if (rc == SILT_OK) {
        rc = vfs_blob_append(writer, bytes.p, bytes.len, err);
        if (rc == SILT_OK)
            rc = vfs_blob_commit(writer, err);
        else
            vfs_blob_abort(writer);
    }
    silt_buffer_free(&bytes);
    return rc;
}

enum silt_status commit_change(struct shard *shard, struct manifest_edit *edit, struct version_change *change,
                               struct silt_error *err)
{
    char old_name[VFS_NAME_BYTES_MAX];
    pthread_mutex_lock(&shard->manifest_lock);
    uint64_t old_tombstones = shard->manifest.tombstone_id;
    struct version *version = shard_pin(shard);
    enum silt_status rc = SILT_OK;
    if (change->drop_tombstones) {
        struct version kept = {.tombstones = silt_calloc(version->tombstone_count + 1, sizeof(*kept.tombstones))};
        for (size_t i = 0; i < version->tombstone_count; i++)
            if (version->tombstones[i]->seq > change->drop_tombstones_to)
                kept.tombstones[kept.tombstone_count++] = version->tombstones[i];
        rc = write_tombstones(shard, &kept, &edit->tombstone_id, err);
        free(kept.tombstones);
        edit->set_tombstones = true;
    } else if (version->tombstone_count > 0 && change->flushed) {
        rc = write_tombstones(shard, version, &edit->tombstone_id, err);
        edit->set_tombstones = true;
    }
    if (rc == SILT_OK)
        rc = manifest_apply(&shard->manifest, edit, err);
    if (rc == SILT_OK)
        shard_change(shard, change);
    version_release(version);
    pthread_mutex_unlock(&shard->manifest_lock);
    if (rc == SILT_OK && edit->set_tombstones && old_tombstones != 0) {
        struct silt_error ignored;
        manifest_tombstone_name(&shard->manifest, old_tombstones, old_name);
        if (vfs_blob_remove(shard->vfs, old_name, &ignored) != SILT_OK)
            silt_log(SILT_LOG_WARN, "cannot remove an old file", "error=\"%s\"", ignored.text);
    }
    return rc;
}

enum silt_status log_wait_durable(struct silt_storage *storage, struct silt_error *err)
{
    /* Entries become durable in order: wait for one more, which says nothing. */
    struct log_item *marker = log_item_create(storage, RECORD_DEFINE);
    record_begin_define(&marker->payload, 0);
    wal_lock(storage->wal);
    log_item_enqueue_locked(marker);
    wal_unlock(storage->wal);
    enum silt_status rc = log_item_wait(marker, err);
    log_item_release(marker);
    return rc;
}

static enum silt_status begin_manifest(struct shard *shard, struct silt_error *err)
{
    pthread_mutex_lock(&shard->manifest_lock);
    enum silt_status rc = manifest_begin(&shard->manifest, err);
    pthread_mutex_unlock(&shard->manifest_lock);
    return rc;
}

static enum silt_status write_out(struct silt_storage *storage, struct shard *shard, struct generation *generation,
                                         struct silt_error *err)
{
    while (atomic_load_explicit(&generation->pins, memory_order_acquire) != 0)
        sched_yield();
    struct data_file *file;
    enum silt_status rc = SILT_OK;
    if (wal_durable_seq(storage->wal) + 1 < generation->boundary)
        rc = log_wait_durable(storage, err);
    if (rc == SILT_OK)
        rc = begin_manifest(shard, err);
    if (rc == SILT_OK)
        rc = write_generation(shard, generation, &file, err);
    if (rc != SILT_OK)
        return rc;
    struct manifest_edit edit = {.flushed_seq = generation->boundary};
    struct version_change change = {.add = file, .flushed = generation};
    if (file) {
        edit.add = &file->facts;
        edit.add_count = 1;
    }
    rc = commit_change(shard, &edit, &change, err);
    if (rc != SILT_OK) {
        /* Whether the manifest names the file is unknown only to a crash; it is not in the version, so it must stay. */
        data_file_release(file);
        return rc;
    }
    return SILT_OK;
}

static enum silt_status flush_generation(struct silt_storage *storage, struct shard *shard, struct generation *generation,
                                         struct silt_error *err)
{
    uint64_t begun_ns = silt_clock_monotonic_ns();

    atomic_store(&shard->counters.flushing, true);
    enum silt_status rc = write_out(storage, shard, generation, err);
    atomic_store(&shard->counters.flushing, false);
    atomic_store_explicit(&storage->pace_ns, 0, memory_order_relaxed);
    shard_count(&shard->counters.flush_ns, silt_clock_monotonic_ns() - begun_ns);
    shard_count(rc == SILT_OK ? &shard->counters.flushes : &shard->counters.flush_errors, 1);
    pthread_mutex_lock(&storage->upkeep_mutex);
    storage->flush_error = rc == SILT_OK ? (struct silt_error){.status = SILT_OK} : *err;
    pthread_mutex_unlock(&storage->upkeep_mutex);
    if (rc == SILT_OK)
        atomic_fetch_add(&storage->flushes, 1);
    return rc;
}

enum silt_status flush_shard(struct silt_storage *storage, struct shard *shard, bool rotate, bool *did,
                             struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&shard->flush_lock);
    if (rotate) {
        /* Not between a delete's record and its own rotation: rows from before it would count as younger. */
        pthread_rwlock_rdlock(&storage->meta_lock);
        shard_rotate(shard, 0, 0, NULL);
        pthread_rwlock_unlock(&storage->meta_lock);
    }
    while (rc == SILT_OK && !atomic_load(&shard->dropped)) {
        struct version *version = shard_pin(shard);
        bool more = version->generation_count > 1;
        if (more) {
            rc = flush_generation(storage, shard, version->generations[0], err);
            *did = true;
        }
        version_release(version);
        if (!more)
            break;
    }
    pthread_mutex_unlock(&shard->flush_lock);
    if (atomic_load(&shard->dropped))
        return SILT_OK;
    return rc;
}

/* Whether the active generation should be rotated for its size or age, or because it keeps the log from being trimmed. */
static bool is_due(struct shard *shard, uint64_t now_ms, uint64_t old_seq, uint64_t oldish_seq)
{
    pthread_mutex_lock(&shard->lock);
    wal_lock(shard->wal);
    const struct generation *active = shard->active;
    bool due = false;
    if (active->first_seq != 0) {
        uint64_t age_ms = now_ms - active->born_ms;
        due = active->first_seq < old_seq || age_ms > AGE_MS_MAX || generation_is_full(active)
              || (age_ms > AGE_MS_MIN && (active->first_seq < oldish_seq || generation_has_groups(active)));
    }
    wal_unlock(shard->wal);
    pthread_mutex_unlock(&shard->lock);
    return due;
}

enum silt_status flush_step(struct silt_storage *storage, bool all, bool *did, struct silt_error *err)
{
    struct shard **shards;
    enum silt_status rc = SILT_OK;
    bool flushed = false;
    size_t count = all_shards(storage, &shards), largest = 0;
    uint64_t now_ms = silt_clock_monotonic_ns() / 1000000, old_seq = wal_seq_behind(storage->wal, FLUSH_LOG_SEGMENTS_MAX);
    uint64_t oldish_seq = wal_seq_behind(storage->wal, LOG_SEGMENTS_MIN);
    size_t used = atomic_load_explicit(&storage->memtable_budget.used_bytes, memory_order_relaxed);
    for (size_t i = 0; i < count; i++)
        if (shard_memory(shards[i]) > shard_memory(shards[largest]))
            largest = i;
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        bool rotate = all || is_due(shards[i], now_ms, old_seq, oldish_seq) || (i == largest && used > storage->soft_bytes / 4);
        rc = flush_shard(storage, shards[i], rotate, &flushed, err);
    }
    for (size_t i = 0; i < count; i++)
        shard_release(shards[i]);
    free(shards);
    if (rc == SILT_OK)
        rc = folders_note(storage, err);
    if (flushed) {
        *did = true;
        trim_log(storage);
    }
    return rc;
}

struct sized {
    struct shard *shard;
    size_t bytes;
};

static int by_bytes_falling(const void *a, const void *b)
{
    size_t left = ((const struct sized *)a)->bytes, right = ((const struct sized *)b)->bytes;
    return left > right ? -1 : left < right;
}

enum silt_status flush_largest(struct silt_storage *storage, uint64_t ns, struct silt_error *err)
{
    struct shard **shards;
    size_t count = all_shards(storage, &shards), done = 0;
    struct sized *sized = silt_malloc((count + 1) * sizeof(*sized));
    uint64_t begun = silt_clock_monotonic_ns();
    enum silt_status rc = SILT_OK;
    bool did = false;
    for (size_t i = 0; i < count; i++)
        sized[i] = (struct sized){shards[i], shard_memory(shards[i])};
    if (count > 0)
        qsort(sized, count, sizeof(*sized), by_bytes_falling);
    for (; done < count && rc == SILT_OK && silt_clock_monotonic_ns() - begun < ns; done++)
        rc = flush_shard(storage, sized[done].shard, true, &did, err);
    if (rc == SILT_OK && done < count)
        silt_log(SILT_LOG_INFO, "the rest stays in the log", "groups=%zu", count - done);
    for (size_t i = 0; i < count; i++)
        shard_release(shards[i]);
    free(sized);
    free(shards);
    return rc;
}

void trim_log(struct silt_storage *storage)
{
    struct shard **shards;
    /* First the number: what is enqueued later is above it, whatever is found below. */
    wal_lock(storage->wal);
    uint64_t below = wal_next_seq_locked(storage->wal);
    wal_unlock(storage->wal);
    size_t count = all_shards(storage, &shards);
    for (size_t i = 0; i < count; i++) {
        uint64_t oldest = shard_oldest_seq(shards[i]);
        if (oldest != 0 && oldest < below)
            below = oldest;
        shard_release(shards[i]);
    }
    free(shards);
    uint64_t oldest = index_oldest_seq(storage);
    if (oldest != 0 && oldest < below)
        below = oldest;
    wal_trim(storage->wal, below);
}
