/*
 * plan_filter.c - WHERE of a plan (plan_make_filter of plan.h): tests of tags, told to the source as far as it can check
 * them by itself, and an expression over slots for the rest.
 */
#include "query/plan.h"
#include "query/schema_view.h"

/*
 * Whether a name that is unknown in the range and policy of the statement is a field in any other: then it is a field
 * without a value here, and no tag that is missing.
 */
static bool is_field_elsewhere(struct plan *plan, struct silt_str name)
{
    struct silt_error ignored = {0}; /* what cannot be opened here has no fields here */
    bool found = false;

    for (size_t i = 0; i < plan->source_count && !found; i++) {
        const struct plan_source *source = &plan->sources[i];
        struct schema_view view;
        struct silt_field *fields;
        size_t count;
        if (source->pending || source->in_memory)
            continue;
        if (schema_view_open(plan->exec, source->database, (struct silt_str){0}, true, SILT_TIME_MIN, SILT_TIME_MAX, &view,
                             &ignored) == SILT_OK &&
            schema_fields(&view, source->name, &fields, &count, &ignored) == SILT_OK)
            for (size_t k = 0; k < count && !found; k++)
                found = silt_str_equal(fields[k].name, name);
        schema_view_close(&view);
    }
    return found;
}

/* A column of a subquery that shows a tag is not one. */
static bool is_tag_ref(struct plan *plan, const struct expr *expr)
{
    if (expr->kind != EXPR_REF || plan_is_column(plan, expr->ref.name))
        return false;
    return expr->ref.type == DATA_TAG ||
           (expr->ref.type == DATA_UNKNOWN && !is_field_elsewhere(plan, expr->ref.name));
}

static const struct expr *strip(const struct expr *expr)
{
    while (expr->kind == EXPR_PAREN)
        expr = expr->paren;
    return expr;
}

/* Names that tests of data take, without a meaning there. */
static bool is_schema_name(struct silt_str name)
{
    return silt_str_equal(name, SILT_STR("_tagKey")) || silt_str_equal(name, SILT_STR("_seriesKey"));
}

/* tag op (string | regex | tag), either way round; false: something for the rows. */
static bool as_tag_test(struct plan *plan, const struct expr *expr, struct slot *out)
{
    if (expr->kind != EXPR_BINARY)
        return false;
    const struct expr *left = expr->binary.left, *right = expr->binary.right;
    if (left->kind != EXPR_REF) {
        const struct expr *swap = left;
        left = right;
        right = swap;
    }
    if (!is_tag_ref(plan, left))
        return false;
    *out = (struct slot){.kind = SLOT_TAG_TEST, .name = left->ref.name, .op = expr->binary.op};
    if (right->kind == EXPR_STRING) {
        out->value = right->string;
        return true;
    }
    if (right->kind == EXPR_REGEX) {
        out->regex = exec_regex(plan->exec, right->regex);
        return true;
    }
    if (is_tag_ref(plan, right)) {
        out->value = right->ref.name;
        out->against_tag = true;
        return true;
    }
    if (is_schema_name(left->ref.name) && out->op >= OP_EQ && out->op <= OP_GE) {
        out->op = OP_LT; /* no tag passes it */
        return true;
    }
    return false;
}

struct filter_binder {
    struct plan *plan;
    const struct expr *all;
    bool stored; /* some source is no subquery */
};

/*
 * Whether the names read for a condition include this one: InfluxDB looks for them in every operand, but within a call
 * only at the arguments themselves. log10(i - 1) is nothing unless i stands elsewhere as well.
 */
static bool is_read(const struct expr *expr, struct silt_str name)
{
    switch (expr->kind) {
    case EXPR_REF: return silt_str_equal(expr->ref.name, name);
    case EXPR_PAREN: return is_read(expr->paren, name);
    case EXPR_BINARY: return is_read(expr->binary.left, name) || is_read(expr->binary.right, name);
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++)
            if (expr->call.args[i]->kind == EXPR_REF && silt_str_equal(expr->call.args[i]->ref.name, name))
                return true;
        return false;
    default: return false;
    }
}

