/*
 * policy.c - databases, retention policies, shard groups: InfluxDB 1.x's rules and texts.
 *
 * A change is made durable in the catalog first, under change_lock alone, and then published under meta_lock. Dropping is
 * in drop.c.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR_NS ((int64_t)3600 * 1000000000)
#define DAY_NS (24 * HOUR_NS)
/* Seconds from the year 1, where shard groups are counted from, to 1970. */
#define YEAR_ONE_SECONDS ((int64_t)62135596800)

static struct silt_str str(const char *text)
{
    return silt_str_from(text);
}

silt_time storage_now(struct silt_storage *storage)
{
    return storage->options.now ? storage->options.now(storage->options.now_arg) : silt_clock_now();
}

/* ---------------------------------------------------------------- finding */

struct database *find_database(struct silt_storage *storage, struct silt_str name)
{
    for (size_t i = 0; i < storage->database_count; i++)
        if (silt_str_equal(str(storage->databases[i]->name), name))
            return storage->databases[i];
    return NULL;
}

struct database *find_database_id(struct silt_storage *storage, uint32_t id)
{
    for (size_t i = 0; i < storage->database_count; i++)
        if (storage->databases[i]->id == id)
            return storage->databases[i];
    return NULL;
}

struct database *nth_database(struct silt_storage *storage, size_t place)
{
    pthread_rwlock_rdlock(&storage->meta_lock);
    struct database *database = place < storage->database_count ? database_acquire(storage->databases[place]) : NULL;
    pthread_rwlock_unlock(&storage->meta_lock);
    return database;
}

struct policy *find_policy(const struct database *database, struct silt_str name)
{
    if (name.len == 0)
        name = str(database->default_policy);
    for (size_t i = 0; i < database->policy_count; i++)
        if (silt_str_equal(str(database->policies[i]->name), name))
            return database->policies[i];
    return NULL;
}

