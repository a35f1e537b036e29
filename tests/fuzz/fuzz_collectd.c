/*
 * fuzz_collectd.c - collectd's packets, its types.db and the file of users. The first byte picks the form and the level;
 * nothing may crash, and what comes out must be a batch that holds together.
 */
#include "server/collectd_points.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct collectd_types *types;
static struct collectd_users *users;

static void prepare(void)
{
    char path[] = "/tmp/fuzz-collectd-XXXXXX";
    int fd = mkstemp(path);

    silt_assert(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fprintf(file, "a: b\n");
    fclose(file);
    users = collectd_users_create(path);
    types = collectd_types_parse(SILT_STR("g value:GAUGE:U:U\nd value:DERIVE:U:U\nc value:COUNTER:U:U\n"
                                          "m x:GAUGE:U:U, y:DERIVE:U:U, x:COUNTER:U:U\n"));
    struct silt_error err;
    silt_assert(collectd_users_check(users, &err) == SILT_OK);
    unlink(path);
}

static void check_batch(const struct silt_batch *batch)
{
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct silt_row *row = &batch->rows[i];
        silt_assert(row->layout < batch->layout_count && row->series.len > 0);
        silt_assert(row->time >= SILT_TIME_MIN && row->time <= SILT_TIME_MAX);
        for (uint32_t k = 0; k < batch->layouts[row->layout].field_count; k++)
            silt_assert(isfinite(batch->values[row->value_offset + k].f64));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct silt_error err;
    struct collectd_lists lists;
    struct datagram_points points;

    if (!types)
        prepare();
    if (size == 0)
        return 0;
    char *copy = malloc(size); /* exactly as long: reading past it is seen */
    memcpy(copy, data + 1, size - 1);
    struct silt_str text = {copy, size - 1};
    struct silt_arena *arena = silt_arena_create(NULL);
    struct collectd_reader reader = {types, users, (enum silt_collectd_security)(data[0] % 3)};
    if (data[0] & 0x80) {
        collectd_types_free(collectd_types_parse(text));
    } else if (collectd_read_packet(&reader, text, arena, &lists, &err) == SILT_OK) {
        collectd_make_points(&lists, data[0] & 0x40 ? SILT_COLLECTD_JOIN : SILT_COLLECTD_SPLIT, arena, &points);
        check_batch(&points.batch);
    }
    silt_arena_destroy(arena);
    free(copy);
    return 0;
}
