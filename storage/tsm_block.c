/*
 * tsm_block.c - the blocks of a row group: checked, decoded, put at their rows' places.
 */
#include "storage/tsm_file.h"

/* The payload of a block of `bytes` bytes with its CRC. */
static enum silt_status read_block(struct tsm_file *file, uint64_t offset, size_t bytes, struct tsm_scratch *scratch,
                                   const uint8_t **payload, struct silt_error *err)
{
    uint32_t crc;
    enum silt_status rc = tsm_look_scratch(file, offset, bytes, scratch, payload, err);
    if (rc != SILT_OK)
        return rc;
    memcpy(&crc, *payload + bytes - TSM_CRC_BYTES, TSM_CRC_BYTES);
    if (crc != silt_crc32c(0, *payload, bytes - TSM_CRC_BYTES))
        return tsm_damaged(file, err, "checksum of a block", offset);
    return SILT_OK;
}

enum silt_status tsm_read_blocks(struct tsm_file *file, const struct tsm_group *group, struct tsm_scratch *scratch,
                                 const uint8_t **blocks, struct silt_error *err)
{
    uint32_t faults = tsm_faults(file);
    enum silt_status rc = tsm_look_scratch(file, group->offset, group->blocks_bytes, scratch, blocks, err);
    uint64_t at = 0;
    if (rc == SILT_OK && file->map) { /* what is checked is what the caller gets */
        scratch->bytes.len = 0;
        silt_buffer_append(&scratch->bytes, *blocks, group->blocks_bytes);
        *blocks = (const uint8_t *)scratch->bytes.p;
    }
    for (uint32_t i = 0; i <= group->field_count && rc == SILT_OK; i++) {
        uint32_t bytes = i ? group->fields[i - 1].block_bytes : group->times_bytes, crc;
        if (bytes == 0)
            continue;
        memcpy(&crc, *blocks + at + bytes - TSM_CRC_BYTES, TSM_CRC_BYTES);
        if (crc != silt_crc32c(0, *blocks + at, bytes - TSM_CRC_BYTES))
            rc = tsm_damaged(file, err, "checksum of a block", group->offset + at);
        at += bytes;
    }
    return tsm_seen(file, faults, rc, err);
}

enum silt_status tsm_read_times(struct tsm_file *file, const struct tsm_group *group, struct tsm_scratch *scratch,
                                silt_time *out, struct silt_error *err)
{
    if (group->times_bytes == 0) {
        uint64_t at = (uint64_t)group->min;
        uint64_t step = group->rows > 1 ? ((uint64_t)group->max - at) / (group->rows - 1) : 0;
        for (uint32_t row = 0; row < group->rows; row++)
            out[row] = (silt_time)(at + row * step);
        return SILT_OK;
    }
    const uint8_t *payload;
    uint32_t faults = tsm_faults(file);
    enum silt_status rc = read_block(file, group->offset, group->times_bytes, scratch, &payload, err);
    if (rc == SILT_OK
        && (decode_times(group->times_codec, payload, group->times_bytes - TSM_CRC_BYTES, group->rows, out) != SILT_OK ||
            out[0] != group->min || out[group->rows - 1] != group->max))
        rc = tsm_damaged(file, err, "a block of times that makes no sense", group->offset);
    return tsm_seen(file, faults, rc, err);
}

/* The block with its checksum, which was right. */
static bool are_times_of(const struct tsm_times *kept, const struct tsm_group *group, const uint8_t *block)
{
    return kept->rows == group->rows && kept->bytes == group->times_bytes && kept->codec == group->times_codec
           && kept->times[0] == group->min && kept->times[group->rows - 1] == group->max
           && (group->times_bytes == 0 || memcmp(kept->block, block, group->times_bytes) == 0);
}

void tsm_expect_times(const struct tsm_file *file, const struct tsm_group *group)
{
    if (file->map && group->times_bytes)
        __builtin_prefetch(file->map + group->offset);
}

enum silt_status tsm_recall_times(struct tsm_file *file, const struct tsm_group *group, struct tsm_scratch *scratch,
                                  struct tsm_times *kept, size_t count, size_t spare, size_t *which, bool *decoded,
                                  struct silt_error *err)
{
    struct tsm_times *into = &kept[spare];
    bool fits = group->times_bytes <= sizeof(into->block);
    uint32_t faults = tsm_faults(file);
    const uint8_t *block = NULL;
    enum silt_status rc;

    *decoded = false;
    if (fits && group->times_bytes > 0
        && (rc = tsm_look_scratch(file, group->offset, group->times_bytes, scratch, &block, err)) != SILT_OK)
        return rc;
    for (*which = 0; fits && *which < count; ++*which)
        if (are_times_of(&kept[*which], group, block))
            return tsm_seen(file, faults, SILT_OK, err);
    *which = spare;
    *decoded = true;
    into->rows = 0;
    if ((rc = tsm_read_times(file, group, scratch, into->times, err)) != SILT_OK || !fits)
        return rc;
    if (group->times_bytes > 0)
        memcpy(into->block, block, group->times_bytes);
    into->bytes = group->times_bytes;
    into->codec = group->times_codec;
    into->rows = group->rows;
    return SILT_OK;
}

