/*
 * test_tsm.c - a TSM file gives back what was written, groups copied verbatim included, with the statistics of its values;
 * every flipped bit and every cut is noticed; small files are small.
 */
#include "silt/kernels.h"
#include "storage/tsm_read.h"
#include "storage/tsm_write.h"
#include "storage/vfs.h"
#include "tests/memory_blobs.h"
#include "tests/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t seed, state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545F4914F6CDD1Dull;
}

static double normal(void)
{
    double u = ((double)(next_random() >> 11) + 1) / 9007199254740993.0, v = (double)(next_random() >> 11) / 9007199254740992.0;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static struct vfs *vfs;
static struct silt_arena *arena;

static void setup(void)
{
    const char *given = getenv("SILT_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    state = seed * 2654435761u + 88172645463325252ull;
    printf("seed %llu (SILT_TEST_SEED)\n", (unsigned long long)seed);
    vfs = memory_blobs_create();
    arena = silt_arena_create(NULL);
}

static void teardown(void)
{
    silt_arena_destroy(arena);
    vfs_close(vfs);
}

/* ---------------------------------------------------------------- the model: groups as they were given */

#define COLUMNS_MAX 12

struct model_group {
    silt_series_id series;
    uint32_t rows, column_count;
    silt_time *times;
    struct tsm_column columns[COLUMNS_MAX];
    uint32_t counts[COLUMNS_MAX];
};

struct model {
    struct model_group *groups;
    size_t count;
    uint64_t values;
};

static union silt_value random_value(enum silt_type type, unsigned kind, uint32_t row)
{
    union silt_value value = {.u64 = 0};
    switch (type) {
    case SILT_TYPE_FLOAT:
        if (kind == 0)
            value.u64 = next_random();
        else if (kind == 1)
            value.f64 = rint(normal() * 1000) / 100;
        else if (kind == 2)
            value.f64 = floor(normal() * 1000);
        else if (kind == 3)
            value.f64 = normal();
        else
            value.f64 = kind == 4 ? 2.5 : -0.0;
        break;
    case SILT_TYPE_BOOLEAN:
        value.boolean = kind == 0 ? true : next_random() % (1 + 7 * kind) == 0;
        break;
    case SILT_TYPE_STRING: {
        char text[40];
        size_t len = next_random() % sizeof(text);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(kind < 3 ? 'a' + kind : next_random());
        value.string = silt_arena_bytes_copy(arena, (struct silt_str){text, len});
        break;
    }
    default:
        value.u64 = kind == 0 ? 7 : kind == 1 ? next_random() : kind == 2 ? row * 1000 : next_random() % 100 - 50;
    }
    return value;
}

static void fill_group(struct model_group *group, silt_series_id series, silt_time start, uint32_t rows)
{
    int64_t unit = next_random() % 2 ? 1000000000 : 1 + (int64_t)(next_random() % 1000);
    unsigned even = next_random() % 2;
    *group = (struct model_group){.series = series, .rows = rows};
    group->times = silt_arena_alloc(arena, rows * sizeof(silt_time));
    for (uint32_t i = 0; i < rows; i++, start += even ? unit : unit * (1 + (int64_t)(next_random() % 5)))
        group->times[i] = start;
    uint32_t count = 1 + (uint32_t)(next_random() % COLUMNS_MAX), id = 0;
    for (uint32_t c = 0; c < count; c++) {
        unsigned kind = (unsigned)(next_random() % 6), gaps = c == 0 ? 0 : (unsigned)(next_random() % 4);
        enum silt_type type = (enum silt_type)(1 + next_random() % 5);
        id += 1 + (next_random() % 4 ? 0 : (uint32_t)(next_random() % 1000));
        union silt_value *values = silt_arena_zalloc(arena, rows * sizeof(*values));
        uint64_t *valid = gaps ? silt_arena_zalloc(arena, ENCODE_VALID_WORDS * 8) : NULL;
        uint32_t present = 0;
        for (uint32_t row = 0; row < rows; row++) {
            bool has = gaps == 0 || gaps == 3 ? true : next_random() % 4 < gaps;
            if (!has)
                continue;
            values[row] = random_value(type, kind, row);
            present++;
            if (valid)
                valid[row / 64] |= (uint64_t)1 << row % 64;
        }
        group->columns[c] = (struct tsm_column){id, type, valid, values};
        group->counts[c] = present;
    }
    group->column_count = count;
}

static struct model make_model(unsigned series_count, unsigned groups_max, uint32_t rows_max)
{
    struct model model = {0};
    silt_series_id series = 0;
    model.groups = silt_arena_alloc(arena, (size_t)series_count * groups_max * sizeof(*model.groups));
    for (unsigned s = 0; s < series_count; s++) {
        unsigned groups = 1 + (unsigned)(next_random() % groups_max);
        silt_time start = 1700000000000000000 + (int64_t)(next_random() % 1000000000000) - 500000000000;
        series += 1 + (silt_series_id)(next_random() % 3 ? 0 : next_random() % 100000);
        for (unsigned g = 0; g < groups; g++) {
            struct model_group *group = &model.groups[model.count++];
            uint32_t rows = next_random() % 3 ? 1 + (uint32_t)(next_random() % rows_max) : rows_max;
            fill_group(group, series, start, rows);
            start = group->times[rows - 1] + 1 + (int64_t)(next_random() % 1000000000);
            for (uint32_t c = 0; c < group->column_count; c++)
                model.values += group->counts[c];
        }
    }
    return model;
}

static void write_model(const struct model *model, const char *name, struct tsm_summary *summary)
{
    struct silt_error err = {0};
    struct tsm_writer *writer;
    ck_assert_msg(tsm_writer_open(vfs, name, 77, 5, &writer, &err) == SILT_OK, "%s", err.text);
    for (size_t i = 0; i < model->count; i++) {
        const struct model_group *group = &model->groups[i];
        ck_assert_int_eq(tsm_writer_row_group(writer, group->series, group->times, group->rows, group->columns,
                                              group->column_count, &err),
                         SILT_OK);
    }
    ck_assert_msg(tsm_writer_finish(writer, summary, &err) == SILT_OK, "%s", err.text);
}

static void check_column(struct tsm_file *file, const struct tsm_group *stored, const struct model_group *group,
                         uint32_t c, struct tsm_scratch *scratch)
{
    struct silt_error err = {0};
    const struct tsm_column *column = &group->columns[c];
    int index = tsm_group_field(stored, column->field_id, column->type);
    if (group->counts[c] == 0) {
        ck_assert_int_eq(index, -1);
        return;
    }
    ck_assert_int_ge(index, 0);
    const struct tsm_field *field = &stored->fields[index];
    ck_assert_uint_eq(field->count, group->counts[c]);
    ck_assert(field->gaps == (group->counts[c] < group->rows));
    static union {
        uint64_t words[TSM_GROUP_ROWS_MAX];
        uint8_t bools[TSM_GROUP_ROWS_MAX];
        struct silt_str strings[TSM_GROUP_ROWS_MAX];
    } out;
    uint64_t valid[ENCODE_VALID_WORDS];
    ck_assert_msg(tsm_read_column(file, stored, (uint32_t)index, scratch, &out, valid, &err) == SILT_OK, "%s", err.text);
    double sum = 0;
    uint64_t isum = 0, first = 0, last = 0;
    uint32_t seen = 0;
    for (uint32_t row = 0; row < group->rows; row++) {
        bool has = !column->valid || column->valid[row / 64] >> row % 64 & 1;
        if (field->gaps)
            ck_assert(has == (valid[row / 64] >> row % 64 & 1));
        if (column->type == SILT_TYPE_BOOLEAN) {
            ck_assert_uint_eq(out.bools[row], has ? column->values[row].boolean : 0);
        } else if (column->type == SILT_TYPE_STRING) {
            ck_assert(silt_str_equal(out.strings[row], has ? silt_bytes_str(column->values[row].string) : SILT_STR("")));
        } else {
            ck_assert_uint_eq(out.words[row], has ? column->values[row].u64 : 0);
            if (has) {
                first = seen++ ? first : out.words[row];
                last = out.words[row];
                isum += out.words[row];
                sum += column->values[row].f64;
            }
        }
    }
    struct silt_block_stats stats;
    ck_assert(tsm_field_stats(field, &stats));
    ck_assert_uint_eq(stats.count, group->counts[c]);
    if (column->type <= SILT_TYPE_UNSIGNED) {
        ck_assert(stats.first.u64 == first && stats.last.u64 == last);
        if (column->type == SILT_TYPE_FLOAT)
            ck_assert(stats.sum.f64 == sum || (isnan(sum) && isnan(stats.sum.f64)));
        else
            ck_assert_uint_eq(stats.sum.u64, isum);
    }
}

static void check_model(const struct model *model, const char *name)
{
    struct silt_error err = {0};
    struct tsm_file *file;
    struct tsm_entry entry = {0};
    struct silt_arena *entries = silt_arena_create(NULL);
    struct tsm_scratch scratch = {.arena = silt_arena_create(NULL)};
    ck_assert_msg(tsm_open(vfs, name, &file, &err) == SILT_OK, "%s", err.text);
    ck_assert_uint_eq(tsm_summary(file)->values, model->values);
    ck_assert_uint_eq(tsm_summary(file)->groups, model->count);
    ck_assert_msg(tsm_verify(file, &err) == SILT_OK, "%s", err.text);
    size_t in_series = 0;
    uint64_t ordinal = 0;
    silt_series_id *ids = malloc(tsm_summary(file)->series * sizeof(*ids));
    ck_assert_int_eq(tsm_series_ids(file, ids, &err), SILT_OK);
    for (size_t i = 0; i < model->count; i++) {
        const struct model_group *group = &model->groups[i];
        if (i == 0 || group->series != model->groups[i - 1].series) {
            if (i)
                ck_assert_uint_eq(in_series, entry.group_count);
            in_series = 0;
            silt_arena_reset(entries);
            if (i % 2) {
                ck_assert_int_eq(
                    tsm_find_series(file, group->series, INT64_MIN, INT64_MAX, entries, &entry, &err), SILT_OK);
            } else {
                ck_assert_int_eq(tsm_series_at(file, ordinal, INT64_MIN, INT64_MAX, entries, &entry, &err), SILT_OK);
            }
            ck_assert_uint_eq(entry.series, group->series);
            ck_assert_uint_eq(ids[ordinal++], group->series);
            struct tsm_entry none;
            bool has;
            ck_assert_int_eq(tsm_has_series(file, group->series, &has, &err), SILT_OK);
            ck_assert(has);
            if (i + 1 < model->count && model->groups[i + 1].series > group->series + 1) {
                ck_assert_int_eq(tsm_find_series(file, group->series + 1, INT64_MIN, INT64_MAX, entries, &none, &err),
                                 SILT_OK);
                ck_assert_uint_eq(none.group_count, 0);
            }
        }
        ck_assert_uint_lt(in_series, entry.group_count);
        const struct tsm_group *stored = &entry.groups[in_series++];
        silt_time times[TSM_GROUP_ROWS_MAX];
        ck_assert_uint_eq(stored->rows, group->rows);
        ck_assert_int_eq(tsm_read_times(file, stored, &scratch, times, &err), SILT_OK);
        ck_assert_mem_eq(times, group->times, group->rows * sizeof(*times));
        ck_assert(stored->min == times[0] && stored->max == times[group->rows - 1]);
        for (uint32_t c = 0; c < group->column_count; c++)
            check_column(file, stored, group, c, &scratch);
        silt_arena_reset(scratch.arena);
        /* a range that touches this group alone */
        struct tsm_entry narrow;
        struct silt_arena *own = silt_arena_create(NULL);
        ck_assert_int_eq(tsm_find_series(file, group->series, stored->min, stored->max, own, &narrow, &err), SILT_OK);
        ck_assert_uint_eq(narrow.group_count, 1);
        ck_assert_uint_eq(narrow.groups[0].offset, stored->offset);
        silt_arena_destroy(own);
    }
    ck_assert_uint_eq(in_series, entry.group_count);
    ck_assert_uint_eq(ordinal, tsm_summary(file)->series);
    free(ids);
    silt_arena_destroy(entries);
    silt_arena_destroy(scratch.arena);
    tsm_scratch_deinit(&scratch);
    tsm_close(file);
}

/* ---------------------------------------------------------------- tests */

START_TEST(test_round_trip)
{
    for (unsigned round = 0; round < 12; round++) {
        struct tsm_summary summary;
        char name[32];
        struct model model = make_model(round < 3 ? 1 : 1 + (unsigned)(next_random() % (round % 3 ? 600 : 60)),
                                        1 + (unsigned)(next_random() % 4), round % 3 == 0 ? 1024 : 20);
        snprintf(name, sizeof(name), "round-%u", round);
        write_model(&model, name, &summary);
        check_model(&model, name);
        silt_arena_reset(arena);
    }
}
END_TEST

START_TEST(test_copy)
{
    struct silt_error err = {0};
    struct tsm_summary summary;
    struct tsm_file *file;
    struct tsm_writer *writer;
    struct tsm_entry entry;
    struct silt_arena *entries = silt_arena_create(NULL);
    struct model model = make_model(300, 3, 600);
    write_model(&model, "source", &summary);
    ck_assert_int_eq(tsm_open(vfs, "source", &file, &err), SILT_OK);
    ck_assert_int_eq(tsm_writer_open(vfs, "copy", 77, 5, &writer, &err), SILT_OK);
    size_t at = 0;
    for (uint64_t i = 0; i < summary.series; i++) { /* some copied, some written again, in one series too */
        ck_assert_int_eq(tsm_series_at(file, i, INT64_MIN, INT64_MAX, entries, &entry, &err), SILT_OK);
        for (size_t g = 0; g < entry.group_count; g++, at++) {
            const struct model_group *group = &model.groups[at];
            if (next_random() % 3)
                ck_assert_int_eq(tsm_writer_copy(writer, entry.series, file, &entry.groups[g], &err), SILT_OK);
            else
                ck_assert_int_eq(tsm_writer_row_group(writer, group->series, group->times, group->rows, group->columns,
                                                      group->column_count, &err),
                                 SILT_OK);
        }
        silt_arena_reset(entries);
    }
    struct tsm_summary copied;
    ck_assert_int_eq(tsm_writer_finish(writer, &copied, &err), SILT_OK);
    ck_assert_uint_eq(copied.bytes, summary.bytes);
    ck_assert_uint_eq(copied.values, summary.values);
    tsm_close(file);
    check_model(&model, "copy");
    silt_arena_destroy(entries);
}
END_TEST

static uint8_t *read_all(const char *name, uint64_t *size)
{
    struct silt_error err = {0};
    struct vfs_blob *blob;
    ck_assert_int_eq(vfs_blob_open(vfs, name, &blob, &err), SILT_OK);
    *size = vfs_blob_bytes(blob);
    uint8_t *bytes = malloc(*size);
    ck_assert_int_eq(vfs_blob_read(blob, 0, bytes, *size, &err), SILT_OK);
    vfs_blob_close(blob);
    return bytes;
}

/* A file of these bytes: how opening and verifying it ends. */
static enum silt_status judge(const uint8_t *bytes, uint64_t size, const char *name)
{
    struct silt_error err = {0};
    struct vfs_blob_writer *writer;
    struct tsm_file *file;
    ck_assert_int_eq(vfs_blob_create(vfs, name, &writer, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_append(writer, bytes, size, &err), SILT_OK);
    ck_assert_int_eq(vfs_blob_commit(writer, &err), SILT_OK);
    enum silt_status rc = tsm_open(vfs, name, &file, &err);
    if (rc == SILT_OK) {
        rc = tsm_verify(file, &err);
        tsm_close(file);
    }
    ck_assert_int_eq(vfs_blob_remove(vfs, name, &err), SILT_OK);
    return rc;
}

START_TEST(test_every_flip_and_cut)
{
    struct tsm_summary summary;
    char name[32];
    uint64_t size;
    struct model model = make_model(4, 2, 30);
    write_model(&model, "small", &summary);
    uint8_t *bytes = read_all("small", &size);
    ck_assert_uint_eq(size, summary.bytes);
    printf("%llu bytes\n", (unsigned long long)size);
    ck_assert_int_eq(judge(bytes, size, "whole"), SILT_OK);
    for (uint64_t at = 0; at < size; at++) {
        uint8_t flip = (uint8_t)(1 << next_random() % 8);
        bytes[at] ^= flip;
        snprintf(name, sizeof(name), "flip-%llu", (unsigned long long)at);
        ck_assert_msg(judge(bytes, size, name) == SILT_CORRUPT, "flip at %llu", (unsigned long long)at);
        bytes[at] ^= flip;
    }
    for (uint64_t cut = 1; cut < size; cut += cut < 200 ? 1 : 37) {
        snprintf(name, sizeof(name), "cut-%llu", (unsigned long long)cut);
        ck_assert_int_eq(judge(bytes, size - cut, name), SILT_CORRUPT);
    }
    free(bytes);
}
END_TEST

START_TEST(test_small_series)
{
    struct silt_error err = {0};
    struct tsm_writer *writer;
    struct tsm_summary summary;
    ck_assert_int_eq(tsm_writer_open(vfs, "points", 1, 1, &writer, &err), SILT_OK);
    for (silt_series_id id = 1; id <= 50000; id++) {
        silt_time time = 1700000000000000000 + (int64_t)(next_random() % 10) * 1000000000;
        union silt_value values[10];
        struct tsm_column columns[10];
        for (uint32_t c = 0; c < 10; c++) {
            values[c].i64 = (int64_t)(next_random() % 100);
            columns[c] = (struct tsm_column){c + 1, SILT_TYPE_INTEGER, NULL, &values[c]};
        }
        ck_assert_int_eq(tsm_writer_row_group(writer, id, &time, 1, columns, 10, &err), SILT_OK);
    }
    ck_assert_int_eq(tsm_writer_finish(writer, &summary, &err), SILT_OK);
    printf("%.1f bytes a series of one row of 10 integers\n", (double)summary.bytes / (double)summary.series);
    ck_assert_double_le((double)summary.bytes / (double)summary.series, 60);
}
END_TEST

START_TEST(test_full_groups)
{
    struct silt_error err = {0};
    struct tsm_writer *writer;
    struct tsm_summary summary;
    static union silt_value values[10][1024];
    static silt_time times[1024];
    ck_assert_int_eq(tsm_writer_open(vfs, "full", 1, 1, &writer, &err), SILT_OK);
    size_t payload = 0;
    for (silt_series_id id = 1; id <= 20; id++)
        for (unsigned g = 0; g < 5; g++) {
            struct tsm_column columns[10];
            for (unsigned i = 0; i < 1024; i++)
                times[i] = 1700000000000000000 + (int64_t)(g * 1024 + i) * 10000000000;
            for (uint32_t c = 0; c < 10; c++) {
                double x = 50;
                struct silt_buffer out = {0};
                for (unsigned i = 0; i < 1024; i++) {
                    x += normal();
                    x = x < 0 ? 0 : x > 100 ? 100 : x;
                    values[c][i].i64 = (int64_t)x;
                }
                encode_ints(&values[c][0].i64, 1024, &out);
                payload += out.len;
                silt_buffer_free(&out);
                columns[c] = (struct tsm_column){c + 1, SILT_TYPE_INTEGER, NULL, values[c]};
            }
            ck_assert_int_eq(tsm_writer_row_group(writer, id, times, 1024, columns, 10, &err), SILT_OK);
        }
    ck_assert_int_eq(tsm_writer_finish(writer, &summary, &err), SILT_OK);
    double each = (double)summary.bytes / (double)summary.values;
    double over = (double)(summary.bytes - payload) / (double)summary.values;
    printf("%.4f bytes a value, %.4f of them not values\n", each, over);
    ck_assert_double_le(over, 0.03);
    ck_assert_double_le(each, 0.37);
}
END_TEST

START_TEST(test_edges)
{
    struct silt_error err = {0};
    struct tsm_writer *writer;
    struct tsm_file *file;
    ck_assert_int_eq(tsm_writer_open(vfs, "none", 1, 1, &writer, &err), SILT_OK);
    ck_assert_int_eq(tsm_writer_finish(writer, NULL, &err), SILT_INVALID);
    ck_assert_int_ne(tsm_open(vfs, "none", &file, &err), SILT_OK);
    ck_assert_int_eq(tsm_writer_open(vfs, "aborted", 1, 1, &writer, &err), SILT_OK);
    tsm_writer_abort(writer);
    ck_assert_int_ne(tsm_open(vfs, "aborted", &file, &err), SILT_OK);
    /* the bounds of time in one group, and series ids at the end of their range */
    silt_time times[3] = {SILT_TIME_MIN, 0, SILT_TIME_MAX};
    union silt_value values[3] = {{.u64 = 0}, {.u64 = UINT64_MAX}, {.u64 = 1}};
    struct tsm_column columns[2] = {{UINT32_MAX - 1, SILT_TYPE_UNSIGNED, NULL, values},
                                    {UINT32_MAX, SILT_TYPE_INTEGER, NULL, values}};
    ck_assert_int_eq(tsm_writer_open(vfs, "bounds", 1, 1, &writer, &err), SILT_OK);
    ck_assert_int_eq(tsm_writer_row_group(writer, 1, times, 3, columns, 2, &err), SILT_OK);
    ck_assert_int_eq(tsm_writer_row_group(writer, UINT32_MAX, times, 2, columns, 2, &err), SILT_OK);
    ck_assert_int_eq(tsm_writer_row_group(writer, UINT32_MAX, times + 2, 1, columns, 2, &err), SILT_OK);
    ck_assert_int_eq(tsm_writer_finish(writer, NULL, &err), SILT_OK);
    ck_assert_msg(tsm_open(vfs, "bounds", &file, &err) == SILT_OK, "%s", err.text);
    ck_assert_msg(tsm_verify(file, &err) == SILT_OK, "%s", err.text);
    ck_assert(tsm_summary(file)->min == SILT_TIME_MIN && tsm_summary(file)->max == SILT_TIME_MAX);
    struct tsm_entry entry;
    struct silt_block_stats stats;
    ck_assert_int_eq(tsm_find_series(file, 1, INT64_MIN, INT64_MAX, arena, &entry, &err), SILT_OK);
    ck_assert(tsm_field_stats(&entry.groups[0].fields[0], &stats));
    ck_assert(stats.min.u64 == 0 && stats.max.u64 == UINT64_MAX && stats.sum.u64 == 0);
    ck_assert(tsm_field_stats(&entry.groups[0].fields[1], &stats));
    ck_assert(stats.min.i64 == -1 && stats.max.i64 == 1);
    tsm_close(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsm");
    TCase *tests = tcase_create("tsm");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_copy);
    tcase_add_test(tests, test_every_flip_and_cut);
    tcase_add_test(tests, test_small_series);
    tcase_add_test(tests, test_full_groups);
    tcase_add_test(tests, test_edges);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
