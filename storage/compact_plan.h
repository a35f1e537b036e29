/*
 * compact_plan.h - which files of a shard are worth merging: a pure function of their sizes and times.
 *
 * Files stand in the order of their age, oldest first. Only neighbours may be merged, because where two files have the
 * same point the younger one wins, and a merged file takes the place of all its inputs. Those that come from memory stand at
 * the end; what was merged stands before them and stays as it is while the shard is written:
 *
 *     merged   merged   merged | flushed  flushed  flushed  flushed  flushed  flushed         files_min 6
 *                                \___________________________________________________/
 *                                become one when they are files_min and as many as stand before them
 *
 * So each byte is written twice, whatever comes: by its flush, by one merge; and a third time when the shard is at rest and all of it
 * becomes one sorted run. The price are files: after n flushes about the square root of 2n merged ones, 44 in a week of a flush
 * every ten minutes, and at most as many flushed ones. What comes in the order of time shares no time with its neighbours, so that a
 * query has to do with few. Where more than COMPACT_OVERLAP_MAX files share a moment, or there are more than COMPACT_FILES_MAX, merges
 * go on beyond that: then the run of neighbours with the best rate is taken, its bytes against those that are not in its largest file,
 * which gains nothing.
 *
 * At rest, the longer a shard has been so the worse a rate will do: a late point is no reason to write ten gigabytes.
 */
#ifndef STORAGE_COMPACT_PLAN_H
#define STORAGE_COMPACT_PLAN_H

#include "silt/base.h"

#define COMPACT_OVERLAP_MAX 24u
#define COMPACT_FILES_MAX 96u

struct compact_file {
    uint64_t bytes;
    silt_time min, max; /* of its points */
    bool merged;        /* not as a flush wrote it */
    bool masked;        /* a tombstone hides some of it */
};

struct compact_choice {
    size_t begin, count; /* files[begin .. begin + count) become one */
};

/* How long nothing was written to the shard, against how long it takes to count as at rest: below 1 it is not. A merge is worth
 * its while when the square of its rate is no more. COMPACT_ANY: one sorted run without tombstones, whatever it costs. */
#define COMPACT_ANY 1e300

/* False: nothing is worth doing. A choice has at least two files, or one that is masked. */
bool compact_plan(const struct compact_file *files, size_t count, size_t files_min, double rest, struct compact_choice *choice);

#endif
