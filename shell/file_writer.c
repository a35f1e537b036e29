/*
 * file_writer.c - implements file_writer.h.
 *
 * Buffers are a ring: `filled` counts those that were handed over, `written` those the thread is done with. All of a file's
 * are full but the last, so that a direct write (O_DIRECT) begins and ends at whole blocks; what is left over at the file's end
 * goes through the page cache. A file system that cannot do it says EINVAL, at once or at the first write.
 */
#include "shell/file_writer.h"

#include "silt/base.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFERS 4u
#define BUFFER_BYTES ((size_t)1 << 20)
#define BLOCK_BYTES ((size_t)4096) /* a multiple of every disk's */

struct file_writer {
    /* user only */
    char *buffers[BUFFERS]; /* the thread reads those handed over */
    size_t len;             /* of the one being filled */

    /* thread only, between begin and end */
    int fd; /* -1: none; the user's while nothing is under way */
    bool direct;
    off_t at;

    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    size_t lens[BUFFERS];
    unsigned filled, written;
    int failed; /* errno of the file's first failed write; 0: none */
    bool stop;
    pthread_t thread;
};

static void set_direct(struct file_writer *writer, bool direct)
{
    int flags = fcntl(writer->fd, F_GETFL);

    writer->direct = flags >= 0 && fcntl(writer->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0 && direct;
}

/* Best effort: where it cannot be done, the file's sync does it, and the page cache keeps more. */
static void push_out(int fd, off_t at, off_t bytes)
{
    sync_file_range(fd, at, bytes, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    posix_fadvise(fd, at, bytes, POSIX_FADV_DONTNEED);
}

/* 0 or an errno. */
static int write_piece(struct file_writer *writer, const char *bytes, size_t len)
{
    while (len) {
        size_t part = writer->direct ? len - len % BLOCK_BYTES : len;
        if (part == 0) {
            set_direct(writer, false);
            continue;
        }
        ssize_t put = pwrite(writer->fd, bytes, part, writer->at);
        if (put < 0 && errno == EINVAL && writer->direct) {
            set_direct(writer, false);
            continue;
        }
        if (put < 0 && errno != EINTR)
            return errno;
        if (put <= 0)
            continue;
        if (!writer->direct)
            push_out(writer->fd, writer->at, put);
        else if ((size_t)put % BLOCK_BYTES) /* what follows does not begin at a block any more */
            set_direct(writer, false);
        bytes += put;
        len -= (size_t)put;
        writer->at += put;
    }
    return 0;
}

static void *run(void *arg)
{
    struct file_writer *writer = arg;

    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (writer->filled == writer->written && !writer->stop)
            pthread_cond_wait(&writer->changed, &writer->lock);
        if (writer->filled == writer->written)
            break;
        unsigned i = writer->written % BUFFERS;
        int failed = writer->failed;
        pthread_mutex_unlock(&writer->lock);
        if (!failed)
            failed = write_piece(writer, writer->buffers[i], writer->lens[i]);
        pthread_mutex_lock(&writer->lock);
        writer->failed = failed;
        writer->written++;
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

struct file_writer *file_writer_create(void)
{
    struct file_writer *writer = silt_calloc(1, sizeof(*writer));

    writer->fd = -1;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    for (unsigned i = 0; i < BUFFERS; i++) {
        writer->buffers[i] = aligned_alloc(BLOCK_BYTES, BUFFER_BYTES);
        silt_assert(writer->buffers[i]);
    }
    silt_assert(pthread_create(&writer->thread, NULL, run, writer) == 0);
    return writer;
}

/* Until at most `left` buffers are on their way. */
static int wait_written(struct file_writer *writer, unsigned left)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->filled - writer->written > left)
        pthread_cond_wait(&writer->changed, &writer->lock);
    int failed = writer->failed;
    pthread_mutex_unlock(&writer->lock);
    return failed;
}

static void hand_over(struct file_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->lens[writer->filled % BUFFERS] = writer->len;
    writer->filled++;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    writer->len = 0;
}

void file_writer_destroy(struct file_writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    if (writer->fd >= 0)
        close(writer->fd);
    for (unsigned i = 0; i < BUFFERS; i++)
        free(writer->buffers[i]);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

void file_writer_begin(struct file_writer *writer, int fd)
{
    silt_assert(writer->fd < 0 && writer->len == 0);
    writer->fd = fd;
    writer->at = 0;
    set_direct(writer, true);
}

int file_writer_add(struct file_writer *writer, const char *bytes, size_t len)
{
    while (len) {
        int failed = writer->len ? 0 : wait_written(writer, BUFFERS - 1);
        if (failed)
            return failed;
        size_t part = len < BUFFER_BYTES - writer->len ? len : BUFFER_BYTES - writer->len;
        memcpy(writer->buffers[writer->filled % BUFFERS] + writer->len, bytes, part);
        writer->len += part;
        bytes += part;
        len -= part;
        if (writer->len == BUFFER_BYTES)
            hand_over(writer);
    }
    return 0;
}

int file_writer_end(struct file_writer *writer)
{
    if (writer->len)
        hand_over(writer);
    int failed = wait_written(writer, 0);
    if (!failed && fsync(writer->fd) != 0)
        failed = errno;
    if (close(writer->fd) != 0 && !failed)
        failed = errno;
    writer->fd = -1;
    writer->failed = 0; /* the thread has nothing to do */
    return failed;
}
