/*
 * password.h - passwords as bcrypt hashes, by libxcrypt.
 *
 * Slow on purpose (some 50 ms): never on an event loop. Threads: any.
 */
#ifndef SERVER_PASSWORD_H
#define SERVER_PASSWORD_H

#include "silt/base.h"

#define PASSWORD_HASH_MAX 128 /* with the NUL */

/* A fresh salt each time. SILT_INVALID: a NUL byte in the password. */
enum silt_status password_hash(struct silt_str password, char out[PASSWORD_HASH_MAX], struct silt_error *err);
bool password_matches(struct silt_str password, struct silt_str hash);

#endif
