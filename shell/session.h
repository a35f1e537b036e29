/*
 * session.h - a conversation with one server: where it is, as whom, in which database, and how answers are shown.
 * Statements go through session_query, points through session_write; command.c is what a user types on top of them.
 */
#ifndef SHELL_SESSION_H
#define SHELL_SESSION_H

#include "shell/client.h"
#include "shell/options.h"
#include "shell/printer.h"
#include "shell/schema.h"

#include <stdio.h>

struct session {
    struct client *client;
    struct silt_buffer host, socket, username, password; /* each ends in \0, which len does not count */
    unsigned port;
    bool ssl, unsafe_ssl;
    struct silt_buffer database, policy;
    struct silt_buffer format, precision, consistency; /* precision: "" is rfc3339 */
    bool pretty, chunked, timing, quit;
    int64_t chunk_size, node;
    char server_version[64];

    FILE *out;
    FILE *watched;          /* a stream whose error ends a statement, beside out; may be NULL */
    bool terminal;          /* answers are read by a person */
    unsigned width, height; /* of the terminal; 0: there is none */
    bool unicode;
    const _Atomic bool *cancel;
    long patience_ms;    /* with answers for the shell itself; 0: as long as it takes */
    struct pager *pager; /* NULL: answers are not paged */
    /* Asks the user for a line; NULL when there is nobody or they gave up. The caller frees. */
    char *(*ask)(void *context, const char *prompt, bool secret);
    void (*tick)(void *context, double seconds, size_t rows); /* while a query runs; may be NULL */
    void (*answering)(void *context); /* before the first byte of an answer is shown; may be NULL */
    void (*show_history)(void *context, FILE *out);
    void *context;

    struct silt_buffer failure; /* the last error's bare text */
    bool unreachable;           /* the last question was not answered to its end: it may be asked again */
};

void session_init(struct session *session, const struct options *options);
void session_deinit(struct session *session);
void session_set(struct silt_buffer *member, struct silt_str value);

/* What a client of its own to the same server needs; borrowed from the session. */
struct client_config session_client_config(const struct session *session);
/* Makes a client for what is set and pings it. */
enum silt_status session_connect(struct session *session, struct silt_error *err);

/* Runs statements and shows their answer. false: an error was shown, session->failure has its text. */
bool session_query(struct session *session, struct silt_str text);
/* The same with a printer of the caller's, and without the session's epoch: `epoch` instead ("" for rfc3339). */
bool session_query_with(struct session *session, struct silt_str text, struct printer *printer, const char *epoch);
/* Line protocol to the session's database, or to the one given. On failure: the body of the answer in `failure`. */
bool session_write(struct session *session, struct silt_str database, struct silt_str policy, struct silt_str lines);

/* A statement whose answer is for the shell itself: events go to `events`. Nothing is shown; false: `failure` says why.
 */
bool session_ask(struct session *session, struct silt_str text, struct silt_str database,
                 const struct answer_events *events, void *context);
/* The same by MessagePack, chunk_size rows at a time: numbers come with their types, strings as they are stored. */
bool session_read(struct session *session, struct silt_str text, struct silt_str database, int64_t chunk_size,
                  const struct answer_events *events, void *context);
/* Fields and tags of a database; measurement "": of all. The schema is sealed. */
bool session_schema(struct session *session, struct silt_str database, struct silt_str policy,
                    struct silt_str measurement, struct schema *schema);

#endif
