/*
 * compare.c - see compare.h. Shards whose times overlap (their policy's shard duration was changed) are compared together;
 * memory is what one such group of shards needs.
 */
#include "inspect/influxdb/compare.h"

#include "inspect/influxdb/sums.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DIFFERENCES_SHOWN 20u

struct totals { /* of a measurement, over the shards */
    struct silt_str measurement;
    uint64_t values, differs;
};

/* ---------------------------------------------------------------- both sides */

static void add_series(struct influx_sums *sums, struct influx_scan *scan, struct silt_arena *arena)
{
    struct silt_str key, measurement;
    struct silt_tag *tags;
    size_t tag_count;

    if (!silt_series_key_parse(scan->series, arena, &key, &measurement, &tags, &tag_count)) {
        uint64_t series = silt_hash(key.p, key.len);
        for (size_t f = 0; f < scan->field_count; f++) {
            struct influx_field *field = &scan->fields[f];
            uint32_t number = influx_sums_field(sums, measurement, field->name, field->type);
            struct influx_run run;
            while ((run = influx_field_next(field, scan->log)).count)
                influx_sums_add_values(sums, number, series, run.times, run.values, run.count);
        }
    }
    silt_arena_reset(arena);
}

static enum silt_status add_source(struct influx_sums *sums, const struct influx_source_dir *source,
                                   const struct influx_database *database, const struct influx_policy *policy,
                                   const struct influx_shard_info *shard, uint64_t *damaged, struct silt_error *err)
{
    struct influx_log log = {.quiet = true};
    struct influx_shard files;
    enum silt_status rc = influx_source_shard(source, database, policy, shard, &log, &files, err);
    if (rc != SILT_OK)
        return rc;
    struct influx_scan scan = {.shard = &files, .log = &log};
    struct silt_arena *arena = silt_arena_create(NULL);
    while (influx_scan_next(&scan))
        add_series(sums, &scan, arena);
    silt_arena_destroy(arena);
    influx_scan_free(&scan);
    influx_shard_close(&files);
    *damaged += log.damaged;
    return SILT_OK;
}

static enum silt_status add_rows(struct influx_sums *sums, struct silt_reader *reader, struct silt_cursor *cursor,
                                 uint64_t series, const uint32_t *numbers, size_t count, struct silt_error *err)
{
    struct silt_rows rows;
    const silt_time *times;
    struct silt_column column;
    enum silt_status rc;
    while ((rc = reader->ops->cursor_next(cursor, &rows, err)) == SILT_OK && rows.count) {
        rc = reader->ops->cursor_times(cursor, &times, err);
        for (size_t f = 0; f < count && rc == SILT_OK; f++) {
            rc = reader->ops->cursor_column(cursor, f, &column, err);
            if (rc == SILT_OK && column.type != SILT_TYPE_NONE)
                influx_sums_add_column(sums, numbers[f], series, times, &column, rows.count);
        }
        if (rc != SILT_OK)
            break;
    }
    return rc;
}

static bool has_data(struct silt_reader *reader, silt_series_id id)
{
    uint32_t shards = reader->ops->shard_count(reader);
    for (uint32_t s = 0; s < shards; s++)
        if (reader->ops->shard_has_series(reader, s, id))
            return true;
    return false;
}

static enum silt_status add_measurement(struct influx_sums *sums, struct silt_reader *reader,
                                        struct silt_cursor *cursor, struct silt_str measurement, silt_time min,
                                        silt_time max, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL), *scratch = silt_arena_create(NULL);
    struct silt_field *fields;
    struct silt_series_set series = {0};
    size_t count;
    enum silt_status rc = reader->ops->fields(reader, measurement, arena, &fields, &count, err);
    if (rc == SILT_OK && count)
        rc = reader->ops->series(reader, measurement, NULL, arena, &series, err);
    uint32_t *numbers = silt_arena_alloc(arena, (count + 1) * sizeof(*numbers));
    for (size_t f = 0; rc == SILT_OK && f < count; f++)
        numbers[f] = influx_sums_field(sums, measurement, fields[f].name, fields[f].type);
    for (size_t s = 0; rc == SILT_OK && s < series.count; s++) {
        struct silt_str key;
        size_t tag_count;
        if (!has_data(reader, series.ids[s]))
            continue;
        reader->ops->series_tags(reader, series.ids[s], scratch, &key, NULL, &tag_count);
        uint64_t hash = silt_hash(key.p, key.len);
        for (size_t f = 0; f < count && rc == SILT_OK; f += SILT_CURSOR_FIELDS_MAX) {
            size_t some = count - f < SILT_CURSOR_FIELDS_MAX ? count - f : SILT_CURSOR_FIELDS_MAX;
            rc = reader->ops->cursor_seek(cursor, measurement, series.ids[s], fields + f, some, min, max, false, err);
            if (rc == SILT_OK)
                rc = add_rows(sums, reader, cursor, hash, numbers + f, some, err);
        }
        silt_arena_reset(scratch);
    }
    silt_arena_destroy(scratch);
    silt_arena_destroy(arena);
    return rc;
}

