/*
 * test_influxdb.c - what InfluxDB 1.x's formats allow and the influxd of tests/import_influxdb.py does not write: older versions
 * of tombstones, unsigned and raw blocks, blocks that overlap; and the numbers of simple8b, each selector against a plain reading.
 */
#include "inspect/influxdb/meta.h"
#include "inspect/influxdb/shard_scan.h"
#include "tests/run_suite.h"

#include <check.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>

static void put64(struct silt_buffer *out, uint64_t value)
{
    value = __builtin_bswap64(value);
    silt_buffer_append(out, &value, 8);
}

static void put32(struct silt_buffer *out, uint32_t value)
{
    value = __builtin_bswap32(value);
    silt_buffer_append(out, &value, 4);
}

static void put16(struct silt_buffer *out, uint16_t value)
{
    silt_buffer_char(out, (char)(value >> 8));
    silt_buffer_char(out, (char)value);
}

/* ---------------------------------------------------------------- blocks */

/* type, raw times of which the first and the deltas are given, raw zigzag numbers */
static void put_raw_block(struct silt_buffer *out, char type, const int64_t *times, const int64_t *values, size_t count)
{
    silt_buffer_char(out, type);
    ck_assert(1 + 8 * count < 128);
    silt_buffer_char(out, (char)(1 + 8 * count));
    silt_buffer_char(out, 0);
    for (size_t i = 0; i < count; i++)
        put64(out, (uint64_t)(times[i] - (i ? times[i - 1] : 0)));
    silt_buffer_char(out, 0);
    for (size_t i = 0; i < count; i++) {
        int64_t delta = (int64_t)((uint64_t)values[i] - (uint64_t)(i ? values[i - 1] : 0));
        put64(out, (uint64_t)delta << 1 ^ (uint64_t)(delta >> 63));
    }
}

START_TEST(raw_blocks)
{
    const int64_t times[] = {-5, 0, INT64_MAX / 2, INT64_MAX - 1}, values[] = {INT64_MIN, -1, INT64_MAX, 3};
    struct influx_block block = {0};
    for (int type = 1; type <= 4; type += 3) {
        struct silt_buffer bytes = {0};
        put_raw_block(&bytes, (char)type, times, values, 4);
        ck_assert_ptr_null(influx_block_decode((const uint8_t *)bytes.p, bytes.len, &block));
        ck_assert_int_eq(block.type, type == 1 ? SILT_TYPE_INTEGER : SILT_TYPE_UNSIGNED);
        ck_assert_uint_eq(block.count, 4);
        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(block.times[i], times[i]);
            ck_assert_int_eq(block.values[i].i64, values[i]);
        }
        for (size_t len = 0; len < bytes.len; len++) /* a piece of it is damage, and told */
            ck_assert_ptr_nonnull(influx_block_decode((const uint8_t *)bytes.p, len, &block));
        silt_buffer_free(&bytes);
    }
    influx_block_free(&block);
}
END_TEST

START_TEST(runs)
{
    /* 500 times, 10^9 + i * 2 * 10^3; integers 7, 4, 1 ... */
    struct silt_buffer bytes = {0};
    struct influx_block block = {0};
    silt_buffer_append(&bytes, "\x01\x0c\x23", 3);
    put64(&bytes, 1000000000);
    silt_buffer_append(&bytes, "\x02\xf4\x03\x20", 4);
    put64(&bytes, 14);
    silt_buffer_append(&bytes, "\x05\xf3\x03", 3);
    ck_assert_ptr_null(influx_block_decode((const uint8_t *)bytes.p, bytes.len, &block));
    ck_assert_uint_eq(block.count, 500);
    for (int i = 0; i < 500; i++) {
        ck_assert_int_eq(block.times[i], 1000000000 + i * 2000);
        ck_assert_int_eq(block.values[i].i64, 7 - 3 * i);
    }
    bytes.p[11] = 0; /* times that stand still */
    ck_assert_str_eq(influx_block_decode((const uint8_t *)bytes.p, bytes.len, &block), "times that do not rise");
    influx_block_free(&block);
    silt_buffer_free(&bytes);
}
END_TEST

