/*
 * give_back.c - memory that was freed goes back to the system.
 *
 *     resident now  >  low mark + SLACK_BYTES   ->   kept blocks unmapped, the C library's free pages given up
 *     low mark      =  the lowest seen; where more than that stays, half of the way up to it
 *
 * The C library keeps what was freed in the heap of the thread that asked for it: right while the next request wants the
 * same, wrong for hours after one large query, some dozens of MB for every worker. Asked for at every free this would be
 * system calls on every request's way; looked at now and then it costs a read of /proc, and pages that are wanted again
 * at once are faulted in again once per look.
 *
 * What stays may be in use for good, as an index is, or by a query that ends in a moment. With half of the way each time, the
 * first is left alone after a few looks, and the second is looked at again.
 */
#include "silt/base.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define SLACK_BYTES ((size_t)16 << 20)

/* Of the process' own, without files; 0 where /proc is not there. */
static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long resident = 0, shared = 0;

    if (file) {
        if (fscanf(file, "%*u %lu %lu", &resident, &shared) != 2)
            resident = shared = 0;
        fclose(file);
    }
    return (size_t)(resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

size_t silt_memory_give_back(size_t low_mark)
{
    size_t now = resident_bytes();

    if (now > low_mark && now - low_mark > SLACK_BYTES) {
        silt_blocks_give_back();
        malloc_trim(0);
        now = resident_bytes();
        return now < low_mark ? now : low_mark + (now - low_mark) / 2;
    }
    return now < low_mark ? now : low_mark;
}
