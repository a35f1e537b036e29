/*
 * json_read.h - small JSON objects: the `params` parameter of /query into bound parameters, a web token's parts.
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

/* A plain object's members as what they are: SILT_PARAM_STRING, SILT_PARAM_FLOAT for any number, SILT_PARAM_ERROR for what
 * is neither. Of several with one name, the last. err->text is Go's. */
enum silt_status json_read_members(struct silt_str text, struct silt_arena *arena, struct silt_param **members,
                                   size_t *count, struct silt_error *err);

#endif
