/*
 * line_protocol.c - line protocol, fast: expect the line to look like an earlier one.
 *
 * For each layout seen, a shape keeps the bytes that must stand between the values:
 *
 *     cpu,host=a usage=3i,idle=97.5 1451606400000000000\n
 *     ---        ------  ------                              measurement "cpu", marks "usage=" and ",idle="
 *
 * A line is tried on the shape that came after the previous line's last time, then on the latest few of its
 * measurement.
 * One forward pass finds the end of the series text, compares marks, and reads each value as its type foretells. At
 * the first surprise the line is given up and goes to the plain parser, from which new shapes are learnt: this file
 * knows no error and no rare form, it only knows when not to be sure.
 *
 * Nothing is read behind the end of the text: a value is read here only with SLACK bytes left, so the last line of a
 * text is always parsed plainly.
 */
#include "server/line_protocol_internal.h"
#include "silt/text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

#define SLACK 80              /* more than the longest number below reads: two runs of 24 digits, sign and point */
#define MARK_WORDS 4          /* marks up to 32 bytes are compared as words */
#define DIGITS_MAX 19         /* always fit 64 bits */
#define SHAPE_FIELDS_MAX 4096 /* lines with more are parsed plainly */
#define SHAPES_MAX 1024       /* later layouts are parsed plainly: a text with so many has no pattern */
#define SIBLINGS_TRIED_MAX 6  /* a failed try costs about a tenth of the plain parser */

struct mark {
    uint64_t words[MARK_WORDS], masks[MARK_WORDS];
    struct silt_str text; /* ",name=", without the comma for the first field */
    enum silt_type type;
};

struct shape {
    struct silt_str measurement; /* as sent */
    uint32_t layout;
    uint32_t field_count;
    uint32_t name_bytes_max;
    struct mark *marks;
    struct shape *next;    /* what came after it; never NULL */
    struct shape *sibling; /* the next one of its measurement, NULL at the end */
};

struct measurement_slot {
    struct silt_str measurement;
    struct shape *latest; /* the most recently met first; NULL: free slot */
};

struct fast_parser {
    struct lp_builder builder;
    struct shape **shapes; /* by layout, NULL where there is none */
    size_t shape_capacity, shape_count;
    struct measurement_slot *slots;
    size_t slot_count, slots_used;
    struct shape *previous; /* of the line before, NULL at first */
};

/* ---------------------------------------------------------------- bytes */

static inline uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

/* The first byte up to 0x20 (a space, an LF or something odd), or a place from which on there are too few bytes. */
static inline const char *find_blank(const char *at, const char *end)
{
#if defined(__SSE2__)
    const __m128i space = _mm_set1_epi8(0x20);
    for (; end - at >= 64; at += 64) {
        uint64_t found = 0;
        for (int i = 0; i < 4; i++) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(at + 16 * i));
            __m128i blank = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes);
            found |= (uint64_t)(uint32_t)_mm_movemask_epi8(blank) << 16 * i;
        }
        if (found)
            return at + __builtin_ctzll(found);
    }
#elif defined(__ARM_NEON) && defined(__aarch64__)
    const uint8x16_t space = vdupq_n_u8(0x20);
    for (; end - at >= 16; at += 16) {
        uint8x16_t blank = vcleq_u8(vld1q_u8((const uint8_t *)at), space);
        uint64_t found = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(blank), 4)), 0);
        if (found)
            return at + (__builtin_ctzll(found) >> 2);
    }
#endif
    for (; end - at >= 8; at += 8) {
        uint64_t word = load8(at);
        uint64_t found = (word - 0x2121212121212121u) & ~word & 0x8080808080808080u; /* the lowest bit set is right */
        if (found)
            return at + (__builtin_ctzll(found) >> 3);
    }
    return end;
}

/* The first quote or backslash, or end. */
static inline const char *find_quote(const char *at, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        if (found)
            return at + __builtin_ctz((unsigned)found);
    }
