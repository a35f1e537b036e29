/*
 * model.h - the obviously right store: a table of (place, time, field) -> what may be read there.
 *
 * What was acknowledged leaves one possibility. What failed, or was under way at a crash, leaves two: as before, or as asked.
 * Once a restarted store has answered, its answer is the one possibility: what is read after a restart is durable.
 *
 *     index   hash -> place in cells        cells   dense, so that all can be looked at quickly
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "silt/base.h"

#define MODEL_CHOICES 16

struct model_key {
    silt_time time;
    uint8_t database, policy, measurement, series, field;
    uint8_t zero[3];
};

/* 0: nothing there. Else a number that is never used twice, and the type: the value follows from both (world.c). */
typedef uint32_t model_value;

struct model_cell {
    struct model_key key;
    uint64_t round; /* of the last reading that found something here */
    model_value found;
    uint32_t count; /* 1..MODEL_CHOICES */
    model_value choices[MODEL_CHOICES];
};

struct model {
    struct model_cell *cells;
    size_t count, room;
    uint32_t *index; /* place + 1, twice as many as room, a power of two */
    uint64_t round;
};

void model_deinit(struct model *model);
/* The cell of a key; NULL: nothing is there for sure. */
struct model_cell *model_find(struct model *model, const struct model_key *key);
/* value is written, or (0) deleted. sure: acknowledged, else it may or may not have happened. */
void model_set(struct model *model, const struct model_key *key, model_value value, bool sure);
void model_set_cell(struct model_cell *cell, model_value value, bool sure);
bool model_allows(const struct model_cell *cell, model_value value);
/* Forgets cells where nothing is for sure. */
void model_tidy(struct model *model);

#endif
