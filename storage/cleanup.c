/*
 * cleanup.c - what a delete or a drop leaves to be done after its answer.
 *
 *     statement:         durable -> out of every list -> a job here -> answer
 *     retention thread:  series of dropped shards noted -> their files -> series without points leave the index, a database
 *                        at a time -> rows and memory of dropped databases
 *
 * With its answer no point of what was deleted is seen by anybody. Series that have no points left are listed until they
 * are found: whoever lists series, or shows all names that series have (SELECT *), waits for what statements left
 * (cleanup_settled); other selects need not.
 *
 * A crash loses the jobs and nothing else. Folders that no catalog row names go at the next start, and so do rows of a
 * database that is gone. For series a mark in the catalog, made in the transaction that drops a shard or by the index
 * thread from the record of a delete, tells the next start to look at all of them; it is taken back when no job is open.
 *
 * Memory: a set of series per database and a pointer per dropped shard, however many statements there were.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdlib.h>

#define RETRY_NS ((uint64_t)60 * 1000000000) /* after a search that failed */

void cleanup_init(struct silt_storage *storage)
{
    pthread_mutex_init(&storage->cleanup.lock, NULL);
    silt_cond_init(&storage->cleanup.cond);
}

static void free_shards(struct shard **shards, size_t count)
{
    for (size_t i = 0; i < count; i++)
        shard_release(shards[i]);
    free(shards);
}

static void release_databases(struct database **databases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        database_release(databases[i]);
    free(databases);
}

void cleanup_deinit(struct silt_storage *storage)
{
    struct cleanup_jobs *jobs = &storage->cleanup.jobs;
    free_shards(jobs->shards, jobs->shard_count);
    release_databases(jobs->databases, jobs->database_count);
    pthread_mutex_destroy(&storage->cleanup.lock);
    pthread_cond_destroy(&storage->cleanup.cond);
}

/* ---------------------------------------------------------------- jobs; change_lock is held */

static void add_shards_locked(struct cleanup_jobs *jobs, struct shard *const *shards, size_t count)
{
    if (count == 0)
        return;
    jobs->shards = silt_realloc(jobs->shards, (jobs->shard_count + count) * sizeof(*jobs->shards));
    memcpy(jobs->shards + jobs->shard_count, shards, count * sizeof(*shards));
    jobs->shard_count += count;
}

static void suspect(struct silt_storage *storage, struct database *database, const roaring_bitmap_t *series)
{
    pthread_mutex_lock(&storage->cleanup.lock);
    if (!database->suspects)
        database->suspects = roaring_bitmap_copy(series);
    else
        roaring_bitmap_or_inplace(database->suspects, series);
    silt_assert(database->suspects);
    pthread_mutex_unlock(&storage->cleanup.lock);
}

/* One more that the mark in the catalog stands for. */
static void open_job(struct silt_storage *storage, struct database *awaited_of)
{
    struct cleanup *cleanup = &storage->cleanup;
    pthread_mutex_lock(&cleanup->lock);
    cleanup->jobs.marked = true;
    if (awaited_of)
        awaited_of->owed = ++cleanup->jobs.ticket;
    pthread_mutex_unlock(&cleanup->lock);
    upkeep_kick(storage, UPKEEP_CLEANUP);
}

void cleanup_shards(struct silt_storage *storage, struct shard *const *shards, size_t count, struct database *awaited_of)
{
    pthread_mutex_lock(&storage->cleanup.lock);
    add_shards_locked(&storage->cleanup.jobs, shards, count);
    pthread_mutex_unlock(&storage->cleanup.lock);
    open_job(storage, awaited_of);
}

void cleanup_series(struct silt_storage *storage, struct database *database, const roaring_bitmap_t *series, uint64_t seq)
{
    suspect(storage, database, series);
    pthread_mutex_lock(&storage->cleanup.lock);
    storage->cleanup.jobs.marked_seq = seq;
    pthread_mutex_unlock(&storage->cleanup.lock);
    open_job(storage, database);
}

