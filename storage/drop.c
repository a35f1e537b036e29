/*
 * drop.c - shard groups, policies and databases that go, by a statement or because their time is over (retention).
 *
 *     catalog: one transaction -> lists: one hold of meta_lock -> files -> series without points
 *     `------- change_lock -----------------------------------'    `-- no lock, however long it takes
 *
 * What is dropped is gone for everybody with the second step; readers that are at it go on with the version they have
 * pinned. A crash leaves folders that no catalog row names, which the next start removes, and series without points: a
 * mark in the catalog, made in the same transaction and taken back in the end, tells the next start to look for them.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdlib.h>

#define EXPIRED_SLICE 256u /* shards in one transaction and one hold of meta_lock */

struct dropped { /* each with a reference */
    struct shard **shards;
    size_t count, room;
};

/* ---------------------------------------------------------------- out of the lists; change_lock is held */

static void note_dropped(struct dropped *dropped, struct shard *shard)
{
    if (dropped->count == dropped->room) {
        dropped->room = dropped->room ? dropped->room * 2 : 64;
        dropped->shards = silt_realloc(dropped->shards, dropped->room * sizeof(*dropped->shards));
    }
    dropped->shards[dropped->count++] = shard;
}

/* With meta_lock's write side: those that are dropped already by the catalog leave; the policy's references go along. */
static void take_out(struct silt_storage *storage, struct policy *policy, bool (*goes)(const struct shard *, const void *),
                     const void *arg, size_t most, struct dropped *dropped)
{
    size_t kept = 0, taken = 0;
    for (size_t i = 0; i < policy->shard_count; i++) {
        struct shard *shard = policy->shards[i];
        if (taken < most && goes(shard, arg)) {
            note_dropped(dropped, shard);
            forget_shard(storage, shard);
            taken++;
        } else {
            policy->shards[kept++] = shard;
        }
    }
    policy->shard_count = kept;
}

static bool any_shard(const struct shard *shard, const void *arg)
{
    (void)shard;
    (void)arg;
    return true;
}

static bool is_shard(const struct shard *shard, const void *arg)
{
    return shard->id == *(const uint64_t *)arg;
}

/* Up to `most` of the policy's shards. */
static enum silt_status drop_some(struct silt_storage *storage, struct policy *policy,
                                  bool (*goes)(const struct shard *, const void *), const void *arg, size_t most,
                                  struct dropped *dropped, struct silt_error *err)
{
    uint64_t *ids = silt_malloc((most + 1) * sizeof(*ids));
    size_t count = 0;
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < policy->shard_count && count < most; i++)
        if (goes(policy->shards[i], arg))
            ids[count++] = policy->shards[i]->id;
    if (count > 0)
        rc = catalog_drop_shards(storage->catalog, ids, count, err);
    if (count > 0 && rc == SILT_OK) {
        pthread_rwlock_wrlock(&storage->meta_lock);
        take_out(storage, policy, goes, arg, count, dropped);
        pthread_rwlock_unlock(&storage->meta_lock);
    }
    free(ids);
    return rc;
}

/* ---------------------------------------------------------------- what follows; no lock is held */

/* Each data file goes with its last reader; then the rest of the folder. */
static void remove_files(struct silt_storage *storage, struct shard *shard)
{
    char folder[VFS_NAME_BYTES_MAX];
    struct silt_error err;
    shard_folder(shard->id, folder);
    pthread_mutex_lock(&shard->flush_lock);
    pthread_mutex_lock(&shard->compact_lock);
    struct version *version = shard_pin(shard);
    struct version_change change = {.remove = version->files, .remove_count = version->file_count};
    pthread_mutex_lock(&shard->manifest_lock);
    shard_change(shard, &change);
    pthread_mutex_unlock(&shard->manifest_lock);
    version_release(version);
    if (storage->vfs->ops->remove_folder(storage->vfs, folder, &err) != SILT_OK)
        silt_log(SILT_LOG_WARN, "cannot remove a dropped shard's files", "shard=%llu error=\"%s\"",
                 (unsigned long long)shard->id, err.text);
    pthread_mutex_unlock(&shard->compact_lock);
    pthread_mutex_unlock(&shard->flush_lock);
}

