/*
 * tsm_file.c - see tsm_file.h.
 */
#include "inspect/influxdb/tsm_file.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC 0x16D116D1u
#define VERSION 1
#define HEADER_BYTES 5u
#define FOOTER_BYTES 8u
#define ENTRY_BYTES 28u
#define CRC_BYTES 4u

const char *influx_tsm_init(struct influx_tsm *file, const uint8_t *bytes, size_t len)
{
    file->bytes = bytes;
    file->len = len;
    if (len < HEADER_BYTES + FOOTER_BYTES || influx_load32(bytes) != MAGIC)
        return "not a TSM file";
    if (bytes[4] != VERSION)
        return "a TSM file of an unknown version";
    uint64_t index = influx_load64(bytes + len - FOOTER_BYTES);
    if (index < HEADER_BYTES || index > len - FOOTER_BYTES)
        return "the index is not where the end of the file says";
    file->index = (size_t)index;
    file->index_end = len - FOOTER_BYTES;
    return NULL;
}

/* FILE.tombstone stands beside FILE.tsm. */
static enum silt_status open_tombstones(struct influx_tsm *file, struct influx_log *log, struct silt_error *err)
{
    char path[PATH_MAX];
    const uint8_t *bytes;
    size_t len, stem = strlen(file->path) - strlen(".tsm");

    if (stem + sizeof(".tombstone") > sizeof(path))
        return silt_fail(err, SILT_INVALID, "%s: the path is too long", file->path);
    memcpy(path, file->path, stem);
    memcpy(path + stem, ".tombstone", sizeof(".tombstone"));
    if (access(path, F_OK) != 0)
        return SILT_OK;
    enum silt_status rc = influx_map(path, &bytes, &len, err);
    if (rc != SILT_OK)
        return rc;
    const char *wrong = influx_tombstones_parse(bytes, len, &file->tombstones);
    influx_unmap(bytes, len);
    if (wrong)
        influx_damaged(log, path, 0, "%s; %zu deletions before that are kept", wrong, file->tombstones.count);
    return SILT_OK;
}

enum silt_status influx_tsm_open(const char *path, struct influx_log *log, struct influx_tsm **out,
                                 struct silt_error *err)
{
    struct influx_tsm *file = silt_calloc(1, sizeof(*file));
    const uint8_t *bytes;
    size_t len;

    file->path = silt_strdup(silt_str_from(path));
    enum silt_status rc = influx_map(path, &bytes, &len, err);
    if (rc == SILT_OK) {
        const char *wrong = influx_tsm_init(file, bytes, len);
        rc = wrong ? silt_fail(err, SILT_CORRUPT, "%s", wrong) : open_tombstones(file, log, err);
    }
    if (rc != SILT_OK) {
        influx_tsm_close(file);
        return rc;
    }
    *out = file;
    return SILT_OK;
}

void influx_tsm_close(struct influx_tsm *file)
{
    if (!file)
        return;
    influx_unmap(file->bytes, file->len);
    influx_tombstones_free(&file->tombstones);
    free(file->path);
    free(file);
}

const char *influx_tsm_key(const struct influx_tsm *file, size_t offset, struct influx_key *out)
{
    struct influx_bytes in = influx_bytes_from(file->bytes + offset, file->index_end - offset);
    out->key = influx_take_str(&in, influx_take16(&in));
    out->type = influx_block_type(influx_take8(&in));
    out->entry_count = influx_take16(&in);
    out->entries = influx_take(&in, (size_t)out->entry_count * ENTRY_BYTES);
    out->next = (size_t)(in.p - file->bytes);
    if (in.short_of)
        return "an index entry cut short";
    if (out->type == SILT_TYPE_NONE)
        return "an index entry of an unknown type";
    return NULL;
}

struct influx_entry influx_tsm_entry(const struct influx_key *key, uint32_t index)
{
    const uint8_t *at = key->entries + (size_t)index * ENTRY_BYTES;
    return (struct influx_entry){(silt_time)influx_load64(at), (silt_time)influx_load64(at + 8), influx_load64(at + 16),
                                 influx_load32(at + 24)};
}

const char *influx_tsm_block(const struct influx_tsm *file, const struct influx_entry *entry, struct influx_block *out)
{
    if (entry->offset < HEADER_BYTES || entry->offset > file->index || entry->bytes < CRC_BYTES ||
        entry->bytes > file->index - entry->offset)
        return "a block that is not between header and index";
    const uint8_t *bytes = file->bytes + entry->offset;
    if (crc32(0, bytes + CRC_BYTES, entry->bytes - CRC_BYTES) != influx_load32(bytes))
        return "a block with a wrong checksum";
    const char *wrong = influx_block_decode(bytes + CRC_BYTES, entry->bytes - CRC_BYTES, out);
    if (wrong)
        return wrong;
    if (out->times[0] < entry->min || out->times[out->count - 1] > entry->max)
        return "a block with times that the index does not tell";
    return NULL;
}
