/*
 * encode_template.h - the strings codec for text that a program wrote around numbers; drawn in encode_template.c.
 *
 * Threads: no state; any thread.
 */
#ifndef STORAGE_ENCODE_TEMPLATE_H
#define STORAGE_ENCODE_TEMPLATE_H

#include "storage/encode.h"

/* Appends the payload; false, with nothing appended, when the strings are not of a few templates. count >= 1. */
bool encode_put_templates(const struct silt_str *values, unsigned count, struct silt_buffer *out);
/* As decode_strings. */
enum silt_status decode_templates(const uint8_t *bytes, size_t len, unsigned count, struct silt_arena *arena,
                                  struct silt_str *out);

/* A table of strings, drawn in encode_string.c; its strings are copied into the arena. */
void encode_put_table(const struct silt_str *values, unsigned count, struct silt_buffer *out);
enum silt_status decode_table(const uint8_t *bytes, size_t len, unsigned count, struct silt_arena *arena,
                              struct silt_str *out);

#endif
