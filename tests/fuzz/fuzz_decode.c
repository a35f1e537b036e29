/*
 * fuzz_decode.c - arbitrary bytes to every decoder: | count low, count high | payload |. Whatever was decoded is encoded
 * and decoded again: that must give the same.
 */
#include "storage/encode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again_ints(const int64_t *values, unsigned count)
{
    struct silt_buffer out = {0};
    static int64_t back[ENCODE_ROWS_MAX];
    unsigned codec = encode_ints(values, count, &out);
    silt_assert(out.len <= ENCODE_NUMERIC_BYTES_MAX);
    silt_assert(decode_ints(codec, out.p, out.len, count, back) == SILT_OK);
    silt_assert(memcmp(values, back, count * sizeof(*values)) == 0);
    silt_buffer_free(&out);
}

static void again_times(const silt_time *values, unsigned count)
{
    struct silt_buffer out = {0};
    static silt_time back[ENCODE_ROWS_MAX];
    unsigned codec = encode_times(values, count, &out);
    silt_assert(decode_times(codec, out.p, out.len, count, back) == SILT_OK);
    silt_assert(memcmp(values, back, count * sizeof(*values)) == 0);
    silt_buffer_free(&out);
}

static void again_floats(const double *values, unsigned count)
{
    struct silt_buffer out = {0};
    static double back[ENCODE_ROWS_MAX];
    unsigned codec = encode_floats(values, count, &out);
    silt_assert(out.len <= (size_t)count * 8);
    silt_assert(decode_floats(codec, out.p, out.len, count, back) == SILT_OK);
    silt_assert(memcmp(values, back, count * sizeof(*values)) == 0);
    silt_buffer_free(&out);
}

static void again_strings(const struct silt_str *values, unsigned count, struct silt_arena *arena)
{
    struct silt_buffer out = {0};
    static struct silt_str back[ENCODE_ROWS_MAX];
    unsigned codec = encode_strings(values, count, &out);
    silt_assert(decode_strings(codec, out.p, out.len, count, arena, back) == SILT_OK);
    for (unsigned i = 0; i < count; i++)
        silt_assert(silt_str_equal(values[i], back[i]));
    silt_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int64_t ints[ENCODE_ROWS_MAX];
    static double floats[ENCODE_ROWS_MAX];
    static uint8_t bools[ENCODE_ROWS_MAX];
    static struct silt_str strings[ENCODE_ROWS_MAX];
    if (size < 2)
        return 0;
    unsigned count = 1 + (data[0] | (unsigned)data[1] << 8) % ENCODE_ROWS_MAX;
    size_t len = size - 2;
    uint8_t *bytes = malloc(len ? len : 1); /* of exact size, so that each byte past the end is seen */
    if (len)
        memcpy(bytes, data + 2, len);
    struct silt_budget budget;
    silt_budget_init(&budget, "fuzz", (size_t)64 << 20, NULL);
    struct silt_arena *arena = silt_arena_create(&budget);
    for (unsigned codec = 0; codec <= ENCODE_CODEC_COUNT; codec++) {
        if (decode_ints(codec, bytes, len, count, ints) == SILT_OK)
            again_ints(ints, count);
        if (decode_times(codec, bytes, len, count, ints) == SILT_OK)
            again_times(ints, count);
        if (decode_floats(codec, bytes, len, count, floats) == SILT_OK)
            again_floats(floats, count);
        if (decode_bools(codec, bytes, len, count, bools) == SILT_OK)
            for (unsigned i = 0; i < count; i++)
                silt_assert(bools[i] <= 1);
        if (decode_strings(codec, bytes, len, count, arena, strings) == SILT_OK)
            again_strings(strings, count, arena);
    }
    silt_arena_destroy(arena);
    free(bytes);
    return 0;
}
