/*
 * fault_thing.h - what stands on the fault backend's disk: named bytes, and what was written to them but not yet synced.
 *
 *     now       as programs see it            write -> now, pending
 *     durable   as of the last sync           sync  -> durable = now
 *     pending   writes and cuts in between    crash -> each is kept whole, in part or not at all; now = durable
 *
 * Bytes are shared between a disk and its snapshots until somebody writes. Private to fault_*.c.
 */
#ifndef TESTS_FAULT_THING_H
#define TESTS_FAULT_THING_H

#include "storage/vfs.h"
#include "tests/fault_vfs.h"

#include <pthread.h>

enum thing_kind { THING_BLOB, THING_SEGMENT, THING_REGISTER, THING_FILE };

struct content { /* counted; NULL: no bytes */
    unsigned references;
    size_t len, room;
    unsigned char bytes[];
};

struct pending_write {
    uint64_t offset; /* of a cut: the new length */
    size_t len;
    unsigned char *bytes; /* NULL: a cut */
};

struct shared_memory { /* of SQLite's connections to one file */
    void **regions;
    int region_count;
    int shared[8], exclusive[8];
};

struct thing {
    char name[VFS_NAME_BYTES_MAX];
    enum thing_kind kind;
    bool removed; /* freed when the last handle closes */
    unsigned handles;
    struct content *now, *durable; /* blobs and registers are always durable: one reference each */
    uint64_t version;
    struct pending_write *pending;
    size_t pending_count, pending_capacity;
    /* SQLite's locks on a file, and what its connections share in memory. */
    int lock_shared;
    bool lock_reserved, lock_exclusive;
    struct shared_memory memory;
};

struct fault_vfs {
    struct vfs vfs;
    pthread_mutex_t lock;
    struct thing **things;
    size_t count, capacity;
    uint64_t random, operations, crash_at, fail_at, read_fail_at;
    enum silt_status fail_status;
    const char *fail_below;
    bool crashed, full;
    uint64_t number; /* in SQLite's names of its files */
    struct fault_vfs *next_known;
    void (*before)(void *arg, struct vfs *vfs);
    void *before_arg;
    char path[VFS_NAME_BYTES_MAX + 64];
};

/* All of these with fault->lock held. */
uint64_t fault_random(struct fault_vfs *fault);
struct thing *thing_find(struct fault_vfs *fault, const char *name);
struct thing *thing_add(struct fault_vfs *fault, const char *name, enum thing_kind kind);
void thing_set(struct thing *thing, const void *bytes, size_t len); /* now and durable */
size_t thing_bytes(const struct thing *thing);
void thing_write(struct thing *thing, uint64_t offset, const void *bytes, size_t len);
void thing_cut(struct thing *thing, uint64_t len);
void thing_sync(struct thing *thing);
void thing_settle(struct fault_vfs *fault, struct thing *thing); /* the power went */
void thing_flip(struct thing *thing, uint64_t offset, unsigned bit);
void things_copy(struct fault_vfs *to, const struct fault_vfs *from);
void things_collect_garbage(struct fault_vfs *fault); /* removed and not open */

/* Before every operation that changes something. SILT_OK with *last: this is the one at which the crash comes. An error with
 * *part: it fails, but what it asked for may be done in part. */
enum silt_status fault_change(struct fault_vfs *fault, const char *what, bool *last, struct silt_error *err);
enum silt_status fault_change_with_room(struct fault_vfs *fault, const char *what, bool *last, struct silt_error *err);
enum silt_status fault_read(struct fault_vfs *fault, const char *what, struct silt_error *err); /* before every reading */
/* How much of a write that fails is done nevertheless. */
size_t fault_short(struct fault_vfs *fault, enum silt_status rc, size_t len);

#define FAULT_SQLITE_PREFIX "/silt-fault/"
/* fault_sqlite.c: makes SQLite's files things of this disk; local_path's answer is how it names them. */
void fault_sqlite_know(struct fault_vfs *fault);
void fault_sqlite_forget(struct fault_vfs *fault);

#endif
