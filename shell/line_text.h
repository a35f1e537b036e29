/*
 * line_text.h - names and values as line protocol writes them.
 *
 *     measurement: , and space escaped      keys and tag values: , = and space      strings: " and \
 */
#ifndef SHELL_LINE_TEXT_H
#define SHELL_LINE_TEXT_H

#include "shell/json_answer.h"

void line_measurement(struct silt_buffer *out, struct silt_str name);
void line_key(struct silt_buffer *out, struct silt_str key); /* tag keys, tag values, field keys */
void line_string(struct silt_buffer *out, struct silt_str text); /* with its quotes */
/* A value as JSON gave it; type SILT_TYPE_NONE: a number is a float. */
void line_value(struct silt_buffer *out, const struct cell *cell, enum silt_type type);

#endif
