/*
 * mapping.h - whole files in memory, of which a page may turn out to be unreadable.
 *
 *     a page that the disk does not give (or that is not there any more) -> SIGBUS -> zeros take its place, the mapping's
 *     counter of faults rises, and the program goes on
 *
 * So whoever looks at a mapping looks at the counter before and behind it: when it has risen, what was seen may be zeros. Bytes that
 * are checked by a sum and copied before they are used need no more than that. The zeros stay until the mapping goes.
 *
 * Threads: any. SIGBUS belongs to this file once there is a mapping; one that comes of something else goes to who had it before.
 */
#ifndef STORAGE_MAPPING_H
#define STORAGE_MAPPING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    _Atomic uintptr_t start;
    _Atomic size_t bytes;    /* 0: not in use */
    _Atomic uint32_t faults; /* pages that could not be read */
};

/* NULL: the system says no. bytes is not 0. */
struct mapping *mapping_create(int fd, size_t bytes);
void mapping_destroy(struct mapping *mapping); /* NULL is fine */
/* MADV_... of the pages that [offset, offset + len) touches; a hint, which the system may decline. NULL is fine. */
void mapping_advise(const struct mapping *mapping, uint64_t offset, uint64_t len, int advice);

static inline const void *mapping_start(const struct mapping *mapping) /* NULL: of none */
{
    return mapping ? (const void *)atomic_load_explicit(&mapping->start, memory_order_relaxed) : NULL;
}
static inline uint32_t mapping_faults(const struct mapping *mapping)
{
    return mapping ? atomic_load(&mapping->faults) : 0;
}

#endif
