/*
 * storage.c - the store as a whole: open and close, the flusher and the compactor, statistics.
 *
 * Start: file layer (which locks the directory), catalog, a new owner epoch, log, recovery, then the threads. Stop: the
 * threads, the last flush, the index thread, the log, the catalog.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 5000u
#define RETENTION_MS_DEFAULT 1800000u
#define SOFT_BYTES_DEFAULT ((size_t)1 << 30)
#define FILES_MIN_DEFAULT 6u
#define REST_MS_DEFAULT 600000u
#define MANIFESTS_MIN_DEFAULT 8u /* fewer are not worth a transaction at every stop */
#define REST_AFTER_MERGE 2 /* times compact_rest_ms: a shard at rest is merged first, which changes its manifest */
#define CLOSE_FLUSH_NS ((uint64_t)15 * 1000000000) /* thousands of small groups would keep a stop waiting for minutes */

void silt_storage_options_init(struct silt_storage_options *options)
{
    memset(options, 0, sizeof(*options));
    options->sync_mode = SILT_SYNC_FSYNC;
    options->sync_interval_ms = 100;
    options->compact_files_min = FILES_MIN_DEFAULT;
}

/* ---------------------------------------------------------------- background */

void upkeep_kick(struct silt_storage *storage, unsigned work)
{
    pthread_mutex_lock(&storage->upkeep_mutex);
    storage->flush_kicks += (work & UPKEEP_FLUSH) != 0;
    storage->compact_kicks += (work & UPKEEP_COMPACT) != 0;
    storage->cleanup_kicks += (work & UPKEEP_CLEANUP) != 0;
    pthread_cond_broadcast(&storage->upkeep_cond);
    pthread_mutex_unlock(&storage->upkeep_mutex);
}

/* Until there is a kick, the time has passed or it is time to stop; returns whether to go on. */
static bool wait_for_work(struct silt_storage *storage, const uint64_t *kicks, uint64_t *seen, uint64_t most_ms)
{
    struct timespec until = silt_clock_in(most_ms * 1000000);
    pthread_mutex_lock(&storage->upkeep_mutex);
    int rc = 0;
    while (!atomic_load(&storage->upkeep_stop) && *kicks == *seen && rc == 0)
        rc = pthread_cond_timedwait(&storage->upkeep_cond, &storage->upkeep_mutex, &until);
    *seen = *kicks;
    bool go_on = !atomic_load(&storage->upkeep_stop);
    pthread_mutex_unlock(&storage->upkeep_mutex);
    return go_on;
}

static void report(const char *what, enum silt_status rc, const struct silt_error *err, bool *failing)
{
    if (rc != SILT_OK && !*failing)
        silt_log(SILT_LOG_ERROR, what, "error=\"%s\"", err->text);
    *failing = rc != SILT_OK;
}

/* A start on a full disk cannot raise the epoch where it is kept. What it guards against is another process with the directory,
 * which LOCK keeps out meanwhile. */
static enum silt_status take_epoch(struct silt_storage *storage, struct silt_error *err)
{
    enum silt_status rc = catalog_next_epoch(storage->catalog, &storage->epoch, err);
    storage->epoch_owed = rc == SILT_NO_SPACE && storage->epoch != 0;
    return storage->epoch_owed ? SILT_OK : rc;
}

static void store_epoch(struct silt_storage *storage)
{
    uint64_t epoch;
    struct silt_error err;
    if (storage->epoch_owed && catalog_next_epoch(storage->catalog, &epoch, &err) == SILT_OK)
        storage->epoch_owed = false;
}

static void *run_flusher(void *arg)
{
    struct silt_storage *storage = arg;
    uint64_t seen = 0, trimmed_ns = 0;
    bool failing = false, keep_failing = false;
    while (wait_for_work(storage, &storage->flush_kicks, &seen, TICK_MS)) {
        struct silt_error err;
        bool did = false;
        uint64_t now_ns = silt_clock_monotonic_ns();
        if (now_ns - trimmed_ns >= (uint64_t)TICK_MS * 1000000) {
            piece_pool_trim(storage->pieces);
            trimmed_ns = now_ns;
        }
        store_epoch(storage);
        bool full = wal_check(storage->wal, &err) == SILT_NO_SPACE; /* the log's old segments are room */
        enum silt_status rc = flush_step(storage, full, &did, &err);
        atomic_store(&storage->flush_wanted, false);
        report("a flush failed", rc, &err, &failing);
        if (rc == SILT_OK && !did)
            report("manifests stay in files", folders_keep(storage, REST_AFTER_MERGE * storage->options.compact_rest_ms, &err), &err,
                   &keep_failing);
        if (did)
            upkeep_kick(storage, UPKEEP_COMPACT);
        else
            trim_log(storage);
        if (rc != SILT_OK)
            usleep(200000);
    }
    return NULL;
}

