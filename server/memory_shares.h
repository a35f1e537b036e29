/*
 * memory_shares.h - what each part of the server may take of the memory there is: one sum, so that together they fit.
 *
 *     machine, or its control group --85 %--> server.max-memory
 *         series index 65 %, points not in files yet 15 %, queries 12 %, writes being read 8 %
 *
 * A setting of its own bounds its part further; that of the index and of the points in memory replaces the share.
 */
#ifndef SERVER_MEMORY_SHARES_H
#define SERVER_MEMORY_SHARES_H

#include "silt/server.h"

struct memory_shares { /* bytes; none is 0 */
    uint64_t index, memtable_soft, memtable_hard, queries, writes;
};

/* Pure. machine_bytes: what silt_machine_memory says. */
struct memory_shares memory_shares_of(const struct silt_server_options *options, uint64_t machine_bytes);

#endif
