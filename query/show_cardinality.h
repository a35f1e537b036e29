/* show_cardinality.h - how many series, measurements, tags and fields there are; and what it shares with show.c. */
#ifndef QUERY_SHOW_CARDINALITY_H
#define QUERY_SHOW_CARDINALITY_H

#include "query/schema_view.h"

/* Refuses what InfluxDB refuses while it rewrites the statement; of other kinds nothing. */
enum silt_status show_cardinality_check(const struct statement *statement, struct silt_error *err);
enum silt_status show_cardinality(struct exec *exec, const struct statement *statement, struct silt_error *err);

/* show.c: whether FROM names the measurement (it names all when it is not there), and WITH KEY the key. */
bool show_source_names(struct exec *exec, const struct source *sources, size_t count, struct silt_str measurement);
bool show_key_wanted(struct exec *exec, const struct show_statement *statement, struct silt_str key);

#endif
