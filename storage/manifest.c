/*
 * manifest.c - implements manifest.h.
 *
 *     register FOLDER/MANIFEST, little-endian:
 *
 *     0  8  magic "siltMAN1"
 *     8  8  epoch of the owner
 *    16  8  next_file_id
 *    24  8  flushed_seq
 *    32  8  tombstone_id, 0: none
 *    40  4  file_count
 *    44  4  zero
 *    48  .  files, oldest first, 64 bytes each: file_id, seq, bytes, rows, min, max (8 each), level 4, zero 12
 *     .  4  CRC-32C of all before
 */
#include "storage/manifest.h"

#include "silt/text.h"

#include <stdio.h>
#include <stdlib.h>

#define MANIFEST_MAGIC "siltMAN1"
#define FILES_MAX 1000000u

struct disk_head {
    char magic[8];
    uint64_t epoch, next_file_id, flushed_seq, tombstone_id;
    uint32_t file_count, zero;
};
_Static_assert(sizeof(struct disk_head) == 48, "on-disk size");

struct disk_file {
    uint64_t file_id, seq, bytes, rows;
    int64_t min, max;
    uint32_t level, zero[3];
};
_Static_assert(sizeof(struct disk_file) == 64, "on-disk size");

static enum silt_status register_name(const char *folder, char *name, struct silt_error *err)
{
    int len = snprintf(name, VFS_NAME_BYTES_MAX, "%s/MANIFEST", folder);
    if (len >= VFS_NAME_BYTES_MAX)
        return silt_fail(err, SILT_INVALID, "folder name too long: %.100s", folder);
    return SILT_OK;
}

static enum silt_status decode(struct manifest *out, const char *name, const unsigned char *bytes, size_t len,
                               struct silt_error *err)
{
    struct disk_head head;
    uint32_t crc;
    if (len < sizeof(head) + 4)
        return silt_fail(err, SILT_CORRUPT, "%s: too short", name);
    memcpy(&head, bytes, sizeof(head));
    memcpy(&crc, bytes + len - 4, 4);
    if (memcmp(head.magic, MANIFEST_MAGIC, 8) != 0 || crc != silt_crc32c(0, bytes, len - 4))
        return silt_fail(err, SILT_CORRUPT, "%s: checksum", name);
    if (head.file_count > FILES_MAX || len != sizeof(head) + head.file_count * sizeof(struct disk_file) + 4)
        return silt_fail(err, SILT_CORRUPT, "%s: impossible file count %u", name, head.file_count);
    out->epoch = head.epoch;
    out->next_file_id = head.next_file_id;
    out->flushed_seq = head.flushed_seq;
    out->tombstone_id = head.tombstone_id;
    out->file_count = head.file_count;
    out->files = silt_calloc(head.file_count + 1, sizeof(*out->files));
    for (size_t i = 0; i < head.file_count; i++) {
        struct disk_file file;
        memcpy(&file, bytes + sizeof(head) + i * sizeof(file), sizeof(file));
        if (file.file_id >= head.next_file_id)
            return silt_fail(err, SILT_CORRUPT, "%s: file id %llu was never given", name,
                             (unsigned long long)file.file_id);
        out->files[i] = (struct manifest_file){.file_id = file.file_id, .seq = file.seq, .bytes = file.bytes,
                                               .rows = file.rows, .min = file.min, .max = file.max,
                                               .level = file.level};
    }
    return SILT_OK;
}

static bool is_of_shard(const char *name)
{
    size_t len = strlen(name);
    return (len > 4 && strcmp(name + len - 4, ".tsm") == 0) || (len > 5 && strcmp(name + len - 5, ".tomb") == 0);
}

static void count_file(void *arg, const char *name)
{
    *(size_t *)arg += is_of_shard(name);
}

/* A folder has its manifest before its first file (manifest_begin): files alone are no crash's leftovers. */
static enum silt_status check_never_written(struct vfs *vfs, const char *folder, const char *name, struct silt_error *err)
{
    size_t files = 0;
    enum silt_status rc = vfs->ops->list(vfs, folder, count_file, &files, err);
    if (rc == SILT_OK && files > 0)
        rc = silt_fail(err, SILT_CORRUPT, "%s: missing, and there are %zu files that it should tell of", name, files);
    return rc == SILT_NOT_FOUND ? SILT_OK : rc;
}

