/*
 * privileges.c - what a statement needs to be allowed: a pure function of its tree, as in InfluxDB.
 *
 *     admin               databases, policies, users, subscriptions, shards, KILL QUERY; DROP MEASUREMENT
 *     READ on a database  SELECT and EXPLAIN on that of every source, SHOW of the schema, SHOW QUERIES
 *     WRITE               the target of INTO; DELETE, DROP SERIES, DROP RETENTION POLICY, DROP CONTINUOUS QUERY
 *     nothing             SHOW DATABASES, which lists only what the user may see
 *
 * A database that the statement does not name is the request's. The cardinalities that read their FROM sources need READ
 * on each of them, and on the database where there is none: there InfluxDB asks for nothing and lets everybody count.
 */
#include "query/ast.h"

struct needs {
    struct silt_arena *arena;
    struct silt_needed *items;
    size_t count, capacity;
};

static void need(struct needs *needs, bool admin, struct silt_str database, enum silt_privilege privilege)
{
    if (needs->count == needs->capacity) {
        size_t capacity = needs->capacity ? 2 * needs->capacity : 4;
        struct silt_needed *items = silt_arena_alloc(needs->arena, capacity * sizeof(*items));
        if (needs->count)
            memcpy(items, needs->items, needs->count * sizeof(*items));
        needs->items = items;
        needs->capacity = capacity;
    }
    needs->items[needs->count++] = (struct silt_needed){admin, database, privilege};
}

static void need_select(struct needs *needs, const struct select *select);

static void need_sources(struct needs *needs, const struct source *sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sources[i].kind == SOURCE_SUBQUERY)
            need_select(needs, sources[i].subquery);
        else
            need(needs, false, sources[i].database, SILT_PRIVILEGE_READ);
    }
}

static void need_select(struct needs *needs, const struct select *select)
{
    need_sources(needs, select->sources, select->source_count);
    if (select->into)
        need(needs, false, select->into->database, SILT_PRIVILEGE_WRITE);
}

static void need_continuous_query(struct needs *needs, const struct continuous_query_statement *query)
{
    need(needs, false, query->database, SILT_PRIVILEGE_READ);
    if (query->select && query->select->into && query->select->into->database.len)
        need(needs, false, query->select->into->database, SILT_PRIVILEGE_WRITE);
}

static void need_cardinality(struct needs *needs, const struct statement *statement)
{
    const struct show_statement *show = &statement->show;
    bool estimate = !show->exact && (statement->kind == STATEMENT_SHOW_SERIES_CARDINALITY ||
                                     statement->kind == STATEMENT_SHOW_MEASUREMENT_CARDINALITY);

    if (estimate || show->source_count == 0)
        need(needs, false, show->database, SILT_PRIVILEGE_READ);
    else
        need_sources(needs, show->sources, show->source_count);
}

static void need_statement(struct needs *needs, const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_SELECT: need_select(needs, statement->select); break;
    case STATEMENT_EXPLAIN: need_select(needs, statement->explain.select); break;
    case STATEMENT_DELETE:
    case STATEMENT_DROP_SERIES: need(needs, false, SILT_STR(""), SILT_PRIVILEGE_WRITE); break;
    case STATEMENT_DROP_RETENTION_POLICY:
    case STATEMENT_DROP_CONTINUOUS_QUERY:
        need(needs, false, statement->on_database.database, SILT_PRIVILEGE_WRITE);
        break;
    case STATEMENT_CREATE_CONTINUOUS_QUERY: need_continuous_query(needs, &statement->continuous_query); break;
    case STATEMENT_SHOW_DATABASES: break;
    case STATEMENT_SHOW_MEASUREMENTS:
    case STATEMENT_SHOW_SERIES:
    case STATEMENT_SHOW_TAG_KEYS:
    case STATEMENT_SHOW_TAG_VALUES:
    case STATEMENT_SHOW_FIELD_KEYS: need(needs, false, statement->show.database, SILT_PRIVILEGE_READ); break;
    case STATEMENT_SHOW_SERIES_CARDINALITY:
    case STATEMENT_SHOW_MEASUREMENT_CARDINALITY:
    case STATEMENT_SHOW_TAG_KEY_CARDINALITY:
    case STATEMENT_SHOW_TAG_VALUES_CARDINALITY:
    case STATEMENT_SHOW_FIELD_KEY_CARDINALITY: need_cardinality(needs, statement); break;
    case STATEMENT_SHOW_RETENTION_POLICIES:
        need(needs, false, statement->on_database.database, SILT_PRIVILEGE_READ);
        break;
    case STATEMENT_SHOW_CONTINUOUS_QUERIES:
    case STATEMENT_SHOW_QUERIES: need(needs, false, SILT_STR(""), SILT_PRIVILEGE_READ); break;
    default: need(needs, true, SILT_STR(""), SILT_PRIVILEGE_ALL); break; /* what comes new is the admin's until it is named here */
    }
}

void silt_query_privileges(const struct silt_query *query, size_t index, struct silt_arena *arena,
                           struct silt_needed **needed, size_t *count)
{
    struct needs needs = {.arena = arena};

    silt_assert(index < query->statement_count);
    need_statement(&needs, &query->statements[index]);
    *needed = needs.items;
    *count = needs.count;
}

bool silt_query_creates_admin(const struct silt_query *query)
{
    return query->statement_count && query->statements[0].kind == STATEMENT_CREATE_USER && query->statements[0].user.admin;
}
