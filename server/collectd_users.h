/*
 * collectd_users.h - who may sign and encrypt packets: a file of names and passwords, and what is done with them.
 *
 *     # a comment
 *     alice: w0nderl4nd
 *
 * The file is looked at again at most once a second, and read anew when it was changed. One thread.
 */
#ifndef SERVER_COLLECTD_USERS_H
#define SERVER_COLLECTD_USERS_H

#include "silt/text.h"

#define COLLECTD_MAC_BYTES 32  /* HMAC-SHA256 of user and text */
#define COLLECTD_IV_BYTES 16   /* of AES-256 in output feedback mode; the key is the password's SHA-256 */
#define COLLECTD_HASH_BYTES 20 /* SHA-1 of the text, encrypted with it */

struct collectd_users;

/* The file may be missing, now or later: nobody has a password then. */
struct collectd_users *collectd_users_create(const char *path);
void collectd_users_destroy(struct collectd_users *users); /* NULL is fine */
/* Whether the file could be read when it was last looked at. */
enum silt_status collectd_users_check(struct collectd_users *users, struct silt_error *err);

/* SILT_INVALID: nobody of that name, or another password. */
enum silt_status collectd_verify(struct collectd_users *users, struct silt_str user, const void *mac,
                                 struct silt_str text, struct silt_error *err);
/* text: hash and what it is of; decrypted in the arena to what is behind the hash. SILT_INVALID as above. */
enum silt_status collectd_decrypt(struct collectd_users *users, struct silt_str user, const void *iv,
                                  struct silt_str text, struct silt_arena *arena, struct silt_str *plain,
                                  struct silt_error *err);

#endif
