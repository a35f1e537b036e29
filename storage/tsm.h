/*
 * TSM FILE, version 1
 *
 * An immutable, sorted piece of one shard. Little-endian; times in ns, UTC; CRC is CRC-32C; "varint" is LEB128, "signed"
 * a zigzagged varint. Every byte is covered by some CRC. Written front to back; the footer comes last.
 *
 *     | header 32 | blocks ... | index entries ... | directory pages ... | directory top | footer 128 |
 *
 *     header     0   8  magic "siltTSM1"
 *                8   8  file id
 *               16   8  owner epoch
 *               24   4  zero
 *               28   4  CRC of bytes 0..27
 *
 *     block      payload (see encode.h), CRC of the payload. One row group's blocks stand together: the times' block, then
 *                the fields' in the order of the index. Groups of a series follow each other without a hole, and so do
 *                series. A field with gaps has its validity in front of the values: codec byte, varint length, payload
 *                of booleans, one a row; the values are then only those of the rows that have one.
 *
 *     index entry, one a series, series rising:
 *                varint   offset of the first block of the series, from the start of the file
 *                groups until 4 bytes are left, times rising without overlap:
 *                    varint   bytes of this group's entry after this number
 *                    varint   rows, 1..1024
 *                    signed   min time, less the footer's base time (first group) or the max time of the group before
 *                    varint   max time less min time, if rows > 1
 *                    varint   bytes of all blocks of the group (it is where the next group's blocks begin)
 *                    byte     codec of the times, if rows > 2. STEP (and always if rows <= 2): no block, the step is
 *                             (max - min) / (rows - 1). Else:
 *                    varint   bytes of the times' block, with its CRC
 *                    varint   number of fields, at least 1; then the fields, by id, then type:
 *                        byte     head: bits 0-2 type; bit 3 the id is the one before plus 1 (of the first: is 1);
 *                                 bit 4 gaps; bit 5 block of values; bits 6-7 kind of the lone value
 *                        varint   id less the id before (of the first: less 0), if bit 3 is clear
 *                        varint   number of values, if bit 4 is set
 *                        with a block of values:
 *                            byte     codec
 *                            varint   bytes of the block, with its CRC
 *                            byte     bytes of the statistics
 *                            statistics
 *                        without, every value is the same, and this is it (never strings):
 *                            varint   bytes of the block that has the validity alone, with its CRC, if bit 4 is set
 *                            lone value
 *                CRC, begun with the series id's CRC
 *
 *     statistics, all arithmetic modulo 2^64:
 *                strings   nothing
 *                booleans  byte: bit 0 min, bit 1 max, bit 2 first, bit 3 last
 *                integers  min signed; max - min, first - min, last - min varints; sum - min * count signed
 *                floats    byte, the kind: 0 integers: as above, of floats that are integers and whose sizes add up to less
 *                          than 2^53, so that their sum is exact in every order
 *                          1 decimals: byte power; min signed, max - min, first - min, last - min varints, each over
 *                          10^power; sum, 8 bytes
 *                          2 floats: min, max, first, last, sum, 8 bytes each
 *     lone value booleans byte; integers signed; floats by kind: 0 signed; 1 byte power, signed; 2 8 bytes; then, unless
 *                kind is 0 or there is one value: sum, 8 bytes. A float's sum is what adding from 0.0 in row order gives.
 *
 *     directory page: 256 entries (the last page: the rest), then
 *                0   8  end of the last of these index entries, CRC
 *       entry    0   4  series id, rising through the file
 *                4   8  start of its index entry, from the index offset; it ends where the next one's starts
 *     directory top: the first series id of each page, 4 bytes each; CRC
 *
 *     footer     0   8  file id              64   8  values
 *                8   8  owner epoch          72   8  row groups
 *               16   8  index offset         80   8  series
 *               24   8  directory offset     88   8  base time of the index
 *               32   8  top offset           96  20  zero
 *               40   8  min time            116   4  CRC of bytes 0..115
 *               48   8  max time            120   8  magic "1MSTtlis"
 *               56   8  rows
 */
#ifndef STORAGE_TSM_H
#define STORAGE_TSM_H

#include "silt/base.h"
#include "silt/reader.h"
#include "storage/encode.h"

#define TSM_MAGIC "siltTSM1"
#define TSM_MAGIC_END "1MSTtlis"
#define TSM_HEADER_BYTES 32u
#define TSM_FOOTER_BYTES 128u
#define TSM_PAGE_ENTRIES 256u
#define TSM_ENTRY_BYTES 12u
#define TSM_PAGE_END_BYTES 12u
#define TSM_PAGE_BYTES (TSM_PAGE_ENTRIES * TSM_ENTRY_BYTES + TSM_PAGE_END_BYTES)
#define TSM_CRC_BYTES 4u
#define TSM_GROUP_ROWS_MAX ENCODE_ROWS_MAX
#define TSM_GROUP_FIELDS_MAX 65535u
/* A block's payload is never longer. */
#define TSM_BLOCK_BYTES_MAX ((uint32_t)1 << 30)

enum { TSM_HEAD_TYPE = 7, TSM_HEAD_NEXT = 8, TSM_HEAD_GAPS = 16, TSM_HEAD_BLOCK = 32, TSM_HEAD_KIND_SHIFT = 6 };
enum tsm_kind { TSM_KIND_INTEGERS = 0, TSM_KIND_DECIMALS = 1, TSM_KIND_FLOATS = 2 };

struct tsm_field;

/* tsm_stats.c: statistics of a run of values, and their place in the index. values: count of int64_t, double or
 * uint8_t; strings are only counted. */
void tsm_stats_compute(enum silt_type type, const void *values, uint32_t count, struct silt_block_stats *out);
/* As a block's statistics; at most 51 bytes. */
void tsm_stats_put(enum silt_type type, const struct silt_block_stats *stats, struct silt_buffer *out);
/* As a lone value; returns its kind for the head. Every value is stats->min. */
unsigned tsm_lone_put(enum silt_type type, const struct silt_block_stats *stats, struct silt_buffer *out);
/* Passes over a lone value; false when the bytes are not one. */
bool tsm_lone_skip(enum silt_type type, unsigned kind, uint32_t count, struct encode_cursor *cursor);

#endif
