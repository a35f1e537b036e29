/*
 * inflate.h - a gzip request body, unpacked within a bound.
 */
#ifndef SERVER_INFLATE_H
#define SERVER_INFLATE_H

#include "silt/text.h"

/* Unpack all members of a gzip body into out, which is empty. SILT_LIMIT: more than bytes_max would come out.
 * SILT_INVALID: `gzip: invalid header`, `unexpected EOF` and the like. SILT_BUSY: the budget does not allow it now. Charged to it is
 * out's capacity, on failure too. */
enum silt_status inflate_gzip(struct silt_str body, size_t bytes_max, struct silt_budget *budget, struct silt_buffer *out,
                              struct silt_error *err);

#endif
