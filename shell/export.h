/*
 * export.h - `silt export DATABASE`: all points of a database as line protocol, in the form that `silt import` and
 * `influx -import` read.
 */
#ifndef SHELL_EXPORT_H
#define SHELL_EXPORT_H

#include "shell/session.h"

/* Gives the exit status. */
int export_run(struct session *session, const struct options *options, const char *database);

#endif
