/* plan_outputs.c - what a plan reads, computes and shows: its slots, calls and outputs (plan.h). */
#include "query/plan.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- slots */

static bool same_slot(const struct slot *a, const struct slot *b)
{
    return a->kind == b->kind && a->type == b->type && a->asked == b->asked && a->or_tag == b->or_tag;
}

/* The newest slot of the name, plus 1. */
static uint32_t *slots_of(struct plan *plan, struct silt_str name)
{
    size_t known = plan->slot_names.count;
    uint32_t number = name_index_add(&plan->slot_names, name, plan->exec->arena);

    plan->slots_of_name = silt_arena_grow(plan->exec->arena, plan->slots_of_name, &plan->slots_of_name_capacity,
                                          plan->slot_names.count, sizeof(*plan->slots_of_name));
    if (number == known)
        plan->slots_of_name[number] = 0;
    return &plan->slots_of_name[number];
}

static uint32_t reader_field_of(struct plan *plan, struct silt_str name)
{
    uint32_t number = name_index_add(&plan->reader_names, name, plan->exec->arena);

    if (number == plan->reader_field_count) {
        plan->reader_fields = silt_arena_grow(plan->exec->arena, plan->reader_fields, &plan->reader_field_capacity,
                                              plan->reader_field_count + 1, sizeof(*plan->reader_fields));
        plan->reader_fields[plan->reader_field_count++] = (struct silt_field){.name = name, .type = SILT_TYPE_NONE};
    }
    return number;
}

uint32_t plan_add_slot(struct plan *plan, const struct slot *slot)
{
    struct slot copy = *slot;

    if (slot->kind != SLOT_TAG_TEST) { /* of which each is one by itself */
        uint32_t *newest = slots_of(plan, slot->name);
        for (uint32_t i = *newest; i; i = plan->slots[i - 1].same_name)
            if (same_slot(&plan->slots[i - 1], slot))
                return i - 1;
        copy.same_name = *newest;
        *newest = (uint32_t)plan->slot_count + 1;
    }
    if (slot->kind == SLOT_FIELD)
        copy.reader_field = reader_field_of(plan, slot->name);
    plan->slots = silt_arena_grow(plan->exec->arena, plan->slots, &plan->slot_capacity, plan->slot_count + 1, sizeof(copy));
    plan->slots[plan->slot_count] = copy;
    return (uint32_t)plan->slot_count++;
}

/* -1: a name that is nothing here. */
int64_t plan_slot_of_ref(struct plan *plan, const struct expr *ref)
{
    struct slot slot = {.name = ref->ref.name, .type = ref->ref.type};

    switch (ref->ref.type) {
    case DATA_FLOAT:
    case DATA_INTEGER:
    case DATA_UNSIGNED:
    case DATA_STRING:
    case DATA_BOOLEAN:
        slot.kind = SLOT_FIELD;
        if (plan_is_in_subquery(plan, slot.name)) {
            enum data_type type = plan_type_of(plan, slot.name); /* only numbers are cast to numbers, others shown */
            if (!(data_type_is_number(type) && data_type_is_number(slot.type)) && plan_is_column(plan, slot.name) && type != DATA_TAG &&
                type != DATA_UNKNOWN) {
                slot.asked = slot.type;
                slot.type = type;
            }
            return plan_add_slot(plan, &slot);
        }
        /* a cast of something that is no field at all has nothing to read */
        return data_type_rank(plan_type_of(plan, slot.name)) > data_type_rank(DATA_TAG) ? (int64_t)plan_add_slot(plan, &slot)
                                                                                       : -1;
    case DATA_TAG:
        slot.kind = SLOT_TAG;
        if (plan_is_column(plan, slot.name)) { /* a subquery's column is read as one, whatever it shows */
            enum data_type type = plan_type_of(plan, slot.name);
            slot.kind = SLOT_FIELD;
            slot.type = type == DATA_TAG || type == DATA_UNKNOWN ? DATA_STRING : type;
            slot.or_tag = true;
        }
        return plan_add_slot(plan, &slot);
    case DATA_ANY_FIELD:
        slot = (struct slot){.kind = SLOT_FIELD, .name = ref->ref.name, .type = DATA_STRING};
        return plan_is_in_subquery(plan, slot.name) ? (int64_t)plan_add_slot(plan, &slot) : -1;
    default: return -1;
    }
}

