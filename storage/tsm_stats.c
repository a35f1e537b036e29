/*
 * tsm_stats.c - a block's count, min, max, sum, first and last: computed once when it is written, kept small in the index.
 *
 * Forms are drawn in tsm.h. Integers are kept as distances from the smallest; floats as integers or decimals when they
 * are such, because most are.
 */
#include "silt/kernels.h"
#include "storage/tsm_read.h"

#include <math.h>

#define EXACT_LIMIT 9007199254740992.0 /* 2^53 */

static uint64_t float_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

void tsm_stats_compute(enum silt_type type, const void *values, uint32_t count, struct silt_block_stats *out)
{
    *out = (struct silt_block_stats){.count = count};
    switch (type) {
    case SILT_TYPE_INTEGER:
    case SILT_TYPE_UNSIGNED: {
        const int64_t *ints = values;
        if (type == SILT_TYPE_INTEGER)
            silt_minmax_i64(ints, count, &out->min.i64, &out->max.i64);
        else
            silt_minmax_u64(values, count, &out->min.u64, &out->max.u64);
        out->sum.i64 = silt_sum_i64(ints, count);
        out->first.i64 = ints[0];
        out->last.i64 = ints[count - 1];
        out->sum_exact = true;
        break;
    }
    case SILT_TYPE_FLOAT: {
        const double *floats = values;
        double sizes = 0;
        unsigned odd = 0;
        silt_minmax_f64(floats, count, &out->min.f64, &out->max.f64);
        out->sum.f64 = silt_sum_f64(0.0, floats, count);
        out->first.f64 = floats[0];
        out->last.f64 = floats[count - 1];
        out->sum_exact = count == 1;
        if (out->min.f64 > -EXACT_LIMIT && out->max.f64 < EXACT_LIMIT) {
            for (uint32_t i = 0; i < count; i++) {
                sizes += fabs(floats[i]);
                odd |= !(fabs(floats[i]) < EXACT_LIMIT) || (double)(int64_t)floats[i] != floats[i];
            }
            out->sum_exact |= !odd && sizes < EXACT_LIMIT;
        }
        break;
    }
    case SILT_TYPE_BOOLEAN: {
        const uint8_t *bools = values;
        out->min.u64 = memchr(bools, 0, count) == NULL;
        out->max.u64 = memchr(bools, 1, count) != NULL;
        out->first.u64 = bools[0];
        out->last.u64 = bools[count - 1];
        break;
    }
    case SILT_TYPE_STRING:
    case SILT_TYPE_NONE:
        break;
    }
}

static void put_bits(struct silt_buffer *out, double value)
{
    silt_buffer_append(out, &value, 8);
}

static double get_bits(struct encode_cursor *cursor)
{
    double value = 0;
    if (cursor->at && cursor->end - cursor->at >= 8) {
        memcpy(&value, cursor->at, 8);
        cursor->at += 8;
    } else {
        cursor->at = NULL;
    }
    return value;
}

static unsigned get_byte(struct encode_cursor *cursor)
{
    if (cursor->at && cursor->at < cursor->end)
        return *cursor->at++;
    cursor->at = NULL;
    return 0;
}

/* min, max, first, last as distances from min. */
static void put_four(struct silt_buffer *out, const uint64_t four[4])
{
    encode_put_signed(out, (int64_t)four[0]);
    for (unsigned i = 1; i < 4; i++)
        encode_put_varint(out, four[i] - four[0]);
}

static void get_four(struct encode_cursor *cursor, uint64_t four[4])
{
    four[0] = (uint64_t)encode_get_signed(cursor);
    for (unsigned i = 1; i < 4; i++)
        four[i] = encode_get_varint(cursor) + four[0];
}

/* The smallest power of ten over which all of them are integers that a varint keeps shorter than 8 bytes; or -1. */
static int common_power(const double *values, unsigned count, uint64_t *ints)
{
    for (unsigned power = 0; power <= 15; power++) {
        unsigned good = 0;
        for (int64_t as_int; good < count && encode_as_decimal(values[good], power, &as_int); good++) {
            if (as_int > (int64_t)1 << 47 || as_int < -((int64_t)1 << 47))
                return -1;
            ints[good] = (uint64_t)as_int;
        }
        if (good == count)
            return (int)power;
    }
    return -1;
}

