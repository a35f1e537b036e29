/*
 * auth_read.c - see auth_read.h. Only reads: who may do what is decided elsewhere.
 */
#include "server/auth_read.h"

#include <string.h>
#include <strings.h>

#define HEADER_BYTES_MAX 16384

/* Strict base64 with padding. */
static bool decode_base64(struct silt_str text, struct silt_arena *arena, struct silt_str *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = 0, len = 0;

    if (text.len % 4)
        return false;
    while (padding < 2 && text.len > padding && text.p[text.len - 1 - padding] == '=')
        padding++;
    unsigned char *to = silt_arena_alloc(arena, text.len / 4 * 3 + 1);
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = i < text.len - padding ? memchr(alphabet, text.p[i], 64) : alphabet;
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        if (i % 4 == 3) {
            to[len++] = (unsigned char)(bits >> 16);
            to[len++] = (unsigned char)(bits >> 8);
            to[len++] = (unsigned char)bits;
        }
    }
    *out = (struct silt_str){(char *)to, len - padding};
    return true;
}

static void split_user(struct auth *auth, struct silt_str pair)
{
    const char *colon = pair.len ? memchr(pair.p, ':', pair.len) : NULL;

    if (!colon) {
        auth->kind = AUTH_UNREADABLE;
        return;
    }
    auth->kind = AUTH_USER;
    auth->user = (struct silt_str){pair.p, (size_t)(colon - pair.p)};
    auth->password = (struct silt_str){colon + 1, pair.len - auth->user.len - 1};
}

void auth_read(struct auth *auth, struct silt_str u, struct silt_str p, struct silt_str header,
               struct silt_arena *arena)
{
    struct silt_str decoded;

    *auth = (struct auth){0};
    if (u.len && p.len) {
        auth->kind = AUTH_USER;
        auth->user = u;
        auth->password = p;
        return;
    }
    if (header.len == 0)
        return;
    auth->kind = AUTH_UNREADABLE;
    while (header.len && (header.p[header.len - 1] == ' ' || header.p[header.len - 1] == '\t'))
        header.len--;
    const char *blank = header.len ? memchr(header.p, ' ', header.len) : NULL;
    if (!blank || header.len > HEADER_BYTES_MAX)
        return;
    size_t scheme_len = (size_t)(blank - header.p);
    struct silt_str rest = {blank + 1, header.len - scheme_len - 1};
    bool one_word = !memchr(rest.p, ' ', rest.len);
    if (scheme_len == 5 && strncasecmp(header.p, "Basic", 5) == 0) {
        if (decode_base64(rest, arena, &decoded))
            split_user(auth, decoded);
    } else if (scheme_len == 5 && memcmp(header.p, "Token", 5) == 0 && one_word) {
        split_user(auth, rest);
    } else if (scheme_len == 6 && memcmp(header.p, "Bearer", 6) == 0 && one_word) {
        auth->kind = AUTH_BEARER;
        auth->token = rest;
    }
}
