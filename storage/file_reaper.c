/* file_reaper.c - implements file_reaper.h. The thread is started with the first large file. */
#include "storage/file_reaper.h"

#include "silt/base.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES ((uint64_t)16 << 20)
#define PAUSE_NS 10000000L
#define FILES_MAX 64u

struct file_reaper {
    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    struct {
        int fd;
        uint64_t bytes;
    } files[FILES_MAX]; /*   a ring */
    unsigned first, count;
    bool running, stop;
    pthread_t thread;
};

struct file_reaper *file_reaper_create(void)
{
    struct file_reaper *reaper = silt_calloc(1, sizeof(*reaper));
    pthread_mutex_init(&reaper->lock, NULL);
    pthread_cond_init(&reaper->changed, NULL);
    return reaper;
}

static bool stopped(struct file_reaper *reaper)
{
    pthread_mutex_lock(&reaper->lock);
    bool stop = reaper->stop;
    pthread_mutex_unlock(&reaper->lock);
    return stop;
}

static void shrink(struct file_reaper *reaper, int fd, uint64_t bytes)
{
    struct timespec pause = {0, PAUSE_NS};
    while (bytes > PIECE_BYTES && !stopped(reaper)) {
        bytes -= PIECE_BYTES;
        if (ftruncate(fd, (off_t)bytes) != 0)
            break; /* the close frees it */
        nanosleep(&pause, NULL);
    }
    close(fd);
}

static void *run(void *arg)
{
    struct file_reaper *reaper = arg;
    pthread_mutex_lock(&reaper->lock);
    for (;;) {
        while (reaper->count == 0 && !reaper->stop)
            pthread_cond_wait(&reaper->changed, &reaper->lock);
        if (reaper->count == 0)
            break;
        int fd = reaper->files[reaper->first].fd;
        uint64_t bytes = reaper->files[reaper->first].bytes;
        reaper->first = (reaper->first + 1) % FILES_MAX;
        reaper->count--;
        pthread_cond_broadcast(&reaper->changed);
        pthread_mutex_unlock(&reaper->lock);
        shrink(reaper, fd, bytes);
        pthread_mutex_lock(&reaper->lock);
    }
    pthread_mutex_unlock(&reaper->lock);
    return NULL;
}

void file_reaper_destroy(struct file_reaper *reaper)
{
    if (!reaper)
        return;
    pthread_mutex_lock(&reaper->lock);
    reaper->stop = true;
    pthread_cond_broadcast(&reaper->changed);
    pthread_mutex_unlock(&reaper->lock);
    if (reaper->running)
        pthread_join(reaper->thread, NULL);
    pthread_cond_destroy(&reaper->changed);
    pthread_mutex_destroy(&reaper->lock);
    free(reaper);
}

void file_reaper_take(struct file_reaper *reaper, int fd, uint64_t bytes)
{
    pthread_mutex_lock(&reaper->lock);
    if (bytes > PIECE_BYTES && !reaper->running && !reaper->stop)
        reaper->running = pthread_create(&reaper->thread, NULL, run, reaper) == 0;
    bool take = bytes > PIECE_BYTES && reaper->running;
    while (take && reaper->count == FILES_MAX && !reaper->stop)
        pthread_cond_wait(&reaper->changed, &reaper->lock);
    take = take && !reaper->stop;
    if (take) {
        unsigned at = (reaper->first + reaper->count++) % FILES_MAX;
        reaper->files[at].fd = fd;
        reaper->files[at].bytes = bytes;
        pthread_cond_broadcast(&reaper->changed);
    }
    pthread_mutex_unlock(&reaper->lock);
    if (!take)
        close(fd);
}
