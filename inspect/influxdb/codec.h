/*
 * codec.h - one block of InfluxDB's TSM1: a run of times and their values, as bytes and decoded.
 *
 *     block    | type 1 | bytes of times, varint | times | values |
 *
 * The encodings are told in docs/format/influxdb-1.md, and above each decoder. Nothing is allocated on a block's word:
 * what it claims to hold is bounded by INFLUX_BLOCK_VALUES_MAX, a thousand times what InfluxDB writes.
 */
#ifndef INSPECT_INFLUXDB_CODEC_H
#define INSPECT_INFLUXDB_CODEC_H

#include "silt/base.h"
#include "silt/text.h"

#define INFLUX_BLOCK_VALUES_MAX (1u << 20)

/* Decoded values; memory is kept from block to block. Zero-initialise; free with influx_block_free. One thread. */
struct influx_block {
    enum silt_type type;
    size_t count, capacity;
    silt_time *times;         /* strictly rising */
    union silt_value *values; /* strings live in texts */
    struct silt_buffer plain, texts;
};
void influx_block_free(struct influx_block *block);

/* NULL, or what is wrong with the bytes: then out holds nothing of use. */
const char *influx_block_decode(const uint8_t *bytes, size_t len, struct influx_block *out);
/* The type of a block of TSM1's number; NONE: there is no such number. */
enum silt_type influx_block_type(uint8_t number);

/* ---------------------------------------------------------------- the parts */

/* Times first: they tell the count, which the values have to match. */
const char *influx_decode_times(const uint8_t *bytes, size_t len, struct influx_block *out);
const char *influx_decode_integers(const uint8_t *bytes, size_t len, size_t count, union silt_value *out);
const char *influx_decode_floats(const uint8_t *bytes, size_t len, size_t count, union silt_value *out);
const char *influx_decode_booleans(const uint8_t *bytes, size_t len, size_t count, union silt_value *out);
const char *influx_decode_strings(const uint8_t *bytes, size_t len, struct influx_block *out);

/* How many numbers stand in words of simple8b; SIZE_MAX: more than max. */
size_t influx_simple8b_count(const uint8_t *words, size_t word_count, size_t max);
/* That many, written to out. */
void influx_simple8b_decode(const uint8_t *words, size_t word_count, uint64_t *out);

#endif
