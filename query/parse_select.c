/*
 * parse_select.c - SELECT: its fields, INTO, FROM with subqueries, and the clauses behind, some of which SHOW has too.
 */
#include "query/parser.h"

#include <strings.h>

/* ---------------------------------------------------------------- fields */

/* The first comparison or AND, OR in a tree, from the top and the left; OP_NONE when it is arithmetic only. */
static enum expr_op find_comparison(const struct expr *expr)
{
    enum expr_op op = OP_NONE;

    switch (expr->kind) {
    case EXPR_BINARY:
        if (expr->binary.op <= OP_GE)
            return expr->binary.op;
        op = find_comparison(expr->binary.left);
        return op != OP_NONE ? op : find_comparison(expr->binary.right);
    case EXPR_PAREN:
        return find_comparison(expr->paren);
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count && op == OP_NONE; i++)
            op = find_comparison(expr->call.args[i]);
        return op;
    default:
        return OP_NONE;
    }
}

static enum silt_status parse_field(struct parser *p, struct select_field *out)
{
    bool is_regex;
    struct silt_str pattern;
    enum silt_status rc;

    if ((rc = parse_regex(p, &is_regex, &pattern)) != SILT_OK)
        return rc;
    if (is_regex) {
        out->expr = expr_new(p->arena, EXPR_REGEX);
        out->expr->regex = pattern;
        out->expr->depth = 1;
    } else {
        struct text_pos pos = parse_next(p).pos;
        parse_back(p);
        if ((rc = parse_expr(p, &out->expr)) != SILT_OK)
            return rc;
        enum expr_op op = find_comparison(out->expr);
        if (op != OP_NONE)
            return silt_fail(p->err, SILT_INVALID,
                             "invalid operator %s in SELECT clause at line %u, char %u; "
                             "operator is intended for WHERE clause",
                             expr_op_text(op), pos.line + 1, pos.character + 1);
    }
    if (parse_take(p, TOKEN_AS) && (rc = parse_ident(p, &out->alias)) != SILT_OK)
        return rc;
    if (parse_scan(p).token != TOKEN_WS)
        parse_back(p);
    return SILT_OK;
}

static enum silt_status parse_fields(struct parser *p, struct select *select)
{
    size_t capacity = 0;
    enum silt_status rc;

    for (;;) {
        select->fields = silt_arena_grow(p->arena, select->fields, &capacity, select->field_count + 1,
                                         sizeof select->fields[0]);
        struct select_field *field = &select->fields[select->field_count++];
        *field = (struct select_field){0};
        if ((rc = parse_field(p, field)) != SILT_OK)
            return rc;
        if (parse_scan(p).token != TOKEN_COMMA) {
            parse_back(p);
            return SILT_OK;
        }
    }
}

/* ---------------------------------------------------------------- INTO and FROM */

static enum silt_status parse_into(struct parser *p, bool required, struct source **out)
{
    struct lexed lexed = parse_next(p);
    struct name_path path;
    struct source *into;
    enum silt_status rc;

    if (lexed.token != TOKEN_INTO) {
        if (required)
            return parse_unexpected(p, &lexed, "INTO");
        parse_back(p);
        return SILT_OK;
    }
    if ((rc = parse_path(p, &path)) != SILT_OK)
        return rc;
    *out = into = silt_arena_zalloc(p->arena, sizeof *into);
    if (path.count < 3 && lexer_peek(&p->lexer) == ':') {
        if ((rc = parse_expect(p, TOKEN_COLON)) != SILT_OK || (rc = parse_expect(p, TOKEN_MEASUREMENT)) != SILT_OK)
            return rc;
        path.parts[path.count++] = (struct silt_str){NULL, 0};
        into->is_backref = true;
    }
    into->name = path.parts[path.count - 1];
    if (path.count > 1)
        into->rp = path.parts[path.count - 2];
    if (path.count > 2)
        into->database = path.parts[0];
    into->is_backref = into->is_backref || into->name.len == 0;
    return SILT_OK;
}

