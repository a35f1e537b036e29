/*
 * handle_backup.c - POST /backup: the whole store as an archive, while it goes on. For admins.
 *
 *     request    empty, or the store's number and the names of blobs of it that the client has, a line each
 *     answer     tar:  backup.files    "silt backup 1" and the store's number; a line a file: kind, bytes, name, and "had" where
 *                                      it is left out
 *                      the files
 *                      backup.sums     SHA-256 of those that were sent, as sha256sum writes and checks them
 *
 *     silt backup 1 5f0c3b2a99d01e47
 *     blob 1048576 shards/7/000000000000000c.tsm had
 *     register 240 shards/7/MANIFEST
 *     catalog 65536 meta.sqlite
 *
 * An archive without backup.sums is none: something went wrong on the way, and the connection was broken off. Back again:
 * silt-inspect restore.
 */
#include "server/authorize.h"
#include "server/backup_reader.h"
#include "server/query_job.h"
#include "server/tar.h"
#include "silt/snapshot.h"
#include "silt/text.h"

#include <stdlib.h>

#define BUFFER_BYTES ((size_t)1 << 20)

struct backup {
    struct silt_snapshot *snapshot;
    const struct silt_snapshot_file *files;
    size_t count;
    bool *had; /* by file */
    int64_t now_s;
    struct output *output;
    struct silt_buffer sums;
    uint64_t bytes; /* sent of files */
};

static int compare_texts(const void *a, const void *b)
{
    return silt_str_compare(*(const struct silt_str *)a, *(const struct silt_str *)b);
}

/* The lines, sorted. */
static struct silt_str *read_names(struct silt_str body, size_t *count, struct silt_arena *arena)
{
    struct silt_str *names = NULL;
    size_t room = 0;

    *count = 0;
    for (const char *p = body.p, *end = body.p + body.len; p < end;) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        line_end = line_end ? line_end : end;
        names = silt_arena_grow(arena, names, &room, *count + 1, sizeof(*names));
        names[(*count)++] = (struct silt_str){p, (size_t)(line_end - p)};
        p = line_end + 1;
    }
    if (*count)
        qsort(names, *count, sizeof(*names), compare_texts);
    return names;
}

/* Names count for nothing when they are of another store. */
static void note_had(struct backup *backup, struct silt_str body, struct silt_arena *arena)
{
    size_t count;
    char store[SILT_BACKUP_STORE_BYTES];
    const size_t digits = SILT_BACKUP_STORE_BYTES - 1;

    silt_backup_store_text(silt_snapshot_store_id(backup->snapshot), store);
    if (body.len <= digits || memcmp(body.p, store, digits) != 0 || body.p[digits] != '\n')
        return;
    body.p += digits + 1;
    body.len -= digits + 1;
    struct silt_str *names = read_names(body, &count, arena);
    for (size_t i = 0; i < backup->count; i++) {
        struct silt_str name = silt_str_from(backup->files[i].name);
        backup->had[i] = backup->files[i].kind == SILT_BACKUP_BLOB && count &&
                         bsearch(&name, names, count, sizeof(*names), compare_texts);
    }
}

static enum silt_status send_list(struct backup *backup)
{
    struct silt_buffer text = {0};

    silt_backup_put_head(&text, silt_snapshot_store_id(backup->snapshot));
    for (size_t i = 0; i < backup->count; i++)
        silt_backup_put_file(&text, backup->files[i].kind, backup->files[i].bytes, backup->files[i].name, backup->had[i]);
    enum silt_status rc = tar_file(backup->output, SILT_BACKUP_FILES, (struct silt_str){text.p, text.len}, backup->now_s);
    silt_buffer_free(&text);
    return rc;
}

static enum silt_status send_file(struct backup *backup, size_t i, struct backup_reader *reader, struct silt_digest *digest,
                                  struct silt_error *err)
{
    const struct silt_snapshot_file *file = &backup->files[i];
    char sum[SILT_DIGEST_TEXT_BYTES];
    enum silt_status rc = tar_begin_file(backup->output, file->name, file->bytes, backup->now_s);

