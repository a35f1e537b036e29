/*
 * schema_view.h - a database's measurements, tags and fields over its policies, as SHOW and DELETE need them.
 */
#ifndef QUERY_SCHEMA_VIEW_H
#define QUERY_SCHEMA_VIEW_H

#include "query/condition.h"
#include "silt/reader.h"

struct schema_view {
    struct exec *exec;
    struct silt_str database;
    struct silt_reader **readers; /* one per policy */
    size_t reader_count;
    struct silt_str *measurements; /* sorted, of all readers */
    size_t measurement_count;
};

/* rp empty and all_policies false: the default policy. Close it whatever was returned. */
enum silt_status schema_view_open(struct exec *exec, struct silt_str database, struct silt_str rp, bool all_policies,
                                  silt_time min, silt_time max, struct schema_view *view, struct silt_error *err);
/* Before series are listed, or what follows from them (tag keys, fields, measurements): waits for what statements left to be
 * cleaned up; with an allowance it exceeds that instead. */
enum silt_status schema_settle(struct exec *exec, struct silt_str database, struct silt_error *err);
/* Settled, then opened. */
enum silt_status schema_list_open(struct exec *exec, struct silt_str database, struct silt_str rp, bool all_policies,
                                  silt_time min, silt_time max, struct schema_view *view, struct silt_error *err);
void schema_view_close(struct schema_view *view);

/* Each over all readers of the view, sorted, without duplicates. */
enum silt_status schema_tag_keys(const struct schema_view *view, struct silt_str measurement,
                                 const struct silt_tag_filter *filter, struct silt_str **out, size_t *count,
                                 struct silt_error *err);
enum silt_status schema_tag_values(const struct schema_view *view, struct silt_str measurement, struct silt_str key,
                                   const struct silt_tag_filter *filter, struct silt_str **out, size_t *count,
                                   struct silt_error *err);
/* in_shards: only series that have data in the shards of the view. most: more than so many are not wanted; each costs. */
enum silt_status schema_series_keys(const struct schema_view *view, struct silt_str measurement,
                                    const struct silt_tag_filter *filter, bool in_shards, size_t most,
                                    struct silt_str **out, size_t *count, struct silt_error *err);
/* How many there are, whether they have data or not. */
enum silt_status schema_series_count(const struct schema_view *view, struct silt_str measurement, size_t *count,
                                     struct silt_error *err);
enum silt_status schema_fields(const struct schema_view *view, struct silt_str measurement, struct silt_field **out,
                               size_t *count, struct silt_error *err);

/* Whether there is any shard in the view. */
bool schema_has_shards(const struct schema_view *view);
/* Whether the series may have data in any of the reader's shards. */
bool series_in_shards(struct silt_reader *reader, silt_series_id id);

/* A condition over tags alone; `invalid tag comparison operator` for anything else. NULL out: no condition. */
enum silt_status schema_tag_filter(struct exec *exec, const struct expr *condition, struct silt_tag_filter **out,
                                   struct silt_error *err);

/* SHOW TAG KEYS and VALUES: what a filter says of the name alone is one condition, the rest another; both have to hold,
 * whatever stood between them. *passes: whether the measurement does. NULL: nothing is left to ask of its series. */
const struct silt_tag_filter *schema_filter_rest(struct exec *exec, const struct silt_tag_filter *filter,
                                                 struct silt_str measurement, bool *passes);
/* The same for one measurement: tests of `_name`, which stands for its name, answered. */
const struct silt_tag_filter *schema_filter_for(struct exec *exec, const struct silt_tag_filter *filter,
                                                struct silt_str measurement);

/* By name, then by the name of the type, without duplicates; gives how many are left. */
size_t schema_fields_sort(struct silt_field *fields, size_t count);
size_t strings_sort_unique(struct silt_str *items, size_t count);

#endif
