/*
 * vfs_posix_segment.c - segments of the log as local files.
 *
 *     NAME, filled with zeros once and synced, then overwritten from the front; fdatasync touches no metadata
 */
#include "storage/vfs_posix_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct posix_segment {
    struct vfs_segment base;
    int fd;
    uint64_t size;
    char name[VFS_NAME_BYTES_MAX];
};

static enum silt_status fill_with_zeros(int fd, const char *name, uint64_t bytes, struct silt_error *err)
{
    static const char zeros[1 << 18];
    int failed = posix_fallocate(fd, 0, (off_t)bytes);
    if (failed && failed != EOPNOTSUPP && failed != EINVAL)
        return silt_fail_errno(err, failed, "reserve %llu bytes for %s", (unsigned long long)bytes, name);
    for (uint64_t at = 0; at < bytes; at += sizeof(zeros)) {
        size_t len = bytes - at < sizeof(zeros) ? (size_t)(bytes - at) : sizeof(zeros);
        enum silt_status rc = posix_write(fd, name, zeros, len, at, err);
        if (rc != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

enum silt_status posix_segment_create(struct vfs *vfs, const char *name, uint64_t bytes, const char *recycle,
                                       struct vfs_segment **out, struct silt_error *err)
{
    char path[PATH_BYTES_MAX], old[PATH_BYTES_MAX] = "";
    struct posix_vfs *posix = posix_of(vfs);
    struct stat st;
    int fd = -1, folder = -1;
    bool made = false; /* the name is ours from here on */
    enum silt_status rc = posix_path(posix, name, "", path, err);
    if (rc == SILT_OK && recycle)
        rc = posix_path(posix, recycle, "", old, err);
    if (rc == SILT_OK && access(path, F_OK) == 0)
        rc = silt_fail(err, SILT_CONFLICT, "%s: exists", name);
    if (rc != SILT_OK)
        return rc;
    /* All that is opened, is so before the old one has lost its name: its room may be the last. */
    bool recycled = recycle && (fd = open(old, O_RDWR | O_CLOEXEC)) >= 0;
    if (recycle && !recycled && errno != ENOENT)
        return silt_fail_errno(err, errno, "open %s", old);
    if (!recycled && (rc = posix_open_to_write(posix, path, 0, &fd, err)) != SILT_OK)
        return rc;
    made = !recycled;
    if ((folder = posix_open_folder(path, err)) < 0) {
        rc = SILT_IO;
        goto fail;
    }
    if (recycled && rename(old, path) != 0) {
        rc = silt_fail_errno(err, errno, "rename %s", old);
        goto fail;
    }
    made = true;
    if (fstat(fd, &st) != 0) {
        rc = silt_fail_errno(err, errno, "stat %s", path);
        goto fail;
    }
    if (!recycled || (uint64_t)st.st_size != bytes) {
        if ((uint64_t)st.st_size > bytes && ftruncate(fd, (off_t)bytes) != 0) {
            rc = silt_fail_errno(err, errno, "cut %s", path);
            goto fail;
        }
        if ((rc = fill_with_zeros(fd, name, bytes, err)) != SILT_OK)
            goto fail;
        if (fsync(fd) != 0) {
            rc = silt_fail_errno(err, errno, "fsync %s", name);
            goto fail;
        }
    }
    rc = posix_sync_folder(folder, path, err);
    folder = -1;
    if (rc != SILT_OK)
        goto fail;
    struct posix_segment *segment = silt_calloc(1, sizeof(*segment));
    segment->base.vfs = vfs;
    segment->fd = fd;
    segment->size = bytes;
    snprintf(segment->name, sizeof(segment->name), "%s", name);
    *out = &segment->base;
    return SILT_OK;
fail:
    close(fd);
    if (folder >= 0)
        close(folder);
    if (made)
        unlink(path);
    return rc;
}

enum silt_status posix_segment_open(struct vfs *vfs, const char *name, struct vfs_segment **out, struct silt_error *err)
{
    struct posix_segment *segment = silt_calloc(1, sizeof(*segment));
    segment->base.vfs = vfs;
    enum silt_status rc = posix_open_to_read(vfs, name, &segment->fd, &segment->size, err);
    if (rc != SILT_OK) {
        free(segment);
        return rc;
    }
    snprintf(segment->name, sizeof(segment->name), "%s", name);
    *out = &segment->base;
    return SILT_OK;
}

uint64_t posix_segment_bytes(struct vfs_segment *base)
{
    struct posix_segment *segment = (struct posix_segment *)base;
    return segment->size;
}

enum silt_status posix_segment_write(struct vfs_segment *base, uint64_t offset, const void *bytes, size_t len,
                                      struct silt_error *err)
{
    struct posix_segment *segment = (struct posix_segment *)base;
    silt_assert(offset <= segment->size && len <= segment->size - offset);
    return posix_write(segment->fd, segment->name, bytes, len, offset, err);
}

enum silt_status posix_segment_sync(struct vfs_segment *base, struct silt_error *err)
{
    struct posix_segment *segment = (struct posix_segment *)base;
    if (fdatasync(segment->fd) != 0)
        return silt_fail_errno(err, errno, "fdatasync %s", segment->name);
    return SILT_OK;
}

enum silt_status posix_segment_read(struct vfs_segment *base, uint64_t offset, void *out, size_t len, size_t *got,
                                     struct silt_error *err)
{
    struct posix_segment *segment = (struct posix_segment *)base;
    return posix_read(segment->fd, segment->name, out, len, offset, got, err);
}

void posix_segment_close(struct vfs_segment *base)
{
    struct posix_segment *segment = (struct posix_segment *)base;
    if (!segment)
        return;
    close(segment->fd);
    free(segment);
}