static void free_dropped(struct silt_storage *storage, struct dropped *dropped)
{
    for (size_t i = 0; i < dropped->count; i++) {
        remove_files(storage, dropped->shards[i]);
        shard_release(dropped->shards[i]);
    }
    free(dropped->shards);
    *dropped = (struct dropped){0};
}

/* The mark in the catalog stays while anybody is at it, and when something went wrong: for the next start. */
static enum silt_status end_drop(struct silt_storage *storage, enum silt_status rc, struct silt_error *err)
{
    pthread_mutex_lock(&storage->change_lock);
    storage->drops_failed = storage->drops_failed || rc != SILT_OK;
    if (--storage->drops_open == 0 && !storage->drops_failed)
        rc = catalog_set_lonely(storage->catalog, false, err);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

/* Files, then the series that had points there alone. drops_open was counted up when the shards left the lists. */
static enum silt_status finish_drop(struct silt_storage *storage, struct database *database, struct dropped *dropped,
                                    struct silt_error *err)
{
    roaring_bitmap_t *candidates = roaring_bitmap_create();
    enum silt_status rc = SILT_OK;
    silt_assert(candidates);
    for (size_t i = 0; i < dropped->count && rc == SILT_OK; i++) {
        struct version *version = shard_pin(dropped->shards[i]);
        rc = version_series(version, candidates, err);
        version_release(version);
    }
    free_dropped(storage, dropped);
    if (rc == SILT_OK)
        rc = remove_lonely_series(storage, database, candidates, err);
    roaring_bitmap_free(candidates);
    return end_drop(storage, rc, err);
}

/* ---------------------------------------------------------------- statements */

enum silt_status silt_storage_drop_database(struct silt_storage *storage, struct silt_str name, struct silt_error *err)
{
    struct dropped dropped = {0};
    pthread_mutex_lock(&storage->change_lock);
    struct database *database = find_database(storage, name);
    enum silt_status rc = database ? catalog_drop_database(storage->catalog, database->id, err) : SILT_OK;
    if (database && rc == SILT_OK) {
        pthread_rwlock_wrlock(&storage->meta_lock);
        atomic_store(&database->dropped, true);
        for (size_t i = 0; i < storage->database_count; i++) {
            if (storage->databases[i] == database) {
                memmove(storage->databases + i, storage->databases + i + 1,
                        (storage->database_count - i - 1) * sizeof(*storage->databases));
                storage->database_count--;
                break;
            }
        }
        for (size_t p = 0; p < database->policy_count; p++)
            take_out(storage, database->policies[p], any_shard, NULL, SIZE_MAX, &dropped);
        pthread_rwlock_unlock(&storage->meta_lock);
        users_forget_database(storage, database->id);
    }
    pthread_mutex_unlock(&storage->change_lock);
    free_dropped(storage, &dropped);
    if (database && rc == SILT_OK)
        database_release(database);
    return rc;
}

enum silt_status silt_storage_drop_policy(struct silt_storage *storage, struct silt_str database_name,
                                          struct silt_str name, struct silt_error *err)
{
    struct dropped dropped = {0};
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&storage->change_lock);
    struct database *database = find_database(storage, database_name);
    struct policy *policy = database && name.len > 0 ? find_policy(database, name) : NULL;
    if (policy)
        rc = catalog_drop_policy(storage->catalog, policy->id, err);
    bool done = policy && rc == SILT_OK;
    if (done) {
        database_acquire(database);
        pthread_rwlock_wrlock(&storage->meta_lock);
        take_out(storage, policy, any_shard, NULL, SIZE_MAX, &dropped);
        for (size_t i = 0; i < database->policy_count; i++) {
            if (database->policies[i] == policy) {
                memmove(database->policies + i, database->policies + i + 1,
                        (database->policy_count - i - 1) * sizeof(*database->policies));
                database->policy_count--;
                break;
            }
        }
        pthread_rwlock_unlock(&storage->meta_lock);
        policy_destroy(policy);
        storage->drops_open++;
    }
    pthread_mutex_unlock(&storage->change_lock);
    if (done) {
        rc = finish_drop(storage, database, &dropped, err);
        database_release(database);
    }
    return rc;
}

