/*
 * store.c - opens a data directory, and reads what SQLite knows of it: all but the series, which are many.
 */
#include "inspect/inspect.h"

#include "storage/shard.h"
#include "storage/tombstone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- SQLite's facts */

static enum silt_status add_database(void *arg, const struct catalog_database *row, struct silt_error *err)
{
    struct inspect_store *store = arg;
    store->databases = silt_realloc(store->databases, (store->database_count + 1) * sizeof(*store->databases));
    struct inspect_database *database = &store->databases[store->database_count++];
    *database = (struct inspect_database){.facts = *row};
    database->facts.name = silt_arena_str(store->arena, row->name);
    database->facts.default_policy = silt_arena_str(store->arena, row->default_policy);
    return SILT_OK;
}

static enum silt_status add_policy(void *arg, const struct catalog_policy *row, struct silt_error *err)
{
    struct inspect_store *store = arg;
    store->policies = silt_realloc(store->policies, (store->policy_count + 1) * sizeof(*store->policies));
    store->policies[store->policy_count] = *row;
    store->policies[store->policy_count++].name = silt_arena_str(store->arena, row->name);
    return SILT_OK;
}

static enum silt_status add_shard(void *arg, const struct catalog_shard *row, struct silt_error *err)
{
    struct inspect_store *store = arg;
    store->shards = silt_realloc(store->shards, (store->shard_count + 1) * sizeof(*store->shards));
    store->shards[store->shard_count++] = *row;
    return SILT_OK;
}

static enum silt_status add_folder(void *arg, uint64_t shard_id, struct silt_error *err)
{
    struct inspect_store *store = arg;
    store->folders = silt_realloc(store->folders, (store->folder_count + 1) * sizeof(*store->folders));
    store->folders[store->folder_count++] = shard_id;
    return SILT_OK;
}

/* items[0..index] are there, the new ones zero. SQLite's numbers are dense, or the catalog is damaged. */
static void *grow(void *items, uint32_t *count, uint32_t index, size_t item_bytes)
{
    if (index < *count)
        return items;
    uint32_t room = index + index / 2 + 8;
    items = silt_realloc(items, room * item_bytes);
    memset((char *)items + *count * item_bytes, 0, (room - *count) * item_bytes);
    *count = room;
    return items;
}

#define NUMBER_MAX (1u << 28)

static enum silt_status add_measurement(void *arg, uint32_t database_id, uint32_t measurement, struct silt_str name,
                                        struct silt_error *err)
{
    struct inspect_store *store = arg;
    struct inspect_database *database = inspect_database(store, database_id);
    if (!database) /* of one that is being dropped */
        return SILT_OK;
    if (measurement > NUMBER_MAX)
        return silt_fail(err, SILT_CORRUPT, "catalog: measurement number %u", measurement);
    database->measurements = grow(database->measurements, &database->measurement_count, measurement,
                                  sizeof(*database->measurements));
    database->measurements[measurement].name = silt_arena_str(store->arena, name);
    return SILT_OK;
}

static enum silt_status add_field(void *arg, uint32_t database_id, uint32_t measurement, uint32_t field_id,
                                  struct silt_str name, struct silt_error *err)
{
    struct inspect_store *store = arg;
    struct inspect_database *database = inspect_database(store, database_id);
    if (!database)
        return SILT_OK;
    if (measurement >= database->measurement_count || field_id > NUMBER_MAX)
        return silt_fail(err, SILT_CORRUPT, "catalog: field %u of measurement %u", field_id, measurement);
    struct inspect_measurement *owner = &database->measurements[measurement];
    owner->fields = grow(owner->fields, &owner->field_count, field_id, sizeof(*owner->fields));
    owner->fields[field_id] = silt_arena_str(store->arena, name);
    return SILT_OK;
}

/* ---------------------------------------------------------------- the store */

