/*
 * encode_ranks.h - the integers codec for values that come again and again; drawn in encode_ranks.c. For encode_int.c.
 *
 * Threads: no state; any thread.
 */
#ifndef STORAGE_ENCODE_RANKS_H
#define STORAGE_ENCODE_RANKS_H

#include "storage/encode.h"

/* Appends the payload if it is shorter than `bytes_below`; else false, with nothing appended. rough: neighbours are no
 * nearer to each other than any two values are, so that ranks will be no narrower than the number of distinct values.
 */
bool encode_put_ranks(const int64_t *values, unsigned count, bool rough, size_t bytes_below, struct silt_buffer *out);
/* false: not such a payload. */
bool decode_ranks(struct encode_cursor *cursor, unsigned count, int64_t *out);

/* As encode_nested_ints and decode_nested_ints, of the codecs CONSTANT to DELTA2 alone. In encode_int.c. */
void encode_nested_plain_ints(const int64_t *values, unsigned count, struct silt_buffer *out);
bool decode_nested_plain_ints(struct encode_cursor *cursor, unsigned count, int64_t *out);

#endif