/* Whole, and not a later owner's. */
static enum silt_status take(struct manifest *out, const char *name, const void *bytes, size_t len, struct silt_error *err)
{
    uint64_t epoch = out->epoch;
    enum silt_status rc = decode(out, name, bytes, len, err);
    if (rc == SILT_OK && out->epoch > epoch)
        rc = silt_fail(err, SILT_CONFLICT, "%s: belongs to a later owner (epoch %llu, ours %llu)", name,
                       (unsigned long long)out->epoch, (unsigned long long)epoch);
    out->epoch = epoch;
    if (rc != SILT_OK)
        manifest_deinit(out);
    return rc;
}

enum silt_status manifest_load_kept(struct vfs *vfs, const char *folder, uint64_t epoch, struct silt_str kept, struct manifest *out,
                                    struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    void *bytes = NULL;
    size_t len;

    *out = (struct manifest){.vfs = vfs, .epoch = epoch, .next_file_id = 1, .kept = kept.len > 0};
    enum silt_status rc = register_name(folder, name, err);
    if (rc != SILT_OK)
        return rc;
    snprintf(out->folder, sizeof(out->folder), "%s", folder);
    rc = vfs->ops->register_read(vfs, name, &bytes, &len, &out->version, err);
    if (rc == SILT_NOT_FOUND)
        return out->kept ? take(out, name, kept.p, kept.len, err) : check_never_written(vfs, folder, name, err);
    if (rc != SILT_OK)
        return rc;
    rc = take(out, name, bytes, len, err);
    free(bytes);
    return rc;
}

enum silt_status manifest_load(struct vfs *vfs, const char *folder, uint64_t epoch, struct manifest *out,
                               struct silt_error *err)
{
    return manifest_load_kept(vfs, folder, epoch, SILT_STR(""), out, err);
}

enum silt_status manifest_expect(const struct manifest *manifest, struct silt_error *err)
{
    return manifest_is_stored(manifest) ? SILT_OK
                                  : silt_fail(err, SILT_CORRUPT, "%s/MANIFEST: missing, with all files that it told of: was the folder removed?", manifest->folder);
}

bool manifest_salvage(struct vfs *vfs, const char *folder, struct manifest *out)
{
    char name[VFS_NAME_BYTES_MAX];
    struct vfs_blob *blob;
    struct silt_error ignored;
    *out = (struct manifest){.vfs = vfs};
    if (register_name(folder, name, &ignored) != SILT_OK || vfs_blob_open(vfs, name, &blob, &ignored) != SILT_OK)
        return false;
    /* What stands in front of the value is the file layer's, and less than an entry. */
    const size_t frame = sizeof(struct disk_head) + 4;
    uint64_t len = vfs_blob_bytes(blob), front = len >= frame ? (len - frame) % sizeof(struct disk_file) : 0;
    out->file_count = len >= frame && len <= VFS_REGISTER_BYTES_MAX ? (len - frame - front) / sizeof(struct disk_file) : 0;
    out->files = silt_calloc(out->file_count + 1, sizeof(*out->files));
    bool read = len >= frame;
    for (size_t i = 0; i < out->file_count && read; i++) {
        struct disk_file file;
        read = vfs_blob_read(blob, front + sizeof(struct disk_head) + i * sizeof(file), &file, sizeof(file), &ignored) == SILT_OK;
        if (read)
            out->files[i] = (struct manifest_file){.file_id = file.file_id, .seq = file.seq, .bytes = file.bytes,
                                                   .rows = file.rows, .min = file.min, .max = file.max, .level = file.level};
    }
    vfs_blob_close(blob);
    return read;
}

void manifest_deinit(struct manifest *manifest)
{
    free(manifest->files);
    manifest->files = NULL;
    manifest->file_count = 0;
}

