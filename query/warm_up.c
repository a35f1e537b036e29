/*
 * warm_up.c - how far before the range transformations of windows read (compile.h).
 *
 * A call starts an interval earlier for every transformation around it, to have values to start from:
 *
 *     difference(mean(v)), time >= 25s, windows of 10s:   mean() from 15s, shown from the window of 25s
 *     moving_average(difference(mean(v)), 2)              mean() from 5s
 *
 * Its windows, filled ones too, start there; but stored points are read from no earlier than the outermost statement
 * allows, which is as many intervals as the most that one of its own transformations asks for: 1, or the window of a
 * moving average. So difference(difference(mean(v))) lacks its first value. As far back shards are looked at for what
 * fields there are. Descending, all of this is after the range's end.
 *
 * A transformation of stored points does the same where its statement, a subquery, has the outer one's windows.
 */
#include "query/compile.h"
#include "query/functions.h"

/* Takes the windows of another call, one after the other, or points where there are windows. */
static bool walks_windows(const struct compiled *compiled, const struct expr *call)
{
    const struct function *function = function_find(call->call.name);

    if (!function || function->class != CLASS_TRANSFORM || call->call.arg_count == 0 ||
        (call->call.args[0]->kind != EXPR_CALL && compiled->windows.interval == 0))
        return false;
    switch (function->id) {
    case FN_HOLT_WINTERS:
    case FN_HOLT_WINTERS_WITH_FIT:
    case FN_INTEGRAL: return false;
    default: return true;
    }
}

bool warm_up_adds(const struct compiled *compiled, const struct expr *call)
{
    return walks_windows(compiled, call) && function_find(call->call.name)->id != FN_CUMULATIVE_SUM;
}

/* How many transformations stand within each other in expr. */
static uint32_t note(struct compiled *compiled, const struct expr *expr)
{
    uint32_t depth = 0;

    switch (expr->kind) {
    case EXPR_PAREN: return note(compiled, expr->paren);
    case EXPR_BINARY: {
        uint32_t left = note(compiled, expr->binary.left), right = note(compiled, expr->binary.right);
        return left > right ? left : right;
    }
    case EXPR_CALL: break;
    default: return 0;
    }
    for (size_t i = 0; i < expr->call.arg_count; i++) {
        uint32_t within = note(compiled, expr->call.args[i]);
        depth = within > depth ? within : depth;
    }
    if (!walks_windows(compiled, expr))
        return depth;
    bool of_windows = expr->call.args[0]->kind == EXPR_CALL;
    compiled->walks_windows = compiled->walks_windows || of_windows || warm_up_adds(compiled, expr);
    const struct expr *count = expr->call.arg_count > 1 ? expr->call.args[1] : NULL;
    int64_t need = count && count->kind == EXPR_INTEGER ? count->integer : 1;
    compiled->warm_up_need = need > compiled->warm_up_need ? need : compiled->warm_up_need;
    return depth + warm_up_adds(compiled, expr);
}

void warm_up_note(struct compiled *compiled, const struct expr *field)
{
    uint32_t depth = note(compiled, field);

    compiled->warm_up_depth = depth > compiled->warm_up_depth ? depth : compiled->warm_up_depth;
}

bool warm_up_starts_nowhere(const struct compiled *compiled)
{
    return compiled->walks_windows && !compiled->descending && compiled->windows.min == SILT_TIME_MIN;
}

/* An unbounded start wraps around, as on the imitated server: nothing is in such a range, and nothing is given. */
void warm_up_range(const struct compiled *compiled, uint32_t intervals, silt_time *min, silt_time *max)
{
    uint64_t distance = (uint64_t)compiled->windows.interval * intervals;

    *min = compiled->windows.min;
    *max = compiled->windows.max;
    if (!compiled->descending)
        *min = (silt_time)((uint64_t)*min - distance);
    else
        *max = (silt_time)((uint64_t)*max + distance);
}

void warm_up_known_range(const struct compiled *compiled, silt_time *min, silt_time *max)
{
    int64_t distance;

    while (compiled->parent)
        compiled = compiled->parent;
    *min = compiled->windows.min;
    *max = compiled->windows.max;
    if (__builtin_mul_overflow(compiled->warm_up_need, compiled->windows.interval, &distance))
        distance = INT64_MAX;
    if (!compiled->descending && __builtin_sub_overflow(*min, distance, min))
        *min = SILT_TIME_MIN;
    else if (compiled->descending && __builtin_add_overflow(*max, distance, max))
        *max = SILT_TIME_MAX;
}

void warm_up_read_range(const struct compiled *compiled, uint32_t intervals, silt_time *min, silt_time *max)
{
    silt_time first, last;

    warm_up_range(compiled, intervals, min, max);
    warm_up_known_range(compiled, &first, &last);
    if (!compiled->descending)
        *min = first > *min ? first : *min;
    else
        *max = last < *max ? last : *max;
}
