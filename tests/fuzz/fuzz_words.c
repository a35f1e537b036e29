/*
 * fuzz_words.c - small texts of requests: JSON web tokens, predicates of deletes, URLs of subscriptions, times. The first byte
 * tells which. What a predicate becomes has to parse as the one statement that it is.
 */
#include "server/jwt.h"
#include "server/predicate.h"
#include "server/subscription_url.h"
#include "silt/query.h"
#include "silt/text.h"

#include <stdlib.h>

static void token(struct silt_str text, struct silt_arena *arena)
{
    struct silt_str name;
    struct silt_error err;

    silt_assert(jwt_verify(text, SILT_STR("a secret that nobody knows"), 1700000000, arena, &name, &err) == SILT_OK || err.text[0]);
}

static void delete_predicate(struct silt_str text, struct silt_arena *arena)
{
    struct predicate predicate = {text, -10, 10};
    struct silt_str statement;
    struct silt_query *query;
    struct silt_error err;

    if (predicate_to_delete(&predicate, arena, &statement, &err) != SILT_OK || statement.len == 0 ||
        memchr(text.p, 0, text.len) || memchr(text.p, '\r', text.len)) /* no text of a statement can have them: it is refused */
        return;
    silt_assert(silt_query_parse(statement, NULL, 0, arena, &query, &err) == SILT_OK);
    silt_assert(silt_query_statement_count(query) == 1);
}

static void time_text(struct silt_str text)
{
    char out[SILT_TIME_TEXT_MAX];
    silt_time time, again;
    bool has_zone;

    if (silt_parse_time(text, &time, &has_zone) != SILT_OK)
        return;
    struct silt_str written = {out, silt_write_rfc3339(out, time, 0)};
    silt_assert(silt_parse_time(written, &again, &has_zone) == SILT_OK && again == time && has_zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct silt_arena *arena = silt_arena_create(NULL);
    char *copy = malloc(size > 1 ? size - 1 : 1); /* exactly as long: reading past it is seen */
    memcpy(copy, data + 1, size - 1);
    struct silt_str text = {copy, size - 1};
    switch (data[0] % 4) {
    case 0:
        token(text, arena);
        break;
    case 1:
        delete_predicate(text, arena);
        break;
    case 2:
        subscription_url_is_valid(text);
        break;
    default:
        time_text(text);
    }
    free(copy);
    silt_arena_destroy(arena);
    return 0;
}
