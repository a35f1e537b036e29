/*
 * fuzz_tsm.c - arbitrary bytes as a TSM file. Nearly all would fail at the first checksum and test nothing, so:
 *
 *     first byte, bit 0   0: the rest is the file    1: the rest is edits (offset 2, byte 1) of a real file
 *                 bit 1   1: all checksums that can be found are made right
 */
#include "storage/tsm_read.h"
#include "storage/tsm_write.h"
#include "tests/memory_blobs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *sample;
static size_t sample_bytes;

/* Every type, with and without gaps, lone values, one row and many. */
static void make_sample(struct vfs *vfs)
{
    struct tsm_writer *writer;
    struct silt_error err = {0};
    struct silt_arena *arena = silt_arena_create(NULL);
    union silt_value values[5][300];
    silt_time times[300];
    uint64_t valid[ENCODE_VALID_WORDS];
    memset(valid, 0x5a, sizeof(valid));
    silt_assert(tsm_writer_open(vfs, "sample", 3, 4, &writer, &err) == SILT_OK);
    for (silt_series_id series = 1; series <= 6; series++) {
        uint32_t rows = series == 1 ? 1 : series * 50;
        struct tsm_column columns[5];
        for (uint32_t row = 0; row < rows; row++) {
            times[row] = row * 1000 + (series % 2 ? row * row : 0);
            values[0][row].f64 = series == 3 ? row / 3.0 : row / 10.0;
            values[1][row].i64 = series == 2 ? 5 : (int64_t)row * series;
            values[2][row].u64 = row ^ series;
            values[3][row].string = silt_arena_bytes_copy(arena, silt_arena_printf(arena, "text %u", row % (series * 9)));
            values[4][row].boolean = row % series == 0;
        }
        for (uint32_t c = 0; c < 5; c++)
            columns[c] = (struct tsm_column){c * series + 1, (enum silt_type)(c + 1), (c + series) % 3 || rows < 2 ? NULL : valid,
                                             values[c]};
        silt_assert(tsm_writer_row_group(writer, series, times, rows, columns, 5, &err) == SILT_OK);
    }
    silt_assert(tsm_writer_finish(writer, NULL, &err) == SILT_OK);
    struct vfs_blob *blob;
    silt_assert(vfs_blob_open(vfs, "sample", &blob, &err) == SILT_OK);
    sample_bytes = vfs_blob_bytes(blob);
    sample = silt_malloc(sample_bytes);
    silt_assert(vfs_blob_read(blob, 0, sample, sample_bytes, &err) == SILT_OK);
    vfs_blob_close(blob);
    silt_arena_destroy(arena);
}

static uint64_t word(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

static void set_crc(uint8_t *bytes, size_t start, size_t end, uint32_t crc)
{
    crc = silt_crc32c(crc, bytes + start, end - start);
    memcpy(bytes + end, &crc, 4);
}

/* Header, footer, directory and index entries. */
static void mend(uint8_t *bytes, size_t size)
{
    if (size < TSM_HEADER_BYTES + TSM_FOOTER_BYTES)
        return;
    uint8_t *footer = bytes + size - TSM_FOOTER_BYTES;
    memcpy(bytes, TSM_MAGIC, 8);
    memcpy(footer, bytes + 8, 16);
    memcpy(footer + 120, TSM_MAGIC_END, 8);
    set_crc(bytes, 0, 28, 0);
    set_crc(footer, 0, 116, 0);
    uint64_t index = word(footer + 16), directory = word(footer + 24), top = word(footer + 32), series = word(footer + 80);
    uint64_t pages = series / TSM_PAGE_ENTRIES + 1;
    size_t end = size - TSM_FOOTER_BYTES - 4;
    if (index > directory || directory > top || top > end || series == 0 || series > size)
        return;
    set_crc(bytes, top, end, 0);
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t left = series - page * TSM_PAGE_ENTRIES, count = left < TSM_PAGE_ENTRIES ? left : TSM_PAGE_ENTRIES;
        uint64_t at = directory + page * TSM_PAGE_BYTES, len = count * TSM_ENTRY_BYTES + 8;
        if (count == 0 || at + len + 4 > top)
            break;
        set_crc(bytes, at, at + len, 0);
        for (uint64_t i = 0; i < count; i++, at += TSM_ENTRY_BYTES) {
            uint64_t from = word(bytes + at + 4), to = word(bytes + at + TSM_ENTRY_BYTES + (i + 1 < count ? 4 : 0));
            if (from > to || to > directory - index || to - from < 4)
                continue;
            set_crc(bytes, index + from, index + to - 4, silt_crc32c(0, bytes + at, 4));
        }
    }
}

