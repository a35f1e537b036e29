/* condition.c - implements condition.h. */
#include "query/condition.h"

#include "query/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

bool is_time_name(struct silt_str name)
{
    return name.len == 4 && strncasecmp(name.p, "time", 4) == 0;
}

bool is_literal(const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_INTEGER:
    case EXPR_UNSIGNED:
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_BOOLEAN:
    case EXPR_DURATION:
    case EXPR_TIME:
    case EXPR_NIL:
    case EXPR_REGEX:
    case EXPR_LIST: return true;
    default: return false;
    }
}

const char *expr_go_type(const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_REF: return "*influxql.VarRef";
    case EXPR_CALL: return "*influxql.Call";
    case EXPR_DISTINCT: return "*influxql.Distinct";
    case EXPR_BINARY: return "*influxql.BinaryExpr";
    case EXPR_PAREN: return "*influxql.ParenExpr";
    case EXPR_WILDCARD: return "*influxql.Wildcard";
    case EXPR_REGEX: return "*influxql.RegexLiteral";
    case EXPR_INTEGER: return "*influxql.IntegerLiteral";
    case EXPR_UNSIGNED: return "*influxql.UnsignedLiteral";
    case EXPR_NUMBER: return "*influxql.NumberLiteral";
    case EXPR_STRING: return "*influxql.StringLiteral";
    case EXPR_BOOLEAN: return "*influxql.BooleanLiteral";
    case EXPR_DURATION: return "*influxql.DurationLiteral";
    case EXPR_TIME: return "*influxql.TimeLiteral";
    case EXPR_NIL: return "*influxql.NilLiteral";
    case EXPR_LIST: return "*influxql.ListLiteral";
    }
    return "";
}

bool expr_mentions_time(const struct expr *expr)
{
    if (!expr)
        return false;
    switch (expr->kind) {
    case EXPR_PAREN: return expr_mentions_time(expr->paren);
    case EXPR_BINARY:
        if (expr->binary.op == OP_AND || expr->binary.op == OP_OR)
            return expr_mentions_time(expr->binary.left) || expr_mentions_time(expr->binary.right);
        return expr->binary.left->kind == EXPR_REF && is_time_name(expr->binary.left->ref.name);
    default: return false;
    }
}

enum silt_status time_text_parse(struct silt_str text, const struct silt_zone *zone, silt_time *out,
                                 struct silt_error *err)
{
    bool digits = text.len >= 10, has_zone;

    for (size_t i = 0; digits && i < 10; i++)
        digits = i == 4 || i == 7 ? text.p[i] == '-' : text.p[i] >= '0' && text.p[i] <= '9';
    if (!digits)
        return SILT_NOT_FOUND;

    enum silt_status rc = silt_parse_time(text, out, &has_zone);
    if (rc == SILT_LIMIT || (rc == SILT_OK && (*out > SILT_TIME_MAX || *out < SILT_TIME_MIN))) {
        bool high = text.p[0] >= '2';
        if (text.len >= 19)
            return silt_fail(err, SILT_INVALID, "time %.10sT%.8sZ %s time literal", text.p, text.p + 11,
                             high ? "overflows" : "underflows");
        return silt_fail(err, SILT_INVALID, "time %.10sT00:00:00Z %s time literal", text.p,
                         high ? "overflows" : "underflows");
    }
    if (rc != SILT_OK)
        return silt_fail(err, SILT_INVALID, "invalid timestamp string");
    if (!has_zone && zone)
        *out = silt_zone_from_local(zone, *out);
    return SILT_OK;
}

/* ---------------------------------------------------------------- folding */

static struct expr *make_integer(struct exec *exec, enum expr_kind kind, int64_t value)
{
    struct expr *expr = expr_new(exec->arena, kind);
    expr->integer = value;
    return expr;
}

static struct expr *make_boolean(struct exec *exec, bool value)
{
    struct expr *expr = expr_new(exec->arena, EXPR_BOOLEAN);
    expr->boolean = value;
    return expr;
}

static struct expr *make_of_cell(struct exec *exec, struct silt_cell cell)
{
    struct expr *expr;

    switch (cell.kind) {
    case SILT_CELL_FLOAT:
        expr = expr_new(exec->arena, EXPR_NUMBER);
        expr->number = cell.f64;
        return expr;
    case SILT_CELL_INTEGER: return make_integer(exec, EXPR_INTEGER, cell.i64);
    case SILT_CELL_UNSIGNED:
        expr = expr_new(exec->arena, EXPR_UNSIGNED);
        expr->unsigned_integer = cell.u64;
        return expr;
    case SILT_CELL_BOOLEAN: return make_boolean(exec, cell.boolean);
    default: return NULL;
    }
}

