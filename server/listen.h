/*
 * listen.h - sockets that wait for connections: TCP, one for each loop on the same port, and a Unix socket.
 *
 * Threads: at start, and at stop.
 */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "silt/server.h"

/* address: host:port; port_wanted: in place of its port. *port is the one that it became. */
enum silt_status listen_tcp(const char *address, uint16_t port_wanted, int *out, uint16_t *port, struct silt_error *err);
/* Such sockets share their port, with a second server too: one that does not share finds out first. */
enum silt_status listen_check_port(const char *address, struct silt_error *err);
/* Nobody but this machine reaches it. */
bool listen_is_loopback(int fd);

/* bind-socket with its permissions and group. A socket that a dead server left is taken away; a live one is an error. */
enum silt_status listen_unix(const struct silt_server_options *options, int *out, struct silt_error *err);
void listen_unix_remove(const struct silt_server_options *options);

#endif
