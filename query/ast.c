/*
 * ast.c - makes and copies nodes, and knows the names of kinds.
 */
#include "query/ast.h"

const char *data_type_name(enum data_type type)
{
    static const char *const names[] = {
        [DATA_UNKNOWN] = "unknown", [DATA_FLOAT] = "float",     [DATA_INTEGER] = "integer",   [DATA_UNSIGNED] = "unsigned",
        [DATA_STRING] = "string",   [DATA_BOOLEAN] = "boolean", [DATA_TIME] = "time",         [DATA_DURATION] = "duration",
        [DATA_TAG] = "tag",         [DATA_ANY_FIELD] = "field",
    };
    return names[type];
}

static const struct {
    const char *text;
    int precedence;
} ops[OP_COUNT] = {
    [OP_NONE] = {"", 0},   [OP_OR] = {"OR", 1},     [OP_AND] = {"AND", 2},      [OP_EQ] = {"=", 3},
    [OP_NE] = {"!=", 3},   [OP_MATCH] = {"=~", 3},  [OP_NOT_MATCH] = {"!~", 3}, [OP_LT] = {"<", 3},
    [OP_LE] = {"<=", 3},   [OP_GT] = {">", 3},      [OP_GE] = {">=", 3},        [OP_ADD] = {"+", 4},
    [OP_SUB] = {"-", 4},   [OP_BIT_OR] = {"|", 4},  [OP_BIT_XOR] = {"^", 4},    [OP_MUL] = {"*", 5},
    [OP_DIV] = {"/", 5},   [OP_MOD] = {"%", 5},     [OP_BIT_AND] = {"&", 5},    [OP_IN] = {"IN", 3},
};

const char *expr_op_text(enum expr_op op)
{
    return ops[op].text;
}

int expr_op_precedence(enum expr_op op)
{
    return ops[op].precedence;
}

const char *statement_kind_name(enum statement_kind kind)
{
    static const char *const names[STATEMENT_KIND_COUNT] = {
        [STATEMENT_SELECT] = "SELECT",
        [STATEMENT_EXPLAIN] = "EXPLAIN",
        [STATEMENT_DELETE] = "DELETE",
        [STATEMENT_DROP_SERIES] = "DROP SERIES",
        [STATEMENT_DROP_MEASUREMENT] = "DROP MEASUREMENT",
        [STATEMENT_DROP_SHARD] = "DROP SHARD",
        [STATEMENT_CREATE_DATABASE] = "CREATE DATABASE",
        [STATEMENT_DROP_DATABASE] = "DROP DATABASE",
        [STATEMENT_CREATE_RETENTION_POLICY] = "CREATE RETENTION POLICY",
        [STATEMENT_ALTER_RETENTION_POLICY] = "ALTER RETENTION POLICY",
        [STATEMENT_DROP_RETENTION_POLICY] = "DROP RETENTION POLICY",
        [STATEMENT_CREATE_CONTINUOUS_QUERY] = "CREATE CONTINUOUS QUERY",
        [STATEMENT_DROP_CONTINUOUS_QUERY] = "DROP CONTINUOUS QUERY",
        [STATEMENT_CREATE_SUBSCRIPTION] = "CREATE SUBSCRIPTION",
        [STATEMENT_DROP_SUBSCRIPTION] = "DROP SUBSCRIPTION",
        [STATEMENT_CREATE_USER] = "CREATE USER",
        [STATEMENT_DROP_USER] = "DROP USER",
        [STATEMENT_SET_PASSWORD] = "SET PASSWORD",
        [STATEMENT_GRANT] = "GRANT",
        [STATEMENT_GRANT_ADMIN] = "GRANT",
        [STATEMENT_REVOKE] = "REVOKE",
        [STATEMENT_REVOKE_ADMIN] = "REVOKE",
        [STATEMENT_KILL_QUERY] = "KILL QUERY",
        [STATEMENT_SHOW_DATABASES] = "SHOW DATABASES",
        [STATEMENT_SHOW_MEASUREMENTS] = "SHOW MEASUREMENTS",
        [STATEMENT_SHOW_SERIES] = "SHOW SERIES",
        [STATEMENT_SHOW_TAG_KEYS] = "SHOW TAG KEYS",
        [STATEMENT_SHOW_TAG_VALUES] = "SHOW TAG VALUES",
        [STATEMENT_SHOW_FIELD_KEYS] = "SHOW FIELD KEYS",
        [STATEMENT_SHOW_SERIES_CARDINALITY] = "SHOW SERIES CARDINALITY",
        [STATEMENT_SHOW_MEASUREMENT_CARDINALITY] = "SHOW MEASUREMENT CARDINALITY",
        [STATEMENT_SHOW_TAG_KEY_CARDINALITY] = "SHOW TAG KEY CARDINALITY",
        [STATEMENT_SHOW_TAG_VALUES_CARDINALITY] = "SHOW TAG VALUES CARDINALITY",
        [STATEMENT_SHOW_FIELD_KEY_CARDINALITY] = "SHOW FIELD KEY CARDINALITY",
        [STATEMENT_SHOW_RETENTION_POLICIES] = "SHOW RETENTION POLICIES",
        [STATEMENT_SHOW_CONTINUOUS_QUERIES] = "SHOW CONTINUOUS QUERIES",
        [STATEMENT_SHOW_SUBSCRIPTIONS] = "SHOW SUBSCRIPTIONS",
        [STATEMENT_SHOW_USERS] = "SHOW USERS",
        [STATEMENT_SHOW_GRANTS] = "SHOW GRANTS",
        [STATEMENT_SHOW_QUERIES] = "SHOW QUERIES",
        [STATEMENT_SHOW_SHARDS] = "SHOW SHARDS",
        [STATEMENT_SHOW_SHARD_GROUPS] = "SHOW SHARD GROUPS",
        [STATEMENT_SHOW_STATS] = "SHOW STATS",
        [STATEMENT_SHOW_DIAGNOSTICS] = "SHOW DIAGNOSTICS",
    };
    return names[kind];
}

