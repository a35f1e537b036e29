/*
 * predicate.h - the predicate of /api/v2/delete as InfluxQL.
 *
 *     _measurement="cpu" AND (host="a" and dc='x')    ->    DELETE FROM "cpu" WHERE "host" = 'a' AND "dc" = 'x' AND
 * time >= ...
 *
 * Only `=` and AND, as in InfluxDB; names bare or in double quotes, values bare or in quotes of either kind. What is
 * read is written anew, quoted and escaped: no text of the client's reaches the parser as it came.
 */
#ifndef SERVER_PREDICATE_H
#define SERVER_PREDICATE_H

#include "silt/base.h"

struct predicate {
    struct silt_str text;
    silt_time start, stop; /* start <= time < stop */
};

/* SILT_UNSUPPORTED: an operator beyond `=` and AND; SILT_INVALID: cannot be read. The statement is in the
 * arena; it is empty where nothing can match: a point of two measurements. */
enum silt_status predicate_to_delete(const struct predicate *predicate, struct silt_arena *arena, struct silt_str *out,
                                     struct silt_error *err);

#endif
