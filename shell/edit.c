/*
 * edit.c - libedit with a history file of plain lines (~/.silt_history, mode 0600), oldest first.
 *
 * Ctrl-C is a key here, not a signal: it gives up the line. Tab asks for choices, inserts what they have in common, and
 * lists them when that is nothing.
 */
#include "shell/edit.h"

#include "shell/words.h"

#include <fcntl.h>
#include <histedit.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define HISTORY_LINES_MAX 1000
#define LISTED_MAX 200

struct edit {
    EditLine *line;
    History *history;
    const char *prompt;
    char *path;
    bool interrupted;
    edit_complete_fn complete;
    void *context;
    struct silt_buffer text;
};

static struct edit *of(EditLine *line)
{
    struct edit *edit = NULL;
    el_get(line, EL_CLIENTDATA, &edit);
    return edit;
}

static char *give_prompt(EditLine *line)
{
    return (char *)of(line)->prompt;
}

static unsigned char interrupt(EditLine *line, int key)
{
    of(line)->interrupted = true;
    return CC_NEWLINE;
}

/* ---------------------------------------------------------------- completion */

static size_t common_length(const struct edit_choices *choices)
{
    size_t len = strlen(choices->words[0]);
    for (size_t i = 1; i < choices->count; i++) {
        size_t n = 0;
        while (n < len && choices->words[i][n] == choices->words[0][n])
            n++;
        len = n;
    }
    while (len && ((unsigned char)choices->words[0][len] & 0xC0) == 0x80) /* not within a character */
        len--;
    return len;
}

static void list_choices(const struct edit_choices *choices)
{
    struct winsize size = {0};
    size_t screen = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80, widest = 0;
    size_t shown = choices->count < LISTED_MAX ? choices->count : LISTED_MAX;
    for (size_t i = 0; i < shown; i++) {
        size_t width = words_width(silt_str_from(choices->words[i]));
        widest = width > widest ? width : widest;
    }
    size_t columns = screen / (widest + 2) ? screen / (widest + 2) : 1, rows = (shown + columns - 1) / columns;
    putchar('\n');
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < shown; i += rows) {
            fputs(choices->words[i], stdout);
            if (i + rows < shown)
                for (size_t n = words_width(silt_str_from(choices->words[i])); n < widest + 2; n++)
                    putchar(' ');
        }
        putchar('\n');
    }
    if (shown < choices->count)
        printf("... and %zu more\n", choices->count - shown);
    fflush(stdout);
}

static unsigned char complete(EditLine *line, int key)
{
    struct edit *edit = of(line);
    const LineInfo *info = el_line(line);
    struct edit_choices choices = {0};
    if (edit->complete)
        edit->complete(edit->context, (struct silt_str){info->buffer, (size_t)(info->lastchar - info->buffer)},
                       (size_t)(info->cursor - info->buffer), &choices);
    if (!choices.count)
        return CC_REFRESH_BEEP;
    size_t len = common_length(&choices);
    struct silt_str typed = {info->cursor - choices.typed, choices.typed};
    bool settled = choices.count == 1, adds = len > typed.len || memcmp(choices.words[0], typed.p, len) != 0;
    if (settled || (adds && len >= typed.len)) {
        /* What was typed may differ from what is meant, by its quotes: it is replaced. */
        struct silt_buffer text = {0};
        const char *end = !settled || choices.words[0][len - 1] == '(' ? "" : " ";
        silt_buffer_printf(&text, "%.*s%s", (int)len, choices.words[0], end);
        silt_buffer_char(&text, 0);
        el_deletestr(line, (int)words_runes(typed));
        int put = el_insertstr(line, text.p);
        silt_buffer_free(&text);
        return put == -1 ? CC_ERROR : CC_REFRESH;
    }
    list_choices(&choices);
    return CC_REDISPLAY;
}

void edit_set_complete(struct edit *edit, edit_complete_fn fn, void *context)
{
    edit->complete = fn;
    edit->context = context;
}

/* ---------------------------------------------------------------- history */

static void load_history(struct edit *edit)
{
    FILE *file = edit->path ? fopen(edit->path, "re") : NULL;
    if (!file)
        return;
    HistEvent event;
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t len; (len = getline(&line, &capacity, file)) > 0;) {
        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        if (line[0])
            history(edit->history, &event, H_ENTER, line);
    }
    free(line);
    fclose(file);
}

