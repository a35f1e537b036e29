/*
 * vfs.h - every file operation of storage/, in one table, so that tests can break them and another store can come.
 *
 * Three kinds of thing, not "files":
 *
 *     blob      written once front to back, then committed: durable and visible whole, or not there at all
 *     segment   a log: append-only, one writer; what was synced stays, in order; the rest may be torn at a crash
 *     register  one small value with a version, replaced by compare-and-swap, durable when the call returns
 *
 * Names are relative, with '/' between folders, which appear as needed. A name is never used twice for other bytes:
 * names carry counters. Listing is for garbage collection and tests only; the manifests are the truth.
 *
 * Statuses: SILT_NOT_FOUND, SILT_CONFLICT (exists, or the swap lost), SILT_BUSY (locked), SILT_NO_SPACE, SILT_IO,
 * SILT_CORRUPT. Threads: any; one blob writer or segment belongs to one thread at a time.
 */
#ifndef STORAGE_VFS_H
#define STORAGE_VFS_H

#include "silt/base.h"

#define VFS_NAME_BYTES_MAX 256
#define VFS_REGISTER_BYTES_MAX ((size_t)64 << 20)

struct vfs {
    const struct vfs_ops *ops;
};

/* Each backend's own record starts with these. */
struct vfs_blob_writer { /* a blob being written */
    struct vfs *vfs;
};
struct vfs_blob { /* a committed blob, open */
    struct vfs *vfs;
};
struct vfs_segment { /* a log segment */
    struct vfs *vfs;
};

struct vfs_ops {
    enum silt_status (*blob_create)(struct vfs *vfs, const char *name, struct vfs_blob_writer **out, struct silt_error *err);
    enum silt_status (*blob_append)(struct vfs_blob_writer *writer, const void *bytes, size_t len, struct silt_error *err);
    /* Both end the writer, whatever they return. */
    enum silt_status (*blob_commit)(struct vfs_blob_writer *writer, struct silt_error *err);
    void (*blob_abort)(struct vfs_blob_writer *writer);

    enum silt_status (*blob_open)(struct vfs *vfs, const char *name, struct vfs_blob **out, struct silt_error *err);
    uint64_t (*blob_bytes)(struct vfs_blob *blob);
    /* All of [offset, offset + len), or an error: SILT_CORRUPT when it ends before. */
    enum silt_status (*blob_read)(struct vfs_blob *blob, uint64_t offset, void *out, size_t len, struct silt_error *err);
    /* The whole blob in memory until blob_close, or NULL: then read. What is looked at while *faults rises may be zeros that stand
     * for what could not be read. */
    const void *(*blob_map)(struct vfs_blob *blob, const _Atomic uint32_t **faults);
    /* Hints about the map, either may be NULL. Scattered: looks go here and there in that range, so what lies around them is not to be
     * read. Soon: that range is going to be looked at, and is read meanwhile. */
    void (*blob_scattered)(struct vfs_blob *blob, uint64_t offset, uint64_t len);
    void (*blob_soon)(struct vfs_blob *blob, uint64_t offset, uint64_t len);
    void (*blob_close)(struct vfs_blob *blob);
    /* The same blob once more, for who reads all of it once: its reads leave the page cache as it is, if they begin at multiples of
     * 4096 in the blob and in memory. To be closed before the other. NULL, as the operation may be: read the one there is. */
    struct vfs_blob *(*blob_once)(struct vfs_blob *blob);
    /* Gone for new opens at once; those who have it open may read on. Missing is fine. */
    enum silt_status (*blob_remove)(struct vfs *vfs, const char *name, struct silt_error *err);
    /* The same of one that nobody has open: a large one's space comes back bit by bit. May be NULL: blob_remove. */
    enum silt_status (*blob_discard)(struct vfs *vfs, const char *name, struct silt_error *err);

