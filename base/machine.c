/*
 * machine.c - implements machine.h.
 *
 *     /proc/self/cgroup   0::/system.slice/siltd.service          version 2: the one tree
 *                         4:memory:/docker/9f...                  version 1: the tree of memory
 *     /sys/fs/cgroup      [memory]/system.slice/siltd.service/memory.max | memory.limit_in_bytes
 *
 * A bound counts for everything below it, so each group up to the root is asked. In a container the path may be one that its own
 * /sys does not have; the root is then the container's group.
 */
#include "silt/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUP_PATH_MAX 4096

/* "max" and what is not there bound nothing. */
static size_t bound_in(const char *folder, const char *name)
{
    char path[GROUP_PATH_MAX + 64], text[32];
    size_t bytes = SIZE_MAX;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return bytes;
    if (fgets(text, sizeof(text), file) && text[0] >= '0' && text[0] <= '9')
        bytes = strtoull(text, NULL, 10);
    fclose(file);
    return bytes;
}

/* The least of the bounds from mount/path up to mount. */
static size_t bound_above(const char *mount, const char *path, const char *name)
{
    char folder[GROUP_PATH_MAX];
    size_t least = SIZE_MAX, root = strlen(mount);

    if ((size_t)snprintf(folder, sizeof(folder), "%s%s", mount, path) >= sizeof(folder))
        return least;
    for (;;) {
        size_t bound = bound_in(folder, name);
        least = bound < least ? bound : least;
        char *cut = strrchr(folder, '/');
        if (!cut || cut < folder + root)
            return least;
        *cut = '\0';
    }
}

static bool names_memory(const char *controllers)
{
    const char *found = strstr(controllers, "memory");
    return found && (found == controllers || found[-1] == ',') && (found[6] == ',' || found[6] == '\0');
}

size_t silt_group_memory(const char *groups, const char *mount, size_t machine_bytes)
{
    char line[GROUP_PATH_MAX], memory_mount[GROUP_PATH_MAX];
    size_t least = machine_bytes;
    FILE *file = fopen(groups, "re");

    if (!file)
        return least;
    snprintf(memory_mount, sizeof(memory_mount), "%s/memory", mount);
    while (fgets(line, sizeof(line), file)) {
        size_t bound = SIZE_MAX;
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        if (*controllers == '\0')
            bound = bound_above(mount, path, "memory.max");
        else if (names_memory(controllers))
            bound = bound_above(memory_mount, path, "memory.limit_in_bytes");
        least = bound < least ? bound : least;
    }
    fclose(file);
    return least;
}

size_t silt_machine_memory(void)
{
    size_t bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return silt_group_memory("/proc/self/cgroup", "/sys/fs/cgroup", bytes);
}
