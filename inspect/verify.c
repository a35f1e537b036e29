/*
 * verify.c - believes nothing: SQLite's own check, every manifest, every file that it names, the tombstones, the log.
 *
 *     catalog   SQLite's check, and that shards belong to policies and policies to databases
 *     shard     manifest; each file as tsm_verify sees it, with the bytes, rows and times that the manifest tells,
 *               series that SQLite or the log knows, and ages in order; tombstones
 *     log       every record from the first on, decoded
 */
#include "inspect/inspect.h"

#include "silt/text.h"
#include "storage/record.h"
#include "storage/tsm_read.h"
#include "storage/wal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct verify {
    struct inspect_store store;
    roaring_bitmap_t **series; /* as store.databases: of SQLite and of the log's definitions */
    uint64_t problems, files, rows, bytes;
    struct silt_arena *arena;
    uint64_t records, record_rows;
};

static void damaged(struct verify *v, const char *where, const char *what)
{
    v->problems++;
    printf("DAMAGED  %s: %s\n", where, what);
}

/* ---------------------------------------------------------------- the catalog */

static enum silt_status note_series(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key,
                                    struct silt_error *err)
{
    roaring_bitmap_add(arg, id);
    return SILT_OK;
}

static void verify_catalog(struct verify *v)
{
    struct silt_error err;
    uint64_t series = 0;
    if (catalog_check(v->store.catalog, &err) != SILT_OK)
        damaged(v, "meta.sqlite", err.text);
    v->series = silt_calloc(v->store.database_count + 1, sizeof(*v->series));
    for (size_t d = 0; d < v->store.database_count; d++) {
        v->series[d] = roaring_bitmap_create();
        if (inspect_each_series(&v->store, &v->store.databases[d], note_series, v->series[d], &err) != SILT_OK)
            damaged(v, "meta.sqlite", err.text);
        series += roaring_bitmap_get_cardinality(v->series[d]);
    }
    for (size_t p = 0; p < v->store.policy_count; p++)
        if (!inspect_database(&v->store, v->store.policies[p].database_id))
            damaged(v, "meta.sqlite", "a retention policy belongs to no database");
    for (size_t s = 0; s < v->store.shard_count; s++)
        if (!inspect_policy(&v->store, v->store.shards[s].policy_id))
            damaged(v, "meta.sqlite", "a shard belongs to no retention policy");
    printf("catalog  %zu databases, %zu policies, %zu shards, %" PRIu64 " series\n", v->store.database_count,
           v->store.policy_count, v->store.shard_count, series);
}

/* ---------------------------------------------------------------- the log */

static enum silt_status note_definition(void *arg, uint32_t database, const struct record_definition *definition,
                                        struct silt_error *err)
{
    struct verify *v = arg;
    const struct inspect_database *owner = inspect_database(&v->store, database);
    if (owner && definition->what == 'S')
        roaring_bitmap_add(v->series[owner - v->store.databases], definition->series);
    return SILT_OK;
}

static enum silt_status read_rows(struct verify *v, const void *payload, size_t bytes, struct silt_error *err)
{
    struct memtable_row rows[RECORD_BLOCK_ROWS];
    struct record_rows record;
    size_t count = 1;
    enum silt_status rc = record_open_rows(payload, bytes, v->arena, &record, err);
    while (rc == SILT_OK && count > 0) {
        rc = record_next_rows(&record, v->arena, rows, &count, err);
        if (rc == SILT_OK)
            v->record_rows += count;
    }
    silt_arena_reset(v->arena);
    return rc;
}

static enum silt_status read_record(void *arg, uint64_t seq, uint8_t kind, const void *payload, size_t bytes,
                                    struct silt_error *err)
{
    struct verify *v = arg;
    struct record_delete what;
    enum silt_status rc;
    v->records++;
    switch (record_kind(payload, bytes)) {
    case RECORD_DEFINE:
        return record_each_definition(payload, bytes, note_definition, v, err);
    case RECORD_ROWS:
        return read_rows(v, payload, bytes, err);
    case RECORD_DELETE:
        rc = record_get_delete(payload, bytes, &what, err);
        if (rc == SILT_OK)
            roaring_bitmap_free(what.series);
        return rc;
    }
    return silt_fail(err, SILT_CORRUPT, "record %" PRIu64 " is of no known kind (%u)", seq, kind);
}

static void verify_log(struct verify *v)
{
    struct wal_options options = {.read_only = true};
    struct wal *wal = NULL;
    struct silt_error err;
    struct wal_stats stats = {0};
    enum silt_status rc = wal_open(v->store.vfs, &options, &wal, &err);
    if (rc == SILT_OK) {
        rc = wal_replay(wal, 0, read_record, v, &err);
        wal_stats(wal, &stats);
        wal_close(wal);
    }
    if (rc != SILT_OK)
        damaged(v, "log", err.text);
    char size[INSPECT_BYTES_TEXT_MAX];
    printf("log      %" PRIu64 " records with %" PRIu64 " rows, %s\n", v->records, v->record_rows,
           inspect_bytes(stats.bytes, size));
}

