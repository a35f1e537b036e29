/*
 * client.h - requests to a server over HTTP, on a TCP port or a Unix socket. libcurl stays behind this file.
 *
 * A client belongs to one thread; it keeps its connection between requests. An answer's body is handed on as it comes:
 * who takes it slowly slows the server down, and nothing is kept.
 */
#ifndef SHELL_CLIENT_H
#define SHELL_CLIENT_H

#include "silt/text.h"

struct client_config {
    const char *host;
    unsigned port;
    const char *socket; /* path of a Unix socket, or "" */
    bool ssl, unsafe_ssl;
    const char *username, *password; /* "": none */
};

struct client_param {
    const char *name;
    struct silt_str value;
};

struct client_request {
    const char *method; /* GET or POST */
    const char *path;
    const struct client_param *params; /* those without a value are left out */
    size_t param_count;
    const char *body_type; /* NULL: the body is a form of form_params */
    struct silt_str body;
    const struct client_param *form;
    size_t form_count;
    const char *accept; /* content type asked for; NULL: the server's choice */
    bool body_gzip;     /* the body is packed already */
    long timeout_ms;    /* 0: as long as it takes */

    /* A piece of the answer's body; false gives up the transfer. May be NULL. */
    bool (*data)(void *context, const char *bytes, size_t len);
    /* Some times a second while waiting, with the seconds since the start. May be NULL. */
    void (*tick)(void *context, double seconds);
    void *context;
};

struct client_reply {
    long status;
    char version[64]; /* X-Influxdb-Version */
    char content_type[64];
    char error[256]; /* X-Influxdb-Error */
};

struct client;

/* Once per process, before the first client and after the last one. */
void client_setup(void);
void client_teardown(void);

struct client *client_create(const struct client_config *config);
void client_destroy(struct client *client);
/* "http://host:port", or the socket's path. */
const char *client_address(const struct client *client);

/* Set from a signal handler or another thread: the request under way ends with SILT_CANCELLED. NULL: none. */
void client_set_cancel(struct client *client, const _Atomic bool *cancel);

/* SILT_OK whenever the server answered, whatever its status. SILT_CANCELLED; SILT_IO: it could not be asked, err->text
 * says why. */
enum silt_status client_send(struct client *client, const struct client_request *request, struct client_reply *reply,
                             struct silt_error *err);
/* GET /ping. */
enum silt_status client_ping(struct client *client, struct client_reply *reply, struct silt_error *err);

#endif
