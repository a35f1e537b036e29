/*
 * integral.h - integral() as it walks over the numbers of a group in output order (running.h).
 *
 *         |     .---o       |         area between neighbours, a window at a time; a segment that crosses a window's
 *         | o--'    :  \    |         edge is cut there
 *         | : area  :   \---o
 *       edge               edge
 */
#ifndef QUERY_INTEGRAL_H
#define QUERY_INTEGRAL_H

#include "query/plan.h"

struct integral {
    const struct windows *windows;
    bool descending, whole, windowed, any;
    enum data_type type;
    double unit, sum;
    silt_time time; /* of the number before */
    double value;
    silt_time named, edge; /* of the window: what its row shows, and where it is left */
};

void integral_init(struct integral *integral, const struct compiled *compiled, enum data_type type, double unit);
/* As running_feed() and running_finish(); gives floats. */
size_t integral_feed(struct integral *integral, const silt_time *times, const uint64_t *values, size_t count,
                     silt_time *times_out, uint64_t *values_out);
size_t integral_finish(struct integral *integral, silt_time *times_out, uint64_t *values_out);

#endif