static bool number_cell(const struct expr *expr, struct silt_cell *cell)
{
    switch (expr->kind) {
    case EXPR_INTEGER: *cell = cell_integer(expr->integer); return true;
    case EXPR_UNSIGNED: *cell = (struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = expr->unsigned_integer}; return true;
    case EXPR_NUMBER: *cell = (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = expr->number}; return true;
    default: return false;
    }
}

/* Times and durations among themselves and with integers; NULL: no such operation. */
static struct expr *fold_times(struct exec *exec, enum expr_op op, const struct expr *left, const struct expr *right)
{
    bool left_time = left->kind == EXPR_TIME, right_time = right->kind == EXPR_TIME;
    bool left_span = left->kind == EXPR_DURATION || left->kind == EXPR_INTEGER;
    bool right_span = right->kind == EXPR_DURATION || right->kind == EXPR_INTEGER;
    uint64_t a = (uint64_t)left->integer, b = (uint64_t)right->integer;

    if (op >= OP_EQ && op <= OP_GE && left->kind == right->kind && (left_time || left->kind == EXPR_DURATION))
        return make_of_cell(exec, eval_binary(op, cell_integer(left->integer), cell_integer(right->integer), true));
    if (left_time && right_span && (op == OP_ADD || op == OP_SUB))
        return make_integer(exec, EXPR_TIME, (int64_t)(op == OP_ADD ? a + b : a - b));
    if (left_time && right_time && op == OP_SUB)
        return make_integer(exec, EXPR_DURATION, (int64_t)(a - b));
    if (left_span && right_time && op == OP_ADD)
        return make_integer(exec, EXPR_TIME, (int64_t)(a + b));
    if (left->kind == EXPR_DURATION && right->kind == EXPR_DURATION && (op == OP_ADD || op == OP_SUB))
        return make_integer(exec, EXPR_DURATION, (int64_t)(op == OP_ADD ? a + b : a - b));
    if (left->kind == EXPR_DURATION && right->kind == EXPR_INTEGER) { /* no time to be added to */
        if (op == OP_MUL)
            return make_integer(exec, EXPR_DURATION, (int64_t)(a * b));
        if (op == OP_DIV)
            return make_integer(exec, EXPR_DURATION, right->integer == 0 ? 0 : left->integer / right->integer);
    }
    if (left->kind == EXPR_INTEGER && right->kind == EXPR_DURATION && (op == OP_ADD || op == OP_SUB))
        return make_integer(exec, EXPR_TIME, (int64_t)(op == OP_ADD ? a + b : a - b));
    if (left->kind == EXPR_DURATION && right->kind == EXPR_NUMBER) {
        if (op == OP_MUL)
            return make_integer(exec, EXPR_DURATION, (int64_t)((double)left->integer * right->number));
        if (op == OP_DIV)
            return make_integer(exec, EXPR_DURATION, right->number == 0 ? 0 : (int64_t)((double)left->integer / right->number));
    }
    return NULL;
}

static const struct expr *as_time(struct exec *exec, const struct expr *expr, const struct silt_zone *zone)
{
    silt_time time;

    if (expr->kind == EXPR_STRING && time_text_parse(expr->string, zone, &time, NULL) == SILT_OK)
        return make_integer(exec, EXPR_TIME, time);
    return expr;
}

/* A cell's u64 is its i64's bits. */
static struct silt_cell fold_unsigned(enum expr_op op, uint64_t a, uint64_t b)
{
    return (struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = b == 0 ? 0 : op == OP_DIV ? a / b : a % b};
}

