/* compile.c - implements compile.h. */
#include "query/compile.h"

#include "query/eval.h"
#include "query/functions.h"

#include <stdio.h>

struct compiler {
    struct exec *exec;
    struct compiled *out;
    struct silt_error *err;
};

static enum silt_status check_expr(struct compiler *c, const struct expr *expr);

#define REFUSE(...) silt_fail(c->err, SILT_INVALID, __VA_ARGS__)

static struct silt_str text_of(struct compiler *c, const struct expr *expr)
{
    return expr_text(expr, c->exec->arena);
}

/* ---------------------------------------------------------------- calls */

static enum silt_status check_symbol(struct compiler *c, const char *name, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_REF: return SILT_OK;
    case EXPR_WILDCARD:
        if (!c->out->allow_wildcard)
            return REFUSE("unsupported expression with wildcard: %s()", name);
        c->out->only_selectors = false;
        c->out->has_wildcard = true;
        return SILT_OK;
    case EXPR_REGEX:
        if (!c->out->allow_wildcard)
            return REFUSE("unsupported expression with regex field: %s()", name);
        c->out->only_selectors = false;
        c->out->has_wildcard = true;
        return SILT_OK;
    default: return REFUSE("expected field argument in %s()", name);
    }
}

static enum silt_status check_distinct(struct compiler *c, struct expr *const *args, size_t arg_count, bool nested)
{
    if (arg_count == 0)
        return REFUSE("distinct function requires at least one argument");
    if (arg_count != 1)
        return REFUSE("distinct function can only have one argument");
    if (args[0]->kind != EXPR_REF)
        return REFUSE("expected field argument in distinct()");
    if (!nested)
        c->out->has_distinct = true;
    c->out->only_selectors = false;
    return SILT_OK;
}

static bool is_distinct_call(const struct expr *expr)
{
    return expr->kind == EXPR_CALL && silt_str_equal(expr->call.name, SILT_STR("distinct"));
}

static enum silt_status check_nested(struct compiler *c, const struct expr *expr)
{
    if (is_distinct_call(expr))
        return check_distinct(c, expr->call.args, expr->call.arg_count, true);
    if (expr->kind == EXPR_DISTINCT)
        return SILT_OK;
    return check_expr(c, expr);
}

static enum silt_status check_top_bottom(struct compiler *c, const struct function *function, const struct expr *expr)
{
    const char *name = function->name;
    size_t count = expr->call.arg_count;

    if (c->out->top_bottom)
        return REFUSE("selector function %s() cannot be combined with other functions", c->out->top_bottom);
    if (count < 2)
        return REFUSE("invalid number of arguments for %s, expected at least %d, got %zu", name, 2, count);

    const struct expr *last = expr->call.args[count - 1], *first = expr->call.args[0];
    int64_t limit = c->out->select->limit;
    if (last->kind != EXPR_INTEGER)
        return REFUSE("expected integer as last argument in %s(), found %.*s", name, SILT_FMT(text_of(c, last)));
    if (last->integer <= 0)
        return REFUSE("limit (%lld) in %s function must be at least 1", (long long)last->integer, name);
    if (limit > 0 && last->integer > limit)
        return REFUSE("limit (%lld) in %s function can not be larger than the LIMIT (%lld) in the select statement",
                      (long long)last->integer, name, (long long)limit);
    if (first->kind != EXPR_REF)
        return REFUSE("expected first argument to be a field in %s(), found %.*s", name, SILT_FMT(text_of(c, first)));
    for (size_t i = 1; i + 1 < count; i++)
        if (expr->call.args[i]->kind != EXPR_REF)
            return REFUSE("only fields or tags are allowed in %s(), found %.*s", name,
                          SILT_FMT(text_of(c, expr->call.args[i])));
    c->out->top_bottom = name;
    return SILT_OK;
}

/* The first argument of a transformation: a field, or a nested call that then needs an interval. */
static enum silt_status check_transformed(struct compiler *c, const char *name, const struct expr *arg, bool technical)
{
    if (arg->kind == EXPR_CALL || arg->kind == EXPR_DISTINCT) {
        if (c->out->windows.interval == 0)
            return REFUSE("%s aggregate requires a GROUP BY interval", name);
        return technical ? check_expr(c, arg) : check_nested(c, arg); /* of the former even distinct() counts by itself */
    }
    if (c->out->windows.interval != 0 && !c->out->inherited_interval)
        return REFUSE("aggregate function required inside the call to %s", name);
    return check_symbol(c, name, arg);
}

