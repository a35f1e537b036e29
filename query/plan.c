/* plan.c - implements plan.h: wildcards, names, slots and calls. */
#include "query/plan.h"
#include "query/column_names.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- wildcards */

struct named_type {
    struct silt_str name;
    enum data_type type;
};

/* In the order in which InfluxDB numbers its types. */
static int type_order(enum data_type type)
{
    switch (type) {
    case DATA_FLOAT: return 1;
    case DATA_INTEGER: return 2;
    case DATA_STRING: return 3;
    case DATA_BOOLEAN: return 4;
    case DATA_TAG: return 7;
    case DATA_UNSIGNED: return 9;
    default: return 0;
    }
}

static int by_name_and_type(const void *a, const void *b)
{
    const struct named_type *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order ? order : type_order(x->type) - type_order(y->type);
}

static int by_text(const void *a, const void *b)
{
    return silt_str_compare(*(const struct silt_str *)a, *(const struct silt_str *)b);
}

struct schema {
    struct named_type *names; /* fields, and tags when no dimension is a wildcard */
    size_t count, field_count;
    struct silt_str *tags;
    size_t tag_count;
};

static size_t sort_unique(struct silt_str *items, size_t count)
{
    size_t kept = 0;

    if (count > 1)
        qsort(items, count, sizeof(*items), by_text);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !silt_str_equal(items[i], items[kept - 1]))
            items[kept++] = items[i];
    return kept;
}

static enum silt_status schema_collect(const struct plan *plan, struct schema *schema, struct silt_error *err)
{
    size_t fields = 0, tags = 0;

    for (size_t i = 0; i < plan->source_count; i++) {
        fields += plan->sources[i].field_count + (plan->sources[i].pending ? plan->sources[i].pending->field_count : 0);
        tags += plan->sources[i].tag_key_count;
    }
    enum silt_status rc;
    if ((rc = exec_alloc(plan->exec, fields + tags + 1, sizeof(*schema->names), &schema->names, err)) != SILT_OK ||
        (rc = exec_alloc(plan->exec, tags + 1, sizeof(*schema->tags), &schema->tags, err)) != SILT_OK)
        return rc;
    schema->count = schema->tag_count = 0;
    for (size_t i = 0; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];
        for (size_t k = 0; k < source->field_count; k++)
            schema->names[schema->count++] =
                (struct named_type){source->fields[k].name, plan_field_type(source, k)};
        const struct plan *inner = source->pending;
        for (size_t k = 0; inner && k < inner->field_count; k++) /* here every column of a name counts for its type */
            if (!inner->field_is_argument[k])
                schema->names[schema->count++] = (struct named_type){inner->names[k], plan_outer_type(inner, k)};
        for (size_t k = 0; k < source->tag_key_count; k++)
            schema->tags[schema->tag_count++] = source->tag_keys[k];
    }
    schema->tag_count = sort_unique(schema->tags, schema->tag_count);
    if (schema->count > 1)
        qsort(schema->names, schema->count, sizeof(*schema->names), by_name_and_type);
    size_t kept = 0;
    for (size_t i = 0; i < schema->count; i++) {
        if (kept && silt_str_equal(schema->names[kept - 1].name, schema->names[i].name)) {
            if (data_type_rank(schema->names[i].type) > data_type_rank(schema->names[kept - 1].type))
                schema->names[kept - 1].type = schema->names[i].type;
        } else {
            schema->names[kept++] = schema->names[i];
        }
    }
    schema->count = schema->field_count = kept;
    return SILT_OK;
}

static bool dimension_is_wild(const struct expr *expr)
{
    return expr->kind == EXPR_WILDCARD || expr->kind == EXPR_REGEX;
}

static void add_field(struct plan *plan, size_t *capacity, struct expr *expr, struct silt_str alias)
{
    plan->fields = silt_arena_grow(plan->exec->arena, plan->fields, capacity, plan->field_count + 1, sizeof(*plan->fields));
    plan->fields[plan->field_count++] = (struct select_field){.expr = expr, .alias = alias};
}

