/*
 * complete.c - cuts the text into words and looks at the last ones before the cursor.
 */
#include "shell/complete.h"

#include "shell/words.h"

#include <ctype.h>

#define TOKENS_MAX 400

const char *const complete_functions[] = {"abs",
                                          "acos",
                                          "asin",
                                          "atan",
                                          "atan2",
                                          "bottom",
                                          "ceil",
                                          "count",
                                          "cos",
                                          "cumulative_sum",
                                          "derivative",
                                          "difference",
                                          "distinct",
                                          "elapsed",
                                          "exp",
                                          "first",
                                          "floor",
                                          "holt_winters",
                                          "integral",
                                          "last",
                                          "ln",
                                          "log",
                                          "log10",
                                          "log2",
                                          "max",
                                          "mean",
                                          "median",
                                          "min",
                                          "mode",
                                          "moving_average",
                                          "non_negative_derivative",
                                          "non_negative_difference",
                                          "percentile",
                                          "pow",
                                          "round",
                                          "sample",
                                          "sin",
                                          "spread",
                                          "sqrt",
                                          "stddev",
                                          "sum",
                                          "tan",
                                          "top",
                                          NULL};

enum token_kind { WORD, QUOTED, STRING, SIGN };

struct token {
    enum token_kind kind;
    struct silt_str text; /* without quotes */
    bool open;            /* its closing quote is not there */
};

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The last TOKENS_MAX tokens of the text; `end` tells where the last one ends. */
static size_t cut(struct silt_str text, struct token *tokens, size_t *end)
{
    size_t count = 0, at = 0;
    *end = 0;
    while (at < text.len) {
        char c = text.p[at];
        if (isspace((unsigned char)c)) {
            at++;
            continue;
        }
        struct token token = {.kind = SIGN, .text = {text.p + at, 1}};
        if (c == '"' || c == '\'') {
            size_t start = ++at;
            while (at < text.len && text.p[at] != c)
                at += text.p[at] == '\\' && at + 1 < text.len ? 2 : 1;
            token = (struct token){c == '"' ? QUOTED : STRING, {text.p + start, at - start}, at >= text.len};
            at += at < text.len;
        } else if (is_word_byte(c)) {
            size_t start = at;
            while (at < text.len && is_word_byte(text.p[at]))
                at++;
            token = (struct token){WORD, {text.p + start, at - start}, false};
        } else {
            at++;
        }
        if (count == TOKENS_MAX) {
            memmove(tokens, tokens + 1, (TOKENS_MAX - 1) * sizeof *tokens);
            count--;
        }
        tokens[count++] = token;
        *end = at;
    }
    return count;
}

static bool is_name(const struct token *token)
{
    return token->kind == WORD || token->kind == QUOTED;
}

static bool is_word(const struct token *token, const char *word)
{
    return token->kind == WORD && words_equal_fold(token->text, silt_str_from(word));
}

static bool is_sign(const struct token *token, char sign)
{
    return token->kind == SIGN && token->text.p[0] == sign;
}

/* Name, or db.rp.name, or db..name, or rp.name behind tokens[at]: the last part is the measurement. */
static void read_source(const struct token *tokens, size_t count, size_t at, struct complete_place *place)
{
    struct silt_str parts[3] = {{0}};
    size_t n = 0;
    while (at < count && n < 3) {
        if (is_name(&tokens[at]))
            parts[n] = tokens[at++].text;
        else if (!is_sign(&tokens[at], '.'))
            break;
        n++;
        if (at >= count || !is_sign(&tokens[at], '.'))
            break;
        at++;
    }
    if (n)
        place->measurement = parts[n - 1];
    if (n == 3)
        place->database = parts[0];
}

static void find_source(struct silt_str text, struct complete_place *place)
{
    struct token tokens[TOKENS_MAX];
    size_t end, count = cut(text, tokens, &end);
    for (size_t i = 0; i + 1 < count; i++) {
        if (is_word(&tokens[i], "from") && !is_sign(&tokens[i + 1], '('))
            read_source(tokens, count, i + 1, place);
        if (is_word(&tokens[i], "on") && is_name(&tokens[i + 1]) && !is_word(&tokens[0], "select"))
            place->database = tokens[i + 1].text;
    }
}

