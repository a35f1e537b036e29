/*
 * words.c - text of commands: pure functions.
 */
#include "shell/words.h"

#include <wchar.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct silt_str words_trim(struct silt_str text)
{
    while (text.len && is_space(text.p[0]))
        text.p++, text.len--;
    while (text.len && is_space(text.p[text.len - 1]))
        text.len--;
    return text;
}

struct silt_str words_next(struct silt_str *text)
{
    *text = words_trim(*text);
    size_t len = 0;
    while (len < text->len && !is_space(text->p[len]))
        len++;
    struct silt_str word = {text->p, len};
    text->p += len;
    text->len -= len;
    return word;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool words_starts_fold(struct silt_str text, struct silt_str prefix)
{
    if (text.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        if (lower(text.p[i]) != lower(prefix.p[i]))
            return false;
    return true;
}

bool words_equal_fold(struct silt_str a, struct silt_str b)
{
    return a.len == b.len && words_starts_fold(a, b);
}

void words_lower(struct silt_buffer *out, struct silt_str text)
{
    for (size_t i = 0; i < text.len; i++)
        silt_buffer_char(out, lower(text.p[i]));
}

struct silt_str words_view(const struct silt_buffer *buffer)
{
    return (struct silt_str){buffer->p ? buffer->p : "", buffer->len};
}

/* Code point at p, and its length in bytes; an ill-formed byte is itself, negative. */
static int32_t decode(struct silt_str text, size_t at, size_t *len)
{
    const unsigned char *p = (const unsigned char *)text.p + at;
    size_t left = text.len - at;
    *len = 1;
    if (p[0] < 0x80)
        return p[0];
    size_t want = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    if (!want || want > left)
        return -(int32_t)p[0];
    int32_t c = p[0] & (0x7F >> want);
    for (size_t i = 1; i < want; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return -(int32_t)p[0];
        c = c << 6 | (p[i] & 0x3F);
    }
    if ((want == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) || (want == 4 && (c < 0x10000 || c > 0x10FFFF)))
        return -(int32_t)p[0];
    *len = want;
    return c;
}

void words_harmless(struct silt_buffer *out, struct silt_str text, size_t bytes_max)
{
    size_t len;

    for (size_t at = 0; at < text.len; at += len) {
        if (at >= bytes_max) {
            silt_buffer_str(out, SILT_STR("..."));
            return;
        }
        int32_t c = decode(text, at, &len);
        bool stays = c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7F) || c >= 0xA0;
        if (stays)
            silt_buffer_append(out, text.p + at, len);
        for (size_t i = 0; !stays && i < len; i++)
            silt_buffer_printf(out, "\\x%02x", (unsigned char)text.p[at + i]);
    }
}

void words_quote_go(struct silt_buffer *out, struct silt_str text)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
    silt_buffer_char(out, '"');
    for (size_t at = 0, len; at < text.len; at += len) {
        int32_t c = decode(text, at, &len);
        const char *short_escape = c > 0 && c < 0x80 ? strchr(from, c) : NULL;
        if (short_escape) {
            silt_buffer_char(out, '\\');
            silt_buffer_char(out, to[short_escape - from]);
        } else if (c < 0) {
            silt_buffer_printf(out, "\\x%02x", (unsigned)-c);
        } else if (c < 0x20 || c == 0x7F) {
            silt_buffer_printf(out, "\\x%02x", (unsigned)c);
        } else {
            silt_buffer_append(out, text.p + at, len);
        }
    }
    silt_buffer_char(out, '"');
}

static void quote_influxql(struct silt_buffer *out, struct silt_str text, char quote)
{
    silt_buffer_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == quote || c == '\\' || c == '\n')
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, c == '\n' ? 'n' : c);
    }
    silt_buffer_char(out, quote);
}

void words_quote_identifier(struct silt_buffer *out, struct silt_str name)
{
    quote_influxql(out, name, '"');
}

void words_quote_string(struct silt_buffer *out, struct silt_str text)
{
    quote_influxql(out, text, '\'');
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct silt_str words_identifier(struct silt_str *text)
{
    while (text->len && (text->p[0] == ' ' || text->p[0] == '\t' || text->p[0] == '\n'))
        text->p++, text->len--;
    struct silt_str name = {text->p, 0};
    if (!text->len)
        return name;
    if (text->p[0] == '"') {
        size_t at = 1;
        while (at < text->len && text->p[at] != '"')
            at += text->p[at] == '\\' && at + 1 < text->len ? 2 : 1;
        if (at >= text->len)
            return name;
        name = (struct silt_str){text->p + 1, at - 1};
        text->p += at + 1;
        text->len -= at + 1;
        return name;
    }
    if (text->p[0] >= '0' && text->p[0] <= '9')
        return name;
    while (name.len < text->len && is_word_byte(text->p[name.len]))
        name.len++;
    text->p += name.len;
    text->len -= name.len;
    return name;
}

bool words_database_policy(struct silt_str text, struct silt_buffer *database, struct silt_buffer *policy)
{
    bool quoted = false, dot = false;
    database->len = policy->len = 0;
    text = words_trim(text);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '"') {
            quoted = !quoted;
        } else if (c == '.' && !quoted) {
            if (dot)
                return false;
            dot = true;
        } else {
            silt_buffer_char(dot ? policy : database, c);
        }
    }
    return true;
}

size_t words_runes(struct silt_str text)
{
    size_t count = 0;
    for (size_t at = 0, len; at < text.len; at += len, count++)
        (void)decode(text, at, &len);
    return count;
}

size_t words_fit(struct silt_str text, size_t columns, size_t *used)
{
    size_t width = 0, at = 0;
    while (at < text.len) {
        size_t len;
        int32_t c = decode(text, at, &len);
        int w = c < 0 ? 1 : c < 0x80 ? 1 : wcwidth((wchar_t)c);
        if (w < 0)
            w = 1;
        if (width + (size_t)w > columns)
            break;
        width += (size_t)w;
        at += len;
    }
    *used = width;
    return at;
}

size_t words_width(struct silt_str text)
{
    size_t used;
    (void)words_fit(text, SIZE_MAX / 2, &used);
    return used;
}