/* Oldest first. */
static void write_history(struct edit *edit, FILE *out)
{
    HistEvent event;
    for (int more = history(edit->history, &event, H_LAST); more != -1; more = history(edit->history, &event, H_PREV))
        fprintf(out, "%s\n", event.str);
}

void edit_remember(struct edit *edit, struct silt_str line)
{
    HistEvent event;
    char *text = silt_strdup(line);
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = ' ';
    history(edit->history, &event, H_ENTER, text);
    int fd = edit->path ? open(edit->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    FILE *file = fd >= 0 ? fdopen(fd, "a") : NULL;
    if (file) {
        fprintf(file, "%s\n", text);
        fclose(file);
    } else if (edit->path) {
        fprintf(stderr, "%s: the history is not kept\n", edit->path);
        free(edit->path);
        edit->path = NULL;
    }
    free(text);
}

void edit_show_history(struct edit *edit, FILE *out)
{
    write_history(edit, out);
}

/* The file grows by a line per command: cut to what is remembered when a session ends. */
static void shorten_file(struct edit *edit)
{
    struct silt_buffer path = {0};
    silt_buffer_printf(&path, "%s.new", edit->path);
    silt_buffer_char(&path, 0);
    int fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file) {
        write_history(edit, file);
        bool whole = fflush(file) == 0 && !ferror(file);
        fclose(file);
        if (!whole || rename(path.p, edit->path) != 0)
            unlink(path.p);
    }
    silt_buffer_free(&path);
}

/* ---------------------------------------------------------------- life */

struct edit *edit_create(const char *history_path)
{
    struct edit *edit = silt_calloc(1, sizeof *edit);
    HistEvent event;
    edit->path = history_path ? silt_strdup(silt_str_from(history_path)) : NULL;
    edit->history = history_init();
    edit->line = el_init("silt", stdin, stdout, stderr);
    silt_assert(edit->history && edit->line);
    history(edit->history, &event, H_SETSIZE, HISTORY_LINES_MAX);
    history(edit->history, &event, H_SETUNIQUE, 1);
    load_history(edit);
    el_set(edit->line, EL_CLIENTDATA, edit);
    el_set(edit->line, EL_PROMPT, give_prompt);
    el_set(edit->line, EL_EDITOR, "emacs");
    el_set(edit->line, EL_SIGNAL, 1);
    el_set(edit->line, EL_HIST, history, edit->history);
    el_set(edit->line, EL_ADDFN, "silt-complete", "complete from the server", complete);
    el_set(edit->line, EL_ADDFN, "silt-interrupt", "give up the line", interrupt);
    el_set(edit->line, EL_BIND, "\t", "silt-complete", NULL);
    el_set(edit->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(edit->line, EL_SETTY, "-d", "-isig", NULL);
    el_set(edit->line, EL_BIND, "^C", "silt-interrupt", NULL);
    el_source(edit->line, NULL); /* ~/.editrc */
    return edit;
}

void edit_destroy(struct edit *edit)
{
    if (!edit)
        return;
    if (edit->path)
        shorten_file(edit);
    el_end(edit->line);
    history_end(edit->history);
    silt_buffer_free(&edit->text);
    free(edit->path);
    free(edit);
}

const char *edit_line(struct edit *edit, const char *prompt, size_t *len, bool *interrupted)
{
    int count = 0;
    edit->prompt = prompt;
    edit->interrupted = false;
    el_set(edit->line, EL_PREP_TERM, 1); /* before the prompt: what is typed at it is a key from the first on */
    const char *text = el_gets(edit->line, &count);
    *interrupted = edit->interrupted;
    if (edit->interrupted) {
        *len = 0;
        return "";
    }
    if (!text || count <= 0)
        return NULL;
    edit->text.len = 0;
    silt_buffer_append(&edit->text, text, (size_t)count);
    while (edit->text.len && (edit->text.p[edit->text.len - 1] == '\n' || edit->text.p[edit->text.len - 1] == '\r'))
        edit->text.len--;
    silt_buffer_char(&edit->text, 0);
    *len = --edit->text.len;
    return edit->text.p;
}

char *edit_ask(const char *prompt, bool secret)
{
    struct termios before, quiet;
    bool hidden = secret && tcgetattr(STDIN_FILENO, &before) == 0;
    fputs(prompt, stdout);
    fflush(stdout);
    if (hidden) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len = getline(&line, &capacity, stdin);
    if (hidden) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        putchar('\n');
    }
    if (len < 0) {
        free(line);
        return NULL;
    }
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        line[--len] = 0;
    return line;
}
