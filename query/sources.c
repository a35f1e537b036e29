/*
 * sources.c - FROM: readers opened, regexes matched against measurements, schemas fetched.
 *
 * A database and policy is opened once, however many measurements of it are named.
 */
#include "query/plan.h"
#include "query/schema_view.h"

#include <stdlib.h>

struct opened {
    struct silt_str database, rp;
    struct silt_reader *reader;
};

static enum silt_status add_reader(struct plan *plan, struct silt_reader *reader)
{
    plan->readers = silt_arena_grow(plan->exec->arena, plan->readers, &plan->reader_capacity, plan->reader_count + 1,
                                    sizeof(*plan->readers));
    plan->readers[plan->reader_count++] = reader;
    return SILT_OK;
}

/* What a column of a subquery is to those who read it. */
static enum silt_type stored_type(enum data_type type)
{
    switch (type) {
    case DATA_FLOAT: return SILT_TYPE_FLOAT;
    case DATA_INTEGER: return SILT_TYPE_INTEGER;
    case DATA_UNSIGNED: return SILT_TYPE_UNSIGNED;
    case DATA_STRING:
    case DATA_TAG: return SILT_TYPE_STRING;
    case DATA_BOOLEAN: return SILT_TYPE_BOOLEAN;
    default: return SILT_TYPE_NONE;
    }
}

static enum silt_status add_measurement(struct plan *plan, struct silt_reader *reader, bool in_memory,
                                        struct silt_str name, struct silt_error *err)
{
    struct silt_arena *arena = plan->exec->arena;
    struct plan_source source = {.reader = reader, .in_memory = in_memory, .name = silt_arena_str(arena, name)};
    enum silt_status rc;

    if ((rc = reader->ops->fields(reader, name, arena, &source.fields, &source.field_count, err)) != SILT_OK)
        return rc;
    if ((rc = reader->ops->tag_keys(reader, name, arena, &source.tag_keys, &source.tag_key_count, err)) != SILT_OK)
        return rc;
    if (reader->ops->shard_count(reader) == 0) /* nothing there in the range: not even tags are known */
        source.tag_key_count = 0;
    plan->sources = silt_arena_grow(arena, plan->sources, &plan->source_capacity, plan->source_count + 1, sizeof(source));
    plan->sources[plan->source_count++] = source;
    return SILT_OK;
}

