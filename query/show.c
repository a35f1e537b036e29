/*
 * show.c - SHOW: tables made of the schema, the policies and the shards.
 *
 * SHOW SERIES and FIELD KEYS look at one policy, the default one when none is named; the others at all of them.
 */
#include "query/schema_view.h"

#include <stdlib.h>

#define BLOCK_ROWS 1000

struct table {
    struct exec *exec;
    struct silt_str name;
    const struct silt_str *columns;
    size_t column_count;
    struct silt_cell *block;
    size_t row_count, skip, left; /* rows to leave out, rows still wanted */
    bool headed;
};

static enum silt_status table_head(struct table *table)
{
    struct silt_series_head head = {
        .name = table->name, .columns = table->columns, .column_count = table->column_count};

    table->headed = true;
    return exec_series(table->exec, &head);
}

/* with_empty: shown even without rows. */
static enum silt_status table_begin(struct table *table, struct exec *exec, struct silt_str name,
                                    const struct silt_str *columns, size_t column_count, int64_t limit, int64_t offset,
                                    bool with_empty, struct silt_error *err)
{
    *table = (struct table){.exec = exec, .name = name, .columns = columns, .column_count = column_count,
                            .skip = offset > 0 ? (size_t)offset : 0, .left = limit > 0 ? (size_t)limit : SIZE_MAX};
    enum silt_status rc = exec_alloc(exec, BLOCK_ROWS * column_count, sizeof(*table->block), &table->block, err);
    return rc == SILT_OK && with_empty ? table_head(table) : rc;
}

static enum silt_status table_flush(struct table *table)
{
    enum silt_status rc = SILT_OK;

    if (table->row_count == 0)
        return SILT_OK;
    if (!table->headed)
        rc = table_head(table);
    if (rc == SILT_OK)
        rc = exec_rows(table->exec, table->block, table->row_count);
    table->row_count = 0;
    return rc;
}

static enum silt_status table_row(struct table *table, const struct silt_cell *cells)
{
    if (table->skip > 0) {
        table->skip--;
        return SILT_OK;
    }
    if (table->left == 0)
        return SILT_OK;
    table->left--;
    memcpy(table->block + table->row_count * table->column_count, cells, table->column_count * sizeof(*cells));
    return ++table->row_count == BLOCK_ROWS ? table_flush(table) : SILT_OK;
}

static enum silt_status table_strings(struct table *table, const struct silt_str *items, size_t count)
{
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        struct silt_cell cell = cell_string(items[i]);
        rc = table_row(table, &cell);
    }
    return rc == SILT_OK ? table_flush(table) : rc;
}

static const struct silt_str name_column[] = {{"name", 4}}, key_column[] = {{"key", 3}}, count_column[] = {{"count", 5}},
                             estimate_column[] = {{"cardinality estimation", 22}}, tag_key_column[] = {{"tagKey", 6}},
                             tag_value_columns[] = {{"key", 3}, {"value", 5}},
                             field_key_columns[] = {{"fieldKey", 8}, {"fieldType", 9}};

/* ---------------------------------------------------------------- what all of them share */

struct show {
    struct exec *exec;
    const struct show_statement *statement;
    struct condition condition;
    struct silt_tag_filter *filter;
    struct schema_view view;
    struct silt_error *err;
};

static struct silt_str database_of(const struct exec *exec, struct silt_str named)
{
    return named.len ? named : exec->options->database;
}

/* The statement's range and filter, and a view of its database. A source may name another database and policy. */
static enum silt_status show_open(struct show *show, bool all_policies)
{
    const struct show_statement *statement = show->statement;
    struct silt_str database = database_of(show->exec, statement->database), rp = {0};
    enum silt_status rc;

