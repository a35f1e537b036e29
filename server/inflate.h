/*
 * inflate.h - a gzip request body, unpacked within a bound.
 */
#ifndef SERVER_INFLATE_H
#define SERVER_INFLATE_H

#include "silt/text.h"

/* Unpack all members of a gzip body into out, which is empty. Charged to the budget is out's capacity, on failure too.
 * SILT_INVALID: `gzip: invalid header`, `unexpected EOF` and the like. SILT_LIMIT: more would come out than bytes_max, or than a
 * third of the budget where that is used up. SILT_BUSY: the budget does not allow it now. */
enum silt_status inflate_gzip(struct silt_str body, size_t bytes_max, struct silt_budget *budget, struct silt_buffer *out,
                              struct silt_error *err);

#endif
