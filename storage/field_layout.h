/*
 * field_layout.h - field names as numbers, row layouts as pointers, field types per shard.
 *
 *     batch layout cpu(idle float, user integer)  --field_dict_resolve-->  struct field_layout (cpu: 1 float, 2
 * integer)
 *                                                                          + where in the row each column stands
 *
 * Once per batch layout and shard, never per row. Interned layouts are immutable and live as long as the dictionary:
 * the same pointer means the same columns. Field ids count from 1 within their measurement and are never used again;
 * measurement ids are the series index's.
 *
 * Threads: any. A dictionary has one lock, a type table another, taken inside the first.
 */
#ifndef STORAGE_FIELD_LAYOUT_H
#define STORAGE_FIELD_LAYOUT_H

#include "silt/base.h"
#include "silt/storage.h"

struct field_ref {
    uint32_t field_id;
    enum silt_type type;
};

struct field_layout {
    uint32_t measurement;
    uint32_t column_count;
    uint32_t number;            /* dense from 0 within the dictionary */
    struct field_ref columns[]; /* rising by field_id, no id twice */
};

/* A batch layout's place in the store. slots[i]: which value of the row belongs to layout->columns[i]. */
struct layout_map {
    const struct field_layout *layout;
    const uint32_t *slots;
};

/* ---------------------------------------------------------------- types of one shard */

/* (measurement, field) -> type, fixed by the first write. */
struct field_types;

struct field_types *field_types_create(struct silt_budget *budget);
void field_types_destroy(struct field_types *types); /* NULL is fine */
bool field_types_are_none(struct field_types *types); /* nothing was written yet */
/* NONE: not written yet. */
enum silt_type field_types_get(struct field_types *types, uint32_t measurement, uint32_t field_id);
/* For what was stored before: start-up and log replay. An existing type stays. SILT_LIMIT: budget. */
enum silt_status field_types_set(struct field_types *types, uint32_t measurement, uint32_t field_id,
                                 enum silt_type type, struct silt_error *err);
/* DROP MEASUREMENT. */
void field_types_drop(struct field_types *types, uint32_t measurement);
/* All of a measurement, rising by id; in the arena. */
enum silt_status field_types_list(struct field_types *types, uint32_t measurement, struct silt_arena *arena,
                                  struct field_ref **fields, size_t *count, struct silt_error *err);

/* ---------------------------------------------------------------- names and layouts of one database */

struct field_dict;

struct field_dict *field_dict_create(struct silt_budget *budget); /* of names and layouts; NULL: not charged */
void field_dict_destroy(struct field_dict *dict); /* NULL is fine */

/* From the catalog or the log: the field has this id. The same again is fine; SILT_CORRUPT: it contradicts. */
enum silt_status field_dict_load(struct field_dict *dict, uint32_t measurement, uint32_t field_id, struct silt_str name,
                                 struct silt_error *err);
/* 0: no such field. */
uint32_t field_dict_find(struct field_dict *dict, uint32_t measurement, struct silt_str name);
/* Borrowed until the dictionary is destroyed; empty when there is none. */
struct silt_str field_dict_name(struct field_dict *dict, uint32_t measurement, uint32_t field_id);
/* Highest id of the measurement's fields; the ids are 1..count. */
uint32_t field_dict_count(struct field_dict *dict, uint32_t measurement);

/* What a resolve made new, to be logged before the rows: a name, a type in the shard, or both. */
struct field_definition {
    uint32_t measurement, field_id;
    enum silt_type type;
    bool new_name, new_type;
    struct silt_str name; /* borrowed from the dictionary */
};

struct field_definitions { /* zero-initialise; grows in the arena */
    struct field_definition *items;
    size_t count, capacity;
};

/*
 * Find the interned layout and permutation of a batch layout in a shard, in the arena. Names and types that are new
 * are fixed here and added to `defined`: call it at the first row of the layout that is going to be written, in row
 * order. A caller that must log a definition before others use it holds a lock of its own from here to there
 * (field_dict_peek needs none).
 * SILT_CONFLICT: nothing was defined; err->text is InfluxDB's "field type conflict: input field ...".
 * SILT_LIMIT: budget; what was defined up to there stands, and is in `defined`. err->text names the measurement and the bound.
 */
enum silt_status field_dict_resolve(struct field_dict *dict, struct field_types *types, uint32_t measurement,
                                    const struct silt_layout *layout, struct silt_arena *arena, struct layout_map *map,
                                    struct field_definitions *defined, struct silt_error *err);
/* The same when everything is known already and nothing conflicts; false otherwise, and nothing is changed. */
bool field_dict_peek(struct field_dict *dict, struct field_types *types, uint32_t measurement,
                     const struct silt_layout *layout, struct silt_arena *arena, struct layout_map *map);

/* The layout of these columns (rising by id, no id twice), interned. NULL: the budget refuses. */
const struct field_layout *field_dict_intern(struct field_dict *dict, uint32_t measurement,
                                             const struct field_ref *columns, uint32_t column_count);
/* Columns of both; where the types of a field differ, b's. NULL: the budget refuses. */
const struct field_layout *field_dict_union(struct field_dict *dict, const struct field_layout *a,
                                            const struct field_layout *b);

#endif
