/*
 * tsm_read.c - see tsm_read.h; the layout is drawn in tsm.h.
 *
 * Held in memory per open file: the footer's numbers and the directory top (4 bytes per 256 series). All else is looked at
 * in the mapping, or read by range where there is none. Whatever was read passes its CRC and is then still not
 * trusted: lengths, counts and offsets are checked before use. Nothing that a caller gets lies in the mapping, whose pages may turn to
 * zeros (tsm_seen); its functions look for that at their end.
 */
#include "storage/tsm_read.h"
#include "storage/tsm_file.h"

#include <stdlib.h>

#define SOON_BYTES_MAX ((uint64_t)1 << 20) /* of the index, read ahead at once */

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

enum silt_status tsm_damaged(const struct tsm_file *file, struct silt_error *err, const char *what, uint64_t offset)
{
    return silt_fail(err, SILT_CORRUPT, "%s: %s at offset %llu", file->name, what, (unsigned long long)offset);
}

enum silt_status tsm_seen(const struct tsm_file *file, uint32_t before, enum silt_status rc, struct silt_error *err)
{
    return tsm_faults(file) == before ? rc : silt_fail(err, SILT_IO, "%s: a page cannot be read", file->name);
}

/* [offset, offset + len), in the mapping or read into `room`. */
static enum silt_status look(struct tsm_file *file, uint64_t offset, size_t len, uint8_t *room, const uint8_t **out,
                             struct silt_error *err)
{
    if (file->map) {
        *out = file->map + offset;
        return SILT_OK;
    }
    *out = room;
    return vfs_blob_read(file->blob, offset, room, len, err);
}

enum silt_status tsm_look_scratch(struct tsm_file *file, uint64_t offset, size_t len, struct tsm_scratch *scratch,
                                  const uint8_t **out, struct silt_error *err)
{
    if (!file->map) {
        scratch->bytes.len = 0;
        silt_buffer_reserve(&scratch->bytes, len + 1);
    }
    return look(file, offset, len, (uint8_t *)scratch->bytes.p, out, err);
}

void tsm_scratch_deinit(struct tsm_scratch *scratch)
{
    silt_buffer_free(&scratch->bytes);
}

/* ---------------------------------------------------------------- open, close */

/* Opening reads these few bytes by range, where there is a mapping too: a fault in it reads as much around its place as the device is
 * set to read ahead, maybe megabytes, and a start opens all files there are. */
static enum silt_status check_footer(struct tsm_file *file, struct silt_error *err)
{
    uint8_t at[TSM_FOOTER_BYTES];
    uint64_t size = file->size, series, pages;
    enum silt_status rc;
    if (size < TSM_HEADER_BYTES + TSM_FOOTER_BYTES)
        return tsm_damaged(file, err, "too short for a TSM file: ends", size);
    if ((rc = vfs_blob_read(file->blob, 0, at, TSM_HEADER_BYTES, err)) != SILT_OK)
        return rc;
    if (memcmp(at, TSM_MAGIC, 8) != 0 || get_u32(at + 28) != silt_crc32c(0, at, 28) || get_u32(at + 24) != 0)
        return tsm_damaged(file, err, "no TSM header", 0);
    file->summary.file_id = get_u64(at + 8);
    file->summary.epoch = get_u64(at + 16);
    if ((rc = vfs_blob_read(file->blob, size - TSM_FOOTER_BYTES, at, TSM_FOOTER_BYTES, err)) != SILT_OK)
        return rc;
    if (memcmp(at + 120, TSM_MAGIC_END, 8) != 0 || get_u32(at + 116) != silt_crc32c(0, at, 116) ||
        get_u64(at) != file->summary.file_id || get_u64(at + 8) != file->summary.epoch)
        return tsm_damaged(file, err, "no TSM footer", size - TSM_FOOTER_BYTES);
    file->index_offset = get_u64(at + 16);
    file->directory_offset = get_u64(at + 24);
    file->top_offset = get_u64(at + 32);
    file->summary.bytes = size;
    file->summary.min = (silt_time)get_u64(at + 40);
    file->summary.max = (silt_time)get_u64(at + 48);
    file->summary.rows = get_u64(at + 56);
    file->summary.values = get_u64(at + 64);
    file->summary.groups = get_u64(at + 72);
    file->summary.series = series = get_u64(at + 80);
    file->base = get_u64(at + 88);
    pages = series / TSM_PAGE_ENTRIES + (series % TSM_PAGE_ENTRIES != 0);
    if (file->index_offset < TSM_HEADER_BYTES || file->index_offset > file->directory_offset ||
        file->directory_offset > file->top_offset || file->top_offset > size || series == 0 || series > UINT32_MAX ||
        file->top_offset - file->directory_offset != series * TSM_ENTRY_BYTES + pages * TSM_PAGE_END_BYTES ||
        size - file->top_offset != pages * 4 + TSM_CRC_BYTES + TSM_FOOTER_BYTES)
        return tsm_damaged(file, err, "a footer that contradicts itself", size - TSM_FOOTER_BYTES);
    file->page_count = pages;
    return SILT_OK;
}

