/*
 * encode_ranks.c - integers of which many are equal, wherever they stand: a sensor's few levels, loads in steps of a
 * half.
 *
 *     RANKS  | distinct values k, 1..1024, varint | integers nested: the k values, rising | integers nested: n ranks |
 *
 * A rank is a value's place among the distinct ones, from 0. Ranks keep the values' order, so that a smooth curve over
 * a coarse grid has small differences of ranks whatever the grid. Both nested runs are of the codecs before this one.
 */
#include "storage/encode_ranks.h"
#include "silt/kernels.h"

#define SLOTS 2048u
#define SAMPLE 64u
#define SAMPLE_DISTINCT_MAX 61u /* of a sample that is worth a closer look */
#define RADIX_BITS 8u
#define RADIX (1u << RADIX_BITS)

struct distinct {
    uint64_t value; /* less the smallest */
    uint16_t code;  /* in order of appearance */
};

static inline unsigned slot_of(uint64_t value)
{
    return (unsigned)(value * 0x9E3779B97F4A7C15u >> 53);
}

/* codes[i]: which distinct value values[i * stride] is. Returns how many there are, most + 1: too many. */
static unsigned find_distinct(const int64_t *values, unsigned count, unsigned stride, uint64_t min, unsigned most,
                              struct distinct *distinct, uint16_t *codes)
{
    uint16_t slots[SLOTS] = {0}; /* code + 1 */
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = (uint64_t)values[(size_t)i * stride] - min;
        unsigned slot = slot_of(value);
        while (slots[slot] && distinct[slots[slot] - 1].value != value)
            slot = (slot + 1) % SLOTS;
        if (!slots[slot]) {
            if (found == most)
                return most + 1;
            distinct[found] = (struct distinct){value, (uint16_t)found};
            slots[slot] = (uint16_t)++found;
        }
        codes[i] = (uint16_t)(slots[slot] - 1);
    }
    return found;
}

/* By value, a byte of it at a time, from the lowest on. Returns where the sorted ones are: in a or in b. */
static struct distinct *sort_distinct(struct distinct *a, struct distinct *b, unsigned count, unsigned width)
{
    for (unsigned shift = 0; shift < width; shift += RADIX_BITS) {
        unsigned starts[RADIX] = {0}, sum = 0;
        for (unsigned i = 0; i < count; i++)
            starts[a[i].value >> shift & (RADIX - 1)]++;
        for (unsigned k = 0; k < RADIX; k++) {
            unsigned here = starts[k];
            starts[k] = sum;
            sum += here;
        }
        for (unsigned i = 0; i < count; i++)
            b[starts[a[i].value >> shift & (RADIX - 1)]++] = a[i];
        struct distinct *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

bool encode_put_ranks(const int64_t *values, unsigned count, bool rough, size_t bytes_below, struct silt_buffer *out)
{
    struct distinct distinct[ENCODE_ROWS_MAX], other[ENCODE_ROWS_MAX];
    uint16_t codes[ENCODE_ROWS_MAX];
    int64_t numbers[ENCODE_ROWS_MAX], ranks[ENCODE_ROWS_MAX], min, max;
    if (count >= 2 * SAMPLE &&
        find_distinct(values, SAMPLE, count / SAMPLE, 0, SAMPLE_DISTINCT_MAX, distinct, codes) > SAMPLE_DISTINCT_MAX)
        return false;
    silt_minmax_i64(values, count, &min, &max);
    unsigned most = count - count / 4, found = find_distinct(values, count, 1, (uint64_t)min, most, distinct, codes);
    if (found > most || (rough && encode_packed_bytes(count, encode_width(found - 1)) >= bytes_below))
        return false;
    const struct distinct *sorted = sort_distinct(distinct, other, found, encode_width((uint64_t)max - (uint64_t)min));
    for (unsigned rank = 0; rank < found; rank++) {
        numbers[rank] = (int64_t)(sorted[rank].value + (uint64_t)min);
        ranks[sorted[rank].code] = rank; /* by code, for now */
    }
    size_t start = out->len;
    encode_put_varint(out, found);
    encode_nested_plain_ints(numbers, found, out);
    if (out->len - start < bytes_below) {
        for (unsigned i = 0; i < count; i++)
            numbers[i] = ranks[codes[i]];
        encode_nested_plain_ints(numbers, count, out);
        if (out->len - start < bytes_below)
            return true;
    }
    out->len = start;
    return false;
}

bool decode_ranks(struct encode_cursor *cursor, unsigned count, int64_t *out)
{
    int64_t numbers[ENCODE_ROWS_MAX];
    uint64_t found = encode_get_varint(cursor);
    if (!cursor->at || found < 1 || found > count)
        return false;
    if (!decode_nested_plain_ints(cursor, (unsigned)found, numbers) || !decode_nested_plain_ints(cursor, count, out))
        return false;
    uint64_t highest = 0;
    for (unsigned i = 0; i < count; i++)
        highest = (uint64_t)out[i] > highest ? (uint64_t)out[i] : highest;
    if (highest >= found)
        return false;
    for (unsigned i = 0; i < count; i++)
        out[i] = numbers[out[i]];
    return true;
}
