/*
 * parse_api.c - the parsing half of query.h.
 */
#include "query/parser.h"

enum silt_status silt_query_parse(struct silt_str text, const struct silt_param *params, size_t param_count,
                                  struct silt_arena *arena, struct silt_query **out, struct silt_error *err)
{
    struct parser parser = {.arena = arena, .params = params, .param_count = param_count};
    struct silt_query *query = silt_arena_zalloc(arena, sizeof *query);
    struct silt_error ignored;
    enum silt_status rc;

    *out = NULL;
    parser.err = err ? err : &ignored;
    query->text = text;
    lexer_init(&parser.lexer, text, arena);
    if ((rc = parse_query(&parser, query)) == SILT_OK)
        *out = query;
    return rc;
}

size_t silt_query_statement_count(const struct silt_query *query)
{
    return query->statement_count;
}

struct silt_str silt_query_statement_text(const struct silt_query *query, size_t index, struct silt_arena *arena)
{
    silt_assert(index < query->statement_count);
    return statement_text(&query->statements[index], arena);
}

/* As InfluxDB sees it: SHOW, EXPLAIN, SELECT without INTO only read, and of DELETE it does not warn. */
bool silt_query_statement_changes(const struct silt_query *query, size_t index)
{
    silt_assert(index < query->statement_count);
    const struct statement *statement = &query->statements[index];

    if (statement->kind == STATEMENT_SELECT)
        return statement->select->into != NULL;
    return statement->kind > STATEMENT_DELETE && statement->kind <= STATEMENT_KILL_QUERY;
}