static bool is_removed(const struct manifest_edit *edit, uint64_t file_id)
{
    for (size_t i = 0; i < edit->remove_count; i++)
        if (edit->remove[i] == file_id)
            return true;
    return false;
}

/* The files after the edit; *count of them, malloc'd. */
static struct manifest_file *edited_files(const struct manifest *manifest, const struct manifest_edit *edit, size_t *count)
{
    struct manifest_file *files = silt_calloc(manifest->file_count + edit->add_count + 1, sizeof(*files));
    size_t removed = 0;
    bool added = false;
    *count = 0;
    for (size_t i = 0; i < manifest->file_count; i++) {
        if (!is_removed(edit, manifest->files[i].file_id)) {
            files[(*count)++] = manifest->files[i];
            continue;
        }
        removed++;
        for (size_t k = 0; !added && k < edit->add_count; k++)
            files[(*count)++] = edit->add[k];
        added = true;
    }
    for (size_t k = 0; !added && k < edit->add_count; k++)
        files[(*count)++] = edit->add[k];
    silt_assert(removed == edit->remove_count);
    return files;
}

void *manifest_encode(const struct manifest *manifest, size_t *len)
{
    *len = sizeof(struct disk_head) + manifest->file_count * sizeof(struct disk_file) + 4;
    unsigned char *bytes = silt_calloc(1, *len);
    struct disk_head head = {.epoch = manifest->epoch,
                             .next_file_id = manifest->next_file_id,
                             .flushed_seq = manifest->flushed_seq,
                             .tombstone_id = manifest->tombstone_id,
                             .file_count = (uint32_t)manifest->file_count};
    memcpy(head.magic, MANIFEST_MAGIC, 8);
    memcpy(bytes, &head, sizeof(head));
    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *from = &manifest->files[i];
        struct disk_file file = {.file_id = from->file_id, .seq = from->seq, .bytes = from->bytes, .rows = from->rows,
                                 .min = from->min, .max = from->max, .level = from->level};
        memcpy(bytes + sizeof(head) + i * sizeof(file), &file, sizeof(file));
    }
    uint32_t crc = silt_crc32c(0, bytes, *len - 4);
    memcpy(bytes + *len - 4, &crc, 4);
    return bytes;
}

/* After a change that failed: the register has the version before it or the one that it would have made, and one that was to be
 * given up may be gone. Any other is not ours, and the swap will say so. */
static enum silt_status find_out(struct manifest *manifest, const char *name, struct silt_error *err)
{
    void *bytes;
    size_t len;
    uint64_t version;
    if (!manifest->unsure)
        return SILT_OK;
    enum silt_status rc = manifest->vfs->ops->register_read(manifest->vfs, name, &bytes, &len, &version, err);
    if (rc != SILT_OK && rc != SILT_NOT_FOUND)
        return rc;
    free(rc == SILT_OK ? bytes : NULL);
    if (version == manifest->version + 1 || (version == 0 && manifest->kept))
        manifest->version = version;
    return SILT_OK;
}

enum silt_status manifest_apply(struct manifest *manifest, const struct manifest_edit *edit, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    size_t len;
    enum silt_status rc = register_name(manifest->folder, name, err);
    if (rc != SILT_OK || (rc = find_out(manifest, name, err)) != SILT_OK)
        return rc;
    struct manifest after = *manifest;
    after.files = edited_files(manifest, edit, &after.file_count);
    silt_assert(after.file_count <= FILES_MAX);
    if (edit->flushed_seq > after.flushed_seq)
        after.flushed_seq = edit->flushed_seq;
    if (edit->set_tombstones)
        after.tombstone_id = edit->tombstone_id;
    for (size_t i = 0; i < after.file_count; i++) /* else it could be written, but never loaded again */
        silt_assert(after.files[i].file_id < after.next_file_id);
    void *bytes = manifest_encode(&after, &len);
    rc = manifest->vfs->ops->register_swap(manifest->vfs, name, manifest->version, bytes, len, err);
    free(bytes);
    manifest->unsure = rc != SILT_OK;
    if (rc != SILT_OK) {
        free(after.files);
        return rc;
    }
    free(manifest->files);
    /* Only what an edit changes: folder and vfs are read without a lock, by who names a file. */
    manifest->files = after.files;
    manifest->file_count = after.file_count;
    manifest->flushed_seq = after.flushed_seq;
    manifest->tombstone_id = after.tombstone_id;
    manifest->version++;
    return SILT_OK;
}

