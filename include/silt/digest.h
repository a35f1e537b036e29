/*
 * digest.h - SHA-256 (FIPS 180-4) of bytes that come in pieces, as text. OpenSSL stays behind this file.
 */
#ifndef SILT_DIGEST_H
#define SILT_DIGEST_H

#include "silt/base.h"

#define SILT_DIGEST_TEXT_BYTES 65 /* hexadecimal digits and a NUL */

struct silt_digest;

struct silt_digest *silt_digest_create(void);
void silt_digest_destroy(struct silt_digest *digest); /* NULL is fine */
void silt_digest_add(struct silt_digest *digest, const void *bytes, size_t len);
/* Of all that was added; then it begins anew. */
void silt_digest_end(struct silt_digest *digest, char *text);

#endif
