/*
 * fuzz_wal.c - arbitrary bytes as a log segment (with checksums mended along the way), read by the replay.
 */
#include "silt/text.h"
#include "storage/wal.h"
#include "storage/wal_segment.h"
#include "tests/fault_vfs.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum silt_status see(void *arg, uint64_t seq, uint8_t kind, const void *payload, size_t bytes,
                            struct silt_error *err)
{
    (void)kind, (void)err;
    uint64_t *sum = arg;
    *sum += seq;
    for (size_t i = 0; i < bytes; i++)
        *sum += ((const unsigned char *)payload)[i];
    return SILT_OK;
}

/* The header, and each record that its own lengths lead to. */
static void mend(unsigned char *bytes, size_t len)
{
    struct wal_segment_header header;
    memcpy(&header, bytes, sizeof(header));
    memcpy(header.magic, WAL_MAGIC, 8);
    header.number = 1;
    header.crc = silt_crc32c(0, &header, offsetof(struct wal_segment_header, crc));
    memcpy(bytes, &header, sizeof(header));
    uint64_t seq = header.first_seq;
    for (size_t at = sizeof(header); at + sizeof(struct wal_record_header) <= len;) {
        struct wal_record_header record;
        memcpy(&record, bytes + at, sizeof(record));
        if (record.payload_bytes > len - at - sizeof(record))
            break;
        record.number = 1;
        record.seq = seq++;
        memcpy(bytes + at, &record, sizeof(record));
        record.crc = silt_crc32c(0, bytes + at + 8, sizeof(record) - 8 + record.payload_bytes);
        memcpy(bytes + at + 4, &record.crc, 4);
        at += wal_record_bytes(record.payload_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct silt_error err;
    struct vfs_segment *segment;
    struct wal *wal;
    uint64_t sum = 0;
    if (size < 1 + sizeof(struct wal_segment_header) || size > 1 << 16)
        return 0;
    struct vfs *vfs = fault_vfs_create(1);
    size_t len = size - 1;
    unsigned char *bytes = malloc(len);
    memcpy(bytes, data + 1, len);
    if (data[0] & 1)
        mend(bytes, len);
    if (vfs_segment_create(vfs, "wal/0000000000000001.wal", len, NULL, &segment, &err) != SILT_OK ||
        vfs_segment_write(segment, 0, bytes, len, &err) != SILT_OK || vfs_segment_sync(segment, &err) != SILT_OK)
        abort();
    vfs_segment_close(segment);
    free(bytes);
    struct wal_options options = {.epoch = 1, .segment_bytes = 4096};
    if (wal_open(vfs, &options, &wal, &err) == SILT_OK) {
        wal_replay(wal, 0, see, &sum, &err);
        wal_close(wal);
    }
    fault_vfs_destroy(vfs);
    return 0;
}
