/*
 * short_query.c - implements short_query.h, and silt_query_may_be_short of silt/query.h.
 *
 * What is read, the reader charges to the allowance. Here is the rest of what a SELECT's work can grow by: statements,
 * windows without points, texts, functions that search.
 */
#include "query/short_query.h"

#define STATEMENTS_MAX 8
#define WINDOWS_MAX 4096 /* of all groups together */

static bool searches(const struct expr *expr)
{
    if (expr->kind != EXPR_CALL)
        return false;
    const struct function *function = function_find(expr->call.name);
    return function && (function->id == FN_HOLT_WINTERS || function->id == FN_HOLT_WINTERS_WITH_FIT);
}

static bool is_plain(const struct select *select)
{
    if (select->into || select->source_count > STATEMENTS_MAX)
        return false;
    for (size_t i = 0; i < select->source_count; i++)
        if (select->sources[i].kind != SOURCE_MEASUREMENT || select->sources[i].is_regex)
            return false;
    for (size_t i = 0; i < select->field_count; i++)
        if (searches(select->fields[i].expr))
            return false;
    return true;
}

bool silt_query_may_be_short(const struct silt_query *query)
{
    if (query->statement_count > STATEMENTS_MAX)
        return false;
    for (size_t i = 0; i < query->statement_count; i++)
        if (query->statements[i].kind != STATEMENT_SELECT || !is_plain(query->statements[i].select))
            return false;
    return true;
}

enum silt_status short_query_check(const struct plan *plan, const struct scan *scan, struct silt_error *err)
{
    const struct windows *windows = &plan->compiled->windows;
    bool is_short = true;

    for (size_t i = 0; i < plan->slot_count; i++) /* a text may be long, and looked through by a pattern */
        is_short = is_short && !(plan->slots[i].kind == SLOT_FIELD && plan->slots[i].type == DATA_STRING);
    if (windows->interval) {
        uint64_t span = (uint64_t)windows->max - (uint64_t)windows->min;
        is_short = is_short && plan->compiled->has_lower &&
                   span / (uint64_t)windows->interval < WINDOWS_MAX / (scan->group_count + 1);
    }
    return is_short ? SILT_OK : silt_read_exceeds(plan->exec->options->allowance, err);
}