void cleanup_database(struct silt_storage *storage, struct database *database, struct shard *const *shards, size_t count)
{
    struct cleanup_jobs *jobs = &storage->cleanup.jobs;
    pthread_mutex_lock(&storage->cleanup.lock);
    add_shards_locked(jobs, shards, count);
    jobs->databases = silt_realloc(jobs->databases, (jobs->database_count + 1) * sizeof(*jobs->databases));
    jobs->databases[jobs->database_count++] = database;
    pthread_mutex_unlock(&storage->cleanup.lock);
    upkeep_kick(storage, UPKEEP_CLEANUP);
}

/* ---------------------------------------------------------------- shards; no lock is held from here on */

/* Each data file goes with its last reader; then the rest of the folder. */
static void remove_files(struct silt_storage *storage, struct shard *shard, struct version *version)
{
    char folder[VFS_NAME_BYTES_MAX];
    struct silt_error err;
    struct version_change change = {.remove = version->files, .remove_count = version->file_count};
    shard_folder(shard->id, folder);
    pthread_mutex_lock(&shard->manifest_lock);
    shard_change(shard, &change);
    pthread_mutex_unlock(&shard->manifest_lock);
    if (storage->vfs->ops->remove_folder(storage->vfs, folder, &err) != SILT_OK)
        silt_log(SILT_LOG_WARN, "cannot remove a dropped shard's files", "shard=%llu error=\"%s\"",
                 (unsigned long long)shard->id, err.text);
}

static enum silt_status clean_shard(struct silt_storage *storage, struct shard *shard, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&shard->flush_lock);
    pthread_mutex_lock(&shard->compact_lock);
    struct version *version = shard_pin(shard);
    if (!atomic_load(&shard->owner->dropped)) {
        roaring_bitmap_t *had = roaring_bitmap_create();
        silt_assert(had);
        rc = version_series(version, had, err);
        suspect(storage, shard->owner, had);
        roaring_bitmap_free(had);
    }
    remove_files(storage, shard, version);
    version_release(version);
    pthread_mutex_unlock(&shard->compact_lock);
    pthread_mutex_unlock(&shard->flush_lock);
    return rc;
}

/* ---------------------------------------------------------------- series */

/* ticket: of the last statement whose suspects are among the database's now. */
static enum silt_status clean_series(struct silt_storage *storage, struct database *database, uint64_t ticket, bool *did,
                                     struct silt_error *err)
{
    struct cleanup *cleanup = &storage->cleanup;
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&cleanup->lock);
    roaring_bitmap_t *suspects = database->suspects;
    database->suspects = NULL;
    pthread_mutex_unlock(&cleanup->lock);
    if (suspects) {
        *did = true;
        rc = remove_lonely_series(storage, database, suspects, err);
        roaring_bitmap_free(suspects);
    }
    pthread_mutex_lock(&cleanup->lock);
    database->paid = ticket; /* whoever waits shall not wait for ever for what cannot be read */
    pthread_cond_broadcast(&cleanup->cond);
    pthread_mutex_unlock(&cleanup->lock);
    return rc;
}

