/*
 * json_read.c - see json_read.h. One pass, no tree: a parameter is at most an object of one member, and whatever lies
 * deeper is only checked and skipped.
 */
#include "server/json_read.h"
#include "silt/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 200
#define PARAM_COUNT_MAX 1024

enum value_kind { VALUE_NULL, VALUE_TRUE, VALUE_FALSE, VALUE_NUMBER, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

struct value {
    enum value_kind kind;
    struct silt_str text; /* a number as written, a string decoded */
};

struct reader {
    const char *p, *end;
    struct silt_arena *arena;
    struct silt_error *err;
    unsigned depth;
};

#define PREFIX "error parsing query parameters: "

static enum silt_status fail_at(struct reader *r, const char *where)
{
    char shown[8];

    if (r->p >= r->end)
        return silt_fail(r->err, SILT_INVALID, PREFIX "unexpected EOF");
    unsigned char c = (unsigned char)*r->p;
    if (c == '\'' || c == '\\')
        snprintf(shown, sizeof(shown), "\\%c", c);
    else if (c < 0x20 || c >= 0x7F)
        snprintf(shown, sizeof(shown), c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : "\\x%02x", c);
    else
        snprintf(shown, sizeof(shown), "%c", c);
    return silt_fail(r->err, SILT_INVALID, PREFIX "invalid character '%s' %s", shown, where);
}

static void skip_space(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

/* ---------------------------------------------------------------- strings */

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* Four hex digits at p; -1 when they are not. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Bytes of the well-formed UTF-8 character at p, 0 when it is malformed. */
static size_t utf8_len(const char *text, const char *end)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = (size_t)(end - text);

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        return left >= 2 && (p[1] & 0xC0) == 0x80 ? 2 : 0;
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        if (left < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[0] == 0xE0 && p[1] < 0xA0) ||
            (p[0] == 0xED && p[1] >= 0xA0))
            return 0;
        return 3;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        if (left < 4 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80 ||
            (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] >= 0x90))
            return 0;
        return 4;
    }
    return 0;
}

static bool read_escape(struct reader *r, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";

    if (*r->p != 'u') {
        const char *name = memchr(names, *r->p, sizeof(names) - 1);
        if (!name)
            return false;
        *(*to)++ = values[name - names];
        r->p++;
        return true;
    }
    int32_t unit = hex4(r->p + 1, r->end);
    if (unit < 0)
        return false;
    r->p += 5;
    if (unit >= 0xD800 && unit < 0xE000) {
        int32_t second = unit < 0xDC00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u'
                             ? hex4(r->p + 2, r->end)
                             : -1;
        if (second >= 0xDC00 && second < 0xE000) {
            unit = 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
            r->p += 6;
        } else {
            unit = 0xFFFD;
        }
    }
    *to = put_utf8(*to, (uint32_t)unit);
    return true;
}

static enum silt_status read_string(struct reader *r, struct silt_str *out)
{
    const char *stop = r->p + 1;

    while (stop < r->end && *stop != '"')
        stop += *stop == '\\' && stop + 1 < r->end ? 2 : 1;
    /* A malformed byte becomes three bytes of U+FFFD. */
    char *start = silt_arena_try_alloc(r->arena, (size_t)(stop - r->p) * 3 + 4), *to = start;
    if (!start)
        return silt_fail(r->err, SILT_LIMIT, PREFIX "too large");
    for (r->p++; r->p < r->end && *r->p != '"';) {
        if ((unsigned char)*r->p < 0x20)
            return fail_at(r, "in string literal");
        if (*r->p == '\\') {
            r->p++;
            if (r->p >= r->end || !read_escape(r, &to))
                return fail_at(r, "in string escape code");
            continue;
        }
        size_t len = utf8_len(r->p, r->end);
        if (len == 0) {
            to = put_utf8(to, 0xFFFD);
            r->p++;
            continue;
        }
        memcpy(to, r->p, len);
        to += len;
        r->p += len;
    }
    if (r->p >= r->end)
        return fail_at(r, "in string literal");
    r->p++;
    *out = (struct silt_str){start, (size_t)(to - start)};
    return SILT_OK;
}

