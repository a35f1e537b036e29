/*
 * test_golden.c - a TSM file that some version wrote is read by every later one.
 *
 * tests/data/golden-N.tsm hold columns of each type and of each shape that has a codec of its own: 1 those of the first
 * version, each next one also of the codecs that came after. What must be in them is made here by arithmetic alone;
 * their bytes never change. When this test fails, the format has changed: a new codec, or version number, and the old
 * reader are needed, not a new file in an old one's place. GOLDEN_WRITE=path writes such a file (of today's format).
 */
#include "storage/encode.h"
#include "storage/tsm_read.h"
#include "storage/tsm_write.h"
#include "storage/vfs.h"
#include "tests/memory_blobs.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 130u
#define KINDS 6u
#define TYPED_COLUMNS (5 * KINDS) /* of each type the kinds in turn; behind them what came later */
#define COLUMNS_MAX (TYPED_COLUMNS + 3)

struct golden {
    const char *file;
    uint32_t series, columns;
};
static const struct golden goldens[] = {
    {"tests/data/golden-1.tsm", 6, TYPED_COLUMNS},
    {"tests/data/golden-2.tsm", 7, TYPED_COLUMNS + 3}, /* codecs 13 to 16 */
};
#define GOLDEN_COUNT (sizeof(goldens) / sizeof(goldens[0]))
static const struct golden *const newest = &goldens[GOLDEN_COUNT - 1];

static struct silt_arena *arena;

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 31) * 0x7fb5d329728ea185u;
    x = (x ^ x >> 27) * 0x81dadef4bc2dd44du;
    return x ^ x >> 33;
}

/* Series 1 has even steps, 2 uneven ones, 3 wild ones, 4 is one row, 5 has gaps, 6 two rows, 7 is late by a little. */
static uint32_t golden_rows(uint32_t series)
{
    return series == 4 ? 1 : series == 6 ? 2 : ROWS;
}

static silt_time golden_time(uint32_t series, uint32_t row)
{
    silt_time time = 1600000000000000000 + (silt_time)series * 3600000000000;
    if (series == 2)
        return time + (silt_time)row * 10000000000 + (silt_time)(mixed(row) % 1000) * 1000000;
    if (series == 3)
        return time + (silt_time)row * 1000000000000 + (silt_time)(mixed(row) % 999999999999);
    if (series == 7)
        return time + (silt_time)row * 10000000000 + (silt_time)(mixed(row) % 16) * 1000000;
    return time + (silt_time)row * 10000000000;
}

static enum silt_type golden_type(uint32_t column)
{
    static const enum silt_type later[] = {SILT_TYPE_STRING, SILT_TYPE_INTEGER, SILT_TYPE_FLOAT};
    return column < TYPED_COLUMNS ? (enum silt_type)(SILT_TYPE_FLOAT + column / KINDS) : later[column - TYPED_COLUMNS];
}

static bool golden_has(uint32_t series, uint32_t column, uint32_t row)
{
    return series != 5 || column == 0 || mixed(column * 1000 + row) % 3 != 0;
}

