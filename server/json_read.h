/*
 * json_read.h - the `params` parameter of /query: a JSON object into bound parameters.
 *
 *     {"h":"a","n":1,"x":1.5,"t":{"duration":"15s"}}   ->  string, integer, float, duration
 *
 * Memory: names and texts live in the arena.
 */
#ifndef SERVER_JSON_READ_H
#define SERVER_JSON_READ_H

#include "silt/query.h"

/* SILT_INVALID: err->text is the whole answer to give. A value of a kind that cannot be bound is no error here: its
 * parameter is SILT_PARAM_ERROR and fails when it is used. */
enum silt_status json_read_params(struct silt_str text, struct silt_arena *arena, struct silt_param **params,
                                  size_t *count, struct silt_error *err);

#endif
