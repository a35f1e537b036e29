/*
 * authorize.h - may who asks do that? Privileges (query.h says which a statement needs) against those the store keeps.
 *
 * Everything is allowed while authentication is off. Texts are InfluxDB's.
 *
 * Threads: any.
 */
#ifndef SERVER_AUTHORIZE_H
#define SERVER_AUTHORIZE_H

#include "server/http.h"

/* All statements, before the first is run. user empty: nobody. Empty, or the text of a 403; in the arena. */
struct silt_str authorize_query(struct http_server *server, struct silt_str user, const struct silt_query *query,
                                struct silt_str database, struct silt_arena *arena);
/* Where only an admin may look. */
bool authorize_admin(struct http_server *server, struct silt_str user);
/* what: "write to", "delete from". 0, or the status of the refusal, with err's text: 403, or 404 for a database that is not there. */
int authorize_write(struct http_server *server, struct silt_str user, struct silt_str database, const char *what,
                    struct silt_error *err);
/* The same for reading. */
int authorize_read(struct http_server *server, struct silt_str user, struct silt_str database, struct silt_error *err);

struct authorize_viewer {
    struct silt_viewer base;
    struct http_server *server;
    struct silt_str user;
};
/* NULL where everything may be seen. */
const struct silt_viewer *authorize_viewer_init(struct authorize_viewer *viewer, struct http_server *server,
                                                struct silt_str user);

#endif
