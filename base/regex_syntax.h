/*
 * regex_syntax.h - RE2's grammar, as Go reads it, translated for PCRE2; private to base/regex*.c.
 */
#ifndef BASE_REGEX_SYNTAX_H
#define BASE_REGEX_SYNTAX_H

#include "silt/text.h"

/* Check the pattern; with `out`, append a PCRE2 pattern of the same meaning (for UTF, DOTALL, newline LF,
 * ALT_CIRCUMFLEX, NO_AUTO_CAPTURE). Only whether it matches is the same, not what groups capture. */
enum silt_status regex_translate(struct silt_str pattern, struct silt_buffer *out, struct silt_error *err);

/* Whether the name is that of a Unicode category or script (regex.c). */
bool regex_knows_script(struct silt_str name);

#endif
