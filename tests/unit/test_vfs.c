/*
 * test_vfs.c - what every backend of the file layer must do; run on the local directory and on the one with faults.
 */
#include "storage/vfs.h"
#include "tests/fault_vfs.h"
#include "tests/run_suite.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static struct vfs *vfs;
static struct silt_error err;

static void set_up_posix(void)
{
    snprintf(folder, sizeof(folder), "/tmp/silt-vfs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_msg(vfs_posix_open(folder, &vfs, &err) == SILT_OK, "%s", err.text);
}

static void tear_down_posix(void)
{
    char lock[80];
    ck_assert_int_eq(vfs->ops->remove_folder(vfs, "a", &err), SILT_OK);
    vfs_close(vfs);
    snprintf(lock, sizeof(lock), "%s/LOCK", folder);
    unlink(lock);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void set_up_fault(void)
{
    vfs = fault_vfs_create(1);
}

static void tear_down_fault(void)
{
    fault_vfs_destroy(vfs);
}

static unsigned listed;

static void count_name(void *arg, const char *name)
{
    ck_assert_str_eq(name, arg);
    listed++;
}

START_TEST(blobs_are_whole_or_absent)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob;
    size_t len = 700000;
    unsigned char *bytes = malloc(len), *back = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    ck_assert_int_eq(vfs_blob_create(vfs, "a/b/x.tsm", &writer, &err), SILT_OK);
    for (size_t at = 0; at < len; at += 70000)
        ck_assert_int_eq(vfs_blob_append(writer, bytes + at, 70000, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/b/x.tsm", &blob, &err), SILT_NOT_FOUND);
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/b/x.tsm", &blob, &err), SILT_OK);
    ck_assert_uint_eq(vfs_blob_bytes(blob), len);
    ck_assert_int_eq(vfs_blob_read(blob, 12345, back, 600000, &err), SILT_OK);
    ck_assert_int_eq(memcmp(back, bytes + 12345, 600000), 0);
    ck_assert_int_eq(vfs_blob_read(blob, len - 10, back, 11, &err), SILT_CORRUPT);
    ck_assert_int_eq(vfs_blob_read(blob, UINT64_MAX, back, 2, &err), SILT_CORRUPT);
    const _Atomic uint32_t *faults;
    const void *map = vfs_blob_map(blob, &faults);
    for (int i = 0; i < 2; i++) { /* hints change nothing that is seen, wherever they point */
        if (map)
            ck_assert_int_eq(memcmp(map, bytes, len), 0);
        vfs_blob_scattered(blob, 100000, 300000);
        vfs_blob_soon(blob, 123456, 7890);
        vfs_blob_soon(blob, len - 10, UINT64_MAX);
        vfs_blob_soon(blob, UINT64_MAX, 1);
    }
    /* Removed, but who has it open reads on. */
    ck_assert_int_eq(vfs_blob_remove(vfs, "a/b/x.tsm", &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_read(blob, 0, back, 1000, &err), SILT_OK);
    vfs_blob_close(blob);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/b/x.tsm", &blob, &err), SILT_NOT_FOUND);
    ck_assert_int_eq(vfs_blob_remove(vfs, "a/b/x.tsm", &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_create(vfs, "a/b/y.tsm", &writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_append(writer, bytes, 10, &err), SILT_OK);
    vfs_blob_abort(writer);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/b/y.tsm", &blob, &err), SILT_NOT_FOUND);
    free(bytes);
    free(back);
}
END_TEST

/* Whether its bytes are in the page cache, in part, or not at all; wherever a read begins and ends. */
START_TEST(blobs_read_once)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob, *once;
    const size_t len = 300001, room = 1 << 20;
    char *bytes = malloc(len), *back = aligned_alloc(4096, room), path[128];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 >> 3);
    ck_assert_int_eq(vfs_blob_create(vfs, "a/once.tsm", &writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_append(writer, bytes, len, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    for (int cached = 0; cached < 3; cached++) {
        ck_assert_int_eq(vfs_blob_open(vfs, "a/once.tsm", &blob, &err), SILT_OK);
        snprintf(path, sizeof(path), "%s/a/once.tsm", folder);
        int fd = open(path, O_RDONLY);
        if (cached == 2)
            ck_assert_int_eq(vfs_blob_read(blob, 0, back, len, &err), SILT_OK);
        else
            ck_assert_int_eq(posix_fadvise(fd, cached ? 100000 : 0, 0, POSIX_FADV_DONTNEED), 0);
        close(fd);
        once = vfs_blob_once(blob);
        if (once) { /* not every file system can */
            static const size_t reads[][2] = {{0, 300001}, {0, 131072}, {131072, 168929}, {4096, 4096}, {1, 8192}, {8192, 5000}, {294912, 5089}, {300000, 1}};
            for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
                memset(back, 0xee, room);
                ck_assert_int_eq(vfs_blob_read(once, reads[i][0], back + i % 2 * 512, reads[i][1], &err), SILT_OK);
                ck_assert_int_eq(memcmp(back + i % 2 * 512, bytes + reads[i][0], reads[i][1]), 0);
                ck_assert_int_eq(vfs_blob_read(once, reads[i][0], back, reads[i][1], &err), SILT_OK);
                ck_assert_int_eq(memcmp(back, bytes + reads[i][0], reads[i][1]), 0);
            }
            ck_assert_int_eq(vfs_blob_read(once, len - 10, back, 11, &err), SILT_CORRUPT);
        }
        vfs_blob_close(once);
        vfs_blob_close(blob);
    }
    free(bytes);
    free(back);
}
END_TEST

/* Small and large: the name is gone at once; the rest of large ones may still be coming off when the store closes. */
START_TEST(discarded_blobs_are_gone)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob;
    size_t len = 1 << 20;
    char name[32];
    char *bytes = calloc(1, len);
    for (unsigned size = 1; size <= 41; size += 20) {
        snprintf(name, sizeof(name), "a/%u.tsm", size);
        ck_assert_int_eq(vfs_blob_create(vfs, name, &writer, &err), SILT_OK);
        for (unsigned i = 0; i < size; i++)
            ck_assert_int_eq(vfs_blob_append(writer, bytes, len, &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_discard(vfs, name, &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_open(vfs, name, &blob, &err), SILT_NOT_FOUND);
        ck_assert_int_eq(vfs_blob_discard(vfs, name, &err), SILT_OK);
    }
    free(bytes);
}
END_TEST

/* It goes to disk in pieces on its way; appends end anywhere. */
START_TEST(large_blobs_are_whole)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob;
    size_t len = ((size_t)25 << 20) + 123, step = 1;
    unsigned char *bytes = malloc(len), *back = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    ck_assert_int_eq(vfs_blob_create(vfs, "a/large", &writer, &err), SILT_OK);
    for (size_t at = 0; at < len; at += step) {
        step = at * 7 % ((size_t)9 << 20) + 1; /* up to more than a piece */
        step = step < len - at ? step : len - at;
        ck_assert_int_eq(vfs_blob_append(writer, bytes + at, step, &err), SILT_OK);
    }
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/large", &blob, &err), SILT_OK);
    ck_assert_uint_eq(vfs_blob_bytes(blob), len);
    ck_assert_int_eq(vfs_blob_read(blob, 0, back, len, &err), SILT_OK);
    ck_assert_int_eq(memcmp(back, bytes, len), 0);
    vfs_blob_close(blob);
    free(back);
    free(bytes);
}
END_TEST

START_TEST(empty_blobs_exist)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob;
    ck_assert_int_eq(vfs_blob_create(vfs, "a/empty", &writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/empty", &blob, &err), SILT_OK);
    ck_assert_uint_eq(vfs_blob_bytes(blob), 0);
    vfs_blob_close(blob);
}
END_TEST

START_TEST(segments_keep_what_is_written)
{
    struct vfs_segment *segment;
    unsigned char bytes[3000], back[4096];
    size_t got;
    memset(bytes, 7, sizeof(bytes));
    ck_assert_int_eq(vfs_segment_create(vfs, "a/1.wal", 4096, NULL, &segment, &err), SILT_OK);
    ck_assert_uint_eq(vfs_segment_bytes(segment), 4096);
    ck_assert_int_eq(vfs_segment_write(segment, 100, bytes, sizeof(bytes), &err), SILT_OK);
    ck_assert_int_eq(vfs_segment_sync(segment, &err), SILT_OK);
    vfs_segment_close(segment);
    ck_assert_int_eq(vfs_segment_create(vfs, "a/1.wal", 4096, NULL, &segment, &err), SILT_CONFLICT);
    ck_assert_int_eq(vfs_segment_open(vfs, "a/1.wal", &segment, &err), SILT_OK);
    ck_assert_int_eq(vfs_segment_read(segment, 0, back, sizeof(back), &got, &err), SILT_OK);
    ck_assert_uint_eq(got, 4096);
    ck_assert_uint_eq(back[99], 0);
    ck_assert_int_eq(memcmp(back + 100, bytes, sizeof(bytes)), 0);
    ck_assert_uint_eq(back[3100], 0);
    ck_assert_int_eq(vfs_segment_read(segment, 4000, back, sizeof(back), &got, &err), SILT_OK);
    ck_assert_uint_eq(got, 96);
    vfs_segment_close(segment);
    /* Recycled: the old name is gone, the room has the right size. */
    ck_assert_int_eq(vfs_segment_create(vfs, "a/2.wal", 4096, "a/1.wal", &segment, &err), SILT_OK);
    ck_assert_uint_eq(vfs_segment_bytes(segment), 4096);
    vfs_segment_close(segment);
    ck_assert_int_eq(vfs_segment_open(vfs, "a/1.wal", &segment, &err), SILT_NOT_FOUND);
    listed = 0;
    ck_assert_int_eq(vfs->ops->list(vfs, "a", count_name, "2.wal", &err), SILT_OK);
    ck_assert_uint_eq(listed, 1);
    ck_assert_int_eq(vfs_segment_remove(vfs, "a/2.wal", &err), SILT_OK);
    ck_assert_int_eq(vfs_segment_remove(vfs, "a/2.wal", &err), SILT_OK);
    ck_assert_int_eq(vfs_segment_open(vfs, "a/2.wal", &segment, &err), SILT_NOT_FOUND);
}
END_TEST

START_TEST(registers_change_by_compare_and_swap)
{
    void *bytes;
    size_t len;
    uint64_t version;
    ck_assert_int_eq(vfs->ops->register_read(vfs, "a/M", &bytes, &len, &version, &err), SILT_NOT_FOUND);
    ck_assert_uint_eq(version, 0);
    ck_assert_int_eq(vfs->ops->register_swap(vfs, "a/M", 1, "x", 1, &err), SILT_CONFLICT);
    ck_assert_int_eq(vfs->ops->register_swap(vfs, "a/M", 0, "one", 3, &err), SILT_OK);
    ck_assert_int_eq(vfs->ops->register_swap(vfs, "a/M", 0, "two", 3, &err), SILT_CONFLICT);
    ck_assert_int_eq(vfs->ops->register_swap(vfs, "a/M", 1, "", 0, &err), SILT_OK);
    ck_assert_int_eq(vfs->ops->register_read(vfs, "a/M", &bytes, &len, &version, &err), SILT_OK);
    ck_assert_uint_eq(version, 2);
    ck_assert_uint_eq(len, 0);
    free(bytes);
    ck_assert_int_eq(vfs->ops->register_swap(vfs, "a/M", 2, "three", 5, &err), SILT_OK);
    ck_assert_int_eq(vfs->ops->register_read(vfs, "a/M", &bytes, &len, &version, &err), SILT_OK);
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(memcmp(bytes, "three", 5), 0);
    free(bytes);
    ck_assert_int_eq(vfs->ops->register_remove(vfs, "a/M", &err), SILT_OK);
    ck_assert_int_eq(vfs->ops->register_read(vfs, "a/M", &bytes, &len, &version, &err), SILT_NOT_FOUND);
}
END_TEST

START_TEST(folders_are_removed_with_all_in_them)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob;
    ck_assert_int_eq(vfs_blob_create(vfs, "a/c/d/x", &writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    ck_assert_int_eq(vfs->ops->register_swap(vfs, "a/c/M", 0, "x", 1, &err), SILT_OK);
    ck_assert_int_eq(vfs->ops->remove_folder(vfs, "a/c", &err), SILT_OK);
    ck_assert_int_eq(vfs->ops->remove_folder(vfs, "a/c", &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/c/d/x", &blob, &err), SILT_NOT_FOUND);
    ck_assert_int_eq(vfs->ops->list(vfs, "a/c", count_name, "", &err), SILT_NOT_FOUND);
}
END_TEST

static void put_file(const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

static bool has_file(const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

START_TEST(what_an_earlier_run_left_unfinished_is_removed)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob;
    ck_assert_int_eq(vfs_blob_create(vfs, "a/new.tsm", &writer, &err), SILT_OK);
    put_file("a/old.tsm.tmp");
    put_file("a/MANIFEST.tmp");
    listed = 0;
    ck_assert_int_eq(vfs->ops->list(vfs, "a", count_name, "", &err), SILT_OK);
    ck_assert_uint_eq(listed, 0);
    ck_assert(!has_file("a/old.tsm.tmp"));
    ck_assert(!has_file("a/MANIFEST.tmp"));
    /* But not what this one is writing. */
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/new.tsm", &blob, &err), SILT_OK);
    vfs_blob_close(blob);
}
END_TEST

START_TEST(a_recycled_segment_has_the_size_asked_for)
{
    struct vfs_segment *segment;
    ck_assert_int_eq(vfs_segment_create(vfs, "a/1.wal", 12288, NULL, &segment, &err), SILT_OK);
    vfs_segment_close(segment);
    ck_assert_int_eq(vfs_segment_create(vfs, "a/2.wal", 4096, "a/1.wal", &segment, &err), SILT_OK);
    vfs_segment_close(segment);
    ck_assert_int_eq(vfs_segment_open(vfs, "a/2.wal", &segment, &err), SILT_OK);
    ck_assert_uint_eq(vfs_segment_bytes(segment), 4096);
    vfs_segment_close(segment);
    /* One that is gone is as good as none. */
    ck_assert_int_eq(vfs_segment_create(vfs, "a/3.wal", 4096, "a/1.wal", &segment, &err), SILT_OK);
    vfs_segment_close(segment);
}
END_TEST

START_TEST(a_directory_is_made_with_those_above_it)
{
    struct vfs *second;
    char path[160];
    snprintf(path, sizeof(path), "%s/a//b/c/", folder);
    ck_assert_msg(vfs_posix_open(path, &second, &err) == SILT_OK, "%s", err.text);
    ck_assert(has_file("a/b/c/LOCK"));
    vfs_close(second);
    put_file("a/file");
    snprintf(path, sizeof(path), "%s/a/file/d", folder);
    ck_assert_int_eq(vfs_posix_open(path, &second, &err), SILT_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "a/file"));
    ck_assert_int_eq(vfs_posix_open("", &second, &err), SILT_INVALID);
}
END_TEST

START_TEST(a_directory_has_one_owner)
{
    struct vfs *second;
    ck_assert_int_eq(vfs_posix_open(folder, &second, &err), SILT_BUSY);
    ck_assert_ptr_nonnull(strstr(err.text, "is in use by process"));
    ck_assert_ptr_nonnull(strstr(err.text, folder));
}
END_TEST

static void add_conformance(TCase *tcase)
{
    tcase_add_test(tcase, blobs_are_whole_or_absent);
    tcase_add_test(tcase, discarded_blobs_are_gone);
    tcase_add_test(tcase, large_blobs_are_whole);
    tcase_add_test(tcase, empty_blobs_exist);
    tcase_add_test(tcase, segments_keep_what_is_written);
    tcase_add_test(tcase, registers_change_by_compare_and_swap);
    tcase_add_test(tcase, folders_are_removed_with_all_in_them);
}

/* The file ends before the page: what a disk's error does, too. */
START_TEST(a_page_that_cannot_be_read_is_told)
{
    struct vfs_blob_writer *writer;
    struct vfs_blob *blob, *whole;
    const _Atomic uint32_t *faults, *others;
    static char bytes[20000], back[20000];
    char path[600];
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(vfs_blob_create(vfs, i ? "a/b" : "a/a", &writer, &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_append(writer, bytes, sizeof(bytes), &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    }
    ck_assert_int_eq(vfs_blob_open(vfs, "a/a", &blob, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_open(vfs, "a/b", &whole, &err), SILT_OK);
    const char *map = vfs_blob_map(blob, &faults), *other = vfs_blob_map(whole, &others);
    ck_assert_ptr_nonnull(map);
    ck_assert_ptr_nonnull(other);
    snprintf(path, sizeof(path), "%s/a/a", folder);
    ck_assert_int_eq(truncate(path, 8192), 0);
    ck_assert_int_eq(vfs_blob_read(blob, 0, back, 8192, &err), SILT_OK);
    ck_assert_uint_eq(atomic_load(faults), 0);
    ck_assert_int_eq(vfs_blob_read(blob, 8000, back, 400, &err), SILT_CORRUPT);
    ck_assert_int_eq(map[8191], 'x');
    ck_assert_uint_eq(atomic_load(faults), 0);
    ck_assert_int_eq(map[8192], 0);
    ck_assert_uint_eq(atomic_load(faults), 1);
    ck_assert_int_eq(map[12288], 0);
    ck_assert_uint_eq(atomic_load(faults), 2);
    ck_assert_int_eq(other[12288], 'x');
    ck_assert_uint_eq(atomic_load(others), 0);
    vfs_blob_close(blob);
    vfs_blob_close(whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vfs");
    TCase *posix = tcase_create("posix"), *fault = tcase_create("fault");
    tcase_set_timeout(posix, 60);
    tcase_set_timeout(fault, 60);
    tcase_add_checked_fixture(posix, set_up_posix, tear_down_posix);
    tcase_add_checked_fixture(fault, set_up_fault, tear_down_fault);
    add_conformance(posix);
    tcase_add_test(posix, blobs_read_once);
    tcase_add_test(posix, a_directory_has_one_owner);
    tcase_add_test(posix, a_directory_is_made_with_those_above_it);
    tcase_add_test(posix, what_an_earlier_run_left_unfinished_is_removed);
    tcase_add_test(posix, a_recycled_segment_has_the_size_asked_for);
    tcase_add_test(posix, a_page_that_cannot_be_read_is_told);
    add_conformance(fault);
    suite_add_tcase(suite, posix);
    suite_add_tcase(suite, fault);
    return run_suite(suite);
}