static int64_t bind_filter(void *arg, const struct expr *expr)
{
    struct filter_binder *binder = arg;
    struct plan *plan = binder->plan;
    struct slot test;

    if (expr->kind == EXPR_CALL && !binder->stored)
        return -1; /* over a subquery's rows functions are not known */
    if (expr->kind == EXPR_REF && expr->ref.type == DATA_UNKNOWN && plan_is_column(plan, expr->ref.name))
        return plan_add_slot(plan, &(struct slot){.kind = SLOT_FIELD, .name = expr->ref.name, .type = DATA_STRING}); /* null */
    if (expr->kind == EXPR_REF)
        return is_read(binder->all, expr->ref.name) ? plan_slot_of_ref(plan, expr) : -1;
    if (as_tag_test(plan, expr, &test))
        return plan_add_slot(plan, &test);
    return -2;
}

static bool match_regex(const void *regex, struct silt_str value)
{
    return silt_regex_match(regex, value);
}

/* What the source can check; *exact is cleared when that is less than what is asked. */
static struct silt_tag_filter *push_down(struct plan *plan, const struct expr *expr, bool *exact)
{
    struct silt_tag_filter *filter = silt_arena_zalloc(plan->exec->arena, sizeof(*filter));
    struct slot test;

    expr = strip(expr);
    filter->op = SILT_TAG_TRUE;
    if (expr->kind == EXPR_BOOLEAN) {
        filter->op = expr->boolean ? SILT_TAG_TRUE : SILT_TAG_FALSE;
        return filter;
    }
    if (expr->kind == EXPR_BINARY && (expr->binary.op == OP_AND || expr->binary.op == OP_OR)) {
        filter->op = expr->binary.op == OP_AND ? SILT_TAG_AND : SILT_TAG_OR;
        filter->left = push_down(plan, expr->binary.left, exact);
        filter->right = push_down(plan, expr->binary.right, exact);
        return filter;
    }
    if (!as_tag_test(plan, expr, &test) || test.against_tag || silt_str_equal(test.name, SILT_STR("_name")) ||
        is_schema_name(test.name)) {
        *exact = false;
        return filter;
    }
    filter->key = test.name;
    filter->value = test.value;
    filter->match = match_regex;
    filter->match_arg = test.regex;
    filter->match_cost = test.regex ? silt_regex_cost(test.regex) : 0;
    if (test.regex)
        filter->op = test.op == OP_MATCH ? SILT_TAG_MATCH : test.op == OP_NOT_MATCH ? SILT_TAG_NOT_MATCH : SILT_TAG_FALSE;
    else
        filter->op = test.op == OP_EQ ? SILT_TAG_EQ : test.op == OP_NE ? SILT_TAG_NE : SILT_TAG_FALSE;
    return filter;
}

/* A bare sum or the like stands for true, but for false where it is of a tag and a text or a tag. */
static struct expr *without_bare_arithmetic(struct plan *plan, struct expr *expr)
{
    if (expr->kind == EXPR_PAREN) {
        expr->paren = without_bare_arithmetic(plan, expr->paren);
    } else if (expr->kind == EXPR_BINARY) {
        enum expr_op op = expr->binary.op;
        if (op == OP_AND || op == OP_OR) {
            expr->binary.left = without_bare_arithmetic(plan, expr->binary.left);
            expr->binary.right = without_bare_arithmetic(plan, expr->binary.right);
        } else if (op >= OP_ADD) {
            struct expr *yes = expr_new(plan->exec->arena, EXPR_BOOLEAN);
            struct slot test;
            yes->boolean = !as_tag_test(plan, expr, &test);
            return yes;
        }
    }
    return expr;
}

void plan_make_filter(struct plan *plan)
{
    if (!plan->compiled->condition.rest)
        return;
    struct expr *rest = expr_clone(plan->compiled->condition.rest, plan->exec->arena);
    bool exact = true;

    plan_assign_types(plan, rest);
    bool stored = false; /* in a subquery's rows a number is not true */
    for (size_t i = 0; i < plan->source_count; i++)
        stored = stored || !plan->sources[i].pending;
    if (stored)
        rest = without_bare_arithmetic(plan, rest);
    struct filter_binder binder = {plan, rest, stored};
    plan->filter = eval_compile(plan->exec, rest, bind_filter, &binder);
    plan->tag_filter = push_down(plan, rest, &exact);
    plan->filter_is_exact = exact;
}
