/*
 * backup.h - `silt backup FOLDER`: the whole store of a running server into FOLDER/<time>, a complete copy each time.
 */
#ifndef SHELL_BACKUP_H
#define SHELL_BACKUP_H

#include "shell/session.h"

/* Gives the exit status. */
int backup_run(struct session *session, const struct options *options, const char *folder);

#endif
