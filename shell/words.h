/*
 * words.h - small things done with command text: trimming, lower case, words, Go's %q, identifiers, display width.
 */
#ifndef SHELL_WORDS_H
#define SHELL_WORDS_H

#include "silt/text.h"

struct silt_str words_trim(struct silt_str text); /* white space at both ends */
/* Takes the next word off *text; empty when there is none. */
struct silt_str words_next(struct silt_str *text);
bool words_equal_fold(struct silt_str a, struct silt_str b); /* ASCII letters without case */
bool words_starts_fold(struct silt_str text, struct silt_str prefix);
void words_lower(struct silt_buffer *out, struct silt_str text);
struct silt_str words_view(const struct silt_buffer *buffer);

/* "text" as Go's %q writes it. */
void words_quote_go(struct silt_buffer *out, struct silt_str text);
/* For a terminal: its beginning, control characters and what is no UTF-8 as \xNN; lines and tabs stay. */
void words_harmless(struct silt_buffer *out, struct silt_str text, size_t bytes_max);
/* "name" as an InfluxQL identifier, always quoted. */
void words_quote_identifier(struct silt_buffer *out, struct silt_str name);
/* 'text' as an InfluxQL string. */
void words_quote_string(struct silt_buffer *out, struct silt_str text);

/* The next identifier, plain or in double quotes; *text moves behind it. Empty when there is none. */
struct silt_str words_identifier(struct silt_str *text);
/* db, db.rp, "d.b"."r p". false: more than one dot outside quotes. Buffers are replaced. */
bool words_database_policy(struct silt_str text, struct silt_buffer *database, struct silt_buffer *policy);

size_t words_runes(struct silt_str text); /* code points, as Go counts them */
/* Columns on a terminal; control characters count one. */
size_t words_width(struct silt_str text);
/* The longest beginning that takes at most `columns` columns; *used tells how many it takes. */
size_t words_fit(struct silt_str text, size_t columns, size_t *used);

#endif
