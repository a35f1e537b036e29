/*
 * record.c - see record.h.
 */
#include "storage/record.h"

#include "storage/encode.h"
#include "storage/tombstone.h"

#include <stdlib.h>

enum { FORM_FLOAT_INT = 16, FORM_RAW = 32, FORM_TEXT = 64, FORM_DECIMAL = 128, FORM_POWER_SHIFT = 5 };

#define POWER_MAX 4u /* of ten, that decimals are multiplied by; in two bits of the form, less one */

static const double tens[POWER_MAX + 1] = {1, 10, 100, 1000, 10000};

/* Rows of a block times columns: bounds what reading it takes. */
#define BLOCK_VALUES_MAX ((size_t)1 << 17)

/* ---------------------------------------------------------------- writing */

static void put_text(struct silt_buffer *out, struct silt_str text)
{
    encode_put_varint(out, text.len);
    silt_buffer_append(out, text.p, text.len);
}

void record_begin_define(struct silt_buffer *out, uint32_t database)
{
    silt_buffer_char(out, RECORD_DEFINE);
    silt_buffer_append(out, &database, sizeof(database));
}

void record_put_series(struct silt_buffer *out, silt_series_id id, struct silt_str key)
{
    silt_buffer_char(out, 'S');
    encode_put_varint(out, id);
    put_text(out, key);
}

void record_put_field(struct silt_buffer *out, struct silt_str measurement, uint32_t field_id, struct silt_str name)
{
    silt_buffer_char(out, 'F');
    put_text(out, measurement);
    encode_put_varint(out, field_id);
    put_text(out, name);
}

void record_put_type(struct silt_buffer *out, uint64_t shard, struct silt_str measurement, uint32_t field_id,
                     enum silt_type type)
{
    silt_buffer_char(out, 'T');
    encode_put_varint(out, shard);
    put_text(out, measurement);
    encode_put_varint(out, field_id);
    silt_buffer_char(out, (char)type);
}

void record_put_delete(struct silt_buffer *out, const struct record_delete *what)
{
    silt_buffer_char(out, RECORD_DELETE);
    silt_buffer_append(out, &what->database, sizeof(what->database));
    silt_buffer_char(out, (char)what->flags);
    silt_buffer_append(out, &what->min, sizeof(what->min));
    silt_buffer_append(out, &what->max, sizeof(what->max));
    put_text(out, what->measurement);
    tombstone_put_series(out, what->series);
}

static void put_packed(struct silt_buffer *out, uint8_t form, const int64_t *values, unsigned count, int64_t min,
                       int64_t max)
{
    uint64_t range = (uint64_t)max - (uint64_t)min;
    unsigned width = range == 0 ? 0 : range <= UINT8_MAX ? 1 : range <= UINT16_MAX ? 2 : range <= UINT32_MAX ? 4 : 8;
    silt_buffer_reserve(out, 16 + (size_t)count * 8);
    uint8_t *to = (uint8_t *)out->p + out->len;
    *to++ = (uint8_t)(form | width);
    to += encode_write_varint(to, encode_zigzag(min));
    switch (width) {
    case 1:
        for (unsigned i = 0; i < count; i++)
            to[i] = (uint8_t)((uint64_t)values[i] - (uint64_t)min);
        break;
    case 2:
        for (unsigned i = 0; i < count; i++) {
            uint16_t v = (uint16_t)((uint64_t)values[i] - (uint64_t)min);
            memcpy(to + (size_t)i * 2, &v, 2);
        }
        break;
    case 4:
        for (unsigned i = 0; i < count; i++) {
            uint32_t v = (uint32_t)((uint64_t)values[i] - (uint64_t)min);
            memcpy(to + (size_t)i * 4, &v, 4);
        }
        break;
    case 8:
        for (unsigned i = 0; i < count; i++) {
            uint64_t v = (uint64_t)values[i] - (uint64_t)min;
            memcpy(to + (size_t)i * 8, &v, 8);
        }
        break;
    default:
        break;
    }
    to += (size_t)count * width;
    out->len = (size_t)((char *)to - out->p);
}

