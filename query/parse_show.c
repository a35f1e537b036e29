/*
 * parse_show.c - SHOW MEASUREMENTS, SERIES, TAG KEYS, TAG VALUES, FIELD KEYS, and the cardinality of each.
 *
 * All of them are made of the same clauses; which ones, a set of flags says.
 */
#include "query/parser.h"

enum clause {
    CLAUSE_ON = 1,
    CLAUSE_FROM = 2,
    CLAUSE_KEY = 4, /* WITH KEY, required */
    CLAUSE_WHERE = 8,
    CLAUSE_GROUP = 16,
    CLAUSE_ORDER = 32,
    CLAUSE_LIMIT = 64,
    CLAUSE_SLIMIT = 128,
    CLAUSE_MEASUREMENT = 256, /* WITH MEASUREMENT */
    CLAUSES_CARDINALITY = CLAUSE_ON | CLAUSE_FROM | CLAUSE_WHERE | CLAUSE_GROUP | CLAUSE_LIMIT,
};

static enum silt_status parse_with_measurement(struct parser *p, struct show_statement *show)
{
    enum silt_status rc;

    if (!parse_take(p, TOKEN_WITH))
        return SILT_OK;
    if ((rc = parse_expect(p, TOKEN_MEASUREMENT)) != SILT_OK)
        return rc;
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_EQ && lexed.token != TOKEN_MATCH)
        return parse_unexpected(p, &lexed, "=, =~");
    show->sources = silt_arena_zalloc(p->arena, sizeof *show->sources);
    show->source_count = 1;
    return parse_source(p, false, &show->sources[0]);
}

static enum silt_status parse_with_key(struct parser *p, struct show_statement *show)
{
    enum silt_status rc;

    if ((rc = parse_expect(p, TOKEN_WITH)) != SILT_OK || (rc = parse_expect(p, TOKEN_KEY)) != SILT_OK)
        return rc;
    struct lexed lexed = parse_next(p);
    switch ((int)lexed.token) {
    case TOKEN_IN:
        show->key_op = OP_IN;
        show->key = expr_new(p->arena, EXPR_LIST);
        if ((rc = parse_expect(p, TOKEN_LPAREN)) != SILT_OK ||
            (rc = parse_ident_list(p, &show->key->list.names, &show->key->list.count)) != SILT_OK)
            return rc;
        return parse_expect(p, TOKEN_RPAREN);
    case TOKEN_EQ:
    case TOKEN_NE:
        show->key_op = lexed.token == TOKEN_EQ ? OP_EQ : OP_NE;
        show->key = expr_new(p->arena, EXPR_STRING);
        return parse_ident(p, &show->key->string);
    case TOKEN_MATCH:
    case TOKEN_NOT_MATCH: {
        bool found;
        show->key_op = lexed.token == TOKEN_MATCH ? OP_MATCH : OP_NOT_MATCH;
        show->key = expr_new(p->arena, EXPR_REGEX);
        if ((rc = parse_regex(p, &found, &show->key->regex)) != SILT_OK || found)
            return rc;
        lexed = parse_next(p);
        return parse_unexpected(p, &lexed, "regex");
    }
    default:
        return parse_unexpected(p, &lexed, "IN, =, =~");
    }
}

static enum silt_status parse_clauses(struct parser *p, unsigned clauses, struct show_statement *show)
{
    enum silt_status rc;

    if ((clauses & CLAUSE_ON) && parse_take(p, TOKEN_ON) && (rc = parse_ident(p, &show->database)) != SILT_OK)
        return rc;
    if ((clauses & CLAUSE_MEASUREMENT) && (rc = parse_with_measurement(p, show)) != SILT_OK)
        return rc;
    if ((clauses & CLAUSE_FROM) && parse_take(p, TOKEN_FROM) &&
        (rc = parse_sources(p, false, &show->sources, &show->source_count)) != SILT_OK)
        return rc;
    if ((clauses & CLAUSE_KEY) && (rc = parse_with_key(p, show)) != SILT_OK)
        return rc;
    if ((clauses & CLAUSE_WHERE) && (rc = parse_condition(p, &show->condition)) != SILT_OK)
        return rc;
    if ((clauses & CLAUSE_GROUP) &&
        (rc = parse_dimensions(p, &show->dimensions, &show->dimension_count)) != SILT_OK)
        return rc;
    if (clauses & CLAUSE_ORDER) {
        struct order order;
        if ((rc = parse_order_by(p, &order)) != SILT_OK)
            return rc;
        show->has_order_by = order.given;
        show->order_named = order.named;
        show->descending = order.descending;
    }
    if ((clauses & CLAUSE_LIMIT) && ((rc = parse_bound(p, TOKEN_LIMIT, &show->limit)) != SILT_OK ||
                                     (rc = parse_bound(p, TOKEN_OFFSET, &show->offset)) != SILT_OK))
        return rc;
    if ((clauses & CLAUSE_SLIMIT) && ((rc = parse_bound(p, TOKEN_SLIMIT, &show->slimit)) != SILT_OK ||
                                      (rc = parse_bound(p, TOKEN_SOFFSET, &show->soffset)) != SILT_OK))
        return rc;
    return SILT_OK;
}

