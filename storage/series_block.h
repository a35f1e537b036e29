/*
 * series_block.h - some thousand series in a few bytes each, as the catalog keeps them.
 *
 *     version u8 = 1
 *     count varint | runs of ids: how many varint, (gap, length) varints each; the first gap is from the block's base
 *     shapes: how many varint, then each: tags varint, (length varint, bytes) of each key
 *     runs of shapes: how many varint, (shape, length) varints each: which series has which
 *     per shape, per column (the measurement, then the value of each tag): kind u8, strings varint, the strings
 *         kind 0   a string for each series of the shape, in order
 *         kind 1   the distinct ones, and behind them a number for each series, of as many bits as the highest takes
 *     a string: a byte, shared << 4 | rest, where 15 is followed by a varint of what is above; `rest` bytes. shared: with the one before.
 *
 * A key is taken apart at commas and equals signs without a backslash in front, and put together again to the same bytes. One of another
 * form, or of too many shapes or tags, is of shape 0: no tags, its text for a measurement.
 *
 * Decoding trusts nothing: any bytes give SILT_OK or SILT_CORRUPT. Threads: no state; any thread.
 */
#ifndef STORAGE_SERIES_BLOCK_H
#define STORAGE_SERIES_BLOCK_H

#include "silt/base.h"
#include "silt/text.h"

#define SERIES_BLOCK_MAX 4096u                     /* series in one */
#define SERIES_BLOCK_TEXT_MAX ((size_t)1 << 20)    /* bytes of their keys; one key alone may have so many */

struct series_block_item {
    silt_series_id id;
    struct silt_str key;
};

/* How many of the items, from the first, go into one block. */
size_t series_block_fit(const struct series_block_item *items, size_t count);
/* Appends a block. Ids rise, from base on; items are those that fit. */
void series_block_encode(silt_series_id base, const struct series_block_item *items, size_t count, struct silt_arena *scratch,
                         struct silt_buffer *out);

struct series_block_span {
    uint32_t count;
    silt_series_id last;
};
enum silt_status series_block_span(struct silt_str block, silt_series_id base, struct series_block_span *out,
                                   struct silt_error *err);

/* The key is borrowed during the call. */
typedef enum silt_status (*series_block_fn)(void *arg, silt_series_id id, struct silt_str key, struct silt_error *err);
/* Each series, ids rising. Ends at the first call that fails. */
enum silt_status series_block_decode(struct silt_str block, silt_series_id base, struct silt_arena *scratch,
                                     series_block_fn each, void *arg, struct silt_error *err);

/* ---------------------------------------------------------------- between the two files */

#define SERIES_BLOCK_VERSION 1u
#define SERIES_BLOCK_SHAPES 64u
#define SERIES_BLOCK_TAGS 64u
#define SERIES_BLOCK_NIBBLE 15u
enum series_column_kind { SERIES_COLUMN_LIST = 0, SERIES_COLUMN_CODES = 1 }; /* on disk: never renumber */

#endif
