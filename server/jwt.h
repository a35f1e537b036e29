/*
 * jwt.h - JSON web tokens, as `Authorization: Bearer` carries them: who they say asks, and is it true?
 *
 *     base64url {"alg":"HS256","typ":"JWT"} . base64url {"username":"bob","exp":1700000000} . base64url HMAC
 *
 * HS256, HS384 and HS512 with a shared secret; `exp` is required, `nbf` and `iat` count when they are there. Errors are
 * InfluxDB's.
 *
 * Threads: any. Cheap enough for a loop.
 */
#ifndef SERVER_JWT_H
#define SERVER_JWT_H

#include "silt/base.h"

/* username is in the arena. SILT_INVALID: err->text is the answer's. */
enum silt_status jwt_verify(struct silt_str token, struct silt_str secret, int64_t now_s, struct silt_arena *arena,
                            struct silt_str *username, struct silt_error *err);

#endif