static enum silt_status check_duration(struct compiler *c, const struct expr *arg, const char *wrong_type)
{
    if (arg->kind != EXPR_DURATION)
        return REFUSE("%s", wrong_type);
    if (arg->integer <= 0) {
        char text[SILT_NUMBER_TEXT_MAX];
        size_t len = silt_write_duration(text, arg->integer);
        return REFUSE("duration argument must be positive, got %.*s", (int)len, text);
    }
    return SILT_OK;
}

static enum silt_status check_holt_winters(struct compiler *c, const char *name, struct expr *const *args)
{
    if (args[1]->kind != EXPR_INTEGER)
        return REFUSE("expected integer argument as second arg in %s", name);
    if (args[1]->integer <= 0)
        return REFUSE("second arg to %s must be greater than 0, got %lld", name, (long long)args[1]->integer);
    if (args[2]->kind != EXPR_INTEGER)
        return REFUSE("expected integer argument as third arg in %s", name);
    if (args[2]->integer < 0)
        return REFUSE("third arg to %s cannot be negative, got %lld", name, (long long)args[2]->integer);
    if (args[0]->kind != EXPR_CALL)
        return REFUSE("must use aggregate function with %s", name);
    if (c->out->windows.interval == 0)
        return REFUSE("%s aggregate requires a GROUP BY interval", name);
    return check_nested(c, args[0]);
}

static enum silt_status check_technical(struct compiler *c, const struct function *function, struct expr *const *args,
                                        size_t count)
{
    const char *name = function->name;

    if (args[1]->kind != EXPR_INTEGER)
        return REFUSE("%s period must be an integer", name);
    if (args[1]->integer <= 0)
        return REFUSE("%s period must be greater than or equal to 1", name);
    if (count >= 3) {
        int64_t least = function->id == FN_TRIX ? 1 : 0;
        if (args[2]->kind != EXPR_INTEGER)
            return REFUSE("%s hold period must be an integer", name);
        if (args[2]->integer < least && args[2]->integer != -1)
            return REFUSE("%s hold period must be greater than or equal to %d", name, (int)least);
    }
    if (count >= 4) {
        bool cmo = function->id == FN_CMO;
        if (args[3]->kind != EXPR_STRING)
            return REFUSE("%s warmup type must be a string", name);
        if (!silt_str_equal(args[3]->string, SILT_STR("exponential")) &&
            !silt_str_equal(args[3]->string, SILT_STR("simple")) &&
            !(cmo && silt_str_equal(args[3]->string, SILT_STR("none"))))
            return REFUSE("%s warmup type must be one of: %s'exponential' 'simple'", name, cmo ? "'none' " : "");
    }
    return SILT_OK;
}

static enum silt_status check_arg_count(struct compiler *c, const struct function *function, size_t got)
{
    if (got >= function->min_args && got <= function->max_args)
        return SILT_OK;
    if (function->min_args == function->max_args)
        return REFUSE("invalid number of arguments for %s, expected %d, got %zu", function->name, function->min_args, got);
    return REFUSE("invalid number of arguments for %s, expected at least %d but no more than %d, got %zu", function->name,
                  function->min_args, function->max_args, got);
}

static enum silt_status check_call(struct compiler *c, const struct expr *expr)
{
    const struct function *function = function_find(expr->call.name);
    struct expr *const *args = expr->call.args;
    size_t count = expr->call.arg_count;
    enum silt_status rc;

    c->out->call_count++;
    if (!function)
        return REFUSE("undefined function %.*s()", SILT_FMT(expr->call.name));
    if (function->id == FN_TOP || function->id == FN_BOTTOM)
        return check_top_bottom(c, function, expr);
    if (function->id == FN_DISTINCT)
        return check_distinct(c, args, count, false);
    if ((rc = check_arg_count(c, function, count)) != SILT_OK)
        return rc;
    if (!function->selector)
        c->out->only_selectors = false;

