/*
 * wal_reading.c - see wal_reading.h. A window moves over the segment: fresh memory for 64 MiB would take longer to get than
 * the bytes to read.
 */
#include "storage/wal_reading.h"

#include "storage/wal_internal.h"

#include <stdlib.h>

#define WINDOW_BYTES ((size_t)1 << 20)

bool wal_header_holds(const struct wal_segment_header *header, uint64_t number)
{
    return memcmp(header->magic, WAL_MAGIC, sizeof(header->magic)) == 0 && header->number == number &&
           header->crc == silt_crc32c(0, header, offsetof(struct wal_segment_header, crc));
}

enum silt_status wal_bytes_at(struct wal_reading *reading, uint64_t at, size_t wanted, const unsigned char **bytes,
                              struct silt_error *err)
{
    *bytes = NULL;
    if (at > reading->end || wanted > reading->end - at)
        return SILT_OK;
    if (at < reading->start || at - reading->start > reading->held || wanted > reading->held - (at - reading->start)) {
        size_t room = wanted > WINDOW_BYTES ? wanted : WINDOW_BYTES;
        if (room > reading->capacity) {
            free(reading->window);
            reading->window = silt_malloc(room);
            reading->capacity = room;
        }
        reading->start = at;
        enum silt_status rc = vfs_segment_read(reading->segment, at, reading->window, room, &reading->held, err);
        if (rc != SILT_OK) {
            reading->held = 0;
            return rc;
        }
        if (reading->held < room && reading->end > at + reading->held)
            reading->end = at + reading->held;
        if (wanted > reading->held)
            return SILT_OK;
    }
    *bytes = reading->window + (at - reading->start);
    return SILT_OK;
}

enum silt_status wal_record_at(struct wal_reading *reading, uint64_t at, uint64_t number,
                               const struct wal_record_header **record, struct silt_error *err)
{
    const unsigned char *bytes;
    *record = NULL;
    enum silt_status rc = wal_bytes_at(reading, at, sizeof(**record), &bytes, err);
    if (rc != SILT_OK || !bytes)
        return rc;
    const struct wal_record_header *header = (const void *)bytes;
    size_t payload_bytes = header->payload_bytes;
    if (header->number != number || payload_bytes > WAL_PAYLOAD_BYTES_MAX)
        return SILT_OK;
    rc = wal_bytes_at(reading, at, sizeof(*header) + payload_bytes, &bytes, err);
    if (rc != SILT_OK || !bytes)
        return rc;
    header = (const void *)bytes;
    size_t checked = sizeof(*header) - offsetof(struct wal_record_header, number) + payload_bytes;
    if (header->crc == silt_crc32c(0, &header->number, checked))
        *record = header;
    return SILT_OK;
}

enum silt_status wal_next_place(struct wal_reading *reading, uint64_t number, uint64_t *at, struct silt_error *err)
{
    const size_t skip = offsetof(struct wal_record_header, number);
    for (;;) {
        const unsigned char *bytes;
        enum silt_status rc = wal_bytes_at(reading, *at, sizeof(struct wal_record_header), &bytes, err);
        if (rc != SILT_OK)
            return rc;
        if (!bytes) {
            *at = UINT64_MAX;
            return SILT_OK;
        }
        size_t held = reading->held - (size_t)(bytes - reading->window);
        for (size_t i = 0; i + sizeof(struct wal_record_header) <= held; i += 8) {
            uint64_t found;
            memcpy(&found, bytes + i + skip, sizeof(found));
            if (found == number) {
                *at += i;
                return SILT_OK;
            }
        }
        *at += (held - sizeof(struct wal_record_header)) / 8 * 8 + 8;
    }
}

enum silt_status wal_reading_open(struct wal_reading *reading, uint64_t number, struct silt_error *err)
{
    wal_segment_name(number, reading->name);
    reading->held = 0;
    reading->start = 0;
    enum silt_status rc = vfs_segment_open(reading->vfs, reading->name, &reading->segment, err);
    if (rc == SILT_OK)
        reading->end = vfs_segment_bytes(reading->segment);
    return rc;
}
