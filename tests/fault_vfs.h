/*
 * fault_vfs.h - the file layer in memory, for tests: fails the n-th operation, crashes, forgets what was not synced.
 *
 * What was promised stays: committed blobs, synced segment bytes, swapped registers. At a crash each segment write since
 * the last sync is kept whole, kept in part, or lost, as the seed decides. After a crash every operation fails with
 * SILT_IO until fault_vfs_restart. SQLite's files are real ones in a temporary folder; their commits count as durable.
 *
 * Threads: any (one mutex).
 */
#ifndef TESTS_FAULT_VFS_H
#define TESTS_FAULT_VFS_H

#include "storage/vfs.h"

struct vfs *fault_vfs_create(uint64_t seed);
/* The number of operations that change something, so far. */
uint64_t fault_vfs_operations(struct vfs *vfs);
/* The n-th changing operation from now on (1: the next) is the last before a crash, done in part or not at all; 0: none. */
void fault_vfs_crash_at(struct vfs *vfs, uint64_t nth);
/* The n-th changing operation from now on fails with status and changes nothing; later ones work. */
void fault_vfs_fail_at(struct vfs *vfs, uint64_t nth, enum silt_status status);
/* The disk is full: operations that need room fail with SILT_NO_SPACE, until it is not. */
void fault_vfs_full(struct vfs *vfs, bool full);
bool fault_vfs_crashed(struct vfs *vfs);
/* The process was killed and the machine stayed up: everything written is there to be read, but what was not synced can
 * still be lost in a later fault_vfs_restart. All handles must be closed. */
void fault_vfs_revive(struct vfs *vfs);
/* Crash now if it has not happened, drop what was not durable, and work again. All handles must be closed. */
void fault_vfs_restart(struct vfs *vfs);
/* Flip one bit of a stored thing; false: no such name or offset. */
bool fault_vfs_flip(struct vfs *vfs, const char *name, uint64_t offset, unsigned bit);
/* Really gone: vfs_close is without effect on this backend, so that a store can be opened on it again. */
void fault_vfs_destroy(struct vfs *vfs);

#endif
