/*
 * tsm_verify.c - reads a whole TSM file and believes nothing: every byte is accounted for and covered by a CRC that is
 * right, every block decodes, and what index and footer say is what the values say.
 */
#include "storage/tsm_file.h"

#include <stdlib.h>

struct check {
    struct tsm_file *file;
    struct silt_arena *entry_arena, *string_arena;
    struct tsm_scratch scratch;
    struct tsm_summary seen;
    uint64_t blocks_end; /* where the next series' blocks must begin */
    union {
        int64_t ints[TSM_GROUP_ROWS_MAX];
        uint64_t words[TSM_GROUP_ROWS_MAX];
        uint8_t bools[TSM_GROUP_ROWS_MAX];
        struct silt_str strings[TSM_GROUP_ROWS_MAX];
    } values;
};

/* The rows that have a value, moved together. */
static uint32_t squeeze(struct check *check, enum silt_type type, uint32_t rows, const uint64_t *valid)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (!(valid[row / 64] >> row % 64 & 1))
            continue;
        if (type == SILT_TYPE_BOOLEAN)
            check->values.bools[count++] = check->values.bools[row];
        else if (type != SILT_TYPE_STRING)
            check->values.words[count++] = check->values.words[row];
        else
            count++;
    }
    return count;
}

/* Zeros of either sign are the same smallest or largest value. */
static bool same(enum silt_type type, union silt_value a, union silt_value b)
{
    return a.u64 == b.u64 || (type == SILT_TYPE_FLOAT && a.f64 == b.f64);
}

static bool stats_hold(enum silt_type type, const struct silt_block_stats *told, const struct silt_block_stats *seen)
{
    return told->count == seen->count && same(type, told->min, seen->min) && same(type, told->max, seen->max) &&
           told->sum.u64 == seen->sum.u64 && told->first.u64 == seen->first.u64 && told->last.u64 == seen->last.u64 &&
           (!told->sum_exact || seen->sum_exact);
}

static enum silt_status check_group(struct check *check, const struct tsm_group *group, struct silt_error *err)
{
    silt_time times[TSM_GROUP_ROWS_MAX];
    uint64_t valid[ENCODE_VALID_WORDS];
    enum silt_status rc = tsm_read_times(check->file, group, &check->scratch, times, err);
    if (rc != SILT_OK)
        return rc;
    for (uint32_t i = 0; i < group->field_count; i++) {
        const struct tsm_field *field = &group->fields[i];
        enum silt_type type = (enum silt_type)field->type;
        struct silt_block_stats told, seen;
        silt_arena_reset(check->string_arena);
        if ((rc = tsm_read_column(check->file, group, i, &check->scratch, &check->values, valid, err)) != SILT_OK)
            return rc;
        uint32_t count = field->gaps ? squeeze(check, type, group->rows, valid) : group->rows;
        tsm_stats_compute(type, &check->values, count, &seen);
        if (!tsm_field_stats(field, &told) || !stats_hold(type, &told, &seen))
            return tsm_damaged(check->file, err, "statistics that do not fit the values of the block",
                               group->offset + field->offset);
        check->seen.values += count;
    }
    check->seen.groups++;
    check->seen.rows += group->rows;
    check->seen.min = group->min < check->seen.min ? group->min : check->seen.min;
    check->seen.max = group->max > check->seen.max ? group->max : check->seen.max;
    return SILT_OK;
}

static enum silt_status check_all(struct check *check, struct silt_error *err)
{
    struct tsm_file *file = check->file;
    struct tsm_entry entry;
    silt_series_id before = 0;
    enum silt_status rc;
    for (uint64_t i = 0; i < file->summary.series; i++) {
        silt_arena_reset(check->entry_arena);
        rc = tsm_series_at(file, i, INT64_MIN, INT64_MAX, check->entry_arena, &entry, err);
        if (rc != SILT_OK)
            return rc;
        if (entry.series <= before || entry.group_count == 0)
            return tsm_damaged(file, err, "order of the directory", file->directory_offset);
        before = entry.series;
        for (size_t g = 0; g < entry.group_count; g++) {
            if (entry.groups[g].offset != check->blocks_end)
                return tsm_damaged(file, err, "blocks that nothing points to", check->blocks_end);
            if ((rc = check_group(check, &entry.groups[g], err)) != SILT_OK)
                return rc;
            check->blocks_end += entry.groups[g].blocks_bytes;
        }
    }
    if (check->blocks_end != file->index_offset)
        return tsm_damaged(file, err, "blocks that nothing points to", check->blocks_end);
    const struct tsm_summary *told = &file->summary, *seen = &check->seen;
    if (told->rows != seen->rows || told->values != seen->values || told->groups != seen->groups ||
        told->min != seen->min || told->max != seen->max)
        return tsm_damaged(file, err, "a footer that does not fit the blocks", file->size - TSM_FOOTER_BYTES);
    return SILT_OK;
}

/* Index entries must follow each other without a hole: pages check order inside, this the seams between them. */
static enum silt_status check_seams(struct check *check, struct silt_error *err)
{
    struct tsm_file *file = check->file;
    uint64_t expected = 0;
    for (uint64_t page = 0; page < file->page_count; page++) {
        uint64_t start, end;
        enum silt_status rc = tsm_page_range(file, page, &start, &end, err);
        if (rc != SILT_OK)
            return rc;
        if (start != expected)
            return tsm_damaged(file, err, "a hole between index entries", file->index_offset + expected);
        expected = end;
    }
    if (expected != file->directory_offset - file->index_offset)
        return tsm_damaged(file, err, "a hole after the index entries", file->index_offset + expected);
    return SILT_OK;
}

enum silt_status tsm_verify(struct tsm_file *file, struct silt_error *err)
{
    struct check *check = silt_calloc(1, sizeof(*check));
    check->file = file;
    check->entry_arena = silt_arena_create(NULL);
    check->string_arena = check->scratch.arena = silt_arena_create(NULL);
    check->blocks_end = TSM_HEADER_BYTES;
    check->seen.min = INT64_MAX;
    check->seen.max = INT64_MIN;
    enum silt_status rc = check_seams(check, err);
    if (rc == SILT_OK)
        rc = check_all(check, err);
    silt_arena_destroy(check->entry_arena);
    silt_arena_destroy(check->string_arena);
    tsm_scratch_deinit(&check->scratch);
    free(check);
    return rc;
}
