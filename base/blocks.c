/*
 * blocks.c - large pieces of memory, straight from the system and back to it.
 *
 *     kept:  [300 KiB][1 MiB][1 MiB][1.5 MiB] ...   up to KEPT_BYTES_MAX, for whoever wants one next; the rest unmapped
 *
 * The C library keeps what a thread frees in that thread's heap, under whatever lives above it. A query's memory would
 * stay there, once for every worker, and add up to many times the budget that all queries share. What is kept here is
 * shared by all threads and bounded. One lock, held for a look through a short list; nobody maps or unmaps under it.
 */
#include "silt/base.h"

#include <pthread.h>
#include <sys/mman.h>

#define KEPT_MAX 128u
#define KEPT_BYTES_MAX ((size_t)64 << 20)
#define PAGE ((size_t)4096)

struct block {
    void *p;
    size_t bytes;
};

static struct {
    pthread_mutex_t lock;
    struct block kept[KEPT_MAX];
    unsigned count;
    size_t bytes;
} blocks = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *silt_block_get(size_t *bytes)
{
    size_t wanted = (*bytes + PAGE - 1) & ~(PAGE - 1);
    struct block found = {NULL, 0};

    if (wanted < *bytes)
        return NULL;
    pthread_mutex_lock(&blocks.lock);
    for (unsigned i = blocks.count; i-- > 0;) { /* the newest first: it may still be in a cache */
        struct block *block = &blocks.kept[i];
        if (block->bytes < wanted || block->bytes - wanted > wanted / 8)
            continue;
        found = *block;
        blocks.bytes -= block->bytes;
        memmove(block, block + 1, (--blocks.count - i) * sizeof(*block));
        break;
    }
    pthread_mutex_unlock(&blocks.lock);
    if (!found.p) {
        found = (struct block){mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), wanted};
        if (found.p == MAP_FAILED)
            return NULL;
    }
    *bytes = found.bytes;
    return found.p;
}

void silt_block_put(void *p, size_t bytes)
{
    struct block out[KEPT_MAX];
    unsigned out_count = 0;

    if (bytes > KEPT_BYTES_MAX / 4) {
        munmap(p, bytes);
        return;
    }
    pthread_mutex_lock(&blocks.lock);
    /* The oldest go: sizes that nobody asks for any more do not stay. */
    while (blocks.count > out_count && (blocks.count - out_count == KEPT_MAX || blocks.bytes + bytes > KEPT_BYTES_MAX)) {
        out[out_count] = blocks.kept[out_count];
        blocks.bytes -= out[out_count++].bytes;
    }
    blocks.count -= out_count;
    memmove(blocks.kept, blocks.kept + out_count, blocks.count * sizeof(*blocks.kept));
    blocks.kept[blocks.count++] = (struct block){p, bytes};
    blocks.bytes += bytes;
    pthread_mutex_unlock(&blocks.lock);
    for (unsigned i = 0; i < out_count; i++)
        munmap(out[i].p, out[i].bytes);
}

void silt_blocks_give_back(void)
{
    struct block out[KEPT_MAX];

    pthread_mutex_lock(&blocks.lock);
    unsigned count = blocks.count;
    memcpy(out, blocks.kept, count * sizeof(*out));
    blocks.count = 0;
    blocks.bytes = 0;
    pthread_mutex_unlock(&blocks.lock);
    for (unsigned i = 0; i < count; i++)
        munmap(out[i].p, out[i].bytes);
}
