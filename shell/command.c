/*
 * command.c - the commands of the `influx` shell, to the letter of what they print, and ours beside them.
 */
#include "shell/command.h"

#include "shell/chart_command.h"
#include "shell/describe.h"
#include "shell/pager.h"
#include "shell/words.h"

#include <stdlib.h>

typedef enum command_outcome (*command_fn)(struct session *session, struct silt_str text);

/* Everything after the command's own word. */
static struct silt_str arguments(struct silt_str text)
{
    (void)words_next(&text);
    return words_trim(text);
}

static struct silt_str without_semicolon(struct silt_str text)
{
    text = words_trim(text);
    if (text.len && text.p[text.len - 1] == ';')
        text.len--;
    return text;
}

static void print_quoted(FILE *out, const char *before, struct silt_str text, const char *after)
{
    struct silt_buffer quoted = {0};
    words_quote_go(&quoted, text);
    fprintf(out, "%s%.*s%s\n", before, SILT_FMT(words_view(&quoted)), after);
    silt_buffer_free(&quoted);
}

static enum command_outcome failed(struct session *s, const char *text)
{
    session_set(&s->failure, silt_str_from(text));
    fprintf(s->out, "ERR: %s\n", text);
    return COMMAND_FAILED;
}

/* ---------------------------------------------------------------- settings of the session */

static bool is_one_of(struct silt_str text, const char *const *names)
{
    for (; *names; names++)
        if (silt_str_equal(text, silt_str_from(*names)))
            return true;
    return false;
}

/* The lower-case argument into a member, or the complaint. `empty` is stored as "". */
static void choose(struct session *s, struct silt_str text, struct silt_buffer *member, const char *const *names,
                   const char *empty, const char *unknown, const char *hint)
{
    struct silt_buffer argument = {0};
    words_lower(&argument, without_semicolon(arguments(text)));
    struct silt_str value = words_view(&argument);
    if (is_one_of(value, names))
        session_set(member, empty && silt_str_equal(value, silt_str_from(empty)) ? SILT_STR("") : value);
    else
        print_quoted(s->out, unknown, value, hint);
    silt_buffer_free(&argument);
}

static enum command_outcome set_precision(struct session *s, struct silt_str text)
{
    static const char *const names[] = {"rfc3339", "h", "m", "s", "ms", "u", "ns", NULL};
    choose(s, text, &s->precision, names, "rfc3339", "Unknown precision ",
           ". Please use rfc3339, h, m, s, ms, u or ns.");
    return COMMAND_DONE;
}

static enum command_outcome set_format(struct session *s, struct silt_str text)
{
    static const char *const names[] = {"json", "csv", "column", "table", "vertical", "line", NULL};
    choose(s, text, &s->format, names, NULL, "Unknown format ",
           ". Please use json, csv, column, table, vertical or line.");
    return COMMAND_DONE;
}

static enum command_outcome set_consistency(struct session *s, struct silt_str text)
{
    static const char *const names[] = {"any", "one", "quorum", "all", NULL};
    choose(s, text, &s->consistency, names, NULL, "Unknown consistency level ",
           ". Please use any, one, quorum, or all.");
    return COMMAND_DONE;
}

static enum command_outcome toggle_pretty(struct session *s, struct silt_str text)
{
    s->pretty = !s->pretty;
    fputs(s->pretty ? "Pretty print enabled\n" : "Pretty print disabled\n", s->out);
    return COMMAND_DONE;
}

static enum command_outcome toggle_chunked(struct session *s, struct silt_str text)
{
    s->chunked = !s->chunked; /* the texts as that shell spells them */
    fputs(s->chunked ? "chunked responses enabled\n" : "chunked reponses disabled\n", s->out);
    return COMMAND_DONE;
}

static enum command_outcome toggle_timing(struct session *s, struct silt_str text)
{
    s->timing = !s->timing;
    fputs(s->timing ? "timing enabled\n" : "timing disabled\n", s->out);
    return COMMAND_DONE;
}