    if (statement->source_count > 0) {
        if (statement->sources[0].database.len)
            database = statement->sources[0].database;
        if (statement->sources[0].rp.len) {
            rp = statement->sources[0].rp;
            all_policies = false;
        }
    }
    if (database.len == 0)
        return silt_fail(show->err, SILT_INVALID, "database name required");
    if ((rc = condition_split(show->exec, statement->condition, NULL, &show->condition, show->err)) != SILT_OK ||
        (rc = schema_tag_filter(show->exec, show->condition.rest, &show->filter, show->err)) != SILT_OK)
        return rc;
    return schema_view_open(show->exec, database, rp, all_policies, show->condition.min, show->condition.max, &show->view,
                            show->err);
}

static bool source_names(struct exec *exec, const struct source *sources, size_t count, struct silt_str measurement)
{
    for (size_t i = 0; i < count; i++)
        if (sources[i].is_regex ? silt_regex_match(exec_regex(exec, sources[i].regex), measurement)
                                : silt_str_equal(sources[i].name, measurement))
            return true;
    return count == 0;
}

static bool shown(const struct show *show, struct silt_str measurement)
{
    return source_names(show->exec, show->statement->sources, show->statement->source_count, measurement);
}

/* ---------------------------------------------------------------- measurements */

/* An existence test: != and !~ hold when no value matches, but not for a measurement that lacks the tag. */
static enum silt_status measurement_matches(const struct show *show, const struct silt_tag_filter *filter,
                                            struct silt_str measurement, bool *out)
{
    enum silt_status rc;
    bool left, right;

    switch (filter->op) {
    case SILT_TAG_TRUE: *out = true; return SILT_OK;
    case SILT_TAG_FALSE: *out = false; return SILT_OK;
    case SILT_TAG_AND:
    case SILT_TAG_OR:
        if ((rc = measurement_matches(show, filter->left, measurement, &left)) != SILT_OK ||
            (rc = measurement_matches(show, filter->right, measurement, &right)) != SILT_OK)
            return rc;
        *out = filter->op == SILT_TAG_AND ? left && right : left || right;
        return SILT_OK;
    default: break;
    }
    struct silt_str *values;
    size_t count;
    bool hit = false, positive = filter->op == SILT_TAG_EQ || filter->op == SILT_TAG_MATCH;
    if ((rc = schema_tag_values(&show->view, measurement, filter->key, NULL, &values, &count, show->err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < count && !hit; i++)
        hit = filter->match ? filter->match(filter->match_arg, values[i]) : silt_str_equal(values[i], filter->value);
    *out = count > 0 && hit == positive;
    return SILT_OK;
}

static enum silt_status show_measurements(struct show *show)
{
    const struct show_statement *statement = show->statement;
    struct exec *exec = show->exec;
    struct table table;
    enum silt_status rc;

    if (expr_mentions_time(statement->condition))
        return silt_fail(show->err, SILT_INVALID, "SHOW MEASUREMENTS doesn't support time in WHERE clause");
    rc = show_open(show, true);
    if (rc == SILT_NOT_FOUND && statement->database.len) /* an unknown database has no measurements */
        return SILT_OK;
    if (rc != SILT_OK || (rc = table_begin(&table, exec, SILT_STR("measurements"), name_column, 1, statement->limit,
                                           statement->offset, false, show->err)) != SILT_OK)
        return rc;
    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count; i++) {
        struct silt_cell cell = cell_string(show->view.measurements[i]);
        bool matches = true;
        if (!shown(show, cell.string))
            continue;
        if (show->filter)
            rc = measurement_matches(show, show->filter, cell.string, &matches);
        if (rc == SILT_OK && matches)
            rc = table_row(&table, &cell);
    }
    return rc == SILT_OK ? table_flush(&table) : rc;
}

/* ---------------------------------------------------------------- series, tags, fields */

static enum silt_status show_series(struct show *show)
{
    struct table table;
    enum silt_status rc;

