/*
 * password.c - see password.h. Of a password bcrypt sees the first 72 bytes, as InfluxDB's does.
 */
#include "server/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define BCRYPT_PREFIX "$2b$"
#define BCRYPT_COST 10 /* 2^10 rounds: what InfluxDB takes */
#define SALT_BYTES 16

_Static_assert(PASSWORD_HASH_MAX >= CRYPT_GENSALT_OUTPUT_SIZE || PASSWORD_HASH_MAX >= 64, "room for bcrypt's 60");

/* crypt_r's state is some 32 KB and has seen the password: off the stack, and wiped. */
static enum silt_status run_crypt(struct silt_str password, const char *setting, char out[PASSWORD_HASH_MAX],
                                  struct silt_error *err)
{
    struct crypt_data *data = silt_calloc(1, sizeof(*data));
    char *text = silt_malloc(password.len + 1);
    enum silt_status rc = SILT_OK;

    if (password.len)
        memcpy(text, password.p, password.len);
    text[password.len] = '\0';
    const char *hash = crypt_r(text, setting, data);
    if (!hash || hash[0] == '*' || strlen(hash) >= PASSWORD_HASH_MAX)
        rc = silt_fail_errno(err, errno, "a password cannot be hashed");
    else
        memcpy(out, hash, strlen(hash) + 1);
    explicit_bzero(text, password.len);
    explicit_bzero(data, sizeof(*data));
    free(text);
    free(data);
    return rc;
}

static bool has_nul(struct silt_str text)
{
    return text.len && memchr(text.p, '\0', text.len);
}

enum silt_status password_hash(struct silt_str password, char out[PASSWORD_HASH_MAX], struct silt_error *err)
{
    char random[SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];

    if (has_nul(password))
        return silt_fail(err, SILT_INVALID, "a password must not have a NUL byte");
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return silt_fail_errno(err, errno, "no randomness for a password's salt");
    if (!crypt_gensalt_rn(BCRYPT_PREFIX, BCRYPT_COST, random, sizeof(random), setting, sizeof(setting)))
        return silt_fail_errno(err, errno, "no salt for a password");
    return run_crypt(password, setting, out, err);
}

bool password_matches(struct silt_str password, struct silt_str hash)
{
    char setting[PASSWORD_HASH_MAX], got[PASSWORD_HASH_MAX];
    struct silt_error ignored; /* a hash that cannot be computed matches nothing */
    unsigned differ = 0;

    if (has_nul(password) || hash.len == 0 || hash.len >= sizeof(setting))
        return false;
    memcpy(setting, hash.p, hash.len);
    setting[hash.len] = '\0';
    if (run_crypt(password, setting, got, &ignored) != SILT_OK || strlen(got) != hash.len)
        return false;
    for (size_t i = 0; i < hash.len; i++) /* in time that does not depend on where they differ */
        differ |= (unsigned)(got[i] ^ setting[i]);
    return differ == 0;
}
