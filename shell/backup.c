/*
 * backup.c - implements backup.h.
 *
 *     latest backup: names it has --POST /backup--> archive --> FOLDER/<time>.part: files, sums taken as they come
 *                                                                 what was left out: linked from the latest
 *                                                              --> FOLDER/<time>
 *
 * A backup that is there is whole: every file has arrived with the sum that the server took, and is on the disk.
 */
#include "shell/backup.h"

#include "shell/backup_folder.h"
#include "shell/file_writer.h"
#include "shell/json_answer.h"
#include "shell/progress.h"
#include "shell/untar.h"
#include "shell/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PATH_BYTES 4096

struct backup {
    struct session *session;
    const char *folder;
    char latest[BACKUP_STAMP_BYTES], latest_path[PATH_BYTES], part_path[PATH_BYTES], path[PATH_BYTES];
    struct silt_arena *arena;
    struct silt_backup_list before; /* of the latest */
    struct silt_backup_list list;   /* of this one; its sums are the server's */
    bool listed, summed;
    struct untar untar;
    struct silt_error failure; /* of untar; SILT_OK: none */

    /* the file that is being read */
    enum { FILE_OF_STORE, FILE_LIST, FILE_SUMS } what;
    struct silt_backup_file *file;
    struct file_writer *writer;
    struct silt_buffer text; /* of a list */
    struct silt_digest *digest;

    struct silt_buffer answer; /* the start of a body that is none, for its error */
    struct silt_buffer sums;   /* of all, as they were taken here */
    uint64_t bytes_due, bytes_got;
    size_t files_got, files_linked;
    struct progress progress;
};

/* ---------------------------------------------------------------- the archive, file by file */

static enum silt_status begin_file(void *context, struct silt_str name, uint64_t bytes, struct silt_error *err)
{
    struct backup *b = context;

    b->text.len = 0;
    b->what = FILE_OF_STORE;
    if (!b->listed) {
        b->what = FILE_LIST;
        return silt_str_equal(name, SILT_STR(SILT_BACKUP_FILES)) ? SILT_OK : silt_fail(err, SILT_CORRUPT, "the answer is no backup");
    }
    if (silt_str_equal(name, SILT_STR(SILT_BACKUP_SUMS))) {
        b->what = FILE_SUMS;
        return SILT_OK;
    }
    b->file = silt_backup_find(&b->list, name);
    if (!b->file || b->file->had || b->file->bytes != bytes)
        return silt_fail(err, SILT_CORRUPT, "the answer has %.*s, which is not in its list", SILT_FMT(name));
    int fd = backup_folder_create(b->part_path, b->file->name.p, err);
    if (fd < 0)
        return err->status;
    file_writer_begin(b->writer, fd);
    return SILT_OK;
}

static enum silt_status take_bytes(void *context, const char *bytes, size_t len, struct silt_error *err)
{
    struct backup *b = context;

    if (b->what != FILE_OF_STORE) {
        silt_buffer_append(&b->text, bytes, len);
        return SILT_OK;
    }
    silt_digest_add(b->digest, bytes, len);
    b->bytes_got += len;
    int failed = file_writer_add(b->writer, bytes, len);
    return failed ? silt_fail_errno(err, failed, "cannot write %s/%s", b->part_path, b->file->name.p) : SILT_OK;
}

static enum silt_status end_store_file(struct backup *b, struct silt_error *err)
{
    char sum[SILT_DIGEST_TEXT_BYTES];
    int failed = file_writer_end(b->writer);

    if (failed)
        return silt_fail_errno(err, failed, "cannot write %s/%s", b->part_path, b->file->name.p);
    silt_digest_end(b->digest, sum);
    silt_buffer_printf(&b->sums, "%s  %s\n", sum, b->file->name.p);
    b->files_got++;
    return SILT_OK;
}

static enum silt_status end_file(void *context, struct silt_error *err)
{
    struct backup *b = context;
    struct silt_str text = {b->text.p, b->text.len};
    enum silt_status rc;

    switch (b->what) {
    case FILE_LIST:
        b->listed = true;
        rc = silt_backup_read_files(text, b->arena, &b->list, err);
        for (size_t i = 0; rc == SILT_OK && i < b->list.count; i++)
            b->bytes_due += b->list.files[i].had ? 0 : b->list.files[i].bytes;
        return rc;
    case FILE_SUMS:
        b->summed = true;
        return silt_backup_read_sums(text, &b->list, err);
    case FILE_OF_STORE:
        break;
    }
    return end_store_file(b, err);
}

static const struct untar_events events = {begin_file, take_bytes, end_file};

