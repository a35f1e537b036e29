/*
 * vfs_posix.c - the file layer on a local directory: names, folders, registers. Blobs and segments: vfs_posix_blob.c, vfs_posix_segment.c.
 *
 *     register   NAME.tmp -> rename, as a blob: | magic 4 | crc32c of the rest 4 | version 8 | bytes |
 *     LOCK       flock for the life of the process, holds its pid
 *
 * A NAME.tmp that nobody in this process is writing is what an earlier run left; list removes it.
 */
#include "storage/file_reaper.h"
#include "storage/vfs_posix_internal.h"

#include "silt/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define REGISTER_MAGIC 0x31475253u /* "SRG1" */
#define REGISTER_HEADER_BYTES 16

enum silt_status posix_path(struct posix_vfs *vfs, const char *name, const char *suffix, char path[PATH_BYTES_MAX],
                                struct silt_error *err)
{
    int len = snprintf(path, PATH_BYTES_MAX, "%s/%s%s", vfs->root, name, suffix);
    if (len < 0 || len >= PATH_BYTES_MAX || strlen(name) >= VFS_NAME_BYTES_MAX)
        return silt_fail(err, SILT_INVALID, "file name too long: %.100s", name);
    return SILT_OK;
}

int posix_open_folder(const char *path, struct silt_error *err)
{
    char folder[PATH_BYTES_MAX];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else
        slash[slash == folder] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        silt_fail_errno(err, errno, "open %s", folder);
    return fd;
}

enum silt_status posix_sync_folder(int fd, const char *path, struct silt_error *err)
{
    int failed = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return failed ? silt_fail_errno(err, failed, "fsync the folder of %s", path) : SILT_OK;
}

static enum silt_status sync_folder_of(const char *path, struct silt_error *err)
{
    int fd = posix_open_folder(path, err);
    return fd >= 0 ? posix_sync_folder(fd, path, err) : SILT_IO;
}

/* The folders above path, from the root on, each made durable in its parent; also where another thread has made it just
 * now and is not that far yet. */