/* InfluxDB's names for its own schema: can be written, but a regular expression does not find them. */
static bool is_system_name(struct silt_str name)
{
    static const char *const names[] = {"_series", "_measurements", "_tagKeys", "_fieldKeys", "_tags"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (silt_str_equal(name, silt_str_from(names[i])))
            return true;
    return false;
}

static enum silt_status add_matching(struct plan *plan, struct silt_reader *reader, bool in_memory,
                                     const struct silt_regex *regex, struct silt_error *err)
{
    struct silt_str *names;
    size_t count;
    enum silt_status rc = reader->ops->measurements(reader, plan->exec->arena, &names, &count, err);

    for (size_t i = 0; rc == SILT_OK && i < count; i++)
        if (!regex || (silt_regex_match(regex, names[i]) && !is_system_name(names[i])))
            rc = add_measurement(plan, reader, in_memory, names[i], err);
    return rc;
}

struct subquery_field {
    struct silt_str name;
    enum data_type type;
};

static int by_field_name(const void *a, const void *b)
{
    const struct subquery_field *x = a, *y = b;

    return silt_str_compare(x->name, y->name);
}

static enum silt_status subquery_fields(struct exec *exec, const struct plan *inner, struct plan_source *source,
                                        struct silt_error *err)
{
    struct name_index names = {0};
    struct subquery_field *found;
    size_t room = inner->field_count + 1, count = 0;
    enum silt_status rc;

    if ((rc = exec_alloc(exec, room, sizeof(*found), &found, err)) != SILT_OK ||
        (rc = exec_alloc(exec, room, sizeof(*source->fields), &source->fields, err)) != SILT_OK ||
        (rc = exec_alloc(exec, room, sizeof(*source->tag_columns), &source->tag_columns, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < inner->field_count; i++) {
        if (inner->field_is_argument[i]) /* can be read, but is not among what it shows */
            continue;
        if (name_index_add(&names, inner->names[i], exec->arena) == count) /* of columns of one name the first is meant */
            found[count++] = (struct subquery_field){inner->names[i], plan_outer_type(inner, i)};
    }
    if (inner->compiled->names_time)
        found[count++] = (struct subquery_field){inner->compiled->time_name, DATA_UNKNOWN};
    if (count > 1)
        qsort(found, count, sizeof(*found), by_field_name);
    for (size_t i = 0; i < count; i++) {
        source->fields[i] = (struct silt_field){.name = found[i].name, .type = stored_type(found[i].type)};
        source->tag_columns[i] = found[i].type == DATA_TAG;
    }
    source->field_count = count;
    return SILT_OK;
}

/* Its columns are fields, the tags that it groups by itself are tags; what it is asked to group by besides shows not. */
static enum silt_status add_subquery(struct plan *plan, const struct compiled *compiled, struct silt_error *err)
{
    struct plan *inner = NULL;
    struct plan_source source = {.in_memory = true};
    enum silt_status rc = plan_make(plan->exec, compiled, plan->dimensions, plan->dimension_count, &inner, err);

    if (rc == SILT_OK)
        rc = subquery_fields(plan->exec, inner, &source, err);
    if (rc != SILT_OK) {
        plan_destroy(inner);
        return rc;
    }
    source.tag_keys = inner->own_dimensions;
    source.tag_key_count = inner->own_dimension_count;
    source.pending = inner;
    plan->sources = silt_arena_grow(plan->exec->arena, plan->sources, &plan->source_capacity, plan->source_count + 1,
                                    sizeof(source));
    plan->sources[plan->source_count++] = source;
    return SILT_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct plan_source *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

enum silt_status sources_check_names(const struct select *select, struct silt_error *err)
{
    static const char *const names[][2] = {
        {"_series", "SHOW SERIES"},   {"_fieldKeys", "SHOW FIELD KEYS"},     {"_tagKeys", "SHOW TAG KEYS"},
        {"_tags", "SHOW TAG VALUES"}, {"_measurements", "SHOW MEASUREMENTS"},
    };

    for (size_t i = 0; i < select->source_count; i++) {
        const struct source *source = &select->sources[i];
        for (size_t k = 0; source->kind != SOURCE_SUBQUERY && !source->is_regex && k < sizeof(names) / sizeof(names[0]); k++)
            if (silt_str_equal(source->name, silt_str_from(names[k][0])))
                return silt_fail(err, SILT_INVALID, "unable to use system source '%s': use %s instead", names[k][0],
                                 names[k][1]);
    }
    return SILT_OK;
}

static enum silt_status check_databases(struct exec *exec, const struct select *select, struct silt_error *err)
{
    struct silt_policy *policies;
    size_t count;
    enum silt_status rc = SILT_OK;

    if (select->into && select->into->database.len) /* of a subquery; nothing else is done about it */
        rc = exec->options->source->policies(exec->options->source, select->into->database, exec->arena, &policies,
                                             &count, err);
    for (size_t i = 0; rc == SILT_OK && i < select->source_count; i++) {
        const struct source *source = &select->sources[i];
        if (source->kind == SOURCE_SUBQUERY) {
            rc = check_databases(exec, source->subquery, err);
            continue;
        }
        struct silt_str database = source->database.len ? source->database : exec->options->database;
        if (database.len == 0)
            return silt_fail(err, SILT_INVALID, "database name required");
        if (!source->is_regex && source->name.len == 0)
            return silt_fail(err, SILT_INVALID, "invalid measurement");
        rc = exec->options->source->policies(exec->options->source, database, exec->arena, &policies, &count, err);
    }
    return rc;
}

enum silt_status sources_check(struct exec *exec, const struct select *select, struct silt_error *err)
{
    return check_databases(exec, select, err);
}

static bool has_name(const struct plan_source *source, struct silt_str name)
{
    if (plan_source_has_field(source, name))
        return true;
    for (size_t i = 0; i < source->tag_key_count; i++)
        if (silt_str_equal(source->tag_keys[i], name))
            return true;
    return false;
}

/* Calls have to find what they are over in a subquery; else it is not asked. */
static bool is_wanted(const struct plan *plan, size_t source)
{
    for (size_t i = 0; i < plan->call_count; i++) {
        const struct expr *expr = plan->calls[i]->expr;
        while (expr->kind == EXPR_CALL)
            expr = expr->call.args[0];
        if (has_name(&plan->sources[source], expr->ref.name))
            return true;
    }
    return plan->call_count == 0;
}

/* A subquery groups by what the outer statement groups by, too. */
static enum silt_status add_dimensions(struct plan *inner, const struct plan *outer, struct silt_error *err)
{
    size_t count = inner->own_dimension_count + outer->dimension_count;
    enum silt_status rc = exec_alloc(inner->exec, count + 1, sizeof(*inner->dimensions), &inner->dimensions, err);

    if (rc != SILT_OK)
        return rc;
    if (inner->own_dimension_count)
        memcpy(inner->dimensions, inner->own_dimensions, inner->own_dimension_count * sizeof(*inner->dimensions));
    if (outer->dimension_count)
        memcpy(inner->dimensions + inner->own_dimension_count, outer->dimensions,
               outer->dimension_count * sizeof(*inner->dimensions));
    inner->dimension_count = strings_sort_unique(inner->dimensions, count);
    inner->outermost = outer->outermost ? outer->outermost : outer;
    return SILT_OK;
}

/* A selector's groups follow one another, each with its point's time; and so they pass through statements without calls. */
static bool gives_in_sequence(const struct plan *inner)
{
    bool all = inner->source_count > 0;

    if (inner->call_count > 0)
        return inner->is_selector && inner->compiled->windows.interval == 0;
    for (size_t i = 0; i < inner->source_count; i++)
        all = all && inner->sources[i].in_sequence;
    return all;
}

enum silt_status plan_run_subqueries(struct plan *plan, struct silt_error *err)
{
    size_t count = plan->source_count;
    bool any = false;
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        struct plan *inner = plan->sources[i].pending;
        struct silt_reader *reader;
        if (!inner)
            continue;
        any = true;
        if (is_wanted(plan, i) && (rc = add_dimensions(inner, plan, err)) == SILT_OK &&
            (rc = subquery_run(inner, &reader, err)) == SILT_OK) {
            size_t first = plan->source_count;
            struct name_index columns = {0};
            for (size_t k = 0; k < inner->field_count; k++)
                name_index_add(&columns, inner->names[k], plan->exec->arena);
            add_reader(plan, reader);
            rc = add_matching(plan, reader, true, NULL, err);
            for (size_t k = first; k < plan->source_count; k++) {
                plan->sources[k].tag_keys = inner->own_dimensions;
                plan->sources[k].tag_key_count = inner->own_dimension_count;
                plan->sources[k].columns = columns;
                plan->sources[k].order = plan->sources[i].order;
                plan->sources[k].in_sequence = gives_in_sequence(inner);
                if (inner->compiled->top_bottom && inner->compiled->windows.interval)
                    plan->sources[k].by_window = &inner->compiled->windows;
            }
        }
        plan->sources[i].pending = NULL;
        plan->sources[i].reader = NULL;
        plan_destroy(inner);
    }
    if (!any || rc != SILT_OK)
        return rc;
    size_t kept = 0;
    for (size_t i = 0; i < plan->source_count; i++)
        if (plan->sources[i].reader)
            plan->sources[kept++] = plan->sources[i];
    plan->source_count = kept;
    if (kept > 1)
        qsort(plan->sources, kept, sizeof(*plan->sources), by_name);
    return SILT_OK;
}

/* An outer statement's wildcard shows what this one gives. */
static bool shows_all_names(const struct compiled *compiled)
{
    for (; compiled; compiled = compiled->parent)
        if (compiled->has_wildcard)
            return true;
    return false;
}

enum silt_status plan_open_sources(struct plan *plan, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    const struct select *select = plan->compiled->select;
    struct opened *opened = silt_arena_zalloc(exec->arena, (select->source_count + 1) * sizeof(*opened));
    size_t opened_count = 0;
    silt_time min, max;
    enum silt_status rc;

    warm_up_known_range(plan->compiled, &min, &max);
    plan->merge_levels = 1;
    for (size_t i = 0; i < select->source_count; i++) {
        const struct source *source = &select->sources[i];
        if (source->kind == SOURCE_SUBQUERY) {
            if ((rc = add_subquery(plan, plan->compiled->subqueries[i], err)) != SILT_OK)
                return rc;
            plan->sources[plan->source_count - 1].order = i;
            continue;
        }

        struct silt_str database = source->database.len ? source->database : exec->options->database;
        struct silt_str rp = source->rp.len ? source->rp : exec->options->rp;
        struct silt_reader *reader = NULL;
        if (database.len == 0)
            return silt_fail(err, SILT_INVALID, "database name required");
        for (size_t k = 0; k < opened_count && !reader; k++)
            if (silt_str_equal(opened[k].database, database) && silt_str_equal(opened[k].rp, rp))
                reader = opened[k].reader;
        if (!reader) {
            struct silt_source *store = exec->options->source;
            if (((source->is_regex || shows_all_names(plan->compiled)) && (rc = schema_settle(exec, database, err)) != SILT_OK) ||
                (rc = store->open(store, database, rp, min, max, &reader, err)) != SILT_OK)
                return rc;
            reader->allowance = exec->options->allowance;
            add_reader(plan, reader);
            opened[opened_count++] = (struct opened){database, rp, reader};
        }
        size_t first = plan->source_count;
        if (source->is_regex) {
            plan->merge_levels = 2;
            rc = add_matching(plan, reader, false, exec_regex(exec, source->regex), err);
        } else {
            rc = add_measurement(plan, reader, false, source->name, err);
        }
        if (rc != SILT_OK)
            return rc;
        for (size_t k = first; k < plan->source_count; k++) {
            plan->sources[k].database = database;
            plan->sources[k].order = i;
        }
    }
    if (plan->source_count > 1)
        qsort(plan->sources, plan->source_count, sizeof(*plan->sources), by_name);
    return SILT_OK;
}
