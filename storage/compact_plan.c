/*
 * compact_plan.c - see compact_plan.h.
 */
#include "storage/compact_plan.h"

#include <math.h>

#define MASKED_SHARE 4 /* of the masked files' bytes one part is taken to be hidden */
#define FAR_RATE 4

/* The most files that have a moment in common: one of them begins then. */
static size_t overlap(const struct compact_file *files, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t with = 0;
        for (size_t j = 0; j < count; j++)
            with += files[j].min <= files[i].min && files[i].min <= files[j].max;
        most = with > most ? with : most;
    }
    return most;
}

/* The run of neighbours with the best rate, the longest among equals; there are two at least. Returns the rate. */
static double best_run(const struct compact_file *files, size_t count, struct compact_choice *choice)
{
    double best = (double)INFINITY;
    for (size_t begin = 0; begin + 1 < count; begin++) {
        double sum = (double)files[begin].bytes, largest = sum;
        for (size_t end = begin + 1; end < count; end++) {
            double bytes = (double)files[end].bytes;
            sum += bytes;
            largest = bytes > largest ? bytes : largest;
            double rate = (sum + 1) / (sum - largest + 1);
            if (rate < best || (rate == best && end - begin + 1 > choice->count)) {
                best = rate;
                *choice = (struct compact_choice){begin, end - begin + 1};
            }
        }
    }
    return best;
}

/* One run of all files, as soon as it is worth it; the smaller ones among them before only when that is far away. */
static bool at_rest(const struct compact_file *files, size_t count, double rest, struct compact_choice *choice)
{
    double sum = 0, largest = 0, won = 0;
    for (size_t i = 0; i < count; i++) {
        double bytes = (double)files[i].bytes;
        sum += bytes;
        largest = bytes > largest ? bytes : largest;
        won += files[i].masked ? bytes / MASKED_SHARE : 0; /* tombstones go when all is merged, and only then */
    }
    won += sum - largest;
    if (sum * sum <= rest * won * won) {
        *choice = (struct compact_choice){0, count};
        return count > 1 || files[0].masked;
    }
    if (count == 1 || sum <= FAR_RATE * won)
        return false;
    double rate = best_run(files, count, choice);
    return rate * rate <= rest;
}

bool compact_plan(const struct compact_file *files, size_t count, size_t files_min, double rest, struct compact_choice *choice)
{
    if (count == 0)
        return false;
    if (rest >= COMPACT_ANY) {
        *choice = (struct compact_choice){0, count};
        return count > 1 || files[0].masked;
    }
    if (rest >= 1 && at_rest(files, count, rest, choice))
        return true;
    if (files_min < 2)
        files_min = 2;
    size_t merged = count;
    while (merged > 0 && !files[merged - 1].merged)
        merged--;
    if (count - merged >= files_min && count - merged >= merged) {
        *choice = (struct compact_choice){merged, count - merged};
        return true;
    }
    if (count < 2 || (count <= COMPACT_FILES_MAX && overlap(files, count) <= COMPACT_OVERLAP_MAX))
        return false;
    best_run(files, count, choice);
    return true;
}
