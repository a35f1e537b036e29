/*
 * auth_cache.c - see auth_cache.h. 256 places of 4 entries, picked by the mark's first byte.
 */
#include "server/auth_cache.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define PLACES 256
#define WAYS 4

struct auth_cache {
    unsigned char key[32];
    pthread_mutex_t lock; /* guards this group: */
    struct {
        struct auth_mark marks[WAYS];
        unsigned count, next; /* next: to be replaced */
    } places[PLACES];
};

enum silt_status auth_cache_create(struct auth_cache **out, struct silt_error *err)
{
    struct auth_cache *cache = silt_calloc(1, sizeof(*cache));

    if (getrandom(cache->key, sizeof(cache->key), 0) != (ssize_t)sizeof(cache->key)) {
        free(cache);
        return silt_fail_errno(err, errno, "no randomness for the cache of log-ins");
    }
    pthread_mutex_init(&cache->lock, NULL);
    *out = cache;
    return SILT_OK;
}

void auth_cache_destroy(struct auth_cache *cache)
{
    if (!cache)
        return;
    pthread_mutex_destroy(&cache->lock);
    explicit_bzero(cache, sizeof(*cache));
    free(cache);
}

static char *put(char *to, struct silt_str text)
{
    uint64_t len = text.len;

    memcpy(to, &len, sizeof(len)); /* so that no two triples make the same bytes */
    if (text.len)
        memcpy(to + sizeof(len), text.p, text.len);
    return to + sizeof(len) + text.len;
}

struct auth_mark auth_cache_mark(const struct auth_cache *cache, struct silt_str user, struct silt_str password,
                                 struct silt_str hash)
{
    size_t len = user.len + password.len + hash.len + 3 * sizeof(uint64_t);
    char *text = silt_malloc(len);
    struct auth_mark mark;

    put(put(put(text, user), password), hash);
    const void *done = HMAC(EVP_sha256(), cache->key, sizeof(cache->key), (unsigned char *)text, len, mark.bytes, NULL);
    silt_assert(done);
    explicit_bzero(text, len);
    free(text);
    return mark;
}

static bool find(const struct auth_cache *cache, const struct auth_mark *mark)
{
    unsigned place = mark->bytes[0];
    bool found = false;

    for (unsigned i = 0; i < cache->places[place].count; i++)
        found |= CRYPTO_memcmp(cache->places[place].marks[i].bytes, mark->bytes, AUTH_MARK_BYTES) == 0;
    return found;
}

bool auth_cache_has(struct auth_cache *cache, const struct auth_mark *mark)
{
    pthread_mutex_lock(&cache->lock);
    bool found = find(cache, mark);
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void auth_cache_add(struct auth_cache *cache, const struct auth_mark *mark)
{
    unsigned place = mark->bytes[0];

    pthread_mutex_lock(&cache->lock);
    if (!find(cache, mark)) {
        cache->places[place].marks[cache->places[place].next] = *mark;
        cache->places[place].next = (cache->places[place].next + 1) % WAYS;
        if (cache->places[place].count < WAYS)
            cache->places[place].count++;
    }
    pthread_mutex_unlock(&cache->lock);
}