/* ---------------------------------------------------------------- shards */

static void check_series(struct verify *v, const struct catalog_shard *shard, struct tsm_file *file, const char *name)
{
    const struct inspect_database *database = inspect_database(&v->store, shard->database_id);
    uint64_t count = tsm_summary(file)->series;
    struct silt_error err;
    char what[128];
    if (!database)
        return;
    silt_series_id *ids = silt_malloc((count + 1) * sizeof(*ids));
    enum silt_status rc = tsm_series_ids(file, ids, &err);
    if (rc != SILT_OK)
        damaged(v, name, err.text);
    const roaring_bitmap_t *known = v->series[database - v->store.databases];
    uint64_t strangers = 0;
    for (uint64_t i = 0; rc == SILT_OK && i < count; i++)
        /* A dropped series' rows wait behind its tombstone for a merge; numbers above the last were never given. */
        strangers += ids[i] == 0 || (!roaring_bitmap_contains(known, ids[i]) && ids[i] > database->facts.last_series);
    if (strangers) {
        snprintf(what, sizeof(what), "%" PRIu64 " series have numbers that were never given", strangers);
        damaged(v, name, what);
    }
    free(ids);
}

static void verify_file(struct verify *v, const struct catalog_shard *shard, const struct manifest *manifest,
                        const struct manifest_file *facts)
{
    char name[VFS_NAME_BYTES_MAX];
    struct silt_error err;
    struct tsm_file *file;
    manifest_file_name(manifest, facts->file_id, name);
    v->files++;
    enum silt_status rc = tsm_open(v->store.vfs, name, &file, &err);
    if (rc != SILT_OK) {
        damaged(v, name, err.text);
        return;
    }
    const struct tsm_summary *summary = tsm_summary(file);
    if (tsm_verify(file, &err) != SILT_OK)
        damaged(v, name, err.text);
    if (summary->file_id != facts->file_id || summary->bytes != facts->bytes || summary->rows != facts->rows ||
        summary->min != facts->min || summary->max != facts->max)
        damaged(v, name, "it is not the file that the manifest describes");
    if (summary->min < shard->start || summary->max >= shard->end)
        damaged(v, name, "it has points outside the shard's time range");
    check_series(v, shard, file, name);
    v->rows += summary->rows;
    v->bytes += summary->bytes;
    tsm_close(file);
}

static void verify_shard(struct verify *v, const struct catalog_shard *shard)
{
    struct manifest manifest;
    struct silt_error err;
    char where[64];
    snprintf(where, sizeof(where), "shard %" PRIu64, shard->id);
    if (inspect_manifest(&v->store, shard, &manifest, &err) != SILT_OK) {
        damaged(v, where, err.text);
        return;
    }
    for (size_t i = 0; i < manifest.file_count; i++) {
        if (i > 0 && manifest.files[i].seq < manifest.files[i - 1].seq)
            damaged(v, where, "its files do not stand in the order of their age");
        verify_file(v, shard, &manifest, &manifest.files[i]);
    }
    if (inspect_tombstones(&v->store, &manifest, &err) != SILT_OK) {
        char name[VFS_NAME_BYTES_MAX];
        manifest_tombstone_name(&manifest, manifest.tombstone_id, name);
        damaged(v, name, err.text);
    }
    manifest_deinit(&manifest);
}

/* ---------------------------------------------------------------- all of it */

int inspect_verify(const char *directory)
{
    struct verify v = {0};
    struct silt_error err;
    char size[INSPECT_BYTES_TEXT_MAX];
    enum silt_status rc = inspect_open(directory, &v.store, &err);
    if (rc == SILT_CORRUPT) {
        damaged(&v, "meta.sqlite", err.text);
        return INSPECT_DAMAGED;
    }
    if (rc != SILT_OK)
        return inspect_fail(&err);
    v.arena = silt_arena_create(NULL);
    verify_catalog(&v);
    verify_log(&v); /* before the shards: it knows series that SQLite has not heard of */
    for (size_t s = 0; s < v.store.shard_count; s++)
        verify_shard(&v, &v.store.shards[s]);
    printf("files    %" PRIu64 " with %" PRIu64 " rows, %s\n", v.files, v.rows, inspect_bytes(v.bytes, size));
    if (v.problems)
        printf("%" PRIu64 " problem%s found\n", v.problems, v.problems == 1 ? "" : "s");
    else
        printf("no damage found\n");
    for (size_t d = 0; d < v.store.database_count; d++)
        roaring_bitmap_free(v.series[d]);
    free(v.series);
    silt_arena_destroy(v.arena);
    inspect_close(&v.store);
    return v.problems ? INSPECT_DAMAGED : INSPECT_FINE;
}