static enum silt_status make_folders(struct posix_vfs *vfs, char *path, struct silt_error *err)
{
    for (char *slash = strchr(path + strlen(vfs->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum silt_status rc = mkdir(path, 0750) == 0 || errno == EEXIST ? sync_folder_of(path, err)
                                                                        : silt_fail_errno(err, errno, "mkdir %s", path);
        *slash = '/';
        if (rc != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

enum silt_status posix_open_to_write(struct posix_vfs *vfs, char *path, int flags, int *fd, struct silt_error *err)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0640);
    if (*fd < 0 && errno == ENOENT) {
        enum silt_status rc = make_folders(vfs, path, err);
        if (rc != SILT_OK)
            return rc;
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0640);
    }
    if (*fd < 0)
        return silt_fail_errno(err, errno, "create %s", path);
    return SILT_OK;
}

enum silt_status posix_write(int fd, const char *name, const void *bytes, size_t len, uint64_t offset,
                                  struct silt_error *err)
{
    const char *p = bytes;
    while (len) {
        ssize_t n = pwrite(fd, p, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return silt_fail_errno(err, errno, "write %s at %llu", name, (unsigned long long)offset);
        p += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return SILT_OK;
}

enum silt_status posix_read(int fd, const char *name, void *out, size_t len, uint64_t offset, size_t *got,
                                  struct silt_error *err)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(fd, (char *)out + *got, len - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return silt_fail_errno(err, errno, "read %s at %llu", name, (unsigned long long)offset);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return SILT_OK;
}

static enum silt_status remove_name(struct vfs *vfs, const char *name, struct silt_error *err)
{
    char path[PATH_BYTES_MAX];
    enum silt_status rc = posix_path(posix_of(vfs), name, "", path, err);
    if (rc == SILT_OK && unlink(path) != 0 && errno != ENOENT)
        rc = silt_fail_errno(err, errno, "remove %s", path);
    return rc;
}

/* The name goes at once, the space of a large file behind it. Returns errno, or 0. */
static int unlink_large(struct posix_vfs *vfs, const char *path)
{
    struct stat facts;
    int fd = open(path, O_WRONLY | O_CLOEXEC); /* if it cannot be had, all goes at once */
    int failed = unlink(path) != 0 && errno != ENOENT ? errno : 0;
    if (fd >= 0 && !failed && fstat(fd, &facts) == 0 && facts.st_nlink == 0)
        file_reaper_take(vfs->reaper, fd, (uint64_t)facts.st_size);
    else if (fd >= 0)
        close(fd);
    return failed;
}

static enum silt_status blob_discard(struct vfs *vfs, const char *name, struct silt_error *err)
{
    char path[PATH_BYTES_MAX];
    enum silt_status rc = posix_path(posix_of(vfs), name, "", path, err);
    int failed = rc == SILT_OK ? unlink_large(posix_of(vfs), path) : 0;
    return failed ? silt_fail_errno(err, failed, "remove %s", path) : rc;
}

void posix_begin_unfinished(struct posix_vfs *vfs, struct unfinished *unfinished, const char *name)
{
    snprintf(unfinished->name, sizeof(unfinished->name), "%s", name);
    pthread_mutex_lock(&vfs->unfinished_lock);
    unfinished->next = vfs->unfinished;
    vfs->unfinished = unfinished;
    pthread_mutex_unlock(&vfs->unfinished_lock);
}

void posix_end_unfinished(struct posix_vfs *vfs, struct unfinished *unfinished)
{
    pthread_mutex_lock(&vfs->unfinished_lock);
    struct unfinished **at = &vfs->unfinished;
    while (*at != unfinished)
        at = &(*at)->next;
    *at = unfinished->next;
    pthread_mutex_unlock(&vfs->unfinished_lock);
}

/* FOLDER/FILE, which ends in .tmp, unless it is being written. The lock is held over the removal, so that no writer can
 * begin with that name in between. */
static void remove_leftover(struct posix_vfs *vfs, const char *folder, const char *file)
{
    char name[VFS_NAME_BYTES_MAX], path[PATH_BYTES_MAX];
    if (snprintf(name, sizeof(name), "%s%s%s", folder, folder[0] ? "/" : "", file) >= (int)sizeof(name) ||
        posix_path(vfs, name, "", path, NULL) != SILT_OK)
        return; /* none of ours */
    name[strlen(name) - 4] = '\0';
    pthread_mutex_lock(&vfs->unfinished_lock);
    const struct unfinished *writing = vfs->unfinished;
    while (writing && strcmp(writing->name, name) != 0)
        writing = writing->next;
    int failed = writing ? 0 : unlink_large(vfs, path); /* a merge's, which the kill of a process left */
    pthread_mutex_unlock(&vfs->unfinished_lock);
    if (failed)
        silt_log(SILT_LOG_WARN, "cannot remove an unfinished file", "file=\"%s\" error=\"%s\"", path, strerror(failed));
}

enum silt_status posix_publish(struct posix_vfs *vfs, int fd, const char *name, struct silt_error *err)
{
    char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];
    enum silt_status rc;
    if ((rc = posix_path(vfs, name, ".tmp", from, err)) != SILT_OK || (rc = posix_path(vfs, name, "", to, err)) != SILT_OK)
        return rc;
    if (fdatasync(fd) != 0)
        return silt_fail_errno(err, errno, "fdatasync %s", from);
    int folder = posix_open_folder(to, err);
    if (folder < 0)
        return SILT_IO;
    if (rename(from, to) != 0) {
        rc = silt_fail_errno(err, errno, "rename %s", from);
        close(folder);
        return rc;
    }
    return posix_sync_folder(folder, to, err);
}

enum silt_status posix_open_to_read(struct vfs *vfs, const char *name, int *fd, uint64_t *size, struct silt_error *err)
{
    char path[PATH_BYTES_MAX];
    struct stat st;
    enum silt_status rc = posix_path(posix_of(vfs), name, "", path, err);
    if (rc != SILT_OK)
        return rc;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return silt_fail(err, SILT_NOT_FOUND, "%s: no such file", name);
    if (*fd < 0)
        return silt_fail_errno(err, errno, "open %s", path);
    if (fstat(*fd, &st) != 0) {
        rc = silt_fail_errno(err, errno, "stat %s", path);
        close(*fd);
        return rc;
    }
    *size = (uint64_t)st.st_size;
    return SILT_OK;
}

/* ---------------------------------------------------------------- registers */

static enum silt_status register_read(struct vfs *vfs, const char *name, void **bytes, size_t *len, uint64_t *version,
                                      struct silt_error *err)
{
    int fd;
    uint64_t size;
    size_t got;
    uint32_t magic, crc;
    *version = 0;
    enum silt_status rc = posix_open_to_read(vfs, name, &fd, &size, err);
    if (rc != SILT_OK)
        return rc;
    if (size < REGISTER_HEADER_BYTES || size > VFS_REGISTER_BYTES_MAX + REGISTER_HEADER_BYTES) {
        close(fd);
        return silt_fail(err, SILT_CORRUPT, "%s: impossible size %llu", name, (unsigned long long)size);
    }
    char *whole = silt_malloc(size);
    rc = posix_read(fd, name, whole, size, 0, &got, err);
    close(fd);
    if (rc == SILT_OK) {
        memcpy(&magic, whole, 4);
        memcpy(&crc, whole + 4, 4);
        memcpy(version, whole + 8, 8);
        if (got < size || magic != REGISTER_MAGIC || crc != silt_crc32c(0, whole + 8, size - 8))
            rc = silt_fail(err, SILT_CORRUPT, "%s: checksum", name);
    }
    if (rc != SILT_OK) {
        free(whole);
        return rc;
    }
    *len = size - REGISTER_HEADER_BYTES;
    memmove(whole, whole + REGISTER_HEADER_BYTES, *len);
    *bytes = whole;
    return SILT_OK;
}

static enum silt_status register_swap(struct vfs *vfs, const char *name, uint64_t expected, const void *bytes, size_t len,
                                      struct silt_error *err)
{
    struct posix_vfs *posix = posix_of(vfs);
    char path[PATH_BYTES_MAX];
    void *old = NULL;
    size_t old_len;
    uint64_t version;
    int fd;
    struct silt_error ignored;

    enum silt_status rc = register_read(vfs, name, &old, &old_len, &version, &ignored);
    free(rc == SILT_OK ? old : NULL);
    if (rc != SILT_OK && rc != SILT_NOT_FOUND) {
        if (err)
            *err = ignored;
        return rc;
    }
    if (version != expected)
        return silt_fail(err, SILT_CONFLICT, "%s: version is %llu, not %llu", name, (unsigned long long)version,
                         (unsigned long long)expected);
    silt_assert(len <= VFS_REGISTER_BYTES_MAX);
    if ((rc = posix_path(posix, name, ".tmp", path, err)) != SILT_OK)
        return rc;
    struct unfinished unfinished;
    posix_begin_unfinished(posix, &unfinished, name);
    if ((rc = posix_open_to_write(posix, path, O_TRUNC, &fd, err)) != SILT_OK) {
        posix_end_unfinished(posix, &unfinished);
        return rc;
    }
    char *whole = silt_malloc(REGISTER_HEADER_BYTES + len);
    uint32_t magic = REGISTER_MAGIC;
    version = expected + 1;
    memcpy(whole, &magic, 4);
    memcpy(whole + 8, &version, 8);
    if (len)
        memcpy(whole + REGISTER_HEADER_BYTES, bytes, len);
    uint32_t crc = silt_crc32c(0, whole + 8, len + 8);
    memcpy(whole + 4, &crc, 4);
    rc = posix_write(fd, name, whole, REGISTER_HEADER_BYTES + len, 0, err);
    free(whole);
    if (rc == SILT_OK)
        rc = posix_publish(posix, fd, name, err);
    close(fd);
    if (rc != SILT_OK)
        unlink(path);
    posix_end_unfinished(posix, &unfinished);
    return rc;
}

/* ---------------------------------------------------------------- folders */

static enum silt_status list(struct vfs *vfs, const char *folder, void (*each)(void *arg, const char *name), void *arg,
                             struct silt_error *err)
{
    char path[PATH_BYTES_MAX];
    enum silt_status rc = posix_path(posix_of(vfs), folder, "", path, err);
    if (rc != SILT_OK)
        return rc;
    DIR *dir = opendir(path);
    if (!dir && errno == ENOENT)
        return silt_fail(err, SILT_NOT_FOUND, "%s: no such folder", folder);
    if (!dir)
        return silt_fail_errno(err, errno, "open %s", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            break;
        const char *name = entry->d_name;
        size_t len = strlen(name);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "LOCK") == 0)
            continue;
        if (len > 4 && strcmp(name + len - 4, ".tmp") == 0) {
            remove_leftover(posix_of(vfs), folder, name);
            continue;
        }
        each(arg, name);
    }
    if (errno)
        rc = silt_fail_errno(err, errno, "list %s", path);
    closedir(dir);
    return rc;
}

static enum silt_status remove_tree(const char *path, struct silt_error *err)
{
    DIR *dir = opendir(path);
    if (!dir && errno == ENOENT)
        return SILT_OK;
    if (!dir)
        return silt_fail_errno(err, errno, "open %s", path);
    enum silt_status rc = SILT_OK;
    struct dirent *entry;
    while (rc == SILT_OK && (entry = readdir(dir))) {
        char inner[PATH_BYTES_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) >= (int)sizeof(inner))
            rc = silt_fail(err, SILT_INVALID, "file name too long: %.100s", entry->d_name);
        else if (unlink(inner) != 0)
            rc = errno == EISDIR || errno == EPERM ? remove_tree(inner, err)
                                                   : silt_fail_errno(err, errno, "remove %s", inner);
    }
    closedir(dir);
    if (rc == SILT_OK && rmdir(path) != 0)
        rc = silt_fail_errno(err, errno, "rmdir %s", path);
    return rc;
}

