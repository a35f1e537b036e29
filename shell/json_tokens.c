/*
 * json_tokens.c - a state machine over bytes; the stack only remembers which brackets are objects.
 */
#include "shell/json_tokens.h"

enum state {
    DOCUMENT,    /* between documents */
    VALUE,       /* a value has to come */
    FIRST_VALUE, /* after [: a value or ] */
    FIRST_KEY,   /* after {: a key or } */
    KEY,         /* after , in an object */
    COLON,
    AFTER, /* after a value: , or the closing bracket */
    STRING,
    ESCAPE,
    HEX,
    NUMBER,
    LITERAL,
    BROKEN,
};

void json_tokens_init(struct json_tokens *tokens, json_token_fn emit, void *context)
{
    *tokens = (struct json_tokens){.emit = emit, .context = context, .state = DOCUMENT};
}

void json_tokens_deinit(struct json_tokens *tokens)
{
    silt_buffer_free(&tokens->scalar);
}

bool json_tokens_complete(const struct json_tokens *tokens)
{
    return tokens->state == DOCUMENT;
}

static void give(struct json_tokens *t, enum json_token token, struct silt_str text)
{
    t->emit(t->context, token, text);
}

/* What may follow a whole value here. */
static void value_done(struct json_tokens *t)
{
    t->state = t->depth ? AFTER : DOCUMENT;
}

static void put_utf8(struct silt_buffer *out, uint32_t c)
{
    char bytes[4];
    size_t len = 0;
    if (c < 0x80) {
        bytes[len++] = (char)c;
    } else if (c < 0x800) {
        bytes[len++] = (char)(0xC0 | c >> 6);
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        bytes[len++] = (char)(0xE0 | c >> 12);
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    } else {
        bytes[len++] = (char)(0xF0 | c >> 18);
        bytes[len++] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    }
    silt_buffer_append(out, bytes, len);
}

/* A first half of a pair whose second half did not come stands for an unreadable character. */
static void settle_surrogate(struct json_tokens *t)
{
    if (t->high_surrogate)
        put_utf8(&t->scalar, 0xFFFD);
    t->high_surrogate = 0;
}

static void end_hex(struct json_tokens *t)
{
    uint32_t c = t->hex;
    t->state = STRING;
    if (c >= 0xDC00 && c <= 0xDFFF && t->high_surrogate) {
        put_utf8(&t->scalar, 0x10000 + ((t->high_surrogate - 0xD800) << 10) + (c - 0xDC00));
        t->high_surrogate = 0;
        return;
    }
    settle_surrogate(t);
    if (c >= 0xD800 && c <= 0xDBFF)
        t->high_surrogate = c;
    else
        put_utf8(&t->scalar, c >= 0xDC00 && c <= 0xDFFF ? 0xFFFD : c);
}

static void begin_string(struct json_tokens *t, bool is_key)
{
    t->scalar.len = 0;
    t->high_surrogate = 0;
    t->scalar_is_key = is_key;
    t->state = STRING;
}

static bool open_bracket(struct json_tokens *t, bool is_object)
{
    if (t->depth == JSON_DEPTH_MAX)
        return false;
    t->is_object[t->depth++] = is_object;
    t->state = is_object ? FIRST_KEY : FIRST_VALUE;
    give(t, is_object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN, (struct silt_str){0});
    return true;
}

static bool close_bracket(struct json_tokens *t, bool is_object)
{
    if (!t->depth || t->is_object[t->depth - 1] != is_object)
        return false;
    t->depth--;
    value_done(t);
    give(t, is_object ? JSON_OBJECT_END : JSON_ARRAY_END, (struct silt_str){0});
    return true;
}

static bool begin_value(struct json_tokens *t, char c)
{
    switch (c) {
    case '{':
    case '[':
        return open_bracket(t, c == '{');
    case '"':
        begin_string(t, false);
        return true;
    case 't':
    case 'f':
    case 'n':
        t->literal = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
        t->literal_token = c == 't' ? JSON_TRUE : c == 'f' ? JSON_FALSE : JSON_NULL;
        t->state = LITERAL;
        return true;
    default:
        if (c != '-' && (c < '0' || c > '9'))
            return false;
        t->scalar.len = 0;
        silt_buffer_char(&t->scalar, c);
        t->state = NUMBER;
        return true;
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

/* The bytes of a scalar that can be taken together; gives how many. */
static size_t take_run(struct json_tokens *t, const char *p, size_t len)
{
    size_t at = 0;
    if (t->state == STRING)
        while (at < len && p[at] != '"' && p[at] != '\\')
            at++;
    else
        while (at < len && is_number_byte(p[at]))
            at++;
    if (at && t->state == STRING)
        settle_surrogate(t);
    silt_buffer_append(&t->scalar, p, at);
    return at;
}

static bool escape(struct json_tokens *t, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c == 'u') {
        t->hex = 0;
        t->hex_digits = 0;
        t->state = HEX;
        return true;
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at)
        return false;
    settle_surrogate(t);
    silt_buffer_char(&t->scalar, to[at - from]);
    t->state = STRING;
    return true;
}

static bool hex_digit(struct json_tokens *t, char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    if (!at)
        return false;
    t->hex = t->hex << 4 | (uint32_t)(at - digits);
    if (++t->hex_digits == 4)
        end_hex(t);
    return true;
}

/* One byte that is not part of a run. */
static bool step(struct json_tokens *t, char c)
{
    switch ((enum state)t->state) {
    case STRING: /* " or \ */
        if (c == '\\') {
            t->state = ESCAPE;
            return true;
        }
        settle_surrogate(t);
        if (t->scalar_is_key)
            t->state = COLON;
        else
            value_done(t);
        give(t, t->scalar_is_key ? JSON_KEY : JSON_STRING, (struct silt_str){t->scalar.p, t->scalar.len});
        return true;
    case ESCAPE:
        return escape(t, c);
    case HEX:
        return hex_digit(t, c);
    case LITERAL:
        if (*t->literal++ != c)
            return false;
        if (!*t->literal) {
            value_done(t);
            give(t, t->literal_token, (struct silt_str){0});
        }
        return true;
    default:
        break;
    }
    if (is_space(c))
        return true;
    switch ((enum state)t->state) {
    case FIRST_VALUE:
        return c == ']' ? close_bracket(t, false) : begin_value(t, c);
    case DOCUMENT:
    case VALUE:
        return begin_value(t, c);
    case FIRST_KEY:
        if (c == '}')
            return close_bracket(t, true);
        /* fall through */
    case KEY:
        if (c != '"')
            return false;
        begin_string(t, true);
        return true;
    case COLON:
        t->state = VALUE;
        return c == ':';
    case AFTER:
        if (c == ',') {
            t->state = t->is_object[t->depth - 1] ? KEY : VALUE;
            return true;
        }
        return (c == '}' || c == ']') && close_bracket(t, c == '}');
    default:
        return false;
    }
}

bool json_tokens_feed(struct json_tokens *t, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && t->state != BROKEN) {
        if (t->state == STRING || t->state == NUMBER) {
            at += take_run(t, bytes + at, len - at);
            if (t->scalar.len > JSON_SCALAR_BYTES_MAX) {
                t->state = BROKEN;
                break;
            }
            if (at == len)
                break;
            if (t->state == NUMBER) { /* ended by a byte that belongs to what follows */
                value_done(t);
                give(t, JSON_NUMBER, (struct silt_str){t->scalar.p, t->scalar.len});
                continue;
            }
        }
        if (!step(t, bytes[at++]))
            t->state = BROKEN;
    }
    return t->state != BROKEN;
}