/* A name within a subquery's top() or bottom(): not shown by *, but there when asked for. */
static bool is_argument_column(const struct plan *plan, struct silt_str name)
{
    for (size_t i = 0; i < plan->source_count; i++) {
        const struct plan *inner = plan->sources[i].pending;
        for (size_t k = 0; inner && k < inner->field_count; k++)
            if (inner->field_is_argument[k] && silt_str_equal(inner->names[k], name))
                return true;
    }
    return false;
}

/* What a call reads: no tags, but those of a subquery are strings to it. */
static int64_t slot_of_argument(struct plan *plan, const struct expr *ref, enum data_type *type)
{
    struct slot slot = {.kind = SLOT_FIELD, .name = ref->ref.name, .type = DATA_STRING};

    *type = ref->ref.type;
    bool of_group = plan_is_in_subquery(plan, ref->ref.name) && plan_type_of(plan, ref->ref.name) == DATA_TAG &&
                    !plan_is_column(plan, ref->ref.name); /* whatever it is cast to */
    if (ref->ref.type == DATA_ANY_FIELD && !of_group)
        return -1;
    if (ref->ref.type != DATA_TAG && !of_group && plan_is_in_subquery(plan, ref->ref.name)) { /* what has another type is not there */
        slot.type = ref->ref.type;
        return plan_add_slot(plan, &slot);
    }
    if (ref->ref.type != DATA_TAG && !of_group)
        return plan_slot_of_ref(plan, ref);
    if (!plan_is_in_subquery(plan, ref->ref.name))
        return -1;
    *type = DATA_STRING;
    return plan_add_slot(plan, &slot);
}

/* ---------------------------------------------------------------- calls */

/* As InfluxDB's error text names what a function makes, ... */
static const char *iterator_name(const struct function *function)
{
    switch (function->id) {
    case FN_CUMULATIVE_SUM: return "cumulative sum";
    case FN_HOLT_WINTERS:
    case FN_HOLT_WINTERS_WITH_FIT: return "elapsed";
    case FN_MOVING_AVERAGE: return "moving average";
    case FN_NON_NEGATIVE_DERIVATIVE: return "derivative";
    case FN_NON_NEGATIVE_DIFFERENCE: return "difference";
    case FN_EMA: return "exponential moving average";
    case FN_DEMA: return "double exponential moving average";
    case FN_TEMA: return "triple exponential moving average";
    case FN_TRIX: return "triple exponential derivative";
    case FN_RSI: return "relative strength index";
    case FN_KER: return "kaufmans efficiency ratio";
    case FN_KAMA: return "kaufmans adaptive moving average";
    case FN_CMO: return "chande momentum oscillator";
    default: return function->name;
    }
}

/* ... and what it was given. */
static const char *iterator_kind(const struct plan_call *inner)
{
    return inner && inner->function->id == FN_DISTINCT ? "Interval" : "Interrupt";
}

static bool has_field(const struct plan_source *source, struct silt_str name)
{
    if (plan_source_has_field(source, name))
        return true;
    for (size_t i = 0; source->pending && i < source->tag_key_count; i++)
        if (silt_str_equal(source->tag_keys[i], name))
            return true;
    return false;
}

/*
 * A subquery that lacks what one of these calls is over gives it floats without a value. Where that is the first that
 * InfluxDB finds in FROM, values of any other type that the sources behind it have are dropped.
 */
static bool dropped_behind_subquery(const struct plan *plan, enum function_id function, struct silt_str name)
{
    const struct plan_source *first = NULL;

    if (function != FN_MIN && function != FN_MAX && function != FN_SUM && function != FN_FIRST && function != FN_LAST)
        return false;
    for (size_t i = 0; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];
        if ((source->pending || has_field(source, name)) && (!first || source->order < first->order))
            first = source;
    }
    return first && first->pending && !has_field(first, name);
}

static struct silt_str field_under(const struct expr *expr, enum data_type *type)
{
    while (expr->kind == EXPR_CALL)
        expr = expr->call.args[0];
    *type = expr->ref.type;
    return expr->ref.name;
}

static enum silt_status make_call(struct plan *plan, const struct expr *expr, uint32_t warm, struct plan_call **out,
                                  struct silt_error *err)
{
    struct plan_call *call = silt_arena_zalloc(plan->exec->arena, sizeof(*call));
    const struct expr *arg = expr->call.args[0];
    size_t count = expr->call.arg_count;
    bool dropped = false;
    enum silt_status rc;