    char text[160];
    switch (function->id) {
    case FN_PERCENTILE:
        if (args[1]->kind != EXPR_INTEGER && args[1]->kind != EXPR_NUMBER)
            return REFUSE("expected float argument in percentile()");
        return check_symbol(c, function->name, args[0]);
    case FN_SAMPLE:
        if (args[1]->kind != EXPR_INTEGER)
            return REFUSE("expected integer argument in sample()");
        if (args[1]->integer <= 0)
            return REFUSE("sample window must be greater than 1, got %lld", (long long)args[1]->integer);
        return check_symbol(c, function->name, args[0]);
    case FN_INTEGRAL:
        if (count == 2 && (rc = check_duration(c, args[1], "second argument must be a duration")) != SILT_OK)
            return rc;
        return check_symbol(c, function->name, args[0]);
    case FN_DERIVATIVE:
    case FN_NON_NEGATIVE_DERIVATIVE:
    case FN_ELAPSED:
        if (count == 2) {
            snprintf(text, sizeof(text), "second argument to %s must be a duration, got %s", function->name,
                     expr_go_type(args[1]));
            if ((rc = check_duration(c, args[1], text)) != SILT_OK)
                return rc;
        }
        return check_transformed(c, function->name, args[0], false);
    case FN_DIFFERENCE:
    case FN_NON_NEGATIVE_DIFFERENCE:
    case FN_CUMULATIVE_SUM: return check_transformed(c, function->name, args[0], false);
    case FN_MOVING_AVERAGE:
        if (args[1]->kind != EXPR_INTEGER)
            return REFUSE("second argument for moving_average must be an integer, got %s", expr_go_type(args[1]));
        if (args[1]->integer <= 1)
            return REFUSE("moving_average window must be greater than 1, got %lld", (long long)args[1]->integer);
        return check_transformed(c, function->name, args[0], false);
    case FN_HOLT_WINTERS:
    case FN_HOLT_WINTERS_WITH_FIT: return check_holt_winters(c, function->name, args);
    case FN_EMA:
    case FN_DEMA:
    case FN_TEMA:
    case FN_TRIX:
    case FN_RSI:
    case FN_KER:
    case FN_KAMA:
    case FN_CMO:
        if ((rc = check_technical(c, function, args, count)) != SILT_OK)
            return rc;
        return check_transformed(c, function->name, args[0], true);
    case FN_COUNT:
        if (is_distinct_call(args[0]))
            return check_distinct(c, args[0]->call.args, args[0]->call.arg_count, true);
        if (args[0]->kind == EXPR_DISTINCT)
            return SILT_OK;
        break;
    default: break;
    }
    return check_symbol(c, function->name, args[0]);
}

static enum silt_status check_math(struct compiler *c, const struct expr *expr, enum math_function function)
{
    if (expr->call.arg_count != math_argument_count(function))
        return REFUSE("invalid number of arguments for %.*s, expected %zu, got %zu", SILT_FMT(expr->call.name),
                      math_argument_count(function), expr->call.arg_count);
    for (size_t i = 0; i < expr->call.arg_count; i++) {
        const struct expr *arg = expr->call.args[i];
        if (is_literal(arg) && arg->kind != EXPR_REGEX)
            continue;
        enum silt_status rc = check_expr(c, arg);
        if (rc != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- fields */

static enum silt_status check_expr(struct compiler *c, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_REF: c->out->has_auxiliary = true; return SILT_OK;
    case EXPR_WILDCARD:
        c->out->has_auxiliary = c->out->has_wildcard = true;
        return c->out->allow_wildcard ? SILT_OK : REFUSE("unable to use wildcard in a binary expression");
    case EXPR_REGEX:
        c->out->has_auxiliary = c->out->has_wildcard = true;
        return c->out->allow_wildcard ? SILT_OK : REFUSE("unable to use regex in a binary expression");
    case EXPR_CALL: {
        enum math_function function = math_function_of(expr->call.name);
        return function != MATH_NONE ? check_math(c, expr, function) : check_call(c, expr);
    }
    case EXPR_DISTINCT:
        c->out->call_count++;
        c->out->has_distinct = true;
        c->out->only_selectors = false;
        return SILT_OK;
    case EXPR_BINARY: {
        const struct expr *left = expr->binary.left, *right = expr->binary.right;
        bool left_literal = is_literal(left), right_literal = is_literal(right);
        enum silt_status rc;
        c->out->allow_wildcard = false;
        if (left_literal && right_literal)
            return REFUSE("cannot perform a binary expression on two literals");
        if (!left_literal && (rc = check_expr(c, left)) != SILT_OK)
            return rc;
        return right_literal ? SILT_OK : check_expr(c, right);
    }
    case EXPR_PAREN: return check_expr(c, expr->paren);
    default: return REFUSE("field must contain at least one variable");
    }
}

/* distinct v is distinct(v) from here on. */
static void spell_distinct(struct exec *exec, struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_DISTINCT: {
        struct expr *ref = expr_new_ref(exec->arena, expr->ref.name, DATA_UNKNOWN);
        expr->kind = EXPR_CALL;
        expr->call.args = silt_arena_zalloc(exec->arena, sizeof(*expr->call.args));
        expr->call.args[0] = ref;
        expr->call.arg_count = 1;
        expr->call.name = SILT_STR("distinct");
        return;
    }
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++)
            spell_distinct(exec, expr->call.args[i]);
        return;
    case EXPR_BINARY:
        spell_distinct(exec, expr->binary.left);
        spell_distinct(exec, expr->binary.right);
        return;
    case EXPR_PAREN: spell_distinct(exec, expr->paren); return;
    default: return;
    }
}

