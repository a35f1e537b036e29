/*
 * wal_reading.h - a log segment, read from outside: what holds at a place, and where something may begin. For the replay after
 * a start and for silt-inspect's repair; wal_segment.h draws the format.
 *
 * Threads: one.
 */
#ifndef STORAGE_WAL_READING_H
#define STORAGE_WAL_READING_H

#include "storage/vfs.h"
#include "storage/wal_segment.h"

struct wal_reading { /* set vfs, the rest zero; free(window) at the end */
    struct vfs *vfs;
    char name[VFS_NAME_BYTES_MAX];
    struct vfs_segment *segment;
    uint64_t end; /* of the segment */
    unsigned char *window;
    size_t capacity, held;
    uint64_t start; /* where in the segment the window begins; a multiple of 8 */
};

bool wal_header_holds(const struct wal_segment_header *header, uint64_t number);
/* Close reading->segment after it. */
enum silt_status wal_reading_open(struct wal_reading *reading, uint64_t number, struct silt_error *err);
/* *bytes: `wanted` bytes at `at`, good until the next call; NULL: the segment ends before. */
enum silt_status wal_bytes_at(struct wal_reading *reading, uint64_t at, size_t wanted, const unsigned char **bytes,
                              struct silt_error *err);
/* The record at `at`, good until the next call, or NULL when nothing holds there. */
enum silt_status wal_record_at(struct wal_reading *reading, uint64_t at, uint64_t number,
                               const struct wal_record_header **record, struct silt_error *err);
/* The next place from *at on where a record may begin: one with the segment's number; UINT64_MAX: none. */
enum silt_status wal_next_place(struct wal_reading *reading, uint64_t number, uint64_t *at, struct silt_error *err);

#endif
