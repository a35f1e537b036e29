/*
 * lexer.c - implements lexer.h.
 *
 * Characters are UTF-8; a byte that is none counts as one U+FFFD. CR and CR LF are read as LF. A NUL ends the text.
 * Reading is done on a small cursor: to look ahead, keep a copy of it and put that back.
 */
#include "query/lexer.h"

#include <strings.h>

#define CHARACTER_END 0u
#define CHARACTER_BAD 0xfffdu

static const char *const token_texts[TOKEN_COUNT] = {
#define X(name, text) [TOKEN_##name] = text,
    TOKEN_LIST(X)
#undef X
#define X(name) [TOKEN_##name] = #name,
    KEYWORD_LIST(X)
#undef X
};

const char *token_text(enum token token)
{
    return token_texts[token];
}

enum token token_of_word(struct silt_str word)
{
    enum { FIRST = TOKEN_ALL, LONGEST = sizeof("SUBSCRIPTIONS") - 1 };

    if (word.len < 2 || word.len > LONGEST)
        return TOKEN_IDENT;
    for (int token = FIRST; token < TOKEN_COUNT; token++)
        if ((token_texts[token][0] ^ word.p[0]) % 32 == 0 && strlen(token_texts[token]) == word.len &&
            strncasecmp(token_texts[token], word.p, word.len) == 0)
            return (enum token)token;
    return TOKEN_IDENT;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static bool is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_ident(uint32_t c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}

bool ident_needs_quotes(struct silt_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint32_t c = (uint8_t)name.p[i];
        if (i == 0 ? !is_letter(c) && c != '_' : !is_ident(c))
            return true;
    }
    return token_of_word(name) != TOKEN_IDENT;
}

/* ---------------------------------------------------------------- characters */

/* The UTF-8 character at p; *bytes is how many it takes. */
static uint32_t decode(const uint8_t *p, size_t len, size_t *bytes)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = p[0];
    size_t need = c < 0x80 ? 1 : c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc0 && c < 0xe0 ? 2 : 0;

    *bytes = 1;
    if (need == 1)
        return c;
    if (need == 0 || need > len)
        return CHARACTER_BAD;
    c &= 0xff >> (need + 1);
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return CHARACTER_BAD;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[need] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return CHARACTER_BAD;
    *bytes = need;
    return c;
}

static uint32_t next(struct lexer *lexer)
{
    struct lexer_cursor *cursor = &lexer->cursor;
    const uint8_t *p = (const uint8_t *)lexer->source.p;

    cursor->last = cursor->pos;
    if (cursor->at >= lexer->source.len) {
        if (!cursor->end_seen)
            cursor->pos.character++;
        cursor->end_seen = true;
        return CHARACTER_END;
    }

    size_t bytes = 1;
    uint32_t c = p[cursor->at];
    if (c >= 0x80)
        c = decode(p + cursor->at, lexer->source.len - cursor->at, &bytes);
    cursor->at += bytes;
    if (c == '\r') {
        if (cursor->at < lexer->source.len && p[cursor->at] == '\n')
            cursor->at++;
        c = '\n';
    }
    if (c == '\n') {
        cursor->pos.line++;
        cursor->pos.character = 0;
    } else {
        cursor->pos.character++;
    }
    return c;
}

/* Consume the next character if it is c. */
static bool take(struct lexer *lexer, uint32_t c)
{
    struct lexer_cursor before = lexer->cursor;
    if (next(lexer) == c)
        return true;
    lexer->cursor = before;
    return false;
}

uint32_t lexer_peek(struct lexer *lexer)
{
    struct lexer_cursor before = lexer->cursor;
    uint32_t c = next(lexer);
    if (c != CHARACTER_END)
        lexer->cursor = before;
    return c;
}

/* ---------------------------------------------------------------- texts that may have to be copied */

