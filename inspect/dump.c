/*
 * dump.c - one file as text. A TSM file by its index, the log by its records, a manifest and tombstones whole.
 */
#include "inspect/inspect.h"

#include "storage/record.h"
#include "storage/shard.h"
#include "storage/tombstone.h"
#include "storage/tsm_read.h"
#include "storage/wal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- TSM */

struct keys { /* of one database: texts by series id, in the store's arena */
    struct silt_arena *arena;
    struct silt_str *items;
    size_t count;
};

static enum silt_status note_key(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key,
                                 struct silt_error *err)
{
    struct keys *keys = arg;
    if (id >= keys->count) {
        size_t count = (size_t)id * 2 + 64;
        keys->items = silt_realloc(keys->items, count * sizeof(*keys->items));
        memset(keys->items + keys->count, 0, (count - keys->count) * sizeof(*keys->items));
        keys->count = count;
    }
    keys->items[id] = silt_arena_str(keys->arena, key);
    return SILT_OK;
}

static void print_value(enum silt_type type, union silt_value value)
{
    char text[SILT_NUMBER_TEXT_MAX];
    size_t len = 0;
    if (type == SILT_TYPE_FLOAT)
        len = silt_write_double_json(text, value.f64);
    else if (type == SILT_TYPE_INTEGER)
        len = silt_write_int(text, value.i64);
    else if (type == SILT_TYPE_UNSIGNED)
        len = silt_write_uint(text, value.u64);
    else
        len = (size_t)snprintf(text, sizeof(text), "%s", value.u64 & 1 ? "true" : "false");
    printf("%.*s", (int)len, text);
}

static void print_field(const struct tsm_field *field)
{
    struct silt_block_stats stats;
    enum silt_type type = (enum silt_type)field->type;
    printf("      field %-4u %-8s %-10s %6u values%s  %7u bytes", field->field_id, silt_type_name(type),
           field->lone ? "in index" : inspect_codec(field->codec), field->count, field->gaps ? " with gaps" : "",
           field->block_bytes);
    if (type != SILT_TYPE_STRING && tsm_field_stats(field, &stats)) {
        printf("  min ");
        print_value(type, stats.min);
        printf(" max ");
        print_value(type, stats.max);
    }
    printf("\n");
}

static enum silt_status dump_entries(struct tsm_file *file, const struct keys *keys, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    enum silt_status rc = SILT_OK;
    for (uint64_t s = 0; s < tsm_summary(file)->series && rc == SILT_OK; s++) {
        struct tsm_entry entry;
        char min[SILT_TIME_TEXT_MAX + 1], max[SILT_TIME_TEXT_MAX + 1];
        if ((rc = tsm_series_at(file, s, INT64_MIN, INT64_MAX, arena, &entry, err)) != SILT_OK)
            break;
        struct silt_str key = entry.series < keys->count ? keys->items[entry.series] : (struct silt_str){0};
        printf("  series %u %.*s\n", entry.series, SILT_FMT(key));
        for (size_t g = 0; g < entry.group_count; g++) {
            const struct tsm_group *group = &entry.groups[g];
            printf("    %5u rows  %s to %s  at %" PRIu64 "  times: %s, %u bytes\n", group->rows,
                   inspect_time(group->min, min), inspect_time(group->max, max), group->offset,
                   group->times_bytes ? inspect_codec(group->times_codec) : "one step", group->times_bytes);
            for (uint32_t f = 0; f < group->field_count; f++)
                print_field(&group->fields[f]);
        }
        silt_arena_reset(arena);
    }
    silt_arena_destroy(arena);
    return rc;
}

/* The keys of the database that the file's folder belongs to. */
static enum silt_status find_keys(const struct inspect_store *store, const char *name, struct keys *keys,
                                  struct silt_error *err)
{
    unsigned long long shard;
    if (sscanf(name, "shards/%llu/", &shard) != 1)
        return SILT_OK;
    for (size_t i = 0; i < store->shard_count; i++) {
        const struct inspect_database *database = inspect_database(store, store->shards[i].database_id);
        if (store->shards[i].id == shard && database)
            return inspect_each_series(store, database, note_key, keys, err);
    }
    return SILT_OK;
}

static enum silt_status dump_tsm(const struct inspect_store *store, const char *name, struct silt_error *err)
{
    struct keys keys = {.arena = store->arena};
    struct tsm_file *file;
    char min[SILT_TIME_TEXT_MAX + 1], max[SILT_TIME_TEXT_MAX + 1];
    enum silt_status rc = tsm_open(store->vfs, name, &file, err);
    if (rc != SILT_OK)
        return rc;
    const struct tsm_summary *summary = tsm_summary(file);
    printf("TSM file %" PRIu64 ", epoch %" PRIu64 ": %" PRIu64 " bytes, %" PRIu64 " series, %" PRIu64 " row groups, %" PRIu64
           " rows, %" PRIu64 " values, %s to %s\n",
           summary->file_id, summary->epoch, summary->bytes, summary->series, summary->groups, summary->rows,
           summary->values, inspect_time(summary->min, min), inspect_time(summary->max, max));
    rc = find_keys(store, name, &keys, err);
    if (rc == SILT_OK)
        rc = dump_entries(file, &keys, err);
    free(keys.items);
    tsm_close(file);
    return rc;
}

