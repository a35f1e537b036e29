/*
 * test_manifest.c - edits, order of files, crashes at every operation, damage.
 */
#include "storage/manifest.h"
#include "tests/fault_vfs.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

static struct manifest_file file(uint64_t id)
{
    return (struct manifest_file){.file_id = id, .seq = id * 10, .bytes = id * 1000, .rows = id * 7, .min = -(int64_t)id,
                                  .max = (int64_t)id, .level = (uint32_t)(id % 3)};
}

static void check_files(const struct manifest *manifest, const uint64_t *ids, size_t count)
{
    ck_assert_uint_eq(manifest->file_count, count);
    for (size_t i = 0; i < count; i++) {
        struct manifest_file want = file(ids[i]);
        ck_assert_int_eq(memcmp(&manifest->files[i].file_id, &want.file_id, 8), 0);
        ck_assert_uint_eq(manifest->files[i].seq, want.seq);
        ck_assert_uint_eq(manifest->files[i].rows, want.rows);
        ck_assert_int_eq(manifest->files[i].min, want.min);
        ck_assert_uint_eq(manifest->files[i].level, want.level);
    }
}

static enum silt_status add_file(struct manifest *manifest, uint64_t id, uint64_t flushed_seq, struct silt_error *err)
{
    struct manifest_file added = file(id);
    manifest->next_file_id = id + 1;
    return manifest_apply(manifest, &(struct manifest_edit){.add = &added, .add_count = 1, .flushed_seq = flushed_seq}, err);
}

START_TEST(edits_survive_and_keep_the_order)
{
    struct vfs *vfs = fault_vfs_create(1);
    struct manifest manifest;
    struct silt_error err;
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 4, &manifest, &err), SILT_OK);
    ck_assert_uint_eq(manifest.file_count, 0);
    for (uint64_t id = 1; id <= 6; id++)
        ck_assert_int_eq(add_file(&manifest, id, id * 10, &err), SILT_OK);
    struct manifest_file merged = file(7);
    manifest.next_file_id = 8;
    uint64_t gone[] = {3, 4, 5};
    ck_assert_int_eq(manifest_apply(&manifest, &(struct manifest_edit){.add = &merged, .add_count = 1, .remove = gone,
                                                                       .remove_count = 3, .set_tombstones = true,
                                                                       .tombstone_id = 9}, &err), SILT_OK);
    check_files(&manifest, (uint64_t[]){1, 2, 7, 6}, 4);
    manifest_deinit(&manifest);
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 5, &manifest, &err), SILT_OK);
    check_files(&manifest, (uint64_t[]){1, 2, 7, 6}, 4);
    ck_assert_uint_eq(manifest.flushed_seq, 60);
    ck_assert_uint_eq(manifest.tombstone_id, 9);
    ck_assert_uint_eq(manifest.next_file_id, 8);
    manifest_deinit(&manifest);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(an_earlier_owner_is_fenced_off)
{
    struct vfs *vfs = fault_vfs_create(2);
    struct manifest manifest;
    struct silt_error err;
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 7, &manifest, &err), SILT_OK);
    ck_assert_int_eq(add_file(&manifest, 1, 1, &err), SILT_OK);
    manifest_deinit(&manifest);
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 6, &manifest, &err), SILT_CONFLICT);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(a_crash_at_any_operation_leaves_an_edit_whole_or_absent)
{
    for (uint64_t nth = 1; nth <= 12; nth++) {
        struct vfs *vfs = fault_vfs_create(nth);
        struct manifest manifest;
        struct silt_error err;
        uint64_t applied = 0;
        fault_vfs_crash_at(vfs, nth);
        ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
        for (uint64_t id = 1; id <= 10; id++) {
            if (add_file(&manifest, id, id, &err) != SILT_OK)
                break;
            applied = id;
        }
        ck_assert_uint_eq(manifest.file_count, applied);
        manifest_deinit(&manifest);
        fault_vfs_restart(vfs);
        ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
        ck_assert(manifest.file_count == applied || manifest.file_count == applied + 1);
        ck_assert_uint_eq(manifest.flushed_seq, manifest.file_count);
        manifest_deinit(&manifest);
        fault_vfs_destroy(vfs);
    }
}
END_TEST

