/*
 * show_cardinality.c - SHOW SERIES, MEASUREMENT, TAG KEY, TAG VALUES, FIELD KEY [EXACT] CARDINALITY.
 *
 * Without clauses, series and measurements are counted over the whole database in one number (InfluxDB estimates it, here it
 * is exact). Everything else InfluxDB rewrites to `SELECT count(distinct(...)) FROM ... GROUP BY ...` over one policy, in which
 * each series is a row at time 0; so is the answer here:
 *
 *     per measurement and group   the distinct  series of every shard, added up | tag keys | tag values | fields of the
 *                                 measurement in the shards of the group's series
 *     per group                   the distinct  measurements
 *
 * An answer is one row, so LIMIT changes nothing and any OFFSET leaves nothing. Items are collected,
 * sorted and made unique every now and then, so memory follows the distinct ones:
 *
 *     item   [values of the dimensions | text or number]
 */
#include "query/show_cardinality.h"
#include "query/row_filter.h"
#include "query/show_table.h"

#include <stdlib.h>

static const struct silt_str count_column[] = {{"count", 5}}, estimate_column[] = {{"cardinality estimation", 22}};

struct item {
    const struct silt_str *group; /* a value per dimension */
    struct silt_str text;
    uint64_t number;
    bool fresh; /* its texts are in the scratch */
};

/* What a source reads. */
struct place {
    struct silt_str database, rp;
    struct schema_view view;
};

struct counted {
    struct silt_str name;
    struct place *place;
    size_t number; /* of the place */
};

struct counting {
    struct exec *exec;
    const struct show_statement *statement;
    enum statement_kind kind;
    struct place *places; /* a source each */
    size_t place_count;
    struct counted *counted; /* by name */
    size_t counted_count;
    struct silt_tag_filter *filter;
    struct silt_str *dimensions; /* sorted */
    size_t dimension_count;
    struct item *items;
    struct silt_arena *scratch; /* of the items since they were last settled */
    size_t item_count, item_capacity, settle_at;
    struct silt_error *err;
};

/* ---------------------------------------------------------------- the clauses */

enum silt_status show_cardinality_check(const struct statement *statement, struct silt_error *err)
{
    const char *what;

    switch (statement->kind) {
    case STATEMENT_SHOW_SERIES_CARDINALITY: what = "SERIES EXACT"; break;
    case STATEMENT_SHOW_MEASUREMENT_CARDINALITY: what = "MEASUREMENT EXACT"; break;
    case STATEMENT_SHOW_TAG_KEY_CARDINALITY: what = "TAG KEY EXACT"; break;
    case STATEMENT_SHOW_FIELD_KEY_CARDINALITY: what = "FIELD KEY"; break;
    default: return SILT_OK;
    }
    if (!expr_mentions_time(statement->show.condition))
        return SILT_OK;
    return silt_fail(err, SILT_INVALID, "SHOW %s CARDINALITY doesn't support time in WHERE clause", what);
}

/* Wildcards and patterns stand for the tag keys of the measurements asked for. */
static enum silt_status make_dimensions(struct counting *c)
{
    const struct show_statement *statement = c->statement;
    struct silt_str *names = NULL, *keys;
    size_t count = 0, capacity = 0, key_count;
    enum silt_status rc;

    for (size_t i = 0; i < statement->dimension_count; i++) {
        const struct expr *dimension = statement->dimensions[i];
        if (dimension->kind == EXPR_REF) {
            names = silt_arena_grow(c->exec->arena, names, &capacity, count + 1, sizeof(*names));
            names[count++] = dimension->ref.name;
            continue;
        }
        if (dimension->kind != EXPR_WILDCARD && dimension->kind != EXPR_REGEX)
            return silt_fail(c->err, SILT_UNSUPPORTED, "%s with GROUP BY time() is not supported",
                             statement_kind_name(c->kind));
        for (size_t m = 0; m < c->counted_count; m++) {
            if ((rc = schema_tag_keys(&c->counted[m].place->view, c->counted[m].name, NULL, &keys, &key_count, c->err)) !=
                SILT_OK)
                return rc;
            for (size_t k = 0; k < key_count; k++) {
                if (dimension->kind == EXPR_REGEX && !silt_regex_match(exec_regex(c->exec, dimension->regex), keys[k]))
                    continue;
                names = silt_arena_grow(c->exec->arena, names, &capacity, count + 1, sizeof(*names));
                names[count++] = keys[k];
            }
        }
    }
    c->dimensions = names;
    c->dimension_count = strings_sort_unique(names, count);
    return SILT_OK;
}

