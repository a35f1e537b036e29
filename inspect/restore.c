/*
 * restore.c - a backup becomes a data directory.
 *
 *     backup.files, backup.sums -> each file: read, summed, written through the file layer -> catalog: a store of its own
 *                                                                                          -> verify
 *
 * The log is not in a backup, and not missed: the numbers of its records go on behind the highest that a manifest names.
 */
#include "inspect/inspect.h"

#include "silt/backup_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define PIECE_BYTES ((size_t)1 << 20)
#define LIST_BYTES_MAX ((size_t)1 << 30)

struct restore {
    const char *backup;
    struct vfs *vfs;
    struct silt_arena *arena;
    struct silt_digest *digest;
    char *piece;
    uint64_t bytes;
};

static enum silt_status path_in(char *out, const char *folder, const char *name, struct silt_error *err)
{
    if ((size_t)snprintf(out, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES)
        return silt_fail(err, SILT_INVALID, "the path is too long: %.100s...", folder);
    return SILT_OK;
}

/* ---------------------------------------------------------------- where the bytes go */

struct target { /* one of these */
    struct vfs_blob_writer *blob;
    struct silt_buffer *text; /* of a register */
    int fd;                   /* of the catalog; -1 */
};

static enum silt_status write_all(int fd, const char *bytes, size_t len, struct silt_error *err)
{
    while (len) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return silt_fail_errno(err, errno, "cannot write the catalog");
        bytes += put;
        len -= (size_t)put;
    }
    return SILT_OK;
}

static enum silt_status put(const struct target *target, const char *bytes, size_t len, struct silt_error *err)
{
    if (target->blob)
        return vfs_blob_append(target->blob, bytes, len, err);
    if (target->fd >= 0)
        return write_all(target->fd, bytes, len, err);
    silt_buffer_append(target->text, bytes, len);
    return SILT_OK;
}

/* ---------------------------------------------------------------- one file */

/* All of it to the target; its sum has to be the one that the backup names. */
static enum silt_status pour(struct restore *r, const struct silt_backup_file *file, const struct target *target, struct silt_error *err)
{
    char path[PATH_BYTES], sum[SILT_DIGEST_TEXT_BYTES];
    uint64_t bytes = 0;
    enum silt_status rc = path_in(path, r->backup, file->name.p, err);

    if (rc != SILT_OK)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return silt_fail_errno(err, errno, "cannot read %s", path);
    for (ssize_t got; rc == SILT_OK && (got = read(fd, r->piece, PIECE_BYTES)) != 0;) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            rc = silt_fail_errno(err, errno, "cannot read %s", path);
            break;
        }
        silt_digest_add(r->digest, r->piece, (size_t)got);
        bytes += (uint64_t)got;
        rc = put(target, r->piece, (size_t)got, err);
    }
    close(fd);
    silt_digest_end(r->digest, sum);
    r->bytes += bytes;
    if (rc == SILT_OK && bytes != file->bytes)
        rc = silt_fail(err, SILT_CORRUPT, "%s: %llu bytes, not the %llu of the backup", path, (unsigned long long)bytes,
                       (unsigned long long)file->bytes);
    if (rc == SILT_OK && strcmp(sum, file->sum) != 0)
        rc = silt_fail(err, SILT_CORRUPT, "%s: the checksum differs", path);
    return rc;
}

static enum silt_status restore_blob(struct restore *r, const struct silt_backup_file *file, struct silt_error *err)
{
    struct target target = {.fd = -1};
    enum silt_status rc = vfs_blob_create(r->vfs, file->name.p, &target.blob, err);

    if (rc != SILT_OK)
        return rc;
    if ((rc = pour(r, file, &target, err)) == SILT_OK)
        return vfs_blob_commit(target.blob, err);
    vfs_blob_abort(target.blob);
    return rc;
}

static enum silt_status restore_register(struct restore *r, const struct silt_backup_file *file, struct silt_error *err)
{
    struct silt_buffer text = {0};
    struct target target = {.text = &text, .fd = -1};
    enum silt_status rc = pour(r, file, &target, err);

    if (rc == SILT_OK)
        rc = r->vfs->ops->register_swap(r->vfs, file->name.p, 0, text.p, text.len, err);
    silt_buffer_free(&text);
    return rc;
}