static size_t shard_place(const struct silt_storage *storage, uint64_t id)
{
    size_t low = 0, high = storage->shard_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (storage->shards[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct shard *find_shard(struct silt_storage *storage, uint64_t id)
{
    size_t place = shard_place(storage, id);
    return place < storage->shard_count && storage->shards[place]->id == id ? storage->shards[place] : NULL;
}

struct shard *policy_shard_at(const struct policy *policy, silt_time time)
{
    size_t low = 0, high = policy->shard_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (policy->shards[middle]->end <= time)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < policy->shard_count; low++)
        if (policy->shards[low]->start <= time)
            return policy->shards[low];
    return NULL;
}

enum silt_status database_not_found(struct silt_str name, struct silt_error *err)
{
    return silt_fail(err, SILT_NOT_FOUND, "database not found: %.*s", SILT_FMT(name));
}

enum silt_status policy_not_found(const struct database *database, struct silt_str name, struct silt_error *err)
{
    if (name.len == 0)
        name = str(database->default_policy);
    return silt_fail(err, SILT_NOT_FOUND, "retention policy not found: %.*s", SILT_FMT(name));
}

size_t all_shards(struct silt_storage *storage, struct shard ***shards)
{
    pthread_rwlock_rdlock(&storage->meta_lock);
    size_t count = storage->shard_count;
    *shards = silt_malloc((count + 1) * sizeof(**shards));
    for (size_t i = 0; i < count; i++)
        (*shards)[i] = shard_acquire(storage->shards[i]);
    pthread_rwlock_unlock(&storage->meta_lock);
    return count;
}

/* ---------------------------------------------------------------- the lists, with meta_lock's write side held */

struct database *database_create(struct silt_storage *storage, uint32_t id, struct silt_str name)
{
    struct database *database = silt_calloc(1, sizeof(*database));
    atomic_init(&database->references, 1);
    database->id = id;
    database->name = silt_strdup(name);
    database->default_policy = silt_strdup(SILT_STR(""));
    database->index = series_index_create(&storage->index_budget);
    series_index_limit(database->index, (struct series_limits){storage->options.series_max, storage->options.tag_values_max});
    database->dict = field_dict_create(&storage->index_budget);
    pthread_mutex_init(&database->define_lock, NULL);
    return database;
}

struct database *database_acquire(struct database *database)
{
    atomic_fetch_add_explicit(&database->references, 1, memory_order_relaxed);
    return database;
}

void policy_destroy(struct policy *policy)
{
    for (size_t i = 0; i < policy->shard_count; i++)
        shard_release(policy->shards[i]);
    free(policy->shards);
    definition_list_free(&policy->subscriptions);
    free(policy->name);
    free(policy);
}

void database_release(struct database *database)
{
    if (!database || atomic_fetch_sub_explicit(&database->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < database->policy_count; i++)
        policy_destroy(database->policies[i]);
    free(database->policies);
    definition_list_free(&database->queries);
    if (database->suspects)
        roaring_bitmap_free(database->suspects);
    series_index_destroy(database->index);
    field_dict_destroy(database->dict);
    pthread_mutex_destroy(&database->define_lock);
    free(database->measurements);
    free(database->default_policy);
    free(database->name);
    free(database);
}

void add_database(struct silt_storage *storage, struct database *database)
{
    storage->databases = silt_realloc(storage->databases, (storage->database_count + 1) * sizeof(*storage->databases));
    storage->databases[storage->database_count++] = database;
}

struct policy *add_policy(struct database *database, const struct catalog_policy *facts)
{
    struct policy *policy = silt_calloc(1, sizeof(*policy));
    policy->id = facts->id;
    policy->name = silt_strdup(facts->name);
    policy->duration_ns = facts->duration_ns;
    policy->shard_duration_ns = facts->shard_duration_ns;
    policy->replication = facts->replication;
    database->policies = silt_realloc(database->policies, (database->policy_count + 1) * sizeof(*database->policies));
    database->policies[database->policy_count++] = policy;
    return policy;
}

static void set_default(struct database *database, struct silt_str name)
{
    char *copy = silt_strdup(name);
    free(database->default_policy);
    database->default_policy = copy;
}

void policy_add_shard(struct silt_storage *storage, struct policy *policy, struct shard *shard)
{
    if (policy->shard_count == policy->shard_room) {
        policy->shard_room = policy->shard_room ? policy->shard_room * 2 : 8;
        policy->shards = silt_realloc(policy->shards, policy->shard_room * sizeof(*policy->shards));
    }
    size_t place = policy->shard_count++;
    for (; place > 0; place--) {
        const struct shard *before = policy->shards[place - 1];
        if (before->end < shard->end || (before->end == shard->end && before->start <= shard->start))
            break;
        policy->shards[place] = policy->shards[place - 1];
    }
    policy->shards[place] = shard;
    if ((place > 0 && policy->shards[place - 1]->end > shard->start)
        || (place + 1 < policy->shard_count && policy->shards[place + 1]->start < shard->end))
        policy->overlapping = true;

    if (storage->shard_count == storage->shard_room) {
        storage->shard_room = storage->shard_room ? storage->shard_room * 2 : 64;
        storage->shards = silt_realloc(storage->shards, storage->shard_room * sizeof(*storage->shards));
    }
    place = shard_place(storage, shard->id);
    memmove(storage->shards + place + 1, storage->shards + place, (storage->shard_count - place) * sizeof(*storage->shards));
    storage->shards[place] = shard_acquire(shard);
    storage->shard_count++;
}

void forget_shard(struct silt_storage *storage, struct shard *shard)
{
    size_t place = shard_place(storage, shard->id);
    if (place == storage->shard_count || storage->shards[place] != shard)
        return;
    storage->shard_count--;
    memmove(storage->shards + place, storage->shards + place + 1, (storage->shard_count - place) * sizeof(*storage->shards));
    atomic_store(&shard->dropped, true);
    shard_release(shard);
}

/* ---------------------------------------------------------------- rules */

static enum silt_status check_name(struct silt_str name, struct silt_error *err)
{
    if (name.len > 255)
        return silt_fail(err, SILT_INVALID, "name too long");
    bool good = name.len > 0 && !silt_str_equal(name, SILT_STR(".")) && !silt_str_equal(name, SILT_STR(".."));
    const unsigned char *p = (const unsigned char *)name.p;
    for (size_t i = 0; i < name.len && good; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '/' || p[i] == '\\')
            good = false;
        /* U+0080..U+00A0 and the soft hyphen; zero-width, separators and marks of direction */
        else if (p[i] == 0xc2 && i + 1 < name.len && (p[i + 1] <= 0xa0 || p[i + 1] == 0xad))
            good = false;
        else if (p[i] == 0xe2 && i + 2 < name.len && p[i + 1] == 0x80 && (p[i + 2] <= 0x8f || (p[i + 2] >= 0xa8 && p[i + 2] <= 0xaf)))
            good = false;
        else if (p[i] == 0xef && i + 2 < name.len && p[i + 1] == 0xbb && p[i + 2] == 0xbf)
            good = false;
    }
    return good ? SILT_OK : silt_fail(err, SILT_INVALID, "invalid name");
}

static int64_t default_shard_duration(int64_t duration_ns)
{
    if (duration_ns == 0 || duration_ns >= 180 * DAY_NS)
        return 168 * HOUR_NS;
    return duration_ns >= 48 * HOUR_NS ? 24 * HOUR_NS : HOUR_NS;
}

static int64_t normal_shard_duration(int64_t shard_duration_ns, int64_t duration_ns)
{
    if (shard_duration_ns == 0)
        return default_shard_duration(duration_ns);
    return shard_duration_ns < HOUR_NS ? HOUR_NS : shard_duration_ns;
}

static enum silt_status check_durations(int64_t duration_ns, int64_t shard_duration_ns, struct silt_error *err)
{
    if (duration_ns != 0 && duration_ns < HOUR_NS)
        return silt_fail(err, SILT_INVALID, "retention policy duration must be at least 1h0m0s");
    if (duration_ns != 0 && duration_ns < shard_duration_ns)
        return silt_fail(err, SILT_INVALID, "retention policy duration must be greater than the shard duration");
    return SILT_OK;
}

static const struct silt_policy_change nothing;

/* What a CREATE asks for, filled up with the defaults. */
static enum silt_status wanted_policy(struct silt_str name, const struct silt_policy_change *with,
                                      struct catalog_policy *out, struct silt_error *err)
{
    if (!with)
        with = &nothing;
    memset(out, 0, sizeof(*out));
    out->name = name;
    out->duration_ns = with->has_duration ? with->duration_ns : 0;
    out->shard_duration_ns = normal_shard_duration(with->has_shard_duration ? with->shard_duration_ns : 0, out->duration_ns);
    out->replication = with->has_replication ? with->replication : 1;
    enum silt_status rc = check_name(name, err);
    return rc != SILT_OK ? rc : check_durations(out->duration_ns, out->shard_duration_ns, err);
}

static bool same_policy(const struct policy *have, const struct catalog_policy *want)
{
    return have->duration_ns == want->duration_ns && have->shard_duration_ns == want->shard_duration_ns
           && have->replication == want->replication;
}

static enum silt_status policy_conflict(struct silt_error *err)
{
    return silt_fail(err, SILT_CONFLICT, "retention policy conflicts with an existing policy");
}

/* ---------------------------------------------------------------- create and alter */

static enum silt_status create_policy(struct silt_storage *storage, struct silt_str database_name, struct silt_str name,
                                      const struct silt_policy_change *with, struct silt_error *err)
{
    struct catalog_policy want;
    bool make_default = with && with->make_default;
    enum silt_status rc = wanted_policy(name, with, &want, err);
    if (rc != SILT_OK)
        return rc;
    struct database *database = find_database(storage, database_name);
    if (!database)
        return database_not_found(database_name, err);
    const struct policy *have = find_policy(database, name);
    if (have) {
        if (!same_policy(have, &want))
            return silt_fail(err, SILT_CONFLICT, "retention policy already exists");
        if (make_default && !silt_str_equal(str(database->default_policy), name))
            return policy_conflict(err);
        return SILT_OK;
    }
    want.database_id = database->id;
    if ((rc = catalog_create_policy(storage->catalog, &want, make_default, &want.id, err)) != SILT_OK)
        return rc;
    pthread_rwlock_wrlock(&storage->meta_lock);
    add_policy(database, &want);
    if (make_default)
        set_default(database, name);
    pthread_rwlock_unlock(&storage->meta_lock);
    return SILT_OK;
}

/* Whether CREATE DATABASE asks for what is there: of what it names only; a shard duration it does not name is the
 * default one of the policy's duration. */
static bool policy_matches(const struct policy *have, const struct silt_policy_change *with)
{
    int64_t shard_duration_ns = with->has_shard_duration ? with->shard_duration_ns : 0;

    return (!with->has_duration || with->duration_ns == have->duration_ns) &&
           (!with->has_replication || with->replication == have->replication) &&
           normal_shard_duration(shard_duration_ns, have->duration_ns) == have->shard_duration_ns;
}

/* CREATE DATABASE ... WITH on one that is there: it has no policy yet, or that one as its default. */
static enum silt_status create_again(struct silt_storage *storage, const struct database *have, struct silt_str policy_name,
                                     const struct silt_policy_change *with, struct silt_error *err)
{
    enum silt_status rc = with->has_duration ? check_durations(with->duration_ns, 0, err) : SILT_OK;

    if (rc != SILT_OK)
        return rc;
    if (have->policy_count == 0) {
        struct silt_policy_change first = *with;
        first.make_default = true;
        return create_policy(storage, str(have->name), policy_name, &first, err);
    }
    const struct policy *policy = find_policy(have, policy_name);
    bool same = policy && policy_matches(policy, with) && silt_str_equal(str(have->default_policy), policy_name);
    return same ? SILT_OK : policy_conflict(err);
}

static enum silt_status create_database(struct silt_storage *storage, struct silt_str name, struct silt_str policy_name,
                                        const struct silt_policy_change *with, struct silt_error *err)
{
    struct catalog_policy want;
    bool plain = !with && policy_name.len == 0;
    enum silt_status rc = check_name(name, err);
    if (rc != SILT_OK)
        return rc;
    if (policy_name.len == 0)
        policy_name = SILT_STR("autogen");
    if ((rc = check_name(policy_name, err)) != SILT_OK)
        return rc;
    const struct database *have = find_database(storage, name);
    if (have)
        return plain ? SILT_OK : create_again(storage, have, policy_name, with ? with : &nothing, err);
    if ((rc = wanted_policy(policy_name, with, &want, err)) != SILT_OK)
        return rc;
    uint32_t id;
    if ((rc = catalog_create_database(storage->catalog, name, &want, &id, err)) != SILT_OK)
        return rc;
    struct database *database = database_create(storage, id, name);
    add_policy(database, &want);
    set_default(database, want.name);
    pthread_rwlock_wrlock(&storage->meta_lock);
    add_database(storage, database);
    pthread_rwlock_unlock(&storage->meta_lock);
    return SILT_OK;
}

enum silt_status silt_storage_create_database(struct silt_storage *storage, struct silt_str name,
                                              struct silt_str policy_name, const struct silt_policy_change *with,
                                              struct silt_error *err)
{
    /* The lists change only under change_lock as well: holding it, they may be read without the other. */
    pthread_mutex_lock(&storage->change_lock);
    enum silt_status rc = create_database(storage, name, policy_name, with, err);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

enum silt_status silt_storage_create_policy(struct silt_storage *storage, struct silt_str database, struct silt_str name,
                                            const struct silt_policy_change *policy, struct silt_error *err)
{
    pthread_mutex_lock(&storage->change_lock);
    enum silt_status rc = create_policy(storage, database, name, policy, err);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

static enum silt_status alter_policy(struct silt_storage *storage, struct silt_str database_name, struct silt_str name,
                                     const struct silt_policy_change *change, struct silt_error *err)
{
    struct database *database = find_database(storage, database_name);
    if (!database)
        return database_not_found(database_name, err);
    struct policy *policy = find_policy(database, name); /* no name: the default one, as in InfluxDB */
    if (!policy)
        return silt_fail(err, SILT_NOT_FOUND, "retention policy not found: %.*s", SILT_FMT(name));
    name = str(policy->name);
    struct catalog_policy want = {policy->id, database->id, name, policy->duration_ns, policy->shard_duration_ns,
                                  policy->replication};
    if (change->has_duration)
        want.duration_ns = change->duration_ns;
    if (change->has_shard_duration)
        want.shard_duration_ns = normal_shard_duration(change->shard_duration_ns, want.duration_ns);
    if (change->has_replication)
        want.replication = change->replication;
    enum silt_status rc = check_durations(want.duration_ns, want.shard_duration_ns, err);
    if (rc == SILT_OK)
        rc = catalog_update_policy(storage->catalog, &want, change->make_default, err);
    if (rc != SILT_OK)
        return rc;
    pthread_rwlock_wrlock(&storage->meta_lock);
    policy->duration_ns = want.duration_ns;
    policy->shard_duration_ns = want.shard_duration_ns;
    policy->replication = want.replication;
    if (change->make_default)
        set_default(database, name);
    pthread_rwlock_unlock(&storage->meta_lock);
    return SILT_OK;
}

enum silt_status silt_storage_alter_policy(struct silt_storage *storage, struct silt_str database, struct silt_str name,
                                           const struct silt_policy_change *change, struct silt_error *err)
{
    pthread_mutex_lock(&storage->change_lock);
    enum silt_status rc = alter_policy(storage, database, name, change, err);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

/* ---------------------------------------------------------------- shard groups */

void group_range(const struct policy *policy, silt_time time, silt_time *start, silt_time *end)
{
    __int128 since = (__int128)time + (__int128)YEAR_ONE_SECONDS * 1000000000;
    __int128 first = since - since % policy->shard_duration_ns - (__int128)YEAR_ONE_SECONDS * 1000000000;
    __int128 last = first + policy->shard_duration_ns;
    *start = first < INT64_MIN ? INT64_MIN : (silt_time)first;
    *end = last > INT64_MAX ? INT64_MAX : (silt_time)last;
}

struct new_groups {
    struct catalog_range *ranges; /* in the order in which they were asked for: that of their numbers */
    silt_time *starts;            /* the same, rising */
    size_t count;
};

static void want_group(struct new_groups *groups, const struct policy *policy, silt_time time)
{
    struct catalog_range range;
    size_t low = 0, high = groups->count;
    group_range(policy, time, &range.start, &range.end);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (groups->starts[middle] < range.start)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < groups->count && groups->starts[low] == range.start)
        return;
    memmove(groups->starts + low + 1, groups->starts + low, (groups->count - low) * sizeof(*groups->starts));
    groups->starts[low] = range.start;
    groups->ranges[groups->count++] = range;
}

/* In one transaction, and for readers at one moment. change_lock is held. */
static enum silt_status make_shards(struct silt_storage *storage, struct database *database, struct policy *policy,
                                    const struct catalog_range *ranges, size_t count, struct silt_error *err)
{
    uint64_t *ids = silt_malloc(count * sizeof(*ids));
    struct shard **shards = silt_malloc(count * sizeof(*shards));
    size_t opened = 0;
    enum silt_status rc = catalog_create_shards(storage->catalog, database->id, policy->id, ranges, count, ids, err);
    bool created = rc == SILT_OK;
    while (rc == SILT_OK && opened < count) {
        rc = shard_open(database, storage->vfs, storage->wal, &storage->memtable_budget, storage->pieces, storage->epoch,
                        ids[opened], policy->id, ranges[opened].start, ranges[opened].end, SILT_STR(""), &shards[opened], err);
        opened += rc == SILT_OK;
    }
    if (created && opened < count) {
        struct silt_error ignored; /* a row that is left makes an empty group at the next start */
        if (catalog_drop_shards(storage->catalog, ids + opened, count - opened, &ignored) != SILT_OK)
            silt_log(SILT_LOG_WARN, "cannot take back shard groups", "error=\"%s\"", ignored.text);
    }
    pthread_rwlock_wrlock(&storage->meta_lock);
    for (size_t i = 0; i < opened; i++)
        policy_add_shard(storage, policy, shards[i]);
    pthread_rwlock_unlock(&storage->meta_lock);
    free(shards);
    free(ids);
    return rc;
}

enum silt_status ensure_shards(struct silt_storage *storage, struct silt_str database_name, struct silt_str policy_name,
                               const silt_time *times, size_t count, struct silt_error *err)
{
    struct new_groups groups = {silt_malloc((count + 1) * sizeof(*groups.ranges)),
                                silt_malloc((count + 1) * sizeof(*groups.starts)), 0};
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&storage->change_lock);
    struct database *database = find_database(storage, database_name);
    struct policy *policy = database ? find_policy(database, policy_name) : NULL;
    if (!database)
        rc = database_not_found(database_name, err);
    else if (!policy)
        rc = policy_not_found(database, policy_name, err);
    for (size_t i = 0; i < count && rc == SILT_OK; i++)
        if (!policy_shard_at(policy, times[i]))
            want_group(&groups, policy, times[i]);
    if (rc == SILT_OK && groups.count > 0)
        rc = make_shards(storage, database, policy, groups.ranges, groups.count, err);
    pthread_mutex_unlock(&storage->change_lock);
    free(groups.ranges);
    free(groups.starts);
    return rc;
}
