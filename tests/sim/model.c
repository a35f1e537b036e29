/*
 * model.c - see model.h. An open hash table; cells never leave.
 */
#include "tests/sim/model.h"

#include "silt/text.h"

#include <stdlib.h>

void model_deinit(struct model *model)
{
    free(model->cells);
    *model = (struct model){0};
}

static struct model_cell *place(struct model *model, const struct model_key *key)
{
    size_t at = silt_hash(key, sizeof(*key)) & (model->room - 1);
    while (model->cells[at].used && memcmp(&model->cells[at].key, key, sizeof(*key)) != 0)
        at = (at + 1) & (model->room - 1);
    return &model->cells[at];
}

struct model_cell *model_find(struct model *model, const struct model_key *key)
{
    if (!model->room)
        return NULL;
    struct model_cell *cell = place(model, key);
    return cell->used ? cell : NULL;
}

static void grow(struct model *model)
{
    struct model_cell *old = model->cells;
    size_t room = model->room;
    model->room = room ? room * 2 : 4096;
    model->cells = silt_calloc(model->room, sizeof(*model->cells));
    for (size_t i = 0; i < room; i++)
        if (old[i].used)
            *place(model, &old[i].key) = old[i];
    free(old);
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
    if (model->count * 2 >= model->room)
        grow(model);
    struct model_cell *cell = place(model, key);
    if (!cell->used) {
        *cell = (struct model_cell){.key = *key, .used = true, .count = 1}; /* nothing there */
        model->count++;
    }
    model_set_cell(cell, value, sure);
}
