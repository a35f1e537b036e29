/*
 * memory_blobs.h - a VFS that has blobs only, in memory, for tests and fuzz targets that need no faults.
 *
 * Every other open is without a mapping, so that both ways of reading are used. One thread.
 */
#ifndef TESTS_MEMORY_BLOBS_H
#define TESTS_MEMORY_BLOBS_H

#include "silt/text.h"
#include "storage/vfs.h"

#include <stdlib.h>

struct memory_blob {
    char *name;
    struct silt_buffer bytes;
    struct memory_blob *next;
};
struct memory_blobs {
    struct vfs base;
    struct memory_blob *first;
    unsigned opens;
};
struct memory_writer {
    struct vfs_blob_writer base;
    struct memory_blob *blob;
};
struct memory_reader {
    struct vfs_blob base;
    const struct memory_blob *blob;
    bool mapped;
};

static inline void memory_blob_free(struct memory_blob *blob)
{
    silt_buffer_free(&blob->bytes);
    free(blob->name);
    free(blob);
}

static enum silt_status memory_create(struct vfs *vfs, const char *name, struct vfs_blob_writer **out,
                                      struct silt_error *err)
{
    (void)err;
    struct memory_writer *writer = silt_calloc(1, sizeof(*writer));
    writer->base.vfs = vfs;
    writer->blob = silt_calloc(1, sizeof(*writer->blob));
    writer->blob->name = silt_strdup(silt_str_from(name));
    *out = &writer->base;
    return SILT_OK;
}

static enum silt_status memory_append(struct vfs_blob_writer *base, const void *bytes, size_t len, struct silt_error *err)
{
    (void)err;
    silt_buffer_append(&((struct memory_writer *)base)->blob->bytes, bytes, len);
    return SILT_OK;
}

static enum silt_status memory_commit(struct vfs_blob_writer *base, struct silt_error *err)
{
    (void)err;
    struct memory_writer *writer = (struct memory_writer *)base;
    struct memory_blobs *blobs = (struct memory_blobs *)base->vfs;
    writer->blob->next = blobs->first;
    blobs->first = writer->blob;
    free(writer);
    return SILT_OK;
}

static void memory_abort(struct vfs_blob_writer *base)
{
    memory_blob_free(((struct memory_writer *)base)->blob);
    free(base);
}

static enum silt_status memory_open(struct vfs *vfs, const char *name, struct vfs_blob **out, struct silt_error *err)
{
    struct memory_blobs *blobs = (struct memory_blobs *)vfs;
    for (struct memory_blob *blob = blobs->first; blob; blob = blob->next) {
        if (strcmp(blob->name, name) != 0)
            continue;
        struct memory_reader *reader = silt_calloc(1, sizeof(*reader));
        reader->base.vfs = vfs;
        reader->blob = blob;
        reader->mapped = blobs->opens++ % 2 == 0;
        *out = &reader->base;
        return SILT_OK;
    }
    return silt_fail(err, SILT_NOT_FOUND, "%s: no such blob", name);
}

static uint64_t memory_bytes(struct vfs_blob *base)
{
    return ((struct memory_reader *)base)->blob->bytes.len;
}

static enum silt_status memory_read(struct vfs_blob *base, uint64_t offset, void *out, size_t len, struct silt_error *err)
{
    const struct silt_buffer *bytes = &((struct memory_reader *)base)->blob->bytes;
    if (offset > bytes->len || len > bytes->len - offset)
        return silt_fail(err, SILT_CORRUPT, "ends before %llu", (unsigned long long)(offset + len));
    if (len)
        memcpy(out, bytes->p + offset, len);
    return SILT_OK;
}

static const void *memory_map(struct vfs_blob *base, const _Atomic uint32_t **faults)
{
    static const _Atomic uint32_t never;
    struct memory_reader *reader = (struct memory_reader *)base;
    *faults = &never;
    return reader->mapped ? reader->blob->bytes.p : NULL;
}

static void memory_close(struct vfs_blob *base)
{
    free(base);
}

static enum silt_status memory_remove(struct vfs *vfs, const char *name, struct silt_error *err)
{
    (void)err;
    for (struct memory_blob **at = &((struct memory_blobs *)vfs)->first; *at; at = &(*at)->next)
        if (strcmp((*at)->name, name) == 0) {
            struct memory_blob *gone = *at;
            *at = gone->next;
            memory_blob_free(gone);
            break;
        }
    return SILT_OK;
}

static void memory_blobs_close(struct vfs *vfs)
{
    struct memory_blobs *blobs = (struct memory_blobs *)vfs;
    while (blobs->first) {
        struct memory_blob *next = blobs->first->next;
        memory_blob_free(blobs->first);
        blobs->first = next;
    }
    free(blobs);
}

static const struct vfs_ops memory_ops = {
    .blob_create = memory_create,
    .blob_append = memory_append,
    .blob_commit = memory_commit,
    .blob_abort = memory_abort,
    .blob_open = memory_open,
    .blob_bytes = memory_bytes,
    .blob_read = memory_read,
    .blob_map = memory_map,
    .blob_close = memory_close,
    .blob_remove = memory_remove,
    .close = memory_blobs_close,
};

static inline struct vfs *memory_blobs_create(void)
{
    struct memory_blobs *blobs = silt_calloc(1, sizeof(*blobs));
    blobs->base.ops = &memory_ops;
    return &blobs->base;
}

#endif
