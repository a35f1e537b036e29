/*
 * ast.h - InfluxQL as a tree.
 *
 * What the parser makes and everything after it reads. All nodes, arrays and names live in the arena given to the
 * parser and die with it; nothing in the tree is freed alone. A name is borrowed text without quotes or escapes.
 * Arrays are a pointer and a count; the pointer may be NULL when the count is 0. Empty names mean "not given".
 *
 *     query -> statement[] -> select -> field[]      -> expr
 *                                       source[]     -> measurement | select (a subquery)
 *                                       condition    -> expr
 *                                       dimension[]  -> expr
 *
 * The tree says what was written: no default database, no wildcard expanded, nothing reduced but a sign in front
 * of a literal. Nesting is bounded by PARSE_DEPTH_MAX (parser.h), so that walks may recurse.
 *
 * Threads: immutable after the parse; any thread may read.
 */
#ifndef QUERY_AST_H
#define QUERY_AST_H

#include "silt/base.h"
#include "silt/query.h"
#include "silt/text.h"

/* ---------------------------------------------------------------- expressions */

/* What stands behind :: and what an expression evaluates to. */
enum data_type {
    DATA_UNKNOWN = 0,
    DATA_FLOAT,
    DATA_INTEGER,
    DATA_UNSIGNED,
    DATA_STRING,
    DATA_BOOLEAN,
    DATA_TIME,
    DATA_DURATION,
    DATA_TAG,
    DATA_ANY_FIELD, /* ::field */
};

const char *data_type_name(enum data_type type); /* float, ..., tag, field; unknown */

enum expr_kind {
    EXPR_REF,      /* v, "v"::float */
    EXPR_CALL,     /* mean(v); names in lower case */
    EXPR_DISTINCT, /* DISTINCT v (the keyword form; distinct(v) is a call) */
    EXPR_BINARY,
    EXPR_PAREN,
    EXPR_WILDCARD, /* *, *::field, *::tag */
    EXPR_REGEX,    /* /re/ */
    EXPR_INTEGER,
    EXPR_UNSIGNED,
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_BOOLEAN,
    EXPR_DURATION,
    EXPR_TIME, /* never parsed: what a reduction makes of a time string or now() */
    EXPR_NIL,  /* never parsed: a reduction without value */
    EXPR_LIST, /* names: the right side of WITH KEY IN */
};

enum expr_op { /* by precedence, see expr_op_precedence */
    OP_NONE = 0,
    OP_OR,
    OP_AND,
    OP_EQ,
    OP_NE,
    OP_MATCH,     /* =~ */
    OP_NOT_MATCH, /* !~ */
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_ADD,
    OP_SUB,
    OP_BIT_OR,
    OP_BIT_XOR,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_BIT_AND,
    OP_IN, /* WITH KEY IN only */
    OP_COUNT,
};

const char *expr_op_text(enum expr_op op);   /* "+", "AND", "!~" */
int expr_op_precedence(enum expr_op op);     /* 1 (OR) to 5 (*) */

struct expr {
    enum expr_kind kind;
    uint32_t depth : 31; /* levels of nodes from here down, set by the parser; at most PARSE_DEPTH_MAX */
    uint32_t exact : 1;  /* a NUMBER is printed with all its digits, not with InfluxDB's three decimals */
    union {
        struct { /* REF; WILDCARD and DISTINCT use the same members (DISTINCT: name) */
            struct silt_str name;
            enum data_type type; /* DATA_UNKNOWN: no cast. WILDCARD: UNKNOWN, ANY_FIELD or TAG */
        } ref;
        struct {
            struct silt_str name;
            struct expr **args;
            size_t arg_count;
        } call;
        struct {
            enum expr_op op;
            struct expr *left, *right;
        } binary;
        struct expr *paren;
        struct silt_str regex;  /* the pattern, \/ already /; known to compile */
        struct silt_str string;
        double number;
        int64_t integer;  /* also DURATION and TIME, in ns */
        uint64_t unsigned_integer;
        bool boolean;
        struct {
            struct silt_str *names;
            size_t count;
        } list;
    };
};

/* Zeroed nodes for whoever rewrites trees. */
struct expr *expr_new(struct silt_arena *arena, enum expr_kind kind);
struct expr *expr_new_ref(struct silt_arena *arena, struct silt_str name, enum data_type type);
struct expr *expr_new_binary(struct silt_arena *arena, enum expr_op op, struct expr *left, struct expr *right);
struct expr *expr_clone(const struct expr *expr, struct silt_arena *arena); /* deep; names are shared */

