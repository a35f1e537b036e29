/*
 * eval.c - implements eval.h. The rules of which types meet are InfluxDB's: a type that does not fit makes a
 * comparison false and anything else null.
 */
#include "query/eval.h"
#include "query/go_math.h"

#include <math.h>
#include <strings.h>

static bool is_comparison(enum expr_op op)
{
    return op >= OP_EQ && op <= OP_GE;
}

static struct silt_cell cell_bool(bool value)
{
    return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = value};
}

static struct silt_cell cell_float(double value)
{
    return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value};
}

static struct silt_cell cell_unsigned(uint64_t value)
{
    return (struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = value};
}

/* A field of a stored row that has no value there: unlike null, it is not false beside a boolean. */
static struct silt_cell cell_absent(void)
{
    return (struct silt_cell){.kind = SILT_CELL_STRINGS};
}

static struct silt_cell mismatch(enum expr_op op)
{
    return is_comparison(op) ? cell_bool(false) : cell_null();
}

static struct silt_cell float_op(enum expr_op op, double a, double b)
{
    switch (op) {
    case OP_EQ: return cell_bool(a == b);
    case OP_NE: return cell_bool(a != b);
    case OP_LT: return cell_bool(a < b);
    case OP_LE: return cell_bool(a <= b);
    case OP_GT: return cell_bool(a > b);
    case OP_GE: return cell_bool(a >= b);
    case OP_ADD: return cell_float(a + b);
    case OP_SUB: return cell_float(a - b);
    case OP_MUL: return cell_float(a * b);
    case OP_DIV: return cell_float(b == 0 ? 0 : a / b);
    case OP_MOD: return cell_float(fmod(a, b));
    default: return mismatch(op);
    }
}

static struct silt_cell integer_op(enum expr_op op, int64_t a, int64_t b, bool filter)
{
    switch (op) {
    case OP_EQ: return cell_bool(a == b);
    case OP_NE: return cell_bool(a != b);
    case OP_LT: return cell_bool(a < b);
    case OP_LE: return cell_bool(a <= b);
    case OP_GT: return cell_bool(a > b);
    case OP_GE: return cell_bool(a >= b);
    case OP_ADD: return cell_integer((int64_t)((uint64_t)a + (uint64_t)b));
    case OP_SUB: return cell_integer((int64_t)((uint64_t)a - (uint64_t)b));
    case OP_MUL: return cell_integer((int64_t)((uint64_t)a * (uint64_t)b));
    case OP_DIV:
        if (!filter)
            return cell_float(b == 0 ? 0 : (double)a / (double)b);
        if (b == 0)
            return cell_integer(0);
        return cell_integer(b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b);
    case OP_MOD: return cell_integer(b == 0 || b == -1 ? 0 : a % b);
    case OP_BIT_AND: return cell_integer(a & b);
    case OP_BIT_OR: return cell_integer(a | b);
    case OP_BIT_XOR: return cell_integer(a ^ b);
    default: return mismatch(op);
    }
}

static struct silt_cell unsigned_op(enum expr_op op, uint64_t a, uint64_t b, bool filter)
{
    switch (op) {
    case OP_EQ: return cell_bool(a == b);
    case OP_NE: return cell_bool(a != b);
    case OP_LT: return cell_bool(a < b);
    case OP_LE: return cell_bool(a <= b);
    case OP_GT: return cell_bool(a > b);
    case OP_GE: return cell_bool(a >= b);
    case OP_ADD: return cell_unsigned(a + b);
    case OP_SUB: return cell_unsigned(a - b);
    case OP_MUL: return cell_unsigned(a * b);
    case OP_DIV:
        if (!filter)
            return cell_float(b == 0 ? 0 : (double)a / (double)b);
        return cell_unsigned(b == 0 ? 0 : a / b);
    case OP_MOD: return cell_unsigned(b == 0 ? 0 : a % b);
    case OP_BIT_AND: return cell_unsigned(a & b);
    case OP_BIT_OR: return cell_unsigned(a | b);
    case OP_BIT_XOR: return cell_unsigned(a ^ b);
    default: return mismatch(op);
    }
}

static struct silt_cell boolean_op(enum expr_op op, bool a, bool b)
{
    switch (op) {
    case OP_AND: return cell_bool(a && b);
    case OP_OR: return cell_bool(a || b);
    case OP_BIT_AND: return cell_bool(a && b);
    case OP_BIT_OR: return cell_bool(a || b);
    case OP_BIT_XOR:
    case OP_NE: return cell_bool(a != b);
    case OP_EQ: return cell_bool(a == b);
    default: return mismatch(op);
    }
}

static bool is_number(const struct silt_cell *cell)
{
    return cell->kind == SILT_CELL_FLOAT || cell->kind == SILT_CELL_INTEGER || cell->kind == SILT_CELL_UNSIGNED;
}

