/*
 * jwt.c - see jwt.h. What is checked comes in the order of InfluxDB's library, for the first fault is the one told; but a
 * wrong signature goes before wrong times.
 */
#include "server/jwt.h"
#include "server/json_read.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct claims {
    struct silt_param *items;
    size_t count;
};

/* base64url, with or without its padding. */
static enum silt_status decode(struct silt_str text, struct silt_arena *arena, struct silt_str *out,
                               struct silt_error *err)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t digits = text.len, len = 0;
    uint32_t bits = 0;

    if (text.len % 4 == 0)
        while (digits && text.len - digits < 2 && text.p[digits - 1] == '=')
            digits--;
    char *to = silt_arena_alloc(arena, digits / 4 * 3 + 3);
    for (size_t i = 0; i < digits; i++) {
        const char *digit = text.p[i] ? memchr(alphabet, text.p[i], 64) : NULL;
        if (!digit)
            return silt_fail(err, SILT_INVALID, "illegal base64 data at input byte %zu", i);
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        if (i % 4)
            to[len++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    if (digits % 4 == 1)
        return silt_fail(err, SILT_INVALID, "illegal base64 data at input byte %zu", digits);
    *out = (struct silt_str){to, len};
    return SILT_OK;
}

static enum silt_status read_object(struct silt_str text, const char *type, struct silt_arena *arena,
                                    struct claims *claims, struct silt_error *err)
{
    struct silt_str json;
    enum silt_status rc = decode(text, arena, &json, err);

    if (rc != SILT_OK)
        return rc;
    if (json.len == 0)
        return silt_fail(err, SILT_INVALID, "unexpected end of JSON input");
    if (json.p[0] == '[')
        return silt_fail(err, SILT_INVALID, "json: cannot unmarshal array into Go value of type %s", type);
    return json_read_members(json, arena, &claims->items, &claims->count, err);
}

static const struct silt_param *claim(const struct claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->count; i++)
        if (silt_str_equal(claims->items[i].name, silt_str_from(name)))
            return &claims->items[i];
    return NULL;
}

static bool number(const struct silt_param *param, double *out)
{
    *out = param && param->kind == SILT_PARAM_FLOAT ? param->number : 0;
    return param && param->kind == SILT_PARAM_FLOAT;
}

static enum silt_status pick_digest(const struct claims *header, const EVP_MD **digest, struct silt_error *err)
{
    static const char *const others[] = {"none",  "RS256", "RS384", "RS512", "ES256",
                                         "ES384", "ES512", "PS256", "PS384", "PS512"};
    const struct silt_param *alg = claim(header, "alg");

    if (!alg || alg->kind != SILT_PARAM_STRING)
        return silt_fail(err, SILT_INVALID, "signing method (alg) is unspecified.");
    *digest = silt_str_equal(alg->text, SILT_STR("HS256"))   ? EVP_sha256()
              : silt_str_equal(alg->text, SILT_STR("HS384")) ? EVP_sha384()
              : silt_str_equal(alg->text, SILT_STR("HS512")) ? EVP_sha512()
                                                             : NULL;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (silt_str_equal(alg->text, silt_str_from(others[i])))
            return silt_fail(err, SILT_INVALID, "unexpected signing method: %s", others[i]);
    return *digest ? SILT_OK : silt_fail(err, SILT_INVALID, "signing method (alg) is unavailable.");
}

static enum silt_status check_signature(struct silt_str signed_part, struct silt_str signature, const EVP_MD *digest,
                                        struct silt_str secret, struct silt_arena *arena, struct silt_error *err)
{
    unsigned char wanted[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct silt_str given;
    enum silt_status rc = decode(signature, arena, &given, err);

    if (rc != SILT_OK)
        return rc;
    if (!HMAC(digest, secret.p, (int)secret.len, (const unsigned char *)signed_part.p, signed_part.len, wanted, &len) ||
        given.len != len || CRYPTO_memcmp(given.p, wanted, len) != 0)
        return silt_fail(err, SILT_INVALID, "signature is invalid");
    return SILT_OK;
}

static enum silt_status check_claims(const struct claims *claims, int64_t now_s, struct silt_str *username,
                                     struct silt_error *err)
{
    const struct silt_param *user = claim(claims, "username");
    double expires = 0, at;
    bool has_expiry = number(claim(claims, "exp"), &expires), expired = has_expiry && expires != 0 &&
                                                                        (double)now_s > expires;

    if (number(claim(claims, "nbf"), &at) && at != 0 && (double)now_s < at)
        return silt_fail(err, SILT_INVALID, "Token is not valid yet");
    if (number(claim(claims, "iat"), &at) && at != 0 && (double)now_s < at)
        return silt_fail(err, SILT_INVALID, "Token used before issued");
    if (expired)
        return silt_fail(err, SILT_INVALID, "Token is expired");
    if (!has_expiry || expires <= 0)
        return silt_fail(err, SILT_INVALID, "token expiration required");
    if (!user || user->kind != SILT_PARAM_STRING)
        return silt_fail(err, SILT_INVALID, "username in token must be a string");
    if (user->text.len == 0)
        return silt_fail(err, SILT_INVALID, "token must contain a username");
    *username = user->text;
    return SILT_OK;
}

enum silt_status jwt_verify(struct silt_str token, struct silt_str secret, int64_t now_s, struct silt_arena *arena,
                            struct silt_str *username, struct silt_error *err)
{
    const char *end = token.p + token.len, *dots[2] = {NULL, NULL};
    struct claims header, claims;
    const EVP_MD *digest = NULL;
    size_t count = 0;
    enum silt_status rc;

    for (size_t i = 0; i < token.len; i++)
        if (token.p[i] == '.' && count++ < 2)
            dots[count - 1] = token.p + i;
    if (count != 2)
        return silt_fail(err, SILT_INVALID, "token contains an invalid number of segments");
    struct silt_str parts[3] = {{token.p, (size_t)(dots[0] - token.p)},
                                {dots[0] + 1, (size_t)(dots[1] - dots[0] - 1)},
                                {dots[1] + 1, (size_t)(end - dots[1] - 1)}};
    struct silt_str signed_part = {token.p, (size_t)(dots[1] - token.p)};
    if ((rc = read_object(parts[0], "map[string]interface {}", arena, &header, err)) != SILT_OK ||
        (rc = read_object(parts[1], "jwt.MapClaims", arena, &claims, err)) != SILT_OK ||
        (rc = pick_digest(&header, &digest, err)) != SILT_OK ||
        (rc = check_signature(signed_part, parts[2], digest, secret, arena, err)) != SILT_OK)
        return rc;
    return check_claims(&claims, now_s, username, err);
}
