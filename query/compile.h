/*
 * compile.h - the first look at a SELECT: everything that can be refused without seeing a schema.
 *
 * Texts and the order of checks are InfluxDB's. A subquery is compiled with its parent, from which it inherits the
 * range, the direction and a missing interval.
 */
#ifndef QUERY_COMPILE_H
#define QUERY_COMPILE_H

#include "query/condition.h"
#include "query/window.h"

struct compiled {
    const struct select *select;
    const struct compiled *parent; /* NULL at the top */
    struct condition condition;    /* rest; the range is in windows */
    struct windows windows;
    bool has_lower, inherited_interval, descending;
    bool names_no_arguments; /* a subquery with INTO, which is ignored but for this: top(v, tag, n) does not show tag */
    enum fill_kind fill;
    struct select_field *fields; /* reduced, without plain time */
    size_t field_count;
    struct silt_str time_name; /* of column 0 */
    bool names_time;           /* among its fields: to an outer statement a column without values */
    struct expr **dimensions;  /* REF, WILDCARD, REGEX; time() taken out */
    size_t dimension_count;
    struct compiled **subqueries; /* one per source; NULL for a measurement */
    uint32_t warm_up_depth; /* of the deepest field; see warm_up.c */
    int64_t warm_up_need;
    bool walks_windows; /* a transformation of windows is among the fields, also one that needs no warm-up */
    size_t call_count; /* functions of functions.h, not mathematical ones */
    bool has_wildcard; /* or a pattern for names: what it shows follows from which series there are */
    /* while checking: */
    bool has_distinct, has_auxiliary, only_selectors, allow_wildcard;
    const char *top_bottom;
};

/* warm_up.c */
void warm_up_note(struct compiled *compiled, const struct expr *field); /* fills the members above from its fields */
bool warm_up_adds(const struct compiled *compiled, const struct expr *call); /* a transformation of windows that starts an interval early */
/* The range of a call within so many of them, and what of it is read from the store; min > max: nothing. */
void warm_up_range(const struct compiled *compiled, uint32_t intervals, silt_time *min, silt_time *max);
/* What shards the whole statement looks at, and with that what fields there are. */
void warm_up_known_range(const struct compiled *compiled, silt_time *min, silt_time *max);
void warm_up_read_range(const struct compiled *compiled, uint32_t intervals, silt_time *min, silt_time *max);
bool warm_up_starts_nowhere(const struct compiled *compiled); /* the statement gives nothing */

enum silt_status select_compile(struct exec *exec, const struct select *select, const struct compiled *parent,
                                struct compiled **out, struct silt_error *err);

#endif
