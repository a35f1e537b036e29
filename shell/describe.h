/*
 * describe.h - `describe`: what a database or a measurement is made of.
 */
#ifndef SHELL_DESCRIBE_H
#define SHELL_DESCRIBE_H

#include "shell/session.h"

/* name "": the session's database. false: session->failure says why; nothing was shown for it. */
bool describe(struct session *session, struct silt_str name);

#endif