static bool has_wildcard(const struct expr *expr, bool *is_regex)
{
    switch (expr->kind) {
    case EXPR_WILDCARD: return true;
    case EXPR_REGEX: *is_regex = true; return true;
    case EXPR_PAREN: return has_wildcard(expr->paren, is_regex);
    case EXPR_BINARY:
        return has_wildcard(expr->binary.left, is_regex) || has_wildcard(expr->binary.right, is_regex);
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++)
            if (has_wildcard(expr->call.args[i], is_regex))
                return true;
        return false;
    default: return false;
    }
}

static struct expr *innermost_call(struct expr *call)
{
    while (call->call.arg_count > 0 && call->call.args[0]->kind == EXPR_CALL)
        call = call->call.args[0];
    return call;
}

static struct silt_str field_name(const struct plan *plan, const struct select_field *field);

static enum silt_status expand_call(struct plan *plan, size_t *capacity, const struct select_field *field,
                                    const struct schema *schema, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    struct expr *inner = innermost_call(field->expr);
    const struct expr *arg = inner->call.arg_count ? inner->call.args[0] : NULL;

    if (!arg || (arg->kind != EXPR_WILDCARD && arg->kind != EXPR_REGEX)) {
        add_field(plan, capacity, field->expr, field->alias);
        return SILT_OK;
    }
    if (arg->kind == EXPR_WILDCARD && arg->ref.type == DATA_TAG)
        return silt_fail(err, SILT_INVALID, "unable to use tag wildcard in %.*s()", SILT_FMT(inner->call.name));

    const struct silt_regex *regex = arg->kind == EXPR_REGEX ? exec_regex(exec, arg->regex) : NULL;
    const struct function *function = function_find(inner->call.name);
    uint32_t types = function ? function->types : TYPES_NUMBER;
    if (function && (function->id == FN_HOLT_WINTERS || function->id == FN_HOLT_WINTERS_WITH_FIT))
        types &= ~TYPE_BIT(DATA_UNSIGNED);
    struct silt_str name = field_name(plan, field);
    for (size_t i = 0; i < schema->count; i++) {
        const struct named_type *ref = &schema->names[i];
        if (ref->type == DATA_TAG || !(types & TYPE_BIT(ref->type)))
            continue;
        if (regex && !silt_regex_match(regex, ref->name))
            continue;
        struct expr *copy = expr_clone(field->expr, exec->arena);
        innermost_call(copy)->call.args[0] = expr_new_ref(exec->arena, ref->name, ref->type);
        add_field(plan, capacity, copy,
                  silt_arena_printf(exec->arena, "%.*s_%.*s", SILT_FMT(name), SILT_FMT(ref->name)));
    }
    return SILT_OK;
}

static enum silt_status expand_fields(struct plan *plan, const struct schema *schema, struct silt_error *err)
{
    const struct compiled *compiled = plan->compiled;
    struct exec *exec = plan->exec;
    size_t capacity = 0;
    enum silt_status rc;

