/*
 * line_protocol_strict.c - line protocol, plainly: the reference, and the slow path of the fast parser.
 *
 *     line   = series SP+ field *( "," field ) [ SP+ time ] *SP
 *     field  = name "=" value
 *     value  = float | integer "i" | boolean | DQUOTE text DQUOTE
 *
 * InfluxDB reports the first fault it meets, in this order: the series text; the fields, left to right, where a field
 * without "=" is noticed only after the last; key lengths; the time. So does this.
 */
#include "server/line_protocol_internal.h"
#include "silt/text.h"

#define FIELDS_LINEAR_MAX 16 /* up to here, duplicate names are looked for one by one */

static const char reason_missing_fields[] = "missing fields";
static const char reason_duplicate_tags[] = "duplicate tags";

/* ---------------------------------------------------------------- lines */

const char *lp_line_end(const char *at, const char *end)
{
    bool in_fields = false, quoted = false;
    size_t equals = 0, commas = 0; /* in the fields: more equals than commas is inside a value */

    if (at < end && *at == '#') {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        return lf ? lf : end;
    }
    for (; at < end; at++) {
        switch (*at) {
        case '\\':
            at += end - at > 2;
            break;
        case ' ':
            in_fields = true;
            break;
        case '=':
            equals += in_fields && !quoted;
            break;
        case ',':
            commas += in_fields && !quoted;
            break;
        case '"':
            quoted ^= in_fields && equals > commas;
            break;
        case '\n':
            if (!quoted)
                return at;
            break;
        default:
            break;
        }
    }
    return end;
}

/* A space or comma after a backslash is escaped in series text, even if that backslash follows another. */
static const char *find_unescaped(const char *at, const char *end, char wanted)
{
    const char *start = at;
    for (;;) {
        at = at < end ? memchr(at, wanted, (size_t)(end - at)) : NULL;
        if (!at)
            return end;
        if (at == start || at[-1] != '\\')
            return at;
        at++;
    }
}

const char *lp_measurement_end(const char *at, const char *end)
{
    return find_unescaped(at, end, ',');
}

/* Backslashes before commas, equal signs and spaces are taken away; without any, str itself. */
static struct silt_str unescape_name(struct silt_str str, struct silt_arena *arena)
{
    if (!str.len || !memchr(str.p, '\\', str.len))
        return str;
    char *copy = silt_arena_alloc(arena, str.len);
    size_t len = 0;
    for (size_t i = 0; i < str.len; i++) {
        if (str.p[i] == '\\' && i + 1 < str.len && (str.p[i + 1] == ',' || str.p[i + 1] == '=' || str.p[i + 1] == ' '))
            i++;
        copy[len++] = str.p[i];
    }
    return (struct silt_str){copy, len};
}

/* ---------------------------------------------------------------- values */

bool lp_parse_boolean(const char *token, size_t len, bool *out)
{
    static const char *const words[] = {"t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (len == strlen(words[i]) && memcmp(token, words[i], len) == 0) {
            *out = i < 5;
            return true;
        }
    return false;
}

static const char *parse_integer(const char *digits, size_t len, union silt_value *value, struct silt_arena *arena)
{
    bool overflow;
    if (silt_parse_int(digits, len, &value->i64, &overflow))
        return NULL;
    if (!overflow)
        return "invalid number";
    return silt_arena_printf(arena,
                             "unable to parse integer %.*s: strconv.ParseInt: parsing \"%.*s\": value out of range",
                             (int)len, digits, (int)len, digits)
        .p;
}

/* Which letters may stand where is checked apart from whether they make a number, as the reasons differ. */
const char *lp_parse_number(const char *token, size_t len, enum silt_type *type, union silt_value *value,
                            struct silt_arena *arena)
{
    static const char invalid[] = "invalid number";
    bool point = false, digit_or_exponent = false;

