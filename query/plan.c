/* plan.c - implements plan.h: wildcards and the names of columns; slots and calls are plan_outputs.c's. */
#include "query/plan.h"
#include "query/column_names.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- wildcards */

struct named_type {
    struct silt_str name;
    enum data_type type;
};

int plan_type_order(enum data_type type)
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
    return order ? order : plan_type_order(x->type) - plan_type_order(y->type);
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

/* The different references and calls in an expression; of mathematical functions, what stands in their brackets. */
static void add_symbols(struct name_index *symbols, const struct expr *expr, struct silt_arena *arena)
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
    name_index_add(symbols, expr_text(expr, arena), arena);
}

/* A field without a name is called by the number that InfluxDB gives it inside. */
static struct silt_str number_name(const struct plan *plan, size_t field)
{
    struct silt_arena *arena = plan->exec->arena;
    struct name_index symbols = {0};

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
            column_names_take(taken, plan->columns[i + 1], exec->arena);
    for (size_t i = 0; i < plan->field_count; i++) {
        if (plan->columns[i + 1].p)
            continue;
        plan->columns[i + 1] = column_names_choose(taken, plan->names[i], exec->arena);
        if (plan->columns[i + 1].len == 0 && plan->fields[i].expr->kind == EXPR_REF)
            plan->columns[i + 1] = number_name(plan, i);
    }
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
    if ((rc = plan_make_outputs(plan, err)) != SILT_OK)
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
