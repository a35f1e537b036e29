/*
 * record.h - what stands in the log: definitions, rows, deletes; to bytes and back. Pure.
 *
 * The log frames, numbers and checks its records (wal.h); this is their content. Little-endian; varint and signed as in
 * encode.h; text is its length as varint and its bytes.
 *
 *     DEFINE   1, database 4, items until the end:
 *                  'S' series id varint, canonical key text
 *                  'F' measurement text, field id varint, name text
 *                  'T' shard varint, measurement text, field id varint, type 1
 *     DELETE   2, database 4, flags 1, min 8, max 8, measurement text, length 4, series as portable Roaring bitmap
 *     ROWS     3, shard varint, layouts varint, layout ..., block ... until the end
 *                  layout: measurement text, columns varint, columns rising: field id varint, type 1
 *                  block:  rows varint (1..256)
 *                          layout of the rows: 0, its number varint; or 1, and per row 4 bytes
 *                          series ids, times: numbers
 *                          per layout that occurs, rising, per column: its rows' values
 *
 *     numbers  form 1, then by form:  0, 1, 2, 4, 8   that many bytes a value, less the base: signed, in front
 *                                     16 + the same   floats that are whole numbers, as such
 *                                     32              8 bytes each (floats)
 *                                     64              texts
 *                                     128 + (power - 1) * 32 + the same   floats: such a number over 10^power, 1 to 4
 *
 * Rows keep their order. A TSBS row of ten integers takes about 15 bytes and 20 ns.
 */
#ifndef STORAGE_RECORD_H
#define STORAGE_RECORD_H

#include "silt/base.h"
#include "silt/text.h"
#include "storage/memtable.h"

#include <roaring/roaring.h>

enum record_kind { RECORD_DEFINE = 1, RECORD_DELETE = 2, RECORD_ROWS = 3 };

#define RECORD_BLOCK_ROWS 256u

/* ---------------------------------------------------------------- writing */

void record_begin_define(struct silt_buffer *out, uint32_t database);
void record_put_series(struct silt_buffer *out, silt_series_id id, struct silt_str key);
void record_put_field(struct silt_buffer *out, struct silt_str measurement, uint32_t field_id, struct silt_str name);
void record_put_type(struct silt_buffer *out, uint64_t shard, struct silt_str measurement, uint32_t field_id,
                     enum silt_type type);

enum record_delete_flags {
    RECORD_HIDE = 1,       /* points in the range go */
    RECORD_REMOVE = 2,     /* the series leave the index */
    RECORD_FREE_TYPES = 4, /* field types of the measurement are forgotten */
    RECORD_SUSPECT = 8,    /* the series may be without points then, and stay in the index until they were looked at */
};

struct record_delete {
    uint32_t database;
    uint8_t flags;
    silt_time min, max;
    struct silt_str measurement;
    roaring_bitmap_t *series;
};
void record_put_delete(struct silt_buffer *out, const struct record_delete *what);

/* measurements[i] is that of maps[i]; rows[].map is below map_count. */
void record_put_rows(struct silt_buffer *out, uint64_t shard, const struct memtable_row *rows, size_t count,
                     const struct layout_map *maps, const struct silt_str *measurements, size_t map_count);

/* ---------------------------------------------------------------- reading: SILT_CORRUPT for anything else */

/* 0: not a record. */
enum record_kind record_kind(const void *bytes, size_t len);

struct record_definition {
    char what; /* 'S', 'F', 'T' */
    silt_series_id series;
    uint64_t shard;
    uint32_t field_id;
    enum silt_type type;
    struct silt_str measurement, text; /* text: the series key or the field's name; borrowed from the bytes */
};
/* Every definition in order, until `each` fails. */
enum silt_status record_each_definition(const void *bytes, size_t len,
                                        enum silt_status (*each)(void *arg, uint32_t database,
                                                                 const struct record_definition *definition,
                                                                 struct silt_error *err),
                                        void *arg, struct silt_error *err);

/* The caller frees out->series; out->measurement is borrowed from the bytes. */
enum silt_status record_get_delete(const void *bytes, size_t len, struct record_delete *out, struct silt_error *err);

struct record_layout {
    struct silt_str measurement; /* borrowed from the bytes */
    struct field_ref *columns;
    uint32_t column_count;
};
struct record_rows {
    uint64_t shard;
    struct record_layout *layouts; /* in the arena */
    uint32_t layout_count;
    uint32_t column_max;
    const uint8_t *at, *end;
};
enum silt_status record_open_rows(const void *bytes, size_t len, struct silt_arena *arena, struct record_rows *out,
                                  struct silt_error *err);
/* The next block, rows[RECORD_BLOCK_ROWS]; rows[i].map is the layout's number and values stand in its columns' order.
 * Values and texts are in the arena. *count 0: the end. */
enum silt_status record_next_rows(struct record_rows *record, struct silt_arena *arena, struct memtable_row *rows,
                                  size_t *count, struct silt_error *err);

#endif