static void put_ints(struct silt_buffer *out, uint8_t form, const int64_t *values, unsigned count)
{
    int64_t min = values[0], max = values[0];
    for (unsigned i = 1; i < count; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    put_packed(out, form, values, count, min, max);
}

/* Whether the very bits of all come back from whole numbers divided by the scale. */
static bool as_whole(const double *floats, unsigned count, double scale, int64_t *ints)
{
    for (unsigned begin = 0; begin < count; begin += 32) {
        unsigned end = begin + 32 < count ? begin + 32 : count;
        uint64_t different = 0;
        for (unsigned i = begin; i < end; i++) {
            double v = floats[i], scaled = v * scale;
            bool fits = scaled > -4503599627370496.0 && scaled < 4503599627370496.0;
            ints[i] = fits ? (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5)) : 0;
            double back = (double)ints[i] / scale;
            uint64_t bits, back_bits;
            memcpy(&bits, &v, sizeof(bits));
            memcpy(&back_bits, &back, sizeof(back_bits));
            different |= bits ^ back_bits; /* -0 is not 0 */
        }
        if (different)
            return false;
    }
    return true;
}

/* The power of ten that makes the first few whole, as far as they tell; more than POWER_MAX: none. */
static unsigned power_of(const double *floats, unsigned count)
{
    unsigned power = 0;
    for (unsigned i = 0; i < count && i < 8 && power <= POWER_MAX; i++) {
        int64_t whole;
        while (power <= POWER_MAX && !as_whole(&floats[i], 1, tens[power], &whole))
            power++;
    }
    return power;
}

static void put_floats(struct silt_buffer *out, const double *floats, unsigned count)
{
    int64_t ints[RECORD_BLOCK_ROWS];
    unsigned power = power_of(floats, count);
    if (power <= POWER_MAX && as_whole(floats, count, tens[power], ints)) {
        put_ints(out, (uint8_t)(power == 0 ? FORM_FLOAT_INT : FORM_DECIMAL | (power - 1) << FORM_POWER_SHIFT), ints, count);
        return;
    }
    silt_buffer_char(out, FORM_RAW);
    silt_buffer_append(out, floats, (size_t)count * sizeof(*floats));
}

