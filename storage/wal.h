/*
 * wal.h - the write-ahead log: one for the server, group commit without a timer, segments recycled.
 *
 *     enqueue -> [entry][entry][entry] -> log thread: one write, one sync -> done(), in order
 *
 * While a sync is under way entries queue up; the next round takes them all. The sequence number of an entry is given
 * when it is enqueued, under a lock that the caller holds, so that it can pin what the number stands for (a memtable
 * generation) in the same breath. Formats: docs/format/wal.md.
 *
 * When the disk does not take it (no room, read-only, an error, no descriptor for a new file) what is queued stays queued, those who
 * wait are told, wal_check says why, and the log thread tries again until it goes. After a failed write or sync, what is durable of
 * the current segment's last records is unknown; they are written again into a new segment. In the modes that acknowledge before
 * they sync, those that were acknowledged since the last sync are left to what the disk made of them.
 *
 * Threads: any, but for open, replay and close. The lock is the last in the store's lock order; it is never held across
 * file operations.
 */
#ifndef STORAGE_WAL_H
#define STORAGE_WAL_H

#include "silt/base.h"
#include "silt/storage.h"
#include "storage/vfs.h"

#define WAL_FOLDER "wal"
#define WAL_SEGMENT_BYTES ((uint64_t)64 << 20)
/* One record's payload; a larger one gets a segment of its own size. */
#define WAL_PAYLOAD_BYTES_MAX ((size_t)1 << 30)

struct wal;

struct wal_entry {
    struct wal_entry *next; /* the log's */
    uint64_t seq;           /* set by enqueue */
    uint8_t kind;           /* the caller's */
    const void *payload;    /* borrowed until done is called */
    size_t payload_bytes;
    /* From the log thread, exactly once, in seq order: durable (SILT_OK), or the log has ended and it is in an unknown state. The
     * entry may be freed in it. Must not block or call the log. */
    void (*done)(struct wal_entry *entry, enum silt_status status, const struct silt_error *err);
    /* From the log thread, once at most and before done: the disk does not take it, done will take its time. NULL: not told.
     * Must not block or call the log. */
    void (*stalled)(struct wal_entry *entry, const struct silt_error *err);
    bool told; /* the log's */
};

struct wal_options {
    enum silt_sync_mode sync_mode;
    uint32_t sync_interval_ms;
    uint64_t epoch;          /* of the owner; stands in every segment */
    uint64_t segment_bytes;  /* 0: WAL_SEGMENT_BYTES */
    bool read_only;          /* a replay removes nothing; wal_start must not come */
    uint32_t spare_segments; /* kept for recycling; 0: 4 */
};

/* Finds the segments; nothing is read yet. Call wal_replay next, then wal_start. */
enum silt_status wal_open(struct vfs *vfs, const struct wal_options *options, struct wal **out, struct silt_error *err);

/* Every record with seq >= from_seq, in order. The torn tail of the last segment is where the log ends; damage before
 * that is SILT_CORRUPT, naming segment and offset. A callback that fails ends the replay with its status. */
typedef enum silt_status (*wal_record_fn)(void *arg, uint64_t seq, uint8_t kind, const void *payload, size_t bytes,
                                          struct silt_error *err);
enum silt_status wal_replay(struct wal *wal, uint64_t from_seq, wal_record_fn each, void *arg, struct silt_error *err);

/* Which records stand in a segment, once the log was replayed: [*first_seq, *end_seq). SILT_NOT_FOUND: no such segment. */
enum silt_status wal_segment_range(const struct wal *wal, uint64_t number, uint64_t *first_seq, uint64_t *end_seq,
                                   struct silt_error *err);

/* A new segment and the log thread. next_seq_min: the numbers go on from the highest of this and what was replayed. Where there is no
 * room for the segment the log begins by waiting for some. */
enum silt_status wal_start(struct wal *wal, uint64_t next_seq_min, struct silt_error *err);

void wal_lock(struct wal *wal);
void wal_unlock(struct wal *wal);
/* entry->seq is set and returned. */
uint64_t wal_enqueue_locked(struct wal *wal, struct wal_entry *entry);
/* The number that the next entry will get. */
uint64_t wal_next_seq_locked(struct wal *wal);

/* Records below seq are needed no more: segments that hold only such are recycled or removed by the log thread. */
void wal_trim(struct wal *wal, uint64_t below_seq);

/* Records below this number are more than so many segments behind the end of the log; 0: none are. */
uint64_t wal_seq_behind(struct wal *wal, uint32_t segments);

/* Records up to it are synced. */
uint64_t wal_durable_seq(struct wal *wal);

/* SILT_OK, or why the log refuses for now: SILT_NO_SPACE, SILT_IO. */
enum silt_status wal_check(struct wal *wal, struct silt_error *err);
/* What people are told who are refused for an error of the disk. Returns its status. */
enum silt_status wal_refuse(const struct silt_error *why, struct silt_error *err);

struct wal_stats {
    uint64_t bytes;         /* of the segments, spare ones too */
    uint64_t queued_bytes;  /* not yet durable */
    uint64_t syncs, entries;
    uint64_t oldest_seq;    /* first record that a replay would see */
};
void wal_stats(struct wal *wal, struct wal_stats *out);

/* Writes and, whatever the mode, syncs what is queued; stops the threads. NULL is fine. */
void wal_close(struct wal *wal);

#endif