enum silt_status silt_storage_drop_shard(struct silt_storage *storage, uint64_t shard_id, struct silt_error *err)
{
    struct dropped dropped = {0};
    struct database *database = NULL;
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&storage->change_lock);
    const struct shard *shard = find_shard(storage, shard_id);
    for (size_t p = 0; shard && p < shard->owner->policy_count; p++) {
        if (shard->owner->policies[p]->id != shard->policy_id)
            continue;
        database = database_acquire(shard->owner);
        rc = drop_some(storage, database->policies[p], is_shard, &shard_id, 1, &dropped, err);
        storage->drops_open += dropped.count;
        break;
    }
    pthread_mutex_unlock(&storage->change_lock);
    if (dropped.count > 0)
        rc = finish_drop(storage, database, &dropped, err);
    database_release(database);
    return rc;
}

/* ---------------------------------------------------------------- retention */

struct age {
    silt_time now;
    int64_t duration_ns;
};

static bool is_expired(const struct shard *shard, const void *arg)
{
    const struct age *age = arg;
    return (__int128)shard->end + age->duration_ns < age->now;
}

/* In slices, so that whoever makes a group, a policy or a database meanwhile waits for one slice at most. */
static enum silt_status drop_expired(struct silt_storage *storage, struct database *database, struct dropped *dropped,
                                     struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    bool more = true, marked = false;
    while (more && rc == SILT_OK && !atomic_load(&storage->upkeep_stop)) {
        struct age age = {storage_now(storage), 0};
        size_t before = dropped->count;
        pthread_mutex_lock(&storage->change_lock);
        for (size_t p = 0; rc == SILT_OK && !atomic_load(&database->dropped) && p < database->policy_count; p++) {
            age.duration_ns = database->policies[p]->duration_ns;
            if (age.duration_ns != 0)
                rc = drop_some(storage, database->policies[p], is_expired, &age, EXPIRED_SLICE, dropped, err);
        }
        if (dropped->count > before && !marked)
            storage->drops_open++;
        marked = marked || dropped->count > before;
        pthread_mutex_unlock(&storage->change_lock);
        more = dropped->count - before >= EXPIRED_SLICE;
    }
    return rc;
}

/* What a crash, or an error, kept an earlier run of the server from finishing. */
static enum silt_status resume_drops(struct silt_storage *storage, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    struct database *database;
    for (size_t d = 0; rc == SILT_OK && (database = nth_database(storage, d)); d++) {
        roaring_bitmap_t *candidates = roaring_bitmap_create();
        silt_assert(candidates);
        rc = database_series(database, candidates, err);
        if (rc == SILT_OK)
            rc = remove_lonely_series(storage, database, candidates, err);
        roaring_bitmap_free(candidates);
        database_release(database);
    }
    return end_drop(storage, rc, err);
}

enum silt_status retention_step(struct silt_storage *storage, bool *did, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    struct database *database;
    if (storage->drops_left) {
        storage->drops_left = false;
        rc = resume_drops(storage, err);
    }
    if (storage->options.retention_off)
        return rc;
    for (size_t d = 0; rc == SILT_OK && (database = nth_database(storage, d)); d++) {
        struct dropped dropped = {0};
        struct silt_error late;
        uint64_t begun_ns = silt_clock_monotonic_ns();
        size_t count;
        rc = drop_expired(storage, database, &dropped, err);
        if ((count = dropped.count) > 0) {
            *did = true;
            enum silt_status finished = finish_drop(storage, database, &dropped, &late);
            if (rc == SILT_OK && finished != SILT_OK) {
                rc = finished;
                *err = late;
            }
            silt_log(SILT_LOG_INFO, "shard groups expired", "database=\"%s\" count=%zu ms=%llu", database->name, count,
                     (unsigned long long)((silt_clock_monotonic_ns() - begun_ns) / 1000000));
        }
        database_release(database);
    }
    return rc == SILT_CANCELLED ? SILT_OK : rc; /* the server stops; the next one goes on */
}
