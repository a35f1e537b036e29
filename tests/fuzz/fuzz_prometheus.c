/*
 * fuzz_prometheus.c - bodies of Prometheus' remote write and read of any bytes: a batch that is sound, a request, or a refusal.
 *
 * The first byte picks the message, and whether it comes packed.
 */
#include "server/prom_read.h"
#include "server/prom_write.h"
#include "server/snappy_block.h"

#include <math.h>
#include <stdlib.h>

#define BODY_BYTES_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_batch(const struct silt_batch *batch, struct silt_arena *arena)
{
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct silt_row *row = &batch->rows[i];
        struct silt_str key, measurement;
        struct silt_tag *tags;
        size_t tag_count;
        silt_assert(row->line == i && row->layout < batch->layout_count && row->value_offset < batch->row_count);
        silt_assert(isfinite(batch->values[row->value_offset].f64));
        /* What the store reads out of the key is what it was made of. */
        if (!silt_series_key_parse(row->series, arena, &key, &measurement, &tags, &tag_count))
            silt_assert(silt_str_equal(key, row->series) &&
                        silt_str_equal(measurement, batch->layouts[row->layout].measurement));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct silt_budget budget;
    struct silt_batch batch;
    struct lp_errors errors;
    struct prom_read read;
    struct silt_error err;

    if (size == 0)
        return 0;
    silt_budget_init(&budget, "fuzz", (size_t)64 << 20, NULL);
    struct silt_arena *arena = silt_arena_create(&budget);
    char *exact = malloc(size); /* so that the sanitizer guards the end */
    memcpy(exact, data + 1, size - 1);
    struct silt_str message = {exact, size - 1};
    if ((data[0] & 2) == 0 || snappy_unpack(message, BODY_BYTES_MAX, arena, &message, &err) == SILT_OK) {
        if (data[0] & 1) {
            prom_read_parse(message, arena, &read, &err);
            prom_read_text(&read, arena);
            prom_read_deinit(&read);
        } else if (prom_write_parse(message, arena, &batch, &errors, &err) == SILT_OK) {
            check_batch(&batch, arena);
        }
    }
    free(exact);
    silt_arena_destroy(arena);
    return 0;
}
