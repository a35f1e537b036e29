/*
 * repair_log.c - a log with damage becomes one without: what holds is kept, in segments of the same numbers.
 *
 *     before   | header | 10 | 11 | ## | 13 | 14 |        | header | ## | 16 |
 *     after    | header | 10 | 11 | -- | 13 | 14 |        | header | 16 |              -- a record that says nothing
 *
 * Numbers of records have to follow each other within a segment, so a lost one is stood in for; between segments a header
 * tells where the one before ended. A lost record may have defined series, fields or types. Those of all records below SQLite's
 * applied_seq are known anyway; from a loss above it on, rows of what nobody has defined are left out (repair_known.c).
 */
#include "inspect/repair.h"

#include "storage/record.h"
#include "storage/wal_internal.h"
#include "storage/wal_reading.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MISSING_MAX 1024u /* segments in a row */

struct segment {
    uint64_t number;
    bool there, holds; /* the header does */
    struct wal_segment_header header;
};

struct log_repair {
    struct repair *repair;
    struct segment *segments; /* by number, without a hole */
    size_t count, capacity;
    struct wal_reading reading;
    struct repair_known *known;
    bool doubtful;   /* definitions may be lost: known has SQLite's too */
    uint64_t applied_seq;
    uint64_t end;    /* of what is kept: the next number; 0: nothing is known yet */
};

/* What walking through a segment has found. */
struct walk {
    uint64_t first_seq, end;
    bool damaged;
    uint64_t lost_from, lost_to, damaged_at;
    uint64_t strange_rows; /* left out: of series, fields or types that nobody has defined */
};

/* ---------------------------------------------------------------- finding */

static void note_segment(void *arg, const char *name)
{
    struct log_repair *log = arg;
    char *end;
    uint64_t number = strtoull(name, &end, 16);
    if (end == name || strcmp(end, ".wal") != 0)
        return;
    if (log->count == log->capacity) {
        log->capacity = log->capacity * 2 + 16;
        log->segments = silt_realloc(log->segments, log->capacity * sizeof(*log->segments));
    }
    log->segments[log->count++] = (struct segment){.number = number, .there = true};
}

