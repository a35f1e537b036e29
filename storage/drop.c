/*
 * drop.c - shard groups, policies and databases that go, by a statement or because their time is over (retention).
 *
 *     catalog: one transaction -> lists: one hold of meta_lock -> cleanup.c: files, series without points
 *     `------- change_lock -----------------------------------'
 *
 * What is dropped is gone for everybody with the second step; readers that are at it go on with the version they have
 * pinned.
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
    if (database && rc == SILT_OK)
        cleanup_database(storage, database, dropped.shards, dropped.count);
    pthread_mutex_unlock(&storage->change_lock);
    free(dropped.shards);
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
    if (policy && rc == SILT_OK) {
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
        cleanup_shards(storage, dropped.shards, dropped.count, database);
    }
    pthread_mutex_unlock(&storage->change_lock);
    free(dropped.shards);
    return rc;
}

enum silt_status silt_storage_drop_shard(struct silt_storage *storage, uint64_t shard_id, struct silt_error *err)
{
    struct dropped dropped = {0};
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&storage->change_lock);
    const struct shard *shard = find_shard(storage, shard_id);
    struct database *database = shard ? shard->owner : NULL;
    for (size_t p = 0; shard && p < database->policy_count; p++) {
        if (shard->policy_id != database->policies[p]->id)
            continue;
        rc = drop_some(storage, database->policies[p], is_shard, &shard_id, 1, &dropped, err);
        break;
    }
    if (dropped.count > 0)
        cleanup_shards(storage, dropped.shards, dropped.count, database);
    pthread_mutex_unlock(&storage->change_lock);
    free(dropped.shards);
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
static enum silt_status drop_expired(struct silt_storage *storage, struct database *database, size_t *count,
                                     struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    bool more = true;
    *count = 0;
    while (more && rc == SILT_OK && !atomic_load(&storage->upkeep_stop)) {
        struct age age = {storage_now(storage), 0};
        struct dropped dropped = {0};
        pthread_mutex_lock(&storage->change_lock);
        for (size_t p = 0; rc == SILT_OK && !atomic_load(&database->dropped) && p < database->policy_count; p++) {
            age.duration_ns = database->policies[p]->duration_ns;
            if (age.duration_ns != 0)
                rc = drop_some(storage, database->policies[p], is_expired, &age, EXPIRED_SLICE, &dropped, err);
        }
        if (dropped.count > 0)
            cleanup_shards(storage, dropped.shards, dropped.count, NULL);
        pthread_mutex_unlock(&storage->change_lock);
        free(dropped.shards);
        *count += dropped.count;
        more = dropped.count >= EXPIRED_SLICE;
    }
    return rc;
}

enum silt_status retention_step(struct silt_storage *storage, bool *did, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    struct database *database;
    for (size_t d = 0; rc == SILT_OK && !storage->options.retention_off && (database = nth_database(storage, d)); d++) {
        size_t count;
        rc = drop_expired(storage, database, &count, err);
        if (count > 0) {
            *did = true;
            silt_log(SILT_LOG_INFO, "shard groups expired", "database=\"%s\" count=%zu", database->name, count);
        }
        database_release(database);
    }
    return rc;
}
