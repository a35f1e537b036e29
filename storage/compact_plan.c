/*
 * compact_plan.c - see compact_plan.h.
 */
#include "storage/compact_plan.h"

bool compact_plan(const struct compact_file *files, size_t count, size_t files_max, bool cold,
                  struct compact_choice *choice)
{
    if (count == 0)
        return false;
    if (cold) {
        if (count == 1 && !files[0].masked)
            return false;
        *choice = (struct compact_choice){0, count};
        return true;
    }
    if (files_max < 2)
        files_max = 2;
    if (count < files_max)
        return false;

    double best = 0;
    for (size_t begin = 0; begin + 1 < count; begin++) {
        uint64_t sum = files[begin].bytes, largest = sum;
        for (size_t end = begin + 1; end < count; end++) {
            sum += files[end].bytes;
            if (files[end].bytes > largest)
                largest = files[end].bytes;
            double rate = ((double)sum + 1) / ((double)(sum - largest) + 1);
            if (best == 0 || rate < best) {
                best = rate;
                *choice = (struct compact_choice){begin, end - begin + 1};
            }
        }
    }
    return true;
}
