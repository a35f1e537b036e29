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

/* WITH PASSWORD '...', SET PASSWORD FOR name = '...': the string goes. Where to go on. */
static size_t redact_password(struct silt_buffer *out, struct silt_str line, size_t at)
{
    size_t secret = at;
    while (secret < line.len && line.p[secret] != '\'' && line.p[secret] != ';')
        secret++;
    silt_buffer_append(out, line.p + at, secret - at);
    if (secret == line.len || line.p[secret] == ';')
        return secret;
    silt_buffer_str(out, SILT_STR("[REDACTED]"));
    return quoted_end(line, secret);
}

/* DESTINATIONS ALL 'http://name:...@host:80', ...: passwords in URLs go. */
static size_t redact_destinations(struct silt_buffer *out, struct silt_str line, size_t at)
{
    while (at < line.len && line.p[at] != ';') {
        if (line.p[at] != '\'') {
            silt_buffer_char(out, line.p[at++]);
            continue;
        }
        size_t end = quoted_end(line, at);
        silt_buffer_url(out, (struct silt_str){line.p + at, end - at});
        at = end;
    }
    return at;
}

void interactive_redact(struct silt_buffer *out, struct silt_str line)
{
    static const struct {
        struct silt_str word;
        size_t (*redact)(struct silt_buffer *out, struct silt_str line, size_t at);
    } secrets[] = {{{"password", 8}, redact_password}, {{"destinations", 12}, redact_destinations}};
    size_t at = 0;
    while (at < line.len) {
        struct silt_str rest = {line.p + at, line.len - at};
        size_t i = 0;
        while (i < 2 && !words_starts_fold(rest, secrets[i].word))
            i++;
        if (i == 2) {
            silt_buffer_char(out, line.p[at++]);
            continue;
        }
        silt_buffer_append(out, rest.p, secrets[i].word.len);
        at = secrets[i].redact(out, line, at + secrets[i].word.len);
    }
}
