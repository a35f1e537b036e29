/*
 * resident.c - silt_memory_resident: are the pages of a mapping in the page cache?
 *
 * The kernel is asked (mincore), which takes about a microsecond, as long as it takes to read what is asked about. So what it
 * said of a page is remembered for a second or two: a page that was there, and has been read since, is not thrown out that
 * soon. A place of the table has the page and the time, in one word that threads share without a lock:
 *
 *     bits 63..28   number of the page (addresses of 48 bits)        27..0   when it was seen, in seconds
 *
 * An address may belong to another mapping by then. So the answer is a good guess, and the caller may be late by one page read from
 * disk; it was never more than that, for pages may leave between the question and the reading.
 */
#define _GNU_SOURCE
#include "silt/base.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES_MAX 257
#define SEEN_PAGES 16384 /* a power of two */
#define SECOND_BITS 28
#define PAGE_BITS (64 - SECOND_BITS)
#define SECOND_MASK (((uint64_t)1 << SECOND_BITS) - 1)

static _Atomic uint64_t seen[SEEN_PAGES];

static uint64_t second_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec & SECOND_MASK;
}

static bool were_seen(uint64_t first, size_t count, uint64_t second)
{
    for (uint64_t page = first; page < first + count; page++) {
        uint64_t place = atomic_load_explicit(&seen[page % SEEN_PAGES], memory_order_relaxed);
        if (place >> SECOND_BITS != page || ((second - place) & SECOND_MASK) > 1)
            return false;
    }
    return true;
}

static void note_seen(uint64_t first, size_t count, uint64_t second)
{
    if ((first + count) >> PAGE_BITS)
        return;
    for (uint64_t page = first; page < first + count; page++)
        atomic_store_explicit(&seen[page % SEEN_PAGES], page << SECOND_BITS | second, memory_order_relaxed);
}

bool silt_memory_resident(const void *at, size_t len)
{
    unsigned char pages[PAGES_MAX];
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)at / size * size, to = (uintptr_t)at + len;
    size_t count = (to - from + size - 1) / size;
    uint64_t first = from / size, second = second_now();

    if (count > PAGES_MAX)
        return false;
    if (were_seen(first, count, second))
        return true;
    if (mincore((void *)from, to - from, pages) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!(pages[i] & 1))
            return false;
    note_seen(first, count, second);
    return true;
}