START_TEST(simple8b)
{
    static const unsigned counts[16] = {240, 120, 60, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1};
    uint64_t out[240], state = 88172645463325252u;
    for (unsigned selector = 0; selector < 16; selector++) {
        uint64_t word = state = state * 6364136223846793005u + 1442695040888963407u;
        word = (word & ~((uint64_t)15 << 60)) | (uint64_t)selector << 60;
        uint64_t stored = __builtin_bswap64(word);
        unsigned width = selector < 2 ? 0 : 60 / counts[selector];
        ck_assert_uint_eq(influx_simple8b_count((const uint8_t *)&stored, 1, 240), counts[selector]);
        ck_assert_uint_eq(influx_simple8b_count((const uint8_t *)&stored, 1, counts[selector] - 1), SIZE_MAX);
        influx_simple8b_decode((const uint8_t *)&stored, 1, out);
        for (unsigned i = 0; i < counts[selector]; i++)
            ck_assert_uint_eq(out[i], width ? word >> i * width & (((uint64_t)1 << width) - 1) : 1);
    }
}
END_TEST

/* ---------------------------------------------------------------- tombstones */

static void put_entry(struct silt_buffer *out, const char *key, int64_t min, int64_t max)
{
    put32(out, (uint32_t)strlen(key));
    silt_buffer_append(out, key, strlen(key));
    put64(out, (uint64_t)min);
    put64(out, (uint64_t)max);
}

static void put_gzip(struct silt_buffer *out, const struct silt_buffer *plain)
{
    z_stream stream = {0};
    ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    silt_buffer_reserve(out, plain->len + 1024);
    stream.next_in = (Bytef *)plain->p;
    stream.avail_in = (uInt)plain->len;
    stream.next_out = (Bytef *)out->p + out->len;
    stream.avail_out = (uInt)(plain->len + 1024);
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->len += stream.total_out;
    deflateEnd(&stream);
}

