/*
 * repair_shard.c - a shard whose manifest or list of tombstones is damaged, and then its files.
 *
 * A manifest is made anew from the folder's files, which know themselves what is in them. What they do not know is which is
 * younger where two have the same points. The damaged manifest mostly still tells: of its entries those are believed
 * that describe a file in four facts of five, in their order. Without it, files count as younger the higher their number.
 * flushed_seq begins at 0: the whole log is replayed into the shard, which repeats what is in the files.
 */
#include "inspect/repair.h"

#include "storage/shard.h"
#include "storage/tombstone.h"
#include "storage/tsm_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Numbers above those of the files that are there may have been given to files that are gone, and no name is used twice. */
#define NUMBERS_PASSED_OVER ((uint64_t)1 << 20)

struct found { /* files of the folder */
    struct repair *repair;
    const char *folder;
    struct manifest_file *files;
    bool *listed; /* in the new manifest */
    size_t count;
    uint64_t next_file_id, tombstone_id;
};

/* ---------------------------------------------------------------- the folder */

static void note_name(void *arg, const char *name)
{
    struct found *found = arg;
    char *end, path[VFS_NAME_BYTES_MAX];
    uint64_t id = strtoull(name, &end, 16);
    struct tsm_file *file;
    struct silt_error ignored;
    if (end != name + 16 || (strcmp(end, ".tsm") != 0 && strcmp(end, ".tomb") != 0))
        return;
    found->next_file_id = id >= found->next_file_id ? id + 1 : found->next_file_id;
    if (strcmp(end, ".tomb") == 0) {
        found->tombstone_id = id > found->tombstone_id ? id : found->tombstone_id;
        return;
    }
    if (snprintf(path, sizeof(path), "%s/%s", found->folder, name) >= (int)sizeof(path))
        return;
    found->files = silt_realloc(found->files, (found->count + 1) * sizeof(*found->files));
    struct manifest_file *facts = &found->files[found->count++];
    *facts = (struct manifest_file){.file_id = id};
    if (tsm_open(found->repair->store.vfs, path, &file, &ignored) != SILT_OK)
        return; /* listed, so that it is told and set aside like any damaged file */
    const struct tsm_summary *summary = tsm_summary(file);
    facts->bytes = summary->bytes;
    facts->rows = summary->rows;
    facts->min = summary->min;
    facts->max = summary->max;
    tsm_close(file);
}

static int by_id(const void *a, const void *b)
{
    const struct manifest_file *x = a, *y = b;
    return x->file_id < y->file_id ? -1 : x->file_id > y->file_id;
}

/* ---------------------------------------------------------------- what is left of the manifest */

static bool is_same(const struct manifest_file *a, const struct manifest_file *b)
{
    return (a->file_id == b->file_id) + (a->bytes == b->bytes) + (a->rows == b->rows) + (a->min == b->min) +
               (a->max == b->max) >= 4;
}

/* The remains' files that are there, with their age, to the front of files[]; returns their number. */
static size_t take_remains(struct found *found, const struct manifest *remains, uint64_t seq_end, struct manifest_file *files)
{
    size_t count = 0;
    for (size_t i = 0; i < remains->file_count; i++)
        for (size_t k = 0; k < found->count; k++) {
            if (found->listed[k] || !is_same(&remains->files[i], &found->files[k]))
                continue;
            found->listed[k] = true;
            files[count] = found->files[k];
            files[count].seq = remains->files[i].seq;
            files[count++].level = remains->files[i].level;
            break;
        }
    /* One flipped bit may be in an age: it has to lie between its neighbours'. */
    for (size_t i = 0; i < count; i++) {
        uint64_t low = i ? files[i - 1].seq : 0, high = i + 1 < count && files[i + 1].seq >= low ? files[i + 1].seq : seq_end;
        high = high < seq_end ? high : seq_end;
        if (files[i].seq < low || files[i].seq > high)
            files[i].seq = i ? low : high;
    }
    return count;
}

/* As a new register beside, then in the old one's place. */
static enum silt_status write_manifest(struct repair *repair, const char *folder, struct found *found,
                                       const struct manifest_edit *edit, struct silt_error *err)
{
    char beside[VFS_NAME_BYTES_MAX], from[VFS_NAME_BYTES_MAX + 16], to[VFS_NAME_BYTES_MAX + 16], path[REPAIR_PATH_BYTES];
    struct manifest manifest;
    snprintf(beside, sizeof(beside), "%.60s/%.100s/rebuilt", repair->quarantine, folder);
    enum silt_status rc = manifest_load(repair->store.vfs, beside, repair->epoch, &manifest, err);
    if (rc != SILT_OK)
        return rc;
    manifest.next_file_id = found->next_file_id + NUMBERS_PASSED_OVER;
    rc = manifest_apply(&manifest, edit, err);
    manifest_deinit(&manifest);
    snprintf(from, sizeof(from), "%s/MANIFEST", beside);
    snprintf(to, sizeof(to), "%s/MANIFEST", folder);
    if (rc == SILT_OK)
        rc = repair_rename(repair, from, to, err);
    if (rc == SILT_OK && (rc = repair_path(repair, beside, path, err)) == SILT_OK)
        rmdir(path); /* empty, and of no use: whether it goes does not matter */
    return rc;
}

