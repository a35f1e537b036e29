/*
 * wal_replay.c - reading the log back after a start: what holds, where it ends, what is damage.
 *
 * Segments are read one at a time (wal_reading.h). A segment whose successor begins at or before the first wanted record is
 * passed over unread. See wal_segment.h for when a record holds.
 *
 * A segment counts as far as the next one's first record. Where an error of the disk made the log leave a segment, there may be
 * records beyond that, which stand in the next one once more, and beyond prev_seq some may be missing.
 *
 * A header is synced before the first record is written. So a last segment whose header does not hold was made ready and
 * never used, and goes; but if any record in it holds, the header was damaged.
 */
#include "storage/wal_internal.h"
#include "storage/wal_reading.h"

#include <stdlib.h>

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
    *holds = rc == SILT_OK && got == sizeof(*header) && wal_header_holds(header, number);
    vfs_segment_close(segment);
    return rc;
}

/* Behind a record that does not hold: does any later one say that it was durable? */
static enum silt_status was_durable(struct wal_reading *reading, uint64_t at, uint64_t number, uint64_t seq, bool *durable,
                                    struct silt_error *err)
{
    enum silt_status rc;
    const struct wal_record_header *header;
    *durable = false;
    for (; (rc = wal_next_place(reading, number, &at, err)) == SILT_OK && at != UINT64_MAX; at += 8) {
        if ((rc = wal_record_at(reading, at, number, &header, err)) != SILT_OK)
            break;
        if (header && header->seq > seq && header->durable_seq >= seq) {
            *durable = true;
            break;
        }
    }
    return rc;
}

/* Records of one segment; *seq is the number expected next. */
static enum silt_status replay_segment(struct wal_reading *reading, const struct wal_live *live, bool last, uint64_t from_seq,
                                       uint64_t *seq, wal_record_fn each, void *arg, struct silt_error *err)
{
    enum silt_status rc = wal_reading_open(reading, live->number, err);
    if (rc != SILT_OK)
        return rc;
    uint64_t at = sizeof(struct wal_segment_header);
    while (rc == SILT_OK && *seq < live->end_seq) {
        const struct wal_record_header *header;
        if ((rc = wal_record_at(reading, at, live->number, &header, err)) != SILT_OK)
            break;
        if (!header || header->seq != *seq) {
            bool damage = !last && *seq < live->sure_seq;
            if (last)
                rc = was_durable(reading, at, live->number, *seq, &damage, err);
            if (rc == SILT_OK && damage)
                rc = silt_fail(err, SILT_CORRUPT, "%s: damaged at offset %llu: record %llu was durable", reading->name,
                               (unsigned long long)at, (unsigned long long)*seq);
            break;
        }
        at += wal_record_bytes(header->payload_bytes);
        ++*seq;
        if (header->seq >= from_seq)
            rc = each(arg, header->seq, header->kind, header + 1, header->payload_bytes, err);
    }
    vfs_segment_close(reading->segment);
    return rc;
}

/* Of a segment whose header does not hold. */
static enum silt_status check_never_used(struct wal *wal, uint64_t number, struct silt_error *err)
{
    struct wal_reading reading = {.vfs = wal->vfs};
    const struct wal_record_header *header;
    uint64_t at = sizeof(struct wal_segment_header);
    enum silt_status rc = wal_reading_open(&reading, number, err);
    if (rc != SILT_OK)
        return rc;
    for (; (rc = wal_next_place(&reading, number, &at, err)) == SILT_OK && at != UINT64_MAX; at += 8) {
        if ((rc = wal_record_at(&reading, at, number, &header, err)) != SILT_OK)
            break;
        if (header) {
            rc = silt_fail(err, SILT_CORRUPT, "%s: damaged header, with a record at offset %llu", reading.name,
                           (unsigned long long)at);
            break;
        }
    }
    vfs_segment_close(reading.segment);
    free(reading.window);
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
            rc = check_never_used(wal, wal->live[i].number, err);
            if (rc == SILT_OK && !wal->options.read_only)
                rc = vfs_segment_remove(wal->vfs, name, err);
            if (rc != SILT_OK)
                return rc;
            continue;
        }
        if (kept && wal->live[kept - 1].number + 1 != wal->live[i].number)
            return silt_fail(err, SILT_CORRUPT, "%s: the segment before it is missing", name);
        if (kept) {
            wal->live[kept - 1].end_seq = header.first_seq;
            wal->live[kept - 1].sure_seq = header.prev_seq;
        }
        wal->live[kept++] = (struct wal_live){.number = wal->live[i].number, .first_seq = header.first_seq,
                                              .end_seq = UINT64_MAX, .bytes = bytes};
    }
    wal->live_count = kept;
    return SILT_OK;
}

enum silt_status wal_replay(struct wal *wal, uint64_t from_seq, wal_record_fn each, void *arg, struct silt_error *err)
{
    struct wal_reading reading = {.vfs = wal->vfs};
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
    free(reading.window);
    return rc;
}

enum silt_status wal_segment_range(const struct wal *wal, uint64_t number, uint64_t *first_seq, uint64_t *end_seq,
                                   struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    for (size_t i = 0; i < wal->live_count; i++)
        if (wal->live[i].number == number) {
            *first_seq = wal->live[i].first_seq;
            *end_seq = wal->live[i].end_seq;
            return SILT_OK;
        }
    wal_segment_name(number, name);
    return silt_fail(err, SILT_NOT_FOUND, "%s: not a segment with records", name);
}
