/* piece_pool.c - implements piece_pool.h. Idle pieces are a list through themselves. */
#include "storage/piece_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

struct idle_piece {
    struct idle_piece *next;
};

#define AHEAD_PIECES 8u

struct piece_pool {
    pthread_t helper;
    bool has_helper;        /* its user's alone */
    pthread_cond_t changed; /* for the helper: a piece was taken, or it is to end */
    pthread_mutex_t lock;   /* guards this group: */
    bool ahead;
    struct idle_piece *first;
    size_t count;
    size_t least; /* count's lowest since the last trim */
    size_t most;
};

#ifdef __SANITIZE_ADDRESS__
static void *get_piece(void)
{
    return aligned_alloc(PIECE_BYTES, PIECE_BYTES);
}

static void free_piece(void *piece)
{
    free(piece);
}
#else
/* Not malloc's, which keeps what it is given back. */
static void *get_piece(void)
{
    char *area = mmap(NULL, 2 * PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        return NULL;
    size_t front = (PIECE_BYTES - (uintptr_t)area % PIECE_BYTES) % PIECE_BYTES;
    if (front > 0)
        munmap(area, front);
    munmap(area + front + PIECE_BYTES, PIECE_BYTES - front);
    (void)madvise(area + front, PIECE_BYTES, MADV_HUGEPAGE); /* saves faults where the system allows */
    return area + front;
}

static void free_piece(void *piece)
{
    if (piece)
        munmap(piece, PIECE_BYTES);
}
#endif

struct piece_pool *piece_pool_create(size_t idle_bytes_max)
{
    struct piece_pool *pool = silt_calloc(1, sizeof(*pool));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
#ifndef __SANITIZE_ADDRESS__
    pool->most = idle_bytes_max / PIECE_BYTES;
#else
    (void)idle_bytes_max;
#endif
    return pool;
}

static void free_list(struct idle_piece *piece)
{
    while (piece) {
        struct idle_piece *next = piece->next;
        free_piece(piece);
        piece = next;
    }
}

void piece_pool_destroy(struct piece_pool *pool)
{
    if (!pool)
        return;
    piece_pool_end_ahead(pool);
    free_list(pool->first);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void *piece_pool_take(struct piece_pool *pool)
{
    struct idle_piece *piece = NULL;
    if (pool) {
        pthread_mutex_lock(&pool->lock);
        piece = pool->first;
        if (piece) {
            pool->first = piece->next;
            pool->count--;
            if (pool->count < pool->least)
                pool->least = pool->count;
        }
        if (pool->ahead)
            pthread_cond_signal(&pool->changed);
        pthread_mutex_unlock(&pool->lock);
    }
    if (piece)
        return piece;
    void *fresh = get_piece();
    silt_assert(fresh); /* out of memory */
    return fresh;
}

void piece_pool_give(struct piece_pool *pool, void *piece)
{
    struct idle_piece *idle = piece;
    if (pool) {
        pthread_mutex_lock(&pool->lock);
        if (pool->count < pool->most) {
            idle->next = pool->first;
            pool->first = idle;
            pool->count++;
            idle = NULL;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    free_piece(idle);
}

static void *run_ahead(void *arg)
{
    struct piece_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    while (pool->ahead) {
        if (pool->count >= AHEAD_PIECES) {
            pthread_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        struct idle_piece *piece = get_piece();
        for (size_t at = 0; piece && at < PIECE_BYTES; at += 4096)
            ((volatile char *)piece)[at] = 0; /* the system clears it now */
        pthread_mutex_lock(&pool->lock);
        if (!piece)
            break; /* who needs one will say so */
        piece->next = pool->first;
        pool->first = piece;
        pool->count++;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void piece_pool_begin_ahead(struct piece_pool *pool)
{
    if (pool->has_helper)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ahead = pool->has_helper = pthread_create(&pool->helper, NULL, run_ahead, pool) == 0;
    pthread_mutex_unlock(&pool->lock);
}

void piece_pool_end_ahead(struct piece_pool *pool)
{
    if (!pool->has_helper)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ahead = false;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    pthread_join(pool->helper, NULL);
    pool->has_helper = false;
}

void piece_pool_trim(struct piece_pool *pool)
{
    struct idle_piece *surplus = NULL;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->least; i++) {
        struct idle_piece *piece = pool->first;
        pool->first = piece->next;
        piece->next = surplus;
        surplus = piece;
    }
    pool->count -= pool->least;
    pool->least = pool->count;
    pthread_mutex_unlock(&pool->lock);
    free_list(surplus);
}

size_t piece_pool_idle_bytes(struct piece_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t bytes = pool->count * PIECE_BYTES;
    pthread_mutex_unlock(&pool->lock);
    return bytes;
}
