/*
 * merge_columns.c - the batch that merge.c chose, as times and columns: pointed to in place where it can be, else laid out
 * anew in buffers for good.
 */
#include "storage/merge_internal.h"

enum silt_status merge_times(struct merge *m, const silt_time **times, struct silt_error *err)
{
    if (m->kind == BATCH_MERGED) {
        *times = m->shown_times;
        return SILT_OK;
    }
    if (m->kind == BATCH_JOINED)
        return joined_times(m, times, err);
    silt_assert(m->kind != BATCH_NONE);
    if (m->run->file) {
        enum silt_status rc = merge_need_times(m, m->run, err);
        if (rc != SILT_OK)
            return rc;
    }
    const silt_time *from = run_times(m->run) + m->begin;
    if (!m->descending) {
        *times = from;
        return SILT_OK;
    }
    for (uint32_t i = 0; i < m->count; i++)
        m->shown_times[i] = from[m->count - 1 - i];
    *times = m->shown_times;
    return SILT_OK;
}

/* Bits [begin, begin + count) of `from`, to bit 0 or the other way round. */
static void move_bits(const uint64_t *from, uint32_t begin, uint32_t count, bool reversed, uint64_t *to)
{
    if (reversed) {
        memset(to, 0, (count + 63) / 64 * 8);
        for (uint32_t i = 0; i < count; i++)
            if (merge_bit(from, begin + count - 1 - i))
                to[i / 64] |= (uint64_t)1 << (i % 64);
        return;
    }
    uint32_t shift = begin % 64, last = (begin + count - 1) / 64;
    for (uint32_t w = 0, source = begin / 64; w < (count + 63) / 64; w++, source++) {
        uint64_t word = from[source] >> shift;
        if (shift && source < last)
            word |= from[source + 1] << (64 - shift);
        to[w] = word;
    }
}

static bool moves(const struct merge *m, enum silt_type type)
{
    return m->descending || (!m->run->file && (type == SILT_TYPE_STRING || type == SILT_TYPE_BOOLEAN));
}

enum silt_status merge_column(struct merge *m, size_t f, struct silt_column *out, struct silt_error *err)
{
    silt_assert(m->kind != BATCH_NONE && f < m->field_count);
    struct shown_column *shown = &m->shown[f];
    out->type = SILT_TYPE_NONE;
    out->valid = NULL;
    out->u64 = NULL;
    if (m->kind == BATCH_JOINED)
        return joined_column(m, f, out, err);
    if (m->kind == BATCH_MERGED) {
        if (shown->type != SILT_TYPE_NONE) {
            out->type = shown->type;
            out->valid = shown->valid;
            out->u64 = shown->data;
        }
        return SILT_OK;
    }
    struct row_column column;
    enum silt_status rc = merge_run_column(m, m->run, f, &column, err);
    if (rc != SILT_OK || column.type == SILT_TYPE_NONE)
        return rc;
    out->type = column.type;
    if (column.valid) {
        if (!m->descending && m->begin % 64 == 0) {
            out->valid = column.valid + m->begin / 64;
        } else {
            move_bits(column.valid, m->begin, m->count, m->descending, shown->valid);
            out->valid = shown->valid;
        }
    }
    size_t element = merge_element_bytes(column.type);
    if (!moves(m, column.type)) {
        out->u64 = (const void *)((const char *)column.data + m->begin * element);
        return SILT_OK;
    }
    rc = merge_grow_buffer(m, &shown->data, &shown->data_bytes, MERGE_ROWS_MAX * sizeof(struct silt_str), err);
    if (rc != SILT_OK)
        return rc;
    out->u64 = shown->data;
    for (uint32_t i = 0; i < m->count; i++) {
        uint32_t row = m->begin + (m->descending ? m->count - 1 - i : i);
        switch (column.type) {
        case SILT_TYPE_STRING:
            if (m->run->file)
                ((struct silt_str *)shown->data)[i] = ((const struct silt_str *)column.data)[row];
            else if (merge_bit(column.valid, row))
                ((struct silt_str *)shown->data)[i] = silt_bytes_str(((const union silt_value *)column.data)[row].string);
            else
                ((struct silt_str *)shown->data)[i] = (struct silt_str){NULL, 0};
            break;
        case SILT_TYPE_BOOLEAN:
            ((uint8_t *)shown->data)[i] = m->run->file ? ((const uint8_t *)column.data)[row]
                                                       : (((const union silt_value *)column.data)[row].u64 & 1);
            break;
        default:
            ((uint64_t *)shown->data)[i] = ((const uint64_t *)column.data)[row];
        }
    }
    return SILT_OK;
}

bool merge_stats(struct merge *m, size_t f, struct silt_block_stats *out)
{
    silt_assert(f < m->field_count);
    out->count = 0;
    if (m->kind == BATCH_JOINED)
        return joined_stats(m, f, out);
    if (m->kind != BATCH_GROUP || !m->whole || m->run->columns[f].index < 0)
        return false;
    struct stored_column *column = &m->run->columns[f];
    tsm_field_stats(&m->run->group->fields[column->index], out);
    if (!column->ready && !column->stats) {
        column->stats = true;
        m->counters.stats_blocks++;
    }
    return true;
}