static enum silt_status remove_folder(struct vfs *vfs, const char *folder, struct silt_error *err)
{
    char path[PATH_BYTES_MAX];
    silt_assert(folder[0]);
    enum silt_status rc = posix_path(posix_of(vfs), folder, "", path, err);
    return rc == SILT_OK ? remove_tree(path, err) : rc;
}

static uint64_t room(struct vfs *vfs)
{
    struct statvfs facts;
    if (statvfs(posix_of(vfs)->root, &facts) != 0)
        return UINT64_MAX; /* who needs it will find out */
    return (uint64_t)facts.f_bavail * facts.f_frsize;
}

static const char *local_path(struct vfs *vfs, const char *name)
{
    struct posix_vfs *posix = posix_of(vfs);
    size_t bytes = strlen(posix->root) + strlen(name) + 2;
    free(posix->sqlite_path);
    posix->sqlite_path = silt_malloc(bytes);
    snprintf(posix->sqlite_path, bytes, "%s/%s", posix->root, name);
    return posix->sqlite_path;
}

static void posix_close(struct vfs *vfs)
{
    struct posix_vfs *posix = posix_of(vfs);
    if (posix->lock_fd >= 0)
        close(posix->lock_fd);
    file_reaper_destroy(posix->reaper);
    pthread_mutex_destroy(&posix->unfinished_lock);
    free(posix->sqlite_path);
    free(posix->root);
    free(posix);
}