    for (size_t i = 0; i < compiled->field_count; i++) {
        const struct select_field *field = &compiled->fields[i];
        bool is_regex = false;
        switch (field->expr->kind) {
        case EXPR_WILDCARD:
        case EXPR_REGEX: {
            bool regex_kind = field->expr->kind == EXPR_REGEX;
            const struct silt_regex *regex = regex_kind ? exec_regex(exec, field->expr->regex) : NULL;
            for (size_t k = 0; k < schema->count; k++) {
                const struct named_type *ref = &schema->names[k];
                if (regex ? !silt_regex_match(regex, ref->name)
                          : (field->expr->ref.type == DATA_ANY_FIELD && ref->type == DATA_TAG) ||
                                (field->expr->ref.type == DATA_TAG && ref->type != DATA_TAG))
                    continue;
                add_field(plan, &capacity, expr_new_ref(exec->arena, ref->name, ref->type), (struct silt_str){0});
            }
            break;
        }
        case EXPR_CALL:
            if ((rc = expand_call(plan, &capacity, field, schema, err)) != SILT_OK)
                return rc;
            break;
        case EXPR_BINARY:
            if (has_wildcard(field->expr, &is_regex)) {
                struct silt_str text = expr_text(field->expr, exec->arena);
                return silt_fail(err, SILT_INVALID, "unsupported expression with %s: %.*s",
                                 is_regex ? "regex field" : "wildcard", SILT_FMT(text));
            }
            add_field(plan, &capacity, field->expr, field->alias);
            break;
        default: add_field(plan, &capacity, field->expr, field->alias); break;
        }
    }
    return SILT_OK;
}

static enum silt_status expand(struct plan *plan, const struct silt_str *extra, size_t extra_count,
                               struct silt_error *err)
{
    const struct compiled *compiled = plan->compiled;
    struct exec *exec = plan->exec;
    struct schema schema;
    bool wild = false;
    enum silt_status rc;