/* ---------------------------------------------------------------- the log */

struct log_dump {
    uint64_t first_seq, end_seq; /* of the segment asked for */
};

static enum silt_status print_definition(void *arg, uint32_t database, const struct record_definition *definition,
                                         struct silt_error *err)
{
    if (definition->what == 'S')
        printf("    database %u: series %u %.*s\n", database, definition->series, SILT_FMT(definition->text));
    else if (definition->what == 'F')
        printf("    database %u: %.*s has field %u %.*s\n", database, SILT_FMT(definition->measurement),
               definition->field_id, SILT_FMT(definition->text));
    else
        printf("    database %u: field %u of %.*s is %s in shard %" PRIu64 "\n", database, definition->field_id,
               SILT_FMT(definition->measurement), silt_type_name(definition->type), definition->shard);
    return SILT_OK;
}

static enum silt_status print_rows(const void *payload, size_t bytes, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct memtable_row rows[RECORD_BLOCK_ROWS];
    struct record_rows record;
    size_t count = 1;
    uint64_t all = 0;
    silt_time min = INT64_MAX, max = INT64_MIN;
    char from[SILT_TIME_TEXT_MAX + 1], to[SILT_TIME_TEXT_MAX + 1];
    enum silt_status rc = record_open_rows(payload, bytes, arena, &record, err);
    while (rc == SILT_OK && count > 0 && (rc = record_next_rows(&record, arena, rows, &count, err)) == SILT_OK) {
        all += count;
        for (size_t i = 0; i < count; i++) {
            min = rows[i].time < min ? rows[i].time : min;
            max = rows[i].time > max ? rows[i].time : max;
        }
    }
    if (rc == SILT_OK && all)
        printf("    shard %" PRIu64 ": %" PRIu64 " rows, %s to %s\n", record.shard, all, inspect_time(min, from),
               inspect_time(max, to));
    silt_arena_destroy(arena);
    return rc;
}

static enum silt_status print_record(void *arg, uint64_t seq, uint8_t kind, const void *payload, size_t bytes,
                                     struct silt_error *err)
{
    static const char *const names[] = {"unknown", "define", "delete", "rows"};
    const struct log_dump *dump = arg;
    struct record_delete what;
    enum record_kind is = record_kind(payload, bytes);
    char min[SILT_TIME_TEXT_MAX + 1], max[SILT_TIME_TEXT_MAX + 1];
    if (seq < dump->first_seq || seq >= dump->end_seq)
        return SILT_OK;
    printf("  record %" PRIu64 " %s, %zu bytes\n", seq, names[is <= RECORD_ROWS ? is : 0], bytes);
    if (is == RECORD_DEFINE)
        return record_each_definition(payload, bytes, print_definition, NULL, err);
    if (is == RECORD_ROWS)
        return print_rows(payload, bytes, err);
    if (is != RECORD_DELETE)
        return SILT_OK;
    enum silt_status rc = record_get_delete(payload, bytes, &what, err);
    if (rc != SILT_OK)
        return rc;
    printf("    database %u: %" PRIu64 " series of %.*s, %s to %s%s%s%s%s\n", what.database,
           roaring_bitmap_get_cardinality(what.series), SILT_FMT(what.measurement), inspect_time(what.min, min),
           inspect_time(what.max, max), what.flags & RECORD_HIDE ? ", points" : "",
           what.flags & RECORD_REMOVE ? ", series" : "", what.flags & RECORD_FREE_TYPES ? ", field types" : "",
           what.flags & RECORD_SUSPECT ? ", series without points" : "");
    roaring_bitmap_free(what.series);
    return SILT_OK;
}

/* A record can only be told from what a recycled segment held before by reading the log from its front: so the whole log
 * is read, and what stands in this segment is shown. */
