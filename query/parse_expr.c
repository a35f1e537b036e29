/*
 * parse_expr.c - expressions.
 *
 * Binary operators are read with a small stack of operands and operators of rising precedence, so that the length
 * of a chain costs no recursion. A chain of n terms makes a tree n deep; long chains of AND or OR, which tools
 * write by the thousand, are turned into balanced trees, which mean and print the same. Any other tree deeper than
 * PARSE_DEPTH_MAX is refused, so that everything that walks a tree may recurse.
 */
#include "query/parser.h"

#include <strings.h>

static struct expr *make(struct parser *p, enum expr_kind kind)
{
    struct expr *expr = expr_new(p->arena, kind);
    expr->depth = 1;
    return expr;
}

/* ---------------------------------------------------------------- regular expressions */

enum silt_status parse_regex(struct parser *p, bool *found, struct silt_str *pattern)
{
    struct lexed lexed;
    struct silt_error cause;
    uint32_t c = lexer_peek(&p->lexer);

    *found = false;
    if (c == ' ' || c == '\t' || c == '\n') {
        if (parse_scan(p).token != TOKEN_WS)
            parse_back(p);
    }
    c = lexer_peek(&p->lexer);
    if (c == '$') { /* a bound parameter may be one */
        lexed = parse_scan(p);
        if (lexed.token != TOKEN_REGEX) {
            parse_back(p);
            return SILT_OK;
        }
    } else if (c == '/') {
        if (p->back) { /* a token put back comes first */
            lexed = parse_scan(p);
        } else {
            p->ring_at = (p->ring_at + 1) % PARSE_TOKENS_BACK;
            lexed = p->ring[p->ring_at] = lexer_scan_regex(&p->lexer);
        }
    } else {
        return SILT_OK;
    }

    if (lexed.token == TOKEN_BADREGEX)
        return parse_error_at(p, lexed.pos, "bad regex: ");
    if (lexed.token != TOKEN_REGEX)
        return parse_unexpected(p, &lexed, "regex");
    if (silt_regex_check(lexed.text, &cause) != SILT_OK)
        return parse_error_at(p, lexed.pos, silt_error_text(&cause).p);
    *found = true;
    *pattern = lexed.text;
    return SILT_OK;
}

static enum silt_status parse_regex_expr(struct parser *p, struct expr **out)
{
    bool found;
    struct silt_str pattern;
    enum silt_status rc;

    *out = NULL;
    if ((rc = parse_regex(p, &found, &pattern)) != SILT_OK || !found)
        return rc;
    *out = make(p, EXPR_REGEX);
    (*out)->regex = pattern;
    return SILT_OK;
}

/* ---------------------------------------------------------------- references, calls */

static bool word_is(struct silt_str word, const char *lower)
{
    return word.len == strlen(lower) && strncasecmp(word.p, lower, word.len) == 0;
}

static enum silt_status parse_cast(struct parser *p, enum data_type *out)
{
    static const enum data_type types[] = {DATA_FLOAT, DATA_INTEGER, DATA_UNSIGNED, DATA_STRING, DATA_BOOLEAN};
    struct lexed lexed = parse_scan(p);

    if (lexed.token == TOKEN_FIELD) {
        *out = DATA_ANY_FIELD;
        return SILT_OK;
    }
    if (lexed.token == TOKEN_TAG) {
        *out = DATA_TAG;
        return SILT_OK;
    }
    if (lexed.token != TOKEN_IDENT)
        return parse_unexpected(p, &lexed, "float, integer, string, boolean, field, tag");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (word_is(lexed.text, data_type_name(types[i]))) {
            *out = types[i];
            return SILT_OK;
        }
    }
    return parse_unexpected(p, &lexed, "float, integer, unsigned, string, boolean, field, tag");
}

static enum silt_status parse_ref(struct parser *p, struct expr **out)
{
    struct name_path path;
    enum silt_status rc;

    if ((rc = parse_path(p, &path)) != SILT_OK)
        return rc;
    *out = make(p, EXPR_REF);
    (*out)->ref.name = path.parts[0];
    if (path.count == 2)
        (*out)->ref.name = silt_arena_printf(p->arena, "%.*s.%.*s", SILT_FMT(path.parts[0]), SILT_FMT(path.parts[1]));
    else if (path.count == 3)
        (*out)->ref.name = silt_arena_printf(p->arena, "%.*s.%.*s.%.*s", SILT_FMT(path.parts[0]),
                                             SILT_FMT(path.parts[1]), SILT_FMT(path.parts[2]));
    if (parse_scan(p).token == TOKEN_DOUBLECOLON)
        return parse_cast(p, &(*out)->ref.type);
    parse_back(p);
    return SILT_OK;
}

