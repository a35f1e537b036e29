/*
 * wal_replay.c - reading the log back after a start: what holds, where it ends, what is damage.
 *
 * Segments are read whole, one at a time. A segment whose successor begins at or before the first wanted record is
 * passed over unread. See wal_segment.h for when a record holds.
 *
 * A header is synced before the first record is written. So a last segment whose header does not hold was made ready and
 * never used, and goes; but if any record in it holds, the header was damaged.
 */
#include "storage/wal_internal.h"

#include <stdlib.h>

struct reading {
    struct wal *wal;
    char name[VFS_NAME_BYTES_MAX];
    unsigned char *bytes;
    size_t len;
};

static bool header_holds(const struct wal_segment_header *header, uint64_t number)
{
    return memcmp(header->magic, WAL_MAGIC, sizeof(header->magic)) == 0 && header->number == number &&
           header->crc == silt_crc32c(0, header, offsetof(struct wal_segment_header, crc));
}

/* false: it was made ready but never written to. */
static enum silt_status read_header(struct wal *wal, uint64_t number, struct wal_segment_header *header, bool *holds,
                                    uint64_t *bytes, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct vfs_segment *segment;
    size_t got;
    wal_segment_name(number, name);
    enum silt_status rc = vfs_segment_open(wal->vfs, name, &segment, err);
    if (rc != SILT_OK)
        return rc;
    *bytes = vfs_segment_bytes(segment);
    rc = vfs_segment_read(segment, 0, header, sizeof(*header), &got, err);
    *holds = rc == SILT_OK && got == sizeof(*header) && header_holds(header, number);
    vfs_segment_close(segment);
    return rc;
}

/* The record at `at`, or NULL when nothing holds there. */
static const struct wal_record_header *record_at(const struct reading *reading, size_t at, uint64_t number)
{
    if (at % 8 || at > reading->len || reading->len - at < sizeof(struct wal_record_header))
        return NULL;
    const struct wal_record_header *header = (const void *)(reading->bytes + at);
    if (header->number != number || header->payload_bytes > WAL_PAYLOAD_BYTES_MAX ||
        header->payload_bytes > reading->len - at - sizeof(*header))
        return NULL;
    size_t checked = sizeof(*header) - offsetof(struct wal_record_header, number) + header->payload_bytes;
    return header->crc == silt_crc32c(0, &header->number, checked) ? header : NULL;
}

/* Behind a record that does not hold: does any later one say that it was durable? */
static bool was_durable(const struct reading *reading, size_t from, uint64_t number, uint64_t seq)
{
    for (size_t at = from; at + sizeof(struct wal_record_header) <= reading->len; at += 8) {
        const struct wal_record_header *header = record_at(reading, at, number);
        if (header && header->seq > seq && header->durable_seq >= seq)
            return true;
    }
    return false;
}

static enum silt_status read_segment(struct reading *reading, uint64_t number, struct silt_error *err)
{
    struct vfs_segment *segment;
    wal_segment_name(number, reading->name);
    enum silt_status rc = vfs_segment_open(reading->wal->vfs, reading->name, &segment, err);
    if (rc != SILT_OK)
        return rc;
    uint64_t bytes = vfs_segment_bytes(segment);
    if (bytes > SIZE_MAX / 2) {
        vfs_segment_close(segment);
        return silt_fail(err, SILT_CORRUPT, "%s: impossible size", reading->name);
    }
    reading->bytes = silt_realloc(reading->bytes, bytes ? bytes : 1);
    rc = vfs_segment_read(segment, 0, reading->bytes, bytes, &reading->len, err);
    vfs_segment_close(segment);
    return rc;
}

/* Records of one segment; *seq is the number expected next. */
static enum silt_status replay_segment(struct reading *reading, const struct wal_live *live, bool last, uint64_t from_seq,
                                       uint64_t *seq, wal_record_fn each, void *arg, struct silt_error *err)
{
    enum silt_status rc = read_segment(reading, live->number, err);
    size_t at = sizeof(struct wal_segment_header);
    while (rc == SILT_OK) {
        const struct wal_record_header *header = record_at(reading, at, live->number);
        if (!header || header->seq != *seq) {
            bool damage = !last ? *seq < live->end_seq : was_durable(reading, at, live->number, *seq);
            if (damage)
                rc = silt_fail(err, SILT_CORRUPT, "%s: damaged at offset %zu: record %llu was durable", reading->name,
                               at, (unsigned long long)*seq);
            break;
        }
        if (header->seq >= from_seq)
            rc = each(arg, header->seq, header->kind, header + 1, header->payload_bytes, err);
        at += wal_record_bytes(header->payload_bytes);
        ++*seq;
    }
    return rc;
}

/* Of a segment whose header does not hold. */
static enum silt_status check_never_used(struct wal *wal, uint64_t number, struct silt_error *err)
{
    struct reading reading = {.wal = wal};
    enum silt_status rc = read_segment(&reading, number, err);
    for (size_t at = sizeof(struct wal_segment_header); rc == SILT_OK && at < reading.len; at += 8)
        if (record_at(&reading, at, number))
            rc = silt_fail(err, SILT_CORRUPT, "%s: damaged header, with a record at offset %zu", reading.name, at);
    free(reading.bytes);
    return rc;
}

/* Headers of all segments: which were used, where each begins and ends. */
static enum silt_status survey(struct wal *wal, struct silt_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < wal->live_count; i++) {
        struct wal_segment_header header;
        bool holds;
        uint64_t bytes;
        enum silt_status rc = read_header(wal, wal->live[i].number, &header, &holds, &bytes, err);
        if (rc != SILT_OK)
            return rc;
        char name[VFS_NAME_BYTES_MAX];
        wal_segment_name(wal->live[i].number, name);
        if (!holds) {
            if (i + 1 < wal->live_count)
                return silt_fail(err, SILT_CORRUPT, "%s: damaged header", name);
            if ((rc = check_never_used(wal, wal->live[i].number, err)) != SILT_OK ||
                (rc = vfs_segment_remove(wal->vfs, name, err)) != SILT_OK)
                return rc;
            continue;
        }
        if (kept && wal->live[kept - 1].number + 1 != wal->live[i].number)
            return silt_fail(err, SILT_CORRUPT, "%s: the segment before it is missing", name);
        if (kept)
            wal->live[kept - 1].end_seq = header.prev_seq;
        wal->live[kept++] = (struct wal_live){.number = wal->live[i].number, .first_seq = header.first_seq,
                                              .end_seq = UINT64_MAX, .bytes = bytes};
    }
    wal->live_count = kept;
    return SILT_OK;
}

enum silt_status wal_replay(struct wal *wal, uint64_t from_seq, wal_record_fn each, void *arg, struct silt_error *err)
{
    struct reading reading = {.wal = wal};
    enum silt_status rc = survey(wal, err);
    uint64_t seq = wal->live_count ? wal->live[0].first_seq : 1;
    for (size_t i = 0; rc == SILT_OK && i < wal->live_count; i++) {
        bool last = i + 1 == wal->live_count;
        seq = wal->live[i].first_seq;
        if (!last && wal->live[i].end_seq <= from_seq) {
            seq = wal->live[i].end_seq;
            continue;
        }
        rc = replay_segment(&reading, &wal->live[i], last, from_seq, &seq, each, arg, err);
    }
    if (rc == SILT_OK && wal->live_count)
        wal->live[wal->live_count - 1].end_seq = seq;
    wal->next_seq = seq;
    free(reading.bytes);
    return rc;
}
