/*
 * auth.h - who asks: the gate that a request passes before its handler when authentication is on.
 *
 *     loop:   credentials -> seen before (auth_cache.h)?  -> handler
 *                         -> a web token (jwt.h)          -> handler, or 401
 *                         -> else pended; where log-ins from the address failed lately, kept for a while (a tick of the
 *                            loop goes on with it, no thread waits)
 *     worker: bcrypt, some 50 ms -> loop: handler, or 401
 *
 * While there is no admin, nobody can prove anything and the handler is called for nobody; what nobody may do is
 * authorize.h's. Bodies of InfluxDB's errors, with its status.
 *
 * Threads: auth_require and auth_tick on the loop.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "server/http.h"

enum silt_status auth_gate_create(struct http_server *server, struct auth_gate **out, struct silt_error *err);
void auth_gate_destroy(struct auth_gate *gate); /* after the loops; NULL is fine */

/* Calls handle, now or later on this loop, with http_user() the user; or answers. */
void auth_require(struct http_loop *loop, h2o_req_t *req, void (*handle)(struct http_loop *loop, h2o_req_t *req));
/* Go on with those log-ins whose time has come. */
void auth_tick(struct http_loop *loop, uint64_t now_ns);

#endif
