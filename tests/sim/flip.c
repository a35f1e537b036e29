/*
 * flip.c - one bit of a file is wrong while the store is closed. It answers right, or says that it cannot; it never answers
 * wrong. Each flip is tried on a copy of the disk.
 *
 * Only after a clean stop: the end of a log that a crash cut cannot be told from a damaged one.
 */
#include "tests/sim/sim.h"

#include <stdio.h>

static const char *const kinds[FLIP_KINDS] = {"data", "log", "manifest", "tombstones", "catalog"};

static unsigned kind_of(const char *name)
{
    size_t len = strlen(name);
    return strncmp(name, "wal/", 4) == 0                          ? 1
           : strncmp(name, "meta.", 5) == 0                       ? 4
           : len > 4 && strcmp(name + len - 4, ".tsm") == 0       ? 0
           : len > 5 && strcmp(name + len - 5, ".tomb") == 0      ? 3
                                                                  : 2;
}

struct choice {
    struct sim *sim;
    unsigned kind, seen;
    char name[VFS_NAME_BYTES_MAX];
    uint64_t bytes;
};

static void choose(void *arg, const char *name, uint64_t bytes)
{
    struct choice *choice = arg;
    if (kind_of(name) == choice->kind && bytes > 0 && below(choice->sim, ++choice->seen) == 0) {
        snprintf(choice->name, sizeof(choice->name), "%s", name);
        choice->bytes = bytes;
    }
}

static void try_flip(struct sim *sim, struct choice *choice)
{
    struct silt_error err;
    struct sim view = *sim;
    uint64_t offset = sim_random(sim) % choice->bytes;
    unsigned bit = below(sim, 8);
    char doing[VFS_NAME_BYTES_MAX + 64];
    snprintf(doing, sizeof(doing), "bit %u of byte %llu of %llu of %s flipped", bit, (unsigned long long)offset,
             (unsigned long long)choice->bytes, choice->name);
    view.doing = doing;
    view.vfs = fault_vfs_snapshot(sim->vfs, sim_random(sim), false);
    view.damaged = true;
    view.error_seen = false;
    silt_assert(fault_vfs_flip(view.vfs, choice->name, offset, bit));
    totals.flips[choice->kind]++;
    if (open_store(&view, &err) == SILT_OK) {
        check_all(&view, false);
        (void)silt_storage_close(view.storage, false, &err); /* the damage may show only now */
    } else {
        view.error_seen = true;
    }
    totals.flips_seen[choice->kind] += view.error_seen;
    fault_vfs_destroy(view.vfs);
}

void flip_and_look(struct sim *sim, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct choice choice = {.sim = sim, .kind = below(sim, FLIP_KINDS)};
        fault_vfs_each(sim->vfs, choose, &choice);
        if (choice.seen)
            try_flip(sim, &choice);
    }
}

uint64_t flips_tried(void)
{
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < FLIP_KINDS; kind++)
        sum += totals.flips[kind];
    return sum;
}

void print_flips(void)
{
    printf("flipped bits, seen:");
    for (unsigned kind = 0; kind < FLIP_KINDS; kind++)
        printf(" %s %llu, %llu;", kinds[kind], (unsigned long long)totals.flips[kind], (unsigned long long)totals.flips_seen[kind]);
    printf(" the others without harm\n");
}