/* The DISTINCT v that is an operand; NULL: there is none. */
static struct expr *keyword_within(struct expr *expr)
{
    struct expr *found;

    switch (expr->kind) {
    case EXPR_BINARY:
        if (expr->binary.left->kind == EXPR_DISTINCT)
            return expr->binary.left;
        if (expr->binary.right->kind == EXPR_DISTINCT)
            return expr->binary.right;
        found = keyword_within(expr->binary.left);
        return found ? found : keyword_within(expr->binary.right);
    case EXPR_PAREN: return expr->paren->kind == EXPR_DISTINCT ? expr->paren : keyword_within(expr->paren);
    default: return NULL;
    }
}

static enum silt_status compile_fields(struct compiler *c)
{
    const struct select *select = c->out->select;
    bool after_time = false;

    c->out->fields = silt_arena_zalloc(c->exec->arena, (select->field_count + 1) * sizeof(*c->out->fields));
    for (size_t i = 0; i < select->field_count; i++) {
        const struct select_field *field = &select->fields[i];
        bool is_time = field->expr->kind == EXPR_REF && silt_str_equal(field->expr->ref.name, SILT_STR("time"));
        if (is_time && !after_time) { /* of two in a row the second stays, without a value */
            after_time = true;
            c->out->names_time = true;
            if (field->alias.len > 0)
                c->out->time_name = field->alias;
            continue;
        }
        after_time = false;
        struct expr *expr = expr_reduce_field(c->exec, field->expr);
        c->out->allow_wildcard = true;
        enum silt_status rc = check_expr(c, expr);
        if (rc != SILT_OK)
            return rc;
        if (c->out->has_distinct && keyword_within(expr)) { /* the statement has no other field */
            expr = keyword_within(expr);
            c->out->condition.rest = expr_new(c->exec->arena, EXPR_BOOLEAN); /* false: InfluxDB gives nothing */
        }
        if (!c->out->parent) /* within a subquery InfluxDB forgets to, and gives nothing */
            spell_distinct(c->exec, expr);
        warm_up_note(c->out, expr);
        c->out->fields[c->out->field_count++] = (struct select_field){.expr = expr, .alias = field->alias};
    }
    return SILT_OK;
}

static enum silt_status check_fields(struct compiler *c)
{
    const struct compiled *out = c->out;