static int by_number(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static enum silt_status read_header(struct log_repair *log, struct segment *segment, struct silt_error *err)
{
    const unsigned char *bytes;
    enum silt_status rc = wal_reading_open(&log->reading, segment->number, err);
    if (rc != SILT_OK)
        return rc;
    rc = wal_bytes_at(&log->reading, 0, sizeof(segment->header), &bytes, err);
    if (rc == SILT_OK && bytes) {
        memcpy(&segment->header, bytes, sizeof(segment->header));
        segment->holds = wal_header_holds(&segment->header, segment->number);
    }
    vfs_segment_close(log->reading.segment);
    return rc;
}

/* All segments with their headers; missing ones between them are listed too. */
static enum silt_status find_segments(struct log_repair *log, struct silt_error *err)
{
    struct vfs *vfs = log->repair->store.vfs;
    enum silt_status rc = vfs->ops->list(vfs, WAL_FOLDER, note_segment, log, err);
    if (rc == SILT_NOT_FOUND)
        return SILT_OK;
    if (rc != SILT_OK || log->count == 0)
        return rc;
    qsort(log->segments, log->count, sizeof(*log->segments), by_number);
    uint64_t first = log->segments[0].number, all = log->segments[log->count - 1].number - first + 1;
    if (all > log->count + MISSING_MAX)
        return silt_fail(err, SILT_CORRUPT, "%" PRIu64 " segments are missing", all - log->count);
    struct segment *segments = silt_calloc(all, sizeof(*segments));
    for (uint64_t i = 0; i < all; i++)
        segments[i].number = first + i;
    for (size_t i = 0; i < log->count && rc == SILT_OK; i++) {
        struct segment *segment = &segments[log->segments[i].number - first];
        segment->there = true;
        rc = read_header(log, segment, err);
    }
    free(log->segments);
    log->segments = segments;
    log->count = log->capacity = all;
    return rc;
}

/* From *at on, the next record that holds with a number from `seq` to below `bound`; *at UINT64_MAX: there is none. */
static enum silt_status next_record(struct log_repair *log, const struct segment *segment, uint64_t seq, uint64_t bound,
                                    uint64_t *at, const struct wal_record_header **out, struct silt_error *err)
{
    enum silt_status rc;
    *out = NULL;
    for (; (rc = wal_next_place(&log->reading, segment->number, at, err)) == SILT_OK && *at != UINT64_MAX; *at += 8) {
        const struct wal_record_header *header;
        if ((rc = wal_record_at(&log->reading, *at, segment->number, &header, err)) != SILT_OK)
            return rc;
        if (header && header->seq >= seq && header->seq < bound) {
            *out = header;
            return SILT_OK;
        }
    }
    return rc;
}

/* Without a segment behind it that tells where this one ends: is any of the rest said to have been durable? */
static enum silt_status was_durable(struct log_repair *log, const struct segment *segment, uint64_t seq, uint64_t at,
                                    bool *durable, struct silt_error *err)
{
    const struct wal_record_header *header;
    enum silt_status rc = SILT_OK;
    for (*durable = false; !*durable && at != UINT64_MAX; at += 8) {
        rc = next_record(log, segment, seq + 1, UINT64_MAX, &at, &header, err);
        if (rc != SILT_OK || !header)
            break;
        *durable = header->durable_seq >= seq;
    }
    return rc;
}

/* ---------------------------------------------------------------- writing */

static bool put(FILE *out, const void *bytes, size_t len)
{
    return !out || fwrite(bytes, 1, len, out) == len;
}

static bool put_header(FILE *out, const struct segment *segment, uint64_t first_seq, uint64_t prev_seq)
{
    struct wal_segment_header header = {.number = segment->number, .first_seq = first_seq, .prev_seq = prev_seq,
                                        .epoch = segment->holds ? segment->header.epoch : 0};
    memcpy(header.magic, WAL_MAGIC, sizeof(header.magic));
    header.crc = silt_crc32c(0, &header, offsetof(struct wal_segment_header, crc));
    return put(out, &header, sizeof(header));
}

static bool put_record(FILE *out, const struct wal_record_header *header)
{
    static const char zeros[8];
    size_t bytes = sizeof(*header) + header->payload_bytes;
    return put(out, header, bytes) && put(out, zeros, wal_record_bytes(header->payload_bytes) - bytes);
}

/* A record that defines nothing. */
static bool put_stand_in(FILE *out, const struct segment *segment, uint64_t seq)
{
    struct {
        struct wal_record_header header;
        unsigned char payload[8];
    } record = {.header = {.payload_bytes = 5, .number = segment->number, .seq = seq, .durable_seq = seq - 1,
                           .kind = RECORD_DEFINE},
                .payload = {RECORD_DEFINE}};
    const size_t skip = offsetof(struct wal_record_header, number);
    record.header.crc = silt_crc32c(0, &record.header.number, sizeof(record.header) - skip + record.header.payload_bytes);
    return put(out, &record, sizeof(record));
}

/* ---------------------------------------------------------------- a segment */

/* Records in [from, to) are lost. */
static enum silt_status note_lost(struct log_repair *log, uint64_t from, uint64_t to, struct silt_error *err)
{
    struct repair *repair = log->repair;
    bool first = repair->lost_from == repair->lost_to;
    repair->lost_from = first || from < repair->lost_from ? from : repair->lost_from;
    repair->lost_to = to > repair->lost_to ? to : repair->lost_to;
    if (to <= log->applied_seq || log->doubtful)
        return SILT_OK;
    log->doubtful = true;
    return repair_known_load(log->known, err);
}

/* A record that holds: whether it stays. */
static enum silt_status look_at_record(struct log_repair *log, const struct wal_record_header *header, struct walk *walk,
                                       bool *stays, struct silt_error *err)
{
    enum record_kind kind = record_kind(header + 1, header->payload_bytes);
    uint64_t rows;
    *stays = true;
    if (kind == RECORD_DEFINE)
        return repair_known_define(log->known, header + 1, header->payload_bytes, err);
    if (kind != RECORD_ROWS || !log->doubtful)
        return SILT_OK;
    enum silt_status rc = repair_known_rows(log->known, header + 1, header->payload_bytes, stays, &rows, err);
    if (!*stays) {
        walk->strange_rows += rows;
        walk->damaged = true;
    }
    return rc;
}

/* Through one segment, whose records end at `bound` (UINT64_MAX: that is not known). out: what is kept goes there. */
static enum silt_status walk_segment(struct log_repair *log, const struct segment *segment, uint64_t bound, FILE *out,
                                     struct walk *walk, struct silt_error *err)
{
    uint64_t at = sizeof(struct wal_segment_header), seq = segment->holds ? segment->header.first_seq : log->end;
    bool any = false, good = true;
    const struct wal_record_header *header;
    enum silt_status rc = wal_reading_open(&log->reading, segment->number, err);
    if (rc != SILT_OK)
        return rc;
    *walk = (struct walk){.first_seq = seq, .damaged = !segment->holds};
    while (good && seq < bound) {
        rc = wal_record_at(&log->reading, at, segment->number, &header, err);
        if (rc == SILT_OK && (!header || header->seq != seq)) {
            uint64_t bad = at;
            bool durable = true;
            if (bound == UINT64_MAX && segment->holds)
                rc = was_durable(log, segment, seq, at, &durable, err);
            if (rc != SILT_OK || !durable)
                break;
            rc = next_record(log, segment, seq, bound, &at, &header, err);
            if (rc != SILT_OK)
                break;
            uint64_t to = header ? header->seq : bound;
            if (to != UINT64_MAX && to > seq && seq) {
                if (walk->lost_from == walk->lost_to) {
                    walk->lost_from = seq;
                    walk->damaged_at = bad;
                }
                walk->lost_to = to;
                walk->damaged = true;
                rc = note_lost(log, seq, to, err);
            }
            if (rc != SILT_OK || !header)
                break;
            if (any)
                for (; good && seq < to; seq++)
                    good = put_stand_in(out, segment, seq);
            seq = to;
        }
        bool stays = true;
        if (rc == SILT_OK)
            rc = look_at_record(log, header, walk, &stays, err);
        if (rc != SILT_OK)
            break;
        if (!any) {
            walk->first_seq = seq;
            /* Its own numbers are told anew where they are not what the segment before leaves off at. */
            good = put_header(out, segment, seq, log->end ? log->end : seq);
            any = true;
        }
        good = good && (stays ? put_record(out, header) : put_stand_in(out, segment, seq));
        at += wal_record_bytes(header->payload_bytes);
        seq++;
    }
    vfs_segment_close(log->reading.segment);
    if (rc == SILT_OK && !any)
        good = put_header(out, segment, seq, log->end ? log->end : seq);
    walk->end = seq;
    return rc == SILT_OK && !good ? silt_fail_errno(err, errno, "write %s", log->reading.name) : rc;
}

static enum silt_status write_segment(struct log_repair *log, const struct segment *segment, uint64_t bound,
                                      struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX], unfinished[VFS_NAME_BYTES_MAX + 8], path[REPAIR_PATH_BYTES];
    struct walk walk = {0};
    wal_segment_name(segment->number, name);
    snprintf(unfinished, sizeof(unfinished), "%s.tmp", name);
    enum silt_status rc = repair_path(log->repair, unfinished, path, err);
    if (rc == SILT_OK && segment->there)
        rc = repair_keep(log->repair, name, err);
    if (rc != SILT_OK)
        return rc;
    FILE *out = fopen(path, "wbe");
    if (!out)
        return silt_fail_errno(err, errno, "open %s", path);
    bool good = true;
    if (segment->there)
        rc = walk_segment(log, segment, bound, out, &walk, err);
    else
        good = put_header(out, segment, log->end, log->end);
    good = fflush(out) == 0 && fsync(fileno(out)) == 0 && good;
    if (rc == SILT_OK && !good)
        rc = silt_fail_errno(err, errno, "write %s", path);
    fclose(out);
    if (rc == SILT_OK)
        return repair_rename(log->repair, unfinished, name, err);
    unlink(path);
    return rc;
}

