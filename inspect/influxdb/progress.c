/*
 * progress.c - see progress.h.
 */
#include "inspect/influxdb/progress.h"

#include "silt/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD "siltd-import-influxdb 1\n"

struct shard_progress {
    uint64_t shard, series;
};

struct influx_progress {
    char path[PATH_MAX];
    int fd;
    struct shard_progress *shards;
    size_t count, capacity;
};

static void remember(struct influx_progress *progress, uint64_t shard, uint64_t series)
{
    for (size_t i = 0; i < progress->count; i++) {
        if (progress->shards[i].shard == shard) {
            progress->shards[i].series = series;
            return;
        }
    }
    if (progress->count == progress->capacity) {
        progress->capacity = progress->capacity ? progress->capacity * 2 : 64;
        progress->shards = silt_realloc(progress->shards, progress->capacity * sizeof(*progress->shards));
    }
    progress->shards[progress->count++] = (struct shard_progress){shard, series};
}

/* A last line without its newline was being written when the import ended: it is not counted. */
static enum silt_status read_lines(struct influx_progress *progress, const char *text, uint64_t fingerprint,
                                   struct silt_error *err)
{
    uint64_t found, shard, series;
    int used = 0;
    if (strncmp(text, HEAD, strlen(HEAD)) != 0 ||
        sscanf(text + strlen(HEAD), "source %" SCNx64 "%n", &found, &used) != 1 ||
        text[strlen(HEAD) + (size_t)used] != '\n')
        return silt_fail(err, SILT_CORRUPT, "%s: not the progress of an import", progress->path);
    if (found != fingerprint)
        return silt_fail(err, SILT_CONFLICT,
                         "%s: the import that was begun here is of another directory, or InfluxDB has run on it since; "
                         "remove the target and begin again",
                         progress->path);
    text += strlen(HEAD) + (size_t)used + 1;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        char done[8];
        if (sscanf(text, "shard %" SCNu64 " %7[a-z]\n", &shard, done) == 2 && strcmp(done, "done") == 0)
            remember(progress, shard, INFLUX_SHARD_DONE);
        else if (sscanf(text, "shard %" SCNu64 " %" SCNu64 "\n", &shard, &series) == 2)
            remember(progress, shard, series);
        else
            return silt_fail(err, SILT_CORRUPT, "%s: a line that makes no sense", progress->path);
    }
    return SILT_OK;
}

static enum silt_status add_text(struct influx_progress *progress, const char *text, struct silt_error *err)
{
    size_t len = strlen(text);
    ssize_t put = write(progress->fd, text, len);
    if (put != (ssize_t)len || fsync(progress->fd) != 0)
        return silt_fail_errno(err, put >= 0 && put != (ssize_t)len ? ENOSPC : errno, "%s: write", progress->path);
    return SILT_OK;
}

/* The file's text; cuts off a last line that is not whole. */
static enum silt_status read_file(struct influx_progress *progress, struct silt_buffer *text, struct silt_error *err)
{
    ssize_t got;
    do {
        silt_buffer_reserve(text, 65536);
        got = read(progress->fd, text->p + text->len, 65535);
        text->len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    if (got < 0)
        return silt_fail_errno(err, errno, "%s: read", progress->path);
    while (text->len && text->p[text->len - 1] != '\n')
        text->len--;
    text->p[text->len] = '\0';
    if (ftruncate(progress->fd, (off_t)text->len) != 0 || lseek(progress->fd, 0, SEEK_END) < 0)
        return silt_fail_errno(err, errno, "%s: truncate", progress->path);
    return SILT_OK;
}

enum silt_status influx_progress_open(const char *target, uint64_t fingerprint, struct influx_progress **out,
                                      bool *resumed, struct silt_error *err)
{
    struct influx_progress *progress = silt_calloc(1, sizeof(*progress));
    struct silt_buffer text = {0};
    enum silt_status rc = SILT_OK;

    if (snprintf(progress->path, sizeof(progress->path), "%s/import-influxdb.progress", target) >=
        (int)sizeof(progress->path))
        rc = silt_fail(err, SILT_INVALID, "%s: the path is too long", target);
    progress->fd = rc == SILT_OK ? open(progress->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (rc == SILT_OK && progress->fd < 0)
        rc = silt_fail_errno(err, errno, "%s: open", progress->path);
    if (rc == SILT_OK)
        rc = read_file(progress, &text, err);
    if (rc == SILT_OK) {
        const char *source = text.len ? strstr(text.p, "source ") : NULL;
        *resumed = source != NULL; /* without it, nothing had begun */
        if (*resumed) {
            rc = read_lines(progress, text.p, fingerprint, err);
        } else {
            char head[128];
            snprintf(head, sizeof(head), HEAD "source %" PRIx64 "\n", fingerprint);
            if (ftruncate(progress->fd, 0) != 0 || lseek(progress->fd, 0, SEEK_SET) != 0)
                rc = silt_fail_errno(err, errno, "%s: truncate", progress->path);
            else
                rc = add_text(progress, head, err);
        }
    }
    silt_buffer_free(&text);
    if (rc != SILT_OK) {
        influx_progress_close(progress);
        return rc;
    }
    *out = progress;
    return SILT_OK;
}

void influx_progress_close(struct influx_progress *progress)
{
    if (!progress)
        return;
    if (progress->fd >= 0)
        close(progress->fd);
    free(progress->shards);
    free(progress);
}

uint64_t influx_progress_of(const struct influx_progress *progress, uint64_t shard)
{
    for (size_t i = 0; i < progress->count; i++)
        if (progress->shards[i].shard == shard)
            return progress->shards[i].series;
    return 0;
}

enum silt_status influx_progress_note(struct influx_progress *progress, uint64_t shard, uint64_t series,
                                      struct silt_error *err)
{
    char line[80];
    if (series == INFLUX_SHARD_DONE)
        snprintf(line, sizeof(line), "shard %" PRIu64 " done\n", shard);
    else
        snprintf(line, sizeof(line), "shard %" PRIu64 " %" PRIu64 "\n", shard, series);
    remember(progress, shard, series);
    return add_text(progress, line, err);
}

enum silt_status influx_progress_finish(struct influx_progress *progress, struct silt_error *err)
{
    if (unlink(progress->path) != 0)
        return silt_fail_errno(err, errno, "%s: remove", progress->path);
    return SILT_OK;
}