/* ---------------------------------------------------------------- sources */

struct select;

enum source_kind { SOURCE_MEASUREMENT, SOURCE_SUBQUERY };

struct source {
    enum source_kind kind;
    /* SOURCE_MEASUREMENT */
    struct silt_str database, rp; /* empty: not given */
    struct silt_str name;         /* empty for a regex and for :MEASUREMENT */
    struct silt_str regex;
    bool is_regex;
    bool is_backref;              /* INTO db.rp.:MEASUREMENT */
    struct silt_str system_iterator; /* never parsed: for rewritten statements */
    /* SOURCE_SUBQUERY */
    struct select *subquery;
};

/* ---------------------------------------------------------------- SELECT */

enum fill_kind { FILL_NULL = 0, FILL_NONE, FILL_NUMBER, FILL_PREVIOUS, FILL_LINEAR };

struct select_field {
    struct expr *expr;
    struct silt_str alias; /* empty: none */
};

struct select {
    struct select_field *fields;
    size_t field_count;
    struct source *into; /* NULL: none */
    struct source *sources;
    size_t source_count;
    struct expr *condition; /* NULL: none */
    struct expr **dimensions; /* REF, WILDCARD, REGEX, CALL (time), or what a later check refuses */
    size_t dimension_count;
    enum fill_kind fill;
    bool fill_is_integer; /* the number was written without a point */
    double fill_number;
    int64_t fill_integer;
    bool has_order_by, descending; /* ORDER BY [time] [DESC] */
    bool order_named;              /* "time" was written */
    int64_t limit, offset, slimit, soffset; /* 0: not given */
    const struct silt_zone *zone; /* tz(); NULL: not given */
    struct silt_str zone_name;    /* as the zone calls itself */
};

struct select *select_clone(const struct select *select, struct silt_arena *arena); /* deep, subqueries too */
void select_mark_exact(struct select *select); /* all numbers in it, subqueries too, are exact; see struct expr */

/* ---------------------------------------------------------------- statements */

enum statement_kind {
    STATEMENT_SELECT,
    STATEMENT_EXPLAIN,
    STATEMENT_DELETE,
    STATEMENT_DROP_SERIES,
    STATEMENT_DROP_MEASUREMENT,
    STATEMENT_DROP_SHARD,
    STATEMENT_CREATE_DATABASE,
    STATEMENT_DROP_DATABASE,
    STATEMENT_CREATE_RETENTION_POLICY,
    STATEMENT_ALTER_RETENTION_POLICY,
    STATEMENT_DROP_RETENTION_POLICY,
    STATEMENT_CREATE_CONTINUOUS_QUERY,
    STATEMENT_DROP_CONTINUOUS_QUERY,
    STATEMENT_CREATE_SUBSCRIPTION,
    STATEMENT_DROP_SUBSCRIPTION,
    STATEMENT_CREATE_USER,
    STATEMENT_DROP_USER,
    STATEMENT_SET_PASSWORD,
    STATEMENT_GRANT,
    STATEMENT_GRANT_ADMIN,
    STATEMENT_REVOKE,
    STATEMENT_REVOKE_ADMIN,
    STATEMENT_KILL_QUERY,
    STATEMENT_SHOW_DATABASES,
    STATEMENT_SHOW_MEASUREMENTS,
    STATEMENT_SHOW_SERIES,
    STATEMENT_SHOW_TAG_KEYS,
    STATEMENT_SHOW_TAG_VALUES,
    STATEMENT_SHOW_FIELD_KEYS,
    STATEMENT_SHOW_SERIES_CARDINALITY,
    STATEMENT_SHOW_MEASUREMENT_CARDINALITY,
    STATEMENT_SHOW_TAG_KEY_CARDINALITY,
    STATEMENT_SHOW_TAG_VALUES_CARDINALITY,
    STATEMENT_SHOW_FIELD_KEY_CARDINALITY,
    STATEMENT_SHOW_RETENTION_POLICIES,
    STATEMENT_SHOW_CONTINUOUS_QUERIES,
    STATEMENT_SHOW_SUBSCRIPTIONS,
    STATEMENT_SHOW_USERS,
    STATEMENT_SHOW_GRANTS,
    STATEMENT_SHOW_QUERIES,
    STATEMENT_SHOW_SHARDS,
    STATEMENT_SHOW_SHARD_GROUPS,
    STATEMENT_SHOW_STATS,
    STATEMENT_SHOW_DIAGNOSTICS,
    STATEMENT_KIND_COUNT,
};