    if ((rc = show_open(show, false)) != SILT_OK ||
        (rc = table_begin(&table, show->exec, SILT_STR(""), key_column, 1, show->statement->limit,
                          show->statement->offset, false, show->err)) != SILT_OK)
        return rc;
    for (size_t i = 0; i < show->view.measurement_count && table.left > 0; i++) {
        struct silt_str *keys;
        size_t count;
        if (!shown(show, show->view.measurements[i]))
            continue;
        if ((rc = exec_check(show->exec, show->err)) != SILT_OK ||
            (rc = schema_series_keys(&show->view, show->view.measurements[i], show->filter, &keys, &count, show->err)) !=
                SILT_OK ||
            (rc = table_strings(&table, keys, count)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

static enum silt_status show_tag_keys(struct show *show)
{
    enum silt_status rc = show_open(show, true);

    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count; i++) {
        struct silt_str *keys;
        struct table table;
        size_t count;
        if (!shown(show, show->view.measurements[i]))
            continue;
        if ((rc = schema_tag_keys(&show->view, show->view.measurements[i], show->filter, &keys, &count, show->err)) !=
                SILT_OK ||
            (rc = table_begin(&table, show->exec, show->view.measurements[i], tag_key_column, 1, show->statement->limit,
                              show->statement->offset, false, show->err)) != SILT_OK)
            return rc;
        rc = table_strings(&table, keys, count);
    }
    return rc;
}

static bool key_wanted(const struct show *show, struct silt_str key)
{
    const struct expr *expr = show->statement->key;

    switch (show->statement->key_op) {
    case OP_EQ: return silt_str_equal(key, expr->string);
    case OP_NE: return !silt_str_equal(key, expr->string);
    case OP_MATCH: return silt_regex_match(exec_regex(show->exec, expr->regex), key);
    case OP_NOT_MATCH: return !silt_regex_match(exec_regex(show->exec, expr->regex), key);
    case OP_IN:
        for (size_t i = 0; i < expr->list.count; i++)
            if (silt_str_equal(expr->list.names[i], key))
                return true;
        return false;
    default: return true;
    }
}

static enum silt_status show_tag_values(struct show *show, bool only_count)
{
    enum silt_status rc = show_open(show, true);

    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count; i++) {
        struct silt_str *keys, *values, measurement = show->view.measurements[i];
        struct table table;
        size_t key_count, value_count, total = 0;
        if (!shown(show, measurement))
            continue;
        if ((rc = schema_tag_keys(&show->view, measurement, NULL, &keys, &key_count, show->err)) != SILT_OK ||
            (rc = table_begin(&table, show->exec, measurement, only_count ? count_column : tag_value_columns,
                              only_count ? 1 : 2, only_count ? 0 : show->statement->limit,
                              only_count ? 0 : show->statement->offset, false, show->err)) != SILT_OK)
            return rc;
        for (size_t k = 0; rc == SILT_OK && k < key_count; k++) {
            if (!key_wanted(show, keys[k]))
                continue;
            rc = schema_tag_values(&show->view, measurement, keys[k], show->filter, &values, &value_count, show->err);
            total += rc == SILT_OK ? value_count : 0;
            for (size_t v = 0; rc == SILT_OK && !only_count && v < value_count; v++) {
                struct silt_cell cells[2] = {cell_string(keys[k]), cell_string(values[v])};
                rc = table_row(&table, cells);
            }
        }
        if (rc == SILT_OK && only_count && total) {
            struct silt_cell cell = cell_integer((int64_t)total);
            rc = table_row(&table, &cell);
        }
        if (rc == SILT_OK)
            rc = table_flush(&table);
    }
    return rc;
}

static enum silt_status show_field_keys(struct show *show)
{
    enum silt_status rc = show_open(show, false);

    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count; i++) {
        struct silt_str measurement = show->view.measurements[i];
        struct silt_field *fields;
        struct table table;
        size_t count;
        if (!shown(show, measurement))
            continue;
        if ((rc = schema_fields(&show->view, measurement, &fields, &count, show->err)) != SILT_OK ||
            (rc = table_begin(&table, show->exec, measurement, field_key_columns, 2, show->statement->limit,
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

/* ---------------------------------------------------------------- cardinalities */

static enum silt_status one_number(struct show *show, struct silt_str name, const struct silt_str *column, size_t number)
{
    struct silt_cell cell = cell_integer((int64_t)number);
    struct table table;
    enum silt_status rc = table_begin(&table, show->exec, name, column, 1, 0, 0, false, show->err);

    if (rc == SILT_OK)
        rc = table_row(&table, &cell);
    return rc == SILT_OK ? table_flush(&table) : rc;
}

/* Exactly means: in every shard by itself, added up. */
static enum silt_status count_series(struct show *show, struct silt_str measurement, bool exact, size_t *out)
{
    struct silt_str *keys;

    *out = 0;
    if (!exact)
        return schema_series_keys(&show->view, measurement, show->filter, &keys, out, show->err);
    for (size_t i = 0; i < show->view.reader_count; i++) {
        struct silt_reader *reader = show->view.readers[i];
        struct silt_series_set set;
        enum silt_status rc =
            reader->ops->series(reader, measurement, show->filter, show->exec->arena, &set, show->err);
        if (rc != SILT_OK)
            return rc;
        for (uint32_t shard = 0; shard < reader->ops->shard_count(reader); shard++)
            for (size_t k = 0; k < set.count; k++)
                *out += reader->ops->shard_has_series(reader, shard, set.ids[k]);
    }
    return SILT_OK;
}

static enum silt_status show_cardinality(struct show *show, enum statement_kind kind)
{
    const struct show_statement *statement = show->statement;
    const char *what = statement_kind_name(kind);
    bool exact = statement->exact || statement->source_count || statement->condition || statement->dimension_count ||
                 statement->limit || statement->offset;
    size_t total = 0, shown_count = 0;
    enum silt_status rc;

    if (statement->dimension_count)
        return silt_fail(show->err, SILT_UNSUPPORTED, "%s with GROUP BY is not supported", what);
    if (expr_mentions_time(statement->condition)) {
        bool series = kind == STATEMENT_SHOW_SERIES_CARDINALITY, measurement = kind == STATEMENT_SHOW_MEASUREMENT_CARDINALITY;
        if (series || measurement)
            return silt_fail(show->err, SILT_INVALID, "SHOW %s EXACT CARDINALITY doesn't support time in WHERE clause",
                             series ? "SERIES" : "MEASUREMENT");
    }
    if (kind == STATEMENT_SHOW_TAG_VALUES_CARDINALITY)
        return show_tag_values(show, true);
    rc = show_open(show, true);
    if (rc == SILT_NOT_FOUND && !exact) /* an unknown database holds nothing */
        return one_number(show, SILT_STR(""), estimate_column, 0);
    for (size_t i = 0; rc == SILT_OK && i < show->view.measurement_count; i++) {
        struct silt_str measurement = show->view.measurements[i], *texts;
        struct silt_field *fields;
        size_t count = 0;
        if (!shown(show, measurement))
            continue;
        if (kind == STATEMENT_SHOW_SERIES_CARDINALITY || kind == STATEMENT_SHOW_MEASUREMENT_CARDINALITY)
            rc = count_series(show, measurement, exact, &count);
        else if (kind == STATEMENT_SHOW_TAG_KEY_CARDINALITY)
            rc = schema_tag_keys(&show->view, measurement, show->filter, &texts, &count, show->err);
        else
            rc = schema_fields(&show->view, measurement, &fields, &count, show->err);
        if (rc == SILT_OK && kind == STATEMENT_SHOW_FIELD_KEY_CARDINALITY) {
            size_t names = 0; /* a field of two types is one field */
            for (size_t k = 0; k < count; k++)
                names += k == 0 || !silt_str_equal(fields[k].name, fields[k - 1].name);
            count = names;
        }
        if (rc != SILT_OK || count == 0)
            continue;
        total += count;
        shown_count++;
        if (kind == STATEMENT_SHOW_MEASUREMENT_CARDINALITY || (kind == STATEMENT_SHOW_SERIES_CARDINALITY && !exact))
            continue;
        if (statement->offset && shown_count <= (size_t)statement->offset)
            continue;
        if (statement->limit && shown_count > (size_t)statement->offset + (size_t)statement->limit)
            continue;
        rc = one_number(show, measurement, count_column, count);
    }
    if (rc != SILT_OK)
        return rc;
    if (kind == STATEMENT_SHOW_MEASUREMENT_CARDINALITY)
        return one_number(show, SILT_STR(""), exact ? count_column : estimate_column, shown_count);
    if (kind == STATEMENT_SHOW_SERIES_CARDINALITY && !exact)
        return one_number(show, SILT_STR(""), estimate_column, total);
    return SILT_OK;
}

/* ---------------------------------------------------------------- databases, policies, shards */

static enum silt_status show_databases(struct exec *exec, struct silt_error *err)
{
    struct silt_source *source = exec->options->source;
    struct silt_str *names;
    struct table table;
    size_t count;
    enum silt_status rc = source->databases(source, exec->arena, &names, &count);

    if (rc != SILT_OK)
        return silt_fail(err, rc, "cannot list databases");
    rc = table_begin(&table, exec, SILT_STR("databases"), name_column, 1, 0, 0, true, err);
    return rc == SILT_OK ? table_strings(&table, names, count) : rc;
}

static struct silt_cell duration_cell(struct exec *exec, int64_t ns)
{
    char text[SILT_NUMBER_TEXT_MAX];
    size_t len = silt_write_duration_go(text, ns);
    return cell_string(silt_arena_str(exec->arena, (struct silt_str){text, len}));
}

static enum silt_status show_policies(struct exec *exec, struct silt_str named, struct silt_error *err)
{
    static const struct silt_str columns[] = {
        {"name", 4}, {"duration", 8}, {"shardGroupDuration", 18}, {"replicaN", 8}, {"default", 7}};
    struct silt_source *source = exec->options->source;
    struct silt_str database = database_of(exec, named);
    struct silt_policy *policies;
    struct table table;
    size_t count;
    enum silt_status rc;

    if (database.len == 0)
        return silt_fail(err, SILT_INVALID, "database name required");
    if ((rc = source->policies(source, database, exec->arena, &policies, &count, err)) != SILT_OK ||
        (rc = table_begin(&table, exec, SILT_STR(""), columns, 5, 0, 0, true, err)) != SILT_OK)
        return rc;
    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        struct silt_cell cells[5] = {
            cell_string(policies[i].name), duration_cell(exec, policies[i].duration_ns),
            duration_cell(exec, policies[i].shard_duration_ns), cell_integer(policies[i].replication),
            {.kind = SILT_CELL_BOOLEAN, .boolean = policies[i].is_default}};
        rc = table_row(&table, cells);
    }
    return rc == SILT_OK ? table_flush(&table) : rc;
}

static struct silt_cell time_cell(struct exec *exec, silt_time time)
{
    char text[SILT_TIME_TEXT_MAX];
    size_t len = silt_write_rfc3339(text, time - ((time % 1000000000) + 1000000000) % 1000000000, 0);
    return cell_string(silt_arena_str(exec->arena, (struct silt_str){text, len}));
}

static enum silt_status shard_rows(struct exec *exec, struct table *table, const struct silt_shard_info *shards,
                                   size_t count, const struct silt_str *database, bool groups)
{
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        const struct silt_shard_info *shard = &shards[i];
        if (database && !silt_str_equal(shard->database, *database))
            continue;
        struct silt_cell cells[8];
        size_t n = 0;
        cells[n++] = cell_integer((int64_t)(groups ? shard->group_id : shard->id));
        cells[n++] = cell_string(shard->database);
        cells[n++] = cell_string(shard->policy);
        if (!groups)
            cells[n++] = cell_integer((int64_t)shard->group_id);
        cells[n++] = time_cell(exec, shard->start);
        cells[n++] = time_cell(exec, shard->end);
        cells[n++] = time_cell(exec, shard->end + shard->policy_duration_ns);
        if (!groups)
            cells[n++] = cell_string(SILT_STR(""));
        rc = table_row(table, cells);
    }
    return rc == SILT_OK ? table_flush(table) : rc;
}

static enum silt_status show_shards(struct exec *exec, bool groups, struct silt_error *err)
{
    static const struct silt_str shard_columns[] = {{"id", 2},           {"database", 8},    {"retention_policy", 16},
                                                    {"shard_group", 11}, {"start_time", 10}, {"end_time", 8},
                                                    {"expiry_time", 11}, {"owners", 6}};
    static const struct silt_str group_columns[] = {{"id", 2},          {"database", 8}, {"retention_policy", 16},
                                                    {"start_time", 10}, {"end_time", 8}, {"expiry_time", 11}};
    struct silt_source *source = exec->options->source;
    struct silt_shard_info *shards;
    struct silt_str *databases;
    size_t count, database_count;
    struct table table;
    enum silt_status rc = source->shards(source, exec->arena, &shards, &count);

    if (rc == SILT_OK)
        rc = source->databases(source, exec->arena, &databases, &database_count);
    if (rc != SILT_OK)
        return silt_fail(err, rc, "cannot list shards");
    if (groups) {
        rc = table_begin(&table, exec, SILT_STR("shard groups"), group_columns, 6, 0, 0, true, err);
        return rc == SILT_OK ? shard_rows(exec, &table, shards, count, NULL, true) : rc;
    }
    for (size_t i = 0; rc == SILT_OK && i < database_count; i++) {
        rc = table_begin(&table, exec, databases[i], shard_columns, 8, 0, 0, true, err);
        if (rc == SILT_OK)
            rc = shard_rows(exec, &table, shards, count, &databases[i], false);
    }
    return rc;
}

/* Continuous queries cannot be made yet: every database has none. */
static enum silt_status show_empty_per_database(struct exec *exec, struct silt_error *err)
{
    static const struct silt_str columns[] = {{"name", 4}, {"query", 5}};
    struct silt_source *source = exec->options->source;
    struct silt_str *names;
    size_t count;
    enum silt_status rc = source->databases(source, exec->arena, &names, &count);

    for (size_t i = 0; rc == SILT_OK && i < count; i++) {
        struct table table;
        rc = table_begin(&table, exec, names[i], columns, 2, 0, 0, true, err);
    }
    return rc;
}

enum silt_status show_run(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    static const struct silt_str user_columns[] = {{"user", 4}, {"admin", 5}};
    struct table users;
    struct show show = {.exec = exec, .statement = &statement->show, .err = err};
    enum silt_status rc;

    switch (statement->kind) {
    case STATEMENT_SHOW_DATABASES: return show_databases(exec, err);
    case STATEMENT_SHOW_RETENTION_POLICIES: return show_policies(exec, statement->on_database.database, err);
    case STATEMENT_SHOW_CONTINUOUS_QUERIES: return show_empty_per_database(exec, err);
    case STATEMENT_SHOW_SUBSCRIPTIONS: return SILT_OK; /* there are none */
    case STATEMENT_SHOW_USERS: return table_begin(&users, exec, SILT_STR(""), user_columns, 2, 0, 0, true, err);
    case STATEMENT_SHOW_GRANTS: return silt_fail(err, SILT_NOT_FOUND, "user not found");
    case STATEMENT_SHOW_SHARDS: return show_shards(exec, false, err);
    case STATEMENT_SHOW_SHARD_GROUPS: return show_shards(exec, true, err);
    case STATEMENT_SHOW_MEASUREMENTS: rc = show_measurements(&show); break;
    case STATEMENT_SHOW_SERIES: rc = show_series(&show); break;
    case STATEMENT_SHOW_TAG_KEYS: rc = show_tag_keys(&show); break;
    case STATEMENT_SHOW_TAG_VALUES: rc = show_tag_values(&show, false); break;
    case STATEMENT_SHOW_FIELD_KEYS: rc = show_field_keys(&show); break;
    default: rc = show_cardinality(&show, statement->kind); break;
    }
    schema_view_close(&show.view);
    return rc;
}
