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
