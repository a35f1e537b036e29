/*
 * machine.h - what the machine, or the part of it that this process may use, has.
 */
#ifndef SILT_MACHINE_H
#define SILT_MACHINE_H

#include "silt/base.h"

/* Bytes of memory that this process may use: the machine's, or less where a control group (version 1 or 2) of the process or
 * above it says so. Reads /proc and /sys; any thread. */
size_t silt_machine_memory(void);

/* The same from files anywhere: `groups` as /proc/self/cgroup, `mount` as /sys/fs/cgroup, machine_bytes where neither says less. */
size_t silt_group_memory(const char *groups, const char *mount, size_t machine_bytes);

#endif
