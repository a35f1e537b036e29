/*
 * tls.c - see tls.h.
 */
#include "server/tls.h"

#include <h2o.h>
#include <openssl/err.h>

/* The first of the library's errors is the cause, the others say who passed it on. */
static enum silt_status fail(struct silt_error *err, const char *setting, const char *path, const char *wanted)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    char system[128];

    if (ERR_SYSTEM_ERROR(code))
        reason = strerror_r(ERR_GET_REASON(code), system, sizeof(system));
    silt_fail(err, SILT_INVALID, "http.%s: %s: %s%s", setting, path, reason ? reason : "cannot be used",
              ERR_SYSTEM_ERROR(code) ? "" : wanted);
    ERR_clear_error();
    return SILT_INVALID;
}

/* A key that wants a passphrase is an error, no question at the terminal. */
static int no_passphrase(char *buffer, int bytes, int writing, void *arg)
{
    return -1;
}

enum silt_status tls_create(const struct silt_server_options *options, SSL_CTX **out, struct silt_error *err)
{
    static const h2o_iovec_t http1_only[] = {{H2O_STRLIT("http/1.1")}, {NULL, 0}};
    const char *certificate = options->https_certificate;
    const char *key = *options->https_private_key ? options->https_private_key : certificate;
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    enum silt_status rc = SILT_OK;

    silt_assert(tls);
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
    h2o_ssl_register_alpn_protocols(tls, http1_only);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1)
        rc = fail(err, "https-certificate", certificate, " (a certificate in PEM form is wanted)");
    else if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        rc = fail(err, "https-private-key", key, " (a key in PEM form without a passphrase is wanted)");
    else if (SSL_CTX_check_private_key(tls) != 1)
        rc = fail(err, "https-private-key", key, "");
    if (rc != SILT_OK) {
        SSL_CTX_free(tls);
        return rc;
    }
    *out = tls;
    return SILT_OK;
}

void tls_destroy(SSL_CTX *tls)
{
    SSL_CTX_free(tls);
}