/* What follows one or two words, wherever they stand. */
static const struct {
    const char *before, *last, *next;
    unsigned kinds;
} after[] = {
    {NULL, "show",
     "continuous databases diagnostics field grants measurement measurements queries retention series shard shards "
     "stats subscriptions tag users",
     0},
    {"show", "tag", "keys values key", 0},
    {"show", "field", "keys key", 0},
    {"tag", "keys", "on from where limit", 0},
    {"field", "keys", "on from limit", 0},
    {"tag", "values", "on from with where limit", 0},
    {NULL, "measurements", "on with where limit", 0},
    {"show", "series", "on from where limit cardinality exact", 0},
    {"show", "retention", "policies", 0},
    {"show", "shard", "groups", 0},
    {"show", "continuous", "queries", 0},
    {"show", "grants", "for", 0},
    {"retention", "policies", "on", 0},
    {NULL, "with", "key measurement duration replication password", 0},
    {NULL, "create", "continuous database retention subscription user", 0},
    {NULL, "drop", "continuous database measurement retention series shard subscription user", 0},
    {"create", "retention", "policy", 0},
    {"drop", "retention", "policy", COMPLETE_POLICIES},
    {"alter", "retention", "policy", 0},
    {"create", "continuous", "query", 0},
    {"drop", "continuous", "query", 0},
    {NULL, "alter", "retention", 0},
    {"drop", "database", NULL, COMPLETE_DATABASES},
    {"drop", "measurement", NULL, COMPLETE_MEASUREMENTS},
    {"drop", "series", "from where", 0},
    {NULL, "delete", "from where", 0},
    {NULL, "kill", "query", 0},
    {NULL, "set", "password", 0},
    {NULL, "explain", "select analyze", 0},
    {NULL, "policy", NULL, COMPLETE_POLICIES},
    {NULL, "on", NULL, COMPLETE_DATABASES},
    {NULL, "from", NULL, COMPLETE_MEASUREMENTS | COMPLETE_POLICIES},
    {NULL, "into", NULL, COMPLETE_MEASUREMENTS | COMPLETE_POLICIES},
    {NULL, "group", "by", 0},
    {NULL, "order", "by", 0},
    {"group", "by", "time", COMPLETE_TAGS},
    {"order", "by", "time", 0},
    {NULL, "where", "time", COMPLETE_TAGS | COMPLETE_FIELDS},
    {NULL, "and", "time", COMPLETE_TAGS | COMPLETE_FIELDS},
    {NULL, "or", "time", COMPLETE_TAGS | COMPLETE_FIELDS},
    {NULL, "select", "distinct", COMPLETE_FIELDS | COMPLETE_TAGS | COMPLETE_FUNCTIONS},
    {NULL, "key", "in", 0},
    {NULL, "fill", NULL, 0},
    {NULL, "tz", NULL, 0},
};

/* What the shell's own commands take. */
static const struct {
    const char *command, *words;
    unsigned kinds;
} arguments[] = {
    {"use", NULL, COMPLETE_DATABASES},
    {"describe", NULL, COMPLETE_MEASUREMENTS | COMPLETE_DATABASES},
    {"format", "column csv json line table vertical", 0},
    {"precision", "h m ms ns rfc3339 s u", 0},
    {"consistency", "all any one quorum", 0},
    {"clear", "database retention", 0},
    {"chunk", "size", 0},
    {"pager", "off on", 0},
    {"insert", "into", COMPLETE_MEASUREMENTS},
    {"chart", "select", 0},
};

static const char first_words[] =
    "alter auth chart chunk chunked clear connect consistency create delete describe drop exit explain format "
    "grant help history insert kill node pager precision pretty quit revoke select set settings show "
    "timing use";
static const char clauses[] = "and asc desc fill from group into limit offset or order slimit soffset tz where with";

static void set(struct complete_place *place, unsigned kinds, const char *words)
{
    place->words = words;
    place->kinds = kinds | (words ? COMPLETE_WORDS : 0);
}

/* The list that a name or a comma continues: the clause it is in. */
static const char *clause_of(const struct token *tokens, size_t count)
{
    static const char *const begins[] = {"select", "from", "where", "group", "order", "by", "limit", NULL};
    for (size_t i = count; i-- > 0;)
        for (size_t n = 0; begins[n]; n++)
            if (is_word(&tokens[i], begins[n]))
                return begins[n];
    return "";
}

static void after_own_command(const struct token *tokens, size_t count, struct complete_place *place)
{
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        if (!is_word(&tokens[0], arguments[i].command))
            continue;
        if (count == 1)
            set(place, arguments[i].kinds, arguments[i].words);
        else if (is_word(&tokens[0], "use") && count == 3 && is_sign(&tokens[2], '.'))
            set(place, COMPLETE_POLICIES, NULL), place->database = tokens[1].text;
        else if (is_word(&tokens[0], "insert") && is_word(&tokens[1], "into") && count == 2)
            set(place, COMPLETE_POLICIES | COMPLETE_DATABASES, NULL);
        else if (is_word(&tokens[0], "clear") && is_word(&tokens[count - 1], "retention"))
            set(place, 0, "policy");
    }
}

/* A tag's value: behind key =, key !=, key = 'a' or ... in quotes. */
static bool is_tag_value(const struct token *tokens, size_t count, struct complete_place *place)
{
    size_t at = count;
    while (at && (is_sign(&tokens[at - 1], '=') || is_sign(&tokens[at - 1], '!') || is_sign(&tokens[at - 1], '<') ||
                  is_sign(&tokens[at - 1], '>')))
        at--;
    if (at == count || !at || !is_name(&tokens[at - 1]) || is_word(&tokens[at - 1], "time"))
        return false;
    if (is_word(&tokens[at - 1], "key")) {
        set(place, COMPLETE_TAGS, NULL);
        return true;
    }
    place->tag = tokens[at - 1].text;
    set(place, COMPLETE_TAG_VALUES, NULL);
    return true;
}

