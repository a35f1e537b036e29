/*
 * direct_read.c - implements direct_read.h with O_DIRECT; the page cache is asked by mincore.
 */
#include "storage/direct_read.h"

#include "silt/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define ASKED_BYTES_MAX ((size_t)1 << 20) /* a read is judged by so much of its front */

int direct_open(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* its name may be gone by now */
    return open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
}

/* Whether the page cache has it all. */
static bool is_cached(const char *map, uint64_t offset, size_t len)
{
    unsigned char present[ASKED_BYTES_MAX / DIRECT_BLOCK_BYTES];
    size_t asked = len < ASKED_BYTES_MAX ? len : ASKED_BYTES_MAX;

    if (!map || sysconf(_SC_PAGESIZE) != (long)DIRECT_BLOCK_BYTES || mincore((void *)(uintptr_t)(map + offset), asked, present) != 0)
        return false;
    for (size_t i = 0; i < asked / DIRECT_BLOCK_BYTES; i++)
        if (!(present[i] & 1))
            return false;
    return true;
}

size_t direct_read(int direct, const char *map, uint64_t offset, char *out, size_t len)
{
    size_t done = 0;

    len -= len % DIRECT_BLOCK_BYTES;
    if (len == 0 || offset % DIRECT_BLOCK_BYTES || (uintptr_t)out % DIRECT_BLOCK_BYTES || is_cached(map, offset, len))
        return 0;
    while (done < len) {
        ssize_t got = pread(direct, out + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || (size_t)got % DIRECT_BLOCK_BYTES) /* what an error is, the usual way tells */
            return done + (got > 0 ? (size_t)got : 0);
        done += (size_t)got;
    }
    return done;
}
