/*
 * fuzz_influxdb.c - arbitrary bytes as each of InfluxDB's files. The first byte tells which:
 *
 *     0 a block   1 a TSM file   2 a TSM file, all checksums made right   3 a log's segment   4 tombstones   5 meta.db
 *     6 a segment with one entry, of the kind in the second byte and the rest: what snappy would hide
 */
#include "inspect/influxdb/meta.h"
#include "inspect/influxdb/shard_scan.h"
#include "inspect/influxdb/sums.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct influx_log quiet = {.quiet = true};

static void scan_all(const struct influx_shard *shard)
{
    struct influx_scan scan = {.shard = shard, .log = &quiet};
    struct influx_sums *sums = influx_sums_create();
    size_t count;
    while (influx_scan_next(&scan)) {
        for (size_t f = 0; f < scan.field_count; f++) {
            struct influx_field *field = &scan.fields[f];
            uint32_t number = influx_sums_field(sums, scan.series, field->name, field->type);
            struct influx_run run;
            bool first = true;
            silt_time last = 0;
            while ((run = influx_field_next(field, &quiet)).count) {
                for (size_t i = 0; i < run.count; i++) {
                    silt_assert(first || run.times[i] > last);
                    first = false;
                    last = run.times[i];
                }
                influx_sums_add_values(sums, number, 1, run.times, run.values, run.count);
            }
        }
    }
    influx_sums_list(sums, &count);
    influx_sums_destroy(sums);
    influx_scan_free(&scan);
}

static void mend(uint8_t *bytes, const struct influx_tsm *file)
{
    struct influx_key key;
    for (size_t at = file->index; at < file->index_end && !influx_tsm_key(file, at, &key); at = key.next)
        for (uint32_t i = 0; i < key.entry_count; i++) {
            struct influx_entry entry = influx_tsm_entry(&key, i);
            if (entry.offset > file->index || entry.bytes < 4 || entry.bytes > file->index - entry.offset)
                continue;
            uint32_t crc = __builtin_bswap32((uint32_t)crc32(0, bytes + entry.offset + 4, entry.bytes - 4));
            memcpy(bytes + entry.offset, &crc, 4);
        }
}

/* With itself as a newer file, of which its index, read as tombstones, deletes something: every time meets itself. */
static void try_file(const uint8_t *data, size_t size, bool right)
{
    uint8_t *bytes = silt_malloc(size + 1);
    struct influx_tsm file = {.path = "fuzz"};
    memcpy(bytes, data, size);
    if (!influx_tsm_init(&file, bytes, size)) {
        if (right)
            mend(bytes, &file);
        struct influx_tsm newer = file, *files[] = {&file, &newer};
        struct influx_shard shard = {.files = files, .file_count = 2};
        influx_wal_init(&shard.wal, INT64_MIN, INT64_MAX, NULL);
        influx_wal_finish(&shard.wal);
        influx_tombstones_parse(bytes + file.index, size - file.index, &newer.tombstones);
        scan_all(&shard);
        influx_tombstones_free(&newer.tombstones);
        influx_wal_free(&shard.wal);
    }
    free(bytes);
}

static void try_log(const uint8_t *data, size_t size)
{
    struct silt_budget budget;
    struct silt_error err;
    silt_budget_init(&budget, "fuzz", (size_t)256 << 20, NULL);
    struct influx_shard shard = {0};
    influx_wal_init(&shard.wal, INT64_MIN, INT64_MAX, &budget);
    influx_wal_add(&shard.wal, "fuzz", data, size, false, &quiet, &err);
    influx_wal_add(&shard.wal, "fuzz", data, size, true, &quiet, &err);
    influx_wal_finish(&shard.wal);
    scan_all(&shard);
    influx_wal_free(&shard.wal);
    silt_assert(atomic_load(&budget.used_bytes) == 0);
}

static void try_entry(const uint8_t *data, size_t size)
{
    if (size < 1)
        return;
    size_t packed = snappy_max_compressed_length(size - 1);
    uint8_t *segment = silt_malloc(5 + packed);
    segment[0] = data[0] % 4;
    snappy_compress((const char *)data + 1, size - 1, (char *)segment + 5, &packed);
    uint32_t len = __builtin_bswap32((uint32_t)packed);
    memcpy(segment + 1, &len, 4);
    try_log(segment, 5 + packed);
    free(segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct influx_block block;
    struct influx_tombstones tombstones;
    struct influx_meta meta;
    struct silt_error err;
    if (size < 1)
        return 0;
    unsigned kind = *data++ % 7;
    size--;
    if (kind == 0)
        influx_block_decode(data, size, &block);
    else if (kind == 1 || kind == 2)
        try_file(data, size, kind == 2);
    else if (kind == 3)
        try_log(data, size);
    else if (kind == 4) {
        influx_tombstones_parse(data, size, &tombstones);
        influx_tombstones_free(&tombstones);
    } else if (kind == 5) {
        struct silt_arena *arena = silt_arena_create(NULL);
        influx_meta_parse(data, size, arena, &meta, &err);
        silt_arena_destroy(arena);
    } else {
        try_entry(data, size);
    }
    return 0;
}