enum silt_status manifest_settle(struct manifest *manifest, struct silt_error *err)
{
    struct manifest_edit nothing = {0};
    return manifest->unsure ? manifest_apply(manifest, &nothing, err) : SILT_OK;
}

enum silt_status manifest_begin(struct manifest *manifest, struct silt_error *err)
{
    struct manifest_edit nothing = {0};
    return manifest_is_stored(manifest) ? SILT_OK : manifest_apply(manifest, &nothing, err);
}

/* That it is gone need not be durable: it says what the catalog says until the next change, which is. */
enum silt_status manifest_leave(struct manifest *manifest, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    silt_assert(manifest->kept && !manifest->unsure);
    manifest_register_name(manifest, name);
    enum silt_status rc = manifest->vfs->ops->register_remove(manifest->vfs, name, err);
    manifest->unsure = rc != SILT_OK;
    if (rc == SILT_OK)
        manifest->version = 0;
    return rc;
}

void manifest_register_name(const struct manifest *manifest, char *name)
{
    silt_assert(register_name(manifest->folder, name, NULL) == SILT_OK); /* it was read under that name */
}

void manifest_file_name(const struct manifest *manifest, uint64_t file_id, char *name)
{
    int len = snprintf(name, VFS_NAME_BYTES_MAX, "%s/%016llx.tsm", manifest->folder, (unsigned long long)file_id);
    silt_assert(len < VFS_NAME_BYTES_MAX);
}

void manifest_tombstone_name(const struct manifest *manifest, uint64_t tombstone_id, char *name)
{
    int len = snprintf(name, VFS_NAME_BYTES_MAX, "%s/%016llx.tomb", manifest->folder, (unsigned long long)tombstone_id);
    silt_assert(len < VFS_NAME_BYTES_MAX);
}

/* ---------------------------------------------------------------- sweeping */

struct sweep {
    const struct manifest *manifest;
    char (*names)[VFS_NAME_BYTES_MAX];
    size_t count, capacity;
};

static bool is_known(const struct manifest *manifest, const char *path)
{
    char name[VFS_NAME_BYTES_MAX];
    for (size_t i = 0; i < manifest->file_count; i++) {
        manifest_file_name(manifest, manifest->files[i].file_id, name);
        if (strcmp(name, path) == 0)
            return true;
    }
    if (manifest->tombstone_id) {
        manifest_tombstone_name(manifest, manifest->tombstone_id, name);
        return strcmp(name, path) == 0;
    }
    return false;
}

static void note_orphan(void *arg, const char *name)
{
    struct sweep *sweep = arg;
    char path[VFS_NAME_BYTES_MAX];
    if (!is_of_shard(name) || snprintf(path, sizeof(path), "%s/%s", sweep->manifest->folder, name) >= (int)sizeof(path) ||
        is_known(sweep->manifest, path))
        return;
    if (sweep->count == sweep->capacity) {
        sweep->capacity = sweep->capacity ? sweep->capacity * 2 : 8;
        sweep->names = silt_realloc(sweep->names, sweep->capacity * sizeof(*sweep->names));
    }
    memcpy(sweep->names[sweep->count++], path, sizeof(path));
}

enum silt_status manifest_sweep(struct manifest *manifest, size_t *removed, struct silt_error *err)
{
    struct sweep sweep = {.manifest = manifest};
    enum silt_status rc = manifest->vfs->ops->list(manifest->vfs, manifest->folder, note_orphan, &sweep, err);
    if (rc == SILT_NOT_FOUND)
        rc = SILT_OK;
    for (size_t i = 0; rc == SILT_OK && i < sweep.count; i++)
        rc = vfs_blob_discard(manifest->vfs, sweep.names[i], err); /* a merge's may be large, and a start waits for this */
    if (removed)
        *removed = sweep.count;
    free(sweep.names);
    return rc;
}
