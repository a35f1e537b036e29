/*
 * vfs_posix_blob.c - blobs on a local directory.
 *
 *     NAME.tmp, written, on its way to disk in pieces -> fdatasync, renamed to NAME, folder fsynced
 *
 *     |  8 MB  |  8 MB  |  8 MB  |  8 MB
 *        there    there   sent     being written
 *
 * A merge of gigabytes that only its end sent to disk would keep the log's syncs waiting; so it is the disk that paces who writes.
 */
#include "storage/direct_read.h"
#include "storage/mapping.h"
#include "storage/vfs_posix_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WRITER_BUFFER_BYTES ((size_t)256 << 10)
#define PIECE_BYTES ((uint64_t)8 << 20)

struct posix_writer {
    struct vfs_blob_writer base;
    struct posix_vfs *vfs;
    int fd;
    struct unfinished unfinished; /* holds the name */
    uint64_t written, sent; /* bytes in the file; up to here they are on their way to disk */
    size_t buffered;
    char buffer[WRITER_BUFFER_BYTES];
};

struct posix_blob {
    struct vfs_blob base;
    int fd;
    uint64_t size;
    struct mapping *mapping; /* NULL: empty, or the kernel said no */
    struct posix_blob *of;   /* its fd is for direct reads of this one; NULL: as ever */
    char name[VFS_NAME_BYTES_MAX];
};

/* ---------------------------------------------------------------- being written */

enum silt_status posix_blob_create(struct vfs *vfs, const char *name, struct vfs_blob_writer **out, struct silt_error *err)
{
    char path[PATH_BYTES_MAX];
    enum silt_status rc = posix_path(posix_of(vfs), name, ".tmp", path, err);
    if (rc != SILT_OK)
        return rc;
    struct posix_writer *writer = silt_malloc(sizeof(*writer));
    writer->base.vfs = vfs;
    writer->vfs = posix_of(vfs);
    writer->buffered = 0;
    writer->written = writer->sent = 0;
    posix_begin_unfinished(writer->vfs, &writer->unfinished, name);
    rc = posix_open_to_write(writer->vfs, path, O_TRUNC, &writer->fd, err);
    if (rc != SILT_OK) {
        posix_end_unfinished(writer->vfs, &writer->unfinished);
        free(writer);
        return rc;
    }
    *out = &writer->base;
    return SILT_OK;
}

/* Its errors are the file's: fdatasync does not tell them again. A kernel or a sandbox may not have the call. */
static enum silt_status sync_range(struct posix_writer *writer, uint64_t offset, unsigned how, struct silt_error *err)
{
    if (sync_file_range(writer->fd, (off_t)offset, (off_t)PIECE_BYTES, how) != 0 && errno != ENOSYS && errno != EPERM)
        return silt_fail_errno(err, errno, "write %s at %llu", writer->unfinished.name, (unsigned long long)offset);
    return SILT_OK;
}

/* Each whole piece is sent, and then the one before it is waited for. */
static enum silt_status send_pieces(struct posix_writer *writer, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (; rc == SILT_OK && writer->written - writer->sent >= PIECE_BYTES; writer->sent += PIECE_BYTES) {
        rc = sync_range(writer, writer->sent, SYNC_FILE_RANGE_WRITE, err);
        if (rc == SILT_OK && writer->sent > 0)
            rc = sync_range(writer, writer->sent - PIECE_BYTES,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER, err);
    }
    return rc;
}

