/*
 * cursor.c - a series through the units of a reader, one after the other; within one, merge.h does the work.
 *
 * Units without the series cost a look at each of their files' directories. Names of fields become ids once for a list of
 * fields, not once for a series.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdlib.h>

struct silt_cursor {
    struct storage_reader *reader;
    struct merge *merge;
    struct silt_buffer measurement_text; /* of the last seek, so that the next can tell that nothing changed */
    struct silt_buffer field_text;
    uint32_t measurement;
    struct field_ref *fields;
    size_t field_count, field_room;

    silt_series_id series;
    silt_time min, max;
    bool descending;
    uint32_t units_left; /* not yet begun */
    uint32_t unit;       /* the one in merge */
    bool in_unit, ended;
    bool has_batch;
    struct merge_batch batch;
};

enum silt_status cursor_create(struct silt_reader *reader, struct silt_budget *budget, struct silt_cursor **out,
                               struct silt_error *err)
{
    struct silt_cursor *cursor = silt_calloc(1, sizeof(*cursor));
    (void)err;
    cursor->reader = (struct storage_reader *)(void *)reader;
    cursor->merge = merge_create(budget, reader->allowance);
    cursor->ended = true;
    *out = cursor;
    return SILT_OK;
}

void cursor_counters(const struct silt_cursor *cursor, struct silt_read_counters *out)
{
    const struct silt_read_counters *counters = merge_counters(cursor->merge);
    out->blocks += counters->blocks;
    out->block_bytes += counters->block_bytes;
    out->stats_blocks += counters->stats_blocks;
    out->memtable_rows += counters->memtable_rows;
}

void cursor_destroy(struct silt_cursor *cursor)
{
    if (!cursor)
        return;
    merge_destroy(cursor->merge);
    silt_buffer_free(&cursor->measurement_text);
    silt_buffer_free(&cursor->field_text);
    free(cursor->fields);
    free(cursor);
}

/* Whether these are the fields of the last seek; text: lengths, types and names in a row. */
static bool same_fields(const struct silt_cursor *cursor, struct silt_str measurement, const struct silt_field *fields,
                        size_t count)
{
    const char *at = cursor->field_text.p, *end = at + cursor->field_text.len;
    if (count != cursor->field_count || cursor->measurement == 0 || cursor->measurement_text.len != measurement.len
        || (measurement.len > 0 && memcmp(cursor->measurement_text.p, measurement.p, measurement.len) != 0))
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t head[2];
        memcpy(head, at, sizeof(head));
        at += sizeof(head);
        if (head[0] != fields[i].name.len || head[1] != (uint32_t)fields[i].type
            || memcmp(at, fields[i].name.p, fields[i].name.len) != 0)
            return false;
        at += head[0];
    }
    return at == end;
}

static void resolve_fields(struct silt_cursor *cursor, struct silt_str measurement, const struct silt_field *fields,
                           size_t count)
{
    struct database *database = cursor->reader->database;
    cursor->measurement = series_index_measurement(database->index, measurement);
    cursor->measurement_text.len = cursor->field_text.len = 0;
    silt_buffer_str(&cursor->measurement_text, measurement);
    if (count > cursor->field_room) {
        cursor->fields = silt_realloc(cursor->fields, count * sizeof(*cursor->fields));
        cursor->field_room = count;
    }
    cursor->field_count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t head[2] = {(uint32_t)fields[i].name.len, (uint32_t)fields[i].type};
        silt_buffer_append(&cursor->field_text, head, sizeof(head));
        silt_buffer_str(&cursor->field_text, fields[i].name);
        cursor->fields[i] = (struct field_ref){
            cursor->measurement ? field_dict_find(database->dict, cursor->measurement, fields[i].name) : 0, fields[i].type};
    }
}

enum silt_status cursor_seek(struct silt_cursor *cursor, struct silt_str measurement, silt_series_id id,
                             const struct silt_field *fields, size_t field_count, silt_time min, silt_time max,
                             bool descending, struct silt_error *err)
{
    (void)err;
    if (!same_fields(cursor, measurement, fields, field_count))
        resolve_fields(cursor, measurement, fields, field_count);
    cursor->series = id;
    cursor->min = min > cursor->reader->min ? min : cursor->reader->min;
    cursor->max = max < cursor->reader->max ? max : cursor->reader->max;
    cursor->descending = descending;
    cursor->units_left = cursor->reader->unit_count;
    cursor->in_unit = false;
    cursor->has_batch = false;
    cursor->ended = cursor->measurement == 0 || cursor->min > cursor->max || field_count == 0;
    return SILT_OK;
}

