/*
 * policies.c - SHOW RETENTION POLICIES into an array.
 */
#include "shell/policies.h"

#include "shell/words.h"

#include <stdlib.h>

static void take_policy(void *context, const struct cell *cells, size_t count)
{
    struct policies *p = context;
    if (count < 5)
        return;
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 8;
        p->items = silt_realloc(p->items, p->capacity * sizeof *p->items);
    }
    p->items[p->count++] = (struct policy){
        .name = silt_arena_str(p->arena, cells[0].text),
        .duration = silt_arena_str(p->arena, cells[1].text),
        .shard_duration = silt_arena_str(p->arena, cells[2].text),
        .replicas = silt_arena_str(p->arena, cells[3].text),
        .is_default = silt_str_equal(cells[4].text, SILT_STR("true")),
    };
}

bool policies_read(struct policies *policies, struct session *session, struct silt_str database)
{
    static const struct answer_events events = {.row = take_policy};
    struct silt_buffer text = {0};
    *policies = (struct policies){.arena = silt_arena_create(NULL)};
    silt_buffer_str(&text, SILT_STR("SHOW RETENTION POLICIES ON "));
    words_quote_identifier(&text, database);
    bool ok = session_ask(session, words_view(&text), database, &events, policies);
    silt_buffer_free(&text);
    return ok;
}

void policies_deinit(struct policies *policies)
{
    silt_arena_destroy(policies->arena);
    free(policies->items);
    *policies = (struct policies){0};
}

const struct policy *policies_find(const struct policies *policies, struct silt_str name)
{
    for (size_t i = 0; i < policies->count; i++)
        if (silt_str_equal(policies->items[i].name, name))
            return &policies->items[i];
    return NULL;
}