void tsm_stats_put(enum silt_type type, const struct silt_block_stats *stats, struct silt_buffer *out)
{
    switch (type) {
    case SILT_TYPE_INTEGER:
    case SILT_TYPE_UNSIGNED:
        put_four(out, (uint64_t[]){stats->min.u64, stats->max.u64, stats->first.u64, stats->last.u64});
        encode_put_signed(out, (int64_t)(stats->sum.u64 - stats->min.u64 * stats->count));
        break;
    case SILT_TYPE_FLOAT: {
        double four[4] = {stats->min.f64, stats->max.f64, stats->first.f64, stats->last.f64};
        uint64_t ints[4], sum;
        int64_t as_int;
        int power = common_power(four, 4, ints);
        if (power == 0 && stats->sum_exact && encode_as_decimal(stats->sum.f64, 0, &as_int)) {
            sum = (uint64_t)as_int;
            silt_buffer_char(out, TSM_KIND_INTEGERS);
            put_four(out, ints);
            encode_put_signed(out, (int64_t)(sum - ints[0] * stats->count));
        } else if (power >= 0) {
            silt_buffer_char(out, TSM_KIND_DECIMALS);
            silt_buffer_char(out, (char)power);
            put_four(out, ints);
            put_bits(out, stats->sum.f64);
        } else {
            silt_buffer_char(out, TSM_KIND_FLOATS);
            silt_buffer_append(out, four, sizeof(four));
            put_bits(out, stats->sum.f64);
        }
        break;
    }
    case SILT_TYPE_BOOLEAN:
        silt_buffer_char(out, (char)(stats->min.u64 | stats->max.u64 << 1 | stats->first.u64 << 2 | stats->last.u64 << 3));
        break;
    case SILT_TYPE_STRING:
    case SILT_TYPE_NONE:
        break;
    }
}

unsigned tsm_lone_put(enum silt_type type, const struct silt_block_stats *stats, struct silt_buffer *out)
{
    unsigned kind = TSM_KIND_FLOATS;
    uint64_t as_int;
    if (type == SILT_TYPE_BOOLEAN) {
        silt_buffer_char(out, (char)stats->min.u64);
        return TSM_KIND_INTEGERS;
    }
    if (type != SILT_TYPE_FLOAT) {
        encode_put_signed(out, stats->min.i64);
        return TSM_KIND_INTEGERS;
    }
    /* min has lost a NaN, first has not */
    int power = common_power(&stats->first.f64, 1, &as_int);
    if (power == 0 && stats->sum_exact && float_bits(stats->sum.f64) == float_bits(stats->first.f64 * stats->count)) {
        kind = TSM_KIND_INTEGERS;
        encode_put_signed(out, (int64_t)as_int);
    } else if (power >= 0) {
        kind = TSM_KIND_DECIMALS;
        silt_buffer_char(out, (char)power);
        encode_put_signed(out, (int64_t)as_int);
    } else {
        put_bits(out, stats->first.f64);
    }
    if (kind != TSM_KIND_INTEGERS && stats->count > 1)
        put_bits(out, stats->sum.f64);
    return kind;
}

