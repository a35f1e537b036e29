/* schema_view.c - implements schema_view.h. */
#include "query/schema_view.h"

#include <stdlib.h>

#define SETTLE_MS 20u /* then it is looked whether the query goes on */

static int by_text(const void *a, const void *b)
{
    return silt_str_compare(*(const struct silt_str *)a, *(const struct silt_str *)b);
}

size_t strings_sort_unique(struct silt_str *items, size_t count)
{
    size_t kept = 0;

    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = silt_str_compare(items[i - 1], items[i]) <= 0;
    if (!sorted)
        qsort(items, count, sizeof(*items), by_text);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !silt_str_equal(items[i], items[kept - 1]))
            items[kept++] = items[i];
    return kept;
}

struct strings {
    struct exec *exec;
    struct silt_str *items;
    size_t count, capacity;
};

static enum silt_status strings_append(struct strings *strings, const struct silt_str *items, size_t count,
                                       struct silt_error *err)
{
    if (strings->count + count > strings->capacity) {
        size_t capacity = strings->capacity * 2 > strings->count + count ? strings->capacity * 2 : strings->count + count;
        struct silt_str *grown;
        enum silt_status rc = exec_alloc(strings->exec, capacity, sizeof(*grown), &grown, err);
        if (rc != SILT_OK)
            return rc;
        if (strings->count)
            memcpy(grown, strings->items, strings->count * sizeof(*grown));
        strings->items = grown;
        strings->capacity = capacity;
    }
    if (count)
        memcpy(strings->items + strings->count, items, count * sizeof(*items));
    strings->count += count;
    return SILT_OK;
}

static enum silt_status strings_give(struct strings *strings, struct silt_str **out, size_t *count)
{
    *count = strings_sort_unique(strings->items, strings->count);
    *out = strings->items;
    return SILT_OK;
}

