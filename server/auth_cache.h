/*
 * auth_cache.h - log-ins that were right not long ago, so that not every request costs a bcrypt.
 *
 *     HMAC-SHA-256 (key of this process; user, password, the user's bcrypt hash) -> known, or not
 *
 * No password is kept, nor anything from which one could be had without the key. As the stored hash is part of what is
 * hashed, a new password or a user dropped and made again is another entry: nothing has to be told to forget.
 * Bounded: a few entries for each place in the table, the oldest goes.
 *
 * Threads: any; one lock, held for a few comparisons.
 */
#ifndef SERVER_AUTH_CACHE_H
#define SERVER_AUTH_CACHE_H

#include "silt/base.h"

#define AUTH_MARK_BYTES 32

struct auth_cache;

struct auth_mark {
    unsigned char bytes[AUTH_MARK_BYTES];
};

enum silt_status auth_cache_create(struct auth_cache **out, struct silt_error *err); /* SILT_IO: no randomness */
void auth_cache_destroy(struct auth_cache *cache);                                   /* NULL is fine */

struct auth_mark auth_cache_mark(const struct auth_cache *cache, struct silt_str user, struct silt_str password,
                                 struct silt_str hash);
bool auth_cache_has(struct auth_cache *cache, const struct auth_mark *mark);
void auth_cache_add(struct auth_cache *cache, const struct auth_mark *mark);

#endif
