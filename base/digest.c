/*
 * digest.c - implements digest.h.
 */
#include "silt/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct silt_digest {
    EVP_MD_CTX *context;
};

static void begin(struct silt_digest *digest)
{
    silt_assert(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1);
}

struct silt_digest *silt_digest_create(void)
{
    struct silt_digest *digest = silt_malloc(sizeof(*digest));

    digest->context = EVP_MD_CTX_new();
    silt_assert(digest->context);
    begin(digest);
    return digest;
}

void silt_digest_destroy(struct silt_digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

void silt_digest_add(struct silt_digest *digest, const void *bytes, size_t len)
{
    silt_assert(EVP_DigestUpdate(digest->context, bytes, len) == 1);
}

void silt_digest_end(struct silt_digest *digest, char *text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    silt_assert(EVP_DigestFinal_ex(digest->context, sum, &len) == 1 && len == (SILT_DIGEST_TEXT_BYTES - 1) / 2);
    for (unsigned i = 0; i < len; i++) {
        text[2 * i] = digits[sum[i] >> 4];
        text[2 * i + 1] = digits[sum[i] & 15];
    }
    text[2 * len] = '\0';
    begin(digest);
}
