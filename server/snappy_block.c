/*
 * snappy_block.c - see snappy_block.h.
 *
 * A piece is a block of its own without the length in front: copies reach back no further than its start, so that blocks
 * one behind the other are one block.
 */
#include "server/snappy_block.h"

#include <snappy-c.h>

#define GROWTH_MAX 22u /* a 3-byte copy gives at most 64 bytes */

size_t snappy_claimed(struct silt_str body)
{
    size_t claimed;

    return snappy_uncompressed_length(body.p, body.len, &claimed) == SNAPPY_OK ? claimed : SIZE_MAX;
}

enum silt_status snappy_unpack(struct silt_str body, size_t bytes_max, struct silt_arena *arena, struct silt_str *out,
                               struct silt_error *err)
{
    size_t len = snappy_claimed(body);

    if (len == SIZE_MAX)
        return silt_fail(err, SILT_INVALID, "snappy: corrupt input");
    if (len > bytes_max)
        return silt_fail(err, SILT_LIMIT, "unpacked body larger than %zu bytes", bytes_max);
    if (len > body.len * GROWTH_MAX)
        return silt_fail(err, SILT_INVALID, "snappy: corrupt input");
    const struct silt_budget *budget = silt_arena_budget(arena);
    char *unpacked = silt_arena_try_alloc(arena, len + 1);
    if (!unpacked)
        return silt_fail(err, budget && len >= atomic_load(&budget->limit_bytes) ? SILT_LIMIT : SILT_BUSY, "not enough memory for a body of %zu bytes", len);
    if (snappy_uncompress(body.p, body.len, unpacked, &len) != SNAPPY_OK)
        return silt_fail(err, SILT_INVALID, "snappy: corrupt input");
    *out = (struct silt_str){unpacked, len};
    return SILT_OK;
}

size_t snappy_pack_piece(const char *bytes, size_t len, char *out)
{
    char block[SNAPPY_PIECE_ROOM];
    size_t packed = sizeof(block), skipped = 0;

    silt_assert(len <= SNAPPY_PIECE_BYTES && snappy_compress(bytes, len, block, &packed) == SNAPPY_OK);
    while (block[skipped++] & 0x80)
        ;
    memcpy(out, block + skipped, packed - skipped);
    return packed - skipped;
}
