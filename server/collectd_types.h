/*
 * collectd_types.h - types.db: which values a type has, by name and kind.
 *
 *     # a comment
 *     load      shortterm:GAUGE:0:5000, midterm:GAUGE:0:5000, longterm:GAUGE:0:5000
 *     cpu       value:DERIVE:0:U
 *
 * Minimum and maximum have to be numbers or U, and are not looked at: as in InfluxDB, what is sent is stored. Lines at
 * fault are passed over. Immutable once loaded; any thread.
 */
#ifndef SERVER_COLLECTD_TYPES_H
#define SERVER_COLLECTD_TYPES_H

#include "silt/text.h"

enum collectd_kind { COLLECTD_COUNTER, COLLECTD_GAUGE, COLLECTD_DERIVE, COLLECTD_ABSOLUTE }; /* as on the wire */

struct collectd_source {
    struct silt_str name;
    enum collectd_kind kind;
    bool hidden; /* a later one has the same name */
};

struct collectd_type {
    struct silt_str name;
    struct collectd_source *sources;
    uint32_t source_count;
    size_t line; /* its place among all that were read */
};

struct collectd_types;

/* A file, or a folder with all files in it and below; of two lines for a type the later one counts. */
enum silt_status collectd_types_load(const char *path, struct collectd_types **out, struct silt_error *err);
struct collectd_types *collectd_types_parse(struct silt_str text);
void collectd_types_free(struct collectd_types *types); /* NULL is fine */

const struct collectd_type *collectd_types_find(const struct collectd_types *types, struct silt_str name); /* NULL: none */

#endif
