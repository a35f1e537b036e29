/*
 * url.c - a URL for people to see: its password replaced.
 *
 *     http://user:pass@host:80/path   ->   http://user:[REDACTED]@host:80/path
 */
#include "silt/text.h"

static struct silt_str part(struct silt_str text, size_t start, size_t end)
{
    return (struct silt_str){text.p + start, end - start};
}

static size_t find_any(struct silt_str text, size_t start, const char *chars)
{
    while (start < text.len && (text.p[start] == '\0' || !strchr(chars, text.p[start])))
        start++;
    return start;
}

static bool is_port(struct silt_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    return true;
}

/* An at sign behind the authority ends a password that holds a slash or so, unescaped: then it is no valid URL. Unless
 * what stands before is a host and its port. */
void silt_buffer_url(struct silt_buffer *buffer, struct silt_str url)
{
    const char *scheme = url.len ? memmem(url.p, url.len, "://", 3) : NULL;
    size_t start = scheme ? (size_t)(scheme - url.p) + 3 : 0, end = find_any(url, start, "/?#");
    size_t colon = find_any(url, start, ":");
    const char *at = end > start ? memrchr(url.p + start, '@', end - start) : NULL;

    if (!at && colon < end && !is_port(part(url, colon + 1, end)))
        at = memrchr(url.p + start, '@', url.len - start);
    size_t at_index = at ? (size_t)(at - url.p) : url.len;
    if (!at || colon >= at_index) {
        silt_buffer_str(buffer, url);
        return;
    }
    silt_buffer_str(buffer, part(url, 0, colon + 1));
    silt_buffer_str(buffer, SILT_STR("[REDACTED]"));
    silt_buffer_str(buffer, part(url, at_index, url.len));
}
