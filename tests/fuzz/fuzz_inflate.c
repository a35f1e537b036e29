/*
 * fuzz_inflate.c - a gzip body of any bytes: unpacked within the bound, or refused.
 */
#include "server/inflate.h"

#define BOUND ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct silt_buffer out = {0};
    struct silt_error err;

    struct silt_budget budget;

    silt_budget_init(&budget, "test", size % 3 == 0 ? 100000 : SIZE_MAX, NULL);
    if (inflate_gzip((struct silt_str){(const char *)data, size}, BOUND, &budget, &out, &err) == SILT_OK)
        silt_assert(out.len <= BOUND);
    silt_assert(atomic_load(&budget.used_bytes) == out.capacity);
    silt_buffer_free(&out);
    return 0;
}
