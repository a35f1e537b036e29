/*
 * column_names.h - names of columns, each once: v, v_1, v_2, ... for the same field several times.
 *
 *     v      -> taken, next to try: v_3
 *     v_1    -> taken
 *     v_2    -> taken
 *
 * A set of the names taken so far; each remembers where the search for a free name behind it goes on, so that thousands
 * of columns of one name cost thousands of steps. In the arena; one thread.
 */
#ifndef QUERY_COLUMN_NAMES_H
#define QUERY_COLUMN_NAMES_H

#include "silt/base.h"

struct column_names;

/* count_max: names that will be in it. */
struct column_names *column_names_create(size_t count_max, struct silt_arena *arena);
/* Taken from now on; it may be already. The text is borrowed. */
void column_names_take(struct column_names *names, struct silt_str name, struct silt_arena *arena);
/* The name, or the first of name_1, name_2, ... that is not taken; it is from now on. */
struct silt_str column_names_choose(struct column_names *names, struct silt_str name, struct silt_arena *arena);

#endif
