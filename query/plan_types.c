/* plan_types.c - the types of names and expressions over all sources of a plan (plan.h), and whether they meet. */
#include "query/plan.h"

enum data_type plan_field_type(const struct plan_source *source, size_t field)
{
    return source->tag_columns && source->tag_columns[field] ? DATA_TAG : data_type_of(source->fields[field].type);
}

size_t plan_source_fields(const struct plan_source *source, struct silt_str name, size_t *end)
{
    size_t low = 0, high = source->field_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (silt_str_compare(source->fields[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*end = low; *end < source->field_count && silt_str_equal(source->fields[*end].name, name);)
        ++*end;
    return low;
}

bool plan_source_has_field(const struct plan_source *source, struct silt_str name)
{
    size_t end;

    return plan_source_fields(source, name, &end) < end;
}

bool plan_is_column(const struct plan *plan, struct silt_str name)
{
    for (size_t i = 0; i < plan->source_count; i++)
        if (plan->sources[i].pending && plan_source_has_field(&plan->sources[i], name))
            return true;
    return false;
}

bool plan_is_in_subquery(const struct plan *plan, struct silt_str name)
{
    for (size_t i = 0; i < plan->source_count; i++)
        for (size_t k = 0; plan->sources[i].pending && k < plan->sources[i].tag_key_count; k++)
            if (silt_str_equal(plan->sources[i].tag_keys[k], name))
                return true;
    return plan_is_column(plan, name);
}

enum data_type plan_type_of(const struct plan *plan, struct silt_str name)
{
    enum data_type best = DATA_UNKNOWN;

    if (silt_str_equal(name, SILT_STR("_name")) || silt_str_equal(name, SILT_STR("_tagKey")) ||
        silt_str_equal(name, SILT_STR("_seriesKey")))
        return DATA_TAG;
    for (size_t i = 0; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];
        size_t end;
        for (size_t k = plan_source_fields(source, name, &end); k < end; k++)
            if (data_type_rank(plan_field_type(source, k)) > data_type_rank(best))
                best = plan_field_type(source, k);
        if (best == DATA_UNKNOWN)
            for (size_t k = 0; k < source->tag_key_count; k++)
                if (silt_str_equal(source->tag_keys[k], name))
                    best = DATA_TAG;
    }
    return best;
}

void plan_assign_types(const struct plan *plan, struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_REF: {
        if (expr->ref.type != DATA_UNKNOWN && expr->ref.type != DATA_ANY_FIELD)
            return;
        enum data_type type = plan_type_of(plan, expr->ref.name);
        if (type == DATA_TAG && expr->ref.type == DATA_ANY_FIELD)
            return;
        expr->ref.type = type;
        return;
    }
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++)
            plan_assign_types(plan, expr->call.args[i]);
        return;
    case EXPR_BINARY:
        plan_assign_types(plan, expr->binary.left);
        plan_assign_types(plan, expr->binary.right);
        return;
    case EXPR_PAREN: plan_assign_types(plan, expr->paren); return;
    default: return;
    }
}

bool data_type_is_number(enum data_type type)
{
    return type == DATA_FLOAT || type == DATA_INTEGER || type == DATA_UNSIGNED;
}

enum silt_status plan_check_type(const struct plan *plan, const struct expr *expr, enum data_type *out, struct silt_error *err)
{
    enum silt_status rc;

