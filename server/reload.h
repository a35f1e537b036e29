/*
 * reload.h - a changed configuration into a running server: what SIGHUP does.
 *
 * Settings that are live (config.c) are taken over; then each of reload.c's actions does what a value alone does not:
 * opens the log of requests anew, moves a bound that lives elsewhere. What is not live waits for a restart and is
 * named.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "server/http.h"

/* options: the server's own, which fresh changes. One thread at a time. */
void reload_apply(struct http_server *server, struct silt_server_options *options,
                  const struct silt_server_options *fresh);

#endif
