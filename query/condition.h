/*
 * condition.h - WHERE taken apart: a time range, and what remains.
 *
 *     time > now() - 1h AND host = 'a' AND v > 3
 *       range  [now - 1h + 1ns, ...]
 *       rest   host = 'a' AND v > 3
 *
 * Every comparison with time is taken out and intersected, whatever AND or OR stands around it.
 */
#ifndef QUERY_CONDITION_H
#define QUERY_CONDITION_H

#include "query/exec.h"

struct condition {
    silt_time min, max; /* inclusive; SILT_TIME_MIN and _MAX when not given */
    bool has_min, has_max;
    struct expr *rest;  /* NULL: everything */
};

/* Folds literals, now() and time strings; the tree given is not changed. */
enum silt_status condition_split(struct exec *exec, const struct expr *expr, const struct silt_zone *zone,
                                 struct condition *out, struct silt_error *err);
/* Refuses calls that a statement over rows does not know; SHOW SERIES and counts are such. */
enum silt_status condition_check(struct exec *exec, const struct expr *expr, struct silt_error *err);
/* A copy with constant parts folded. zone is for time strings; calls but now() stay. */
struct expr *expr_reduce(struct exec *exec, const struct expr *expr, const struct silt_zone *zone);
/* As expr_reduce(), but now() stays the call that it is: a field has no use for it. */
struct expr *expr_reduce_field(struct exec *exec, const struct expr *expr);
/* Compares time: it stands left of an operator. */
bool expr_mentions_time(const struct expr *expr);
bool is_time_name(struct silt_str name);
bool is_literal(const struct expr *expr);
/* "*influxql.VarRef", as error texts name a node. */
const char *expr_go_type(const struct expr *expr);
/* time = 's' style text to an instant; SILT_NOT_FOUND: not a time at all. */
enum silt_status time_text_parse(struct silt_str text, const struct silt_zone *zone, silt_time *out,
                                 struct silt_error *err);

#endif
