/*
 * show.c - SHOW of the schema: measurements, series, tags, fields, and how many there are.
 *
 * SHOW SERIES and FIELD KEYS look at one policy, the default one when none is named, and may look at several databases;
 * the others at all policies of one database, whatever stands in front of a measurement's name.
 */
#include "query/row_filter.h"
#include "query/show_cardinality.h"
#include "query/show_table.h"

#include <stdlib.h>

static const struct silt_str name_column[] = {{"name", 4}}, key_column[] = {{"key", 3}}, tag_key_column[] = {{"tagKey", 6}},
                             tag_value_columns[] = {{"key", 3}, {"value", 5}},
                             field_key_columns[] = {{"fieldKey", 8}, {"fieldType", 9}};

/* ---------------------------------------------------------------- what all of them share */

struct show {
    struct exec *exec;
    const struct show_statement *statement;
    struct condition condition;
    struct silt_tag_filter *filter;
    struct schema_view view;
    bool errors_pass; /* of the condition: the statements behind run all the same */
    struct silt_error *err;
};

static struct silt_str database_of(const struct exec *exec, struct silt_str named)
{
    return named.len ? named : exec->options->database;
}

static enum silt_status show_split(struct show *show)
{
    return condition_split(show->exec, show->statement->condition, NULL, &show->condition, show->err);
}

/* The filter, once the place is known. */
static enum silt_status show_filter(struct show *show)
{
    enum silt_status rc = schema_tag_filter(show->exec, show->condition.rest, &show->filter, show->err);

    if (rc != SILT_OK)
        show->exec->goes_on = show->errors_pass;
    return rc;
}

/* An unknown database is told before what is wrong with the condition. */
static enum silt_status database_check(struct show *show, struct silt_str database)
{
    struct silt_source *source = show->exec->options->source;
    struct silt_policy *policies;
    size_t count;

    if (database.len == 0)
        return silt_fail(show->err, SILT_INVALID, "database name required");
    return source->policies(source, database, show->exec->arena, &policies, &count, show->err);
}

/* A view of one database; follow_source: of the one that the first source names, if it names one. */
static enum silt_status show_open(struct show *show, bool follow_source)
{
    const struct show_statement *statement = show->statement;
    struct silt_str database = database_of(show->exec, statement->database), rp = {0};
    enum silt_status rc;

    if (follow_source && statement->source_count > 0) {
        if (statement->sources[0].database.len)
            database = statement->sources[0].database;
        rp = statement->sources[0].rp;
    }
    if ((rc = database_check(show, database)) != SILT_OK || (rc = show_split(show)) != SILT_OK)
        return rc;
    return schema_list_open(show->exec, database, rp, rp.len == 0, show->condition.min, show->condition.max, &show->view,
                            show->err);
}

bool show_source_names(struct exec *exec, const struct source *sources, size_t count, struct silt_str measurement)
{
    size_t nameless = 0;

    for (size_t i = 0; i < count; i++)
        if (!sources[i].is_regex && sources[i].name.len == 0) /* "" stands for nothing */
            nameless++;
        else if (sources[i].is_regex ? silt_regex_match(exec_regex(exec, sources[i].regex), measurement)
                                     : silt_str_equal(sources[i].name, measurement))
            return true;
    return count == nameless;
}

static bool shown(const struct show *show, struct silt_str measurement)
{
    return show_source_names(show->exec, show->statement->sources, show->statement->source_count, measurement);
}

/* ---------------------------------------------------------------- measurements */

/* The tag and the value of a comparison; anything else is an error, told in InfluxDB's words. */
static enum silt_status measurement_condition_check(struct show *show, const struct expr *expr)
{
    enum silt_status rc;