static bool get_lone(enum silt_type type, unsigned kind, uint32_t count, struct encode_cursor *cursor,
                     struct silt_block_stats *out)
{
    *out = (struct silt_block_stats){.count = count};
    if (type == SILT_TYPE_BOOLEAN) {
        out->first.u64 = get_byte(cursor);
        out->min = out->max = out->last = out->first;
        return cursor->at && out->first.u64 <= 1 && kind == 0;
    }
    if (type == SILT_TYPE_INTEGER || type == SILT_TYPE_UNSIGNED) {
        out->first.i64 = encode_get_signed(cursor);
        out->min = out->max = out->last = out->first;
        out->sum.u64 = out->first.u64 * count;
        out->sum_exact = true;
        return cursor->at && kind == 0;
    }
    if (type != SILT_TYPE_FLOAT || kind > TSM_KIND_FLOATS)
        return false;
    if (kind == TSM_KIND_FLOATS) {
        out->first.f64 = get_bits(cursor);
    } else {
        unsigned power = kind == TSM_KIND_DECIMALS ? get_byte(cursor) : 0;
        if (power > ENCODE_POWER_MAX)
            return false;
        out->first.f64 = (double)encode_get_signed(cursor) / encode_powers[power];
    }
    out->last = out->first;
    silt_minmax_f64(&out->first.f64, 1, &out->min.f64, &out->max.f64);
    out->sum_exact = count == 1 || kind == TSM_KIND_INTEGERS;
    if (kind == TSM_KIND_INTEGERS)
        out->sum.f64 = out->first.f64 * count;
    else
        out->sum.f64 = count > 1 ? get_bits(cursor) : 0.0 + out->first.f64;
    return cursor->at != NULL;
}

bool tsm_lone_skip(enum silt_type type, unsigned kind, uint32_t count, struct encode_cursor *cursor)
{
    struct silt_block_stats ignored;
    if ((type == SILT_TYPE_INTEGER || type == SILT_TYPE_UNSIGNED) && kind == 0) {
        encode_get_varint(cursor);
        return cursor->at != NULL;
    }
    return get_lone(type, kind, count, cursor, &ignored);
}

bool tsm_field_stats(const struct tsm_field *field, struct silt_block_stats *out)
{
    struct encode_cursor cursor = {field->stats, field->stats + field->stats_bytes};
    uint64_t four[4];
    unsigned kind, power = 0;
    if (field->lone)
        return get_lone((enum silt_type)field->type, field->kind, field->count, &cursor, out);
    *out = (struct silt_block_stats){.count = field->count};
    switch ((enum silt_type)field->type) {
    case SILT_TYPE_STRING:
        return field->stats_bytes == 0;
    case SILT_TYPE_BOOLEAN:
        kind = get_byte(&cursor);
        out->min.u64 = kind & 1;
        out->max.u64 = kind >> 1 & 1;
        out->first.u64 = kind >> 2 & 1;
        out->last.u64 = kind >> 3 & 1;
        return cursor.at == cursor.end && kind < 16;
    case SILT_TYPE_INTEGER:
    case SILT_TYPE_UNSIGNED:
        get_four(&cursor, four);
        out->min.u64 = four[0];
        out->max.u64 = four[1];
        out->first.u64 = four[2];
        out->last.u64 = four[3];
        out->sum.u64 = (uint64_t)encode_get_signed(&cursor) + four[0] * field->count;
        out->sum_exact = true;
        return cursor.at == cursor.end;
    case SILT_TYPE_FLOAT:
        kind = get_byte(&cursor);
        out->sum_exact = field->count == 1 || kind == TSM_KIND_INTEGERS;
        if (kind == TSM_KIND_FLOATS) {
            out->min.f64 = get_bits(&cursor);
            out->max.f64 = get_bits(&cursor);
            out->first.f64 = get_bits(&cursor);
            out->last.f64 = get_bits(&cursor);
            out->sum.f64 = get_bits(&cursor);
            return cursor.at == cursor.end;
        }
        power = kind == TSM_KIND_DECIMALS ? get_byte(&cursor) : 0;
        if (kind > TSM_KIND_DECIMALS || power > ENCODE_POWER_MAX)
            return false;
        get_four(&cursor, four);
        out->min.f64 = (double)(int64_t)four[0] / encode_powers[power];
        out->max.f64 = (double)(int64_t)four[1] / encode_powers[power];
        out->first.f64 = (double)(int64_t)four[2] / encode_powers[power];
        out->last.f64 = (double)(int64_t)four[3] / encode_powers[power];
        if (kind == TSM_KIND_DECIMALS)
            out->sum.f64 = get_bits(&cursor);
        else
            out->sum.f64 = (double)(int64_t)((uint64_t)encode_get_signed(&cursor) + four[0] * field->count);
        return cursor.at == cursor.end;
    case SILT_TYPE_NONE:
        break;
    }
    return false;
}