struct explain_statement {
    struct select *select;
    bool analyze;
};

struct delete_statement { /* DELETE: one source or none. DROP SERIES: any number. No database, no policy in them */
    struct source *sources;
    size_t source_count;
    struct expr *condition; /* NULL: none */
};

struct drop_shard_statement {
    uint64_t id;
};

struct named_statement { /* DROP DATABASE/MEASUREMENT/USER, SHOW GRANTS FOR (name), SHOW STATS/DIAGNOSTICS (may be empty) */
    struct silt_str name;
};

struct on_database_statement { /* DROP RETENTION POLICY, DROP CONTINUOUS QUERY; SHOW RETENTION POLICIES (no name) */
    struct silt_str name, database;
};

struct create_database_statement {
    struct silt_str name;
    bool has_with;
    struct silt_str policy_name;      /* empty: not given */
    struct silt_policy_change policy; /* what stood behind WITH */
};

struct policy_statement { /* CREATE and ALTER RETENTION POLICY */
    struct silt_str name, database;
    struct silt_policy_change policy;
};

struct continuous_query_statement {
    struct silt_str name, database;
    struct select *select;
    int64_t resample_every_ns, resample_for_ns; /* 0: not given */
};

struct subscription_statement { /* DROP: no mode, no destinations */
    struct silt_str name, database, rp;
    struct silt_str mode; /* ALL, ANY */
    struct silt_str *destinations;
    size_t destination_count;
};

struct user_statement { /* CREATE USER, SET PASSWORD */
    struct silt_str name, password;
    bool admin;
};

enum privilege { PRIVILEGE_NONE = 0, PRIVILEGE_READ, PRIVILEGE_WRITE, PRIVILEGE_ALL };

struct grant_statement { /* GRANT, REVOKE; the _ADMIN kinds use user alone */
    enum privilege privilege;
    struct silt_str database, user;
};

struct kill_query_statement {
    uint64_t query_id;
    struct silt_str host; /* empty: not given */
};

/*
 * SHOW MEASUREMENTS, SERIES, TAG KEYS, TAG VALUES, FIELD KEYS and the five cardinalities; a kind without a clause
 * has its members empty.
 */
struct show_statement {
    struct silt_str database; /* ON; empty: not given */
    bool exact;               /* EXACT CARDINALITY */
    struct source *sources;   /* FROM. SHOW MEASUREMENTS: WITH MEASUREMENT, at most one */
    size_t source_count;
    enum expr_op key_op;      /* WITH KEY: EQ, NE, MATCH, NOT_MATCH, IN; else OP_NONE */
    struct expr *key;         /* STRING, REGEX or LIST */
    struct expr *condition;
    struct expr **dimensions; /* cardinalities: GROUP BY */
    size_t dimension_count;
    bool has_order_by, descending, order_named;
    int64_t limit, offset, slimit, soffset; /* 0: not given */
};

struct statement {
    enum statement_kind kind;
    struct silt_str source; /* the text as written, without the separator */
    union {
        struct select *select;
        struct explain_statement explain;
        struct delete_statement delete_points; /* DELETE, DROP SERIES */
        struct drop_shard_statement drop_shard;
        struct named_statement named;
        struct on_database_statement on_database;
        struct create_database_statement create_database;
        struct policy_statement policy;
        struct continuous_query_statement continuous_query;
        struct subscription_statement subscription;
        struct user_statement user;
        struct grant_statement grant;
        struct kill_query_statement kill_query;
        struct show_statement show;
    };
};

const char *statement_kind_name(enum statement_kind kind); /* "SHOW TAG VALUES" */

struct silt_query {
    struct silt_str text;
    struct statement *statements;
    size_t statement_count;
};

/* ---------------------------------------------------------------- printing (ast_print.c) */

/* Normalised InfluxQL at the end of the buffer. */
void expr_print(struct silt_buffer *out, const struct expr *expr);
void source_print(struct silt_buffer *out, const struct source *source);
void select_print(struct silt_buffer *out, const struct select *select);
void statement_print(struct silt_buffer *out, const struct statement *statement);
void ident_print(struct silt_buffer *out, struct silt_str name);         /* quoted when it has to be */
void string_print(struct silt_buffer *out, struct silt_str text);        /* 'text' */

struct silt_str expr_text(const struct expr *expr, struct silt_arena *arena);
struct silt_str select_text(const struct select *select, struct silt_arena *arena);
struct silt_str statement_text(const struct statement *statement, struct silt_arena *arena);

#endif
