/*
 * fault_vfs.h - the file layer in memory, for tests: fails the n-th operation, crashes, forgets what was not synced.
 *
 * What was promised stays: committed blobs, synced segment bytes, swapped registers. At a crash each segment write since
 * the last sync is kept whole, kept in part, or lost, as the seed decides. After a crash every operation fails with
 * SILT_IO until fault_vfs_restart. SQLite's files are here too, written, cut and synced as SQLite asks for, with the same
 * faults.
 *
 * Threads: any (one mutex).
 */
#ifndef TESTS_FAULT_VFS_H
#define TESTS_FAULT_VFS_H

#include "storage/vfs.h"

struct vfs *fault_vfs_create(uint64_t seed);
/* The number of operations that change something, so far. */
uint64_t fault_vfs_operations(struct vfs *vfs);
uint64_t fault_vfs_operations_locked(struct vfs *vfs); /* from within a watcher */
/* The n-th changing operation from now on (1: the next) is the last before a crash, done in part or not at all; 0: none. */
void fault_vfs_crash_at(struct vfs *vfs, uint64_t nth);
/* The n-th changing operation from now on fails with status; later ones work. A write that fails with SILT_IO may be done in
 * part, from its begin; a commit or a swap may be done all the same. */
void fault_vfs_fail_at(struct vfs *vfs, uint64_t nth, enum silt_status status);
/* Until a restart every changing operation on a name that begins so fails with SILT_IO; the prefix is borrowed. NULL: none does. */
void fault_vfs_fail_below(struct vfs *vfs, const char *prefix);
/* The n-th reading from now on fails with SILT_IO; later ones work. 0: none. */
void fault_vfs_fail_read_at(struct vfs *vfs, uint64_t nth);
/* The disk is full: operations that need room fail with SILT_NO_SPACE, until it is not. */
void fault_vfs_full(struct vfs *vfs, bool full);
bool fault_vfs_crashed(struct vfs *vfs);
/* The process was killed and the machine stayed up: everything written is there to be read, but what was not synced can
 * still be lost in a later fault_vfs_restart. All handles must be closed. */
void fault_vfs_revive(struct vfs *vfs);
/* Crash now if it has not happened, drop what was not durable, and work again. All handles must be closed. */
void fault_vfs_restart(struct vfs *vfs);
/* Every name with its length, in no order; nothing of the backend may be called on the way. */
void fault_vfs_each(struct vfs *vfs, void (*each)(void *arg, const char *name, uint64_t bytes), void *arg);
/* Flip one bit of a stored thing; false: no such name or offset. */
bool fault_vfs_flip(struct vfs *vfs, const char *name, uint64_t offset, unsigned bit);
/* Called before every changing operation that is not lost to a crash; NULL: not any more. It must not use the backend, but for
 * fault_vfs_snapshot. */
void fault_vfs_watch(struct vfs *vfs, void (*before)(void *arg, struct vfs *vfs), void *arg);
/* Another backend with what a crash now would leave: of the machine (power: what was not synced is kept, torn or lost), or of
 * the process alone. While nothing else uses the backend, or from within a watcher. */
struct vfs *fault_vfs_snapshot(struct vfs *vfs, uint64_t seed, bool power);
/* Really gone: vfs_close is without effect on this backend, so that a store can be opened on it again. */
void fault_vfs_destroy(struct vfs *vfs);

#endif
