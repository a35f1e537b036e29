/*
 * main.c - silt, the shell: reads what was asked for, connects, and hands on to one way of working.
 */
#include "shell/backup.h"
#include "shell/command.h"
#include "shell/edit.h"
#include "shell/export.h"
#include "shell/import.h"
#include "shell/interactive.h"
#include "shell/migrate.h"
#include "shell/words.h"
#include "silt/version.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

/* Every line of -execute is a command or statements, as if it had been typed. */
static int run_execute(struct session *s, const char *text)
{
    while (*text && !s->quit) {
        size_t len = strcspn(text, "\n");
        enum command_outcome outcome = command_run(s, (struct silt_str){text, len});
        if (outcome != COMMAND_DONE) {
            fflush(stdout);
            fprintf(stderr, "%.*s\n",
                    SILT_FMT(outcome == COMMAND_BLANK ? SILT_STR("empty input") : words_view(&s->failure)));
            return 1;
        }
        text += len;
        if (*text && *++text == 0) { /* a line of its own that is empty */
            fputs("empty input\n", stderr);
            return 1;
        }
    }
    return 0;
}

static int run_script(struct session *s)
{
    if (command_script(s, stdin) != COMMAND_FAILED)
        return 0;
    fflush(stdout);
    fprintf(stderr, "%.*s\n", SILT_FMT(words_view(&s->failure)));
    return 1;
}

static char *ask_password(struct options *options)
{
    if (!options->password_given || *options->password)
        return NULL;
    char *password = edit_ask("password: ", true);
    if (password)
        options->password = password;
    return password;
}

static int connect_and_run(struct options *options)
{
    struct session session;
    struct silt_error err;
    int status = 1;
    session_init(&session, options);
    session.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (!printer_find(words_view(&session.format)))
        fprintf(stderr, "unknown format \"%s\"; formats: column, csv, json, table, vertical, line\n", options->format);
    else if (session_connect(&session, &err) != SILT_OK)
        fprintf(stderr,
                "Failed to connect to %s: %s\nPlease check your connection settings and ensure 'siltd' is running.\n",
                client_address(session.client), err.text);
    else {
        struct silt_buffer precision = {0};
        silt_buffer_printf(&precision, "precision %s", options->precision);
        (void)command_run(&session, words_view(&precision)); /* checks it, and says so */
        silt_buffer_free(&precision);
        bool person = isatty(STDIN_FILENO);
        session.terminal = person && isatty(STDOUT_FILENO);
        const char *subcommand = options->operand_count ? options->operands[0] : "";
        if (options->import || strcmp(subcommand, "import") == 0)
            status = import_run(&session, options, options->import ? options->path : options->operands[1]);
        else if (strcmp(subcommand, "export") == 0)
            status = export_run(&session, options, options->operands[1]);
        else if (strcmp(subcommand, "migrate") == 0)
            status = migrate_run(&session, options, options->operands[1]);
        else if (strcmp(subcommand, "backup") == 0)
            status = backup_run(&session, options, options->operands[1]);
        else if (*options->execute)
            status = run_execute(&session, options->execute);
        else if (!person)
            status = run_script(&session);
        else {
            if (session.terminal && !options->format_given)
                session_set(&session.format, SILT_STR("table"));
            status = interactive_run(&session, !options->no_rc);
        }
    }
    session_deinit(&session);
    if (fflush(stdout) != 0 && status == 0) {
        perror("silt: standard output");
        status = 1;
    }
    return status;
}

static const char hint[] = "silt -h lists flags and subcommands\n"; /* not all of them, under which the fault would be lost */

/* A subcommand with what it works on, or nothing. */
static bool check_operands(const struct options *o)
{
    static const char *const subcommands[] = {"import", "export", "migrate", "backup"};
    bool known = false;
    for (size_t i = 0; o->operand_count && i < sizeof subcommands / sizeof *subcommands; i++)
        known = known || strcmp(o->operands[0], subcommands[i]) == 0;
    if (o->operand_count && !known)
        fprintf(stderr, "unknown arguments: %s\n", o->operands[0]);
    else if (known && o->operand_count != 2)
        fprintf(stderr, "%s needs one argument\n", o->operands[0]);
    else if (o->import && !*o->path)
        fputs("ERROR: file argument required\n", stderr);
    else
        return true;
    return false;
}

int main(int argc, char **argv)
{
    struct options options;
    struct silt_error err;
    setlocale(LC_CTYPE, "");
    if (options_parse(&options, argc, argv, &err) != SILT_OK) {
        fprintf(stderr, "%s\n%s", err.text, hint);
        return 2;
    }
    if (options.help) {
        fputs(options_usage, stdout);
        return 0;
    }
    if (options.version) {
        printf("SiltDB shell version: %s\n", SILT_VERSION);
        return 0;
    }
    if (!check_operands(&options)) {
        fputs(hint, stderr);
        return 1;
    }
    if (options_complete(&options, &err) != SILT_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (options.password_given && !*options.password && !isatty(STDIN_FILENO)) {
        fputs("unable to prompt for a password with no TTY\n", stderr);
        return 1;
    }
    char *password = ask_password(&options);
    client_setup();
    int status = connect_and_run(&options);
    client_teardown();
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return status;
}