/* ---------------------------------------------------------------- values */

static bool is_digit(const struct reader *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static enum silt_status read_number(struct reader *r, struct silt_str *out)
{
    const char *start = r->p;

    if (*r->p == '-')
        r->p++;
    if (!is_digit(r))
        return fail_at(r, "in numeric literal");
    if (*r->p == '0')
        r->p++;
    else
        while (is_digit(r))
            r->p++;
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        if (!is_digit(r))
            return fail_at(r, "after decimal point in numeric literal");
        while (is_digit(r))
            r->p++;
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        if (!is_digit(r))
            return fail_at(r, "in exponent of numeric literal");
        while (is_digit(r))
            r->p++;
    }
    *out = (struct silt_str){start, (size_t)(r->p - start)};
    return SILT_OK;
}

static enum silt_status read_word(struct reader *r, const char *word)
{
    char where[64];

    for (size_t i = 0; word[i]; i++, r->p++)
        if (r->p >= r->end || *r->p != word[i]) {
            snprintf(where, sizeof(where), "in literal %s (expecting '%c')", word, word[i]);
            return fail_at(r, where);
        }
    return SILT_OK;
}

typedef enum silt_status (*member_fn)(struct reader *r, struct silt_str name, void *arg);

static enum silt_status read_value(struct reader *r, struct value *out, member_fn member, void *arg);

/* Each member's value is read by `member`, skipped where that is NULL. */
static enum silt_status read_object(struct reader *r, member_fn member, void *arg)
{
    enum silt_status rc;
    struct silt_str name;
    struct value skipped;

    r->p++;
    skip_space(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        return SILT_OK;
    }
    for (;;) {
        skip_space(r);
        if (r->p >= r->end || *r->p != '"')
            return fail_at(r, "looking for beginning of object key string");
        if ((rc = read_string(r, &name)) != SILT_OK)
            return rc;
        skip_space(r);
        if (r->p >= r->end || *r->p != ':')
            return fail_at(r, "after object key");
        r->p++;
        rc = member ? member(r, name, arg) : read_value(r, &skipped, NULL, NULL);
        if (rc != SILT_OK)
            return rc;
        skip_space(r);
        if (r->p < r->end && *r->p == '}') {
            r->p++;
            return SILT_OK;
        }
        if (r->p >= r->end || *r->p != ',')
            return fail_at(r, "after object key:value pair");
        r->p++;
    }
}

static enum silt_status read_array(struct reader *r)
{
    struct value skipped;
    enum silt_status rc;

    r->p++;
    skip_space(r);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
        return SILT_OK;
    }
    for (;;) {
        if ((rc = read_value(r, &skipped, NULL, NULL)) != SILT_OK)
            return rc;
        skip_space(r);
        if (r->p < r->end && *r->p == ']') {
            r->p++;
            return SILT_OK;
        }
        if (r->p >= r->end || *r->p != ',')
            return fail_at(r, "after array element");
        r->p++;
    }
}

static enum silt_status read_value(struct reader *r, struct value *out, member_fn member, void *arg)
{
    enum silt_status rc;

    skip_space(r);
    if (r->p >= r->end)
        return fail_at(r, "");
    if (r->depth == DEPTH_MAX)
        return silt_fail(r->err, SILT_LIMIT, PREFIX "exceeded max depth");
    r->depth++;
    switch (*r->p) {
    case '{':
        out->kind = VALUE_OBJECT;
        rc = read_object(r, member, arg);
        break;
    case '[':
        out->kind = VALUE_ARRAY;
        rc = read_array(r);
        break;
    case '"':
        out->kind = VALUE_STRING;
        rc = read_string(r, &out->text);
        break;
    case 't':
        out->kind = VALUE_TRUE;
        rc = read_word(r, "true");
        break;
    case 'f':
        out->kind = VALUE_FALSE;
        rc = read_word(r, "false");
        break;
    case 'n':
        out->kind = VALUE_NULL;
        rc = read_word(r, "null");
        break;
    default:
        if (*r->p != '-' && !is_digit(r))
            return fail_at(r, "looking for beginning of value");
        out->kind = VALUE_NUMBER;
        rc = read_number(r, &out->text);
    }
    r->depth--;
    return rc;
}

