/*
 * reader.c - the source and its readers: a policy's shards in a range, pinned as they are.
 *
 * Shards are put in the order of time. Where shard groups overlap (the policy's shard duration was changed) they form one
 * unit, which a cursor merges; queries see units as shards.
 */
#include "storage/storage_internal.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- the source */

static struct silt_storage *storage_of(struct silt_source *source)
{
    return (struct silt_storage *)(void *)source;
}

static enum silt_status source_databases(struct silt_source *source, struct silt_arena *arena, struct silt_str **names,
                                         size_t *count)
{
    struct silt_storage *storage = storage_of(source);
    pthread_rwlock_rdlock(&storage->meta_lock);
    *count = storage->database_count;
    *names = silt_arena_alloc(arena, (*count + 1) * sizeof(**names));
    for (size_t i = 0; i < *count; i++)
        (*names)[i] = silt_arena_str(arena, silt_str_from(storage->databases[i]->name));
    pthread_rwlock_unlock(&storage->meta_lock);
    return SILT_OK;
}

static enum silt_status source_policies(struct silt_source *source, struct silt_str name, struct silt_arena *arena,
                                        struct silt_policy **policies, size_t *count, struct silt_error *err)
{
    struct silt_storage *storage = storage_of(source);
    enum silt_status rc = SILT_OK;
    pthread_rwlock_rdlock(&storage->meta_lock);
    const struct database *database = find_database(storage, name);
    if (database) {
        *count = database->policy_count;
        *policies = silt_arena_alloc(arena, (*count + 1) * sizeof(**policies));
        for (size_t i = 0; i < *count; i++) {
            const struct policy *policy = database->policies[i];
            (*policies)[i] = (struct silt_policy){silt_arena_str(arena, silt_str_from(policy->name)), policy->duration_ns,
                                                  policy->shard_duration_ns, policy->replication,
                                                  strcmp(policy->name, database->default_policy) == 0};
        }
    } else {
        rc = database_not_found(name, err);
    }
    pthread_rwlock_unlock(&storage->meta_lock);
    return rc;
}

static enum silt_status source_default_policy(struct silt_source *source, struct silt_str name, struct silt_arena *arena,
                                              struct silt_str *policy, struct silt_error *err)
{
    struct silt_storage *storage = storage_of(source);
    pthread_rwlock_rdlock(&storage->meta_lock);
    const struct database *database = find_database(storage, name);
    if (database)
        *policy = silt_arena_str(arena, silt_str_from(database->default_policy));
    pthread_rwlock_unlock(&storage->meta_lock);
    return database ? SILT_OK : database_not_found(name, err);
}

static enum silt_status source_shards(struct silt_source *source, struct silt_arena *arena,
                                      struct silt_shard_info **shards, size_t *count)
{
    struct silt_storage *storage = storage_of(source);
    pthread_rwlock_rdlock(&storage->meta_lock);
    *count = 0;
    *shards = silt_arena_alloc(arena, (storage->shard_count + 1) * sizeof(**shards));
    for (size_t d = 0; d < storage->database_count; d++) {
        const struct database *database = storage->databases[d];
        struct silt_str database_name = silt_arena_str(arena, silt_str_from(database->name));
        for (size_t p = 0; p < database->policy_count; p++) {
            const struct policy *policy = database->policies[p];
            struct silt_str policy_name = silt_arena_str(arena, silt_str_from(policy->name));
            for (size_t s = 0; s < policy->shard_count; s++)
                (*shards)[*count + s] = (struct silt_shard_info){
                    policy->shards[s]->id, policy->shards[s]->id, database_name, policy_name,
                    policy->shards[s]->start, policy->shards[s]->end, policy->duration_ns};
            *count += policy->shard_count;
        }
    }
    pthread_rwlock_unlock(&storage->meta_lock);
    return SILT_OK;
}