/* A run of the source that is borrowed as long as it stands there as it is, then moves to the arena. */
struct piece {
    struct silt_arena *arena;
    const char *from; /* in the source */
    char *copy;       /* NULL: borrowed */
    size_t len, capacity;
};

static void piece_own(struct piece *piece, size_t more)
{
    if (!piece->copy) {
        piece->capacity = 0;
        piece->copy = silt_arena_grow(piece->arena, NULL, &piece->capacity, piece->len + more + 16, 1);
        if (piece->len)
            memcpy(piece->copy, piece->from, piece->len);
    } else if (piece->len + more > piece->capacity) {
        piece->copy = silt_arena_grow(piece->arena, piece->copy, &piece->capacity, piece->len + more, 1);
    }
}

/* Add what stands in the source at p. */
static void piece_source(struct piece *piece, const char *p, size_t len)
{
    if (!piece->copy && p == piece->from + piece->len) {
        piece->len += len;
        return;
    }
    piece_own(piece, len);
    memcpy(piece->copy + piece->len, p, len);
    piece->len += len;
}

static void piece_char(struct piece *piece, char c)
{
    piece_own(piece, 1);
    piece->copy[piece->len++] = c;
}

/* Add the character that the source has between two cursors. */
static void piece_character(struct piece *piece, const struct lexer *lexer, size_t start, uint32_t c)
{
    if (c == CHARACTER_BAD && lexer->cursor.at - start == 1) {
        piece_own(piece, 3);
        memcpy(piece->copy + piece->len, "\xef\xbf\xbd", 3);
        piece->len += 3;
    } else {
        piece_source(piece, lexer->source.p + start, lexer->cursor.at - start);
    }
}

static struct silt_str piece_str(const struct piece *piece)
{
    return (struct silt_str){piece->copy ? piece->copy : piece->from, piece->len};
}

/* ---------------------------------------------------------------- tokens */

void lexer_init(struct lexer *lexer, struct silt_str source, struct silt_arena *arena)
{
    const char *nul = source.len ? memchr(source.p, '\0', source.len) : NULL;

    memset(lexer, 0, sizeof *lexer);
    lexer->source = (struct silt_str){source.len ? source.p : "", nul ? (size_t)(nul - source.p) : source.len};
    lexer->arena = arena;
}

static struct silt_str source_from(const struct lexer *lexer, size_t start)
{
    return (struct silt_str){lexer->source.p + start, lexer->cursor.at - start};
}

/* Behind the opening quote. The position is that of the character before the quote. */
static struct lexed scan_quoted(struct lexer *lexer, uint32_t quote, enum token token, struct text_pos pos)
{
    struct piece piece = {.arena = lexer->arena, .from = lexer->source.p + lexer->cursor.at};

    for (;;) {
        size_t start = lexer->cursor.at;
        uint32_t c = next(lexer);
        if (c == quote)
            return (struct lexed){.token = token, .pos = pos, .text = piece_str(&piece)};
        if (c == CHARACTER_END || c == '\n')
            return (struct lexed){.token = TOKEN_BADSTRING, .pos = pos, .text = piece_str(&piece)};
        if (c != '\\') {
            piece_character(&piece, lexer, start, c);
            continue;
        }
        struct text_pos escape_pos;
        c = next(lexer);
        escape_pos = lexer->cursor.last;
        if (c == 'n')
            piece_char(&piece, '\n');
        else if (c == '\\' || c == '"' || c == '\'')
            piece_char(&piece, (char)c);
        else
            return (struct lexed){.token = TOKEN_BADESCAPE, .pos = escape_pos, .text = source_from(lexer, start)};
    }
}

static void skip_while(struct lexer *lexer, bool (*is)(uint32_t c))
{
    struct lexer_cursor before = lexer->cursor;
    uint32_t c;

    while (is(c = next(lexer)))
        before = lexer->cursor;
    if (c != CHARACTER_END)
        lexer->cursor = before;
}