static void describe(const struct segment *segment, const struct walk *walk, char *what, size_t room)
{
    size_t len = 0;
    if (!segment->there)
        len = (size_t)snprintf(what, room, "it is missing; an empty one stands in for it");
    else if (!segment->holds)
        len = (size_t)snprintf(what, room, "damaged header; %" PRIu64 " records kept", walk->end - walk->first_seq);
    else if (walk->lost_from != walk->lost_to)
        len = (size_t)snprintf(what, room, "damaged at offset %" PRIu64 ": records from %" PRIu64 " to %" PRIu64
                               ", or some of them, left out", walk->damaged_at, walk->lost_from, walk->lost_to - 1);
    else if (walk->strange_rows == 0)
        len = (size_t)snprintf(what, room, "header told anew: the segment before it ends earlier now");
    if (walk->strange_rows)
        snprintf(what + len, room - len, "%s%" PRIu64 " rows left out: what they are of was defined in a lost record",
                 len ? "; " : "", walk->strange_rows);
}

static enum silt_status repair_segment(struct log_repair *log, size_t index, struct silt_error *err)
{
    const struct segment *segment = &log->segments[index];
    const struct segment *next = index + 1 < log->count ? segment + 1 : NULL;
    uint64_t bound = next && next->holds ? next->header.prev_seq : UINT64_MAX;
    char name[VFS_NAME_BYTES_MAX], what[300];
    struct walk walk = {.end = log->end, .damaged = true};
    enum silt_status rc = SILT_OK;

