/*
 * compact_plan.h - which files of a shard are worth merging: a pure function of their sizes.
 *
 * Files stand in the order of their age, oldest first. Only neighbours may be merged, because where two files have the
 * same point the younger one wins, and a merged file takes the place of all its inputs:
 *
 *     600M   200M   9M   8M   8M   2M      files_max 6
 *                  \_______________/       writes 27M to bring 18M one step up: 1.5 for one; nothing is cheaper
 *
 * The largest file of a merge gains nothing from it: it is as large as before. So a merge costs all of its bytes and is
 * worth all but the largest file's, and the run of neighbours with the best rate is taken. In steady flow each byte is
 * then written about seven times in a thousand flushes, with never more than files_max files.
 */
#ifndef STORAGE_COMPACT_PLAN_H
#define STORAGE_COMPACT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compact_file {
    uint64_t bytes;
    bool masked; /* a tombstone hides some of it */
};

struct compact_choice {
    size_t begin, count; /* files[begin .. begin + count) become one */
};

/* cold: nothing is written to the shard any more, so that one sorted run without tombstones is the goal. False: nothing
 * is worth doing. A choice has at least two files, or one that is masked. */
bool compact_plan(const struct compact_file *files, size_t count, size_t files_max, bool cold,
                  struct compact_choice *choice);

#endif