static bool is_duration_char(uint32_t c)
{
    return is_letter(c) || is_digit(c) || c == 0xb5;
}

/* At the first digit, or at a point with a digit behind. */
static struct lexed scan_number(struct lexer *lexer, struct text_pos pos)
{
    struct lexed lexed = {.token = TOKEN_INTEGER, .pos = pos};
    size_t start = lexer->cursor.at;
    struct lexer_cursor before;

    for (before = lexer->cursor; is_digit(next(lexer)); before = lexer->cursor)
        ;
    lexer->cursor = before;
    lexed.text = source_from(lexer, start);
    if (take(lexer, '.')) {
        lexed.token = TOKEN_NUMBER;
        for (before = lexer->cursor; is_digit(next(lexer)); before = lexer->cursor)
            lexed.text = source_from(lexer, start);
        lexer->cursor = before;
        return lexed;
    }
    before = lexer->cursor;
    uint32_t c = next(lexer);
    lexer->cursor = before;
    if (is_letter(c) || c == 0xb5) {
        lexed.token = TOKEN_DURATIONVAL;
        while (is_duration_char(next(lexer)))
            before = lexer->cursor;
        lexer->cursor = before;
        lexed.text = source_from(lexer, start);
    }
    return lexed;
}

static struct lexed scan_word(struct lexer *lexer, struct text_pos pos)
{
    struct lexed lexed = {.token = TOKEN_IDENT, .pos = pos};
    size_t start = lexer->cursor.at;

    skip_while(lexer, is_ident);
    lexed.text = source_from(lexer, start);
    /* A quote right behind a word throws the word away: x"y" is y. */
    struct text_pos quote_pos = lexer->cursor.last;
    if (take(lexer, '"')) {
        lexed = scan_quoted(lexer, '"', TOKEN_IDENT, quote_pos);
        if (lexed.token == TOKEN_IDENT)
            lexed.pos = pos;
        return lexed;
    }
    lexed.token = token_of_word(lexed.text);
    if (lexed.token != TOKEN_IDENT)
        lexed.text = (struct silt_str){NULL, 0};
    return lexed;
}

static struct lexed scan_param(struct lexer *lexer, struct text_pos pos)
{
    struct lexed lexed = {.token = TOKEN_PARAM, .pos = pos};
    size_t start = lexer->cursor.at;

    skip_while(lexer, is_ident);
    lexed.text = source_from(lexer, start);
    struct text_pos quote_pos = lexer->cursor.last;
    if (take(lexer, '"')) {
        lexed = scan_quoted(lexer, '"', TOKEN_PARAM, quote_pos);
        lexed.pos = pos;
        if (lexed.token != TOKEN_PARAM)
            lexed.text = silt_arena_printf(lexer->arena, "$%.*s", SILT_FMT(lexed.text));
    }
    return lexed;
}

static void skip_line(struct lexer *lexer)
{
    uint32_t c;
    do
        c = next(lexer);
    while (c != '\n' && c != CHARACTER_END);
}

/* Behind the opening of a comment; false when it does not end. */
static bool skip_comment(struct lexer *lexer)
{
    bool star = false;
    for (;;) {
        uint32_t c = next(lexer);
        if (c == CHARACTER_END)
            return false;
        if (star && c == '/')
            return true;
        star = c == '*';
    }
}

static struct lexed scan(struct lexer *lexer)
{
    struct text_pos before_pos = lexer->cursor.last;
    struct lexer_cursor before = lexer->cursor;
    size_t start = before.at;
    uint32_t c = next(lexer);
    struct lexed lexed = {.token = TOKEN_ILLEGAL, .pos = lexer->cursor.last};

    if (is_space(c)) {
        skip_while(lexer, is_space);
        lexed.token = TOKEN_WS;
        lexed.text = source_from(lexer, start);
        return lexed;
    }
    if (is_letter(c) || c == '_') {
        lexer->cursor = before;
        return scan_word(lexer, lexed.pos);
    }
    if (is_digit(c)) {
        lexer->cursor = before;
        return scan_number(lexer, lexed.pos);
    }