    for (uint64_t at = 0; rc == SILT_OK && at < file->bytes;) {
        const char *piece;
        size_t part;
        if ((rc = backup_reader_next(reader, &piece, &part, err)) != SILT_OK)
            return rc;
        silt_digest_add(digest, piece, part);
        rc = output_write(backup->output, piece, part);
        at += part;
    }
    if (rc == SILT_OK)
        rc = tar_end_file(backup->output, file->bytes);
    backup->bytes += file->bytes;
    silt_digest_end(digest, sum);
    silt_buffer_printf(&backup->sums, "%s  %s\n", sum, file->name);
    return rc;
}

static enum silt_status send_all(struct backup *backup, struct silt_error *err)
{
    struct silt_digest *digest = silt_digest_create();
    struct backup_reader *reader = NULL;
    enum silt_status rc = backup_reader_create(backup->snapshot, backup->files, backup->had, backup->count, &reader, err);

    if (rc == SILT_OK)
        rc = send_list(backup);
    for (size_t i = 0; rc == SILT_OK && i < backup->count; i++)
        if (!backup->had[i])
            rc = send_file(backup, i, reader, digest, err);
    if (rc == SILT_OK)
        rc = tar_file(backup->output, SILT_BACKUP_SUMS, (struct silt_str){backup->sums.p, backup->sums.len}, backup->now_s);
    if (rc == SILT_OK)
        rc = tar_end(backup->output);
    if (rc == SILT_OK)
        rc = backup->output->flush(backup->output, OUTPUT_LAST);
    silt_digest_destroy(digest);
    backup_reader_destroy(reader);
    return rc;
}

static void send_backup(struct query_job *job, struct backup *backup)
{
    struct silt_error err = {0};
    struct silt_arena *arena = silt_arena_create(&job->server->query_budget);
    uint64_t begin_ns = silt_clock_monotonic_ns();

    backup->count = silt_snapshot_files(backup->snapshot, &backup->files);
    backup->had = silt_calloc(backup->count + 1, sizeof(*backup->had));
    note_had(backup, http_str(stream_request(job->stream)->entity), arena);
    silt_arena_destroy(arena);
    stream_set_type(job->stream, "application/x-tar", NULL);
    stream_set_buffers(job->stream, BUFFER_BYTES);
    backup->output = stream_output(job->stream);
    enum silt_status rc = send_all(backup, &err);
    if (rc == SILT_OK)
        stream_finish(job->stream);
    else
        stream_abort(job->stream);
    silt_log(rc == SILT_OK ? SILT_LOG_INFO : SILT_LOG_WARN, rc == SILT_OK ? "backup sent" : "a backup was broken off",
             "files=%zu bytes=%llu ms=%llu error=\"%s\"", backup->count, (unsigned long long)backup->bytes,
             (unsigned long long)((silt_clock_monotonic_ns() - begin_ns) / 1000000),
             rc == SILT_OK ? "" : rc == SILT_CANCELLED ? "the client left" : err.text);
    silt_buffer_free(&backup->sums);
    free(backup->had);
}

static void answer_backup(struct query_job *job)
{
    struct backup backup = {.now_s = silt_clock_now() / 1000000000};
    struct silt_error err;
    enum silt_status rc = silt_snapshot_take(job->server->storage, &backup.snapshot, &err);

    if (rc == SILT_OK)
        send_backup(job, &backup);
    else
        stream_reply(job->stream, rc == SILT_NO_SPACE || rc == SILT_BUSY || rc == SILT_IO ? 503 : 500, silt_error_text(&err));
    silt_snapshot_release(backup.snapshot);
}

void handle_backup(struct http_loop *loop, h2o_req_t *req)
{
    if (!authorize_admin(loop->server, http_user(req))) {
        http_error(req, 403, SILT_STR("error authorizing admin access"));
        return;
    }
    query_job_submit(loop, req, answer_backup, NULL);
}