static enum silt_status parse_wildcard(struct parser *p, struct expr **out)
{
    *out = make(p, EXPR_WILDCARD);
    if (parse_scan(p).token != TOKEN_DOUBLECOLON) {
        parse_back(p);
        return SILT_OK;
    }
    struct lexed lexed = parse_scan(p);
    if (lexed.token != TOKEN_FIELD && lexed.token != TOKEN_TAG)
        return parse_unexpected(p, &lexed, "field, tag");
    (*out)->ref.type = lexed.token == TOKEN_TAG ? DATA_TAG : DATA_ANY_FIELD;
    return SILT_OK;
}

static struct silt_str lowered(struct silt_str name, struct silt_arena *arena)
{
    bool upper = false;
    for (size_t i = 0; i < name.len; i++)
        upper |= name.p[i] >= 'A' && name.p[i] <= 'Z';
    if (!upper)
        return name;
    struct silt_str copy = silt_arena_str(arena, name);
    char *p = (char *)copy.p;
    for (size_t i = 0; i < copy.len; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + ('a' - 'A'));
    return copy;
}

/* Behind the opening parenthesis. */
static enum silt_status parse_call(struct parser *p, struct silt_str name, struct expr **out)
{
    struct expr *call = make(p, EXPR_CALL), *arg;
    size_t capacity = 0;
    enum silt_status rc;

    *out = call;
    call->call.name = lowered(name, p->arena);
    for (;;) {
        if ((rc = parse_regex_expr(p, &arg)) != SILT_OK)
            return rc;
        if (!arg && call->call.arg_count == 0) {
            if (parse_scan(p).token == TOKEN_RPAREN)
                return SILT_OK;
            parse_back(p);
        }
        if (!arg && (rc = parse_expr(p, &arg)) != SILT_OK)
            return rc;
        call->call.args = silt_arena_grow(p->arena, call->call.args, &capacity, call->call.arg_count + 1, sizeof arg);
        call->call.args[call->call.arg_count++] = arg;
        if (call->depth < arg->depth + 1)
            call->depth = arg->depth + 1;
        if (!parse_take(p, TOKEN_COMMA))
            break;
    }
    struct lexed lexed = parse_scan(p);
    return lexed.token == TOKEN_RPAREN ? SILT_OK : parse_unexpected(p, &lexed, ")");
}

/* Behind the keyword. */
static enum silt_status parse_distinct(struct parser *p, struct expr **out)
{
    struct lexed lexed = parse_scan(p);

    if (lexed.token == TOKEN_LPAREN)
        return parse_call(p, SILT_STR("distinct"), out);
    if (lexed.token != TOKEN_WS)
        return parse_unexpected(p, &lexed, "(, identifier");
    *out = make(p, EXPR_DISTINCT);
    return parse_ident(p, &(*out)->ref.name);
}

/* ---------------------------------------------------------------- literals */

static enum silt_status parse_number(struct parser *p, const struct lexed *lexed, struct expr **out)
{
    *out = make(p, EXPR_NUMBER);
    if (!silt_parse_double(lexed->text.p, lexed->text.len, &(*out)->number))
        return parse_error_at(p, lexed->pos, "unable to parse number");
    return SILT_OK;
}

static enum silt_status parse_integer(struct parser *p, const struct lexed *lexed, struct expr **out)
{
    uint64_t value = 0;

    *out = make(p, EXPR_INTEGER);
    if (silt_parse_int(lexed->text.p, lexed->text.len, &(*out)->integer, NULL))
        return SILT_OK;
    for (size_t i = 0; i < lexed->text.len; i++) {
        unsigned digit = (unsigned)(lexed->text.p[i] - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return parse_error_at(p, lexed->pos, "unable to parse integer");
        value = value * 10 + digit;
    }
    (*out)->kind = EXPR_UNSIGNED;
    (*out)->unsigned_integer = value;
    return SILT_OK;
}

static enum silt_status parse_unary(struct parser *p, struct expr **out);

/* Behind a sign. */
static enum silt_status parse_signed(struct parser *p, bool minus, struct expr **out)
{
    struct lexed lexed = parse_next(p);
    struct expr *operand, *one;
    enum silt_status rc;

