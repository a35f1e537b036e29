/*
 * wal_segment.h - what a log segment looks like. docs/format/wal.md has the same for people who don't read C.
 *
 *     segment NNNNNNNNNNNNNNNN.wal (the number in hexadecimal), little-endian:
 *
 *     header    0  8  magic "siltWAL1"
 *               8  8  number, equal to the one in the name
 *              16  8  epoch of the owner
 *              24  8  first_seq: of its first record
 *              32  8  prev_seq: where the segment before ended (its last seq + 1); normally first_seq
 *              40  4  CRC-32C of bytes 0..39
 *              44  4  zero
 *     record    0  4  bytes of the payload
 *               4  4  CRC-32C of all that follows, without the padding
 *               8  8  number of the segment: bytes left over from a recycled file never pass
 *              16  8  seq, one higher than the record before
 *              24  8  durable_seq: all records up to it were synced before this one was written
 *              32  1  kind
 *              33  7  zero
 *              40  .  payload, padded with zeros to a multiple of 8
 *
 * The log ends at the first record that does not hold. What follows it is a torn tail, unless a later record says that
 * the broken one was durable already: then it is damage.
 */
#ifndef STORAGE_WAL_SEGMENT_H
#define STORAGE_WAL_SEGMENT_H

#include "silt/base.h"

#define WAL_MAGIC "siltWAL1"

struct wal_segment_header {
    char magic[8];
    uint64_t number, epoch, first_seq, prev_seq;
    uint32_t crc, zero;
};
_Static_assert(sizeof(struct wal_segment_header) == 48, "on-disk size");

struct wal_record_header {
    uint32_t payload_bytes;
    uint32_t crc;
    uint64_t number, seq, durable_seq;
    uint8_t kind, zero[7];
};
_Static_assert(sizeof(struct wal_record_header) == 40, "on-disk size");

static inline size_t wal_record_bytes(size_t payload_bytes)
{
    return sizeof(struct wal_record_header) + ((payload_bytes + 7) & ~(size_t)7);
}

#endif
