/*
 * migrate_users.c - users with their privileges; their passwords cannot be read, so they get new ones.
 *
 *     -users ask       each is asked for (at a terminal the default)
 *     -users random    each is shown once, on standard output
 *     -users none      no users
 *     -users FILE      lines of NAME:PASSWORD, mode 0600
 *
 * A user whom the target has keeps the password there. A random password is shown before its user is made: a kill in
 * between leaves a password without a user, never the other way.
 */
#include "shell/migrate_internal.h"

#include "shell/edit.h"
#include "shell/words.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM_LETTERS 24 /* of 32: 120 bits */

struct user {
    struct silt_str name;
    bool admin;
};

struct users {
    struct silt_arena *arena;
    struct user *items;
    size_t count;
};

static void take_user(void *context, const struct cell *cells, size_t count)
{
    struct users *u = context;
    if (count < 2)
        return;
    u->items = silt_realloc(u->items, (u->count + 1) * sizeof *u->items);
    u->items[u->count++] =
        (struct user){silt_arena_str(u->arena, cells[0].text), silt_str_equal(cells[1].text, SILT_STR("true"))};
}

static const struct user *find_user(const struct users *users, struct silt_str name)
{
    for (size_t i = 0; i < users->count; i++)
        if (silt_str_equal(users->items[i].name, name))
            return &users->items[i];
    return NULL;
}

static bool show_users(struct migrate *m, struct session *at, struct users *users)
{
    static const struct answer_events events = {.row = take_user};
    *users = (struct users){.arena = m->arena};
    if (session_ask(at, SILT_STR("SHOW USERS"), SILT_STR(""), &events, users))
        return true;
    migrate_stop(m, "%s, SHOW USERS: %.*s (-users none leaves them out)", client_address(at->client),
                 SILT_FMT(words_view(&at->failure)));
    return false;
}

static const char *way(const struct migrate *m)
{
    if (*m->options->users)
        return m->options->users;
    return *m->options->database ? "none" : "ask"; /* one database is not the whole server */
}

/* ---------------------------------------------------------------- passwords */

/* The password of a line NAME:PASSWORD; NULL: there is none. The caller frees. */
static char *password_in_file(const char *path, struct silt_str name, struct silt_error *err)
{
    struct stat facts;
    char *password = NULL, *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "re");
    if (!file || fstat(fileno(file), &facts) != 0) {
        (void)silt_fail_errno(err, errno, "%s", path);
        if (file)
            fclose(file);
        return NULL;
    }
    (void)silt_fail(err, SILT_NOT_FOUND, "%s has no line \"%.*s:PASSWORD\"", path, SILT_FMT(name));
    if (facts.st_mode & 077) {
        (void)silt_fail(err, SILT_INVALID, "%s can be read by others; run: chmod 600 %s", path, path);
        fclose(file);
        return NULL;
    }
    for (ssize_t len; !password && (len = getline(&line, &capacity, file)) > 0;) {
        size_t end = (size_t)len - (line[len - 1] == '\n');
        if (end > name.len + 1 && line[name.len] == ':' && memcmp(line, name.p, name.len) == 0)
            password = silt_strdup((struct silt_str){line + name.len + 1, end - name.len - 1});
    }
    if (line)
        explicit_bzero(line, capacity);
    free(line);
    fclose(file);
    return password;
}

static char *ask_twice(struct silt_str name)
{
    struct silt_buffer prompt = {0};
    silt_buffer_printf(&prompt, "new password of %.*s: ", SILT_FMT(name));
    silt_buffer_char(&prompt, 0);
    char *first = NULL, *second = NULL;
    for (bool same = false; !same;) {
        free(first);
        free(second);
        first = edit_ask(prompt.p, true);
        second = first && *first ? edit_ask("again: ", true) : NULL;
        if (!second)
            break;
        same = strcmp(first, second) == 0;
        if (!same)
            fputs("these two differ\n", stderr);
    }
    if (!second) {
        free(first);
        first = NULL;
    }
    free(second);
    silt_buffer_free(&prompt);
    return first;
}

static char *random_password(void)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* without l, o, 0 and 1 */
    _Static_assert(sizeof letters == 33, "a letter is five bits");
    unsigned char bytes[RANDOM_LETTERS];
    char *password = silt_calloc(1, RANDOM_LETTERS + 1);
    silt_assert(getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    for (size_t i = 0; i < RANDOM_LETTERS; i++)
        password[i] = letters[bytes[i] & 31];
    return password;
}

static char *new_password(struct migrate *m, struct silt_str name)
{
    struct silt_error err;
    if (strcmp(way(m), "random") == 0) {
        char *password = random_password();
        printf("user %.*s: password %s\n", SILT_FMT(name), password);
        fflush(stdout);
        return password;
    }
    if (strcmp(way(m), "ask") == 0) {
        char *password = ask_twice(name);
        if (!password)
            migrate_stop(m, "no password for user %.*s", SILT_FMT(name));
        return password;
    }
    char *password = password_in_file(way(m), name, &err);
    if (!password)
        migrate_stop(m, "%s", err.text);
    return password;
}