    /* A new, empty segment of `bytes`. recycle: the name of an old one whose room may be used again (it is gone
     * afterwards), or NULL; then old bytes may show behind what was written: records must tell. */
    enum silt_status (*segment_create)(struct vfs *vfs, const char *name, uint64_t bytes, const char *recycle,
                                       struct vfs_segment **out, struct silt_error *err);
    /* For replay: reading, and a sync of what an earlier process wrote. */
    enum silt_status (*segment_open)(struct vfs *vfs, const char *name, struct vfs_segment **out, struct silt_error *err);
    uint64_t (*segment_bytes)(struct vfs_segment *segment);
    enum silt_status (*segment_write)(struct vfs_segment *segment, uint64_t offset, const void *bytes, size_t len,
                                      struct silt_error *err);
    enum silt_status (*segment_sync)(struct vfs_segment *segment, struct silt_error *err);
    /* *got may be less than len at the end. */
    enum silt_status (*segment_read)(struct vfs_segment *segment, uint64_t offset, void *out, size_t len, size_t *got,
                                     struct silt_error *err);
    void (*segment_close)(struct vfs_segment *segment);
    enum silt_status (*segment_remove)(struct vfs *vfs, const char *name, struct silt_error *err);

    /* Into a malloc'ed buffer of the caller's. SILT_NOT_FOUND: never written (its version is 0). */
    enum silt_status (*register_read)(struct vfs *vfs, const char *name, void **bytes, size_t *len, uint64_t *version,
                                      struct silt_error *err);
    /* SILT_CONFLICT: the version is not `expected` any more. The new version is expected + 1. */
    enum silt_status (*register_swap)(struct vfs *vfs, const char *name, uint64_t expected, const void *bytes,
                                      size_t len, struct silt_error *err);
    enum silt_status (*register_remove)(struct vfs *vfs, const char *name, struct silt_error *err);

    /* Names of all kinds directly in a folder ("" is the top), without order, without unfinished blobs; each is passed
     * once. What earlier runs left unfinished there is removed. SILT_NOT_FOUND: no such folder. */
    enum silt_status (*list)(struct vfs *vfs, const char *folder, void (*each)(void *arg, const char *name), void *arg,
                             struct silt_error *err);
    /* A folder with all in it. Missing is fine. */
    enum silt_status (*remove_folder)(struct vfs *vfs, const char *folder, struct silt_error *err);
    /* Bytes that are free. May be NULL: as many as one likes. */
    uint64_t (*room)(struct vfs *vfs);
    /* Local path of a name for SQLite, which keeps its files itself; valid until the next call. One thread. */
    const char *(*local_path)(struct vfs *vfs, const char *name);
    void (*close)(struct vfs *vfs);
};

/* ---------------------------------------------------------------- the calls, as the rest of storage/ writes them */

