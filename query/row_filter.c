/*
 * row_filter.c - see the header.
 *
 *     condition             f = 1 OR host > 'a' OR dc != 'x'      (f is a field)
 *     without what fails    false OR false      OR dc != 'x'
 *     of tag values         ... AND dc is there
 */
#include "query/row_filter.h"

struct binder {
    struct exec *exec;
    const struct name_index *fields;
};

enum silt_status field_names_add(struct name_index *names, const struct schema_view *view, struct silt_str measurement,
                                 struct silt_error *err)
{
    struct silt_arena *arena = view->exec->arena;
    struct silt_field *fields;
    size_t count;
    enum silt_status rc = schema_fields(view, measurement, &fields, &count, err);

    for (size_t i = 0; rc == SILT_OK && i < count; i++)
        name_index_add(names, fields[i].name, arena);
    return rc == SILT_OK && silt_arena_exceeded(arena) ? silt_fail(err, SILT_LIMIT, "query memory limit exceeded") : rc;
}

static struct expr *make_boolean(const struct binder *b, bool value)
{
    struct expr *expr = expr_new(b->exec->arena, EXPR_BOOLEAN);
    expr->boolean = value;
    return expr;
}

static bool of_tag(const struct binder *b, const struct expr *ref)
{
    if (silt_str_equal(ref->ref.name, SILT_STR("_name")) || ref->ref.type == DATA_TAG)
        return true;
    return ref->ref.type == DATA_UNKNOWN && name_index_find(b->fields, ref->ref.name) == NAME_NONE;
}

static bool can_pass(const struct binder *b, const struct expr *expr)
{
    const struct expr *name = expr->binary.left, *value = expr->binary.right;

    if (name->kind != EXPR_REF) {
        name = expr->binary.right;
        value = expr->binary.left;
    }
    if (name->kind != EXPR_REF || !of_tag(b, name))
        return false;
    switch (expr->binary.op) {
    case OP_EQ:
    case OP_NE: return value->kind == EXPR_STRING || (value->kind == EXPR_REF && of_tag(b, value));
    case OP_MATCH:
    case OP_NOT_MATCH: return value->kind == EXPR_REGEX;
    default: return false;
    }
}

/* The condition with false for every test that no series passes. */
static struct expr *without_failing(const struct binder *b, const struct expr *expr)
{
    while (expr->kind == EXPR_PAREN)
        expr = expr->paren;
    if (expr->kind == EXPR_BOOLEAN)
        return make_boolean(b, expr->boolean);
    if (expr->kind != EXPR_BINARY)
        return make_boolean(b, false);
    if (expr->binary.op == OP_AND || expr->binary.op == OP_OR)
        return expr_new_binary(b->exec->arena, expr->binary.op, without_failing(b, expr->binary.left),
                               without_failing(b, expr->binary.right));
    return can_pass(b, expr) ? expr_clone(expr, b->exec->arena) : make_boolean(b, false);
}

static struct silt_tag_filter *only_present(struct exec *exec, const struct silt_tag_filter *filter)
{
    struct silt_tag_filter *both, *present;

    switch (filter->op) {
    case SILT_TAG_TRUE:
    case SILT_TAG_FALSE:
    case SILT_TAG_AND:
    case SILT_TAG_OR:
        both = silt_arena_alloc(exec->arena, sizeof(*both));
        *both = *filter;
        if (!filter->left)
            return both;
        both->left = only_present(exec, filter->left);
        both->right = only_present(exec, filter->right);
        return both;
    default: break;
    }
    both = silt_arena_zalloc(exec->arena, sizeof(*both));
    if (silt_str_equal(filter->key, SILT_STR("_name"))) {
        both->op = SILT_TAG_FALSE;
        return both;
    }
    present = silt_arena_zalloc(exec->arena, sizeof(*present));
    *present = (struct silt_tag_filter){.op = SILT_TAG_NE, .key = filter->key};
    *both = (struct silt_tag_filter){.op = SILT_TAG_AND, .left = filter, .right = present};
    return both;
}

enum silt_status row_filter(struct exec *exec, const struct expr *condition, bool values, const struct name_index *fields,
                            struct silt_tag_filter **out, struct silt_error *err)
{
    struct binder binder = {exec, fields};
    enum silt_status rc = SILT_OK;

    *out = NULL;
    if (condition)
        rc = schema_tag_filter(exec, without_failing(&binder, condition), out, err);
    if (rc == SILT_OK && *out && values)
        *out = only_present(exec, *out);
    return rc;
}
