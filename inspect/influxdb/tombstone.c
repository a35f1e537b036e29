/*
 * tombstone.c - see tombstone.h. Four versions:
 *
 *     1   keys, a line each: all of the key is deleted
 *     2   | 0x00001502 | entry | entry ...
 *     3   | 0x00001503 | gzip of: entry, entry ...
 *     4   | 0x00001504 | gzip of entries | gzip of entries ...        one stream for each time that something was added
 *
 *     entry   | key length 4 | key | first time 8 | last time 8 |
 */
#include "inspect/influxdb/tombstone.h"

#include "inspect/influxdb/bytes.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define MAGIC_2 0x1502u
#define MAGIC_3 0x1503u
#define MAGIC_4 0x1504u
#define MAGIC_BYTES 4u
#define TEXT_BYTES_MAX ((size_t)2 << 30)
#define GROWTH_BYTES ((size_t)256 << 10)
#define GZIP_WINDOW (15 + 16)

static void add(struct influx_tombstones *out, size_t *capacity, struct silt_str key, silt_time min, silt_time max)
{
    if (out->count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 64;
        out->items = silt_realloc(out->items, *capacity * sizeof(*out->items));
    }
    out->items[out->count++] = (struct influx_tombstone){key, min, max};
}

static const char *parse_lines(struct influx_tombstones *out)
{
    size_t capacity = 0;
    const char *at = out->text.p, *end = at + out->text.len;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        struct silt_str key = {at, (size_t)(line_end - at)}, series, field;
        if (key.len && !influx_split_key(key, &series, &field))
            return "neither tombstones of a known version nor keys";
        if (key.len)
            add(out, &capacity, key, INT64_MIN, INT64_MAX);
        at = line_end + 1;
    }
    return NULL;
}

static const char *parse_entries(struct influx_tombstones *out)
{
    size_t capacity = 0;
    struct influx_bytes in = influx_bytes_from(out->text.p, out->text.len);
    while (influx_left(&in)) {
        struct silt_str key = influx_take_str(&in, influx_take32(&in));
        silt_time min = (silt_time)influx_take64(&in), max = (silt_time)influx_take64(&in);
        if (in.short_of)
            return "a tombstone cut short";
        add(out, &capacity, key, min, max);
    }
    return NULL;
}

/* One gzip stream after the other. */
static const char *inflate_all(const uint8_t *bytes, size_t len, struct silt_buffer *out)
{
    z_stream stream = {0};
    const char *wrong = NULL;
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return "zlib: no memory";
    while (len || stream.avail_in) {
        if (stream.avail_in == 0) { /* zlib counts in 32 bits */
            stream.avail_in = len < UINT_MAX ? (uInt)len : UINT_MAX;
            stream.next_in = (Bytef *)(uintptr_t)bytes;
            bytes += stream.avail_in;
            len -= stream.avail_in;
        }
        silt_buffer_reserve(out, GROWTH_BYTES);
        stream.next_out = (Bytef *)out->p + out->len;
        stream.avail_out = (uInt)GROWTH_BYTES;
        int rc = inflate(&stream, Z_NO_FLUSH);
        out->len += GROWTH_BYTES - stream.avail_out;
        if (rc == Z_STREAM_END)
            rc = inflateReset(&stream);
        else if (rc == Z_OK && stream.avail_in == 0 && len == 0 && stream.avail_out)
            rc = Z_BUF_ERROR; /* the stream wants more than there is */
        if (rc != Z_OK) {
            wrong = "a damaged gzip stream";
            break;
        }
        if (out->len > TEXT_BYTES_MAX) {
            wrong = "more tombstones than can be kept";
            break;
        }
    }
    inflateEnd(&stream);
    return wrong;
}

static int by_key(const void *a, const void *b)
{
    const struct influx_tombstone *left = a, *right = b;
    return silt_str_compare(left->key, right->key);
}

const char *influx_tombstones_parse(const uint8_t *bytes, size_t len, struct influx_tombstones *out)
{
    const char *wrong = NULL, *wrong_entry = NULL;
    uint32_t magic = len >= MAGIC_BYTES ? influx_load32(bytes) : 0;

    *out = (struct influx_tombstones){0};
    if (magic == MAGIC_3 || magic == MAGIC_4)
        wrong = inflate_all(bytes + MAGIC_BYTES, len - MAGIC_BYTES, &out->text);
    else if (magic == MAGIC_2)
        silt_buffer_append(&out->text, bytes + MAGIC_BYTES, len - MAGIC_BYTES);
    else if (len)
        silt_buffer_append(&out->text, bytes, len);
    if (out->text.len == 0)
        return wrong ? wrong : "a file without tombstones";
    wrong_entry = magic == MAGIC_2 || magic == MAGIC_3 || magic == MAGIC_4 ? parse_entries(out) : parse_lines(out);
    if (out->count)
        qsort(out->items, out->count, sizeof(*out->items), by_key);
    return wrong ? wrong : wrong_entry;
}

void influx_tombstones_free(struct influx_tombstones *tombstones)
{
    silt_buffer_free(&tombstones->text);
    free(tombstones->items);
    *tombstones = (struct influx_tombstones){0};
}

const struct influx_tombstone *influx_tombstones_find(const struct influx_tombstones *tombstones, struct silt_str key,
                                                      size_t *count)
{
    size_t low = 0, high = tombstones->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (silt_str_compare(tombstones->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (high = low; high < tombstones->count && silt_str_equal(tombstones->items[high].key, key);)
        high++;
    *count = high - low;
    return *count ? tombstones->items + low : NULL;
}
