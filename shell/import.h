/*
 * import.h - `silt import FILE`: statements one after another, points in batches over several connections.
 */
#ifndef SHELL_IMPORT_H
#define SHELL_IMPORT_H

#include "shell/session.h"

/* Gives the exit status. */
int import_run(struct session *session, const struct options *options, const char *path);

#endif
