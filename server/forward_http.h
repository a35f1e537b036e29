/*
 * forward_http.h - line protocol to other servers over HTTP: libcurl's multi interface, seen by nobody else.
 *
 * Threads: all calls on the one thread that owns it, but for forward_http_wake.
 */
#ifndef SERVER_FORWARD_HTTP_H
#define SERVER_FORWARD_HTTP_H

#include "silt/base.h"

struct forward_http;
struct forward_http_target; /* where to: URL and credentials */

struct forward_http_options {
    uint64_t timeout_ms; /* of a transfer, from its start to its end */
    bool verify;         /* certificates and names of https */
    const char *ca_file; /* empty: the system's */
};

/* ok: answered with 200 or 204; else reason says what was wrong. */
typedef void (*forward_http_done_fn)(void *arg, void *tag, bool ok, const char *reason);

/* NULL: libcurl could not be had. */
struct forward_http *forward_http_create(const struct forward_http_options *options, forward_http_done_fn done,
                                         void *arg);
/* Nothing is under way. NULL is fine. */
void forward_http_destroy(struct forward_http *http);

/* url/write?consistency=&db=database&precision=ns&rp=policy. SILT_INVALID: no URL that libcurl understands. */
enum silt_status forward_http_target_create(struct silt_str url, struct silt_str database, struct silt_str policy,
                                            struct forward_http_target **out, struct silt_error *err);
void forward_http_target_destroy(struct forward_http_target *target); /* NULL is fine */

/* Starts a POST of body, which stays until `done` is called with tag, as target does. */
enum silt_status forward_http_post(struct forward_http *http, const struct forward_http_target *target,
                                   struct silt_str body, void *tag, struct silt_error *err);
/* Goes on with all of them; waits for something to happen, forward_http_wake included, at most so long. */
void forward_http_run(struct forward_http *http, int wait_ms);
void forward_http_wake(struct forward_http *http);
/* Ends all transfers without telling; discard gets each tag. */
void forward_http_abandon(struct forward_http *http, void (*discard)(void *tag));

#endif