    if ((rc = schema_collect(plan, &schema, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < compiled->dimension_count; i++)
        wild = wild || dimension_is_wild(compiled->dimensions[i]);
    if (!wild && schema.field_count > 0) { /* tags stand among the fields, but for those grouped by */
        for (size_t i = 0; i < schema.tag_count; i++) {
            bool grouped = false;
            for (size_t k = 0; k < compiled->dimension_count && !grouped; k++)
                grouped = silt_str_equal(compiled->dimensions[k]->ref.name, schema.tags[i]);
            if (!grouped)
                schema.names[schema.count++] = (struct named_type){schema.tags[i], DATA_TAG};
        }
        if (schema.count > 1)
            qsort(schema.names, schema.count, sizeof(*schema.names), by_name_and_type);
    }
    if ((rc = expand_fields(plan, &schema, err)) != SILT_OK)
        return rc;

    size_t capacity = compiled->dimension_count + extra_count + 1 +
                      (wild ? schema.tag_count * compiled->dimension_count : 0);
    if ((rc = exec_alloc(exec, capacity, sizeof(*plan->dimensions), &plan->dimensions, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < compiled->dimension_count; i++) {
        const struct expr *dimension = compiled->dimensions[i];
        if (dimension->kind == EXPR_REF) {
            plan->dimensions[plan->dimension_count++] = dimension->ref.name;
            continue;
        }
        const struct silt_regex *regex = dimension->kind == EXPR_REGEX ? exec_regex(exec, dimension->regex) : NULL;
        for (size_t k = 0; k < schema.tag_count; k++)
            if (!regex || silt_regex_match(regex, schema.tags[k]))
                plan->dimensions[plan->dimension_count++] = schema.tags[k];
    }
    if ((rc = exec_alloc(exec, plan->dimension_count + 1, sizeof(*plan->own_dimensions), &plan->own_dimensions, err)) !=
        SILT_OK)
        return rc;
    if (plan->dimension_count)
        memcpy(plan->own_dimensions, plan->dimensions, plan->dimension_count * sizeof(*plan->dimensions));
    plan->own_dimension_count = sort_unique(plan->own_dimensions, plan->dimension_count);
    for (size_t i = 0; i < extra_count; i++)
        plan->dimensions[plan->dimension_count++] = extra[i];
    plan->dimension_count = sort_unique(plan->dimensions, plan->dimension_count);
    return SILT_OK;
}

/* ---------------------------------------------------------------- column names */

static void append_names(struct silt_buffer *out, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_REF:
        if (out->len)
            silt_buffer_char(out, '_');
        silt_buffer_str(out, expr->ref.name);
        return;
    case EXPR_CALL:
        if (out->len)
            silt_buffer_char(out, '_');
        silt_buffer_str(out, expr->call.name);
        return;
    case EXPR_BINARY:
        append_names(out, expr->binary.left);
        append_names(out, expr->binary.right);
        return;
    case EXPR_PAREN: append_names(out, expr->paren); return;
    default: return;
    }
}

static struct silt_str field_name(const struct plan *plan, const struct select_field *field)
{
    struct silt_buffer name = {0};

    if (field->alias.len)
        return field->alias;
    append_names(&name, field->expr);
    struct silt_str copy = silt_arena_str(plan->exec->arena, (struct silt_str){name.p, name.len});
    silt_buffer_free(&name);
    return copy;
}

static bool is_top_bottom(const struct expr *expr)
{
    return expr->kind == EXPR_CALL &&
           (silt_str_equal(expr->call.name, SILT_STR("top")) || silt_str_equal(expr->call.name, SILT_STR("bottom")));
}

struct symbols {
    struct silt_str *texts;
    size_t count, capacity;
};

/* The different references and calls in an expression; of mathematical functions, what stands in their brackets. */
static void add_symbols(struct symbols *symbols, const struct expr *expr, struct silt_arena *arena)
{
    switch (expr->kind) {
    case EXPR_BINARY:
        add_symbols(symbols, expr->binary.left, arena);
        add_symbols(symbols, expr->binary.right, arena);
        return;
    case EXPR_PAREN: add_symbols(symbols, expr->paren, arena); return;
    case EXPR_CALL:
        if (math_function_of(expr->call.name) == MATH_NONE)
            break;
        for (size_t i = 0; i < expr->call.arg_count; i++)
            add_symbols(symbols, expr->call.args[i], arena);
        return;
    case EXPR_REF: break;
    default: return;
    }
    struct silt_str text = expr_text(expr, arena);
    for (size_t i = 0; i < symbols->count; i++)
        if (silt_str_equal(symbols->texts[i], text))
            return;
    symbols->texts = silt_arena_grow(arena, symbols->texts, &symbols->capacity, symbols->count + 1, sizeof(text));
    symbols->texts[symbols->count++] = text;
}

/* A field without a name is called by the number that InfluxDB gives it inside. */
static struct silt_str number_name(const struct plan *plan, size_t field)
{
    struct silt_arena *arena = plan->exec->arena;
    struct symbols symbols = {0};

    for (size_t i = 0; i < field; i++)
        add_symbols(&symbols, plan->fields[i].expr, arena);
    return silt_arena_printf(arena, "val%zu", symbols.count);
}

static size_t count_columns(const struct select_field *fields, size_t count)
{
    size_t columns = 1;

    for (size_t i = 0; i < count; i++)
        columns += is_top_bottom(fields[i].expr) ? fields[i].expr->call.arg_count : 1;
    return columns;
}

/* top(v, host, 2) shows host as a column of its own: made a field here. Then names, aliases first. */
static void name_columns(struct plan *plan)
{
    struct exec *exec = plan->exec;
    struct select_field *fields = plan->fields;
    size_t count = plan->field_count, capacity = 0;

    plan->fields = NULL;
    plan->field_count = 0;
    plan->field_is_argument = silt_arena_zalloc(exec->arena, count_columns(fields, count) * sizeof(bool));
    for (size_t i = 0; i < count; i++) {
        add_field(plan, &capacity, fields[i].expr, fields[i].alias);
        if (!plan->compiled->names_no_arguments && is_top_bottom(fields[i].expr))
            for (size_t k = 1; k + 1 < fields[i].expr->call.arg_count; k++) {
                plan->field_is_argument[plan->field_count] = true;
                add_field(plan, &capacity, fields[i].expr->call.args[k], (struct silt_str){0});
            }
    }
    plan->column_count = plan->field_count + 1;
    plan->columns = silt_arena_zalloc(exec->arena, plan->column_count * sizeof(*plan->columns));
    plan->names = silt_arena_zalloc(exec->arena, plan->column_count * sizeof(*plan->names));
    for (size_t i = 0; i < plan->field_count; i++)
        plan->names[i] = field_name(plan, &plan->fields[i]);
    plan->columns[0] = plan->compiled->time_name;
    for (size_t i = 0; i < plan->field_count; i++)
        if (plan->fields[i].alias.len)
            plan->columns[i + 1] = plan->fields[i].alias;
        else if (plan->field_is_argument[i] && plan->compiled->select->into)
            plan->columns[i + 1] = SILT_STR(""); /* becomes a tag, takes no column's name */
    struct column_names *taken = column_names_create(plan->column_count, exec->arena);
    for (size_t i = 0; i < plan->field_count; i++)
        if (plan->columns[i + 1].p)
            column_names_take(taken, plan->columns[i + 1]);
    for (size_t i = 0; i < plan->field_count; i++) {
        if (plan->columns[i + 1].p)
            continue;
        plan->columns[i + 1] = column_names_choose(taken, plan->names[i], exec->arena);
        if (plan->columns[i + 1].len == 0 && plan->fields[i].expr->kind == EXPR_REF)
            plan->columns[i + 1] = number_name(plan, i);
    }
}

/* ---------------------------------------------------------------- slots and calls */

uint32_t plan_add_slot(struct plan *plan, const struct slot *slot)
{
    struct exec *exec = plan->exec;
    struct slot copy = *slot;

    for (size_t i = 0; slot->kind != SLOT_TAG_TEST && i < plan->slot_count; i++)
        if (plan->slots[i].kind == slot->kind && plan->slots[i].type == slot->type && plan->slots[i].asked == slot->asked &&
            plan->slots[i].or_tag == slot->or_tag &&
            silt_str_equal(plan->slots[i].name, slot->name))
            return (uint32_t)i;
    if (slot->kind == SLOT_FIELD) {
        size_t k = 0;
        while (k < plan->reader_field_count && !silt_str_equal(plan->reader_fields[k].name, slot->name))
            k++;
        if (k == plan->reader_field_count) {
            plan->reader_fields = silt_arena_grow(exec->arena, plan->reader_fields, &plan->reader_field_capacity, k + 1,
                                                  sizeof(*plan->reader_fields));
            plan->reader_fields[plan->reader_field_count++] =
                (struct silt_field){.name = slot->name, .type = SILT_TYPE_NONE};
        }
        copy.reader_field = (uint32_t)k;
    }
    plan->slots = silt_arena_grow(exec->arena, plan->slots, &plan->slot_capacity, plan->slot_count + 1, sizeof(copy));
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
    for (size_t i = 0; i < source->field_count; i++)
        if (silt_str_equal(source->fields[i].name, name))
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

struct binder {
    struct plan *plan;
    struct silt_error *err;
    enum silt_status status;
    bool counting; /* first round: collect calls and aux; second: give their places */
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
        for (size_t i = 0; i < plan->call_count; i++)
            if (silt_str_equal(expr_text(plan->calls[i]->expr, plan->exec->arena), text))
                return (int64_t)i;
        struct plan_call *call;
        binder->status = make_call(plan, expr, 0, &call, binder->err);
        if (binder->status != SILT_OK)
            return -1;
        plan->calls = silt_arena_grow(plan->exec->arena, plan->calls, &plan->call_capacity, plan->call_count + 1,
                                      sizeof(*plan->calls));
        plan->calls[plan->call_count] = call;
        return (int64_t)plan->call_count++;
    }
    case EXPR_REF: {
        int64_t slot = plan_slot_of_ref(plan, expr);
        if (slot < 0) {
            struct slot nothing = {.kind = SLOT_NOTHING, .name = expr->ref.name, .type = expr->ref.type};
            if (is_argument_column(plan, nothing.name))
                nothing = (struct slot){.kind = SLOT_FIELD, .name = expr->ref.name, .type = DATA_STRING};
            slot = plan_add_slot(plan, &nothing);
        }
        for (size_t i = 0; i < plan->aux_count; i++)
            if (plan->aux[i] == (uint32_t)slot)
                return (int64_t)(plan->call_count + i);
        plan->aux = silt_arena_grow(plan->exec->arena, plan->aux, &plan->aux_capacity, plan->aux_count + 1,
                                    sizeof(*plan->aux));
        plan->aux[plan->aux_count++] = (uint32_t)slot;
        return (int64_t)(plan->call_count + plan->aux_count - 1);
    }
    default: return -2;
    }
}



static void sort_aux(struct plan *plan)
{
    const struct slot *slots = plan->slots;

    for (size_t i = 1; i < plan->aux_count; i++) /* few: insertion sort */
        for (size_t k = i; k > 0; k--) {
            const struct slot *a = &slots[plan->aux[k - 1]], *b = &slots[plan->aux[k]];
            int order = silt_str_compare(a->name, b->name);
            if (order < 0 || (order == 0 && type_order(a->type) <= type_order(b->type)))
                break;
            uint32_t swap = plan->aux[k];
            plan->aux[k] = plan->aux[k - 1];
            plan->aux[k - 1] = swap;
        }
}

static enum silt_status make_outputs(struct plan *plan, struct silt_error *err)
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
        if (round == 0)
            sort_aux(plan);
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

/* ---------------------------------------------------------------- all together */

enum silt_status plan_make(struct exec *exec, const struct compiled *compiled, const struct silt_str *extra_dimensions,
                           size_t extra_dimension_count, struct plan **out, struct silt_error *err)
{
    struct plan *plan = silt_arena_zalloc(exec->arena, sizeof(*plan));
    enum silt_status rc;

    *out = plan;
    plan->exec = exec;
    plan->compiled = compiled;
    warm_up_read_range(compiled, compiled->warm_up_depth, &plan->scan_min, &plan->scan_max);
    if (plan->scan_min > plan->scan_max) /* of these calls nothing; others may stand beside them */
        plan->scan_min = compiled->windows.min;
    /* grouping by plain names is known before the sources are open, which is when subqueries need it */
    size_t plain = 0;
    if ((rc = exec_alloc(exec, compiled->dimension_count + extra_dimension_count + 1, sizeof(struct silt_str),
                         &plan->dimensions, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < compiled->dimension_count; i++)
        if (compiled->dimensions[i]->kind == EXPR_REF)
            plan->dimensions[plain++] = compiled->dimensions[i]->ref.name;
    for (size_t i = 0; i < extra_dimension_count; i++)
        plan->dimensions[plain++] = extra_dimensions[i];
    plan->dimension_count = plain;
    if ((rc = plan_open_sources(plan, err)) != SILT_OK)
        return rc;
    plan->dimension_count = 0;

    if ((rc = expand(plan, extra_dimensions, extra_dimension_count, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < plan->field_count; i++) {
        plan->fields[i].expr = expr_clone(plan->fields[i].expr, exec->arena);
        plan_assign_types(plan, plan->fields[i].expr);
    }
    for (size_t i = 0; i < plan->field_count; i++) {
        enum data_type type;
        if (!compiled->parent && (rc = plan_check_type(plan, plan->fields[i].expr, &type, err)) != SILT_OK)
            return rc;
    }
    name_columns(plan);
    if ((rc = make_outputs(plan, err)) != SILT_OK)
        return rc;
    plan_make_filter(plan);
    if (silt_arena_exceeded(exec->arena))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    return SILT_OK;
}

void plan_destroy(struct plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->source_count; i++) {
        plan_destroy(plan->sources[i].pending);
        plan->sources[i].pending = NULL;
    }
    for (size_t i = 0; i < plan->reader_count; i++)
        plan->readers[i]->ops->release(plan->readers[i]);
    plan->reader_count = 0;
}
