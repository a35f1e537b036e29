/*
 * tombstone.c - see tombstone.h.
 */
#include "storage/tombstone.h"

#include <stdlib.h>

static const char magic[8] = {'s', 'i', 'l', 't', 'T', 'M', 'B', '1'};

struct tombstone *tombstone_create(uint64_t seq, silt_time min, silt_time max, roaring_bitmap_t *series)
{
    struct tombstone *tombstone = silt_calloc(1, sizeof(*tombstone));
    atomic_init(&tombstone->references, 1);
    tombstone->seq = seq;
    tombstone->min = min;
    tombstone->max = max;
    tombstone->series = series;
    return tombstone;
}

struct tombstone *tombstone_acquire(struct tombstone *tombstone)
{
    atomic_fetch_add_explicit(&tombstone->references, 1, memory_order_relaxed);
    return tombstone;
}

void tombstone_release(struct tombstone *tombstone)
{
    if (!tombstone || atomic_fetch_sub_explicit(&tombstone->references, 1, memory_order_acq_rel) != 1)
        return;
    roaring_bitmap_free(tombstone->series);
    free(tombstone);
}

void tombstone_put_series(struct silt_buffer *out, const roaring_bitmap_t *series)
{
    uint32_t len = (uint32_t)roaring_bitmap_portable_size_in_bytes(series);
    silt_buffer_append(out, &len, sizeof(len));
    silt_buffer_reserve(out, len);
    roaring_bitmap_portable_serialize(series, out->p + out->len);
    out->len += len;
}

roaring_bitmap_t *tombstone_get_series(const uint8_t **at, const uint8_t *end)
{
    uint32_t len;
    if ((size_t)(end - *at) < sizeof(len))
        return NULL;
    memcpy(&len, *at, sizeof(len));
    *at += sizeof(len);
    if ((size_t)(end - *at) < len)
        return NULL;
    roaring_bitmap_t *series = roaring_bitmap_portable_deserialize_safe((const char *)*at, len);
    *at += len;
    return series;
}

void tombstone_encode(struct silt_buffer *out, struct tombstone *const *tombstones, size_t count)
{
    size_t start = out->len;
    uint32_t number = (uint32_t)count;
    silt_buffer_append(out, magic, sizeof(magic));
    silt_buffer_append(out, &number, sizeof(number));
    for (size_t i = 0; i < count; i++) {
        silt_buffer_append(out, &tombstones[i]->seq, 8);
        silt_buffer_append(out, &tombstones[i]->min, 8);
        silt_buffer_append(out, &tombstones[i]->max, 8);
        tombstone_put_series(out, tombstones[i]->series);
    }
    uint32_t crc = silt_crc32c(0, out->p + start, out->len - start);
    silt_buffer_append(out, &crc, sizeof(crc));
}

enum silt_status tombstone_decode(const char *name, const void *bytes, size_t len, struct tombstone ***tombstones,
                                  size_t *count, struct silt_error *err)
{
    const uint8_t *at = bytes, *end = at + len;
    uint32_t crc, number = 0;
    *tombstones = NULL;
    *count = 0;
    if (len < sizeof(magic) + 8 || memcmp(at, magic, sizeof(magic)) != 0)
        return silt_fail(err, SILT_CORRUPT, "%s: not a list of tombstones", name);
    end -= sizeof(crc);
    memcpy(&crc, end, sizeof(crc));
    if (crc != silt_crc32c(0, bytes, len - sizeof(crc)))
        return silt_fail(err, SILT_CORRUPT, "%s: checksum", name);
    at += sizeof(magic);
    memcpy(&number, at, sizeof(number));
    at += sizeof(number);
    if (number > (size_t)(end - at) / 28)
        return silt_fail(err, SILT_CORRUPT, "%s: too many tombstones", name);

    struct tombstone **list = silt_calloc(number ? number : 1, sizeof(*list));
    for (uint32_t i = 0; i < number; i++) {
        uint64_t seq;
        silt_time min, max;
        roaring_bitmap_t *series = NULL;
        if (end - at >= 28) {
            memcpy(&seq, at, 8);
            memcpy(&min, at + 8, 8);
            memcpy(&max, at + 16, 8);
            at += 24;
            series = tombstone_get_series(&at, end);
        }
        if (!series) {
            for (uint32_t j = 0; j < i; j++)
                tombstone_release(list[j]);
            free(list);
            return silt_fail(err, SILT_CORRUPT, "%s: tombstone %u", name, i);
        }
        list[i] = tombstone_create(seq, min, max, series);
    }
    *tombstones = list;
    *count = number;
    return SILT_OK;
}

size_t tombstone_visible(struct tombstone *const *tombstones, size_t count, uint64_t seq, uint32_t series, silt_time min,
                         silt_time max, struct tombstone_span *spans, size_t room)
{
    if (min > max)
        return 0;
    size_t used = 1;
    spans[0] = (struct tombstone_span){min, max};
    for (size_t i = 0; i < count; i++) {
        const struct tombstone *t = tombstones[i];
        if (t->seq < seq || t->max < min || t->min > max || !roaring_bitmap_contains(t->series, series))
            continue;
        size_t kept = 0;
        struct tombstone_span extra = {1, 0};
        for (size_t s = 0; s < used; s++) {
            struct tombstone_span span = spans[s];
            if (t->max < span.min || t->min > span.max) {
                spans[kept++] = span;
                continue;
            }
            bool left = t->min > span.min, right = t->max < span.max;
            if (left && right) {
                /* One tombstone splits one span at most: the spans are disjoint. */
                extra = (struct tombstone_span){t->max + 1, span.max};
                spans[kept++] = (struct tombstone_span){span.min, t->min - 1};
            } else if (left) {
                spans[kept++] = (struct tombstone_span){span.min, t->min - 1};
            } else if (right) {
                spans[kept++] = (struct tombstone_span){t->max + 1, span.max};
            }
        }
        used = kept;
        if (extra.min <= extra.max) {
            silt_assert(used < room);
            size_t place = used;
            while (place > 0 && spans[place - 1].min > extra.min) {
                spans[place] = spans[place - 1];
                place--;
            }
            spans[place] = extra;
            used++;
        }
    }
    return used;
}

enum silt_status tombstone_load(struct vfs *vfs, const char *name, struct tombstone ***tombstones, size_t *count,
                                struct silt_error *err)
{
    struct vfs_blob *blob;
    *tombstones = NULL;
    *count = 0;
    enum silt_status rc = vfs_blob_open(vfs, name, &blob, err);
    if (rc != SILT_OK)
        return rc;
    size_t len = vfs_blob_bytes(blob);
    void *bytes = silt_malloc(len + 1);
    rc = vfs_blob_read(blob, 0, bytes, len, err);
    if (rc == SILT_OK)
        rc = tombstone_decode(name, bytes, len, tombstones, count, err);
    free(bytes);
    vfs_blob_close(blob);
    return rc;
}
