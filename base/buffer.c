/*
 * buffer.c - text that grows, JSON strings as Go's encoder writes them, and comparing views.
 */
#include "silt/text.h"

#include <stdio.h>
#include <stdlib.h>

int silt_str_compare(struct silt_str a, struct silt_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.p, b.p, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

void silt_buffer_grow(struct silt_buffer *buffer, size_t more)
{
    silt_assert(more <= SIZE_MAX / 4 && buffer->len <= SIZE_MAX / 4);
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity - buffer->len < more)
        capacity *= 2;
    buffer->p = silt_realloc(buffer->p, capacity);
    buffer->capacity = capacity;
}

void silt_buffer_append(struct silt_buffer *buffer, const void *bytes, size_t len)
{
    if (!len)
        return;
    silt_buffer_reserve(buffer, len);
    memcpy(buffer->p + buffer->len, bytes, len);
    buffer->len += len;
}

void silt_buffer_str(struct silt_buffer *buffer, struct silt_str str)
{
    silt_buffer_append(buffer, str.p, str.len);
}

void silt_buffer_printf(struct silt_buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    silt_assert(len >= 0);
    silt_buffer_reserve(buffer, (size_t)len + 1);
    vsnprintf(buffer->p + buffer->len, (size_t)len + 1, format, again);
    va_end(again);
    buffer->len += (size_t)len;
}

void silt_buffer_free(struct silt_buffer *buffer)
{
    free(buffer->p);
    *buffer = (struct silt_buffer){0};
}

/* Bytes of the UTF-8 sequence at p, 0 when it is not well-formed (overlong, surrogate, past U+10FFFF, cut off). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    size_t len = c < 0x80 ? 1 : c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) || (c == 0xF0 && p[1] < 0x90) ||
        (c == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

/* 1 for the bytes that stand for themselves in a JSON string. */
static const uint8_t plain_bytes[256] = {
    [0x20] = 1, [0x21] = 1, [0x23 ... 0x25] = 1, [0x27 ... 0x3B] = 1, [0x3D] = 1, [0x3F ... 0x5B] = 1, [0x5D ... 0x7F] = 1,
};

size_t silt_json_plain(char *to, const char *from, size_t len)
{
    size_t i = 0;

    for (; i < len && plain_bytes[(uint8_t)from[i]]; i++)
        to[i] = from[i];
    return i;
}

void silt_buffer_json_string(struct silt_buffer *buffer, struct silt_str str)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)str.p;
    size_t at = 0;

    silt_buffer_reserve(buffer, str.len + 2);
    buffer->p[buffer->len++] = '"';
    while (at < str.len) {
        silt_buffer_reserve(buffer, str.len - at);
        size_t plain = silt_json_plain(buffer->p + buffer->len, str.p + at, str.len - at);
        buffer->len += plain;
        at += plain;
        if (at == str.len)
            break;
        unsigned char c = p[at];
        if (c == '"' || c == '\\') {
            char escape[2] = {'\\', (char)c};
            silt_buffer_append(buffer, escape, 2);
            at++;
        } else if (c == '\n' || c == '\r' || c == '\t') {
            silt_buffer_append(buffer, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", 2);
            at++;
        } else if (c < 0x80) {
            char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            silt_buffer_append(buffer, escape, 6);
            at++;
        } else {
            size_t len = utf8_length(p + at, str.len - at);
            if (len == 0) {
                silt_buffer_append(buffer, "\\ufffd", 6);
                at++;
            } else if (len == 3 && p[at] == 0xE2 && p[at + 1] == 0x80 && (p[at + 2] & 0xFE) == 0xA8) {
                silt_buffer_append(buffer, p[at + 2] == 0xA8 ? "\\u2028" : "\\u2029", 6);
                at += 3;
            } else {
                silt_buffer_append(buffer, p + at, len);
                at += len;
            }
        }
    }
    silt_buffer_char(buffer, '"');
}
