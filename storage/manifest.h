/*
 * manifest.h - which TSM files of a shard live: the only truth about it, changed in one durable step.
 *
 * A manifest is a register of the file layer, rewritten whole by compare-and-swap: with a bounded number of files per
 * shard it is a few hundred bytes. Format: docs/format/manifest.md. A shard at rest needs no file of its own for that, which would
 * take a block of the disk: the catalog keeps its manifest (folders.c) until it changes again.
 *
 * Threads: one at a time (the shard's upkeep lock).
 */
#ifndef STORAGE_MANIFEST_H
#define STORAGE_MANIFEST_H

#include "silt/base.h"
#include "silt/text.h"
#include "storage/vfs.h"

/* Epoch of who only reads: every owner's manifest will do, and nothing is written or removed. */
#define MANIFEST_READER UINT64_MAX

struct manifest_file {
    uint64_t file_id; /* its name is this number, see manifest_file_name */
    uint64_t seq;     /* of the youngest data in it; files stand in the order of seq, then of file_id */
    uint64_t bytes, rows;
    silt_time min, max;
    uint32_t level; /* 0: from a memtable */
};

struct manifest {
    struct vfs *vfs;
    char folder[VFS_NAME_BYTES_MAX]; /* of the shard */
    uint64_t version;                /* of the register; 0: there is none */
    bool kept;                       /* the catalog has one: this, if there is no register, else one that does not count any more */
    bool unsure;                     /* a change failed: the register may have it all the same */
    uint64_t epoch;
    uint64_t next_file_id;           /* from 1; ids handed out but not in the manifest are orphans */
    uint64_t flushed_seq;            /* every log record of this shard below it is in the files */
    uint64_t tombstone_id;           /* the blob that holds the tombstones; 0: none */
    struct manifest_file *files;     /* oldest first */
    size_t file_count;
};

/* Reads it, or begins an empty one (not written yet). SILT_CORRUPT also when it is gone and the shard's files are not. Free with
 * manifest_deinit. */
enum silt_status manifest_load(struct vfs *vfs, const char *folder, uint64_t epoch, struct manifest *out,
                               struct silt_error *err);
/* The same; `kept` is the manifest that the catalog has, or empty: it counts where there is no register. */
enum silt_status manifest_load_kept(struct vfs *vfs, const char *folder, uint64_t epoch, struct silt_str kept, struct manifest *out,
                                    struct silt_error *err);
/* One of this shard is stored, in its register or in the catalog. */
static inline bool manifest_is_stored(const struct manifest *manifest)
{
    return manifest->version != 0 || manifest->kept;
}
/* Of a shard that had one: SILT_CORRUPT when none was read. */
enum silt_status manifest_expect(const struct manifest *manifest, struct silt_error *err);
void manifest_deinit(struct manifest *manifest);
/* For a repair: the entries of a damaged one, as far as they can be read; nothing in them is to be believed. */
bool manifest_salvage(struct vfs *vfs, const char *folder, struct manifest *out);

struct manifest_edit {
    const struct manifest_file *add; /* takes the place of the first removed file, else goes to the end */
    size_t add_count;
    const uint64_t *remove; /* file ids; each must be there */
    size_t remove_count;
    uint64_t flushed_seq;  /* 0: as it was; never falls */
    bool set_tombstones;
    uint64_t tombstone_id;
};

/* Durable, or nothing is changed here; whether the register has it is unknown then. The next change finds out and takes its
 * place: so files that either names must stay until that. */
enum silt_status manifest_apply(struct manifest *manifest, const struct manifest_edit *edit, struct silt_error *err);

/* The register says what stands here, after a change that failed too. */
enum silt_status manifest_settle(struct manifest *manifest, struct silt_error *err);
/* As it is stored; malloc'd. */
void *manifest_encode(const struct manifest *manifest, size_t *len);
/* The catalog keeps what manifest_encode gives, durably: the register is given up, the next change makes it anew. */
enum silt_status manifest_leave(struct manifest *manifest, struct silt_error *err);
/* To be called before the folder's first file: an empty one, unless it was written before. */
enum silt_status manifest_begin(struct manifest *manifest, struct silt_error *err);

/* "FOLDER/MANIFEST"; name has VFS_NAME_BYTES_MAX. */
void manifest_register_name(const struct manifest *manifest, char *name);
/* "FOLDER/0000000000000007.tsm"; the same. */
void manifest_file_name(const struct manifest *manifest, uint64_t file_id, char *name);
void manifest_tombstone_name(const struct manifest *manifest, uint64_t tombstone_id, char *name);
/* Removes blobs in the folder that the manifest does not name: what a crash left. *removed may be NULL. */
enum silt_status manifest_sweep(struct manifest *manifest, size_t *removed, struct silt_error *err);

#endif