static double as_float(const struct silt_cell *cell)
{
    switch (cell->kind) {
    case SILT_CELL_FLOAT: return cell->f64;
    case SILT_CELL_INTEGER: return (double)cell->i64;
    default: return (double)cell->u64;
    }
}

struct silt_cell eval_binary(enum expr_op op, struct silt_cell left, struct silt_cell right, bool filter)
{
    if (left.kind == SILT_CELL_NULL && right.kind == SILT_CELL_BOOLEAN)
        left = cell_bool(false);
    else if (right.kind == SILT_CELL_NULL && left.kind == SILT_CELL_BOOLEAN)
        right = cell_bool(false);

    if (left.kind == SILT_CELL_BOOLEAN) {
        if (right.kind == SILT_CELL_BOOLEAN)
            return boolean_op(op, left.boolean, right.boolean);
        bool logical = op == OP_AND || op == OP_OR || op == OP_BIT_AND || op == OP_BIT_OR || op == OP_BIT_XOR;
        return logical ? cell_bool(false) : mismatch(op);
    }
    if (is_number(&left) && is_number(&right)) {
        if (left.kind == SILT_CELL_FLOAT || right.kind == SILT_CELL_FLOAT)
            return float_op(op, as_float(&left), as_float(&right));
        if (left.kind == SILT_CELL_INTEGER && right.kind == SILT_CELL_INTEGER)
            return integer_op(op, left.i64, right.i64, filter);
        if (is_comparison(op) && op != OP_EQ && op != OP_NE) { /* a negative integer is below every unsigned one, */
            if (left.kind == SILT_CELL_INTEGER && left.i64 < 0)
                return cell_bool(op == OP_LT || op == OP_LE);
            if (right.kind == SILT_CELL_INTEGER && right.i64 < 0)
                return cell_bool(op == OP_GT || op == OP_GE);
        } /* and yet equal to the one that has its bits */
        return unsigned_op(op, left.u64, right.u64, filter);
    }
    if (left.kind == SILT_CELL_STRING && right.kind == SILT_CELL_STRING) {
        if (op == OP_EQ)
            return cell_bool(silt_str_equal(left.string, right.string));
        if (op == OP_NE)
            return cell_bool(!silt_str_equal(left.string, right.string));
    }
    return mismatch(op);
}

/* ---------------------------------------------------------------- mathematical functions */

static const struct {
    const char *name;
    enum math_function function;
    size_t argument_count;
} math_functions[] = {
    {"abs", MATH_ABS, 1},     {"acos", MATH_ACOS, 1},   {"asin", MATH_ASIN, 1}, {"atan", MATH_ATAN, 1},
    {"atan2", MATH_ATAN2, 2}, {"ceil", MATH_CEIL, 1},   {"cos", MATH_COS, 1},   {"exp", MATH_EXP, 1},
    {"floor", MATH_FLOOR, 1}, {"ln", MATH_LN, 1},       {"log", MATH_LOG, 2},   {"log2", MATH_LOG2, 1},
    {"log10", MATH_LOG10, 1}, {"pow", MATH_POW, 2},     {"round", MATH_ROUND, 1}, {"sin", MATH_SIN, 1},
    {"sqrt", MATH_SQRT, 1},   {"tan", MATH_TAN, 1},
};

enum math_function math_function_of(struct silt_str name)
{
    for (size_t i = 0; i < sizeof(math_functions) / sizeof(math_functions[0]); i++)
        if (silt_str_equal(name, silt_str_from(math_functions[i].name)))
            return math_functions[i].function;
    return MATH_NONE;
}

size_t math_argument_count(enum math_function function)
{
    for (size_t i = 0; i < sizeof(math_functions) / sizeof(math_functions[0]); i++)
        if (math_functions[i].function == function)
            return math_functions[i].argument_count;
    return 0;
}

struct silt_cell math_run(enum math_function function, struct silt_cell x, struct silt_cell y)
{
    if (!is_number(&x))
        return cell_null();
    if (math_argument_count(function) == 2 && !is_number(&y))
        return cell_null();

    double v = as_float(&x), w = is_number(&y) ? as_float(&y) : 0;