    if (expr->kind == EXPR_PAREN)
        return measurement_condition_check(show, expr->paren);
    if (expr->kind == EXPR_REF) /* as Go prints the node */
        return silt_fail(show->err, SILT_INVALID, "&influxql.VarRef{Val:\"%.*s\", Type:%d}", SILT_FMT(expr->ref.name),
                         (int)expr->ref.type);
    if (expr->kind == EXPR_BOOLEAN)
        return silt_fail(show->err, SILT_INVALID, "&influxql.BooleanLiteral{Val:%s}", expr->boolean ? "true" : "false");
    if (expr->kind == EXPR_STRING)
        return silt_fail(show->err, SILT_INVALID, "&influxql.StringLiteral{Val:\"%.*s\"}", SILT_FMT(expr->string));
    if (expr->kind == EXPR_INTEGER)
        return silt_fail(show->err, SILT_INVALID, "&influxql.IntegerLiteral{Val:%lld}", (long long)expr->integer);
    if (expr->kind != EXPR_BINARY)
        return silt_fail(show->err, SILT_INVALID, "invalid tag comparison operator");
    const struct expr *left = expr->binary.left, *right = expr->binary.right;
    switch (expr->binary.op) {
    case OP_AND:
    case OP_OR:
        rc = measurement_condition_check(show, left);
        return rc == SILT_OK ? measurement_condition_check(show, right) : rc;
    case OP_EQ:
    case OP_NE:
    case OP_MATCH:
    case OP_NOT_MATCH: break;
    default: return silt_fail(show->err, SILT_INVALID, "invalid tag comparison operator");
    }
    const char *op = expr_op_text(expr->binary.op);
    bool regex = expr->binary.op == OP_MATCH || expr->binary.op == OP_NOT_MATCH;
    if (left->kind != EXPR_REF)
        return silt_fail(show->err, SILT_INVALID, "left side of '%s' must be a tag key", op);
    if (right->kind != (regex ? EXPR_REGEX : EXPR_STRING))
        return silt_fail(show->err, SILT_INVALID, "right side of '%s' must be a %s", op,
                         regex ? "regular expression" : "tag value string");
    return SILT_OK;
}

static bool value_matches(const struct show *show, const struct expr *wanted, struct silt_str value)
{
    return wanted->kind == EXPR_REGEX ? silt_regex_match(exec_regex(show->exec, wanted->regex), value)
                                      : silt_str_equal(wanted->string, value);
}

/* An existence test: != and !~ hold when no value matches, but not for a measurement that lacks the tag. */
static enum silt_status measurement_matches(const struct show *show, const struct expr *expr,
                                            struct silt_str measurement, bool *out)
{
    enum silt_status rc;
    bool left, right;

