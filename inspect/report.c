/*
 * report.c - where the bytes are: by database, policy, shard, and by type and codec; and which tags have most values.
 */
#include "inspect/hash_set.h"
#include "inspect/inspect.h"

#include "storage/tsm_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TYPES (SILT_TYPE_BOOLEAN + 1)
#define TAGS_SHOWN 10u

struct codec_sum {
    uint64_t blocks, values, bytes;
};

struct totals {
    struct codec_sum codecs[TYPES][ENCODE_CODEC_COUNT];
    struct codec_sum lone[TYPES]; /* values that stand in the index alone */
    uint64_t times_blocks, times_rows, times_bytes;
    uint64_t files, bytes, rows, values;
};

/* ---------------------------------------------------------------- blocks */

static void add_group(struct totals *totals, const struct tsm_group *group)
{
    totals->times_blocks += group->times_bytes > 0;
    totals->times_rows += group->rows;
    totals->times_bytes += group->times_bytes;
    for (uint32_t f = 0; f < group->field_count; f++) {
        const struct tsm_field *field = &group->fields[f];
        struct codec_sum *sum =
            field->lone ? &totals->lone[field->type] : &totals->codecs[field->type][field->codec];
        sum->blocks++;
        sum->values += field->count;
        sum->bytes += field->block_bytes;
    }
}

static enum silt_status add_file(struct totals *totals, struct tsm_file *file, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    const struct tsm_summary *summary = tsm_summary(file);
    enum silt_status rc = SILT_OK;
    for (uint64_t s = 0; s < summary->series && rc == SILT_OK; s++) {
        struct tsm_entry entry;
        rc = tsm_series_at(file, s, INT64_MIN, INT64_MAX, arena, &entry, err);
        for (size_t g = 0; rc == SILT_OK && g < entry.group_count; g++)
            add_group(totals, &entry.groups[g]);
        silt_arena_reset(arena);
    }
    totals->files++;
    totals->bytes += summary->bytes;
    totals->rows += summary->rows;
    totals->values += summary->values;
    silt_arena_destroy(arena);
    return rc;
}

static enum silt_status report_shard(const struct inspect_store *store, const struct catalog_shard *shard,
                                     struct totals *all, struct silt_error *err)
{
    struct manifest manifest;
    struct totals before = *all;
    char name[VFS_NAME_BYTES_MAX], size[INSPECT_BYTES_TEXT_MAX], start[SILT_TIME_TEXT_MAX + 1], end[SILT_TIME_TEXT_MAX + 1];
    enum silt_status rc = inspect_manifest(store, shard, &manifest, err);
    for (size_t i = 0; rc == SILT_OK && i < manifest.file_count; i++) {
        struct tsm_file *file;
        manifest_file_name(&manifest, manifest.files[i].file_id, name);
        rc = tsm_open(store->vfs, name, &file, err);
        if (rc != SILT_OK)
            break;
        rc = add_file(all, file, err);
        tsm_close(file);
    }
    if (rc == SILT_OK)
        printf("    shard %-6" PRIu64 " %s to %s  %4" PRIu64 " files  %12" PRIu64 " rows  %12" PRIu64 " values  %s\n",
               shard->id, inspect_time(shard->start, start), inspect_time(shard->end, end), all->files - before.files,
               all->rows - before.rows, all->values - before.values, inspect_bytes(all->bytes - before.bytes, size));
    manifest_deinit(&manifest);
    return rc;
}

static void print_codec(const char *type, const char *codec, const struct codec_sum *sum)
{
    char size[INSPECT_BYTES_TEXT_MAX];
    if (sum->blocks)
        printf("    %-9s %-11s %12" PRIu64 " blocks  %14" PRIu64 " values  %10s  %7.3f bytes a value\n", type, codec,
               sum->blocks, sum->values, inspect_bytes(sum->bytes, size), (double)sum->bytes / (double)sum->values);
}

static void print_totals(const struct totals *totals)
{
    char size[INSPECT_BYTES_TEXT_MAX];
    printf("files: %" PRIu64 ", %s, %" PRIu64 " rows, %" PRIu64 " values", totals->files,
           inspect_bytes(totals->bytes, size), totals->rows, totals->values);
    if (totals->values)
        printf(", %.3f bytes a value, index and times included", (double)totals->bytes / (double)totals->values);
    printf("\n");
    struct codec_sum times = {totals->times_blocks, totals->times_rows, totals->times_bytes};
    print_codec("time", "all", &times);
    for (unsigned type = 0; type < TYPES; type++) {
        print_codec(silt_type_name((enum silt_type)type), "in the index", &totals->lone[type]);
        for (unsigned codec = 0; codec < ENCODE_CODEC_COUNT; codec++)
            print_codec(silt_type_name((enum silt_type)type), inspect_codec(codec), &totals->codecs[type][codec]);
    }
}

/* ---------------------------------------------------------------- tags
 *
 * Distinct values of each (measurement, tag key), by 64-bit hashes: an open table of the pairs, a set of (pair, value).
 */

struct tag_use {
    uint64_t hash; /* 0: free */
    struct silt_str measurement, key;
    uint64_t values;
};

struct tags {
    struct silt_arena *arena, *scratch;
    struct tag_use *uses;
    size_t use_count, use_room; /* room: a power of two */
    struct hash_set values;
    uint64_t series;
};

static uint64_t hash_pair(uint64_t seed, struct silt_str text)
{
    uint64_t parts[2] = {seed, silt_hash(text.p, text.len)};
    uint64_t hash = silt_hash(parts, sizeof(parts));
    return hash ? hash : 1;
}