static enum command_outcome set_chunk_size(struct session *s, struct silt_str text)
{
    struct silt_buffer joined = {0};
    for (struct silt_str rest = text, word; (word = words_next(&rest)).len;) {
        if (joined.len)
            silt_buffer_char(&joined, ' ');
        words_lower(&joined, word);
    }
    struct silt_str argument = words_view(&joined);
    for (int i = 0; i < 2; i++) {
        struct silt_str prefix = i == 0 ? SILT_STR("chunk size ") : SILT_STR("chunk ");
        if (words_starts_fold(argument, prefix))
            argument.p += prefix.len, argument.len -= prefix.len;
    }
    int64_t size;
    struct silt_str digits = argument;
    if (digits.len > 1 && digits.p[0] == '+')
        digits.p++, digits.len--;
    if (silt_parse_int(digits.p, digits.len, &size, NULL)) {
        s->chunk_size = size > 0 ? size : 0;
        fprintf(s->out, "chunk size set to %lld\n", (long long)s->chunk_size);
    } else {
        print_quoted(s->out, "unable to parse chunk size from ", argument, "");
    }
    silt_buffer_free(&joined);
    return COMMAND_DONE;
}

static enum command_outcome set_node(struct session *s, struct silt_str text)
{
    struct silt_str rest = without_semicolon(text);
    (void)words_next(&rest);
    struct silt_str argument = words_next(&rest);
    int64_t node = 0;
    if (!argument.len || words_trim(rest).len)
        fputs("Improper number of arguments for 'node' command, requires exactly one.\n", s->out);
    else if (silt_str_equal(argument, SILT_STR("clear")))
        s->node = 0;
    else if (silt_parse_int(argument.p, argument.len, &node, NULL))
        s->node = node;
    else
        fprintf(s->out, "Unable to parse node id from %.*s. Must be an integer or 'clear'.\n", SILT_FMT(argument));
    return COMMAND_DONE;
}