    wal_segment_name(segment->number, name);
    if (log->end && segment->holds && segment->header.prev_seq > log->end) /* else told by the walk before */
        rc = note_lost(log, log->end, segment->header.prev_seq, err);
    if (rc == SILT_OK && segment->there)
        rc = walk_segment(log, segment, bound, NULL, &walk, err);
    bool empty = walk.end == walk.first_seq;
    if (rc != SILT_OK || (!segment->holds && empty && !next)) /* that was made ready and never used: a start removes it */
        return rc;
    if (log->end && segment->holds && segment->header.prev_seq != log->end)
        walk.damaged = true;
    if (!walk.damaged) {
        log->end = walk.end;
        return SILT_OK;
    }
    describe(segment, &walk, what, sizeof(what));
    if (log->end == 0 && empty && !segment->holds) { /* the first one: nothing needs it */
        rc = repair_keep(log->repair, name, err);
        if (rc == SILT_OK)
            rc = vfs_segment_remove(log->repair->store.vfs, name, err);
    } else {
        rc = write_segment(log, segment, bound, err);
    }
    if (rc != SILT_OK)
        return rc;
    repair_done(log->repair, name, what);
    log->end = walk.end;
    return SILT_OK;
}

void repair_log(struct repair *repair)
{
    struct log_repair log = {.repair = repair, .reading = {.vfs = repair->store.vfs}};
    struct silt_error err;
    log.applied_seq = catalog_applied_seq(repair->store.catalog);
    log.known = repair_known_create(&repair->store);
    enum silt_status rc = find_segments(&log, &err);
    for (size_t i = 0; i < log.count && rc == SILT_OK; i++)
        rc = repair_segment(&log, i, &err);
    if (rc != SILT_OK)
        repair_failed(repair, WAL_FOLDER, &err);
    repair->log_end = log.end > log.applied_seq ? log.end : log.applied_seq;
    repair_known_destroy(log.known);
    free(log.segments);
    free(log.reading.window);
}