#endif
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The value of eight digits in a word, the first in the lowest byte; bytes that are 0 count as digit 0. */
static inline uint64_t eight_digits(uint64_t word)
{
    word = (word & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
    word = (word & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
    return (word & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
}

/* The run of digits at `at`, which is followed by at least 24 readable bytes. More than DIGITS_MAX: *value is wrong. */
static inline const char *parse_digits(const char *at, uint64_t *value)
{
    static const uint64_t tens[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    uint64_t total = 0;
    for (int group = 0; group < 3; group++) {
        uint64_t word = load8(at), digits = word ^ 0x3030303030303030u;
        uint64_t others = ((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u; /* lowest bit is right */
        if (others) {
            unsigned count = (unsigned)__builtin_ctzll(others) >> 3;
            if (count)
                total = total * tens[count] + eight_digits(word << (64 - 8 * count));
            *value = total;
            return at + count;
        }
        total = total * 100000000u + eight_digits(word);
        at += 8;
    }
    *value = total;
    return at;
}

static inline bool matches(const char *at, const struct mark *mark)
{
    if (mark->text.len > 8 * MARK_WORDS)
        return memcmp(at, mark->text.p, mark->text.len) == 0;
    uint64_t different =
        ((load8(at) ^ mark->words[0]) & mark->masks[0]) | ((load8(at + 8) ^ mark->words[1]) & mark->masks[1]);
    if (mark->text.len > 16)
        different |=
            ((load8(at + 16) ^ mark->words[2]) & mark->masks[2]) | ((load8(at + 24) ^ mark->words[3]) & mark->masks[3]);
    return different == 0;
}

/* ---------------------------------------------------------------- values */

/* Each returns the place behind the value, or NULL. `at` has SLACK readable bytes. */

static inline const char *parse_integer(const char *at, union silt_value *value)
{
    uint64_t magnitude;
    bool negative = *at == '-';
    at += negative;
    const char *after = parse_digits(at, &magnitude);
    if (after == at || after - at > DIGITS_MAX || *after != 'i' || magnitude > INT64_MAX)
        return NULL;
    value->i64 = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return after + 1;
}

/* With an exponent, or too many digits: found byte by byte. */
static const char *parse_float_token(struct lp_builder *builder, const char *at, union silt_value *value)
{
    const char *after = at;
    enum silt_type type;
    while (after < builder->end && *after != ',' && *after > ' ')
        after++;
    size_t len = (size_t)(after - at);
    if (len == 0 || lp_parse_number(at, len, &type, value, builder->arena) || type != SILT_TYPE_FLOAT)
        return NULL;
    return after;
}

static const double double_tens[16] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* Digits, a point and digits, all within seven bytes (no more than most measured values have): both parts are one number
 * once the point is taken out. NULL: something else. */
static inline const char *parse_short_decimal(const char *at, double *magnitude)
{
    uint64_t word = load8(at), digits = word ^ 0x3030303030303030u;
    /* Right up to the first byte that is none of a digit, a point and what may follow a number. */
    uint64_t others = ((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u, later = others & (others - 1);
    if (later == 0)
        return NULL;
    unsigned point = (unsigned)__builtin_ctzll(others) >> 3, len = (unsigned)__builtin_ctzll(later) >> 3;
    char next = at[len];
    if (at[point] != '.' || len < 2 || (next != ',' && next != ' ' && next != '\n'))
        return NULL;
    uint64_t before = ((uint64_t)1 << 8 * point) - 1;
    uint64_t joined = (word & before) | (word >> 8 & ~before);
    *magnitude = (double)eight_digits(joined << (72 - 8 * len)) / double_tens[len - point - 1];
    return at + len;
}

static inline const char *parse_float(struct lp_builder *builder, const char *at, union silt_value *value)
{
    uint64_t whole, fraction = 0;
    bool negative = *at == '-';
    const char *first = at + negative;
    double short_magnitude;
    const char *after = parse_short_decimal(first, &short_magnitude);
    if (after) {
        value->f64 = negative ? -short_magnitude : short_magnitude;
        return after;
    }
    after = parse_digits(first, &whole);
    ptrdiff_t digit_count = after - first, decimals = 0;
    if (*after == '.') {
        const char *point = after;
        after = parse_digits(point + 1, &fraction);
        decimals = after - point - 1;
        digit_count += decimals;
    }
    if (digit_count == 0 || digit_count > DIGITS_MAX || (*after != ',' && *after != ' ' && *after != '\n'))
        return (*first >= '0' && *first <= '9') || *first == '.' ? parse_float_token(builder, at, value) : NULL;
    uint64_t mantissa = whole * silt_powers_of_ten[decimals] + fraction;
    double magnitude = mantissa <= (uint64_t)1 << 53 && decimals < 16 ? (double)mantissa / double_tens[decimals]
                                                                      : silt_scale_decimal(mantissa, -decimals);
    value->f64 = negative ? -magnitude : magnitude;
    return after;
}

static inline const char *parse_boolean(const char *at, union silt_value *value)
{
    size_t len = 1;
    while (len < 6 && (at[len] | 0x20) >= 'a' && (at[len] | 0x20) <= 'z')
        len++;
    value->u64 = 0;
    return lp_parse_boolean(at, len, &value->boolean) ? at + len : NULL;
}

static const char *parse_string(struct lp_builder *builder, const char *at, union silt_value *value)
{
    if (*at != '"')
        return NULL;
    at++;
    const char *after = find_quote(at, builder->end);
    if (after == builder->end || *after != '"')
        return NULL;
    size_t len = (size_t)(after - at);
    struct silt_bytes *string = lp_builder_string(builder, len);
    if (!string)
        return NULL;
    memcpy(string->p, at, len);
    value->string = string;
    return after + 1;
}

/* ---------------------------------------------------------------- shapes */

static struct measurement_slot *find_slot(const struct fast_parser *parser, struct silt_str measurement)
{
    size_t slot = silt_hash(measurement.p, measurement.len) & (parser->slot_count - 1);
    while (parser->slots[slot].latest && !silt_str_equal(parser->slots[slot].measurement, measurement))
        slot = (slot + 1) & (parser->slot_count - 1);
    return &parser->slots[slot];
}

static void grow_slots(struct fast_parser *parser)
{
    struct measurement_slot *old = parser->slots;
    size_t old_count = parser->slot_count;
    parser->slot_count = old_count ? old_count * 2 : 32;
    parser->slots = silt_arena_zalloc(parser->builder.arena, parser->slot_count * sizeof(*parser->slots));
    for (size_t i = 0; i < old_count; i++)
        if (old[i].latest)
            *find_slot(parser, old[i].measurement) = old[i];
}

static void set_mark(struct mark *mark, struct silt_str raw, bool first, enum silt_type type, struct silt_arena *arena)
{
    size_t len = raw.len + 1 + !first;
    char *text = silt_arena_alloc(arena, len);
    if (!first)
        text[0] = ',';
    memcpy(text + !first, raw.p, raw.len);
    text[len - 1] = '=';
    mark->text = (struct silt_str){text, len};
    mark->type = type;
    if (len <= sizeof(mark->words)) {
        memcpy(mark->words, text, len);
        memset(mark->masks, 0xFF, len);
    }
}

/* The shape of the line that was just parsed plainly into this layout. NULL: the line is no example for others. */
static struct shape *learn(struct fast_parser *parser, const struct silt_row *row)
{
    struct lp_builder *builder = &parser->builder;
    const struct silt_layout *layout = &builder->layouts[row->layout];
    const char *series_end = row->series.p + row->series.len;
    if (builder->field_count > SHAPE_FIELDS_MAX)
        return NULL;

    struct shape *shape = silt_arena_alloc(builder->arena, sizeof(*shape));
    *shape = (struct shape){.layout = row->layout, .field_count = layout->field_count, .next = shape};
    shape->measurement =
        (struct silt_str){row->series.p, (size_t)(lp_measurement_end(row->series.p, series_end) - row->series.p)};
    shape->marks = silt_arena_zalloc(builder->arena, shape->field_count * sizeof(*shape->marks));
    for (uint32_t i = 0; i < shape->field_count; i++) {
        const struct lp_field *field = &builder->fields[i];
        set_mark(&shape->marks[i], field->raw, i == 0, field->type, builder->arena);
        if (field->raw.len > shape->name_bytes_max)
            shape->name_bytes_max = (uint32_t)field->raw.len;
    }
    return shape;
}

/* After a line went the plain way: what to expect of those to come. */
static void remember(struct fast_parser *parser, uint32_t layout)
{
    struct lp_builder *builder = &parser->builder;
    size_t had = parser->shape_capacity;
    parser->shapes = silt_arena_grow(builder->arena, parser->shapes, &parser->shape_capacity, (size_t)layout + 1,
                                     sizeof(struct shape *));
    memset(parser->shapes + had, 0, (parser->shape_capacity - had) * sizeof(struct shape *));
    struct shape *shape = parser->shapes[layout];
    if (!shape) {
        shape = parser->shape_count < SHAPES_MAX ? learn(parser, &builder->rows[builder->row_count - 1]) : NULL;
        if (!shape)
            return;
        parser->shapes[layout] = shape;
        parser->shape_count++;
        if (parser->slots_used * 2 >= parser->slot_count)
            grow_slots(parser);
        struct measurement_slot *slot = find_slot(parser, shape->measurement);
        parser->slots_used += slot->latest == NULL;
        shape->sibling = slot->latest;
        *slot = (struct measurement_slot){shape->measurement, shape};
    }
    if (parser->previous)
        parser->previous->next = shape;
    parser->previous = shape;
}

/* ---------------------------------------------------------------- lines */

static inline bool is_measurement(const struct shape *shape, const char *series, size_t series_len)
{
    size_t len = shape->measurement.len;
    return len <= series_len && memcmp(series, shape->measurement.p, len) == 0 &&
           (len == series_len || series[len] == ',');
}

/* Parses the line into the next row, without counting it. Returns the start of the next line, or NULL: not sure. */
static inline const char *parse_by_shape(struct lp_builder *builder, const struct shape *shape, const char *series,
                                         const char *series_end)
{
    const char *at = series_end + 1, *end = builder->end;
    union silt_value *values = builder->values + builder->value_count;
    struct silt_row *row = builder->rows + builder->row_count;

    for (uint32_t i = 0; i < shape->field_count; i++) {
        const struct mark *mark = &shape->marks[i];
        if ((size_t)(end - at) < mark->text.len + SLACK || !matches(at, mark))
            return NULL;
        at += mark->text.len;
        switch (mark->type) {
        case SILT_TYPE_INTEGER:
            at = parse_integer(at, &values[i]);
            break;
        case SILT_TYPE_FLOAT:
            at = parse_float(builder, at, &values[i]);
            break;
        case SILT_TYPE_BOOLEAN:
            at = parse_boolean(at, &values[i]);
            break;
        case SILT_TYPE_STRING:
            at = parse_string(builder, at, &values[i]);
            break;
        default:
            return NULL;
        }
        if (!at)
            return NULL;
    }

    if (end - at < SLACK)
        return NULL;
    if (*at == '\n') {
        row->time = builder->default_time;
        return at + 1;
    }
    if (*at != ' ')
        return NULL;
    at++;
    uint64_t count;
    int64_t time;
    bool negative = *at == '-';
    at += negative;
    const char *after = parse_digits(at, &count);
    if (after == at || after - at > DIGITS_MAX || *after != '\n' || count > INT64_MAX)
        return NULL;
    if (__builtin_mul_overflow(negative ? -(int64_t)count : (int64_t)count, builder->precision_ns, &time) ||
        time < SILT_TIME_MIN || time > SILT_TIME_MAX)
        return NULL;
    row->time = time;
    return after + 1;
}

/* The end of the series text, or NULL when the line is out of the ordinary. */
static inline const char *find_series_end(const char *at, const char *end)
{
    const char *start = at;
    for (;;) {
        at = find_blank(at, end);
        if (end - at < SLACK || *at != ' ' || at == start)
            return NULL;
        if (at[-1] != '\\')
            return at;
        if (at - start >= 2 && at[-2] == '\\')
            return NULL; /* where the line ends depends on the number of backslashes */
        at++;
    }
}

static inline const char *try_shape(struct lp_builder *builder, const struct shape *shape, const char *series,
                                    const char *series_end)
{
    size_t series_len = (size_t)(series_end - series);
    if (!is_measurement(shape, series, series_len) || series_len + 4 + shape->name_bytes_max > LP_KEY_BYTES_MAX ||
        !lp_builder_has_room(builder, shape->field_count)) /* the plain parser makes room */
        return NULL;
    char *strings = builder->strings, *strings_end = builder->strings_end;
    const char *next = parse_by_shape(builder, shape, series, series_end);
    if (!next && builder->strings_end == strings_end) /* a failed try keeps no strings */
        builder->strings = strings;
    return next;
}

/* Tries the shapes of the line's measurement but for one that failed; *found is the one that fits. */
static const char *try_siblings(struct fast_parser *parser, const struct shape *failed, const char *series,
                                const char *series_end, struct shape **found)
{
    size_t series_len = (size_t)(series_end - series);
    const char *comma = memchr(series, ',', series_len);
    struct silt_str measurement = {series, comma ? (size_t)(comma - series) : series_len};
    struct measurement_slot *slot = find_slot(parser, measurement);
    struct shape **link = &slot->latest;
    for (int tries = 0; *link && tries < SIBLINGS_TRIED_MAX; tries++, link = &(*link)->sibling) {
        struct shape *shape = *link;
        const char *next = shape == failed ? NULL : try_shape(&parser->builder, shape, series, series_end);
        if (next) {
            *link = shape->sibling;
            shape->sibling = slot->latest;
            slot->latest = shape;
            *found = shape;
            return next;
        }
    }
    return NULL;
}

/* The start of the next line, the row being counted; or NULL. */
static inline const char *parse_fast(struct fast_parser *parser, const char *at)
{
    struct lp_builder *builder = &parser->builder;
    struct shape *shape = parser->previous ? parser->previous->next : NULL;
    if (!shape || *at == '#')
        return NULL;
    const char *series_end = find_series_end(at, builder->end);
    if (!series_end)
        return NULL;
    size_t series_len = (size_t)(series_end - at);
    const char *next = try_shape(builder, shape, at, series_end);
    if (!next)
        next = try_siblings(parser, shape, at, series_end, &shape);
    if (!next)
        return NULL;

    struct silt_row *row = &builder->rows[builder->row_count];
    row->series = (struct silt_str){at, series_len};
    row->series_hash = silt_hash(at, series_len);
    row->layout = shape->layout;
    row->line = (uint32_t)builder->row_count;
    row->value_offset = builder->value_count;
    builder->row_count++;
    builder->value_count += shape->field_count;
    parser->previous->next = shape;
    parser->previous = shape;
    return next;
}

enum silt_status lp_parse(const char *text, size_t len, const struct lp_options *options, struct silt_arena *arena,
                          struct silt_batch *out, struct lp_errors *errors, struct silt_error *err)
{
    struct fast_parser parser = {0};
    struct lp_builder *builder = &parser.builder;
    enum silt_status rc = lp_builder_init(builder, text, len, options, arena, err);

    for (const char *at = text, *end = text + len; rc == SILT_OK && at < end;) {
        const char *next = parse_fast(&parser, at);
        if (next) {
            at = next;
            continue;
        }
        const char *start = lp_skip_blanks(at, end);
        const char *line_end = lp_line_end(start, end);
        at = line_end + (line_end < end);
        if (start == line_end || *start == '#')
            continue;
        uint32_t layout;
        rc = lp_parse_line(builder, (struct silt_str){start, (size_t)(line_end - start)}, false, &layout, err);
        if (rc == SILT_OK && layout != LP_NO_LAYOUT)
            remember(&parser, layout);
    }
    lp_builder_finish(builder, out, errors);
    return rc;
}
