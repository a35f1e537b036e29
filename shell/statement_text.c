/*
 * statement_text.c - what the prompt has to know of a statement's text: whether it goes on, and what is secret in it.
 */
#include "shell/interactive.h"

#include "shell/words.h"

bool interactive_unfinished(struct silt_str text)
{
    char quote = 0;
    int open = 0;
    text = words_trim(text);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '\\' && quote) {
            i++;
        } else if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '-' && i + 1 < text.len && text.p[i + 1] == '-') {
            while (i < text.len && text.p[i] != '\n') /* a comment */
                i++;
        } else if (c == '(' || c == ')') {
            open += c == '(' ? 1 : -1;
        }
    }
    char last = text.len ? text.p[text.len - 1] : 0;
    return quote || open > 0 || last == ',' || last == '\\';
}

/* The end of the quoted text that begins at `at`, or the text's end. */
static size_t quoted_end(struct silt_str text, size_t at)
{
    char quote = text.p[at++];
    while (at < text.len && text.p[at] != quote)
        at += text.p[at] == '\\' ? 2 : 1;
    return at < text.len ? at + 1 : text.len;
}

void interactive_redact(struct silt_buffer *out, struct silt_str line)
{
    size_t at = 0;
    while (at < line.len) {
        struct silt_str rest = {line.p + at, line.len - at};
        if (!words_starts_fold(rest, SILT_STR("password"))) {
            silt_buffer_char(out, line.p[at++]);
            continue;
        }
        silt_buffer_append(out, rest.p, 8);
        at += 8;
        /* WITH PASSWORD '...', SET PASSWORD FOR name = '...' */
        size_t secret = at;
        while (secret < line.len && line.p[secret] != '\'' && line.p[secret] != ';')
            secret++;
        silt_buffer_append(out, line.p + at, secret - at);
        at = secret;
        if (at < line.len && line.p[at] == '\'') {
            silt_buffer_str(out, SILT_STR("[REDACTED]"));
            at = quoted_end(line, at);
        }
    }
}