static inline enum silt_status vfs_blob_create(struct vfs *vfs, const char *name, struct vfs_blob_writer **out,
                                               struct silt_error *err)
{
    return vfs->ops->blob_create(vfs, name, out, err);
}
static inline enum silt_status vfs_blob_append(struct vfs_blob_writer *writer, const void *bytes, size_t len,
                                               struct silt_error *err)
{
    return writer->vfs->ops->blob_append(writer, bytes, len, err);
}
static inline enum silt_status vfs_blob_commit(struct vfs_blob_writer *writer, struct silt_error *err)
{
    return writer->vfs->ops->blob_commit(writer, err);
}
static inline void vfs_blob_abort(struct vfs_blob_writer *writer) /* NULL is fine */
{
    if (writer)
        writer->vfs->ops->blob_abort(writer);
}
static inline enum silt_status vfs_blob_open(struct vfs *vfs, const char *name, struct vfs_blob **out,
                                             struct silt_error *err)
{
    return vfs->ops->blob_open(vfs, name, out, err);
}
static inline uint64_t vfs_blob_bytes(struct vfs_blob *blob)
{
    return blob->vfs->ops->blob_bytes(blob);
}
static inline enum silt_status vfs_blob_read(struct vfs_blob *blob, uint64_t offset, void *out, size_t len,
                                             struct silt_error *err)
{
    return blob->vfs->ops->blob_read(blob, offset, out, len, err);
}
static inline const void *vfs_blob_map(struct vfs_blob *blob, const _Atomic uint32_t **faults)
{
    return blob->vfs->ops->blob_map(blob, faults);
}
static inline void vfs_blob_scattered(struct vfs_blob *blob, uint64_t offset, uint64_t len)
{
    if (blob->vfs->ops->blob_scattered)
        blob->vfs->ops->blob_scattered(blob, offset, len);
}
static inline void vfs_blob_soon(struct vfs_blob *blob, uint64_t offset, uint64_t len)
{
    if (blob->vfs->ops->blob_soon)
        blob->vfs->ops->blob_soon(blob, offset, len);
}
static inline struct vfs_blob *vfs_blob_once(struct vfs_blob *blob)
{
    return blob->vfs->ops->blob_once ? blob->vfs->ops->blob_once(blob) : NULL;
}
static inline void vfs_blob_close(struct vfs_blob *blob) /* NULL is fine */
{
    if (blob)
        blob->vfs->ops->blob_close(blob);
}
static inline enum silt_status vfs_blob_discard(struct vfs *vfs, const char *name, struct silt_error *err)
{
    return vfs->ops->blob_discard ? vfs->ops->blob_discard(vfs, name, err) : vfs->ops->blob_remove(vfs, name, err);
}
static inline enum silt_status vfs_blob_remove(struct vfs *vfs, const char *name, struct silt_error *err)
{
    return vfs->ops->blob_remove(vfs, name, err);
}
static inline enum silt_status vfs_segment_create(struct vfs *vfs, const char *name, uint64_t bytes, const char *recycle,
                                                  struct vfs_segment **out, struct silt_error *err)
{
    return vfs->ops->segment_create(vfs, name, bytes, recycle, out, err);
}
static inline enum silt_status vfs_segment_open(struct vfs *vfs, const char *name, struct vfs_segment **out,
                                                struct silt_error *err)
{
    return vfs->ops->segment_open(vfs, name, out, err);
}
static inline uint64_t vfs_segment_bytes(struct vfs_segment *segment)
{
    return segment->vfs->ops->segment_bytes(segment);
}
static inline enum silt_status vfs_segment_write(struct vfs_segment *segment, uint64_t offset, const void *bytes,
                                                 size_t len, struct silt_error *err)
{
    return segment->vfs->ops->segment_write(segment, offset, bytes, len, err);
}
static inline enum silt_status vfs_segment_sync(struct vfs_segment *segment, struct silt_error *err)
{
    return segment->vfs->ops->segment_sync(segment, err);
}
static inline enum silt_status vfs_segment_read(struct vfs_segment *segment, uint64_t offset, void *out, size_t len,
                                                size_t *got, struct silt_error *err)
{
    return segment->vfs->ops->segment_read(segment, offset, out, len, got, err);
}
static inline void vfs_segment_close(struct vfs_segment *segment) /* NULL is fine */
{
    if (segment)
        segment->vfs->ops->segment_close(segment);
}
static inline enum silt_status vfs_segment_remove(struct vfs *vfs, const char *name, struct silt_error *err)
{
    return vfs->ops->segment_remove(vfs, name, err);
}
static inline uint64_t vfs_room(struct vfs *vfs)
{
    return vfs->ops->room ? vfs->ops->room(vfs) : UINT64_MAX;
}
static inline void vfs_close(struct vfs *vfs) /* NULL is fine */
{
    if (vfs)
        vfs->ops->close(vfs);
}

/* The local directory; made when missing, with those above it, and locked: SILT_BUSY names the process that has it. */
enum silt_status vfs_posix_open(const char *directory, struct vfs **out, struct silt_error *err);

#endif