/* b [-1, 9], a [1, 2], b [20, 20] */
static void check_three(const struct silt_buffer *bytes)
{
    struct influx_tombstones found;
    size_t count;
    ck_assert_ptr_null(influx_tombstones_parse((const uint8_t *)bytes->p, bytes->len, &found));
    ck_assert_uint_eq(found.count, 3);
    const struct influx_tombstone *first = influx_tombstones_find(&found, SILT_STR("b"), &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(first[0].min + first[1].min, 19);
    influx_tombstones_find(&found, SILT_STR("a"), &count);
    ck_assert_uint_eq(count, 1);
    influx_tombstones_find(&found, SILT_STR("aa"), &count);
    ck_assert_uint_eq(count, 0);
    influx_tombstones_free(&found);
}

START_TEST(tombstones)
{
    struct silt_buffer entries = {0}, more = {0}, bytes = {0};
    struct influx_tombstones found;
    size_t count;
    put_entry(&entries, "b", -1, 9);
    put_entry(&entries, "a", 1, 2);
    put_entry(&more, "b", 20, 20);

    put32(&bytes, 0x1504);
    put_gzip(&bytes, &entries);
    put_gzip(&bytes, &more);
    check_three(&bytes);
    silt_buffer_append(&entries, more.p, more.len);
    bytes.len = 0;
    put32(&bytes, 0x1503);
    put_gzip(&bytes, &entries);
    check_three(&bytes);
    bytes.len -= 12; /* the end of the stream is missing: what was read is kept */
    ck_assert_ptr_nonnull(influx_tombstones_parse((const uint8_t *)bytes.p, bytes.len, &found));
    influx_tombstones_free(&found);
    bytes.len = 0;
    put32(&bytes, 0x1502);
    silt_buffer_append(&bytes, entries.p, entries.len);
    check_three(&bytes);
    ck_assert_ptr_nonnull(influx_tombstones_parse((const uint8_t *)bytes.p, bytes.len - 1, &found));
    ck_assert_uint_eq(found.count, 2);
    influx_tombstones_free(&found);

    for (size_t len = 0; len < 4; len++) {
        ck_assert_ptr_nonnull(influx_tombstones_parse((const uint8_t *)bytes.p, len, &found));
        influx_tombstones_free(&found);
    }
    ck_assert_ptr_null(influx_tombstones_parse((const uint8_t *)"cpu#!~#v\nmem#!~#v\n", 18, &found));
    const struct influx_tombstone *all = influx_tombstones_find(&found, SILT_STR("mem#!~#v"), &count);
    ck_assert_uint_eq(count, 1);
    ck_assert(all->min == INT64_MIN && all->max == INT64_MAX);
    influx_tombstones_free(&found);
    silt_buffer_free(&entries);
    silt_buffer_free(&more);
    silt_buffer_free(&bytes);
}
END_TEST

/* ---------------------------------------------------------------- files and the log, together */

/* One key with blocks of consecutive times; each block's values are `base` + time. */
static void put_file(struct silt_buffer *out, const char *key, const int64_t (*ranges)[2], size_t range_count,
                     int64_t base)
{
    uint64_t offsets[8];
    uint32_t sizes[8];
    put32(out, 0x16D116D1);
    silt_buffer_char(out, 1);
    for (size_t b = 0; b < range_count; b++) {
        int64_t times[15], values[15];
        size_t count = 0;
        struct silt_buffer block = {0};
        for (int64_t t = ranges[b][0]; t <= ranges[b][1]; t++, count++)
            values[count] = base + (times[count] = t);
        put_raw_block(&block, 1, times, values, count);
        offsets[b] = out->len;
        sizes[b] = (uint32_t)block.len + 4;
        put32(out, (uint32_t)crc32(0, (const Bytef *)block.p, (uInt)block.len));
        silt_buffer_append(out, block.p, block.len);
        silt_buffer_free(&block);
    }
    uint64_t index = out->len;
    put16(out, (uint16_t)strlen(key));
    silt_buffer_append(out, key, strlen(key));
    silt_buffer_char(out, 1);
    put16(out, (uint16_t)range_count);
    for (size_t b = 0; b < range_count; b++) {
        put64(out, (uint64_t)ranges[b][0]);
        put64(out, (uint64_t)ranges[b][1]);
        put64(out, offsets[b]);
        put32(out, sizes[b]);
    }
    put64(out, index);
}

static void put_log_entry(struct silt_buffer *out, char kind, const struct silt_buffer *plain)
{
    size_t len = snappy_max_compressed_length(plain->len);
    char *packed = silt_malloc(len);
    ck_assert_int_eq(snappy_compress(plain->p, plain->len, packed, &len), SNAPPY_OK);
    silt_buffer_char(out, kind);
    put32(out, (uint32_t)len);
    silt_buffer_append(out, packed, len);
    free(packed);
}

static void put_log_write(struct silt_buffer *out, const char *key, int64_t from, int64_t to, int64_t base)
{
    struct silt_buffer plain = {0};
    silt_buffer_char(&plain, 2);
    put16(&plain, (uint16_t)strlen(key));
    silt_buffer_append(&plain, key, strlen(key));
    put32(&plain, (uint32_t)(to - from + 1));
    for (int64_t t = to; t >= from; t--) { /* not in order */
        put64(&plain, (uint64_t)t);
        put64(&plain, (uint64_t)(base + t));
    }
    put_log_entry(out, 1, &plain);
    silt_buffer_free(&plain);
}

START_TEST(newest_wins)
{
    static const int64_t old_ranges[][2] = {{0, 9}, {10, 19}, {30, 39}},
                         new_ranges[][2] = {{5, 12}, {36, 45}, {40, 41}};
    const char *key = "cpu,host=a#!~#v";
    struct silt_buffer old = {0}, new = {0}, log = {0}, plain = {0}, tombs = {0};
    struct influx_tsm old_file = {.path = "old"}, new_file = {.path = "new"}, *files[] = {&old_file, &new_file};
    struct influx_log damage = {0};
    struct silt_error err;
    int64_t expected[60];

    put_file(&old, key, old_ranges, 3, 1000);
    put_file(&new, key, new_ranges, 3, 2000); /* its last block overlaps the one before it */
    ck_assert_ptr_null(influx_tsm_init(&old_file, (const uint8_t *)old.p, old.len));
    ck_assert_ptr_null(influx_tsm_init(&new_file, (const uint8_t *)new.p, new.len));
    put32(&tombs, 0x1502);
    put_entry(&tombs, key, 8, 9);
    put_entry(&tombs, key, 28, 41); /* a whole block */
    ck_assert_ptr_null(influx_tombstones_parse((const uint8_t *)tombs.p, tombs.len, &old_file.tombstones));
    struct influx_shard shard = {.files = files, .file_count = 2};
    influx_wal_init(&shard.wal, 0, 60, NULL);
    put_log_write(&log, key, 44, 50, 3000);
    put_log_write(&log, key, 46, 47, 4000);
    silt_buffer_append(&plain, "none#!~#v\ncpu,host=b#!~#v", 25);
    put_log_entry(&log, 2, &plain);
    plain.len = 0;
    put64(&plain, 48);
    put64(&plain, 49);
    put32(&plain, (uint32_t)strlen(key));
    silt_buffer_append(&plain, key, strlen(key));
    put_log_entry(&log, 3, &plain);
    put_log_write(&log, key, 55, 59, 5000);
    ck_assert_int_eq(influx_wal_add(&shard.wal, "log", (const uint8_t *)log.p, log.len - 3, true, &damage, &err),
                     SILT_OK);
    influx_wal_finish(&shard.wal);

    memset(expected, -1, sizeof(expected));
    for (int64_t t = 0; t < 60; t++) {
        if ((t <= 7) || (t >= 10 && t <= 19))
            expected[t] = 1000 + t;
        if ((t >= 5 && t <= 12) || (t >= 36 && t <= 45))
            expected[t] = 2000 + t;
        if ((t >= 44 && t <= 47) || t == 50)
            expected[t] = (t == 46 || t == 47 ? 4000 : 3000) + t;
    }
    struct influx_scan scan = {.shard = &shard, .log = &damage};
    ck_assert(influx_scan_next(&scan));
    ck_assert(silt_str_equal(scan.series, SILT_STR("cpu,host=a")));
    ck_assert_uint_eq(scan.field_count, 1);
    ck_assert(silt_str_equal(scan.fields[0].name, SILT_STR("v")));
    struct influx_run run;
    int64_t next = 0;
    while ((run = influx_field_next(&scan.fields[0], &damage)).count)
        for (size_t i = 0; i < run.count; i++) {
            for (; next < run.times[i]; next++)
                ck_assert_int_eq(expected[next], -1);
            ck_assert_int_eq(run.values[i].i64, expected[next]);
            next++;
        }
    for (; next < 60; next++)
        ck_assert_int_eq(expected[next], -1);
    ck_assert(!influx_scan_next(&scan));
    ck_assert_uint_eq(damage.damaged, 0);
    influx_scan_free(&scan);
    influx_wal_free(&shard.wal);
    influx_tombstones_free(&old_file.tombstones);
    silt_buffer_free(&old);
    silt_buffer_free(&new);
    silt_buffer_free(&log);
    silt_buffer_free(&plain);
    silt_buffer_free(&tombs);
}
END_TEST

/* InfluxDB's log has no checksums: times, names and types that it cannot have written are damage, the rest is read. */
START_TEST(damaged_log)
{
    struct silt_buffer log = {0}, plain = {0};
    struct influx_log damage = {.quiet = true};
    struct influx_wal wal;
    struct silt_error err;
    static const silt_time times[] = {10, 11, 12, 18, 19};
    const struct silt_str kept[] = {SILT_STR("cpu,host=a#!~#v"), SILT_STR("cpu,host=b#!~#v")};

    influx_wal_init(&wal, 10, 20, NULL);
    put_log_write(&log, "cpu,host=a#!~#v", 8, 12, 0); /* two too early */
    put_log_write(&log, "cpu,host=a#!~#v", 18, 20, 0); /* one too late */
    put_log_write(&log, "cpu,host=a#!~!v", 11, 12, 0); /* no separator, */
    put_log_write(&log, "cpu,host=a#!~#", 11, 12, 0); /* no name, */
    put_log_write(&log, "cpu,host#!~#v", 11, 12, 0); /* no tag, */
    put_log_write(&log, ",host=a#!~#v", 11, 12, 0); /* no measurement */
    put_log_write(&log, "cpu,host=b#!~#v", 10, 11, 0);
    ck_assert_int_eq(influx_wal_add(&wal, "log", (const uint8_t *)log.p, log.len, true, &damage, &err), SILT_OK);
    ck_assert_uint_eq(damage.damaged, 6);
    log.len = 0; /* what is deleted from 30 to 5 */
    put64(&plain, 30);
    put64(&plain, 5);
    put_log_entry(&log, 3, &plain);
    ck_assert_int_eq(influx_wal_add(&wal, "log", (const uint8_t *)log.p, log.len, true, &damage, &err), SILT_OK);
    ck_assert_uint_eq(damage.damaged, 7);
    influx_wal_finish(&wal);
    ck_assert_uint_eq(wal.count, 2);
    for (size_t i = 0; i < 2; i++)
        ck_assert(silt_str_equal(wal.keys[i].key, kept[i]));
    ck_assert_uint_eq(wal.keys[0].count, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(wal.keys[0].times[i], times[i]);
    ck_assert_uint_eq(wal.keys[1].count, 2);
    influx_wal_free(&wal);
    silt_buffer_free(&log);
    silt_buffer_free(&plain);
}
END_TEST

START_TEST(meta_of_nothing)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct influx_meta meta;
    struct silt_error err;
    ck_assert_int_eq(influx_meta_parse((const uint8_t *)"", 0, arena, &meta, &err), SILT_CORRUPT);
    ck_assert_int_eq(influx_meta_parse((const uint8_t *)"hello, world", 12, arena, &meta, &err), SILT_CORRUPT);
    /* term 1, a database "d" with policy "p" of 2 groups, the first of which is deleted */
    static const char text[] = "\x08\x01\x2a\x1f\x0a\x01"
                               "d\x12\x01p\x1a\x17\x0a\x01p\x10\x00\x18\x07\x20\x01\x2a\x06\x20\x05\x2a\x02\x08\x03"
                               "\x2a\x04\x2a\x02\x08\x04";
    ck_assert_int_eq(influx_meta_parse((const uint8_t *)text, sizeof(text) - 1, arena, &meta, &err), SILT_OK);
    ck_assert_uint_eq(meta.database_count, 1);
    ck_assert_uint_eq(meta.databases[0].policy_count, 1);
    ck_assert_uint_eq(meta.databases[0].policies[0].shard_count, 1);
    ck_assert_uint_eq(meta.databases[0].policies[0].shards[0].id, 4);
    ck_assert_int_eq(meta.databases[0].policies[0].shard_duration_ns, 7);
    silt_arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("influxdb");
    TCase *tests = tcase_create("influxdb");
    tcase_add_test(tests, raw_blocks);
    tcase_add_test(tests, runs);
    tcase_add_test(tests, simple8b);
    tcase_add_test(tests, tombstones);
    tcase_add_test(tests, newest_wins);
    tcase_add_test(tests, damaged_log);
    tcase_add_test(tests, meta_of_nothing);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