    if (len > 1 && token[len - 1] == 'i') {
        *type = SILT_TYPE_INTEGER;
        return parse_integer(token, len - 1, value, arena);
    }
    *type = SILT_TYPE_FLOAT;
    for (size_t i = token[0] == '-'; i < len; i++) {
        char c = token[i];
        bool after_exponent = i > 0 && (token[i - 1] == 'e' || token[i - 1] == 'E');
        if (c == '.') {
            if (point)
                return invalid;
            point = true;
        } else if ((c == 'e' || c == 'E') && i > 0) {
            digit_or_exponent = true;
        } else if (c >= '0' && c <= '9') {
            digit_or_exponent = true;
        } else if (!((c == '+' || c == '-') && after_exponent)) {
            return invalid;
        }
    }
    if (!digit_or_exponent)
        return invalid;
    if (silt_parse_double(token, len, &value->f64))
        return NULL;
    return "invalid float";
}

/* What lies between the first and the last character, with \" and \\ unescaped. NULL: over budget. */
static const struct silt_bytes *make_string(struct lp_builder *builder, const char *raw, size_t len)
{
    silt_assert(len >= 2);
    struct silt_bytes *string = lp_builder_string(builder, len - 2);
    size_t used = 0;
    if (!string)
        return NULL;
    for (size_t i = 1; i < len - 1; i++) {
        if (raw[i] == '\\' && i + 1 < len - 1 && (raw[i + 1] == '"' || raw[i + 1] == '\\'))
            i++;
        string->p[used++] = raw[i];
    }
    string->len = (uint32_t)used;
    return string;
}

/* ---------------------------------------------------------------- fields */

static size_t find_linear(const struct lp_builder *builder, struct silt_str name)
{
    size_t i = 0;
    while (i < builder->field_count && !silt_str_equal(builder->fields[i].name, name))
        i++;
    return i;
}

/* Finds or makes the field's place in a table with twice as many slots as fields. */
static size_t find_hashed(struct lp_builder *builder, struct silt_str name)
{
    if (builder->field_count * 2 >= builder->field_slot_count) { /* none yet for this line, or full */
        size_t count = builder->field_slot_count ? builder->field_slot_count * 2 : 4 * FIELDS_LINEAR_MAX;
        if (count > builder->field_slot_capacity) {
            builder->field_slots = silt_arena_alloc(builder->arena, count * sizeof(*builder->field_slots));
            builder->field_slot_capacity = count;
        }
        builder->field_slot_count = count;
        memset(builder->field_slots, 0, count * sizeof(*builder->field_slots));
        for (size_t i = 0; i < builder->field_count; i++) {
            struct silt_str old = builder->fields[i].name;
            size_t slot = silt_hash(old.p, old.len) & (count - 1);
            while (builder->field_slots[slot])
                slot = (slot + 1) & (count - 1);
            builder->field_slots[slot] = (uint32_t)i + 1;
        }
    }
    size_t mask = builder->field_slot_count - 1;
    size_t slot = silt_hash(name.p, name.len) & mask;
    for (; builder->field_slots[slot]; slot = (slot + 1) & mask) {
        size_t index = builder->field_slots[slot] - 1;
        if (silt_str_equal(builder->fields[index].name, name))
            return index;
    }
    builder->field_slots[slot] = (uint32_t)builder->field_count + 1;
    return builder->field_count;
}

/* The last value of a name wins, in the place of its first. */
static struct lp_field *add_field(struct lp_builder *builder, struct silt_str raw)
{
    struct silt_str name = unescape_name(raw, builder->arena);
    size_t index = builder->field_count < FIELDS_LINEAR_MAX ? find_linear(builder, name) : find_hashed(builder, name);
    if (index == builder->field_count) {
        builder->fields = silt_arena_grow(builder->arena, builder->fields, &builder->field_capacity,
                                          builder->field_count + 1, sizeof(*builder->fields));
        builder->field_count++;
    }
    builder->fields[index].raw = raw;
    builder->fields[index].name = name;
    return &builder->fields[index];
}