static struct expr *fold_binary(struct exec *exec, enum expr_op op, struct expr *left, struct expr *right,
                                const struct silt_zone *zone)
{
    struct silt_cell a, b;
    struct expr *folded = NULL;

    if (op == OP_AND || op == OP_OR) {
        bool stops = op == OP_OR; /* this constant decides; the other one drops out */
        if (left->kind == EXPR_BOOLEAN)
            return left->boolean == stops ? left : right;
        if (right->kind == EXPR_BOOLEAN)
            return right->boolean == stops ? right : left;
    }
    if (is_literal(left) && is_literal(right)) {
        if (number_cell(left, &a) && number_cell(right, &b)) {
            /* folding is the projection's division: 7/2 is 3.5 everywhere, but for unsigned numbers */
            bool whole = (op == OP_DIV || op == OP_MOD) && a.kind != SILT_CELL_FLOAT && b.kind != SILT_CELL_FLOAT &&
                         (a.kind == SILT_CELL_UNSIGNED || b.kind == SILT_CELL_UNSIGNED);
            folded = whole ? make_of_cell(exec, fold_unsigned(op, a.u64, b.u64)) : make_of_cell(exec, eval_binary(op, a, b, false));
        } else if (left->kind == EXPR_BOOLEAN && right->kind == EXPR_BOOLEAN) {
            folded = make_of_cell(exec, eval_binary(op, (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = left->boolean},
                                                    (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = right->boolean}, true));
        } else if (left->kind == EXPR_STRING && right->kind == EXPR_STRING && op == OP_ADD) {
            folded = expr_new(exec->arena, EXPR_STRING);
            folded->string = silt_arena_printf(exec->arena, "%.*s%.*s", SILT_FMT(left->string), SILT_FMT(right->string));
        } else {
            folded = fold_times(exec, op, as_time(exec, left, zone), as_time(exec, right, zone));
            if (!folded && left->kind == EXPR_STRING && right->kind == EXPR_STRING && (op == OP_EQ || op == OP_NE))
                folded = make_boolean(exec, silt_str_equal(left->string, right->string) == (op == OP_EQ));
        }
    }
    return folded ? folded : expr_new_binary(exec->arena, op, left, right);
}

static struct expr *reduce(struct exec *exec, const struct expr *expr, const struct silt_zone *zone, bool knows_now)
{
    struct expr *copy;

    switch (expr->kind) {
    case EXPR_BINARY:
        return fold_binary(exec, expr->binary.op, reduce(exec, expr->binary.left, zone, knows_now),
                           reduce(exec, expr->binary.right, zone, knows_now), zone);
    case EXPR_PAREN: {
        struct expr *inner = reduce(exec, expr->paren, zone, knows_now);
        if (inner->kind != EXPR_BINARY)
            return inner;
        copy = expr_new(exec->arena, EXPR_PAREN);
        copy->paren = inner;
        return copy;
    }
    case EXPR_CALL: {
        if (knows_now && silt_str_equal(expr->call.name, SILT_STR("now")) && expr->call.arg_count == 0)
            return make_integer(exec, EXPR_TIME, exec->options->now);
        copy = expr_clone(expr, exec->arena);
        bool literal = expr->call.arg_count > 0;
        for (size_t i = 0; i < expr->call.arg_count; i++) {
            copy->call.args[i] = reduce(exec, expr->call.args[i], zone, knows_now);
            literal = literal && is_literal(copy->call.args[i]);
        }
        enum math_function function = math_function_of(expr->call.name);
        struct silt_cell x, y = cell_null();
        literal = literal && !knows_now; /* conditions keep such calls as they are */
        if (literal && function != MATH_NONE && math_argument_count(function) == expr->call.arg_count &&
            (!number_cell(copy->call.args[0], &x) ||
             (expr->call.arg_count == 2 && !number_cell(copy->call.args[1], &y))))
            return expr_new(exec->arena, EXPR_NIL);
        if (literal && function != MATH_NONE && math_argument_count(function) == expr->call.arg_count &&
            number_cell(copy->call.args[0], &x) &&
            (expr->call.arg_count < 2 || number_cell(copy->call.args[1], &y))) {
            struct expr *folded = make_of_cell(exec, math_run(function, x, y));
            if (folded)
                return folded;
        }
        return copy;
    }
    default: return expr_clone(expr, exec->arena);
    }
}

struct expr *expr_reduce(struct exec *exec, const struct expr *expr, const struct silt_zone *zone)
{
    return reduce(exec, expr, zone, true);
}

struct expr *expr_reduce_field(struct exec *exec, const struct expr *expr)
{
    return reduce(exec, expr, NULL, false);
}

/* ---------------------------------------------------------------- taking time out */

static void intersect(struct condition *into, const struct condition *other)
{
    if (other->has_min && (!into->has_min || other->min > into->min)) {
        into->has_min = true;
        into->min = other->min;
    }
    if (other->has_max && (!into->has_max || other->max < into->max)) {
        into->has_max = true;
        into->max = other->max;
    }
}

typedef __int128 wide_time;