    switch (c) {
    case CHARACTER_END:
        lexed.token = TOKEN_EOF;
        return lexed;
    case '"':
        lexer->cursor = before;
        return scan_word(lexer, lexed.pos);
    case '\'':
        return scan_quoted(lexer, '\'', TOKEN_STRING, before_pos);
    case '.': {
        struct lexer_cursor after = lexer->cursor;
        bool number = is_digit(next(lexer));
        lexer->cursor = number ? before : after;
        if (number)
            return scan_number(lexer, lexed.pos);
        lexed.token = TOKEN_DOT;
        return lexed;
    }
    case '$':
        return scan_param(lexer, lexed.pos);
    case '-':
        if (take(lexer, '-')) {
            skip_line(lexer);
            lexed.token = TOKEN_COMMENT;
            return lexed;
        }
        lexed.token = TOKEN_SUB;
        return lexed;
    case '/':
        lexed.token = TOKEN_DIV;
        if (take(lexer, '*'))
            lexed.token = skip_comment(lexer) ? TOKEN_COMMENT : TOKEN_ILLEGAL;
        return lexed;
    case '=':
        lexed.token = take(lexer, '~') ? TOKEN_MATCH : TOKEN_EQ;
        return lexed;
    case '!':
        if (take(lexer, '='))
            lexed.token = TOKEN_NE;
        else if (take(lexer, '~'))
            lexed.token = TOKEN_NOT_MATCH;
        else
            lexed.text = source_from(lexer, start);
        return lexed;
    case '>':
        lexed.token = take(lexer, '=') ? TOKEN_GE : TOKEN_GT;
        return lexed;
    case '<':
        lexed.token = take(lexer, '=') ? TOKEN_LE : take(lexer, '>') ? TOKEN_NE : TOKEN_LT;
        return lexed;
    case ':':
        lexed.token = take(lexer, ':') ? TOKEN_DOUBLECOLON : TOKEN_COLON;
        return lexed;
    }

    static const char single[] = "+*%&|^(),;";
    static const enum token single_tokens[] = {TOKEN_ADD, TOKEN_MUL, TOKEN_MOD, TOKEN_BIT_AND, TOKEN_BIT_OR,
                                               TOKEN_BIT_XOR, TOKEN_LPAREN, TOKEN_RPAREN, TOKEN_COMMA,
                                               TOKEN_SEMICOLON};
    const char *found = c < 0x80 ? strchr(single, (int)c) : NULL;
    if (found)
        lexed.token = single_tokens[found - single];
    else
        lexed.text = c == CHARACTER_BAD ? SILT_STR("\xef\xbf\xbd") : source_from(lexer, start);
    return lexed;
}

struct lexed lexer_scan(struct lexer *lexer)
{
    size_t start = lexer->cursor.at;
    struct lexed lexed = scan(lexer);
    lexed.start = start;
    lexed.end = lexer->cursor.at;
    return lexed;
}

struct lexed lexer_scan_regex(struct lexer *lexer)
{
    struct lexed lexed = {.token = TOKEN_BADREGEX, .pos = lexer->cursor.last, .start = lexer->cursor.at};
    bool opened = take(lexer, '/');
    struct piece piece = {.arena = lexer->arena, .from = lexer->source.p + lexer->cursor.at};

    while (opened) {
        size_t start = lexer->cursor.at;
        uint32_t c = next(lexer);
        if (c == '/') {
            lexed.token = TOKEN_REGEX;
            lexed.text = piece_str(&piece);
            break;
        }
        if (c == CHARACTER_END || c == '\n')
            break;
        if (c == '\\' && take(lexer, '/'))
            piece_char(&piece, '/');
        else
            piece_character(&piece, lexer, start, c);
    }
    lexed.end = lexer->cursor.at;
    return lexed;
}
