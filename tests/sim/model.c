/*
 * model.c - see model.h.
 */
#include "tests/sim/model.h"

#include "silt/text.h"

#include <stdlib.h>

void model_deinit(struct model *model)
{
    free(model->cells);
    free(model->index);
    *model = (struct model){0};
}

/* Where the key's place stands in the index, or would. */
static uint32_t *place(struct model *model, const struct model_key *key)
{
    size_t mask = model->room * 2 - 1, at = silt_hash(key, sizeof(*key)) & mask;
    while (model->index[at] && memcmp(&model->cells[model->index[at] - 1].key, key, sizeof(*key)) != 0)
        at = (at + 1) & mask;
    return &model->index[at];
}

struct model_cell *model_find(struct model *model, const struct model_key *key)
{
    uint32_t at = model->room ? *place(model, key) : 0;
    return at ? &model->cells[at - 1] : NULL;
}

static void index_all(struct model *model)
{
    free(model->index);
    model->index = silt_calloc(model->room * 2, sizeof(*model->index));
    for (size_t i = 0; i < model->count; i++)
        *place(model, &model->cells[i].key) = (uint32_t)i + 1;
}

bool model_allows(const struct model_cell *cell, model_value value)
{
    for (unsigned i = 0; i < cell->count; i++)
        if (cell->choices[i] == value)
            return true;
    return false;
}

void model_set_cell(struct model_cell *cell, model_value value, bool sure)
{
    if (sure) {
        cell->choices[0] = value;
        cell->count = 1;
    } else if (!model_allows(cell, value)) {
        silt_assert(cell->count < MODEL_CHOICES); /* a life has few faults, and a restart settles them */
        cell->choices[cell->count++] = value;
    }
}

void model_set(struct model *model, const struct model_key *key, model_value value, bool sure)
{
    if (model->count == model->room) {
        model->room = model->room ? model->room * 2 : 4096;
        model->cells = silt_realloc(model->cells, model->room * sizeof(*model->cells));
        index_all(model);
    }
    uint32_t *at = place(model, key);
    if (!*at) {
        model->cells[model->count] = (struct model_cell){.key = *key, .count = 1}; /* nothing there */
        *at = (uint32_t)++model->count;
    }
    model_set_cell(&model->cells[*at - 1], value, sure);
}

void model_tidy(struct model *model)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++)
        if (model->cells[i].count > 1 || model->cells[i].choices[0] != 0)
            model->cells[kept++] = model->cells[i];
    model->count = kept;
    if (model->room)
        index_all(model);
}