/* A sum of one instant and spans, further than an integer of ns reaches; false: it is none. *local: in the zone's time. */
static bool time_of(struct exec *exec, const struct expr *expr, const struct silt_zone *zone, wide_time *out, bool *local)
{
    wide_time left;
    silt_time time;

    switch (expr->kind) {
    case EXPR_STRING:
        if (time_text_parse(expr->string, zone, &time, NULL) != SILT_OK)
            return false;
        *out = time;
        *local = zone && !memchr(expr->string.p, 'T', expr->string.len);
        return true;
    case EXPR_TIME: *out = expr->integer; return true;
    case EXPR_BINARY: {
        const struct expr *span = expr_reduce(exec, expr->binary.right, zone);
        if (expr->binary.left->kind == EXPR_INTEGER && span->kind == EXPR_DURATION &&
            (expr->binary.op == OP_ADD || expr->binary.op == OP_SUB)) {
            left = expr->binary.left->integer;
            *out = expr->binary.op == OP_ADD ? left + span->integer : left - span->integer;
            return true;
        }
        if ((expr->binary.op != OP_ADD && expr->binary.op != OP_SUB) ||
            (span->kind != EXPR_DURATION && span->kind != EXPR_INTEGER) || !time_of(exec, expr->binary.left, zone, &left, local))
            return false;
        *out = expr->binary.op == OP_ADD ? left + span->integer : left - span->integer;
        return true;
    }
    default: return false;
    }
}

/* In the zone that it was written in; NULL: UTC. */
static enum silt_status out_of_range(wide_time wide, const struct silt_zone *zone, struct silt_error *err)
{
    char text[40], offset[16] = "Z";
    time_t seconds = (time_t)((wide - (wide % 1000000000 + 1000000000) % 1000000000) / 1000000000);
    struct tm civil;

    if (zone) {
        silt_time nearest = wide < SILT_TIME_MIN ? SILT_TIME_MIN : wide > SILT_TIME_MAX ? SILT_TIME_MAX : (silt_time)wide;
        int32_t east = silt_zone_offset(zone, nearest), minutes = abs(east) / 60;
        seconds += east;
        if (east)
            snprintf(offset, sizeof(offset), "%c%02d:%02d", east < 0 ? '-' : '+', minutes / 60, minutes % 60);
    }
    gmtime_r(&seconds, &civil);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &civil);
    return silt_fail(err, SILT_INVALID, "time %s%s %s time literal", text, offset, wide < 0 ? "underflows" : "overflows");
}

static enum silt_status time_bound(struct exec *exec, enum expr_op op, const struct expr *value,
                                   const struct silt_zone *zone, struct condition *out, struct silt_error *err)
{
    const struct expr *reduced = value;
    silt_time time;
    wide_time wide;

    bool local = false;
    if (time_of(exec, value, zone, &wide, &local) && (wide <= SILT_TIME_MIN || wide > SILT_TIME_MAX))
        return out_of_range(wide, local ? zone : NULL, err);

    if (value->kind == EXPR_STRING) {
        enum silt_status rc = time_text_parse(value->string, zone, &time, err);
        if (rc != SILT_OK && rc != SILT_NOT_FOUND)
            return rc;
        if (rc == SILT_OK)
            reduced = make_integer(exec, EXPR_TIME, time);
    } else {
        reduced = expr_reduce(exec, value, zone);
    }
    if (reduced->kind == EXPR_DURATION && (reduced->integer <= SILT_TIME_MIN || reduced->integer > SILT_TIME_MAX))
        return out_of_range(reduced->integer, NULL, err);
    switch (reduced->kind) {
    case EXPR_TIME:
    case EXPR_DURATION:
    case EXPR_INTEGER: time = reduced->integer; break;
    case EXPR_NUMBER:
        time = reduced->number >= 9223372036854775807.0 || reduced->number < -9223372036854775808.0 ||
                       isnan(reduced->number)
                   ? INT64_MIN
                   : (int64_t)reduced->number;
        break;
    default:
        return silt_fail(err, SILT_INVALID, "invalid operation: time and %s are not compatible", expr_go_type(reduced));
    }
    bool beyond = time > SILT_TIME_MAX, before = time < SILT_TIME_MIN;
    if (beyond)
        time = SILT_TIME_MAX;
    if (before)
        time = SILT_TIME_MIN;
    switch (op) {
    case OP_GT: out->has_min = true; out->min = before ? time : time + 1; break;
    case OP_GE: out->has_min = true; out->min = time; break;
    case OP_LT: out->has_max = true; out->max = beyond ? time : time - 1; break;
    case OP_LE: out->has_max = true; out->max = time; break;
    case OP_EQ:
        out->has_min = out->has_max = true;
        out->min = out->max = time;
        break;
    default: return silt_fail(err, SILT_INVALID, "invalid time comparison operator: %s", expr_op_text(op));
    }
    return SILT_OK;
}