static enum silt_status parse_subquery(struct parser *p, struct source *out)
{
    enum silt_status rc;

    if ((rc = parse_expect(p, TOKEN_SELECT)) != SILT_OK)
        return rc;
    if (p->subqueries >= PARSE_SUBQUERIES_MAX)
        return silt_fail(p->err, SILT_INVALID, "subqueries are nested too deeply: more than %d levels",
                         PARSE_SUBQUERIES_MAX);
    p->subqueries++;
    out->kind = SOURCE_SUBQUERY;
    rc = parse_select(p, false, &out->subquery);
    p->subqueries--;
    return rc == SILT_OK ? parse_expect(p, TOKEN_RPAREN) : rc;
}

enum silt_status parse_source(struct parser *p, bool subqueries, struct source *out)
{
    struct name_path path;
    enum silt_status rc;

    memset(out, 0, sizeof *out);
    if ((rc = parse_regex(p, &out->is_regex, &out->regex)) != SILT_OK || out->is_regex)
        return rc;
    if (subqueries && parse_take(p, TOKEN_LPAREN))
        return parse_subquery(p, out);
    if ((rc = parse_path(p, &path)) != SILT_OK)
        return rc;
    if (path.count < 3) {
        if ((rc = parse_regex(p, &out->is_regex, &out->regex)) != SILT_OK)
            return rc;
        if (out->is_regex)
            path.parts[path.count++] = (struct silt_str){NULL, 0};
    }
    out->name = path.parts[path.count - 1];
    if (path.count > 1)
        out->rp = path.parts[path.count - 2];
    if (path.count > 2)
        out->database = path.parts[0];
    return SILT_OK;
}

enum silt_status parse_sources(struct parser *p, bool subqueries, struct source **out, size_t *count)
{
    size_t capacity = 0;
    enum silt_status rc;

    *out = NULL;
    *count = 0;
    do {
        *out = silt_arena_grow(p->arena, *out, &capacity, *count + 1, sizeof **out);
        if ((rc = parse_source(p, subqueries, &(*out)[*count])) != SILT_OK)
            return rc;
        ++*count;
    } while (parse_take(p, TOKEN_COMMA));
    return SILT_OK;
}

/* ---------------------------------------------------------------- the clauses behind */

enum silt_status parse_condition(struct parser *p, struct expr **out)
{
    *out = NULL;
    return parse_take(p, TOKEN_WHERE) ? parse_expr(p, out) : SILT_OK;
}

enum silt_status parse_dimensions(struct parser *p, struct expr ***out, size_t *count)
{
    size_t capacity = 0;
    enum silt_status rc;

    *out = NULL;
    *count = 0;
    if (!parse_take(p, TOKEN_GROUP))
        return SILT_OK;
    if ((rc = parse_expect(p, TOKEN_BY)) != SILT_OK)
        return rc;
    for (;;) {
        bool is_regex;
        struct silt_str pattern;
        struct expr *expr;

        if ((rc = parse_regex(p, &is_regex, &pattern)) != SILT_OK)
            return rc;
        if (is_regex) {
            expr = expr_new(p->arena, EXPR_REGEX);
            expr->regex = pattern;
            expr->depth = 1;
        } else {
            if ((rc = parse_expr(p, &expr)) != SILT_OK)
                return rc;
            if (parse_scan(p).token != TOKEN_WS)
                parse_back(p);
        }
        *out = silt_arena_grow(p->arena, *out, &capacity, *count + 1, sizeof **out);
        (*out)[(*count)++] = expr;
        if (parse_scan(p).token != TOKEN_COMMA) {
            parse_back(p);
            return SILT_OK;
        }
    }
}

/* fill and tz are no keywords: a word in the right place, in any case. */
static bool word_follows(struct parser *p, const char *lower)
{
    struct lexed lexed = parse_next(p);
    parse_back(p);
    return lexed.token == TOKEN_IDENT && lexed.text.len == strlen(lower) &&
           strncasecmp(lexed.text.p, lower, lexed.text.len) == 0;
}

