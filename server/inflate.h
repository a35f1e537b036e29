/*
 * inflate.h - a gzip request body, unpacked within a bound.
 */
#ifndef SERVER_INFLATE_H
#define SERVER_INFLATE_H

#include "silt/text.h"

/* Unpack all members of a gzip body into out (appended). SILT_LIMIT: more than bytes_max would come out.
 * SILT_INVALID: `gzip: invalid header`, `unexpected EOF` and the like. */
enum silt_status inflate_gzip(struct silt_str body, size_t bytes_max, struct silt_buffer *out, struct silt_error *err);

#endif
