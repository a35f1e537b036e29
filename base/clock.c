/*
 * clock.c - the two clocks: what time it is, and how much of it has passed.
 */
#include "silt/base.h"

#include <time.h>

silt_time silt_clock_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (silt_time)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

uint64_t silt_clock_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