static enum silt_status dump_wal(const struct inspect_store *store, const char *name, struct silt_error *err)
{
    struct wal_options options = {.read_only = true};
    struct log_dump dump = {UINT64_MAX, 0}; /* nothing yet */
    struct wal *wal;
    unsigned long long number;
    if (sscanf(name, WAL_FOLDER "/%16llx.wal", &number) != 1)
        return silt_fail(err, SILT_INVALID, "%s: a log segment is named " WAL_FOLDER "/NUMBER.wal", name);
    enum silt_status rc = wal_open(store->vfs, &options, &wal, err);
    if (rc != SILT_OK)
        return rc;
    rc = wal_replay(wal, UINT64_MAX, print_record, &dump, err);
    if (rc == SILT_OK)
        rc = wal_segment_range(wal, number, &dump.first_seq, &dump.end_seq, err);
    wal_close(wal);
    if (rc != SILT_OK)
        return rc;
    printf("log segment %llu: records %" PRIu64 " up to %" PRIu64 "\n", number, dump.first_seq, dump.end_seq);
    if ((rc = wal_open(store->vfs, &options, &wal, err)) != SILT_OK)
        return rc;
    rc = wal_replay(wal, dump.first_seq, print_record, &dump, err);
    wal_close(wal);
    return rc;
}

/* ---------------------------------------------------------------- manifests, tombstones */

static enum silt_status dump_manifest(const struct inspect_store *store, const char *name, struct silt_error *err)
{
    char folder[VFS_NAME_BYTES_MAX], shards[VFS_NAME_BYTES_MAX], min[SILT_TIME_TEXT_MAX + 1], max[SILT_TIME_TEXT_MAX + 1];
    struct manifest manifest;
    struct silt_str kept = SILT_STR("");
    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(name, '/') - name), name);
    for (size_t s = 0; s < store->shard_count; s++) {
        shard_folder(store->shards[s].id, shards);
        if (strcmp(shards, folder) == 0)
            kept = catalog_manifest_of(&store->manifests, store->shards[s].id);
    }
    enum silt_status rc = manifest_load_kept(store->vfs, folder, MANIFEST_READER, kept, &manifest, err);
    if (rc != SILT_OK)
        return rc;
    if (manifest.version == 0 && manifest.kept)
        printf("in meta.sqlite: ");
    printf("manifest, version %" PRIu64 ": flushed up to record %" PRIu64 ", next file %" PRIu64 ", tombstones %" PRIu64 "\n",
           manifest.version, manifest.flushed_seq, manifest.next_file_id, manifest.tombstone_id);
    for (size_t i = 0; i < manifest.file_count; i++) {
        const struct manifest_file *file = &manifest.files[i];
        printf("  file %" PRIu64 "  level %u  up to record %" PRIu64 "  %" PRIu64 " bytes  %" PRIu64 " rows  %s to %s\n",
               file->file_id, file->level, file->seq, file->bytes, file->rows, inspect_time(file->min, min),
               inspect_time(file->max, max));
    }
    manifest_deinit(&manifest);
    return SILT_OK;
}

static enum silt_status dump_tombstones(const struct inspect_store *store, const char *name, struct silt_error *err)
{
    char min[SILT_TIME_TEXT_MAX + 1], max[SILT_TIME_TEXT_MAX + 1];
    struct tombstone **tombstones;
    size_t count;
    enum silt_status rc = tombstone_load(store->vfs, name, &tombstones, &count, err);
    if (rc != SILT_OK)
        return rc;
    printf("%zu tombstones\n", count);
    for (size_t i = 0; i < count; i++) {
        printf("  older than record %" PRIu64 ": %" PRIu64 " series, %s to %s\n", tombstones[i]->seq,
               roaring_bitmap_get_cardinality(tombstones[i]->series), inspect_time(tombstones[i]->min, min),
               inspect_time(tombstones[i]->max, max));
        tombstone_release(tombstones[i]);
    }
    free(tombstones);
    return SILT_OK;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len > end_len && strcmp(name + len - end_len, end) == 0;
}

int inspect_dump(const char *directory, const char *name)
{
    struct inspect_store store;
    struct silt_error err;
    enum silt_status rc = inspect_open(directory, &store, &err);
    if (rc != SILT_OK)
        return inspect_fail(&err);
    if (strlen(name) >= VFS_NAME_BYTES_MAX)
        rc = silt_fail(&err, SILT_INVALID, "a file's name has at most %d bytes", VFS_NAME_BYTES_MAX - 1);
    else if (ends_with(name, ".tsm"))
        rc = dump_tsm(&store, name, &err);
    else if (ends_with(name, ".wal"))
        rc = dump_wal(&store, name, &err);
    else if (ends_with(name, ".tomb"))
        rc = dump_tombstones(&store, name, &err);
    else if (ends_with(name, "/MANIFEST"))
        rc = dump_manifest(&store, name, &err);
    else
        rc = silt_fail(&err, SILT_INVALID, "%s: not a .tsm, .wal, .tomb or MANIFEST file of a data directory", name);
    inspect_close(&store);
    if (rc == SILT_OK)
        return INSPECT_FINE;
    inspect_fail(&err);
    return rc == SILT_CORRUPT ? INSPECT_DAMAGED : INSPECT_FAILED;
}