/* ---------------------------------------------------------------- parameters */

static void set_error(struct silt_param *param, struct silt_str text)
{
    param->kind = SILT_PARAM_ERROR;
    param->text = text;
}

/* Go's text for an integer that cannot be read. */
static struct silt_str integer_error(struct silt_arena *arena, struct silt_str text, bool overflow)
{
    return silt_arena_printf(arena, "strconv.ParseInt: parsing \"%.*s\": %s", SILT_FMT(text),
                             overflow ? "value out of range" : "invalid syntax");
}

/* InfluxQL's duration text: 15s, 1h30m, 7d, 10u. */
static bool parse_duration(struct silt_str text, int64_t *out)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},          {"ms", 1000000},          {"u", 1000},
                 {"\xC2\xB5", 1000}, {"s", 1000000000},        {"m", 60000000000},
                 {"h", 3600000000000}, {"d", 86400000000000}, {"w", 604800000000000}};
    bool negative = text.len && text.p[0] == '-';
    size_t i = negative;
    int64_t total = 0;

    if (text.len < 2)
        return false;
    while (i < text.len) {
        int64_t value = 0;
        size_t digits = i, unit;
        for (; i < text.len && text.p[i] >= '0' && text.p[i] <= '9'; i++)
            if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text.p[i] - '0', &value))
                return false;
        if (i == digits)
            return false;
        for (unit = 0; unit < sizeof(units) / sizeof(units[0]); unit++) {
            size_t len = strlen(units[unit].name);
            if (text.len - i >= len && memcmp(text.p + i, units[unit].name, len) == 0) {
                i += len;
                break;
            }
        }
        if (unit == sizeof(units) / sizeof(units[0]) || __builtin_mul_overflow(value, units[unit].ns, &value) ||
            __builtin_add_overflow(total, value, &total))
            return false;
    }
    if (i == (size_t)negative)
        return false;
    *out = negative ? -total : total;
    return true;
}

struct binding {
    struct silt_str type; /* of the object's only member */
    struct value value;
    size_t count;
};

static enum silt_status read_binding(struct reader *r, struct silt_str name, void *arg)
{
    struct binding *binding = arg;

    binding->type = name;
    binding->count++;
    return read_value(r, &binding->value, NULL, NULL);
}

static bool is_one_of(struct silt_str text, const char *a, const char *b)
{
    return silt_str_equal(text, silt_str_from(a)) || (b && silt_str_equal(text, silt_str_from(b)));
}

static void bind_text(struct silt_param *param, const struct value *value, enum silt_param_kind kind,
                      const char *otherwise)
{
    if (value->kind != VALUE_STRING) {
        set_error(param, silt_str_from(otherwise));
        return;
    }
    param->kind = kind;
    param->text = value->text;
}

/* A number with a point is a float to InfluxDB, every other one an integer: 1e3 is no number at all. */
static bool has_point(struct silt_str text)
{
    return memchr(text.p, '.', text.len) != NULL;
}

static void bind_integer(struct silt_param *param, struct silt_str text, enum silt_param_kind kind, const char *otherwise,
                         struct silt_arena *arena)
{
    bool overflow = false;

    param->kind = kind;
    if (has_point(text))
        set_error(param, silt_str_from(otherwise));
    else if (!silt_parse_int(text.p, text.len, &param->integer, &overflow))
        set_error(param, integer_error(arena, text, overflow));
}