static void decide(const struct token *tokens, size_t count, struct complete_place *place)
{
    if (!count) {
        set(place, 0, first_words);
        return;
    }
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
        if (is_word(&tokens[0], arguments[i].command) && !(count > 1 && is_word(&tokens[0], "chart"))) {
            after_own_command(tokens, count, place);
            return;
        }
    const struct token *last = &tokens[count - 1], *before = count > 1 ? last - 1 : NULL;
    if (is_sign(last, ';')) {
        set(place, 0, first_words);
        return;
    }
    if (is_tag_value(tokens, count, place))
        return;
    const char *clause = clause_of(tokens, count);
    bool in_select = strcmp(clause, "select") == 0, in_from = strcmp(clause, "from") == 0;
    if (is_sign(last, '(')) {
        if (before && is_word(before, "fill"))
            set(place, 0, "linear none null previous");
        else if (before && (is_word(before, "in") || is_word(before, "key")))
            set(place, COMPLETE_TAGS, NULL);
        else if (in_from)
            set(place, 0, "select");
        else if (in_select)
            set(place, COMPLETE_FIELDS | COMPLETE_FUNCTIONS, "distinct");
        else
            set(place, COMPLETE_TAGS | COMPLETE_FIELDS, "time");
        return;
    }
    if (is_sign(last, ',')) {
        set(place,
            in_from                     ? COMPLETE_MEASUREMENTS
            : in_select                 ? COMPLETE_FIELDS | COMPLETE_TAGS | COMPLETE_FUNCTIONS
            : strcmp(clause, "by") == 0 ? COMPLETE_TAGS
                                        : COMPLETE_TAGS | COMPLETE_FIELDS,
            strcmp(clause, "by") == 0 ? "time" : NULL);
        return;
    }
    if (is_sign(last, '.')) {
        set(place, in_from ? COMPLETE_MEASUREMENTS | COMPLETE_POLICIES : COMPLETE_POLICIES, NULL);
        return;
    }
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        if (is_word(last, after[i].last) && (!after[i].before || (before && is_word(before, after[i].before)))) {
            set(place, after[i].kinds, after[i].next);
            return;
        }
    if (last->kind == SIGN && !is_sign(last, ')') && !is_sign(last, '*'))
        set(place, in_select ? COMPLETE_FIELDS | COMPLETE_FUNCTIONS : COMPLETE_FIELDS | COMPLETE_TAGS, NULL);
    else
        set(place, 0, clauses);
}

void complete_find(struct silt_str text, size_t cursor, struct complete_place *place)
{
    struct token tokens[TOKENS_MAX];
    struct silt_str before = {text.p, cursor};
    size_t end, count = cut(before, tokens, &end);
    *place = (struct complete_place){.prefix = {text.p + cursor, 0}};
    find_source(text, place);
    if (count) {
        const struct token *last = &tokens[count - 1];
        bool typed = end == cursor && (last->kind == WORD || last->open);
        if (typed) {
            place->prefix = last->text;
            place->quote = last->kind == WORD ? 0 : last->kind == QUOTED ? '"' : '\'';
            count--;
        }
        struct silt_str sample = tokens[0].text;
        place->upper = sample.len && isupper((unsigned char)sample.p[0]);
        if (place->prefix.len)
            place->upper = isupper((unsigned char)place->prefix.p[0]) != 0;
    }
    decide(tokens, count, place);
    if (place->quote == '\'')
        place->kinds &= COMPLETE_TAG_VALUES;
    if (place->quote == '"')
        place->kinds &= ~(unsigned)(COMPLETE_WORDS | COMPLETE_FUNCTIONS | COMPLETE_TAG_VALUES);
}

bool complete_needs_quotes(struct silt_str name)
{
    /* Those keywords of InfluxQL that people name things after. */
    static const char *const reserved[] = {
        "all",     "alter",  "any",      "as",       "asc",     "begin",       "by",     "create",      "database",
        "default", "delete", "desc",     "distinct", "drop",    "duration",    "end",    "every",       "explain",
        "field",   "for",    "from",     "grant",    "group",   "groups",      "in",     "inf",         "insert",
        "into",    "key",    "keys",     "kill",     "limit",   "measurement", "name",   "not",         "offset",
        "on",      "order",  "password", "policy",   "queries", "query",       "read",   "replication", "resample",
        "revoke",  "select", "series",   "set",      "shard",   "show",        "slimit", "stats",       "tag",
        "to",      "user",   "users",    "values",   "where",   "with",        "write",  NULL};
    if (!name.len || isdigit((unsigned char)name.p[0]))
        return true;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '_')
            return true;
    for (size_t i = 0; reserved[i]; i++)
        if (words_equal_fold(name, silt_str_from(reserved[i])))
            return true;
    return false;
}