/* The mark in the catalog stays while a job is open, and when something went wrong. */
static enum silt_status close_jobs(struct silt_storage *storage, uint64_t marked_seq, enum silt_status rc, struct silt_error *err)
{
    if (rc == SILT_OK) /* or the index thread would make the mark after it was taken back */
        rc = index_apply_through(storage, marked_seq, err);
    pthread_mutex_lock(&storage->change_lock);
    if (rc != SILT_OK) {
        storage->drops_left = true;
        storage->drops_retry_ns = silt_clock_monotonic_ns() + RETRY_NS;
    }
    pthread_mutex_lock(&storage->cleanup.lock);
    bool none_open = !storage->cleanup.jobs.marked; /* none since these were taken */
    pthread_mutex_unlock(&storage->cleanup.lock);
    if (none_open && !storage->drops_left)
        rc = catalog_set_lonely(storage->catalog, false, err);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

/* ---------------------------------------------------------------- all of it */

/* Each with a reference. */
static struct database **all_databases(struct silt_storage *storage, size_t *count)
{
    pthread_rwlock_rdlock(&storage->meta_lock);
    struct database **databases = silt_malloc((storage->database_count + 1) * sizeof(*databases));
    for (*count = 0; *count < storage->database_count; (*count)++)
        databases[*count] = database_acquire(storage->databases[*count]);
    pthread_rwlock_unlock(&storage->meta_lock);
    return databases;
}

/* What a crash, or an error, kept from being finished: series that lost their last point may be anywhere. */
static enum silt_status suspect_all(struct silt_storage *storage, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    size_t count = 0;
    pthread_mutex_lock(&storage->change_lock);
    bool due = storage->drops_left && silt_clock_monotonic_ns() >= storage->drops_retry_ns;
    if (due) {
        storage->drops_left = false;
        open_job(storage, NULL);
    }
    pthread_mutex_unlock(&storage->change_lock);
    struct database **databases = due ? all_databases(storage, &count) : NULL;
    for (size_t d = 0; d < count && rc == SILT_OK; d++) {
        roaring_bitmap_t *all = roaring_bitmap_create();
        silt_assert(all);
        rc = database_series(databases[d], all, err);
        suspect(storage, databases[d], all);
        roaring_bitmap_free(all);
    }
    release_databases(databases, count);
    return rc;
}

static void first_error(enum silt_status *rc, enum silt_status next, struct silt_error *err, const struct silt_error *late)
{
    if (*rc == SILT_OK && next != SILT_OK) {
        *rc = next;
        *err = *late;
    }
}

/* Its series in the catalog; what a stop leaves of them goes at the next start. */
static enum silt_status clean_database(struct silt_storage *storage, const struct database *database, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    bool more = true;
    while (more && rc == SILT_OK && !atomic_load(&storage->upkeep_stop))
        rc = catalog_drop_rest(storage->catalog, database->id, &more, err);
    return rc;
}

enum silt_status cleanup_step(struct silt_storage *storage, bool *did, struct silt_error *err)
{
    struct cleanup *cleanup = &storage->cleanup;
    struct silt_error late;
    enum silt_status rc = suspect_all(storage, err);

    pthread_mutex_lock(&cleanup->lock);
    struct cleanup_jobs jobs = cleanup->jobs;
    cleanup->jobs = (struct cleanup_jobs){.ticket = jobs.ticket, .marked_seq = jobs.marked_seq};
    pthread_mutex_unlock(&cleanup->lock);

    for (size_t i = 0; i < jobs.shard_count; i++)
        first_error(&rc, clean_shard(storage, jobs.shards[i], &late), err, &late);
    free_shards(jobs.shards, jobs.shard_count);
    if (jobs.marked) {
        size_t count;
        struct database **databases = all_databases(storage, &count);
        for (size_t d = 0; d < count; d++)
            first_error(&rc, clean_series(storage, databases[d], jobs.ticket, did, &late), err, &late);
        release_databases(databases, count);
        first_error(&rc, close_jobs(storage, jobs.marked_seq, rc, &late), err, &late);
    }
    for (size_t i = 0; i < jobs.database_count; i++)
        first_error(&rc, clean_database(storage, jobs.databases[i], &late), err, &late);
    release_databases(jobs.databases, jobs.database_count);
    *did = *did || jobs.shard_count > 0 || jobs.database_count > 0;
    return rc == SILT_CANCELLED ? SILT_OK : rc; /* the server stops; the next start goes on */
}

/* ---------------------------------------------------------------- for those who list series */

bool cleanup_settled(struct silt_source *source, struct silt_str name, uint64_t *ticket, uint32_t wait_ms)
{
    struct silt_storage *storage = (struct silt_storage *)(void *)source;
    struct cleanup *cleanup = &storage->cleanup;
    struct timespec until = silt_clock_in((uint64_t)wait_ms * 1000000);
    int rc = 0;
    pthread_rwlock_rdlock(&storage->meta_lock);
    struct database *database = find_database(storage, name);
    database = database ? database_acquire(database) : NULL;
    pthread_rwlock_unlock(&storage->meta_lock);
    if (!database)
        return true;
    pthread_mutex_lock(&cleanup->lock);
    if (*ticket == 0)
        *ticket = database->owed; /* a database of that name that is made later owes less */
    while (database->paid < *ticket && *ticket <= database->owed && storage->retention.running && !atomic_load(&storage->upkeep_stop) && rc == 0)
        rc = pthread_cond_timedwait(&cleanup->cond, &cleanup->lock, &until);
    bool settled = rc == 0;
    pthread_mutex_unlock(&cleanup->lock);
    database_release(database);
    return settled;
}