/* ---------------------------------------------------------------- collecting */

static int compare_groups(const struct counting *c, const struct item *a, const struct item *b)
{
    for (size_t i = 0; i < c->dimension_count; i++) {
        int order = silt_str_compare(a->group[i], b->group[i]);
        if (order)
            return order;
    }
    return 0;
}

static int compare_items(const void *a, const void *b, void *arg)
{
    const struct item *x = a, *y = b;
    int order = compare_groups(arg, x, y);

    if (order == 0)
        order = silt_str_compare(x->text, y->text);
    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

/* Sorted, each once; what is kept of the newcomers moves out of the scratch. */
static enum silt_status settle(struct counting *c)
{
    struct silt_arena *arena = c->exec->arena;
    size_t kept = 0;

    if (c->item_count > 1)
        qsort_r(c->items, c->item_count, sizeof(*c->items), compare_items, c);
    for (size_t i = 0; i < c->item_count; i++) {
        if (kept && compare_items(&c->items[kept - 1], &c->items[i], c) == 0)
            continue;
        struct item *item = &c->items[kept++];
        *item = c->items[i];
        if (!item->fresh)
            continue;
        struct silt_str *group = silt_arena_zalloc(arena, (c->dimension_count + 1) * sizeof(*group));
        for (size_t d = 0; d < c->dimension_count; d++)
            group[d] = silt_arena_str(arena, item->group[d]);
        item->group = group;
        item->text = silt_arena_str(arena, item->text);
        item->fresh = false;
    }
    c->item_count = kept;
    silt_arena_reset(c->scratch);
    return silt_arena_exceeded(arena) ? silt_fail(c->err, SILT_LIMIT, "query memory limit exceeded") : SILT_OK;
}

static enum silt_status add_item(struct counting *c, const struct silt_str *group, struct silt_str text, uint64_t number)
{
    enum silt_status rc;

    if (c->item_count == c->item_capacity) {
        size_t capacity = c->item_capacity ? c->item_capacity * 2 : 1024, more = capacity - c->item_capacity;
        if ((rc = silt_budget_charge(&c->exec->budget, more * sizeof(*c->items), c->err)) != SILT_OK)
            return rc;
        c->items = silt_realloc(c->items, capacity * sizeof(*c->items));
        c->item_capacity = capacity;
    }
    c->items[c->item_count++] = (struct item){group, text, number, true};
    return SILT_OK;
}

/* Between two series, when nothing but items points into the scratch. */
static enum silt_status settle_now_and_then(struct counting *c)
{
    enum silt_status rc = SILT_OK;

    if (c->item_count >= c->settle_at) {
        rc = settle(c);
        c->settle_at = c->item_count * 2 > 1024 ? c->item_count * 2 : 1024;
    }
    return rc;
}

static enum silt_status group_of(struct counting *c, const struct silt_tag *tags, size_t count,
                                 const struct silt_str **out)
{
    struct silt_str *values = silt_arena_try_alloc(c->scratch, c->dimension_count * sizeof(*values));

    if (!values)
        return silt_fail(c->err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; i < c->dimension_count; i++) {
        values[i] = SILT_STR("");
        for (size_t k = 0; k < count; k++)
            if (silt_str_equal(tags[k].key, c->dimensions[i]))
                values[i] = silt_arena_str(c->scratch, tags[k].value);
    }
    *out = values;
    return SILT_OK;
}

static enum silt_status add_series(struct counting *c, const struct counted *counted, uint64_t number, silt_series_id id)
{
    struct silt_reader *reader = counted->place->view.readers[0];
    const struct silt_str *group = NULL;
    struct silt_tag *tags = NULL;
    struct silt_str key = SILT_STR("");
    size_t count = 0;
    enum silt_status rc = settle_now_and_then(c);

    if (rc != SILT_OK)
        return rc;
    if (c->dimension_count || c->kind == STATEMENT_SHOW_TAG_KEY_CARDINALITY || c->kind == STATEMENT_SHOW_TAG_VALUES_CARDINALITY)
        reader->ops->series_tags(reader, id, c->scratch, &key, &tags, &count);
    if (silt_arena_exceeded(c->scratch))
        return silt_fail(c->err, SILT_LIMIT, "query memory limit exceeded");
    if (!key.p) /* deleted meanwhile */
        return SILT_OK;
    if (c->dimension_count && (rc = group_of(c, tags, count, &group)) != SILT_OK)
        return rc;
    switch (c->kind) {
    case STATEMENT_SHOW_MEASUREMENT_CARDINALITY: return add_item(c, group, SILT_STR(""), number);
    case STATEMENT_SHOW_SERIES_CARDINALITY:
        for (uint32_t shard = 0; rc == SILT_OK && shard < reader->ops->shard_count(reader); shard++)
            if (reader->ops->shard_has_series(reader, shard, id))
                rc = add_item(c, group, SILT_STR(""), /* a source that names it again counts it again */
                              (id * reader->ops->shard_count(reader) + shard) * c->place_count + counted->number);
        return rc;
    default:
        for (size_t i = 0; rc == SILT_OK && i < count; i++) {
            if (c->kind == STATEMENT_SHOW_TAG_KEY_CARDINALITY)
                rc = add_item(c, group, tags[i].key, 0);
            else if (show_key_wanted(c->exec, c->statement, tags[i].key))
                rc = add_item(c, group, tags[i].value, 0);
        }
        return rc;
    }
}

/* Fields are those of the measurement in a shard, for every group that has a series there. */
static enum silt_status add_fields(struct counting *c, const struct counted *counted, const struct silt_tag_filter *filter)
{
    const struct place *place = counted->place;
    struct silt_source *source = c->exec->options->source;
    struct silt_shard_info *shards;
    size_t shard_count;
    enum silt_status rc = source->shards(source, c->exec->arena, &shards, &shard_count);

    for (size_t s = 0; rc == SILT_OK && s < shard_count; s++) {
        struct silt_reader *reader;
        struct silt_series_set set;
        struct silt_field *fields;
        size_t field_count;
        if (!silt_str_equal(shards[s].database, place->database))
            continue;
        if (s > 0 && shards[s].start == shards[s - 1].start && shards[s].end == shards[s - 1].end &&
            silt_str_equal(shards[s].database, shards[s - 1].database))
            continue; /* of another policy, the same range: the reader is of one policy */
        if ((rc = source->open(source, place->database, place->rp, shards[s].start, shards[s].end - 1, &reader, c->err)) != SILT_OK)
            return rc;
        if ((rc = reader->ops->series(reader, counted->name, filter, c->exec->arena, &set, c->err)) == SILT_OK)
            rc = reader->ops->fields(reader, counted->name, c->exec->arena, &fields, &field_count, c->err);
        for (size_t i = 0; rc == SILT_OK && i < set.count; i++) {
            const struct silt_str *group = NULL;
            if (!series_in_shards(reader, set.ids[i]))
                continue;
            if ((rc = settle_now_and_then(c)) != SILT_OK)
                break;
            if (c->dimension_count) {
                struct silt_tag *tags;
                struct silt_str key;
                size_t count;
                reader->ops->series_tags(reader, set.ids[i], c->scratch, &key, &tags, &count);
                if (silt_arena_exceeded(c->scratch))
                    rc = silt_fail(c->err, SILT_LIMIT, "query memory limit exceeded");
                else if (!key.p) /* deleted meanwhile */
                    continue;
                else
                    rc = group_of(c, tags, count, &group);
            }
            for (size_t f = 0; rc == SILT_OK && f < field_count; f++)
                rc = add_item(c, group, silt_arena_str(c->scratch, fields[f].name), 0);
            if (!c->dimension_count)
                break; /* one series is as good as another */
        }
        if (rc == SILT_OK)
            rc = settle(c); /* the reader goes, and what it lent */
        reader->ops->release(reader);
    }
    return rc;
}

static enum silt_status add_measurement(struct counting *c, const struct counted *counted, uint64_t number)
{
    const struct silt_tag_filter *filter = schema_filter_for(c->exec, c->filter, counted->name);
    struct silt_reader *reader = counted->place->view.readers[0];
    struct silt_series_set set;
    enum silt_status rc;

    if (c->kind == STATEMENT_SHOW_FIELD_KEY_CARDINALITY)
        return add_fields(c, counted, filter);
    if ((rc = reader->ops->series(reader, counted->name, filter, c->exec->arena, &set, c->err)) != SILT_OK)
        return rc;
    for (size_t i = 0; rc == SILT_OK && i < set.count; i++) {
        if (i % 1024 == 0 && (rc = exec_check(c->exec, c->err)) != SILT_OK)
            return rc;
        if (!series_in_shards(reader, set.ids[i]))
            continue;
        if (!c->dimension_count && c->kind == STATEMENT_SHOW_MEASUREMENT_CARDINALITY)
            return add_item(c, NULL, SILT_STR(""), number);
        rc = add_series(c, counted, number, set.ids[i]);
    }
    return rc;
}

/* ---------------------------------------------------------------- counting */

static enum silt_status put_number(struct counting *c, struct silt_str name, const struct item *item,
                                   const struct silt_str *column, uint64_t number)
{
    struct silt_tag *tags = silt_arena_zalloc(c->exec->arena, (c->dimension_count + 1) * sizeof(*tags));
    struct silt_cell cell = cell_integer((int64_t)number);
    enum silt_status rc;

    for (size_t i = 0; item && i < c->dimension_count; i++)
        tags[i] = (struct silt_tag){c->dimensions[i], item->group[i]};
    rc = exec_series(c->exec, &(struct silt_series_head){.name = name, .tags = tags,
                                                         .tag_count = item ? c->dimension_count : 0, .columns = column,
                                                         .column_count = 1});
    return rc == SILT_OK ? exec_rows(c->exec, &cell, 1) : rc;
}

/* A row for every group of the items, which are then gone. */
static enum silt_status put_groups(struct counting *c, struct silt_str name)
{
    enum silt_status rc = settle(c);

    for (size_t first = 0, end; rc == SILT_OK && first < c->item_count; first = end) {
        for (end = first + 1; end < c->item_count && compare_groups(c, &c->items[first], &c->items[end]) == 0;)
            end++;
        if (c->statement->offset == 0)
            rc = put_number(c, name, &c->items[first], count_column, end - first);
    }
    c->item_count = 0;
    return rc;
}

static enum silt_status count_all(struct counting *c)
{
    bool by_measurement = c->kind != STATEMENT_SHOW_MEASUREMENT_CARDINALITY;
    enum silt_status rc = make_dimensions(c);

    for (size_t first = 0, next; rc == SILT_OK && first < c->counted_count; first = next) {
        for (next = first; rc == SILT_OK && next < c->counted_count; next++) {
            if (!silt_str_equal(c->counted[next].name, c->counted[first].name))
                break;
            rc = add_measurement(c, &c->counted[next], first);
        }
        if (rc == SILT_OK && by_measurement)
            rc = put_groups(c, c->counted[first].name);
    }
    return rc == SILT_OK ? put_groups(c, SILT_STR("")) : rc;
}

/* Over the whole database. */
static enum silt_status estimate(struct counting *c)
{
    const struct schema_view *view = &c->places[0].view;
    uint64_t total = 0;
    size_t count;
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < view->measurement_count; i++) {
        rc = schema_series_count(view, view->measurements[i], &count, c->err);
        if (rc == SILT_OK)
            total += c->kind == STATEMENT_SHOW_SERIES_CARDINALITY ? count : count > 0;
    }
    return rc == SILT_OK ? put_number(c, SILT_STR(""), NULL, estimate_column, total) : rc;
}

