/*
 * script.c - statements from a stream that is no terminal.
 *
 * As with the `influx` shell the whole input is one text of statements. What that shell does not have: where a
 * statement could begin (at the start, and after a semicolon) a line may also be one of the shell's own commands.
 */
#include "shell/command.h"

#include "shell/words.h"

#include <stdlib.h>

static bool ends_statement(const struct silt_buffer *pending)
{
    struct silt_str text = words_trim(words_view(pending));
    return !text.len || text.p[text.len - 1] == ';';
}

static enum command_outcome run_pending(struct session *s, struct silt_buffer *pending)
{
    bool blank = !words_trim(words_view(pending)).len;
    enum command_outcome outcome = blank || session_query(s, words_view(pending)) ? COMMAND_DONE : COMMAND_FAILED;
    pending->len = 0;
    return outcome;
}

enum command_outcome command_script(struct session *s, FILE *in)
{
    struct silt_buffer pending = {0};
    enum command_outcome outcome = COMMAND_DONE;
    char *line = NULL;
    size_t capacity = 0;
    bool any = false;
    for (ssize_t len; outcome != COMMAND_FAILED && !s->quit && (len = getline(&line, &capacity, in)) >= 0;) {
        struct silt_str text = {line, (size_t)len};
        if (!ends_statement(&pending) || !command_is_own(text)) {
            silt_buffer_str(&pending, text);
            continue;
        }
        any = true;
        outcome = run_pending(s, &pending);
        if (text.len && text.p[text.len - 1] == '\n')
            text.len--;
        if (outcome != COMMAND_FAILED)
            outcome = command_run(s, text);
    }
    free(line);
    if (outcome != COMMAND_FAILED && !any)
        outcome = session_query(s, words_view(&pending)) ? COMMAND_DONE : COMMAND_FAILED;
    else if (outcome != COMMAND_FAILED && !s->quit)
        outcome = run_pending(s, &pending);
    silt_buffer_free(&pending);
    return outcome;
}