    switch ((int)lexed.token) {
    case TOKEN_NUMBER:
    case TOKEN_INTEGER:
    case TOKEN_DURATIONVAL:
    case TOKEN_LPAREN:
    case TOKEN_IDENT:
        break;
    default:
        return parse_unexpected(p, &lexed, "identifier, number, duration, (");
    }
    parse_back(p);
    if ((rc = parse_unary(p, &operand)) != SILT_OK)
        return rc;
    *out = operand;
    switch ((int)operand->kind) {
    case EXPR_NUMBER:
        if (minus)
            operand->number = -operand->number;
        return SILT_OK;
    case EXPR_INTEGER:
    case EXPR_DURATION:
        if (minus)
            operand->integer = (int64_t)(0 - (uint64_t)operand->integer);
        return SILT_OK;
    case EXPR_UNSIGNED:
        if (!minus)
            return SILT_OK;
        if (operand->unsigned_integer != (uint64_t)INT64_MAX + 1)
            return silt_fail(p->err, SILT_INVALID, "constant -%llu underflows int64",
                             (unsigned long long)operand->unsigned_integer);
        operand->kind = EXPR_INTEGER;
        operand->integer = INT64_MIN;
        return SILT_OK;
    }
    one = make(p, EXPR_INTEGER);
    one->integer = minus ? -1 : 1;
    *out = expr_new_binary(p->arena, OP_MUL, one, operand);
    return SILT_OK;
}

static enum silt_status bad_param(struct parser *p, struct silt_str name)
{
    if (!name.len)
        return silt_fail(p->err, SILT_INVALID, "empty bound parameter");
    for (size_t i = 0; i < p->param_count; i++)
        if (silt_str_equal(p->params[i].name, name))
            return silt_fail(p->err, SILT_INVALID, "missing parameter: %.*s", SILT_FMT(p->params[i].text));
    return silt_fail(p->err, SILT_INVALID, "missing parameter: %.*s", SILT_FMT(name));
}

/* ---------------------------------------------------------------- operands */

static enum silt_status parse_unary(struct parser *p, struct expr **out)
{
    struct lexed lexed = parse_next(p);
    enum silt_status rc;

    switch ((int)lexed.token) {
    case TOKEN_LPAREN:
        *out = make(p, EXPR_PAREN);
        if ((rc = parse_expr(p, &(*out)->paren)) != SILT_OK)
            return rc;
        (*out)->depth = (*out)->paren->depth + 1;
        return parse_expect(p, TOKEN_RPAREN);
    case TOKEN_IDENT:
        if (parse_scan(p).token == TOKEN_LPAREN)
            return parse_call(p, lexed.text, out);
        parse_back(p);
        parse_back(p);
        return parse_ref(p, out);
    case TOKEN_DISTINCT:
        return parse_distinct(p, out);
    case TOKEN_STRING:
        *out = make(p, EXPR_STRING);
        (*out)->string = lexed.text;
        return SILT_OK;
    case TOKEN_NUMBER:
        return parse_number(p, &lexed, out);
    case TOKEN_INTEGER:
        return parse_integer(p, &lexed, out);
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        *out = make(p, EXPR_BOOLEAN);
        (*out)->boolean = lexed.token == TOKEN_TRUE;
        return SILT_OK;
    case TOKEN_DURATIONVAL:
        *out = make(p, EXPR_DURATION);
        return parse_duration_text(lexed.text, &(*out)->integer, p->err);
    case TOKEN_MUL:
        return parse_wildcard(p, out);
    case TOKEN_REGEX: { /* a bound parameter where none was looked for */
        struct silt_error cause;
        if (silt_regex_check(lexed.text, &cause) != SILT_OK)
            return parse_error_at(p, lexed.pos, silt_error_text(&cause).p);
        *out = make(p, EXPR_REGEX);
        (*out)->regex = lexed.text;
        return SILT_OK;
    }
    case TOKEN_PARAM:
        return bad_param(p, lexed.text);
    case TOKEN_ADD:
    case TOKEN_SUB:
        return parse_signed(p, lexed.token == TOKEN_SUB, out);
    default:
        return parse_unexpected(p, &lexed, "identifier, string, number, bool");
    }
}

/* ---------------------------------------------------------------- operators */

static enum expr_op operator_of(enum token token)
{
    static const enum expr_op ops[TOKEN_COUNT] = {
        [TOKEN_OR] = OP_OR,           [TOKEN_AND] = OP_AND,         [TOKEN_EQ] = OP_EQ,
        [TOKEN_NE] = OP_NE,           [TOKEN_MATCH] = OP_MATCH,     [TOKEN_NOT_MATCH] = OP_NOT_MATCH,
        [TOKEN_LT] = OP_LT,           [TOKEN_LE] = OP_LE,           [TOKEN_GT] = OP_GT,
        [TOKEN_GE] = OP_GE,           [TOKEN_ADD] = OP_ADD,         [TOKEN_SUB] = OP_SUB,
        [TOKEN_BIT_OR] = OP_BIT_OR,   [TOKEN_BIT_XOR] = OP_BIT_XOR, [TOKEN_MUL] = OP_MUL,
        [TOKEN_DIV] = OP_DIV,         [TOKEN_MOD] = OP_MOD,         [TOKEN_BIT_AND] = OP_BIT_AND,
    };
    return ops[token];
}

static bool is_chain(const struct expr *expr, enum expr_op op)
{
    return expr->kind == EXPR_BINARY && expr->binary.op == op;
}

static struct expr *join_balanced(struct parser *p, enum expr_op op, struct expr **terms, size_t count)
{
    if (count == 1)
        return terms[0];
    struct expr *left = join_balanced(p, op, terms, count / 2);
    struct expr *right = join_balanced(p, op, terms + count / 2, count - count / 2);
    return expr_new_binary(p->arena, op, left, right);
}

/* A left-deep chain of one associative operator as a balanced tree; its terms are done the same way. */
static struct expr *balanced(struct parser *p, struct expr *expr)
{
    enum { SHORT = 32 };
    struct expr **terms, *at;
    size_t count = 1;

