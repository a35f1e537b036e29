/*
 * simple8b.c - numbers of up to 60 bits, packed into words of 64.
 *
 *     word, big-endian   | selector 4 | numbers, the first in the lowest bits |
 *
 *     selector    0   1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
 *     numbers   240 120 60 30 20 15 12 10  8  7  6  5  4  3  2  1
 *     bits each   -   -  1  2  3  4  5  6  7  8 10 12 15 20 30 60
 *
 * Selectors 0 and 1 are runs of the number 1, their other bits mean nothing.
 */
#include "inspect/influxdb/bytes.h"
#include "inspect/influxdb/codec.h"

static const uint8_t counts[16] = {240, 120, 60, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1};
static const uint8_t bits[16] = {0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 60};

size_t influx_simple8b_count(const uint8_t *words, size_t word_count, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < word_count; i++) {
        count += counts[words[i * 8] >> 4];
        if (count > max)
            return SIZE_MAX;
    }
    return count;
}

void influx_simple8b_decode(const uint8_t *words, size_t word_count, uint64_t *out)
{
    for (size_t i = 0; i < word_count; i++) {
        uint64_t word = influx_load64(words + i * 8);
        unsigned selector = (unsigned)(word >> 60), count = counts[selector], width = bits[selector];
        if (width == 0) {
            for (unsigned k = 0; k < count; k++)
                out[k] = 1;
        } else {
            uint64_t mask = ((uint64_t)1 << width) - 1;
            for (unsigned k = 0; k < count; k++) {
                out[k] = word & mask;
                word >>= width;
            }
        }
        out += count;
    }
}
