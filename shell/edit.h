/*
 * edit.h - a line typed by a person, with editing and history. libedit stays behind this file.
 */
#ifndef SHELL_EDIT_H
#define SHELL_EDIT_H

#include "silt/text.h"

#include <stdio.h>

struct edit;

/* What could stand at the cursor: whole words, of which the first `typed` bytes are there already. */
struct edit_choices {
    char **words; /* sorted, without repetition; owned by whoever fills them until the next call */
    size_t count;
    size_t typed;
};
typedef void (*edit_complete_fn)(void *context, struct silt_str line, size_t cursor, struct edit_choices *choices);

struct edit *edit_create(const char *history_path); /* NULL: no history file */
void edit_destroy(struct edit *edit);
void edit_set_complete(struct edit *edit, edit_complete_fn complete, void *context);
/* The line without its end, valid until the next call; NULL at the end of input. *interrupted: Ctrl-C was pressed. */
const char *edit_line(struct edit *edit, const char *prompt, size_t *len, bool *interrupted);
void edit_remember(struct edit *edit, struct silt_str line); /* in the history, and in its file */
void edit_show_history(struct edit *edit, FILE *out);
/* Without echo when secret; without history. The caller frees; NULL at the end of input. */
char *edit_ask(const char *prompt, bool secret);

#endif