static void *run_compactor(void *arg)
{
    struct silt_storage *storage = arg;
    uint64_t seen = 0;
    bool failing = false;
    while (wait_for_work(storage, &storage->compact_kicks, &seen, TICK_MS)) {
        struct silt_error err;
        bool did = true;
        enum silt_status rc = SILT_OK;
        while (did && rc == SILT_OK && !atomic_load(&storage->upkeep_stop)) {
            did = false;
            rc = compact_step(storage, &did, &err);
        }
        report("a merge of files failed", rc, &err, &failing);
        if (rc != SILT_OK)
            usleep(200000);
    }
    return NULL;
}

/* A thread of its own: what deletes and drops leave takes a while, and flushes must not wait for it. */
static void *run_retention(void *arg)
{
    struct silt_storage *storage = arg;
    uint64_t seen = 0;
    bool failing = false, cleanup_failing = false;
    do {
        struct silt_error err;
        bool did = false;
        report("cleaning up behind a delete or a drop failed", cleanup_step(storage, &did, &err), &err, &cleanup_failing);
        report("retention failed", retention_step(storage, &did, &err), &err, &failing);
    } while (wait_for_work(storage, &storage->cleanup_kicks, &seen, storage->options.retention_interval_ms));
    return NULL;
}

static enum silt_status start_thread(struct upkeep_thread *thread, void *(*run)(void *), struct silt_storage *storage,
                                     struct silt_error *err)
{
    int rc = pthread_create(&thread->thread, NULL, run, storage);
    if (rc != 0)
        return silt_fail_errno(err, rc, "background thread");
    thread->running = true;
    return SILT_OK;
}

static void stop_threads(struct silt_storage *storage)
{
    pthread_mutex_lock(&storage->upkeep_mutex);
    atomic_store(&storage->upkeep_stop, true);
    pthread_cond_broadcast(&storage->upkeep_cond);
    pthread_mutex_unlock(&storage->upkeep_mutex);
    if (storage->flusher.running)
        pthread_join(storage->flusher.thread, NULL);
    if (storage->compactor.running)
        pthread_join(storage->compactor.thread, NULL);
    if (storage->retention.running)
        pthread_join(storage->retention.thread, NULL);
    storage->flusher.running = storage->compactor.running = storage->retention.running = false;
}

/* ---------------------------------------------------------------- open and close */

static void set_bounds(struct silt_storage *storage)
{
    storage->soft_bytes = storage->options.memtable_soft_bytes;
    storage->hard_bytes = storage->options.memtable_hard_bytes;
    if (storage->soft_bytes == 0) {
        storage->soft_bytes = SOFT_BYTES_DEFAULT;
        if (storage->hard_bytes != 0 && storage->soft_bytes > storage->hard_bytes / 2)
            storage->soft_bytes = storage->hard_bytes / 2;
    }
    if (storage->hard_bytes == 0)
        storage->hard_bytes = storage->soft_bytes * 2;
    if (storage->soft_bytes > storage->hard_bytes)
        storage->soft_bytes = storage->hard_bytes;
}

static void destroy(struct silt_storage *storage)
{
    index_stop(storage);
    wal_close(storage->wal);
    for (size_t i = 0; i < storage->shard_count; i++)
        shard_release(storage->shards[i]);
    free(storage->shards);
    for (size_t i = 0; i < storage->database_count; i++) {
        /* Shards hold their database and policies their shards: the ring is cut here. */
        struct database *database = storage->databases[i];
        for (size_t p = 0; p < database->policy_count; p++) {
            struct policy *policy = database->policies[p];
            for (size_t s = 0; s < policy->shard_count; s++)
                shard_release(policy->shards[s]);
            policy->shard_count = 0;
        }
        database_release(database);
    }
    free(storage->databases);
    cleanup_deinit(storage);
    piece_pool_destroy(storage->pieces);
    users_deinit(storage);
    catalog_close(storage->catalog);
    if (storage->own_vfs)
        vfs_close(storage->vfs);
    pthread_mutex_destroy(&storage->change_lock);
    pthread_mutex_destroy(&storage->folders_lock);
    pthread_rwlock_destroy(&storage->meta_lock);
    pthread_mutex_destroy(&storage->index.lock);
    pthread_cond_destroy(&storage->index.cond);
    pthread_mutex_destroy(&storage->upkeep_mutex);
    pthread_cond_destroy(&storage->upkeep_cond);
    free(storage);
}