static union silt_value golden_value(uint32_t series, uint32_t column, uint32_t row)
{
    enum silt_type type = golden_type(column);
    uint64_t random = mixed(((uint64_t)series << 40) + ((uint64_t)column << 20) + row);
    union silt_value value = {.u64 = 0};
    unsigned kind = column % KINDS;
    if (column == TYPED_COLUMNS) {
        struct silt_str text = silt_arena_printf(arena, random % 9 ? "%03u of %u done" : "%03u: failed, %u left",
                                                 (unsigned)(random >> 20) % 500, (unsigned)(random >> 40) % 5000);
        value.string = silt_arena_bytes_copy(arena, text);
        return value;
    }
    if (column == TYPED_COLUMNS + 1) { /* few levels, far apart */
        value.i64 = (int64_t)(random % 10 * random % 10 * 1000000007);
        return value;
    }
    if (column == TYPED_COLUMNS + 2) { /* decimals, some off by an ulp */
        value.f64 = (double)(random % 10000) / 1000 * 10;
        return value;
    }
    switch (type) {
    case SILT_TYPE_FLOAT:
        if (kind == 0)
            value.f64 = 21.5;
        else if (kind == 1)
            value.f64 = (double)(random % 10000) / 100; /* few decimals */
        else if (kind == 2)
            value.f64 = (double)row * 3;
        else if (kind == 3)
            value.f64 = 100 + (double)(random % 1000003) / 1000003; /* a near range of full precision */
        else if (kind == 4)
            value.u64 = (random & ~((uint64_t)0x7ff << 52)) | (uint64_t)(1023 - 8 + random % 16) << 52;
        else
            value.u64 = row % 50 == 7 ? 0x7ff8000000000000u : row % 50 == 9 ? 0xfff0000000000000u : 0x8000000000000000u;
        break;
    case SILT_TYPE_STRING: {
        struct silt_str text = kind == 0   ? SILT_STR("ok")
                               : kind == 1 ? SILT_STR("")
                               : kind == 2
                                   ? silt_arena_printf(arena, "state-%u", (unsigned)(random % 4))
                                   : silt_arena_printf(arena, "%0*llx", (int)kind * 7, (unsigned long long)random);
        value.string = silt_arena_bytes_copy(arena, text);
        break;
    }
    case SILT_TYPE_BOOLEAN:
        value.boolean = kind == 0 || (kind == 1 ? row > 100 : random % (kind * 3) == 0);
        break;
    default:
        value.u64 = kind == 0   ? 42
                    : kind == 1 ? (uint64_t)row * 1000 /* a counter */
                    : kind == 2 ? 5000000000u + random % 100
                    : kind == 3 ? row * (uint64_t)row * 7 + random % 20
                    : kind == 4 ? (random % 90 ? random % 16 : random) /* with outliers */
                                : random;
    }
    return value;
}

static void golden_columns(uint32_t series, uint32_t count, struct tsm_column *columns)
{
    uint32_t rows = golden_rows(series);
    for (uint32_t c = 0; c < count; c++) {
        union silt_value *values = silt_arena_zalloc(arena, rows * sizeof(*values));
        uint64_t *valid = silt_arena_zalloc(arena, ENCODE_VALID_WORDS * sizeof(*valid));
        for (uint32_t row = 0; row < rows; row++) {
            if (!golden_has(series, c, row))
                continue;
            values[row] = golden_value(series, c, row);
            valid[row / 64] |= (uint64_t)1 << row % 64;
        }
        columns[c] = (struct tsm_column){c + 1, golden_type(c), series == 5 ? valid : NULL, values};
    }
}

static void write_golden(struct vfs *vfs, const char *name)
{
    struct silt_error err = {0};
    struct tsm_writer *writer;
    struct tsm_column columns[COLUMNS_MAX];
    silt_time times[ROWS];
    ck_assert_msg(tsm_writer_open(vfs, name, 1, 1, &writer, &err) == SILT_OK, "%s", err.text);
    for (uint32_t series = 1; series <= newest->series; series++) {
        golden_columns(series, newest->columns, columns);
        for (uint32_t row = 0; row < golden_rows(series); row++)
            times[row] = golden_time(series, row);
        ck_assert_int_eq(
            tsm_writer_row_group(writer, series, times, golden_rows(series), columns, newest->columns, &err), SILT_OK);
    }
    ck_assert_msg(tsm_writer_finish(writer, NULL, &err) == SILT_OK, "%s", err.text);
}

static void check_group(struct tsm_file *file, uint32_t series, uint32_t columns, const struct tsm_group *group,
                        uint64_t *codecs)
{
    struct silt_error err = {0};
    struct tsm_scratch scratch = {.arena = arena};
    silt_time times[ROWS];
    static union {
        uint64_t words[ROWS];
        uint8_t bools[ROWS];
        struct silt_str strings[ROWS];
    } out;
    uint64_t valid[ENCODE_VALID_WORDS];
    *codecs |= (uint64_t)1 << group->times_codec;
    ck_assert_uint_eq(group->rows, golden_rows(series));
    ck_assert_uint_eq(group->field_count, columns);
    ck_assert_msg(tsm_read_times(file, group, &scratch, times, &err) == SILT_OK, "%s", err.text);
    for (uint32_t row = 0; row < group->rows; row++)
        ck_assert_int_eq(times[row], golden_time(series, row));
    for (uint32_t c = 0; c < columns; c++) {
        const struct tsm_field *field = &group->fields[c];
        ck_assert_uint_eq(field->field_id, c + 1);
        ck_assert_msg(tsm_read_column(file, group, c, &scratch, &out, valid, &err) == SILT_OK, "%s", err.text);
        if (!field->lone)
            *codecs |= (uint64_t)1 << field->codec;
        for (uint32_t row = 0; row < group->rows; row++) {
            ck_assert(golden_has(series, c, row) == (!field->gaps || valid[row / 64] >> row % 64 & 1));
            if (!golden_has(series, c, row))
                continue;
            union silt_value value = golden_value(series, c, row);
            bool same = field->type == SILT_TYPE_STRING ? silt_str_equal(out.strings[row], silt_bytes_str(value.string))
                        : field->type == SILT_TYPE_BOOLEAN ? out.bools[row] == value.boolean
                                                           : out.words[row] == value.u64;
            ck_assert_msg(same, "series %u, column %u, row %u", series, c, row);
        }
    }
    tsm_scratch_deinit(&scratch);
}