static void forget(char *password)
{
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
}

bool migrate_check_users(struct migrate *m)
{
    struct users here, there = {0};
    struct silt_error err;
    bool asks = strcmp(way(m), "ask") == 0, ok;
    if (strcmp(way(m), "none") == 0)
        return true;
    ok = show_users(m, &m->source, &here) && show_users(m, m->target, &there);
    for (size_t i = 0; ok && i < here.count; i++) {
        if (find_user(&there, here.items[i].name))
            continue;
        if (asks && !isatty(STDIN_FILENO)) {
            migrate_stop(m,
                         "there are users, whose passwords cannot be copied, and no terminal to ask for new ones: say "
                         "-users FILE, -users random or -users none");
            ok = false;
        } else if (!asks && strcmp(way(m), "random") != 0) {
            char *password = password_in_file(way(m), here.items[i].name, &err);
            ok = password != NULL;
            if (!ok)
                migrate_stop(m, "%s", err.text);
            forget(password);
        }
    }
    free(here.items);
    free(there.items);
    return ok;
}

/* ---------------------------------------------------------------- users and privileges */

static bool make_user(struct migrate *m, const struct user *user)
{
    static const struct answer_events events = {0};
    char *password = new_password(m, user->name);
    struct silt_buffer text = {0};
    if (!password)
        return false;
    silt_buffer_str(&text, SILT_STR("CREATE USER "));
    words_quote_identifier(&text, user->name);
    silt_buffer_str(&text, SILT_STR(" WITH PASSWORD "));
    words_quote_string(&text, silt_str_from(password));
    if (user->admin)
        silt_buffer_str(&text, SILT_STR(" WITH ALL PRIVILEGES"));
    forget(password);
    bool ok = session_ask(m->target, words_view(&text), SILT_STR(""), &events, NULL);
    if (!ok) /* without the statement, which has the password */
        migrate_stop(m, "user %.*s cannot be made: %.*s", SILT_FMT(user->name),
                     SILT_FMT(words_view(&m->target->failure)));
    explicit_bzero(text.p, text.len);
    silt_buffer_free(&text);
    return ok;
}

struct grants {
    struct migrate *migrate;
    struct silt_str user;
    struct silt_buffer statements; /* each ended by \0 */
};

static void take_grant(void *context, const struct cell *cells, size_t count)
{
    struct grants *g = context;
    const struct migrate *m = g->migrate;
    bool known = false;
    for (size_t i = 0; count > 1 && i < m->database_count; i++)
        known = known || silt_str_equal(m->databases[i], cells[0].text);
    if (!known || silt_str_equal(cells[1].text, SILT_STR("NO PRIVILEGES")))
        return;
    silt_buffer_printf(&g->statements, "GRANT %.*s ON ",
                       silt_str_equal(cells[1].text, SILT_STR("ALL PRIVILEGES")) ? 3 : (int)cells[1].text.len,
                       cells[1].text.p);
    words_quote_identifier(&g->statements, cells[0].text);
    silt_buffer_str(&g->statements, SILT_STR(" TO "));
    words_quote_identifier(&g->statements, g->user);
    silt_buffer_char(&g->statements, 0);
}

static bool grant(struct migrate *m, struct silt_str user)
{
    static const struct answer_events events = {.row = take_grant};
    struct grants g = {.migrate = m, .user = user};
    struct silt_buffer text = {0};
    silt_buffer_str(&text, SILT_STR("SHOW GRANTS FOR "));
    words_quote_identifier(&text, user);
    bool ok = session_ask(&m->source, words_view(&text), SILT_STR(""), &events, &g);
    if (!ok)
        migrate_stop(m, "%s, SHOW GRANTS: %.*s", m->url, SILT_FMT(words_view(&m->source.failure)));
    for (size_t at = 0; ok && at < g.statements.len;) {
        struct silt_str statement = silt_str_from(g.statements.p + at);
        ok = migrate_statement(m, m->target, statement);
        at += statement.len + 1;
    }
    silt_buffer_free(&text);
    silt_buffer_free(&g.statements);
    return ok;
}

static bool make_admin(struct migrate *m, struct silt_str user)
{
    struct silt_buffer text = {0};
    silt_buffer_str(&text, SILT_STR("GRANT ALL PRIVILEGES TO "));
    words_quote_identifier(&text, user);
    bool ok = migrate_statement(m, m->target, words_view(&text));
    silt_buffer_free(&text);
    return ok;
}

bool migrate_users(struct migrate *m)
{
    struct users here, there = {0};
    if (strcmp(way(m), "none") == 0)
        return true;
    bool ok = show_users(m, &m->source, &here) && show_users(m, m->target, &there);
    /* The first user of a server that asks for passwords has to be an administrator. */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; ok && i < here.count; i++) {
            const struct user *user = &here.items[i], *other = find_user(&there, user->name);
            if (user->admin != (pass == 0))
                continue;
            ok = other ? !user->admin || other->admin || make_admin(m, user->name) : make_user(m, user);
            ok = ok && grant(m, user->name);
        }
    free(here.items);
    free(there.items);
    return ok;
}