static int by_name(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* Opens what each source reads, and lists the measurements in it. */
static enum silt_status open_places(struct counting *c, bool whole, silt_time min, silt_time max)
{
    const struct show_statement *show = c->statement;
    struct exec *exec = c->exec;
    struct silt_str database = show->database.len ? show->database : exec->options->database;
    size_t capacity = 0, sources = show->source_count ? show->source_count : 1;
    enum silt_status rc;

    c->places = silt_arena_zalloc(exec->arena, sources * sizeof(*c->places));
    for (size_t i = 0; i < sources; i++) {
        const struct source *source = show->source_count ? &show->sources[i] : NULL;
        struct place *place = &c->places[i];
        place->database = source && source->database.len ? source->database : database;
        place->rp = source && source->rp.len ? source->rp : exec->options->rp; /* empty: the default one */
        if (place->database.len == 0)
            return silt_fail(c->err, SILT_INVALID, "database name required");
        if (source && !source->is_regex && source->name.len == 0)
            return silt_fail(c->err, SILT_INVALID, "invalid measurement");
        c->place_count++; /* to be closed */
        if ((rc = schema_list_open(exec, place->database, place->rp, whole, min, max, &place->view, c->err)) != SILT_OK)
            return rc;
        for (size_t m = 0; m < place->view.measurement_count; m++) {
            if (source && !show_source_names(exec, source, 1, place->view.measurements[m]))
                continue;
            c->counted = silt_arena_grow(exec->arena, c->counted, &capacity, c->counted_count + 1, sizeof(*c->counted));
            c->counted[c->counted_count++] = (struct counted){place->view.measurements[m], place, i};
        }
    }
    if (c->counted_count > 1)
        qsort(c->counted, c->counted_count, sizeof(*c->counted), by_name);
    return silt_arena_exceeded(exec->arena) ? silt_fail(c->err, SILT_LIMIT, "query memory limit exceeded") : SILT_OK;
}

enum silt_status show_cardinality(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    const struct show_statement *show = &statement->show;
    struct counting c = {.exec = exec, .statement = show, .kind = statement->kind, .err = err};
    bool whole = !show->exact && !show->source_count && !show->condition && !show->dimension_count && !show->limit &&
                 !show->offset &&
                 (c.kind == STATEMENT_SHOW_SERIES_CARDINALITY || c.kind == STATEMENT_SHOW_MEASUREMENT_CARDINALITY);
    bool values = c.kind == STATEMENT_SHOW_TAG_VALUES_CARDINALITY;
    struct condition condition;
    enum silt_status rc;

    if ((rc = condition_split(exec, show->condition, NULL, &condition, err)) != SILT_OK)
        return rc;
    if (condition.rest && (rc = condition_check(exec, condition.rest, err)) != SILT_OK)
        return rc;
    c.scratch = silt_arena_create(&exec->budget);
    rc = open_places(&c, whole, condition.min, condition.max);
    if (rc == SILT_NOT_FOUND && whole) { /* an unknown database holds nothing */
        rc = put_number(&c, SILT_STR(""), NULL, estimate_column, 0);
    } else if (rc == SILT_OK && condition.min <= 0 && condition.max >= 0) { /* the rows are all at time 0 */
        struct name_index fields = {0};
        for (size_t i = 0; rc == SILT_OK && condition.rest && i < c.counted_count; i++)
            rc = field_names_add(&fields, &c.counted[i].place->view, c.counted[i].name, err);
        if (rc == SILT_OK)
            rc = row_filter(exec, condition.rest, values, &fields, &c.filter, err);
        if (rc == SILT_OK)
            rc = whole ? estimate(&c) : count_all(&c);
    }
    for (size_t i = 0; i < c.place_count; i++)
        schema_view_close(&c.places[i].view);
    silt_arena_destroy(c.scratch);
    if (c.item_capacity)
        silt_budget_release(&exec->budget, c.item_capacity * sizeof(*c.items));
    free(c.items);
    return rc;
}
