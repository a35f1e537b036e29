/*
 * snapshot.h - a store as it was at one moment, to be read file by file while it goes on: what a backup is made of.
 *
 * All that was acknowledged when the snapshot is taken is in it; of what is written meanwhile, some. Writers and queries
 * do not wait for it. The names are those of the data directory, without the log: what was in it is in files.
 *
 * A blob has its name for good, and never other bytes, in this store: who has it already need not read it again. Registers
 * and the catalog are of this snapshot.
 *
 * Threads: take and release from any thread that may wait; reading by one thread at a time.
 */
#ifndef SILT_SNAPSHOT_H
#define SILT_SNAPSHOT_H

#include "silt/backup_list.h"
#include "silt/storage.h"

struct silt_snapshot;

struct silt_snapshot_file {
    enum silt_backup_kind kind;
    const char *name;
    uint64_t bytes;
};

/* Flushes, then pins. Makes a copy of the catalog beside it, which goes with the snapshot. Errors as of a flush. */
enum silt_status silt_snapshot_take(struct silt_storage *storage, struct silt_snapshot **out, struct silt_error *err);
void silt_snapshot_release(struct silt_snapshot *snapshot); /* before the store is closed; NULL is fine */

/* The store's own number, by which blobs of one name are known to be the same. */
uint64_t silt_snapshot_store_id(const struct silt_snapshot *snapshot);
/* Borrowed until the release. */
size_t silt_snapshot_files(const struct silt_snapshot *snapshot, const struct silt_snapshot_file **files);
/* All of [offset, offset + len) of file i, or an error. Files of data do not go through the page cache, if offset and out are multiples
 * of 4096: then read much at a time. */
enum silt_status silt_snapshot_read(struct silt_snapshot *snapshot, size_t i, uint64_t offset, void *out, size_t len,
                                    struct silt_error *err);

#endif
