/*
 * fuzz_influxql.c - any bytes as a query: what parses must print, and the print must parse and print the same.
 *
 * Left out are the two that are not made to be read again: statements with a password, and CREATE DATABASE, whose
 * durations stand in Go's notation.
 */
#include "query/ast.h"

#include <stdio.h>
#include <stdlib.h>

static struct silt_query *parse(struct silt_str text, struct silt_arena *arena)
{
    struct silt_error err;
    struct silt_query *query;

    if (silt_query_parse(text, NULL, 0, arena, &query, &err) != SILT_OK) {
        silt_assert(err.text[0]);
        return NULL;
    }
    return query;
}

static bool is_readable(const struct statement *statement)
{
    return statement->kind != STATEMENT_CREATE_USER && statement->kind != STATEMENT_SET_PASSWORD &&
           statement->kind != STATEMENT_CREATE_DATABASE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_query *query = parse((struct silt_str){(const char *)data, size}, arena);

    for (size_t i = 0; query && i < query->statement_count; i++) {
        struct silt_str once = silt_query_statement_text(query, i, arena);
        if (!is_readable(&query->statements[i]))
            continue;
        struct silt_query *again = parse(once, arena);
        if (!again || again->statement_count != 1) {
            fprintf(stderr, "does not parse again: %.*s\n", SILT_FMT(once));
            abort();
        }
        struct silt_str twice = silt_query_statement_text(again, 0, arena);
        if (!silt_str_equal(once, twice)) {
            fprintf(stderr, "differs:\n%.*s\n%.*s\n", SILT_FMT(once), SILT_FMT(twice));
            abort();
        }
        if (query->statements[i].kind == STATEMENT_SELECT) {
            struct silt_str copy = select_text(select_clone(query->statements[i].select, arena), arena);
            silt_assert(silt_str_equal(once, copy));
        }
    }
    silt_arena_destroy(arena);
    return 0;
}
