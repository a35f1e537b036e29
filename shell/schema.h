/*
 * schema.h - what a database is made of, as SHOW FIELD KEYS and SHOW TAG KEYS tell: (measurement, key) -> field of a
 * type, or tag. Filled row by row, then sealed and looked up.
 */
#ifndef SHELL_SCHEMA_H
#define SHELL_SCHEMA_H

#include "silt/text.h"

enum schema_kind { SCHEMA_FIELD, SCHEMA_TAG };

struct schema_entry {
    struct silt_str measurement, key;
    enum schema_kind kind;
    enum silt_type type; /* of a field */
};

struct schema {
    struct silt_arena *arena;
    struct schema_entry *entries; /* by measurement, kind, key once sealed */
    size_t count, capacity;
};

void schema_init(struct schema *schema);
void schema_deinit(struct schema *schema);
void schema_add(struct schema *schema, struct silt_str measurement, struct silt_str key, enum schema_kind kind,
                enum silt_type type);
void schema_seal(struct schema *schema);
/* NULL: not known. A field that has several types gives one of them. */
const struct schema_entry *schema_find(const struct schema *schema, struct silt_str measurement, enum schema_kind kind,
                                       struct silt_str key);
/* The entries of one measurement: *count of them from the one that is returned. */
const struct schema_entry *schema_of(const struct schema *schema, struct silt_str measurement, size_t *count);
enum silt_type schema_type(struct silt_str name); /* "float" -> SILT_TYPE_FLOAT */

#endif
