/*
 * statement_show.c - SHOW USERS, GRANTS, CONTINUOUS QUERIES, SUBSCRIPTIONS, QUERIES as tables, with InfluxDB's names.
 */
#include "server/query_registry.h"
#include "server/statement_internal.h"
#include "silt/definitions.h"
#include "silt/reader.h"

static struct silt_cell string_cell(struct silt_str text)
{
    return (struct silt_cell){.kind = SILT_CELL_STRING, .string = text};
}

static struct silt_table *one_table(struct silt_arena *arena, const struct silt_str *columns, size_t column_count,
                                    size_t rows_max, struct silt_cell **cells)
{
    struct silt_table *table = silt_arena_zalloc(arena, sizeof(*table));

    table->head.columns = columns;
    table->head.column_count = column_count;
    *cells = silt_arena_alloc(arena, (rows_max * column_count + 1) * sizeof(**cells));
    table->cells = *cells;
    return table;
}

static struct silt_table *show_users(struct silt_storage *storage, struct silt_arena *arena)
{
    static const struct silt_str columns[] = {{"user", 4}, {"admin", 5}};
    struct silt_user *users;
    struct silt_cell *cell;
    size_t count;

    silt_storage_users(storage, arena, &users, &count);
    struct silt_table *table = one_table(arena, columns, 2, count, &cell);
    for (; table->row_count < count; table->row_count++) {
        *cell++ = string_cell(users[table->row_count].name);
        *cell++ = (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = users[table->row_count].admin};
    }
    return table;
}

static enum silt_status show_grants(struct silt_storage *storage, struct silt_str user, struct silt_arena *arena,
                                    struct silt_table **out, struct silt_error *err)
{
    static const struct silt_str columns[] = {{"database", 8}, {"privilege", 9}};
    static const char *const names[] = {[SILT_PRIVILEGE_NONE] = "NO PRIVILEGES",
                                        [SILT_PRIVILEGE_READ] = "READ",
                                        [SILT_PRIVILEGE_WRITE] = "WRITE",
                                        [SILT_PRIVILEGE_ALL] = "ALL PRIVILEGES"};
    struct silt_grant *grants;
    struct silt_cell *cell;
    size_t count;
    enum silt_status rc = silt_storage_grants(storage, user, arena, &grants, &count, err);

    if (rc != SILT_OK)
        return rc;
    struct silt_table *table = *out = one_table(arena, columns, 2, count, &cell);
    for (; table->row_count < count; table->row_count++) {
        *cell++ = string_cell(grants[table->row_count].database);
        *cell++ = string_cell(silt_str_from(names[grants[table->row_count].privilege]));
    }
    return SILT_OK;
}

/* A table for every database, most of them empty. */
static enum silt_status show_continuous_queries(struct silt_storage *storage, struct silt_arena *arena,
                                                struct silt_table **tables, size_t *count, struct silt_error *err)
{
    static const struct silt_str columns[] = {{"name", 4}, {"query", 5}};
    struct silt_source *source = silt_storage_source(storage);
    struct silt_continuous_query *queries;
    struct silt_str *names;
    size_t query_count, next = 0;

    silt_storage_continuous_queries(storage, arena, &queries, &query_count);
    enum silt_status rc = source->databases(source, arena, &names, count);
    if (rc != SILT_OK)
        return silt_fail(err, rc, "cannot list databases");
    struct silt_cell *cell = silt_arena_alloc(arena, (query_count * 2 + 1) * sizeof(*cell));
    *tables = silt_arena_zalloc(arena, (*count + 1) * sizeof(**tables));
    for (size_t i = 0; i < *count; i++) {
        struct silt_table *table = &(*tables)[i];
        *table = (struct silt_table){.head = {.name = names[i], .columns = columns, .column_count = 2}, .cells = cell};
        /* Both lists are in the order of the databases; one that was dropped in between is passed over. */
        size_t first = next;
        while (first < query_count && !silt_str_equal(queries[first].database, names[i]))
            first++;
        for (; first < query_count && silt_str_equal(queries[first].database, names[i]); next = ++first) {
            *cell++ = string_cell(queries[first].name);
            *cell++ = string_cell(queries[first].text);
            table->row_count++;
        }
    }
    return SILT_OK;
}

/* Passwords are for the sender alone. */
static struct silt_str *shown_destinations(const struct silt_subscription *subscription, struct silt_arena *arena)
{
    struct silt_str *shown = silt_arena_alloc(arena, (subscription->destination_count + 1) * sizeof(*shown));
    struct silt_buffer text = {0};

    for (size_t i = 0; i < subscription->destination_count; i++) {
        text.len = 0;
        silt_buffer_url(&text, subscription->destinations[i]);
        shown[i] = silt_arena_str(arena, (struct silt_str){text.p, text.len});
    }
    silt_buffer_free(&text);
    return shown;
}

static void show_subscriptions(struct silt_storage *storage, struct silt_arena *arena, struct silt_table **tables,
                               size_t *count)
{
    static const struct silt_str columns[] = {{"retention_policy", 16}, {"name", 4}, {"mode", 4}, {"destinations", 12}};
    struct silt_subscription *list;
    size_t list_count;

    silt_storage_subscriptions(storage, arena, &list, &list_count);
    struct silt_cell *cell = silt_arena_alloc(arena, (list_count * 4 + 1) * sizeof(*cell));
    *tables = silt_arena_zalloc(arena, (list_count + 1) * sizeof(**tables));
    *count = 0;
    for (size_t i = 0; i < list_count; i++) {
        if (i == 0 || !silt_str_equal(list[i].database, list[i - 1].database))
            (*tables)[(*count)++] = (struct silt_table){
                .head = {.name = list[i].database, .columns = columns, .column_count = 4}, .cells = cell};
        *cell++ = string_cell(list[i].policy);
        *cell++ = string_cell(list[i].name);
        *cell++ = string_cell(list[i].any ? SILT_STR("ANY") : SILT_STR("ALL"));
        *cell++ = (struct silt_cell){.kind = SILT_CELL_STRINGS,
                                     .strings = {shown_destinations(&list[i], arena), list[i].destination_count}};
        (*tables)[*count - 1].row_count++;
    }
}

enum silt_status statement_show(struct silt_admin *admin, enum silt_show what, struct silt_str name,
                                struct silt_arena *arena, struct silt_table **tables, size_t *count,
                                struct silt_error *err)
{
    struct silt_storage *storage = storage_of(admin);

    *count = 1;
    switch (what) {
    case SILT_SHOW_USERS: *tables = show_users(storage, arena); return SILT_OK;
    case SILT_SHOW_GRANTS: return show_grants(storage, name, arena, tables, err);
    case SILT_SHOW_CONTINUOUS_QUERIES: return show_continuous_queries(storage, arena, tables, count, err);
    case SILT_SHOW_SUBSCRIPTIONS: show_subscriptions(storage, arena, tables, count); return SILT_OK;
    case SILT_SHOW_QUERIES:
        *tables = silt_arena_zalloc(arena, sizeof(**tables));
        query_registry_show(admin_of(admin)->stats->queries, arena, *tables);
        return SILT_OK;
    case SILT_SHOW_STATS: stats_show(admin_of(admin)->stats, name, arena, tables, count); return SILT_OK;
    case SILT_SHOW_DIAGNOSTICS: diagnostics_show(admin_of(admin)->stats, name, arena, tables, count); return SILT_OK;
    }
    return silt_fail(err, SILT_UNSUPPORTED, "nothing to show");
}