static bool is_word(const struct expr *expr, const char *word)
{
    return expr->kind == EXPR_REF && expr->ref.type == DATA_UNKNOWN && silt_str_equal(expr->ref.name, silt_str_from(word));
}

static enum silt_status parse_fill(struct parser *p, struct select *select)
{
    struct expr *fill, *arg;
    enum silt_status rc;

    if (!word_follows(p, "fill"))
        return SILT_OK;
    if ((rc = parse_expr(p, &fill)) != SILT_OK)
        return rc;
    if (fill->kind != EXPR_CALL)
        return silt_fail(p->err, SILT_INVALID, "fill must be a function call");
    if (fill->call.arg_count != 1)
        return silt_fail(p->err, SILT_INVALID, "fill requires an argument, e.g.: 0, null, none, previous, linear");
    arg = fill->call.args[0];
    if (is_word(arg, "null")) {
        select->fill = FILL_NULL;
    } else if (is_word(arg, "none")) {
        select->fill = FILL_NONE;
    } else if (is_word(arg, "previous")) {
        select->fill = FILL_PREVIOUS;
    } else if (is_word(arg, "linear")) {
        select->fill = FILL_LINEAR;
    } else if (arg->kind == EXPR_INTEGER) {
        select->fill = FILL_NUMBER;
        select->fill_is_integer = true;
        select->fill_integer = arg->integer;
        select->fill_number = (double)arg->integer;
    } else if (arg->kind == EXPR_NUMBER) {
        select->fill = FILL_NUMBER;
        select->fill_number = arg->number;
        select->fill_integer = arg->number >= -9.2e18 && arg->number <= 9.2e18 ? (int64_t)arg->number : 0;
    } else {
        return silt_fail(p->err, SILT_INVALID, "expected number argument in fill()");
    }
    return SILT_OK;
}

static enum silt_status parse_zone(struct parser *p, struct select *select)
{
    struct expr *tz;
    enum silt_status rc;

    if (!word_follows(p, "tz"))
        return SILT_OK;
    if ((rc = parse_expr(p, &tz)) != SILT_OK)
        return rc;
    if (tz->kind != EXPR_CALL)
        return silt_fail(p->err, SILT_INVALID, "tz must be a function call");
    if (tz->call.arg_count != 1)
        return silt_fail(p->err, SILT_INVALID, "tz requires exactly one argument");
    if (tz->call.args[0]->kind != EXPR_STRING)
        return silt_fail(p->err, SILT_INVALID, "expected string argument in tz()");
    select->zone = silt_zone_load(tz->call.args[0]->string);
    if (!select->zone)
        return silt_fail(p->err, SILT_INVALID, "unable to find time zone %.*s", SILT_FMT(tz->call.args[0]->string));
    select->zone_name = silt_zone_name(select->zone);
    return SILT_OK;
}

static const char only_time[] = "only ORDER BY time supported at this time";

enum silt_status parse_order_by(struct parser *p, struct order *out)
{
    struct silt_str ignored;
    enum silt_status rc;

    *out = (struct order){0};
    if (!parse_take(p, TOKEN_ORDER))
        return SILT_OK;
    if ((rc = parse_expect(p, TOKEN_BY)) != SILT_OK)
        return rc;
    struct lexed lexed = parse_next(p);
    out->given = true;
    if (lexed.token == TOKEN_IDENT) {
        out->named = true;
        struct lexed direction = parse_next(p);
        out->descending = direction.token == TOKEN_DESC;
        if (direction.token != TOKEN_ASC && direction.token != TOKEN_DESC)
            parse_back(p);
        if (!silt_str_equal(lexed.text, SILT_STR("time")))
            return silt_fail(p->err, SILT_INVALID, only_time);
    } else if (lexed.token == TOKEN_ASC || lexed.token == TOKEN_DESC) {
        out->descending = lexed.token == TOKEN_DESC;
    } else {
        return parse_unexpected(p, &lexed, "identifier, ASC, DESC");
    }
    if (!parse_take(p, TOKEN_COMMA))
        return SILT_OK;
    do {
        if ((rc = parse_ident(p, &ignored)) != SILT_OK)
            return rc;
        if (!parse_take(p, TOKEN_ASC))
            (void)parse_take(p, TOKEN_DESC);
    } while (parse_take(p, TOKEN_COMMA));
    return silt_fail(p->err, SILT_INVALID, only_time);
}

