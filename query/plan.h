/*
 * plan.h - a SELECT that has met its schema: which columns to read, what to compute, what to show.
 *
 *     sources     one per measurement (a subquery's answer is a source like any other), by name
 *     slots       what is read of every row: fields with a type, tags, and tests of tags
 *     calls       distinct function calls, each over one slot or over another call
 *     outputs     one expression per column over [calls | aux slots]
 */
#ifndef QUERY_PLAN_H
#define QUERY_PLAN_H

#include "query/compile.h"
#include "query/eval.h"
#include "query/functions.h"
#include "query/name_index.h"
#include "silt/reader.h"

struct call_error {
    struct silt_error error;
    struct silt_str field;
    enum data_type type;
    bool known; /* the field is a subquery's column */
};

struct plan_source {
    struct silt_reader *reader;
    struct silt_str database;
    struct plan *pending; /* a subquery that has not run: its schema is known, its rows and measurements are not */
    bool in_memory; /* rows of a subquery: times may repeat, a series is one cursor */
    struct silt_str name;
    struct silt_field *fields; /* by name */
    size_t field_count;
    struct silt_str *tag_keys;
    size_t tag_key_count;
    size_t order;     /* its place in FROM */
    bool in_sequence; /* a subquery whose rows stand group by group, not by time */
    const struct windows *by_window; /* a subquery whose rows stand window by window, in each group by group */
    bool *tag_columns; /* of a subquery: per field, whether it shows a tag; NULL: none does */
    struct name_index columns; /* of a subquery that has run: their names, those without a value too */
};

/* SLOT_NOTHING: a name that is nothing here; shown, it is what fill() says */
enum slot_kind { SLOT_FIELD, SLOT_TAG, SLOT_TAG_TEST, SLOT_NOTHING };

struct slot {
    enum slot_kind kind;
    struct silt_str name;
    enum data_type type;  /* FIELD: the type that is shown, others are cast or missing */
    uint32_t reader_field; /* FIELD: index into plan->reader_fields */
    uint32_t same_name;    /* but for TAG_TEST: the slot before it of this name, plus 1 */
    uint32_t aux;          /* its place in plan->aux, plus 1 */
    bool or_tag;           /* FIELD: a column of a subquery; for other sources the tag of that name */
    enum data_type asked;  /* FIELD: a cast that a subquery's column does not follow, but other sources' fields do */
    /* TAG_TEST: name op (value | regex | other tag) */
    enum expr_op op;
    struct silt_str value;
    const struct silt_regex *regex;
    bool against_tag;
};

struct call_stream;

struct plan_call {
    const struct expr *expr;
    const struct function *function;
    struct plan_call *inner; /* NULL: over the slot */
    uint32_t warm; /* intervals read before the range, see warm_up_range() */
    uint32_t slot;
    uint32_t leaf; /* of class REDUCE over the slot, while running: its place among those of its warm */
    enum data_type in, out;  /* DATA_UNKNOWN in: no such field, gives nothing */
    enum data_type shown;    /* of the column; DATA_UNKNOWN: nothing to show, not even what fill() says */
    uint32_t dimension_slots[16]; /* top, bottom: the names in the middle */
    size_t dimension_slot_count;
    int64_t count_argument;  /* n of top, bottom, sample, moving_average, ...; unit of derivative, elapsed */
    double percentile;
    struct call_stream *stream; /* while running */
};

/*
 * A window that has points and gives none, as percentile() may, is the end of the stream to InfluxDB. What was read before
 * is shown then, and reading goes on; but an end with nothing before it is the end of all, of later groups too.
 */
struct call_stream {
    bool pending, ended; /* something is there to be shown; nothing more comes */
    int64_t absorbs;     /* windows still to be filled behind the last group, each of which takes an end for itself */
};

struct plan {
    struct exec *exec;
    const struct compiled *compiled;
    struct silt_reader **readers; /* to release */
    size_t reader_count, reader_capacity;
    struct plan_source *sources;
    size_t source_count, source_capacity;
    size_t merge_levels; /* how often partial means are taken again: 1, and 1 more when a regex names measurements */

    struct select_field *fields; /* wildcards expanded, references typed */
    size_t field_count;
    struct silt_str *columns; /* time first */
    size_t column_count;
    struct silt_str *names; /* per field, before columns of one name were told apart: what an outer statement calls it */
    bool *field_is_argument; /* per field: a name within top() or bottom(), shown besides */
    struct silt_str *dimensions; /* tag keys, sorted, no duplicates */
    size_t dimension_count;
    struct silt_str *own_dimensions; /* those that the statement itself names */
    const struct plan *outermost;    /* of a subquery, whose dimensions SLIMIT counts by; NULL: none */
    size_t own_dimension_count;