/* A value from `at` on; *after is behind it. malformed: text that InfluxDB notices only at the end. */
static const char *parse_value(struct lp_builder *builder, const char *at, const char *end, const char **after,
                               bool *malformed, enum silt_type *type, union silt_value *value)
{
    const char *start = at;
    if (*at == '"') {
        bool quoted = false;
        for (; at < end && (quoted || (*at != ',' && *at != ' ')); at++) {
            if (*at == '\\' && at + 1 < end)
                at++;
            else if (*at == '"')
                quoted = !quoted;
            else if (*at == '=' && !quoted)
                *malformed = true;
        }
        *after = at;
        if (quoted)
            return "unbalanced quotes";
        *type = SILT_TYPE_STRING;
        value->string = make_string(builder, start, (size_t)(at - start));
        return NULL;
    }
    while (at < end && *at != ',' && *at != ' ')
        at++;
    *after = at;
    size_t len = (size_t)(at - start);
    if ((*start >= '0' && *start <= '9') || *start == '-' || *start == '.' || *start == 'N' || *start == 'n')
        return lp_parse_number(start, len, type, value, builder->arena);
    *type = SILT_TYPE_BOOLEAN;
    value->u64 = 0;
    return lp_parse_boolean(start, len, &value->boolean) ? NULL : "invalid boolean";
}

/* Fields up to the space that ends them, into builder->fields. Returns the reason of a fault, else NULL. *longest is
 * the longest name as sent. */
static const char *parse_fields(struct lp_builder *builder, const char *at, const char *end, const char **after,
                                size_t *longest)
{
    bool malformed = false;
    builder->field_count = 0;
    builder->field_slot_count = 0;
    *longest = 0;
    for (;;) {
        if (silt_arena_exceeded(builder->arena))
            return "not enough memory"; /* the caller sees to it */
        const char *name = at;
        while (at < end && *at != '=' && *at != ' ') {
            if (*at == ',') {
                malformed = true;
                name = at + 1;
            }
            at += *at == '\\' && at + 1 < end ? 2 : 1;
        }
        if (at >= end || *at == ' ') {
            *after = at;
            return "invalid field format";
        }
        if (at == name)
            return "missing field key";
        struct silt_str raw = {name, (size_t)(at - name)};
        at++;
        if (at == end || *at == ',' || *at == ' ')
            return "missing field value";

        enum silt_type type;
        union silt_value value;
        const char *reason = parse_value(builder, at, end, &at, &malformed, &type, &value);
        if (reason)
            return reason;
        struct lp_field *field = add_field(builder, raw);
        field->type = type;
        field->value = value;
        *longest = raw.len > *longest ? raw.len : *longest;
        if (at == end || *at == ' ')
            break;
        at++;
    }
    *after = at;
    return malformed ? "invalid field format" : NULL;
}

/* ---------------------------------------------------------------- time */

static const char *parse_time(const struct lp_builder *builder, const char *at, const char *end, silt_time *time)
{
    at = lp_skip_blanks(at, end);
    const char *start = at;
    at += at < end && *at == '-';
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    if (at < end && *at != ' ')
        return "bad timestamp";
    if (at == start) {
        *time = builder->default_time;
        return NULL;
    }
    int64_t count;
    bool overflow;
    size_t len = (size_t)(at - start);
    if (!silt_parse_int(start, len, &count, &overflow))
        return silt_arena_printf(builder->arena, "strconv.ParseInt: parsing \"%.*s\": %s", (int)len, start,
                                 overflow ? "value out of range" : "invalid syntax")
            .p;
    if (__builtin_mul_overflow(count, builder->precision_ns, time) || *time < SILT_TIME_MIN || *time > SILT_TIME_MAX)
        return "time outside range -9223372036854775806 - 9223372036854775806";
    for (; at < end; at++)
        if (*at != ' ')
            return "point is invalid";
    return NULL;
}

/* ---------------------------------------------------------------- a line */

static const char *series_fault(struct lp_builder *builder, struct silt_str series, bool whole_line)
{
    struct silt_str key, measurement;
    struct silt_tag *tags;
    size_t tag_count;
    const char *reason = silt_series_key_parse(series, builder->arena, &key, &measurement, &tags, &tag_count);
    if (whole_line) /* tags are compared only once their end was found */
        return reason && strcmp(reason, reason_duplicate_tags) != 0 ? reason : reason_missing_fields;
    if (!reason && series.len > LP_KEY_BYTES_MAX)
        reason = silt_arena_printf(builder->arena, "max key length exceeded: %zu > %d", series.len, LP_KEY_BYTES_MAX).p;
    return reason;
}