static struct tag_use *find_use(struct tags *tags, uint64_t hash)
{
    size_t at = hash & (tags->use_room - 1);
    while (tags->uses[at].hash && tags->uses[at].hash != hash)
        at = (at + 1) & (tags->use_room - 1);
    return &tags->uses[at];
}

static void grow_uses(struct tags *tags)
{
    struct tag_use *old = tags->uses;
    size_t room = tags->use_room;
    tags->use_room = room ? room * 2 : 64;
    tags->uses = silt_calloc(tags->use_room, sizeof(*tags->uses));
    for (size_t i = 0; i < room; i++)
        if (old[i].hash)
            *find_use(tags, old[i].hash) = old[i];
    free(old);
}

static enum silt_status count_tags(void *arg, uint32_t database_id, silt_series_id id, struct silt_str text,
                                   struct silt_error *err)
{
    struct tags *tags = arg;
    struct silt_str key, measurement;
    struct silt_tag *items;
    size_t count;
    const char *why = silt_series_key_parse(text, tags->scratch, &key, &measurement, &items, &count);
    if (why)
        return silt_fail(err, SILT_CORRUPT, "catalog: series %u: %s", id, why);
    tags->series++;
    for (size_t i = 0; i < count; i++) {
        uint64_t pair = hash_pair(hash_pair(0, measurement), items[i].key), value = hash_pair(pair, items[i].value);
        if (tags->use_count * 2 >= tags->use_room)
            grow_uses(tags);
        struct tag_use *use = find_use(tags, pair);
        if (!use->hash) {
            *use = (struct tag_use){pair, silt_arena_str(tags->arena, measurement), silt_arena_str(tags->arena, items[i].key), 0};
            tags->use_count++;
        }
        use->values += hash_set_add(&tags->values, value);
    }
    silt_arena_reset(tags->scratch);
    return SILT_OK;
}

static int by_values(const void *a, const void *b)
{
    const struct tag_use *x = a, *y = b;
    if (x->values != y->values)
        return x->values < y->values ? 1 : -1;
    int order = silt_str_compare(x->measurement, y->measurement);
    return order ? order : silt_str_compare(x->key, y->key);
}

static enum silt_status report_series(const struct inspect_store *store, const struct inspect_database *database,
                                      struct silt_error *err)
{
    struct tags tags = {.arena = silt_arena_create(NULL), .scratch = silt_arena_create(NULL)};
    enum silt_status rc = inspect_each_series(store, database, count_tags, &tags, err);
    if (rc == SILT_OK) {
        printf("  series: %" PRIu64 "\n", tags.series);
        size_t kept = 0;
        for (size_t i = 0; i < tags.use_room; i++)
            if (tags.uses[i].hash)
                tags.uses[kept++] = tags.uses[i];
        if (kept)
            qsort(tags.uses, kept, sizeof(*tags.uses), by_values);
        for (size_t i = 0; i < kept && i < TAGS_SHOWN; i++)
            printf("    %.*s, tag %.*s: %" PRIu64 " values\n", SILT_FMT(tags.uses[i].measurement),
                   SILT_FMT(tags.uses[i].key), tags.uses[i].values);
    }
    free(tags.uses);
    hash_set_deinit(&tags.values);
    silt_arena_destroy(tags.arena);
    silt_arena_destroy(tags.scratch);
    return rc;
}

/* ---------------------------------------------------------------- all of it */

static enum silt_status report(const struct inspect_store *store, struct totals *totals, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t d = 0; d < store->database_count && rc == SILT_OK; d++) {
        const struct inspect_database *database = &store->databases[d];
        printf("database %.*s\n", SILT_FMT(database->facts.name));
        for (size_t p = 0; p < store->policy_count && rc == SILT_OK; p++) {
            const struct catalog_policy *policy = &store->policies[p];
            char duration[SILT_TIME_TEXT_MAX + 1] = "for ever", group[SILT_TIME_TEXT_MAX + 1];
            if (policy->database_id != database->facts.id)
                continue;
            if (policy->duration_ns)
                duration[silt_write_duration(duration, policy->duration_ns)] = '\0';
            group[silt_write_duration(group, policy->shard_duration_ns)] = '\0';
            printf("  policy %.*s%s: kept %s, shard groups of %s\n", SILT_FMT(policy->name),
                   silt_str_equal(policy->name, database->facts.default_policy) ? " (default)" : "", duration, group);
            for (size_t s = 0; s < store->shard_count && rc == SILT_OK; s++)
                if (store->shards[s].policy_id == policy->id)
                    rc = report_shard(store, &store->shards[s], totals, err);
        }
        if (rc == SILT_OK)
            rc = report_series(store, database, err);
    }
    return rc;
}

int inspect_report(const char *directory)
{
    struct inspect_store store;
    struct silt_error err;
    struct totals *totals;
    if (inspect_open(directory, &store, &err) != SILT_OK)
        return inspect_fail(&err);
    totals = silt_calloc(1, sizeof(*totals));
    enum silt_status rc = report(&store, totals, &err);
    if (rc == SILT_OK)
        print_totals(totals);
    free(totals);
    inspect_close(&store);
    if (rc == SILT_OK)
        return INSPECT_FINE;
    inspect_fail(&err);
    return rc == SILT_CORRUPT ? INSPECT_DAMAGED : INSPECT_FAILED;
}