    struct slot *slots;
    size_t slot_count, slot_capacity;
    struct name_index slot_names; /* and of each the newest slot, plus 1 */
    uint32_t *slots_of_name;
    size_t slots_of_name_capacity;
    struct silt_field *reader_fields; /* names to ask of cursors, any type */
    size_t reader_field_count, reader_field_capacity;
    struct name_index reader_names;
    struct plan_call **calls; /* distinct, outermost */
    size_t call_count, call_capacity;
    uint32_t *aux; /* slots that outputs show, sorted by name then type */
    size_t aux_count, aux_capacity;
    struct call_error *call_errors; /* of calls that their fields' types do not fit; told when a series has such a field */
    size_t call_error_count, call_error_capacity;
    bool is_selector; /* one call, a selector: keeps its point's time and companions */
    bool is_reduced;  /* without windows, and no call transforms what is stored */
    struct eval **outputs; /* column 1 on: over calls, then aux */
    enum data_type *output_types;
    struct eval *filter; /* over slots; NULL: none */
    const struct silt_tag_filter *tag_filter; /* what a source can check by itself; NULL: none */
    bool filter_is_exact; /* tag_filter says all that the filter says */
    silt_time scan_min, scan_max; /* what is read: the range, and warm-up intervals for transformations */
};

enum silt_status plan_make(struct exec *exec, const struct compiled *compiled, const struct silt_str *extra_dimensions,
                           size_t extra_dimension_count, struct plan **out, struct silt_error *err);
void plan_destroy(struct plan *plan); /* releases the readers; NULL is fine */

/* In the order in which InfluxDB numbers its types. */
int plan_type_order(enum data_type type);
/* The source's fields of this name, one for each type: the first; *end: behind the last. */
size_t plan_source_fields(const struct plan_source *source, struct silt_str name, size_t *end);
bool plan_source_has_field(const struct plan_source *source, struct silt_str name);
/* The type of a name over all sources: the highest of float, integer, unsigned, string, boolean, tag. */
enum data_type plan_type_of(const struct plan *plan, struct silt_str name);
bool data_type_is_number(enum data_type type);
enum data_type plan_field_type(const struct plan_source *source, size_t field);
enum data_type plan_outer_type(const struct plan *plan, size_t field); /* of a subquery's column */
enum data_type plan_expr_type(const struct plan *plan, const struct expr *expr);
/* The same, and an error where types do not meet. */
enum silt_status plan_check_type(const struct plan *plan, const struct expr *expr, enum data_type *out, struct silt_error *err);

/* Whether a subquery has a column (not: a tag it is grouped by) of this name. */
bool plan_is_column(const struct plan *plan, struct silt_str name);
/* Whether a subquery has it, as a column or as a tag. */
bool plan_is_in_subquery(const struct plan *plan, struct silt_str name);
/* plan_outputs.c: what columns show, and what has to be read and computed for that. */
enum silt_status plan_make_outputs(struct plan *plan, struct silt_error *err);
/* Used by the parts of planning. slot_of_ref: -1: a name that is nothing here. */
uint32_t plan_add_slot(struct plan *plan, const struct slot *slot);
int64_t plan_slot_of_ref(struct plan *plan, const struct expr *ref);
void plan_assign_types(const struct plan *plan, struct expr *expr);
/* plan_filter.c: WHERE, as far as it is not about time. */
void plan_make_filter(struct plan *plan);

/* sources.c: names without a database or with one that does not exist are refused before anything else is looked at. */
enum silt_status sources_check(struct exec *exec, const struct select *select, struct silt_error *err);
/* Opens readers and fills plan->sources; subqueries are planned, not run. */
enum silt_status plan_open_sources(struct plan *plan, struct silt_error *err);
/* Runs the subqueries: every measurement of their answers becomes a source. */
enum silt_status plan_run_subqueries(struct plan *plan, struct silt_error *err);
/* subquery.c: runs it and gives its rows as a reader. */
enum silt_status subquery_run(struct plan *plan, struct silt_reader **out, struct silt_error *err);

static inline enum data_type data_type_of(enum silt_type type)
{
    switch (type) {
    case SILT_TYPE_FLOAT: return DATA_FLOAT;
    case SILT_TYPE_INTEGER: return DATA_INTEGER;
    case SILT_TYPE_UNSIGNED: return DATA_UNSIGNED;
    case SILT_TYPE_STRING: return DATA_STRING;
    case SILT_TYPE_BOOLEAN: return DATA_BOOLEAN;
    case SILT_TYPE_NONE: break;
    }
    return DATA_UNKNOWN;
}

/* Rank among types of one name: the higher is shown. */
static inline int data_type_rank(enum data_type type)
{
    switch (type) {
    case DATA_FLOAT: return 7;
    case DATA_INTEGER: return 6;
    case DATA_UNSIGNED: return 5;
    case DATA_STRING: return 4;
    case DATA_BOOLEAN: return 3;
    case DATA_TAG: return 2;
    default: return 0;
    }
}

#endif
