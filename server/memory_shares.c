/*
 * memory_shares.c - implements memory_shares.h.
 */
#include "server/memory_shares.h"

#define MIB ((uint64_t)1 << 20)
#define TOTAL_MIN (256 * MIB) /* with less, nothing would go */
#define MEMTABLE_HARD_MAX (8192 * MIB) /* more makes starts after a crash slow, not writes faster */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* bound 0: none of its own. */
static uint64_t bounded(uint64_t share, uint64_t bound)
{
    return bound ? least(share, bound) : share;
}

static void share_memtables(const struct silt_server_options *options, uint64_t share, struct memory_shares *shares)
{
    uint64_t soft = options->memtable_soft_bytes, hard = options->memtable_hard_bytes;

    if (hard == 0)
        hard = soft ? 2 * soft : least(share, MEMTABLE_HARD_MAX);
    shares->memtable_hard = hard;
    shares->memtable_soft = soft ? soft : hard / 2;
}

struct memory_shares memory_shares_of(const struct silt_server_options *options, uint64_t machine_bytes)
{
    uint64_t total = options->max_memory_bytes ? options->max_memory_bytes : machine_bytes / 100 * 85;
    struct memory_shares shares;

    if (total < TOTAL_MIN)
        total = TOTAL_MIN;
    shares.index = options->index_bytes_max ? options->index_bytes_max : total / 100 * 65;
    share_memtables(options, total / 100 * 15, &shares);
    shares.queries = bounded(total / 100 * 12, options->memory_bytes);
    shares.writes = bounded(total / 100 * 8, options->write_memory_bytes);
    return shares;
}