static void bind_number(struct silt_param *param, struct silt_str text, struct silt_arena *arena)
{
    bool overflow = false;
    int64_t whole;

    param->kind = SILT_PARAM_FLOAT;
    if (!has_point(text) && !silt_parse_int(text.p, text.len, &whole, &overflow))
        set_error(param, integer_error(arena, text, overflow));
    else if (!silt_parse_double(text.p, text.len, &param->number))
        set_error(param, silt_arena_printf(arena, "strconv.ParseFloat: parsing \"%.*s\": value out of range",
                                           SILT_FMT(text)));
}

static void bind_object(struct silt_param *param, const struct binding *binding, struct silt_arena *arena)
{
    static const char not_integer[] = "integer literal must be an integer value";
    static const char not_duration[] = "duration literal must be a string or integer value";
    const struct value *value = &binding->value;

    if (binding->count != 1) {
        set_error(param, SILT_STR("bound object parameter value must have exactly one entry"));
    } else if (is_one_of(binding->type, "ident", "identifier")) {
        bind_text(param, value, SILT_PARAM_IDENTIFIER, "identifier must be a string value");
    } else if (is_one_of(binding->type, "regex", NULL)) {
        bind_text(param, value, SILT_PARAM_REGEX, "regex literal must be a string value");
    } else if (is_one_of(binding->type, "string", NULL)) {
        bind_text(param, value, SILT_PARAM_STRING, "string literal must be a string value");
    } else if (is_one_of(binding->type, "float", "number")) {
        if (value->kind == VALUE_NUMBER)
            bind_number(param, value->text, arena);
        else
            set_error(param, SILT_STR("number literal must be a float value"));
    } else if (is_one_of(binding->type, "int", "integer")) {
        if (value->kind == VALUE_NUMBER)
            bind_integer(param, value->text, SILT_PARAM_INTEGER, not_integer, arena);
        else
            set_error(param, silt_str_from(not_integer));
    } else if (is_one_of(binding->type, "duration", NULL)) {
        param->kind = SILT_PARAM_DURATION;
        if (value->kind == VALUE_NUMBER)
            bind_integer(param, value->text, SILT_PARAM_DURATION, not_duration, arena);
        else if (value->kind != VALUE_STRING)
            set_error(param, silt_str_from(not_duration));
        else if (!parse_duration(value->text, &param->integer)) {
            param->kind = SILT_PARAM_BAD_DURATION;
            param->text = value->text;
        }
    } else {
        set_error(param, silt_arena_printf(arena, "unknown bind object type: %.*s", SILT_FMT(binding->type)));
    }
}

struct list {
    struct silt_param *items;
    size_t count, capacity;
};

static struct silt_param *slot_for(struct list *list, struct silt_str name, struct silt_arena *arena)
{
    for (size_t i = 0; i < list->count; i++)
        if (silt_str_equal(list->items[i].name, name))
            return &list->items[i]; /* the last one of a name counts */
    if (list->count == PARAM_COUNT_MAX)
        return NULL;
    list->items = silt_arena_grow(arena, list->items, &list->capacity, list->count + 1, sizeof(struct silt_param));
    return &list->items[list->count++];
}

static enum silt_status read_param(struct reader *r, struct silt_str name, void *arg)
{
    struct binding binding = {0};
    struct value value;
    enum silt_status rc = read_value(r, &value, read_binding, &binding);