static bool take_answer(void *context, const char *bytes, size_t len)
{
    struct backup *b = context;

    if (b->answer.len < 4096)
        silt_buffer_append(&b->answer, bytes, len < 4096 ? len : 4096);
    if (b->answer.len && b->answer.p[0] == '{') /* an error; the status says so, too */
        return true;
    return untar_feed(&b->untar, bytes, len, &b->failure) == SILT_OK;
}

static void tick(void *context, double seconds)
{
    struct backup *b = context;

    progress_draw(&b->progress, "backup, MB:", b->bytes_due ? (double)b->bytes_got / (double)b->bytes_due : -1, b->bytes_got / 1000000);
}

/* ---------------------------------------------------------------- before and after */

/* What the latest has need not be sent. A backup that cannot be read is no help, and no hindrance. */
static void read_latest(struct backup *b)
{
    struct silt_buffer files = {0}, sums = {0};
    struct silt_error err;

    if (*b->latest &&
        (backup_folder_read(b->folder, b->latest, SILT_BACKUP_FILES, &files, &err) != SILT_OK ||
         backup_folder_read(b->folder, b->latest, SILT_BACKUP_SUMS, &sums, &err) != SILT_OK ||
         silt_backup_read_files(words_view(&files), b->arena, &b->before, &err) != SILT_OK ||
         silt_backup_read_sums(words_view(&sums), &b->before, &err) != SILT_OK)) {
        fprintf(stderr, "the latest backup, %s, is of no use for this one: %s\n", b->latest, err.text);
        b->before = (struct silt_backup_list){0};
    }
    silt_buffer_free(&files);
    silt_buffer_free(&sums);
}

static void list_had(const struct backup *b, struct silt_buffer *out)
{
    char store[SILT_BACKUP_STORE_BYTES];

    silt_backup_store_text(b->before.store_id, store);
    if (b->before.count)
        silt_buffer_printf(out, "%s\n", store);
    for (size_t i = 0; i < b->before.count; i++)
        if (b->before.files[i].kind == SILT_BACKUP_BLOB && *b->before.files[i].sum)
            silt_buffer_printf(out, "%s\n", b->before.files[i].name.p);
}

static enum silt_status link_had(struct backup *b, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < b->list.count; i++) {
        const struct silt_backup_file *file = &b->list.files[i], *old = silt_backup_find(&b->before, file->name);
        if (!file->had)
            continue;
        if (!old || old->bytes != file->bytes)
            return silt_fail(err, SILT_CORRUPT, "the server left %s out, which is not here", file->name.p);
        rc = backup_folder_link(b->latest_path, b->part_path, file->name.p, err);
        silt_buffer_printf(&b->sums, "%s  %s\n", old->sum, file->name.p);
        b->files_linked++;
    }
    return rc;
}

static enum silt_status put_text(struct backup *b, const char *name, const struct silt_buffer *text, struct silt_error *err)
{
    int fd = backup_folder_create(b->part_path, name, err);

    if (fd < 0)
        return err->status;
    file_writer_begin(b->writer, fd);
    int failed = file_writer_add(b->writer, text->p, text->len), at_end = file_writer_end(b->writer);
    failed = failed ? failed : at_end;
    return failed ? silt_fail_errno(err, failed, "cannot write %s/%s", b->part_path, name) : SILT_OK;
}

/* The list again, whole: what was left out of the archive is in the backup. */
static enum silt_status put_lists(struct backup *b, struct silt_error *err)
{
    struct silt_buffer text = {0};

    silt_backup_put_head(&text, b->list.store_id);
    for (size_t i = 0; i < b->list.count; i++)
        silt_backup_put_file(&text, b->list.files[i].kind, b->list.files[i].bytes, b->list.files[i].name.p, false);
    enum silt_status rc = put_text(b, SILT_BACKUP_FILES, &text, err);
    silt_buffer_free(&text);
    return rc == SILT_OK ? put_text(b, SILT_BACKUP_SUMS, &b->sums, err) : rc;
}

/* What arrived is what was sent, and all of it. */
static enum silt_status compare_sums(struct backup *b, struct silt_error *err)
{
    struct silt_backup_list taken = {.files = silt_arena_alloc(b->arena, (b->list.count + 1) * sizeof(*taken.files)), .count = b->list.count};

    for (size_t i = 0; i < taken.count; i++) {
        taken.files[i] = b->list.files[i];
        taken.files[i].sum[0] = '\0';
    }
    enum silt_status rc = silt_backup_read_sums((struct silt_str){b->sums.p, b->sums.len}, &taken, err);
    for (size_t i = 0; rc == SILT_OK && i < taken.count; i++)
        if (!*taken.files[i].sum || (!taken.files[i].had && strcmp(taken.files[i].sum, b->list.files[i].sum) != 0))
            rc = silt_fail(err, SILT_CORRUPT, "%s did not arrive as it was sent", taken.files[i].name.p);
    return rc;
}