static void check_file(struct vfs *vfs, const char *name, const struct golden *golden, uint64_t *codecs)
{
    struct silt_error err = {0};
    struct tsm_file *file;
    struct tsm_entry entry;
    ck_assert_msg(tsm_open(vfs, name, &file, &err) == SILT_OK, "%s", err.text);
    ck_assert_msg(tsm_verify(file, &err) == SILT_OK, "%s", err.text);
    ck_assert_uint_eq(tsm_summary(file)->series, golden->series);
    for (uint32_t series = 1; series <= golden->series; series++) {
        ck_assert_int_eq(tsm_find_series(file, series, INT64_MIN, INT64_MAX, arena, &entry, &err), SILT_OK);
        ck_assert_uint_eq(entry.group_count, 1);
        check_group(file, series, golden->columns, &entry.groups[0], codecs);
    }
    tsm_close(file);
}

START_TEST(golden_files_are_read)
{
    struct silt_error err = {0};
    struct vfs *vfs = memory_blobs_create();
    static char bytes[1 << 17];
    uint64_t codecs = 0, codecs_now = 0;
    arena = silt_arena_create(NULL);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct vfs_blob_writer *writer;
        char name[16];
        FILE *in = fopen(goldens[i].file, "rb");
        ck_assert_msg(in != NULL, "%s cannot be read: tests run in the project's folder", goldens[i].file);
        size_t len = fread(bytes, 1, sizeof(bytes), in);
        fclose(in);
        ck_assert_uint_lt(len, sizeof(bytes));
        snprintf(name, sizeof(name), "golden-%zu", i + 1);
        ck_assert_int_eq(vfs_blob_create(vfs, name, &writer, &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_append(writer, bytes, len, &err), SILT_OK);
        ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
        check_file(vfs, name, &goldens[i], &codecs);
    }
    /* A codec that today's writer chooses and no file has: the files prove nothing about it. */
    write_golden(vfs, "now");
    check_file(vfs, "now", newest, &codecs_now);
    ck_assert_msg((codecs_now & ~codecs) == 0, "codecs %llx, in the files %llx", (unsigned long long)codecs_now,
                  (unsigned long long)codecs);
    printf("codecs in the files: %llx\n", (unsigned long long)codecs);
    silt_arena_destroy(arena);
    vfs_close(vfs);
}
END_TEST

START_TEST(write_one)
{
    struct silt_error err = {0};
    struct vfs *vfs = memory_blobs_create();
    struct vfs_blob *blob;
    char bytes[1 << 17];
    arena = silt_arena_create(NULL);
    write_golden(vfs, "golden");
    ck_assert_int_eq(vfs_blob_open(vfs, "golden", &blob, &err), SILT_OK);
    size_t len = vfs_blob_bytes(blob);
    ck_assert_uint_lt(len, sizeof(bytes));
    ck_assert_int_eq(vfs_blob_read(blob, 0, bytes, len, &err), SILT_OK);
    FILE *out = fopen(getenv("GOLDEN_WRITE"), "wb");
    ck_assert(out != NULL && fwrite(bytes, 1, len, out) == len && fclose(out) == 0);
    vfs_blob_close(blob);
    silt_arena_destroy(arena);
    vfs_close(vfs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tests = tcase_create("golden");
    tcase_add_test(tests, getenv("GOLDEN_WRITE") ? write_one : golden_files_are_read);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