static enum silt_status add_target(struct influx_sums *sums, struct silt_storage *storage,
                                   const struct influx_database *database, const struct influx_policy *policy,
                                   silt_time min, silt_time max, struct silt_error *err)
{
    struct silt_source *target = silt_storage_source(storage);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_reader *reader = NULL;
    struct silt_cursor *cursor = NULL;
    struct silt_str *names;
    size_t count = 0;
    enum silt_status rc = target->open(target, database->name, policy->name, min, max, &reader, err);
    if (rc == SILT_OK)
        rc = reader->ops->cursor_create(reader, NULL, &cursor, err);
    if (rc == SILT_OK)
        rc = reader->ops->measurements(reader, arena, &names, &count, err);
    for (size_t m = 0; m < count && rc == SILT_OK; m++)
        rc = add_measurement(sums, reader, cursor, names[m], min, max, err);
    if (cursor)
        reader->ops->cursor_destroy(cursor);
    if (reader)
        reader->ops->release(reader);
    silt_arena_destroy(arena);
    return rc;
}

/* ---------------------------------------------------------------- the verdict */

static void tell_difference(const struct influx_database *database, const struct influx_policy *policy,
                            const struct influx_sum *sum)
{
    char day[SILT_TIME_TEXT_MAX + 1];
    day[silt_write_rfc3339(day, sum->day, 0)] = '\0';
    fprintf(stderr,
            "DIFFERS %.*s.%.*s %.*s, field %.*s (%s), %.10s: %" PRIu64 " values in InfluxDB, %" PRIu64
            " in the store%s\n",
            SILT_FMT(database->name), SILT_FMT(policy->name), SILT_FMT(sum->measurement), SILT_FMT(sum->field),
            silt_type_name(sum->type), day, sum->counts[INFLUX_SOURCE], sum->counts[INFLUX_TARGET],
            sum->counts[INFLUX_SOURCE] == sum->counts[INFLUX_TARGET] ? ", other ones" : "");
}

/* The list comes by measurement: so are totals, which are few. */
static void add_totals(struct silt_arena *arena, struct totals **totals, size_t *count, size_t *capacity,
                       const struct influx_sum *sum, bool differs)
{
    size_t at = *count;
    while (at > 0 && !silt_str_equal((*totals)[at - 1].measurement, sum->measurement))
        at--;
    if (at == 0) {
        *totals = silt_arena_grow(arena, *totals, capacity, *count + 1, sizeof(**totals));
        (*totals)[*count] = (struct totals){.measurement = silt_arena_str(arena, sum->measurement)};
        at = ++*count;
    }
    (*totals)[at - 1].values += sum->counts[INFLUX_SOURCE];
    (*totals)[at - 1].differs += differs;
}

static int by_start(const void *a, const void *b)
{
    const struct influx_shard_info *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

enum silt_status influx_compare(const struct influx_source_dir *source, const struct influx_database *database,
                                const struct influx_policy *policy, struct silt_storage *storage,
                                struct influx_comparison *found, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct totals *totals = NULL;
    size_t total_count = 0, total_capacity = 0, sum_count;
    enum silt_status rc = SILT_OK;
    struct influx_shard_info *shards = silt_arena_alloc(arena, (policy->shard_count + 1) * sizeof(*shards));

    if (policy->shard_count) {
        memcpy(shards, policy->shards, policy->shard_count * sizeof(*shards));
        qsort(shards, policy->shard_count, sizeof(*shards), by_start);
    }
    for (size_t first = 0, next; first < policy->shard_count && rc == SILT_OK; first = next) {
        struct influx_sums *sums = influx_sums_create();
        silt_time end = shards[first].end;
        for (next = first; next < policy->shard_count && (next == first || shards[next].start < end) && rc == SILT_OK;
             next++) {
            end = shards[next].end > end ? shards[next].end : end;
            rc = add_source(sums, source, database, policy, &shards[next], &found->damaged, err);
        }
        if (rc == SILT_OK)
            rc = add_target(sums, storage, database, policy, shards[first].start, end - 1, err);
        const struct influx_sum *list = influx_sums_list(sums, &sum_count);
        for (size_t i = 0; i < sum_count && rc == SILT_OK; i++) {
            bool differs = list[i].counts[0] != list[i].counts[1] || list[i].sums[0] != list[i].sums[1];
            if (differs && found->differs++ < DIFFERENCES_SHOWN)
                tell_difference(database, policy, &list[i]);
            found->values += list[i].counts[INFLUX_SOURCE];
            add_totals(arena, &totals, &total_count, &total_capacity, &list[i], differs);
        }
        influx_sums_destroy(sums);
    }
    for (size_t i = 0; i < total_count && rc == SILT_OK; i++)
        printf("%.*s.%.*s %.*s: %" PRIu64 " values, %s\n", SILT_FMT(database->name), SILT_FMT(policy->name),
               SILT_FMT(totals[i].measurement), totals[i].values, totals[i].differs ? "DIFFERENT" : "equal");
    silt_arena_destroy(arena);
    return rc;
}