/* ---------------------------------------------------------------- the run */

static enum silt_status ask_server(struct backup *b, struct silt_error *err)
{
    struct silt_buffer had = {0};
    struct client_reply reply;

    list_had(b, &had);
    struct client_request request = {.method = "POST",
                                     .path = "/backup",
                                     .body_type = "text/plain",
                                     .body = {had.p ? had.p : "", had.len},
                                     .data = take_answer,
                                     .tick = tick,
                                     .context = b};
    enum silt_status rc = client_send(b->session->client, &request, &reply, err);
    silt_buffer_free(&had);
    progress_clear(&b->progress);
    if (b->failure.status != SILT_OK) {
        *err = b->failure;
        return err->status;
    }
    if (rc != SILT_OK)
        return rc;
    if (reply.status != 200) {
        struct silt_buffer why = {0};
        answer_error(&why, &b->answer);
        silt_fail(err, SILT_INVALID, "the server says %ld: %.*s", reply.status, SILT_FMT(words_view(&why)));
        silt_buffer_free(&why);
        return err->status;
    }
    return b->summed && b->untar.ended ? SILT_OK : silt_fail(err, SILT_CORRUPT, "the answer ends early");
}

static enum silt_status set_paths(struct backup *b, struct silt_error *err)
{
    char stamp[BACKUP_STAMP_BYTES];
    time_t now = time(NULL);
    struct tm parts;

    gmtime_r(&now, &parts);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &parts);
    if (strcmp(stamp, b->latest) <= 0)
        return silt_fail(err, SILT_CONFLICT, "there is a backup of %s already: wait a second, or look at the clock", b->latest);
    if ((size_t)snprintf(b->latest_path, PATH_BYTES, "%s/%s", b->folder, b->latest) >= PATH_BYTES ||
        (size_t)snprintf(b->path, PATH_BYTES, "%s/%s", b->folder, stamp) >= PATH_BYTES ||
        (size_t)snprintf(b->part_path, PATH_BYTES, "%s/%s.part", b->folder, stamp) >= PATH_BYTES)
        return silt_fail(err, SILT_INVALID, "the path is too long: %s", b->folder);
    return SILT_OK;
}

static enum silt_status make_backup(struct backup *b, struct silt_error *err)
{
    enum silt_status rc = backup_folder_prepare(b->folder, b->latest, err);

    if (rc == SILT_OK)
        rc = set_paths(b, err);
    if (rc != SILT_OK)
        return rc;
    read_latest(b);
    if ((rc = ask_server(b, err)) == SILT_OK && (rc = link_had(b, err)) == SILT_OK && (rc = compare_sums(b, err)) == SILT_OK &&
        (rc = put_lists(b, err)) == SILT_OK)
        rc = backup_folder_finish(b->part_path, b->path, err);
    return rc;
}

static bool parse_keep(const char *text, size_t *out)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    *out = number;
    return *text >= '1' && *text <= '9' && *end == '\0';
}

int backup_run(struct session *session, const struct options *options, const char *folder)
{
    struct backup b = {.session = session, .folder = folder};
    struct silt_error err = {0};
    size_t keep = 0, removed = 0;

    if (*options->keep && !parse_keep(options->keep, &keep)) {
        fprintf(stderr, "-keep needs a number of backups, from 1 on, not \"%s\"\n", options->keep);
        return 1;
    }
    b.arena = silt_arena_create(NULL);
    b.digest = silt_digest_create();
    b.writer = file_writer_create();
    b.untar = (struct untar){.events = &events, .context = &b};
    progress_begin(&b.progress, stderr);
    enum silt_status rc = make_backup(&b, &err);
    if (rc == SILT_OK) {
        double seconds = progress_seconds(&b.progress);
        printf("%s: %zu files, %.1f MB in %.1f s; %zu files as before\n", b.path, b.files_got, (double)b.bytes_got / 1e6, seconds,
               b.files_linked);
        if (keep)
            rc = backup_folder_trim(folder, keep, &removed, &err);
        if (removed)
            printf("%zu older backups removed\n", removed);
    }
    if (rc != SILT_OK)
        fprintf(stderr, "no backup: %s\n", err.text);
    silt_buffer_free(&b.text);
    silt_buffer_free(&b.answer);
    silt_buffer_free(&b.sums);
    file_writer_destroy(b.writer);
    silt_digest_destroy(b.digest);
    silt_arena_destroy(b.arena);
    return rc == SILT_OK ? 0 : 1;
}
