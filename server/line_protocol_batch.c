/*
 * line_protocol_batch.c - the batch under construction: rows, values, strings, layouts and errors.
 *
 * Arrays grow by what the text so far foretells, so that a body of even lines ends with little to spare.
 */
#include "server/line_protocol_internal.h"
#include "silt/text.h"

#define ROWS_FIRST 64
#define GROWTH_MAX 8 /* at most so many times larger, whatever the text promises */
#define STRING_PIECE_BYTES ((size_t)64 << 10)

static silt_time floor_to(silt_time time, int64_t unit)
{
    int64_t rest = time % unit;
    return time - (rest < 0 ? rest + unit : rest);
}

enum silt_status lp_builder_init(struct lp_builder *builder, const char *text, size_t len,
                                 const struct lp_options *options, struct silt_arena *arena, struct silt_error *err)
{
    silt_assert(options->precision_ns > 0);
    *builder = (struct lp_builder){
        .arena = arena,
        .text = text,
        .end = text + len,
        .default_time = floor_to(options->now, options->precision_ns),
        .precision_ns = options->precision_ns,
    };
    if (len > LP_TEXT_BYTES_MAX)
        return silt_fail(err, SILT_LIMIT, "line protocol of %zu bytes is too long", len);
    return SILT_OK;
}

/* How many items there will be, if the rest of the text has as many per byte as the part before `at`. */
static size_t foretell(const struct lp_builder *builder, const char *at, size_t count, size_t more)
{
    size_t least = count + more > ROWS_FIRST ? count + more : ROWS_FIRST;
    size_t consumed = (size_t)(at - builder->text), left = (size_t)(builder->end - at);
    double expected = consumed ? (double)count * (1.0 + 1.02 * (double)left / (double)consumed) : 0;
    double most = (double)least * GROWTH_MAX;
    if (count == 0)
        return least;
    expected = expected < most ? expected : most;
    size_t smallest = least + least / 4;
    return expected > (double)smallest ? (size_t)expected : smallest;
}

static void *grow(struct lp_builder *builder, const void *items, size_t count, size_t capacity, size_t item_bytes)
{
    void *moved = silt_arena_try_alloc(builder->arena, capacity * item_bytes);
    if (moved && count)
        memcpy(moved, items, count * item_bytes);
    return moved;
}

enum silt_status lp_builder_grow(struct lp_builder *builder, const char *at, size_t values, struct silt_error *err)
{
    if (builder->row_count == builder->row_capacity) {
        size_t capacity = foretell(builder, at, builder->row_count, 1);
        struct silt_row *rows = grow(builder, builder->rows, builder->row_count, capacity, sizeof(*rows));
        if (!rows)
            return silt_fail(err, SILT_LIMIT, "not enough memory for %zu rows of a write", capacity);
        builder->rows = rows;
        builder->row_capacity = capacity;
    }
    if (builder->value_capacity - builder->value_count < values) {
        size_t capacity = foretell(builder, at, builder->value_count, values);
        union silt_value *moved = grow(builder, builder->values, builder->value_count, capacity, sizeof(*moved));
        if (!moved)
            return silt_fail(err, SILT_LIMIT, "not enough memory for %zu values of a write", capacity);
        builder->values = moved;
        builder->value_capacity = capacity;
    }
    return SILT_OK;
}

struct silt_bytes *lp_builder_string(struct lp_builder *builder, size_t len)
{
    size_t bytes = (sizeof(struct silt_bytes) + len + 7) & ~(size_t)7;
    struct silt_bytes *string;
    if ((size_t)(builder->strings_end - builder->strings) < bytes) {
        if (bytes > STRING_PIECE_BYTES / 8) {
            string = silt_arena_try_alloc(builder->arena, bytes);
            if (string)
                string->len = (uint32_t)len;
            return string;
        }
        char *piece = silt_arena_try_alloc(builder->arena, STRING_PIECE_BYTES);
        if (!piece)
            return NULL;
        builder->strings = piece;
        builder->strings_end = piece + STRING_PIECE_BYTES;
    }
    string = (struct silt_bytes *)builder->strings;
    builder->strings += bytes;
    string->len = (uint32_t)len;
    return string;
}