/* What is wrong with fields and time, the series text being right. */
static const char *parse_after_series(struct lp_builder *builder, struct silt_str series, const char *end,
                                      silt_time *time)
{
    const char *at = lp_skip_blanks(series.p + series.len, end);
    size_t longest;
    const char *reason = parse_fields(builder, at, end, &at, &longest);
    if (reason)
        return reason;
    size_t key_bytes = series.len + 4 + longest;
    if (key_bytes > LP_KEY_BYTES_MAX)
        return silt_arena_printf(builder->arena, "max key length exceeded: %zu > %d", key_bytes, LP_KEY_BYTES_MAX).p;
    return parse_time(builder, at, end, time);
}

/* A field `time` beside others is no field. Alone it stays: the store makes the series and refuses the point. */
static void strip_time(struct lp_builder *builder)
{
    size_t kept = 0;
    for (size_t i = 0; i < builder->field_count; i++)
        if (!silt_str_equal(builder->fields[i].name, SILT_STR("time")))
            builder->fields[kept++] = builder->fields[i];
    builder->field_count = kept ? kept : 1;
}

enum silt_status lp_parse_line(struct lp_builder *builder, struct silt_str line, bool validate_series, uint32_t *layout,
                               struct silt_error *err)
{
    const char *end = line.p + line.len;
    const char *series_end = find_unescaped(line.p, end, ' ');
    struct silt_str series = {line.p, (size_t)(series_end - line.p)};
    silt_time time = 0;
    const char *reason = NULL;

    *layout = LP_NO_LAYOUT;
    if (validate_series || series_end == end || series.len > LP_KEY_BYTES_MAX)
        reason = series_fault(builder, series, series_end == end);
    if (!reason) {
        reason = parse_after_series(builder, series, end, &time);
        if (!reason)
            strip_time(builder);
        if (reason && !validate_series) {
            const char *earlier = series_fault(builder, series, false);
            if (earlier)
                reason = earlier;
        }
    }
    if (silt_arena_exceeded(builder->arena))
        return silt_fail(err, SILT_LIMIT, "not enough memory for a write");

    struct silt_str raw_measurement = {series.p, (size_t)(lp_measurement_end(series.p, series_end) - series.p)};
    if (reason) {
        lp_builder_error(builder, line, silt_str_from(reason));
        return SILT_OK;
    }
    struct silt_str measurement = unescape_name(raw_measurement, builder->arena);

    enum silt_status rc;
    if (!lp_builder_has_room(builder, builder->field_count) &&
        (rc = lp_builder_grow(builder, line.p, builder->field_count, err)) != SILT_OK)
        return rc;
    *layout = lp_builder_layout(builder, measurement);
    builder->rows[builder->row_count] = (struct silt_row){
        .series = series,
        .series_hash = silt_hash(series.p, series.len),
        .time = time,
        .layout = *layout,
        .line = (uint32_t)builder->row_count,
        .value_offset = builder->value_count,
    };
    for (size_t i = 0; i < builder->field_count; i++) {
        if (builder->fields[i].type == SILT_TYPE_STRING && !builder->fields[i].value.string)
            return silt_fail(err, SILT_LIMIT, "not enough memory for the strings of a write");
        builder->values[builder->value_count + i] = builder->fields[i].value;
    }
    builder->row_count++;
    builder->value_count += builder->field_count;
    return SILT_OK;
}

/* ---------------------------------------------------------------- a text */

enum silt_status lp_parse_strict(const char *text, size_t len, const struct lp_options *options,
                                 struct silt_arena *arena, struct silt_batch *out, struct lp_errors *errors,
                                 struct silt_error *err)
{
    struct lp_builder builder;
    enum silt_status rc = lp_builder_init(&builder, text, len, options, arena, err);
    uint32_t layout;
    for (const char *at = text, *end = text + len; rc == SILT_OK && at < end;) {
        const char *start = lp_skip_blanks(at, end);
        const char *line_end = lp_line_end(start, end);
        at = line_end + (line_end < end);
        if (start < line_end && *start != '#')
            rc = lp_parse_line(&builder, (struct silt_str){start, (size_t)(line_end - start)}, true, &layout, err);
    }
    lp_builder_finish(&builder, out, errors);
    return rc;
}

struct silt_str lp_row_line(const char *text, size_t len, const struct silt_row *row)
{
    silt_assert(row->series.p >= text && row->series.p < text + len);
    return (struct silt_str){row->series.p, (size_t)(lp_line_end(row->series.p, text + len) - row->series.p)};
}