static void init_locks(struct silt_storage *storage)
{
    pthread_rwlockattr_t attributes;
    pthread_mutex_init(&storage->change_lock, NULL);
    pthread_mutex_init(&storage->folders_lock, NULL);
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&storage->meta_lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&storage->index.lock, NULL);
    silt_cond_init(&storage->index.cond);
    pthread_mutex_init(&storage->upkeep_mutex, NULL);
    silt_cond_init(&storage->upkeep_cond);
}

enum silt_status silt_storage_open(const struct silt_storage_options *options, struct silt_storage **out,
                                   struct silt_error *err)
{
    struct silt_storage *storage = silt_calloc(1, sizeof(*storage));
    enum silt_status rc = SILT_OK;
    storage->options = *options;
    storage->options.background_off = options->background_off || options->read_only;
    init_locks(storage);
    cleanup_init(storage);
    users_init(storage);
    source_init(storage);
    set_bounds(storage);
    silt_budget_init(&storage->root, "storage memory", SIZE_MAX, options->budget);
    silt_budget_init(&storage->memtable_budget, "memtable memory", SIZE_MAX, &storage->root);
    storage->pieces = piece_pool_create(storage->soft_bytes / 4 < GENERATION_BYTES_MAX ? storage->soft_bytes / 4 : GENERATION_BYTES_MAX);
    silt_budget_init(&storage->index_budget, "series index memory", SIZE_MAX, &storage->root);
    if (storage->options.compact_files_min == 0)
        storage->options.compact_files_min = FILES_MIN_DEFAULT;
    if (storage->options.manifests_min == 0)
        storage->options.manifests_min = MANIFESTS_MIN_DEFAULT;
    if (storage->options.compact_rest_ms == 0)
        storage->options.compact_rest_ms = REST_MS_DEFAULT;
    if (storage->options.retention_interval_ms == 0)
        storage->options.retention_interval_ms = RETENTION_MS_DEFAULT;
    if (options->vfs) {
        storage->vfs = (struct vfs *)(uintptr_t)options->vfs;
    } else {
        rc = vfs_posix_open(options->data_dir, &storage->vfs, err);
        storage->own_vfs = rc == SILT_OK;
    }
    if (rc == SILT_OK)
        rc = catalog_open(storage->vfs->ops->local_path(storage->vfs, "meta.sqlite"), &storage->catalog, err);
    storage->epoch = MANIFEST_READER;
    if (rc == SILT_OK && !options->read_only)
        rc = take_epoch(storage, err);
    if (rc == SILT_OK) {
        struct wal_options wal = {.sync_mode = options->sync_mode, .sync_interval_ms = options->sync_interval_ms,
                                  .epoch = storage->epoch, .read_only = options->read_only, .segment_bytes = options->wal_segment_bytes};
        rc = wal_open(storage->vfs, &wal, &storage->wal, err);
    }
    if (rc == SILT_OK)
        rc = recover(storage, err);
    bool marked = false;
    if (rc == SILT_OK)
        rc = catalog_lonely(storage->catalog, &marked, err);
    storage->drops_left = storage->drops_left || marked;
    if (rc == SILT_OK)
        rc = index_start(storage, err);
    if (rc == SILT_OK && !storage->options.background_off)
        rc = start_thread(&storage->flusher, run_flusher, storage, err);
    if (rc == SILT_OK && !storage->options.background_off)
        rc = start_thread(&storage->compactor, run_compactor, storage, err);
    if (rc == SILT_OK && !storage->options.background_off)
        rc = start_thread(&storage->retention, run_retention, storage, err);
    if (rc != SILT_OK) {
        stop_threads(storage);
        destroy(storage);
        return rc;
    }
    if (options->index_bytes_max) /* what is there already is never refused */
        silt_budget_set_limit(&storage->index_budget, options->index_bytes_max);
    upkeep_kick(storage, UPKEEP_FLUSH | UPKEEP_COMPACT);
    *out = storage;
    return SILT_OK;
}

/* The last records say of those before them that they were durable, so that the next start tells damage to these from a log
 * that a crash tore. The second of two empty ones says it of all that count. */
static void seal_log(struct silt_storage *storage)
{
    struct wal_stats stats;
    struct silt_error err;
    wal_stats(storage->wal, &stats);
    enum silt_status rc = stats.entries > 0 ? wal_check(storage->wal, &err) : SILT_OK;
    for (int i = 0; i < 2 && stats.entries > 0 && rc == SILT_OK; i++)
        rc = log_wait_durable(storage, &err);
    if (rc != SILT_OK)
        silt_log(SILT_LOG_WARN, "the log ends without a seal", "error=\"%s\"", err.text);
}