/* The directory top stays in memory; its size was checked against the file's. */
static enum silt_status read_top(struct tsm_file *file, struct silt_error *err)
{
    size_t len = file->page_count * 4 + TSM_CRC_BYTES;
    uint8_t *at = silt_malloc(len);
    enum silt_status rc = vfs_blob_read(file->blob, file->top_offset, at, len, err);
    if (rc == SILT_OK && get_u32(at + len - 4) != silt_crc32c(0, at, len - 4))
        rc = tsm_damaged(file, err, "checksum of the directory top", file->top_offset);
    if (rc == SILT_OK) {
        file->firsts = silt_malloc(len);
        memcpy(file->firsts, at, len - 4);
        file->page_checked = silt_calloc(file->page_count, sizeof(*file->page_checked));
        file->page_ahead = silt_calloc(file->page_count, sizeof(*file->page_ahead));
        for (uint64_t i = 1; i < file->page_count && rc == SILT_OK; i++)
            if (file->firsts[i] <= file->firsts[i - 1])
                rc = tsm_damaged(file, err, "order of the directory top", file->top_offset);
    }
    free(at);
    return rc;
}

enum silt_status tsm_open(struct vfs *vfs, const char *name, struct tsm_file **out, struct silt_error *err)
{
    struct tsm_file *file = silt_calloc(1, sizeof(*file));
    enum silt_status rc;
    file->name = silt_strdup(silt_str_from(name));
    if ((rc = vfs_blob_open(vfs, name, &file->blob, err)) != SILT_OK)
        goto fail;
    file->size = vfs_blob_bytes(file->blob);
    file->map = vfs_blob_map(file->blob, &file->faults);
    if ((rc = check_footer(file, err)) != SILT_OK || (rc = read_top(file, err)) != SILT_OK)
        goto fail;
    /* Of the index, what lies around an entry is read by read_ahead alone. */
    vfs_blob_scattered(file->blob, file->index_offset, file->top_offset - file->index_offset);
    *out = file;
    return SILT_OK;
fail:
    tsm_close(file);
    return rc;
}

void tsm_close(struct tsm_file *file)
{
    if (!file)
        return;
    if (file->blob)
        vfs_blob_close(file->blob);
    free(file->firsts);
    free(file->page_checked);
    free(file->page_ahead);
    free(file->name);
    free(file);
}

const struct tsm_summary *tsm_summary(const struct tsm_file *file)
{
    return &file->summary;
}

struct vfs_blob *tsm_blob(const struct tsm_file *file)
{
    return file->blob;
}

/* ---------------------------------------------------------------- directory */

static unsigned page_entries(const struct tsm_file *file, uint64_t page)
{
    uint64_t left = file->summary.series - page * TSM_PAGE_ENTRIES;
    return left < TSM_PAGE_ENTRIES ? (unsigned)left : TSM_PAGE_ENTRIES;
}