static enum silt_status split(struct exec *exec, const struct expr *expr, const struct silt_zone *zone,
                              struct condition *out, struct silt_error *err)
{
    enum silt_status rc;

    switch (expr->kind) {
    case EXPR_BINARY: {
        const struct expr *left = expr->binary.left, *right = expr->binary.right;
        if (expr->binary.op == OP_AND || expr->binary.op == OP_OR) {
            struct condition a = {0}, b = {0};
            if ((rc = split(exec, left, zone, &a, err)) != SILT_OK || (rc = split(exec, right, zone, &b, err)) != SILT_OK)
                return rc;
            intersect(out, &a);
            intersect(out, &b);
            if (!a.rest || !b.rest)
                out->rest = a.rest ? a.rest : b.rest;
            else
                out->rest = fold_binary(exec, expr->binary.op, a.rest, b.rest, zone);
            return SILT_OK;
        }
        if (left->kind == EXPR_REF && is_time_name(left->ref.name))
            return time_bound(exec, expr->binary.op, right, zone, out, err);
        if (right->kind == EXPR_REF && is_time_name(right->ref.name)) {
            enum expr_op op = expr->binary.op;
            enum expr_op swapped = op == OP_GT ? OP_LT : op == OP_LT ? OP_GT : op == OP_GE ? OP_LE : op == OP_LE ? OP_GE : op;
            return time_bound(exec, swapped, left, zone, out, err);
        }
        out->rest = expr_reduce(exec, expr, zone);
        return SILT_OK;
    }
    case EXPR_PAREN: {
        if ((rc = split(exec, expr->paren, zone, out, err)) != SILT_OK)
            return rc;
        if (out->rest && out->rest->kind == EXPR_BINARY) {
            struct expr *paren = expr_new(exec->arena, EXPR_PAREN);
            paren->paren = out->rest;
            out->rest = paren;
        }
        return SILT_OK;
    }
    case EXPR_BOOLEAN: out->rest = expr_clone(expr, exec->arena); return SILT_OK;
    default: {
        struct silt_str text = expr_text(expr, exec->arena);
        return silt_fail(err, SILT_INVALID, "invalid condition expression: %.*s", SILT_FMT(text));
    }
    }
}

enum silt_status condition_split(struct exec *exec, const struct expr *expr, const struct silt_zone *zone,
                                 struct condition *out, struct silt_error *err)
{
    memset(out, 0, sizeof(*out));
    if (expr) {
        enum silt_status rc = split(exec, expr, zone, out, err);
        if (rc != SILT_OK)
            return rc;
    }
    while (out->rest && out->rest->kind == EXPR_PAREN) /* around everything */
        out->rest = out->rest->paren;
    if (out->rest && out->rest->kind == EXPR_BOOLEAN && out->rest->boolean)
        out->rest = NULL;
    if (!out->has_min)
        out->min = SILT_TIME_MIN;
    if (!out->has_max)
        out->max = SILT_TIME_MAX;
    return SILT_OK;
}

/* ---------------------------------------------------------------- calls */

enum silt_status condition_check(struct exec *exec, const struct expr *expr, struct silt_error *err)
{
    enum silt_status rc;

    switch (expr->kind) {
    case EXPR_BINARY:
        if ((rc = condition_check(exec, expr->binary.left, err)) != SILT_OK)
            return rc;
        return condition_check(exec, expr->binary.right, err);
    case EXPR_PAREN: return SILT_OK; /* nobody looks in there */
    case EXPR_CALL: {
        enum math_function function = math_function_of(expr->call.name);
        /* log is taken for a function of one argument here: a defect that answers depend on */
        size_t expected = function == MATH_ATAN2 || function == MATH_POW ? 2 : 1;
        if (function == MATH_NONE) {
            struct silt_str text = expr_text(expr, exec->arena);
            return silt_fail(err, SILT_INVALID, "invalid function call in condition: %.*s", SILT_FMT(text));
        }
        if (expr->call.arg_count != expected)
            return silt_fail(err, SILT_INVALID, "invalid number of arguments for %.*s, expected %zu, got %zu",
                             SILT_FMT(expr->call.name), expected, expr->call.arg_count);
        for (size_t i = 0; i < expr->call.arg_count; i++)
            if ((rc = condition_check(exec, expr->call.args[i], err)) != SILT_OK)
                return rc;
        return SILT_OK;
    }
    default: return SILT_OK;
    }
}
