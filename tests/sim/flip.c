/*
 * flip.c - a bit of a file at rest is wrong.
 */
#include "tests/sim/sim.h"

#include <stdio.h>

struct names {
    struct sim *sim;
    char folder[VFS_NAME_BYTES_MAX], chosen[VFS_NAME_BYTES_MAX];
    unsigned seen;
};

static void choose_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (below(names->sim, ++names->seen) == 0)
        snprintf(names->chosen, sizeof(names->chosen), "%s/%s", names->folder, name);
}

/* A bit of some shard's manifest, data or tombstones is wrong while the store is open. Nothing is written meanwhile. */
void flip_and_look(struct sim *sim)
{
    struct silt_error err;
    struct names files = {.sim = sim};
    unsigned bit = below(sim, 8);
    uint64_t offset = 0;
    for (unsigned shard = 1; shard <= SHARDS_MAX; shard++) {
        snprintf(files.folder, sizeof(files.folder), "shards/%u", shard);
        (void)sim->vfs->ops->list(sim->vfs, files.folder, choose_name, &files, &err); /* most are not there any more */
    }
    if (!files.seen)
        return;
    bool flipped = false;
    for (unsigned room = 1 << 16; room >= 16 && !flipped; room /= 2) {
        offset = below(sim, room);
        flipped = fault_vfs_flip(sim->vfs, files.chosen, offset, bit);
    }
    if (!flipped)
        return;
    sim->doing = "flipped bit";
    sim->damaged = true;
    sim->error_seen = false;
    totals.flips++;
    if (open_store(sim, &err) == SILT_OK) {
        check_all(sim, false);
        silt_storage_close(sim->storage, false, &err);
    } else {
        sim->error_seen = true;
    }
    totals.flips_seen += sim->error_seen;
    sim->damaged = false;
    fault_vfs_flip(sim->vfs, files.chosen, offset, bit);
}

