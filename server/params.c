/*
 * params.c - see params.h.
 *
 *     db=d&q=SELECT+1%3B        pairs at &, name and value at the first =, then both decoded
 *
 *     --BOUNDARY\r\n
 *     Content-Disposition: form-data; name="q"; filename="q.txt"\r\n
 *     \r\n
 *     SELECT 1\r\n
 *     --BOUNDARY--
 */
#include "server/params.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool params_decode(struct silt_str text, struct silt_arena *arena, struct silt_str *out)
{
    if (text.len == 0 || (!memchr(text.p, '%', text.len) && !memchr(text.p, '+', text.len))) {
        *out = text;
        return true;
    }
    char *to = silt_arena_try_alloc(arena, text.len);
    size_t len = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (i + 2 >= text.len)
                return false;
            int high = hex_value(text.p[i + 1]), low = hex_value(text.p[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        to[len++] = c;
    }
    *out = (struct silt_str){to, len};
    return true;
}

static enum silt_status add(struct params *params, struct param param, struct silt_arena *arena,
                            struct silt_error *err)
{
    if (params->count == PARAMS_COUNT_MAX)
        return silt_fail(err, SILT_LIMIT, "more than %d parameters", PARAMS_COUNT_MAX);
    params->items = silt_arena_grow(arena, params->items, &params->capacity, params->count + 1, sizeof(struct param));
    params->items[params->count++] = param;
    return SILT_OK;
}

enum silt_status params_add_urlencoded(struct params *params, struct silt_str text, enum param_place place,
                                       struct silt_arena *arena, struct silt_error *err)
{
    const char *p = text.p, *end = text.p + text.len;

    while (text.len && p < end) {
        const char *and = memchr(p, '&', (size_t)(end - p));
        const char *stop = and ? and : end;
        const char *equals = memchr(p, '=', (size_t)(stop - p));
        struct silt_str name = {p, (size_t)((equals ? equals : stop) - p)};
        struct silt_str value = {equals ? equals + 1 : stop, equals ? (size_t)(stop - equals - 1) : 0};
        struct param param = {.place = place};

        if (stop > p && !memchr(p, ';', (size_t)(stop - p)) && params_decode(name, arena, &param.name) &&
            params_decode(value, arena, &param.value)) {
            enum silt_status rc = add(params, param, arena, err);
            if (rc != SILT_OK)
                return rc;
        }
        p = stop + 1;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- multipart */

/* The value of `name=` among the ;-separated attributes of a header, unquoted. */
static bool find_attribute(struct silt_str header, const char *name, struct silt_arena *arena, struct silt_str *out)
{
    size_t name_len = strlen(name), i = 0;

    while (i < header.len && header.p[i] != ';')
        i++;
    while (i < header.len) {
        i++;
        while (i < header.len && isspace((unsigned char)header.p[i]))
            i++;
        size_t start = i;
        while (i < header.len && header.p[i] != '=' && header.p[i] != ';')
            i++;
        bool wanted = i - start == name_len && strncasecmp(header.p + start, name, name_len) == 0;
        if (i == header.len || header.p[i] == ';')
            continue;
        i++;
        if (i < header.len && header.p[i] == '"') {
            char *to = silt_arena_alloc(arena, header.len - i);
            size_t len = 0;
            for (i++; i < header.len && header.p[i] != '"'; i++) {
                if (header.p[i] == '\\' && i + 1 < header.len)
                    i++;
                to[len++] = header.p[i];
            }
            if (wanted) {
                *out = (struct silt_str){to, len};
                return i < header.len;
            }
            while (i < header.len && header.p[i] != ';')
                i++;
        } else {
            start = i;
            while (i < header.len && header.p[i] != ';')
                i++;
            size_t len = i - start;
            while (len && isspace((unsigned char)header.p[start + len - 1]))
                len--;
            if (wanted) {
                *out = (struct silt_str){header.p + start, len};
                return true;
            }
        }
    }
    return false;
}

/* The header lines of a part up to the empty line; *content is what follows. */
static bool read_part_headers(struct silt_str part, struct silt_str *disposition, struct silt_str *content)
{
    static const char name[] = "content-disposition:";
    const char *p = part.p, *end = part.p + part.len;

    *disposition = (struct silt_str){NULL, 0};
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline)
            return false;
        size_t len = (size_t)(newline - p);
        if (len && p[len - 1] == '\r')
            len--;
        if (len == 0) {
            *content = (struct silt_str){newline + 1, (size_t)(end - newline - 1)};
            return true;
        }
        if (len >= sizeof(name) - 1 && strncasecmp(p, name, sizeof(name) - 1) == 0)
            *disposition = (struct silt_str){p + sizeof(name) - 1, len - (sizeof(name) - 1)};
        p = newline + 1;
    }
    return false;
}

enum silt_status params_add_multipart(struct params *params, struct silt_str content_type, struct silt_str body,
                                      struct silt_arena *arena, struct silt_error *err)
{
    struct silt_str boundary, unused;
    size_t count_before = params->count;
    char mark[76];

    if (!find_attribute(content_type, "boundary", arena, &boundary) || boundary.len == 0 || boundary.len > 70)
        return silt_fail(err, SILT_INVALID, "no multipart boundary param in Content-Type");
    size_t mark_len = boundary.len + 3;
    memcpy(mark, "\n--", 3);
    memcpy(mark + 3, boundary.p, boundary.len);

    const char *p = body.p, *end = body.p + body.len;
    if (body.len < mark_len - 1 || memcmp(p, mark + 1, mark_len - 1) != 0) {
        p = body.len ? memmem(body.p, body.len, mark, mark_len) : NULL;
        if (!p)
            return silt_fail(err, SILT_INVALID, "multipart: NextPart: EOF");
        p++;
    }
    for (;;) {
        p += mark_len - 1;
        if (end - p >= 2 && p[0] == '-' && p[1] == '-')
            return SILT_OK;
        const char *start = memchr(p, '\n', (size_t)(end - p));
        const char *next = start ? memmem(start, (size_t)(end - start), mark, mark_len) : NULL;
        if (!next) {
            params->count = count_before;
            return silt_fail(err, SILT_INVALID, "multipart: NextPart: EOF");
        }
        struct silt_str part = {start + 1, next > start ? (size_t)(next - start - 1) : 0}, disposition;
        struct param param = {0};
        if (read_part_headers(part, &disposition, &param.value) &&
            find_attribute(disposition, "name", arena, &param.name)) {
            if (param.value.len && param.value.p[param.value.len - 1] == '\r')
                param.value.len--;
            param.place = find_attribute(disposition, "filename", arena, &unused) ? PARAM_FILE : PARAM_PART;
            enum silt_status rc = add(params, param, arena, err);
            if (rc != SILT_OK)
                return rc;
        }
        p = next + 1;
    }
}

static bool has_type(struct silt_str content_type, const char *type)
{
    size_t len = strlen(type);

    return content_type.len >= len && strncasecmp(content_type.p, type, len) == 0 &&
           (content_type.len == len || content_type.p[len] == ';' || content_type.p[len] == ' ');
}

bool params_is_multipart(struct silt_str content_type)
{
    return has_type(content_type, "multipart/form-data");
}

enum silt_status params_add_body(struct params *params, struct silt_str content_type, struct silt_str body,
                                 struct silt_arena *arena, struct silt_error *err)
{
    if (has_type(content_type, "application/x-www-form-urlencoded"))
        return params_add_urlencoded(params, body, PARAM_FORM, arena, err);
    if (params_is_multipart(content_type))
        return params_add_multipart(params, content_type, body, arena, err);
    return SILT_OK;
}

/* ---------------------------------------------------------------- looking up */

static struct silt_str find(const struct params *params, const char *name, enum param_place place)
{
    struct silt_str wanted = silt_str_from(name);

    for (size_t i = 0; i < params->count; i++)
        if (params->items[i].place == place && silt_str_equal(params->items[i].name, wanted))
            return params->items[i].value;
    return (struct silt_str){NULL, 0};
}

struct silt_str params_get_url(const struct params *params, const char *name)
{
    return find(params, name, PARAM_URL);
}

struct silt_str params_get_file(const struct params *params, const char *name)
{
    return find(params, name, PARAM_FILE);
}

struct silt_str params_get(const struct params *params, const char *name)
{
    struct silt_str value = {NULL, 0};

    for (enum param_place place = PARAM_FORM; place <= PARAM_PART && !value.p; place++)
        value = find(params, name, place);
    return value;
}