static const struct vfs_ops posix_ops = {
    .blob_create = posix_blob_create,
    .blob_append = posix_blob_append,
    .blob_commit = posix_blob_commit,
    .blob_abort = posix_blob_abort,
    .blob_open = posix_blob_open,
    .blob_bytes = posix_blob_bytes,
    .blob_read = posix_blob_read,
    .blob_once = posix_blob_once,
    .blob_map = posix_blob_map,
    .blob_scattered = posix_blob_scattered,
    .blob_soon = posix_blob_soon,
    .blob_close = posix_blob_close,
    .blob_remove = remove_name,
    .blob_discard = blob_discard,
    .segment_create = posix_segment_create,
    .segment_open = posix_segment_open,
    .segment_bytes = posix_segment_bytes,
    .segment_write = posix_segment_write,
    .segment_sync = posix_segment_sync,
    .segment_read = posix_segment_read,
    .segment_close = posix_segment_close,
    .segment_remove = remove_name,
    .register_read = register_read,
    .register_swap = register_swap,
    .register_remove = remove_name,
    .list = list,
    .remove_folder = remove_folder,
    .room = room,
    .local_path = local_path,
    .close = posix_close,
};

static enum silt_status lock_directory(struct posix_vfs *posix, struct silt_error *err)
{
    char path[PATH_BYTES_MAX], owner[32] = "";
    enum silt_status rc = posix_path(posix, "LOCK", "", path, err);
    if (rc != SILT_OK)
        return rc;
    posix->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (posix->lock_fd < 0)
        return silt_fail_errno(err, errno, "open %s", path);
    if (flock(posix->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return silt_fail_errno(err, errno, "lock %s", path);
        ssize_t n = pread(posix->lock_fd, owner, sizeof(owner) - 1, 0);
        owner[n > 0 ? n : 0] = '\0';
        owner[strspn(owner, "0123456789")] = '\0';
        return silt_fail(err, SILT_BUSY, "data directory %s is in use by process %s", posix->root,
                         owner[0] ? owner : "(unknown)");
    }
    /* Over the one before, whose room it takes: the disk may be full. */
    int len = snprintf(owner, sizeof(owner), "%-20ld\n", (long)getpid());
    if (pwrite(posix->lock_fd, owner, (size_t)len, 0) != len)
        silt_log(SILT_LOG_WARN, "LOCK does not name this process", "file=\"%s\" error=\"%s\"", path, strerror(errno));
    return SILT_OK;
}

/* The data directory and those above it; what was made is durable in its parent. */
static enum silt_status make_root(const char *directory, struct silt_error *err)
{
    char path[PATH_BYTES_MAX];
    size_t len = strlen(directory);
    while (len > 1 && directory[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof(path))
        return silt_fail(err, SILT_INVALID, "data directory: a name of %zu bytes", len);
    memcpy(path, directory, len);
    path[len] = '\0';
    for (size_t at = 1; at <= len; at++) {
        if ((path[at] != '/' && path[at] != '\0') || path[at - 1] == '/')
            continue;
        char kept = path[at];
        path[at] = '\0';
        enum silt_status rc = SILT_OK;
        if (mkdir(path, 0750) == 0)
            rc = sync_folder_of(path, err);
        else if (errno != EEXIST)
            rc = silt_fail_errno(err, errno, "data directory %s", path);
        if (rc != SILT_OK)
            return rc;
        path[at] = kept;
    }
    return SILT_OK;
}

enum silt_status vfs_posix_open(const char *directory, struct vfs **out, struct silt_error *err)
{
    struct posix_vfs *posix = silt_calloc(1, sizeof(*posix));
    enum silt_status rc;

    posix->vfs.ops = &posix_ops;
    posix->lock_fd = -1;
    pthread_mutex_init(&posix->unfinished_lock, NULL);
    posix->reaper = file_reaper_create();
    if ((rc = make_root(directory, err)) != SILT_OK)
        goto fail;
    posix->root = realpath(directory, NULL);
    if (!posix->root) {
        rc = silt_fail_errno(err, errno, "data directory %s", directory);
        goto fail;
    }
    if ((rc = lock_directory(posix, err)) != SILT_OK)
        goto fail;
    *out = &posix->vfs;
    return SILT_OK;
fail:
    posix_close(&posix->vfs);
    return rc;
}
