/*
 * show_catalog.c - SHOW DATABASES, RETENTION POLICIES, SHARDS, SHARD GROUPS.
 */
#include "query/show_table.h"
#include "silt/reader.h"

static const struct silt_str name_column[] = {{"name", 4}};

static size_t keep_visible(const struct silt_viewer *viewer, struct silt_str *names, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (!viewer || viewer->may_see(viewer, names[i]))
            names[kept++] = names[i];
    return kept;
}

static enum silt_status show_databases(struct exec *exec, struct silt_error *err)
{
    struct silt_source *source = exec->options->source;
    struct silt_str *names;
    struct table table;
    size_t count;
    enum silt_status rc = source->databases(source, exec->arena, &names, &count);

    if (rc != SILT_OK)
        return silt_fail(err, rc, "cannot list databases");
    count = keep_visible(exec->options->viewer, names, count);
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
    struct silt_str database = named.len ? named : exec->options->database;
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
    size_t len = silt_write_rfc3339(text, time, 0);
    const char *fraction = memchr(text, '.', len);
    if (fraction) { /* cut as text: the whole second of the first time there is lies before it */
        len = (size_t)(fraction - text);
        text[len++] = 'Z';
    }
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
        silt_time expiry;
        if (__builtin_add_overflow(shard->end, shard->policy_duration_ns, &expiry))
            expiry = SILT_TIME_MAX;
        cells[n++] = time_cell(exec, expiry);
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

enum silt_status show_catalog_run(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    switch (statement->kind) {
    case STATEMENT_SHOW_DATABASES: return show_databases(exec, err);
    case STATEMENT_SHOW_RETENTION_POLICIES: return show_policies(exec, statement->on_database.database, err);
    default: return show_shards(exec, statement->kind == STATEMENT_SHOW_SHARD_GROUPS, err);
    }
}
