/*
 * mapping.c - implements mapping.h: a table of all mappings, which the signal's handler can look into without a lock.
 *
 * The table grows by chunks that are never freed, and places in it are used again. A place in use belongs to a mapping that its owner
 * reads from at that moment, so it does not change under the handler; any other one does not match the address.
 */
#include "storage/mapping.h"

#include "silt/base.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK_MAPPINGS 1024u
#define CHUNKS_MAX 1024u

static pthread_mutex_t change_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *_Atomic chunks[CHUNKS_MAX];
static unsigned chunk_count, last_place; /* under change_lock */
static struct sigaction earlier;
static uintptr_t page_bytes;

static struct mapping *find(uintptr_t address)
{
    struct mapping *chunk;
    for (unsigned c = 0; c < CHUNKS_MAX && (chunk = atomic_load(&chunks[c])); c++)
        for (unsigned i = 0; i < CHUNK_MAPPINGS; i++)
            if (address - atomic_load(&chunk[i].start) < atomic_load(&chunk[i].bytes))
                return &chunk[i];
    return NULL;
}

/* Nothing here but system calls and atomics: the thread may hold any lock. */
static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
    int kept = errno;
    struct mapping *mapping = info->si_code > 0 ? find((uintptr_t)info->si_addr) : NULL;
    (void)context;
    if (mapping) {
        atomic_fetch_add(&mapping->faults, 1); /* before the zeros can be seen */
        void *page = (void *)((uintptr_t)info->si_addr & ~(page_bytes - 1));
        if (mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
            errno = kept;
            return;
        }
    }
    sigaction(signal_number, &earlier, NULL); /* the same instruction comes again, and with it the signal */
    if (info->si_code <= 0)
        raise(signal_number);
    errno = kept;
}

static void take_signal(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    silt_assert(sigaction(SIGBUS, &action, &earlier) == 0);
}

/* A place that is not in use; NULL: the table is full. change_lock is held. */
static struct mapping *free_place_locked(void)
{
    unsigned count = chunk_count * CHUNK_MAPPINGS;
    for (unsigned i = 0; i < count; i++) {
        last_place = (last_place + 1) % count;
        struct mapping *place = &atomic_load(&chunks[last_place / CHUNK_MAPPINGS])[last_place % CHUNK_MAPPINGS];
        if (atomic_load(&place->bytes) == 0)
            return place;
    }
    if (chunk_count == CHUNKS_MAX)
        return NULL;
    struct mapping *chunk = silt_calloc(CHUNK_MAPPINGS, sizeof(*chunk));
    last_place = count;
    atomic_store(&chunks[chunk_count++], chunk);
    return chunk;
}

struct mapping *mapping_create(int fd, size_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, take_signal);
    void *start = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (start == MAP_FAILED)
        return NULL;
    pthread_mutex_lock(&change_lock);
    struct mapping *mapping = free_place_locked();
    if (mapping) {
        atomic_store(&mapping->faults, 0);
        atomic_store(&mapping->start, (uintptr_t)start);
        atomic_store(&mapping->bytes, bytes); /* last: from here on it is found */
    }
    pthread_mutex_unlock(&change_lock);
    if (!mapping)
        munmap(start, bytes);
    return mapping;
}

void mapping_advise(const struct mapping *mapping, uint64_t offset, uint64_t len, int advice)
{
    size_t bytes = mapping ? atomic_load(&mapping->bytes) : 0;
    if (offset >= bytes)
        return;
    uint64_t end = len < bytes - offset ? offset + len : bytes, first = offset & ~(uint64_t)(page_bytes - 1);
    (void)madvise((char *)atomic_load(&mapping->start) + first, end - first, advice);
}

void mapping_destroy(struct mapping *mapping)
{
    if (!mapping)
        return;
    void *start = (void *)atomic_load(&mapping->start);
    size_t bytes = atomic_load(&mapping->bytes);
    pthread_mutex_lock(&change_lock);
    atomic_store(&mapping->bytes, 0); /* before the addresses can become another's */
    pthread_mutex_unlock(&change_lock);
    munmap(start, bytes);
}