static enum silt_status rebuild_manifest(struct repair *repair, const struct catalog_shard *shard, const char *folder,
                                         struct silt_error *err)
{
    struct found found = {.repair = repair, .folder = folder, .next_file_id = 1};
    struct manifest remains = {0};
    char name[VFS_NAME_BYTES_MAX + 16], what[200];
    uint64_t epoch;
    enum silt_status rc = repair->store.vfs->ops->list(repair->store.vfs, folder, note_name, &found, err);
    bool gone = rc == SILT_NOT_FOUND;
    rc = gone ? SILT_OK : rc;
    snprintf(name, sizeof(name), "%s/MANIFEST", folder);
    if (rc == SILT_OK)
        rc = repair_keep(repair, name, err);
    if (rc == SILT_OK)
        rc = repair_epoch(repair, &epoch, err);
    if (rc != SILT_OK) {
        free(found.files);
        return rc;
    }
    bool told = manifest_salvage(repair->store.vfs, folder, &remains);
    if (found.count)
        qsort(found.files, found.count, sizeof(*found.files), by_id);
    found.listed = silt_calloc(found.count + 1, sizeof(*found.listed));
    struct manifest_file *files = silt_calloc(found.count + 1, sizeof(*files));
    size_t count = take_remains(&found, &remains, repair->log_end, files), known = count;
    /* All entries are accounted for: what else lies there is what a crash left, and a start removes it. */
    bool complete = told && count == remains.file_count;
    for (size_t i = 0; i < found.count && !complete; i++)
        if (!found.listed[i]) {
            files[count] = found.files[i];
            files[count++].seq = repair->log_end;
        }
    struct manifest_edit edit = {.add = files, .add_count = count, .set_tombstones = found.tombstone_id != 0,
                                 .tombstone_id = found.tombstone_id};
    rc = write_manifest(repair, folder, &found, &edit, err);
    if (rc == SILT_OK) {
        snprintf(what, sizeof(what), gone ? "made anew, without files: the shard's folder is gone" : "rebuilt from the %zu files in the folder; the age of %zu of them is told by what is left of it",
                 count, known);
        repair_done(repair, name, what);
        repair_print_shard(repair, shard);
        if (gone)
            printf("         all points of this shard that are not in the log are lost\n");
        else if (known < count)
            printf("         where files have the same points, that of the file with the highest number counts now, and points that"
                   " were deleted but not merged away are back\n");
    }
    manifest_deinit(&remains);
    free(found.files);
    free(found.listed);
    free(files);
    return rc;
}

/* ---------------------------------------------------------------- tombstones */

static enum silt_status repair_tombstones(struct repair *repair, const struct catalog_shard *shard, struct manifest *manifest,
                                          struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct silt_error damage;
    struct manifest_edit edit = {.set_tombstones = true};
    if (!manifest->tombstone_id || inspect_tombstones(&repair->store, manifest, &damage) == SILT_OK)
        return SILT_OK;
    manifest_tombstone_name(manifest, manifest->tombstone_id, name);
    enum silt_status rc = repair_epoch(repair, &manifest->epoch, err);
    if (rc == SILT_OK)
        rc = repair_keep(repair, name, err);
    if (rc == SILT_OK)
        rc = manifest_apply(manifest, &edit, err);
    if (rc == SILT_OK)
        rc = vfs_blob_remove(repair->store.vfs, name, err);
    if (rc != SILT_OK)
        return rc;
    repair_done(repair, name, "the list of deletes is damaged and was set aside");
    repair_print_shard(repair, shard);
    printf("         points of this shard that were deleted but not merged away are back\n");
    return SILT_OK;
}

/* ---------------------------------------------------------------- the shard */

void repair_shard(struct repair *repair, const struct catalog_shard *shard)
{
    struct manifest manifest;
    struct silt_error err;
    char folder[VFS_NAME_BYTES_MAX];
    bool gone;
    shard_folder(shard->id, folder);
    enum silt_status rc = inspect_manifest(&repair->store, shard, &manifest, &err);
    if (rc == SILT_CORRUPT) {
        rc = rebuild_manifest(repair, shard, folder, &err);
        if (rc == SILT_OK)
            rc = inspect_manifest(&repair->store, shard, &manifest, &err);
    }
    if (rc != SILT_OK) {
        repair_failed(repair, folder, &err);
        return;
    }
    if (repair_tombstones(repair, shard, &manifest, &err) != SILT_OK)
        repair_failed(repair, folder, &err);
    for (size_t i = 0; i < manifest.file_count; i += gone ? 0 : 1)
        repair_file(repair, shard, &manifest, i, &gone);
    manifest_deinit(&manifest);
}