enum silt_status inspect_open(const char *directory, struct inspect_store *out, struct silt_error *err)
{
    char path[4096];
    struct stat st;
    *out = (struct inspect_store){0};
    /* Opening makes what is missing: so it has to be there. */
    if (snprintf(path, sizeof(path), "%s/meta.sqlite", directory) >= (int)sizeof(path))
        return silt_fail(err, SILT_INVALID, "the path is too long: %.100s...", directory);
    if (stat(path, &st) != 0)
        return errno == ENOENT ? silt_fail(err, SILT_NOT_FOUND, "%s: not a data directory: it has no meta.sqlite", directory)
                               : silt_fail_errno(err, errno, "%s", path);
    enum silt_status rc = vfs_posix_open(directory, &out->vfs, err);
    if (rc != SILT_OK)
        return rc;
    out->arena = silt_arena_create(NULL);
    rc = catalog_open(out->vfs->ops->local_path(out->vfs, "meta.sqlite"), &out->catalog, err);
    if (rc == SILT_OK)
        rc = catalog_databases(out->catalog, add_database, out, err);
    if (rc == SILT_OK)
        rc = catalog_policies(out->catalog, add_policy, out, err);
    if (rc == SILT_OK)
        rc = catalog_shards(out->catalog, add_shard, out, err);
    if (rc == SILT_OK)
        rc = catalog_folders(out->catalog, add_folder, out, err);
    if (rc == SILT_OK)
        rc = catalog_load_manifests(out->catalog, &out->manifests, err);
    if (rc == SILT_OK)
        rc = catalog_measurements(out->catalog, add_measurement, out, err);
    if (rc == SILT_OK)
        rc = catalog_fields(out->catalog, add_field, out, err);
    if (rc != SILT_OK)
        inspect_close(out);
    return rc;
}

void inspect_close(struct inspect_store *store)
{
    for (size_t d = 0; d < store->database_count; d++) {
        for (uint32_t m = 0; m < store->databases[d].measurement_count; m++)
            free(store->databases[d].measurements[m].fields);
        free(store->databases[d].measurements);
    }
    free(store->databases);
    free(store->policies);
    free(store->shards);
    free(store->folders);
    catalog_free_manifests(&store->manifests);
    catalog_close(store->catalog);
    silt_arena_destroy(store->arena);
    vfs_close(store->vfs);
    *store = (struct inspect_store){0};
}

struct inspect_database *inspect_database(const struct inspect_store *store, uint32_t id)
{
    for (size_t i = 0; i < store->database_count; i++)
        if (store->databases[i].facts.id == id)
            return &store->databases[i];
    return NULL;
}

const struct catalog_policy *inspect_policy(const struct inspect_store *store, uint32_t id)
{
    for (size_t i = 0; i < store->policy_count; i++)
        if (store->policies[i].id == id)
            return &store->policies[i];
    return NULL;
}

const struct catalog_shard *inspect_shard(const struct inspect_store *store, uint64_t id)
{
    for (size_t i = 0; i < store->shard_count; i++)
        if (store->shards[i].id == id)
            return &store->shards[i];
    return NULL;
}

enum silt_status inspect_each_series(const struct inspect_store *store, const struct inspect_database *database,
                                     catalog_series_fn each, void *arg, struct silt_error *err)
{
    return catalog_series(store->catalog, database->facts.id, each, arg, err);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum silt_status inspect_manifest(const struct inspect_store *store, const struct catalog_shard *shard,
                                  struct manifest *out, struct silt_error *err)
{
    char folder[VFS_NAME_BYTES_MAX];
    shard_folder(shard->id, folder);
    enum silt_status rc = manifest_load_kept(store->vfs, folder, MANIFEST_READER, catalog_manifest_of(&store->manifests, shard->id), out, err);
    bool had = store->folder_count && bsearch(&shard->id, store->folders, store->folder_count, sizeof(*store->folders), by_number);
    if (rc == SILT_OK && had && (rc = manifest_expect(out, err)) != SILT_OK)
        manifest_deinit(out);
    return rc;
}

enum silt_status inspect_tombstones(const struct inspect_store *store, const struct manifest *manifest, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct tombstone **tombstones;
    size_t count;
    if (!manifest->tombstone_id)
        return SILT_OK;
    manifest_tombstone_name(manifest, manifest->tombstone_id, name);
    enum silt_status rc = tombstone_load(store->vfs, name, &tombstones, &count, err);
    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; i < count; i++)
        tombstone_release(tombstones[i]);
    free(tombstones);
    return SILT_OK;
}