static enum silt_status append_all(struct posix_writer *writer, const char *p, size_t len, struct silt_error *err)
{
    while (len) {
        ssize_t n = write(writer->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return silt_fail_errno(err, errno, "write %s", writer->unfinished.name);
        p += n;
        len -= (size_t)n;
        writer->written += (uint64_t)n;
    }
    return send_pieces(writer, err);
}

static enum silt_status drain(struct posix_writer *writer, struct silt_error *err)
{
    enum silt_status rc = append_all(writer, writer->buffer, writer->buffered, err);
    writer->buffered = 0;
    return rc;
}

enum silt_status posix_blob_append(struct vfs_blob_writer *base, const void *bytes, size_t len, struct silt_error *err)
{
    struct posix_writer *writer = (struct posix_writer *)base;
    if (len > WRITER_BUFFER_BYTES - writer->buffered) {
        enum silt_status rc = drain(writer, err);
        if (rc != SILT_OK)
            return rc;
        if (len >= WRITER_BUFFER_BYTES)
            return append_all(writer, bytes, len, err);
    }
    if (len)
        memcpy(writer->buffer + writer->buffered, bytes, len);
    writer->buffered += len;
    return SILT_OK;
}

void posix_blob_abort(struct vfs_blob_writer *base)
{
    struct posix_writer *writer = (struct posix_writer *)base;
    char path[PATH_BYTES_MAX];
    if (!writer)
        return;
    close(writer->fd);
    if (posix_path(writer->vfs, writer->unfinished.name, ".tmp", path, NULL) == SILT_OK)
        unlink(path); /* if it stays, a later list removes it */
    posix_end_unfinished(writer->vfs, &writer->unfinished);
    free(writer);
}

enum silt_status posix_blob_commit(struct vfs_blob_writer *base, struct silt_error *err)
{
    struct posix_writer *writer = (struct posix_writer *)base;
    enum silt_status rc = drain(writer, err);
    if (rc == SILT_OK)
        rc = posix_publish(writer->vfs, writer->fd, writer->unfinished.name, err);
    if (rc != SILT_OK) {
        posix_blob_abort(base);
        return rc;
    }
    close(writer->fd);
    posix_end_unfinished(writer->vfs, &writer->unfinished);
    free(writer);
    return SILT_OK;
}

/* ---------------------------------------------------------------- written */

enum silt_status posix_blob_open(struct vfs *vfs, const char *name, struct vfs_blob **out, struct silt_error *err)
{
    struct posix_blob *blob = silt_calloc(1, sizeof(*blob));
    blob->base.vfs = vfs;
    enum silt_status rc = posix_open_to_read(vfs, name, &blob->fd, &blob->size, err);
    if (rc != SILT_OK) {
        free(blob);
        return rc;
    }
    snprintf(blob->name, sizeof(blob->name), "%s", name);
    if (blob->size) {
        blob->mapping = mapping_create(blob->fd, blob->size);
    }
    *out = &blob->base;
    return SILT_OK;
}

uint64_t posix_blob_bytes(struct vfs_blob *base)
{
    struct posix_blob *blob = (struct posix_blob *)base;
    return blob->size;
}

enum silt_status posix_blob_read(struct vfs_blob *base, uint64_t offset, void *out, size_t len, struct silt_error *err)
{
    struct posix_blob *blob = (struct posix_blob *)base, *usual = blob->of ? blob->of : blob;
    size_t got;
    if (offset > blob->size || len > blob->size - offset)
        return silt_fail(err, SILT_CORRUPT, "%s: ends at %llu, before %llu", blob->name, (unsigned long long)blob->size,
                         (unsigned long long)(offset + len));
    size_t front = 0;
    if (blob->of) {
        uint32_t faults = mapping_faults(blob->of->mapping);
        front = direct_read(blob->fd, mapping_start(blob->of->mapping), offset, out, len);
        if (mapping_faults(blob->of->mapping) != faults)
            front = 0;
    }
    enum silt_status rc = posix_read(usual->fd, blob->name, (char *)out + front, len - front, offset + front, &got, err);
    got += front;
    if (rc == SILT_OK && got < len)
        rc = silt_fail(err, SILT_CORRUPT, "%s: cut off at %llu", blob->name, (unsigned long long)(offset + got));
    return rc;
}

struct vfs_blob *posix_blob_once(struct vfs_blob *base)
{
    struct posix_blob *of = (struct posix_blob *)base, *blob;
    int fd = direct_open(of->fd);
    if (fd < 0)
        return NULL;
    blob = silt_malloc(sizeof(*blob));
    *blob = *of;
    blob->fd = fd;
    blob->mapping = NULL;
    blob->of = of;
    return &blob->base;
}

const void *posix_blob_map(struct vfs_blob *base, const _Atomic uint32_t **faults)
{
    struct posix_blob *blob = (struct posix_blob *)base;
    if (blob->mapping)
        *faults = &blob->mapping->faults;
    return mapping_start(blob->mapping);
}

void posix_blob_scattered(struct vfs_blob *base, uint64_t offset, uint64_t len)
{
    mapping_advise(((struct posix_blob *)base)->mapping, offset, len, MADV_RANDOM);
}

void posix_blob_soon(struct vfs_blob *base, uint64_t offset, uint64_t len)
{
    mapping_advise(((struct posix_blob *)base)->mapping, offset, len, MADV_WILLNEED);
}

void posix_blob_close(struct vfs_blob *base)
{
    struct posix_blob *blob = (struct posix_blob *)base;
    if (!blob)
        return;
    mapping_destroy(blob->mapping);
    close(blob->fd);
    free(blob);
}