static void put_values(struct silt_buffer *out, enum silt_type type, const struct memtable_row *const *rows,
                       unsigned count, uint32_t slot)
{
    union {
        int64_t ints[RECORD_BLOCK_ROWS];
        double floats[RECORD_BLOCK_ROWS];
    } gathered;
    switch (type) {
    case SILT_TYPE_STRING:
        silt_buffer_char(out, FORM_TEXT);
        for (unsigned i = 0; i < count; i++)
            put_text(out, silt_bytes_str(rows[i]->values[slot].string));
        return;
    case SILT_TYPE_BOOLEAN:
        for (unsigned i = 0; i < count; i++)
            gathered.ints[i] = rows[i]->values[slot].boolean;
        put_ints(out, 0, gathered.ints, count);
        return;
    case SILT_TYPE_FLOAT:
        for (unsigned i = 0; i < count; i++)
            gathered.floats[i] = rows[i]->values[slot].f64;
        put_floats(out, gathered.floats, count);
        return;
    default: {
        int64_t min = rows[0]->values[slot].i64, max = min;
        for (unsigned i = 0; i < count; i++) {
            int64_t v = rows[i]->values[slot].i64;
            gathered.ints[i] = v;
            min = v < min ? v : min;
            max = v > max ? v : max;
        }
        put_packed(out, 0, gathered.ints, count, min, max);
    }
    }
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The rows by layout, and within one as they stand: keys[i] is layout << 32 | row. */
static void order_rows(const struct memtable_row *rows, unsigned count, uint32_t low, uint32_t high, uint64_t *keys)
{
    unsigned at[RECORD_BLOCK_ROWS + 1] = {0};
    if (high - low >= RECORD_BLOCK_ROWS) {
        for (unsigned i = 0; i < count; i++)
            keys[i] = (uint64_t)rows[i].map << 32 | i;
        qsort(keys, count, sizeof(*keys), compare_keys);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        at[rows[i].map - low + 1]++;
    for (unsigned m = 1; m <= high - low; m++)
        at[m] += at[m - 1];
    for (unsigned i = 0; i < count; i++)
        keys[at[rows[i].map - low]++] = (uint64_t)rows[i].map << 32 | i;
}

static void put_block(struct silt_buffer *out, const struct memtable_row *rows, unsigned count,
                      const struct layout_map *maps)
{
    const struct memtable_row *of_map[RECORD_BLOCK_ROWS];
    int64_t numbers[RECORD_BLOCK_ROWS];
    silt_assert(count > 0 && count <= RECORD_BLOCK_ROWS);
    uint32_t low = rows[0].map, high = low;
    for (unsigned i = 1; i < count; i++) {
        low = rows[i].map < low ? rows[i].map : low;
        high = rows[i].map > high ? rows[i].map : high;
    }
    encode_put_varint(out, count);
    silt_buffer_char(out, low != high);
    if (low == high)
        encode_put_varint(out, low);
    for (unsigned i = 0; low != high && i < count; i++)
        silt_buffer_append(out, &rows[i].map, sizeof(rows[i].map));
    for (unsigned i = 0; i < count; i++)
        numbers[i] = rows[i].series;
    put_ints(out, 0, numbers, count);
    for (unsigned i = 0; i < count; i++)
        numbers[i] = rows[i].time;
    put_ints(out, 0, numbers, count);
    uint64_t keys[RECORD_BLOCK_ROWS];
    order_rows(rows, count, low, high, keys);
    for (unsigned begin = 0, end; begin < count; begin = end) {
        uint32_t map = (uint32_t)(keys[begin] >> 32);
        for (end = begin; end < count && keys[end] >> 32 == map; end++)
            of_map[end - begin] = &rows[(uint32_t)keys[end]];
        const struct field_layout *layout = maps[map].layout;
        for (uint32_t c = 0; c < layout->column_count; c++)
            put_values(out, layout->columns[c].type, of_map, end - begin, maps[map].slots[c]);
    }
}

/* How many of the rows make the next block: cut where the layout changes, for a block of one layout is smaller and is put
 * in place faster, but not for a few rows. */
static size_t next_block(const struct memtable_row *rows, size_t count, size_t most)
{
    size_t n = 1;
    if (count > most)
        count = most;
    while (n < count && rows[n].map == rows[0].map)
        n++;
    return n >= RECORD_BLOCK_ROWS / 8 ? n : count;
}

void record_put_rows(struct silt_buffer *out, uint64_t shard, const struct memtable_row *rows, size_t count,
                     const struct layout_map *maps, const struct silt_str *measurements, size_t map_count)
{
    uint32_t column_max = 1;
    silt_buffer_char(out, RECORD_ROWS);
    encode_put_varint(out, shard);
    encode_put_varint(out, map_count);
    for (size_t m = 0; m < map_count; m++) {
        const struct field_layout *layout = maps[m].layout;
        put_text(out, measurements[m]);
        encode_put_varint(out, layout->column_count);
        for (uint32_t c = 0; c < layout->column_count; c++) {
            encode_put_varint(out, layout->columns[c].field_id);
            silt_buffer_char(out, (char)layout->columns[c].type);
        }
        if (layout->column_count > column_max)
            column_max = layout->column_count;
    }
    size_t block_rows = BLOCK_VALUES_MAX / column_max;
    block_rows = block_rows < 1 ? 1 : block_rows > RECORD_BLOCK_ROWS ? RECORD_BLOCK_ROWS : block_rows;
    for (size_t i = 0, n; i < count; i += n) {
        n = next_block(rows + i, count - i, block_rows);
        put_block(out, rows + i, (unsigned)n, maps);
    }
}

/* ---------------------------------------------------------------- reading */

static enum silt_status corrupt(struct silt_error *err, const char *what)
{
    return silt_fail(err, SILT_CORRUPT, "log record: %s", what);
}

enum record_kind record_kind(const void *bytes, size_t len)
{
    uint8_t kind = len > 0 ? *(const uint8_t *)bytes : 0;
    return kind >= RECORD_DEFINE && kind <= RECORD_ROWS ? (enum record_kind)kind : (enum record_kind)0;
}

static struct silt_str get_text(struct encode_cursor *cursor)
{
    uint64_t len = encode_get_varint(cursor);
    if (!cursor->at || len > (size_t)(cursor->end - cursor->at)) {
        cursor->at = NULL;
        return (struct silt_str){NULL, 0};
    }
    struct silt_str text = {(const char *)cursor->at, (size_t)len};
    cursor->at += len;
    return text;
}

static unsigned get_byte(struct encode_cursor *cursor)
{
    if (!cursor->at || cursor->at >= cursor->end) {
        cursor->at = NULL;
        return 0;
    }
    return *cursor->at++;
}

static enum silt_type get_type(struct encode_cursor *cursor)
{
    unsigned type = get_byte(cursor);
    if (type < SILT_TYPE_FLOAT || type > SILT_TYPE_BOOLEAN)
        cursor->at = NULL;
    return (enum silt_type)type;
}

static uint32_t get_u32(struct encode_cursor *cursor)
{
    uint64_t value = encode_get_varint(cursor);
    if (value > UINT32_MAX)
        cursor->at = NULL;
    return (uint32_t)value;
}

enum silt_status record_each_definition(const void *bytes, size_t len,
                                        enum silt_status (*each)(void *arg, uint32_t database,
                                                                 const struct record_definition *definition,
                                                                 struct silt_error *err),
                                        void *arg, struct silt_error *err)
{
    uint32_t database;
    struct encode_cursor cursor = {(const uint8_t *)bytes + 1 + sizeof(database), (const uint8_t *)bytes + len};
    if (len < 1 + sizeof(database))
        return corrupt(err, "short definition");
    memcpy(&database, (const uint8_t *)bytes + 1, sizeof(database));
    while (cursor.at < cursor.end) {
        struct record_definition definition = {0};
        definition.what = (char)get_byte(&cursor);
        switch (definition.what) {
        case 'S':
            definition.series = get_u32(&cursor);
            definition.text = get_text(&cursor);
            break;
        case 'F':
            definition.measurement = get_text(&cursor);
            definition.field_id = get_u32(&cursor);
            definition.text = get_text(&cursor);
            break;
        case 'T':
            definition.shard = encode_get_varint(&cursor);
            definition.measurement = get_text(&cursor);
            definition.field_id = get_u32(&cursor);
            definition.type = get_type(&cursor);
            break;
        default:
            cursor.at = NULL;
        }
        if (!cursor.at)
            return corrupt(err, "definition");
        enum silt_status rc = each(arg, database, &definition, err);
        if (rc != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

enum silt_status record_get_delete(const void *bytes, size_t len, struct record_delete *out, struct silt_error *err)
{
    const uint8_t *at = bytes, *end = at + len;
    memset(out, 0, sizeof(*out));
    if (len < 22)
        return corrupt(err, "short delete");
    memcpy(&out->database, at + 1, 4);
    out->flags = at[5];
    memcpy(&out->min, at + 6, 8);
    memcpy(&out->max, at + 14, 8);
    struct encode_cursor cursor = {at + 22, end};
    out->measurement = get_text(&cursor);
    if (!cursor.at)
        return corrupt(err, "delete");
    out->series = tombstone_get_series(&cursor.at, end);
    return out->series ? SILT_OK : corrupt(err, "set of series");
}

enum silt_status record_open_rows(const void *bytes, size_t len, struct silt_arena *arena, struct record_rows *out,
                                  struct silt_error *err)
{
    struct encode_cursor cursor = {(const uint8_t *)bytes + 1, (const uint8_t *)bytes + len};
    memset(out, 0, sizeof(*out));
    out->shard = encode_get_varint(&cursor);
    out->layout_count = get_u32(&cursor);
    out->column_max = 1;
    if (!cursor.at || out->layout_count > (size_t)(cursor.end - cursor.at))
        return corrupt(err, "rows");
    out->layouts = silt_arena_try_alloc(arena, (size_t)(out->layout_count ? out->layout_count : 1) * sizeof(*out->layouts));
    if (!out->layouts)
        return silt_fail(err, SILT_LIMIT, "memory limit exceeded");
    for (uint32_t i = 0; i < out->layout_count; i++) {
        struct record_layout *layout = &out->layouts[i];
        layout->measurement = get_text(&cursor);
        layout->column_count = get_u32(&cursor);
        if (!cursor.at || layout->column_count == 0 || layout->column_count > (size_t)(cursor.end - cursor.at))
            return corrupt(err, "layout");
        layout->columns = silt_arena_try_alloc(arena, layout->column_count * sizeof(*layout->columns));
        if (!layout->columns)
            return silt_fail(err, SILT_LIMIT, "memory limit exceeded");
        for (uint32_t c = 0; c < layout->column_count; c++) {
            layout->columns[c].field_id = get_u32(&cursor);
            layout->columns[c].type = get_type(&cursor);
            if (!cursor.at || (c > 0 && layout->columns[c].field_id <= layout->columns[c - 1].field_id))
                return corrupt(err, "layout");
        }
        if (layout->column_count > out->column_max)
            out->column_max = layout->column_count;
    }
    out->at = cursor.at;
    out->end = cursor.end;
    return SILT_OK;
}

static void get_ints(struct encode_cursor *cursor, unsigned width, unsigned count, int64_t *values)
{
    uint64_t base = (uint64_t)encode_get_signed(cursor);
    if (!cursor->at || (width != 0 && width != 1 && width != 2 && width != 4 && width != 8)
        || (size_t)(cursor->end - cursor->at) < (size_t)count * width) {
        cursor->at = NULL;
        return;
    }
    const uint8_t *from = cursor->at;
    /* A loop for each width: the compiler makes vectors of them. */
    switch (width) {
    case 0:
        for (unsigned i = 0; i < count; i++)
            values[i] = (int64_t)base;
        break;
    case 1:
        for (unsigned i = 0; i < count; i++)
            values[i] = (int64_t)(base + from[i]);
        break;
    case 2:
        for (unsigned i = 0; i < count; i++) {
            uint16_t v;
            memcpy(&v, from + (size_t)i * 2, 2);
            values[i] = (int64_t)(base + v);
        }
        break;
    case 4:
        for (unsigned i = 0; i < count; i++) {
            uint32_t v;
            memcpy(&v, from + (size_t)i * 4, 4);
            values[i] = (int64_t)(base + v);
        }
        break;
    default:
        for (unsigned i = 0; i < count; i++) {
            uint64_t v;
            memcpy(&v, from + (size_t)i * 8, 8);
            values[i] = (int64_t)(base + v);
        }
    }
    cursor->at += (size_t)count * width;
}

static bool get_values(struct encode_cursor *cursor, enum silt_type type, struct silt_arena *arena, unsigned count,
                       union silt_value *const *to, uint32_t column)
{
    int64_t numbers[RECORD_BLOCK_ROWS];
    unsigned form = get_byte(cursor);
    if (form == FORM_TEXT && type == SILT_TYPE_STRING) {
        for (unsigned i = 0; i < count; i++) {
            struct silt_str text = get_text(cursor);
            if (!cursor->at)
                return false;
            to[i][column].string = silt_arena_bytes_copy(arena, text);
        }
        return true;
    }
    if (type == SILT_TYPE_STRING || !cursor->at)
        return false;
    if (form == FORM_RAW && type == SILT_TYPE_FLOAT) {
        if ((size_t)(cursor->end - cursor->at) < (size_t)count * 8)
            return false;
        for (unsigned i = 0; i < count; i++)
            memcpy(&to[i][column], cursor->at + (size_t)i * 8, 8);
        cursor->at += (size_t)count * 8;
        return true;
    }
    unsigned width = form & FORM_DECIMAL ? form & 15 : form & ~(unsigned)FORM_FLOAT_INT;
    double scale = form & FORM_DECIMAL ? tens[1 + (form >> FORM_POWER_SHIFT & 3)] : 1;
    if ((form & (FORM_FLOAT_INT | FORM_DECIMAL)) != 0 && type != SILT_TYPE_FLOAT)
        return false;
    if ((form & FORM_FLOAT_INT) != 0 && (form & FORM_DECIMAL) != 0)
        return false;
    get_ints(cursor, width, count, numbers);
    if (!cursor->at)
        return false;
    if (type == SILT_TYPE_FLOAT)
        for (unsigned i = 0; i < count; i++)
            to[i][column].f64 = (double)numbers[i] / scale;
    else
        for (unsigned i = 0; i < count; i++)
            to[i][column].i64 = type == SILT_TYPE_BOOLEAN ? numbers[i] != 0 : numbers[i];
    return true;
}

enum silt_status record_next_rows(struct record_rows *record, struct silt_arena *arena, struct memtable_row *rows,
                                  size_t *out_count, struct silt_error *err)
{
    struct encode_cursor cursor = {record->at, record->end};
    union silt_value *of_map[RECORD_BLOCK_ROWS];
    int64_t numbers[RECORD_BLOCK_ROWS];
    *out_count = 0;
    if (cursor.at == cursor.end)
        return SILT_OK;
    uint32_t count = get_u32(&cursor);
    if (!cursor.at || count == 0 || count > RECORD_BLOCK_ROWS
        || (count > 1 && (size_t)count * record->column_max > BLOCK_VALUES_MAX))
        return corrupt(err, "block");
    uint32_t low = UINT32_MAX, high = 0;
    if (get_byte(&cursor) == 0) {
        low = high = get_u32(&cursor);
        for (uint32_t i = 0; i < count; i++)
            rows[i].map = low;
    } else if (cursor.at && (size_t)(cursor.end - cursor.at) >= (size_t)count * 4) {
        for (uint32_t i = 0; i < count; i++) {
            memcpy(&rows[i].map, cursor.at + (size_t)i * 4, 4);
            low = rows[i].map < low ? rows[i].map : low;
            high = rows[i].map > high ? rows[i].map : high;
        }
        cursor.at += (size_t)count * 4;
    } else {
        return corrupt(err, "block");
    }
    if (!cursor.at || high >= record->layout_count)
        return corrupt(err, "layout of a row");
    unsigned width = get_byte(&cursor);
    get_ints(&cursor, width, count, numbers);
    for (uint32_t i = 0; cursor.at && i < count; i++)
        rows[i].series = (silt_series_id)numbers[i];
    width = get_byte(&cursor);
    get_ints(&cursor, width, count, numbers);
    for (uint32_t i = 0; cursor.at && i < count; i++)
        rows[i].time = numbers[i];
    if (!cursor.at)
        return corrupt(err, "block");
    uint64_t keys[RECORD_BLOCK_ROWS];
    order_rows(rows, count, low, high, keys);
    for (uint32_t begin = 0, end; begin < count; begin = end) {
        uint32_t map = (uint32_t)(keys[begin] >> 32);
        const struct record_layout *layout = &record->layouts[map];
        for (end = begin; end < count && keys[end] >> 32 == map; end++) {
            union silt_value *values = silt_arena_try_alloc(arena, layout->column_count * sizeof(*values));
            if (!values)
                return silt_fail(err, SILT_LIMIT, "memory limit exceeded");
            rows[(uint32_t)keys[end]].values = values;
            of_map[end - begin] = values;
        }
        for (uint32_t c = 0; c < layout->column_count; c++)
            if (!get_values(&cursor, layout->columns[c].type, arena, end - begin, of_map, c))
                return corrupt(err, "values");
    }
    record->at = cursor.at;
    *out_count = count;
    return SILT_OK;
}
