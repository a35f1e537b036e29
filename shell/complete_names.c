/*
 * complete_names.c - asks SHOW statements for what fits, at most CHOICES_MAX of it; a server that is slow or says no
 * gives no choices.
 */
#include "shell/complete_names.h"

#include "shell/complete.h"
#include "shell/words.h"

#include <ctype.h>
#include <stdlib.h>

#define CHOICES_MAX 2000

struct completer {
    struct session *session;
    struct complete_place place;
    char **words;
    size_t count, capacity;
    size_t column; /* of the answer's rows, in which the names are */
    char quote;    /* how names are quoted: ' always, " when needed */
};

struct completer *completer_create(struct session *session)
{
    struct completer *completer = silt_calloc(1, sizeof *completer);
    completer->session = session;
    return completer;
}

static void forget(struct completer *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->words[i]);
    c->count = 0;
}

void completer_destroy(struct completer *completer)
{
    if (!completer)
        return;
    forget(completer);
    free(completer->words);
    free(completer);
}

static void add(struct completer *c, char *word)
{
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? c->capacity * 2 : 64;
        c->words = silt_realloc(c->words, c->capacity * sizeof *c->words);
    }
    c->words[c->count++] = word;
}

static void add_keyword(struct completer *c, struct silt_str word, const char *end)
{
    if (!words_starts_fold(word, c->place.prefix))
        return;
    struct silt_buffer text = {0};
    for (size_t i = 0; i < word.len; i++)
        silt_buffer_char(&text, c->place.upper ? (char)toupper((unsigned char)word.p[i]) : word.p[i]);
    silt_buffer_str(&text, silt_str_from(end));
    silt_buffer_char(&text, 0);
    add(c, text.p);
}

static void add_name(struct completer *c, struct silt_str name)
{
    struct silt_str prefix = c->place.prefix;
    if (name.len < prefix.len || memcmp(name.p, prefix.p, prefix.len) != 0 || c->count >= CHOICES_MAX)
        return;
    struct silt_buffer text = {0};
    if (c->quote == '\'')
        words_quote_string(&text, name);
    else if (c->place.quote == '"' || complete_needs_quotes(name))
        words_quote_identifier(&text, name);
    else
        silt_buffer_str(&text, name);
    silt_buffer_char(&text, 0);
    add(c, text.p);
}

static void take_row(void *context, const struct cell *cells, size_t count)
{
    struct completer *c = context;
    if (count > c->column)
        add_name(c, cells[c->column].text);
}

static struct silt_str database_of(const struct completer *c)
{
    return c->place.database.len ? c->place.database : words_view(&c->session->database);
}

static void ask(struct completer *c, const char *statement, bool on_database, bool from_measurement, const char *tag,
                size_t column)
{
    static const struct answer_events events = {.row = take_row};
    struct silt_buffer text = {0};
    struct silt_str database = database_of(c);
    if (on_database && !database.len)
        return;
    silt_buffer_str(&text, silt_str_from(statement));
    if (on_database) {
        silt_buffer_str(&text, SILT_STR(" ON "));
        words_quote_identifier(&text, database);
    }
    if (from_measurement && c->place.measurement.len) {
        silt_buffer_str(&text, SILT_STR(" FROM "));
        words_quote_identifier(&text, c->place.measurement);
    }
    if (tag) {
        silt_buffer_str(&text, SILT_STR(" WITH KEY = "));
        words_quote_identifier(&text, c->place.tag);
        silt_buffer_str(&text, SILT_STR(" LIMIT 10000"));
    }
    c->column = column;
    (void)session_ask(c->session, words_view(&text), database, &events, c); /* no answer, no choices */
    silt_buffer_free(&text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct completer *c)
{
    if (c->count)
        qsort(c->words, c->count, sizeof *c->words, by_text);
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (kept && strcmp(c->words[kept - 1], c->words[i]) == 0)
            free(c->words[i]);
        else
            c->words[kept++] = c->words[i];
    }
    c->count = kept;
}

void completer_find(struct completer *c, struct silt_str text, size_t cursor, struct edit_choices *choices)
{
    forget(c);
    complete_find(text, cursor, &c->place);
    unsigned kinds = c->place.kinds;
    struct silt_str rest = silt_str_from(kinds & COMPLETE_WORDS ? c->place.words : "");
    for (struct silt_str word; (word = words_next(&rest)).len;)
        add_keyword(c, word, "");
    for (size_t i = 0; kinds & COMPLETE_FUNCTIONS && complete_functions[i]; i++)
        add_keyword(c, silt_str_from(complete_functions[i]), "(");
    c->quote = kinds & COMPLETE_TAG_VALUES ? '\'' : '"';
    c->session->patience_ms = 3000;
    if (kinds & COMPLETE_DATABASES)
        ask(c, "SHOW DATABASES", false, false, NULL, 0);
    if (kinds & COMPLETE_POLICIES)
        ask(c, "SHOW RETENTION POLICIES", true, false, NULL, 0);
    if (kinds & COMPLETE_MEASUREMENTS)
        ask(c, "SHOW MEASUREMENTS", true, false, NULL, 0);
    if (kinds & COMPLETE_FIELDS)
        ask(c, "SHOW FIELD KEYS", true, true, NULL, 0);
    if (kinds & COMPLETE_TAGS)
        ask(c, "SHOW TAG KEYS", true, true, NULL, 0);
    if (kinds & COMPLETE_TAG_VALUES)
        ask(c, "SHOW TAG VALUES", true, true, "", 1);
    c->session->patience_ms = 0;
    sort(c);
    choices->words = c->words;
    choices->count = c->count;
    choices->typed = c->place.prefix.len + (c->place.quote ? 1 : 0);
}
