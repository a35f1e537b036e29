/*
 * faulty_calls.c - a library to preload into siltd under test: calls that fail as those of a disk do that is read-only, or at its end.
 *
 *     FAULTY_FOLDER    files below it are concerned, no others
 *     FAULTY_CONTROL   while FAULTY_CONTROL.erofs is there, whatever changes a file fails with EROFS; .eio: syncs with EIO
 *
 * Threads: any. The calls themselves are made by their numbers, so that nobody else's wrapper is in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static bool is_on(const char *fault)
{
    const char *control = getenv("FAULTY_CONTROL");
    char path[PATH_MAX];
    int kept = errno;
    bool on = control && snprintf(path, sizeof(path), "%s.%s", control, fault) < (int)sizeof(path) &&
              syscall(SYS_access, path, F_OK) == 0;
    errno = kept;
    return on;
}

static bool is_below(const char *path)
{
    const char *folder = getenv("FAULTY_FOLDER");
    return folder && strncmp(path, folder, strlen(folder)) == 0;
}

static bool is_ours(int fd)
{
    char link[64], path[PATH_MAX];
    int kept = errno;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = syscall(SYS_readlink, link, path, sizeof(path) - 1);
    errno = kept;
    path[len > 0 ? len : 0] = '\0';
    return is_below(path);
}

static int fails(int error)
{
    errno = error;
    return -1;
}

static bool path_fails(const char *path)
{
    return is_below(path) && is_on("erofs");
}

static bool fd_fails(int fd)
{
    return is_on("erofs") && is_ours(fd);
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;                                              \
        va_end(args);                                                                                                  \
        if (((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT) && path_fails(path))                                  \
            return fails(EROFS);                                                                                       \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);                                                  \
    }
OPEN(open)
OPEN(open64)

#define PWRITE(name, offset_type)                                                                                      \
    ssize_t name(int fd, const void *bytes, size_t len, offset_type offset)                                            \
    {                                                                                                                  \
        return fd_fails(fd) ? fails(EROFS) : syscall(SYS_pwrite64, fd, bytes, len, offset);                            \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *bytes, size_t len)
{
    return fd_fails(fd) ? fails(EROFS) : syscall(SYS_write, fd, bytes, len);
}

int ftruncate(int fd, off_t len)
{
    return fd_fails(fd) ? fails(EROFS) : (int)syscall(SYS_ftruncate, fd, len);
}

int rename(const char *from, const char *to)
{
    return path_fails(from) ? fails(EROFS) : (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path)
{
    return path_fails(path) ? fails(EROFS) : (int)syscall(SYS_unlink, path);
}

int mkdir(const char *path, mode_t mode)
{
    return path_fails(path) ? fails(EROFS) : (int)syscall(SYS_mkdir, path, mode);
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
    if (fd_fails(fd))
        return EROFS;
    return syscall(SYS_fallocate, fd, 0, offset, len) == 0 ? 0 : errno;
}

int fdatasync(int fd)
{
    return is_on("eio") && is_ours(fd) ? fails(EIO) : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return is_on("eio") && is_ours(fd) ? fails(EIO) : (int)syscall(SYS_fsync, fd);
}
