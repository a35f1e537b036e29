/*
 * test_backup.c - a backup's lists, and archives in pieces of any length.
 */
#include "server/tar.h"
#include "shell/untar.h"
#include "silt/backup_list.h"
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

static struct silt_str text(const char *p)
{
    return silt_str_from(p);
}

START_TEST(lists)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_backup_list list;
    struct silt_error err;
    ck_assert_int_eq(silt_backup_read_files(text("silt backup 1 00000000000000ff\nregister 5 shards/7/MANIFEST\nblob 18446744073709551600 a.b had\n"
                                                 "catalog 0 meta.sqlite"), arena, &list, &err), SILT_OK);
    ck_assert_uint_eq(list.count, 3);
    ck_assert_uint_eq(list.store_id, 255);
    ck_assert_str_eq(list.files[0].name.p, "a.b");
    ck_assert(list.files[0].had && !list.files[1].had);
    ck_assert_uint_eq(list.files[0].bytes, 18446744073709551600u);
    ck_assert_int_eq(list.files[1].kind, SILT_BACKUP_CATALOG);
    const char *sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct silt_str sums = silt_arena_printf(arena, "%s  meta.sqlite\n%s  not/there\n", sum, sum);
    ck_assert_int_eq(silt_backup_read_sums(sums, &list, &err), SILT_OK);
    ck_assert_str_eq(silt_backup_find(&list, text("meta.sqlite"))->sum, sum);
    ck_assert_str_eq(list.files[0].sum, "");
    ck_assert_ptr_null(silt_backup_find(&list, text("not/there")));
    ck_assert_int_eq(silt_backup_read_sums(text("abc  meta.sqlite\n"), &list, &err), SILT_CORRUPT);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(bad_lists)
{
    static const char *const bad[] = {"", "silt backup 1", "silt backup 1 0123456789abcde\n", "silt backup 1 0123456789abcdeg\n", "silt backup 2 x\n", "silt backup 1 0123456789abcdef\nblob 1\n", "silt backup 1 0123456789abcdef\nblob 1 /a\n",
                                      "silt backup 1 0123456789abcdef\nblob 1 a/../b\n", "silt backup 1 0123456789abcdef\nblob 1 ..\n", "silt backup 1 0123456789abcdef\nblob 1 a//b\n",
                                      "silt backup 1 0123456789abcdef\nblob 1 a/\n", "silt backup 1 0123456789abcdef\nblob -1 a\n", "silt backup 1 0123456789abcdef\nblob 1 a b\n",
                                      "silt backup 1 0123456789abcdef\nfile 1 a\n", "silt backup 1 0123456789abcdef\nblob 1 a\n\n", "silt backup 1 0123456789abcdef\nblob 1 a\nblob 2 a\n",
                                      "silt backup 1 0123456789abcdef\nblob 99999999999999999999 a\n"};
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_backup_list list;
    struct silt_error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(silt_backup_read_files(text(bad[i]), arena, &list, &err) == SILT_CORRUPT, "%s", bad[i]);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(digests)
{
    struct silt_digest *digest = silt_digest_create();
    char sum[SILT_DIGEST_TEXT_BYTES];
    silt_digest_end(digest, sum); /* FIPS 180-4's own examples */
    ck_assert_str_eq(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    silt_digest_add(digest, "a", 1);
    silt_digest_add(digest, "bc", 2);
    silt_digest_end(digest, sum);
    ck_assert_str_eq(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    silt_digest_destroy(digest);
}
END_TEST

/* ---------------------------------------------------------------- archives */

struct sink { /* an output that keeps everything */
    struct output base;
    char room[1000];
    struct silt_buffer all;
};

static enum silt_status keep(struct output *output, enum output_flush why)
{
    struct sink *sink = (struct sink *)output;
    silt_buffer_append(&sink->all, sink->room, (size_t)(output->next - output->start));
    output->next = output->start;
    return SILT_OK;
}

struct seen {
    struct silt_buffer text;
    enum silt_status answer;
};

static enum silt_status begin(void *context, struct silt_str name, uint64_t bytes, struct silt_error *err)
{
    struct seen *seen = context;
    silt_buffer_printf(&seen->text, "[%.*s %llu ", SILT_FMT(name), (unsigned long long)bytes);
    return seen->answer;
}

static enum silt_status data(void *context, const char *bytes, size_t len, struct silt_error *err)
{
    silt_buffer_append(&((struct seen *)context)->text, bytes, len);
    return SILT_OK;
}

static enum silt_status end(void *context, struct silt_error *err)
{
    silt_buffer_char(&((struct seen *)context)->text, ']');
    return SILT_OK;
}

static const struct untar_events events = {begin, data, end};

static enum silt_status read_back(struct silt_str archive, size_t piece, struct seen *seen, bool *ended)
{
    struct untar untar = {.events = &events, .context = seen};
    struct silt_error err;
    enum silt_status rc = SILT_OK;
    for (size_t at = 0; rc == SILT_OK && at < archive.len; at += piece)
        rc = untar_feed(&untar, archive.p + at, archive.len - at < piece ? archive.len - at : piece, &err);
    *ended = untar.ended;
    return rc;
}

START_TEST(archives)
{
    static const size_t pieces[] = {1, 7, 511, 512, 513, 5000, 1000000};
    struct sink sink = {.base = {.flush = keep}};
    char block[513];
    struct silt_buffer want = {0};
    bool ended;
    sink.base.start = sink.base.next = sink.room;
    sink.base.end = sink.room + sizeof(sink.room);
    memset(block, 'x', sizeof(block));
    static const size_t lengths[] = {0, 1, 511, 512, 513};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(tar_file(&sink.base, "shards/1/f", (struct silt_str){block, lengths[i]}, 1600000000), SILT_OK);
        silt_buffer_printf(&want, "[shards/1/f %zu %.*s]", lengths[i], (int)lengths[i], block);
    }
    size_t before_end = sink.all.len + (size_t)(sink.base.next - sink.base.start);
    ck_assert_int_eq(tar_end(&sink.base), SILT_OK);
    sink.base.flush(&sink.base, OUTPUT_LAST);
    silt_buffer_char(&want, '\0');
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct seen seen = {0};
        ck_assert_int_eq(read_back((struct silt_str){sink.all.p, sink.all.len}, pieces[i], &seen, &ended), SILT_OK);
        ck_assert(ended);
        silt_buffer_char(&seen.text, '\0');
        ck_assert_str_eq(seen.text.p, want.p);
        silt_buffer_free(&seen.text);
        struct seen part = {0};
        ck_assert_int_eq(read_back((struct silt_str){sink.all.p, before_end - 1}, pieces[i], &part, &ended), SILT_OK);
        ck_assert(!ended);
        silt_buffer_free(&part.text);
    }
    struct seen refused = {.answer = SILT_IO};
    ck_assert_int_eq(read_back((struct silt_str){sink.all.p, sink.all.len}, 100, &refused, &ended), SILT_IO);
    silt_buffer_free(&refused.text);
    sink.all.p[3] ^= 1; /* of the first header */
    struct seen damaged = {0};
    ck_assert_int_eq(read_back((struct silt_str){sink.all.p, sink.all.len}, 100, &damaged, &ended), SILT_CORRUPT);
    silt_buffer_free(&damaged.text);
    silt_buffer_free(&sink.all);
    silt_buffer_free(&want);
}
END_TEST

START_TEST(large_files)
{
    struct sink sink = {.base = {.flush = keep}};
    struct seen seen = {0};
    bool ended;
    sink.base.start = sink.base.next = sink.room;
    sink.base.end = sink.room + sizeof(sink.room);
    ck_assert_int_eq(tar_begin_file(&sink.base, "f", (uint64_t)5 << 40, 0), SILT_OK);
    sink.base.flush(&sink.base, OUTPUT_LAST);
    ck_assert_int_eq(read_back((struct silt_str){sink.all.p, sink.all.len}, 512, &seen, &ended), SILT_OK);
    silt_buffer_char(&seen.text, '\0');
    ck_assert_str_eq(seen.text.p, "[f 5497558138880 ");
    silt_buffer_free(&seen.text);
    silt_buffer_free(&sink.all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backup");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, lists);
    tcase_add_test(tcase, bad_lists);
    tcase_add_test(tcase, digests);
    tcase_add_test(tcase, archives);
    tcase_add_test(tcase, large_files);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