/* What a start reads goes into the catalog. On a full disk it stays in files. */
static enum silt_status note_manifests(struct silt_storage *storage, struct silt_error *err)
{
    enum silt_status rc = folders_note(storage, err);
    if (rc != SILT_OK)
        return rc;
    rc = folders_keep(storage, 0, err);
    return rc == SILT_NO_SPACE ? SILT_OK : rc;
}

enum silt_status silt_storage_close(struct silt_storage *storage, bool flush, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    if (!storage)
        return SILT_OK;
    stop_threads(storage);
    if (flush)
        rc = flush_largest(storage, CLOSE_FLUSH_NS, err);
    if (flush && rc == SILT_OK)
        rc = note_manifests(storage, err);
    if (flush && rc == SILT_OK)
        rc = index_drain(storage, err);
    if (flush && rc == SILT_OK)
        trim_log(storage);
    seal_log(storage);
    destroy(storage);
    return rc;
}

/* ---------------------------------------------------------------- upkeep by hand */

enum silt_status silt_storage_flush(struct silt_storage *storage, struct silt_error *err)
{
    bool did = false;
    enum silt_status rc = flush_step(storage, true, &did, err);
    if (rc == SILT_OK)
        rc = index_drain(storage, err);
    if (rc == SILT_OK)
        trim_log(storage);
    return rc;
}

enum silt_status silt_storage_step(struct silt_storage *storage, bool *did, struct silt_error *err)
{
    *did = false;
    enum silt_status rc = index_drain(storage, err);
    if (rc == SILT_OK)
        index_reclaim(storage);
    if (rc == SILT_OK)
        rc = retention_step(storage, did, err);
    if (rc == SILT_OK)
        rc = cleanup_step(storage, did, err);
    if (rc == SILT_OK)
        rc = flush_step(storage, false, did, err);
    if (rc == SILT_OK)
        rc = compact_step(storage, did, err);
    if (rc == SILT_OK)
        rc = folders_keep(storage, REST_AFTER_MERGE * storage->options.compact_rest_ms, err);
    if (rc == SILT_OK)
        trim_log(storage);
    return rc;
}

enum silt_status silt_storage_compact_all(struct silt_storage *storage, struct silt_error *err)
{
    struct shard **shards;
    bool did = false;
    enum silt_status rc = silt_storage_flush(storage, err);
    size_t count = all_shards(storage, &shards);
    for (size_t i = 0; i < count; i++) {
        if (rc == SILT_OK)
            rc = compact_shard(storage, shards[i], true, &did, err);
        shard_release(shards[i]);
    }
    free(shards);
    return rc;
}

/* ---------------------------------------------------------------- statistics */

enum silt_status silt_storage_writable(struct silt_storage *storage, struct silt_error *err)
{
    enum silt_status rc = check_writable(storage, err);
    return rc == SILT_BUSY ? SILT_OK : rc;
}

void silt_storage_watch(struct silt_storage *storage, struct silt_watcher *watcher)
{
    storage->watcher = watcher;
}

void silt_storage_stats(struct silt_storage *storage, struct silt_storage_stats *out)
{
    struct wal_stats wal;
    struct silt_error ignored;
    memset(out, 0, sizeof(*out));
    pthread_rwlock_rdlock(&storage->meta_lock);
    for (size_t i = 0; i < storage->database_count; i++) {
        struct series_index_stats index;
        series_index_stats(storage->databases[i]->index, &index);
        out->series_count += index.series;
        out->index_bytes += index.bytes;
    }
    out->shard_count = storage->shard_count;
    for (size_t i = 0; i < storage->shard_count; i++) {
        struct version *version = shard_pin(storage->shards[i]);
        out->file_count += version->file_count;
        for (size_t f = 0; f < version->file_count; f++) {
            out->file_bytes += version->files[f]->facts.bytes;
            out->values_on_disk += tsm_summary(version->files[f]->tsm)->values;
        }
        version_release(version);
    }
    pthread_rwlock_unlock(&storage->meta_lock);
    wal_stats(storage->wal, &wal);
    out->wal_bytes = wal.bytes;
    out->wal_syncs = wal.syncs;
    out->memtable_bytes = atomic_load(&storage->memtable_budget.used_bytes);
    out->wal_batches = atomic_load(&storage->wal_batches);
    out->rows_written = atomic_load(&storage->rows_written);
    out->values_written = atomic_load(&storage->values_written);
    out->rows_rejected = atomic_load(&storage->rows_rejected);
    out->rows_over_limits = atomic_load(&storage->rows_over_limits);
    out->index_bytes_max = storage->options.index_bytes_max;
    out->flushes = atomic_load(&storage->flushes);
    out->compactions = atomic_load(&storage->compactions);
    out->read_only = silt_storage_writable(storage, &ignored) != SILT_OK;
}