struct expr *expr_new(struct silt_arena *arena, enum expr_kind kind)
{
    struct expr *expr = silt_arena_zalloc(arena, sizeof *expr);
    expr->kind = kind;
    return expr;
}

struct expr *expr_new_ref(struct silt_arena *arena, struct silt_str name, enum data_type type)
{
    struct expr *expr = expr_new(arena, EXPR_REF);
    expr->depth = 1;
    expr->ref.name = name;
    expr->ref.type = type;
    return expr;
}

struct expr *expr_new_binary(struct silt_arena *arena, enum expr_op op, struct expr *left, struct expr *right)
{
    struct expr *expr = expr_new(arena, EXPR_BINARY);
    expr->depth = 1 + (left->depth > right->depth ? left->depth : right->depth);
    expr->binary.op = op;
    expr->binary.left = left;
    expr->binary.right = right;
    return expr;
}

static struct expr **clone_list(struct expr *const *exprs, size_t count, struct silt_arena *arena)
{
    struct expr **copy = count ? silt_arena_alloc(arena, count * sizeof *copy) : NULL;
    for (size_t i = 0; i < count; i++)
        copy[i] = expr_clone(exprs[i], arena);
    return copy;
}

struct expr *expr_clone(const struct expr *expr, struct silt_arena *arena)
{
    if (!expr)
        return NULL;
    struct expr *copy = silt_arena_alloc(arena, sizeof *copy);
    *copy = *expr;
    switch (expr->kind) {
    case EXPR_BINARY:
        copy->binary.left = expr_clone(expr->binary.left, arena);
        copy->binary.right = expr_clone(expr->binary.right, arena);
        break;
    case EXPR_PAREN:
        copy->paren = expr_clone(expr->paren, arena);
        break;
    case EXPR_CALL:
        copy->call.args = clone_list(expr->call.args, expr->call.arg_count, arena);
        break;
    default:
        break;
    }
    return copy;
}

struct select *select_clone(const struct select *select, struct silt_arena *arena)
{
    struct select *copy = silt_arena_alloc(arena, sizeof *copy);

    *copy = *select;
    copy->fields = silt_arena_alloc(arena, select->field_count * sizeof *copy->fields);
    for (size_t i = 0; i < select->field_count; i++) {
        copy->fields[i] = select->fields[i];
        copy->fields[i].expr = expr_clone(select->fields[i].expr, arena);
    }
    if (select->into) {
        copy->into = silt_arena_alloc(arena, sizeof *copy->into);
        *copy->into = *select->into;
    }
    copy->sources = silt_arena_alloc(arena, select->source_count * sizeof *copy->sources);
    for (size_t i = 0; i < select->source_count; i++) {
        copy->sources[i] = select->sources[i];
        if (select->sources[i].kind == SOURCE_SUBQUERY)
            copy->sources[i].subquery = select_clone(select->sources[i].subquery, arena);
    }
    copy->condition = expr_clone(select->condition, arena);
    copy->dimensions = clone_list(select->dimensions, select->dimension_count, arena);
    return copy;
}

static void mark_exact(struct expr *expr)
{
    if (!expr)
        return;
    switch (expr->kind) {
    case EXPR_NUMBER: expr->exact = true; return;
    case EXPR_BINARY:
        mark_exact(expr->binary.left);
        mark_exact(expr->binary.right);
        return;
    case EXPR_PAREN: mark_exact(expr->paren); return;
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++)
            mark_exact(expr->call.args[i]);
        return;
    default: return;
    }
}

void select_mark_exact(struct select *select)
{
    for (size_t i = 0; i < select->field_count; i++)
        mark_exact(select->fields[i].expr);
    for (size_t i = 0; i < select->source_count; i++)
        if (select->sources[i].kind == SOURCE_SUBQUERY)
            select_mark_exact(select->sources[i].subquery);
    mark_exact(select->condition);
    for (size_t i = 0; i < select->dimension_count; i++)
        mark_exact(select->dimensions[i]);
}
