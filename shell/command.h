/*
 * command.h - what can be typed: the shell's own commands by their first word, anything else a statement.
 */
#ifndef SHELL_COMMAND_H
#define SHELL_COMMAND_H

#include "shell/session.h"

enum command_outcome {
    COMMAND_DONE,
    COMMAND_FAILED, /* shown; session->failure has the text */
    COMMAND_BLANK,  /* nothing was typed */
};

enum command_outcome command_run(struct session *session, struct silt_str text);
/* Whether the text begins with a command's name: it is not sent as a statement, and ends with its line. */
bool command_is_own(struct silt_str text);
/* Whether its text may take several lines: statements, and chart, which is followed by one. */
bool command_goes_on(struct silt_str text);
/* Standard input to its end: commands and statements. Ends at the first that fails. */
enum command_outcome command_script(struct session *session, FILE *in);

#endif
