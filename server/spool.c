/*
 * spool.c - see spool.h.
 */
#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum silt_status fail(struct spool *spool, const char *what)
{
    silt_log(SILT_LOG_ERROR, "a held-back answer was lost", "call=%s error=\"%s\"", what, strerror(errno));
    return spool->lost = SILT_IO;
}

static enum silt_status open_file(struct spool *spool)
{
    char path[1100];

    spool->file = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->file >= 0)
        return SILT_OK;
    /* not every file system can do that */
    snprintf(path, sizeof(path), "%s/answer-XXXXXX", spool->folder);
    spool->file = mkostemp(path, O_CLOEXEC);
    if (spool->file < 0)
        return fail(spool, "open");
    if (unlink(path) != 0)
        return fail(spool, "unlink");
    return SILT_OK;
}

static enum silt_status flush(struct output *output, enum output_flush why)
{
    struct spool *spool = (struct spool *)output;
    enum silt_status rc;

    if (spool->file < 0 && (rc = open_file(spool)) != SILT_OK)
        return rc;
    if (spool->file_bytes > SPOOL_BYTES_MAX)
        return spool->lost = SILT_LIMIT;
    for (char *from = output->start; from != output->next;) {
        ssize_t done = pwrite(spool->file, from, (size_t)(output->next - from), (off_t)spool->file_bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return fail(spool, "write");
        from += done;
        spool->file_bytes += (uint64_t)done;
    }
    output->next = output->start;
    output->flushed++;
    return SILT_OK;
}

static bool idle(struct output *output)
{
    return false;
}

void spool_init(struct spool *spool, const char *folder, struct silt_budget *budget)
{
    spool->output = (struct output){
        spool->buffer, spool->buffer, spool->buffer + sizeof(spool->buffer), 0, flush, idle};
    spool->folder = folder;
    spool->budget = budget;
    spool->lost = SILT_OK;
    spool->file = -1;
    spool->file_bytes = 0;
    spool->holes = NULL;
    spool->hole_count = spool->hole_capacity = 0;
    spool->fills = (struct silt_buffer){0};
    spool->charged_bytes = 0;
}

void spool_deinit(struct spool *spool)
{
    if (spool->file >= 0)
        close(spool->file);
    free(spool->holes);
    silt_buffer_free(&spool->fills);
    if (spool->budget)
        silt_budget_release(spool->budget, spool->charged_bytes);
}

static uint64_t position(const struct spool *spool)
{
    return spool->file_bytes + (uint64_t)(spool->output.next - spool->output.start);
}

struct spool_mark spool_mark(const struct spool *spool)
{
    return (struct spool_mark){position(spool), spool->hole_count, spool->fills.len};
}

void spool_rewind(struct spool *spool, struct spool_mark mark)
{
    if (mark.position >= spool->file_bytes) {
        spool->output.next = spool->output.start + (mark.position - spool->file_bytes);
    } else {
        spool->output.next = spool->output.start;
        spool->file_bytes = mark.position;
    }
    spool->hole_count = mark.hole_count;
    spool->fills.len = mark.fill_bytes;
}

static enum silt_status charge(struct spool *spool, size_t bytes)
{
    struct silt_error err;

    if (spool->budget && silt_budget_charge(spool->budget, bytes, &err) != SILT_OK)
        return spool->lost = SILT_LIMIT;
    spool->charged_bytes += bytes;
    return SILT_OK;
}

enum silt_status spool_open_hole(struct spool *spool, size_t *hole)
{
    if (spool->hole_count == spool->hole_capacity) {
        size_t capacity = spool->hole_capacity ? spool->hole_capacity * 2 : 16;
        if (charge(spool, (capacity - spool->hole_capacity) * sizeof(*spool->holes)) != SILT_OK)
            return SILT_LIMIT;
        spool->holes = silt_realloc(spool->holes, capacity * sizeof(*spool->holes));
        spool->hole_capacity = capacity;
    }
    *hole = spool->hole_count++;
    spool->holes[*hole] = (struct spool_hole){position(spool), 0, 0};
    return SILT_OK;
}

enum silt_status spool_fill_hole(struct spool *spool, size_t hole, const void *bytes, size_t len)
{
    size_t before = spool->fills.capacity;

    spool->holes[hole].fill_at = spool->fills.len;
    spool->holes[hole].fill_len = len;
    silt_buffer_append(&spool->fills, bytes, len);
    return charge(spool, spool->fills.capacity - before);
}

/* [from, to) of what was written, out of the file or the buffer. */
static enum silt_status copy_out(struct spool *spool, uint64_t from, uint64_t end, struct output *to)
{
    enum silt_status rc;

    while (from < end && from < spool->file_bytes) {
        uint64_t part = (end < spool->file_bytes ? end : spool->file_bytes) - from;
        if (to->next == to->end && (rc = to->flush(to, OUTPUT_FULL)) != SILT_OK)
            return rc;
        if (part > (uint64_t)(to->end - to->next))
            part = (uint64_t)(to->end - to->next);
        ssize_t got = pread(spool->file, to->next, (size_t)part, (off_t)from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(spool, "read");
        to->next += got;
        from += (uint64_t)got;
    }
    return output_write(to, spool->output.start + (from - spool->file_bytes), (size_t)(end - from));
}

enum silt_status spool_replay(struct spool *spool, struct output *to)
{
    uint64_t at = 0, end = position(spool);
    enum silt_status rc;

    if (spool->lost != SILT_OK)
        return spool->lost;
    for (size_t i = 0; i < spool->hole_count; i++) {
        const struct spool_hole *hole = &spool->holes[i];
        if (hole->position > at && (rc = copy_out(spool, at, hole->position, to)) != SILT_OK)
            return rc;
        at = hole->position;
        if ((rc = output_write(to, spool->fills.p + hole->fill_at, hole->fill_len)) != SILT_OK)
            return rc;
    }
    if (at < end && (rc = copy_out(spool, at, end, to)) != SILT_OK)
        return rc;
    spool_rewind(spool, (struct spool_mark){0, 0, 0});
    return SILT_OK;
}