static enum silt_status add_version(struct silt_cursor *cursor, const struct version *version, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < version->file_count && rc == SILT_OK; i++) {
        const struct data_file *file = version->files[i];
        if (file->facts.min > cursor->max || file->facts.max < cursor->min)
            continue;
        struct merge_source source = {file->tsm, NULL, file->facts.seq};
        rc = merge_add(cursor->merge, &source, version->tombstones, version->tombstone_count, err);
    }
    for (size_t i = 0; i < version->generation_count && rc == SILT_OK; i++) {
        const struct generation *generation = version->generations[i];
        /* The age of a generation that was active when the version was made is that of the future: no tombstone of this
         * version is younger than it. */
        bool active = i + 1 == version->generation_count;
        struct merge_source source = {NULL, generation->mt, active ? UINT64_MAX : generation->boundary};
        rc = merge_add(cursor->merge, &source, version->tombstones, version->tombstone_count, err);
    }
    return rc;
}

/* The next unit in the order asked for that overlaps the range. */
static enum silt_status next_unit(struct silt_cursor *cursor, struct silt_error *err)
{
    struct storage_reader *reader = cursor->reader;
    while (cursor->units_left > 0) {
        cursor->units_left--;
        cursor->unit = cursor->descending ? cursor->units_left : reader->unit_count - 1 - cursor->units_left;
        const struct reader_unit *unit = &reader->units[cursor->unit];
        if (unit->start > cursor->max || unit->end <= cursor->min)
            continue;
        enum silt_status rc = merge_start(cursor->merge, cursor->series, cursor->fields, cursor->field_count, cursor->min,
                                          cursor->max, cursor->descending, err);
        for (size_t i = 0; i < unit->count && rc == SILT_OK; i++)
            rc = add_version(cursor, unit->versions[i], err);
        cursor->in_unit = rc == SILT_OK;
        return rc;
    }
    cursor->ended = true;
    return SILT_OK;
}

enum silt_status cursor_next(struct silt_cursor *cursor, struct silt_rows *rows, struct silt_error *err)
{
    memset(rows, 0, sizeof(*rows));
    cursor->has_batch = false;
    while (!cursor->ended) {
        enum silt_status rc = cursor->in_unit ? SILT_OK : next_unit(cursor, err);
        if (rc == SILT_OK && cursor->in_unit)
            rc = merge_next(cursor->merge, &cursor->batch, err);
        if (rc != SILT_OK) {
            cursor->ended = true;
            return rc;
        }
        if (!cursor->in_unit)
            continue;
        if (cursor->batch.count == 0) {
            cursor->in_unit = false;
            continue;
        }
        cursor->has_batch = true;
        rows->count = cursor->batch.count;
        rows->shard = cursor->unit;
        rows->first = cursor->batch.first;
        rows->last = cursor->batch.last;
        rows->has_stats = cursor->batch.has_stats;
        return SILT_OK;
    }
    return SILT_OK;
}

enum silt_status cursor_times(struct silt_cursor *cursor, const silt_time **times, struct silt_error *err)
{
    silt_assert(cursor->has_batch);
    return merge_times(cursor->merge, times, err);
}

enum silt_status cursor_column(struct silt_cursor *cursor, size_t field_index, struct silt_column *out,
                               struct silt_error *err)
{
    silt_assert(cursor->has_batch);
    return merge_column(cursor->merge, field_index, out, err);
}

bool cursor_stats(struct silt_cursor *cursor, size_t field_index, struct silt_block_stats *out)
{
    silt_assert(cursor->has_batch);
    return merge_stats(cursor->merge, field_index, out);
}

enum silt_status cursor_prefer_stats(struct silt_cursor *cursor, bool prefer, struct silt_error *err)
{
    return merge_prefer_stats(cursor->merge, prefer, err);
}

enum silt_status cursor_skip(struct silt_cursor *cursor, silt_time time, struct silt_error *err)
{
    (void)err;
    if (cursor->descending ? time < cursor->max : time > cursor->min) {
        if (cursor->descending)
            cursor->max = time;
        else
            cursor->min = time;
        if (cursor->min > cursor->max)
            cursor->ended = true;
        else if (cursor->in_unit)
            merge_skip(cursor->merge, time);
    }
    return SILT_OK;
}
