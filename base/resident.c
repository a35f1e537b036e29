/*
 * resident.c - silt_memory_resident: are the pages of a mapping in the page cache?
 */
#define _GNU_SOURCE
#include "silt/base.h"

#include <sys/mman.h>
#include <unistd.h>

#define PAGES_MAX 257

bool silt_memory_resident(const void *at, size_t len)
{
    unsigned char pages[PAGES_MAX];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)at / page * page, to = (uintptr_t)at + len;
    size_t count = (to - from + page - 1) / page;

    if (count > PAGES_MAX || mincore((void *)from, to - from, pages) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!(pages[i] & 1))
            return false;
    return true;
}
