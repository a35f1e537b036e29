/*
 * wal_replay.c - reading the log back after a start: what holds, where it ends, what is damage.
 *
 * Segments are read one at a time, through a window that moves over them: fresh memory for 64 MiB would take longer to
 * get than the bytes to read. A segment whose successor begins at or before the first wanted record is passed over
 * unread. See wal_segment.h for when a record holds.
 *
 * A header is synced before the first record is written. So a last segment whose header does not hold was made ready and
 * never used, and goes; but if any record in it holds, the header was damaged.
 */
#include "storage/wal_internal.h"

#include <stdlib.h>

#define WINDOW_BYTES ((size_t)1 << 20)

struct reading {
    struct wal *wal;
    char name[VFS_NAME_BYTES_MAX];
    struct vfs_segment *segment;
    uint64_t end; /* of the segment */
    unsigned char *window;
    size_t capacity, held;
    uint64_t start; /* where in the segment the window begins; a multiple of 8 */
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

/* *bytes: `wanted` bytes at `at`, good until the next call; NULL: the segment ends before. */
static enum silt_status bytes_at(struct reading *reading, uint64_t at, size_t wanted, const unsigned char **bytes,
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

/* The record at `at`, good until the next call, or NULL when nothing holds there. */
static enum silt_status record_at(struct reading *reading, uint64_t at, uint64_t number,
                                  const struct wal_record_header **record, struct silt_error *err)
{
    const unsigned char *bytes;
    *record = NULL;
    enum silt_status rc = bytes_at(reading, at, sizeof(**record), &bytes, err);
    if (rc != SILT_OK || !bytes)
        return rc;
    const struct wal_record_header *header = (const void *)bytes;
    size_t payload_bytes = header->payload_bytes;
    if (header->number != number || payload_bytes > WAL_PAYLOAD_BYTES_MAX)
        return SILT_OK;
    rc = bytes_at(reading, at, sizeof(*header) + payload_bytes, &bytes, err);
    if (rc != SILT_OK || !bytes)
        return rc;
    header = (const void *)bytes;
    size_t checked = sizeof(*header) - offsetof(struct wal_record_header, number) + payload_bytes;
    if (header->crc == silt_crc32c(0, &header->number, checked))
        *record = header;
    return SILT_OK;
}

/* The next place from *at on where a record may begin: one with the segment's number; UINT64_MAX: none. */
static enum silt_status next_place(struct reading *reading, uint64_t number, uint64_t *at, struct silt_error *err)
{
    const size_t skip = offsetof(struct wal_record_header, number);
    for (;;) {
        const unsigned char *bytes;
        enum silt_status rc = bytes_at(reading, *at, sizeof(struct wal_record_header), &bytes, err);
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

/* Behind a record that does not hold: does any later one say that it was durable? */
static enum silt_status was_durable(struct reading *reading, uint64_t at, uint64_t number, uint64_t seq, bool *durable,
                                    struct silt_error *err)
{
    enum silt_status rc;
    const struct wal_record_header *header;
    *durable = false;
    for (; (rc = next_place(reading, number, &at, err)) == SILT_OK && at != UINT64_MAX; at += 8) {
        if ((rc = record_at(reading, at, number, &header, err)) != SILT_OK)
            break;
        if (header && header->seq > seq && header->durable_seq >= seq) {
            *durable = true;
            break;
        }
    }
    return rc;
}

static enum silt_status open_segment(struct reading *reading, uint64_t number, struct silt_error *err)
{
    wal_segment_name(number, reading->name);
    reading->held = 0;
    reading->start = 0;
    enum silt_status rc = vfs_segment_open(reading->wal->vfs, reading->name, &reading->segment, err);
    if (rc == SILT_OK)
        reading->end = vfs_segment_bytes(reading->segment);
    return rc;
}

/* Records of one segment; *seq is the number expected next. */
static enum silt_status replay_segment(struct reading *reading, const struct wal_live *live, bool last, uint64_t from_seq,
                                       uint64_t *seq, wal_record_fn each, void *arg, struct silt_error *err)
{
    enum silt_status rc = open_segment(reading, live->number, err);
    if (rc != SILT_OK)
        return rc;
    uint64_t at = sizeof(struct wal_segment_header);
    while (rc == SILT_OK) {
        const struct wal_record_header *header;
        if ((rc = record_at(reading, at, live->number, &header, err)) != SILT_OK)
            break;
        if (!header || header->seq != *seq) {
            bool damage = !last && *seq < live->end_seq;
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
    struct reading reading = {.wal = wal};
    const struct wal_record_header *header;
    uint64_t at = sizeof(struct wal_segment_header);
    enum silt_status rc = open_segment(&reading, number, err);
    if (rc != SILT_OK)
        return rc;
    for (; (rc = next_place(&reading, number, &at, err)) == SILT_OK && at != UINT64_MAX; at += 8) {
        if ((rc = record_at(&reading, at, number, &header, err)) != SILT_OK)
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