static enum silt_status read_page(struct tsm_file *file, uint64_t page, uint8_t *room, const uint8_t **out,
                                  struct silt_error *err)
{
    uint64_t offset = file->directory_offset + page * TSM_PAGE_BYTES;
    unsigned count = page_entries(file, page);
    size_t len = (size_t)count * TSM_ENTRY_BYTES + TSM_PAGE_END_BYTES;
    enum silt_status rc = look(file, offset, len, room, out, err);
    if (rc != SILT_OK)
        return rc;
    /* The bytes of a mapping do not change, as long as they can be read: once is enough. */
    if (file->map && tsm_faults(file) == 0 && atomic_load_explicit(&file->page_checked[page], memory_order_relaxed))
        return SILT_OK;
    const uint8_t *at = *out;
    if (get_u32(at + len - 4) != silt_crc32c(0, at, len - 4))
        return tsm_damaged(file, err, "checksum of a directory page", offset);
    uint64_t index_bytes = file->directory_offset - file->index_offset;
    for (unsigned i = 0; i < count; i++, at += TSM_ENTRY_BYTES) {
        uint64_t start = get_u64(at + 4), end = get_u64(i + 1 < count ? at + TSM_ENTRY_BYTES + 4 : at + TSM_ENTRY_BYTES);
        if (start >= end || end > index_bytes || get_u32(at) == 0 || (i > 0 && get_u32(at - TSM_ENTRY_BYTES) >= get_u32(at)))
            return tsm_damaged(file, err, "order of a directory page", offset);
    }
    if (get_u32(*out) != file->firsts[page])
        return tsm_damaged(file, err, "a directory page that is not the one named in the top", offset);
    atomic_store_explicit(&file->page_checked[page], true, memory_order_relaxed);
    return SILT_OK;
}

/* The index entries that a directory page names, before the first of them is looked at: of series next to each other, which queries
 * mostly want together. */
static void read_ahead(struct tsm_file *file, uint64_t number, const uint8_t *page)
{
    if (atomic_load_explicit(&file->page_ahead[number], memory_order_relaxed))
        return;
    uint64_t start = get_u64(page + 4), end = get_u64(page + (size_t)page_entries(file, number) * TSM_ENTRY_BYTES);
    vfs_blob_soon(file->blob, file->index_offset + start, end - start < SOON_BYTES_MAX ? end - start : SOON_BYTES_MAX);
    atomic_store_explicit(&file->page_ahead[number], true, memory_order_relaxed);
}

enum silt_status tsm_page_range(struct tsm_file *file, uint64_t page, uint64_t *start, uint64_t *end,
                                struct silt_error *err)
{
    uint8_t room[TSM_PAGE_BYTES];
    const uint8_t *at;
    uint32_t faults = tsm_faults(file);
    enum silt_status rc = read_page(file, page, room, &at, err);
    if (rc != SILT_OK)
        return rc;
    *start = get_u64(at + 4);
    *end = get_u64(at + (size_t)page_entries(file, page) * TSM_ENTRY_BYTES);
    return tsm_seen(file, faults, SILT_OK, err);
}

