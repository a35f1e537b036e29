/*
 * chart_command.h - `chart SELECT ...`: an answer's numbers, a line per series and column, drawn over time.
 */
#ifndef SHELL_CHART_COMMAND_H
#define SHELL_CHART_COMMAND_H

#include "shell/session.h"

/* false: the statement failed; that was shown. */
bool chart_command(struct session *session, struct silt_str statement, unsigned screen_lines);

#endif
