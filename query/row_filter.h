/*
 * row_filter.h - what WHERE means for a series that is a row by itself, with tags and without fields: in
 * SHOW ... CARDINALITY, and in SHOW SERIES with a time.
 */
#ifndef QUERY_ROW_FILTER_H
#define QUERY_ROW_FILTER_H

#include "query/name_index.h"
#include "query/schema_view.h"

/* The names of the measurement's fields, besides those that are there. */
enum silt_status field_names_add(struct name_index *names, const struct schema_view *view, struct silt_str measurement,
                                 struct silt_error *err);

/* fields: of all measurements asked for. A test of one of them fails, whatever it asks, as does every test of a tag but for
 * equality. values: for TAG VALUES CARDINALITY, where the condition is asked once more, of the tags that a series has; what
 * it lacks, its measurement's name too, passes no test. *out NULL: all series. */
enum silt_status row_filter(struct exec *exec, const struct expr *condition, bool values, const struct name_index *fields,
                            struct silt_tag_filter **out, struct silt_error *err);

#endif