static int compare_shards(const void *a, const void *b)
{
    const struct shard *x = *(struct shard *const *)a, *y = *(struct shard *const *)b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void make_units(struct storage_reader *reader)
{
    qsort(reader->shards, reader->shard_count, sizeof(*reader->shards), compare_shards);
    for (size_t i = 0; i < reader->shard_count; i++) {
        struct shard *shard = reader->shards[i];
        reader->versions[i] = shard_pin(shard);
        struct reader_unit *last = reader->unit_count > 0 ? &reader->units[reader->unit_count - 1] : NULL;
        if (last && last->end > shard->start) {
            last->count++;
            if (shard->end > last->end)
                last->end = shard->end;
        } else {
            reader->units[reader->unit_count++] = (struct reader_unit){&reader->shards[i], &reader->versions[i], 1,
                                                                       shard->start, shard->end};
        }
    }
}

static enum silt_status source_open(struct silt_source *source, struct silt_str database_name, struct silt_str rp,
                                    silt_time min, silt_time max, struct silt_reader **out, struct silt_error *err)
{
    struct silt_storage *storage = storage_of(source);
    enum silt_status rc = SILT_OK;
    pthread_rwlock_rdlock(&storage->meta_lock);
    struct database *database = find_database(storage, database_name);
    struct policy *policy = database ? find_policy(database, rp) : NULL;
    if (!database) {
        rc = database_not_found(database_name, err);
    } else if (!policy) {
        rc = policy_not_found(database, rp, err);
    } else {
        struct storage_reader *reader = silt_calloc(1, sizeof(*reader));
        reader->base.ops = &storage_reader_ops;
        reader->database = database_acquire(database);
        reader->min = min;
        reader->max = max;
        reader->shards = silt_calloc(policy->shard_count + 1, sizeof(*reader->shards));
        reader->versions = silt_calloc(policy->shard_count + 1, sizeof(*reader->versions));
        reader->units = silt_calloc(policy->shard_count + 1, sizeof(*reader->units));
        for (size_t i = 0; i < policy->shard_count; i++)
            if (policy->shards[i]->start <= max && policy->shards[i]->end > min)
                reader->shards[reader->shard_count++] = shard_acquire(policy->shards[i]);
        make_units(reader);
        *out = &reader->base;
    }
    pthread_rwlock_unlock(&storage->meta_lock);
    return rc;
}

void source_init(struct silt_storage *storage)
{
    storage->source = (struct silt_source){source_databases, source_policies, source_default_policy, source_shards,
                                           source_open, cleanup_settled};
}

struct silt_source *silt_storage_source(struct silt_storage *storage)
{
    return &storage->source;
}

/* ---------------------------------------------------------------- a reader */

static struct storage_reader *reader_of(struct silt_reader *reader)
{
    return (struct storage_reader *)(void *)reader;
}

static enum silt_status reader_measurements(struct silt_reader *reader, struct silt_arena *arena, struct silt_str **names,
                                            size_t *count, struct silt_error *err)
{
    return series_index_measurements(reader_of(reader)->database->index, arena, names, NULL, count, err);
}

static int compare_fields(const void *a, const void *b)
{
    const struct silt_field *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order != 0 ? order : (int)x->type - (int)y->type;
}

static enum silt_status reader_fields(struct silt_reader *base, struct silt_str name, struct silt_arena *arena,
                                      struct silt_field **fields, size_t *count, struct silt_error *err)
{
    struct storage_reader *reader = reader_of(base);
    struct database *database = reader->database;
    uint32_t measurement = series_index_measurement(database->index, name);
    size_t room = 0;
    *fields = NULL;
    *count = 0;
    /* Types outlive the points that fixed them; without series there is nothing to show. */
    if (measurement == 0 || series_index_measurement_series(database->index, measurement) == 0)
        return SILT_OK;
    uint32_t field_count = field_dict_count(database->dict, measurement);
    if (base->allowance && field_count > base->allowance->names)
        return silt_read_exceeds(base->allowance, err);
    if (base->allowance) { /* a shard is pinned, asked for its fields, and looked into for every series */
        enum silt_status rc = silt_read_charge(base->allowance, field_count + 256 * (uint64_t)reader->shard_count, err);
        if (rc != SILT_OK)
            return rc;
    }
    uint8_t *seen = silt_arena_zalloc(arena, (size_t)field_count + 1); /* a bit a type */
    for (size_t s = 0; s < reader->shard_count; s++) {
        struct field_ref *refs;
        size_t ref_count;
        enum silt_status rc = field_types_list(reader->shards[s]->types, measurement, arena, &refs, &ref_count, err);
        if (rc != SILT_OK)
            return rc;
        for (size_t i = 0; i < ref_count; i++) {
            if (refs[i].field_id > field_count || (seen[refs[i].field_id] >> refs[i].type & 1))
                continue;
            seen[refs[i].field_id] |= (uint8_t)(1u << refs[i].type);
            *fields = silt_arena_grow(arena, *fields, &room, *count + 1, sizeof(**fields));
            (*fields)[(*count)++] = (struct silt_field){field_dict_name(database->dict, measurement, refs[i].field_id),
                                                        refs[i].type};
        }
    }
    if (*count > 1)
        qsort(*fields, *count, sizeof(**fields), compare_fields);
    return SILT_OK;
}

static enum silt_status reader_tag_keys(struct silt_reader *reader, struct silt_str name, struct silt_arena *arena,
                                        struct silt_str **keys, size_t *count, struct silt_error *err)
{
    struct series_index *index = reader_of(reader)->database->index;
    uint32_t measurement = series_index_measurement(index, name);
    *count = 0;
    if (measurement && reader->allowance && series_index_tag_key_count(index, measurement) > reader->allowance->names)
        return silt_read_exceeds(reader->allowance, err);
    return measurement ? series_index_tag_keys(index, measurement, arena, keys, count, err) : SILT_OK;
}

static enum silt_status reader_tag_values(struct silt_reader *reader, struct silt_str name, struct silt_str key,
                                          const struct silt_tag_filter *filter, struct silt_arena *arena,
                                          struct silt_str **values, size_t *count, struct silt_error *err)
{
    struct series_index *index = reader_of(reader)->database->index;
    uint32_t measurement = series_index_measurement(index, name);
    *count = 0;
    return measurement ? series_index_tag_values(index, measurement, key, filter, arena, values, count, err) : SILT_OK;
}

static enum silt_status select_series(struct silt_reader *reader, struct silt_str name,
                                      const struct silt_tag_filter *filter, enum series_order order,
                                      struct silt_arena *arena, struct silt_series_set *out, struct silt_error *err)
{
    struct series_index *index = reader_of(reader)->database->index;
    uint32_t measurement = series_index_measurement(index, name);
    *out = (struct silt_series_set){NULL, 0};
    if (measurement && reader->allowance &&
        !series_index_select_is_short(index, measurement, filter, reader->allowance->series))
        return silt_read_exceeds(reader->allowance, err);
    return measurement ? series_index_select(index, measurement, filter, order, arena, out, err) : SILT_OK;
}

static enum silt_status reader_series(struct silt_reader *reader, struct silt_str name,
                                      const struct silt_tag_filter *filter, struct silt_arena *arena,
                                      struct silt_series_set *out, struct silt_error *err)
{
    return select_series(reader, name, filter, SERIES_BY_KEY, arena, out, err);
}

static enum silt_status reader_series_unsorted(struct silt_reader *reader, struct silt_str name,
                                               const struct silt_tag_filter *filter, struct silt_arena *arena,
                                               struct silt_series_set *out, struct silt_error *err)
{
    return select_series(reader, name, filter, SERIES_BY_ID, arena, out, err);
}

static void reader_series_tags(struct silt_reader *reader, silt_series_id id, struct silt_arena *arena,
                               struct silt_str *key, struct silt_tag **tags, size_t *count)
{
    struct silt_str ignored;
    size_t none;
    if (series_index_series(reader_of(reader)->database->index, id, arena, key ? key : &ignored, NULL, tags,
                            count ? count : &none))
        return;
    if (key)
        *key = (struct silt_str){NULL, 0};
    if (tags)
        *tags = NULL;
    if (count)
        *count = 0;
}

static void reader_series_values(struct silt_reader *reader, const silt_series_id *ids, size_t count,
                                 const struct silt_str *keys, size_t key_count, struct silt_arena *arena,
                                 struct silt_tag *tags, uint32_t *tag_counts)
{
    series_index_values(reader_of(reader)->database->index, ids, count, keys, key_count, arena, tags, tag_counts);
}

static uint32_t reader_shard_count(struct silt_reader *reader)
{
    return reader_of(reader)->unit_count;
}

static bool reader_shard_has_series(struct silt_reader *base, uint32_t shard, silt_series_id id)
{
    struct storage_reader *reader = reader_of(base);
    silt_assert(shard < reader->unit_count);
    const struct reader_unit *unit = &reader->units[shard];
    for (size_t i = 0; i < unit->count; i++) {
        struct silt_error err;
        bool has = false;
        /* Damage shows when the data is read. */
        if (version_has_series(unit->versions[i], id, &has, &err) != SILT_OK || has)
            return true;
    }
    return false;
}

static void reader_release(struct silt_reader *base)
{
    struct storage_reader *reader = reader_of(base);
    for (size_t i = 0; i < reader->shard_count; i++) {
        version_release(reader->versions[i]);
        shard_release(reader->shards[i]);
    }
    free(reader->shards);
    free(reader->versions);
    free(reader->units);
    database_release(reader->database);
    free(reader);
}

const struct silt_reader_ops storage_reader_ops = {
    .measurements = reader_measurements,
    .fields = reader_fields,
    .tag_keys = reader_tag_keys,
    .tag_values = reader_tag_values,
    .series = reader_series,
    .series_unsorted = reader_series_unsorted,
    .series_tags = reader_series_tags,
    .series_values = reader_series_values,
    .shard_count = reader_shard_count,
    .shard_has_series = reader_shard_has_series,
    .cursor_create = cursor_create,
    .cursor_seek = cursor_seek,
    .cursor_next = cursor_next,
    .cursor_times = cursor_times,
    .cursor_column = cursor_column,
    .cursor_stats = cursor_stats,
    .cursor_skip = cursor_skip,
    .cursor_prefer_stats = cursor_prefer_stats,
    .cursor_counters = cursor_counters,
    .cursor_destroy = cursor_destroy,
    .series_cost = reader_series_cost,
    .release = reader_release,
};
