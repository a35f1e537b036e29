/*
 * interactive.c - prompt, read, run, again. Ctrl-C while a statement runs sets a flag that ends the request: the server
 * cancels a query whose connection is gone.
 */
#include "shell/interactive.h"

#include "shell/command.h"
#include "shell/complete_names.h"
#include "shell/edit.h"
#include "shell/pager.h"
#include "shell/words.h"
#include "silt/version.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_AFTER_SECONDS 0.5

static _Atomic bool interrupted;

static void on_interrupt(int number)
{
    interrupted = true;
}

struct person {
    struct session *session;
    struct edit *edit;
    struct completer *completer;
    const struct silt_buffer *begun; /* lines of the statement before the one that is typed */
    bool progress_shown;
};

static void erase_progress(struct person *p)
{
    if (p->progress_shown)
        fputs("\r\033[K", stderr);
    p->progress_shown = false;
}

static void show_progress(void *context, double seconds, size_t rows)
{
    struct person *p = context;
    if (seconds < PROGRESS_AFTER_SECONDS || rows)
        return;
    fprintf(stderr, "\r\033[K%.1f s, Ctrl-C cancels", seconds);
    p->progress_shown = true;
}

static void before_answer(void *context)
{
    erase_progress(context);
}

static char *ask(void *context, const char *prompt, bool secret)
{
    return edit_ask(prompt, secret);
}

static void show_history(void *context, FILE *out)
{
    edit_show_history(((struct person *)context)->edit, out);
}

static void complete(void *context, struct silt_str line, size_t cursor, struct edit_choices *choices)
{
    struct person *p = context;
    struct silt_buffer text = {0};
    if (p->begun)
        silt_buffer_str(&text, words_view(p->begun));
    if (text.len)
        silt_buffer_char(&text, '\n');
    size_t start = text.len;
    silt_buffer_str(&text, line);
    completer_find(p->completer, words_view(&text), start + cursor, choices);
    silt_buffer_free(&text);
}

static void run(struct person *p, struct silt_str text)
{
    struct session *session = p->session;
    struct winsize size = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    interrupted = false;
    session->width = known && size.ws_col ? size.ws_col : 80;
    session->height = known && size.ws_row ? size.ws_row : 24;
    bool paged = session->terminal && pager_is_on(session->pager);
    if (paged)
        session->out = pager_begin(session->pager, session->height);
    (void)command_run(session, text); /* what fails is shown */
    erase_progress(p);
    if (paged)
        pager_end(session->pager);
    session->out = stdout;
    fflush(stdout);
}

/* ---------------------------------------------------------------- reading */

/* One statement, however many lines it takes. false: the input has ended. */
static bool read_statement(struct person *p, struct silt_buffer *text)
{
    text->len = 0;
    p->begun = text;
    for (;;) {
        size_t len;
        bool gave_up;
        const char *line = edit_line(p->edit, text->len ? "... " : "> ", &len, &gave_up);
        if (!line)
            return false;
        if (gave_up) {
            fputs("^C\n", stdout);
            text->len = 0;
            continue;
        }
        if (text->len)
            silt_buffer_char(text, '\n');
        silt_buffer_append(text, line, len);
        if (!command_goes_on(words_view(text)) || !interactive_unfinished(words_view(text)))
            return true;
        struct silt_str trimmed = words_trim(words_view(text));
        if (trimmed.p[trimmed.len - 1] == '\\') /* only says that the line goes on */
            text->len = (size_t)(trimmed.p - text->p) + trimmed.len - 1;
    }
}

static void remember(struct person *p, struct silt_str text)
{
    struct silt_buffer line = {0};
    text = words_trim(text);
    if (!text.len || words_starts_fold(text, SILT_STR("auth")))
        return;
    interactive_redact(&line, text);
    edit_remember(p->edit, words_view(&line));
    silt_buffer_free(&line);
}

/* ~/.siltrc: commands and statements, a line each, run before the first prompt. */
static void read_rc_file(struct person *p)
{
    const char *home = getenv("HOME");
    struct silt_buffer path = {0};
    if (!home)
        return;
    silt_buffer_printf(&path, "%s/.siltrc", home);
    silt_buffer_char(&path, 0);
    FILE *file = fopen(path.p, "re");
    if (!file && errno != ENOENT)
        fprintf(stderr, "%s: %s\n", path.p, strerror(errno));
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t len; file && (len = getline(&line, &capacity, file)) >= 0;) {
        struct silt_str text = words_trim((struct silt_str){line, (size_t)len});
        if (text.len && text.p[0] != '#')
            run(p, text);
    }
    free(line);
    if (file)
        fclose(file);
    silt_buffer_free(&path);
}

int interactive_run(struct session *s, bool read_rc)
{
    struct person person = {.session = s};
    struct silt_buffer history_path = {0}, text = {0};
    if (getenv("HOME")) {
        silt_buffer_printf(&history_path, "%s/.silt_history", getenv("HOME"));
        silt_buffer_char(&history_path, 0);
    }
    person.edit = edit_create(history_path.p);
    person.completer = completer_create(s);
    edit_set_complete(person.edit, complete, &person);
    s->pager = s->terminal ? pager_create() : NULL;
    s->cancel = &interrupted;
    client_set_cancel(s->client, &interrupted);
    s->context = &person;
    s->ask = ask;
    s->tick = show_progress;
    s->answering = before_answer;
    s->show_history = show_history;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a pager that was left */

    printf("Connected to %s version %s\n", client_address(s->client), s->server_version);
    printf("SiltDB shell version: %s\n", SILT_VERSION);
    if (read_rc)
        read_rc_file(&person);
    while (!s->quit) {
        if (!read_statement(&person, &text)) {
            putchar('\n');
            break;
        }
        remember(&person, words_view(&text));
        run(&person, words_view(&text));
    }
    edit_destroy(person.edit);
    completer_destroy(person.completer);
    pager_destroy(s->pager);
    silt_buffer_free(&history_path);
    silt_buffer_free(&text);
    return 0;
}