/* The blocks of all groups that parse; `bytes` is what the file is made of. */
static void mend_blocks(struct tsm_file *file, uint8_t *bytes)
{
    struct silt_error err;
    struct silt_arena *arena = silt_arena_create(NULL);
    struct tsm_entry entry;
    for (uint64_t i = 0; i < tsm_summary(file)->series; i++) {
        if (tsm_series_at(file, i, INT64_MIN, INT64_MAX, arena, &entry, &err) != SILT_OK)
            continue;
        for (size_t g = 0; g < entry.group_count; g++) {
            const struct tsm_group *group = &entry.groups[g];
            if (group->times_bytes)
                set_crc(bytes, group->offset, group->offset + group->times_bytes - 4, 0);
            for (uint32_t f = 0; f < group->field_count; f++) {
                uint64_t at = group->offset + group->fields[f].offset;
                if (group->fields[f].block_bytes)
                    set_crc(bytes, at, at + group->fields[f].block_bytes - 4, 0);
            }
        }
    }
    silt_arena_destroy(arena);
}

static void use(struct tsm_file *file)
{
    struct silt_error err;
    struct silt_budget budget;
    silt_budget_init(&budget, "fuzz", (size_t)64 << 20, NULL);
    struct silt_arena *arena = silt_arena_create(&budget);
    struct tsm_scratch scratch = {.arena = arena};
    static struct silt_str out[TSM_GROUP_ROWS_MAX];
    static silt_time times[TSM_GROUP_ROWS_MAX];
    uint64_t valid[ENCODE_VALID_WORDS];
    const uint8_t *blocks;
    struct tsm_entry entry;
    struct silt_block_stats stats;
    for (silt_series_id series = 1; series < 8; series++) {
        if (tsm_find_series(file, series, 10, 100000, arena, &entry, &err) != SILT_OK)
            continue;
        for (size_t g = 0; g < entry.group_count; g++) {
            const struct tsm_group *group = &entry.groups[g];
            tsm_read_times(file, group, &scratch, times, &err);
            tsm_read_blocks(file, group, &scratch, &blocks, &err);
            for (uint32_t f = 0; f < group->field_count; f++) {
                tsm_field_stats(&group->fields[f], &stats);
                tsm_read_column(file, group, f, &scratch, out, valid, &err);
            }
        }
    }
    tsm_verify(file, &err);
    tsm_scratch_deinit(&scratch);
    silt_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct silt_error err;
    struct tsm_file *file;
    struct vfs *vfs = memory_blobs_create();
    if (!sample)
        make_sample(vfs);
    if (size < 1)
        goto out;
    bool edits = data[0] & 1, right = data[0] & 2;
    struct vfs_blob_writer *writer;
    vfs_blob_create(vfs, "file", &writer, &err);
    vfs_blob_append(writer, edits ? sample : data + 1, edits ? sample_bytes : size - 1, &err);
    vfs_blob_commit(writer, &err);
    struct silt_buffer *blob = &((struct memory_blobs *)vfs)->first->bytes;
    uint8_t *bytes = (uint8_t *)blob->p;
    for (size_t i = 1; edits && i + 3 <= size; i += 3)
        bytes[(data[i] | (size_t)data[i + 1] << 8) % blob->len] = data[i + 2];
    if (right)
        mend(bytes, blob->len);
    for (unsigned round = 0; round < 2; round++) { /* mapped, then read by range */
        if (tsm_open(vfs, "file", &file, &err) != SILT_OK)
            continue;
        if (right)
            mend_blocks(file, bytes);
        use(file);
        tsm_close(file);
    }
out:
    vfs_close(vfs);
    return 0;
}