    if (rc != SILT_OK)
        return rc;
    struct silt_param *param = slot_for(arg, name, r->arena);
    if (!param)
        return silt_fail(r->err, SILT_LIMIT, PREFIX "more than %d parameters", PARAM_COUNT_MAX);
    *param = (struct silt_param){.name = name};
    switch (value.kind) {
    case VALUE_NULL:
        set_error(param, SILT_STR("unable to bind parameter with type <nil>"));
        break;
    case VALUE_ARRAY:
        set_error(param, SILT_STR("unable to bind parameter with type []interface {}"));
        break;
    case VALUE_OBJECT:
        bind_object(param, &binding, r->arena);
        break;
    case VALUE_TRUE:
    case VALUE_FALSE:
        param->kind = SILT_PARAM_BOOLEAN;
        param->boolean = value.kind == VALUE_TRUE;
        break;
    case VALUE_STRING:
        param->kind = SILT_PARAM_STRING;
        param->text = value.text;
        break;
    case VALUE_NUMBER:
        if (has_point(value.text))
            bind_number(param, value.text, r->arena);
        else
            bind_integer(param, value.text, SILT_PARAM_INTEGER, "", r->arena);
        if (param->kind == SILT_PARAM_ERROR) /* a plain number fails at once, used or not */
            return silt_fail(r->err, SILT_INVALID, "error parsing json value: %.*s", SILT_FMT(param->text));
        break;
    }
    return SILT_OK;
}

/* An object within is read over: no member of it is anything to us. */
static enum silt_status skip_member(struct reader *r, struct silt_str name, void *arg)
{
    struct value ignored;

    return read_value(r, &ignored, skip_member, NULL);
}

static enum silt_status read_member(struct reader *r, struct silt_str name, void *arg)
{
    struct value value;
    enum silt_status rc = read_value(r, &value, skip_member, NULL);

    if (rc != SILT_OK)
        return rc;
    struct silt_param *param = slot_for(arg, name, r->arena);
    if (!param)
        return silt_fail(r->err, SILT_LIMIT, PREFIX "more than %d members", PARAM_COUNT_MAX);
    *param = (struct silt_param){.name = name, .kind = SILT_PARAM_ERROR, .text = SILT_STR("neither text nor number")};
    if (value.kind == VALUE_STRING) {
        param->kind = SILT_PARAM_STRING;
        param->text = value.text;
    } else if (value.kind == VALUE_NUMBER && silt_parse_double(value.text.p, value.text.len, &param->number)) {
        param->kind = SILT_PARAM_FLOAT;
    }
    return SILT_OK;
}

static enum silt_status read_whole(struct silt_str text, struct silt_arena *arena,
                                    enum silt_status (*member)(struct reader *r, struct silt_str name, void *arg),
                                    struct silt_param **params, size_t *count, struct silt_error *err)
{
    static const char *const kind_names[] = {"null", "bool", "bool", "number", "string", "array", "object"};
    struct reader r = {text.p, text.p + text.len, arena, err, 0};
    struct list list = {0};
    struct value value;
    enum silt_status rc;

    skip_space(&r);
    if (text.len == 0 || r.p == r.end)
        return silt_fail(err, SILT_INVALID, PREFIX "EOF");
    if ((rc = read_value(&r, &value, member, &list)) != SILT_OK)
        return rc;
    if (value.kind != VALUE_OBJECT && value.kind != VALUE_NULL)
        return silt_fail(err, SILT_INVALID, PREFIX "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                         kind_names[value.kind]);
    *params = list.items;
    *count = list.count;
    return SILT_OK;
}

enum silt_status json_read_params(struct silt_str text, struct silt_arena *arena, struct silt_param **params,
                                  size_t *count, struct silt_error *err)
{
    return read_whole(text, arena, read_param, params, count, err);
}

enum silt_status json_read_members(struct silt_str text, struct silt_arena *arena, struct silt_param **members,
                                   size_t *count, struct silt_error *err)
{
    static const char prefix[] = PREFIX;
    struct silt_error inner;
    enum silt_status rc = read_whole(text, arena, read_member, members, count, &inner);

    if (rc == SILT_OK)
        return rc;
    bool prefixed = strncmp(inner.text, prefix, sizeof(prefix) - 1) == 0;
    return silt_fail(err, rc, "%s", inner.text + (prefixed ? sizeof(prefix) - 1 : 0));
}
