/*
 * collectd_users.c - see collectd_users.h.
 */
#include "server/collectd_users.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define LOOK_AGAIN_NS 1000000000ull

struct user {
    struct silt_str name, password; /* in the file's text */
    size_t line;
};

struct collectd_users {
    char *path;
    struct silt_buffer text;
    struct user *items;
    size_t count;
    uint64_t look_again_ns;
    struct timespec changed; /* as it was when it was read */
    off_t bytes;
    bool known; /* the two above hold */
    struct silt_error trouble;
    EVP_CIPHER_CTX *cipher;
};

/* ---------------------------------------------------------------- the file */

static struct silt_str trim(struct silt_str text)
{
    static const char blanks[] = " \t\r\v";

    for (; text.len && memchr(blanks, text.p[0], sizeof(blanks) - 1); text.len--)
        text.p++;
    while (text.len && memchr(blanks, text.p[text.len - 1], sizeof(blanks) - 1))
        text.len--;
    return text;
}

static int by_name(const void *a, const void *b)
{
    return silt_str_compare(((const struct user *)a)->name, ((const struct user *)b)->name);
}

static int by_name_and_line(const void *a, const void *b)
{
    const struct user *x = a, *y = b;
    int order = by_name(a, b);

    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void take_line(struct collectd_users *users, struct silt_str line)
{
    const char *colon = line.len ? memchr(line.p, ':', line.len) : NULL;

    if (!colon)
        return;
    struct silt_str name = trim((struct silt_str){line.p, (size_t)(colon - line.p)});
    struct silt_str password = trim((struct silt_str){colon + 1, (size_t)(line.p + line.len - colon - 1)});
    if (name.len && name.p[0] == '#')
        return;
    users->items = silt_realloc(users->items, (users->count + 1) * sizeof(users->items[0]));
    users->items[users->count] = (struct user){name, password, users->count};
    users->count++;
}

static void forget(struct collectd_users *users)
{
    if (users->text.p)
        OPENSSL_cleanse(users->text.p, users->text.capacity);
    silt_buffer_free(&users->text);
    free(users->items);
    users->items = NULL;
    users->count = 0;
}

static void take_text(struct collectd_users *users)
{
    struct silt_str rest = {users->text.p, users->text.len};
    size_t kept = 0;

    while (rest.len) {
        const char *newline = memchr(rest.p, '\n', rest.len);
        struct silt_str line = {rest.p, newline ? (size_t)(newline - rest.p) : rest.len};
        size_t used = line.len + (newline != NULL);
        take_line(users, line);
        rest = (struct silt_str){rest.p + used, rest.len - used};
    }
    if (users->count)
        qsort(users->items, users->count, sizeof(users->items[0]), by_name_and_line);
    for (size_t i = 0; i < users->count; i++) /* of two lines for a name the later one counts */
        if (i + 1 == users->count || by_name(&users->items[i], &users->items[i + 1]) != 0)
            users->items[kept++] = users->items[i];
    users->count = kept;
}

static bool unchanged(const struct collectd_users *users, const struct stat *found)
{
    return users->known && users->bytes == found->st_size && users->changed.tv_sec == found->st_mtim.tv_sec &&
           users->changed.tv_nsec == found->st_mtim.tv_nsec;
}

static void look(struct collectd_users *users)
{
    uint64_t now = silt_clock_monotonic_ns();
    struct stat found = {0};

    if (now < users->look_again_ns)
        return;
    users->look_again_ns = now + LOOK_AGAIN_NS;
    if (stat(users->path, &found) == 0 && unchanged(users, &found))
        return;
    forget(users);
    users->trouble.status = silt_buffer_read_file(&users->text, users->path, FILE_BYTES_MAX, &users->trouble);
    users->known = users->trouble.status == SILT_OK;
    if (!users->known) {
        forget(users);
        return;
    }
    users->changed = found.st_mtim;
    users->bytes = found.st_size;
    take_text(users);
}

struct collectd_users *collectd_users_create(const char *path)
{
    struct collectd_users *users = silt_calloc(1, sizeof(*users));

    users->path = silt_strdup(silt_str_from(path));
    users->cipher = EVP_CIPHER_CTX_new();
    silt_assert(users->cipher);
    return users;
}

void collectd_users_destroy(struct collectd_users *users)
{
    if (!users)
        return;
    forget(users);
    EVP_CIPHER_CTX_free(users->cipher);
    free(users->path);
    free(users);
}

enum silt_status collectd_users_check(struct collectd_users *users, struct silt_error *err)
{
    look(users);
    if (!users->known)
        *err = users->trouble;
    return users->known ? SILT_OK : users->trouble.status;
}

static enum silt_status find_password(struct collectd_users *users, struct silt_str user, struct silt_str *password,
                                      struct silt_error *err)
{
    const struct user wanted = {.name = user};
    enum silt_status rc = collectd_users_check(users, err);

    if (rc != SILT_OK)
        return rc;
    const struct user *found =
        users->count ? bsearch(&wanted, users->items, users->count, sizeof(wanted), by_name) : NULL;
    if (!found)
        return silt_fail(err, SILT_INVALID, "user \"%.*s\" is not in the auth-file", (int)(user.len > 100 ? 100 : user.len),
                         user.p);
    *password = found->password;
    return SILT_OK;
}

/* ---------------------------------------------------------------- signatures */

enum silt_status collectd_verify(struct collectd_users *users, struct silt_str user, const void *mac,
                                 struct silt_str text, struct silt_error *err)
{
    unsigned char computed[EVP_MAX_MD_SIZE];
    struct silt_buffer signed_text = {0};
    struct silt_str password;
    unsigned len = 0;
    enum silt_status rc = find_password(users, user, &password, err);

    if (rc != SILT_OK)
        return rc;
    silt_buffer_str(&signed_text, user);
    silt_buffer_str(&signed_text, text);
    const void *done = HMAC(EVP_sha256(), password.len ? password.p : "", (int)password.len,
                            (const unsigned char *)signed_text.p, signed_text.len, computed, &len);
    silt_buffer_free(&signed_text);
    if (!done || len != COLLECTD_MAC_BYTES || CRYPTO_memcmp(computed, mac, len) != 0)
        return silt_fail(err, SILT_INVALID, "the signature is not the user's");
    return SILT_OK;
}

enum silt_status collectd_decrypt(struct collectd_users *users, struct silt_str user, const void *iv,
                                  struct silt_str text, struct silt_arena *arena, struct silt_str *plain,
                                  struct silt_error *err)
{
    unsigned char key[EVP_MAX_MD_SIZE], hash[EVP_MAX_MD_SIZE];
    struct silt_str password;
    int len = 0;
    enum silt_status rc = find_password(users, user, &password, err);

    if (rc != SILT_OK)
        return rc;
    silt_assert(text.len >= COLLECTD_HASH_BYTES && text.len <= INT32_MAX);
    unsigned char *out = silt_arena_alloc(arena, text.len);
    bool done = EVP_Digest(password.len ? password.p : "", password.len, key, NULL, EVP_sha256(), NULL) &&
                EVP_DecryptInit_ex(users->cipher, EVP_aes_256_ofb(), NULL, key, iv) &&
                EVP_DecryptUpdate(users->cipher, out, &len, (const unsigned char *)text.p, (int)text.len) &&
                (size_t)len == text.len &&
                EVP_Digest(out + COLLECTD_HASH_BYTES, text.len - COLLECTD_HASH_BYTES, hash, NULL, EVP_sha1(), NULL);
    OPENSSL_cleanse(key, sizeof(key));
    if (!done || CRYPTO_memcmp(hash, out, COLLECTD_HASH_BYTES) != 0)
        return silt_fail(err, SILT_INVALID, "it was not encrypted with the user's password");
    *plain = (struct silt_str){(const char *)out + COLLECTD_HASH_BYTES, text.len - COLLECTD_HASH_BYTES};
    return SILT_OK;
}