    switch (function) {
    case MATH_ABS: /* integers pass unchanged, as in the release that is imitated */
        return x.kind == SILT_CELL_FLOAT ? cell_float(fabs(v)) : x;
    case MATH_CEIL: return x.kind == SILT_CELL_FLOAT ? cell_float(ceil(v)) : x;
    case MATH_FLOOR: return x.kind == SILT_CELL_FLOAT ? cell_float(floor(v)) : x;
    case MATH_ROUND: return x.kind == SILT_CELL_FLOAT ? cell_float(round(v)) : x;
    case MATH_POW: return cell_float(go_pow(v, w));
    case MATH_ACOS: return cell_float(go_acos(v));
    case MATH_ASIN: return cell_float(go_asin(v));
    case MATH_ATAN: return cell_float(go_atan(v));
    case MATH_ATAN2: return cell_float(go_atan2(v, w));
    case MATH_COS: return cell_float(go_cos(v));
    case MATH_EXP: return cell_float(go_exp(v));
    case MATH_LN: return cell_float(go_log(v));
    case MATH_LOG: return cell_float(go_log(v) / go_log(w));
    case MATH_LOG2: return cell_float(go_log2(v));
    case MATH_LOG10: return cell_float(go_log10(v));
    case MATH_SIN: return cell_float(go_sin(v));
    case MATH_SQRT: return cell_float(sqrt(v));
    case MATH_TAN: return cell_float(go_tan(v));
    case MATH_NONE: break;
    }
    return cell_null();
}

/* ---------------------------------------------------------------- trees */

static struct silt_cell literal_cell(const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_INTEGER: return cell_integer(expr->integer);
    case EXPR_UNSIGNED: return cell_unsigned(expr->unsigned_integer);
    case EXPR_NUMBER: return cell_float(expr->number);
    case EXPR_STRING: return cell_string(expr->string);
    case EXPR_BOOLEAN: return cell_bool(expr->boolean);
    default: return cell_null(); /* durations and times mean nothing beside fields */
    }
}

struct eval *eval_compile(struct exec *exec, const struct expr *expr, eval_bind_fn bind, void *bind_arg)
{
    struct eval *eval = silt_arena_zalloc(exec->arena, sizeof(*eval));

    while (expr->kind == EXPR_PAREN)
        expr = expr->paren;
    if (expr->kind == EXPR_REF || expr->kind == EXPR_CALL || expr->kind == EXPR_DISTINCT || expr->kind == EXPR_BINARY) {
        int64_t slot = bind(bind_arg, expr);
        if (slot >= 0) {
            eval->kind = EVAL_SLOT;
            eval->slot = (uint32_t)slot;
            return eval;
        }
        if (slot == -1) {
            eval->kind = expr->kind == EXPR_REF ? EVAL_NOTHING : EVAL_LITERAL;
            return eval;
        }
    }
    switch (expr->kind) {
    case EXPR_BINARY:
        eval->kind = EVAL_BINARY;
        eval->op = expr->binary.op;
        eval->left = eval_compile(exec, expr->binary.left, bind, bind_arg);
        eval->right = eval_compile(exec, expr->binary.right, bind, bind_arg);
        return eval;
    case EXPR_CALL:
        eval->kind = EVAL_MATH;
        eval->math = math_function_of(expr->call.name);
        if (expr->call.arg_count >= 1)
            eval->left = eval_compile(exec, expr->call.args[0], bind, bind_arg);
        if (expr->call.arg_count >= 2)
            eval->right = eval_compile(exec, expr->call.args[1], bind, bind_arg);
        return eval;
    case EXPR_REGEX:
        eval->kind = EVAL_REGEX;
        eval->regex = exec_regex(exec, expr->regex);
        return eval;
    default:
        eval->kind = EVAL_LITERAL;
        eval->literal = literal_cell(expr);
        return eval;
    }
}

struct silt_cell eval_run(const struct eval *eval, const struct silt_cell *slots, enum eval_place place)
{
    switch (eval->kind) {
    case EVAL_LITERAL: return eval->literal;
    case EVAL_NOTHING:
        return place == EVAL_PROJECTION     ? cell_null()
               : place == EVAL_WHERE_STORED ? cell_absent()
                                            : cell_string(SILT_STR("")); /* no column is taken for a tag */
    case EVAL_SLOT:
        if (place == EVAL_WHERE_STORED && slots[eval->slot].kind == SILT_CELL_NULL)
            return cell_absent();
        return slots[eval->slot];
    case EVAL_REGEX: return cell_null();
    case EVAL_MATH:
        return math_run(eval->math, eval->left ? eval_run(eval->left, slots, place) : cell_null(),
                        eval->right ? eval_run(eval->right, slots, place) : cell_null());
    case EVAL_BINARY: break;
    }
    if (eval->op == OP_MATCH || eval->op == OP_NOT_MATCH) {
        struct silt_cell left = eval_run(eval->left, slots, place);
        if (left.kind != SILT_CELL_STRING || eval->right->kind != EVAL_REGEX || !eval->right->regex)
            return cell_bool(false);
        return cell_bool(silt_regex_match(eval->right->regex, left.string) == (eval->op == OP_MATCH));
    }
    return eval_binary(eval->op, eval_run(eval->left, slots, place), eval_run(eval->right, slots, place), place != EVAL_PROJECTION);
}

bool eval_true(const struct eval *eval, const struct silt_cell *slots, enum eval_place place)
{
    struct silt_cell cell = eval_run(eval, slots, place);
    return cell.kind == SILT_CELL_BOOLEAN && cell.boolean;
}
