/*
 * parser.h - the parts of the parser that its files share: reading tokens, errors, and a function per construct.
 *
 *     parser.c        tokens, names, numbers, lists; which statement it is
 *     parse_expr.c    expressions
 *     parse_select.c  SELECT and its clauses, sources
 *     parse_show.c    SHOW of schema
 *     parse_admin.c   statements about databases, policies, users, continuous queries, subscriptions; deletes
 *     parse_api.c     silt_query_* of query.h
 *
 * A token can be put back, up to three of them. The characters behind the last token read are looked at apart from
 * that, where a regular expression may stand; InfluxDB does the same, and with it some of its oddities come along:
 * `FROM a,/b/` is an error, `FROM a, /b/` is not.
 *
 * Every function returns SILT_OK or has filled parser->err.
 */
#ifndef QUERY_PARSER_H
#define QUERY_PARSER_H

#include "query/ast.h"
#include "query/lexer.h"

#define PARSE_DEPTH_MAX 1000     /* levels of an expression tree */
#define PARSE_NESTING_MAX 200    /* parentheses and calls within each other, while reading */
#define PARSE_SUBQUERIES_MAX 50  /* SELECT in SELECT */

#define PARSE_TOKENS_BACK 3

struct parser {
    struct lexer lexer;
    struct silt_arena *arena;
    const struct silt_param *params;
    size_t param_count;
    struct lexed ring[PARSE_TOKENS_BACK]; /* the tokens read last */
    unsigned ring_at, back;               /* the newest; how many of them are put back */
    unsigned nesting, subqueries;
    struct silt_error *err;
};

/* ---------------------------------------------------------------- parser.c */

struct lexed parse_scan(struct parser *p);        /* the next token, spaces and comments too */
struct lexed parse_next(struct parser *p);        /* the next that is neither */
void parse_back(struct parser *p);                /* put one token back */
bool parse_take(struct parser *p, enum token token); /* consume the next token if it is that one */

/* `found X, expected Y at line L, char C` */
enum silt_status parse_unexpected(struct parser *p, const struct lexed *found, const char *expected);
/* `message at line L, char C` */
enum silt_status parse_error_at(struct parser *p, struct text_pos pos, const char *message);

enum silt_status parse_expect(struct parser *p, enum token token);
enum silt_status parse_ident(struct parser *p, struct silt_str *out);
enum silt_status parse_string(struct parser *p, struct silt_str *out);
enum silt_status parse_int(struct parser *p, int64_t min, int64_t max, int64_t *out);
enum silt_status parse_uint64(struct parser *p, uint64_t *out);
enum silt_status parse_duration(struct parser *p, int64_t *out); /* or INF, which is 0 */
enum silt_status parse_ident_list(struct parser *p, struct silt_str **out, size_t *count);
enum silt_status parse_string_list(struct parser *p, struct silt_str **out, size_t *count);
/* 1h30m. The error has no position. */
enum silt_status parse_duration_text(struct silt_str text, int64_t *out, struct silt_error *err);

struct name_path { /* a.b.c; parts may be empty */
    struct silt_str parts[3];
    size_t count;
};
enum silt_status parse_path(struct parser *p, struct name_path *out);

enum silt_status parse_query(struct parser *p, struct silt_query *query);

/* ---------------------------------------------------------------- parse_expr.c */

enum silt_status parse_expr(struct parser *p, struct expr **out);
/* *found tells whether one stands here; else nothing but a space is consumed. */
enum silt_status parse_regex(struct parser *p, bool *found, struct silt_str *pattern);

/* ---------------------------------------------------------------- parse_select.c */

/* Behind the SELECT. */
enum silt_status parse_select(struct parser *p, bool into_required, struct select **out);
enum silt_status parse_source(struct parser *p, bool subqueries, struct source *out);
enum silt_status parse_sources(struct parser *p, bool subqueries, struct source **out, size_t *count);
/* Clauses that may be absent. */
enum silt_status parse_condition(struct parser *p, struct expr **out);
enum silt_status parse_dimensions(struct parser *p, struct expr ***out, size_t *count);
struct order {
    bool given, named, descending;
};
enum silt_status parse_order_by(struct parser *p, struct order *out);
enum silt_status parse_bound(struct parser *p, enum token keyword, int64_t *out); /* LIMIT n */
/* The interval of GROUP BY time(): 0 when there is none. NULL, else what is wrong with it. */
const char *select_interval(const struct select *select, int64_t *interval_ns);
bool select_is_raw(const struct select *select); /* no call in its fields */

/* ---------------------------------------------------------------- statements; each behind its keywords */

typedef enum silt_status (*parse_statement_fn)(struct parser *p, struct statement *out);

/* parse_show.c */
enum silt_status parse_show_measurements(struct parser *p, struct statement *out);
enum silt_status parse_show_measurement_exact(struct parser *p, struct statement *out);
enum silt_status parse_show_measurement_cardinality(struct parser *p, struct statement *out);
enum silt_status parse_show_series(struct parser *p, struct statement *out);
enum silt_status parse_show_tag_keys(struct parser *p, struct statement *out);
enum silt_status parse_show_tag_key(struct parser *p, struct statement *out);
enum silt_status parse_show_tag_values(struct parser *p, struct statement *out);
enum silt_status parse_show_field_keys(struct parser *p, struct statement *out);
enum silt_status parse_show_field_key(struct parser *p, struct statement *out);

/* parse_admin.c */
enum silt_status parse_explain(struct parser *p, struct statement *out);
enum silt_status parse_delete(struct parser *p, struct statement *out);
enum silt_status parse_drop_series(struct parser *p, struct statement *out);
enum silt_status parse_drop_shard(struct parser *p, struct statement *out);
enum silt_status parse_name(struct parser *p, struct statement *out);             /* one name */
enum silt_status parse_name_on_database(struct parser *p, struct statement *out); /* name ON db */
enum silt_status parse_optional_database(struct parser *p, struct statement *out); /* [ON db] */
enum silt_status parse_optional_module(struct parser *p, struct statement *out);  /* [FOR 'module'] */
enum silt_status parse_nothing(struct parser *p, struct statement *out);
enum silt_status parse_create_database(struct parser *p, struct statement *out);
enum silt_status parse_create_policy(struct parser *p, struct statement *out);
enum silt_status parse_alter_policy(struct parser *p, struct statement *out);
enum silt_status parse_create_continuous_query(struct parser *p, struct statement *out);
enum silt_status parse_create_subscription(struct parser *p, struct statement *out);
enum silt_status parse_drop_subscription(struct parser *p, struct statement *out);
enum silt_status parse_create_user(struct parser *p, struct statement *out);
enum silt_status parse_set_password(struct parser *p, struct statement *out);
enum silt_status parse_grant(struct parser *p, struct statement *out);
enum silt_status parse_revoke(struct parser *p, struct statement *out);
enum silt_status parse_kill_query(struct parser *p, struct statement *out);

#endif
