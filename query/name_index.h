/*
 * name_index.h - names, each once, numbered in the order in which they came: 0, 1, 2, ...
 *
 *     names   usage_user  usage_system  host ...
 *     slots   [ - 2 - 1 - - 3 - ]      number + 1, by hash; at most half full
 *
 * So that a statement over thousands of columns takes thousands of steps. A few names are looked through one by one and have
 * no slots. All zero: empty. In an arena that is the same for all calls; one thread.
 */
#ifndef QUERY_NAME_INDEX_H
#define QUERY_NAME_INDEX_H

#include "silt/base.h"

#define NAME_NONE UINT32_MAX

struct name_index {
    struct silt_str *names;
    size_t count, capacity;
    uint32_t *slots;
    size_t slot_count;
};

/* The name's number; a new one gets the next. The text is borrowed. */
uint32_t name_index_add(struct name_index *index, struct silt_str name, struct silt_arena *arena);
/* NAME_NONE: it is not there. */
uint32_t name_index_find(const struct name_index *index, struct silt_str name);

#endif