enum silt_status parse_show_measurements(struct parser *p, struct statement *out)
{
    return parse_clauses(p, CLAUSE_ON | CLAUSE_MEASUREMENT | CLAUSE_WHERE | CLAUSE_ORDER | CLAUSE_LIMIT, &out->show);
}

enum silt_status parse_show_measurement_cardinality(struct parser *p, struct statement *out)
{
    return parse_clauses(p, CLAUSES_CARDINALITY, &out->show);
}

enum silt_status parse_show_measurement_exact(struct parser *p, struct statement *out)
{
    enum silt_status rc;

    out->show.exact = true;
    if ((rc = parse_expect(p, TOKEN_CARDINALITY)) != SILT_OK)
        return rc;
    return parse_clauses(p, CLAUSES_CARDINALITY, &out->show);
}

enum silt_status parse_show_series(struct parser *p, struct statement *out)
{
    out->show.exact = parse_take(p, TOKEN_EXACT);
    if (parse_take(p, TOKEN_CARDINALITY)) {
        out->kind = STATEMENT_SHOW_SERIES_CARDINALITY;
        return parse_clauses(p, CLAUSES_CARDINALITY, &out->show);
    }
    out->show.exact = false; /* InfluxDB lets a lone EXACT pass */
    return parse_clauses(p, CLAUSE_ON | CLAUSE_FROM | CLAUSE_WHERE | CLAUSE_ORDER | CLAUSE_LIMIT, &out->show);
}

enum silt_status parse_show_tag_keys(struct parser *p, struct statement *out)
{
    return parse_clauses(p, CLAUSE_ON | CLAUSE_FROM | CLAUSE_WHERE | CLAUSE_ORDER | CLAUSE_LIMIT | CLAUSE_SLIMIT,
                         &out->show);
}

static enum silt_status parse_key_cardinality(struct parser *p, struct statement *out)
{
    out->show.exact = parse_take(p, TOKEN_EXACT);
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_CARDINALITY)
        return parse_unexpected(p, &lexed, out->show.exact ? "CARDINALITY" : "EXACT, CARDINALITY");
    return parse_clauses(p, CLAUSES_CARDINALITY, &out->show);
}

enum silt_status parse_show_tag_key(struct parser *p, struct statement *out)
{
    return parse_key_cardinality(p, out);
}

enum silt_status parse_show_tag_values(struct parser *p, struct statement *out)
{
    enum silt_status rc;

    out->show.exact = parse_take(p, TOKEN_EXACT);
    if (out->show.exact && (rc = parse_expect(p, TOKEN_CARDINALITY)) != SILT_OK)
        return rc;
    if (out->show.exact || parse_take(p, TOKEN_CARDINALITY)) {
        out->kind = STATEMENT_SHOW_TAG_VALUES_CARDINALITY;
        return parse_clauses(p, CLAUSES_CARDINALITY | CLAUSE_KEY, &out->show);
    }
    return parse_clauses(p, CLAUSE_ON | CLAUSE_FROM | CLAUSE_KEY | CLAUSE_WHERE | CLAUSE_ORDER | CLAUSE_LIMIT,
                         &out->show);
}

enum silt_status parse_show_field_keys(struct parser *p, struct statement *out)
{
    return parse_clauses(p, CLAUSE_ON | CLAUSE_FROM | CLAUSE_ORDER | CLAUSE_LIMIT, &out->show);
}

enum silt_status parse_show_field_key(struct parser *p, struct statement *out)
{
    return parse_key_cardinality(p, out);
}
