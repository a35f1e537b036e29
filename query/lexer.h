/*
 * lexer.h - InfluxQL text to tokens, one at a time.
 *
 * The regular expression token depends on where the parser is, for / also divides: the parser asks for it with
 * lexer_scan_regex when lexer_peek says that a slash comes next.
 *
 * Positions are counted from 0, in characters; they follow InfluxDB, where a string or a regex stands at the
 * character before its quote (a quoted name does not), and reading past the end moves the end by one.
 *
 * Threads: a lexer belongs to one thread. Texts of tokens are borrowed from the source or live in the arena.
 */
#ifndef QUERY_LEXER_H
#define QUERY_LEXER_H

#include "silt/base.h"

/* clang-format off */
#define KEYWORD_LIST(X)                                                                                                \
    X(ALL) X(ALTER) X(ANALYZE) X(AND) X(ANY) X(AS) X(ASC) X(BEGIN) X(BY) X(CARDINALITY) X(CREATE) X(CONTINUOUS)        \
    X(DATABASE) X(DATABASES) X(DEFAULT) X(DELETE) X(DESC) X(DESTINATIONS) X(DIAGNOSTICS) X(DISTINCT) X(DROP)           \
    X(DURATION) X(END) X(EVERY) X(EXACT) X(EXPLAIN) X(FALSE) X(FIELD) X(FOR) X(FROM) X(GRANT) X(GRANTS) X(GROUP)       \
    X(GROUPS) X(IN) X(INF) X(INSERT) X(INTO) X(KEY) X(KEYS) X(KILL) X(LIMIT) X(MEASUREMENT) X(MEASUREMENTS) X(NAME)    \
    X(OFFSET) X(ON) X(OR) X(ORDER) X(PASSWORD) X(POLICY) X(POLICIES) X(PRIVILEGES) X(QUERIES) X(QUERY) X(READ)         \
    X(REPLICATION) X(RESAMPLE) X(RETENTION) X(REVOKE) X(SELECT) X(SERIES) X(SET) X(SHOW) X(SHARD) X(SHARDS) X(SLIMIT)  \
    X(SOFFSET) X(STATS) X(SUBSCRIPTION) X(SUBSCRIPTIONS) X(TAG) X(TO) X(TRUE) X(USER) X(USERS) X(VALUES) X(WHERE)      \
    X(WITH) X(WRITE)

#define TOKEN_LIST(X)                                                                                                  \
    X(ILLEGAL, "ILLEGAL") X(EOF, "EOF") X(WS, "WS") X(COMMENT, "")                                                     \
    X(IDENT, "IDENT") X(PARAM, "") X(NUMBER, "NUMBER") X(INTEGER, "") X(DURATIONVAL, "DURATIONVAL")                    \
    X(STRING, "STRING") X(BADSTRING, "BADSTRING") X(BADESCAPE, "BADESCAPE") X(REGEX, "REGEX") X(BADREGEX, "")          \
    X(ADD, "+") X(SUB, "-") X(MUL, "*") X(DIV, "/") X(MOD, "%") X(BIT_AND, "&") X(BIT_OR, "|") X(BIT_XOR, "^")         \
    X(EQ, "=") X(NE, "!=") X(MATCH, "=~") X(NOT_MATCH, "!~") X(LT, "<") X(LE, "<=") X(GT, ">") X(GE, ">=")             \
    X(LPAREN, "(") X(RPAREN, ")") X(COMMA, ",") X(COLON, ":") X(DOUBLECOLON, "::") X(SEMICOLON, ";") X(DOT, ".")
/* clang-format on */

enum token {
#define X(name, text) TOKEN_##name,
    TOKEN_LIST(X)
#undef X
#define X(name) TOKEN_##name,
    KEYWORD_LIST(X)
#undef X
    TOKEN_COUNT,
};

const char *token_text(enum token token); /* as error messages show it; "" for some */
/* The keyword that a bare word is, in any case; else TOKEN_IDENT. */
enum token token_of_word(struct silt_str word);
bool ident_needs_quotes(struct silt_str name); /* a keyword, or not [A-Za-z_][A-Za-z0-9_]*; "" does not */

struct text_pos {
    uint32_t line, character;
};

struct lexed {
    enum token token;
    struct text_pos pos;
    struct silt_str text; /* names and literals without quotes and escapes; empty for keywords and operators */
    size_t start, end;    /* bytes of the source it was read from */
};

struct lexer_cursor {
    size_t at;
    struct text_pos pos;  /* of the character at `at` */
    struct text_pos last; /* of the character read last */
    bool end_seen;
};

struct lexer {
    struct silt_str source;
    struct silt_arena *arena;
    struct lexer_cursor cursor;
};

void lexer_init(struct lexer *lexer, struct silt_str source, struct silt_arena *arena);
struct lexed lexer_scan(struct lexer *lexer);
/* Behind an opening slash that lexer_peek saw: TOKEN_REGEX, or TOKEN_BADREGEX when it does not end on its line. */
struct lexed lexer_scan_regex(struct lexer *lexer);
/* The character that comes next, not consumed; 0 at the end, which counts as read. */
uint32_t lexer_peek(struct lexer *lexer);

#endif