/* The directory page that a series from the first on would stand in. */
static uint64_t page_of(const struct tsm_file *file, silt_series_id series)
{
    uint64_t low = 0, high = file->page_count;
    while (high - low > 1) { /* firsts[low] <= series < firsts[high] */
        uint64_t middle = (low + high) / 2;
        if (file->firsts[middle] <= series)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_of_page(const struct tsm_file *file, uint64_t page, silt_series_id series)
{
    return page < file->page_count && file->firsts[page] <= series && (page + 1 == file->page_count || series < file->firsts[page + 1]);
}

static silt_series_id series_in(const uint8_t *page, unsigned entry)
{
    return get_u32(page + (size_t)entry * TSM_ENTRY_BYTES);
}

/* The last entry of a page that is not behind the series; `near` most likely is the one before it. */
static unsigned entry_of(const uint8_t *page, unsigned count, silt_series_id series, unsigned near)
{
    if (near + 1 < count && series_in(page, near + 1) == series)
        return near + 1;
    unsigned a = 0, b = count;
    while (b - a > 1) {
        unsigned middle = (a + b) / 2;
        if (series_in(page, middle) <= series)
            a = middle;
        else
            b = middle;
    }
    return a;
}

/* *found false: no such series. Else where its index entry is. */
static enum silt_status find(struct tsm_file *file, silt_series_id series, struct tsm_place *place, bool *found, uint64_t *start,
                             uint64_t *end, struct silt_error *err)
{
    uint8_t room[TSM_PAGE_BYTES];
    const uint8_t *page;
    *found = false;
    if (series < file->firsts[0])
        return SILT_OK;
    bool is_near = place && place->file == file && is_of_page(file, place->page, series);
    uint64_t number = is_near ? place->page : page_of(file, series);
    enum silt_status rc = read_page(file, number, room, &page, err);
    if (rc != SILT_OK)
        return rc;
    unsigned count = page_entries(file, number), at = entry_of(page, count, series, is_near ? place->entry : count);
    const uint8_t *entry = page + (size_t)at * TSM_ENTRY_BYTES;
    if (get_u32(entry) != series)
        return SILT_OK;
    read_ahead(file, number, page);
    *found = true;
    *start = get_u64(entry + 4);
    *end = get_u64(at + 1 < count ? entry + TSM_ENTRY_BYTES + 4 : entry + TSM_ENTRY_BYTES);
    if (place)
        *place = (struct tsm_place){file, number, at};
    return SILT_OK;
}

enum silt_status tsm_has_series(struct tsm_file *file, silt_series_id series, bool *has, struct silt_error *err)
{
    uint64_t start, end;
    uint32_t faults = tsm_faults(file);
    return tsm_seen(file, faults, find(file, series, NULL, has, &start, &end, err), err);
}

enum silt_status tsm_series_ids(struct tsm_file *file, silt_series_id *out, struct silt_error *err)
{
    uint8_t room[TSM_PAGE_BYTES];
    const uint8_t *page;
    uint32_t faults = tsm_faults(file);
    enum silt_status rc = SILT_OK;
    for (uint64_t i = 0; i < file->page_count && rc == SILT_OK; i++) {
        rc = read_page(file, i, room, &page, err);
        for (unsigned k = 0; rc == SILT_OK && k < page_entries(file, i); k++)
            *out++ = get_u32(page + (size_t)k * TSM_ENTRY_BYTES);
    }
    return tsm_seen(file, faults, rc, err);
}

/* ---------------------------------------------------------------- index entries */

/* What stands in front of a group's rest. */
struct group_head {
    uint32_t rows;
    silt_time min, max;
    struct encode_cursor rest;
};

/* The next group's head; the cursor goes behind the group. last: max time of the group before, or the base. */
static bool next_head(struct encode_cursor *cursor, uint64_t last, bool first, struct group_head *head)
{
    uint64_t len = encode_get_varint(cursor);
    if (!cursor->at || len > (uint64_t)(cursor->end - cursor->at))
        return false;
    struct encode_cursor own = {cursor->at, cursor->at + len};
    cursor->at += len;
    uint64_t rows = encode_get_varint(&own), min = last + (uint64_t)encode_get_signed(&own);
    uint64_t more = rows > 1 ? encode_get_varint(&own) : 0, max = min + more;
    if (!own.at || rows < 1 || rows > TSM_GROUP_ROWS_MAX || more < rows - 1 || (int64_t)max < (int64_t)min)
        return false;
    if (!first && (int64_t)min <= (int64_t)last)
        return false;
    *head = (struct group_head){(uint32_t)rows, (silt_time)min, (silt_time)max, own};
    return true;
}

/* What a field's entry begins with. */
struct field_head {
    unsigned bits;
    uint32_t id, count;
};

/* The cursor goes behind it. *head: that of the field before, zeros if there is none. */
static bool next_field_head(struct encode_cursor *cursor, uint32_t rows, struct field_head *head)
{
    if (cursor->end - cursor->at < 2)
        return false;
    unsigned bits = *cursor->at++, type = bits & TSM_HEAD_TYPE;
    uint64_t id = (bits & TSM_HEAD_NEXT ? 1 : encode_get_varint(cursor)) + head->id;
    uint64_t count = bits & TSM_HEAD_GAPS ? encode_get_varint(cursor) : rows;
    if (!cursor->at || id > UINT32_MAX || id < head->id || count < 1 || count > rows || (bits & TSM_HEAD_GAPS && count == rows))
        return false;
    if (type < SILT_TYPE_FLOAT || type > SILT_TYPE_BOOLEAN || (!(bits & TSM_HEAD_BLOCK) && type == SILT_TYPE_STRING))
        return false;
    if (id == head->id && type <= (head->bits & TSM_HEAD_TYPE))
        return false;
    *head = (struct field_head){bits, (uint32_t)id, (uint32_t)count};
    return true;
}

/* Behind its head: where its block and its statistics are. */
static bool parse_field(struct encode_cursor *cursor, const struct field_head *head, uint64_t *offset, struct tsm_field *field)
{
    uint64_t block_bytes = 0;
    *field = (struct tsm_field){.field_id = head->id,
                                .type = head->bits & TSM_HEAD_TYPE,
                                .gaps = head->bits & TSM_HEAD_GAPS,
                                .lone = !(head->bits & TSM_HEAD_BLOCK),
                                .kind = (uint8_t)(head->bits >> TSM_HEAD_KIND_SHIFT),
                                .count = head->count,
                                .offset = *offset};
    if (!field->lone) {
        if (cursor->at >= cursor->end || field->kind != 0)
            return false;
        field->codec = *cursor->at++;
    }
    if (!field->lone || field->gaps) {
        block_bytes = encode_get_varint(cursor);
        if (!cursor->at || block_bytes < TSM_CRC_BYTES || block_bytes > TSM_BLOCK_BYTES_MAX)
            return false;
    }
    field->block_bytes = (uint32_t)block_bytes;
    *offset += block_bytes;
    if (field->lone) {
        field->stats = cursor->at;
        if (!tsm_lone_skip((enum silt_type)field->type, field->kind, field->count, cursor))
            return false;
        field->stats_bytes = (uint8_t)(cursor->at - field->stats);
        return true;
    }
    if (cursor->at >= cursor->end || *cursor->at >= cursor->end - cursor->at)
        return false;
    field->stats_bytes = *cursor->at++;
    field->stats = cursor->at;
    cursor->at += field->stats_bytes;
    return true;
}

/* Past a field that nobody wants, by its lengths alone. */
static bool skip_field(struct encode_cursor *cursor, const struct field_head *head, uint64_t *offset)
{
    struct tsm_field ignored;
    if (!(head->bits & TSM_HEAD_BLOCK))
        return parse_field(cursor, head, offset, &ignored);
    if (cursor->end - cursor->at < 2)
        return false;
    cursor->at++; /* the codec */
    uint64_t block_bytes = encode_get_varint(cursor);
    if (!cursor->at || block_bytes > TSM_BLOCK_BYTES_MAX || cursor->at >= cursor->end || *cursor->at >= cursor->end - cursor->at)
        return false;
    cursor->at += 1 + *cursor->at;
    *offset += block_bytes;
    return true;
}

/* The fields that are wanted; what lies behind the last of them is not looked at. */
static bool parse_fields(struct encode_cursor *cursor, const struct tsm_wanted *wanted, uint64_t count, uint64_t offset,
                         struct tsm_field *fields, struct tsm_group *group)
{
    struct field_head head = {0};
    uint32_t found = 0;
    size_t next = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (!next_field_head(cursor, group->rows, &head))
            return false;
        while (wanted->ids && next < wanted->id_count && wanted->ids[next] < head.id)
            next++;
        if (wanted->ids && next == wanted->id_count)
            break;
        bool is_wanted = !wanted->ids || wanted->ids[next] == head.id;
        if (!(is_wanted ? parse_field(cursor, &head, &offset, &fields[found]) : skip_field(cursor, &head, &offset)) ||
            offset > group->blocks_bytes)
            return false;
        found += is_wanted;
    }
    group->fields = fields;
    group->field_count = found;
    return wanted->ids || (offset == group->blocks_bytes && cursor->at == cursor->end);
}

/* SILT_CORRUPT without a text: the caller knows where it is. */
static enum silt_status parse_group(const struct group_head *head, uint64_t offset, uint64_t limit,
                                    const struct tsm_wanted *wanted, struct silt_arena *arena, struct tsm_group *group)
{
    struct encode_cursor cursor = head->rest;
    *group = (struct tsm_group){.min = head->min, .max = head->max, .rows = head->rows, .offset = offset};
    group->rest = cursor.at;
    group->rest_bytes = (uint32_t)(cursor.end - cursor.at);
    group->blocks_bytes = encode_get_varint(&cursor);
    group->times_codec = ENCODE_STEP;
    if (!cursor.at || offset > limit || group->blocks_bytes > limit - offset)
        return SILT_CORRUPT;
    uint64_t at = 0;
    if (group->rows > 2) {
        if (cursor.at >= cursor.end)
            return SILT_CORRUPT;
        group->times_codec = *cursor.at++;
        if (group->times_codec != ENCODE_STEP) {
            at = encode_get_varint(&cursor);
            if (!cursor.at || at < TSM_CRC_BYTES || at > ENCODE_NUMERIC_BYTES_MAX + TSM_CRC_BYTES)
                return SILT_CORRUPT;
        }
    }
    if (group->times_codec == ENCODE_STEP && group->rows > 1 &&
        ((uint64_t)group->max - (uint64_t)group->min) % (group->rows - 1) != 0)
        return SILT_CORRUPT;
    group->times_bytes = (uint32_t)at;
    uint64_t count = encode_get_varint(&cursor);
    if (!cursor.at || count < 1 || count > TSM_GROUP_FIELDS_MAX || count > (uint64_t)(cursor.end - cursor.at) / 2)
        return SILT_CORRUPT;
    size_t room = wanted->ids && wanted->id_count < count / SILT_TYPE_BOOLEAN ? wanted->id_count * SILT_TYPE_BOOLEAN : count;
    struct tsm_field *fields = silt_arena_try_alloc(arena, room * sizeof(*fields));
    if (!fields)
        return SILT_LIMIT;
    return parse_fields(&cursor, wanted, count, at, fields, group) ? SILT_OK : SILT_CORRUPT;
}

static enum silt_status parse_entry(struct tsm_file *file, struct encode_cursor cursor, const struct tsm_wanted *wanted,
                                    struct silt_arena *arena, struct tsm_entry *out)
{
    silt_time min = wanted->min, max = wanted->max;
    uint64_t offset = encode_get_varint(&cursor), last = file->base;
    if (!cursor.at || offset < TSM_HEADER_BYTES || cursor.at == cursor.end)
        return SILT_CORRUPT;
    struct encode_cursor from = cursor;
    struct group_head head;
    size_t overlapping = 0;
    for (bool first = true; cursor.at < cursor.end; first = false, last = (uint64_t)head.max) {
        if (!next_head(&cursor, last, first, &head))
            return SILT_CORRUPT;
        overlapping += head.min <= max && head.max >= min;
    }
    if (overlapping == 0)
        return SILT_OK;
    out->groups = silt_arena_try_alloc(arena, overlapping * sizeof(*out->groups));
    if (!out->groups)
        return SILT_LIMIT;
    last = file->base;
    for (cursor = from; out->group_count < overlapping; last = (uint64_t)head.max) {
        if (!next_head(&cursor, last, cursor.at == from.at, &head))
            return SILT_CORRUPT;
        if (head.min > max || head.max < min) { /* only as far as to know where its blocks end */
            struct encode_cursor rest = head.rest;
            uint64_t bytes = encode_get_varint(&rest);
            if (!rest.at || offset > file->index_offset || bytes > file->index_offset - offset)
                return SILT_CORRUPT;
            offset += bytes;
            continue;
        }
        struct tsm_group *group = &out->groups[out->group_count];
        enum silt_status rc = parse_group(&head, offset, file->index_offset, wanted, arena, group);
        if (rc != SILT_OK)
            return rc;
        offset += group->blocks_bytes;
        out->group_count++;
    }
    return SILT_OK;
}

/* Into room[end - start], checked; *out: what is in it but for the checksum. */
static enum silt_status copy_entry(struct tsm_file *file, silt_series_id series, uint64_t start, uint64_t end, uint8_t *room,
                                   struct encode_cursor *out, struct silt_error *err)
{
    uint64_t offset = file->index_offset + start;
    size_t len = end - start;
    const uint8_t *at;
    if (len <= TSM_CRC_BYTES)
        return tsm_damaged(file, err, "an index entry that is too short", offset);
    enum silt_status rc = look(file, offset, len, room, &at, err);
    if (rc != SILT_OK)
        return rc;
    if (at != room)
        memcpy(room, at, len);
    uint32_t crc = silt_crc32c(0, &series, sizeof(series));
    if (get_u32(room + len - 4) != silt_crc32c(crc, room, len - 4))
        return tsm_damaged(file, err, "checksum of an index entry", offset);
    *out = (struct encode_cursor){room, room + len - 4};
    return SILT_OK;
}

static enum silt_status senseless(const struct tsm_file *file, uint64_t start, struct silt_error *err)
{
    return tsm_damaged(file, err, "an index entry that makes no sense", file->index_offset + start);
}

static enum silt_status read_entry(struct tsm_file *file, silt_series_id series, uint64_t start, uint64_t end,
                                   const struct tsm_wanted *wanted, struct silt_arena *arena, struct tsm_entry *out,
                                   struct silt_error *err)
{
    struct encode_cursor entry;
    *out = (struct tsm_entry){.series = series};
    uint8_t *room = silt_arena_try_alloc(arena, end - start);
    if (!room)
        return silt_fail(err, SILT_LIMIT, "no memory for the index entry of series %u in %s", series, file->name);
    enum silt_status rc = copy_entry(file, series, start, end, room, &entry, err);
    if (rc != SILT_OK)
        return rc;
    rc = parse_entry(file, entry, wanted, arena, out);
    if (rc == SILT_LIMIT)
        return silt_fail(err, rc, "no memory for the row groups of series %u in %s", series, file->name);
    return rc == SILT_OK ? SILT_OK : senseless(file, start, err);
}

enum silt_status tsm_find_wanted(struct tsm_file *file, silt_series_id series, const struct tsm_wanted *wanted,
                                 struct tsm_place *place, struct silt_arena *arena, struct tsm_entry *out, struct silt_error *err)
{
    bool found;
    uint64_t start, end;
    uint32_t faults = tsm_faults(file);
    enum silt_status rc = find(file, series, place, &found, &start, &end, err);
    *out = (struct tsm_entry){.series = series};
    if (rc == SILT_OK && found)
        rc = read_entry(file, series, start, end, wanted, arena, out, err);
    return tsm_seen(file, faults, rc, err);
}

enum silt_status tsm_find_series(struct tsm_file *file, silt_series_id series, silt_time min, silt_time max,
                                 struct silt_arena *arena, struct tsm_entry *out, struct silt_error *err)
{
    return tsm_find_wanted(file, series, &(struct tsm_wanted){min, max, NULL, 0}, NULL, arena, out, err);
}

static bool each_span(const struct tsm_file *file, silt_series_id series, struct encode_cursor entry, tsm_span_fn each, void *arg)
{
    struct group_head head;
    uint64_t last = file->base;
    (void)encode_get_varint(&entry); /* where its blocks are */
    if (!entry.at || entry.at == entry.end)
        return false;
    for (bool first = true; entry.at < entry.end; first = false, last = (uint64_t)head.max) {
        if (!next_head(&entry, last, first, &head))
            return false;
        each(arg, series, head.min, head.max);
    }
    return true;
}

enum silt_status tsm_each_span(struct tsm_file *file, tsm_span_fn each, void *arg, struct silt_error *err)
{
    uint8_t page_room[TSM_PAGE_BYTES];
    const uint8_t *page;
    struct silt_buffer room = {0};
    struct encode_cursor entry;
    uint32_t faults = tsm_faults(file);
    enum silt_status rc = SILT_OK;
    for (uint64_t number = 0; number < file->page_count && rc == SILT_OK; number++) {
        if ((rc = read_page(file, number, page_room, &page, err)) == SILT_OK)
            read_ahead(file, number, page);
        for (unsigned i = 0, count = page_entries(file, number); rc == SILT_OK && i < count; i++, page += TSM_ENTRY_BYTES) {
            silt_series_id series = get_u32(page);
            uint64_t start = get_u64(page + 4), end = get_u64(i + 1 < count ? page + TSM_ENTRY_BYTES + 4 : page + TSM_ENTRY_BYTES);
            silt_buffer_reserve(&room, end - start);
            rc = copy_entry(file, series, start, end, (uint8_t *)room.p, &entry, err);
            if (rc == SILT_OK && !each_span(file, series, entry, each, arg))
                rc = senseless(file, start, err);
        }
    }
    silt_buffer_free(&room);
    return tsm_seen(file, faults, rc, err);
}

static bool is_resident(const struct tsm_file *file, uint64_t offset, uint64_t len)
{
    return file->map && silt_memory_resident(file->map + offset, len);
}

enum silt_status tsm_find_wanted_within(struct tsm_file *file, silt_series_id series, const struct tsm_wanted *wanted,
                                        size_t fields, struct silt_read_allowance *allowance, struct silt_arena *arena,
                                        struct tsm_entry *out, struct silt_error *err)
{
    bool found;
    uint64_t start, end, values = 0;
    uint32_t faults = tsm_faults(file);
    enum silt_status rc;
    *out = (struct tsm_entry){.series = series};
    if (series < file->firsts[0])
        return SILT_OK;
    uint64_t page = page_of(file, series);
    if (!is_resident(file, file->directory_offset + page * TSM_PAGE_BYTES, page_entries(file, page) * TSM_ENTRY_BYTES))
        return silt_read_exceeds(allowance, err);
    if ((rc = find(file, series, NULL, &found, &start, &end, err)) != SILT_OK || !found)
        return rc;
    if ((rc = silt_read_charge(allowance, end - start, err)) != SILT_OK) /* a byte of it is about as much as a value */
        return rc;
    if (!is_resident(file, file->index_offset + start, end - start))
        return silt_read_exceeds(allowance, err);
    rc = tsm_seen(file, faults, read_entry(file, series, start, end, wanted, arena, out, err), err);
    if (rc != SILT_OK || out->group_count == 0)
        return rc;
    for (size_t i = 0; i < out->group_count; i++)
        values += (uint64_t)out->groups[i].rows * fields;
    const struct tsm_group *first = &out->groups[0], *last = &out->groups[out->group_count - 1];
    if (!is_resident(file, first->offset, last->offset + last->blocks_bytes - first->offset))
        return silt_read_exceeds(allowance, err);
    return silt_read_charge(allowance, values, err);
}

enum silt_status tsm_series_at(struct tsm_file *file, uint64_t ordinal, silt_time min, silt_time max,
                               struct silt_arena *arena, struct tsm_entry *out, struct silt_error *err)
{
    silt_assert(ordinal < file->summary.series);
    uint8_t room[TSM_PAGE_BYTES];
    const uint8_t *page;
    uint64_t number = ordinal / TSM_PAGE_ENTRIES;
    unsigned place = ordinal % TSM_PAGE_ENTRIES;
    uint32_t faults = tsm_faults(file);
    enum silt_status rc = read_page(file, number, room, &page, err);
    if (rc != SILT_OK)
        return tsm_seen(file, faults, rc, err);
    const uint8_t *entry = page + (size_t)place * TSM_ENTRY_BYTES;
    uint64_t end = get_u64(place + 1 < page_entries(file, number) ? entry + TSM_ENTRY_BYTES + 4 : entry + TSM_ENTRY_BYTES);
    struct tsm_wanted all = {min, max, NULL, 0};
    rc = read_entry(file, get_u32(entry), get_u64(entry + 4), end, &all, arena, out, err);
    return tsm_seen(file, faults, rc, err);
}