    size_t times = 0;
    for (size_t i = 0; i < out->field_count; i++)
        times += out->fields[i].expr->kind == EXPR_REF && silt_str_equal(out->fields[i].expr->ref.name, SILT_STR("time"));
    if (times == out->field_count)
        return REFUSE("at least 1 non-time field must be queried");
    if (out->call_count > 1 && out->top_bottom)
        return REFUSE("selector function %s() cannot be combined with other functions", out->top_bottom);
    if (out->call_count == 0) {
        bool made_none = out->parent && out->select->fill == FILL_NULL && out->windows.interval && !out->inherited_interval;
        if (out->select->fill == FILL_NONE || made_none)
            return REFUSE("fill(none) must be used with a function");
        if (out->fill == FILL_LINEAR)
            return REFUSE("fill(linear) must be used with a function");
        if (out->windows.interval != 0 && !out->inherited_interval)
            return REFUSE("GROUP BY requires at least one aggregate function");
    }
    if (out->has_distinct && (out->call_count != 1 || out->has_auxiliary))
        return REFUSE("aggregate function distinct() cannot be combined with other functions or fields");
    if (out->has_auxiliary) {
        if (!out->only_selectors)
            return REFUSE("mixing aggregate and non-aggregate queries is not supported");
        if (out->call_count > 1)
            return REFUSE("mixing multiple selector functions with tags or fields is not supported");
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- dimensions and condition */

/* Go's truncation of an instant counts from year 1; the remainder is what time() needs as an offset. */
static int64_t rest_since_year_one(silt_time time, int64_t interval)
{
    const __int128 epoch = (__int128)62135596800 * 1000000000;
    return (int64_t)(((__int128)time + epoch) % interval);
}

static enum silt_status compile_offset(struct compiler *c, const struct expr *arg)
{
    struct windows *windows = &c->out->windows;
    silt_time time;

    switch (arg->kind) {
    case EXPR_DURATION: windows->offset = windows->interval ? arg->integer % windows->interval : 0; return SILT_OK;
    case EXPR_TIME:
        windows->offset = windows->interval > 0 ? rest_since_year_one(arg->integer, windows->interval) : 0;
        return SILT_OK;
    case EXPR_CALL:
        if (!silt_str_equal(arg->call.name, SILT_STR("now")))
            return REFUSE("time dimension offset function must be now()");
        return REFUSE("time dimension offset now() function requires no arguments");
    case EXPR_STRING:
        if (time_text_parse(arg->string, c->out->select->zone, &time, c->err) == SILT_OK) {
            char text[SILT_TIME_TEXT_MAX];
            size_t len = silt_write_rfc3339(text, time, 0);
            return REFUSE("invalid time dimension offset: '%.*s'", (int)len, text);
        }
        return REFUSE("time dimension offset must be duration or now()");
    default: return REFUSE("time dimension offset must be duration or now()");
    }
}

static enum silt_status compile_dimensions(struct compiler *c)
{
    const struct select *select = c->out->select;
    bool seen = false;

    c->out->dimensions = silt_arena_zalloc(c->exec->arena, (select->dimension_count + 1) * sizeof(struct expr *));
    for (size_t i = 0; i < select->dimension_count; i++) {
        struct expr *expr = expr_reduce(c->exec, select->dimensions[i], NULL);
        switch (expr->kind) {
        case EXPR_REF:
            if (is_time_name(expr->ref.name))
                return REFUSE("time() is a function and expects at least one argument");
            c->out->dimensions[c->out->dimension_count++] = expr;
            break;
        case EXPR_WILDCARD:
        case EXPR_REGEX:
            c->out->dimensions[c->out->dimension_count++] = expr;
            c->out->has_wildcard = true;
            break;
        case EXPR_CALL: {
            if (!silt_str_equal(expr->call.name, SILT_STR("time")))
                return REFUSE("only time() calls allowed in dimensions");
            if (expr->call.arg_count < 1 || expr->call.arg_count > 2)
                return REFUSE("time dimension expected 1 or 2 arguments");
            if (expr->call.args[0]->kind != EXPR_DURATION)
                return REFUSE("time dimension must have duration argument");
            if (seen)
                return REFUSE("multiple time dimensions not allowed");
            int64_t interval = expr->call.args[0]->integer;
            seen = interval != 0;
            c->out->windows.interval = interval;
            if (expr->call.arg_count == 2) {
                enum silt_status rc = compile_offset(c, expr->call.args[1]);
                if (rc != SILT_OK)
                    return rc;
            }
            break;
        }
        default: return REFUSE("only time and tag dimensions allowed");
        }
    }
    return SILT_OK;
}

static enum silt_status inherit(struct compiler *c)
{
    const struct compiled *parent = c->out->parent;
    struct compiled *out = c->out;

    if (out->select->has_order_by && out->descending != parent->descending)
        return REFUSE("subqueries must be ordered in the same direction as the query itself");
    out->descending = parent->descending;
    silt_time min, max;
    warm_up_range(parent, parent->warm_up_depth, &min, &max);
    if (min > out->windows.min)
        out->windows.min = min;
    if (max < out->windows.max)
        out->windows.max = max;
    out->has_lower = out->has_lower || parent->has_lower;
    if (out->windows.interval == 0 && parent->windows.interval != 0) {
        out->windows.interval = parent->windows.interval;
        out->windows.offset = parent->windows.offset;
        out->inherited_interval = true;
    }
    if (out->windows.interval != 0 && out->fill == FILL_NULL)
        out->fill = FILL_NONE;
    return SILT_OK;
}

static bool transforms_windows(const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++)
            if (transforms_windows(expr->call.args[i]))
                return true;
        return function_find(expr->call.name) && expr->call.arg_count && expr->call.args[0]->kind == EXPR_CALL &&
               !silt_str_equal(expr->call.name, SILT_STR("count"));
    case EXPR_BINARY: return transforms_windows(expr->binary.left) || transforms_windows(expr->binary.right);
    case EXPR_PAREN: return transforms_windows(expr->paren);
    default: return false;
    }
}