    if (expr->kind == EXPR_PAREN)
        return measurement_matches(show, expr->paren, measurement, out);
    enum expr_op op = expr->binary.op;
    if (op == OP_AND || op == OP_OR) {
        if ((rc = measurement_matches(show, expr->binary.left, measurement, &left)) != SILT_OK ||
            (rc = measurement_matches(show, expr->binary.right, measurement, &right)) != SILT_OK)
            return rc;
        *out = op == OP_AND ? left && right : left || right;
        return SILT_OK;
    }
    struct silt_str key = expr->binary.left->ref.name, *values;
    bool hit = false, positive = op == OP_EQ || op == OP_MATCH;
    size_t count;
    if (silt_str_equal(key, SILT_STR("_name"))) {
        *out = value_matches(show, expr->binary.right, measurement) == positive;
        return SILT_OK;
    }
    if ((rc = schema_tag_values(&show->view, measurement, key, NULL, &values, &count, show->err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < count && !hit; i++)
        hit = value_matches(show, expr->binary.right, values[i]);
    *out = count > 0 && hit == positive;
    return SILT_OK;
}

enum silt_status show_check(const struct statement *statement, struct silt_error *err)
{
    if (statement->kind == STATEMENT_SHOW_MEASUREMENTS && expr_mentions_time(statement->show.condition))
        return silt_fail(err, SILT_INVALID, "SHOW MEASUREMENTS doesn't support time in WHERE clause");
    return show_cardinality_check(statement, err);
}

static enum silt_status show_measurements(struct show *show)
{
    const struct show_statement *statement = show->statement;
    struct silt_str database = database_of(show->exec, statement->database);
    struct exec *exec = show->exec;
    struct table table;
    enum silt_status rc;

    if (database.len == 0)
        return silt_fail(show->err, SILT_INVALID, "database name required");
    rc = schema_list_open(exec, database, (struct silt_str){0}, true, SILT_TIME_MIN, SILT_TIME_MAX, &show->view, show->err);
    if (rc == SILT_NOT_FOUND) /* an unknown database has no measurements */
        return SILT_OK;
    if (rc == SILT_OK && statement->condition && (rc = measurement_condition_check(show, statement->condition)) != SILT_OK)
        exec->goes_on = true;
    if (rc != SILT_OK || (rc = table_begin(&table, exec, SILT_STR("measurements"), name_column, 1, statement->limit,
                                           statement->offset, false, show->err)) != SILT_OK)
        return rc;
    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count; i++) {
        struct silt_cell cell = cell_string(show->view.measurements[i]);
        bool matches = true;
        if (!shown(show, cell.string))
            continue;
        if (statement->condition)
            rc = measurement_matches(show, statement->condition, cell.string, &matches);
        if (rc == SILT_OK && matches)
            rc = table_row(&table, &cell);
    }
    return rc == SILT_OK ? table_flush(&table) : rc;
}

/* ---------------------------------------------------------------- series and fields: of one policy, or several */

/* A database and policy that sources name, and the sources that do. */
struct place {
    struct silt_str database, rp;
    struct source *sources;
    size_t source_count;
    bool only_in_shards; /* SHOW SERIES: of the view; else of all policies, those without points too */
    struct schema_view view;
};

struct place_list {
    struct place *items;
    size_t count;
    struct placed { /* a measurement, and where */
        struct silt_str name;
        struct place *place;
    } *measurements; /* by name */
    size_t measurement_count;
};

static int by_name(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static struct place *find_place(struct show *show, struct place_list *places, struct silt_str database, struct silt_str rp)
{
    struct silt_str policy = rp.len ? rp : show->exec->options->rp;

    for (size_t i = 0; i < places->count; i++)
        if (silt_str_equal(places->items[i].database, database) && silt_str_equal(places->items[i].rp, policy))
            return &places->items[i];
    struct place *place = &places->items[places->count++];
    *place = (struct place){.database = database, .rp = policy, .only_in_shards = true};
    place->sources = silt_arena_alloc(show->exec->arena, (show->statement->source_count + 1) * sizeof(*place->sources));
    return place;
}

/* All that InfluxDB's index takes, arithmetic within a comparison included. */
static bool only_equalities(const struct expr *expr)
{
    while (expr && expr->kind == EXPR_PAREN)
        expr = expr->paren;
    if (!expr || expr->kind != EXPR_BINARY)
        return true;
    return expr->binary.op >= OP_OR && expr->binary.op <= OP_NOT_MATCH && only_equalities(expr->binary.left) &&
           only_equalities(expr->binary.right);
}

/* Close the places whatever is returned. */
static enum silt_status places_open(struct show *show, struct place_list *places, bool series)
{
    const struct show_statement *statement = show->statement;
    struct silt_str database = database_of(show->exec, statement->database);
    size_t capacity = 0;
    enum silt_status rc;

    *places = (struct place_list){
        .items = silt_arena_zalloc(show->exec->arena, (statement->source_count + 1) * sizeof(*places->items))};
    if (statement->source_count == 0)
        find_place(show, places, database, (struct silt_str){0});
    for (size_t i = 0; i < statement->source_count; i++) {
        const struct source *source = &statement->sources[i];
        struct place *place = find_place(show, places, source->database.len ? source->database : database, source->rp);
        place->sources[place->source_count++] = *source;
    }
    for (size_t i = 0; i < places->count; i++)
        if ((rc = database_check(show, places->items[i].database)) != SILT_OK)
            return rc;
    if ((rc = show_split(show)) != SILT_OK)
        return rc;
    bool rows = series && expr_mentions_time(statement->condition); /* InfluxDB looks at rows then */
    if (series && (rows || statement->source_count == 0) && show->condition.rest &&
        (rc = condition_check(show->exec, show->condition.rest, show->err)) != SILT_OK)
        return rc;
    if (series && !rows) {
        show->condition.min = SILT_TIME_MIN;
        show->condition.max = SILT_TIME_MAX;
    }
    for (size_t i = 0; i < places->count; i++) {
        struct place *place = &places->items[i];
        if ((rc = schema_list_open(show->exec, place->database, place->rp, false, show->condition.min,
                                   show->condition.max, &place->view, show->err)) != SILT_OK)
            return rc;
        /* the policy has to exist and to have a shard, that is all */
        struct silt_reader *reader = place->view.reader_count ? place->view.readers[0] : NULL;
        if (series && !rows && reader && reader->ops->shard_count(reader)) {
            place->only_in_shards = false;
            schema_view_close(&place->view);
            if ((rc = schema_list_open(show->exec, place->database, (struct silt_str){0}, true, SILT_TIME_MIN,
                                       SILT_TIME_MAX, &place->view, show->err)) != SILT_OK)
                return rc;
        }
        if (rows && (show->condition.max < 0 || (statement->descending && show->condition.min > 0)))
            continue; /* a series' row is at time 0, or at the start of the range */
        for (size_t k = 0; k < place->view.measurement_count; k++) {
            struct silt_str name = place->view.measurements[k];
            /* without a time InfluxDB asks every policy for the names of all sources */
            if (rows ? !show_source_names(show->exec, place->sources, place->source_count, name)
                     : !show_source_names(show->exec, statement->sources, statement->source_count, name))
                continue;
            places->measurements = silt_arena_grow(show->exec->arena, places->measurements, &capacity,
                                                   places->measurement_count + 1, sizeof(*places->measurements));
            places->measurements[places->measurement_count++] = (struct placed){name, place};
        }
    }
    if (places->count > 1)
        qsort(places->measurements, places->measurement_count, sizeof(*places->measurements), by_name);
    bool named = statement->source_count == 0 || places->measurement_count > 0;
    for (size_t i = 0; i < statement->source_count; i++)
        named = named || !statement->sources[i].is_regex;
    if (!named) /* patterns that meet nothing: nobody looks at the condition */
        return SILT_OK;
    if (!rows)
        return series && !only_equalities(show->condition.rest)
                   ? silt_fail(show->err, SILT_INVALID, "invalid tag comparison operator")
                   : show_filter(show);
    struct name_index fields = {0};
    for (size_t i = 0; i < places->measurement_count; i++)
        if ((rc = field_names_add(&fields, &places->measurements[i].place->view, places->measurements[i].name, show->err)) !=
            SILT_OK)
            return rc;
    return row_filter(show->exec, show->condition.rest, false, &fields, &show->filter, show->err);
}

static void places_close(struct place_list *places)
{
    for (size_t i = 0; i < places->count; i++)
        schema_view_close(&places->items[i].view);
}

/* The keys of a measurement's series over all places that have one of its name. */
static enum silt_status keys_of(struct show *show, const struct place_list *places, size_t first, size_t next, size_t wanted,
                                struct silt_str **keys, size_t *count)
{
    struct silt_str *found, *joined;
    size_t found_count;
    enum silt_status rc = SILT_OK;

    *count = 0;
    for (size_t i = first; rc == SILT_OK && i < next; i++) {
        const struct placed *placed = &places->measurements[i];
        if (i > first && !placed->place->only_in_shards && !placed[-1].place->only_in_shards &&
            silt_str_equal(placed->place->database, placed[-1].place->database))
            continue; /* both show all policies */
        if ((rc = exec_check(show->exec, show->err)) != SILT_OK ||
            (rc = schema_series_keys(&placed->place->view, placed->name,
                                     schema_filter_for(show->exec, show->filter, placed->name),
                                     placed->place->only_in_shards, wanted, &found, &found_count, show->err)) != SILT_OK)
            return rc;
        if (*count == 0) {
            *keys = found;
            *count = found_count;
            continue;
        }
        if ((rc = exec_alloc(show->exec, *count + found_count + 1, sizeof(*joined), &joined, show->err)) != SILT_OK)
            return rc;
        memcpy(joined, *keys, *count * sizeof(*joined));
        if (found_count)
            memcpy(joined + *count, found, found_count * sizeof(*joined));
        *keys = joined;
        *count = strings_sort_unique(joined, *count + found_count);
    }
    return rc;
}

/* By the last name and key first. */
static enum silt_status series_rows_descending(struct show *show, const struct place_list *places, struct table *table)
{
    enum silt_status rc = SILT_OK;

    for (size_t next = places->measurement_count, first; rc == SILT_OK && next > 0 && table->left > 0; next = first) {
        struct silt_str *keys = NULL;
        size_t count;
        for (first = next - 1; first > 0; first--)
            if (!silt_str_equal(places->measurements[first - 1].name, places->measurements[next - 1].name))
                break;
        if ((rc = keys_of(show, places, first, next, SIZE_MAX, &keys, &count)) != SILT_OK)
            return rc;
        for (size_t i = 0; i < count / 2; i++) {
            struct silt_str key = keys[i];
            keys[i] = keys[count - 1 - i];
            keys[count - 1 - i] = key;
        }
        rc = table_strings(table, keys, count);
    }
    return rc;
}

static enum silt_status series_rows(struct show *show, const struct place_list *places)
{
    struct table table;
    enum silt_status rc;

    rc = table_begin(&table, show->exec, SILT_STR(""), key_column, 1, show->statement->limit,
                                      show->statement->offset, false, show->err);

    if (show->statement->descending && expr_mentions_time(show->statement->condition))
        return series_rows_descending(show, places, &table);
    for (size_t i = 0, next; rc == SILT_OK && i < places->measurement_count && table.left > 0; i = next) {
        struct silt_str *keys = NULL;
        size_t count, wanted = table.left > SIZE_MAX - table.skip ? SIZE_MAX : table.skip + table.left;
        for (next = i + 1; next < places->measurement_count; next++)
            if (!silt_str_equal(places->measurements[next].name, places->measurements[i].name))
                break;
        if ((rc = keys_of(show, places, i, next, wanted, &keys, &count)) == SILT_OK)
            rc = table_strings(&table, keys, count);
    }
    return rc;
}

/* The fields of a measurement over all places that have one of its name. */
static enum silt_status fields_of(struct show *show, const struct place_list *places, size_t first, size_t next,
                                  struct silt_field **fields, size_t *count)
{
    struct silt_field *found, *joined;
    size_t found_count;
    enum silt_status rc = schema_fields(&places->measurements[first].place->view, places->measurements[first].name, fields,
                                        count, show->err);

    for (size_t i = first + 1; rc == SILT_OK && i < next; i++) {
        if ((rc = schema_fields(&places->measurements[i].place->view, places->measurements[i].name, &found, &found_count,
                                show->err)) != SILT_OK ||
            (rc = exec_alloc(show->exec, *count + found_count + 1, sizeof(*joined), &joined, show->err)) != SILT_OK)
            return rc;
        if (*count)
            memcpy(joined, *fields, *count * sizeof(*joined));
        if (found_count)
            memcpy(joined + *count, found, found_count * sizeof(*joined));
        *fields = joined;
        *count = schema_fields_sort(joined, *count + found_count);
    }
    return rc;
}

static enum silt_status field_rows(struct show *show, const struct place_list *places)
{
    enum silt_status rc = SILT_OK;

    for (size_t i = 0, next; rc == SILT_OK && i < places->measurement_count; i = next) {
        const struct placed *placed = &places->measurements[i];
        struct silt_field *fields;
        struct table table;
        size_t count;
        for (next = i + 1; next < places->measurement_count; next++)
            if (!silt_str_equal(places->measurements[next].name, placed->name))
                break;
        if ((rc = fields_of(show, places, i, next, &fields, &count)) != SILT_OK ||
            (rc = table_begin(&table, show->exec, placed->name, field_key_columns, 2, show->statement->limit,
                              show->statement->offset, false, show->err)) != SILT_OK)
            return rc;
        for (size_t k = 0; rc == SILT_OK && k < count; k++) {
            struct silt_cell cells[2] = {cell_string(fields[k].name),
                                         cell_string(silt_str_from(silt_type_name(fields[k].type)))};
            rc = table_row(&table, cells);
        }
        if (rc == SILT_OK)
            rc = table_flush(&table);
    }
    return rc;
}

static enum silt_status show_in_places(struct show *show, enum silt_status (*rows)(struct show *, const struct place_list *))
{
    struct place_list places;
    enum silt_status rc = places_open(show, &places, rows == series_rows);

    if (rc == SILT_OK)
        rc = rows(show, &places);
    places_close(&places);
    return rc;
}

/* ---------------------------------------------------------------- tags: of all policies */

/* No shard in the time asked for: nothing is known, though the index could tell. */
static bool out_of_time(const struct show *show)
{
    return (show->condition.has_min || show->condition.has_max) && !schema_has_shards(&show->view);
}

static enum silt_status show_tag_keys(struct show *show)
{
    show->errors_pass = true;
    enum silt_status rc = show_open(show, false);
    if (rc == SILT_OK)
        rc = show_filter(show);

    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count && !out_of_time(show); i++) {
        struct silt_str *keys;
        struct table table;
        size_t count;
        bool passes;
        const struct silt_tag_filter *filter =
            schema_filter_rest(show->exec, show->filter, show->view.measurements[i], &passes);
        if (!passes || !shown(show, show->view.measurements[i]))
            continue;
        if ((rc = schema_tag_keys(&show->view, show->view.measurements[i],
                                  filter, &keys, &count, show->err)) !=
                SILT_OK ||
            (rc = table_begin(&table, show->exec, show->view.measurements[i], tag_key_column, 1, show->statement->limit,
                              show->statement->offset, false, show->err)) != SILT_OK)
            return rc;
        rc = table_strings(&table, keys, count);
    }
    return rc;
}

bool show_key_wanted(struct exec *exec, const struct show_statement *statement, struct silt_str key)
{
    const struct expr *expr = statement->key;

    switch (statement->key_op) {
    case OP_EQ: return silt_str_equal(key, expr->string);
    case OP_NE: return !silt_str_equal(key, expr->string);
    case OP_MATCH: return silt_regex_match(exec_regex(exec, expr->regex), key);
    case OP_NOT_MATCH: return !silt_regex_match(exec_regex(exec, expr->regex), key);
    case OP_IN:
        for (size_t i = 0; i < expr->list.count; i++)
            if (silt_str_equal(expr->list.names[i], key))
                return true;
        return false;
    default: return true;
    }
}

/* Of a comparison the left side has to be a name here. */
static enum silt_status tag_condition_check(struct show *show, const struct expr *expr)
{
    enum silt_status rc;