    if (expr->depth <= SHORT || (!is_chain(expr, OP_OR) && !is_chain(expr, OP_AND)))
        return expr;
    enum expr_op op = expr->binary.op;
    for (at = expr; is_chain(at, op); at = at->binary.left)
        count++;
    terms = silt_arena_alloc(p->arena, count * sizeof *terms);
    size_t i = count;
    for (at = expr; is_chain(at, op); at = at->binary.left)
        terms[--i] = at->binary.right;
    terms[0] = at;
    for (i = 0; i < count; i++)
        terms[i] = balanced(p, terms[i]);
    return join_balanced(p, op, terms, count);
}

enum silt_status parse_expr(struct parser *p, struct expr **out)
{
    struct expr *operands[8];
    enum expr_op ops[8];
    size_t count = 0; /* of ops; one more operand than that */
    enum silt_status rc;

    if (p->nesting >= PARSE_NESTING_MAX)
        return silt_fail(p->err, SILT_INVALID, "expression is nested too deeply: more than %d levels", PARSE_NESTING_MAX);
    if (silt_arena_exceeded(p->arena))
        return silt_fail(p->err, SILT_LIMIT, "query text needs too much memory");
    p->nesting++;
    rc = parse_unary(p, &operands[0]);
    while (rc == SILT_OK) {
        enum expr_op op = operator_of(parse_next(p).token);
        if (op == OP_NONE)
            parse_back(p);
        while (count && expr_op_precedence(ops[count - 1]) >= expr_op_precedence(op)) {
            count--;
            operands[count] = expr_new_binary(p->arena, ops[count], operands[count], operands[count + 1]);
        }
        if (op == OP_NONE)
            break;
        ops[count++] = op;
        if (op != OP_MATCH && op != OP_NOT_MATCH) {
            rc = parse_unary(p, &operands[count]);
        } else if ((rc = parse_regex_expr(p, &operands[count])) == SILT_OK && !operands[count]) {
            struct lexed lexed = parse_next(p);
            rc = parse_unexpected(p, &lexed, "regex");
        }
    }
    p->nesting--;
    if (rc != SILT_OK)
        return rc;
    *out = balanced(p, operands[0]);
    if ((*out)->depth > PARSE_DEPTH_MAX)
        return silt_fail(p->err, SILT_INVALID, "expression is too deep: more than %d levels", PARSE_DEPTH_MAX);
    return SILT_OK;
}