    *out = call;
    call->expr = expr;
    call->function = function_find(expr->call.name);
    call->warm = warm + warm_up_adds(plan->compiled, expr);
    call->stream = silt_arena_zalloc(plan->exec->arena, sizeof(*call->stream));
    if (arg->kind == EXPR_CALL) {
        if ((rc = make_call(plan, arg, call->warm, &call->inner, err)) != SILT_OK)
            return rc;
        call->in = call->inner->out;
        call->slot = call->inner->slot;
    } else {
        enum data_type type = DATA_UNKNOWN;
        int64_t slot = arg->kind == EXPR_REF ? slot_of_argument(plan, arg, &type) : -1;
        dropped = slot >= 0 && type != DATA_FLOAT && dropped_behind_subquery(plan, call->function->id, arg->ref.name);
        call->in = slot >= 0 ? type : DATA_UNKNOWN;
        call->slot = slot >= 0 ? (uint32_t)slot : 0;
    }
    call->shown = call->function->gives != DATA_UNKNOWN ? call->function->gives : plan_expr_type(plan, arg);
    call->out = call->in == DATA_UNKNOWN          ? DATA_UNKNOWN
                : call->function->gives != DATA_UNKNOWN ? call->function->gives
                                                        : call->in;
    if (call->shown == DATA_UNKNOWN) {
        dropped = true; /* nobody asks for what has no type, whatever it would be made of */
    } else if (call->in != DATA_UNKNOWN && !(call->function->types & TYPE_BIT(call->in))) {
        /* told when the plan runs: a subquery nothing of which is wanted never finds out */
        plan->call_errors = silt_arena_grow(plan->exec->arena, plan->call_errors, &plan->call_error_capacity,
                                            plan->call_error_count + 1, sizeof(*plan->call_errors));
        struct call_error *error = &plan->call_errors[plan->call_error_count++];
        *error = (struct call_error){0};
        error->field = field_under(expr, &error->type);
        silt_fail(&error->error, SILT_INVALID, "unsupported %s iterator type: *query.%s%sIterator",
                  count > 2 && call->function->id == FN_TOP      ? "max" /* of each value of what else it names */
                  : count > 2 && call->function->id == FN_BOTTOM ? "min"
                                                                 : iterator_name(call->function),
                  data_type_name(call->in), iterator_kind(call->inner));
        dropped = true;
    }
    if (dropped)
        call->in = call->out = DATA_UNKNOWN;
    switch (call->function->id) {
    case FN_PERCENTILE:
        call->percentile = expr->call.args[1]->kind == EXPR_INTEGER ? (double)expr->call.args[1]->integer
                                                                    : expr->call.args[1]->number;
        break;
    case FN_TOP:
    case FN_BOTTOM:
        call->count_argument = expr->call.args[count - 1]->integer;
        if (count - 2 > sizeof(call->dimension_slots) / sizeof(call->dimension_slots[0]))
            return silt_fail(err, SILT_LIMIT, "too many names in %s()", call->function->name);
        for (size_t i = 1; i + 1 < count; i++) {
            const struct slot tag = {.kind = SLOT_TAG, .name = expr->call.args[i]->ref.name, .type = DATA_TAG};
            plan_slot_of_ref(plan, expr->call.args[i]);
            /* tags tell points apart, even of a name that is a field of another source */
            call->dimension_slots[call->dimension_slot_count++] = plan_add_slot(plan, &tag);
        }
        break;
    case FN_SAMPLE:
    case FN_MOVING_AVERAGE:
    case FN_HOLT_WINTERS:
    case FN_HOLT_WINTERS_WITH_FIT: call->count_argument = expr->call.args[1]->integer; break;
    case FN_DERIVATIVE:
    case FN_NON_NEGATIVE_DERIVATIVE: {
        int64_t interval = plan->compiled->windows.interval; /* a subquery's may be the outer statement's */
        call->count_argument = count == 2 ? expr->call.args[1]->integer : interval ? interval : 1000000000;
        break;
    }
    case FN_ELAPSED: call->count_argument = count == 2 ? expr->call.args[1]->integer : 1; break;
    case FN_INTEGRAL: call->count_argument = count == 2 ? expr->call.args[1]->integer : 1000000000; break;
    default: break;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- outputs */

struct binder {
    struct plan *plan;
    struct name_index calls; /* their texts, numbered as they are */
    struct silt_error *err;
    enum silt_status status;
};

static int64_t bind_output(void *arg, const struct expr *expr)
{
    struct binder *binder = arg;
    struct plan *plan = binder->plan;

    switch (expr->kind) {
    case EXPR_CALL: {
        if (!function_find(expr->call.name))
            return -2;
        struct silt_str text = expr_text(expr, plan->exec->arena);
        uint32_t known = name_index_find(&binder->calls, text);
        if (known != NAME_NONE)
            return (int64_t)known;
        struct plan_call *call;
        binder->status = make_call(plan, expr, 0, &call, binder->err);
        if (binder->status != SILT_OK)
            return -1;
        plan->calls = silt_arena_grow(plan->exec->arena, plan->calls, &plan->call_capacity, plan->call_count + 1,
                                      sizeof(*plan->calls));
        plan->calls[plan->call_count++] = call;
        return (int64_t)name_index_add(&binder->calls, text, plan->exec->arena);
    }
    case EXPR_REF: {
        int64_t slot = plan_slot_of_ref(plan, expr);
        if (slot < 0) {
            struct slot nothing = {.kind = SLOT_NOTHING, .name = expr->ref.name, .type = expr->ref.type};
            if (is_argument_column(plan, nothing.name))
                nothing = (struct slot){.kind = SLOT_FIELD, .name = expr->ref.name, .type = DATA_STRING};
            slot = plan_add_slot(plan, &nothing);
        }
        if (plan->slots[slot].aux)
            return (int64_t)(plan->call_count + plan->slots[slot].aux - 1);
        plan->aux = silt_arena_grow(plan->exec->arena, plan->aux, &plan->aux_capacity, plan->aux_count + 1,
                                    sizeof(*plan->aux));
        plan->aux[plan->aux_count++] = (uint32_t)slot;
        plan->slots[slot].aux = (uint32_t)plan->aux_count;
        return (int64_t)(plan->call_count + plan->aux_count - 1);
    }
    default: return -2;
    }
}

struct shown_slot {
    const struct slot *slot;
    uint32_t number;
};

static int by_name_and_type(const void *a, const void *b)
{
    const struct shown_slot *x = a, *y = b;
    int order = silt_str_compare(x->slot->name, y->slot->name);

    if (order == 0)
        order = plan_type_order(x->slot->type) - plan_type_order(y->slot->type);
    return order ? order : (x->slot->aux > y->slot->aux) - (x->slot->aux < y->slot->aux);
}

static enum silt_status sort_aux(struct plan *plan, struct silt_error *err)
{
    struct shown_slot *shown;
    enum silt_status rc = exec_alloc(plan->exec, plan->aux_count + 1, sizeof(*shown), &shown, err);

    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; i < plan->aux_count; i++)
        shown[i] = (struct shown_slot){&plan->slots[plan->aux[i]], plan->aux[i]};
    if (plan->aux_count > 1)
        qsort(shown, plan->aux_count, sizeof(*shown), by_name_and_type);
    for (size_t i = 0; i < plan->aux_count; i++) {
        plan->aux[i] = shown[i].number;
        plan->slots[shown[i].number].aux = (uint32_t)i + 1;
    }
    return SILT_OK;
}

/* In two rounds: calls and what stands beside them are collected, then it is known which place each has. */
enum silt_status plan_make_outputs(struct plan *plan, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    struct binder binder = {.plan = plan, .err = err, .status = SILT_OK};
    enum silt_status rc;

    plan->outputs = silt_arena_zalloc(exec->arena, (plan->field_count + 1) * sizeof(*plan->outputs));
    plan->output_types = silt_arena_zalloc(exec->arena, (plan->field_count + 1) * sizeof(*plan->output_types));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < plan->field_count; i++) {
            plan->outputs[i] = eval_compile(exec, plan->fields[i].expr, bind_output, &binder);
            if (binder.status != SILT_OK)
                return binder.status;
        }
        if (round == 0 && (rc = sort_aux(plan, err)) != SILT_OK)
            return rc;
    }
    for (size_t i = 0; i < plan->field_count; i++)
        if ((rc = plan_check_type(plan, plan->fields[i].expr, &plan->output_types[i], err)) != SILT_OK) {
            if (!plan->compiled->parent)
                return rc;
            plan->output_types[i] = DATA_UNKNOWN; /* within a subquery types that do not meet give nothing */
        }
    plan->is_selector = plan->call_count == 1 && plan->calls[0]->function->selector;
    plan->is_reduced = plan->call_count > 0 && plan->compiled->windows.interval == 0;
    for (size_t i = 0; i < plan->call_count; i++)
        plan->is_reduced = plan->is_reduced && plan->calls[i]->function->class != CLASS_TRANSFORM;
    return SILT_OK;
}