    if (!expr || expr->kind == EXPR_PAREN)
        return expr ? tag_condition_check(show, expr->paren) : SILT_OK;
    if (expr->kind == EXPR_BOOLEAN && !expr->boolean)
        return silt_fail(show->err, SILT_INVALID, "&influxql.BooleanLiteral{Val:false}");
    if (expr->kind != EXPR_BINARY)
        return SILT_OK;
    if (expr->binary.op == OP_AND || expr->binary.op == OP_OR) {
        rc = tag_condition_check(show, expr->binary.left);
        return rc == SILT_OK ? tag_condition_check(show, expr->binary.right) : rc;
    }
    if (expr->binary.op < OP_EQ || expr->binary.op > OP_NOT_MATCH || expr->binary.left->kind == EXPR_REF)
        return SILT_OK;
    return silt_fail(show->err, SILT_INVALID, "left side of '%s' must be a tag key", expr_op_text(expr->binary.op));
}

static enum silt_status show_tag_values(struct show *show)
{
    enum silt_status rc = show_open(show, false);

    show->errors_pass = true;
    if (rc == SILT_OK && (rc = tag_condition_check(show, show->condition.rest)) != SILT_OK)
        show->exec->goes_on = true;
    if (rc == SILT_OK)
        rc = show_filter(show);
    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count && !out_of_time(show); i++) {
        struct silt_str *keys, *values, measurement = show->view.measurements[i];
        bool passes;
        const struct silt_tag_filter *filter = schema_filter_rest(show->exec, show->filter, measurement, &passes);
        struct table table;
        size_t key_count, value_count;
        if (!passes || !shown(show, measurement))
            continue;
        if ((rc = schema_tag_keys(&show->view, measurement, NULL, &keys, &key_count, show->err)) != SILT_OK ||
            (rc = table_begin(&table, show->exec, measurement, tag_value_columns, 2, show->statement->limit,
                              show->statement->offset, false, show->err)) != SILT_OK)
            return rc;
        for (size_t k = 0; rc == SILT_OK && k < key_count; k++) {
            if (!show_key_wanted(show->exec, show->statement, keys[k]))
                continue;
            rc = schema_tag_values(&show->view, measurement, keys[k], filter, &values, &value_count, show->err);
            for (size_t v = 0; rc == SILT_OK && v < value_count; v++) {
                struct silt_cell cells[2] = {cell_string(keys[k]), cell_string(values[v])};
                rc = table_row(&table, cells);
            }
        }
        if (rc == SILT_OK)
            rc = table_flush(&table);
    }
    return rc;
}

enum silt_status show_run(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    struct show show = {.exec = exec, .statement = &statement->show, .err = err};
    enum silt_status rc;

    switch (statement->kind) {
    case STATEMENT_SHOW_MEASUREMENTS: rc = show_measurements(&show); break;
    case STATEMENT_SHOW_SERIES: rc = show_in_places(&show, series_rows); break;
    case STATEMENT_SHOW_TAG_KEYS: rc = show_tag_keys(&show); break;
    case STATEMENT_SHOW_TAG_VALUES: rc = show_tag_values(&show); break;
    case STATEMENT_SHOW_FIELD_KEYS: rc = show_in_places(&show, field_rows); break;
    default: rc = show_cardinality(exec, statement, err); break;
    }
    schema_view_close(&show.view);
    return rc;
}