START_TEST(every_flipped_bit_is_seen)
{
    struct vfs *vfs = fault_vfs_create(3);
    struct manifest manifest;
    struct silt_error err;
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
    ck_assert_int_eq(add_file(&manifest, 1, 1, &err), SILT_OK);
    ck_assert_int_eq(add_file(&manifest, 2, 2, &err), SILT_OK);
    manifest_deinit(&manifest);
    unsigned flips = 0;
    for (uint64_t offset = 0; fault_vfs_flip(vfs, "shards/1/MANIFEST", offset, 0); offset++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            if (bit) {
                fault_vfs_flip(vfs, "shards/1/MANIFEST", offset, bit - 1);
                fault_vfs_flip(vfs, "shards/1/MANIFEST", offset, bit);
            }
            ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_CORRUPT);
            flips++;
        }
        fault_vfs_flip(vfs, "shards/1/MANIFEST", offset, 7);
    }
    ck_assert_uint_eq(flips, (48 + 2 * 64 + 4) * 8);
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
    manifest_deinit(&manifest);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(a_change_that_failed_is_found_out_about)
{
    unsigned done = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct vfs *vfs = fault_vfs_create(seed);
        struct manifest manifest, on_disk;
        struct silt_error err;
        ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
        ck_assert_int_eq(add_file(&manifest, 1, 10, &err), SILT_OK);
        fault_vfs_fail_at(vfs, 1, SILT_IO);
        ck_assert_int_eq(add_file(&manifest, 2, 20, &err), SILT_IO);
        check_files(&manifest, (uint64_t[]){1}, 1);
        ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &on_disk, &err), SILT_OK);
        done += on_disk.file_count == 2;
        manifest_deinit(&on_disk);
        if (seed & 1)
            ck_assert_int_eq(manifest_settle(&manifest, &err), SILT_OK);
        else
            ck_assert_int_eq(add_file(&manifest, 3, 30, &err), SILT_OK);
        ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &on_disk, &err), SILT_OK);
        check_files(&on_disk, (uint64_t[]){1, 3}, seed & 1 ? 1 : 2);
        manifest_deinit(&on_disk);
        manifest_deinit(&manifest);
        fault_vfs_destroy(vfs);
    }
    ck_assert(done > 0 && done < 40);
}
END_TEST

/* Files alone were once removed as what a crash left. */
START_TEST(a_manifest_that_is_gone_is_damage)
{
    struct vfs *vfs = fault_vfs_create(4);
    struct manifest manifest;
    struct silt_error err;
    struct vfs_blob_writer *writer;
    char name[VFS_NAME_BYTES_MAX];
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
    ck_assert_int_eq(manifest_begin(&manifest, &err), SILT_OK);
    manifest_file_name(&manifest, 1, name);
    ck_assert_int_eq(vfs_blob_create(vfs, name, &writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    manifest_deinit(&manifest);
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
    manifest_deinit(&manifest);
    ck_assert_int_eq(vfs->ops->register_remove(vfs, "shards/1/MANIFEST", &err), SILT_OK);
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "shards/1/MANIFEST: missing"));
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(orphans_are_swept)
{
    struct vfs *vfs = fault_vfs_create(4);
    struct manifest manifest;
    struct silt_error err;
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob;
    char name[VFS_NAME_BYTES_MAX];
    size_t removed;
    ck_assert_int_eq(manifest_load(vfs, "shards/1", 1, &manifest, &err), SILT_OK);
    for (uint64_t id = 1; id <= 3; id++) {
        manifest_file_name(&manifest, id, name);
        ck_assert_int_eq(vfs_blob_create(vfs, name, &writer, &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    }
    ck_assert_int_eq(add_file(&manifest, 2, 1, &err), SILT_OK);
    ck_assert_int_eq(manifest_sweep(&manifest, &removed, &err), SILT_OK);
    ck_assert_uint_eq(removed, 2);
    manifest_file_name(&manifest, 2, name);
    ck_assert_int_eq(vfs_blob_open(vfs, name, &blob, &err), SILT_OK);
    vfs_blob_close(blob);
    manifest_file_name(&manifest, 3, name);
    ck_assert_int_eq(vfs_blob_open(vfs, name, &blob, &err), SILT_NOT_FOUND);
    manifest_deinit(&manifest);
    fault_vfs_destroy(vfs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest");
    TCase *tcase = tcase_create("manifest");
    tcase_add_test(tcase, edits_survive_and_keep_the_order);
    tcase_add_test(tcase, an_earlier_owner_is_fenced_off);
    tcase_add_test(tcase, a_crash_at_any_operation_leaves_an_edit_whole_or_absent);
    tcase_add_test(tcase, every_flipped_bit_is_seen);
    tcase_add_test(tcase, orphans_are_swept);
    tcase_add_test(tcase, a_manifest_that_is_gone_is_damage);
    tcase_add_test(tcase, a_change_that_failed_is_found_out_about);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