/* ---------------------------------------------------------------- layouts */

static uint64_t hash_layout(struct silt_str measurement, uint64_t hash)
{
    return (hash ^ silt_hash(measurement.p, measurement.len)) * 0x9E3779B97F4A7C15u;
}

static uint64_t hash_field(uint64_t hash, struct silt_str name, enum silt_type type)
{
    hash = (hash ^ silt_hash(name.p, name.len) ^ (uint64_t)type) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static uint64_t hash_of(const struct silt_layout *layout)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < layout->field_count; i++)
        hash = hash_field(hash, layout->fields[i].name, layout->fields[i].type);
    return hash_layout(layout->measurement, hash);
}

static bool is_layout(const struct lp_builder *builder, const struct silt_layout *layout, struct silt_str measurement)
{
    if (layout->field_count != builder->field_count || !silt_str_equal(layout->measurement, measurement))
        return false;
    for (size_t i = 0; i < builder->field_count; i++)
        if (layout->fields[i].type != builder->fields[i].type ||
            !silt_str_equal(layout->fields[i].name, builder->fields[i].name))
            return false;
    return true;
}

static void rehash_layouts(struct lp_builder *builder)
{
    size_t slot_count = builder->layout_slot_count ? builder->layout_slot_count * 2 : 16;
    builder->layout_slots = silt_arena_zalloc(builder->arena, slot_count * sizeof(*builder->layout_slots));
    builder->layout_slot_count = slot_count;
    for (size_t i = 0; i < builder->layout_count; i++) {
        size_t slot = hash_of(&builder->layouts[i]) >> 20 & (slot_count - 1);
        while (builder->layout_slots[slot])
            slot = (slot + 1) & (slot_count - 1);
        builder->layout_slots[slot] = (uint32_t)i + 1;
    }
}

uint32_t lp_builder_layout(struct lp_builder *builder, struct silt_str measurement)
{
    if (builder->layout_count * 2 >= builder->layout_slot_count)
        rehash_layouts(builder);
    uint64_t hash = 0;
    for (size_t i = 0; i < builder->field_count; i++)
        hash = hash_field(hash, builder->fields[i].name, builder->fields[i].type);
    hash = hash_layout(measurement, hash);

    size_t slot = hash >> 20 & (builder->layout_slot_count - 1);
    while (builder->layout_slots[slot]) {
        uint32_t index = builder->layout_slots[slot] - 1;
        if (is_layout(builder, &builder->layouts[index], measurement))
            return index;
        slot = (slot + 1) & (builder->layout_slot_count - 1);
    }

    struct silt_field *fields = silt_arena_alloc(builder->arena, builder->field_count * sizeof(*fields));
    for (size_t i = 0; i < builder->field_count; i++)
        fields[i] = (struct silt_field){builder->fields[i].name, builder->fields[i].type};
    builder->layouts = silt_arena_grow(builder->arena, builder->layouts, &builder->layout_capacity,
                                       builder->layout_count + 1, sizeof(*builder->layouts));
    builder->layouts[builder->layout_count] = (struct silt_layout){measurement, fields, (uint32_t)builder->field_count};
    builder->layout_slots[slot] = (uint32_t)++builder->layout_count;
    return (uint32_t)builder->layout_count - 1;
}

/* ---------------------------------------------------------------- results */

void lp_builder_error(struct lp_builder *builder, struct silt_str line, struct silt_str reason)
{
    builder->error_total++;
    if (builder->error_count == LP_ERRORS_KEPT_MAX)
        return;
    builder->errors = silt_arena_grow(builder->arena, builder->errors, &builder->error_capacity,
                                      builder->error_count + 1, sizeof(*builder->errors));
    builder->errors[builder->error_count++] = (struct lp_error){line, reason};
}

void lp_builder_finish(const struct lp_builder *builder, struct silt_batch *out, struct lp_errors *errors)
{
    *out = (struct silt_batch){
        .layouts = builder->layouts,
        .layout_count = (uint32_t)builder->layout_count,
        .rows = builder->rows,
        .row_count = builder->row_count,
        .values = builder->values,
    };
    *errors = (struct lp_errors){builder->errors, builder->error_count, builder->error_total};
}
