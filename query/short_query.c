/*
 * short_query.c - implements short_query.h, and silt_query_may_be_short of silt/query.h.
 *
 * What is read, the reader charges to the allowance. Here is the rest of what a SELECT's work can grow by. Before anything is
 * looked up:
 *
 *     its own size             nodes of its expressions, columns (each is compared with the others when it is planned)
 *     names of a measurement   few where a wildcard makes columns of them
 *
 * When it is planned and its series are known, before anything is read:
 *
 *     every value read         counts as many times more as is done with it (the surcharge of the allowance)
 *     every window             times columns and groups, whether there are points or not; and what the answer is likely to take
 *     texts                    may be long, and looked through by a pattern: not at all
 *     patterns                 of tags: none whose cost nobody can tell (the index asks the same)
 */
#include "query/short_query.h"

#define STATEMENTS_MAX 8
#define NODES_MAX 512 /* of all statements */
#define COLUMNS_MAX 64
#define SERIES_MAX 64
#define NAMES_MAX 2048
#define MATCH_COST_MAX 64 /* of a pattern that is asked of each series' tags */
#define VALUES_MAX 65536 /* a quarter of a millisecond */
#define WINDOWS_MAX 4096       /* of all groups together */
#define WINDOW_NODES_MAX 16384 /* what is computed in all of them */

/* ---------------------------------------------------------------- as it is written */

struct size {
    size_t nodes;
    bool has_wildcard, searches;
};

static void add_size(const struct expr *expr, struct size *size)
{
    const struct function *function;

    size->nodes++;
    switch (expr->kind) {
    case EXPR_CALL:
        function = function_find(expr->call.name);
        size->searches = size->searches || (function && (function->id == FN_HOLT_WINTERS || function->id == FN_HOLT_WINTERS_WITH_FIT));
        for (size_t i = 0; i < expr->call.arg_count; i++)
            add_size(expr->call.args[i], size);
        break;
    case EXPR_BINARY:
        add_size(expr->binary.left, size);
        add_size(expr->binary.right, size);
        break;
    case EXPR_PAREN:
        add_size(expr->paren, size);
        break;
    case EXPR_WILDCARD:
        size->has_wildcard = true;
        break;
    case EXPR_REGEX: /* of names, which may be long */
        size->searches = true;
        break;
    default:
        break;
    }
}

static bool is_plain(const struct select *select, struct size *size)
{
    struct size condition = {0}; /* a pattern in it is of values, and known when it is planned */

    if (select->into || select->source_count > STATEMENTS_MAX || select->field_count > COLUMNS_MAX)
        return false;
    for (size_t i = 0; i < select->source_count; i++)
        if (select->sources[i].kind != SOURCE_MEASUREMENT || select->sources[i].is_regex)
            return false;
    for (size_t i = 0; i < select->field_count; i++)
        add_size(select->fields[i].expr, size);
    for (size_t i = 0; i < select->dimension_count; i++)
        add_size(select->dimensions[i], size);
    if (select->condition)
        add_size(select->condition, &condition);
    size->nodes += condition.nodes;
    return !size->searches && size->nodes <= NODES_MAX;
}

bool silt_query_may_be_short(const struct silt_query *query, struct silt_read_allowance *allowance)
{
    struct size size = {0};

    if (query->statement_count > STATEMENTS_MAX)
        return false;
    for (size_t i = 0; i < query->statement_count; i++)
        if (query->statements[i].kind != STATEMENT_SELECT || !is_plain(query->statements[i].select, &size))
            return false;
    *allowance = (struct silt_read_allowance){
        .series = SERIES_MAX, .names = size.has_wildcard ? COLUMNS_MAX : NAMES_MAX, .values = VALUES_MAX};
    return true;
}

/* ---------------------------------------------------------------- as it is planned */

static size_t nodes_of(const struct eval *eval)
{
    return eval ? 1 + nodes_of(eval->left) + nodes_of(eval->right) : 0;
}

/* What a call costs beside the reading of its values, in readings of one. */
static size_t weight_of(const struct plan_call *call)
{
    switch (call->function->class) {
    case CLASS_REDUCE: return 1;
    case CLASS_TRANSFORM: return 8;
    case CLASS_WINDOW: return 16; /* sorts them */
    }
    return 16;
}

struct work {
    uint64_t of_value, of_window;
};

static struct work work_of(const struct plan *plan)
{
    struct work work = {0};
    size_t reductions = 0, outputs = 0;

    if (!plan->filter_is_exact && nodes_of(plan->filter) > 3) /* one comparison is made by column */
        work.of_value += nodes_of(plan->filter) / 2;
    for (size_t i = 0; i < plan->field_count; i++)
        outputs += nodes_of(plan->outputs[i]);
    if (plan->call_count == 0)
        work.of_value += outputs > plan->field_count ? outputs - plan->field_count : 0;
    work.of_window = outputs;
    for (size_t i = 0; i < plan->call_count; i++) {
        const struct plan_call *call = plan->calls[i];
        for (; call->inner; call = call->inner)
            work.of_window += weight_of(call);
        work.of_window++;
        if (call->function->class == CLASS_REDUCE)
            reductions++;
        else
            work.of_value += weight_of(call);
    }
    if (reductions > plan->reader_field_count) /* one of each field comes with the reading */
        work.of_value += reductions - plan->reader_field_count;
    return work;
}

/* As JSON, roughly. */
static uint64_t row_bytes_of(const struct plan *plan)
{
    uint64_t bytes = 20;

    for (size_t i = 0; i < plan->field_count; i++)
        bytes += plan->output_types[i] == DATA_FLOAT ? 12 : 4;
    return bytes;
}

enum silt_status short_query_check(const struct plan *plan, const struct scan *scan, struct silt_error *err)
{
    const struct windows *windows = &plan->compiled->windows;
    struct silt_read_allowance *allowance = plan->exec->options->allowance;
    struct work work = work_of(plan);
    bool is_short = plan->field_count <= COLUMNS_MAX;

    for (size_t i = 0; i < plan->slot_count; i++) {
        const struct slot *slot = &plan->slots[i];
        is_short = is_short && !(slot->kind == SLOT_FIELD && slot->type == DATA_STRING) &&
                   !(slot->regex && silt_regex_cost(slot->regex) > MATCH_COST_MAX);
    }
    if (windows->interval) {
        silt_time min = plan->scan_min < windows->min ? plan->scan_min : windows->min;
        uint64_t count = ((uint64_t)windows->max - (uint64_t)min) / (uint64_t)windows->interval + 1;
        uint64_t limit = plan->compiled->select->limit, shown = limit > 0 && limit < count ? limit : count;
        is_short = is_short && plan->compiled->has_lower && count <= WINDOWS_MAX / (scan->group_count + 1) &&
                   count * (scan->group_count + 1) <= WINDOW_NODES_MAX / (work.of_window + 1) &&
                   shown * scan->group_count <= SILT_SHORT_ANSWER_BYTES / row_bytes_of(plan);
    }
    allowance->surcharge = work.of_value;
    return is_short ? SILT_OK : silt_read_exceeds(allowance, err);
}
