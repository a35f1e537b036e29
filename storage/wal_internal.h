/*
 * wal_internal.h - struct wal, for wal.c, wal_wait.c and wal_replay.c.
 *
 * Lock order: lock, then files_lock. The log thread alone touches the fields without a guard.
 */
#ifndef STORAGE_WAL_INTERNAL_H
#define STORAGE_WAL_INTERNAL_H

#include "silt/text.h"
#include "storage/wal.h"
#include "storage/wal_segment.h"

#include <pthread.h>

#define WAL_SPARES_MAX 64

struct wal_live {
    uint64_t number, first_seq;
    uint64_t end_seq;  /* where the next one begins; UINT64_MAX while it is written to */
    uint64_t sure_seq; /* for a replay: records below it must be there */
    uint64_t bytes;
};

struct wal {
    struct vfs *vfs;
    struct wal_options options;

    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t wake;
    struct wal_entry *head, **tail;
    uint64_t next_seq;
    bool wakes; /* whoever holds it wakes the log's thread once it is let go */
    bool trim_asked;
    struct silt_error why; /* it refuses; the log thread writes it, and may read it without the lock */
    bool ending;

    pthread_mutex_t files_lock; /* guards this group: */
    pthread_cond_t files_changed;
    struct wal_live *live; /* oldest first; the last is the current one once started */
    size_t live_count, live_capacity;
    uint64_t spares[WAL_SPARES_MAX + 1]; /* numbers, oldest first; one more than kept: a spare may come back */
    size_t spare_count;
    bool spare_in_use; /* being recycled: its file may have the old name or the new one */
    bool removing;     /* a file older than all spares is being removed */
    struct vfs_segment *next; /* made ready */
    uint64_t next_number;
    bool next_wanted, next_ready, prepare_ending;
    enum silt_status next_status;
    struct silt_error next_error;

    /* the log thread's */
    struct wal_entry *round; /* being written */
    struct vfs_segment *current;
    uint64_t current_number, current_bytes, offset;
    uint64_t appended_seq, written_seq, last_sync_ns;
    _Atomic uint64_t durable_seq; /* others may read it */
    struct silt_buffer group;
    bool unsynced, trim_failed;
    bool unfit; /* a file of number next_number is there, and has to go before another can be made */

    _Atomic bool refusing;
    _Atomic uint64_t trim_below, queued_bytes, syncs, entries;
    bool started, prepare_started;
    pthread_t thread, prepare_thread;
};

/* wal_wait.c, for the log thread, and wal_start before there is one */
void wal_begin_refusing(struct wal *wal, const struct silt_error *why);
void wal_end_refusing(struct wal *wal);
/* After a failure: refuses, and takes what is queued into the round, for a while, longer each time (*pause_ns, 0 at first).
 * Returns whether to try again: not when the log ends. */
bool wal_wait(struct wal *wal, const struct silt_error *why, uint64_t *pause_ns);

void wal_segment_name(uint64_t number, char *name); /* name[VFS_NAME_BYTES_MAX] */
void wal_add_live(struct wal *wal, struct wal_live live);

#endif