static enum silt_status restore_catalog(struct restore *r, const struct silt_backup_file *file, struct silt_error *err)
{
    const char *path = r->vfs->ops->local_path(r->vfs, file->name.p);
    struct target target = {.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640)};
    struct catalog *catalog;
    uint64_t id;

    if (target.fd < 0)
        return silt_fail_errno(err, errno, "cannot make %s", path);
    enum silt_status rc = pour(r, file, &target, err);
    if (rc == SILT_OK && fsync(target.fd) != 0)
        rc = silt_fail_errno(err, errno, "cannot sync %s", path);
    close(target.fd);
    if (rc != SILT_OK || (rc = catalog_open(path, &catalog, err)) != SILT_OK)
        return rc;
    rc = catalog_store_id(catalog, true, &id, err);
    catalog_close(catalog);
    return rc;
}

/* ---------------------------------------------------------------- all of them */

static enum silt_status read_text(struct restore *r, const char *name, struct silt_str *out, struct silt_error *err)
{
    char path[PATH_BYTES];
    struct silt_buffer text = {0};
    struct silt_error why;
    enum silt_status rc = path_in(path, r->backup, name, err);

    if (rc != SILT_OK)
        return rc;
    if ((rc = silt_buffer_read_file(&text, path, LIST_BYTES_MAX, &why)) == SILT_OK)
        *out = silt_arena_str(r->arena, (struct silt_str){text.p, text.len});
    else
        silt_fail(err, rc, "%s is no backup: %s", r->backup, why.text);
    silt_buffer_free(&text);
    return rc;
}

static enum silt_status read_lists(struct restore *r, struct silt_backup_list *list, struct silt_error *err)
{
    struct silt_str files, sums;
    enum silt_status rc;

    if ((rc = read_text(r, SILT_BACKUP_FILES, &files, err)) != SILT_OK || (rc = read_text(r, SILT_BACKUP_SUMS, &sums, err)) != SILT_OK ||
        (rc = silt_backup_read_files(files, r->arena, list, err)) != SILT_OK || (rc = silt_backup_read_sums(sums, list, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < list->count; i++)
        if (!*list->files[i].sum)
            return silt_fail(err, SILT_CORRUPT, "%s has no checksum in %s", list->files[i].name.p, SILT_BACKUP_SUMS);
    return SILT_OK;
}

/* Blobs first, the catalog last: a directory without one is nothing that a server starts on. */
static enum silt_status restore_all(struct restore *r, const struct silt_backup_list *list, struct silt_error *err)
{
    static enum silt_status (*const ways[])(struct restore *, const struct silt_backup_file *, struct silt_error *) = {
        [SILT_BACKUP_BLOB] = restore_blob, [SILT_BACKUP_REGISTER] = restore_register, [SILT_BACKUP_CATALOG] = restore_catalog};
    enum silt_status rc = SILT_OK;

    for (int kind = SILT_BACKUP_BLOB; kind <= SILT_BACKUP_CATALOG; kind++)
        for (size_t i = 0; rc == SILT_OK && i < list->count; i++)
            if (list->files[i].kind == (enum silt_backup_kind)kind)
                rc = ways[kind](r, &list->files[i], err);
    return rc;
}

/* An empty one stays: it may be a volume, and its owner the server's user. */
static enum silt_status check_empty(const char *directory, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    DIR *dir = opendir(directory);

    if (!dir)
        return errno == ENOENT ? SILT_OK : silt_fail_errno(err, errno, "%s", directory);
    for (struct dirent *entry; rc == SILT_OK && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, "lost+found") != 0)
            rc = silt_fail(err, SILT_CONFLICT, "%s has to be empty, or not there", directory);
    closedir(dir);
    return rc;
}

int inspect_restore(const char *backup, const char *directory)
{
    struct restore r = {.backup = backup, .arena = silt_arena_create(NULL), .digest = silt_digest_create(), .piece = silt_malloc(PIECE_BYTES)};
    struct silt_backup_list list;
    struct silt_error err;
    enum silt_status rc = read_lists(&r, &list, &err);

    if (rc == SILT_OK)
        rc = check_empty(directory, &err);
    if (rc == SILT_OK && (rc = vfs_posix_open(directory, &r.vfs, &err)) == SILT_OK) {
        rc = restore_all(&r, &list, &err);
        vfs_close(r.vfs);
    }
    if (rc == SILT_OK)
        printf("restored %zu files, %.1f MB\n", list.count, (double)r.bytes / 1e6);
    silt_arena_destroy(r.arena);
    silt_digest_destroy(r.digest);
    free(r.piece);
    return rc == SILT_OK ? inspect_verify(directory) : inspect_fail(&err);
}
