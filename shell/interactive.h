/*
 * interactive.h - a session with a person at a terminal.
 */
#ifndef SHELL_INTERACTIVE_H
#define SHELL_INTERACTIVE_H

#include "shell/session.h"

/* Until exit or the end of input; gives the exit status. */
int interactive_run(struct session *session, bool read_rc);

/* Whether a statement goes on in the next line: an open quote or parenthesis, a comma or a backslash at the end. */
bool interactive_unfinished(struct silt_str text);
/* The line as the history may keep it: passwords replaced. */
void interactive_redact(struct silt_buffer *out, struct silt_str line);

#endif