enum silt_status parse_bound(struct parser *p, enum token keyword, int64_t *out)
{
    bool overflow = false;

    *out = 0;
    if (!parse_take(p, keyword))
        return SILT_OK;
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_INTEGER)
        return parse_unexpected(p, &lexed, "integer");
    if (!silt_parse_int(lexed.text.p, lexed.text.len, out, &overflow))
        *out = lexed.text.p[0] == '-' ? INT64_MIN : INT64_MAX; /* more digits than fit mean the most there is */
    if (*out < 0)
        return silt_fail(p->err, SILT_INVALID, "%s must be >= 0 at line %u, char %u", token_text(keyword),
                         lexed.pos.line + 1, lexed.pos.character + 1);
    return SILT_OK;
}

/* ---------------------------------------------------------------- the statement */

enum silt_status parse_select(struct parser *p, bool into_required, struct select **out)
{
    struct select *select = silt_arena_zalloc(p->arena, sizeof *select);
    struct order order;
    enum silt_status rc;

    *out = select;
    if ((rc = parse_fields(p, select)) != SILT_OK || (rc = parse_into(p, into_required, &select->into)) != SILT_OK ||
        (rc = parse_expect(p, TOKEN_FROM)) != SILT_OK ||
        (rc = parse_sources(p, true, &select->sources, &select->source_count)) != SILT_OK ||
        (rc = parse_condition(p, &select->condition)) != SILT_OK ||
        (rc = parse_dimensions(p, &select->dimensions, &select->dimension_count)) != SILT_OK ||
        (rc = parse_fill(p, select)) != SILT_OK || (rc = parse_order_by(p, &order)) != SILT_OK ||
        (rc = parse_bound(p, TOKEN_LIMIT, &select->limit)) != SILT_OK ||
        (rc = parse_bound(p, TOKEN_OFFSET, &select->offset)) != SILT_OK ||
        (rc = parse_bound(p, TOKEN_SLIMIT, &select->slimit)) != SILT_OK ||
        (rc = parse_bound(p, TOKEN_SOFFSET, &select->soffset)) != SILT_OK || (rc = parse_zone(p, select)) != SILT_OK)
        return rc;
    select->has_order_by = order.given;
    select->order_named = order.named;
    select->descending = order.descending;
    return SILT_OK;
}

static bool has_call(const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_CALL:
        return true;
    case EXPR_BINARY:
        return has_call(expr->binary.left) || has_call(expr->binary.right);
    case EXPR_PAREN:
        return has_call(expr->paren);
    default:
        return false;
    }
}

bool select_is_raw(const struct select *select)
{
    for (size_t i = 0; i < select->field_count; i++)
        if (has_call(select->fields[i].expr))
            return false;
    return true;
}

const char *select_interval(const struct select *select, int64_t *interval_ns)
{
    *interval_ns = 0;
    for (size_t i = 0; i < select->dimension_count; i++) {
        const struct expr *dimension = select->dimensions[i];
        if (dimension->kind != EXPR_CALL || !silt_str_equal(dimension->call.name, SILT_STR("time")))
            continue;
        if (dimension->call.arg_count != 1 && dimension->call.arg_count != 2)
            return "time dimension expected 1 or 2 arguments";
        if (dimension->call.args[0]->kind != EXPR_DURATION)
            return "time dimension must have duration argument";
        *interval_ns = dimension->call.args[0]->integer;
        return NULL;
    }
    return NULL;
}