    *out = DATA_UNKNOWN;
    switch (expr->kind) {
    case EXPR_REF: *out = expr->ref.type == DATA_ANY_FIELD ? DATA_UNKNOWN : expr->ref.type; return SILT_OK;
    case EXPR_INTEGER: *out = DATA_INTEGER; return SILT_OK;
    case EXPR_UNSIGNED: *out = DATA_UNSIGNED; return SILT_OK;
    case EXPR_NUMBER: *out = DATA_FLOAT; return SILT_OK;
    case EXPR_STRING: *out = DATA_STRING; return SILT_OK;
    case EXPR_BOOLEAN: *out = DATA_BOOLEAN; return SILT_OK;
    case EXPR_PAREN: return plan_check_type(plan, expr->paren, out, err);
    case EXPR_CALL: {
        enum data_type arg = DATA_UNKNOWN;
        enum data_type second = DATA_UNKNOWN;
        for (size_t i = 0; i < expr->call.arg_count; i++) {
            enum data_type type;
            if ((rc = plan_check_type(plan, expr->call.args[i], &type, err)) != SILT_OK)
                return rc;
            arg = i == 0 ? type : arg;
            second = i == 1 ? type : second;
        }
        const struct function *function = function_find(expr->call.name);
        if (function) {
            *out = function->gives != DATA_UNKNOWN ? function->gives : arg;
            return SILT_OK;
        }
        *out = arg; /* a mathematical function counts as giving what it is given, whatever it gives */
        switch (math_function_of(expr->call.name)) {
        case MATH_ABS:
        case MATH_FLOOR:
        case MATH_CEIL:
        case MATH_ROUND: break;
        default: *out = arg == DATA_UNKNOWN ? DATA_FLOAT : arg; /* but floats of a name that is nothing */
        }
        bool looks = math_function_of(expr->call.name) == MATH_POW || math_function_of(expr->call.name) == MATH_ATAN2;
        if (arg == DATA_UNKNOWN && looks && second != DATA_UNKNOWN && !data_type_is_number(second))
            return silt_fail(err, SILT_INVALID, "invalid argument type for the second argument in %.*s(): %s",
                             SILT_FMT(expr->call.name), data_type_name(second));
        return SILT_OK;
    }
    case EXPR_BINARY: {
        enum data_type left, right;
        enum expr_op op = expr->binary.op;
        if ((rc = plan_check_type(plan, expr->binary.left, &left, err)) != SILT_OK ||
            (rc = plan_check_type(plan, expr->binary.right, &right, err)) != SILT_OK)
            return rc;
        if (left == DATA_UNKNOWN || right == DATA_UNKNOWN) {
            *out = left == DATA_UNKNOWN ? right : left;
            return SILT_OK;
        }
        if ((left == DATA_UNSIGNED && right == DATA_INTEGER) || (left == DATA_INTEGER && right == DATA_UNSIGNED)) {
            /* only an integer literal becomes unsigned by itself */
            const struct expr *integer = left == DATA_INTEGER ? expr->binary.left : expr->binary.right;
            const struct expr *other = left == DATA_INTEGER ? expr->binary.right : expr->binary.left;
            struct silt_str text = expr_text(expr, plan->exec->arena);
            if (is_literal(other))
                return silt_fail(err, SILT_INVALID, "type error: %.*s: cannot use %s with an integer and unsigned literal",
                                 SILT_FMT(text), expr_op_text(op));
            if (!is_literal(integer))
                return silt_fail(
                    err, SILT_INVALID,
                    "type error: %.*s: cannot use %s between an integer and unsigned, an explicit cast is required",
                    SILT_FMT(text), expr_op_text(op));
        }
        bool bits = op == OP_BIT_AND || op == OP_BIT_OR || op == OP_BIT_XOR;
        bool fits = bits ? left == DATA_BOOLEAN || /* beside which anything is false */
                               (left == right && (left == DATA_INTEGER || left == DATA_UNSIGNED)) ||
                               (left != right && data_type_is_number(left) && data_type_is_number(right) && left != DATA_FLOAT &&
                                right != DATA_FLOAT)
                         : data_type_is_number(left) && data_type_is_number(right);
        if (!fits) {
            struct silt_str text = expr_text(expr, plan->exec->arena);
            return silt_fail(err, SILT_INVALID, "type error: %.*s: incompatible types: %s and %s", SILT_FMT(text),
                             data_type_name(left), data_type_name(right));
        }
        if (bits)
            *out = left == DATA_BOOLEAN ? DATA_BOOLEAN : left == right ? left : DATA_UNSIGNED;
        else if (left == DATA_FLOAT || right == DATA_FLOAT)
            *out = DATA_FLOAT;
        else /* a quotient of integers too: it is shown as a float, but a subquery hands it on as an integer */
            *out = left == right ? left : DATA_UNSIGNED;
        return SILT_OK;
    }
    default: return SILT_OK;
    }
}

/* A name cast to ::field has no type in its own statement; the one around it goes by what the name is. */
static void resolve_any_field(const struct plan *plan, struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_REF:
        if (expr->ref.type == DATA_ANY_FIELD)
            expr->ref.type = plan_type_of(plan, expr->ref.name);
        return;
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++)
            resolve_any_field(plan, expr->call.args[i]);
        return;
    case EXPR_BINARY:
        resolve_any_field(plan, expr->binary.left);
        resolve_any_field(plan, expr->binary.right);
        return;
    case EXPR_PAREN: resolve_any_field(plan, expr->paren); return;
    default: return;
    }
}

enum data_type plan_outer_type(const struct plan *plan, size_t field)
{
    struct expr *copy;

    if (plan->output_types[field] != DATA_UNKNOWN)
        return plan->output_types[field];
    copy = expr_clone(plan->fields[field].expr, plan->exec->arena);
    resolve_any_field(plan, copy);
    return plan_expr_type(plan, copy);
}

enum data_type plan_expr_type(const struct plan *plan, const struct expr *expr)
{
    enum data_type type;

    return plan_check_type(plan, expr, &type, NULL) == SILT_OK ? type : DATA_UNKNOWN;
}