static enum command_outcome show_settings(struct session *s, struct silt_str text)
{
    struct silt_buffer host = {0};
    silt_buffer_printf(&host, s->port ? "%s:%u" : "%s", s->host.p, s->port);
    silt_buffer_char(&host, 0);
    char chunk_size[24];
    snprintf(chunk_size, sizeof chunk_size, "%lld", (long long)s->chunk_size);
    const char *rows[][2] = {
        {"Setting", "Value"},
        {"--------", "--------"},
        {"Host", s->socket.len ? s->socket.p : host.p},
        {"Username", s->username.p},
        {"Database", s->database.p},
        {"RetentionPolicy", s->policy.p},
        {"Pretty", s->pretty ? "true" : "false"},
        {"Format", s->format.p},
        {"Write Consistency", s->consistency.p},
        {"Chunked", s->chunked ? "true" : "false"},
        {"Chunk Size", chunk_size},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(s->out, "%-18s%s\n", rows[i][0], rows[i][1]);
    putc('\n', s->out);
    silt_buffer_free(&host);
    return COMMAND_DONE;
}

static enum command_outcome clear_context(struct session *s, struct silt_str text)
{
    struct silt_buffer argument = {0};
    words_lower(&argument, arguments(without_semicolon(text)));
    struct silt_str what = words_view(&argument);
    if (is_one_of(what, (const char *const[]){"database", "db", NULL})) {
        session_set(&s->database, SILT_STR(""));
        fputs("database context cleared\n", s->out);
    } else if (is_one_of(what, (const char *const[]){"retention policy", "rp", NULL})) {
        session_set(&s->policy, SILT_STR(""));
        fputs("retention policy context cleared\n", s->out);
    } else {
        if (what.len)
            print_quoted(s->out, "invalid command ", what, ".");
        fputs("Possible commands for 'clear' are:\n"
              "    # Clear the database context\n"
              "    clear database\n"
              "    clear db\n"
              "\n"
              "    # Clear the retention policy context\n"
              "    clear retention policy\n"
              "    clear rp\n"
              "\t\t\n",
              s->out);
    }
    silt_buffer_free(&argument);
    return COMMAND_DONE;
}

/* ---------------------------------------------------------------- where and who */

static enum command_outcome connect_to(struct session *s, struct silt_str text)
{
    struct silt_buffer address = {0};
    struct silt_error err;
    words_lower(&address, without_semicolon(arguments(text)));
    struct silt_str host = words_view(&address);
    if (host.len) {
        const char *colon = memrchr(host.p, ':', host.len);
        int64_t port = 8086;
        bool bracketed = host.p[0] == '[';
        if (colon && (bracketed ? colon[-1] == ']' : memchr(host.p, ':', host.len) == colon)) {
            size_t len = (size_t)(colon - host.p);
            if (!silt_parse_int(colon + 1, host.len - len - 1, &port, NULL) || port < 0 || port > 65535) {
                silt_buffer_free(&address);
                return failed(s, "invalid port number");
            }
            host.len = len;
        }
        if (bracketed && host.len > 2)
            host.p++, host.len -= 2;
        session_set(&s->host, host.len ? host : SILT_STR("localhost"));
        session_set(&s->socket, SILT_STR(""));
        s->port = (unsigned)port;
    }
    silt_buffer_free(&address);
    if (session_connect(s, &err) != SILT_OK) {
        char line[700];
        snprintf(line, sizeof line, "Failed to connect to %s: %s", client_address(s->client), err.text);
        return failed(s, line);
    }
    return COMMAND_DONE;
}

static enum command_outcome authenticate(struct session *s, struct silt_str text)
{
    struct silt_str rest = arguments(text), username = words_next(&rest), password = words_next(&rest);
    if (username.len && password.len && !words_trim(rest).len) {
        session_set(&s->username, username);
        session_set(&s->password, password);
    } else {
        char *name = s->ask ? s->ask(s->context, "username: ", false) : NULL;
        char *secret = name ? s->ask(s->context, "password: ", true) : NULL;
        if (!secret) {
            free(name);
            fputs("Unable to process input: nobody to ask\n", s->out);
            return COMMAND_DONE;
        }
        session_set(&s->username, words_trim(silt_str_from(name)));
        session_set(&s->password, silt_str_from(secret));
        explicit_bzero(secret, strlen(secret));
        free(secret);
        free(name);
    }
    struct silt_error err;
    return session_connect(s, &err) == SILT_OK ? COMMAND_DONE : failed(s, err.text);
}

/* ---------------------------------------------------------------- use */

struct search {
    struct silt_str wanted;
    bool found;
};

static void look_at_row(void *context, const struct cell *cells, size_t count)
{
    struct search *search = context;
    if (count && silt_str_equal(cells[0].text, search->wanted))
        search->found = true;
}

/* Whether the first column of the answer has the name. An error of the server's counts as yes for a user who may not
 * look. */
static bool answer_has(struct session *s, struct silt_str statement, struct silt_str wanted, bool *shown)
{
    static const struct answer_events events = {.row = look_at_row};
    struct search search = {.wanted = wanted};
    *shown = false;
    if (session_ask(s, statement, SILT_STR(""), &events, &search))
        return search.found;
    fprintf(s->out, "%s: %.*s\n", s->username.len ? "WARN" : "ERR", SILT_FMT(words_view(&s->failure)));
    *shown = true;
    return s->username.len > 0;
}

static void use_policy(struct session *s, struct silt_str database, struct silt_str policy)
{
    struct silt_buffer statement = {0};
    bool shown;
    silt_buffer_str(&statement, SILT_STR("SHOW RETENTION POLICIES ON "));
    words_quote_identifier(&statement, database);
    if (answer_has(s, words_view(&statement), policy, &shown)) {
        session_set(&s->policy, policy);
        fprintf(s->out, "Using retention policy %.*s\n", SILT_FMT(policy));
    } else if (!shown) {
        struct silt_buffer before = {0};
        silt_buffer_printf(&before, "ERR: RETENTION POLICY %.*s doesn't exist. Run SHOW RETENTION POLICIES ON ",
                           SILT_FMT(policy));
        silt_buffer_char(&before, 0);
        print_quoted(s->out, before.p, database, " for a list of existing retention polices.");
        silt_buffer_free(&before);
    }
    silt_buffer_free(&statement);
}

static enum command_outcome use(struct session *s, struct silt_str text)
{
    struct silt_buffer database = {0}, policy = {0};
    struct silt_str argument = arguments(without_semicolon(text));
    bool shown = false;
    if (!argument.len) {
        print_quoted(s->out, "Could not parse database name from ", text, ".");
        return COMMAND_DONE;
    }
    if (!words_database_policy(argument, &database, &policy)) {
        fprintf(s->out, "Unable to parse database or retention policy from %.*s\n", SILT_FMT(argument));
    } else if (!answer_has(s, SILT_STR("SHOW DATABASES"), words_view(&database), &shown)) {
        if (!shown)
            fprintf(s->out, "ERR: Database %.*s doesn't exist. Run SHOW DATABASES for a list of existing databases.\n",
                    SILT_FMT(words_view(&database)));
        fputs("DB does not exist!\n", s->out);
    } else {
        session_set(&s->database, words_view(&database));
        fprintf(s->out, "Using database %s\n", s->database.p);
        if (policy.len)
            use_policy(s, words_view(&s->database), words_view(&policy));
    }
    silt_buffer_free(&database);
    silt_buffer_free(&policy);
    return COMMAND_DONE;
}

/* ---------------------------------------------------------------- insert */

static enum command_outcome insert(struct session *s, struct silt_str text)
{
    struct silt_str database = words_view(&s->database), policy = words_view(&s->policy), point = text;
    (void)words_identifier(&point); /* insert */
    struct silt_str after = point;
    if (words_equal_fold(words_identifier(&after), SILT_STR("into"))) {
        point = after;
        struct silt_str name = words_identifier(&point);
        if (point.len && point.p[0] == '.') {
            database = name;
            point.p++, point.len--;
            name = words_identifier(&point);
        }
        if (point.len && point.p[0] == ' ') {
            policy = name;
            point.p++, point.len--;
        }
    }
    struct silt_buffer line = {0};
    silt_buffer_str(&line, point);
    silt_buffer_char(&line, '\n');
    if (!session_write(s, database, policy, words_view(&line))) {
        fprintf(s->out, "ERR: %.*s\n", SILT_FMT(words_view(&s->failure)));
        if (!s->database.len)
            fputs("Note: error may be due to not setting a database or retention policy.\n"
                  "Please set a database with the command \"use <database>\" or\n"
                  "INSERT INTO <database>.<retention-policy> <point>\n",
                  s->out);
    }
    silt_buffer_free(&line);
    return COMMAND_DONE;
}

/* ---------------------------------------------------------------- looking around */

static enum command_outcome describe_name(struct session *s, struct silt_str text)
{
    struct silt_str name = arguments(without_semicolon(text));
    if (name.len > 1 && name.p[0] == '"') {
        struct silt_str rest = name;
        name = words_identifier(&rest);
    }
    if (describe(s, name))
        return COMMAND_DONE;
    fprintf(s->out, "ERR: %.*s\n", SILT_FMT(words_view(&s->failure)));
    return COMMAND_FAILED;
}

static enum command_outcome chart(struct session *s, struct silt_str text)
{
    struct silt_str statement = arguments(text);
    if (!statement.len)
        return failed(s, "chart needs a SELECT statement");
    return chart_command(s, statement, s->height) ? COMMAND_DONE : COMMAND_FAILED;
}

static enum command_outcome set_pager(struct session *s, struct silt_str text)
{
    struct silt_str argument = arguments(without_semicolon(text));
    if (!s->pager) {
        fputs("there is no pager\n", s->out);
        return COMMAND_DONE;
    }
    pager_switch(s->pager, argument.len ? words_equal_fold(argument, SILT_STR("on")) : !pager_is_on(s->pager));
    fputs(pager_is_on(s->pager) ? "pager enabled\n" : "pager disabled\n", s->out);
    return COMMAND_DONE;
}

/* ---------------------------------------------------------------- help and the way out */

static enum command_outcome help(struct session *s, struct silt_str text)
{
    fputs("Usage:\n"
          "        connect <host:port>   connects to another node specified by host:port\n"
          "        auth                  prompts for username and password\n"
          "        pretty                toggles pretty print for the json format\n"
          "        chunked               turns on chunked responses from server\n"
          "        chunk size <size>     sets the size of the chunked responses.  Set to 0 to reset to the default "
          "chunked size\n"
          "        use <db_name>[.<rp>]  sets current database\n"
          "        insert [into <rp>] <point>  writes a point of line protocol\n"
          "        format <format>       specifies how answers are shown: column, csv, json, table, vertical or line\n"
          "        precision <format>    specifies the format of the timestamp: rfc3339, h, m, s, ms, u or ns\n"
          "        consistency <level>   sets write consistency level: any, one, quorum, or all\n"
          "        chart select ...      draws the numbers of an answer over time\n"
          "        describe [<name>]     shows what a database or a measurement is made of\n"
          "        pager [on|off]        toggles showing long answers in a pager\n"
          "        timing                toggles showing how long each statement took\n"
          "        history               displays command history\n"
          "        settings              outputs the current settings for the shell\n"
          "        clear                 clears settings such as database or retention policy.  run 'clear' for help\n"
          "        exit/quit/ctrl+d      quits the shell\n"
          "\n"
          "        show databases        show database names\n"
          "        show series           show series information\n"
          "        show measurements     show measurement information\n"
          "        show tag keys         show tag key information\n"
          "        show field keys       show field key information\n",
          s->out);
    return COMMAND_DONE;
}

static enum command_outcome history(struct session *s, struct silt_str text)
{
    if (s->show_history)
        s->show_history(s->context, s->out);
    return COMMAND_DONE;
}

static enum command_outcome quit(struct session *s, struct silt_str text)
{
    s->quit = true;
    return COMMAND_DONE;
}

/* ---------------------------------------------------------------- the table */

static const struct {
    const char *name;
    command_fn run;
} commands[] = {
    {"auth", authenticate},
    {"chart", chart},
    {"chunk", set_chunk_size},
    {"chunked", toggle_chunked},
    {"clear", clear_context},
    {"connect", connect_to},
    {"consistency", set_consistency},
    {"describe", describe_name},
    {"exit", quit},
    {"format", set_format},
    {"help", help},
    {"history", history},
    {"insert", insert},
    {"node", set_node},
    {"pager", set_pager},
    {"precision", set_precision},
    {"pretty", toggle_pretty},
    {"quit", quit},
    {"settings", show_settings},
    {"timing", toggle_timing},
    {"use", use},
};

static command_fn find(struct silt_str text)
{
    struct silt_str word = words_next(&text);
    if (word.len && word.p[word.len - 1] == ';' && !words_trim(text).len)
        word.len--;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (words_equal_fold(word, silt_str_from(commands[i].name)))
            return commands[i].run;
    return NULL;
}

bool command_is_own(struct silt_str text)
{
    return find(text) != NULL;
}

bool command_goes_on(struct silt_str text)
{
    command_fn run = find(text);
    return !run || run == chart;
}

enum command_outcome command_run(struct session *s, struct silt_str text)
{
    if (!words_trim(text).len)
        return COMMAND_BLANK;
    command_fn run = find(text);
    if (run)
        return run(s, text);
    return session_query(s, text) ? COMMAND_DONE : COMMAND_FAILED;
}
