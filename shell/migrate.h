/*
 * migrate.h - `silt migrate http://old:8086`: a live InfluxDB 1.x moves into the server of the session, is compared,
 * and can go on after a kill. migrate_internal.h draws it.
 */
#ifndef SHELL_MIGRATE_H
#define SHELL_MIGRATE_H

#include "shell/session.h"

enum migrate_status {
    MIGRATE_EQUAL = 0,
    MIGRATE_STOPPED = 1, /* to go on, the same command again */
    MIGRATE_USAGE = 2,
    MIGRATE_DIFFERS = 3, /* all was copied; the report tells what is not equal */
};

/* The session is connected to the target. The exit status. */
int migrate_run(struct session *target, const struct options *options, const char *url);

#endif
