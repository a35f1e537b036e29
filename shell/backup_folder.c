/*
 * backup_folder.c - implements backup_folder.h.
 */
#include "shell/backup_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define LIST_BYTES_MAX ((size_t)1 << 30)
#define PART ".part"

static enum silt_status join(char *out, const char *a, const char *b, struct silt_error *err)
{
    if ((size_t)snprintf(out, PATH_BYTES, "%s/%s", a, b) >= PATH_BYTES)
        return silt_fail(err, SILT_INVALID, "the path is too long: %.100s...", a);
    return SILT_OK;
}

/* ---------------------------------------------------------------- the backups that are there */

static bool is_stamp(const char *name)
{
    for (size_t i = 0; i < BACKUP_STAMP_BYTES - 1; i++) {
        bool fits = i == 8 ? name[i] == 'T' : i == 15 ? name[i] == 'Z' : name[i] >= '0' && name[i] <= '9';
        if (!fits)
            return false;
    }
    return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static enum silt_status remove_tree(const char *path, struct silt_error *err)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? SILT_OK : silt_fail_errno(err, errno, "cannot remove %s", path);
}

static int compare_stamps(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Complete ones, oldest first; those cut short go, if asked to. Free *stamps. */
static enum silt_status look(const char *folder, bool remove_parts, char (**stamps)[BACKUP_STAMP_BYTES], size_t *count,
                             struct silt_error *err)
{
    char path[PATH_BYTES];
    size_t room = 0;
    enum silt_status rc = SILT_OK;
    DIR *dir = opendir(folder);

    *stamps = NULL;
    *count = 0;
    if (!dir)
        return silt_fail_errno(err, errno, "cannot read %s", folder);
    for (struct dirent *entry; rc == SILT_OK && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        bool whole = len == BACKUP_STAMP_BYTES - 1, part = len == BACKUP_STAMP_BYTES - 1 + strlen(PART);
        if ((!whole && !part) || !is_stamp(entry->d_name) || (rc = join(path, folder, entry->d_name, err)) != SILT_OK)
            continue;
        if (part && strcmp(entry->d_name + BACKUP_STAMP_BYTES - 1, PART) == 0 && remove_parts)
            rc = remove_tree(path, err);
        if (!whole)
            continue;
        if (*count == room) {
            room = room ? 2 * room : 16;
            *stamps = silt_realloc(*stamps, room * sizeof(**stamps));
        }
        memcpy((*stamps)[(*count)++], entry->d_name, BACKUP_STAMP_BYTES);
    }
    closedir(dir);
    if (*count)
        qsort(*stamps, *count, sizeof(**stamps), compare_stamps);
    return rc;
}

enum silt_status backup_folder_prepare(const char *folder, char *latest, struct silt_error *err)
{
    char (*stamps)[BACKUP_STAMP_BYTES];
    size_t count;

    *latest = '\0';
    if (mkdir(folder, 0750) != 0 && errno != EEXIST)
        return silt_fail_errno(err, errno, "cannot make %s", folder);
    enum silt_status rc = look(folder, true, &stamps, &count, err);
    if (rc == SILT_OK && count)
        memcpy(latest, stamps[count - 1], BACKUP_STAMP_BYTES);
    free(stamps);
    return rc;
}

enum silt_status backup_folder_trim(const char *folder, size_t keep, size_t *removed, struct silt_error *err)
{
    char (*stamps)[BACKUP_STAMP_BYTES], path[PATH_BYTES];
    size_t count;
    enum silt_status rc = look(folder, false, &stamps, &count, err);

    *removed = 0;
    for (size_t i = 0; rc == SILT_OK && i + keep < count; i++)
        if ((rc = join(path, folder, stamps[i], err)) == SILT_OK && (rc = remove_tree(path, err)) == SILT_OK)
            ++*removed;
    free(stamps);
    return rc;
}

enum silt_status backup_folder_read(const char *folder, const char *stamp, const char *name, struct silt_buffer *out,
                                    struct silt_error *err)
{
    char within[PATH_BYTES], path[PATH_BYTES];
    enum silt_status rc = join(within, folder, stamp, err);

    if (rc == SILT_OK)
        rc = join(path, within, name, err);
    return rc == SILT_OK ? silt_buffer_read_file(out, path, LIST_BYTES_MAX, err) : rc;
}

/* ---------------------------------------------------------------- the one that is being made */

/* The folders above the last name. */
static enum silt_status make_folders(char *path, size_t from, struct silt_error *err)
{
    for (char *slash = path + from; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        int made = mkdir(path, 0750);
        int why = errno;
        *slash = '/';
        if (made != 0 && why != EEXIST)
            return silt_fail_errno(err, why, "cannot make the folders of %s", path);
    }
    return SILT_OK;
}

int backup_folder_create(const char *path, const char *name, struct silt_error *err)
{
    char full[PATH_BYTES];

    if (join(full, path, name, err) != SILT_OK || make_folders(full, strlen(path), err) != SILT_OK)
        return -1;
    int fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        silt_fail_errno(err, errno, "cannot make %s", full);
    return fd;
}

enum silt_status backup_folder_link(const char *from, const char *to, const char *name, struct silt_error *err)
{
    char from_path[PATH_BYTES], to_path[PATH_BYTES];
    enum silt_status rc = join(from_path, from, name, err);

    if (rc != SILT_OK || (rc = join(to_path, to, name, err)) != SILT_OK || (rc = make_folders(to_path, strlen(to), err)) != SILT_OK)
        return rc;
    return link(from_path, to_path) == 0 ? SILT_OK : silt_fail_errno(err, errno, "cannot link %s to %s", from_path, to_path);
}

static int sync_folder(const char *path, const struct stat *st, int type, struct FTW *at)
{
    if (type != FTW_DP && type != FTW_D)
        return 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

enum silt_status backup_folder_finish(const char *part_path, const char *path, struct silt_error *err)
{
    if (nftw(part_path, sync_folder, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return silt_fail_errno(err, errno, "cannot sync %s", part_path);
    if (rename(part_path, path) != 0)
        return silt_fail_errno(err, errno, "cannot rename %s", part_path);
    char above[PATH_BYTES];
    enum silt_status rc = join(above, path, "..", err);
    if (rc == SILT_OK && sync_folder(above, NULL, FTW_D, NULL) != 0)
        rc = silt_fail_errno(err, errno, "cannot sync %s", above);
    return rc;
}
