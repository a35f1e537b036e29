/*
 * series_cost.c - what reading some fields of a series would look at (series_cost of reader.h), for EXPLAIN.
 *
 * From the files' directories and the memtables' rows; no block is read. Blocks that a delete hides still count, for
 * they are still there.
 */
#include "storage/storage_internal.h"

#include "silt/kernels.h"

static bool wants(const struct field_ref *fields, size_t count, uint32_t field_id)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].field_id == field_id)
            return true;
    return false;
}

static enum silt_status add_file(struct tsm_file *file, silt_series_id id, const struct field_ref *fields, size_t count,
                                 silt_time min, silt_time max, struct silt_arena *scratch, struct silt_read_cost *out,
                                 struct silt_error *err)
{
    struct tsm_entry entry;
    bool used = false;
    enum silt_status rc = tsm_find_series(file, id, min, max, scratch, &entry, err);

    for (size_t g = 0; rc == SILT_OK && g < entry.group_count; g++) {
        const struct tsm_group *group = &entry.groups[g];
        bool any = false;
        for (uint32_t f = 0; f < group->field_count; f++) {
            if (!wants(fields, count, group->fields[f].field_id))
                continue;
            any = true;
            out->blocks += group->fields[f].block_bytes > 0;
            out->block_bytes += group->fields[f].block_bytes;
        }
        out->blocks += any && group->times_bytes > 0;
        out->block_bytes += any ? group->times_bytes : 0;
        used = used || any;
    }
    out->files += used;
    return rc;
}

static enum silt_status add_memory(const struct memtable *mt, silt_series_id id, const struct field_ref *fields,
                                   size_t count, silt_time min, silt_time max, struct silt_arena *scratch,
                                   struct silt_read_cost *out, struct silt_error *err)
{
    struct memtable_rows rows;
    enum silt_status rc;

    if (!memtable_has_series(mt, id))
        return SILT_OK;
    if ((rc = memtable_collect(mt, id, min, max, fields, count, scratch, &rows, err)) != SILT_OK)
        return rc;
    for (size_t f = 0; rows.count && f < count; f++)
        if (rows.columns[f].type != SILT_TYPE_NONE)
            out->cached_values += rows.columns[f].valid ? silt_count_valid(rows.columns[f].valid, rows.count) : rows.count;
    return SILT_OK;
}

enum silt_status reader_series_cost(struct silt_reader *base, struct silt_str measurement, silt_series_id id,
                                    const struct silt_field *fields, size_t field_count, silt_time min, silt_time max,
                                    struct silt_arena *scratch, struct silt_read_cost *out, struct silt_error *err)
{
    struct storage_reader *reader = (struct storage_reader *)(void *)base;
    struct database *database = reader->database;
    uint32_t measurement_id = series_index_measurement(database->index, measurement);
    struct field_ref *refs = silt_arena_try_alloc(scratch, (field_count + 1) * sizeof(*refs));
    enum silt_status rc = SILT_OK;

    if (!refs)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; i < field_count; i++)
        refs[i] = (struct field_ref){
            measurement_id ? field_dict_find(database->dict, measurement_id, fields[i].name) : 0, SILT_TYPE_NONE};
    min = min > reader->min ? min : reader->min;
    max = max < reader->max ? max : reader->max;
    for (uint32_t u = 0; u < reader->unit_count; u++) {
        const struct reader_unit *unit = &reader->units[u];
        if (unit->start > max || unit->end <= min)
            continue;
        for (size_t v = 0; v < unit->count; v++) {
            const struct version *version = unit->versions[v];
            for (size_t i = 0; rc == SILT_OK && i < version->file_count; i++)
                rc = add_file(version->files[i]->tsm, id, refs, field_count, min, max, scratch, out, err);
            for (size_t i = 0; rc == SILT_OK && i < version->generation_count; i++)
                rc = add_memory(version->generations[i]->mt, id, refs, field_count, min, max, scratch, out, err);
        }
    }
    return rc;
}
