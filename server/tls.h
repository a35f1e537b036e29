/*
 * tls.h - HTTPS: TLS 1.2 and 1.3 with a certificate and a key from files, HTTP/1.1 alone within.
 *
 * Threads: a context may be used by any number of loops; it is made and let go by one thread.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include "silt/server.h"

#include <openssl/ssl.h>

/* https-certificate and https-private-key, read now. */
enum silt_status tls_create(const struct silt_server_options *options, SSL_CTX **out, struct silt_error *err);
void tls_destroy(SSL_CTX *tls); /* NULL is fine; connections that use it keep it */

#endif
