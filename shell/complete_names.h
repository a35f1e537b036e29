/*
 * complete_names.h - the choices at a place: words, and names that the server is asked for.
 */
#ifndef SHELL_COMPLETE_NAMES_H
#define SHELL_COMPLETE_NAMES_H

#include "shell/edit.h"
#include "shell/session.h"

struct completer;

struct completer *completer_create(struct session *session);
void completer_destroy(struct completer *completer);
/* `text` is the whole statement, the cursor a place in it. Choices are valid until the next call. */
void completer_find(struct completer *completer, struct silt_str text, size_t cursor, struct edit_choices *choices);

#endif
