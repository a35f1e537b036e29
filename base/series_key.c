/*
 * series_key.c - series text to its parts, and parts to the canonical series key.
 *
 *     text       m\ x,b=1,a=p\=q        as sent: any tag order, escapes as the client likes
 *     parts      "m x"  a "p=q"  b "1"  sorted by tag key, unescaped
 *     key        m\ x,a=p\=q,b=1        one text for one series
 *
 * A backslash escapes only a comma, a space or an equals sign that follows; before anything else, another backslash
 * too, it stands for itself. So no part can end in a backslash: the scanner looks one character back, as InfluxDB's.
 * Parsing a canonical key gives the parts it was made of, and making it again the same key.
 */
#include "silt/storage.h"

#include <stdlib.h>

static bool is_escapable(char c)
{
    return c == ',' || c == ' ' || c == '=';
}

struct silt_str silt_series_key_unescape(struct silt_str text, struct silt_arena *arena)
{
    const char *slash = text.len ? memchr(text.p, '\\', text.len) : NULL;
    if (!slash)
        return text;
    char *out = silt_arena_alloc(arena, text.len);
    size_t len = (size_t)(slash - text.p);
    memcpy(out, text.p, len);
    for (size_t i = len; i < text.len; i++) {
        if (text.p[i] == '\\' && i + 1 < text.len && is_escapable(text.p[i + 1]))
            i++;
        out[len++] = text.p[i];
    }
    return (struct silt_str){out, len};
}

struct silt_str silt_series_key_measurement(struct silt_str key)
{
    size_t len = 0;
    while (len < key.len && !(key.p[len] == ',' && len > 0 && key.p[len - 1] != '\\'))
        len++;
    return (struct silt_str){key.p, len};
}

static int compare_tags(const void *a, const void *b)
{
    return silt_str_compare(((const struct silt_tag *)a)->key, ((const struct silt_tag *)b)->key);
}

/* Tags mostly come sorted already, or are few. */
static void sort_tags(struct silt_tag *tags, size_t count)
{
    if (count > 64) {
        qsort(tags, count, sizeof(*tags), compare_tags);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct silt_tag tag = tags[i];
        if (silt_str_compare(tags[i - 1].key, tag.key) <= 0)
            continue;
        size_t low = 0, high = i;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (silt_str_compare(tags[middle].key, tag.key) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        memmove(tags + low + 1, tags + low, (i - low) * sizeof(*tags));
        tags[low] = tag;
    }
}

const char *silt_series_key_parse(struct silt_str text, struct silt_arena *arena, struct silt_str *key,
                                  struct silt_str *measurement, struct silt_tag **tags, size_t *tag_count)
{
    const char *p = text.p;
    size_t len = text.len, i = 0, commas = 0, count = 0;

    if (len == 0 || p[0] == ',')
        return "missing measurement";
    for (i = 1; i < len && !(p[i] == ',' && p[i - 1] != '\\'); i++)
        if (p[i] == ' ' && p[i - 1] != '\\')
            return "invalid tag format";
    struct silt_str name = {p, i};
    for (size_t j = i; j < len; j++)
        commas += p[j] == ',';
    struct silt_tag *list = silt_arena_try_alloc(arena, (commas + 1) * sizeof(*list));
    if (!list)
        return "invalid tag format"; /* more tags than the request's memory holds */

    while (i < len) { /* p[i] is the comma before a tag */
        size_t start = ++i;
        if (i >= len || p[i] == ' ' || p[i] == ',' || p[i] == '=')
            return "missing tag key";
        for (i++;; i++) {
            if (i >= len || ((p[i] == ' ' || p[i] == ',') && p[i - 1] != '\\'))
                return "missing tag value";
            if (p[i] == '=' && p[i - 1] != '\\')
                break;
        }
        list[count].key = (struct silt_str){p + start, i - start};
        start = ++i;
        if (i >= len || p[i] == ',' || p[i] == ' ')
            return "missing tag value";
        for (i++; i < len && !(p[i] == ',' && p[i - 1] != '\\'); i++)
            if ((p[i] == '=' || p[i] == ' ') && p[i - 1] != '\\')
                return "invalid tag format";
        /* At the end of the text a backslash would hide the comma that sorting may put there. */
        if (p[i - 1] == '\\')
            return "invalid tag format";
        list[count++].value = (struct silt_str){p + start, i - start};
    }

    *measurement = silt_series_key_unescape(name, arena);
    for (size_t j = 0; j < count; j++) {
        list[j].key = silt_series_key_unescape(list[j].key, arena);
        list[j].value = silt_series_key_unescape(list[j].value, arena);
    }
    sort_tags(list, count);
    for (size_t j = 1; j < count; j++)
        if (silt_str_equal(list[j - 1].key, list[j].key))
            return "duplicate tags";
    *tags = list;
    *tag_count = count;
    *key = silt_series_key_make(*measurement, list, count, arena);
    return NULL;
}

/* Not 0 when one of the eight bytes is c. */
static inline uint64_t has_byte(uint64_t bytes, char c)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t other = bytes ^ ones * (unsigned char)c;

    return (other - ones) & ~other & ones << 7;
}

static inline bool has_escapable(uint64_t bytes)
{
    return has_byte(bytes, ',') | has_byte(bytes, ' ') | has_byte(bytes, '=');
}

/* Eight bytes at a time, and four, as long as there is nothing to escape; there is room for twice the text. */
static char *escape_tag(char *out, struct silt_str str)
{
    for (size_t i = 0; i < str.len;) {
        uint64_t bytes = 0;
        for (; i + 8 <= str.len; i += 8, out += 8) {
            memcpy(&bytes, str.p + i, 8);
            if (has_escapable(bytes))
                break;
            memcpy(out, &bytes, 8);
        }
        bytes = 0;
        if (i + 4 <= str.len && (memcpy(&bytes, str.p + i, 4), !has_escapable(bytes))) {
            memcpy(out, &bytes, 4);
            i += 4;
            out += 4;
        }
        for (size_t end = i + 4 < str.len ? i + 4 : str.len; i < end; i++) {
            if (is_escapable(str.p[i]))
                *out++ = '\\';
            *out++ = str.p[i];
        }
    }
    return out;
}

/* An equals sign is bare in a measurement, except where a backslash before it would swallow it on reading. */
static char *escape_measurement(char *out, struct silt_str str)
{
    for (size_t i = 0; i < str.len; i++) {
        char c = str.p[i];
        if (c == ',' || c == ' ' || (c == '=' && i > 0 && str.p[i - 1] == '\\'))
            *out++ = '\\';
        *out++ = c;
    }
    return out;
}

struct silt_str silt_series_key_make(struct silt_str measurement, const struct silt_tag *tags, size_t tag_count,
                                     struct silt_arena *arena)
{
    size_t most = 2 * measurement.len;
    for (size_t i = 0; i < tag_count; i++)
        most += 2 + 2 * (tags[i].key.len + tags[i].value.len);
    char *out = silt_arena_alloc(arena, most + 1), *end = escape_measurement(out, measurement);
    for (size_t i = 0; i < tag_count; i++) {
        if (tags[i].value.len == 0) /* an empty tag is no tag */
            continue;
        *end++ = ',';
        end = escape_tag(end, tags[i].key);
        *end++ = '=';
        end = escape_tag(end, tags[i].value);
    }
    return (struct silt_str){out, (size_t)(end - out)};
}
