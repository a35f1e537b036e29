/*
 * auth_read.h - the credentials a request carries: `u` and `p`, or the Authorization header.
 *
 *     u=root&p=secret                        user and password, when both are given
 *     Authorization: Basic base64(user:password)
 *     Authorization: Token user:password
 *     Authorization: Bearer <token>
 *
 * As in InfluxDB, `u` and `p` count in the URL only, `Basic` may be of any letter case and the others may not, and there
 * is one blank.
 */
#ifndef SERVER_AUTH_READ_H
#define SERVER_AUTH_READ_H

#include "silt/base.h"

enum auth_kind {
    AUTH_NONE,       /* nothing given */
    AUTH_USER,
    AUTH_BEARER,
    AUTH_UNREADABLE, /* a header that is of no known scheme, or damaged */
};

struct auth {
    enum auth_kind kind;
    struct silt_str user, password; /* AUTH_USER */
    struct silt_str token;          /* AUTH_BEARER */
};

/* header empty: there is none. Texts are borrowed from the arguments or live in the arena. */
void auth_read(struct auth *auth, struct silt_str u, struct silt_str p, struct silt_str header,
               struct silt_arena *arena);

#endif
