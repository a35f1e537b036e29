/*
 * complete.h - what can stand at the cursor: pure; who has the names is complete_names.c.
 *
 *     select mean(us|             fields of ? and functions that begin with "us"
 *     select us| from cpu         fields and tags of cpu
 *     ... where host = 'we|       values of tag host in cpu that begin with "we"
 *     use me|                     databases
 */
#ifndef SHELL_COMPLETE_H
#define SHELL_COMPLETE_H

#include "silt/text.h"

enum complete_kind {                     /* bits */
                     COMPLETE_WORDS = 1, /* those of `words` */
                     COMPLETE_DATABASES = 2,
                     COMPLETE_POLICIES = 4,     /* of `database` */
                     COMPLETE_MEASUREMENTS = 8, /* of `database` */
                     COMPLETE_FIELDS = 16,      /* of `measurement` */
                     COMPLETE_TAGS = 32,
                     COMPLETE_TAG_VALUES = 64, /* of `tag` */
                     COMPLETE_FUNCTIONS = 128,
};

struct complete_place {
    unsigned kinds;
    const char *words;                          /* separated by spaces; NULL: none */
    struct silt_str prefix;                     /* what is typed, without an opening quote */
    char quote;                                 /* ', " or 0: how what is typed begins */
    struct silt_str database, measurement, tag; /* as they stand in the text, without quotes; empty: not said */
    bool upper;                                 /* keywords are wanted in capitals */
};

/* `text` is the statement as it stands, `cursor` a place in it. What is given back points into text. */
void complete_find(struct silt_str text, size_t cursor, struct complete_place *place);
extern const char *const complete_functions[]; /* NULL ends them */
/* Whether the name needs double quotes in InfluxQL. */
bool complete_needs_quotes(struct silt_str name);

#endif
