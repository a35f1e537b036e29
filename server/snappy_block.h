/*
 * snappy_block.h - bodies in snappy's block format: the length of what is packed, then pieces and copies of what was before.
 *
 *     varint length | literal or copy | literal or copy ...
 */
#ifndef SERVER_SNAPPY_BLOCK_H
#define SERVER_SNAPPY_BLOCK_H

#include "silt/text.h"

/* What a body says that it holds, SIZE_MAX where it says nothing of sense. It may not be true. */
size_t snappy_claimed(struct silt_str body);
/* Into the arena. SILT_INVALID `snappy: corrupt input`; SILT_LIMIT: more than bytes_max, or than the arena's budget has at
 * all; SILT_BUSY: than it has now. Nothing is allocated that the body cannot fill. */
enum silt_status snappy_unpack(struct silt_str body, size_t bytes_max, struct silt_arena *arena, struct silt_str *out,
                               struct silt_error *err);

/* What is packed piece by piece, to be put behind the length of the whole. out: SNAPPY_PIECE_ROOM bytes of room. */
#define SNAPPY_PIECE_BYTES ((size_t)65536)
#define SNAPPY_PIECE_ROOM (SNAPPY_PIECE_BYTES + SNAPPY_PIECE_BYTES / 6 + 64)
size_t snappy_pack_piece(const char *bytes, size_t len, char *out);

#endif
