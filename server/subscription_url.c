/*
 * subscription_url.c - see subscription_url.h. A fragment may follow, with whole escapes as all parts.
 */
#include "server/subscription_url.h"

#include <ctype.h>
#include <strings.h>

static struct silt_str from(struct silt_str text, size_t start)
{
    return (struct silt_str){text.p + start, text.len - start};
}

static struct silt_str upto(struct silt_str text, size_t end)
{
    return (struct silt_str){text.p, end};
}

/* The place of c, or the length. */
static size_t find(struct silt_str text, char c)
{
    const char *at = text.len ? memchr(text.p, c, text.len) : NULL;
    return at ? (size_t)(at - text.p) : text.len;
}

static size_t find_last(struct silt_str text, char c)
{
    const char *at = text.len ? memrchr(text.p, c, text.len) : NULL;
    return at ? (size_t)(at - text.p) : text.len;
}

static bool all_of(struct silt_str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum((unsigned char)text.p[i]) && (text.p[i] == '\0' || !strchr(others, text.p[i])))
            return false;
    return true;
}

static bool escapes_are_whole(struct silt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] != '%')
            continue;
        if (text.len - i < 3 || !isxdigit((unsigned char)text.p[i + 1]) || !isxdigit((unsigned char)text.p[i + 2]))
            return false;
        i += 2;
    }
    return true;
}

/* Bytes of a name; escapes only for what is not ASCII, and for the percent sign. */
static bool host_is_valid(struct silt_str host)
{
    if (!escapes_are_whole(host))
        return false;
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (c == '%') {
            if (host.p[i + 1] < '8' && strncmp(host.p + i, "%25", 3) != 0)
                return false;
            i += 2;
        } else if (c < 0x80 && !isalnum(c) && (c == '\0' || !strchr("-_.~!$&'()*+,;=:[]<>\"", c))) {
            return false;
        }
    }
    return true;
}

static bool port_is_valid(struct silt_str port)
{
    for (size_t i = 0; i < port.len; i++)
        if (!isdigit((unsigned char)port.p[i]))
            return false;
    return port.len > 0;
}

/* [v6%25zone]:port */
static bool bracketed_is_valid(struct silt_str host)
{
    size_t end = find_last(host, ']');

    if (end == host.len || find(host, ']') != end || find(from(host, 1), '[') != host.len - 1)
        return false;
    if (end + 1 >= host.len || host.p[end + 1] != ':' || !port_is_valid(from(host, end + 2)))
        return false;
    return escapes_are_whole(host) && host_is_valid(upto(host, find(host, '%')));
}

static bool authority_is_valid(struct silt_str authority)
{
    size_t at = find_last(authority, '@');
    struct silt_str host = authority;

    if (at < authority.len) {
        struct silt_str user = upto(authority, at);
        if (!all_of(user, "-._:~!$&'()*+,;=%@") || !escapes_are_whole(user))
            return false;
        host = from(authority, at + 1);
    }
    if (host.len && host.p[0] == '[')
        return bracketed_is_valid(host);
    size_t colon = find(host, ':');
    return colon < host.len && find(host, '[') == host.len && find(host, ']') == host.len &&
           port_is_valid(from(host, colon + 1)) && host_is_valid(upto(host, colon));
}

bool subscription_url_is_valid(struct silt_str url)
{
    static const char *const schemes[] = {"udp", "http", "https"};
    size_t colon = find(url, ':');
    bool known = false;

    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.p[i] < 0x20 || url.p[i] == 0x7f)
            return false;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        known = known || (strlen(schemes[i]) == colon && strncasecmp(url.p, schemes[i], colon) == 0);
    if (!known || url.len - colon < 3 || memcmp(url.p + colon, "://", 3) != 0)
        return false;
    struct silt_str rest = from(url, colon + 3);
    size_t hash = find(rest, '#');
    if (!escapes_are_whole(from(rest, hash)))
        return false;
    rest = upto(rest, hash);
    rest = upto(rest, find(rest, '?'));
    size_t slash = find(rest, '/');
    return authority_is_valid(upto(rest, slash)) && escapes_are_whole(from(rest, slash));
}