enum silt_status schema_view_open(struct exec *exec, struct silt_str database, struct silt_str rp, bool all_policies,
                                  silt_time min, silt_time max, struct schema_view *view, struct silt_error *err)
{
    struct silt_source *source = exec->options->source;
    struct silt_policy *policies, one = {.name = rp};
    struct strings names = {.exec = exec};
    size_t count = 1;
    enum silt_status rc;

    *view = (struct schema_view){.exec = exec, .database = database};
    if (database.len == 0)
        return silt_fail(err, SILT_INVALID, "database name required");
    policies = &one;
    if (all_policies && (rc = source->policies(source, database, exec->arena, &policies, &count, err)) != SILT_OK)
        return rc;
    if ((rc = exec_alloc(exec, count, sizeof(*view->readers), &view->readers, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < count; i++) {
        struct silt_reader *reader;
        struct silt_str *found;
        size_t found_count;
        if ((rc = source->open(source, database, policies[i].name, min, max, &reader, err)) != SILT_OK)
            return rc;
        view->readers[view->reader_count++] = reader;
        if ((rc = reader->ops->measurements(reader, exec->arena, &found, &found_count, err)) != SILT_OK ||
            (rc = strings_append(&names, found, found_count, err)) != SILT_OK)
            return rc;
    }
    return strings_give(&names, &view->measurements, &view->measurement_count);
}

enum silt_status schema_settle(struct exec *exec, struct silt_str database, struct silt_error *err)
{
    struct silt_source *source = exec->options->source;
    struct silt_read_allowance *allowance = exec->options->allowance;
    uint64_t ticket = 0;
    enum silt_status rc = SILT_OK;
    while (source->settled && rc == SILT_OK && !source->settled(source, database, &ticket, allowance ? 0 : SETTLE_MS))
        rc = allowance ? silt_read_exceeds(allowance, err) : exec_check(exec, err);
    return rc;
}

enum silt_status schema_list_open(struct exec *exec, struct silt_str database, struct silt_str rp, bool all_policies,
                                  silt_time min, silt_time max, struct schema_view *view, struct silt_error *err)
{
    enum silt_status rc = schema_settle(exec, database, err);
    if (rc != SILT_OK) {
        *view = (struct schema_view){.exec = exec, .database = database};
        return rc;
    }
    return schema_view_open(exec, database, rp, all_policies, min, max, view, err);
}

void schema_view_close(struct schema_view *view)
{
    for (size_t i = 0; i < view->reader_count; i++)
        view->readers[i]->ops->release(view->readers[i]);
    view->reader_count = 0;
}

enum silt_status schema_tag_keys(const struct schema_view *view, struct silt_str measurement,
                                 const struct silt_tag_filter *filter, struct silt_str **out, size_t *count,
                                 struct silt_error *err)
{
    struct strings keys = {.exec = view->exec};
    struct silt_arena *arena = view->exec->arena;
    enum silt_status rc;

    for (size_t i = 0; i < view->reader_count; i++) {
        struct silt_reader *reader = view->readers[i];
        struct silt_str *found;
        size_t found_count;
        if ((rc = reader->ops->tag_keys(reader, measurement, arena, &found, &found_count, err)) != SILT_OK)
            return rc;
        for (size_t k = 0; k < found_count; k++) {
            if (filter) { /* a key counts when a series that matches has it */
                struct silt_str *values;
                size_t value_count;
                if ((rc = reader->ops->tag_values(reader, measurement, found[k], filter, arena, &values, &value_count,
                                                  err)) != SILT_OK)
                    return rc;
                if (value_count == 0)
                    continue;
            }
            if ((rc = strings_append(&keys, &found[k], 1, err)) != SILT_OK)
                return rc;
        }
    }
    return strings_give(&keys, out, count);
}

enum silt_status schema_tag_values(const struct schema_view *view, struct silt_str measurement, struct silt_str key,
                                   const struct silt_tag_filter *filter, struct silt_str **out, size_t *count,
                                   struct silt_error *err)
{
    struct strings values = {.exec = view->exec};
    enum silt_status rc;

    for (size_t i = 0; i < view->reader_count; i++) {
        struct silt_reader *reader = view->readers[i];
        struct silt_str *found;
        size_t found_count;
        if ((rc = reader->ops->tag_values(reader, measurement, key, filter, view->exec->arena, &found, &found_count,
                                          err)) != SILT_OK ||
            (rc = strings_append(&values, found, found_count, err)) != SILT_OK)
            return rc;
    }
    return strings_give(&values, out, count);
}

bool schema_has_shards(const struct schema_view *view)
{
    for (size_t i = 0; i < view->reader_count; i++)
        if (view->readers[i]->ops->shard_count(view->readers[i]) > 0)
            return true;
    return false;
}

bool series_in_shards(struct silt_reader *reader, silt_series_id id)
{
    uint32_t count = reader->ops->shard_count(reader);

    for (uint32_t shard = 0; shard < count; shard++)
        if (reader->ops->shard_has_series(reader, shard, id))
            return true;
    return false;
}

enum silt_status schema_series_keys(const struct schema_view *view, struct silt_str measurement,
                                    const struct silt_tag_filter *filter, bool in_shards, size_t most,
                                    struct silt_str **out, size_t *count, struct silt_error *err)
{
    struct strings keys = {.exec = view->exec};
    struct silt_arena *arena = view->exec->arena;
    enum silt_status rc;

    for (size_t i = 0; i < view->reader_count; i++) {
        struct silt_reader *reader = view->readers[i];
        struct silt_series_set set;
        struct silt_str *found;
        size_t found_count = 0;
        if ((rc = reader->ops->series(reader, measurement, filter, arena, &set, err)) != SILT_OK ||
            (rc = exec_alloc(view->exec, (set.count < most ? set.count : most) + 1, sizeof(*found), &found, err)) != SILT_OK)
            return rc;
        /* In the order of their keys: the first ones of each reader are enough for the first ones of all. */
        for (size_t k = 0; k < set.count && found_count < most; k++) {
            if (in_shards && !series_in_shards(reader, set.ids[k]))
                continue;
            reader->ops->series_tags(reader, set.ids[k], arena, &found[found_count], NULL, NULL);
            found_count += found[found_count].p != NULL; /* deleted meanwhile */
        }
        if ((rc = strings_append(&keys, found, found_count, err)) != SILT_OK)
            return rc;
    }
    return strings_give(&keys, out, count);
}

static int by_id(const void *a, const void *b)
{
    silt_series_id x = *(const silt_series_id *)a, y = *(const silt_series_id *)b;
    return x < y ? -1 : x > y;
}

enum silt_status schema_series_count(const struct schema_view *view, struct silt_str measurement, size_t *count,
                                     struct silt_error *err)
{
    silt_series_id *all = NULL;
    size_t total = 0, distinct = 0;
    enum silt_status rc;

    *count = 0;
    for (size_t i = 0; i < view->reader_count; i++) {
        struct silt_reader *reader = view->readers[i];
        struct silt_series_set set;
        silt_series_id *joined;
        if ((rc = reader->ops->series_unsorted(reader, measurement, NULL, view->exec->arena, &set, err)) != SILT_OK)
            return rc;
        if (view->reader_count == 1) {
            *count = set.count;
            return SILT_OK;
        }
        if ((rc = exec_alloc(view->exec, total + set.count + 1, sizeof(*joined), &joined, err)) != SILT_OK)
            return rc;
        if (total)
            memcpy(joined, all, total * sizeof(*joined));
        if (set.count)
            memcpy(joined + total, set.ids, set.count * sizeof(*joined));
        all = joined;
        total += set.count;
    }
    if (total > 1)
        qsort(all, total, sizeof(*all), by_id);
    for (size_t i = 0; i < total; i++)
        distinct += i == 0 || all[i] != all[i - 1];
    *count = distinct;
    return SILT_OK;
}

static int by_name_then_type(const void *a, const void *b)
{
    const struct silt_field *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order ? order : strcmp(silt_type_name(x->type), silt_type_name(y->type));
}

size_t schema_fields_sort(struct silt_field *fields, size_t count)
{
    size_t kept = 0;

    if (count > 1)
        qsort(fields, count, sizeof(*fields), by_name_then_type);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || by_name_then_type(&fields[i], &fields[kept - 1]) != 0)
            fields[kept++] = fields[i];
    return kept;
}

enum silt_status schema_fields(const struct schema_view *view, struct silt_str measurement, struct silt_field **out,
                               size_t *count, struct silt_error *err)
{
    struct silt_field *all = NULL;
    size_t total = 0;
    enum silt_status rc;

    for (size_t i = 0; i < view->reader_count; i++) {
        struct silt_field *found, *joined;
        size_t found_count;
        if ((rc = view->readers[i]->ops->fields(view->readers[i], measurement, view->exec->arena, &found, &found_count,
                                                err)) != SILT_OK ||
            (rc = exec_alloc(view->exec, total + found_count + 1, sizeof(*joined), &joined, err)) != SILT_OK)
            return rc;
        if (total)
            memcpy(joined, all, total * sizeof(*joined));
        if (found_count)
            memcpy(joined + total, found, found_count * sizeof(*joined));
        all = joined;
        total += found_count;
    }
    *out = all;
    *count = schema_fields_sort(all, total);
    return SILT_OK;
}

static bool match_regex(const void *regex, struct silt_str value)
{
    return silt_regex_match(regex, value);
}

/* Of two tags InfluxDB only asks whether they are there: `=` where both are, `!=` where the other is not. */
static void both_tags(struct exec *exec, struct silt_tag_filter *filter, struct silt_str other, bool equal)
{
    struct silt_tag_filter *left = silt_arena_zalloc(exec->arena, sizeof(*left)),
                           *right = silt_arena_zalloc(exec->arena, sizeof(*right));

    left->op = SILT_TAG_NE;
    left->key = filter->key;
    right->op = equal ? SILT_TAG_NE : SILT_TAG_EQ;
    right->key = other;
    filter->op = SILT_TAG_AND;
    filter->left = left;
    filter->right = right;
}

enum silt_status schema_tag_filter(struct exec *exec, const struct expr *expr, struct silt_tag_filter **out,
                                   struct silt_error *err)
{
    enum silt_status rc;

    *out = NULL;
    if (!expr)
        return SILT_OK;
    while (expr->kind == EXPR_PAREN)
        expr = expr->paren;

    struct silt_tag_filter *filter = silt_arena_zalloc(exec->arena, sizeof(*filter));
    if (expr->kind == EXPR_BOOLEAN) {
        filter->op = expr->boolean ? SILT_TAG_TRUE : SILT_TAG_FALSE;
        *out = filter;
        return SILT_OK;
    }
    if (expr->kind != EXPR_BINARY)
        return silt_fail(err, SILT_INVALID, "invalid tag comparison operator");
    if (expr->binary.op == OP_AND || expr->binary.op == OP_OR) {
        struct silt_tag_filter *left, *right;
        if ((rc = schema_tag_filter(exec, expr->binary.left, &left, err)) != SILT_OK ||
            (rc = schema_tag_filter(exec, expr->binary.right, &right, err)) != SILT_OK)
            return rc;
        filter->op = expr->binary.op == OP_AND ? SILT_TAG_AND : SILT_TAG_OR;
        filter->left = left;
        filter->right = right;
        *out = filter;
        return SILT_OK;
    }
    const struct expr *name = expr->binary.left, *value = expr->binary.right;
    if (name->kind != EXPR_REF) {
        name = expr->binary.right;
        value = expr->binary.left;
    }
    bool equality = expr->binary.op == OP_EQ || expr->binary.op == OP_NE;
    if (name->kind != EXPR_REF) {
        if (!equality || value->kind == EXPR_BINARY || name->kind == EXPR_BINARY)
            return silt_fail(err, SILT_INVALID, "invalid tag comparison operator");
        filter->op = SILT_TAG_TRUE; /* left to rows, of which there are none */
        *out = filter;
        return SILT_OK;
    }
    filter->key = name->ref.name;
    if (value->kind == EXPR_STRING && (expr->binary.op == OP_EQ || expr->binary.op == OP_NE)) {
        filter->op = expr->binary.op == OP_EQ ? SILT_TAG_EQ : SILT_TAG_NE;
        filter->value = value->string;
    } else if (value->kind == EXPR_REGEX && (expr->binary.op == OP_MATCH || expr->binary.op == OP_NOT_MATCH)) {
        filter->op = expr->binary.op == OP_MATCH ? SILT_TAG_MATCH : SILT_TAG_NOT_MATCH;
        filter->match = match_regex;
        filter->match_arg = exec_regex(exec, value->regex);
    } else if (value->kind == EXPR_REF && (expr->binary.op == OP_EQ || expr->binary.op == OP_NE)) {
        both_tags(exec, filter, value->ref.name, expr->binary.op == OP_EQ);
    } else if (value->kind != EXPR_REGEX && value->kind != EXPR_REF && equality) {
        filter->op = SILT_TAG_TRUE; /* to InfluxDB a question about a field, of which SHOW knows nothing */
    } else {
        return silt_fail(err, SILT_INVALID, "invalid tag comparison operator");
    }
    *out = filter;
    return SILT_OK;
}

static bool is_name_test(const struct silt_tag_filter *filter)
{
    return filter->op >= SILT_TAG_EQ && filter->op <= SILT_TAG_NOT_MATCH && silt_str_equal(filter->key, SILT_STR("_name"));
}

static bool mentions_name(const struct silt_tag_filter *filter)
{
    if (filter->op == SILT_TAG_AND || filter->op == SILT_TAG_OR)
        return mentions_name(filter->left) || mentions_name(filter->right);
    return is_name_test(filter);
}

const struct silt_tag_filter *schema_filter_for(struct exec *exec, const struct silt_tag_filter *filter,
                                                struct silt_str measurement)
{
    if (!filter || !mentions_name(filter))
        return filter;
    struct silt_tag_filter *copy = silt_arena_alloc(exec->arena, sizeof(*copy));
    *copy = *filter;
    if (is_name_test(filter)) {
        bool positive = filter->op == SILT_TAG_EQ || filter->op == SILT_TAG_MATCH;
        bool hit = filter->match ? filter->match(filter->match_arg, measurement) : silt_str_equal(filter->value, measurement);
        copy->op = hit == positive ? SILT_TAG_TRUE : SILT_TAG_FALSE;
    } else {
        copy->left = schema_filter_for(exec, filter->left, measurement);
        copy->right = schema_filter_for(exec, filter->right, measurement);
    }
    return copy;
}

/* The filter without its tests of the name, or without all others. */
static const struct silt_tag_filter *take_out(struct exec *exec, const struct silt_tag_filter *filter, bool names)
{
    if (filter->op != SILT_TAG_AND && filter->op != SILT_TAG_OR)
        return is_name_test(filter) == names ? NULL : filter;
    const struct silt_tag_filter *left = take_out(exec, filter->left, names), *right = take_out(exec, filter->right, names);
    if (!left || !right)
        return left ? left : right;
    struct silt_tag_filter *copy = silt_arena_alloc(exec->arena, sizeof(*copy));
    *copy = *filter;
    copy->left = left;
    copy->right = right;
    return copy;
}

static bool name_passes(const struct silt_tag_filter *filter, struct silt_str measurement)
{
    if (filter->op == SILT_TAG_AND)
        return name_passes(filter->left, measurement) && name_passes(filter->right, measurement);
    if (filter->op == SILT_TAG_OR)
        return name_passes(filter->left, measurement) || name_passes(filter->right, measurement);
    bool hit = filter->match ? filter->match(filter->match_arg, measurement) : silt_str_equal(filter->value, measurement);
    return hit == (filter->op == SILT_TAG_EQ || filter->op == SILT_TAG_MATCH);
}

const struct silt_tag_filter *schema_filter_rest(struct exec *exec, const struct silt_tag_filter *filter,
                                                 struct silt_str measurement, bool *passes)
{
    *passes = true;
    if (!filter || !mentions_name(filter))
        return filter;
    const struct silt_tag_filter *names = take_out(exec, filter, false);
    *passes = !names || name_passes(names, measurement);
    return take_out(exec, filter, true);
}
