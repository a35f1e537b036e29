/*
 * eval.h - arithmetic, comparison, regex and mathematical functions over cells.
 *
 * An expression is compiled once: names become slots, literals become cells, patterns become regexes. Running it
 * allocates nothing. The same nodes serve row filters (WHERE) and projections, which differ in two rules:
 *
 *                              7 / 2    a field without a value at the row
 *     projection               3.5      null, which is false beside a boolean
 *     WHERE, stored rows       3        a value of no type: equals nothing, and is not false either
 *     WHERE, a subquery's      3        null
 */
#ifndef QUERY_EVAL_H
#define QUERY_EVAL_H

#include "query/exec.h"

enum eval_kind { EVAL_LITERAL, EVAL_NOTHING, EVAL_SLOT, EVAL_REGEX, EVAL_BINARY, EVAL_MATH };

enum math_function {
    MATH_NONE = 0,
    MATH_ABS, MATH_ACOS, MATH_ASIN, MATH_ATAN, MATH_ATAN2, MATH_CEIL, MATH_COS, MATH_EXP, MATH_FLOOR, MATH_LN,
    MATH_LOG, MATH_LOG2, MATH_LOG10, MATH_POW, MATH_ROUND, MATH_SIN, MATH_SQRT, MATH_TAN,
};

enum eval_place { EVAL_PROJECTION, EVAL_WHERE_STORED, EVAL_WHERE_SUBQUERY };

struct eval {
    enum eval_kind kind;
    enum expr_op op;
    enum math_function math;
    uint32_t slot;
    struct silt_cell literal;
    const struct silt_regex *regex;
    struct eval *left, *right; /* BINARY; MATH: first and second argument */
};

/* The slot of a REF or of a call that is computed elsewhere; -1: none, never a value; -2: look inside the node. */
typedef int64_t (*eval_bind_fn)(void *arg, const struct expr *expr);

struct eval *eval_compile(struct exec *exec, const struct expr *expr, eval_bind_fn bind, void *bind_arg);
struct silt_cell eval_run(const struct eval *eval, const struct silt_cell *slots, enum eval_place place);
/* As a WHERE: true, and nothing else, selects. */
bool eval_true(const struct eval *eval, const struct silt_cell *slots, enum eval_place place);
struct silt_cell eval_binary(enum expr_op op, struct silt_cell left, struct silt_cell right, bool filter);

enum math_function math_function_of(struct silt_str name); /* MATH_NONE: not a mathematical function */
size_t math_argument_count(enum math_function function);
struct silt_cell math_run(enum math_function function, struct silt_cell x, struct silt_cell y);

#endif
