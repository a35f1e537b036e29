/*
 * tombstone.h - what a delete leaves behind: "these series have no points in [min, max] that are older than seq".
 *
 * A tombstone hides points of files and generations whose own seq is not above its seq. Compaction leaves hidden points
 * out; a tombstone that hides nothing any more is dropped. As bytes (in a blob of the shard, named by its manifest):
 *
 *     | magic "siltTMB1" 8 | count 4 | tombstone ... | CRC-32C of all before 4 |
 *
 *     tombstone  seq 8, min 8, max 8, length 4, the series ids as a portable Roaring bitmap of that length
 *
 * Threads: a tombstone is immutable and counted; any thread.
 */
#ifndef STORAGE_TOMBSTONE_H
#define STORAGE_TOMBSTONE_H

#include "silt/base.h"
#include "silt/text.h"
#include "storage/vfs.h"

#include <roaring/roaring.h>

struct tombstone {
    _Atomic uint32_t references;
    uint64_t seq;
    silt_time min, max; /* both inclusive */
    roaring_bitmap_t *series;
};

/* One reference for the caller; takes over `series`. */
struct tombstone *tombstone_create(uint64_t seq, silt_time min, silt_time max, roaring_bitmap_t *series);
struct tombstone *tombstone_acquire(struct tombstone *tombstone);
void tombstone_release(struct tombstone *tombstone); /* NULL is fine */

/* The bytes of a set of series: length 4, portable Roaring bitmap. */
void tombstone_put_series(struct silt_buffer *out, const roaring_bitmap_t *series);
/* *at moves behind it. NULL: not such bytes. */
roaring_bitmap_t *tombstone_get_series(const uint8_t **at, const uint8_t *end);

void tombstone_encode(struct silt_buffer *out, struct tombstone *const *tombstones, size_t count);
/* *tombstones is malloc'd, each has one reference. SILT_CORRUPT: name says where. */
enum silt_status tombstone_decode(const char *name, const void *bytes, size_t len, struct tombstone ***tombstones,
                                  size_t *count, struct silt_error *err);
/* The same of a blob. SILT_NOT_FOUND, SILT_IO. */
enum silt_status tombstone_load(struct vfs *vfs, const char *name, struct tombstone ***tombstones, size_t *count,
                                struct silt_error *err);

struct tombstone_span {
    silt_time min, max;
};

/* What of [min, max] of a series with data of age `seq` is still to be seen: spans, rising. Returns their number, at most
 * `room`, which must be count + 1. */
size_t tombstone_visible(struct tombstone *const *tombstones, size_t count, uint64_t seq, uint32_t series, silt_time min,
                         silt_time max, struct tombstone_span *spans, size_t room);

#endif