enum silt_status select_compile(struct exec *exec, const struct select *select, const struct compiled *parent,
                                struct compiled **out_compiled, struct silt_error *err)
{
    struct compiled *out = silt_arena_zalloc(exec->arena, sizeof(*out));
    struct compiler compiler = {.exec = exec, .out = out, .err = err}, *c = &compiler;
    enum silt_status rc;

    *out_compiled = out;
    out->select = select;
    out->parent = parent;
    out->only_selectors = true;
    out->time_name = SILT_STR("time");
    out->descending = select->descending;
    out->names_no_arguments = parent && select->into;
    out->fill = select->fill;
    out->windows.zone = select->zone ? select->zone : parent ? parent->windows.zone : NULL;

    const struct expr *condition = select->condition;
    if ((rc = condition_split(exec, condition, select->zone, &out->condition, err)) != SILT_OK)
        return rc;
    if (!parent && exec->options->replaces_range) {
        out->condition.min = exec->options->range_min;
        out->condition.max = exec->options->range_max;
        out->condition.has_min = out->condition.has_max = true;
    }
    if (out->condition.rest && (rc = condition_check(exec, out->condition.rest, err)) != SILT_OK)
        return rc;
    if (parent && condition) { /* what has passed is folded as a whole: `OR true` takes times with it */
        out->condition = (struct condition){0};
        if ((rc = condition_split(exec, expr_reduce(exec, condition, select->zone), select->zone, &out->condition, err)) != SILT_OK)
            return rc;
    }
    if ((rc = compile_dimensions(c)) != SILT_OK)
        return rc;
    out->windows.min = out->condition.min;
    out->windows.max = out->condition.max;
    out->has_lower = out->condition.has_min;
    if (out->windows.interval != 0 && !out->condition.has_max)
        out->windows.max = exec->options->now;
    if (parent && (rc = inherit(c)) != SILT_OK)
        return rc;
    if ((rc = compile_fields(c)) != SILT_OK)
        return rc;
    if ((rc = check_fields(c)) != SILT_OK)
        return rc;
    if (out->windows.interval < 0) { /* has passed for one, but is as if it were not there */
        out->windows.interval = 0;
        for (size_t i = 0; i < out->field_count; i++)
            if (transforms_windows(out->fields[i].expr)) /* of which there are none */
                out->condition.rest = expr_new(exec->arena, EXPR_BOOLEAN);
    }
    if (select->into && out->fill == FILL_NULL) /* windows without a point write nothing, not even a count of 0 */
        out->fill = FILL_NONE;

    out->subqueries = silt_arena_zalloc(exec->arena, (select->source_count + 1) * sizeof(*out->subqueries));
    for (size_t i = 0; i < select->source_count; i++)
        if (select->sources[i].kind == SOURCE_SUBQUERY &&
            (rc = select_compile(exec, select->sources[i].subquery, out, &out->subqueries[i], err)) != SILT_OK)
            return rc;
    return SILT_OK;
}