/* The validity in front of the values; the cursor goes behind it. */
static bool get_validity(struct encode_cursor *cursor, uint32_t rows, uint32_t count, uint64_t *valid)
{
    uint8_t bools[TSM_GROUP_ROWS_MAX];
    if (cursor->end - cursor->at < 2)
        return false;
    unsigned codec = *cursor->at++;
    uint64_t len = encode_get_varint(cursor);
    if (!cursor->at || len > (uint64_t)(cursor->end - cursor->at) ||
        decode_bools(codec, cursor->at, len, rows, bools) != SILT_OK)
        return false;
    cursor->at += len;
    memset(valid, 0, ENCODE_VALID_WORDS * sizeof(*valid));
    uint32_t found = 0;
    for (uint32_t row = 0; row < rows; row++) {
        valid[row / 64] |= (uint64_t)bools[row] << row % 64;
        found += bools[row];
    }
    return found == count;
}

/* Values without gaps to their rows' places, in place, from the last on. */
#define SPREAD(type, zero)                                                                                             \
    do {                                                                                                               \
        type *values = out;                                                                                            \
        uint32_t from = count;                                                                                         \
        for (uint32_t row = rows; row-- > 0;)                                                                          \
            values[row] = valid[row / 64] >> row % 64 & 1 ? values[--from] : (zero);                                   \
    } while (0)

static void spread(enum silt_type type, void *out, uint32_t rows, uint32_t count, const uint64_t *valid)
{
    if (type == SILT_TYPE_BOOLEAN)
        SPREAD(uint8_t, 0);
    else if (type == SILT_TYPE_STRING)
        SPREAD(struct silt_str, ((struct silt_str){NULL, 0}));
    else
        SPREAD(uint64_t, 0);
}

static enum silt_status decode_values(const struct tsm_field *field, struct encode_cursor cursor,
                                      struct silt_arena *arena, void *out)
{
    struct silt_block_stats stats;
    size_t len = (size_t)(cursor.end - cursor.at);
    if (field->lone) {
        if (len != 0 || !tsm_field_stats(field, &stats))
            return SILT_CORRUPT;
        if (field->type == SILT_TYPE_BOOLEAN)
            memset(out, (int)stats.first.u64, field->count);
        else
            for (uint32_t i = 0; i < field->count; i++)
                ((uint64_t *)out)[i] = stats.first.u64;
        return SILT_OK;
    }
    switch ((enum silt_type)field->type) {
    case SILT_TYPE_FLOAT:
        return decode_floats(field->codec, cursor.at, len, field->count, out);
    case SILT_TYPE_INTEGER:
    case SILT_TYPE_UNSIGNED:
        return decode_ints(field->codec, cursor.at, len, field->count, out);
    case SILT_TYPE_BOOLEAN:
        return decode_bools(field->codec, cursor.at, len, field->count, out);
    case SILT_TYPE_STRING:
        return decode_strings(field->codec, cursor.at, len, field->count, arena, out);
    case SILT_TYPE_NONE:
        break;
    }
    return SILT_CORRUPT;
}

static enum silt_status read_column(struct tsm_file *file, const struct tsm_group *group, uint32_t field_index,
                                    struct tsm_scratch *scratch, void *out, uint64_t *valid, struct silt_error *err)
{
    const struct tsm_field *field = &group->fields[field_index];
    uint64_t offset = group->offset + field->offset;
    struct encode_cursor cursor = {(const uint8_t *)"", (const uint8_t *)""};
    enum silt_status rc;
    if (field->block_bytes) {
        const uint8_t *payload;
        if ((rc = read_block(file, offset, field->block_bytes, scratch, &payload, err)) != SILT_OK)
            return rc;
        cursor = (struct encode_cursor){payload, payload + field->block_bytes - TSM_CRC_BYTES};
    }
    if (field->gaps && !get_validity(&cursor, group->rows, field->count, valid))
        return tsm_damaged(file, err, "a validity that makes no sense", offset);
    rc = decode_values(field, cursor, scratch->arena, out);
    if (rc == SILT_LIMIT)
        return silt_fail(err, rc, "no memory for the strings of a block of %s", file->name);
    if (rc != SILT_OK)
        return tsm_damaged(file, err, "a block of values that makes no sense", offset);
    if (field->gaps)
        spread((enum silt_type)field->type, out, group->rows, field->count, valid);
    return SILT_OK;
}

enum silt_status tsm_read_column(struct tsm_file *file, const struct tsm_group *group, uint32_t field_index,
                                 struct tsm_scratch *scratch, void *out, uint64_t *valid, struct silt_error *err)
{
    silt_assert(field_index < group->field_count);
    uint32_t faults = tsm_faults(file);
    return tsm_seen(file, faults, read_column(file, group, field_index, scratch, out, valid, err), err);
}

int tsm_group_field(const struct tsm_group *group, uint32_t field_id, enum silt_type type)
{
    uint32_t low = 0, high = group->field_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct tsm_field *field = &group->fields[middle];
        if (field->field_id < field_id || (field->field_id == field_id && field->type < type))
            low = middle + 1;
        else
            high = middle;
    }
    if (low < group->field_count && group->fields[low].field_id == field_id && group->fields[low].type == type)
        return (int)low;
    return -1;
}
