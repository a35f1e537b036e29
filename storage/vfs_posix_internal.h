/*
 * vfs_posix_internal.h - what the files of the local file layer share: its record, and files by their names in it.
 */
#ifndef STORAGE_VFS_POSIX_INTERNAL_H
#define STORAGE_VFS_POSIX_INTERNAL_H

#include "storage/vfs.h"

#include <pthread.h>

#define PATH_BYTES_MAX 4096

/* A .tmp file of this process: on the list before it is made, until it is renamed or gone. */
struct unfinished {
    struct unfinished *next;
    char name[VFS_NAME_BYTES_MAX]; /* without .tmp */
};

struct posix_vfs {
    struct vfs vfs;
    char *root;
    int lock_fd;
    char *sqlite_path;
    pthread_mutex_t unfinished_lock; /* guards: */
    struct unfinished *unfinished;
    struct file_reaper *reaper;
};

static inline struct posix_vfs *posix_of(struct vfs *vfs)
{
    return (struct posix_vfs *)vfs;
}

enum silt_status posix_path(struct posix_vfs *vfs, const char *name, const char *suffix, char path[PATH_BYTES_MAX],
                            struct silt_error *err);
/* The folder that the path is in, to be synced: -1 with an error. */
int posix_open_folder(const char *path, struct silt_error *err);
enum silt_status posix_sync_folder(int fd, const char *path, struct silt_error *err); /* closes it */
/* Makes the folders above it where they are missing. */
enum silt_status posix_open_to_write(struct posix_vfs *vfs, char *path, int flags, int *fd, struct silt_error *err);
/* SILT_NOT_FOUND: no such file. */
enum silt_status posix_open_to_read(struct vfs *vfs, const char *name, int *fd, uint64_t *size, struct silt_error *err);
enum silt_status posix_write(int fd, const char *name, const void *bytes, size_t len, uint64_t offset, struct silt_error *err);
/* *got is less than len at the end. */
enum silt_status posix_read(int fd, const char *name, void *out, size_t len, uint64_t offset, size_t *got, struct silt_error *err);

/* Before NAME.tmp is made, and when it is renamed or gone. */
void posix_begin_unfinished(struct posix_vfs *vfs, struct unfinished *unfinished, const char *name);
void posix_end_unfinished(struct posix_vfs *vfs, struct unfinished *unfinished);
/* fdatasync, rename NAME.tmp to NAME, fsync of the folder. All that can be known to fail comes before the rename. */
enum silt_status posix_publish(struct posix_vfs *vfs, int fd, const char *name, struct silt_error *err);

/* vfs_posix_blob.c */
enum silt_status posix_blob_create(struct vfs *vfs, const char *name, struct vfs_blob_writer **out, struct silt_error *err);
enum silt_status posix_blob_append(struct vfs_blob_writer *base, const void *bytes, size_t len, struct silt_error *err);
void posix_blob_abort(struct vfs_blob_writer *base);
enum silt_status posix_blob_commit(struct vfs_blob_writer *base, struct silt_error *err);
enum silt_status posix_blob_open(struct vfs *vfs, const char *name, struct vfs_blob **out, struct silt_error *err);
uint64_t posix_blob_bytes(struct vfs_blob *base);
enum silt_status posix_blob_read(struct vfs_blob *base, uint64_t offset, void *out, size_t len, struct silt_error *err);
struct vfs_blob *posix_blob_once(struct vfs_blob *base);
const void *posix_blob_map(struct vfs_blob *base, const _Atomic uint32_t **faults);
void posix_blob_scattered(struct vfs_blob *base, uint64_t offset, uint64_t len);
void posix_blob_soon(struct vfs_blob *base, uint64_t offset, uint64_t len);
void posix_blob_close(struct vfs_blob *base);

/* vfs_posix_segment.c */
enum silt_status posix_segment_create(struct vfs *vfs, const char *name, uint64_t bytes, const char *recycle,
                                      struct vfs_segment **out, struct silt_error *err);
enum silt_status posix_segment_open(struct vfs *vfs, const char *name, struct vfs_segment **out, struct silt_error *err);
uint64_t posix_segment_bytes(struct vfs_segment *segment);
enum silt_status posix_segment_write(struct vfs_segment *segment, uint64_t offset, const void *bytes, size_t len, struct silt_error *err);
enum silt_status posix_segment_sync(struct vfs_segment *segment, struct silt_error *err);
enum silt_status posix_segment_read(struct vfs_segment *segment, uint64_t offset, void *out, size_t len, size_t *got,
                                    struct silt_error *err);
void posix_segment_close(struct vfs_segment *segment);

#endif
