/*
 * backup_reader.c - implements backup_reader.h.
 *
 * Pieces are a ring: `filled` counts those that were read, `given` those that were handed out; the last of these is still
 * in use. When a read fails, the pieces before it are handed out first.
 */
#include "server/backup_reader.h"

#include "silt/base.h"

#include <pthread.h>
#include <stdlib.h>

#define PIECES 4u
#define ALIGNMENT ((size_t)4096) /* as direct reads need it */

struct backup_reader {
    struct silt_snapshot *snapshot;
    const struct silt_snapshot_file *files;
    const bool *had;
    size_t count;
    char *pieces[PIECES];
    pthread_t thread;
    bool running;

    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    size_t lens[PIECES];
    unsigned filled, given;
    bool stop, ended;
    struct silt_error failure; /* of the read behind the last piece; SILT_OK: none */
};

/* Where the next piece goes; NULL: nobody wants it any more. */
static char *wait_for_room(struct backup_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    while (!reader->stop && reader->filled - reader->given == PIECES - 1) /* one is in use */
        pthread_cond_wait(&reader->changed, &reader->lock);
    char *piece = reader->stop ? NULL : reader->pieces[reader->filled % PIECES];
    pthread_mutex_unlock(&reader->lock);
    return piece;
}

static void hand_over(struct backup_reader *reader, size_t len)
{
    pthread_mutex_lock(&reader->lock);
    reader->lens[reader->filled++ % PIECES] = len;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
}

static void *run(void *arg)
{
    struct backup_reader *reader = arg;
    struct silt_error err = {0};
    enum silt_status rc = SILT_OK;
    char *piece = NULL;
    bool wanted = true;

    for (size_t i = 0; i < reader->count && rc == SILT_OK && wanted; i++) {
        uint64_t bytes = reader->had[i] ? 0 : reader->files[i].bytes;
        for (uint64_t at = 0; at < bytes && rc == SILT_OK && (wanted = (piece = wait_for_room(reader)) != NULL);) {
            size_t part = bytes - at < BACKUP_PIECE_BYTES ? (size_t)(bytes - at) : BACKUP_PIECE_BYTES;
            rc = silt_snapshot_read(reader->snapshot, i, at, piece, part, &err);
            if (rc == SILT_OK)
                hand_over(reader, part);
            at += part;
        }
    }
    pthread_mutex_lock(&reader->lock);
    reader->ended = true;
    if (rc != SILT_OK)
        reader->failure = err;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

enum silt_status backup_reader_create(struct silt_snapshot *snapshot, const struct silt_snapshot_file *files, const bool *had,
                                      size_t count, struct backup_reader **out, struct silt_error *err)
{
    struct backup_reader *reader = silt_calloc(1, sizeof(*reader));

    reader->snapshot = snapshot;
    reader->files = files;
    reader->had = had;
    reader->count = count;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->changed, NULL);
    for (unsigned i = 0; i < PIECES; i++) {
        reader->pieces[i] = aligned_alloc(ALIGNMENT, BACKUP_PIECE_BYTES);
        silt_assert(reader->pieces[i]);
    }
    int failed = pthread_create(&reader->thread, NULL, run, reader);
    if (failed) {
        backup_reader_destroy(reader);
        return silt_fail_errno(err, failed, "a thread that reads the backup's files");
    }
    reader->running = true;
    *out = reader;
    return SILT_OK;
}

void backup_reader_destroy(struct backup_reader *reader)
{
    if (!reader)
        return;
    pthread_mutex_lock(&reader->lock);
    reader->stop = true;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
    if (reader->running)
        pthread_join(reader->thread, NULL);
    for (unsigned i = 0; i < PIECES; i++)
        free(reader->pieces[i]);
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}

enum silt_status backup_reader_next(struct backup_reader *reader, const char **piece, size_t *len, struct silt_error *err)
{
    pthread_mutex_lock(&reader->lock);
    while (reader->filled == reader->given && !reader->ended)
        pthread_cond_wait(&reader->changed, &reader->lock);
    bool there = reader->filled != reader->given;
    if (there) {
        unsigned i = reader->given++ % PIECES;
        *piece = reader->pieces[i];
        *len = reader->lens[i];
        pthread_cond_signal(&reader->changed);
    } else {
        silt_assert(reader->failure.status != SILT_OK); /* more was asked for than there is */
        *err = reader->failure;
    }
    pthread_mutex_unlock(&reader->lock);
    return there ? SILT_OK : err->status;
}
